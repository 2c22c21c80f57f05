/*
 * custody - the command line: finds the verb's row, reads its options, runs it.
 */
#include <errno.h>
#include <locale.h>
#include <stdio.h>

#include "commands/help.h"
#include "commands/table.h"
#include "os/spawn.h"

/* The row whose name is the most leading words of argv: "change list" before "change". */
static const struct command *find_command(int argc, char **argv, int *ret_words)
{
    for (int words = argc < 2 ? argc : 2; words > 0; words--)
        for (size_t i = 0; i < command_count; i++) {
            struct slice rest = slice_of(commands[i]->name);
            struct slice word;
            int matched = 0;

            while (slice_cut(&rest, ' ', &word))
                matched = matched >= 0 && matched < words &&
                                  slice_equal(word, slice_of(argv[matched]))
                              ? matched + 1
                              : -1;
            if (matched == words) {
                *ret_words = words;
                return commands[i];
            }
        }
    return NULL;
}

static int wrong_use(const struct command *command, const char *what, const char *word)
{
    (void)fprintf(stderr, "custody %s: %s%s. See custody %s --help\n", command->name, what,
                  word, command->name);
    return EXIT_WRONG_USE;
}

/* Reads one option at argv[*at]; moves *at behind it. */
static int read_option(struct invocation *invocation, char **argv, int argc, int *at)
{
    const struct command *command = invocation->command;
    struct slice word = slice_of(argv[*at]);
    struct slice name =
        slice_part(word, slice_starts_with(word, SLICE("--")) ? 2 : 1, word.len);
    size_t equals = slice_find_byte(name, '=', 0);
    const char *value = equals == SIZE_MAX ? NULL : (const char *)name.at + equals + 1;

    if (equals != SIZE_MAX)
        name.len = equals;
    if (command->prints_json && slice_equal(name, SLICE("json"))) {
        invocation->json = true;
        (*at)++;
        return EXIT_YES;
    }
    for (size_t i = 0; command->options != NULL && command->options[i].name != NULL; i++) {
        const struct option_rule *rule = &command->options[i];

        if (!slice_equal(name, slice_of(rule->name)))
            continue;
        if (rule->value == NULL && value != NULL)
            return wrong_use(command, "this option takes no value: ", argv[*at]);
        if (rule->value != NULL && value == NULL) {
            if (*at + 1 >= argc)
                return wrong_use(command, "a value is missing behind ", argv[*at]);
            value = argv[++*at];
        }
        invocation->options[i] = value == NULL ? "" : value;
        (*at)++;
        return EXIT_YES;
    }
    return wrong_use(command, "no such option: ", argv[*at]);
}

static bool has_what_it_needs(const struct invocation *invocation)
{
    const struct command *command = invocation->command;

    for (size_t i = 0; command->options != NULL && command->options[i].name != NULL; i++) {
        const struct option_rule *rule = &command->options[i];

        if (invocation->options[i] != NULL || !command_needs(command, rule))
            continue;
        (void)fprintf(stderr, "custody %s: missing: --%s%s%s: %s. See custody %s --help\n",
                      command->name, rule->name, rule->value == NULL ? "" : " ",
                      rule->value == NULL ? "" : rule->value, rule->text, command->name);
        return false;
    }
    return true;
}

/* An answer that did not get out was not given, whatever it was. */
static int said(const struct command *command, int code)
{
    bool was_wrong = ferror(stdout) != 0;

    if ((fflush(stdout) == 0 && !was_wrong) || code != EXIT_YES)
        return code;
    (void)fprintf(stderr, "custody %s: write the answer to standard output: %s\n",
                  command->name, was_wrong ? "a part of it got lost" : strerror(errno));
    return EXIT_INCOMPLETE;
}

static int run_command(const struct command *command, int argc, char **argv)
{
    static struct invocation invocation;
    bool only_arguments = false;

    invocation.command = command;
    for (int at = 0; at < argc;) {
        if (!only_arguments && strcmp(argv[at], "--") == 0) {
            if (command->takes_program) {
                invocation.program = (const char *const *)&argv[at + 1];
                break;
            }
            only_arguments = true;
            at++;
        } else if (!only_arguments &&
                   (strcmp(argv[at], "--help") == 0 || strcmp(argv[at], "-h") == 0)) {
            help_command(command, stdout);
            return EXIT_YES;
        } else if (!only_arguments && command != &command_help &&
                   strcmp(argv[at], "--man") == 0) {
            help_man(command, stdout);
            return EXIT_YES;
        } else if (!only_arguments && argv[at][0] == '-' && argv[at][1] != 0) {
            int wrong = read_option(&invocation, argv, argc, &at);

            if (wrong != EXIT_YES)
                return wrong;
        } else if (invocation.argument_count < command->arguments_max) {
            invocation.arguments[invocation.argument_count++] = argv[at++];
        } else {
            return wrong_use(command, "one word too many: ", argv[at]);
        }
    }
    if (invocation.argument_count < command->arguments_min)
        return wrong_use(command, "missing: ", command->arguments);
    return has_what_it_needs(&invocation) ? said(command, command->run(&invocation))
                                          : EXIT_WRONG_USE;
}

/* "custody key": it takes a noun. */
static int run_noun(const char *verb, const char *noun)
{
    bool is_asked = noun != NULL && (strcmp(noun, "--help") == 0 || strcmp(noun, "-h") == 0);

    if (!is_asked)
        (void)fprintf(stderr, "custody %s: %s%s. There are:\n", verb,
                      noun == NULL ? "one word more" : "no such thing: ",
                      noun == NULL ? " is needed" : noun);
    (void)help_noun(verb, is_asked ? stdout : stderr);
    return is_asked ? EXIT_YES : EXIT_WRONG_USE;
}

int main(int argc, char **argv)
{
    const struct command *command;
    int words = 0;

    (void)setlocale(LC_CTYPE, "C.UTF-8");
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        help_all(argc < 2 ? stderr : stdout);
        return argc < 2 ? EXIT_WRONG_USE : EXIT_YES;
    }
    if (strcmp(argv[1], "--version") == 0) {
        (void)puts("custody " CUSTODY_VERSION);
        return EXIT_YES;
    }
    if (strcmp(argv[1], "--man") == 0) {
        help_man(NULL, stdout);
        return EXIT_YES;
    }
    if (slice_starts_with(slice_of(argv[1]), SLICE("--completion")))
        return run_command(&command_help, argc - 1, argv + 1);
    command = find_command(argc - 1, argv + 1, &words);
    if (command == NULL && help_noun(argv[1], NULL))
        return run_noun(argv[1], argc > 2 ? argv[2] : NULL);
    if (command == NULL) {
        (void)fprintf(stderr, "custody: no such verb: %s. See custody --help\n", argv[1]);
        return EXIT_WRONG_USE;
    }
    spawn_raise_descriptors();
    return run_command(command, argc - 1 - words, argv + 1 + words);
}
