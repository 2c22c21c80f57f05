#include "commands/help.h"

#include "base/scope.h"
#include "commands/table.h"

static const char environment_text[] = "State lives in $CUSTODY_HOME, else /var/lib/custody "
                                       "as root, else $XDG_STATE_HOME/custody.\n"
                                       "Exit: 0 yes, 1 no, 2 incomplete or unknown, 3 wrong "
                                       "use or configuration, 4 this host cannot "
                                       "enforce it.\n";

/* -it is what people know from others; any other name has two. */
static const char *dashes(const struct option_rule *rule)
{
    return strcmp(rule->name, "it") == 0 ? "-" : "--";
}

static void synopsis(const struct command *command, FILE *out)
{
    (void)fprintf(out, "custody %s", command->name);
    for (const struct option_rule *rule = command->options; rule != NULL && rule->name != NULL;
         rule++) {
        bool is_needed = command_needs(command, rule);

        (void)fprintf(out, " %s%s%s%s%s%s", is_needed ? "" : "[", dashes(rule), rule->name,
                      rule->value == NULL ? "" : " ", rule->value == NULL ? "" : rule->value,
                      is_needed ? "" : "]");
    }
    if (command->prints_json)
        (void)fputs(" [--json]", out);
    if (command->arguments[0] != 0)
        (void)fprintf(out, " %s", command->arguments);
    (void)fputc('\n', out);
}

void help_all(FILE *out)
{
    (void)fputs(
        "custody runs AI coding agents on regulated code, and proves what they read, sent "
        "and changed.\n\n",
        out);
    for (size_t i = 0; i < command_count; i++)
        (void)fprintf(out, "  %-18s %s\n", commands[i]->name, commands[i]->summary);
    (void)fprintf(out, "\n`custody VERB --help` says more. %s", environment_text);
}

bool help_noun(const char *verb, FILE *out)
{
    size_t len = strlen(verb), found = 0;

    for (size_t i = 0; i < command_count; i++)
        if (strncmp(commands[i]->name, verb, len) == 0 && commands[i]->name[len] == ' ') {
            if (out != NULL)
                (void)fprintf(out, "  %-18s %s\n", commands[i]->name, commands[i]->summary);
            found++;
        }
    return found > 0;
}

void help_command(const struct command *command, FILE *out)
{
    synopsis(command, out);
    (void)fprintf(out, "\n%s.\n", command->summary);
    if (command->text != NULL)
        (void)fprintf(out, "\n%s\n", command->text);
    if (command->options != NULL || command->prints_json)
        (void)fputc('\n', out);
    for (const struct option_rule *rule = command->options; rule != NULL && rule->name != NULL;
         rule++) {
        AUTO_FREE char *left =
            xformat("%s%s%s%s", dashes(rule), rule->name, rule->value == NULL ? "" : " ",
                    rule->value == NULL ? "" : rule->value);

        (void)fprintf(out, "  %-22s %s\n", left, rule->text);
    }
    if (command->prints_json)
        (void)fprintf(out, "  %-22s %s\n", "--json", "print JSON");
    (void)fprintf(out, "\n%s", environment_text);
}

/* roff: a leading dot or quote would be a request, a hyphen a soft one, a backslash an escape.
 */
static void roff_text(const char *text, FILE *out)
{
    bool line_start = true;

    for (; *text != 0; text++) {
        if (line_start && (*text == '.' || *text == '\''))
            (void)fputs("\\&", out);
        if (*text == '\\')
            (void)fputs("\\e", out);
        else if (*text == '-')
            (void)fputs("\\-", out);
        else
            (void)fputc(*text, out);
        line_start = *text == '\n';
    }
    (void)fputc('\n', out);
}

static void roff_head(const char *name, const char *summary, FILE *out)
{
    AUTO_FREE char *page = xstrdup(name);

    for (char *at = page; *at != 0; at++)
        if (*at == ' ')
            *at = '-';
    (void)fprintf(out, ".TH CUSTODY%s%s 1 \"\" \"custody " CUSTODY_VERSION "\"\n.SH NAME\n",
                  page[0] == 0 ? "" : "-", page);
    (void)fprintf(out, "custody%s%s \\- ", page[0] == 0 ? "" : "\\-", page);
    roff_text(summary, out);
}

