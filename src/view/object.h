/* view/object.h - git object ids, and a map from ids to rows of a table. */
#ifndef CUSTODY_VIEW_OBJECT_H
#define CUSTODY_VIEW_OBJECT_H

#include "base/bytes.h"
#include "base/fault.h"

enum object_type { /* numbers of the pack format */
                   OBJECT_COMMIT = 1,
                   OBJECT_TREE = 2,
                   OBJECT_BLOB = 3,
};

const char *object_type_name(enum object_type type);

/* SHA-1 (20 bytes) or SHA-256 (32 bytes), whichever the repository uses. */
struct hasher;

MUST_USE bool hasher_new(size_t oid_bytes, struct hasher **ret_hasher, struct fault *fault);
void hasher_free(struct hasher *hasher); /* NULL is fine */
size_t hasher_bytes(const struct hasher *hasher);
/* begin, add..., end: of any bytes. One at a time. */
void hasher_begin(struct hasher *hasher);
void hasher_add(struct hasher *hasher, struct slice bytes);
void hasher_end(struct hasher *hasher, uint8_t *ret_digest);
/* Like hasher_begin, for an object: "blob 12\0" comes first. */
void hasher_begin_object(struct hasher *hasher, enum object_type type, uint64_t size);
void hasher_object(struct hasher *hasher, enum object_type type, struct slice content,
                   uint8_t *ret_oid);

/* One line of a tree object. Lines come in git's order. `mode` as git has it. */
MUST_USE bool object_add_tree_line(struct buf *tree, uint32_t mode, struct slice name,
                                   const uint8_t *oid, size_t oid_bytes, struct fault *fault);

/*
 * Finds rows of a table (of any struct whose first `key_bytes` are the key) by key. The first
 * eight bytes of a key must be hash-like. The table is handed in at each call, because it
 * moves when it grows.
 */
struct key_map {
    uint32_t *slots; /* row + 1; 0 is free */
    size_t room;     /* a power of two */
    size_t count;
};

#define KEY_MAP_NONE UINT32_MAX

uint32_t key_map_find(const struct key_map *map, const void *table, size_t row_bytes,
                      const void *key, size_t key_bytes);
/* The key of row `row` must not be in the map yet. */
void key_map_add(struct key_map *map, const void *table, size_t row_bytes, uint32_t row);
void key_map_free(struct key_map *map);

#endif
