/* Which image, and where its entries go: what is odd is refused. */
#include "test.h"

#include "base/scope.h"
#include "toolchain/image.h"

#define HEX_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HEX_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define INDEX "application/vnd.oci.image.index.v1+json"
#define ENTRY(type, hex, more)                                                                \
    "{\"mediaType\":\"" type "\",\"digest\":\"sha256:" hex "\",\"size\":7" more "}"
#define PLATFORM(name) ",\"platform\":{\"os\":\"linux\",\"architecture\":\"" name "\"}"
#define TAG(name) ",\"annotations\":{\"org.opencontainers.image.ref.name\":\"" name "\"}"
#define LIST(entries) "{\"schemaVersion\":2,\"manifests\":[" entries "]}"
#define GZIP "application/vnd.oci.image.layer.v1.tar+gzip"

static const struct image_wish here = {NULL, "linux", "amd64"};

static void one_entry_fits(void **state)
{
    static const struct {
        const char *index, *tag;
        char hex; /* 0: none, or several */
        bool is_index;
    } cases[] = {
        {LIST(ENTRY(MANIFEST, HEX_A, "")), NULL, 'a', false},
        {LIST(ENTRY(INDEX, HEX_A, "")), NULL, 'a', true},
        {LIST(ENTRY(MANIFEST, HEX_A, PLATFORM("arm64")) "," ENTRY(MANIFEST, HEX_B,
                                                                  PLATFORM("amd64"))),
         NULL, 'b', false},
        {LIST(ENTRY(MANIFEST, HEX_A, TAG("one")) "," ENTRY(MANIFEST, HEX_B, TAG("two"))),
         "two", 'b', false},
        {LIST(ENTRY(MANIFEST, HEX_A, TAG("one")) "," ENTRY(MANIFEST, HEX_B, TAG("two"))), NULL,
         0, false},
        {LIST(ENTRY(MANIFEST, HEX_A, "")), "two", 0, false},
        {LIST(ENTRY(MANIFEST, HEX_A, PLATFORM("arm64"))), NULL, 0, false},
        {LIST(ENTRY("text/plain", HEX_A, "")), NULL, 0, false},
        {LIST(""), NULL, 0, false},
        {"{\"manifests\":[]}", NULL, 0, false},
        {"[]", NULL, 0, false},
        {"{\"schemaVersion\":2,\"manifests\":[7]}", NULL, 0, false},
        {"{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"" MANIFEST
         "\",\"digest\":\"sha256:../../../etc/passwd\",\"size\":7}]}",
         NULL, 0, false},
        {"{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"" MANIFEST
         "\",\"digest\":\"sha256:" HEX_A "\",\"size\":-7}]}",
         NULL, 0, false},
        {"{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"" MANIFEST
         "\",\"digest\":\"sha512:" HEX_A HEX_A "\",\"size\":7}]}",
         NULL, 0, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct image_wish wish = here;
        struct image_blob blob = {0};
        struct fault fault = {0};
        bool is_index = false;

        wish.tag = cases[i].tag;
        if (image_choose(slice_of(cases[i].index), &wish, &blob, &is_index, &fault) !=
                (cases[i].hex != 0) ||
            (cases[i].hex != 0 &&
             (blob.digest[0] != cases[i].hex || is_index != cases[i].is_index)))
            fail_msg("%s: %s", cases[i].index, fault.why);
    }
}

static void layers_are_of_kinds_that_can_be_read(void **state)
{
    struct image_manifest manifest;
    struct fault fault = {0};
    AUTO_BUF struct buf many = buf_with_limit(1 << 20);

    (void)state;
    assert_ok(
        image_manifest_read(SLICE("{\"schemaVersion\":2,\"config\":" ENTRY(
                                "x", HEX_A, "") ",\"layers\":[" ENTRY(GZIP, HEX_B, "") "]}"),
                            &manifest, &fault),
        fault);
    assert_int_equal(manifest.layer_count, 1);
    assert_int_equal(manifest.layers[0].packing, IMAGE_GZIP);
    assert_false(image_manifest_read(
        SLICE("{\"schemaVersion\":2,\"config\":" ENTRY("x", HEX_A, "") ",\"layers\":[" ENTRY(
            "application/vnd.oci.image.layer.nondistributable.v1.tar", HEX_B, "") "]}"),
        &manifest, &fault));
    assert_false(
        image_manifest_read(SLICE("{\"schemaVersion\":2,\"layers\":[]}"), &manifest, &fault));
    assert_false(image_manifest_read(
        SLICE("{\"schemaVersion\":2,\"layers\":[" ENTRY(GZIP, HEX_B, "") "]}"), &manifest,
        &fault));
    assert_ok(buf_add_text(&many, "{\"schemaVersion\":2,\"layers\":[0", &fault), fault);
    for (int i = 0; i < IMAGE_LAYERS_MAX; i++)
        assert_ok(buf_add_text(&many, ",0", &fault), fault);
    assert_ok(buf_add_text(&many, "]}", &fault), fault);
    assert_false(image_manifest_read(buf_slice(&many), &manifest, &fault));
}

static void variables_are_lines(void **state)
{
    AUTO_BUF struct buf lines = buf_with_limit(IMAGE_ENVIRONMENT_BYTES_MAX);
    struct fault fault = {0};

    (void)state;
    assert_ok(
        image_config_read(
            SLICE("{\"os\":\"linux\",\"architecture\":\"amd64\",\"rootfs\":{\"diff_ids\":"
                  "[1]},\"config\":{\"Env\":[\"PATH=/a:/b\",\"A=1\\nLD_PRELOAD=x\",\"=x\","
                  "\"no\",7,\"B-C=2\",\"_D=\"]}}"),
            &here, 1, &lines, &fault),
        fault);
    assert_string_equal(buf_text(&lines), "PATH=/a:/b\n_D=\n");
    assert_false(image_config_read(SLICE("{\"os\":\"linux\",\"architecture\":\"arm64\","
                                         "\"rootfs\":{\"diff_ids\":[1]}}"),
                                   &here, 1, &lines, &fault));
    assert_false(image_config_read(SLICE("{\"os\":\"linux\",\"architecture\":\"amd64\","
                                         "\"rootfs\":{\"diff_ids\":[1,2]}}"),
                                   &here, 1, &lines, &fault));
}

static void paths_stay_below(void **state)
{
    static const struct {
        const char *path, *clean; /* NULL: refused */
    } cases[] = {
        {"usr/bin", "usr/bin"}, {"./usr//bin/", "usr/bin"},
        {"/etc/x", "etc/x"},    {"./", ""},
        {"..", NULL},           {"a/../b", NULL},
        {"a/..", NULL},         {"...", "..."},
        {"a/..b", "a/..b"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO_BUF struct buf path = buf_with_limit(IMAGE_PATH_BYTES_MAX + 1);
        struct fault fault = {0};
        bool ok = image_path_clean(slice_of(cases[i].path), &path, &fault);

        if (ok != (cases[i].clean != NULL) ||
            (ok && strcmp(buf_text(&path), cases[i].clean) != 0))
            fail_msg("%s", cases[i].path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_entry_fits),
        TEST(layers_are_of_kinds_that_can_be_read),
        TEST(variables_are_lines),
        TEST(paths_stay_below),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