static void man_command(const struct command *command, FILE *out)
{
    roff_head(command->name, command->summary, out);
    (void)fputs(".SH SYNOPSIS\n.nf\n", out);
    synopsis(command, out);
    (void)fputs(".fi\n.SH DESCRIPTION\n", out);
    roff_text(command->text == NULL ? command->summary : command->text, out);
    if (command->options != NULL || command->prints_json)
        (void)fputs(".SH OPTIONS\n", out);
    for (const struct option_rule *rule = command->options; rule != NULL && rule->name != NULL;
         rule++) {
        (void)fprintf(out, ".TP\n.B %s%s%s%s\n", dashes(rule)[1] == 0 ? "\\-" : "\\-\\-",
                      rule->name, rule->value == NULL ? "" : " ",
                      rule->value == NULL ? "" : rule->value);
        roff_text(rule->text, out);
    }
    if (command->prints_json)
        (void)fputs(".TP\n.B \\-\\-json\nprint JSON\n", out);
    (void)fputs(".SH ENVIRONMENT AND EXIT STATUS\n", out);
    roff_text(environment_text, out);
    (void)fputs(".SH SEE ALSO\n.BR custody (1)\n", out);
}

static void man_all(FILE *out)
{
    roff_head("", "run AI coding agents on regulated code, and prove what they did", out);
    (void)fputs(".SH VERBS\n", out);
    for (size_t i = 0; i < command_count; i++) {
        (void)fprintf(out, ".TP\n.B %s\n", commands[i]->name);
        roff_text(commands[i]->summary, out);
    }
    (void)fputs(".SH ENVIRONMENT AND EXIT STATUS\n", out);
    roff_text(environment_text, out);
}

/* Writes custody.1 (command NULL) or custody-VERB.1 into `folder`. */
static bool man_write(const char *folder, const struct command *command, struct fault *fault)
{
    AUTO_FREE char *path = xformat("%s/custody%s%s.1", folder, command == NULL ? "" : "-",
                                   command == NULL ? "" : command->name);
    FILE *out;

    for (char *at = path + strlen(folder); *at != 0; at++)
        if (*at == ' ')
            *at = '-';
    out = fopen(path, "we");
    if (out == NULL)
        return fault_errno(fault, "create %s", path);
    if (command == NULL)
        man_all(out);
    else
        man_command(command, out);
    return fclose(out) == 0 ? true : fault_errno(fault, "write %s", path);
}

static bool man_write_all(const char *folder, struct fault *fault)
{
    if (!man_write(folder, NULL, fault))
        return false;
    for (size_t i = 0; i < command_count; i++)
        if (!man_write(folder, commands[i], fault))
            return false;
    return true;
}

/* A help text between single quotes, as zsh and fish read it. */
static void quoted(const char *text, FILE *out)
{
    for (; *text != 0; text++)
        if (*text == '\'')
            (void)fputs("'\\''", out);
        else
            (void)fputc(*text, out);
}

/* The values of an option, a space before each. */
static void word_list(const struct option_words *words, FILE *out)
{
    const char *word;

    for (size_t i = 0; (word = words->word(i)) != NULL; i++)
        (void)fprintf(out, " %s", word);
}

/* Options whose values are a closed set: "VERB ... --type", as both shells' case reads it. */
static void word_cases(const char *before, const char *after, FILE *out)
{
    for (size_t i = command_count; i-- > 0;)
        for (const struct option_words *words = commands[i]->words;
             words != NULL && words->option != NULL; words++) {
            (void)fprintf(out, "  '%s'*' --%s') %s", commands[i]->name, words->option, before);
            word_list(words, out);
            (void)fputs(after, out);
        }
}

static void word_fish(const struct command *command, const char *option, FILE *out)
{
    for (const struct option_words *words = command->words;
         words != NULL && words->option != NULL; words++)
        if (strcmp(words->option, option) == 0) {
            (void)fputs("' -f -a '", out);
            word_list(words, out);
        }
}

/* "key" of "key rotate". */
static int verb_len(const struct command *command)
{
    return (int)strcspn(command->name, " ");
}

static bool is_noun_of(const struct command *command, const struct command *verb)
{
    int len = verb_len(command);

    return command->name[len] == ' ' && len == verb_len(verb) &&
           strncmp(command->name, verb->name, (size_t)len) == 0;
}

