/*
 * HL7 v2 (2.1 to 2.9, chapter 2). The text is the content with its escapes resolved; each
 * value that no separator divides is an element: "PID-5.1", where a component has
 * subcomponents "PID-5.1.2".
 */
#include "classify/read_health.h"

#include <stdio.h>

#include "base/hex.h"

#define ESCAPE_MAX 64 /* bytes that one \X..\ stands for, at most */

enum kind {
    KIND_VALUE,
    KIND_SUBCOMPONENT,
    KIND_COMPONENT,
    KIND_REPETITION,
    KIND_FIELD,
    KIND_END
};

struct place {
    struct slice segment;
    size_t field, component, subcomponent; /* from 1; subcomponent 0: the component has one */
    struct slice type; /* CX.5 of the repetition, OBX-2 of the segment; empty: unknown */
    bool is_prose;
};

struct hl7 {
    struct reading *reading;
    struct slice content;
    size_t done;           /* of the content: what comes before it is in the text */
    uint8_t separators[5]; /* | ^ ~ \ & */
    uint8_t kinds[256];    /* enum kind */
};

enum { FIELD, COMPONENT, REPETITION, ESCAPE, SUBCOMPONENT };

static const uint8_t standard[5] = {'|', '^', '~', '\\', '&'};

/* Fields of type CX: component 5 says what the identifier in component 1 is. */
static const struct {
    const char *segment;
    size_t field;
} identifiers[] = {
    {"PID", 2}, {"PID", 3}, {"PID", 4}, {"PID", 18}, {"PID", 21}, {"MRG", 1},
    {"MRG", 2}, {"MRG", 3}, {"MRG", 4}, {"NK1", 33}, {"GT1", 2},  {"IN1", 49},
};

/* Free text. OBX-5 depends on OBX-2. */
static const struct {
    const char *segment;
    size_t field;
} prose[] = {
    {"NTE", 3},  {"OBR", 13}, {"OBR", 31}, {"DG1", 4}, {"AL1", 5}, {"PR1", 4},
    {"ORC", 16}, {"PV2", 3},  {"TXA", 25}, {"RXO", 6}, {"RXE", 7}, {"ARV", 5},
};

/* OBX-2 of values that are no words: numbers, dates, times, codes. */
static const char *const wordless[] = {"NM", "SN", "DT", "TM", "TS", "DTM", "SI", "ID", "IS"};

static bool is_upper(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z';
}

static bool is_digit_or_upper(uint8_t byte)
{
    return is_upper(byte) || (byte >= '0' && byte <= '9');
}

static bool is_separator(uint8_t byte)
{
    return byte > ' ' && byte < 127 && !is_digit_or_upper(byte) &&
           !(byte >= 'a' && byte <= 'z');
}

static bool is_header(struct slice id)
{
    return slice_equal(id, SLICE("MSH")) || slice_equal(id, SLICE("FHS")) ||
           slice_equal(id, SLICE("BHS"));
}

static size_t skip_frame(struct slice content, size_t at)
{
    if (slice_starts_with(slice_part(content, at, at + 3), SLICE("\xEF\xBB\xBF")))
        at += 3;
    while (at < content.len &&
           (content.at[at] == 0x0B || content.at[at] == ' ' || content.at[at] == '\t' ||
            content.at[at] == '\r' || content.at[at] == '\n'))
        at++;
    return at;
}

bool read_is_hl7(struct slice content)
{
    size_t at = skip_frame(content, 0);
    size_t end = at + 4;

    if (at + 5 > content.len || !is_header(slice_part(content, at, at + 3)) ||
        !is_separator(content.at[at + 3]))
        return false;
    while (end < content.len && is_separator(content.at[end]) &&
           content.at[end] != content.at[at + 3])
        end++;
    return end > at + 4 && end <= at + 9 &&
           (end == content.len || content.at[end] == content.at[at + 3] ||
            content.at[end] == '\r' || content.at[end] == '\n');
}

static void set_separators(struct hl7 *hl7, const uint8_t separators[5])
{
    static const enum kind kinds[5] = {[FIELD] = KIND_FIELD,
                                       [COMPONENT] = KIND_COMPONENT,
                                       [REPETITION] = KIND_REPETITION,
                                       [ESCAPE] = KIND_VALUE,
                                       [SUBCOMPONENT] = KIND_SUBCOMPONENT};

    memset(hl7->kinds, KIND_VALUE, sizeof(hl7->kinds));
    memcpy(hl7->separators, separators, sizeof(hl7->separators));
    for (size_t i = COUNT(kinds); i-- > 0;)
        hl7->kinds[separators[i]] = (uint8_t)kinds[i];
    hl7->kinds['\r'] = hl7->kinds['\n'] = KIND_END;
    hl7->kinds[0x0B] = hl7->kinds[0x1C] = KIND_END; /* MLLP's frame */
}

/* Of a header segment from behind its name: MSH-1 is one byte, MSH-2 up to the next field.
 * What MSH-2 leaves out is standard. */
