/* How a signing key is kept, in words. */
#include <stdio.h>
#include <sys/stat.h>

#include "base/scope.h"
#include "commands/key.h"
#include "keystore/pkcs11_uri.h"
#include "keystore/sealed.h"
#include "roles/keys/change.h"

static const struct words {
    const char *protects;
    const char *fix;
} words[KEYFILE_KIND_COUNT] = {
    [KEYFILE_PLAIN] = {"whoever reads the state folder, or a copy of it, has the key",
                       "custody key seal --with FILE (on another volume), --tpm, or "
                       "--to-pkcs11 URI"},
    [KEYFILE_SEALED] = {"a copy of the state folder alone is of no use; who has the secret, "
                        "too, has the key, and so has root here while the ledger runs",
                        ""},
    [KEYFILE_TPM2] = {"the disk is of no use without this machine; root here can ask the TPM, "
                      "and has the key while the ledger runs",
                      ""},
    [KEYFILE_PKCS11] = {"the key cannot be copied; root here can have it sign while the token "
                        "is logged in, and has its PIN",
                        ""},
};

static void say_sealed(int home_fd, const struct keyfile *file, struct key_standing *standing)
{
    struct slice place = file->line[KEYFILE_SECRET];
    AUTO_FREE char *path = NULL;
    struct stat secret, home;

    (void)snprintf(standing->where, sizeof(standing->where),
                   "keys/ledger.key, sealed with %s %.*s",
                   sealed_has_passphrase(file) ? "the passphrase in" : "the key in",
                   SLICE_ARGS(slice_part(place, 0, 500)));
    if (!slice_starts_with(place, SLICE("file:")))
        return;
    path = slice_dup(slice_part(place, sizeof("file:") - 1, place.len));
    if (stat(path, &secret) == 0 && fstat(home_fd, &home) == 0 && secret.st_dev == home.st_dev)
        (void)snprintf(standing->fix, sizeof(standing->fix),
                       "the secret lies on the file system of the state folder: one copy has "
                       "both; move it to another volume, then custody key seal --with FILE");
}

static void say_tpm(int home_fd, const struct keyfile *file, struct key_standing *standing)
{
    (void)home_fd;
    (void)snprintf(standing->where, sizeof(standing->where),
                   "keys/ledger.key, sealed by this host's TPM 2.0, PCRs %.*s",
                   SLICE_ARGS(slice_part(file->line[KEYFILE_PCRS], 0, 100)));
    if (slice_equal(file->line[KEYFILE_PCRS], SLICE("none")))
        (void)snprintf(standing->fix, sizeof(standing->fix),
                       "another system that is booted on this machine can ask the TPM: "
                       "custody key seal --tpm --pcrs sha256:7");
}

static void say_token(int home_fd, const struct keyfile *file, struct key_standing *standing)
{
    (void)home_fd;
    (void)snprintf(standing->where, sizeof(standing->where), "%.*s",
                   SLICE_ARGS(slice_part(file->line[KEYFILE_URI], 0, 599)));
}

static void say_plain(int home_fd, const struct keyfile *file, struct key_standing *standing)
{
    (void)home_fd;
    (void)file;
    (void)snprintf(standing->where, sizeof(standing->where), "keys/ledger.key");
}

static void (*const say[KEYFILE_KIND_COUNT])(int home_fd, const struct keyfile *file,
                                             struct key_standing *standing) = {
    [KEYFILE_PLAIN] = say_plain,
    [KEYFILE_SEALED] = say_sealed,
    [KEYFILE_TPM2] = say_tpm,
    [KEYFILE_PKCS11] = say_token,
};

static void say_key(int home_fd, const struct ledger_key *key, struct key_standing *standing)
{
    const struct words *row = &words[key->file.kind];
    AUTO_BUF struct buf vkey = buf_with_limit(sizeof(standing->vkey) - 1);
    struct slice rest, name;
    struct fault fault = {0};

    standing->kind = keyfile_kind_name(key->file.kind);
    standing->protects = row->protects;
    (void)snprintf(standing->fix, sizeof(standing->fix), "%s", row->fix);
    say[key->file.kind](home_fd, &key->file, standing);
    if (!ledger_key_vkey(key, &vkey, &fault)) {
        standing->kind = "unreadable";
        (void)snprintf(standing->fix, sizeof(standing->fix), "%s", fault.why);
        return;
    }
    rest = buf_slice(&vkey);
    (void)snprintf(standing->vkey, sizeof(standing->vkey), "%.*s", SLICE_ARGS(rest));
    if (slice_cut(&rest, '+', &name))
        (void)snprintf(standing->origin, sizeof(standing->origin), "%.*s",
                       SLICE_ARGS(slice_part(name, 0, 128)));
    if (key_change_left_something(home_fd))
        (void)snprintf(standing->fix, sizeof(standing->fix),
                       "a change of how the key is kept was broken off, and bytes of it may "
                       "be left in keys/: the next custody key seal removes them");
}

void key_standing_of(int home_fd, struct key_standing *ret_standing)
{
    struct fault fault = {0};
    struct ledger_key key;

    *ret_standing = (struct key_standing){.kind = "none", .protects = ""};
    if (!ledger_key_read(home_fd, LEDGER_KEY_NAME, &key, &fault)) {
        if (fault.kind != FAULT_MISSING)
            ret_standing->kind = "unreadable";
        (void)snprintf(ret_standing->fix, sizeof(ret_standing->fix), "%s", fault.why);
        return;
    }
    say_key(home_fd, &key, ret_standing);
    ledger_key_free(&key);
}

json_t *key_standing_json(const struct key_standing *standing)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "kind", standing->kind, "origin",
                     standing->origin, "vkey", standing->vkey, "where", standing->where,
                     "protects", standing->protects, "fix", standing->fix);
}
