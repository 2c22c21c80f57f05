/* The index against a plain search, and what damage does to it. */
#include "test.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/scope.h"
#include "index/index.h"
#include "index/postings.h"
#include "os/file.h"

static const char *const names[] = {"run", "path", "class"};
static const struct index_schema schema = {names, COUNT(names), 0};

#define FIELDS COUNT(names)

struct row {
    int64_t time_us;
    char text[FIELDS][32]; /* "": none */
    bool is_unreadable;
};

struct place {
    char folder[32];
    char path[64];
    struct row *rows;
    size_t count;
};

static uint64_t state = 7;

static uint64_t below(uint64_t limit)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (state >> 33) % limit;
}

static struct place place_make(size_t count)
{
    static const char *const classes[] = {"", "phi", "pan", "code"};
    struct place place = {.folder = "/tmp/custody-index.XXXXXX", .count = count};

    assert_non_null(mkdtemp(place.folder));
    (void)snprintf(place.path, sizeof(place.path), "%s/log.db", place.folder);
    place.rows = xalloc_array(count + 1, sizeof(struct row));
    for (size_t i = 0; i < count; i++) {
        struct row *row = &place.rows[i];

        row->time_us = (int64_t)i * 1000 + (int64_t)below(20000) - 10000;
        (void)snprintf(row->text[0], sizeof(row->text[0]), "r-%u",
                       (unsigned)(i / 500 + below(4)));
        if (below(10) > 0)
            (void)snprintf(row->text[1], sizeof(row->text[1]), "src/%u.c",
                           (unsigned)(below(40) * below(40)));
        (void)snprintf(row->text[2], sizeof(row->text[2]), "%s", classes[below(4)]);
        row->is_unreadable = below(997) == 0;
    }
    return place;
}

static void place_drop(struct place *place)
{
    struct fault fault = {0};

    free(place->rows);
    assert_ok(file_remove_tree(AT_FDCWD, place->folder, &fault), fault);
}

/* Adds the rows up to `to`, and says that they are all of the first shard. */
static bool add_rows(const struct place *place, struct index *index, size_t to,
                     struct fault *fault)
{
    struct index_shard shard = {.origin = "log", .size = to};

    for (size_t i = index_size(index); i < to; i++) {
        struct index_term terms[FIELDS];
        size_t count = 0;

        for (unsigned field = 0; field < FIELDS; field++)
            if (place->rows[i].text[field][0] != 0)
                terms[count++] =
                    (struct index_term){field, slice_of(place->rows[i].text[field])};
        if (place->rows[i].is_unreadable
                ? !index_add_unreadable(index, fault)
                : !index_add(index, place->rows[i].time_us, terms, count, fault))
            return false;
    }
    return index_commit(index, &shard, fault);
}

static void build(const struct place *place)
{
    struct index *index;
    struct fault fault = {0};

    assert_ok(index_open(place->path, &schema, INDEX_REPLACE, &index, &fault), fault);
    assert_ok(add_rows(place, index, place->count, &fault), fault);
    index_close(index);
}

struct query {
    const char *pattern[FIELDS]; /* NULL: any */
    int64_t since_us, until_us;
};

static bool is_like(void *self, const char *text)
{
    return fnmatch(self, text, 0) == 0;
}

static bool is_answer(const struct query *query, const struct row *row)
{
    if (row->time_us < query->since_us || row->time_us >= query->until_us)
        return false;
    for (size_t field = 0; field < FIELDS; field++)
        if (query->pattern[field] != NULL &&
            (row->text[field][0] == 0 ||
             fnmatch(query->pattern[field], row->text[field], 0) != 0))
            return false;
    return true;
}

/*
 * Asks for all, window by window. False with a fault: the index says that it is damaged.
 * Otherwise nothing may be missing; *ret_extra is how many were named that are no answer.
 */
static bool ask(const struct place *place, const struct query *query, size_t width,
                size_t *ret_extra, struct fault *fault)
{
    struct index_set sets[FIELDS] = {0};
    struct index_question question = {sets, 0, query->since_us, query->until_us};
    uint64_t *bits = xalloc_array(width / 64 + 1, sizeof(uint64_t));
    struct index *index;
    size_t extra = 0;
    bool ok = index_open(place->path, &schema, INDEX_READ, &index, fault);

    if (!ok) {
        free(bits);
        return false;
    }
    ok = index_size(index) <= place->count ||
         fault_set(fault, FAULT_INVALID, "too many records");
    for (unsigned field = 0; ok && field < FIELDS; field++)
        if (query->pattern[field] != NULL)
            ok = index_match(index, field, is_like, (void *)(uintptr_t)query->pattern[field],
                             &sets[question.count++], fault);
    for (size_t from = 0, to; ok && from < index_size(index); from = to) {
        to = from + width < index_size(index) ? from + width : index_size(index);
        ok = index_answer(index, &question, from, to, bits, fault);
        for (size_t i = from; ok && i < to; i++) {
            bool has = (bits[(i - from) / 64] >> (i - from) % 64 & 1) != 0;
            bool wanted = place->rows[i].is_unreadable || is_answer(query, &place->rows[i]);

            if (wanted && !has)
                fail_msg("%s %s: record %zu is missing", query->pattern[0], query->pattern[1],
                         i);
            extra += has && !wanted;
        }
    }
    for (size_t i = 0; i < FIELDS; i++)
        index_set_free(&sets[i]);
    index_close(index);
    free(bits);
    *ret_extra = extra;
    return ok;
}

