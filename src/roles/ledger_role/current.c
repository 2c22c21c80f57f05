/* What is done to ledger/ before it is written to. */
#include <time.h>

#include "base/scope.h"
#include "ledger/checkpoint.h"
#include "ledger/proof.h"
#include "os/file.h"
#include "roles/ledger_role/parts.h"
#include "roles/ledger_role/shard.h"
#include "wire/record.h"

#define BEGUN_NAME "keys/ledger.begun"

/*
 * When the shard began; where that record is in an archive, when its last one was written.
 * Zero: there is none.
 */
static bool time_of_shard(int folder, int64_t *ret_t_us, struct fault *fault)
{
    AUTO_BUF struct buf bytes = buf_with_limit(NOTE_BYTES_MAX);
    AUTO_BUF struct buf leaf = buf_with_limit(RECORD_BYTES_MAX);
    AUTO_BUF struct buf arena = buf_with_limit(RECORD_BYTES_MAX + 1);
    struct checkpoint checkpoint;
    struct record_header header;
    struct record record;
    struct fault why = {0};
    struct note note;

    *ret_t_us = 0;
    if (!file_exists(folder, "checkpoint"))
        return true;
    if (!file_read(folder, "checkpoint", &bytes, fault))
        return false;
    if (!note_parse(buf_slice(&bytes), &note, fault) ||
        !checkpoint_parse(note.text, &checkpoint, fault))
        return fault_in(fault, "the ledger's checkpoint");
    if (checkpoint.size == 0)
        return true;
    if (!proof_record(folder, NULL, checkpoint.size, 0, &leaf, &why) &&
        !proof_record(folder, NULL, checkpoint.size, checkpoint.size - 1, &leaf, fault))
        return false;
    if (!record_decode(buf_slice(&leaf), &record, &header, &arena, fault))
        return fault_in(fault, "the ledger's first record");
    *ret_t_us = header.t_us;
    return true;
}

static int year_of(int64_t t_us)
{
    time_t seconds = (time_t)(t_us / 1000000);
    struct tm tm;

    return gmtime_r(&seconds, &tm) == NULL ? 0 : tm.tm_year;
}

static bool year_is_over(int folder, const struct clock *clock, bool *ret_over,
                         struct fault *fault)
{
    int64_t t_us;

    if (!time_of_shard(folder, &t_us, fault))
        return false;
    *ret_over = t_us > 0 && year_of(clock_now_us(clock)) > year_of(t_us);
    return true;
}

/*
 * A key that only a person can make anew waits for that person, and so does a disk without
 * room: what was not begun is tried again at the next start.
 */
static bool turn_year(int home_fd, int folder, const struct clock *clock, bool *ret_turned,
                      struct fault *fault)
{
    static const struct ledger_turn year = {.reason = LEDGER_TURN_YEAR};
    struct fault why = {0};

    *ret_turned = ledger_turn(home_fd, folder, &year, clock, &why);
    if (*ret_turned || !file_exists(home_fd, "shards/turn"))
        return true;
    *fault = why;
    return false;
}

/*
 * From the second start on keys/ledger.begun is the key that has signed. Were its ledger gone
 * then, another one under the same key would be a fork, and would hide what is missing.
 */
static bool refuse_lost(int home_fd, int folder, struct fault *fault)
{
    AUTO_BUF struct buf vkey = buf_with_limit(NOTE_BYTES_MAX);
    AUTO_BUF struct buf begun = buf_with_limit(NOTE_BYTES_MAX);
    struct fault unread = {0};
    bool has_signed;

    if (!file_read(home_fd, "keys/ledger.vkey", &vkey, &unread))
        return true; /* whoever opens the key says what is wrong */
    has_signed = file_read(home_fd, BEGUN_NAME, &begun, &unread) &&
                 slice_equal(buf_slice(&begun), buf_slice(&vkey));
    if (file_exists(folder, "checkpoint") || file_exists(folder, "state/signed"))
        return has_signed ||
               file_replace_durably(home_fd, BEGUN_NAME, buf_slice(&vkey), 0644, fault);
    return !has_signed ||
           fault_set(fault, FAULT_MISSING,
                     "what this key has signed is gone: bring ledger/ back from a backup; a "
                     "second ledger under the same key would be a fork (" BEGUN_NAME
                     " says that there was one)");
}

/* Under the lock: does anything have to be done to ledger/ before it is written to? */
static bool make_current(int home_fd, int folder, const struct clock *clock, bool *ret_turned,
                         struct fault *fault)
{
    bool over;

    if (file_exists(folder, LEDGER_MOVED_NAME))
        return fault_set(fault, FAULT_DENIED,
                         "this ledger was moved to another host, and never goes on here");
    if (!ledger_turn_finish(home_fd, folder, clock, ret_turned, fault))
        return false;
    if (*ret_turned || !file_exists(home_fd, "keys/ledger.key"))
        return true;
    if (!refuse_lost(home_fd, folder, fault))
        return false;
    if (!year_is_over(folder, clock, &over, fault))
        return false;
    return !over || turn_year(home_fd, folder, clock, ret_turned, fault);
}

bool ledger_current(int home_fd, const struct clock *clock, int *ret_folder, int *ret_lock,
                    struct fault *fault)
{
    for (;;) {
        AUTO_CLOSE int folder = -1;
        AUTO_CLOSE int lock = -1;
        bool turned;

        if (!ledger_lock(home_fd, &folder, &lock, fault) ||
            !make_current(home_fd, folder, clock, &turned, fault))
            return false;
        if (!turned) {
            *ret_folder = take_fd(&folder);
            *ret_lock = take_fd(&lock);
            return true;
        }
    }
}
