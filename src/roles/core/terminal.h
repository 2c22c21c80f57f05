/*
 * roles/core/terminal.h - the agent's terminal (-it) and the person's, which is standard input.
 *
 * The agent never has a descriptor of the person's terminal: it has a pseudo-terminal of its
 * own, whose other end is core's. Keys go in as they are and the agent's terminal makes
 * signals of them, so Ctrl-C and Ctrl-Z are for the agent's own foreground job.
 */
#ifndef CUSTODY_ROLES_CORE_TERMINAL_H
#define CUSTODY_ROLES_CORE_TERMINAL_H

#include <stdbool.h>

#include "base/fault.h"

/* A terminal for the agent. Our end does not block. */
MUST_USE bool core_terminal_open(int *ret_master, int *ret_slave, struct fault *fault);
/*
 * Ours is the agent's from now on, until core_terminal_restore, or until this process is killed.
 *   out  where its screen is drawn
 */
MUST_USE bool core_terminal_give(int out, struct fault *fault);
/* It passes every key on: called again after we were stopped. */
void core_terminal_raw(void);
/*
 * As it was. What was typed, or answered to a question of the agent's, is nobody's input.
 *   asked  the terminal, where it has been asked something: its answers are waited for, a
 *          moment at most; else -1
 */
void core_terminal_restore(int asked);
/* The agent's gets the size of our window. */
void core_terminal_resize(int master);

#endif
