/*
 * C-CDA (HL7 CDA R2 in XML). Each text and attribute's value is an element; its position is
 * the path from the innermost role on: "recordTarget/patientRole/patient/name/given",
 * "assignedPerson/name/family", "participantRole/id@extension[root=...]". What stands in a
 * section's text is prose.
 */
#include <stdlib.h>

#include "classify/read.h"
#include "classify/read_health.h"
#include "classify/xml.h"

#define PATHS_BYTES 8192
#define HEAD_BYTES 65536 /* the document's element begins in them */
#define WORD_MAX 64      /* of a bracket */

struct level {
    struct slice name;
    size_t path_from, path_to; /* in walk->paths */
    struct slice root;         /* its attribute; empty: it has none */
    struct slice participant;  /* the typeCode of the participant around it */
    bool is_prose;
};

struct walk {
    struct reading *reading;
    size_t depth;
    uint8_t paths[PATHS_BYTES];
    struct level levels[XML_LEVELS_MAX]; /* levels[0] is around the document */
};

/* Elements that say whose what they hold is. */
static const char *const roles[] = {
    "recordTarget",
    "author",
    "dataEnterer",
    "informant",
    "custodian",
    "authenticator",
    "legalAuthenticator",
    "informationRecipient",
    "participant",
    "documentationOf",
    "componentOf",
    "performer",
    "subject",
    "specimen",
    "assignedAuthor",
    "assignedEntity",
    "assignedPerson",
    "associatedEntity",
    "associatedPerson",
    "relatedEntity",
    "relatedSubject",
    "relatedPerson",
    "guardian",
    "guardianPerson",
    "participantRole",
    "playingEntity",
    "representedOrganization",
    "providerOrganization",
    "encounterParticipant",
    "responsibleParty",
    "representedCustodianOrganization",
    "receivedOrganization",
    "scopingEntity",
    "section",
};

/* Elements whose texts are prose, however deep. */
static const char *const prose[] = {"text", "title", "originalText"};

bool read_is_ccda(struct slice content)
{
    struct slice head = slice_part(content, 0, HEAD_BYTES);
    size_t at = slice_starts_with(head, SLICE("\xEF\xBB\xBF")) ? 3 : 0;

    while (at < head.len && (head.at[at] == ' ' || head.at[at] == '\t' ||
                             head.at[at] == '\r' || head.at[at] == '\n'))
        at++;
    return at < head.len && head.at[at] == '<' &&
           (slice_find(head, SLICE("<ClinicalDocument"), at) != SIZE_MAX ||
            slice_find(head, SLICE(":ClinicalDocument"), at) != SIZE_MAX);
}

static bool is_one_of(struct slice name, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (slice_equal(name, slice_of(list[i])))
            return true;
    return false;
}

static struct level *level_of(struct walk *walk)
{
    return walk->depth < XML_LEVELS_MAX ? &walk->levels[walk->depth] : NULL;
}

static bool is_word(struct slice text)
{
    if (text.len > WORD_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] <= ' ' || text.at[i] >= 127 || text.at[i] == '[' || text.at[i] == ']')
            return false;
    return true;
}

/* ---- where we are ---- */

static void set_path(struct walk *walk, struct level *level, const struct level *outer)
{
    size_t to = outer->path_to;
    bool is_role = is_one_of(level->name, roles, COUNT(roles));
    bool is_first = outer->path_from == to;

    level->path_from = level->path_to = to;
    if ((is_first && !is_role) || level->name.len == 0 ||
        level->name.len + 1 > sizeof(walk->paths) - to)
        return; /* in no role, or too deep */
    if (!is_role) {
        level->path_from = outer->path_from;
        walk->paths[to++] = '/';
    }
    memcpy(walk->paths + to, level->name.at, level->name.len);
    level->path_to = to + level->name.len;
}

