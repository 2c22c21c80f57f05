#include "commands/help.h"

#include "base/scope.h"
#include "commands/table.h"

static const char environment_text[] =
    "State lives in $CUSTODY_HOME, else /var/lib/custody as root, else $XDG_STATE_HOME/custody.\n"
    "Exit: 0 yes, 1 no, 2 incomplete or unknown, 3 wrong use or configuration, 4 this host cannot "
    "enforce it.\n";

static void synopsis(const struct command *command, FILE *out)
{
    (void)fprintf(out, "custody %s", command->name);
    for (const struct option_rule *rule = command->options; rule != NULL && rule->name != NULL; rule++)
        (void)fprintf(out, " [%s%s%s%s]", strlen(rule->name) <= 2 ? "-" : "--", rule->name,
                      rule->value == NULL ? "" : " ", rule->value == NULL ? "" : rule->value);
    if (command->prints_json)
        (void)fputs(" [--json]", out);
    if (command->arguments[0] != 0)
        (void)fprintf(out, " %s", command->arguments);
    (void)fputc('\n', out);
}

void help_all(FILE *out)
{
    (void)fputs("custody runs AI coding agents on regulated code, and proves what they read, sent "
                "and changed.\n\n", out);
    for (size_t i = 0; i < command_count; i++)
        (void)fprintf(out, "  %-18s %s\n", commands[i]->name, commands[i]->summary);
    (void)fprintf(out, "\n`custody VERB --help` says more. %s", environment_text);
}

void help_command(const struct command *command, FILE *out)
{
    synopsis(command, out);
    (void)fprintf(out, "\n%s.\n", command->summary);
    if (command->text != NULL)
        (void)fprintf(out, "\n%s\n", command->text);
    if (command->options != NULL)
        (void)fputc('\n', out);
    for (const struct option_rule *rule = command->options; rule != NULL && rule->name != NULL; rule++) {
        AUTO_FREE char *left =
            xformat("%s%s%s%s", strlen(rule->name) <= 2 ? "-" : "--", rule->name,
                    rule->value == NULL ? "" : " ", rule->value == NULL ? "" : rule->value);

        (void)fprintf(out, "  %-22s %s\n", left, rule->text);
    }
    if (command->prints_json)
        (void)fprintf(out, "  %-22s %s\n", "--json", "print JSON");
    (void)fprintf(out, "\n%s", environment_text);
}

static int run(const struct invocation *invocation)
{
    (void)invocation;
    help_all(stdout);
    return EXIT_YES;
}

const struct command command_help = {
    .name = "help",
    .arguments = "",
    .summary = "Shows every verb",
    .run = run,
};
