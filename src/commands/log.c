/* custody log - what happened, record by record. */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/scope.h"
#include "commands/table.h"
#include "flow/home.h"
#include "ledger/reader.h"
#include "os/clock_real.h"
#include "roles/published.h"
#include "wire/record.h"

#define FOLLOW_PAUSE_MS 250
#define LIMIT_MAX 1000000

static const struct option_rule options[] = {
    {"run", "RUN", "only of this run"},
    {"agent", "GLOB", "only of agents whose principal (role@repository#run) matches"},
    {"path", "GLOB", "only about paths that match; * goes through /"},
    {"type", "GLOB", "only of these types: file.read, model.*"},
    {"class", "CLASS", "only about this data class: phi pan secret pii opaque code"},
    {"verdict", "VERDICT", "only with this verdict: allow redact deny"},
    {"since", "TIME", "only since: 2026-11-24, 2026-11-24T08:30:00Z, or 90s 15m 2h 7d ago"},
    {"limit", "N", "only the last N"},
    {"follow", NULL, "go on printing what comes"},
    {"format", "FORMAT", "text, or json: one record a line"},
    {0},
};

/* A text field that must match. */
struct filter {
    enum record_field field;
    const char *pattern; /* NULL: any */
    bool is_glob;
};

struct printing {
    bool json;
    int64_t since_us;
    const char *type;
    struct filter filters[5];
    struct buf arena;
    char **last; /* a ring of lines, with --limit */
    size_t limit, last_count;
    bool goes_on; /* --limit's lines are out: print what comes */
    uint64_t shown;
};

static bool parse_limit(const char *text, size_t *ret_limit, struct fault *fault)
{
    char *end;
    long limit;

    errno = 0;
    limit = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != 0 || limit < 1 || limit > LIMIT_MAX)
        return fault_set(fault, FAULT_INVALID, "--limit %s: a number from 1 to %d", text,
                         LIMIT_MAX);
    *ret_limit = (size_t)limit;
    return true;
}

static bool type_is_known(const char *pattern)
{
    for (unsigned i = 0; i < RECORD_TYPE_COUNT; i++)
        if (fnmatch(pattern, record_type_name((enum record_type)i), 0) == 0)
            return true;
    return false;
}

/* A word that no record can have would print nothing and look like an answer. */
static bool check_words(const struct invocation *invocation, const struct printing *printing,
                        struct fault *fault)
{
    const char *class = invocation_option(invocation, "class");
    const char *verdict = invocation_option(invocation, "verdict");
    const char *format = invocation_option(invocation, "format");
    enum data_class class_value;
    enum verdict verdict_value;

    if (class != NULL && !class_parse(slice_of(class), &class_value))
        return fault_set(fault, FAULT_INVALID,
                         "--class %s: one of phi pan secret pii opaque code", class);
    if (verdict != NULL && !verdict_parse(slice_of(verdict), &verdict_value))
        return fault_set(fault, FAULT_INVALID, "--verdict %s: one of allow redact deny",
                         verdict);
    if (format != NULL && strcmp(format, "json") != 0 && strcmp(format, "text") != 0)
        return fault_set(fault, FAULT_INVALID, "--format %s: json or text", format);
    if (printing->type != NULL && !type_is_known(printing->type))
        return fault_set(fault, FAULT_INVALID, "--type %s: there is no such type of record",
                         printing->type);
    return true;
}

static bool read_options(const struct invocation *invocation, struct printing *ret_printing,
                         struct fault *fault)
{
    const char *since = invocation_option(invocation, "since");
    const char *limit = invocation_option(invocation, "limit");
    const char *format = invocation_option(invocation, "format");
    struct printing printing = {
        .json = invocation->json || (format != NULL && strcmp(format, "json") == 0),
        .since_us = INT64_MIN,
        .type = invocation_option(invocation, "type"),
        .filters = {{RECORD_RUN, invocation_option(invocation, "run"), false},
                    {RECORD_AGENT, invocation_option(invocation, "agent"), true},
                    {RECORD_PATH, invocation_option(invocation, "path"), true},
                    {RECORD_CLASS, invocation_option(invocation, "class"), false},
                    {RECORD_VERDICT, invocation_option(invocation, "verdict"), false}},
        .arena = buf_with_limit(RECORD_BYTES_MAX + 1),
    };

