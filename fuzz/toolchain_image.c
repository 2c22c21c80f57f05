/*
 * An image layout's documents, paths of archives, and layers of tar over a folder in which only
 * it may write: nothing outside of that folder changes.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hex.h"
#include "os/file.h"
#include "toolchain/unpack.h"

#include <openssl/sha.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct image_wish here = {"a", "linux", "amd64"};

static void documents(struct slice text)
{
    static struct image_manifest manifest;
    struct buf lines = buf_with_limit(IMAGE_ENVIRONMENT_BYTES_MAX);
    struct image_blob blob = {0};
    struct fault fault = {0};
    bool is_index;

    (void)!image_layout_check(text, &fault);
    if (image_choose(text, &here, &blob, &is_index, &fault) && strlen(blob.digest) != 64)
        abort();
    if (image_manifest_read(text, &manifest, &fault) &&
        (manifest.layer_count == 0 || manifest.layer_count > IMAGE_LAYERS_MAX))
        abort();
    (void)!image_config_read(text, &here, 1, &lines, &fault);
    buf_free(&lines);
}

static void path(struct slice text)
{
    struct buf clean = buf_with_limit(IMAGE_PATH_BYTES_MAX + 1), again = clean;
    struct fault fault = {0};

    if (image_path_clean(text, &clean, &fault)) {
        struct slice rest = buf_slice(&clean), part;

        while (clean.len > 0 && slice_cut(&rest, '/', &part))
            if (part.len == 0 || slice_equal(part, SLICE("..")) ||
                slice_equal(part, SLICE(".")))
                abort();
        if (!image_path_clean(buf_slice(&clean), &again, &fault) ||
            !slice_equal(buf_slice(&clean), buf_slice(&again)))
            abort();
    }
    buf_free(&clean);
    buf_free(&again);
}

/* Made once: DIR/blobs/sha256, DIR/root/in (unpacked into) beside DIR/root/beside. */
static int folder_of(const char *name)
{
    static char folder[64];
    char path_of[128];

    if (folder[0] == 0) {
        (void)snprintf(folder, sizeof(folder), "/tmp/custody-fuzz-XXXXXX");
        if (mkdtemp(folder) == NULL)
            abort();
    }
    (void)snprintf(path_of, sizeof(path_of), "%s/%s", folder, name);
    {
        struct fault fault = {0};

        if (!file_make_folders(path_of, 0755, &fault))
            abort();
    }
    return open(path_of, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void layer(const struct archive_library *library, struct slice tar)
{
    int layout = folder_of("layout"), blobs = folder_of("layout/blobs/sha256"),
        parent = folder_of("root"), root = folder_of("root/in");
    struct unpack unpack = {.library = library, .layout = layout, .root = root};
    struct image_layer one = {.packing = IMAGE_PLAIN};
    struct fault fault = {0};
    uint8_t digest[32];
    struct stat stat;

    (void)SHA256(tar.at, tar.len, digest);
    hex_encode(slice_of_bytes(digest, sizeof(digest)), one.blob.digest);
    one.blob.size = tar.len;
    if (!file_create(blobs, one.blob.digest, tar, 0600, &fault))
        abort();
    (void)!unpack_layer(&unpack, &one, &fault);
    fault = (struct fault){0};
    if (fstatat(parent, "in", &stat, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(stat.st_mode) ||
        unlinkat(blobs, one.blob.digest, 0) < 0 || !file_remove_tree(parent, "in", &fault) ||
        !file_is_empty_folder(parent))
        abort();
    (void)close(layout);
    (void)close(blobs);
    (void)close(parent);
    (void)close(root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct archive_library *library;
    static bool is_missing;
    struct slice text = slice_of_bytes(data, size);
    struct fault fault = {0};

    documents(text);
    path(text);
    if (library == NULL && !is_missing)
        is_missing = !archive_library_load(&library, &fault);
    if (library != NULL && size >= 512)
        layer(library, text);
    return 0;
}
