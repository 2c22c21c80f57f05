/* custody lineage - which model calls held anything of a file. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/scope.h"
#include "commands/history_telling.h"
#include "commands/table.h"
#include "flow/home.h"
#include "lineage/lineage.h"
#include "roles/records/history.h"

#define GROUPS_MAX 4096

/* Where calls have gone to: the fields that tell one group from another. */
static const struct told_field {
    enum record_field field;
    const char *name;
} told_fields[] = {
    {RECORD_PROVIDER, "provider"},   {RECORD_MODEL, "model"},       {RECORD_HOST, "host"},
    {RECORD_RESIDENCY, "residency"}, {RECORD_CONTRACT, "contract"},
};

struct group {
    char *texts[COUNT(told_fields)]; /* NULL: the record has none */
    uint64_t calls, perhaps;
    int64_t first_us, last_us;
};

struct lineage_question {
    struct history_question question;
    struct buf path; /* as records have it */
    bool is_glob, lists_calls, json;
    struct group *groups;
    size_t count, room;
    json_t *calls; /* --calls --json */
    bool is_partial;
};

static char *text_of(const struct record *record, enum record_field field)
{
    return record->field[field].set ? slice_dup(record->field[field].text) : NULL;
}

static bool same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static struct group *group_of(struct lineage_question *asked, const struct record *record,
                              struct fault *fault)
{
    struct group made = {.first_us = INT64_MAX, .last_us = INT64_MIN};
    size_t at;

    for (size_t i = 0; i < COUNT(told_fields); i++)
        made.texts[i] = text_of(record, told_fields[i].field);
    for (at = 0; at < asked->count; at++) {
        size_t equal = 0;

        while (equal < COUNT(told_fields) &&
               same(asked->groups[at].texts[equal], made.texts[equal]))
            equal++;
        if (equal == COUNT(told_fields))
            break;
    }
    if (at < asked->count || at == GROUPS_MAX) {
        for (size_t i = 0; i < COUNT(told_fields); i++)
            free(made.texts[i]);
        if (at == GROUPS_MAX)
            (void)fault_set(fault, FAULT_LIMIT, "calls of more than %d kinds: ask for one run",
                            GROUPS_MAX);
        return at == GROUPS_MAX ? NULL : &asked->groups[at];
    }
    asked->groups = xgrow(asked->groups, &asked->room, asked->count + 1, sizeof(made));
    asked->groups[asked->count] = made;
    return &asked->groups[asked->count++];
}

/* The file's own entry of the record; false: only "there may have been others". */
static bool entry_of(const struct lineage_question *asked, const struct record *record,
                     struct lineage_entry *ret_entry)
{
    struct slice rest = record->field[RECORD_LINEAGE].text;

    while (lineage_entry_next(&rest, ret_entry)) {
        AUTO_FREE char *path = slice_dup(ret_entry->path);

        if (ret_entry->path.len > 0 && history_text_matches(&asked->question.filters[0], path))
            return true;
    }
    return false;
}

static void add_text(json_t *to, const char *name, struct slice text)
{
    if (text.at != NULL)
        (void)json_object_set_new(to, name, json_stringn((const char *)text.at, text.len));
}

static json_t *call_json(const struct history_record *at, const struct lineage_entry *entry)
{
    static const enum record_field who[] = {RECORD_RUN, RECORD_AGENT, RECORD_ON_BEHALF_OF};
    const struct record_value *field = at->record->field;
    char when[CLOCK_TEXT_BYTES];
    json_t *call;

    clock_text(at->header->t_us, when);
    call = json_pack("{s:s,s:I,s:I,s:b}", "time", when, "shard", (json_int_t)at->shard,
                     "index", (json_int_t)at->index, "perhaps", entry == NULL);
    for (size_t i = 0; i < COUNT(who); i++)
        add_text(call, record_field_name(who[i]), field[who[i]].text);
    for (size_t i = 0; i < COUNT(told_fields); i++)
        add_text(call, told_fields[i].name, field[told_fields[i].field].text);
    if (entry != NULL) {
        add_text(call, "path", entry->path);
        add_text(call, "blob", entry->blob);
        add_text(call, "lines", entry->lines);
    }
    return call;
}

