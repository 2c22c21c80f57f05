/* Attacks on the formats that no other test makes: ids that collide, leaves that look like
 * nodes. */
#include "fixture.h"

#include "ledger/checkpoint.h"

/* A key of a number, as a seed. */
static struct note_signer *signer_of(uint32_t number, struct note_key **ret_key)
{
    AUTO_BUF struct buf skey = buf_with_limit(1024);
    AUTO_BUF struct buf vkey = buf_with_limit(1024);
    uint8_t seed[NOTE_SEED_BYTES] = {(uint8_t)number, (uint8_t)(number >> 8),
                                     (uint8_t)(number >> 16)};
    struct note_signer *signer;
    struct fault fault = {0};

    assert_ok(note_key_texts(SLICE(FIXTURE_NAME), seed, &skey, &vkey, &fault), fault);
    assert_ok(note_signer_parse(buf_slice(&skey), &signer, &fault), fault);
    assert_ok(note_key_parse(buf_slice(&vkey), ret_key, &fault), fault);
    return signer;
}

/*
 * Ids have 32 bits: two keys of one name and one id are found in seconds (these were). The id
 * says which line to look at, and nothing about whether it holds.
 */
static void a_key_with_the_same_id_vouches_for_nothing(void **state)
{
    struct note_key *keys[2];
    struct note_signer *signers[] = {signer_of(40291, &keys[0]), signer_of(87663, &keys[1])};
    struct tree_hash root = {{1}};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        AUTO_BUF struct buf note = buf_with_limit(NOTE_BYTES_MAX);
        AUTO_BUF struct buf vkey = buf_with_limit(1024);
        struct checkpoint checkpoint;
        struct fault fault = {0};

        assert_ok(note_signer_vkey(signers[i], &vkey, &fault), fault);
        assert_non_null(strstr(buf_text(&vkey), "+5c0a52ef+")); /* both */
        assert_ok(checkpoint_sign(7, &root, signers[i], &note, &fault), fault);
        assert_ok(checkpoint_open(buf_slice(&note), keys[i], &checkpoint, &fault), fault);
        assert_false(checkpoint_open(buf_slice(&note), keys[1 - i], &checkpoint, &fault));
        assert_int_equal(fault.kind, FAULT_INVALID);
    }
    for (size_t i = 0; i < 2; i++) {
        note_signer_free(signers[i]);
        note_key_free(keys[i]);
    }
}

/* 64 bytes that are the hashes of two leaves: as a leaf they are not the node over those. */
static void a_leaf_of_two_hashes_is_not_their_node(void **state)
{
    struct tree_hash leaves[2] = {tree_leaf(SLICE("a")), tree_leaf(SLICE("b"))};
    struct tree_hash node = tree_root_of(leaves, 2);
    struct tree_hash fake = tree_leaf(slice_of_bytes(leaves[0].at, sizeof(leaves)));
    struct tree_proof path = {.count = 0};
    struct fault fault = {0};

    (void)state;
    assert_int_equal(sizeof(leaves), 64);
    assert_false(tree_hash_equal(&fake, &node));
    /* a tree of two passed off as a tree of one, whose only leaf those bytes are */
    assert_false(tree_check_inclusion(0, 1, &fake, &path, &node, &fault));
    path = (struct tree_proof){.count = 1, .hash = {leaves[1]}};
    assert_ok(tree_check_inclusion(0, 2, &leaves[0], &path, &node, &fault), fault);
    assert_false(tree_check_inclusion(0, 2, &fake, &path, &node, &fault));
    assert_false(tree_check_inclusion(0, 1, &node, &path, &node, &fault));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_key_with_the_same_id_vouches_for_nothing),
        TEST(a_leaf_of_two_hashes_is_not_their_node),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