static const struct query queries[] = {
    {{"r-3", NULL, NULL}, INT64_MIN, INT64_MAX},
    {{"r-*", NULL, NULL}, INT64_MIN, INT64_MAX},
    {{"none", NULL, NULL}, INT64_MIN, INT64_MAX},
    {{NULL, "src/1*", NULL}, INT64_MIN, INT64_MAX},
    {{NULL, "*", NULL}, INT64_MIN, INT64_MAX},
    {{NULL, "src/0.c", "phi"}, INT64_MIN, INT64_MAX},
    {{"r-1?", "src/2*", "p*"}, INT64_MIN, INT64_MAX},
    {{NULL, NULL, "code"}, 2000000, 4000000},
    {{NULL, NULL, NULL}, 2000000, 2000001},
    {{"r-2", NULL, NULL}, 9000000, INT64_MAX},
};

/* Too many texts of too many records; more texts than records are left: not looked up. */
#define WIDE_QUERY 4
#define NARROW_QUERY 6

static void answers_are_those_of_a_plain_search(void **unused)
{
    static const size_t counts[] = {0, 1, 63, 64, 4095, 4096, 4097, 20000};
    static const size_t widths[] = {64, 4096, 1 << 20};

    (void)unused;
    for (size_t c = 0; c < COUNT(counts); c++) {
        struct place place = place_make(counts[c]);

        build(&place);
        for (size_t q = 0; q < COUNT(queries); q++)
            for (size_t w = c + 1 < COUNT(counts) ? 0 : 1; w < COUNT(widths); w++) {
                struct fault fault = {0};
                size_t extra;
                bool has_time = queries[q].since_us != INT64_MIN;
                bool is_looked_up = widths[w] > 4096 && q != WIDE_QUERY && q != NARROW_QUERY;

                assert_ok(ask(&place, &queries[q], widths[w], &extra, &fault), fault);
                /* Only times are told by the 4096. */
                if (extra > (!is_looked_up ? place.count : has_time ? 3U * 4096 : 1200))
                    fail_msg("query %zu: %zu too many of %zu", q, extra, counts[c]);
            }
        place_drop(&place);
    }
}

/* In steps of any size, each in a life of its own, it becomes the same. */
static void an_index_grows(void **unused)
{
    struct place place = place_make(30000);
    struct fault fault = {0};
    size_t to = 0, extra;

    (void)unused;
    while (to < place.count) {
        struct index *index;

        to += 1 + below(to < 100 ? 10 : 3000);
        to = to > place.count ? place.count : to;
        assert_ok(index_open(place.path, &schema,
                             file_exists(AT_FDCWD, place.path) ? INDEX_WRITE : INDEX_REPLACE,
                             &index, &fault),
                  fault);
        assert_ok(add_rows(&place, index, to, &fault), fault);
        index_close(index);
    }
    for (size_t q = 0; q < COUNT(queries); q++)
        assert_ok(ask(&place, &queries[q], 8192, &extra, &fault), fault);
    place_drop(&place);
}

static void shards_stand_one_behind_the_other(void **unused)
{
    static const uint64_t sizes[] = {100, 0, 5000};
    struct place place = place_make(5100);
    const struct index_shard *shards;
    struct index *index;
    struct fault fault = {0};
    uint64_t base = 0;
    size_t count;

    (void)unused;
    assert_ok(index_open(place.path, &schema, INDEX_REPLACE, &index, &fault), fault);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct index_shard shard = {.base = base, .size = sizes[i], .root = {(uint8_t)i}};

        (void)snprintf(shard.origin, sizeof(shard.origin), "log-%zu", i);
        for (uint64_t n = 0; n < sizes[i]; n++)
            assert_ok(index_add(index, 0, NULL, 0, &fault), fault);
        assert_ok(index_commit(index, &shard, &fault), fault);
        base += sizes[i];
    }
    index_close(index);
    assert_ok(index_open(place.path, &schema, INDEX_READ, &index, &fault), fault);
    shards = index_shards(index, &count);
    assert_int_equal(count, 3);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(shards[i].size, sizes[i]);
        assert_int_equal(shards[i].root[0], i);
    }
    assert_string_equal(shards[2].origin, "log-2");
    assert_int_equal(shards[2].base, 100);
    index_close(index);
    place_drop(&place);
}

