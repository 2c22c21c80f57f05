/* fuzz/read_health.h - what holds of each reading of a health format. */
#ifndef CUSTODY_FUZZ_READ_HEALTH_H
#define CUSTODY_FUZZ_READ_HEALTH_H

#include <stdlib.h>

#include "classify/read_health.h"

/* Pieces cover the text and lie in the content, in order; elements lie in the text, outer ones
 * first; what is mapped lies in the content. */
static inline int fuzz_reading(enum format format,
                               bool (*read)(struct reading *, struct slice, struct fault *),
                               const uint8_t *data, size_t size)
{
    struct reading reading;
    struct fault fault = {0};

    reading_begin(&reading, format, slice_of_bytes(data, size));
    if (!read(&reading, slice_of(""), &fault)) {
        reading_free(&reading);
        return 0;
    }
    reading_finish(&reading);
    for (size_t i = 0; i < reading.piece_count; i++) {
        const struct piece *piece = &reading.pieces[i];

        if (piece->from > piece->to || piece->to > size || piece->text_at > reading.text.len ||
            (i > 0 && (piece->text_at <= piece[-1].text_at || piece->from < piece[-1].to)))
            abort();
    }
    for (size_t i = 0; i < reading.element_count; i++) {
        const struct element *element = &reading.elements[i];
        enum finding_form form;
        size_t from, to;

        if (element->start >= element->end || element->end > reading.text.len ||
            (i > 0 && element->start < element[-1].start))
            abort();
        reading_map(&reading, element->start, element->end, &from, &to, &form);
        if (from > to || to > size || form >= FORM_COUNT ||
            (form == FORM_PLAIN &&
             !slice_equal(slice_part(reading.text, element->start, element->end),
                          slice_of_bytes(data + from, to - from))))
            abort();
    }
    reading_free(&reading);
    return 0;
}

#endif
