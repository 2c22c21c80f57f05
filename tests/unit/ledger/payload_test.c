/* Commitments, payloads and the keys that both hang on. */
#include "fixture.h"

#include <sys/stat.h>

#include "ledger/payload.h"
#include "ledger/scope_files.h"
#include "ledger/verify_proof.h"

#define SCOPE "r-1"
#define VALUE "name,dob\nJane Doe,1970-01-01\n"

/* 00 01 02 ... */
static void count_up(uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)i;
}

static void commitments_are_the_vectors(void **state)
{
    json_t *vector = fixture_json("rec-v1-example.json");
    json_t *row;
    uint8_t key[COMMITMENT_KEY_BYTES];
    char text[2 * COMMITMENT_BYTES + 1];
    struct fault fault = {0};
    size_t i;

    (void)state;
    assert_true(hex_decode(slice_of(json_string_value(json_object_get(vector, "k_rec_hex"))),
                           key, sizeof(key)));
    assert_int_equal(json_array_size(json_object_get(vector, "commit")), 2);
    json_array_foreach(json_object_get(vector, "commit"), i, row)
    {
        assert_ok(
            commitment_text(key, json_string_value(json_object_get(row, "field")),
                            slice_of(json_string_value(json_object_get(row, "value_utf8"))),
                            text, &fault),
            fault);
        assert_string_equal(text, json_string_value(json_object_get(row, "hex")));
    }
    json_decref(vector);
}

/* Computed with Python's hmac, from RFC 5869's text. */
static void keys_are_those_of_hkdf(void **state)
{
    uint8_t key[SCOPE_KEY_BYTES], id[SCOPE_ID_BYTES], got[44], again[44];
    char text[89];
    struct fault fault = {0};

    (void)state;
    count_up(key, sizeof(key));
    count_up(id, sizeof(id));
    assert_ok(scope_key_of_record(key, SLICE("gateway/r-1~7.2"), 41, "prompt", got, &fault),
              fault);
    hex_encode(slice_of_bytes(got, 32), text);
    assert_string_equal(text,
                        "f339b36edc71fda0d22525de9a854b1dc365e414abea8f8d3b94d8525afd39fd");
    assert_ok(scope_key_of_record(key, SLICE("gateway/r-1~7.2"), 41, "answer", again, &fault),
              fault);
    assert_memory_not_equal(got, again, 32);
    assert_ok(scope_key_of_record(key, SLICE("gateway/r-1~7.2"), 42, "prompt", again, &fault),
              fault);
    assert_memory_not_equal(got, again, 32);
    assert_ok(scope_key_of_payload(key, id, got, &fault), fault);
    hex_encode(slice_of_bytes(got, 44), text);
    assert_string_equal(text, "ddafbd0b2c04c71900eef45dfa9690938c496880be08"
                              "dea3c7c2359e8142874381f1f841fdd6132f002d6e7f");
}

static void seal(const uint8_t *key, const char *scope, struct slice value, struct buf *file)
{
    uint8_t id[SCOPE_ID_BYTES];
    struct fault fault = {0};

    count_up(id, sizeof(id));
    assert_ok(payload_seal(key, scope, RECORD_MODEL_INTENT, id, value, file, &fault), fault);
}

/* FAULT_NONE: it opens, and gives the value. */
static enum fault_kind opens(const uint8_t *key, const char *scope, enum record_type type,
                             struct slice file, struct slice want)
{
    AUTO_BUF struct buf value = buf_with_limit(1 << 16);
    struct fault fault = {0};

    if (!payload_open(key, scope, type, file, &value, &fault)) {
        assert_int_equal(value.len, 0);
        assert_int_not_equal(fault.kind, FAULT_NONE);
        return fault.kind;
    }
    assert_true(slice_equal(buf_slice(&value), want));
    return FAULT_NONE;
}

