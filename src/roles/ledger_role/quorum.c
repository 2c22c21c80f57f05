#include "roles/ledger_role/quorum.h"

#include <stdio.h>

#include "base/scope.h"

#define LATE_US (300 * INT64_C(1000000))
#define NAMED_MAX 2 /* silent witnesses that a refusal names */
#define NEVER INT64_MIN

struct ledger_quorum {
    struct ledger_quorum_standing is; /* cosigned, last_us: kept up to date */
    const struct clock *clock;
    uint64_t written;  /* records in the log */
    int64_t oldest_us; /* monotonic: no record that waits is older; NEVER: none waits */
    bool silent[WITNESS_REPORT_MAX]; /* in the last round */
    bool relay_ended, relay_end_is_recorded;
    enum ledger_quorum_level recorded;
};

static const char *const level_names[] = {
    [LEDGER_QUORUM_OK] = "ok",
    [LEDGER_QUORUM_LATE] = "late",
    [LEDGER_QUORUM_MISSING] = "missing",
};

const char *ledger_quorum_level_name(enum ledger_quorum_level level)
{
    return level_names[level];
}

enum ledger_quorum_level ledger_quorum_level_of(const struct ledger_quorum_standing *standing,
                                                int64_t waited_us)
{
    int64_t late_us = standing->limit_us / 2 < LATE_US ? standing->limit_us / 2 : LATE_US;

    return waited_us > standing->limit_us ? LEDGER_QUORUM_MISSING
           : waited_us > late_us          ? LEDGER_QUORUM_LATE
                                          : LEDGER_QUORUM_OK;
}

/* What another process wrote has a time by the clock that can be set: the future is now. */
static int64_t monotonic_of(const struct clock *clock, int64_t t_us)
{
    int64_t age_us = clock_now_us(clock) - t_us;

    return clock_monotonic_us(clock) - (age_us > 0 ? age_us : 0);
}

struct ledger_quorum *ledger_quorum_new(const struct ledger_quorum_standing *standing,
                                        const struct clock *clock)
{
    struct ledger_quorum *quorum;

    if (standing->required == 0)
        return NULL;
    quorum = xalloc(sizeof(*quorum));
    quorum->is = *standing;
    quorum->clock = clock;
    quorum->written = standing->size;
    quorum->oldest_us =
        standing->waits_since_us == 0 ? NEVER : monotonic_of(clock, standing->waits_since_us);
    return quorum;
}

void ledger_quorum_free(struct ledger_quorum *quorum)
{
    free(quorum);
}

void ledger_quorum_wrote(struct ledger_quorum *quorum, uint64_t index, int64_t monotonic_us)
{
    if (quorum == NULL || index < quorum->written)
        return;
    quorum->written = index + 1;
    if (quorum->oldest_us == NEVER)
        quorum->oldest_us = monotonic_us;
}

void ledger_quorum_recovered(struct ledger_quorum *quorum, uint64_t index, int64_t t_us)
{
    if (quorum != NULL)
        ledger_quorum_wrote(quorum, index, monotonic_of(quorum->clock, t_us));
}

/* What the cosigned checkpoint lacks was written after it had been made. */
static void take_cosigned(struct ledger_quorum *quorum, uint64_t size, int64_t read_us)
{
    int64_t now_us = clock_monotonic_us(quorum->clock);

    if (size < quorum->is.cosigned || size > quorum->written)
        return;
    quorum->is.cosigned = size;
    if (size == quorum->written)
        quorum->oldest_us = NEVER;
    else if (read_us > quorum->oldest_us)
        quorum->oldest_us = read_us < now_us ? read_us : now_us;
}

void ledger_quorum_report(struct ledger_quorum *quorum, const struct witness_report *report)
{
    if (quorum == NULL)
        return;
    for (size_t i = 0; i < quorum->is.count; i++) {
        quorum->silent[i] = !report->witness[i].has_cosigned;
        quorum->is.witness[i].last_us = report->witness[i].last_us;
    }
    if (report->is_cosigned)
        take_cosigned(quorum, report->size, report->read_us);
}

void ledger_quorum_relay_ended(struct ledger_quorum *quorum)
{
    if (quorum != NULL)
        quorum->relay_ended = true;
}

