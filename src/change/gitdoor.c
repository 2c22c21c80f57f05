/* The clean door: finding a repository without git, and making the folders that git runs with.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hex.h"
#include "base/scope.h"
#include "base/utf8.h"
#include "change/git.h"
#include "os/file.h"

#define POINTER_BYTES_MAX 8192 /* .git files, HEAD, commondir: one line */
#define CONFIG_BYTES_MAX (64UL * 1024)
#define SHALLOW_BYTES_MAX (1024 * 1024)

static bool is_folder(const char *path)
{
    struct stat stat;

    return lstat(path, &stat) == 0 && S_ISDIR(stat.st_mode);
}

/* First line of a small file below `folder`; FAULT_INVALID where it is more than that. */
static bool read_line(const char *folder, const char *name, struct buf *ret_line,
                      struct fault *fault)
{
    AUTO_CLOSE int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct slice line;

    if (fd < 0)
        return fault_errno(fault, "open %s", folder);
    if (!file_read(fd, name, ret_line, fault))
        return false;
    line = slice_trim(buf_slice(ret_line));
    for (size_t i = 0; i < line.len; i++)
        if (line.at[i] < ' ')
            return fault_set(fault, FAULT_INVALID, "%s/%s: more than a line of text", folder,
                             name);
    if (line.len == 0)
        return fault_set(fault, FAULT_INVALID, "%s/%s is empty", folder, name);
    buf_drop_front(ret_line, (size_t)(line.at - ret_line->at));
    ret_line->len = line.len;
    return true;
}

/* realpath of `path`, which counts from `folder` where it is relative. */
static char *resolve(const char *folder, struct slice path)
{
    AUTO_FREE char *whole =
        path.at[0] == '/' ? slice_dup(path) : xformat("%s/%.*s", folder, SLICE_ARGS(path));

    return realpath(whole, NULL);
}

char *gitdoor_above(const char *folder)
{
    AUTO_FREE char *above = realpath(folder, NULL);

    if (above == NULL)
        return NULL;
    for (char *slash = strrchr(above, '/'); slash != NULL && slash != above;
         slash = strrchr(above, '/')) {
        AUTO_FREE char *git = NULL;

        *slash = 0;
        git = xformat("%s/.git", above);
        if (file_exists(AT_FDCWD, git))
            return take_pointer(&above);
    }
    return NULL;
}

/* The hint of somebody standing in a subfolder. */
static bool not_a_repository(const char *folder, struct fault *fault)
{
    AUTO_FREE char *above = gitdoor_above(folder);

    if (above != NULL)
        return fault_set(fault, FAULT_MISSING,
                         "%s is not the root of a git repository; %s is one", folder, above);
    return fault_set(fault, FAULT_MISSING, "%s is not a git repository", folder);
}

/*
 * Does this git folder belong to this work tree? A linked work tree is named by its own
 * `gitdir` file; a submodule lives in the `modules` of a repository above it. Anything else
 * could lead us to another repository of the same person.
 */
static bool pointer_is_honest(const struct gitdoor_place *place, bool linked,
                              struct fault *fault)
{
    const char *modules = strstr(place->git, "/.git/modules/");

    if (linked) {
        AUTO_BUF struct buf back = buf_with_limit(POINTER_BYTES_MAX);
        AUTO_FREE char *expected = xformat("%s/.git", place->work_tree);

        if (!read_line(place->git, "gitdir", &back, fault))
            return false;
        if (slice_equal(buf_slice(&back), slice_of(expected)))
            return true;
    } else if (modules != NULL) {
        size_t above = (size_t)(modules - place->git);

        if (strncmp(place->git, place->work_tree, above) == 0 &&
            place->work_tree[above] == '/')
            return true;
    }
    return fault_set(
        fault, FAULT_INVALID,
        "%s/.git leads to %s, which is neither its linked work tree nor its submodule",
        place->work_tree, place->git);
}

