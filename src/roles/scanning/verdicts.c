#include "roles/scanning/verdicts.h"

#include <stdlib.h>

#include <openssl/evp.h>

#include "base/hex.h"
#include "base/scope.h"
#include "view/object.h"

#define MAGIC "CUSTSCAN"
#define VERSION 3
#define DIGEST_BYTES 32
#define SETTLED_NS INT64_C(1000000000)

struct header {
    char magic[8];
    uint32_t version, file_bytes, content_bytes, finding_bytes;
    uint64_t file_count, content_count, finding_count;
    uint8_t rules[DIGEST_BYTES];
};

/* A file's state; the first eight bytes are a hash, as key_map wants them. */
struct known_file {
    uint64_t hash; /* of device, inode and the end of the path */
    uint64_t device, inode, size;
    int64_t modified_ns, changed_ns;
    uint32_t content; /* row */
    uint32_t reserved;
};
#define FILE_KEY_BYTES offsetof(struct known_file, content)

/* What was found in a content at a path that ends so. */
struct known_content {
    uint8_t oid[VERDICT_OID_BYTES];
    uint8_t tail[4]; /* of the path, hashed: what it ends in decides how it is read */
    uint32_t class_mask, first, count, has_mark;
};
#define CONTENT_KEY_BYTES offsetof(struct known_content, class_mask)

/* Rows that were kept, then those that were met and are new. */
struct table {
    struct known_file *files;
    size_t file_count, file_room;
    struct known_content *contents;
    size_t content_count, content_room;
    struct placed_finding *findings;
    size_t finding_count, finding_room;
};

/* Which rows were met, and in which order for the first time. */
struct met {
    uint8_t *is_met; /* by row */
    size_t is_met_room;
    uint32_t *order; /* rows */
    size_t count, room;
};

struct verdicts {
    struct table table;
    size_t kept_files, kept_contents;     /* rows that were kept */
    struct key_map by_file, by_content;   /* made when they are first asked */
    size_t file_keys, content_keys;       /* rows that are in them */
    struct met files, contents;
    uint32_t expected; /* files are met in the order in which they were kept: the next one's row */
    uint8_t rules[DIGEST_BYTES];
    int64_t now_ns;
};

static void table_free(struct table *table)
{
    free(table->files);
    free(table->contents);
    free(table->findings);
}

static void met_add(struct met *met, uint32_t row)
{
    size_t known = met->is_met_room;

    if (row >= known) {
        met->is_met = xgrow(met->is_met, &met->is_met_room, (size_t)row + 1, 1);
        memset(met->is_met + known, 0, met->is_met_room - known);
    }
    if (met->is_met[row])
        return;
    met->is_met[row] = 1;
    met->order = xgrow(met->order, &met->room, met->count + 1, sizeof(*met->order));
    met->order[met->count++] = row;
}

/* ---- keys ---- */

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

/* The last two names of a path: readers go by these, never by more. */
static uint32_t hash_tail(struct slice path)
{
    uint64_t hash = 0;
    size_t from = path.len;

    for (unsigned slashes = 0; from > 0 && slashes < 2; from--)
        slashes += path.at[from - 1] == '/';
    for (size_t i = from; i < path.len; i++)
        hash = mix(hash, path.at[i]);
    return (uint32_t)(hash >> 32);
}

static int64_t stamp_ns(const struct timespec *at)
{
    return (int64_t)at->tv_sec * 1000000000 + at->tv_nsec;
}

static struct known_file file_key(const struct stat *stat, struct slice path)
{
    struct known_file key = {.device = stat->st_dev,
                             .inode = stat->st_ino,
                             .size = (uint64_t)stat->st_size,
                             .modified_ns = stamp_ns(&stat->st_mtim),
                             .changed_ns = stamp_ns(&stat->st_ctim)};

    key.hash = mix(mix(mix(hash_tail(path), key.device), key.inode), 1);
    return key;
}

static struct known_content content_key(const uint8_t oid[VERDICT_OID_BYTES],
                                        struct slice path)
{
    struct known_content key = {0};
    uint32_t tail = hash_tail(path);

    memcpy(key.oid, oid, sizeof(key.oid));
    memcpy(key.tail, &tail, sizeof(key.tail));
    return key;
}

/* ---- what was kept ---- */

