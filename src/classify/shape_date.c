/*
 * Dates, moved by one number of days in a run, between 140 and 146 years: order, distances and
 * the calendar stay. A year of 1900 to 2039 becomes one of 1754 to 1899, in which nobody was
 * born who is asked about, so that a stand-in is known by its year. Where the year has two
 * digits one date in sixteen is a stand-in's, which ones the run's key says.
 */
#include <stdio.h>

#include "base/scope.h"
#include "classify/ascii.h"
#include "classify/shape.h"

#define DAYS_LEAST 51135 /* 140 years */
#define DAYS_SPREAD 2191 /* 6 years */
#define YEAR_FIRST 1753
#define YEAR_LAST 1899
#define MARKED_ONE_IN 16
#define DATE_BYTES_MAX 64
#define STEPS_MAX 2000 /* back from a date that the format cannot hold */

static const char *const months[] = {"january",   "february", "march",    "april",
                                     "may",       "june",     "july",     "august",
                                     "september", "october",  "november", "december"};

/* What a format is made of. Numbers are as wide as they are written. */
enum part { PART_NONE, PART_YEAR, PART_MONTH, PART_DAY, PART_NAME };

struct field {
    enum part part;
    size_t at, len;
};

struct date {
    int year, month, day; /* month, day 0: not said */
    struct field fields[3];
    size_t count;
    size_t end; /* behind the last field */
};

/* ---- the calendar ---- */

static int64_t days_of(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year, era = (y >= 0 ? y : y - 399) / 400;
    int64_t of_era = y - era * 400;
    int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year;
}

static void date_of(int64_t days, int *ret_year, int *ret_month, int *ret_day)
{
    int64_t era = (days >= 0 ? days : days - 146096) / 146097, of_era = days - era * 146097;
    int64_t year =
        (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * of_year + 2) / 153;

    *ret_day = (int)(of_year - (153 * month + 2) / 5 + 1);
    *ret_month = (int)(month < 10 ? month + 3 : month - 9);
    *ret_year = (int)(year + era * 400 + (*ret_month <= 2));
}

static bool is_date(const struct date *date)
{
    int year, month, day;

    if (date->month < 0 || date->month > 12 || date->day < 0 || date->day > 31)
        return false;
    if (date->day == 0)
        return true;
    date_of(days_of(date->year, date->month, date->day), &year, &month, &day);
    return month == date->month && day == date->day;
}

/* ---- formats ---- */

/* Pictures of dates: Y M D digits, N a month's name, X its first three letters; 1 to 2 digits
 * where m or d; others stand for themselves. The first that fits is it. */
static const char *const pictures[] = {
    "YYYY-MM-DD", "YYYY/MM/DD", "YYYY.MM.DD", "YYYYMMDD", "DD.MM.YYYY", "d.m.YYYY",
    "MM/DD/YYYY", "MM-DD-YYYY", "DD/MM/YYYY", "DD-MM-YYYY", "m/d/YYYY",   "d/m/YYYY",
    "m-d-YYYY",   "DD-X-YYYY",  "DD X YYYY",  "d X YYYY",   "d-X-YYYY",   "X d, YYYY",
    "X DD YYYY",  "d N YYYY",   "N d, YYYY",  "N d YYYY",   "d. N YYYY",  "YYYYMM",
    "YYYY-MM",    "YYYY/MM",    "MM/YYYY",    "N YYYY",     "X YYYY",     "YYMMDD",
    "MM/DD/YY",   "m/d/YY",     "DD.MM.YY",   "DD-X-YY",    "YYYY",
};

static bool take_digits(struct slice text, size_t at, size_t len, int *ret_number)
{
    int number = 0;

    for (size_t i = 0; i < len; i++) {
        if (at + i >= text.len || !is_digit(text.at[at + i]))
            return false;
        number = number * 10 + (text.at[at + i] - '0');
    }
    *ret_number = number;
    return true;
}

/* A month's name, or its first three letters, in any case. */
static bool take_name(struct slice text, size_t at, bool is_short, size_t *ret_len,
                      int *ret_month)
{
    for (int month = 1; month <= 12; month++) {
        const char *name = months[month - 1];
        size_t len = is_short ? 3 : strlen(name), same = 0;

        while (same < len && at + same < text.len && lower(text.at[at + same]) == (uint8_t)name[same])
            same++;
        if (same == len && (at + len == text.len || !is_letter(text.at[at + len]))) {
            *ret_len = len;
            *ret_month = month;
            return true;
        }
    }
    return false;
}

