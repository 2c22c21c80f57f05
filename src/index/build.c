/* What a writer adds: gathered in memory, written in one transaction. */
#include "base/scope.h"
#include "index/index_parts.h"
#include "index/postings.h"

#define BLOCK_BYTES 2000
#define RECORDS_PENDING_MAX (UINT64_C(1) << 20)
#define BYTES_PENDING_MAX ((size_t)256 << 20)
#define ENTRY_BYTES 320 /* about, of one that is touched */

static bool add_time(struct index *index, int64_t low_us, int64_t high_us, struct fault *fault)
{
    struct span *last;

    if (index->size >= ORDINALS_MAX - 1)
        return fault_set(fault, FAULT_LIMIT, "the index is full: %llu records",
                         (unsigned long long)index->size);
    if (index->size >> SPAN_BITS == (index->committed >> SPAN_BITS) + index->span_count) {
        index->spans =
            xgrow(index->spans, &index->span_room, index->span_count + 1, sizeof(struct span));
        index->spans[index->span_count++] = (struct span){low_us, high_us};
    }
    last = &index->spans[index->span_count - 1];
    last->low_us = low_us < last->low_us ? low_us : last->low_us;
    last->high_us = high_us > last->high_us ? high_us : last->high_us;
    return true;
}

static void add_term(struct index *index, unsigned number, struct slice text)
{
    struct field *field = &index->fields[number];
    struct entry *entry;

    if (field->is_full)
        return;
    entry = dictionary_find(index->dictionary, number, text);
    if (entry == NULL && field->value_count == index->values_max) {
        field->is_full = true; /* what it has stays, and is not asked any more */
        return;
    }
    if (entry == NULL)
        entry = dictionary_add(index->dictionary, number, field->value_count++, text);
    if (entry->more == 0)
        index->pending_bytes += ENTRY_BYTES;
    index->pending_bytes += dictionary_post(index->dictionary, entry, index->size);
}

bool index_add(struct index *index, int64_t time_us, const struct index_term *terms,
               size_t count, struct fault *fault)
{
    if (!add_time(index, time_us, time_us, fault))
        return false;
    for (size_t i = 0; i < count; i++)
        add_term(index, terms[i].field, terms[i].text);
    index->size++;
    return true;
}

bool index_add_unreadable(struct index *index, struct fault *fault)
{
    if (!add_time(index, INT64_MAX, INT64_MIN, fault)) /* no time at all */
        return false;
    add_term(index, index->field_count - 1, SLICE("unreadable"));
    index->size++;
    return true;
}

bool index_is_loaded(const struct index *index)
{
    return index->size - index->committed >= RECORDS_PENDING_MAX ||
           index->pending_bytes >= BYTES_PENDING_MAX;
}

/* A block that is being written. */
struct block {
    uint64_t place, before;
    struct buf differences;
};

static bool put_block(struct index *index, const struct block *block, struct fault *fault)
{
    const uint64_t numbers[] = {block->place, block->before};
    struct slice bytes = buf_slice(&block->differences);
    sqlite3_stmt *put = index_statement(index, SQL_PUT_BLOCK, fault);

    if (put == NULL)
        return false;
    (void)sqlite3_bind_int64(put, 1, (int64_t)block->place);
    (void)sqlite3_bind_int64(put, 2, (int64_t)block->before);
    (void)sqlite3_bind_int64(put, 3, index_checksum(numbers, COUNT(numbers), bytes));
    if (bytes.len == 0)
        (void)sqlite3_bind_zeroblob(put, 4, 0);
    else
        (void)sqlite3_bind_blob64(put, 4, bytes.at, bytes.len, SQLITE_STATIC);
    return index_run(index, put, fault);
}

/* The value's last block, to be gone on with. */
static bool get_block(struct index *index, uint64_t place, struct block *block,
                      struct fault *fault)
{
    sqlite3_stmt *row = index_statement(index, SQL_BLOCK, fault);
    uint64_t numbers[2] = {place, 0};
    bool ok;

