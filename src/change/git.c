#include "change/git.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/file.h"

#define WORDS_MAX 24
#define ENVIRONMENT_MAX 32
#define ERROR_BYTES 300

/* All that git is told from outside, besides the folders. Nothing of the caller's environment.
 */
static const char *const environment_fixed[] = {
    "PATH=/usr/bin:/bin",
    "LC_ALL=C",
    "TZ=UTC",
    "HOME=/nonexistent",
    "XDG_CONFIG_HOME=/nonexistent",
    "GIT_CONFIG_NOSYSTEM=1",
    "GIT_CONFIG_SYSTEM=/dev/null",
    "GIT_CONFIG_GLOBAL=/dev/null",
    "GIT_ATTR_NOSYSTEM=1",
    "GIT_TERMINAL_PROMPT=0",
    "GIT_NO_REPLACE_OBJECTS=1",
    "GIT_NO_LAZY_FETCH=1",
    "GIT_OPTIONAL_LOCKS=0",
    "GIT_LITERAL_PATHSPECS=1",
    "GIT_ALLOW_PROTOCOL=none",
    "GIT_PAGER=cat",
    "GIT_EDITOR=/bin/false",
    "GIT_ASKPASS=/bin/false",
    "GIT_SSH=/bin/false",
};

struct prepared {
    const char *argv[WORDS_MAX];
    const char *environment[ENVIRONMENT_MAX];
    char *owned[4];
    struct spawn_program program;
};

static void prepared_free(struct prepared *prepared)
{
    for (size_t i = 0; i < COUNT(prepared->owned); i++)
        free(prepared->owned[i]);
}

#define AUTO_PREPARED __attribute__((cleanup(prepared_free)))

static void prepare(const struct gitdoor *door, const struct git_call *call,
                    struct prepared *prepared)
{
    size_t words = 0, entries = 0, owned = 0;

    prepared->argv[words++] = GIT_PROGRAM;
    for (size_t i = 0; call->words[i] != NULL && words + 1 < COUNT(prepared->argv); i++)
        prepared->argv[words++] = call->words[i];
    for (size_t i = 0; i < COUNT(environment_fixed); i++)
        prepared->environment[entries++] = environment_fixed[i];
    prepared->owned[owned++] = xformat("GIT_DIR=%s", door->folder[call->folder]);
    prepared->owned[owned++] = xformat("TMPDIR=%s", door->scratch);
    if (call->work_tree) {
        prepared->owned[owned++] = xformat("GIT_WORK_TREE=%s", door->place.work_tree);
        prepared->owned[owned++] = xformat("GIT_INDEX_FILE=%s", door->index);
    }
    for (size_t i = 0; i < owned; i++)
        prepared->environment[entries++] = prepared->owned[i];
    prepared->program = (struct spawn_program){
        .argv = prepared->argv,
        .environment = prepared->environment,
        .folder = call->work_tree ? door->place.work_tree : door->folder[call->folder],
        .in = -1,
        .out = -1,
        .err = -1,
        .patient = call->patient,
    };
}

bool git_run(struct gitdoor *door, const struct git_call *call, struct slice input,
             struct buf *ret_output, int *ret_status, struct fault *fault)
{
    AUTO_PREPARED struct prepared prepared = {0};

    if (!git_folder_ready(door, call->folder, fault))
        return false;
    prepare(door, call, &prepared);
    return spawn_run(&prepared.program, input, ret_output, ret_status, fault) ||
           fault_in(fault, "git %s", call->words[0]);
}

bool git_must(struct gitdoor *door, const struct git_call *call, struct slice input,
              struct buf *ret_output, struct fault *fault)
{
    int status = 0;

    if (!git_run(door, call, input, ret_output, &status, fault))
        return false;
    return status == 0 || fault_in(fault, "git %s", call->words[0]);
}

static bool drain(int fd, bool (*take)(void *self, struct slice bytes, struct fault *fault),
                  void *self, struct fault *fault)
{
    AUTO_BUF struct buf chunk = buf_with_limit(256 * 1024);

    if (!buf_reserve(&chunk, chunk.limit, fault))
        return false;
    for (;;) {
        ssize_t got = read(fd, chunk.at, chunk.limit);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fault_errno(fault, "read from git");
        if (got == 0)
            return true;
        if (!take(self, slice_of_bytes(chunk.at, (size_t)got), fault))
            return false;
    }
}

/* Waits for git; what it said on standard error is in `errors`. */
static bool finish(struct process *process, int errors, const char *verb, struct fault *fault)
{
    char text[ERROR_BYTES];
    ssize_t len;
    int status = 0;

    if (!process_wait(process, -1, &status, fault))
        return fault_in(fault, "git %s", verb);
    if (status == 0)
        return true;
    len = pread(errors, text, sizeof(text), 0);
    return fault_set(fault, FAULT_IO, "git %s ended with %d: %.*s", verb, status,
                     SLICE_ARGS(slice_trim(slice_of_bytes(text, len < 0 ? 0 : (size_t)len))));
}

bool git_stream(struct gitdoor *door, const struct git_call *call, int in,
                bool (*take)(void *self, struct slice bytes, struct fault *fault), void *self,
                struct fault *fault)
{
    AUTO_PREPARED struct prepared prepared = {0};
    AUTO_CLOSE int errors = memfd_create("git errors", MFD_CLOEXEC);
    struct process process = {.pid = -1, .pidfd = -1};
    int ends[2];
    bool ok;

    if (!git_folder_ready(door, call->folder, fault))
        return false;
    if (errors < 0 || pipe2(ends, O_CLOEXEC) < 0)
        return fault_errno(fault, "prepare git %s", call->words[0]);
    prepare(door, call, &prepared);
    prepared.program.in = in;
    prepared.program.out = ends[1];
    prepared.program.err = errors;
    ok = spawn_program(&prepared.program, &process, fault);
    (void)close(ends[1]);
    if (ok)
        ok = drain(ends[0], take, self, fault);
    (void)close(ends[0]);
    if (!ok) {
        process_kill(&process);
        return false;
    }
    return finish(&process, errors, call->words[0], fault);
}

bool git_files(struct gitdoor *door, const struct git_call *call, int in, int out,
               struct fault *fault)
{
    AUTO_PREPARED struct prepared prepared = {0};
    AUTO_CLOSE int errors = memfd_create("git errors", MFD_CLOEXEC);
    struct process process = {.pid = -1, .pidfd = -1};

    if (!git_folder_ready(door, call->folder, fault))
        return false;
    if (errors < 0)
        return fault_errno(fault, "prepare git %s", call->words[0]);
    prepare(door, call, &prepared);
    prepared.program.in = in;
    prepared.program.out = out;
    prepared.program.err = errors;
    return spawn_program(&prepared.program, &process, fault) &&
           finish(&process, errors, call->words[0], fault);
}

bool git_scratch_file(const struct gitdoor *door, int *ret_fd, struct fault *fault)
{
    AUTO_FREE char *name = xformat("%s/stream.XXXXXX", door->scratch);
    int fd = mkostemp(name, O_CLOEXEC);

    if (fd < 0)
        return fault_errno(fault, "make a file in %s", door->scratch);
    (void)unlink(name);
    *ret_fd = fd;
    return true;
}

bool git_oid_line(struct slice text, char ret_oid[GIT_OID_TEXT], struct fault *fault)
{
    struct slice oid = slice_trim(text);

    if (!gitdoor_check_oid(oid, fault))
        return fault_in(fault, "git's answer");
    memcpy(ret_oid, oid.at, GIT_OID_TEXT - 1);
    ret_oid[GIT_OID_TEXT - 1] = 0;
    return true;
}
