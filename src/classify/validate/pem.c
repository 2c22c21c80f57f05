/* A block of RFC 7468 (or an older one, or PGP's), also on one line with its line ends written "\n". */
#include "classify/ascii.h"
#include "classify/validate/list.h"

#define PEM_BYTES_MAX (1 << 20)
#define LABEL_BYTES_MAX 64
#define BODY_MIN 32 /* characters of base64 */

#define BEGIN "-----BEGIN "
#define END "-----END "
#define DASHES "-----"

static struct slice behind(struct slice text, size_t count)
{
    return slice_part(text, count, text.len);
}

/* How many bytes of a line's end stand in front: CR and LF, or a backslash and n or r. */
static size_t line_end(struct slice text)
{
    if (text.len > 0 && (text.at[0] == '\n' || text.at[0] == '\r'))
        return 1;
    return text.len > 1 && text.at[0] == '\\' && (text.at[1] == 'n' || text.at[1] == 'r') ? 2
                                                                                          : 0;
}

/* Takes one line off the front; a block without line ends is one line. */
static struct slice take_line(struct slice *text)
{
    struct slice line = *text;

    line.len = 0;
    while (line.len < text->len && line_end(behind(*text, line.len)) == 0)
        line.len++;
    *text = behind(*text, line.len);
    for (size_t end = line_end(*text); end > 0; end = line_end(*text))
        *text = behind(*text, end);
    return line;
}

struct body {
    size_t count;   /* characters of base64 */
    size_t padding; /* and of '=' behind them */
};

/* Spaces around it, and what strings of programs put there, are nothing. */
static bool add_line(struct body *body, struct slice line)
{
    line = slice_trim(line);
    if (line.len == 5 && line.at[0] == '=') /* a checksum of PGP */
        return body->count > 0;
    for (size_t i = 0; i < line.len; i++) {
        uint8_t byte = line.at[i];

        if (byte == '=')
            body->padding++;
        else if (body->padding == 0 && (is_alnum(byte) || byte == '+' || byte == '/'))
            body->count++;
        else
            return false;
    }
    return body->padding <= 2;
}

static bool is_body(struct slice text)
{
    struct body body = {0};

    while (text.len > 0) {
        struct slice line = take_line(&text);

        if (body.count == 0 && slice_find_byte(line, ':', 0) != SIZE_MAX)
            continue; /* Proc-Type, Version */
        if (!add_line(&body, line))
            return false;
    }
    return body.count >= BODY_MIN && (body.count + body.padding) % 4 == 0;
}

bool validate_pem(struct slice text)
{
    struct slice label, head, rest;
    size_t close, end;

    text = slice_trim(text);
    if (text.len > PEM_BYTES_MAX || !slice_starts_with(text, SLICE(BEGIN)))
        return false;
    text = behind(text, strlen(BEGIN));
    close = slice_find(slice_part(text, 0, LABEL_BYTES_MAX), SLICE(DASHES), 0);
    end = slice_find(text, SLICE(END), 0);
    if (close == SIZE_MAX || close == 0 || end == SIZE_MAX || end < close + strlen(DASHES))
        return false;
    label = slice_part(text, 0, close);
    head = slice_part(text, close + strlen(DASHES), end);
    rest = behind(text, end + strlen(END));
    if (!slice_starts_with(rest, label) ||
        !slice_equal(behind(rest, label.len), SLICE(DASHES)))
        return false;
    for (size_t i = 0; i < label.len; i++)
        if (!is_upper(label.at[i]) && !is_digit(label.at[i]) && label.at[i] != ' ')
            return false;
    return is_body(head);
}
