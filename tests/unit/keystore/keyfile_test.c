#include "keystore/keyfile.h"
#include "keystore/pkcs11_uri.h"
#include "keystore/secret.h"
#include "keystore/tpm.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/scope.h"
#include "test.h"

#define MODULE "?module-path=/lib/m.so"
#define PIN "&pin-source=file:/pin"

static void a_key_file_is_of_one_kind_whole_and_nothing_else(void **state)
{
    static const struct {
        const char *text;
        bool ok;
        enum keyfile_kind kind;
    } cases[] = {
        {"PRIVATE"
         "+KEY+x+00000000+AQ==\n",
         true, KEYFILE_PLAIN},
        {"custody-key/v1 tpm2\nvkey v\npcrs none\npublic A\nprivate B\n", true, KEYFILE_TPM2},
        {"custody-key/v1 pkcs11\nvkey v\nuri pkcs11:\n", true, KEYFILE_PKCS11},
        {"custody-key/v1 pkcs11\nvkey v\nuri pkcs11:", false, 0},
        {"custody-key/v1 pkcs11\nvkey v\nuri pkcs11:\n\n", false, 0},
        {"custody-key/v1 pkcs11\nuri pkcs11:\nvkey v\n", false, 0},
        {"custody-key/v1 pkcs11\nvkey v\nvkey v\nuri u\n", false, 0},
        {"custody-key/v1 pkcs11\nvkey \nuri u\n", false, 0},
        {"custody-key/v1 pkcs11\r\nvkey v\r\nuri u\r\n", false, 0},
        {"custody-key/v1 pkcs12\nvkey v\nuri u\n", false, 0},
        {"custody-key/v1 plain\n", false, 0},
        {"custody-key/v1 pkcs11", false, 0},
        {"custody-key/v1 ", false, 0},
        {"\xff", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct keyfile file;
        struct fault fault = {0};

        assert_int_equal(keyfile_parse(slice_of(cases[i].text), &file, &fault), cases[i].ok);
        if (!cases[i].ok)
            continue;
        assert_int_equal(file.kind, cases[i].kind);
        if (file.kind != KEYFILE_PLAIN) {
            AUTO_BUF struct buf again = buf_with_limit(KEYFILE_BYTES_MAX);

            assert_ok(keyfile_write(&file, false, &again, &fault), fault);
            assert_true(slice_equal(buf_slice(&again), slice_of(cases[i].text)));
        }
    }
}

static void a_token_uri_names_token_key_module_and_pin(void **state)
{
    static const struct {
        const char *text;
        const char *why; /* NULL: it is good; else what is said */
    } cases[] = {
        {"pkcs11:token=t;object=o" MODULE PIN, NULL},
        {"pkcs11:serial=1;id=%01%ff;type=private" MODULE "&pin-source=credential:pin", NULL},
        {"pkcs11:token=a%20b;object=o" MODULE PIN, NULL},
        {"pkcs11:object=o" MODULE PIN, "token="},
        {"pkcs11:token=t" MODULE PIN, "object="},
        {"pkcs11:token=t;object=o" MODULE, "pin-source="},
        {"pkcs11:token=t;object=o?pin-source=file:/pin", "module-path="},
        {"pkcs11:token=t;object=o?module-path=m.so" PIN, "module-path="},
        {"pkcs11:token=t;object=o" MODULE PIN "&pin-value=1234", "PIN does not belong"},
        {"pkcs11:token=t;object=o" MODULE "&pin-source=|cat", "file:/PATH"},
        {"pkcs11:token=t;token=u;object=o" MODULE PIN, "twice"},
        {"pkcs11:token=t;object=o;type=public" MODULE PIN, "not understood"},
        {"pkcs11:token=t;object=o;slot-id=3" MODULE PIN, "not understood"},
        {"pkcs11:token=t;object=%00" MODULE PIN, "bad value"},
        {"pkcs11:token=t;object=%4" MODULE PIN, "bad value"},
        {"pkcs11:token=t;object=%zz" MODULE PIN, "bad value"},
        {"pkcs11:token=;object=o" MODULE PIN, "empty"},
        {"pkcs11:module-path=/m;token=t;object=o", "not understood"},
        {"http://token", "not a PKCS#11 URI"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct pkcs11_uri uri;
        struct fault fault = {0};

        if (cases[i].why == NULL) {
            assert_ok(pkcs11_uri_parse(slice_of(cases[i].text), &uri, &fault), fault);
            continue;
        }
        assert_false(pkcs11_uri_parse(slice_of(cases[i].text), &uri, &fault));
        if (strstr(fault.why, cases[i].why) == NULL)
            fail_msg("%s: %s", cases[i].text, fault.why);
    }
}

static void what_a_uri_names_is_decoded(void **state)
{
    struct pkcs11_uri uri;
    struct fault fault = {0};

    (void)state;
    assert_ok(
        pkcs11_uri_parse(SLICE("pkcs11:token=my%20token;id=%00%01%fF;serial=7" MODULE PIN),
                         &uri, &fault),
        fault);
    assert_string_equal(uri.token, "my token");
    assert_string_equal(uri.serial, "7");
    assert_int_equal(uri.id_len, 3);
    assert_memory_equal(uri.id, "\0\1\xff", 3);
    assert_string_equal(uri.module_path, "/lib/m.so");
    assert_string_equal(uri.pin_source, "file:/pin");
}

static void registers_are_one_bank_and_ascending(void **state)
{
    static const struct {
        const char *text;
        bool ok;
    } cases[] = {{"none", true},
                 {"sha256:7", true},
                 {"sha256:0,2,23", true},
                 {"sha384:7", true},
                 {"sha256:24", false},
                 {"sha256:7,7", false},
                 {"sha256:7,0", false},
                 {"sha256:", false},
                 {"sha256", false},
                 {"md5:7", false},
                 {"sha256:07", false},
                 {"sha256:7,", false},
                 {"sha256:7+sha1:1", false},
                 {"", false}};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fault fault = {0};

        if (tpm_pcrs_check(slice_of(cases[i].text), &fault) != cases[i].ok)
            fail_msg("%s: %s", cases[i].text, fault.why);
    }
}

static void a_secret_of_which_others_can_read_is_none(void **state)
{
    AUTO_BUF_SECRET struct buf secret = buf_with_limit(SECRET_BYTES_MAX);
    char path[] = "/tmp/custody-secret-XXXXXX";
    AUTO_CLOSE int fd = mkstemp(path);
    AUTO_FREE char *place = xformat("file:%s", path);
    struct fault fault = {0};

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "0123456789ab", 12), 12);
    assert_int_equal(fchmod(fd, 0640), 0);
    assert_false(secret_read(slice_of(place), &secret, &fault));
    assert_int_equal(fault.kind, FAULT_INVALID);
    assert_int_equal(fchmod(fd, 0600), 0);
    assert_ok(secret_read(slice_of(place), &secret, &fault), fault);
    assert_int_equal(secret.len, 12);
    buf_clear(&secret);
    (void)unlink(path);
    assert_false(secret_read(slice_of(place), &secret, &fault));
    assert_int_equal(fault.kind, FAULT_MISSING);
}

static void a_place_is_a_file_a_credential_or_a_descriptor(void **state)
{
    static const struct {
        const char *text;
        bool ok;
    } cases[] = {{"file:/a", true},
                 {"credential:a", true},
                 {"fd:3", true},
                 {"file:a", false},
                 {"file:/", false},
                 {"file:", false},
                 {"credential:", false},
                 {"credential:../a", false},
                 {"credential:.a", false},
                 {"fd:", false},
                 {"fd:-1", false},
                 {"fd:3x", false},
                 {"fd:99999999999", false},
                 {"/a", false},
                 {"", false}};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fault fault = {0};

        assert_int_equal(secret_place_check(slice_of(cases[i].text), &fault), cases[i].ok);
    }
    assert_int_equal(secret_place_fd(SLICE("fd:3")), 3);
    assert_int_equal(secret_place_fd(SLICE("file:/3")), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_key_file_is_of_one_kind_whole_and_nothing_else),
        TEST(a_token_uri_names_token_key_module_and_pin),
        TEST(what_a_uri_names_is_decoded),
        TEST(registers_are_one_bank_and_ascending),
        TEST(a_secret_of_which_others_can_read_is_none),
        TEST(a_place_is_a_file_a_credential_or_a_descriptor),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
