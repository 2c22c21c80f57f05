/*
 * roles/core/terminal_keeper.h - a process that puts the person's terminal back when core is killed
 * while an agent has it (-it). It reads nothing but a pipe's end, and ends with core.
 *
 * A shell that has taken the terminal since keeps it as it is: it is put back only while it is still as core
 * made it, or still core's process group's.
 */
#ifndef CUSTODY_ROLES_CORE_TERMINAL_KEEPER_H
#define CUSTODY_ROLES_CORE_TERMINAL_KEEPER_H

#include <termios.h>

#include "base/bytes.h"
#include "base/fault.h"

/*
 * One at a time. The terminal is standard input.
 *   before  its modes; raw: those that core is about to give it
 *   out     the descriptor by which the agent's screen is drawn, if it is a terminal
 */
MUST_USE bool terminal_keeper_start(const struct termios *before, const struct termios *raw,
                                    int out, struct fault *fault);
/* What would switch off all that the agent has switched on by now. No keeper is fine. */
void terminal_keeper_note(struct slice undo);
/* Core has put the terminal back itself. No keeper is fine. */
void terminal_keeper_end(void);

#endif
