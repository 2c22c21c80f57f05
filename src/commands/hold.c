/* hold place, release, list: what nobody may expire, erase or clear away. */
#include <fcntl.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/scope.h"
#include "change/hold_release.h"
#include "change/sshsig.h"
#include "commands/change.h"
#include "commands/table.h"
#include "os/clock_real.h"
#include "os/file.h"
#include "roles/records/holds.h"
#include "roles/session.h"
#include "wire/jcs.h"

#define FOREVER JCS_NUMBER_MAX /* the end of a hold that goes on */
#define FOLDER "holds"         /* signed releases, below the state folder */

/* What the verbs share. */
struct holding {
    const struct invocation *invocation;
    struct session session;
    struct policy *policy;
    struct ledger_client *ledger;
    const struct policy_person *person;
};

static bool find_person(struct holding *holding, struct fault *fault)
{
    const char *who = invocation_option(holding->invocation, "as");

    for (size_t i = 0; i < holding->policy->people_count; i++)
        if (strcmp(holding->policy->people[i].id, who) == 0) {
            holding->person = &holding->policy->people[i];
            return true;
        }
    return fault_set(
        fault, FAULT_INVALID,
        "%.80s is not in the policy's people: `people` in policy.yaml names who is", who);
}

static bool open_holding(struct holding *holding, struct fault *fault)
{
    const struct policy_settings *organisation;

    return session_open(&holding->session, fault) &&
           session_organisation(&holding->session, &organisation, fault) &&
           policy_build(organisation, NULL, &holding->policy, fault) &&
           find_person(holding, fault) &&
           session_ledger(&holding->session, &holding->ledger, fault);
}

static void close_holding(struct holding *holding)
{
    policy_free(holding->policy);
    session_close(&holding->session);
}

static bool put(struct holding *holding, const struct record *record, struct fault *fault)
{
    return ledger_record_durably(holding->ledger, record, NULL, fault) &&
           ledger_checkpoint(holding->ledger, fault);
}

static const struct option_rule place_options[] = {
    {"as", "PERSON", "who places it: an id of the policy's people"},
    {"reason", "WORD", "why, a word for the record: litigation, investigation, ..."},
    {"run", "RUN", "what belongs to this run"},
    {"scope", "SCOPE", "what belongs to this erasure scope"},
    {"from", "TIME", "all records since: 2026-11-24, 2026-11-24T08:30:00Z, or 7d ago"},
    {"to", "TIME", "with --from: and before; else without an end"},
    {"all", NULL, "everything"},
    {0},
};

static bool check_place_words(const struct invocation *invocation, struct fault *fault)
{
    static const char *const about[] = {"run", "scope", "from", "all"};
    size_t count = 0;

    for (size_t i = 0; i < COUNT(about); i++)
        count += invocation_option(invocation, about[i]) != NULL;
    if (count != 1 || (invocation_option(invocation, "to") != NULL &&
                       invocation_option(invocation, "from") == NULL))
        return fault_set(fault, FAULT_INVALID,
                         "say what is held: one of --run RUN, --scope SCOPE, --from TIME "
                         "[--to TIME], --all");
    return command_word("reason", invocation_option(invocation, "reason"), fault);
}

static bool add_time(const struct invocation *invocation, struct record *record,
                     struct fault *fault)
{
    const char *from = invocation_option(invocation, "from");
    const char *to = invocation_option(invocation, "to");
    int64_t from_us, end_us = FOREVER;

    if (from == NULL)
        return true;
    if (!command_time("from", from, &from_us, fault) ||
        (to != NULL && !command_time("to", to, &end_us, fault)))
        return false;
    if (from_us < 0 || end_us <= from_us)
        return fault_set(fault, FAULT_INVALID, "--to %s is not behind --from %s", to, from);
    record_number(record, RECORD_FIRST, from_us);
    record_number(record, RECORD_END, end_us);
    return true;
}

/* A typing error in a hold shows when it is too late. */
static bool warn_of_unknown(const struct holding *holding, struct fault *fault)
{
    const char *run = invocation_option(holding->invocation, "run");
    const char *scope = invocation_option(holding->invocation, "scope");
    const char *name = run == NULL ? scope : run;
    bool is_known;

    if (name == NULL)
        return true;
    if (!holds_name_is_known(holding->session.home.fd, name, &is_known, fault))
        return false;
    if (!is_known)
        (void)fprintf(stderr, "custody hold place: warning: no record is about %s yet\n",
                      name);
    return true;
}

