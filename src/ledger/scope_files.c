#include "ledger/scope_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/hex.h"
#include "base/scope.h"
#include "os/file.h"

static const char *const folder_names[] = {
    [SCOPE_FILES_KEYS] = "scopes", [SCOPE_FILES_NOTES] = "erasing"};

static bool open_folder(int home, enum scope_files_kind kind, int *ret_folder,
                        struct fault *fault)
{
    AUTO_CLOSE int keys = -1;

    return file_open_folder(home, "keys", 0711, &keys, fault) &&
           file_open_folder(keys, folder_names[kind], 0700, ret_folder, fault);
}

static bool check_name(const char *scope, struct fault *fault)
{
    return scope_name_valid(slice_of(scope)) ||
           fault_set(fault, FAULT_INVALID, "%.80s: no name of a scope (it is a run's id)",
                     scope);
}

bool scope_files_make(int home, const char *scope, uint8_t ret_key[SCOPE_KEY_BYTES],
                      struct fault *fault)
{
    AUTO_CLOSE int folder = -1;
    uint8_t key[SCOPE_KEY_BYTES];

    if (!check_name(scope, fault) || !open_folder(home, SCOPE_FILES_KEYS, &folder, fault))
        return false;
    if (getrandom(key, sizeof(key), 0) != sizeof(key))
        return fault_errno(fault, "draw random bytes");
    if (!file_create(folder, scope, slice_of_bytes(key, sizeof(key)), 0600, fault))
        return fault_in(fault, "make the key of scope %s", scope);
    memcpy(ret_key, key, sizeof(key));
    OPENSSL_cleanse(key, sizeof(key));
    return true;
}

bool scope_files_load(int home, const char *scope, uint8_t ret_key[SCOPE_KEY_BYTES],
                      struct fault *fault)
{
    AUTO_BUF_SECRET struct buf bytes = buf_with_limit(SCOPE_KEY_BYTES);
    AUTO_FREE char *name = xformat("keys/scopes/%s", scope);

    if (!check_name(scope, fault) || !file_read(home, name, &bytes, fault))
        return false;
    if (bytes.len != SCOPE_KEY_BYTES)
        return fault_set(fault, FAULT_INVALID, "%s: %zu bytes are no key", name, bytes.len);
    memcpy(ret_key, bytes.at, SCOPE_KEY_BYTES);
    return true;
}

bool scope_files_has_key(int home, const char *scope)
{
    AUTO_FREE char *name = xformat("keys/scopes/%s", scope);

    return scope_name_valid(slice_of(scope)) && file_exists(home, name);
}

bool scope_files_remains(int home, const char *scope)
{
    AUTO_FREE char *payloads = xformat("payloads/%s", scope);

    return scope_files_has_key(home, scope) ||
           (scope_name_valid(slice_of(scope)) && file_exists(home, payloads));
}

bool scope_files_has_payload(int home, const char *scope, const char *digest)
{
    AUTO_FREE char *name = xformat("payloads/%s/%s", scope, digest);

    return scope_name_valid(slice_of(scope)) && file_exists(home, name);
}

bool scope_files_payloads(int home, const char *scope, uid_t owner, int *ret_folder,
                          struct fault *fault)
{
    AUTO_CLOSE int payloads = -1;
    AUTO_CLOSE int folder = -1;

    if (!check_name(scope, fault) ||
        !file_open_folder(home, "payloads", 0700, &payloads, fault) ||
        !file_open_folder(payloads, scope, 0700, &folder, fault))
        return false;
    if (geteuid() == 0 && fchown(folder, owner, owner) < 0)
        return fault_errno(fault, "give payloads/%s to its user", scope);
    *ret_folder = take_fd(&folder);
    return true;
}

static bool sync_fd(int fd, const char *what, struct fault *fault)
{
    return fsync(fd) == 0 || fault_errno(fault, "sync %s", what);
}

