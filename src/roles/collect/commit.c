/*
 * Collect's part of a change: base + what was written = a commit, with the originals back
 * where surrogates stood, in the file that they came from and nowhere else.
 */
#include <fcntl.h>
#include <unistd.h>

#include "base/scope.h"
#include "change/path.h"
#include "os/file.h"
#include "roles/collect/originals.h"
#include "roles/collect/parts.h"

#define WORD_BYTES 256
#define MESSAGE_TEXT_MAX 4096
#define TITLE_BYTES_MAX 200
#define ZONES_MAX 16

enum word {
    WORD_RUN,
    WORD_BASE,
    WORD_ROLE,
    WORD_AGENT,
    WORD_RESPONSIBLE,
    WORD_EMAIL,
    WORD_POLICY,
    WORD_TITLE,
    WORD_COUNT
};

struct blocked_path {
    char *path;
    size_t len;
    const char *reason; /* of a closed set, not owned */
    uint64_t line;      /* 0: all of it */
    bool left_out;
};

struct committing {
    char word[WORD_COUNT][WORD_BYTES];
    int64_t time;
    const struct policy *policy;
    struct gitdoor_draft *draft;
    struct originals originals;
    char base_tree[GIT_OID_TEXT];
    struct blocked_path *blocked;
    size_t blocked_count, blocked_room;
    const char *zones[ZONES_MAX];
    size_t zone_count;
    size_t files, restored;
    uint64_t bytes;
};

void committing_free(struct committing *committing)
{
    if (committing == NULL)
        return;
    for (size_t i = 0; i < committing->blocked_count; i++)
        free(committing->blocked[i].path);
    free(committing->blocked);
    originals_end(&committing->originals);
    gitdoor_draft_free(committing->draft);
    free(committing);
}

static void block_line(struct committing *committing, struct slice path, const char *reason,
                       bool left_out, uint64_t line)
{
    committing->blocked = xgrow(committing->blocked, &committing->blocked_room,
                                committing->blocked_count + 1, sizeof(*committing->blocked));
    committing->blocked[committing->blocked_count++] =
        (struct blocked_path){slice_dup(path), path.len, reason, line, left_out};
}

static void block(struct committing *committing, struct slice path, const char *reason,
                  bool left_out)
{
    block_line(committing, path, reason, left_out, 0);
}

/* ---- begin ---- */

static bool open_snapshot(struct collecting *collecting, struct committing *committing,
                          struct fault *fault)
{
    AUTO_CLOSE int snapshots = -1;
    AUTO_CLOSE int folder = -1;
    char key[65];

