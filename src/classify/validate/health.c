/* Health care: who treats, who is insured, what is prescribed, which device is in whom. */
#include "classify/validate/checksum.h"
#include "classify/validate/list.h"

#define GS1_BYTES_MAX 200
#define GTIN_DIGITS 14
#define SERIAL_BYTES_MAX 20
#define GROUP_SEPARATOR 0x1d

/* National Provider Identifier: Luhn over 80840 and the number. */
bool validate_npi(struct slice text)
{
    uint8_t digits[15] = "80840";

    if (text.len != 10 || !shape_fits(text, "##########") ||
        (text.at[0] != '1' && text.at[0] != '2'))
        return false;
    memcpy(digits + 5, text.at, 10);
    return luhn_holds(digits, sizeof(digits));
}

/* Drug Enforcement Administration: kind of registrant, initial or 9, seven digits; a hospital adds its own
 * number behind a hyphen. */
bool validate_dea(struct slice text)
{
    static const uint8_t weights[] = {1, 2, 1, 2, 1, 2};
    size_t hyphen = slice_find_byte(text, '-', 0);
    struct plain plain;

    if (hyphen != SIZE_MAX && (text.len - hyphen < 2 || text.len - hyphen > 11))
        return false;
    if (!shape_take(slice_part(text, 0, hyphen), "@@#######|@9#######", &plain) ||
        strchr("ABCDEFGHJKLMPRSTUX", plain.at[0]) == NULL)
        return false;
    return weighted_sum(plain.at + 2, weights, 6) % 10 == plain.at[8] - (unsigned)'0';
}

#define LETTER(letter) (1U << ((letter) - 'A'))
#define MBI_UNUSED                                                                            \
    (LETTER('S') | LETTER('L') | LETTER('O') | LETTER('I') | LETTER('B') | LETTER('Z'))

/* Medicare Beneficiary Identifier: letters but S L O I B Z at set places, the first digit not 0. */
bool validate_mbi(struct slice text)
{
    struct plain plain;

    if (!shape_take(text, "#@*#@*#@@##|#@*#-@*#-@@##|#@*# @*# @@##", &plain) ||
        plain.at[0] == '0')
        return false;
    for (size_t i = 0; i < plain.len; i++)
        if (is_letter(plain.at[i]) && (LETTER(plain.at[i]) & MBI_UNUSED) != 0)
            return false;
    return true;
}

bool validate_ndc(struct slice text)
{
    return shape_fits(text, "####-####-##|#####-###-##|#####-####-#|#####-####-##");
}

bool validate_icd10(struct slice text)
{
    bool category = text.len >= 3 && is_upper(text.at[0]) && is_digit(text.at[1]) &&
                    (is_digit(text.at[2]) || text.at[2] == 'A' || text.at[2] == 'B');
    struct slice detail = slice_part(text, 3, text.len);

    if (!category || detail.len == 0)
        return category;
    if (detail.at[0] != '.' || detail.len < 2 || detail.len > 5)
        return false;
    for (size_t i = 1; i < detail.len; i++)
        if (!is_digit(detail.at[i]) && !is_upper(detail.at[i]))
            return false;
    return true;
}

/* National Health Service: weights 10 to 2; a check of 10 is not given out. */
bool validate_nhs(struct slice text)
{
    static const uint8_t weights[] = {10, 9, 8, 7, 6, 5, 4, 3, 2};
    struct plain number;
    unsigned check;

    if (!shape_take(text, "##########|### ### ####|###-###-####", &number) ||
        all_same(number.at, 10))
        return false;
    check = (11 - weighted_sum(number.at, weights, 9) % 11) % 11;
    return check == number.at[9] - (unsigned)'0';
}

/* GS1 application identifiers of a device: their digits, and how long a value is where that is fixed. */
static const struct element {
    char id[5];
    uint8_t len; /* 0: up to SERIAL_BYTES_MAX, behind it a group separator or the end */
} elements[] = {
    {"01", GTIN_DIGITS}, {"11", 6}, {"13", 6},  {"15", 6}, {"17", 6},
    {"10", 0},           {"21", 0}, {"240", 0}, {"30", 0},
};

struct device {
    bool has_item, has_serial;
};

static bool is_serial(struct slice value)
{
    for (size_t i = 0; i < value.len; i++)
        if (!is_alnum(value.at[i]) &&
            (value.at[i] == 0 || strchr("!\"%&'*+,-./:;=_", value.at[i]) == NULL))
            return false;
    return value.len > 0 && value.len <= SERIAL_BYTES_MAX;
}

static bool is_number(struct slice value)
{
    for (size_t i = 0; i < value.len; i++)
        if (!is_digit(value.at[i]))
            return false;
    return true;
}

static bool take_element(const struct element *element, struct slice value,
                         struct device *device)
{
    if (element->len == 0) {
        device->has_serial |= strcmp(element->id, "21") == 0;
        return is_serial(value);
    }
    if (value.len != element->len || !is_number(value))
        return false;
    if (element->len == GTIN_DIGITS) {
        device->has_item = true;
        return gs1_holds(value.at, GTIN_DIGITS) && !all_same(value.at, GTIN_DIGITS);
    }
    return true;
}

static const struct element *element_of(struct slice text)
{
    for (size_t i = 0; i < COUNT(elements); i++)
        if (slice_starts_with(text, slice_of(elements[i].id)))
            return &elements[i];
    return NULL;
}

/* (01)GTIN(17)YYMMDD(10)lot(21)serial. */
static bool is_bracketed(struct slice text)
{
    struct device device = {0};

    while (text.len > 0) {
        const struct element *element = element_of(slice_part(text, 1, text.len));
        size_t head = element == NULL ? 0 : strlen(element->id) + 2;
        size_t end;

        if (element == NULL || text.at[0] != '(' || text.len < head ||
            text.at[head - 1] != ')')
            return false;
        end = slice_find_byte(text, '(', 1);
        if (!take_element(element, slice_part(text, head, end), &device))
            return false;
        text = slice_part(text, end, text.len);
    }
    return device.has_item && device.has_serial;
}

/* What a scanner gives: no brackets, a group separator behind what has no fixed length. */
static bool is_scanned(struct slice text)
{
    struct device device = {0};

    while (text.len > 0) {
        const struct element *element = element_of(text);
        size_t head = element == NULL ? 0 : strlen(element->id);
        size_t end;

        if (element == NULL)
            return false;
        end = element->len > 0 ? head + element->len
                               : slice_find_byte(text, GROUP_SEPARATOR, head);
        if (!take_element(element, slice_part(text, head, end), &device))
            return false;
        text = slice_part(text, end, text.len);
        if (text.len > 0 && text.at[0] == GROUP_SEPARATOR)
            text = slice_part(text, 1, text.len);
    }
    return device.has_item && device.has_serial;
}

/* Unique Device Identifier as GS1 writes it: which device, and which single one of them. */
bool validate_udi(struct slice text)
{
    if (text.len > GS1_BYTES_MAX)
        return false;
    if (slice_starts_with(text, SLICE("]d2")) || slice_starts_with(text, SLICE("]C1")))
        text = slice_part(text, 3, text.len);
    return is_bracketed(text) || is_scanned(text);
}