/* Is it the first row of its verb? */
static bool is_first(size_t row)
{
    for (size_t i = 0; i < row; i++)
        if (verb_len(commands[i]) == verb_len(commands[row]) &&
            strncmp(commands[i]->name, commands[row]->name, (size_t)verb_len(commands[row])) ==
                0)
            return false;
    return true;
}

/* The nouns of a verb, a space before each. */
static void noun_list(const struct command *verb, FILE *out)
{
    for (size_t i = 0; i < command_count; i++)
        if (is_noun_of(commands[i], verb))
            (void)fprintf(out, " %s", commands[i]->name + verb_len(verb) + 1);
}

static void noun_rows_zsh(const struct command *verb, FILE *out)
{
    for (size_t i = 0; i < command_count; i++)
        if (is_noun_of(commands[i], verb)) {
            (void)fprintf(out, " '%s:", commands[i]->name + verb_len(verb) + 1);
            quoted(commands[i]->summary, out);
            (void)fputc('\'', out);
        }
}

/* Completes verbs, nouns, options and closed sets of values; file names for the rest. */
static void completion_bash(FILE *out)
{
    (void)fputs("_custody() {\n  local line=\"${COMP_WORDS[*]:1:COMP_CWORD-1}\" words\n"
                "  case \"$line\" in\n",
                out);
    word_cases("words='", "' ;;\n", out);
    for (size_t i = command_count; i-- > 0;) {
        (void)fprintf(out, "  '%s'*) words='--help --man%s", commands[i]->name,
                      commands[i]->prints_json ? " --json" : "");
        for (const struct option_rule *rule = commands[i]->options;
             rule != NULL && rule->name != NULL; rule++)
            (void)fprintf(out, " %s%s", dashes(rule), rule->name);
        if (strchr(commands[i]->name, ' ') == NULL)
            noun_list(commands[i], out);
        (void)fputs("' ;;\n", out);
    }
    for (size_t i = 0; i < command_count; i++)
        if (is_first(i) && is_noun_of(commands[i], commands[i])) {
            (void)fprintf(out, "  '%.*s') words='--help", verb_len(commands[i]),
                          commands[i]->name);
            noun_list(commands[i], out);
            (void)fputs("' ;;\n", out);
        }
    (void)fputs("  *) words='--help --man --version", out);
    for (size_t i = 0; i < command_count; i++)
        if (is_first(i))
            (void)fprintf(out, " %.*s", verb_len(commands[i]), commands[i]->name);
    (void)fputs("' ;;\n  esac\n  COMPREPLY=($(compgen -W \"$words\" -- "
                "\"${COMP_WORDS[COMP_CWORD]}\"))\n}\n"
                "complete -o default -F _custody custody\n",
                out);
}

static void completion_zsh(FILE *out)
{
    (void)fputs("#compdef custody\n_custody() {\n  local line=\"${words[2,CURRENT-1]}\"\n  "
                "local -a found\n"
                "  case \"$line\" in\n",
                out);
    word_cases("found=(", ") ;;\n", out);
    for (size_t i = command_count; i-- > 0;) {
        (void)fprintf(out, "  '%s'*) found=('--help:says more' '--man:its man page'%s",
                      commands[i]->name,
                      commands[i]->prints_json ? " '--json:print JSON'" : "");
        for (const struct option_rule *rule = commands[i]->options;
             rule != NULL && rule->name != NULL; rule++) {
            (void)fprintf(out, " '%s%s:", dashes(rule), rule->name);
            quoted(rule->text, out);
            (void)fputc('\'', out);
        }
        if (strchr(commands[i]->name, ' ') == NULL)
            noun_rows_zsh(commands[i], out);
        (void)fputs(") ;;\n", out);
    }
    for (size_t i = 0; i < command_count; i++)
        if (is_first(i) && is_noun_of(commands[i], commands[i])) {
            (void)fprintf(out, "  '%.*s') found=(", verb_len(commands[i]), commands[i]->name);
            noun_rows_zsh(commands[i], out);
            (void)fputs(") ;;\n", out);
        }
    (void)fputs("  *) found=(", out);
    for (size_t i = 0; i < command_count; i++) {
        if (!is_first(i))
            continue;
        (void)fprintf(out, " '%.*s:", verb_len(commands[i]), commands[i]->name);
        if (is_noun_of(commands[i], commands[i]))
            noun_list(commands[i], out);
        else
            quoted(commands[i]->summary, out);
        (void)fputc('\'', out);
    }
    (void)fputs(
        ") ;;\n  esac\n  _describe custody found || _files\n}\ncompdef _custody custody\n",
        out);
}

