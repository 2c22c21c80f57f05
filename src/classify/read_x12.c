/*
 * X12 interchanges (005010 and older). The text is the content: X12 has no escapes. Each
 * element that is not empty is one of the reading, each component where there are several:
 * "NM103[01=IL][02=1]", "SVC01-2".
 */
#include "classify/read_health.h"

#include <stdio.h>

#define ISA_ELEMENTS 16
#define ISA_BYTES_MAX 256 /* it has 106; trimmed and padded ones are met */
#define SEGMENT_ID_MAX 3
#define CODE_MAX 8

struct x12 {
    struct reading *reading;
    struct slice content;
    uint8_t element, component, repetition, terminator;
    struct slice entity;      /* NM101 or N101 of the loop; empty: none */
    struct slice entity_type; /* NM102: 1 a person */
};

/* What is said of an element beside its place: the values of these elements of its segment, or
 * the entity of its loop. */
static const struct bracket_rule {
    const char *segment;
    size_t element; /* 0: any */
    size_t by[3];   /* elements, 0: none */
    bool by_entity;
} brackets[] = {
    {"NM1", 9, {1, 2, 8}, false}, {"NM1", 0, {1, 2}, false}, {"N1", 4, {1, 3}, false},
    {"N1", 2, {1}, false},        {"N3", 0, {0}, true},      {"N4", 0, {0}, true},
    {"N2", 0, {0}, true},         {"DMG", 0, {1}, true},     {"PER", 4, {3}, true},
    {"PER", 6, {5}, true},        {"PER", 8, {7}, true},     {"PER", 2, {1}, true},
    {"REF", 2, {1}, true},        {"DTP", 3, {1, 2}, false}, {"DTM", 2, {1}, false},
    {"PAT", 6, {5}, false},       {"HI", 0, {0}, false},
};

static const struct {
    const char *segment;
    size_t element;
} prose[] = {{"MSG", 1}, {"NTE", 2}, {"K3", 1}, {"III", 4}, {"SV1", 7}, {"SV5", 7}};

/* Segments behind which the entity that was named before is that of another loop. */
static const char *const loops[] = {"ST", "HL", "CLM", "CLP", "LX", "INS", "SVC", "ISA"};

static bool is_alnum(uint8_t byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= 'a' && byte <= 'z');
}

static size_t skip_space(struct slice content, size_t at)
{
    while (at < content.len && (content.at[at] == '\r' || content.at[at] == '\n' ||
                                content.at[at] == ' ' || content.at[at] == '\t'))
        at++;
    return at;
}

/* ISA names its separators by use: behind "ISA", ISA-11, ISA-16, what follows that. */
static bool read_separators(struct x12 *x12, size_t at)
{
    struct slice isa = slice_part(x12->content, at, at + ISA_BYTES_MAX);
    size_t place = 3, begins[ISA_ELEMENTS + 1] = {0};
    uint8_t element;

    if (!slice_starts_with(isa, SLICE("ISA")) || isa.len < 4)
        return false;
    element = isa.at[3];
    if (is_alnum(element) || element == '\r' || element == '\n' || element == 0)
        return false;
    for (size_t i = 1; i <= ISA_ELEMENTS; i++) {
        begins[i] = place + 1;
        place = slice_find_byte(isa, element, place + 1);
        if (place == SIZE_MAX && i < ISA_ELEMENTS)
            return false;
    }
    if (begins[ISA_ELEMENTS] + 1 >= isa.len || is_alnum(isa.at[begins[ISA_ELEMENTS]]) ||
        is_alnum(isa.at[begins[ISA_ELEMENTS] + 1]))
        return false;
    x12->element = element;
    x12->component = isa.at[begins[ISA_ELEMENTS]];
    x12->terminator = isa.at[begins[ISA_ELEMENTS] + 1];
    x12->repetition = element; /* older than 00402: ISA-11 is the letter U */
    if (begins[12] - begins[11] == 2 && !is_alnum(isa.at[begins[11]]))
        x12->repetition = isa.at[begins[11]];
    return x12->component != element && x12->terminator != element;
}

static size_t skip_mark(struct slice content)
{
    return skip_space(content, slice_starts_with(content, SLICE("\xEF\xBB\xBF")) ? 3 : 0);
}

bool read_is_x12(struct slice content)
{
    struct x12 x12 = {.content = content};

    return read_separators(&x12, skip_mark(content));
}

/* ---- elements ---- */

struct segment {
    struct slice id;
    size_t from, to;         /* to: its terminator */
    struct slice values[10]; /* elements 1 to 9 as a bracket can hold them */
};

static struct slice code_of(struct slice value)
{
    for (size_t i = 0; i < value.len; i++)
        if (!is_alnum(value.at[i]))
            return (struct slice){0};
    return value.len <= CODE_MAX ? value : (struct slice){0};
}

static const struct bracket_rule *bracket_rule_of(struct slice segment, size_t element)
{
    for (size_t i = 0; i < COUNT(brackets); i++)
        if ((brackets[i].element == 0 || brackets[i].element == element) &&
            slice_equal(segment, slice_of(brackets[i].segment)))
            return &brackets[i];
    return NULL;
}

