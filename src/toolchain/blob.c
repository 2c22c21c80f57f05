#include "toolchain/blob.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hex.h"
#include "base/scope.h"

bool blob_open(int layout, const struct image_blob *wanted, struct blob *ret_blob,
               struct fault *fault)
{
    AUTO_FREE char *name = xformat("blobs/sha256/%s", wanted->digest);
    AUTO_CLOSE int fd = openat(layout, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat stat;

    *ret_blob = (struct blob){.wanted = wanted, .fd = -1};
    if (fd < 0 || fstat(fd, &stat) < 0)
        return fault_errno(fault, "open %.30s...", name);
    if (!S_ISREG(stat.st_mode) || (uint64_t)stat.st_size != wanted->size)
        return fault_set(fault, FAULT_INVALID, "%.30s... is not of the size that is said",
                         name);
    ret_blob->hash = EVP_MD_CTX_new();
    if (ret_blob->hash == NULL || EVP_DigestInit_ex(ret_blob->hash, EVP_sha256(), NULL) != 1)
        return fault_set(fault, FAULT_IO, "SHA-256 cannot be had");
    ret_blob->piece = xalloc(BLOB_PIECE_BYTES);
    ret_blob->fd = take_fd(&fd);
    return true;
}

ssize_t blob_read(struct blob *blob, const void **ret_piece)
{
    ssize_t got;

    do
        got = read(blob->fd, blob->piece, BLOB_PIECE_BYTES);
    while (got < 0 && errno == EINTR);
    if (got < 0) {
        (void)fault_errno(&blob->fault, "read blob %.12s...", blob->wanted->digest);
        return -1;
    }
    blob->done += (uint64_t)got;
    if (blob->done > blob->wanted->size ||
        EVP_DigestUpdate(blob->hash, blob->piece, (size_t)got) != 1) {
        (void)fault_set(&blob->fault, FAULT_INVALID, "blob %.12s... is longer than it was",
                        blob->wanted->digest);
        return -1;
    }
    *ret_piece = blob->piece;
    return got;
}

bool blob_check(struct blob *blob, struct fault *fault)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    char hex[2 * sizeof(digest) + 1];
    const void *piece;
    unsigned len = 0;
    ssize_t got;

    while ((got = blob_read(blob, &piece)) > 0)
        continue;
    if (got < 0) {
        *fault = blob->fault;
        return false;
    }
    if (EVP_DigestFinal_ex(blob->hash, digest, &len) != 1)
        return fault_set(fault, FAULT_IO, "SHA-256 cannot be had");
    hex_encode(slice_of_bytes(digest, len), hex);
    return (blob->done == blob->wanted->size && strcmp(hex, blob->wanted->digest) == 0) ||
           fault_set(fault, FAULT_INVALID,
                     "blob sha256:%.12s... holds something else (%.12s...): the image is "
                     "damaged, or was tampered with",
                     blob->wanted->digest, hex);
}

void blob_close(struct blob *blob)
{
    scope_close(&blob->fd);
    EVP_MD_CTX_free(blob->hash);
    free(blob->piece);
    *blob = (struct blob){.fd = -1};
}

bool blob_load(int layout, const struct image_blob *wanted, struct buf *ret_text,
               struct fault *fault)
{
    struct blob blob;
    bool ok = wanted->size <= IMAGE_DOCUMENT_BYTES_MAX
                  ? blob_open(layout, wanted, &blob, fault)
                  : (blob = (struct blob){.fd = -1},
                     fault_set(fault, FAULT_INVALID, "a document of more than %lu bytes",
                               IMAGE_DOCUMENT_BYTES_MAX));
    const void *piece;
    ssize_t got;

    while (ok && (got = blob_read(&blob, &piece)) != 0)
        ok = got > 0 ? buf_add(ret_text, slice_of_bytes(piece, (size_t)got), fault)
                     : (*fault = blob.fault, false);
    ok = ok && blob_check(&blob, fault);
    blob_close(&blob);
    return ok;
}
