/* commands/runs.h - a run as the verbs print it. */
#ifndef CUSTODY_COMMANDS_RUNS_H
#define CUSTODY_COMMANDS_RUNS_H

#include <jansson.h>

#include "store/store.h"

json_t *run_json(const struct store_run *run);

#endif
