/* Core's end of collect: one function a request. What comes back is decoded strictly. */
#include "roles/collect/collect.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/sha.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hex.h"
#include "base/scope.h"
#include "classify/classify.h"
#include "os/file.h"
#include "os/spawn.h"
#include "roles/collect/parts.h"
#include "roles/scanning/rules.h"
#include "view/snapshot_format.h"

#define PATHS_BYTES_MAX (100UL * 1024)
#define TITLE_BYTES_MAX 180
#define NAME_KEPT 64 /* of the repository's name in that of its cache */

struct collect {
    struct process process;
    int socket;
    uid_t owner;
    char *root;
    char *scratch;
    struct buf packet;
    struct message_fds given; /* that came with the last answer */
};

/* What to do with packets that come before the answer. */
struct hearing {
    void (*progress)(void *self, size_t done, size_t total);
    bool (*row)(void *self, const struct collect_file *file, struct fault *fault);
    void *self;
};

static struct buf request(enum collect_request kind)
{
    struct buf packet = buf_with_limit(MESSAGE_BYTES_MAX);
    struct fault fault = {0};

    (void)!buf_add_byte(&packet, (uint8_t)kind, &fault); /* it cannot fail: below the limit */
    return packet;
}

static bool hear_fault(struct packet_reader *reader, struct fault *fault)
{
    uint64_t kind = packet_number(reader);
    char why[sizeof(fault->why)];

    packet_word(reader, why, sizeof(why));
    if (!packet_end(reader, fault) || kind <= FAULT_NONE || kind > FAULT_HOST)
        return fault_set(fault, FAULT_IO, "collect answers what cannot be read");
    for (char *at = why; *at != 0;
         at++) /* it may quote the repository, and goes to a terminal */
        if ((uint8_t)*at < ' ' || *at == 0x7f)
            *at = '?';
    return fault_set(fault, (enum fault_kind)kind, "%s", why);
}

static bool hear_row(struct packet_reader *reader, const struct hearing *hearing,
                     struct fault *fault)
{
    char reason[32];
    struct collect_file file = {.path = packet_text(reader)};
    uint64_t status = packet_number(reader);

    file.binary = packet_number(reader) != 0;
    file.added = packet_number(reader);
    file.removed = packet_number(reader);
    packet_word(reader, reason, sizeof(reason));
    file.line = packet_number(reader);
    if (!packet_end(reader, fault) || status > 'Z')
        return fault_set(fault, FAULT_IO, "collect answers what cannot be read");
    file.status = (char)status;
    file.reason = reason[0] == 0 ? NULL : reason;
    return hearing->row == NULL || hearing->row(hearing->self, &file, fault);
}

/* Hears until the answer; `ret_reader` then stands behind its first byte. */
static bool hear(struct collect *collect, const struct hearing *hearing,
                 struct packet_reader *ret_reader, struct fault *fault)
{
    struct fault refusal = {0};

    message_fds_close(&collect->given);
    for (;;) {
        struct packet_reader reader;
        bool end = false;

        if (!message_receive(collect->socket, &collect->packet, &collect->given, -1, &end,
                             fault))
            return fault_in(fault, "collect");
        if (end || collect->packet.len == 0)
            return fault_set(fault, FAULT_IO,
                             "the process that reads the repository ended unexpectedly");
        reader.rest = slice_part(buf_slice(&collect->packet), 1, collect->packet.len);
        reader.failed = false;
        switch (collect->packet.at[0]) {
        case COLLECT_DONE:
            *ret_reader = reader;
            if (refusal.kind != FAULT_NONE)
                *fault = refusal;
            return refusal.kind == FAULT_NONE;
        case COLLECT_FAULT:
            return hear_fault(&reader, fault);
        case COLLECT_PROGRESS: {
            size_t done = packet_number(&reader);
            size_t total = packet_number(&reader);

            if (!packet_end(&reader, fault))
                return false;
            if (hearing->progress != NULL)
                hearing->progress(hearing->self, done, total);
            break;
        }
        case COLLECT_ROW: /* the rest must be heard, or the next answer is this one */
            if (refusal.kind == FAULT_NONE && !hear_row(&reader, hearing, &refusal) &&
                refusal.kind == FAULT_NONE)
                (void)fault_set(&refusal, FAULT_IO, "the list of files was not wanted");
            break;
        default:
            return fault_set(fault, FAULT_IO, "collect answers what cannot be read");
        }
    }
}

