/*
 * ledger/manifest.h - what is in a backup: a line for each file, as sha256sum(1) writes and
 * checks them.
 *
 *   <64 hexadecimal digits>  <path>\n
 *
 * Paths are below the backup's folder, of [A-Za-z0-9._-] between single slashes, no part of
 * them from a dot on: what a manifest says never leads out of that folder.
 */
#ifndef CUSTODY_LEDGER_MANIFEST_H
#define CUSTODY_LEDGER_MANIFEST_H

#include "base/bytes.h"

#define MANIFEST_NAME "manifest"
#define MANIFEST_PATH_BYTES_MAX 255
#define MANIFEST_DIGEST_BYTES 32

struct manifest_line {
    uint8_t digest[MANIFEST_DIGEST_BYTES]; /* SHA-256 of the file */
    char path[MANIFEST_PATH_BYTES_MAX + 1];
};

bool manifest_path_valid(struct slice path);
/* `text` is without its LF. FAULT_INVALID: not such a line. */
MUST_USE bool manifest_line_parse(struct slice text, struct manifest_line *ret_line,
                                  struct fault *fault);
/* Appends the line and its LF. */
MUST_USE bool manifest_line_write(const struct manifest_line *line, struct buf *ret_text,
                                  struct fault *fault);

#endif
