/*
 * Tables of text (RFC 4180 and its kin): the separator is found out, a first row of names is
 * the name of each cell below. The text is the content with doubled quotes resolved.
 */
#include "base/scope.h"
#include "classify/read.h"
#include "classify/rewrite.h"

#define COLUMNS_MAX 4096 /* cells beyond have no names */
#define SNIFFED_BYTES 16384
#define SNIFFED_ROWS 32

struct table {
    struct rewrite rewrite;
    struct slice content;
    uint8_t separator;
    bool quotes_end; /* beyond here no quote is closed */
    struct slice names[COLUMNS_MAX];
    size_t name_count;
};

struct cell {
    size_t start, end; /* in the content, without quotes */
    size_t after;      /* the separator, the line's end, or the content's end */
    bool is_quoted;
};

static bool ends_cell(const struct table *table, size_t at)
{
    return at == table->content.len || table->content.at[at] == table->separator ||
           table->content.at[at] == '\n' || table->content.at[at] == '\r';
}

static void bare_cell(const struct table *table, size_t at, struct cell *ret_cell)
{
    *ret_cell = (struct cell){.start = at};
    while (!ends_cell(table, at))
        at++;
    ret_cell->end = ret_cell->after = at;
}

/* A quote that is never closed, or closed in the middle of a cell, is a character like others:
 * else one of them would swallow the rest of the table. */
static void take_cell(struct table *table, size_t at, struct cell *ret_cell)
{
    struct slice content = table->content;
    size_t close;

    if (table->quotes_end || at == content.len || content.at[at] != '"') {
        bare_cell(table, at, ret_cell);
        return;
    }
    close = slice_find_byte(content, '"', at + 1);
    while (close != SIZE_MAX && close + 1 < content.len && content.at[close + 1] == '"')
        close = slice_find_byte(content, '"', close + 2);
    if (close == SIZE_MAX || !ends_cell(table, close + 1)) {
        table->quotes_end = close == SIZE_MAX;
        bare_cell(table, at, ret_cell);
        return;
    }
    *ret_cell =
        (struct cell){.start = at + 1, .end = close, .after = close + 1, .is_quoted = true};
}

/* The next row's or cell's beginning; true where the row ends. */
static bool step(const struct table *table, size_t *at)
{
    struct slice content = table->content;
    bool ends = *at == content.len || content.at[*at] != table->separator;

    if (*at < content.len && content.at[*at] == '\r' && *at + 1 < content.len &&
        content.at[*at + 1] == '\n')
        *at += 1;
    *at += *at < content.len;
    return ends;
}

/* ---- which separator ---- */

/* Of the first rows, how many have as many cells as the first, which has several. */
static size_t agreeing_rows(struct slice content, uint8_t separator, size_t *ret_rows)
{
    struct table *table = xalloc(sizeof(*table));
    size_t first = 0, cells = 0, agreeing = 0, at = 0;

    table->content = slice_part(content, 0, SNIFFED_BYTES);
    table->separator = separator;
    *ret_rows = 0;
    while (at < table->content.len && *ret_rows < SNIFFED_ROWS) {
        struct cell cell;

        take_cell(table, at, &cell);
        at = cell.after;
        cells++;
        if (at == table->content.len && content.len > SNIFFED_BYTES && *ret_rows > 0)
            break; /* cut off by us */
        if (!step(table, &at))
            continue;
        first = *ret_rows == 0 ? cells : first;
        agreeing += cells == first && first > 1;
        *ret_rows += cells > 1 || cell.end > cell.start;
        cells = 0;
    }
    free(table);
    return agreeing;
}

uint8_t read_table_separator(struct slice content, bool is_strict)
{
    static const uint8_t separators[] = {',', '\t', ';', '|'};
    size_t line = slice_find_byte(content, '\n', 0), best = 0;
    uint8_t found = 0;

    for (size_t i = 0; i < COUNT(separators); i++) {
        size_t rows, agreeing;

        if (slice_find_byte(slice_part(content, 0, line), separators[i], 0) == SIZE_MAX)
            continue;
        agreeing = agreeing_rows(content, separators[i], &rows);
        if (agreeing > best && (!is_strict || (agreeing == rows && rows >= 3))) {
            best = agreeing;
            found = separators[i];
        }
    }
    return found;
}

/* ---- names ---- */

static bool is_name(struct slice cell)
{
    bool has_letter = false;

    if (cell.len == 0 || cell.len > READING_NAME_MAX || memchr(cell.at, '@', cell.len) != NULL)
        return false;
    for (size_t i = 0; i < cell.len; i++)
        has_letter = has_letter || cell.at[i] >= 0x80 || (cell.at[i] | 0x20) >= 'a';
    return has_letter && (cell.at[0] < '0' || cell.at[0] > '9');
}

/* The first row, where every cell of it may be a name and no two are the same. */
static bool take_names(struct table *table, size_t *at)
{
    size_t here = *at, count = 0;
    bool ends = false;

    while (!ends && count < COLUMNS_MAX) {
        struct cell cell;
        struct slice name;

        take_cell(table, here, &cell);
        name = slice_trim(slice_part(table->content, cell.start, cell.end));
        if (!is_name(name) && (name.len > 0 || count == 0))
            return false;
        for (size_t i = 0; i < count && i < 256; i++)
            if (name.len > 0 && slice_equal(table->names[i], name))
                return false;
        table->names[count++] = name;
        here = cell.after;
        ends = step(table, &here);
    }
    while (!ends) {
        struct cell cell;

        take_cell(table, here, &cell);
        here = cell.after;
        ends = step(table, &here);
    }
    table->name_count = count;
    *at = here;
    return count > 0;
}

/* ---- cells ---- */

static bool add_cell(struct table *table, const struct cell *cell, size_t column,
                     struct fault *fault)
{
    struct slice content = table->content;
    size_t start = rewrite_place(&table->rewrite, cell->start), end;
    size_t quote = cell->is_quoted
                       ? slice_find_byte(slice_part(content, 0, cell->end), '"', cell->start)
                       : SIZE_MAX;

    while (quote != SIZE_MAX) {
        if (!rewrite_as(&table->rewrite, quote, quote + 2, SLICE("\""), FORM_PLAIN, fault))
            return false;
        quote = slice_find_byte(slice_part(content, 0, cell->end), '"', quote + 2);
    }
    end = rewrite_place(&table->rewrite, cell->end);
    reading_cell(table->rewrite.reading, start, end,
                 column < table->name_count ? table->names[column] : (struct slice){0},
                 column + 1);
    return true;
}

static bool take_rows(struct table *table, size_t at, struct fault *fault)
{
    size_t column = 0;

    while (at < table->content.len) {
        struct cell cell;

        take_cell(table, at, &cell);
        if (!add_cell(table, &cell, column, fault))
            return false;
        at = cell.after;
        column = step(table, &at) ? 0 : column + 1;
    }
    return true;
}

bool read_table(struct reading *reading, struct slice path, struct fault *fault)
{
    AUTO_FREE struct table *table = xalloc(sizeof(*table));
    size_t at = 0;

    table->rewrite = (struct rewrite){.reading = reading};
    table->content = reading->content;
    table->separator = read_table_separator(table->content, false);
    if (table->separator == 0)
        table->separator = slice_ends_with(path, SLICE(".csv")) ? ',' : '\t';
    if (slice_starts_with(table->content, SLICE("\xef\xbb\xbf")))
        at = 3;
    (void)take_names(table, &at);
    return take_rows(table, at, fault) &&
           rewrite_keep(&table->rewrite, table->content.len, fault);
}