static bool ask(struct collect *collect, struct buf *packet, const struct message_fds *fds,
                const struct hearing *hearing, struct packet_reader *ret_reader,
                struct fault *fault)
{
    static const struct hearing nothing;

    return message_send(collect->socket, buf_slice(packet), fds, fault) &&
           hear(collect, hearing == NULL ? &nothing : hearing, ret_reader, fault);
}

static bool take_oid(struct packet_reader *reader, char ret_oid[GIT_OID_TEXT],
                     struct fault *fault)
{
    packet_word(reader, ret_oid, GIT_OID_TEXT);
    return !reader->failed && gitdoor_check_oid(slice_of(ret_oid), fault);
}

static bool take_digest(struct packet_reader *reader, char ret_digest[65], struct fault *fault)
{
    uint8_t bytes[32];

    packet_word(reader, ret_digest, 65);
    return (!reader->failed && hex_decode(slice_of(ret_digest), bytes, sizeof(bytes))) ||
           fault_set(fault, FAULT_IO, "collect answers what cannot be read");
}

/* ---- life ---- */

/* .git is a folder or a file of its owner; a bare repository is its own. */
static bool find_owner(const char *repository, struct stat *ret_stat, struct fault *fault)
{
    AUTO_FREE char *git = xformat("%s/.git", repository);
    struct stat folder;

    if (stat(repository, &folder) < 0)
        return fault_errno(fault, "repository %s", repository);
    if (lstat(git, ret_stat) < 0)
        *ret_stat = folder;
    if (ret_stat->st_uid != folder.st_uid)
        return fault_set(fault, FAULT_DENIED, "%s and its .git belong to different users",
                         repository);
    return true;
}

static bool make_scratch(struct collect *collect, const char *parent, const struct stat *owner,
                         struct fault *fault)
{
    AUTO_FREE char *name = xformat("%s/collect.XXXXXX", parent == NULL ? "/tmp" : parent);

    if (mkdtemp(name) == NULL)
        return fault_errno(fault, "make a folder in %s", parent == NULL ? "/tmp" : parent);
    collect->scratch = take_pointer(&name);
    if (geteuid() == 0 && chown(collect->scratch, owner->st_uid, owner->st_gid) < 0)
        return fault_errno(fault, "give %s to the repository's owner", collect->scratch);
    return true;
}

static bool spawn(struct collect *collect, const struct collect_config *config,
                  struct fault *fault)
{
    struct collecting collecting = {.config = config, .cache = -1};
    struct stat owner;
    int ends[2];
    bool ok;

    if (!rules_prepare(fault) || !find_owner(config->repository, &owner, fault) ||
        !make_scratch(collect, config->scratch, &owner, fault) || !message_pair(ends, fault))
        return false;
    collect->owner = owner.st_uid;
    collecting.socket = ends[1];
    collecting.scratch = collect->scratch;
    ok = spawn_role("custody-collect", collect_role, &collecting, &ends[1], 1,
                    &collect->process, fault);
    (void)close(ends[1]);
    collect->socket = ends[0];
    return ok;
}

bool collect_await(struct collect *collect, struct fault *fault)
{
    struct packet_reader reader;
    const struct hearing nothing = {0};

    if (!hear(collect, &nothing, &reader, fault))
        return false;
    collect->root = slice_dup(packet_text(&reader));
    return packet_end(&reader, fault) &&
           (collect->root[0] == '/' || fault_set(fault, FAULT_IO, "collect names no folder"));
}

bool collect_spawn(const struct collect_config *config, struct collect **ret_collect,
                   struct fault *fault)
{
    struct collect *collect = xalloc(sizeof(*collect));

    *collect = (struct collect){.process = {.pid = -1, .pidfd = -1},
                                .socket = -1,
                                .packet = buf_with_limit(MESSAGE_BYTES_MAX)};
    if (!spawn(collect, config, fault)) {
        collect_stop(collect);
        return false;
    }
    *ret_collect = collect;
    return true;
}

bool collect_start(const struct collect_config *config, struct collect **ret_collect,
                   struct fault *fault)
{
    struct collect *collect;

    if (!collect_spawn(config, &collect, fault))
        return false;
    if (!collect_await(collect, fault)) {
        collect_stop(collect);
        return false;
    }
    *ret_collect = collect;
    return true;
}

void collect_kill(struct collect *collect)
{
    if (collect->process.pid > 0)
        (void)kill(collect->process.pid, SIGKILL);
}

