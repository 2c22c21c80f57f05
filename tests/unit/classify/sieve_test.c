/* What the sieve leaves, and that all its ways leave the same. */
#include "test.h"

#include <sys/mman.h>
#include <unistd.h>

#include "base/scope.h"
#include "classify/sieve.h"

#define FOUND_MAX 8192
#define CHUNK 2048 /* bytes that the wider ways work on together */
#define ROUNDS 3000

struct found {
    struct sieve_candidate at[FOUND_MAX];
    size_t count, limit; /* limit: how many are wanted */
};

static bool add(void *self, const struct sieve_candidate *candidate)
{
    struct found *found = self;

    assert_true(found->count < FOUND_MAX);
    found->at[found->count++] = *candidate;
    return found->count < found->limit;
}

static const char *const names[] = {[SIEVE_NUMBER] = "number",
                                    [SIEVE_MAIL] = "mail",
                                    [SIEVE_COLON] = "colon",
                                    [SIEVE_WORD] = "word"};

static char *told(struct slice text, unsigned kinds)
{
    static struct found found;
    AUTO_BUF struct buf all = buf_with_limit(1 << 16);
    struct fault fault = {0};

    found.count = 0;
    found.limit = FOUND_MAX;
    assert_true(sieve_run(text, kinds, add, &found));
    for (size_t i = 0; i < found.count; i++) {
        struct slice part = slice_part(text, found.at[i].start, found.at[i].end);

        assert_ok(buf_add_format(&all, &fault, "%s%s=%.*s", i == 0 ? "" : "|",
                                 names[found.at[i].kind], SLICE_ARGS(part)),
                  fault);
        if (found.at[i].kind == SIEVE_NUMBER)
            assert_ok(buf_add_format(&all, &fault, "#%zu", found.at[i].digits), fault);
    }
    return xstrdup(buf_text(&all));
}

