/*
 * roles/scanning/rules.h - the rules that this process and all that it forks classify by: those
 * that are built in, then *.yaml of /etc/custody/rules and of `rules` in the state folder, each in
 * order of name. They are trusted like the policy beside them.
 *
 * What is compiled of them is kept in cache/rules of the state folder, which belongs to who
 * runs custody: as root to root, whoever's repository it is. A file there is used only if it is
 * ours, nobody else can write it, and its sum holds; else it is made anew.
 */
#ifndef CUSTODY_ROLES_SCANNING_RULES_H
#define CUSTODY_ROLES_SCANNING_RULES_H

#include "classify/rules.h"

/* The user's files. */
struct rule_files {
    struct rules_text *at;
    size_t count, room;
};

MUST_USE bool rule_files_find(struct rule_files *ret_files, struct fault *fault);
/* One more, by its path. */
MUST_USE bool rule_files_add(struct rule_files *files, int folder, const char *name,
                             const char *shown, struct fault *fault);
/* One more that stands in no file yet; copied. */
MUST_USE bool rule_files_add_text(struct rule_files *files, struct slice text, const char *shown,
                                  struct fault *fault);
void rule_files_free(struct rule_files *files);

/*
 * Called by who parses no hostile bytes, before anything is sealed. Does nothing the second
 * time. FAULT_INVALID: a rule is wrong, and nothing is classified without it.
 */
MUST_USE bool rules_prepare(struct fault *fault);

#endif
