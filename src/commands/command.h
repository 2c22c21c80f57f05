/*
 * commands/command.h - a verb is a row: parser, checks, --help, man page and completion come
 * from it. One file a verb.
 */
#ifndef CUSTODY_COMMANDS_COMMAND_H
#define CUSTODY_COMMANDS_COMMAND_H

#include <jansson.h>

#include "base/bytes.h"
#include "base/fault.h"

#define COMMAND_OPTIONS_MAX 24
#define COMMAND_ARGUMENTS_MAX 4096

enum exit_code {
    EXIT_YES = 0,
    EXIT_NO = 1,
    EXIT_INCOMPLETE = 2,
    EXIT_WRONG_USE = 3,
    EXIT_HOST = 4,
};

struct option_rule {
    const char *name;  /* "repo", without dashes; "it" is said -it */
    const char *value; /* what its value is called ("DIR"), or NULL: a flag */
    const char *text;  /* one line, for --help and the man page */
};

/* The values of an option that are a closed set, for completion. */
struct option_words {
    const char *option;
    const char *(*word)(size_t number); /* NULL behind the last */
};

struct invocation;

struct command {
    const char *name;      /* "run", or with a noun: "change list" */
    const char *arguments; /* as shown in the synopsis: "ID", "[PATH...]" or "" */
    size_t arguments_min, arguments_max;
    bool takes_program; /* words after "--" go to invocation->program */
    bool prints_json;   /* has --json */
    const char *summary;
    const char *text;                  /* paragraphs for --help and the man page */
    const struct option_rule *options; /* ends with a NULL name; may be NULL */
    const char *needs; /* options that must be there: "as reason"; may be NULL */
    const struct option_words *words;                /* ends with a NULL option; may be NULL */
    int (*run)(const struct invocation *invocation); /* an enum exit_code, or 128 + signal */
};

struct invocation {
    const struct command *command;
    const char *options[COMMAND_OPTIONS_MAX]; /* by command->options; "" for a set flag */
    const char *arguments[COMMAND_ARGUMENTS_MAX];
    size_t argument_count;
    const char *const *program; /* NULL-terminated, or NULL */
    bool json;
};

/* Must the option be there? */
bool command_needs(const struct command *command, const struct option_rule *rule);
/* Value of option `name`, or NULL; "" for a flag that was given. Asserts that the row exists.
 */
const char *invocation_option(const struct invocation *invocation, const char *name);
bool invocation_flag(const struct invocation *invocation, const char *name);

/* A word for a record: [a-z0-9_.-], at most 40. */
MUST_USE bool command_word(const char *option, const char *word, struct fault *fault);
/* 90s 15m 4h 7d; `option` is for the fault. */
MUST_USE bool command_span(const char *option, const char *text, int64_t *ret_us,
                           struct fault *fault);
/* 2026-11-24, 2026-11-24T08:30:00Z, or 90s 15m 2h 7d ago, in UTC; `option` is for the fault.
 */
MUST_USE bool command_time(const char *option, const char *text, int64_t *ret_us,
                           struct fault *fault);

/* "custody run: WHY" to standard error; with --json also {"error":...} to standard output. */
int command_fail(const struct invocation *invocation, const struct fault *fault);
/* Prints and frees `value`, one line. */
void command_print_json(json_t *value);

/* The table, in the order of the help text; each command's row is defined in its own file. */
extern const struct command *const commands[];
extern const size_t command_count;

#endif
