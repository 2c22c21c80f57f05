#include "classify/import/import.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/scope.h"
#include "classify/ascii.h"
#include "classify/confirm.h"
#include "classify/import/pattern.h"
#include "classify/tokens.h"
#include "classify/validate.h"
#include "wire/toml.h"

#define ID_HEAD "secret.imported."
#define VARIANTS_MAX 48
#define NOTES_MAX 4096
#define KEYWORD_BEFORE 128 /* as the engine has it */
#define FIXED_MIN 3        /* a value that begins so, and is as long, is surely meant */
#define SURE_LEAST 16
#define EXAMPLE_BYTES_MAX 16000UL

/* What a rule of that form becomes. */
struct draft {
    const struct toml *from;
    const char *id; /* as that file has it */
    char *own_id;
    struct pattern pattern;
    struct buf text;                          /* the pattern with its value named */
    struct buf except[EXCEPT_COUNT];
    struct texts keywords, stop;
    struct literals *derived; /* keywords that were not given */
    struct buf example;       /* a template, where none was given */
    double entropy;
    bool is_sure;
};

/* The file. What its own allowlists lose is said once. */
struct whole {
    const struct toml *root;
    struct import *import;
    bool is_global, was_said;
};

/* ---- notes ---- */

static void note(struct import *import, enum import_kind kind, const char *rule, int line,
                 const char *format, ...) __attribute__((format(printf, 5, 6)));

static void note(struct import *import, enum import_kind kind, const char *rule, int line,
                 const char *format, ...)
{
    char why[600];
    va_list arguments;

    if (import->note_count == NOTES_MAX && kind != IMPORT_WRONG)
        return;
    va_start(arguments, format);
    (void)vsnprintf(why, sizeof(why), format, arguments);
    va_end(arguments);
    import->notes = xgrow(import->notes, &import->note_room, import->note_count + 1,
                          sizeof(*import->notes));
    import->notes[import->note_count++] = (struct import_note){
        .kind = kind, .rule = xstrdup(rule), .line = line, .why = xstrdup(why)};
}

void import_free(struct import *import)
{
    for (size_t i = 0; i < import->note_count; i++) {
        free(import->notes[i].rule);
        free(import->notes[i].why);
    }
    free(import->notes);
    buf_free(&import->yaml);
    *import = (struct import){0};
}

static void draft_free(struct draft *draft)
{
    for (size_t i = 0; i < EXCEPT_COUNT; i++)
        buf_free(&draft->except[i]);
    buf_free(&draft->text);
    buf_free(&draft->example);
    free(draft->keywords.at);
    free(draft->stop.at);
    pattern_free(&draft->pattern);
    free(draft->derived);
    free(draft->own_id);
}

/* ---- TOML ---- */

static struct slice text_of(const struct toml *node)
{
    return slice_of_bytes(node->text, node->len);
}

/* A text, or NULL where there is none. FAULT_INVALID: it is something else. */
static bool read_text(const struct toml *table, const char *key, const char **ret_text,
                      struct fault *fault)
{
    const struct toml *node = toml_find(table, key);

    *ret_text = NULL;
    if (node == NULL)
        return true;
    if (node->type != TOML_TEXT)
        return toml_refuse(node, fault, "%s must be a text", key);
    *ret_text = node->text;
    return true;
}

/* A list of texts, or NULL. */
static bool read_list(const struct toml *table, const char *key, const struct toml **ret_list,
                      struct fault *fault)
{
    const struct toml *node = toml_find(table, key);

    *ret_list = NULL;
    if (node == NULL)
        return true;
    if (node->type != TOML_LIST)
        return toml_refuse(node, fault, "%s must be a list", key);
    for (size_t i = 0; i < node->count; i++)
        if (node->children[i]->type != TOML_TEXT)
            return toml_refuse(node, fault, "%s must be a list of texts", key);
    *ret_list = node->count == 0 ? NULL : node;
    return true;
}

/* A number from 0 to `most`; 0 where there is none. */
static bool read_number(const struct toml *table, const char *key, double most, double *ret_number,
                        struct fault *fault)
{
    const struct toml *node = toml_find(table, key);