void collect_stop(struct collect *collect)
{
    struct fault fault = {0};

    if (collect == NULL)
        return;
    message_fds_close(&collect->given);
    if (collect->socket >= 0)
        (void)close(collect->socket);
    process_kill(&collect->process);
    if (collect->scratch != NULL)
        (void)!file_remove_tree(AT_FDCWD, collect->scratch, &fault);
    buf_free(&collect->packet);
    free(collect->scratch);
    free(collect->root);
    free(collect);
}

const char *collect_root(const struct collect *collect)
{
    return collect->root;
}

uid_t collect_owner(const struct collect *collect)
{
    return collect->owner;
}

bool collect_cache_name(const char *repository, char ret_name[97], struct fault *fault)
{
    char *path = realpath(repository, NULL);
    uint8_t digest[SHA256_DIGEST_LENGTH];
    char hex[2 * SHA256_DIGEST_LENGTH + 1];
    size_t len = 0;

    if (path == NULL)
        return fault_errno(fault, "repository %s", repository);
    (void)SHA256((const uint8_t *)path, strlen(path), digest);
    hex_encode(slice_of_bytes(digest, sizeof(digest)), hex);
    for (const char *at = strrchr(path, '/') + 1; *at != 0 && len < NAME_KEPT; at++) {
        char lower = (char)(*at >= 'A' && *at <= 'Z' ? *at + ('a' - 'A') : *at);
        bool kept = (lower >= 'a' && lower <= 'z') || (lower >= '0' && lower <= '9');

        ret_name[len++] = kept ? lower : '-';
    }
    free(path);
    (void)snprintf(ret_name + len, 97 - len, "%s%.24s", len == 0 ? "" : "-", hex);
    return true;
}

void collect_snapshot_key(const char *tree, const char *policy_digest, const char *role,
                          char ret_key[65])
{
    AUTO_FREE char *text =
        xformat("snapshot %u\n%s\n%s\n%s\n%s\n", SNAPSHOT_VERSION, tree, policy_digest,
                classify_digest(), role);
    uint8_t digest[SHA256_DIGEST_LENGTH];

    (void)SHA256((const uint8_t *)text, strlen(text), digest);
    hex_encode(slice_of_bytes(digest, sizeof(digest)), ret_key);
}

/* ---- requests ---- */

static bool read_base(struct packet_reader *reader, struct collect_base *ret_base,
                      struct fault *fault)
{
    struct collect_base base = {.settings = buf_with_limit(POLICY_PACKET_BYTES_MAX)};
    struct slice settings;

    if (!take_oid(reader, base.commit, fault) || !take_oid(reader, base.tree, fault))
        return false;
    packet_word(reader, base.branch, sizeof(base.branch));
    base.commit_time = (int64_t)packet_number(reader);
    base.has_policy = packet_number(reader) != 0;
    settings = packet_text(reader);
    if (!packet_end(reader, fault) || !buf_add(&base.settings, settings, fault))
        return false;
    *ret_base = base;
    return true;
}

bool collect_resolve(struct collect *collect, const char *ref, struct collect_base *ret_base,
                     struct fault *fault)
{
    AUTO_BUF struct buf packet = request(COLLECT_RESOLVE);
    struct packet_reader reader;

    return packet_put_word(&packet, ref, fault) &&
           ask(collect, &packet, NULL, NULL, &reader, fault) &&
           read_base(&reader, ret_base, fault);
}

bool collect_resolved(struct collect *collect, struct collect_base *ret_base,
                      struct fault *fault)
{
    const struct hearing nothing = {0};
    struct packet_reader reader;

    return hear(collect, &nothing, &reader, fault) && read_base(&reader, ret_base, fault);
}

bool collect_dirty_begin(struct collect *collect, struct fault *fault)
{
    AUTO_BUF struct buf packet = request(COLLECT_DIRTY);

    return message_send(collect->socket, buf_slice(&packet), NULL, fault);
}

int collect_socket(const struct collect *collect)
{
    return collect->socket;
}

bool collect_dirty_end(struct collect *collect, bool *ret_dirty, struct buf *ret_paths,
                       struct fault *fault)
{
    const struct hearing nothing = {0};
    struct packet_reader reader;
    struct slice paths;
    bool dirty;