static void print_call(const struct history_record *at, const struct lineage_entry *entry)
{
    const struct record_value *field = at->record->field;
    char when[CLOCK_TEXT_BYTES];

    clock_text(at->header->t_us, when);
    (void)printf("%.19sZ  %llu  %.*s  %.*s", when, (unsigned long long)at->index,
                 SLICE_ARGS(field[RECORD_AGENT].text),
                 SLICE_ARGS(field[RECORD_PROVIDER].text));
    if (entry == NULL)
        (void)puts("  perhaps: the call held more than its record tells");
    else
        (void)printf("  %.*s lines %.*s of blob %.*s\n", SLICE_ARGS(entry->path),
                     SLICE_ARGS(entry->lines), SLICE_ARGS(entry->blob));
}

static void tell_call(struct lineage_question *asked, const struct history_record *at,
                      const struct lineage_entry *entry)
{
    if (asked->json)
        (void)json_array_append_new(asked->calls, call_json(at, entry));
    else
        print_call(at, entry);
}

static bool take_call(void *self, const struct history_record *at, struct fault *fault)
{
    struct lineage_question *asked = self;
    struct lineage_entry entry;
    bool known = entry_of(asked, at->record, &entry);
    struct group *group = group_of(asked, at->record, fault);

    if (group == NULL)
        return false;
    group->calls += known;
    group->perhaps += !known;
    if (at->header->t_us < group->first_us)
        group->first_us = at->header->t_us;
    if (at->header->t_us > group->last_us)
        group->last_us = at->header->t_us;
    if (asked->lists_calls)
        tell_call(asked, at, known ? &entry : NULL);
    return true;
}

static void print_json(struct lineage_question *asked)
{
    json_t *groups = json_array();

    for (size_t g = 0; g < asked->count; g++) {
        const struct group *group = &asked->groups[g];
        json_t *row = json_object();
        char when[CLOCK_TEXT_BYTES];

        for (size_t i = 0; i < COUNT(told_fields); i++)
            (void)json_object_set_new(row, told_fields[i].name,
                                      group->texts[i] == NULL ? json_null()
                                                              : json_string(group->texts[i]));
        (void)json_object_set_new(row, "calls", json_integer((json_int_t)group->calls));
        (void)json_object_set_new(row, "perhaps", json_integer((json_int_t)group->perhaps));
        clock_text(group->first_us, when);
        (void)json_object_set_new(row, "first", json_string(when));
        clock_text(group->last_us, when);
        (void)json_object_set_new(row, "last", json_string(when));
        (void)json_array_append_new(groups, row);
    }
    if (asked->calls == NULL) {
        command_print_json(groups);
        return;
    }
    command_print_json(json_pack("{s:o,s:o}", "providers", groups, "calls", asked->calls));
    asked->calls = NULL;
}

static void print_text(const struct lineage_question *asked)
{
    for (size_t g = 0; g < asked->count; g++) {
        const struct group *group = &asked->groups[g];
        char first[CLOCK_TEXT_BYTES], last[CLOCK_TEXT_BYTES];

        clock_text(group->first_us, first);
        clock_text(group->last_us, last);
        (void)printf("%llu calls", (unsigned long long)group->calls);
        if (group->perhaps > 0)
            (void)printf(" and perhaps %llu more", (unsigned long long)group->perhaps);
        for (size_t i = 0; i < COUNT(told_fields); i++)
            (void)printf("  %s %s", told_fields[i].name,
                         group->texts[i] == NULL ? "-" : group->texts[i]);
        (void)printf("  %.19sZ to %.19sZ\n", first, last);
    }
    if (asked->count == 0)
        (void)puts("no call held anything of it, as far as records tell");
}

static const struct option_rule options[] = {
    {"run", "RUN", "only calls of this run"},
    {"agent", "GLOB", "only of agents whose principal (role@repository#run) matches"},
    {"since", "TIME", "only since: 2026-11-24, 2026-11-24T08:30:00Z, or 90s 15m 2h 7d ago"},
    {"until", "TIME", "only before"},
    {"calls", NULL, "list each call: when, whose, which lines of which version"},
    {"archive", "DIR", "where older records lie; else where `custody archive` put them"},
    {0},
};

