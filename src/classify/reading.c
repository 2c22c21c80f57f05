#include "classify/reading.h"

#include <stdlib.h>

#define NAME_BLOCK_BYTES 8192
#define NAME_CACHE_SLOTS 1024 /* a power of two */
#define GROWTH_FLOOR 4096     /* a tiny content may grow more */

struct name_block {
    struct name_block *next;
    size_t used;
    uint8_t bytes[NAME_BLOCK_BYTES];
};

/* Names are kept once where they recur soon. The cache has one slot a hash: what collides is
 * kept twice, so that no input makes looking a name up slow. */
struct reading_names {
    struct name_block *blocks;
    size_t bytes;
    struct slice cache[NAME_CACHE_SLOTS];
};

void reading_begin(struct reading *ret_reading, enum format format, struct slice content)
{
    size_t limit = 0;

    if (__builtin_mul_overflow(content.len, (size_t)READING_GROWTH_MAX, &limit) ||
        __builtin_add_overflow(limit, (size_t)GROWTH_FLOOR, &limit))
        limit = SIZE_MAX;
    *ret_reading = (struct reading){
        .format = format,
        .content = content,
        .decoded = buf_with_limit(limit),
        .is_sorted = true,
    };
}

void reading_free(struct reading *reading)
{
    struct name_block *block = reading->names == NULL ? NULL : reading->names->blocks;

    while (block != NULL) {
        struct name_block *next = block->next;

        free(block);
        block = next;
    }
    free(reading->names);
    free(reading->pieces);
    free(reading->elements);
    free(reading->pages);
    if (reading->decoded.len > 0)
        explicit_bzero(reading->decoded.at, reading->decoded.room - reading->decoded.len < READING_SLACK
                                                ? reading->decoded.room
                                                : reading->decoded.len + READING_SLACK);
    buf_free(&reading->decoded);
    *reading = (struct reading){0};
}

/* ---- text and pieces ---- */

static const struct piece *last_piece(const struct reading *reading)
{
    return &reading->pieces[reading->piece_count - 1];
}

/* Is the text so far the first bytes of the content, not copied? */
static bool is_whole(const struct reading *reading)
{
    return reading->piece_count == 0 ||
           (reading->piece_count == 1 && reading->decoded.len == 0 &&
            last_piece(reading)->from == 0 && last_piece(reading)->form == FORM_PLAIN);
}

size_t reading_at(const struct reading *reading)
{
    return is_whole(reading) && reading->piece_count == 1 ? last_piece(reading)->to
                                                          : reading->decoded.len;
}

/* Beyond the limit everything belongs to the last piece, which is exact no more. */
static void add_to_last(struct reading *reading, size_t from, size_t to,
                        enum finding_form form)
{
    struct piece *piece = &reading->pieces[reading->piece_count - 1];

    if (piece->form != form || form == FORM_PLAIN || piece->to != from)
        piece->form = FORM_MIXED;
    if (to > piece->to)
        piece->to = (uint32_t)to;
    piece->text_unit = piece->content_unit = 0;
}

static inline void add_piece(struct reading *reading, size_t from, size_t to, enum finding_form form,
                      uint8_t text_unit, uint8_t content_unit)
{
    if (reading->piece_count == READING_PIECES_MAX) {
        add_to_last(reading, from, to, form);
        return;
    }
    reading->pieces = xgrow(reading->pieces, &reading->piece_room, reading->piece_count + 1,
                            sizeof(*reading->pieces));
    reading->pieces[reading->piece_count++] =
        (struct piece){.text_at = (uint32_t)reading->decoded.len,
                       .from = (uint32_t)from,
                       .to = (uint32_t)to,
                       .form = (uint8_t)form,
                       .text_unit = text_unit,
                       .content_unit = content_unit};
}

/* Copies what was not copied so far. */
static bool part_from_content(struct reading *reading, struct fault *fault)
{
    return !is_whole(reading) || reading->piece_count == 0 ||
           (buf_reserve(&reading->decoded, reading->content.len, fault) &&
            buf_add(&reading->decoded,
                    slice_part(reading->content, 0, last_piece(reading)->to), fault));
}

bool reading_add_plain(struct reading *reading, size_t from, size_t to, struct fault *fault)
{
    struct piece *last;

    if (from == to)
        return true;
    if (reading->piece_count == 0 && from == 0) {
        add_piece(reading, from, to, FORM_PLAIN, 1, 1);
        return true;
    }
    if (reading->piece_count > 0) {
        last = &reading->pieces[reading->piece_count - 1];
        if (last->form == FORM_PLAIN && last->text_unit == 1 && last->to == from) {
            if (!is_whole(reading) &&
                !buf_add(&reading->decoded, slice_part(reading->content, from, to), fault))
                return false;
            last->to = (uint32_t)to;
            return true;
        }
    }
    if (!part_from_content(reading, fault))
        return false;
    add_piece(reading, from, to, FORM_PLAIN, 1, 1);
    return buf_add(&reading->decoded, slice_part(reading->content, from, to), fault);
}

