/*
 * DICOM part 10 (PS3.5, PS3.10). The text has each value that is text on a line of its own;
 * values of one data element that a backslash divides are elements each. The position is the
 * tag, "0010,0010", of elements in sequences, too; of private ones "private.0019,1001". Pixel
 * data and other bulk are not examined.
 *
 * Sequences and items are only headers before the elements in them: nothing is nested here, so
 * that no depth of the input matters.
 */
#include <stdio.h>

#include "classify/read_health.h"

#define PREAMBLE_BYTES 132 /* with "DICM" */
#define UNDEFINED 0xFFFFFFFFU
#define GROUP_META 0x0002
#define GROUP_ITEM 0xFFFE
#define PROSE_BYTES 48 /* from so many on words of unknown kind are prose */

enum { ELEMENT_ITEM = 0xE000, ELEMENT_ITEM_END = 0xE00D, ELEMENT_SEQUENCE_END = 0xE0DD };

struct tag {
    unsigned group, element;
};

struct header {
    struct tag tag;
    char vr[3]; /* empty: implicit */
    uint32_t len;
    size_t value; /* where its value begins */
};

struct dicom {
    struct reading *reading;
    struct slice content;
    size_t at;
    bool is_big, is_implicit; /* of the data set */
    bool is_data;             /* behind the file's meta elements */
    struct slice syntax;      /* (0002,0010) */
    size_t unknown_depth;     /* of sequences in one of VR UN, which are implicit */
    size_t unknown_end;       /* of one whose length is known; 0: we are in none */
};

static const struct {
    char vr[3];
    bool is_long, is_text, is_prose;
} kinds[] = {
    {"AE", false, true, false},  {"AS", false, true, false},  {"CS", false, true, false},
    {"DA", false, true, false},  {"DS", false, true, false},  {"DT", false, true, false},
    {"IS", false, true, false},  {"LO", false, true, false},  {"LT", false, true, true},
    {"PN", false, true, false},  {"SH", false, true, false},  {"ST", false, true, true},
    {"TM", false, true, false},  {"UI", false, true, false},  {"UC", true, true, true},
    {"UR", true, true, false},   {"UT", true, true, true},    {"OB", true, false, false},
    {"OD", true, false, false},  {"OF", true, false, false},  {"OL", true, false, false},
    {"OV", true, false, false},  {"OW", true, false, false},  {"SQ", true, false, false},
    {"SV", true, false, false},  {"UN", true, false, false},  {"UV", true, false, false},
    {"AT", false, false, false}, {"FD", false, false, false}, {"FL", false, false, false},
    {"SL", false, false, false}, {"SS", false, false, false}, {"UL", false, false, false},
    {"US", false, false, false},
};

bool read_is_dicom(struct slice content)
{
    return content.len >= PREAMBLE_BYTES &&
           slice_equal(slice_part(content, PREAMBLE_BYTES - 4, PREAMBLE_BYTES), SLICE("DICM"));
}

/* ---- numbers ---- */

static bool is_big(const struct dicom *dicom)
{
    return dicom->is_big && dicom->is_data;
}

static uint32_t number_at(const struct dicom *dicom, size_t at, size_t bytes)
{
    uint32_t number = 0;

    for (size_t i = 0; i < bytes; i++)
        number |= (uint32_t)dicom->content.at[at + i]
                  << (8 * (is_big(dicom) ? bytes - 1 - i : i));
    return number;
}

static struct tag tag_at(const struct dicom *dicom, size_t at)
{
    return (struct tag){number_at(dicom, at, 2), number_at(dicom, at + 2, 2)};
}

/* ---- headers ---- */

static int kind_of(const char *vr)
{
    for (size_t i = 0; i < COUNT(kinds); i++)
        if (vr[0] == kinds[i].vr[0] && vr[1] == kinds[i].vr[1])
            return (int)i;
    return -1;
}

static bool is_implicit_here(const struct dicom *dicom)
{
    return dicom->is_data &&
           (dicom->is_implicit || dicom->unknown_depth > 0 || dicom->unknown_end > 0);
}