static void candidates_are_what_the_header_says(void **state)
{
    static const struct {
        const char *text, *found;
    } cases[] = {
        {"", ""},
        {"pan 4111 1111 1111 1111.", "number=4111 1111 1111 1111#16"},
        {"078-05-1120", "number=078-05-1120#9"},
        {"(212) 555-0187", "number=(212) 555-0187#10"},
        {"+1 (212) 555-0187", "number=+1 (212) 555-0187#11"},
        {"+(49) 30 1234", "number=+(49) 30 1234#8"},
        {"f(1234)", "number=1234#4"},
        {"2024-03-01", "number=2024-03-01#8"},
        {"10.0.0.12", "number=10.0.0.12#6"},
        {"123", ""},
        {"1.23", ""},
        {"1.2.3.4", "number=1.2.3.4#4"},
        {"1 2  34", ""},
        {"12--34", ""},
        {"12)-34", "number=12)-34#4"},
        {"12 (34", "number=12 (34#4"},
        {"12 ((34", ""},
        {"1234-", "number=1234#4"},
        {"x1234y", "number=1234#4"},
        {"mail jane.doe@host.org, please", "mail=jane.doe@host.org"},
        {"+jane@host.org", "mail=jane@host.org"},
        {"'jane@host.org'", "mail=jane@host.org"},
        {"@host.org a@ a@b a@b. @", ""},
        {"a@b.c@d.e", "mail=a@b.c|mail=b.c@d.e"},
        {"a@b.c.", "mail=a@b.c"},
        {"ip 2606:4700::1111 x",
         "number=2606#4|colon=2606:4700::1111|number=4700#4|number=1111#4"},
        {"fe80::a", "colon=fe80::a"},
        {"00:1A:2b:3C:4d:5E", "colon=00:1A:2b:3C:4d:5E"},
        {"std::map", ""},
        {"a::b", "colon=a::b"},
        {"aa:bb", ""},
        {"a:b c:d", ""},
        {"1:22222:3:4", "number=22222#5|colon=1:22222:3:4"},
        {"Jane Doe", "word=Jane|word=Doe"},
        {"DOE^JANE", "word=DOE|word=JANE"},
        {"O'Brien A Foo_bar Foo1 camelCase xFoo _Foo 1Foo", "word=Brien"},
        {"\xc3\x89lodie \xc3\xa9t\xc3\xa9 \xc5\xa0imon M\xc3\xbcller",
         "word=\xc3\x89lodie|word=\xc5\xa0imon|word=M\xc3\xbcller"},
        {"Ab", "word=Ab"},
        {"Jane: jane@host.org 555-0187 aa:bb:cc",
         "word=Jane|mail=jane@host.org|number=555-0187#7|colon=aa:bb:cc"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO_FREE char *got = told(slice_of(cases[i].text), SIEVE_ALL);

        if (strcmp(got, cases[i].found) != 0)
            fail_msg("%s: %s, not %s", cases[i].text, got, cases[i].found);
    }
}

static void parts_of_an_address_are_bounded(void **state)
{
    AUTO_FREE char *local = xformat("%070d@host.org", 1);
    AUTO_FREE char *domain = xformat("a@%0300d.org", 1);
    AUTO_FREE char *long_local = told(slice_of(local), SIEVE_MAIL);
    AUTO_FREE char *long_domain = told(slice_of(domain), SIEVE_MAIL);

    (void)state;
    assert_int_equal(strlen(long_local), strlen("mail=") + 64 + strlen("@host.org"));
    assert_string_equal(long_domain, "");
}

static bool is_same(const struct sieve_candidate *a, const struct sieve_candidate *b)
{
    return a->kind == b->kind && a->start == b->start && a->end == b->end &&
           a->digits == b->digits;
}

/* The sieve by byte and this way find the same in it, each kind alone and all together. */
static void must_agree(enum sieve_way way, struct slice text)
{
    static struct found by_byte, by_way;

    for (unsigned kinds = 1; kinds <= SIEVE_ALL; kinds = kinds == 8 ? 15 : kinds * 2) {
        by_byte.count = by_way.count = 0;
        by_byte.limit = by_way.limit = FOUND_MAX;
        assert_true(sieve_run_by(SIEVE_BY_BYTE, text, kinds, add, &by_byte));
        assert_true(sieve_run_by(way, text, kinds, add, &by_way));
        for (size_t i = 0; i < by_byte.count && i < by_way.count; i++)
            if (!is_same(&by_byte.at[i], &by_way.at[i]))
                fail_msg("way %d, kinds %u, %zu bytes: candidate %zu is another", (int)way,
                         kinds, text.len, i);
        if (by_byte.count != by_way.count)
            fail_msg("way %d, kinds %u, %zu bytes: %zu candidates, not %zu", (int)way, kinds,
                     text.len, by_way.count, by_byte.count);
    }
}

static uint32_t random_state = 1;

static uint32_t random_of(uint32_t limit)
{
    random_state = random_state * 1664525 + 1013904223;
    return (random_state >> 8) % limit;
}

static void on_random_text(enum sieve_way way)
{
    static const char *const alphabets[] = {
        "0123456789 .-/()",
        "0123456789abcdefABCDEF:. ",
        "abcABC_09 '\xc3\x84\xa4\xc5\x9f",
        "ab.@-_+'09A ",
        "01 @:A.b(",
        "1(",
        "1:",
        "Aa ",
        "@a.",
    };
    uint8_t text[3 * CHUNK];

    for (size_t round = 0; round < ROUNDS; round++) {
        struct slice alphabet = slice_of(alphabets[round % COUNT(alphabets)]);
        size_t len = random_of(round % 4 == 0 ? sizeof(text) : 200);
        uint32_t stay = 1 + random_of(6); /* how often a byte is like the one before */

        for (size_t i = 0; i < len; i++)
            text[i] = i > 0 && random_of(stay) != 0
                          ? text[i - 1]
                          : alphabet.at[random_of((uint32_t)alphabet.len)];
        must_agree(way, slice_of_bytes(text, len));
    }
    for (size_t round = 0; round < 200; round++) { /* and any bytes */
        for (size_t i = 0; i < CHUNK; i++)
            text[i] = (uint8_t)random_of(256);
        must_agree(way, slice_of_bytes(text, CHUNK));
    }
}

/* Each of these at each place around the end of a block and of a chunk. */
static void at_every_boundary(enum sieve_way way)
{
    static const char *const pieces[] = {
        "4111 1111 1111 1111", "(212) 555-0187", "1.2",      "1) 234",   "1 (2) 34",  "1234",
        "jane@host.org",       "fe80::a",        "aa:bb:cc", "1:4444:5", "1:55555:6", "Jane",
        "J\xc3\x84",           "\xc3\x89lodie",  "Foo_",     "Foo1",     "_Foo",      "xFoo",
    };
    static const uint8_t around[] = {' ', 'x', '1', '.', ':', 'A', '_', 0, 0xc3};
    uint8_t text[2 * CHUNK];

    for (size_t i = 0; i < COUNT(pieces); i++)
        for (size_t j = 0; j < COUNT(around); j++)
            for (size_t edge = 64; edge <= CHUNK; edge *= 32)
                for (size_t at = edge - strlen(pieces[i]) - 2; at <= edge + 2; at++) {
                    memset(text, around[j], sizeof(text));
                    memcpy(text + at, pieces[i], strlen(pieces[i]));
                    must_agree(way, slice_of_bytes(text, edge + 96));
                    must_agree(way, slice_of_bytes(text, at + strlen(pieces[i])));
                }
}

/* Runs as long as a block, give or take some, and much longer, of one kind of byte. */
static void of_every_length(enum sieve_way way)
{
    static const char *const units[] = {"1",  "1 ", "1) ", "a",  "A",        "Aa ", "@",
                                        "a@", ":",  "1:",  "a.", "\xc3\x84", "("};
    uint8_t text[2 * CHUNK + 200];

    for (size_t i = 0; i < COUNT(units); i++)
        for (size_t len = 1; len < sizeof(text); len += len < 200 ? 1 : 611)
            for (size_t front = 0; front < 128; front += 21) {
                size_t unit = strlen(units[i]);

                if (front + len > sizeof(text))
                    continue;
                memset(text, ' ', front);
                for (size_t j = 0; j < len; j++)
                    text[front + j] = (uint8_t)units[i][j % unit];
                if (len > 2 * CHUNK && unit < 3)
                    continue; /* more than are counted here */
                must_agree(way, slice_of_bytes(text, front + len));
            }
}

/* From the last bytes of a chunk over the whole next block: what joins it may stand where the block ends. */
static void over_the_next_block(enum sieve_way way)
{
    static const char *const joints[] = {" ", ") ", " (", "--", "a"};
    uint8_t text[CHUNK + 200];

    for (size_t i = 0; i < COUNT(joints); i++)
        for (size_t start = CHUNK - 4; start <= CHUNK + 1; start++)
            for (size_t at = 50; at < 80; at++) {
                memset(text, ' ', sizeof(text));
                memset(text + start, '1', 90);
                memcpy(text + start + at, joints[i], strlen(joints[i]));
                must_agree(way, slice_of_bytes(text, sizeof(text)));
                text[start] = 'A';
                must_agree(way, slice_of_bytes(text, sizeof(text)));
            }
}

static void agrees(enum sieve_way way)
{
    if (!sieve_way_is_there(way)) {
        /* not skip(): Meson takes what cmocka says then for a failure */
        print_message("# skipped: this processor has not what way %d needs\n", (int)way);
        return;
    }
    on_random_text(way);
    at_every_boundary(way);
    of_every_length(way);
    over_the_next_block(way);
}

static void avx2_finds_what_is_found_by_byte(void **state)
{
    (void)state;
    agrees(SIEVE_BY_AVX2);
}

static void avx512_finds_what_is_found_by_byte(void **state)
{
    (void)state;
    agrees(SIEVE_BY_AVX512);
}

static void a_sink_that_wants_no_more_gets_no_more(void **state)
{
    static struct found found;

    (void)state;
    for (enum sieve_way way = SIEVE_BY_BYTE; way < SIEVE_WAYS; way++) {
        if (!sieve_way_is_there(way))
            continue;
        found.count = 0;
        found.limit = 2;
        assert_false(sieve_run_by(way, SLICE("Aa Bb Cc 1234 Dd"), SIEVE_ALL, add, &found));
        assert_int_equal(found.count, 2);
        found.count = 0;
        assert_true(sieve_run_by(way, SLICE("Aa bb"), SIEVE_ALL, add, &found));
    }
}

static void triggers_are_in_order_and_kinds_do_not_disturb_each_other(void **state)
{
    static struct found all, one;
    uint8_t text[CHUNK];

    (void)state;
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (uint8_t) "0123 .@:AaBb-"[random_of(13)];
    all.limit = one.limit = FOUND_MAX;
    all.count = 0;
    assert_true(sieve_run(slice_of_bytes(text, sizeof(text)), SIEVE_ALL, add, &all));
    for (unsigned kind = 1; kind <= SIEVE_WORD; kind *= 2) {
        size_t next = 0;

        one.count = 0;
        assert_true(sieve_run(slice_of_bytes(text, sizeof(text)), kind, add, &one));
        assert_true(one.count > 0);
        for (size_t i = 0; i < all.count; i++)
            if (all.at[i].kind == (enum sieve_kind)kind) {
                assert_true(is_same(&all.at[i], &one.at[next]));
                next++;
            }
        assert_int_equal(next, one.count);
    }
    for (size_t i = 1; i < all.count; i++) /* what begins at its trigger */
        if (all.at[i].kind == SIEVE_WORD && all.at[i - 1].kind == SIEVE_WORD)
            assert_true(all.at[i - 1].start < all.at[i].start);
}

/* The bytes in front of each text and behind it may not be read. */
static void nothing_is_read_around_the_text(void **state)
{
    static const char units[] = "4111 1111 Jane (212) 555-0187 aa:bb:cc jane@host.org ";
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *pages =
        mmap(NULL, page * 3, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    static struct found found;

    (void)state;
    assert_true(pages != MAP_FAILED);
    for (size_t i = 0; i < page; i++)
        pages[page + i] = (uint8_t)units[i % (sizeof(units) - 1)];
    assert_int_equal(mprotect(pages, page, PROT_NONE), 0);
    assert_int_equal(mprotect(pages + 2 * page, page, PROT_NONE), 0);
    found.limit = FOUND_MAX;
    for (enum sieve_way way = SIEVE_BY_BYTE; way < SIEVE_WAYS; way++)
        for (size_t len = 0; len <= page && sieve_way_is_there(way);
             len += len < 200 ? 1 : 97) {
            found.count = 0;
            assert_true(
                sieve_run_by(way, slice_of_bytes(pages + page, len), SIEVE_ALL, add, &found));
            found.count = 0;
            assert_true(sieve_run_by(way, slice_of_bytes(pages + 2 * page - len, len),
                                     SIEVE_ALL, add, &found));
        }
    assert_int_equal(munmap(pages, page * 3), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(candidates_are_what_the_header_says),
        TEST(parts_of_an_address_are_bounded),
        TEST(avx2_finds_what_is_found_by_byte),
        TEST(avx512_finds_what_is_found_by_byte),
        TEST(a_sink_that_wants_no_more_gets_no_more),
        TEST(triggers_are_in_order_and_kinds_do_not_disturb_each_other),
        TEST(nothing_is_read_around_the_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
