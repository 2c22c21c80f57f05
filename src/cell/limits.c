#include "cell/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/file.h"
#include "os/spawn.h"

#define TABLE_BYTES_MAX (1024 * 1024)
#define CPU_PERIOD_US 100000
#define REMOVE_TRIES 400
/* a group is busy until the last of its processes is reaped */
#define REMOVE_PAUSE_NS 5000000

enum limit_kind {
    LIMIT_MEMORY,
    LIMIT_PIDS,
    LIMIT_CPU,
    LIMIT_COUNT,
};

struct cgroup_file {
    const char *name;
    bool required; /* swap accounting may be off */
};

/* What is written where. The value's text comes from limit_value. */
static const struct controller {
    const char *name;
    struct cgroup_file v1[2], v2[2];
} controllers[LIMIT_COUNT] = {
    [LIMIT_MEMORY] = {"memory",
                      {{"memory.limit_in_bytes", true},
                       {"memory.memsw.limit_in_bytes", false}},
                      {{"memory.max", true}, {NULL, false}}},
    [LIMIT_PIDS] = {"pids",
                    {{"pids.max", true}, {NULL, false}},
                    {{"pids.max", true}, {NULL, false}}},
    [LIMIT_CPU] = {"cpu",
                   {{"cpu.cfs_quota_us", true}, {NULL, false}},
                   {{"cpu.max", true}, {NULL, false}}},
};

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

static bool put(const char *folder, const char *name, const char *value)
{
    AUTO_FREE char *path = xformat("%s/%s", folder, name);
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);
    size_t len = strlen(value);

    return fd >= 0 && write(fd, value, len) == (ssize_t)len;
}

static bool has_file(const char *folder, const char *name)
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
        (void)put(candidates[i], "cgroup.subtree_control", enable);
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

char *limits_place(const char *controller, int *ret_version)
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

static char *limit_value(enum limit_kind kind, const struct cell_plan *plan, int version)
{
    unsigned long long quota = (unsigned long long)plan->cpu_percent * CPU_PERIOD_US / 100;

    switch (kind) {
    case LIMIT_MEMORY:
        return plan->memory_bytes == 0
                   ? NULL
                   : xformat("%llu", (unsigned long long)plan->memory_bytes);
    case LIMIT_PIDS: /* and pid 1 */
        return xformat("%u", (plan->pids == 0 ? 512 : plan->pids) + 1);
    case LIMIT_CPU:
        if (plan->cpu_percent == 0)
            return NULL;
        return version == 2 ? xformat("%llu %d", quota, CPU_PERIOD_US)
                            : xformat("%llu", quota);
    case LIMIT_COUNT:
        break;
    }
    return NULL;
}

static int open_tasks(const char *folder)
{
    AUTO_FREE char *path = xformat("%s/tasks", folder);

    return open(path, O_RDWR | O_CLOEXEC);
}

static bool limit_one(struct limits *limits, enum limit_kind kind,
                      const struct cell_plan *plan)
{
    int version = 0;
    AUTO_FREE char *place = limits_place(controllers[kind].name, &version);
    AUTO_FREE char *value = limit_value(kind, plan, version);
    const struct cgroup_file *files =
        version == 2 ? controllers[kind].v2 : controllers[kind].v1;
    char *folder;
    bool known = false;

    if (place == NULL || value == NULL)
        return false;
    folder = xformat("%s/custody-%s-%d", place, plan->run, (int)getpid());
    for (size_t i = 0; i < limits->count; i++) /* v2, or co-mounted controllers */
        known = known || strcmp(limits->folders[i], folder) == 0;
    if (!known && mkdir(folder, 0755) < 0) {
        free(folder);
        return false;
    }
    for (size_t i = 0; i < 2 && files[i].name != NULL; i++)
        if (has_file(folder, files[i].name) && !put(folder, files[i].name, value) &&
            files[i].required) {
            if (!known)
                (void)rmdir(folder);
            free(folder);
            return false;
        }
    if (kind == LIMIT_MEMORY && version == 2) { /* swap would be memory by another name */
        (void)put(folder, "memory.swap.max", "0");
        (void)put(folder, "memory.oom.group", "1");
    }
    if (known) {
        free(folder);
        return true;
    }
    limits->tasks[limits->count] = version == 1 ? open_tasks(folder) : -1;
    limits->folders[limits->count++] = folder;
    return true;
}

static bool remove_groups(const struct limits *limits)
{
    bool all = true;

    for (size_t i = 0; i < limits->count; i++)
        if (rmdir(limits->folders[i]) < 0 && errno != ENOENT)
            all = false;
    return all;
}

static void remove_patiently(const struct limits *limits)
{
    const struct timespec pause = {.tv_nsec = REMOVE_PAUSE_NS};

    for (int i = 0; i < REMOVE_TRIES && !remove_groups(limits); i++)
        (void)nanosleep(&pause, NULL);
}

