/* Replacing: every value of a file by a stand-in of its own. */
#include <stdlib.h>

#include "base/scope.h"
#include "classify/ascii.h"
#include "classify/lookup.h"
#include "classify/occurrence.h"
#include "classify/surrogate.h"

#define SALTS_MAX 64
#define WEAK_SALTS_MAX 12 /* there are few of its shape: it shares one sooner */
#define ECHO_BYTES_MIN 8
#define WORK_PER_BYTE 128
#define WORK_LEAST                                                                            \
    (UINT64_C(1) << 16) /* what even a small file may cost, in bytes of a larger one */

void surrogate_map_free(struct surrogate_map *map)
{
    for (size_t i = 0; i < map->count; i++) {
        uint8_t *surrogate = (uint8_t *)(uintptr_t)map->at[i].surrogate.at;
        uint8_t *original = (uint8_t *)(uintptr_t)map->at[i].original.at;

        explicit_bzero(original, map->at[i].original.len);
        free(surrogate);
        free(original);
    }
    free(map->at);
    free(map->echoes);
    *map = (struct surrogate_map){0};
}

/* ---- which values there are ---- */

/* A finding that is to be replaced. */
struct spot {
    struct slice original;
    size_t start;
    uint16_t rule;
    uint8_t form;
    enum data_class class;
    uint32_t pair; /* of its value, in the map */
};

struct spots {
    struct spot *at;
    size_t count, room;
};

/* Equal values together, each group led by the first in the file. */
static int by_value(const void *a, const void *b)
{
    const struct spot *x = a, *y = b;
    int order = slice_compare(x->original, y->original);

    return order != 0 ? order : x->start < y->start ? -1 : x->start > y->start;
}

static void add_spot(struct spots *spots, struct spot spot)
{
    spots->at = xgrow(spots->at, &spots->room, spots->count + 1, sizeof(*spots->at));
    spots->at[spots->count++] = spot;
}

/* Does policy let all that is in it be seen? */
static bool is_shown(const struct finding *finding, const enum verdict verdicts[CLASS_COUNT])
{
    for (unsigned class = 0; class < CLASS_COUNT; class++)
        if ((finding_classes(finding) & CLASS_BIT(class)) != 0 && verdicts[class] != VERDICT_ALLOW)
            return false;
    return true;
}

static bool take_spots(struct slice content, const struct finding *findings, size_t count,
                       const enum verdict verdicts[CLASS_COUNT], struct spots *spots,
                       struct fault *fault)
{
    for (size_t i = 0; i < count; i++) {
        const struct finding *finding = &findings[i];

        if (finding->end > content.len || finding->start >= finding->end ||
            finding->class >= CLASS_COUNT)
            return fault_set(fault, FAULT_INVALID, "a finding outside of its content");
        if (is_shown(finding, verdicts))
            continue;
        if (!surrogate_fits(finding->form, finding->end - finding->start))
            return fault_set(fault, FAULT_DENIED, "a value (%s) cannot be replaced in place",
                             classify_rule_id(finding->rule));
        add_spot(spots,
                 (struct spot){.original = slice_part(content, finding->start, finding->end),
                               .start = finding->start,
                               .rule = finding->rule,
                               .form = finding->form,
                               .class = finding->class});
    }
    if (spots->count > 1)
        qsort(spots->at, spots->count, sizeof(*spots->at), by_value);
    return true;
}

/* A pair under way: how its value is written, and the next salt to try. */
struct attempt {
    uint8_t form, salt;
};

/* One pair for each value, its stand-in still to be made. */
static void add_pairs(struct spots *spots, struct surrogate_map *map,
                      struct attempt *attempts, enum surrogate_shape (*shape_of)(uint16_t rule))
{
    for (size_t i = 0; i < spots->count; i++) {
        const struct spot *spot = &spots->at[i];

        if (i == 0 || !slice_equal(spot->original, spots->at[i - 1].original)) {
            map->at = xgrow(map->at, &map->room, map->count + 1, sizeof(*map->at));
            attempts[map->count].form = spot->form;
            map->at[map->count++] = (struct surrogate_pair){
                .surrogate =
                    slice_of_bytes(xalloc(spot->original.len), spot->original.len),
                .original = slice_of_bytes(slice_dup(spot->original), spot->original.len),
                  .rule = spot->rule,
                .shape = shape_of(spot->rule),
                .class = spot->class};
        }
        spots->at[i].pair = (uint32_t)map->count - 1;
    }
}

/* ---- their stand-ins ---- */

/* The stand-ins that have been tried, by their hashes: two with one hash cost another salt, no
 * more. */
struct taken {
    uint64_t *hashes; /* 0: an empty slot */
    size_t mask, count;
};

