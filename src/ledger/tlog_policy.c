#include "ledger/tlog_policy.h"

#include <stdlib.h>

#include "base/scope.h"
#include "ledger/note_parts.h"

#define ITEMS_MAX (TLOG_POLICY_WITNESSES_MAX + TLOG_POLICY_GROUPS_MAX)
#define WORDS_MAX (3 + ITEMS_MAX)
#define NO_ITEM SIZE_MAX

/* A witness or a group, in the order of the file: members come before their group. */
struct item {
    char *name;
    struct cosignature_key *key; /* of a witness; NULL: a group */
    size_t witness;              /* its number among witnesses */
    size_t needed;               /* of a group */
    size_t parent;               /* the one group that it is a member of, or NO_ITEM */
};

struct tlog_policy {
    struct note_key *logs[TLOG_POLICY_LOGS_MAX];
    size_t log_count;
    struct item items[ITEMS_MAX];
    size_t item_count, witness_count, group_count;
    bool has_quorum;
    size_t quorum; /* NO_ITEM: none is asked for */
};

struct line {
    struct slice word[WORDS_MAX];
    size_t count;
};

static bool split(struct slice text, struct line *ret_line, struct fault *fault)
{
    size_t at = 0;

    ret_line->count = 0;
    while (at < text.len) {
        size_t end = at;

        while (end < text.len && text.at[end] != ' ' && text.at[end] != '\t')
            end++;
        if (end > at && ret_line->count == WORDS_MAX)
            return fault_set(fault, FAULT_LIMIT, "more than %d words", WORDS_MAX);
        if (end > at)
            ret_line->word[ret_line->count++] = slice_part(text, at, end);
        at = end + 1;
    }
    return true;
}

static size_t find_item(const struct tlog_policy *policy, struct slice name)
{
    for (size_t i = 0; i < policy->item_count; i++)
        if (slice_equal(slice_of(policy->items[i].name), name))
            return i;
    return NO_ITEM;
}

static bool same_public(const uint8_t *a, const uint8_t *b)
{
    return memcmp(a, b, NOTE_PUBLIC_BYTES) == 0;
}

static bool key_is_known(const struct tlog_policy *policy, const uint8_t *public_key)
{
    for (size_t i = 0; i < policy->log_count; i++)
        if (same_public(note_key_public(policy->logs[i]), public_key))
            return true;
    for (size_t i = 0; i < policy->item_count; i++)
        if (policy->items[i].key != NULL &&
            same_public(cosignature_key_public(policy->items[i].key), public_key))
            return true;
    return false;
}

static bool take_log(struct tlog_policy *policy, const struct line *line, struct fault *fault)
{
    struct note_key *key;

    if (line->count < 2 || line->count > 3)
        return fault_set(fault, FAULT_INVALID, "it is: log VKEY [URL]");
    if (policy->log_count == TLOG_POLICY_LOGS_MAX)
        return fault_set(fault, FAULT_LIMIT, "more than %d logs", TLOG_POLICY_LOGS_MAX);
    if (!note_key_parse(line->word[1], &key, fault))
        return false;
    if (key_is_known(policy, note_key_public(key))) {
        note_key_free(key);
        return fault_set(fault, FAULT_INVALID, "that key stands in the file already");
    }
    policy->logs[policy->log_count++] = key;
    return true;
}

/* Whether a new witness or group may have that name. */
static bool name_is_free(const struct tlog_policy *policy, struct slice name,
                         struct fault *fault)
{
    if (slice_equal(name, SLICE("none")))
        return fault_set(fault, FAULT_INVALID, "`none` is no name to define");
    if (find_item(policy, name) != NO_ITEM)
        return fault_set(fault, FAULT_INVALID, "%.*s is defined already", SLICE_ARGS(name));
    return true;
}

static bool take_witness(struct tlog_policy *policy, const struct line *line,
                         struct fault *fault)
{
    struct cosignature_key *key;

    if (line->count < 3 || line->count > 4)
        return fault_set(fault, FAULT_INVALID, "it is: witness NAME VKEY [URL]");
    if (policy->witness_count == TLOG_POLICY_WITNESSES_MAX)
        return fault_set(fault, FAULT_LIMIT, "more than %d witnesses",
                         TLOG_POLICY_WITNESSES_MAX);
    if (!name_is_free(policy, line->word[1], fault) ||
        !cosignature_key_parse(line->word[2], &key, fault))
        return false;
    if (key_is_known(policy, cosignature_key_public(key))) {
        cosignature_key_free(key);
        return fault_set(fault, FAULT_INVALID, "that key stands in the file already");
    }
    policy->items[policy->item_count++] = (struct item){.name = slice_dup(line->word[1]),
                                                        .key = key,
                                                        .witness = policy->witness_count++,
                                                        .parent = NO_ITEM};
    return true;
}

