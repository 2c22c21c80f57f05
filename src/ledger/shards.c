#include "ledger/shards.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "ledger/archive_place.h"
#include "ledger/checkpoint.h"
#include "os/file.h"

#define NUMBER_DIGITS 4

void shard_name(unsigned number, char ret_name[SHARD_NAME_BYTES])
{
    (void)snprintf(ret_name, SHARD_NAME_BYTES, "shards/%0*u", NUMBER_DIGITS, number);
}

/* "0001"; 0 for what is no shard's name. */
static unsigned number_of(const char *name)
{
    unsigned number = 0;

    if (strlen(name) != NUMBER_DIGITS)
        return 0;
    for (; *name != 0; name++) {
        if (*name < '0' || *name > '9')
            return 0;
        number = number * 10 + (unsigned)(*name - '0');
    }
    return number;
}

/* The list while it is made. */
struct opening {
    struct shard_list list;
    size_t room;
    bool as_found;
};

static bool read_checkpoint(struct shard *shard, struct fault *fault)
{
    AUTO_BUF struct buf bytes = buf_with_limit(NOTE_BYTES_MAX);
    struct checkpoint checkpoint;
    struct note note;

    if (!file_read(shard->folder, "checkpoint", &bytes, fault))
        return fault->kind == FAULT_MISSING;
    if (!note_parse(buf_slice(&bytes), &note, fault) ||
        !checkpoint_parse(note.text, &checkpoint, fault))
        return false;
    shard->size = checkpoint.size;
    (void)snprintf(shard->origin, sizeof(shard->origin), "%.*s",
                   SLICE_ARGS(checkpoint.origin));
    return true;
}

/* Takes `folder`, also on failure. */
static bool add(struct opening *opening, unsigned number, int folder, struct fault *fault)
{
    struct shard_list *list = &opening->list;
    AUTO_CLOSE int own = folder;
    struct shard shard = {.number = number, .folder = folder};

    if (!read_checkpoint(&shard, fault) && !opening->as_found)
        return false;
    list->at = xgrow(list->at, &opening->room, list->count + 1, sizeof(list->at[0]));
    shard.folder = take_fd(&own);
    list->at[list->count++] = shard;
    return true;
}

static bool is_same(int a, int b)
{
    struct stat of_a, of_b;

    return fstat(a, &of_a) == 0 && fstat(b, &of_b) == 0 && of_a.st_dev == of_b.st_dev &&
           of_a.st_ino == of_b.st_ino;
}

static int by_number(const void *a, const void *b)
{
    const struct shard *left = a, *right = b;

    return left->number < right->number ? -1 : left->number > right->number;
}

/* `current`: it may have been closed since it was opened. */
static bool add_one(struct opening *opening, int shards, const char *name, int current,
                    struct fault *fault)
{
    unsigned number = number_of(name);
    AUTO_CLOSE int folder = -1;

