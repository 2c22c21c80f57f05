#include "roles/records/erase.h"

#include "base/scope.h"
#include "flow/run_folder.h"
#include "ledger/scope_files.h"
#include "os/clock_real.h"
#include "os/file.h"
#include "roles/records/holds.h"
#include "roles/keys/sealed.h"

#define NOTE_LINE_BYTES_MAX 512
#define DAY_US (INT64_C(86400) * 1000000)

static bool is_alive(const struct session *session, const char *scope)
{
    AUTO_CLOSE int runs = -1;
    struct fault ignored = {0};

    return file_exists(session->home.fd, "runs") &&
           file_open_folder(session->home.fd, "runs", 0711, &runs, &ignored) &&
           run_folder_is_alive(runs, scope);
}

/* Nothing of it is here: erased before, or never was. */
static bool find_erased(const struct session *session, const char *scope,
                        struct erase_result *result, struct fault *fault)
{
    char said[SEALED_SAID_BYTES];

    if (!sealed_erasure(&session->home, scope, said, fault))
        return false;
    result->was_erased = said[0] != 0;
    return result->was_erased ||
           fault_set(fault, FAULT_MISSING,
                     "there is no scope %s (it is a run's id: `custody runs`)", scope);
}

static bool record(struct session *session, const struct erase_request *request,
                   const char *outcome, const size_t *count, uint64_t *seq,
                   struct fault *fault)
{
    struct ledger_client *ledger;
    struct record record;

    if (!session_ledger(session, &ledger, fault))
        return false;
    record_begin(&record, RECORD_ERASURE);
    record_word(&record, RECORD_RUN, request->scope);
    record_word(&record, RECORD_SCOPE, request->scope);
    record_word(&record, RECORD_PERSON, request->person);
    record_word(&record, RECORD_REASON, request->reason);
    record_word(&record, RECORD_OUTCOME, outcome);
    if (count != NULL) {
        record_number(&record, RECORD_COUNT, (int64_t)*count);
        record_number(&record, RECORD_INTENT, (int64_t)*seq);
    }
    return ledger_record_durably(ledger, &record, count == NULL ? seq : NULL, fault) ||
           fault_in(fault, "record the erasure");
}

/* The note is there, so this may be cut off anywhere and begun again. */
static bool carry_out(struct session *session, const struct erase_request *request,
                      struct erase_result *result, struct fault *fault)
{
    int home = session->home.fd;
    struct fault unsaid = {0};
    uint64_t seq = 0;

    if (!record(session, request, "intended", NULL, &seq, fault))
        return false;
    if (!scope_files_destroy(home, request->scope, &result->payloads, fault)) {
        (void)!record(session, request, "failed", &result->payloads, &seq, &unsaid);
        return false;
    }
    return record(session, request, "ok", &result->payloads, &seq, fault) &&
           scope_files_drop_note(home, request->scope, fault);
}

static bool begin(struct session *session, const struct erase_request *request,
                  struct erase_result *result, struct fault *fault)
{
    AUTO_BUF struct buf line = buf_with_limit(NOTE_LINE_BYTES_MAX);

    if (!buf_add_format(&line, fault, "%s %s\n", request->reason,
                        request->person == NULL ? "" : request->person) ||
        !scope_files_note(session->home.fd, request->scope, buf_slice(&line), fault))
        return false;
    return carry_out(session, request, result, fault) ||
           fault_in(fault, "erase scope %s (it is noted, and finished the next time)",
                    request->scope);
}

bool erase_scope(struct session *session, const struct erase_request *request,
                 struct erase_result *ret_result, struct fault *fault)
{
    *ret_result = (struct erase_result){0};
    if (!scope_name_valid(slice_of(request->scope)))
        return fault_set(fault, FAULT_INVALID, "%.80s: no name of a scope (it is a run's id)",
                         request->scope);
    if (is_alive(session, request->scope))
        return fault_set(fault, FAULT_CONFLICT,
                         "run %s is under way: `custody stop %s`, or wait for its end",
                         request->scope, request->scope);
    if (!erase_resume(session, fault))
        return false;
    if (!scope_files_remains(session->home.fd, request->scope))
        return find_erased(session, request->scope, ret_result, fault);
    return holds_allow_removal(session->home.fd, request->scope, fault) &&
           begin(session, request, ret_result, fault);
}

static bool resume_one(void *self, const char *scope, int64_t made_us, struct fault *fault)
{
    struct session *session = self;
    AUTO_BUF struct buf line = buf_with_limit(NOTE_LINE_BYTES_MAX);
    struct erase_request request = {.scope = scope};
    struct erase_result result;
    struct slice rest, reason = {0};
    AUTO_FREE char *reason_text = NULL;
    AUTO_FREE char *person = NULL;

    (void)made_us;
    if (!scope_files_read_note(session->home.fd, scope, &line, fault))
        return false;
    /* A hold that was placed since counts as long as there is something to hold. */
    if (scope_files_has_key(session->home.fd, scope) &&
        !holds_allow_removal(session->home.fd, scope, fault))
        return fault_in(fault, "finish an erasure");
    rest = slice_trim(buf_slice(&line));
    (void)slice_cut(&rest, ' ', &reason);
    request.reason = reason_text = slice_dup(reason);
    person = rest.len == 0 ? NULL : slice_dup(rest);
    request.person = person;
    return carry_out(session, &request, &result, fault);
}

