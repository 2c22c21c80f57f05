#include "base/fault.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"

static const struct fault_row {
    const char *outcome;
    int exit_code;
} rows[] = {
    [FAULT_NONE] = {"ok", 0},           [FAULT_INVALID] = {"invalid", 3},
    [FAULT_DENIED] = {"denied", 1},     [FAULT_MISSING] = {"missing", 3},
    [FAULT_CONFLICT] = {"conflict", 1}, [FAULT_LIMIT] = {"limit", 1},
    [FAULT_IO] = {"failed", 2},         [FAULT_HOST] = {"unenforceable", 4},
};

int fault_exit_code(enum fault_kind kind)
{
    return rows[kind].exit_code;
}

const char *fault_outcome(enum fault_kind kind)
{
    return rows[kind].outcome;
}

bool (fault_set)(struct fault *fault, enum fault_kind kind, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fault->kind = kind;
    (void)vsnprintf(fault->why, sizeof(fault->why), format, args);
    va_end(args);
    utf8_tame(fault->why);
    return false;
}

static enum fault_kind kind_of_errno(int error)
{
    switch (error) {
    case ENOENT:
        return FAULT_MISSING;
    case EACCES:
    case EPERM:
        return FAULT_DENIED;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return FAULT_LIMIT;
    default:
        return FAULT_IO;
    }
}

bool (fault_errno)(struct fault *fault, const char *format, ...)
{
    int error = errno;
    va_list args;
    char step[sizeof(fault->why)];

    va_start(args, format);
    (void)vsnprintf(step, sizeof(step), format, args);
    va_end(args);
    fault->kind = kind_of_errno(error);
    (void)snprintf(fault->why, sizeof(fault->why), "%.300s: %s", step, strerror(error));
    utf8_tame(fault->why);
    return false;
}

bool (fault_in)(struct fault *fault, const char *format, ...)
{
    va_list args;
    char step[160];
    char before[sizeof(fault->why)];

    va_start(args, format);
    (void)vsnprintf(step, sizeof(step), format, args);
    va_end(args);
    memcpy(before, fault->why, sizeof(before));
    (void)snprintf(fault->why, sizeof(fault->why), "%s: %.230s", step, before);
    utf8_tame(fault->why);
    return false;
}
