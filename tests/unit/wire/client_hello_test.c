#include "wire/client_hello.h"

#include <openssl/ssl.h>

#include "test.h"

/* What OpenSSL's own client says first. */
static struct buf openssl_hello(const char *name)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *tls = SSL_new(context);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    struct buf bytes = buf_with_limit(CLIENT_HELLO_BYTES_MAX);
    struct fault fault = {0};
    char *data = NULL;
    long len;

    SSL_set_bio(tls, in, out);
    if (name != NULL)
        assert_int_equal(SSL_ctrl(tls, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                                  (void *)(uintptr_t)name),
                         1);
    assert_int_equal(SSL_connect(tls), -1);
    len = BIO_get_mem_data(out, &data);
    assert_ok(buf_add(&bytes, slice_of_bytes(data, (size_t)len), &fault), fault);
    SSL_free(tls);
    SSL_CTX_free(context);
    return bytes;
}

static void the_name_that_a_client_wants_is_read(void **state)
{
    struct buf bytes = openssl_hello("Npm.Example.ORG"), none = openssl_hello(NULL);
    struct client_hello hello;
    struct fault fault = {0};
    bool whole;

    (void)state;
    assert_ok(client_hello_read(buf_slice(&bytes), &hello, &whole, &fault), fault);
    assert_true(whole);
    assert_string_equal(hello.name, "npm.example.org");
    assert_false(hello.is_encrypted);
    assert_ok(client_hello_read(buf_slice(&none), &hello, &whole, &fault), fault);
    assert_true(whole);
    assert_string_equal(hello.name, "");
    buf_free(&bytes);
    buf_free(&none);
}

static void bytes_may_be_cut_anywhere(void **state)
{
    struct buf bytes = openssl_hello("a.example");
    struct client_hello hello;
    struct fault fault = {0};
    bool whole;

    (void)state;
    for (size_t i = 0; i < bytes.len; i++) {
        assert_ok(
            client_hello_read(slice_part(buf_slice(&bytes), 0, i), &hello, &whole, &fault),
            fault);
        assert_false(whole);
    }
    buf_free(&bytes);
}

/* Cut into records of `size` bytes. */
static struct buf in_records(struct slice message, size_t size)
{
    struct buf bytes = buf_with_limit(CLIENT_HELLO_BYTES_MAX * 8);
    struct fault fault = {0};

    for (size_t at = 0; at < message.len; at += size) {
        struct slice piece = slice_part(message, at, at + size);
        uint8_t head[] = {22, 3, 1, (uint8_t)(piece.len >> 8), (uint8_t)piece.len};

        assert_ok(buf_add(&bytes, slice_of_bytes(head, sizeof(head)), &fault) &&
                      buf_add(&bytes, piece, &fault),
                  fault);
    }
    return bytes;
}

static void records_may_be_small(void **state)
{
    struct buf bytes = openssl_hello("small.example");
    struct slice message = slice_part(buf_slice(&bytes), 5, bytes.len);

    (void)state;
    for (size_t size = 1; size < 40; size += 6) {
        struct buf cut = in_records(message, size);
        struct client_hello hello;
        struct fault fault = {0};
        bool whole;

        assert_ok(client_hello_read(buf_slice(&cut), &hello, &whole, &fault), fault);
        assert_true(whole);
        assert_string_equal(hello.name, "small.example");
        buf_free(&cut);
    }
    buf_free(&bytes);
}

/* A message with these extensions and nothing else of interest. */
static struct buf made(const uint8_t *extensions, size_t len)
{
    struct buf message = buf_with_limit(CLIENT_HELLO_BYTES_MAX), bytes;
    struct fault fault = {0};
    uint8_t random[32] = {0};
    size_t body = 2 + 32 + 1 + 4 + 2 + 2 + len;
    uint8_t head[] = {1, 0, (uint8_t)(body >> 8), (uint8_t)body, 3, 3};
    uint8_t middle[] = {0, 0, 2, 0x13, 1, 1, 0, (uint8_t)(len >> 8), (uint8_t)len};

