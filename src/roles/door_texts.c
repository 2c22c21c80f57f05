#include "roles/door_texts.h"

#include <stdlib.h>

#include "base/hex.h"
#include "base/scope.h"
#include "ledger/commitment.h"
#include "wire/base64.h"

#define FINDING_BYTES_MIN 8 /* no rule finds anything shorter */
#define CONTAINERS_MAX 2    /* base64 or digits within one another, as the classifier decodes */

_Static_assert(DOOR_SEAM_BYTES >= KNOWN_SEAM_BYTES, "a value fits on one side of a seam");
_Static_assert(DOOR_COMMITMENT_BYTES == COMMITMENT_BYTES, "a receipt holds a commitment");
_Static_assert(DOOR_COMMITMENT_BYTES == COMMITMENT_KEY_BYTES, "and a key is as long");

/* What was found in a text, one way of looking at it. */
struct found {
    unsigned classes, guesses;
    const char **rules;
};

static void look(const struct door_texts *texts, struct slice text, int depth,
                 struct found *found);

/* Of a name in a sentence nobody is sure: a call that is refused for one ends a run for
 * nothing. */
static bool is_sure(const struct finding *finding)
{
    enum surrogate_shape shape = classify_rule_shape(finding->rule);
    bool is_guess =
        finding->class == CLASS_PII && (shape == SHAPE_NAME || shape == SHAPE_ADDRESS);

    return finding->confidence >= (is_guess ? CONFIDENCE_HIGH : CONFIDENCE_MEDIUM);
}

/*
 * What the classifier is not sure of at all is for reports only. A stand-in of this run is not
 * what it stands for.
 */
static bool counts(const struct door_texts *texts, struct slice text,
                   const struct finding *finding)
{
    struct slice value = slice_part(text, finding->start, finding->end);
    enum surrogate_shape shape = classify_rule_shape(finding->rule);
    enum finding_form form = (enum finding_form)finding->form;

    return finding->confidence >= CONFIDENCE_MEDIUM &&
           !(texts->has_key && surrogate_is_ours_as_any(&texts->key, shape, form, value));
}

/* ---- what a run of base64 or of digits holds ---- */

static bool is_container(const struct finding *finding)
{
    return finding->form == FORM_BASE64 || finding->form == FORM_HEX;
}

/* The 0 of 0x4a. */
static bool is_prefix(struct slice run, size_t at)
{
    return run.at[at] == '0' && at + 1 < run.len && (run.at[at + 1] | 0x20) == 'x';
}

static bool open_container(struct slice run, bool is_hex, struct buf *out)
{
    unsigned per_digit = is_hex ? 4 : 6, bits = 0, count = 0;
    struct fault fault = {0};

    for (size_t i = 0; i < run.len; i++) {
        int digit = is_hex ? hex_digit(run.at[i]) : base64_digit(run.at[i]);

        if (digit < 0 || (is_hex && is_prefix(run, i)))
            continue; /* padding, a line break, what stands between two */
        bits = (bits << per_digit | (unsigned)digit) & 0xFFFF;
        count += per_digit;
        if (count >= 8) {
            count -= 8;
            if (!buf_add_byte(out, (uint8_t)(bits >> count), &fault))
                return false;
        }
    }
    return out->len > 0;
}

/* A run that holds a text is what the text is, less what stands for something there. */
static void look_into(const struct door_texts *texts, struct slice run,
                      const struct finding *finding, int depth, struct found *found)
{
    AUTO_BUF_SECRET struct buf inner = buf_with_limit(run.len);

    if (open_container(run, finding->form == FORM_HEX, &inner))
        look(texts, buf_slice(&inner), depth + 1, found);
}

static void take(const struct door_texts *texts, struct slice text,
                 const struct finding *finding, int depth, struct found *found)
{
    unsigned bit = CLASS_BIT(finding->class);

    if (!counts(texts, text, finding))
        return;
    if (is_container(finding) && depth < CONTAINERS_MAX) {
        struct found inner = {.rules = found->rules};

        look_into(texts, slice_part(text, finding->start, finding->end), finding, depth, &inner);
        found->classes |= inner.classes;
        found->guesses |= inner.guesses;
        return;
    }
    if (!is_sure(finding)) {
        found->guesses |= bit;
        return;
    }
    if ((found->classes & bit) == 0)
        found->rules[finding->class] = classify_rule_id(finding->rule);
    found->classes |= bit;
}

static void look(const struct door_texts *texts, struct slice text, int depth,
                 struct found *found)
{
    AUTO_FREE struct finding *findings = NULL;
    struct fault fault = {0};
    unsigned mask = 0;
    size_t count = 0;

    if (!leafcache_scan(texts->cache, text, SLICE(""), &findings, &count, &mask, &fault))
        mask = CLASS_BIT(CLASS_OPAQUE);
    for (size_t i = 0; i < count; i++)
        take(texts, text, &findings[i], depth, found);
    if ((mask & CLASS_BIT(CLASS_OPAQUE)) == 0 || depth > 0)
        return;
    found->classes |= CLASS_BIT(CLASS_OPAQUE);
    found->rules[CLASS_OPAQUE] = "unread";
}

