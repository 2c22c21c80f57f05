#include "roles/ledger_role/shard.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hex.h"
#include "base/scope.h"
#include "ledger/handover.h"
#include "ledger/reader.h"
#include "ledger/shards.h"
#include "os/file.h"
#include "roles/ledger_role/parts.h"
#include "roles/ledger_role/writer.h"

#define VKEY_BYTES_MAX 4096
#define KEY_BYTES_MAX 8192
#define PLAN_BYTES_MAX 1024
#define PLAN_HEAD "custody-turn/v1\n"
#define DIGEST_HEX_BYTES 65

static const char *const reason_names[LEDGER_TURN_REASON_COUNT] = {
    [LEDGER_TURN_ROTATED] = "rotated",         [LEDGER_TURN_YEAR] = "year",
    [LEDGER_TURN_COMPROMISED] = "compromised", [LEDGER_TURN_LOST] = "lost",
    [LEDGER_TURN_RESTORED] = "restored",
};

struct turning {
    int home_fd, shards, ledger; /* `ledger`: the shard that ends */
    const struct clock *clock;
    unsigned number; /* of the shard that ends */
    enum ledger_turn_reason reason;
    char *person;                   /* NULL: nobody */
    struct note_signer *old, *next; /* `old` is NULL where it is not at hand */
    struct buf old_vkey, new_vkey;  /* without a line end */
};

const char *ledger_turn_reason_name(enum ledger_turn_reason reason)
{
    return reason_names[reason];
}

static void turning_end(struct turning *turning)
{
    scope_close(&turning->shards);
    free(turning->person);
    note_signer_free(turning->old);
    note_signer_free(turning->next);
    buf_free(&turning->old_vkey);
    buf_free(&turning->new_vkey);
}

static bool sync_folder(int folder, const char *name, struct fault *fault)
{
    return fsync(folder) == 0 ? true : fault_errno(fault, "sync %s", name);
}

static bool read_vkey(int folder, const char *name, struct buf *ret_vkey, struct fault *fault)
{
    AUTO_BUF struct buf text = buf_with_limit(VKEY_BYTES_MAX);

    return file_read(folder, name, &text, fault) &&
           buf_add(ret_vkey, slice_trim(buf_slice(&text)), fault);
}

static void digest_of(const struct buf *vkey, char ret_hex[DIGEST_HEX_BYTES])
{
    uint8_t hash[EVP_MAX_MD_SIZE];

    if (EVP_Digest(vkey->at, vkey->len, hash, NULL, EVP_sha256(), NULL) != 1)
        abort();
    hex_encode(slice_of_bytes(hash, TREE_HASH_BYTES), ret_hex);
}

/* ---- step 1: what is to be done ---- */

/* "NAME/2" of "NAME" or "NAME/1"; a copy gets a name that nobody has. */
static bool next_name(const struct turning *turning, char **ret_name, struct fault *fault)
{
    AUTO_FREE char *base = NULL;
    struct slice rest = buf_slice(&turning->old_vkey), name, stem;

    if (turning->reason == LEDGER_TURN_RESTORED) {
        if (!ledger_new_name(&base, fault))
            return false;
    } else {
        if (!slice_cut(&rest, '+', &name) || !slice_cut(&name, '/', &stem))
            return fault_set(fault, FAULT_INVALID, "keys/ledger.vkey: not a key");
        base = slice_dup(stem);
    }
    *ret_name = xformat("%s/%u", base, turning->number + 1);
    return true;
}

static bool write_plan(const struct turning *turning, int turn, struct fault *fault)
{
    AUTO_BUF struct buf plan = buf_with_limit(PLAN_BYTES_MAX);

    return buf_add_format(&plan, fault, PLAN_HEAD "%u\n%s\n%s\n", turning->number,
                          reason_names[turning->reason],
                          turning->person == NULL ? "" : turning->person) &&
           file_replace_durably(turn, "plan", buf_slice(&plan), 0600, fault);
}

