#include "ledger/verify_names.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>

#include "base/scope.h"
#include "ledger/tile.h"
#include "os/file.h"

#define FOLDER_DEPTH_MAX 12
#define FILES_AHEAD_MAX 2048 /* of a writer that is at work; more would be litter */

struct names {
    int folder;
    struct archive *archive;
    struct verify_report *report;
    struct buf bytes; /* a file */
    struct buf kept;  /* the tile that older partial files are compared with */
    struct tile kept_tile;
    bool has_kept;
};

/* A partial file of an earlier, smaller tree must be the beginning of what is there now. */
static void check_older_partial(struct names *names, const struct tile *tile,
                                unsigned width, const char *path)
{
    struct tile now = *tile;
    struct fault fault = {0};
    struct slice kept;

    now.width = width;
    if (!names->has_kept || names->kept_tile.level != now.level ||
        names->kept_tile.is_entries != now.is_entries ||
        names->kept_tile.index != now.index) {
        names->has_kept = archive_or_tile_read(names->folder, names->archive,
                                                  &now, &names->kept, NULL, &fault);
        names->kept_tile = now;
    }
    if (!names->has_kept)
        return; /* said already, when the tree was checked */
    kept = buf_slice(&names->kept);
    buf_clear(&names->bytes);
    if (!file_read(names->folder, path, &names->bytes, &fault)) {
        /*
         * Gone between the listing and now: the writer removes it once the full one is there.
         */
        if (fault.kind != FAULT_MISSING)
            verify_report_say(names->report, verify_meaning_of(&fault), "%s", fault.why);
        return;
    }
    if (tile->is_entries) {
        struct slice rest = kept, entry;

        for (unsigned i = 0; i < tile->width && tile_bundle_take(&rest, &entry); i++)
            continue;
        kept.len -= rest.len;
    } else {
        kept = slice_part(kept, 0, tile->width * sizeof(struct tree_hash));
    }
    if (!slice_equal(kept, buf_slice(&names->bytes)))
        verify_report_say(names->report, VERIFY_TAMPERING, "%s is not what its records give", path);
}

static void check_file(struct names *names, const char *path)
{
    struct tile tile;
    unsigned width;

    if (!tile_path_parse(slice_of(path), &tile)) {
        verify_report_say(names->report, VERIFY_TAMPERING, "%s is not a tile", path);
        return;
    }
    width = tile_width(tile.level, tile.index, names->report->size);
    if (tile.width > width) {
        if (++names->report->files_ahead == FILES_AHEAD_MAX)
            verify_report_say(names->report, VERIFY_TAMPERING,
                    "many tiles that the checkpoint does not cover");
    } else if (tile.width < width) {
        check_older_partial(names, &tile, width, path);
    }
}

/* Every name below tile/: what no checkpoint asked for does not belong there. */
static void check_names(struct names *names, const char *folder, unsigned depth)
{
    AUTO_CLOSE int fd =
        openat(names->folder, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *dir;

    if (fd < 0 || depth > FOLDER_DEPTH_MAX) {
        if (fd >= 0 || errno != ENOENT)
            verify_report_say(names->report, VERIFY_INCOMPLETE, "%s cannot be listed", folder);
        return;
    }
    dir = fdopendir(fd);
    if (dir == NULL) {
        verify_report_say(names->report, VERIFY_INCOMPLETE, "%s cannot be listed", folder);
        return;
    }
    (void)take_fd(&fd);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        AUTO_FREE char *path = xformat("%s/%s", folder, entry->d_name);
        AUTO_CLOSE int below = -1;

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        below = openat(names->folder, path, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (below >= 0)
            check_names(names, path, depth + 1);
        else
            check_file(names, path);
    }
    (void)closedir(dir);
}

void verify_names(int folder, struct archive *archive, struct verify_report *report)
{
    struct names names = {.folder = folder,
                          .archive = archive,
                          .report = report,
                          .bytes = buf_with_limit(TILE_BUNDLE_BYTES_MAX),
                          .kept = buf_with_limit(TILE_BUNDLE_BYTES_MAX)};

    check_names(&names, "tile", 0);
    buf_free(&names.bytes);
    buf_free(&names.kept);
}
