#include "roles/records/verify_home.h"

#include <stdio.h>

#include "base/scope.h"
#include "ledger/archive_place.h"
#include "ledger/shards.h"
#include "os/file.h"

#define VKEY_BYTES_MAX 4096

/* Keys that lie beside closed shards, and the one beside this machine's ledger. */
static bool describe(const struct shard_list *list, struct slice current,
                     struct chain_shard *shards, char (*names)[SHARD_NAME_BYTES],
                     struct buf *vkeys, struct fault *fault)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct shard *shard = &list->at[i];

        vkeys[i] = buf_with_limit(4096);
        if (shard->is_current) {
            shards[i] = (struct chain_shard){.name = "ledger",
                                             .number = shard->number,
                                             .folder = shard->folder,
                                             .vkey = current};
            continue;
        }
        shard_name(shard->number, names[i]);
        if (!verify_files_shard(names[i], shard->number, shard->folder, (struct slice){0},
                                &shards[i], &vkeys[i], fault))
            return false;
    }
    return true;
}

/*
 * Where each says that its older records are; a folder from elsewhere is not asked. That file
 * only spares a search: one that says nothing leaves what is archived incomplete.
 */
static void find_archives(const struct shard_list *list, struct chain_shard *shards,
                          char **archives, struct fault *ret_unsaid)
{
    for (size_t i = 0; i < list->count; i++) {
        struct fault fault = {0};

        if (!archive_place_read(list->at[i].folder, &archives[i], &fault)) {
            (void)fault_in(&fault, "%s", shards[i].name);
            *ret_unsaid = fault;
        }
        shards[i].archive = archives[i];
    }
}

static bool verify_list(const struct shard_list *list, struct slice current,
                        struct slice trusted, const struct verify_files *files, bool json,
                        struct buf *text, struct verify_outcome *outcome, struct fault *fault)
{
    size_t count = list->count;
    AUTO_FREE struct chain_shard *shards = xalloc_array(count, sizeof(*shards));
    AUTO_FREE char(*names)[SHARD_NAME_BYTES] = xalloc_array(count, sizeof(*names));
    AUTO_FREE struct buf *vkeys = xalloc_array(count, sizeof(*vkeys));
    AUTO_FREE char **archives = xalloc_array(count, sizeof(*archives));
    struct fault unsaid = {0};
    bool ok = describe(list, current, shards, names, vkeys, fault);

    if (ok) {
        find_archives(list, shards, archives, &unsaid);
        ok = verify_files_chain(shards, count, trusted, files, json, text, outcome, fault);
    }
    if (ok && unsaid.kind != FAULT_NONE && outcome->note[0] == 0)
        (void)snprintf(outcome->note, sizeof(outcome->note), "%s", unsaid.why);

    for (size_t i = 0; i < count; i++) {
        buf_free(&vkeys[i]);
        free(archives[i]);
    }
    return ok;
}

bool verify_home(int home_fd, struct slice vkey, const struct verify_files *files, bool json,
                 struct buf *ret_text, struct verify_outcome *ret_outcome, struct fault *fault)
{
    AUTO_BUF struct buf bytes = buf_with_limit(VKEY_BYTES_MAX);
    struct shard_list list = {0};
    struct slice current;
    bool ok;

    if (!file_read(home_fd, "keys/ledger.vkey", &bytes, fault))
        return false;
    current = slice_trim(buf_slice(&bytes));
    ok = shards_open_as_found(home_fd, &list, fault) &&
         verify_list(&list, current, vkey.len == 0 ? current : vkey, files, json, ret_text,
                     ret_outcome, fault);
    shards_close(&list);
    return ok;
}
