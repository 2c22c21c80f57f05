/* commands/ledger_standing.h - what will stop the ledger soon, for people: disk, witnesses. */
#ifndef CUSTODY_COMMANDS_LEDGER_STANDING_H
#define CUSTODY_COMMANDS_LEDGER_STANDING_H

#include <jansson.h>

#include "os/disk.h"
#include "roles/ledger_role/quorum.h"

struct ledger_standing {
    struct disk_space space;
    enum disk_level level; /* of the disk below ledger/ */
    struct ledger_quorum_standing witnesses;
    enum ledger_quorum_level quorum;
};

/* Read from files; nobody is asked. What cannot be read, or is not there, is well. */
void ledger_standing_of(int home_fd, struct ledger_standing *ret_standing);
/* A line on standard error for each thing that somebody should look at. */
void ledger_standing_warn(const struct ledger_standing *standing);
/* The witnesses; {"required": 0} where none are asked for. */
json_t *ledger_standing_json(const struct ledger_standing *standing);
void ledger_standing_print(const struct ledger_standing *standing);

#endif
