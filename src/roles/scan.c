/* The pool: contents go to workers a packet at a time, and what they find comes back in the same order. */
#include "roles/scan.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "base/scope.h"
#include "classify/pdfs.h"
#include "os/file.h"
#include "os/message.h"
#include "os/spawn.h"
#include "roles/packet.h"
#include "roles/scanning/exchange.h"

#define WORKERS_MAX 8
#define INLINE_BYTES_MAX (120UL * 1024) /* with the path it stays below a packet */
#define PATH_BYTES_MAX 4096
#define FRAME_BYTES 16 /* of a content in a packet: two lengths and a number */
#define BATCH_MAX 64   /* contents of a packet */
#define CODE_AFTER_BYTES (12UL << 20) /* who had so much has more to come: machine code is worth its while */
#define UNDER_WAY_MAX 2 /* packets that a worker has: the next one waits while it looks into the first */

/* What a packet asked for, in that order. */
struct batch {
    struct {
        size_t token;
        size_t len; /* of the content: findings lie inside */
    } of[BATCH_MAX];
    size_t count;
};

struct worker {
    struct process process;
    int socket;
    bool opens_pdfs, makes_code;
    size_t bytes; /* of packets that it was given */
    struct batch under_way[UNDER_WAY_MAX]; /* the oldest one first */
    size_t count;
};

struct scan_pool {
    struct worker workers[WORKERS_MAX];
    size_t count;
    size_t next; /* the worker that gets the next packet */
    struct worker openers[WORKERS_MAX]; /* of PDF files; as many at most, started when one is needed */
    size_t next_opener;
    struct buf packet; /* that is being filled */
    struct batch filling; /* what is in it */
    struct finding *findings;
    size_t finding_room;
};

/* ---- processes ---- */

static bool start_worker(struct worker *worker, struct fault *fault)
{
    struct scan_worker role = {.opens_pdfs = worker->opens_pdfs,
                               .makes_code = worker->makes_code};
    int ends[2];
    bool ok;

    if (!message_pair(ends, fault))
        return false;
    role.socket = ends[1];
    ok = spawn_role("custody-scan", scan_role, &role, &ends[1], 1, &worker->process, fault);
    (void)close(ends[1]);
    worker->socket = ends[0];
    worker->count = 0;
    return ok || fault_in(fault, "start a scan worker");
}

static void stop_worker(struct worker *worker)
{
    if (worker->socket >= 0)
        (void)close(worker->socket);
    worker->socket = -1;
    worker->count = 0;
    process_kill(&worker->process);
}

bool scan_pool_new(size_t workers, struct scan_pool **ret_pool, struct fault *fault)
{
    struct scan_pool *pool = xalloc(sizeof(*pool));

    pool->count = workers < 1 ? 1 : workers > WORKERS_MAX ? WORKERS_MAX : workers;
    pool->packet = buf_with_limit(MESSAGE_BYTES_MAX);
    for (size_t i = 0; i < pool->count; i++) {
        pool->workers[i] = (struct worker){.process = {.pid = -1, .pidfd = -1}, .socket = -1};
        pool->openers[i] = pool->workers[i];
        pool->openers[i].opens_pdfs = true;
    }
    for (size_t i = 0; i < pool->count; i++)
        if (!start_worker(&pool->workers[i], fault)) {
            scan_pool_free(pool);
            return false;
        }
    *ret_pool = pool;
    return true;
}

void scan_pool_free(struct scan_pool *pool)
{
    if (pool == NULL)
        return;
    for (size_t i = 0; i < pool->count; i++) {
        stop_worker(&pool->workers[i]);
        stop_worker(&pool->openers[i]);
    }
    buf_free(&pool->packet);
    free(pool->findings);
    free(pool);
}

/* All that is under way is lost: nobody may be told of it later. */
static void begin_anew(struct scan_pool *pool)
{
    struct fault lost = {0};

    pool->filling.count = 0;
    buf_clear(&pool->packet);
    for (size_t i = 0; i < pool->count; i++) {
        stop_worker(&pool->openers[i]);
        stop_worker(&pool->workers[i]);
        (void)!start_worker(&pool->workers[i], &lost); /* one that is not there shows at settling */
    }
}

/* ---- answers ---- */

/* Records of an answer, packet by packet. */
struct answer {
    int socket;
    struct buf packet;
    struct packet_reader reader;
};

static bool take_record(struct answer *answer, uint64_t *ret_first, uint64_t *ret_second)
{
    struct fault lost = {0};
    bool end = false;

    if (answer->reader.rest.len == 0) {
        if (!message_receive(answer->socket, &answer->packet, NULL, SCAN_WORKER_MS, &end, &lost) ||
            end)
            return false;
        answer->reader = (struct packet_reader){.rest = buf_slice(&answer->packet)};
    }
    *ret_first = packet_number(&answer->reader);
    *ret_second = packet_number(&answer->reader);
    return !answer->reader.failed;
}

