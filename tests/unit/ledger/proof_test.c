/* Proof files: made from tiles, read strictly, and bound to what the asker holds. */
#include "fixture.h"

#include <time.h>

#include "ledger/edge.h"
#include "ledger/proof.h"
#include "ledger/tile.h"
#include "ledger/verify_proof.h"

#define TESSERA_VKEY                                                                          \
    "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"
#define DASH "\xe2\x80\x94 "

static enum verify_result verdict(struct slice bytes, const char *vkey,
                                  const struct verify_proof_options *options, char *why)
{
    AUTO_FREE struct verify_proof_report *report = xalloc(sizeof(*report));
    struct fault fault = {0};

    assert_ok(verify_proof(bytes, slice_of(vkey), options, report, &fault), fault);
    if (why != NULL)
        (void)snprintf(why, sizeof(report->why), "%s", report->why);
    return report->result;
}

static enum verify_result verdict_on(struct slice proof, struct slice record)
{
    return verdict(proof, TESSERA_VKEY, &(struct verify_proof_options){.record = &record},
                   NULL);
}

static void read_known(struct buf *bytes)
{
    fixture_read("tlog-proof/derived-index7-size15.tlog-proof", bytes);
}

static void the_published_proof_is_of_its_record_only(void **state)
{
    AUTO_BUF struct buf bytes = buf_with_limit(1 << 16), again = buf_with_limit(1 << 16);
    static const char *const others[] = {"seven", "eit ", "Eit", "",
                                         ("\x00"
                                          "eit")};
    struct proof proof;
    struct fault fault = {0};

    (void)state;
    read_known(&bytes);
    assert_ok(proof_parse(buf_slice(&bytes), &proof, &fault), fault);
    assert_int_equal(proof.kind, PROOF_INCLUSION);
    assert_int_equal(proof.number, 7);
    assert_int_equal(proof.path.count, 4);
    assert_ok(proof_format(&proof, &again, &fault), fault);
    assert_true(slice_equal(buf_slice(&again), buf_slice(&bytes)));
    assert_int_equal(verdict_on(buf_slice(&bytes), SLICE("eit")), VERIFY_HOLDS);
    for (size_t i = 0; i < COUNT(others); i++)
        assert_int_equal(verdict_on(buf_slice(&bytes), slice_of(others[i])), VERIFY_TAMPERING);
}

