#include "repository.h"

#include "base/hex.h"
#include "change/gitdoor.h"

static struct gitdoor *open_door(const struct place *place)
{
    struct gitdoor_place found = {0};
    struct gitdoor *door = NULL;
    struct fault fault = {0};

    assert_ok(gitdoor_find(place->repo, &found, &fault), fault);
    assert_ok(gitdoor_open(&found, place->scratch, &door, &fault), fault);
    gitdoor_place_free(&found);
    return door;
}

static void the_base_is_commit_tree_branch_time_and_policy(void **state)
{
    struct place place;
    struct gitdoor *door;
    struct gitdoor_base base = {0};
    struct fault fault = {0};

    (void)state;
    place_make(&place);
    door = open_door(&place);
    assert_ok(gitdoor_resolve(door, NULL, &base, &fault), fault);
    assert_string_equal(base.branch, "main");
    assert_int_equal(base.commit_time, 1700000000);
    assert_true(base.has_policy);
    assert_true(slice_equal(buf_slice(&base.policy), SLICE("version: 1\n")));
    {
        AUTO_FREE char *commit = GIT_SAYS(place.repo, "rev-parse", "HEAD");
        AUTO_FREE char *tree = GIT_SAYS(place.repo, "rev-parse", "HEAD^{tree}");

        assert_string_equal(base.commit, commit);
        assert_string_equal(base.tree, tree);
    }
    buf_free(&base.policy);
    GIT(place.repo, "branch", "other");
    assert_ok(gitdoor_resolve(door, "other", &base, &fault), fault);
    assert_string_equal(base.branch, "other");
    buf_free(&base.policy);
    assert_false(gitdoor_resolve(door, "nothere", &base, &fault));
    assert_int_equal(fault.kind, FAULT_MISSING);
    assert_false(gitdoor_resolve(door, "--batch", &base, &fault));
    assert_int_equal(fault.kind, FAULT_INVALID);
    assert_false(gitdoor_resolve(door, "main:a.txt", &base, &fault));
    assert_int_equal(fault.kind, FAULT_INVALID);
    gitdoor_close(door);
    place_remove(&place);
}

/* Everything in a repository that git would run on its own. */
static void arm(const struct place *place, const char *marker)
{
    static const char *const hooks[] = {"reference-transaction",
                                        "post-index-change",
                                        "pre-commit",
                                        "post-checkout",
                                        "post-merge",
                                        "pre-auto-gc",
                                        "update"};
    AUTO_FREE char *script = xformat("%s/marker.sh", place->root);
    AUTO_FREE char *text = xformat("#!/bin/sh\necho x >> %s\ncat\n", marker);
    AUTO_FREE char *included = xformat("%s/included", place->root);
    AUTO_FREE char *include =
        xformat("[core]\n\tfsmonitor = %s\n\tpager = %s\n", script, script);
    AUTO_FREE char *config = xformat(
        "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n"
        "\tfsmonitor = %s\n\thooksPath = %s/hooks\n\tsshCommand = %s\n\tpager = %s\n\teditor "
        "= %s\n"
        "\talternateRefsCommand = %s\n\tattributesFile = %s/attributes\n\taskPass = %s\n"
        "[include]\n\tpath = %s\n[filter \"evil\"]\n\tclean = %s\n\tsmudge = %s\n\tprocess = "
        "%s\n"
        "\trequired = true\n[diff \"evil\"]\n\ttextconv = %s\n\tcommand = "
        "%s\n[diff]\n\texternal = %s\n"
        "[merge \"evil\"]\n\tdriver = %s %%O %%A %%B\n[alias]\n\tstatus = !%s\n\tcat-file = "
        "!%s\n"
        "[gpg]\n\tprogram = %s\n[commit]\n\tgpgSign = true\n[credential]\n\thelper = !%s\n"
        "[uploadpack]\n\tpackObjectsHook = %s\n",
        script, place->root, script, script, script, script, place->root, script, included,
        script, script, script, script, script, script, script, script, script, script, script,
        script);

    write_below(place->root, "marker.sh", text);
    (void)chmod(script, 0755);
    write_below(place->root, "included", include);
    write_below(place->root, "attributes", "* filter=evil diff=evil merge=evil\n");
    write_below(place->repo, ".git/config", config);
    write_below(place->repo, ".git/info/attributes", "* filter=evil diff=evil merge=evil\n");
    assert_int_equal(RUN(place->root, "mkdir", "hooks"), 0);
    for (size_t i = 0; i < COUNT(hooks); i++) {
        AUTO_FREE char *hook = xformat("%s/hooks/%s", place->root, hooks[i]);
        AUTO_FREE char *own = xformat("%s/.git/hooks/%s", place->repo, hooks[i]);

        assert_int_equal(RUN(place->root, "cp", script, hook), 0);
        assert_int_equal(RUN(place->root, "cp", script, own), 0);
    }
}

