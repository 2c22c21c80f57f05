/*
 * A key a line: .env, properties, ini, TOML, YAML with its block scalars and lists, and the
 * files of two programs that keep passwords by place (netrc, .pgpass). The text is the
 * content with the escapes of quoted values resolved; each value is an element with its key's
 * name.
 */
#include "classify/read.h"
#include "classify/rewrite.h"

#define KEY_BYTES_MAX 128

struct lines {
    struct rewrite rewrite;
    struct slice content;
    bool is_yaml;
    struct slice parent; /* the key that had no value: of the lines below it */
    size_t parent_indent;
    struct slice label; /* "name: TOKEN", to which "value: ..." belongs at this indent */
    size_t label_indent;
};

static struct slice name_between(const struct lines *lines, size_t start, size_t end)
{
    struct slice name = slice_trim(slice_part(lines->content, start, end));

    while (name.len > 1 && (name.at[0] == '"' || name.at[0] == '\'') &&
           name.at[name.len - 1] == name.at[0])
        name = slice_part(name, 1, name.len - 1);
    return name;
}

static bool is_key_byte(uint8_t byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
           (byte >= 'A' && byte <= 'Z') || byte >= 0x80 || memchr("_.-/$[]\"'@ \\", byte, 12);
}

static bool is_quote(uint8_t byte)
{
    return byte == '"' || byte == '\'';
}

static size_t skip_blanks(struct slice content, size_t at, size_t end)
{
    while (at < end && (content.at[at] == ' ' || content.at[at] == '\t'))
        at++;
    return at;
}

static void add_value(struct lines *lines, size_t start, size_t end, struct slice name)
{
    while (end > start && memchr(" \t\r\n", lines->content.at[end - 1], 4) != NULL)
        end--;
    reading_element(lines->rewrite.reading, rewrite_place(&lines->rewrite, start),
                    rewrite_place(&lines->rewrite, end), name, (struct slice){0});
}

/* ---- values ---- */

/* A value in quotes, which end it on this line. `''` is a quote in single ones. */
static bool take_quoted(struct lines *lines, size_t start, size_t end, struct slice name,
                        size_t *ret_after, struct fault *fault)
{
    struct slice content = lines->content;
    uint8_t quote = content.at[start];
    size_t at = start + 1, first = rewrite_place(&lines->rewrite, at);

    while (at < end && (content.at[at] != quote ||
                        (quote == '\'' && at + 1 < end && content.at[at + 1] == quote))) {
        uint8_t bytes[4] = {quote};
        size_t len = 1, written = 0;

        if (content.at[at] == quote)
            written = 2;
        else if (quote == '"' && content.at[at] == '\\')
            written = read_escape_c(slice_part(content, 0, end), at, bytes, &len);
        if (written > 0 &&
            !rewrite_as(&lines->rewrite, at, at + written, slice_of_bytes(bytes, len),
                        quote == '"' ? FORM_BACKSLASH : FORM_PLAIN, fault))
            return false;
        at += written > 0 ? written : 1;
    }
    reading_element(lines->rewrite.reading, first, rewrite_place(&lines->rewrite, at), name,
                    (struct slice){0});
    *ret_after = at + (at < end);
    return true;
}

/* Where a value without quotes ends: before a comment. */
static size_t bare_end(struct slice content, size_t start, size_t end)
{
    for (size_t at = start; at < end; at++)
        if ((content.at[at] == '#' || content.at[at] == ';') && at > start &&
            (content.at[at - 1] == ' ' || content.at[at - 1] == '\t'))
            return at;
    return end;
}

static size_t indent_of(struct slice content, size_t at)
{
    size_t from = at;

    while (at < content.len && content.at[at] == ' ')
        at++;
    return at - from;
}

static size_t line_end(struct slice content, size_t at)
{
    size_t end = slice_find_byte(content, '\n', at);

    return end == SIZE_MAX ? content.len : end;
}

/* The lines below that are indented more than their key (empty ones, too); gives where they
 * end. */
static size_t block_end(struct slice content, size_t at, size_t indent)
{
    while (at < content.len) {
        size_t end = line_end(content, at), inner = indent_of(content, at);

        if (inner <= indent && slice_trim(slice_part(content, at, end)).len > 0)
            return at;
        at = end + (end < content.len);
    }
    return at;
}

/* "|", ">-": a block scalar's head. */
static bool is_block_head(struct slice value)
{
    return value.len > 0 && value.len <= 3 && (value.at[0] == '|' || value.at[0] == '>');
}

/* A value that goes on behind a backslash at its line's end. */
static size_t continued_end(struct slice content, size_t start, size_t end)
{
    while (end < content.len && end > start && content.at[end - 1] == '\\')
        end = line_end(content, end + 1);
    return end;
}

/* ---- lines ---- */

/* Where the key that begins at `at` ends, and its value begins; false: it is no such line. */
static bool find_key(struct slice content, size_t at, size_t end, bool is_yaml,
                     size_t *ret_key_end, size_t *ret_value)
{
    size_t from = at;

    while (at < end && at - from < KEY_BYTES_MAX && is_key_byte(content.at[at]))
        at++;
    if (at == from || at == end || (content.at[at] != '=' && content.at[at] != ':'))
        return false;
    if (is_yaml && content.at[at] == ':' && at + 1 < end && content.at[at + 1] != ' ' &&
        content.at[at + 1] != '\r' && content.at[at + 1] != '\t')
        return false;
    *ret_key_end = at;
    at++;
    if (at < end && (content.at[at] == '=' || content.at[at] == '>')) /* := => */
        at++;
    *ret_value = skip_blanks(content, at, end);
    return true;
}

