/* Signatures of requests: the vectors that Amazon publishes for version 4 (aws4_testsuite). */
#include "gateway/dialect/sign.h"

#include "base/scope.h"
#include "test.h"

#define NOW_US INT64_C(1440938160000000) /* 2015-08-30T12:36:00Z */

static void published_vectors_come_out(void **state)
{
    static const struct {
        const char *method, *target, *extra_name, *extra_value, *body, *signature;
    } cases[] = {
        {"GET", "/", NULL, NULL, "",
         "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
        {"POST", "/", NULL, NULL, "",
         "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
        {"GET", "/?Param2=value2&Param1=value1", NULL, NULL, "",
         "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
        {"POST", "/?Param1=value1", NULL, NULL, "",
         "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"},
        {"POST", "/", "content-type", "application/x-www-form-urlencoded", "Param1=value1",
         "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
    };
    /* the secret is the published example's, in two parts */
    AUTO_FREE char *secret = xformat("%s+%s", "wJalrXUtnFEMI/K7MDENG", "bPxRfiCYEXAMPLEKEY");
    struct sign_keys keys = {.access = SLICE("AKIDEXAMPLE"), .secret = slice_of(secret)};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct sign_header headers[2];
        size_t count = 0;
        AUTO_BUF struct buf lines = buf_with_limit(4096);
        struct fault fault = {0};
        struct sign_request request = {.method = cases[i].method,
                                       .target = slice_of(cases[i].target),
                                       .headers = headers,
                                       .body = slice_of(cases[i].body),
                                       .region = "us-east-1",
                                       .service = "service",
                                       .now_us = NOW_US};

        if (cases[i].extra_name != NULL)
            headers[count++] = (struct sign_header){slice_of(cases[i].extra_name),
                                                    slice_of(cases[i].extra_value)};
        headers[count++] = (struct sign_header){SLICE("host"), SLICE("example.amazonaws.com")};
        request.header_count = count;
        assert_ok(sign_request(&keys, &request, &lines, &fault), fault);
        assert_true(slice_starts_with(buf_slice(&lines),
                                      SLICE("X-Amz-Date: 20150830T123600Z\nAuthorization: ")));
        if (strstr(buf_text(&lines), cases[i].signature) == NULL)
            fail_msg("%s %s: %s", cases[i].method, cases[i].target, buf_text(&lines));
        assert_non_null(strstr(buf_text(&lines),
                               "Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request"));
    }
}

/* post-sts-header-after signs without the token, post-sts-header-before with it; Amazon wants it
 * signed. */
static void a_session_token_is_signed_and_sent(void **state)
{
    AUTO_FREE char *secret = xformat("%s+%s", "wJalrXUtnFEMI/K7MDENG", "bPxRfiCYEXAMPLEKEY");
    struct sign_keys keys = {
        .access = SLICE("AKIDEXAMPLE"), .secret = slice_of(secret), .token = SLICE("TOKEN")};
    const struct sign_header host = {SLICE("host"), SLICE("a.example")};
    struct sign_request request = {.method = "POST",
                                   .target = SLICE("/model/a%3A0/invoke"),
                                   .headers = &host,
                                   .header_count = 1,
                                   .body = SLICE("{}"),
                                   .region = "us-east-1",
                                   .service = "bedrock",
                                   .now_us = NOW_US};
    AUTO_BUF struct buf lines = buf_with_limit(4096);
    struct fault fault = {0};

    (void)state;
    assert_ok(sign_request(&keys, &request, &lines, &fault), fault);
    assert_non_null(strstr(buf_text(&lines), "\nX-Amz-Security-Token: TOKEN\n"));
    assert_non_null(
        strstr(buf_text(&lines), "SignedHeaders=host;x-amz-date;x-amz-security-token,"));
}

static void keys_are_read_from_their_file(void **state)
{
    static const struct {
        const char *text;
        enum fault_kind kind;
        const char *token;
    } cases[] = {
        {"[default]\naws_access_key_id = A\naws_secret_access_key=S\n", FAULT_NONE, ""},
        {"# c\n\naws_access_key_id=A\r\naws_secret_access_key = S\r\naws_session_token=T",
         FAULT_NONE, "T"},
        {"one-bare-word", FAULT_MISSING, ""},
        {"aws_access_key_id=A\n", FAULT_INVALID, ""},
        {"aws_access_key_id=A\naws_access_key_id=B\naws_secret_access_key=S\n", FAULT_INVALID,
         ""},
        {"aws_access_key_id=A\naws_secret_access_key=S T\n", FAULT_INVALID, ""},
        {"aws_access_key_id=A\naws_secret_access_key=S\nregion=x\n", FAULT_INVALID, ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct sign_keys keys = {0};
        struct fault fault = {0};
        bool ok = sign_keys_read(slice_of(cases[i].text), &keys, &fault);

        assert_int_equal(ok, cases[i].kind == FAULT_NONE);
        assert_int_equal(fault.kind, cases[i].kind);
        if (!ok)
            continue;
        assert_true(slice_equal(keys.access, SLICE("A")));
        assert_true(slice_equal(keys.secret, SLICE("S")));
        assert_true(slice_equal(keys.token, slice_of(cases[i].token)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(published_vectors_come_out),
        TEST(a_session_token_is_signed_and_sent),
        TEST(keys_are_read_from_their_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
