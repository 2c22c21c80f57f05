/*
 * ledger - keeps the ledger and signs its checkpoints.
 *
 *   user       who started it               network    none
 *   may read   ledger/                      may write  ledger/
 *   holds      the signing key, or none     talks to   core (ledger.sock: same user, or root)
 *                                                      and whom core hands a producer's socket
 *
 * The key is opened before the descent, whatever keeps it: a secret's file is read, a TPM is
 * asked (in a process that ends with its answer). A key in a token is never here: a process
 * of its own asks the token, see roles/keys/signer.c, and this one has a socket to it.
 *
 * One daemon per state folder, elected by a lock on ledger/lock. It outlives the run that
 * started it, so that runs share one writer and one group commit, and ends when nobody has
 * been connected for five seconds.
 */
#include "roles/ledger_role/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/rand.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/hex.h"
#include "base/scope.h"
#include "keystore/secret.h"
#include "ledger/ledger.h"
#include "ledger/protocol.h"
#include "os/clock_real.h"
#include "os/file.h"
#include "os/isolate.h"
#include "os/message.h"
#include "os/spawn.h"
#include "roles/ledger_role/daemon.h"
#include "roles/ledger_role/policy.h"
#include "roles/ledger_role/key.h"
#include "roles/ledger_role/parts.h"
#include "roles/ledger_role/relay.h"
#include "roles/ledger_role/shard.h"

#define SOCKET_NAME "ledger.sock"
#define LINGER_MS 5000
#define HELLO_MS 2000
#define START_MS 30000 /* a full write-ahead log is replayed in well under one second */
#define BACKLOG 128
#define TAKE_MS 3000

