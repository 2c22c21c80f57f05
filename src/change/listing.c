#include "change/listing.h"

#include "base/hex.h"

/* "100644 blob " + 40 + spaces and size + tab + path */
#define ROW_BYTES_MAX (GIT_PATH_BYTES_MAX + 128)

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

static bool number_of(struct slice text, uint64_t *ret_number)
{
    uint64_t number = 0;

    if (text.len == 0 || text.len > 19)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (!is_digit(text.at[i]))
            return false;
        number = number * 10 + (uint64_t)(text.at[i] - '0');
    }
    *ret_number = number;
    return true;
}

static const struct mode_row {
    const char *text;
    unsigned mode;
    const char *type;
} modes[] = {
    {"100644", 0100644, "blob"}, {"100755", 0100755, "blob"},
    {"100664", 0100644, "blob"}, /* written by very old versions of git */
    {"120000", 0120000, "blob"}, {"160000", 0160000, "commit"},
};

bool listing_tree_row(struct slice row, struct gitdoor_entry *ret_entry, struct fault *fault)
{
    struct slice head = row, mode, type, oid, size;
    struct gitdoor_entry entry = {0};
    size_t tab = slice_find_byte(row, '\t', 0);

    entry.path = tab == SIZE_MAX ? (struct slice){0} : slice_part(row, tab + 1, row.len);
    head = slice_part(row, 0, tab);
    if (tab == SIZE_MAX || entry.path.len == 0 || !slice_cut(&head, ' ', &mode) ||
        !slice_cut(&head, ' ', &type) || !slice_cut(&head, ' ', &oid) ||
        !hex_decode(oid, entry.oid, GIT_OID_BYTES))
        return fault_set(fault, FAULT_INVALID, "git's list of files cannot be read");
    size = slice_trim(head);
    for (size_t i = 0; i < COUNT(modes); i++)
        if (slice_equal(mode, slice_of(modes[i].text)) &&
            slice_equal(type, slice_of(modes[i].type)))
            entry.mode = modes[i].mode;
    if (entry.mode == 0)
        return fault_set(fault, FAULT_INVALID, "a file of mode %.*s is not known",
                         SLICE_ARGS(mode));
    if (entry.mode != 0160000 && !number_of(size, &entry.size))
        return fault_set(fault, FAULT_INVALID,
                         "a file of the tree is missing from the repository");
    *ret_entry = entry;
    return true;
}

struct listing listing_new(void)
{
    return (struct listing){.row = buf_with_limit(ROW_BYTES_MAX)};
}

void listing_free(struct listing *listing)
{
    buf_free(&listing->row);
}

bool listing_take(struct listing *listing, struct slice bytes,
                  bool (*row)(void *self, struct slice row, struct fault *fault), void *self,
                  struct fault *fault)
{
    while (bytes.len > 0) {
        size_t end = slice_find_byte(bytes, 0, 0);
        struct slice part = slice_part(bytes, 0, end);

        if (end != SIZE_MAX && listing->row.len == 0) { /* whole rows need no copy */
            if (part.len > ROW_BYTES_MAX)
                return fault_set(fault, FAULT_LIMIT, "a path of more than %d bytes",
                                 GIT_PATH_BYTES_MAX);
            if (!row(self, part, fault))
                return false;
        } else {
            if (!buf_add(&listing->row, part, fault))
                return fault_in(fault, "a path of more than %d bytes", GIT_PATH_BYTES_MAX);
            if (end != SIZE_MAX && !row(self, buf_slice(&listing->row), fault))
                return false;
            if (end != SIZE_MAX)
                buf_clear(&listing->row);
        }
        bytes = slice_part(bytes, end == SIZE_MAX ? bytes.len : end + 1, bytes.len);
    }
    return true;
}

bool listing_is_whole(const struct listing *listing)
{
    return listing->row.len == 0;
}

/* ":100644 100755 OID OID M", without the path that follows behind a NUL. */
static bool raw_status(struct slice row, char *ret_status)
{
    struct slice rest = row, part = {0};
    size_t parts = 0;

    while (slice_cut(&rest, ' ', &part))
        parts++;
    if (parts != 5 || part.len == 0 || strchr("AMDT", part.at[0]) == NULL)
        return false;
    *ret_status = (char)part.at[0];
    return true;
}

/* "3<tab>1<tab>PATH", or "-<tab>-<tab>PATH" for a binary file. */
static bool numstat_row(struct slice row, struct gitdoor_change *change)
{
    struct slice rest = row, added, removed;

    if (!slice_cut(&rest, '\t', &added) || !slice_cut(&rest, '\t', &removed))
        return false;
    change->path = rest;
    change->binary = slice_equal(added, SLICE("-")) && slice_equal(removed, SLICE("-"));
    return rest.len > 0 && (change->binary || (number_of(added, &change->added) &&
                                               number_of(removed, &change->removed)));
}

bool listing_changes(struct slice text,
                     bool (*change)(void *self, const struct gitdoor_change *change,
                                    struct fault *fault),
                     void *self, struct gitdoor_numbers *ret_numbers, struct fault *fault)
{
    struct gitdoor_numbers numbers = {0};
    struct slice raw = text, counts = text, row, path;

    /* `counts` begins where the rows that start with a colon end. */
    while (counts.len > 0 && counts.at[0] == ':')
        if (!slice_cut(&counts, 0, &row) || !slice_cut(&counts, 0, &path))
            return fault_set(fault, FAULT_INVALID, "git's list of changes is cut off");
    while (raw.len > 0 && raw.at[0] == ':') {
        struct gitdoor_change one = {0};
        bool ok = slice_cut(&raw, 0, &row) && raw_status(row, &one.status) &&
                  slice_cut(&raw, 0, &path) && counts.len > 0 && slice_cut(&counts, 0, &row) &&
                  numstat_row(row, &one) && slice_equal(one.path, path);

        if (!ok)
            return fault_set(fault, FAULT_INVALID, "git's list of changes cannot be read");
        numbers.files++;
        if (__builtin_add_overflow(numbers.added, one.added, &numbers.added) ||
            __builtin_add_overflow(numbers.removed, one.removed, &numbers.removed))
            return fault_set(fault, FAULT_LIMIT, "more lines than can be counted");
        if (change != NULL && !change(self, &one, fault))
            return false;
    }
    if (counts.len > 0)
        return fault_set(fault, FAULT_INVALID,
                         "git's list of changes has more counts than files");
    *ret_numbers = numbers;
    return true;
}
