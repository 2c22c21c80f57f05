/* custody log - what happened, record by record. */
#include <errno.h>
#include <fnmatch.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/scope.h"
#include "commands/history_telling.h"
#include "commands/log_print.h"
#include "commands/log_types.h"
#include "commands/table.h"
#include "flow/home.h"
#include "roles/records/history.h"

#define FOLLOW_PAUSE_MS 250
#define LIMIT_MAX 1000000000

static const char *type_word(size_t number)
{
    return number < RECORD_TYPE_COUNT ? record_type_name((enum record_type)number) : NULL;
}

static const char *class_word(size_t number)
{
    return number < CLASS_COUNT ? class_name((enum data_class)number) : NULL;
}

static const char *verdict_word(size_t number)
{
    return number < VERDICT_COUNT ? verdict_name((enum verdict)number) : NULL;
}

static const char *format_word(size_t number)
{
    static const char *const words[] = {"text", "json"};

    return number < COUNT(words) ? words[number] : NULL;
}

static const struct option_rule options[] = {
    {"run", "RUN", "only of this run"},
    {"agent", "GLOB", "only of agents whose principal (role@repository#run) matches"},
    {"path", "GLOB", "only about paths, old or new, that match; * goes through /"},
    {"type", "GLOB", "only of these types: file.read, model.*; see --types"},
    {"class", "CLASS", "only about this data class: phi pan secret pii opaque code"},
    {"verdict", "VERDICT", "only with this verdict: allow redact deny"},
    {"outcome", "WORD", "only with this outcome: intended ok refused failed ..."},
    {"change", "CHANGE", "only about this change"},
    {"person", "ID", "only where this person decided, agreed, or is responsible"},
    {"since", "TIME", "only since: 2026-11-24, 2026-11-24T08:30:00Z, or 90s 15m 2h 7d ago"},
    {"until", "TIME", "only before"},
    {"limit", "N", "only the last N"},
    {"follow", NULL, "go on printing what comes, until nobody reads it"},
    {"archive", "DIR", "where older records lie; else where `custody archive` put them"},
    {"format", "FORMAT", "text, or json: one record a line"},
    {"types", NULL, "print the types of records and their fields instead"},
    {"reindex", NULL, "make the index anew first"},
    {"no-index", NULL, "read every record, and leave the index alone"},
    {0},
};

static const struct option_words words[] = {
    {"type", type_word},     {"class", class_word}, {"verdict", verdict_word},
    {"format", format_word}, {NULL, NULL},
};

static const struct filter_rule {
    const char *option;
    unsigned fields[HISTORY_FIELDS_MAX];
    unsigned field_count;
    bool is_glob;
} filter_rules[] = {
    {"run", {RECORD_RUN}, 1, false},
    {"agent", {RECORD_AGENT}, 1, true},
    {"path", {RECORD_PATH, RECORD_PATH_TO}, 2, true},
    {"type", {HISTORY_TYPE}, 1, true},
    {"class", {RECORD_CLASS}, 1, false},
    {"verdict", {RECORD_VERDICT}, 1, false},
    {"outcome", {RECORD_OUTCOME}, 1, false},
    {"change", {RECORD_CHANGE}, 1, false},
    {"person", {RECORD_PERSON, RECORD_SECOND, RECORD_ON_BEHALF_OF}, 3, false},
};

struct printing {
    const struct invocation *invocation;
    bool json;
    struct history_question question;
    uint64_t shown;
    struct history_telling telling;
    bool is_partial; /* some records should have been read and could not */
};

static bool parse_limit(const char *text, uint64_t *ret_limit, struct fault *fault)
{
    char *end;
    long limit;

    errno = 0;
    limit = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != 0 || limit < 1 || limit > LIMIT_MAX)
        return fault_set(fault, FAULT_INVALID, "--limit %s: a number from 1 to %d", text,
                         LIMIT_MAX);
    *ret_limit = (uint64_t)limit;
    return true;
}

static bool type_is_known(const char *pattern)
{
    const char *name;

    for (size_t i = 0; (name = type_word(i)) != NULL; i++)
        if (fnmatch(pattern, name, 0) == 0)
            return true;
    return false;
}

static bool is_word(const char *text, const char *(*word)(size_t number))
{
    const char *known;

    for (size_t i = 0; (known = word(i)) != NULL; i++)
        if (strcmp(known, text) == 0)
            return true;
    return false;
}

/* A word that no record can have would print nothing and look like an answer. */
static bool check_words(const struct invocation *invocation, struct fault *fault)
{
    const char *class = invocation_option(invocation, "class");
    const char *verdict = invocation_option(invocation, "verdict");
    const char *format = invocation_option(invocation, "format");
    const char *type = invocation_option(invocation, "type");

    if (class != NULL && !is_word(class, class_word))
        return fault_set(fault, FAULT_INVALID,
                         "--class %s: one of phi pan secret pii opaque code", class);
    if (verdict != NULL && !is_word(verdict, verdict_word))
        return fault_set(fault, FAULT_INVALID, "--verdict %s: one of allow redact deny",
                         verdict);
    if (format != NULL && !is_word(format, format_word))
        return fault_set(fault, FAULT_INVALID, "--format %s: json or text", format);
    if (type != NULL && !type_is_known(type))
        return fault_set(fault, FAULT_INVALID,
                         "--type %s: there is no such type of record, see --types", type);
    if (invocation_flag(invocation, "reindex") && invocation_flag(invocation, "no-index"))
        return fault_set(fault, FAULT_INVALID, "--reindex and --no-index: one of them");
    if (invocation_flag(invocation, "follow") &&
        invocation_option(invocation, "until") != NULL)
        return fault_set(fault, FAULT_INVALID,
                         "--follow and --until: one of them, as following has no end");
    return true;
}

