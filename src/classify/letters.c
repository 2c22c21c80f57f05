#include "classify/letters.h"

#include <stdlib.h>

#include "base/hex.h"
#include "base/scope.h"
#include "base/utf8.h"
#include "classify/containers.h"
#include "classify/ascii.h"

/* How one code or one byte of UTF-8 is written. */
enum writing {
    WRITING_RAW,  /* a byte */
    WRITING_HEX,  /* `digits` hexadecimal digits from `digits_at` on */
    WRITING_OCTAL,
    WRITING_DECIMAL,
    WRITING_WIDE,   /* two bytes, the first one the low one */
    WRITING_NAMED,  /* an entity's name, which a number can take the place of */
    WRITING_FIXED,
};

struct unit {
    uint32_t code;
    uint8_t len, digits_at, digits;
    enum writing writing;
    bool is_byte; /* of UTF-8, maybe with others */
};

static bool hex_run(struct slice text, size_t at, size_t count, uint32_t *ret_value)
{
    uint32_t value = 0;

    for (size_t i = 0; i < count; i++) {
        int digit = at + i < text.len ? hex_digit(text.at[at + i]) : -1;

        if (digit < 0)
            return false;
        value = value << 4 | (uint32_t)digit;
    }
    *ret_value = value;
    return true;
}

static struct unit hex_unit(uint32_t value, size_t digits_at, size_t digits, bool is_byte)
{
    return (struct unit){.code = value,
                         .len = (uint8_t)(digits_at + digits),
                         .digits_at = (uint8_t)digits_at,
                         .digits = (uint8_t)digits,
                         .writing = WRITING_HEX,
                         .is_byte = is_byte};
}

static struct unit fixed_unit(size_t len)
{
    return (struct unit){.code = '\\', .len = (uint8_t)len, .writing = WRITING_FIXED};
}

/* \u0041 \U00000041 \x41 \101; of \n and the like both bytes stay. */
static bool read_backslash(struct slice text, size_t at, struct unit *ret_unit)
{
    static const struct {
        char letter;
        uint8_t digits;
        bool is_byte;
    } rows[] = {{'u', 4, false}, {'U', 8, false}, {'x', 2, true}};
    uint8_t next = at + 1 < text.len ? text.at[at + 1] : 0;
    uint32_t value = 0;

    if (text.at[at] != '\\' || at + 1 == text.len)
        return false;
    for (size_t i = 0; i < COUNT(rows); i++)
        if (next == (uint8_t)rows[i].letter && hex_run(text, at + 2, rows[i].digits, &value)) {
            *ret_unit = hex_unit(value, 2, rows[i].digits, rows[i].is_byte);
            return true;
        }
    for (size_t i = 1; i <= 3 && at + i < text.len && text.at[at + i] >= '0' &&
                       text.at[at + i] <= '7';
         i++) {
        value = value * 8 + (uint32_t)(text.at[at + i] - '0');
        if (i == 3 && value < 256) {
            *ret_unit = (struct unit){.code = value,
                                      .len = 4,
                                      .digits_at = 1,
                                      .digits = 3,
                                      .writing = WRITING_OCTAL,
                                      .is_byte = true};
            return true;
        }
    }
    *ret_unit = fixed_unit(2);
    ret_unit->code = next == 'n' || next == 'r' ? '\n' : next == 't' ? ' ' : '\\';
    return true;
}

/* The length of an entity from '&' to ';', or 0. */
static size_t entity_len(struct slice text, size_t at)
{
    size_t end = at + 1;

    while (end < text.len && end - at < 12 && (is_alnum(text.at[end]) || text.at[end] == '#'))
        end++;
    return end < text.len && text.at[end] == ';' && end - at > 1 ? end + 1 - at : 0;
}