    *ret_number = 0;
    if (node == NULL)
        return true;
    if (node->type != TOML_NUMBER || !(node->number >= 0 && node->number <= most))
        return toml_refuse(node, fault, "%s must be a number from 0 to %g", key, most);
    *ret_number = node->number;
    return true;
}

/* ---- YAML ---- */

/* In one line. libfyaml 0.7 loses bytes of a text in single quotes that holds two of them in a row,
 * so one that holds any stands in double quotes. */
static bool put_quoted(struct buf *out, struct slice text, struct fault *fault)
{
    bool is_plain = true;

    for (size_t i = 0; i < text.len; i++)
        is_plain = is_plain && text.at[i] >= 0x20 && text.at[i] != 0x7f && text.at[i] != '\'';
    if (is_plain)
        return buf_add_byte(out, '\'', fault) && buf_add(out, text, fault) &&
               buf_add_byte(out, '\'', fault);
    if (!buf_add_byte(out, '"', fault))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.at[i];
        bool is_control = byte < 0x20 || byte == 0x7f;

        if (is_control && !buf_add_format(out, fault, "\\x%02x", byte))
            return false;
        if ((byte == '"' || byte == '\\') && !buf_add_byte(out, '\\', fault))
            return false;
        if (!is_control && !buf_add_byte(out, byte, fault))
            return false;
    }
    return buf_add_byte(out, '"', fault);
}

static bool put_text(struct buf *yaml, const char *key, struct slice text, struct fault *fault)
{
    return text.len == 0 || (buf_add_format(yaml, fault, "  %s: ", key) &&
                             put_quoted(yaml, text, fault) && buf_add_byte(yaml, '\n', fault));
}

static bool put_list(struct buf *yaml, const char *key, const struct texts *texts,
                     struct fault *fault)
{
    if (texts->count == 0)
        return true;
    if (!buf_add_format(yaml, fault, "  %s: [", key))
        return false;
    for (size_t i = 0; i < texts->count; i++)
        if ((i > 0 && !buf_add_text(yaml, ", ", fault)) || !put_quoted(yaml, texts->at[i], fault))
            return false;
    return buf_add_text(yaml, "]\n", fault);
}

/* ---- the pattern ---- */

static bool name_values(struct draft *draft, const bool *is_value, size_t values,
                        struct fault *fault)
{
    const struct pattern *pattern = &draft->pattern;
    struct slice text = buf_slice(&pattern->text);
    size_t at = 0;

    draft->text = buf_with_limit(2 * PATTERN_BYTES_MAX);
    if (values > 1 && !buf_add_text(&draft->text, "(?J)", fault))
        return false;
    for (size_t i = 0; i < pattern->group_count; i++) {
        if (!is_value[i])
            continue;
        if (!buf_add(&draft->text, slice_part(text, at, pattern->opens[i]), fault) ||
            !buf_add_text(&draft->text, "?<value>", fault))
            return false;
        at = pattern->opens[i];
    }
    return buf_add(&draft->text, slice_part(text, at, text.len), fault);
}

/*
 * Without secretGroup the other scanner takes the first group that is not empty. One that stands
 * in a repeat, or holds one of a few fixed texts, is not what anybody means: then the whole
 * match is taken.
 */
static size_t choose_values(const struct draft *draft, bool *is_value)
{
    const struct pattern *pattern = &draft->pattern;
    size_t values = 0;

    for (size_t i = 0; i < pattern->group_count; i++) {
        if (pattern->is_repeated[i] || pattern_is_fixed(pattern, pattern->groups[i]))
            return 0;
        is_value[i] = true;
        values++;
        if (!pattern->is_optional[i] && pattern_least(pattern, pattern->groups[i]) > 0)
            break; /* it is always there */
    }
    return values;
}

static bool read_pattern(struct draft *draft, struct import *import, const char *regex,
                         struct fault *fault)
{
    bool is_value[PATTERN_GROUPS_MAX] = {false};
    size_t values;
    double group;
    uint32_t part;

