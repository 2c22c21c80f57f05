/* Every verb there is, in the order of `custody --help`. Each row lives in its verb's file. */
#include "commands/table.h"

const struct command *const commands[] = {
    &command_doctor,
    &command_log,
    &command_verify,
    &command_help,
};

const size_t command_count = COUNT(commands);
