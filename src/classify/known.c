#include "classify/known.h"

#include <stdlib.h>

#include "base/scope.h"
#include "classify/encodings.h"

#define LEVELS 2 /* encodings on top of one another */
#define LINE_BYTES_MIN 16
#define PIECE_STEP (KNOWN_PIECE_BYTES_MAX / 2)
#define COMPARED_MAX 64
#define FILTER_BITS 19
#define WORK_PER_BYTE 64
#define WORK_LEAST (UINT64_C(1) << 20)
#define TEXT_BYTES_MAX (64UL * 1024 * 1024)
#define MIX UINT64_C(0x9e3779b97f4a7c15)

struct piece {
    uint64_t head;  /* its first KNOWN_BYTES_MIN bytes, folded */
    uint32_t after; /* 1 + the next of the same slot; 0: none */
    uint8_t len;
    uint8_t class;
    bool is_number; /* digits only: part of a longer number is something else */
    uint8_t at[KNOWN_PIECE_BYTES_MAX]; /* folded */
};

struct known {
    struct piece *pieces;
    size_t count, room;
    uint32_t *slots; /* 1 + a piece; 0: free */
    size_t slot_count;
    uint64_t filter[(1UL << FILTER_BITS) / 64];
};

/* A search through one text. */
struct search {
    const struct known *known;
    unsigned found;
    uint64_t work, work_max;
};

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
    free(known);
}

size_t known_count(const struct known *known)
{
    return known->count;
}

/* ---- the pieces ---- */

static uint8_t fold(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte;
}

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

static uint64_t roll(uint64_t head, uint8_t byte)
{
    return (head << 8 | fold(byte)) & ((UINT64_C(1) << 8 * KNOWN_BYTES_MIN) - 1);
}

static size_t filter_bit(uint64_t head)
{
    return (size_t)(head * MIX >> (64 - FILTER_BITS));
}

static size_t slot_of(const struct known *known, uint64_t head)
{
    return (size_t)(head * MIX >> 16) & (known->slot_count - 1);
}

static void put(struct known *known, size_t number)
{
    struct piece *piece = &known->pieces[number];
    size_t bit = filter_bit(piece->head), slot = slot_of(known, piece->head);

    known->filter[bit / 64] |= UINT64_C(1) << bit % 64;
    piece->after = known->slots[slot];
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

/* Of many that begin alike not all are compared: one that is there twice takes room, no more. */
static bool is_there(const struct known *known, const struct piece *piece)
{
    uint32_t next = known->slots[slot_of(known, piece->head)];

    for (unsigned i = 0; next != 0 && i < COMPARED_MAX; i++) {
        const struct piece *other = &known->pieces[next - 1];

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
    struct piece piece = {.len = (uint8_t)bytes.len,
                          .class = (uint8_t) class,
                          .is_number = bytes.len <
                                       PIECE_STEP}; /* not one that was cut out of its line */

    if (known->count == KNOWN_PIECES_MAX)
        return fault_set(fault, FAULT_LIMIT,
                         "more than %u values that a process may read and a model may not: "
                         "redact some of their classes",
                         KNOWN_PIECES_MAX);
    for (size_t i = 0; i < bytes.len; i++) {
        piece.at[i] = fold(bytes.at[i]);
        piece.is_number = piece.is_number && is_digit(bytes.at[i]);
        if (i < KNOWN_BYTES_MIN)
            piece.head = roll(piece.head, bytes.at[i]);
    }
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
    static encoding_remove *const of_files[] = {encoding_escapes, encoding_percent};

    if (!add_value(known, value, class, fault))
        return false;
    for (size_t i = 0; i < COUNT(of_files); i++) {
        AUTO_BUF_SECRET struct buf plain = buf_with_limit(value.len);

        if (!of_files[i](value, 0, &plain, fault) ||
            !add_value(known, buf_slice(&plain), class, fault))
            return false;
    }
    return true;
}

/* ---- between processes: class, length, bytes ---- */

bool known_encode(const struct known *known, struct buf *ret_packet, struct fault *fault)
{
    for (size_t i = 0; i < known->count; i++) {
        const struct piece *piece = &known->pieces[i];

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

/* ---- looking ---- */

static bool matches(const struct piece *piece, struct slice text, size_t at)
{
    if (piece->len > text.len - at)
        return false;
    for (size_t i = KNOWN_BYTES_MIN; i < piece->len; i++)
        if (fold(text.at[at + i]) != piece->at[i])
            return false;
    return !piece->is_number ||
           ((at == 0 || !is_digit(text.at[at - 1])) &&
            (at + piece->len == text.len || !is_digit(text.at[at + piece->len])));
}

/* The pieces that begin with these bytes. */
static void look_at(struct search *search, uint64_t head, struct slice text, size_t at)
{
    const struct known *known = search->known;

    for (uint32_t next = known->slots[slot_of(known, head)]; next != 0;) {
        const struct piece *piece = &known->pieces[next - 1];

        search->work++;
        if (piece->head == head) {
            search->work += piece->len;
            if (matches(piece, text, at))
                search->found |= CLASS_BIT(piece->class);
        }
        next = piece->after;
    }
}

static void look(struct search *search, struct slice text)
{
    uint64_t head = 0;

    for (size_t i = 0; i < text.len && search->work <= search->work_max; i++) {
        size_t bit;

        head = roll(head, text.at[i]);
        if (i + 1 < KNOWN_BYTES_MIN)
            continue;
        bit = filter_bit(head);
        if ((search->known->filter[bit / 64] >> bit % 64 & 1) != 0)
            look_at(search, head, text, i + 1 - KNOWN_BYTES_MIN);
    }
}

static void look_deep(struct search *search, struct slice text, unsigned level)
{
    look(search, text);
    for (size_t i = 0; level < LEVELS && i < ENCODING_COUNT; i++) {
        AUTO_BUF struct buf decoded = buf_with_limit(text.len + 1);
        struct fault fault = {0};

        if (encodings[i].is_alone && level > 0)
            continue;
        if (!encodings[i].remove(text, encodings[i].shift, &decoded, &fault))
            search->found |= CLASS_BIT(CLASS_OPAQUE);
        else if (decoded.len >= KNOWN_BYTES_MIN)
            look_deep(search, buf_slice(&decoded), encodings[i].is_alone ? LEVELS : level + 1);
    }
}

unsigned known_find(const struct known *known, struct slice text)
{
    struct search search = {.known = known,
                            .work_max = (uint64_t)text.len * WORK_PER_BYTE + WORK_LEAST};

    if (known->count == 0)
        return 0;
    if (text.len > TEXT_BYTES_MAX)
        return CLASS_BIT(CLASS_OPAQUE);
    look_deep(&search, text, 0);
    return search.found | (search.work > search.work_max ? CLASS_BIT(CLASS_OPAQUE) : 0);
}
