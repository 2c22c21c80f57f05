/*
 * view/content.h - one repository's blobs, raw, and what the classifier said of them.
 *
 *   content  blob bytes, append-only
 *   blobs    records, append-only: blob id -> offset, length;
 *            (blob id, rules) -> classes, findings
 *
 * Writers take a lock from their first addition to content_commit; readers never wait. Bytes
 * are on disk before a record speaks of them, each record has a checksum, and a torn tail is
 * ignored and cut by the next writer, so a crash loses the additions since the last commit and
 * nothing else.
 */
#ifndef CUSTODY_VIEW_CONTENT_H
#define CUSTODY_VIEW_CONTENT_H

#include "view/snapshot.h"

#define CONTENT_RULES_BYTES 32 /* digest of the classifier's rules */

struct content;

/* Opens the store in `folder_fd` (cache/REPO), making its files (0600) where they are missing.
 */
MUST_USE bool content_open(int folder_fd, struct content **ret_content, struct fault *fault);
/* Uncommitted additions are forgotten. NULL is fine. */
void content_close(struct content *content);
/* The content file; borrowed, for snapshot_builder_finish and for the view (which may get it
 * read-only). */
int content_fd(const struct content *content);

/* Is the blob here? Outputs are set only then. */
bool content_find(const struct content *content, const uint8_t *oid, size_t oid_bytes,
                  uint64_t *ret_at, uint64_t *ret_len);
/* Adds a blob; one that is here already is found again. */
MUST_USE bool content_add(struct content *content, const uint8_t *oid, size_t oid_bytes,
                          struct slice bytes, uint64_t *ret_at, struct fault *fault);
/* The same in parts, for blobs too large for memory: begin, more..., end. */
MUST_USE bool content_add_begin(struct content *content, const uint8_t *oid, size_t oid_bytes,
                                uint64_t len, struct fault *fault);
MUST_USE bool content_add_more(struct content *content, struct slice bytes,
                               struct fault *fault);
MUST_USE bool content_add_end(struct content *content, uint64_t *ret_at, struct fault *fault);

/* What the classifier with these rules said of the blob; findings are valid until the next
 * call that adds. */
bool content_verdict_find(const struct content *content, const uint8_t *oid, size_t oid_bytes,
                          const uint8_t rules[CONTENT_RULES_BYTES], unsigned *ret_class_mask,
                          const struct snapshot_finding **ret_findings, size_t *ret_count);
MUST_USE bool content_verdict_add(struct content *content, const uint8_t *oid,
                                  size_t oid_bytes, const uint8_t rules[CONTENT_RULES_BYTES],
                                  unsigned class_mask, const struct snapshot_finding *findings,
                                  size_t count, struct fault *fault);
/* Makes the additions durable and visible to others, and lets other writers in. */
MUST_USE bool content_commit(struct content *content, struct fault *fault);
size_t content_blob_count(const struct content *content);

#endif
