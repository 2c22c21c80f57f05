/* Signing and checking by ssh-keygen (OpenSSH PROTOCOL.sshsig). */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "change/sshsig.h"
#include "os/file.h"
#include "os/spawn.h"

#define SSH_KEYGEN "/usr/bin/ssh-keygen"
#define PRINCIPAL "person"
#define SIGNERS_BYTES_MAX 65536

/* No SSH_AUTH_SOCK: only the key file that was named may sign. */
static const char *const environment[] = {"PATH=/usr/bin:/bin", "LC_ALL=C",
                                          "HOME=/nonexistent", NULL};

static const char *const key_types[] = {
    "ssh-ed25519 ",
    "sk-ssh-ed25519@openssh.com ",
    "ecdsa-sha2-nistp256 ",
    "ecdsa-sha2-nistp384 ",
    "ecdsa-sha2-nistp521 ",
    "sk-ecdsa-sha2-nistp256@openssh.com ",
    "ssh-rsa ",
};

bool sshsig_sign(const char *purpose, const char *key, struct slice statement,
                 struct buf *ret_signature, struct fault *fault)
{
    const char *const argv[] = {SSH_KEYGEN, "-Y", "sign",  "-q", "-f",
                                key,        "-n", purpose, NULL};
    struct spawn_program program = {.argv = argv, .environment = environment};
    struct stat stat_of_key;
    int status = 0;

    if (stat(key, &stat_of_key) < 0)
        return fault_errno(fault, "key %s", key);
    if (!spawn_run(&program, statement, ret_signature, &status, fault))
        return false;
    if (status != 0) {
        fault->kind = FAULT_INVALID;
        return fault_in(fault, "sign with %s", key);
    }
    return slice_starts_with(buf_slice(ret_signature),
                             SLICE("-----BEGIN SSH SIGNATURE-----\n")) ||
           fault_set(fault, FAULT_IO, "ssh-keygen gave no signature");
}

/* One line per key: "person namespaces=\"custody-approval\" ssh-ed25519 AAAA...". */
static bool write_signers(const char *purpose, const struct approval_person *person,
                          struct buf *ret_text, struct fault *fault)
{
    for (size_t i = 0; i < person->ssh_count; i++) {
        struct slice key = slice_trim(slice_of(person->ssh[i]));
        bool known = false;

        for (size_t j = 0; j < COUNT(key_types); j++)
            known = known || slice_starts_with(key, slice_of(key_types[j]));
        for (size_t j = 0; j < key.len; j++)
            known = known && key.at[j] >= ' ';
        if (!known)
            return fault_set(fault, FAULT_INVALID, "key %zu of %s is not an SSH public key",
                             i + 1, person->id);
        if (!buf_add_format(ret_text, fault, PRINCIPAL " namespaces=\"%s\" ", purpose) ||
            !buf_add(ret_text, key, fault) || !buf_add_byte(ret_text, '\n', fault))
            return false;
    }
    return true;
}

static bool check(const char *purpose, const char *folder, struct slice statement,
                  struct fault *fault)
{
    AUTO_FREE char *signers = xformat("%s/signers", folder);
    AUTO_FREE char *signature = xformat("%s/signature", folder);
    const char *const argv[] = {SSH_KEYGEN, "-Y", "verify", "-f", signers,   "-I",
                                PRINCIPAL,  "-n", purpose,  "-s", signature, NULL};
    struct spawn_program program = {.argv = argv, .environment = environment};
    AUTO_BUF struct buf output = buf_with_limit(SIGNERS_BYTES_MAX);
    int status = 0;

    if (!spawn_run(&program, statement, &output, &status, fault))
        return false;
    return status == 0;
}

bool sshsig_verify(const char *purpose, const struct approval_person *person,
                   struct slice statement, struct slice signature, const char *scratch,
                   struct fault *fault)
{
    AUTO_FREE char *folder = xformat("%s/approval.XXXXXX", scratch);
    AUTO_BUF struct buf signers = buf_with_limit(SIGNERS_BYTES_MAX);
    AUTO_CLOSE int fd = -1;
    struct fault refusal = {0}, removal = {0};
    bool ok;

    if (!write_signers(purpose, person, &signers, fault))
        return false;
    if (mkdtemp(folder) == NULL)
        return fault_errno(fault, "make a folder in %s", scratch);
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ok = (fd >= 0 || fault_errno(&refusal, "open %s", folder)) &&
         file_create(fd, "signers", buf_slice(&signers), 0600, &refusal) &&
         file_create(fd, "signature", signature, 0600, &refusal) &&
         check(purpose, folder, statement, &refusal);
    if (!file_remove_tree(AT_FDCWD, folder, &removal) && ok) {
        *fault = removal;
        return false;
    }
    return ok || fault_set(fault, FAULT_DENIED,
                           "the signature is not one of %s over this statement", person->id);
}

bool sshsig_sign_as(const char *purpose, const struct approval_person *person, const char *key,
                    struct slice statement, struct buf *ret_signature, struct fault *fault)
{
    char scratch[] = "/tmp/custody-sign-XXXXXX";
    struct fault left = {0};
    bool ok;

    if (mkdtemp(scratch) == NULL)
        return fault_errno(fault, "make a folder in /tmp");
    ok = sshsig_sign(purpose, key, statement, ret_signature, fault) &&
         sshsig_verify(purpose, person, statement, buf_slice(ret_signature), scratch, fault);
    if (!file_remove_tree(AT_FDCWD, scratch, &left) && ok) {
        *fault = left;
        return false;
    }
    return ok;
}
