/* base/banned.h - included before every source by the build; makes unsafe calls errors. */
#ifndef CUSTODY_BASE_BANNED_H
#define CUSTODY_BASE_BANNED_H

#ifndef __cplusplus
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* Fortified headers make these macros where the compiler is clang. */
#undef sprintf
#undef vsprintf
#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf gets atoi atol atoll strtok \
    system popen
#endif

#endif
