/*
 * base/fault.h - errors that say what was being done.
 *
 * The struct is the caller's; there is nothing to free. A function that fails returns false
 * and has set it; outputs named ret_* are set only on success.
 */
#ifndef CUSTODY_BASE_FAULT_H
#define CUSTODY_BASE_FAULT_H

#include <stdbool.h>

#define MUST_USE __attribute__((warn_unused_result))

enum fault_kind {
    FAULT_NONE,
    FAULT_INVALID,  /* the input or the use is wrong */
    FAULT_DENIED,   /* policy says no */
    FAULT_MISSING,  /* what was named is not there */
    FAULT_CONFLICT, /* somebody else was faster, or the state forbids it */
    FAULT_LIMIT,    /* too large, too many, too late */
    FAULT_IO,       /* disk, kernel or peer failed */
    FAULT_HOST,     /* this host cannot enforce it */
};

struct fault {
    enum fault_kind kind;
    char why[400];
};

/* All three return false, so that a caller can `return fault_set(...)`. */
bool fault_set(struct fault *fault, enum fault_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* FAULT_IO (or MISSING, DENIED, LIMIT by errno) with ": strerror" behind the text. */
bool fault_errno(struct fault *fault, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Prepends the step: "start run: " before what was there. */
bool fault_in(struct fault *fault, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Said to the compiler and to analysers, too. */
#define fault_set(...) ((void)(fault_set)(__VA_ARGS__), false)
#define fault_errno(...) ((void)(fault_errno)(__VA_ARGS__), false)
#define fault_in(...) ((void)(fault_in)(__VA_ARGS__), false)

/* One table maps a kind to what callers show. */
int fault_exit_code(enum fault_kind kind);       /* DESIGN.md section 6 */
const char *fault_outcome(enum fault_kind kind); /* the word in a ledger record */

#endif
