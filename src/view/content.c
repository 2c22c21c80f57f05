#include "view/content.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zlib.h>

#include "base/scope.h"
#include "os/file.h"
#include "view/object.h"

#define RECORDS_BYTES_MAX (4ULL << 30)
#define PENDING_BYTES_MAX (1ULL << 30)
#define PAGE_BYTES 4096U

enum stored_kind {
    STORED_BLOB = 1,
    STORED_VERDICT = 2,
};

/* `blobs` on disk, native byte order: this, then records. */
static const char FILE_MAGIC[16] = "CUSTBLOB\2\0\0\0\4\3\2\1";

struct record_head {
    uint32_t crc;   /* of all that follows it in the record */
    uint32_t bytes; /* of the whole record */
    uint32_t kind;
    uint32_t oid_bytes;
    uint8_t oid[SNAPSHOT_OID_MAX];
};

struct blob_record {
    struct record_head head;
    uint64_t at, len;
};

struct verdict_record {
    struct record_head head;
    uint8_t rules[CONTENT_RULES_BYTES];
    uint32_t class_mask;
    uint32_t count; /* findings follow */
};

struct blob_row {
    uint8_t oid[SNAPSHOT_OID_MAX]; /* first: the key */
    uint64_t at, len;
};

struct verdict_key {
    uint8_t oid[SNAPSHOT_OID_MAX];
    uint8_t rules[CONTENT_RULES_BYTES];
};

struct verdict_row {
    struct verdict_key key; /* first */
    uint32_t class_mask, count;
    const struct snapshot_finding *findings; /* in a mapping or in `owned` */
};

struct content {
    int content, blobs;
    bool locked;
    uint64_t good_end;    /* of `blobs`: up to here every record is whole and known */
    uint64_t content_end; /* while locked: where the next blob goes */
    struct blob_row *blob_rows;
    struct verdict_row *verdict_rows;
    size_t blob_count, blob_room, verdict_count, verdict_room;
    struct key_map blob_map, verdict_map;
    struct slice *mappings;
    size_t mapping_count, mapping_room;
    void **owned; /* findings of additions */
    size_t owned_count, owned_room;
    struct buf pending; /* records of additions */
    struct blob_row adding;
    size_t adding_oid_bytes;
    uint64_t adding_done;
    bool is_adding;
};

static void key_of(const uint8_t *oid, size_t oid_bytes, uint8_t ret_key[SNAPSHOT_OID_MAX])
{
    memset(ret_key, 0, SNAPSHOT_OID_MAX);
    memcpy(ret_key, oid, oid_bytes <= SNAPSHOT_OID_MAX ? oid_bytes : SNAPSHOT_OID_MAX);
}

static struct verdict_key verdict_key_of(const uint8_t *oid, size_t oid_bytes,
                                         const uint8_t *rules)
{
    struct verdict_key key;

    key_of(oid, oid_bytes, key.oid);
    memcpy(key.rules, rules, sizeof(key.rules));
    return key;
}

static void add_blob_row(struct content *content, const struct blob_row *row)
{
    if (key_map_find(&content->blob_map, content->blob_rows, sizeof(*row), row->oid,
                     sizeof(row->oid)) != KEY_MAP_NONE)
        return;
    content->blob_rows = xgrow(content->blob_rows, &content->blob_room,
                               content->blob_count + 1, sizeof(*content->blob_rows));
    content->blob_rows[content->blob_count] = *row;
    key_map_add(&content->blob_map, content->blob_rows, sizeof(*row),
                (uint32_t)content->blob_count++);
}

static void add_verdict_row(struct content *content, const struct verdict_row *row)
{
    if (key_map_find(&content->verdict_map, content->verdict_rows, sizeof(*row), &row->key,
                     sizeof(row->key)) != KEY_MAP_NONE)
        return;
    content->verdict_rows = xgrow(content->verdict_rows, &content->verdict_room,
                                  content->verdict_count + 1, sizeof(*content->verdict_rows));
    content->verdict_rows[content->verdict_count] = *row;
    key_map_add(&content->verdict_map, content->verdict_rows, sizeof(*row),
                (uint32_t)content->verdict_count++);
}

static uint32_t record_crc(const void *record, uint32_t bytes)
{
    return (uint32_t)crc32(crc32(0, NULL, 0), (const Bytef *)record + sizeof(uint32_t),
                           bytes - (uint32_t)sizeof(uint32_t));
}