    if (row == NULL)
        return false;
    (void)sqlite3_bind_int64(row, 1, (int64_t)place);
    ok = sqlite3_step(row) == SQLITE_ROW;
    if (ok) {
        struct slice bytes =
            slice_of_bytes(sqlite3_column_blob(row, 3), (size_t)sqlite3_column_bytes(row, 3));

        numbers[1] = (uint64_t)sqlite3_column_int64(row, 1);
        block->place = place;
        block->before = numbers[1];
        buf_clear(&block->differences);
        ok = sqlite3_column_int64(row, 2) == index_checksum(numbers, COUNT(numbers), bytes) &&
             buf_add(&block->differences, bytes, fault);
    }
    (void)sqlite3_reset(row);
    return ok || index_damaged("a block is not what was written", fault);
}

/* Adds an ordinal to the block, or writes the block and begins the next. */
static bool extend(struct index *index, struct block *block, uint64_t id, uint64_t latest,
                   uint64_t ordinal, struct fault *fault)
{
    uint8_t bytes[POSTINGS_DIFFERENCE_BYTES_MAX];

    if (block->place != 0 && block->differences.len < BLOCK_BYTES)
        return buf_add(&block->differences,
                       slice_of_bytes(bytes, postings_write(ordinal - latest, bytes)), fault);
    if (block->place != 0 && !put_block(index, block, fault))
        return false;
    block->before = block->place;
    block->place = block_place(id, ordinal);
    buf_clear(&block->differences);
    return true;
}

static bool put_value(struct index *index, const struct entry *entry,
                      const struct value_state *state, struct fault *fault)
{
    const uint64_t numbers[] = {value_id(entry->field, entry->number), state->count,
                                state->latest, state->last};
    struct slice text = slice_of_bytes(entry->text, entry->len);
    sqlite3_stmt *put = index_statement(index, SQL_PUT_VALUE, fault);

    if (put == NULL)
        return false;
    for (int i = 0; i < (int)COUNT(numbers); i++)
        (void)sqlite3_bind_int64(put, i + 1, (int64_t)numbers[i]);
    (void)sqlite3_bind_int64(put, 5, index_checksum(numbers, COUNT(numbers), text));
    (void)sqlite3_bind_text64(put, 6, entry->text, entry->len, SQLITE_STATIC, SQLITE_UTF8);
    return index_run(index, put, fault);
}

static bool put_entry(struct index *index, struct entry *entry, struct block *block,
                      struct fault *fault)
{
    uint64_t id = value_id(entry->field, entry->number);
    struct slice rest = buf_slice(&entry->differences);
    uint64_t latest = entry->state.latest, ordinal = entry->first, difference;

    block->place = 0;
    if (entry->state.last != 0 && !get_block(index, entry->state.last, block, fault))
        return false;
    for (;;) {
        if (!extend(index, block, id, latest, ordinal, fault))
            return false;
        latest = ordinal;
        if (!postings_take(&rest, &difference))
            break;
        ordinal += difference;
    }
    if (!put_block(index, block, fault))
        return false;
    entry->state =
        (struct value_state){entry->state.count + entry->more, latest, block->place};
    return put_value(index, entry, &entry->state, fault);
}

static bool put_entries(struct index *index, struct fault *fault)
{
    AUTO_BUF struct buf differences = buf_with_limit(BLOCK_BYTES + 16);
    struct block block = {.differences = take_buf(&differences)};
    size_t count;
    struct entry **touched = dictionary_touched(index->dictionary, &count);
    bool ok = true;

    for (size_t i = 0; ok && i < count; i++)
        ok = put_entry(index, touched[i], &block, fault);
    buf_free(&block.differences);
    return ok;
}

