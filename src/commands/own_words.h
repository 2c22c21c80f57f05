/*
 * commands/own_words.h - what custody says of a run, on standard error, where an agent may have printed
 * before: whatever colour, link or half a sequence that has left, custody's words show.
 */
#ifndef CUSTODY_COMMANDS_OWN_WORDS_H
#define CUSTODY_COMMANDS_OWN_WORDS_H

/* What is in `undo` when words follow goes out before them, once: it is emptied. Borrowed. */
void own_words_undo(char *undo);
/* On a terminal they are plain text, and no older text stands behind them in their line. */
void own_words(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
