/* commands/doctor_places.h - where a cell can be on this host, and what decides that. */
#ifndef CUSTODY_COMMANDS_DOCTOR_PLACES_H
#define CUSTODY_COMMANDS_DOCTOR_PLACES_H

#include <jansson.h>

#include "cell/probe.h"

/* A row each, the strongest place first. */
json_t *doctor_places_json(const struct probe_host *host);
void doctor_places_print(const struct probe_host *host);
/* The last line of doctor's text. */
void doctor_verdict_print(const struct probe_host *host);

#endif
