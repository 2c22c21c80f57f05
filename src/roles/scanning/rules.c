#include "roles/scanning/rules.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/scope.h"
#include "flow/home.h"
#include "os/file.h"
#include "roles/scanning/kept.h"

#define SYSTEM_FOLDER "/etc/custody/rules"

/* ---- the user's files ---- */

void rule_files_free(struct rule_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        free((void *)(uintptr_t)files->at[i].name);
        free((void *)(uintptr_t)files->at[i].yaml);
    }
    free(files->at);
    *files = (struct rule_files){0};
}

bool rule_files_add(struct rule_files *files, int folder, const char *name, const char *shown,
                    struct fault *fault)
{
    AUTO_BUF struct buf text = buf_with_limit(RULES_TEXT_BYTES_MAX);

    if (!file_read(folder, name, &text, fault))
        return fault_in(fault, "read %s", shown);
    return rule_files_add_text(files, buf_slice(&text), shown, fault);
}

bool rule_files_add_text(struct rule_files *files, struct slice text, const char *shown,
                         struct fault *fault)
{
    uint8_t *copy;

    if (files->count == RULES_TEXTS_MAX)
        return fault_set(fault, FAULT_LIMIT, "more than %d files of rules", RULES_TEXTS_MAX);
    copy = (uint8_t *)slice_dup(text);
    files->at = xgrow(files->at, &files->room, files->count + 1, sizeof(*files->at));
    files->at[files->count++] =
        (struct rules_text){.name = xstrdup(shown), .yaml = copy, .len = text.len};
    return true;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_rule_file(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && slice_ends_with(slice_of(entry->d_name), SLICE(".yaml"));
}

static bool add_folder(struct rule_files *files, const char *path, struct fault *fault)
{
    AUTO_CLOSE int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct dirent **names = NULL;
    int count;
    bool ok = true;

    if (folder < 0)
        return errno == ENOENT || fault_errno(fault, "open %s", path);
    count = scandirat(folder, ".", &names, is_rule_file, by_name);
    if (count < 0)
        return fault_errno(fault, "list %s", path);
    for (int i = 0; i < count; i++) {
        AUTO_FREE char *shown = xformat("%s/%s", path, names[i]->d_name);

        ok = ok && rule_files_add(files, folder, names[i]->d_name, shown, fault);
        free(names[i]);
    }
    free(names);
    return ok;
}

bool rule_files_find(struct rule_files *ret_files, struct fault *fault)
{
    AUTO_FREE char *home = home_path();
    AUTO_FREE char *own = home == NULL ? NULL : xformat("%s/rules", home);
    struct rule_files files = {0};

    if (!add_folder(&files, SYSTEM_FOLDER, fault) ||
        (own != NULL && !add_folder(&files, own, fault))) {
        rule_files_free(&files);
        return false;
    }
    *ret_files = files;
    return true;
}

/* ---- what is kept of them ---- */

static bool use_kept(int folder, const char *key)
{
    AUTO_CLOSE int fd = openat(folder, key, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    AUTO_BUF struct buf image = buf_with_limit(RULES_IMAGE_BYTES_MAX);
    struct fault unsaid = {0}; /* it is made anew */

    return fd >= 0 && kept_is_ours(fd) && file_read_fd(fd, &image, &unsaid) &&
           rules_use(buf_slice(&image), key, &unsaid);
}

/* -1: there is no place that is ours. */
static int open_place(void)
{
    AUTO_FREE char *path = kept_place("rules");
    AUTO_CLOSE int folder = -1;
    struct fault unsaid = {0};

    if (path == NULL || !file_make_folders(path, 0711, &unsaid))
        return -1;
    folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return folder >= 0 && kept_is_ours(folder) ? take_fd(&folder) : -1;
}

static bool make(int folder, const char *key, const struct rule_files *files,
                 struct fault *fault)
{
    AUTO_BUF struct buf image = buf_with_limit(RULES_IMAGE_BYTES_MAX);
    struct fault unsaid = {0}; /* the next start makes it again */

    if (!rules_image_make(files->at, files->count, &image, fault))
        return false;
    if (folder >= 0)
        (void)!file_replace_durably(folder, key, buf_slice(&image), 0600, &unsaid);
    return rules_use(buf_slice(&image), key, fault);
}

bool rules_prepare(struct fault *fault)
{
    static bool is_ready;
    struct rule_files files = {0};
    char key[RULES_KEY_LEN + 1];
    AUTO_CLOSE int folder = -1;

    if (is_ready)
        return true;
    if (!rule_files_find(&files, fault))
        return false;
    rules_key(files.at, files.count, key);
    folder = open_place();
    is_ready = (folder >= 0 && use_kept(folder, key)) || make(folder, key, &files, fault);
    rule_files_free(&files);
    return is_ready;
}
