#include "roles/keys/sealed.h"

#include <openssl/crypto.h>

#include "base/clock.h"
#include "base/scope.h"
#include "ledger/scope_files.h"

bool sealed_each(const struct home *home, const char *run, history_visit *visit, void *self,
                 struct fault *fault)
{
    const struct history_options how = {.lag = HISTORY_LAG};
    const struct history_question question = {
        .filters = {{.fields = {RECORD_RUN, RECORD_SCOPE}, .field_count = 2, .pattern = run}},
        .filter_count = run == NULL ? 0 : 1,
        .since_us = INT64_MIN,
        .until_us = INT64_MAX};
    struct history *history;
    bool ok;

    if (!history_open(home, &how, &history, fault))
        return false;
    ok = history_each(history, &question, visit, self, fault);
    history_close(history);
    return ok;
}

static const char *const state_names[] = {[SEALED_KEPT] = "kept",
                                          [SEALED_COMMITTED] = "committed",
                                          [SEALED_ERASED] = "erased",
                                          [SEALED_LOST] = "lost"};

const char *sealed_state_name(enum sealed_state state)
{
    return state_names[state];
}

/* A field that a record has or has not; the caller frees. */
static char *text_of(const struct record *record, enum record_field field)
{
    return slice_dup(record->field[field].set ? record->field[field].text : SLICE(""));
}

enum sealed_state sealed_state_of(int home_fd, const struct record *record)
{
    AUTO_FREE char *scope = text_of(record, RECORD_SCOPE);
    AUTO_FREE char *digest = text_of(record, RECORD_PAYLOAD);

    if (!scope_files_has_key(home_fd, scope))
        return SEALED_ERASED;
    if (digest[0] == 0)
        return SEALED_COMMITTED;
    return scope_files_has_payload(home_fd, scope, digest) ? SEALED_KEPT : SEALED_LOST;
}

struct erasure {
    const char *scope;
    char said[SEALED_SAID_BYTES];
};

static bool on_erasure(void *self, const struct history_record *found, struct fault *fault)
{
    struct erasure *erasure = self;
    const struct record *record = found->record;
    AUTO_FREE char *person = text_of(record, RECORD_PERSON);
    AUTO_FREE char *reason = text_of(record, RECORD_REASON);
    char when[CLOCK_TEXT_BYTES];

    (void)fault;
    if (record->type != RECORD_ERASURE ||
        !slice_equal(record->field[RECORD_SCOPE].text, slice_of(erasure->scope)) ||
        !slice_equal(record->field[RECORD_OUTCOME].text, SLICE("ok")))
        return true;
    clock_text(found->header->t_us, when);
    (void)snprintf(erasure->said, sizeof(erasure->said), "%.19sZ by %.60s (%.60s)", when,
                   person[0] == 0 ? "the policy's retention" : person, reason);
    return true;
}

bool sealed_erasure(const struct home *home, const char *scope,
                    char ret_said[SEALED_SAID_BYTES], struct fault *fault)
{
    struct erasure erasure = {.scope = scope};

    if (!sealed_each(home, scope, on_erasure, &erasure, fault))
        return false;
    memcpy(ret_said, erasure.said, sizeof(erasure.said));
    return true;
}

static bool say_erased(const struct home *home, const char *scope, struct fault *fault)
{
    char said[SEALED_SAID_BYTES];

    if (!sealed_erasure(home, scope, said, fault))
        return false;
    return said[0] == 0
               ? fault_set(fault, FAULT_CONFLICT,
                           "the key of scope %s is not here, and no record says that it was "
                           "erased: it is lost, or the ledger is a copy",
                           scope)
               : fault_set(fault, FAULT_CONFLICT, "scope %s was erased %s", scope, said);
}

static bool load_scope(const struct home *home, const char *scope,
                       uint8_t ret_key[SCOPE_KEY_BYTES], struct fault *fault)
{
    if (scope_files_load(home->fd, scope, ret_key, fault))
        return true;
    return fault->kind == FAULT_MISSING ? say_erased(home, scope, fault) : false;
}

static bool find_named(const struct record *record, struct commitment_named *ret_named,
                       struct fault *fault)
{
    return commitment_named_by(record, ret_named) ||
           fault_set(fault, FAULT_MISSING,
                     "this record names no ticket, prompt, answer, diff or command");
}

/* A command's scope is its run. */
static enum record_field scope_of(const struct record *record)
{
    return commitment_field(record->type) == NULL ? RECORD_RUN : RECORD_SCOPE;
}

bool sealed_key(const struct home *home, const struct record *record,
                const struct record_header *header, uint8_t ret_key[COMMITMENT_KEY_BYTES],
                struct fault *fault)
{
    AUTO_FREE char *scope = text_of(record, scope_of(record));
    struct commitment_named named;
    uint8_t key[SCOPE_KEY_BYTES];
    bool ok;

    if (!find_named(record, &named, fault) || !load_scope(home, scope, key, fault))
        return false;
    ok = commitment_field(record->type) == NULL
             ? scope_key_of_commands(key, ret_key, fault)
             : scope_key_of_record(key, header->src, header->seq, named.field, ret_key, fault);
    OPENSSL_cleanse(key, sizeof(key));
    return ok;
}

bool sealed_check(const struct record *record, const uint8_t key[COMMITMENT_KEY_BYTES],
                  struct slice value, struct fault *fault)
{
    struct commitment_named named;
    char text[2 * COMMITMENT_BYTES + 1];

    if (!find_named(record, &named, fault) ||
        !commitment_text(key, named.field, value, text, fault))
        return false;
    return slice_equal(named.digest, slice_of(text)) ||
           fault_set(fault, FAULT_CONFLICT, "the record commits to another %s", named.field);
}

static bool open_payload(const struct home *home, const struct record *record,
                         struct buf *ret_value, struct fault *fault)
{
    AUTO_FREE char *scope = text_of(record, RECORD_SCOPE);
    AUTO_FREE char *digest = text_of(record, RECORD_PAYLOAD);
    AUTO_BUF struct buf file = buf_with_limit(PAYLOAD_FILE_BYTES_MAX);
    uint8_t key[SCOPE_KEY_BYTES];
    bool ok;

    if (!load_scope(home, scope, key, fault))
        return false;
    ok = scope_files_get(home->fd, scope, digest, &file, fault) &&
         payload_open(key, scope, record->type, buf_slice(&file), ret_value, fault);
    OPENSSL_cleanse(key, sizeof(key));
    return ok;
}

bool sealed_value(const struct home *home, const struct record *record,
                  const struct record_header *header, struct buf *ret_value,
                  struct fault *fault)
{
    uint8_t key[COMMITMENT_KEY_BYTES];
    bool ok;

    if (!sealed_key(home, record, header, key, fault))
        return false;
    ok = record->field[RECORD_PAYLOAD].set
             ? open_payload(home, record, ret_value, fault) &&
                   sealed_check(record, key, buf_slice(ret_value), fault)
             : fault_set(fault, FAULT_MISSING,
                         commitment_field(record->type) == NULL
                             ? "the arguments of programs are never kept: give them with --value"
                             : "the policy kept none then (retention.payloads): there is a "
                               "commitment only");
    OPENSSL_cleanse(key, sizeof(key));
    return ok;
}
