/* Which reader is a content's: by what it begins with, then by its name, then by its look. */
#include "classify/read.h"

#include <string.h>

#include "classify/ascii.h"
#include "classify/archives.h"
#include "classify/read_health.h"
#include "classify/read_wide.h"

#define LOOK_BYTES 4096
#define PDF_HEAD "%PDF-"

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

#define ENDING_BYTES_MAX 16

/* What a path ends in from the last of the signs that endings begin with, in small letters; empty where that
 * is no ending. */
static void path_ending(struct slice path, char ret_ending[ENDING_BYTES_MAX])
{
    size_t at = path.len;

    ret_ending[0] = 0;
    while (at > 0 && path.len - at < ENDING_BYTES_MAX - 1) {
        at--;
        if (path.at[at] != '.' && path.at[at] != '_' && path.at[at] != '/')
            continue;
        for (size_t i = at; i < path.len; i++)
            ret_ending[i - at] = (char)lower(path.at[i]);
        ret_ending[path.len - at] = 0;
        return;
    }
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
    char ending[ENDING_BYTES_MAX];

    *ret_format = FORMAT_KEYS;
    if (path.len == 0)
        return false;
    if (slice_starts_with(file_name(path), SLICE(".env"))) /* .env.production */
        return true;
    path_ending(path, ending);
    for (size_t i = 0; i < COUNT(endings) && ending[0] != 0; i++)
        if (endings[i].end[1] == ending[1] && strcmp(endings[i].end, ending) == 0) {
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
bool read_looks_like_json(struct slice content)
{
    static const char *const words[] = {"true", "false", "null"};
    struct slice head = slice_part(content, 0, LOOK_BYTES);
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

struct look {
    bool (*looks)(struct slice content);
    enum format format;
};

/* What shows by the bytes, whatever the name is. */
static const struct look certain[] = {
    {read_is_hl7, FORMAT_HL7V2},
    {read_is_x12, FORMAT_X12},
    {read_looks_like_json, FORMAT_JSON},
};

/* What may be, where the name says nothing. */
static const struct look likely[] = {
    {looks_like_sql, FORMAT_SQL},
    {looks_like_keys, FORMAT_KEYS},
    {looks_like_table, FORMAT_TABLE},
};

static bool format_by_look(const struct look *looks, size_t count, struct slice content,
                           enum format *ret_format)
{
    for (size_t i = 0; i < count; i++)
        if (looks[i].looks(content)) {
            *ret_format = looks[i].format;
            return true;
        }
    return false;
}

static enum format format_of(struct slice content, struct slice path)
{
    struct slice head = slice_part(content, 0, LOOK_BYTES);
    enum format format = FORMAT_PLAIN;

    if (!format_by_look(certain, COUNT(certain), content, &format) &&
        !format_by_name(path, &format) &&
        !format_by_look(likely, COUNT(likely), head, &format))
        format = FORMAT_PLAIN;
    return format;
}

/* ---- reading ---- */

static bool read_plain(struct reading *reading, struct slice path, struct fault *fault)
{
    (void)path;
    return reading_add_plain(reading, 0, reading->content.len, fault);
}

/* What begins so is packed. */
static const struct slice packings[] = {
    {(const uint8_t *)"PK\3\4", 4},
    {(const uint8_t *)"\x1f\x8b\x08", 3},
    {(const uint8_t *)"BZh91AY", 7},
    {(const uint8_t *)"\xfd"
                      "7zXZ",
     5},
    {(const uint8_t *)"\x28\xb5\x2f\xfd", 4},
    {(const uint8_t *)PDF_HEAD, sizeof(PDF_HEAD) - 1},
    {(const uint8_t *)"7z\xbc\xaf", 4},
    {(const uint8_t *)"\xd0\xcf\x11\xe0", 4},
    {(const uint8_t *)"Rar!", 4},
};

/* Those that are not here stand as they are written. */
static reader *const readers[FORMAT_COUNT] = {
    [FORMAT_HL7V2] = read_hl7,
    [FORMAT_X12] = read_x12,
    [FORMAT_JSON] = read_json,
    [FORMAT_NOTEBOOK] = read_json,
    [FORMAT_TABLE] = read_table,
    [FORMAT_SQL] = read_sql,
    [FORMAT_KEYS] = read_keys,
};

bool classify_is_packed(struct slice content)
{
    if (slice_equal(slice_part(content, 257, 262), SLICE("ustar")))
        return true;
    for (size_t i = 0; i < COUNT(packings); i++)
        if (slice_starts_with(content, packings[i]))
            return true;
    return false;
}

static bool is_plain(struct slice content)
{
    return slice_find_byte(content, 0, 0) == SIZE_MAX &&
           !slice_starts_with(content, SLICE("\xff\xfe")) &&
           !slice_starts_with(content, SLICE("\xfe\xff"));
}

static bool fill(struct reading *reading, enum format format, struct slice content,
                 struct slice path, struct fault *fault)
{
    reader *read = read_health_find(content, &format);
    bool ok;

    if (read == NULL)
        read = readers[format] != NULL ? readers[format] : read_plain;

    reading_begin(reading, format, content);
    ok = read(reading, path, fault);
    reading_finish(reading);
    if (!ok)
        reading_free(reading);
    return ok;
}

/* UTF-16: what its text is, in UTF-8, but with the places of the content. */
static bool make_from_wide(struct slice content, struct slice path, bool is_big,
                           struct reading *ret_reading, struct fault *fault)
{
    struct reading wide, inner;
    bool ok;

    reading_begin(&wide, FORMAT_PLAIN, content);
    ok = read_wide(&wide, is_big, fault);
    reading_finish(&wide);
    ok = ok && fill(&inner, format_of(wide.text, path), wide.text, path, fault);
    if (ok) {
        reading_begin(ret_reading, inner.format, content);
        ok = read_through_wide(ret_reading, &wide, &inner, fault);
        reading_finish(ret_reading);
        reading_free(&inner);
        if (!ok)
            reading_free(ret_reading);
    }
    reading_free(&wide);
    return ok;
}

bool read_content(struct slice content, struct slice path, unsigned depth,
                  struct reading *ret_reading, struct fault *fault)
{
    bool is_big, ok;

    if (content.len > CLASSIFY_BYTES_MAX)
        return fault_set(fault, FAULT_LIMIT, "content of %zu bytes", content.len);
    if (classify_is_packed(content)) {
        bool is_pdf = slice_starts_with(content, SLICE(PDF_HEAD));

        reading_begin(ret_reading, is_pdf ? FORMAT_DOCUMENT : FORMAT_ARCHIVE, content);
        ok = is_pdf ? read_pdf(ret_reading, depth, fault)
                    : read_archive(ret_reading, depth, fault);
        reading_finish(ret_reading);
        if (!ok)
            reading_free(ret_reading);
        return ok;
    }
    if (is_plain(content))
        return fill(ret_reading, format_of(content, path), content, path, fault);
    if (read_wide_order(content, &is_big))
        return make_from_wide(content, path, is_big, ret_reading, fault);
    if (!fill(ret_reading, FORMAT_PLAIN, content, path, fault))
        return false;
    ret_reading->is_opaque = true;
    return true;
}

bool reading_make(struct slice content, struct slice path, struct reading *ret_reading,
                  struct fault *fault)
{
    return read_content(content, path, 0, ret_reading, fault);
}