static void commit_one(struct gitdoor *door, const char *parent, const char *path,
                       const char *text, char commit[GIT_OID_TEXT], char tree[GIT_OID_TEXT])
{
    struct gitdoor_commit what = {.parent = parent,
                                  .author = {"coder@repo", "coder@run.custody.invalid"},
                                  .committer = {"maria", "maria@example.org"},
                                  .time = 1700000100,
                                  .message = SLICE("Change\n\nCustody-Run: r-1\n")};
    struct gitdoor_draft *draft = NULL;
    struct fault fault = {0};

    assert_ok(gitdoor_draft_new(door, &draft, &fault), fault);
    assert_ok(gitdoor_draft_write(draft, slice_of(path), 0100644, slice_of(text), &fault),
              fault);
    assert_ok(gitdoor_draft_commit(draft, &what, commit, tree, &fault), fault);
    gitdoor_draft_free(draft);
}

static bool ignore_entry(void *self, const struct gitdoor_entry *entry, struct fault *fault)
{
    (void)entry, (void)fault;
    ++*(size_t *)self;
    return true;
}

static void nothing_of_a_hostile_repository_runs(void **state)
{
    struct place place;
    struct gitdoor *door;
    struct gitdoor_base base = {0};
    struct gitdoor_landing landing = {0};
    struct gitdoor_numbers numbers;
    struct fault fault = {0};
    char commit[GIT_OID_TEXT], tree[GIT_OID_TEXT], digest[65];
    size_t files = 0;
    bool dirty = false;

    (void)state;
    place_make(&place);
    write_below(place.repo, ".gitattributes", "* filter=evil diff=evil merge=evil\n");
    GIT(place.repo, "add", "-A");
    GIT(place.repo, "commit", "-q", "-m", "attributes");
    {
        AUTO_FREE char *marker = xformat("%s/marker", place.root);

        arm(&place, marker);
        door = open_door(&place);
        assert_ok(gitdoor_resolve(door, NULL, &base, &fault), fault);
        assert_ok(gitdoor_dirty(door, 10, &dirty, NULL, &fault), fault);
        assert_false(dirty);
        assert_ok(gitdoor_list(door, base.tree, ignore_entry, &files, &fault), fault);
        assert_int_equal(files, 4);
        commit_one(door, base.commit, "a.txt", "one\n2\nthree\n", commit, tree);
        assert_ok(gitdoor_import(door, commit, base.commit, &fault), fault);
        assert_ok(gitdoor_move_branch(door, "custody/r-1", NULL, commit, &fault), fault);
        assert_ok(gitdoor_numbers(door, base.commit, commit, NULL, NULL, &numbers, &fault),
                  fault);
        assert_int_equal(numbers.files, 1);
        assert_ok(gitdoor_diff(door, base.commit, commit, -1, digest, &fault), fault);
        assert_ok(gitdoor_landing(door, "main", commit, &landing, &fault), fault);
        assert_int_equal(landing.kind, LANDING_FORWARD);
        assert_true(landing.checked_out);
        assert_ok(gitdoor_land(door, "main", base.commit, commit, &fault), fault);
        write_below(place.repo, "a.txt", "touched\n");
        assert_ok(gitdoor_dirty(door, 10, &dirty, NULL, &fault), fault);
        assert_true(dirty);
        assert_false(file_exists(AT_FDCWD, marker));
        /* The trap works: plain git does step into it. */
        (void)RUN(place.repo, "git", "status");
        assert_true(file_exists(AT_FDCWD, marker));
    }
    buf_free(&base.policy);
    gitdoor_close(door);
    place_remove(&place);
}