static bool digest_of(struct slice bytes, uint8_t ret_digest[DIGEST_BYTES])
{
    return EVP_Digest(bytes.at, bytes.len, ret_digest, NULL, EVP_sha256(), NULL) == 1;
}

static void *take_rows(struct slice *rest, uint64_t count, size_t row_bytes)
{
    void *rows = xalloc_array(count + 1, row_bytes);

    memcpy(rows, rest->at, count * row_bytes);
    *rest = slice_part(*rest, count * row_bytes, rest->len);
    return rows;
}

static bool is_sound(const struct header *header, struct slice file,
                     const uint8_t rules[DIGEST_BYTES])
{
    uint8_t digest[DIGEST_BYTES];
    uint64_t most = file.len / sizeof(struct placed_finding);
    uint64_t bytes;

    if (memcmp(header->magic, MAGIC, sizeof(header->magic)) != 0 ||
        header->version != VERSION || header->file_bytes != sizeof(struct known_file) ||
        header->content_bytes != sizeof(struct known_content) ||
        header->finding_bytes != sizeof(struct placed_finding) ||
        memcmp(header->rules, rules, DIGEST_BYTES) != 0 || header->file_count > most ||
        header->content_count > most || header->finding_count > most)
        return false;
    bytes = sizeof(*header) + header->file_count * sizeof(struct known_file) +
            header->content_count * sizeof(struct known_content) +
            header->finding_count * sizeof(struct placed_finding) + DIGEST_BYTES;
    return bytes == file.len &&
           digest_of(slice_part(file, 0, file.len - DIGEST_BYTES), digest) &&
           memcmp(digest, file.at + file.len - DIGEST_BYTES, DIGEST_BYTES) == 0;
}

static bool rows_hold(const struct table *table)
{
    for (size_t i = 0; i < table->file_count; i++)
        if (table->files[i].content >= table->content_count)
            return false;
    for (size_t i = 0; i < table->content_count; i++)
        if (table->contents[i].first > table->finding_count ||
            table->contents[i].count > table->finding_count - table->contents[i].first ||
            table->contents[i].class_mask >= CLASS_BIT(CLASS_COUNT))
            return false;
    for (size_t i = 0; i < table->finding_count; i++)
        if (table->findings[i].class >= CLASS_COUNT)
            return false;
    return true;
}

static uint32_t find_file(struct verdicts *verdicts, const struct known_file *key)
{
    const struct table *table = &verdicts->table;

    for (; verdicts->file_keys < table->file_count; verdicts->file_keys++)
        if (key_map_find(&verdicts->by_file, table->files, sizeof(*table->files),
                         &table->files[verdicts->file_keys], FILE_KEY_BYTES) == KEY_MAP_NONE)
            key_map_add(&verdicts->by_file, table->files, sizeof(*table->files),
                        (uint32_t)verdicts->file_keys);
    return key_map_find(&verdicts->by_file, table->files, sizeof(*table->files), key,
                        FILE_KEY_BYTES);
}

static uint32_t find_content(struct verdicts *verdicts, const struct known_content *key)
{
    const struct table *table = &verdicts->table;

    for (; verdicts->content_keys < table->content_count; verdicts->content_keys++)
        if (key_map_find(&verdicts->by_content, table->contents, sizeof(*table->contents),
                         &table->contents[verdicts->content_keys],
                         CONTENT_KEY_BYTES) == KEY_MAP_NONE)
            key_map_add(&verdicts->by_content, table->contents, sizeof(*table->contents),
                        (uint32_t)verdicts->content_keys);
    return key_map_find(&verdicts->by_content, table->contents, sizeof(*table->contents), key,
                        CONTENT_KEY_BYTES);
}

static void load(struct verdicts *verdicts, struct slice file)
{
    struct table *table = &verdicts->table;
    struct header header;
    struct slice rest;

    if (file.len < sizeof(header) + DIGEST_BYTES || file.len > VERDICTS_BYTES_MAX)
        return;
    memcpy(&header, file.at, sizeof(header));
    if (!is_sound(&header, file, verdicts->rules))
        return;
    rest = slice_part(file, sizeof(header), file.len);
    *table = (struct table){.file_count = header.file_count,
                            .content_count = header.content_count,
                            .finding_count = header.finding_count};
    table->files = take_rows(&rest, header.file_count, sizeof(*table->files));
    table->contents = take_rows(&rest, header.content_count, sizeof(*table->contents));
    table->findings = take_rows(&rest, header.finding_count, sizeof(*table->findings));
    if (!rows_hold(table)) {
        table_free(table);
        *table = (struct table){0};
    }
    table->file_room = table->file_count;
    table->content_room = table->content_count;
    table->finding_room = table->finding_count;
    verdicts->kept_files = table->file_count;
    verdicts->kept_contents = table->content_count;
}