/* Lower case, and '-' for what a key's name may not have. */
static void host_name(char *ret_name, size_t size)
{
    char name[256] = "";
    size_t len = 0;

    (void)gethostname(name, sizeof(name) - 1);
    for (; name[len] != 0 && len + 1 < size; len++) {
        char byte = name[len];

        if (byte >= 'A' && byte <= 'Z')
            byte = (char)(byte - 'A' + 'a');
        ret_name[len] =
            (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') ? byte : '-';
    }
    ret_name[len] = 0;
}

/* Puts a file in place unless there is one: two that come at once do not mix their keys. */
static bool place_new(int folder, const char *name, struct slice bytes, mode_t mode,
                      struct fault *fault)
{
    AUTO_FREE char *temporary = xformat(".%s.%d", name, (int)getpid());
    bool ok;

    if (!file_replace_durably(folder, temporary, bytes, mode, fault))
        return false;
    ok = linkat(folder, temporary, folder, name, 0) == 0;
    if (!ok && errno == EEXIST)
        (void)fault_set(fault, FAULT_CONFLICT, "keys/%s is there already", name);
    else if (!ok)
        (void)fault_errno(fault, "create keys/%s", name);
    (void)unlinkat(folder, temporary, 0);
    if (ok && fsync(folder) < 0)
        return fault_errno(fault, "sync keys");
    return ok;
}

bool ledger_new_name(char **ret_name, struct fault *fault)
{
    uint8_t random[4];
    char host[48], hex[9];

    if (RAND_bytes(random, sizeof(random)) != 1)
        return fault_set(fault, FAULT_IO, "name a ledger: no randomness");
    host_name(host, sizeof(host));
    hex_encode(slice_of_bytes(random, sizeof(random)), hex);
    *ret_name = xformat("custody-%s-%s", host, hex);
    return true;
}

bool ledger_next_key(int home_fd, struct slice name, struct buf *ret_key, struct buf *ret_vkey,
                     struct fault *fault)
{
    AUTO_FREE char *text = slice_dup(name);
    AUTO_BUF struct buf uri = buf_with_limit(KEYFILE_BYTES_MAX);
    struct key_storage storage = {.kind = KEYFILE_PLAIN};
    struct ledger_key key = {0};
    bool ok = !file_exists(home_fd, LEDGER_KEY_NAME) ||
              (ledger_key_read(home_fd, LEDGER_KEY_NAME, &key, fault) &&
               key_storage_like(&key, name, &uri, &storage, fault));

    ok = ok && key_storage_make(&storage, text, ret_key, ret_vkey, fault) &&
         buf_add_byte(ret_vkey, '\n', fault);
    ledger_key_free(&key);
    return ok || fault_in(fault, "make a new key, kept as " LEDGER_KEY_NAME
                                 " is (move that away, and the new one is plain)");
}

bool ledger_keys_make_as(int home_fd, const struct key_storage *storage, struct fault *fault)
{
    AUTO_BUF_SECRET struct buf key = buf_with_limit(KEYFILE_BYTES_MAX);
    AUTO_BUF struct buf vkey = buf_with_limit(1024);
    AUTO_CLOSE int folder = -1;
    AUTO_FREE char *name = NULL;

    if (!file_open_folder(home_fd, "keys", 0711, &folder, fault))
        return false;
    if (file_exists(folder, "ledger.key") || file_exists(folder, "ledger.vkey"))
        return fault_set(fault, FAULT_CONFLICT, "keys/ledger.key is there already");
    return ledger_new_name(&name, fault) &&
           key_storage_make(storage, name, &key, &vkey, fault) &&
           buf_add_byte(&vkey, '\n', fault) &&
           place_new(folder, "ledger.key", buf_slice(&key), 0600, fault) &&
           place_new(folder, "ledger.vkey", buf_slice(&vkey), 0644, fault);
}

bool ledger_keys_make(int home_fd, struct fault *fault)
{
    return ledger_keys_make_as(home_fd, &(struct key_storage){.kind = KEYFILE_PLAIN}, fault);
}

/* A path through the descriptor: the state folder's own may be too long for a socket's
 * address. */
static void socket_address(int home_fd, const char *name, struct sockaddr_un *ret_address)
{
    *ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
    (void)snprintf(ret_address->sun_path, sizeof(ret_address->sun_path), "/proc/self/fd/%d/%s",
                   home_fd, name);
}

/* FAULT_MISSING: nobody listens. */
static bool connect_once(int home_fd, int *ret_socket, struct fault *fault)
{
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    int room = 4 * MESSAGE_BYTES_MAX;
    struct sockaddr_un address;
    struct pollfd hello = {.fd = fd, .events = POLLIN};
    uint8_t first;

    if (fd < 0)
        return fault_errno(fault, "make a socket");
    socket_address(home_fd, SOCKET_NAME, &address);
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        if (errno == ENOENT || errno == ECONNREFUSED)
            return fault_set(fault, FAULT_MISSING, "the ledger does not run");
        return fault_errno(fault, "connect to the ledger");
    }
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) < 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    /*
     * A daemon that is just ending takes no more clients: its hello says that this one does.
     */
    if (poll(&hello, 1, HELLO_MS) == 0)
        return fault_set(fault, FAULT_LIMIT, "the ledger does not answer");
    if (recv(fd, &first, 1, MSG_PEEK | MSG_DONTWAIT) != 1 || first != LEDGER_HELLO)
        return fault_set(fault, FAULT_MISSING, "the ledger has just ended");
    *ret_socket = take_fd(&fd);
    return true;
}

bool ledger_connect_running(int home_fd, int *ret_socket, struct fault *fault)
{
    return connect_once(home_fd, ret_socket, fault);
}