static bool follow_pointer(struct gitdoor_place *place, struct fault *fault)
{
    AUTO_BUF struct buf line = buf_with_limit(POINTER_BYTES_MAX);
    AUTO_BUF struct buf common = buf_with_limit(POINTER_BYTES_MAX);
    AUTO_FREE char *common_file = NULL;
    bool linked;

    if (!read_line(place->work_tree, ".git", &line, fault))
        return false;
    if (!slice_starts_with(buf_slice(&line), SLICE("gitdir: ")) || line.len == 8)
        return fault_set(fault, FAULT_INVALID, "%s/.git does not say where its git folder is",
                         place->work_tree);
    place->git = resolve(place->work_tree, slice_part(buf_slice(&line), 8, line.len));
    if (place->git == NULL)
        return fault_errno(fault, "git folder of %s", place->work_tree);
    common_file = xformat("%s/commondir", place->git);
    linked = file_exists(AT_FDCWD, common_file);
    if (linked) {
        if (!read_line(place->git, "commondir", &common, fault))
            return false;
        place->common = resolve(place->git, buf_slice(&common));
        if (place->common == NULL)
            return fault_errno(fault, "common git folder of %s", place->work_tree);
    } else {
        place->common = xstrdup(place->git);
    }
    return pointer_is_honest(place, linked, fault);
}

static bool looks_like_git(const char *folder)
{
    AUTO_FREE char *objects = xformat("%s/objects", folder);
    AUTO_FREE char *refs = xformat("%s/refs", folder);
    AUTO_FREE char *head = xformat("%s/HEAD", folder);

    return is_folder(objects) && is_folder(refs) && file_exists(AT_FDCWD, head);
}

static bool find(const char *repository, struct gitdoor_place *place, struct fault *fault)
{
    AUTO_FREE char *root = realpath(repository, NULL);
    AUTO_FREE char *git = NULL;
    struct stat stat;

    if (root == NULL)
        return fault_errno(fault, "repository %s", repository);
    if (!utf8_is_printable(slice_of(root)))
        return fault_set(fault, FAULT_INVALID,
                         "repository %s: its path has control characters or is not UTF-8; "
                         "rename or move that folder",
                         root);
    if (!is_folder(root))
        return fault_set(fault, FAULT_MISSING, "repository %s: not a folder", repository);
    git = xformat("%s/.git", root);
    if (lstat(git, &stat) < 0) {
        if (errno != ENOENT)
            return fault_errno(fault, "look at %s", git);
        if (!looks_like_git(root))
            return not_a_repository(root, fault);
        place->git = xstrdup(root);
        place->common = xstrdup(root);
        return true;
    }
    place->work_tree = take_pointer(&root);
    if (S_ISLNK(stat.st_mode))
        return fault_set(fault, FAULT_INVALID,
                         "%s is a symbolic link; custody does not follow it", git);
    if (S_ISREG(stat.st_mode))
        return follow_pointer(place, fault);
    if (!S_ISDIR(stat.st_mode))
        return fault_set(fault, FAULT_INVALID, "%s is neither a folder nor a file", git);
    place->git = take_pointer(&git);
    place->common = xstrdup(place->git);
    return true;
}

bool gitdoor_find(const char *repository, struct gitdoor_place *ret_place, struct fault *fault)
{
    struct gitdoor_place place = {0};

    if (!find(repository, &place, fault)) {
        gitdoor_place_free(&place);
        return false;
    }
    *ret_place = place;
    return true;
}

void gitdoor_place_free(struct gitdoor_place *place)
{
    free(place->work_tree);
    free(place->git);
    free(place->common);
    *place = (struct gitdoor_place){0};
}

/* ---- what custody does not take ---- */

