/* A toolchain as a list of mounts: the host's, or one in a folder. */
#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/scope.h"
#include "cell/cell.h"

static const char passwd_text[] =
    "root:x:0:0:root:/nonexistent:/usr/sbin/nologin\n"
    "agent:x:1000:1000:agent:" CELL_HOME ":/bin/bash\n"
    "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
static const char group_text[] = "root:x:0:\ntty:x:5:\nagent:x:1000:\nnogroup:x:65534:\n";
static const char hosts_text[] = "127.0.0.1\tlocalhost cell\n::1\tlocalhost ip6-localhost\n";
/* Neither dns nor anything else that asks outside: names fail at once instead of after a time.
 */
static const char nsswitch_text[] =
    "passwd: files\ngroup: files\nshadow: files\nhosts: files\n"
    "services: files\nprotocols: files\nnetworks: files\n";
/* `bash -l` must find the PATH that the cell was given, and nothing of the host's profile. */
static const char profile_text[] =
    "PATH=\"${PATH:-/usr/local/bin:/usr/bin:/bin}\"\nexport PATH\n"
    "if [ -n \"${BASH-}\" ]; then PS1='\\u@\\h:\\w\\$ '; fi\n";

static const char *const root_names[] = {"usr",   "bin",   "sbin",  "lib",
                                         "lib32", "lib64", "libx32"};

/* What programs of the toolchain read. Not gitconfig, npmrc, environment: people put tokens
 * there. */
static const char *const etc_names[] = {
    "alternatives",  "ssl/certs",       "ssl/openssl.cnf",
    "ssl/cert.pem",  "ca-certificates", "ca-certificates.conf",
    "pki/tls/certs", "pki/ca-trust",    "crypto-policies",
    "ld.so.cache",   "ld.so.conf",      "ld.so.conf.d",
    "localtime",     "timezone",        "mime.types",
    "magic",         "services",        "protocols",
    "inputrc",       "terminfo",        "fonts",
    "perl",          "python3",         "python3.11",
    "bash.bashrc",   "shells",          "os-release",
    "lsb-release",   "debian_version",  "redhat-release",
    "papersize",     "nodejs",          "php",
    "maven/m2.conf", "maven/logging",
};

void cell_mounts_add(struct cell_mounts *mounts, const struct cell_mount *mount)
{
    struct cell_mount *copy;

    mounts->at = xgrow(mounts->at, &mounts->room, mounts->count + 1, sizeof(mounts->at[0]));
    copy = &mounts->at[mounts->count++];
    *copy = *mount;
    copy->source = mount->source == NULL ? NULL : xstrdup(mount->source);
    copy->target = xstrdup(mount->target);
}

void cell_mounts_free(struct cell_mounts *mounts)
{
    for (size_t i = 0; i < mounts->count; i++) {
        free((void *)(uintptr_t)mounts->at[i].source);
        free((void *)(uintptr_t)mounts->at[i].target);
    }
    free(mounts->at);
    *mounts = (struct cell_mounts){0};
}

/* ---- a root file system: the host's ("") or one in a folder ---- */

static void add_bind(struct cell_mounts *mounts, const char *source, const char *target,
                     bool is_optional)
{
    cell_mounts_add(mounts, &(struct cell_mount){.kind = CELL_BIND,
                                                 .source = source,
                                                 .target = target,
                                                 .optional = is_optional});
}

/*
 * Where `path` (absolute) of that root really lies, through links as a process in that root
 * would go; NULL: it is not there. No link of a root that somebody made leads out of it.
 */
