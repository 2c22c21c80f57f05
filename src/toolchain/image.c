#include "toolchain/image.h"

#include <jansson.h>
#include <sys/utsname.h>

#include "base/hex.h"
#include "base/scope.h"

#define DIGEST_HEAD "sha256:"
#define SHOWN_BYTES 100
#define NAME_ANNOTATION "org.opencontainers.image.ref.name"

struct media_type {
    const char *name;
    int value;
};

enum document { DOCUMENT_MANIFEST, DOCUMENT_INDEX };

static const struct media_type documents[] = {
    {"application/vnd.oci.image.manifest.v1+json", DOCUMENT_MANIFEST},
    {"application/vnd.docker.distribution.manifest.v2+json", DOCUMENT_MANIFEST},
    {"application/vnd.oci.image.index.v1+json", DOCUMENT_INDEX},
    {"application/vnd.docker.distribution.manifest.list.v2+json", DOCUMENT_INDEX},
};

/* Not those that are fetched from elsewhere, and not encrypted ones. */
static const struct media_type layers[] = {
    {"application/vnd.oci.image.layer.v1.tar", IMAGE_PLAIN},
    {"application/vnd.oci.image.layer.v1.tar+gzip", IMAGE_GZIP},
    {"application/vnd.oci.image.layer.v1.tar+zstd", IMAGE_ZSTD},
    {"application/vnd.docker.image.rootfs.diff.tar", IMAGE_PLAIN},
    {"application/vnd.docker.image.rootfs.diff.tar.gzip", IMAGE_GZIP},
};

static const struct architecture {
    const char *machine, *name;
} architectures[] = {{"x86_64", "amd64"},
                     {"aarch64", "arm64"},
                     {"riscv64", "riscv64"},
                     {"ppc64le", "ppc64le"},
                     {"s390x", "s390x"}};

struct image_wish image_wish_here(const char *tag)
{
    struct image_wish wish = {.tag = tag, .os = "linux"};
    struct utsname name;

    for (size_t i = 0; uname(&name) == 0 && i < COUNT(architectures); i++)
        if (strcmp(name.machine, architectures[i].machine) == 0)
            wish.architecture = architectures[i].name;
    return wish;
}

/* ---- documents ---- */

static json_t *parse(struct slice text, const char *what, struct fault *fault)
{
    json_error_t error;
    json_t *root;

    if (text.len > IMAGE_DOCUMENT_BYTES_MAX) {
        (void)fault_set(fault, FAULT_INVALID, "%s: more than %lu bytes", what,
                        IMAGE_DOCUMENT_BYTES_MAX);
        return NULL;
    }
    root = json_loadb((const char *)text.at, text.len, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL || !json_is_object(root)) {
        (void)fault_set(fault, FAULT_INVALID, "%s: %.100s", what,
                        root == NULL ? error.text : "no object");
        json_decref(root);
        return NULL;
    }
    return root;
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text == NULL ? "" : text;
}

static int media_type_of(const struct media_type *types, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(types[i].name, name) == 0)
            return types[i].value;
    return -1;
}

static bool is_version_2(const json_t *root)
{
    return json_integer_value(json_object_get(root, "schemaVersion")) == 2;
}

static bool read_blob(const json_t *descriptor, const char *what, struct image_blob *ret_blob,
                      struct fault *fault)
{
    const char *digest = text_of(descriptor, "digest");
    const json_t *size = json_object_get(descriptor, "size");
    size_t head = strlen(DIGEST_HEAD);
    uint8_t unused[32];

    if (strncmp(digest, DIGEST_HEAD, head) != 0 ||
        !hex_decode(slice_of(digest + head), unused, sizeof(unused)))
        return fault_set(fault, FAULT_INVALID, "%s: the digest \"%.80s\" is no sha256:HEX",
                         what, digest);
    if (!json_is_integer(size) || json_integer_value(size) < 0 ||
        (uint64_t)json_integer_value(size) > IMAGE_BLOB_BYTES_MAX)
        return fault_set(fault, FAULT_INVALID, "%s: it has no size, or is too large", what);
    memcpy(ret_blob->digest, digest + head, sizeof(ret_blob->digest));
    ret_blob->size = (uint64_t)json_integer_value(size);
    return true;
}

