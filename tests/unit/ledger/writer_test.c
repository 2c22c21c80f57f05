/* The ledger's writer and its gate, with a clock and a disk that the test sets. */
#include "fixture.h"

#include <sys/stat.h>

#include "ledger/reader.h"
#include "ledger/verify.h"
#include "roles/ledger_role/reserve.h"
#include "roles/ledger_role/writer.h"

#define MIB (INT64_C(1) << 20)
#define SECOND INT64_C(1000000)
#define DAY (86400 * SECOND)
#define ALL_TYPES (~UINT64_C(0))

struct world {
    struct fixture fixture;
    struct buf vkey;
    struct note_signer *signer;
    int64_t now_us, monotonic_us;
    int64_t free; /* of 1000 MiB, the reserve not taken off */
    struct clock clock;
    struct ledger_quorum_standing standing; /* none: nobody is asked to cosign */
    struct ledger_quorum *quorum;
    struct ledger_gate *gate;
    struct ledger_writer *writer;
    struct ledger_source *source;
};

static int64_t now_us(void *self)
{
    return ((struct world *)self)->now_us;
}

static int64_t monotonic_us(void *self)
{
    return ((struct world *)self)->monotonic_us;
}

static bool space(void *self, struct disk_space *ret_space, struct fault *fault)
{
    const struct world *world = self;
    int64_t held = ledger_reserve_is_there(world->fixture.folder) ? LEDGER_RESERVE_BYTES : 0;

    (void)fault;
    *ret_space = (struct disk_space){.total = 1000 * (uint64_t)MIB,
                                     .free = (uint64_t)(world->free - held)};
    return true;
}

static void open_writer(struct world *world)
{
    struct ledger_gate_config gate = {.folder = world->fixture.folder,
                                      .disk = {.space = space, .self = world},
                                      .clock = &world->clock};
    struct ledger_writer_guard guard = {0};
    struct fault fault = {0};

    world->quorum = ledger_quorum_new(&world->standing, &world->clock);
    gate.quorum = world->quorum;
    assert_ok(ledger_gate_open(&gate, &world->gate, &fault), fault);
    guard.gate = world->gate;
    assert_ok(ledger_writer_open_guarded(&guard, world->fixture.folder, world->signer,
                                         &world->clock, &world->writer, &fault),
              fault);
    assert_ok(ledger_writer_source(world->writer, SLICE("core/1"), &world->source, &fault),
              fault);
}

static void close_writer(struct world *world)
{
    struct fault fault = {0};

    assert_ok(ledger_writer_end(world->writer, "idle", &fault), fault);
    ledger_writer_free(world->writer);
    ledger_gate_free(world->gate);
    ledger_quorum_free(world->quorum);
}

static struct world *world_make(void)
{
    struct world *world = xalloc(sizeof(*world));

    *world = (struct world){.fixture = fixture_make(),
                            .vkey = buf_with_limit(1024),
                            .now_us = 1790000000 * SECOND,
                            .monotonic_us = 1000 * SECOND,
                            .free = 900 * MIB,
                            .clock = {.now_us = now_us, .monotonic_us = monotonic_us}};
    world->clock.self = world;
    world->signer = fixture_signer(0, &world->vkey);
    open_writer(world);
    return world;
}

static void world_drop(struct world *world)
{
    note_signer_free(world->signer);
    buf_free(&world->vkey);
    fixture_drop(&world->fixture);
    free(world);
}

/* Both clocks go on; then the wall clock jumps. */
static void pass(struct world *world, int64_t us, int64_t jump_us)
{
    world->monotonic_us += us;
    world->now_us += us + jump_us;
}

static bool append(struct world *world, enum record_type type, bool durably,
                   struct fault *fault)
{
    AUTO_BUF struct buf text = buf_with_limit(RECORD_BYTES_MAX);
    struct record record;

    record_begin(&record, type);
    record_word(&record, RECORD_RUN, "r1");
    if (type == RECORD_MODEL_OUTCOME)
        record_number(&record, RECORD_INTENT, 0);
    if (type == RECORD_MODEL_OUTCOME || type == RECORD_RUN_ENDED)
        record_word(&record, RECORD_OUTCOME, "ok");
    if (type == RECORD_FILE_READ)
        record_word(&record, RECORD_PATH, "src/main.c");
    assert_ok(record_encode(&record, NULL, &text, fault), *fault);
    return ledger_writer_append(world->writer, world->source, ALL_TYPES, buf_slice(&text),
                                durably, fault);
}

