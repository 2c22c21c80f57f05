#include "gateway/door/answer/stand_ins.h"

#include <stdlib.h>

#include "base/scope.h"
#include "base/utf8.h"
#include "gateway/door/splice.h"

#define WAYS 3 /* as it is; escaped for JSON; that, and in ASCII */

/* One value. The texts of each way are owned, and stay where they are. */
struct value {
    struct slice stand_in[WAYS], original[WAYS];
    bool is_shared; /* by two originals */
};

struct stand_ins {
    struct value **values;
    size_t count, room, bytes;
    uint32_t *slots; /* by stand-in: number + 1, 0: empty */
    size_t mask;
    struct stand_in_set *now; /* NULL: something has come since */
};

struct entry {
    struct slice stand_in, original;
    const struct value *value;
};

struct list {
    struct entry *at; /* sorted */
    size_t count;
    uint64_t heads[1024]; /* a bit for each first two bytes that one has */
};

struct stand_in_set {
    size_t holders;
    struct list lists[STAND_IN_FORMS];
};

struct stand_ins *stand_ins_new(void)
{
    struct stand_ins *stand_ins = xalloc(sizeof(*stand_ins));

    stand_ins->mask = 255;
    stand_ins->slots = xalloc_array(stand_ins->mask + 1, sizeof(*stand_ins->slots));
    return stand_ins;
}

static void value_free(struct value *value)
{
    for (int way = 0; way < WAYS; way++) {
        if (value->original[way].at != NULL)
            explicit_bzero((uint8_t *)(uintptr_t)value->original[way].at,
                           value->original[way].len);
        free((uint8_t *)(uintptr_t)value->original[way].at);
        free((uint8_t *)(uintptr_t)value->stand_in[way].at);
    }
    free(value);
}

void stand_ins_free(struct stand_ins *stand_ins)
{
    if (stand_ins == NULL)
        return;
    stand_in_set_drop(stand_ins->now);
    for (size_t i = 0; i < stand_ins->count; i++)
        value_free(stand_ins->values[i]);
    free(stand_ins->values);
    free(stand_ins->slots);
    free(stand_ins);
}

/* ---- what there is ---- */

static uint64_t hash_of(struct slice text)
{
    uint64_t hash = UINT64_C(0xCBF29CE484222325);

    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ text.at[i]) * UINT64_C(0x100000001B3);
    return hash ^ hash >> 31;
}

static uint32_t *slot_of(const struct stand_ins *stand_ins, struct slice stand_in)
{
    size_t slot = (size_t)hash_of(stand_in) & stand_ins->mask;

    while (stand_ins->slots[slot] != 0 &&
           !slice_equal(stand_ins->values[stand_ins->slots[slot] - 1]->stand_in[0], stand_in))
        slot = (slot + 1) & stand_ins->mask;
    return &stand_ins->slots[slot];
}

static struct slice written(struct slice text, int way)
{
    struct buf out = buf_with_limit(text.len * 6 + 16);
    struct fault fault = {0};
    bool ok = way == 0 ? buf_add(&out, text, &fault)
                       : splice_escape(text, way == 2, &out, &fault);
    struct slice copy = {0};

    if (ok)
        copy = slice_of_bytes(slice_dup(buf_slice(&out)), out.len);
    buf_free_secret(&out);
    return copy;
}

static void widen(struct stand_ins *stand_ins)
{
    free(stand_ins->slots);
    stand_ins->mask = stand_ins->mask * 2 + 1;
    stand_ins->slots = xalloc_array(stand_ins->mask + 1, sizeof(*stand_ins->slots));
    for (size_t i = 0; i < stand_ins->count; i++)
        *slot_of(stand_ins, stand_ins->values[i]->stand_in[0]) = (uint32_t)i + 1;
}

static void add(struct stand_ins *stand_ins, const struct redacted_value *from)
{
    struct value *value = xalloc(sizeof(*value));

    for (int way = 0; way < WAYS; way++) {
        value->stand_in[way] = written(from->stand_in, way);
        value->original[way] = written(from->original, way);
        stand_ins->bytes += value->stand_in[way].len + value->original[way].len;
    }
    stand_ins->values = xgrow(stand_ins->values, &stand_ins->room, stand_ins->count + 1,
                              sizeof(*stand_ins->values));
    stand_ins->values[stand_ins->count++] = value;
    *slot_of(stand_ins, value->stand_in[0]) = (uint32_t)stand_ins->count;
    if (stand_ins->count * 2 > stand_ins->mask)
        widen(stand_ins);
    stand_in_set_drop(stand_ins->now);
    stand_ins->now = NULL;
}

static bool is_kept(const struct redacted_value *value)
{
    return value->class != CLASS_SECRET && value->is_telling &&
           value->stand_in.len >= STAND_IN_BYTES_MIN &&
           value->stand_in.len <= STAND_IN_BYTES_MAX && utf8_is_valid(value->stand_in) &&
           utf8_is_valid(value->original);
}

