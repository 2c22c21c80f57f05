#include "classify/position.h"

#include <stdlib.h>

struct bracket {
    struct slice key;    /* "08" */
    struct slice values; /* "MI,II"; of an element one value */
};

struct place {
    struct slice path;
    struct bracket brackets[POSITION_BRACKETS_MAX];
    size_t bracket_count;
};

struct listed {
    struct place place;
    char *text; /* what place points into */
    enum format format;
    uint16_t rule;
    bool is_exact; /* no longer path begins with it */
    size_t next;   /* 1 + index of the next one of the same hash; 0: none */
};

struct position_set {
    struct listed *at;
    size_t count, room;
    size_t *heads; /* 1 + index of the last added one */
    size_t head_count;
};

static const struct {
    const char *key;
    enum format format;
} formats[] = {
    {"hl7v2", FORMAT_HL7V2}, {"x12", FORMAT_X12},     {"fhir", FORMAT_FHIR},
    {"ccda", FORMAT_CCDA},   {"dicom", FORMAT_DICOM},
};

bool position_format(struct slice key, enum format *ret_format)
{
    for (size_t i = 0; i < COUNT(formats); i++) {
        if (slice_equal(key, slice_of(formats[i].key))) {
            *ret_format = formats[i].format;
            return true;
        }
    }
    return false;
}

struct position_set *position_set_new(void)
{
    return xalloc(sizeof(struct position_set));
}

void position_set_free(struct position_set *set)
{
    if (set == NULL)
        return;
    for (size_t i = 0; i < set->count; i++)
        free(set->at[i].text);
    free(set->at);
    free(set->heads);
    free(set);
}

/* "PATH[key=value][key=value]". Values of rules are their authors', those of elements come
 * from a content: readers put no bracket into them. */
static bool place_read(struct slice text, struct place *ret_place)
{
    struct place place = {.path = text};
    size_t at = slice_find_byte(text, '[', 0);

    if (at != SIZE_MAX)
        place.path = slice_part(text, 0, at);
    if (place.path.len == 0)
        return false;
    while (at < text.len) {
        size_t equal = slice_find_byte(text, '=', at);
        size_t close = slice_find_byte(text, ']', at);

        if (text.at[at] != '[' || equal == SIZE_MAX || close == SIZE_MAX || equal > close ||
            equal == at + 1 || place.bracket_count == POSITION_BRACKETS_MAX)
            return false;
        place.brackets[place.bracket_count++] =
            (struct bracket){.key = slice_part(text, at + 1, equal),
                             .values = slice_part(text, equal + 1, close)};
        at = close + 1;
    }
    *ret_place = place;
    return true;
}

static size_t path_hash(enum format format, struct slice head, struct slice path)
{
    uint32_t hash = 2166136261U ^ (uint32_t)format; /* FNV-1a */

    for (size_t i = 0; i < head.len; i++)
        hash = (hash ^ head.at[i]) * 16777619U;
    for (size_t i = 0; i < path.len; i++)
        hash = (hash ^ path.at[i]) * 16777619U;
    return hash ^ hash >> 15;
}

static void link_in(struct position_set *set, size_t index)
{
    struct listed *listed = &set->at[index];
    size_t *head = &set->heads[path_hash(listed->format, slice_of(""), listed->place.path) &
                               (set->head_count - 1)];

    listed->next = *head;
    *head = index + 1;
}

static void grow(struct position_set *set)
{
    set->head_count = set->head_count == 0 ? 256 : set->head_count * 2;
    free(set->heads);
    set->heads = xalloc_array(set->head_count, sizeof(*set->heads));
    for (size_t i = 0; i < set->count; i++)
        link_in(set, i);
}

