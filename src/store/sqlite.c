/* The store in SQLite: WAL, synchronous NORMAL. A row lost to a power cut is in the ledger. */
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stddef.h>
#include <stdio.h>

#include "base/scope.h"
#include "store/store.h"

#define BUSY_MS 5000
#define RETRY_MS 5
#define VERSION 1

struct store {
    sqlite3 *database;
};

static const char schema[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE IF NOT EXISTS runs(id TEXT PRIMARY KEY, repository TEXT NOT NULL, base TEXT "
    "NOT NULL,"
    " branch TEXT NOT NULL, state TEXT NOT NULL, started INTEGER NOT NULL, ended INTEGER NOT "
    "NULL,"
    " requester TEXT NOT NULL, agent TEXT NOT NULL, policy TEXT NOT NULL, reasons TEXT NOT "
    "NULL,"
    " tokens INTEGER NOT NULL, cost INTEGER NOT NULL, pid INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS changes(id TEXT PRIMARY KEY, run TEXT NOT NULL, repository "
    "TEXT NOT NULL,"
    " branch TEXT NOT NULL, target TEXT NOT NULL, state TEXT NOT NULL, base TEXT NOT NULL,"
    " head TEXT NOT NULL, tree TEXT NOT NULL, files INTEGER NOT NULL, lines INTEGER NOT NULL,"
    " reasons TEXT NOT NULL, requester TEXT NOT NULL, policy TEXT NOT NULL, zones TEXT NOT "
    "NULL,"
    " diff TEXT NOT NULL, landed TEXT NOT NULL, needed INTEGER NOT NULL, made INTEGER NOT "
    "NULL)"
    " WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS approvals(change TEXT NOT NULL, person TEXT NOT NULL, tree "
    "TEXT NOT NULL,"
    " base TEXT NOT NULL, digest TEXT NOT NULL, statement TEXT NOT NULL, signature TEXT NOT "
    "NULL,"
    " time INTEGER NOT NULL, void INTEGER NOT NULL);"
    "CREATE UNIQUE INDEX IF NOT EXISTS one_each ON approvals(change, person) WHERE void = 0;"
    "PRAGMA user_version = 1;"
    "COMMIT;";

/* What a row holds, by column: both directions of every table. */
enum column_kind { COLUMN_TEXT, COLUMN_NUMBER, COLUMN_FLAG };

struct column {
    enum column_kind kind;
    size_t at;
};

#define TEXT_OF(type, member)                                                                 \
    {                                                                                         \
        COLUMN_TEXT, offsetof(struct type, member)                                            \
    }
#define NUMBER_OF(type, member)                                                               \
    {                                                                                         \
        COLUMN_NUMBER, offsetof(struct type, member)                                          \
    }

static const struct column run_columns[] = {
    TEXT_OF(store_run, id),
    TEXT_OF(store_run, repository),
    TEXT_OF(store_run, base),
    TEXT_OF(store_run, branch),
    TEXT_OF(store_run, state),
    NUMBER_OF(store_run, started_us),
    NUMBER_OF(store_run, ended_us),
    TEXT_OF(store_run, requester),
    TEXT_OF(store_run, agent),
    TEXT_OF(store_run, policy),
    TEXT_OF(store_run, reasons),
    NUMBER_OF(store_run, tokens),
    NUMBER_OF(store_run, cost_micro_usd),
    NUMBER_OF(store_run, pid),
};
static const struct column change_columns[] = {
    TEXT_OF(store_change, id),         TEXT_OF(store_change, run),
    TEXT_OF(store_change, repository), TEXT_OF(store_change, branch),
    TEXT_OF(store_change, into),       TEXT_OF(store_change, state),
    TEXT_OF(store_change, base),       TEXT_OF(store_change, head),
    TEXT_OF(store_change, tree),       NUMBER_OF(store_change, files),
    NUMBER_OF(store_change, lines),    TEXT_OF(store_change, reasons),
    TEXT_OF(store_change, requester),  TEXT_OF(store_change, policy),
    TEXT_OF(store_change, zones),      TEXT_OF(store_change, diff),
    TEXT_OF(store_change, landed),     NUMBER_OF(store_change, needed),
    NUMBER_OF(store_change, made_us),
};
static const struct column approval_columns[] = {
    TEXT_OF(store_approval, change),
    TEXT_OF(store_approval, person),
    TEXT_OF(store_approval, tree),
    TEXT_OF(store_approval, base),
    TEXT_OF(store_approval, digest),
    TEXT_OF(store_approval, statement),
    TEXT_OF(store_approval, signature),
    NUMBER_OF(store_approval, time_us),
    {COLUMN_FLAG, offsetof(struct store_approval, is_void)},
};

static bool failed(struct store *store, const char *what, struct fault *fault)
{
    int code = sqlite3_errcode(store->database);

    return fault_set(fault, code == SQLITE_CONSTRAINT ? FAULT_CONFLICT : FAULT_IO,
                     "store: %s: %s", what, sqlite3_errmsg(store->database));
}

static bool run_sql(struct store *store, const char *sql, struct fault *fault)
{
    return sqlite3_exec(store->database, sql, NULL, NULL, NULL) == SQLITE_OK ||
           failed(store, "prepare", fault);
}

static bool read_version(struct store *store, int *ret_version, struct fault *fault)
{
    sqlite3_stmt *statement = NULL;
    bool ok = sqlite3_prepare_v2(store->database, "PRAGMA user_version", -1, &statement,
                                 NULL) == SQLITE_OK &&
              sqlite3_step(statement) == SQLITE_ROW;

    if (ok)
        *ret_version = sqlite3_column_int(statement, 0);
    (void)sqlite3_finalize(statement);
    return ok || failed(store, "read version", fault);
}

/* Two that open a new store at once: SQLite answers the slower one "locked" and never asks its
 * busy handler. */
static bool use_wal(struct store *store, struct fault *fault)
{
    const char *sql = "PRAGMA journal_mode = WAL";
    int code = sqlite3_exec(store->database, sql, NULL, NULL, NULL);

    for (int waited_ms = 0; code == SQLITE_BUSY && waited_ms < BUSY_MS;
         waited_ms += RETRY_MS) {
        (void)sqlite3_sleep(RETRY_MS);
        code = sqlite3_exec(store->database, sql, NULL, NULL, NULL);
    }
    return code == SQLITE_OK || failed(store, "prepare", fault);
}

/*
 * SQLite would make the file with the caller's umask. No descriptor of ours may be open beside
 * SQLite's: closing it drops the process's record locks on the file, SQLite's among them.
 */
static bool make_file(const char *path, struct fault *fault)
{
    AUTO_CLOSE int made = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

    return made >= 0 || errno == EEXIST ? true : fault_errno(fault, "open %s", path);
}

bool store_open(const char *path, struct store **ret_store, struct fault *fault)
{
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOFOLLOW |
                      SQLITE_OPEN_NOMUTEX;
    struct store *store = xalloc(sizeof(*store));
    int version = 0;
    bool ok = make_file(path, fault);

    if (ok && sqlite3_open_v2(path, &store->database, flags, NULL) != SQLITE_OK)
        ok = fault_set(fault, FAULT_IO, "open %s: %s", path,
                       store->database == NULL ? "out of memory"
                                               : sqlite3_errmsg(store->database));
    if (ok)
        (void)sqlite3_busy_timeout(store->database, BUSY_MS);
    ok = ok && read_version(store, &version, fault);
    if (ok && version > VERSION)
        ok = fault_set(fault, FAULT_INVALID, "%s was written by a newer custody", path);
    if (ok && version == 0)
        ok = use_wal(store, fault) && run_sql(store, schema, fault);
    ok = ok && run_sql(store, "PRAGMA synchronous = NORMAL", fault);
    if (!ok) {
        store_close(store);
        return false;
    }
    *ret_store = store;
    return true;
}

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    (void)sqlite3_close(store->database);
    free(store);
}

/* One step: readers and writers wait for it, and it is one state. No write-ahead log beside
 * it. */
static bool copy_into(struct store *store, sqlite3 *to, struct fault *fault)
{
    sqlite3_backup *copying = sqlite3_backup_init(to, "main", store->database, "main");
    int code = copying == NULL ? sqlite3_errcode(to) : sqlite3_backup_step(copying, -1);

    (void)sqlite3_backup_finish(copying);
    if (code == SQLITE_DONE)
        code = sqlite3_exec(to, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL);
    return code == SQLITE_OK ||
           fault_set(fault, FAULT_IO, "copy the store: %s", sqlite3_errstr(code));
}

bool store_copy(struct store *store, const char *path, struct fault *fault)
{
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX;
    sqlite3 *to = NULL;
    bool ok = make_file(path, fault);

    if (ok && sqlite3_open_v2(path, &to, flags, NULL) != SQLITE_OK)
        ok = fault_set(fault, FAULT_IO, "open %s", path);
    ok = ok && copy_into(store, to, fault);
    (void)sqlite3_close(to);
    return ok;
}

static const void *field(const void *row, const struct column *column)
{
    return (const void *)((uintptr_t)row + column->at);
}

static bool bind(sqlite3_stmt *statement, int index, const struct column *column,
                 const void *row)
{
    if (column->kind == COLUMN_NUMBER)
        return sqlite3_bind_int64(statement, index, *(const int64_t *)field(row, column)) ==
               SQLITE_OK;
    if (column->kind == COLUMN_FLAG)
        return sqlite3_bind_int(statement, index, *(const bool *)field(row, column)) ==
               SQLITE_OK;
    {
        const char *text = *(const char *const *)field(row, column);

        return sqlite3_bind_text(statement, index, text == NULL ? "" : text, -1,
                                 SQLITE_STATIC) == SQLITE_OK;
    }
}

static bool insert(struct store *store, const char *sql, const struct column *columns,
                   size_t count, const void *row, struct fault *fault)
{
    sqlite3_stmt *statement = NULL;
    bool ok = sqlite3_prepare_v2(store->database, sql, -1, &statement, NULL) == SQLITE_OK;

    for (size_t i = 0; ok && i < count; i++)
        ok = bind(statement, (int)i + 1, &columns[i], row);
    ok = ok && sqlite3_step(statement) == SQLITE_DONE;
    if (!ok)
        (void)failed(store, "write", fault);
    (void)sqlite3_finalize(statement);
    return ok;
}

bool store_put_run(struct store *store, const struct store_run *run, struct fault *fault)
{
    return insert(store, "INSERT OR REPLACE INTO runs VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                  run_columns, COUNT(run_columns), run, fault);
}

bool store_put_change(struct store *store, const struct store_change *change,
                      struct fault *fault)
{
    return insert(
        store, "INSERT OR REPLACE INTO changes VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        change_columns, COUNT(change_columns), change, fault);
}

bool store_add_approval(struct store *store, const struct store_approval *approval,
                        struct fault *fault)
{
    if (insert(store, "INSERT INTO approvals VALUES(?,?,?,?,?,?,?,?,?)", approval_columns,
               COUNT(approval_columns), approval, fault))
        return true;
    return fault->kind != FAULT_CONFLICT
               ? false
               : fault_set(fault, FAULT_CONFLICT, "%s has approved this change already",
                           approval->person);
}

static bool update(struct store *store, const char *sql, const char *const *texts,
                   size_t count, int *ret_changed, struct fault *fault)
{
    sqlite3_stmt *statement = NULL;
    bool ok = sqlite3_prepare_v2(store->database, sql, -1, &statement, NULL) == SQLITE_OK;

    for (size_t i = 0; ok && i < count; i++)
        ok =
            sqlite3_bind_text(statement, (int)i + 1, texts[i], -1, SQLITE_STATIC) == SQLITE_OK;
    ok = ok && sqlite3_step(statement) == SQLITE_DONE;
    if (ok)
        *ret_changed = sqlite3_changes(store->database);
    else
        (void)failed(store, "write", fault);
    (void)sqlite3_finalize(statement);
    return ok;
}

bool store_step_change(struct store *store, const char *id, const char *from, const char *to,
                       const char *landed, struct fault *fault)
{
    const char *const texts[] = {to, landed == NULL ? "" : landed, id, from};
    int changed = 0;

    if (!update(store, "UPDATE changes SET state = ?, landed = ? WHERE id = ? AND state = ?",
                texts, COUNT(texts), &changed, fault))
        return false;
    return changed == 1 ||
           fault_set(fault, FAULT_CONFLICT, "change %s is not %s any more", id, from);
}

bool store_void_approvals(struct store *store, const char *change, size_t *ret_count,
                          struct fault *fault)
{
    const char *const texts[] = {change};
    int changed = 0;

    if (!update(store, "UPDATE approvals SET void = 1 WHERE change = ? AND void = 0", texts,
                COUNT(texts), &changed, fault))
        return false;
    *ret_count = (size_t)changed;
    return true;
}

static bool read_row(sqlite3_stmt *statement, const struct column *columns, size_t count,
                     void *row)
{
    for (size_t i = 0; i < count; i++) {
        void *at = (void *)((uintptr_t)row + columns[i].at);

        if (columns[i].kind == COLUMN_NUMBER)
            *(int64_t *)at = sqlite3_column_int64(statement, (int)i);
        else if (columns[i].kind == COLUMN_FLAG)
            *(bool *)at = sqlite3_column_int(statement, (int)i) != 0;
        else
            *(const char **)at = (const char *)sqlite3_column_text(statement, (int)i);
        if (columns[i].kind == COLUMN_TEXT && *(const char **)at == NULL)
            return false;
    }
    return true;
}

struct walk {
    const struct column *columns;
    size_t count;
    void *row;
    bool (*each)(struct walk *walk, struct fault *fault);
    void *self;
    union {
        store_run_each *run;
        store_change_each *change;
        store_approval_each *approval;
    } call;
};

/* `key` NULL: every row. */
static bool select_rows(struct store *store, const char *sql, const char *key,
                        struct walk *walk, size_t *ret_count, struct fault *fault)
{
    sqlite3_stmt *statement = NULL;
    size_t count = 0;
    int step = SQLITE_ROW;
    bool ok = sqlite3_prepare_v2(store->database, sql, -1, &statement, NULL) == SQLITE_OK &&
              sqlite3_bind_text(statement, 1, key == NULL ? "" : key, -1, SQLITE_STATIC) ==
                  SQLITE_OK;

    if (!ok)
        (void)failed(store, "read", fault);
    while (ok && (step = sqlite3_step(statement)) == SQLITE_ROW) {
        ok = read_row(statement, walk->columns, walk->count, walk->row)
                 ? walk->each(walk, fault)
                 : fault_set(fault, FAULT_IO, "store: a row is damaged");
        count++;
    }
    if (ok && step != SQLITE_DONE)
        ok = failed(store, "read", fault);
    (void)sqlite3_finalize(statement);
    if (ok && ret_count != NULL)
        *ret_count = count;
    return ok;
}

static bool call_run(struct walk *walk, struct fault *fault)
{
    return walk->call.run(walk->self, walk->row, fault);
}

static bool call_change(struct walk *walk, struct fault *fault)
{
    return walk->call.change(walk->self, walk->row, fault);
}

static bool call_approval(struct walk *walk, struct fault *fault)
{
    return walk->call.approval(walk->self, walk->row, fault);
}

bool store_runs(struct store *store, const char *id, store_run_each *each, void *self,
                size_t *ret_count, struct fault *fault)
{
    struct store_run row;
    struct walk walk = {run_columns, COUNT(run_columns), &row, call_run, self, {.run = each}};

    return select_rows(
        store,
        "SELECT * FROM runs WHERE substr(id, 1, length(?1)) = ?1 ORDER BY started DESC, id DESC",
        id, &walk, ret_count, fault);
}

bool store_changes(struct store *store, const char *id, store_change_each *each, void *self,
                   size_t *ret_count, struct fault *fault)
{
    struct store_change row;
    struct walk walk = {change_columns, COUNT(change_columns), &row, call_change,
                        self,           {.change = each}};

    return select_rows(
        store,
        "SELECT * FROM changes WHERE substr(id, 1, length(?1)) = ?1 ORDER BY made DESC, id DESC",
        id, &walk, ret_count, fault);
}

bool store_approvals(struct store *store, const char *change, store_approval_each *each,
                     void *self, size_t *ret_count, struct fault *fault)
{
    struct store_approval row;
    struct walk walk = {approval_columns,  COUNT(approval_columns), &row, call_approval, self,
                        {.approval = each}};

    return select_rows(store, "SELECT * FROM approvals WHERE change = ?1 ORDER BY time",
                       change, &walk, ret_count, fault);
}