static bool put_spans(struct index *index, struct fault *fault)
{
    for (size_t i = 0; i < index->span_count; i++) {
        const uint64_t numbers[] = {(index->committed >> SPAN_BITS) + i,
                                    (uint64_t)index->spans[i].low_us,
                                    (uint64_t)index->spans[i].high_us};
        sqlite3_stmt *put = index_statement(index, SQL_PUT_SPAN, fault);

        if (put == NULL)
            return false;
        for (int n = 0; n < (int)COUNT(numbers); n++)
            (void)sqlite3_bind_int64(put, n + 1, (int64_t)numbers[n]);
        (void)sqlite3_bind_int64(put, 4,
                                 index_checksum(numbers, COUNT(numbers), (struct slice){0}));
        if (!index_run(index, put, fault))
            return false;
    }
    return true;
}

static bool put_shard(struct index *index, uint64_t number, const struct index_shard *shard,
                      struct fault *fault)
{
    const uint64_t numbers[] = {number, shard->base, shard->size};
    AUTO_BUF struct buf bytes = buf_with_limit(INDEX_ROOT_BYTES + INDEX_ORIGIN_BYTES_MAX);
    sqlite3_stmt *put = index_statement(index, SQL_PUT_SHARD, fault);

    if (put == NULL ||
        !buf_add(&bytes, slice_of_bytes(shard->root, INDEX_ROOT_BYTES), fault) ||
        !buf_add_text(&bytes, shard->origin, fault))
        return false;
    for (int i = 0; i < (int)COUNT(numbers); i++)
        (void)sqlite3_bind_int64(put, i + 1, (int64_t)numbers[i]);
    (void)sqlite3_bind_int64(put, 4,
                             index_checksum(numbers, COUNT(numbers), buf_slice(&bytes)));
    (void)sqlite3_bind_text(put, 5, shard->origin, -1, SQLITE_STATIC);
    (void)sqlite3_bind_blob(put, 6, shard->root, INDEX_ROOT_BYTES, SQLITE_STATIC);
    return index_run(index, put, fault);
}

/* Which row it is: the last one again, or one more. */
static bool take_shard(struct index *index, const struct index_shard *shard,
                       uint64_t *ret_number, struct fault *fault)
{
    bool is_last = index->shard_count > 0 &&
                   index->shards[index->shard_count - 1].base == shard->base &&
                   strcmp(index->shards[index->shard_count - 1].origin, shard->origin) == 0;

    if (shard->base + shard->size != index->size)
        return fault_set(fault, FAULT_INVALID, "index: a shard of %llu records, not %llu",
                         (unsigned long long)shard->size,
                         (unsigned long long)(index->size - shard->base));
    if (!is_last) {
        index->shards =
            xgrow(index->shards, &index->shard_room, index->shard_count + 1, sizeof(*shard));
        index->shard_count++;
    }
    *ret_number = index->shard_count - 1;
    index->shards[*ret_number] = *shard;
    return true;
}

/* After a failure the index is of no use: what is in memory was changed. Close it. */
bool index_commit(struct index *index, const struct index_shard *shard, struct fault *fault)
{
    sqlite3_stmt *begin = index_statement(index, SQL_BEGIN, fault);
    sqlite3_stmt *commit;
    uint64_t number;

    if (begin == NULL || !index_run(index, begin, fault) ||
        !take_shard(index, shard, &number, fault) || !put_entries(index, fault) ||
        !put_spans(index, fault) || !put_shard(index, number, shard, fault) ||
        !index_put_state(index, fault))
        return false;
    commit = index_statement(index, SQL_COMMIT, fault);
    if (commit == NULL || !index_run(index, commit, fault))
        return false;
    dictionary_settle(index->dictionary);
    if (index->span_count > 0 && index->size % (UINT64_C(1) << SPAN_BITS) != 0) {
        index->spans[0] = index->spans[index->span_count - 1];
        index->span_count = 1;
    } else {
        index->span_count = 0;
    }
    index->committed = index->size;
    index->pending_bytes = 0;
    return true;
}