static void append_ok(struct world *world, enum record_type type)
{
    struct fault fault = {0};

    assert_ok(append(world, type, true, &fault), fault);
}

/* Words of the records of `type`, one a line: reason, or by how many seconds. */
struct listing {
    enum record_type type;
    struct buf lines, arena;
};

static bool list_one(void *self, uint64_t index, struct slice leaf, struct fault *fault)
{
    struct listing *listing = self;
    struct record_header header;
    struct record record;

    (void)index;
    if (!record_decode(leaf, &record, &header, &listing->arena, fault))
        return false;
    if (record.type != listing->type)
        return true;
    if (record.field[RECORD_REASON].set)
        return buf_add(&listing->lines, record.field[RECORD_REASON].text, fault) &&
               buf_add_byte(&listing->lines, ' ', fault);
    return buf_add_format(&listing->lines, fault, "%lld ",
                          (long long)(record.field[RECORD_DURATION_US].number / SECOND));
}

static void expect_records(const struct world *world, enum record_type type,
                           const char *expected)
{
    struct listing listing = {.type = type,
                              .lines = buf_with_limit(1 << 16),
                              .arena = buf_with_limit(RECORD_BYTES_MAX + 1)};
    struct reader_options options = {.with_unsealed = true};
    struct fault fault = {0};
    uint64_t next;

    assert_ok(reader_each(world->fixture.folder, &options, list_one, &listing, &next, &fault),
              fault);
    assert_string_equal(buf_text(&listing.lines), expected);
    buf_free(&listing.lines);
    buf_free(&listing.arena);
}

static void expect_holds(const struct world *world, uint64_t silences)
{
    static const struct verify_options records = {0};
    AUTO_FREE struct verify_report *report = xalloc(sizeof(*report));
    struct fault fault = {0};

    assert_ok(verify_ledger(world->fixture.folder, buf_slice(&world->vkey), &records, report,
                            &fault),
              fault);
    if (report->result != VERIFY_HOLDS)
        fail_msg("%s", report->problems[0].text);
    assert_int_equal(report->silences, silences);
}

static void a_clock_that_jumps_is_recorded_and_raises_no_alarm(void **state)
{
    static const struct {
        int64_t passes_s, jumps_us;
    } steps[] = {{1, 0},           {1, SECOND}, {1, -SECOND}, {30, DAY},       {30, -2 * DAY},
                 {30, 3 * SECOND}, {30, 0},     {1, 1500000}, {1, -3 * SECOND}};
    struct world *world = world_make();
    struct fault fault = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(steps); i++) {
        pass(world, steps[i].passes_s * SECOND, steps[i].jumps_us);
        append_ok(world, RECORD_FILE_READ);
        assert_ok(ledger_writer_commit(world->writer, &fault), fault);
    }
    close_writer(world);
    expect_records(world, RECORD_CLOCK_STEPPED, "86400 -172800 3 -3 ");
    expect_holds(world, 0);
    world_drop(world);
}

/* Between two daemons only a clock that went back can be told from time that went by. */
static void a_clock_that_was_set_back_between_two_daemons_is_recorded(void **state)
{
    static const struct {
        int64_t jumps_us;
        bool is_killed; /* the daemon before, which has not written its memo */
    } steps[] = {{DAY, false}, {-DAY, false}, {-DAY, true}, {-SECOND, false}, {5 * DAY, true}};
    struct world *world = world_make();
    struct fault fault = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(steps); i++) {
        pass(world, 50 * SECOND, 0);
        append_ok(world, RECORD_FILE_READ);
        assert_ok(ledger_writer_commit(world->writer, &fault), fault);
        if (steps[i].is_killed) {
            ledger_writer_free(world->writer);
            ledger_gate_free(world->gate);
        } else {
            close_writer(world);
        }
        world->monotonic_us = SECOND; /* the host was started again */
        world->now_us += steps[i].jumps_us;
        open_writer(world);
    }
    close_writer(world);
    expect_records(world, RECORD_CLOCK_STEPPED, "-86400 -86400 ");
    expect_records(world, RECORD_LEDGER_OPENED,
                   "new closed closed recovered closed recovered ");
    expect_records(world, RECORD_LEDGER_CLOSED, "idle idle idle idle ");
    expect_holds(world, 0);
    world_drop(world);
}

