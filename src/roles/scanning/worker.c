/* The process that looks: packets of contents in, findings out. */
#include "roles/scan.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/scope.h"
#include "classify/rules.h"
#include "os/isolate.h"
#include "os/message.h"
#include "roles/archives.h"
#include "roles/packet.h"
#include "roles/pdf/pdfs.h"
#include "roles/scanning/exchange.h"

/* What was found in the contents of a packet, sent as packets fill up. */
struct answer {
    int socket;
    struct buf packet;
};

static bool answer_send(struct answer *answer, struct fault *fault)
{
    bool ok = message_send(answer->socket, buf_slice(&answer->packet), NULL, fault);

    buf_clear(&answer->packet);
    return ok;
}

static bool answer_put(struct answer *answer, uint64_t first, uint64_t second,
                       struct fault *fault)
{
    if (answer->packet.len + EXCHANGE_RECORD_BYTES > MESSAGE_BYTES_MAX &&
        !answer_send(answer, fault))
        return false;
    return packet_put_number(&answer->packet, first, fault) &&
           packet_put_number(&answer->packet, second, fault);
}

static bool answer_findings(struct answer *answer, const struct finding *findings, size_t count,
                            unsigned mask, struct fault *fault)
{
    if (!answer_put(answer, mask, count, fault))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!answer_put(answer, findings[i].start | (uint64_t)findings[i].end << 32,
                        findings[i].rule | (uint64_t)findings[i].class << 16 |
                            (uint64_t)findings[i].also << 24 |
                            (uint64_t)findings[i].confidence << 32 |
                            (uint64_t)findings[i].form << 40 |
                            (uint64_t)findings[i].page << 48,
                        fault))
            return false;
    return true;
}

/* The next content: in the packet, or a memory file that is mapped. */
static bool take_content(struct packet_reader *reader, const struct message_fds *fds,
                         struct slice *ret_content, void **ret_mapping, struct fault *fault)
{
    uint64_t len = packet_number(reader);

    if (fds->count == 0) {
        *ret_content = packet_text(reader);
        return (!reader->failed && ret_content->len == len) ||
               fault_set(fault, FAULT_INVALID, "a packet that cannot be read");
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

static bool look(struct answer *answer, struct packet_reader *reader,
                 const struct message_fds *fds, struct fault *fault)
{
    struct slice path = packet_text(reader), content = {0};
    struct finding *findings = NULL;
    struct fault unfound = {0};
    void *mapping = NULL;
    size_t count = 0;
    unsigned mask = 0;
    bool ok;

    if (!take_content(reader, fds, &content, &mapping, fault))
        return false;
    /* What the classifier cannot take is not a failure of the worker. */
    if (!classify_scan(content, path, &findings, &count, &mask, &unfound)) {
        count = 0;
        mask = SCAN_UNEXAMINED;
    }
    ok = answer_findings(answer, findings, count, mask, fault);
    free(findings);
    if (mapping != NULL)
        (void)munmap(mapping, content.len);
    return ok;
}

static bool look_at_all(struct answer *answer, struct slice packet,
                        const struct message_fds *fds, struct fault *fault)
{
    struct packet_reader reader = {.rest = packet};

    do {
        if (!look(answer, &reader, fds, fault))
            return false;
    } while (reader.rest.len > 0);
    return answer_send(answer, fault);
}

/* Machine code is made before the seal, and stays as it is: no page can be both written and run, also none
 * of what started us. Where pages cannot be listed no code is made. */
static bool settle_code(const struct scan_worker *worker, struct fault *fault)
{
    AUTO_CLOSE int maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);

    if (worker->makes_code && maps >= 0)
        rules_make_code();
    return !rules_end_code() || maps < 0 || isolate_made_code(maps, fault);
}

int scan_role(void *self)
{
    const struct scan_worker *worker = self;
    AUTO_BUF struct buf packet = buf_with_limit(MESSAGE_BYTES_MAX);
    struct answer answer = {.socket = worker->socket,
                            .packet = buf_with_limit(MESSAGE_BYTES_MAX)};
    struct fault fault = {0}, none = {0};

    (void)!archives_use(&none); /* without the libraries they are opaque */
    if (worker->opens_pdfs)
        (void)!pdfs_use(&none);
    if (!buf_reserve(&packet, MESSAGE_BYTES_MAX, &fault) || !settle_code(worker, &fault) ||
        !isolate_capabilities(0, &fault) ||
        !isolate_syscalls(ISOLATE_SCAN, &fault))
        return 1;
    for (;;) {
        struct message_fds fds = {0};
        bool end = false;
        bool ok;

        if (!message_receive(answer.socket, &packet, &fds, -1, &end, &fault))
            return 1;
        if (end)
            return 0;
        ok = look_at_all(&answer, buf_slice(&packet), &fds, &fault);
        message_fds_close(&fds);
        if (!ok)
            return 1;
    }
}
