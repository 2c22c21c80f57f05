/* Reading through the clean door. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/hex.h"
#include "base/scope.h"
#include "change/batch.h"
#include "change/git.h"
#include "change/listing.h"
#include "os/file.h"

#define COMMIT_BYTES_MAX (1024 * 1024)
#define REQUESTS_BYTES_MAX (256UL * 1024 * 1024)
#define STATUS_BYTES_MAX (8UL * 1024 * 1024)

/* ---- the base of a run ---- */

enum { ASKED_COMMIT, ASKED_BRANCH, ASKED_POLICY, ASKED_COUNT };

struct resolving {
    struct batch batch;
    size_t next; /* which answer comes */
    struct batch_object object[ASKED_COUNT];
    struct buf content[ASKED_COUNT];
    bool wanted[ASKED_COUNT];
};

static bool resolving_object(void *self, const struct batch_object *object,
                             struct fault *fault)
{
    struct resolving *resolving = self;

    if (resolving->next == ASKED_COUNT)
        return fault_set(fault, FAULT_INVALID, "git answers more than was asked");
    resolving->object[resolving->next++] = *object;
    return true;
}

static bool resolving_part(void *self, struct slice piece, struct fault *fault)
{
    struct resolving *resolving = self;
    size_t which = resolving->next - 1;

    if (!resolving->wanted[which])
        return true;
    return buf_add(&resolving->content[which], piece, fault) ||
           fault_in(fault, "%s", which == ASKED_POLICY ? GIT_POLICY_FILE : "commit");
}

static bool resolving_bytes(void *self, struct slice bytes, struct fault *fault)
{
    struct resolving *resolving = self;
    struct batch_sink sink = {resolving_object, resolving_part, self};

    return batch_take(&resolving->batch, bytes, &sink, fault);
}

/* A revision is a branch, a tag, an id, or one of those with ~N or ^N behind it. */
static bool check_revision(struct slice ref, struct fault *fault)
{
    size_t name = 0;

    while (name < ref.len && ref.at[name] != '~' && ref.at[name] != '^')
        name++;
    for (size_t i = name; i < ref.len; i++)
        if (strchr("~^0123456789", ref.at[i]) == NULL || ref.len - name > 16)
            return fault_set(fault, FAULT_INVALID, "not the name of a revision");
    return slice_equal(slice_part(ref, 0, name), SLICE("HEAD")) ||
           gitdoor_check_branch(slice_part(ref, 0, name), fault);
}

/* "tree OID", parents, author, "committer NAME <MAIL> SECONDS ZONE" */
static bool read_commit(struct slice text, struct gitdoor_base *base, struct fault *fault)
{
    struct slice rest = text, line;
    bool has_time = false;

    if (!slice_cut(&rest, '\n', &line) || !slice_starts_with(line, SLICE("tree ")) ||
        !git_oid_line(slice_part(line, 5, line.len), base->tree, fault))
        return fault_set(fault, FAULT_INVALID, "the base commit names no tree");
    while (!has_time && slice_cut(&rest, '\n', &line) && line.len > 0) {
        const char *end;
        size_t close = line.len;

        if (!slice_starts_with(line, SLICE("committer ")))
            continue;
        while (close > 0 && line.at[close - 1] != '>')
            close--;
        end = (const char *)line.at + close;
        for (base->commit_time = 0; *end == ' '; end++)
            ;
        for (int digits = 0; *end >= '0' && *end <= '9' && digits < 12; digits++, end++) {
            base->commit_time = base->commit_time * 10 + (*end - '0');
            has_time = true;
        }
    }
    return has_time || fault_set(fault, FAULT_INVALID, "the base commit has no time");
}

static bool finish_resolve(const struct gitdoor *door, const char *ref,
                           struct resolving *resolving, struct gitdoor_base *base,
                           struct fault *fault)
{
    const struct batch_object *object = resolving->object;
    bool is_head = strcmp(ref, "HEAD") == 0;

