/* Installing an engine with npm, once and when asked, and knowing later that it is still that
 * one. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <jansson.h>
#include <openssl/evp.h>

#include "agent/engine.h"
#include "agent/engine_parts.h"
#include "base/hex.h"
#include "base/scope.h"
#include "os/file.h"
#include "os/spawn.h"

#define RECORD_NAME "installed.json"
#define RECORD_BYTES_MAX (64 * 1024)
#define NPM_TIMEOUT_MS (15 * 60 * 1000)

extern char **environ;

static bool digest_fd(int fd, EVP_MD_CTX *context, char ret_digest[65], struct fault *fault)
{
    uint8_t chunk[8192];
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    ssize_t got = 0;
    bool ok = EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1;

    while (ok && (got = read(fd, chunk, sizeof(chunk))) > 0)
        ok = EVP_DigestUpdate(context, chunk, (size_t)got) == 1;
    if (got < 0)
        return fault_errno(fault, "read");
    if (!ok || EVP_DigestFinal_ex(context, digest, &len) != 1 || len != 32)
        return fault_set(fault, FAULT_IO, "no SHA-256");
    hex_encode(slice_of_bytes(digest, len), ret_digest);
    return true;
}

static bool digest_file(const char *path, char ret_digest[65], struct fault *fault)
{
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    EVP_MD_CTX *context;
    bool ok;

    if (fd < 0)
        return fault_errno(fault, "open %s", path);
    context = EVP_MD_CTX_new();
    ok = context == NULL ? fault_set(fault, FAULT_IO, "no SHA-256")
                         : digest_fd(fd, context, ret_digest, fault);
    EVP_MD_CTX_free(context);
    return ok ? true : fault_in(fault, "digest %s", path);
}

/* What changes when a file's content does; an unchanged one need not be read again. */
static json_t *stamp_of(const struct stat *status)
{
    return json_pack("[I,I,I,I]", (json_int_t)status->st_size, (json_int_t)status->st_ino,
                     (json_int_t)status->st_mtim.tv_sec * 1000000000 + status->st_mtim.tv_nsec,
                     (json_int_t)status->st_ctim.tv_sec * 1000000000 +
                         status->st_ctim.tv_nsec);
}

static char *installed_folder(const char *folder, const struct engine *engine)
{
    return xformat("%s/%s-%s", folder, engine->name, engine->release);
}

static bool write_record(const char *at, const struct engine *engine, struct fault *fault)
{
    AUTO_FREE char *program = xformat("%s/%s", at, engine->program);
    AUTO_FREE char *lock = xformat("%s/node_modules/.package-lock.json", at);
    AUTO_FREE char *path = xformat("%s/" RECORD_NAME, at);
    AUTO_FREE char *text = NULL;
    char digest[65], lock_digest[65];
    struct stat status;
    json_t *record, *packages = json_array();

    for (size_t i = 0; i < engine->packages.count; i++)
        (void)json_array_append_new(packages, json_string(engine->packages.at[i]));
    if (stat(program, &status) < 0) {
        json_decref(packages);
        return fault_errno(fault, "npm did not bring %s", engine->program);
    }
    if (!digest_file(program, digest, fault) || !digest_file(lock, lock_digest, fault)) {
        json_decref(packages);
        return false;
    }
    record = json_pack("{s:i,s:s,s:s,s:o,s:s,s:s,s:o,s:s}", "version", 1, "name", engine->name,
                       "release", engine->release, "packages", packages, "program",
                       engine->program, "sha256", digest, "stamp", stamp_of(&status),
                       "package_lock_sha256", lock_digest);
    text = json_dumps(record, JSON_INDENT(2));
    json_decref(record);
    return text != NULL && file_replace_durably(AT_FDCWD, path, slice_of(text), 0644, fault);
}

static bool check_program(const char *program, json_t *record, char ret_digest[65],
                          struct fault *fault)
{
    const char *digest = json_string_value(json_object_get(record, "sha256"));
    struct stat status;
    json_t *stamp;
    bool same;

    if (digest == NULL || strlen(digest) != 64)
        return fault_set(fault, FAULT_INVALID, RECORD_NAME " names no digest");
    if (stat(program, &status) < 0)
        return fault_errno(fault, "open %s", program);
    stamp = stamp_of(&status);
    same = json_equal(stamp, json_object_get(record, "stamp"));
    json_decref(stamp);
    if (same) {
        (void)snprintf(ret_digest, 65, "%s", digest);
        return true;
    }
    if (!digest_file(program, ret_digest, fault))
        return false;
    return strcmp(digest, ret_digest) == 0
               ? true
               : fault_set(fault, FAULT_CONFLICT, "%s is not the program that was installed",
                           program);
}

bool engine_find_installed(const char *folder, const struct engine *engine,
                           struct engine_installed *ret_installed, struct fault *fault)
{
    AUTO_BUF struct buf text = buf_with_limit(RECORD_BYTES_MAX);
    AUTO_FREE char *at = installed_folder(folder, engine);
    AUTO_FREE char *path = xformat("%s/" RECORD_NAME, at);
    struct engine_installed installed = {0};
    json_t *record;
    bool ok;

