/* tests/unit/ledger/fixture.h - vectors, folders of one's own, a key. */
#ifndef CUSTODY_TESTS_UNIT_LEDGER_FIXTURE_H
#define CUSTODY_TESTS_UNIT_LEDGER_FIXTURE_H

#include "test.h"

#include <fcntl.h>
#include <jansson.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/hex.h"
#include "base/scope.h"
#include "ledger/note.h"
#include "ledger/tree.h"
#include "os/file.h"

static inline int fixture_vectors(void)
{
    const char *data = getenv("CUSTODY_TEST_DATA");
    AUTO_FREE char *path = xformat("%s/ledger", data == NULL ? "tests/data" : data);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        fail_msg("no vectors at %s", path);
    return fd;
}

static inline void fixture_read(const char *name, struct buf *ret_bytes)
{
    AUTO_CLOSE int folder = fixture_vectors();
    struct fault fault = {0};

    assert_ok(file_read(folder, name, ret_bytes, &fault), fault);
}

static inline json_t *fixture_json(const char *name)
{
    AUTO_BUF struct buf bytes = buf_with_limit(1 << 20);
    json_error_t error;
    json_t *json;

    fixture_read(name, &bytes);
    json = json_loadb((const char *)bytes.at, bytes.len, 0, &error);
    if (json == NULL)
        fail_msg("%s: %s", name, error.text);
    return json;
}

static inline struct tree_hash fixture_hash(const char *hex)
{
    struct tree_hash hash;

    assert_true(hex_decode(slice_of(hex), hash.at, sizeof(hash.at)));
    return hash;
}

static inline void fixture_path(const json_t *array, struct tree_proof *ret_proof)
{
    ret_proof->count = 0;
    for (size_t i = 0; i < json_array_size(array); i++)
        ret_proof->hash[ret_proof->count++] =
            fixture_hash(json_string_value(json_array_get(array, i)));
}

/* A new folder below /tmp, or `parent`; fixture_drop removes it. */
struct fixture {
    char path[64];
    int folder;
};

static inline struct fixture fixture_make_in(const char *parent)
{
    struct fixture fixture;

    (void)snprintf(fixture.path, sizeof(fixture.path), "%s/custody-test-XXXXXX", parent);
    assert_non_null(mkdtemp(fixture.path));
    fixture.folder = open(fixture.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fixture.folder >= 0);
    return fixture;
}

static inline struct fixture fixture_make(void)
{
    return fixture_make_in("/tmp");
}

static inline void fixture_drop(struct fixture *fixture)
{
    struct fault fault = {0};

    scope_close(&fixture->folder);
    assert_ok(file_remove_tree(AT_FDCWD, fixture->path, &fault), fault);
}

/* The ledger's daemon ends right after its last client, and holds the lock to its end. */
static inline void fixture_ledger_ended(const struct fixture *home)
{
    AUTO_CLOSE int lock = openat(home->folder, "ledger/lock", O_RDWR | O_CLOEXEC);

    for (int i = 0; flock(lock, LOCK_EX | LOCK_NB) < 0; i++) {
        assert_in_range(i, 0, 5000);
        (void)usleep(2000);
    }
}

#define FIXTURE_NAME "custody-test-00000000"

/* A key of bytes that count; `which` makes several. */
static inline struct note_signer *fixture_signer(uint8_t which, struct buf *ret_vkey)
{
    AUTO_BUF struct buf skey = buf_with_limit(1024);
    uint8_t seed[NOTE_SEED_BYTES];
    struct note_signer *signer;
    struct fault fault = {0};

    for (size_t i = 0; i < sizeof(seed); i++)
        seed[i] = (uint8_t)(i + which);
    assert_ok(note_key_texts(SLICE(FIXTURE_NAME), seed, &skey, ret_vkey, &fault), fault);
    assert_ok(note_signer_parse(buf_slice(&skey), &signer, &fault), fault);
    return signer;
}

#endif
