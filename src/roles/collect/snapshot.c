/* Collect's part of a snapshot: which files there are, what is in them, what policy says of
 * both. */
#include <fcntl.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/hex.h"
#include "base/scope.h"
#include "classify/classify.h"
#include "classify/surrogate.h"
#include "os/clock_real.h"
#include "os/file.h"
#include "roles/collect/parts.h"
#include "roles/findings.h"
#include "view/snapshot.h"

#define NAMES_BYTES_MAX (1UL << 30)
#define ROLE_BYTES 64

struct row {
    size_t path_at, path_len;
    unsigned mode;
    uint8_t oid[GIT_OID_BYTES];
    uint64_t size;
    enum verdict verdict; /* of the path */
    const char *rule;
};

/* A snapshot under way. */
struct making {
    struct collecting *collecting;
    const struct policy *policy;
    const char *role;
    struct policy_matching *matching;
    struct content *content;
    struct scan_pool *pool;
    uint8_t rules[CONTENT_RULES_BYTES];
    struct buf names;
    struct row *rows;
    size_t count, room;
    size_t *wanted; /* rows whose content has to be read */
    size_t wanted_count, wanted_room;
    struct buf whole; /* the blob that is being read */
    bool skipping;
    size_t done;
    int64_t told_us;
};

static struct slice row_path(const struct making *making, const struct row *row)
{
    return slice_part(buf_slice(&making->names), row->path_at, row->path_at + row->path_len);
}

static void making_free(struct making *making)
{
    buf_free(&making->names);
    buf_free(&making->whole);
    free(making->rows);
    free(making->wanted);
}

/* ---- which files there are ---- */

static bool keep_row(void *self, const struct gitdoor_entry *entry, struct fault *fault)
{
    struct making *making = self;
    struct row *row;

    if (making->count == SNAPSHOT_NODES_MAX)
        return fault_set(fault, FAULT_LIMIT, "more than %u files", SNAPSHOT_NODES_MAX);
    making->rows =
        xgrow(making->rows, &making->room, making->count + 1, sizeof(*making->rows));
    row = &making->rows[making->count++];
    *row = (struct row){.path_at = making->names.len,
                        .path_len = entry->path.len,
                        .mode = entry->mode,
                        .size = entry->size};
    memcpy(row->oid, entry->oid, sizeof(row->oid));
    policy_match_path(making->matching, entry->path);
    row->verdict = policy_read_verdict(making->policy, making->role, entry->path, &row->rule);
    return buf_add(&making->names, entry->path, fault);
}

static bool list_files(struct making *making, const char *commit, struct fault *fault)
{
    struct fault unmatched = {0};
    bool ok;

    making->matching = policy_matching_new(making->policy, making->role);
    ok = gitdoor_list(making->collecting->door, commit, keep_row, making, fault);
    if (!policy_matching_end(making->matching, &unmatched) && ok) {
        *fault = unmatched;
        ok = false;
    }
    return ok;
}

static bool is_gitlink(const struct row *row)
{
    return row->mode == SNAPSHOT_MODE_GITLINK;
}

/* ---- what is in them ---- */

static bool tell_progress(struct making *making, size_t done, size_t total,
                          struct fault *fault)
{
    int64_t now_us = clock_monotonic_us(&clock_real);

    if (now_us - making->told_us < COLLECT_PROGRESS_US && done != total)
        return true;
    making->told_us = now_us;
    return collecting_send_progress(making->collecting, done, total, fault);
}

static bool keep_verdict(void *self, size_t token, const struct finding *findings,
                         size_t count, unsigned class_mask, struct fault *fault)
{
    struct making *making = self;
    struct snapshot_finding *stored = count == 0 ? NULL : xalloc_array(count, sizeof(*stored));
    size_t kept = 0;
    bool ok;

    for (size_t i = 0; i < count; i++)
        if (findings[i].confidence > CONFIDENCE_LOW) /* what is only reported is shown */
            stored[kept++] = finding_store(&findings[i]);
    ok = content_verdict_add(making->content, making->rows[token].oid, GIT_OID_BYTES,
                             making->rules, class_mask, stored, kept, fault);
    free(stored);
    return ok;
}

