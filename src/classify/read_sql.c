/*
 * SQL dumps: values of INSERT and rows of COPY are elements that have their columns' names, of
 * the statement's own list or of an earlier CREATE TABLE. The text is the content with the
 * strings' escapes resolved; other statements stand as they are.
 */
#include <strings.h>

#include "base/scope.h"
#include "classify/read.h"
#include "classify/rewrite.h"

#define COLUMNS_MAX 1024
#define TABLES_MAX 128
#define DIALECT_BYTES 16384
#define NESTING_MAX 64 /* parentheses within one value */

struct definition {
    struct slice table;
    size_t first, count; /* of `defined` */
};

struct dump {
    struct rewrite rewrite;
    struct slice content;
    size_t at;
    bool has_backslash;                /* MySQL: it escapes in every string */
    struct slice columns[COLUMNS_MAX]; /* of the statement that is being read */
    size_t column_count;
    struct slice *defined; /* by CREATE TABLE, table by table */
    size_t defined_count, defined_room;
    struct definition definitions[TABLES_MAX];
    size_t definition_count;
};

/* ---- words ---- */

static bool is_word_byte(uint8_t byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
           (byte >= 'A' && byte <= 'Z') || byte == '_' || byte == '$' || byte >= 0x80;
}

static uint8_t here(const struct dump *dump)
{
    return dump->at < dump->content.len ? dump->content.at[dump->at] : 0;
}

static void skip_blanks(struct dump *dump)
{
    while (dump->at < dump->content.len && memchr(" \t\r\n", here(dump), 4) != NULL)
        dump->at++;
}

/* The next word, whatever its case; only if it is this one. */
static bool take_word(struct dump *dump, const char *word)
{
    size_t len = strlen(word);

    skip_blanks(dump);
    if (dump->content.len - dump->at < len ||
        strncasecmp((const char *)dump->content.at + dump->at, word, len) != 0 ||
        (dump->at + len < dump->content.len && is_word_byte(dump->content.at[dump->at + len])))
        return false;
    dump->at += len;
    return true;
}

static bool take_byte(struct dump *dump, uint8_t byte)
{
    skip_blanks(dump);
    if (here(dump) != byte || dump->at == dump->content.len)
        return false;
    dump->at++;
    return true;
}

/* A name, in quotes of any dialect or without; of several with dots between them the last. */
static bool take_name(struct dump *dump, struct slice *ret_name)
{
    struct slice content = dump->content;

    do {
        uint8_t open, close;
        size_t start, end;

        skip_blanks(dump);
        open = here(dump);
        close = open == '[' ? ']' : open;
        if (open == '"' || open == '`' || open == '[') {
            start = dump->at + 1;
            end = start;
            while (end < content.len && end - start < READING_NAME_MAX &&
                   content.at[end] != close && content.at[end] != '\n')
                end++;
            if (end == content.len || content.at[end] != close)
                return false;
            dump->at = end + 1;
        } else {
            start = end = dump->at;
            while (end < content.len && is_word_byte(content.at[end]))
                end++;
            if (end == start)
                return false;
            dump->at = end;
        }
        *ret_name = slice_part(content, start, end);
    } while (here(dump) == '.' && dump->at++ < content.len);
    return true;
}

/* (a, b, c) */
static bool take_columns(struct dump *dump)
{
    dump->column_count = 0;
    if (!take_byte(dump, '('))
        return false;
    do {
        struct slice name;

        if (!take_name(dump, &name))
            return false;
        if (dump->column_count < COLUMNS_MAX)
            dump->columns[dump->column_count++] = name;
    } while (take_byte(dump, ','));
    return take_byte(dump, ')');
}

/* ---- CREATE TABLE ---- */

static bool is_constraint(struct slice word)
{
    static const char *const words[] = {"primary", "key",    "unique", "constraint",
                                        "foreign", "index",  "check",  "fulltext",
                                        "spatial", "exclude"};

    for (size_t i = 0; i < COUNT(words); i++)
        if (word.len == strlen(words[i]) &&
            strncasecmp((const char *)word.at, words[i], word.len) == 0)
            return true;
    return false;
}

/* To behind the comma, or to the parenthesis, that ends this part. */
static void skip_part(struct dump *dump)
{
    size_t depth = 0;

    for (; dump->at < dump->content.len; dump->at++) {
        uint8_t byte = here(dump);

        if (byte == ';' || (byte == ')' && depth == 0))
            return;
        if (byte == ',' && depth == 0) {
            dump->at++;
            return;
        }
        depth += byte == '(';
        depth -= byte == ')';
        if (byte == '\'') {
            size_t close = slice_find_byte(dump->content, '\'', dump->at + 1);

            dump->at = close == SIZE_MAX ? dump->content.len - 1 : close;
        }
    }
}