static char *really(const char *root, const char *path)
{
    struct open_how how = {.flags = O_PATH | O_CLOEXEC,
                           .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    AUTO_CLOSE int top = -1, fd = -1;
    AUTO_FREE char *link = NULL;

    if (*root == 0) /* the host's own links are as good as its files */
        return access(path, F_OK) == 0 ? xstrdup(path) : NULL;
    top = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    fd = top < 0 ? -1 : (int)syscall(SYS_openat2, top, path, &how, sizeof(how));
    link = xformat("/proc/self/fd/%d", fd);
    return fd < 0 ? NULL : realpath(link, NULL);
}

/* /lib: a link stays a link, so that what is linked against either name agrees. */
static void add_as_there(struct cell_mounts *mounts, const char *root, const char *name)
{
    AUTO_FREE char *path = xformat("%s/%s", root, name);
    AUTO_FREE char *target = xformat("/%s", name);
    char link[256];
    struct stat stat;
    ssize_t len;

    if (lstat(path, &stat) < 0)
        return;
    if (S_ISDIR(stat.st_mode)) {
        add_bind(mounts, path, target, false);
        return;
    }
    len = S_ISLNK(stat.st_mode) ? readlink(path, link, sizeof(link) - 1) : -1;
    if (len < 0)
        return;
    link[len] = '\0';
    cell_mounts_add(
        mounts, &(struct cell_mount){.kind = CELL_SYMLINK, .source = link, .target = target});
}

static void add_etc(struct cell_mounts *mounts, const char *root, const char *name)
{
    AUTO_FREE char *target = xformat("/etc/%s", name);
    AUTO_FREE char *source = really(root, target);

    if (source != NULL)
        add_bind(mounts, source, target, true);
}

static void each_below(const char *folder,
                       void (*visit)(struct cell_mounts *mounts, const char *root,
                                     const char *name),
                       struct cell_mounts *mounts, const char *root)
{
    AUTO_FREE char *path = really(root, folder);
    DIR *listing = path == NULL ? NULL : opendir(path);
    const struct dirent *entry;

    while (listing != NULL && (entry = readdir(listing)) != NULL)
        if (entry->d_name[0] != '.')
            visit(mounts, root, entry->d_name);
    if (listing != NULL)
        (void)closedir(listing);
}

/* Java keeps its configuration in /etc/java-N-VENDOR, linked from /usr. */
static void add_java(struct cell_mounts *mounts, const char *root, const char *name)
{
    if (strncmp(name, "java-", 5) == 0)
        add_etc(mounts, root, name);
}

/* Images keep programs there, too; what is ours below /opt stays ours. */
static void add_opt(struct cell_mounts *mounts, const char *root, const char *name)
{
    AUTO_FREE char *target = xformat("/opt/%s", name);
    AUTO_FREE char *source = really(root, target);
    struct stat status;

    if (source != NULL && strcmp(name, "engine") != 0 && strcmp(name, "custody") != 0 &&
        stat(source, &status) == 0 && S_ISDIR(status.st_mode))
        add_bind(mounts, source, target, false);
}

static void add_own(struct cell_mounts *mounts)
{
    static const struct cell_mount own[] = {
        {.kind = CELL_TEXT, .source = passwd_text, .target = "/etc/passwd"},
        {.kind = CELL_TEXT, .source = group_text, .target = "/etc/group"},
        {.kind = CELL_TEXT, .source = hosts_text, .target = "/etc/hosts"},
        {.kind = CELL_TEXT, .source = nsswitch_text, .target = "/etc/nsswitch.conf"},
        {.kind = CELL_TEXT, .source = profile_text, .target = "/etc/profile"},
        {.kind = CELL_SYMLINK, .source = "/proc/self/mounts", .target = "/etc/mtab"},
        {.kind = CELL_SYMLINK, .source = "/tmp", .target = "/var/tmp"},
        {.kind = CELL_FOLDER, .target = "/mnt"},
        {.kind = CELL_FOLDER, .target = "/opt"},
        {.kind = CELL_FOLDER, .target = "/run"},
        {.kind = CELL_FOLDER, .target = "/srv"},
    };

    for (size_t i = 0; i < COUNT(own); i++)
        cell_mounts_add(mounts, &own[i]);
}

static void add_programs(struct cell_mounts *mounts, const char *root)
{
    for (size_t i = 0; i < COUNT(root_names); i++)
        add_as_there(mounts, root, root_names[i]);
    for (size_t i = 0; i < COUNT(etc_names); i++)
        add_etc(mounts, root, etc_names[i]);
    each_below("/etc", add_java, mounts, root);
}

void cell_mounts_default(struct cell_mounts *mounts)
{
    add_programs(mounts, "");
    add_own(mounts);
}

void cell_mounts_of_root(struct cell_mounts *mounts, const char *root)
{
    add_programs(mounts, root);
    each_below("/opt", add_opt, mounts, root);
    add_own(mounts);
}
