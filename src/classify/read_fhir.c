/*
 * FHIR in JSON (STU3, R4, R5), one resource or one a line. The text is the document with the
 * strings' escapes resolved; each string and number is an element with its member's name. Its
 * position begins at the innermost resource: "Patient.name.family", also of one that is
 * contained or in a Bundle. What the object around it says of it is in brackets:
 * "Patient.identifier.value[type=SS][system=http://hl7.org/fhir/sid/us-ssn]".
 */
#include <stdlib.h>

#include "classify/fhir_index.h"
#include "classify/read.h"
#include "classify/read_health.h"
#include "classify/rewrite.h"

#define PATHS_BYTES 4096
#define POSITION_MAX 512 /* longer ones than READING_NAME_MAX are none */

struct level {
    bool is_object;
    size_t object;             /* its number */
    size_t path_from, path_to; /* in walk->paths; empty: it is in no resource */
    uint8_t name[FHIR_KEY_MAX], key[FHIR_KEY_MAX]; /* of the whole, of the member */
    size_t name_len, key_len;
};

struct walk {
    struct rewrite rewrite;
    struct fhir_scan scan;
    struct fhir_index *index;
    size_t depth, objects;
    uint8_t paths[PATHS_BYTES];           /* each behind that of what is around it */
    struct level levels[FHIR_LEVELS_MAX]; /* levels[0] is around the document */
};

/* Members whose strings are free text, XHTML or Markdown. */
static const char *const prose[] = {
    "div",           "text",     "comment",     "comments",           "note",
    "description",   "title",    "conclusion",  "clinicalNotes",      "valueString",
    "valueMarkdown", "markdown", "instruction", "patientInstruction", "reason",
    "reasonText",    "summary",  "content",     "contentString",      "narrative",
};

bool read_is_fhir(struct slice content)
{
    return read_looks_like_json(slice_part(content, 0, 4096)) &&
           slice_find(content, SLICE("\"resourceType\""), 0) != SIZE_MAX;
}

static struct level *level_of(struct walk *walk)
{
    return walk->depth < FHIR_LEVELS_MAX ? &walk->levels[walk->depth] : NULL;
}

static struct slice key_of(const struct level *level)
{
    return level->is_object ? slice_of_bytes(level->key, level->key_len)
                            : slice_of_bytes(level->name, level->name_len);
}

/* Writes the path of the member that is being read behind that of its object. False: it has
 * none. */
static bool extend_path(struct walk *walk, const struct level *level, size_t *ret_to)
{
    size_t to = level->path_to;

    *ret_to = to;
    if (level->path_from == to)
        return false;
    if (!level->is_object)
        return true;
    if (level->key_len == 0 || to + 1 + level->key_len > sizeof(walk->paths))
        return false;
    walk->paths[to++] = '.';
    memcpy(walk->paths + to, level->key, level->key_len);
    *ret_to = to + level->key_len;
    return true;
}

static void set_path(struct walk *walk, struct level *level, const struct level *outer)
{
    uint8_t bytes[FHIR_WORD_MAX];
    struct slice resource = {0};

    level->path_from = outer->path_from;
    if (!extend_path(walk, outer, &level->path_to))
        level->path_from = level->path_to;
    if (level->is_object)
        resource = fhir_index_word(walk->index, level->object, FHIR_RESOURCE, bytes);
    if (resource.len == 0 || resource.len > sizeof(walk->paths) - level->path_to)
        return;
    memcpy(walk->paths + level->path_to, resource.at, resource.len);
    level->path_from = level->path_to;
    level->path_to += resource.len;
}

static void enter(struct walk *walk, bool is_object)
{
    const struct level *outer = level_of(walk);
    struct level *level;

    walk->depth++;
    level = level_of(walk);
    if (level != NULL && outer != NULL) {
        struct slice name = key_of(outer);

        level->is_object = is_object;
        level->object = walk->objects;
        level->key_len = 0;
        level->name_len = name.len;
        if (name.len > 0)
            memcpy(level->name, name.at, name.len);
        set_path(walk, level, outer);
    }
    walk->objects += is_object;
}

/* ---- elements ---- */

static size_t add_text(uint8_t *position, size_t len, struct slice more)
{
    if (more.len > POSITION_MAX - len)
        return len;
    if (more.len > 0)
        memcpy(position + len, more.at, more.len);
    return len + more.len;
}