    if (number == 0)
        return true;
    folder = openat(shards, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (folder < 0 && opening->as_found && (errno == ENOTDIR || errno == ELOOP))
        return true;
    if (folder < 0)
        return fault_errno(fault, "open shards/%s", name);
    return is_same(folder, current) || add(opening, number, take_fd(&folder), fault) ||
           fault_in(fault, "shards/%s", name);
}

static bool add_closed(struct opening *opening, int shards, int current, struct fault *fault)
{
    int own = dup(shards);
    DIR *dir = own < 0 ? NULL : fdopendir(own);
    bool ok = true;

    if (dir == NULL) {
        scope_close(&own);
        return fault_errno(fault, "list shards");
    }
    for (struct dirent *entry; ok && (entry = readdir(dir)) != NULL;)
        ok = add_one(opening, shards, entry->d_name, current, fault);
    (void)closedir(dir);
    return ok;
}

/* A key's name says which shard it signs, "NAME/3": more than what is left of the others. */
static unsigned number_in(const char *origin)
{
    const char *slash = strrchr(origin, '/');
    uint64_t number;

    return slash != NULL && checkpoint_parse_size(slice_of(slash + 1), &number) &&
                   number <= SHARDS_MAX
               ? (unsigned)number
               : 0;
}

static bool open_all(int home_fd, struct opening *opening, struct fault *fault)
{
    AUTO_CLOSE int current = openat(home_fd, "ledger", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO_CLOSE int shards = -1;
    struct shard_list *list = &opening->list;
    unsigned last, named;

    if (current < 0)
        return fault_errno(fault, "open ledger");
    shards = openat(home_fd, "shards", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (shards < 0 && errno != ENOENT)
        return fault_errno(fault, "open shards");
    if (shards >= 0 && !add_closed(opening, shards, current, fault))
        return false;
    if (list->count > 0)
        qsort(list->at, list->count, sizeof(list->at[0]), by_number);
    last = list->count == 0 ? 0 : list->at[list->count - 1].number;
    if (!add(opening, last + 1, take_fd(&current), fault))
        return fault_in(fault, "ledger");
    named = number_in(list->at[list->count - 1].origin);
    if (named > last)
        list->at[list->count - 1].number = named;
    list->at[list->count - 1].is_current = true;
    return true;
}

/* Once they lie still: where the older records of each are. */
static void open_archives(struct shard_list *list)
{
    list->says = absent_says_new();
    for (size_t i = 0; i < list->count; i++) {
        archive_place_open(list->at[i].folder, &list->at[i].archive);
        list->at[i].absent = absent_new(list->at[i].origin, list->says);
    }
}

static bool open_list(int home_fd, bool as_found, struct shard_list *ret_list,
                      struct fault *fault)
{
    struct opening opening = {.as_found = as_found};

    if (!open_all(home_fd, &opening, fault)) {
        shards_close(&opening.list);
        return false;
    }
    open_archives(&opening.list);
    *ret_list = opening.list;
    return true;
}

bool shards_open(int home_fd, struct shard_list *ret_list, struct fault *fault)
{
    return open_list(home_fd, false, ret_list, fault);
}

bool shards_open_as_found(int home_fd, struct shard_list *ret_list, struct fault *fault)
{
    return open_list(home_fd, true, ret_list, fault);
}

bool shards_use_archive(struct shard_list *list, const char *path, struct fault *fault)
{
    for (size_t i = 0; path != NULL && i < list->count; i++) {
        struct shard *shard = &list->at[i];

        archive_folder_close(&shard->archive);
        if (!archive_folder_open(path, shard->origin, &shard->archive, fault) &&
            fault->kind != FAULT_MISSING)
            return false;
    }
    return true;
}

void shards_close(struct shard_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        absent_free(list->at[i].absent);
        archive_folder_close(&list->at[i].archive);
        (void)close(list->at[i].folder);
    }
    absent_says_free(list->says);
    free(list->at);
    *list = (struct shard_list){0};
}

static void on_absent(void *self, const struct absent_range *range)
{
    struct fault *fault = self;

    if (range->kind != ABSENT_EXPIRED && fault->kind == FAULT_NONE)
        (void)fault_set(fault, FAULT_MISSING, "records %llu to %llu %s",
                        (unsigned long long)range->first, (unsigned long long)range->end - 1,
                        range->kind == ABSENT_MOVED
                            ? "are archived, and cannot be read from the archive now"
                            : "are missing (see `custody verify`)");
}

bool shards_all_read(const struct shard_list *list, struct fault *fault)
{
    for (size_t i = 0; i < list->count; i++) {
        struct fault why = {0};

        absent_each(list->at[i].absent, on_absent, &why);
        if (why.kind == FAULT_NONE)
            continue;
        *fault = why;
        return list->at[i].is_current ? false : fault_in(fault, "%s", list->at[i].origin);
    }
    return true;
}
