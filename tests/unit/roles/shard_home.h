/* tests/unit/roles/shard_home.h - a state folder with shards, a clock of one's own, a verdict.
 */
#ifndef CUSTODY_TESTS_UNIT_ROLES_SHARD_HOME_H
#define CUSTODY_TESTS_UNIT_ROLES_SHARD_HOME_H

#include "ledger/fixture.h"

#include <sys/stat.h>

#include "ledger/shards.h"
#include "ledger/verify_files.h"
#include "roles/ledger_role/ledger.h"
#include "roles/ledger_role/parts.h"
#include "roles/ledger_role/shard.h"
#include "roles/ledger_role/writer.h"

#define SHARDS_AT_MOST 8
#define NOON_US INT64_C(1798200000000000) /* 2026-12-25T12:00:00Z */
#define YEAR_US (INT64_C(366) * 86400 * 1000000)

static int64_t shard_time_us = NOON_US;

static inline int64_t shard_now_us(void *self)
{
    (void)self;
    return shard_time_us;
}

static const struct clock shard_clock = {.now_us = shard_now_us, .monotonic_us = shard_now_us};

static inline void shard_write(int folder, const struct note_signer *signer, size_t count)
{
    struct ledger_writer *writer;
    struct fault fault = {0};

    assert_ok(ledger_writer_open(folder, signer, &shard_clock, &writer, &fault), fault);
    for (size_t i = 0; i < count; i++)
        assert_ok(ledger_writer_heartbeat(writer, &fault), fault);
    assert_ok(ledger_writer_close(writer, &fault), fault);
    ledger_writer_free(writer);
}

/* As a daemon does: what is to be done first, is. */
static inline void shard_run(const struct fixture *home, size_t count)
{
    struct note_signer *signer;
    struct fault fault = {0};
    int folder, lock;

    assert_ok(ledger_current(home->folder, &shard_clock, &folder, &lock, &fault), fault);
    assert_ok(ledger_signer(home->folder, "keys/ledger.key", &signer, &fault), fault);
    shard_write(folder, signer, count);
    note_signer_free(signer);
    (void)close(lock);
    (void)close(folder);
}

static inline struct fixture shard_home_in(const char *parent)
{
    struct fixture home = fixture_make_in(parent);
    struct fault fault = {0};

    shard_time_us = NOON_US;
    assert_ok(ledger_keys_make(home.folder, &fault), fault);
    shard_run(&home, 3);
    return home;
}

static inline struct fixture shard_home(void)
{
    return shard_home_in("/tmp");
}

static inline bool shard_try_turn(const struct fixture *home, enum ledger_turn_reason reason,
                                  struct fault *fault)
{
    struct ledger_turn turn = {.reason = reason, .person = "maria"};
    AUTO_CLOSE int folder = -1;
    AUTO_CLOSE int lock = -1;

    return ledger_current(home->folder, &shard_clock, &folder, &lock, fault) &&
           ledger_turn(home->folder, folder, &turn, &shard_clock, fault);
}

static inline void shard_turn(const struct fixture *home, enum ledger_turn_reason reason)
{
    struct fault fault = {0};

    assert_ok(shard_try_turn(home, reason, &fault), fault);
}

static inline char *shard_vkey(const struct fixture *home, const char *name)
{
    AUTO_BUF struct buf text = buf_with_limit(4096);
    struct fault fault = {0};

    assert_ok(file_read(home->folder, name, &text, &fault), fault);
    return slice_dup(slice_trim(buf_slice(&text)));
}

struct shard_verdict {
    struct verify_report report;
    struct verify_shard shards[SHARDS_AT_MOST];
    size_t count;
};

/* `vkey` NULL: the newest; `kept` NULL: none. The caller frees. */
static inline struct shard_verdict *shard_verify(const struct fixture *home, const char *vkey,
                                                 const struct slice *kept)
{
    struct shard_verdict *verdict = xalloc(sizeof(*verdict));
    AUTO_FREE char *newest = shard_vkey(home, "keys/ledger.vkey");
    struct verify_options options = {.kept = kept};
    struct chain_shard shards[SHARDS_AT_MOST];
    char names[SHARDS_AT_MOST][SHARD_NAME_BYTES];
    struct buf vkeys[SHARDS_AT_MOST];
    struct shard_list list;
    struct fault fault = {0};

    assert_ok(shards_open(home->folder, &list, &fault), fault);
    assert_in_range(list.count, 1, SHARDS_AT_MOST);
    for (size_t i = 0; i < list.count; i++) {
        bool current = list.at[i].is_current;

        vkeys[i] = buf_with_limit(4096);
        shard_name(list.at[i].number, names[i]);
        assert_ok(verify_files_shard(current ? "ledger" : names[i], list.at[i].number,
                                     list.at[i].folder,
                                     current ? slice_of(newest) : (struct slice){0},
                                     &shards[i], &vkeys[i], &fault),
                  fault);
    }
    assert_ok(verify_chain(shards, list.count, slice_of(vkey == NULL ? newest : vkey),
                           &options, &verdict->report, verdict->shards, NULL, &fault),
              fault);
    verdict->count = list.count;
    for (size_t i = 0; i < list.count; i++)
        buf_free(&vkeys[i]);
    shards_close(&list);
    return verdict;
}

/* `words` NULL: there is no problem at all; else one of them has these. */
static inline void shard_expect(const struct fixture *home, const char *vkey,
                                enum verify_result result, const char *words)
{
    AUTO_FREE struct shard_verdict *verdict = shard_verify(home, vkey, NULL);
    bool found = words == NULL && verdict->report.problem_count == 0;

    for (size_t i = 0; i < verdict->report.problem_count && words != NULL; i++)
        found = found || strstr(verdict->report.problems[i].text, words) != NULL;
    if (verdict->report.result != result || !found)
        fail_msg("%s, not %s with \"%s\": %s", verify_result_name(verdict->report.result),
                 verify_result_name(result), words == NULL ? "" : words,
                 verdict->report.problems[0].text);
}

#endif
