/*
 * toolchain/image.h - an OCI image layout: which blobs make the root file system of this
 * machine? Documents in, values out; nothing is opened here.
 *
 * Source: OCI image specification 1.1 (image-layout, image-index, manifest, config), and
 * Docker's media types for the same documents.
 */
#ifndef CUSTODY_TOOLCHAIN_IMAGE_H
#define CUSTODY_TOOLCHAIN_IMAGE_H

#include "base/bytes.h"
#include "base/fault.h"

#define IMAGE_DOCUMENT_BYTES_MAX (4UL << 20)
#define IMAGE_LAYERS_MAX 128
#define IMAGE_HEX_BYTES 65
#define IMAGE_BLOB_BYTES_MAX (UINT64_C(64) << 30)
#define IMAGE_ENVIRONMENT_BYTES_MAX (64UL << 10)

struct image_blob {
    char digest[IMAGE_HEX_BYTES]; /* SHA-256, lower-case: its name below blobs/sha256 */
    uint64_t size;
};

enum image_packing { IMAGE_PLAIN, IMAGE_GZIP, IMAGE_ZSTD };

struct image_layer {
    struct image_blob blob;
    enum image_packing packing;
};

struct image_manifest {
    struct image_blob config;
    struct image_layer layers[IMAGE_LAYERS_MAX]; /* the lowest first */
    size_t layer_count;
};

struct image_wish {
    const char *tag; /* org.opencontainers.image.ref.name; NULL: whatever it is called */
    const char *os, *architecture; /* "linux", "amd64" */
};

/* This machine's. architecture: NULL where the specification has no word for it. */
struct image_wish image_wish_here(const char *tag);

/* All faults are FAULT_INVALID, and say what is wrong; FAULT_MISSING: nothing fits. */

/* The file `oci-layout`. */
MUST_USE bool image_layout_check(struct slice text, struct fault *fault);
/*
 * The one entry of an index that fits. Two that fit are a fault: the tag decides.
 *   ret_is_index  it is an index itself, to be asked the same without a tag
 */
MUST_USE bool image_choose(struct slice index, const struct image_wish *wish,
                           struct image_blob *ret_blob, bool *ret_is_index,
                           struct fault *fault);
MUST_USE bool image_manifest_read(struct slice text, struct image_manifest *ret_manifest,
                                  struct fault *fault);
/*
 * The configuration must be of that platform and of as many layers.
 *   ret_environment  appends its variables, a line each (NAME=value); those whose value has
 *                    several lines are left out
 */
MUST_USE bool image_config_read(struct slice text, const struct image_wish *wish,
                                size_t layer_count, struct buf *ret_environment,
                                struct fault *fault);

/*
 * The path of an archive's entry, below the root: no "." and "/" in front, between and behind.
 * FAULT_INVALID: "..", NUL, too long, too deep. "" is the root itself.
 */
#define IMAGE_PATH_BYTES_MAX 4095
#define IMAGE_PATH_DEPTH_MAX 128
MUST_USE bool image_path_clean(struct slice path, struct buf *ret_path, struct fault *fault);

#endif
