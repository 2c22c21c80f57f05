#include "roles/ledger_role/gate.h"

#include "base/scope.h"
#include "roles/ledger_role/glass.h"
#include "roles/ledger_role/reserve.h"

#define LOOK_US 200000 /* how old a look may be when an act is judged */

struct ledger_gate {
    struct ledger_gate_config config;
    struct disk_space space;
    enum disk_level level, recorded;
    int64_t looked_us;
    struct ledger_glass *glass;
};

#define T(type) (UINT64_C(1) << RECORD_##type)

/*
 * Announcements of acts. Not among them: what narrows (a rejection, a void approval, a hold),
 * what makes room (an archive, an erasure) and what carries the ledger to safety (a backup).
 */
static const uint64_t acts = T(CELL_ENFORCED) | T(MODEL_INTENT) | T(MCP_INTENT) |
                             T(EGRESS) | T(CHANGE_MADE) | T(APPROVAL_GIVEN) | T(CHANGE_LANDED) | T(KEY_STORED) |
                             T(LEDGER_MOVED) | T(LEDGER_RESTORED);

bool ledger_gate_is_act(const struct record *record)
{
    const struct record_value *outcome = &record->field[RECORD_OUTCOME];

    return (acts >> record->type & 1) != 0 && !record->field[RECORD_INTENT].set &&
           !(outcome->set && slice_equal(outcome->text, SLICE("refused")));
}

static bool space_of_folder(void *self, struct disk_space *ret_space, struct fault *fault)
{
    return disk_space_of(((const struct ledger_gate *)self)->config.folder, ret_space, fault);
}

bool ledger_gate_open(const struct ledger_gate_config *config, struct ledger_gate **ret_gate,
                      struct fault *fault)
{
    struct ledger_gate *gate = xalloc(sizeof(*gate));

    gate->config = *config;
    if (config->disk.space == NULL)
        gate->config.disk = (struct disk){.space = space_of_folder, .self = gate};
    if (!gate->config.disk.space(gate->config.disk.self, &gate->space, fault)) {
        free(gate);
        return false;
    }
    gate->glass = ledger_glass_new(config->folder, config->clock);
    (void)ledger_gate_look(gate);
    *ret_gate = gate;
    return true;
}

enum disk_level ledger_gate_recorded(const struct ledger_gate *gate)
{
    return gate->recorded;
}

void ledger_gate_recorded_before(struct ledger_gate *gate, enum disk_level level)
{
    gate->recorded = level;
    if (level == DISK_FULL && !ledger_reserve_is_there(gate->config.folder))
        gate->level = DISK_FULL;
}

void ledger_gate_free(struct ledger_gate *gate)
{
    if (gate == NULL)
        return;
    ledger_glass_free(gate->glass);
    free(gate);
}

/* Room for the reserve, and after it still more than what nothing is begun below. */
static bool has_room_again(const struct ledger_gate *gate)
{
    uint64_t limit = disk_limit(DISK_REFUSE, gate->space.total);

    return gate->space.free > limit + limit / 8 + LEDGER_RESERVE_BYTES;
}

/* A full disk is one without a reserve, until there is room for that again. */
static void remake_reserve(struct ledger_gate *gate)
{
    struct fault ignored = {0};

    if (ledger_reserve_is_there(gate->config.folder) || !has_room_again(gate) ||
        !ledger_reserve_make(gate->config.folder, &ignored))
        return;
    gate->space.free -= LEDGER_RESERVE_BYTES;
    if (gate->level == DISK_FULL)
        gate->level = DISK_REFUSE;
}

/* A look that fails changes nothing: the next write says how things are. */
static void look_at_disk(struct ledger_gate *gate)
{
    struct fault ignored = {0};

    gate->looked_us = clock_monotonic_us(gate->config.clock);
    if (!gate->config.disk.space(gate->config.disk.self, &gate->space, &ignored))
        return;
    remake_reserve(gate);
    gate->level = disk_level_of(&gate->space, gate->level);
}

bool ledger_gate_look(struct ledger_gate *gate)
{
    look_at_disk(gate);
    return gate->level != gate->recorded;
}

bool ledger_gate_disk_is_full(struct ledger_gate *gate)
{
    struct fault ignored = {0};

    gate->level = DISK_FULL;
    if (!ledger_reserve_give_up(gate->config.folder))
        return false;
    (void)gate->config.disk.space(gate->config.disk.self, &gate->space, &ignored);
    return true;
}

void ledger_gate_disk_record(struct ledger_gate *gate, struct record *ret_record)
{
    gate->recorded = gate->level;
    record_begin(ret_record, RECORD_DISK_STATE);
    record_word(ret_record, RECORD_REASON, disk_level_name(gate->level));
    record_number(ret_record, RECORD_SIZE, (int64_t)gate->space.free);
}

static void say_low(const struct ledger_gate *gate, struct fault *ret_why)
{
    char left[DISK_TEXT_BYTES], limit[DISK_TEXT_BYTES];

    disk_size_text(gate->space.free, left);
    disk_size_text(disk_limit(DISK_REFUSE, gate->space.total), limit);
    if (gate->level == DISK_FULL)
        (void)fault_set(ret_why, FAULT_DENIED,
                        "the ledger's disk is full (%s left): make room below the state "
                        "folder; nothing goes on before",
                        left);
    else
        (void)fault_set(ret_why, FAULT_DENIED,
                        "the ledger's disk has %s left, and below %s nothing is begun: make "
                        "room below the state folder (or see custody breakglass --help)",
                        left, limit);
}

/* A word for the trouble; NULL: there is none. */
static const char *trouble(const struct ledger_gate *gate)
{
    return gate->level == DISK_FULL                                            ? "disk-full"
           : gate->level == DISK_REFUSE                                        ? "disk-low"
           : ledger_quorum_level(gate->config.quorum) == LEDGER_QUORUM_MISSING ? "no-quorum"
                                                                               : NULL;
}

enum ledger_gate_verdict ledger_gate_judge(struct ledger_gate *gate, const struct record *act,
                                           const char **ret_word, struct fault *ret_why)
{
    const char *word;

    /* Whoever has just made room is not refused for what was seen before. */
    if (gate->level >= DISK_REFUSE ||
        clock_monotonic_us(gate->config.clock) - gate->looked_us > LOOK_US)
        look_at_disk(gate);
    word = trouble(gate);
    if (word == NULL)
        return LEDGER_GATE_ADMIT;
    *ret_word = word;
    if (gate->level < DISK_FULL && ledger_glass_is_broken(gate->glass))
        return ledger_glass_is_news(gate->glass, act) ? LEDGER_GATE_FLAG : LEDGER_GATE_ADMIT;
    if (gate->level >= DISK_REFUSE)
        say_low(gate, ret_why);
    else
        ledger_quorum_say(gate->config.quorum, ret_why);
    return LEDGER_GATE_REFUSE;
}

struct ledger_quorum *ledger_gate_quorum(const struct ledger_gate *gate)
{
    return gate->config.quorum;
}

void ledger_gate_flag(struct ledger_gate *gate, const struct record *act, const char *word,
                      struct record *ret_record)
{
    ledger_glass_flag(gate->glass, act, word, ret_record);
}

bool ledger_gate_check_glass(const struct ledger_gate *gate, const struct record *record,
                             struct fault *fault)
{
    return ledger_glass_check(gate->glass, record, fault);
}

void ledger_gate_break_glass(struct ledger_gate *gate, const struct record *record)
{
    ledger_glass_break(gate->glass, record);
}