static bool scan_row(struct making *making, size_t index, struct slice content,
                     struct fault *fault)
{
    struct scan_sink sink = {keep_verdict, making};

    return scan_pool_submit(making->pool, index, content,
                            row_path(making, &making->rows[index]), &sink, fault);
}

/* A blob that is too large to look into goes to the store as it comes, and may hold anything.
 */
static bool keep_large(struct making *making, size_t index, uint64_t size, uint64_t offset,
                       struct slice piece, struct fault *fault)
{
    const struct row *row = &making->rows[index];
    uint64_t at, len;

    if (offset == 0)
        making->skipping = content_find(making->content, row->oid, GIT_OID_BYTES, &at, &len);
    if (making->skipping)
        return true;
    if (offset == 0 &&
        !content_add_begin(making->content, row->oid, GIT_OID_BYTES, size, fault))
        return false;
    if (!content_add_more(making->content, piece, fault))
        return false;
    return offset + piece.len < size ||
           (content_add_end(making->content, &at, fault) &&
            keep_verdict(making, index, NULL, 0, SCAN_UNEXAMINED, fault));
}

static bool keep_piece(void *self, size_t index, uint64_t size, uint64_t offset,
                       struct slice piece, struct fault *fault)
{
    struct making *making = self;
    const struct row *row = &making->rows[making->wanted[index]];
    bool last = offset + piece.len == size;
    uint64_t at;

    if (offset == 0)
        buf_clear(&making->whole);
    if (size > SCAN_BYTES_MAX
            ? !keep_large(making, making->wanted[index], size, offset, piece, fault)
            : !buf_add(&making->whole, piece, fault))
        return false;
    if (!last)
        return true;
    making->done++;
    if (!tell_progress(making, making->done, making->wanted_count, fault))
        return false;
    return size > SCAN_BYTES_MAX ||
           (content_add(making->content, row->oid, GIT_OID_BYTES, buf_slice(&making->whole),
                        &at, fault) &&
            scan_row(making, making->wanted[index], buf_slice(&making->whole), fault));
}

/* Content that is here, but not looked at with these rules. */
static bool scan_stored(struct making *making, size_t index, uint64_t at, uint64_t len,
                        struct fault *fault)
{
    ssize_t got;

    if (len > SCAN_BYTES_MAX)
        return keep_verdict(making, index, NULL, 0, SCAN_UNEXAMINED, fault);
    buf_clear(&making->whole);
    if (!buf_reserve(&making->whole, len, fault))
        return false;
    got = len == 0 ? 0 : pread(content_fd(making->content), making->whole.at, len, (off_t)at);
    if (got < 0 || (uint64_t)got != len)
        return fault_errno(fault, "read the cache");
    making->whole.len = len;
    return scan_row(making, index, buf_slice(&making->whole), fault);
}

static bool sort_out(struct making *making, struct fault *fault)
{
    for (size_t i = 0; i < making->count; i++) {
        const struct row *row = &making->rows[i];
        const struct snapshot_finding *findings;
        uint64_t at, len;
        size_t count;
        unsigned mask;

        if (row->verdict == VERDICT_DENY || is_gitlink(row))
            continue;
        if (!content_find(making->content, row->oid, GIT_OID_BYTES, &at, &len)) {
            making->wanted = xgrow(making->wanted, &making->wanted_room,
                                   making->wanted_count + 1, sizeof(*making->wanted));
            making->wanted[making->wanted_count++] = i;
        } else if (!content_verdict_find(making->content, row->oid, GIT_OID_BYTES,
                                         making->rules, &mask, &findings, &count) &&
                   !scan_stored(making, i, at, len, fault)) {
            return false;
        }
    }
    return true;
}

