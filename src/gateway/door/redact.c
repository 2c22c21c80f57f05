#include "gateway/door/redact.h"

#include <stdlib.h>

#include "base/scope.h"
#include "base/utf8.h"
#include "gateway/door/carried.h"
#include "gateway/door/facts.h"
#include "gateway/door/splice.h"

#define GROWTH_BYTES 4096 /* of an edited document; stand-ins are as long as their values */

/* A JSON document at some depth, with the edits of its strings. */
struct walk {
    struct redaction *redaction;
    struct slice document;
    int level;
    const struct leaves *found; /* of the request itself; within strings NULL: all leaves */
    size_t found_at;
    uint64_t leaf;
    const struct facts *facts; /* of the request itself */
    struct splice edits;       /* of the document's bytes; `with` is owned */
};

static bool redact_text(struct redaction *redaction, struct slice text, int level,
                        struct buf *out, struct fault *fault);

static struct slice keep(struct slice text)
{
    return slice_of_bytes(slice_dup(text), text.len);
}

static void note(void *self, const struct door_replaced *replaced)
{
    struct redaction *redaction = self;
    struct redacted_value *value;

    if (redaction->count == REDACTION_VALUES_MAX)
        return;
    redaction->values = xgrow(redaction->values, &redaction->room, redaction->count + 1,
                              sizeof(*redaction->values));
    value = &redaction->values[redaction->count++];
    *value = (struct redacted_value){.at = replaced->at,
                                     .len = replaced->len,
                                     .class = replaced->class,
                                     .rule = replaced->rule,
                                     .is_telling = replaced->is_telling,
                                     .original = keep(replaced->original),
                                     .stand_in = keep(replaced->stand_in)};
    memcpy(value->commitment, replaced->commitment, sizeof(value->commitment));
}

/* Values from `first` on stay as they are after all. */
static void drop_values(struct redaction *redaction, size_t first)
{
    while (redaction->count > first) {
        struct redacted_value *value = &redaction->values[--redaction->count];

        explicit_bzero((uint8_t *)(uintptr_t)value->original.at, value->original.len);
        free((uint8_t *)(uintptr_t)value->original.at);
        free((uint8_t *)(uintptr_t)value->stand_in.at);
    }
}

/* Values from `first` on were found in what the string `raw` says: now they are places of the
 * document. */
static void place_values(const struct walk *walk, size_t first, struct slice raw)
{
    struct redaction *redaction = walk->redaction;
    size_t from = (size_t)(raw.at - walk->document.at);

    for (size_t i = first; i < redaction->count; i++) {
        struct redacted_value *value = &redaction->values[i];
        size_t end = splice_place(raw, value->at + value->len);

        value->at = splice_place(raw, value->at);
        value->len = end > value->at ? end - value->at : 0;
        value->at += from;
    }
}

static bool is_wanted(struct walk *walk, const struct json_leaf *leaf)
{
    const struct leaves *found = walk->found;
    const struct leaf_found *at;

    if (found == NULL)
        return leaf->type == JSON_STRING && !leaf->is_key;
    while (walk->found_at < found->found_count &&
           found->found[walk->found_at].leaf < walk->leaf)
        walk->found_at++;
    at = &found->found[walk->found_at];
    return walk->found_at < found->found_count && at->leaf == walk->leaf &&
           ((at->classes | at->guesses) & walk->redaction->classes) != 0 && !leaf->is_key &&
           !facts_protocol(leaf) && !facts_signed(walk->facts, leaf);
}

static bool edit_string(struct walk *walk, const struct json_leaf *leaf, struct fault *fault)
{
    size_t first = walk->redaction->count;
    AUTO_BUF_SECRET struct buf text = buf_with_limit(leaf->text.len * 2 + GROWTH_BYTES);
    struct buf raw = buf_with_limit(leaf->raw.len * 6 + GROWTH_BYTES);
    struct splice changes = {0};
    size_t from = (size_t)(leaf->raw.at - walk->document.at);
    bool ok = redact_text(walk->redaction, leaf->text, walk->level + 1, &text, fault);

    if (ok && !slice_equal(buf_slice(&text), leaf->text)) {
        splice_between(leaf->text, buf_slice(&text), &changes);
        ok = splice_string(leaf->raw, &changes, &raw, fault);
    }
    splice_free(&changes);
    if (!ok || raw.len == 0) {
        drop_values(walk->redaction, first);
        buf_free(&raw);
        return ok;
    }
    place_values(walk, first, leaf->raw);
    splice_add(&walk->edits, from, from + leaf->raw.len, buf_slice(&raw)); /* owned from now */
    return true;
}

/* A number stays one: its digits change, but a zero may not lead. */
static bool edit_number(struct walk *walk, const struct json_leaf *leaf, struct fault *fault)
{
    size_t first = walk->redaction->count;
    size_t from = (size_t)(leaf->raw.at - walk->document.at);
    struct buf raw = buf_with_limit(leaf->raw.len + GROWTH_BYTES);
    bool ok = redact_text(walk->redaction, leaf->text, LEAVES_LEVELS_MAX, &raw, fault);

    if (!ok || slice_equal(buf_slice(&raw), leaf->text) ||
        !json_walk(buf_slice(&raw), NULL, &(struct fault){0})) {
        drop_values(walk->redaction, first);
        buf_free(&raw);
        return ok;
    }
    for (size_t i = first; i < walk->redaction->count; i++)
        walk->redaction->values[i].at += from;
    splice_add(&walk->edits, from, from + leaf->raw.len, buf_slice(&raw));
    return true;
}

