/*
 * escape - a hostile program for the inside of a cell: tries the ways out, one line each.
 *
 *   escape REPOSITORY [--card PATH NUMBER] [--denied PATH] [--forbidden PATH] [--marker PATH]
 *          [--door PORT]
 *   escape --markdown | --list
 *
 * Exit: 0 all stopped, 1 something got through or was stopped by something else than expected,
 * 3 wrong use.
 */
#include "escape.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define ATTEMPT_SECONDS_MAX 20

static const struct group {
    const char *title;
    const struct attempt *attempts;
    const size_t *count;
} groups[] = {
    {"What the view holds back", attempts_on_content, &attempts_on_content_count},
    {"The same, by other ways and by races", attempts_by_race, &attempts_by_race_count},
    {"What is left behind for others", attempts_by_planting, &attempts_by_planting_count},
    {"The host's files", attempts_on_files, &attempts_on_files_count},
    {"The kernel's doors", attempts_on_kernel, &attempts_on_kernel_count},
    {"The network", attempts_on_network, &attempts_on_network_count},
    {"Processes and limits", attempts_on_processes, &attempts_on_processes_count},
    {"What processes share, and what engines mask", attempts_on_ipc, &attempts_on_ipc_count},
    {"What is seldom used, and what must not be there", attempts_newer, &attempts_newer_count},
};

static const char *const reporters[] = {[BY_READ] = "file.read",
                                        [BY_REFUSAL] = "file.refused",
                                        [BY_WRITE] = "file.written",
                                        [BY_DOOR] = "refused",
                                        [SILENT] = "silent"};

int errno_of(long result)
{
    return result < 0 ? errno : GOT_THROUGH;
}

int errno_of_fd(long fd)
{
    int result = errno_of(fd);

    if (fd >= 0)
        (void)close((int)fd);
    return result;
}

static int try_in_child(const struct attempt *attempt, const struct target *target)
{
    int status = 0;
    pid_t pid;

    (void)fflush(stdout);
    pid = fork();
    if (pid == 0) {
        (void)alarm(ATTEMPT_SECONDS_MAX);
        (void)signal(SIGXFSZ, SIG_IGN); /* a full file is an errno */
        _exit(attempt->act(target));
    }
    if (pid < 0)
        return errno;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (WIFSIGNALED(status))
        return WTERMSIG(status) == SIGSYS ? KILLED : GOT_THROUGH;
    return WEXITSTATUS(status);
}

static const char *name_of(int tried, char *room, size_t size)
{
    const char *name = strerrorname_np(tried);

    if (tried == HELD)
        return "held";
    if (tried == KILLED)
        return "SIGSYS";
    if (tried == NOT_TRIED)
        return "not-tried";
    if (name != NULL)
        return name;
    (void)snprintf(room, size, "%d", tried);
    return room;
}

static int expected_is(const struct attempt *attempt, int tried)
{
    for (size_t i = 0; i < ATTEMPT_ERRNOS_MAX; i++)
        if (tried != GOT_THROUGH && attempt->expected[i] == tried)
            return 1;
    return 0;
}

static int is_wanted(const struct attempt *attempt, const struct target *target)
{
    return (target->only == NULL || strcmp(target->only, attempt->name) == 0) &&
           (target->without == NULL || strcmp(target->without, attempt->name) != 0);
}

/* Tries one; returns 1 when it counts against the cell. */
static int report(const struct attempt *attempt, const struct target *target)
{
    int tried = is_wanted(attempt, target) ? try_in_child(attempt, target) : NOT_TRIED;
    const char *verdict = "stopped";
    char room[16];
    int bad = 0;

    if (tried == NOT_TRIED) {
        verdict = "skipped";
    } else if (tried == GOT_THROUGH) {
        verdict = "ESCAPED";
        bad = 1;
    } else if (!expected_is(attempt, tried)) {
        verdict = "UNEXPECTED";
        bad = 1;
    }
    (void)printf("%-10s %-28s %-13s %s\n", verdict, attempt->name,
                 tried == GOT_THROUGH ? "-" : name_of(tried, room, sizeof(room)),
                 reporters[attempt->reporter]);
    return bad;
}

static int try_all(const struct target *target)
{
    int bad = 0, all = 0;

    for (size_t g = 0; g < COUNT(groups); g++)
        for (size_t i = 0; i < *groups[g].count; i++, all++)
            bad += report(&groups[g].attempts[i], target);
    (void)printf("%d attempts, %d not stopped as expected\n", all, bad);
    return bad == 0 ? 0 : 1;
}

static void print_page(void)
{
    for (size_t g = 0; g < COUNT(groups); g++) {
        (void)printf("\n### %s\n\n| attempt | what it does | stopped by | recorded "
                     "|\n|---|---|---|---|\n",
                     groups[g].title);
        for (size_t i = 0; i < *groups[g].count; i++) {
            const struct attempt *attempt = &groups[g].attempts[i];

            (void)printf("| %s | %s | ", attempt->name, attempt->what);
            for (size_t e = 0; e < ATTEMPT_ERRNOS_MAX && attempt->expected[e] != 0; e++) {
                char room[16];

                (void)printf("%s%s", e == 0 ? "" : ", ",
                             name_of(attempt->expected[e], room, sizeof(room)));
            }
            (void)printf(" | %s |\n", reporters[attempt->reporter]);
        }
    }
}

static void print_list(void)
{
    for (size_t g = 0; g < COUNT(groups); g++)
        for (size_t i = 0; i < *groups[g].count; i++)
            (void)printf("%s %s\n", groups[g].attempts[i].name,
                         reporters[groups[g].attempts[i].reporter]);
}

/* What an attempt runs to see whether the seal lasts over it. */
static int is_sealed(void)
{
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 &&
           prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 2 &&
           mount("escape", "/tmp", "tmpfs", 0, NULL) < 0 && errno == EPERM;
}

static int wrong_use(void)
{
    (void)fprintf(stderr,
                  "escape REPOSITORY [--card PATH NUMBER] [--denied PATH] [--forbidden PATH] "
                  "[--marker PATH] [--door PORT] [--only ATTEMPT] [--without ATTEMPT] | "
                  "escape --markdown | --list\n");
    return 3;
}

int main(int argc, char **argv)
{
    struct target target = {0};

    if (argc == 2 && strcmp(argv[1], "--markdown") == 0) {
        print_page();
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "--sealed") == 0)
        return is_sealed() ? 0 : 1;
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        print_list();
        return 0;
    }
    if (argc < 2 || argv[1][0] != '/')
        return wrong_use();
    target.repository = argv[1];
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--card") == 0 && i + 2 < argc) {
            target.card = argv[++i];
            target.number = argv[++i];
        } else if (strcmp(argv[i], "--denied") == 0 && i + 1 < argc) {
            target.denied = argv[++i];
        } else if (strcmp(argv[i], "--forbidden") == 0 && i + 1 < argc) {
            target.forbidden = argv[++i];
        } else if (strcmp(argv[i], "--marker") == 0 && i + 1 < argc) {
            target.marker = argv[++i];
        } else if (strcmp(argv[i], "--door") == 0 && i + 1 < argc) {
            target.door = (int)strtol(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
            target.only = argv[++i];
        } else if (strcmp(argv[i], "--without") == 0 && i + 1 < argc) {
            target.without = argv[++i];
        } else {
            return wrong_use();
        }
    }
    return try_all(&target);
}
