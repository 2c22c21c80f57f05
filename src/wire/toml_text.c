#include "wire/toml_reader.h"

#include "base/hex.h"
#include "base/utf8.h"

/* ---- characters ---- */

int toml_peek(const struct toml_reader *in)
{
    return in->at < in->text.len ? in->text.at[in->at] : -1;
}

bool toml_is_ahead(const struct toml_reader *in, const char *word)
{
    return slice_starts_with(slice_part(in->text, in->at, in->text.len), slice_of(word));
}

bool toml_take(struct toml_reader *in, const char *word)
{
    if (!toml_is_ahead(in, word))
        return false;
    in->at += strlen(word);
    return true;
}

void toml_skip_blanks(struct toml_reader *in)
{
    while (toml_peek(in) == ' ' || toml_peek(in) == '\t')
        in->at++;
}

static bool take_line_end(struct toml_reader *in)
{
    if (!toml_take(in, "\n") && !toml_take(in, "\r\n"))
        return false;
    in->line++;
    return true;
}

static void skip_comment(struct toml_reader *in)
{
    toml_skip_blanks(in);
    if (toml_peek(in) == '#')
        while (in->at < in->text.len && !toml_is_ahead(in, "\n") && !toml_is_ahead(in, "\r\n"))
            in->at++;
}

void toml_skip_lines(struct toml_reader *in)
{
    do
        skip_comment(in);
    while (take_line_end(in));
}

bool toml_end_line(struct toml_reader *in)
{
    skip_comment(in);
    return in->at == in->text.len || take_line_end(in) ||
           toml_refuse_here(in, "something stands behind a value or a header");
}

/* ---- texts ---- */

static bool add_escaped(struct toml_reader *in, struct buf *out)
{
    static const char letters[] = "btnfr\"\\", bytes[] = "\b\t\n\f\r\"\\";
    int letter = toml_peek(in);
    const char *known = letter < 1 ? NULL : strchr(letters, letter);
    size_t digits = letter == 'u' ? 4 : letter == 'U' ? 8 : 0;
    uint32_t point = 0;

    in->at++;
    if (known != NULL)
        return buf_add_byte(out, (uint8_t)bytes[known - letters], in->fault);
    if (digits == 0 || in->text.len - in->at < digits)
        return toml_refuse_here(in, "an escape that TOML does not have");
    for (; digits > 0; digits--) {
        int digit = hex_digit(in->text.at[in->at++]);

        if (digit < 0)
            return toml_refuse_here(in, "an escape that TOML does not have");
        point = point << 4 | (uint32_t)digit;
    }
    if (point == 0 || point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
        return toml_refuse_here(in, "an escape that is no character");
    return utf8_add(out, point, in->fault);
}

/* A backslash at the end of a line: what is blank goes, over lines. */
static bool take_folded(struct toml_reader *in)
{
    struct toml_reader ahead = *in;

    toml_skip_blanks(&ahead);
    if (!take_line_end(&ahead))
        return false;
    do
        toml_skip_blanks(&ahead);
    while (take_line_end(&ahead));
    *in = ahead;
    return true;
}

static const struct toml_quote quotes[] = {/* the longer ones first */
                                           {"\"\"\"", true, true},
                                           {"'''", false, true},
                                           {"\"", true, false},
                                           {"'", false, false}};

const struct toml_quote *toml_take_quote(struct toml_reader *in)
{
    for (size_t i = 0; i < COUNT(quotes); i++)
        if (toml_take(in, quotes[i].mark))
            return &quotes[i];
    return NULL;
}

/* One or two more marks may stand in front of the closing ones. */
static bool take_close(struct toml_reader *in, const struct toml_quote *quote, struct buf *out,
                       bool *ret_ok)
{
    *ret_ok = true;
    if (!toml_take(in, quote->mark))
        return false;
    for (unsigned more = 0; quote->has_lines && more < 2 && toml_peek(in) == quote->mark[0];
         more++) {
        *ret_ok = *ret_ok && buf_add_byte(out, (uint8_t)quote->mark[0], in->fault);
        in->at++;
    }
    return true;
}

bool toml_read_quoted(struct toml_reader *in, const struct toml_quote *quote, struct buf *out)
{
    bool ok = true;

    if (quote->has_lines)
        (void)take_line_end(in);
    while (!take_close(in, quote, out, &ok)) {
        if (in->at == in->text.len)
            return toml_refuse_here(in, "a text that does not end");
        if (take_line_end(in)) {
            if (!quote->has_lines)
                return toml_refuse_here(in, "a text that does not end in its line");
            ok = buf_add_byte(out, '\n', in->fault);
        } else if (quote->has_escapes && toml_take(in, "\\")) {
            ok = (quote->has_lines && take_folded(in)) || add_escaped(in, out);
        } else {
            ok = buf_add_byte(out, in->text.at[in->at++], in->fault);
        }
        if (!ok)
            return false;
    }
    return ok;
}
