/* Making commits in the quarantine, bringing them in, landing them. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/hex.h"
#include "base/scope.h"
#include "change/git.h"
#include "os/file.h"

#define DRAFT_TAIL_BYTES_MAX (128UL * 1024 * 1024)
#define ANSWER_BYTES_MAX 65536
#define LOOSE_OBJECTS_MAX 100 /* more arrive as one pack, as git fetch does it */
#define ZERO_OID "0000000000000000000000000000000000000000"

/* ---- drafts: a stream for git fast-import, blobs first and the commit last ---- */

struct gitdoor_draft {
    struct gitdoor *door;
    int stream;
    unsigned long long marks;
    struct buf deleted, written; /* commands of the commit; deletions must come first */
};

bool gitdoor_draft_new(struct gitdoor *door, struct gitdoor_draft **ret_draft,
                       struct fault *fault)
{
    int stream = -1;

    if (!git_scratch_file(door, &stream, fault))
        return false;
    *ret_draft = xalloc(sizeof(**ret_draft));
    **ret_draft = (struct gitdoor_draft){
        .door = door,
        .stream = stream,
        .deleted = buf_with_limit(DRAFT_TAIL_BYTES_MAX),
        .written = buf_with_limit(DRAFT_TAIL_BYTES_MAX),
    };
    return true;
}

void gitdoor_draft_free(struct gitdoor_draft *draft)
{
    if (draft == NULL)
        return;
    (void)close(draft->stream);
    buf_free(&draft->deleted);
    buf_free(&draft->written);
    free(draft);
}

/* In quotes, and all but the plainest bytes in octal: no path can be taken for a command. */
static bool add_path(struct buf *commands, struct slice path, struct fault *fault)
{
    if (!buf_add_byte(commands, '"', fault))
        return false;
    for (size_t i = 0; i < path.len; i++) {
        uint8_t byte = path.at[i];
        bool plain = byte > ' ' && byte < 0x7f && byte != '"' && byte != '\\';

        if (plain ? !buf_add_byte(commands, byte, fault)
                  : !buf_add_format(commands, fault, "\\%03o", byte))
            return false;
    }
    return buf_add_text(commands, "\"\n", fault);
}

bool gitdoor_draft_write(struct gitdoor_draft *draft, struct slice path, unsigned mode,
                         struct slice content, struct fault *fault)
{
    AUTO_FREE char *head =
        xformat("blob\nmark :%llu\ndata %zu\n", ++draft->marks, content.len);

    return file_write_all(draft->stream, slice_of(head), fault) &&
           file_write_all(draft->stream, content, fault) &&
           file_write_all(draft->stream, SLICE("\n"), fault) &&
           buf_add_format(&draft->written, fault, "M %06o :%llu ", mode, draft->marks) &&
           add_path(&draft->written, path, fault);
}

bool gitdoor_draft_keep(struct gitdoor_draft *draft, struct slice path, unsigned mode,
                        const char *blob, struct fault *fault)
{
    return gitdoor_check_oid(slice_of(blob), fault) &&
           buf_add_format(&draft->written, fault, "M %06o %s ", mode, blob) &&
           add_path(&draft->written, path, fault);
}

bool gitdoor_draft_delete(struct gitdoor_draft *draft, struct slice path, struct fault *fault)
{
    return buf_add_text(&draft->deleted, "D ", fault) &&
           add_path(&draft->deleted, path, fault);
}

/* "author NAME <MAIL> TIME +0000", without what would break the line. */
static bool add_person(struct buf *commands, const char *what,
                       const struct gitdoor_person *person, int64_t time, struct fault *fault)
{
    const char *const parts[] = {what, " ", person->name, " <", person->email, ">"};

    for (size_t i = 0; i < COUNT(parts); i++)
        for (const char *at = parts[i]; *at != 0; at++) {
            bool ours = i != 2 && i != 4;
            bool breaks = (uint8_t)*at < ' ' || *at == '<' || *at == '>' || *at == 0x7f;

            if ((ours || !breaks) && !buf_add_byte(commands, (uint8_t)*at, fault))
                return false;
        }
    return buf_add_format(commands, fault, " %lld +0000\n", (long long)time);
}

static bool add_commit(struct gitdoor_draft *draft, const struct gitdoor_commit *commit,
                       struct buf *commands, struct fault *fault)
{
    unsigned long long mark = ++draft->marks;

