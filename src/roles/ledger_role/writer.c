#include "roles/ledger_role/writer.h"

#include <openssl/rand.h>

#include "base/scope.h"
#include "ledger/protocol.h"
#include "roles/ledger_role/memo.h"

#define SALT_BYTES 16
#define SALTS_AT_ONCE 64
#define IDLE_SOURCES_MAX 4096
#define STEP_US 2000000 /* the clock against the one that only goes on: more is a step */

struct ledger_source {
    char *name;
    char *src;
    uint64_t next_seq;
    struct tree_hash last; /* zeros before the first */
    bool is_in_use;
    struct fault refused; /* an act that nobody waits for was refused; see ledger_writer.h */
    const char *refused_word;
    struct ledger_source *next;
};

struct ledger_writer {
    struct log *log;
    struct ledger_gate *gate;
    const struct clock *clock;
    struct ledger_source own;
    struct ledger_source *sources; /* the newest first */
    uint64_t opened_index, source_count;
    int64_t t_us, monotonic_us; /* of the last record; monotonic 0: it was another process's */
    uint8_t salts[SALTS_AT_ONCE][SALT_BYTES];
    size_t salts_left;
    struct buf arena, text, leaf;
};

uint64_t ledger_writer_types(void)
{
    return ((UINT64_C(1) << RECORD_TYPE_COUNT) - 1) & ~record_own_types();
}

/* NULL: nothing is asked of witnesses. */
static struct ledger_quorum *writer_quorum(const struct ledger_writer *writer)
{
    return writer->gate == NULL ? NULL : ledger_gate_quorum(writer->gate);
}

/* Goes on where the memo ends. */
static bool memo_take(struct slice text, struct ledger_writer *writer, struct fault *fault)
{
    struct ledger_memo memo = {0};

    if (text.len == 0)
        return true; /* a new ledger */
    if (!ledger_memo_parse(text, &memo, fault))
        return false;
    writer->own.next_seq = memo.next_seq;
    writer->own.last = memo.last;
    writer->t_us = memo.t_us;
    if (writer->gate == NULL)
        return true;
    ledger_gate_recorded_before(writer->gate, memo.disk);
    ledger_quorum_recorded_before(writer_quorum(writer), memo.quorum);
    return true;
}

static bool memo_write(struct ledger_writer *writer, struct fault *fault)
{
    AUTO_BUF struct buf text = buf_with_limit(LOG_MEMO_BYTES_MAX - 1);
    const struct ledger_memo memo = {
        .next_seq = writer->own.next_seq,
        .last = writer->own.last,
        .t_us = writer->t_us,
        .disk = writer->gate == NULL ? DISK_OK : ledger_gate_recorded(writer->gate),
        .quorum = ledger_quorum_recorded(writer_quorum(writer)),
    };

    if (!ledger_memo_format(&memo, &text, fault))
        return false;
    log_set_memo(writer->log, buf_text(&text));
    return true;
}

/* What a recovered log holds beyond the memo: our own sequence may have gone on. */
struct own_leaves {
    struct ledger_writer *writer;
    uint64_t next_seq;
    struct tree_hash last;
    int64_t t_us;
};

static bool on_recovered_leaf(void *self, uint64_t index, struct slice leaf,
                              const struct tree_hash *leaf_hash, struct fault *fault)
{
    struct own_leaves *own = self;
    struct record_header header;
    struct record record;

    if (!record_decode(leaf, &record, &header, &own->writer->arena, fault))
        return fault_in(fault, "record %llu", (unsigned long long)index);
    own->t_us = header.t_us;
    ledger_quorum_recovered(writer_quorum(own->writer), index, header.t_us);
    if (slice_equal(header.src, slice_of(own->writer->own.src))) {
        own->next_seq = header.seq + 1;
        own->last = *leaf_hash;
    }
    return true;
}

