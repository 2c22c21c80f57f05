#include "index/dictionary.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "index/postings.h"

#define FIELDS_MAX 32

struct dictionary {
    struct entry **places; /* open addressing; a power of two, at most half full */
    size_t place_count, count;
    struct entry *recent[FIELDS_MAX]; /* records of one run stand together */
    struct entry **touched;
    size_t touched_count, touched_room;
};

/* FNV-1a; names come from a signed log, so nobody gains by making them collide. */
static uint64_t hash_of(unsigned field, struct slice text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325) + field;

    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ text.at[i]) * UINT64_C(0x100000001b3);
    return hash ^ hash >> 32;
}

struct dictionary *dictionary_new(void)
{
    struct dictionary *dictionary = xalloc(sizeof(*dictionary));

    dictionary->place_count = 1024;
    dictionary->places = xalloc_array(dictionary->place_count, sizeof(struct entry *));
    return dictionary;
}

void dictionary_free(struct dictionary *dictionary)
{
    if (dictionary == NULL)
        return;
    for (size_t i = 0; i < dictionary->place_count; i++)
        if (dictionary->places[i] != NULL) {
            buf_free(&dictionary->places[i]->differences);
            free(dictionary->places[i]->text);
            free(dictionary->places[i]);
        }
    free(dictionary->places);
    free(dictionary->touched);
    free(dictionary);
}

static bool is_of(const struct entry *entry, unsigned field, struct slice text)
{
    return entry->field == field && entry->len == text.len &&
           memcmp(entry->text, text.at, text.len) == 0;
}

static struct entry **place_of(struct entry **places, size_t count, uint64_t hash,
                               unsigned field, struct slice text)
{
    size_t at = hash & (count - 1);

    while (places[at] != NULL && !(places[at]->hash == hash && is_of(places[at], field, text)))
        at = (at + 1) & (count - 1);
    return &places[at];
}

struct entry *dictionary_find(struct dictionary *dictionary, unsigned field, struct slice text)
{
    struct entry *entry = dictionary->recent[field];

    if (entry == NULL || !is_of(entry, field, text))
        entry = *place_of(dictionary->places, dictionary->place_count, hash_of(field, text),
                          field, text);
    if (entry != NULL)
        dictionary->recent[field] = entry;
    return entry;
}

static void grow(struct dictionary *dictionary)
{
    size_t count = dictionary->place_count * 2;
    struct entry **places = xalloc_array(count, sizeof(struct entry *));

    for (size_t i = 0; i < dictionary->place_count; i++) {
        struct entry *entry = dictionary->places[i];

        if (entry != NULL)
            *place_of(places, count, entry->hash, entry->field,
                      slice_of_bytes(entry->text, entry->len)) = entry;
    }
    free(dictionary->places);
    dictionary->places = places;
    dictionary->place_count = count;
}

struct entry *dictionary_add(struct dictionary *dictionary, unsigned field, uint64_t number,
                             struct slice text)
{
    struct entry *entry = xalloc(sizeof(*entry));

    if (dictionary->count + 1 > dictionary->place_count / 2)
        grow(dictionary);
    *entry = (struct entry){
        .field = field,
        .number = number,
        .text = slice_dup(text),
        .len = text.len,
        .hash = hash_of(field, text),
        .differences = buf_with_limit(SIZE_MAX / 2),
    };
    *place_of(dictionary->places, dictionary->place_count, entry->hash, field, text) = entry;
    dictionary->recent[field] = entry;
    dictionary->count++;
    return entry;
}

size_t dictionary_post(struct dictionary *dictionary, struct entry *entry, uint64_t ordinal)
{
    uint8_t bytes[POSTINGS_DIFFERENCE_BYTES_MAX];
    struct fault impossible;
    size_t len = 0;

    if (entry->more > 0 && entry->latest == ordinal)
        return 0; /* the record has the text twice */
    if (entry->more == 0) {
        dictionary->touched = xgrow(dictionary->touched, &dictionary->touched_room,
                                    dictionary->touched_count + 1, sizeof(struct entry *));
        dictionary->touched[dictionary->touched_count++] = entry;
        entry->first = ordinal;
    } else {
        len = postings_write(ordinal - entry->latest, bytes);
        if (!buf_add(&entry->differences, slice_of_bytes(bytes, len), &impossible))
            abort(); /* SIZE_MAX / 2 bytes */
    }
    entry->latest = ordinal;
    entry->more++;
    return len;
}

static int by_field_and_number(const void *a, const void *b)
{
    const struct entry *left = *(struct entry *const *)a, *right = *(struct entry *const *)b;

    if (left->field != right->field)
        return left->field < right->field ? -1 : 1;
    return left->number < right->number ? -1 : left->number > right->number;
}

struct entry **dictionary_touched(struct dictionary *dictionary, size_t *ret_count)
{
    if (dictionary->touched_count > 0)
        qsort(dictionary->touched, dictionary->touched_count, sizeof(struct entry *),
              by_field_and_number);
    *ret_count = dictionary->touched_count;
    return dictionary->touched;
}

void dictionary_settle(struct dictionary *dictionary)
{
    for (size_t i = 0; i < dictionary->touched_count; i++) {
        struct entry *entry = dictionary->touched[i];

        entry->more = 0;
        buf_free(&entry->differences); /* most are small, and many are not needed again */
        entry->differences = buf_with_limit(SIZE_MAX / 2);
    }
    dictionary->touched_count = 0;
}