    if ((since != NULL && !command_time("since", since, &printing.since_us, fault)) ||
        (limit != NULL && !parse_limit(limit, &printing.limit, fault)) ||
        !check_words(invocation, &printing, fault))
        return false;
    if (printing.limit > 0)
        printing.last = xalloc_array(printing.limit, sizeof(char *));
    *ret_printing = printing;
    return true;
}

static bool matches(const struct printing *printing, const struct record *record,
                    const struct record_header *header)
{
    if (header->t_us < printing->since_us ||
        (printing->type != NULL &&
         fnmatch(printing->type, record_type_name(record->type), 0) != 0))
        return false;
    for (size_t i = 0; i < COUNT(printing->filters); i++) {
        const struct filter *filter = &printing->filters[i];
        const struct record_value *value = &record->field[filter->field];

        if (filter->pattern == NULL)
            continue;
        if (!value->set)
            return false;
        if (filter->is_glob) {
            AUTO_FREE char *text = slice_dup(value->text);

            if (fnmatch(filter->pattern, text, 0) != 0)
                return false;
        } else if (!slice_equal(value->text, slice_of(filter->pattern))) {
            return false;
        }
    }
    return true;
}

/* The record as it is in the ledger, but for what only a verifier needs; index and time in
 * front. */
static char *json_line(uint64_t index, struct slice leaf, const struct record_header *header)
{
    static const char *const left_out[] = {"v", "salt", "prev", "t_us"};
    char when[CLOCK_TEXT_BYTES];
    json_t *record = json_loadb((const char *)leaf.at, leaf.len, JSON_REJECT_DUPLICATES, NULL);
    json_t *line;
    char *text;

    clock_text(header->t_us, when);
    for (size_t i = 0; i < COUNT(left_out); i++)
        (void)json_object_del(record, left_out[i]);
    line = json_pack("{s:I,s:s,s:o}", "index", (json_int_t)index, "time", when, "type",
                     json_incref(json_object_get(record, "type")));
    (void)json_object_update(line, record);
    text = json_dumps(line, JSON_COMPACT);
    json_decref(line);
    json_decref(record);
    if (text == NULL)
        abort();
    return text;
}

/* What a record is about, in the order in which people ask. */
static const enum record_field about[] = {RECORD_PATH,   RECORD_PATH_TO, RECORD_EXECUTABLE,
                                          RECORD_MODEL,  RECORD_HOST,    RECORD_CHANGE,
                                          RECORD_PERSON, RECORD_BRANCH};
static const enum record_field said[] = {RECORD_OPERATION, RECORD_CLASS,  RECORD_VERDICT,
                                         RECORD_RULE,      RECORD_REASON, RECORD_OUTCOME};
static const enum record_field counted[] = {RECORD_TOKENS_IN, RECORD_TOKENS_OUT,
                                            RECORD_TOKENS_CACHED, RECORD_COST_MICRO_USD};

static void add_words(struct buf *line, const struct record *record,
                      const enum record_field *fields, size_t count)
{
    struct fault ignored = {0};

    for (size_t i = 0; i < count; i++)
        if (record->field[fields[i]].set &&
            !buf_add_format(line, &ignored, " %.*s",
                            SLICE_ARGS(record->field[fields[i]].text)))
            return;
}

static void add_counts(struct buf *line, const struct record *record)
{
    struct fault ignored = {0};

    for (size_t i = 0; i < COUNT(counted); i++)
        if (record->field[counted[i]].set &&
            !buf_add_format(line, &ignored, " %s %lld", record_field_name(counted[i]),
                            (long long)record->field[counted[i]].number))
            return;
}

static char *text_line(uint64_t index, const struct record *record,
                       const struct record_header *header)
{
    AUTO_BUF struct buf line = buf_with_limit(RECORD_BYTES_MAX);
    struct slice who = record->field[RECORD_AGENT].set ? record->field[RECORD_AGENT].text
                       : record->field[RECORD_RUN].set ? record->field[RECORD_RUN].text
                                                       : header->src;
    char when[CLOCK_TEXT_BYTES];
    struct fault ignored = {0};

    clock_text(header->t_us, when);
    if (buf_add_format(&line, &ignored, "%7llu  %.10s %.8s  %-15s  %-28.*s ",
                       (unsigned long long)index, when, when + 11,
                       record_type_name(record->type), SLICE_ARGS(who))) {
        add_words(&line, record, about, COUNT(about));
        add_words(&line, record, said, COUNT(said));
        add_counts(&line, record);
    }
    return xstrdup(buf_text(&line));
}

