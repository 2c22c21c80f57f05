/* Control groups of the host, found by /proc/self: paths in a container are its own. */
#include "cell/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/file.h"

#define TABLE_BYTES_MAX (1024 * 1024)
#define NUMBER_DIGITS_MAX 19

static bool read_table(const char *path, struct buf *text)
{
    struct fault fault = {0};

    return file_read(AT_FDCWD, path, text, &fault);
}

static bool list_has(struct slice list, const char *word)
{
    struct slice item;

    while (slice_cut(&list, ',', &item))
        if (slice_equal(item, slice_of(word)))
            return true;
    return false;
}

/* Our own group's path in the hierarchy of `controller` ("" : version 2), or NULL. */
static char *own_group(const char *controller)
{
    AUTO_BUF struct buf text = buf_with_limit(TABLE_BYTES_MAX);
    struct slice rest, line;

    if (!read_table("/proc/self/cgroup", &text))
        return NULL;
    rest = buf_slice(&text);
    while (slice_cut(&rest, '\n', &line)) { /* "4:memory:/path", "0::/path" */
        struct slice number, list;

        if (!slice_cut(&line, ':', &number) || !slice_cut(&line, ':', &list))
            continue;
        if (controller[0] == '\0' ? list.len == 0 : list_has(list, controller))
            return slice_dup(line);
    }
    return NULL;
}

/* Field `index` of a line of mountinfo; empty when there is none. */
static struct slice field_of(struct slice line, size_t index)
{
    struct slice field = {0};

    for (size_t i = 0; i <= index; i++)
        if (!slice_cut(&line, ' ', &field))
            return (struct slice){0};
    return field;
}

/* The folder of our own group on this host's mount of the hierarchy, or NULL. */
static char *own_folder(const char *controller, int version)
{
    AUTO_FREE char *group = own_group(version == 2 ? "" : controller);
    AUTO_BUF struct buf text = buf_with_limit(TABLE_BYTES_MAX);
    struct slice rest, line;

    if (group == NULL || !read_table("/proc/self/mountinfo", &text))
        return NULL;
    rest = buf_slice(&text);
    while (slice_cut(&rest, '\n', &line)) {
        size_t dash = slice_find(line, SLICE(" - "), 0);
        struct slice tail = slice_part(line, dash == SIZE_MAX ? line.len : dash + 3, line.len);
        struct slice root = field_of(line, 3), at = field_of(line, 4);
        struct slice own = slice_of(group);

        if (!slice_equal(field_of(tail, 0),
                         version == 2 ? SLICE("cgroup2") : SLICE("cgroup")) ||
            (version == 1 && !list_has(field_of(tail, 2), controller)))
            continue;
        if (root.len > 1) { /* a container's mount shows a part of the hierarchy */
            if (!slice_starts_with(own, root))
                continue;
            own = slice_part(own, root.len, own.len);
        }
        return xformat("%.*s%.*s", SLICE_ARGS(at), SLICE_ARGS(own));
    }
    return NULL;
}

bool cgroup_put(const char *folder, const char *name, const char *value)
{
    AUTO_FREE char *path = xformat("%s/%s", folder, name);
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);
    size_t len = strlen(value);

    return fd >= 0 && write(fd, value, len) == (ssize_t)len;
}

bool cgroup_has(const char *folder, const char *name)
{
    AUTO_FREE char *path = xformat("%s/%s", folder, name);

    return access(path, W_OK) == 0;
}

/* Below which folder of a v2 hierarchy groups with `controller` can be made; "" when nowhere.
 * A group with processes in it (ours has core) hands no controllers down: its parent may. */
static char *place_v2(const char *controller)
{
    AUTO_FREE char *own = own_folder("", 2);
    AUTO_FREE char *enable = xformat("+%s", controller);
    const char *slash = own == NULL ? NULL : strrchr(own, '/');
    AUTO_FREE char *above =
        slash == NULL ? NULL : slice_dup(slice_of_bytes(own, (size_t)(slash - own)));
    const char *const candidates[] = {above, own};

    for (size_t i = 0; i < COUNT(candidates); i++) {
        AUTO_FREE char *list = NULL;
        AUTO_BUF struct buf text = buf_with_limit(4096);
        struct slice rest, word;

        if (candidates[i] == NULL || access(candidates[i], W_OK) < 0)
            continue;
        (void)cgroup_put(candidates[i], "cgroup.subtree_control", enable);
        list = xformat("%s/cgroup.subtree_control", candidates[i]);
        if (!read_table(list, &text))
            continue;
        rest = slice_trim(buf_slice(&text));
        while (slice_cut(&rest, ' ', &word))
            if (slice_equal(word, slice_of(controller)))
                return xstrdup(candidates[i]);
    }
    return NULL;
}

char *cgroup_place(const char *controller, int *ret_version)
{
    char *place = own_folder(controller, 1);

    if (place != NULL) {
        *ret_version = 1;
        if (access(place, W_OK) == 0)
            return place;
        free(place);
        return NULL;
    }
    *ret_version = 2;
    return place_v2(controller);
}

uint64_t cgroup_count(const char *folder, const char *name, const char *key)
{
    AUTO_FREE char *path = xformat("%s/%s", folder, name);
    AUTO_BUF struct buf text = buf_with_limit(TABLE_BYTES_MAX);
    struct slice rest, line, word;

    if (!read_table(path, &text))
        return 0;
    rest = buf_slice(&text);
    while (slice_cut(&rest, '\n', &line)) {
        uint64_t number = 0;

        if (!slice_cut(&line, ' ', &word) || !slice_equal(word, slice_of(key)) ||
            line.len > NUMBER_DIGITS_MAX)
            continue;
        for (size_t i = 0; i < line.len && line.at[i] >= '0' && line.at[i] <= '9'; i++)
            number = number * 10 + (uint64_t)(line.at[i] - '0');
        return number;
    }
    return 0;
}

void cgroup_release(const char *folder)
{
    AUTO_FREE char *path = xformat("%s/cgroup.procs", folder);
    AUTO_FREE char *thawed = own_folder("freezer", 1);
    AUTO_BUF struct buf text = buf_with_limit(TABLE_BYTES_MAX);
    struct slice rest, line;

    (void)cgroup_put(folder, "cgroup.kill", "1");
    if (thawed == NULL || !read_table(path, &text))
        return;
    rest = buf_slice(&text);
    while (slice_cut(&rest, '\n', &line)) {
        AUTO_FREE char *pid = slice_dup(line);

        if (line.len > 0)
            (void)cgroup_put(thawed, "cgroup.procs", pid);
    }
}