struct verdicts *verdicts_new(struct slice file, int64_t now_ns)
{
    struct verdicts *verdicts = xalloc(sizeof(*verdicts));

    verdicts->now_ns = now_ns;
    if (hex_decode(slice_of(classify_digest()), verdicts->rules, sizeof(verdicts->rules)))
        load(verdicts, file);
    return verdicts;
}

void verdicts_free(struct verdicts *verdicts)
{
    if (verdicts == NULL)
        return;
    table_free(&verdicts->table);
    key_map_free(&verdicts->by_file);
    key_map_free(&verdicts->by_content);
    free(verdicts->files.is_met);
    free(verdicts->files.order);
    free(verdicts->contents.is_met);
    free(verdicts->contents.order);
    free(verdicts);
}

/* ---- what is met ---- */

static void tell(const struct table *table, uint32_t row, struct file_verdict *ret_verdict)
{
    const struct known_content *content = &table->contents[row];

    *ret_verdict = (struct file_verdict){.has_mark = content->has_mark != 0,
                                         .class_mask = content->class_mask,
                                         .findings = table->findings + content->first,
                                         .count = content->count};
}

/* The row of a content; added where it is not there. */
static uint32_t content_row(struct verdicts *verdicts, const struct known_content *key,
                            const struct file_verdict *verdict)
{
    struct table *table = &verdicts->table;
    uint32_t row = find_content(verdicts, key);

    if (row != KEY_MAP_NONE)
        return row;
    table->findings = xgrow(table->findings, &table->finding_room,
                            table->finding_count + verdict->count, sizeof(*table->findings));
    if (verdict->count > 0)
        memcpy(table->findings + table->finding_count, verdict->findings,
               verdict->count * sizeof(*table->findings));
    table->contents = xgrow(table->contents, &table->content_room, table->content_count + 1,
                            sizeof(*table->contents));
    row = (uint32_t)table->content_count++;
    table->contents[row] = *key;
    table->contents[row].class_mask = verdict->class_mask;
    table->contents[row].first = (uint32_t)table->finding_count;
    table->contents[row].count = (uint32_t)verdict->count;
    table->contents[row].has_mark = verdict->has_mark;
    table->finding_count += verdict->count;
    return row;
}

/* A content is met in a file of this state. */
static void keep_state(struct verdicts *verdicts, struct known_file key, uint32_t content)
{
    struct table *table = &verdicts->table;
    uint32_t row;

    met_add(&verdicts->contents, content);
    if (key.modified_ns > verdicts->now_ns - SETTLED_NS ||
        key.changed_ns > verdicts->now_ns - SETTLED_NS)
        return;
    row = find_file(verdicts, &key);
    if (row == KEY_MAP_NONE) {
        table->files = xgrow(table->files, &table->file_room, table->file_count + 1,
                             sizeof(*table->files));
        row = (uint32_t)table->file_count++;
    }
    key.content = content;
    table->files[row] = key;
    met_add(&verdicts->files, row);
}

bool verdicts_has_kept(const struct verdicts *verdicts)
{
    return verdicts->kept_files > 0;
}

bool verdicts_by_state(struct verdicts *verdicts, const struct stat *stat, struct slice path,
                       struct file_verdict *ret_verdict)
{
    const struct table *table = &verdicts->table;
    struct known_file key = file_key(stat, path);
    uint32_t row = verdicts->expected;

    if (row >= table->file_count || memcmp(&table->files[row], &key, FILE_KEY_BYTES) != 0)
        row = find_file(verdicts, &key);
    if (row == KEY_MAP_NONE)
        return false;
    verdicts->expected = row + 1;
    met_add(&verdicts->files, row);
    met_add(&verdicts->contents, table->files[row].content);
    tell(table, table->files[row].content, ret_verdict);
    return true;
}