static void completion_fish(FILE *out)
{
    for (size_t i = 0; i < command_count; i++) {
        const char *space = strchr(commands[i]->name, ' ');
        AUTO_FREE char *verb = slice_dup(slice_of_bytes(
            (const uint8_t *)commands[i]->name,
            space == NULL ? strlen(commands[i]->name) : (size_t)(space - commands[i]->name)));
        const char *noun = space == NULL ? NULL : space + 1;

        if (noun != NULL)
            (void)fprintf(out, "complete -c custody -n '__fish_use_subcommand' -a '%s'\n",
                          verb);
        (void)fprintf(out, "complete -c custody -n '%s%s' -a '%s' -d '",
                      noun == NULL ? "__fish_use_subcommand" : "__fish_seen_subcommand_from ",
                      noun == NULL ? "" : verb, noun == NULL ? verb : noun);
        quoted(commands[i]->summary, out);
        (void)fputs("'\n", out);
        for (const struct option_rule *rule = commands[i]->options;
             rule != NULL && rule->name != NULL; rule++) {
            (void)fprintf(
                out, "complete -c custody -n '__fish_seen_subcommand_from %s' %s %s%s -d '",
                noun == NULL ? verb : noun, dashes(rule)[1] == 0 ? "-o" : "-l", rule->name,
                rule->value == NULL ? "" : " -r");
            quoted(rule->text, out);
            word_fish(commands[i], rule->name, out);
            (void)fputs("'\n", out);
        }
        if (commands[i]->prints_json)
            (void)fprintf(out,
                          "complete -c custody -n '__fish_seen_subcommand_from %s' -l json -d "
                          "'print JSON'\n",
                          noun == NULL ? verb : noun);
    }
}

static const struct shell {
    const char *name;
    void (*complete)(FILE *out);
} shells[] = {
    {"bash", completion_bash},
    {"zsh", completion_zsh},
    {"fish", completion_fish},
};

static const struct option_rule options[] = {
    {"man", "FOLDER", "write the man pages into this folder"},
    {"completion", "SHELL", "print the completion script for bash, zsh or fish"},
    {NULL, NULL, NULL},
};

static bool complete_for(const char *name, struct fault *fault)
{
    for (size_t i = 0; i < COUNT(shells); i++)
        if (strcmp(shells[i].name, name) == 0) {
            shells[i].complete(stdout);
            return true;
        }
    return fault_set(fault, FAULT_INVALID, "no completion for %.60s: bash, zsh or fish", name);
}

void help_man(const struct command *command, FILE *out)
{
    if (command == NULL)
        man_all(out);
    else
        man_command(command, out);
}

/* "help change land", "help change". */
static bool help_words(const struct invocation *invocation, struct fault *fault)
{
    AUTO_FREE char *name =
        invocation->argument_count == 1
            ? xstrdup(invocation->arguments[0])
            : xformat("%s %s", invocation->arguments[0], invocation->arguments[1]);

    for (size_t i = 0; i < command_count; i++)
        if (strcmp(commands[i]->name, name) == 0) {
            help_command(commands[i], stdout);
            return true;
        }
    return help_noun(name, stdout) ||
           fault_set(fault, FAULT_INVALID, "no such verb: %.60s. See custody --help", name);
}

static int run(const struct invocation *invocation)
{
    const char *folder = invocation_option(invocation, "man");
    const char *shell = invocation_option(invocation, "completion");
    struct fault fault = {0};

    if (folder != NULL && !man_write_all(folder, &fault))
        return command_fail(invocation, &fault);
    if (shell != NULL && !complete_for(shell, &fault))
        return command_fail(invocation, &fault);
    if (invocation->argument_count > 0 && !help_words(invocation, &fault))
        return command_fail(invocation, &fault);
    if (folder == NULL && shell == NULL && invocation->argument_count == 0)
        help_all(stdout);
    return EXIT_YES;
}

const struct command command_help = {
    .name = "help",
    .arguments = "[VERB [NOUN]]",
    .arguments_max = 2,
    .summary = "Shows every verb, or one; writes man pages and shell completion",
    .options = options,
    .run = run,
};
