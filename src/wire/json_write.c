/* JSON written, and edited in its bytes. */
#include "wire/json.h"
#include "wire/json_lexeme.h"

bool json_add_string(struct buf *out, struct slice text, struct fault *fault)
{
    bool ok = buf_add_byte(out, '"', fault);

    for (size_t i = 0; ok && i < text.len;) {
        size_t len = json_code_point_len(slice_part(text, i, text.len));
        uint8_t byte = text.at[i];

        if (len == 0)
            ok = buf_add_text(out, "\xEF\xBF\xBD", fault);
        else if (byte == '"' || byte == '\\')
            ok = buf_add_byte(out, '\\', fault) && buf_add_byte(out, byte, fault);
        else if (byte < 0x20)
            ok = buf_add_format(out, fault, "\\u%04x", byte);
        else
            ok = buf_add(out, slice_part(text, i, i + len), fault);
        i += len == 0 ? 1 : len;
    }
    return ok && buf_add_byte(out, '"', fault);
}

bool json_splice(struct slice text, const struct json_edit *edits, size_t count,
                 struct buf *out, struct fault *fault)
{
    size_t at = 0;

    for (size_t i = 0; i < count; i++) {
        if (edits[i].from < at || edits[i].to < edits[i].from || edits[i].to > text.len)
            return fault_set(fault, FAULT_INVALID, "edits overlap or leave the document");
        if (!buf_add(out, slice_part(text, at, edits[i].from), fault) ||
            !buf_add(out, edits[i].with, fault))
            return false;
        at = edits[i].to;
    }
    return buf_add(out, slice_part(text, at, text.len), fault);
}
