/*
 * PDF files: what their pages show, what forms and notes hold, and the files within them. A word
 * is placed in the stream of its page, as far into it as into the page's text; there is no more
 * exact place, and nothing can be replaced.
 */
#include <stdlib.h>

#include "base/scope.h"
#include "base/sixteen.h"
#include "classify/archives.h"
#include "classify/pdfs.h"
#include "classify/read.h"

#define TEXT_BYTES_MAX (64UL * 1024 * 1024) /* of all that is in the file */
#define PARTS_MAX 200000
#define PDF_DEPTH_MAX 2 /* packed or encoded so many times, it is opaque */

static const struct pdf_opener *opener;

void classify_use_pdfs(const struct pdf_opener *new_opener)
{
    opener = new_opener;
}

/* %PDF-, PK or gzip in base64; all three are told apart from words by their first two bytes. */
static bool is_packed_sign(struct slice content, size_t at)
{
    static const struct slice signs[] = {
        {(const uint8_t *)"JVBERi0", 7},
        {(const uint8_t *)"UEsDB", 5},
        {(const uint8_t *)"H4sI", 4},
    };
    struct slice here = slice_part(content, at, content.len);

    for (size_t i = 0; i < COUNT(signs); i++)
        if (slice_starts_with(here, signs[i]))
            return true;
    return false;
}

bool classify_may_hold_pdf(struct slice content)
{
    size_t at = 0;

    if (classify_is_packed(content))
        return true;
    for (; content.len - at > SIXTEEN; at += SIXTEEN) {
        sixteen first = sixteen_load(content.at + at), second = sixteen_load(content.at + at + 1);
        uint64_t bits = sixteen_bits(
            (sixteen_is(first, 'J') | sixteen_is(first, 'U') | sixteen_is(first, 'H')) &
            (sixteen_is(second, 'V') | sixteen_is(second, 'E') | sixteen_is(second, '4')));

        for (; bits != 0; bits &= bits - 1)
            if (is_packed_sign(content, at + (size_t)__builtin_ctzll(bits)))
                return true;
    }
    for (; at < content.len; at++)
        if (is_packed_sign(content, at))
            return true;
    return false;
}

/* ---- gathering ---- */

enum part_kind { PART_TEXT, PART_FIELD, PART_FILE };

struct part {
    enum part_kind kind;
    struct pdf_place place;
    size_t name_at, name_len, at, len; /* in the bytes of all parts */
};

struct gathering {
    struct reading *reading;
    struct part *parts;
    size_t count, room;
    struct buf bytes;
};

static void left_out(void *self, size_t bytes)
{
    struct gathering *gathering = self;

    gathering->reading->unexamined += bytes == 0 ? 1 : bytes;
}

static void add(struct gathering *gathering, enum part_kind kind, struct pdf_place place,
                struct slice name, struct slice bytes)
{
    struct part part = {.kind = kind,
                        .place = place,
                        .name_at = gathering->bytes.len,
                        .name_len = name.len,
                        .at = gathering->bytes.len + name.len,
                        .len = bytes.len};
    size_t whole = gathering->reading->content.len;
    struct fault fault;

    if (bytes.len == 0)
        return;
    if (place.to > whole || place.from >= place.to || gathering->count == PARTS_MAX ||
        !buf_add(&gathering->bytes, name, &fault) ||
        !buf_add(&gathering->bytes, bytes, &fault)) {
        left_out(gathering, bytes.len);
        return;
    }
    gathering->parts = xgrow(gathering->parts, &gathering->room, gathering->count + 1,
                             sizeof(*gathering->parts));
    gathering->parts[gathering->count++] = part;
}

static void take_text(void *self, struct pdf_place place, struct slice text)
{
    add(self, PART_TEXT, place, (struct slice){0}, text);
}

static void take_field(void *self, struct pdf_place place, struct slice name,
                       struct slice text)
{
    add(self, PART_FIELD, place, slice_part(name, 0, READING_NAME_MAX), text);
}

static void take_file(void *self, struct pdf_place place, struct slice name,
                      struct slice bytes)
{
    add(self, PART_FILE, place, slice_part(name, 0, READING_NAME_MAX), bytes);
}