/* The key's name, or that of what is around it. */
static struct slice name_of(struct lines *lines, struct slice key, size_t indent)
{
    if (!read_is_generic_name(key))
        return key;
    if (lines->label.len > 0 && lines->label_indent == indent)
        return lines->label;
    return lines->parent.len > 0 && lines->parent_indent < indent ? lines->parent : key;
}

static bool take_value(struct lines *lines, struct slice key, size_t indent, size_t value,
                       size_t *end, struct fault *fault)
{
    struct slice content = lines->content, name = name_of(lines, key, indent);
    struct slice written = slice_trim(slice_part(content, value, *end));

    if (is_block_head(written) && lines->is_yaml) {
        size_t start = *end + (*end < content.len);

        *end = block_end(content, start, indent);
        add_value(lines, start, *end, name);
    } else if (written.len == 0) {
        lines->parent = key;
        lines->parent_indent = indent;
    } else if (is_quote(content.at[value])) {
        size_t after;

        if (!take_quoted(lines, value, *end, name, &after, fault))
            return false;
    } else {
        *end = lines->is_yaml ? *end : continued_end(content, value, *end);
        add_value(lines, value,
                  lines->is_yaml || *end == line_end(content, value)
                      ? bare_end(content, value, *end)
                      : *end,
                  name);
    }
    if (read_is_label_name(key)) {
        lines->label = name_between(lines, value, *end);
        lines->label_indent = indent;
    }
    return true;
}

static bool take_line(struct lines *lines, size_t at, size_t *end, struct fault *fault)
{
    struct slice content = lines->content;
    size_t indent, key_end, value, start = skip_blanks(content, at, *end);
    bool is_item = false;

    if (start == *end || content.at[start] == '#' || content.at[start] == ';')
        return true;
    if (slice_starts_with(slice_part(content, start, *end), SLICE("export ")))
        start = skip_blanks(content, start + 7, *end);
    while (start + 1 < *end && content.at[start] == '-' && content.at[start + 1] == ' ') {
        start = skip_blanks(content, start + 1, *end);
        is_item = true;
    }
    indent = start - at;
    if (is_item && start + 1 < *end && is_quote(content.at[start])) { /* - "KEY=value" */
        size_t inner =
            slice_find_byte(slice_part(content, 0, *end), content.at[start], start + 1);

        inner = inner == SIZE_MAX ? *end : inner;
        start++;
        if (find_key(content, start, inner, false, &key_end, &value)) {
            add_value(lines, value, inner, name_between(lines, start, key_end));
            return true;
        }
        start--;
    }
    if (!find_key(content, start, *end, lines->is_yaml, &key_end, &value)) {
        if (is_item && lines->parent.len > 0) /* an item of a list is what the list is */
            add_value(lines, start, bare_end(content, start, *end), lines->parent);
        return true;
    }
    return take_value(lines, name_between(lines, start, key_end), indent, value, end, fault);
}

/* ---- passwords by place ---- */

/* machine HOST login NAME password WORD, over any lines: each word is named by the one before
 * it. */
static void read_netrc(struct reading *reading)
{
    struct slice content = reading->content, before = {0};

    for (size_t at = 0; at < content.len;) {
        size_t start = at;

        while (at < content.len && memchr(" \t\r\n", content.at[at], 4) == NULL)
            at++;
        if (at > start) {
            if (slice_equal(before, SLICE("password")) ||
                slice_equal(before, SLICE("login")) || slice_equal(before, SLICE("account")))
                reading_element(reading, start, at, before, (struct slice){0});
            before = slice_part(content, start, at);
        }
        at++;
    }
}

/* host:port:database:user:password; a colon in a field has a backslash before it. */
static void read_pgpass(struct reading *reading)
{
    static const char *const names[] = {"host", "port", "database", "user", "password"};
    struct slice content = reading->content;

    for (size_t at = 0; at < content.len;) {
        size_t end = line_end(content, at), field = 0, start = at;

        for (size_t i = at; i <= end && content.at[at] != '#'; i++) {
            if (i < end && content.at[i] == '\\')
                i++;
            else if (i == end || (content.at[i] == ':' && field + 1 < COUNT(names))) {
                reading_element(reading, start, i, slice_of(names[field++]),
                                (struct slice){0});
                start = i + 1;
                if (field == COUNT(names))
                    break;
            }
        }
        at = end + 1;
    }
}

static bool ends_with_any(struct slice path, const char *const *ends, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (slice_ends_with(path, slice_of(ends[i])))
            return true;
    return false;
}

bool read_keys(struct reading *reading, struct slice path, struct fault *fault)
{
    static const char *const yaml[] = {".yaml", ".yml"}, *const netrc[] = {"netrc",
                                                                           ".authinfo"};
    struct slice content = reading->content;
    struct lines lines = {.rewrite = {.reading = reading},
                          .content = content,
                          .is_yaml = ends_with_any(path, yaml, COUNT(yaml))};

    if (ends_with_any(path, netrc, COUNT(netrc)))
        read_netrc(reading);
    else if (slice_ends_with(path, SLICE(".pgpass")))
        read_pgpass(reading);
    else
        for (size_t at = 0; at < content.len;) {
            size_t end = line_end(content, at);

            if (!take_line(&lines, at, &end, fault))
                return false;
            at = end + (end < content.len && content.at[end] == '\n');
        }
    return rewrite_keep(&lines.rewrite, content.len, fault);
}