static bool read_files(struct making *making, struct fault *fault)
{
    struct scan_sink sink = {keep_verdict, making};
    uint8_t(*oids)[GIT_OID_BYTES];
    bool ok;

    if (!sort_out(making, fault))
        return false;
    oids = xalloc_array(making->wanted_count + 1, sizeof(*oids));
    for (size_t i = 0; i < making->wanted_count; i++)
        memcpy(oids[i], making->rows[making->wanted[i]].oid, GIT_OID_BYTES);
    ok = gitdoor_read(making->collecting->door, (const uint8_t(*)[GIT_OID_BYTES])oids,
                      making->wanted_count, keep_piece, making, fault) &&
         scan_pool_drain(making->pool, &sink, fault) && content_commit(making->content, fault);
    free(oids);
    return ok;
}

/* ---- what policy says of both ---- */

static const char *const class_rules[CLASS_COUNT] = {
    [CLASS_PHI] = "data.phi.view",       [CLASS_PAN] = "data.pan.view",
    [CLASS_SECRET] = "data.secret.view", [CLASS_PII] = "data.pii.view",
    [CLASS_OPAQUE] = "data.opaque.view", [CLASS_CODE] = "data.code.view",
};

/*
 * The stricter of path and classes. A link's target and what could not be looked into have no
 * spans to replace, and some values cannot be written anew in place (`stuck`: of which
 * classes): where redaction is asked for, they are denied.
 */
static enum verdict judge(const struct policy *policy, unsigned mode, unsigned mask,
                          size_t finding_count, unsigned stuck, enum verdict of_path,
                          const char **rule)
{
    enum verdict verdict = of_path;

    for (unsigned class = 0; class < CLASS_COUNT; class++) {
        enum verdict of_class =
            policy_class_verdict(policy, (enum data_class) class, POLICY_VIEW);

        if ((mask & CLASS_BIT(class)) == 0)
            continue;
        if (of_class == VERDICT_REDACT &&
            (class == CLASS_OPAQUE || mode == SNAPSHOT_MODE_LINK || finding_count == 0 ||
             (stuck & CLASS_BIT(class)) != 0))
            of_class = VERDICT_DENY;
        if (of_class > verdict) {
            verdict = of_class;
            *rule = class_rules[class];
        }
    }
    return verdict;
}

static bool add_row(struct making *making, struct snapshot_builder *builder,
                    const struct row *row, struct fault *fault)
{
    struct snapshot_entry entry = {.path = row_path(making, row),
                                   .mode = row->mode,
                                   .oid = row->oid,
                                   .size = row->size,
                                   .verdict = row->verdict};
    const char *rule = row->rule;
    uint64_t len;

    if (row->verdict != VERDICT_DENY && !is_gitlink(row)) {
        if (!content_find(making->content, row->oid, GIT_OID_BYTES, &entry.content_at, &len) ||
            !content_verdict_find(making->content, row->oid, GIT_OID_BYTES, making->rules,
                                  &entry.class_mask, &entry.findings, &entry.finding_count))
            return fault_set(fault, FAULT_IO, "the cache lost a file");
        entry.verdict = judge(making->policy, row->mode, entry.class_mask, entry.finding_count,
                              findings_stuck(entry.findings, entry.finding_count),
                              row->verdict, &rule);
    }
    entry.rule = rule == NULL ? (struct slice){0} : slice_of(rule);
    return snapshot_builder_add(builder, &entry, fault);
}

struct packing {
    struct making *making;
    struct fault fault;
};

static void show_packing(void *self, uint64_t done, uint64_t total)
{
    struct packing *packing = self;

    if (packing->fault.kind == FAULT_NONE)
        (void)!tell_progress(packing->making, done, total, &packing->fault);
}