static void acts_are_refused_on_a_disk_with_little_room(void **state)
{
    static const enum record_type always[] = {RECORD_MODEL_OUTCOME, RECORD_RUN_ENDED,
                                              RECORD_FILE_READ, RECORD_RUN_STARTED};
    static const struct {
        int64_t free_mib; /* with the reserve */
        bool is_refused;
    } steps[] = {{900, false}, {207, false}, {100, false}, {57, true},
                 {62, true},   {66, false},  {30, true},   {900, false}};
    struct world *world = world_make();

    (void)state;
    for (size_t i = 0; i < COUNT(steps); i++) {
        struct fault fault = {0};
        bool taken;

        world->free = steps[i].free_mib * MIB;
        assert_ok(ledger_writer_look(world->writer, &fault), fault);
        taken = append(world, RECORD_MODEL_INTENT, true, &fault);
        if (taken == steps[i].is_refused)
            fail_msg("step %zu: %s", i, fault.why);
        if (!taken) {
            assert_int_equal(fault.kind, FAULT_DENIED);
            assert_non_null(strstr(fault.why, "the ledger's disk has"));
            assert_non_null(strstr(fault.why, "make room"));
        }
        for (size_t k = 0; k < COUNT(always); k++)
            append_ok(world, always[k]);
    }
    close_writer(world);
    expect_records(world, RECORD_DISK_STATE, "warn refuse warn refuse ok ");
    expect_records(world, RECORD_REFUSED, "disk-low disk-low disk-low ");
    expect_holds(world, 0);
    world_drop(world);
}

/* Queued announcements are refused with the one that is waited for, even if room came back. */
static void acts_that_were_announced_together_are_refused_together(void **state)
{
    struct world *world = world_make();
    struct fault fault = {0};

    (void)state;
    world->free = 20 * MIB;
    assert_ok(ledger_writer_look(world->writer, &fault), fault);
    assert_false(append(world, RECORD_MODEL_INTENT, false, &fault));
    assert_int_equal(fault.kind, FAULT_DENIED);
    world->free = 900 * MIB;
    assert_ok(ledger_writer_look(world->writer, &fault), fault);
    append_ok(world, RECORD_RUN_ENDED); /* no act */
    assert_false(append(world, RECORD_MODEL_INTENT, true, &fault));
    assert_int_equal(fault.kind, FAULT_DENIED);
    append_ok(world, RECORD_MODEL_INTENT);
    assert_int_equal(ledger_source_next(world->source), 2);
    close_writer(world);
    expect_records(world, RECORD_REFUSED, "disk-low ");
    expect_holds(world, 0);
    world_drop(world);
}

static void the_reserve_is_given_up_and_made_again(void **state)
{
    struct world *world = world_make();
    struct fault fault = {0};
    struct stat stat;

    (void)state;
    assert_int_equal(fstatat(world->fixture.folder, "reserve", &stat, 0), 0);
    assert_true(stat.st_blocks * 512 >= LEDGER_RESERVE_BYTES);
    world->free = 8 * MIB; /* the reserve's */
    assert_true(ledger_gate_disk_is_full(world->gate));
    assert_false(ledger_reserve_is_there(world->fixture.folder));
    assert_false(ledger_gate_disk_is_full(world->gate)); /* there is nothing more to give up */
    assert_false(append(world, RECORD_MODEL_INTENT, true, &fault));
    assert_non_null(strstr(fault.why, "disk is full"));
    assert_ok(ledger_writer_look(world->writer, &fault), fault);
    world->free = 60 * MIB; /* more than the limit, not more than limit and reserve */
    assert_ok(ledger_writer_look(world->writer, &fault), fault);
    assert_false(ledger_reserve_is_there(world->fixture.folder));
    assert_false(append(world, RECORD_MODEL_INTENT, true, &fault));
    close_writer(world);
    open_writer(world); /* as the one before has left it */
    assert_false(ledger_reserve_is_there(world->fixture.folder));
    world->free = 100 * MIB;
    assert_ok(ledger_writer_look(world->writer, &fault), fault);
    assert_true(ledger_reserve_is_there(world->fixture.folder));
    append_ok(world, RECORD_MODEL_INTENT);
    close_writer(world);
    expect_records(world, RECORD_DISK_STATE, "full warn ");
    expect_holds(world, 0);
    world_drop(world);
}

static bool break_glass(struct world *world, const char *second, int64_t seconds,
                        struct fault *fault)
{
    AUTO_BUF struct buf text = buf_with_limit(RECORD_BYTES_MAX);
    struct record record;