/* Takes in one record. False: it is torn, or from a content file that is not all there. */
static bool take_record(struct content *content, const uint8_t *at, uint64_t room,
                        uint64_t content_bytes, uint32_t *ret_bytes)
{
    struct record_head head;

    if (room < sizeof(head))
        return false;
    memcpy(&head, at, sizeof(head));
    if (head.bytes < sizeof(head) || head.bytes > room || head.bytes % 4 != 0 ||
        head.crc != record_crc(at, head.bytes))
        return false;
    if (head.kind == STORED_BLOB && head.bytes == sizeof(struct blob_record)) {
        struct blob_record record;
        struct blob_row row;

        memcpy(&record, at, sizeof(record));
        if (record.len > content_bytes || record.at > content_bytes - record.len)
            return false;
        row = (struct blob_row){.at = record.at, .len = record.len};
        memcpy(row.oid, head.oid, sizeof(row.oid));
        add_blob_row(content, &row);
    } else if (head.kind == STORED_VERDICT && head.bytes >= sizeof(struct verdict_record)) {
        struct verdict_record record;
        struct verdict_row row = {0};

        memcpy(&record, at, sizeof(record));
        if (head.bytes != sizeof(record) + (uint64_t)record.count * sizeof(*row.findings))
            return false;
        memcpy(row.key.oid, head.oid, sizeof(row.key.oid));
        memcpy(row.key.rules, record.rules, sizeof(row.key.rules));
        row.class_mask = record.class_mask;
        row.count = record.count;
        row.findings = (const void *)(at + sizeof(record));
        add_verdict_row(content, &row);
    } else {
        return false;
    }
    *ret_bytes = head.bytes;
    return true;
}

/* Takes in what was appended since. Stops at the first record that is not whole. */
static bool load(struct content *content, struct fault *fault)
{
    struct stat blobs, bytes;
    uint64_t from, at = content->good_end;
    struct slice mapping;
    void *mapped;

    if (fstat(content->blobs, &blobs) < 0 || fstat(content->content, &bytes) < 0)
        return fault_errno(fault, "look at the content store");
    if ((uint64_t)blobs.st_size > RECORDS_BYTES_MAX)
        return fault_set(fault, FAULT_LIMIT, "content store of %lld bytes of records",
                         (long long)blobs.st_size);
    if ((uint64_t)blobs.st_size <= at)
        return true;
    from = at / PAGE_BYTES * PAGE_BYTES;
    mapped = mmap(NULL, (size_t)((uint64_t)blobs.st_size - from), PROT_READ,
                  MAP_SHARED | MAP_POPULATE, content->blobs, (off_t)from);
    if (mapped == MAP_FAILED)
        return fault_errno(fault, "map the content store");
    mapping = slice_of_bytes(mapped, (size_t)((uint64_t)blobs.st_size - from));
    content->mappings = xgrow(content->mappings, &content->mapping_room,
                              content->mapping_count + 1, sizeof(mapping));
    content->mappings[content->mapping_count++] = mapping;
    if (at == 0) {
        if (mapping.len < sizeof(FILE_MAGIC) ||
            memcmp(mapping.at, FILE_MAGIC, sizeof(FILE_MAGIC)) != 0)
            return true; /* torn at birth, or of another version: a writer starts it anew */
        at = sizeof(FILE_MAGIC);
    }
    for (uint32_t step = 0;
         take_record(content, mapping.at + (at - from), (uint64_t)blobs.st_size - at,
                     (uint64_t)bytes.st_size, &step);)
        at += step;
    content->good_end = at;
    return true;
}

