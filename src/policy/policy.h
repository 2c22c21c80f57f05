/*
 * policy/policy.h - may that run do this? Pure: text in, decisions out.
 *
 * Two files: the organisation's (trusted) and the repository's (untrusted, only narrows). The
 * text is parsed where nothing can be lost (policy_read, in a sealed process); what comes out
 * is a flat list of settings that travels as a packet and is applied by the table in schema.c.
 */
#ifndef CUSTODY_POLICY_POLICY_H
#define CUSTODY_POLICY_POLICY_H

#include <stdio.h>

#include "base/bytes.h"
#include "base/fault.h"
#include "base/vocabulary.h"

#define POLICY_YAML_BYTES_MAX (256 * 1024)
#define POLICY_PACKET_BYTES_MAX (128 * 1024)

struct policy_settings;

/*
 * YAML to settings. Refuses a second document, anchors, aliases, tags, duplicate keys, empty
 * values, what is too deep or too much. FAULT_INVALID: "custody.yaml:12:3: why".
 */
MUST_USE bool policy_read(struct slice yaml, const char *file_name,
                          struct policy_settings **ret_settings, struct fault *fault);
void policy_settings_free(struct policy_settings *settings); /* NULL is fine */
MUST_USE bool policy_settings_encode(const struct policy_settings *settings,
                                     struct buf *ret_packet, struct fault *fault);
/* Strict: exactly what encode writes. */
MUST_USE bool policy_settings_decode(struct slice packet,
                                     struct policy_settings **ret_settings,
                                     struct fault *fault);

/*
 * Tells each setting that is known, but not enforced by this version (and whose silence
 * weakens nothing: the others policy_build refuses), as "FILE:LINE:COLUMN: KEY". NULL: none.
 */
#define POLICY_NOTE "known, not enforced by this version"
typedef void policy_note(void *self, const char *file, unsigned line, unsigned column,
                         const char *key);
void policy_notes(const struct policy_settings *settings, policy_note *tell, void *self);

struct policy_person {
    const char *id, *email;
    const char **groups;
    size_t group_count;
    const char **ssh; /* public keys, one line each */
    size_t ssh_count;
};

#define POLICY_PRICE_UNNAMED (-1)

struct policy_model {
    const char *name, *url, *dialect;
    const char *model; /* what the provider calls it; NULL: by `name` */
    const char *service, *api_version, *region; /* NULL: not named */
    const char **reach;                         /* words of `reach` */
    size_t reach_count;
    bool translate; /* requests in another dialect than its own are translated */
    const char *key_file, *key_environment; /* at most one; NULL: no key */
    const char *ca;
    const char **pins; /* SHA-256 of keys, hexadecimal */
    size_t pin_count;
    const char *proxy, *proxy_credentials; /* its own or the policy's; NULL: none */
    const char *residency, *contract;  /* NULL: none */
    int64_t expires_us;                /* 0: never */
    struct policy_prices { /* micro-USD per million tokens; POLICY_PRICE_UNNAMED: not said */
        int64_t input, output, cached, cache_write, reasoning;
    } prices;
    unsigned allow; /* classes whose plain values may go there: its own and data.*.model's */
    unsigned allow_redacted; /* classes of which only surrogates may */
    unsigned kept_away; /* classes that `routing` lets go to other residencies only */
};

/* A remote MCP server: docs/mcp.md. Of `at`, what has to do with models is not set. */
struct policy_server {
    struct policy_model at;
    const char **tools; /* ascending, each once */
    size_t tool_count;
    const char *digest; /* 64 digits, or NULL: no description was accepted yet */
};

struct policy_rule {
    const char *glob;
    bool must_match;
    char text[96]; /* "paths.read.deny[0]", for records and `explain` */
    const char *file;
    unsigned line;
    bool own; /* of the repository's file */
};

struct policy_rules {
    struct policy_rule *at;
    size_t count, room;
};

struct policy_zone {
    const char *glob, *zone;
};