bool erase_resume(struct session *session, struct fault *fault)
{
    if (!file_exists(session->home.fd, "keys/erasing"))
        return true;
    return scope_files_each(session->home.fd, SCOPE_FILES_NOTES, resume_one, session, fault);
}

struct returned {
    const struct session *session;
    char **scopes; /* each once */
    size_t count, room;
};

static bool is_listed(const struct returned *returned, const char *scope)
{
    for (size_t i = 0; i < returned->count; i++)
        if (strcmp(returned->scopes[i], scope) == 0)
            return true;
    return false;
}

static bool note_returned(void *self, const struct history_record *found, struct fault *fault)
{
    struct returned *returned = self;
    const struct record_value *named = &found->record->field[RECORD_SCOPE];
    AUTO_FREE char *scope = slice_dup(named->set ? named->text : SLICE(""));

    (void)fault;
    if (!scope_files_has_key(returned->session->home.fd, scope) || is_listed(returned, scope))
        return true;
    returned->scopes = xgrow(returned->scopes, &returned->room, returned->count + 1,
                             sizeof(returned->scopes[0]));
    returned->scopes[returned->count++] = take_pointer(&scope);
    return true;
}

static bool find_returned(struct returned *returned, struct fault *fault)
{
    const struct history_options how = {.lag = HISTORY_LAG};
    const struct history_question question = {
        .filters = {{.fields = {HISTORY_TYPE}, .field_count = 1, .pattern = "erasure"},
                    {.fields = {RECORD_OUTCOME}, .field_count = 1, .pattern = "ok"}},
        .filter_count = 2,
        .since_us = INT64_MIN,
        .until_us = INT64_MAX};
    struct history *history;
    bool ok;

    if (!history_open(&returned->session->home, &how, &history, fault))
        return false;
    ok = history_each(history, &question, note_returned, returned, fault);
    history_close(history);
    return ok;
}

bool erase_returned(struct session *session, size_t *ret_erased, struct fault *fault)
{
    struct returned returned = {.session = session};
    bool ok = find_returned(&returned, fault);

    *ret_erased = 0;
    for (size_t i = 0; i < returned.count; i++) {
        const struct erase_request request = {.scope = returned.scopes[i],
                                              .reason = "returned"};
        struct erase_result result;

        if (ok && holds_allow_removal(session->home.fd, request.scope, fault))
            *ret_erased += ok = begin(session, &request, &result, fault);
        else
            ok = ok && fault->kind == FAULT_DENIED;
        free(returned.scopes[i]);
    }
    free(returned.scopes);
    return ok;
}

struct expiring {
    struct session *session;
    int64_t before_us;
    bool knows_holds, is_any_held;
    size_t erased;
};

/* The ledger is read once to see whether there is any hold at all. */
static bool may_go(struct expiring *expiring, const char *scope, bool *ret_may_go,
                   struct fault *fault)
{
    int home = expiring->session->home.fd;
    struct holds holds;

    if (!expiring->knows_holds) {
        if (!holds_read(home, &holds, fault))
            return false;
        for (size_t i = 0; i < holds.count; i++)
            expiring->is_any_held |= holds.at[i].released_by == NULL;
        holds_free(&holds);
        expiring->knows_holds = true;
    }
    *ret_may_go = !expiring->is_any_held || holds_allow_removal(home, scope, fault);
    return *ret_may_go || fault->kind == FAULT_DENIED;
}

static bool expire_one(void *self, const char *scope, int64_t made_us, struct fault *fault)
{
    struct expiring *expiring = self;
    const struct erase_request request = {.scope = scope, .reason = "retention"};
    struct erase_result result = {0};
    bool goes;

    if (made_us >= expiring->before_us || is_alive(expiring->session, scope))
        return true;
    if (!may_go(expiring, scope, &goes, fault))
        return false;
    if (!goes)
        return true;
    if (!begin(expiring->session, &request, &result, fault))
        return false;
    expiring->erased++;
    return true;
}

bool erase_expired(struct session *session, size_t *ret_erased, struct fault *fault)
{
    struct expiring expiring = {.session = session};
    const struct policy_settings *organisation;
    struct policy *policy;
    bool ok = true;

    *ret_erased = 0;
    if (!session_organisation(session, &organisation, fault) ||
        !policy_build(organisation, NULL, &policy, fault))
        return fault_in(fault, "see how long payloads are kept");
    if (policy->payload_days > 0 && file_exists(session->home.fd, "keys/scopes")) {
        expiring.before_us = clock_now_us(&clock_real) - policy->payload_days * DAY_US;
        ok =
            scope_files_each(session->home.fd, SCOPE_FILES_KEYS, expire_one, &expiring, fault);
    }
    policy_free(policy);
    *ret_erased = expiring.erased;
    return ok;
}
