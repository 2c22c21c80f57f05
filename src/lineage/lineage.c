#include "lineage/lineage.h"

#include <stdlib.h>

#include "lineage/parts.h"

#define ALONE_BYTES 16 /* a line that stands in one place, and is as long, tells alone */
#define RUN_PIECES 3   /* as many that tell something, one after another, do too */
#define TOOLS_MAX 256
#define TOOL_BYTES_MAX 64

struct lineage *lineage_new(struct served *served, const struct lines_key *key)
{
    struct lineage *lineage = xalloc(sizeof(*lineage));

    *lineage = (struct lineage){.served = served, .key = *key};
    return lineage;
}

void lineage_free(struct lineage *lineage)
{
    if (lineage == NULL)
        return;
    places_free(&lineage->places);
    kept_free(&lineage->kept);
    for (size_t i = 0; i < lineage->file_count; i++)
        free(lineage->files[i].marks);
    free(lineage->files);
    free(lineage->touched);
    free(lineage->pieces);
    buf_free(&lineage->tools);
    served_close(lineage->served);
    free(lineage);
}

static void learn(struct lineage *lineage)
{
    struct served_file file;

    while (served_next(lineage->served, &file)) {
        lineage->files = xgrow(lineage->files, &lineage->file_room, lineage->file_count + 1,
                               sizeof(*lineage->files));
        lineage->files[lineage->file_count] = (struct lineage_file){.served = file};
        for (size_t i = 0; i < file.count; i++)
            if (lines_tells(file.hashes[i]))
                places_add(&lineage->places, file.hashes[i],
                           (struct place){(uint32_t)lineage->file_count, (uint32_t)i});
        lineage->file_count++;
        kept_forget(&lineage->kept);
    }
}

void lineage_begin(struct lineage *lineage)
{
    learn(lineage);
    for (size_t i = 0; i < lineage->touched_count; i++) {
        struct lineage_file *file = &lineage->files[lineage->touched[i]];

        free(file->marks);
        file->marks = NULL;
    }
    lineage->touched_count = 0;
    lineage->tool_count = 0;
    buf_clear(&lineage->tools);
    lineage->tools.limit = TOOLS_MAX * (TOOL_BYTES_MAX + 8);
}

/* ---- where they come from ---- */

static bool fits(const struct served_file *file, size_t at, uint64_t hash)
{
    return file->hashes[at] == hash;
}

/* Pieces of a text that stand in a file, too, one after another. */
struct run {
    struct stretch from;
    size_t first; /* of the text's pieces */
    size_t telling;
    bool alone; /* one of them tells alone */
};

/* The longest run through piece `at` that is also in the file, there. */
static struct run run_through(const struct lineage *lineage, size_t at, struct place place)
{
    const struct served_file *file = &lineage->files[place.file].served;
    const struct piece *pieces = lineage->pieces;
    size_t before = 0, after = 1;
    struct run run;

    while (before < at && before < place.piece &&
           fits(file, place.piece - before - 1, pieces[at - before - 1].hash))
        before++;
    while (at + after < lineage->piece_count && place.piece + after < file->count &&
           fits(file, place.piece + after, pieces[at + after].hash))
        after++;
    run = (struct run){{{place.file, place.piece - (uint32_t)before},
                        (uint32_t)(before + after)},
                       at - before,
                       0,
                       false};
    for (size_t i = run.first; i < run.first + run.from.count; i++) {
        run.telling += lines_tells(pieces[i].hash);
        run.alone =
            run.alone || (pieces[i].place_count == 1 && pieces[i].len >= ALONE_BYTES);
    }
    return run;
}

static void mark(struct lineage *lineage, const struct stretch *stretch)
{
    struct lineage_file *file = &lineage->files[stretch->from.file];

    if (file->marks == NULL) {
        file->marks = xalloc(file->served.count / 8 + 1);
        lineage->touched = xgrow(lineage->touched, &lineage->touched_room,
                                 lineage->touched_count + 1, sizeof(*lineage->touched));
        lineage->touched[lineage->touched_count++] = stretch->from.file;
    }
    for (size_t i = stretch->from.piece; i < stretch->from.piece + stretch->count; i++)
        file->marks[i / 8] |= (uint8_t)(1U << i % 8);
}

/* Marks where the piece comes from, with its run; returns how many pieces are done with. */
static size_t trace(struct lineage *lineage, size_t at)
{
    struct place places[PLACES_OF_ONE_MAX];
    struct run best = {0};
    size_t count;

    if (lineage->pieces[at].place_count == 0)
        return 1;
    count = places_find(&lineage->places, lineage->pieces[at].hash, places);
    for (size_t i = 0; i < count; i++) {
        struct run run = run_through(lineage, at, places[i]);

        if (run.telling > best.telling)
            best = run;
    }
    if (best.telling == 0 || (!best.alone && best.telling < RUN_PIECES))
        return 1;
    mark(lineage, &best.from);
    kept_note(&lineage->kept, &best.from);
    return best.first + best.from.count - at;
}

void lineage_look(struct lineage *lineage, struct slice text)
{
    const struct stretch *stretches;
    size_t count;

    if (lineage->file_count == 0 || text.len < LINES_SHORT_BYTES)
        return;
    text = slice_part(text, 0, LINEAGE_TEXT_BYTES_MAX);
    if (kept_find(&lineage->kept, &lineage->key, text, &stretches, &count)) {
        for (size_t i = 0; i < count; i++)
            mark(lineage, &stretches[i]);
        return;
    }
    pieces_of(lineage, text);
    for (size_t at = 0; at < lineage->piece_count;)
        at += trace(lineage, at);
    kept_add(&lineage->kept);
}

static bool is_name(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '_' || byte == '-' || byte == '.';
}

void lineage_tool(struct lineage *lineage, struct slice call)
{
    struct buf *tools = &lineage->tools;
    size_t before = tools->len;
    struct fault fault = {0};
    bool ok = lineage->tool_count < TOOLS_MAX && call.len > 0 && call.len <= TOOL_BYTES_MAX &&
              buf_add_text(tools, "tool ", &fault);

    for (size_t i = 0; ok && i < call.len; i++)
        ok = is_name(call.at[i]) && buf_add_byte(tools, call.at[i], &fault);
    ok = ok && buf_add_byte(tools, ';', &fault);
    if (ok && slice_find(slice_part(buf_slice(tools), 0, before),
                         slice_part(buf_slice(tools), before, tools->len), 0) == SIZE_MAX)
        lineage->tool_count++;
    else
        tools->len = before;
}
