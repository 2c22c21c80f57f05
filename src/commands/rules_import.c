/* rules import: rule files of another scanner as rules of ours. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/scope.h"
#include "classify/import/import.h"
#include "commands/table.h"
#include "flow/home.h"
#include "os/file.h"
#include "roles/scanning/rules.h"
#include "wire/toml.h"

#define TAIL ".toml"

static const char *const kind_names[] = {
    [IMPORT_CHANGED] = "changed", [IMPORT_LEFT_OUT] = "left out", [IMPORT_WRONG] = "wrong"};

static void print_notes(const struct import *import, const char *file)
{
    for (size_t i = 0; i < import->note_count; i++) {
        const struct import_note *note = &import->notes[i];

        (void)fprintf(stderr, "%s:%d: %s%s%s: %s\n", file, note->line, kind_names[note->kind],
                      *note->rule == 0 ? "" : ": ", note->rule, note->why);
    }
}

static void print_result(const struct import *import, const char *path)
{
    json_t *notes = json_array();

    for (size_t i = 0; i < import->note_count; i++)
        (void)json_array_append_new(
            notes, json_pack("{s:s, s:s, s:i, s:s}", "kind", kind_names[import->notes[i].kind],
                             "rule", import->notes[i].rule, "line", import->notes[i].line,
                             "why", import->notes[i].why));
    command_print_json(json_pack("{s:s, s:I, s:I, s:o}", "file", path, "taken",
                                 (json_int_t)import->taken, "left_out",
                                 (json_int_t)import->left_out, "notes", notes));
}

/* rules.toml becomes DIR/rules.yaml; DIR is made where it is not there. */
static char *path_of(const char *file, const char *folder, struct fault *fault)
{
    AUTO_FREE char *home = home_path();
    AUTO_FREE char *own = home == NULL ? NULL : xformat("%s/rules", home);
    const char *name = strrchr(file, '/');
    struct slice stem = slice_of(name == NULL ? file : name + 1);

    if (folder == NULL)
        folder = own;
    if (folder == NULL) {
        (void)fault_set(fault, FAULT_MISSING, "no state folder: give --out");
        return NULL;
    }
    if (slice_ends_with(stem, SLICE(TAIL)))
        stem = slice_part(stem, 0, stem.len - strlen(TAIL));
    if (stem.len > 0 && stem.at[0] == '.') /* .gitleaks.toml: a hidden file is no rule file */
        stem = slice_part(stem, 1, stem.len);
    if (stem.len == 0) {
        (void)fault_set(fault, FAULT_INVALID, "%s has no name", file);
        return NULL;
    }
    if (!file_make_folders(folder, 0700, fault))
        return NULL;
    return xformat("%s/%.*s.yaml", folder, SLICE_ARGS(stem));
}

/* Beside the built-in rules and those that are in use. */
static bool try_rules(const struct import *import, const char *path, struct fault *fault)
{
    AUTO_BUF struct buf image = buf_with_limit(RULES_IMAGE_BYTES_MAX);
    struct rule_files files = {0};
    bool ok = rule_files_find(&files, fault) &&
              rule_files_add_text(&files, buf_slice(&import->yaml), path, fault) &&
              rules_image_make(files.at, files.count, &image, fault);

    rule_files_free(&files);
    return ok;
}

static bool refuse_present(const char *path, struct fault *fault)
{
    return fault_set(fault, FAULT_CONFLICT, "%s is there already: remove it first", path);
}

static bool write_new(const struct import *import, const char *path, struct fault *fault)
{
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return errno == EEXIST ? refuse_present(path, fault)
                               : fault_errno(fault, "create %s", path);
    if (file_write_all(fd, buf_slice(&import->yaml), fault))
        return true;
    (void)unlink(path);
    return fault_in(fault, "write %s", path);
}

static bool import_file(const struct invocation *invocation, struct import *import,
                        char **path, struct fault *fault)
{
    const char *file = invocation->arguments[0];
    AUTO_BUF struct buf toml = buf_with_limit(TOML_BYTES_MAX);

    if (!file_read(AT_FDCWD, file, &toml, fault))
        return fault_in(fault, "read %s", file);
    if (!rules_import(buf_slice(&toml), file, import, fault))
        return false;
    if (!invocation->json || import->wrong > 0)
        print_notes(import, file);
    if (import->wrong > 0)
        return fault_set(
            fault, FAULT_INVALID,
            "%s: %zu rules are wrong (above); nothing was written. Mend or remove them", file,
            import->wrong);
    if (import->taken == 0)
        return fault_set(fault, FAULT_INVALID, "%s: no rule could be taken over", file);
    *path = path_of(file, invocation_option(invocation, "out"), fault);
    if (*path == NULL)
        return false;
    if (file_exists(AT_FDCWD, *path))
        return refuse_present(*path, fault);
    return try_rules(import, *path, fault) && write_new(import, *path, fault);
}

static int run_import(const struct invocation *invocation)
{
    AUTO_FREE char *path = NULL;
    struct import import = {0};
    struct fault fault = {0};
    bool ok = import_file(invocation, &import, &path, &fault);

    if (ok && invocation->json)
        print_result(&import, path);
    else if (ok)
        (void)printf("%s: %zu rules, each found by its example; %zu left out\n", path,
                     import.taken, import.left_out);
    import_free(&import);
    return ok ? EXIT_YES : command_fail(invocation, &fault);
}

const struct command command_rules_import = {
    .name = "rules import",
    .arguments = "FILE.toml",
    .arguments_min = 1,
    .arguments_max = 1,
    .prints_json = true,
    .summary = "Takes over rules of a gitleaks file (TOML)",
    .text =
        "Each rule that has a pattern becomes one of ours, with an example that it finds. "
        "What a rule "
        "lost on the way is said, and which rules have nothing like them here. If one is "
        "wrong "
        "(it does not compile, no example can be made of it), all that are wrong are named, "
        "nothing is written and the exit code is 3.",
    .options = (const struct option_rule[]){{"out", "DIR",
                                             "where FILE.yaml is written; otherwise rules/ of "
                                             "the state folder, where it counts"},
                                            {NULL, NULL, NULL}},
    .run = run_import,
};
