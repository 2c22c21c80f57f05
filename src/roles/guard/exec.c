/*
 * A program is about to be started. What is told of it is what the caller says; the kernel
 * looks again.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/hex.h"
#include "base/scope.h"
#include "ledger/ledger.h"
#include "roles/guard/parts.h"

#define INTERPRETERS_MAX 5 /* as Linux */

/* What is asked for. */
struct asked {
    int folder;
    uint64_t path, arguments;
    unsigned flags;
};

/* What it comes to. */
struct found {
    char program
        [CALLER_PATH_BYTES_MAX]; /* as the kernel will name it; "" where nobody can say */
    uint8_t digest[PROGRAM_DIGEST_BYTES];
    uint8_t script[PROGRAM_DIGEST_BYTES];
    bool has_digest, is_script;
    bool unseen; /* a file of the view: its content is in the view's records */
    struct seen_file file;
    size_t argument_count;
    char command[2 * COMMITMENT_BYTES + 1];
    uint8_t command_bytes[COMMITMENT_BYTES];
};

/* As the kernel would walk it, for the caller: its own "/proc/self" is not the guard's. */
static int find_path(struct guard *guard, struct caller *caller, const struct reach_wish *wish,
                     int *ret_fd)
{
    struct reached reached = {.fd = -1};
    int error = reach_open(&guard->reach, caller, wish, &reached);

    *ret_fd = reached.fd;
    return error;
}

/* The path that is told: absolute, by its letters; as it was said where its folder is gone. */
static void spell_asked(struct guard *guard, struct caller *caller,
                        const struct reach_wish *wish)
{
    struct fault unsaid = {0};

    if (reach_spell(&guard->reach, caller, wish, &guard->whole) == 0)
        return;
    buf_clear(&guard->whole);
    (void)!buf_add(&guard->whole, buf_slice(&guard->path), &unsaid);
}

static int open_asked(struct guard *guard, struct caller *caller, const struct asked *asked,
                      int *ret_fd)
{
    struct reach_wish wish = {
        .folder = asked->folder, .path = buf_text(&guard->path), .flags = O_PATH};
    struct fault fault = {0};

    buf_clear(&guard->whole);
    if ((asked->flags & AT_SYMLINK_NOFOLLOW) != 0)
        wish.flags |= O_NOFOLLOW;
    if (guard->path.len > 0) {
        spell_asked(guard, caller, &wish);
        return find_path(guard, caller, &wish, ret_fd);
    }
    if ((asked->flags & AT_EMPTY_PATH) == 0)
        return ENOENT;
    errno = 0;
    return caller_open_number(caller, asked->folder, ret_fd, &fault) ? 0
           : errno == 0                                              ? EINVAL
                                                                     : errno;
}

/* "#!/bin/sh -e": the interpreter. */
static struct slice interpreter_of(struct slice head)
{
    struct slice rest = head, line = {0}, word = {0};

    if (!slice_starts_with(head, SLICE("#!")) || !slice_cut(&rest, '\n', &line))
        return (struct slice){0};
    line = slice_trim(slice_part(line, 2, line.len));
    if (!slice_cut(&line, ' ', &word))
        return (struct slice){0};
    rest = word;
    return slice_cut(&rest, '\t', &word) ? word : (struct slice){0};
}

static void name_program(int fd, struct found *found)
{
    char link[32];
    ssize_t len;

    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    len = readlink(link, found->program, sizeof(found->program) - 1);
    found->program[len < 0 ? 0 : len] = 0;
}

/* A file of the view is not read here: that would be a read of the agent's that nobody did. */
static bool is_in_view(int fd)
{
    struct statfs statfs;

    return fstatfs(fd, &statfs) < 0 || statfs.f_type == FUSE_SUPER_MAGIC;
}

