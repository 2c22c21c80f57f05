/* Allowlists become exceptions. */
#include "classify/import/parts.h"

static void note_lost(struct import_file *whole, const struct import_draft *draft, int line,
                      const char *why)
{
    if (!whole->is_global || !whole->was_said)
        import_note(whole->import, IMPORT_CHANGED, whole->is_global ? "" : draft->id, line,
                    "allowlist: %s; what it lets pass is found", why);
}

/* Joins the patterns by `|`. One that cannot be taken over lets nothing pass. */
static bool put_exceptions(struct import_file *whole, const struct import_draft *draft,
                           struct buf *into, const struct toml *regexes, struct fault *fault)
{
    for (size_t i = 0; i < regexes->count; i++) {
        struct pattern pattern;
        struct fault why = {0};
        bool ok;

        ok = pattern_read(import_text_of(regexes->children[i]), &pattern, &why);
        if (ok && !import_check_pattern(buf_slice(&pattern.text), &why)) {
            pattern_free(&pattern);
            ok = false;
        }
        if (!ok) {
            note_lost(whole, draft, regexes->children[i]->line, why.why);
            continue;
        }
        ok = (into->len == 0 || buf_add_byte(into, '|', fault)) &&
             buf_add_text(into, "(?:", fault) &&
             buf_add(into, buf_slice(&pattern.text), fault) && buf_add_byte(into, ')', fault);
        pattern_free(&pattern);
        if (!ok)
            return false;
    }
    return true;
}

static void add_stop_words(struct import_draft *draft, const struct toml *words)
{
    for (size_t i = 0; words != NULL && i < words->count; i++)
        if (words->children[i]->len > 0)
            import_add_text(&draft->stop, import_text_of(words->children[i]));
}

static struct buf *target_of(struct import_draft *draft, const char *target)
{
    static const char *const targets[EXCEPT_COUNT] = {
        [EXCEPT_VALUE] = "secret", [EXCEPT_MATCH] = "match", [EXCEPT_LINE] = "line"};

    for (size_t i = 0; i < EXCEPT_COUNT; i++)
        if (strcmp(target == NULL ? targets[EXCEPT_VALUE] : target, targets[i]) == 0)
            return &draft->except[i];
    return NULL;
}

static bool read_allowlist(struct import_file *whole, struct import_draft *draft,
                           const struct toml *list, struct fault *fault)
{
    const struct toml *regexes, *stop, *paths, *commits;
    const char *condition, *target;
    struct buf *into;
    bool is_all;

    if (list->type != TOML_TABLE)
        return toml_refuse(list, fault, "an allowlist must be a table");
    if (!import_read_list(list, "regexes", &regexes, fault) ||
        !import_read_list(list, "stopwords", &stop, fault) ||
        !import_read_list(list, "paths", &paths, fault) ||
        !import_read_list(list, "commits", &commits, fault) ||
        !import_read_text(list, "condition", &condition, fault) ||
        !import_read_text(list, "regexTarget", &target, fault))
        return false;
    into = target_of(draft, target);
    if (into == NULL)
        return toml_refuse(list, fault, "regexTarget is match, line or secret");
    is_all =
        condition != NULL && (strcmp(condition, "AND") == 0 || strcmp(condition, "and") == 0 ||
                              strcmp(condition, "&&") == 0);
    if (is_all &&
        (regexes != NULL) + (stop != NULL) + (paths != NULL) + (commits != NULL) > 1) {
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
static bool read_allowlists(struct import_file *whole, struct import_draft *draft,
                            const struct toml *table, struct fault *fault)
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

bool import_read_exceptions(struct import_file *whole, struct import_draft *draft,
                            struct fault *fault)
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
        if (draft->except[i].len > 0 &&
            !import_check_pattern(buf_slice(&draft->except[i]), fault))
            return fault_in(fault, "allowlist");
    return true;
}
