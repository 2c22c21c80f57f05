/* roles/post.h - one HTTP POST to a host that policy or the person named, and its answer. */
#ifndef CUSTODY_ROLES_POST_H
#define CUSTODY_ROLES_POST_H

#include "base/bytes.h"

/*
 * Two seconds to connect, five in all; no redirect, no proxy; https is verified. Blocks.
 *   type        content type, or NULL: none is named
 *   ret_answer  appended, up to its limit
 * The HTTP status; 0: there was no whole answer.
 */
int post(const char *url, const char *type, struct slice body, struct buf *ret_answer);

#endif
