#include "fixture.h"

#include "ledger/cosignature.h"
#include "ledger/note_parts.h"
#include "ledger/witness.h"
#include "ledger/witness_files.h"

#define SEED_TEST_1 "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"

/* A witness with files of its own. `seed` is 64 hexadecimal digits. */
struct stand {
    struct fixture fixture;
    struct witness_files files;
    struct witness_store store;
    struct note_signer *signer;
    struct cosignature_key *key;
    struct witness_keeper *keeper;
    struct witness_keeping keeping;
    struct witness *witness;
    int64_t now_us;
    struct clock clock;
};

static int64_t stand_now(void *self)
{
    return ((struct stand *)self)->now_us;
}

static bool failing_save(void *self, struct slice origin, struct slice note,
                         struct fault *fault)
{
    (void)self, (void)origin, (void)note;
    return fault_set(fault, FAULT_IO, "the disk is full");
}

static void stand_open(struct stand *stand, const char *name, const char *log_vkey)
{
    AUTO_BUF struct buf skey = buf_with_limit(1024);
    AUTO_BUF struct buf plain = buf_with_limit(1024);
    AUTO_BUF struct buf vkey = buf_with_limit(1024);
    uint8_t seed[NOTE_SEED_BYTES];
    struct fault fault = {0};

    *stand = (struct stand){.fixture = fixture_make(), .now_us = INT64_C(1679315147000000)};
    stand->clock = (struct clock){.now_us = stand_now, .self = stand};
    assert_true(hex_decode(SLICE(SEED_TEST_1), seed, sizeof(seed)));
    assert_ok(note_key_texts(slice_of(name), seed, &skey, &plain, &fault), fault);
    assert_ok(note_signer_parse(buf_slice(&skey), &stand->signer, &fault), fault);
    assert_ok(cosignature_vkey(stand->signer, &vkey, &fault), fault);
    assert_ok(cosignature_key_parse(buf_slice(&vkey), &stand->key, &fault), fault);
    assert_ok(witness_files_open(stand->fixture.folder, &stand->files, &fault), fault);
    stand->store = witness_files_store(&stand->files);
    assert_ok(witness_keeper_new(stand->signer, &stand->store, &stand->clock, &stand->keeper,
                                 &fault),
              fault);
    stand->keeping = witness_keeper_keeping(stand->keeper);
    assert_ok(witness_new(buf_slice(&vkey), &stand->keeping, &stand->witness, &fault), fault);
    assert_ok(witness_keeper_add_log(stand->keeper, slice_of(log_vkey), &fault), fault);
    assert_ok(witness_add_log(stand->witness, slice_of(log_vkey), &fault), fault);
}

static void stand_drop(struct stand *stand)
{
    witness_free(stand->witness);
    witness_keeper_free(stand->keeper);
    witness_files_close(&stand->files);
    note_signer_free(stand->signer);
    cosignature_key_free(stand->key);
    fixture_drop(&stand->fixture);
}

/* Sends a body; returns the status. */
static int ask(struct stand *stand, struct slice body, struct witness_answer *ret_answer)
{
    witness_add_checkpoint(stand->witness, body, ret_answer);
    return ret_answer->status;
}

static int status_of(struct stand *stand, struct slice body)
{
    struct witness_answer answer;
    int status = ask(stand, body, &answer);

    witness_answer_free(&answer);
    return status;
}

/* The answer's line is a good cosignature of the checkpoint that was sent. */
static void expect_cosigned(struct stand *stand, struct slice body, struct slice line)
{
    AUTO_BUF struct buf bytes = buf_with_limit(1 << 16);
    struct witness_request request;
    struct note note;
    struct fault fault = {0};

    assert_ok(witness_request_parse(body, &request, &fault), fault);
    assert_ok(buf_add(&bytes, request.checkpoint, &fault), fault);
    assert_ok(buf_add(&bytes, line, &fault), fault);
    assert_ok(note_parse(buf_slice(&bytes), &note, &fault), fault);
    assert_ok(cosignature_verify(&note, stand->key, NULL, &fault), fault);
}

static void the_published_requests_get_the_published_answers(void **state)
{
    json_t *vectors = fixture_json("cosignature/add-checkpoint-requests.json");
    json_t *requests = json_object_get(vectors, "requests"), *request;
    struct stand stand;
    size_t i;

    (void)state;
    stand_open(&stand, json_string_value(json_object_get(vectors, "witness_name")),
               json_string_value(json_object_get(vectors, "log_vkey")));
    json_array_foreach(requests, i, request)
    {
        struct slice body = slice_of(json_string_value(json_object_get(request, "body")));
        const char *said = json_string_value(json_object_get(request, "response_body"));
        int status = (int)json_integer_value(json_object_get(request, "status_v1"));
        struct witness_answer answer;

        if (ask(&stand, body, &answer) != status)
            fail_msg("request %zu: %d (%s) instead of %d", i, answer.status,
                     buf_text(&answer.body), status);
        if (said != NULL) {
            assert_string_equal(buf_text(&answer.body), said);
            assert_string_equal(answer.type, "text/x.tlog.size");
        }
        if (status == 200)
            expect_cosigned(&stand, body, buf_slice(&answer.body));
        witness_answer_free(&answer);
    }
    assert_int_equal(i, 9);
    json_decref(vectors);
    stand_drop(&stand);
}

