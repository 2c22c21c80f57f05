/* The file: opened, made, checked. A rollback journal, so that who may only read can read. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/scope.h"
#include "index/index_parts.h"

#define BUSY_MS 10000 /* a commit of a million records takes seconds */
#define VERSION 1
#define NUMBERS_MAX 8

static const char schema_text[] =
    "PRAGMA page_size = 8192;"
    "BEGIN IMMEDIATE;"
    "CREATE TABLE about(number INTEGER PRIMARY KEY, names TEXT, size INTEGER, shards INTEGER,"
    " checksum INTEGER);"
    "CREATE TABLE shard(number INTEGER PRIMARY KEY, origin TEXT, base INTEGER, size INTEGER,"
    " root BLOB, checksum INTEGER);"
    "CREATE TABLE field(number INTEGER PRIMARY KEY, texts INTEGER, is_full INTEGER,"
    " checksum INTEGER);"
    "CREATE TABLE value(id INTEGER PRIMARY KEY, text TEXT, count INTEGER, latest INTEGER,"
    " last INTEGER, checksum INTEGER);"
    "CREATE TABLE block(place INTEGER PRIMARY KEY, before INTEGER, differences BLOB,"
    " checksum INTEGER);"
    "CREATE TABLE span(number INTEGER PRIMARY KEY, low INTEGER, high INTEGER,"
    " checksum INTEGER);"
    "PRAGMA user_version = 1;"
    "COMMIT;";

static const char *const texts[SQL_COUNT] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ABOUT] = "SELECT size, shards, checksum, names FROM about WHERE number = 0",
    [SQL_PUT_ABOUT] = "INSERT OR REPLACE INTO about(number, size, shards, checksum, names)"
                      " VALUES(0, ?, ?, ?, ?)",
    [SQL_SHARDS] = "SELECT number, base, size, checksum, origin, root FROM shard"
                   " ORDER BY number",
    [SQL_PUT_SHARD] = "INSERT OR REPLACE INTO shard(number, base, size, checksum, origin,"
                      " root) VALUES(?, ?, ?, ?, ?, ?)",
    [SQL_FIELDS] = "SELECT number, texts, is_full, checksum FROM field ORDER BY number",
    [SQL_PUT_FIELD] = "INSERT OR REPLACE INTO field(number, texts, is_full, checksum)"
                      " VALUES(?, ?, ?, ?)",
    [SQL_VALUES] = "SELECT id, count, latest, last, checksum, text FROM value"
                   " WHERE id >= ? AND id < ? ORDER BY id",
    [SQL_PUT_VALUE] = "INSERT OR REPLACE INTO value(id, count, latest, last, checksum, text)"
                      " VALUES(?, ?, ?, ?, ?, ?)",
    [SQL_BLOCK] = "SELECT place, before, checksum, differences FROM block WHERE place = ?",
    /* From the block that has the ordinal, or is the first, to the end of the value's. */
    [SQL_BLOCKS] = "SELECT place, before, checksum, differences FROM block WHERE place >="
                   " coalesce((SELECT place FROM block WHERE place >= ?1 AND place <= ?2"
                   " ORDER BY place DESC LIMIT 1), ?1) AND place < ?3 ORDER BY place",
    [SQL_PUT_BLOCK] = "INSERT OR REPLACE INTO block(place, before, checksum, differences)"
                      " VALUES(?, ?, ?, ?)",
    [SQL_SPANS] = "SELECT number, low, high, checksum FROM span"
                  " WHERE number >= ? AND number < ? ORDER BY number",
    [SQL_PUT_SPAN] = "INSERT OR REPLACE INTO span(number, low, high, checksum)"
                     " VALUES(?, ?, ?, ?)",
};

static enum fault_kind kind_of(int code)
{
    static const struct {
        int code;
        enum fault_kind kind;
    } kinds[] = {
        {SQLITE_BUSY, FAULT_CONFLICT},   {SQLITE_LOCKED, FAULT_CONFLICT},
        {SQLITE_CORRUPT, FAULT_INVALID}, {SQLITE_NOTADB, FAULT_INVALID},
        {SQLITE_ERROR, FAULT_INVALID},   {SQLITE_SCHEMA, FAULT_INVALID},
        {SQLITE_FORMAT, FAULT_INVALID},  {SQLITE_CONSTRAINT, FAULT_INVALID},
        {SQLITE_FULL, FAULT_LIMIT},      {SQLITE_TOOBIG, FAULT_INVALID},
        {SQLITE_READONLY, FAULT_DENIED}, {SQLITE_CANTOPEN, FAULT_DENIED},
        {SQLITE_PERM, FAULT_DENIED},     {SQLITE_MISMATCH, FAULT_INVALID},
    };

