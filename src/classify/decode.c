#include "classify/decode.h"

#include "classify/decode_parts.h"
#include "classify/read.h"

bool decode_add_bytes(struct decoding *decoding, struct slice bytes, size_t from, size_t to,
                      enum finding_form form, struct fault *fault)
{
    struct reading *inner = decoding->inner, found;
    bool ok, is_sealed;

    if (!read_content(bytes, (struct slice){0}, decoding->depth, &found, fault))
        return false;
    is_sealed = found.format == FORMAT_ARCHIVE || found.format == FORMAT_DOCUMENT;
    if (found.is_opaque || found.text.len >= inner->decoded.limit - inner->decoded.len) {
        inner->unexamined += to - from;
        ok = true;
    } else {
        ok = reading_add_whole(inner, &found, from, to, is_sealed ? FORM_SEALED : form,
                               fault) &&
             reading_add_break(inner, SLICE("\n"), to, fault);
    }
    reading_free(&found);
    return ok;
}

/* Strings of elements that are JSON. */
bool decode_strings(struct decoding *decoding, struct fault *fault)
{
    const struct reading *outer = decoding->outer;
    size_t done = 0;

    for (size_t i = 0; i < outer->element_count; i++) {
        const struct element *element = &outer->elements[i];
        struct slice text = slice_part(outer->text, element->start, element->end);

        if (text.len < 8 || (text.at[0] != '{' && text.at[0] != '[') ||
            element->start < done || !read_looks_like_json(text))
            continue;
        if (!read_json_part(decoding->inner, element->start, element->end, fault) ||
            !reading_add_break(decoding->inner, SLICE("\n"), element->end, fault))
            return false;
        done = element->end;
    }
    return true;
}

bool reading_decode(const struct reading *outer, unsigned depth, struct reading *ret_inner,
                    struct fault *fault)
{
    static decode_pass *const passes[] = {decode_lines, decode_runs, decode_pairs, decode_wraps,
                                          decode_strings, decode_wide};
    struct decoding decoding = {
        .outer = outer, .text = outer->text, .depth = depth + 1, .inner = ret_inner};
    bool ok = true;

    reading_begin(ret_inner, FORMAT_PLAIN, outer->text);
    for (size_t i = 0; ok && depth < DECODE_DEPTH && i < COUNT(passes); i++)
        ok = passes[i](&decoding, fault);
    if (!ok && fault->kind == FAULT_LIMIT) { /* what there is is looked through */
        ret_inner->unexamined += outer->text.len;
        ok = true;
    }
    reading_finish(ret_inner);
    if (!ok)
        reading_free(ret_inner);
    return ok;
}

void decode_map(const struct reading *readings, size_t count, size_t start, size_t end,
                size_t *ret_from, size_t *ret_to, enum finding_form *ret_form)
{
    *ret_from = start;
    *ret_to = end;
    *ret_form = FORM_PLAIN;
    for (size_t i = count; i-- > 0;) {
        enum finding_form form;

        reading_map(&readings[i], *ret_from, *ret_to, ret_from, ret_to, &form);
        *ret_form = form_over(*ret_form, form);
    }
}