static void add_filter(struct history_question *question, enum record_field field,
                       const char *pattern, bool is_glob, bool or_more)
{
    if (pattern != NULL)
        question->filters[question->filter_count++] =
            (struct history_filter){{field}, 1, pattern, is_glob, or_more};
}

static bool read_question(const struct invocation *invocation,
                          struct lineage_question *ret_asked, struct fault *fault)
{
    const char *since = invocation_option(invocation, "since");
    const char *until = invocation_option(invocation, "until");
    const char *path = invocation->arguments[0];
    struct history_question *question = &ret_asked->question;

    while (strncmp(path, "./", 2) == 0)
        path += 2;
    ret_asked->path = buf_with_limit(4 * SERVED_PATH_BYTES_MAX);
    if (!lineage_path(slice_of(path), &ret_asked->path, fault))
        return fault_in(fault, "read the path");
    add_filter(question, RECORD_LINEAGE, buf_text(&ret_asked->path),
               strpbrk(path, "*?[") != NULL, true);
    add_filter(question, RECORD_RUN, invocation_option(invocation, "run"), false, false);
    add_filter(question, RECORD_AGENT, invocation_option(invocation, "agent"), true, false);
    return (since == NULL || command_time("since", since, &question->since_us, fault)) &&
           (until == NULL || command_time("until", until, &question->until_us, fault));
}

static bool answer(const struct invocation *invocation, const struct home *home,
                   struct lineage_question *asked, struct fault *fault)
{
    struct history_telling telling = {.verb = "lineage"};
    const struct history_options how = {.lag = HISTORY_LAG,
                                        .archive = invocation_option(invocation, "archive"),
                                        .tell = history_tell,
                                        .progress = history_show_progress,
                                        .self = &telling};
    struct history *history;
    struct fault unread = {0};
    bool ok;

    if (!history_open(home, &how, &history, fault))
        return false;
    ok = history_each(history, &asked->question, take_call, asked, fault);
    if (ok && !history_all_read(history, &unread)) {
        history_tell(&telling, unread.why);
        asked->is_partial = true;
    }
    history_close(history);
    return ok;
}

static void question_free(struct lineage_question *asked)
{
    for (size_t g = 0; g < asked->count; g++)
        for (size_t i = 0; i < COUNT(told_fields); i++)
            free(asked->groups[g].texts[i]);
    free(asked->groups);
    buf_free(&asked->path);
    json_decref(asked->calls);
}

static int run_lineage(const struct invocation *invocation)
{
    struct lineage_question asked = {
        .question = {.since_us = INT64_MIN, .until_us = INT64_MAX},
        .json = invocation->json,
        .lists_calls = invocation_flag(invocation, "calls"),
    };
    struct fault fault = {0};
    struct home home = {.fd = -1};
    bool ok;

    asked.calls = asked.json && asked.lists_calls ? json_array() : NULL;
    ok = read_question(invocation, &asked, &fault) && home_open(false, &home, &fault) &&
         answer(invocation, &home, &asked, &fault);
    if (ok && asked.json)
        print_json(&asked);
    else if (ok)
        print_text(&asked);
    home_close(&home);
    question_free(&asked);
    if (!ok)
        return command_fail(invocation, &fault);
    return asked.is_partial ? EXIT_INCOMPLETE : EXIT_YES;
}

const struct command command_lineage = {
    .name = "lineage",
    .arguments = "PATH",
    .arguments_min = 1,
    .arguments_max = 1,
    .prints_json = true,
    .summary = "Shows which model calls held anything of a file",
    .text = "By provider, model, residency and contract: how many calls, from when to when. "
            "PATH is below "
            "the repository's\n"
            "root, or a glob (* goes through /). A call's record names the files and lines in "
            "it that the "
            "agent had been\n"
            "shown, known by their text: trimmed, numbered or cut by a tool they still are. "
            "Text that was "
            "put in other words\n"
            "is not, nor a line of fewer than eight bytes. \"Perhaps\" are calls that held "
            "more files than "
            "a record can name.",
    .options = options,
    .run = run_lineage,
};