    committing->originals.content_fd =
        openat(collecting->cache, "content", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (committing->originals.content_fd < 0)
        return fault_errno(fault, "open the repository's content");
    collect_snapshot_key(committing->base_tree, committing->policy->digest,
                         committing->word[WORD_ROLE], key);
    snapshots = openat(collecting->cache, "snapshots", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (snapshots < 0)
        return fault_errno(fault, "open the snapshots");
    folder = openat(snapshots, key, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (folder < 0)
        return fault_errno(fault, "open the snapshot of the run");
    return snapshot_open(folder, &committing->originals.snapshot, fault);
}

static bool narrow_by(struct collecting *collecting, struct slice settings,
                      struct fault *fault)
{
    struct policy_settings *narrowing = NULL;

    if (settings.len == 0)
        return true;
    if (!policy_settings_decode(settings, &narrowing, fault))
        return false;
    policy_free(collecting->policy);
    policy_settings_free(collecting->narrowing);
    collecting->policy = NULL;
    collecting->narrowing = narrowing;
    return true;
}

static bool begin(struct collecting *collecting, struct asked *asked,
                  struct committing *committing, struct fault *fault)
{
    struct gitdoor_base base = {0};
    struct slice key, settings;

    for (size_t i = 0; i < WORD_COUNT; i++)
        packet_word(&asked->reader, committing->word[i], WORD_BYTES);
    committing->time = (int64_t)packet_number(&asked->reader);
    key = packet_text(&asked->reader);
    settings = packet_text(&asked->reader);
    if (!packet_end(&asked->reader, fault) || key.len != COLLECT_KEY_BYTES)
        return fault_set(fault, FAULT_INVALID, "a request for a commit that cannot be read");
    memcpy(committing->originals.key.bytes, key.at,
           sizeof(committing->originals.key.bytes));
    if (!gitdoor_check_oid(slice_of(committing->word[WORD_BASE]), fault) ||
        !narrow_by(collecting, settings, fault) ||
        !collecting_policy(collecting, &committing->policy, fault))
        return false;
    if (strcmp(committing->policy->digest, committing->word[WORD_POLICY]) != 0)
        return fault_set(fault, FAULT_CONFLICT, "the policy is not the one that the run had");
    originals_by_policy(&committing->originals, committing->policy);
    if (!gitdoor_resolve(collecting->door, committing->word[WORD_BASE], &base, fault))
        return false;
    buf_free(&base.policy);
    memcpy(committing->base_tree, base.tree, sizeof(committing->base_tree));
    return open_snapshot(collecting, committing, fault) &&
           gitdoor_draft_new(collecting->door, &committing->draft, fault);
}

bool collect_on_commit_begin(struct collecting *collecting, struct asked *asked,
                             struct fault *fault)
{
    struct committing *committing = xalloc(sizeof(*committing));

    committing->originals.content_fd = -1;
    committing_free(collecting->committing);
    collecting->committing = NULL;
    if (!begin(collecting, asked, committing, fault)) {
        committing_free(committing);
        return false;
    }
    collecting->committing = committing;
    return true;
}

/* ---- one file ---- */

/* What is written: with the originals that it was shown stand-ins of, and no other ones. */
static bool write_file(struct committing *committing, const struct collect_change *change,
                       struct slice content, struct fault *fault)
{
    AUTO_BUF_SECRET struct buf restored = buf_with_limit(ORIGINALS_BYTES_MAX);
    struct surrogate_outcome outcome = {0}, moved;
    bool is_restored = false;

    if (change->source != NULL &&
        !originals_restore(&committing->originals, change->source, content, &restored,
                           &is_restored, &outcome, fault))
        return false;
    if (is_restored)
        content = buf_slice(&restored);
    if (outcome.unsure > 0)
        block_line(committing, change->path, "surrogate-unsure", false, outcome.line);
    committing->restored += outcome.restored;
    if (!originals_find_moved(&committing->originals, content, &moved, fault))
        return false;
    if (moved.restored > 0)
        block_line(committing, change->path, "surrogate-moved", false, moved.line);
    return gitdoor_draft_write(committing->draft, change->path, change->mode, content, fault);
}

static void note_zone(struct committing *committing, struct slice path)
{
    const char *zone = policy_zone_of(committing->policy, path);

    for (size_t i = 0; zone != NULL && i < committing->zone_count; i++)
        if (strcmp(committing->zones[i], zone) == 0)
            return;
    if (zone != NULL && committing->zone_count < ZONES_MAX)
        committing->zones[committing->zone_count++] = zone;
}

static bool take_regular(struct committing *committing, const struct collect_change *change,
                         struct fault *fault)
{
    AUTO_BUF_SECRET struct buf content = buf_with_limit(COLLECT_FILE_BYTES_MAX);
    struct fault unread = {0};

    if (lseek(change->content, 0, SEEK_SET) < 0)
        return fault_errno(fault, "read what was written");
    if (!file_read_fd(change->content, &content, &unread)) {
        if (unread.kind == FAULT_LIMIT) {
            block(committing, change->path, "file-too-large", true);
            return true;
        }
        *fault = unread;
        return false;
    }
    committing->bytes += content.len;
    if (committing->bytes > COLLECT_CHANGE_BYTES_MAX) {
        block(committing, change->path, "file-too-large", true);
        return true;
    }
    return write_file(committing, change, buf_slice(&content), fault);
}

static bool take_change(struct committing *committing, const struct collect_change *change,
                        struct fault *fault)
{
    const char *role = committing->word[WORD_ROLE];
    const char *problem = change_path_problem(change->path);
    bool is_link = change->mode == SNAPSHOT_MODE_LINK;

    if (++committing->files > COLLECT_FILES_MAX) {
        if (committing->files == COLLECT_FILES_MAX + 1)
            block(committing, change->path, "too-many-files", true);
        return true;
    }
    /* What the agent cannot have seen it cannot have changed. */
    if (problem == NULL &&
        policy_read_verdict(committing->policy, role, change->path, NULL) == VERDICT_DENY)
        problem = "read-denied";
    if (problem == NULL && !change->deleted && is_link &&
        !change_link_stays(change->path, change->link))
        problem = "link-leaves-tree";
    if (problem != NULL) {
        block(committing, change->path, problem, true);
        return true;
    }
    note_zone(committing, change->path);
    if (!policy_write_allowed(committing->policy, role, change->path, false, NULL))
        block(committing, change->path, "write-denied", false);
    if (change->deleted)
        return gitdoor_draft_delete(committing->draft, change->path, fault);
    if (is_link)
        return write_file(committing, change, change->link, fault);
    if ((change->mode != SNAPSHOT_MODE_FILE && change->mode != SNAPSHOT_MODE_PROGRAM) ||
        change->content < 0)
        return fault_set(fault, FAULT_INVALID, "a change without content");
    return take_regular(committing, change, fault);
}

bool collect_on_commit_file(struct collecting *collecting, struct asked *asked,
                            struct fault *fault)
{
    struct collect_change change = {.path = packet_text(&asked->reader)};
    char source[GIT_OID_TEXT];

    change.deleted = packet_number(&asked->reader) != 0;
    change.mode = (unsigned)packet_number(&asked->reader);
    change.link = packet_text(&asked->reader);
    packet_word(&asked->reader, source, sizeof(source));
    change.source = source[0] == 0 ? NULL : source;
    change.content = asked->fds->count > 0 ? asked->fds->fd[0] : -1;
    if (!packet_end(&asked->reader, fault))
        return false;
    if (collecting->committing == NULL)
        return fault_set(fault, FAULT_INVALID, "no commit was begun");
    return take_change(collecting->committing, &change, fault);
}

/* ---- end ---- */

static int compare_blocked(const void *a, const void *b)
{
    const struct blocked_path *left = a;
    const struct blocked_path *right = b;

    return slice_compare(slice_of_bytes(left->path, left->len),
                         slice_of_bytes(right->path, right->len));
}

struct rows {
    struct collecting *collecting;
    const struct committing *committing;
};

static bool send_row(void *self, const struct gitdoor_change *change, struct fault *fault)
{
    struct rows *rows = self;
    const struct committing *committing = rows->committing;
    const struct blocked_path key = {.path = (char *)(uintptr_t)change->path.at,
                                     .len = change->path.len};
    const struct blocked_path *blocked =
        committing->blocked_count == 0
            ? NULL
            : bsearch(&key, committing->blocked, committing->blocked_count, sizeof(key),
                      compare_blocked);

    return collecting_send_row(
        rows->collecting,
        &(struct collect_file){.path = change->path,
                               .status = change->status,
                               .binary = change->binary,
                               .added = change->added,
                               .removed = change->removed,
                               .reason = blocked == NULL ? NULL : blocked->reason,
                               .line = blocked == NULL ? 0 : blocked->line},
        fault);
}

static bool send_left_out(struct rows *rows, struct fault *fault)
{
    const struct committing *committing = rows->committing;

    for (size_t i = 0; i < committing->blocked_count; i++) {
        const struct blocked_path *blocked = &committing->blocked[i];

        if (blocked->left_out &&
            !collecting_send_row(
                rows->collecting,
                &(struct collect_file){.path = slice_of_bytes(blocked->path, blocked->len),
                                       .status = '-',
                                       .reason = blocked->reason},
                fault))
            return false;
    }
    return true;
}

/* Each word once, in order. */
static void add_reason(struct collect_result *result, const char *reason)
{
    size_t at = 0;

    while (at < result->reason_count && strcmp(result->reasons[at], reason) < 0)
        at++;
    if (result->reason_count == COLLECT_REASONS_MAX ||
        (at < result->reason_count && strcmp(result->reasons[at], reason) == 0))
        return;
    memmove(result->reasons[at + 1], result->reasons[at],
            (result->reason_count - at) * sizeof(result->reasons[0]));
    (void)snprintf(result->reasons[at], sizeof(result->reasons[0]), "%s", reason);
    result->reason_count++;
}

static void add_reasons(const struct committing *committing,
                        const struct gitdoor_numbers *numbers, struct collect_result *result)
{
    for (size_t i = 0; i < committing->blocked_count; i++)
        add_reason(result, committing->blocked[i].reason);
    if (committing->policy->limit_files > 0 &&
        numbers->files > (uint64_t)committing->policy->limit_files)
        add_reason(result, "too-many-files");
    if (committing->policy->limit_lines > 0 &&
        numbers->added + numbers->removed > (uint64_t)committing->policy->limit_lines)
        add_reason(result, "too-many-lines");
}

/* One line of plain text: a ticket's title must not add trailers. */
static void title_of(const struct committing *committing, char ret_title[TITLE_BYTES_MAX])
{
    const char *from = committing->word[WORD_TITLE];

    if (from[0] == 0)
        (void)snprintf(ret_title, TITLE_BYTES_MAX, "Change by %.180s",
                       committing->word[WORD_AGENT]);
    else
        (void)snprintf(ret_title, TITLE_BYTES_MAX, "%.190s", from);
    for (char *at = ret_title; *at != 0; at++)
        if ((uint8_t)*at < ' ' || *at == 0x7f)
            *at = ' ';
}

static bool make_commit(struct committing *committing, struct collect_result *result,
                        struct fault *fault)
{
    const char *agent = committing->word[WORD_AGENT];
    AUTO_FREE char *agent_email =
        xformat("%s@run.custody.invalid", committing->word[WORD_ROLE]);
    AUTO_FREE char *email =
        committing->word[WORD_EMAIL][0] != 0
            ? xstrdup(committing->word[WORD_EMAIL])
            : xformat("%s@people.custody.invalid", committing->word[WORD_RESPONSIBLE]);
    AUTO_BUF struct buf message = buf_with_limit(MESSAGE_TEXT_MAX);
    struct gitdoor_commit commit = {.parent = committing->word[WORD_BASE],
                                    .author = {agent, agent_email},
                                    .committer = {committing->word[WORD_RESPONSIBLE], email},
                                    .time = committing->time};
    char title[TITLE_BYTES_MAX];

    title_of(committing, title);
    if (!buf_add_format(&message, fault,
                        "%s\n\nOn-behalf-of: %s <%s>\nCustody-Run: %s\nCustody-Agent: %s\n"
                        "Custody-Policy: %s\n",
                        title, committing->word[WORD_RESPONSIBLE], email,
                        committing->word[WORD_RUN], agent, committing->policy->digest))
        return false;
    commit.message = buf_slice(&message);
    return gitdoor_draft_commit(committing->draft, &commit, result->commit, result->tree,
                                fault);
}

static bool bring_in(struct collecting *collecting, const struct committing *committing,
                     struct collect_result *result, struct fault *fault)
{
    const char *base = committing->word[WORD_BASE];

    (void)snprintf(result->branch, sizeof(result->branch), "custody/%.48s",
                   committing->word[WORD_RUN]);
    return gitdoor_diff(collecting->door, base, result->commit, -1, result->diff, fault) &&
           gitdoor_import(collecting->door, result->commit, base, fault) &&
           gitdoor_move_branch(collecting->door, result->branch, NULL, result->commit, fault);
}

static bool answer(const struct collect_result *result, struct asked *asked,
                   struct fault *fault)
{
    const char *const words[] = {result->commit, result->tree, result->branch, result->diff};
    const uint64_t numbers[] = {result->files, result->added, result->removed,
                                result->restored};

    for (size_t i = 0; i < COUNT(words); i++)
        if (!packet_put_word(asked->answer, words[i], fault))
            return false;
    for (size_t i = 0; i < COUNT(numbers); i++)
        if (!packet_put_number(asked->answer, numbers[i], fault))
            return false;
    if (!packet_put_word(asked->answer, result->zones, fault) ||
        !packet_put_number(asked->answer, result->approvals, fault) ||
        !packet_put_number(asked->answer, result->reason_count, fault))
        return false;
    for (size_t i = 0; i < result->reason_count; i++)
        if (!packet_put_word(asked->answer, result->reasons[i], fault))
            return false;
    return true;
}

static bool end(struct collecting *collecting, struct committing *committing,
                struct asked *asked, struct fault *fault)
{
    struct rows rows = {collecting, committing};
    struct collect_result result = {.restored = committing->restored};
    struct gitdoor_numbers numbers = {0};
    int64_t approvals;
    size_t len = 0;

    if (!make_commit(committing, &result, fault))
        return false;
    if (strcmp(result.tree, committing->base_tree) == 0 && committing->blocked_count == 0)
        return fault_set(fault, FAULT_MISSING, "nothing was changed");
    if (committing->blocked_count > 0)
        qsort(committing->blocked, committing->blocked_count, sizeof(*committing->blocked),
              compare_blocked);
    if (!gitdoor_numbers(collecting->door, committing->word[WORD_BASE], result.commit,
                         send_row, &rows, &numbers, fault) ||
        !send_left_out(&rows, fault) || !bring_in(collecting, committing, &result, fault))
        return false;
    result.files = numbers.files;
    result.added = numbers.added;
    result.removed = numbers.removed;
    add_reasons(committing, &numbers, &result);
    for (size_t i = 0; i < committing->zone_count && len < sizeof(result.zones); i++)
        len += (size_t)snprintf(result.zones + len, sizeof(result.zones) - len, "%s%s",
                                i == 0 ? "" : " ", committing->zones[i]);
    if (len >= sizeof(result.zones))
        return fault_set(fault, FAULT_LIMIT, "the change touches too many zones");
    approvals =
        policy_approvals_for(committing->policy, committing->zones, committing->zone_count);
    result.approvals = approvals < 1 ? 1 : (size_t)approvals;
    return answer(&result, asked, fault);
}

bool collect_on_commit_end(struct collecting *collecting, struct asked *asked,
                           struct fault *fault)
{
    struct committing *committing = collecting->committing;
    bool ok;

    if (committing == NULL || !packet_end(&asked->reader, fault))
        return fault_set(fault, FAULT_INVALID, "no commit was begun");
    collecting->committing = NULL;
    ok = end(collecting, committing, asked, fault);
    committing_free(committing);
    return ok;
}
