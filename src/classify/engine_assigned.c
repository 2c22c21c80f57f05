/* Secrets by the name they are assigned to: password = "...", TOKEN=..., "apiKey": "...". */
#include "classify/ascii.h"
#include "classify/engine.h"
#include "classify/tokens.h"

#define NAME_SIDE_MAX 64
#define SPACE_MAX 8
#define VALUE_MIN 8
#define VALUE_MAX 512
#define RANDOM_MIN 20 /* so long a value is judged by its entropy */
#define HEX_MIN 16
#define BARE_MIN 16
#define ENTROPY_HEX 3.0
#define ENTROPY_RANDOM 3.5
#define ENTROPY_WORD 2.5

static bool is_name_byte(uint8_t byte)
{
    return is_alnum(byte) || byte == '_' || byte == '-' || byte == '.';
}

static uint8_t byte_at(const struct stretch *stretch, size_t at)
{
    return at < stretch->text.len ? stretch->text.at[at] : 0;
}

static size_t skip(const struct stretch *stretch, size_t at, const char *bytes, size_t most)
{
    for (size_t i = 0;
         i < most && byte_at(stretch, at) != 0 && strchr(bytes, byte_at(stretch, at)) != NULL;
         i++)
        at++;
    return at;
}

/* The longest operator that stands there; 0: none. */
static size_t operator_at(const struct stretch *stretch, size_t at)
{
    static const char *const operators[] = {":=", "=>", "->", "||=", "?=", "=", ":", ",", "("};
    struct slice rest = slice_part(stretch->text, at, stretch->text.len);

    if (slice_starts_with(rest, SLICE("==")) || slice_starts_with(rest, SLICE("::")))
        return 0;
    for (size_t i = 0; i < COUNT(operators); i++)
        if (slice_starts_with(rest, slice_of(operators[i])))
            return strlen(operators[i]);
    return 0;
}

/* A name of capitals only is a setting's: its value may stand bare. */
static bool is_upper_name(struct slice name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.at[i] >= 'a' && name.at[i] <= 'z')
            return false;
    return name.len > 0;
}

/* A quote that is escaped itself is a string's within a string, and ends with its like. */
static bool quoted_value(const struct stretch *stretch, size_t at, size_t *ret_end)
{
    uint8_t quote = byte_at(stretch, at - 1);
    bool is_escaped = at > 1 && byte_at(stretch, at - 2) == '\\';

    for (size_t end = at; end < stretch->text.len && end - at <= VALUE_MAX; end++) {
        uint8_t byte = stretch->text.at[end];

        if (byte == '\n' || byte == '\r')
            return false;
        if (byte == quote ||
            (is_escaped && byte == '\\' && byte_at(stretch, end + 1) == quote)) {
            *ret_end = end;
            return true;
        }
        end += byte == '\\';
    }
    return false;
}

static bool bare_value(const struct stretch *stretch, size_t at, size_t *ret_end)
{
    size_t end = at;

    while (end < stretch->text.len && end - at <= VALUE_MAX && stretch->text.at[end] > ' ' &&
           strchr("\"'`,;()[]{}<>", stretch->text.at[end]) == NULL)
        end++;
    *ret_end = end;
    return end > at && byte_at(stretch, end) != '(' && byte_at(stretch, end) != '[';
}

/* Letters, digits and what joins words: such a text says something rather than hides it. */
static unsigned kinds_of(struct slice value, bool *ret_is_hex)
{
    unsigned kinds = 0;

    *ret_is_hex = true;
    for (size_t i = 0; i < value.len; i++) {
        uint8_t byte = value.at[i];

        if (byte <= ' ')
            return 0;
        kinds |= is_digit(byte) ? 1U : is_upper(byte) ? 2U : is_letter(byte) ? 4U : 0;
        if (!is_alnum(byte) && strchr("-_./:+", byte) == NULL)
            kinds |= 8;
        if (!is_digit(byte) && (!is_letter(byte) || lower(byte) > 'f'))
            *ret_is_hex = false;
    }
    return kinds;
}

static bool is_random_enough(struct slice value)
{
    bool is_hex;
    unsigned kinds = kinds_of(value, &is_hex);
    double entropy = text_entropy(value);

    if (value.len < VALUE_MIN || value.len > VALUE_MAX || (kinds & 6U) == 0)
        return false; /* a number, or words with spaces between */
    if (is_hex && value.len >= HEX_MIN)
        return entropy >= ENTROPY_HEX;
    if ((kinds & 9U) == 0) /* letters alone: words, unless they are many and mixed */
        return value.len >= RANDOM_MIN && kinds == 6 && entropy >= ENTROPY_RANDOM + 0.5 &&
               slice_find_byte(value, '-', 0) == SIZE_MAX &&
               slice_find_byte(value, '_', 0) == SIZE_MAX &&
               slice_find_byte(value, '.', 0) == SIZE_MAX;
    return entropy >= (value.len >= RANDOM_MIN ? ENTROPY_RANDOM : ENTROPY_WORD);
}