static int64_t waited_us(const struct ledger_quorum *quorum)
{
    return quorum->oldest_us == NEVER ? 0
                                      : clock_monotonic_us(quorum->clock) - quorum->oldest_us;
}

enum ledger_quorum_level ledger_quorum_level(const struct ledger_quorum *quorum)
{
    return quorum == NULL ? LEDGER_QUORUM_OK
                          : ledger_quorum_level_of(&quorum->is, waited_us(quorum));
}

/* "11-26T00:24Z": a fault's words have little room. */
#define MINUTE_BYTES 13

static const char *minute(int64_t t_us, char ret_text[MINUTE_BYTES])
{
    char text[CLOCK_TEXT_BYTES];

    clock_text(t_us, text);
    (void)snprintf(ret_text, MINUTE_BYTES, "%.11sZ", text + 5);
    return ret_text;
}

/* "a (last 11-26T00:24Z), b (never), 3 more" */
static void add_silent(const struct ledger_quorum *quorum, struct buf *text)
{
    struct fault ignored = {0};
    size_t silent = 0;
    bool ok = true;

    for (size_t i = 0; i < quorum->is.count; i++) {
        int64_t last_us = quorum->is.witness[i].last_us;
        char last[MINUTE_BYTES];

        if (!quorum->silent[i] || silent++ >= NAMED_MAX)
            continue;
        ok = ok && buf_add_format(text, &ignored, "%s%.40s (%s%s)", text->len > 0 ? ", " : "",
                                  quorum->is.witness[i].name, last_us == 0 ? "" : "last ",
                                  last_us == 0 ? "never" : minute(last_us, last));
    }
    if (ok && silent > NAMED_MAX)
        ok = buf_add_format(text, &ignored, ", %zu more", silent - NAMED_MAX);
    if (ok && silent == 0)
        (void)!buf_add_text(text, "who has not signed", &ignored);
}

void ledger_quorum_say(const struct ledger_quorum *quorum, struct fault *ret_why)
{
    AUTO_BUF struct buf silent = buf_with_limit(sizeof(ret_why->why));
    char since[MINUTE_BYTES];

    (void)minute(clock_now_us(quorum->clock) - waited_us(quorum), since);
    if (quorum->relay_ended) {
        (void)fault_set(ret_why, FAULT_DENIED,
                        "the relay to the witnesses has ended, and records wait since %s: end "
                        "all runs, the next starts another (or see custody breakglass)",
                        since);
        return;
    }
    add_silent(quorum, &silent);
    (void)fault_set(ret_why, FAULT_DENIED,
                    "records wait for %lld witnesses since %s (limit %lld s): bring back %s, "
                    "or see custody breakglass",
                    (long long)quorum->is.required, since,
                    (long long)(quorum->is.limit_us / 1000000), buf_text(&silent));
}

bool ledger_quorum_is_news(const struct ledger_quorum *quorum)
{
    return quorum != NULL && (ledger_quorum_level(quorum) != quorum->recorded ||
                              quorum->relay_ended != quorum->relay_end_is_recorded);
}

void ledger_quorum_record(struct ledger_quorum *quorum, struct record *ret_record)
{
    quorum->recorded = ledger_quorum_level(quorum);
    quorum->relay_end_is_recorded = quorum->relay_ended;
    record_begin(ret_record, RECORD_QUORUM_STATE);
    record_word(ret_record, RECORD_REASON, level_names[quorum->recorded]);
    record_word(ret_record, RECORD_MECHANISM, quorum->relay_ended ? "relay-ended" : "relay");
    record_number(ret_record, RECORD_COUNT, (int64_t)quorum->is.cosigned);
    record_number(ret_record, RECORD_DURATION_US, waited_us(quorum));
}

enum ledger_quorum_level ledger_quorum_recorded(const struct ledger_quorum *quorum)
{
    return quorum == NULL ? LEDGER_QUORUM_OK : quorum->recorded;
}

void ledger_quorum_recorded_before(struct ledger_quorum *quorum,
                                   enum ledger_quorum_level level)
{
    if (quorum != NULL)
        quorum->recorded = level;
}
