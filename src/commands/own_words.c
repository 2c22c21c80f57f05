#include "commands/own_words.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CANCEL "\x18" /* whatever sequence was cut off */
#define PLAIN                                                                                 \
    "\x1b[0m"                                                                                 \
    "\x1b]8;;\x07" /* no colour, no link: all else that hides does not pass */
#define CLEAR_LINE "\x1b[K"

static char *undo;

void own_words_undo(char *text)
{
    undo = text;
}

static bool is_steered(void)
{
    const char *kind = getenv("TERM");

    return isatty(STDERR_FILENO) == 1 && (kind == NULL || strcmp(kind, "dumb") != 0);
}

static void begin(void)
{
    if (!is_steered())
        return;
    (void)fprintf(stderr, CANCEL "%s" PLAIN CLEAR_LINE, undo == NULL ? "" : undo);
    if (undo != NULL)
        undo[0] = '\0';
}

void own_words(const char *format, ...)
{
    va_list args;

    begin();
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
}