static bool has_promisor_packs(const char *common)
{
    AUTO_FREE char *path = xformat("%s/objects/pack", common);
    DIR *folder = opendir(path);
    bool found = false;

    for (struct dirent *entry; folder != NULL && !found && (entry = readdir(folder)) != NULL;)
        found = slice_ends_with(slice_of(entry->d_name), SLICE(".promisor"));
    if (folder != NULL)
        (void)closedir(folder);
    return found;
}

/*
 * Their configuration is never obeyed. This one word of it is looked for since git, told
 * nothing of it, finds no commit, which would send people looking for lost objects.
 */
static bool says_sha256(const char *common)
{
    AUTO_FREE char *path = xformat("%s/config", common);
    AUTO_BUF struct buf text = buf_with_limit(CONFIG_BYTES_MAX);
    struct fault unsaid = {0};
    struct slice rest, line;

    if (!file_read(AT_FDCWD, path, &text, &unsaid))
        return false;
    rest = buf_slice(&text);
    while (slice_cut(&rest, '\n', &line)) {
        line = slice_trim(line);
        if (line.len > strlen("objectformat") &&
            strncasecmp((const char *)line.at, "objectformat", strlen("objectformat")) == 0 &&
            slice_find(line, SLICE("sha256"), 0) != SIZE_MAX)
            return true;
    }
    return false;
}

static bool check_storage(const struct gitdoor_place *place, struct fault *fault)
{
    AUTO_FREE char *objects = xformat("%s/objects", place->common);
    AUTO_FREE char *refs = xformat("%s/refs", place->common);
    AUTO_FREE char *reftable = xformat("%s/reftable", place->common);
    AUTO_FREE char *alternates = xformat("%s/objects/info/alternates", place->common);

    if (!is_folder(objects) || !is_folder(refs))
        return fault_set(fault, FAULT_INVALID, "%s: objects and refs must be folders there",
                         place->common);
    if (file_exists(AT_FDCWD, reftable))
        return fault_set(fault, FAULT_INVALID,
                         "%s keeps its refs in reftable, which this version does not read",
                         place->common);
    if (file_exists(AT_FDCWD, alternates))
        return fault_set(fault, FAULT_INVALID,
                         "%s borrows objects from another repository; make it whole with `git "
                         "repack -a -d` and remove objects/info/alternates",
                         place->common);
    if (says_sha256(place->common))
        return fault_set(fault, FAULT_INVALID,
                         "%s has SHA-256 objects, which this version does not read",
                         place->common);
    if (has_promisor_packs(place->common))
        return fault_set(fault, FAULT_INVALID,
                         "%s is a partial clone; clone it again without --filter",
                         place->common);
    return true;
}

bool gitdoor_check_oid(struct slice text, struct fault *fault)
{
    uint8_t oid[GIT_OID_BYTES];

    return hex_decode(text, oid, sizeof(oid)) ||
           fault_set(fault, FAULT_INVALID, "not an object id of 40 digits");
}

bool gitdoor_check_branch(struct slice name, struct fault *fault)
{
    static const char *const refused[] = {"..", "//", "@{", "/.", ".lock/"};
    bool bad = name.len == 0 || name.len > GIT_REF_BYTES_MAX - 16 || name.at[0] == '-' ||
               name.at[0] == '/' || name.at[0] == '.' || name.at[name.len - 1] == '/' ||
               name.at[name.len - 1] == '.' || slice_ends_with(name, SLICE(".lock")) ||
               slice_equal(name, SLICE("HEAD")) || slice_equal(name, SLICE("@"));

    for (size_t i = 0; i < name.len && !bad; i++)
        bad = name.at[i] <= ' ' || name.at[i] == 0x7f ||
              strchr("~^:?*[\\\"", name.at[i]) != NULL;
    for (size_t i = 0; i < COUNT(refused) && !bad; i++)
        bad = slice_find(name, slice_of(refused[i]), 0) != SIZE_MAX;
    return !bad || fault_set(fault, FAULT_INVALID, "not the name of a branch: %.*s",
                             name.len > 80 ? 80 : (int)name.len, (const char *)name.at);
}

