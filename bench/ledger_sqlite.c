/* bench/ledger_sqlite.c - SQLite, its write-ahead log, synchronous=FULL; one transaction a
 * round. */
#include <sqlite3.h>

#include "base/scope.h"
#include "bench/ledger_subject.h"

struct sqlite {
    sqlite3 *db;
    sqlite3_stmt *begin, *insert, *commit;
    uint8_t *record;
    size_t record_bytes, outstanding;
    uint64_t count;
};

static bool sqlite_fault(struct sqlite *sqlite, struct fault *fault)
{
    return fault_set(fault, FAULT_IO, "SQLite: %s", sqlite3_errmsg(sqlite->db));
}

static bool sqlite_subject_open(const struct subject_place *place, void **ret_self,
                                struct fault *fault)
{
    struct sqlite *sqlite = xalloc(sizeof(*sqlite));
    AUTO_FREE char *path = xformat("%s/log.db", place->folder);

    sqlite->record_bytes = place->record_bytes;
    sqlite->outstanding = place->outstanding;
    sqlite->record = xalloc(place->record_bytes);
    if (sqlite3_open(path, &sqlite->db) != SQLITE_OK ||
        sqlite3_exec(sqlite->db,
                     "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                     "CREATE TABLE log(id INTEGER PRIMARY KEY, leaf BLOB NOT NULL)",
                     NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(sqlite->db, "BEGIN", -1, &sqlite->begin, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(sqlite->db, "INSERT INTO log(leaf) VALUES(?)", -1, &sqlite->insert,
                           NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(sqlite->db, "COMMIT", -1, &sqlite->commit, NULL) != SQLITE_OK)
        return sqlite_fault(sqlite, fault);
    *ret_self = sqlite;
    return true;
}

static bool step(sqlite3_stmt *statement)
{
    bool done = sqlite3_step(statement) == SQLITE_DONE;

    return sqlite3_reset(statement) == SQLITE_OK && done;
}

static bool sqlite_round(void *self, struct fault *fault)
{
    struct sqlite *sqlite = self;

    if (!step(sqlite->begin))
        return sqlite_fault(sqlite, fault);
    for (size_t i = 0; i < sqlite->outstanding; i++) {
        subject_fill(sqlite->record, 16, sqlite->count++);
        if (sqlite3_bind_blob(sqlite->insert, 1, sqlite->record, (int)sqlite->record_bytes,
                              SQLITE_STATIC) != SQLITE_OK ||
            !step(sqlite->insert))
            return sqlite_fault(sqlite, fault);
    }
    return step(sqlite->commit) ? true : sqlite_fault(sqlite, fault);
}

static bool sqlite_subject_close(void *self, struct fault *fault)
{
    struct sqlite *sqlite = self;

    (void)fault;
    (void)sqlite3_finalize(sqlite->begin);
    (void)sqlite3_finalize(sqlite->insert);
    (void)sqlite3_finalize(sqlite->commit);
    (void)sqlite3_close(sqlite->db);
    free(sqlite->record);
    free(sqlite);
    return true;
}

const struct subject subject_sqlite = {"sqlite", sqlite_subject_open, sqlite_round,
                                       sqlite_subject_close, NULL};
