#include "roles/toolchain/fingerprint.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hex.h"
#include "base/scope.h"

#define DEPTH_MAX 256
#define LINK_BYTES 4096

struct names {
    char **at;
    size_t count, room;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void names_free(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->at[i]);
    free(names->at);
}

static bool list(int folder, struct names *names, struct fault *fault)
{
    int own = fcntl(folder, F_DUPFD_CLOEXEC, 3);
    DIR *listing = own < 0 ? NULL : fdopendir(own);
    const struct dirent *entry;

    if (listing == NULL) {
        if (own >= 0)
            (void)close(own);
        return fault_errno(fault, "list a folder");
    }
    while ((entry = readdir(listing)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        names->at = xgrow(names->at, &names->room, names->count + 1, sizeof(*names->at));
        names->at[names->count++] = xstrdup(entry->d_name);
    }
    (void)closedir(listing);
    if (names->count > 1)
        qsort(names->at, names->count, sizeof(*names->at), by_name);
    return true;
}

static bool add(EVP_MD_CTX *hash, const void *bytes, size_t len, struct fault *fault)
{
    return EVP_DigestUpdate(hash, bytes, len) == 1 ||
           fault_set(fault, FAULT_IO, "SHA-256 cannot be had");
}

static bool add_link(EVP_MD_CTX *hash, int folder, const char *name, struct fault *fault)
{
    char text[LINK_BYTES];
    ssize_t len = readlinkat(folder, name, text, sizeof(text));

    return len < 0 ? fault_errno(fault, "read the link %s", name)
                   : add(hash, text, (size_t)len, fault);
}

static bool add_below(EVP_MD_CTX *hash, int folder, unsigned depth, struct fault *fault);

static bool add_entry(EVP_MD_CTX *hash, int folder, const char *name, unsigned depth,
                      struct fault *fault)
{
    AUTO_FREE char *line = NULL;
    AUTO_CLOSE int below = -1;
    struct stat stat;

    if (fstatat(folder, name, &stat, AT_SYMLINK_NOFOLLOW) < 0)
        return fault_errno(fault, "look at %s", name);
    line = xformat("%u %o %lld %lld.%09ld %s", depth, (unsigned)stat.st_mode,
                   S_ISREG(stat.st_mode) ? (long long)stat.st_size : 0LL,
                   (long long)stat.st_ctim.tv_sec, stat.st_ctim.tv_nsec, name);
    if (!add(hash, line, strlen(line) + 1, fault))
        return false;
    if (S_ISLNK(stat.st_mode))
        return add_link(hash, folder, name, fault);
    if (!S_ISDIR(stat.st_mode))
        return true;
    below = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (below < 0) /* what we may not list, the agent may not either */
        return errno == EACCES || fault_errno(fault, "open %s", name);
    return add_below(hash, below, depth + 1, fault);
}

static bool add_below(EVP_MD_CTX *hash, int folder, unsigned depth, struct fault *fault)
{
    struct names names = {0};
    bool ok = (depth < DEPTH_MAX || fault_set(fault, FAULT_LIMIT, "too deep a folder")) &&
              list(folder, &names, fault);

    for (size_t i = 0; ok && i < names.count; i++)
        ok = add_entry(hash, folder, names.at[i], depth, fault);
    names_free(&names);
    return ok;
}

bool fingerprint_of(int folder, char ret_digest[65], struct fault *fault)
{
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    bool ok = hash != NULL && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) == 1;

    if (!ok)
        (void)fault_set(fault, FAULT_IO, "SHA-256 cannot be had");
    ok = ok && add_below(hash, folder, 0, fault) &&
         (EVP_DigestFinal_ex(hash, digest, &len) == 1 ||
          fault_set(fault, FAULT_IO, "SHA-256 cannot be had"));
    EVP_MD_CTX_free(hash);
    if (ok)
        hex_encode(slice_of_bytes(digest, 32), ret_digest);
    return ok;
}