    if (!hear(collect, &nothing, &reader, fault))
        return false;
    dirty = packet_number(&reader) != 0;
    paths = packet_text(&reader);
    if (!packet_end(&reader, fault) ||
        (ret_paths != NULL && !buf_add(ret_paths, paths, fault)))
        return false;
    *ret_dirty = dirty;
    return true;
}

bool collect_snapshot(struct collect *collect, const struct collect_snapshot *wanted,
                      void (*progress)(void *self, size_t done, size_t total), void *self,
                      struct fault *fault)
{
    AUTO_BUF struct buf packet = request(COLLECT_SNAPSHOT);
    const struct hearing hearing = {.progress = progress, .self = self};
    struct packet_reader reader;

    return packet_put_word(&packet, wanted->commit, fault) &&
           packet_put_word(&packet, wanted->role, fault) &&
           packet_put_word(&packet, wanted->key, fault) &&
           ask(collect, &packet, NULL, &hearing, &reader, fault) && packet_end(&reader, fault);
}

bool collect_commit_begin(struct collect *collect, const struct collect_commit *commit,
                          struct fault *fault)
{
    AUTO_BUF_SECRET struct buf packet = request(COLLECT_COMMIT_BEGIN);
    const char *const words[] = {commit->run,          commit->base,
                                 commit->role,         commit->agent,
                                 commit->responsible,  commit->responsible_email,
                                 commit->policy_digest};
    struct slice title = commit->title == NULL ? (struct slice){0} : slice_of(commit->title);
    struct packet_reader reader;

    for (size_t i = 0; i < COUNT(words); i++)
        if (!packet_put_word(&packet, words[i], fault))
            return false;
    if (title.len > TITLE_BYTES_MAX) /* not in the middle of a character */
        for (title.len = TITLE_BYTES_MAX;
             title.len > 0 && (title.at[title.len] & 0xc0) == 0x80;)
            title.len--;
    return packet_put_text(&packet, title, fault) &&
           packet_put_number(&packet, (uint64_t)commit->time, fault) &&
           packet_put_text(&packet, slice_of_bytes(commit->key, COLLECT_KEY_BYTES), fault) &&
           packet_put_text(&packet, commit->settings, fault) &&
           ask(collect, &packet, NULL, NULL, &reader, fault) && packet_end(&reader, fault);
}

bool collect_commit_file(struct collect *collect, const struct collect_change *change,
                         struct fault *fault)
{
    AUTO_BUF struct buf packet = request(COLLECT_COMMIT_FILE);
    struct message_fds fds = {.fd = {change->content}, .count = change->content >= 0 ? 1 : 0};
    struct packet_reader reader;

    return packet_put_text(&packet, change->path, fault) &&
           packet_put_number(&packet, change->deleted ? 1 : 0, fault) &&
           packet_put_number(&packet, change->mode, fault) &&
           packet_put_text(&packet, change->link, fault) &&
           packet_put_word(&packet, change->source, fault) &&
           ask(collect, &packet, &fds, NULL, &reader, fault) && packet_end(&reader, fault);
}

bool collect_commit_end(struct collect *collect,
                        bool (*file)(void *self, const struct collect_file *file,
                                     struct fault *fault),
                        void *self, struct collect_result *ret_result, struct fault *fault)
{
    AUTO_BUF struct buf packet = request(COLLECT_COMMIT_END);
    const struct hearing hearing = {.row = file, .self = self};
    struct collect_result result = {0};
    struct packet_reader reader;
    uint64_t reasons;

    if (!ask(collect, &packet, NULL, &hearing, &reader, fault) ||
        !take_oid(&reader, result.commit, fault) || !take_oid(&reader, result.tree, fault))
        return false;
    packet_word(&reader, result.branch, sizeof(result.branch));
    if (!take_digest(&reader, result.diff, fault))
        return false;
    result.files = packet_number(&reader);
    result.added = packet_number(&reader);
    result.removed = packet_number(&reader);
    result.restored = packet_number(&reader);
    packet_word(&reader, result.zones, sizeof(result.zones));
    result.approvals = packet_number(&reader);
    reasons = packet_number(&reader);
    for (uint64_t i = 0; i < reasons && i < COLLECT_REASONS_MAX; i++)
        packet_word(&reader, result.reasons[result.reason_count++], sizeof(result.reasons[0]));
    result.blocked = result.reason_count > 0;
    if (!packet_end(&reader, fault))
        return false;
    *ret_result = result;
    return true;
}

