#include "commands/demo_repository.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/scope.h"
#include "commands/demo_files.h"
#include "os/file.h"
#include "os/spawn.h"

#define FILE_BYTES_MAX (256UL * 1024)
#define OUTPUT_BYTES_MAX (64UL * 1024)
#define PARTS_MAX 3

/* In parts, so that no scanner takes this file for one that holds a card or a key. */
static const struct stand_in {
    const char *word;
    const char *what;
    const char *beside;
    const char *parts[PARTS_MAX];
} stand_ins[] = {
    {"@CARD@", "payment card", "holder,card,expires", {"4532", "1007", "89314462"}},
    {"@CARD_DECLINED@", "second payment card", "Test Declined", {"5200", "8200", "17455120"}},
    {"@MRN@", "medical record number", "ADT^A01", {"MRN-", "7730", "4192"}},
    {"@FAMILY@", "patient's family name", "urn:st-brigid:plan", {"Okon", "kwo", "-Reyes"}},
    {"@SSN@", "social security number", "Tri-County Mutual", {"518", "-43-", "7206"}},
    {"@TOKEN@",
     "clearinghouse token",
     NULL,
     {"ghp_", "R4kV9sQ2mZ7xW1tB", "8nY3cL6hJ0pF5dGaUeTo"}},
    {"@PASSWORD@", "database password", NULL, {"h7-Tr", "ellis", "-Quay"}},
    {"@MRN_FIXTURE@", "record in the patient extract", NULL, {"MRN-", "8841", "0035"}},
};

_Static_assert(COUNT(stand_ins) <= DEMO_SECRETS_MAX, "a secret for each stand-in");

static void value_of(const struct stand_in *row, char ret_value[80])
{
    (void)snprintf(ret_value, 80, "%s%s%s", row->parts[0], row->parts[1], row->parts[2]);
}

void demo_secrets(struct demo_secret ret_secrets[DEMO_SECRETS_MAX], size_t *ret_count)
{
    for (size_t i = 0; i < COUNT(stand_ins); i++) {
        ret_secrets[i] =
            (struct demo_secret){.what = stand_ins[i].what, .beside = stand_ins[i].beside};
        value_of(&stand_ins[i], ret_secrets[i].value);
    }
    *ret_count = COUNT(stand_ins);
}

static struct slice embedded(const char *name)
{
    for (size_t i = 0; i < demo_files_count; i++)
        if (strcmp(demo_files[i].name, name) == 0)
            return slice_of_bytes(demo_files[i].at, demo_files[i].len);
    return slice_of("");
}

struct slice demo_ticket(void)
{
    return embedded("ticket.md");
}

struct slice demo_script(void)
{
    return embedded("script.yaml");
}

/* The row whose word begins `text`. */
static const struct stand_in *stand_in_at(struct slice text)
{
    for (size_t i = 0; i < COUNT(stand_ins); i++)
        if (slice_starts_with(text, slice_of(stand_ins[i].word)))
            return &stand_ins[i];
    return NULL;
}

static bool fill_in(struct slice text, struct buf *out, struct fault *fault)
{
    size_t from = 0;

    for (size_t at = 0; (at = slice_find_byte(text, '@', at)) != SIZE_MAX;) {
        const struct stand_in *row = stand_in_at(slice_part(text, at, text.len));
        char value[80];

        if (row == NULL) {
            at++;
            continue;
        }
        value_of(row, value);
        if (!buf_add(out, slice_part(text, from, at), fault) ||
            !buf_add_text(out, value, fault))
            return false;
        from = at += strlen(row->word);
    }
    return buf_add(out, slice_part(text, from, text.len), fault);
}

/* Where a file of ours goes: its folders made, dot-NAME as .NAME. */
static bool place_of(const char *folder, const char *name, char **ret_path,
                     struct fault *fault)
{
    static const char dot[] = "dot-";
    const char *slash = strrchr(name, '/');
    const char *last = slash == NULL ? name : slash + 1;
    bool hidden = strncmp(last, dot, strlen(dot)) == 0;
    AUTO_FREE char *parent = xformat("%s/%.*s", folder, (int)(last - name), name);

    if (!file_make_folders(parent, 0755, fault))
        return false;
    *ret_path =
        xformat("%s%s%s", parent, hidden ? "." : "", hidden ? last + strlen(dot) : last);
    return true;
}

static bool write_file(const char *folder, const char *name, struct slice text,
                       struct fault *fault)
{
    AUTO_BUF struct buf content = buf_with_limit(FILE_BYTES_MAX);
    AUTO_FREE char *path = NULL;

    return place_of(folder, name, &path, fault) && fill_in(text, &content, fault) &&
           file_create(AT_FDCWD, path, buf_slice(&content), 0644, fault);
}

static bool write_files(const char *folder, struct fault *fault)
{
    static const char root[] = "repository/";

    for (size_t i = 0; i < demo_files_count; i++) {
        const struct demo_file *file = &demo_files[i];

        if (strncmp(file->name, root, strlen(root)) == 0 &&
            !write_file(folder, file->name + strlen(root), slice_of_bytes(file->at, file->len),
                        fault))
            return fault_in(fault, "write %s", file->name);
    }
    return write_file(folder, "TICKET.md", demo_ticket(), fault);
}

/* Nobody's configuration, a fixed author and date: the commit is the same everywhere. */
static bool git(const char *folder, const char *const *argv, struct fault *fault)
{
    static const char *const environment[] = {"PATH=/usr/local/bin:/usr/bin:/bin",
                                              "HOME=/nonexistent",
                                              "LANG=C.UTF-8",
                                              "GIT_CONFIG_NOSYSTEM=1",
                                              "GIT_CONFIG_GLOBAL=/dev/null",
                                              "GIT_AUTHOR_NAME=Lena Haverford",
                                              "GIT_AUTHOR_EMAIL=lena@hospital.example",
                                              "GIT_AUTHOR_DATE=2026-03-02T09:00:00Z",
                                              "GIT_COMMITTER_NAME=Lena Haverford",
                                              "GIT_COMMITTER_EMAIL=lena@hospital.example",
                                              "GIT_COMMITTER_DATE=2026-03-02T09:00:00Z",
                                              NULL};
    struct spawn_program program = {
        .argv = argv, .environment = environment, .folder = folder};
    AUTO_BUF struct buf output = buf_with_limit(OUTPUT_BYTES_MAX);
    int status = 0;

    if (!spawn_run(&program, slice_of(""), &output, &status, fault))
        return fault_in(fault, "git %s", argv[1]);
    return status == 0 || fault_set(fault, FAULT_IO, "git %s ended with %d", argv[1], status);
}

static bool commit(const char *folder, struct fault *fault)
{
    static const char *const init[] = {"git", "init", "-q", "-b", "main", "--template=", NULL};
    static const char *const add[] = {"git", "add", "-A", NULL};
    static const char *const first[] = {"git", "commit", "-q", "-m", "Billing 2.3.0", NULL};

    return git(folder, init, fault) && git(folder, add, fault) && git(folder, first, fault);
}

static bool check_empty(const char *folder, struct fault *fault)
{
    DIR *entries = opendir(folder);
    size_t count = 0;

    if (entries == NULL)
        return fault_errno(fault, "open %s", folder);
    while (readdir(entries) != NULL)
        count++;
    (void)closedir(entries);
    return count <= 2 || fault_set(fault, FAULT_CONFLICT, "%s is not empty", folder);
}

bool demo_repository_make(const char *folder, struct fault *fault)
{
    return file_make_folders(folder, 0755, fault) && check_empty(folder, fault) &&
           write_files(folder, fault) && commit(folder, fault);
}