    if (!buf_add_format(commands, fault, "commit refs/heads/draft\nmark :%llu\n", mark) ||
        !add_person(commands, "author", &commit->author, commit->time, fault) ||
        !add_person(commands, "committer", &commit->committer, commit->time, fault) ||
        !buf_add_format(commands, fault, "data %zu\n", commit->message.len) ||
        !buf_add(commands, commit->message, fault) ||
        !buf_add_format(commands, fault, "\nfrom %s\n", commit->parent))
        return false;
    if (commit->merged != NULL &&
        !buf_add_format(commands, fault, "merge %s\n", commit->merged))
        return false;
    if (commit->tree != NULL) {
        if (!buf_add_format(commands, fault, "M 040000 %s \"\"\n", commit->tree))
            return false;
    } else if (!buf_add(commands, buf_slice(&draft->deleted), fault) ||
               !buf_add(commands, buf_slice(&draft->written), fault)) {
        return false;
    }
    return buf_add_format(commands, fault, "\nget-mark :%llu\nls :%llu \"\"\ndone\n", mark,
                          mark);
}

/* "OID\n040000 tree OID\t\n" */
static bool read_answer(struct slice answer, char ret_commit[GIT_OID_TEXT],
                        char ret_tree[GIT_OID_TEXT], struct fault *fault)
{
    struct slice rest = answer, line, tree;

    if (!slice_cut(&rest, '\n', &line) || !slice_cut(&rest, '\n', &tree) ||
        !slice_starts_with(tree, SLICE("040000 tree ")))
        return fault_set(fault, FAULT_IO, "git does not say which commit it made");
    return git_oid_line(line, ret_commit, fault) &&
           git_oid_line(slice_part(tree, 12, 52), ret_tree, fault);
}

bool gitdoor_draft_commit(struct gitdoor_draft *draft, const struct gitdoor_commit *commit,
                          char ret_commit[GIT_OID_TEXT], char ret_tree[GIT_OID_TEXT],
                          struct fault *fault)
{
    static const char *const words[] = {"fast-import", "--quiet",           "--done",
                                        "--force",     "--date-format=raw", NULL};
    struct git_call call = {.folder = GIT_QUARANTINE, .words = words};
    AUTO_BUF struct buf commands = buf_with_limit(2 * DRAFT_TAIL_BYTES_MAX);
    AUTO_BUF struct buf answer = buf_with_limit(ANSWER_BYTES_MAX);
    AUTO_CLOSE int out = -1;

    return gitdoor_check_oid(slice_of(commit->parent), fault) &&
           (commit->merged == NULL || gitdoor_check_oid(slice_of(commit->merged), fault)) &&
           (commit->tree == NULL || gitdoor_check_oid(slice_of(commit->tree), fault)) &&
           add_commit(draft, commit, &commands, fault) &&
           file_write_all(draft->stream, buf_slice(&commands), fault) &&
           (lseek(draft->stream, 0, SEEK_SET) == 0 ||
            fault_errno(fault, "rewind the draft")) &&
           git_scratch_file(draft->door, &out, fault) &&
           git_files(draft->door, &call, draft->stream, out, fault) &&
           (lseek(out, 0, SEEK_SET) == 0 || fault_errno(fault, "rewind git's answer")) &&
           file_read_fd(out, &answer, fault) &&
           read_answer(buf_slice(&answer), ret_commit, ret_tree, fault);
}

/* ---- into the repository ---- */

static bool count_objects(int pack, uint32_t *ret_count, struct fault *fault)
{
    uint8_t head[12];

    if (pread(pack, head, sizeof(head), 0) != (ssize_t)sizeof(head) ||
        memcmp(head, "PACK", 4) != 0)
        return fault_set(fault, FAULT_IO, "git made no pack");
    *ret_count =
        (uint32_t)head[8] << 24 | (uint32_t)head[9] << 16 | (uint32_t)head[10] << 8 | head[11];
    return true;
}

bool gitdoor_import(struct gitdoor *door, const char *commit, const char *base,
                    struct fault *fault)
{
    static const char *const pack_words[] = {"pack-objects", "--revs", "--stdout", "-q", NULL};
    static const char *const loose_words[] = {"unpack-objects", "-q", "--strict", NULL};
    static const char *const index_words[] = {"index-pack", "--stdin", "--strict", NULL};
    struct git_call pack_call = {.folder = GIT_QUARANTINE, .words = pack_words};
    struct git_call import_call = {.folder = GIT_DOOR};
    AUTO_FREE char *revisions = xformat("%s\n^%s\n", commit, base);
    AUTO_CLOSE int requests = -1;
    AUTO_CLOSE int pack = -1;
    uint32_t count;

    if (!gitdoor_check_oid(slice_of(commit), fault) ||
        !gitdoor_check_oid(slice_of(base), fault) ||
        !git_scratch_file(door, &requests, fault) || !git_scratch_file(door, &pack, fault) ||
        !file_write_at(requests, slice_of(revisions), 0, fault) ||
        !git_files(door, &pack_call, requests, pack, fault) ||
        !count_objects(pack, &count, fault))
        return false;
    if (lseek(pack, 0, SEEK_SET) != 0)
        return fault_errno(fault, "rewind the pack");
    import_call.words = count < LOOSE_OBJECTS_MAX ? loose_words : index_words;
    return git_files(door, &import_call, pack, -1, fault);
}

