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
#include "ledger/wal.h"
#include "os/clock_real.h"
#include "os/file.h"
#include "roles/ledger_role/ledger.h"
#include "roles/ledger_role/writer.h"

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

/* With fewer, a batch takes the disk so long that there is nothing to gain by two. */
#define TWO_BATCHES_MIN 500
/* With fewer, the time ends before the first segments are full. */
#define SEGMENTS_MIN 100
#define BURST_BYTES (WAL_BYTES_MAX * 3 / 4)

/* Commits and checkpoints, as the daemon has them. */
struct pace {
    struct log *log;
    size_t batch;          /* records that are committed together */
    bool two;              /* one batch is filled while another one is written */
    int64_t checkpoint_us; /* when the next one is due */
};

static void pace_begin(struct pace *pace, struct log *log, size_t outstanding)
{
    pace->log = log;
    pace->two = outstanding >= TWO_BATCHES_MIN;
    pace->batch = pace->two ? outstanding / 2 : outstanding;
    pace->checkpoint_us = clock_monotonic_us(&clock_real) + CHECKPOINT_US;
    if (pace->two)
        log_overlap(log);
}

/*
 * What is under way, to its end; the wait is used for the checkpoint, once one is due: what is
 * read back before that would keep the next batch waiting.
 */
static bool pace_wait(struct pace *pace, struct fault *fault)
{
    enum log_work work =
        log_checkpoint_is_under_way(pace->log) ? LOG_WORK_MORE : LOG_WORK_NONE;
    bool done;

    for (;;) {
        if (!log_commit_finish(pace->log, work != LOG_WORK_MORE, &done, fault))
            return false;
        if (done)
            return true;
        if (!log_work(pace->log, &work, fault))
            return false;
    }
}

/* A batch was appended. */
static bool pace_commit(struct pace *pace, struct fault *fault)
{
    enum log_work work;

    if (!pace->two) {
        if (!log_commit(pace->log, fault) ||
            (log_checkpoint_is_under_way(pace->log) && !log_work(pace->log, &work, fault)))
            return false;
    } else if (!pace_wait(pace, fault) || !log_commit_begin(pace->log, fault)) {
        return false;
    }
    if (clock_monotonic_us(&clock_real) >= pace->checkpoint_us) {
        pace->checkpoint_us += CHECKPOINT_US;
        log_checkpoint_begin(pace->log);
    }
    return true;
}

struct log_subject {
    int folder;
    struct note_signer *signer;
    struct log *log;
    struct pace pace;
    uint8_t *bytes;
    struct slice *leaves;
    struct tree_hash *hashes;
    size_t record_bytes;
};

static bool log_batch(struct log_subject *self, struct fault *fault)
{
    uint64_t index;

    for (size_t i = 0; i < self->pace.batch; i++)
        subject_fill(self->bytes + i * self->record_bytes, 16, log_size(self->log) + i);
    return log_append_many(self->log, self->leaves, self->pace.batch, &index, self->hashes,
                           fault) &&
           pace_commit(&self->pace, fault);
}

/* Segments are made once, and used again and again: not in the time. */
static bool make_segments(struct log *log, struct fault *fault)
{
    AUTO_FREE uint8_t *bytes = xalloc(WAL_LEAF_BYTES_MAX);
    struct tree_hash hash;
    uint64_t index;

    for (uint64_t at = 0; at < BURST_BYTES + WAL_SEGMENT_BYTES; at += WAL_LEAF_BYTES_MAX)
        if (!log_append(log, slice_of_bytes(bytes, WAL_LEAF_BYTES_MAX), &index, &hash, fault))
            return false;
    return log_checkpoint(log, fault);
}

static bool log_subject_open(const struct subject_place *place, void **ret_self,
                             struct fault *fault)
{
    struct log_subject *self = xalloc(sizeof(*self));
    struct log_recovery recovery;

    self->record_bytes = place->record_bytes;
    self->bytes = xalloc_array(place->outstanding, place->record_bytes);
    self->leaves = xalloc_array(place->outstanding, sizeof(*self->leaves));
    self->hashes = xalloc_array(place->outstanding, sizeof(*self->hashes));
    for (size_t i = 0; i < place->outstanding; i++) {
        subject_fill(self->bytes + i * place->record_bytes, place->record_bytes, i);
        self->leaves[i] =
            slice_of_bytes(self->bytes + i * place->record_bytes, place->record_bytes);
    }
    self->folder = open(place->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (self->folder < 0)
        return fault_errno(fault, "open %s", place->folder);
    self->signer = make_signer(fault);
    if (self->signer == NULL ||
        !log_open(self->folder, self->signer, NULL, NULL, &self->log, &recovery, fault) ||
        (place->outstanding >= SEGMENTS_MIN && !make_segments(self->log, fault)))
        return false;
    pace_begin(&self->pace, self->log, place->outstanding);
    *ret_self = self;
    return true;
}

static bool log_round(void *of, struct fault *fault)
{
    struct log_subject *self = of;

    return log_batch(self, fault) && (!self->pace.two || log_batch(self, fault));
}

static bool log_is_through(void *of)
{
    const struct log_subject *self = of;

    return (log_size(self->log) - log_published_size(self->log)) *
               (self->record_bytes + WAL_FRAME_HEAD_BYTES) >
           BURST_BYTES;
}

static bool log_subject_close(void *of, struct fault *fault)
{
    struct log_subject *self = of;

    if (!log_close(self->log, fault))
        return false;
    log_free(self->log);
    note_signer_free(self->signer);
    (void)close(self->folder);
    free(self->bytes);
    free(self->leaves);
    free(self->hashes);
    free(self);
    return true;
}

const struct subject subject_log = {"log", log_subject_open, log_round, log_subject_close,
                                    log_is_through};
const struct subject subject_log_lasting = {"log-lasting", log_subject_open, log_round,
                                            log_subject_close, NULL};

struct writer_subject {
    int folder;
    struct note_signer *signer;
    struct ledger_writer *writer;
    struct ledger_source *sources[PRODUCERS];
    struct buf text;
    struct pace pace;
    uint64_t count;
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
                                ledger_writer_types(), buf_slice(&self->text), true, fault);
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

    if (!writer_make(place->folder, &self, fault) ||
        (place->outstanding >= SEGMENTS_MIN &&
         !make_segments(ledger_writer_log(self->writer), fault)))
        return false;
    pace_begin(&self->pace, ledger_writer_log(self->writer), place->outstanding);
    *ret_self = self;
    return true;
}

static bool writer_batch(struct writer_subject *self, struct fault *fault)
{
    for (size_t i = 0; i < self->pace.batch; i++)
        if (!writer_append(self, fault))
            return false;
    return pace_commit(&self->pace, fault);
}

static bool writer_round(void *of, struct fault *fault)
{
    struct writer_subject *self = of;

    return writer_batch(self, fault) && (!self->pace.two || writer_batch(self, fault));
}

static bool writer_is_through(void *of)
{
    const struct writer_subject *self = of;
    const struct log *log = self->pace.log;

    return (log_size(log) - log_published_size(log)) *
               (subject_writer_record_bytes() + WAL_FRAME_HEAD_BYTES) >
           BURST_BYTES;
}

static bool writer_close(void *of, struct fault *fault)
{
    return writer_drop(of, fault);
}

const struct subject subject_writer = {"writer", writer_open, writer_round, writer_close,
                                       writer_is_through};
const struct subject subject_writer_lasting = {"writer-lasting", writer_open, writer_round,
                                               writer_close, NULL};

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

const struct subject subject_socket = {"socket", socket_open, socket_round, socket_close,
                                       NULL};

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