static void a_payload_opens_with_its_key_in_its_scope_and_no_other_way(void **state)
{
    static const struct slice values[] = {{(const uint8_t *)VALUE, sizeof(VALUE) - 1},
                                          {(const uint8_t *)"", 0}};
    uint8_t key[SCOPE_KEY_BYTES], other[SCOPE_KEY_BYTES] = {1};

    (void)state;
    count_up(key, sizeof(key));
    for (size_t i = 0; i < COUNT(values); i++) {
        AUTO_BUF struct buf file = buf_with_limit(4096);

        seal(key, SCOPE, values[i], &file);
        assert_int_equal(file.len, PAYLOAD_HEAD_BYTES + values[i].len + PAYLOAD_TAG_BYTES);
        assert_int_equal(slice_find(buf_slice(&file), SLICE("Jane Doe"), 0), SIZE_MAX);
        assert_int_equal(opens(key, SCOPE, RECORD_MODEL_INTENT, buf_slice(&file), values[i]),
                         FAULT_NONE);
        assert_int_equal(opens(other, SCOPE, RECORD_MODEL_INTENT, buf_slice(&file), values[i]),
                         FAULT_CONFLICT);
        assert_int_equal(opens(key, "r-2", RECORD_MODEL_INTENT, buf_slice(&file), values[i]),
                         FAULT_CONFLICT);
        assert_int_equal(opens(key, SCOPE, RECORD_MODEL_OUTCOME, buf_slice(&file), values[i]),
                         FAULT_INVALID);
    }
}

