/*
 * ledger/tile.h - C2SP tiles (c2sp.org/tlog-tiles): where hashes and entries lie on disk.
 *
 *   tile/<L>/<N>[.p/<W>]        up to 256 hashes: hash i is the root of leaves
 *                               [(N*256+i) * 256^L, (N*256+i+1) * 256^L)
 *   tile/entries/<N>[.p/<W>]    up to 256 times { u16be length || entry }
 */
#ifndef CUSTODY_LEDGER_TILE_H
#define CUSTODY_LEDGER_TILE_H

#include "ledger/tree.h"

#define TILE_WIDTH 256
#define TILE_LEVELS 8 /* 256^8 is more than TREE_SIZE_MAX */
#define TILE_ENTRY_BYTES_MAX 65535
#define TILE_BUNDLE_BYTES_MAX (TILE_WIDTH * (2 + TILE_ENTRY_BYTES_MAX))
#define TILE_PATH_BYTES 96

struct tile {
    unsigned level;  /* of hash tiles */
    bool is_entries; /* an entry bundle; level is 0 */
    uint64_t index;  /* N */
    unsigned width;  /* 1..256; 256 is a full one */
};

/* "tile/0/x001/x234/067.p/8" */
void tile_path(const struct tile *tile, char ret_path[TILE_PATH_BYTES]);
/* Takes what tile_path writes and nothing else. */
MUST_USE bool tile_path_parse(struct slice path, struct tile *ret_tile);
/* Width of tile `index` at `level` in a tree of `size`: 0 where there is none. */
unsigned tile_width(unsigned level, uint64_t index, uint64_t size);

/* Appends one entry in a bundle's form. FAULT_LIMIT: longer than 65,535 bytes. */
MUST_USE bool tile_bundle_add(struct buf *bundle, struct slice entry, struct fault *fault);
/* Takes the first entry off `rest`. False at its end, or where it is cut (rest->len stays >
 * 0). */
bool tile_bundle_take(struct slice *rest, struct slice *ret_entry);

/*
 * Reads one tile or bundle of a tree of `size`: the partial file that the size calls for, or
 * the full one where that is there already. The result is cut to the tile's width in that
 * tree. FAULT_MISSING: neither is there. FAULT_INVALID: it does not have that many entries.
 */
MUST_USE bool tile_read(int folder, const struct tile *tile, struct buf *ret_bytes,
                        struct fault *fault);

/* Hashes of a tree of `size` from its tiles; the last tile read is kept. */
struct tile_source {
    int folder;
    uint64_t size;
    struct tile cached;
    bool has_cached;
    struct tree_hash hashes[TILE_WIDTH];
};
struct tree_source tile_source(struct tile_source *source);

#endif
