#include "classify/fhir_index.h"

#include <stdlib.h>

#include "base/eight.h"
#include "classify/read.h"

/* Where the words of an object begin, and 1; 0: it has none. */
struct object {
    uint32_t words[FHIR_WORD_COUNT];
};

struct fhir_index {
    struct slice content;
    struct object *objects;
    size_t count, room;
};

struct level {
    bool is_object;
    size_t object;                                 /* its number */
    uint8_t name[FHIR_KEY_MAX], key[FHIR_KEY_MAX]; /* of the whole, of the member */
    size_t name_len, key_len;
};

struct walk {
    struct fhir_scan scan;
    struct fhir_index *index;
    size_t depth, objects;
    struct level levels[FHIR_LEVELS_MAX]; /* levels[0] is around the document */
};

/* ---- tokens ---- */

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

/* The first byte from `at` on that a string is not made of. */
static inline size_t string_run(struct slice content, size_t at)
{
    while (content.len - at >= sizeof(uint64_t)) {
        uint64_t word = eight_load(content.at + at);
        uint64_t plain =
            eight_other(word, '"') & eight_other(word, '\\') & eight_other(word, '\n');

        if ((plain & EIGHT_ALL) != EIGHT_ALL)
            return at + eight_first_no(plain);
        at += sizeof(word);
    }
    while (at < content.len && content.at[at] != '"' && content.at[at] != '\\' &&
           content.at[at] != '\n')
        at++;
    return at;
}

static enum fhir_token take_string(struct fhir_scan *scan)
{
    struct slice content = scan->content;
    size_t at = scan->at + 1;

    scan->from = at;
    while ((at = string_run(content, at)) < content.len && content.at[at] == '\\')
        at += at + 1 < content.len ? 2 : 1;
    scan->to = at;
    at += at < content.len && content.at[at] == '"';
    scan->at = at;
    while (at < content.len && is_blank(content.at[at]))
        at++;
    return at < content.len && content.at[at] == ':' ? FHIR_KEY : FHIR_STRING;
}

static bool is_number(uint8_t byte)
{
    return (byte >= '0' && byte <= '9') || byte == '.' || byte == '-' || byte == '+' ||
           byte == 'e' || byte == 'E';
}

enum fhir_token fhir_next(struct fhir_scan *scan)
{
    struct slice content = scan->content;

    while (scan->at < content.len) {
        uint8_t byte = content.at[scan->at];

        if (byte == '"')
            return take_string(scan);
        if (byte == '-' || (byte >= '0' && byte <= '9')) {
            scan->from = scan->at;
            while (scan->at < content.len && is_number(content.at[scan->at]))
                scan->at++;
            scan->to = scan->at;
            return FHIR_NUMBER;
        }
        scan->at++;
        if (byte == '{')
            return FHIR_OPEN_OBJECT;
        if (byte == '[')
            return FHIR_OPEN_ARRAY;
        if (byte == '}' || byte == ']')
            return FHIR_CLOSE;
        if (byte == ',')
            return FHIR_COMMA;
    }
    return FHIR_END;
}

struct slice fhir_plain(struct slice content, size_t from, size_t to, uint8_t *ret_bytes,
                        size_t room)
{
    size_t len = 0;

    for (size_t at = from; at < to;) {
        uint8_t bytes[4] = {content.at[at]};
        size_t written = 0, more = 1;

        if (content.at[at] == '\\')
            written = read_escape_json(slice_part(content, 0, to), at, bytes, &more);
        if (written == 0)
            more = 1;
        if (more > room - len)
            return (struct slice){0};
        memcpy(ret_bytes + len, bytes, more);
        len += more;
        at += written > 0 ? written : 1;
    }
    return slice_of_bytes(ret_bytes, len);
}

/* ---- what objects say ---- */

/* The object whose n-th container from here inwards this one is. */
static struct level *level_at(struct walk *walk, size_t up)
{
    if (walk->depth >= FHIR_LEVELS_MAX || up >= walk->depth)
        return NULL;
    return &walk->levels[walk->depth - up];
}

static void set_word(struct walk *walk, const struct level *level, enum fhir_word word)
{
    struct object *object;

    if (!level->is_object || level->object >= walk->index->count ||
        walk->scan.from >= UINT32_MAX)
        return;
    object = &walk->index->objects[level->object];
    if (object->words[word] == 0)
        object->words[word] = (uint32_t)walk->scan.from + 1;
}

static bool is_named(const struct level *level, const char *name)
{
    return level != NULL &&
           slice_equal(slice_of_bytes(level->name, level->name_len), slice_of(name));
}