#define POLICY_ROLE_DEFAULT "coder"

struct policy_agent {
    const char *role, *engine, *model; /* engine, model: NULL when not named */
    bool may_write;
    struct policy_rules read_deny; /* besides the policy's own, which hold for every role */
    bool hide_names;
};

struct policy_check {
    const char **argv;
    size_t count;
};

struct policy_texts {
    const char **at;
    size_t count;
};

/* Where a cell may go besides its models. */
struct policy_egress {
    size_t index;     /* of the organisation's entry: limits are that one's */
    char rule[32];    /* "egress[0]", for records */
    const char *host; /* in small letters: a name, or an IPv4 address */
    int64_t port;
    bool inspected;              /* its TLS ends at us, and each request is looked at */
    struct policy_texts methods; /* never empty where it is inspected */
    struct policy_texts paths[2]; /* both files'; one of each must match, an empty one does */
    bool private;                 /* a private address is meant */
    const char *ca;               /* or NULL: the system's */
    uint64_t upload_bytes, download_bytes; /* of a run; 0: no limit */
};

struct policy_budget {
    int64_t tokens, micro_usd, calls, minutes; /* 0: no limit */
};

struct policy_resources {
    uint64_t memory_bytes, disk_bytes;
    uint64_t build_cache_bytes; /* 0: none */
    uint64_t io_bytes; /* a second; 0: no limit */
    int64_t pids, cpu_percent; /* 100: one processor */
};

/* Where a cell's programs come from; nothing set: the host's /usr. */
struct policy_toolchain {
    const char *root, *image, *tag; /* one of root and image; NULL: not named */
    const char *digest;             /* 64 digits, or NULL: whatever is there */
};

enum policy_where {
    POLICY_VIEW,   /* may a process in a cell with a door read it? */
    POLICY_MODEL,  /* may a model see it? */
    POLICY_CHECKS, /* in cells without a door */
    POLICY_WHERE_COUNT,
};

/* The effective policy. Read-only for everybody else. */
/* Whom the ledger asks to cosign its checkpoints. */
struct policy_witness {
    const char *url, *key;
};

struct policy {
    const char *repository, *owner, *phase, *audit;
    struct policy_person *people;
    size_t people_count;
    struct policy_model *models; /* that this repository may call: with zone phi not all */
    size_t model_count;
    struct policy_server *servers; /* likewise */
    size_t server_count;
    const char **fallback; /* names of models to try after a failure, in order */
    size_t fallback_count;
    bool takes_other_names; /* of models: the run's serves them */
    struct policy_agent *agents;
    size_t agent_count;
    struct policy_budget budget_run, budget_agent_day, budget_person_day, budget_repository_day;
    struct policy_resources resources;
    struct policy_toolchain toolchain;
    bool degraded; /* a run may begin in a degraded cell */
    struct policy_zone
        *caches; /* glob: folder below HOME in a cell; zone: folder of the host */
    size_t cache_count;
    const char **environment_pass;
    size_t environment_pass_count;
    struct policy_egress *egress;
    size_t egress_count;
    enum verdict data[CLASS_COUNT][POLICY_WHERE_COUNT];
    bool keeps_copies[CLASS_COUNT]; /* a stand-in may stand in another file than its own */
    unsigned cut_answers; /* classes: a model's answer that holds one ends there */
    struct policy_rules read_deny, write_allow, write_deny;
    bool hide_names;
    struct policy_zone *zones;
    size_t zone_count;
    const char **scratch;
    size_t scratch_count;
    int64_t limit_files, limit_lines; /* of a change */
    int64_t payload_days;             /* 0: payloads are not kept, only committed to */
    const char *retention_profile;
    int64_t hot_days;       /* records stay that long in the ledger's own folder */
    int64_t retention_days; /* archived records expire after that; 0: never */
    struct policy_check *checks;
    size_t check_count;
    int64_t approvals;           /* at least */
    const char **approvals_from; /* groups; none: anyone in people */
    size_t approvals_from_count;
    struct policy_zone *approvals_zone; /* glob: the zone's name; zone: the number as text */
    size_t approvals_zone_count;
    struct policy_witness *witnesses;
    size_t witness_count;
    int64_t witnesses_required;
    int64_t quorum_seconds; /* how long a record may wait for them */
    bool any_filesystem;    /* the ledger may be on one whose syncs nobody vouches for */
    const char *const *plan_write; /* patterns of one run: see policy_plan_writes */
    size_t plan_write_count;
    char digest[65]; /* SHA-256, hex, of the canonical effective settings */
    void *owned;
};

