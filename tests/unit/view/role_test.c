#include "test.h"
#include "values.h"

#include "view/fixture.h"

#include "ledger/ledger.h"
#include "classify/rules.h"
#include "ledger/reader.h"
#include "policy/policy.h"
#include "roles/ledger_role/ledger.h"
#include "roles/guard/seen.h"
#include "roles/view_role/view.h"

#define RECORDS_MAX 40 /* of a view */

struct world {
    struct fixture fixture;
    char *home, *upper, *git;
    int home_fd, upper_fd, git_fd, snapshot_fd, control;
    bool without_fuse;
    int plain_fd, identity_fd;
    struct policy *policy;
    struct ledger_client *core;
    struct process role;
    struct view_ready ready;
};

static struct policy *make_policy(void)
{
    AUTO_FREE char *outer_text =
        policy_template_organisation("maria", "maria@example.org", NULL);
    AUTO_FREE char *inner_text = policy_template_repository("payments", "maria");
    struct policy_settings *outer = NULL, *inner = NULL;
    struct policy *policy = NULL;
    struct fault fault = {0};

    assert_ok(policy_read(slice_of(outer_text), "policy.yaml", &outer, &fault), fault);
    assert_ok(policy_read(slice_of(inner_text), "custody.yaml", &inner, &fault), fault);
    assert_ok(policy_build(outer, inner, &policy, &fault), fault);
    policy_settings_free(outer);
    policy_settings_free(inner);
    return policy;
}

