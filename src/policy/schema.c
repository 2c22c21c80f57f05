#include "policy/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/scope.h"
#include "policy/glob.h"
#include "wire/url.h"

#define S POLICY_SEP
#define VERDICTS "allow redact deny"
#define ORG SCHEMA_ORGANISATION
#define REPO SCHEMA_REPOSITORY
#define BOTH SCHEMA_BOTH
#define ENFORCED EFFECT_ENFORCED
#define NOTED EFFECT_NOTED
#define ZONES "phi cde"
#define DATE_SHAPE "0000-00-00"
#define NAME_BYTES_MAX 128
#define BIG INT64_C(1000000000000000)

/* clang-format off: a row a line */
const struct schema_row schema_rows[] = {
    {"version", SCHEMA_INTEGER, BOTH, NARROW_OWN, ENFORCED, NULL, NULL, 1, 1,
     "format of the file: 1"},
    {"repository", SCHEMA_NAME, REPO, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "name of the repository in principals and records"},
    {"owner", SCHEMA_NAME, REPO, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "the responsible human: an id of `people`"},
    {"phase", SCHEMA_WORD, BOTH, NARROW_LOOSER_NOT, NOTED, "pilot narrow regulated automerge",
     "regulated", 0, 0,
     "how far the rollout has come; the organisation's is the highest that any repository may "
     "have"},
    {"frameworks" S "#", SCHEMA_WORD, REPO, NARROW_OWN, NOTED, "hipaa soc2 pci", NULL, 0, 0,
     "what the repository is assessed against"},

    {"people" S "#" S "id", SCHEMA_NAME, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "id of a person"},
    {"people" S "#" S "email", SCHEMA_TEXT, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "address in commits"},
    {"people" S "#" S "groups" S "#", SCHEMA_NAME, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "a group that the person is in"},
    {"people" S "#" S "ssh" S "#", SCHEMA_TEXT, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "a public key whose signature approves"},

    {"models" S "#" S "name", SCHEMA_NAME, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "name by which roles and records know it"},
    {"models" S "#" S "url", SCHEMA_URL, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "base URL; plain http to loopback only"},
    {"models" S "#" S "dialect", SCHEMA_WORD, ORG, NARROW_OWN, ENFORCED,
     "openai openai-responses anthropic", NULL, 0, 0, "what it speaks"},
    {"models" S "#" S "key" S "file", SCHEMA_PATH, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "file with its key; only the gateway reads it"},
    {"models" S "#" S "key" S "env", SCHEMA_NAME, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "or the variable that holds it"},
    {"models" S "#" S "residency", SCHEMA_NAME, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "where it runs: on-premises, us, eu, ..."},
    {"models" S "#" S "contract", SCHEMA_NAME, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "the agreement that covers it; without one (or residency on-premises) no call from a "
     "repository with zone phi"},
    {"models" S "#" S "expires", SCHEMA_DATE, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "last day of that agreement"},
    {"models" S "#" S "allow" S "#", SCHEMA_WORD, ORG, NARROW_OWN, ENFORCED,
     "code phi pan secret pii opaque phi-redacted pan-redacted secret-redacted pii-redacted",
     NULL, 0, 0,
     "a class of data that may go there, as it is or redacted; data.*.model must allow it, "
     "too"},
    {"models" S "#" S "ca", SCHEMA_PATH, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "certificates to trust instead of the system's, PEM"},
    {"models" S "#" S "prices" S "input", SCHEMA_MONEY, ORG, NARROW_OWN, ENFORCED, NULL, "0",
     0, BIG, "US dollars for a million tokens in"},
    {"models" S "#" S "prices" S "output", SCHEMA_MONEY, ORG, NARROW_OWN, ENFORCED, NULL, "0",
     0, BIG, "US dollars for a million tokens out"},
    {"routing" S "phi" S "#", SCHEMA_NAME, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "residencies that patients' data may go to; no other model is sent any, redacted or not"},
    {"routing" S "fallback" S "#", SCHEMA_NAME, ORG, NARROW_OWN, NOTED, NULL, NULL, 0, 0,
     "models to fall back to, in order"},

    {"budgets" S "run" S "tokens", SCHEMA_INTEGER, BOTH, NARROW_MINIMUM, ENFORCED, NULL, "0",
     0, BIG, "tokens of one run; 0: no limit"},
    {"budgets" S "run" S "usd", SCHEMA_MONEY, BOTH, NARROW_MINIMUM, ENFORCED, NULL, "0", 0,
     BIG, "US dollars of one run; 0: no limit"},
    {"budgets" S "run" S "minutes", SCHEMA_INTEGER, BOTH, NARROW_MINIMUM, ENFORCED, NULL, "30",
     1, 10080, "time limit of one run"},
    {"budgets" S "person_day" S "usd", SCHEMA_MONEY, BOTH, NARROW_MINIMUM, ENFORCED, NULL, "0",
     0, BIG,
     "US dollars of one person and day (UTC), counted when a run begins; it gets no more than "
     "the rest"},
    {"budgets" S "person_day" S "tokens", SCHEMA_INTEGER, BOTH, NARROW_MINIMUM, ENFORCED, NULL,
     "0", 0, BIG, "tokens of one person and day, counted likewise"},
    {"budgets" S "repository_day" S "usd", SCHEMA_MONEY, BOTH, NARROW_MINIMUM, ENFORCED, NULL,
     "0", 0, BIG, "US dollars of one repository and day, counted likewise"},
    {"budgets" S "repository_day" S "tokens", SCHEMA_INTEGER, BOTH, NARROW_MINIMUM, ENFORCED,
     NULL, "0", 0, BIG, "tokens of one repository and day, counted likewise"},

    {"egress" S "#" S "host", SCHEMA_NAME, BOTH, NARROW_SUBSET, NOTED, NULL, NULL, 0, 0,
     "a host that the door may reach"},
    {"egress" S "#" S "port", SCHEMA_INTEGER, BOTH, NARROW_SUBSET, NOTED, NULL, "443", 1,
     65535, "and its port"},
    {"egress" S "#" S "methods" S "#", SCHEMA_WORD, BOTH, NARROW_OWN, NOTED,
     "GET HEAD POST PUT", NULL, 0, 0, "methods allowed there"},
    {"egress" S "#" S "paths" S "#", SCHEMA_TEXT, BOTH, NARROW_OWN, NOTED, NULL, NULL, 0, 0,
     "paths allowed there"},
    {"egress" S "#" S "private", SCHEMA_BOOLEAN, ORG, NARROW_OWN, NOTED, NULL, "false", 0, 0,
     "whether a private address is meant"},
    {"mcp" S "#" S "url", SCHEMA_URL, ORG, NARROW_OWN, NOTED, NULL, NULL, 0, 0,
     "a tool server; plain http to loopback only"},
    {"mcp" S "#" S "tools" S "#", SCHEMA_NAME, ORG, NARROW_OWN, NOTED, NULL, NULL, 0, 0,
     "a tool of it"},
    {"mcp" S "#" S "digest", SCHEMA_NAME, ORG, NARROW_OWN, NOTED, NULL, NULL, 0, 0,
     "digest of its description"},

    {"resources" S "memory", SCHEMA_BYTES, ORG, NARROW_OWN, ENFORCED, NULL, "4G", 67108864,
     BIG, "memory of a cell"},
    {"resources" S "pids", SCHEMA_INTEGER, ORG, NARROW_OWN, ENFORCED, NULL, "512", 8, 1000000,
     "processes of a cell"},
    {"resources" S "cpu", SCHEMA_PERCENT, ORG, NARROW_OWN, ENFORCED, NULL, "200%", 1, 1000000,
     "processors of a cell; 100% is one"},
    {"resources" S "disk", SCHEMA_BYTES, ORG, NARROW_OWN, ENFORCED, NULL, "10G", 1048576, BIG,
     "disk that a cell may fill"},
    {"resources" S "build_cache", SCHEMA_BYTES, ORG, NARROW_OWN, ENFORCED, NULL, "0", 0, BIG,
     "how large ~/.cache of a cell may be, which then outlives the run: one for each "
     "repository, policy and role; 0: nothing outlives a run"},
    {"resources" S "io", SCHEMA_BYTES, ORG, NARROW_OWN, ENFORCED, NULL, "0", 0, BIG,
     "bytes that a cell may read, and write, a second, past its view, of the disk below the "
     "state folder; 0: no limit. Where there is no such control group, a warning: "
     "docs/modes.md"},
    {"containment", SCHEMA_WORD, ORG, NARROW_OWN, ENFORCED, "full degraded", "full", 0, 0,
     "whether a run may begin in a cell that keeps less of what is promised, where the host has "
     "no other, or a person asks for it by --cell: docs/modes.md"},
    {"caches" S "*", SCHEMA_PATH, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "a folder of the host that cells see read-only: folder below HOME to absolute path, "
     "`{ .m2: /srv/m2 }`; as root each run has a user of its own, so others must be able to "
     "read it"},
    {"toolchain" S "root", SCHEMA_PATH, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "a folder with a root file system, whose programs cells have instead of the host's: "
     "docs/toolchains.md"},
    {"toolchain" S "image", SCHEMA_PATH, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "or an OCI image layout: the folder with oci-layout, index.json and blobs"},
    {"toolchain" S "tag", SCHEMA_NAME, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "which image of the layout, where there are several for this machine"},
    {"toolchain" S "digest", SCHEMA_TEXT, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "sha256:HEX of the image's manifest (or of the index that it is in): no other is used"},
    {"environment" S "pass" S "#", SCHEMA_NAME, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "a variable of the caller's that reaches the cell"},
    {"audit", SCHEMA_WORD, ORG, NARROW_OWN, ENFORCED, "summary full", "summary", 0, 0,
     "what the view records: first reads and first writes, or every open, too; what that costs: "
     "docs/view.md"},
    {"retention" S "profile", SCHEMA_WORD, ORG, NARROW_OWN, ENFORCED, "none pci hipaa", "none",
     0, 0,
     "how long archived records are kept: pci 1 year, hipaa 6 years; none: they never expire"},
    {"retention" S "hot", SCHEMA_DURATION, ORG, NARROW_OWN, ENFORCED, NULL, "90d", 90, 36500,
     "how old records must be before `custody archive` moves them"},
    {"retention" S "payloads", SCHEMA_DURATION, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 1,
     36500,
     "how long tickets, prompts, answers and diffs are kept, encrypted; not named: none is, "
     "records only commit to them"},
    {"ledger" S "witnesses" S "#" S "url", SCHEMA_URL, ORG, NARROW_OWN, ENFORCED, NULL, NULL,
     0, 0, "a witness that is asked to cosign checkpoints; plain http to loopback only"},
    {"ledger" S "witnesses" S "#" S "key", SCHEMA_TEXT, ORG, NARROW_OWN, ENFORCED, NULL, NULL,
     0, 0, "and its public key, as `custody witness init` prints it"},
    {"ledger" S "require", SCHEMA_INTEGER, ORG, NARROW_OWN, ENFORCED, NULL, "0", 0, 32,
     "how many of them must have signed before checkpoint.cosigned is replaced"},
    {"ledger" S "quorum_seconds", SCHEMA_INTEGER, ORG, NARROW_OWN, ENFORCED, NULL, "3600", 5,
     604800,
     "how long a record may wait for so many before nothing new is begun; they are asked "
     "every 10 s"},
    {"ledger" S "filesystem", SCHEMA_WORD, ORG, NARROW_OWN, ENFORCED, "local any", "local", 0,
     0, "what the state folder may be on: any takes network file systems and FUSE, too"},

    {"data" S "*" S "view", SCHEMA_WORD, BOTH, NARROW_STRICTER, ENFORCED, VERDICTS,
     "redact; opaque, code: allow", 0, 0,
     "may a process in the cell read this class of data? (what is longer than 64 MiB counts "
     "as every class; opaque is what is no text: values that show in any bytes are found "
     "there, too)"},
    {"data" S "*" S "model", SCHEMA_WORD, BOTH, NARROW_STRICTER, ENFORCED, VERDICTS,
     "deny; code: allow", 0, 0, "may a model see it?"},
    {"data" S "*" S "checks", SCHEMA_WORD, BOTH, NARROW_STRICTER, NOTED, VERDICTS,
     "redact; secret, opaque, code: allow", 0, 0, "may a check, in a cell without a door?"},
    {"paths" S "read" S "deny" S "#", SCHEMA_GLOB, BOTH, NARROW_UNION, ENFORCED, NULL, NULL, 0,
     0, "what no agent may read"},
    {"paths" S "read" S "deny" S "#" S "path", SCHEMA_GLOB, BOTH, NARROW_UNION, ENFORCED, NULL,
     NULL, 0, 0, "the same, as { path, must_match }"},
    {"paths" S "read" S "deny" S "#" S "must_match", SCHEMA_BOOLEAN, BOTH, NARROW_UNION,
     ENFORCED, NULL, "false", 0, 0, "refuse the run when the rule matches nothing"},
    {"paths" S "read" S "hide_names", SCHEMA_BOOLEAN, BOTH, NARROW_STRICTER, ENFORCED,
     "false true", "true", 0, 0, "whether denied names are hidden, too"},
    {"paths" S "write" S "allow" S "#", SCHEMA_GLOB, BOTH, NARROW_BOTH_MUST, ENFORCED, NULL,
     NULL, 0, 0, "where agents may write; none named: everywhere that is not denied"},
    {"paths" S "write" S "deny" S "#", SCHEMA_GLOB, BOTH, NARROW_UNION, ENFORCED, NULL, NULL,
     0, 0, "where they may not, whatever is allowed"},
    {"paths" S "zone" S "*", SCHEMA_WORD, BOTH, NARROW_UNION, ENFORCED, ZONES, NULL, 0, 0,
     "what lives where: pattern to zone"},
    {"paths" S "scratch" S "#", SCHEMA_FOLDER, BOTH, NARROW_UNION, ENFORCED, NULL, NULL, 0, 0,
     "a folder of native speed that is never collected"},
    {"limits" S "files", SCHEMA_INTEGER, BOTH, NARROW_MINIMUM, ENFORCED, NULL, "50", 1, 20000,
     "files of one change"},
    {"limits" S "lines", SCHEMA_INTEGER, BOTH, NARROW_MINIMUM, ENFORCED, NULL, "2000", 1,
     10000000, "lines added and removed by one change"},
    {"limits" S "files_per_batch", SCHEMA_INTEGER, BOTH, NARROW_MINIMUM, NOTED, NULL, "5", 1,
     20000, "files of one batch of the coder"},
    {"agents" S "*" S "engine", SCHEMA_NAME, REPO, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "the program of a role"},
    {"agents" S "*" S "model", SCHEMA_NAME, REPO, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "its model, by name"},
    {"agents" S "*" S "write", SCHEMA_WORD, REPO, NARROW_OWN, ENFORCED, "policy none",
     "policy", 0, 0, "whether it may write at all"},
    {"checks" S "run" S "#" S "#", SCHEMA_TEXT, REPO, NARROW_OWN, NOTED, NULL, NULL, 0, 0,
     "a word of a command that checks a change"},
    {"checks" S "scanners" S "#", SCHEMA_NAME, REPO, NARROW_OWN, NOTED, NULL, NULL, 0, 0,
     "a scanner to run on a change"},
    {"approvals" S "count", SCHEMA_INTEGER, BOTH, NARROW_MAXIMUM, ENFORCED, NULL, "1", 1, 16,
     "people who must approve"},
    {"approvals" S "from" S "#", SCHEMA_NAME, BOTH, NARROW_SUBSET, ENFORCED, NULL, NULL, 0, 0,
     "groups that they must be in"},
    {"approvals" S "zone" S "*", SCHEMA_INTEGER, BOTH, NARROW_MAXIMUM, ENFORCED, NULL, NULL, 1,
     16, "more people for a zone"},
};
/* clang-format on */