static void define_table(struct dump *dump)
{
    struct definition definition = {.first = dump->defined_count};

    if (take_word(dump, "if"))
        (void)(take_word(dump, "not") && take_word(dump, "exists"));
    if (!take_name(dump, &definition.table) || !take_byte(dump, '('))
        return;
    while (dump->at < dump->content.len && definition.count < COLUMNS_MAX) {
        struct slice name;
        size_t before = dump->at;

        if (!take_name(dump, &name))
            break;
        if (!is_constraint(name) || dump->content.at[before] == '`') {
            dump->defined = xgrow(dump->defined, &dump->defined_room, dump->defined_count + 1,
                                  sizeof(*dump->defined));
            dump->defined[dump->defined_count++] = name;
            definition.count++;
        }
        skip_part(dump);
        skip_blanks(dump);
        if (here(dump) == ')' || here(dump) == ';')
            break;
    }
    if (dump->definition_count < TABLES_MAX)
        dump->definitions[dump->definition_count++] = definition;
    else
        dump->defined_count = definition.first;
}

static void use_definition(struct dump *dump, struct slice table)
{
    dump->column_count = 0;
    for (size_t i = dump->definition_count; i-- > 0;) {
        const struct definition *definition = &dump->definitions[i];

        if (!slice_equal(definition->table, table))
            continue;
        if (definition->count == 0)
            return;
        memcpy(dump->columns, dump->defined + definition->first,
               definition->count * sizeof(*dump->columns));
        dump->column_count = definition->count;
        return;
    }
}

static void add_value(struct dump *dump, size_t start, size_t end, size_t column)
{
    reading_cell(dump->rewrite.reading, start, end,
                 column < dump->column_count ? dump->columns[column] : (struct slice){0},
                 column + 1);
}

/* ---- INSERT ---- */

/* A string, from its opening quote; gives its text, and stands behind the closing one. */
static bool take_string(struct dump *dump, bool has_backslash, size_t *ret_start,
                        size_t *ret_end, struct fault *fault)
{
    struct slice content = dump->content;
    uint8_t quote = here(dump);
    size_t at = dump->at + 1;

    *ret_start = rewrite_place(&dump->rewrite, at);
    while (at < content.len) {
        uint8_t bytes[4] = {quote};
        size_t len = 1, written = 0;
        bool is_double =
            content.at[at] == quote && at + 1 < content.len && content.at[at + 1] == quote;

        if (content.at[at] == quote && !is_double)
            break;
        if (is_double)
            written = 2;
        else if (has_backslash && content.at[at] == '\\')
            written = read_escape_c(content, at, bytes, &len);
        if (written > 0 &&
            !rewrite_as(&dump->rewrite, at, at + written, slice_of_bytes(bytes, len),
                        is_double ? FORM_PLAIN : FORM_BACKSLASH, fault))
            return false;
        at += written > 0 ? written : content.at[at] == '\\' && has_backslash ? 2 : 1;
    }
    at = at < content.len ? at : content.len;
    *ret_end = rewrite_place(&dump->rewrite, at);
    dump->at = at + (at < content.len);
    return true;
}

/* One value up to the comma or parenthesis behind it: what its first string says, else all of
 * it. */
static bool take_value(struct dump *dump, size_t column, struct fault *fault)
{
    size_t depth = 0, start, end = 0, first = 0;
    bool has_string = false;

    skip_blanks(dump);
    start = rewrite_place(&dump->rewrite, dump->at);
    for (; dump->at < dump->content.len; dump->at++) {
        uint8_t byte = here(dump);

        if (byte == ';' || (depth == 0 && (byte == ',' || byte == ')')))
            break;
        depth += byte == '(' && depth < NESTING_MAX;
        depth -= byte == ')';
        if (byte == '\'' || byte == '"') {
            bool is_escaped = dump->at > 0 && (dump->content.at[dump->at - 1] | 0x20) == 'e';
            size_t string_start, string_end;

            if (!take_string(dump, dump->has_backslash || is_escaped, &string_start,
                             &string_end, fault))
                return false;
            first = has_string ? first : string_start;
            end = has_string ? end : string_end;
            has_string = true;
            dump->at--;
        }
    }
    if (has_string)
        add_value(dump, first, end, column);
    else
        add_value(dump, start, rewrite_place(&dump->rewrite, dump->at), column);
    return true;
}

