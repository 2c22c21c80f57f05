#include "ledger/producers.h"

#include "base/scope.h"

#define ANSWERED (UINT64_C(1) << 63) /* no seq is as large */

struct producer {
    char *src; /* NULL: a free place */
    size_t src_len;
    uint64_t next_seq;
    struct tree_hash last;
    uint64_t skips;    /* how many gaps in our own reading it has seen */
    uint64_t *intents; /* by seq; ANSWERED is set where one has its outcome */
    size_t intent_count, intent_room, answered_count;
};

struct producers {
    void (*find)(void *self, enum producers_finding finding, uint64_t index, const char *why);
    void *self;
    uint64_t watched; /* types that `see` is told of */
    void (*see)(void *self, uint64_t index, const struct record *record, int64_t t_us);
    int64_t t_us; /* of the last record */
    void *seeing;
    struct producer *places; /* open addressing; a power of two, at most half full */
    size_t place_count, count;
    uint64_t skips;
    bool has_heard;   /* a record of the ledger's own, without a gap in our reading since */
    int64_t heard_us; /* its time */
    struct buf arena;
};

struct producers *producers_new(void (*find)(void *self, enum producers_finding finding,
                                             uint64_t index, const char *why),
                                void *self)
{
    struct producers *producers = xalloc(sizeof(*producers));

    producers->find = find;
    producers->self = self;
    producers->place_count = 64;
    producers->places = xalloc_array(producers->place_count, sizeof(*producers->places));
    producers->arena = buf_with_limit(RECORD_BYTES_MAX + 1);
    return producers;
}

void producers_free(struct producers *producers)
{
    if (producers == NULL)
        return;
    for (size_t i = 0; i < producers->place_count; i++) {
        free(producers->places[i].src);
        free(producers->places[i].intents);
    }
    free(producers->places);
    buf_free(&producers->arena);
    free(producers);
}

void producers_watch(struct producers *producers, uint64_t types,
                     void (*see)(void *self, uint64_t index, const struct record *record,
                                 int64_t t_us),
                     void *self)
{
    producers->watched = types;
    producers->see = see;
    producers->seeing = self;
}

/* Names come from a signed log, so nobody gains by making them collide. */
static uint64_t hash_of(struct slice src)
{
    uint64_t hash = src.len, word;

    for (; src.len > 0; src = slice_part(src, sizeof(word), src.len)) {
        word = 0;
        memcpy(&word, src.at, src.len < sizeof(word) ? src.len : sizeof(word));
        hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 29;
    }
    return hash;
}

static struct producer *place_of(struct producer *places, size_t count, struct slice src)
{
    size_t at;

    for (at = hash_of(src) & (count - 1); places[at].src != NULL; at = (at + 1) & (count - 1))
        if (places[at].src_len == src.len && memcmp(places[at].src, src.at, src.len) == 0)
            break;
    return &places[at];
}

static void grow(struct producers *producers)
{
    size_t count = producers->place_count * 2;
    struct producer *places = xalloc_array(count, sizeof(*places));

    for (size_t i = 0; i < producers->place_count; i++)
        if (producers->places[i].src != NULL)
            *place_of(places, count,
                      slice_of_bytes(producers->places[i].src, producers->places[i].src_len)) =
                producers->places[i];
    free(producers->places);
    producers->places = places;
    producers->place_count = count;
}

static struct producer *producer_of(struct producers *producers, struct slice src)
{
    struct producer *producer = place_of(producers->places, producers->place_count, src);

    if (producer->src != NULL)
        return producer;
    if (producers->count + 1 > producers->place_count / 2) {
        grow(producers);
        producer = place_of(producers->places, producers->place_count, src);
    }
    *producer = (struct producer){.src = slice_dup(src), .src_len = src.len};
    producers->count++;
    return producer;
}

static void find(struct producers *producers, enum producers_finding finding, uint64_t index,
                 char *why)
{
    producers->find(producers->self, finding, index, why);
    free(why);
}

static void check_sequence(struct producers *producers, struct producer *producer,
                           uint64_t index, const struct record_header *header)
{
    unsigned long long expected = producer->next_seq, seq = header->seq;
    bool unknown =
        producer->skips != producers->skips; /* it may have written where we could not read */

    producer->skips = producers->skips;
    if (seq < expected)
        find(producers, PRODUCERS_BROKEN, index,
             xformat("%s wrote %llu a second time", producer->src, seq));
    else if (unknown)
        return;
    else if (seq > expected)
        find(producers, PRODUCERS_GAP, index,
             seq - expected == 1
                 ? xformat("record %llu of %s is missing", expected, producer->src)
                 : xformat("records %llu to %llu of %s are missing", expected, seq - 1,
                           producer->src));
    else if (memcmp(header->prev, producer->last.at, TREE_HASH_BYTES) != 0)
        find(
            producers, PRODUCERS_BROKEN, index,
            xformat("record %llu of %s does not follow its previous one", seq, producer->src));
}