bool image_layout_check(struct slice text, struct fault *fault)
{
    json_t *root = parse(text, "oci-layout", fault);
    bool ok = root != NULL && strcmp(text_of(root, "imageLayoutVersion"), "1.0.0") == 0;

    if (root != NULL && !ok)
        (void)fault_set(fault, FAULT_INVALID, "oci-layout: not version 1.0.0");
    json_decref(root);
    return ok;
}

/* ---- which one ---- */

static bool fits(const json_t *entry, const struct image_wish *wish)
{
    const json_t *platform = json_object_get(entry, "platform");
    const char *tag = text_of(json_object_get(entry, "annotations"), NAME_ANNOTATION);

    if (media_type_of(documents, COUNT(documents), text_of(entry, "mediaType")) < 0 ||
        (wish->tag != NULL && strcmp(tag, wish->tag) != 0))
        return false;
    /* Without one it is the configuration that says. */
    return platform == NULL ||
           (strcmp(text_of(platform, "os"), wish->os) == 0 &&
            strcmp(text_of(platform, "architecture"), wish->architecture) == 0);
}

static bool choose(const json_t *root, const struct image_wish *wish,
                   struct image_blob *ret_blob, bool *ret_is_index, struct fault *fault)
{
    const json_t *entry, *chosen = NULL;
    const json_t *entries = json_object_get(root, "manifests");
    size_t i;

    if (!is_version_2(root) || !json_is_array(entries))
        return fault_set(fault, FAULT_INVALID, "index: no schemaVersion 2 with manifests");
    json_array_foreach(entries, i, entry)
    {
        if (!fits(entry, wish))
            continue;
        if (chosen != NULL)
            return fault_set(fault, FAULT_INVALID,
                             "index: more than one image for %s/%s%s%.60s; say which by "
                             "`toolchain: tag`",
                             wish->os, wish->architecture,
                             wish->tag == NULL ? "" : " with the tag ",
                             wish->tag == NULL ? "" : wish->tag);
        chosen = entry;
    }
    if (chosen == NULL)
        return fault_set(fault, FAULT_MISSING, "index: no image for %s/%s%s%.60s", wish->os,
                         wish->architecture, wish->tag == NULL ? "" : " with the tag ",
                         wish->tag == NULL ? "" : wish->tag);
    *ret_is_index = media_type_of(documents, COUNT(documents), text_of(chosen, "mediaType")) ==
                    DOCUMENT_INDEX;
    return read_blob(chosen, "index", ret_blob, fault);
}

bool image_choose(struct slice index, const struct image_wish *wish,
                  struct image_blob *ret_blob, bool *ret_is_index, struct fault *fault)
{
    json_t *root;
    bool ok;

    if (wish->architecture == NULL)
        return fault_set(fault, FAULT_MISSING, "images have no word for this processor");
    root = parse(index, "index", fault);
    ok = root != NULL && choose(root, wish, ret_blob, ret_is_index, fault);
    json_decref(root);
    return ok;
}

/* ---- what it is made of ---- */

static bool read_layer(const json_t *descriptor, size_t number, struct image_layer *ret_layer,
                       struct fault *fault)
{
    const char *type = text_of(descriptor, "mediaType");
    int packing = media_type_of(layers, COUNT(layers), type);
    AUTO_FREE char *what = xformat("layer %zu", number);

    if (packing < 0)
        return fault_set(fault, FAULT_INVALID, "%s: cannot read \"%.80s\"", what, type);
    ret_layer->packing = (enum image_packing)packing;
    return read_blob(descriptor, what, &ret_layer->blob, fault);
}

static bool read_manifest(const json_t *root, struct image_manifest *manifest,
                          struct fault *fault)
{
    const json_t *list = json_object_get(root, "layers");