static const uint8_t *next_salt(struct ledger_writer *writer)
{
    if (writer->salts_left == 0) {
        if (RAND_bytes(writer->salts[0], sizeof(writer->salts)) != 1)
            abort(); /* without salts a leaf's hash would tell its content */
        writer->salts_left = SALTS_AT_ONCE;
    }
    return writer->salts[--writer->salts_left];
}

static bool put(struct ledger_writer *writer, struct ledger_source *source,
                const struct record *record, struct fault *fault)
{
    struct record_header header = {.src = slice_of(source->src),
                                   .seq = source->next_seq,
                                   .prev = source->last.at,
                                   .salt = next_salt(writer),
                                   .t_us = writer->t_us};
    struct tree_hash hash;
    uint64_t index;

    buf_clear(&writer->leaf);
    if (!record_encode(record, &header, &writer->leaf, fault) ||
        !log_append(writer->log, buf_slice(&writer->leaf), &index, &hash, fault))
        return false;
    source->next_seq++;
    source->last = hash;
    ledger_quorum_wrote(writer_quorum(writer), index, writer->monotonic_us);
    if (record->type == RECORD_LEDGER_OPENED)
        writer->opened_index = index;
    return source == &writer->own ? memo_write(writer, fault) : true;
}

/* How far the clock has jumped since the last record; of another process's, back only. */
static int64_t stepped_us(const struct ledger_writer *writer, int64_t now_us,
                          int64_t monotonic_us)
{
    int64_t step_us = now_us - writer->t_us;

    if (writer->t_us == 0)
        return 0; /* a new ledger */
    if (writer->monotonic_us != 0)
        step_us -= monotonic_us - writer->monotonic_us;
    else if (step_us > 0)
        return 0;
    return step_us > STEP_US || step_us < -STEP_US ? step_us : 0;
}

/*
 * Reads the clock for the next record. That it was set, or that the host slept, is a record:
 * the order is the index all the same.
 */
static bool put_time(struct ledger_writer *writer, struct fault *fault)
{
    int64_t now_us = clock_now_us(writer->clock);
    int64_t monotonic_us = clock_monotonic_us(writer->clock);
    int64_t step_us = stepped_us(writer, now_us, monotonic_us);
    struct record record;

    writer->t_us = now_us;
    writer->monotonic_us = monotonic_us;
    if (step_us == 0)
        return true;
    record_begin(&record, RECORD_CLOCK_STEPPED);
    record_number(&record, RECORD_DURATION_US, step_us);
    return put(writer, &writer->own, &record, fault);
}

static bool append(struct ledger_writer *writer, struct ledger_source *source,
                   const struct record *record, struct fault *fault)
{
    return put_time(writer, fault) && put(writer, source, record, fault);
}

static bool append_opened(struct ledger_writer *writer, const struct log_recovery *recovery,
                          const char *mechanism, struct fault *fault)
{
    struct record record;

    record_begin(&record, RECORD_LEDGER_OPENED);
    record_word(&record, RECORD_REASON,
                recovery->is_new       ? "new"
                : recovery->was_closed ? "closed"
                                       : "recovered");
    record_number(&record, RECORD_COUNT, (int64_t)recovery->size);
    record_word(&record, RECORD_MECHANISM, mechanism);
    if (recovery->torn_bytes > 0)
        record_number(&record, RECORD_SIZE, (int64_t)recovery->torn_bytes);
    return append(writer, &writer->own, &record, fault) && ledger_writer_look(writer, fault) &&
           log_commit(writer->log, fault);
}

/* A full disk may hold a published log back: with the reserve there is room for it. */
static bool open_log(int folder, const struct note_signer *signer, struct own_leaves *own,
                     struct log_recovery *ret_recovery, struct fault *fault)
{
    struct ledger_writer *writer = own->writer;

    if (log_open(folder, signer, on_recovered_leaf, own, &writer->log, ret_recovery, fault))
        return true;
    if (fault->kind != FAULT_LIMIT || writer->gate == NULL ||
        !ledger_gate_disk_is_full(writer->gate))
        return false;
    *own = (struct own_leaves){.writer = writer};
    return log_open(folder, signer, on_recovered_leaf, own, &writer->log, ret_recovery, fault);
}

