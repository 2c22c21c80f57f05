/* bench/ledger_verify.c - verifying, hashing, and an inclusion proof out of 100 million
 * records. */
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <sys/resource.h>

#include "base/scope.h"
#include "bench/ledger_subject.h"
#include "ledger/proof.h"
#include "ledger/tile.h"
#include "ledger/verify.h"
#include "os/clock_real.h"
#include "os/file.h"

#define HASHES 2000000
#define MANY UINT64_C(100000000)
#define PROOFS 2001

static int64_t cpu_us(void)
{
    struct rusage usage;

    (void)getrusage(RUSAGE_SELF, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 + usage.ru_utime.tv_usec +
           usage.ru_stime.tv_usec;
}

bool measure_verify(const char *folder, uint64_t records, struct fault *fault)
{
    static const struct verify_options options = {0};
    AUTO_FREE struct verify_report *report = xalloc(sizeof(*report));
    AUTO_BUF struct buf vkey = buf_with_limit(1024);
    AUTO_CLOSE int fd = -1;
    int64_t begin, cpu;

    if (!bench_ledger_write(folder, records, &vkey, fault))
        return false;
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fault_errno(fault, "open %s", folder);
    begin = clock_monotonic_us(&clock_real);
    cpu = cpu_us();
    if (!verify_ledger(fd, buf_slice(&vkey), &options, report, fault))
        return false;
    cpu = cpu_us() - cpu;
    begin = clock_monotonic_us(&clock_real) - begin;
    if (report->result != VERIFY_HOLDS)
        return fault_set(fault, FAULT_IO, "the ledger does not verify: %s",
                         report->problems[0].text);
    printf("{\"records\":%llu,\"seconds\":%.6f,\"cpu_seconds\":%.6f}\n",
           (unsigned long long)report->size, (double)begin / 1e6, (double)cpu / 1e6);
    return true;
}

/* Records a second that can be hashed: a leaf of that length and one node for each. */
bool measure_hash(size_t record_bytes, struct fault *fault)
{
    uint8_t *record = xalloc(record_bytes + 1), node[65] = {1};
    EVP_MD *sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    int64_t begin;

    (void)fault;
    begin = cpu_us();
    for (int i = 0; i < HASHES; i++) {
        (void)(EVP_DigestInit_ex2(context, sha256, NULL) &&
               EVP_DigestUpdate(context, record, record_bytes + 1) &&
               EVP_DigestFinal_ex(context, node + 1, NULL) &&
               EVP_DigestInit_ex2(context, sha256, NULL) &&
               EVP_DigestUpdate(context, node, sizeof(node)) &&
               EVP_DigestFinal_ex(context, node + 33, NULL));
    }
    printf("{\"records\":%d,\"evp_seconds\":%.6f", HASHES, (double)(cpu_us() - begin) / 1e6);
    begin = cpu_us();
    for (int i = 0; i < HASHES / TILE_WIDTH; i++) {
        struct slice leaves[TILE_WIDTH];
        struct tree_hash hashes[TILE_WIDTH];

        for (size_t k = 0; k < TILE_WIDTH; k++)
            leaves[k] = slice_of_bytes(record, record_bytes);
        tree_leaves(leaves, TILE_WIDTH, hashes);
        (void)tree_root_of(hashes, TILE_WIDTH);
    }
    printf(",\"batch_seconds\":%.6f}\n", (double)(cpu_us() - begin) / 1e6);
    EVP_MD_CTX_free(context);
    EVP_MD_free(sha256);
    free(record);
    return true;
}

/* All leaves are one: then a perfect subtree's root depends on its height only. */
struct even_tree {
    uint64_t size;
    struct tree_hash node[TREE_HEIGHT_MAX];
};

static bool place_tile(const char *folder, const struct even_tree *tree, unsigned level,
                       uint64_t index, struct fault *fault)
{
    struct tile tile = {.level = level, .index = index};
    struct tree_hash hashes[TILE_WIDTH];
    char name[TILE_PATH_BYTES];
    AUTO_FREE char *path = NULL, *above = NULL;

    tile.width = tile_width(level, index, tree->size);
    for (unsigned i = 0; i < tile.width; i++)
        hashes[i] = tree->node[8 * level];
    tile_path(&tile, name);
    path = xformat("%s/%s", folder, name);
    above = xstrdup(path);
    *strrchr(above, '/') = 0;
    if (tile.width == 0 || file_exists(AT_FDCWD, path))
        return true;
    return file_make_folders(above, 0700, fault) &&
           file_create(AT_FDCWD, path, slice_of_bytes(hashes, tile.width * sizeof(hashes[0])),
                       0600, fault);
}

static int compare(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

    return (left > right) - (left < right);
}

bool measure_proof(const char *folder, struct fault *fault)
{
    static const uint64_t indices[] = {0, 1, 12345678, 50000000, MANY - 257, MANY - 1};
    static int64_t times[PROOFS];
    AUTO_FREE struct even_tree *tree = xalloc(sizeof(*tree));
    AUTO_CLOSE int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct tree_proof path;

    tree->size = MANY;
    tree->node[0] = tree_leaf(SLICE("a record"));
    for (unsigned height = 1; height < 40; height++)
        tree->node[height] = tree_node(&tree->node[height - 1], &tree->node[height - 1]);
    for (unsigned level = 0; level < 4; level++) {
        for (size_t i = 0; i < COUNT(indices); i++)
            if (!place_tile(folder, tree, level, indices[i] >> (8 * (level + 1)), fault))
                return false;
        if (!place_tile(folder, tree, level, (MANY >> (8 * level)) / TILE_WIDTH, fault))
            return false;
    }
    for (size_t i = 0; i < PROOFS; i++) {
        int64_t begin = clock_monotonic_us(&clock_real);

        if (!proof_inclusion(fd, MANY, indices[i % COUNT(indices)], MANY, &path, fault))
            return false;
        times[i] = clock_monotonic_us(&clock_real) - begin;
    }
    qsort(times, PROOFS, sizeof(times[0]), compare);
    printf("{\"records\":%llu,\"p50_us\":%lld,\"p99_us\":%lld}\n", (unsigned long long)MANY,
           (long long)times[PROOFS / 2], (long long)times[PROOFS * 99 / 100]);
    return true;
}
