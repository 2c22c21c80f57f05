#include "roles/view_role/view.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "classify/surrogate.h"
#include "os/clock_real.h"
#include "os/isolate.h"
#include "os/message.h"
#include "policy/policy.h"
#include "roles/findings.h"
#include "roles/packet.h"
#include "roles/view_role/parts.h"
#include "roles/view_role/shown.h"
#include "view/crossed.h"
#include "view/plain.h"

#define PLANTS_MAX 8
#define MOUNT_POINTS_MAX 256
#define OPENS_A_RECORD 16 /* with `audit: full`: so many times records_max */
#define DRAIN_MS 500      /* for the last writes of a cell that has just died */

/* Everything of the role; what was made is given back by finish. */
struct serving {
    struct view_config *config;
    struct snapshot *snapshot;
    struct redacted *redacted;
    struct receipts *receipts;
    struct view_identity *identity;
    struct view_records *records;
    struct shown *shown;
    struct view *view;
    struct view_planted planted[PLANTS_MAX];
    struct buf plant_bytes[PLANTS_MAX];
    const char *mount_points[MOUNT_POINTS_MAX + 1];
    int git_answer; /* of who writes the cell's .git; -1: it is there */
    uint64_t plain_bytes;
    int known_fd; /* until READY */
    size_t known_count;
    struct buf packet, in;
    uint64_t collected;
};

/* ---- what the view needs of policy and classifier ---- */

static enum verdict read_verdict(void *self, const char *path, const char **ret_rule)
{
    const struct view_config *config = ((struct serving *)self)->config;

    return policy_read_verdict(config->policy, config->role, slice_of(path), ret_rule);
}

static bool write_allowed(void *self, const char *path, bool in_new_folder,
                          const char **ret_rule)
{
    const struct view_config *config = ((struct serving *)self)->config;

    return policy_write_allowed(config->policy, config->role, slice_of(path), in_new_folder,
                                ret_rule);
}

static bool record(void *self, const struct view_event *event, bool durable,
                   struct fault *fault)
{
    struct serving *serving = self;

    if (!view_records_add(serving->records, event, durable, fault))
        return false;
    shown_add(serving->shown, event);
    return true;
}

static bool redact_findings(const struct view_config *config, struct slice original,
                            const struct finding *findings, size_t count,
                            struct buf *ret_redacted, struct surrogate_map *map,
                            struct fault *fault)
{
    enum verdict verdicts[CLASS_COUNT];
    struct surrogate_key key;
    bool done;

    for (unsigned class = 0; class < CLASS_COUNT; class ++)
        verdicts[class] = policy_class_verdict(config->policy, class, POLICY_VIEW);
    memcpy(key.bytes, config->key, sizeof(key.bytes));
    done = redact(original, findings, count, verdicts, &key, ret_redacted, map, fault);
    explicit_bzero(&key, sizeof(key));
    return done;
}

/* Findings whose class is shown as it is were not replaced. */
static size_t keep_replaced(const struct view_config *config, struct finding *findings,
                            size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++)
        for (unsigned class = 0; class < CLASS_COUNT; class++)
            if ((finding_classes(&findings[i]) & CLASS_BIT(class)) != 0 &&
                policy_class_verdict(config->policy, class, POLICY_VIEW) != VERDICT_ALLOW) {
                findings[kept++] = findings[i];
                break;
            }
    return kept;
}

static bool redact_file(void *self, struct slice path, struct slice original,
                        const struct snapshot_finding *stored, size_t count,
                        struct buf *ret_redacted, struct fault *fault)
{
    struct serving *serving = self;
    AUTO_FREE struct finding *findings = NULL;
    struct surrogate_map map = {0};
    size_t replaced;
    bool ok;