/* `name` below `parent`; what is not there needs no sync. */
static bool sync_name(int parent, const char *name, struct fault *fault)
{
    AUTO_CLOSE int fd = openat(parent, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0)
        return errno == ENOENT || fault_errno(fault, "open %s", name);
    return sync_fd(fd, name, fault);
}

/* Calls `on_file` for each payload of a scope; a scope without a folder has none. */
static bool each_file(int home, const char *scope,
                      bool (*on_file)(int folder, const char *name, void *self,
                                      struct fault *fault),
                      void *self, struct fault *fault)
{
    AUTO_FREE char *path = xformat("payloads/%s", scope);
    AUTO_CLOSE int fd = openat(home, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    bool ok = true;
    DIR *dir;

    if (fd < 0)
        return errno == ENOENT || fault_errno(fault, "open %s", path);
    dir = fdopendir(fd);
    if (dir == NULL)
        return fault_errno(fault, "list %s", path);
    (void)take_fd(&fd);
    for (struct dirent *entry; ok && (entry = readdir(dir)) != NULL;)
        if (entry->d_name[0] != '.')
            ok = on_file(dirfd(dir), entry->d_name, self, fault);
    (void)closedir(dir);
    return ok;
}

static bool sync_file(int folder, const char *name, void *self, struct fault *fault)
{
    (void)self;
    return sync_name(folder, name, fault);
}

bool scope_files_settle(int home, const char *scope, struct fault *fault)
{
    AUTO_FREE char *key = xformat("keys/scopes/%s", scope);
    AUTO_FREE char *payloads = xformat("payloads/%s", scope);
    const char *const names[] = {key, "keys/scopes", "keys", payloads, "payloads"};

    if (!each_file(home, scope, sync_file, NULL, fault))
        return false;
    for (size_t i = 0; i < COUNT(names); i++)
        if (!sync_name(home, names[i], fault))
            return false;
    return sync_fd(home, "the state folder", fault);
}

static bool digest_of(struct slice file, char ret_digest[SCOPE_DIGEST_TEXT],
                      struct fault *fault)
{
    uint8_t digest[EVP_MAX_MD_SIZE];

    if (EVP_Digest(file.at, file.len, digest, NULL, EVP_sha256(), NULL) != 1)
        return fault_set(fault, FAULT_HOST, "no SHA-256");
    hex_encode(slice_of_bytes(digest, 32), ret_digest);
    return true;
}

static bool put(int folder, struct slice file, bool durably,
                char ret_digest[SCOPE_DIGEST_TEXT], struct fault *fault)
{
    char name[SCOPE_DIGEST_TEXT];
    AUTO_CLOSE int fd = -1;

    if (!digest_of(file, name, fault))
        return false;
    /* No rename: a torn file has a name that its bytes do not give, and no record names it. */
    fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return fault_errno(fault, "create payload %.12s", name);
    if (!file_write_all(fd, file, fault) || (durably && !sync_fd(fd, "it", fault))) {
        (void)unlinkat(folder, name, 0);
        return fault_in(fault, "payload %.12s", name);
    }
    memcpy(ret_digest, name, sizeof(name));
    return true;
}

bool scope_files_put(int folder, struct slice file, char ret_digest[SCOPE_DIGEST_TEXT],
                     struct fault *fault)
{
    return put(folder, file, true, ret_digest, fault);
}

bool scope_files_put_soon(int folder, struct slice file, char ret_digest[SCOPE_DIGEST_TEXT],
                          struct fault *fault)
{
    return put(folder, file, false, ret_digest, fault);
}

bool scope_files_sync(int folder, struct fault *fault)
{
    return sync_fd(folder, "the payloads' folder", fault);
}

bool scope_files_get(int home, const char *scope, const char *digest, struct buf *ret_file,
                     struct fault *fault)
{
    AUTO_FREE char *name = xformat("payloads/%s/%s", scope, digest);
    char found[SCOPE_DIGEST_TEXT];

    if (!check_name(scope, fault) || !file_read(home, name, ret_file, fault) ||
        !digest_of(buf_slice(ret_file), found, fault))
        return false;
    return strcmp(found, digest) == 0 ||
           fault_set(fault, FAULT_CONFLICT, "%s has digest %s: it was changed", name, found);
}

/* In place, and durably before the name goes: the blocks that held the key hold zeros. */
static bool destroy_key(int home, const char *scope, struct fault *fault)
{
    static const uint8_t zeros[SCOPE_KEY_BYTES];
    AUTO_CLOSE int folder = -1;
    AUTO_CLOSE int fd = -1;

    if (!open_folder(home, SCOPE_FILES_KEYS, &folder, fault))
        return false;
    fd = openat(folder, scope, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno != ENOENT)
        return fault_errno(fault, "open the key of scope %s", scope);
    if (fd >= 0 && (!file_write_at(fd, slice_of_bytes(zeros, sizeof(zeros)), 0, fault) ||
                    !sync_fd(fd, "the key", fault)))
        return false;
    if (fd >= 0 && unlinkat(folder, scope, 0) < 0)
        return fault_errno(fault, "remove the key of scope %s", scope);
    return sync_fd(folder, "keys/scopes", fault);
}

static bool count_file(int folder, const char *name, void *self, struct fault *fault)
{
    (void)folder;
    (void)name;
    (void)fault;
    ++*(size_t *)self;
    return true;
}

bool scope_files_destroy(int home, const char *scope, size_t *ret_payloads,
                         struct fault *fault)
{
    AUTO_CLOSE int payloads = -1;

    *ret_payloads = 0;
    return check_name(scope, fault) && destroy_key(home, scope, fault) &&
           file_open_folder(home, "payloads", 0700, &payloads, fault) &&
           each_file(home, scope, count_file, ret_payloads, fault) &&
           file_remove_tree(payloads, scope, fault) && sync_fd(payloads, "payloads", fault);
}

bool scope_files_note(int home, const char *scope, struct slice note, struct fault *fault)
{
    AUTO_CLOSE int folder = -1;

    return check_name(scope, fault) && open_folder(home, SCOPE_FILES_NOTES, &folder, fault) &&
           file_replace_durably(folder, scope, note, 0600, fault) &&
           sync_name(home, "keys", fault);
}

bool scope_files_read_note(int home, const char *scope, struct buf *ret_note,
                           struct fault *fault)
{
    AUTO_FREE char *name = xformat("keys/erasing/%s", scope);

    return check_name(scope, fault) && file_read(home, name, ret_note, fault);
}

bool scope_files_drop_note(int home, const char *scope, struct fault *fault)
{
    AUTO_CLOSE int folder = -1;

    if (!open_folder(home, SCOPE_FILES_NOTES, &folder, fault))
        return false;
    if (unlinkat(folder, scope, 0) < 0 && errno != ENOENT)
        return fault_errno(fault, "remove keys/erasing/%s", scope);
    return sync_fd(folder, "keys/erasing", fault);
}

bool scope_files_each(int home, enum scope_files_kind kind,
                      bool (*on_scope)(void *self, const char *scope, int64_t made_us,
                                       struct fault *fault),
                      void *self, struct fault *fault)
{
    AUTO_CLOSE int folder = -1;
    DIR *dir;
    bool ok = true;

    if (!open_folder(home, kind, &folder, fault))
        return false;
    dir = fdopendir(folder);
    if (dir == NULL)
        return fault_errno(fault, "list keys/%s", folder_names[kind]);
    (void)take_fd(&folder);
    for (struct dirent *entry; ok && (entry = readdir(dir)) != NULL;) {
        struct stat stat;

        if (scope_name_valid(slice_of(entry->d_name)) &&
            fstatat(dirfd(dir), entry->d_name, &stat, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(stat.st_mode))
            ok = on_scope(self, entry->d_name,
                          (int64_t)stat.st_mtim.tv_sec * 1000000 + stat.st_mtim.tv_nsec / 1000,
                          fault);
    }
    (void)closedir(dir);
    return ok;
}
