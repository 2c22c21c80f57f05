/* cell/filter.h - the static filter of system calls that the whole cell lives under. */
#ifndef CUSTODY_CELL_FILTER_H
#define CUSTODY_CELL_FILTER_H

#include "cell/place.h"
#include "os/isolate_calls.h"

/* What is refused with an errno of its own, and why. All else that is unknown is ENOSYS. */
struct filter_row {
    const char *call;
    int error;
    const char *reason;
};
extern const struct filter_row filter_refused[];
extern const size_t filter_refused_count;

/* What a cell without namespaces is refused besides: what they kept from it. */
extern const struct filter_row filter_shared[];
extern const size_t filter_shared_count;

/* Of enum calls_rule. */
extern const unsigned filter_rules[CELL_PLACE_COUNT];

/* Builds; free with calls_end. Takes longer than a start can give: filter_programs. */
MUST_USE bool filter_build(enum cell_place place, struct calls_filter *ret_filter,
                           struct fault *fault);
/* What filter_build built when custody was built. */
extern const struct calls_programs filter_programs[CELL_PLACE_COUNT];
/* Installs it in the calling process and what it starts. no_new_privs must be set. */
MUST_USE bool filter_install(enum cell_place place, struct fault *fault);

#endif