static bool read_entity(struct slice text, size_t at, struct unit *ret_unit)
{
    static const char *const marks[] = {"grave", "acute", "circ", "tilde", "uml", "ring",
                                        "cedil", "slash"};
    size_t len = text.at[at] == '&' ? entity_len(text, at) : 0;
    bool is_number = len > 3 && text.at[at + 1] == '#', is_hex;
    uint32_t value = 0;

    if (len == 0)
        return false;
    *ret_unit = fixed_unit(len);
    is_hex = is_number && (text.at[at + 2] == 'x' || text.at[at + 2] == 'X');
    if (is_hex && len > 4 && len <= 12 && hex_run(text, at + 3, len - 4, &value))
        *ret_unit = (struct unit){.code = value,
                                  .digits_at = 3,
                                  .digits = (uint8_t)(len - 4),
                                  .writing = WRITING_HEX};
    for (size_t i = 2; is_number && !is_hex && i + 1 < len; i++) {
        value = value * 10 + (uint32_t)(text.at[at + i] - '0');
        if (!is_digit(text.at[at + i]) || value > 0x10ffff)
            break;
        if (i + 2 == len)
            *ret_unit = (struct unit){.code = value,
                                      .digits_at = 2,
                                      .digits = (uint8_t)(len - 3),
                                      .writing = WRITING_DECIMAL};
    }
    for (size_t i = 0; !is_number && i < COUNT(marks); i++)
        if (len == strlen(marks[i]) + 3 && is_letter(text.at[at + 1]) &&
            slice_equal(slice_part(text, at + 2, at + len - 1), slice_of(marks[i])))
            *ret_unit = (struct unit){.code = text.at[at + 1] >= 'a' ? 0xe9 : 0xc9,
                                      .digits_at = 3,
                                      .digits = (uint8_t)(len - 4),
                                      .writing = WRITING_NAMED};
    ret_unit->len = (uint8_t)len;
    return true;
}

static bool read_percent(struct slice text, size_t at, struct unit *ret_unit)
{
    uint32_t value;

    if (text.at[at] != '%' || !hex_run(text, at + 1, 2, &value))
        return false;
    *ret_unit = hex_unit(value, 1, 2, true);
    return true;
}

static bool read_wide(struct slice text, size_t at, struct unit *ret_unit)
{
    unsigned high = at + 1 < text.len ? text.at[at + 1] : 0;
    unsigned code = high << 8 | text.at[at];

    *ret_unit = (struct unit){.code = code,
                              .len = at + 1 < text.len ? 2 : 1,
                              .writing = code >= 0xd800 && code <= 0xdfff ? WRITING_FIXED
                                                                          : WRITING_WIDE};
    return true;
}

typedef bool unit_reader(struct slice text, size_t at, struct unit *ret_unit);

/* What is looked for at each place, in this order; else it is a byte. Escapes also stand in
 * plain text: a value of a source file was not taken out of its quotes. */
static unit_reader *const readers[FORM_COUNT][3] = {
    [FORM_PLAIN] = {read_backslash, read_entity},
    [FORM_BACKSLASH] = {read_backslash, read_entity},
    [FORM_PERCENT] = {read_percent},
    [FORM_ENTITY] = {read_entity},
    [FORM_WIDE] = {read_wide},
};

static struct unit read_unit(struct slice text, size_t at, enum finding_form form)
{
    struct unit unit = {.code = text.at[at], .len = 1, .is_byte = true};

    for (size_t i = 0; i < COUNT(readers[form]) && readers[form][i] != NULL; i++)
        if (readers[form][i](text, at, &unit))
            return unit;
    return unit;
}

static uint32_t most_of(const struct unit *unit)
{
    uint32_t most = 1;

    switch (unit->writing) {
    case WRITING_HEX:
    case WRITING_NAMED:
        return unit->digits >= 6 ? 0x10ffff : (1U << (4 * unit->digits)) - 1;
    case WRITING_DECIMAL:
        for (unsigned i = 0; i < unit->digits && most < 0x110000; i++)
            most *= 10;
        return most > 0x10ffff ? 0x10ffff : most - 1;
    case WRITING_WIDE:
        return unit->len == 2 ? 0xffff : 0xff;
    case WRITING_RAW:
    case WRITING_OCTAL:
        return 0x10ffff;
    case WRITING_FIXED:
        return 0;
    }
    return 0;
}

