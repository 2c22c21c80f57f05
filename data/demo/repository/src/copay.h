#ifndef COPAY_H
#define COPAY_H

#include <stdint.h>

/* What the patient pays, in cents, rounded to the nearest cent; never more than `limit_cents`. */
int64_t copay_cents(int64_t amount_cents, int percent, int64_t limit_cents);

#endif
