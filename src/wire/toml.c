#include "wire/toml_reader.h"

#include <stdlib.h>

#include "base/scope.h"
#include "base/utf8.h"

#define DEPTH_MAX 12
#define PARTS_MAX 16  /* a.b.c */
#define KEYS_MAX 1000 /* of a table; they are looked through one by one */
#define KEY_BYTES_MAX 200
#define NUMBER_BYTES_MAX 40

/* ---- values ---- */

static struct toml *read_value(struct toml_reader *in, unsigned depth);
static bool read_pair(struct toml_reader *in, struct toml *table, unsigned depth);

static struct toml *drop(struct toml *node)
{
    toml_free(node);
    return NULL;
}

static struct toml *read_text(struct toml_reader *in, const struct toml_quote *quote)
{
    struct toml *node = toml_node(in, TOML_TEXT);
    AUTO_BUF struct buf text = buf_with_limit(TOML_BYTES_MAX);

    if (node == NULL || !toml_read_quoted(in, quote, &text))
        return drop(node);
    node->text = slice_dup(buf_slice(&text));
    node->len = text.len;
    return node;
}

static struct toml *read_list(struct toml_reader *in, unsigned depth)
{
    struct toml *list = toml_node(in, TOML_LIST);

    if (list == NULL)
        return NULL;
    list->is_closed = true;
    for (toml_skip_lines(in); !toml_take(in, "]"); toml_skip_lines(in)) {
        struct toml *child = read_value(in, depth + 1);

        if (child == NULL)
            return drop(list);
        toml_add(list, NULL, child);
        toml_skip_lines(in);
        if (!toml_take(in, ",") && toml_peek(in) != ']') {
            (void)toml_refuse_here(in, "a list that does not end, or lacks a comma");
            return drop(list);
        }
    }
    return list;
}

static void close_table(struct toml *table)
{
    table->is_closed = true;
    for (size_t i = 0; i < table->count; i++)
        if (table->children[i]->type == TOML_TABLE)
            close_table(table->children[i]);
}

static struct toml *read_inline(struct toml_reader *in, unsigned depth)
{
    struct toml *table = toml_node(in, TOML_TABLE);

    if (table == NULL)
        return NULL;
    toml_skip_blanks(in);
    while (!toml_take(in, "}")) {
        if (!read_pair(in, table, depth + 1))
            return drop(table);
        toml_skip_blanks(in);
        if (toml_take(in, ","))
            toml_skip_blanks(in);
        else if (toml_peek(in) != '}') {
            (void)toml_refuse_here(in, "a table in braces that does not end in its line");
            return drop(table);
        }
    }
    close_table(table);
    return table;
}

static size_t digits_at(const char *text, size_t at)
{
    size_t start = at;

    while ((text[at] >= '0' && text[at] <= '9') || (text[at] == '_' && at > start))
        at++;
    return at > start && text[at - 1] == '_' ? 0 : at - start;
}

/* [+-]digits[.digits][e[+-]digits] */
static bool is_number(const char *text)
{
    size_t at = text[0] == '+' || text[0] == '-' ? 1 : 0, run = digits_at(text, at);

    if (run == 0 || (run > 1 && text[at] == '0'))
        return false;
    at += run;
    if (text[at] == '.') {
        run = digits_at(text, at + 1);
        if (run == 0)
            return false;
        at += run + 1;
    }
    if (text[at] == 'e' || text[at] == 'E') {
        at += text[at + 1] == '+' || text[at + 1] == '-' ? 2 : 1;
        run = digits_at(text, at);
        if (run == 0)
            return false;
        at += run;
    }
    return text[at] == 0;
}

static struct toml *read_number(struct toml_reader *in)
{
    char word[NUMBER_BYTES_MAX + 1] = "", plain[NUMBER_BYTES_MAX + 1] = "";
    size_t len = 0, kept = 0;
    struct toml *node = NULL;