/* "any", "all", or a number from 1 to `members` without leading zeros. */
static bool parse_needed(struct slice word, size_t members, size_t *ret_needed)
{
    size_t value = 0;

    if (slice_equal(word, SLICE("any")) || slice_equal(word, SLICE("all"))) {
        *ret_needed = slice_equal(word, SLICE("any")) ? 1 : members;
        return true;
    }
    if (word.len == 0 || word.len > 4 || word.at[0] == '0')
        return false;
    for (size_t i = 0; i < word.len; i++) {
        if (word.at[i] < '0' || word.at[i] > '9')
            return false;
        value = value * 10 + (size_t)(word.at[i] - '0');
    }
    *ret_needed = value;
    return value <= members;
}

static bool take_group(struct tlog_policy *policy, const struct line *line,
                       struct fault *fault)
{
    size_t number = policy->item_count, needed;

    if (line->count < 4)
        return fault_set(fault, FAULT_INVALID, "it is: group NAME K|any|all MEMBER...");
    if (policy->group_count == TLOG_POLICY_GROUPS_MAX)
        return fault_set(fault, FAULT_LIMIT, "more than %d groups", TLOG_POLICY_GROUPS_MAX);
    if (!name_is_free(policy, line->word[1], fault))
        return false;
    if (!parse_needed(line->word[2], line->count - 3, &needed))
        return fault_set(fault, FAULT_INVALID, "%.*s of %zu members cannot be",
                         SLICE_ARGS(line->word[2]), line->count - 3);
    for (size_t i = 3; i < line->count; i++) {
        size_t member = find_item(policy, line->word[i]);

        if (member == NO_ITEM)
            return fault_set(fault, FAULT_INVALID, "%.*s is not defined above",
                             SLICE_ARGS(line->word[i]));
        if (policy->items[member].parent != NO_ITEM)
            return fault_set(fault, FAULT_INVALID, "%.*s is a member already",
                             SLICE_ARGS(line->word[i]));
        policy->items[member].parent = number;
    }
    policy->group_count++;
    policy->items[policy->item_count++] =
        (struct item){.name = slice_dup(line->word[1]), .needed = needed, .parent = NO_ITEM};
    return true;
}

static bool take_quorum(struct tlog_policy *policy, const struct line *line,
                        struct fault *fault)
{
    if (line->count != 2)
        return fault_set(fault, FAULT_INVALID, "it is: quorum NAME|none");
    if (policy->has_quorum)
        return fault_set(fault, FAULT_INVALID, "a second quorum");
    policy->has_quorum = true;
    policy->quorum = find_item(policy, line->word[1]);
    if (policy->quorum == NO_ITEM && !slice_equal(line->word[1], SLICE("none")))
        return fault_set(fault, FAULT_INVALID, "%.*s is not defined above",
                         SLICE_ARGS(line->word[1]));
    return true;
}

static const struct keyword {
    const char *word;
    bool (*take)(struct tlog_policy *policy, const struct line *line, struct fault *fault);
} keywords[] = {
    {"log", take_log},
    {"witness", take_witness},
    {"group", take_group},
    {"quorum", take_quorum},
};

static bool take_line(struct tlog_policy *policy, struct slice text, struct fault *fault)
{
    struct line line = {0};

    for (size_t i = 0; i < text.len; i++)
        if ((text.at[i] < 0x20 && text.at[i] != '\t') || text.at[i] == 0x7f)
            return fault_set(fault, FAULT_INVALID, "a control character");
    text = slice_trim(text);
    if (text.len == 0 || text.at[0] == '#')
        return true;
    if (!split(text, &line, fault))
        return false;
    for (size_t i = 0; i < COUNT(keywords); i++)
        if (slice_equal(line.word[0], slice_of(keywords[i].word)))
            return keywords[i].take(policy, &line, fault);
    return fault_set(fault, FAULT_INVALID, "neither log, witness, group nor quorum");
}

static bool parse(struct tlog_policy *policy, struct slice text, struct fault *fault)
{
    struct slice line;

    if (text.len > TLOG_POLICY_BYTES_MAX)
        return fault_set(fault, FAULT_LIMIT, "witness policy: more than %d bytes",
                         TLOG_POLICY_BYTES_MAX);
    for (size_t number = 1; slice_cut(&text, '\n', &line); number++)
        if (!take_line(policy, line, fault))
            return fault_in(fault, "witness policy line %zu", number);
    if (!policy->has_quorum)
        return fault_set(fault, FAULT_INVALID, "witness policy: it has no quorum line");
    return true;
}

