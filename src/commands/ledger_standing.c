#include "commands/ledger_standing.h"

#include <fcntl.h>
#include <stdio.h>

#include "base/scope.h"
#include "os/clock_real.h"

static int64_t waited_us(const struct ledger_quorum_standing *witnesses)
{
    return witnesses->waits_since_us == 0
               ? 0
               : clock_now_us(&clock_real) - witnesses->waits_since_us;
}

void ledger_standing_of(int home_fd, struct ledger_standing *ret_standing)
{
    AUTO_CLOSE int folder = openat(home_fd, "ledger", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct ledger_standing standing = {.level = DISK_OK};
    struct fault unread = {0};

    if (folder >= 0 && disk_space_of(folder, &standing.space, &unread))
        standing.level = disk_level_of(&standing.space, DISK_OK);
    if (folder >= 0 &&
        ledger_quorum_find(home_fd, folder, &clock_real, &standing.witnesses, &unread))
        standing.quorum =
            ledger_quorum_level_of(&standing.witnesses, waited_us(&standing.witnesses));
    *ret_standing = standing;
}

void ledger_standing_warn(const struct ledger_standing *standing)
{
    char left[DISK_TEXT_BYTES], limit[DISK_TEXT_BYTES], since[CLOCK_TEXT_BYTES];

    disk_size_text(standing->space.free, left);
    disk_size_text(disk_limit(DISK_REFUSE, standing->space.total), limit);
    clock_text(standing->witnesses.waits_since_us, since);
    if (standing->level != DISK_OK)
        (void)fprintf(stderr,
                      "custody: warning: the ledger's disk has %s left, and below %s nothing "
                      "is begun: make room below the state folder\n",
                      left, limit);
    if (standing->quorum != LEDGER_QUORUM_OK)
        (void)fprintf(stderr,
                      "custody: warning: records wait for %lld witnesses since %s, and after "
                      "%lld s nothing is begun: see custody doctor\n",
                      (long long)standing->witnesses.required, since,
                      (long long)(standing->witnesses.limit_us / 1000000));
}

json_t *ledger_standing_json(const struct ledger_standing *standing)
{
    const struct ledger_quorum_standing *witnesses = &standing->witnesses;
    json_t *each = json_array();

    for (size_t i = 0; i < witnesses->count; i++)
        (void)json_array_append_new(
            each, json_pack("{s:s, s:I}", "name", witnesses->witness[i].name, "last_us",
                            (json_int_t)witnesses->witness[i].last_us));
    return json_pack("{s:I, s:s, s:I, s:I, s:I, s:I, s:o}", "required",
                     (json_int_t)witnesses->required, "level",
                     ledger_quorum_level_name(standing->quorum), "limit_us",
                     (json_int_t)witnesses->limit_us, "size", (json_int_t)witnesses->size,
                     "cosigned", (json_int_t)witnesses->cosigned, "waits_since_us",
                     (json_int_t)witnesses->waits_since_us, "witnesses", each);
}

void ledger_standing_print(const struct ledger_standing *standing)
{
    const struct ledger_quorum_standing *witnesses = &standing->witnesses;
    char when[CLOCK_TEXT_BYTES];

    if (witnesses->required == 0)
        return;
    clock_text(witnesses->waits_since_us, when);
    (void)printf("  witnesses             %s: %llu of %llu records cosigned by %lld",
                 ledger_quorum_level_name(standing->quorum),
                 (unsigned long long)witnesses->cosigned, (unsigned long long)witnesses->size,
                 (long long)witnesses->required);
    if (witnesses->waits_since_us != 0)
        (void)printf(", the next waits since %s (limit %lld s)", when,
                     (long long)(witnesses->limit_us / 1000000));
    (void)printf("\n");
    for (size_t i = 0; i < witnesses->count; i++) {
        clock_text(witnesses->witness[i].last_us, when);
        (void)printf("                        %s: last cosigned %s\n",
                     witnesses->witness[i].name,
                     witnesses->witness[i].last_us == 0 ? "never" : when);
    }
}
