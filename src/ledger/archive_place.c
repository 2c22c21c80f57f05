#include "ledger/archive_place.h"

#include <limits.h>

#include "base/scope.h"
#include "ledger/checkpoint.h"
#include "os/file.h"

#define HEAD "custody-archive/v1\n"
#define PLACE_BYTES_MAX (PATH_MAX + 64)

bool archive_place_write(int folder, const char *path, uint64_t minimum, struct fault *fault)
{
    AUTO_BUF struct buf text = buf_with_limit(PLACE_BYTES_MAX);

    if (strchr(path, '\n') != NULL)
        return fault_set(fault, FAULT_INVALID, "an archive's path has no line end in it");
    return buf_add_format(&text, fault, HEAD "%llu\n%s\n", (unsigned long long)minimum,
                          path) &&
           file_replace_durably(folder, ARCHIVE_PLACE_NAME, buf_slice(&text), 0644, fault);
}

bool archive_place_read(int folder, char **ret_path, struct fault *fault)
{
    AUTO_BUF struct buf text = buf_with_limit(PLACE_BYTES_MAX);
    struct slice rest, head, minimum, path;
    struct fault unread = {0};
    uint64_t number;

    *ret_path = NULL;
    if (!file_read(folder, ARCHIVE_PLACE_NAME, &text, &unread)) {
        if (unread.kind != FAULT_MISSING)
            *fault = unread;
        return unread.kind == FAULT_MISSING;
    }
    rest = buf_slice(&text);
    if (!slice_cut(&rest, '\n', &head) || !slice_cut(&rest, '\n', &minimum) ||
        !slice_cut(&rest, '\n', &path) || rest.len > 0 || path.len == 0 || path.at[0] != '/' ||
        !slice_equal(head, slice_trim(SLICE(HEAD))) ||
        !checkpoint_parse_size(minimum, &number))
        return fault_set(fault, FAULT_INVALID,
                         "the ledger's file `" ARCHIVE_PLACE_NAME
                         "` does not say where its archive is: name it with --archive");
    *ret_path = slice_dup(path);
    return true;
}

bool archive_place_open_at(const char *path, int folder, struct archive_folder *ret_archive,
                           struct fault *fault)
{
    AUTO_BUF struct buf bytes = buf_with_limit(NOTE_BYTES_MAX);
    AUTO_FREE char *origin = NULL;
    struct checkpoint checkpoint;
    struct note note;

    if (!file_read(folder, "checkpoint", &bytes, fault) ||
        !note_parse(buf_slice(&bytes), &note, fault) ||
        !checkpoint_parse(note.text, &checkpoint, fault))
        return false;
    origin = slice_dup(checkpoint.origin);
    return archive_folder_open(path, origin, ret_archive, fault);
}

void archive_place_open(int folder, struct archive_folder *ret_archive)
{
    AUTO_FREE char *path = NULL;
    struct fault fault = {0};

    *ret_archive = (struct archive_folder){.archive = NULL};
    if (!archive_place_read(folder, &path, &fault) ||
        (path != NULL && !archive_place_open_at(path, folder, ret_archive, &fault)))
        ret_archive->archive = archive_absent(fault.why);
}