static bool build(struct making *making, const struct gitdoor_base *base, const char *key,
                  struct fault *fault)
{
    struct snapshot_settings settings = {.oid_bytes = GIT_OID_BYTES,
                                         .base_time_s = base->commit_time,
                                         .hide_names =
                                             policy_hides_names(making->policy, making->role)};
    struct snapshot_builder *builder = NULL;
    struct packing packing = {.making = making};
    struct snapshot_progress progress = {show_packing, &packing};
    AUTO_CLOSE int snapshots = -1;
    bool ok;

    if (!file_open_folder(making->collecting->cache, "snapshots", 0700, &snapshots, fault) ||
        !snapshot_builder_new(&settings, &builder, fault))
        return false;
    ok = true;
    for (size_t i = 0; ok && i < making->count; i++)
        ok = add_row(making, builder, &making->rows[i], fault) ||
             fault_in(fault, "%.*s",
                      making->rows[i].path_len > 200 ? 200 : (int)making->rows[i].path_len,
                      (const char *)row_path(making, &making->rows[i]).at);
    ok = ok && snapshot_builder_finish(builder, snapshots, key, content_fd(making->content),
                                       &progress, fault);
    snapshot_builder_free(builder);
    return ok;
}

static bool prepare(struct collecting *collecting, const char *role, struct making *making,
                    struct fault *fault)
{
    *making = (struct making){.collecting = collecting,
                              .role = role,
                              .names = buf_with_limit(NAMES_BYTES_MAX),
                              .whole = buf_with_limit(SCAN_BYTES_MAX)};
    return (hex_decode(slice_of(classify_digest()), making->rules, sizeof(making->rules)) ||
            fault_set(fault, FAULT_IO, "the classifier has no digest")) &&
           collecting_policy(collecting, &making->policy, fault) &&
           policy_role_check(making->policy, role, fault) && collecting_pool(collecting, &making->pool, fault);
}

bool collect_on_snapshot(struct collecting *collecting, struct asked *asked,
                         struct fault *fault)
{
    char commit[GIT_OID_TEXT], role[ROLE_BYTES], key[65], expected[65];
    struct gitdoor_base base = {0};
    struct making making;
    bool ok;

    packet_word(&asked->reader, commit, sizeof(commit));
    packet_word(&asked->reader, role, sizeof(role));
    packet_word(&asked->reader, key, sizeof(key));
    if (!packet_end(&asked->reader, fault) || !gitdoor_check_oid(slice_of(commit), fault) ||
        !gitdoor_resolve(collecting->door, commit, &base, fault))
        return false;
    buf_free(&base.policy);
    ok = prepare(collecting, role, &making, fault) &&
         collecting_content(collecting, &making.content, fault);
    if (ok) { /* both sides must mean the same policy and the same rules */
        collect_snapshot_key(base.tree, making.policy->digest, role, expected);
        ok = strcmp(key, expected) == 0 ||
             fault_set(fault, FAULT_CONFLICT, "the snapshot's key is of another policy");
    }
    ok = ok && list_files(&making, commit, fault) && read_files(&making, fault) &&
         build(&making, &base, key, fault);
    making_free(&making);
    return ok;
}

/* ---- one file, for people ---- */

struct looking {
    struct slice path;
    bool found;
    struct gitdoor_entry entry;
    struct finding *findings;
    size_t count;
    unsigned mask;
};

static bool find_entry(void *self, const struct gitdoor_entry *entry, struct fault *fault)
{
    struct looking *looking = self;

    (void)fault;
    if (slice_equal(entry->path, looking->path)) {
        looking->found = true;
        looking->entry = *entry;
    }
    return true;
}

static bool give_content(struct asked *asked, struct slice content, struct fault *fault)
{
    AUTO_CLOSE int fd = memfd_create("look", MFD_CLOEXEC);

    if (fd < 0)
        return fault_errno(fault, "hold the content");
    if (!file_write_all(fd, content, fault))
        return false;
    asked->give.fd[asked->give.count++] = take_fd(&fd);
    return true;
}