/* So random that it need not be quoted: hexadecimal, or letters and digits well mixed, and
 * nothing else (UUIDs have hyphens). */
static bool is_plainly_random(struct slice value)
{
    bool is_hex;
    size_t digits = 0, hyphens = 0;

    (void)kinds_of(value, &is_hex);
    for (size_t i = 0; i < value.len; i++) {
        digits += is_digit(value.at[i]);
        hyphens += value.at[i] == '-';
        if (!is_alnum(value.at[i]) && value.at[i] != '-')
            return false;
    }
    if (hyphens > 0)
        return hyphens == 4 && value.len == 36 && digits > 4;
    return value.len >= BARE_MIN && digits >= 3 && digits < value.len - 2 &&
           text_entropy(value) >= (is_hex ? ENTROPY_HEX : ENTROPY_RANDOM - 0.2);
}

/* "value" of <add key="password" value="...">, between the name and its operator. */
static size_t skip_attribute(const struct stretch *stretch, size_t at)
{
    struct slice rest = slice_part(stretch->text, at, stretch->text.len);

    return slice_starts_with(rest, SLICE("value")) ? at + strlen("value") : at;
}

/* -Dname=value, --name=value: an argument's value needs no quotes. */
static bool is_argument(const struct stretch *stretch, size_t from, struct slice name)
{
    return slice_starts_with(name, SLICE("-")) ||
           (from > 1 && stretch->text.at[from - 1] == '-') ||
           (from > 6 && slice_ends_with(slice_part(stretch->text, 0, from), SLICE("export ")));
}

/* Paths, addresses and calls are named where secrets are, too. */
static bool is_reference(struct slice value)
{
    static const char *const heads[] = {"/",           "./",        "../",   "~/",
                                        "http://",     "https://",  "file:", "$",
                                        "@",           "#",         "&",     "*",
                                        "process.env", "os.environ"};

    for (size_t i = 0; i < COUNT(heads); i++)
        if (slice_starts_with(value, slice_of(heads[i])))
            return true;
    return false;
}

bool engine_is_secret_value(struct engine *engine, uint16_t number, struct slice value)
{
    const struct rule *rule = &engine->rules->at[number].rule;
    const struct confirm_place whole = {.is_begin = true, .is_end = true};
    struct confirm_match match;

    if (validate_is_placeholder(value) || is_reference(value))
        return false;
    if (rule->pattern.len == 0)
        return is_random_enough(value);
    return confirm_find(rules_confirm(engine->rules, number), value, whole, &match) ==
               CONFIRM_YES &&
           match.start == 0 && match.end == value.len;
}

bool engine_is_secret_name(const struct rule *rule, struct slice name)
{
    struct tokens tokens;
    size_t last;

    tokens_of(name, &tokens);
    for (size_t i = 0; i < rule->negative.count; i++)
        if (tokens_hold(&tokens, rule->negative.at[i], &last))
            return false;
    return true;
}

void engine_assigned(struct engine *engine, const struct stretch *stretch, uint16_t number,
                     size_t start, size_t end)
{
    const struct rule *rule = &engine->rules->at[number].rule;
    struct slice text = stretch->text;
    size_t from = start, at = end, operator, value_end = 0;
    uint8_t sign;
    bool ok;

    while (from > 0 && start - from < NAME_SIDE_MAX && is_name_byte(text.at[from - 1]))
        from--;
    while (at < text.len && at - end < NAME_SIDE_MAX && is_name_byte(text.at[at]))
        at++;

    struct slice name = slice_part(text, from, at);

    at = skip(stretch, at, "\"'`]\\", 3);
    at = skip_attribute(stretch, skip(stretch, at, " \t", SPACE_MAX));
    operator= operator_at(stretch, at);
    if (operator== 0)
        return;
    sign = text.at[at + operator - 1];
    at = skip(stretch, at + operator, " \t\\", SPACE_MAX);
    if (byte_at(stretch, at) == 0)
        return;
    if (strchr("\"'`", text.at[at]) != NULL)
        ok = quoted_value(stretch, ++at, &value_end);
    else
        ok = (sign == '=' || sign == ':') && bare_value(stretch, at, &value_end) &&
             (engine->has_bare_values || is_upper_name(name) ||
              is_argument(stretch, from, name) ||
              is_plainly_random(slice_part(text, at, value_end)));
    if (ok && engine_is_secret_value(engine, number, slice_part(text, at, value_end)) &&
        engine_is_secret_name(rule, name))
        engine_judge(engine, stretch, number, at, value_end);
}
