/* What a value of each type may be, and what number it is. */
#include <stdlib.h>
#include <time.h>

#include "policy/glob.h"
#include "policy/schema.h"
#include "wire/url.h"

#define DATE_SHAPE "0000-00-00"
#define NAME_BYTES_MAX 128

static const char *const type_names[] = {
    [SCHEMA_TEXT] = "text",
    [SCHEMA_NAME] = "name",
    [SCHEMA_INTEGER] = "number",
    [SCHEMA_BYTES] = "size (4G)",
    [SCHEMA_PERCENT] = "percent (200%)",
    [SCHEMA_MONEY] = "US dollars (5.00)",
    [SCHEMA_DURATION] = "days (90d)",
    [SCHEMA_BOOLEAN] = "true or false",
    [SCHEMA_WORD] = "word",
    [SCHEMA_URL] = "URL",
    [SCHEMA_PATH] = "absolute path",
    [SCHEMA_FOLDER] = "folder",
    [SCHEMA_GLOB] = "pattern",
    [SCHEMA_DATE] = "date (2027-03-31)",
};

const char *schema_type_name(enum schema_type type)
{
    return type_names[type];
}

static bool all_of(const char *text, const char *more)
{
    if (*text == 0)
        return false;
    for (; *text != 0; text++)
        if (!((*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') ||
              (*text >= '0' && *text <= '9') || strchr(more, *text) != NULL))
            return false;
    return true;
}

/* Digits, without leading zeros, scaled by ten to the `decimals`; moves *text behind. */
static bool read_digits(const char **text, unsigned decimals, int64_t *value)
{
    const char *start = *text;

    for (; **text >= '0' && **text <= '9'; (*text)++)
        if (__builtin_mul_overflow(*value, 10, value) ||
            __builtin_add_overflow(*value, **text - '0', value))
            return false;
    return *text > start && (decimals > 0 || *start != '0' || *text == start + 1);
}

/* A whole number, or one with a fraction of up to `decimals` digits, scaled to it; moves *text
 * behind. */
static bool read_decimal(const char **text, unsigned decimals, int64_t *ret_value)
{
    int64_t value = 0;
    size_t fraction = 0;

    if (!read_digits(text, 0, &value))
        return false;
    if (**text == '.' && decimals > 0) {
        const char *start = ++*text;

        if (!read_digits(text, decimals, &value))
            return false;
        fraction = (size_t)(*text - start);
    }
    if (fraction > decimals)
        return false;
    for (; fraction < decimals; fraction++)
        if (__builtin_mul_overflow(value, 10, &value))
            return false;
    *ret_value = value;
    return true;
}

/* A number with one of the units; without one only where `bare` says so. */
static bool read_scaled(const char *text, const char *units, const int64_t *scales, bool bare,
                        int64_t *ret_value)
{
    const char *unit;
    int64_t value;

    if (!read_decimal(&text, 0, &value))
        return false;
    if (*text == 0) {
        *ret_value = value;
        return bare;
    }
    unit = strchr(units, *text);
    return unit != NULL && text[1] == 0 &&
           !__builtin_mul_overflow(value, scales[unit - units], ret_value);
}

static bool read_date(const char *text, int64_t *ret_value)
{
    struct tm tm = {0};
    struct tm again;
    const char *end;
    time_t seconds;

    /* strptime alone takes spaces and signs. */
    for (size_t i = 0; i < strlen(DATE_SHAPE); i++)
        if (DATE_SHAPE[i] == '-' ? text[i] != '-' : text[i] < '0' || text[i] > '9')
            return false;
    if (text[strlen(DATE_SHAPE)] != 0)
        return false;
    end = strptime(text, "%Y-%m-%d", &tm);
    if (end == NULL || *end != 0)
        return false;
    again = tm;
    seconds = timegm(&again);
    if (again.tm_mday != tm.tm_mday)
        return false;
    *ret_value = ((int64_t)seconds + 86400) * 1000000 - 1;
    return true;
}

static bool read_number(const struct schema_row *row, const char *value, int64_t *ret_value)
{
    static const int64_t bytes[] = {1024, 1048576, 1073741824, INT64_C(1099511627776)};
    static const int64_t days[] = {1, 7, 365};
    static const int64_t percent[] = {1};

    switch (row->type) {
    case SCHEMA_INTEGER:
        return read_decimal(&value, 0, ret_value) && *value == 0;
    case SCHEMA_BYTES:
        return read_scaled(value, "KMGT", bytes, true, ret_value);
    case SCHEMA_PERCENT:
        return read_scaled(value, "%", percent, false, ret_value);
    case SCHEMA_MONEY:
        return read_decimal(&value, 6, ret_value) && *value == 0;
    case SCHEMA_DURATION:
        return read_scaled(value, "dwy", days, false, ret_value);
    case SCHEMA_DATE:
        return read_date(value, ret_value);
    case SCHEMA_BOOLEAN:
        *ret_value = strcmp(value, "true") == 0;
        return *ret_value == 1 || strcmp(value, "false") == 0;
    case SCHEMA_TEXT:
    case SCHEMA_NAME:
    case SCHEMA_WORD:
    case SCHEMA_URL:
    case SCHEMA_PATH:
    case SCHEMA_FOLDER:
    case SCHEMA_GLOB:
        return false;
    }
    return false;
}

int64_t schema_number(const struct schema_row *row, const char *value)
{
    int64_t number = 0;

    return read_number(row, value, &number) ? number : 0;
}

int schema_word_index(const struct schema_row *row, const char *word)
{
    struct slice rest = slice_of(row->words);
    struct slice each;
    int index = 0;

    for (; slice_cut(&rest, ' ', &each); index++)
        if (slice_equal(each, slice_of(word)))
            return index;
    return -1;
}

static bool check_number(const struct policy_settings *settings, const struct setting *setting,
                         const struct schema_row *row, const char *shown, struct fault *fault)
{
    int64_t number;

    if (!read_number(row, setting->value, &number))
        return settings_fault(settings, setting, fault, "%s: `%.60s` is not a %s", shown,
                              setting->value, type_names[row->type]);
    if (row->max > 0 && (number < row->min || number > row->max))
        return settings_fault(settings, setting, fault,
                              "%s: %lld is not between %lld and %lld", shown,
                              (long long)number, (long long)row->min, (long long)row->max);
    return true;
}

/* What is said in the clear must not leave this machine. */
static bool check_url(const struct policy_settings *settings, const struct setting *setting,
                      const char *shown, struct fault *fault)
{
    struct fault why = {0};
    struct url url;

    if (!url_parse(slice_of(setting->value), &url, &why))
        return settings_fault(settings, setting, fault, "%s: `%.60s`: %s", shown,
                              setting->value, why.why);
    if (!url.tls && !url_host_is_loopback(url.host))
        return settings_fault(
            settings, setting, fault,
            "%s: `%.60s`: plain http:// is for this machine only, use https://", shown,
            setting->value);
    return true;
}

static bool climbs(const char *path)
{
    struct slice rest = slice_of(path);
    struct slice name;

    while (slice_cut(&rest, '/', &name))
        if (slice_equal(name, SLICE("..")))
            return true;
    return false;
}

static bool check_text(const struct policy_settings *settings, const struct setting *setting,
                       const struct schema_row *row, const char *shown, struct fault *fault)
{
    const char *value = setting->value;
    struct fault why = {0};
    bool ok = true;

    for (const char *at = value; *at != 0; at++)
        ok = ok && (uint8_t)*at >= 0x20 && *at != 0x7f;
    if (row->type == SCHEMA_NAME)
        ok = ok && strlen(value) <= NAME_BYTES_MAX && all_of(value, "._-") &&
             value[0] != '-' && value[0] != '.';
    else if (row->type == SCHEMA_PATH)
        ok = ok && value[0] == '/' && !climbs(value);
    else if (row->type == SCHEMA_URL)
        return check_url(settings, setting, shown, fault);
    else if (row->type == SCHEMA_FOLDER)
        ok = ok && strpbrk(value, "*?[]") == NULL && glob_check(slice_of(value), &why) &&
             strncasecmp(value, ".git", 4) != 0 && strcasecmp(value, "custody.yaml") != 0;
    else if (row->type == SCHEMA_GLOB && !glob_check(slice_of(value), &why))
        return settings_fault(settings, setting, fault, "%s: `%.60s`: %s", shown, value,
                              why.why);
    return ok ? true
              : settings_fault(settings, setting, fault, "%s: `%.60s` is not a %s", shown,
                               value, type_names[row->type]);
}

bool schema_check_value(const struct policy_settings *settings, const struct setting *setting,
                        const struct schema_row *row, const char *shown, struct fault *fault)
{
    switch (row->type) {
    case SCHEMA_WORD:
        if (schema_word_index(row, setting->value) < 0)
            return settings_fault(settings, setting, fault, "%s: `%.60s` is none of: %s",
                                  shown, setting->value, row->words);
        return true;
    case SCHEMA_INTEGER:
    case SCHEMA_BYTES:
    case SCHEMA_PERCENT:
    case SCHEMA_MONEY:
    case SCHEMA_DURATION:
    case SCHEMA_BOOLEAN:
    case SCHEMA_DATE:
        return check_number(settings, setting, row, shown, fault);
    case SCHEMA_TEXT:
    case SCHEMA_NAME:
    case SCHEMA_URL:
    case SCHEMA_PATH:
    case SCHEMA_FOLDER:
    case SCHEMA_GLOB:
        return check_text(settings, setting, row, shown, fault);
    }
    return false;
}