/* Goes from script to interpreter. 0, or the errno that the kernel would give. */
static int follow(struct guard *guard, struct caller *caller, int *fd, struct found *found)
{
    for (int step = 0; step < INTERPRETERS_MAX; step++) {
        struct fault unread = {0};
        struct slice interpreter;
        struct stat stat;
        char path[CALLER_PATH_BYTES_MAX];
        const struct reach_wish wish = {.folder = AT_FDCWD, .path = path, .flags = O_PATH};
        int next, error;

        if (fstat(*fd, &stat) < 0)
            return EACCES;
        if (S_ISLNK(stat.st_mode)) /* AT_SYMLINK_NOFOLLOW */
            return ELOOP;
        if (!S_ISREG(stat.st_mode) || (stat.st_mode & 0111) == 0)
            return EACCES;
        name_program(*fd, found);
        found->unseen = is_in_view(*fd);
        if (found->unseen) {
            found->file = (struct seen_file){0}; /* it may be a script */
            return 0;
        }
        found->file = (struct seen_file){stat.st_dev, stat.st_ino};
        found->has_digest =
            programs_digest(guard->programs, *fd, &stat, found->digest, &unread);
        if (!programs_head(*fd, &guard->head, &unread))
            return 0;
        interpreter = interpreter_of(buf_slice(&guard->head));
        if (interpreter.len == 0 || interpreter.len >= sizeof(path))
            return 0;
        if (step == 0 && found->has_digest) {
            found->is_script = true;
            memcpy(found->script, found->digest, sizeof(found->script));
        }
        memcpy(path, interpreter.at, interpreter.len);
        path[interpreter.len] = 0;
        error = find_path(guard, caller, &wish, &next);
        if (error == EACCES) { /* it is in the view: the kernel finds it */
            found->file = (struct seen_file){0};
            return 0;
        }
        if (error != 0)
            return error;
        (void)close(*fd);
        *fd = next;
    }
    return ELOOP;
}

static bool commit(struct guard *guard, struct found *found, struct fault *fault)
{
    const uint8_t *key = guard->config->command_key;

    if (!commitment_make(key, COMMITMENT_COMMAND, buf_slice(&guard->arguments),
                         found->command_bytes, fault))
        return false;
    hex_encode(slice_of_bytes(found->command_bytes, COMMITMENT_BYTES), found->command);
    return true;
}

static bool within_records(struct guard *guard, struct fault *fault)
{
    return guard->programs_recorded++ < guard->config->records_max ||
           fault_set(fault, FAULT_LIMIT, "more than %llu programs to record",
                     (unsigned long long)guard->config->records_max);
}

static bool record_exec(struct guard *guard, const struct caller *caller,
                        const struct found *found, struct fault *fault)
{
    AUTO_BUF struct buf program = buf_with_limit(4 * CALLER_PATH_BYTES_MAX);
    char digest[2 * PROGRAM_DIGEST_BYTES + 1], script[2 * PROGRAM_DIGEST_BYTES + 1];
    struct record record;

    guard_record_begin(guard, caller, RECORD_EXEC, &record);
    buf_clear(&guard->text);
    if (!record_printable(buf_slice(&guard->whole), &guard->text, fault) ||
        !record_printable(slice_of(found->program), &program, fault))
        return false;
    if (guard->text.len > 0)
        record_text(&record, RECORD_PATH, buf_slice(&guard->text));
    if (program.len > 0)
        record_text(&record, RECORD_EXECUTABLE, buf_slice(&program));
    if (found->has_digest) {
        hex_encode(slice_of_bytes(found->digest, sizeof(found->digest)), digest);
        record_word(&record, RECORD_EXECUTABLE_DIGEST, digest);
    }
    if (found->is_script) {
        hex_encode(slice_of_bytes(found->script, sizeof(found->script)), script);
        record_word(&record, RECORD_DIGEST, script);
    }
    record_word(&record, RECORD_COMMAND, found->command);
    record_number(&record, RECORD_COUNT, (int64_t)found->argument_count);
    if (found->unseen)
        record_word(&record, RECORD_REASON, "in-view");
    record_word(&record, RECORD_OUTCOME, "ok");
    return ledger_record(guard->ledger, &record, NULL, fault);
}

/* 0, or the errno of a call whose words cannot be read: it must not go on unseen. */
static int read_words(struct guard *guard, const struct caller *caller,
                      const struct asked *asked, struct found *found)
{
    struct fault fault = {0};

    if (caller_text(caller, asked->path, &guard->path, &fault) &&
        caller_arguments(caller, asked->arguments, &guard->arguments, &found->argument_count,
                         &fault))
        return 0;
    return fault.kind == FAULT_LIMIT ? ENAMETOOLONG : EFAULT;
}

/* What the caller runs while it asks for something else. */
struct running {
    char path[CALLER_PATH_BYTES_MAX];
    struct seen_file file;
};

static void find_running(const struct caller *caller, struct running *ret_running)
{
    ssize_t len =
        readlinkat(caller->proc, "exe", ret_running->path, sizeof(ret_running->path) - 1);
    struct stat stat;

    ret_running->path[len < 0 ? 0 : len] = 0;
    ret_running->file = (struct seen_file){0};
    if (fstatat(caller->proc, "exe", &stat, 0) == 0)
        ret_running->file = (struct seen_file){stat.st_dev, stat.st_ino};
}

static void add_digest(struct guard *guard, const struct caller *caller, char *room,
                       struct record *record)
{
    AUTO_CLOSE int fd = openat(caller->proc, "exe", O_PATH | O_CLOEXEC);
    uint8_t digest[PROGRAM_DIGEST_BYTES];
    struct fault unread = {0};
    struct stat stat;

