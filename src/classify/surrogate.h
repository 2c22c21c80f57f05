/*
 * classify/surrogate.h - stand-ins for sensitive values: same length, same shape, never real.
 *
 * Deterministic under a run's key (HMAC-SHA256), so the same value is the same stand-in for
 * the whole run. A stand-in carries its own mark (surrogate_is_ours), so that a text that
 * holds one is not mistaken for one that holds the value, in any process, without a table.
 *
 *   digits   stay digits (a card number starts with 0, which no issuer has, and passes Luhn;
 *            an SSN starts with 000, which is never issued), letters keep their case, the rest
 *            stays
 *   secrets  keep their public prefix ("ghp_", "AKIA", "-----BEGIN ..."); the rest is replaced
 */
#ifndef CUSTODY_CLASSIFY_SURROGATE_H
#define CUSTODY_CLASSIFY_SURROGATE_H

#include "classify/classify.h"

#define SURROGATE_KEY_LEN 32

struct surrogate_key {
    uint8_t bytes[SURROGATE_KEY_LEN];
};

struct surrogate_pair {
    struct slice surrogate, original; /* owned by the map; the same length */
    uint16_t rule;
    enum data_class class;
};

/* The stand-ins of one file, each original once. */
struct surrogate_map {
    struct surrogate_pair *at;
    size_t count, room;
};

/* Overwrites the originals before it frees. */
void surrogate_map_free(struct surrogate_map *map);

/*
 * Writes the stand-in of `original`, original.len bytes. `salt` changes it where a first one
 * collides (0 first). FAULT_IO: the crypto library failed.
 */
MUST_USE bool surrogate_make(const struct surrogate_key *key, uint16_t rule,
                             struct slice original, unsigned salt, uint8_t *ret_bytes,
                             struct fault *fault);

/*
 * Copies `content` with the findings replaced whose class `verdicts` (by enum data_class) does
 * not allow. The result has the same length. Stand-ins are unique in the file, occur nowhere
 * in the original, and differ from every original; of weak ones there may be too few for that:
 * then some are shared, and differ from their own original only. map  set on success; may be
 * NULL FAULT_LIMIT: no stand-in is free for a value, or they would take too long to find. Time
 * is bounded by the length of the content, and practically linear in it.
 */
MUST_USE bool redact(struct slice content, const struct finding *findings, size_t count,
                     const enum verdict verdicts[CLASS_COUNT], const struct surrogate_key *key,
                     struct buf *ret_redacted, struct surrogate_map *map, struct fault *fault);

/*
 * Has the value so few letters and digits (below 8) that its stand-in may be there by chance?
 * Of a stand-in it is the same as of its original.
 */
bool surrogate_is_weak(uint16_t rule, struct slice text);

/* A file as it is and as it was shown: the same length, the same lines. */
struct surrogate_base {
    struct slice original, redacted;
};

/*
 * Every stand-in of the map in `content` becomes its original again, byte for byte. A weak one
 * only in a line (up to LF or CR) that was shown just so and of one original alone; elsewhere
 * it stays, and where it stands as a word of its own it is one of ret_unsure: only a person
 * can say what was meant.
 *   base          NULL: there is no such line
 *   ret_restored  how many
 */
MUST_USE bool surrogate_restore(struct slice content, const struct surrogate_map *map,
                                const struct surrogate_base *base,
                                struct buf *ret_restored_content, size_t *ret_restored,
                                size_t *ret_unsure, struct fault *fault);

/* Is this whole text a stand-in that a run with this key makes (of a value of this rule's
 * kind)? */
bool surrogate_is_ours(const struct surrogate_key *key, uint16_t rule, struct slice text);

#endif