    findings = xalloc_array(count + 1, sizeof(*findings));
    for (size_t i = 0; i < count; i++)
        findings[i] = finding_stored(&stored[i]);
    ok =
        redact_findings(serving->config, original, findings, count, ret_redacted, &map, fault);
    replaced = keep_replaced(serving->config, findings, count);
    if (ok && map.echo_count > 0) {
        struct finding *all = xalloc_array(replaced + map.echo_count, sizeof(*all));

        memcpy(all, findings, replaced * sizeof(*all));
        memcpy(all + replaced, map.echoes, map.echo_count * sizeof(*all));
        free(findings);
        findings = all;
        replaced += map.echo_count;
    }
    ok = ok && receipts_add(serving->receipts, snapshot_find(serving->snapshot, path),
                            original, findings, replaced, fault);
    surrogate_map_free(&map);
    return ok;
}

/* The canary goes the way of any file: classifier, policy, redaction. */
static bool plant(struct serving *serving, size_t number, struct fault *fault)
{
    const struct view_plant *plant = &serving->config->plants[number];
    struct view_planted *planted = &serving->planted[number];
    AUTO_FREE struct finding *findings = NULL;
    struct buf *bytes = &serving->plant_bytes[number];
    size_t count;

    *bytes = buf_with_limit(plant->content.len);
    planted->name = plant->name;
    if (!classify_scan(plant->content, slice_of(plant->name), &findings, &count,
                       &planted->class_mask, fault))
        return false;
    planted->verdict =
        policy_mask_verdict(serving->config->policy, planted->class_mask, POLICY_VIEW);
    if (plant->deny)
        planted->verdict = VERDICT_DENY;
    if (planted->verdict == VERDICT_REDACT
            ? !redact_findings(serving->config, plant->content, findings, count, bytes, NULL,
                               fault)
            : planted->verdict == VERDICT_ALLOW && !buf_add(bytes, plant->content, fault))
        return false;
    planted->content = buf_slice(bytes);
    return true;
}

/* ---- starting ---- */

static bool make_view(struct serving *serving, struct fault *fault)
{
    const struct view_config *config = serving->config;
    struct view_settings settings = {
        .opens = strcmp(config->policy->audit, "full") == 0,
        .snapshot = serving->snapshot,
        .redacted = serving->redacted,
        .content_fd = config->content_fd,
        .upper_fd = config->upper_fd,
        .lister_fd = config->lister_fd,
        .may_ring = config->plain_fd < 0,
        .uid = config->uid,
        .gid = config->gid,
        .upper_bytes_max = config->upper_bytes_max,
        .mount_points = serving->mount_points,
        .mount_point_count = config->mount_point_count + 1,
        .mount_links = config->mount_links,
        .planted = serving->planted,
        .planted_count = config->plant_count,
        .clock = &clock_real,
        .calls = {serving, record, read_verdict, write_allowed},
    };

    if (settings.opens && config->plain_fd >= 0)
        return fault_set(fault, FAULT_HOST,
                         "`audit: full` is recorded by FUSE, which is not used here");
    if (config->plant_count > PLANTS_MAX || config->mount_point_count > MOUNT_POINTS_MAX)
        return fault_set(fault, FAULT_LIMIT, "more than %d scratch folders or %d canaries",
                         MOUNT_POINTS_MAX, PLANTS_MAX);
    serving->mount_points[0] = ".git";
    for (size_t i = 0; i < config->mount_point_count; i++)
        serving->mount_points[i + 1] = config->mount_points[i];
    for (size_t i = 0; i < config->plant_count; i++)
        if (!plant(serving, i, fault))
            return fault_in(fault, "plant %s", config->plants[i].name);
    return view_new(&settings, &serving->view, fault);
}

