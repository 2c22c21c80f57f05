/* commands/help.h - texts made from the table: help, man pages, shell completion. */
#ifndef CUSTODY_COMMANDS_HELP_H
#define CUSTODY_COMMANDS_HELP_H

#include <stdio.h>

#include "commands/command.h"

void help_all(FILE *out);
/* The rows of a verb that is nothing without a noun ("key"); false: there is none. */
bool help_noun(const char *verb, FILE *out);
void help_command(const struct command *command, FILE *out);

/* The man page in roff: of a verb, or (NULL) of the program. */
void help_man(const struct command *command, FILE *out);

#endif