const size_t schema_row_count = COUNT(schema_rows);

/* Does the pattern of a row cover the path, or (ret_above) begin below it? */
static bool covers(const char *pattern, const char *path, bool *ret_above)
{
    struct slice pattern_rest = slice_of(pattern), path_rest = slice_of(path);
    struct slice want, have;

    *ret_above = false;
    while (slice_cut(&path_rest, POLICY_SEP_BYTE, &have)) {
        if (!slice_cut(&pattern_rest, POLICY_SEP_BYTE, &want))
            return false;
        if (slice_equal(want, SLICE("#"))   ? have.len < 2 || have.at[0] != '#'
            : slice_equal(want, SLICE("*")) ? have.len == 0 || have.at[0] == '#'
                                            : !slice_equal(want, have))
            return false;
    }
    *ret_above = pattern_rest.at != NULL;
    return !*ret_above;
}

const struct schema_row *schema_find(const char *path)
{
    bool above;

    for (size_t i = 0; i < schema_row_count; i++)
        if (covers(schema_rows[i].path, path, &above))
            return &schema_rows[i];
    return NULL;
}

/* The folder of keys that the path is of: an empty map or list may stand there. */
static bool is_above_a_row(const char *path)
{
    bool above;

    for (size_t i = 0; i < schema_row_count; i++)
        if (!covers(schema_rows[i].path, path, &above) && above)
            return true;
    return false;
}

