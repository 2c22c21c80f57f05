#include "view/object.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/evp.h>

struct hasher {
    EVP_MD *digest;
    EVP_MD_CTX *context;
    size_t oid_bytes;
};

const char *object_type_name(enum object_type type)
{
    switch (type) {
    case OBJECT_COMMIT:
        return "commit";
    case OBJECT_TREE:
        return "tree";
    case OBJECT_BLOB:
        return "blob";
    }
    return "";
}

bool hasher_new(size_t oid_bytes, struct hasher **ret_hasher, struct fault *fault)
{
    struct hasher *hasher;

    if (oid_bytes != 20 && oid_bytes != 32)
        return fault_set(fault, FAULT_INVALID, "object ids of %zu bytes", oid_bytes);
    hasher = xalloc(sizeof(*hasher));
    hasher->oid_bytes = oid_bytes;
    hasher->digest = EVP_MD_fetch(NULL, oid_bytes == 20 ? "SHA1" : "SHA256", NULL);
    hasher->context = EVP_MD_CTX_new();
    if (hasher->digest == NULL || hasher->context == NULL) {
        hasher_free(hasher);
        return fault_set(fault, FAULT_HOST, "the crypto library has no SHA-%s",
                         oid_bytes == 20 ? "1" : "256");
    }
    *ret_hasher = hasher;
    return true;
}

void hasher_free(struct hasher *hasher)
{
    if (hasher == NULL)
        return;
    EVP_MD_CTX_free(hasher->context);
    EVP_MD_free(hasher->digest);
    free(hasher);
}

size_t hasher_bytes(const struct hasher *hasher)
{
    return hasher->oid_bytes;
}

/* With a fetched digest and a live context these fail only when memory is gone. */
static void must(int done)
{
    if (done != 1)
        abort();
}

void hasher_begin(struct hasher *hasher)
{
    must(EVP_DigestInit_ex(hasher->context, hasher->digest, NULL));
}

void hasher_add(struct hasher *hasher, struct slice bytes)
{
    if (bytes.len > 0)
        must(EVP_DigestUpdate(hasher->context, bytes.at, bytes.len));
}

void hasher_end(struct hasher *hasher, uint8_t *ret_digest)
{
    must(EVP_DigestFinal_ex(hasher->context, ret_digest, NULL));
}

void hasher_begin_object(struct hasher *hasher, enum object_type type, uint64_t size)
{
    char head[40];
    int len = snprintf(head, sizeof(head), "%s %llu", object_type_name(type),
                       (unsigned long long)size);

    hasher_begin(hasher);
    hasher_add(hasher, slice_of_bytes(head, (size_t)len + 1));
}

void hasher_object(struct hasher *hasher, enum object_type type, struct slice content,
                   uint8_t *ret_oid)
{
    hasher_begin_object(hasher, type, content.len);
    hasher_add(hasher, content);
    hasher_end(hasher, ret_oid);
}

bool object_add_tree_line(struct buf *tree, uint32_t mode, struct slice name,
                          const uint8_t *oid, size_t oid_bytes, struct fault *fault)
{
    char octal[12]; /* a format would take most of the time of a large tree */
    size_t at = sizeof(octal);

    octal[--at] = ' ';
    do
        octal[--at] = (char)('0' + (mode & 7));
    while ((mode >>= 3) != 0);
    return buf_add(tree, slice_of_bytes(octal + at, sizeof(octal) - at), fault) &&
           buf_add(tree, name, fault) && buf_add_byte(tree, 0, fault) &&
           buf_add(tree, slice_of_bytes(oid, oid_bytes), fault);
}

static size_t first_slot(const struct key_map *map, const void *key)
{
    uint64_t hash;

    memcpy(&hash, key, sizeof(hash));
    return (size_t)(hash ^ hash >> 32) & (map->room - 1);
}

static const uint8_t *row_at(const void *table, size_t row_bytes, uint32_t row)
{
    return (const uint8_t *)table + (size_t)row * row_bytes;
}

uint32_t key_map_find(const struct key_map *map, const void *table, size_t row_bytes,
                      const void *key, size_t key_bytes)
{
    if (map->count == 0)
        return KEY_MAP_NONE;
    for (size_t slot = first_slot(map, key); map->slots[slot] != 0;
         slot = (slot + 1) & (map->room - 1)) {
        uint32_t row = map->slots[slot] - 1;

        if (memcmp(row_at(table, row_bytes, row), key, key_bytes) == 0)
            return row;
    }
    return KEY_MAP_NONE;
}

static void place(struct key_map *map, const void *table, size_t row_bytes, uint32_t row)
{
    size_t slot = first_slot(map, row_at(table, row_bytes, row));

    while (map->slots[slot] != 0)
        slot = (slot + 1) & (map->room - 1);
    map->slots[slot] = row + 1;
}

void key_map_add(struct key_map *map, const void *table, size_t row_bytes, uint32_t row)
{
    if (map->count * 2 >= map->room) {
        struct key_map grown = {.room = map->room == 0 ? 256 : map->room * 2,
                                .count = map->count};

        grown.slots = xalloc_array(grown.room, sizeof(*grown.slots));
        for (size_t slot = 0; slot < map->room; slot++)
            if (map->slots[slot] != 0)
                place(&grown, table, row_bytes, map->slots[slot] - 1);
        free(map->slots);
        *map = grown;
    }
    place(map, table, row_bytes, row);
    map->count++;
}

void key_map_free(struct key_map *map)
{
    free(map->slots);
    *map = (struct key_map){0};
}
