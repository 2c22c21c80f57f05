/* Shards follow one another, and whatever was changed about that shows. */
#include "roles/shard_home.h"

#include <openssl/evp.h>

#include "ledger/handover.h"

static const char *const reasons[] = {"rotated", "year", "compromised", "lost", "restored"};

/* Three shards of which two are closed; the first's key is kept by somebody. */
struct chain {
    struct fixture home;
    char *first_vkey, *second_vkey;
    struct note_signer *first, *second;
};

static struct chain chain_make(void)
{
    struct chain chain = {.home = shard_home()};
    struct fault fault = {0};

    chain.first_vkey = shard_vkey(&chain.home, "keys/ledger.vkey");
    assert_ok(ledger_signer(chain.home.folder, "keys/ledger.key", &chain.first, &fault),
              fault);
    shard_turn(&chain.home, LEDGER_TURN_ROTATED);
    shard_run(&chain.home, 2);
    chain.second_vkey = shard_vkey(&chain.home, "keys/ledger.vkey");
    assert_ok(ledger_signer(chain.home.folder, "keys/ledger.key", &chain.second, &fault),
              fault);
    shard_turn(&chain.home, LEDGER_TURN_COMPROMISED);
    shard_run(&chain.home, 300);
    return chain;
}

static void chain_drop(struct chain *chain)
{
    free(chain->first_vkey);
    free(chain->second_vkey);
    note_signer_free(chain->first);
    note_signer_free(chain->second);
    fixture_drop(&chain->home);
}

static void shards_that_follow_hold_from_any_of_their_keys(void **state)
{
    struct chain chain = chain_make();
    AUTO_FREE struct shard_verdict *verdict = shard_verify(&chain.home, NULL, NULL);
    struct stat key;

    (void)state;
    shard_expect(&chain.home, NULL, VERIFY_HOLDS, NULL);
    shard_expect(&chain.home, chain.first_vkey, VERIFY_HOLDS, NULL);
    shard_expect(&chain.home, chain.second_vkey, VERIFY_HOLDS, NULL);
    assert_int_equal(verdict->count, 3);
    assert_int_equal(verdict->shards[0].size, 5); /* opened, 3, key.rotated */
    assert_int_equal(verdict->report.size, 302);  /* shard.begun, opened, 300 */
    assert_true(verdict->shards[0].joint.is_first);
    assert_string_equal(verdict->shards[1].joint.reason, "rotated");
    assert_string_equal(verdict->shards[2].joint.reason, "compromised");
    assert_true(verdict->shards[1].joint.is_by_old_key);
    assert_true(verdict->shards[2].joint.is_by_old_key);
    assert_non_null(strstr(verdict->shards[2].origin, "/3"));
    assert_int_equal(fstatat(chain.home.folder, "keys/ledger.key", &key, 0), 0);
    assert_int_equal(key.st_mode & 0777, 0600);
    assert_true(file_exists(chain.home.folder, "keys/retired/0002.vkey"));
    assert_false(file_exists(chain.home.folder, "shards/turn"));
    assert_false(file_exists(chain.home.folder, "shards/next"));
    chain_drop(&chain);
}

static void a_key_that_is_none_of_theirs_holds_nothing(void **state)
{
    struct chain chain = chain_make();
    AUTO_BUF struct buf vkey = buf_with_limit(1024);

    (void)state;
    note_signer_free(fixture_signer(0, &vkey));
    shard_expect(&chain.home, buf_text(&vkey), VERIFY_TAMPERING, "the key that you trust");
    chain_drop(&chain);
}

static void move(const struct chain *chain, const char *from, const char *to)
{
    assert_int_equal(renameat(chain->home.folder, from, chain->home.folder, to), 0);
}

static void shards_that_changed_places_are_tampering(void **state)
{
    struct chain chain = chain_make();

    (void)state;
    move(&chain, "shards/0001", "shards/kept");
    move(&chain, "shards/0002", "shards/0001");
    move(&chain, "shards/kept", "shards/0002");
    shard_expect(&chain.home, NULL, VERIFY_TAMPERING, "does not stand before it");
    chain_drop(&chain);
}