/* ---- our folders ---- */

static bool write_file(const char *folder, const char *name, struct slice text,
                       struct fault *fault)
{
    AUTO_CLOSE int fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return fault_errno(fault, "open %s", folder);
    return file_create(fd, name, text, 0600, fault);
}

static bool link_to(const char *folder, const char *name, const char *target_folder,
                    struct fault *fault)
{
    AUTO_FREE char *target = xformat("%s/%s", target_folder, name);
    AUTO_FREE char *link = xformat("%s/%s", folder, name);

    return symlink(target, link) == 0 || fault_errno(fault, "make %s", link);
}

/* Their HEAD, checked, becomes ours. */
static bool write_head(struct gitdoor *door, struct fault *fault)
{
    AUTO_BUF struct buf line = buf_with_limit(POINTER_BYTES_MAX);
    AUTO_FREE char *text = NULL;
    struct slice head;

    if (!read_line(door->place.git, "HEAD", &line, fault))
        return fault_in(fault, "HEAD of the repository");
    head = buf_slice(&line);
    if (slice_starts_with(head, SLICE("ref: refs/heads/"))) {
        struct slice branch = slice_part(head, 16, head.len);

        if (!gitdoor_check_branch(branch, fault))
            return fault_in(fault, "HEAD");
        memcpy(door->head, branch.at, branch.len);
    } else if (head.len == 64) {
        return fault_set(
            fault, FAULT_INVALID,
            "the repository has SHA-256 objects, which this version does not read");
    } else if (!gitdoor_check_oid(head, fault)) {
        return fault_in(fault, "HEAD");
    }
    text = xformat("%.*s\n", SLICE_ARGS(head));
    return write_file(door->folder[GIT_DOOR], "HEAD", slice_of(text), fault);
}