/* False: there is none, or it is of no kind that is known. */
static bool read_header(const struct dicom *dicom, struct header *ret_header)
{
    struct header header = {.value = dicom->at + 8};
    int kind;

    if (dicom->content.len - dicom->at < 8)
        return false;
    header.tag = tag_at(dicom, dicom->at);
    if (header.tag.group == GROUP_ITEM || is_implicit_here(dicom)) {
        header.len = number_at(dicom, dicom->at + 4, 4);
        *ret_header = header;
        return true;
    }
    memcpy(header.vr, dicom->content.at + dicom->at + 4, 2);
    kind = kind_of(header.vr);
    if (kind < 0)
        return false;
    if (!kinds[kind].is_long) {
        header.len = number_at(dicom, dicom->at + 6, 2);
    } else {
        if (dicom->content.len - dicom->at < 12)
            return false;
        header.len = number_at(dicom, dicom->at + 8, 4);
        header.value += 4;
    }
    *ret_header = header;
    return true;
}

/* ---- values ---- */

/* Words in some 8-bit or multi-byte character set: no control characters but the usual ones. */
static bool is_words(struct slice value)
{
    for (size_t i = 0; i < value.len; i++)
        if (value.at[i] < ' ' && value.at[i] != '\r' && value.at[i] != '\n' &&
            value.at[i] != '\t' && value.at[i] != '\f' && value.at[i] != 0x1B)
            return false;
    return value.len > 0;
}

static void add_value(struct dicom *dicom, const struct header *header, bool is_prose,
                      size_t from, size_t to)
{
    char position[32];
    int len = snprintf(position, sizeof(position), "%s%04X,%04X",
                       header->tag.group % 2 == 1 ? "private." : "", header->tag.group,
                       header->tag.element);

    (is_prose ? reading_prose : reading_element)(dicom->reading, from, to, (struct slice){0},
                                                 slice_of_bytes(position, (size_t)len));
}

/* Spaces and NULs fill values up to an even length. */
static struct slice trim(struct slice value)
{
    while (value.len > 0 && (value.at[value.len - 1] == ' ' || value.at[value.len - 1] == 0))
        value.len--;
    while (value.len > 0 && value.at[0] == ' ') {
        value.at++;
        value.len--;
    }
    return value;
}

static bool take_words(struct dicom *dicom, const struct header *header, struct slice value,
                       bool is_prose, struct fault *fault)
{
    size_t from = (size_t)(value.at - dicom->content.at);
    size_t text = reading_at(dicom->reading);
    struct slice rest = value, one;

    if (!reading_add_plain(dicom->reading, from, from + value.len, fault) ||
        !reading_add_break(dicom->reading, SLICE("\n"), from + value.len, fault))
        return false;
    while (slice_cut(&rest, is_prose ? 0 : '\\', &one)) {
        one = trim(one);
        if (one.len > 0) {
            size_t start = text + (size_t)(one.at - value.at);

            add_value(dicom, header, is_prose, start, start + one.len);
        }
    }
    return true;
}

static bool take_value(struct dicom *dicom, const struct header *header, size_t end,
                       struct fault *fault)
{
    struct slice value = trim(slice_part(dicom->content, header->value, end));
    int kind = header->vr[0] == 0 ? -1 : kind_of(header->vr);
    bool is_known = kind >= 0 && strcmp(header->vr, "UN") != 0;
    bool is_text = is_known ? kinds[kind].is_text : is_words(value);
    bool is_bulk = header->tag.group == 0x7FE0 || (header->vr[0] == 'O' && !is_words(value));

    dicom->at = end;
    if (header->tag.group == GROUP_META && header->tag.element == 0x0010)
        dicom->syntax = value;
    if (!is_bulk && is_known && header->vr[0] == 'O')
        is_text = true;
    if (is_bulk || (!is_text && !is_known && value.len > 8)) {
        dicom->reading->unexamined += end - header->value;
        return true;
    }
    if (!is_text || value.len == 0)
        return true;
    return take_words(dicom, header, value,
                      is_known ? kinds[kind].is_prose : value.len >= PROSE_BYTES, fault);
}