static bool take_field(struct slice text, size_t at, char sign, size_t run,
                       struct date *date, size_t *ret_len)
{
    enum part part = PART_NONE;
    size_t len = run;
    int number = 0;

    if (sign == 'N' || sign == 'X') {
        if (!take_name(text, at, sign == 'X', &len, &number))
            return false;
        part = PART_NAME;
        date->month = number;
    } else {
        if (sign == 'm' || sign == 'd')
            len = at + 1 < text.len && is_digit(text.at[at + 1]) ? 2 : 1;
        if (!take_digits(text, at, len, &number))
            return false;
        if (sign == 'Y' && run == 2)
            number += number > 39 ? 1900 : 2000;
        if (number == 0)
            return false;
        part = sign == 'Y' ? PART_YEAR : sign == 'M' || sign == 'm' ? PART_MONTH : PART_DAY;
        *(part == PART_YEAR ? &date->year : part == PART_MONTH ? &date->month : &date->day) =
            number;
    }
    date->fields[date->count++] = (struct field){part, at, len};
    *ret_len = len;
    return true;
}

static bool take_picture(struct slice text, size_t at, const char *picture,
                         struct date *ret_date)
{
    struct date date = {0};

    while (*picture != 0) {
        size_t run = 1, len = 1;

        if (strchr("YMDNXmd", *picture) == NULL) {
            if (at >= text.len || text.at[at] != (uint8_t)*picture)
                return false;
        } else {
            while (picture[run] == *picture)
                run++;
            if (!take_field(text, at, *picture, run, &date, &len))
                return false;
        }
        picture += run;
        at += len;
    }
    date.end = at;
    *ret_date = date;
    return is_date(&date);
}

/* A time of day, a zone, a day of the week may follow, and stay; what a date is part of may
 * not. */
static bool may_follow(struct slice text, const struct date *date)
{
    size_t at = date->end, digits = 0;

    if (at == text.len)
        return true;
    while (at + digits < text.len && is_digit(text.at[at + digits]))
        digits++;
    if (digits > 0) /* HL7: YYYYMMDDHHMMSS */
        return date->fields[0].len == 4 && date->end == 8 && text.at[4] != '-' && digits <= 6 &&
               digits % 2 == 0;
    return text.at[at] == 'T' || text.at[at] == 't' ||
           (text.at[at] == ' ' && at + 1 < text.len && is_digit(text.at[at + 1]) &&
            date->day != 0);
}

static bool find_date(struct slice text, size_t from, struct date *ret_date)
{
    for (size_t i = 0; i < COUNT(pictures); i++)
        if (take_picture(text, from, pictures[i], ret_date) && may_follow(text, ret_date))
            return true;
    return false;
}

/* "YYYYMMDD-YYYYMMDD", a period in X12. */
static bool find_period(struct slice text, struct date ret_dates[2])
{
    return text.len == 17 && text.at[8] == '-' &&
           find_date(slice_part(text, 0, 8), 0, &ret_dates[0]) &&
           find_date(text, 9, &ret_dates[1]);
}

/* ---- moving ---- */

static size_t width(int number)
{
    return number > 9 ? 2 : 1;
}

/* Can the fields hold it, as they are? */
static bool has_room(const struct date *date, int year, int month, int day)
{
    for (size_t i = 0; i < date->count; i++) {
        const struct field *field = &date->fields[i];

        if ((field->part == PART_YEAR && field->len == 4 && (year < 1000 || year > 9999)) ||
            (field->part == PART_MONTH && field->len == 1 && width(month) != 1) ||
            (field->part == PART_DAY && field->len == 1 && width(day) != 1) ||
            (field->part == PART_NAME && field->len > 3 &&
             strlen(months[month - 1]) != field->len))
            return false;
    }
    return true;
}

static void write_field(uint32_t *codes, const struct letters *value, const struct field *field,
                        int year, int month, int day)
{
    char text[16];
    int number = field->part == PART_YEAR ? year : field->part == PART_MONTH ? month : day;

    if (field->part == PART_NAME)
        (void)snprintf(text, sizeof(text), "%s", months[month - 1]);
    else
        (void)snprintf(text, sizeof(text), "%0*d", (int)field->len,
                       field->len == 2 ? number % 100 : number);
    for (size_t i = 0; i < field->len; i++) {
        char before = value->plain[field->at + i];
        bool is_upper = before >= 'A' && before <= 'Z';

        codes[field->at + i] =
            (uint32_t)(is_upper && text[i] >= 'a' ? text[i] - 'a' + 'A' : text[i]);
    }
}

