/* statement.h - the page that a patient gets. */
#ifndef BILLING_STATEMENT_H
#define BILLING_STATEMENT_H

#include <stddef.h>

#include "copay.h"

/* Writes the lines of a statement into `page`; the length that it needs, as snprintf does. */
int statement_print(char *page, size_t size, int64_t charge, const struct share *share);

#endif
