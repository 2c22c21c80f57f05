/*
 * The pieces of a text. Lines are taken some at a time, so that the places of all of them are
 * under way while each is looked at: the table is larger than what a processor keeps near.
 */
#include "lineage/parts.h"

#define LINES_AT_ONCE 32

/* A line as it may be known: as it is, or without what a tool has written before it. */
struct candidate {
    struct slice line, rest; /* trimmed; as it was cut */
    uint64_t hash;           /* of its first piece */
    size_t place_count;
};

static uint64_t first_hash(const struct lineage *lineage, struct slice line)
{
    return lines_piece(&lineage->key, &line);
}

static void consider(const struct lineage *lineage, struct candidate *candidate,
                     struct slice rest)
{
    candidate->rest = rest;
    candidate->line = slice_trim(rest);
    candidate->hash = first_hash(lineage, candidate->line);
    candidate->place_count = SIZE_MAX;
    places_expect(&lineage->places, candidate->hash);
}

static bool is_known(const struct lineage *lineage, struct candidate *candidate)
{
    if (candidate->place_count == SIZE_MAX)
        candidate->place_count = places_find(&lineage->places, candidate->hash, NULL);
    return candidate->place_count > 0;
}

static struct piece *new_piece(struct lineage *lineage)
{
    lineage->pieces = xgrow(lineage->pieces, &lineage->piece_room, lineage->piece_count + 1,
                            sizeof(*lineage->pieces));
    return &lineage->pieces[lineage->piece_count++];
}

static void add_pieces(struct lineage *lineage, struct candidate *candidate)
{
    struct slice line = slice_part(candidate->line, LINES_PIECE_BYTES, candidate->line.len);

    (void)is_known(lineage, candidate);
    *new_piece(lineage) =
        (struct piece){candidate->hash, (uint32_t)(candidate->line.len - line.len),
                       (uint32_t)candidate->place_count};
    while (line.len > 0) {
        uint32_t len = (uint32_t)slice_part(line, 0, LINES_PIECE_BYTES).len;
        uint64_t hash = lines_piece(&lineage->key, &line);

        *new_piece(lineage) =
            (struct piece){hash, len, (uint32_t)places_find(&lineage->places, hash, NULL)};
    }
}

/* Whichever is known; of those that are not, the one without its first prefix. */
static void take_lines(struct lineage *lineage, struct candidate *lines, size_t count)
{
    struct candidate further[LINES_AT_ONCE];
    bool has_further[LINES_AT_ONCE] = {false};
    struct slice rest;

    for (size_t i = 0; i < count; i++)
        if (!is_known(lineage, &lines[i]) && lines_without_prefix(lines[i].rest, &rest)) {
            consider(lineage, &lines[i], rest);
            has_further[i] = true;
        }
    for (size_t i = 0; i < count; i++) {
        has_further[i] = has_further[i] && !is_known(lineage, &lines[i]) &&
                         lines_without_prefix(lines[i].rest, &rest);
        if (has_further[i])
            consider(lineage, &further[i], rest);
    }
    for (size_t i = 0; i < count; i++)
        add_pieces(lineage,
                   has_further[i] && is_known(lineage, &further[i]) ? &further[i] : &lines[i]);
}

void pieces_of(struct lineage *lineage, struct slice text)
{
    struct candidate lines[LINES_AT_ONCE];
    size_t count = 0;
    struct slice line;

    lineage->piece_count = 0;
    while (text.len > 0 && slice_cut(&text, '\n', &line)) {
        consider(lineage, &lines[count++], line);
        if (count == LINES_AT_ONCE) {
            take_lines(lineage, lines, count);
            count = 0;
        }
    }
    take_lines(lineage, lines, count);
}
