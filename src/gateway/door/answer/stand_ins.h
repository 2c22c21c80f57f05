/*
 * gateway/door/answer/stand_ins.h - which stand-ins this run's requests were given, and what
 * they stand for. Secrets are never among them: nothing puts a secret back at the door.
 */
#ifndef CUSTODY_GATEWAY_STAND_INS_H
#define CUSTODY_GATEWAY_STAND_INS_H

#include "gateway/door/redact.h"

#define STAND_IN_BYTES_MIN 5
#define STAND_IN_BYTES_MAX 512
#define STAND_INS_MAX (1U << 14)
#define STAND_INS_BYTES_MAX (8U << 20)

/* How a text is written that a stand-in is looked for in. */
enum stand_in_form {
    STAND_IN_PLAIN,
    STAND_IN_JSON, /* the text of a JSON document */
    STAND_IN_FORMS,
};

struct stand_ins;    /* of a run */
struct stand_in_set; /* what there was at one time; does not change */

struct stand_ins *stand_ins_new(void);
/* Overwrites the originals. Sets that are still held must not be asked any more. */
void stand_ins_free(struct stand_ins *stand_ins);
/* Those of a request. One that stands for two values is put back for neither. */
void stand_ins_take(struct stand_ins *stand_ins, const struct redaction *redaction);
struct stand_in_set *stand_ins_now(struct stand_ins *stand_ins); /* stand_in_set_drop it */
void stand_in_set_drop(struct stand_in_set *set);
bool stand_in_set_empty(const struct stand_in_set *set);

enum stand_in_match {
    STAND_IN_NONE,
    STAND_IN_PART, /* the text may end within one */
    STAND_IN_WHOLE,
};

/* Does one begin here? ret_len bytes of the text stand for *ret_original, written in `form`.
 * `end`: no more text will come, so that there are no parts. */
enum stand_in_match stand_in_find(const struct stand_in_set *set, enum stand_in_form form,
                                  struct slice text, bool end, size_t *ret_len,
                                  struct slice *ret_original);

#endif
