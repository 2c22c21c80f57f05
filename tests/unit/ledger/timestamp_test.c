#include "fixture.h"

#include "ledger/timestamp.h"

struct vectors {
    struct buf text, request, response, ca;
};

static struct vectors vectors_read(void)
{
    struct vectors vectors = {buf_with_limit(1 << 14), buf_with_limit(1 << 14),
                              buf_with_limit(1 << 14), buf_with_limit(1 << 14)};

    fixture_read("rfc3161/checkpoint-15.text", &vectors.text);
    fixture_read("rfc3161/checkpoint-15.tsq", &vectors.request);
    fixture_read("rfc3161/checkpoint-15.tsr", &vectors.response);
    fixture_read("rfc3161/tsa-ca.pem", &vectors.ca);
    return vectors;
}

static void vectors_free(struct vectors *vectors)
{
    buf_free(&vectors->text);
    buf_free(&vectors->request);
    buf_free(&vectors->response);
    buf_free(&vectors->ca);
}

static bool holds(const struct vectors *vectors, struct slice request)
{
    struct fault fault = {0};
    int64_t time = 0;

    return timestamp_check(buf_slice(&vectors->response), buf_slice(&vectors->text),
                           buf_slice(&vectors->ca), request, &time, &fault) &&
           time > INT64_C(1700000000);
}

static void the_published_token_holds_with_and_without_its_request(void **state)
{
    struct vectors vectors = vectors_read();

    (void)state;
    assert_true(holds(&vectors, buf_slice(&vectors.request)));
    assert_true(holds(&vectors, (struct slice){0}));
    vectors_free(&vectors);
}

static void a_token_is_over_its_text_only(void **state)
{
    struct vectors vectors = vectors_read();

    (void)state;
    for (size_t bit = 0; bit < 8 * vectors.text.len; bit++) {
        vectors.text.at[bit / 8] ^= (uint8_t)(1U << (bit % 8));
        assert_false(holds(&vectors, (struct slice){0}));
        vectors.text.at[bit / 8] ^= (uint8_t)(1U << (bit % 8));
    }
    vectors_free(&vectors);
}

/* Where the TSTInfo lies in the response, and the signature's value, which is last. */
#define INFO_FROM 55
#define INFO_TO 225
#define SIGNATURE_FROM 941

/*
 * Versions, parameters of algorithms and how the issuer's name is spelled are not signed: a
 * flip there may pass. What was stamped, and when, stays what it is.
 */
static void a_flipped_bit_never_changes_what_was_stamped(void **state)
{
    struct vectors vectors = vectors_read();
    struct fault fault = {0};
    int64_t said = 0;
    (void)state;
    assert_ok(timestamp_check(buf_slice(&vectors.response), buf_slice(&vectors.text),
                              buf_slice(&vectors.ca), (struct slice){0}, &said, &fault),
              fault);
    for (size_t bit = 0; bit < 8 * vectors.response.len; bit++) {
        int64_t time = 0;

        vectors.response.at[bit / 8] ^= (uint8_t)(1U << (bit % 8));
        if (timestamp_check(buf_slice(&vectors.response), buf_slice(&vectors.text),
                            buf_slice(&vectors.ca), (struct slice){0}, &time, &fault)) {
            assert_int_equal(time, said);
            assert_true(bit / 8 < INFO_FROM || bit / 8 >= INFO_TO);
            assert_true(bit / 8 < SIGNATURE_FROM);
        }
        vectors.response.at[bit / 8] ^= (uint8_t)(1U << (bit % 8));
    }
    vectors_free(&vectors);
}

static void cut_or_followed_by_more_it_is_refused(void **state)
{
    struct vectors vectors = vectors_read();
    struct fault fault = {0};
    size_t whole = vectors.response.len;

    (void)state;
    for (vectors.response.len = 0; vectors.response.len < whole; vectors.response.len++)
        assert_false(holds(&vectors, (struct slice){0}));
    assert_ok(buf_add_byte(&vectors.response, 0, &fault), fault);
    assert_false(holds(&vectors, (struct slice){0}));
    vectors_free(&vectors);
}

static void another_request_or_nobody_to_trust_is_refused(void **state)
{
    AUTO_BUF struct buf request = buf_with_limit(1 << 12);
    struct vectors vectors = vectors_read();
    struct fault fault = {0};

    (void)state;
    assert_ok(timestamp_request(buf_slice(&vectors.text), &request, &fault), fault);
    assert_false(holds(&vectors, buf_slice(&request))); /* the nonce is another one */
    assert_false(holds(&vectors, SLICE("not a request")));
    buf_clear(&vectors.ca);
    assert_false(holds(&vectors, (struct slice){0}));
    vectors_free(&vectors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_published_token_holds_with_and_without_its_request),
        TEST(a_token_is_over_its_text_only),
        TEST(a_flipped_bit_never_changes_what_was_stamped),
        TEST(cut_or_followed_by_more_it_is_refused),
        TEST(another_request_or_nobody_to_trust_is_refused),
    };

    return cmocka_run_group_tests_name("timestamp", tests, NULL, NULL);
}
