/*
 * toolchain/unpack.h - layers of an image, one over the other, into a folder.
 *
 * What is in them is anybody's: run where nothing but that folder can be written. Files,
 * folders, links and hard links; no owners, no set-id bits, no devices, pipes or attributes.
 */
#ifndef CUSTODY_TOOLCHAIN_UNPACK_H
#define CUSTODY_TOOLCHAIN_UNPACK_H

#include "toolchain/archive_library.h"
#include "toolchain/image.h"

#define UNPACK_BYTES_MAX (UINT64_C(32) << 30)
#define UNPACK_ENTRIES_MAX (UINT64_C(4) << 20)

struct unpack {
    const struct archive_library *library;
    int layout;              /* of the image */
    int root;                /* where it goes */
    uint64_t bytes, entries; /* so far */
};

/*
 * Over what is there: first what the layer removes, then what it brings. Each time its digest
 * is checked; what failed leaves the folder half done, to be thrown away.
 * FAULT_INVALID: damaged, or a path that climbs; FAULT_LIMIT: too many, too large.
 */
MUST_USE bool unpack_layer(struct unpack *unpack, const struct image_layer *layer,
                           struct fault *fault);

#endif
