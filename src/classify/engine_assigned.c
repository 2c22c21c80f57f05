/* Secrets by the name they are assigned to: password = "...", TOKEN=..., "apiKey": "...". */
#include "classify/ascii.h"
#include "classify/engine.h"
#include "classify/tokens.h"

#define NAME_SIDE_MAX 64
#define SPACE_MAX 8
#define VALUE_MAX 2048
#define WORK_TIMES 4 /* a name and its value are looked at so often */

/* What a byte may be there. */
enum place {
    IN_NAME = 1,
    AROUND_NAME = 2, /* what closes it: a quote, a bracket */
    BLANK = 4,
    BEFORE_VALUE = 8,
    IN_BARE = 16, /* a value without quotes */
    QUOTE = 32,
    OPERATOR = 64, /* one begins with it */
};

static const uint8_t places[256] = {
    ['\t'] = BLANK | BEFORE_VALUE,
    [' '] = BLANK | BEFORE_VALUE,
    ['\\'] = AROUND_NAME | BEFORE_VALUE | IN_BARE,
    ['"'] = AROUND_NAME | QUOTE,
    ['\''] = AROUND_NAME | QUOTE,
    ['`'] = AROUND_NAME | QUOTE,
    [']'] = AROUND_NAME,
    ['('] = OPERATOR,
    [','] = OPERATOR,
    [':'] = OPERATOR | IN_BARE,
    ['='] = OPERATOR | IN_BARE,
    ['|'] = OPERATOR | IN_BARE,
    ['?'] = OPERATOR | IN_BARE,
    ['-'] = IN_NAME | OPERATOR | IN_BARE,
    ['_'] = IN_NAME | IN_BARE,
    ['.'] = IN_NAME | IN_BARE,
    ['0' ... '9'] = IN_NAME | IN_BARE,
    ['A' ... 'Z'] = IN_NAME | IN_BARE,
    ['a' ... 'z'] = IN_NAME | IN_BARE,
    ['!'] = IN_BARE,
    ['#' ... '&'] = IN_BARE,
    ['*' ... '+'] = IN_BARE,
    ['/'] = IN_BARE,
    ['@'] = IN_BARE,
    ['^'] = IN_BARE,
    ['~' ... 255] = IN_BARE,
};

static bool is_at(uint8_t byte, enum place place)
{
    return (places[byte] & place) != 0;
}

static uint8_t byte_at(const struct stretch *stretch, size_t at)
{
    return at < stretch->text.len ? stretch->text.at[at] : 0;
}

static size_t skip(const struct stretch *stretch, size_t at, enum place place, size_t most)
{
    for (size_t i = 0; i < most && is_at(byte_at(stretch, at), place); i++)
        at++;
    return at;
}

