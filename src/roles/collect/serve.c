/* The collect role: gives up what it does not need, then answers core. See collect.h. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/file.h"
#include "os/isolate.h"
#include "roles/collect/parts.h"

#define DIRTY_PATHS_MAX 20
#define SCAN_WORKERS 2

static bool answer_fault(int socket, const struct fault *fault)
{
    AUTO_BUF struct buf packet = buf_with_limit(MESSAGE_BYTES_MAX);
    struct fault lost = {0};

    return buf_add_byte(&packet, COLLECT_FAULT, &lost) &&
           packet_put_number(&packet, (uint64_t)fault->kind, &lost) &&
           packet_put_word(&packet, fault->why, &lost) &&
           message_send(socket, buf_slice(&packet), NULL, &lost);
}

bool collecting_send_progress(struct collecting *collecting, size_t done, size_t total,
                              struct fault *fault)
{
    AUTO_BUF struct buf packet = buf_with_limit(MESSAGE_BYTES_MAX);

    return buf_add_byte(&packet, COLLECT_PROGRESS, fault) &&
           packet_put_number(&packet, done, fault) &&
           packet_put_number(&packet, total, fault) &&
           message_send(collecting->socket, buf_slice(&packet), NULL, fault);
}

bool collecting_send_row(struct collecting *collecting, const struct collect_file *file,
                         struct fault *fault)
{
    AUTO_BUF struct buf packet = buf_with_limit(MESSAGE_BYTES_MAX);

    return buf_add_byte(&packet, COLLECT_ROW, fault) &&
           packet_put_text(&packet, file->path, fault) &&
           packet_put_number(&packet, (uint8_t)file->status, fault) &&
           packet_put_number(&packet, file->binary ? 1 : 0, fault) &&
           packet_put_number(&packet, file->added, fault) &&
           packet_put_number(&packet, file->removed, fault) &&
           packet_put_word(&packet, file->reason, fault) &&
           packet_put_number(&packet, file->line, fault) &&
           message_send(collecting->socket, buf_slice(&packet), NULL, fault);
}

/* ---- what is opened when first asked for ---- */

bool collecting_policy(struct collecting *collecting, const struct policy **ret_policy,
                       struct fault *fault)
{
    if (collecting->config->organisation == NULL)
        return fault_set(fault, FAULT_INVALID, "started without the organisation's policy");
    if (collecting->policy == NULL &&
        !policy_build(collecting->config->organisation, collecting->narrowing,
                      &collecting->policy, fault))
        return false;
    *ret_policy = collecting->policy;
    return true;
}

bool collecting_content(struct collecting *collecting, struct content **ret_content,
                        struct fault *fault)
{
    if (collecting->cache < 0)
        return fault_set(fault, FAULT_INVALID, "started without a cache");
    if (collecting->content == NULL &&
        !content_open(collecting->cache, &collecting->content, fault))
        return false;
    *ret_content = collecting->content;
    return true;
}

bool collecting_pool(struct collecting *collecting, struct scan_pool **ret_pool,
                     struct fault *fault)
{
    if (collecting->pool == NULL && !scan_pool_new(SCAN_WORKERS, &collecting->pool, fault))
        return false;
    *ret_pool = collecting->pool;
    return true;
}

/* ---- small requests ---- */

static bool on_resolve(struct collecting *collecting, struct asked *asked, struct fault *fault)
{
    AUTO_BUF struct buf encoded = buf_with_limit(POLICY_PACKET_BYTES_MAX);
    char ref[GIT_REF_BYTES_MAX + 32];
    struct gitdoor_base base = {0};
    bool ok;

    packet_word(&asked->reader, ref, sizeof(ref));
    if (!packet_end(&asked->reader, fault) ||
        !gitdoor_resolve(collecting->door, ref[0] == 0 ? NULL : ref, &base, fault))
        return false;
    policy_settings_free(collecting->narrowing);
    policy_free(collecting->policy);
    collecting->narrowing = NULL;
    collecting->policy = NULL;
    ok = !base.has_policy || (policy_read(buf_slice(&base.policy), GIT_POLICY_FILE,
                                          &collecting->narrowing, fault) &&
                              policy_settings_encode(collecting->narrowing, &encoded, fault));
    buf_free(&base.policy);
    return ok && packet_put_word(asked->answer, base.commit, fault) &&
           packet_put_word(asked->answer, base.tree, fault) &&
           packet_put_word(asked->answer, base.branch, fault) &&
           packet_put_number(asked->answer, (uint64_t)base.commit_time, fault) &&
           packet_put_number(asked->answer, base.has_policy ? 1 : 0, fault) &&
           packet_put_text(asked->answer, buf_slice(&encoded), fault);
}

