/* tests/unit/cell/ground.h - starts cells for tests and gathers what they said. */
#ifndef CUSTODY_TESTS_CELL_GROUND_H
#define CUSTODY_TESTS_CELL_GROUND_H

#include <sys/types.h>

#include "cell/cell.h"

#define GROUND_UID 70001
#define GROUND_OUTPUT_MAX 65536

struct ground {
    char folder[64]; /* of this test, below /tmp */
    char plain[80];  /* what a cell sees at its repository */
    struct cell_plan plan;
    void (*serve)(int fuse, int proc); /* starts something that answers for the view */
};

struct outcome {
    bool sealed, started, exited, failed, gone;
    struct cell_packet last; /* the packet that ended it */
    struct cell_packet seal; /* CELL_SEALED */
    struct fault go;         /* why cell_go refused */
    struct buf output;
};

/* A plan that works as root and as an ordinary user; the test changes what it is about. */
void ground_begin(struct ground *ground);
void ground_end(struct ground *ground);
/* A folder below the ground that the agent may write. */
int ground_folder(const struct ground *ground, const char *name);

/* Runs `argv` to its end; `door` (may be NULL) is called with the door's socket once. */
void ground_run(struct ground *ground, const char *const *argv, void (*door)(int socket),
                struct outcome *ret_outcome);
void outcome_free(struct outcome *outcome);
/* True when some process's command line holds `word`. */
bool ground_process_exists(const char *word);
/* How many control groups there are that `core` made for `run`. */
size_t ground_groups(const char *run, pid_t core);

#endif
