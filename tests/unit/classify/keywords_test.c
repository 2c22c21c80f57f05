/* Literals in a text, beside a search for each by itself. */
#include "test.h"

#include <sys/mman.h>
#include <unistd.h>

#include "classify/ascii.h"
#include "classify/keywords.h"

#define FOUND_MAX 65536
#define LITERALS_MAX 300
#define ROUNDS 150

struct found {
    size_t keyword, end;
};

static struct found found[FOUND_MAX], wanted[FOUND_MAX];
static size_t found_count, wanted_count, limit;

static bool add(void *self, size_t keyword, size_t end)
{
    (void)self;
    assert_true(found_count < FOUND_MAX);
    found[found_count++] = (struct found){keyword, end};
    return found_count < limit;
}

static bool is_at(const struct keyword *keyword, const uint8_t *at)
{
    for (size_t i = 0; i < keyword->text.len; i++)
        if (keyword->is_cased ? at[i] != keyword->text.at[i]
                              : lower(at[i]) != lower(keyword->text.at[i]))
            return false;
    return true;
}

static void look_for_each(const struct keyword *all, size_t count, struct slice text)
{
    wanted_count = 0;
    for (size_t end = KEYWORD_BYTES_MIN; end <= text.len; end++)
        for (size_t i = 0; i < count; i++)
            if (all[i].text.len <= end && is_at(&all[i], text.at + end - all[i].text.len)) {
                assert_true(wanted_count < FOUND_MAX);
                wanted[wanted_count++] = (struct found){i, end};
            }
}

static void assert_all_found(struct keywords *keywords, const struct keyword *all, size_t count,
                             struct slice text)
{
    look_for_each(all, count, text);
    limit = SIZE_MAX;
    for (int way = 0; way < 2; way++) {
        found_count = 0;
        assert_true((way == 0 ? keywords_find : keywords_find_plainly)(keywords, text, add, NULL));
        assert_int_equal(found_count, wanted_count);
        if (wanted_count > 0)
            assert_memory_equal(found, wanted, wanted_count * sizeof(*found));
    }
}

static uint64_t state;

static size_t below(size_t most)
{
    state = state * UINT64_C(6364136223846793005) + 1442695040888963407U;
    return (size_t)(state >> 33) % most;
}

static void fill(uint8_t *at, size_t len)
{
    /* few letters, so that much is found; and what is the same but for the bits that are looked at */
    static const uint8_t letters[] = "abcABC_-01\x7f\x1f\x11\0@`{[\xe1";
    size_t kinds = 2 + below(sizeof(letters) - 2);

    for (size_t i = 0; i < len; i++)
        at[i] = letters[below(kinds)];
}

/* Bytes behind the text and in front of it are nobody's: to read them ends the test. */
static uint8_t *end_of_page(size_t len)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (len + page - 1) / page * page;
    uint8_t *at = mmap(NULL, room + page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    assert_true(at != MAP_FAILED);
    assert_int_equal(mprotect(at, room, PROT_READ | PROT_WRITE), 0);
    return at + room;
}

static void each_occurrence_is_found_once_and_in_order(void **unused)
{
    static uint8_t bytes[LITERALS_MAX][KEYWORD_BYTES_MAX];
    static struct keyword all[LITERALS_MAX];
    const size_t room = 20000;
    uint8_t *end = end_of_page(room);

    (void)unused;
    for (int round = 0; round < ROUNDS; round++) {
        size_t count = below(8) == 0 ? below(LITERALS_MAX) : below(12);
        size_t len = below(4) == 0 ? below(room) : below(300);
        struct slice text = slice_of_bytes(end - len, len);
        struct keywords *keywords;

        state += (uint64_t)round;
        for (size_t i = 0; i < count; i++) {
            size_t size = KEYWORD_BYTES_MIN + below(below(4) == 0 ? 61 : 8);

            fill(bytes[i], size);
            all[i] = (struct keyword){slice_of_bytes(bytes[i], size), below(2) == 0};
        }
        fill(end - len, len);
        if (count > 0 && len > 100) /* long ones are not found by chance */
            for (int i = 0; i < 5; i++) {
                struct slice one = all[below(count)].text;
                size_t at = below(len - one.len + 1);

                memcpy(end - len + at, one.at, one.len);
            }
        keywords = keywords_new(all, count);
        assert_all_found(keywords, all, count, text);
        keywords_free(keywords);
    }
}

static void a_literal_is_found_wherever_it_stands(void **unused)
{
    static const char *const literals[] = {"key", "akia", "token", "secret", "private", "password", "authorization"};
    static uint8_t text[4200];

    (void)unused;
    for (size_t i = 0; i < COUNT(literals); i++) {
        const struct keyword one = {slice_of(literals[i]), false};
        struct keywords *keywords = keywords_new(&one, 1);

        for (size_t at = 0; at + one.text.len <= sizeof(text); at += at < 70 || at > 4050 ? 1 : 97) {
            memset(text, 'e', sizeof(text));
            memcpy(text + at, one.text.at, one.text.len);
            assert_all_found(keywords, &one, 1, slice_of_bytes(text, sizeof(text)));
            assert_int_equal(found_count, 1);
            assert_all_found(keywords, &one, 1, slice_of_bytes(text, at + one.text.len));
            assert_int_equal(found_count, 1);
        }
        keywords_free(keywords);
    }
}

static void who_wants_no_more_is_told_no_more(void **unused)
{
    const struct keyword one = {SLICE("key"), false};
    struct keywords *keywords = keywords_new(&one, 1);

    (void)unused;
    found_count = 0;
    limit = 2;
    assert_false(keywords_find(keywords, SLICE("key Key kEY keY"), add, NULL));
    assert_int_equal(found_count, 2);
    assert_all_found(keywords, &one, 1, SLICE("a kEy")); /* nothing is left of that */
    keywords_free(keywords);
}

static void nothing_is_found_by_no_literal_and_in_no_text(void **unused)
{
    const struct keyword one = {SLICE("key"), false};
    struct keywords *none = keywords_new(NULL, 0), *keywords = keywords_new(&one, 1);

    (void)unused;
    assert_all_found(none, NULL, 0, SLICE("key"));
    assert_all_found(keywords, &one, 1, SLICE(""));
    assert_all_found(keywords, &one, 1, SLICE("ke"));
    keywords_free(none);
    keywords_free(keywords);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(each_occurrence_is_found_once_and_in_order),
        TEST(a_literal_is_found_wherever_it_stands),
        TEST(who_wants_no_more_is_told_no_more),
        TEST(nothing_is_found_by_no_literal_and_in_no_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
