#include "roles/scanning/suppressions.h"

#include <stdlib.h>
#include <time.h>

#include "wire/yaml.h"
#include "base/scope.h"
#include "policy/glob.h"

#define MARK "custody:allow"
#define LINE_BYTES_MAX 4096
#define DAY_S 86400

void suppressions_free(struct suppressions *suppressions)
{
    for (size_t i = 0; i < suppressions->count; i++)
        free(suppressions->at[i].path);
    free(suppressions->at);
    *suppressions = (struct suppressions){0};
}

static struct suppression *add(struct suppressions *suppressions)
{
    suppressions->at = xgrow(suppressions->at, &suppressions->room, suppressions->count + 1,
                             sizeof(*suppressions->at));
    suppressions->at[suppressions->count] = (struct suppression){0};
    return &suppressions->at[suppressions->count++];
}

/* ---- words ---- */

/* Printable, no quotes; false: too long, empty or something else. */
static bool take_word(struct slice text, char *ret_word, size_t room)
{
    if (text.len == 0 || text.len >= room)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] < ' ' || text.at[i] == 127 || text.at[i] == '"')
            return false;
    memcpy(ret_word, text.at, text.len);
    ret_word[text.len] = 0;
    return true;
}

/* 2027-01-31: the first second of the day after it. */
static bool take_date(struct slice text, int64_t *ret_until_s)
{
    struct tm day = {0}, named, same;
    char word[11];
    const char *end;
    time_t start;

    if (text.len != 10 || !take_word(text, word, sizeof(word)))
        return false;
    end = strptime(word, "%Y-%m-%d", &day);
    named = day; /* timegm makes the 3rd of March of a 31st of February */
    start = end == NULL || *end != 0 ? -1 : timegm(&day);
    if (start < 0 || gmtime_r(&start, &same) == NULL || same.tm_mday != named.tm_mday)
        return false;
    *ret_until_s = (int64_t)start + DAY_S;
    return true;
}

/* ---- in a line ---- */

static struct slice next_word(struct slice *rest)
{
    struct slice word;
    size_t from = 0, to;

    while (from < rest->len && (rest->at[from] == ' ' || rest->at[from] == '\t'))
        from++;
    to = from;
    while (to < rest->len && rest->at[to] != ' ' && rest->at[to] != '\t')
        to++;
    word = slice_part(*rest, from, to);
    *rest = slice_part(*rest, to, rest->len);
    return word;
}

/* The value of NAME= in what follows the mark; quoted where it holds spaces. */
static struct slice value_of(struct slice text, const char *name)
{
    struct slice rest = text;

    while (rest.len > 0) {
        struct slice word = next_word(&rest);
        size_t len = strlen(name), from, to;

        if (!slice_starts_with(word, slice_of(name)) || word.len <= len || word.at[len] != '=')
            continue;
        from = (size_t)(word.at - text.at) + len + 1;
        if (from >= text.len || text.at[from] != '"')
            return slice_part(word, len + 1, word.len);
        to = slice_find_byte(text, '"', from + 1);
        return to == SIZE_MAX ? (struct slice){0} : slice_part(text, from + 1, to);
    }
    return (struct slice){0};
}

static bool is_for(const char *of, const char *rule, const char *class)
{
    return strcmp(of, rule) == 0 || strcmp(of, class) == 0;
}

bool suppression_is_in(struct slice content)
{
    return slice_find(content, SLICE(MARK), 0) != SIZE_MAX;
}

enum suppression_state suppression_in_line(struct slice line, const char *rule,
                                           const char *class, int64_t now_s,
                                           struct suppression *ret_suppression)
{
    struct suppression found = {0};
    struct slice rest;
    size_t at;

    line = slice_part(line, 0, line.len > LINE_BYTES_MAX ? LINE_BYTES_MAX : line.len);
    at = slice_find(line, SLICE(MARK), 0);
    if (at == SIZE_MAX)
        return SUPPRESSION_NONE;
    rest = slice_part(line, at + strlen(MARK), line.len);
    if (!take_word(next_word(&rest), found.rule, sizeof(found.rule)))
        return SUPPRESSION_INCOMPLETE;
    if (!is_for(found.rule, rule, class))
        return SUPPRESSION_NONE;
    if (!take_word(value_of(rest, "owner"), found.owner, sizeof(found.owner)) ||
        !take_word(value_of(rest, "reason"), found.reason, sizeof(found.reason)) ||
        !take_date(value_of(rest, "until"), &found.until_s))
        return SUPPRESSION_INCOMPLETE;
    *ret_suppression = found;
    return found.until_s > now_s ? SUPPRESSION_HOLDS : SUPPRESSION_EXPIRED;
}

/* ---- of a file ---- */

static bool read_word(const struct yaml *node, char *ret_word, size_t room,
                      struct fault *fault)
{
    const char *text;

    return yaml_text(node, &text, fault) &&
           (take_word(slice_of(text), ret_word, room) ||
            yaml_refuse(node, fault, "1 to %zu printable characters without quotes",
                        room - 1));
}

static bool read_path(void *into, const struct yaml *node, struct fault *fault)
{
    struct suppression *suppression = into;
    struct fault why = {0};
    const char *text;

    if (!yaml_text(node, &text, fault))
        return false;
    if (!glob_check(slice_of(text), &why))
        return yaml_refuse(node, fault, "%s", why.why);
    suppression->path = xstrdup(text);
    return true;
}

