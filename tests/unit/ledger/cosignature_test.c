#include "fixture.h"

#include "ledger/checkpoint.h"
#include "ledger/cosignature.h"

/* RFC 8032 section 7.1, TEST 1: a published value. */
#define SEED_TEST_1 "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
#define TIME_DERIVED 1679315147

static struct cosignature_key *key_named(const char *name)
{
    AUTO_BUF struct buf vkeys = buf_with_limit(1 << 16);
    AUTO_FREE char *head = xformat("vkey %s+", name);
    struct cosignature_key *key = NULL;
    struct slice rest, line;
    struct fault fault = {0};

    fixture_read("vkeys.txt", &vkeys);
    rest = buf_slice(&vkeys);
    while (key == NULL && slice_cut(&rest, '\n', &line))
        if (slice_starts_with(line, slice_of(head)))
            assert_ok(cosignature_key_parse(slice_part(line, 5, line.len), &key, &fault),
                      fault);
    assert_non_null(key);
    return key;
}

static struct note_signer *derived_signer(const char *name)
{
    AUTO_BUF struct buf skey = buf_with_limit(1024);
    AUTO_BUF struct buf vkey = buf_with_limit(1024);
    uint8_t seed[NOTE_SEED_BYTES];
    struct note_signer *signer;
    struct fault fault = {0};

    assert_true(hex_decode(SLICE(SEED_TEST_1), seed, sizeof(seed)));
    assert_ok(note_key_texts(slice_of(name), seed, &skey, &vkey, &fault), fault);
    assert_ok(note_signer_parse(buf_slice(&skey), &signer, &fault), fault);
    return signer;
}

/* FAULT_NONE: it holds. */
static enum fault_kind check(struct slice bytes, const struct cosignature_key *key,
                             uint64_t *ret_time)
{
    struct note note;
    struct fault fault = {0};

    if (!note_parse(bytes, &note, &fault))
        return FAULT_IO;
    return cosignature_verify(&note, key, ret_time, &fault) ? FAULT_NONE : fault.kind;
}