static bool on_leaf(void *self, const struct json_leaf *leaf, struct fault *fault)
{
    struct walk *walk = self;
    bool wanted = is_wanted(walk, leaf);

    walk->leaf++;
    if (!wanted)
        return true;
    return leaf->type == JSON_STRING ? edit_string(walk, leaf, fault)
                                     : edit_number(walk, leaf, fault);
}

static void walk_free(struct walk *walk)
{
    for (size_t i = 0; i < walk->edits.count; i++)
        free((uint8_t *)(uintptr_t)walk->edits.at[i].with.at);
    splice_free(&walk->edits);
}

/* False in ret_is_json, without a fault: it is none, and nothing was appended. */
static bool redact_json(struct walk *walk, struct buf *out, bool *ret_is_json,
                        struct fault *fault)
{
    struct json_visitor visitor = {.leaf = on_leaf, .self = walk};
    bool ok;

    *ret_is_json = json_walk(walk->document, NULL, &(struct fault){0});
    ok = !*ret_is_json ||
         (json_walk(walk->document, &visitor, fault) &&
          json_splice(walk->document, walk->edits.at, walk->edits.count, out, fault));
    walk_free(walk);
    return ok;
}

/* What fills a string as base64: decoded, redacted, encoded again. */
static bool redact_carried(struct redaction *redaction, struct slice text, int level,
                           struct buf *out, struct fault *fault)
{
    struct slice trimmed = slice_trim(text);
    size_t first = redaction->count;
    AUTO_BUF_SECRET struct buf inner = buf_with_limit(text.len * 2 + GROWTH_BYTES);
    AUTO_BUF struct buf payload = buf_with_limit(text.len);
    struct carried carried;
    size_t from;
    bool ok;

    if (!carried_open(trimmed, &carried))
        return buf_add(out, text, fault);
    from = (size_t)(carried.payload.at - text.at);
    ok = carried_is_opaque(buf_slice(&carried.bytes)) ||
                 !utf8_is_valid(buf_slice(&carried.bytes))
             ? buf_add(&inner, buf_slice(&carried.bytes), fault)
             : redact_text(redaction, buf_slice(&carried.bytes), level + 1, &inner, fault);
    if (ok && !slice_equal(buf_slice(&inner), buf_slice(&carried.bytes)) &&
        inner.len == carried.bytes.len &&
        carried_write(carried.payload, buf_slice(&inner), &payload)) {
        for (size_t i = first; i < redaction->count; i++) {
            redaction->values[i].at = from;
            redaction->values[i].len = payload.len;
        }
        ok = buf_add(out, slice_part(text, 0, from), fault) &&
             buf_add(out, buf_slice(&payload), fault) &&
             buf_add(out, slice_part(text, from + payload.len, text.len), fault);
    } else {
        drop_values(redaction, first);
        ok = ok && buf_add(out, text, fault);
    }
    buf_free_secret(&carried.bytes);
    return ok;
}

static bool redact_within(struct redaction *redaction, struct slice text, int level,
                          struct buf *out, struct fault *fault)
{
    struct slice trimmed = slice_trim(text);
    bool is_json = false;

    if (level >= LEAVES_LEVELS_MAX || trimmed.len == 0)
        return buf_add(out, text, fault);
    if (trimmed.at[0] == '{' || trimmed.at[0] == '[') {
        struct walk walk = {.redaction = redaction, .document = text, .level = level};

        if (!redact_json(&walk, out, &is_json, fault))
            return false;
        return is_json || buf_add(out, text, fault);
    }
    return redact_carried(redaction, text, level, out, fault);
}

/* From the inside out: what a text carries, then the text itself. */
static bool redact_text(struct redaction *redaction, struct slice text, int level,
                        struct buf *out, struct fault *fault)
{
    AUTO_BUF_SECRET struct buf within = buf_with_limit(text.len * 2 + GROWTH_BYTES);

    return redact_within(redaction, text, level, &within, fault) &&
           redaction->scan->redact(redaction->scan->self, buf_slice(&within),
                                   redaction->classes, out, note, redaction, fault);
}

bool redact_document(struct redaction *redaction, struct slice document,
                     const struct leaves *found, struct buf *ret_document, struct fault *fault)
{
    struct walk walk = {
        .redaction = redaction, .document = document, .level = -1, .found = found};
    struct facts facts = {0};
    bool is_json = false, ok;

    walk.facts = &facts;
    ok = facts_read(document, &facts, fault) &&
         redact_json(&walk, ret_document, &is_json, fault);
    facts_free(&facts);
    return ok;
}

void redaction_free(struct redaction *redaction)
{
    drop_values(redaction, 0);
    free(redaction->values);
    redaction->values = NULL;
    redaction->room = 0;
}