    if (resolving->next != ASKED_COUNT || !batch_is_whole(&resolving->batch))
        return fault_set(fault, FAULT_IO, "git answers less than was asked");
    if (object[ASKED_COMMIT].type == BATCH_MISSING)
        return fault_set(fault, FAULT_MISSING,
                         is_head
                             ? "the repository has no commit yet, or its objects are missing"
                             : "no such commit: %s",
                         ref);
    if (object[ASKED_COMMIT].type != BATCH_COMMIT)
        return fault_set(fault, FAULT_INVALID, "not a commit: %s", ref);
    hex_encode(slice_of_bytes(object[ASKED_COMMIT].oid, GIT_OID_BYTES), base->commit);
    if (is_head)
        memcpy(base->branch, door->head, sizeof(base->branch));
    else if (object[ASKED_BRANCH].type == BATCH_COMMIT)
        (void)snprintf(base->branch, sizeof(base->branch), "%s", ref);
    if (object[ASKED_POLICY].type != BATCH_MISSING && object[ASKED_POLICY].type != BATCH_BLOB)
        return fault_set(fault, FAULT_INVALID, GIT_POLICY_FILE " is not a file");
    base->has_policy = object[ASKED_POLICY].type == BATCH_BLOB;
    (void)buf_text(
        &resolving->content[ASKED_COMMIT]); /* the parser may look one byte behind */
    if (!read_commit(buf_slice(&resolving->content[ASKED_COMMIT]), base, fault))
        return false;
    base->policy = take_buf(&resolving->content[ASKED_POLICY]);
    return true;
}

bool gitdoor_resolve(struct gitdoor *door, const char *ref, struct gitdoor_base *ret_base,
                     struct fault *fault)
{
    static const char *const words[] = {"cat-file", "--batch", "--buffer", NULL};
    struct git_call call = {.folder = GIT_DOOR, .words = words};
    struct resolving resolving = {
        .content = {[ASKED_COMMIT] = buf_with_limit(COMMIT_BYTES_MAX),
                    [ASKED_POLICY] = buf_with_limit(GIT_POLICY_BYTES_MAX)},
        .wanted = {[ASKED_COMMIT] = true, [ASKED_POLICY] = true},
    };
    struct gitdoor_base base = {0};
    AUTO_CLOSE int requests = memfd_create("git questions", MFD_CLOEXEC);
    AUTO_FREE char *text = NULL;
    bool ok;

    if (requests < 0)
        return fault_errno(fault, "prepare git cat-file");
    ref = ref == NULL ? "HEAD" : ref;
    if (!check_revision(slice_of(ref), fault))
        return fault_in(fault, "--base %s", ref);
    text = xformat("%s^{commit}\nrefs/heads/%s\n%s:" GIT_POLICY_FILE "\n", ref, ref, ref);
    ok = file_write_at(requests, slice_of(text), 0, fault) &&
         git_stream(door, &call, requests, resolving_bytes, &resolving, fault) &&
         finish_resolve(door, ref, &resolving, &base, fault);
    for (size_t i = 0; i < ASKED_COUNT; i++)
        buf_free(&resolving.content[i]);
    if (ok)
        *ret_base = base;
    return ok;
}

/* ---- is the work tree clean? ---- */

bool gitdoor_dirty(struct gitdoor *door, size_t limit, bool *ret_dirty, struct buf *ret_paths,
                   struct fault *fault)
{
    static const char *const words[] = {
        "status",       "--porcelain=v1",          "-z", "--untracked-files=no",
        "--no-renames", "--ignore-submodules=all", NULL};
    struct git_call call = {
        .folder = GIT_DOOR, .work_tree = true, .patient = true, .words = words};
    AUTO_BUF struct buf output = buf_with_limit(STATUS_BYTES_MAX);
    struct slice rest, row;

    if (door->place.work_tree == NULL) {
        *ret_dirty = false;
        return true;
    }
    if (!git_must(door, &call, (struct slice){0}, &output, fault))
        return false;
    *ret_dirty = output.len > 0;
    rest = buf_slice(&output);
    for (size_t i = 0;
         ret_paths != NULL && i < limit && slice_cut(&rest, 0, &row) && row.len > 3; i++)
        if (!buf_add(ret_paths, slice_part(row, 3, row.len), fault) ||
            !buf_add_byte(ret_paths, 0, fault))
            return false;
    return true;
}

/* ---- trees and blobs ---- */

struct tree_walk {
    struct listing listing;
    bool (*entry)(void *self, const struct gitdoor_entry *entry, struct fault *fault);
    void *self;
};

static bool walk_row(void *self, struct slice row, struct fault *fault)
{
    struct tree_walk *walk = self;
    struct gitdoor_entry entry;

    return listing_tree_row(row, &entry, fault) && walk->entry(walk->self, &entry, fault);
}

static bool walk_bytes(void *self, struct slice bytes, struct fault *fault)
{
    struct tree_walk *walk = self;

    return listing_take(&walk->listing, bytes, walk_row, self, fault);
}

