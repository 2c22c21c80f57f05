/* copay.h - what a patient owes of a charge. All amounts are in cents. */
#ifndef BILLING_COPAY_H
#define BILLING_COPAY_H

#include <stdint.h>

struct plan {
    int64_t deductible;        /* the patient pays this much of a year alone */
    int coinsurance_percent;   /* and this share of what is left of a charge */
    int64_t out_of_pocket_max; /* but never more than this in a year */
};

/* What the patient has paid this year. */
struct year {
    int64_t deductible_paid;
    int64_t out_of_pocket_paid;
};

struct share {
    int64_t deductible;
    int64_t coinsurance;
    int64_t total; /* the two, at most what is left to the out-of-pocket limit */
};

/* A charge of zero or less is owed by nobody. Fractions of a cent are the hospital's. */
struct share copay_share(const struct plan *plan, const struct year *year, int64_t charge);

#endif