static void set_words(struct level *level, const struct xml_scan *scan)
{
    struct xml_attribute attribute;
    size_t at = scan->from;

    while (xml_attribute_next(scan, &at, &attribute)) {
        struct slice value = slice_part(scan->content, attribute.from, attribute.to);

        if (slice_equal(attribute.name, SLICE("root")) && is_word(value))
            level->root = value;
        if (slice_equal(attribute.name, SLICE("typeCode")) && is_word(value) &&
            slice_equal(level->name, SLICE("participant")))
            level->participant = value;
    }
}

static void on_open(void *self, const struct xml_scan *scan)
{
    struct walk *walk = self;
    const struct level *outer = level_of(walk);
    struct level *level;

    walk->depth++;
    level = level_of(walk);
    if (level == NULL || outer == NULL)
        return;
    *level = (struct level){.name = scan->name,
                            .participant = outer->participant,
                            .is_prose =
                                outer->is_prose || is_one_of(scan->name, prose, COUNT(prose))};
    set_path(walk, level, outer);
    set_words(level, scan);
}

static void on_close(void *self, struct slice name)
{
    struct walk *walk = self;

    (void)name;
    walk->depth -= walk->depth > 0;
}

/* ---- elements ---- */

struct position {
    uint8_t bytes[2 * READING_NAME_MAX];
    size_t len;
};

static void add_text(struct position *position, struct slice more)
{
    if (more.len > sizeof(position->bytes) - position->len) {
        position->len = sizeof(position->bytes); /* too long to be one */
        return;
    }
    if (more.len > 0)
        memcpy(position->bytes + position->len, more.at, more.len);
    position->len += more.len;
}

static void add_bracket(struct position *position, const char *open, struct slice word)
{
    if (word.len == 0)
        return;
    add_text(position, slice_of(open));
    add_text(position, word);
    add_text(position, SLICE("]"));
}

/* "mailto" of "mailto:a@b.org" */
static struct slice scheme_of(struct slice value)
{
    size_t at = 0;

    while (at < value.len && ((value.at[at] >= 'a' && value.at[at] <= 'z') ||
                              (value.at[at] >= 'A' && value.at[at] <= 'Z')))
        at++;
    return at < value.len && at <= 8 && value.at[at] == ':' ? slice_part(value, 0, at)
                                                            : (struct slice){0};
}

static void set_position(const struct walk *walk, const struct level *level,
                         struct slice attribute, struct slice raw,
                         struct position *ret_position)
{
    ret_position->len = 0;
    if (level->path_from == level->path_to)
        return;
    add_text(ret_position, slice_of_bytes(walk->paths + level->path_from,
                                          level->path_to - level->path_from));
    if (attribute.len == 0)
        return;
    add_text(ret_position, SLICE("@"));
    add_text(ret_position, attribute);
    if (slice_equal(attribute, SLICE("extension"))) {
        add_bracket(ret_position, "[root=", level->root);
        add_bracket(ret_position, "[participant=", level->participant);
    }
    if (slice_equal(level->name, SLICE("telecom")))
        add_bracket(ret_position, "[scheme=", scheme_of(raw));
}

static void on_value(void *self, struct slice attribute, size_t start, size_t end,
                     struct slice raw)
{
    struct walk *walk = self;
    const struct level *level = level_of(walk);
    struct position position = {.len = 0};
    struct slice name = {0};

    if (level != NULL) {
        bool is_own = attribute.len > 0 && !read_is_generic_name(attribute) &&
                      !slice_equal(attribute, SLICE("extension"));

        set_position(walk, level, attribute, raw, &position);
        name = is_own ? attribute : level->name;
    }
    (level != NULL && level->is_prose && attribute.len == 0 ? reading_prose : reading_element)(
        walk->reading, start, end, name, slice_of_bytes(position.bytes, position.len));
}

bool read_ccda(struct reading *reading, struct slice path, struct fault *fault)
{
    struct walk *walk = xalloc(sizeof(*walk));
    struct xml_visitor visitor = {on_open, on_close, on_value, walk};
    bool ok;

    (void)path;
    walk->reading = reading;
    ok = xml_walk(reading, &visitor, fault);
    free(walk);
    return ok;
}