#define TEST_LOG                                                                              \
    "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"
#define TEST_LOG_HASH "6994c64086cc171ca46c749d036fd313bac575a8b2b2a2b9874ef097775714d5"

/* "old N", no proof, a checkpoint of the test log. */
static void body_of(unsigned old, unsigned size, struct buf *ret_body)
{
    AUTO_FREE char *name = xformat("tessera-testlog/log/checkpoint.%u", size);
    AUTO_BUF struct buf note = buf_with_limit(1 << 14);
    struct fault fault = {0};

    buf_clear(ret_body);
    fixture_read(name, &note);
    assert_ok(buf_add_format(ret_body, &fault, "old %u\n\n", old) &&
                  buf_add(ret_body, buf_slice(&note), &fault),
              fault);
}

static void the_derived_request_is_answered_byte_for_byte(void **state)
{
    AUTO_BUF struct buf body = buf_with_limit(1 << 16);
    AUTO_BUF struct buf cosigned = buf_with_limit(1 << 16);
    AUTO_BUF struct buf again = buf_with_limit(1 << 16);
    struct witness_request request;
    struct witness_answer answer;
    struct stand stand;
    struct fault fault = {0};

    (void)state;
    stand_open(&stand, "witness.example.com/derived", TEST_LOG);
    body_of(0, 7, &body);
    assert_int_equal(status_of(&stand, buf_slice(&body)), 200);
    buf_clear(&body);
    fixture_read("cosignature/derived-add-checkpoint-7-to-15.request", &body);
    assert_int_equal(ask(&stand, buf_slice(&body), &answer), 200);
    fixture_read("cosignature/derived-size15.checkpoint", &cosigned);
    assert_true(slice_ends_with(buf_slice(&cosigned), buf_slice(&answer.body)));
    witness_answer_free(&answer);
    witness_get_checkpoint(stand.witness, SLICE("/" TEST_LOG_HASH "/checkpoint"), &answer);
    assert_int_equal(answer.status, 200);
    assert_true(slice_equal(buf_slice(&answer.body), buf_slice(&cosigned)));
    witness_answer_free(&answer);
    assert_ok(witness_request_parse(buf_slice(&body), &request, &fault), fault);
    assert_ok(witness_request_write(&request, &again, &fault), fault);
    assert_true(slice_equal(buf_slice(&body), buf_slice(&again)));
    stand_drop(&stand);
}

static void statuses_come_in_the_order_of_the_specification(void **state)
{
    static const struct {
        unsigned old, size;
        int status;
    } steps[] = {
        {1, 0, 400},  {1, 7, 409},  {8, 7, 400}, {0, 7, 200}, {7, 7, 200},  {0, 7, 409},
        {0, 15, 409}, {7, 15, 422}, {7, 5, 400}, {5, 5, 409}, {5, 15, 409}, {7, 7, 200},
    };
    AUTO_BUF struct buf body = buf_with_limit(1 << 16);
    struct stand stand;

    (void)state;
    stand_open(&stand, "w", TEST_LOG);
    for (size_t i = 0; i < COUNT(steps); i++) {
        int status;

        body_of(steps[i].old, steps[i].size, &body);
        status = status_of(&stand, buf_slice(&body));
        if (status != steps[i].status)
            fail_msg("step %zu: %d instead of %d", i, status, steps[i].status);
    }
    stand_drop(&stand);
}

