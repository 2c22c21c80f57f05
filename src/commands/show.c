/* custody show - one run: the store's row, and what of the ledger everybody should see. */
#include <stdio.h>

#include "base/scope.h"
#include "cell/place.h"
#include "commands/reasons.h"
#include "commands/runs.h"
#include "commands/table.h"
#include "roles/records/history.h"
#include "roles/session.h"

struct showing {
    struct session session;
    struct store *store;
    bool json;
    json_t *glasses; /* break-glass that this run went on under */
    json_t *cell;    /* what held it, once it was proven */
    json_t *changes; /* what became of what it wrote */
    uint64_t redacted_files, redacted_values; /* that it was shown stand-ins in */
    char *redacted_path;                      /* of the last one */
    const char *run;
};

/*
 * The record of a cell names what holds it; others of that type name what the filter refuses.
 */
static bool take_cell(void *self, const struct history_record *record, struct fault *fault)
{
    struct slice mechanism = record->record->field[RECORD_MECHANISM].text;
    struct slice outcome = record->record->field[RECORD_OUTCOME].text;
    struct slice reason = record->record->field[RECORD_REASON].text;
    struct showing *showing = self;
    struct slice mode = {0};
    struct cell_mode known;

    (void)fault;
    if (!slice_cut(&mechanism, ' ', &mode) || !cell_mode_parse(mode, &known))
        return true;
    json_decref(showing->cell);
    showing->cell = json_pack(
        "{s:s, s:o, s:b, s:b}", "mode", cell_mode_name(known), "mechanism",
        json_stringn((const char *)mechanism.at, mechanism.len), "degraded",
        slice_equal(reason, SLICE("degraded")), "held", slice_equal(outcome, SLICE("ok")));
    return true;
}

static bool take_glass(void *self, const struct history_record *record, struct fault *fault)
{
    static const struct {
        const char *name;
        enum record_field field;
    } members[] = {{"person", RECORD_PERSON},
                   {"second", RECORD_SECOND},
                   {"reason", RECORD_REASON},
                   {"passed", RECORD_RULE}};
    json_t *glass = json_pack("{s:I}", "expires",
                              (json_int_t)record->record->field[RECORD_EXPIRES].number);

    (void)fault;
    for (size_t i = 0; i < COUNT(members); i++) {
        struct slice text = record->record->field[members[i].field].text;

        (void)json_object_set_new(glass, members[i].name,
                                  json_stringn((const char *)text.at, text.len));
    }
    (void)json_array_append_new(((struct showing *)self)->glasses, glass);
    return true;
}

/* The records of a file follow one another, each with a part of its receipts. */
static bool take_redacted(void *self, const struct history_record *record, struct fault *fault)
{
    const struct record_value *field = record->record->field;
    struct showing *showing = self;

    (void)fault;
    if (!field[RECORD_RECEIPTS].set ||
        (showing->redacted_path != NULL &&
         slice_equal(field[RECORD_PATH].text, slice_of(showing->redacted_path))))
        return true;
    free(showing->redacted_path);
    showing->redacted_path = slice_dup(field[RECORD_PATH].text);
    showing->redacted_files++;
    showing->redacted_values += (uint64_t)field[RECORD_COUNT].number;
    return true;
}

static void tell(void *self, const char *text)
{
    (void)self;
    (void)fprintf(stderr, "custody show: %s\n", text);
}

/* What the ledger says: the store knows nothing of it. */
static bool read_records(struct showing *showing, const char *run, struct fault *fault)
{
    const struct history_options how = {.lag = HISTORY_LAG, .tell = tell};
    const struct {
        const char *type;
        bool (*take)(void *self, const struct history_record *record, struct fault *fault);
    } wanted[] = {{"breakglass", take_glass}, {"cell.enforced", take_cell}, {"file.redacted", take_redacted}};
    struct history *history;
    bool ok = true;

    if (!history_open(&showing->session.home, &how, &history, fault))
        return false;
    for (size_t i = 0; ok && i < COUNT(wanted); i++) {
        const struct history_question question = {
            .filters = {{.fields = {RECORD_RUN}, .field_count = 1, .pattern = run},
                        {.fields = {HISTORY_TYPE},
                         .field_count = 1,
                         .pattern = wanted[i].type}},
            .filter_count = 2,
            .until_us = INT64_MAX};

        ok = history_each(history, &question, wanted[i].take, showing, fault);
    }
    history_close(history);
    return ok;
}

static void print_glasses(const struct showing *showing)
{
    size_t at;
    const json_t *glass;

    json_array_foreach(showing->glasses, at, glass)
    {
        char until[CLOCK_TEXT_BYTES];

        clock_text(json_integer_value(json_object_get(glass, "expires")) * 1000000, until);
        (void)printf("break-glass  %s and %s (%s), until %s: the ledger would have refused it "
                     "(%s)\n",
                     json_string_value(json_object_get(glass, "person")),
                     json_string_value(json_object_get(glass, "second")),
                     json_string_value(json_object_get(glass, "reason")), until,
                     json_string_value(json_object_get(glass, "passed")));
    }
}