static bool on_dirty(struct collecting *collecting, struct asked *asked, struct fault *fault)
{
    AUTO_BUF struct buf paths = buf_with_limit(DIRTY_PATHS_MAX * (GIT_PATH_BYTES_MAX + 1UL));
    bool dirty = false;

    return packet_end(&asked->reader, fault) &&
           gitdoor_dirty(collecting->door, DIRTY_PATHS_MAX, &dirty, &paths, fault) &&
           packet_put_number(asked->answer, dirty ? 1 : 0, fault) &&
           packet_put_text(asked->answer, buf_slice(&paths), fault);
}

bool collect_on_diff(struct collecting *collecting, struct asked *asked, struct fault *fault)
{
    char from[GIT_OID_TEXT], to[GIT_OID_TEXT], digest[65];

    packet_word(&asked->reader, from, sizeof(from));
    packet_word(&asked->reader, to, sizeof(to));
    return packet_end(&asked->reader, fault) &&
           gitdoor_diff(collecting->door, from, to,
                        asked->fds->count > 0 ? asked->fds->fd[0] : -1, digest, fault) &&
           packet_put_word(asked->answer, digest, fault);
}

static bool send_change(void *self, const struct gitdoor_change *change, struct fault *fault)
{
    return collecting_send_row(self,
                               &(struct collect_file){.path = change->path,
                                                      .status = change->status,
                                                      .binary = change->binary,
                                                      .added = change->added,
                                                      .removed = change->removed},
                               fault);
}

bool collect_on_files(struct collecting *collecting, struct asked *asked, struct fault *fault)
{
    struct gitdoor_numbers numbers;
    char from[GIT_OID_TEXT], to[GIT_OID_TEXT];

    packet_word(&asked->reader, from, sizeof(from));
    packet_word(&asked->reader, to, sizeof(to));
    return packet_end(&asked->reader, fault) &&
           gitdoor_numbers(collecting->door, from, to, send_change, collecting, &numbers,
                           fault);
}

/* ---- the process ---- */

/* Every request that there is. */
static collect_handler *const handlers[COLLECT_REQUEST_COUNT] = {
    [COLLECT_RESOLVE] = on_resolve,
    [COLLECT_DIRTY] = on_dirty,
    [COLLECT_SNAPSHOT] = collect_on_snapshot,
    [COLLECT_COMMIT_BEGIN] = collect_on_commit_begin,
    [COLLECT_COMMIT_FILE] = collect_on_commit_file,
    [COLLECT_COMMIT_END] = collect_on_commit_end,
    [COLLECT_DIFF] = collect_on_diff,
    [COLLECT_FILES] = collect_on_files,
    [COLLECT_LANDING] = collect_on_landing,
    [COLLECT_LAND] = collect_on_land,
    [COLLECT_LOOK] = collect_on_look,
};

static bool handle(struct collecting *collecting, struct slice packet, struct message_fds *fds)
{
    AUTO_BUF struct buf answer = buf_with_limit(MESSAGE_BYTES_MAX);
    struct asked asked = {
        .reader = {.rest = slice_part(packet, 1, packet.len)}, .fds = fds, .answer = &answer};
    struct fault fault = {0};
    uint8_t kind = packet.len == 0 ? 0 : packet.at[0];
    bool ok;

    if (kind >= COLLECT_REQUEST_COUNT || handlers[kind] == NULL)
        return false;
    ok = buf_add_byte(&answer, COLLECT_DONE, &fault) &&
         handlers[kind](collecting, &asked, &fault) &&
         message_send(collecting->socket, buf_slice(&answer), &asked.give, &fault);
    message_fds_close(&asked.give);
    return ok || answer_fault(collecting->socket, &fault);
}

static bool serve(struct collecting *collecting, struct fault *fault)
{
    AUTO_BUF_SECRET struct buf packet = buf_with_limit(MESSAGE_BYTES_MAX);

    for (;;) {
        struct message_fds fds = {0};
        bool end = false;
        bool ok;

        if (!message_receive(collecting->socket, &packet, &fds, -1, &end, fault))
            return false;
        if (end)
            return true;
        ok = handle(collecting, buf_slice(&packet), &fds);
        message_fds_close(&fds);
        if (!ok)
            return fault_set(fault, FAULT_IO, "core does not listen");
    }
}

