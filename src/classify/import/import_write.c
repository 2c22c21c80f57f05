/* Keys of a rule of ours, as YAML. */
#include "classify/import/parts.h"

/* In one line. libfyaml 0.7 loses bytes of a text in single quotes that holds two of them in a row,
 * so one that holds any stands in double quotes. */
static bool put_quoted(struct buf *out, struct slice text, struct fault *fault)
{
    bool is_plain = true;

    for (size_t i = 0; i < text.len; i++)
        is_plain = is_plain && text.at[i] >= 0x20 && text.at[i] != 0x7f && text.at[i] != '\'';
    if (is_plain)
        return buf_add_byte(out, '\'', fault) && buf_add(out, text, fault) &&
               buf_add_byte(out, '\'', fault);
    if (!buf_add_byte(out, '"', fault))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.at[i];
        bool is_control = byte < 0x20 || byte == 0x7f;

        if (is_control && !buf_add_format(out, fault, "\\x%02x", byte))
            return false;
        if ((byte == '"' || byte == '\\') && !buf_add_byte(out, '\\', fault))
            return false;
        if (!is_control && !buf_add_byte(out, byte, fault))
            return false;
    }
    return buf_add_byte(out, '"', fault);
}

bool import_put_text(struct buf *yaml, const char *key, struct slice text, struct fault *fault)
{
    return text.len == 0 || (buf_add_format(yaml, fault, "  %s: ", key) &&
                             put_quoted(yaml, text, fault) && buf_add_byte(yaml, '\n', fault));
}

bool import_put_list(struct buf *yaml, const char *key, const struct texts *texts,
                     struct fault *fault)
{
    if (texts->count == 0)
        return true;
    if (!buf_add_format(yaml, fault, "  %s: [", key))
        return false;
    for (size_t i = 0; i < texts->count; i++)
        if ((i > 0 && !buf_add_text(yaml, ", ", fault)) ||
            !put_quoted(yaml, texts->at[i], fault))
            return false;
    return buf_add_text(yaml, "]\n", fault);
}