static void what_is_no_plain_repository_is_refused_with_words(void **state)
{
    static const struct {
        const char *setup; /* sh, in the root; $1 is the repository */
        enum fault_kind kind;
        const char *word;
    } cases[] = {
        {"rm -rf repo", FAULT_MISSING, "No such file"},
        {"rm -rf repo/.git", FAULT_MISSING, "not a git repository"},
        {"rm -rf repo; echo x > repo", FAULT_MISSING, "not a folder"},
        {"rm -rf repo; git init -q repo", FAULT_MISSING, "no commit yet"},
        {"mv repo/.git g; ln -s ../g repo/.git", FAULT_INVALID, "symbolic link"},
        {"mv repo/.git g; echo 'gitdir: ../g' > repo/.git", FAULT_INVALID,
         "neither its linked"},
        {"mv repo/.git g; echo 'gitdir: ' > repo/.git", FAULT_INVALID, "does not say"},
        {"mv repo/.git g; head -c 9000 /dev/zero > repo/.git", FAULT_LIMIT, "more than"},
        {"rm -rf repo; git init -q --object-format=sha256 repo; cd repo; git commit -q "
         "--allow-empty -m x; git checkout -q --detach",
         FAULT_INVALID, "SHA-256"},
        {"rm -rf repo; git init -q --object-format=sha256 repo; cd repo; git commit -q "
         "--allow-empty -m x",
         FAULT_INVALID, "SHA-256"},
        {"echo /elsewhere/objects > repo/.git/objects/info/alternates", FAULT_INVALID,
         "borrows"},
        {"mkdir repo/.git/reftable", FAULT_INVALID, "reftable"},
        {"touch repo/.git/objects/pack/pack-1.promisor", FAULT_INVALID, "partial clone"},
        {"mv repo/.git/refs r; ln -s ../../r repo/.git/refs", FAULT_INVALID,
         "must be folders"},
        {"echo 'ref: refs/heads/../../x' > repo/.git/HEAD", FAULT_INVALID, "HEAD"},
        {"echo 'ref: refs/heads/nowhere' > repo/.git/HEAD", FAULT_MISSING, "no commit yet"},
        {"echo 'nonsense' > repo/.git/HEAD", FAULT_INVALID, "HEAD"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct place place;
        struct gitdoor_place found = {0};
        struct gitdoor *door = NULL;
        struct gitdoor_base base = {0};
        struct fault fault = {0};

        place_make(&place);
        assert_int_equal(RUN(place.root, "sh", "-c", cases[i].setup), 0);
        assert_false(gitdoor_find(place.repo, &found, &fault) &&
                     gitdoor_open(&found, place.scratch, &door, &fault) &&
                     gitdoor_resolve(door, NULL, &base, &fault));
        if (fault.kind != cases[i].kind || strstr(fault.why, cases[i].word) == NULL)
            fail_msg("%s: %d %s", cases[i].setup, fault.kind, fault.why);
        gitdoor_place_free(&found);
        gitdoor_close(door);
        place_remove(&place);
    }
}

static void linked_work_trees_submodules_bare_and_shallow_are_taken(void **state)
{
    static const struct {
        const char *setup, *repository;
    } cases[] = {
        {"git -C repo worktree add -q ../linked -b side", "linked"},
        {"git clone -q --bare repo bare.git", "bare.git"},
        {"git clone -q --depth 1 file://$PWD/repo shallow", "shallow"},
        {"git init -q outer && git -C outer -c protocol.file.allow=always submodule --quiet "
         "add "
         "../repo sub",
         "outer/sub"},
        {"git -C repo gc -q", "repo"},
        {"git -C repo update-index --split-index", "repo"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct place place;
        struct gitdoor *door;
        struct gitdoor_base base = {0};
        struct fault fault = {0};
        bool dirty = true;

        place_make(&place);
        assert_int_equal(RUN(place.root, "sh", "-c", cases[i].setup), 0);
        (void)snprintf(place.repo, sizeof(place.repo), "%s/%s", place.root,
                       cases[i].repository);
        door = open_door(&place);
        assert_ok(gitdoor_resolve(door, NULL, &base, &fault), fault);
        assert_true(base.has_policy);
        assert_ok(gitdoor_dirty(door, 1, &dirty, NULL, &fault), fault);
        if (dirty)
            fail_msg("%s: dirty", cases[i].setup);
        buf_free(&base.policy);
        gitdoor_close(door);
        place_remove(&place);
    }
}

static void dirty_means_tracked_content_not_times(void **state)
{
    static const struct {
        const char *setup;
        bool dirty;
    } cases[] = {
        {"true", false},
        {"touch -d '2001-01-01' a.txt", false},
        {"echo new > untracked", false},
        {"echo more >> a.txt", true},
        {"rm src/b.c", true},
        {"echo x > x; git add x", true},
        {"chmod +x a.txt", true},
        {"git rm -q --cached a.txt", true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct place place;
        struct gitdoor *door;
        struct fault fault = {0};
        AUTO_BUF struct buf paths = buf_with_limit(4096);
        bool dirty = !cases[i].dirty;

        place_make(&place);
        assert_int_equal(RUN(place.repo, "sh", "-c", cases[i].setup), 0);
        door = open_door(&place);
        assert_ok(gitdoor_dirty(door, 5, &dirty, &paths, &fault), fault);
        if (dirty != cases[i].dirty)
            fail_msg("%s: %d", cases[i].setup, dirty);
        assert_int_equal(paths.len > 0, dirty);
        gitdoor_close(door);
        place_remove(&place);
    }
}

struct reading {
    struct buf text;
    uint8_t oids[8][GIT_OID_BYTES];
    size_t count;
};

static bool keep_entry(void *self, const struct gitdoor_entry *entry, struct fault *fault)
{
    struct reading *reading = self;

    memcpy(reading->oids[reading->count++], entry->oid, GIT_OID_BYTES);
    return buf_add(&reading->text, entry->path, fault) &&
           buf_add_format(&reading->text, fault, " %o %llu;", entry->mode,
                          (unsigned long long)entry->size);
}

static bool keep_piece(void *self, size_t index, uint64_t size, uint64_t offset,
                       struct slice piece, struct fault *fault)
{
    struct reading *reading = self;

    (void)size;
    return (offset > 0 || buf_add_format(&reading->text, fault, "[%zu]", index)) &&
           buf_add(&reading->text, piece, fault);
}

static void trees_are_listed_and_blobs_streamed(void **state)
{
    struct place place;
    struct gitdoor *door;
    struct gitdoor_base base = {0};
    struct reading reading = {.text = buf_with_limit(65536)};
    struct fault fault = {0};

    (void)state;
    place_make(&place);
    write_below(place.repo, "empty", "");
    write_below(place.repo, "odd \xff\n", "odd");
    assert_int_equal(RUN(place.repo, "ln", "-s", "a.txt", "link"), 0);
    GIT(place.repo, "add", "-A");
    GIT(place.repo, "commit", "-q", "-m", "more");
    door = open_door(&place);
    assert_ok(gitdoor_resolve(door, NULL, &base, &fault), fault);
    assert_ok(gitdoor_list(door, base.tree, keep_entry, &reading, &fault), fault);
    assert_string_equal(buf_text(&reading.text),
                        "a.txt 100644 14;custody.yaml 100644 11;empty 100644 0;link 120000 5;"
                        "odd \xff\n 100644 3;src/b.c 100644 7;");
    buf_clear(&reading.text);
    assert_ok(gitdoor_read(door, (const uint8_t(*)[GIT_OID_BYTES])reading.oids, reading.count,
                           keep_piece, &reading, &fault),
              fault);
    assert_string_equal(buf_text(&reading.text),
                        "[0]one\ntwo\nthree\n[1]version: 1\n[2][3]a.txt"
                        "[4]odd[5]int b;\n");
    reading.oids[0][0] ^= 1;
    assert_false(gitdoor_read(door, (const uint8_t(*)[GIT_OID_BYTES])reading.oids, 1,
                              keep_piece, &reading, &fault));
    assert_int_equal(fault.kind, FAULT_MISSING);
    buf_free(&reading.text);
    buf_free(&base.policy);
    gitdoor_close(door);
    place_remove(&place);
}

static void a_commit_is_made_outside_and_brought_in_whole(void **state)
{
    struct place place;
    struct gitdoor *door;
    struct gitdoor_base base = {0};
    struct gitdoor_draft *draft = NULL;
    struct gitdoor_commit what = {.author = {"coder@repo <x>\n", "coder@run.custody.invalid"},
                                  .committer = {"maria", "maria@example.org"},
                                  .time = 1700000100,
                                  .message = SLICE("Change\n\nCustody-Run: r-1\n")};
    struct fault fault = {0};
    char commit[GIT_OID_TEXT], tree[GIT_OID_TEXT];
    char blob[GIT_OID_TEXT];

    (void)state;
    place_make(&place);
    door = open_door(&place);
    assert_ok(gitdoor_resolve(door, NULL, &base, &fault), fault);
    {
        AUTO_FREE char *kept = GIT_SAYS(place.repo, "rev-parse", "HEAD:custody.yaml");

        memcpy(blob, kept, sizeof(blob));
    }
    what.parent = base.commit;
    assert_ok(gitdoor_draft_new(door, &draft, &fault), fault);
    assert_ok(gitdoor_draft_write(draft, SLICE("src/b.c/inner \"q\" \xc3\xa9"), 0100755,
                                  SLICE("in\n"), &fault),
              fault);
    assert_ok(gitdoor_draft_write(draft, SLICE("a.txt"), 0120000, SLICE("src"), &fault),
              fault);
    assert_ok(gitdoor_draft_keep(draft, SLICE("copy.yaml"), 0100644, blob, &fault), fault);
    assert_ok(gitdoor_draft_delete(draft, SLICE("src/b.c"), &fault), fault);
    assert_ok(gitdoor_draft_delete(draft, SLICE("custody.yaml"), &fault), fault);
    assert_ok(gitdoor_draft_commit(draft, &what, commit, tree, &fault), fault);
    gitdoor_draft_free(draft);
    assert_int_not_equal(RUN(place.repo, "git", "cat-file", "-e", commit), 0);
    assert_ok(gitdoor_import(door, commit, base.commit, &fault), fault);
    assert_ok(gitdoor_move_branch(door, "custody/r-1", NULL, commit, &fault), fault);
    {
        AUTO_FREE char *list = GIT_SAYS(place.repo, "-c", "core.quotePath=false", "ls-tree",
                                        "-r", "--name-only", "custody/r-1");
        AUTO_FREE char *author = GIT_SAYS(
            place.repo, "log", "-1", "--format=%an|%ae|%cn|%T|%(trailers)", "custody/r-1");
        AUTO_FREE char *expected =
            xformat("coder@repo x|coder@run.custody.invalid|maria|%s|Custody-Run: r-1", tree);

        assert_string_equal(list, "a.txt\ncopy.yaml\n\"src/b.c/inner \\\"q\\\" \xc3\xa9\"");
        assert_string_equal(author, expected);
        GIT(place.repo, "fsck", "--strict");
    }
    assert_false(gitdoor_move_branch(door, "custody/r-1", NULL, commit, &fault));
    assert_int_equal(fault.kind, FAULT_CONFLICT);
    assert_false(gitdoor_move_branch(door, "main", commit, commit, &fault));
    assert_int_equal(fault.kind, FAULT_CONFLICT);
    buf_free(&base.policy);
    gitdoor_close(door);
    place_remove(&place);
}

static void a_pack_arrives_for_many_objects(void **state)
{
    struct place place;
    struct gitdoor *door;
    struct gitdoor_base base = {0};
    struct gitdoor_draft *draft = NULL;
    struct gitdoor_commit what = {
        .author = {"a", "b"}, .committer = {"a", "b"}, .message = SLICE("m")};
    struct fault fault = {0};
    char commit[GIT_OID_TEXT], tree[GIT_OID_TEXT];

    (void)state;
    place_make(&place);
    door = open_door(&place);
    assert_ok(gitdoor_resolve(door, NULL, &base, &fault), fault);
    what.parent = base.commit;
    assert_ok(gitdoor_draft_new(door, &draft, &fault), fault);
    for (int i = 0; i < 200; i++) {
        AUTO_FREE char *path = xformat("d%d/f%d", i % 7, i);

        assert_ok(gitdoor_draft_write(draft, slice_of(path), 0100644, slice_of(path), &fault),
                  fault);
    }
    assert_ok(gitdoor_draft_commit(draft, &what, commit, tree, &fault), fault);
    gitdoor_draft_free(draft);
    assert_ok(gitdoor_import(door, commit, base.commit, &fault), fault);
    GIT(place.repo, "cat-file", "-e", commit);
    GIT(place.repo, "fsck", "--strict");
    buf_free(&base.policy);
    gitdoor_close(door);
    place_remove(&place);
}

static void landing_forwards_merges_or_refuses(void **state)
{
    struct place place;
    struct gitdoor *door;
    struct gitdoor_base base = {0};
    struct gitdoor_landing landing = {0};
    struct fault fault = {0};
    char commit[GIT_OID_TEXT], tree[GIT_OID_TEXT], merged[GIT_OID_TEXT],
        merged_tree[GIT_OID_TEXT];

    (void)state;
    place_make(&place);
    door = open_door(&place);
    assert_ok(gitdoor_resolve(door, NULL, &base, &fault), fault);
    commit_one(door, base.commit, "a.txt", "one\n2\nthree\n", commit, tree);
    assert_ok(gitdoor_import(door, commit, base.commit, &fault), fault);
    assert_ok(gitdoor_landing(door, "main", commit, &landing, &fault), fault);
    assert_int_equal(landing.kind, LANDING_FORWARD);
    assert_string_equal(landing.tree, tree);
    assert_false(gitdoor_landing(door, "none", commit, &landing, &fault));
    assert_int_equal(fault.kind, FAULT_MISSING);

    /* main moves on, elsewhere in the tree: a merge whose tree is neither's */
    write_below(place.repo, "c.txt", "c\n");
    GIT(place.repo, "add", "-A");
    GIT(place.repo, "commit", "-q", "-m", "second");
    assert_ok(gitdoor_landing(door, "main", commit, &landing, &fault), fault);
    assert_int_equal(landing.kind, LANDING_MERGE);
    assert_string_not_equal(landing.tree, tree);
    assert_string_equal(landing.merge_base, base.commit);
    {
        struct gitdoor_commit what = {.parent = landing.into,
                                      .merged = commit,
                                      .tree = landing.tree,
                                      .author = {"custody", "c@d"},
                                      .committer = {"custody", "c@d"},
                                      .message = SLICE("Merge\n")};
        struct gitdoor_draft *draft = NULL;

        assert_ok(gitdoor_draft_new(door, &draft, &fault), fault);
        assert_ok(gitdoor_draft_commit(draft, &what, merged, merged_tree, &fault), fault);
        gitdoor_draft_free(draft);
        assert_string_equal(merged_tree, landing.tree);
        assert_ok(gitdoor_import(door, merged, landing.into, &fault), fault);
    }
    /* checked out: the work tree must be clean, untracked files must not be in the way */
    write_below(place.repo, "c.txt", "mine\n");
    assert_false(gitdoor_land(door, "main", landing.into, merged, &fault));
    assert_int_equal(fault.kind, FAULT_CONFLICT);
    write_below(place.repo, "c.txt", "c\n");
    assert_false(
        gitdoor_land(door, "main", base.commit, merged, &fault)); /* not where it was */
    assert_int_equal(fault.kind, FAULT_CONFLICT);
    assert_ok(gitdoor_land(door, "main", landing.into, merged, &fault), fault);
    {
        AUTO_FREE char *status = GIT_SAYS(place.repo, "status", "--porcelain");
        AUTO_FREE char *parents = GIT_SAYS(place.repo, "log", "-1", "--format=%P", "main");
        AUTO_FREE char *expected = xformat("%s %s", landing.into, commit);
        AUTO_FREE char *text = GIT_SAYS(place.repo, "grep", "-h", "2", "a.txt");

        assert_string_equal(status, "");
        assert_string_equal(parents, expected);
        assert_string_equal(text, "2");
    }
    assert_ok(gitdoor_landing(door, "main", commit, &landing, &fault), fault);
    assert_int_equal(landing.kind, LANDING_NOTHING);

    /* a conflict has no tree */
    commit_one(door, base.commit, "a.txt", "one\nII\nthree\n", commit, tree);
    assert_false(gitdoor_landing(door, "main", commit, &landing, &fault));
    assert_int_equal(fault.kind, FAULT_CONFLICT);
    GIT(place.repo, "worktree", "add", "-q", "../linked", "-b", "elsewhere");
    assert_false(gitdoor_landing(door, "elsewhere", commit, &landing, &fault));
    assert_int_equal(fault.kind, FAULT_CONFLICT);
    buf_free(&base.policy);
    gitdoor_close(door);
    place_remove(&place);
}

static void an_untracked_file_is_not_overwritten_by_landing(void **state)
{
    struct place place;
    struct gitdoor *door;
    struct gitdoor_base base = {0};
    struct fault fault = {0};
    char commit[GIT_OID_TEXT], tree[GIT_OID_TEXT];

    (void)state;
    place_make(&place);
    write_below(place.repo, "new.txt", "precious\n");
    door = open_door(&place);
    assert_ok(gitdoor_resolve(door, NULL, &base, &fault), fault);
    commit_one(door, base.commit, "new.txt", "the agent's\n", commit, tree);
    assert_ok(gitdoor_import(door, commit, base.commit, &fault), fault);
    assert_false(gitdoor_land(door, "main", base.commit, commit, &fault));
    assert_int_equal(fault.kind, FAULT_CONFLICT);
    {
        AUTO_FREE char *now = GIT_SAYS(place.repo, "rev-parse", "main");

        assert_string_equal(now, base.commit);
    }
    buf_free(&base.policy);
    gitdoor_close(door);
    place_remove(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_base_is_commit_tree_branch_time_and_policy),
        TEST(nothing_of_a_hostile_repository_runs),
        TEST(what_is_no_plain_repository_is_refused_with_words),
        TEST(linked_work_trees_submodules_bare_and_shallow_are_taken),
        TEST(dirty_means_tracked_content_not_times),
        TEST(trees_are_listed_and_blobs_streamed),
        TEST(a_commit_is_made_outside_and_brought_in_whole),
        TEST(a_pack_arrives_for_many_objects),
        TEST(landing_forwards_merges_or_refuses),
        TEST(an_untracked_file_is_not_overwritten_by_landing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
