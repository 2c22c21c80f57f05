/*
 * witness - cosigns checkpoints of ledgers that are not its own.
 *
 *   user       who started it               network    accepts on one address
 *   may read   its state folder             may write  nothing
 *   holds      nothing                      talks to   whoever posts a checkpoint, and
 *                                                      the holder of its key (inherited)
 *
 * It reads and judges what anybody sends. The key and the promises are another process's
 * (witness_guard.c), which judges once more.
 */
#include "roles/witness/witness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/rand.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include "base/scope.h"
#include "ledger/cosignature.h"
#include "os/file.h"
#include "os/isolate.h"
#include "roles/witness/guard.h"
#include "roles/witness/server.h"
#include "wire/url.h"

#define BACKLOG 128
#define KEY_BYTES_MAX 4096

static bool write_new(const char *path, struct buf *text, mode_t mode, struct fault *fault)
{
    AUTO_CLOSE int fd = -1;

    if (!buf_add_byte(text, '\n', fault))
        return false;
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return errno == EEXIST ? fault_set(fault, FAULT_CONFLICT, "%s is there already", path)
                               : fault_errno(fault, "create %s", path);
    if (!file_write_all(fd, buf_slice(text), fault))
        return fault_in(fault, "write %s", path);
    return fsync(fd) == 0 || fault_errno(fault, "sync %s", path);
}

bool witness_role_make_key(const char *path, const char *name, struct buf *ret_vkey,
                           struct fault *fault)
{
    AUTO_BUF_SECRET struct buf skey = buf_with_limit(KEY_BYTES_MAX);
    AUTO_BUF struct buf plain = buf_with_limit(KEY_BYTES_MAX);
    AUTO_BUF struct buf line = buf_with_limit(KEY_BYTES_MAX);
    AUTO_FREE char *public_path = xformat("%s.vkey", path);
    uint8_t seed[NOTE_SEED_BYTES];
    struct note_signer *signer = NULL;
    bool ok;

    if (RAND_priv_bytes(seed, sizeof(seed)) != 1)
        return fault_set(fault, FAULT_IO, "make a key: no randomness");
    ok = note_key_texts(slice_of(name), seed, &skey, &plain, fault) &&
         note_signer_parse(buf_slice(&skey), &signer, fault) &&
         cosignature_vkey(signer, &line, fault) && write_new(path, &skey, 0600, fault) &&
         buf_add(ret_vkey, buf_slice(&line), fault) &&
         write_new(public_path, &line, 0644, fault);
    explicit_bzero(seed, sizeof(seed));
    note_signer_free(signer);
    return ok;
}

static bool add_log(void *self, struct slice vkey, struct fault *fault)
{
    return witness_add_log(self, vkey, fault);
}

/* Addresses only: a name could become another address. */
static bool parse_address(const char *text, struct sockaddr_storage *ret_address,
                          socklen_t *ret_len, struct fault *fault)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    AUTO_FREE char *host = NULL;
    struct slice name;
    uint16_t port;

    if (!url_authority_parse(slice_of(text), &name, &port, fault))
        return fault_in(fault, "--listen");
    host = slice_dup(name);
    v4.sin_port = v6.sin6_port = htons(port);
    if (inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
        memcpy(ret_address, &v4, sizeof(v4));
        *ret_len = sizeof(v4);
        return true;
    }
    if (inet_pton(AF_INET6, host, &v6.sin6_addr) == 1) {
        memcpy(ret_address, &v6, sizeof(v6));
        *ret_len = sizeof(v6);
        return true;
    }
    return fault_set(fault, FAULT_INVALID, "--listen %s: not ADDRESS:PORT", text);
}

static bool listen_at(const char *text, int *ret_listener, unsigned *ret_port,
                      struct fault *fault)
{
    struct sockaddr_storage address = {0};
    AUTO_CLOSE int fd = -1;
    socklen_t len;
    int yes = 1;

    if (!parse_address(text, &address, &len, fault))
        return false;
    fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0 ||
        bind(fd, (const struct sockaddr *)&address, len) < 0 || listen(fd, BACKLOG) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) < 0)
        return fault_errno(fault, "listen at %s", text);
    *ret_port = address.ss_family == AF_INET
                    ? ntohs(((const struct sockaddr_in *)&address)->sin_port)
                    : ntohs(((const struct sockaddr_in6 *)&address)->sin6_port);
    *ret_listener = take_fd(&fd);
    return true;
}

static bool end_signals(int *ret_signals, struct fault *fault)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 ||
        (*ret_signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)) < 0)
        return fault_errno(fault, "watch for signals");
    return true;
}

static bool descend(int folder, struct fault *fault)
{
    struct isolate_path paths[] = {{.fd = folder, .access = ISOLATE_READ}};

    return isolate_files(paths, COUNT(paths), ISOLATE_ABI_KERNEL, NULL, fault) &&
           isolate_syscalls(ISOLATE_LEDGER, fault);
}

/* What the witness holds; whatever is there is given back. */
struct held {
    int folder, listener, signals;
    struct witness_guard *guard;
    struct witness_keeping keeping;
    struct witness *witness;
    struct buf vkey;
};

static bool open_state(const char *path, struct held *held, struct fault *fault)
{
    if (!file_make_folders(path, 0755, fault))
        return false;
    held->folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return held->folder >= 0 || fault_errno(fault, "open %s", path);
}

static bool serve(const struct witness_role *role, struct held *held, struct fault *fault)
{
    struct slice name;
    unsigned port;

    if (!open_state(role->state, held, fault) ||
        !witness_guard_start(role, held->folder, &held->guard, &held->vkey, fault))
        return false;
    held->keeping = witness_guard_keeping(held->guard);
    if (!witness_new(buf_slice(&held->vkey), &held->keeping, &held->witness, fault) ||
        !witness_role_logs(role->logs, add_log, held->witness, fault) ||
        !end_signals(&held->signals, fault) ||
        !listen_at(role->listen, &held->listener, &port, fault) ||
        !descend(held->folder, fault))
        return false;
    name =
        slice_part(buf_slice(&held->vkey), 0, slice_find_byte(buf_slice(&held->vkey), '+', 0));
    role->ready(role->self, name, port, witness_log_count(held->witness));
    return witness_server_run(held->listener, held->signals, witness_guard_socket(held->guard),
                              held->witness, fault);
}

bool witness_role_serve(const struct witness_role *role, struct fault *fault)
{
    struct held held = {
        .folder = -1, .listener = -1, .signals = -1, .vkey = buf_with_limit(1024)};
    bool ok = serve(role, &held, fault);

    witness_free(held.witness);
    witness_guard_free(held.guard);
    buf_free(&held.vkey);
    scope_close(&held.listener);
    scope_close(&held.signals);
    scope_close(&held.folder);
    return ok;
}
