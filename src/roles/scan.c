#include "roles/scan.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/file.h"
#include "os/isolate.h"
#include "os/message.h"
#include "os/spawn.h"
#include "roles/archives.h"
#include "roles/packet.h"

#define WORKERS_MAX 8
#define INLINE_BYTES_MAX (120UL * 1024) /* with the path it stays below a packet */
#define PATH_BYTES_MAX 4096
#define FINDINGS_PER_PACKET 8192 /* of 16 bytes */

struct worker {
    struct process process;
    int socket;
    bool busy;
    size_t token;
    size_t len; /* of what it has: findings lie inside */
};

struct scan_pool {
    struct worker workers[WORKERS_MAX];
    size_t count;
    size_t next;
};

/* ---- the worker ---- */

/* The content: the rest of the packet, or a memory file that is mapped. */
static bool take_content(struct packet_reader *reader, const struct message_fds *fds,
                         struct slice *ret_content, void **ret_mapping, struct fault *fault)
{
    uint64_t len = packet_number(reader);

    if (fds->count == 0) {
        *ret_content = packet_text(reader);
        return packet_end(reader, fault) && ret_content->len == len;
    }
    if (!packet_end(reader, fault) || len == 0 || len > SCAN_BYTES_MAX)
        return fault_set(fault, FAULT_INVALID, "content of %llu bytes",
                         (unsigned long long)len);
    *ret_mapping = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fds->fd[0], 0);
    if (*ret_mapping == MAP_FAILED) {
        *ret_mapping = NULL;
        return fault_errno(fault, "map the content");
    }
    *ret_content = slice_of_bytes(*ret_mapping, len);
    return true;
}

static bool send_findings(int socket, const struct finding *findings, size_t count,
                          unsigned mask, struct fault *fault)
{
    AUTO_BUF struct buf packet = buf_with_limit(MESSAGE_BYTES_MAX);
    size_t sent = 0;

    do {
        size_t part = count - sent < FINDINGS_PER_PACKET ? count - sent : FINDINGS_PER_PACKET;

        buf_clear(&packet);
        if (!packet_put_number(&packet, mask, fault) ||
            !packet_put_number(&packet, count, fault))
            return false;
        for (size_t i = sent; i < sent + part; i++)
            if (!packet_put_number(
                    &packet, findings[i].start | (uint64_t)findings[i].end << 32, fault) ||
                !packet_put_number(&packet,
                                   findings[i].rule | (uint64_t)findings[i].class << 16 |
                                       (uint64_t)findings[i].confidence << 32 |
                                       (uint64_t)findings[i].form << 40,
                                   fault))
                return false;
        if (!message_send(socket, buf_slice(&packet), NULL, fault))
            return false;
        sent += part;
    } while (sent < count);
    return true;
}

static bool look(int socket, struct slice packet, const struct message_fds *fds,
                 struct fault *fault)
{
    struct packet_reader reader = {.rest = packet};
    struct slice path = packet_text(&reader);
    struct slice content = {0};
    struct finding *findings = NULL;
    struct fault unfound = {0};
    void *mapping = NULL;
    size_t count = 0;
    unsigned mask = 0;
    bool ok;

    if (!take_content(&reader, fds, &content, &mapping, fault))
        return false;
    /* What the classifier cannot take is not a failure of the worker. */
    if (!classify_scan(content, path, &findings, &count, &mask, &unfound)) {
        count = 0;
        mask = SCAN_UNEXAMINED;
    }
    ok = send_findings(socket, findings, count, mask, fault);
    free(findings);
    if (mapping != NULL)
        (void)munmap(mapping, content.len);
    return ok;
}

int scan_role(void *self)
{
    int socket = *(int *)self;
    AUTO_BUF struct buf packet = buf_with_limit(MESSAGE_BYTES_MAX);
    struct fault fault = {0}, no_archives = {0};

    (void)!archives_use(&no_archives); /* without the library they are opaque */
    if (!buf_reserve(&packet, MESSAGE_BYTES_MAX, &fault) || !isolate_capabilities(0, &fault) ||
        !isolate_syscalls(ISOLATE_SCAN, &fault))
        return 1;
    for (;;) {
        struct message_fds fds = {0};
        bool end = false;
        bool ok;

        if (!message_receive(socket, &packet, &fds, -1, &end, &fault))
            return 1;
        if (end)
            return 0;
        ok = look(socket, buf_slice(&packet), &fds, &fault);
        message_fds_close(&fds);
        if (!ok)
            return 1;
    }
}

/* ---- the pool ---- */

static bool start_worker(struct worker *worker, struct fault *fault)
{
    int ends[2];
    bool ok;

    if (!message_pair(ends, fault))
        return false;
    ok = spawn_role("custody-scan", scan_role, &ends[1], &ends[1], 1, &worker->process, fault);
    (void)close(ends[1]);
    worker->socket = ends[0];
    worker->busy = false;
    return ok;
}

static void stop_worker(struct worker *worker)
{
    if (worker->socket >= 0)
        (void)close(worker->socket);
    worker->socket = -1;
    process_kill(&worker->process);
}

bool scan_pool_new(size_t workers, struct scan_pool **ret_pool, struct fault *fault)
{
    struct scan_pool *pool = xalloc(sizeof(*pool));

    pool->count = workers < 1 ? 1 : workers > WORKERS_MAX ? WORKERS_MAX : workers;
    for (size_t i = 0; i < pool->count; i++)
        pool->workers[i] = (struct worker){.process = {.pid = -1, .pidfd = -1}, .socket = -1};
    for (size_t i = 0; i < pool->count; i++)
        if (!start_worker(&pool->workers[i], fault)) {
            scan_pool_free(pool);
            return fault_in(fault, "start a scan worker");
        }
    *ret_pool = pool;
    return true;
}