    if (!is_version_2(root) || !json_is_array(list))
        return fault_set(fault, FAULT_INVALID, "manifest: no schemaVersion 2 with layers");
    if (json_array_size(list) == 0 || json_array_size(list) > IMAGE_LAYERS_MAX)
        return fault_set(fault, FAULT_INVALID, "manifest: %zu layers; 1 to %d can be used",
                         json_array_size(list), IMAGE_LAYERS_MAX);
    manifest->layer_count = json_array_size(list);
    for (size_t i = 0; i < manifest->layer_count; i++)
        if (!read_layer(json_array_get(list, i), i, &manifest->layers[i], fault))
            return false;
    return read_blob(json_object_get(root, "config"), "configuration", &manifest->config,
                     fault);
}

bool image_manifest_read(struct slice text, struct image_manifest *ret_manifest,
                         struct fault *fault)
{
    json_t *root = parse(text, "manifest", fault);
    bool ok = root != NULL && read_manifest(root, ret_manifest, fault);

    json_decref(root);
    return ok;
}

/* ---- its configuration ---- */

static bool is_variable(const char *pair)
{
    size_t len =
        strspn(pair, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");

    return len > 0 && pair[len] == '=' && (pair[0] < '0' || pair[0] > '9') &&
           strpbrk(pair, "\r\n") == NULL;
}

static bool read_config(const json_t *root, const struct image_wish *wish, size_t layer_count,
                        struct buf *ret_environment, struct fault *fault)
{
    const json_t *ids = json_object_get(json_object_get(root, "rootfs"), "diff_ids");
    const json_t *pairs = json_object_get(json_object_get(root, "config"), "Env"), *pair;
    size_t i;

    if (strcmp(text_of(root, "os"), wish->os) != 0 || wish->architecture == NULL ||
        strcmp(text_of(root, "architecture"), wish->architecture) != 0)
        return fault_set(fault, FAULT_INVALID, "configuration: made for %.20s/%.20s",
                         text_of(root, "os"), text_of(root, "architecture"));
    if (json_array_size(ids) != layer_count)
        return fault_set(fault, FAULT_INVALID, "configuration: of %zu layers, there are %zu",
                         json_array_size(ids), layer_count);
    json_array_foreach(
        pairs, i,
        pair) if (json_is_string(pair) && is_variable(json_string_value(pair)) &&
                  (!buf_add_text(ret_environment, json_string_value(pair), fault) ||
                   !buf_add_byte(ret_environment, '\n',
                                 fault))) return fault_in(fault, "configuration: variables");
    return true;
}

bool image_config_read(struct slice text, const struct image_wish *wish, size_t layer_count,
                       struct buf *ret_environment, struct fault *fault)
{
    json_t *root = parse(text, "configuration", fault);
    bool ok = root != NULL && read_config(root, wish, layer_count, ret_environment, fault);

    json_decref(root);
    return ok;
}

/* ---- paths ---- */

bool image_path_clean(struct slice path, struct buf *ret_path, struct fault *fault)
{
    struct slice rest = path, part;
    unsigned depth = 0;

    if (slice_find_byte(path, 0, 0) != SIZE_MAX)
        return fault_set(fault, FAULT_INVALID, "a path with a NUL");
    while (slice_cut(&rest, '/', &part)) {
        if (part.len == 0 || slice_equal(part, SLICE(".")))
            continue;
        if (slice_equal(part, SLICE("..")))
            return fault_set(fault, FAULT_INVALID, "the path %.*s climbs out",
                             SLICE_ARGS(slice_part(path, 0, SHOWN_BYTES)));
        if (++depth > IMAGE_PATH_DEPTH_MAX || part.len > 255 ||
            ret_path->len + part.len + 1 > IMAGE_PATH_BYTES_MAX)
            return fault_set(fault, FAULT_INVALID, "a path that is too long or too deep");
        if ((ret_path->len > 0 && !buf_add_byte(ret_path, '/', fault)) ||
            !buf_add(ret_path, part, fault))
            return false;
    }
    return true;
}