    if (!read_number(draft->from, "secretGroup", PATTERN_GROUPS_MAX, &group, fault) ||
        !pattern_read(slice_of(regex), &draft->pattern, fault))
        return false;
    if (group > (double)draft->pattern.group_count || group > floor(group))
        return fault_set(fault, FAULT_INVALID, "secretGroup %g: there are %zu groups", group,
                         draft->pattern.group_count);
    if (group > 0)
        is_value[(size_t)group - 1] = true;
    values = group > 0 ? 1 : choose_values(draft, is_value);
    if (values == 0 && draft->pattern.group_count > 0) {
        memset(is_value, 0, sizeof(is_value));
        note(import, IMPORT_CHANGED, draft->id, draft->from->line,
             "its first group is no value (it repeats, or is fixed): the whole match is taken");
    }
    if (draft->pattern.looks_around)
        note(import, IMPORT_CHANGED, draft->id, draft->from->line,
             "it looks around, which RE2 refuses: read as PCRE2 has it");
    part = draft->pattern.root;
    for (size_t i = 0; i < draft->pattern.group_count; i++)
        if (values == 1 && is_value[i])
            part = draft->pattern.groups[i];
    draft->is_sure = pattern_fixed_start(&draft->pattern, part) >= FIXED_MIN &&
                     pattern_least(&draft->pattern, part) >= SURE_LEAST;
    return name_values(draft, is_value, values, fault);
}

static bool check_pattern(struct slice pattern, struct fault *fault)
{
    char why[200];
    size_t at = 0;

    return confirm_check(pattern, why, sizeof(why), &at) ||
           fault_set(fault, FAULT_INVALID, "PCRE2, character %zu: %s", at + 1, why);
}

/* ---- keywords ---- */

static void add_text(struct texts *texts, struct slice text)
{
    size_t room = texts->count; /* grown one by one: lists are short, and read once */

    texts->at = xgrow(texts->at, &room, texts->count + 1, sizeof(*texts->at));
    texts->at[texts->count++] = text;
}

static bool is_too_short(const struct toml *given)
{
    for (size_t i = 0; given != NULL && i < given->count; i++)
        if (given->children[i]->len < RULE_KEYWORD_MIN)
            return true;
    return false;
}

/* Those that are given, else what the pattern always holds. False: there is nothing. */
static bool choose_keywords(struct draft *draft, const struct toml *given)
{
    draft->keywords.count = 0;
    if (given != NULL && draft->derived == NULL) {
        for (size_t i = 0; i < given->count; i++)
            add_text(&draft->keywords,
                     slice_part(text_of(given->children[i]), 0, RULE_KEYWORD_MAX));
        return true;
    }
    for (size_t i = 0; draft->derived != NULL && i < draft->derived->count; i++)
        add_text(&draft->keywords, slice_of(draft->derived->at[i]));
    return draft->derived != NULL;
}

static bool has_keyword(const struct draft *draft, struct slice text, size_t match_start)
{
    if (draft->keywords.count == 0)
        return true;
    for (size_t i = 0; i < draft->keywords.count; i++)
        if (text_holds(slice_part(text, match_start,
                                  match_start + KEYWORD_BEFORE + draft->keywords.at[i].len),
                       draft->keywords.at[i]))
            return true;
    return false;
}

/* ---- allowlists ---- */

static void note_lost(struct whole *whole, const struct draft *draft, int line, const char *why)
{
    if (!whole->is_global || !whole->was_said)
        note(whole->import, IMPORT_CHANGED, whole->is_global ? "" : draft->id, line,
             "allowlist: %s; what it lets pass is found", why);
}

/* Joins the patterns by `|`. One that cannot be taken over lets nothing pass. */
static bool put_exceptions(struct whole *whole, const struct draft *draft, struct buf *into,
                           const struct toml *regexes, struct fault *fault)
{
    for (size_t i = 0; i < regexes->count; i++) {
        struct pattern pattern;
        struct fault why = {0};
        bool ok;

        ok = pattern_read(text_of(regexes->children[i]), &pattern, &why);
        if (ok && !check_pattern(buf_slice(&pattern.text), &why)) {
            pattern_free(&pattern);
            ok = false;
        }
        if (!ok) {
            note_lost(whole, draft, regexes->children[i]->line, why.why);
            continue;
        }
        ok = (into->len == 0 || buf_add_byte(into, '|', fault)) &&
             buf_add_text(into, "(?:", fault) && buf_add(into, buf_slice(&pattern.text), fault) &&
             buf_add_byte(into, ')', fault);
        pattern_free(&pattern);
        if (!ok)
            return false;
    }
    return true;
}

