/* Dates that a calendar has, and ages that Safe Harbor counts among them. */
#include "classify/ascii.h"
#include "classify/validate/list.h"
#include "classify/validate/shape.h"

#define DATE_BYTES_MAX 40
#define YEAR_MIN 1850
#define YEAR_MAX 2099
#define AGE_MIN 90
#define AGE_MAX 125

static bool is_day(unsigned year, unsigned month, unsigned day)
{
    static const uint8_t days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    if (year < YEAR_MIN || year > YEAR_MAX || month < 1 || month > 12 || day < 1)
        return false;
    return day <= days[month - 1] && !(month == 2 && day == 29 && !leap);
}

static unsigned number_of(struct slice text, size_t from, size_t to)
{
    unsigned number = 0;

    for (size_t i = from; i < to; i++)
        number = number * 10 + (text.at[i] - (unsigned)'0');
    return number;
}

static size_t digits_at(struct slice text, size_t at)
{
    size_t end = at;

    while (end < text.len && is_digit(text.at[end]))
        end++;
    return end - at;
}

/* Z, or plus or minus hours and minutes, or nothing. */
static bool is_zone(struct slice text)
{
    return shape_fits(text, "|Z|z|+####|-####|+##:##|-##:##|+##|-##| UTC| GMT");
}

/* ".123456" off the front, where there is a fraction. */
static struct slice without_fraction(struct slice text)
{
    size_t digits =
        text.len > 1 && (text.at[0] == '.' || text.at[0] == ',') ? digits_at(text, 1) : 0;

    return digits == 0 ? text : slice_part(text, digits + 1, text.len);
}

/* HL7 TS and X12 D8: YYYYMMDD[HH[MM[SS[.S...]]]][zone]. X12 RD8: two of the first, a hyphen between. */
static bool is_compact(struct slice text)
{
    size_t digits = digits_at(text, 0);
    struct slice rest = slice_part(text, digits, text.len);

    if ((digits != 8 && digits != 10 && digits != 12 && digits != 14) ||
        !is_day(number_of(text, 0, 4), number_of(text, 4, 6), number_of(text, 6, 8)))
        return false;
    if (digits == 8 && shape_fits(rest, "-########"))
        return is_compact(slice_part(rest, 1, rest.len));
    if ((digits >= 10 && number_of(text, 8, 10) > 23) ||
        (digits >= 12 && number_of(text, 10, 12) > 59) ||
        (digits >= 14 && number_of(text, 12, 14) > 60))
        return false;
    if (digits == 14)
        rest = without_fraction(rest);
    return digits == 8 ? rest.len == 0 : is_zone(rest);
}

/* What may follow a date: hours, minutes, seconds, AM, a zone. */
static bool is_time(struct slice text)
{
    size_t at = text.len > 0 && (text.at[0] == 'T' || text.at[0] == 't' || text.at[0] == ' ');
    size_t hours;

    if (text.len == 0)
        return true;
    hours = digits_at(text, at);
    if (at == 0 || hours < 1 || hours > 2 || number_of(text, at, at + hours) > 23)
        return false;
    text = slice_part(text, at + hours, text.len);
    for (size_t i = 0; i < 2 && (i == 0 || (text.len > 0 && text.at[0] == ':')); i++) {
        if (!shape_fits(slice_part(text, 0, 3), ":##") || number_of(text, 1, 3) > 60)
            return false;
        text = slice_part(text, 3, text.len);
    }
    text = without_fraction(text);
    for (size_t space = 0; space < 2; space++) {
        struct slice half = slice_part(text, space, space + 2);

        if (half.len == 2 && (space == 0 || text.at[0] == ' ') && lower(half.at[1]) == 'm' &&
            (lower(half.at[0]) == 'a' || lower(half.at[0]) == 'p'))
            return space + 2 == text.len;
    }
    return is_zone(text);
}

/* The number of the month that this is the name of, in full or short, or 0. */
static unsigned month_of(struct slice name)
{
    static const char *const names[] = {"january",   "february", "march",    "april",
                                        "may",       "june",     "july",     "august",
                                        "september", "october",  "november", "december"};

    for (unsigned i = 0; i < COUNT(names); i++) {
        size_t same = 0;

        while (same < name.len && lower(name.at[same]) == (uint8_t)names[i][same])
            same++; /* the NUL of the name is like no byte but NUL, which is no letter */
        if (same == name.len &&
            (name.len == 3 || names[i][same] == 0 || (i == 8 && name.len == 4)))
            return i + 1;
    }
    return 0;
}

struct field {
    unsigned value;
    size_t digits;  /* 0: the name of a month */
    uint8_t before; /* what stands in front of it */
};

