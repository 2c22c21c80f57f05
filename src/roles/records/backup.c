#include "roles/records/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hex.h"
#include "base/scope.h"
#include "gateway/money/book.h"
#include "ledger/checkpoint.h"
#include "ledger/shards.h"
#include "os/file.h"
#include "roles/records/backup_copy.h"
#include "roles/ledger_role/parts.h"
#include "roles/ledger_role/writer.h"

#define VKEY_BYTES_MAX 4096
#define BUDGETS_BYTES_MAX (16UL << 20)

/* What else of the state folder is copied, and how secret it is. */
static const struct part {
    const char *path;
    bool is_folder, is_key;
    mode_t mode;
} parts[] = {
    {"policy.yaml", false, false, 0644}, {"keys/ledger.vkey", false, false, 0644},
    {"keys/retired", true, false, 0644}, {"keys/erasing", true, false, 0600},
    {"payloads", true, false, 0600},     {"keys/ledger.key", false, true, 0600},
    {"keys/scopes", true, true, 0600},
};

static bool copy_parts(struct backup_copy *copy, bool with_key, struct fault *fault)
{
    for (size_t i = 0; i < COUNT(parts); i++) {
        const struct part *part = &parts[i];

        if (part->is_key && !with_key)
            continue;
        if (part->is_folder ? !backup_copy_folder(copy, part->path, part->mode, NULL, fault)
                            : !backup_copy_file(copy, part->path, part->mode, fault))
            return false;
    }
    return true;
}

static bool copy_shards(struct backup_copy *copy, struct fault *fault)
{
    struct shard_list list;
    bool ok = true;

    if (!shards_open(copy->from, &list, fault))
        return false;
    for (size_t i = 0; ok && i < list.count; i++) {
        char name[SHARD_NAME_BYTES];

        shard_name(list.at[i].number, name);
        ok = backup_copy_shard(copy, list.at[i].is_current ? "ledger" : name, fault);
    }
    shards_close(&list);
    return ok;
}

static bool copy_store(struct session *session, struct backup_copy *copy, const char *to,
                       struct fault *fault)
{
    AUTO_FREE char *path = xformat("%s/store.db", to);
    struct store *store;

    return !file_exists(copy->from, "store.db") ||
           (session_store(session, &store, fault) && store_copy(store, path, fault) &&
            backup_copy_made(copy, "store.db", fault));
}

/* What was spent today counts where the copy is restored, too. */
static bool copy_budgets(struct backup_copy *copy, struct fault *fault)
{
    AUTO_BUF struct buf bytes = buf_with_limit(BUDGETS_BYTES_MAX);

    return book_bytes(copy->from, &bytes, fault) &&
           (bytes.len == 0 || backup_copy_bytes(copy, BOOK_FILE, buf_slice(&bytes), 0600, fault));
}

/* The log as its writer left it: it goes on where it is opened next. */
static bool copy_writer_state(struct backup_copy *copy, struct fault *fault)
{
    static const char *const left_out[] = {"ledger/" LEDGER_MOVED_NAME,
                                           "ledger/state/relay.lock", NULL};

    return backup_copy_folder(copy, "ledger/state", 0600, left_out, fault) &&
           backup_copy_folder(copy, "ledger/wal", 0600, NULL, fault);
}

static bool open_empty(const char *path, int *ret_folder, struct fault *fault)
{
    AUTO_CLOSE int folder = -1;

    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return fault_errno(fault, "make folder %s", path);
    folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return fault_errno(fault, "open %s", path);
    if (!file_is_empty_folder(folder))
        return fault_set(fault, FAULT_CONFLICT,
                         "%s is not empty: a backup gets a folder of its own", path);
    *ret_folder = take_fd(&folder);
    return true;
}

static bool copy_all(struct session *session, const struct backup_request *request,
                     bool is_move, struct backup_result *result, struct fault *fault)
{
    AUTO_CLOSE int to = -1;
    struct backup_copy copy;
    bool ok;

    if (!open_empty(request->to, &to, fault) ||
        !backup_copy_begin(&copy, session->home.fd, to, fault))
        return false;
    ok = copy_shards(&copy, fault) && (!is_move || copy_writer_state(&copy, fault)) &&
         copy_parts(&copy, request->with_key || is_move, fault) && copy_budgets(&copy, fault) &&
         copy_store(session, &copy, request->to, fault) && backup_copy_finish(&copy, fault);
    result->files = copy.files;
    result->bytes = copy.bytes;
    backup_copy_free(&copy);
    return ok;
}

/* ---- what is recorded ---- */

struct state {
    struct buf bytes;
    struct checkpoint checkpoint;
    char root[2 * TREE_HASH_BYTES + 1], origin[NOTE_NAME_BYTES_MAX + 1];
};