static bool read_options(const struct invocation *invocation, struct printing *ret_printing,
                         struct fault *fault)
{
    const char *since = invocation_option(invocation, "since");
    const char *until = invocation_option(invocation, "until");
    const char *limit = invocation_option(invocation, "limit");
    const char *format = invocation_option(invocation, "format");
    struct printing printing = {
        .invocation = invocation,
        .json = invocation->json || (format != NULL && strcmp(format, "json") == 0),
        .question = {.since_us = INT64_MIN, .until_us = INT64_MAX},
        .telling = {.verb = "log"},
    };
    struct history_question *question = &printing.question;

    for (size_t i = 0; i < COUNT(filter_rules); i++) {
        const struct filter_rule *rule = &filter_rules[i];
        const char *pattern = invocation_option(invocation, rule->option);
        struct history_filter *filter = &question->filters[question->filter_count];

        if (pattern == NULL)
            continue;
        memcpy(filter->fields, rule->fields, sizeof(filter->fields));
        filter->field_count = rule->field_count;
        filter->pattern = pattern;
        filter->is_glob = rule->is_glob;
        question->filter_count++;
    }
    if ((since != NULL && !command_time("since", since, &question->since_us, fault)) ||
        (until != NULL && !command_time("until", until, &question->until_us, fault)) ||
        (limit != NULL && !parse_limit(limit, &question->last, fault)) ||
        !check_words(invocation, fault))
        return false;
    *ret_printing = printing;
    return true;
}

static bool print_record(void *self, const struct history_record *record, struct fault *fault)
{
    struct printing *printing = self;

    printing->shown++;
    return printing->json ? log_print_json(record, stdout, fault)
                          : log_print_text(record, stdout, fault);
}

/* False: nobody reads any more. */
static bool wait_for_more(void)
{
    struct pollfd reader = {.fd = STDOUT_FILENO};

    if (fflush(stdout) != 0)
        return false;
    return poll(&reader, 1, FOLLOW_PAUSE_MS) <= 0 ||
           (reader.revents & (POLLERR | POLLHUP | POLLNVAL)) == 0;
}

static bool print_log(struct printing *printing, const struct home *home, struct fault *fault)
{
    const struct history_options how = {
        .lag = HISTORY_LAG,
        .is_rebuilt = invocation_flag(printing->invocation, "reindex"),
        .is_plain = invocation_flag(printing->invocation, "no-index"),
        .archive = invocation_option(printing->invocation, "archive"),
        .tell = history_tell,
        .progress = history_show_progress,
        .self = &printing->telling,
    };
    struct history *history;
    struct fault unread = {0};
    bool ok;

    if (!history_open(home, &how, &history, fault))
        return false;
    ok = history_each(history, &printing->question, print_record, printing, fault);
    if (ok && !history_all_read(history, &unread)) {
        (void)fflush(stdout);
        history_tell(&printing->telling, unread.why);
        printing->is_partial = true;
    }
    while (ok && invocation_flag(printing->invocation, "follow") && wait_for_more())
        ok = history_more(history, &printing->question, print_record, printing, fault);
    history_close(history);
    return ok;
}

static int print_types(const struct invocation *invocation)
{
    if (invocation->json)
        log_types_json();
    else
        log_types_text(stdout);
    return EXIT_YES;
}

static int run(const struct invocation *invocation)
{
    struct printing printing;
    struct fault fault = {0};
    struct home home;
    bool ok;

    if (invocation_flag(invocation, "types"))
        return print_types(invocation);
    if (!read_options(invocation, &printing, &fault) || !home_open(false, &home, &fault))
        return command_fail(invocation, &fault);
    ok = print_log(&printing, &home, &fault);
    if (ok && !printing.json && printing.shown == 0)
        (void)fputs("no records\n", stderr);
    home_close(&home);
    if (!ok)
        return command_fail(invocation, &fault);
    return printing.is_partial ? EXIT_INCOMPLETE : EXIT_YES;
}

const struct command command_log = {
    .name = "log",
    .arguments = "",
    .prints_json = true,
    .summary = "Shows what happened: the ledger's records",
    .text =
        "Oldest first, over all shards. With --json (or --format json) one record a line: "
        "index, shard,\n"
        "time, type, run, agent, on_behalf_of, object, process, class, verdict, rule, policy, "
        "outcome and\n"
        "counts. It reads; `custody verify` says whether what it reads is what was written.\n"
        "Where there are more than some thousand records, an index ($CUSTODY_HOME/log.db) is "
        "made and kept:\n"
        "it says where not to look. It may be deleted at any time. What is printed comes from "
        "the ledger, but\n"
        "an index that somebody has falsified could hide records: --no-index reads them all, "
        "--reindex makes it anew.",
    .options = options,
    .words = words,
    .run = run,
};