/* The new key is on disk before the old one names it. */
static bool write_turn(const struct turning *turning, struct fault *fault)
{
    AUTO_BUF_SECRET struct buf key = buf_with_limit(KEY_BYTES_MAX);
    AUTO_BUF struct buf vkey = buf_with_limit(VKEY_BYTES_MAX);
    AUTO_FREE char *name = NULL;
    AUTO_CLOSE int turn = -1;

    if (!next_name(turning, &name, fault) ||
        !ledger_next_key(turning->home_fd, slice_of(name), &key, &vkey, fault) ||
        !file_remove_tree(turning->shards, "turn.new", fault) ||
        !file_open_folder(turning->shards, "turn.new", 0700, &turn, fault) ||
        !file_replace_durably(turn, "ledger.key", buf_slice(&key), 0600, fault) ||
        !file_replace_durably(turn, "ledger.vkey", buf_slice(&vkey), 0644, fault) ||
        !write_plan(turning, turn, fault))
        return false;
    if (renameat(turning->shards, "turn.new", turning->shards, "turn") < 0)
        return fault_errno(fault, "rename shards/turn");
    return sync_folder(turning->shards, "shards", fault);
}

static bool parse_plan(struct slice plan, struct turning *turning)
{
    struct slice number, reason, person;
    uint64_t value;

    if (!slice_starts_with(plan, SLICE(PLAN_HEAD)))
        return false;
    plan = slice_part(plan, sizeof(PLAN_HEAD) - 1, plan.len);
    if (!slice_cut(&plan, '\n', &number) || !slice_cut(&plan, '\n', &reason) ||
        !slice_cut(&plan, '\n', &person) || !checkpoint_parse_size(number, &value) ||
        value == 0 || value >= SHARDS_MAX)
        return false;
    turning->number = (unsigned)value;
    turning->person = person.len == 0 ? NULL : slice_dup(person);
    for (int i = 0; i < LEDGER_TURN_REASON_COUNT; i++)
        if (slice_equal(reason, slice_of(reason_names[i]))) {
            turning->reason = (enum ledger_turn_reason)i;
            return true;
        }
    return false;
}

static bool read_plan(struct turning *turning, struct fault *fault)
{
    AUTO_BUF struct buf plan = buf_with_limit(PLAN_BYTES_MAX);

    if (!file_read(turning->shards, "turn/plan", &plan, fault))
        return false;
    return parse_plan(buf_slice(&plan), turning)
               ? true
               : fault_set(fault, FAULT_INVALID, "shards/turn/plan: not a plan");
}

/* ---- step 2: the shard that ends ---- */

static bool on_last(void *self, uint64_t index, struct slice leaf, struct fault *fault)
{
    struct buf *last = self;

    (void)index;
    buf_clear(last);
    return buf_add(last, leaf, fault);
}

static bool read_checkpoint(const struct turning *turning, struct buf *bytes,
                            struct checkpoint *ret_checkpoint, struct fault *fault)
{
    struct note_key *key;
    bool ok;

    if (!note_key_parse(buf_slice(&turning->old_vkey), &key, fault))
        return false;
    ok = file_read(turning->ledger, "checkpoint", bytes, fault) &&
         checkpoint_open(buf_slice(bytes), key, ret_checkpoint, fault);
    note_key_free(key);
    return ok;
}

/* Has it said already that the new key follows? Then nothing may come behind that. */
static bool has_ended(const struct turning *turning, bool *ret_ended, struct fault *fault)
{
    AUTO_BUF struct buf bytes = buf_with_limit(NOTE_BYTES_MAX);
    AUTO_BUF struct buf last = buf_with_limit(RECORD_BYTES_MAX);
    AUTO_BUF struct buf arena = buf_with_limit(RECORD_BYTES_MAX + 1);
    struct reader_options options = {.with_unsealed = true};
    char digest[DIGEST_HEX_BYTES];
    struct checkpoint checkpoint;
    struct record_header header;
    struct record record;
    uint64_t next;

    *ret_ended = false;
    if (file_exists(turning->ledger, "checkpoint")) {
        if (!read_checkpoint(turning, &bytes, &checkpoint, fault))
            return false;
        options.from = checkpoint.size > 0 ? checkpoint.size - 1 : 0;
    }
    if (!reader_each(turning->ledger, &options, on_last, &last, &next, fault))
        return false;
    if (last.len == 0)
        return true;
    if (!record_decode(buf_slice(&last), &record, &header, &arena, fault))
        return fault_in(fault, "the ledger's last record");
    digest_of(&turning->new_vkey, digest);
    *ret_ended = record.type == RECORD_KEY_ROTATED &&
                 slice_equal(record.field[RECORD_DIGEST].text, slice_of(digest));
    return true;
}

static bool add_rotated(const struct turning *turning, struct ledger_writer *writer,
                        struct fault *fault)
{
    char digest[DIGEST_HEX_BYTES];
    struct record record;