bool reading_add_piece(struct reading *reading, struct slice text, size_t from, size_t to,
                       enum finding_form form, struct fault *fault)
{
    if (text.len == 0)
        return true;
    if (!part_from_content(reading, fault))
        return false;
    add_piece(reading, from, to, form, 0, 0);
    return buf_add(&reading->decoded, text, fault);
}

/* Is there room for a plain piece that is one of its own, and another one? */
static bool has_room(const struct reading *reading, size_t from, size_t len)
{
    const struct buf *decoded = &reading->decoded;

    return decoded->len > 0 && len < decoded->room - decoded->len &&
           len <= decoded->limit - decoded->len && reading->piece_room >= 2 &&
           reading->piece_count <= reading->piece_room - 2 &&
           reading->piece_count + 2 <= READING_PIECES_MAX &&
           (last_piece(reading)->form != FORM_PLAIN || last_piece(reading)->to != from);
}

bool reading_add_replaced(struct reading *reading, size_t from, size_t to, struct slice with,
                          size_t end, enum finding_form form, struct fault *fault)
{
    struct buf *decoded = &reading->decoded;

    if (with.len == 0 || !has_room(reading, from, to - from + with.len))
        return reading_add_plain(reading, from, to, fault) &&
               reading_add_piece(reading, with, to, end, form, fault);
    if (from < to) {
        add_piece(reading, from, to, FORM_PLAIN, 1, 1);
        memcpy(decoded->at + decoded->len, reading->content.at + from, to - from);
        decoded->len += to - from;
    }
    add_piece(reading, to, end, form, 0, 0);
    memcpy(decoded->at + decoded->len, with.at, with.len);
    decoded->len += with.len;
    return true;
}

bool reading_add_units(struct reading *reading, struct slice text, size_t from, size_t to,
                       enum finding_form form, uint8_t text_unit, uint8_t content_unit,
                       struct fault *fault)
{
    struct piece *last =
        reading->piece_count == 0 ? NULL : &reading->pieces[reading->piece_count - 1];

    if (text.len == 0 || !part_from_content(reading, fault))
        return text.len == 0;
    if (last != NULL && last->form == form && last->to == from &&
        last->text_unit == text_unit && last->content_unit == content_unit)
        last->to = (uint32_t)to;
    else
        add_piece(reading, from, to, form, text_unit, content_unit);
    return buf_add(&reading->decoded, text, fault);
}

bool reading_add_break(struct reading *reading, struct slice text, size_t at,
                       struct fault *fault)
{
    return reading_add_piece(reading, text, at, at, FORM_MIXED, fault);
}

/* ---- pages ---- */

void reading_mark_page(struct reading *reading, uint32_t page)
{
    reading->pages = xgrow(reading->pages, &reading->page_room, reading->page_count + 1,
                           sizeof(*reading->pages));
    reading->pages[reading->page_count++] =
        (struct page_mark){.text_to = reading_at(reading), .page = page};
}

uint32_t reading_page(const struct reading *reading, size_t at)
{
    size_t low = 0, high = reading->page_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (reading->pages[middle].text_to <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return low < reading->page_count ? reading->pages[low].page : 0;
}

/* ---- elements ---- */

static size_t name_hash(struct slice text)
{
    uint32_t hash = 2166136261U; /* FNV-1a */

    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ text.at[i]) * 16777619U;
    return (hash ^ hash >> 15) & (NAME_CACHE_SLOTS - 1);
}

static bool name_keep(struct reading *reading, struct slice text, struct slice *ret_kept)
{
    struct reading_names *names;
    struct slice *slot;

    *ret_kept = slice_of_bytes("", 0);
    if (text.len == 0 || text.len > READING_NAME_MAX)
        return true;
    if (reading->names == NULL)
        reading->names = xalloc(sizeof(*reading->names));
    names = reading->names;
    slot = &names->cache[name_hash(text)];
    if (!slice_equal(*slot, text)) {
        if (names->bytes + text.len > READING_NAMES_MAX)
            return false;
        if (names->blocks == NULL || text.len > NAME_BLOCK_BYTES - names->blocks->used) {
            struct name_block *block = xalloc(sizeof(*block));

            block->next = names->blocks;
            names->blocks = block;
        }
        *slot = slice_of_bytes(names->blocks->bytes + names->blocks->used, text.len);
        memcpy(names->blocks->bytes + names->blocks->used, text.at, text.len);
        names->blocks->used += text.len;
        names->bytes += text.len;
    }
    *ret_kept = *slot;
    return true;
}

