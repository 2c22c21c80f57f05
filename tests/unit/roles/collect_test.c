#include "change/repository.h"
#include "values.h"

#include <pwd.h>
#include <unistd.h>

#include "base/hex.h"
#include "classify/surrogate.h"
#include "os/clock_real.h"
#include "roles/collect/collect.h"
#include "view/content.h"
#include "view/snapshot.h"

#define ACCOUNTS                                                                              \
    "name,card\nada," CARD "\nmax,5555"                                                       \
    "5555"                                                                                    \
    "5555"                                                                                    \
    "4444\n"

static const char organisation_text[] =
    "version: 1\n"
    "people:\n"
    "  - { id: ada, email: ada@example.org, groups: [payments] }\n"
    "  - { id: maria, email: maria@example.org, groups: [payments] }\n"
    "models:\n"
    "  - { name: onprem, url: \"http://127.0.0.1:8000/v1\", dialect: openai, residency: "
    "on-premises, "
    "allow: [code, phi-redacted, pan-redacted, secret-redacted, pii-redacted] }\n"
    "phase: regulated\n";

static const char repository_text[] =
    "version: 1\n"
    "repository: payments\n"
    "owner: maria\n"
    "data:\n"
    "  phi:    { view: redact, model: deny, checks: redact }\n"
    "  pan:    { view: redact, model: deny, checks: redact }\n"
    "  secret: { view: redact, model: deny, checks: allow }\n"
    "  pii:    { view: redact, model: deny, checks: redact }\n"
    "  opaque: { view: allow, model: deny }\n"
    "paths:\n"
    "  read:  { deny: [\"private/**\"], hide_names: true }\n"
    "  write: { deny: [\"infra/**\"] }\n"
    "  zone:  { \"src/cde/**\": cde }\n"
    "limits: { files: 4, lines: 40 }\n"
    "approvals: { count: 1, zone: { cde: 2 } }\n";

struct world {
    struct place place;
    char cache[64];
    struct policy_settings *organisation, *narrowing;
    struct policy *policy;
    struct collect *collect;
    struct collect_base base;
    char key[65];
};

static const uint8_t run_key[SURROGATE_KEY_LEN] = {1, 2, 3};

static void world_start(struct world *world, bool lands)
{
    struct collect_config config = {.repository = world->place.repo,
                                    .scratch = world->place.scratch,
                                    .cache = world->cache,
                                    .organisation = world->organisation,
                                    .lands = lands};
    struct fault fault = {0};

    assert_ok(collect_start(&config, &world->collect, &fault), fault);
    buf_free(&world->base.settings);
    assert_ok(collect_resolve(world->collect, NULL, &world->base, &fault), fault);
}

static void world_make(struct world *world)
{
    struct fault fault = {0};
    char *repo = world->place.repo;

    *world = (struct world){0};
    place_make(&world->place);
    (void)snprintf(world->cache, sizeof(world->cache), "%s/cache", world->place.root);
    assert_ok(file_make_folders(world->cache, 0700, &fault), fault);
    write_below(repo, "custody.yaml", repository_text);
    assert_int_equal(RUN(repo, "mkdir", "private", "infra", "src/cde"), 0);
    write_below(repo, "private/notes.txt", "nobody reads this\n");
    write_below(repo, "infra/main.tf", "resource\n");
    write_below(repo, "src/cde/pay.c", "int pay;\n");
    write_below(repo, "accounts.csv", ACCOUNTS);
    write_below(repo, "cards.csv", "card\n" CARD "\n");
    GIT(repo, "add", "-A");
    GIT(repo, "commit", "-q", "-m", "second");
    assert_ok(
        policy_read(slice_of(organisation_text), "policy.yaml", &world->organisation, &fault),
        fault);
    world_start(world, false);
    assert_ok(
        policy_settings_decode(buf_slice(&world->base.settings), &world->narrowing, &fault),
        fault);
    assert_ok(policy_build(world->organisation, world->narrowing, &world->policy, &fault),
              fault);
    collect_snapshot_key(world->base.tree, world->policy->digest, "coder", world->key);
}

static void world_end(struct world *world)
{
    collect_stop(world->collect);
    policy_free(world->policy);
    policy_settings_free(world->narrowing);
    policy_settings_free(world->organisation);
    buf_free(&world->base.settings);
    place_remove(&world->place);
}