    record_begin(&record, RECORD_BREAKGLASS);
    record_word(&record, RECORD_PERSON, "maria");
    record_word(&record, RECORD_SECOND, second);
    record_word(&record, RECORD_REASON, "patient-care");
    record_number(&record, RECORD_EXPIRES, world->now_us / SECOND + seconds);
    assert_ok(record_encode(&record, NULL, &text, fault), *fault);
    return ledger_writer_append(world->writer, world->source, ALL_TYPES, buf_slice(&text),
                                true, fault);
}

/* For two people, for a day at most; over a restart; until it expires or the disk is full. */
static void acts_pass_under_break_glass_and_their_run_is_flagged(void **state)
{
    struct world *world = world_make();
    struct fault fault = {0};

    (void)state;
    world->free = 20 * MIB;
    assert_ok(ledger_writer_look(world->writer, &fault), fault);
    assert_false(append(world, RECORD_MODEL_INTENT, true, &fault));
    assert_false(break_glass(world, "maria", 3600, &fault));
    assert_int_equal(fault.kind, FAULT_DENIED);
    assert_false(break_glass(world, "tom", 25 * 3600, &fault));
    assert_int_equal(fault.kind, FAULT_DENIED);
    assert_false(break_glass(world, "tom", 0, &fault));
    assert_false(append(world, RECORD_MODEL_INTENT, true, &fault));
    assert_ok(break_glass(world, "tom", 3600, &fault), fault);
    append_ok(world, RECORD_MODEL_INTENT);
    append_ok(world, RECORD_MODEL_INTENT);
    close_writer(world);
    expect_records(world, RECORD_BREAKGLASS, "patient-care patient-care ");
    pass(world, 60 * SECOND, 0);
    open_writer(world);
    append_ok(world, RECORD_MODEL_INTENT);
    assert_true(ledger_gate_disk_is_full(world->gate)); /* it makes no room */
    assert_false(append(world, RECORD_MODEL_INTENT, true, &fault));
    world->free = 30 * MIB;
    close_writer(world);
    assert_ok(ledger_reserve_make(world->fixture.folder, &fault), fault);
    pass(world, 3600 * SECOND, 0);
    open_writer(world);
    assert_false(append(world, RECORD_MODEL_INTENT, true, &fault));
    assert_non_null(strstr(fault.why, "the ledger's disk has"));
    close_writer(world);
    expect_records(world, RECORD_REFUSED, "disk-low disk-low disk-full disk-low ");
    expect_holds(world, 0);
    world_drop(world);
}

/* Two of three witnesses within an hour, from now on. */
static struct world *world_with_witnesses(void)
{
    struct world *world = world_make();

    close_writer(world);
    world->standing = (struct ledger_quorum_standing){
        .required = 2,
        .limit_us = 3600 * SECOND,
        .count = 3,
        .witness = {{.name = "w.example/a", .last_us = world->now_us},
                    {.name = "w.example/b"},
                    {.name = "w.example/c"}},
    };
    open_writer(world);
    return world;
}

/* A round: `count` witnesses have cosigned the checkpoint of `size` records, read just now. */
static void hear(struct world *world, uint64_t size, size_t count)
{
    struct witness_report report = {
        .size = size, .read_us = world->monotonic_us, .is_cosigned = count >= 2};
    struct fault fault = {0};

    for (size_t i = 0; i < 3; i++) {
        report.witness[i].has_cosigned = i < count;
        report.witness[i].last_us = i < count ? world->now_us
                                    : i == 0  ? world->standing.witness[0].last_us
                                              : 0;
    }
    ledger_quorum_report(world->quorum, &report);
    assert_ok(ledger_writer_look(world->writer, &fault), fault);
}

static void look(struct world *world)
{
    struct fault fault = {0};

    assert_ok(ledger_writer_look(world->writer, &fault), fault);
}

static void expect_refused(struct world *world, const char *words)
{
    struct fault fault = {0};

    assert_false(append(world, RECORD_MODEL_INTENT, true, &fault));
    assert_int_equal(fault.kind, FAULT_DENIED);
    if (strstr(fault.why, words) == NULL)
        fail_msg("no \"%s\" in: %s", words, fault.why);
}

