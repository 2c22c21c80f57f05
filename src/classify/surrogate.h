/*
 * classify/surrogate.h - stand-ins for sensitive values: same length, same shape, never real.
 *
 * Deterministic under a run's key (HMAC-SHA256), so the same value is the same stand-in for
 * the whole run. A stand-in carries its own mark (surrogate_is_ours), so that a text that
 * holds one is not mistaken for one that holds the value, in any process, without a table.
 *
 *   digits   stay digits, letters keep their kind, what holds a format together stays
 *   numbers  that are issued are ones that are not (docs/redaction.md has the list)
 *   secrets  keep their public prefix ("ghp_", "AKIA", "-----BEGIN ..."); the rest is replaced
 *   written  in the form of the value: an escape stays an escape, base64 stays base64
 */
#ifndef CUSTODY_CLASSIFY_SURROGATE_H
#define CUSTODY_CLASSIFY_SURROGATE_H

#include "classify/classify.h"

#define SURROGATE_KEY_LEN 32

struct surrogate_key {
    uint8_t bytes[SURROGATE_KEY_LEN];
};

/* By what a stand-in is known in a text. */
enum surrogate_trust {
    SURROGATE_NONE,     /* there is nothing to replace: no letter, no digit */
    SURROGATE_BY_PLACE, /* so short that it may be there by chance: by what is around it */
    SURROGATE_BY_WORD,  /* where it stands alone */
    SURROGATE_BY_TOKEN, /* wherever it stands */
};

struct surrogate_pair {
    struct slice surrogate, original; /* owned by the map; the same length */
    uint16_t rule;
    enum surrogate_shape shape;
    enum data_class class;
    enum surrogate_trust trust;
    bool head_tells, tail_tells; /* is half of it enough to know it by? */
};

/* The stand-ins of one file, each original once. */
struct surrogate_map {
    struct surrogate_pair *at;
    size_t count, room;
    struct finding *echoes; /* other places where these values stood, and were replaced */
    size_t echo_count, echo_room;
};

/* Overwrites the originals before it frees. */
void surrogate_map_free(struct surrogate_map *map);

/* Can a value of this length, in this form, be written anew? What cannot must not be shown. */
bool surrogate_fits(unsigned form, size_t len);

/*
 * Writes the stand-in of `original`, original.len bytes. `salt` changes it where a first one
 * collides (0 first; a date stays the same, unless its format cannot hold every date).
 * SURROGATE_NONE: it is as it was.
 *   pair   in: original, surrogate.at to be written to; out: trust and halves
 * surrogate_fits of it. FAULT_IO: the crypto library failed.
 */
MUST_USE bool surrogate_make(const struct surrogate_key *key, enum surrogate_shape shape,
                             enum finding_form form, unsigned salt,
                             struct surrogate_pair *pair, struct fault *fault);

/*
 * Copies `content` with the findings replaced whose class `verdicts` (by enum data_class) does
 * not allow, and with them every other place where one of these values stands as a word, if it
 * is no short one. The result has the same length. Stand-ins are unique in the file, occur
 * nowhere in the original, and differ from every original; of weak ones there may be too few
 * for that: then some are shared, and differ from their own original only. What is unedited
 * comes back from it exactly.
 *   map  set on success; may be NULL
 * FAULT_DENIED: a value that cannot be written anew; FAULT_LIMIT: it would take too long. Time
 * is bounded by the length of the content, and practically linear in it.
 */
MUST_USE bool redact(struct slice content, const struct finding *findings, size_t count,
                     const enum verdict verdicts[CLASS_COUNT], const struct surrogate_key *key,
                     struct buf *ret_redacted, struct surrogate_map *map, struct fault *fault);
/* The same with another table of shapes than the rules'. */
MUST_USE bool redact_shaped(struct slice content, const struct finding *findings, size_t count,
                            const enum verdict verdicts[CLASS_COUNT],
                            enum surrogate_shape (*shape_of)(uint16_t rule),
                            const struct surrogate_key *key, struct buf *ret_redacted,
                            struct surrogate_map *map, struct fault *fault);

/* A file as it is and as it was shown: the same length, the same lines. */
struct surrogate_base {
    struct slice original, redacted;
};

struct surrogate_outcome {
    size_t restored;
    size_t unsure;  /* stand-ins, or parts of one, of which only a person can say what is meant */
    uint64_t line;  /* of the first of these, from 1; 0: none */
    unsigned classes; /* CLASS_BIT of those restored */
};

/*
 * Every stand-in of the map in `content` becomes its original again, byte for byte. A weak one
 * only in a line (up to LF or CR) that was shown just so, or with the same letters and digits
 * around it, and of one original alone; elsewhere it stays, and where it stands as a word of
 * its own it is unsure. So is half of a strong one, in a line that was not shown so.
 *   base  NULL: there is no such line
 */
MUST_USE bool surrogate_restore(struct slice content, const struct surrogate_map *map,
                                const struct surrogate_base *base,
                                struct buf *ret_restored_content,
                                struct surrogate_outcome *ret_outcome, struct fault *fault);

/* Stand-ins of the map in a content that they were not shown in: weak ones prove nothing.
 * `restored` counts them, `line` is the first one's. */
void surrogate_find(struct slice content, const struct surrogate_map *map,
                    struct surrogate_outcome *ret_outcome);

/* Is this whole text, written in this form, a stand-in that a run with this key makes (of a
 * value of this shape)? Of dates with a year of two digits one foreign
 * one in sixteen is, too, and of single letters and digits x, q, 8 and 9. */
bool surrogate_is_ours(const struct surrogate_key *key, enum surrogate_shape shape,
                       enum finding_form form, struct slice text);
/* The same, or one of another shape with a long mark: a stand-in is no valid value, so that
 * another rule than the original's may find it. */
bool surrogate_is_ours_as_any(const struct surrogate_key *key, enum surrogate_shape shape,
                              enum finding_form form, struct slice text);

#endif