static bool load(struct ledger_gate *gate, int folder, const struct note_signer *signer,
                 const struct clock *clock, struct ledger_writer **ret_writer,
                 struct log_recovery *ret_recovery, struct fault *fault)
{
    struct ledger_writer *writer = xalloc(sizeof(*writer));
    struct own_leaves own = {.writer = writer};

    writer->clock = clock;
    writer->gate = gate;
    writer->arena = buf_with_limit(RECORD_BYTES_MAX + 1);
    writer->text = buf_with_limit(RECORD_BYTES_MAX);
    writer->leaf = buf_with_limit(RECORD_BYTES_MAX);
    writer->own.src = xstrdup("ledger");
    if (!open_log(folder, signer, &own, ret_recovery, fault) ||
        !memo_take(slice_of(ret_recovery->memo), writer, fault)) {
        ledger_writer_free(writer);
        return false;
    }
    if (own.next_seq > writer->own.next_seq) {
        writer->own.next_seq = own.next_seq;
        writer->own.last = own.last;
    }
    if (own.t_us != 0)
        writer->t_us = own.t_us;
    if (!memo_write(writer, fault)) {
        ledger_writer_free(writer);
        return false;
    }
    *ret_writer = writer;
    return true;
}

bool ledger_writer_load(int folder, const struct note_signer *signer,
                        const struct clock *clock, struct ledger_writer **ret_writer,
                        struct fault *fault)
{
    struct log_recovery recovery;

    return load(NULL, folder, signer, clock, ret_writer, &recovery, fault);
}

bool ledger_writer_open_guarded(const struct ledger_writer_guard *guard, int folder,
                                const struct note_signer *signer, const struct clock *clock,
                                struct ledger_writer **ret_writer, struct fault *fault)
{
    struct ledger_writer *writer;
    struct log_recovery recovery;

    if (!load(guard->gate, folder, signer, clock, &writer, &recovery, fault))
        return false;
    if (!append_opened(writer, &recovery, guard->mechanism, fault)) {
        ledger_writer_free(writer);
        return false;
    }
    *ret_writer = writer;
    return true;
}

bool ledger_writer_open(int folder, const struct note_signer *signer,
                        const struct clock *clock, struct ledger_writer **ret_writer,
                        struct fault *fault)
{
    const struct ledger_writer_guard none = {0};

    return ledger_writer_open_guarded(&none, folder, signer, clock, ret_writer, fault);
}

static void source_free(struct ledger_source *source)
{
    free(source->name);
    free(source->src);
    free(source);
}

void ledger_writer_free(struct ledger_writer *writer)
{
    if (writer == NULL)
        return;
    while (writer->sources != NULL) {
        struct ledger_source *source = writer->sources;

        writer->sources = source->next;
        source_free(source);
    }
    log_free(writer->log);
    free(writer->own.src);
    buf_free(&writer->arena);
    buf_free(&writer->text);
    buf_free(&writer->leaf);
    free(writer);
}

static bool name_is_allowed(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        uint8_t byte = name.at[i];

        if (!((byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
              (byte >= '0' && byte <= '9') || byte == '.' || byte == '/' || byte == '_' ||
              byte == '-'))
            return false;
    }
    return name.len > 0 && name.len <= LEDGER_NAME_BYTES_MAX;
}

/* The longest idle go first; whoever comes back under such a name gets a new sequence. */
static void forget_idle(struct ledger_writer *writer)
{
    struct ledger_source **at = &writer->sources;
    size_t idle = 0;

    while (*at != NULL) {
        struct ledger_source *source = *at;

        if (!source->is_in_use && ++idle > IDLE_SOURCES_MAX) {
            *at = source->next;
            source_free(source);
        } else {
            at = &source->next;
        }
    }
}

bool ledger_writer_source(struct ledger_writer *writer, struct slice name,
                          struct ledger_source **ret_source, struct fault *fault)
{
    struct ledger_source *source;

