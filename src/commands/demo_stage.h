/*
 * commands/demo_stage.h - where the demo plays: a folder in /tmp with a state folder, a
 * repository, people with keys and the scripted model; and typing custody's commands there as
 * a person would.
 */
#ifndef CUSTODY_COMMANDS_DEMO_STAGE_H
#define CUSTODY_COMMANDS_DEMO_STAGE_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/fault.h"
#include "os/spawn.h"

struct demo_stage {
    char *folder, *home, *repository, *ticket, *model_log;
    struct process model;
    uint16_t port; /* of the scripted model */
    int out;       /* the story goes here; standard output, or with --json standard error */
};

/* From now on a signal that would end us ends what runs on the stage, and demo_stage_signal
 * says so. */
MUST_USE bool demo_stage_open(int out, struct demo_stage *ret_stage, struct fault *fault);
/*
 * Stops the model, waits until the ledger has ended, and removes the folder unless `keep`.
 * FAULT_IO: something is left.
 */
MUST_USE bool demo_stage_close(struct demo_stage *stage, bool keep, struct fault *fault);
/* The signal that came, or 0. */
int demo_stage_signal(void);

/* A heading, bold on a terminal; then text. Who does not listen does not stop the demo. */
void demo_title(const struct demo_stage *stage, const char *text);
void demo_say(const struct demo_stage *stage, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Shows and runs `custody words...`; `words` ends with NULL. Its output goes into ret_output,
 * or with the story where that is NULL. FAULT_LIMIT: a signal came.
 */
MUST_USE bool demo_type(const struct demo_stage *stage, const char *const *words,
                        struct buf *ret_output, int *ret_status, struct fault *fault);
/* The same; FAULT_IO for any exit code but 0. */
MUST_USE bool demo_must(const struct demo_stage *stage, const char *const *words,
                        struct fault *fault);

/* Makes an Ed25519 key NAME.key for ssh in the folder and returns its public line; the caller
 * frees. */
MUST_USE bool demo_make_person(const struct demo_stage *stage, const char *name,
                               char **ret_public, struct fault *fault);
/* Serves demo_script() on loopback; sets `port`. Each request goes to `model_log`. */
MUST_USE bool demo_start_model(struct demo_stage *stage, struct fault *fault);
/* Puts the caller's own installed engines into the stage's state folder, which exists. */
MUST_USE bool demo_lend_engines(const struct demo_stage *stage, struct fault *fault);

#endif