/* Levenshtein, for short words: what was probably meant. */
static size_t distance(struct slice a, struct slice b)
{
    size_t row[40];

    if (a.len > 32 || b.len > 32)
        return SIZE_MAX;
    for (size_t j = 0; j <= b.len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t corner = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t above = row[j];
            size_t best = corner + (a.at[i - 1] != b.at[j - 1]);

            best = above + 1 < best ? above + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            row[j] = best;
            corner = above;
        }
    }
    return row[b.len];
}

/* Among the keys that may stand `depth` levels down. */
static struct slice nearest_key(struct slice wrong, size_t depth)
{
    struct slice best = {0};
    size_t best_distance = 3;

    for (size_t i = 0; i < schema_row_count; i++) {
        struct slice rest = slice_of(schema_rows[i].path);
        struct slice key = {0};
        bool there = true;

        for (size_t level = 0; there && level <= depth; level++)
            there = slice_cut(&rest, POLICY_SEP_BYTE, &key);
        if (there && key.len > 1 && distance(key, wrong) < best_distance) {
            best = key;
            best_distance = distance(key, wrong);
        }
    }
    return best;
}

static bool unknown_key(const struct policy_settings *settings, const struct setting *setting,
                        struct fault *fault)
{
    AUTO_FREE char *path = xstrdup(setting->path);
    struct slice wrong, meant;
    size_t depth = 0;
    char shown[200];
    char *last = strrchr(path, POLICY_SEP_BYTE);