static void world_snapshot(struct world *world)
{
    struct collect_snapshot wanted = {world->base.commit, "coder", world->key};
    struct fault fault = {0};

    assert_ok(collect_snapshot(world->collect, &wanted, NULL, NULL, &fault), fault);
}

static void resolving_gives_the_base_and_the_policy(void **state)
{
    struct world world;
    AUTO_BUF struct buf paths = buf_with_limit(65536);
    struct fault fault = {0};
    bool dirty = true;

    (void)state;
    world_make(&world);
    assert_string_equal(world.base.branch, "main");
    assert_int_equal(world.base.commit_time, 1700000000);
    assert_true(world.base.has_policy);
    assert_string_equal(collect_root(world.collect), world.place.repo);
    assert_int_equal(collect_owner(world.collect), geteuid());
    assert_string_equal(world.policy->owner, "maria");
    assert_ok(collect_dirty_begin(world.collect, &fault), fault);
    assert_ok(collect_dirty_end(world.collect, &dirty, &paths, &fault), fault);
    assert_false(dirty);
    write_below(world.place.repo, "a.txt", "dirt\n");
    assert_ok(collect_dirty_begin(world.collect, &fault), fault);
    assert_ok(collect_dirty_end(world.collect, &dirty, &paths, &fault), fault);
    assert_true(dirty);
    assert_string_equal((const char *)paths.at, "a.txt");
    world_end(&world);
}

static void a_broken_repository_policy_names_its_place(void **state)
{
    struct world world;
    struct collect_base base;
    struct fault fault = {0};

    (void)state;
    world_make(&world);
    write_below(world.place.repo, "custody.yaml", "version: 1\nversion: 2\n");
    GIT(world.place.repo, "commit", "-q", "-a", "-m", "broken");
    assert_false(collect_resolve(world.collect, NULL, &base, &fault));
    assert_int_equal(fault.kind, FAULT_INVALID);
    assert_non_null(strstr(fault.why, "custody.yaml:2"));
    world_end(&world);
}

/* A run's base is on its way before anybody asks; then all is as ever. */
static void a_base_is_resolved_unasked(void **state)
{
    static const struct {
        const char *ref;
        bool found;
    } cases[] = {{NULL, true}, {"HEAD", true}, {"no-such-branch", false}};
    struct world world;

    (void)state;
    world_make(&world);
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct collect_config config = {.repository = world.place.repo,
                                              .scratch = world.place.scratch,
                                              .resolves = true,
                                              .base = cases[i].ref};
        struct collect_base base = {0}, again = {0};
        struct collect *collect = NULL;
        struct fault fault = {0};

        assert_ok(collect_start(&config, &collect, &fault), fault);
        assert_int_equal(collect_resolved(collect, &base, &fault), cases[i].found);
        assert_ok(collect_resolve(collect, NULL, &again, &fault), fault);
        assert_string_equal(again.commit, world.base.commit);
        if (cases[i].found)
            assert_string_equal(base.commit, world.base.commit);
        buf_free(&base.settings);
        buf_free(&again.settings);
        collect_stop(collect);
    }
    world_end(&world);
}

static void what_cannot_be_opened_says_why(void **state)
{
    struct collect *collect = NULL;
    struct fault fault = {0};

    (void)state;
    assert_false(collect_start(&(struct collect_config){.repository = "/nonexistent/x"},
                               &collect, &fault));
    assert_int_equal(fault.kind, FAULT_MISSING);
    assert_false(
        collect_start(&(struct collect_config){.repository = "/usr"}, &collect, &fault));
    assert_int_equal(fault.kind, FAULT_MISSING);
    assert_non_null(strstr(fault.why, "not a git repository"));
}