    digest_of(&turning->new_vkey, digest);
    record_begin(&record, RECORD_KEY_ROTATED);
    record_word(&record, RECORD_DIGEST, digest);
    record_word(&record, RECORD_ORIGIN, note_signer_name(turning->next));
    record_word(&record, RECORD_REASON, reason_names[turning->reason]);
    record_word(&record, RECORD_PERSON, turning->person);
    return ledger_writer_own(writer, &record, fault);
}

static bool end_in_order(const struct turning *turning, struct fault *fault)
{
    struct ledger_writer *writer;
    bool ended, ok;

    if (!has_ended(turning, &ended, fault) ||
        !ledger_writer_load(turning->ledger, turning->old, turning->clock, &writer, fault))
        return false;
    ok = (ended || add_rotated(turning, writer, fault)) && ledger_writer_close(writer, fault);
    ledger_writer_free(writer);
    return ok;
}

/* What was signed is made public; what was not stays in its write-ahead log. */
static bool end_without_key(const struct turning *turning, struct fault *fault)
{
    struct note_key *key;
    uint64_t unsealed;
    bool ok;

    if (!note_key_parse(buf_slice(&turning->old_vkey), &key, fault))
        return false;
    ok = log_settle(turning->ledger, key, &unsealed, fault);
    note_key_free(key);
    return ok;
}

static bool end_old(const struct turning *turning, struct fault *fault)
{
    AUTO_FREE char *vkey = xformat("%.*s\n", SLICE_ARGS(buf_slice(&turning->old_vkey)));
    bool ok = turning->reason == LEDGER_TURN_RESTORED ? true
              : turning->reason == LEDGER_TURN_LOST   ? end_without_key(turning, fault)
                                                      : end_in_order(turning, fault);

    return ok && file_replace_durably(turning->ledger, "vkey", slice_of(vkey), 0644, fault);
}

/* ---- step 3: the shard that begins ---- */

static bool add_begun(const struct turning *turning, struct ledger_writer *writer,
                      struct fault *fault)
{
    AUTO_BUF struct buf bytes = buf_with_limit(NOTE_BYTES_MAX);
    char digest[DIGEST_HEX_BYTES], root[2 * TREE_HASH_BYTES + 1];
    struct checkpoint last;
    struct record record;

    if (!read_checkpoint(turning, &bytes, &last, fault))
        return fault_in(fault, "the ledger that is to be followed");
    digest_of(&turning->old_vkey, digest);
    hex_encode(slice_of_bytes(last.root.at, TREE_HASH_BYTES), root);
    record_begin(&record, RECORD_SHARD_BEGUN);
    record_word(&record, RECORD_REASON, reason_names[turning->reason]);
    record_text(&record, RECORD_ORIGIN, last.origin);
    record_number(&record, RECORD_COUNT, (int64_t)last.size);
    record_word(&record, RECORD_ROOT, root);
    record_word(&record, RECORD_DIGEST, digest);
    record_word(&record, RECORD_PERSON, turning->person);
    return ledger_writer_own(writer, &record, fault);
}

static bool write_first(const struct turning *turning, int next, struct fault *fault)
{
    struct ledger_writer *writer;
    bool ok;

    if (!ledger_writer_load(next, turning->next, turning->clock, &writer, fault))
        return false;
    ok = (ledger_writer_size(writer) > 0 || add_begun(turning, writer, fault)) &&
         ledger_writer_close(writer, fault);
    ledger_writer_free(writer);
    return ok;
}

/* A token may be told to sign for its own row of shards only, which a copy has left. */
static bool write_handover(const struct turning *turning, int next, struct fault *fault)
{
    AUTO_BUF struct buf note = buf_with_limit(NOTE_BYTES_MAX);
    AUTO_BUF struct buf both = buf_with_limit(NOTE_BYTES_MAX);

    if (turning->old == NULL)
        return true;
    if (!file_read(next, "checkpoint", &note, fault))
        return false;
    if (!handover_write(buf_slice(&note), turning->old, &both, fault))
        return turning->reason == LEDGER_TURN_RESTORED;
    return file_replace_durably(next, HANDOVER_NAME, buf_slice(&both), 0644, fault);
}

