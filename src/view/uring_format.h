/*
 * view/uring_format.h - FUSE over io_uring (Linux 6.14, protocol 7.42): what linux/fuse.h of
 * older systems lacks. Documentation/filesystems/fuse/fuse-io-uring.rst.
 */
#ifndef CUSTODY_VIEW_URING_FORMAT_H
#define CUSTODY_VIEW_URING_FORMAT_H

#include <assert.h>
#include <stdint.h>

#define URING_INIT_FLAG2 (1U << (41 - 32)) /* FUSE_OVER_IO_URING, in flags2 */
#define URING_HEADER_BYTES 128
#define URING_VECTORS 2              /* headers, payload */
#define URING_MIN_PAYLOAD_BYTES 8192 /* FUSE_MIN_READ_BUFFER */

enum uring_command {
    URING_REGISTER = 1,         /* here is room for a request: complete when one is in it */
    URING_COMMIT_AND_FETCH = 2, /* here is its answer: complete when the next one is in it */
};

/* What is not payload, one to an entry. The kernel reads and writes it. */
struct uring_headers {
    uint8_t
        in_out[URING_HEADER_BYTES]; /* struct fuse_in_header, then struct fuse_out_header */
    uint8_t arguments[URING_HEADER_BYTES]; /* of the operation; how many: the lengths say */
    uint64_t flags;
    uint64_t commit_id;
    uint32_t payload_bytes; /* both ways */
    uint32_t padding;
    uint64_t reserved;
};
static_assert(sizeof(struct uring_headers) == 288, "struct fuse_uring_req_header");

/* In the second half of a large entry of the ring (io_uring_sqe.cmd). */
struct uring_request {
    uint64_t flags;
    uint64_t commit_id;
    uint16_t queue; /* there is one for each possible processor */
    uint8_t padding[6];
};
static_assert(sizeof(struct uring_request) == 24, "struct fuse_uring_cmd_req");

#endif