bool position_add(struct position_set *set, enum format format, struct slice position,
                  uint16_t rule, struct fault *fault)
{
    struct listed listed = {.format = format, .rule = rule};

    if (!place_read(position, &listed.place))
        return fault_set(fault, FAULT_INVALID, "%.*s: not PATH[key=value,...]...",
                         (int)(position.len < 80 ? position.len : 80),
                         (const char *)position.at);
    listed.text = slice_dup(position);
    (void)place_read(slice_of_bytes(listed.text, position.len), &listed.place);
    if (slice_ends_with(listed.place.path, SLICE("$"))) {
        listed.is_exact = true;
        listed.place.path.len--;
    }
    if (set->count >= set->head_count)
        grow(set);
    set->at = xgrow(set->at, &set->room, set->count + 1, sizeof(*set->at));
    set->at[set->count] = listed;
    link_in(set, set->count++);
    return true;
}

static bool value_is_one_of(struct slice value, struct slice values)
{
    struct slice one;

    while (slice_cut(&values, ',', &one))
        if (slice_equal(one, value))
            return true;
    return false;
}

static bool brackets_hold(const struct place *rule, const struct place *element)
{
    for (size_t i = 0; i < rule->bracket_count; i++) {
        bool holds = false;

        for (size_t j = 0; j < element->bracket_count && !holds; j++)
            holds = slice_equal(rule->brackets[i].key, element->brackets[j].key) &&
                    value_is_one_of(element->brackets[j].values, rule->brackets[i].values);
        if (!holds)
            return false;
    }
    return true;
}

/* Later ones come first in a chain: one that is as good replaces what was found. */
static const struct listed *best_of(const struct position_set *set, enum format format,
                                    struct slice head, struct slice path,
                                    const struct place *element)
{
    bool is_whole = path.at + path.len == element->path.at + element->path.len;
    const struct listed *best = NULL;
    size_t next = set->heads[path_hash(format, head, path) & (set->head_count - 1)];

    while (next != 0) {
        const struct listed *listed = &set->at[next - 1];
        struct slice own = listed->place.path;

        next = listed->next;
        if (listed->format != format || (listed->is_exact && !is_whole) ||
            own.len != head.len + path.len || !slice_starts_with(own, head) ||
            !slice_equal(slice_part(own, head.len, own.len), path) ||
            !brackets_hold(&listed->place, element))
            continue;
        if (best == NULL || listed->place.bracket_count >= best->place.bracket_count)
            best = listed;
    }
    return best;
}

/* Attributes of XML that hold what their element says; another one is listed itself. */
static bool is_content(struct slice attribute)
{
    return slice_equal(attribute, SLICE("@extension")) ||
           slice_equal(attribute, SLICE("@value"));
}

/* Takes the last part off a path. False: there is one only. */
static bool shorten(struct slice *path)
{
    static const char ends[] = "./@-";

    for (size_t i = path->len; i-- > 1;) {
        if (path->at[i] == 0 || strchr(ends, path->at[i]) == NULL)
            continue;
        if (path->at[i] == '@' && !is_content(slice_part(*path, i, path->len)))
            return false;
        path->len = i;
        return true;
    }
    return false;
}

bool position_rule(const struct position_set *set, enum format format, struct slice position,
                   uint16_t *ret_rule)
{
    struct place element;
    struct slice path;
    size_t dot;

    if (set->count == 0 || !place_read(position, &element))
        return false;
    path = element.path;
    dot = format == FORMAT_FHIR   ? slice_find_byte(path, '.', 0)
          : format == FORMAT_CCDA ? slice_find_byte(path, '/', 0)
                                  : SIZE_MAX;
    do {
        const struct listed *best = best_of(set, format, slice_of(""), path, &element);

        if (dot < path.len) {
            const struct listed *any =
                best_of(set, format, slice_of("*"), slice_part(path, dot, path.len), &element);

            if (any != NULL &&
                (best == NULL || any->place.bracket_count > best->place.bracket_count))
                best = any;
        }
        if (best != NULL) {
            *ret_rule = best->rule;
            return true;
        }
    } while (shorten(&path));
    return false;
}