struct standing {
    struct slice content;
    const struct surrogate_key *key;
    struct surrogate_pair *pairs;
    size_t count;
    struct attempt *attempts; /* one a pair */
    struct taken taken;
    struct occurrence_work work;
};

static bool take_hash(struct taken *taken, uint64_t hash)
{
    size_t slot = (size_t)(hash >> 24) & taken->mask;

    while (taken->hashes[slot] != 0 && taken->hashes[slot] != hash)
        slot = (slot + 1) & taken->mask;
    if (taken->hashes[slot] == hash)
        return false;
    taken->hashes[slot] = hash;
    taken->count++;
    return true;
}

static void grow(struct taken *taken)
{
    struct taken larger = {.mask = taken->mask * 2 + 1};

    larger.hashes = xalloc_array(larger.mask + 1, sizeof(*larger.hashes));
    for (size_t i = 0; taken->hashes != NULL && i <= taken->mask; i++)
        if (taken->hashes[i] != 0)
            (void)take_hash(&larger, taken->hashes[i]);
    free(taken->hashes);
    *taken = larger;
}

/* False: it has been tried. FNV-1a: nobody without the key can choose what is hashed here. */
static bool take(struct taken *taken, struct slice text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ text.at[i]) * UINT64_C(0x100000001b3);
    if (taken->hashes == NULL || taken->count * 2 > taken->mask)
        grow(taken);
    return take_hash(taken, hash | 1);
}

static bool make_one(struct standing *standing, size_t number, struct fault *fault)
{
    struct surrogate_pair *pair = &standing->pairs[number];
    struct attempt *attempt = &standing->attempts[number];

    return surrogate_make(standing->key, pair->shape,
                          (enum finding_form)attempt->form, attempt->salt++, pair, fault) ||
           fault_in(fault, "%s", classify_rule_id(pair->rule));
}

/*
 * The next stand-in of its salts that no other pair has. Where there are none left, as of a
 * short value's shape, or of dates, that are moved as they are, it shares one or is the same
 * as something in the file, and is put back by what is around it alone.
 */
static bool make_next(struct standing *standing, size_t number, bool *ret_unique,
                      struct fault *fault)
{
    struct surrogate_pair *pair = &standing->pairs[number];

    *ret_unique = false;
    while (standing->attempts[number].salt <
           (pair->trust == SURROGATE_BY_TOKEN ? SALTS_MAX : WEAK_SALTS_MAX)) {
        if (!make_one(standing, number, fault))
            return false;
        if (pair->trust == SURROGATE_NONE)
            return true;
        *ret_unique = take(&standing->taken, pair->surrogate);
        if (*ret_unique)
            return true;
    }
    if (!make_one(standing, number, fault))
        return false;
    if (pair->trust != SURROGATE_NONE)
        pair->trust = SURROGATE_BY_PLACE;
    return true;
}

static size_t first_difference(const struct surrogate_pair *pair)
{
    size_t at = 0;

    while (at < pair->original.len && pair->surrogate.at[at] == pair->original.at[at])
        at++;
    return at;
}

/* Nobody has looked whether they are in the content: it may be there by chance. */
static bool distrust(struct standing *standing, const uint32_t *wanted, size_t count)
{
    for (size_t i = 0; i < count; i++)
        standing->pairs[wanted[i]].trust = SURROGATE_BY_PLACE;
    return true;
}

/*
 * All that are wanted at once, then again those that the content happens to hold (a value
 * itself is there, too), until none is left.
 */
static bool make_all(struct standing *standing, uint32_t *wanted, struct occurrence *texts,
                     struct fault *fault)
{
    size_t left = standing->count;

    for (size_t i = 0; i < left; i++)
        wanted[i] = (uint32_t)i;
    while (left > 0) {
        size_t unique = 0, again = 0;
        struct fault too_long = {0};

        for (size_t i = 0; i < left; i++) {
            const struct surrogate_pair *pair = &standing->pairs[wanted[i]];
            bool is_unique;

            if (!make_next(standing, wanted[i], &is_unique, fault))
                return false;
            if (!is_unique)
                continue;
            texts[unique] = (struct occurrence){.text = pair->surrogate,
                                                .changed = first_difference(pair)};
            wanted[unique++] = wanted[i];
        }
        if (!occurrence_find(standing->content, texts, unique, &standing->work, &too_long))
            return distrust(standing, wanted, unique);
        for (size_t i = 0; i < unique; i++)
            if (texts[i].found)
                wanted[again++] = wanted[i];
        left = again;
    }
    return true;
}

static bool stand_in(struct slice content, const struct surrogate_key *key,
                     struct surrogate_map *map, struct attempt *attempts, struct fault *fault)
{
    struct standing standing = {.content = content,
                                .key = key,
                                .pairs = map->at,
                                .count = map->count,
                                .attempts = attempts,
                                .taken = {.mask = 1023},
                                .work = {.limit = (content.len + WORK_LEAST) * WORK_PER_BYTE}};
    AUTO_FREE uint32_t *wanted = xalloc_array(map->count + 1, sizeof(*wanted));
    AUTO_FREE struct occurrence *texts = xalloc_array(map->count + 1, sizeof(*texts));
    bool ok = make_all(&standing, wanted, texts, fault);