/* Programs print NULs, and the classifier takes those for binary. */
static bool space_nul(struct slice text, struct buf *spaced)
{
    struct fault fault = {0};

    if (!buf_add(spaced, text, &fault))
        return false;
    for (size_t i = 0; i < spaced->len; i++)
        if (spaced->at[i] == 0)
            spaced->at[i] = ' ';
    return true;
}

/* Look behind them, both as gaps and as nothing at all (UTF-16). */
static void look_around_nul(const struct door_texts *texts, struct slice text,
                            struct found *found)
{
    AUTO_BUF struct buf spaced = buf_with_limit(text.len);
    AUTO_BUF struct buf joined = buf_with_limit(text.len);
    struct fault fault = {0};
    bool ok = space_nul(text, &spaced);

    for (size_t i = 0; ok && i < text.len; i++)
        ok = text.at[i] == 0 || buf_add_byte(&joined, text.at[i], &fault);
    if (!ok)
        found->classes |= CLASS_BIT(CLASS_OPAQUE);
    look(texts, buf_slice(&spaced), 0, found);
    look(texts, buf_slice(&joined), 0, found);
}

/* What the agent was shown as it is: the value itself, whatever a rule would make of it here.
 */
static unsigned known_in(void *self, struct slice text, const char *ret_rules[CLASS_COUNT])
{
    const struct door_texts *texts = self;
    unsigned mask = texts->known == NULL ? 0 : known_find(texts->known, text);

    for (unsigned class = 0; class < CLASS_COUNT; class ++)
        if ((mask & CLASS_BIT(class)) != 0 && ret_rules[class] == NULL)
            ret_rules[class] = "known-value";
    return mask;
}

static unsigned classes_of(void *self, struct slice text, const char *ret_rules[CLASS_COUNT],
                           unsigned *ret_guesses)
{
    struct found found = {.rules = ret_rules};

    if (text.len >= FINDING_BYTES_MIN) {
        if (slice_find_byte(text, 0, 0) != SIZE_MAX)
            look_around_nul(self, text, &found);
        else
            look(self, text, 0, &found);
    }
    *ret_guesses = found.guesses;
    return found.classes | known_in(self, text, ret_rules);
}

/* ---- replacing ---- */

struct replacing {
    const struct door_texts *texts;
    unsigned classes;
    door_replaced_note *note;
    void *note_self;
    /* of what a container holds: the place of the container */
    size_t at, len;
    bool is_within;
};

static bool replace(const struct replacing *replacing, struct slice text, int depth,
                    struct buf *ret_text, struct fault *fault);

static bool tell(const struct replacing *replacing, size_t at, size_t len,
                 const struct surrogate_pair *pair, struct fault *fault)
{
    struct door_replaced replaced = {.at = replacing->is_within ? replacing->at : at,
                                     .len = replacing->is_within ? replacing->len : len,
                                     .original = pair->original,
                                     .stand_in = pair->surrogate,
                                     .class = pair->class,
                                     .rule = classify_rule_id(pair->rule),
                                     .is_telling = pair->trust >= SURROGATE_BY_WORD};

    if (!commitment_make(replacing->texts->commitment_key, COMMITMENT_REDACTION,
                         pair->original, replaced.commitment, fault))
        return false;
    replacing->note(replacing->note_self, &replaced);
    return true;
}

static const struct surrogate_pair *pair_of(const struct surrogate_map *map,
                                            struct slice original)
{
    for (size_t i = 0; i < map->count; i++)
        if (slice_equal(map->at[i].original, original))
            return &map->at[i];
    return NULL;
}

static bool tell_all(const struct replacing *replacing, struct slice text,
                     const struct finding *findings, size_t count,
                     const struct surrogate_map *map, struct fault *fault)
{
    for (size_t i = 0; i < count; i++) {
        const struct surrogate_pair *pair =
            pair_of(map, slice_part(text, findings[i].start, findings[i].end));

        if (pair != NULL && pair->trust != SURROGATE_NONE &&
            !tell(replacing, findings[i].start, findings[i].end - findings[i].start, pair,
                  fault))
            return false;
    }
    return true;
}

/* What stands in the text itself. */
static bool replace_values(const struct replacing *replacing, struct slice text,
                           const struct finding *findings, size_t count,
                           struct buf *ret_text, struct fault *fault)
{
    enum verdict verdicts[CLASS_COUNT];
    struct surrogate_map map = {0};
    struct fault cannot = {0};
    bool ok;

    if (count == 0)
        return buf_add(ret_text, text, fault);
    for (unsigned class = 0; class < CLASS_COUNT; class ++)
        verdicts[class] = (replacing->classes & CLASS_BIT(class)) != 0 ? VERDICT_REDACT
                                                                       : VERDICT_ALLOW;
    if (!redact(text, findings, count, verdicts, &replacing->texts->key, ret_text, &map,
                &cannot))
        return buf_add(ret_text, text, fault); /* it stays, and refuses the call */
    ok = tell_all(replacing, text, findings, count, &map, fault) &&
         tell_all(replacing, text, map.echoes, map.echo_count, &map, fault);
    surrogate_map_free(&map);
    return ok;
}

