/* rules: what is looked for, and whether a file of rules is one. */
#include <fcntl.h>
#include <stdio.h>

#include "base/scope.h"
#include "classify/rule.h"
#include "commands/table.h"
#include "roles/scanning/rules.h"

static bool read_rules(const struct rule_files *files, struct rule_storage *storage,
                       struct rule_list *list, struct fault *fault)
{
    for (size_t i = 0; i < rules_built_in_count; i++)
        if (!rules_read(&rules_built_in[i], storage, list, fault))
            return false;
    for (size_t i = 0; i < files->count; i++)
        if (!rules_read(&files->at[i], storage, list, fault))
            return false;
    return true;
}

static json_t *texts_json(const struct texts *texts)
{
    json_t *list = json_array();

    for (size_t i = 0; i < texts->count; i++)
        (void)json_array_append_new(
            list, json_stringn((const char *)texts->at[i].at, texts->at[i].len));
    return list;
}

/* As in a file of rules, by the table of its keys; what a rule does not say is not there. */
static json_t *rule_json(const struct rule *rule)
{
    json_t *object = json_pack("{s:s, s:i}", "file", rule->file, "line", rule->line);

    for (size_t i = 0; i < rule_field_count; i++) {
        const struct rule_field *field = &rule_fields[i];
        const void *from = (const char *)rule + field->offset;
        const struct slice *text = from;
        const struct texts *texts = from;
        json_t *value = NULL;

        if (field->type == FIELD_TEXT && text->len > 0)
            value = json_stringn((const char *)text->at, text->len);
        else if (field->type == FIELD_WORD) {
            struct slice word = rule_word(field, *(const uint32_t *)from);

            value = json_stringn((const char *)word.at, word.len);
        } else if (field->type == FIELD_FLAG)
            value = json_boolean(*(const bool *)from);
        else if (field->type == FIELD_HUNDREDTHS)
            value = json_real(*(const uint32_t *)from / 100.0);
        else if (field->type != FIELD_TEXT && texts->count > 0)
            value = texts_json(texts);
        if (value != NULL)
            (void)json_object_set_new(object, field->name, value);
    }
    return object;
}

static void print_list(const struct rule_list *list, bool as_json)
{
    json_t *all = json_array();

    for (size_t i = 0; i < list->count; i++)
        if (as_json)
            (void)json_array_append_new(all, rule_json(&list->at[i]));
        else
            (void)printf("%-32.*s %-7s %.*s\n", SLICE_ARGS(list->at[i].id),
                         class_name((enum data_class)list->at[i].class),
                         SLICE_ARGS(list->at[i].text));
    if (as_json)
        command_print_json(all);
    else
        json_decref(all);
}

static int run_list(const struct invocation *invocation)
{
    struct rule_storage *storage = rule_storage_new();
    struct rule_files files = {0};
    struct rule_list list = {0};
    struct fault fault = {0};
    bool ok = rule_files_find(&files, &fault) && read_rules(&files, storage, &list, &fault);

    if (ok)
        print_list(&list, invocation->json);
    rule_list_free(&list);
    rule_storage_free(storage);
    rule_files_free(&files);
    return ok ? EXIT_YES : command_fail(invocation, &fault);
}

const struct command command_rules_list = {
    .name = "rules list",
    .arguments = "",
    .prints_json = true,
    .summary = "Lists what is looked for: built-in rules, then those of your files",
    .text = "Your files are *.yaml in /etc/custody/rules and in rules/ of the state folder.",
    .run = run_list,
};

static int run_check(const struct invocation *invocation)
{
    AUTO_BUF struct buf image = buf_with_limit(RULES_IMAGE_BYTES_MAX);
    struct rule_files files = {0};
    struct fault fault = {0};
    bool ok = true;

    if (invocation->argument_count == 0)
        ok = rule_files_find(&files, &fault);
    for (size_t i = 0; ok && i < invocation->argument_count; i++)
        ok = rule_files_add(&files, AT_FDCWD, invocation->arguments[i],
                            invocation->arguments[i], &fault);
    ok = ok && rules_image_make(files.at, files.count, &image, &fault);
    if (ok && invocation->json)
        command_print_json(json_pack("{s:I}", "files", (json_int_t)files.count));
    else if (ok)
        (void)printf("built-in rules and %zu files: every rule compiles, is found by its examples and not by its "
                     "counterexamples\n",
                     files.count);
    rule_files_free(&files);
    return ok ? EXIT_YES : command_fail(invocation, &fault);
}

const struct command command_rules_check = {
    .name = "rules check",
    .arguments = "[FILE...]",
    .arguments_max = COMMAND_ARGUMENTS_MAX,
    .prints_json = true,
    .summary = "Reads, compiles and tries files of rules beside the built-in ones",
    .text = "Without FILE, those that are in use. The first rule that is wrong is named by file "
            "and line, and the exit code is 3.",
    .run = run_check,
};
