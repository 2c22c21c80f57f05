/* change list, show, diff: what there is to decide over. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/scope.h"
#include "base/utf8.h"
#include "commands/change.h"
#include "commands/table.h"
#include "os/file.h"

#define PATCH_SHOWN_BYTES_MAX (32UL * 1024 * 1024)

static json_t *words_json(const char *words)
{
    struct slice rest = slice_of(words == NULL ? "" : words), word;
    json_t *array = json_array();

    while (slice_cut(&rest, ' ', &word))
        if (word.len > 0)
            (void)json_array_append_new(array, json_stringn((const char *)word.at, word.len));
    return array;
}

static json_t *change_json(const struct store_change *change)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:o}", "id", change->id, "run",
                     change->run, "state", change->state, "base", change->base, "head",
                     change->head, "tree", change->tree, "files", (json_int_t)change->files,
                     "lines", (json_int_t)change->lines, "reasons",
                     words_json(change->reasons));
}

static bool list_change(void *self, const struct store_change *change, struct fault *fault)
{
    (void)fault;
    if (self != NULL)
        (void)json_array_append_new(self, change_json(change));
    else
        (void)printf("%-24s %-10s %3lld files %5lld lines  %s %s\n", change->id, change->state,
                     (long long)change->files, (long long)change->lines, change->repository,
                     change->reasons);
    return true;
}

static int run_list(const struct invocation *invocation)
{
    struct session session = {.home.fd = -1};
    struct store *store;
    json_t *rows = invocation->json ? json_array() : NULL;
    struct fault fault = {0};
    bool ok = session_open(&session, &fault) && session_store(&session, &store, &fault) &&
              store_changes(store, NULL, list_change, rows, NULL, &fault);

    session_close(&session);
    if (ok && rows != NULL)
        command_print_json(json_incref(rows));
    json_decref(rows);
    return ok ? EXIT_YES : command_fail(invocation, &fault);
}

const struct command command_change_list = {
    .name = "change list",
    .arguments = "",
    .prints_json = true,
    .summary = "Lists changes, newest first",
    .run = run_list,
};

struct showing {
    json_t *files, *approvals; /* NULL: for people, printed at once */
};

static bool show_file(void *self, const struct collect_file *file, struct fault *fault)
{
    const struct showing *showing = self;
    AUTO_BUF struct buf path = buf_with_limit(4UL * GIT_PATH_BYTES_MAX);

    if (!record_printable(file->path, &path, fault))
        return false;
    if (showing->files != NULL)
        (void)json_array_append_new(
            showing->files,
            json_pack("{s:s, s:s, s:I, s:I, s:b}", "path", buf_text(&path), "status",
                      (char[]){file->status, 0}, "added", (json_int_t)file->added, "removed",
                      (json_int_t)file->removed, "binary", file->binary));
    else
        (void)printf("  %c %s%s +%llu -%llu\n", file->status, buf_text(&path),
                     file->binary ? " (binary)" : "", (unsigned long long)file->added,
                     (unsigned long long)file->removed);
    return true;
}

static void show_approval(void *self, const struct store_approval *row, const char *why)
{
    const struct showing *showing = self;
    char time[CLOCK_TEXT_BYTES];

    clock_text(row->time_us, time);
    if (showing->approvals != NULL)
        (void)json_array_append_new(showing->approvals,
                                    json_pack("{s:s, s:s, s:s, s:b, s:s*}", "person",
                                              row->person, "time", time, "digest", row->digest,
                                              "valid", why == NULL, "why", why));
    else
        (void)printf("  approved by %s at %s%s%s\n", row->person, time,
                     why == NULL ? "" : ", does not count: ", why == NULL ? "" : why);
}

static void show_head(const struct deciding *d)
{
    char time[CLOCK_TEXT_BYTES];
    const struct {
        const char *name, *value;
    } rows[] = {
        {"change", d->id},        {"state", change_state_name(d->state)},
        {"because", d->reasons},  {"run", d->run},
        {"made", time},           {"repository", d->repository},
        {"branch", d->branch},    {"for", d->into},
        {"base", d->base},        {"head", d->head},
        {"tree", d->tree},        {"requester", d->requester},
        {"zones", d->zones},      {"policy", d->policy_digest},
        {"landed as", d->landed},
    };

    clock_text(d->made_us, time);
    for (size_t i = 0; i < COUNT(rows); i++)
        if (rows[i].value[0] != 0)
            (void)printf("%-11s %s\n", rows[i].name, rows[i].value);
    (void)printf("%-11s %lld, %lld lines\n", "files", (long long)d->files,
                 (long long)d->lines);
}