static size_t position_of(struct walk *walk, const struct level *level, uint8_t *ret_position)
{
    static const struct {
        const char *open;
        enum fhir_word word;
    } brackets[] = {
        {"[type=", FHIR_TYPE},
        {"[system=", FHIR_SYSTEM},
        {"[url=", FHIR_URL},
        {"[target=", FHIR_TARGET},
    };
    uint8_t bytes[FHIR_WORD_MAX];
    size_t len = 0, to;

    if (!extend_path(walk, level, &to))
        return 0;
    len = add_text(ret_position, 0,
                   slice_of_bytes(walk->paths + level->path_from, to - level->path_from));
    for (size_t i = 0; level->is_object && i < COUNT(brackets); i++) {
        struct slice word =
            fhir_index_word(walk->index, level->object, brackets[i].word, bytes);
        size_t more = word.len + strlen(brackets[i].open) + 1;

        if (word.len == 0 || len + more > READING_NAME_MAX)
            continue;
        len = add_text(ret_position, len, slice_of(brackets[i].open));
        len = add_text(ret_position, len, word);
        len = add_text(ret_position, len, SLICE("]"));
    }
    return len;
}

static bool is_prose(struct slice key)
{
    for (size_t i = 0; i < COUNT(prose); i++)
        if (slice_equal(key, slice_of(prose[i])))
            return true;
    return false;
}

/* Of a reference only what stands behind the last slash says who it is. */
static size_t identifier_at(const struct walk *walk, size_t start, size_t end)
{
    struct slice text = rewrite_text(&walk->rewrite, start, end);
    size_t from = text.len;

    while (from > 0 && text.at[from - 1] != '/')
        from--;
    return start + from;
}

static void add_element(struct walk *walk, size_t start, size_t end)
{
    uint8_t position[POSITION_MAX];
    struct level *level = level_of(walk);
    struct slice key = {0}, name = {0};
    size_t len = 0;

    if (level != NULL) {
        key = name = key_of(level);
        if (level->is_object && read_is_generic_name(key) && level->name_len > 0)
            name = slice_of_bytes(level->name, level->name_len);
        len = position_of(walk, level, position);
        if (level->is_object && slice_equal(key, SLICE("reference")))
            start = identifier_at(walk, start, end);
    }
    (is_prose(key) ? reading_prose : reading_element)(walk->rewrite.reading, start, end, name,
                                                      slice_of_bytes(position, len));
}

/* ---- the walk ---- */

static bool take_text(struct walk *walk, size_t *ret_start, size_t *ret_end,
                      struct fault *fault)
{
    struct rewrite *rewrite = &walk->rewrite;
    struct slice content = slice_part(walk->scan.content, 0, walk->scan.to);
    size_t at = walk->scan.from;
    bool is_plain = true;

    *ret_start = rewrite_place(rewrite, at);
    while ((at = slice_find_byte(content, '\\', at)) != SIZE_MAX)
        if (!rewrite_escape_json(rewrite, content, &at, &is_plain, fault))
            return false;
    if (!is_plain && !rewrite_keep(rewrite, content.len, fault))
        return false;
    *ret_end = rewrite_place(rewrite, content.len);
    return true;
}

static bool take_value(struct walk *walk, struct fault *fault)
{
    size_t start, end;

    if (!take_text(walk, &start, &end, fault))
        return false;
    add_element(walk, start, end);
    return true;
}

static bool take_key(struct walk *walk, struct fault *fault)
{
    struct level *level = level_of(walk);
    size_t start, end;

    if (level != NULL) {
        level->is_object = true; /* however it began */
        level->key_len = fhir_plain(walk->scan.content, walk->scan.from, walk->scan.to,
                                    level->key, sizeof(level->key))
                             .len;
    }
    return take_text(walk, &start, &end, fault);
}

static bool take_token(struct walk *walk, enum fhir_token token, struct fault *fault)
{
    struct level *level = level_of(walk);

    switch (token) {
    case FHIR_OPEN_OBJECT:
    case FHIR_OPEN_ARRAY:
        enter(walk, token == FHIR_OPEN_OBJECT);
        return true;
    case FHIR_CLOSE:
        walk->depth -= walk->depth > 0;
        return true;
    case FHIR_KEY:
        return take_key(walk, fault);
    case FHIR_STRING:
    case FHIR_NUMBER:
        return take_value(walk, fault);
    case FHIR_COMMA:
        if (level != NULL)
            level->key_len = 0;
        return true;
    case FHIR_END:
        break;
    }
    return true;
}

bool read_fhir(struct reading *reading, struct slice path, struct fault *fault)
{
    struct walk *walk = xalloc(sizeof(*walk));
    enum fhir_token token;
    bool ok = true;

    (void)path;
    walk->rewrite.reading = reading;
    walk->scan.content = reading->content;
    walk->index = fhir_index_new(reading->content);
    while (ok && (token = fhir_next(&walk->scan)) != FHIR_END)
        ok = take_token(walk, token, fault);
    ok = ok && rewrite_keep(&walk->rewrite, reading->content.len, fault);
    fhir_index_free(walk->index);
    free(walk);
    return ok;
}
