#include "test.h"
#include "values.h"

#include "base/scope.h"
#include "classify/leafcache.h"

static const uint8_t key[LEAFCACHE_KEY_BYTES] = {9, 8, 7};

static struct finding found; /* the first one of the last scan */

static size_t scan(struct leafcache *cache, const char *text, const char *path, unsigned *ret_mask)
{
    AUTO_FREE struct finding *findings = NULL;
    struct fault fault = {0};
    size_t count = 99;

    *ret_mask = 99;
    assert_ok(leafcache_scan(cache, slice_of(text), slice_of(path), &findings, &count, ret_mask,
                             &fault),
              fault);
    found = count > 0 ? findings[0] : (struct finding){0};
    return count;
}

static void what_was_found_in_a_text_is_known(void **state)
{
    struct leafcache *cache = leafcache_new(key, 64);
    struct leafcache_counts counts;
    unsigned mask;

    (void)state;
    for (int turn = 0; turn < 3; turn++) {
        assert_int_equal(scan(cache, "int main(void) { return 0; }", "", &mask), 0);
        assert_int_equal(mask, 0);
        assert_int_equal(scan(cache, "card " CARD, "", &mask), 1);
        assert_int_equal(mask, CLASS_BIT(CLASS_PAN));
        assert_true(found.start == 5 && found.end == 21 && found.class == CLASS_PAN);
        assert_string_equal(classify_rule_id(found.rule), "pan.card");
        assert_int_equal(found.confidence, CONFIDENCE_MEDIUM);
        assert_int_equal(scan(cache, "", "", &mask), 0);
    }
    counts = leafcache_counts(cache);
    assert_int_equal(counts.asked, 9);
    assert_int_equal(counts.known, 6);
    leafcache_free(cache);
}

/* The path is a hint for formats: a text under another one is another text. */
static void a_text_is_known_under_its_path_only(void **state)
{
    struct leafcache *cache = leafcache_new(key, 64);
    unsigned mask;

    (void)state;
    (void)scan(cache, "bc", "a", &mask);
    (void)scan(cache, "c", "ab", &mask);
    (void)scan(cache, "abc", "", &mask);
    assert_int_equal(leafcache_counts(cache).known, 0);
    (void)scan(cache, "bc", "a", &mask);
    assert_int_equal(leafcache_counts(cache).known, 1);
    leafcache_free(cache);
}

static void it_never_grows_and_drops_the_oldest(void **state)
{
    struct leafcache *cache = leafcache_new(key, 16);
    unsigned mask;

    (void)state;
    for (int i = 0; i < 500; i++) {
        AUTO_FREE char *text = xformat("line %d of a log", i);

        (void)scan(cache, "what is asked for each time", "", &mask);
        (void)scan(cache, text, "", &mask);
    }
    assert_int_equal(leafcache_counts(cache).known, 499); /* never driven out, the rest never met twice */
    (void)scan(cache, "line 3 of a log", "", &mask);
    assert_int_equal(leafcache_counts(cache).known, 499);
    leafcache_free(cache);
}

static void without_a_cache_everything_is_looked_through(void **state)
{
    unsigned mask;

    (void)state;
    assert_int_equal(scan(NULL, "card " CARD, "", &mask), 1);
    assert_int_equal(scan(NULL, "nothing", "", &mask), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_found_in_a_text_is_known),
        TEST(a_text_is_known_under_its_path_only),
        TEST(it_never_grows_and_drops_the_oldest),
        TEST(without_a_cache_everything_is_looked_through),
    };

    return cmocka_run_group_tests_name("leafcache", tests, NULL, NULL);
}
