#include "ledger/proof.h"

#include "base/scope.h"
#include "wire/base64.h"

#define INCLUSION_HEAD "c2sp.org/tlog-proof@v1"
#define FORK_HEAD "fork-proof/v1"

static const char *const kind_names[] = {
    [PROOF_INCLUSION] = "inclusion",
    [PROOF_CONSISTENCY] = "consistency",
    [PROOF_FORK] = "fork",
};

const char *proof_kind_name(enum proof_kind kind)
{
    return kind_names[kind];
}

static bool add_hash(const struct tree_hash *hash, struct buf *bytes, struct fault *fault)
{
    return base64_encode(slice_of_bytes(hash->at, TREE_HASH_BYTES), bytes, fault) &&
           buf_add_byte(bytes, '\n', fault);
}

static bool add_head(const struct proof *proof, struct buf *bytes, struct fault *fault)
{
    unsigned long long number = proof->number;

    switch (proof->kind) {
    case PROOF_INCLUSION:
        return buf_add_text(bytes, INCLUSION_HEAD "\n", fault) &&
               (proof->extra.len == 0 ||
                (buf_add_text(bytes, "extra ", fault) && buf_add(bytes, proof->extra, fault) &&
                 buf_add_byte(bytes, '\n', fault))) &&
               buf_add_format(bytes, fault, "index %llu\n", number);
    case PROOF_CONSISTENCY:
        return buf_add_format(bytes, fault, "old %llu\n", number);
    case PROOF_FORK:
        return buf_add_text(bytes, FORK_HEAD "\n", fault) &&
               (!proof->has_root ||
                (buf_add_text(bytes, "root ", fault) && add_hash(&proof->root, bytes, fault)));
    }
    return false;
}

bool proof_format(const struct proof *proof, struct buf *ret_bytes, struct fault *fault)
{
    if (!add_head(proof, ret_bytes, fault))
        return false;
    for (size_t i = 0; i < proof->path.count; i++)
        if (!add_hash(&proof->path.hash[i], ret_bytes, fault))
            return false;
    if (proof->kind == PROOF_FORK &&
        (!buf_add_byte(ret_bytes, '\n', fault) || !buf_add(ret_bytes, proof->other, fault)))
        return false;
    return buf_add_byte(ret_bytes, '\n', fault) &&
           buf_add(ret_bytes, proof->checkpoint, fault);
}

/* The rest of `line` behind `word` and a space. */
static bool line_is(struct slice line, struct slice word, struct slice *ret_rest)
{
    if (!slice_starts_with(line, word) || line.len <= word.len || line.at[word.len] != ' ')
        return false;
    *ret_rest = slice_part(line, word.len + 1, line.len);
    return true;
}

static bool parse_number(struct slice text, uint64_t *ret_number, struct fault *fault)
{
    return checkpoint_parse_size(text, ret_number)
               ? true
               : fault_set(fault, FAULT_INVALID, "proof: not a number");
}

static bool parse_extra(struct slice text, struct proof *proof, struct fault *fault)
{
    AUTO_BUF struct buf bytes = buf_with_limit(PROOF_EXTRA_BYTES_MAX);

    if (text.len > PROOF_EXTRA_BYTES_MAX || !base64_decode(text, &bytes, fault) ||
        bytes.len == 0)
        return fault_set(fault, FAULT_INVALID, "proof: extra is not base64");
    proof->extra = text;
    return true;
}

/* Takes the lines that say what the proof is about, up to the first hash. */
static bool take_head(struct slice *rest, struct proof *proof, struct fault *fault)
{
    struct slice line, value, after;

    if (!slice_cut(rest, '\n', &line))
        return fault_set(fault, FAULT_INVALID, "proof: empty");
    if (line_is(line, SLICE("old"), &value)) {
        proof->kind = PROOF_CONSISTENCY;
        return parse_number(value, &proof->number, fault);
    }
    after = *rest;
    if (slice_equal(line, SLICE(FORK_HEAD))) {
        proof->kind = PROOF_FORK;
        if (!slice_cut(&after, '\n', &line) || !line_is(line, SLICE("root"), &value))
            return true;
        proof->has_root = true;
        *rest = after;
        return base64_decode_exactly(value, proof->root.at, TREE_HASH_BYTES)
                   ? true
                   : fault_set(fault, FAULT_INVALID, "proof: the root is not 32 bytes");
    }
    proof->kind = PROOF_INCLUSION;
    if (!slice_equal(line, SLICE(INCLUSION_HEAD)))
        return fault_set(fault, FAULT_INVALID, "not a proof: the first line is another");
    if (slice_cut(&after, '\n', &line) && line_is(line, SLICE("extra"), &value)) {
        if (!parse_extra(value, proof, fault))
            return false;
        *rest = after;
    }
    if (!slice_cut(rest, '\n', &line) || !line_is(line, SLICE("index"), &value))
        return fault_set(fault, FAULT_INVALID, "proof: no index");
    return parse_number(value, &proof->number, fault);
}

/* Takes lines of one hash each, and the empty line behind them. */
static bool take_path(struct slice *rest, struct tree_proof *path, struct fault *fault)
{
    struct slice line;

    path->count = 0;
    while (slice_cut(rest, '\n', &line) && line.len > 0) {
        if (path->count == PROOF_HASHES_MAX)
            return fault_set(fault, FAULT_INVALID, "proof: more than %d hashes",
                             PROOF_HASHES_MAX);
        if (!base64_decode_exactly(line, path->hash[path->count++].at, TREE_HASH_BYTES))
            return fault_set(fault, FAULT_INVALID, "proof: a hash that is not 32 bytes");
    }
    return true;
}

