/*
 * bench/make-records.c - a ledger of many records, signed, that custody-verify accepts: the
 * same content every time, but for what is random in a key. For bench/log and for tests.
 *
 *   make-records HOME RECORDS [calls]
 *
 * calls: every record is the intent of a model call, with its lineage.
 *
 * What agents do, roughly: some 32 runs at a time out of 4,000, each of one or two agents on
 * one of 20 repositories; files by a law of few that are read often out of 100,000; a year.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/scope.h"
#include "ledger/log.h"
#include "os/file.h"
#include "roles/ledger_role/ledger.h"
#include "wire/record.h"

#define RUNS 4000
#define RUNS_AT_ONCE 32
#define PATHS 100000
#define REPOSITORIES 20
#define YEAR_US (INT64_C(365) * 86400 * 1000000)
#define BEGIN_US (INT64_C(1735689600) * 1000000) /* 2025-01-01 */

struct source {
    char name[40];
    uint64_t run;
    uint64_t seq;
    struct tree_hash last;
    uint64_t intent;
};

struct making {
    struct log *log;
    uint64_t random;
    uint64_t count;
    bool only_calls;
    struct source sources[RUNS_AT_ONCE];
    struct buf leaf;
};

/* splitmix64: the same on every machine. */
static uint64_t draw(struct making *making)
{
    uint64_t value = making->random += UINT64_C(0x9e3779b97f4a7c15);

    value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
    return value ^ value >> 31;
}

static uint64_t below(struct making *making, uint64_t limit)
{
    return draw(making) % limit;
}

/* Few paths are read often: the product of two draws. */
static uint64_t draw_path(struct making *making)
{
    uint64_t wide = below(making, PATHS) * below(making, PATHS) / PATHS;

    return below(making, 4) == 0 ? below(making, PATHS) : wide * below(making, 1000) / 1000;
}

/* What happens, per thousand records. */
static const struct share {
    unsigned share;
    enum record_type type;
    const char *class, *verdict, *outcome;
    bool has_path;
} shares[] = {
    {690, RECORD_FILE_READ, "code", "allow", NULL, true},
    {60, RECORD_FILE_WRITTEN, "code", "allow", NULL, true},
    {60, RECORD_EXEC, NULL, NULL, NULL, false},
    {70, RECORD_MODEL_INTENT, "code", "allow", "intended", false},
    {70, RECORD_MODEL_OUTCOME, NULL, NULL, "ok", false},
    {30, RECORD_FILE_REDACTED, "phi", "redact", NULL, true},
    {9, RECORD_FILE_REDACTED, "pan", "redact", NULL, true},
    {4, RECORD_FILE_REFUSED, "secret", "deny", "refused", true},
    {3, RECORD_REFUSED, NULL, "deny", "refused", false},
    {2, RECORD_CHANGE_MADE, NULL, NULL, NULL, false},
    {1, RECORD_APPROVAL_GIVEN, NULL, NULL, NULL, false},
    {1, RECORD_CHANGE_LANDED, NULL, NULL, NULL, false},
};

static const struct share *draw_share(struct making *making)
{
    uint64_t at = below(making, 1000);
    size_t i = 0;

    while (i + 1 < COUNT(shares) && at >= shares[i].share)
        at -= shares[i++].share;
    return &shares[i];
}

static void path_of(uint64_t number, char *ret_path, size_t room)
{
    static const char *const ends[] = {"c", "h", "py", "md", "hl7", "csv", "json", "ts"};

    (void)snprintf(ret_path, room, "%s/module%02llu/part%02llu/file%llu.%s",
                   number % 50 == 0 ? "fixtures/patients" : "src",
                   (unsigned long long)(number / 1000), (unsigned long long)(number / 50 % 20),
                   (unsigned long long)number, ends[number % COUNT(ends)]);
}

struct words {
    char run[32], agent[96], path[128], change[32], person[16], tree[41], lineage[1024];
};

/* One to five files of a call. */
static void lineage_of(struct making *making, char *ret_list, size_t room)
{
    uint64_t files = 1 + below(making, 5);
    size_t at = 0;

    for (uint64_t i = 0; i < files; i++) {
        char path[128];

        path_of(draw_path(making), path, sizeof(path));
        at += (size_t)snprintf(ret_list + at, room - at, "%s%s %040llx 1-%llu",
                               i == 0 ? "" : ";", path, (unsigned long long)i,
                               (unsigned long long)(1 + below(making, 200)));
    }
}

static void fill(struct making *making, struct source *source, struct words *words,
                 struct record *record)
{
    static const char *const people[] = {"maria", "tom", "ada", "grace"};
    const struct share *share = making->only_calls ? &shares[3] : draw_share(making);
    unsigned long long run = source->run;