/* The longest operator that stands there; 0: none. */
static size_t operator_at(const struct stretch *stretch, size_t at)
{
    static const char *const operators[] = {":=", "=>", "->", "||=", "?=", "=", ":", ",", "("};
    struct slice rest = slice_part(stretch->text, at, stretch->text.len);

    if (!is_at(byte_at(stretch, at), OPERATOR))
        return 0;
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

    while (end < stretch->text.len && end - at <= VALUE_MAX &&
           is_at(stretch->text.at[end], IN_BARE))
        end++;
    if (end > at && byte_at(stretch, end) == '\n')
        end -= stretch->text.at[end - 1] == '\\'; /* the line goes on */
    *ret_end = end;
    return end > at && byte_at(stretch, end) != '(' && byte_at(stretch, end) != '[';
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

static bool is_line_end(const struct stretch *stretch, size_t at)
{
    uint8_t byte = byte_at(stretch, at);

    return byte == '\n' || byte == '\r' || at == stretch->text.len;
}

/* Does an assignment fill its line? */
static bool is_line(const struct stretch *stretch, size_t from, size_t end)
{
    return (from == 0 || byte_at(stretch, from - 1) == '\n') && is_line_end(stretch, end);
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
    return text_holds(value, SLICE("${")) || text_holds(value, SLICE("$("));
}

static bool is_letters(struct slice value)
{
    for (size_t i = 0; i < value.len; i++)
        if (!is_letter(value.at[i]))
            return false;
    return true;
}

bool engine_is_secret_value(struct engine *engine, uint16_t number, struct slice value)
{
    const struct rule *rule = &engine->rules->at[number].rule;
    const struct confirm_place whole = {.is_begin = true, .is_end = true};
    struct confirm_match match;

    if (validate_is_placeholder(value) || is_reference(value))
        return false;
    if (rule->pattern.len == 0)
        return engine_is_random_enough(value);
    if (confirm_find(rules_confirm(engine->rules, number), value, whole, &match) !=
            CONFIRM_YES ||
        match.start != 0 || match.end != value.len)
        return false;
    /* A long identifier is none. */
    return !is_letters(value) || engine_is_random_enough(value) ||
           engine_is_plainly_random(value);
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

static bool is_name(struct slice value)
{
    for (size_t i = 0; i < value.len; i++)
        if (!is_at(value.at[i], IN_NAME))
            return false;
    return true;
}

/* Without an operator: behind a space ("token 0f3a...", --password Ab3...), or joined to the word
 * by a hyphen or a dot ("token-0f3a..."). Only what is plainly random is a value there, a
 * password that is quoted or a program's argument, or a mix behind a word in capitals that ends
 * the line ("SECRET ab12c3d4e5"). */
static bool loose_value(const struct stretch *stretch, struct slice word, size_t name_end,
                        bool is_option, size_t *ret_start, size_t *ret_end)
{
    size_t word_end = (size_t)(word.at - stretch->text.at) + word.len, start = word_end + 1;
    uint8_t joint = byte_at(stretch, word_end), quote;

    if ((joint == '-' || joint == '.') && bare_value(stretch, start, ret_end) &&
        is_name(slice_part(stretch->text, start, *ret_end)) &&
        engine_is_plainly_random(slice_part(stretch->text, start, *ret_end))) {
        *ret_start = start;
        return true;
    }
    start = skip(stretch, name_end, BLANK, SPACE_MAX);
    if (start == name_end)
        return false;
    quote = byte_at(stretch, start);
    if (is_at(quote, QUOTE)) {
        if (!quoted_value(stretch, ++start, ret_end))
            return false;
        is_option = true;
    } else if (!bare_value(stretch, start, ret_end)) {
        return false;
    }

    struct slice value = slice_part(stretch->text, start, *ret_end);

    *ret_start = start;
    return engine_is_plainly_random(value) || (is_option && engine_is_password(value)) ||
           (is_upper_name(word) && word_end == name_end && is_line_end(stretch, *ret_end) &&
            engine_is_mixed(value));
}

/* False: it is no secret. */
static bool judge_value(struct engine *engine, const struct stretch *stretch, uint16_t number,
                        struct slice name, size_t start, size_t end)
{
    if (!engine_is_secret_value(engine, number, slice_part(stretch->text, start, end)) ||
        !engine_is_secret_name(&engine->rules->at[number].rule, name))
        return false;
    engine_judge(engine, stretch, number, start, end);
    return true;
}

static void judge_wrapped(struct engine *engine, const struct stretch *stretch, uint16_t number,
                          struct slice name, size_t behind)
{
    struct wrapped found;
    struct slice value;

    if (!engine_wrapped_value(stretch, behind, &found))
        return;
    value = slice_part(stretch->text, found.start, found.end);
    if (engine_may_work(engine, WORK_TIMES * value.len) &&
        (!found.is_loose || engine_is_password(value) || engine_is_plainly_random(value)))
        (void)judge_value(engine, stretch, number, name, found.start, found.end);
}

void engine_assigned(struct engine *engine, const struct stretch *stretch, uint16_t number,
                     size_t start, size_t end)
{
    struct slice text = stretch->text;
    size_t from = start, at = end, behind, operator, value_end = 0;
    uint8_t sign;
    bool ok;

    while (from > 0 && start - from < NAME_SIDE_MAX && is_at(text.at[from - 1], IN_NAME))
        from--;
    while (at < text.len && at - end < NAME_SIDE_MAX && is_at(text.at[at], IN_NAME))
        at++;

    struct slice name = slice_part(text, from, at);

    if (!engine_may_work(engine, name.len))
        return;
    at = skip(stretch, at, AROUND_NAME, 3);
    behind = at;
    at = skip_attribute(stretch, skip(stretch, at, BLANK, SPACE_MAX));
    operator = operator_at(stretch, at);
    if (operator == 0) {
        if (loose_value(stretch, slice_part(text, start, end), behind, slice_starts_with(name, SLICE("-")), &at,
                        &value_end))
            (void)judge_value(engine, stretch, number, name, at, value_end);
        else
            judge_wrapped(engine, stretch, number, name, behind);
        (void)engine_may_work(engine, WORK_TIMES * (value_end > at ? value_end - at : 0));
        return;
    }
    sign = text.at[at + operator - 1];
    if (sign == ':' && slice_ends_with(slice_part(text, 0, from), SLICE("::")))
        return; /* "Aws::Kms::Key": of a type, not of a setting */
    at = skip(stretch, at + operator, BEFORE_VALUE, SPACE_MAX);
    if (byte_at(stretch, at) == 0)
        return;
    if (is_at(text.at[at], QUOTE))
        ok = quoted_value(stretch, ++at, &value_end);
    else
        ok = (sign == '=' || sign == ':') && bare_value(stretch, at, &value_end) &&
             (engine->has_bare_values || is_upper_name(name) ||
              is_argument(stretch, from, name) ||
              (is_line(stretch, from, value_end) &&
               engine_is_mixed(slice_part(text, at, value_end))) ||
              engine_is_password(slice_part(text, at, value_end)) ||
              engine_is_plainly_random(slice_part(text, at, value_end)));
    if (engine_may_work(engine, WORK_TIMES * (value_end > at ? value_end - at : 0)) &&
        !(ok && judge_value(engine, stretch, number, name, at, value_end)))
        judge_wrapped(engine, stretch, number, name, behind);
}
