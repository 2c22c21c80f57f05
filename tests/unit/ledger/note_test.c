#include "fixture.h"

#include <openssl/evp.h>

#include "ledger/checkpoint.h"
#include "ledger/note_parts.h"

/* The rest of the line in vkeys.txt that begins with `head`. */
static struct slice line_after(struct slice text, const char *head)
{
    struct slice line;

    while (slice_cut(&text, '\n', &line))
        if (slice_starts_with(line, slice_of(head)))
            return slice_part(line, strlen(head), line.len);
    fail_msg("vkeys.txt has no line %s", head);
    return (struct slice){0};
}

static struct note_key *key_of(const struct buf *vkeys, const char *name)
{
    AUTO_FREE char *head = xformat("vkey %s+", name);
    struct slice rest = line_after(buf_slice(vkeys), head);
    AUTO_FREE char *vkey = xformat("%s+%.*s", name, SLICE_ARGS(rest));
    struct note_key *key;
    struct fault fault = {0};

    assert_ok(note_key_parse(slice_of(vkey), &key, &fault), fault);
    assert_string_equal(note_key_name(key), name);
    return key;
}

static bool note_holds(struct slice bytes, const struct note_key *key)
{
    struct note note;
    struct fault fault = {0};

    return note_parse(bytes, &note, &fault) && note_verify(&note, key, &fault);
}

static const struct {
    const char *file, *key;
} notes[] = {
    {"note/c2sp-example.note", "example.com/foo"},
    {"note/peterneumann.note", "PeterNeumann"},
    {"note/peter-and-enoch.note", "PeterNeumann"},
    {"note/peter-and-enoch.note", "EnochRoot"},
    {"checkpoint/sumdb-31700353.checkpoint", "sum.golang.org"},
    {"checkpoint/sumdb-35225469.checkpoint", "sum.golang.org"},
    {"cosignature/derived-size15.checkpoint", "example.com/log/testdata"},
    {"tessera-testlog/log/checkpoint", "example.com/log/testdata"},
    {"tessera-testlog/log/checkpoint.7", "example.com/log/testdata"},
};

static void published_notes_verify_by_their_keys_only(void **state)
{
    AUTO_BUF struct buf vkeys = buf_with_limit(1 << 16);

    (void)state;
    fixture_read("vkeys.txt", &vkeys);
    for (size_t i = 0; i < COUNT(notes); i++) {
        AUTO_BUF struct buf note = buf_with_limit(1 << 16);
        struct note_key *key = key_of(&vkeys, notes[i].key);
        struct note_key *other = key_of(&vkeys, i == 0 ? "EnochRoot" : "example.com/foo");

        fixture_read(notes[i].file, &note);
        assert_true(note_holds(buf_slice(&note), key));
        assert_false(note_holds(buf_slice(&note), other));
        note_key_free(key);
        note_key_free(other);
    }
}

static void keys_that_are_not_what_they_say_are_refused(void **state)
{
    AUTO_BUF struct buf vkeys = buf_with_limit(1 << 16);
    struct slice rest, line;
    size_t refused = 0;

    (void)state;
    fixture_read("vkeys.txt", &vkeys);
    rest = buf_slice(&vkeys);
    while (slice_cut(&rest, '\n', &line)) {
        struct note_key *key;
        struct fault fault = {0};

        if (!slice_starts_with(line, SLICE("badvkey ")))
            continue;
        refused++;
        assert_false(note_key_parse(slice_part(line, 8, line.len), &key, &fault));
        assert_int_equal(fault.kind, FAULT_INVALID);
    }
    assert_int_equal(refused, 2);
}

