/* Which reader is a content's: by what it begins with, then by its name, then by its look. */
#include "classify/read.h"

#include <strings.h>

#define LOOK_BYTES 4096

/* ---- by name ---- */

/* What files with these ends are; a plain one is not looked at any further. */
static const struct ending {
    const char *end;
    enum format format;
} endings[] = {
    {".json", FORMAT_JSON},        {".jsonl", FORMAT_JSON},       {".ndjson", FORMAT_JSON},
    {".geojson", FORMAT_JSON},     {".ipynb", FORMAT_JSON},       {".jsonc", FORMAT_JSON},
    {".json5", FORMAT_JSON},       {".har", FORMAT_JSON},         {".tfstate", FORMAT_JSON},
    {".webmanifest", FORMAT_JSON}, {".csv", FORMAT_TABLE},        {".tsv", FORMAT_TABLE},
    {".tab", FORMAT_TABLE},        {".psv", FORMAT_TABLE},        {".sql", FORMAT_SQL},
    {".dump", FORMAT_SQL},         {".env", FORMAT_KEYS},         {".properties", FORMAT_KEYS},
    {".ini", FORMAT_KEYS},         {".cfg", FORMAT_KEYS},         {".conf", FORMAT_KEYS},
    {".cnf", FORMAT_KEYS},         {".toml", FORMAT_KEYS},        {".yaml", FORMAT_KEYS},
    {".yml", FORMAT_KEYS},         {".netrc", FORMAT_KEYS},       {"_netrc", FORMAT_KEYS},
    {".authinfo", FORMAT_KEYS},    {".pgpass", FORMAT_KEYS},      {".npmrc", FORMAT_KEYS},
    {".pypirc", FORMAT_KEYS},      {"/credentials", FORMAT_KEYS}, {".tfvars", FORMAT_KEYS},
    {".envrc", FORMAT_KEYS},       {".c", FORMAT_PLAIN},          {".h", FORMAT_PLAIN},
    {".cc", FORMAT_PLAIN},         {".cpp", FORMAT_PLAIN},        {".hpp", FORMAT_PLAIN},
    {".py", FORMAT_PLAIN},         {".js", FORMAT_PLAIN},         {".ts", FORMAT_PLAIN},
    {".tsx", FORMAT_PLAIN},        {".jsx", FORMAT_PLAIN},        {".java", FORMAT_PLAIN},
    {".go", FORMAT_PLAIN},         {".rs", FORMAT_PLAIN},         {".rb", FORMAT_PLAIN},
    {".php", FORMAT_PLAIN},        {".cs", FORMAT_PLAIN},         {".sh", FORMAT_PLAIN},
    {".md", FORMAT_PLAIN},         {".rst", FORMAT_PLAIN},        {".html", FORMAT_PLAIN},
    {".css", FORMAT_PLAIN},        {".swift", FORMAT_PLAIN},      {".kt", FORMAT_PLAIN},
    {".scala", FORMAT_PLAIN},      {".pl", FORMAT_PLAIN},         {".lua", FORMAT_PLAIN},
};

static bool ends_with(struct slice path, const char *end)
{
    size_t len = strlen(end);

    return path.len >= len &&
           strncasecmp((const char *)path.at + path.len - len, end, len) == 0;
}

static struct slice file_name(struct slice path)
{
    for (size_t i = path.len; i > 0; i--)
        if (path.at[i - 1] == '/')
            return slice_part(path, i, path.len);
    return path;
}

/* False: the name says nothing. */
static bool format_by_name(struct slice path, enum format *ret_format)
{
    *ret_format = FORMAT_KEYS;
    if (path.len == 0)
        return false;
    if (slice_starts_with(file_name(path), SLICE(".env"))) /* .env.production */
        return true;
    for (size_t i = 0; i < COUNT(endings); i++)
        if (ends_with(path, endings[i].end)) {
            *ret_format = endings[i].format;
            return true;
        }
    return false;
}

/* ---- by look ---- */

static size_t skip_blanks(struct slice text, size_t at)
{
    while (at < text.len && memchr(" \t\r\n", text.at[at], 4) != NULL)
        at++;
    return at;
}

