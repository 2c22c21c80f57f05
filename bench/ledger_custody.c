/*
 * bench/ledger_custody.c - the ledger itself: leaves that are given, records that are encoded,
 * and records that come over the daemon's socket. A checkpoint once a second, in the time that
 * is measured.
 */
#include <fcntl.h>
#include <unistd.h>

#include "base/scope.h"
#include "bench/ledger_subject.h"
#include "ledger/ledger.h"
#include "ledger/log.h"
#include "os/clock_real.h"
#include "os/file.h"
#include "roles/ledger.h"
#include "roles/ledger_writer.h"

#define CHECKPOINT_US 1000000
#define PRODUCERS 8

static struct note_signer *make_signer(struct fault *fault)
{
    AUTO_BUF struct buf skey = buf_with_limit(1024), vkey = buf_with_limit(1024);
    struct note_signer *signer = NULL;
    uint8_t seed[NOTE_SEED_BYTES] = {1};

    if (!note_key_texts(SLICE("custody-bench-00000000"), seed, &skey, &vkey, fault) ||
        !note_signer_parse(buf_slice(&skey), &signer, fault))
        return NULL;
    return signer;
}

/* A record as the view writes one at the first read of a file. */
static struct record read_record(char path[64], uint64_t number)
{
    struct record record;

    (void)snprintf(path, 64, "src/module%02u/part%04u.c", (unsigned)(number % 40),
                   (unsigned)(number % 9973));
    record_begin(&record, RECORD_FILE_READ);
    record_word(&record, RECORD_RUN, "01JD8Z3V9Q4W5X6Y7Z8A9BCDEF");
    record_word(&record, RECORD_AGENT, "coder@billing#01JD8Z3V9Q4W5X6Y7Z8A9BCDEF");
    record_word(&record, RECORD_PATH, path);
    record_word(&record, RECORD_BLOB, "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0");
    record_number(&record, RECORD_SIZE, (int64_t)(number % 100000));
    return record;
}

size_t subject_writer_record_bytes(void)
{
    static const uint8_t zeros[32];
    AUTO_BUF struct buf text = buf_with_limit(RECORD_BYTES_MAX);
    struct record_header header = {.src = SLICE("view/01JD8Z3V9Q4W5X6Y7Z8A9BCDEF~0.1"),
                                   .seq = 100000,
                                   .prev = zeros,
                                   .salt = zeros,
                                   .t_us = clock_now_us(&clock_real)};
    struct fault fault = {0};
    char path[64];
    struct record record = read_record(path, 12345);

    if (!record_encode(&record, &header, &text, &fault))
        return 0;
    return text.len;
}

struct log_subject {
    int folder;
    struct note_signer *signer;
    struct log *log;
    uint8_t *leaf;
    size_t record_bytes, outstanding;
    int64_t checkpoint_us; /* when the next one is due */
};

static bool log_subject_open(const struct subject_place *place, void **ret_self,
                             struct fault *fault)
{
    struct log_subject *self = xalloc(sizeof(*self));
    struct log_recovery recovery;

    self->record_bytes = place->record_bytes;
    self->outstanding = place->outstanding;
    self->leaf = xalloc(place->record_bytes);
    self->folder = open(place->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (self->folder < 0)
        return fault_errno(fault, "open %s", place->folder);
    self->signer = make_signer(fault);
    self->checkpoint_us = clock_monotonic_us(&clock_real) + CHECKPOINT_US;
    *ret_self = self;
    return self->signer != NULL &&
           log_open(self->folder, self->signer, NULL, NULL, &self->log, &recovery, fault);
}

static bool log_round(void *of, struct fault *fault)
{
    struct log_subject *self = of;
    struct tree_hash hash;
    uint64_t index;

    for (size_t i = 0; i < self->outstanding; i++) {
        subject_fill(self->leaf, 16, log_size(self->log));
        if (!log_append(self->log, slice_of_bytes(self->leaf, self->record_bytes), &index,
                        &hash, fault))
            return false;
    }
    if (!log_commit(self->log, fault))
        return false;
    if (clock_monotonic_us(&clock_real) < self->checkpoint_us)
        return true;
    self->checkpoint_us += CHECKPOINT_US;
    return log_checkpoint(self->log, fault);
}

static bool log_subject_close(void *of, struct fault *fault)
{
    struct log_subject *self = of;

    if (!log_close(self->log, fault))
        return false;
    log_free(self->log);
    note_signer_free(self->signer);
    (void)close(self->folder);
    free(self->leaf);
    free(self);
    return true;
}

const struct subject subject_log = {"log", log_subject_open, log_round, log_subject_close};

struct writer_subject {
    int folder;
    struct note_signer *signer;
    struct ledger_writer *writer;
    struct ledger_source *sources[PRODUCERS];
    struct buf text;
    size_t outstanding;
    uint64_t count;
    int64_t checkpoint_us;
};

static bool writer_make(const char *path, struct writer_subject **ret_self,
                        struct fault *fault)
{
    struct writer_subject *self = xalloc(sizeof(*self));