bool tlog_policy_parse(struct slice text, struct tlog_policy **ret_policy, struct fault *fault)
{
    struct tlog_policy *policy = xalloc(sizeof(*policy));

    if (!parse(policy, text, fault)) {
        tlog_policy_free(policy);
        return false;
    }
    *ret_policy = policy;
    return true;
}

void tlog_policy_free(struct tlog_policy *policy)
{
    if (policy == NULL)
        return;
    for (size_t i = 0; i < policy->log_count; i++)
        note_key_free(policy->logs[i]);
    for (size_t i = 0; i < policy->item_count; i++) {
        cosignature_key_free(policy->items[i].key);
        free(policy->items[i].name);
    }
    free(policy);
}

size_t tlog_policy_log_count(const struct tlog_policy *policy)
{
    return policy->log_count;
}

const struct note_key *tlog_policy_log_of(const struct tlog_policy *policy,
                                          const struct note *note)
{
    struct slice rest = note->text, origin;

    if (!slice_cut(&rest, '\n', &origin))
        return NULL;
    for (size_t i = 0; i < policy->log_count; i++) {
        if (!slice_equal(slice_of(note_key_name(policy->logs[i])), origin))
            continue;
        for (size_t j = 0; j < note->signature_count; j++)
            if (note_key_made(policy->logs[i], &note->signatures[j]))
                return policy->logs[i];
    }
    return NULL;
}

bool tlog_policy_has_log(const struct tlog_policy *policy, const struct note_key *key)
{
    for (size_t i = 0; i < policy->log_count; i++)
        if (same_public(note_key_public(policy->logs[i]), note_key_public(key)) &&
            strcmp(note_key_name(policy->logs[i]), note_key_name(key)) == 0)
            return true;
    return false;
}

size_t tlog_policy_witness_count(const struct tlog_policy *policy)
{
    return policy->witness_count;
}

const char *tlog_policy_witness_name(const struct tlog_policy *policy, size_t index)
{
    for (size_t i = 0; i < policy->item_count; i++)
        if (policy->items[i].key != NULL && policy->items[i].witness == index)
            return policy->items[i].name;
    return NULL;
}

bool tlog_policy_check(const struct tlog_policy *policy, const struct note *note,
                       struct tlog_policy_result *ret_result, struct fault *fault)
{
    struct tlog_policy_result result = {.holds = policy->quorum == NO_ITEM};
    size_t reached[ITEMS_MAX] = {0}; /* members of each group that count */

    for (size_t i = 0; i < policy->item_count; i++) {
        const struct item *item = &policy->items[i];
        struct fault why = {0};
        bool counts = item->key == NULL && reached[i] >= item->needed;

        if (item->key != NULL) {
            counts = cosignature_verify(note, item->key, &result.time[item->witness], &why);
            if (!counts && why.kind != FAULT_MISSING) {
                *fault = why;
                return false;
            }
            result.cosigned_count += counts;
        }
        if (counts && item->parent != NO_ITEM)
            reached[item->parent]++;
        result.holds |= counts && i == policy->quorum;
    }
    *ret_result = result;
    return true;
}

static bool add_names(const struct tlog_policy *policy,
                      const struct tlog_policy_result *result, bool cosigned,
                      const char *before, struct buf *text, struct fault *fault)
{
    for (size_t i = 0; i < policy->witness_count; i++) {
        if ((result->time[i] != 0) != cosigned)
            continue;
        if (!buf_add_format(text, fault, "%s%s", before, tlog_policy_witness_name(policy, i)))
            return false;
        before = ", ";
    }
    return true;
}

bool tlog_policy_sentence(const struct tlog_policy *policy,
                          const struct tlog_policy_result *result, struct buf *ret_text,
                          struct fault *fault)
{
    size_t missing = policy->witness_count - result->cosigned_count;

    if (!buf_add_format(ret_text, fault, "%zu of %zu witnesses have cosigned",
                        result->cosigned_count, policy->witness_count) ||
        !add_names(policy, result, true, ": ", ret_text, fault) ||
        (missing > 0 && !add_names(policy, result, false, "; not ", ret_text, fault)))
        return false;
    if (policy->quorum == NO_ITEM)
        return buf_add_text(ret_text, "; the policy asks for none", fault);
    return buf_add_format(ret_text, fault, "; the quorum `%s` is %s",
                          policy->items[policy->quorum].name,
                          result->holds ? "reached" : "not reached");
}