static void every_flipped_bit_and_every_cut_of_a_payload_shows(void **state)
{
    AUTO_BUF struct buf file = buf_with_limit(4096);
    uint8_t key[SCOPE_KEY_BYTES];

    (void)state;
    count_up(key, sizeof(key));
    seal(key, SCOPE, SLICE(VALUE), &file);
    for (size_t bit = 0; bit < 8 * file.len; bit++) {
        file.at[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_int_not_equal(
            opens(key, SCOPE, RECORD_MODEL_INTENT, buf_slice(&file), SLICE(VALUE)),
            FAULT_NONE);
        file.at[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    for (size_t len = 0; len < file.len; len++)
        assert_int_equal(opens(key, SCOPE, RECORD_MODEL_INTENT,
                               slice_part(buf_slice(&file), 0, len), SLICE(VALUE)),
                         FAULT_INVALID);
}

static void only_records_that_have_a_value_have_a_payload(void **state)
{
    AUTO_BUF struct buf file = buf_with_limit(4096);
    const uint8_t key[SCOPE_KEY_BYTES] = {0}, id[SCOPE_ID_BYTES] = {0};
    struct fault fault = {0};

    (void)state;
    assert_false(payload_seal(key, SCOPE, RECORD_FILE_READ, id, SLICE(VALUE), &file, &fault));
    assert_int_equal(fault.kind, FAULT_INVALID);
    assert_false(payload_seal(key, SCOPE, RECORD_MODEL_INTENT, id,
                              slice_of_bytes(VALUE, PAYLOAD_BYTES_MAX + 1), &file, &fault));
    assert_int_equal(fault.kind, FAULT_LIMIT);
    assert_int_equal(file.len, 0);
}

/* A record that commits to `value`, and the opening of it. */
static void make_committed(const char *value, struct buf *leaf, struct buf *extra)
{
    static const uint8_t zeros[32];
    const struct record_header header = {
        .src = SLICE("gateway/r-1~0.1"), .prev = zeros, .salt = zeros, .t_us = 1};
    struct record_seal sealed = {.scope = SCOPE};
    uint8_t scope_key[SCOPE_KEY_BYTES], key[COMMITMENT_KEY_BYTES];
    struct record record;
    struct fault fault = {0};

    count_up(scope_key, sizeof(scope_key));
    assert_ok(scope_key_of_record(scope_key, header.src, header.seq, "prompt", key, &fault),
              fault);
    assert_ok(commitment_text(key, "prompt", slice_of(value), sealed.commitment, &fault),
              fault);
    record_begin(&record, RECORD_MODEL_INTENT);
    record_word(&record, RECORD_RUN, "r-1");
    record_sealed(&record, &sealed);
    assert_ok(record_encode(&record, &header, leaf, &fault), fault);
    assert_ok(commitment_opening(key, extra, &fault), fault);
}

static enum fault_kind check(struct slice leaf, struct slice extra, const char *value)
{
    struct fault fault = {0};

    return commitment_check(leaf, extra, slice_of(value), &fault) ? FAULT_NONE : fault.kind;
}

static void an_opening_fits_its_record_and_value_only(void **state)
{
    AUTO_BUF struct buf leaf = buf_with_limit(RECORD_BYTES_MAX);
    AUTO_BUF struct buf other = buf_with_limit(RECORD_BYTES_MAX);
    AUTO_BUF struct buf extra = buf_with_limit(4096), other_extra = buf_with_limit(4096);

    (void)state;
    make_committed(VALUE, &leaf, &extra);
    make_committed("another", &other, &other_extra);
    assert_int_equal(check(buf_slice(&leaf), buf_slice(&extra), VALUE), FAULT_NONE);
    assert_int_equal(check(buf_slice(&leaf), buf_slice(&extra), VALUE "x"), FAULT_CONFLICT);
    assert_int_equal(check(buf_slice(&leaf), buf_slice(&extra), ""), FAULT_CONFLICT);
    assert_int_equal(check(buf_slice(&other), buf_slice(&extra), VALUE), FAULT_CONFLICT);
    assert_int_equal(check(buf_slice(&leaf), SLICE(""), VALUE), FAULT_MISSING);
    assert_int_equal(check(buf_slice(&leaf), SLICE("AAAA"), VALUE), FAULT_MISSING);
    assert_int_equal(check(SLICE("no record"), buf_slice(&extra), VALUE), FAULT_MISSING);
    for (size_t i = 0; i + 4 < extra.len; i++) { /* base64 digits, all of them count */
        uint8_t was = extra.at[i];

        extra.at[i] = was == 'A' ? 'B' : 'A';
        assert_int_not_equal(check(buf_slice(&leaf), buf_slice(&extra), VALUE), FAULT_NONE);
        extra.at[i] = was;
    }
}

static void a_record_that_commits_to_nothing_opens_to_nothing(void **state)
{
    static const uint8_t zeros[32];
    static const enum record_type types[] = {RECORD_MODEL_INTENT, RECORD_EGRESS};
    const struct record_header header = {
        .src = SLICE("gateway/r-1~0.1"), .prev = zeros, .salt = zeros, .t_us = 1};
    AUTO_BUF struct buf unused = buf_with_limit(RECORD_BYTES_MAX);
    AUTO_BUF struct buf extra = buf_with_limit(4096);

    (void)state;
    make_committed(VALUE, &unused, &extra);
    for (size_t i = 0; i < COUNT(types); i++) {
        AUTO_BUF struct buf leaf = buf_with_limit(RECORD_BYTES_MAX);
        struct record record;
        struct fault fault = {0};

        record_begin(&record, types[i]);
        record_word(&record, RECORD_RUN, "r-1");
        record_word(&record, RECORD_HOST, "host");
        assert_ok(record_encode(&record, &header, &leaf, &fault), fault);
        assert_int_equal(check(buf_slice(&leaf), buf_slice(&extra), VALUE), FAULT_MISSING);
    }
}

/* A proof of a ledger whose only record is `leaf`. */
static void make_proof(struct slice leaf, struct slice extra, struct buf *proof_text,
                       struct buf *vkey)
{
    AUTO_BUF struct buf checkpoint = buf_with_limit(NOTE_BYTES_MAX);
    struct note_signer *signer = fixture_signer(1, vkey);
    struct tree_hash root = tree_leaf(leaf);
    struct proof proof = {.kind = PROOF_INCLUSION, .extra = extra};
    struct fault fault = {0};

    assert_ok(checkpoint_sign(1, &root, signer, &checkpoint, &fault), fault);
    proof.checkpoint = buf_slice(&checkpoint);
    assert_ok(proof_format(&proof, proof_text, &fault), fault);
    note_signer_free(signer);
}

/* VERIFY_HOLDS only with is_opened, and the other way round. */
static enum verify_result verify_value(struct slice leaf, struct slice extra,
                                       struct slice record, const struct slice *value)
{
    AUTO_BUF struct buf text = buf_with_limit(PROOF_BYTES_MAX), vkey = buf_with_limit(1024);
    AUTO_BUF struct buf json = buf_with_limit(1 << 16);
    struct verify_proof_options options = {.record = &record, .value = value};
    struct verify_proof_report report;
    struct fault fault = {0};

    make_proof(leaf, extra, &text, &vkey);
    assert_ok(verify_proof(buf_slice(&text), buf_slice(&vkey), &options, &report, &fault),
              fault);
    assert_int_equal(report.is_opened, report.result == VERIFY_HOLDS && value != NULL);
    assert_ok(verify_proof_json(&report, &json, &fault), fault);
    assert_int_equal(slice_find(buf_slice(&json), SLICE("\"opened\":true"), 0) != SIZE_MAX,
                     report.is_opened);
    return report.result;
}

static void a_proof_with_an_opening_holds_for_its_value_only(void **state)
{
    AUTO_BUF struct buf leaf = buf_with_limit(RECORD_BYTES_MAX);
    AUTO_BUF struct buf other = buf_with_limit(RECORD_BYTES_MAX);
    AUTO_BUF struct buf extra = buf_with_limit(4096), other_extra = buf_with_limit(4096);
    const struct slice value = SLICE(VALUE), wrong = SLICE("another");
    struct slice record, opening;

    (void)state;
    make_committed(VALUE, &leaf, &extra);
    make_committed("another", &other, &other_extra);
    record = buf_slice(&leaf);
    opening = buf_slice(&extra);
    assert_int_equal(verify_value(record, opening, record, &value), VERIFY_HOLDS);
    assert_int_equal(verify_value(record, opening, record, NULL), VERIFY_HOLDS);
    assert_int_equal(verify_value(record, opening, record, &wrong), VERIFY_TAMPERING);
    assert_int_equal(verify_value(record, SLICE(""), record, &value), VERIFY_INCOMPLETE);
    /* The opening fits that record, which is not the one in the tree. */
    assert_int_equal(verify_value(buf_slice(&other), opening, record, &value),
                     VERIFY_TAMPERING);
}

static void a_value_goes_with_a_proof_of_inclusion_only(void **state)
{
    AUTO_BUF struct buf bytes = buf_with_limit(1 << 16);
    const struct slice value = SLICE(VALUE);
    const struct verify_proof_options options = {.value = &value};
    struct verify_proof_report report;
    struct fault fault = {0};

    (void)state;
    fixture_read("cosignature/derived-add-checkpoint-7-to-15.request", &bytes);
    assert_false(verify_proof(buf_slice(&bytes),
                              SLICE("example.com/log/testdata+33d7b496+"
                                    "AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"),
                              &options, &report, &fault));
    assert_int_equal(fault.kind, FAULT_INVALID);
}

static int make_home(char folder[32])
{
    int home;

    memcpy(folder, "/tmp/custody-scope-XXXXXX", sizeof("/tmp/custody-scope-XXXXXX"));
    assert_non_null(mkdtemp(folder));
    home = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(home >= 0);
    return home;
}

static mode_t mode_of(int home, const char *name)
{
    struct stat stat;

    assert_int_equal(fstatat(home, name, &stat, AT_SYMLINK_NOFOLLOW), 0);
    return stat.st_mode & 07777;
}

static void end_home(const char *folder)
{
    struct fault fault = {0};

    assert_ok(file_remove_tree(AT_FDCWD, folder, &fault), fault);
}

static void a_destroyed_scope_leaves_neither_key_nor_payload(void **state)
{
    char folder[32], digest[SCOPE_DIGEST_TEXT];
    AUTO_CLOSE int home = make_home(folder);
    AUTO_CLOSE int payloads = -1;
    AUTO_CLOSE int key_fd = -1;
    AUTO_BUF struct buf file = buf_with_limit(4096), read = buf_with_limit(4096);
    uint8_t key[SCOPE_KEY_BYTES], again[SCOPE_KEY_BYTES], rest[SCOPE_KEY_BYTES];
    static const uint8_t zeros[SCOPE_KEY_BYTES];
    struct fault fault = {0};
    size_t count = 0;

    (void)state;
    assert_ok(scope_files_make(home, SCOPE, key, &fault), fault);
    assert_int_equal(mode_of(home, "keys/scopes"), 0700);
    assert_int_equal(mode_of(home, "keys/scopes/" SCOPE), 0600);
    assert_false(scope_files_make(home, SCOPE, again, &fault));
    assert_int_equal(fault.kind, FAULT_CONFLICT);
    assert_ok(scope_files_load(home, SCOPE, again, &fault), fault);
    assert_memory_equal(key, again, sizeof(key));
    assert_ok(scope_files_payloads(home, SCOPE, geteuid(), &payloads, &fault), fault);
    assert_int_equal(mode_of(home, "payloads"), 0700);
    seal(key, SCOPE, SLICE(VALUE), &file);
    assert_ok(scope_files_put(payloads, buf_slice(&file), digest, &fault), fault);
    assert_ok(scope_files_settle(home, SCOPE, &fault), fault);
    assert_ok(scope_files_get(home, SCOPE, digest, &read, &fault), fault);
    assert_true(slice_equal(buf_slice(&read), buf_slice(&file)));

    key_fd = openat(home, "keys/scopes/" SCOPE, O_RDONLY | O_CLOEXEC);
    assert_ok(scope_files_destroy(home, SCOPE, &count, &fault), fault);
    assert_int_equal(count, 1);
    assert_int_equal(pread(key_fd, rest, sizeof(rest), 0), sizeof(rest));
    assert_memory_equal(rest, zeros, sizeof(rest)); /* overwritten before it was removed */
    assert_false(scope_files_has_key(home, SCOPE));
    assert_false(scope_files_load(home, SCOPE, again, &fault));
    assert_int_equal(fault.kind, FAULT_MISSING);
    assert_false(file_exists(home, "payloads/" SCOPE));
    assert_ok(scope_files_destroy(home, SCOPE, &count, &fault), fault); /* again is fine */
    assert_int_equal(count, 0);
    end_home(folder);
}

static void a_changed_file_and_a_strange_name_are_refused(void **state)
{
    static const char *const names[] = {"", ".", "..", "../x", "a/b", ".x"};
    char folder[32], digest[SCOPE_DIGEST_TEXT];
    AUTO_CLOSE int home = make_home(folder);
    AUTO_CLOSE int payloads = -1;
    AUTO_CLOSE int fd = -1;
    AUTO_BUF struct buf read = buf_with_limit(4096);
    uint8_t key[SCOPE_KEY_BYTES];
    struct fault fault = {0};
    size_t count;

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_false(scope_files_make(home, names[i], key, &fault));
        assert_false(scope_files_load(home, names[i], key, &fault));
        assert_false(scope_files_destroy(home, names[i], &count, &fault));
        assert_int_equal(fault.kind, FAULT_INVALID);
    }
    assert_ok(scope_files_payloads(home, SCOPE, geteuid(), &payloads, &fault), fault);
    assert_ok(scope_files_put(payloads, SLICE("bytes"), digest, &fault), fault);
    fd = openat(payloads, digest, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "B", 1, 0), 1);
    assert_false(scope_files_get(home, SCOPE, digest, &read, &fault));
    assert_int_equal(fault.kind, FAULT_CONFLICT);
    end_home(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(commitments_are_the_vectors),
        TEST(keys_are_those_of_hkdf),
        TEST(a_payload_opens_with_its_key_in_its_scope_and_no_other_way),
        TEST(every_flipped_bit_and_every_cut_of_a_payload_shows),
        TEST(only_records_that_have_a_value_have_a_payload),
        TEST(an_opening_fits_its_record_and_value_only),
        TEST(a_record_that_commits_to_nothing_opens_to_nothing),
        TEST(a_proof_with_an_opening_holds_for_its_value_only),
        TEST(a_value_goes_with_a_proof_of_inclusion_only),
        TEST(a_destroyed_scope_leaves_neither_key_nor_payload),
        TEST(a_changed_file_and_a_strange_name_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