/* The fragments of compressed pixel data, up to the end of their sequence. */
static void skip_fragments(struct dicom *dicom, size_t begin)
{
    dicom->at = begin;
    while (dicom->content.len - dicom->at >= 8) {
        struct tag tag = tag_at(dicom, dicom->at);
        uint32_t len = number_at(dicom, dicom->at + 4, 4);

        dicom->at += 8;
        if (tag.group != GROUP_ITEM || tag.element != ELEMENT_ITEM ||
            len > dicom->content.len - dicom->at)
            break;
        dicom->at += len;
    }
    dicom->reading->unexamined += dicom->at - begin;
}

/* ---- sequences ---- */

static bool begins_item(const struct dicom *dicom, const struct header *header)
{
    struct tag tag;

    if (header->len < 8 || dicom->content.len - header->value < 8)
        return false;
    tag = tag_at(dicom, header->value);
    return tag.group == GROUP_ITEM && tag.element == ELEMENT_ITEM;
}

/* An element of undefined length, or one that holds items. False: it is none. */
static bool enter(struct dicom *dicom, const struct header *header, bool is_implicit)
{
    bool is_unknown = strcmp(header->vr, "UN") == 0;

    if (header->len == UNDEFINED) {
        if (header->tag.group == 0x7FE0) {
            skip_fragments(dicom, header->value);
            return true;
        }
        if (is_unknown || dicom->unknown_depth > 0)
            dicom->unknown_depth++;
        dicom->at = header->value;
        return true;
    }
    if (strcmp(header->vr, "SQ") != 0 &&
        (!(is_implicit || is_unknown) || !begins_item(dicom, header)))
        return false;
    if (is_unknown && dicom->unknown_depth == 0)
        dicom->unknown_end = header->value + header->len;
    dicom->at = header->value;
    return true;
}

/* What begins the data set, or ends what was read in another way. */
static void set_encoding(struct dicom *dicom)
{
    if (dicom->unknown_end > 0 && dicom->at >= dicom->unknown_end)
        dicom->unknown_end = 0;
    if (dicom->is_data || dicom->content.len - dicom->at < 8 ||
        tag_at(dicom, dicom->at).group == GROUP_META)
        return;
    dicom->is_data = true;
    dicom->is_big = slice_equal(dicom->syntax, SLICE("1.2.840.10008.1.2.2"));
    dicom->is_implicit = slice_equal(dicom->syntax, SLICE("1.2.840.10008.1.2")) ||
                         (dicom->syntax.len == 0 &&
                          kind_of((const char *)dicom->content.at + dicom->at + 4) < 0);
}

/* False: what comes cannot be read as data elements. */
static bool next(struct dicom *dicom, bool *ret_ok, struct fault *fault)
{
    struct header header;
    size_t end;

    set_encoding(dicom);
    *ret_ok = true;
    if (slice_equal(dicom->syntax, SLICE("1.2.840.10008.1.2.1.99")) && dicom->is_data)
        return false; /* deflated */
    if (!read_header(dicom, &header))
        return false;
    if (header.tag.group == GROUP_ITEM) {
        if (header.tag.element == ELEMENT_SEQUENCE_END && dicom->unknown_depth > 0)
            dicom->unknown_depth--;
        dicom->at += 8;
        return true;
    }
    if (enter(dicom, &header, is_implicit_here(dicom)))
        return true;
    if (__builtin_add_overflow(header.value, (size_t)header.len, &end) ||
        end > dicom->content.len)
        return false;
    *ret_ok = take_value(dicom, &header, end, fault);
    return true;
}

bool read_dicom(struct reading *reading, struct slice path, struct fault *fault)
{
    struct dicom dicom = {
        .reading = reading, .content = reading->content, .at = PREAMBLE_BYTES};
    size_t rest;
    bool ok = true;

    (void)path;
    if (dicom.at > dicom.content.len)
        dicom.at = dicom.content.len;
    if (!reading_add_plain(reading, 0, dicom.at, fault) ||
        !reading_add_break(reading, SLICE("\n"), dicom.at, fault))
        return false;
    while (ok && dicom.at < dicom.content.len && next(&dicom, &ok, fault))
        ;
    if (!ok)
        return false;
    rest = dicom.content.len - dicom.at;
    reading->unexamined += rest;
    return reading_add_plain(reading, dicom.at, dicom.at + rest, fault);
}