    assert_ok(buf_add(&message, slice_of_bytes(head, sizeof(head)), &fault) &&
                  buf_add(&message, slice_of_bytes(random, sizeof(random)), &fault) &&
                  buf_add(&message, slice_of_bytes(middle, sizeof(middle)), &fault) &&
                  buf_add(&message, slice_of_bytes(extensions, len), &fault),
              fault);
    bytes = in_records(buf_slice(&message), 16000);
    buf_free(&message);
    return bytes;
}

#define NAME(a, b, c) 0, 0, 0, 8, 0, 6, 0, 0, 3, a, b, c

static void another_name_cannot_hide(void **state)
{
    static const struct {
        uint8_t extensions[32];
        size_t len;
        bool ok, is_encrypted;
    } cases[] = {
        {{NAME('a', '.', 'b')}, 12, true, false},
        {{NAME('a', '.', 'b'), 0xfe, 0x0d, 0, 0}, 16, true, true},
        {{NAME('a', '.', 'b'), 0xff, 0xce, 0, 0}, 16, true, true},
        {{NAME('a', '.', 'b'), NAME('a', '.', 'c')}, 24, false, false}, /* twice */
        {{NAME('a', 0, 'b')}, 12, false, false},
        {{NAME('a', 'b', '.')}, 12, false, false},
        {{NAME('a', '_', 'b')}, 12, false, false},
        {{NAME('1', '.', '2')}, 12, false, false},
        {{0, 0, 0, 9, 0, 7, 0, 0, 3, 'a', '.', 'b', 0}, 13, false, false}, /* two names */
        {{0, 0, 0, 8, 0, 6, 1, 0, 3, 'a', '.', 'b'}, 12, false, false}, /* of another type */
        {{0, 0, 0, 8, 0, 6, 0, 0, 4, 'a', '.', 'b'}, 12, false, false},
        {{0, 0, 0, 0}, 4, false, false},
        {{0, 0, 0, 9, 0, 6, 0, 0, 3, 'a', '.', 'b'}, 12, false, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf bytes = made(cases[i].extensions, cases[i].len);
        struct client_hello hello = {0};
        struct fault fault = {0};
        bool whole;

        if (client_hello_read(buf_slice(&bytes), &hello, &whole, &fault) != cases[i].ok)
            fail_msg("case %zu: %s", i, fault.why);
        assert_int_equal(hello.is_encrypted, cases[i].is_encrypted);
        buf_free(&bytes);
    }
}

static void what_is_not_a_client_hello_is_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } cases[] = {
        {"GET / HTTP/1.1\r\n", 16},
        {"SSH-2.0-x\r\n", 11},
        {"\x80\x2e\x01\x03\x01", 5}, /* of SSL 2 */
        {"\x16\x02\x01\x00\x05", 5},
        {"\x16\x03\x01\x00\x00", 5},
        {"\x16\x03\x01\x40\x01", 5},
        {"\x16\x03\x01\x00\x04\x02\x00\x00\x00", 9},
        {"\x16\x03\x01\x00\x04\x01\x00\x40\x00", 9},
        {"\x16\x03\x01\x00\x05\x01\x00\x00\x00\x00", 10},
        {"\x16\x03\x01\x00\x04\x01\x00\x00\x00", 9},
        {"\x17\x03\x03", 3},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct client_hello hello;
        struct fault fault = {0};
        bool whole;

        if (client_hello_read(slice_of_bytes(cases[i].bytes, cases[i].len), &hello, &whole,
                              &fault))
            fail_msg("case %zu was taken", i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_name_that_a_client_wants_is_read),
        TEST(bytes_may_be_cut_anywhere),
        TEST(records_may_be_small),
        TEST(another_name_cannot_hide),
        TEST(what_is_not_a_client_hello_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