    if (engine->program == NULL) {
        *ret_installed = installed;
        return true;
    }
    if (!file_exists(AT_FDCWD, path))
        return fault_set(fault, FAULT_MISSING,
                         "%s %s is not installed: run `custody engine install %s`",
                         engine->title, engine->release, engine->name);
    if (!file_read(AT_FDCWD, path, &text, fault))
        return fault_in(fault, "engine %s", engine->name);
    record = json_loadb((const char *)text.at, text.len, JSON_REJECT_DUPLICATES, NULL);
    installed.program = xformat("%s/%s", at, engine->program);
    ok = record == NULL ? fault_set(fault, FAULT_INVALID, "%s is not JSON", path)
                        : check_program(installed.program, record, installed.digest, fault);
    json_decref(record);
    if (!ok) {
        free(installed.program);
        return fault_in(fault, "engine %s", engine->name);
    }
    installed.folder = take_pointer(&at);
    *ret_installed = installed;
    return true;
}

void engine_installed_free(struct engine_installed *installed)
{
    free(installed->folder);
    free(installed->program);
    *installed = (struct engine_installed){0};
}

static bool check_platform(const struct engine *engine, struct fault *fault)
{
    struct utsname host;
    const char *here = "another";

    if (uname(&host) == 0 && strcmp(host.machine, "x86_64") == 0)
        here = "linux-x64";
    else if (uname(&host) == 0 && strcmp(host.machine, "aarch64") == 0)
        here = "linux-arm64";
    return engine->platform == NULL || strcmp(engine->platform, here) == 0
               ? true
               : fault_set(fault, FAULT_HOST, "engine %s is for %s, this host is %s",
                           engine->name, engine->platform, here);
}

static bool run_npm(const char *at, const struct engine *engine, struct fault *fault)
{
    static const char *const fixed[] = {"npm",          "install",          "--ignore-scripts",
                                        "--no-audit",   "--no-fund",        "--no-save",
                                        "--save-exact", "--loglevel=error", "--prefix"};
    const char **argv = xalloc_array(COUNT(fixed) + engine->packages.count + 3, sizeof(*argv));
    struct process process = {.pid = -1, .pidfd = -1};
    struct spawn_program program = {.argv = argv, .folder = at, .in = -1, .out = 2, .err = 2};
    size_t count = 0;
    int status = 0;
    bool ok;

    /* The registry, proxy and certificates are the person's own settings for npm. */
    program.environment = (const char *const *)environ;
    for (size_t i = 0; i < COUNT(fixed); i++)
        argv[count++] = fixed[i];
    argv[count++] = at;
    argv[count++] = "--";
    for (size_t i = 0; i < engine->packages.count; i++)
        argv[count++] = engine->packages.at[i];
    ok = spawn_program(&program, &process, fault) &&
         process_wait(&process, NPM_TIMEOUT_MS, &status, fault);
    if (!ok)
        process_kill(&process);
    free(argv);
    if (!ok)
        return fault_in(fault, "npm");
    return status == 0     ? true
           : status == 127 ? fault_set(fault, FAULT_MISSING, "npm is not installed")
                           : fault_set(fault, FAULT_IO, "npm ended with %d", status);
}

static bool install_at(const char *at, const struct engine *engine, struct fault *fault)
{
    AUTO_FREE char *modules = xformat("%s/node_modules", at);
    mode_t before = umask(022); /* the agent, with another uid, reads what is installed */
    bool ok = file_make_folders(modules, 0755, fault) && run_npm(at, engine, fault) &&
              write_record(at, engine, fault);

    (void)umask(before);
    return ok;
}

bool engine_install(const char *folder, const struct engine *engine, struct fault *fault)
{
    AUTO_FREE char *to = installed_folder(folder, engine);
    AUTO_FREE char *at =
        xformat("%s/.%s-%s.%d", folder, engine->name, engine->release, getpid());
    struct engine_installed installed = {0};
    struct fault ignored = {0};
    bool ok;

    if (engine_find_installed(folder, engine, &installed, fault)) {
        engine_installed_free(&installed);
        return true;
    }
    if (!file_remove_tree(AT_FDCWD, to, fault)) /* not whole, or not what it was */
        return fault_in(fault, "remove what was installed before");
    ok = check_platform(engine, fault) && install_at(at, engine, fault);
    if (ok && rename(at, to) < 0 &&
        !engine_find_installed(folder, engine, &installed, &ignored))
        ok = fault_errno(fault, "move it to %s", to); /* nobody else was faster */
    engine_installed_free(&installed);
    if (!file_remove_tree(AT_FDCWD, at, &ignored) && ok)
        ok = fault_set(fault, FAULT_IO, "%s", ignored.why);
    return ok ? true : fault_in(fault, "install engine %s", engine->name);
}
