/*
 * gateway/money/book_file.h - the file of a book: its layout, its locks, and changes that a
 * killed process leaves either whole or not at all. Private to gateway/money/.
 *
 * The file is mapped by all. Byte 0 is locked (an open file description's lock) while somebody
 * changes it, for microseconds. A change is first written beside as images of what it makes of
 * the rows, then counted as there, then applied; who finds one counted applies it once more.
 * A holder keeps a lock on a byte of its own far behind the file's end for as long as it lives.
 */
#ifndef CUSTODY_GATEWAY_BOOK_FILE_H
#define CUSTODY_GATEWAY_BOOK_FILE_H

#include "gateway/money/book.h"

#define BOOK_ROWS 1024
#define BOOK_HOLDERS 1024
#define BOOK_ENTRIES 8192
#define BOOK_LABEL_BYTES 160
#define BOOK_KEY_BYTES 32
#define BOOK_NONE UINT32_MAX

/* An account; kind 0 is free, else a book_kind + 1. */
struct book_row {
    uint32_t kind;
    int32_t day;
    uint32_t holder; /* of a run's account */
    uint32_t unused;
    uint8_t key[BOOK_KEY_BYTES]; /* SHA-256 of whose it is */
    char label[BOOK_LABEL_BYTES];
    struct amounts limit, spent, reserved;
};

/* A reservation. */
struct book_entry {
    uint32_t holder; /* + 1; 0: free */
    uint32_t count;
    uint32_t rows[BOOK_ACCOUNTS_MAX];
    struct amounts granted;
    struct amounts metered; /* written by its holder alone, without the lock */
};

struct book_holder {
    uint32_t is_used;
    char run[60];
};

#define BOOK_IMAGES (BOOK_ACCOUNTS_MAX + 3)
#define BOOK_IMAGE_BYTES sizeof(struct book_row)

struct book_file {
    char magic[8];
    uint32_t bytes;  /* of the whole file */
    uint32_t images; /* that are to be applied */
    struct book_totals {
        struct amounts reserved, settled, released, beyond;
    } totals;
    struct book_image {
        uint32_t at, bytes; /* in the file */
        uint8_t with[BOOK_IMAGE_BYTES];
    } image[BOOK_IMAGES];
    struct book_holder holders[BOOK_HOLDERS];
    struct book_row rows[BOOK_ROWS];
    struct book_entry entries[BOOK_ENTRIES];
};

/* A file that is mapped; `fd` -1: memory of this process alone. */
struct book_map {
    int fd;
    struct book_file *file;
    uint32_t images; /* of the change that is being made */
    bool is_stuck;   /* the lock could not be had in time, the last time */
};

/* Takes `fd`. FAULT_INVALID: not a book of this version. */
MUST_USE bool book_map_open(int fd, struct book_map *ret_map, struct fault *fault);
void book_map_close(struct book_map *map);
/* Also brings a change to its end that somebody was killed in. FAULT_INVALID: damaged. FAULT_IO:
 * somebody holds the lock for more than a second. */
MUST_USE bool book_lock(struct book_map *map, struct fault *fault);
void book_unlock(struct book_map *map);

/* Under the lock: `at` (in the file) is to become `with`. Nothing changes before book_apply. */
void book_put(struct book_map *map, const void *at, const void *with, size_t bytes);
void book_apply(struct book_map *map);

/* A place among the holders, with its lock. FAULT_LIMIT: all are taken. Under the lock. */
MUST_USE bool book_hold(struct book_map *map, const char *run, uint32_t *ret_holder,
                        struct fault *fault);
/* Does somebody else who lives hold that place? */
bool book_is_held(const struct book_map *map, uint32_t holder);

#endif
