/*
 * witness-key - holds a witness's key and its promises.
 *
 *   user       who started it               network    none
 *   may read   its state folder             may write  the same
 *   holds      the signing key              talks to   the witness (inherited)
 *
 * The witness reads what anybody sends; this process reads what the witness has taken apart:
 * sizes, hashes, a signature, and a text that it compares and does not parse. It judges once
 * more (ledger/witness_keeper.h), so that whoever took the witness over would still have
 * nothing cosigned that does not lead on from the last promise.
 */
#include "roles/witness/guard.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/scope.h"
#include "keystore/secret.h"
#include "ledger/cosignature.h"
#include "ledger/witness_files.h"
#include "os/clock_real.h"
#include "os/file.h"
#include "os/isolate.h"
#include "os/message.h"
#include "os/spawn.h"
#include "roles/keys/aside.h"

#define KEY_BYTES_MAX 4096
#define ANSWER_MS 30000 /* a disk that takes longer than that is no disk for promises */

enum question { QUESTION_KEEP, QUESTION_PROMISE };

/* In front of the note that is to be kept, or of the text that is to be cosigned. */
struct request {
    enum question question;
    uint64_t log, old_size, size;
    struct tree_hash root;
    struct tree_proof proof;
    uint8_t signature[NOTE_SIGNATURE_BYTES];
};

bool witness_role_logs(struct slice logs,
                       bool (*add)(void *self, struct slice vkey, struct fault *fault),
                       void *self, struct fault *fault)
{
    struct slice line;
    size_t count = 0;

    while (slice_cut(&logs, '\n', &line)) {
        line = slice_trim(line);
        if (line.len == 0 || line.at[0] == '#')
            continue;
        if (!add(self, line, fault))
            return false;
        count++;
    }
    return count > 0 ||
           fault_set(fault, FAULT_INVALID, "a witness needs a log to watch: --log VKEY");
}

/* The child's. */
struct holder {
    const struct witness_role *role;
    int folder, socket;
    struct witness_files files;
    struct witness_store store;
    struct note_signer *signer;
    struct witness_keeper *keeper;
    struct witness_keeping keeping;
};

static bool read_key(struct holder *holder, struct fault *fault)
{
    AUTO_BUF_SECRET struct buf skey = buf_with_limit(KEY_BYTES_MAX);
    const char *path = holder->role->key;
    struct stat stat;

    if (lstat(path, &stat) < 0)
        return fault_errno(fault, "%s", path);
    if ((stat.st_mode & 077) != 0)
        return fault_set(fault, FAULT_INVALID, "%s can be read by others: chmod 600 it", path);
    if (!file_read(AT_FDCWD, path, &skey, fault) ||
        !note_signer_parse(slice_trim(buf_slice(&skey)), &holder->signer, fault))
        return fault_in(fault, "%s", path);
    return true;
}

static bool add_log(void *self, struct slice vkey, struct fault *fault)
{
    return witness_keeper_add_log(self, vkey, fault);
}

static bool descend(int folder, struct fault *fault)
{
    struct isolate_path paths[] = {{.fd = folder, .access = ISOLATE_READ | ISOLATE_WRITE}};

    return isolate_files(paths, COUNT(paths), ISOLATE_ABI_KERNEL, NULL, fault) &&
           isolate_syscalls(ISOLATE_LEDGER, fault);
}

static bool begin(struct holder *holder, struct buf *ret_vkey, struct fault *fault)
{
    secret_guard();
    if (!read_key(holder, fault) || !witness_files_open(holder->folder, &holder->files, fault))
        return false;
    holder->store = witness_files_store(&holder->files);
    if (!witness_keeper_new(holder->signer, &holder->store, &clock_real, &holder->keeper,
                            fault) ||
        !witness_role_logs(holder->role->logs, add_log, holder->keeper, fault) ||
        !cosignature_vkey(holder->signer, ret_vkey, fault))
        return false;
    holder->keeping = witness_keeper_keeping(holder->keeper);
    return descend(holder->folder, fault);
}

static bool do_as_asked(struct holder *holder, struct slice packet, struct buf *ret_line,
                        struct fault *fault)
{
    const struct witness_keeping *keeping = &holder->keeping;
    struct request request;
    struct slice text;

    if (packet.len < sizeof(request))
        return fault_set(fault, FAULT_INVALID, "not a request");
    memcpy(&request, packet.at, sizeof(request));
    text = slice_part(packet, sizeof(request), packet.len);
    if (request.proof.count > COUNT(request.proof.hash) || text.len == 0)
        return fault_set(fault, FAULT_INVALID, "not a request");
    if (request.question == QUESTION_KEEP)
        return keeping->keep(keeping->self, request.log, text, fault);
    if (request.question == QUESTION_PROMISE) {
        struct witness_promise promise = {.log = request.log,
                                          .old_size = request.old_size,
                                          .size = request.size,
                                          .root = request.root,
                                          .proof = request.proof,
                                          .text = text};

        memcpy(promise.signature, request.signature, sizeof(promise.signature));
        return keeping->promise(keeping->self, &promise, ret_line, fault);
    }
    return fault_set(fault, FAULT_INVALID, "not a request");
}

static bool answer(struct holder *holder, struct slice packet)
{
    AUTO_BUF struct buf line = buf_with_limit(ASIDE_BYTES_MAX);
    struct fault outcome = {0};

    if (do_as_asked(holder, packet, &line, &outcome))
        outcome = (struct fault){0};
    else
        buf_clear(&line);
    return aside_report(holder->socket, &outcome, buf_slice(&line));
}