    for (size_t i = 0; i < COUNT(kinds); i++)
        if (kinds[i].code == (code & 0xff))
            return kinds[i].kind;
    return FAULT_IO;
}

bool index_failed(struct index *index, const char *what, struct fault *fault)
{
    return fault_set(fault, kind_of(sqlite3_errcode(index->database)), "%s the index: %s",
                     what, sqlite3_errmsg(index->database));
}

bool(index_damaged)(const char *what, struct fault *fault)
{
    return fault_set(fault, FAULT_INVALID, "the index is damaged: %s", what);
}

int64_t index_checksum(const uint64_t *numbers, size_t count, struct slice bytes)
{
    uint8_t text[NUMBERS_MAX * 8];
    uLong checksum = crc32(0, NULL, 0);
    size_t len = 0;

    for (size_t i = 0; i < count && i < NUMBERS_MAX; i++)
        for (unsigned shift = 0; shift < 64; shift += 8)
            text[len++] = (uint8_t)(numbers[i] >> shift);
    checksum = crc32_z(checksum, text, len);
    /* NULL would begin a new one. */
    return (int64_t)(bytes.len == 0 ? checksum : crc32_z(checksum, bytes.at, bytes.len));
}

sqlite3_stmt *index_statement(struct index *index, enum index_sql which, struct fault *fault)
{
    sqlite3_stmt **statement = &index->statements[which];

    if (*statement == NULL &&
        sqlite3_prepare_v3(index->database, texts[which], -1, SQLITE_PREPARE_PERSISTENT,
                           statement, NULL) != SQLITE_OK) {
        (void)index_failed(index, "read", fault);
        return NULL;
    }
    (void)sqlite3_reset(*statement);
    return *statement;
}

bool index_run(struct index *index, sqlite3_stmt *statement, struct fault *fault)
{
    bool ok = sqlite3_step(statement) == SQLITE_DONE || index_failed(index, "write", fault);

    (void)sqlite3_reset(statement);
    return ok;
}

static uint64_t number_at(sqlite3_stmt *row, int column)
{
    return (uint64_t)sqlite3_column_int64(row, column);
}

static struct slice bytes_at(sqlite3_stmt *row, int column)
{
    const void *at = sqlite3_column_blob(row, column);

    return slice_of_bytes(at, (size_t)sqlite3_column_bytes(row, column));
}

bool index_each_value(struct index *index, unsigned field,
                      bool (*each)(void *self, const struct value_row *row,
                                   struct fault *fault),
                      void *self, struct fault *fault)
{
    sqlite3_stmt *rows = index_statement(index, SQL_VALUES, fault);
    uint64_t count = index->fields[field].value_count;
    uint64_t number = 0;
    bool ok = rows != NULL;
    int step = SQLITE_DONE;

    if (!ok)
        return false;
    (void)sqlite3_bind_int64(rows, 1, (int64_t)value_id(field, 0));
    (void)sqlite3_bind_int64(rows, 2, (int64_t)value_id(field, count));
    while (ok && (step = sqlite3_step(rows)) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(rows, 5);
        struct value_row row = {
            number, text, {number_at(rows, 1), number_at(rows, 2), number_at(rows, 3)}};
        const uint64_t numbers[] = {value_id(field, number), row.state.count, row.state.latest,
                                    row.state.last};

        ok = text != NULL && number_at(rows, 0) == numbers[0] &&
                     sqlite3_column_int64(rows, 4) ==
                         index_checksum(numbers, COUNT(numbers), slice_of(text))
                 ? each(self, &row, fault)
                 : index_damaged("a text is not what was written", fault);
        number++;
    }
    if (ok && step != SQLITE_DONE)
        ok = index_failed(index, "read", fault);
    (void)sqlite3_reset(rows);
    return ok && (number == count || index_damaged("a text is missing", fault));
}

bool index_read_spans(struct index *index, uint64_t first, size_t count, struct span *spans,
                      struct fault *fault)
{
    sqlite3_stmt *rows = index_statement(index, SQL_SPANS, fault);
    size_t seen = 0;
    bool ok = rows != NULL;
    int step = SQLITE_DONE;