static char digit_like(uint8_t was, unsigned value, bool is_hex, bool for_urls)
{
    static const char digits64[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    if (is_hex)
        return (was >= 'A' && was <= 'F' ? "0123456789ABCDEF" : "0123456789abcdef")[value];
    if (value >= 62 && for_urls)
        return value == 62 ? '-' : '_';
    return digits64[value];
}

/* Writes the bytes as the run is written; the digits of its last, partial byte stay. */
static void close_container(uint8_t *run, size_t len, bool is_hex, struct slice bytes)
{
    unsigned per_digit = is_hex ? 4 : 6;
    struct slice text = slice_of_bytes(run, len);
    bool for_urls = slice_find_byte(text, '-', 0) != SIZE_MAX ||
                    slice_find_byte(text, '_', 0) != SIZE_MAX;
    size_t bit = 0;

    for (size_t i = 0; i < len; i++) {
        int digit = is_hex ? hex_digit(run[i]) : base64_digit(run[i]);
        unsigned value = 0;

        if (digit < 0 || (is_hex && is_prefix(text, i)))
            continue;
        for (unsigned j = 0; j < per_digit; j++, bit++) {
            unsigned old = (unsigned)digit >> (per_digit - 1 - j) & 1;
            unsigned is = bit / 8 < bytes.len
                              ? (unsigned)bytes.at[bit / 8] >> (7 - bit % 8) & 1U
                              : old;

            value = value << 1 | is;
        }
        if (value != (unsigned)digit)
            run[i] = (uint8_t)digit_like(run[i], value, is_hex, for_urls);
    }
}

/* What stands in a run of base64 or of digits: decoded, replaced, encoded again. */
static bool replace_within(const struct replacing *replacing, const struct finding *finding,
                           uint8_t *text, int depth, struct fault *fault)
{
    size_t len = finding->end - finding->start;
    AUTO_BUF_SECRET struct buf inner = buf_with_limit(len), fresh = buf_with_limit(len);
    struct slice run = slice_of_bytes(text + finding->start, len);
    struct replacing within = *replacing;

    if (!within.is_within) {
        within.at = finding->start;
        within.len = len;
        within.is_within = true;
    }
    if (!open_container(run, finding->form == FORM_HEX, &inner))
        return true;
    if (!replace(&within, buf_slice(&inner), depth + 1, &fresh, fault))
        return false;
    close_container(text + finding->start, len, finding->form == FORM_HEX, buf_slice(&fresh));
    return true;
}

static bool is_meant(const struct replacing *replacing, struct slice text,
                     const struct finding *finding)
{
    return (replacing->classes & CLASS_BIT(finding->class)) != 0 &&
           counts(replacing->texts, text, finding);
}

static bool replace(const struct replacing *replacing, struct slice text, int depth,
                    struct buf *ret_text, struct fault *fault)
{
    AUTO_FREE struct finding *findings = NULL;
    AUTO_FREE struct finding *plain = NULL;
    size_t count = 0, plain_count = 0, begin = ret_text->len;
    unsigned mask = 0;
    bool ok = true;

    if (!leafcache_scan(replacing->texts->cache, text, SLICE(""), &findings, &count, &mask,
                        fault))
        return false;
    plain = xalloc_array(count + 1, sizeof(*plain));
    for (size_t i = 0; i < count; i++)
        if (is_meant(replacing, text, &findings[i]) && !is_container(&findings[i]) &&
            surrogate_fits(findings[i].form, findings[i].end - findings[i].start))
            plain[plain_count++] = findings[i];
    ok = replace_values(replacing, text, plain, plain_count, ret_text, fault);
    for (size_t i = 0; ok && i < count && depth < CONTAINERS_MAX; i++)
        if (is_container(&findings[i]) && is_meant(replacing, text, &findings[i]))
            ok = replace_within(replacing, &findings[i], ret_text->at + begin, depth, fault);
    return ok;
}

static bool redact_text(void *self, struct slice text, unsigned classes, struct buf *ret_text,
                        door_replaced_note *note, void *note_self, struct fault *fault)
{
    struct replacing replacing = {
        .texts = self, .classes = classes, .note = note, .note_self = note_self};
    AUTO_BUF_SECRET struct buf spaced = buf_with_limit(text.len);
    size_t begin = ret_text->len;

    if (text.len < FINDING_BYTES_MIN || !replacing.texts->has_key)
        return buf_add(ret_text, text, fault);
    if (slice_find_byte(text, 0, 0) == SIZE_MAX)
        return replace(&replacing, text, 0, ret_text, fault);
    if (!space_nul(text, &spaced) ||
        !replace(&replacing, buf_slice(&spaced), 0, ret_text, fault))
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] == 0)
            ret_text->at[begin + i] = 0;
    return true;
}

struct door_scan door_texts_scan(struct door_texts *texts)
{
    return (struct door_scan){.classes = classes_of,
                              .self = texts,
                              .across = known_in,
                              .redact = redact_text};
}