/* Sorted, apart, inside the content, of classes there are. */
static bool take_findings(struct answer *answer, size_t len, struct finding *list, uint64_t count)
{
    size_t before = 0;

    for (uint64_t i = 0; i < count; i++) {
        uint64_t place, kind;

        if (!take_record(answer, &place, &kind))
            return false;
        list[i] = (struct finding){.start = (uint32_t)place,
                                   .end = (uint32_t)(place >> 32),
                                   .rule = (uint16_t)kind,
                                   .class = (enum data_class)(uint8_t)(kind >> 16),
                                   .confidence = (uint8_t)(kind >> 32),
                                   .form = (uint8_t)(kind >> 40),
                                   .page = (uint16_t)(kind >> 48),
                                   .also = (uint8_t)(kind >> 24)};
        if (list[i].start < before || list[i].start >= list[i].end || list[i].end > len ||
            list[i].class >= CLASS_COUNT || list[i].also >= CLASS_BIT(CLASS_COUNT) ||
            list[i].form >= FORM_COUNT)
            return false;
        before = list[i].end;
    }
    return true;
}

/* What was found in one content, into the pool's list. */
static bool hear(struct scan_pool *pool, struct answer *answer, size_t len, size_t *ret_count,
                 unsigned *ret_mask)
{
    uint64_t mask, count;

    if (!take_record(answer, &mask, &count) || mask >= CLASS_BIT(CLASS_COUNT) ||
        count > CLASSIFY_FINDINGS_MAX || count > len)
        return false;
    pool->findings =
        xgrow(pool->findings, &pool->finding_room, count + 1, sizeof(*pool->findings));
    *ret_count = count;
    *ret_mask = (unsigned)mask;
    return take_findings(answer, len, pool->findings, count);
}

/* Waits for the oldest packet of a worker. */
static bool settle(struct scan_pool *pool, struct worker *worker, const struct scan_sink *sink,
                   struct fault *fault)
{
    const struct batch batch = worker->under_way[0];
    struct answer answer = {.socket = worker->socket, .packet = buf_with_limit(MESSAGE_BYTES_MAX)};
    bool is_heard = true, ok = true;

    worker->count--;
    memmove(worker->under_way, worker->under_way + 1, worker->count * sizeof(batch));
    for (size_t i = 0; i < batch.count && ok; i++) {
        size_t count = 0;
        unsigned mask = 0;

        is_heard = hear(pool, &answer, batch.of[i].len, &count, &mask);
        ok = is_heard &&
             sink->found(sink->self, batch.of[i].token, pool->findings, count, mask, fault);
    }
    is_heard = is_heard && (!ok || answer.reader.rest.len == 0);
    buf_free(&answer.packet);
    if (!is_heard && worker->opens_pdfs) { /* it has one content at a time */
        stop_worker(worker);
        return sink->found(sink->self, batch.of[0].token, NULL, 0, SCAN_UNEXAMINED, fault);
    }
    if (!is_heard || !ok)
        begin_anew(pool);
    /* What the classifier dies on is not examined, and what is not examined is not shown. */
    return is_heard ? ok
                    : fault_set(fault, FAULT_IO,
                                "the classifier ended or hung on a file: nothing is shown unexamined");
}

/* ---- contents ---- */

/* Another one takes its place, whose patterns are machine code. */
static bool replace_worker(struct scan_pool *pool, struct worker *worker,
                           const struct scan_sink *sink, struct fault *fault)
{
    while (worker->count > 0)
        if (!settle(pool, worker, sink, fault))
            return false;
    stop_worker(worker);
    worker->makes_code = true;
    return start_worker(worker, fault);
}

static bool send_batch(struct scan_pool *pool, const struct message_fds *fds,
                       const struct scan_sink *sink, struct fault *fault)
{
    struct worker *worker = &pool->workers[pool->next];
    struct fault lost = {0};

    if (worker->count == UNDER_WAY_MAX && !settle(pool, worker, sink, fault))
        return false;
    if (!worker->makes_code && worker->bytes >= CODE_AFTER_BYTES &&
        !replace_worker(pool, worker, sink, fault))
        return false;
    pool->next = (pool->next + 1) % pool->count;
    worker->bytes += pool->packet.len;
    worker->under_way[worker->count++] = pool->filling;
    /* A worker that is gone shows at settling. */
    (void)!message_send(worker->socket, buf_slice(&pool->packet), fds, &lost);
    pool->filling.count = 0;
    buf_clear(&pool->packet);
    return true;
}

static bool send_filled(struct scan_pool *pool, const struct scan_sink *sink, struct fault *fault)
{
    return pool->filling.count == 0 || send_batch(pool, NULL, sink, fault);
}

static bool put_head(struct scan_pool *pool, size_t token, struct slice content, struct slice path,
                     struct fault *fault)
{
    struct batch *batch = &pool->filling;

    if (!packet_put_text(&pool->packet, path, fault) ||
        !packet_put_number(&pool->packet, content.len, fault))
        return false;
    batch->of[batch->count].token = token;
    batch->of[batch->count++].len = content.len;
    return true;
}

