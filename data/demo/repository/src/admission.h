#ifndef ADMISSION_H
#define ADMISSION_H

#include <stddef.h>

/* Field `number` of the first segment called `name`, counted as HL7 v2 does; NULL: it is not there. */
const char *admission_field(const char *message, const char *name, unsigned number, char *room, size_t size);

#endif