/* The one ladder down: user, files, system calls. */
static bool seal(struct collecting *collecting, struct gitdoor_place *place,
                 struct fault *fault)
{
    const struct collect_config *config = collecting->config;
    const char *root = NULL;
    unsigned tree_access = ISOLATE_READ | (config->lands ? ISOLATE_WRITE : 0U);
    struct stat owner;

    if (stat(collecting->scratch, &owner) < 0) /* core gave it to the repository's owner */
        return fault_errno(fault, "look at %s", collecting->scratch);
    if (geteuid() == 0 && owner.st_uid == 0) {
        if (!isolate_capabilities(0, fault))
            return false;
    } else if (!isolate_user(owner.st_uid, geteuid() == 0 ? owner.st_gid : getegid(), 0,
                             fault)) {
        return false;
    }
    if (!gitdoor_find(config->repository, place, fault))
        return false;
    root = place->work_tree != NULL ? place->work_tree : place->git;
    {
        const struct isolate_path paths[] = {
            {.path = "/usr", .access = ISOLATE_READ | ISOLATE_EXECUTE},
            {.path = "/lib", .access = ISOLATE_READ | ISOLATE_EXECUTE, .optional = true},
            {.path = "/lib64", .access = ISOLATE_READ | ISOLATE_EXECUTE, .optional = true},
            {.path = "/bin", .access = ISOLATE_READ | ISOLATE_EXECUTE, .optional = true},
            {.path = "/etc/ld.so.cache", .access = ISOLATE_READ, .optional = true},
            {.path = "/dev/null", .access = ISOLATE_READ | ISOLATE_WRITE},
            {.path = "/dev/urandom", .access = ISOLATE_READ, .optional = true},
            {.path = root, .access = tree_access},
            {.path = place->git, .access = ISOLATE_READ | ISOLATE_WRITE},
            {.path = place->common, .access = ISOLATE_READ | ISOLATE_WRITE},
            {.path = collecting->scratch, .access = ISOLATE_READ | ISOLATE_WRITE},
            {.fd = collecting->cache, .access = ISOLATE_READ | ISOLATE_WRITE},
        };

        return isolate_files(paths, COUNT(paths) - (collecting->cache < 0 ? 1 : 0),
                             ISOLATE_ABI_KERNEL, NULL, fault) &&
               isolate_syscalls(ISOLATE_COLLECT, fault);
    }
}

static bool begin(struct collecting *collecting, struct fault *fault)
{
    AUTO_BUF struct buf ready = buf_with_limit(MESSAGE_BYTES_MAX);
    struct gitdoor_place place = {0};
    bool ok;

    /* As long as we may be root: its way there may be closed to the repository's owner. */
    if (collecting->config->cache != NULL) {
        collecting->cache =
            open(collecting->config->cache, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (collecting->cache < 0)
            return fault_errno(fault, "open the cache %s", collecting->config->cache);
    }
    ok = seal(collecting, &place, fault) &&
         gitdoor_open(&place, collecting->scratch, &collecting->door, fault) &&
         buf_add_byte(&ready, COLLECT_DONE, fault) &&
         packet_put_word(&ready, place.work_tree != NULL ? place.work_tree : place.git,
                         fault) &&
         message_send(collecting->socket, buf_slice(&ready), NULL, fault);
    gitdoor_place_free(&place);
    return ok;
}

/* As if core had asked. */
static bool resolve_unasked(struct collecting *collecting, struct fault *fault)
{
    AUTO_BUF struct buf packet = buf_with_limit(MESSAGE_BYTES_MAX);
    struct message_fds none = {0};

    return buf_add_byte(&packet, COLLECT_RESOLVE, fault) &&
           packet_put_word(&packet, collecting->config->base, fault) &&
           (handle(collecting, buf_slice(&packet), &none) ||
            fault_set(fault, FAULT_IO, "core does not listen"));
}

static void end(struct collecting *collecting)
{
    committing_free(collecting->committing);
    scan_pool_free(collecting->pool);
    content_close(collecting->content);
    policy_free(collecting->policy);
    policy_settings_free(collecting->narrowing);
    gitdoor_close(collecting->door);
}

int collect_role(void *self)
{
    struct collecting *collecting = self;
    struct fault fault = {0};
    bool ok = begin(collecting, &fault);

    if (!ok)
        (void)!answer_fault(collecting->socket, &fault);
    ok = ok && (!collecting->config->resolves || resolve_unasked(collecting, &fault)) &&
         serve(collecting, &fault);
    end(collecting);
    return ok ? 0 : 1;
}