static void published_cosignatures_hold_by_their_keys_only(void **state)
{
    static const struct {
        const char *file, *key;
    } cases[] = {
        {"cosignature/sunlight-witness.checkpoint", "witness.example.org"},
        {"cosignature/sunlight-mirror.checkpoint", "mirror.example.org"},
        {"cosignature/derived-size15.checkpoint", "witness.example.com/derived"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t j = 0; j < COUNT(cases); j++) {
            AUTO_BUF struct buf bytes = buf_with_limit(1 << 16);
            struct cosignature_key *key = key_named(cases[j].key);
            uint64_t time = 0;

            fixture_read(cases[i].file, &bytes);
            assert_int_equal(check(buf_slice(&bytes), key, &time),
                             i == j ? FAULT_NONE : FAULT_MISSING);
            assert_int_equal(time > 1600000000, i == j);
            cosignature_key_free(key);
        }
}

static void the_derived_cosignature_is_made_byte_for_byte(void **state)
{
    AUTO_BUF struct buf bytes = buf_with_limit(1 << 16);
    AUTO_BUF struct buf said = buf_with_limit(1 << 16);
    AUTO_BUF struct buf message = buf_with_limit(1 << 16);
    AUTO_BUF struct buf line = buf_with_limit(1 << 16);
    AUTO_BUF struct buf vkey = buf_with_limit(1 << 10);
    struct note_signer *signer = derived_signer("witness.example.com/derived");
    struct fault fault = {0};
    struct note note;

    (void)state;
    fixture_read("cosignature/derived-size15.checkpoint", &bytes);
    fixture_read("cosignature/derived-size15.signed-message", &said);
    assert_ok(note_parse(buf_slice(&bytes), &note, &fault), fault);
    assert_ok(cosignature_message(note.text, TIME_DERIVED, &message, &fault), fault);
    assert_true(slice_equal(buf_slice(&message), buf_slice(&said)));
    assert_ok(cosignature_sign(signer, note.text, TIME_DERIVED, &line, &fault), fault);
    assert_true(slice_ends_with(buf_slice(&bytes), buf_slice(&line)));
    assert_ok(cosignature_vkey(signer, &vkey, &fault), fault);
    assert_string_equal(buf_text(&vkey), "witness.example.com/derived+3c1d1b43+"
                                         "BNdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea");
    note_signer_free(signer);
}

static void every_flipped_bit_of_text_or_cosignature_is_noticed(void **state)
{
    AUTO_BUF struct buf bytes = buf_with_limit(1 << 16);
    struct cosignature_key *key = key_named("witness.example.com/derived");
    size_t line;

    (void)state;
    fixture_read("cosignature/derived-size15.checkpoint", &bytes);
    line = slice_find(buf_slice(&bytes), SLICE("\xe2\x80\x94 witness"), 0);
    for (size_t bit = 0; bit < 8 * bytes.len; bit++) {
        size_t log_line = slice_find(buf_slice(&bytes), SLICE("\n\n"), 0) + 2;
        size_t at = bit / 8;

        if (at >= log_line && at < line)
            continue; /* the log's own line: not this key's */
        bytes.at[at] ^= (uint8_t)(1U << (bit % 8));
        if (check(buf_slice(&bytes), key, NULL) == FAULT_NONE)
            fail_msg("bit %zu is not noticed", bit);
        bytes.at[at] ^= (uint8_t)(1U << (bit % 8));
    }
    cosignature_key_free(key);
}

static void a_key_of_one_type_never_vouches_for_the_other(void **state)
{
    AUTO_BUF struct buf plain = buf_with_limit(1 << 10);
    AUTO_BUF struct buf cosigner = buf_with_limit(1 << 10);
    struct note_signer *signer = derived_signer("witness.example.com/derived");
    struct cosignature_key *cosignature_key;
    struct note_key *key;
    struct fault fault = {0};

    (void)state;
    assert_ok(note_signer_vkey(signer, &plain, &fault), fault);
    assert_ok(cosignature_vkey(signer, &cosigner, &fault), fault);
    assert_false(note_key_parse(buf_slice(&cosigner), &key, &fault));
    assert_false(cosignature_key_parse(buf_slice(&plain), &cosignature_key, &fault));
    note_signer_free(signer);
}

/* The id as published; the key is real. */
static void an_id_is_of_name_type_and_key(void **state)
{
    struct cosignature_key *key = key_named("remora.n621.de");

    (void)state;
    assert_string_equal(cosignature_key_name(key), "remora.n621.de");
    cosignature_key_free(key);
}

static void no_time_and_a_time_out_of_range_are_refused(void **state)
{
    AUTO_BUF struct buf line = buf_with_limit(1 << 10);
    struct note_signer *signer = derived_signer("w");
    struct fault fault = {0};

    (void)state;
    assert_false(cosignature_sign(signer, SLICE("a\n"), 0, &line, &fault));
    assert_false(cosignature_sign(signer, SLICE("a\n"), UINT64_C(1) << 63, &line, &fault));
    assert_false(cosignature_sign(signer, SLICE("a"), 1, &line, &fault));
    assert_ok(cosignature_sign(signer, SLICE("a\n"), COSIGNATURE_TIME_MAX, &line, &fault),
              fault);
    note_signer_free(signer);
}

/* One good line does not excuse a bad one; the latest time is told. */
static void all_lines_of_a_key_must_be_good(void **state)
{
    AUTO_BUF struct buf note = buf_with_limit(1 << 12);
    AUTO_BUF struct buf vkey = buf_with_limit(1 << 10);
    struct note_signer *signer = derived_signer("w");
    struct cosignature_key *key;
    struct fault fault = {0};
    uint64_t time = 0;

    (void)state;
    assert_ok(cosignature_vkey(signer, &vkey, &fault), fault);
    assert_ok(cosignature_key_parse(buf_slice(&vkey), &key, &fault), fault);
    assert_ok(buf_add_text(&note, "text\n\n", &fault) &&
                  cosignature_sign(signer, SLICE("text\n"), 9, &note, &fault) &&
                  cosignature_sign(signer, SLICE("text\n"), 7, &note, &fault),
              fault);
    assert_int_equal(check(buf_slice(&note), key, &time), FAULT_NONE);
    assert_int_equal(time, 9);
    assert_ok(cosignature_sign(signer, SLICE("other\n"), 8, &note, &fault), fault);
    assert_int_equal(check(buf_slice(&note), key, &time), FAULT_INVALID);
    cosignature_key_free(key);
    note_signer_free(signer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(published_cosignatures_hold_by_their_keys_only),
        TEST(the_derived_cosignature_is_made_byte_for_byte),
        TEST(every_flipped_bit_of_text_or_cosignature_is_noticed),
        TEST(a_key_of_one_type_never_vouches_for_the_other),
        TEST(an_id_is_of_name_type_and_key),
        TEST(no_time_and_a_time_out_of_range_are_refused),
        TEST(all_lines_of_a_key_must_be_good),
    };

    return cmocka_run_group_tests_name("cosignature", tests, NULL, NULL);
}