    while (len < NUMBER_BYTES_MAX && toml_peek(in) > 0 &&
           strchr(" \t\r\n,]}#", toml_peek(in)) == NULL)
        word[len++] = (char)in->text.at[in->at++];
    for (size_t i = 0; i < len; i++)
        if (word[i] != '_')
            plain[kept++] = word[i];
    if (!is_number(word))
        (void)toml_refuse_here(
            in, "a value that is no text, decimal number, true, false, list or table");
    else
        node = toml_node(in, TOML_NUMBER);
    if (node != NULL)
        node->number = strtod(plain, NULL);
    return node;
}

static struct toml *read_flag(struct toml_reader *in, bool flag)
{
    struct toml *node = toml_node(in, TOML_FLAG);

    if (node != NULL)
        node->flag = flag;
    return node;
}

static struct toml *read_value(struct toml_reader *in, unsigned depth)
{
    const struct toml_quote *quote;

    if (depth > DEPTH_MAX) {
        (void)toml_refuse_here(in, "values are nested too deep");
        return NULL;
    }
    quote = toml_take_quote(in);
    if (quote != NULL)
        return read_text(in, quote);
    if (toml_take(in, "["))
        return read_list(in, depth);
    if (toml_take(in, "{"))
        return read_inline(in, depth);
    if (toml_take(in, "true"))
        return read_flag(in, true);
    if (toml_take(in, "false"))
        return read_flag(in, false);
    return read_number(in);
}

/* ---- keys ---- */

struct path {
    char *keys[PARTS_MAX];
    size_t count;
};

static void path_free(struct path *path)
{
    for (size_t i = 0; i < path->count; i++)
        free(path->keys[i]);
}

#define AUTO_PATH __attribute__((cleanup(path_free)))

static bool is_bare(int byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '_' || byte == '-';
}

static bool read_key(struct toml_reader *in, struct path *path)
{
    AUTO_BUF struct buf key = buf_with_limit(KEY_BYTES_MAX);
    const struct toml_quote *quote;

    if (path->count == PARTS_MAX)
        return toml_refuse_here(in, "a key of too many parts");
    quote = toml_take_quote(in);
    if (quote != NULL && (quote->has_lines || !toml_read_quoted(in, quote, &key)))
        return quote->has_lines ? toml_refuse_here(in, "a key over several lines") : false;
    while (quote == NULL && is_bare(toml_peek(in)))
        if (!buf_add_byte(&key, in->text.at[in->at++], in->fault))
            return false;
    if (key.len == 0)
        return toml_refuse_here(in, "a key is missing");
    path->keys[path->count++] = slice_dup(buf_slice(&key));
    return true;
}

static bool read_path(struct toml_reader *in, struct path *path)
{
    do {
        toml_skip_blanks(in);
        if (!read_key(in, path))
            return false;
        toml_skip_blanks(in);
    } while (toml_take(in, "."));
    return true;
}

/* Takes `child`; NULL: it was NULL, or the table is full. */
static struct toml *add_key(struct toml_reader *in, struct toml *table, const char *key,
                            struct toml *child)
{
    if (child == NULL)
        return NULL;
    if (table->count == KEYS_MAX) {
        (void)fault_set(in->fault, FAULT_LIMIT, "%s:%d: a table of more than %d keys",
                        in->where, in->line, KEYS_MAX);
        return drop(child);
    }
    toml_add(table, key, child);
    return child;
}

static struct toml *add_table(struct toml_reader *in, struct toml *parent, const char *key)
{
    return add_key(in, parent, key, toml_node(in, TOML_TABLE));
}

/* The table that all keys but the last lead to; of a list of tables the last one. NULL: none. */
static struct toml *walk(struct toml_reader *in, struct toml *table, const struct path *path)
{
    for (size_t i = 0; i + 1 < path->count; i++) {
        struct toml *next = toml_child(table, slice_of(path->keys[i]));

        if (next == NULL)
            next = add_table(in, table, path->keys[i]);
        else if (next->type == TOML_LIST && next->has_header)
            next = next->children[next->count - 1];
        if (next == NULL)
            return NULL;
        if (next->type != TOML_TABLE || next->is_closed) {
            (void)toml_refuse_here(in,
                                   "a key leads through what is no table, or a closed one");
            return NULL;
        }
        table = next;
    }
    return table;
}