    self->text = buf_with_limit(RECORD_BYTES_MAX);
    self->folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (self->folder < 0)
        return fault_errno(fault, "open %s", path);
    self->signer = make_signer(fault);
    if (self->signer == NULL ||
        !ledger_writer_open(self->folder, self->signer, &clock_real, &self->writer, fault))
        return false;
    for (size_t i = 0; i < PRODUCERS; i++)
        if (!ledger_writer_source(self->writer, SLICE("view/01JD8Z3V9Q4W5X6Y7Z8A9BCDEF"),
                                  &self->sources[i], fault))
            return false;
    self->checkpoint_us = clock_monotonic_us(&clock_real) + CHECKPOINT_US;
    *ret_self = self;
    return true;
}

/* As the daemon does it: text of a producer in, an entry of the log out. */
static bool writer_append(struct writer_subject *self, struct fault *fault)
{
    char path[64];
    struct record record = read_record(path, self->count);

    buf_clear(&self->text);
    return record_encode(&record, NULL, &self->text, fault) &&
           ledger_writer_append(self->writer, self->sources[self->count++ % PRODUCERS],
                                ledger_writer_types(), buf_slice(&self->text), fault);
}

static bool writer_drop(struct writer_subject *self, struct fault *fault)
{
    if (!ledger_writer_close(self->writer, fault))
        return false;
    ledger_writer_free(self->writer);
    note_signer_free(self->signer);
    (void)close(self->folder);
    buf_free(&self->text);
    free(self);
    return true;
}

static bool writer_open(const struct subject_place *place, void **ret_self,
                        struct fault *fault)
{
    struct writer_subject *self;

    if (!writer_make(place->folder, &self, fault))
        return false;
    self->outstanding = place->outstanding;
    *ret_self = self;
    return true;
}

static bool writer_round(void *of, struct fault *fault)
{
    struct writer_subject *self = of;

    for (size_t i = 0; i < self->outstanding; i++)
        if (!writer_append(self, fault))
            return false;
    if (!ledger_writer_commit(self->writer, fault))
        return false;
    if (clock_monotonic_us(&clock_real) < self->checkpoint_us)
        return true;
    self->checkpoint_us += CHECKPOINT_US;
    return ledger_writer_checkpoint(self->writer, fault);
}

static bool writer_close(void *of, struct fault *fault)
{
    return writer_drop(of, fault);
}

const struct subject subject_writer = {"writer", writer_open, writer_round, writer_close};

struct socket_subject {
    int home;
    struct ledger_client *client;
    size_t outstanding;
    uint64_t count;
};

static bool socket_open(const struct subject_place *place, void **ret_self,
                        struct fault *fault)
{
    struct socket_subject *self = xalloc(sizeof(*self));
    int socket;

    (void)setenv("CUSTODY_LEDGER_LINGER_MS", "0", 1);
    self->outstanding = place->outstanding;
    self->home = open(place->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (self->home < 0)
        return fault_errno(fault, "open %s", place->folder);
    if (!ledger_keys_make(self->home, fault) ||
        !ledger_connect(place->folder, self->home, &socket, fault))
        return false;
    self->client = ledger_client_new(socket);
    *ret_self = self;
    return true;
}

/* All but the last are queued; the last one's acknowledgement is that of all. */
static bool socket_round(void *of, struct fault *fault)
{
    struct socket_subject *self = of;

    for (size_t i = 0; i < self->outstanding; i++) {
        char path[64];
        struct record record = read_record(path, self->count++);
        bool last = i + 1 == self->outstanding;

        if (!(last ? ledger_record_durably(self->client, &record, NULL, fault)
                   : ledger_record(self->client, &record, NULL, fault)))
            return false;
    }
    return true;
}

static bool socket_close(void *of, struct fault *fault)
{
    struct socket_subject *self = of;

    if (!ledger_checkpoint(self->client, fault))
        return false;
    ledger_client_free(self->client);
    (void)close(self->home);
    free(self);
    return true;
}

const struct subject subject_socket = {"socket", socket_open, socket_round, socket_close};

bool bench_ledger_write(const char *folder, uint64_t records, struct buf *ret_vkey,
                        struct fault *fault)
{
    struct writer_subject *self;

    if (!writer_make(folder, &self, fault) || !note_signer_vkey(self->signer, ret_vkey, fault))
        return false;
    while (self->count < records)
        if (!writer_append(self, fault))
            return false;
    return writer_drop(self, fault);
}
