#include "classify/pdf/lexer.h"

#include "base/hex.h"

#define NUMBER_MOST 1e9

static bool is_blank(uint8_t byte)
{
    return byte == 0 || byte == '\t' || byte == '\n' || byte == '\f' || byte == '\r' ||
           byte == ' ';
}

static bool is_delimiter(uint8_t byte)
{
    return byte != 0 && strchr("()<>[]{}/%", byte) != NULL;
}

void pdf_lexer_begin(struct pdf_lexer *ret_lexer, struct slice text)
{
    *ret_lexer = (struct pdf_lexer){.text = text, .bytes = buf_with_limit(text.len + 1)};
}

void pdf_lexer_end(struct pdf_lexer *lexer)
{
    buf_free_secret(&lexer->bytes);
}

static bool peek(const struct pdf_lexer *lexer, uint8_t *ret_byte)
{
    if (lexer->at >= lexer->text.len)
        return false;
    *ret_byte = lexer->text.at[lexer->at];
    return true;
}

/* No word is longer than the text that it stands in. */
static void keep(struct pdf_lexer *lexer, uint8_t byte)
{
    struct fault fault;

    (void)!buf_add_byte(&lexer->bytes, byte, &fault);
}

static void skip_blanks(struct pdf_lexer *lexer)
{
    uint8_t byte;

    while (peek(lexer, &byte)) {
        if (byte == '%')
            while (peek(lexer, &byte) && byte != '\n' && byte != '\r')
                lexer->at++;
        else if (is_blank(byte))
            lexer->at++;
        else
            return;
    }
}

/* Up to three octal digits. */
static uint8_t take_octal(struct pdf_lexer *lexer)
{
    unsigned value = 0;
    uint8_t byte;

    for (unsigned i = 0; i < 3 && peek(lexer, &byte) && byte >= '0' && byte <= '7'; i++) {
        value = value * 8 + (unsigned)(byte - '0');
        lexer->at++;
    }
    return (uint8_t)value;
}

static void take_escape(struct pdf_lexer *lexer)
{
    static const char from[] = "nrtbf", to[] = "\n\r\t\b\f";
    const char *known;
    uint8_t byte, next;

    if (!peek(lexer, &byte))
        return;
    if (byte >= '0' && byte <= '7') {
        keep(lexer, take_octal(lexer));
        return;
    }
    lexer->at++;
    if (byte == '\r' && peek(lexer, &next) && next == '\n')
        lexer->at++;
    known = byte == 0 ? NULL : strchr(from, byte);
    if (known != NULL)
        keep(lexer, (uint8_t)to[known - from]);
    else if (byte != '\r' && byte != '\n') /* a line that goes on */
        keep(lexer, byte);
}

static void take_string(struct pdf_lexer *lexer)
{
    size_t depth = 1;
    uint8_t byte;

    while (peek(lexer, &byte)) {
        lexer->at++;
        if (byte == '\\') {
            take_escape(lexer);
            continue;
        }
        depth += byte == '(';
        depth -= byte == ')';
        if (depth == 0)
            return;
        keep(lexer, byte);
    }
}

static void take_hexadecimal(struct pdf_lexer *lexer)
{
    unsigned digits = 0, value = 0;
    uint8_t byte;

    while (peek(lexer, &byte)) {
        int digit = hex_digit(byte);

        lexer->at++;
        if (byte == '>')
            break;
        if (digit < 0)
            continue;
        value = value << 4 | (unsigned)digit;
        if (++digits % 2 == 0) {
            keep(lexer, (uint8_t)value);
            value = 0;
        }
    }
    if (digits % 2 != 0)
        keep(lexer, (uint8_t)(value << 4));
}