static void take_value(struct walk *walk)
{
    static const struct {
        const char *key;
        enum fhir_word word;
    } words[] = {
        {"resourceType", FHIR_RESOURCE},
        {"system", FHIR_SYSTEM},
        {"url", FHIR_URL},
        {"reference", FHIR_TARGET},
    };
    struct level *level = level_at(walk, 0), *owner = level_at(walk, 3);
    struct slice key;

    if (level == NULL || !level->is_object)
        return;
    key = slice_of_bytes(level->key, level->key_len);
    for (size_t i = 0; i < COUNT(words); i++)
        if (slice_equal(key, slice_of(words[i].key)))
            set_word(walk, level, words[i].word);
    /* {"type": {"coding": [{"code": "SS"}]}, "value": ...} */
    if (owner != NULL && slice_equal(key, SLICE("code")) &&
        is_named(level_at(walk, 1), "coding") && is_named(level_at(walk, 2), "type"))
        set_word(walk, owner, FHIR_TYPE);
}

static void enter(struct walk *walk, bool is_object)
{
    const struct level *outer =
        walk->depth < FHIR_LEVELS_MAX ? &walk->levels[walk->depth] : NULL;
    size_t object = is_object ? walk->objects++ : 0;

    walk->depth++;
    if (is_object && walk->index->count < FHIR_OBJECTS_MAX) {
        struct fhir_index *index = walk->index;

        index->objects =
            xgrow(index->objects, &index->room, index->count + 1, sizeof(*index->objects));
        index->objects[index->count++] = (struct object){0};
    }
    if (walk->depth < FHIR_LEVELS_MAX) {
        struct level *level = &walk->levels[walk->depth];

        level->is_object = is_object;
        level->object = object;
        level->key_len = 0;
        level->name_len = 0;
        if (outer != NULL && outer->is_object) {
            level->name_len = outer->key_len;
            memcpy(level->name, outer->key, outer->key_len);
        } else if (outer != NULL) {
            level->name_len = outer->name_len;
            memcpy(level->name, outer->name, outer->name_len);
        }
    }
}

static void take_key(struct walk *walk)
{
    struct level *level = level_at(walk, 0);

    if (level != NULL)
        level->key_len = fhir_plain(walk->scan.content, walk->scan.from, walk->scan.to,
                                    level->key, sizeof(level->key))
                             .len;
}

struct fhir_index *fhir_index_new(struct slice content)
{
    struct fhir_index *index = xalloc(sizeof(*index));
    struct walk *walk = xalloc(sizeof(*walk));
    enum fhir_token token;

    index->content = content;
    walk->index = index;
    walk->scan.content = content;
    while ((token = fhir_next(&walk->scan)) != FHIR_END) {
        if (token == FHIR_OPEN_OBJECT || token == FHIR_OPEN_ARRAY)
            enter(walk, token == FHIR_OPEN_OBJECT);
        else if (token == FHIR_CLOSE)
            walk->depth -= walk->depth > 0;
        else if (token == FHIR_KEY)
            take_key(walk);
        else if (token == FHIR_STRING)
            take_value(walk);
    }
    free(walk);
    return index;
}

void fhir_index_free(struct fhir_index *index)
{
    if (index == NULL)
        return;
    free(index->objects);
    free(index);
}

static bool is_plain_word(struct slice word)
{
    for (size_t i = 0; i < word.len; i++)
        if (word.at[i] <= ' ' || word.at[i] >= 127 || word.at[i] == '[' || word.at[i] == ']')
            return false;
    return true;
}

/* "Patient" of "https://host/fhir/Patient/17". */
static struct slice target_of(struct slice reference)
{
    size_t end = reference.len, from;

    while (end > 0 && reference.at[end - 1] != '/')
        end--;
    if (end == 0)
        return (struct slice){0};
    from = end = end - 1;
    while (from > 0 && reference.at[from - 1] != '/')
        from--;
    return slice_part(reference, from, end);
}

struct slice fhir_index_word(const struct fhir_index *index, size_t object,
                             enum fhir_word word, uint8_t ret_bytes[FHIR_WORD_MAX])
{
    struct slice said;
    size_t from, to;

    if (object >= index->count || index->objects[object].words[word] == 0)
        return (struct slice){0};
    from = to = index->objects[object].words[word] - 1;
    while (to < index->content.len && to - from <= FHIR_WORD_MAX &&
           index->content.at[to] != '"' && index->content.at[to] != '\n')
        to++;
    if (to - from > FHIR_WORD_MAX)
        return (struct slice){0};
    said = fhir_plain(index->content, from, to, ret_bytes, FHIR_WORD_MAX);
    if (word == FHIR_TARGET)
        said = target_of(said);
    return is_plain_word(said) ? said : (struct slice){0};
}