    if (fd < 0 || fstat(fd, &stat) < 0 || !S_ISREG(stat.st_mode) || is_in_view(fd) ||
        !programs_digest(guard->programs, fd, &stat, digest, &unread))
        return;
    hex_encode(slice_of_bytes(digest, sizeof(digest)), room);
    record_word(record, RECORD_EXECUTABLE_DIGEST, room);
}

/*
 * Who asks for a second program shows what became of the first: another one was put in its
 * place while it was let go on, and this is what really ran.
 */
static bool check_truth(struct guard *guard, const struct caller *caller,
                        const struct running *running)
{
    char digest[2 * PROGRAM_DIGEST_BYTES + 1];
    struct record record;

    if (running->file.inode == 0 ||
        !seen_is_other(guard->seen, caller->process, caller->started, running->file))
        return true;
    guard_record_begin(guard, caller, RECORD_EXEC, &record);
    buf_clear(&guard->text);
    if (!record_printable(slice_of(running->path), &guard->text, &guard->fault))
        return false;
    record_text(&record, RECORD_EXECUTABLE, buf_slice(&guard->text));
    add_digest(guard, caller, digest, &record);
    record_word(&record, RECORD_REASON, "not-as-asked");
    record_word(&record, RECORD_OUTCOME, "ok");
    return ledger_record(guard->ledger, &record, NULL, &guard->fault);
}

static enum guard_verdict tell_refused(struct guard *guard, struct caller *caller,
                                       const char *reason, struct slice path)
{
    const struct guard_refusal refusal = {.reason = reason, .path = path};

    return guard_is_waiting(guard) && !guard_refused(guard, caller, &refusal) ? GUARD_END
                                                                              : GUARD_REFUSE;
}

static enum guard_verdict judge_exec(struct guard *guard, struct caller *caller,
                                     const struct asked *asked, int *ret_error)
{
    struct found found = {0};
    struct running running;
    AUTO_CLOSE int fd = -1;
    int error;

    *ret_error = EPERM;
    if (!caller_place(caller)) /* nobody waits for it, or nothing can be said of it */
        return GUARD_REFUSE;
    find_running(caller, &running);
    if (!guard_find_root(guard, caller) || !check_truth(guard, caller, &running))
        return GUARD_END;
    *ret_error = read_words(guard, caller, asked, &found);
    if (*ret_error != 0)
        return tell_refused(guard, caller, "exec-unreadable", (struct slice){0});
    error = open_asked(guard, caller, asked, &fd);
    /* An ordinary user's view lets nobody outside the cell's own user namespace in. */
    found.unseen = error == EACCES;
    if (error == 0)
        error = follow(guard, caller, &fd, &found);
    if (error != 0 && !found.unseen) {
        *ret_error = error;
        return error == EACCES || error == EPERM
                   ? tell_refused(guard, caller, "exec", buf_slice(&guard->whole))
                   : GUARD_REFUSE; /* a search goes on elsewhere */
    }
    if (!guard_is_waiting(guard)) /* and what was read may be another's */
        return GUARD_REFUSE;
    if (!within_records(guard, &guard->fault) || !commit(guard, &found, &guard->fault) ||
        !record_exec(guard, caller, &found, &guard->fault))
        return GUARD_END;
    if (found.has_digest)
        seen_put_program(guard->seen, slice_of(found.program), found.digest);
    seen_put_process(
        guard->seen,
        &(struct seen_start){.pid = caller->process,
                             .parent = caller->parent,
                             .started = caller->started,
                             .program = found.unseen ? SLICE("") : slice_of(found.program),
                             .program_file = found.file,
                             .before = slice_of(running.path),
                             .before_file = running.file,
                             .command = found.command_bytes});
    return GUARD_CONTINUE;
}

enum guard_verdict guard_execve(struct guard *guard, struct caller *caller, int *ret_error)
{
    const uint64_t *argument = (const uint64_t *)guard->call->data.args;
    const struct asked asked = {
        .folder = AT_FDCWD, .path = argument[0], .arguments = argument[1]};

    return judge_exec(guard, caller, &asked, ret_error);
}

enum guard_verdict guard_execveat(struct guard *guard, struct caller *caller, int *ret_error)
{
    const uint64_t *argument = (const uint64_t *)guard->call->data.args;
    const struct asked asked = {.folder = (int)argument[0],
                                .path = argument[1],
                                .arguments = argument[2],
                                .flags = (unsigned)argument[4]};

    return judge_exec(guard, caller, &asked, ret_error);
}
