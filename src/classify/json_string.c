#include "classify/json_string.h"

#include "base/sixteen.h"

#define COPIED_MAX 64 /* by sixteens; more is memcpy's */

/* What a letter behind a backslash is; 0: it is more than a letter, or none. */
static const uint8_t letters[256] = {['n'] = '\n', ['t'] = '\t', ['r'] = '\r',  ['b'] = '\b',
                                     ['f'] = '\f', ['"'] = '"',  ['\\'] = '\\', ['/'] = '/'};

/* The first byte from `at` on that a string is not made of: a quote, a backslash, a line's
 * end; or the content's end. */
static inline size_t string_run(struct slice content, size_t at)
{
    while (content.len - at >= SIXTEEN) {
        sixteen bytes = sixteen_load(content.at + at);
        unsigned first = sixteen_first(sixteen_is(bytes, '"') | sixteen_is(bytes, '\\') |
                                       sixteen_is(bytes, '\n'));

        if (first < SIXTEEN)
            return at + first;
        at += SIXTEEN;
    }
    while (at < content.len && content.at[at] != '"' && content.at[at] != '\\' &&
           content.at[at] != '\n')
        at++;
    return at;
}

/* A reading and how far it is, out of memory: nothing else changes them meanwhile. */
struct writer {
    uint8_t *text;
    size_t len, room;
    struct piece *pieces;
    size_t count, piece_room;
    size_t done;
};

static struct writer take(const struct rewrite *rewrite)
{
    const struct reading *reading = rewrite->reading;
    const struct buf *decoded = &reading->decoded;

    return (struct writer){.text = decoded->at,
                           .len = decoded->len,
                           .room = decoded->room < decoded->limit ? decoded->room : decoded->limit,
                           .pieces = reading->pieces,
                           .count = reading->piece_count,
                           .piece_room = reading->piece_room < READING_PIECES_MAX
                                             ? reading->piece_room
                                             : READING_PIECES_MAX,
                           .done = rewrite->done};
}

static void give_back(const struct writer *writer, struct rewrite *rewrite)
{
    rewrite->reading->decoded.len = writer->len;
    rewrite->reading->piece_count = writer->count;
    rewrite->done = writer->done;
}

/* Room for two pieces, and for text up to `at`, a byte, and what is copied too far? The last piece must not be one
 * that goes on. */
static inline bool has_room(const struct writer *writer, size_t at)
{
    const struct piece *last;

    if (writer->len == 0 || writer->count == 0 ||
        at - writer->done + READING_SLACK >= writer->room - writer->len ||
        writer->count + 2 > writer->piece_room)
        return false;
    last = &writer->pieces[writer->count - 1];
    return last->form != FORM_PLAIN || last->to != writer->done;
}

static inline void add_piece(struct writer *writer, size_t from, size_t to,
                             enum finding_form form, uint8_t content_unit)
{
    writer->pieces[writer->count++] = (struct piece){.text_at = (uint32_t)writer->len,
                                                     .from = (uint32_t)from,
                                                     .to = (uint32_t)to,
                                                     .form = (uint8_t)form,
                                                     .text_unit = 1,
                                                     .content_unit = content_unit};
}

static inline void copy(struct writer *writer, struct slice content, size_t to)
{
    size_t len = to - writer->done;
    uint8_t *out = writer->text + writer->len;
    const uint8_t *from = content.at + writer->done;

    if (len > COPIED_MAX || content.len - to < SIXTEEN)
        memcpy(out, from, len);
    else
        for (size_t i = 0; i < len; i += SIXTEEN)
            memcpy(out + i, from + i, SIXTEEN);
    writer->len += len;
}

/* The letter behind a backslash at `at` stands for `byte`. Letters that follow one another are one piece. */
static inline void replace(struct writer *writer, struct slice content, size_t at, uint8_t byte)
{
    struct piece *last;

    if (writer->done < at) {
        add_piece(writer, writer->done, at, FORM_PLAIN, 1);
        copy(writer, content, at);
    }
    last = &writer->pieces[writer->count - 1];
    if (last->form == FORM_BACKSLASH && last->text_unit == 1 && last->content_unit == 2 &&
        last->to == at)
        last->to += 2;
    else
        add_piece(writer, at, at + 2, FORM_BACKSLASH, 2);
    writer->text[writer->len++] = byte;
    writer->done = at + 2;
}

bool json_string_read(struct rewrite *rewrite, struct slice content, size_t at,
                      struct json_string *ret_string, struct fault *fault)
{
    struct writer writer = take(rewrite);
    size_t line_end = SIZE_MAX;
    bool is_plain = true;

    while ((at = string_run(content, at)) < content.len && content.at[at] == '\\') {
        uint8_t letter = at + 1 < content.len ? content.at[at + 1] : 0, byte = letters[letter];

        if (byte != 0 && has_room(&writer, at)) {
            replace(&writer, content, at, byte);
            at += 2;
            is_plain = false;
        } else {
            give_back(&writer, rewrite);
            if (!rewrite_escape_json(rewrite, content, &at, &is_plain, fault))
                return false;
            writer = take(rewrite);
        }
        line_end = letter == 'n' ? at : line_end;
    }
    give_back(&writer, rewrite);
    *ret_string = (struct json_string){.end = at, .is_plain = is_plain, .is_line = line_end == at};
    return is_plain || rewrite_keep(rewrite, at, fault);
}