/* Where history was cut off: commit ids, one a line. */
static bool write_shallow(struct gitdoor *door, enum git_folder which, struct fault *fault)
{
    AUTO_BUF struct buf text = buf_with_limit(SHALLOW_BYTES_MAX);
    AUTO_CLOSE int common = open(door->place.common, O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct slice rest, line;

    if (!file_exists(common, "shallow"))
        return true;
    if (!file_read(common, "shallow", &text, fault))
        return fault_in(fault, "read the shallow boundary");
    rest = buf_slice(&text);
    while (slice_cut(&rest, '\n', &line))
        if (line.len > 0 && !gitdoor_check_oid(line, fault))
            return fault_in(fault, "shallow boundary");
    door->shallow = true;
    return write_file(door->folder[which], "shallow", buf_slice(&text), fault);
}

/* An index may be split: its other half has a name of its own. */
static bool link_shared_index(const struct gitdoor *door, struct fault *fault)
{
    DIR *folder = opendir(door->place.git);
    bool ok = folder != NULL || fault_errno(fault, "open %s", door->place.git);

    for (struct dirent *entry; ok && (entry = readdir(folder)) != NULL;)
        if (slice_starts_with(slice_of(entry->d_name), SLICE("sharedindex.")))
            ok = link_to(door->folder[GIT_DOOR], entry->d_name, door->place.git, fault);
    if (folder != NULL)
        (void)closedir(folder);
    return ok;
}

/* All the configuration that git gets. */
static const char config[] =
    "[core]\n"
    "\trepositoryformatversion = 0\n"
    "\tbare = true\n"
    "\thooksPath = /dev/null\n"
    "\tattributesFile = /dev/null\n"
    "\texcludesFile = /dev/null\n"
    "\tfsmonitor = false\n"
    "\tpreloadIndex = false\n" /* twenty threads that want the processor while a cell starts */
    "\tcommitGraph = false\n"
    "\tmultiPackIndex = false\n"
    "\tlogAllRefUpdates = false\n"
    "\tprotectHFS = true\n"
    "\tprotectNTFS = true\n"
    "\tfsync = committed,reference\n"
    "[gc]\n"
    "\tauto = 0\n"
    "[maintenance]\n"
    "\tauto = false\n"
    "[pack]\n"
    "\tthreads = 1\n"
    "[fastimport]\n"
    "\tunpackLimit = 0\n";

static bool make_door(struct gitdoor *door, struct fault *fault)
{
    const char *folder = door->folder[GIT_DOOR];

    return file_make_folders(folder, 0700, fault) &&
           write_file(folder, "config", slice_of(config), fault) &&
           link_to(folder, "objects", door->place.common, fault) &&
           link_to(folder, "refs", door->place.common, fault) &&
           link_to(folder, "packed-refs", door->place.common, fault) &&
           write_head(door, fault) && link_shared_index(door, fault) &&
           write_shallow(door, GIT_DOOR, fault);
}

static bool make_quarantine(struct gitdoor *door, struct fault *fault)
{
    const char *folder = door->folder[GIT_QUARANTINE];
    AUTO_FREE char *info = xformat("%s/objects/info", folder);
    AUTO_FREE char *pack = xformat("%s/objects/pack", folder);
    AUTO_FREE char *refs = xformat("%s/refs", folder);
    AUTO_FREE char *theirs = xformat("%s/objects\n", door->place.common);

    if (strchr(door->place.common, '\n') != NULL || door->place.common[0] == '"')
        return fault_set(fault, FAULT_INVALID,
                         "the repository's path has a line break or begins with a quote");
    return file_make_folders(info, 0700, fault) && file_make_folders(pack, 0700, fault) &&
           file_make_folders(refs, 0700, fault) &&
           write_file(folder, "config", slice_of(config), fault) &&
           write_file(folder, "HEAD", SLICE("ref: refs/heads/draft\n"), fault) &&
           write_file(info, "alternates", slice_of(theirs), fault) &&
           write_shallow(door, GIT_QUARANTINE, fault);
}

bool git_folder_ready(struct gitdoor *door, enum git_folder which, struct fault *fault)
{
    static bool (*const make[])(struct gitdoor * door, struct fault * fault) = {
        [GIT_DOOR] = make_door, [GIT_QUARANTINE] = make_quarantine};

    if (door->made[which])
        return true;
    if (!make[which](door, fault))
        return fault_in(fault, "open %s", door->place.common);
    door->made[which] = true;
    return true;
}

static char *copy(const char *text)
{
    return text == NULL ? NULL : xstrdup(text);
}

bool gitdoor_open(const struct gitdoor_place *place, const char *scratch,
                  struct gitdoor **ret_door, struct fault *fault)
{
    struct gitdoor *door;

    if (!check_storage(place, fault))
        return false;
    door = xalloc(sizeof(*door));
    door->place.work_tree = copy(place->work_tree);
    door->place.git = copy(place->git);
    door->place.common = copy(place->common);
    door->scratch = copy(scratch);
    door->folder[GIT_DOOR] = xformat("%s/door", scratch);
    door->folder[GIT_QUARANTINE] = xformat("%s/quarantine", scratch);
    door->index = xformat("%s/index", place->git);
    if (!git_folder_ready(door, GIT_DOOR, fault)) {
        gitdoor_close(door);
        return false;
    }
    *ret_door = door;
    return true;
}

void gitdoor_close(struct gitdoor *door)
{
    struct fault fault = {0};

    if (door == NULL)
        return;
    for (size_t i = 0; i < COUNT(door->folder); i++) {
        /* What cannot be removed here goes with the scratch folder, which is its owner's. */
        (void)!file_remove_tree(AT_FDCWD, door->folder[i], &fault);
        free(door->folder[i]);
    }
    gitdoor_place_free(&door->place);
    free(door->scratch);
    free(door->index);
    free(door);
}