    free(standing.taken.hashes);
    return ok;
}

/* ---- the same values elsewhere in the file ---- */

/* Long, and no word: a name or an address may be one of the file's own. */
static bool is_echoed(const struct surrogate_pair *pair)
{
    static const bool by_shape[SHAPE_COUNT] = {
        [SHAPE_TEXT] = true,  [SHAPE_SECRET] = true, [SHAPE_CARD] = true, [SHAPE_SSN] = true,
        [SHAPE_EMAIL] = true, [SHAPE_PHONE] = true,  [SHAPE_URL] = true,  [SHAPE_IPV6] = true,
        [SHAPE_MAC] = true,   [SHAPE_IBAN] = true};
    bool has_digit = false;

    for (size_t i = 0; i < pair->original.len; i++)
        has_digit = has_digit || is_digit(pair->original.at[i]);
    return pair->trust == SURROGATE_BY_TOKEN && pair->original.len >= ECHO_BYTES_MIN &&
           has_digit && by_shape[pair->shape];
}

/* From values to their stand-ins. */
static struct lookup *values_lookup(const struct surrogate_map *map,
                                    struct surrogate_map *values)
{
    values->at = xalloc_array(map->count + 1, sizeof(*values->at));
    for (size_t i = 0; i < map->count; i++)
        if (is_echoed(&map->at[i])) {
            values->at[values->count] = map->at[i];
            values->at[values->count].surrogate = map->at[i].original;
            values->at[values->count++].original = map->at[i].surrogate;
        }
    return lookup_new(values, false);
}

static void note_echo(struct surrogate_map *map, const struct lookup_entry *entry, size_t at)
{
    map->echoes = xgrow(map->echoes, &map->echo_room, map->echo_count + 1,
                        sizeof(*map->echoes));
    map->echoes[map->echo_count++] = (struct finding){.start = at,
                                                      .end = at + entry->surrogate.len,
                                                      .class = entry->class,
                                                      .rule = entry->rule};
}

/* Writes stand-ins where a value stands in `out` that no finding has told of. */
static void replace_echoes(struct surrogate_map *map, uint8_t *out, size_t len)
{
    struct surrogate_map values = {0};
    struct lookup *lookup = values_lookup(map, &values);
    struct slice text = slice_of_bytes(out, len);

    for (size_t at = 0; at < len && values.count > 0;) {
        const struct lookup_entry *entry = lookup_at(lookup, slice_part(text, at, len));
        bool found = entry != NULL && entry->trust == SURROGATE_BY_TOKEN &&
                     lookup_stands_alone(text, at, entry->surrogate.len);

        if (found) {
            memcpy(out + at, entry->original.at, entry->original.len);
            note_echo(map, entry, at);
        }
        at += found ? entry->surrogate.len : 1;
    }
    lookup_free(lookup);
    free(values.at);
}

bool redact_shaped(struct slice content, const struct finding *findings, size_t count,
                   const enum verdict verdicts[CLASS_COUNT],
                   enum surrogate_shape (*shape_of)(uint16_t rule),
                   const struct surrogate_key *key, struct buf *ret_redacted,
                   struct surrogate_map *map, struct fault *fault)
{
    struct surrogate_map own = {0};
    struct spots spots = {0};
    AUTO_FREE struct attempt *attempts = xalloc_array(count + 1, sizeof(*attempts));
    size_t begin = ret_redacted->len;
    bool ok = take_spots(content, findings, count, verdicts, &spots, fault);

    if (ok)
        add_pairs(&spots, &own, attempts, shape_of);
    ok = ok && stand_in(content, key, &own, attempts, fault) &&
         buf_add(ret_redacted, content, fault);
    for (size_t i = 0; ok && i < spots.count; i++) {
        struct slice surrogate = own.at[spots.at[i].pair].surrogate;

        memcpy(ret_redacted->at + begin + spots.at[i].start, surrogate.at, surrogate.len);
    }
    if (ok)
        replace_echoes(&own, ret_redacted->at + begin, content.len);
    free(spots.at);
    if (ok && map != NULL)
        *map = own;
    else
        surrogate_map_free(&own);
    return ok;
}

bool redact(struct slice content, const struct finding *findings, size_t count,
            const enum verdict verdicts[CLASS_COUNT], const struct surrogate_key *key,
            struct buf *ret_redacted, struct surrogate_map *map, struct fault *fault)
{
    return redact_shaped(content, findings, count, verdicts, classify_rule_shape, key,
                         ret_redacted, map, fault);
}
