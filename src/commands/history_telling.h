/* commands/history_telling.h - what people are told while records are looked up. */
#ifndef CUSTODY_COMMANDS_HISTORY_TELLING_H
#define CUSTODY_COMMANDS_HISTORY_TELLING_H

#include <stdint.h>

/* `self` of the two functions, which are those of struct history_options. */
struct history_telling {
    const char *verb;
    int64_t told_us; /* when progress was last told; 0: never */
};

void history_tell(void *self, const char *text);
/* A line that is written over on a terminal; elsewhere one line, where it takes long. */
void history_show_progress(void *self, uint64_t done, uint64_t total);

#endif
