#include "roles/guard/caller.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/scope.h"
#include "cell/opener.h"
#include "os/proc.h"

#define STATUS_BYTES_MAX 8192
#define PIECE_BYTES                                                                           \
    4096 /* a page: reading never begins in one that is there and ends in none */

/* The last number of the line that begins with `name`. */
static bool status_number(struct slice status, struct slice name, pid_t *ret_number)
{
    struct slice line;

    while (slice_cut(&status, '\n', &line)) {
        char text[128];
        const char *last;

        if (!slice_starts_with(line, name) || line.len >= sizeof(text))
            continue;
        memcpy(text, line.at, line.len);
        text[line.len] = 0;
        last = strrchr(text, '\t');
        if (last == NULL)
            return false;
        *ret_number = (pid_t)strtol(last + 1, NULL, 10);
        return *ret_number > 0;
    }
    return false;
}

static bool read_status(int folder, struct buf *text, struct fault *fault)
{
    AUTO_CLOSE int fd = openat(folder, "status", O_RDONLY | O_CLOEXEC);
    ssize_t got;

    buf_clear(text);
    if (fd < 0 || !buf_reserve(text, STATUS_BYTES_MAX, fault))
        return fault_set(fault, FAULT_MISSING, "a caller is gone");
    got = read(fd, text->at, STATUS_BYTES_MAX);
    if (got <= 0)
        return fault_set(fault, FAULT_MISSING, "a caller is gone");
    text->len = (size_t)got;
    return true;
}

/* The host's /proc knows which numbers it has in the cell, the cell's who started it. */
bool caller_place(struct caller *caller)
{
    AUTO_BUF struct buf status = buf_with_limit(STATUS_BYTES_MAX);
    AUTO_CLOSE int folder = -1;
    struct fault gone = {0};
    struct proc_stat stat;
    char name[16];

    if (caller->process > 0)
        return true;
    if (!read_status(caller->proc, &status, &gone) ||
        !status_number(buf_slice(&status), SLICE("NSpid:"), &caller->thread_inside) ||
        !status_number(buf_slice(&status), SLICE("NStgid:"), &caller->process))
        return false;
    (void)snprintf(name, sizeof(name), "%d", (int)caller->process);
    folder = openat(caller->cell_proc, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder >= 0 && proc_stat_read(folder, &stat)) {
        caller->parent = stat.parent;
        caller->started = stat.started;
    }
    return true;
}

mode_t caller_umask(const struct caller *caller)
{
    AUTO_BUF struct buf status = buf_with_limit(STATUS_BYTES_MAX);
    struct fault gone = {0};
    struct slice rest, line;

    if (!read_status(caller->proc, &status, &gone))
        return 077;
    (void)buf_text(&status);
    rest = buf_slice(&status);
    while (slice_cut(&rest, '\n', &line))
        if (slice_starts_with(line, SLICE("Umask:")))
            return (mode_t)strtoul((const char *)line.at + strlen("Umask:"), NULL, 8) & 0777;
    return 077;
}

bool caller_open(int host_proc, int cell_proc, int opener, pid_t thread,
                 struct caller *ret_caller, struct fault *fault)
{
    char name[16];

    *ret_caller =
        (struct caller){.thread = thread, .proc = -1, .memory = -1, .cell_proc = cell_proc};
    (void)snprintf(name, sizeof(name), "%d", (int)thread);
    ret_caller->proc = openat(host_proc, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (ret_caller->proc >= 0 && opener < 0)
        ret_caller->memory = openat(ret_caller->proc, "mem", O_RDONLY | O_CLOEXEC);
    else if (ret_caller->proc >= 0)
        errno = opener_ask(opener, thread, &ret_caller->memory);
    if (ret_caller->memory >= 0)
        return true;
    return errno == ENOENT || errno == ESRCH
               ? fault_set(fault, FAULT_MISSING, "a caller is gone")
               : fault_errno(fault, "look into a process of the cell");
}

void caller_close(struct caller *caller)
{
    scope_close(&caller->memory);
    scope_close(&caller->proc);
}

/* Up to the end of the page; 0: there is none. */
static size_t read_piece(const struct caller *caller, uint64_t address, uint8_t *room)
{
    size_t len = PIECE_BYTES - (size_t)(address % PIECE_BYTES);
    ssize_t got;

    if (address > INT64_MAX - PIECE_BYTES)
        return 0;
    got = pread(caller->memory, room, len, (off_t)address);
    return got < 0 ? 0 : (size_t)got;
}

/* Adds a text to `text`, at most `most` bytes of it. ret_whole: its end was reached. */
static bool add_text(const struct caller *caller, uint64_t address, size_t most,
                     struct buf *text, bool *ret_whole, struct fault *fault)
{
    uint8_t piece[PIECE_BYTES];

    *ret_whole = false;
    while (most > 0) {
        size_t len = read_piece(caller, address, piece);
        const uint8_t *end;
        size_t take;

        if (len == 0)
            return fault_set(fault, FAULT_INVALID, "a text of the caller's is not there");
        if (len > most)
            len = most;
        end = memchr(piece, 0, len);
        take = end == NULL ? len : (size_t)(end - piece);
        if (!buf_add(text, slice_of_bytes(piece, take), fault))
            return false;
        if (end != NULL) {
            *ret_whole = true;
            return true;
        }
        address += len;
        most -= len;
    }
    return true;
}

bool caller_bytes(const struct caller *caller, uint64_t address, void *ret_bytes, size_t len)
{
    return address <= (uint64_t)INT64_MAX - len &&
           pread(caller->memory, ret_bytes, len, (off_t)address) == (ssize_t)len;
}

bool caller_text(const struct caller *caller, uint64_t address, struct buf *ret_text,
                 struct fault *fault)
{
    bool whole;

    buf_clear(ret_text);
    if (!add_text(caller, address, CALLER_PATH_BYTES_MAX, ret_text, &whole, fault))
        return false;
    return whole ||
           fault_set(fault, FAULT_LIMIT, "a path longer than %d bytes", CALLER_PATH_BYTES_MAX);
}

bool caller_arguments(const struct caller *caller, uint64_t address, struct buf *ret_text,
                      size_t *ret_count, struct fault *fault)
{
    uint64_t pointers[PIECE_BYTES / sizeof(uint64_t)];
    size_t count = 0, in = 0, at = 0;

    buf_clear(ret_text);
    *ret_count = 0;
    if (address == 0) /* Linux takes it for an empty vector */
        return true;
    while (count < CALLER_ARGUMENTS_MAX) {
        size_t left = CALLER_ARGUMENT_BYTES_MAX - ret_text->len;
        bool whole;

        if (at == in) {
            in = read_piece(caller, address, (uint8_t *)pointers) / sizeof(pointers[0]);
            at = 0;
            if (in == 0)
                return fault_set(fault, FAULT_INVALID,
                                 "arguments of the caller are not there");
        }
        address += sizeof(pointers[0]);
        if (pointers[at] == 0)
            break;
        if (left > 1 && (!add_text(caller, pointers[at], left - 1, ret_text, &whole, fault) ||
                         !buf_add_byte(ret_text, 0, fault)))
            return false;
        at++;
        count++;
    }
    *ret_count = count;
    return true;
}

bool caller_open_number(const struct caller *caller, int number, int *ret_fd,
                        struct fault *fault)
{
    char link[32];
    int fd;

    (void)snprintf(link, sizeof(link), "fd/%d", number);
    fd = openat(caller->proc, link, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return fault_errno(fault, "find descriptor %d of a caller", number);
    *ret_fd = fd;
    return true;
}