static bool read_pair(struct toml_reader *in, struct toml *table, unsigned depth)
{
    AUTO_PATH struct path path = {0};
    struct toml *into;

    if (!read_path(in, &path))
        return false;
    if (!toml_take(in, "="))
        return toml_refuse_here(in, "no = behind a key");
    toml_skip_blanks(in);
    into = walk(in, table, &path);
    if (into == NULL)
        return false;
    if (toml_child(into, slice_of(path.keys[path.count - 1])) != NULL)
        return toml_refuse_here(in, "a key stands twice");
    return add_key(in, into, path.keys[path.count - 1], read_value(in, depth)) != NULL;
}

/* ---- headers ---- */

static struct toml *open_table(struct toml_reader *in, struct toml *parent, const char *key)
{
    struct toml *table = toml_child(parent, slice_of(key));

    if (table == NULL)
        table = add_table(in, parent, key);
    else if (table->type != TOML_TABLE || table->is_closed || table->has_header) {
        (void)toml_refuse_here(in, "a table stands twice, or is something else");
        return NULL;
    }
    if (table != NULL)
        table->has_header = true;
    return table;
}

static struct toml *open_element(struct toml_reader *in, struct toml *parent, const char *key)
{
    struct toml *list = toml_child(parent, slice_of(key)), *table;

    if (list == NULL) {
        list = add_key(in, parent, key, toml_node(in, TOML_LIST));
        if (list == NULL)
            return NULL;
        list->has_header = true;
    }
    if (list->type != TOML_LIST || !list->has_header) {
        (void)toml_refuse_here(in, "a list of tables is something else, too");
        return NULL;
    }
    table = toml_node(in, TOML_TABLE);
    if (table == NULL)
        return NULL;
    toml_add(list, NULL, table);
    return table;
}

/* NULL: refused. */
static struct toml *read_header(struct toml_reader *in, struct toml *root)
{
    AUTO_PATH struct path path = {0};
    bool is_element = toml_take(in, "[[");
    struct toml *parent;
    const char *last;

    if ((!is_element && !toml_take(in, "[")) || !read_path(in, &path))
        return NULL;
    if (!toml_take(in, is_element ? "]]" : "]")) {
        (void)toml_refuse_here(in, "a header that is not closed");
        return NULL;
    }
    parent = walk(in, root, &path);
    if (parent == NULL)
        return NULL;
    last = path.keys[path.count - 1];
    return is_element ? open_element(in, parent, last) : open_table(in, parent, last);
}

static bool check_text(struct toml_reader *in)
{
    if (in->text.len > TOML_BYTES_MAX)
        return fault_set(in->fault, FAULT_LIMIT, "%s: more than %lu bytes", in->where,
                         TOML_BYTES_MAX);
    for (size_t at = 0; at < in->text.len;) {
        uint32_t character = 0;
        size_t len = utf8_next(in->text, at, &character);

        if (len == 0)
            return toml_refuse_here(in, "a byte that is not UTF-8");
        at += len;
        in->line += character == '\n';
        if (character == '\r' && (at == in->text.len || in->text.at[at] != '\n'))
            return toml_refuse_here(in, "a CR that no LF follows");
        if ((character < 0x20 && character != '\t' && character != '\n' &&
             character != '\r') ||
            character == 0x7f)
            return toml_refuse_here(in, "a control character");
    }
    in->line = 1;
    return true;
}

static bool read_all(struct toml_reader *in, struct toml *root)
{
    struct toml *table = root;

    for (toml_skip_lines(in); in->at < in->text.len; toml_skip_lines(in)) {
        bool ok;

        if (toml_peek(in) == '[') {
            table = read_header(in, root);
            ok = table != NULL;
        } else {
            ok = read_pair(in, table, 1);
        }
        if (!ok || !toml_end_line(in))
            return false;
    }
    return true;
}

bool toml_parse(struct slice text, const char *where, struct toml **ret_root,
                struct fault *fault)
{
    struct toml_reader in = {.text = text, .line = 1, .where = where, .fault = fault};
    struct toml *root = toml_node(&in, TOML_TABLE);

    if (!check_text(&in) || !read_all(&in, root)) {
        toml_free(root);
        return false;
    }
    *ret_root = root;
    return true;
}