static int make_folder(const char *path)
{
    int fd;

    assert_int_equal(mkdir(path, 0755), 0);
    assert_int_equal(chown(path, FIXTURE_UID, FIXTURE_UID), 0);
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static void start_role(struct world *world, int *ret_ledger, struct fault *fault)
{
    static const struct view_plant plants[] = {
        {.name = ".canary.csv", .content = {(const uint8_t *)"card number," CARD "\n", 29}},
        {.name = ".canary-denied", .content = {(const uint8_t *)"x", 1}, .deny = true},
    };
    uint64_t types = UINT64_C(1) << RECORD_FILE_READ | UINT64_C(1) << RECORD_FILE_WRITTEN |
                     UINT64_C(1) << RECORD_FILE_REFUSED | UINT64_C(1) << RECORD_FILE_REDACTED;
    int control[2], ledger, seen;
    struct view_config config = {
        .served_fd = -1,
        .snapshot_fd = world->snapshot_fd,
        .content_fd = world->fixture.content_fd,
        .upper_fd = world->upper_fd,
        .plain_fd = world->plain_fd,
        .identity_fd = world->identity_fd,
        .git_fd = world->git_fd,
        .lister_fd = -1,
        .uid = FIXTURE_UID,
        .gid = FIXTURE_UID,
        .drop_user = true,
        .policy = world->policy,
        .role = "coder",
        .run = "r-1",
        .agent = "coder@payments#r-1",
        .on_behalf_of = "maria",
        .key = {1, 2, 3},
        .git = {.branch = "main",
                .user_name = "coder",
                .user_email = "coder@run.invalid",
                .time_s = 1700000001,
                .message = "base\n",
                .alternates = "/run/custody/objects"},
        .plants = plants,
        .plant_count = COUNT(plants),
        .upper_bytes_max = 1U << 30,
        .records_max = RECORDS_MAX,
    };

    assert_ok(ledger_producer(world->core, "view/r-1", types, &ledger, fault), *fault);
    assert_ok(message_pair(control, fault), *fault);
    assert_ok(seen_make(&seen, fault), *fault);
    config.ledger_fd = ledger;
    config.control_fd = control[1];
    config.seen_fd = seen;
    assert_ok(spawn_role("view", view_role, &config,
                         (const int[]){control[1], ledger, world->snapshot_fd,
                                       config.content_fd, world->upper_fd, world->git_fd, seen,
                                       world->plain_fd, world->identity_fd},
                         world->without_fuse ? 9 : 7, &world->role, fault),
              *fault);
    (void)close(seen);
    (void)close(control[1]);
    world->control = control[0];
    *ret_ledger = ledger;
}

static const char *begin(struct world *world)
{
    AUTO_FREE char *snapshot = NULL;
    struct fault fault = {0};
    int socket, ledger;

    *world = (struct world){.fixture = {.hide_names = true},
                            .control = -1,
                            .without_fuse = world->without_fuse,
                            .plain_fd = -1,
                            .identity_fd = -1};
    if (getuid() != 0)
        return "mounting needs root here";
    assert_ok(fixture_repository(&world->fixture, fixture_files, &fault), fault);
    world->home = xformat("%s/home", world->fixture.folder);
    world->upper = xformat("%s/upper", world->fixture.folder);
    world->git = xformat("%s/git", world->fixture.folder);
    snapshot = xformat("%s/" FIXTURE_KEY, world->fixture.folder);
    assert_int_equal(mkdir(world->home, 0700), 0);
    world->home_fd = open(world->home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    world->snapshot_fd = open(snapshot, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    world->upper_fd = make_folder(world->upper);
    world->git_fd = make_folder(world->git);
    if (world->without_fuse) {
        world->plain_fd = fixture_folder(world->fixture.mount);
        world->identity_fd = memfd_create("identities", MFD_CLOEXEC);
    }
    world->policy = make_policy();
    (void)setenv("CUSTODY_LEDGER_LINGER_MS", "0", 1);
    assert_ok(ledger_keys_make(world->home_fd, &fault), fault);
    assert_ok(ledger_connect(world->home, world->home_fd, &socket, &fault), fault);
    world->core = ledger_client_new(socket);
    start_role(world, &ledger, &fault);
    (void)close(ledger);
    assert_ok(view_await_ready(world->control, 20000, &world->ready, &fault), fault);
    return NULL;
}

static const char *mount_it(struct world *world)
{
    AUTO_CLOSE int fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    AUTO_CLOSE int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct fault fault = {0};
    char options[128];

    if (fuse < 0)
        return "/dev/fuse cannot be opened";
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return "no mount namespace";
    (void)snprintf(options, sizeof(options),
                   "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions",
                   fuse);
    if (mount("custody", world->fixture.mount, "fuse.custody", MS_NOSUID | MS_NODEV, options) <
        0)
        return "FUSE cannot be mounted";
    assert_ok(view_mounted(world->control, fuse, proc, &fault), fault);
    fixture_as_agent(true);
    assert_int_equal(chdir(world->fixture.mount), 0);
    return NULL;
}

static void clean(struct world *world)
{
    ledger_client_free(world->core);
    policy_free(world->policy);
    (void)close(world->home_fd);
    (void)close(world->snapshot_fd);
    (void)close(world->upper_fd);
    (void)close(world->git_fd);
    scope_close(&world->plain_fd);
    scope_close(&world->identity_fd);
    free(world->home);
    free(world->upper);
    free(world->git);
    fixture_end(&world->fixture);
}

static void end(struct world *world)
{
    struct fault fault = {0};
    int status = -1;

    fixture_as_agent(false);
    (void)chdir("/");
    scope_close(&world->control);
    assert_ok(process_wait(&world->role, 10000, &status, &fault), fault);
    assert_int_equal(status, 0);
    clean(world);
}

struct search {
    const char *one, *other;
    size_t count;
};

static bool look(void *self, uint64_t index, struct slice leaf, struct fault *fault)
{
    struct search *search = self;

    (void)index;
    (void)fault;
    search->count += slice_find(leaf, slice_of(search->one), 0) != SIZE_MAX &&
                     slice_find(leaf, slice_of(search->other), 0) != SIZE_MAX;
    return true;
}

/* How many records hold both texts. */
static size_t records(struct world *world, const char *one, const char *other)
{
    AUTO_CLOSE int folder = -1;
    struct reader_options options = {.with_unsealed = true};
    struct search search = {one, other, 0};
    struct fault fault = {0};
    bool agent = getuid() != 0;
    uint64_t next;

    fixture_as_agent(false);
    folder = openat(world->home_fd, "ledger", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_ok(reader_each(folder, &options, look, &search, &next, &fault), fault);
    fixture_as_agent(agent);
    return search.count;
}

static bool tell(void *self, struct view_told *told, struct fault *fault)
{
    AUTO_BUF struct buf content = buf_with_limit(65536);
    struct buf *text = self;

    if (told->fd >= 0 && !file_read_fd(told->fd, &content, fault))
        return false;
    return buf_add_format(text, fault, "%d %s %o [%.*s]\n", (int)told->kind, told->path,
                          told->mode, SLICE_ARGS(buf_slice(&content)));
}

static void read_all(const char *name, struct buf *ret_bytes)
{
    struct fault fault = {0};

    buf_clear(ret_bytes);
    assert_ok(file_read(AT_FDCWD, name, ret_bytes, &fault), fault);
    (void)buf_text(ret_bytes);
}

static void write_text(const char *name, const char *text)
{
    AUTO_CLOSE int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void a_run_is_served_recorded_and_collected(void **state)
{
    AUTO_BUF struct buf bytes = buf_with_limit(65536);
    AUTO_BUF struct buf changes = buf_with_limit(65536);
    struct view_collected collected = {0};
    struct fault fault = {0};
    struct view_witness witness = {0};
    struct world world = {0};
    const char *reason = begin(&world);
    AUTO_FREE char *receipt = NULL;

    (void)state;
    if (reason == NULL && (reason = mount_it(&world)) != NULL)
        end(&world);
    if (reason != NULL) {
        print_message("skipped: %s\n", reason);
        skip();
    }
    print_message("ready after %llu us of CPU\n", (unsigned long long)world.ready.cpu_us);
    read_all(".canary.csv", &bytes);
    assert_int_equal(slice_find(buf_slice(&bytes), SLICE(CARD), 0), SIZE_MAX);
    assert_int_equal(bytes.len, 29);
    assert_int_equal(access(".canary-denied", F_OK), -1);
    assert_int_equal(open("custody.yaml", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644), -1);
    assert_int_equal(errno, EACCES);
    assert_ok(view_disarm_planted(world.control, 10000, &witness, &fault), fault);
    assert_int_equal(witness.reads, 1);
    assert_int_equal(witness.reads_refused, 1);
    assert_int_equal(witness.writes_refused, 1);
    assert_int_equal(access(".canary.csv", F_OK), -1);
    read_all("data/cards.csv", &bytes);
    assert_int_equal(slice_find(buf_slice(&bytes), SLICE(CARD), 0), SIZE_MAX);
    assert_int_equal(records(&world, "\"file.read\"", "data/cards.csv"),
                     1); /* before the bytes */
    assert_int_equal(records(&world, "\"file.redacted\"", "data/cards.csv"), 1);
    receipt = xformat("\"receipts\":\"%s pan ", classify_rule_id(0)); /* as the fixture says */
    assert_int_equal(records(&world, receipt, "#1="), 1);
    read_all("src/main.c", &bytes);
    write_text("src/main.c", "changed\n");
    write_text("bad\x01\xff name", "odd");
    assert_int_equal(open("new.pem", O_WRONLY | O_CREAT | O_CLOEXEC, 0644), -1);
    assert_int_equal(errno, EACCES);
    assert_int_equal(unlink("infra/net.tf"), -1);
    assert_int_equal(errno, EACCES);
    fixture_as_agent(false);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(umount(world.fixture.mount), 0);
    assert_ok(view_collect(world.control, 10000, tell, &changes, &collected, &fault), fault);
    (void)close(collected.crossed);
    assert_string_equal(buf_text(&changes), "1 src/main.c 100644 [changed\n]\n"
                                            "0 bad\x01\xff name 100644 [odd]\n");
    assert_int_equal(collected.changes, 2);
    assert_ok(ledger_checkpoint(world.core, &fault), fault);
    assert_int_equal(records(&world, "\"file.read\"", "src/main.c"), 1);
    assert_int_equal(records(&world, "\"executable\":\"/", "src/main.c"), 2);
    assert_int_equal(records(&world, "\"operation\":\"modify\"", "src/main.c"), 1);
    assert_int_equal(records(&world, "\"operation\":\"create\"", "bad%01%FF name"), 1);
    assert_int_equal(records(&world, "\"file.refused\"", "new.pem"),
                     2); /* looked for, and made */
    assert_int_equal(records(&world, "\"operation\":\"delete\"", "infra/net.tf"), 1);
    assert_int_equal(records(&world, "file.", CARD), 0);
    end(&world);
}

static void files_are_written_out_and_collected_without_fuse(void **state)
{
    AUTO_BUF struct buf bytes = buf_with_limit(65536);
    AUTO_BUF struct buf changes = buf_with_limit(65536);
    struct view_collected collected = {0};
    struct view_witness witness = {0};
    struct fault fault = {0};
    struct world world = {.without_fuse = true};
    const char *reason = begin(&world);

    (void)state;
    if (reason != NULL) {
        print_message("skipped: %s\n", reason);
        skip();
    }
    fixture_as_agent(true);
    assert_int_equal(chdir(world.fixture.mount), 0);
    read_all(".canary.csv", &bytes);
    assert_int_equal(slice_find(buf_slice(&bytes), SLICE(CARD), 0), SIZE_MAX);
    assert_int_equal(bytes.len, 29);
    assert_int_equal(access(".canary-denied", F_OK), -1);
    assert_ok(view_disarm_planted(world.control, 10000, &witness, &fault), fault);
    assert_int_equal(access(".canary.csv", F_OK), -1);
    read_all("data/cards.csv", &bytes);
    assert_int_equal(slice_find(buf_slice(&bytes), SLICE(CARD), 0), SIZE_MAX);
    assert_int_equal(access("secrets", F_OK), -1);
    write_text("src/main.c", "changed\n");
    fixture_as_agent(false);
    assert_int_equal(chdir("/"), 0);
    assert_ok(view_collect(world.control, 10000, tell, &changes, &collected, &fault), fault);
    assert_string_equal(buf_text(&changes), "1 src/main.c 100644 [changed\n]\n");
    scope_close(&collected.crossed);
    end(&world);
}

static void a_flood_of_records_ends_the_view(void **state)
{
    struct world world = {0};
    struct fault fault = {0};
    const char *reason = begin(&world);
    int status = -1;

    (void)state;
    if (reason == NULL && (reason = mount_it(&world)) != NULL)
        end(&world);
    if (reason != NULL) {
        print_message("skipped: %s\n", reason);
        skip();
    }
    errno = EACCES;
    for (int i = 0; i < RECORDS_MAX + 2 && errno == EACCES; i++)
        assert_int_equal(open("new.pem", O_WRONLY | O_CREAT | O_CLOEXEC, 0644), -1);
    assert_int_not_equal(errno, EACCES); /* nobody answers any more */
    fixture_as_agent(false);
    assert_int_equal(chdir("/"), 0);
    assert_ok(process_wait(&world.role, 10000, &status, &fault), fault);
    assert_int_equal(status, 2);
    (void)umount(world.fixture.mount);
    scope_close(&world.control);
    clean(&world);
}

static void view_without_a_git_folder_says_why(void **state)
{
    struct view_witness witness;
    struct fault fault = {0};
    struct view_ready ready;
    struct world world = {0};
    const char *reason = begin(&world);
    int ledger, status = -1;

    (void)state;
    if (reason != NULL) {
        print_message("skipped: %s\n", reason);
        skip();
    }
    assert_ok(view_disarm_planted(world.control, 10000, &witness, &fault), fault);
    scope_close(&world.control);
    assert_ok(process_wait(&world.role, 10000, &status, &fault), fault);
    assert_int_equal(status, 0);
    start_role(&world, &ledger, &fault); /* the git folder is not empty any more */
    (void)close(ledger);
    assert_ok(view_await_ready(world.control, 10000, &ready, &fault), fault);
    assert_false(view_disarm_planted(world.control, 10000, &witness, &fault));
    assert_non_null(strstr(fault.why, "git folder: make "));
    assert_ok(process_wait(&world.role, 10000, &status, &fault), fault);
    assert_int_equal(status, 2);
    scope_close(&world.control);
    clean(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_run_is_served_recorded_and_collected),
        TEST(files_are_written_out_and_collected_without_fuse),
        TEST(a_flood_of_records_ends_the_view),
        TEST(view_without_a_git_folder_says_why),
    };
    struct fault fault = {0};

    if (!rules_use_texts(NULL, 0, &fault)) /* the role that is forked is sealed */
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
