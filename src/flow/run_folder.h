/*
 * flow/run_folder.h - runs/RUN: where a run keeps what it needs while it lives.
 *
 * A folder of that name is complete and locked (runs/RUN/lock) for as long as its run lives: it is made and
 * taken apart under the name runs/.RUN. So whoever is killed at any moment leaves either a folder whose lock
 * is free, or one that is nobody's.
 */
#ifndef CUSTODY_FLOW_RUN_FOLDER_H
#define CUSTODY_FLOW_RUN_FOLDER_H

#include "base/fault.h"

/* `runs` is the state folder's runs/. Both descriptors are the caller's; the lock is held while its own is
 * open. */
MUST_USE bool run_folder_make(int runs, const char *run, int *ret_folder, int *ret_lock,
                              struct fault *fault);
/* What is not there is removed. */
MUST_USE bool run_folder_remove(int runs, const char *run, struct fault *fault);
/* Does somebody hold the run's lock? */
bool run_folder_is_alive(int runs, const char *run);
/* The lock of a run that is dead, the caller's; -1: it lives, or it is gone. */
int run_folder_take_dead(int runs, const char *run);
/* Removes `name` where it was being made or taken apart (runs/.RUN) by somebody who was killed; leaves all else. */
MUST_USE bool run_folder_tidy(int runs, const char *name, struct fault *fault);

#endif
