#include "roles/records/restore.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hex.h"
#include "base/scope.h"
#include "flow/home.h"
#include "ledger/checkpoint.h"
#include "ledger/proof.h"
#include "ledger/reader.h"
#include "os/file.h"
#include "roles/records/backup_copy.h"
#include "roles/ledger_role/parts.h"
#include "roles/ledger_role/shard.h"
#include "roles/ledger_role/writer.h"
#include "roles/records/verify_home.h"

#define MANIFEST_BYTES_MAX (1UL << 30)
#define VKEY_BYTES_MAX 4096
#define REPORT_BYTES_MAX (4UL << 20)
#define READY_NAME "ready" /* in restoring/: only places are missing */

/* What a backup may have, and who may read it here. What is not here is refused. Mode 0: no
 * other file in that folder. */
static const struct part {
    const char *head; /* of a path; ends with '/' where it is a folder */
    mode_t mode;
    mode_t folder; /* of that folder */
} parts[] = {
    {"ledger/state/", 0600, 0700}, {"ledger/wal/", 0600, 0700},
    {"ledger/", 0644, 0755},       {"shards/", 0644, 0755},
    {"keys/ledger.key", 0600, 0},  {"keys/scopes/", 0600, 0700},
    {"keys/erasing/", 0600, 0700}, {"keys/retired/", 0644, 0755},
    {"keys/ledger.vkey", 0644, 0}, {"keys/", 0, 0711},
    {"payloads/", 0600, 0700},     {"store.db", 0600, 0},
    {"policy.yaml", 0644, 0},      {"budgets", 0600, 0},
};

/*
 * shards/NNNN/ only: shards/turn is what the next start would carry out, and who wrote the
 * copy could have the ledger's key hand over to theirs.
 */
static bool is_closed_shard(struct slice path)
{
    static const size_t head = sizeof("shards/") - 1;

    if (path.len < head + 5)
        return false;
    for (size_t i = head; i < head + 4; i++)
        if (path.at[i] < '0' || path.at[i] > '9')
            return false;
    return path.at[head + 4] == '/';
}

static const struct part *part_of(const char *path)
{
    if (slice_starts_with(slice_of(path), SLICE("shards/")) &&
        !is_closed_shard(slice_of(path)))
        return NULL;
    for (size_t i = 0; i < COUNT(parts); i++) {
        struct slice head = slice_of(parts[i].head);

        if (parts[i].folder == 0 ? slice_equal(slice_of(path), head)
                                 : slice_starts_with(slice_of(path), head))
            return parts[i].mode == 0 ? NULL : &parts[i];
    }
    return NULL;
}

/* ---- the files ---- */

static bool copy_lines(struct backup_copy *copy, struct slice lines, struct fault *fault)
{
    struct slice text;

    if (!slice_ends_with(lines, SLICE("\n")))
        return fault_set(fault, FAULT_INVALID, MANIFEST_NAME " is cut off");
    lines.len--;
    for (size_t number = 1; slice_cut(&lines, '\n', &text); number++) {
        struct manifest_line line;
        const struct part *part;

        if (!manifest_line_parse(text, &line, fault))
            return fault_in(fault, MANIFEST_NAME ", line %zu", number);
        part = part_of(line.path);
        if (part == NULL)
            return fault_set(fault, FAULT_INVALID, "%s is no part of a backup", line.path);
        if (!backup_copy_back(copy, &line, part->mode, fault))
            return false;
    }
    return true;
}

/* Folders below are 0700 from their making; these are read by others, too. */
static bool open_up(int staging, const char *path, mode_t mode, struct fault *fault)
{
    return fchmodat(staging, path, mode, 0) == 0 || errno == ENOENT ||
           fault_errno(fault, "chmod %s", path);
}