/* Its lock is ours before it has the name that others look for. */
static bool begin_new(const struct turning *turning, int *ret_lock, struct fault *fault)
{
    AUTO_FREE char *vkey = xformat("%.*s\n", SLICE_ARGS(buf_slice(&turning->new_vkey)));
    AUTO_CLOSE int next = -1;

    return file_open_folder(turning->shards, "next", 0755, &next, fault) &&
           ledger_lock_folder(next, ret_lock, fault) && write_first(turning, next, fault) &&
           write_handover(turning, next, fault) &&
           file_replace_durably(next, "vkey", slice_of(vkey), 0644, fault);
}

/* ---- steps 4 and 5 ---- */

static bool exchange(const struct turning *turning, struct fault *fault)
{
    if (renameat2(turning->shards, "next", turning->home_fd, "ledger", RENAME_EXCHANGE) < 0)
        return fault_errno(fault, "exchange ledger and shards/next");
    return sync_folder(turning->home_fd, "the state folder", fault) &&
           sync_folder(turning->shards, "shards", fault);
}

/* Was step 4 done? The key that is to come is the one of what is ledger/ now. */
static bool is_exchanged(const struct turning *turning)
{
    AUTO_BUF struct buf is = buf_with_limit(VKEY_BYTES_MAX);
    AUTO_BUF struct buf to_be = buf_with_limit(VKEY_BYTES_MAX);
    struct fault ignored = {0};

    if (!file_exists(turning->shards, "turn/ledger.vkey"))
        return true; /* step 5 has begun */
    return read_vkey(turning->home_fd, "ledger/vkey", &is, &ignored) &&
           read_vkey(turning->shards, "turn/ledger.vkey", &to_be, &ignored) &&
           slice_equal(buf_slice(&is), buf_slice(&to_be));
}

static bool place_closed(const struct turning *turning, struct fault *fault)
{
    char name[SHARD_NAME_BYTES];

    shard_name(turning->number, name);
    if (file_exists(turning->shards, "next") &&
        renameat(turning->shards, "next", turning->home_fd, name) < 0)
        return fault_errno(fault, "rename shards/next to %s", name);
    return sync_folder(turning->shards, "shards", fault);
}

static bool retire_vkey(const struct turning *turning, int keys, struct fault *fault)
{
    AUTO_BUF struct buf vkey = buf_with_limit(VKEY_BYTES_MAX);
    AUTO_FREE char *retired = xformat("%04u.vkey", turning->number);
    AUTO_FREE char *from = NULL;
    AUTO_CLOSE int folder = -1;
    char name[SHARD_NAME_BYTES];

    shard_name(turning->number, name);
    from = xformat("%s/vkey", name);
    return file_read(turning->home_fd, from, &vkey, fault) &&
           file_open_folder(keys, "retired", 0755, &folder, fault) &&
           file_replace_durably(folder, retired, buf_slice(&vkey), 0644, fault);
}

/* The old secret is gone with this: nobody can sign a second end of the shard that it ended.
 */
static bool swap_keys(const struct turning *turning, struct fault *fault)
{
    static const char *const names[] = {"ledger.key", "ledger.vkey"};
    AUTO_CLOSE int keys = -1;
    AUTO_CLOSE int turn = -1;

    if (!file_open_folder(turning->home_fd, "keys", 0711, &keys, fault) ||
        !retire_vkey(turning, keys, fault) ||
        !file_open_folder(turning->shards, "turn", 0700, &turn, fault))
        return false;
    for (size_t i = 0; i < COUNT(names); i++) {
        if (!file_exists(turn, names[i]))
            continue;
        if (renameat(turn, names[i], keys, names[i]) < 0)
            return fault_errno(fault, "put keys/%s in place", names[i]);
        if (!sync_folder(keys, "keys", fault))
            return false;
    }
    return true;
}

/* With its name the plan is gone at once; the rest is litter. */
static bool forget_turn(const struct turning *turning, struct fault *fault)
{
    if (!file_remove_tree(turning->shards, "turn.new", fault))
        return false;
    if (renameat(turning->shards, "turn", turning->shards, "turn.new") < 0)
        return fault_errno(fault, "rename shards/turn");
    return sync_folder(turning->shards, "shards", fault) &&
           file_remove_tree(turning->shards, "turn.new", fault);
}

/* ---- all of it ---- */

/* A key that opens on another host only does not keep a copy from being restored here. */
static bool open_old(struct turning *turning, struct fault *fault)
{
    struct fault why = {0};

    if (turning->reason == LEDGER_TURN_LOST ||
        ledger_signer(turning->home_fd, "keys/ledger.key", &turning->old, &why) ||
        turning->reason == LEDGER_TURN_RESTORED)
        return true;
    *fault = why;
    return false;
}