    if (!ok)
        return false;
    (void)sqlite3_bind_int64(rows, 1, (int64_t)first);
    (void)sqlite3_bind_int64(rows, 2, (int64_t)(first + count));
    for (; ok && seen < count && (step = sqlite3_step(rows)) == SQLITE_ROW; seen++) {
        const uint64_t numbers[] = {first + seen, number_at(rows, 1), number_at(rows, 2)};

        ok = number_at(rows, 0) == numbers[0] &&
             sqlite3_column_int64(rows, 3) ==
                 index_checksum(numbers, COUNT(numbers), (struct slice){0});
        spans[seen] = (struct span){(int64_t)numbers[1], (int64_t)numbers[2]};
    }
    if (step != SQLITE_DONE && step != SQLITE_ROW)
        ok = index_failed(index, "read", fault);
    else if (!ok || seen < count)
        ok = index_damaged("times of records are missing", fault);
    (void)sqlite3_reset(rows);
    return ok;
}

static bool read_fields(struct index *index, struct fault *fault)
{
    sqlite3_stmt *rows = index_statement(index, SQL_FIELDS, fault);
    unsigned seen = 0;
    bool ok = rows != NULL;

    while (ok && seen < index->field_count && sqlite3_step(rows) == SQLITE_ROW) {
        const uint64_t numbers[] = {seen, number_at(rows, 1), number_at(rows, 2)};

        ok = number_at(rows, 0) == seen && numbers[1] <= VALUES_MAX &&
             sqlite3_column_int64(rows, 3) ==
                 index_checksum(numbers, COUNT(numbers), (struct slice){0});
        index->fields[seen] = (struct field){numbers[1], numbers[2] != 0};
        seen++;
    }
    if (rows != NULL)
        (void)sqlite3_reset(rows);
    return (ok && seen == index->field_count) || index_damaged("a field is missing", fault);
}

static bool read_shard(sqlite3_stmt *row, uint64_t number, struct index_shard *ret_shard)
{
    struct index_shard shard = {.base = number_at(row, 1), .size = number_at(row, 2)};
    struct slice origin = bytes_at(row, 4), root = bytes_at(row, 5);
    uint8_t bytes[INDEX_ORIGIN_BYTES_MAX + INDEX_ROOT_BYTES];
    const uint64_t numbers[] = {number, shard.base, shard.size};

    if (number_at(row, 0) != number || origin.len > INDEX_ORIGIN_BYTES_MAX ||
        root.len != sizeof(shard.root))
        return false;
    if (origin.len > 0)
        memcpy(shard.origin, origin.at, origin.len);
    memcpy(shard.root, root.at, sizeof(shard.root));
    memcpy(bytes, root.at, root.len);
    if (origin.len > 0)
        memcpy(bytes + root.len, origin.at, origin.len);
    *ret_shard = shard;
    return sqlite3_column_int64(row, 3) ==
           index_checksum(numbers, COUNT(numbers),
                          slice_of_bytes(bytes, root.len + origin.len));
}

static bool read_shards(struct index *index, uint64_t count, struct fault *fault)
{
    sqlite3_stmt *rows = index_statement(index, SQL_SHARDS, fault);
    uint64_t base = 0;
    bool ok = rows != NULL;

    while (ok && index->shard_count < count && sqlite3_step(rows) == SQLITE_ROW) {
        struct index_shard shard;

        ok = read_shard(rows, index->shard_count, &shard) && shard.base == base &&
             shard.size <= ORDINALS_MAX - base;
        if (ok) {
            index->shards = xgrow(index->shards, &index->shard_room, index->shard_count + 1,
                                  sizeof(shard));
            index->shards[index->shard_count++] = shard;
            base += shard.size;
        }
    }
    if (rows != NULL)
        (void)sqlite3_reset(rows);
    return (ok && index->shard_count == count && base == index->size) ||
           index_damaged("a shard is missing", fault);
}

/* "run agent path", so that an index of other fields is seen. */
static char *names_of(const struct index *index)
{
    AUTO_BUF struct buf names = buf_with_limit(INDEX_FIELDS_MAX * 64);
    struct fault ignored = {0};

    for (unsigned i = 0; i + 1 < index->field_count; i++)
        if (!buf_add_format(&names, &ignored, "%s%s", i == 0 ? "" : " ", index->names[i]))
            abort(); /* names of ours */
    return xstrdup(buf_text(&names));
}

