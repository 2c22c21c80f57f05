/* Rules of another form, one by one. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/scope.h"
#include "classify/ascii.h"
#include "classify/import/parts.h"

#define ID_HEAD "secret.imported."
#define NOTES_MAX 4096

/* ---- notes ---- */

void import_note(struct import *import, enum import_kind kind, const char *rule, int line,
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

static void draft_free(struct import_draft *draft)
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

static bool put_rule(const struct import_draft *draft, const struct texts *examples,
                     struct buf *yaml, struct fault *fault)
{
    const char *description;
    bool is_bound = toml_find(draft->from, "path") != NULL; /* no surer than its lost path */

    return import_read_text(draft->from, "description", &description, fault) &&
           buf_add_format(yaml, fault, "\n- id: %s\n  class: secret\n", draft->own_id) &&
           import_put_text(
               yaml, "text",
               slice_of(description == NULL || *description == 0 ? draft->id : description),
               fault) &&
           import_put_text(yaml, "pattern", buf_slice(&draft->text), fault) &&
           import_put_list(yaml, "keywords", &draft->keywords, fault) &&
           import_put_text(yaml, "except", buf_slice(&draft->except[EXCEPT_VALUE]), fault) &&
           import_put_text(yaml, "except_match", buf_slice(&draft->except[EXCEPT_MATCH]),
                           fault) &&
           import_put_text(yaml, "except_line", buf_slice(&draft->except[EXCEPT_LINE]),
                           fault) &&
           import_put_list(yaml, "stop", &draft->stop, fault) &&
           (draft->entropy <= 0 ||
            buf_add_format(yaml, fault, "  entropy: %.2f\n", draft->entropy)) &&
           buf_add_format(yaml, fault, "  confidence: %s\n  shape: secret\n",
                          draft->is_sure && !is_bound ? "high" : "medium") &&
           import_put_list(yaml, "examples", examples, fault);
}

/* What has no like here, and changes nothing of how a value is found. */
static void note_losses(struct import *import, const struct import_draft *draft)
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
            import_note(import, IMPORT_CHANGED, draft->id, node->line, "%s", losses[i].why);
    }
}

static bool leave_out(struct import *import, const struct import_draft *draft, const char *why)
{
    import->left_out++;
    import_note(import, IMPORT_LEFT_OUT, draft->id, draft->from->line, "%s", why);
    return true;
}

static void examples_of(const struct import_draft *draft, const struct toml *given,
                        struct texts *ret_examples)
{
    for (size_t i = 0; given != NULL && i < given->count; i++)
        import_add_text(ret_examples, import_text_of(given->children[i]));
    if (given == NULL)
        import_add_text(ret_examples, buf_slice(&draft->example));
}

static bool is_too_short(const struct toml *given)
{
    for (size_t i = 0; given != NULL && i < given->count; i++)
        if (given->children[i]->len < RULE_KEYWORD_MIN)
            return true;
    return false;
}

static bool take_rule(struct import_file *whole, struct import_draft *draft, const char *regex,
                      struct fault *fault)
{
    const struct toml *keywords, *given;
    struct texts examples = {0};
    bool is_apart, ok;

    if (!import_read_number(draft->from, "entropy", 8, &draft->entropy, fault) ||
        !import_read_list(draft->from, "keywords", &keywords, fault) ||
        !import_read_list(draft->from, "examples", &given, fault) ||
        !import_read_pattern(draft, whole->import, regex, fault) ||
        !import_check_pattern(buf_slice(&draft->text), fault) ||
        !import_read_exceptions(whole, draft, fault))
        return false;
    if (keywords == NULL || is_too_short(keywords))
        draft->derived = pattern_literals(&draft->pattern);
    if (is_too_short(keywords) && draft->derived != NULL)
        import_note(whole->import, IMPORT_CHANGED, draft->id, keywords->line,
                    "a keyword of fewer than %lu bytes: %zu of its pattern are used",
                    RULE_KEYWORD_MIN, draft->derived->count);
    if (is_too_short(keywords) && draft->derived == NULL)
        return leave_out(
            whole->import, draft,
            "a keyword of fewer than three bytes, and no text of three bytes is in "
            "every match: it cannot be looked for quickly");
    if (!import_choose_keywords(draft, keywords))
        return leave_out(
            whole->import, draft,
            "no keyword, and no text of three bytes is in every match: it cannot be "
            "looked for quickly");
    if (given == NULL && !import_find_example(draft, keywords, &is_apart))
        return is_apart
                   ? leave_out(whole->import, draft,
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

static bool read_rule(struct import_file *whole, struct import_draft *draft,
                      struct fault *fault)
{
    const char *regex, *id;

    if (draft->from->type != TOML_TABLE)
        return toml_refuse(draft->from, fault, "a rule must be a table");
    if (!import_read_text(draft->from, "id", &id, fault))
        return false;
    if (id == NULL || *id == 0)
        return toml_refuse(draft->from, fault, "a rule without id");
    draft->id = id;
    draft->own_id = own_id(id);
    if (!import_read_text(draft->from, "regex", &regex, fault))
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
        import_note(import, IMPORT_CHANGED, "", extend->children[i]->line,
                    "extend.%.60s: other files are not read; import them as well",
                    extend->keys[i]);
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
    struct import_file whole = {.import = &import};
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
        struct import_draft draft = {.from = rules->children[i],
                                     .id = "?",
                                     .example = buf_with_limit(IMPORT_EXAMPLE_BYTES_MAX)};
        struct fault why = {0};

        if (!read_rule(&whole, &draft, &why)) {
            import.wrong++;
            import_note(&import, IMPORT_WRONG, draft.id, draft.from->line, "%s", why.why);
        }
        draft_free(&draft);
    }
    *ret_import = import;
    return true;
}
