/*
 * The first byte chooses a path, the rest is a content: whatever a reader makes of it, elements
 * lie inside the text, in order, and every stretch of the text maps into the content. The same
 * of what is decoded from it.
 */
#include <stdint.h>
#include <stdlib.h>

#include "classify/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_place(const struct reading *reading, size_t start, size_t end)
{
    enum finding_form form;
    size_t from, to;

    reading_map(reading, start, end, &from, &to, &form);
    if (from > to || to > reading->content.len || form >= FORM_COUNT)
        abort();
}

static void check(const struct reading *reading)
{
    size_t before = 0;

    for (size_t i = 0; i < reading->element_count; i++) {
        const struct element *element = &reading->elements[i];

        if (element->start < before || element->start >= element->end ||
            element->end > reading->text.len)
            abort();
        before = element->start;
        check_place(reading, element->start, element->end);
    }
    for (size_t at = 0; at < reading->text.len; at++)
        check_place(reading, at, at + 1 + (at * 7919) % (reading->text.len - at));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const paths[] = {"",      "a.json", "a.csv",   "a.sql",        ".env",
                                        "a.yml", ".netrc", ".pgpass", "a.properties", "a.tsv"};
    struct reading readings[DECODE_DEPTH + 1];
    struct fault fault = {0};
    unsigned depth = 0;

    if (size == 0 ||
        !reading_make(slice_of_bytes(data + 1, size - 1),
                      slice_of(paths[data[0] % COUNT(paths)]), &readings[0], &fault))
        return 0;
    check(&readings[0]);
    while (depth < DECODE_DEPTH &&
           reading_decode(&readings[depth], depth, &readings[depth + 1], &fault))
        check(&readings[++depth]);
    do
        reading_free(&readings[depth]);
    while (depth-- > 0);
    return 0;
}
