/*
 * classify/surrogate.h - replaces what was found by values of the same length and shape that are
 * nobody's, and brings the originals back.
 *
 * A surrogate is a keyed function of the original (HMAC-SHA256). Digits stay digits, letters keep
 * their case, separators, public prefixes ("ghp_") and armour lines stay; card numbers begin with
 * 9999 and pass Luhn, social security numbers have area 666 or 000, dates are of before 1900. The
 * characters behind the first few follow from those and the key: so who holds the key can tell a
 * surrogate from a real value, without a table, even when its tail was cut off.
 */
#ifndef CUSTODY_CLASSIFY_SURROGATE_H
#define CUSTODY_CLASSIFY_SURROGATE_H

#include "classify/classify.h"

#ifndef SURROGATE_KEY_BYTES
#define SURROGATE_KEY_BYTES 32
#endif

/*
 * Appends the surrogate of `original`, which `rule` found: as many bytes, never equal to it.
 * Deterministic. FAULT_INVALID: nothing in it can be replaced.
 */
MUST_USE bool surrogate_make(const uint8_t *key, uint16_t rule, struct slice original,
                             struct buf *ret_surrogate, struct fault *fault);

/*
 * Was `text` made with this key? One in (alphabet ^ characters that follow) real values of up to
 * 5 characters can be mistaken (1 in 10 or 26); from 12 on, fewer than 1 in 10,000.
 */
MUST_USE bool surrogate_is_ours(const uint8_t *key, struct slice text);

/*
 * For the door: takes the findings that are surrogates of this key out of what classify_scan gave
 * for `content`, in place, and sets *class_mask anew.
 */
void surrogate_drop_ours(const uint8_t *key, struct slice content, struct finding *findings,
                         size_t *count, unsigned *class_mask);

/* The surrogates of one file with their originals. Holds other people's values. */
struct surrogate_map;

size_t surrogate_map_count(const struct surrogate_map *map); /* distinct originals */
void surrogate_map_free(struct surrogate_map *map);          /* overwrites first; NULL is fine */

/*
 * Appends `content` with findings replaced, same length. Within one file, one original always
 * becomes the same surrogate, and different originals different ones.
 *
 *   findings   of classify_scan on this very content
 *   by_class   replaced is each finding whose class is not VERDICT_ALLOW here
 *   ret_map    may be NULL; the caller frees
 *   fault      FAULT_INVALID: findings that are not sorted or outside; FAULT_LIMIT: ret_redacted is
 *              too small, or no surrogate is left. ret_redacted is as it was.
 */
MUST_USE bool surrogate_redact(const uint8_t *key, struct slice content,
                               const struct finding *findings, size_t count,
                               const enum verdict by_class[CLASS_COUNT], struct buf *ret_redacted,
                               struct surrogate_map **ret_map, struct fault *fault);

/*
 * Appends `content` with every surrogate of `map` turned back into its original. Surrogates of
 * fewer than 8 letters and digits are recognised only together with what stood around them.
 */
MUST_USE bool surrogate_restore(struct slice content, const struct surrogate_map *map,
                                struct buf *ret_content, size_t *ret_restored,
                                struct fault *fault);

#endif