static bool read_rule(void *into, const struct yaml *node, struct fault *fault)
{
    struct suppression *suppression = into;

    return read_word(node, suppression->rule, sizeof(suppression->rule), fault);
}

static bool read_owner(void *into, const struct yaml *node, struct fault *fault)
{
    struct suppression *suppression = into;

    return read_word(node, suppression->owner, sizeof(suppression->owner), fault);
}

static bool read_reason(void *into, const struct yaml *node, struct fault *fault)
{
    struct suppression *suppression = into;

    return read_word(node, suppression->reason, sizeof(suppression->reason), fault);
}

static bool read_until(void *into, const struct yaml *node, struct fault *fault)
{
    struct suppression *suppression = into;
    const char *text;

    return yaml_text(node, &text, fault) &&
           (take_date(slice_of(text), &suppression->until_s) ||
            yaml_refuse(node, fault, "no date; as in 2027-01-31"));
}

static bool read_rows(void *into, const struct yaml *node, struct fault *fault)
{
    static const struct yaml_key keys[] = {
        {"path", true, read_path},   {"rule", true, read_rule},
        {"owner", true, read_owner}, {"reason", true, read_reason},
        {"until", true, read_until},
    };

    if (!yaml_is(node, YAML_SEQUENCE, fault))
        return false;
    for (size_t i = 0; i < node->count; i++)
        if (!yaml_read(&node->children[i], keys, COUNT(keys), add(into), fault))
            return false;
    return true;
}

static bool read_version(void *into, const struct yaml *node, struct fault *fault)
{
    int64_t version;

    (void)into;
    return yaml_number(node, 1, 1, &version, fault);
}

bool suppressions_parse(struct slice yaml, struct suppressions *into, struct fault *fault)
{
    static const struct yaml_key keys[] = {
        {"version", true, read_version},
        {"suppressions", true, read_rows},
    };
    AUTO_YAML struct yaml *root = NULL;

    return yaml_parse(yaml, SUPPRESSIONS_FILE, &root, fault) &&
           yaml_read(root, keys, COUNT(keys), into, fault);
}

/* ---- which is for which finding ---- */

static size_t of_file(struct suppressions *suppressions, struct slice path, const char *rule,
                      const char *class, size_t *refused)
{
    for (size_t i = 0; i < suppressions->count; i++) {
        const struct suppression *each = &suppressions->at[i];

        if (each->path == NULL || !is_for(each->rule, rule, class) ||
            !glob_matches(slice_of(each->path), path, false))
            continue;
        if (each->until_s > suppressions->now_s)
            return i;
        (*refused)++;
    }
    return SIZE_MAX;
}

/* The line that holds `at`, or the one before it. */
static struct slice line_around(struct slice content, size_t at, bool before)
{
    size_t start = at, end;

    while (start > 0 && content.at[start - 1] != '\n')
        start--;
    if (before && start == 0)
        return (struct slice){0};
    if (before) {
        end = start - 1;
        for (start = end; start > 0 && content.at[start - 1] != '\n'; start--)
            ;
        return slice_part(content, start, end);
    }
    end = slice_find_byte(content, '\n', at);
    return slice_part(content, start, end == SIZE_MAX ? content.len : end);
}

/* The row of one in a line: the same words in several places are one. */
static size_t row_of(struct suppressions *suppressions, const struct suppression *found)
{
    for (size_t i = 0; i < suppressions->count; i++) {
        const struct suppression *each = &suppressions->at[i];

        if (each->path == NULL && each->until_s == found->until_s &&
            strcmp(each->rule, found->rule) == 0 && strcmp(each->owner, found->owner) == 0 &&
            strcmp(each->reason, found->reason) == 0)
            return i;
    }
    *add(suppressions) = *found;
    return suppressions->count - 1;
}

static size_t of_line(struct suppressions *suppressions, struct slice content, size_t at,
                      const char *rule, const char *class, size_t *refused)
{
    struct suppression found;

    for (unsigned before = 0; at < content.len && before < 2; before++) {
        enum suppression_state state = suppression_in_line(
            line_around(content, at, before), rule, class, suppressions->now_s, &found);

        if (state == SUPPRESSION_HOLDS)
            return row_of(suppressions, &found);
        *refused += state != SUPPRESSION_NONE;
    }
    return SIZE_MAX;
}

void suppressions_match(struct suppressions *suppressions, struct slice path,
                        struct slice content, const struct file_verdict *verdict,
                        size_t *ret_rows, size_t *ret_refused)
{
    bool has_mark = suppression_is_in(content);

    *ret_refused = 0;
    for (size_t i = 0; i < verdict->count; i++) {
        const struct placed_finding *finding = &verdict->findings[i];
        const char *rule = classify_rule_id(finding->rule);
        const char *class = class_name((enum data_class)finding->class);

        ret_rows[i] = of_file(suppressions, path, rule, class, ret_refused);
        if (ret_rows[i] == SIZE_MAX && has_mark)
            ret_rows[i] =
                of_line(suppressions, content, finding->start, rule, class, ret_refused);
        if (ret_rows[i] != SIZE_MAX)
            suppressions->at[ret_rows[i]].used++;
    }
}