static void bodies_that_do_not_parse_are_refused(void **state)
{
    static const char *const heads[] = {
        "",
        "old 0\n",
        "old\n\n",
        "old 00\n\n",
        "old +1\n\n",
        "old -1\n\n",
        "OLD 0\n\n",
        "old 0 \n\n",
        "old 0\r\n\r\n",
        " old 0\n\n",
        "old 9223372036854775808\n\n",
        "old 0\nAAAA\n\n",
        "old 0\nKgEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=\n\n",
    };
    AUTO_BUF struct buf whole = buf_with_limit(1 << 16);
    AUTO_BUF struct buf long_one = buf_with_limit(1 << 16);
    struct stand stand;
    struct fault fault = {0};
    struct slice note;

    (void)state;
    stand_open(&stand, "w", TEST_LOG);
    body_of(0, 7, &whole);
    note = slice_part(buf_slice(&whole), 7, whole.len);
    for (size_t i = 0; i < COUNT(heads); i++) {
        AUTO_BUF struct buf body = buf_with_limit(1 << 16);

        assert_ok(buf_add_text(&body, heads[i], &fault) && buf_add(&body, note, &fault),
                  fault);
        if (status_of(&stand, buf_slice(&body)) != 400)
            fail_msg("head %zu is taken", i);
    }
    assert_ok(buf_add_text(&long_one, "old 7\n", &fault), fault);
    for (int i = 0; i < 64; i++)
        assert_ok(
            buf_add_text(&long_one, "KgEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", &fault),
            fault);
    assert_ok(buf_add_text(&long_one, "\n", &fault) && buf_add(&long_one, note, &fault),
              fault);
    assert_int_equal(status_of(&stand, buf_slice(&long_one)), 400);
    for (size_t len = 0; len < whole.len; len++) {
        int status = status_of(&stand, slice_part(buf_slice(&whole), 0, len));

        if (status != 400 && status != 403)
            fail_msg("%zu bytes: %d", len, status);
    }
    stand_drop(&stand);
}

static void every_flipped_bit_of_a_request_is_refused(void **state)
{
    AUTO_BUF struct buf body = buf_with_limit(1 << 16);
    struct stand stand;

    (void)state;
    stand_open(&stand, "w", TEST_LOG);
    body_of(0, 7, &body);
    for (size_t bit = 0; bit < 8 * body.len; bit++) {
        body.at[bit / 8] ^= (uint8_t)(1U << (bit % 8));
        if (status_of(&stand, buf_slice(&body)) == 200)
            fail_msg("bit %zu is taken", bit);
        body.at[bit / 8] ^= (uint8_t)(1U << (bit % 8));
    }
    assert_int_equal(status_of(&stand, buf_slice(&body)), 200);
    stand_drop(&stand);
}

static size_t count_refused(const struct stand *stand)
{
    AUTO_CLOSE int fd = openat(stand->fixture.folder, TEST_LOG_HASH "/refused",
                               O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct dirent *entry;
    size_t count = 0;
    DIR *dir;

    if (fd < 0)
        return 0;
    dir = fdopendir(take_fd(&fd));
    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL)
        count += entry->d_name[0] != '.';
    (void)closedir(dir);
    return count;
}

static void what_does_not_follow_is_kept_once(void **state)
{
    AUTO_BUF struct buf body = buf_with_limit(1 << 16);
    struct stand stand;

    (void)state;
    stand_open(&stand, "w", TEST_LOG);
    body_of(0, 7, &body);
    assert_int_equal(status_of(&stand, buf_slice(&body)), 200);
    body_of(0, 15, &body); /* a client that does not know our state: nothing odd */
    assert_int_equal(status_of(&stand, buf_slice(&body)), 409);
    assert_int_equal(count_refused(&stand), 0);
    body_of(3, 5, &body); /* a log that went back */
    assert_int_equal(status_of(&stand, buf_slice(&body)), 409);
    assert_int_equal(status_of(&stand, buf_slice(&body)), 409);
    assert_int_equal(count_refused(&stand), 1);
    body_of(7, 9, &body); /* no proof */
    assert_int_equal(status_of(&stand, buf_slice(&body)), 422);
    assert_int_equal(count_refused(&stand), 2);
    stand_drop(&stand);
}

static void without_a_durable_promise_there_is_no_cosignature(void **state)
{
    AUTO_BUF struct buf body = buf_with_limit(1 << 16);
    struct witness_answer answer;
    struct stand stand;

    (void)state;
    stand_open(&stand, "w", TEST_LOG);
    stand.store.save = failing_save;
    body_of(0, 7, &body);
    assert_int_equal(ask(&stand, buf_slice(&body), &answer), 500);
    assert_int_equal(slice_find(buf_slice(&answer.body), SLICE("\xe2\x80\x94"), 0), SIZE_MAX);
    witness_answer_free(&answer);
    stand_drop(&stand);
}

/* A damaged or exchanged promise is no reason to begin anew. */
static void a_damaged_promise_ends_the_cosigning(void **state)
{
    AUTO_BUF struct buf body = buf_with_limit(1 << 16);
    AUTO_BUF struct buf promise = buf_with_limit(1 << 16);
    struct stand stand;
    struct fault fault = {0};

    (void)state;
    stand_open(&stand, "w", TEST_LOG);
    body_of(0, 7, &body);
    assert_int_equal(status_of(&stand, buf_slice(&body)), 200);
    assert_ok(file_read(stand.fixture.folder, TEST_LOG_HASH "/checkpoint", &promise, &fault),
              fault);
    for (size_t at = 0; at < promise.len; at += 5) {
        promise.at[at] ^= 1;
        assert_ok(file_replace_durably(stand.fixture.folder, TEST_LOG_HASH "/checkpoint",
                                       buf_slice(&promise), 0644, &fault),
                  fault);
        promise.at[at] ^= 1;
        body_of(7, 7, &body);
        if (at < slice_find(buf_slice(&promise), SLICE("\n\n"), 0))
            assert_int_equal(status_of(&stand, buf_slice(&body)), 500);
        assert_int_not_equal(status_of(&stand, buf_slice(&body)), 409);
    }
    assert_ok(file_replace_durably(stand.fixture.folder, TEST_LOG_HASH "/checkpoint",
                                   SLICE(""), 0644, &fault),
              fault);
    body_of(0, 5, &body);
    assert_int_equal(status_of(&stand, buf_slice(&body)), 500);
    stand_drop(&stand);
}