void stand_ins_take(struct stand_ins *stand_ins, const struct redaction *redaction)
{
    for (size_t i = 0; i < redaction->count; i++) {
        const struct redacted_value *value = &redaction->values[i];
        uint32_t number;

        if (!is_kept(value))
            continue;
        number = *slot_of(stand_ins, value->stand_in);
        if (number != 0 &&
            !slice_equal(stand_ins->values[number - 1]->original[0], value->original))
            stand_ins->values[number - 1]->is_shared = true;
        else if (number == 0 && stand_ins->count < STAND_INS_MAX &&
                 stand_ins->bytes < STAND_INS_BYTES_MAX)
            add(stand_ins, value);
    }
}

/* ---- what there was at one time ---- */

static int by_text(const void *a, const void *b)
{
    return slice_compare(((const struct entry *)a)->stand_in,
                         ((const struct entry *)b)->stand_in);
}

static void list_add(struct list *list, const struct value *value, int way)
{
    struct slice text = value->stand_in[way];
    unsigned head = (unsigned)text.at[0] << 8 | text.at[1];

    list->at[list->count++] = (struct entry){text, value->original[way], value};
    list->heads[head / 64] |= UINT64_C(1) << head % 64;
}

static void list_make(const struct stand_ins *stand_ins, struct list *list, int first, int last)
{
    list->at = xalloc_array(stand_ins->count * 2 + 1, sizeof(*list->at));
    for (size_t i = 0; i < stand_ins->count; i++)
        for (int way = first; way <= last; way++)
            if (way < 2 || !slice_equal(stand_ins->values[i]->stand_in[1],
                                        stand_ins->values[i]->stand_in[2]))
                list_add(list, stand_ins->values[i], way);
    if (list->count > 1)
        qsort(list->at, list->count, sizeof(*list->at), by_text);
}

struct stand_in_set *stand_ins_now(struct stand_ins *stand_ins)
{
    struct stand_in_set *set = stand_ins->now;

    if (set == NULL) {
        set = xalloc(sizeof(*set));
        list_make(stand_ins, &set->lists[STAND_IN_PLAIN], 0, 0);
        list_make(stand_ins, &set->lists[STAND_IN_JSON], 1, 2);
        set->holders = 1;
        stand_ins->now = set;
    }
    set->holders++;
    return set;
}

void stand_in_set_drop(struct stand_in_set *set)
{
    if (set == NULL || --set->holders > 0)
        return;
    for (int form = 0; form < STAND_IN_FORMS; form++)
        free(set->lists[form].at);
    free(set);
}

bool stand_in_set_empty(const struct stand_in_set *set)
{
    return set->lists[STAND_IN_PLAIN].count == 0;
}

/* The first entry that is not below the text. */
static size_t lower_bound(const struct list *list, struct slice text)
{
    size_t low = 0, high = list->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (slice_compare(list->at[middle].stand_in, text) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static size_t common(struct slice a, struct slice b)
{
    size_t len = 0;

    while (len < a.len && len < b.len && a.at[len] == b.at[len])
        len++;
    return len;
}

static bool head_is_there(const struct list *list, struct slice text)
{
    unsigned head = (unsigned)text.at[0] << 8 | text.at[1];

    return (list->heads[head / 64] & UINT64_C(1) << head % 64) != 0;
}

enum stand_in_match stand_in_find(const struct stand_in_set *set, enum stand_in_form form,
                                  struct slice text, bool end, size_t *ret_len,
                                  struct slice *ret_original)
{
    const struct list *list = &set->lists[form];
    size_t at;

    text = slice_part(text, 0, STAND_IN_BYTES_MAX * 6);
    if (list->count == 0 || text.len == 0 || (text.len > 1 && !head_is_there(list, text)))
        return STAND_IN_NONE;
    at = lower_bound(list, text);
    if (!end && at < list->count && list->at[at].stand_in.len > text.len &&
        slice_starts_with(list->at[at].stand_in, text))
        return STAND_IN_PART;
    /* the longest entry that the text begins with is the text, or below it */
    for (struct slice head = text; head.len > 0;) {
        const struct entry *entry;

        at = lower_bound(list, head);
        if (at == list->count || !slice_equal(list->at[at].stand_in, head)) {
            if (at == 0)
                break;
            at--;
        }
        entry = &list->at[at];
        if (common(entry->stand_in, head) == entry->stand_in.len) {
            if (entry->value->is_shared)
                return STAND_IN_NONE;
            *ret_len = entry->stand_in.len;
            *ret_original = entry->original;
            return STAND_IN_WHOLE;
        }
        head = slice_part(head, 0, common(entry->stand_in, head));
    }
    return STAND_IN_NONE;
}
