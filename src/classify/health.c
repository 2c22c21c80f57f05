/* Patients by position: fields of HL7 v2 segments, elements of FHIR resources. */
#include <stdio.h>

#include "base/scope.h"
#include "base/sixteen.h"
#include "classify/detect.h"
#include "classify/loaded.h"

#define FIELDS_MAX 64
#define DEPTH_MAX 64

/* Segments that are looked for within other texts. Which of their components are whose, the rules
 * say, as for a whole message: what is shown of one there is known here. */
static const char *const segments[] = {"PID", "NK1", "GT1", "IN1", "IN2", "MRG"};

static void judge_component(const struct detection *detection, const char *segment,
                            size_t field, size_t component, size_t start, size_t end)
{
    const struct rules *rules = rules_in_use();
    char position[32];
    uint16_t rule;
    int len = snprintf(position, sizeof(position), "%s-%zu.%zu", segment, field, component);

    if (end - start >= 2 && position_rule(rules->positions, FORMAT_HL7V2,
                                     slice_of_bytes(position, (size_t)len), &rule))
        detect_add(detection, start, end, (const char *)rules->at[rule].rule.id.at,
                   (enum confidence)rules->at[rule].rule.confidence);
}

/* Fields by '|', repetitions of one by '~', components by '^'. */
static void scan_segment(const struct detection *detection, const char *segment, size_t start,
                         size_t end)
{
    size_t field = 0, component = 1;

    for (size_t at = start, from = start; at <= end && field < FIELDS_MAX; at++) {
        uint8_t byte = at == end ? '|' : detection->content.at[at];

        if (byte != '|' && byte != '~' && byte != '^')
            continue;
        if (field > 0)
            judge_component(detection, segment, field, component, from, at);
        component = byte == '^' ? component + 1 : 1;
        field += byte == '|';
        from = at + 1;
    }
}

/* "MSH|" or "PID|". */
static bool holds_segment(struct slice content)
{
    size_t at = 3;

    for (; content.len >= SIXTEEN + 3 && at <= content.len - SIXTEEN; at += SIXTEEN) {
        sixteen before = sixteen_load(content.at + at - 1);
        uint64_t bits = sixteen_bits(sixteen_is(sixteen_load(content.at + at), '|') &
                                     (sixteen_is(before, 'H') | sixteen_is(before, 'D')));

        for (; bits != 0; bits &= bits - 1) {
            const uint8_t *segment = content.at + at + (size_t)__builtin_ctzll(bits) - 3;

            if (memcmp(segment, "MSH", 3) == 0 || memcmp(segment, "PID", 3) == 0)
                return true;
        }
    }
    return slice_find(content, SLICE("MSH|"), at - 3) != SIZE_MAX ||
           slice_find(content, SLICE("PID|"), at - 3) != SIZE_MAX;
}

void detect_hl7(const struct detection *detection)
{
    struct slice content = detection->content;

    if (!holds_segment(content))
        return;
    for (size_t at = 0; at < content.len;) {
        size_t end = at;

        while (end < content.len && content.at[end] != '\r' && content.at[end] != '\n')
            end++;
        for (size_t i = 0; i < COUNT(segments); i++) {
            struct slice line = slice_part(content, at, end);

            /* A segment begins its line, or stands quoted in a program or a test. */
            size_t from = slice_find(line, slice_of(segments[i]), 0);

            while (from != SIZE_MAX && (from + 3 >= line.len || line.at[from + 3] != '|' ||
                                        (from > 0 && is_alnum(line.at[from - 1]))))
                from = slice_find(line, slice_of(segments[i]), from + 1);
            if (from != SIZE_MAX)
                scan_segment(detection, segments[i], at + from, end);
        }
        at = end + 1;
    }
}

/* ---- FHIR: a walk over JSON that knows under which member a string stands ---- */

static const struct fhir_element {
    const char *member;
    const char *parent; /* NULL: any */
} elements[] = {
    {"family", NULL},        {"given", NULL},         {"birthDate", NULL},
    {"line", "address"},     {"city", "address"},     {"postalCode", "address"},
    {"district", "address"}, {"text", "address"},     {"text", "name"},
    {"value", "telecom"},    {"value", "identifier"}, {"deceasedDateTime", NULL},
};

struct member {
    struct slice name;
    bool is_array;
};

struct walk {
    const struct detection *detection;
    struct member stack[DEPTH_MAX]; /* the member whose value each open object or array is */
    size_t depth;
    struct slice member; /* whose value comes next */
    bool after_colon;
};