static bool read_branch(struct gitdoor *door, const char *branch, bool *ret_exists,
                        char ret_oid[GIT_OID_TEXT], struct fault *fault)
{
    AUTO_FREE char *revision = xformat("refs/heads/%s^{commit}", branch);
    const char *const words[] = {"rev-parse",        "--verify", "--quiet",
                                 "--end-of-options", revision,   NULL};
    struct git_call call = {.folder = GIT_DOOR, .words = words};
    AUTO_BUF struct buf output = buf_with_limit(ANSWER_BYTES_MAX);
    int status = 0;

    if (!gitdoor_check_branch(slice_of(branch), fault) ||
        !git_run(door, &call, (struct slice){0}, &output, &status, fault))
        return false;
    *ret_exists = status == 0;
    return status != 0 || git_oid_line(buf_slice(&output), ret_oid, fault);
}

bool gitdoor_move_branch(struct gitdoor *door, const char *branch, const char *from,
                         const char *to, struct fault *fault)
{
    AUTO_FREE char *ref = xformat("refs/heads/%s", branch);
    const char *const words[] = {
        "update-ref", "--no-deref", ref, to, from == NULL ? ZERO_OID : from, NULL};
    struct git_call call = {.folder = GIT_DOOR, .words = words};
    AUTO_BUF struct buf output = buf_with_limit(ANSWER_BYTES_MAX);
    char now[GIT_OID_TEXT] = "";
    struct fault refusal = {0};
    bool exists = false;
    int status = 0;

    if (!gitdoor_check_branch(slice_of(branch), fault) ||
        !gitdoor_check_oid(slice_of(to), fault) ||
        (from != NULL && !gitdoor_check_oid(slice_of(from), fault)) ||
        !git_run(door, &call, (struct slice){0}, &output, &status, &refusal)) {
        if (refusal.kind != FAULT_NONE)
            *fault = refusal;
        return false;
    }
    if (status == 0)
        return true;
    /* Was somebody faster, or can it not be written? */
    if (!read_branch(door, branch, &exists, now, fault))
        return false;
    if (from == NULL ? exists : !exists || strcmp(now, from) != 0)
        return fault_set(fault, FAULT_CONFLICT, "branch %s %s", branch,
                         from == NULL ? "exists already" : "has moved");
    *fault = refusal;
    return fault_in(fault, "move branch %s", branch);
}

/* ---- landing ---- */

static bool ask_oid(struct gitdoor *door, const char *const *words, char ret_oid[GIT_OID_TEXT],
                    struct fault *fault)
{
    struct git_call call = {.folder = GIT_QUARANTINE, .words = words};
    AUTO_BUF struct buf output = buf_with_limit(ANSWER_BYTES_MAX);
    struct slice rest, line;

    if (!git_must(door, &call, (struct slice){0}, &output, fault))
        return false;
    rest = buf_slice(&output);
    return (slice_cut(&rest, '\n', &line) ||
            fault_set(fault, FAULT_IO, "git does not answer")) &&
           git_oid_line(line, ret_oid, fault);
}

static bool head_is_on(const char *folder, const char *branch)
{
    AUTO_FREE char *expected = xformat("ref: refs/heads/%s", branch);
    AUTO_BUF struct buf text = buf_with_limit(8192);
    AUTO_CLOSE int fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct fault fault = {0};

    return fd >= 0 && file_read(fd, "HEAD", &text, &fault) &&
           slice_equal(slice_trim(buf_slice(&text)), slice_of(expected));
}

/* A branch that another work tree shows must not move below its feet. */
static bool refuse_elsewhere(const struct gitdoor *door, const char *branch,
                             struct fault *fault)
{
    AUTO_FREE char *trees = xformat("%s/worktrees", door->place.common);
    bool found = strcmp(door->place.git, door->place.common) != 0 &&
                 head_is_on(door->place.common, branch);
    DIR *folder = opendir(trees);

    for (struct dirent *entry;
         folder != NULL && !found && (entry = readdir(folder)) != NULL;) {
        AUTO_FREE char *tree = xformat("%s/%s", trees, entry->d_name);

        found = entry->d_name[0] != '.' && strcmp(tree, door->place.git) != 0 &&
                head_is_on(tree, branch);
    }
    if (folder != NULL)
        (void)closedir(folder);
    return !found || fault_set(fault, FAULT_CONFLICT,
                               "branch %s is checked out in another work tree", branch);
}