bool gitdoor_list(struct gitdoor *door, const char *tree,
                  bool (*entry)(void *self, const struct gitdoor_entry *entry,
                                struct fault *fault),
                  void *self, struct fault *fault)
{
    const char *const words[] = {"ls-tree", "-r", "-z", "--long", "--full-tree", tree, NULL};
    struct git_call call = {.folder = GIT_DOOR, .words = words};
    struct tree_walk walk = {.listing = listing_new(), .entry = entry, .self = self};
    bool ok = gitdoor_check_oid(slice_of(tree), fault) &&
              git_stream(door, &call, -1, walk_bytes, &walk, fault);

    if (ok && !listing_is_whole(&walk.listing))
        ok = fault_set(fault, FAULT_IO, "git's list of files is cut off");
    listing_free(&walk.listing);
    return ok;
}

struct blob_walk {
    struct batch batch;
    const uint8_t (*oids)[GIT_OID_BYTES];
    size_t count, next;
    uint64_t size, offset;
    EVP_MD_CTX *hash;
    bool (*part)(void *self, size_t index, uint64_t size, uint64_t offset, struct slice piece,
                 struct fault *fault);
    void *self;
};

static bool blob_object(void *self, const struct batch_object *object, struct fault *fault)
{
    struct blob_walk *walk = self;
    char head[32];
    int len;

    if (walk->next == walk->count)
        return fault_set(fault, FAULT_INVALID, "git answers more than was asked");
    if (object->type == BATCH_MISSING)
        return fault_set(fault, FAULT_MISSING,
                         "a file's content is missing from the repository (partial clone?)");
    if (object->type != BATCH_BLOB ||
        memcmp(object->oid, walk->oids[walk->next], GIT_OID_BYTES) != 0)
        return fault_set(fault, FAULT_INVALID, "git answers something that was not asked");
    len = snprintf(head, sizeof(head), "blob %llu", (unsigned long long)object->size);
    walk->next++;
    walk->size = object->size;
    walk->offset = 0;
    return (EVP_DigestInit_ex(walk->hash, EVP_sha1(), NULL) == 1 &&
            EVP_DigestUpdate(walk->hash, head, (size_t)len + 1) == 1) ||
           fault_set(fault, FAULT_IO, "SHA-1 failed");
}

static bool blob_part(void *self, struct slice piece, struct fault *fault)
{
    struct blob_walk *walk = self;
    uint64_t offset = walk->offset;

    if (piece.len > 0 && EVP_DigestUpdate(walk->hash, piece.at, piece.len) != 1)
        return fault_set(fault, FAULT_IO, "SHA-1 failed");
    walk->offset += piece.len;
    if (walk->offset == walk->size) {
        uint8_t digest[EVP_MAX_MD_SIZE];

        if (EVP_DigestFinal_ex(walk->hash, digest, NULL) != 1 ||
            memcmp(digest, walk->oids[walk->next - 1], GIT_OID_BYTES) != 0)
            return fault_set(fault, FAULT_INVALID,
                             "the repository is damaged: content that does not fit its id");
    }
    return walk->part(walk->self, walk->next - 1, walk->size, offset, piece, fault);
}

static bool blob_bytes(void *self, struct slice bytes, struct fault *fault)
{
    struct blob_walk *walk = self;
    struct batch_sink sink = {blob_object, blob_part, self};

    return batch_take(&walk->batch, bytes, &sink, fault);
}

static bool write_requests(const uint8_t (*oids)[GIT_OID_BYTES], size_t count, int fd,
                           struct fault *fault)
{
    AUTO_BUF struct buf text = buf_with_limit(REQUESTS_BYTES_MAX);
    char line[GIT_OID_TEXT + 1];

    for (size_t i = 0; i < count; i++) {
        hex_encode(slice_of_bytes(oids[i], GIT_OID_BYTES), line);
        line[GIT_OID_TEXT - 1] = '\n';
        if (!buf_add(&text, slice_of_bytes(line, GIT_OID_TEXT), fault))
            return false;
    }
    return file_write_at(fd, buf_slice(&text), 0, fault);
}

