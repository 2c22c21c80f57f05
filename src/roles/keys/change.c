#include "roles/keys/change.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/hex.h"
#include "base/scope.h"
#include "os/file.h"

#define NAME "ledger.key"
#define OLD_NAME "ledger.key.old"  /* a second name, while the first one changes hands */
#define TEMPORARY_HEAD NAME ".new" /* of file_replace_durably */
#define VKEY_BYTES_MAX 1024
#define DIGEST_BYTES 32

/* One change under way. */
struct change {
    struct session *session;
    const struct key_storage *storage;
    int keys;
    struct ledger_key key, next;
    struct ledger_client *ledger;
    struct buf vkey;
    uint64_t intent;
};

/* File systems may keep copies of the blocks all the same; the command says so. */
static bool overwrite(int folder, const char *name, struct fault *fault)
{
    AUTO_CLOSE int fd = openat(folder, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    AUTO_BUF struct buf zeros = buf_with_limit(2 * KEYFILE_BYTES_MAX);
    struct stat stat;

    if (fd < 0 || fstat(fd, &stat) < 0)
        return fault_errno(fault, "open keys/%s", name);
    for (off_t i = 0; i < stat.st_size && i < 2 * KEYFILE_BYTES_MAX; i++)
        if (!buf_add_byte(&zeros, 0, fault))
            return false;
    return (file_write_at(fd, buf_slice(&zeros), 0, fault) &&
            (fsync(fd) == 0 || fault_errno(fault, "sync"))) ||
           fault_in(fault, "overwrite keys/%s", name);
}

static bool same_file(int folder, const char *one, const char *other)
{
    struct stat first, second;

    return fstatat(folder, one, &first, AT_SYMLINK_NOFOLLOW) == 0 &&
           fstatat(folder, other, &second, AT_SYMLINK_NOFOLLOW) == 0 &&
           first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

/* Broken off before the rename, the second name is still of the key itself. */
static bool forget(int folder, const char *name, struct fault *fault)
{
    if (!same_file(folder, name, NAME) && !overwrite(folder, name, fault))
        return false;
    return (unlinkat(folder, name, 0) == 0 && fsync(folder) == 0) ||
           fault_errno(fault, "remove keys/%s", name);
}

static bool is_leftover(const char *name)
{
    return strcmp(name, OLD_NAME) == 0 ||
           strncmp(name, TEMPORARY_HEAD, strlen(TEMPORARY_HEAD)) == 0;
}

/* The name of one, or NULL. */
static char *find_leftover(int keys)
{
    int fd = openat(keys, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;
    char *found = NULL;

    if (dir == NULL) {
        scope_close(&fd);
        return NULL;
    }
    while (found == NULL && (entry = readdir(dir)) != NULL)
        if (is_leftover(entry->d_name))
            found = xstrdup(entry->d_name);
    (void)closedir(dir);
    return found;
}

bool key_change_left_something(int home_fd)
{
    AUTO_CLOSE int keys = openat(home_fd, "keys", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO_FREE char *found = keys < 0 ? NULL : find_leftover(keys);

    return found != NULL;
}

static bool forget_leftovers(int keys, struct fault *fault)
{
    for (;;) {
        AUTO_FREE char *name = find_leftover(keys);

        if (name == NULL)
            return true;
        if (!forget(keys, name, fault))
            return false;
    }
}

static bool lock_keys(struct change *change, struct fault *fault)
{
    change->keys =
        openat(change->session->home.fd, "keys", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (change->keys < 0)
        return fault_errno(fault, "open keys");
    return flock(change->keys, LOCK_EX | LOCK_NB) == 0 ||
           fault_set(fault, FAULT_CONFLICT, "another custody is changing how the key is kept");
}

static bool read_now(struct change *change, struct fault *fault)
{
    if (!ledger_key_read(change->session->home.fd, LEDGER_KEY_NAME, &change->key, fault))
        return false;
    if (change->key.file.kind == KEYFILE_PLAIN && change->storage->kind == KEYFILE_PLAIN)
        return fault_set(fault, FAULT_INVALID, "the key is plain already");
    return ledger_key_vkey(&change->key, &change->vkey, fault);
}

/* The new text, and proof that it opens: nothing is destroyed before that. */
static bool write_next(struct change *change, struct fault *fault)
{
    AUTO_BUF_SECRET struct buf text = buf_with_limit(KEYFILE_BYTES_MAX);
    uint8_t seed[NOTE_SEED_BYTES];
    struct note_signer *signer = NULL;
    bool ok = ledger_key_seed(&change->key, seed, fault) &&
              key_storage_write(change->storage, buf_slice(&change->vkey), seed, &text, fault);

    explicit_bzero(seed, sizeof(seed));
    if (!ok || !ledger_key_parse(buf_slice(&text), &change->next, fault))
        return false;
    if (change->storage->kind == KEYFILE_SEALED)
        change->next.secret = change->storage->secret;
    ok = ledger_key_signer(&change->next, change->session->home.fd, &signer, fault);
    note_signer_free(signer);
    return ok || fault_in(fault, "try the new key file");
}

static bool record(struct change *change, const char *outcome, uint64_t *ret_seq,
                   struct fault *fault)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    char hex[2 * DIGEST_BYTES + 1];
    struct record record;

    if (EVP_Digest(change->vkey.at, change->vkey.len, digest, NULL, EVP_sha256(), NULL) != 1)
        return fault_set(fault, FAULT_IO, "digest of the vkey");
    hex_encode(slice_of_bytes(digest, DIGEST_BYTES), hex);
    record_begin(&record, RECORD_KEY_STORED);
    record_word(&record, RECORD_REASON, keyfile_kind_name(change->storage->kind));
    record_word(&record, RECORD_MECHANISM, keyfile_kind_name(change->key.file.kind));
    record_word(&record, RECORD_OUTCOME, outcome);
    record_text(&record, RECORD_DIGEST, slice_of(hex));
    if (ret_seq == NULL)
        record_number(&record, RECORD_INTENT, (int64_t)change->intent);
    return ledger_record_durably(change->ledger, &record, ret_seq, fault);
}

static bool put_in_place(struct change *change, struct fault *fault)
{
    if (linkat(change->keys, NAME, change->keys, OLD_NAME, 0) < 0)
        return fault_errno(fault, "link keys/" OLD_NAME);
    if (!file_replace_durably(change->keys, NAME, buf_slice(&change->next.text), 0600,
                              fault)) {
        struct fault ignored = {0};

        (void)forget_leftovers(change->keys, &ignored);
        return false;
    }
    return forget(change->keys, OLD_NAME, fault);
}

/* With the ledger's connection open: no new shard begins meanwhile. */
static bool act(struct change *change, struct fault *fault)
{
    struct fault why;

    if (!record(change, "intended", &change->intent, fault))
        return false;
    if (put_in_place(change, fault))
        return record(change, "ok", NULL, fault);
    why = *fault;
    if (!record(change, "failed", NULL, fault))
        return false;
    *fault = why;
    return false;
}

bool key_change(struct session *session, const struct key_storage *storage,
                enum keyfile_kind *ret_before, struct fault *fault)
{
    struct change change = {.session = session,
                            .storage = storage,
                            .keys = -1,
                            .vkey = buf_with_limit(VKEY_BYTES_MAX)};
    bool ok = key_storage_check(storage, fault) && lock_keys(&change, fault) &&
              session_ledger(session, &change.ledger, fault) &&
              forget_leftovers(change.keys, fault) && read_now(&change, fault) &&
              write_next(&change, fault) && act(&change, fault);

    if (ok)
        *ret_before = change.key.file.kind;
    ledger_key_free(&change.key);
    ledger_key_free(&change.next);
    buf_free(&change.vkey);
    scope_close(&change.keys);
    return ok;
}
