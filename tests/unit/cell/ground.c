#include "ground.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "test.h"
#include "os/file.h"

#define RUN_MS_MAX 60000

static const char *const ground_environment[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C",
                                                 NULL};

void ground_begin(struct ground *ground)
{
    bool root = geteuid() == 0;

    *ground = (struct ground){0};
    (void)snprintf(ground->folder, sizeof(ground->folder), "/tmp/custody-cell-XXXXXX");
    assert_non_null(mkdtemp(ground->folder));
    assert_int_equal(chmod(ground->folder, 0755), 0);
    (void)snprintf(ground->plain, sizeof(ground->plain), "%s/plain", ground->folder);
    (void)close(ground_folder(ground, "plain"));
    ground->plan = (struct cell_plan){
        .run = "unit",
        .repository = "/srv/payments/repo",
        .plain = ground->plain,
        .outside = ground->folder,
        .environment = ground_environment,
        .uid = root ? GROUND_UID : (uid_t)-1,
        .gid = root ? GROUND_UID : (gid_t)-1,
        .git_fd = -1,
        .lister_fd = -1,
        .opener_fd = -1,
        .objects_fd = -1,
        .engine_fd = -1,
        .in = -1,
        .out = -1,
        .err = -1,
    };
    cell_mounts_default(&ground->plan.mounts);
}

int ground_folder(const struct ground *ground, const char *name)
{
    char path[200];
    int fd;

    (void)snprintf(path, sizeof(path), "%s/%s", ground->folder, name);
    assert_int_equal(mkdir(path, 0755), 0);
    if (geteuid() == 0)
        assert_int_equal(chown(path, GROUND_UID, GROUND_UID), 0);
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

void ground_end(struct ground *ground)
{
    struct fault fault = {0};

    cell_mounts_free(&ground->plan.mounts);
    assert_ok(file_remove_tree(AT_FDCWD, ground->folder, &fault), fault);
}

/* One step of the talk with pid 1. False when it is over. */
static bool hear(struct ground *ground, struct cell *cell, void (*door)(int socket),
                 struct outcome *outcome)
{
    struct cell_packet packet;
    struct fault fault = {0};

    assert_ok(cell_receive(cell, RUN_MS_MAX, &packet, &fault), fault);
    switch (packet.type) {
    case CELL_MOUNTED:
        if (packet.door_fd >= 0 && door != NULL)
            door(packet.door_fd);
        if (packet.door_fd >= 0)
            (void)close(packet.door_fd);
        if (packet.fuse_fd >= 0 && ground->serve != NULL)
            ground->serve(packet.fuse_fd, packet.proc_fd);
        if (packet.fuse_fd >= 0)
            (void)close(packet.fuse_fd);
        (void)close(packet.proc_fd);
        assert_ok(cell_view_ready(cell, &fault), fault);
        return true;
    case CELL_LISTENER:
    case CELL_SEALED:
        outcome->sealed = true;
        outcome->seal = packet;
        return cell_go(cell, &outcome->go);
    case CELL_STARTED:
        outcome->started = true;
        return true;
    case CELL_EXITED:
        outcome->exited = true;
        break;
    case CELL_FAILED:
        outcome->failed = true;
        break;
    case CELL_GONE:
        outcome->gone = true;
        break;
    }
    outcome->last = packet;
    return false;
}

void ground_run(struct ground *ground, const char *const *argv, void (*door)(int socket),
                struct outcome *ret_outcome)
{
    struct cell *cell = NULL;
    struct fault fault = {0};
    bool go_on = true;
    int output[2];

    *ret_outcome = (struct outcome){.output = buf_with_limit(GROUND_OUTPUT_MAX)};
    assert_int_equal(pipe2(output, O_CLOEXEC), 0);
    ground->plan.argv = argv;
    ground->plan.out = ground->plan.err = output[1];
    assert_ok(cell_start(&ground->plan, &cell, &fault), fault);
    (void)close(output[1]);
    ground->plan.out = ground->plan.err = -1;
    while (go_on) {
        struct pollfd fds[2] = {{.fd = output[0], .events = POLLIN},
                                {.fd = cell_socket(cell), .events = POLLIN}};
        uint8_t chunk[4096];
        ssize_t got = 0;

        assert_true(poll(fds, 2, RUN_MS_MAX) > 0);
        if ((fds[0].revents & POLLIN) != 0)
            got = read(output[0], chunk, sizeof(chunk));
        if (got > 0)
            assert_ok(
                buf_add(&ret_outcome->output, slice_of_bytes(chunk, (size_t)got), &fault),
                fault);
        else if (fds[1].revents != 0)
            go_on = hear(ground, cell, door, ret_outcome);
    }
    assert_ok(cell_end(cell, &fault), fault);
    assert_ok(file_read_fd(output[0], &ret_outcome->output, &fault), fault);
    (void)close(output[0]);
}

void outcome_free(struct outcome *outcome)
{
    buf_free(&outcome->output);
}

bool ground_process_exists(const char *word)
{
    DIR *proc = opendir("/proc");
    const struct dirent *entry;
    bool found = false;

    assert_non_null(proc);
    while (!found && (entry = readdir(proc)) != NULL) {
        AUTO_BUF struct buf text = buf_with_limit(65536);
        struct fault fault = {0};
        char path[300];

        if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
            continue;
        (void)snprintf(path, sizeof(path), "/proc/%s/cmdline", entry->d_name);
        found = file_read(AT_FDCWD, path, &text, &fault) &&
                slice_find(buf_slice(&text), slice_of(word), 0) != SIZE_MAX;
    }
    (void)closedir(proc);
    return found;
}

static size_t groups_found;
static const char *groups_prefix;

static int count_group(const char *path, const struct stat *stat, int type, struct FTW *at)
{
    (void)stat;
    if (type == FTW_D && strncmp(path + at->base, groups_prefix, strlen(groups_prefix)) == 0)
        groups_found++;
    return 0;
}

size_t ground_groups(const char *run, pid_t core)
{
    AUTO_FREE char *prefix = xformat("custody-%s-%d", run, (int)core);

    groups_found = 0;
    groups_prefix = prefix;
    (void)nftw("/sys/fs/cgroup", count_group, 16, FTW_PHYS);
    groups_prefix = NULL;
    return groups_found;
}
