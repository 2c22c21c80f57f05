/*
 * roles/scan.h - the process that looks into bytes: content in, findings out.
 *
 *   user       the caller's, or nobody's     network    none
 *   may read   nothing                       may write  nothing
 *   holds      nothing                       talks to   collect, or the command that started
 *                                                       it
 *
 * Contents arrive in packets, several in one, or as a memory file where one is larger: the worker opens
 * nothing and has nothing to leak but what it was just given. What may hold a PDF file goes to
 * workers of their own, which load the library for these before they seal themselves.
 */
#ifndef CUSTODY_ROLES_SCAN_H
#define CUSTODY_ROLES_SCAN_H

#include "base/bytes.h"
#include "base/fault.h"
#include "classify/classify.h"

#define SCAN_BYTES_MAX CLASSIFY_BYTES_MAX /* larger content is not examined */
#define SCAN_WORKER_MS 60000              /* a worker that thinks longer is killed */

/* The classes of what was not examined: it may hold anything, and the strictest verdict holds
 * for it. */
#define SCAN_UNEXAMINED ((CLASS_BIT(CLASS_COUNT) - 1) & ~CLASS_BIT(CLASS_CODE))

struct scan_pool;

/* Forks `workers` (1 to 8) sealed workers. */
MUST_USE bool scan_pool_new(size_t workers, struct scan_pool **ret_pool, struct fault *fault);
void scan_pool_free(struct scan_pool *pool); /* kills and reaps; NULL is fine */

/* What the workers find, told in no special order. `findings` is valid during the call. */
struct scan_sink {
    bool (*found)(void *self, size_t token, const struct finding *findings, size_t count,
                  unsigned class_mask, struct fault *fault);
    void *self;
};

/*
 * Hands one content to a worker, maybe later with others; where all are busy it waits for one
 * (what that one found is told first). `path` helps formats. The bytes are free again on return.
 * A worker that dies or hangs is a FAULT_IO, and a sink that fails ends it, too: all that was under
 * way is lost then, and is not told. Not so with what may hold a PDF file, which other people's
 * libraries look into: where they die, it was not examined. What was not, is longer than
 * SCAN_BYTES_MAX, or has more findings than can be kept, comes with the mask SCAN_UNEXAMINED and
 * without findings.
 */
MUST_USE bool scan_pool_submit(struct scan_pool *pool, size_t token, struct slice content,
                               struct slice path, const struct scan_sink *sink,
                               struct fault *fault);
/* Waits for all that is under way. */
MUST_USE bool scan_pool_drain(struct scan_pool *pool, const struct scan_sink *sink,
                              struct fault *fault);

/* Looks at one content, at once. The caller frees ret_findings. Nothing else may be under way.
 */
MUST_USE bool scan_pool_look(struct scan_pool *pool, struct slice content, struct slice path,
                             struct finding **ret_findings, size_t *ret_count,
                             unsigned *ret_class_mask, struct fault *fault);

struct scan_worker {
    int socket;      /* its end of a packet socket */
    bool opens_pdfs; /* it loads what reads them */
    bool makes_code; /* patterns become machine code before it is sealed */
};

/* The worker itself; `self` is a struct scan_worker. */
int scan_role(void *self);

#endif