bool ledger_lock_folder(int folder, int *ret_lock, struct fault *fault)
{
    AUTO_CLOSE int lock =
        openat(folder, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (lock < 0)
        return fault_errno(fault, "open ledger/lock");
    if (flock(lock, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK
                   ? fault_set(fault, FAULT_CONFLICT, "another daemon has the ledger")
                   : fault_errno(fault, "lock the ledger");
    *ret_lock = take_fd(&lock);
    return true;
}

/* It may have become a closed shard between our opening it and our having its lock. */
static bool is_still_current(int home_fd, int folder)
{
    struct stat named, opened;

    return fstatat(home_fd, "ledger", &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           fstat(folder, &opened) == 0 && named.st_dev == opened.st_dev &&
           named.st_ino == opened.st_ino;
}

bool ledger_lock(int home_fd, int *ret_folder, int *ret_lock, struct fault *fault)
{
    AUTO_CLOSE int folder = -1;
    AUTO_CLOSE int lock = -1;

    if (!file_open_folder(home_fd, "ledger", 0755, &folder, fault) ||
        !ledger_lock_folder(folder, &lock, fault))
        return false;
    if (!is_still_current(home_fd, folder))
        return fault_set(fault, FAULT_CONFLICT, "a new shard has just begun");
    *ret_folder = take_fd(&folder);
    *ret_lock = take_fd(&lock);
    return true;
}

static bool no_key(int home_fd, struct fault *fault)
{
    return file_exists(home_fd, "keys/ledger.vkey")
               ? fault_set(fault, FAULT_MISSING,
                           "the signing key keys/ledger.key is gone: bring it back, or begin "
                           "a new shard with `custody key replace --lost`")
               : fault_set(fault, FAULT_MISSING,
                           "there is no signing key: run `custody init` first");
}

bool ledger_signer(int home_fd, const char *name, struct note_signer **ret_signer,
                   struct fault *fault)
{
    struct ledger_key key;
    bool ok;

    if (!ledger_key_read(home_fd, name, &key, fault))
        return fault->kind == FAULT_MISSING ? no_key(home_fd, fault) : false;
    ok = ledger_key_signer(&key, home_fd, ret_signer, fault);
    ledger_key_free(&key);
    return ok || fault_in(fault, "%s", name);
}

/* Listening before it has its name, so that whoever finds the name is heard. */
static bool listen_at(int home_fd, int *ret_listener, struct fault *fault)
{
    AUTO_CLOSE int listener =
        socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un address;
    mode_t mask = umask(0177);
    bool ok;

    socket_address(home_fd, SOCKET_NAME ".new", &address);
    (void)unlinkat(home_fd, SOCKET_NAME ".new", 0);
    ok = listener >= 0 &&
         bind(listener, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
         listen(listener, BACKLOG) == 0 &&
         renameat(home_fd, SOCKET_NAME ".new", home_fd, SOCKET_NAME) == 0;
    (void)umask(mask);
    if (!ok)
        return fault_errno(fault, "listen at " SOCKET_NAME);
    *ret_listener = take_fd(&listener);
    return true;
}

static bool end_signals(int *ret_signals, struct fault *fault)
{
    sigset_t set;
    int signals;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    if (sigprocmask(SIG_SETMASK, &set, NULL) < 0 ||
        (signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)) < 0)
        return fault_errno(fault, "watch for signals");
    *ret_signals = signals;
    return true;
}

static int64_t linger_us(void)
{
    const char *text = getenv("CUSTODY_LEDGER_LINGER_MS");
    long ms = text == NULL ? LINGER_MS : strtol(text, NULL, 10);

    return (ms < 0 || ms > 3600000 ? LINGER_MS : ms) * 1000;
}

/* The descent: after it, nothing but the ledger's folder and the sockets that are open. */
static bool isolate(int folder, struct fault *fault)
{
    struct isolate_path paths[] = {{.fd = folder, .access = ISOLATE_READ | ISOLATE_WRITE}};

    /*
     * Landlock's first version forbids every rename between folders: ours put a tile in place.
     */
    if (isolate_landlock_abi() >= 2 &&
        !isolate_files(paths, COUNT(paths), ISOLATE_ABI_KERNEL, NULL, fault))
        return false;
    return isolate_syscalls(ISOLATE_LEDGER, fault);
}

struct start {
    int home_fd;
    int report; /* the starter hears here how it went */
    int secret; /* a descriptor that opens the key, where the environment names one; or -1 */
};

/* What the daemon holds; whatever is there is given back by daemon_end. */
struct held {
    int folder, lock;
    struct note_signer *signer;
    struct ledger_gate *gate;
    const char *filesystem; /* its name */
    struct ledger_daemon daemon;
};

/* Before the key is in memory. Only where policy asks for witnesses anybody hears them. */
static bool relay_begin(const struct start *start, struct held *held, struct fault *fault)
{
    struct ledger_quorum_standing standing;

    if (!ledger_quorum_begin(start->home_fd, held->folder, &clock_real, fault) ||
        !ledger_quorum_find(start->home_fd, held->folder, &clock_real, &standing, fault))
        return fault_in(fault, "find out what is cosigned");
    ledger_relay_start(start->home_fd, &held->daemon.relay);
    held->daemon.quorum = ledger_quorum_new(&standing, &clock_real);
    secret_guard();
    return true;
}

/* Did the organisation say that it knows? Read only where it matters. */
static bool any_filesystem(int home_fd)
{
    struct policy *policy = NULL;
    struct fault ignored = {0};
    bool any = ledger_policy(home_fd, &policy, &ignored) && policy->any_filesystem;

    policy_free(policy);
    return any;
}

/* What this is on is said in ledger.opened, so that a later reader knows what a sync meant. */
static bool look_at_disk(const struct start *start, struct held *held, struct fault *fault)
{
    enum disk_kind kind;

    if (!disk_kind_of(held->folder, &kind, &held->filesystem, fault))
        return false;
    if (kind != DISK_REMOTE || any_filesystem(start->home_fd))
        return true;
    return fault_set(fault, FAULT_HOST,
                     "the state folder is on %s, where nobody knows what is on disk after a "
                     "sync: move it with CUSTODY_HOME, or say ledger: { filesystem: any }",
                     held->filesystem);
}

static bool open_writer(struct held *held, struct fault *fault)
{
    struct ledger_gate_config gate = {
        .folder = held->folder, .clock = &clock_real, .quorum = held->daemon.quorum};
    struct ledger_writer_guard guard = {.mechanism = held->filesystem};

    ledger_relay_catch_up(held->daemon.relay, held->daemon.quorum);
    if (!ledger_gate_open(&gate, &held->gate, fault))
        return false;
    guard.gate = held->gate;
    return ledger_writer_open_guarded(&guard, held->folder, held->signer, &clock_real,
                                      &held->daemon.writer, fault);
}

static bool key_begin(const struct start *start, struct held *held, struct fault *fault)
{
    if (!ledger_signer(start->home_fd, LEDGER_KEY_NAME, &held->signer, fault) ||
        !ledger_key_published(start->home_fd, held->signer, fault))
        return false;
    secret_lock_heap();
    return true;
}

/* Behind the filter no ring can be made any more. */
static bool settle(struct held *held, struct fault *fault)
{
    log_overlap(ledger_writer_log(held->daemon.writer));
    return isolate(held->folder, fault);
}

static bool daemon_begin(const struct start *start, struct held *held, struct fault *fault)
{
    return ledger_current(start->home_fd, &clock_real, &held->folder, &held->lock, fault) &&
           look_at_disk(start, held, fault) && relay_begin(start, held, fault) &&
           key_begin(start, held, fault) && end_signals(&held->daemon.signals, fault) &&
           open_writer(held, fault) &&
           listen_at(start->home_fd, &held->daemon.listener, fault) && settle(held, fault);
}

static void daemon_end(struct held *held)
{
    scope_close(&held->daemon.listener);
    scope_close(&held->daemon.signals);
    ledger_writer_free(held->daemon.writer);
    ledger_gate_free(held->gate);
    ledger_quorum_free(held->daemon.quorum);
    note_signer_free(held->signer);
    scope_close(&held->lock); /* last: the next daemon may begin */
    scope_close(&held->folder);
    scope_close(&held->daemon.relay);
}

/* For whoever asks why the ledger went away: there is no terminal to tell it to. */
static void leave_words(int folder, const struct fault *fault)
{
    char when[CLOCK_TEXT_BYTES];
    AUTO_FREE char *text = NULL;
    struct fault ignored = {0};

    clock_text(clock_now_us(&clock_real), when);
    text = xformat("%s %s\n", when, fault->why);
    if (!file_replace_durably(folder, "state/last-fault", slice_of(text), 0600, &ignored))
        return;
}

static int serve(const struct start *start)
{
    struct held held = {
        .folder = -1,
        .lock = -1,
        .daemon = {.listener = -1, .signals = -1, .relay = -1, .linger_us = linger_us()}};
    struct fault fault = {0};
    bool ok = daemon_begin(start, &held, &fault);

    (void)!write(start->report, &fault, sizeof(fault)); /* kind FAULT_NONE: it listens */
    (void)close(start->report);
    (void)close(start->home_fd);
    if (start->secret >= 0)
        (void)close(start->secret);
    held.daemon.lock = held.lock;
    if (ok) {
        ok = ledger_daemon_serve(&held.daemon, &fault);
        if (!ok)
            leave_words(held.folder, &fault);
    }
    daemon_end(&held);
    return ok ? 0 : 1;
}

/* In the child: a session of its own, no terminal, no folder, no descriptor but two. */
static int become_daemon(const struct start *start)
{
    const int keep[] = {start->home_fd, start->report,
                        start->secret < 0 ? start->report : start->secret};
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null < 0 || setsid() < 0 || chdir("/") < 0)
        return 1;
    for (int i = 0; i < 3; i++)
        if (dup2(null, i) < 0)
            return 1;
    spawn_close_others(keep, COUNT(keep));
    for (int number = 1; number < 32; number++)
        (void)signal(number, SIG_DFL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    (void)signal(SIGINT, SIG_IGN);
    (void)umask(022);
    (void)prctl(PR_SET_NAME, "custody-ledger");
    return serve(start);
}

static bool read_report(int report, struct fault *ret_said, struct fault *fault)
{
    struct pollfd ready = {.fd = report, .events = POLLIN};
    int count;

    do
        count = poll(&ready, 1, START_MS);
    while (count < 0 && errno == EINTR);
    if (count == 0)
        return fault_set(fault, FAULT_LIMIT, "start the ledger: not ready within %d s",
                         START_MS / 1000);
    if (read(report, ret_said, sizeof(*ret_said)) != (ssize_t)sizeof(*ret_said))
        return fault_set(fault, FAULT_IO, "start the ledger: it ended at once");
    ret_said->why[sizeof(ret_said->why) - 1] = 0;
    return true;
}

/* Starts a daemon that is nobody's child. FAULT_CONFLICT: another one was faster. */
static bool start_daemon(int home_fd, struct fault *fault)
{
    AUTO_CLOSE int report = -1;
    const char *secret = getenv(LEDGER_KEY_SECRET);
    struct start start = {.home_fd = home_fd,
                          .secret = secret == NULL ? -1 : secret_place_fd(slice_of(secret))};
    struct fault said;
    int ends[2], status;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return fault_errno(fault, "make a pipe");
    report = ends[0];
    start.report = ends[1];
    pid = fork();
    if (pid == 0) {
        pid = fork();
        _exit(pid < 0 ? 1 : pid > 0 ? 0 : become_daemon(&start));
    }
    (void)close(ends[1]);
    if (pid < 0)
        return fault_errno(fault, "start the ledger");
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (!read_report(report, &said, fault))
        return false;
    if (said.kind == FAULT_NONE)
        return true;
    *fault = said;
    return fault_in(fault, "start the ledger");
}

bool ledger_connect(const char *home_path, int home_fd, int *ret_socket, struct fault *fault)
{
    const struct timespec pause = {.tv_nsec = 2000000};
    int64_t deadline_us = clock_monotonic_us(&clock_real) + INT64_C(1000) * START_MS;

    /* Another daemon may be beginning, or ending: both are over soon. */
    while (clock_monotonic_us(&clock_real) < deadline_us) {
        if (connect_once(home_fd, ret_socket, fault))
            return true;
        if (fault->kind != FAULT_MISSING)
            return fault_in(fault, "%.200s", home_path);
        if (start_daemon(home_fd, fault))
            continue;
        if (fault->kind != FAULT_CONFLICT)
            return false;
        (void)nanosleep(&pause, NULL);
    }
    return fault_set(fault, FAULT_LIMIT,
                     "%.200s: the ledger can be neither reached nor started", home_path);
}

/* What it serves goes on; a reader that asks for a checkpoint is gone in a moment. */
static bool ask_to_end(int home_fd, struct fault *fault)
{
    struct ledger_client *client;
    int socket;
    bool ok;

    if (!connect_once(home_fd, &socket, fault))
        return fault->kind == FAULT_MISSING;
    client = ledger_client_new(socket);
    ok = ledger_end(client, fault);
    ledger_client_free(client);
    return ok;
}

bool ledger_take(int home_fd, int *ret_folder, int *ret_lock, struct fault *fault)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    int64_t deadline_us = clock_monotonic_us(&clock_real) + INT64_C(1000) * TAKE_MS;
    struct fault busy = {0};

    for (;;) {
        if (ledger_current(home_fd, &clock_real, ret_folder, ret_lock, fault))
            return true;
        if (fault->kind != FAULT_CONFLICT)
            return false;
        if (!ask_to_end(home_fd, &busy) && busy.kind != FAULT_CONFLICT) {
            *fault = busy;
            return false;
        }
        if (clock_monotonic_us(&clock_real) > deadline_us)
            break;
        (void)nanosleep(&pause, NULL);
    }
    if (busy.kind == FAULT_CONFLICT)
        *fault = busy;
    return false;
}
