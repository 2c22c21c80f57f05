/* commands/table.h - the rows that the verbs' files define. */
#ifndef CUSTODY_COMMANDS_TABLE_H
#define CUSTODY_COMMANDS_TABLE_H

#include "commands/command.h"

extern const struct command command_doctor;
extern const struct command command_help;
extern const struct command command_log;
extern const struct command command_verify;

#endif
