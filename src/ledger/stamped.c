#include "ledger/stamped.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/scope.h"
#include "ledger/checkpoint.h"
#include "ledger/timestamp.h"
#include "os/file.h"

static bool read_one(int folder, const char *token_name, const struct note_key *log,
                     struct slice ca, struct stamped *ret_stamped, struct fault *fault)
{
    AUTO_FREE char *note_name =
        xformat("%.*s.checkpoint", (int)(strlen(token_name) - 4), token_name);
    AUTO_BUF struct buf note_bytes = buf_with_limit(NOTE_BYTES_MAX);
    AUTO_BUF struct buf token = buf_with_limit(TIMESTAMP_BYTES_MAX);
    struct checkpoint checkpoint;
    struct note note;

    if (!file_read(folder, token_name, &token, fault) ||
        !file_read(folder, note_name, &note_bytes, fault) ||
        !checkpoint_open(buf_slice(&note_bytes), log, &checkpoint, fault) ||
        !note_parse(buf_slice(&note_bytes), &note, fault) ||
        !timestamp_check(buf_slice(&token), note.text, ca, (struct slice){0},
                         &ret_stamped->time, fault))
        return false;
    ret_stamped->size = checkpoint.size;
    ret_stamped->root = checkpoint.root;
    return true;
}

static int by_size(const void *a, const void *b)
{
    const struct stamped *first = a, *second = b;

    return first->size < second->size ? -1 : first->size > second->size;
}

bool stamped_read(int folder, const struct note_key *log, struct slice ca,
                  void (*on_wrong)(void *self, const char *name, const struct fault *why),
                  void *self, struct stamped_list *ret_list, struct fault *fault)
{
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct stamped_list list = {0};
    struct dirent *entry;

    if (dir == NULL) {
        scope_close(&fd);
        return fault_errno(fault, "list the time stamps");
    }
    while ((entry = readdir(dir)) != NULL && list.count < STAMPED_MAX) {
        struct fault why = {0};

        if (!slice_ends_with(slice_of(entry->d_name), SLICE(".tsr")))
            continue;
        list.at = xgrow(list.at, &list.room, list.count + 1, sizeof(*list.at));
        if (read_one(folder, entry->d_name, log, ca, &list.at[list.count], &why))
            list.count++;
        else
            on_wrong(self, entry->d_name, &why);
    }
    (void)closedir(dir);
    if (list.count == STAMPED_MAX) {
        stamped_free(&list);
        return fault_set(fault, FAULT_LIMIT, "more than %d time stamps", STAMPED_MAX);
    }
    if (list.count > 0)
        qsort(list.at, list.count, sizeof(*list.at), by_size);
    *ret_list = list;
    return true;
}

void stamped_free(struct stamped_list *list)
{
    free(list->at);
    *list = (struct stamped_list){0};
}
