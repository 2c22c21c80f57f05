/* The kernel's account of reads against a view's that may be wrong. As root. */
#include "test.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/file.h"
#include "os/message.h"
#include "os/spawn.h"
#include "roles/core/parts.h"
#include "roles/observer/observer.h"
#include "view/crossed.h"

#define NODES 64
#define WAIT_MS 10000
#define OTHER_ID 65534

struct world {
    char folder[64];
    struct process observer;
    int control;
    uint8_t crossed[NODES];
};

static uint32_t make_file(const struct world *world, const char *name)
{
    AUTO_FREE char *path = xformat("%s/%s", world->folder, name);
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    struct stat stat;

    assert_int_equal(write(fd, "some\n", 5), 5);
    assert_int_equal(fstat(fd, &stat), 0);
    assert_in_range(stat.st_ino, 1, NODES);
    return (uint32_t)stat.st_ino - 1;
}

static void open_file(const struct world *world, const char *name, bool read_it)
{
    AUTO_FREE char *path = xformat("%s/%s", world->folder, name);
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    char byte;

    assert_true(fd >= 0);
    if (read_it)
        assert_int_equal(read(fd, &byte, 1), 1);
}

static void map_file(const struct world *world, const char *name)
{
    AUTO_FREE char *path = xformat("%s/%s", world->folder, name);
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    const char *at = mmap(NULL, 5, PROT_READ, MAP_PRIVATE, fd, 0);

    assert_true(at != MAP_FAILED && at[0] == 's');
    assert_int_equal(munmap((void *)(uintptr_t)at, 5), 0);
}

static void begin(struct world *world)
{
    struct observer_config config = {.nodes = NODES, .uid = OTHER_ID, .gid = OTHER_ID};
    struct fault fault = {0};
    int control[2];

    *world = (struct world){0};
    (void)snprintf(world->folder, sizeof(world->folder), "/tmp/custody-test-XXXXXX");
    assert_non_null(mkdtemp(world->folder));
    assert_int_equal(unshare(CLONE_NEWNS), 0);
    assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    assert_int_equal(mount("tmpfs", world->folder, "tmpfs", 0, NULL), 0);
    assert_ok(message_pair(control, &fault), fault);
    config.control = control[1];
    assert_ok(spawn_role("observer", observer_role, &config, (const int[]){control[1]}, 1,
                         &world->observer, &fault),
              fault);
    (void)close(control[1]);
    world->control = control[0];
}

static bool watch(const struct world *world)
{
    AUTO_CLOSE int folder = open(world->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct fault fault = {0};
    bool watching;

    assert_ok(observer_watch(world->control, folder, WAIT_MS, &watching, &fault), fault);
    return watching;
}

static struct observer_result compare(const struct world *world)
{
    AUTO_CLOSE int crossed = memfd_create("crossed", MFD_CLOEXEC);
    struct observer_result result;
    struct fault fault = {0};

    assert_ok(file_write_all(crossed, slice_of_bytes(world->crossed, NODES), &fault), fault);
    assert_ok(observer_settle(world->control, WAIT_MS, &fault), fault);
    assert_ok(observer_compare(world->control, crossed, WAIT_MS, &result, &fault), fault);
    return result;
}

static void end(struct world *world)
{
    struct fault fault = {0};
    int status;

    (void)close(world->control);
    assert_ok(process_wait(&world->observer, WAIT_MS, &status, &fault), fault);
    assert_int_equal(status, 0);
    assert_int_equal(umount2(world->folder, MNT_DETACH), 0);
    assert_int_equal(rmdir(world->folder), 0);
}

static void both_accounts_agree_or_the_difference_is_named(void **state)
{
    struct world world;
    struct observer_result result;
    uint32_t right, unrecorded, invented, own, mapped, opened;

    (void)state;
    if (geteuid() != 0) {
        print_message("skipped: only root may watch a file system\n");
        skip();
    }
    begin(&world);
    right = make_file(&world, "right");
    unrecorded = make_file(&world, "unrecorded");
    invented = make_file(&world, "invented");
    own = make_file(&world, "own");
    mapped = make_file(&world, "mapped");
    opened = make_file(&world, "opened");
    if (!watch(&world)) {
        end(&world);
        print_message("skipped: no mark on a file system is to be had here\n");
        skip();
    }
    result = compare(&world);
    assert_int_equal(result.events, 0);
    assert_false(core_accounts_agree(&result)); /* nothing was seen: nothing is proven */
    for (int times = 0; times < 1000; times++)
        open_file(&world, "right", true);
    open_file(&world, "unrecorded", true);
    open_file(&world, "own", true);
    open_file(&world, "opened", false);
    map_file(&world, "mapped");
    memset(world.crossed, VIEW_CROSSED_FILE, NODES);
    assert_true(compare(&world).events >= 4);
    world.crossed[right] |= VIEW_CROSSED_READ;
    world.crossed[invented] |= VIEW_CROSSED_READ;
    world.crossed[mapped] |= VIEW_CROSSED_READ;
    world.crossed[own] |= VIEW_CROSSED_WRITTEN;
    result = compare(&world);
    assert_int_equal(result.opened, 5);
    assert_int_equal(result.read, 3);
    assert_int_equal(result.recorded, 3);
    assert_int_equal(result.unrecorded, 1);
    assert_int_equal(result.unseen, 1);
    assert_int_equal(result.difference_count, 2);
    assert_true(result.differences[0] == unrecorded || result.differences[1] == unrecorded);
    assert_true(result.differences[0] == invented || result.differences[1] == invented);
    world.crossed[unrecorded] |= VIEW_CROSSED_READ;
    world.crossed[invented] = VIEW_CROSSED_FILE;
    world.crossed[opened] = VIEW_CROSSED_FILE;
    result = compare(&world);
    assert_int_equal(result.difference_count, 0);
    assert_true(core_accounts_agree(&result));
    end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(both_accounts_agree_or_the_difference_is_named)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