    if (!name_is_allowed(name))
        return fault_set(fault, FAULT_INVALID,
                         "a producer's name: [A-Za-z0-9./_-], at most %d",
                         LEDGER_NAME_BYTES_MAX);
    for (source = writer->sources; source != NULL; source = source->next)
        if (!source->is_in_use && slice_equal(slice_of(source->name), name)) {
            source->is_in_use = true;
            *ret_source = source;
            return true;
        }
    forget_idle(writer);
    source = xalloc(sizeof(*source));
    source->name = slice_dup(name);
    source->src =
        xformat("%s~%llu.%llu", source->name, (unsigned long long)writer->opened_index,
                (unsigned long long)++writer->source_count);
    source->is_in_use = true;
    source->next = writer->sources;
    writer->sources = source;
    *ret_source = source;
    return true;
}

void ledger_writer_release(struct ledger_source *source)
{
    source->is_in_use = false;
}

uint64_t ledger_source_next(const struct ledger_source *source)
{
    return source->next_seq;
}

const char *ledger_source_name(const struct ledger_source *source)
{
    return source->src;
}

/* That an act was refused, by whom; whose run it was. */
static bool append_refusal(struct ledger_writer *writer, const struct record *act,
                           const char *word, struct fault *fault)
{
    static const enum record_field kept[] = {RECORD_RUN, RECORD_AGENT, RECORD_CHANGE};
    struct record record;

    record_begin(&record, RECORD_REFUSED);
    record_word(&record, RECORD_REASON, word);
    record_word(&record, RECORD_MECHANISM, "ledger");
    record_word(&record, RECORD_RULE, record_type_name(act->type));
    for (size_t i = 0; i < COUNT(kept); i++)
        record.field[kept[i]] = act->field[kept[i]];
    return append(writer, &writer->own, &record, fault);
}

static bool append_flag(struct ledger_writer *writer, const struct record *act,
                        const char *word, struct fault *fault)
{
    struct record record;

    ledger_gate_flag(writer->gate, act, word, &record);
    return append(writer, &writer->own, &record, fault);
}

/* An act passes the gate before it is a record. */
static bool admit(struct ledger_writer *writer, struct ledger_source *source,
                  const struct record *record, bool durably, struct fault *fault)
{
    enum ledger_gate_verdict verdict = LEDGER_GATE_REFUSE;

    if (writer->gate == NULL)
        return true;
    if (record->type == RECORD_BREAKGLASS)
        return ledger_gate_check_glass(writer->gate, record, fault);
    if (!ledger_gate_is_act(record))
        return true;
    if (source->refused.kind == FAULT_NONE)
        verdict =
            ledger_gate_judge(writer->gate, record, &source->refused_word, &source->refused);
    if (verdict == LEDGER_GATE_ADMIT)
        return true;
    if (verdict == LEDGER_GATE_FLAG)
        return append_flag(writer, record, source->refused_word, fault);
    if (durably && !append_refusal(writer, record, source->refused_word, fault))
        return false;
    *fault = source->refused;
    if (durably)
        source->refused = (struct fault){0};
    return false;
}

bool ledger_writer_append(struct ledger_writer *writer, struct ledger_source *source,
                          uint64_t types, struct slice text, bool durably, struct fault *fault)
{
    struct record record;

    if (!record_decode(text, &record, NULL, &writer->arena, fault)) {
        fault->kind = FAULT_INVALID;
        return false;
    }
    if ((types >> record.type & 1) == 0)
        return fault_set(fault, FAULT_INVALID, "this producer may not write %s",
                         record_type_name(record.type));
    if (!admit(writer, source, &record, durably, fault))
        return false;
    if (!append(writer, source, &record, fault)) {
        if (fault->kind == FAULT_LIMIT) /* with its header it is too long for an entry */
            fault->kind = FAULT_INVALID;
        return false;
    }
    if (writer->gate != NULL && record.type == RECORD_BREAKGLASS)
        ledger_gate_break_glass(writer->gate, &record);
    return true;
}