static bool put_about(struct index *index, struct fault *fault)
{
    AUTO_FREE char *names = names_of(index);
    const uint64_t numbers[] = {index->size, index->shard_count};
    sqlite3_stmt *put = index_statement(index, SQL_PUT_ABOUT, fault);

    if (put == NULL)
        return false;
    (void)sqlite3_bind_int64(put, 1, (int64_t)numbers[0]);
    (void)sqlite3_bind_int64(put, 2, (int64_t)numbers[1]);
    (void)sqlite3_bind_int64(put, 3, index_checksum(numbers, COUNT(numbers), slice_of(names)));
    (void)sqlite3_bind_text(put, 4, names, -1, SQLITE_TRANSIENT);
    return index_run(index, put, fault);
}

static bool put_field(struct index *index, unsigned field, struct fault *fault)
{
    const uint64_t numbers[] = {field, index->fields[field].value_count,
                                index->fields[field].is_full};
    sqlite3_stmt *put = index_statement(index, SQL_PUT_FIELD, fault);

    if (put == NULL)
        return false;
    for (int i = 0; i < (int)COUNT(numbers); i++)
        (void)sqlite3_bind_int64(put, i + 1, (int64_t)numbers[i]);
    (void)sqlite3_bind_int64(put, 4,
                             index_checksum(numbers, COUNT(numbers), (struct slice){0}));
    return index_run(index, put, fault);
}

bool index_put_state(struct index *index, struct fault *fault)
{
    for (unsigned field = 0; field < index->field_count; field++)
        if (!put_field(index, field, fault))
            return false;
    return put_about(index, fault);
}

static bool read_about(struct index *index, uint64_t *ret_shards, struct fault *fault)
{
    AUTO_FREE char *names = names_of(index);
    sqlite3_stmt *row = index_statement(index, SQL_ABOUT, fault);
    uint64_t numbers[2] = {0};
    bool ok;

    if (row == NULL)
        return false;
    if (sqlite3_step(row) != SQLITE_ROW) {
        ok = sqlite3_errcode(index->database) == SQLITE_DONE
                 ? index_damaged("it does not say what it is", fault)
                 : index_failed(index, "read", fault);
    } else {
        struct slice written = bytes_at(row, 3);

        numbers[0] = number_at(row, 0);
        numbers[1] = number_at(row, 1);
        if (sqlite3_column_int64(row, 2) != index_checksum(numbers, COUNT(numbers), written))
            ok = index_damaged("it does not say what it is", fault);
        else
            ok = slice_equal(written, slice_of(names)) ||
                 fault_set(fault, FAULT_INVALID, "the index is of other fields");
    }
    (void)sqlite3_reset(row);
    index->size = numbers[0];
    *ret_shards = numbers[1];
    return ok;
}

static bool check_version(struct index *index, struct fault *fault)
{
    sqlite3_stmt *row = NULL;
    int version = -1;

    if (sqlite3_prepare_v2(index->database, "PRAGMA user_version", -1, &row, NULL) ==
            SQLITE_OK &&
        sqlite3_step(row) == SQLITE_ROW)
        version = sqlite3_column_int(row, 0);
    (void)sqlite3_finalize(row);
    if (version < 0)
        return index_failed(index, "read", fault);
    return version == VERSION ||
           fault_set(fault, FAULT_INVALID, "the index is of version %d, not %d", version,
                     VERSION);
}

static bool execute(struct index *index, const char *sql, struct fault *fault)
{
    return sqlite3_exec(index->database, sql, NULL, NULL, NULL) == SQLITE_OK ||
           index_failed(index, "prepare", fault);
}

/* root who looks into another's state folder leaves it theirs. */
static bool give_to_owner(int file, const char *path, struct fault *fault)
{
    AUTO_FREE char *folder = xstrdup(path);
    char *slash = strrchr(folder, '/');
    struct stat owner;

    if (geteuid() != 0 || slash == NULL)
        return true;
    *slash = 0;
    if (stat(folder[0] == 0 ? "/" : folder, &owner) != 0)
        return fault_errno(fault, "look at %s", folder);
    return fchown(file, owner.st_uid, owner.st_gid) == 0 ||
           fault_errno(fault, "give %s to its owner", path);
}

