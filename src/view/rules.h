/*
 * view/rules.h - what of policy is about names: may a file of that name be there, be made, be
 * written? For every way in which an agent gets at files.
 */
#ifndef CUSTODY_VIEW_RULES_H
#define CUSTODY_VIEW_RULES_H

#include "view/serve.h"

#define RULE_CANARY "view.canary"
#define RULE_DENIED_FILE "view.denied-file"

struct rules {
    const struct view_calls *calls;
    const struct snapshot *base;
    const struct view_planted *planted;
    size_t planted_count;
    bool armed; /* the planted entries are there */
};

/* Each gives NULL, or the rule that says no ("" where it has no name). Paths are below the
 * root. */

/* May the name be there at all? */
const char *rules_denied_by(const struct rules *rules, const char *path);
/*
 * A rule for all of a folder is about what is below it and not about its own name: asked with
 * a name that no other rule is about.
 */
const char *rules_denied_below_by(const struct rules *rules, const char *path);
/* May a file or link of that name be made, changed or removed? */
const char *rules_write_refused_by(const struct rules *rules, const char *path);
/* May it come to be there? */
const char *rules_new_name_refused_by(const struct rules *rules, const char *path,
                                      bool is_folder);

#endif