/* Prints, or keeps for --limit. Takes `line`. */
static bool put_line(struct printing *printing, char *line, struct fault *fault)
{
    char **place;

    printing->shown++;
    if (printing->limit == 0 || printing->goes_on) {
        bool ok = puts(line) >= 0;

        free(line);
        return ok ? true : fault_errno(fault, "print");
    }
    place = &printing->last[printing->last_count++ % printing->limit];
    free(*place);
    *place = line;
    return true;
}

static bool on_leaf(void *self, uint64_t index, struct slice leaf, struct fault *fault)
{
    struct printing *printing = self;
    struct record_header header;
    struct record record;

    if (!record_decode(leaf, &record, &header, &printing->arena, fault))
        return fault_in(fault, "record %llu (see `custody verify`)",
                        (unsigned long long)index);
    if (!matches(printing, &record, &header))
        return true;
    return put_line(printing,
                    printing->json ? json_line(index, leaf, &header)
                                   : text_line(index, &record, &header),
                    fault);
}

static bool put_last(struct printing *printing, struct fault *fault)
{
    size_t limit = printing->limit;
    size_t first = printing->last_count > limit ? printing->last_count - limit : 0;

    printing->goes_on = true;
    for (size_t i = first; i < printing->last_count; i++) {
        char *line = printing->last[i % limit];

        printing->last[i % limit] = NULL;
        if (!put_line(printing, line, fault))
            return false;
    }
    return true;
}

static bool print_log(const struct invocation *invocation, const struct home *home, int folder,
                      struct printing *printing, struct fault *fault)
{
    const struct timespec pause = {.tv_nsec = FOLLOW_PAUSE_MS * 1000000L};
    struct reader_options reading = {.with_unsealed = !ledger_is_published(home->fd)};

    if (!reader_each(folder, &reading, on_leaf, printing, &reading.from, fault) ||
        (printing->limit > 0 && !put_last(printing, fault)))
        return false;
    reading.with_unsealed = false;
    while (invocation_flag(invocation, "follow")) {
        if (fflush(stdout) != 0)
            return true; /* nobody reads any more */
        (void)nanosleep(&pause, NULL);
        if (!reader_each(folder, &reading, on_leaf, printing, &reading.from, fault))
            return false;
    }
    return true;
}

static void printing_free(struct printing *printing)
{
    for (size_t i = 0; i < printing->limit; i++)
        free(printing->last[i]);
    free(printing->last);
    buf_free(&printing->arena);
}

static int run(const struct invocation *invocation)
{
    struct printing printing;
    struct fault fault = {0};
    AUTO_CLOSE int folder = -1;
    struct home home;
    bool ok;

    if (!read_options(invocation, &printing, &fault))
        return command_fail(invocation, &fault);
    if (!home_open(false, &home, &fault)) {
        printing_free(&printing);
        return command_fail(invocation, &fault);
    }
    folder = openat(home.fd, "ledger", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ok = folder >= 0 ? print_log(invocation, &home, folder, &printing, &fault)
                     : fault_errno(&fault, "open %s/ledger", home.path);
    if (ok && !printing.json && printing.shown == 0)
        (void)fputs("no records\n", stderr);
    printing_free(&printing);
    home_close(&home);
    return ok ? EXIT_YES : command_fail(invocation, &fault);
}

const struct command command_log = {
    .name = "log",
    .arguments = "",
    .prints_json = true,
    .summary = "Shows what happened: the ledger's records",
    .text = "Oldest first. With --json (or --format json) one record a line: index, time, "
            "type, run,\n"
            "agent, on_behalf_of, object, process, class, verdict, rule, policy, outcome and "
            "counts.\n"
            "It reads; `custody verify` says whether what it reads is what was written.",
    .options = options,
    .run = run,
};