static void add_stop_words(struct draft *draft, const struct toml *words)
{
    for (size_t i = 0; words != NULL && i < words->count; i++)
        if (words->children[i]->len > 0)
            add_text(&draft->stop, text_of(words->children[i]));
}

static struct buf *target_of(struct draft *draft, const char *target)
{
    static const char *const targets[EXCEPT_COUNT] = {
        [EXCEPT_VALUE] = "secret", [EXCEPT_MATCH] = "match", [EXCEPT_LINE] = "line"};

    for (size_t i = 0; i < EXCEPT_COUNT; i++)
        if (strcmp(target == NULL ? targets[EXCEPT_VALUE] : target, targets[i]) == 0)
            return &draft->except[i];
    return NULL;
}

static bool read_allowlist(struct whole *whole, struct draft *draft, const struct toml *list,
                           struct fault *fault)
{
    const struct toml *regexes, *stop, *paths, *commits;
    const char *condition, *target;
    struct buf *into;
    bool is_all;

    if (list->type != TOML_TABLE)
        return toml_refuse(list, fault, "an allowlist must be a table");
    if (!read_list(list, "regexes", &regexes, fault) ||
        !read_list(list, "stopwords", &stop, fault) || !read_list(list, "paths", &paths, fault) ||
        !read_list(list, "commits", &commits, fault) ||
        !read_text(list, "condition", &condition, fault) ||
        !read_text(list, "regexTarget", &target, fault))
        return false;
    into = target_of(draft, target);
    if (into == NULL)
        return toml_refuse(list, fault, "regexTarget is match, line or secret");
    is_all = condition != NULL &&
             (strcmp(condition, "AND") == 0 || strcmp(condition, "and") == 0 ||
              strcmp(condition, "&&") == 0);
    if (is_all && (regexes != NULL) + (stop != NULL) + (paths != NULL) + (commits != NULL) > 1) {
        note_lost(whole, draft, list->line, "several conditions at once are not known here");
        return true;
    }
    if (paths != NULL || commits != NULL)
        note_lost(whole, draft, list->line, "paths and commits are not known here");
    add_stop_words(draft, stop);
    return regexes == NULL || put_exceptions(whole, draft, into, regexes, fault);
}

/* A global one may name the rules that it is for. */
static bool is_for(const struct toml *allowlist, const char *id)
{
    const struct toml *rules = toml_find(allowlist, "targetRules");

    for (size_t i = 0; rules != NULL && i < rules->count; i++)
        if (rules->children[i]->type == TOML_TEXT && strcmp(rules->children[i]->text, id) == 0)
            return true;
    return rules == NULL || rules->count == 0;
}

/* `allowlist`, `[[allowlists]]` of a rule or of the file. */
static bool read_allowlists(struct whole *whole, struct draft *draft, const struct toml *table,
                            struct fault *fault)
{
    const struct toml *one = toml_find(table, "allowlist");
    const struct toml *many = toml_find(table, "allowlists");

    if (many != NULL && many->type != TOML_LIST)
        return toml_refuse(many, fault, "allowlists must be a list of tables");
    if (one != NULL && !read_allowlist(whole, draft, one, fault))
        return false;
    for (size_t i = 0; many != NULL && i < many->count; i++)
        if (is_for(many->children[i], draft->id) &&
            !read_allowlist(whole, draft, many->children[i], fault))
            return false;
    return true;
}