static bool open_tree(int staging, const char *path, struct fault *fault)
{
    int fd = openat(staging, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    bool ok = true;

    if (dir == NULL)
        return errno == ENOENT || errno == ENOTDIR || fault_errno(fault, "open %s", path);
    for (struct dirent *entry; ok && (entry = readdir(dir)) != NULL;) {
        AUTO_FREE char *below = xformat("%s/%s", path, entry->d_name);

        if (entry->d_name[0] != '.' && entry->d_type == DT_DIR)
            ok = open_tree(staging, below, fault);
    }
    (void)closedir(dir);
    return ok && open_up(staging, path, 0755, fault);
}

static bool set_modes(int staging, struct fault *fault)
{
    bool ok = open_tree(staging, "ledger", fault) && open_tree(staging, "shards", fault);

    for (size_t i = 0; ok && i < COUNT(parts); i++)
        if (parts[i].folder != 0) {
            AUTO_FREE char *path =
                slice_dup(slice_part(slice_of(parts[i].head), 0, strlen(parts[i].head) - 1));

            ok = open_up(staging, path, parts[i].folder, fault);
        }
    return ok;
}

static bool copy_files(int from, int staging, struct restore_result *result,
                       struct fault *fault)
{
    AUTO_BUF struct buf lines = buf_with_limit(MANIFEST_BYTES_MAX);
    struct backup_copy copy = {.from = from, .to = staging, .lines_fd = -1};

    if (!file_read(from, MANIFEST_NAME, &lines, fault))
        return fault->kind == FAULT_MISSING
                   ? fault_set(fault, FAULT_INVALID,
                               "there is no " MANIFEST_NAME ": it is no backup, or one that "
                               "was cut off")
                   : false;
    if (!copy_lines(&copy, buf_slice(&lines), fault) || !set_modes(staging, fault))
        return false;
    result->files = copy.files;
    result->bytes = copy.bytes;
    return true;
}

/* ---- the ledger ---- */

static bool verify(int staging, const struct restore_request *request,
                   struct restore_result *result, struct fault *fault)
{
    static const struct verify_files plain = {0};
    struct verify_outcome outcome;

    if (!verify_home(staging, request->vkey, &plain, false, &result->report, &outcome, fault))
        return fault_in(fault, "verify the copy");
    if (outcome.result == VERIFY_HOLDS ||
        (outcome.result == VERIFY_INCOMPLETE && request->may_lack))
        return true;
    return fault_set(
        fault, FAULT_INVALID, "the copy does not verify: %s%s",
        verify_result_name(outcome.result),
        outcome.result == VERIFY_INCOMPLETE ? "; --incomplete takes it all the same" : "");
}

struct last {
    struct buf bytes, leaf, arena;
    struct checkpoint checkpoint;
    struct record record;
};

static void last_free(struct last *last)
{
    buf_free(&last->bytes);
    buf_free(&last->leaf);
    buf_free(&last->arena);
}

/* The signature was verified before. */
static bool read_last(int folder, struct last *last, struct fault *fault)
{
    struct record_header header;
    struct note note;

    *last = (struct last){.bytes = buf_with_limit(NOTE_BYTES_MAX),
                          .leaf = buf_with_limit(RECORD_BYTES_MAX),
                          .arena = buf_with_limit(RECORD_BYTES_MAX + 1)};
    return file_read(folder, "checkpoint", &last->bytes, fault) &&
           note_parse(buf_slice(&last->bytes), &note, fault) &&
           checkpoint_parse(note.text, &last->checkpoint, fault) &&
           proof_record(folder, NULL, last->checkpoint.size, last->checkpoint.size - 1,
                        &last->leaf, fault) &&
           record_decode(buf_slice(&last->leaf), &last->record, &header, &last->arena, fault);
}

/* The first thing that is said in it: what it came from. */
static bool tell_restored(int staging, const struct last *last, const char *person,
                          const struct clock *clock, struct fault *fault)
{
    AUTO_FREE char *origin = slice_dup(last->checkpoint.origin);
    char root[2 * TREE_HASH_BYTES + 1];
    AUTO_CLOSE int folder = -1;
    struct ledger_writer *writer;
    struct note_signer *signer;
    struct record record;
    bool ok;

    if (!file_open_folder(staging, "ledger", 0755, &folder, fault) ||
        !ledger_signer(staging, "keys/ledger.key", &signer, fault))
        return false;
    hex_encode(slice_of_bytes(last->checkpoint.root.at, TREE_HASH_BYTES), root);
    record_begin(&record, RECORD_LEDGER_RESTORED);
    record_word(&record, RECORD_OUTCOME, "ok");
    record_word(&record, RECORD_PERSON, person);
    record_word(&record, RECORD_ORIGIN, origin);
    record_number(&record, RECORD_COUNT, (int64_t)last->checkpoint.size);
    record_word(&record, RECORD_ROOT, root);
    ok = ledger_writer_load(folder, signer, clock, &writer, fault);
    if (ok) {
        ok = ledger_writer_own(writer, &record, fault) && ledger_writer_close(writer, fault);
        ledger_writer_free(writer);
    }
    note_signer_free(signer);
    return ok;
}

static bool ignore_leaf(void *self, uint64_t index, struct slice leaf, struct fault *fault)
{
    (void)self;
    (void)index;
    (void)leaf;
    (void)fault;
    return true;
}

/* It ended in order: what no checkpoint covers was put there by somebody, and would be signed.
 */
static bool is_all_sealed(int folder, uint64_t size, struct fault *fault)
{
    struct reader_options options = {.from = size, .with_unsealed = true};
    uint64_t next;

    if (!reader_each(folder, &options, ignore_leaf, NULL, &next, fault))
        return fault_in(fault, "the copy's write-ahead log");
    return next == size || fault_set(fault, FAULT_INVALID,
                                     "the copy has %llu records in ledger/wal behind its last "
                                     "checkpoint: a ledger that moves has none",
                                     (unsigned long long)(next - size));
}

static bool can_go_on(int staging, int folder, const struct last *last, struct fault *fault)
{
    if (last->record.type != RECORD_LEDGER_MOVED)
        return fault_set(fault, FAULT_CONFLICT,
                         "this ledger was copied, not moved: what it recorded since may be "
                         "elsewhere; without --move a new shard is begun");
    if (!file_exists(staging, "ledger/state/signed") ||
        !file_exists(staging, "keys/ledger.key"))
        return fault_set(fault, FAULT_INVALID,
                         "the copy of a moved ledger lacks its state or its key");
    return is_all_sealed(folder, last->checkpoint.size, fault);
}

/* The writer's state is of the shard that ends here: nobody writes there again. */
static bool begin_shard(int staging, int folder, const char *person, const struct clock *clock,
                        struct fault *fault)
{
    struct ledger_turn turn = {.reason = LEDGER_TURN_RESTORED, .person = person};
    AUTO_CLOSE int lock = -1;

    return file_remove_tree(folder, "state", fault) &&
           file_remove_tree(folder, "wal", fault) &&
           ledger_lock_folder(folder, &lock, fault) &&
           ledger_turn(staging, folder, &turn, clock, fault);
}

static bool make_ready(int staging, const struct restore_request *request,
                       const struct clock *clock, struct fault *fault)
{
    AUTO_CLOSE int folder = -1;
    struct last last = {0};
    bool ok =
        file_open_folder(staging, "ledger", 0755, &folder, fault) &&
        read_last(folder, &last, fault) &&
        (request->is_move ? can_go_on(staging, folder, &last, fault)
                          : begin_shard(staging, folder, request->person, clock, fault)) &&
        tell_restored(staging, &last, request->person, clock, fault);

    last_free(&last);
    return ok;
}

/* ---- the state folder ---- */

/* Nothing but what an earlier restore has left. */
static bool is_free(int home_fd, struct fault *fault)
{
    AUTO_CLOSE int own = openat(home_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = own < 0 ? NULL : fdopendir(own);
    char other[64] = "";

    if (dir == NULL)
        return fault_errno(fault, "list the state folder");
    (void)take_fd(&own);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            strcmp(entry->d_name, HOME_RESTORING) != 0)
            (void)snprintf(other, sizeof(other), "%.60s", entry->d_name);
    (void)closedir(dir);
    return other[0] == 0 || fault_set(fault, FAULT_CONFLICT,
                                      "the state folder is not empty (%s): a ledger is "
                                      "restored into one of its own",
                                      other);
}

/* Keys last: without them nothing starts here. */
static bool place(int home_fd, int staging, struct fault *fault)
{
    static const char *const names[] = {"ledger",  "shards",      "payloads", "store.db",
                                        "budgets", "policy.yaml", "keys"};

    for (size_t i = 0; i < COUNT(names); i++)
        if (file_exists(staging, names[i]) &&
            renameat(staging, names[i], home_fd, names[i]) < 0)
            return fault_errno(fault, "put %s in place", names[i]);
    if (fsync(home_fd) < 0)
        return fault_errno(fault, "sync the state folder");
    return file_remove_tree(home_fd, HOME_RESTORING, fault);
}

static bool stage(int home_fd, const struct restore_request *request,
                  const struct clock *clock, struct restore_result *result,
                  struct fault *fault)
{
    AUTO_CLOSE int from = open(request->from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO_CLOSE int staging = -1;

    if (from < 0)
        return fault_errno(fault, "open %s", request->from);
    if (!file_remove_tree(home_fd, HOME_RESTORING, fault) ||
        !file_open_folder(home_fd, HOME_RESTORING, 0700, &staging, fault) ||
        !copy_files(from, staging, result, fault) ||
        !verify(staging, request, result, fault) ||
        !make_ready(staging, request, clock, fault))
        return false;
    if (syncfs(staging) < 0)
        return fault_errno(fault, "sync what was restored");
    return file_replace_durably(staging, READY_NAME, SLICE("only places are missing\n"), 0600,
                                fault);
}

static bool place_all(int home_fd, struct restore_result *result, struct fault *fault)
{
    AUTO_CLOSE int staging = -1;

    return file_open_folder(home_fd, HOME_RESTORING, 0700, &staging, fault) &&
           place(home_fd, staging, fault) &&
           file_read(home_fd, "keys/ledger.vkey", &result->vkey, fault);
}

/* Two at once would remove each other's files, and call the copy damaged. */
static bool lock_home(int home_fd, int *ret_lock, struct fault *fault)
{
    AUTO_CLOSE int lock = openat(home_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (lock < 0)
        return fault_errno(fault, "open the state folder");
    if (flock(lock, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK
                   ? fault_set(fault, FAULT_CONFLICT,
                               "another `custody restore` is at work in this state folder")
                   : fault_errno(fault, "lock the state folder");
    *ret_lock = take_fd(&lock);
    return true;
}

bool restore_copy(int home_fd, const struct restore_request *request,
                  const struct clock *clock, struct restore_result *ret_result,
                  struct fault *fault)
{
    AUTO_CLOSE int lock = -1;
    struct fault ignored = {0};

    *ret_result = (struct restore_result){.report = buf_with_limit(REPORT_BYTES_MAX),
                                          .vkey = buf_with_limit(VKEY_BYTES_MAX)};
    if (!lock_home(home_fd, &lock, fault))
        return false;
    if (file_exists(home_fd, HOME_RESTORING "/" READY_NAME))
        return place_all(home_fd, ret_result, fault);
    if (!is_free(home_fd, fault))
        return false;
    if (!stage(home_fd, request, clock, ret_result, fault)) {
        if (!file_remove_tree(home_fd, HOME_RESTORING, &ignored))
            return fault_in(fault, "%.80s; and", ignored.why);
        return false;
    }
    return place_all(home_fd, ret_result, fault);
}

void restore_result_free(struct restore_result *result)
{
    buf_free(&result->report);
    buf_free(&result->vkey);
}
