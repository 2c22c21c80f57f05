/*
 * escape.h - attempts of a hostile program in a cell, as tables.
 *
 * An attempt runs in a child of its own. It returns 0 when it got through, an errno when it
 * was refused, or one of enum tried.
 */
#ifndef CUSTODY_TESTS_ESCAPE_H
#define CUSTODY_TESTS_ESCAPE_H

#include <stddef.h>

#define ATTEMPT_ERRNOS_MAX 4
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum tried {
    GOT_THROUGH = 0,
    HELD = 251,      /* stopped in a way that is no errno */
    NOT_TRIED = 252, /* nothing was named to try it on */
    KILLED = 253,    /* expected of the kernel: SIGSYS */
};

/* Which record tells of it. A silent refusal is covered by the run's cell.enforced records,
 * which name the refused calls, the filter's digest and the mechanisms. */
enum reporter {
    BY_READ,    /* file.read and file.redacted, of the view */
    BY_REFUSAL, /* file.refused, of the view */
    BY_WRITE,   /* file.written: what was written is judged when the change is made */
    BY_DOOR,    /* refused, of the door */
    SILENT,
};

/* What the caller planted; NULL or 0 where it planted nothing. Paths are below the repository.
 */
struct target {
    const char *only, *without; /* names of attempts, or NULL */
    const char *repository;
    const char *card, *number;
    const char *denied;
    const char *forbidden; /* in a folder that is not there yet, or at the top */
    const char *marker; /* absolute; whatever runs outside by what was planted would make it */
    int door;
};

struct attempt {
    const char *name;
    const char *what; /* for the page */
    int (*act)(const struct target *target);
    int expected[ATTEMPT_ERRNOS_MAX]; /* errnos, HELD or KILLED */
    enum reporter reporter;
};

extern const struct attempt attempts_on_content[];
extern const size_t attempts_on_content_count;
extern const struct attempt attempts_by_race[];
extern const size_t attempts_by_race_count;
extern const struct attempt attempts_by_planting[];
extern const size_t attempts_by_planting_count;
extern const struct attempt attempts_newer[];
extern const size_t attempts_newer_count;
extern const struct attempt attempts_on_ipc[];
extern const size_t attempts_on_ipc_count;
extern const struct attempt attempts_on_files[];
extern const size_t attempts_on_files_count;
extern const struct attempt attempts_on_kernel[];
extern const size_t attempts_on_kernel_count;
extern const struct attempt attempts_on_network[];
extern const size_t attempts_on_network_count;
extern const struct attempt attempts_on_processes[];
extern const size_t attempts_on_processes_count;

#define FILE_BYTES_MAX (4 * 1024 * 1024)
#define PATH_ROOM 4300

/* The path of something in the repository, put into `room`. */
const char *in_repository(const struct target *target, const char *path, char room[PATH_ROOM]);
/* GOT_THROUGH when the real number stands in what fd gives; closes fd. */
int look_into(const struct target *target, int fd);
/* Runs git in the repository and looks for the number in what it prints. */
int look_into_git(const struct target *target, const char *const *words);

/* 0, or errno, of a call that returns below 0 on failure. */
int errno_of(long result);
/* As errno_of, but closes a descriptor that was got. */
int errno_of_fd(long fd);

#endif