static bool take_lock(const char *path, int *ret_lock, struct fault *fault)
{
    AUTO_FREE char *name = xformat("%s.lock", path);
    AUTO_CLOSE int lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (lock < 0)
        return fault_errno(fault, "open %s", name);
    if (flock(lock, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK
                   ? fault_set(fault, FAULT_CONFLICT, "another process is writing the index")
                   : fault_errno(fault, "lock %s", name);
    *ret_lock = take_fd(&lock);
    return true;
}

/* The journal goes first: it would be played into what comes next. */
static bool make_file(const char *path, struct fault *fault)
{
    AUTO_FREE char *journal = xformat("%s-journal", path);
    AUTO_CLOSE int file = -1;

    if ((unlink(journal) != 0 && errno != ENOENT) || (unlink(path) != 0 && errno != ENOENT))
        return fault_errno(fault, "remove %s", path);
    file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0)
        return fault_errno(fault, "create %s", path);
    return give_to_owner(file, path, fault);
}

static bool make_tables(struct index *index, struct fault *fault)
{
    sqlite3_stmt *begin;

    if (!execute(index, schema_text, fault))
        return false;
    begin = index_statement(index, SQL_BEGIN, fault);
    return begin != NULL && index_run(index, begin, fault) && index_put_state(index, fault) &&
           index_run(index, index_statement(index, SQL_COMMIT, fault), fault);
}

struct loading {
    struct index *index;
    unsigned field;
};

static bool load(void *self, const struct value_row *row, struct fault *fault)
{
    struct loading *loading = self;
    struct entry *entry = dictionary_add(loading->index->dictionary, loading->field,
                                         row->number, slice_of(row->text));

    (void)fault;
    entry->state = row->state;
    return true;
}

/* What a writer has in memory: all texts, and the span that is not full. */
static bool load_state(struct index *index, struct fault *fault)
{
    uint64_t partial = index->size & ((UINT64_C(1) << SPAN_BITS) - 1);
    struct loading loading = {.index = index};

    index->dictionary = dictionary_new();
    index->committed = index->size;
    for (; loading.field < index->field_count; loading.field++)
        if (!index->fields[loading.field].is_full &&
            !index_each_value(index, loading.field, load, &loading, fault))
            return false;
    if (partial == 0)
        return true;
    index->spans = xgrow(NULL, &index->span_room, 1, sizeof(struct span));
    index->span_count = 1;
    return index_read_spans(index, index->size >> SPAN_BITS, 1, index->spans, fault);
}

static bool open_database(struct index *index, const char *path, bool writes,
                          struct fault *fault)
{
    const int flags = SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX |
                      (writes ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY);

    if (access(path, F_OK) != 0)
        return fault_errno(fault, "open %s", path);
    if (sqlite3_open_v2(path, &index->database, flags, NULL) != SQLITE_OK)
        return fault_set(fault, FAULT_DENIED, "open %s: %s", path,
                         index->database == NULL ? "out of memory"
                                                 : sqlite3_errmsg(index->database));
    (void)sqlite3_busy_timeout(index->database, BUSY_MS);
    return execute(index, "PRAGMA trusted_schema = OFF; PRAGMA cache_size = -65536;", fault);
}

static bool check(struct index *index, struct fault *fault)
{
    uint64_t shards;

    return check_version(index, fault) && read_about(index, &shards, fault) &&
           read_fields(index, fault) && read_shards(index, shards, fault);
}

static struct index *index_new(const struct index_schema *schema)
{
    struct index *index = xalloc(sizeof(*index));

    index->lock = -1;
    index->names = schema->fields;
    index->field_count = schema->field_count + 1;
    index->values_max = schema->values_max == 0 ? VALUES_MAX : schema->values_max;
    return index;
}

bool index_open(const char *path, const struct index_schema *schema, enum index_access access,
                struct index **ret_index, struct fault *fault)
{
    struct index *index = index_new(schema);
    bool ok = access == INDEX_READ || take_lock(path, &index->lock, fault);

    ok = ok && (access != INDEX_REPLACE || make_file(path, fault)) &&
         open_database(index, path, access != INDEX_READ, fault) &&
         (access != INDEX_REPLACE || make_tables(index, fault)) && check(index, fault) &&
         (access == INDEX_READ || load_state(index, fault));
    if (!ok) {
        index_close(index);
        return false;
    }
    *ret_index = index;
    return true;
}

void index_close(struct index *index)
{
    if (index == NULL)
        return;
    for (size_t i = 0; i < SQL_COUNT; i++)
        (void)sqlite3_finalize(index->statements[i]);
    (void)sqlite3_close(index->database);
    dictionary_free(index->dictionary);
    free(index->spans);
    free(index->shards);
    scope_close(&index->lock);
    free(index);
}

uint64_t index_size(const struct index *index)
{
    return index->size;
}

const struct index_shard *index_shards(const struct index *index, size_t *ret_count)
{
    *ret_count = index->shard_count;
    return index->shards;
}
