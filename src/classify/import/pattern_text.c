/* What a pattern is made of, and what it is for PCRE2. */
#include "classify/import/pattern_reader.h"

#include "classify/ascii.h"

#define PARTS_MAX 8192

bool pattern_refuse(const struct pattern_reader *in, const char *why)
{
    return fault_set(in->fault, FAULT_INVALID, "character %zu: %s", in->at + 1, why);
}

/* ---- parts ---- */

uint32_t pattern_part(struct pattern_reader *in, enum part_kind kind)
{
    struct pattern *pattern = in->pattern;

    if (pattern->count == PARTS_MAX) {
        (void)fault_set(in->fault, FAULT_LIMIT, "more than %d parts", PARTS_MAX);
        return PART_NONE;
    }
    pattern->parts =
        xgrow(pattern->parts, &pattern->room, pattern->count + 1, sizeof(*pattern->parts));
    pattern->parts[pattern->count] =
        (struct part){.kind = kind, .first = PART_NONE, .last = PART_NONE, .next = PART_NONE};
    return (uint32_t)pattern->count++;
}

void pattern_adopt(struct pattern_reader *in, uint32_t parent, uint32_t child)
{
    struct part *parts = in->pattern->parts;

    if (parts[parent].first == PART_NONE)
        parts[parent].first = child;
    else
        parts[parts[parent].last].next = child;
    parts[parent].last = child;
}

uint32_t pattern_add_set(struct pattern_reader *in, const struct byte_set *set,
                         uint8_t written, const struct pattern_flags *flags)
{
    uint32_t part = pattern_part(in, PART_SET);

    if (part == PART_NONE)
        return PART_NONE;
    in->pattern->parts[part].set = *set;
    in->pattern->parts[part].written = written;
    if (flags->any_case)
        byte_set_fold(&in->pattern->parts[part].set);
    return part;
}

uint32_t pattern_add_byte(struct pattern_reader *in, uint8_t byte,
                          const struct pattern_flags *flags)
{
    struct byte_set set = {0};

    byte_set_add(&set, byte, byte);
    return pattern_add_set(in, &set, byte, flags);
}

/* ---- characters ---- */

int pattern_peek(const struct pattern_reader *in)
{
    return in->at < in->text.len ? in->text.at[in->at] : -1;
}

bool pattern_take(struct pattern_reader *in, const char *word)
{
    if (!slice_starts_with(slice_part(in->text, in->at, in->text.len), slice_of(word)))
        return false;
    in->at += strlen(word);
    return true;
}

bool pattern_emit(struct pattern_reader *in, const char *text)
{
    return buf_add_text(&in->pattern->text, text, in->fault);
}

bool pattern_emit_from(struct pattern_reader *in, size_t from)
{
    return buf_add(&in->pattern->text, slice_part(in->text, from, in->at), in->fault);
}

bool pattern_emit_byte(struct pattern_reader *in, uint8_t byte)
{
    if (byte < 0x20 || byte == 0x7f)
        return buf_add_format(&in->pattern->text, in->fault, "\\x%02x", byte);
    if (!is_alnum(byte) && byte < 0x80 && byte != '_' && byte != ' ' && byte != '-' &&
        byte != '"' && byte != '\'' && byte != '/' && byte != ':' && byte != '=' &&
        byte != ',' && byte != ';' && byte != '@' && byte != '%' && byte != '&' &&
        byte != '~' && byte != '<' && byte != '>' && byte != '!' && byte != '#' &&
        byte != '`' && !buf_add_byte(&in->pattern->text, '\\', in->fault))
        return false;
    return buf_add_byte(&in->pattern->text, byte, in->fault);
}