void scan_pool_free(struct scan_pool *pool)
{
    if (pool == NULL)
        return;
    for (size_t i = 0; i < pool->count; i++)
        stop_worker(&pool->workers[i]);
    free(pool);
}

/* One packet of findings behind `list`; sorted, apart, inside the content, of classes there
 * are. */
static bool take_findings(struct worker *worker, struct packet_reader *reader, uint64_t total,
                          struct finding *list, size_t *count)
{
    size_t before = *count > 0 ? list[*count - 1].end : 0;

    while (reader->rest.len > 0 && *count < total) {
        uint64_t place = packet_number(reader);
        uint64_t kind = packet_number(reader);
        struct finding *finding = &list[(*count)++];

        *finding = (struct finding){.start = (uint32_t)place,
                                    .end = (uint32_t)(place >> 32),
                                    .rule = (uint16_t)kind,
                                    .class = (enum data_class)(uint8_t)(kind >> 16),
                                    .confidence = (uint8_t)(kind >> 32),
                                    .form = (uint8_t)(kind >> 40)};
        if (reader->failed || finding->start < before || finding->start >= finding->end ||
            finding->end > worker->len || finding->class >= CLASS_COUNT ||
            finding->form >= FORM_COUNT)
            return false;
        before = finding->end;
    }
    return reader->rest.len == 0;
}

static bool hear_worker(struct worker *worker, struct finding **ret_findings,
                        size_t *ret_count, unsigned *ret_mask, struct fault *fault)
{
    AUTO_BUF struct buf packet = buf_with_limit(MESSAGE_BYTES_MAX);
    struct finding *list = NULL;
    size_t count = 0;
    uint64_t total = 0;
    bool ok = true;

    do {
        struct packet_reader reader;
        bool end = false;

        ok = message_receive(worker->socket, &packet, NULL, SCAN_WORKER_MS, &end, fault) &&
             !end;
        if (!ok)
            break;
        reader = (struct packet_reader){.rest = buf_slice(&packet)};
        *ret_mask = (unsigned)packet_number(&reader);
        total = packet_number(&reader);
        ok = !reader.failed && total <= CLASSIFY_FINDINGS_MAX && total <= worker->len &&
             *ret_mask < CLASS_BIT(CLASS_COUNT) &&
             (list != NULL || total == 0 || reader.rest.len > 0);
        if (ok && list == NULL && total > 0)
            list = xalloc_array(total, sizeof(*list));
        ok = ok && take_findings(worker, &reader, total, list, &count) &&
             (count == total || packet.len > 16);
    } while (ok && count < total);
    if (!ok) {
        free(list);
        return false;
    }
    *ret_findings = list;
    *ret_count = count;
    return true;
}

static bool settle(struct worker *worker, const struct scan_sink *sink, struct fault *fault)
{
    struct finding *findings = NULL;
    struct fault lost = {0};
    size_t count = 0;
    unsigned mask = 0;
    bool ok;

    if (!worker->busy)
        return true;
    worker->busy = false;
    if (!hear_worker(worker, &findings, &count, &mask, &lost)) {
        /* What the classifier dies on is not examined, and what is not examined is not shown.
         */
        stop_worker(worker);
        if (!start_worker(worker, fault))
            return fault_in(fault, "start a scan worker");
        return fault_set(
            fault, FAULT_IO,
            "the classifier ended or hung on a file: nothing is shown unexamined");
    }
    ok = sink->found(sink->self, worker->token, findings, count, mask, fault);
    free(findings);
    return ok;
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

bool scan_pool_submit(struct scan_pool *pool, size_t token, struct slice content,
                      struct slice path, const struct scan_sink *sink, struct fault *fault)
{
    struct worker *worker = &pool->workers[pool->next];
    AUTO_BUF struct buf packet = buf_with_limit(MESSAGE_BYTES_MAX);
    AUTO_CLOSE int fd = -1;
    struct message_fds fds = {0};
    struct fault lost = {0};

    if (content.len > SCAN_BYTES_MAX)
        return sink->found(sink->self, token, NULL, 0, SCAN_UNEXAMINED, fault);
    pool->next = (pool->next + 1) % pool->count;
    if (!settle(worker, sink, fault) ||
        !packet_put_text(&packet, slice_part(path, 0, PATH_BYTES_MAX), fault) ||
        !packet_put_number(&packet, content.len, fault))
        return false;
    if (content.len <= INLINE_BYTES_MAX) {
        if (!packet_put_text(&packet, content, fault))
            return false;
    } else {
        if (!memory_file(content, &fd, fault))
            return false;
        fds = (struct message_fds){.fd = {fd}, .count = 1};
    }
    worker->token = token;
    worker->len = content.len;
    worker->busy = true;
    /* A worker that is gone shows at settling. */
    (void)!message_send(worker->socket, buf_slice(&packet), &fds, &lost);
    return true;
}

bool scan_pool_drain(struct scan_pool *pool, const struct scan_sink *sink, struct fault *fault)
{
    for (size_t i = 0; i < pool->count; i++)
        if (!settle(&pool->workers[i], sink, fault))
            return false;
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
