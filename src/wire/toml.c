#include "wire/toml.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hex.h"
#include "base/scope.h"
#include "base/utf8.h"

#define DEPTH_MAX 12
#define NODES_MAX 200000
#define PARTS_MAX 16  /* a.b.c */
#define KEYS_MAX 1000 /* of a table; they are looked through one by one */
#define KEY_BYTES_MAX 200
#define NUMBER_BYTES_MAX 40

struct reader {
    struct slice text;
    size_t at;
    int line;
    const char *where;
    size_t nodes;
    struct fault *fault;
};

/* ---- the tree ---- */

bool toml_refuse(const struct toml *node, struct fault *fault, const char *format, ...)
{
    char why[300];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(why, sizeof(why), format, arguments);
    va_end(arguments);
    return fault_set(fault, FAULT_INVALID, "%s:%d: %s", node->where, node->line, why);
}

void toml_free(struct toml *root)
{
    if (root == NULL)
        return;
    for (size_t i = 0; i < root->count; i++) {
        if (root->keys != NULL)
            free(root->keys[i]);
        toml_free(root->children[i]);
    }
    free(root->keys);
    free(root->children);
    free(root->text);
    free(root);
}

static struct toml *find(const struct toml *table, struct slice key)
{
    for (size_t i = 0; i < table->count; i++)
        if (slice_equal(slice_of(table->keys[i]), key))
            return table->children[i];
    return NULL;
}

const struct toml *toml_find(const struct toml *table, const char *key)
{
    return table->type == TOML_TABLE ? find(table, slice_of(key)) : NULL;
}

static bool refuse(const struct reader *in, const char *why)
{
    return fault_set(in->fault, FAULT_INVALID, "%s:%d: %s", in->where, in->line, why);
}

/* NULL: too many. */
static struct toml *node_new(struct reader *in, enum toml_type type)
{
    struct toml *node;

    if (in->nodes == NODES_MAX) {
        (void)fault_set(in->fault, FAULT_LIMIT, "%s:%d: more than %d values", in->where,
                        in->line, NODES_MAX);
        return NULL;
    }
    in->nodes++;
    node = xalloc(sizeof(*node));
    *node = (struct toml){.type = type, .where = in->where, .line = in->line};
    return node;
}

static void add_child(struct toml *parent, const char *key, struct toml *child)
{
    size_t room = parent->room;

    if (key != NULL) {
        parent->keys = xgrow(parent->keys, &room, parent->count + 1, sizeof(*parent->keys));
        parent->keys[parent->count] = xstrdup(key);
    }
    parent->children =
        xgrow(parent->children, &parent->room, parent->count + 1, sizeof(struct toml *));
    parent->children[parent->count++] = child;
}

/* ---- characters ---- */

static int peek(const struct reader *in)
{
    return in->at < in->text.len ? in->text.at[in->at] : -1;
}

static bool is_ahead(const struct reader *in, const char *word)
{
    return slice_starts_with(slice_part(in->text, in->at, in->text.len), slice_of(word));
}

static bool take(struct reader *in, const char *word)
{
    if (!is_ahead(in, word))
        return false;
    in->at += strlen(word);
    return true;
}

static void skip_blanks(struct reader *in)
{
    while (peek(in) == ' ' || peek(in) == '\t')
        in->at++;
}

static bool take_line_end(struct reader *in)
{
    if (!take(in, "\n") && !take(in, "\r\n"))
        return false;
    in->line++;
    return true;
}

static void skip_comment(struct reader *in)
{
    skip_blanks(in);
    if (peek(in) == '#')
        while (in->at < in->text.len && !is_ahead(in, "\n") && !is_ahead(in, "\r\n"))
            in->at++;
}

static void skip_lines(struct reader *in)
{
    do
        skip_comment(in);
    while (take_line_end(in));
}

static bool end_line(struct reader *in)
{
    skip_comment(in);
    return in->at == in->text.len || take_line_end(in) ||
           refuse(in, "something stands behind a value or a header");
}

/* ---- texts ---- */