static bool is_prose(struct slice segment, size_t element)
{
    for (size_t i = 0; i < COUNT(prose); i++)
        if (prose[i].element == element && slice_equal(segment, slice_of(prose[i].segment)))
            return true;
    return false;
}

static void add_value(struct x12 *x12, const struct segment *segment, size_t element,
                      size_t component, size_t from, size_t to)
{
    const struct bracket_rule *rule = bracket_rule_of(segment->id, element);
    char position[128];
    size_t room = sizeof(position);
    int len = snprintf(position, room, "%.*s%02zu", SLICE_ARGS(segment->id), element);

    if (component > 0)
        len += snprintf(position + len, room - (size_t)len, "-%zu", component);
    for (size_t i = 0; rule != NULL && i < COUNT(rule->by) && rule->by[i] > 0; i++)
        if (segment->values[rule->by[i]].len > 0)
            len += snprintf(position + len, room - (size_t)len, "[%02zu=%.*s]", rule->by[i],
                            SLICE_ARGS(segment->values[rule->by[i]]));
    if (rule != NULL && rule->by_entity && x12->entity.len > 0)
        len += snprintf(position + len, room - (size_t)len, "[NM1=%.*s]",
                        SLICE_ARGS(x12->entity));
    if (rule != NULL && rule->by_entity && x12->entity_type.len > 0)
        len += snprintf(position + len, room - (size_t)len, "[NM102=%.*s]",
                        SLICE_ARGS(x12->entity_type));
    (is_prose(segment->id, element) ? reading_prose : reading_element)(
        x12->reading, from, to, (struct slice){0}, slice_of_bytes(position, (size_t)len));
}

/* An element's components and repetitions. */
static void read_element(struct x12 *x12, const struct segment *segment, size_t element,
                         size_t from, size_t to)
{
    size_t component = 0, begin = from;

    for (size_t at = from;; at++) {
        bool is_end = at >= to || x12->content.at[at] == x12->repetition;

        if (!is_end && x12->content.at[at] != x12->component)
            continue;
        if (!is_end && component == 0)
            component = 1;
        if (begin < at)
            add_value(x12, segment, element, component, begin, at);
        if (at >= to)
            return;
        component = is_end ? 0 : component + 1;
        begin = at + 1;
    }
}

/* Calls read_element, or, the first time, fills segment->values. */
static void each_element(struct x12 *x12, struct segment *segment, bool is_first)
{
    size_t element = 0, from = segment->from;

    while (from < segment->to && (!is_first || element < COUNT(segment->values))) {
        struct slice rest = slice_part(x12->content, 0, segment->to);
        size_t to = slice_find_byte(rest, x12->element, from);

        if (to == SIZE_MAX)
            to = segment->to;
        if (is_first)
            segment->values[element] = code_of(slice_part(x12->content, from, to));
        else if (element > 0)
            read_element(x12, segment, element, from, to);
        from = to + 1;
        element++;
    }
}

static bool is_one_of(struct slice id, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (slice_equal(id, slice_of(list[i])))
            return true;
    return false;
}

static void read_segment(struct x12 *x12, size_t from, size_t to)
{
    struct segment segment = {.from = from, .to = to};
    size_t end = from;

    while (end < to && is_alnum(x12->content.at[end]) && end - from <= SEGMENT_ID_MAX)
        end++;
    segment.id = slice_part(x12->content, from, end);
    if (segment.id.len < 2 || segment.id.len > SEGMENT_ID_MAX ||
        (end < to && x12->content.at[end] != x12->element)) {
        reading_prose(x12->reading, from, to, (struct slice){0}, (struct slice){0});
        return;
    }
    each_element(x12, &segment, true);
    if (is_one_of(segment.id, loops, COUNT(loops)))
        x12->entity = x12->entity_type = (struct slice){0};
    if (slice_equal(segment.id, SLICE("NM1")) || slice_equal(segment.id, SLICE("N1"))) {
        x12->entity = segment.values[1];
        x12->entity_type = segment.id.len == 3 ? segment.values[2] : (struct slice){0};
    }
    each_element(x12, &segment, false);
}

/* ISA has a repetition and a component separator as values. */
static size_t read_interchange(struct x12 *x12, size_t at)
{
    size_t end = slice_find_byte(x12->content, x12->terminator, at);

    x12->entity = x12->entity_type = (struct slice){0};
    return end == SIZE_MAX ? x12->content.len : end + 1;
}

bool read_x12(struct reading *reading, struct slice path, struct fault *fault)
{
    struct x12 x12 = {.reading = reading, .content = reading->content, .terminator = '\n'};
    size_t at = skip_mark(reading->content);

    (void)path;
    while ((at = skip_space(x12.content, at)) < x12.content.len) {
        size_t end;

        if (read_separators(&x12, at)) {
            at = read_interchange(&x12, at);
            continue;
        }
        end = slice_find_byte(x12.content, x12.terminator, at);
        if (end == SIZE_MAX)
            end = x12.content.len;
        read_segment(&x12, at, end);
        at = end + 1;
    }
    return reading_add_plain(reading, 0, reading->content.len, fault);
}