static json_t *head_json(const struct deciding *d, size_t valid)
{
    char time[CLOCK_TEXT_BYTES];

    clock_text(d->made_us, time);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:s, "
                     "s:I, s:I, s:s*}",
                     "id", d->id, "run", d->run, "state", change_state_name(d->state), "made",
                     time, "repository", d->repository, "branch", d->branch, "into", d->into,
                     "base", d->base, "head", d->head, "tree", d->tree, "requester",
                     d->requester, "zones", words_json(d->zones), "reasons",
                     words_json(d->reasons), "policy", d->policy_digest, "approvals_needed",
                     (json_int_t)d->needed, "approvals_valid", (json_int_t)valid, "landed",
                     d->landed[0] == 0 ? NULL : d->landed);
}

/* Approvals count for what would land now; a change that landed or conflicts has none to
 * count. */
static bool show_approvals(struct deciding *d, const struct showing *showing,
                           size_t *ret_valid, struct fault *fault)
{
    struct showing copy = *showing;
    struct fault none = {0};

    if (d->into[0] != 0 &&
        !collect_landing(d->collect, d->into, d->head, &d->landing, &none) &&
        showing->files == NULL)
        (void)printf("does not land in %s now: %s\n", d->into, none.why);
    return deciding_count(d, show_approval, &copy, ret_valid, fault);
}

static bool show(const struct invocation *invocation, struct deciding *d, struct fault *fault)
{
    struct showing showing = {0};
    size_t valid = 0;
    json_t *all;

    if (invocation->json)
        showing = (struct showing){.files = json_array(), .approvals = json_array()};
    else
        show_head(d);
    if (!collect_files(d->collect, d->base, d->head, show_file, &showing, fault) ||
        !show_approvals(d, &showing, &valid, fault)) {
        json_decref(showing.files);
        json_decref(showing.approvals);
        return false;
    }
    if (!invocation->json) {
        (void)printf("%zu of %lld approvals\n", valid, (long long)d->needed);
        return true;
    }
    all = head_json(d, valid);
    (void)json_object_set_new(all, "files", showing.files);
    (void)json_object_set_new(all, "approvals", showing.approvals);
    command_print_json(all);
    return true;
}

static int run_show(const struct invocation *invocation)
{
    struct deciding d;
    struct fault fault = {0};
    bool ok = deciding_open(invocation->arguments[0], &d, &fault) &&
              deciding_repository(&d, NULL, false, &fault) && show(invocation, &d, &fault);

    deciding_close(&d);
    return ok ? EXIT_YES : command_fail(invocation, &fault);
}

const struct command command_change_show = {
    .name = "change show",
    .arguments = "ID",
    .arguments_min = 1,
    .arguments_max = 1,
    .prints_json = true,
    .summary = "Shows a change: its state and why, its files, who approved it",
    .text = "Approvals are counted anew: the signature, the person and the tree that would "
            "land now.",
    .run = run_show,
};

/* On a terminal nothing in a patch is obeyed and nothing hides: who approves sees what there
 * is. */
static bool show_patch(const struct deciding *d, struct fault *fault)
{
    AUTO_CLOSE int patch = memfd_create("patch", MFD_CLOEXEC);
    AUTO_BUF struct buf text = buf_with_limit(PATCH_SHOWN_BYTES_MAX);
    AUTO_BUF struct buf visible = buf_with_limit(8 * PATCH_SHOWN_BYTES_MAX);
    char digest[65];

    if (patch < 0)
        return fault_errno(fault, "make room for the patch");
    if (!collect_diff(d->collect, d->base, d->head, patch, digest, fault))
        return false;
    if (lseek(patch, 0, SEEK_SET) < 0)
        return fault_errno(fault, "go back to the patch's start");
    if (!file_read_fd(patch, &text, fault))
        return fault_in(fault, "the patch is large, send it to a file");
    return utf8_add_visible(&visible, buf_slice(&text), fault) &&
           file_write_all(1, buf_slice(&visible), fault);
}

static bool diff(const struct deciding *d, struct fault *fault)
{
    char digest[65];

    return isatty(1) ? show_patch(d, fault)
                     : collect_diff(d->collect, d->base, d->head, 1, digest, fault);
}

static int run_diff(const struct invocation *invocation)
{
    struct deciding d;
    struct fault fault = {0};
    bool ok = deciding_open(invocation->arguments[0], &d, &fault) &&
              deciding_repository(&d, NULL, false, &fault) && diff(&d, &fault);

    deciding_close(&d);
    return ok ? EXIT_YES : command_fail(invocation, &fault);
}

const struct command command_change_diff = {
    .name = "change diff",
    .arguments = "ID",
    .arguments_min = 1,
    .arguments_max = 1,
    .summary = "Shows what a change does, as a patch",
    .text = "On a terminal, control characters, direction marks and other things that do not "
            "show are spelled out\n"
            "(^[, <U+202E>); a file or a pipe gets the patch as it is.",
    .run = run_diff,
};