static unsigned stuck_of(const struct looking *looking)
{
    unsigned stuck = 0;

    for (size_t i = 0; i < looking->count; i++) {
        struct snapshot_finding stored = finding_store(&looking->findings[i]);

        stuck |= findings_stuck(&stored, 1);
    }
    return stuck;
}

static bool look(struct making *making, struct looking *looking, const uint8_t *key,
                 struct asked *asked, struct fault *fault)
{
    AUTO_BUF_SECRET struct buf content = buf_with_limit(COLLECT_FILE_BYTES_MAX);
    AUTO_BUF struct buf redacted = buf_with_limit(COLLECT_FILE_BYTES_MAX);
    struct surrogate_key surrogate_key;
    enum verdict verdicts[CLASS_COUNT];
    const char *rule = NULL;
    bool is_large = looking->entry.size > SCAN_BYTES_MAX;
    enum verdict verdict =
        policy_read_verdict(making->policy, making->role, looking->path, &rule);

    memcpy(surrogate_key.bytes, key, sizeof(surrogate_key.bytes));
    for (unsigned class = 0; class < CLASS_COUNT; class++)
        verdicts[class] =
            policy_class_verdict(making->policy, (enum data_class) class, POLICY_VIEW);
    if (verdict != VERDICT_DENY) {
        if (looking->entry.mode == SNAPSHOT_MODE_GITLINK)
            return fault_set(fault, FAULT_INVALID,
                             "a submodule: an agent sees an empty folder");
        if (is_large)
            looking->mask = SCAN_UNEXAMINED;
        else if (!gitdoor_read_one(making->collecting->door, looking->entry.oid, &content,
                                   fault) ||
                 !scan_pool_look(making->pool, buf_slice(&content), looking->path,
                                 &looking->findings, &looking->count, &looking->mask, fault))
            return false;
        verdict = judge(making->policy, looking->entry.mode, looking->mask, looking->count,
                        stuck_of(looking), verdict, &rule);
    }
    if (is_large && verdict != VERDICT_DENY)
        return fault_set(fault, FAULT_LIMIT,
                         "an agent sees it as it is, but it is too large to be shown here "
                         "(%" PRIu64 " bytes)",
                         looking->entry.size);
    if (verdict == VERDICT_REDACT &&
        !redact(buf_slice(&content), looking->findings, looking->count, verdicts,
                &surrogate_key, &redacted, NULL, fault))
        return false;
    return packet_put_number(asked->answer, verdict, fault) &&
           packet_put_number(asked->answer, looking->mask, fault) &&
           packet_put_number(asked->answer, looking->count, fault) &&
           packet_put_word(asked->answer, rule, fault) &&
           (verdict == VERDICT_DENY ||
            give_content(asked, buf_slice(verdict == VERDICT_REDACT ? &redacted : &content),
                         fault));
}

bool collect_on_look(struct collecting *collecting, struct asked *asked, struct fault *fault)
{
    char commit[GIT_OID_TEXT], role[ROLE_BYTES], path[GIT_PATH_BYTES_MAX];
    struct making making = {0};
    struct looking looking = {0};
    struct slice key;
    bool ok;

    packet_word(&asked->reader, commit, sizeof(commit));
    packet_word(&asked->reader, role, sizeof(role));
    packet_word(&asked->reader, path, sizeof(path));
    key = packet_text(&asked->reader);
    if (!packet_end(&asked->reader, fault))
        return false;
    if (key.len != COLLECT_KEY_BYTES)
        return fault_set(fault, FAULT_INVALID, "a key has %d bytes", COLLECT_KEY_BYTES);
    looking.path = slice_of(path);
    ok = prepare(collecting, role, &making, fault) &&
         gitdoor_list(collecting->door, commit, find_entry, &looking, fault) &&
         (looking.found ||
          fault_set(fault, FAULT_MISSING, "%s is not in the base commit", path)) &&
         look(&making, &looking, key.at, asked, fault);
    free(looking.findings);
    making_free(&making);
    return ok;
}
