/* Events that are alike: what fits a mould is what would have been read, and nothing else fits. */
#include "gateway/door/answer/mould.h"

#include "test.h"

#define DELTA(id, text, number)                                                               \
    "{\"id\":\"" id "\",\"n\":" number                                                        \
    ",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" text                               \
    "\"},\"finish_reason\":null}]}"

struct noted {
    struct slice document;
    struct mould_making making;
};

/* As the door does: ids are looked at, contents are pieces, an index is fixed. */
static bool on_leaf(void *self, const struct json_leaf *leaf, struct fault *fault)
{
    struct noted *noted = self;
    struct slice key = leaf->is_key ? SLICE("") : leaf->path[leaf->depth - 1].key;
    bool is_piece = leaf->type == JSON_STRING && json_key_is(key, "content");
    bool is_fixed = json_key_is(key, "index");

    (void)fault;
    if (!leaf->is_key)
        mould_note(&noted->making, noted->document, leaf, is_fixed,
                   is_piece                    ? MOULD_PIECE
                   : leaf->type == JSON_NUMBER ? MOULD_NUMBER
                                               : MOULD_TEXT,
                   NULL);
    return true;
}

static struct mould *mould_of(const char *text)
{
    struct noted noted = {.document = slice_of(text)};
    struct json_visitor visitor = {.leaf = on_leaf, .self = &noted};
    struct fault fault = {0};

    assert_ok(json_walk(noted.document, &visitor, &fault), fault);
    return mould_make(&noted.making, noted.document);
}

static void what_is_alike_fits_and_nothing_else(void **state)
{
    static const struct {
        const char *text;
        bool fits;
        uint32_t same; /* id, n, index, content */
    } cases[] = {
        {DELTA("c-1", "one", "1"), true, 0xF},
        {DELTA("c-1", "two", "1"), true, 0x7},
        {DELTA("c-1", "", "1"), true, 0x7},
        {DELTA("c-2", "a \\\"b\\\" \\u00e9 \xC3\xA9", "1"), true, 0x6},
        {DELTA("c-1", "one", "12"), true, 0xD},
        {DELTA("c-1", "one", "1.5e-3"), true, 0xD},
        {DELTA("c-1", "one", "-1"), true, 0xD},
        {DELTA("c-1", "one", "1e"), false, 0},
        {DELTA("c-1", "one", "01"), false, 0},
        {DELTA("c-1", "one", "\"1\""), false, 0},
        {DELTA("c-1", "one", "null"), false, 0},
        {DELTA("c-1", "one\\", "1"), false, 0},
        {DELTA("c-1", "one\\x", "1"), false, 0},
        {DELTA("c-1", "one\n", "1"), false, 0},
        {DELTA("c-1", "\xC3", "1"), false, 0},
        {DELTA("c-1", "one\",\"content\":\"two", "1"), false, 0},
        {DELTA("c-1", "one", "1") " ", false, 0},
        {DELTA("c-1", "one", "1,\"n\":2"), false, 0},
        {"{\"id\":\"c-1\"}", false, 0},
        {"{\"id\":\"c-1", false, 0},
        {"", false, 0},
    };
    struct mould *mould = mould_of(DELTA("c-1", "one", "1"));
    struct slice raw[MOULD_LEAVES_MAX];
    uint32_t same;

    (void)state;
    assert_int_equal(mould_count(mould), 4);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct slice text = slice_of(cases[i].text);
        struct fault fault = {0};
        bool fits = mould_fits(mould, text, raw, &same);

        if (fits != cases[i].fits)
            fail_msg("%s", cases[i].text);
        if (fits) {
            assert_int_equal(same, cases[i].same);
            assert_ok(json_walk(text, NULL, &fault), fault);
        }
    }
    mould_free(mould);
}

static void a_fixed_leaf_is_what_it_was(void **state)
{
    struct mould *mould = mould_of("{\"index\":1,\"content\":\"a\"}");
    struct slice raw[MOULD_LEAVES_MAX];
    uint32_t same;

    (void)state;
    assert_true(mould_fits(mould, SLICE("{\"index\":1,\"content\":\"bc\"}"), raw, &same));
    assert_true(slice_equal(raw[1], SLICE("\"bc\"")));
    assert_false(mould_fits(mould, SLICE("{\"index\":2,\"content\":\"a\"}"), raw, &same));
    assert_false(mould_fits(mould, SLICE("{\"index\":10,\"content\":\"a\"}"), raw, &same));
    mould_free(mould);
}

static void of_what_has_too_many_leaves_none_is_made(void **state)
{
    char text[MOULD_LEAVES_MAX * 16 + 64] = "{";
    size_t len = 1;

    (void)state;
    for (int i = 0; i <= MOULD_LEAVES_MAX; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s\"k%d\":%d", i ? "," : "",
                                i, i);
    text[len] = '}';
    assert_null(mould_of(text));
    assert_null(mould_of("{}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_alike_fits_and_nothing_else),
        TEST(a_fixed_leaf_is_what_it_was),
        TEST(of_what_has_too_many_leaves_none_is_made),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
