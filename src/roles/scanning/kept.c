#include "roles/scanning/kept.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "base/hex.h"
#include "base/scope.h"
#include "flow/home.h"
#include "os/clock_real.h"
#include "os/file.h"

#define NAMES_BYTES_MAX (1UL << 20)

char *kept_place(const char *name)
{
    AUTO_FREE char *home = home_path();
    const char *cache = getenv("XDG_CACHE_HOME");
    const char *person = getenv("HOME");

    if (home != NULL && access(home, W_OK) == 0)
        return xformat("%s/cache/%s", home, name);
    if (cache != NULL && cache[0] == '/')
        return xformat("%s/custody/%s", cache, name);
    return person == NULL || person[0] != '/' ? NULL
                                              : xformat("%s/.cache/custody/%s", person, name);
}

/* A name for what is scanned: its paths, absolute. */
static bool name_of(const char *const *paths, size_t count, char ret_name[65])
{
    AUTO_BUF struct buf names = buf_with_limit(NAMES_BYTES_MAX);
    struct fault unsaid = {0};
    uint8_t digest[32];

    for (size_t i = 0; i < count; i++) {
        AUTO_FREE char *whole = realpath(paths[i], NULL);

        if (whole == NULL || !buf_add_text(&names, whole, &unsaid) ||
            !buf_add_byte(&names, 0, &unsaid))
            return false;
    }
    if (EVP_Digest(names.at, names.len, digest, NULL, EVP_sha256(), NULL) != 1)
        return false;
    hex_encode(slice_of_bytes(digest, sizeof(digest)), ret_name);
    return true;
}

bool kept_is_ours(int fd)
{
    struct stat stat;

    return fstat(fd, &stat) == 0 && stat.st_uid == geteuid() && (stat.st_mode & 022) == 0;
}

void kept_open(const char *const *paths, size_t count, struct kept *ret_kept)
{
    AUTO_BUF struct buf file = buf_with_limit(VERDICTS_BYTES_MAX);
    AUTO_FREE char *path = kept_place("scan");
    struct fault unsaid = {0};

    *ret_kept = (struct kept){.folder = -1};
    if (path == NULL || !name_of(paths, count, ret_kept->name) ||
        !file_make_folders(path, 0711, &unsaid))
        return;
    ret_kept->folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (ret_kept->folder < 0 || !kept_is_ours(ret_kept->folder))
        return;
    if (!file_read(ret_kept->folder, ret_kept->name, &file, &unsaid))
        buf_clear(&file);
    ret_kept->verdicts = verdicts_new(buf_slice(&file), clock_tick_ns(&clock_real));
}

void kept_close(struct kept *kept)
{
    AUTO_BUF struct buf file = buf_with_limit(VERDICTS_BYTES_MAX);
    struct fault unsaid = {0};

    if (kept->verdicts != NULL && verdicts_changed(kept->verdicts) &&
        verdicts_encode(kept->verdicts, &file, &unsaid))
        (void)!file_replace_durably(kept->folder, kept->name, buf_slice(&file), 0600, &unsaid);
    verdicts_free(kept->verdicts);
    if (kept->folder >= 0)
        (void)close(kept->folder);
    *kept = (struct kept){.folder = -1};
}