static bool add_escaped(struct reader *in, struct buf *out)
{
    static const char letters[] = "btnfr\"\\", bytes[] = "\b\t\n\f\r\"\\";
    int letter = peek(in);
    const char *known = letter < 1 ? NULL : strchr(letters, letter);
    size_t digits = letter == 'u' ? 4 : letter == 'U' ? 8 : 0;
    uint32_t point = 0;

    in->at++;
    if (known != NULL)
        return buf_add_byte(out, (uint8_t)bytes[known - letters], in->fault);
    if (digits == 0 || in->text.len - in->at < digits)
        return refuse(in, "an escape that TOML does not have");
    for (; digits > 0; digits--) {
        int digit = hex_digit(in->text.at[in->at++]);

        if (digit < 0)
            return refuse(in, "an escape that TOML does not have");
        point = point << 4 | (uint32_t)digit;
    }
    if (point == 0 || point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
        return refuse(in, "an escape that is no character");
    return utf8_add(out, point, in->fault);
}

/* A backslash at the end of a line: what is blank goes, over lines. */
static bool take_folded(struct reader *in)
{
    struct reader ahead = *in;

    skip_blanks(&ahead);
    if (!take_line_end(&ahead))
        return false;
    do
        skip_blanks(&ahead);
    while (take_line_end(&ahead));
    *in = ahead;
    return true;
}

struct quote {
    const char *mark;
    bool has_escapes, has_lines;
};

static const struct quote quotes[] = {/* the longer ones first */
                                      {"\"\"\"", true, true},
                                      {"'''", false, true},
                                      {"\"", true, false},
                                      {"'", false, false}};

static const struct quote *take_quote(struct reader *in)
{
    for (size_t i = 0; i < COUNT(quotes); i++)
        if (take(in, quotes[i].mark))
            return &quotes[i];
    return NULL;
}

/* One or two more marks may stand in front of the closing ones. */
static bool take_close(struct reader *in, const struct quote *quote, struct buf *out,
                       bool *ret_ok)
{
    *ret_ok = true;
    if (!take(in, quote->mark))
        return false;
    for (unsigned more = 0; quote->has_lines && more < 2 && peek(in) == quote->mark[0];
         more++) {
        *ret_ok = *ret_ok && buf_add_byte(out, (uint8_t)quote->mark[0], in->fault);
        in->at++;
    }
    return true;
}

static bool read_quoted(struct reader *in, const struct quote *quote, struct buf *out)
{
    bool ok = true;

    if (quote->has_lines)
        (void)take_line_end(in);
    while (!take_close(in, quote, out, &ok)) {
        if (in->at == in->text.len)
            return refuse(in, "a text that does not end");
        if (take_line_end(in)) {
            if (!quote->has_lines)
                return refuse(in, "a text that does not end in its line");
            ok = buf_add_byte(out, '\n', in->fault);
        } else if (quote->has_escapes && take(in, "\\")) {
            ok = (quote->has_lines && take_folded(in)) || add_escaped(in, out);
        } else {
            ok = buf_add_byte(out, in->text.at[in->at++], in->fault);
        }
        if (!ok)
            return false;
    }
    return ok;
}

/* ---- values ---- */

static struct toml *read_value(struct reader *in, unsigned depth);
static bool read_pair(struct reader *in, struct toml *table, unsigned depth);

static struct toml *drop(struct toml *node)
{
    toml_free(node);
    return NULL;
}

static struct toml *read_text(struct reader *in, const struct quote *quote)
{
    struct toml *node = node_new(in, TOML_TEXT);
    AUTO_BUF struct buf text = buf_with_limit(TOML_BYTES_MAX);

    if (node == NULL || !read_quoted(in, quote, &text))
        return drop(node);
    node->text = slice_dup(buf_slice(&text));
    node->len = text.len;
    return node;
}

static struct toml *read_list(struct reader *in, unsigned depth)
{
    struct toml *list = node_new(in, TOML_LIST);

    if (list == NULL)
        return NULL;
    list->is_closed = true;
    for (skip_lines(in); !take(in, "]"); skip_lines(in)) {
        struct toml *child = read_value(in, depth + 1);

        if (child == NULL)
            return drop(list);
        add_child(list, NULL, child);
        skip_lines(in);
        if (!take(in, ",") && peek(in) != ']') {
            (void)refuse(in, "a list that does not end, or lacks a comma");
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

static struct toml *read_inline(struct reader *in, unsigned depth)
{
    struct toml *table = node_new(in, TOML_TABLE);

    if (table == NULL)
        return NULL;
    skip_blanks(in);
    while (!take(in, "}")) {
        if (!read_pair(in, table, depth + 1))
            return drop(table);
        skip_blanks(in);
        if (take(in, ","))
            skip_blanks(in);
        else if (peek(in) != '}') {
            (void)refuse(in, "a table in braces that does not end in its line");
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

static struct toml *read_number(struct reader *in)
{
    char word[NUMBER_BYTES_MAX + 1] = "", plain[NUMBER_BYTES_MAX + 1] = "";
    size_t len = 0, kept = 0;
    struct toml *node = NULL;

    while (len < NUMBER_BYTES_MAX && peek(in) > 0 && strchr(" \t\r\n,]}#", peek(in)) == NULL)
        word[len++] = (char)in->text.at[in->at++];
    for (size_t i = 0; i < len; i++)
        if (word[i] != '_')
            plain[kept++] = word[i];
    if (!is_number(word))
        (void)refuse(in,
                     "a value that is no text, decimal number, true, false, list or table");
    else
        node = node_new(in, TOML_NUMBER);
    if (node != NULL)
        node->number = strtod(plain, NULL);
    return node;
}

static struct toml *read_flag(struct reader *in, bool flag)
{
    struct toml *node = node_new(in, TOML_FLAG);

    if (node != NULL)
        node->flag = flag;
    return node;
}

static struct toml *read_value(struct reader *in, unsigned depth)
{
    const struct quote *quote;

    if (depth > DEPTH_MAX) {
        (void)refuse(in, "values are nested too deep");
        return NULL;
    }
    quote = take_quote(in);
    if (quote != NULL)
        return read_text(in, quote);
    if (take(in, "["))
        return read_list(in, depth);
    if (take(in, "{"))
        return read_inline(in, depth);
    if (take(in, "true"))
        return read_flag(in, true);
    if (take(in, "false"))
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

static bool read_key(struct reader *in, struct path *path)
{
    AUTO_BUF struct buf key = buf_with_limit(KEY_BYTES_MAX);
    const struct quote *quote;

    if (path->count == PARTS_MAX)
        return refuse(in, "a key of too many parts");
    quote = take_quote(in);
    if (quote != NULL && (quote->has_lines || !read_quoted(in, quote, &key)))
        return quote->has_lines ? refuse(in, "a key over several lines") : false;
    while (quote == NULL && is_bare(peek(in)))
        if (!buf_add_byte(&key, in->text.at[in->at++], in->fault))
            return false;
    if (key.len == 0)
        return refuse(in, "a key is missing");
    path->keys[path->count++] = slice_dup(buf_slice(&key));
    return true;
}

static bool read_path(struct reader *in, struct path *path)
{
    do {
        skip_blanks(in);
        if (!read_key(in, path))
            return false;
        skip_blanks(in);
    } while (take(in, "."));
    return true;
}

/* Takes `child`; NULL: it was NULL, or the table is full. */
static struct toml *add_key(struct reader *in, struct toml *table, const char *key,
                            struct toml *child)
{
    if (child == NULL)
        return NULL;
    if (table->count == KEYS_MAX) {
        (void)fault_set(in->fault, FAULT_LIMIT, "%s:%d: a table of more than %d keys",
                        in->where, in->line, KEYS_MAX);
        return drop(child);
    }
    add_child(table, key, child);
    return child;
}

static struct toml *add_table(struct reader *in, struct toml *parent, const char *key)
{
    return add_key(in, parent, key, node_new(in, TOML_TABLE));
}

/* The table that all keys but the last lead to; of a list of tables the last one. NULL: none. */
static struct toml *walk(struct reader *in, struct toml *table, const struct path *path)
{
    for (size_t i = 0; i + 1 < path->count; i++) {
        struct toml *next = find(table, slice_of(path->keys[i]));

        if (next == NULL)
            next = add_table(in, table, path->keys[i]);
        else if (next->type == TOML_LIST && next->has_header)
            next = next->children[next->count - 1];
        if (next == NULL)
            return NULL;
        if (next->type != TOML_TABLE || next->is_closed) {
            (void)refuse(in, "a key leads through what is no table, or a closed one");
            return NULL;
        }
        table = next;
    }
    return table;
}

static bool read_pair(struct reader *in, struct toml *table, unsigned depth)
{
    AUTO_PATH struct path path = {0};
    struct toml *into;

    if (!read_path(in, &path))
        return false;
    if (!take(in, "="))
        return refuse(in, "no = behind a key");
    skip_blanks(in);
    into = walk(in, table, &path);
    if (into == NULL)
        return false;
    if (find(into, slice_of(path.keys[path.count - 1])) != NULL)
        return refuse(in, "a key stands twice");
    return add_key(in, into, path.keys[path.count - 1], read_value(in, depth)) != NULL;
}

/* ---- headers ---- */

static struct toml *open_table(struct reader *in, struct toml *parent, const char *key)
{
    struct toml *table = find(parent, slice_of(key));

    if (table == NULL)
        table = add_table(in, parent, key);
    else if (table->type != TOML_TABLE || table->is_closed || table->has_header) {
        (void)refuse(in, "a table stands twice, or is something else");
        return NULL;
    }
    if (table != NULL)
        table->has_header = true;
    return table;
}

static struct toml *open_element(struct reader *in, struct toml *parent, const char *key)
{
    struct toml *list = find(parent, slice_of(key)), *table;

    if (list == NULL) {
        list = add_key(in, parent, key, node_new(in, TOML_LIST));
        if (list == NULL)
            return NULL;
        list->has_header = true;
    }
    if (list->type != TOML_LIST || !list->has_header) {
        (void)refuse(in, "a list of tables is something else, too");
        return NULL;
    }
    table = node_new(in, TOML_TABLE);
    if (table == NULL)
        return NULL;
    add_child(list, NULL, table);
    return table;
}

/* NULL: refused. */
static struct toml *read_header(struct reader *in, struct toml *root)
{
    AUTO_PATH struct path path = {0};
    bool is_element = take(in, "[[");
    struct toml *parent;
    const char *last;

    if ((!is_element && !take(in, "[")) || !read_path(in, &path))
        return NULL;
    if (!take(in, is_element ? "]]" : "]")) {
        (void)refuse(in, "a header that is not closed");
        return NULL;
    }
    parent = walk(in, root, &path);
    if (parent == NULL)
        return NULL;
    last = path.keys[path.count - 1];
    return is_element ? open_element(in, parent, last) : open_table(in, parent, last);
}

static bool check_text(struct reader *in)
{
    if (in->text.len > TOML_BYTES_MAX)
        return fault_set(in->fault, FAULT_LIMIT, "%s: more than %lu bytes", in->where,
                         TOML_BYTES_MAX);
    for (size_t at = 0; at < in->text.len;) {
        uint32_t character = 0;
        size_t len = utf8_next(in->text, at, &character);

        if (len == 0)
            return refuse(in, "a byte that is not UTF-8");
        at += len;
        in->line += character == '\n';
        if (character == '\r' && (at == in->text.len || in->text.at[at] != '\n'))
            return refuse(in, "a CR that no LF follows");
        if ((character < 0x20 && character != '\t' && character != '\n' &&
             character != '\r') ||
            character == 0x7f)
            return refuse(in, "a control character");
    }
    in->line = 1;
    return true;
}

static bool read_all(struct reader *in, struct toml *root)
{
    struct toml *table = root;

    for (skip_lines(in); in->at < in->text.len; skip_lines(in)) {
        bool ok;

        if (peek(in) == '[') {
            table = read_header(in, root);
            ok = table != NULL;
        } else {
            ok = read_pair(in, table, 1);
        }
        if (!ok || !end_line(in))
            return false;
    }
    return true;
}

bool toml_parse(struct slice text, const char *where, struct toml **ret_root,
                struct fault *fault)
{
    struct reader in = {.text = text, .line = 1, .where = where, .fault = fault};
    struct toml *root = node_new(&in, TOML_TABLE);

    if (!check_text(&in) || !read_all(&in, root)) {
        toml_free(root);
        return false;
    }
    *ret_root = root;
    return true;
}