    record_begin(record, share->type);
    (void)snprintf(words->run, sizeof(words->run), "r-2025-%05llu", run);
    (void)snprintf(words->agent, sizeof(words->agent), "%s@repository%02llu#%s",
                   below(making, 5) == 0 ? "planner" : "coder", run % REPOSITORIES,
                   words->run);
    record_word(record, RECORD_RUN, words->run);
    record_word(record, RECORD_AGENT, words->agent);
    record_word(record, RECORD_ON_BEHALF_OF, people[run % COUNT(people)]);
    record_word(record, RECORD_CLASS, share->class);
    record_word(record, RECORD_VERDICT, share->verdict);
    record_word(record, RECORD_OUTCOME, share->outcome);
    if (share->has_path) {
        path_of(draw_path(making), words->path, sizeof(words->path));
        record_word(record, RECORD_PATH, words->path);
    }
    switch ((int)share->type) {
    case RECORD_FILE_WRITTEN:
        record_word(record, RECORD_OPERATION, "modify");
        break;
    case RECORD_EXEC:
        record_word(record, RECORD_EXECUTABLE, "/usr/bin/make");
        break;
    case RECORD_MODEL_INTENT:
        record_word(record, RECORD_MODEL, "onprem");
        record_word(record, RECORD_PROVIDER, "onprem");
        record_word(record, RECORD_RESIDENCY, run % 3 == 0 ? "us" : "on-premises");
        lineage_of(making, words->lineage, sizeof(words->lineage));
        record_word(record, RECORD_LINEAGE, words->lineage);
        source->intent = source->seq;
        break;
    case RECORD_MODEL_OUTCOME:
        record_number(record, RECORD_INTENT, (int64_t)source->intent);
        record_number(record, RECORD_TOKENS_IN, (int64_t)below(making, 20000));
        record_number(record, RECORD_TOKENS_OUT, (int64_t)below(making, 2000));
        break;
    case RECORD_REFUSED:
        record_word(record, RECORD_REASON, "network");
        break;
    case RECORD_CHANGE_MADE:
    case RECORD_APPROVAL_GIVEN:
    case RECORD_CHANGE_LANDED:
        (void)snprintf(words->change, sizeof(words->change), "c-2025-%05llu", run);
        (void)snprintf(words->tree, sizeof(words->tree), "%040llx", run);
        record_word(record, RECORD_CHANGE, words->change);
        record_word(record, RECORD_TREE, words->tree);
        if (share->type == RECORD_APPROVAL_GIVEN)
            record_word(record, RECORD_PERSON, people[below(making, COUNT(people))]);
        break;
    default:
        break;
    }
}

static bool add_record(struct making *making, uint64_t index, struct fault *fault)
{
    struct source *source = &making->sources[below(making, RUNS_AT_ONCE)];
    uint64_t salt[2] = {draw(making), draw(making)};
    struct record_header header = {
        .seq = source->seq,
        .prev = source->last.at,
        .salt = (const uint8_t *)salt,
        .t_us = BEGIN_US + (int64_t)((double)YEAR_US / (double)making->count * (double)index) +
                (int64_t)below(making, 1000),
    };
    struct record record;
    struct words words;
    uint64_t ignored;

    /* A run ends after its share of the records, and another begins. */
    if (source->name[0] == 0 || source->seq >= making->count / RUNS + 1) {
        uint64_t run = source->name[0] == 0 ? (uint64_t)(source - making->sources)
                                            : source->run + RUNS_AT_ONCE;

        *source = (struct source){.run = run};
        (void)snprintf(source->name, sizeof(source->name), "view/%llu~0.%llu",
                       (unsigned long long)run, (unsigned long long)run);
        header.seq = 0;
        header.prev = source->last.at;
    }
    header.src = slice_of(source->name);
    fill(making, source, &words, &record);
    buf_clear(&making->leaf);
    if (!record_encode(&record, &header, &making->leaf, fault) ||
        !log_append(making->log, buf_slice(&making->leaf), &ignored, &source->last, fault))
        return false;
    source->seq++;
    return true;
}

static bool make(const char *home, uint64_t count, bool only_calls, struct fault *fault)
{
    AUTO_BUF_SECRET struct buf skey = buf_with_limit(1024);
    AUTO_CLOSE int fd = -1, folder = -1;
    struct making *making = xalloc(sizeof(*making));
    struct note_signer *signer = NULL;
    struct log_recovery recovery;
    bool ok;

    making->count = count;
    making->only_calls = only_calls;
    making->leaf = buf_with_limit(RECORD_BYTES_MAX);
    if (mkdir(home, 0755) != 0)
        return fault_errno(fault, "make %s", home);
    fd = open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ok = fd >= 0 && ledger_keys_make(fd, fault) &&
         file_read(fd, "keys/ledger.key", &skey, fault) &&
         note_signer_parse(slice_trim(buf_slice(&skey)), &signer, fault) &&
         file_open_folder(fd, "ledger", 0755, &folder, fault) &&
         log_open(folder, signer, NULL, NULL, &making->log, &recovery, fault);
    for (uint64_t i = 0; ok && i < count; i++) {
        ok = add_record(making, i, fault);
        if (ok && log_batch_bytes(making->log) > 200 * 1024)
            ok = log_commit(making->log, fault);
    }
    ok = ok && log_close(making->log, fault);
    log_free(making->log);
    note_signer_free(signer);
    buf_free(&making->leaf);
    free(making);
    return ok;
}

int main(int argc, char **argv)
{
    struct fault fault = {0};
    unsigned long long count = argc >= 3 ? strtoull(argv[2], NULL, 10) : 0;

    if (argc < 3 || argc > 4 || (argc == 4 && strcmp(argv[3], "calls") != 0)) {
        (void)fprintf(stderr, "usage: make-records HOME RECORDS [calls]\n");
        return 3;
    }
    if (!make(argv[1], count, argc == 4, &fault)) {
        (void)fprintf(stderr, "make-records: %s\n", fault.why);
        return 1;
    }
    return 0;
}