bool gitdoor_read(struct gitdoor *door, const uint8_t (*oids)[GIT_OID_BYTES], size_t count,
                  bool (*part)(void *self, size_t index, uint64_t size, uint64_t offset,
                               struct slice piece, struct fault *fault),
                  void *self, struct fault *fault)
{
    static const char *const words[] = {"cat-file", "--batch", "--buffer", NULL};
    struct git_call call = {.folder = GIT_DOOR, .words = words};
    struct blob_walk walk = {.oids = oids, .count = count, .part = part, .self = self};
    AUTO_CLOSE int requests = -1;
    bool ok;

    if (count == 0)
        return true;
    walk.hash = EVP_MD_CTX_new();
    ok = walk.hash != NULL || fault_set(fault, FAULT_IO, "SHA-1 failed");
    ok = ok && git_scratch_file(door, &requests, fault) &&
         write_requests(oids, count, requests, fault) &&
         git_stream(door, &call, requests, blob_bytes, &walk, fault);
    EVP_MD_CTX_free(walk.hash);
    if (ok && (walk.next != count || !batch_is_whole(&walk.batch)))
        ok = fault_set(fault, FAULT_IO, "git answers less than was asked");
    return ok;
}

static bool keep_part(void *self, size_t index, uint64_t size, uint64_t offset,
                      struct slice piece, struct fault *fault)
{
    (void)index, (void)size, (void)offset;
    return buf_add(self, piece, fault);
}

bool gitdoor_read_one(struct gitdoor *door, const uint8_t oid[GIT_OID_BYTES],
                      struct buf *ret_content, struct fault *fault)
{
    uint8_t oids[1][GIT_OID_BYTES];

    memcpy(oids[0], oid, GIT_OID_BYTES);
    return gitdoor_read(door, (const uint8_t(*)[GIT_OID_BYTES])oids, 1, keep_part, ret_content,
                        fault);
}

/* ---- differences ---- */

bool gitdoor_numbers(struct gitdoor *door, const char *from, const char *to,
                     bool (*change)(void *self, const struct gitdoor_change *change,
                                    struct fault *fault),
                     void *self, struct gitdoor_numbers *ret_numbers, struct fault *fault)
{
    const char *const words[] = {"diff-tree",
                                 "-r",
                                 "-z",
                                 "--no-renames",
                                 "--no-ext-diff",
                                 "--no-textconv",
                                 "--raw",
                                 "--numstat",
                                 from,
                                 to,
                                 NULL};
    struct git_call call = {.folder = GIT_QUARANTINE, .words = words};
    AUTO_BUF struct buf output = buf_with_limit(GIT_ANSWER_BYTES_MAX);

    return gitdoor_check_oid(slice_of(from), fault) &&
           gitdoor_check_oid(slice_of(to), fault) &&
           git_must(door, &call, (struct slice){0}, &output, fault) &&
           listing_changes(buf_slice(&output), change, self, ret_numbers, fault);
}

struct diffing {
    EVP_MD_CTX *hash;
    int out;
};

static bool diff_bytes(void *self, struct slice bytes, struct fault *fault)
{
    struct diffing *diffing = self;

    if (EVP_DigestUpdate(diffing->hash, bytes.at, bytes.len) != 1)
        return fault_set(fault, FAULT_IO, "SHA-256 failed");
    return diffing->out < 0 || file_write_all(diffing->out, bytes, fault);
}

bool gitdoor_diff(struct gitdoor *door, const char *from, const char *to, int out,
                  char ret_digest[65], struct fault *fault)
{
    /* Every setting that could change a byte is said: the digest is signed. */
    const char *const words[] = {"diff-tree",
                                 "-r",
                                 "-p",
                                 "--full-index",
                                 "--binary",
                                 "--no-renames",
                                 "--no-ext-diff",
                                 "--no-textconv",
                                 "--no-color",
                                 "--unified=3",
                                 "--diff-algorithm=myers",
                                 "--no-indent-heuristic",
                                 "--src-prefix=a/",
                                 "--dst-prefix=b/",
                                 from,
                                 to,
                                 NULL};
    struct git_call call = {.folder = GIT_QUARANTINE, .words = words};
    struct diffing diffing = {.hash = EVP_MD_CTX_new(), .out = out};
    uint8_t digest[EVP_MAX_MD_SIZE];
    bool ok;

    if (diffing.hash == NULL || EVP_DigestInit_ex(diffing.hash, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(diffing.hash);
        return fault_set(fault, FAULT_IO, "SHA-256 failed");
    }
    ok = gitdoor_check_oid(slice_of(from), fault) && gitdoor_check_oid(slice_of(to), fault) &&
         git_stream(door, &call, -1, diff_bytes, &diffing, fault);
    if (ok && EVP_DigestFinal_ex(diffing.hash, digest, NULL) == 1)
        hex_encode(slice_of_bytes(digest, 32), ret_digest);
    else if (ok)
        ok = fault_set(fault, FAULT_IO, "SHA-256 failed");
    EVP_MD_CTX_free(diffing.hash);
    return ok;
}