static void a_snapshot_leaves_out_denied_files_and_marks_sensitive_ones(void **state)
{
    struct world world;
    struct snapshot *snapshot = NULL;
    struct fault fault = {0};
    uint32_t number;
    size_t count;

    (void)state;
    world_make(&world);
    world_snapshot(&world);
    {
        AUTO_FREE char *path = xformat("%s/snapshots/%s", world.cache, world.key);
        AUTO_CLOSE int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        assert_ok(snapshot_open(folder, &snapshot, &fault), fault);
    }
    assert_int_equal(snapshot_find(snapshot, SLICE("private/notes.txt")), SNAPSHOT_NONE);
    number = snapshot_find(snapshot, SLICE("accounts.csv"));
    assert_int_equal(snapshot_node(snapshot, number)->verdict, VERDICT_REDACT);
    assert_int_equal(snapshot_node(snapshot, number)->finding_count, 2);
    assert_true(slice_equal(snapshot_rule(snapshot, number), SLICE("data.pan.view")));
    number = snapshot_find(snapshot, SLICE("src/b.c"));
    assert_int_equal(snapshot_node(snapshot, number)->verdict, VERDICT_ALLOW);
    (void)snapshot_redacted(snapshot, &count);
    assert_int_equal(count, 2);
    snapshot_close(snapshot);
    world.key[0] = world.key[0] == 'a' ? 'b' : 'a';
    assert_false(collect_snapshot(
        world.collect, &(struct collect_snapshot){world.base.commit, "coder", world.key}, NULL,
        NULL, &fault));
    assert_int_equal(fault.kind, FAULT_CONFLICT);
    world_end(&world);
}

static void looking_shows_what_an_agent_would_see(void **state)
{
    struct world world;
    struct collect_look look = {0};
    struct fault fault = {0};

    (void)state;
    world_make(&world);
    assert_ok(collect_look(world.collect, world.base.commit, "coder", "accounts.csv", run_key,
                           &look, &fault),
              fault);
    assert_int_equal(look.verdict, VERDICT_REDACT);
    assert_int_equal(look.findings, 2);
    assert_int_equal(look.content.len, sizeof(ACCOUNTS) - 1);
    assert_int_equal(slice_find(buf_slice(&look.content), SLICE(CARD), 0), SIZE_MAX);
    assert_true(slice_starts_with(buf_slice(&look.content), SLICE("name,card\nada,")));
    buf_free(&look.content);
    assert_ok(collect_look(world.collect, world.base.commit, "coder", "private/notes.txt",
                           run_key, &look, &fault),
              fault);
    assert_int_equal(look.verdict, VERDICT_DENY);
    assert_int_equal(look.content.len, 0);
    assert_false(collect_look(world.collect, world.base.commit, "coder", "none", run_key,
                              &look, &fault));
    assert_int_equal(fault.kind, FAULT_MISSING);
    world_end(&world);
}

static void write_bytes_below(const char *root, const char *name, struct slice bytes)
{
    AUTO_FREE char *path = xformat("%s/%s", root, name);
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes.at, 1, bytes.len, file), bytes.len);
    assert_int_equal(fclose(file), 0);
}

static void commit_more(struct world *world)
{
    struct fault fault = {0};

    GIT(world->place.repo, "add", "-A");
    GIT(world->place.repo, "commit", "-q", "-m", "more");
    buf_free(&world->base.settings);
    assert_ok(collect_resolve(world->collect, NULL, &world->base, &fault), fault);
    collect_snapshot_key(world->base.tree, world->policy->digest, "coder", world->key);
}

static enum verdict verdict_of(struct world *world, const char *path, size_t *ret_findings)
{
    struct collect_look look = {0};
    struct fault fault = {0};

    assert_ok(collect_look(world->collect, world->base.commit, "coder", path, run_key, &look,
                           &fault),
              fault);
    buf_free(&look.content);
    *ret_findings = look.findings;
    return look.verdict;
}

static void what_is_no_text_is_examined_before_it_is_shown(void **state)
{
    static const char bytes[] = "\0\1\2card " CARD "\0";
    struct world world;
    size_t count;

    (void)state;
    world_make(&world);
    write_bytes_below(world.place.repo, "data.bin", slice_of_bytes(bytes, sizeof(bytes)));
    write_bytes_below(world.place.repo, "clean.bin", SLICE("\0\1\2\3"));
    commit_more(&world);
    assert_int_equal(verdict_of(&world, "data.bin", &count), VERDICT_REDACT);
    assert_int_equal(count, 1);
    assert_int_equal(verdict_of(&world, "clean.bin", &count), VERDICT_ALLOW);
    world_snapshot(&world);
    world_end(&world);
}