static void add_element(struct reading *reading, struct element element)
{
    if (element.start >= element.end)
        return;
    if (reading->element_count == READING_ELEMENTS_MAX ||
        !name_keep(reading, element.name, &element.name) ||
        !name_keep(reading, element.position, &element.position)) {
        reading->unexamined += element.end - element.start;
        return;
    }
    reading->elements = xgrow(reading->elements, &reading->element_room,
                              reading->element_count + 1, sizeof(*reading->elements));
    if (reading->element_count > 0 &&
        reading->elements[reading->element_count - 1].start > element.start)
        reading->is_sorted = false;
    if (reading->element_count > 0 &&
        reading->elements[reading->element_count - 1].start == element.start &&
        reading->elements[reading->element_count - 1].end < element.end)
        reading->is_sorted = false;
    reading->elements[reading->element_count++] = element;
}

void reading_element(struct reading *reading, size_t start, size_t end, struct slice name,
                     struct slice position)
{
    add_element(reading, (struct element){
                             .start = start, .end = end, .name = name, .position = position});
}

void reading_prose(struct reading *reading, size_t start, size_t end, struct slice name,
                   struct slice position)
{
    add_element(
        reading,
        (struct element){
            .start = start, .end = end, .name = name, .position = position, .is_prose = true});
}

void reading_cell(struct reading *reading, size_t start, size_t end, struct slice name,
                  size_t column)
{
    add_element(reading,
                (struct element){
                    .start = start, .end = end, .name = name, .column = (uint32_t)column});
}

void reading_add_elements(struct reading *reading, const struct reading *inner, size_t shift)
{
    reading->unexamined += inner->unexamined;
    for (size_t i = 0; i < inner->element_count; i++) {
        struct element element = inner->elements[i];

        element.start += shift;
        element.end += shift;
        add_element(reading, element);
    }
}

bool reading_add_whole(struct reading *reading, const struct reading *inner, size_t from,
                       size_t to, enum finding_form form, struct fault *fault)
{
    size_t shift = reading_at(reading);

    if (!reading_add_piece(reading, inner->text, from, to, form, fault))
        return false;
    reading_add_elements(reading, inner, shift);
    return true;
}

static int element_order(const void *a, const void *b)
{
    const struct element *x = a, *y = b;

    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    return (x->end < y->end) - (x->end > y->end);
}

void reading_finish(struct reading *reading)
{
    if (!reading->is_sorted)
        qsort(reading->elements, reading->element_count, sizeof(*reading->elements),
              element_order);
    reading->is_sorted = true;
    if (is_whole(reading) && reading_at(reading) == reading->content.len) {
        free(reading->pieces);
        reading->pieces = NULL;
        reading->piece_count = reading->piece_room = 0;
        reading->text = reading->content;
        return;
    }
    reading->text = is_whole(reading) ? slice_part(reading->content, 0, reading_at(reading))
                                      : buf_slice(&reading->decoded);
}

/* ---- back to the content ---- */

size_t reading_piece(const struct reading *reading, size_t at)
{
    size_t low = 0, high = reading->piece_count;

    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;

        if (reading->pieces[middle].text_at <= at)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static enum finding_form form_with(enum finding_form form, const struct piece *piece,
                                   const struct piece *before)
{
    if (before != NULL && before->to != piece->from)
        return FORM_MIXED;
    if (form == FORM_PLAIN || form == piece->form)
        return (enum finding_form)piece->form;
    return piece->form == FORM_PLAIN ? form : FORM_MIXED;
}

enum finding_form form_over(enum finding_form inner, enum finding_form outer)
{
    if (inner == FORM_SEALED || outer == FORM_SEALED)
        return FORM_SEALED;
    if (inner == FORM_PLAIN || outer == FORM_PLAIN)
        return inner == FORM_PLAIN ? outer : inner;
    return FORM_MIXED;
}

static size_t content_place(const struct piece *piece, size_t at)
{
    return piece->from + (at - piece->text_at) / piece->text_unit * piece->content_unit;
}

void reading_map(const struct reading *reading, size_t start, size_t end, size_t *ret_from,
                 size_t *ret_to, enum finding_form *ret_form)
{
    const struct piece *first, *last;
    enum finding_form form = FORM_PLAIN;

    *ret_from = start;
    *ret_to = end;
    *ret_form = FORM_PLAIN;
    if (reading->piece_count == 0 || start >= end)
        return;
    first = &reading->pieces[reading_piece(reading, start)];
    last = &reading->pieces[reading_piece(reading, end - 1)];
    for (const struct piece *piece = first; piece <= last && form != FORM_MIXED; piece++)
        form = form_with(form, piece, piece == first ? NULL : piece - 1);
    *ret_from = first->text_unit == 0 ? first->from : content_place(first, start);
    *ret_to = last->text_unit == 0
                  ? last->to
                  : content_place(last, end + last->text_unit - 1); /* whole characters */
    if (*ret_from > *ret_to) { /* from the end of one part of the content to an earlier one */
        size_t from = *ret_to;

        *ret_to = *ret_from;
        *ret_from = from;
    }
    *ret_form = form;
}
