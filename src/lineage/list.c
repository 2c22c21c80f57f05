/* What was found, as a text, and such a text read again. */
#include "base/scope.h"
#include "base/utf8.h"
#include "lineage/parts.h"

#define ENTRY_BYTES_MAX (SERVED_PATH_BYTES_MAX * 3 + 512)
#define MORE_BYTES 16 /* "+N" */

bool lineage_path(struct slice path, struct buf *out, struct fault *fault)
{
    bool is_utf8 = utf8_is_printable(path);
    bool is_word = path.len > 0 && (path.at[0] == '+' || slice_equal(path, SLICE("tool")));

    for (size_t i = 0; i < path.len; i++) {
        uint8_t byte = path.at[i];
        bool keep = byte > 0x20 && byte != 0x7F && byte != '%' && byte != ',' && byte != ';' &&
                    (byte < 0x80 || is_utf8) && (i > 0 || !is_word);

        if (keep ? !buf_add_byte(out, byte, fault)
                 : !buf_add_format(out, fault, "%%%02X", byte))
            return false;
    }
    return true;
}

static bool is_marked(const struct lineage_file *file, size_t piece)
{
    return (file->marks[piece / 8] >> piece % 8 & 1) != 0;
}

/* " 1-40,55": lines of marked pieces */
static bool add_ranges(struct buf *out, const struct lineage_file *file, struct fault *fault)
{
    char mark = ' ';

    for (size_t i = 0; i < file->served.count; i++) {
        size_t first = i;
        uint32_t from, to;

        if (!is_marked(file, i))
            continue;
        while (i + 1 < file->served.count && is_marked(file, i + 1))
            i++;
        from = file->served.lines[first];
        to = file->served.lines[i];
        if (!buf_add_format(out, fault, from == to ? "%c%u" : "%c%u-%u", mark, from, to))
            return false;
        mark = ',';
    }
    return true;
}

static bool add_file(struct buf *out, const struct lineage_file *file, struct fault *fault)
{
    return lineage_path(file->served.path, out, fault) && buf_add_byte(out, ' ', fault) &&
           buf_add(out, file->served.blob, fault) && add_ranges(out, file, fault);
}

/* A mark before all entries but the first. */
static bool add_mark(struct buf *out, size_t begin, struct fault *fault)
{
    return out->len == begin || buf_add_byte(out, ';', fault);
}

bool lineage_list(const struct lineage *lineage, struct buf *ret_list, struct fault *fault)
{
    struct slice tools = buf_slice(&lineage->tools), tool;
    size_t begin = ret_list->len, more = 0;
    bool is_blind = served_is_full(lineage->served) || lineage->places.is_full;

    for (size_t i = 0; i < lineage->touched_count; i++) {
        AUTO_BUF struct buf entry = buf_with_limit(LINEAGE_LIST_BYTES_MAX);
        struct fault full = {0};

        if (!add_file(&entry, &lineage->files[lineage->touched[i]], &full) ||
            ret_list->len - begin + entry.len + MORE_BYTES > LINEAGE_LIST_BYTES_MAX)
            more++;
        else if (!add_mark(ret_list, begin, fault) ||
                 !buf_add(ret_list, buf_slice(&entry), fault))
            return false;
    }
    while (slice_cut(&tools, ';', &tool)) {
        if (tool.len == 0 ||
            ret_list->len - begin + tool.len + MORE_BYTES > LINEAGE_LIST_BYTES_MAX)
            continue;
        if (!add_mark(ret_list, begin, fault) || !buf_add(ret_list, tool, fault))
            return false;
    }
    if (more > 0)
        return add_mark(ret_list, begin, fault) &&
               buf_add_format(ret_list, fault, "+%zu", more);
    return !is_blind ||
           (add_mark(ret_list, begin, fault) && buf_add_byte(ret_list, '+', fault));
}

bool lineage_entry_next(struct slice *list, struct lineage_entry *ret_entry)
{
    struct slice entry, first;

    *ret_entry = (struct lineage_entry){0};
    do {
        if (!slice_cut(list, ';', &entry))
            return false;
    } while (entry.len == 0);
    if (entry.at[0] == '+') {
        ret_entry->more = true;
        return true;
    }
    (void)slice_cut(&entry, ' ', &first);
    if (slice_equal(first, SLICE("tool"))) {
        ret_entry->tool = entry;
        return true;
    }
    ret_entry->path = first;
    (void)slice_cut(&entry, ' ', &ret_entry->blob);
    ret_entry->lines = entry;
    return true;
}