/* Of the copy: what is in it, not what the ledger has by now. */
static bool read_state(const char *folder, struct state *state, struct fault *fault)
{
    AUTO_FREE char *path = xformat("%s/ledger/checkpoint", folder);
    struct note note;

    state->bytes = buf_with_limit(NOTE_BYTES_MAX);
    if (!file_read(AT_FDCWD, path, &state->bytes, fault) ||
        !note_parse(buf_slice(&state->bytes), &note, fault) ||
        !checkpoint_parse(note.text, &state->checkpoint, fault))
        return false;
    hex_encode(slice_of_bytes(state->checkpoint.root.at, TREE_HASH_BYTES), state->root);
    (void)snprintf(state->origin, sizeof(state->origin), "%.*s",
                   SLICE_ARGS(state->checkpoint.origin));
    return true;
}

static void begin_record(struct record *record, enum record_type type, const char *outcome,
                         const char *person)
{
    record_begin(record, type);
    record_word(record, RECORD_OUTCOME, outcome);
    record_word(record, RECORD_PERSON, person);
}

static bool tell_end(struct ledger_client *ledger, const struct backup_request *request,
                     uint64_t intent, bool ok, struct state *state, struct fault *fault)
{
    struct record record;

    begin_record(&record, RECORD_LEDGER_BACKUP, ok ? "ok" : "failed", request->person);
    record_number(&record, RECORD_INTENT, (int64_t)intent);
    if (ok) {
        record_word(&record, RECORD_ORIGIN, state->origin);
        record_number(&record, RECORD_COUNT, (int64_t)state->checkpoint.size);
        record_word(&record, RECORD_ROOT, state->root);
    }
    return ledger_record_durably(ledger, &record, NULL, fault);
}

static void take_state(const struct state *state, struct backup_result *result)
{
    result->size = state->checkpoint.size;
    (void)snprintf(result->origin, sizeof(result->origin), "%s", state->origin);
}

bool backup_make(struct session *session, const struct backup_request *request,
                 struct backup_result *ret_result, struct fault *fault)
{
    struct state state = {.root = ""};
    struct fault unsaid = {0};
    struct ledger_client *ledger;
    struct record record;
    uint64_t intent;
    bool ok;

    begin_record(&record, RECORD_LEDGER_BACKUP, "intended", request->person);
    if (!session_ledger(session, &ledger, fault) ||
        !ledger_record_durably(ledger, &record, &intent, fault) ||
        !ledger_checkpoint(ledger, fault))
        return false;
    ok = copy_all(session, request, false, ret_result, fault) &&
         read_state(request->to, &state, fault);
    if (!tell_end(ledger, request, intent, ok, &state, &unsaid) && ok) {
        *fault = unsaid;
        ok = false;
    }
    take_state(&state, ret_result);
    buf_free(&state.bytes);
    return ok;
}

/* ---- a move ---- */

static bool write_moved(int folder, const struct note_signer *signer,
                        const struct clock *clock, const char *person, struct fault *fault)
{
    struct ledger_writer *writer;
    struct record record;
    bool ok;

    if (!ledger_writer_load(folder, signer, clock, &writer, fault))
        return false;
    begin_record(&record, RECORD_LEDGER_MOVED, "ok", person);
    record_word(&record, RECORD_ORIGIN, note_signer_name(signer));
    record_number(&record, RECORD_COUNT, (int64_t)ledger_writer_size(writer));
    ok = ledger_writer_own(writer, &record, fault) && ledger_writer_close(writer, fault);
    ledger_writer_free(writer);
    return ok;
}

/* Its mark is durable before there is a copy: two never go on. */
static bool end_here(int home_fd, int folder, const struct clock *clock, const char *person,
                     struct fault *fault)
{
    AUTO_FREE char *mark = xformat("moved by %s\n", person);
    struct note_signer *signer;
    bool ok;

    if (file_exists(folder, LEDGER_MOVED_NAME))
        return true; /* the copy was cut off */
    if (!ledger_signer(home_fd, "keys/ledger.key", &signer, fault))
        return false;
    ok = write_moved(folder, signer, clock, person, fault) &&
         file_replace_durably(folder, LEDGER_MOVED_NAME, slice_of(mark), 0600, fault);
    note_signer_free(signer);
    return ok;
}

bool backup_move(struct session *session, int folder, const struct clock *clock,
                 const struct backup_request *request, struct backup_result *ret_result,
                 struct fault *fault)
{
    struct state state = {.root = ""};
    bool ok = end_here(session->home.fd, folder, clock, request->person, fault) &&
              copy_all(session, request, true, ret_result, fault) &&
              read_state(request->to, &state, fault);

    take_state(&state, ret_result);
    buf_free(&state.bytes);
    return ok;
}