static size_t read_separators(struct hl7 *hl7, size_t at)
{
    uint8_t separators[5];
    size_t count = 1;

    memcpy(separators, standard, sizeof(separators));
    separators[FIELD] = hl7->content.at[at++];
    while (at < hl7->content.len && is_separator(hl7->content.at[at]) &&
           hl7->content.at[at] != separators[FIELD]) {
        if (count < COUNT(separators))
            separators[count++] = hl7->content.at[at];
        at++;
    }
    set_separators(hl7, separators);
    return at;
}

/* ---- values ---- */

/* What \..\ with these bytes inside stands for. False: it stays. */
static bool escape_read(const struct hl7 *hl7, struct slice inside, uint8_t *ret_bytes,
                        size_t *ret_len)
{
    static const struct {
        const char *name;
        int separator;
    } names[] = {
        {"F", FIELD}, {"S", COMPONENT}, {"R", REPETITION}, {"E", ESCAPE}, {"T", SUBCOMPONENT}};

    *ret_len = 1;
    for (size_t i = 0; i < COUNT(names); i++) {
        if (slice_equal(inside, slice_of(names[i].name))) {
            ret_bytes[0] = hl7->separators[names[i].separator];
            return true;
        }
    }
    if (slice_equal(inside, SLICE(".br")) || slice_equal(inside, SLICE(".sp"))) {
        ret_bytes[0] = '\n';
        return true;
    }
    if (slice_equal(inside, SLICE("H")) || slice_equal(inside, SLICE("N"))) {
        *ret_len = 0; /* highlighting begins, ends */
        return true;
    }
    if (inside.len < 3 || inside.at[0] != 'X' || inside.len % 2 == 0 ||
        inside.len / 2 > ESCAPE_MAX)
        return false;
    *ret_len = inside.len / 2;
    for (size_t i = 0; i < *ret_len; i++) {
        int high = hex_digit(inside.at[1 + 2 * i]), low = hex_digit(inside.at[2 + 2 * i]);

        if (high < 0 || low < 0)
            return false;
        ret_bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static size_t text_at(const struct hl7 *hl7, size_t at)
{
    return reading_at(hl7->reading) + (at - hl7->done);
}

/* Takes over what comes before `to`. */
static bool keep(struct hl7 *hl7, size_t to, struct fault *fault)
{
    bool ok = reading_add_plain(hl7->reading, hl7->done, to, fault);

    hl7->done = to;
    return ok;
}

/* A value with its escapes. */
static bool take_value(struct hl7 *hl7, size_t from, size_t to, size_t *ret_start,
                       size_t *ret_end, struct fault *fault)
{
    struct slice value = slice_part(hl7->content, 0, to);
    uint8_t escape = hl7->separators[ESCAPE];
    size_t at = slice_find_byte(value, escape, from);

    *ret_start = text_at(hl7, from);
    while (at != SIZE_MAX) {
        size_t close = slice_find_byte(value, escape, at + 1);
        uint8_t bytes[ESCAPE_MAX];
        size_t len;

        if (close == SIZE_MAX)
            break;
        if (!escape_read(hl7, slice_part(value, at + 1, close), bytes, &len)) {
            at = close; /* it may open one */
            continue;
        }
        if (!keep(hl7, at, fault) ||
            !reading_add_piece(hl7->reading, slice_of_bytes(bytes, len), at, close + 1,
                               FORM_BACKSLASH, fault))
            return false;
        hl7->done = close + 1;
        at = slice_find_byte(value, escape, close + 1);
    }
    if (hl7->done > from && !keep(hl7, to, fault))
        return false;
    *ret_end = text_at(hl7, to);
    return true;
}

static bool add_value(struct hl7 *hl7, const struct place *place, size_t from, size_t to,
                      struct fault *fault)
{
    char position[96];
    size_t start, end;
    int len;

    if (from == to || slice_equal(slice_part(hl7->content, from, to), SLICE("\"\"")))
        return true; /* "" says: delete it */
    if (!take_value(hl7, from, to, &start, &end, fault))
        return false;
    len = snprintf(position, sizeof(position), "%.*s-%zu.%zu", SLICE_ARGS(place->segment),
                   place->field, place->component);
    if (place->subcomponent > 0)
        len += snprintf(position + len, sizeof(position) - (size_t)len, ".%zu",
                        place->subcomponent);
    if (place->type.len > 0)
        len += snprintf(position + len, sizeof(position) - (size_t)len, "[type=%.*s]",
                        SLICE_ARGS(place->type));
    (place->is_prose ? reading_prose : reading_element)(
        hl7->reading, start, end, (struct slice){0}, slice_of_bytes(position, (size_t)len));
    return true;
}

/* ---- fields ---- */

static bool is_listed(struct slice segment, size_t field, const char *name, size_t number)
{
    return field == number && slice_equal(segment, slice_of(name));
}

static bool is_identifier(struct slice segment, size_t field)
{
    for (size_t i = 0; i < COUNT(identifiers); i++)
        if (is_listed(segment, field, identifiers[i].segment, identifiers[i].field))
            return true;
    return false;
}

static bool is_prose(struct slice segment, size_t field, struct slice type)
{
    if (segment.at[0] == 'Z')
        return true;
    for (size_t i = 0; i < COUNT(prose); i++)
        if (is_listed(segment, field, prose[i].segment, prose[i].field))
            return true;
    if (!is_listed(segment, field, "OBX", 5))
        return false;
    for (size_t i = 0; i < COUNT(wordless); i++)
        if (slice_equal(type, slice_of(wordless[i])))
            return false;
    return true;
}

/* A code fit for a position's bracket; else empty. */
static struct slice code_of(struct slice text)
{
    if (text.len > 16)
        return (struct slice){0};
    for (size_t i = 0; i < text.len; i++)
        if (!is_digit_or_upper(text.at[i]))
            return (struct slice){0};
    return text;
}

/* Component 5 of the repetition that begins at `at`. */
static struct slice type_of(const struct hl7 *hl7, size_t at)
{
    size_t component = 1, from = at;

    for (; at < hl7->content.len; at++) {
        enum kind kind = hl7->kinds[hl7->content.at[at]];

        if (kind < KIND_COMPONENT)
            continue;
        if (component == 5)
            break;
        if (kind > KIND_COMPONENT)
            return (struct slice){0};
        component++;
        from = at + 1;
    }
    return component == 5 ? code_of(slice_part(hl7->content, from, at)) : (struct slice){0};
}

/* From a field's first byte to behind its last one. */
static bool read_field(struct hl7 *hl7, struct place place, size_t *at,
                       struct slice *ret_value, struct fault *fault)
{
    bool is_typed = is_identifier(place.segment, place.field);
    size_t begin = *at, from = *at;

    place.component = 1;
    place.subcomponent = 0;
    place.is_prose = is_prose(place.segment, place.field, place.type);
    if (!is_listed(place.segment, place.field, "OBX", 5))
        place.type = (struct slice){0};
    if (is_typed)
        place.type = type_of(hl7, begin);
    for (;; (*at)++) {
        enum kind kind =
            *at < hl7->content.len ? hl7->kinds[hl7->content.at[*at]] : (uint8_t)KIND_END;

        if (kind == KIND_VALUE)
            continue;
        if (kind == KIND_SUBCOMPONENT && place.subcomponent == 0)
            place.subcomponent = 1;
        if (!add_value(hl7, &place, from, *at, fault))
            return false;
        if (kind >= KIND_FIELD)
            break;
        from = *at + 1;
        place.subcomponent = kind == KIND_SUBCOMPONENT ? place.subcomponent + 1 : 0;
        if (kind == KIND_COMPONENT)
            place.component++;
        if (kind == KIND_REPETITION) {
            place.component = 1;
            if (is_typed)
                place.type = type_of(hl7, from);
        }
    }
    *ret_value = slice_part(hl7->content, begin, *at);
    return true;
}

/* ---- segments ---- */

static bool is_segment(const struct hl7 *hl7, size_t at)
{
    struct slice content = hl7->content;
    bool header;

    if (at + 3 > content.len || !is_upper(content.at[at]) ||
        !is_digit_or_upper(content.at[at + 1]) || !is_digit_or_upper(content.at[at + 2]))
        return false;
    header = is_header(slice_part(content, at, at + 3));
    if (at + 3 == content.len)
        return !header;
    return header ? is_separator(content.at[at + 3])
                  : hl7->kinds[content.at[at + 3]] >= KIND_FIELD;
}

static bool read_segment(struct hl7 *hl7, size_t *at, struct fault *fault)
{
    struct place place = {.segment = slice_part(hl7->content, *at, *at + 3)};

    *at += 3;
    if (is_header(place.segment)) {
        *at = read_separators(hl7, *at);
        place.field = 2;
    }
    while (*at < hl7->content.len && hl7->kinds[hl7->content.at[*at]] == KIND_FIELD) {
        struct slice value;

        (*at)++;
        place.field++;
        if (!read_field(hl7, place, at, &value, fault))
            return false;
        if (is_listed(place.segment, place.field, "OBX", 2))
            place.type = code_of(value);
    }
    return true;
}

static void skip_line(struct hl7 *hl7, size_t *at)
{
    while (*at < hl7->content.len && hl7->kinds[hl7->content.at[*at]] != KIND_END)
        (*at)++;
}

bool read_hl7(struct reading *reading, struct slice path, struct fault *fault)
{
    struct hl7 hl7 = {.reading = reading, .content = reading->content};
    size_t at = 0;

    (void)path;
    set_separators(&hl7, standard);
    while (at < hl7.content.len) {
        size_t from;

        at = skip_frame(hl7.content, at);
        if (is_segment(&hl7, at) && !read_segment(&hl7, &at, fault))
            return false;
        from = at;
        skip_line(&hl7, &at);
        reading_prose(reading, text_at(&hl7, from), text_at(&hl7, at), (struct slice){0},
                      (struct slice){0});
        at += at < hl7.content.len; /* its end; a 0x1C too */
    }
    return keep(&hl7, hl7.content.len, fault);
}
