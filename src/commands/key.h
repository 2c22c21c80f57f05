/* commands/key.h - how a key is to be kept, as the command line says it; how one is kept. */
#ifndef CUSTODY_COMMANDS_KEY_H
#define CUSTODY_COMMANDS_KEY_H

#include <jansson.h>

#include "roles/ledger_role/key.h"

/* What was given; NULL where it was not. */
struct key_words {
    const char *with;       /* a file, or a place (keystore/secret.h) */
    const char *credential; /* at the start, the secret is this credential instead */
    bool tpm;
    const char *pcrs;
    const char *uri;
    char *secret, *place; /* made; key_words_free */
};

/* Plain where nothing was given. FAULT_INVALID: two ways at once. Borrows from `words`. */
MUST_USE bool key_words_storage(struct key_words *words, struct key_storage *ret_storage,
                                struct fault *fault);
void key_words_free(struct key_words *words);

/* How keys/ledger.key is kept, for people. */
struct key_standing {
    const char *kind;     /* "plain", ...; "none"; "unreadable" */
    char where[600];      /* what has the secret part */
    const char *protects; /* against whom, and whom not */
    char fix[400];        /* how it would be better; "" */
    char origin[160], vkey[400];
};

/* Nothing is opened: no secret, no token, no TPM is asked. */
void key_standing_of(int home_fd, struct key_standing *ret_standing);
json_t *key_standing_json(const struct key_standing *standing);

#endif
