/* custody breakglass list - every break-glass there was, and whether its signatures hold. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/scope.h"
#include "change/sshsig.h"
#include "commands/breakglass.h"
#include "commands/table.h"
#include "os/clock_real.h"
#include "os/file.h"
#include "roles/session.h"

struct listed {
    char *digest;
    struct buf text, arena, signatures[2];
    struct breakglass_statement statement;
    bool active, valid;
    struct fault why; /* it is not valid */
};

struct listing {
    struct session session;
    struct policy *policy;
    int folder;
    struct listed *rows;
    size_t count, room;
};

static bool read_part(const struct listing *listing, const struct listed *row,
                      const char *name, struct buf *ret_bytes, struct fault *fault)
{
    AUTO_FREE char *path = xformat("%s.%s", row->digest, name);

    return file_read(listing->folder, path, ret_bytes, fault);
}

/* The digest is what the ledger's record names: the statement must have it. */
static bool check(const struct listing *listing, struct listed *row, const char *scratch,
                  struct fault *fault)
{
    struct slice signatures[2];
    char digest[65];

    approval_digest(buf_slice(&row->text), digest);
    if (strcmp(digest, row->digest) != 0)
        return fault_set(fault, FAULT_DENIED, "the statement is not the one that was signed");
    if (!read_part(listing, row, "first.sig", &row->signatures[0], fault) ||
        !read_part(listing, row, "second.sig", &row->signatures[1], fault))
        return false;
    signatures[0] = buf_slice(&row->signatures[0]);
    signatures[1] = buf_slice(&row->signatures[1]);
    return breakglass_check(listing->policy, &row->statement, buf_slice(&row->text),
                            signatures, scratch, fault);
}

static bool add(struct listing *listing, struct slice digest, const char *scratch,
                struct fault *fault)
{
    char now[CLOCK_TEXT_BYTES];
    struct listed *row;

    listing->rows =
        xgrow(listing->rows, &listing->room, listing->count + 1, sizeof(listing->rows[0]));
    row = &listing->rows[listing->count++];
    *row = (struct listed){
        .digest = slice_dup(digest),
        .text = buf_with_limit(BREAKGLASS_STATEMENT_BYTES_MAX),
        .arena = buf_with_limit(2UL * BREAKGLASS_STATEMENT_BYTES_MAX + 256),
        .signatures = {buf_with_limit(SSHSIG_BYTES_MAX), buf_with_limit(SSHSIG_BYTES_MAX)}};
    if (!read_part(listing, row, "json", &row->text, fault) ||
        !breakglass_decode(buf_slice(&row->text), &row->arena, &row->statement, fault))
        return fault_in(fault, BREAKGLASS_FOLDER "/%s.json", row->digest);
    row->valid = check(listing, row, scratch, &row->why);
    clock_text(clock_now_us(&clock_real), now);
    row->active = row->valid && strcmp(now, row->statement.expires) < 0;
    return true;
}

static bool read_all(struct listing *listing, const char *scratch, struct fault *fault)
{
    int own = openat(listing->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = own < 0 ? NULL : fdopendir(own);
    struct dirent *entry;
    bool ok = true;

    if (dir == NULL) {
        scope_close(&own);
        return fault_errno(fault, "list " BREAKGLASS_FOLDER);
    }
    while (ok && (entry = readdir(dir)) != NULL) {
        struct slice name = slice_of(entry->d_name);

        if (name.len == 64 + 5 && slice_ends_with(name, SLICE(".json")))
            ok = add(listing, slice_part(name, 0, 64), scratch, fault);
    }
    (void)closedir(dir);
    return ok;
}

static int by_time(const void *a, const void *b)
{
    return strcmp(((const struct listed *)a)->statement.time,
                  ((const struct listed *)b)->statement.time);
}

static bool list(struct listing *listing, struct fault *fault)
{
    char scratch[] = "/tmp/custody-breakglass-XXXXXX";
    const struct policy_settings *organisation;
    struct fault left = {0};
    bool ok;

    if (!session_open(&listing->session, fault) ||
        !session_organisation(&listing->session, &organisation, fault) ||
        !policy_build(organisation, NULL, &listing->policy, fault) ||
        !file_open_folder(listing->session.home.fd, BREAKGLASS_FOLDER, 0700, &listing->folder,
                          fault))
        return false;
    if (mkdtemp(scratch) == NULL)
        return fault_errno(fault, "make a folder in /tmp");
    ok = read_all(listing, scratch, fault);
    if (!file_remove_tree(AT_FDCWD, scratch, &left))
        (void)fprintf(stderr, "custody: warning: %s\n", left.why);
    if (ok && listing->count > 1)
        qsort(listing->rows, listing->count, sizeof(listing->rows[0]), by_time);
    return ok;
}

static void print_json(const struct listing *listing)
{
    json_t *rows = json_array();

    for (size_t i = 0; i < listing->count; i++) {
        const struct listed *row = &listing->rows[i];
        const struct breakglass_statement *said = &row->statement;

        (void)json_array_append_new(
            rows,
            json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:b,s:b,s:s}", "digest", row->digest,
                      "first", said->first, "second", said->second, "reason", said->reason,
                      "ledger", said->ledger, "time", said->time, "expires", said->expires,
                      "active", row->active, "valid", row->valid, "why", row->why.why));
    }
    command_print_json(rows);
}

static void print_text(const struct listing *listing)
{
    for (size_t i = 0; i < listing->count; i++) {
        const struct listed *row = &listing->rows[i];

        (void)printf("%s until %s  %s, %s: %s  %s%s\n", row->statement.time,
                     row->statement.expires, row->statement.first, row->statement.second,
                     row->statement.reason,
                     row->active  ? "active"
                     : row->valid ? "over"
                                  : "NOT VALID: ",
                     row->why.why);
    }
}

static int run(const struct invocation *invocation)
{
    struct listing listing = {.session.home.fd = -1, .folder = -1};
    struct fault fault = {0};
    bool ok = list(&listing, &fault), all_valid = true;

    for (size_t i = 0; i < listing.count; i++)
        all_valid = all_valid && listing.rows[i].valid;
    if (ok && invocation->json)
        print_json(&listing);
    else if (ok)
        print_text(&listing);
    for (size_t i = 0; i < listing.count; i++) {
        free(listing.rows[i].digest);
        buf_free(&listing.rows[i].text);
        buf_free(&listing.rows[i].arena);
        buf_free(&listing.rows[i].signatures[0]);
        buf_free(&listing.rows[i].signatures[1]);
    }
    free(listing.rows);
    scope_close(&listing.folder);
    policy_free(listing.policy);
    session_close(&listing.session);
    return !ok ? command_fail(invocation, &fault) : all_valid ? EXIT_YES : EXIT_NO;
}

const struct command command_breakglass_list = {
    .name = "breakglass list",
    .arguments = "",
    .prints_json = true,
    .summary = "Lists every break-glass there was, and whether its signatures hold",
    .text = "Exit: 0 all signatures hold, 1 one does not.",
    .run = run,
};