static void take_name(struct pdf_lexer *lexer)
{
    uint8_t byte;

    while (peek(lexer, &byte) && !is_blank(byte) && !is_delimiter(byte)) {
        size_t at = lexer->at++;

        if (byte == '#' && lexer->text.len - at > 2 &&
            hex_digit(lexer->text.at[at + 1]) >= 0 && hex_digit(lexer->text.at[at + 2]) >= 0) {
            byte = (uint8_t)(hex_digit(lexer->text.at[at + 1]) << 4 |
                             hex_digit(lexer->text.at[at + 2]));
            lexer->at += 2;
        }
        keep(lexer, byte);
    }
}

/* Digits with a sign and a point. False: it is a word of another kind. */
static bool number_of(struct slice word, double *ret_number)
{
    double value = 0, part = 0;
    size_t at = 0;
    bool has_digit = false;

    while (at < word.len && (word.at[at] == '+' || word.at[at] == '-'))
        at++;
    for (; at < word.len; at++) {
        if (word.at[at] == '.' && part == 0) {
            part = 1;
        } else if (word.at[at] >= '0' && word.at[at] <= '9') {
            has_digit = true;
            value = value * (part == 0 ? 10 : 1) +
                    (word.at[at] - '0') * (part == 0 ? 1 : part / 10);
            part /= 10;
        } else if (word.at[at] == '-' && has_digit) {
            break; /* some producers write 12-34 */
        } else {
            return false;
        }
        if (value > NUMBER_MOST)
            value = NUMBER_MOST;
    }
    *ret_number = word.len > 0 && word.at[0] == '-' ? -value : value;
    return has_digit || part > 0;
}

static void take_word(struct pdf_lexer *lexer, struct pdf_word *ret_word)
{
    size_t from = lexer->at;
    uint8_t byte;

    while (peek(lexer, &byte) && !is_blank(byte) && !is_delimiter(byte))
        lexer->at++;
    ret_word->bytes = slice_part(lexer->text, from, lexer->at);
    ret_word->kind = number_of(ret_word->bytes, &ret_word->number) ? PDF_NUMBER : PDF_OPERATOR;
}

static void take_brackets(struct pdf_lexer *lexer, struct pdf_word *ret_word, uint8_t byte)
{
    uint8_t next = 0;

    (void)peek(lexer, &next);
    if (byte == '[' || byte == ']') {
        ret_word->kind = byte == '[' ? PDF_ARRAY : PDF_ARRAY_END;
    } else if ((byte == '<' || byte == '>') && next == byte) {
        lexer->at++;
        ret_word->kind = byte == '<' ? PDF_DICTIONARY : PDF_DICTIONARY_END;
    } else if (byte == '<') {
        ret_word->kind = PDF_STRING;
        take_hexadecimal(lexer);
    } else { /* one that closes nothing, or a brace */
        ret_word->kind = PDF_OPERATOR;
    }
}

bool pdf_lexer_next(struct pdf_lexer *lexer, struct pdf_word *ret_word)
{
    uint8_t byte;

    *ret_word = (struct pdf_word){.kind = PDF_END};
    buf_clear(&lexer->bytes);
    skip_blanks(lexer);
    if (!peek(lexer, &byte))
        return false;
    if (!is_delimiter(byte)) {
        take_word(lexer, ret_word);
        return true;
    }
    lexer->at++;
    if (byte == '(') {
        ret_word->kind = PDF_STRING;
        take_string(lexer);
    } else if (byte == '/') {
        ret_word->kind = PDF_NAME;
        take_name(lexer);
    } else {
        take_brackets(lexer, ret_word, byte);
    }
    ret_word->bytes = buf_slice(&lexer->bytes);
    return true;
}

size_t pdf_lexer_skip_image(struct pdf_lexer *lexer)
{
    size_t from = lexer->at, end;

    for (size_t at = from;; at = end + 2) {
        end = slice_find(lexer->text, SLICE("EI"), at);
        if (end == SIZE_MAX) {
            lexer->at = lexer->text.len;
            return lexer->text.len - from;
        }
        if (end > from && is_blank(lexer->text.at[end - 1]) &&
            (end + 2 == lexer->text.len || is_blank(lexer->text.at[end + 2]))) {
            lexer->at = end + 2;
            return end - from;
        }
    }
}
