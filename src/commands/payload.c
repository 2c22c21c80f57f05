/* custody payload - tickets, prompts, answers, diffs and outputs that records name and do not
 * hold. */
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/scope.h"
#include "base/utf8.h"
#include "commands/payload_redact.h"
#include "commands/table.h"
#include "flow/home.h"
#include "os/file.h"
#include "roles/keys/sealed.h"
#include "roles/scanning/rules.h"
#include "wire/terminal.h"

#define DIGEST_START_MIN 6

static const struct option_rule list_options[] = {
    {"run", "RUN", "only of this run"},
    {0},
};

struct listing {
    int home;
    const char *run; /* NULL: all */
    json_t *rows;    /* NULL: text */
    size_t count;
};

static bool is_sealed(const struct record *record, const char *run)
{
    return commitment_field(record->type) != NULL && record->field[RECORD_COMMITMENT].set &&
           record->field[RECORD_SCOPE].set &&
           (run == NULL || slice_equal(record->field[RECORD_RUN].text, slice_of(run)));
}

static bool list_one(void *self, const struct history_record *sealed, struct fault *fault)
{
    struct listing *listing = self;
    const struct record *record = sealed->record;
    struct slice payload =
        record->field[RECORD_PAYLOAD].set ? record->field[RECORD_PAYLOAD].text : SLICE("");
    struct slice run = record->field[RECORD_RUN].text;
    const char *state, *field = commitment_field(record->type);
    char when[CLOCK_TEXT_BYTES];

    (void)fault;
    if (!is_sealed(record, listing->run))
        return true;
    listing->count++;
    state = sealed_state_name(sealed_state_of(listing->home, record));
    clock_text(sealed->header->t_us, when);
    if (listing->rows != NULL)
        return json_array_append_new(listing->rows,
                                     json_pack("{s:I,s:I,s:s,s:s%,s:s,s:s%,s:s}", "shard",
                                               (json_int_t)sealed->shard, "index",
                                               (json_int_t)sealed->index, "time", when, "run",
                                               run.at, run.len, "kind", field, "payload",
                                               payload.at, payload.len, "state", state)) == 0;
    (void)printf("%7llu  %.19sZ  %-24.*s  %-7s  %-9s  %.*s\n",
                 (unsigned long long)sealed->index, when, SLICE_ARGS(run), field, state,
                 SLICE_ARGS(slice_part(payload, 0, 16)));
    return true;
}

static int run_list(const struct invocation *invocation)
{
    struct listing listing = {.run = invocation_option(invocation, "run"),
                              .rows = invocation->json ? json_array() : NULL};
    struct fault fault = {0};
    struct home home;
    bool ok;

    if (!home_open(false, &home, &fault)) {
        json_decref(listing.rows);
        return command_fail(invocation, &fault);
    }
    listing.home = home.fd;
    ok = sealed_each(&home, listing.run, list_one, &listing, &fault);
    home_close(&home);
    if (!ok) {
        json_decref(listing.rows);
        return command_fail(invocation, &fault);
    }
    if (listing.rows != NULL)
        command_print_json(listing.rows);
    else if (listing.count == 0)
        (void)fputs("no payloads, and no commitments\n", stderr);
    return EXIT_YES;
}

const struct command command_payload_list = {
    .name = "payload list",
    .arguments = "",
    .prints_json = true,
    .summary = "Lists tickets, prompts, answers, diffs and outputs that records name",
    .text = "Index of the record, time, run, kind, state, and the beginning of the payload's "
            "digest. States:\n"
            "kept (`custody payload show`), committed (the policy kept none, see "
            "retention.payloads),\n"
            "erased (its key is gone), lost (the key is there, the file is not).",
    .options = list_options,
    .run = run_list,
};

/* What is looked for: a record of `run` by its index, or by how its payload's digest begins.
 */
struct search {
    const char *run, *word;
    bool is_ambiguous;
    struct buf leaf; /* empty: none was found */
};

static bool is_named(const struct history_record *sealed, const char *word)
{
    AUTO_FREE char *index = xformat("%llu", (unsigned long long)sealed->index);
    const struct record_value *payload = &sealed->record->field[RECORD_PAYLOAD];

    return strcmp(index, word) == 0 || (payload->set && strlen(word) >= DIGEST_START_MIN &&
                                        slice_starts_with(payload->text, slice_of(word)));
}

static bool find_one(void *self, const struct history_record *sealed, struct fault *fault)
{
    struct search *search = self;

    if (!is_sealed(sealed->record, search->run) || !is_named(sealed, search->word))
        return true;
    search->is_ambiguous = search->leaf.len > 0;
    return search->is_ambiguous || buf_add(&search->leaf, sealed->leaf, fault);
}

