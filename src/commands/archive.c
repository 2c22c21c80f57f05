/* custody archive - moves old records to another place, and lets them go at their time. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "commands/table.h"
#include "os/clock_real.h"
#include "roles/records/archiver.h"

#define HOT_DAYS_MIN 90 /* PCI DSS 10.5.1: three months at hand */
#define DAYS_MAX 36500

static const struct option_rule options[] = {
    {"to", "DIR", "a folder outside of the state folder, best on another volume"},
    {"keep", "DAYS", "move what is older; at least 90 (default: policy.yaml, retention.hot)"},
    {"expire", NULL,
     "remove archived records that retention.profile keeps no longer and no hold is about"},
    {"dry-run", NULL, "say what would be done"},
    {0},
};

struct archiving {
    const struct invocation *invocation;
    json_t *rows; /* with --json */
    uint64_t records, held;
    bool has_bar; /* a progress line stands on the terminal */
};

static void on_progress(void *self, const char *what, uint64_t done, uint64_t total)
{
    struct archiving *archiving = self;

    if (!isatty(STDERR_FILENO) || (done != total && done % 64 != 0))
        return;
    archiving->has_bar = done != total;
    (void)fprintf(stderr, "\r%s %llu of %llu bundles%s", what, (unsigned long long)done,
                  (unsigned long long)total, done == total ? "\n" : "");
}

static void on_result(void *self, const struct archiver_result *result)
{
    struct archiving *archiving = self;
    bool expires = invocation_flag(archiving->invocation, "expire");
    bool dry = invocation_flag(archiving->invocation, "dry-run");

    archiving->records += result->records;
    archiving->held += result->held;
    if (archiving->rows != NULL) {
        (void)json_array_append_new(
            archiving->rows, json_pack("{s:s,s:I,s:I,s:I,s:I,s:s}", "ledger", result->shard,
                                       "records", (json_int_t)result->records, "archive_bytes",
                                       (json_int_t)result->archive_bytes, "freed_bytes",
                                       (json_int_t)result->freed_bytes, "held",
                                       (json_int_t)result->held, "hold", result->hold));
        return;
    }
    if (result->records > 0)
        (void)printf("%s: %llu records %s%s", result->shard,
                     (unsigned long long)result->records, dry ? "would be " : "",
                     expires ? "removed" : "moved");
    if (result->records > 0 && !dry)
        (void)printf(", %llu KiB freed%s", (unsigned long long)result->freed_bytes / 1024,
                     expires ? " in the archive" : " here");
    if (result->records > 0)
        (void)puts("");
    if (result->held > 0)
        (void)printf("%s: %llu records are old enough and stay: legal hold %s\n",
                     result->shard, (unsigned long long)result->held, result->hold);
}

static bool read_days(const struct invocation *invocation, int64_t *ret_days,
                      struct fault *fault)
{
    const char *text = invocation_option(invocation, "keep");
    char *end;
    long days;

    if (text == NULL)
        return true;
    errno = 0;
    days = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != 0 || days < HOT_DAYS_MIN || days > DAYS_MAX)
        return fault_set(fault, FAULT_INVALID, "--keep %s: a number of days, %d to %d", text,
                         HOT_DAYS_MIN, DAYS_MAX);
    *ret_days = days;
    return true;
}

static bool check_words(const struct invocation *invocation, struct fault *fault)
{
    bool expires = invocation_flag(invocation, "expire");

    if (!expires && invocation_option(invocation, "to") == NULL)
        return fault_set(fault, FAULT_INVALID, "--to DIR or --expire is needed");
    if (expires && invocation_option(invocation, "keep") != NULL)
        return fault_set(fault, FAULT_INVALID,
                         "--keep goes without --expire: how long records are kept is "
                         "policy.yaml's retention.profile");
    return true;
}

/* Said once, before anything is done: the copy would die with the disk. */
static void warn_of_same_volume(const struct session *session, const char *path)
{
    struct stat here, there;

    if (fstat(session->home.fd, &here) == 0 && stat(path, &there) == 0 &&
        here.st_dev == there.st_dev)
        (void)fprintf(
            stderr, "custody archive: warning: %s is on the same file system as the ledger\n",
            path);
}

static bool find_path(const struct invocation *invocation, const struct session *session,
                      char **ret_path, struct fault *fault)
{
    const char *word = invocation_option(invocation, "to");

    if (word == NULL)
        return true;
    *ret_path = realpath(word, NULL);
    if (*ret_path == NULL)
        return fault_errno(fault, "the archive %s (mount it, or make that folder)", word);
    warn_of_same_volume(session, *ret_path);
    return true;
}

static bool archive(struct archiving *archiving, struct session *session,
                    const struct policy *policy, struct fault *fault)
{
    const struct invocation *invocation = archiving->invocation;
    AUTO_FREE char *path = NULL;
    AUTO_FREE char *person = NULL;
    struct archiver archiver = {.session = session,
                                .policy = policy,
                                .clock = &clock_real,
                                .hot_days = policy->hot_days,
                                .is_dry_run = invocation_flag(invocation, "dry-run"),
                                .progress = {.tell = on_progress, .self = archiving}};

    if (!read_days(invocation, &archiver.hot_days, fault) ||
        !find_path(invocation, session, &path, fault) ||
        !session_requester(policy, NULL, &person, fault))
        return false;
    archiver.path = path;
    archiver.person = person;
    return invocation_flag(invocation, "expire")
               ? archiver_expire(&archiver, on_result, archiving, fault)
               : archiver_move(&archiver, on_result, archiving, fault);
}

static int run(const struct invocation *invocation)
{
    struct archiving archiving = {.invocation = invocation,
                                  .rows = invocation->json ? json_array() : NULL};
    const struct policy_settings *organisation;
    struct policy *policy = NULL;
    struct session session = {.home.fd = -1};
    struct fault fault = {0};
    bool ok = check_words(invocation, &fault) && session_open(&session, &fault) &&
              session_organisation(&session, &organisation, &fault) &&
              policy_build(organisation, NULL, &policy, &fault) &&
              archive(&archiving, &session, policy, &fault);

    policy_free(policy);
    session_close(&session);
    if (archiving.has_bar)
        (void)fputs("\n", stderr);
    if (!ok) {
        json_decref(archiving.rows);
        return command_fail(invocation, &fault);
    }
    if (archiving.rows != NULL)
        command_print_json(archiving.rows);
    else if (archiving.records == 0 && archiving.held == 0)
        (void)puts("nothing is old enough");
    return EXIT_YES;
}

const struct command command_archive = {
    .name = "archive",
    .arguments = "",
    .prints_json = true,
    .summary =
        "Moves old records to an archive, and removes them there at the end of retention",
    .text =
        "Full bundles of 256 records that are all older than retention.hot are packed (zstd) "
        "into DIR,\n"
        "read back, compared with the ledger's hash tiles, recorded, and only then deleted "
        "here. The hash\n"
        "tiles stay, so every proof goes on to work; log, prove and verify find the records "
        "in "
        "DIR.\n"
        "Run it from a timer; where it was cut off, it goes on. With --expire, records that "
        "are in the\n"
        "archive and older than retention.profile keeps them (pci: 1 year, hipaa: 6 years, by "
        "the\n"
        "records' own time) are removed there, unless a legal hold is about one of them.",
    .options = options,
    .run = run,
};