/*
 * The ledger's writer shows each minute that it is at work. By its own clock: what that has
 * jumped is taken off, as the record of the jump says.
 */
static void follow_writer(struct producers *producers, uint64_t index,
                          const struct record *record, const struct record_header *header)
{
    int64_t silent_us = header->t_us - producers->heard_us;

    if (!slice_equal(header->src, SLICE(PRODUCERS_OWN)))
        return;
    if (record->type == RECORD_CLOCK_STEPPED)
        silent_us -= record->field[RECORD_DURATION_US].number;
    if (producers->has_heard && record->type != RECORD_LEDGER_OPENED &&
        silent_us > PRODUCERS_SILENT_US)
        find(producers, PRODUCERS_SILENT, index,
             xformat("the ledger's writer was silent for %lld s before record %llu",
                     (long long)(silent_us / 1000000), (unsigned long long)index));
    producers->has_heard = true;
    producers->heard_us = header->t_us;
}

static void add_intent(struct producer *producer, uint64_t seq)
{
    size_t count = producer->intent_count;

    if (count > 0 && (producer->intents[count - 1] & ~ANSWERED) >= seq)
        return; /* written a second time, as check_sequence has said */
    producer->intents =
        xgrow(producer->intents, &producer->intent_room, count + 1, sizeof(uint64_t));
    producer->intents[producer->intent_count++] = seq;
}

static void drop_answered(struct producer *producer)
{
    size_t kept = 0;

    for (size_t i = 0; i < producer->intent_count; i++)
        if ((producer->intents[i] & ANSWERED) == 0)
            producer->intents[kept++] = producer->intents[i];
    producer->intent_count = kept;
    producer->answered_count = 0;
}

/* However many are open: who writes a million intents does not keep the verifier busy. */
static void answer_intent(struct producer *producer, uint64_t seq)
{
    size_t low = 0, high = producer->intent_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if ((producer->intents[middle] & ~ANSWERED) < seq)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == producer->intent_count || producer->intents[low] != seq)
        return;
    producer->intents[low] |= ANSWERED;
    if (++producer->answered_count > producer->intent_count / 2)
        drop_answered(producer);
}

static void follow_intents(struct producer *producer, const struct record *record,
                           uint64_t seq)
{
    if (record->type == RECORD_MODEL_INTENT || record->type == RECORD_MCP_INTENT ||
        (record->field[RECORD_OUTCOME].set &&
         slice_equal(record->field[RECORD_OUTCOME].text, SLICE("intended"))))
        add_intent(producer, seq);
    else if (record->field[RECORD_INTENT].set)
        answer_intent(producer, (uint64_t)record->field[RECORD_INTENT].number);
}

void producers_leaf(struct producers *producers, uint64_t index, struct slice leaf,
                    const struct tree_hash *leaf_hash)
{
    struct record record __attribute__((uninitialized)); /* set when it is decoded */
    struct record_header header;
    struct fault fault = {0};
    struct producer *producer;

    if (!record_decode(leaf, &record, &header, &producers->arena, &fault)) {
        find(producers, PRODUCERS_BROKEN, index, xstrdup(fault.why));
        return;
    }
    if (header.src.len == 0) {
        find(producers, PRODUCERS_BROKEN, index, xstrdup("record without a header"));
        return;
    }
    producer = producer_of(producers, header.src);
    check_sequence(producers, producer, index, &header);
    follow_intents(producer, &record, header.seq);
    follow_writer(producers, index, &record, &header);
    if ((producers->watched >> record.type & 1) != 0)
        producers->see(producers->seeing, index, &record, header.t_us);
    producers->t_us = header.t_us;
    producer->next_seq = header.seq + 1;
    producer->last = *leaf_hash;
}

void producers_skip(struct producers *producers)
{
    producers->skips++;
    producers->has_heard = false; /* it may have written there */
}

int64_t producers_time(const struct producers *producers)
{
    return producers->t_us;
}

uint64_t producers_count(const struct producers *producers)
{
    return producers->count;
}

uint64_t producers_open_intents(const struct producers *producers)
{
    uint64_t open = 0;

    for (size_t i = 0; i < producers->place_count; i++)
        open += producers->places[i].intent_count - producers->places[i].answered_count;
    return open;
}