/* What the classifier gives up on may hold anything: it is denied as long as any class is
 * redacted or denied. */
static void what_has_too_many_findings_is_denied(void **state)
{
    enum { LINES = (1 << 20) + 2 };
    AUTO_BUF struct buf text = buf_with_limit(LINES * 10UL);
    struct fault fault = {0};
    struct world world;
    size_t count;

    (void)state;
    world_make(&world);
    for (size_t i = 0; i < LINES; i++)
        assert_ok(buf_add_text(&text, "PID|||ab\n", &fault), fault);
    write_bytes_below(world.place.repo, "many.hl7", buf_slice(&text));
    commit_more(&world);
    assert_int_equal(verdict_of(&world, "many.hl7", &count), VERDICT_DENY);
    assert_int_equal(count, 0);
    world_snapshot(&world);
    world_end(&world);
}

/* ---- changes ---- */

static void begin_change(struct world *world, const char *run)
{
    struct collect_commit commit = {.run = run,
                                    .base = world->base.commit,
                                    .role = "coder",
                                    .agent = "coder@payments#r",
                                    .responsible = "maria",
                                    .responsible_email = "maria@example.org",
                                    .policy_digest = world->policy->digest,
                                    .key = run_key,
                                    .time = 1700000200,
                                    .title = "Fix\nthe card",
                                    .settings = buf_slice(&world->base.settings)};
    struct fault fault = {0};

    assert_ok(collect_commit_begin(world->collect, &commit, &fault), fault);
}

static void put_bytes(struct world *world, const char *path, unsigned mode, struct slice bytes,
                      const char *source)
{
    AUTO_CLOSE int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    struct collect_change change = {
        .path = slice_of(path), .mode = mode, .content = fd, .source = source};
    struct fault fault = {0};

    assert_ok(file_write_all(fd, bytes, &fault), fault);
    assert_ok(collect_commit_file(world->collect, &change, &fault), fault);
}

static void put(struct world *world, const char *path, const char *text)
{
    put_bytes(world, path, 0100644, slice_of(text), NULL);
}

static void put_link(struct world *world, const char *path, const char *target)
{
    struct collect_change change = {
        .path = slice_of(path), .mode = 0120000, .content = -1, .link = slice_of(target)};
    struct fault fault = {0};

    assert_ok(collect_commit_file(world->collect, &change, &fault), fault);
}

static void drop(struct world *world, const char *path)
{
    struct collect_change change = {.path = slice_of(path), .deleted = true, .content = -1};
    struct fault fault = {0};

    assert_ok(collect_commit_file(world->collect, &change, &fault), fault);
}

static bool keep_row(void *self, const struct collect_file *file, struct fault *fault)
{
    return buf_add_format(self, fault, "%c %.*s +%llu -%llu %s\n", file->status,
                          SLICE_ARGS(file->path), (unsigned long long)file->added,
                          (unsigned long long)file->removed,
                          file->reason == NULL ? "" : file->reason);
}