/* ---- reading ---- */

struct taking {
    struct slice text;
    enum finding_form form;
    struct letters *letters;
    size_t room;
};

static void add_letter(struct taking *taking, uint32_t code, uint32_t most, size_t at,
                       size_t len)
{
    struct letters *letters = taking->letters;

    letters->at = xgrow(letters->at, &taking->room, letters->count + 1, sizeof(*letters->at));
    letters->at[letters->count++] = (struct letter){
        .code = code, .most = most, .at = (uint32_t)at, .len = (uint32_t)len};
}

/* Bytes that may be one character of UTF-8; gives where the next letter begins. */
static size_t take_bytes(struct taking *taking, size_t at, struct unit first)
{
    uint8_t bytes[4] = {(uint8_t)first.code};
    size_t count = 1, end = at + first.len, ends[4] = {end};
    size_t want = first.code < 0x80 ? 1 : first.code >= 0xf0 ? 4 : first.code >= 0xe0 ? 3 : 2;
    uint32_t code = 0;
    bool is_alone;

    while (count < want && end < taking->text.len) {
        struct unit unit = read_unit(taking->text, end, taking->form);

        if (!unit.is_byte || unit.code < 0x80 || unit.code > 0xbf)
            break;
        end += unit.len;
        ends[count] = end;
        bytes[count++] = (uint8_t)unit.code;
    }
    is_alone = count == 1; /* with what follows another byte could become a character */
    count = utf8_next(slice_of_bytes(bytes, count), 0, &code);
    if (count == 0)
        add_letter(taking, LETTER_BYTE + first.code, is_alone ? UINT32_MAX : 0, at, first.len);
    else
        add_letter(taking, code, 0x10ffff, at, ends[count - 1] - at);
    return count == 0 ? ends[0] : ends[count - 1];
}

/* Escapes that stand in a text that is not written in them stay ones, and what is none must
 * not become one. */
static void mark_percents(struct letters *letters)
{
    for (size_t i = 0; i + 2 < letters->count; i++) {
        bool first = hex_digit((uint8_t)letters->plain[i + 1]) >= 0,
             second = hex_digit((uint8_t)letters->plain[i + 2]) >= 0;

        if (letters->plain[i] != '%' || letters->at[i].len != 1)
            continue;
        if (first && second)
            letters->at[i + 1].hex = letters->at[i + 2].hex = true;
        else
            letters->at[first ? i + 2 : i + 1].most = 0;
    }
}

static void take_letters(struct slice text, enum finding_form form, struct letters *letters)
{
    struct taking taking = {text, form, letters, 0};
    size_t begin = form == FORM_WIDE && text.len > 0 && text.at[0] == 0; /* big-endian */

    if (begin > 0)
        add_letter(&taking, ' ', 0, 0, 1);
    for (size_t at = begin; at < text.len;) {
        struct unit unit = read_unit(text, at, form);

        if (unit.is_byte) {
            at = take_bytes(&taking, at, unit);
            continue;
        }
        add_letter(&taking, unit.code, most_of(&unit), at, unit.len);
        at += unit.len;
    }
    letters->plain = xalloc(letters->count + 1);
    for (size_t i = 0; i < letters->count; i++)
        letters->plain[i] =
            letters->at[i].code < 0x7f ? (char)letters->at[i].code : (char)0x7f;
    mark_percents(letters);
}

void letters_read(struct slice raw, enum finding_form form, struct letters *ret_letters)
{
    *ret_letters = (struct letters){.form = form, .text = buf_with_limit(LETTERS_BYTES_MAX)};
    if (container_open(raw, form, &ret_letters->text))
        take_letters(buf_slice(&ret_letters->text), FORM_PLAIN, ret_letters);
    else
        take_letters(raw, form, ret_letters);
}