static bool has_short_year(const struct date *date)
{
    for (size_t i = 0; i < date->count; i++)
        if (date->fields[i].part == PART_YEAR && date->fields[i].len == 2)
            return true;
    return false;
}

/* A year of four digits in which no date of a file is. */
static bool is_moved(const struct date *date, int year)
{
    return !has_short_year(date) && year >= YEAR_FIRST && year <= YEAR_LAST;
}

/* Of a date with a short year, which says no more than this of itself. */
static bool is_marked(uint64_t marks, int year, int month, int day)
{
    uint64_t mixed = marks ^ (uint64_t)((year % 100) * 10000 + month * 100 + day);

    for (int round = 0; round < 2; round++) { /* MurmurHash3's finalizer */
        mixed = (mixed ^ mixed >> 33) * UINT64_C(0xff51afd7ed558ccd);
        mixed = (mixed ^ mixed >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
        mixed = (mixed ^ mixed >> 33) + marks;
    }
    return mixed % MARKED_ONE_IN == 0;
}

/* Does what was written read as the same kind of date? "800131" and "420712" (July 4207) may not. */
static bool reads_alike(const struct letters *value, const struct date *date,
                        const uint32_t *codes)
{
    char text[DATE_BYTES_MAX];
    struct date again;

    if (value->count > sizeof(text))
        return false;
    for (size_t i = 0; i < value->count; i++)
        text[i] = (char)codes[i];
    return find_date(slice_of_bytes(text, value->count), 0, &again) &&
           again.count == date->count &&
           memcmp(again.fields, date->fields, date->count * sizeof(*again.fields)) == 0;
}

static bool move(const struct letters *value, const struct date *date,
                 const struct date_secret *secret, unsigned salt, uint32_t *ret_codes,
                 bool *ret_known)
{
    int year = date->year, month = date->month, day = date->day;
    bool day_said = day > 0, month_said = month > 0, is_short = has_short_year(date);
    int64_t moved = days_of(year, month_said ? month : 1, day_said ? day : 1) - DAYS_LEAST -
                    (int64_t)(secret->offset % DAYS_SPREAD);

    for (unsigned step = 0; step < STEPS_MAX; step++, moved--) {
        date_of(moved, &year, &month, &day);
        if (!has_room(date, year, month, day) ||
            (is_short && !is_marked(secret->marks, year, month, day)))
            continue;
        for (size_t i = 0; i < date->count; i++)
            write_field(ret_codes, value, &date->fields[i], year, month, day);
        if ((is_short && !reads_alike(value, date, ret_codes)) || salt-- > 0)
            continue;
        *ret_known = is_moved(date, year);
        return true;
    }
    return false;
}

/* Does the format hold every date, so that no date of its kind needs another distance? */
static bool is_exact(const struct date *date)
{
    for (size_t i = 0; i < date->count; i++)
        if (date->fields[i].len == 1 ||
            (date->fields[i].part == PART_YEAR && date->fields[i].len == 2) ||
            (date->fields[i].part == PART_NAME && date->fields[i].len > 3))
            return false;
    return true;
}

bool date_shift(const struct letters *value, const struct date_secret *secret, unsigned salt,
                uint32_t *ret_codes, bool *ret_known)
{
    struct slice text = slice_of_bytes(value->plain, value->count);
    struct date dates[2];
    size_t count = find_period(text, dates) ? 2 : find_date(text, 0, dates) ? 1 : 0;

    for (size_t i = 0; i < value->count; i++) {
        if (value->at[i].most == 0)
            return false;
        ret_codes[i] = value->at[i].code;
    }
    for (size_t i = 0; i < count; i++)
        if (!move(value, &dates[i], secret, is_exact(&dates[i]) ? 0 : salt, ret_codes, ret_known))
            return false;
    return count > 0;
}

bool date_is(const struct letters *value, const struct date_secret *secret, bool *ret_ours)
{
    struct slice text = slice_of_bytes(value->plain, value->count);
    struct date dates[2];

    if (!find_period(text, dates) && !find_date(text, 0, dates))
        return false;
    *ret_ours = has_short_year(dates)
                    ? is_marked(secret->marks, dates->year, dates->month, dates->day)
                    : is_moved(dates, dates->year);
    return true;
}
