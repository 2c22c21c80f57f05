/* toolchain/blob.h - a blob of an image layout, read from its beginning and hashed as it goes. */
#ifndef CUSTODY_TOOLCHAIN_BLOB_H
#define CUSTODY_TOOLCHAIN_BLOB_H

#include <openssl/evp.h>

#include "toolchain/image.h"

#define BLOB_PIECE_BYTES (256UL << 10)

struct blob {
    const struct image_blob *wanted;
    int fd;
    EVP_MD_CTX *hash;
    uint64_t done;
    uint8_t *piece;
    struct fault fault; /* of blob_read */
};

/* `layout`: the folder with blobs/sha256. Links are not followed. Close it in any case. */
MUST_USE bool blob_open(int layout, const struct image_blob *wanted, struct blob *ret_blob,
                        struct fault *fault);
/* The next piece, which stays until the next call: its bytes, 0 at the end, -1: blob->fault. */
ssize_t blob_read(struct blob *blob, const void **ret_piece);
/* Reads what is left: is all of it what its digest and size say? */
MUST_USE bool blob_check(struct blob *blob, struct fault *fault);
void blob_close(struct blob *blob);
/* A small one, whole and checked. */
MUST_USE bool blob_load(int layout, const struct image_blob *wanted, struct buf *ret_text,
                        struct fault *fault);

#endif
