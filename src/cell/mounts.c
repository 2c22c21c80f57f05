/* The host's toolchain as a list of mounts. */
#include <dirent.h>
#include <sys/stat.h>
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

static const char *const root_names[] = {"bin", "sbin", "lib", "lib32", "lib64", "libx32"};

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

/* /lib: a link stays a link, so that what is linked against either name agrees. */
static void add_as_on_host(struct cell_mounts *mounts, const char *name)
{
    AUTO_FREE char *path = xformat("/%s", name);
    char link[256];
    struct stat stat;
    ssize_t len;

    if (lstat(path, &stat) < 0)
        return;
    if (S_ISDIR(stat.st_mode)) {
        cell_mounts_add(
            mounts, &(struct cell_mount){.kind = CELL_BIND, .source = path, .target = path});
        return;
    }
    len = S_ISLNK(stat.st_mode) ? readlink(path, link, sizeof(link) - 1) : -1;
    if (len < 0)
        return;
    link[len] = '\0';
    cell_mounts_add(
        mounts, &(struct cell_mount){.kind = CELL_SYMLINK, .source = link, .target = path});
}

static void add_etc(struct cell_mounts *mounts, const char *name)
{
    AUTO_FREE char *path = xformat("/etc/%s", name);

    if (access(path, F_OK) == 0)
        cell_mounts_add(
            mounts, &(struct cell_mount){
                        .kind = CELL_BIND, .source = path, .target = path, .optional = true});
}

/* Java keeps its configuration in /etc/java-N-VENDOR, linked from /usr. */
static void add_java(struct cell_mounts *mounts)
{
    DIR *etc = opendir("/etc");
    const struct dirent *entry;

    while (etc != NULL && (entry = readdir(etc)) != NULL)
        if (strncmp(entry->d_name, "java-", 5) == 0)
            add_etc(mounts, entry->d_name);
    if (etc != NULL)
        (void)closedir(etc);
}

void cell_mounts_default(struct cell_mounts *mounts)
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

    cell_mounts_add(
        mounts, &(struct cell_mount){.kind = CELL_BIND, .source = "/usr", .target = "/usr"});
    for (size_t i = 0; i < COUNT(root_names); i++)
        add_as_on_host(mounts, root_names[i]);
    for (size_t i = 0; i < COUNT(etc_names); i++)
        add_etc(mounts, etc_names[i]);
    add_java(mounts);
    for (size_t i = 0; i < COUNT(own); i++)
        cell_mounts_add(mounts, &own[i]);
}