/* An object with a member, or an array of JSON's values: not a block of code, not the head of
 * a section ([main]). */
static bool looks_like_json(struct slice head)
{
    static const char *const words[] = {"true", "false", "null"};
    size_t at = skip_blanks(head, slice_starts_with(head, SLICE("\xef\xbb\xbf")) ? 3 : 0);
    bool is_object = at < head.len && head.at[at] == '{';

    if (at == head.len || (!is_object && head.at[at] != '['))
        return false;
    at = skip_blanks(head, at + 1);
    if (at == head.len)
        return true;
    if (is_object || head.at[at] == '"')
        return head.at[at] == '"' || head.at[at] == '}';
    for (size_t i = 0; i < COUNT(words); i++)
        if (slice_starts_with(slice_part(head, at, head.len), slice_of(words[i])))
            return true;
    return memchr("{[]-0123456789", head.at[at], 14) != NULL;
}

static bool looks_like_sql(struct slice head)
{
    static const char *const signs[] = {"-- MySQL dump", "-- MariaDB dump",
                                        "-- PostgreSQL database dump", "INSERT INTO ",
                                        "insert into "};

    for (size_t i = 0; i < COUNT(signs); i++) {
        size_t at = slice_find(head, slice_of(signs[i]), 0);

        if (at == 0 || (at != SIZE_MAX && head.at[at - 1] == '\n'))
            return true;
    }
    return false;
}

/* Lines that are comments, sections or KEY=value, at least two of the latter. */
static bool looks_like_keys(struct slice head)
{
    size_t keys = 0;
    struct slice line;

    for (size_t lines = 0; lines < 16 && slice_cut(&head, '\n', &line); lines++) {
        size_t at = 0;

        if (head.at == NULL && lines > 0)
            break; /* may be cut off */
        line = slice_trim(line);
        if (line.len == 0 || line.at[0] == '#' || line.at[0] == ';' || line.at[0] == '[')
            continue;
        while (at < line.len &&
               ((line.at[at] >= 'A' && line.at[at] <= 'Z') || line.at[at] == '_' ||
                (line.at[at] >= '0' && line.at[at] <= '9')))
            at++;
        if (at == 0 || at == line.len || line.at[at] != '=')
            return false;
        keys++;
    }
    return keys >= 2;
}

static bool looks_like_table(struct slice head)
{
    return read_table_separator(head, true) != 0;
}

static const struct look {
    bool (*looks)(struct slice head);
    enum format format;
} looks[] = {
    {looks_like_json, FORMAT_JSON},
    {looks_like_sql, FORMAT_SQL},
    {looks_like_keys, FORMAT_KEYS},
    {looks_like_table, FORMAT_TABLE},
};

static enum format format_of(struct slice content, struct slice path)
{
    struct slice head = slice_part(content, 0, LOOK_BYTES);
    enum format format;

    if (looks_like_json(head))
        return FORMAT_JSON;
    if (format_by_name(path, &format))
        return format;
    for (size_t i = 0; i < COUNT(looks); i++)
        if (looks[i].looks(head))
            return looks[i].format;
    return FORMAT_PLAIN;
}

/* ---- reading ---- */

static bool read_plain(struct reading *reading, struct slice path, struct fault *fault)
{
    (void)path;
    return reading_add_plain(reading, 0, reading->content.len, fault);
}

/* Those that are not here stand as they are written. */
static reader *const readers[FORMAT_COUNT] = {
    [FORMAT_JSON] = read_json,
    [FORMAT_TABLE] = read_table,
    [FORMAT_SQL] = read_sql,
    [FORMAT_KEYS] = read_keys,
};

bool reading_make(struct slice content, struct slice path, struct reading *ret_reading,
                  struct fault *fault)
{
    enum format format;
    reader *read;

    if (content.len > CLASSIFY_BYTES_MAX)
        return fault_set(fault, FAULT_LIMIT, "content of %zu bytes", content.len);
    format = format_of(content, path);
    read = readers[format] != NULL ? readers[format] : read_plain;
    reading_begin(ret_reading, format, content);
    if (!read(ret_reading, path, fault)) {
        reading_free(ret_reading);
        return false;
    }
    reading_finish(ret_reading);
    return true;
}