/* A memory file that can be read from 0. */
static bool memory_file(struct slice content, int *ret_fd, struct fault *fault)
{
    AUTO_CLOSE int fd = memfd_create("content", MFD_CLOEXEC);

    if (fd < 0)
        return fault_errno(fault, "make a memory file");
    if (!file_write_all(fd, content, fault))
        return false;
    *ret_fd = take_fd(&fd);
    return true;
}

static bool submit_alone(struct scan_pool *pool, size_t token, struct slice content,
                         struct slice path, const struct scan_sink *sink, struct fault *fault)
{
    AUTO_CLOSE int fd = -1;
    struct message_fds fds = {.count = 1};

    if (!memory_file(content, &fd, fault) || !send_filled(pool, sink, fault) ||
        !put_head(pool, token, content, path, fault))
        return false;
    fds.fd[0] = fd;
    return send_batch(pool, &fds, sink, fault);
}

/* To a worker that opens PDF files, which is started where it does not run. */
static bool submit_to_opener(struct scan_pool *pool, size_t token, struct slice content,
                             struct slice path, const struct scan_sink *sink,
                             struct fault *fault)
{
    struct worker *worker = &pool->openers[pool->next_opener];
    AUTO_BUF struct buf packet = buf_with_limit(MESSAGE_BYTES_MAX);
    AUTO_CLOSE int fd = -1;
    struct message_fds fds = {0};
    struct fault lost = {0};

    if ((worker->count > 0 && !settle(pool, worker, sink, fault)) ||
        (worker->socket < 0 && !start_worker(worker, fault)) ||
        !packet_put_text(&packet, path, fault) ||
        !packet_put_number(&packet, content.len, fault))
        return false;
    if (content.len > INLINE_BYTES_MAX) {
        if (!memory_file(content, &fd, fault))
            return false;
        fds = (struct message_fds){.fd = {fd}, .count = 1};
    } else if (!packet_put_text(&packet, content, fault)) {
        return false;
    }
    pool->next_opener = (pool->next_opener + 1) % pool->count;
    worker->under_way[0].of[0].token = token;
    worker->under_way[0].of[0].len = content.len;
    worker->under_way[0].count = worker->count = 1;
    /* One that is gone shows at settling. */
    (void)!message_send(worker->socket, buf_slice(&packet), &fds, &lost);
    return true;
}

bool scan_pool_submit(struct scan_pool *pool, size_t token, struct slice content,
                      struct slice path, const struct scan_sink *sink, struct fault *fault)
{
    size_t needed;

    if (content.len > SCAN_BYTES_MAX)
        return sink->found(sink->self, token, NULL, 0, SCAN_UNEXAMINED, fault);
    path = slice_part(path, 0, PATH_BYTES_MAX);
    if (classify_may_hold_pdf(content))
        return submit_to_opener(pool, token, content, path, sink, fault);
    if (content.len > INLINE_BYTES_MAX)
        return submit_alone(pool, token, content, path, sink, fault);
    needed = content.len + path.len + FRAME_BYTES;
    if ((pool->filling.count == BATCH_MAX || needed > MESSAGE_BYTES_MAX - pool->packet.len) &&
        !send_filled(pool, sink, fault))
        return false;
    return put_head(pool, token, content, path, fault) &&
           packet_put_text(&pool->packet, content, fault);
}

bool scan_pool_drain(struct scan_pool *pool, const struct scan_sink *sink, struct fault *fault)
{
    if (!send_filled(pool, sink, fault))
        return false;
    for (size_t i = 0; i < pool->count; i++) {
        while (pool->workers[i].count > 0)
            if (!settle(pool, &pool->workers[i], sink, fault))
                return false;
        if (pool->openers[i].count > 0 && !settle(pool, &pool->openers[i], sink, fault))
            return false;
    }
    return true;
}

struct looked {
    struct finding *findings;
    size_t count;
    unsigned mask;
};

static bool keep_looked(void *self, size_t token, const struct finding *findings, size_t count,
                        unsigned class_mask, struct fault *fault)
{
    struct looked *looked = self;

    (void)token, (void)fault;
    looked->mask = class_mask;
    looked->count = count;
    looked->findings = count == 0 ? NULL : xalloc_array(count, sizeof(*findings));
    if (looked->findings != NULL)
        memcpy(looked->findings, findings, count * sizeof(*findings));
    return true;
}

bool scan_pool_look(struct scan_pool *pool, struct slice content, struct slice path,
                    struct finding **ret_findings, size_t *ret_count, unsigned *ret_class_mask,
                    struct fault *fault)
{
    struct looked looked = {0};
    struct scan_sink sink = {keep_looked, &looked};

    if (!scan_pool_submit(pool, 0, content, path, &sink, fault) ||
        !scan_pool_drain(pool, &sink, fault)) {
        free(looked.findings);
        return false;
    }
    *ret_findings = looked.findings;
    *ret_count = looked.count;
    *ret_class_mask = looked.mask;
    return true;
}