static int serve(void *self)
{
    struct holder *holder = self;
    AUTO_BUF struct buf packet = buf_with_limit(MESSAGE_BYTES_MAX);
    AUTO_BUF struct buf vkey = buf_with_limit(1024);
    struct fault fault = {0};
    bool end = false;
    bool ok = begin(holder, &vkey, &fault);

    if (ok)
        fault = (struct fault){0};
    if (!aside_report(holder->socket, &fault, ok ? buf_slice(&vkey) : (struct slice){0}))
        ok = false;
    while (ok && !end)
        ok = message_receive(holder->socket, &packet, NULL, -1, &end, &fault) &&
             (end || answer(holder, buf_slice(&packet)));
    witness_keeper_free(holder->keeper);
    note_signer_free(holder->signer);
    witness_files_close(&holder->files);
    return ok ? 0 : 1;
}

/* The witness's half. */
struct witness_guard {
    struct witness_files files; /* read only: the other half has the lock */
    struct witness_store store;
    struct slice *origins; /* of the logs, in order; they borrow from the role */
    size_t count, room;
    int socket;
    struct process process;
};

static bool add_origin(void *self, struct slice vkey, struct fault *fault)
{
    struct witness_guard *guard = self;
    size_t plus = slice_find_byte(vkey, '+', 0);

    if (plus == SIZE_MAX)
        return fault_set(fault, FAULT_INVALID, "not a verifier key: %.*s", SLICE_ARGS(vkey));
    guard->origins =
        xgrow(guard->origins, &guard->room, guard->count + 1, sizeof(guard->origins[0]));
    guard->origins[guard->count++] = slice_part(vkey, 0, plus);
    return true;
}

static bool ask(const struct witness_guard *guard, const struct request *request,
                struct slice text, struct buf *ret_line, struct fault *fault)
{
    AUTO_BUF struct buf packet = buf_with_limit(MESSAGE_BYTES_MAX);

    return buf_add(&packet, slice_of_bytes(request, sizeof(*request)), fault) &&
           buf_add(&packet, text, fault) &&
           message_send(guard->socket, buf_slice(&packet), NULL, fault) &&
           aside_hear(guard->socket, ANSWER_MS, ret_line, fault);
}

static bool guard_load(void *self, size_t log, struct buf *ret_note, struct fault *fault)
{
    const struct witness_guard *guard = self;

    return guard->store.load(guard->store.self, guard->origins[log], ret_note, fault);
}

static bool guard_keep(void *self, size_t log, struct slice note, struct fault *fault)
{
    struct request request = {.question = QUESTION_KEEP, .log = log};
    AUTO_BUF struct buf nothing = buf_with_limit(ASIDE_BYTES_MAX);

    return ask(self, &request, note, &nothing, fault);
}

static bool guard_promise(void *self, const struct witness_promise *promise,
                          struct buf *ret_line, struct fault *fault)
{
    struct request request = {.question = QUESTION_PROMISE,
                              .log = promise->log,
                              .old_size = promise->old_size,
                              .size = promise->size,
                              .root = promise->root,
                              .proof = promise->proof};

    memcpy(request.signature, promise->signature, sizeof(request.signature));
    return ask(self, &request, promise->text, ret_line, fault);
}

struct witness_keeping witness_guard_keeping(struct witness_guard *guard)
{
    return (struct witness_keeping){
        .load = guard_load, .keep = guard_keep, .promise = guard_promise, .self = guard};
}

int witness_guard_socket(const struct witness_guard *guard)
{
    return guard->socket;
}

static bool start(const struct witness_role *role, int folder, struct witness_guard *guard,
                  struct buf *ret_vkey, struct fault *fault)
{
    struct holder holder = {.role = role, .folder = folder, .files = {.lock = -1}};
    AUTO_CLOSE int theirs = -1;
    int ends[2];

    if (!witness_role_logs(role->logs, add_origin, guard, fault) || !message_pair(ends, fault))
        return false;
    guard->socket = ends[0];
    theirs = holder.socket = ends[1];
    {
        const int keep[] = {theirs, folder};

        if (!spawn_role("custody-witness-key", serve, &holder, keep, COUNT(keep),
                        &guard->process, fault))
            return false;
    }
    scope_close(&theirs);
    return aside_hear(guard->socket, ANSWER_MS, ret_vkey, fault);
}

bool witness_guard_start(const struct witness_role *role, int folder,
                         struct witness_guard **ret_guard, struct buf *ret_vkey,
                         struct fault *fault)
{
    struct witness_guard *guard = xalloc(sizeof(*guard));

    *guard = (struct witness_guard){
        .files = {.folder = folder, .lock = -1}, .socket = -1, .process = {.pidfd = -1}};
    guard->store = witness_files_store(&guard->files);
    if (!start(role, folder, guard, ret_vkey, fault)) {
        witness_guard_free(guard);
        return false;
    }
    *ret_guard = guard;
    return true;
}

void witness_guard_free(struct witness_guard *guard)
{
    if (guard == NULL)
        return;
    scope_close(&guard->socket); /* which ends it */
    if (guard->process.pid > 0)
        process_kill(&guard->process);
    free(guard->origins);
    free(guard);
}