static void a_field_of_too_many_texts_is_not_asked(void **unused)
{
    static const struct index_schema narrow = {names, COUNT(names), 10};
    struct index_set set = {0};
    struct index *index;
    struct place place = place_make(20000);
    struct fault fault = {0};
    uint64_t bits[1];

    (void)unused;
    assert_ok(index_open(place.path, &narrow, INDEX_REPLACE, &index, &fault), fault);
    assert_ok(add_rows(&place, index, 10000, &fault), fault);
    index_close(index);
    assert_ok(index_open(place.path, &narrow, INDEX_WRITE, &index, &fault), fault);
    assert_ok(add_rows(&place, index, 20000, &fault), fault);
    index_close(index);
    assert_ok(index_open(place.path, &narrow, INDEX_READ, &index, &fault), fault);
    assert_ok(index_match(index, 1, is_like, (void *)(uintptr_t) "src/0.c", &set, &fault),
              fault);
    assert_true(set.is_unknown);
    assert_ok(index_answer(index, &(struct index_question){&set, 1, INT64_MIN, INT64_MAX},
                           19900, 19964, bits, &fault),
              fault);
    assert_true(bits[0] == UINT64_MAX);
    index_set_free(&set);
    index_close(index);
    place_drop(&place);
}

/* What is wrong is said, and what is not said to be wrong is right. */
static void check_damaged(const struct place *place, size_t *ret_said)
{
    for (size_t q = 0; q < COUNT(queries); q++) {
        struct fault fault = {0};
        size_t extra;

        if (!ask(place, &queries[q], 1 << 20, &extra, &fault)) {
            assert_true(fault.kind != FAULT_NONE);
            ++*ret_said;
        }
    }
}

static void a_flipped_byte_is_found_or_harmless(void **unused)
{
    struct place place = place_make(3000);
    AUTO_BUF struct buf whole = buf_with_limit(8 << 20);
    struct fault fault = {0};
    size_t said = 0, flips = 0;

    (void)unused;
    build(&place);
    assert_ok(file_read(AT_FDCWD, place.path, &whole, &fault), fault);
    for (size_t at = 0; at < whole.len; at += at < 8192 ? 41 : 97) {
        AUTO_CLOSE int fd = open(place.path, O_RDWR | O_CLOEXEC);
        uint8_t byte = whole.at[at] ^ (uint8_t)(1U << below(8));

        assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
        check_damaged(&place, &said);
        assert_int_equal(pwrite(fd, &whole.at[at], 1, (off_t)at), 1);
        flips++;
    }
    print_message("# %zu flips, %zu of %zu questions refused\n", flips, said,
                  flips * COUNT(queries));
    assert_true(said > flips / 2);
    place_drop(&place);
}

static void a_cut_file_is_found(void **unused)
{
    struct place place = place_make(3000);
    struct stat whole;
    size_t said = 0, cuts = 0;

    (void)unused;
    build(&place);
    assert_int_equal(stat(place.path, &whole), 0);
    for (off_t len = whole.st_size - 1; len >= 0; len -= 4099) {
        assert_int_equal(truncate(place.path, len), 0);
        check_damaged(&place, &said);
        cuts++;
    }
    assert_true(said >= (cuts - 1) * COUNT(queries)); /* the last bytes may be empty */
    place_drop(&place);
}

/* Rows that are gone, by any table, are missed. */
static void a_row_that_is_gone_is_found(void **unused)
{
    static const char *const deletions[] = {
        "DELETE FROM block WHERE place % 3 = 0",
        "DELETE FROM block WHERE place = (SELECT max(place) FROM block)",
        "DELETE FROM block WHERE place = (SELECT min(place) FROM block)",
        "DELETE FROM value WHERE id = (SELECT max(id) FROM value WHERE id < 8388608)",
        "DELETE FROM value WHERE id = (SELECT min(id) FROM value)",
        "DELETE FROM span WHERE number = 1",
        "DELETE FROM span",
        "DELETE FROM field WHERE number = 0",
        "DELETE FROM shard",
        "DELETE FROM about",
        "UPDATE value SET text = 'x' WHERE id % 2 = 0",
        "UPDATE value SET last = 0, count = 0",
        "UPDATE block SET differences = zeroblob(3) WHERE length(differences) > 3",
        "UPDATE about SET size = size - 100",
        "UPDATE shard SET size = size - 100",
        "UPDATE field SET texts = texts - 1 WHERE number = 0",
        "PRAGMA user_version = 2",
        "DROP TABLE span",
    };
    struct place place = place_make(9000);

    (void)unused;
    for (size_t i = 0; i < COUNT(deletions); i++) {
        sqlite3 *database;
        size_t said = 0;

        build(&place);
        assert_int_equal(sqlite3_open(place.path, &database), SQLITE_OK);
        assert_int_equal(sqlite3_exec(database, deletions[i], NULL, NULL, NULL), SQLITE_OK);
        (void)sqlite3_close(database);
        check_damaged(&place, &said);
        if (said == 0)
            fail_msg("not found: %s", deletions[i]);
    }
    place_drop(&place);
}

