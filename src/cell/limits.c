#include "cell/limits.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/scope.h"
#include "cell/cgroup.h"
#include "cell/keeper.h"
#include "os/disk.h"
#include "os/file.h"

#define TABLE_BYTES_MAX (1024 * 1024)
#define CPU_PERIOD_US 100000
#define FILES_MAX 2
#define FOLDER_PREFIX "custody-"
#define CLOSE_TRIES 400 /* two seconds; the keeper goes on */

struct cgroup_file {
    const char *name;
    bool required; /* swap accounting may be off */
};

/* What is written where. The value's text comes from limit_value. */
static const struct controller {
    const char *name[2]; /* of version 1, 2 */
    struct cgroup_file files[2][FILES_MAX];
} controllers[CELL_LIMIT_COUNT] = {
    [CELL_LIMIT_MEMORY] = {{"memory", "memory"},
                           {{{"memory.limit_in_bytes", true},
                             {"memory.memsw.limit_in_bytes", false}},
                            {{"memory.max", true}}}},
    [CELL_LIMIT_PIDS] = {{"pids", "pids"}, {{{"pids.max", true}}, {{"pids.max", true}}}},
    [CELL_LIMIT_CPU] = {{"cpu", "cpu"}, {{{"cpu.cfs_quota_us", true}}, {{"cpu.max", true}}}},
    [CELL_LIMIT_IO] = {{"blkio", "io"},
                       {{{"blkio.throttle.read_bps_device", true},
                         {"blkio.throttle.write_bps_device", true}},
                        {{"io.max", true}}}},
};

const char *cell_limit_name(enum cell_limit limit)
{
    return controllers[limit].name[1];
}

char *cell_limit_place(enum cell_limit limit, int *ret_version)
{
    char *place = cgroup_place(controllers[limit].name[0], ret_version);

    /* Whoever asks for v1's blkio finds v2 by another name. */
    if (place != NULL || strcmp(controllers[limit].name[0], controllers[limit].name[1]) == 0)
        return place;
    return cgroup_place(controllers[limit].name[1], ret_version);
}

/* "8:0", of the disk below the run's folder; NULL: no disk, or not one that can be told. */
static char *io_value(const struct cell_plan *plan, int version)
{
    unsigned long long most = (unsigned long long)plan->io_bytes;
    unsigned major = 0, minor = 0;

    if (most == 0 || !disk_device_of(plan->disk_fd, &major, &minor))
        return NULL;
    return version == 2 ? xformat("%u:%u rbps=%llu wbps=%llu", major, minor, most, most)
                        : xformat("%u:%u %llu", major, minor, most);
}

static char *limit_value(enum cell_limit kind, const struct cell_plan *plan, int version)
{
    unsigned long long quota = (unsigned long long)plan->cpu_percent * CPU_PERIOD_US / 100;

    switch (kind) {
    case CELL_LIMIT_MEMORY:
        return plan->memory_bytes == 0
                   ? NULL
                   : xformat("%llu", (unsigned long long)plan->memory_bytes);
    case CELL_LIMIT_PIDS: /* and pid 1 */
        return xformat("%u", (plan->pids == 0 ? 512 : plan->pids) + 1);
    case CELL_LIMIT_CPU:
        if (plan->cpu_percent == 0)
            return NULL;
        return version == 2 ? xformat("%llu %d", quota, CPU_PERIOD_US)
                            : xformat("%llu", quota);
    case CELL_LIMIT_IO:
        return io_value(plan, version);
    case CELL_LIMIT_COUNT:
        break;
    }
    return NULL;
}

static int open_tasks(const char *folder)
{
    AUTO_FREE char *path = xformat("%s/tasks", folder);

    return open(path, O_RDWR | O_CLOEXEC);
}

/* Index of the folder, which may be known already: v2, or co-mounted controllers. */
static size_t open_folder(struct limits *limits, char *folder, int version)
{
    for (size_t i = 0; i < limits->count; i++)
        if (strcmp(limits->folders[i], folder) == 0) {
            free(folder);
            return i;
        }
    if (mkdir(folder, 0755) < 0) {
        free(folder);
        return SIZE_MAX;
    }
    limits->tasks[limits->count] = version == 1 ? open_tasks(folder) : -1;
    limits->folders[limits->count] = folder;
    return limits->count++;
}

