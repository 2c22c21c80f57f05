/* How what was dropped is counted and called. */
#include "wire/terminal.h"

void terminal_dropped_add(struct terminal_dropped *sum, const struct terminal_dropped *more)
{
    for (size_t i = 0; i < TERMINAL_DROP_COUNT; i++)
        sum->count[i] += more->count[i];
}

const char *terminal_drop_name(enum terminal_drop drop)
{
    static const char *const names[TERMINAL_DROP_COUNT] = {
        [TERMINAL_DROP_CLIPBOARD] = "clipboard", [TERMINAL_DROP_COMMAND] = "command",
        [TERMINAL_DROP_DEVICE] = "device",       [TERMINAL_DROP_PROGRAM] = "program",
        [TERMINAL_DROP_WINDOW] = "window",       [TERMINAL_DROP_REPORT] = "report",
        [TERMINAL_DROP_MODE] = "mode",           [TERMINAL_DROP_SEQUENCE] = "sequence",
        [TERMINAL_DROP_CONTROL] = "control",     [TERMINAL_DROP_HIDDEN] = "hidden",
    };

    return names[drop];
}
