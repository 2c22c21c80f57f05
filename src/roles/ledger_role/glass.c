#include "roles/ledger_role/glass.h"

#include "base/scope.h"
#include "os/file.h"

#define NAME "state/breakglass"
#define FLAGGED_MAX 256 /* runs; beyond that the oldest may be flagged again */
#define TEXT_BYTES 256

struct ledger_glass {
    int folder;
    const struct clock *clock;
    int64_t expires; /* seconds since 1970; 0: never broken */
    char first[TEXT_BYTES], second[TEXT_BYTES], reason[TEXT_BYTES];
    char *flagged[FLAGGED_MAX];
    size_t flagged_count; /* ever */
};

static int64_t now(const struct ledger_glass *glass)
{
    return clock_now_us(glass->clock) / 1000000;
}

/* "EXPIRES FIRST SECOND REASON": ids and words have no spaces. What cannot be read is none. */
static void load(struct ledger_glass *glass)
{
    AUTO_BUF struct buf text = buf_with_limit(4 * TEXT_BYTES);
    struct fault ignored = {0};
    long long expires;

    if (!file_read(glass->folder, NAME, &text, &ignored) ||
        sscanf(buf_text(&text), "%lld %255s %255s %255s", &expires, glass->first,
               glass->second, glass->reason) != 4 ||
        expires > now(glass) + LEDGER_GLASS_HOURS_MAX * 3600)
        return;
    glass->expires = expires;
}

struct ledger_glass *ledger_glass_new(int folder, const struct clock *clock)
{
    struct ledger_glass *glass = xalloc(sizeof(*glass));

    glass->folder = folder;
    glass->clock = clock;
    load(glass);
    return glass;
}

static void forget_flagged(struct ledger_glass *glass)
{
    for (size_t i = 0; i < FLAGGED_MAX; i++) {
        free(glass->flagged[i]);
        glass->flagged[i] = NULL;
    }
    glass->flagged_count = 0;
}

void ledger_glass_free(struct ledger_glass *glass)
{
    if (glass == NULL)
        return;
    forget_flagged(glass);
    free(glass);
}

bool ledger_glass_is_broken(const struct ledger_glass *glass)
{
    return glass->expires > now(glass);
}

bool ledger_glass_check(const struct ledger_glass *glass, const struct record *record,
                        struct fault *fault)
{
    int64_t expires = record->field[RECORD_EXPIRES].number;

    if (slice_equal(record->field[RECORD_PERSON].text, record->field[RECORD_SECOND].text))
        return fault_set(fault, FAULT_DENIED, "break-glass takes two people");
    if (expires <= now(glass))
        return fault_set(fault, FAULT_DENIED, "this break-glass has expired");
    if (expires > now(glass) + LEDGER_GLASS_HOURS_MAX * 3600)
        return fault_set(fault, FAULT_DENIED, "break-glass is for %d hours at most",
                         LEDGER_GLASS_HOURS_MAX);
    return true;
}

static void take(const struct record *record, enum record_field field, char ret[TEXT_BYTES])
{
    (void)snprintf(ret, TEXT_BYTES, "%.*s", SLICE_ARGS(record->field[field].text));
}

void ledger_glass_break(struct ledger_glass *glass, const struct record *record)
{
    AUTO_FREE char *text = NULL;
    struct fault ignored = {0};

    take(record, RECORD_PERSON, glass->first);
    take(record, RECORD_SECOND, glass->second);
    take(record, RECORD_REASON, glass->reason);
    glass->expires = record->field[RECORD_EXPIRES].number;
    forget_flagged(glass);
    text = xformat("%lld %s %s %s\n", (long long)glass->expires, glass->first, glass->second,
                   glass->reason);
    if (!file_replace_durably(glass->folder, NAME, slice_of(text), 0600, &ignored))
        return; /* then it ends with this process: on the safe side */
}

bool ledger_glass_is_news(const struct ledger_glass *glass, const struct record *act)
{
    struct slice run = act->field[RECORD_RUN].text;

    for (size_t i = 0; i < FLAGGED_MAX; i++)
        if (glass->flagged[i] != NULL && slice_equal(slice_of(glass->flagged[i]), run))
            return false;
    return true;
}

void ledger_glass_flag(struct ledger_glass *glass, const struct record *act, const char *word,
                       struct record *ret_record)
{
    static const enum record_field kept[] = {RECORD_RUN, RECORD_AGENT, RECORD_CHANGE};
    char **place = &glass->flagged[glass->flagged_count++ % FLAGGED_MAX];

    free(*place);
    *place = slice_dup(act->field[RECORD_RUN].text);
    record_begin(ret_record, RECORD_BREAKGLASS);
    record_word(ret_record, RECORD_PERSON, glass->first);
    record_word(ret_record, RECORD_SECOND, glass->second);
    record_word(ret_record, RECORD_REASON, glass->reason);
    record_number(ret_record, RECORD_EXPIRES, glass->expires);
    record_word(ret_record, RECORD_OUTCOME, "used");
    record_word(ret_record, RECORD_RULE, word);
    record_word(ret_record, RECORD_MECHANISM, "ledger");
    for (size_t i = 0; i < COUNT(kept); i++)
        ret_record->field[kept[i]] = act->field[kept[i]];
}
