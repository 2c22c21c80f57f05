#include "fixture.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include "ledger/sha256.h"

#define LENGTH_MAX 9000

static const enum sha256_way ways[] = {SHA256_EVP, SHA256_SHA_NI, SHA256_AVX512};

static void by_openssl(uint8_t prefix, struct slice message, uint8_t ret_hash[SHA256_BYTES])
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();

    assert_int_equal(EVP_DigestInit_ex(context, EVP_sha256(), NULL), 1);
    assert_int_equal(EVP_DigestUpdate(context, &prefix, 1), 1);
    assert_int_equal(EVP_DigestUpdate(context, message.at, message.len), 1);
    assert_int_equal(EVP_DigestFinal_ex(context, ret_hash, NULL), 1);
    EVP_MD_CTX_free(context);
}

static void expect_right(const struct slice *messages, size_t count)
{
    AUTO_FREE uint8_t *hashes = xalloc((count + 1) * SHA256_BYTES);
    static const uint8_t untouched[SHA256_BYTES];

    for (unsigned prefix = 0; prefix < 2; prefix++) {
        sha256_prefixed((uint8_t)prefix, messages, count, hashes);
        for (size_t i = 0; i < count; i++) {
            uint8_t known[SHA256_BYTES];

            by_openssl((uint8_t)prefix, messages[i], known);
            assert_memory_equal(hashes + i * SHA256_BYTES, known, sizeof(known));
        }
        assert_memory_equal(hashes + count * SHA256_BYTES, untouched, sizeof(untouched));
    }
}

/* Around every edge of blocks and lanes. */
static void every_way_gives_what_openssl_gives(void **state)
{
    enum sha256_way own = sha256_way();
    AUTO_FREE uint8_t *bytes = xalloc(LENGTH_MAX + 64);
    unsigned tried = 0;

    (void)state;
    assert_int_equal(RAND_bytes(bytes, LENGTH_MAX + 64), 1);
    for (size_t way = 0; way < COUNT(ways); way++) {
        struct slice messages[300];

        if (!sha256_use(ways[way])) {
            print_message("# skipped: way %zu, this processor does not have it\n", way);
            continue;
        }
        tried++;
        for (size_t len = 0; len < 300; len++)
            messages[len] = slice_of_bytes(bytes + len % 64, len);
        expect_right(messages, COUNT(messages));
        for (size_t i = 0; i < COUNT(messages);
             i++) /* of mixed lengths, short and long ones */
            messages[i] = slice_of_bytes(bytes + i % 64, i * 7919 % LENGTH_MAX);
        for (size_t count = 0; count < 40; count++)
            expect_right(messages + count, count);
        for (size_t len = 4090; len < 4100; len++) {
            messages[0] = slice_of_bytes(bytes, len);
            expect_right(messages, 20);
        }
    }
    assert_true(tried > 0 && sha256_use(own));
}

static void many_leaves_make_the_tree_that_one_by_one_makes(void **state)
{
    static const size_t sizes[] = {1, 2, 3, 7, 255, 256, 257, 512, 1000, 1, 5};
    struct tree_range one = {0}, many = {0};
    AUTO_FREE struct tree_hash *leaves = xalloc_array(1000, sizeof(*leaves));

    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        assert_int_equal(RAND_bytes(leaves->at, (int)(sizes[i] * sizeof(*leaves))), 1);
        tree_append_many(&many, leaves, sizes[i]);
        for (size_t k = 0; k < sizes[i]; k++)
            tree_append(&one, &leaves[k]);
        assert_int_equal(many.size, one.size);
        assert_int_equal(many.count, one.count);
        assert_memory_equal(many.node, one.node, one.count * sizeof(one.node[0]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_way_gives_what_openssl_gives),
        TEST(many_leaves_make_the_tree_that_one_by_one_makes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