static void a_change_is_a_commit_on_a_branch_of_its_own(void **state)
{
    struct world world;
    struct collect_result result = {0};
    AUTO_BUF struct buf rows = buf_with_limit(65536);
    struct fault fault = {0};

    (void)state;
    world_make(&world);
    world_snapshot(&world);
    begin_change(&world, "r-1");
    put(&world, "a.txt", "one\n2\nthree\n");
    put(&world, "src/cde/new.c", "int n;\n");
    drop(&world, "src/b.c");
    put_link(&world, "src/link", "../a.txt");
    assert_ok(collect_commit_end(world.collect, keep_row, &rows, &result, &fault), fault);
    assert_false(result.blocked);
    assert_string_equal(result.branch, "custody/r-1");
    assert_int_equal(result.files, 4);
    assert_string_equal(result.zones, "cde");
    assert_int_equal(result.approvals, 2);
    assert_string_equal(buf_text(&rows),
                        "M a.txt +1 -1 \nD src/b.c +0 -1 \nA src/cde/new.c +1 -0 \n"
                        "A src/link +1 -0 \n");
    {
        AUTO_FREE char *head = GIT_SAYS(
            world.place.repo, "log", "-1",
            "--format=%H %T %P %an %ae %cn %ce %s|%(trailers:separator=%x2C)", "custody/r-1");
        AUTO_FREE char *expected =
            xformat("%s %s %s coder@payments#r coder@run.custody.invalid maria "
                    "maria@example.org Fix the card|"
                    "On-behalf-of: maria <maria@example.org>,Custody-Run: r-1,Custody-Agent: "
                    "coder@payments#r,"
                    "Custody-Policy: %s",
                    result.commit, result.tree, world.base.commit, world.policy->digest);
        AUTO_FREE char *status = GIT_SAYS(world.place.repo, "status", "--porcelain");
        char digest[65];

        assert_string_equal(head, expected);
        assert_string_equal(status, "");
        assert_ok(
            collect_diff(world.collect, world.base.commit, result.commit, -1, digest, &fault),
            fault);
        assert_string_equal(digest, result.diff);
    }
    buf_clear(&rows);
    assert_ok(collect_files(world.collect, world.base.commit, result.commit, keep_row, &rows,
                            &fault),
              fault);
    assert_true(slice_starts_with(buf_slice(&rows), SLICE("M a.txt +1 -1 \n")));
    begin_change(&world, "r-1"); /* the branch is taken */
    put(&world, "a.txt", "x\n");
    assert_false(collect_commit_end(world.collect, NULL, NULL, &result, &fault));
    assert_int_equal(fault.kind, FAULT_CONFLICT);
    begin_change(&world, "r-2");
    put(&world, "a.txt", "one\ntwo\nthree\n"); /* as it was */
    assert_false(collect_commit_end(world.collect, NULL, NULL, &result, &fault));
    assert_int_equal(fault.kind, FAULT_MISSING);
    world_end(&world);
}

static void originals_come_back_in_their_own_file_only(void **state)
{
    struct world world;
    struct collect_look accounts = {0};
    struct collect_result result = {0};
    struct fault fault = {0};
    AUTO_FREE char *source = NULL;

    (void)state;
    world_make(&world);
    world_snapshot(&world);
    source = GIT_SAYS(world.place.repo, "rev-parse", "HEAD:accounts.csv");
    assert_ok(collect_look(world.collect, world.base.commit, "coder", "accounts.csv", run_key,
                           &accounts, &fault),
              fault);
    {
        struct slice seen = buf_slice(&accounts.content);
        struct slice second = slice_part(seen, slice_find(seen, SLICE("max,"), 0), seen.len);
        struct slice first = slice_part(seen, 0, slice_find(seen, SLICE("max,"), 0));
        AUTO_BUF struct buf edited = buf_with_limit(4096);

        /* rows turned round, a column added: by token, not by line */
        assert_true(buf_add(&edited, second, &fault));
        assert_true(buf_add(&edited, slice_part(first, 10, first.len - 1), &fault));
        assert_true(buf_add_text(&edited, ",new\n", &fault));
        begin_change(&world, "r-1");
        put_bytes(&world, "accounts.csv", 0100644, buf_slice(&edited), source);
        assert_ok(collect_commit_end(world.collect, NULL, NULL, &result, &fault), fault);
        assert_false(result.blocked);
        assert_int_equal(result.restored, 2);
        {
            AUTO_FREE char *text =
                GIT_SAYS(world.place.repo, "show", "custody/r-1:accounts.csv");

            assert_string_equal(text, "max,5555"
                                      "5555"
                                      "5555"
                                      "4444\nada," CARD ",new");
        }
        begin_change(
            &world,
            "r-2"); /* planted in a script: no originals there, and a person must look */
        put_bytes(&world, "a.txt", 0100644, buf_slice(&edited), NULL);
        assert_ok(collect_commit_end(world.collect, NULL, NULL, &result, &fault), fault);
        assert_true(result.blocked);
        assert_int_equal(result.restored, 0);
        assert_string_equal(result.reasons[0], "surrogate-moved");
        {
            AUTO_FREE char *text = GIT_SAYS(world.place.repo, "show", "custody/r-2:a.txt");

            assert_null(strstr(text, CARD));
        }
    }
    buf_free(&accounts.content);
    world_end(&world);
}

