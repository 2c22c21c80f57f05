/* init: policy, keys and ledger for a repository; shows what in it is sensitive. */
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "change/gitdoor.h"
#include "commands/key.h"
#include "commands/scan.h"
#include "commands/table.h"
#include "os/file.h"
#include "os/spawn.h"
#include "roles/collect/collect.h"
#include "roles/ledger_role/ledger.h"
#include "roles/session.h"

#define SSH_KEY_BYTES_MAX 4096

static const struct option_rule options[] = {
    {"repo", "DIR", "the repository (default: this folder)"},
    {"commit", NULL, "commit custody.yaml, too"},
    {"key", "URI", "the signing key is in this PKCS#11 token, or made there"},
    {"seal-with", "FILE", "seal the signing key with this secret (see custody key seal)"},
    {"tpm", NULL, "seal it by this host's TPM 2.0"},
    {"pcrs", "LIST", "and by these registers of it: sha256:7"},
    {NULL, NULL, NULL},
};

/* Letters, digits, "._-@" of a name; what else there is becomes "-". */
static char *plain_name(const char *name)
{
    char *plain = xstrdup(name[0] == 0 ? "repository" : name);

    for (char *at = plain; *at != 0; at++)
        if (!((*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
              (*at >= '0' && *at <= '9') || strchr("._-", *at) != NULL))
            *at = '-';
    return plain;
}

static char *login_name(void)
{
    const struct passwd *entry = getpwuid(getuid());

    return plain_name(entry == NULL ? "person" : entry->pw_name);
}

/* The person's own public key, where there is one: it is what will sign approvals. */
static char *public_key(void)
{
    static const char *const names[] = {".ssh/id_ed25519.pub", ".ssh/id_ecdsa.pub",
                                        ".ssh/id_rsa.pub"};
    const char *home = getenv("HOME");

    for (size_t i = 0; home != NULL && i < COUNT(names); i++) {
        AUTO_FREE char *path = xformat("%s/%s", home, names[i]);
        AUTO_BUF struct buf text = buf_with_limit(SSH_KEY_BYTES_MAX);
        struct fault unsaid = {0};

        if (file_read(AT_FDCWD, path, &text, &unsaid) &&
            slice_find_byte(slice_trim(buf_slice(&text)), '"', 0) == SIZE_MAX &&
            slice_find_byte(slice_trim(buf_slice(&text)), '\n', 0) == SIZE_MAX)
            return slice_dup(slice_trim(buf_slice(&text)));
    }
    return NULL;
}

struct initiation {
    struct home home;
    char *root; /* of the repository */
    char *owner;
    bool made_policy, made_repository_policy, made_keys;
    bool is_uncommitted; /* custody.yaml of the work tree is not HEAD's */
};

static bool write_organisation(struct initiation *init, struct fault *fault)
{
    AUTO_FREE char *email = xformat("%s@localhost", init->owner);
    AUTO_FREE char *key = public_key();
    AUTO_FREE char *text = policy_template_organisation(init->owner, email, key);

    if (file_exists(init->home.fd, "policy.yaml") ||
        file_exists(AT_FDCWD, "/etc/custody/policy.yaml"))
        return true;
    init->made_policy = true;
    return file_create(init->home.fd, "policy.yaml", slice_of(text), 0644, fault);
}

static bool is_person(const char *id, const struct policy_settings *organisation,
                      struct fault *fault)
{
    struct policy *policy = NULL;
    bool found = false;

    if (!policy_build(organisation, NULL, &policy, fault))
        return false;
    for (size_t i = 0; i < policy->people_count; i++)
        found = found || strcmp(policy->people[i].id, id) == 0;
    policy_free(policy);
    return found;
}

/* The owner must be one of the organisation's people: where the caller is none, the line is a
 * comment. */
static bool write_repository(struct initiation *init, struct fault *fault)
{
    AUTO_FREE char *path = xformat("%s/custody.yaml", init->root);
    const char *last = strrchr(init->root, '/');
    AUTO_FREE char *name = plain_name(last == NULL ? init->root : last + 1);
    AUTO_FREE char *text = NULL;
    const struct policy_settings *organisation;
    struct session session = {0};
    struct stat folder;
    bool known;

    if (file_exists(AT_FDCWD, path))
        return true;
    if (!session_open(&session, fault) ||
        !session_organisation(&session, &organisation, fault)) {
        session_close(&session);
        return false;
    }
    known = is_person(init->owner, organisation, fault);
    session_close(&session);
    if (!known && fault->kind != FAULT_NONE)
        return false;
    text = policy_template_repository(name, init->owner);
    if (!known) {
        char *line = strstr(text, "owner: ");

        memcpy(line, "#owner:", strlen("#owner:"));
    }
    init->made_repository_policy = true;
    if (!file_create(AT_FDCWD, path, slice_of(text), 0644, fault))
        return false;
    if (geteuid() == 0 && stat(init->root, &folder) == 0 &&
        lchown(path, folder.st_uid, folder.st_gid) < 0)
        return fault_errno(fault, "give custody.yaml to the repository's owner");
    return true;
}

/* How an existing key is kept is not for init to change. */
static bool make_keys(const struct key_storage *storage, struct initiation *init,
                      struct fault *fault)
{
    struct fault there = {0};

    init->made_keys = ledger_keys_make_as(init->home.fd, storage, &there);
    if (init->made_keys || (there.kind == FAULT_CONFLICT && storage->kind == KEYFILE_PLAIN))
        return true;
    if (there.kind == FAULT_CONFLICT)
        return fault_set(fault, FAULT_INVALID,
                         "there is a signing key already: `custody key seal` changes how it "
                         "is kept");
    *fault = there;
    return false;
}

/* The ledger's first record is its own opening: after this there is a checkpoint to keep. */
static bool open_ledger(struct fault *fault)
{
    struct session session;
    struct ledger_client *ledger;
    bool ok = session_open(&session, fault) && session_ledger(&session, &ledger, fault) &&
              ledger_checkpoint(ledger, fault);

    session_close(&session);
    return ok;
}

/*
 * Runs read it from a commit: a custody.yaml that is in the work tree alone is in force nowhere.
 * Where that cannot be found out nothing is said; the run will.
 */
static bool is_in_no_commit(const struct initiation *init)
{
    struct collect_config config = {.repository = init->root};
    struct collect *collect = NULL;
    struct collect_base base = {0};
    struct fault fault = {0};
    bool found = collect_start(&config, &collect, &fault) &&
                 collect_resolve(collect, NULL, &base, &fault);

    buf_free(&base.settings);
    collect_stop(collect);
    return found ? !base.has_policy : fault.kind == FAULT_MISSING;
}

/* As the person, in the person's repository, with their name: this is their commit. */
static bool commit_policy(struct initiation *init, struct fault *fault)
{
    extern char **environ;
    const char *const add[] = {"git", "-C", init->root, "add", "--", GIT_POLICY_FILE, NULL};
    const char *const commit[] = {
        "git",           "-C", init->root, "commit", "-q", "-m", "Add custody.yaml", "--",
        GIT_POLICY_FILE, NULL};
    const char *const *steps[] = {add, commit};

    for (size_t i = 0; i < COUNT(steps); i++) {
        struct spawn_program program = {.argv = steps[i],
                                        .environment = (const char *const *)environ};
        AUTO_BUF struct buf output = buf_with_limit(65536);
        struct fault why = {0};
        int status = 0;

        if (!spawn_run(&program, slice_of(""), &output, &status, &why) || status != 0) {
            *fault = why;
            return fault_in(fault, "commit custody.yaml");
        }
    }
    init->is_uncommitted = false;
    return true;
}

static void tell(const struct initiation *init)
{
    (void)printf("state folder  %s\n", init->home.path);
    (void)printf(
        "organisation  %s\n",
        init->made_policy
            ? "policy.yaml written: add a second person, who can approve, and your model"
            : "policy.yaml is there already");
    (void)printf("repository    custody.yaml %s\n",
                 init->made_repository_policy ? "written" : "is there already");
    (void)printf("keys          keys/ledger.vkey%s: give it to your auditor\n",
                 init->made_keys ? " made" : "");
    if (init->is_uncommitted)
        (void)puts("\nRuns read custody.yaml from the commit that they work on, and this one "
                   "is in none. Look at it, then\ncommit it with git, or here: custody init "
                   "--commit");
}

static bool initiate(const struct invocation *invocation, const struct key_storage *storage,
                     struct initiation *init, struct fault *fault)
{
    const char *repository = invocation_option(invocation, "repo");
    struct gitdoor_place place = {0};
    bool ok;

    if (!gitdoor_find(repository == NULL ? "." : repository, &place, fault))
        return false;
    if (place.work_tree == NULL) {
        gitdoor_place_free(&place);
        return fault_set(fault, FAULT_INVALID,
                         "a bare repository has no work tree to write custody.yaml to");
    }
    init->root = xstrdup(place.work_tree);
    gitdoor_place_free(&place);
    init->owner = login_name();
    ok = home_open(true, &init->home, fault) && write_organisation(init, fault) &&
         make_keys(storage, init, fault) && write_repository(init, fault) &&
         open_ledger(fault);
    init->is_uncommitted = ok && is_in_no_commit(init);
    if (ok && invocation_flag(invocation, "commit") && init->is_uncommitted)
        ok = commit_policy(init, fault);
    return ok;
}

static int run(const struct invocation *invocation)
{
    struct initiation init = {.home.fd = -1};
    struct key_words words = {.with = invocation_option(invocation, "seal-with"),
                              .tpm = invocation_flag(invocation, "tpm"),
                              .pcrs = invocation_option(invocation, "pcrs"),
                              .uri = invocation_option(invocation, "key")};
    struct key_storage storage;
    struct fault fault = {0};
    bool ok = key_words_storage(&words, &storage, &fault) &&
              initiate(invocation, &storage, &init, &fault);
    int code = EXIT_YES;

    if (ok && invocation->json) {
        json_t *findings = json_array();

        ok = scan_tree_json(init.root, findings, &fault);
        if (ok)
            command_print_json(
                json_pack("{s:s, s:s, s:b, s:b, s:b, s:o}", "home", init.home.path,
                          "repository", init.root, "made_policy", init.made_policy,
                          "made_repository_policy", init.made_repository_policy, "committed",
                          !init.is_uncommitted, "sensitive", findings));
        else
            json_decref(findings);
    } else if (ok) {
        tell(&init);
        (void)puts("\nSensitive in this repository:");
        ok = scan_tree_text(init.root, stdout, &fault);
    }
    if (!ok)
        code = command_fail(invocation, &fault);
    key_words_free(&words);
    free(init.root);
    free(init.owner);
    home_close(&init.home);
    return code;
}

const struct command command_init = {
    .name = "init",
    .arguments = "",
    .prints_json = true,
    .summary = "Policy, keys and ledger for a repository; shows what in it is sensitive",
    .text = "Writes policy.yaml (the organisation's, into the state folder) and custody.yaml "
            "(the repository's, at its\n"
            "root) where they are missing, makes the ledger's keys, and lists what the "
            "classifier finds. Nothing that is\n"
            "there already is changed.",
    .options = options,
    .run = run,
};