/* Whatever the half that reads requests lets through, or makes up. */
static void the_keeper_judges_for_itself(void **state)
{
    static const struct {
        const char *what;
        size_t log;
        uint64_t old_size, size;
        unsigned text, root, signature; /* byte that is flipped, from 1 */
        bool has_proof;
        enum fault_kind kind;
    } cases[] = {
        {"a log that is not known", 1, 0, 7, 0, 0, 0, false, FAULT_INVALID},
        {"another size than the text's", 0, 0, 8, 0, 0, 0, false, FAULT_INVALID},
        {"another root than the text's", 0, 0, 7, 0, 1, 0, false, FAULT_INVALID},
        {"another text", 0, 0, 7, 1, 0, 0, false, FAULT_INVALID},
        {"another signature", 0, 0, 7, 0, 0, 9, false, FAULT_DENIED},
        {"a promise that was never made", 0, 5, 7, 0, 0, 0, false, FAULT_CONFLICT},
        {"a proof of nothing", 0, 0, 7, 0, 0, 0, true, FAULT_INVALID},
        {"what is right", 0, 0, 7, 0, 0, 0, false, FAULT_NONE},
        {"the same once more, from nothing", 0, 0, 7, 0, 0, 0, false, FAULT_CONFLICT},
    };
    AUTO_BUF struct buf body = buf_with_limit(1 << 16);
    AUTO_BUF struct buf line = buf_with_limit(1024);
    struct witness_request request;
    struct checkpoint checkpoint;
    struct stand stand;
    struct note note;
    struct fault fault = {0};

    (void)state;
    stand_open(&stand, "w", TEST_LOG);
    body_of(0, 7, &body);
    assert_ok(witness_request_parse(buf_slice(&body), &request, &fault), fault);
    assert_ok(note_parse(request.checkpoint, &note, &fault), fault);
    assert_ok(checkpoint_parse(note.text, &checkpoint, &fault), fault);
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO_FREE char *text = slice_dup(note.text);
        struct witness_promise promise = {.log = cases[i].log,
                                          .old_size = cases[i].old_size,
                                          .size = cases[i].size,
                                          .root = checkpoint.root,
                                          .proof = {.count = cases[i].has_proof},
                                          .text = slice_of(text)};
        bool ok;

        assert_true(note_signature_bytes(&note.signatures[0], promise.signature));
        if (cases[i].text > 0)
            text[cases[i].text - 1] ^= 1;
        if (cases[i].root > 0)
            promise.root.at[cases[i].root - 1] ^= 1;
        if (cases[i].signature > 0)
            promise.signature[cases[i].signature - 1] ^= 1;
        fault = (struct fault){0};
        ok = stand.keeping.promise(stand.keeping.self, &promise, &line, &fault);
        if (ok != (cases[i].kind == FAULT_NONE) || (!ok && fault.kind != cases[i].kind))
            fail_msg("%s: %s", cases[i].what, ok ? "cosigned" : fault.why);
        assert_int_equal(line.len > 0, i + 2 >= COUNT(cases));
    }
    stand_drop(&stand);
}

static void one_folder_has_one_witness(void **state)
{
    struct witness_files second;
    struct stand stand;
    struct fault fault = {0};

    (void)state;
    stand_open(&stand, "w", TEST_LOG);
    assert_false(witness_files_open(stand.fixture.folder, &second, &fault));
    assert_int_equal(fault.kind, FAULT_CONFLICT);
    stand_drop(&stand);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_published_requests_get_the_published_answers),
        TEST(the_derived_request_is_answered_byte_for_byte),
        TEST(statuses_come_in_the_order_of_the_specification),
        TEST(bodies_that_do_not_parse_are_refused),
        TEST(every_flipped_bit_of_a_request_is_refused),
        TEST(what_does_not_follow_is_kept_once),
        TEST(without_a_durable_promise_there_is_no_cosignature),
        TEST(a_damaged_promise_ends_the_cosigning),
        TEST(the_keeper_judges_for_itself),
        TEST(one_folder_has_one_witness),
    };

    return cmocka_run_group_tests_name("witness", tests, NULL, NULL);
}