static void other_fields_are_another_index(void **unused)
{
    static const char *const others[] = {"run", "path", "verdict"};
    static const struct index_schema other = {others, COUNT(others), 0};
    struct place place = place_make(10);
    struct index *index;
    struct fault fault = {0};

    (void)unused;
    assert_false(index_open(place.path, &schema, INDEX_READ, &index, &fault));
    assert_int_equal(fault.kind, FAULT_MISSING);
    build(&place);
    assert_false(index_open(place.path, &other, INDEX_READ, &index, &fault));
    assert_int_equal(fault.kind, FAULT_INVALID);
    place_drop(&place);
}

static void one_writes_and_others_read(void **unused)
{
    struct place place = place_make(5000);
    struct index *writer, *second;
    struct fault fault = {0};
    size_t extra;

    (void)unused;
    assert_ok(index_open(place.path, &schema, INDEX_REPLACE, &writer, &fault), fault);
    assert_ok(add_rows(&place, writer, 2500, &fault), fault);
    assert_false(index_open(place.path, &schema, INDEX_WRITE, &second, &fault));
    assert_int_equal(fault.kind, FAULT_CONFLICT);
    assert_false(index_open(place.path, &schema, INDEX_REPLACE, &second, &fault));
    assert_int_equal(fault.kind, FAULT_CONFLICT);
    assert_ok(ask(&place, &queries[0], 4096, &extra, &fault), fault);
    assert_ok(add_rows(&place, writer, 5000, &fault), fault);
    index_close(writer);
    assert_ok(ask(&place, &queries[0], 4096, &extra, &fault), fault);
    place_drop(&place);
}

/* What was committed before a kill is there, and what was not can be added again. */
static void a_killed_writer_leaves_an_index(void **unused)
{
    struct place place = place_make(40000);
    struct fault fault = {0};
    size_t extra;

    (void)unused;
    build(&place);
    for (int round = 0; round < 20; round++) {
        struct index *index;
        size_t known;
        pid_t pid = fork();

        if (pid == 0) {
            if (!index_open(place.path, &schema, INDEX_REPLACE, &index, &fault))
                _exit(1);
            for (size_t to = 0; to < place.count; to += 500)
                if (!add_rows(&place, index, to, &fault))
                    _exit(1);
            _exit(0);
        }
        (void)usleep((useconds_t)(1000 + below(60000)));
        (void)kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        /* A journal that is left has to be played back by one who may write. */
        if (!index_open(place.path, &schema, INDEX_WRITE, &index, &fault)) {
            assert_true(fault.kind == FAULT_INVALID || fault.kind == FAULT_MISSING);
            assert_ok(index_open(place.path, &schema, INDEX_REPLACE, &index, &fault), fault);
        }
        known = index_size(index);
        assert_int_equal(known % 500, 0);
        assert_ok(add_rows(&place, index, place.count, &fault), fault);
        index_close(index);
        for (size_t q = 0; q < COUNT(queries); q++)
            assert_ok(ask(&place, &queries[q], 1 << 20, &extra, &fault), fault);
    }
    place_drop(&place);
}

static void differences_are_read_as_written(void **unused)
{
    static const uint64_t cases[] = {
        1, 127, 128, 300, 1 << 20, UINT64_C(1) << 35, (UINT64_C(1) << 62) + 3};

    (void)unused;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint8_t bytes[POSTINGS_DIFFERENCE_BYTES_MAX];
        size_t len = postings_write(cases[i], bytes);
        uint64_t difference;

        for (size_t cut = 0; cut <= len; cut++) {
            struct slice rest = slice_of_bytes(bytes, cut);

            assert_int_equal(postings_take(&rest, &difference), cut == len);
        }
        assert_true(difference == cases[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(differences_are_read_as_written),
        TEST(answers_are_those_of_a_plain_search),
        TEST(an_index_grows),
        TEST(shards_stand_one_behind_the_other),
        TEST(a_field_of_too_many_texts_is_not_asked),
        TEST(a_flipped_byte_is_found_or_harmless),
        TEST(a_cut_file_is_found),
        TEST(a_row_that_is_gone_is_found),
        TEST(other_fields_are_another_index),
        TEST(one_writes_and_others_read),
        TEST(a_killed_writer_leaves_an_index),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