bool ledger_writer_own(struct ledger_writer *writer, const struct record *record,
                       struct fault *fault)
{
    return append(writer, &writer->own, record, fault);
}

bool ledger_writer_heartbeat(struct ledger_writer *writer, struct fault *fault)
{
    struct record record;

    record_begin(&record, RECORD_HEARTBEAT);
    record_number(&record, RECORD_COUNT, (int64_t)log_size(writer->log));
    return append(writer, &writer->own, &record, fault);
}

bool ledger_writer_refused(struct ledger_writer *writer, const char *reason,
                           struct fault *fault)
{
    struct record record;

    record_begin(&record, RECORD_REFUSED);
    record_word(&record, RECORD_REASON, reason);
    record_word(&record, RECORD_MECHANISM, "ledger");
    return append(writer, &writer->own, &record, fault);
}

static bool append_disk_state(struct ledger_writer *writer, struct fault *fault)
{
    struct record record;

    ledger_gate_disk_record(writer->gate, &record);
    return append(writer, &writer->own, &record, fault);
}

static bool append_quorum_state(struct ledger_writer *writer, struct fault *fault)
{
    struct record record;

    ledger_quorum_record(writer_quorum(writer), &record);
    return append(writer, &writer->own, &record, fault);
}

bool ledger_writer_look(struct ledger_writer *writer, struct fault *fault)
{
    if (writer->gate == NULL)
        return true;
    return (!ledger_gate_look(writer->gate) || append_disk_state(writer, fault)) &&
           (!ledger_quorum_is_news(writer_quorum(writer)) ||
            append_quorum_state(writer, fault));
}

bool ledger_writer_commit(struct ledger_writer *writer, struct fault *fault)
{
    return log_commit(writer->log, fault);
}

/* Was it for want of room, and is there some now? The record of that is in the batch then. */
static bool gave_up_reserve(struct ledger_writer *writer, struct fault *fault)
{
    struct fault ignored = {0};

    return fault->kind == FAULT_LIMIT && writer->gate != NULL &&
           ledger_gate_disk_is_full(writer->gate) && append_disk_state(writer, &ignored);
}

bool ledger_writer_checkpoint_begin(struct ledger_writer *writer, struct fault *fault)
{
    if (!memo_write(writer, fault) || !log_commit(writer->log, fault))
        return false;
    log_checkpoint_begin(writer->log);
    return true;
}

bool ledger_writer_work(struct ledger_writer *writer, enum log_work *ret_work,
                        struct fault *fault)
{
    return log_work(writer->log, ret_work, fault) ||
           (gave_up_reserve(writer, fault) && log_work(writer->log, ret_work, fault));
}

bool ledger_writer_checkpoint(struct ledger_writer *writer, struct fault *fault)
{
    return memo_write(writer, fault) &&
           (log_checkpoint(writer->log, fault) ||
            (gave_up_reserve(writer, fault) && log_checkpoint(writer->log, fault)));
}

bool ledger_writer_close(struct ledger_writer *writer, struct fault *fault)
{
    return memo_write(writer, fault) &&
           (log_close(writer->log, fault) ||
            (gave_up_reserve(writer, fault) && log_close(writer->log, fault)));
}

bool ledger_writer_end(struct ledger_writer *writer, const char *reason, struct fault *fault)
{
    struct record record;

    record_begin(&record, RECORD_LEDGER_CLOSED);
    record_word(&record, RECORD_REASON, reason);
    record_number(&record, RECORD_COUNT, (int64_t)log_size(writer->log));
    return append(writer, &writer->own, &record, fault) && ledger_writer_close(writer, fault);
}

struct log *ledger_writer_log(struct ledger_writer *writer)
{
    return writer->log;
}

uint64_t ledger_writer_size(const struct ledger_writer *writer)
{
    return log_size(writer->log);
}

bool ledger_writer_has_unpublished(const struct ledger_writer *writer)
{
    return log_published_size(writer->log) < log_size(writer->log);
}

size_t ledger_writer_batch_bytes(const struct ledger_writer *writer)
{
    return log_batch_bytes(writer->log);
}