static bool start(struct serving *serving, struct fault *fault)
{
    struct view_config *config = serving->config;
    struct redactor redactor = {redact_file, serving};

    (void)umask(022);
    (void)signal(SIGINT, SIG_IGN); /* the terminal's: core ends us, after it has collected */
    (void)signal(SIGQUIT, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    /* CAP_SYS_PTRACE: for /proc/PID/exe of the cell, and nothing else */
    if (config->drop_user &&
        !isolate_user(config->uid, config->gid, 1U << CAP_SYS_PTRACE, fault))
        return false;
    serving->receipts = receipts_new(config->redaction_key);
    if (!snapshot_open(config->snapshot_fd, &serving->snapshot, fault) ||
        !redacted_make(serving->snapshot, config->content_fd, &redactor, &serving->redacted,
                       fault) ||
        !view_writer_start(config, serving->snapshot, serving->redacted, &serving->git_answer,
                           fault))
        return false;
    if (!view_known(config, serving->snapshot, &serving->known_fd, &serving->known_count,
                    fault) ||
        !view_identity_new(config->seen_fd, &serving->identity, fault))
        return false;
    serving->records =
        view_records_new(&(struct view_records_settings){.ledger_fd = config->ledger_fd,
                                                         .run = config->run,
                                                         .agent = config->agent,
                                                         .on_behalf_of = config->on_behalf_of,
                                                         .policy = config->policy->digest,
                                                         .mechanism = "view",
                                                         .snapshot = serving->snapshot,
                                                         .identity = serving->identity,
                                                         .receipts = serving->receipts});
    config->ledger_fd = -1;
    if (!shown_open(config, serving->snapshot, serving->redacted, &serving->shown, fault) ||
        !make_view(serving, fault) ||
        (config->plain_fd >= 0 &&
         !plain_write(serving->view, config->plain_fd, config->identity_fd,
                      &serving->plain_bytes, fault)))
        return false;
    explicit_bzero(config->key, sizeof(config->key));
    explicit_bzero(config->redaction_key, sizeof(config->redaction_key));
    explicit_bzero(config->lines_key, sizeof(config->lines_key));
    receipts_forget_key(serving->receipts);
    return isolate_syscalls(ISOLATE_VIEW, fault);
}

static void finish(struct serving *serving)
{
    scope_close(&serving->git_answer);
    view_free(serving->view);
    view_records_free(serving->records);
    shown_free(serving->shown);
    view_identity_free(serving->identity);
    redacted_free(serving->redacted);
    receipts_free(serving->receipts);
    snapshot_close(serving->snapshot);
    for (size_t i = 0; i < PLANTS_MAX; i++)
        buf_free(&serving->plant_bytes[i]);
    buf_free(&serving->packet);
    buf_free(&serving->in);
}

/* ---- packets ---- */

static bool begin(struct serving *serving, enum view_packet packet, struct fault *fault)
{
    buf_clear(&serving->packet);
    return packet_put_number(&serving->packet, packet, fault);
}

static bool send_packet(struct serving *serving, const struct message_fds *fds,
                        struct fault *fault)
{
    return message_send(serving->config->control_fd, buf_slice(&serving->packet), fds, fault);
}

static unsigned classes_shown(const struct snapshot *snapshot)
{
    unsigned classes = 0;

    for (uint32_t number = 0; number < snapshot_node_count(snapshot); number++)
        if (snapshot_node(snapshot, number)->verdict != VERDICT_DENY)
            classes |= snapshot_node(snapshot, number)->class_mask;
    return classes;
}

static bool send_ready(struct serving *serving, struct fault *fault)
{
    AUTO_CLOSE int known = take_fd(&serving->known_fd);
    struct message_fds fds = {.fd = {known}, .count = known >= 0 ? 1 : 0};
    struct rusage usage;
    uint64_t cpu_us;

    (void)getrusage(RUSAGE_SELF, &usage);
    cpu_us = (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
             (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    return begin(serving, VIEW_PACKET_READY, fault) &&
           packet_put_number(&serving->packet, cpu_us, fault) &&
           packet_put_number(&serving->packet, serving->plain_bytes, fault) &&
           packet_put_number(&serving->packet, classes_shown(serving->snapshot), fault) &&
           packet_put_number(&serving->packet, serving->known_count, fault) &&
           send_packet(serving, &fds, fault);
}

static void send_failed(struct serving *serving, const struct fault *why)
{
    struct fault fault = {0};

    if (begin(serving, VIEW_PACKET_FAILED, &fault) &&
        packet_put_number(&serving->packet, why->kind, &fault) &&
        packet_put_word(&serving->packet, why->why, &fault) &&
        send_packet(serving, NULL, &fault))
        return;
    (void)fprintf(stderr, "<3>view: %s\n", why->why); /* a program's own last word */
}

static bool send_change(void *self, const struct view_change *change, struct fault *fault)
{
    struct serving *serving = self;
    struct message_fds fds = {.fd = {change->fd}, .count = change->fd >= 0 ? 1 : 0};
    char base[GITDIR_HEX_BYTES] = "";
    struct buf *packet = &serving->packet;

    serving->collected++;
    if (change->base_oid != NULL)
        view_oid_text(serving->snapshot, change->base_oid, base);
    return begin(serving, VIEW_PACKET_CHANGE, fault) &&
           packet_put_number(packet, change->kind, fault) &&
           packet_put_number(packet, change->mode, fault) &&
           packet_put_number(packet, change->content, fault) &&
           packet_put_number(packet, change->source, fault) &&
           packet_put_number(packet, change->size, fault) &&
           packet_put_word(packet, change->path, fault) &&
           packet_put_word(packet, change->renamed_from, fault) &&
           packet_put_word(packet, base, fault) &&
           packet_put_text(packet, change->bytes, fault) && send_packet(serving, &fds, fault);
}

/* ---- what core asks ---- */

static bool on_mounted(struct serving *serving, struct message_fds *fds, struct fault *fault)
{
    int fuse = fds->count > 0 ? fds->fd[0] : -1, proc = fds->count > 1 ? fds->fd[1] : -1;

    if (fuse < 0 || fds->count > 2 || view_is_attached(serving->view) ||
        serving->config->plain_fd >= 0)
        return fault_set(fault, FAULT_INVALID, "a mount without descriptors, or a second one");
    fds->count = 0; /* taken */
    view_identity_proc(serving->identity, proc < 0 ? -1 : fcntl(proc, F_DUPFD_CLOEXEC, 3));
    return view_attach(serving->view, fuse, proc, fault);
}

static bool disarm(struct serving *serving, struct fault *fault)
{
    int plain = serving->config->plain_fd;

    return plain < 0 ? view_disarm(serving->view, fault)
                     : plain_disarm(serving->view, plain, fault);
}

static bool on_disarm(struct serving *serving, struct message_fds *fds, struct fault *fault)
{
    struct view_counts counts = view_counts(serving->view);

    (void)fds;
    return view_writer_await(&serving->git_answer, fault) && disarm(serving, fault) &&
           begin(serving, VIEW_PACKET_DISARMED, fault) &&
           packet_put_number(&serving->packet, counts.reads_recorded, fault) &&
           packet_put_number(&serving->packet, counts.reads_refused, fault) &&
           packet_put_number(&serving->packet, counts.refused - counts.reads_refused, fault) &&
           packet_put_word(
               &serving->packet,
               view_is_attached(serving->view) ? view_transport(serving->view) : "", fault) &&
           send_packet(serving, NULL, fault);
}

/* The cell is dead: what its last processes wrote through mappings comes until the mount is
 * gone. */
static bool drain(struct serving *serving, struct fault *fault)
{
    bool asked = true, other;

    while (asked && view_is_attached(serving->view))
        if (!view_wait(serving->view, -1, DRAIN_MS, &asked, &other, fault))
            return false;
    view_detach(serving->view);
    return true;
}

static bool take_in(struct serving *serving, struct fault *fault)
{
    const struct view_config *config = serving->config;

    return config->plain_fd < 0
               ? drain(serving, fault)
               : plain_read(serving->view, config->plain_fd, config->identity_fd, fault);
}

static bool on_collect(struct serving *serving, struct message_fds *fds, struct fault *fault)
{
    struct message_fds done = {.count = 1};
    AUTO_CLOSE int crossed = -1;
    struct view_counts counts;

    (void)fds;
    if (!take_in(serving, fault) || !view_crossed(serving->view, &crossed, fault) ||
        !view_changes(serving->view, send_change, serving, fault) ||
        (serving->collected > 0 &&
         !view_records_collected(serving->records, serving->collected, fault)))
        return false;
    counts = view_counts(serving->view);
    done.fd[0] = crossed;
    return begin(serving, VIEW_PACKET_DONE, fault) &&
           packet_put_number(&serving->packet, counts.requests, fault) &&
           packet_put_number(&serving->packet, counts.reads_recorded, fault) &&
           packet_put_number(&serving->packet, counts.writes_recorded, fault) &&
           packet_put_number(&serving->packet, counts.refused, fault) &&
           send_packet(serving, &done, fault);
}

/* The whole of what core may ask. */
static const struct {
    enum view_packet packet;
    bool (*answer)(struct serving *serving, struct message_fds *fds, struct fault *fault);
} requests[] = {
    {VIEW_PACKET_MOUNTED, on_mounted},
    {VIEW_PACKET_DISARM, on_disarm},
    {VIEW_PACKET_COLLECT, on_collect},
};

static bool answer_core(struct serving *serving, bool *ret_end, struct fault *fault)
{
    struct message_fds fds = {0};
    struct packet_reader reader;
    uint64_t packet;
    bool done = false;

    if (!message_receive(serving->config->control_fd, &serving->in, &fds, -1, ret_end, fault))
        return false;
    if (*ret_end)
        return true;
    reader = (struct packet_reader){.rest = buf_slice(&serving->in)};
    packet = packet_number(&reader);
    if (packet_end(&reader, fault)) {
        (void)fault_set(fault, FAULT_INVALID, "a packet of kind %llu",
                        (unsigned long long)packet);
        for (size_t i = 0; i < COUNT(requests); i++)
            if (requests[i].packet == packet)
                done = requests[i].answer(serving, &fds, fault);
    }
    message_fds_close(&fds);
    return done;
}

/* Reads are told of once a file; an agent can go on writing and being refused for ever. */
static bool within_records(const struct serving *serving, struct fault *fault)
{
    struct view_counts counts = view_counts(serving->view);

    return (counts.writes_recorded + counts.refused <= serving->config->records_max &&
            counts.opens_recorded / OPENS_A_RECORD <= serving->config->records_max) ||
           fault_set(
               fault, FAULT_LIMIT,
               "more than %llu writes and refusals, or %d times as many opens, to record",
               (unsigned long long)serving->config->records_max, OPENS_A_RECORD);
}

static bool serve(struct serving *serving, struct fault *fault)
{
    bool end = false;

    while (!end) {
        bool asked, other;

        if (!view_wait(serving->view, serving->config->control_fd, -1, &asked, &other,
                       fault) ||
            (asked && !within_records(serving, fault)) ||
            (other && !answer_core(serving, &end, fault)))
            return false;
    }
    return true;
}

int view_role(void *config)
{
    struct serving serving = {.config = config,
                              .known_fd = -1,
                              .git_answer = -1,
                              .packet = buf_with_limit(MESSAGE_BYTES_MAX),
                              .in = buf_with_limit(MESSAGE_BYTES_MAX)};
    struct fault fault = {0};
    bool done =
        start(&serving, &fault) && send_ready(&serving, &fault) && serve(&serving, &fault);

    if (!done)
        send_failed(&serving, &fault);
    finish(&serving);
    return done ? 0 : 2;
}
