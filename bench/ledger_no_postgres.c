/* bench/ledger_no_postgres.c - in the place of ledger_postgres.c where libpq is missing. */
#include "bench/ledger_subject.h"

static bool postgres_open(const struct subject_place *place, void **ret_self,
                          struct fault *fault)
{
    (void)place, (void)ret_self;
    return fault_set(fault, FAULT_HOST, "built without libpq");
}

static bool postgres_round(void *self, struct fault *fault)
{
    (void)self;
    return fault_set(fault, FAULT_HOST, "built without libpq");
}

static bool postgres_close(void *self, struct fault *fault)
{
    return postgres_round(self, fault);
}

const struct subject subject_postgres = {"postgres", postgres_open, postgres_round,
                                         postgres_close, NULL};
