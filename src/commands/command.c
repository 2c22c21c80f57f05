#include "commands/command.h"

#include <assert.h>
#include <stdio.h>

bool command_needs(const struct command *command, const struct option_rule *rule)
{
    struct slice rest = slice_of(command->needs == NULL ? "" : command->needs);
    struct slice word;

    while (slice_cut(&rest, ' ', &word))
        if (slice_equal(word, slice_of(rule->name)))
            return true;
    return false;
}

const char *invocation_option(const struct invocation *invocation, const char *name)
{
    const struct option_rule *rules = invocation->command->options;

    for (size_t i = 0; rules != NULL && rules[i].name != NULL; i++)
        if (strcmp(rules[i].name, name) == 0)
            return invocation->options[i];
    assert(false && "an option that the command's row does not have");
    return NULL;
}

bool invocation_flag(const struct invocation *invocation, const char *name)
{
    return invocation_option(invocation, name) != NULL;
}

void command_print_json(json_t *value)
{
    (void)json_dumpf(value, stdout, JSON_COMPACT);
    (void)putchar('\n');
    json_decref(value);
}

int command_fail(const struct invocation *invocation, const struct fault *fault)
{
    (void)fflush(stdout);
    (void)fprintf(stderr, "custody %s: %s\n", invocation->command->name, fault->why);
    if (invocation->json)
        command_print_json(json_pack("{s:s}", "error", fault->why));
    return fault_exit_code(fault->kind);
}

bool command_word(const char *option, const char *word, struct fault *fault)
{
    size_t len = strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789-_.");

    return (len > 0 && len <= 40 && word[len] == 0) ||
           fault_set(fault, FAULT_INVALID,
                     "--%s %.40s: one word of a-z, 0-9, - and _, at most 40: it goes into the "
                     "record, which can never be erased",
                     option, word);
}