static bool merge_trees(struct gitdoor *door, const char *head,
                        struct gitdoor_landing *landing, struct fault *fault)
{
    const char *const words[] = {"merge-tree",  "--write-tree", "--no-messages",
                                 landing->into, head,           NULL};
    struct git_call call = {.folder = GIT_QUARANTINE, .words = words};
    AUTO_BUF struct buf output = buf_with_limit(GIT_ANSWER_BYTES_MAX);
    struct slice rest, line = {0};
    int status = 0;

    if (!git_run(door, &call, (struct slice){0}, &output, &status, fault))
        return false;
    /* git prints a tree with conflict markers in it, too; only exit code 0 makes it one. */
    if (status == 1)
        return fault_set(fault, FAULT_CONFLICT, "the change does not merge without conflicts");
    rest = buf_slice(&output);
    if (status != 0)
        return fault_in(fault, "git merge-tree");
    (void)slice_cut(&rest, '\n', &line);
    landing->kind = LANDING_MERGE;
    return git_oid_line(line, landing->tree, fault);
}

/* What the branch would hold is what it holds. */
static bool landed_already(struct gitdoor *door, struct gitdoor_landing *landing,
                           struct gitdoor_landing *ret_landing, struct fault *fault)
{
    AUTO_FREE char *tree = xformat("%s^{tree}", landing->into);
    const char *const words[] = {"rev-parse", "--verify", "--end-of-options", tree, NULL};

    landing->kind = LANDING_NOTHING;
    if (!ask_oid(door, words, landing->tree, fault))
        return false;
    *ret_landing = *landing;
    return true;
}

bool gitdoor_landing(struct gitdoor *door, const char *branch, const char *head,
                     struct gitdoor_landing *ret_landing, struct fault *fault)
{
    struct gitdoor_landing landing = {0};
    AUTO_FREE char *tree = xformat("%s^{tree}", head);
    const char *const base_words[] = {"merge-base", landing.into, head, NULL};
    const char *const tree_words[] = {"rev-parse", "--verify", "--end-of-options", tree, NULL};
    bool exists = false;

    if (!gitdoor_check_oid(slice_of(head), fault) ||
        !read_branch(door, branch, &exists, landing.into, fault))
        return false;
    if (!exists)
        return fault_set(fault, FAULT_MISSING, "no branch %s", branch);
    if (!refuse_elsewhere(door, branch, fault) ||
        !ask_oid(door, base_words, landing.merge_base, fault) ||
        !ask_oid(door, tree_words, landing.tree, fault))
        return false;
    landing.checked_out = door->place.work_tree != NULL && strcmp(door->head, branch) == 0;
    if (strcmp(landing.merge_base, head) == 0)
        return landed_already(door, &landing, ret_landing, fault);
    if (strcmp(landing.merge_base, landing.into) == 0)
        landing.kind = LANDING_FORWARD;
    else if (!merge_trees(door, head, &landing, fault))
        return false;
    *ret_landing = landing;
    return true;
}

/* The index and the work tree from one commit to another; refuses to lose anything. */
static bool read_tree(struct gitdoor *door, bool dry, const char *from, const char *to,
                      struct fault *fault)
{
    const char *const words[] = {"read-tree", "-m", "-u", from, to, dry ? "--dry-run" : NULL,
                                 NULL};
    struct git_call call = {.folder = GIT_DOOR, .work_tree = true, .words = words};
    AUTO_BUF struct buf output = buf_with_limit(ANSWER_BYTES_MAX);

    if (git_must(door, &call, (struct slice){0}, &output, fault))
        return true;
    fault->kind = FAULT_CONFLICT;
    return fault_in(fault, "update the work tree");
}

static bool land_checked_out(struct gitdoor *door, const char *branch, const char *from,
                             const char *to, struct fault *fault)
{
    struct fault back = {0};
    bool dirty = true;

    if (!gitdoor_dirty(door, 0, &dirty, NULL, fault))
        return false;
    if (dirty)
        return fault_set(fault, FAULT_CONFLICT,
                         "branch %s is checked out and its work tree has uncommitted changes",
                         branch);
    if (!read_tree(door, true, from, to, fault) ||
        !gitdoor_move_branch(door, branch, from, to, fault))
        return false;
    if (read_tree(door, false, from, to, fault))
        return true;
    if (!gitdoor_move_branch(door, branch, to, from, &back))
        return fault_in(fault, "branch %s has moved, its work tree has not", branch);
    return false;
}

bool gitdoor_land(struct gitdoor *door, const char *branch, const char *from, const char *to,
                  struct fault *fault)
{
    bool checked_out = door->place.work_tree != NULL && strcmp(door->head, branch) == 0;

    if (!refuse_elsewhere(door, branch, fault))
        return false;
    return checked_out ? land_checked_out(door, branch, from, to, fault)
                       : gitdoor_move_branch(door, branch, from, to, fault);
}