static void a_short_stand_in_in_a_changed_line_blocks(void **state)
{
    static const char hl7[] = "MSH|^~\\&|A|B\nPID|1||||Lee|||M|Kim|x\nOBX|1|a\n";
    struct world world;
    struct collect_look look = {0};
    struct collect_result result = {0};
    struct fault fault = {0};
    AUTO_FREE char *source = NULL;

    (void)state;
    world_make(&world);
    write_below(world.place.repo, "p.hl7", hl7);
    commit_more(&world);
    world_snapshot(&world);
    source = GIT_SAYS(world.place.repo, "rev-parse", "HEAD:p.hl7");
    assert_ok(collect_look(world.collect, world.base.commit, "coder", "p.hl7", run_key, &look,
                           &fault),
              fault);
    assert_int_equal(look.verdict, VERDICT_REDACT);
    for (unsigned changed = 0; changed < 2; changed++) {
        AUTO_BUF struct buf edited = buf_with_limit(4096);
        AUTO_FREE char *run = xformat("r-%u", changed);
        AUTO_FREE char *name = xformat("custody/%s:p.hl7", run);
        AUTO_FREE char *text = NULL;

        assert_true(buf_add(&edited, buf_slice(&look.content), &fault) &&
                    buf_add_text(&edited, "OBX|2|b\n", &fault));
        if (changed == 1)
            edited.at[slice_find(buf_slice(&edited), SLICE("|M|"), 0) + 1] = 'U';
        begin_change(&world, run);
        put_bytes(&world, "p.hl7", 0100644, buf_slice(&edited), source);
        assert_ok(collect_commit_end(world.collect, NULL, NULL, &result, &fault), fault);
        text = GIT_SAYS(world.place.repo, "show", name);
        assert_int_equal(result.blocked, changed == 1);
        if (changed == 1)
            assert_string_equal(result.reasons[0], "surrogate-unsure");
        assert_int_equal(strstr(text, "Lee") != NULL && strstr(text, "Kim") != NULL,
                         changed == 0);
    }
    buf_free(&look.content);
    world_end(&world);
}

static void what_policy_or_git_must_not_have_blocks(void **state)
{
    static const struct {
        const char *path, *link, *reason;
        bool in; /* it is in the commit all the same, to be looked at */
    } cases[] = {
        {"infra/main.tf", NULL, "write-denied", true},
        {"custody.yaml", NULL, "write-denied", true},
        {".github/workflows/x.yml", NULL, "write-denied", true},
        {"private/notes.txt", NULL, "read-denied", false},
        {".git/hooks/post-checkout", NULL, "path-git", false},
        {"src/.GIT/config", NULL, "path-git", false},
        {"git~1/config", NULL, "path-git", false},
        {"../outside", NULL, "path-traversal", false},
        {"/etc/passwd", NULL, "path-absolute", false},
        {"odd\xff", NULL, "path-encoding", false},
        {"link", "/etc/passwd", "link-leaves-tree", false},
        {"src/link", "../../x", "link-leaves-tree", false},
        {"link", ".git/config", "link-leaves-tree", false},
    };
    struct world world;

    (void)state;
    world_make(&world);
    world_snapshot(&world);
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO_FREE char *run = xformat("r-%zu", i);
        AUTO_BUF struct buf rows = buf_with_limit(65536);
        struct collect_result result = {0};
        struct fault fault = {0};

        begin_change(&world, run);
        if (cases[i].link != NULL)
            put_link(&world, cases[i].path, cases[i].link);
        else
            put(&world, cases[i].path, "x\n");
        put(&world, "a.txt", "fine\n");
        assert_ok(collect_commit_end(world.collect, keep_row, &rows, &result, &fault), fault);
        if (!result.blocked || result.reason_count != 1 ||
            strcmp(result.reasons[0], cases[i].reason) != 0 ||
            strstr(buf_text(&rows), cases[i].reason) == NULL)
            fail_msg("%s: %s; %s", cases[i].path, result.reasons[0], buf_text(&rows));
        assert_int_equal(result.files, cases[i].in ? 2 : 1);
    }
    world_end(&world);
}

