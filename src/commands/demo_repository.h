/*
 * commands/demo_repository.h - the demo's material: a sample hospital billing repository with a
 * bug, the ticket about it, and the script of the model that mends it. No real persons; the card
 * number and the token are put together when the repository is written.
 */
#ifndef CUSTODY_COMMANDS_DEMO_REPOSITORY_H
#define CUSTODY_COMMANDS_DEMO_REPOSITORY_H

#include "base/bytes.h"
#include "base/fault.h"

/*
 * Writes the repository into `folder` (made where missing, else it must be empty) and commits it on
 * branch main. FAULT_CONFLICT: the folder is not empty.
 */
MUST_USE bool demo_repository_make(const char *folder, struct fault *fault);

struct slice demo_ticket(void); /* Markdown */
struct slice demo_script(void); /* for agent/script.h */

/*
 * The values that must never reach the model; each a string to look for in what it got. The first
 * `ret_count` are filled. They are in the repository's config/test-cards.csv and .env.
 */
struct demo_secret {
    const char *what;
    char value[80];
};
#define DEMO_SECRETS_MAX 8
void demo_secrets(struct demo_secret ret_secrets[DEMO_SECRETS_MAX], size_t *ret_count);

#endif
