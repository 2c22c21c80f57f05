/* backup, restore: a ledger and what belongs to it, copied, and brought back or elsewhere. */
#include <stdio.h>

#include "base/scope.h"
#include "commands/ledger.h"
#include "commands/table.h"
#include "ledger/verify_files.h"
#include "os/clock_real.h"
#include "os/file.h"
#include "roles/records/backup.h"
#include "roles/ledger_role/parts.h"
#include "roles/records/restore.h"

static const struct option_rule backup_options[] = {
    {"with-key", NULL, "also the signing key and the keys of erasure scopes; keep it as one"},
    {"move", NULL,
     "the ledger goes on at another host: it ends here, with its keys in the copy"},
    {0},
};

static const struct option_rule restore_options[] = {
    {"move", NULL, "go on with a ledger that was moved (`custody backup --move`)"},
    {"key", "VKEY", "the public key that you trust, or a file with it; else the copy's own"},
    {"incomplete", NULL, "also where something is missing, as an archived record is"},
    {0},
};

/* A ledger that was moved already is copied again: the first copy may have been cut off. */
static bool take_to_move(struct session *session, int *ret_folder, int *ret_lock,
                         struct fault *fault)
{
    return file_exists(session->home.fd, "ledger/" LEDGER_MOVED_NAME)
               ? ledger_lock(session->home.fd, ret_folder, ret_lock, fault)
               : ledger_take_idle(session, ret_folder, ret_lock, fault);
}

static bool move(struct session *session, const struct backup_request *request,
                 struct backup_result *result, struct fault *fault)
{
    AUTO_CLOSE int folder = -1;
    AUTO_CLOSE int lock = -1;

    return take_to_move(session, &folder, &lock, fault) &&
           backup_move(session, folder, &clock_real, request, result, fault);
}

static void tell_backup(const struct invocation *invocation, const char *to, bool is_move,
                        const struct backup_result *result)
{
    if (invocation->json) {
        command_print_json(json_pack(
            "{s:s,s:s,s:s,s:I,s:I,s:I}", "backup", to, "kind", is_move ? "move" : "backup",
            "origin", result->origin, "size", (json_int_t)result->size, "files",
            (json_int_t)result->files, "bytes", (json_int_t)result->bytes));
        return;
    }
    (void)printf("%s: %llu records of %s, %llu files, %llu bytes\n", to,
                 (unsigned long long)result->size, result->origin,
                 (unsigned long long)result->files, (unsigned long long)result->bytes);
    if (is_move)
        (void)printf("This ledger has ended here. There: custody restore %s --move\n"
                     "When it goes on there, remove keys/ledger.key here, and this copy.\n",
                     to);
}

static int run_backup(const struct invocation *invocation)
{
    bool is_move = invocation_flag(invocation, "move");
    struct backup_request request = {.to = invocation->arguments[0],
                                     .with_key = invocation_flag(invocation, "with-key")};
    struct backup_result result = {0};
    AUTO_FREE char *person = NULL;
    struct session session;
    struct fault fault = {0};
    bool ok = session_open(&session, &fault);

    if (ok) {
        request.person = person = ledger_person(&session);
        ok = is_move ? move(&session, &request, &result, &fault)
                     : backup_make(&session, &request, &result, &fault);
    }
    session_close(&session);
    if (!ok)
        return command_fail(invocation, &fault);
    tell_backup(invocation, request.to, is_move, &result);
    return EXIT_YES;
}

static void tell_restore(const struct invocation *invocation, const struct home *home,
                         struct restore_result *result)
{
    AUTO_FREE char *vkey = slice_dup(slice_trim(buf_slice(&result->vkey)));
    bool is_move = invocation_flag(invocation, "move");

    if (invocation->json) {
        command_print_json(json_pack("{s:s,s:s,s:s,s:I,s:I}", "home", home->path, "kind",
                                     is_move ? "move" : "backup", "vkey", vkey, "files",
                                     (json_int_t)result->files, "bytes",
                                     (json_int_t)result->bytes));
        return;
    }
    (void)printf("%s%s: %llu files, %llu bytes\n", buf_text(&result->report), home->path,
                 (unsigned long long)result->files, (unsigned long long)result->bytes);
    if (is_move)
        (void)printf("It goes on with the same key:\n  %s\n", vkey);
    else
        (void)printf("A new shard was begun, since records may be missing. Send its key to "
                     "your auditors\nand to whoever runs a witness for you:\n  %s\n",
                     vkey);
}

static int run_restore(const struct invocation *invocation)
{
    AUTO_BUF struct buf key = buf_with_limit(4096);
    struct restore_request request = {.from = invocation->arguments[0],
                                      .is_move = invocation_flag(invocation, "move"),
                                      .may_lack = invocation_flag(invocation, "incomplete")};
    struct restore_result result = {0};
    AUTO_FREE char *person = xformat("uid-%u", (unsigned)getuid());
    struct home home = {.fd = -1};
    struct fault fault = {0};
    bool ok = verify_files_key(invocation_option(invocation, "key"), &key, &fault) &&
              home_open_to_restore(&home, &fault);

    if (ok) {
        request.person = person;
        request.vkey = slice_trim(buf_slice(&key));
        ok = restore_copy(home.fd, &request, &clock_real, &result, &fault);
        if (!ok && !invocation->json && result.report.len > 0)
            (void)fputs(buf_text(&result.report), stderr);
        else if (ok)
            tell_restore(invocation, &home, &result);
    }
    restore_result_free(&result);
    home_close(&home);
    return ok ? EXIT_YES : command_fail(invocation, &fault);
}

const struct command command_backup = {
    .name = "backup",
    .arguments = "DIR",
    .arguments_min = 1,
    .arguments_max = 1,
    .prints_json = true,
    .summary = "Copies the ledger and what belongs to it, while it is at work",
    .text =
        "Into DIR, which is made or empty: all shards up to a checkpoint that is made for "
        "it, public\n"
        "keys, payloads, the store and policy.yaml, and a manifest that `sha256sum -c` "
        "checks. Not the\n"
        "cache, what runs need while they live, and engines. ledger.backup is recorded "
        "before and after.\n"
        "Keys are left out, unless you ask: with them, whoever has the copy can sign as "
        "this ledger,\n"
        "and what is erased here can still be read there. Erase in copies, too.\n"
        "--move ends the ledger here (last record: ledger.moved); no run may be under way.",
    .options = backup_options,
    .run = run_backup,
};

const struct command command_restore = {
    .name = "restore",
    .arguments = "DIR",
    .arguments_min = 1,
    .arguments_max = 1,
    .prints_json = true,
    .summary = "Makes a state folder out of a backup, verified whole",
    .text = "Into the state folder ($CUSTODY_HOME), which is made or empty. Every file is "
            "compared with\n"
            "the manifest, and all shards are verified; what does not hold is refused.\n"
            "A copy that was not moved begins a new shard (reason: restored), because what "
            "was recorded\n"
            "since may be lost or may be elsewhere: with the same key, that would be a "
            "rollback, or a fork.\n"
            "With --move, a ledger that was moved goes on as it is. Restore it once.",
    .options = restore_options,
    .run = run_restore,
};