static void limit_one(struct limits *limits, enum cell_limit kind,
                      const struct cell_plan *plan)
{
    int version = 0;
    AUTO_FREE char *place = cell_limit_place(kind, &version);
    AUTO_FREE char *value = place == NULL ? NULL : limit_value(kind, plan, version);
    const struct cgroup_file *files;
    const char *folder;
    size_t at;

    if (value == NULL)
        return;
    files = controllers[kind].files[version - 1];
    at = open_folder(limits,
                     xformat("%s/" FOLDER_PREFIX "%s-%d", place, plan->run, (int)getpid()),
                     version);
    if (at == SIZE_MAX)
        return;
    folder = limits->folders[at];
    for (size_t i = 0; i < FILES_MAX && files[i].name != NULL; i++)
        if (!cgroup_put(folder, files[i].name, value) && files[i].required)
            return;
    if (kind == CELL_LIMIT_MEMORY && version == 2) { /* swap would be memory by another name */
        (void)cgroup_put(folder, "memory.swap.max", "0");
        (void)cgroup_put(folder, "memory.oom.group", "1");
    }
    limits->holds[kind] = true;
    limits->folder_of[kind] = at;
}

void limits_open(const struct cell_plan *plan, struct limits *ret_limits)
{
    *ret_limits = (struct limits){.keeper = -1, .keeper_socket = -1};
    for (unsigned kind = 0; kind < CELL_LIMIT_COUNT; kind++)
        limit_one(ret_limits, (enum cell_limit)kind, plan);
    if (ret_limits->count > 0)
        keeper_start(ret_limits);
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
        for (size_t kind = 0; kind < CELL_LIMIT_COUNT; kind++)
            limits->holds[kind] = limits->holds[kind] && limits->folder_of[kind] != i;
    }
}

uint64_t limits_memory_kills(const struct limits *limits)
{
    const char *folder = limits->holds[CELL_LIMIT_MEMORY]
                             ? limits->folders[limits->folder_of[CELL_LIMIT_MEMORY]]
                             : NULL;

    if (folder == NULL)
        return 0;
    return cgroup_count(
        folder, cgroup_has(folder, "memory.max") ? "memory.events" : "memory.oom_control",
        "oom_kill");
}

void limits_release(const struct limits *limits)
{
    for (size_t i = 0; i < limits->count; i++)
        cgroup_release(limits->folders[i]);
}

void limits_close(struct limits *limits)
{
    bool removed = keeper_remove(limits, CLOSE_TRIES);

    if (limits->keeper > 0) {
        (void)close(limits->keeper_socket);
        while (removed && waitpid(limits->keeper, NULL, 0) < 0 && errno == EINTR)
            continue;
    }
    for (size_t i = 0; i < limits->count; i++) {
        scope_close(&limits->tasks[i]);
        free(limits->folders[i]);
    }
    *limits = (struct limits){.keeper = -1, .keeper_socket = -1};
}

/* Takes the groups of one place that were made for the run. */
static void find_left(const char *place, const char *run, struct limits *left)
{
    AUTO_FREE char *prefix = xformat(FOLDER_PREFIX "%s-", run);
    DIR *groups = opendir(place);

    if (groups == NULL)
        return;
    for (const struct dirent *entry;
         left->count < CELL_LIMIT_COUNT && (entry = readdir(groups)) != NULL;)
        if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0)
            left->folders[left->count++] = xformat("%s/%s", place, entry->d_name);
    (void)closedir(groups);
}

bool cell_sweep(const char *run)
{
    bool all = true;

    for (unsigned i = 0; i < CELL_LIMIT_COUNT; i++) {
        int version = 0;
        AUTO_FREE char *place = cell_limit_place((enum cell_limit)i, &version);
        struct limits left = {.keeper = -1, .keeper_socket = -1};

        if (place != NULL)
            find_left(place, run, &left);
        limits_release(&left);
        all = keeper_remove(&left, CLOSE_TRIES) && all;
        for (size_t k = 0; k < left.count; k++)
            free(left.folders[k]);
    }
    return all;
}