void letters_free(struct letters *letters)
{
    if (letters->at != NULL)
        explicit_bzero(letters->at, letters->count * sizeof(*letters->at));
    if (letters->plain != NULL)
        explicit_bzero(letters->plain, letters->count);
    free(letters->at);
    free(letters->plain);
    buf_free_secret(&letters->text);
    *letters = (struct letters){0};
}

/* ---- writing ---- */

size_t letter_utf8(uint32_t code, uint8_t ret_bytes[4])
{
    struct buf out = buf_with_limit(4);
    struct fault fault = {0};
    size_t len = utf8_add(&out, code, &fault) ? out.len : 0;

    if (len > 0)
        memcpy(ret_bytes, out.at, len);
    buf_free(&out);
    return len;
}

static void write_number(uint8_t *digits, size_t count, uint32_t value, unsigned base,
                         bool is_upper)
{
    while (count-- > 0) {
        unsigned digit = value % base;

        digits[count] = (uint8_t)(digit < 10 ? '0' + digit : (is_upper ? 'A' : 'a') + digit - 10);
        value /= base;
    }
}

static bool has_upper(const uint8_t *digits, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (digits[i] >= 'A' && digits[i] <= 'F')
            return true;
    return false;
}

static void write_unit(uint8_t *at, const struct unit *unit, uint32_t code)
{
    uint8_t *digits = at + unit->digits_at;

    switch (unit->writing) {
    case WRITING_RAW:
        at[0] = (uint8_t)code;
        break;
    case WRITING_HEX:
        write_number(digits, unit->digits, code, 16, has_upper(digits, unit->digits));
        break;
    case WRITING_OCTAL:
        write_number(digits, unit->digits, code, 8, false);
        break;
    case WRITING_DECIMAL:
        write_number(digits, unit->digits, code, 10, false);
        break;
    case WRITING_WIDE:
        at[0] = (uint8_t)code;
        if (unit->len == 2)
            at[1] = (uint8_t)(code >> 8);
        break;
    case WRITING_NAMED:
        memcpy(at, "&#x", 3);
        write_number(digits, unit->digits, code, 16, false);
        break;
    case WRITING_FIXED:
        break;
    }
}

static bool write_letter(uint8_t *bytes, const struct letter *letter, enum finding_form form,
                         uint32_t code)
{
    struct slice text = slice_of_bytes(bytes, letter->at + letter->len);
    struct unit unit = read_unit(text, letter->at, form);
    uint8_t utf8[4];
    size_t at = letter->at, count;

    if (letter->most == 0 || code > letter->most)
        return false;
    if (!unit.is_byte || letter->code >= LETTER_BYTE) {
        write_unit(bytes + at, &unit,
                   code >= LETTER_BYTE && unit.is_byte ? code - LETTER_BYTE : code);
        return code < 0x100 || code >= LETTER_BYTE || !unit.is_byte;
    }
    count = letter_utf8(code, utf8);
    for (size_t i = 0; i < count; i++) {
        if (at >= text.len)
            return false;
        unit = read_unit(text, at, form);
        write_unit(bytes + at, &unit, utf8[i]);
        at += unit.len;
    }
    return at == text.len;
}

static bool write_all(const struct letters *letters, const uint32_t *codes,
                      enum finding_form form, uint8_t *bytes)
{
    for (size_t i = 0; i < letters->count; i++)
        if (codes[i] != letters->at[i].code &&
            !write_letter(bytes, &letters->at[i], form, codes[i]))
            return false;
    return true;
}

bool letters_write(const struct letters *letters, const uint32_t *codes, uint8_t *bytes,
                   size_t len)
{
    AUTO_BUF_SECRET struct buf text = buf_with_limit(LETTERS_BYTES_MAX);
    struct fault fault = {0};

    if (letters->text.len == 0)
        return write_all(letters, codes, letters->form, bytes);
    return buf_add(&text, buf_slice(&letters->text), &fault) &&
           write_all(letters, codes, FORM_PLAIN, text.at) &&
           container_close(buf_slice(&text), letters->form, bytes, len);
}