/* Nothing vouches for a witness's line: its key is not known here. */
static void every_flipped_bit_of_a_proof_shows(void **state)
{
    AUTO_BUF struct buf bytes = buf_with_limit(1 << 16);
    size_t witness, missed = 0;

    (void)state;
    read_known(&bytes);
    witness = slice_find(buf_slice(&bytes), SLICE(DASH "witness"), 0);
    for (size_t bit = 0; bit < 8 * bytes.len; bit++) {
        bytes.at[bit / 8] ^= (uint8_t)(1U << bit % 8);
        if (verdict_on(buf_slice(&bytes), SLICE("eit")) == VERIFY_HOLDS) {
            assert_true(bit / 8 > witness);
            missed++;
        }
        bytes.at[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    assert_true(missed < 8 * (bytes.len - witness));
    for (size_t len = 0; len < bytes.len; len++)
        if (len != witness)
            assert_int_not_equal(verdict_on(slice_of_bytes(bytes.at, len), SLICE("eit")),
                                 VERIFY_HOLDS);
}

static void a_proof_without_the_record_proves_nothing(void **state)
{
    AUTO_BUF struct buf bytes = buf_with_limit(1 << 16);
    struct verify_proof_options nothing = {0};

    (void)state;
    read_known(&bytes);
    assert_int_equal(verdict(buf_slice(&bytes), TESSERA_VKEY, &nothing, NULL),
                     VERIFY_INCOMPLETE);
}

/* Of the same name: somebody's forgery. Of another: another log's, and no accusation. */
static void a_proof_under_another_key_does_not_hold(void **state)
{
    static const struct {
        const char *name;
        enum verify_result result;
        const char *why;
    } cases[] = {
        {"example.com/log/testdata", VERIFY_TAMPERING, "no signature of"},
        {FIXTURE_NAME, VERIFY_INCOMPLETE, "the proof is of the log example.com/log/testdata"},
    };
    AUTO_BUF struct buf bytes = buf_with_limit(1 << 16);
    AUTO_FREE struct verify_proof_report *report = xalloc(sizeof(*report));
    struct slice record = SLICE("eit");
    struct verify_proof_options options = {.record = &record};

    (void)state;
    read_known(&bytes);
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO_BUF struct buf skey = buf_with_limit(1024), vkey = buf_with_limit(1024);
        static const uint8_t seed[NOTE_SEED_BYTES] = {1};
        struct fault fault = {0};

        assert_ok(note_key_texts(slice_of(cases[i].name), seed, &skey, &vkey, &fault), fault);
        assert_int_equal(verdict(buf_slice(&bytes), buf_text(&vkey), &options, report->why),
                         cases[i].result);
        assert_non_null(strstr(report->why, cases[i].why));
    }
}

#define HASH "2Q0P5jSR+TdkwdXWyx+GbBWX0KZbNZkWzCjyTPSozsw=\n"
#define NOTE "o\n15\nrKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=\n\n" DASH "a Uw2QOkn8\n"
#define TLOG "c2sp.org/tlog-proof@v1\n"

static void proofs_have_one_form(void **state)
{
    static const struct {
        const char *text;
        bool ok;
    } cases[] = {
        {TLOG "index 7\n" HASH "\n" NOTE, true},
        {TLOG "index 0\n\n" NOTE, true},
        {TLOG "extra AAAA\nindex 7\n" HASH "\n" NOTE, true},
        {"old 7\n" HASH HASH "\n" NOTE, true},
        {"old 0\n\n" NOTE, true},
        {"fork-proof/v1\n\n" NOTE "\n" NOTE, true},
        {"fork-proof/v1\nroot " HASH HASH "\n" NOTE "\n" NOTE, true},
        {"", false},
        {"\n", false},
        {TLOG, false},
        {TLOG "index 7\n", false},
        {TLOG "index 7\n" HASH, false},
        {TLOG "index 7\n" HASH "\n", false},
        {TLOG "index 07\n" HASH "\n" NOTE, false},
        {TLOG "index +7\n" HASH "\n" NOTE, false},
        {TLOG "index -1\n" HASH "\n" NOTE, false},
        {TLOG "index \n" HASH "\n" NOTE, false},
        {TLOG "index 9223372036854775808\n" HASH "\n" NOTE, false},
        {TLOG "index  7\n" HASH "\n" NOTE, false},
        {TLOG "index 7 \n" HASH "\n" NOTE, false},
        {TLOG "Index 7\n" HASH "\n" NOTE, false},
        {TLOG HASH "\n" NOTE, false},
        {TLOG "index 7\nextra AAAA\n" HASH "\n" NOTE, false},
        {TLOG "extra \nindex 7\n" HASH "\n" NOTE, false},
        {TLOG "extra AAA\nindex 7\n" HASH "\n" NOTE, false},
        {TLOG "extra AAAA\nextra AAAA\nindex 7\n" HASH "\n" NOTE, false},
        {TLOG "index 7\nAAAA\n\n" NOTE, false},
        {TLOG "index 7\r\n" HASH "\n" NOTE, false},
        {TLOG "index 7\n 2Q0P5jSR+TdkwdXWyx+GbBWX0KZbNZkWzCjyTPSozsw=\n\n" NOTE, false},
        {TLOG "index 7\n2Q0P5jSR+TdkwdXWyx+GbBWX0KZbNZkWzCjyTPSozsx=\n\n" NOTE, false},
        {"c2sp.org/tlog-proof@v2\nindex 7\n" HASH "\n" NOTE, false},
        {"\nc2sp.org/tlog-proof@v1\nindex 7\n" HASH "\n" NOTE, false},
        {"old 07\n" HASH "\n" NOTE, false},
        {"old\n" HASH "\n" NOTE, false},
        {"fork-proof/v1\n\n" NOTE, false},
        {"fork-proof/v1\nroot AAAA\n" HASH "\n" NOTE "\n" NOTE, false},
        {"fork-proof/v1\nroot " HASH "\n\n" NOTE "\n", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO_BUF struct buf again = buf_with_limit(1 << 16);
        struct proof proof;
        struct fault fault = {0};

        if (proof_parse(slice_of(cases[i].text), &proof, &fault) != cases[i].ok)
            fail_msg("case %zu: %s", i, fault.why);
        if (!cases[i].ok)
            continue;
        assert_ok(proof_format(&proof, &again, &fault), fault);
        assert_string_equal(buf_text(&again), cases[i].text);
    }
}

static void sixty_three_hashes_are_the_most(void **state)
{
    AUTO_BUF struct buf text = buf_with_limit(1 << 16);
    struct proof proof;
    struct fault fault = {0};

    (void)state;
    for (int extra = 0; extra < 2; extra++) {
        buf_clear(&text);
        assert_ok(buf_add_text(&text, "old 7\n", &fault), fault);
        for (int i = 0; i < PROOF_HASHES_MAX + extra; i++)
            assert_ok(buf_add_text(&text, HASH, &fault), fault);
        assert_ok(buf_add_text(&text, "\n" NOTE, &fault), fault);
        assert_int_equal(proof_parse(buf_slice(&text), &proof, &fault), extra == 0);
    }
}

/* The Tessera log: every record under every checkpoint, every pair of checkpoints. */
static void published_checkpoint(int size, struct buf *bytes)
{
    AUTO_FREE char *name = xformat("tessera-testlog/log/checkpoint.%d", size);

    buf_clear(bytes);
    fixture_read(name, bytes);
}

static void every_record_is_proven_under_every_checkpoint(void **state)
{
    AUTO_CLOSE int vectors = fixture_vectors();
    AUTO_CLOSE int folder =
        openat(vectors, "tessera-testlog/log", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO_BUF struct buf note = buf_with_limit(4096);

    (void)state;
    for (int size = 1; size <= 15; size++) {
        published_checkpoint(size, &note);
        for (uint64_t index = 0; index < (uint64_t)size; index++) {
            AUTO_BUF struct buf text = buf_with_limit(1 << 16), record = buf_with_limit(64);
            struct proof proof = {.kind = PROOF_INCLUSION, .number = index};
            struct fault fault = {0};

            proof.checkpoint = buf_slice(&note);
            assert_ok(proof_inclusion(folder, 15, index, (uint64_t)size, &proof.path, &fault),
                      fault);
            assert_ok(proof_record(folder, NULL, 15, index, &record, &fault), fault);
            assert_ok(proof_format(&proof, &text, &fault), fault);
            assert_int_equal(verdict_on(buf_slice(&text), buf_slice(&record)), VERIFY_HOLDS);
            assert_int_equal(verdict_on(buf_slice(&text), SLICE("x")), VERIFY_TAMPERING);
        }
    }
}

static enum verify_result verdict_against(struct slice proof, struct slice kept, char *why)
{
    return verdict(proof, TESSERA_VKEY, &(struct verify_proof_options){.kept = &kept}, why);
}

static void every_pair_of_checkpoints_is_proven_consistent(void **state)
{
    AUTO_CLOSE int vectors = fixture_vectors();
    AUTO_CLOSE int folder =
        openat(vectors, "tessera-testlog/log", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO_BUF struct buf old = buf_with_limit(4096), note = buf_with_limit(4096);
    AUTO_BUF struct buf other = buf_with_limit(4096);

    (void)state;
    for (int to = 1; to <= 15; to++)
        for (int from = 1; from <= to; from++) {
            AUTO_BUF struct buf text = buf_with_limit(1 << 16);
            struct proof proof = {.kind = PROOF_CONSISTENCY, .number = (uint64_t)from};
            struct fault fault = {0};

            published_checkpoint(from, &old);
            published_checkpoint(from == 15 ? 1 : from + 1, &other);
            published_checkpoint(to, &note);
            proof.checkpoint = buf_slice(&note);
            assert_ok(proof_consistency(folder, 15, (uint64_t)from, (uint64_t)to, &proof.path,
                                        &fault),
                      fault);
            assert_ok(proof_format(&proof, &text, &fault), fault);
            assert_int_equal(verdict_against(buf_slice(&text), buf_slice(&old), NULL),
                             VERIFY_HOLDS);
            assert_int_equal(verdict_against(buf_slice(&text), buf_slice(&other), NULL),
                             VERIFY_INCOMPLETE);
        }
}

static void the_witness_request_that_is_published_is_a_proof(void **state)
{
    AUTO_BUF struct buf bytes = buf_with_limit(1 << 16), old = buf_with_limit(4096);
    char why[256];

    (void)state;
    fixture_read("cosignature/derived-add-checkpoint-7-to-15.request", &bytes);
    published_checkpoint(7, &old);
    assert_int_equal(verdict_against(buf_slice(&bytes), buf_slice(&old), why), VERIFY_HOLDS);
    assert_int_equal(
        verdict(buf_slice(&bytes), TESSERA_VKEY, &(struct verify_proof_options){0}, why),
        VERIFY_INCOMPLETE);
    bytes.at[10] ^= 1; /* in the first hash */
    assert_int_not_equal(verdict_against(buf_slice(&bytes), buf_slice(&old), why),
                         VERIFY_HOLDS);
}

static void what_a_proof_cannot_use_is_wrong_use(void **state)
{
    AUTO_BUF struct buf inclusion = buf_with_limit(1 << 16), old = buf_with_limit(4096);
    AUTO_BUF struct buf consistency = buf_with_limit(1 << 16);
    AUTO_FREE struct verify_proof_report *report = xalloc(sizeof(*report));
    struct slice record = SLICE("eit"), kept, note = SLICE(NOTE);
    struct verify_proof_options with_record = {.record = &record}, with_kept = {.kept = &kept},
                                with_other = {.kept = &note};
    struct fault fault = {0};

    (void)state;
    read_known(&inclusion);
    fixture_read("cosignature/derived-add-checkpoint-7-to-15.request", &consistency);
    published_checkpoint(7, &old);
    kept = buf_slice(&old);
    assert_false(verify_proof(buf_slice(&consistency), SLICE(TESSERA_VKEY), &with_record,
                              report, &fault));
    assert_false(
        verify_proof(buf_slice(&inclusion), SLICE(TESSERA_VKEY), &with_kept, report, &fault));
    assert_false(verify_proof(buf_slice(&consistency), SLICE(TESSERA_VKEY), &with_other,
                              report, &fault));
    assert_false(
        verify_proof(buf_slice(&inclusion), SLICE("no+key"), &with_record, report, &fault));
    assert_int_equal(fault.kind, FAULT_INVALID);
}

/* A tree of `size` equal leaves: all nodes of a height are one hash. */
struct even_tree {
    uint64_t size;
    struct tree_hash node[TREE_HEIGHT_MAX];
};

static void even_tree_make(struct even_tree *tree, uint64_t size)
{
    tree->size = size;
    tree->node[0] = tree_leaf(SLICE("leaf"));
    for (unsigned i = 1; i < COUNT(tree->node); i++)
        tree->node[i] = tree_node(&tree->node[i - 1], &tree->node[i - 1]);
}

static bool even_node(void *self, unsigned height, uint64_t index, struct tree_hash *ret_hash,
                      struct fault *fault)
{
    const struct even_tree *tree = self;

    (void)index, (void)fault;
    *ret_hash = tree->node[height];
    return true;
}

static void write_tile(const struct fixture *fixture, const struct even_tree *tree,
                       unsigned level, uint64_t index)
{
    struct tree_hash hashes[TILE_WIDTH];
    struct tile tile = {.level = level, .index = index};
    AUTO_FREE char *folder = NULL;
    struct fault fault = {0};
    char path[TILE_PATH_BYTES];

    tile.width = tile_width(level, index, tree->size);
    if (tile.width == 0)
        return;
    for (unsigned i = 0; i < tile.width; i++)
        hashes[i] = tree->node[8 * level];
    tile_path(&tile, path);
    folder = xformat("%s/%s", fixture->path, path);
    *strrchr(folder, '/') = 0;
    assert_ok(file_make_folders(folder, 0700, &fault), fault);
    if (!file_exists(fixture->folder, path))
        assert_ok(file_create(fixture->folder, path,
                              slice_of_bytes(hashes, tile.width * sizeof(hashes[0])), 0600,
                              &fault),
                  fault);
}

static int64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int compare_times(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

    return (left > right) - (left < right);
}

#define MANY UINT64_C(100000000)
#define ROUNDS 101

static void a_record_of_a_hundred_million_is_proven_in_a_millisecond(void **state)
{
    static const uint64_t indices[] = {0, 1, 12345678, 50000000, MANY - 257, MANY - 1};
    AUTO_FREE struct even_tree *tree = xalloc(sizeof(*tree));
    struct tree_source memory = {.node = even_node, .self = tree};
    struct fixture fixture = fixture_make();
    int64_t times[COUNT(indices) * ROUNDS];
    struct tree_proof path, known;
    struct tree_hash root;
    struct fault fault = {0};

    (void)state;
    even_tree_make(tree, MANY);
    assert_ok(tree_source_root(&memory, MANY, &root, &fault), fault);
    for (unsigned level = 0; level < 4; level++) {
        for (size_t i = 0; i < COUNT(indices); i++)
            write_tile(&fixture, tree, level, indices[i] >> (8 * (level + 1)));
        write_tile(&fixture, tree, level, (MANY >> (8 * level)) / TILE_WIDTH);
    }
    for (size_t i = 0; i < COUNT(times); i++) {
        uint64_t index = indices[i % COUNT(indices)];
        int64_t begin = now_ns();

        assert_ok(proof_inclusion(fixture.folder, MANY, index, MANY, &path, &fault), fault);
        times[i] = now_ns() - begin;
        assert_ok(tree_prove_inclusion(&memory, index, MANY, &known, &fault), fault);
        assert_int_equal(path.count, known.count);
        assert_memory_equal(path.hash, known.hash, known.count * sizeof(known.hash[0]));
        assert_ok(tree_check_inclusion(index, MANY, &tree->node[0], &path, &root, &fault),
                  fault);
    }
    qsort(times, COUNT(times), sizeof(times[0]), compare_times);
    print_message("# %d us in the middle, %d us at the most\n",
                  (int)(times[COUNT(times) / 2] / 1000),
                  (int)(times[COUNT(times) - 1] / 1000));
#ifndef __SANITIZE_ADDRESS__
    assert_true(times[COUNT(times) / 2] < 1000000);
#endif
    fixture_drop(&fixture);
}

/* A log of `size` leaves, other than its twin's from leaf `parting` on; signed by the same. */
struct twin {
    struct fixture fixture;
    struct buf note, vkey;
    uint64_t size;
};

static struct twin twin_make(uint64_t size, uint64_t parting)
{
    struct twin twin = {.fixture = fixture_make(),
                        .note = buf_with_limit(4096),
                        .vkey = buf_with_limit(1024),
                        .size = size};
    struct note_signer *signer = fixture_signer(0, &twin.vkey);
    struct edge *edge = edge_new(twin.fixture.folder, twin.fixture.folder, &durable_plain);
    struct tree_range range = {0};
    struct tree_hash root;
    struct fault fault = {0};

    for (uint64_t i = 0; i < size; i++) {
        AUTO_FREE char *leaf =
            xformat("%s %llu", i < parting ? "same" : "other", (unsigned long long)i);
        struct tree_hash hash = tree_leaf(slice_of(leaf));

        assert_ok(edge_add(edge, slice_of(leaf), &hash, &fault), fault);
        tree_append(&range, &hash);
    }
    assert_ok(edge_flush(edge, &fault), fault);
    edge_free(edge);
    root = tree_root(&range);
    assert_ok(checkpoint_sign(size, &root, signer, &twin.note, &fault), fault);
    assert_ok(
        file_create(twin.fixture.folder, "checkpoint", buf_slice(&twin.note), 0600, &fault),
        fault);
    note_signer_free(signer);
    return twin;
}

static void twin_drop(struct twin *twin)
{
    buf_free(&twin->note);
    buf_free(&twin->vkey);
    fixture_drop(&twin->fixture);
}

static enum verify_result ledger_against(struct twin *ledger, const struct twin *kept,
                                         struct verify_report *report)
{
    struct slice note = buf_slice(&kept->note);
    struct verify_options options = {.leaves_are_opaque = true, .kept = &note};
    struct fault fault = {0};

    assert_ok(verify_ledger(ledger->fixture.folder, slice_of(buf_text(&ledger->vkey)),
                            &options, report, &fault),
              fault);
    assert_true(report->has_kept);
    assert_int_equal(report->kept_size, kept->size);
    return report->result;
}

static void a_ledger_is_held_against_a_kept_checkpoint(void **state)
{
    static const struct {
        uint64_t kept, size, parting;
        enum verify_result result;
        bool is_fork;
    } cases[] = {
        {5, 5, 5, VERIFY_HOLDS, false},        {5, 5, 4, VERIFY_TAMPERING, true},
        {4, 9, 9, VERIFY_HOLDS, false},        {4, 9, 3, VERIFY_TAMPERING, true},
        {4, 9, 4, VERIFY_HOLDS, false},        {1, 300, 0, VERIFY_TAMPERING, true},
        {256, 300, 256, VERIFY_HOLDS, false},  {256, 300, 255, VERIFY_TAMPERING, true},
        {300, 600, 7, VERIFY_TAMPERING, true}, {0, 3, 3, VERIFY_HOLDS, false},
        {9, 4, 9, VERIFY_TAMPERING, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO_FREE struct verify_report *report = xalloc(sizeof(*report));
        struct twin kept = twin_make(cases[i].kept, cases[i].kept);
        struct twin ledger = twin_make(cases[i].size, cases[i].parting);

        if (ledger_against(&ledger, &kept, report) != cases[i].result)
            fail_msg("case %zu: %s", i, report->problems[0].text);
        assert_int_equal(report->is_fork, cases[i].is_fork);
        twin_drop(&kept);
        twin_drop(&ledger);
    }
}

static enum verify_result verify_twin(struct twin *twin, struct verify_report *report)
{
    struct verify_options options = {.leaves_are_opaque = true};
    struct fault fault = {0};

    assert_ok(verify_ledger(twin->fixture.folder, slice_of(buf_text(&twin->vkey)), &options,
                            report, &fault),
              fault);
    return report->result;
}

/* Large enough for a full tile of level 1, and one of level 2. */
static void every_level_of_tiles_is_held_against_the_records(void **state)
{
    static const char *const tiles[] = {"tile/1/000", "tile/1/001.p/1", "tile/2/000.p/1"};
    struct twin twin = twin_make(65537 + 255, UINT64_MAX);
    AUTO_FREE struct verify_report *report = xalloc(sizeof(*report));

    (void)state;
    if (verify_twin(&twin, report) != VERIFY_HOLDS)
        fail_msg("%s", report->problems[0].text);
    for (size_t i = 0; i < COUNT(tiles); i++) {
        AUTO_CLOSE int fd = openat(twin.fixture.folder, tiles[i], O_RDWR | O_CLOEXEC);
        uint8_t byte;

        assert_int_equal(pread(fd, &byte, 1, 7), 1);
        byte ^= 1;
        assert_int_equal(pwrite(fd, &byte, 1, 7), 1);
        assert_int_equal(verify_twin(&twin, report), VERIFY_TAMPERING);
        assert_non_null(strstr(report->problems[0].text, tiles[i]));
        byte ^= 1;
        assert_int_equal(pwrite(fd, &byte, 1, 7), 1);
    }
    twin_drop(&twin);
}

/* Tiles and records agree; what was signed is another tree. */
static void a_signature_over_another_root_is_tampering(void **state)
{
    struct twin twin = twin_make(9, 9), other = twin_make(9, 8);
    AUTO_FREE struct verify_report *report = xalloc(sizeof(*report));
    struct fault fault = {0};

    (void)state;
    assert_ok(file_replace_durably(twin.fixture.folder, "checkpoint", buf_slice(&other.note),
                                   0600, &fault),
              fault);
    assert_int_equal(verify_twin(&twin, report), VERIFY_TAMPERING);
    assert_string_equal(report->problems[0].text, "the records do not give the signed root");
    twin_drop(&twin);
    twin_drop(&other);
}

static void an_empty_ledger_is_incomplete_however_well_signed(void **state)
{
    struct twin twin = twin_make(0, 0);
    AUTO_FREE struct verify_report *report = xalloc(sizeof(*report));

    (void)state;
    assert_int_equal(verify_twin(&twin, report), VERIFY_INCOMPLETE);
    assert_true(report->has_checkpoint);
    assert_int_equal(report->problem_count, 1);
    twin_drop(&twin);
}

/* What another key signed says nothing about this ledger: that is a wrong question. */
static void a_kept_checkpoint_of_another_key_is_wrong_use(void **state)
{
    AUTO_BUF struct buf other = buf_with_limit(4096);
    struct twin twin = twin_make(9, 9);
    AUTO_FREE struct verify_report *report = xalloc(sizeof(*report));
    struct slice kept;
    struct verify_options options = {.leaves_are_opaque = true, .kept = &kept};
    struct fault fault = {0};

    (void)state;
    published_checkpoint(7, &other);
    kept = buf_slice(&other);
    assert_false(verify_ledger(twin.fixture.folder, slice_of(buf_text(&twin.vkey)), &options,
                               report, &fault));
    assert_int_equal(fault.kind, FAULT_INVALID);
    twin_drop(&twin);
}

/* A writer at work is some tiles ahead; a heap of them is litter that nobody checks. */
static void a_heap_of_tiles_ahead_is_tampering(void **state)
{
    struct twin twin = twin_make(9, 9);
    AUTO_FREE struct verify_report *report = xalloc(sizeof(*report));
    AUTO_FREE char *folder = xformat("%s/tile/0/x001", twin.fixture.path);
    AUTO_FREE char *second = xformat("%s/tile/0/x002", twin.fixture.path);
    AUTO_FREE char *third = xformat("%s/tile/0/x003", twin.fixture.path);
    struct fault fault = {0};

    (void)state;
    assert_ok(file_make_folders(folder, 0700, &fault), fault);
    assert_ok(file_make_folders(second, 0700, &fault), fault);
    assert_ok(file_make_folders(third, 0700, &fault), fault);
    for (uint64_t i = 0; i < 2048; i++) {
        struct tile tile = {.index = 1000 + i, .width = TILE_WIDTH};
        char path[TILE_PATH_BYTES];

        if (i == 2047)
            assert_int_equal(verify_twin(&twin, report), VERIFY_HOLDS);
        tile_path(&tile, path);
        assert_ok(file_create(twin.fixture.folder, path, SLICE("x"), 0600, &fault), fault);
    }
    assert_int_equal(verify_twin(&twin, report), VERIFY_TAMPERING);
    twin_drop(&twin);
}

static void a_fork_is_proven_by_its_two_checkpoints(void **state)
{
    static const uint64_t cases[][3] = {{5, 5, 4},      {4, 9, 3},     {3, 9, 0},
                                        {1, 2, 0},      {256, 300, 9}, {300, 600, 7},
                                        {600, 600, 599}};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct twin kept = twin_make(cases[i][0], cases[i][0]);
        struct twin ledger = twin_make(cases[i][1], cases[i][2]);
        AUTO_BUF struct buf proof = buf_with_limit(PROOF_BYTES_MAX);
        struct verify_proof_options nothing = {0};
        struct fault fault = {0};
        char why[256];

        assert_ok(proof_fork(ledger.fixture.folder, buf_slice(&kept.note),
                             buf_slice(&ledger.note), &proof, &fault),
                  fault);
        assert_int_equal(verdict(buf_slice(&proof), buf_text(&kept.vkey), &nothing, why),
                         VERIFY_TAMPERING);
        assert_non_null(strstr(why, "a fork"));
        for (size_t bit = 0; bit < 8 * proof.len; bit++) {
            proof.at[bit / 8] ^= (uint8_t)(1U << bit % 8);
            assert_int_equal(verdict(buf_slice(&proof), buf_text(&kept.vkey), &nothing, why),
                             VERIFY_INCOMPLETE);
            proof.at[bit / 8] ^= (uint8_t)(1U << bit % 8);
        }
        assert_int_equal(verdict(buf_slice(&proof), TESSERA_VKEY, &nothing, why),
                         VERIFY_INCOMPLETE);
        twin_drop(&kept);
        twin_drop(&ledger);
    }
}

/* One fork, one file: what leads nowhere does not belong in it. */
static void a_fork_with_a_hash_too_many_is_not_taken(void **state)
{
    struct twin one = twin_make(5, 5), other = twin_make(5, 4);
    AUTO_BUF struct buf text = buf_with_limit(PROOF_BYTES_MAX);
    struct proof proof = {.kind = PROOF_FORK, .path = {.count = 1}};
    struct fault fault = {0};

    (void)state;
    proof.checkpoint = buf_slice(&one.note);
    proof.other = buf_slice(&other.note);
    assert_ok(proof_format(&proof, &text, &fault), fault);
    assert_int_equal(verdict(buf_slice(&text), buf_text(&one.vkey),
                             &(struct verify_proof_options){0}, NULL),
                     VERIFY_INCOMPLETE);
    twin_drop(&one);
    twin_drop(&other);
}

static void honest_checkpoints_make_no_fork(void **state)
{
    struct twin old = twin_make(4, 4), now = twin_make(9, 9);
    AUTO_BUF struct buf proof = buf_with_limit(PROOF_BYTES_MAX);
    struct fault fault = {0};

    (void)state;
    assert_false(proof_fork(now.fixture.folder, buf_slice(&old.note), buf_slice(&now.note),
                            &proof, &fault));
    assert_int_equal(fault.kind, FAULT_CONFLICT);
    assert_false(proof_fork(now.fixture.folder, buf_slice(&now.note), buf_slice(&now.note),
                            &proof, &fault));
    assert_int_equal(fault.kind, FAULT_CONFLICT);
    twin_drop(&old);
    twin_drop(&now);
}

/* What a liar would write to accuse a key of a fork that there is not. */
enum lie {
    ONE_CHECKPOINT_TWICE,
    THE_OLD_ROOT_ITSELF,
    A_ROOT_OF_NOWHERE,
    NO_ROOT,
    TWO_SIZES_ONLY,
    A_ROOT_TOO_MANY,
    A_PATH_TOO_MANY,
    THE_LARGER_FIRST,
    LIES
};

static void accuse(enum lie lie, const struct twin *old, const struct twin *now,
                   struct proof *proof)
{
    struct fault fault = {0};
    bool one = lie == ONE_CHECKPOINT_TWICE || lie == A_ROOT_TOO_MANY || lie == A_PATH_TOO_MANY;

    *proof = (struct proof){.kind = PROOF_FORK,
                            .checkpoint = buf_slice(&now->note),
                            .other = buf_slice(one ? &now->note : &old->note)};
    assert_ok(proof_consistency(now->fixture.folder, now->size, old->size, now->size,
                                &proof->path, &fault),
              fault);
    assert_ok(proof_root(now->fixture.folder, now->size, old->size, &proof->root, &fault),
              fault);
    proof->has_root = !one && lie != NO_ROOT && lie != TWO_SIZES_ONLY;
    if (lie == ONE_CHECKPOINT_TWICE || lie == A_ROOT_TOO_MANY || lie == TWO_SIZES_ONLY)
        proof->path.count = 0;
    if (lie == A_ROOT_TOO_MANY)
        proof->has_root = true;
    if (lie == A_ROOT_OF_NOWHERE || lie == A_ROOT_TOO_MANY)
        proof->root.at[0] ^= 1;
    if (lie == THE_LARGER_FIRST) {
        proof->checkpoint = buf_slice(&old->note);
        proof->other = buf_slice(&now->note);
    }
}

static void accusations_without_a_fork_prove_nothing(void **state)
{
    struct twin old = twin_make(3, 3), now = twin_make(9, 9);

    (void)state;
    for (enum lie lie = 0; lie < LIES; lie++) {
        AUTO_BUF struct buf text = buf_with_limit(PROOF_BYTES_MAX);
        struct proof proof;
        struct fault fault = {0};
        char why[256];

        accuse(lie, &old, &now, &proof);
        assert_ok(proof_format(&proof, &text, &fault), fault);
        if (verdict(buf_slice(&text), buf_text(&old.vkey), &(struct verify_proof_options){0},
                    why) != VERIFY_INCOMPLETE)
            fail_msg("lie %d was believed", lie);
        assert_non_null(strstr(why, "no fork"));
    }
    twin_drop(&old);
    twin_drop(&now);
}

static void a_path_cut_or_swapped_does_not_hold(void **state)
{
    struct twin old = twin_make(5, 5), now = twin_make(300, 300);
    struct slice kept = buf_slice(&old.note);
    struct verify_proof_options options = {.kept = &kept};
    struct proof proof = {.kind = PROOF_CONSISTENCY, .number = 5};
    struct fault fault = {0};
    struct tree_proof whole;

    (void)state;
    proof.checkpoint = buf_slice(&now.note);
    assert_ok(proof_consistency(now.fixture.folder, 300, 5, 300, &whole, &fault), fault);
    for (size_t i = 0; i <= whole.count + 1; i++) {
        AUTO_BUF struct buf text = buf_with_limit(PROOF_BYTES_MAX);
        enum verify_result expected = i == whole.count ? VERIFY_HOLDS : VERIFY_TAMPERING;

        proof.path = whole;
        proof.path.count = i;
        assert_ok(proof_format(&proof, &text, &fault), fault);
        assert_int_equal(verdict(buf_slice(&text), buf_text(&now.vkey), &options, NULL),
                         expected);
    }
    for (size_t i = 1; i < whole.count; i++) {
        AUTO_BUF struct buf text = buf_with_limit(PROOF_BYTES_MAX);

        proof.path = whole;
        proof.path.hash[i] = whole.hash[i - 1];
        proof.path.hash[i - 1] = whole.hash[i];
        assert_ok(proof_format(&proof, &text, &fault), fault);
        assert_int_equal(verdict(buf_slice(&text), buf_text(&now.vkey), &options, NULL),
                         VERIFY_TAMPERING);
    }
    twin_drop(&old);
    twin_drop(&now);
}

static void what_is_not_in_the_tree_is_not_proven(void **state)
{
    struct twin now = twin_make(9, 9);
    AUTO_BUF struct buf record = buf_with_limit(64);
    struct tree_proof path;
    struct tree_hash root;
    struct fault fault = {0};
    int folder = now.fixture.folder;

    (void)state;
    assert_false(proof_inclusion(folder, 9, 9, 9, &path, &fault));
    assert_false(proof_inclusion(folder, 9, 5, 5, &path, &fault));
    assert_false(proof_inclusion(folder, 9, 5, 10, &path, &fault));
    assert_false(proof_consistency(folder, 9, 0, 9, &path, &fault));
    assert_false(proof_consistency(folder, 9, 5, 10, &path, &fault));
    assert_false(proof_consistency(folder, 9, 7, 6, &path, &fault));
    assert_false(proof_root(folder, 9, 10, &root, &fault));
    assert_false(proof_record(folder, NULL, 9, 9, &record, &fault));
    assert_int_equal(fault.kind, FAULT_INVALID);
    assert_int_equal(unlinkat(folder, "tile/0/000.p/9", 0), 0);
    assert_false(proof_inclusion(folder, 9, 5, 9, &path, &fault));
    assert_int_equal(fault.kind, FAULT_MISSING);
    twin_drop(&now);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_published_proof_is_of_its_record_only),
        TEST(every_flipped_bit_of_a_proof_shows),
        TEST(a_proof_without_the_record_proves_nothing),
        TEST(a_proof_under_another_key_does_not_hold),
        TEST(proofs_have_one_form),
        TEST(sixty_three_hashes_are_the_most),
        TEST(every_record_is_proven_under_every_checkpoint),
        TEST(every_pair_of_checkpoints_is_proven_consistent),
        TEST(the_witness_request_that_is_published_is_a_proof),
        TEST(what_a_proof_cannot_use_is_wrong_use),
        TEST(a_record_of_a_hundred_million_is_proven_in_a_millisecond),
        TEST(a_ledger_is_held_against_a_kept_checkpoint),
        TEST(every_level_of_tiles_is_held_against_the_records),
        TEST(a_signature_over_another_root_is_tampering),
        TEST(an_empty_ledger_is_incomplete_however_well_signed),
        TEST(a_kept_checkpoint_of_another_key_is_wrong_use),
        TEST(a_heap_of_tiles_ahead_is_tampering),
        TEST(a_fork_is_proven_by_its_two_checkpoints),
        TEST(a_fork_with_a_hash_too_many_is_not_taken),
        TEST(honest_checkpoints_make_no_fork),
        TEST(accusations_without_a_fork_prove_nothing),
        TEST(a_path_cut_or_swapped_does_not_hold),
        TEST(what_is_not_in_the_tree_is_not_proven),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
