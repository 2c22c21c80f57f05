#include "view/rules.h"

#include "base/scope.h"
#include "view/snapshot_format.h"

#define RULE_GIT "view.git-folder"

/* No repository inside the repository, no second ".git" in whatever case. */
static bool has_git_part(const char *path)
{
    struct slice rest = slice_of(path), part;

    while (slice_cut(&rest, '/', &part))
        if (!snapshot_name_is_plain(part))
            return true;
    return false;
}

const char *rules_denied_by(const struct rules *rules, const char *path)
{
    const char *rule = NULL;

    for (size_t i = 0; rules->armed && i < rules->planted_count; i++)
        if (rules->planted[i].verdict == VERDICT_DENY &&
            strcmp(rules->planted[i].name, path) == 0)
            return RULE_CANARY;
    if (rules->calls->read_verdict(rules->calls->self, path, &rule) == VERDICT_ALLOW)
        return NULL;
    return rule == NULL ? "" : rule;
}

const char *rules_denied_below_by(const struct rules *rules, const char *path)
{
    AUTO_FREE char *below = xformat("%s/\001", path);

    return rules_denied_by(rules, below);
}

/* By the base's names, whatever the agent has moved or removed. */
static bool is_in_new_folder(const struct rules *rules, const char *path)
{
    const char *name = strrchr(path, '/');
    struct slice folder = slice_of_bytes(path, name == NULL ? 0 : (size_t)(name - path));

    return folder.len > 0 && snapshot_find(rules->base, folder) == SNAPSHOT_NONE;
}

const char *rules_write_refused_by(const struct rules *rules, const char *path)
{
    const char *rule = NULL;

    if (has_git_part(path))
        return RULE_GIT;
    if (rules->calls->write_allowed(rules->calls->self, path, is_in_new_folder(rules, path),
                                    &rule))
        return NULL;
    return rule == NULL ? "" : rule;
}

const char *rules_new_name_refused_by(const struct rules *rules, const char *path,
                                      bool is_folder)
{
    const char *rule = rules_denied_by(rules, path);

    if (rule == NULL)
        rule = has_git_part(path) ? RULE_GIT
               : is_folder        ? NULL
                                  : rules_write_refused_by(rules, path);
    return rule;
}
