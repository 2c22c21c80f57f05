/*
 * cell/canary.h - attacks that every cell is tried with before its agent starts.
 *
 * A row that gets through refuses the run. They run in a child of pid 1 that was sealed by the
 * same function as the agent.
 */
#ifndef CUSTODY_CELL_CANARY_H
#define CUSTODY_CELL_CANARY_H

#include <sys/socket.h>
#include <sys/un.h>

#include "cell/cell.h"

struct canary_ground {
    const struct cell_plan *plan;
    struct sockaddr_un outside; /* an abstract socket that core listens on, in the host */
    socklen_t outside_len;      /* 0: none */
    bool scope_signals;         /* Landlock keeps signals inside */
    int result;                 /* the one descriptor above 2 that the child has */
    char *const *environment;   /* what the agent will get */
};

/* What there is to try: set by core from the plan and the host, not by what is tried. */
struct canary_given {
    bool card, denied, forbidden; /* planted */
    bool outside;
    bool scope_signals;
};

/* The rows of a place, in the order in which they are tried and told of. */
size_t canary_count(enum cell_place place);
const char *canary_id(size_t row);
/* False only where there is nothing to try: not planned, no such thing in this kernel or
 * machine. */
bool canary_must_be_tried(size_t row, const struct canary_given *given);

/* Tries every row; returns how many results were written (at most CELL_CANARIES_MAX). */
size_t canary_try_all(const struct canary_ground *ground, struct cell_canary *ret_results);

#endif
