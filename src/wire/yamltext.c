#include "wire/yamltext.h"

#include "base/utf8.h"

#define BYTE_ORDER_MARK 0xfeff

static bool wrong(const char *where, size_t line, size_t column, const char *why,
                  struct fault *fault)
{
    return fault_set(fault, FAULT_INVALID, "%.60s:%zu:%zu: %s", where, line, column, why);
}

/* A CR is taken at the end of a line alone; `rest` of the text begins behind the LF. */
static bool is_control(struct slice line, size_t at, bool has_end)
{
    uint8_t byte = line.at[at];

    if (byte == '\r')
        return at + 1 != line.len || !has_end;
    return (byte < 0x20 && byte != '\t') || byte == 0x7f;
}

static bool check_line(struct slice line, bool has_end, const char *where, size_t number,
                       struct fault *fault)
{
    for (size_t at = 0; at < line.len;) {
        uint32_t character;
        size_t len = utf8_next(line, at, &character);

        if (len == 0)
            return wrong(where, number, at + 1, "not UTF-8", fault);
        if (is_control(line, at, has_end))
            return wrong(where, number, at + 1, "a control character", fault);
        if (character == BYTE_ORDER_MARK)
            return wrong(where, number, at + 1, "a byte order mark", fault);
        at += len;
    }
    if (line.len > 0 && line.at[0] == '%')
        return wrong(where, number, 1, "directives have no place here", fault);
    return true;
}

bool yamltext_check(struct slice text, const char *where, struct fault *fault)
{
    size_t start = 0;

    for (size_t number = 1; start < text.len; number++) {
        size_t end = slice_find_byte(text, '\n', start);
        bool has_end = end != SIZE_MAX;

        if (!check_line(slice_part(text, start, end), has_end, where, number, fault))
            return false;
        start = has_end ? end + 1 : text.len;
    }
    return true;
}
