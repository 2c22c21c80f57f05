/*
 * Any content with findings of every shape and form: the same length, each value replaced (or
 * nothing in it to replace), its form kept, and all of it back again.
 *
 * Input: pieces of a byte of shape, a byte of form, a byte of length, the value, a byte of
 * length, what follows it.
 */
#include <stdint.h>
#include <stdlib.h>

#include "classify/letters.h"
#include "classify/surrogate.h"

#define FINDINGS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum surrogate_shape shape_of(uint16_t rule)
{
    return (enum surrogate_shape)(rule % SHAPE_COUNT);
}

static uint8_t next(struct slice *rest)
{
    uint8_t byte = rest->len > 0 ? rest->at[0] : 0;

    *rest = slice_part(*rest, 1, rest->len);
    return byte;
}

/* Copies up to `len` bytes; gives how many. */
static size_t take(struct slice *rest, size_t len, uint8_t *at)
{
    struct slice part = slice_part(*rest, 0, len);

    if (part.len > 0)
        memcpy(at, part.at, part.len);
    *rest = slice_part(*rest, part.len, rest->len);
    return part.len;
}

/* As many characters; what could be read can be. */
static void check_form(struct slice before, struct slice after, unsigned form)
{
    struct letters a, b;

    letters_read(before, (enum finding_form)form, &a);
    letters_read(after, (enum finding_form)form, &b);
    if ((a.count != b.count && b.text.len == 0) || a.text.len > b.text.len)
        abort();
    letters_free(&a);
    letters_free(&b);
}

static const struct surrogate_pair *pair_of(const struct surrogate_map *map,
                                            struct slice original)
{
    for (size_t i = 0; i < map->count; i++)
        if (slice_equal(map->at[i].original, original))
            return &map->at[i];
    abort();
}

/* One value has one stand-in, in the form of the first that it was found in. */
static unsigned first_form(const struct finding *findings, size_t number, const uint8_t *content)
{
    const struct finding *of = &findings[number];

    for (size_t i = 0; i < number; i++)
        if (slice_equal(
                slice_of_bytes(content + of->start, of->end - of->start),
                slice_of_bytes(content + findings[i].start, findings[i].end - findings[i].start)))
            return findings[i].form;
    return of->form;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct surrogate_key key = {.bytes = {1}};
    static const enum verdict all[CLASS_COUNT] = {VERDICT_REDACT, VERDICT_REDACT,
                                                  VERDICT_REDACT, VERDICT_REDACT,
                                                  VERDICT_REDACT, VERDICT_REDACT};
    struct slice rest = slice_of_bytes(data, size);
    struct finding findings[FINDINGS_MAX];
    struct buf redacted = buf_with_limit(size + 1), restored = buf_with_limit(size + 1);
    struct surrogate_map map = {0};
    struct surrogate_outcome outcome = {0};
    struct fault fault = {0};
    uint8_t *content = xalloc(size + 1);
    size_t len = 0, count = 0;
    bool fits = true;

    while (rest.len > 3 && count < FINDINGS_MAX) {
        struct finding *finding = &findings[count];

        *finding = (struct finding){.start = len, .rule = next(&rest), .class = CLASS_PII};
        finding->form = next(&rest) % FORM_COUNT;
        len += take(&rest, next(&rest), content + len);
        finding->end = len;
        len += take(&rest, next(&rest), content + len);
        if (finding->end == finding->start)
            continue;
        count++;
        fits = fits && surrogate_fits(finding->form, finding->end - finding->start);
    }
    if (redact_shaped(slice_of_bytes(content, len), findings, count, all, shape_of, &key,
                      &redacted, &map, &fault) != fits)
        abort();
    for (size_t i = 0; fits && i < count; i++) {
        struct slice before =
            slice_of_bytes(content + findings[i].start, findings[i].end - findings[i].start);
        struct slice after =
            slice_part(buf_slice(&redacted), findings[i].start, findings[i].end);
        const struct surrogate_pair *pair = pair_of(&map, before);

        if (slice_equal(before, after) != (pair->trust == SURROGATE_NONE))
            abort();
        if (first_form(findings, i, content) == findings[i].form)
            check_form(before, after, findings[i].form);
    }
    if (fits) {
        struct surrogate_base base = {slice_of_bytes(content, len), buf_slice(&redacted)};

        if (redacted.len != len ||
            !surrogate_restore(buf_slice(&redacted), &map, &base, &restored, &outcome,
                               &fault) ||
            restored.len != len ||
            (outcome.unsure == 0 && !slice_equal(buf_slice(&restored), base.original)))
            abort();
    }
    surrogate_map_free(&map);
    buf_free(&redacted);
    buf_free(&restored);
    free(content);
    return 0;
}
