/* os/clock_real.h - the machine's clock. The one place that asks the kernel for time. */
#ifndef CUSTODY_OS_CLOCK_REAL_H
#define CUSTODY_OS_CLOCK_REAL_H

#include "base/clock.h"

extern const struct clock clock_real;

#endif