/* Bit i: the process is in folder i. */
static uint32_t attach_all(const struct limits *limits, pid_t pid)
{
    AUTO_FREE char *text = xformat("%d", (int)pid);
    uint32_t taken = 0;

    for (size_t i = 0; i < limits->count; i++)
        if (limits->tasks[i] < 0 && put(limits->folders[i], "cgroup.procs", text))
            taken |= 1U << i;
    return taken;
}

/*
 * Moves the process that core names, then waits for core to close the socket, by cell_end or
 * by dying. Survives what ends core.
 */
static void keep(const struct limits *limits, int socket)
{
    pid_t pid = -1;
    char byte;

    (void)setsid();
    for (int number = 1; number < 32; number++)
        (void)signal(number, SIG_IGN);
    (void)prctl(PR_SET_NAME, "custody-keeper");
    spawn_close_others(&socket, 1);
    if (read(socket, &pid, sizeof(pid)) == (ssize_t)sizeof(pid)) {
        uint32_t taken = attach_all(limits, pid);

        (void)!write(socket, &taken, sizeof(taken));
    }
    while (read(socket, &byte, 1) > 0)
        continue;
    remove_patiently(limits);
    _exit(0);
}

static void start_keeper(struct limits *limits)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return;
    limits->keeper = fork();
    if (limits->keeper == 0) {
        (void)close(ends[1]);
        for (int fd = 0; fd < 3; fd++)
            if (fd != ends[0])
                (void)close(fd);
        keep(limits, ends[0]);
    }
    (void)close(ends[0]);
    if (limits->keeper < 0)
        (void)close(ends[1]);
    else
        limits->keeper_socket = ends[1];
}

void limits_open(const struct cell_plan *plan, struct limits *ret_limits)
{
    *ret_limits = (struct limits){.keeper = -1, .keeper_socket = -1};
    ret_limits->memory = limit_one(ret_limits, LIMIT_MEMORY, plan);
    ret_limits->pids = limit_one(ret_limits, LIMIT_PIDS, plan);
    ret_limits->cpu = limit_one(ret_limits, LIMIT_CPU, plan);
    if (ret_limits->count > 0)
        start_keeper(ret_limits);
}

void limits_attach(struct limits *limits, pid_t pid)
{
    if (limits->keeper_socket >= 0)
        (void)!write(limits->keeper_socket, &pid, sizeof(pid));
}

void limits_enter(const struct limits *limits)
{
    for (size_t i = 0; i < limits->count; i++)
        if (limits->tasks[i] >= 0)
            (void)!write(limits->tasks[i], "0", 1); /* limits_settle looks whether it took */
}

/* Is there a line of `fd` that is the process? */
static bool lists(int fd, pid_t pid)
{
    AUTO_BUF struct buf text = buf_with_limit(TABLE_BYTES_MAX);
    AUTO_FREE char *wanted = xformat("%d", (int)pid);
    struct fault fault = {0};
    struct slice rest, line;

    if (lseek(fd, 0, SEEK_SET) < 0 || !file_read_fd(fd, &text, &fault))
        return false;
    rest = buf_slice(&text);
    while (slice_cut(&rest, '\n', &line))
        if (slice_equal(line, slice_of(wanted)))
            return true;
    return false;
}

void limits_settle(struct limits *limits, pid_t pid)
{
    uint32_t taken = 0;

    if (limits->keeper_socket >= 0 && recv(limits->keeper_socket, &taken, sizeof(taken),
                                           MSG_WAITALL) != (ssize_t)sizeof(taken))
        taken = 0;
    for (size_t i = 0; i < limits->count; i++) {
        if ((taken >> i & 1) != 0 || (limits->tasks[i] >= 0 && lists(limits->tasks[i], pid)))
            continue;
        /* Which of the limits this folder carried is in its files. */
        limits->memory = limits->memory && !has_file(limits->folders[i], "memory.max") &&
                         !has_file(limits->folders[i], "memory.limit_in_bytes");
        limits->pids = limits->pids && !has_file(limits->folders[i], "pids.max");
        limits->cpu = limits->cpu && !has_file(limits->folders[i], "cpu.max") &&
                      !has_file(limits->folders[i], "cpu.cfs_quota_us");
    }
}

void limits_close(struct limits *limits)
{
    remove_patiently(limits);
    if (limits->keeper > 0) {
        (void)close(limits->keeper_socket);
        while (waitpid(limits->keeper, NULL, 0) < 0 && errno == EINTR)
            continue;
    }
    for (size_t i = 0; i < limits->count; i++) {
        scope_close(&limits->tasks[i]);
        free(limits->folders[i]);
    }
    *limits = (struct limits){.keeper = -1, .keeper_socket = -1};
}