static void acts_are_refused_while_records_wait_too_long_for_witnesses(void **state)
{
    struct world *world = world_with_witnesses();
    uint64_t before;

    (void)state;
    append_ok(world, RECORD_MODEL_INTENT);
    pass(world, 299 * SECOND, 0);
    look(world);
    append_ok(world, RECORD_MODEL_INTENT);
    pass(world, 2 * SECOND, 0);
    look(world); /* late */
    hear(world, 2, 1);
    append_ok(world, RECORD_MODEL_INTENT);
    pass(world, 3298 * SECOND, 0);
    look(world);
    append_ok(world, RECORD_MODEL_INTENT);
    pass(world, 2 * SECOND, 0);
    expect_refused(world, "bring back w.example/b (never), w.example/c (never), or");
    hear(world, 2, 0);
    expect_refused(world, "w.example/a (last 09-21T14:13Z), w.example/b (never), 1 more");
    append_ok(world, RECORD_MODEL_OUTCOME);
    append_ok(world, RECORD_RUN_ENDED);
    append_ok(world, RECORD_FILE_READ);
    before = ledger_writer_size(world->writer);
    append_ok(world, RECORD_RUN_ENDED);
    hear(world, before + 1000, 3); /* more than there are: not believed */
    expect_refused(world, "who has not signed");
    hear(world, before, 2);
    append_ok(world, RECORD_MODEL_INTENT); /* what waits now was not written before that */
    pass(world, 299 * SECOND, 0);
    look(world);
    pass(world, 2 * SECOND, 0);
    hear(world, ledger_writer_size(world->writer), 3);
    pass(world, 2 * 3600 * SECOND, 0);
    append_ok(world, RECORD_MODEL_INTENT); /* nothing has waited meanwhile */
    close_writer(world);
    expect_records(world, RECORD_QUORUM_STATE, "late missing ok ");
    expect_records(world, RECORD_REFUSED, "no-quorum no-quorum no-quorum ");
    expect_holds(world, 3);
    world_drop(world);
}

static void a_relay_that_has_ended_is_no_quorum(void **state)
{
    struct world *world = world_with_witnesses();

    (void)state;
    ledger_quorum_relay_ended(world->quorum);
    look(world);
    look(world);
    append_ok(world, RECORD_MODEL_INTENT);
    pass(world, 3601 * SECOND, -7200 * SECOND); /* a clock that was set helps nobody */
    expect_refused(world, "the relay to the witnesses has ended");
    close_writer(world);
    expect_records(world, RECORD_QUORUM_STATE, "ok ");
    expect_records(world, RECORD_REFUSED, "no-quorum ");
    expect_holds(world, 1);
    world_drop(world);
}

/* What an earlier daemon has written waits, too; its clock may have been ahead. */
static void records_of_before_wait_on_in_the_next_daemon(void **state)
{
    static const struct {
        int64_t waited_s;
        bool is_refused;
    } cases[] = {{0, false}, {3599, false}, {3601, true}, {-86400, false}};
    struct world *world = world_with_witnesses();

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fault fault = {0};

        world->standing.size = ledger_writer_size(world->writer) + 1; /* and ledger.closed */
        close_writer(world);
        world->standing.waits_since_us = world->now_us - cases[i].waited_s * SECOND;
        open_writer(world);
        assert_int_equal(append(world, RECORD_MODEL_INTENT, true, &fault),
                         !cases[i].is_refused);
    }
    close_writer(world);
    expect_records(world, RECORD_QUORUM_STATE, "late missing ok ");
    expect_holds(world, 0);
    world_drop(world);
}

static void missing_witnesses_pass_under_break_glass(void **state)
{
    struct world *world = world_with_witnesses();
    struct fault fault = {0};

    (void)state;
    pass(world, 3601 * SECOND, 0);
    expect_refused(world, "bring back");
    assert_ok(break_glass(world, "tom", 3600, &fault), fault);
    append_ok(world, RECORD_MODEL_INTENT);
    append_ok(world, RECORD_MODEL_INTENT);
    pass(world, 3601 * SECOND, 0);
    expect_refused(world, "bring back");
    close_writer(world);
    expect_records(world, RECORD_BREAKGLASS, "patient-care patient-care ");
    expect_records(world, RECORD_REFUSED, "no-quorum no-quorum ");
    expect_holds(world, 2);
    world_drop(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_clock_that_jumps_is_recorded_and_raises_no_alarm),
        TEST(a_clock_that_was_set_back_between_two_daemons_is_recorded),
        TEST(acts_are_refused_on_a_disk_with_little_room),
        TEST(acts_that_were_announced_together_are_refused_together),
        TEST(the_reserve_is_given_up_and_made_again),
        TEST(acts_pass_under_break_glass_and_their_run_is_flagged),
        TEST(acts_are_refused_while_records_wait_too_long_for_witnesses),
        TEST(a_relay_that_has_ended_is_no_quorum),
        TEST(records_of_before_wait_on_in_the_next_daemon),
        TEST(missing_witnesses_pass_under_break_glass),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