static bool place(struct holding *holding, char ret_id[STORE_ID_BYTES], struct fault *fault)
{
    const struct invocation *invocation = holding->invocation;
    struct record record;
    uint8_t random[2];

    if (RAND_bytes(random, sizeof(random)) != 1)
        return fault_set(fault, FAULT_IO, "no randomness");
    store_id('h', clock_now_us(&clock_real), random, ret_id);
    record_begin(&record, RECORD_HOLD_PLACED);
    record_word(&record, RECORD_HOLD, ret_id);
    record_word(&record, RECORD_PERSON, holding->person->id);
    record_word(&record, RECORD_REASON, invocation_option(invocation, "reason"));
    record_word(&record, RECORD_RUN, invocation_option(invocation, "run"));
    record_word(&record, RECORD_SCOPE, invocation_option(invocation, "scope"));
    return add_time(invocation, &record, fault) && put(holding, &record, fault) &&
           warn_of_unknown(holding, fault);
}

static int run_place(const struct invocation *invocation)
{
    struct holding holding = {.invocation = invocation, .session.home.fd = -1};
    char id[STORE_ID_BYTES];
    struct fault fault = {0};
    bool ok = check_place_words(invocation, &fault) && open_holding(&holding, &fault) &&
              place(&holding, id, &fault);

    close_holding(&holding);
    if (!ok)
        return command_fail(invocation, &fault);
    if (invocation->json)
        command_print_json(json_pack("{s:s}", "hold", id));
    else
        (void)printf("legal hold %s is placed\n", id);
    return EXIT_YES;
}

const struct command command_hold_place = {
    .name = "hold place",
    .arguments = "",
    .prints_json = true,
    .summary = "Places a legal hold: nothing of it may be expired, erased or cleared away",
    .text = "A record says so, and that record is what counts. It needs no signature: to keep "
            "what is there\n"
            "does no harm, and may be urgent. `custody archive --expire`, `custody erase` and "
            "`custody runs gc`\n"
            "ask before they remove anything; moving records to an archive is no removal.",
    .options = place_options,
    .needs = "as reason",
    .run = run_place,
};

static const struct option_rule release_options[] = {
    {"as", "PERSON", "who releases it: an id of the policy's people"},
    {"key", "FILE", "the person's private SSH key"},
    {"reason", "WORD", "why, a word for the record: settled, closed, ..."},
    {0},
};

/* Statement and signature, for whoever wants to check it with ssh-keygen. */
static bool keep(const struct holding *holding, const char *id, struct slice statement,
                 struct slice signature, struct fault *fault)
{
    AUTO_FREE char *name = xformat("%s.json", id);
    AUTO_FREE char *signature_name = xformat("%s.json.sig", id);
    AUTO_CLOSE int folder = -1;

    return file_open_folder(holding->session.home.fd, FOLDER, 0755, &folder, fault) &&
           file_replace_durably(folder, name, statement, 0644, fault) &&
           file_replace_durably(folder, signature_name, signature, 0644, fault);
}

static bool release(struct holding *holding, const char *id, struct fault *fault)
{
    const struct invocation *invocation = holding->invocation;
    const struct policy_person *person = holding->person;
    const struct approval_person signer = person_who_signs(person);
    char time[CLOCK_TEXT_BYTES];
    const struct hold_release says = {.hold = id,
                                      .person = person->id,
                                      .policy = holding->policy->digest,
                                      .reason = invocation_option(invocation, "reason"),
                                      .time = time};
    AUTO_BUF struct buf statement = buf_with_limit(HOLD_RELEASE_BYTES_MAX);
    AUTO_BUF struct buf signature = buf_with_limit(SSHSIG_BYTES_MAX);
    struct record record;
    struct holds holds;
    char digest[65];
    bool stands;

    if (!holds_read(holding->session.home.fd, &holds, fault))
        return false;
    stands = holds_find(&holds, id) != NULL;
    holds_free(&holds);
    if (!stands)
        return fault_set(fault, FAULT_MISSING, "no hold %.80s stands: see `custody hold list`",
                         id);
    clock_text(clock_now_us(&clock_real), time);
    if (!hold_release_encode(&says, &statement, fault) ||
        !sshsig_sign_as(HOLD_RELEASE_NAMESPACE, &signer, invocation_option(invocation, "key"),
                        buf_slice(&statement), &signature, fault) ||
        !keep(holding, id, buf_slice(&statement), buf_slice(&signature), fault))
        return false;
    approval_digest(buf_slice(&statement), digest);
    record_begin(&record, RECORD_HOLD_RELEASED);
    record_word(&record, RECORD_HOLD, id);
    record_word(&record, RECORD_PERSON, person->id);
    record_word(&record, RECORD_REASON, invocation_option(invocation, "reason"));
    record_word(&record, RECORD_DIGEST, digest);
    return put(holding, &record, fault);
}