static int by_place(const void *a, const void *b)
{
    const struct part *x = a, *y = b;

    if (x->place.from != y->place.from)
        return x->place.from < y->place.from ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

/* ---- reading ---- */

/* Parts of one place share it, one behind the other. */
struct laying {
    struct reading *reading;
    const struct gathering *gathering;
    unsigned depth;
    size_t all, done; /* bytes of the parts of this place */
    size_t last;      /* where the last piece is */
};

static struct slice bytes_of(const struct laying *laying, size_t at, size_t len)
{
    return slice_part(buf_slice(&laying->gathering->bytes), at, at + len);
}

/* Where in the content that is which is `at` of the `all` bytes that a part reads as. */
static size_t place_of(const struct laying *laying, const struct part *part, size_t at,
                       size_t all)
{
    size_t wide = part->place.to - part->place.from;
    size_t into = laying->done + (size_t)((__uint128_t)part->len * at / all);

    return part->place.from + (size_t)((__uint128_t)wide * into / laying->all);
}

/* Text [at, at + len) of the `all` bytes that the part reads as. Of more words than bytes some
 * have one place. */
static bool lay(struct laying *laying, const struct part *part, struct slice text, size_t at,
                size_t all, struct fault *fault)
{
    size_t from = place_of(laying, part, at, all);
    size_t to = place_of(laying, part, at + text.len, all);

    if (from >= part->place.to)
        from = part->place.to - 1;
    if (to <= from)
        to = from + 1;
    laying->last = from;
    return reading_add_piece(laying->reading, text, from, to, FORM_SEALED, fault);
}

static size_t word_end(struct slice text, size_t at)
{
    while (at < text.len && text.at[at] > ' ')
        at++;
    while (at < text.len && text.at[at] <= ' ')
        at++;
    return at;
}

static bool lay_words(struct laying *laying, const struct part *part,
                      const struct reading *found, struct fault *fault)
{
    struct slice text = found->text;
    size_t shift = reading_at(laying->reading), end;

    for (size_t at = 0; at < text.len; at = end) {
        end = word_end(text, at);
        if (!lay(laying, part, slice_part(text, at, end), at, text.len, fault))
            return false;
    }
    reading_add_elements(laying->reading, found, shift);
    if (part->kind == PART_TEXT)
        reading_prose(laying->reading, shift, reading_at(laying->reading), (struct slice){0},
                      (struct slice){0});
    return true;
}

/* A page's text is read as a file without a name is; a field's as it stands. */
static bool lay_part(struct laying *laying, const struct part *part, struct fault *fault)
{
    struct slice name = bytes_of(laying, part->name_at, part->name_len);
    struct slice bytes = bytes_of(laying, part->at, part->len);
    struct reading *reading = laying->reading, found;
    size_t start = reading_at(reading);
    bool ok = true;

    if (part->kind == PART_FIELD) {
        ok = lay(laying, part, bytes, 0, bytes.len, fault);
        reading_element(reading, start, reading_at(reading), name, (struct slice){0});
    } else if (!read_content(bytes, part->kind == PART_FILE ? name : (struct slice){0},
                             laying->depth + 1, &found, fault)) {
        return false;
    } else {
        if (found.is_opaque)
            reading->unexamined += bytes.len;
        else
            ok = lay_words(laying, part, &found, fault);
        reading_free(&found);
    }
    ok = ok && reading_add_break(reading, SLICE("\n"), laying->last, fault);
    reading_mark_page(reading, part->place.page);
    return ok;
}

/* All parts of one place, of which `from` is the first. Gives the next place's first one. */
static size_t lay_place(struct laying *laying, size_t from, struct gathering *gathering)
{
    const struct part *parts = gathering->parts;
    size_t to = from;
    struct fault cut;

    laying->all = laying->done = 0;
    for (; to < gathering->count && parts[to].place.from == parts[from].place.from; to++)
        laying->all += parts[to].len;
    for (size_t i = from; i < to; i++) {
        if (!lay_part(laying, &parts[i], &cut)) /* what there is is looked through */
            left_out(gathering, parts[i].len);
        laying->done += parts[i].len;
    }
    return to;
}

bool read_pdf(struct reading *reading, unsigned depth, struct fault *fault)
{
    struct gathering gathering = {.reading = reading, .bytes = buf_with_limit(TEXT_BYTES_MAX)};
    const struct pdf_sink sink = {take_text, take_field, take_file, left_out, &gathering};
    struct laying laying = {.reading = reading, .gathering = &gathering, .depth = depth};

    if (opener == NULL || depth > PDF_DEPTH_MAX || !opener->walk(reading->content, &sink)) {
        reading->is_opaque = true;
        free(gathering.parts);
        buf_free_secret(&gathering.bytes);
        return reading_add_plain(reading, 0, reading->content.len, fault);
    }
    reading->decoded.limit = 2 * TEXT_BYTES_MAX;
    if (gathering.count > 1)
        qsort(gathering.parts, gathering.count, sizeof(*gathering.parts), by_place);
    for (size_t i = 0; i < gathering.count;)
        i = lay_place(&laying, i, &gathering);
    free(gathering.parts);
    buf_free_secret(&gathering.bytes);
    return true;
}