static bool read_exceptions(struct whole *whole, struct draft *draft, struct fault *fault)
{
    bool ok;

    for (size_t i = 0; i < EXCEPT_COUNT; i++)
        draft->except[i] = buf_with_limit(8 * PATTERN_BYTES_MAX);
    if (!read_allowlists(whole, draft, draft->from, fault))
        return false;
    whole->is_global = true;
    ok = read_allowlists(whole, draft, whole->root, fault);
    whole->is_global = false;
    whole->was_said = true;
    if (!ok)
        return false;
    for (size_t i = 0; i < EXCEPT_COUNT; i++)
        if (draft->except[i].len > 0 && !check_pattern(buf_slice(&draft->except[i]), fault))
            return fault_in(fault, "allowlist");
    return true;
}

/* ---- examples ---- */

struct checks {
    struct confirm *pattern, *except[EXCEPT_COUNT];
};

static bool matches(struct confirm *confirm, struct slice text, struct confirm_match *ret_match)
{
    const struct confirm_place whole = {.last = text.len, .is_begin = true, .is_end = true};

    return confirm_find(confirm, text, whole, ret_match) == CONFIRM_YES;
}

/* The same that the engine asks, but for words around it. */
static bool is_found(const struct draft *draft, const struct checks *checks, struct slice text)
{
    struct confirm_match match, other;
    struct slice targets[EXCEPT_COUNT];

    if (!matches(checks->pattern, text, &match))
        return false;
    targets[EXCEPT_VALUE] = slice_part(text, match.start, match.end);
    targets[EXCEPT_MATCH] = slice_part(text, match.match_start, match.match_end);
    targets[EXCEPT_LINE] = text;
    for (size_t i = 0; i < EXCEPT_COUNT; i++)
        if (checks->except[i] != NULL && matches(checks->except[i], targets[i], &other))
            return false;
    for (size_t i = 0; i < draft->stop.count; i++)
        if (text_holds(targets[EXCEPT_VALUE], draft->stop.at[i]))
            return false;
    return text_entropy(targets[EXCEPT_VALUE]) >= draft->entropy &&
           !validate_is_placeholder(targets[EXCEPT_VALUE]) &&
           has_keyword(draft, text, match.match_start);
}

static bool try_variant(struct draft *draft, const struct checks *checks, unsigned variant)
{
    AUTO_BUF struct buf text = buf_with_limit(EXAMPLE_BYTES_MAX);
    struct fault unsaid = {0}; /* another variant may do */

    buf_clear(&draft->example);
    return pattern_example(&draft->pattern, variant, &draft->example, &unsaid) &&
           rule_expand(buf_slice(&draft->example), &text, &unsaid) &&
           is_found(draft, checks, buf_slice(&text));
}

static bool make_example(struct draft *draft)
{
    struct checks checks = {.pattern = confirm_new(buf_slice(&draft->text))};
    bool ok = false;

    for (size_t i = 0; i < EXCEPT_COUNT; i++)
        if (draft->except[i].len > 0)
            checks.except[i] = confirm_new(buf_slice(&draft->except[i]));
    for (unsigned variant = 0; !ok && variant < VARIANTS_MAX; variant++)
        ok = try_variant(draft, &checks, variant);
    confirm_free(checks.pattern);
    for (size_t i = 0; i < EXCEPT_COUNT; i++)
        confirm_free(checks.except[i]);
    return ok;
}

/* With the keywords that are given, or where no match holds them with those of the pattern.
 * ret_is_apart: there is one, but neither is in it. */
static bool find_example(struct draft *draft, const struct toml *given, bool *ret_is_apart)
{
    *ret_is_apart = false;
    if (make_example(draft))
        return true;
    if (draft->derived != NULL)
        return false;
    draft->derived = pattern_literals(&draft->pattern);
    if (draft->derived != NULL)
        return choose_keywords(draft, given) && make_example(draft);
    draft->keywords.count = 0;
    *ret_is_apart = make_example(draft);
    return false;
}

/* ---- a rule ---- */

static char *own_id(const char *id)
{
    char *own = xformat(ID_HEAD "%s", id);

    for (char *at = own; *at != 0; at++) {
        *at = (char)lower((uint8_t)*at);
        if (!is_alnum((uint8_t)*at) && *at != '.' && *at != '-')
            *at = '-';
    }
    return own;
}