/*
 * Takes one checkpoint with its signatures off the front of two: each has one empty line in
 * it, and there is one between them.
 */
static bool take_checkpoint(struct slice *rest, struct slice *ret_note)
{
    size_t text_end = slice_find(*rest, SLICE("\n\n"), 0);
    size_t end =
        text_end == SIZE_MAX ? SIZE_MAX : slice_find(*rest, SLICE("\n\n"), text_end + 2);

    if (end == SIZE_MAX)
        return false;
    *ret_note = slice_part(*rest, 0, end + 1);
    *rest = slice_part(*rest, end + 2, rest->len);
    return true;
}

/* Every part has one form, so the whole has; fuzz/ledger_proof.c holds us to it. */
bool proof_parse(struct slice bytes, struct proof *ret_proof, struct fault *fault)
{
    struct proof proof = {.number = 0};
    struct slice rest = bytes;

    if (bytes.len > PROOF_BYTES_MAX)
        return fault_set(fault, FAULT_LIMIT, "proof of %zu bytes", bytes.len);
    if (!take_head(&rest, &proof, fault) || !take_path(&rest, &proof.path, fault))
        return false;
    if (proof.kind == PROOF_FORK && !take_checkpoint(&rest, &proof.other))
        return fault_set(fault, FAULT_INVALID, "proof: it takes two checkpoints");
    if (rest.len == 0)
        return fault_set(fault, FAULT_INVALID, "proof: no checkpoint");
    proof.checkpoint = rest;
    *ret_proof = proof;
    return true;
}

/* Narrower than what is published never needs a tile of its own. */
static struct tile_source *source_new(int folder, uint64_t published)
{
    struct tile_source *source = xalloc(sizeof(*source));

    source->folder = folder;
    source->size = published;
    return source;
}

static bool check_size(uint64_t size, uint64_t published, struct fault *fault)
{
    return size <= published
               ? true
               : fault_set(fault, FAULT_INVALID, "the tree has %llu records, not %llu",
                           (unsigned long long)published, (unsigned long long)size);
}

bool proof_inclusion(int folder, uint64_t published, uint64_t index, uint64_t size,
                     struct tree_proof *ret_path, struct fault *fault)
{
    AUTO_FREE struct tile_source *tiles = source_new(folder, published);
    struct tree_source source = tile_source(tiles);

    return check_size(size, published, fault) &&
           tree_prove_inclusion(&source, index, size, ret_path, fault);
}

bool proof_consistency(int folder, uint64_t published, uint64_t old_size, uint64_t size,
                       struct tree_proof *ret_path, struct fault *fault)
{
    AUTO_FREE struct tile_source *tiles = source_new(folder, published);
    struct tree_source source = tile_source(tiles);

    return check_size(size, published, fault) &&
           tree_prove_consistency(&source, old_size, size, ret_path, fault);
}

bool proof_root(int folder, uint64_t published, uint64_t size, struct tree_hash *ret_root,
                struct fault *fault)
{
    AUTO_FREE struct tile_source *tiles = source_new(folder, published);
    struct tree_source source = tile_source(tiles);

    return check_size(size, published, fault) &&
           tree_source_root(&source, size, ret_root, fault);
}

bool proof_record(int folder, struct archive *archive, uint64_t published, uint64_t index,
                  struct buf *ret_record, struct fault *fault)
{
    AUTO_BUF struct buf bytes = buf_with_limit(TILE_BUNDLE_BYTES_MAX);
    struct tile tile = {.is_entries = true, .index = index / TILE_WIDTH};
    struct slice rest, entry = {0};

    if (index >= published)
        return check_size(index + 1, published, fault);
    tile.width = tile_width(0, tile.index, published);
    if (!archive_or_tile_read(folder, archive, &tile, &bytes, NULL, fault))
        return false;
    rest = buf_slice(&bytes);
    for (uint64_t i = 0; i <= index % TILE_WIDTH; i++)
        if (!tile_bundle_take(&rest, &entry))
            return fault_set(fault, FAULT_INVALID, "record %llu is not in its bundle",
                             (unsigned long long)index);
    return buf_add(ret_record, entry, fault);
}

static bool parse_note(struct slice bytes, struct checkpoint *ret_checkpoint,
                       struct fault *fault)
{
    struct note note;

    return note_parse(bytes, &note, fault) &&
           checkpoint_parse(note.text, ret_checkpoint, fault);
}

bool proof_fork(int folder, struct slice kept, struct slice published, struct buf *ret_bytes,
                struct fault *fault)
{
    struct proof proof = {.kind = PROOF_FORK, .checkpoint = published, .other = kept};
    struct checkpoint old, now;

    if (!parse_note(kept, &old, fault) || !parse_note(published, &now, fault))
        return false;
    proof.has_root = old.size != now.size;
    proof.root = now.root;
    if (proof.has_root &&
        (!proof_root(folder, now.size, old.size, &proof.root, fault) ||
         !proof_consistency(folder, now.size, old.size, now.size, &proof.path, fault)))
        return false;
    if (tree_hash_equal(&proof.root, &old.root))
        return fault_set(fault, FAULT_CONFLICT, "the two checkpoints do not contradict");
    return proof_format(&proof, ret_bytes, fault);
}