bool verdicts_by_content(struct verdicts *verdicts, const struct stat *stat, struct slice path,
                         const uint8_t oid[VERDICT_OID_BYTES],
                         struct file_verdict *ret_verdict)
{
    struct known_content key = content_key(oid, path);
    uint32_t row = find_content(verdicts, &key);

    if (row == KEY_MAP_NONE)
        return false;
    keep_state(verdicts, file_key(stat, path), row);
    tell(&verdicts->table, row, ret_verdict);
    return true;
}

void verdicts_add(struct verdicts *verdicts, const struct stat *stat, struct slice path,
                  const uint8_t oid[VERDICT_OID_BYTES], const struct file_verdict *verdict)
{
    struct known_content key = content_key(oid, path);

    keep_state(verdicts, file_key(stat, path), content_row(verdicts, &key, verdict));
}

/* ---- what is kept ---- */

bool verdicts_changed(const struct verdicts *verdicts)
{
    return verdicts->table.file_count != verdicts->kept_files ||
           verdicts->table.content_count != verdicts->kept_contents ||
           verdicts->files.count != verdicts->kept_files ||
           verdicts->contents.count != verdicts->kept_contents;
}

/* Rows that were met, in that order; numbers in them are places among these. */
static struct table rows_met(const struct verdicts *verdicts)
{
    const struct table *all = &verdicts->table;
    AUTO_FREE uint32_t *places = xalloc_array(all->content_count + 1, sizeof(*places));
    struct table met = {.file_count = verdicts->files.count,
                        .content_count = verdicts->contents.count};

    met.contents = xalloc_array(met.content_count + 1, sizeof(*met.contents));
    met.findings = xalloc_array(all->finding_count + 1, sizeof(*met.findings));
    met.files = xalloc_array(met.file_count + 1, sizeof(*met.files));
    for (size_t i = 0; i < met.content_count; i++) {
        const struct known_content *content = &all->contents[verdicts->contents.order[i]];

        places[verdicts->contents.order[i]] = (uint32_t)i;
        met.contents[i] = *content;
        met.contents[i].first = (uint32_t)met.finding_count;
        memcpy(met.findings + met.finding_count, all->findings + content->first,
               content->count * sizeof(*met.findings));
        met.finding_count += content->count;
    }
    for (size_t i = 0; i < met.file_count; i++) {
        met.files[i] = all->files[verdicts->files.order[i]];
        met.files[i].content = places[met.files[i].content];
    }
    return met;
}

static bool encode(const struct table *now, const uint8_t rules[DIGEST_BYTES],
                   struct buf *ret_file, struct fault *fault)
{
    struct header header = {.version = VERSION,
                            .file_bytes = sizeof(*now->files),
                            .content_bytes = sizeof(*now->contents),
                            .finding_bytes = sizeof(*now->findings),
                            .file_count = now->file_count,
                            .content_count = now->content_count,
                            .finding_count = now->finding_count};
    uint8_t digest[DIGEST_BYTES];
    size_t begin = ret_file->len;

    memcpy(header.magic, MAGIC, sizeof(header.magic));
    memcpy(header.rules, rules, sizeof(header.rules));
    return buf_add(ret_file, slice_of_bytes((const uint8_t *)&header, sizeof(header)),
                   fault) &&
           buf_add(ret_file,
                   slice_of_bytes((const uint8_t *)now->files,
                                  now->file_count * sizeof(*now->files)),
                   fault) &&
           buf_add(ret_file,
                   slice_of_bytes((const uint8_t *)now->contents,
                                  now->content_count * sizeof(*now->contents)),
                   fault) &&
           buf_add(ret_file,
                   slice_of_bytes((const uint8_t *)now->findings,
                                  now->finding_count * sizeof(*now->findings)),
                   fault) &&
           (digest_of(slice_part(buf_slice(ret_file), begin, ret_file->len), digest) ||
            fault_set(fault, FAULT_IO, "SHA-256 failed")) &&
           buf_add(ret_file, slice_of_bytes(digest, sizeof(digest)), fault);
}

bool verdicts_encode(const struct verdicts *verdicts, struct buf *ret_file,
                     struct fault *fault)
{
    struct table met = rows_met(verdicts);
    bool ok = encode(&met, verdicts->rules, ret_file, fault);

    table_free(&met);
    return ok;
}
