#include "base/utf8.h"

#include "base/eight.h"

size_t utf8_next(struct slice text, size_t at, uint32_t *ret_char)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t first = text.at[at];
    size_t len = first < 0x80       ? 1
                 : first >> 5 == 6  ? 2
                 : first >> 4 == 14 ? 3
                 : first >> 3 == 30 ? 4
                                    : 0;
    uint32_t c = len == 1 ? first : len == 0 ? 0 : first & (0xffU >> (len + 1));

    if (len == 0 || len > text.len - at)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if (text.at[at + i] >> 6 != 2)
            return 0;
        c = c << 6 | (text.at[at + i] & 0x3fU);
    }
    if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return 0;
    if (ret_char != NULL)
        *ret_char = c;
    return len;
}

size_t utf8_plain_run(struct slice text)
{
    size_t at = 0;

    while (text.len - at >= sizeof(uint64_t)) {
        uint64_t word = eight_load(text.at + at);
        uint64_t plain =
            eight_within(word, 0x20, 0x7e) & eight_other(word, '"') & eight_other(word, '\\');

        if ((plain & EIGHT_ALL) != EIGHT_ALL)
            return at + eight_first_no(plain);
        at += sizeof(word);
    }
    while (at < text.len && text.at[at] >= 0x20 && text.at[at] < 0x7f && text.at[at] != '"' &&
           text.at[at] != '\\')
        at++;
    return at;
}

static bool check(struct slice text, bool printable)
{
    for (size_t at = utf8_plain_run(text); at < text.len;) {
        size_t len = text.at[at] < 0x80 ? 1 : utf8_next(text, at, NULL);

        if (len == 0 || (printable && (text.at[at] < 0x20 || text.at[at] == 0x7f)))
            return false;
        at += len;
    }
    return true;
}

bool utf8_add(struct buf *out, uint32_t point, struct fault *fault)
{
    uint8_t bytes[4];
    size_t len = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    static const uint8_t heads[] = {0, 0, 0xC0, 0xE0, 0xF0};

    for (size_t i = len; i-- > 1; point >>= 6)
        bytes[i] = (uint8_t)(0x80 | (point & 0x3F));
    bytes[0] = (uint8_t)(heads[len] | point);
    return buf_add(out, slice_of_bytes(bytes, len), fault);
}

bool utf8_is_valid(struct slice text)
{
    return check(text, false);
}

bool utf8_is_printable(struct slice text)
{
    return check(text, true);
}

/*
 * Invisible operators, variation selectors supplement, joiners, byte order marks; with the tag
 * characters whole hidden texts have been smuggled.
 */
bool utf8_is_hidden(uint32_t c)
{
    static const struct {
        uint32_t from, to;
    } hidden[] = {
        {0x00, 0x08},     {0x0e, 0x1f},     {0x7f, 0x84},       {0x86, 0x9f},
        {0xad, 0xad},     {0x34f, 0x34f},   {0x61c, 0x61c},     {0x115f, 0x1160},
        {0x17b4, 0x17b5}, {0x180b, 0x180f}, {0x200b, 0x200f},   {0x202a, 0x202e},
        {0x2060, 0x206f}, {0x3164, 0x3164}, {0xfe00, 0xfe0e},   {0xfeff, 0xfeff},
        {0xffa0, 0xffa0}, {0xfff9, 0xfffb}, {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff},
    };

    for (size_t i = 0; i < COUNT(hidden); i++)
        if (c >= hidden[i].from && c <= hidden[i].to)
            return true;
    return false;
}

/* Beyond ASCII: NEL, LINE SEPARATOR, PARAGRAPH SEPARATOR. */
static bool is_line_end(uint32_t c)
{
    return c == 0x85 || c == 0x2028 || c == 0x2029;
}

static bool add_character(struct buf *out, struct slice bytes, uint32_t c, struct fault *fault)
{
    if (c == '\n' || c == '\t')
        return buf_add(out, bytes, fault);
    if (c < 0x20 || c == 0x7f)
        return buf_add_format(out, fault, "^%c", (int)(c ^ 0x40));
    if (is_line_end(c) || utf8_is_hidden(c))
        return buf_add_format(out, fault, "<U+%04X>", c);
    return buf_add(out, bytes, fault);
}

bool utf8_add_visible(struct buf *out, struct slice text, struct fault *fault)
{
    for (size_t at = 0; at < text.len;) {
        uint32_t c = 0;
        size_t len = utf8_next(text, at, &c);

        if (len == 0 ? !buf_add_format(out, fault, "<%02X>", text.at[at])
                     : !add_character(out, slice_part(text, at, at + len), c, fault))
            return false;
        at += len == 0 ? 1 : len;
    }
    return true;
}

void utf8_tame(char *line)
{
    struct slice text = slice_of(line);

    for (size_t at = 0; at < text.len;) {
        uint32_t c = 0;
        size_t len;

        if (text.at[at] >= 0x20 && text.at[at] < 0x7F) {
            at++;
            continue;
        }
        len = utf8_next(text, at, &c);
        if (len == 0 || c < 0x20 || is_line_end(c) || utf8_is_hidden(c))
            memset(line + at, '?', len == 0 ? 1 : len);
        at += len == 0 ? 1 : len;
    }
}