static bool open_keys(struct turning *turning, struct fault *fault)
{
    return ledger_signer(turning->home_fd, "shards/turn/ledger.key", &turning->next, fault) &&
           note_signer_vkey(turning->next, &turning->new_vkey, fault) &&
           open_old(turning, fault);
}

static bool make_next(struct turning *turning, int *ret_lock, struct fault *fault)
{
    return read_vkey(turning->home_fd, "keys/ledger.vkey", &turning->old_vkey, fault) &&
           open_keys(turning, fault) && end_old(turning, fault) &&
           begin_new(turning, ret_lock, fault) && exchange(turning, fault);
}

static bool finish(struct turning *turning, struct fault *fault)
{
    AUTO_CLOSE int lock = -1; /* of the new shard, until its key is in place */

    if (!read_plan(turning, fault) ||
        (!is_exchanged(turning) && !make_next(turning, &lock, fault)))
        return false;
    return place_closed(turning, fault) && swap_keys(turning, fault) &&
           forget_turn(turning, fault);
}

static bool turning_begin(struct turning *turning, int home_fd, int folder,
                          const struct clock *clock, struct fault *fault)
{
    *turning = (struct turning){.home_fd = home_fd,
                                .shards = -1,
                                .ledger = folder,
                                .clock = clock,
                                .old_vkey = buf_with_limit(VKEY_BYTES_MAX),
                                .new_vkey = buf_with_limit(VKEY_BYTES_MAX)};
    return file_open_folder(home_fd, "shards", 0755, &turning->shards, fault);
}

bool ledger_turn_finish(int home_fd, int folder, const struct clock *clock, bool *ret_turned,
                        struct fault *fault)
{
    struct turning turning;
    bool ok;

    *ret_turned = false;
    if (!file_exists(home_fd, "shards/turn"))
        return true;
    ok = turning_begin(&turning, home_fd, folder, clock, fault) && finish(&turning, fault);
    turning_end(&turning);
    *ret_turned = ok;
    return ok ? true : fault_in(fault, "go on with a new shard");
}

/* Asked before anything is promised: what is begun has to be done by every later start. */
static bool can_exchange(const struct turning *turning, struct fault *fault)
{
    bool can;

    if (!file_remove_tree(turning->shards, "try.a", fault) ||
        !file_remove_tree(turning->shards, "try.b", fault))
        return false;
    if (mkdirat(turning->shards, "try.a", 0700) < 0 ||
        mkdirat(turning->shards, "try.b", 0700) < 0)
        return fault_errno(fault, "make a folder in shards");
    can = renameat2(turning->shards, "try.a", turning->shards, "try.b", RENAME_EXCHANGE) == 0;
    if (!can) {
        (void)fault_errno(fault, "this file system cannot exchange two folders");
        fault->kind = FAULT_HOST;
    }
    (void)unlinkat(turning->shards, "try.a", AT_REMOVEDIR);
    (void)unlinkat(turning->shards, "try.b", AT_REMOVEDIR);
    return can;
}

static bool plan_turn(struct turning *turning, const struct ledger_turn *turn,
                      struct fault *fault)
{
    struct shard_list list;

    if (!shards_open(turning->home_fd, &list, fault))
        return false;
    turning->number = list.at[list.count - 1].number;
    shards_close(&list);
    if (turning->number >= SHARDS_MAX)
        return fault_set(fault, FAULT_LIMIT, "there are %u shards already", SHARDS_MAX);
    turning->reason = turn->reason;
    turning->person = turn->person == NULL ? NULL : xstrdup(turn->person);
    return read_vkey(turning->home_fd, "keys/ledger.vkey", &turning->old_vkey, fault) &&
           can_exchange(turning, fault) && write_turn(turning, fault);
}

bool ledger_turn(int home_fd, int folder, const struct ledger_turn *turn,
                 const struct clock *clock, struct fault *fault)
{
    struct turning turning;
    bool turned, ok = turning_begin(&turning, home_fd, folder, clock, fault) &&
                      plan_turn(&turning, turn, fault);

    turning_end(&turning);
    if (!ok)
        return fault_in(fault, "begin a new shard");
    return ledger_turn_finish(home_fd, folder, clock, &turned, fault);
}