static void a_shard_that_is_missing_is_incomplete(void **state)
{
    static const struct {
        const char *name, *words;
    } cases[] = {{"shards/0001", "shards/0002: the shards before it are not here"},
                 {"shards/0002", "which is not here"}};
    struct chain chain = chain_make();

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        move(&chain, cases[i].name, "shards/kept");
        shard_expect(&chain.home, NULL, VERIFY_INCOMPLETE, cases[i].words);
        move(&chain, "shards/kept", cases[i].name);
    }
    assert_int_equal(unlinkat(chain.home.folder, "shards/0001/vkey", 0), 0);
    shard_expect(&chain.home, NULL, VERIFY_INCOMPLETE, "shards/0001: there is no public key");
    chain_drop(&chain);
}

/* Whoever kept an old key goes on with it. */
static void a_closed_shard_that_grew_is_tampering(void **state)
{
    struct chain chain = chain_make();
    AUTO_CLOSE int folder = openat(chain.home.folder, "shards/0001", O_RDONLY | O_DIRECTORY);

    (void)state;
    shard_write(folder, chain.first, 1);
    shard_expect(&chain.home, NULL, VERIFY_TAMPERING, "it grew after its end");
    chain_drop(&chain);
}

static void a_damaged_closed_shard_is_tampering(void **state)
{
    struct chain chain = chain_make();
    AUTO_CLOSE int fd = openat(chain.home.folder, "shards/0001/tile/entries/000.p/5", O_RDWR);
    char byte = 0;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, 100), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, 100), 1);
    shard_expect(&chain.home, NULL, VERIFY_TAMPERING, "shards/0001: ");
    chain_drop(&chain);
}

/* ---- a shard of the new key's holder, who says what is not so ---- */

struct lie {
    const char *reason, *origin, *root, *digest; /* NULL: as it is */
    int64_t more;                                /* added to the count */
    bool is_no_shard;                            /* it says nothing of another */
};

static void add_begun(const struct chain *chain, const struct lie *lie,
                      struct ledger_writer *writer)
{
    AUTO_FREE struct shard_verdict *verdict = shard_verify(&chain->home, NULL, NULL);
    const struct verify_shard *old = &verdict->shards[1];
    char root[65];
    struct record record;
    struct fault fault = {0};

    hex_encode(slice_of_bytes(old->root, 32), root);
    record_begin(&record, RECORD_SHARD_BEGUN);
    record_word(&record, RECORD_REASON, lie->reason == NULL ? "compromised" : lie->reason);
    record_word(&record, RECORD_ORIGIN, lie->origin == NULL ? old->origin : lie->origin);
    record_number(&record, RECORD_COUNT, (int64_t)old->size + lie->more);
    record_word(&record, RECORD_ROOT, lie->root == NULL ? root : lie->root);
    record_word(&record, RECORD_DIGEST, lie->digest);
    assert_ok(ledger_writer_own(writer, &record, &fault), fault);
}

static void digest_of(const char *text, char ret_hex[65])
{
    AUTO_BUF struct buf bytes = buf_with_limit(4096);
    struct fault fault = {0};
    uint8_t hash[32];

    assert_ok(buf_add_text(&bytes, text, &fault), fault);
    assert_int_equal(EVP_Digest(bytes.at, bytes.len, hash, NULL, EVP_sha256(), NULL), 1);
    hex_encode(slice_of_bytes(hash, sizeof(hash)), ret_hex);
}

