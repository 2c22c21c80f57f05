/*
 * cell/opener.h - the memory of a cell's processes, opened by the warden for the guard.
 *
 * Where kernel.yama.ptrace_scope is 1 (Ubuntu) only an ancestor may look into a process of the
 * same user, and the guard is none. What an ancestor has opened anybody may read.
 */
#ifndef CUSTODY_CELL_OPENER_H
#define CUSTODY_CELL_OPENER_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * The warden's side: takes one question from `asked` and answers it. Only what is below
 * `ancestor` is opened. False: the guard is gone, and asks no more.
 */
bool opener_answer(int asked, pid_t ancestor);
/* The guard's side: the memory of a thread, for reading. 0, or the errno. */
int opener_ask(int opener, pid_t thread, int *ret_fd);

#endif