static void a_vkey_with_any_flipped_bit_is_refused(void **state)
{
    AUTO_BUF struct buf vkey = buf_with_limit(1024);
    struct note_signer *signer = fixture_signer(0, &vkey);

    (void)state;
    note_signer_free(signer);
    for (size_t bit = 0; bit < 8 * vkey.len; bit++) {
        struct note_key *key;
        struct fault fault = {0};

        vkey.at[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_false(note_key_parse(buf_slice(&vkey), &key, &fault));
        vkey.at[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
}

static void signing_gives_the_published_bytes(void **state)
{
    AUTO_BUF struct buf vkeys = buf_with_limit(1 << 16), known = buf_with_limit(1 << 16);
    AUTO_BUF struct buf skey = buf_with_limit(1024), vkey = buf_with_limit(1024);
    AUTO_BUF struct buf signed_again = buf_with_limit(1 << 16),
                        vkey_again = buf_with_limit(1024);
    struct note_signer *signer;
    uint8_t seed[NOTE_SEED_BYTES];
    struct note note;
    struct fault fault = {0};

    (void)state;
    fixture_read("vkeys.txt", &vkeys);
    fixture_read("tessera-testlog/log/checkpoint", &known);
    assert_true(hex_decode(line_after(buf_slice(&vkeys), "testseed example.com/log/testdata "),
                           seed, sizeof(seed)));
    assert_ok(note_key_texts(SLICE("example.com/log/testdata"), seed, &skey, &vkey, &fault),
              fault);
    assert_ok(note_signer_parse(buf_slice(&skey), &signer, &fault), fault);
    assert_ok(note_parse(buf_slice(&known), &note, &fault), fault);
    assert_ok(note_sign(signer, note.text, &signed_again, &fault), fault);
    assert_true(slice_equal(buf_slice(&signed_again), buf_slice(&known)));
    assert_ok(note_signer_vkey(signer, &vkey_again, &fault), fault);
    assert_true(slice_equal(buf_slice(&vkey), buf_slice(&vkey_again)));
    note_signer_free(signer);
}

/* What a lax decoder of base64 lets pass: 17 flips of 39,208. */
static void flips_that_only_a_strict_decoder_sees_are_refused(void **state)
{
    AUTO_BUF struct buf vkeys = buf_with_limit(1 << 16);
    json_t *vectors = fixture_json("note/lax-base64-flips.json"), *row;
    static const char *const names[] = {"example.com/foo", "PeterNeumann", "EnochRoot",
                                        "sum.golang.org", "example.com/log/testdata"};
    size_t i;

    (void)state;
    fixture_read("vkeys.txt", &vkeys);
    json_array_foreach(json_object_get(vectors, "flips"), i, row)
    {
        AUTO_BUF struct buf note = buf_with_limit(1 << 16);
        size_t offset = (size_t)json_integer_value(json_object_get(row, "offset"));

        fixture_read(json_string_value(json_object_get(row, "file")), &note);
        assert_true(offset < note.len);
        note.at[offset] ^= (uint8_t)(1U << json_integer_value(json_object_get(row, "bit")));
        for (size_t k = 0; k < COUNT(names); k++) {
            struct note_key *key = key_of(&vkeys, names[k]);

            assert_false(note_holds(buf_slice(&note), key));
            note_key_free(key);
        }
    }
    assert_int_equal(i, 17);
    json_decref(vectors);
}

static void every_flipped_bit_of_a_note_is_refused(void **state)
{
    AUTO_BUF struct buf vkeys = buf_with_limit(1 << 16), note = buf_with_limit(1 << 16);
    struct note_key *key;

    (void)state;
    fixture_read("vkeys.txt", &vkeys);
    fixture_read("note/peterneumann.note", &note);
    key = key_of(&vkeys, "PeterNeumann");
    for (size_t bit = 0; bit < 8 * note.len; bit++) {
        note.at[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_false(note_holds(buf_slice(&note), key));
        note.at[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    for (size_t len = 0; len < note.len; len++)
        assert_false(note_holds(slice_of_bytes(note.at, len), key));
    note_key_free(key);
}

static void malformed_notes_are_refused(void **state)
{
    static const char *const refused[] = {
        "",
        "\n",
        "text\n",
        "text\n\n",
        "text\n\n\xe2\x80\x94 a Uw2QOkn8\n\n",
        "text\n\n\xe2\x80\x94 a Uw2QOkn8",
        "text\n\n- a Uw2QOkn8\n",
        "text\n\n\xe2\x80\x94 a+b Uw2QOkn8\n",
        "text\n\n\xe2\x80\x94  Uw2QOkn8\n",
        "text\n\n\xe2\x80\x94 a\n",
        "text\n\n\xe2\x80\x94 a AAAA\n",
        "text\r\n\n\xe2\x80\x94 a Uw2QOkn8\n",
        "te\xffxt\n\n\xe2\x80\x94 a Uw2QOkn8\n",
        "text\n\n\xe2\x80\x94 a\xc2\xa0 Uw2QOkn8\n",
    };
    struct note note;
    struct fault fault = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(refused); i++)
        if (note_parse(slice_of(refused[i]), &note, &fault))
            fail_msg("accepted note %zu", i);
    assert_ok(note_parse(SLICE("text\n\n\xe2\x80\x94 a Uw2QOkn8\n"), &note, &fault), fault);
}

static void sixty_four_signatures_are_the_most(void **state)
{
    AUTO_BUF struct buf text = buf_with_limit(1 << 16);
    struct note note;
    struct fault fault = {0};

    (void)state;
    assert_ok(buf_add_text(&text, "text\n\n", &fault), fault);
    for (int i = 0; i < NOTE_LINES_MAX; i++)
        assert_ok(buf_add_text(&text, "\xe2\x80\x94 a Uw2QOkn8\n", &fault), fault);
    assert_ok(note_parse(buf_slice(&text), &note, &fault), fault);
    assert_int_equal(note.signature_count, NOTE_LINES_MAX);
    assert_ok(buf_add_text(&text, "\xe2\x80\x94 a Uw2QOkn8\n", &fault), fault);
    assert_false(note_parse(buf_slice(&text), &note, &fault));
    assert_int_equal(fault.kind, FAULT_LIMIT);
}

#define ROOT "rKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=\n"
#define EMPTY "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"

static void a_checkpoint_has_three_lines_and_one_form(void **state)
{
    static const struct {
        const char *text;
        bool ok;
    } cases[] = {
        {"origin\n15\n" ROOT, true},
        {"go.sum database tree\n15\n" ROOT, true},
        {"origin\n0\n" EMPTY, true},
        {"origin\n0\n" ROOT, false},
        {"origin\n015\n" ROOT, false},
        {"origin\n+15\n" ROOT, false},
        {"origin\n1:\n" ROOT, false},
        {"origin\n1/\n" ROOT, false},
        {"origin\n15\nrKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=", false},
        {"origin\n\n" ROOT, false},
        {"origin\n-1\n" ROOT, false},
        {"origin\n9223372036854775808\n" ROOT, false},
        {"origin\n99999999999999999999\n" ROOT, false},
        {"\n15\n" ROOT, false},
        {"origin\n15\n" ROOT "extension\n", false},
        {"origin\n15\nrKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383ct=\n", false},
        {"origin\n15\nrKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v38\n", false},
        {"origin\n15\n", false},
        {"origin\n15", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO_BUF struct buf again = buf_with_limit(1024);
        struct checkpoint checkpoint;
        struct fault fault = {0};

        if (checkpoint_parse(slice_of(cases[i].text), &checkpoint, &fault) != cases[i].ok)
            fail_msg("case %zu: %s", i, fault.why);
        if (!cases[i].ok)
            continue;
        assert_ok(checkpoint_format(&checkpoint, &again, &fault), fault);
        assert_string_equal(buf_text(&again), cases[i].text);
    }
}

static void an_origin_other_than_the_keys_name_is_refused(void **state)
{
    AUTO_BUF struct buf vkeys = buf_with_limit(1 << 16), note = buf_with_limit(1 << 16);
    struct note_key *key;
    struct checkpoint checkpoint;
    struct fault fault = {0};

    (void)state;
    fixture_read("vkeys.txt", &vkeys);
    fixture_read("checkpoint/sumdb-31700353.checkpoint", &note);
    key = key_of(&vkeys, "sum.golang.org");
    assert_true(note_holds(buf_slice(&note), key));
    assert_false(checkpoint_open(buf_slice(&note), key, &checkpoint, &fault));
    note_key_free(key);
}

static bool openssl_accepts(const json_t *row)
{
    const char *key_hex = json_string_value(json_object_get(row, "key"));
    const char *signature_hex = json_string_value(json_object_get(row, "sig"));
    const char *message = json_string_value(json_object_get(row, "msg"));
    uint8_t key[32], signature[64];
    EVP_PKEY *public_key;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool ok;

    assert_true(hex_decode(slice_of(key_hex), key, sizeof(key)));
    assert_true(hex_decode(slice_of(signature_hex), signature, sizeof(signature)));
    public_key = EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, key, sizeof(key));
    ok = public_key != NULL &&
         EVP_DigestVerifyInit(context, NULL, NULL, NULL, public_key) == 1 &&
         EVP_DigestVerify(context, signature, sizeof(signature), (const uint8_t *)message,
                          strlen(message)) == 1;
    EVP_PKEY_free(public_key);
    EVP_MD_CTX_free(context);
    return ok;
}

/* A library that accepts another set of edge cases has to be looked at. */
static void openssl_accepts_the_pinned_set_of_signatures(void **state)
{
    json_t *vectors = fixture_json("ed25519/cctv-ed25519vectors.json"), *row;
    json_t *golden = fixture_json("ed25519/openssl-3.0.19-accepted.json");
    json_t *accepted = json_object_get(golden, "accepted");
    bool known[1024] = {0};
    size_t i;

    (void)state;
    assert_true(json_is_array(accepted));
    json_array_foreach(accepted, i, row) known[json_integer_value(row)] = true;
    assert_int_equal(i, 208);
    json_array_foreach(vectors, i,
                       row) if (openssl_accepts(row) !=
                                known[json_integer_value(json_object_get(row, "number"))])
        fail_msg("vector %zu", i);
    assert_int_equal(i, 914);
    json_decref(vectors);
    json_decref(golden);
}

/* A token that makes, where `is_good`, what `seed` would make. */
struct token {
    struct note_signer *inner;
    bool is_good;
    size_t asked, ended;
};

static bool sign_as_token(void *self, struct slice message, uint8_t *ret_signature,
                          struct fault *fault)
{
    struct token *token = self;

    token->asked++;
    if (!note_signer_sign(token->inner, message, ret_signature, fault))
        return false;
    ret_signature[63] ^= token->is_good ? 0 : 1;
    return true;
}

static void end_token(void *self)
{
    ((struct token *)self)->ended++;
}

static void a_signature_made_elsewhere_is_checked_before_it_is_used(void **state)
{
    AUTO_BUF struct buf vkey = buf_with_limit(1024), note = buf_with_limit(1024);
    struct token token = {.inner = fixture_signer(0, &vkey), .is_good = true};
    const struct note_signing signing = {
        .sign = sign_as_token, .end = end_token, .self = &token};
    struct note_signer *signer;
    struct note_key *key;
    struct fault fault = {0};

    (void)state;
    assert_false(note_signer_of(SLICE("not a key"), &signing, &signer, &fault));
    assert_int_equal(token.ended, 1);
    assert_ok(note_signer_of(slice_trim(buf_slice(&vkey)), &signing, &signer, &fault), fault);
    assert_ok(note_sign(signer, SLICE("words\n"), &note, &fault), fault);
    assert_ok(note_key_parse(slice_trim(buf_slice(&vkey)), &key, &fault), fault);
    assert_true(note_holds(buf_slice(&note), key));
    token.is_good = false;
    buf_clear(&note);
    assert_false(note_sign(signer, SLICE("words\n"), &note, &fault));
    assert_int_equal(note.len, 0);
    assert_int_equal(token.asked, 2);
    note_key_free(key);
    note_signer_free(signer);
    assert_int_equal(token.ended, 2);
    note_signer_free(token.inner);
}

static void an_openssl_without_ed25519_says_so(void **state)
{
    AUTO_BUF struct buf skey = buf_with_limit(1024), vkey = buf_with_limit(1024);
    const uint8_t seed[NOTE_SEED_BYTES] = {7};
    struct note_signer *signer;
    struct fault fault = {0};
    bool parsed;

    (void)state;
    assert_ok(note_key_texts(SLICE("a"), seed, &skey, &vkey, &fault), fault);
    assert_int_equal(EVP_set_default_properties(NULL, "fips=yes"), 1);
    parsed = note_signer_parse(buf_slice(&skey), &signer, &fault);
    assert_int_equal(EVP_set_default_properties(NULL, NULL), 1);
    assert_false(parsed);
    assert_int_equal(fault.kind, FAULT_HOST);
    assert_non_null(strstr(fault.why, "no Ed25519"));
    assert_ok(note_signer_parse(buf_slice(&skey), &signer, &fault), fault);
    note_signer_free(signer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(published_notes_verify_by_their_keys_only),
        TEST(keys_that_are_not_what_they_say_are_refused),
        TEST(a_vkey_with_any_flipped_bit_is_refused),
        TEST(signing_gives_the_published_bytes),
        TEST(flips_that_only_a_strict_decoder_sees_are_refused),
        TEST(every_flipped_bit_of_a_note_is_refused),
        TEST(malformed_notes_are_refused),
        TEST(sixty_four_signatures_are_the_most),
        TEST(a_checkpoint_has_three_lines_and_one_form),
        TEST(an_origin_other_than_the_keys_name_is_refused),
        TEST(openssl_accepts_the_pinned_set_of_signatures),
        TEST(a_signature_made_elsewhere_is_checked_before_it_is_used),
        TEST(an_openssl_without_ed25519_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