/* The current shard written anew by its own key, with a lie, and agreed to by `by`. */
static void lie_about_it(const struct chain *chain, const struct lie *lie,
                         const struct note_signer *by)
{
    AUTO_BUF struct buf note = buf_with_limit(NOTE_BYTES_MAX);
    AUTO_BUF struct buf both = buf_with_limit(NOTE_BYTES_MAX);
    AUTO_CLOSE int folder = -1;
    struct ledger_writer *writer;
    struct note_signer *signer;
    struct fault fault = {0};
    struct lie told = *lie;
    char digest[65];

    digest_of(chain->second_vkey, digest);
    told.digest = lie->digest == NULL ? digest : lie->digest;
    assert_ok(ledger_signer(chain->home.folder, "keys/ledger.key", &signer, &fault), fault);
    assert_ok(file_open_folder(chain->home.folder, "other", 0755, &folder, &fault), fault);
    assert_ok(ledger_writer_load(folder, signer, &shard_clock, &writer, &fault), fault);
    if (!lie->is_no_shard)
        add_begun(chain, &told, writer);
    else
        assert_ok(ledger_writer_heartbeat(writer, &fault), fault);
    assert_ok(ledger_writer_close(writer, &fault), fault);
    ledger_writer_free(writer);
    assert_ok(file_read(folder, "checkpoint", &note, &fault), fault);
    if (by != NULL) {
        assert_ok(handover_write(buf_slice(&note), by, &both, &fault), fault);
        assert_ok(file_create(folder, HANDOVER_NAME, buf_slice(&both), 0644, &fault), fault);
    }
    assert_ok(file_remove_tree(chain->home.folder, "ledger", &fault), fault);
    move(chain, "other", "ledger");
    note_signer_free(signer);
}