bool collect_diff(struct collect *collect, const char *from, const char *to, int out,
                  char ret_digest[65], struct fault *fault)
{
    AUTO_BUF struct buf packet = request(COLLECT_DIFF);
    struct message_fds fds = {.fd = {out}, .count = out >= 0 ? 1 : 0};
    struct packet_reader reader;

    return packet_put_word(&packet, from, fault) && packet_put_word(&packet, to, fault) &&
           ask(collect, &packet, &fds, NULL, &reader, fault) &&
           take_digest(&reader, ret_digest, fault) && packet_end(&reader, fault);
}

bool collect_files(struct collect *collect, const char *from, const char *to,
                   bool (*file)(void *self, const struct collect_file *file,
                                struct fault *fault),
                   void *self, struct fault *fault)
{
    AUTO_BUF struct buf packet = request(COLLECT_FILES);
    const struct hearing hearing = {.row = file, .self = self};
    struct packet_reader reader;

    return packet_put_word(&packet, from, fault) && packet_put_word(&packet, to, fault) &&
           ask(collect, &packet, NULL, &hearing, &reader, fault) && packet_end(&reader, fault);
}

bool collect_landing(struct collect *collect, const char *branch, const char *head,
                     struct gitdoor_landing *ret_landing, struct fault *fault)
{
    AUTO_BUF struct buf packet = request(COLLECT_LANDING);
    struct gitdoor_landing landing = {0};
    struct packet_reader reader;
    uint64_t kind;

    if (!packet_put_word(&packet, branch, fault) || !packet_put_word(&packet, head, fault) ||
        !ask(collect, &packet, NULL, NULL, &reader, fault))
        return false;
    kind = packet_number(&reader);
    landing.kind = (enum landing_kind)kind;
    if (!take_oid(&reader, landing.into, fault) ||
        !take_oid(&reader, landing.merge_base, fault) ||
        !take_oid(&reader, landing.tree, fault))
        return false;
    landing.checked_out = packet_number(&reader) != 0;
    if (!packet_end(&reader, fault) || kind > LANDING_NOTHING)
        return fault_set(fault, FAULT_IO, "collect answers what cannot be read");
    *ret_landing = landing;
    return true;
}

bool collect_land(struct collect *collect, const struct collect_land *land,
                  char ret_commit[GIT_OID_TEXT], struct fault *fault)
{
    AUTO_BUF struct buf packet = request(COLLECT_LAND);
    const char *const words[] = {land->branch, land->head, land->tree, land->into,
                                 land->message};
    struct packet_reader reader;

    for (size_t i = 0; i < COUNT(words); i++)
        if (!packet_put_word(&packet, words[i], fault))
            return false;
    return packet_put_number(&packet, (uint64_t)land->time, fault) &&
           ask(collect, &packet, NULL, NULL, &reader, fault) &&
           take_oid(&reader, ret_commit, fault) && packet_end(&reader, fault);
}

bool collect_look(struct collect *collect, const char *commit, const char *role,
                  const char *path, const uint8_t key[32], struct collect_look *ret_look,
                  struct fault *fault)
{
    AUTO_BUF_SECRET struct buf packet = request(COLLECT_LOOK);
    struct collect_look look = {.content = buf_with_limit(COLLECT_FILE_BYTES_MAX)};
    struct packet_reader reader;
    uint64_t verdict;

    if (!packet_put_word(&packet, commit, fault) || !packet_put_word(&packet, role, fault) ||
        !packet_put_word(&packet, path, fault) ||
        !packet_put_text(&packet, slice_of_bytes(key, COLLECT_KEY_BYTES), fault) ||
        !ask(collect, &packet, NULL, NULL, &reader, fault))
        return false;
    verdict = packet_number(&reader);
    look.class_mask = (unsigned)packet_number(&reader);
    look.findings = packet_number(&reader);
    packet_word(&reader, look.rule, sizeof(look.rule));
    if (!packet_end(&reader, fault) || verdict >= VERDICT_COUNT)
        return fault_set(fault, FAULT_IO, "collect answers what cannot be read");
    look.verdict = (enum verdict)verdict;
    if (look.verdict != VERDICT_DENY) {
        if (collect->given.count != 1 || lseek(collect->given.fd[0], 0, SEEK_SET) != 0)
            return fault_set(fault, FAULT_IO, "collect gives no content");
        if (!file_read_fd(collect->given.fd[0], &look.content, fault)) {
            buf_free(&look.content);
            return false;
        }
    }
    *ret_look = look;
    return true;
}