/* Those that the statement names, else those that the table was made with. */
static bool take_columns_of(struct dump *dump, struct slice table)
{
    skip_blanks(dump);
    if (here(dump) == '(')
        return take_columns(dump);
    use_definition(dump, table);
    return true;
}

static bool take_insert(struct dump *dump, struct fault *fault)
{
    struct slice table;

    (void)(take_word(dump, "ignore") || take_word(dump, "low_priority") ||
           take_word(dump, "delayed"));
    (void)take_word(dump, "into");
    if (!take_name(dump, &table))
        return true;
    if (!take_columns_of(dump, table))
        return true;
    if (take_word(dump, "overriding"))
        (void)((take_word(dump, "system") || take_word(dump, "user")) &&
               take_word(dump, "value"));
    if (!take_word(dump, "values") && !take_word(dump, "value"))
        return true;
    while (take_byte(dump, '(')) {
        size_t column = 0;

        do
            if (!take_value(dump, column++, fault))
                return false;
        while (take_byte(dump, ','));
        if (!take_byte(dump, ')'))
            return true;
        (void)take_byte(dump, ',');
    }
    return true;
}

/* ---- COPY ---- */

static bool take_field(struct dump *dump, size_t column, struct fault *fault)
{
    struct slice content = dump->content;
    size_t start = rewrite_place(&dump->rewrite, dump->at);

    while (dump->at < content.len && here(dump) != '\t' && here(dump) != '\n' &&
           here(dump) != '\r') {
        uint8_t bytes[4];
        size_t len, written = 0;

        if (here(dump) == '\\')
            written = read_escape_c(content, dump->at, bytes, &len);
        if (written > 0 && !rewrite_as(&dump->rewrite, dump->at, dump->at + written,
                                       slice_of_bytes(bytes, len), FORM_BACKSLASH, fault))
            return false;
        dump->at += written > 0 ? written : 1;
    }
    add_value(dump, start, rewrite_place(&dump->rewrite, dump->at), column);
    return true;
}

static void skip_line(struct dump *dump)
{
    size_t end = slice_find_byte(dump->content, '\n', dump->at);

    dump->at = end == SIZE_MAX ? dump->content.len : end + 1;
}

static bool take_copy(struct dump *dump, struct fault *fault)
{
    struct slice table;

    if (!take_name(dump, &table))
        return true;
    if (!take_columns_of(dump, table))
        return true;
    if (!take_word(dump, "from") || !take_word(dump, "stdin"))
        return true;
    skip_line(dump);
    while (dump->at < dump->content.len) {
        size_t column = 0;

        if (slice_starts_with(slice_part(dump->content, dump->at, dump->content.len),
                              SLICE("\\.")))
            break;
        do
            if (!take_field(dump, column++, fault))
                return false;
        while (here(dump) == '\t' && dump->at++ < dump->content.len);
        skip_line(dump);
    }
    return true;
}

/* ---- statements: what begins a line ---- */

static bool take_statement(struct dump *dump, struct fault *fault)
{
    skip_blanks(dump);
    if (take_word(dump, "insert") || take_word(dump, "replace"))
        return take_insert(dump, fault);
    if (take_word(dump, "copy"))
        return take_copy(dump, fault);
    if (take_word(dump, "create")) {
        (void)(take_word(dump, "temporary") || take_word(dump, "unlogged"));
        if (take_word(dump, "table"))
            define_table(dump);
    }
    return true;
}

/* Behind the statement, or on the next line where it was none of ours. */
static void skip_rest(struct dump *dump)
{
    while (dump->at < dump->content.len && here(dump) != '\n' && here(dump) != ';')
        dump->at++;
    dump->at += dump->at < dump->content.len;
}

bool read_sql(struct reading *reading, struct slice path, struct fault *fault)
{
    AUTO_FREE struct dump *dump = xalloc(sizeof(*dump));
    struct slice head = slice_part(reading->content, 0, DIALECT_BYTES);
    bool ok = true;

    (void)path;
    dump->rewrite = (struct rewrite){.reading = reading};
    dump->content = reading->content;
    dump->has_backslash = slice_find_byte(head, '`', 0) != SIZE_MAX ||
                          slice_find(head, SLICE("MySQL"), 0) != SIZE_MAX ||
                          slice_find(head, SLICE("MariaDB"), 0) != SIZE_MAX;
    while (ok && dump->at < dump->content.len) {
        ok = take_statement(dump, fault);
        skip_rest(dump);
    }
    free(dump->defined);
    return ok && rewrite_keep(&dump->rewrite, dump->content.len, fault);
}