    /* Name the outermost part that is not known, not the leaf below it. */
    while (last != NULL) {
        *last = 0;
        if (is_above_a_row(path) || schema_find(path) != NULL) {
            *last = POLICY_SEP_BYTE;
            break;
        }
        last = strrchr(path, POLICY_SEP_BYTE);
    }
    wrong = slice_of(last == NULL ? path : last + 1);
    for (const char *at = path; *at != 0; at++)
        depth += *at == POLICY_SEP_BYTE;
    meant = nearest_key(wrong, depth);
    settings_show_path(path, shown, sizeof(shown));
    if (wrong.len > 0 && wrong.at[0] == '#')
        return settings_fault(settings, setting, fault, "%s: a list has no place here", shown);
    return settings_fault(settings, setting, fault, "unknown key `%s`%s%.*s%s", shown,
                          meant.len > 0 ? "; did you mean `" : "", SLICE_ARGS(meant),
                          meant.len > 0 ? "`?" : "");
}

/* ---- types ---- */

static bool all_of(const char *text, const char *more)
{
    if (*text == 0)
        return false;
    for (; *text != 0; text++)
        if (!((*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') ||
              (*text >= '0' && *text <= '9') || strchr(more, *text) != NULL))
            return false;
    return true;
}

/* Digits, without leading zeros, scaled by ten to the `decimals`; moves *text behind. */
static bool read_digits(const char **text, unsigned decimals, int64_t *value)
{
    const char *start = *text;

    for (; **text >= '0' && **text <= '9'; (*text)++)
        if (__builtin_mul_overflow(*value, 10, value) ||
            __builtin_add_overflow(*value, **text - '0', value))
            return false;
    return *text > start && (decimals > 0 || *start != '0' || *text == start + 1);
}

/* A whole number, or one with a fraction of up to `decimals` digits, scaled to it; moves *text
 * behind. */
static bool read_decimal(const char **text, unsigned decimals, int64_t *ret_value)
{
    int64_t value = 0;
    size_t fraction = 0;

    if (!read_digits(text, 0, &value))
        return false;
    if (**text == '.' && decimals > 0) {
        const char *start = ++*text;

        if (!read_digits(text, decimals, &value))
            return false;
        fraction = (size_t)(*text - start);
    }
    if (fraction > decimals)
        return false;
    for (; fraction < decimals; fraction++)
        if (__builtin_mul_overflow(value, 10, &value))
            return false;
    *ret_value = value;
    return true;
}

/* A number with one of the units; without one only where `bare` says so. */
static bool read_scaled(const char *text, const char *units, const int64_t *scales, bool bare,
                        int64_t *ret_value)
{
    const char *unit;
    int64_t value;

    if (!read_decimal(&text, 0, &value))
        return false;
    if (*text == 0) {
        *ret_value = value;
        return bare;
    }
    unit = strchr(units, *text);
    return unit != NULL && text[1] == 0 &&
           !__builtin_mul_overflow(value, scales[unit - units], ret_value);
}

static bool read_date(const char *text, int64_t *ret_value)
{
    struct tm tm = {0};
    struct tm again;
    const char *end;
    time_t seconds;

    /* strptime alone takes spaces and signs. */
    for (size_t i = 0; i < strlen(DATE_SHAPE); i++)
        if (DATE_SHAPE[i] == '-' ? text[i] != '-' : text[i] < '0' || text[i] > '9')
            return false;
    if (text[strlen(DATE_SHAPE)] != 0)
        return false;
    end = strptime(text, "%Y-%m-%d", &tm);
    if (end == NULL || *end != 0)
        return false;
    again = tm;
    seconds = timegm(&again);
    if (again.tm_mday != tm.tm_mday)
        return false;
    *ret_value = ((int64_t)seconds + 86400) * 1000000 - 1;
    return true;
}

static bool read_number(const struct schema_row *row, const char *value, int64_t *ret_value)
{
    static const int64_t bytes[] = {1024, 1048576, 1073741824, INT64_C(1099511627776)};
    static const int64_t days[] = {1, 7, 365};
    static const int64_t percent[] = {1};

    switch (row->type) {
    case SCHEMA_INTEGER:
        return read_decimal(&value, 0, ret_value) && *value == 0;
    case SCHEMA_BYTES:
        return read_scaled(value, "KMGT", bytes, true, ret_value);
    case SCHEMA_PERCENT:
        return read_scaled(value, "%", percent, false, ret_value);
    case SCHEMA_MONEY:
        return read_decimal(&value, 6, ret_value) && *value == 0;
    case SCHEMA_DURATION:
        return read_scaled(value, "dwy", days, false, ret_value);
    case SCHEMA_DATE:
        return read_date(value, ret_value);
    case SCHEMA_BOOLEAN:
        *ret_value = strcmp(value, "true") == 0;
        return *ret_value == 1 || strcmp(value, "false") == 0;
    case SCHEMA_TEXT:
    case SCHEMA_NAME:
    case SCHEMA_WORD:
    case SCHEMA_URL:
    case SCHEMA_PATH:
    case SCHEMA_FOLDER:
    case SCHEMA_GLOB:
        return false;
    }
    return false;
}

int64_t schema_number(const struct schema_row *row, const char *value)
{
    int64_t number = 0;

    return read_number(row, value, &number) ? number : 0;
}

int schema_word_index(const struct schema_row *row, const char *word)
{
    struct slice rest = slice_of(row->words);
    struct slice each;
    int index = 0;

    for (; slice_cut(&rest, ' ', &each); index++)
        if (slice_equal(each, slice_of(word)))
            return index;
    return -1;
}

static const char *const type_names[] = {
    [SCHEMA_TEXT] = "text",
    [SCHEMA_NAME] = "name",
    [SCHEMA_INTEGER] = "number",
    [SCHEMA_BYTES] = "size (4G)",
    [SCHEMA_PERCENT] = "percent (200%)",
    [SCHEMA_MONEY] = "US dollars (5.00)",
    [SCHEMA_DURATION] = "days (90d)",
    [SCHEMA_BOOLEAN] = "true or false",
    [SCHEMA_WORD] = "word",
    [SCHEMA_URL] = "URL",
    [SCHEMA_PATH] = "absolute path",
    [SCHEMA_FOLDER] = "folder",
    [SCHEMA_GLOB] = "pattern",
    [SCHEMA_DATE] = "date (2027-03-31)",
};

static bool check_number(const struct policy_settings *settings, const struct setting *setting,
                         const struct schema_row *row, const char *shown, struct fault *fault)
{
    int64_t number;

    if (!read_number(row, setting->value, &number))
        return settings_fault(settings, setting, fault, "%s: `%.60s` is not a %s", shown,
                              setting->value, type_names[row->type]);
    if (row->max > 0 && (number < row->min || number > row->max))
        return settings_fault(settings, setting, fault,
                              "%s: %lld is not between %lld and %lld", shown,
                              (long long)number, (long long)row->min, (long long)row->max);
    return true;
}

/* What is said in the clear must not leave this machine. */
static bool check_url(const struct policy_settings *settings, const struct setting *setting,
                      const char *shown, struct fault *fault)
{
    struct fault why = {0};
    struct url url;

    if (!url_parse(slice_of(setting->value), &url, &why))
        return settings_fault(settings, setting, fault, "%s: `%.60s`: %s", shown,
                              setting->value, why.why);
    if (!url.tls && !url_host_is_loopback(url.host))
        return settings_fault(
            settings, setting, fault,
            "%s: `%.60s`: plain http:// is for this machine only, use https://", shown,
            setting->value);
    return true;
}

static bool climbs(const char *path)
{
    struct slice rest = slice_of(path);
    struct slice name;

    while (slice_cut(&rest, '/', &name))
        if (slice_equal(name, SLICE("..")))
            return true;
    return false;
}

static bool check_text(const struct policy_settings *settings, const struct setting *setting,
                       const struct schema_row *row, const char *shown, struct fault *fault)
{
    const char *value = setting->value;
    struct fault why = {0};
    bool ok = true;

    for (const char *at = value; *at != 0; at++)
        ok = ok && (uint8_t)*at >= 0x20 && *at != 0x7f;
    if (row->type == SCHEMA_NAME)
        ok = ok && strlen(value) <= NAME_BYTES_MAX && all_of(value, "._-") &&
             value[0] != '-' && value[0] != '.';
    else if (row->type == SCHEMA_PATH)
        ok = ok && value[0] == '/' && !climbs(value);
    else if (row->type == SCHEMA_URL)
        return check_url(settings, setting, shown, fault);
    else if (row->type == SCHEMA_FOLDER)
        ok = ok && strpbrk(value, "*?[]") == NULL && glob_check(slice_of(value), &why) &&
             strncasecmp(value, ".git", 4) != 0 && strcasecmp(value, "custody.yaml") != 0;
    else if (row->type == SCHEMA_GLOB && !glob_check(slice_of(value), &why))
        return settings_fault(settings, setting, fault, "%s: `%.60s`: %s", shown, value,
                              why.why);
    return ok ? true
              : settings_fault(settings, setting, fault, "%s: `%.60s` is not a %s", shown,
                               value, type_names[row->type]);
}

static bool is_zone(struct slice name)
{
    struct slice rest = SLICE(ZONES);
    struct slice zone;

    while (slice_cut(&rest, ' ', &zone))
        if (slice_equal(zone, name))
            return true;
    return false;
}

/* The key that a "*" of the row stands for: a class, a pattern, a role, a zone. */
static bool check_key(const struct policy_settings *settings, const struct setting *setting,
                      const char *shown, struct fault *fault)
{
    struct slice rest = slice_of(setting->path);
    struct slice first = {0}, second = {0}, third = {0};
    enum data_class class;
    struct fault why = {0};

    (void)slice_cut(&rest, POLICY_SEP_BYTE, &first);
    (void)slice_cut(&rest, POLICY_SEP_BYTE, &second);
    (void)slice_cut(&rest, POLICY_SEP_BYTE, &third);
    if (slice_equal(first, SLICE("data")) && !class_parse(second, &class))
        return settings_fault(
            settings, setting, fault,
            "%s: `%.*s` is not a class of data (phi pan secret pii opaque code)", shown,
            SLICE_ARGS(second));
    if (slice_equal(first, SLICE("approvals")) && slice_equal(second, SLICE("zone")) &&
        !is_zone(third))
        return settings_fault(settings, setting, fault, "%s: `%.*s` is not a zone (" ZONES ")",
                              shown, SLICE_ARGS(third));
    if (slice_equal(first, SLICE("paths")) && slice_equal(second, SLICE("zone")) &&
        !glob_check(third, &why))
        return settings_fault(settings, setting, fault, "%s: %s", shown, why.why);
    return true;
}

static bool check_value(const struct policy_settings *settings, const struct setting *setting,
                        const struct schema_row *row, const char *shown, struct fault *fault)
{
    switch (row->type) {
    case SCHEMA_WORD:
        if (schema_word_index(row, setting->value) < 0)
            return settings_fault(settings, setting, fault, "%s: `%.60s` is none of: %s",
                                  shown, setting->value, row->words);
        return true;
    case SCHEMA_INTEGER:
    case SCHEMA_BYTES:
    case SCHEMA_PERCENT:
    case SCHEMA_MONEY:
    case SCHEMA_DURATION:
    case SCHEMA_BOOLEAN:
    case SCHEMA_DATE:
        return check_number(settings, setting, row, shown, fault);
    case SCHEMA_TEXT:
    case SCHEMA_NAME:
    case SCHEMA_URL:
    case SCHEMA_PATH:
    case SCHEMA_FOLDER:
    case SCHEMA_GLOB:
        return check_text(settings, setting, row, shown, fault);
    }
    return false;
}

/* Says no more than what holds without it. */
static bool is_standard(const struct schema_row *row, const struct setting *setting)
{
    return setting->kind != SETTING_VALUE ||
           (row->standard != NULL && strcmp(row->standard, setting->value) == 0);
}

static bool check_one(const struct policy_settings *settings, const struct setting *setting,
                      unsigned file, struct fault *fault)
{
    const struct schema_row *row = schema_find(setting->path);
    char shown[200];

    settings_show_path(setting->path, shown, sizeof(shown));
    if (row == NULL && setting->kind != SETTING_VALUE && is_above_a_row(setting->path))
        return true;
    if (row == NULL)
        return is_above_a_row(setting->path)
                   ? settings_fault(settings, setting, fault,
                                    "%s: a value stands where keys belong", shown)
                   : unknown_key(settings, setting, fault);
    if ((row->files & file) == 0)
        return settings_fault(settings, setting, fault, "%s: only the %s may say this", shown,
                              file == REPO ? "organisation's policy.yaml"
                                           : "repository's custody.yaml");
    if (setting->kind != SETTING_VALUE)
        return settings_fault(settings, setting, fault, "%s: a %s belongs here", shown,
                              type_names[row->type]);
    if (!check_key(settings, setting, shown, fault))
        return false;
    if (!check_value(settings, setting, row, shown, fault))
        return false;
    return true;
}

bool schema_check(const struct policy_settings *settings, unsigned file, struct fault *fault)
{
    for (size_t i = 0; i < settings->count; i++)
        if (!check_one(settings, &settings->at[i], file, fault))
            return false;
    if (settings_find(settings, "version") == NULL)
        return fault_set(fault, FAULT_INVALID, "%s:1:1: `version: 1` is missing",
                         settings->file);
    return true;
}

void policy_notes(const struct policy_settings *settings, policy_note *tell, void *self)
{
    for (size_t i = 0; settings != NULL && i < settings->count; i++) {
        const struct setting *setting = &settings->at[i];
        const struct schema_row *row = schema_find(setting->path);
        char shown[200];

        if (row == NULL || row->effect != NOTED || is_standard(row, setting))
            continue;
        settings_show_path(setting->path, shown, sizeof(shown));
        tell(self, settings->file, setting->line, setting->column, shown);
    }
}

/* ---- the reference page ---- */

void policy_reference(FILE *out)
{
    static const char *const files[] = {
        [ORG] = "policy.yaml", [REPO] = "custody.yaml", [BOTH] = "both"};
    static const char *const narrowing[] = {
        [NARROW_OWN] = "",
        [NARROW_MINIMUM] = "the repository's may not be larger",
        [NARROW_MAXIMUM] = "the repository's may not be smaller",
        [NARROW_STRICTER] = "the repository's may not be weaker (an earlier word)",
        [NARROW_LOOSER_NOT] = "the repository's may not be later in the list",
        [NARROW_UNION] = "both count",
        [NARROW_BOTH_MUST] = "both must allow",
        [NARROW_SUBSET] = "the repository's must be among the organisation's",
    };

    static const char *const effects[] = {
        [ENFORCED] = "yes",
        [NOTED] = "not yet: a warning",
    };

    (void)fputs("# Policy: every key\n\nMade from the table in `src/policy/schema.c` by "
                "`custody policy show --reference`; a test compares them.\n\n"
                "`policy.yaml` is the organisation's and trusted. `custody.yaml`, at the root "
                "of a repository, is read from the base\n"
                "commit, is not trusted, and may only narrow. `[]` stands for any item of a "
                "list, `*` for any key.\n\n"
                "Enforced says whether this version does what the key says. One that it does "
                "not is named by `policy check` and\n"
                "`run` with its place: as a warning where nothing is weaker without it, as a "
                "refusal (exit 3) where the policy would\n"
                "promise what does not hold. Its default may always be written.\n\n"
                "| key | type | default | file | narrowing | enforced | meaning "
                "|\n|---|---|---|---|---|---|---|\n",
                out);
    for (size_t i = 0; i < schema_row_count; i++) {
        const struct schema_row *row = &schema_rows[i];
        struct slice rest = slice_of(row->path);
        struct slice name;
        bool first = true;

        (void)fputs("| `", out);
        while (slice_cut(&rest, POLICY_SEP_BYTE, &name)) {
            if (slice_equal(name, SLICE("#")))
                (void)fputs("[]", out);
            else
                (void)fprintf(out, "%s%.*s", first ? "" : ".", SLICE_ARGS(name));
            first = false;
        }
        (void)fprintf(out, "` | %s%s%s | %s | %s | %s | %s | %s |\n", type_names[row->type],
                      row->words == NULL ? "" : ": ", row->words == NULL ? "" : row->words,
                      row->standard == NULL ? "" : row->standard, files[row->files],
                      narrowing[row->narrowing], effects[row->effect], row->text);
    }
}