static bool take_change(void *self, const struct store_change *change, struct fault *fault)
{
    struct showing *showing = self;

    (void)fault;
    if (strcmp(change->run, showing->run) == 0)
        (void)json_array_append_new(
            showing->changes,
            json_pack("{s:s, s:s}", "change", change->id, "state", change->state));
    return true;
}

static void print_reasons(const struct store_run *run)
{
    struct slice rest = slice_of(run->reasons);
    struct slice word;

    while (slice_cut(&rest, ' ', &word) && word.len > 0) {
        AUTO_FREE char *reason = slice_dup(word);
        const char *text = reason_text(reason);

        (void)printf("because     %s%s%s\n", reason, text == NULL ? "" : ": ",
                     text == NULL ? "" : text);
    }
}

/* What a run that was refused early never came to have is left out. */
static void print_text(const char *name, const char *text)
{
    if (text[0] != 0)
        (void)printf("%-10s  %s\n", name, text);
}

static void print_run(const struct showing *showing, const struct store_run *run)
{
    char started[CLOCK_TEXT_BYTES];
    size_t at;
    const json_t *change;

    clock_text(run->started_us, started);
    print_text("run", run->id);
    print_text("state", run->state);
    print_reasons(run);
    json_array_foreach(showing->changes, at, change)(void)
        printf("change      %s, %s\n", json_string_value(json_object_get(change, "change")),
               json_string_value(json_object_get(change, "state")));
    print_text("repository", run->repository);
    print_text("base", run->base);
    print_text("branch", run->branch);
    print_text("agent", run->agent);
    print_text("requester", run->requester);
    print_text("policy", run->policy);
    (void)printf("started     %s\n", started);
    if (run->ended_us > 0)
        (void)printf("took        %.1f s\n", (double)(run->ended_us - run->started_us) / 1e6);
    (void)printf("tokens      %lld\ncost        %.4f USD\n", (long long)run->tokens,
                 (double)run->cost_micro_usd / 1e6);
}

static void print_cell(const json_t *cell)
{
    if (!json_is_object(cell))
        return;
    (void)printf("cell        %s%s (%s)%s\n", json_string_value(json_object_get(cell, "mode")),
                 json_is_true(json_object_get(cell, "degraded")) ? ", degraded" : "",
                 json_string_value(json_object_get(cell, "mechanism")),
                 json_is_true(json_object_get(cell, "held")) ? "" : ": it did not hold");
}

static bool show_run(void *self, const struct store_run *run, struct fault *fault)
{
    struct showing *showing = self;
    json_t *json;

    showing->run = run->id;
    (void)json_array_clear(showing->changes);
    showing->redacted_files = showing->redacted_values = 0;
    if (!read_records(showing, run->id, fault) ||
        !store_changes(showing->store, NULL, take_change, showing, NULL, fault))
        return false;
    if (showing->json) {
        json = run_json(run);
        (void)json_object_set(json, "breakglass", showing->glasses);
        (void)json_object_set(json, "cell", showing->cell);
        (void)json_object_set(json, "changes", showing->changes);
        (void)json_object_set_new(json, "redacted",
                                  json_pack("{s:I, s:I}", "files",
                                            (json_int_t)showing->redacted_files, "values",
                                            (json_int_t)showing->redacted_values));
        command_print_json(json);
        return true;
    }
    print_run(showing, run);
    print_cell(showing->cell);
    print_glasses(showing);
    if (showing->redacted_files > 0)
        (void)printf("stand-ins   for %llu values, in %llu files that it has read\n",
                     (unsigned long long)showing->redacted_values,
                     (unsigned long long)showing->redacted_files);
    (void)printf("\nwhat it read, sent and wrote:  custody log --run %s\n", run->id);
    return true;
}

static int run_show(const struct invocation *invocation)
{
    struct showing showing = {.json = invocation->json};
    struct fault fault = {0};
    size_t count = 0;
    bool ok;

    if (!session_open(&showing.session, &fault))
        return command_fail(invocation, &fault);
    showing.glasses = json_array();
    showing.cell = json_null();
    showing.changes = json_array();
    ok = session_store(&showing.session, &showing.store, &fault) &&
         store_runs(showing.store, invocation->arguments[0], show_run, &showing, &count,
                    &fault);
    json_decref(showing.glasses);
    json_decref(showing.cell);
    json_decref(showing.changes);
    free(showing.redacted_path);
    session_close(&showing.session);
    if (ok && count == 0)
        ok = fault_set(&fault, FAULT_MISSING, "there is no run %s (`custody runs` lists them)",
                       invocation->arguments[0]);
    return ok ? EXIT_YES : command_fail(invocation, &fault);
}

const struct command command_show = {
    .name = "show",
    .arguments = "RUN",
    .arguments_min = 1,
    .arguments_max = 1,
    .prints_json = true,
    .summary = "Shows one run",
    .text =
        "Its state and why, its change, who asked, what held the cell. RUN may be cut: what "
        "begins so is shown.",
    .run = run_show,
};