bool content_open(int folder_fd, struct content **ret_content, struct fault *fault)
{
    struct content *content = xalloc(sizeof(*content));

    content->blobs = -1;
    content->pending = buf_with_limit(PENDING_BYTES_MAX);
    content->content =
        openat(folder_fd, "content", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (content->content >= 0)
        content->blobs =
            openat(folder_fd, "blobs", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (content->content < 0 || content->blobs < 0) {
        (void)fault_errno(fault, "open the content store");
        content_close(content);
        return false;
    }
    if (!load(content, fault)) {
        content_close(content);
        return false;
    }
    *ret_content = content;
    return true;
}

void content_close(struct content *content)
{
    if (content == NULL)
        return;
    for (size_t i = 0; i < content->mapping_count; i++)
        (void)munmap((void *)(uintptr_t)content->mappings[i].at, content->mappings[i].len);
    for (size_t i = 0; i < content->owned_count; i++)
        free(content->owned[i]);
    if (content->content >= 0)
        (void)close(content->content);
    if (content->blobs >= 0)
        (void)close(content->blobs); /* and with it the lock */
    key_map_free(&content->blob_map);
    key_map_free(&content->verdict_map);
    buf_free(&content->pending);
    free(content->owned);
    free(content->mappings);
    free(content->blob_rows);
    free(content->verdict_rows);
    free(content);
}

int content_fd(const struct content *content)
{
    return content->content;
}

size_t content_blob_count(const struct content *content)
{
    return content->blob_count;
}

bool content_find(const struct content *content, const uint8_t *oid, size_t oid_bytes,
                  uint64_t *ret_at, uint64_t *ret_len)
{
    uint8_t key[SNAPSHOT_OID_MAX];
    uint32_t row;

    key_of(oid, oid_bytes, key);
    row = key_map_find(&content->blob_map, content->blob_rows, sizeof(*content->blob_rows),
                       key, sizeof(key));
    if (row == KEY_MAP_NONE)
        return false;
    *ret_at = content->blob_rows[row].at;
    *ret_len = content->blob_rows[row].len;
    return true;
}

/* The writers' lock; then what others wrote meanwhile, and the torn tail of one that died. */
static bool lock(struct content *content, struct fault *fault)
{
    struct stat stat;

    if (content->locked)
        return true;
    while (flock(content->blobs, LOCK_EX) < 0)
        if (errno != EINTR)
            return fault_errno(fault, "lock the content store");
    content->locked = true;
    if (!load(content, fault))
        return false;
    if (ftruncate(content->blobs, (off_t)content->good_end) < 0)
        return fault_errno(fault, "cut the content store's tail");
    if (content->good_end == 0) {
        if (!file_write_at(content->blobs, slice_of_bytes(FILE_MAGIC, sizeof(FILE_MAGIC)), 0,
                           fault))
            return false;
        content->good_end = sizeof(FILE_MAGIC);
    }
    if (fstat(content->content, &stat) < 0)
        return fault_errno(fault, "look at the content store");
    content->content_end = (uint64_t)stat.st_size;
    return true;
}

static bool check_oid(size_t oid_bytes, struct fault *fault)
{
    return oid_bytes == 20 || oid_bytes == 32 ||
           fault_set(fault, FAULT_INVALID, "object ids of %zu bytes", oid_bytes);
}

bool content_add_begin(struct content *content, const uint8_t *oid, size_t oid_bytes,
                       uint64_t len, struct fault *fault)
{
    uint64_t end;

    content->is_adding = false;
    if (!check_oid(oid_bytes, fault) || !lock(content, fault))
        return false;
    if (__builtin_add_overflow(content->content_end, len, &end) || end > INT64_MAX)
        return fault_set(fault, FAULT_LIMIT, "a blob of %llu bytes", (unsigned long long)len);
    content->adding = (struct blob_row){.at = content->content_end, .len = len};
    key_of(oid, oid_bytes, content->adding.oid);
    content->adding_oid_bytes = oid_bytes;
    content->adding_done = 0;
    content->is_adding = true;
    return true;
}

bool content_add_more(struct content *content, struct slice bytes, struct fault *fault)
{
    assert(content->is_adding);
    if (bytes.len > content->adding.len - content->adding_done)
        return fault_set(fault, FAULT_INVALID, "a blob is longer than was said");
    if (!file_write_at(content->content, bytes, content->adding.at + content->adding_done,
                       fault))
        return fault_in(fault, "add to the content store");
    content->adding_done += bytes.len;
    return true;
}

bool content_add_end(struct content *content, uint64_t *ret_at, struct fault *fault)
{
    struct blob_record record = {.head = {.bytes = sizeof(record), .kind = STORED_BLOB}};

    assert(content->is_adding);
    content->is_adding = false;
    if (content->adding_done != content->adding.len)
        return fault_set(fault, FAULT_INVALID, "a blob is shorter than was said");
    record.head.oid_bytes = (uint32_t)content->adding_oid_bytes;
    memcpy(record.head.oid, content->adding.oid, sizeof(record.head.oid));
    record.at = content->adding.at;
    record.len = content->adding.len;
    record.head.crc = record_crc(&record, sizeof(record));
    if (!buf_add(&content->pending, slice_of_bytes(&record, sizeof(record)), fault))
        return false;
    content->content_end += content->adding.len;
    add_blob_row(content, &content->adding);
    *ret_at = record.at;
    return true;
}

bool content_add(struct content *content, const uint8_t *oid, size_t oid_bytes,
                 struct slice bytes, uint64_t *ret_at, struct fault *fault)
{
    uint64_t len;

    if (content_find(content, oid, oid_bytes, ret_at, &len))
        return true;
    if (!check_oid(oid_bytes, fault) || !lock(content, fault))
        return false;
    if (content_find(content, oid, oid_bytes, ret_at, &len)) /* another was faster */
        return true;
    return content_add_begin(content, oid, oid_bytes, bytes.len, fault) &&
           content_add_more(content, bytes, fault) && content_add_end(content, ret_at, fault);
}

bool content_verdict_find(const struct content *content, const uint8_t *oid, size_t oid_bytes,
                          const uint8_t rules[CONTENT_RULES_BYTES], unsigned *ret_class_mask,
                          const struct snapshot_finding **ret_findings, size_t *ret_count)
{
    struct verdict_key key = verdict_key_of(oid, oid_bytes, rules);
    uint32_t row = key_map_find(&content->verdict_map, content->verdict_rows,
                                sizeof(*content->verdict_rows), &key, sizeof(key));

    if (row == KEY_MAP_NONE)
        return false;
    *ret_class_mask = content->verdict_rows[row].class_mask;
    *ret_findings = content->verdict_rows[row].findings;
    *ret_count = content->verdict_rows[row].count;
    return true;
}

bool content_verdict_add(struct content *content, const uint8_t *oid, size_t oid_bytes,
                         const uint8_t rules[CONTENT_RULES_BYTES], unsigned class_mask,
                         const struct snapshot_finding *findings, size_t count,
                         struct fault *fault)
{
    struct verdict_row row = {.key = verdict_key_of(oid, oid_bytes, rules),
                              .class_mask = class_mask,
                              .count = (uint32_t)count};
    struct verdict_record record = {
        .head = {.kind = STORED_VERDICT}, .class_mask = class_mask, .count = (uint32_t)count};
    size_t start = content->pending.len;
    uint32_t crc;

    if (count > SNAPSHOT_ENTRY_FINDINGS_MAX)
        return fault_set(fault, FAULT_LIMIT, "%zu findings in one file", count);
    if (!check_oid(oid_bytes, fault) || !lock(content, fault))
        return false;
    record.head.bytes = (uint32_t)(sizeof(record) + count * sizeof(*findings));
    record.head.oid_bytes = (uint32_t)oid_bytes;
    memcpy(record.head.oid, row.key.oid, sizeof(record.head.oid));
    memcpy(record.rules, rules, sizeof(record.rules));
    if (!buf_reserve(&content->pending, record.head.bytes, fault) ||
        !buf_add(&content->pending, slice_of_bytes(&record, sizeof(record)), fault) ||
        !buf_add(&content->pending, slice_of_bytes(findings, count * sizeof(*findings)),
                 fault))
        return false;
    crc = record_crc(content->pending.at + start, record.head.bytes);
    memcpy(content->pending.at + start, &crc, sizeof(crc));
    if (count > 0) {
        struct snapshot_finding *copy = xalloc_array(count, sizeof(*copy));

        memcpy(copy, findings, count * sizeof(*copy));
        content->owned = xgrow(content->owned, &content->owned_room, content->owned_count + 1,
                               sizeof(*content->owned));
        content->owned[content->owned_count++] = copy;
        row.findings = copy;
    }
    add_verdict_row(content, &row);
    return true;
}

bool content_commit(struct content *content, struct fault *fault)
{
    if (!content->locked)
        return true;
    if (fdatasync(content->content) < 0)
        return fault_errno(fault, "sync the content store");
    if (!file_write_at(content->blobs, buf_slice(&content->pending), content->good_end, fault))
        return fault_in(fault, "commit to the content store");
    if (fdatasync(content->blobs) < 0)
        return fault_errno(fault, "sync the content store");
    content->good_end += content->pending.len;
    buf_clear(&content->pending);
    (void)flock(content->blobs, LOCK_UN);
    content->locked = false;
    return true;
}
