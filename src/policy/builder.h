/*
 * policy/builder.h - what building the effective policy shares: both files' settings, and
 * memory that lives as long as the policy. Private to policy/.
 */
#ifndef CUSTODY_POLICY_BUILDER_H
#define CUSTODY_POLICY_BUILDER_H

#include "policy/schema.h"

/* Everything that the policy's pointers point to, freed together. */
struct owned {
    void **at;
    size_t count, room;
};

struct builder {
    const struct policy_settings *organisation,
        *repository; /* repository: NULL where there is none */
    struct policy *policy;
    struct owned owned;
    struct fault *fault;
};

/* Hands memory to the policy; gives it back. */
void *builder_own(struct builder *builder, void *memory);

/* A text of one file, or NULL. Of a list: its item's key. */
const char *builder_text_at(struct builder *builder, const struct policy_settings *settings,
                            const char *path);
const char *builder_text_of(struct builder *builder, const struct policy_settings *settings,
                            const char *list, size_t index, const char *key);
const char **builder_texts_of(struct builder *builder, const struct policy_settings *settings,
                              const char *path, size_t *ret_count);
size_t builder_list_length(const struct policy_settings *settings, const char *path);
/* 0 where there is none. */
int64_t builder_number_in(const struct policy_settings *settings, const char *path);
/* Keys of a map at `prefix`, of both files, with their values. */
struct policy_zone *builder_map(struct builder *builder, const char *prefix,
                                size_t *ret_count);

/* What both files may set, else the default. FAULT_INVALID: the repository's is wider. */
MUST_USE bool builder_number(struct builder *builder, const char *path, int64_t *ret_number);
MUST_USE bool builder_word(struct builder *builder, const char *path, const char *standard,
                           const char **ret_word);

/* Adds the patterns of the list at `path`. FAULT_INVALID: one without a path. */
MUST_USE bool builder_rules(struct builder *builder, const struct policy_settings *settings,
                            const char *path, struct policy_rules *rules);

/* The parts of the policy; routing wants models and zones, agents want routing and
 * paths, owner wants people. */
MUST_USE bool build_people(struct builder *builder);
MUST_USE bool build_models(struct builder *builder);
MUST_USE bool build_servers(struct builder *builder);
/* What entries of `models` and `mcp` have in common. */
MUST_USE bool build_provider(struct builder *builder, const char *list, size_t index,
                             struct policy_model *ret_model);
MUST_USE bool build_routing(struct builder *builder);
MUST_USE bool build_agents(struct builder *builder);
MUST_USE bool build_egress(struct builder *builder);
MUST_USE bool build_approvals(struct builder *builder);
MUST_USE bool build_owner(struct builder *builder);
MUST_USE bool build_retention(struct builder *builder);
MUST_USE bool build_toolchain(struct builder *builder);
void build_model_classes(struct policy *policy);
MUST_USE bool build_digest(struct builder *builder);

#endif
