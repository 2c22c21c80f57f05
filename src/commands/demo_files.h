/* commands/demo_files.h - data/demo, compiled in by tools/embed-files. */
#ifndef CUSTODY_COMMANDS_DEMO_FILES_H
#define CUSTODY_COMMANDS_DEMO_FILES_H

#include <stddef.h>
#include <stdint.h>

struct demo_file {
    const char *name; /* path below data/demo; "dot-" at the front of a part stands for "." */
    const uint8_t *at;
    size_t len;
};

extern const struct demo_file demo_files[];
extern const size_t demo_files_count;

#endif