/*
 * The organisation's settings narrowed by the repository's (NULL: none). FAULT_INVALID names
 * file, line and column: an unknown key, a wrong type, a rule that can never match, a
 * repository that would widen.
 */
MUST_USE bool policy_build(const struct policy_settings *organisation,
                           const struct policy_settings *repository,
                           struct policy **ret_policy, struct fault *fault);
void policy_free(struct policy *policy); /* NULL is fine */

/* May the name be there, for this role? allow or deny; ret_rule (may be NULL) lives as long as
 * the policy. */
enum verdict policy_read_verdict(const struct policy *policy, const char *role,
                                 struct slice path, const char **ret_rule);
/* Are names that this role may not read left out? Else they show, without content. */
bool policy_hides_names(const struct policy *policy, const char *role);
enum verdict policy_class_verdict(const struct policy *policy, enum data_class class,
                                  enum policy_where where);
/* The strictest verdict of the classes in the mask. */
enum verdict policy_mask_verdict(const struct policy *policy, unsigned class_mask,
                                 enum policy_where where);
/*
 * Also refuses what is never writable, whatever policy says: its own file, .git*, CI, hooks,
 * owners.
 *   in_new_folder  the folder of the path is not the base commit's: a .gitignore may be there,
 *                  since tools put one into their caches. Never in what becomes a change.
 */
bool policy_write_allowed(const struct policy *policy, const char *role, struct slice path,
                          bool in_new_folder, const char **ret_rule);
/*
 * What the plan of a run may write, below what policy allows: a further narrowing, never a
 * widening. Borrows `globs`. FAULT_INVALID names a pattern that is none.
 */
MUST_USE bool policy_plan_writes(struct policy *policy, const char *const *globs, size_t count,
                                 struct fault *fault);
/*
 * Is the role one of `agents`? Where none is named every role is, and POLICY_ROLE_DEFAULT
 * always is.
 * FAULT_INVALID: it is not, so a slip of the keyboard would be a role with no rules.
 */
MUST_USE bool policy_role_check(const struct policy *policy, const char *role,
                                struct fault *fault);
bool policy_never_writable(struct slice path);
/* "phi", "cde", or NULL. */
const char *policy_zone_of(const struct policy *policy, struct slice path);
/* How many people must approve a change that touches these zones. */
int64_t policy_approvals_for(const struct policy *policy, const char *const *zones,
                             size_t count);
/* The rule, with its place, that `rule` (as given out above) is; NULL: a built-in one. */
const struct policy_rule *policy_rule_find(const struct policy *policy, const char *rule);

/*
 * must_match: tell each path of the tree to policy_match_path, then ask. FAULT_INVALID names
 * the first rule for this role that matched nothing.
 */
struct policy_matching;
struct policy_matching *policy_matching_new(const struct policy *policy, const char *role);
void policy_match_path(struct policy_matching *matching, struct slice path);
MUST_USE bool policy_matching_end(struct policy_matching *matching,
                                  struct fault *fault); /* frees */

/* What `custody init` writes; both are valid as they are. The caller frees. */
char *policy_template_organisation(const char *person, const char *email, const char *ssh_key);
char *policy_template_repository(const char *repository, const char *owner);

/* docs/policy.md: every key with type, default, who may set it, and how it narrows. */
void policy_reference(FILE *out);

#endif
