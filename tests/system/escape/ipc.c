/* Attempts by what processes share besides files: queues, semaphores, segments; and on what
 * container engines mask. */
#include "escape.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

/* Made on the host by the test: none of the cell may find them. */
#define HOST_KEY 0x43555354
#define HOST_QUEUE "/custody-escape"
#define SEGMENTS_MAX 100000
#define SEGMENT_BYTES 4096
#define DEPTH_MAX 12

static int list_queues(const struct target *target)
{
    struct msginfo info;

    (void)target;
    if (msgctl(0, MSG_INFO, (struct msqid_ds *)&info) < 0)
        return errno;
    return info.msgpool == 0 ? HELD : GOT_THROUGH;
}

static int list_semaphores(const struct target *target)
{
    struct seminfo info;

    (void)target;
    if (semctl(0, 0, SEM_INFO, &info) < 0)
        return errno;
    return info.semusz == 0 ? HELD : GOT_THROUGH;
}

static int find_queue(const struct target *target)
{
    (void)target;
    return errno_of(msgget(HOST_KEY, 0));
}

static int find_semaphores(const struct target *target)
{
    (void)target;
    return errno_of(semget(HOST_KEY, 0, 0));
}

static int find_segment(const struct target *target)
{
    (void)target;
    return errno_of(shmget(HOST_KEY, 0, 0));
}

static int find_posix_queue(const struct target *target)
{
    (void)target;
    return errno_of((int)mq_open(HOST_QUEUE, O_RDWR));
}

static int large_segment(const struct target *target)
{
    (void)target;
    return errno_of(shmget(IPC_PRIVATE, 1UL << 30, IPC_CREAT | 0600));
}

static int large_semaphores(const struct target *target)
{
    (void)target;
    return errno_of(semget(IPC_PRIVATE, 32000, IPC_CREAT | 0600));
}

/* Segments without end, each of which lasts longer than who made it. */
static int fill_segments(const struct target *target)
{
    static int made[SEGMENTS_MAX];
    int count = 0, error = GOT_THROUGH;

    (void)target;
    while (count < SEGMENTS_MAX) {
        made[count] = shmget(IPC_PRIVATE, SEGMENT_BYTES, IPC_CREAT | 0600);
        if (made[count] < 0) {
            error = errno;
            break;
        }
        count++;
    }
    for (int i = 0; i < count; i++)
        (void)shmctl(made[i], IPC_RMID, NULL);
    return error;
}

static int fill_posix_queues(const struct target *target)
{
    char name[64];
    int count = 0, error = GOT_THROUGH;

    (void)target;
    for (; count < SEGMENTS_MAX; count++) {
        mqd_t queue;

        (void)snprintf(name, sizeof(name), "/escape-%d", count);
        queue = mq_open(name, O_RDWR | O_CREAT, 0600, NULL);
        if (queue < 0) {
            error = errno;
            break;
        }
        (void)mq_close(queue);
    }
    for (int i = 0; i < count; i++) {
        (void)snprintf(name, sizeof(name), "/escape-%d", i);
        (void)mq_unlink(name);
    }
    return error;
}

/* The lists of runc and containerd, and what newer engines add. */
static const char *const masked[] = {
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
    "/sys/devices/system/cpu/cpu0/thermal_throttle",
    "/sys/dev/block",
    "/sys/fs/selinux",
};
static const char *const read_only[] = {
    "/proc/bus",      "/proc/fs",     "/proc/irq", "/proc/sys",
    "/proc/pressure", "/proc/driver", "/proc/tty",
};

/* Does it hold anything? */
static int shows(const char *path)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK);
    const struct dirent *entry;
    char byte;
    DIR *folder;
    int found = 0;

    if (fd < 0)
        return 0;
    folder = fdopendir(fd);
    if (folder == NULL) {
        found = read(fd, &byte, 1) > 0;
        (void)close(fd);
        return found;
    }
    while ((entry = readdir(folder)) != NULL)
        found |= strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    (void)closedir(folder);
    return found;
}

static int look_behind_masks(const struct target *target)
{
    (void)target;
    for (size_t i = 0; i < COUNT(masked); i++)
        if (shows(masked[i])) {
            (void)fprintf(stderr, "%s shows something\n", masked[i]);
            return GOT_THROUGH;
        }
    return HELD;
}

/* Can anything at or below it be opened for writing? */
static int takes_writes(int parent, const char *name, int depth)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;
    int found = 0;

    if (folder == NULL) {
        if (fd >= 0)
            (void)close(fd);
        fd = openat(parent, name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK);
        if (fd < 0)
            return 0;
        (void)fprintf(stderr, "%s can be written\n", name);
        (void)close(fd);
        return 1;
    }
    while (found == 0 && depth < DEPTH_MAX && (entry = readdir(folder)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            found = takes_writes(dirfd(folder), entry->d_name, depth + 1);
    (void)closedir(folder);
    return found;
}

static int write_settings(const struct target *target)
{
    (void)target;
    for (size_t i = 0; i < COUNT(read_only); i++)
        if (takes_writes(AT_FDCWD, read_only[i], 0))
            return GOT_THROUGH;
    return HELD;
}

const struct attempt attempts_on_ipc[] = {
    {"queues-listed", "lists System V queues of the host", list_queues, {HELD}, SILENT},
    {"semaphores-listed",
     "lists System V semaphores of the host",
     list_semaphores,
     {HELD},
     SILENT},
    {"queue-host", "a queue of the host, by its key", find_queue, {ENOENT}, SILENT},
    {"semaphores-host", "semaphores of the host, by key", find_semaphores, {ENOENT}, SILENT},
    {"segment-host", "shared memory of the host, by key", find_segment, {ENOENT}, SILENT},
    {"posix-queue-host",
     "a POSIX queue of the host, by name",
     find_posix_queue,
     {ENOENT, EACCES},
     SILENT},
    {"segment-large", "a segment that outlives it, of 1 GiB", large_segment, {EINVAL}, SILENT},
    {"semaphores-large",
     "32000 semaphores at once, kernel memory",
     large_semaphores,
     {EINVAL},
     SILENT},
    {"fill-segments", "segments without end", fill_segments, {ENOSPC}, SILENT},
    {"fill-posix-queues",
     "POSIX queues without end",
     fill_posix_queues,
     {EMFILE, ENOSPC, ENOMEM},
     SILENT},
    {"masks",
     "what container engines mask in /proc and /sys",
     look_behind_masks,
     {HELD},
     SILENT},
    {"settings",
     "opens every file of /proc/sys, bus, fs, irq for writing",
     write_settings,
     {HELD},
     SILENT},
};
const size_t attempts_on_ipc_count = COUNT(attempts_on_ipc);