static int run_release(const struct invocation *invocation)
{
    struct holding holding = {.invocation = invocation, .session.home.fd = -1};
    const char *id = invocation->arguments[0];
    struct fault fault = {0};
    bool ok = command_word("reason", invocation_option(invocation, "reason"), &fault) &&
              open_holding(&holding, &fault) && release(&holding, id, &fault);

    close_holding(&holding);
    if (!ok)
        return command_fail(invocation, &fault);
    if (invocation->json)
        command_print_json(json_pack("{s:s}", "released", id));
    else
        (void)printf("legal hold %s is released\n", id);
    return EXIT_YES;
}

const struct command command_hold_release = {
    .name = "hold release",
    .arguments = "ID",
    .arguments_min = 1,
    .arguments_max = 1,
    .prints_json = true,
    .summary = "Ends a legal hold; the person signs that",
    .text = "What a hold kept can be gone for ever a moment later, so the person signs a "
            "statement that names\n"
            "the hold (SSHSIG, namespace custody-hold). Statement and signature are kept in "
            "holds/, the\n"
            "record has the statement's digest.",
    .options = release_options,
    .needs = "as key reason",
    .run = run_release,
};

static json_t *time_json(int64_t t_us)
{
    char text[CLOCK_TEXT_BYTES];

    if (t_us == 0 || t_us == FOREVER)
        return json_null();
    clock_text(t_us, text);
    return json_string(text);
}

static json_t *hold_json(const struct hold *hold)
{
    return json_pack("{s:s,s:s,s:s,s:s?,s:s?,s:o,s:o,s:o,s:o,s:s?}", "hold", hold->id,
                     "person", hold->person, "reason", hold->reason, "run", hold->run, "scope",
                     hold->scope, "from", time_json(hold->from_us), "to",
                     time_json(hold->end_us), "placed", time_json(hold->placed_us), "released",
                     time_json(hold->released_us), "released_by", hold->released_by);
}

static void print_hold(const struct hold *hold)
{
    char placed[CLOCK_TEXT_BYTES], from[CLOCK_TEXT_BYTES], to[CLOCK_TEXT_BYTES] = "";
    AUTO_FREE char *about = NULL;

    clock_text(hold->placed_us, placed);
    clock_text(hold->from_us, from);
    if (hold->end_us != FOREVER)
        clock_text(hold->end_us, to);
    about = hold->run != NULL     ? xformat("run %s", hold->run)
            : hold->scope != NULL ? xformat("scope %s", hold->scope)
            : hold->end_us == 0   ? xstrdup("everything")
                                  : xformat("records from %s to %s", from, to);
    (void)printf("%-24s %.19sZ  %-12s %-16s %s%s%s\n", hold->id, placed, hold->person,
                 hold->reason, about, hold->released_by == NULL ? "" : "; released by ",
                 hold->released_by == NULL ? "" : hold->released_by);
}

static int run_list(const struct invocation *invocation)
{
    json_t *rows = invocation->json ? json_array() : NULL;
    struct session session;
    struct holds holds = {.at = NULL};
    struct fault fault = {0};
    bool ok;

    if (!session_open(&session, &fault)) {
        json_decref(rows);
        return command_fail(invocation, &fault);
    }
    ok = holds_read(session.home.fd, &holds, &fault);
    session_close(&session);
    for (size_t i = 0; ok && i < holds.count; i++) {
        if (rows != NULL)
            (void)json_array_append_new(rows, hold_json(&holds.at[i]));
        else
            print_hold(&holds.at[i]);
    }
    if (ok && rows != NULL)
        command_print_json(rows);
    else if (ok && holds.count == 0)
        (void)puts("no hold was ever placed");
    if (!ok)
        json_decref(rows);
    holds_free(&holds);
    return ok ? EXIT_YES : command_fail(invocation, &fault);
}

const struct command command_hold_list = {
    .name = "hold list",
    .arguments = "",
    .prints_json = true,
    .summary = "Lists legal holds, also those that were released",
    .text = "Computed from the ledger's records each time, also from archived ones.",
    .run = run_list,
};