static size_t string_end(struct slice content, size_t at)
{
    for (at++; at < content.len; at++) {
        if (content.at[at] == '\\')
            at++;
        else if (content.at[at] == '"')
            return at;
    }
    return SIZE_MAX;
}

/* The nearest open object's own member name: of {"name":[{"family":..}]} at family it is
 * "name". */
static struct slice parent_of(const struct walk *walk)
{
    for (size_t i = walk->depth; i-- > 0;)
        if (walk->stack[i].name.len > 0)
            return walk->stack[i].name;
    return slice_of("");
}

/* By the rule for that place of a Patient: what is shown of one elsewhere is known here. */
static void judge_place(const struct walk *walk, struct slice parent, struct slice member,
                        size_t start, size_t end)
{
    const struct rules *rules = rules_in_use();
    AUTO_FREE char *position =
        parent.len == 0 ? xformat("Patient.%.*s", SLICE_ARGS(member))
                        : xformat("Patient.%.*s.%.*s", SLICE_ARGS(parent), SLICE_ARGS(member));
    uint16_t rule;

    if (position_rule(rules->positions, FORMAT_FHIR, slice_of(position), &rule))
        detect_add(walk->detection, start, end, (const char *)rules->at[rule].rule.id.at,
                   (enum confidence)rules->at[rule].rule.confidence);
}

static void judge_string(const struct walk *walk, struct slice member, size_t start,
                         size_t end)
{
    struct slice parent = parent_of(walk);

    if (end - start < 2)
        return;
    for (size_t i = 0; i < COUNT(elements); i++) {
        if (!slice_equal(member, slice_of(elements[i].member)))
            continue;
        if (elements[i].parent == NULL || slice_equal(parent, slice_of(elements[i].parent))) {
            judge_place(walk, parent, member, start, end);
            return;
        }
    }
}

static void open_value(struct walk *walk, bool is_array)
{
    /* An array hands its member's name on to the strings in it. */
    walk->stack[walk->depth++] = (struct member){.name = walk->member, .is_array = is_array};
    if (!is_array)
        walk->member = slice_of("");
    walk->after_colon = false;
}

static void close_value(struct walk *walk)
{
    walk->depth--;
    walk->member = walk->depth > 0 && walk->stack[walk->depth - 1].is_array
                       ? walk->stack[walk->depth - 1].name
                       : slice_of("");
    walk->after_colon = false;
}

static bool in_array(const struct walk *walk)
{
    return walk->depth > 0 && walk->stack[walk->depth - 1].is_array;
}

/* The parent of a string in an array is what stands around the array. */
static void string_value(struct walk *walk, size_t start, size_t end)
{
    struct walk around = *walk;

    if (in_array(walk) && !walk->after_colon)
        around.depth--;
    judge_string(&around, walk->member, start, end);
}

static void walk_json(struct walk *walk, size_t from, size_t to)
{
    struct slice content = walk->detection->content;

    for (size_t at = from; at < to; at++) {
        uint8_t byte = content.at[at];

        if (byte == '{' || byte == '[') {
            if (walk->depth == DEPTH_MAX)
                return;
            open_value(walk, byte == '[');
        } else if (byte == '}' || byte == ']') {
            if (walk->depth == 0)
                return;
            close_value(walk);
        } else if (byte == ':') {
            walk->after_colon = true;
        } else if (byte == ',') {
            walk->after_colon = false;
            if (!in_array(walk))
                walk->member = slice_of("");
        } else if (byte == '"') {
            size_t end = string_end(content, at);

            if (end == SIZE_MAX || end >= to)
                return;
            if (walk->after_colon || in_array(walk))
                string_value(walk, at + 1, end);
            else
                walk->member = slice_part(content, at + 1, end);
            at = end;
        }
    }
}

void detect_fhir(const struct detection *detection)
{
    static const char *const resources[] = {"Patient", "RelatedPerson", "Person",
                                            "Practitioner"};
    struct slice content = detection->content;
    struct walk walk = {.detection = detection, .member = slice_of("")};
    bool found = false;

    if (slice_find(content, SLICE("\"resourceType\""), 0) == SIZE_MAX)
        return;
    for (size_t i = 0; i < COUNT(resources); i++)
        found = found || slice_find(content, slice_of(resources[i]), 0) != SIZE_MAX;
    if (found)
        walk_json(&walk, 0, content.len);
}