static void too_many_files_or_lines_block(void **state)
{
    struct world world;
    struct collect_result result = {0};
    struct fault fault = {0};
    char text[128];

    (void)state;
    world_make(&world);
    world_snapshot(&world);
    begin_change(&world, "r-1");
    memset(text, '\n', sizeof(text));
    put_bytes(&world, "f0", 0100644, slice_of_bytes(text, 41), NULL);
    for (int i = 1; i < 5; i++) {
        AUTO_FREE char *path = xformat("f%d", i);

        put_bytes(&world, path, 0100755, SLICE("x"), NULL);
    }
    assert_ok(collect_commit_end(world.collect, NULL, NULL, &result, &fault), fault);
    assert_int_equal(result.reason_count, 2);
    assert_string_equal(result.reasons[0], "too-many-files");
    assert_string_equal(result.reasons[1], "too-many-lines");
    world_end(&world);
}

static void landing_takes_the_approved_tree_and_no_other(void **state)
{
    struct world world;
    struct collect_result result = {0};
    struct gitdoor_landing landing = {0};
    struct collect_land land = {.branch = "main", .message = "Land\n", .time = 1700000300};
    struct fault fault = {0};
    char commit[GIT_OID_TEXT], wrong[GIT_OID_TEXT];

    (void)state;
    world_make(&world);
    world_snapshot(&world);
    begin_change(&world, "r-1");
    put(&world, "a.txt", "one\n2\nthree\n");
    assert_ok(collect_commit_end(world.collect, NULL, NULL, &result, &fault), fault);
    collect_stop(world.collect);
    world_start(&world, true);
    assert_ok(collect_landing(world.collect, "main", result.commit, &landing, &fault), fault);
    assert_int_equal(landing.kind, LANDING_FORWARD);
    assert_string_equal(landing.tree, result.tree);
    land.head = result.commit;
    land.into = landing.into;
    memcpy(wrong, result.tree, sizeof(wrong));
    wrong[0] = wrong[0] == 'a' ? 'b' : 'a';
    land.tree = wrong;
    assert_false(collect_land(world.collect, &land, commit, &fault));
    assert_int_equal(fault.kind, FAULT_CONFLICT);
    land.tree = result.tree;
    assert_ok(collect_land(world.collect, &land, commit, &fault), fault);
    assert_string_equal(commit, result.commit);
    {
        AUTO_FREE char *main_now = GIT_SAYS(world.place.repo, "rev-parse", "main");
        AUTO_FREE char *status = GIT_SAYS(world.place.repo, "status", "--porcelain");

        assert_string_equal(main_now, commit);
        assert_string_equal(status, "");
    }
    assert_false(collect_land(world.collect, &land, commit, &fault));
    assert_int_equal(fault.kind, FAULT_CONFLICT);
    world_end(&world);
}

static void the_cache_has_a_name_for_each_repository(void **state)
{
    struct world world;
    struct fault fault = {0};
    char name[97], again[97];

    (void)state;
    world_make(&world);
    assert_ok(collect_cache_name(world.place.repo, name, &fault), fault);
    assert_int_equal(RUN(world.place.root, "ln", "-s", "repo", "alias"), 0);
    {
        AUTO_FREE char *alias = xformat("%s/alias", world.place.root);

        assert_ok(collect_cache_name(alias, again, &fault), fault);
    }
    assert_string_equal(name, again);
    assert_int_equal(strncmp(name, "repo-", 5), 0);
    world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(resolving_gives_the_base_and_the_policy),
        TEST(a_broken_repository_policy_names_its_place),
        TEST(a_base_is_resolved_unasked),
        TEST(what_cannot_be_opened_says_why),
        TEST(a_snapshot_leaves_out_denied_files_and_marks_sensitive_ones),
        TEST(looking_shows_what_an_agent_would_see),
        TEST(what_is_no_text_is_examined_before_it_is_shown),
        TEST(what_has_too_many_findings_is_denied),
        TEST(a_change_is_a_commit_on_a_branch_of_its_own),
        TEST(originals_come_back_in_their_own_file_only),
        TEST(a_short_stand_in_in_a_changed_line_blocks),
        TEST(what_policy_or_git_must_not_have_blocks),
        TEST(too_many_files_or_lines_block),
        TEST(landing_takes_the_approved_tree_and_no_other),
        TEST(the_cache_has_a_name_for_each_repository),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
