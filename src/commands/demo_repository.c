#include "commands/demo_repository.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/scope.h"
#include "commands/demo_files.h"
#include "os/file.h"
#include "os/spawn.h"

#define FILE_BYTES_MAX (256UL * 1024)
#define REPOSITORY "repository/"

/* Put together here, so that no live-looking value stands in the sources. */
static const struct {
    const char *placeholder; /* in the files; NULL: the value stands there as it is */
    const char *what;
    const char *parts[3];
} secrets[] = {
    {"@CARD@", "card number", {"4012", "8888", "88881881"}},
    {"@TOKEN@", "token in .env", {"ghp_", "Zk3vT9qLw2Xn8RbY", "5cJd7HsGf1MpAe4oUi6B"}},
    {"@SSN@", "social security number", {"536", "-22-", "8726"}},
    {NULL, "patient's name in HL7", {"OKAFOR", "^", "ADAEZE"}},
    {NULL, "patient's name in FHIR", {"Oka", "fo", "r\""}},
    {NULL, "patient's record number", {"MR8", "84", "213"}},
    {NULL, "name in the denied roster", {"Lind", "qvi", "st"}},
};

static void put_value(size_t index, char ret_value[80])
{
    (void)snprintf(ret_value, 80, "%s%s%s", secrets[index].parts[0], secrets[index].parts[1],
                   secrets[index].parts[2]);
}

void demo_secrets(struct demo_secret ret_secrets[DEMO_SECRETS_MAX], size_t *ret_count)
{
    _Static_assert(COUNT(secrets) <= DEMO_SECRETS_MAX, "room for every value");

    for (size_t i = 0; i < COUNT(secrets); i++) {
        ret_secrets[i].what = secrets[i].what;
        put_value(i, ret_secrets[i].value);
    }
    *ret_count = COUNT(secrets);
}

static const struct demo_file *find_file(const char *name)
{
    for (size_t i = 0; i < demo_files_count; i++)
        if (strcmp(demo_files[i].name, name) == 0)
            return &demo_files[i];
    return NULL;
}

static struct slice content_of(const char *name)
{
    const struct demo_file *file = find_file(name);

    return file == NULL ? slice_of("") : slice_of_bytes(file->at, file->len);
}

struct slice demo_ticket(void)
{
    return content_of("ticket.md");
}

struct slice demo_script(void)
{
    return content_of("script.yaml");
}

/* The file's content with the values in their places. */
static bool fill_in(const struct demo_file *file, struct buf *out, struct fault *fault)
{
    struct slice rest = slice_of_bytes(file->at, file->len);

    while (rest.len > 0) {
        size_t at = SIZE_MAX, index = 0;
        char value[80] = "";

        for (size_t i = 0; i < COUNT(secrets); i++) {
            size_t found = secrets[i].placeholder == NULL
                               ? SIZE_MAX
                               : slice_find(rest, slice_of(secrets[i].placeholder), 0);
            if (found < at) {
                at = found;
                index = i;
            }
        }
        if (at == SIZE_MAX)
            return buf_add(out, rest, fault);
        put_value(index, value);
        if (!buf_add(out, slice_part(rest, 0, at), fault) || !buf_add_text(out, value, fault))
            return false;
        rest = slice_part(rest, at + strlen(secrets[index].placeholder), rest.len);
    }
    return true;
}

static bool write_file(const char *folder, const struct demo_file *file, struct fault *fault)
{
    AUTO_BUF struct buf content = buf_with_limit(FILE_BYTES_MAX);
    const char *name = file->name + strlen(REPOSITORY);
    bool hidden = strncmp(name, "dot-", 4) == 0;
    AUTO_FREE char *path =
        xformat("%s/%s%s", folder, hidden ? "." : "", hidden ? name + 4 : name);
    AUTO_FREE char *parent = xstrdup(path);

    *strrchr(parent, '/') = 0;
    return file_make_folders(parent, 0755, fault) && fill_in(file, &content, fault) &&
           file_create(AT_FDCWD, path, buf_slice(&content), 0644, fault);
}

static bool git(const char *folder, const char *const *words, struct fault *fault)
{
    static const char *const environment[] = {"PATH=/usr/bin:/bin",
                                              "HOME=/nonexistent",
                                              "GIT_CONFIG_NOSYSTEM=1",
                                              "GIT_AUTHOR_NAME=Sam",
                                              "GIT_AUTHOR_EMAIL=sam@hospital.example",
                                              "GIT_COMMITTER_NAME=Sam",
                                              "GIT_COMMITTER_EMAIL=sam@hospital.example",
                                              NULL};
    const char *argv[12] = {"git", "-C", folder};
    struct spawn_program program = {.argv = argv, .environment = environment};
    AUTO_BUF struct buf output = buf_with_limit(65536);
    size_t count = 3;
    int status = 0;

    while (*words != NULL && count < COUNT(argv) - 1)
        argv[count++] = *words++;
    if (!spawn_run(&program, slice_of(""), &output, &status, fault))
        return false;
    return status == 0 ? true : fault_in(fault, "git %s", argv[3]);
}

static bool is_empty(const char *folder, bool *ret_empty, struct fault *fault)
{
    DIR *listing = opendir(folder);
    const struct dirent *entry;
    size_t count = 0;

    if (listing == NULL)
        return fault_errno(fault, "list %s", folder);
    while ((entry = readdir(listing)) != NULL)
        count++;
    (void)closedir(listing);
    *ret_empty = count == 2; /* "." and ".." */
    return true;
}

bool demo_repository_make(const char *folder, struct fault *fault)
{
    bool empty = false;

    if (!file_make_folders(folder, 0755, fault) || !is_empty(folder, &empty, fault))
        return false;
    if (!empty)
        return fault_set(fault, FAULT_CONFLICT, "%s is not empty", folder);
    for (size_t i = 0; i < demo_files_count; i++)
        if (strncmp(demo_files[i].name, REPOSITORY, strlen(REPOSITORY)) == 0 &&
            !write_file(folder, &demo_files[i], fault))
            return false;
    return git(folder, (const char *const[]){"init", "-q", "-b", "main", NULL}, fault) &&
           git(folder, (const char *const[]){"add", "-A", NULL}, fault) &&
           git(folder, (const char *const[]){"commit", "-q", "-m", "Billing, as it is", NULL},
               fault);
}