static void a_new_shard_that_says_what_is_not_so_is_tampering(void **state)
{
    static const char zeros[] =
        "0000000000000000000000000000000000000000000000000000000000000000";
    static const struct {
        struct lie lie;
        enum verify_result result;
        const char *words;
    } cases[] = {
        {{.root = zeros}, VERIFY_TAMPERING, "another root"},
        {{.more = -1}, VERIFY_TAMPERING, "it grew after its end"},
        {{.more = 1}, VERIFY_TAMPERING, "it was rolled back"},
        {{.origin = "custody-else"}, VERIFY_TAMPERING, "does not stand before it"},
        {{.digest = zeros}, VERIFY_TAMPERING, "another ledger is in its place"},
        {{.reason = "whim"}, VERIFY_TAMPERING, "for a reason that is none"},
        {{.is_no_shard = true}, VERIFY_TAMPERING, "does not say what it leads on from"},
        {{0}, VERIFY_HOLDS, NULL},
        {{.reason = "lost"}, VERIFY_HOLDS, NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct chain chain = chain_make();

        lie_about_it(&chain, &cases[i].lie, chain.second);
        shard_expect(&chain.home, NULL, cases[i].result, cases[i].words);
        chain_drop(&chain);
    }
}

static void a_handover_is_signed_by_the_key_before(void **state)
{
    struct chain chain = chain_make();
    AUTO_BUF struct buf other = buf_with_limit(NOTE_BYTES_MAX);
    struct fault fault = {0};

    (void)state;
    assert_ok(file_read(chain.home.folder, "ledger/" HANDOVER_NAME, &other, &fault), fault);
    lie_about_it(&chain, &(struct lie){0}, chain.first);
    shard_expect(&chain.home, NULL, VERIFY_TAMPERING, "handover: note: no signature of");
    /* That of the shard before it was written anew is about another first record. */
    assert_ok(file_replace_durably(chain.home.folder, "ledger/" HANDOVER_NAME,
                                   buf_slice(&other), 0644, &fault),
              fault);
    shard_expect(&chain.home, NULL, VERIFY_TAMPERING, "not about the first record");
    assert_int_equal(unlinkat(chain.home.folder, "ledger/" HANDOVER_NAME, 0), 0);
    shard_expect(&chain.home, NULL, VERIFY_INCOMPLETE, "handover, which both keys");
    chain_drop(&chain);
}

/* Another key of that name, in the place of the one that signs now. */
static void replace_key(const struct chain *chain, const char *name)
{
    static const uint8_t seed[NOTE_SEED_BYTES] = {7};
    AUTO_BUF struct buf skey = buf_with_limit(1024);
    AUTO_BUF struct buf vkey = buf_with_limit(1024);
    struct fault fault = {0};

    assert_ok(note_key_texts(slice_of(name), seed, &skey, &vkey, &fault), fault);
    assert_ok(file_replace_durably(chain->home.folder, "keys/ledger.key", buf_slice(&skey),
                                   0600, &fault),
              fault);
    assert_ok(file_replace_durably(chain->home.folder, "keys/ledger.vkey", buf_slice(&vkey),
                                   0644, &fault),
              fault);
}

/* The old key's last word is which key follows, and under which name. */
static void a_last_record_that_names_another_key_is_tampering(void **state)
{
    (void)state;
    for (int is_other = 0; is_other < 2; is_other++) {
        struct chain chain = chain_make();
        AUTO_FREE struct shard_verdict *verdict = shard_verify(&chain.home, NULL, NULL);

        replace_key(&chain, is_other ? "custody-else/3" : verdict->report.origin);
        lie_about_it(&chain, &(struct lie){0}, chain.second);
        shard_expect(&chain.home, NULL, VERIFY_TAMPERING,
                     "the last record of shards/0002 does not name its key");
        chain_drop(&chain);
    }
}

static void a_lost_key_is_followed_without_its_word(void **state)
{
    struct fixture home = shard_home();
    AUTO_FREE char *first = shard_vkey(&home, "keys/ledger.vkey");
    AUTO_FREE struct shard_verdict *verdict = NULL;
    struct fault fault = {0};
    int folder, lock;

    (void)state;
    assert_int_equal(unlinkat(home.folder, "keys/ledger.key", 0), 0);
    assert_false(shard_try_turn(&home, LEDGER_TURN_ROTATED, &fault));
    assert_int_equal(fault.kind, FAULT_MISSING);
    assert_non_null(strstr(fault.why, "key replace --lost"));
    /* What was planned goes on as soon as the key is there; until then nothing is written. */
    assert_false(ledger_current(home.folder, &shard_clock, &folder, &lock, &fault));
    assert_ok(file_remove_tree(home.folder, "shards/turn", &fault), fault);
    shard_turn(&home, LEDGER_TURN_LOST);
    shard_run(&home, 1);
    verdict = shard_verify(&home, NULL, NULL);
    assert_int_equal(verdict->report.result, VERIFY_HOLDS);
    assert_string_equal(verdict->shards[1].joint.reason, "lost");
    assert_false(verdict->shards[1].joint.is_by_old_key);
    shard_expect(&home, first, VERIFY_INCOMPLETE, "does not lead to its key");
    fixture_drop(&home);
}

static void a_kept_checkpoint_of_a_closed_shard_is_compared(void **state)
{
    struct chain chain = chain_make();
    AUTO_BUF struct buf kept = buf_with_limit(NOTE_BYTES_MAX);
    AUTO_FREE struct shard_verdict *verdict = NULL;
    struct tree_hash root = {{1}};
    struct slice note;
    struct fault fault = {0};

    (void)state;
    assert_ok(file_read(chain.home.folder, "shards/0001/checkpoint", &kept, &fault), fault);
    note = buf_slice(&kept);
    verdict = shard_verify(&chain.home, NULL, &note);
    assert_int_equal(verdict->report.result, VERIFY_HOLDS);
    assert_true(verdict->report.has_kept);
    buf_clear(&kept);
    assert_ok(checkpoint_sign(3, &root, chain.first, &kept, &fault), fault);
    note = buf_slice(&kept);
    free(verdict);
    verdict = shard_verify(&chain.home, NULL, &note);
    assert_int_equal(verdict->report.result, VERIFY_TAMPERING);
    assert_true(verdict->report.is_fork);
    buf_clear(&kept);
    assert_ok(checkpoint_sign(9, &root, chain.first, &kept, &fault), fault);
    note = buf_slice(&kept);
    free(verdict);
    verdict = shard_verify(&chain.home, NULL, &note);
    assert_int_equal(verdict->report.result, VERIFY_TAMPERING);
    assert_non_null(strstr(verdict->report.problems[0].text, "rolled back"));
    chain_drop(&chain);
}

/* Whose it is has to be found in the ledger: who took that shard away hides nothing. */
static void a_kept_checkpoint_of_no_shard_is_incomplete(void **state)
{
    struct chain chain = chain_make();
    AUTO_BUF struct buf kept = buf_with_limit(NOTE_BYTES_MAX);
    AUTO_FREE struct shard_verdict *verdict = NULL;
    struct slice note;
    struct fault fault = {0};

    (void)state;
    assert_ok(file_read(chain.home.folder, "shards/0001/checkpoint", &kept, &fault), fault);
    note = buf_slice(&kept);
    assert_ok(file_remove_tree(chain.home.folder, "shards/0001", &fault), fault);
    verdict = shard_verify(&chain.home, NULL, &note);
    assert_int_equal(verdict->report.result, VERIFY_INCOMPLETE);
    assert_non_null(strstr(verdict->report.problems[verdict->report.problem_count - 1].text,
                           "no shard that is here has the key that signed it"));
    chain_drop(&chain);
}

static void a_key_beside_a_shard_that_is_none_is_found(void **state)
{
    struct chain chain = chain_make();
    struct fault fault = {0};

    (void)state;
    assert_ok(file_replace_durably(chain.home.folder, "shards/0002/vkey", SLICE("garbage\n"),
                                   0644, &fault),
              fault);
    shard_expect(&chain.home, NULL, VERIFY_TAMPERING, "shards/0002: `vkey`: key: not of");
    assert_int_equal(unlinkat(chain.home.folder, "shards/0002/vkey", 0), 0);
    assert_int_equal(mkfifoat(chain.home.folder, "shards/0002/vkey", 0644), 0);
    shard_expect(&chain.home, NULL, VERIFY_INCOMPLETE, "no public key (`vkey`) beside it");
    chain_drop(&chain);
}

/* The auditor's folders may lie deep; what is wrong has to be said all the same. */
static void a_shard_may_have_a_name_of_any_length(void **state)
{
    struct chain chain = chain_make();
    AUTO_FREE struct verify_report *report = xalloc(sizeof(*report));
    AUTO_FREE char *vkey = shard_vkey(&chain.home, "keys/ledger.vkey");
    AUTO_CLOSE int folder =
        openat(chain.home.folder, "ledger", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct verify_options options = {0};
    struct verify_shard verdict;
    struct chain_shard shard = {.folder = folder, .vkey = slice_of(vkey)};
    struct fault fault = {0};
    char name[4000];

    (void)state;
    memset(name, 'x', sizeof(name));
    name[sizeof(name) - 1] = 0;
    shard.name = name;
    assert_ok(verify_chain(&shard, 1, shard.vkey, &options, report, &verdict, NULL, &fault),
              fault);
    assert_int_equal(report->result, VERIFY_INCOMPLETE);
    assert_non_null(strstr(report->problems[0].text, "x: the shards before it are not here"));
    chain_drop(&chain);
}

/* A copy says itself that it is one; what it lacks is lost, and not hidden. */
static void a_kept_checkpoint_beyond_a_restored_copy_is_incomplete(void **state)
{
    struct fixture home = shard_home();
    AUTO_BUF struct buf kept = buf_with_limit(NOTE_BYTES_MAX);
    AUTO_FREE struct shard_verdict *verdict = NULL;
    struct tree_hash root = {{1}};
    struct note_signer *signer;
    struct slice note;
    struct fault fault = {0};

    (void)state;
    assert_ok(ledger_signer(home.folder, "keys/ledger.key", &signer, &fault), fault);
    assert_ok(checkpoint_sign(9, &root, signer, &kept, &fault), fault);
    note_signer_free(signer);
    shard_turn(&home, LEDGER_TURN_RESTORED);
    note = buf_slice(&kept);
    verdict = shard_verify(&home, NULL, &note);
    assert_int_equal(verdict->report.result, VERIFY_INCOMPLETE);
    assert_non_null(strstr(verdict->report.problems[0].text, "those between are lost"));
    assert_true(verdict->shards[1].joint.is_by_old_key);
    assert_int_equal(verdict->shards[0].size, 4); /* nothing was added to it */
    fixture_drop(&home);
}

static void a_ledger_that_ended_and_is_not_followed_is_incomplete(void **state)
{
    struct chain chain = chain_make();
    AUTO_FREE char *vkey = xformat("%s\n", chain.second_vkey);
    struct fault fault = {0};

    (void)state;
    assert_ok(file_remove_tree(chain.home.folder, "ledger", &fault), fault);
    move(&chain, "shards/0002", "ledger");
    assert_ok(file_replace_durably(chain.home.folder, "keys/ledger.vkey", slice_of(vkey), 0644,
                                   &fault),
              fault);
    shard_expect(&chain.home, NULL, VERIFY_INCOMPLETE, "it has ended");
    chain_drop(&chain);
}

static void a_year_that_is_over_ends_its_shard(void **state)
{
    struct fixture home = shard_home();
    AUTO_FREE struct shard_verdict *verdict = NULL;

    (void)state;
    shard_time_us = NOON_US + INT64_C(5) * 86400 * 1000000;
    shard_run(&home, 1); /* still 2026 */
    assert_false(file_exists(home.folder, "shards/0001"));
    shard_time_us = NOON_US + INT64_C(7) * 86400 * 1000000;
    shard_run(&home, 1); /* New Year's Day */
    shard_run(&home, 1);
    shard_time_us = NOON_US; /* a clock that is set back begins nothing */
    shard_run(&home, 1);
    assert_true(file_exists(home.folder, "shards/0001"));
    assert_false(file_exists(home.folder, "shards/0002"));
    verdict = shard_verify(&home, NULL, NULL);
    assert_int_equal(verdict->report.result, VERIFY_HOLDS);
    assert_string_equal(verdict->shards[1].joint.reason, "year");
    assert_true(verdict->shards[1].joint.is_by_old_key);
    fixture_drop(&home);
}

static void every_reason_has_its_word(void **state)
{
    (void)state;
    for (int i = 0; i < LEDGER_TURN_REASON_COUNT; i++)
        assert_string_equal(ledger_turn_reason_name((enum ledger_turn_reason)i), reasons[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(shards_that_follow_hold_from_any_of_their_keys),
        TEST(a_key_that_is_none_of_theirs_holds_nothing),
        TEST(shards_that_changed_places_are_tampering),
        TEST(a_shard_that_is_missing_is_incomplete),
        TEST(a_closed_shard_that_grew_is_tampering),
        TEST(a_damaged_closed_shard_is_tampering),
        TEST(a_new_shard_that_says_what_is_not_so_is_tampering),
        TEST(a_handover_is_signed_by_the_key_before),
        TEST(a_last_record_that_names_another_key_is_tampering),
        TEST(a_lost_key_is_followed_without_its_word),
        TEST(a_kept_checkpoint_of_a_closed_shard_is_compared),
        TEST(a_kept_checkpoint_of_no_shard_is_incomplete),
        TEST(a_key_beside_a_shard_that_is_none_is_found),
        TEST(a_shard_may_have_a_name_of_any_length),
        TEST(a_kept_checkpoint_beyond_a_restored_copy_is_incomplete),
        TEST(a_ledger_that_ended_and_is_not_followed_is_incomplete),
        TEST(a_year_that_is_over_ends_its_shard),
        TEST(every_reason_has_its_word),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
