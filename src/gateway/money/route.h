/*
 * gateway/money/route.h - which model may have a call: what is in it against the model's
 * residency, contract and expiry. Pure; the door asks first, the gateway before each attempt.
 */
#ifndef CUSTODY_GATEWAY_ROUTE_H
#define CUSTODY_GATEWAY_ROUTE_H

#include "gateway/gateway.h"

/* What a call is, after redaction. */
struct route_call {
    size_t model; /* index of the entry that it asks for */
    unsigned dialects;    /* DIALECT_BIT of those that can serve it */
    enum service service; /* its body is as this one wants it */
    unsigned classes;   /* mask of CLASS_BIT: plain values of these are in it */
    unsigned redacted;  /* stand-ins of these */
    bool signed_blocks; /* holds what only the provider that made it can read: thinking */
};

/*
 * Why this model may not have the call, a word for the record: expired, residency, data-class,
 * dialect; NULL: it may. `now_us` is the wall clock.
 */
const char *route_refuses(const struct gateway_model *model, const struct route_call *call,
                          int64_t now_us);
/* The word as a sentence for people. */
const char *route_says(const char *word);

struct route_table {
    const struct gateway_model *models;
    size_t model_count;
    const size_t *fallback; /* indices of models, in order; policy: routing.fallback */
    size_t fallback_count;
};

/*
 * The model to try after one has failed. Walks the fallback list from *cursor (0 before the
 * first failure) and passes over the call's own model, what route_refuses says no to, other
 * dialects, and where the call holds signed blocks every provider (host and port) but the
 * call's own.
 * False: there is none left.
 */
bool route_next(const struct route_table *route, const struct route_call *call, int64_t now_us,
                size_t *cursor, size_t *ret_model);

/* The entry that `asked` names, by its name or by its provider's; `count`: none of those dialects
 * (DIALECT_BIT). */
size_t route_asked(const struct gateway_model *models, size_t count, unsigned dialects,
                   const char *asked);

/* Is it the name of a member, or of a type, of what one provider has signed or encrypted? */
bool route_is_signed(struct slice word);

#endif
