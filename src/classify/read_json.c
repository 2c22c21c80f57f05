/*
 * JSON, one document or many: the text is the document with the strings' escapes resolved;
 * each string and number is an element that has its member's name. Lenient: what is not JSON
 * (comments, a document that was cut off) is read over, and a string ends with its line.
 *
 * Strings of an array of which one ends with a line's end are one text (notebooks keep sources
 * that way): what lies between them is left out.
 */
#include "classify/json_string.h"
#include "classify/read.h"

#define LEVELS_MAX 64 /* members of deeper ones have no names */

struct span {
    size_t start, end; /* in the text */
};

struct level {
    bool is_object;
    struct span outer; /* the name of the whole */
    struct span key;   /* of the member that is being read */
    struct span label; /* what a member called "name" or "type" said before: {"name": "ssn",
                        * "value": ...} */
};

struct walk {
    struct rewrite rewrite;
    struct slice content;
    size_t at;
    size_t depth;    /* levels[depth] is where we are, unless that is beyond them */
    size_t line_end; /* the closing quote of a string that ends with a line's end; 0: no such
                      * string comes before this one in its array */
    bool is_notebook;
    struct level levels[LEVELS_MAX];
};

/* ---- names ---- */

static struct level *level_of(struct walk *walk)
{
    return walk->depth < LEVELS_MAX ? &walk->levels[walk->depth] : NULL;
}

static struct slice text_of(const struct walk *walk, struct span span)
{
    return rewrite_text(&walk->rewrite, span.start, span.end);
}

/* Of the value that comes next. */
static struct span name_of(struct walk *walk)
{
    const struct level *level = level_of(walk);

    if (level == NULL)
        return (struct span){0};
    if (!level->is_object || level->key.end == 0)
        return level->outer;
    if (!read_is_generic_name(text_of(walk, level->key)))
        return level->key;
    return level->label.end > 0   ? level->label
           : level->outer.end > 0 ? level->outer
                                  : level->key;
}

static void enter(struct walk *walk, bool is_object)
{
    struct span name = name_of(walk);

    walk->depth++;
    if (walk->depth < LEVELS_MAX)
        walk->levels[walk->depth] = (struct level){.is_object = is_object, .outer = name};
}

static void leave(struct walk *walk)
{
    struct level *level;

    walk->depth -= walk->depth > 0;
    level = level_of(walk);
    if (level != NULL)
        level->key = (struct span){0};
}

static void add_element(struct walk *walk, struct span value)
{
    reading_element(walk->rewrite.reading, value.start, value.end,
                    text_of(walk, name_of(walk)), (struct slice){0});
}

/* ---- strings ---- */

/* From behind the opening quote; stands behind the closing one then. */
static bool read_string(struct walk *walk, struct span *ret_text, bool *ret_is_line,
                        struct fault *fault)
{
    struct rewrite *rewrite = &walk->rewrite;
    struct slice content = walk->content;
    struct json_string string;

    ret_text->start = rewrite_place(rewrite, walk->at);
    if (!json_string_read(rewrite, content, walk->at, &string, fault))
        return false;
    ret_text->end = rewrite_place(rewrite, string.end);
    *ret_is_line = string.is_line;
    walk->at = string.end + (string.end < content.len && content.at[string.end] == '"');
    return true;
}

static bool is_key(const struct walk *walk)
{
    size_t at = walk->at;

    while (at < walk->content.len && at < walk->at + 64 &&
           (walk->content.at[at] == ' ' || walk->content.at[at] == '\n' ||
            walk->content.at[at] == '\t' || walk->content.at[at] == '\r'))
        at++;
    return at < walk->content.len && walk->content.at[at] == ':';
}

static void take_key(struct walk *walk, struct span key)
{
    struct level *level = level_of(walk);

    if (walk->depth == 1 && slice_equal(text_of(walk, key), SLICE("nbformat")))
        walk->is_notebook = true;
    if (level == NULL)
        return;
    level->is_object = true; /* however it began */
    level->key = key;
}

static bool take_string(struct walk *walk, struct fault *fault)
{
    struct level *level = level_of(walk);
    struct span text;
    bool is_line;

    walk->at++;
    if (walk->line_end > 0 && !rewrite_as(&walk->rewrite, walk->line_end, walk->at,
                                          (struct slice){0}, FORM_PLAIN, fault))
        return false;
    walk->line_end = 0;
    if (!read_string(walk, &text, &is_line, fault))
        return false;
    if (is_key(walk)) {
        take_key(walk, text);
        return true;
    }
    add_element(walk, text);
    if (level != NULL && level->is_object && read_is_label_name(text_of(walk, level->key)))
        level->label = text;
    if (is_line && level != NULL && !level->is_object && walk->depth > 0)
        walk->line_end = walk->at - 1;
    return true;
}

/* ---- the rest ---- */

static bool is_scalar(uint8_t byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
           (byte >= 'A' && byte <= 'Z') || byte == '.' || byte == '-' || byte == '+' ||
           byte == '_';
}

static void take_scalar(struct walk *walk)
{
    struct span text = {.start = rewrite_place(&walk->rewrite, walk->at)};
    uint8_t first = walk->content.at[walk->at];
    size_t from = walk->at;

    while (walk->at < walk->content.len && is_scalar(walk->content.at[walk->at]))
        walk->at++;
    text.end = text.start + (walk->at - from);
    if ((first >= '0' && first <= '9') || first == '-')
        add_element(walk, text);
}

bool read_json_part(struct reading *reading, size_t from, size_t to, struct fault *fault)
{
    struct walk walk = {.rewrite = {.reading = reading, .done = from},
                        .content = slice_part(reading->content, 0, to),
                        .at = from};
    struct level *level;

    while (walk.at < walk.content.len) {
        uint8_t byte = walk.content.at[walk.at];

        if (byte == '"') {
            if (!take_string(&walk, fault))
                return false;
            continue;
        }
        if (is_scalar(byte)) {
            walk.line_end = 0;
            take_scalar(&walk);
            continue;
        }
        walk.at++;
        switch (byte) {
        case '{':
        case '[':
            walk.line_end = 0;
            enter(&walk, byte == '{');
            break;
        case '}':
        case ']':
            walk.line_end = 0;
            leave(&walk);
            break;
        case ',':
            level = level_of(&walk);
            if (level != NULL)
                level->key = (struct span){0};
            break;
        default:
            break;
        }
    }
    if (walk.is_notebook)
        reading->format = FORMAT_NOTEBOOK;
    return rewrite_keep(&walk.rewrite, to, fault);
}

bool read_json(struct reading *reading, struct slice path, struct fault *fault)
{
    (void)path;
    return read_json_part(reading, 0, reading->content.len, fault);
}