static bool put_rule(const struct draft *draft, const struct texts *examples, struct buf *yaml,
                     struct fault *fault)
{
    const char *description;
    bool is_bound = toml_find(draft->from, "path") != NULL; /* no surer than its lost path */

    return read_text(draft->from, "description", &description, fault) &&
           buf_add_format(yaml, fault, "\n- id: %s\n  class: secret\n", draft->own_id) &&
           put_text(yaml, "text",
                    slice_of(description == NULL || *description == 0 ? draft->id : description),
                    fault) &&
           put_text(yaml, "pattern", buf_slice(&draft->text), fault) &&
           put_list(yaml, "keywords", &draft->keywords, fault) &&
           put_text(yaml, "except", buf_slice(&draft->except[EXCEPT_VALUE]), fault) &&
           put_text(yaml, "except_match", buf_slice(&draft->except[EXCEPT_MATCH]), fault) &&
           put_text(yaml, "except_line", buf_slice(&draft->except[EXCEPT_LINE]), fault) &&
           put_list(yaml, "stop", &draft->stop, fault) &&
           (draft->entropy <= 0 ||
            buf_add_format(yaml, fault, "  entropy: %.2f\n", draft->entropy)) &&
           buf_add_format(yaml, fault, "  confidence: %s\n  shape: secret\n",
                          draft->is_sure && !is_bound ? "high" : "medium") &&
           put_list(yaml, "examples", examples, fault);
}

/* What has no like here, and changes nothing of how a value is found. */
static void note_losses(struct import *import, const struct draft *draft)
{
    static const struct loss {
        const char *key, *why;
    } losses[] = {
        {"path", "path: it is looked for in every file, and is never surer than medium"},
        {"required", "required: it is found without the other rules"},
        {"tags", "tags are not kept"},
    };

    for (size_t i = 0; i < COUNT(losses); i++) {
        const struct toml *node = toml_find(draft->from, losses[i].key);

        if (node != NULL && (node->type != TOML_LIST || node->count > 0))
            note(import, IMPORT_CHANGED, draft->id, node->line, "%s", losses[i].why);
    }
}

static bool leave_out(struct import *import, const struct draft *draft, const char *why)
{
    import->left_out++;
    note(import, IMPORT_LEFT_OUT, draft->id, draft->from->line, "%s", why);
    return true;
}

static void examples_of(const struct draft *draft, const struct toml *given,
                        struct texts *ret_examples)
{
    for (size_t i = 0; given != NULL && i < given->count; i++)
        add_text(ret_examples, text_of(given->children[i]));
    if (given == NULL)
        add_text(ret_examples, buf_slice(&draft->example));
}

static bool take_rule(struct whole *whole, struct draft *draft, const char *regex,
                      struct fault *fault)
{
    const struct toml *keywords, *given;
    struct texts examples = {0};
    bool is_apart, ok;

    if (!read_number(draft->from, "entropy", 8, &draft->entropy, fault) ||
        !read_list(draft->from, "keywords", &keywords, fault) ||
        !read_list(draft->from, "examples", &given, fault) ||
        !read_pattern(draft, whole->import, regex, fault) ||
        !check_pattern(buf_slice(&draft->text), fault) || !read_exceptions(whole, draft, fault))
        return false;
    if (keywords == NULL || is_too_short(keywords))
        draft->derived = pattern_literals(&draft->pattern);
    if (is_too_short(keywords) && draft->derived != NULL)
        note(whole->import, IMPORT_CHANGED, draft->id, keywords->line,
             "a keyword of fewer than %d bytes: %zu of its pattern are used", RULE_KEYWORD_MIN,
             draft->derived->count);
    if (is_too_short(keywords) && draft->derived == NULL)
        return leave_out(whole->import, draft,
                         "a keyword of fewer than three bytes, and no text of three bytes is in "
                         "every match: it cannot be looked for quickly");
    if (!choose_keywords(draft, keywords))
        return leave_out(whole->import, draft,
                         "no keyword, and no text of three bytes is in every match: it cannot be "
                         "looked for quickly");
    if (given == NULL && !find_example(draft, keywords, &is_apart))
        return is_apart ? leave_out(whole->import, draft,
                                    "no keyword stands in what it finds: it cannot be looked for "
                                    "quickly")
                        : fault_set(fault, FAULT_INVALID,
                                    "no example of it could be made: add examples = ['...'] to "
                                    "the rule; the other scanner passes over that key");
    note_losses(whole->import, draft);
    examples_of(draft, given, &examples);
    ok = put_rule(draft, &examples, &whole->import->yaml, fault);
    free(examples.at);
    whole->import->taken += ok;
    return ok;
}

