#include "classify/known_parts.h"

#include <stdlib.h>

#include "base/scope.h"
#include "classify/ascii.h"
#include "classify/decode.h"

#define LINE_BYTES_MIN 16
#define PIECE_STEP (KNOWN_PIECE_BYTES_MAX / 2)
#define COMPARED_MAX 64

struct known *known_new(void)
{
    return xalloc(sizeof(struct known));
}

void known_free(struct known *known)
{
    if (known == NULL)
        return;
    if (known->pieces != NULL)
        explicit_bzero(known->pieces, known->room * sizeof(*known->pieces));
    free(known->pieces);
    free(known->slots);
    known_index_free(known->index);
    free(known);
}

size_t known_count(const struct known *known)
{
    return known->count;
}

/* ---- the pieces ---- */

static size_t slot_of(const struct known *known, const struct known_piece *piece)
{
    uint64_t hash = piece->class + UINT64_C(14695981039346656037); /* FNV-1a */

    for (size_t i = 0; i < piece->len; i++)
        hash = (hash ^ piece->at[i]) * UINT64_C(1099511628211);
    return (size_t)(hash >> 8) & (known->slot_count - 1);
}

static void put(struct known *known, size_t number)
{
    size_t slot = slot_of(known, &known->pieces[number]);

    known->pieces[number].after = known->slots[slot];
    known->slots[slot] = (uint32_t)number + 1;
}

static void make_room(struct known *known)
{
    if (known->count < known->slot_count)
        return;
    free(known->slots);
    known->slot_count = known->slot_count == 0 ? 64 : known->slot_count * 2;
    known->slots = xalloc_array(known->slot_count, sizeof(*known->slots));
    for (size_t i = 0; i < known->count; i++)
        put(known, i);
}

/* Of many of one slot not all are compared: one that is there twice takes room, no more. */
static bool is_there(const struct known *known, const struct known_piece *piece)
{
    uint32_t next = known->slots[slot_of(known, piece)];

    for (unsigned i = 0; next != 0 && i < COMPARED_MAX; i++) {
        const struct known_piece *other = &known->pieces[next - 1];

        if (other->len == piece->len && other->class == piece->class &&
            memcmp(other->at, piece->at, piece->len) == 0)
            return true;
        next = other->after;
    }
    return false;
}

/* As it is: exactly what known_decode reads. */
static bool add_piece(struct known *known, struct slice bytes, enum data_class class,
                      struct fault *fault)
{
    struct known_piece piece = {.len = (uint8_t)bytes.len,
                                .class = (uint8_t) class,
                                .is_number =
                                    bytes.len < PIECE_STEP && /* not cut out of its line */
                                    slice_is_digits(bytes)};

    if (known->count == KNOWN_PIECES_MAX)
        return fault_set(fault, FAULT_LIMIT,
                         "more than %u values that a process may read and a model may not: "
                         "redact some of their classes",
                         KNOWN_PIECES_MAX);
    memcpy(piece.at, bytes.at, bytes.len);
    make_room(known);
    if (is_there(known, &piece))
        return true;
    known->pieces =
        xgrow(known->pieces, &known->room, known->count + 1, sizeof(*known->pieces));
    known->pieces[known->count] = piece;
    put(known, known->count++);
    return true;
}

/* A long line is known wherever a reader cuts it off. */
static bool add_line(struct known *known, struct slice line, enum data_class class,
                     struct fault *fault)
{
    if (line.len <= KNOWN_PIECE_BYTES_MAX)
        return line.len < KNOWN_BYTES_MIN || add_piece(known, line, class, fault);
    for (size_t at = 0; at + PIECE_STEP <= line.len; at += PIECE_STEP)
        if (!add_piece(known, slice_part(line, at, at + PIECE_STEP), class, fault))
            return false;
    return true;
}

/* Short lines of a value, and the frame of a key, are in many a text. */
static bool add_value(struct known *known, struct slice value, enum data_class class,
                      struct fault *fault)
{
    struct slice rest = slice_trim(value), line;
    bool is_line = slice_find_byte(rest, '\n', 0) == SIZE_MAX;

    while (slice_cut(&rest, '\n', &line)) {
        line = slice_trim(line);
        if (!is_line && (line.len < LINE_BYTES_MIN || slice_starts_with(line, SLICE("-----"))))
            continue;
        if (!add_line(known, line, class, fault))
            return false;
    }
    return true;
}

bool known_add(struct known *known, struct slice value, enum data_class class,
               struct fault *fault)
{
    struct reading written, plain;
    bool ok;

    reading_begin(&written, FORMAT_PLAIN, value);
    ok = add_value(known, value, class, fault) &&
         reading_add_plain(&written, 0, value.len, fault);
    reading_finish(&written);
    if (ok && reading_decode(&written, DECODE_DEPTH - 1, &plain, fault)) {
        ok = add_value(known, plain.text, class, fault);
        reading_free(&plain);
    }
    reading_free(&written);
    return ok;
}

/* ---- between processes: class, length, bytes ---- */

bool known_encode(const struct known *known, struct buf *ret_packet, struct fault *fault)
{
    for (size_t i = 0; i < known->count; i++) {
        const struct known_piece *piece = &known->pieces[i];

        if (!buf_add_byte(ret_packet, piece->class, fault) ||
            !buf_add_byte(ret_packet, piece->len, fault) ||
            !buf_add(ret_packet, slice_of_bytes(piece->at, piece->len), fault))
            return false;
    }
    return true;
}

bool known_decode(struct slice packet, struct known **ret_known, struct fault *fault)
{
    struct known *known = known_new();
    bool ok = true;

    while (ok && packet.len > 0) {
        size_t len = packet.len < 2 ? 0 : packet.at[1];

        ok = len >= KNOWN_BYTES_MIN && len <= KNOWN_PIECE_BYTES_MAX && len + 2 <= packet.len &&
             packet.at[0] < CLASS_COUNT;
        if (!ok)
            (void)fault_set(fault, FAULT_INVALID, "known values that cannot be read");
        else
            ok = add_piece(known, slice_part(packet, 2, 2 + len),
                           (enum data_class)packet.at[0], fault);
        packet = slice_part(packet, 2 + len, packet.len);
    }
    if (ok)
        *ret_known = known;
    else
        known_free(known);
    return ok;
}