static bool find(const struct home *home, struct search *search, struct fault *fault)
{
    if (!sealed_each(home, search->run, find_one, search, fault))
        return false;
    if (search->leaf.len == 0)
        return fault_set(fault, FAULT_MISSING,
                         "run %s has no such payload: `custody payload list --run %s`",
                         search->run, search->run);
    return !search->is_ambiguous ||
           fault_set(fault, FAULT_INVALID,
                     "%s names more than one record: give the whole digest, or the index",
                     search->word);
}

static const struct option_rule show_options[] = {
    {"raw", NULL, "what an agent printed as it was, too: not redacted"},
    {0},
};

/* What agents and models said may steer a terminal. `spelled`: a file gets no control either.
 */
static bool write_out(struct slice text, bool spelled, struct fault *fault)
{
    AUTO_BUF_SECRET struct buf shown = buf_with_limit(TERMINAL_SHOWN_MAX(text.len) * 2);
    struct terminal *terminal;
    bool ok;

    if (isatty(STDOUT_FILENO) == 0 && !spelled)
        return file_write_all(STDOUT_FILENO, text, fault);
    if (isatty(STDOUT_FILENO) == 0)
        return utf8_add_visible(&shown, text, fault) &&
               file_write_all(STDOUT_FILENO, buf_slice(&shown), fault);
    terminal = terminal_new(TERMINAL_LINES);
    ok = terminal_show(terminal, text, &shown, fault) && terminal_end(terminal, &shown, fault);
    terminal_free(terminal);
    return ok && file_write_all(STDOUT_FILENO, buf_slice(&shown), fault);
}

/* What an agent printed may hold values that nobody should see. */
static bool show_output(struct scan_pool *pool, struct slice value, struct fault *fault)
{
    AUTO_BUF_SECRET struct buf redacted = buf_with_limit(2 * PAYLOAD_BYTES_MAX);

    return payload_redact(pool, value, &redacted, fault) &&
           write_out(buf_slice(&redacted), true, fault);
}

/* `pool` NULL: what an agent printed is not redacted. */
static bool show(const struct home *home, struct search *search, struct scan_pool *pool,
                 struct fault *fault)
{
    AUTO_BUF struct buf arena = buf_with_limit(RECORD_BYTES_MAX + 1);
    AUTO_BUF_SECRET struct buf value = buf_with_limit(PAYLOAD_BYTES_MAX);
    struct record_header header;
    struct record record;

    return find(home, search, fault) &&
           record_decode(buf_slice(&search->leaf), &record, &header, &arena, fault) &&
           sealed_value(home, &record, &header, &value, fault) &&
           (pool != NULL && record.type == RECORD_AGENT_OUTPUT
                ? show_output(pool, buf_slice(&value), fault)
                : write_out(buf_slice(&value), false, fault));
}

static int run_show(const struct invocation *invocation)
{
    struct search search = {.run = invocation->arguments[0],
                            .word = invocation->arguments[1],
                            .leaf = buf_with_limit(RECORD_BYTES_MAX)};
    struct scan_pool *pool = NULL;
    struct fault fault = {0};
    struct home home;
    bool ok;

    if (!home_open(false, &home, &fault))
        return command_fail(invocation, &fault);
    /* The worker is made before the key is read: it has neither key nor file. */
    ok = (invocation_flag(invocation, "raw") || (rules_prepare(&fault) && scan_pool_new(1, &pool, &fault))) &&
         show(&home, &search, pool, &fault);
    scan_pool_free(pool);
    home_close(&home);
    buf_free(&search.leaf);
    return ok ? EXIT_YES : command_fail(invocation, &fault);
}

const struct command command_payload_show = {
    .name = "payload show",
    .arguments = "RUN INDEX|DIGEST",
    .arguments_min = 2,
    .arguments_max = 2,
    .summary = "Prints one ticket, prompt, answer, diff or output as it was",
    .text =
        "Decrypts it with the run's key, and prints it only if the file has the digest, "
        "and the value is\n"
        "what the record commits to. DIGEST may be cut to its first 6 digits.\n"
        "Of what an agent printed, sensitive values are shown as [pan], [secret], ..., and "
        "control sequences\n"
        "are spelled out; --raw prints that byte for byte, too. A terminal gets text, colours "
        "and links of\n"
        "whatever is printed, and no other control sequence (docs/terminal.md).\n"
        "Exit: 0 printed, 1 erased (says when, by whom) or not what was recorded, 3 there "
        "is none.",
    .options = show_options,
    .run = run_show,
};