static bool is_component(const struct toml *rule)
{
    const struct toml *skip = toml_find(rule, "skipReport");

    return skip != NULL && skip->type == TOML_FLAG && skip->flag;
}

static bool read_rule(struct whole *whole, struct draft *draft, struct fault *fault)
{
    const char *regex, *id;

    if (draft->from->type != TOML_TABLE)
        return toml_refuse(draft->from, fault, "a rule must be a table");
    if (!read_text(draft->from, "id", &id, fault))
        return false;
    if (id == NULL || *id == 0)
        return toml_refuse(draft->from, fault, "a rule without id");
    draft->id = id;
    draft->own_id = own_id(id);
    if (!read_text(draft->from, "regex", &regex, fault))
        return false;
    if (is_component(draft->from))
        return leave_out(whole->import, draft, "skipReport: it is a part of other rules only");
    if (regex == NULL || *regex == 0)
        return leave_out(whole->import, draft,
                         toml_find(draft->from, "path") != NULL
                             ? "it is a path only: deny the path in custody.yaml"
                             : "it has no regex: it changes a rule of another file");
    return take_rule(whole, draft, regex, fault);
}

/* ---- the file ---- */

static void note_file(struct import *import, const struct toml *root)
{
    const struct toml *extend = toml_find(root, "extend");

    for (size_t i = 0; extend != NULL && i < extend->count && extend->keys != NULL; i++)
        note(import, IMPORT_CHANGED, "", extend->children[i]->line,
             "extend.%.60s: other files are not read; import them as well", extend->keys[i]);
}

static bool put_head(struct buf *yaml, const char *where, struct fault *fault)
{
    const char *name = strrchr(where, '/');

    *yaml = buf_with_limit(RULES_TEXT_BYTES_MAX);
    if (!buf_add_text(yaml, "# Imported from ", fault))
        return false;
    for (name = name == NULL ? where : name + 1; *name != 0; name++)
        if (!buf_add_byte(yaml, *name > ' ' && *name < 0x7f ? (uint8_t)*name : '?', fault))
            return false;
    return buf_add_text(yaml, " by custody rules import.\n", fault);
}

bool rules_import(struct slice text, const char *where, struct import *ret_import,
                  struct fault *fault)
{
    AUTO_TOML struct toml *root = NULL;
    struct import import = {0};
    struct whole whole = {.import = &import};
    const struct toml *rules;

    if (!toml_parse(text, where, &root, fault))
        return false;
    whole.root = root;
    rules = toml_find(root, "rules");
    if (rules == NULL || rules->type != TOML_LIST || rules->count == 0)
        return fault_set(fault, FAULT_INVALID, "%s: no [[rules]]", where);
    if (rules->count > RULES_MAX)
        return fault_set(fault, FAULT_LIMIT, "%s: more than %d rules", where, RULES_MAX);
    if (!put_head(&import.yaml, where, fault)) {
        import_free(&import);
        return false;
    }
    note_file(&import, root);
    for (size_t i = 0; i < rules->count; i++) {
        struct draft draft = {.from = rules->children[i],
                              .id = "?",
                              .example = buf_with_limit(EXAMPLE_BYTES_MAX)};
        struct fault why = {0};

        if (!read_rule(&whole, &draft, &why)) {
            import.wrong++;
            note(&import, IMPORT_WRONG, draft.id, draft.from->line, "%s", why.why);
        }
        draft_free(&draft);
    }
    *ret_import = import;
    return true;
}