/* 1st, 2nd, 3rd, 4th: the letters. */
static size_t ordinal_at(struct slice text, size_t at)
{
    struct slice two = slice_part(text, at, at + 2);

    if (two.len < 2 || (at + 2 < text.len && is_alnum(text.at[at + 2])))
        return 0;
    return shape_fits(two, "st|nd|rd|th") ? 2 : 0;
}

static bool take_field(struct slice text, size_t *at, struct field *ret_field)
{
    size_t digits = digits_at(text, *at), end = *at;

    if (digits > 4)
        return false;
    if (digits > 0) {
        ret_field->value = number_of(text, *at, *at + digits);
        ret_field->digits = digits;
        *at += digits;
        *at += digits <= 2 ? ordinal_at(text, *at) : 0;
        return true;
    }
    while (end < text.len && is_letter(text.at[end]))
        end++;
    ret_field->value = month_of(slice_part(text, *at, end));
    ret_field->digits = 0;
    *at = end;
    return ret_field->value != 0;
}

/* Between fields: one of "-/. ", or ", " or ". ". */
static bool take_separator(struct slice text, size_t *at, uint8_t *ret_separator)
{
    if (*at >= text.len || text.at[*at] == 0 || strchr("-/. ,", text.at[*at]) == NULL)
        return false;
    *ret_separator = text.at[*at];
    ++*at;
    if ((*ret_separator == ',' || *ret_separator == '.') && *at < text.len &&
        text.at[*at] == ' ') {
        *ret_separator = ' ';
        ++*at;
    }
    return true;
}

/* Two digits are of this century or the last one. */
static bool is_day_of(const struct field *year, unsigned month, unsigned day)
{
    if (year->digits == 2)
        return is_day(1900 + year->value, month, day) ||
               is_day(2000 + year->value, month, day);
    return year->digits == 4 && is_day(year->value, month, day);
}

static bool is_numeric(const struct field fields[3])
{
    const struct field *first = &fields[0], *second = &fields[1], *third = &fields[2];
    uint8_t separator = second->before;
    bool two = first->digits == 2 && second->digits == 2;

    if (separator != third->before ||
        (separator != '-' && separator != '/' && separator != '.'))
        return false;
    if (first->digits == 4)
        return second->digits <= 2 && third->digits <= 2 &&
               is_day(first->value, second->value, third->value);
    /* 1.2.33 is a version */
    if (first->digits > 2 || second->digits > 2 || third->digits == 3 ||
        (third->digits == 2 && separator != '/' && !two))
        return false;
    return is_day_of(third, first->value, second->value) ||
           is_day_of(third, second->value, first->value);
}

/* 5 March 1980, March 5, 1980, 05-MAR-80, 1980 March 5. */
static bool is_named(const struct field fields[3])
{
    if (fields[1].digits == 0 && fields[0].digits == 4)
        return fields[2].digits >= 1 && fields[2].digits <= 2 &&
               is_day_of(&fields[0], fields[1].value, fields[2].value);
    if (fields[1].digits == 0)
        return fields[0].digits >= 1 && fields[0].digits <= 2 &&
               is_day_of(&fields[2], fields[1].value, fields[0].value);
    return fields[0].digits == 0 && fields[1].digits <= 2 && fields[2].digits == 4 &&
           is_day_of(&fields[2], fields[0].value, fields[1].value);
}

bool validate_date(struct slice text)
{
    struct field fields[3] = {0};
    size_t at = 0;

    if (text.len < 6 || text.len > DATE_BYTES_MAX)
        return false;
    if (digits_at(text, 0) >= 8)
        return is_compact(text);
    for (size_t i = 0; i < COUNT(fields); i++)
        if ((i > 0 && !take_separator(text, &at, &fields[i].before)) ||
            !take_field(text, &at, &fields[i]))
            return false;
    if (!is_time(slice_part(text, at, text.len)))
        return false;
    return fields[0].digits > 0 && fields[1].digits > 0 && fields[2].digits > 0
               ? is_numeric(fields)
               : is_named(fields);
}

/* 93, "age 92", "94-year-old", "aged 101 years": one number, and behind it no word for anything but years. */
bool validate_age90(struct slice text)
{
    size_t start = 0, digits;
    unsigned age;

    if (text.len > DATE_BYTES_MAX)
        return false;
    while (start < text.len && !is_digit(text.at[start]))
        start++;
    digits = digits_at(text, start);
    if (digits < 2 || digits > 3)
        return false;
    age = number_of(text, start, start + digits);
    for (size_t i = start + digits; i < text.len; i++)
        if (is_digit(text.at[i]))
            return false;
    for (size_t i = start + digits; i < text.len; i++)
        if (is_letter(text.at[i]))
            return age >= AGE_MIN && age <= AGE_MAX && lower(text.at[i]) == 'y';
    return age >= AGE_MIN && age <= AGE_MAX;
}
