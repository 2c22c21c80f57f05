#include "commands/demo_stage.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "base/scope.h"
#include "commands/demo_repository.h"
#include "flow/home.h"
#include "os/file.h"
#include "roles/scripted.h"

#define LINE_BYTES_MAX (64UL * 1024)
#define WORDS_MAX 32
#define LEDGER_WAIT_MS 10000
#define LEDGER_LOOK_MS 20

static volatile sig_atomic_t on_stage; /* pid of the command that runs, or 0 */
static volatile sig_atomic_t signal_seen;

static void on_signal(int number)
{
    signal_seen = number;
    if (on_stage > 0)
        (void)kill((pid_t)on_stage, number);
}

static void on_pipe(int number)
{
    (void)number; /* a handler and not SIG_IGN: what we start shall have the default */
}

static bool watch_signals(struct fault *fault)
{
    static const int ending[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = on_signal};

    for (size_t i = 0; i < COUNT(ending); i++)
        if (sigaction(ending[i], &action, NULL) < 0)
            return fault_errno(fault, "watch for signals");
    action.sa_handler = on_pipe;
    return sigaction(SIGPIPE, &action, NULL) == 0 || fault_errno(fault, "watch for signals");
}

int demo_stage_signal(void)
{
    return signal_seen;
}

bool demo_stage_open(int out, struct demo_stage *ret_stage, struct fault *fault)
{
    char folder[] = "/tmp/custody-demo-XXXXXX";

    if (!watch_signals(fault))
        return false;
    if (mkdtemp(folder) == NULL || chmod(folder, 0755) < 0)
        return fault_errno(fault, "make a folder in /tmp");
    *ret_stage = (struct demo_stage){.folder = xstrdup(folder),
                                     .home = xformat("%s/home", folder),
                                     .repository = xformat("%s/billing", folder),
                                     .ticket = xformat("%s/TICKET.md", folder),
                                     .model_log = xformat("%s/model.log", folder),
                                     .model = {.pid = -1, .pidfd = -1},
                                     .out = out};
    return true;
}

/* The ledger outlives a command by a moment and holds its lock until it has ended. */
static bool wait_for_ledger(const struct demo_stage *stage, struct fault *fault)
{
    static const struct timespec pause = {.tv_nsec = LEDGER_LOOK_MS * 1000000L};
    AUTO_FREE char *path = xformat("%s/ledger/lock", stage->home);
    AUTO_CLOSE int lock = open(path, O_RDWR | O_CLOEXEC);

    for (int waited = 0; lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) < 0;
         waited += LEDGER_LOOK_MS) {
        if (waited >= LEDGER_WAIT_MS)
            return fault_set(fault, FAULT_IO, "the ledger of %s still runs", stage->home);
        (void)nanosleep(&pause, NULL);
    }
    return true;
}

bool demo_stage_close(struct demo_stage *stage, bool keep, struct fault *fault)
{
    bool ok;

    process_kill(&stage->model);
    ok = wait_for_ledger(stage, fault) &&
         (keep || file_remove_tree(AT_FDCWD, stage->folder, fault));
    free(stage->folder);
    free(stage->home);
    free(stage->repository);
    free(stage->ticket);
    free(stage->model_log);
    return ok;
}

void demo_say(const struct demo_stage *stage, const char *format, ...)
{
    AUTO_BUF struct buf line = buf_with_limit(LINE_BYTES_MAX);
    struct fault ignored = {0};
    va_list arguments;
    int len;

    if (!buf_reserve(&line, LINE_BYTES_MAX - 1, &ignored))
        return;
    va_start(arguments, format);
    len = vsnprintf((char *)line.at, LINE_BYTES_MAX - 1, format, arguments);
    va_end(arguments);
    if (len > 0)
        (void)!file_write_all(
            stage->out,
            slice_part(slice_of_bytes(line.at, LINE_BYTES_MAX - 1), 0, (size_t)len), &ignored);
}

void demo_title(const struct demo_stage *stage, const char *text)
{
    bool bold = isatty(stage->out);

    demo_say(stage, "\n%s== %s%s\n", bold ? "\033[1m" : "", text, bold ? "\033[0m" : "");
}

static void show_words(const struct demo_stage *stage, const char *const *words)
{
    AUTO_BUF struct buf line = buf_with_limit(LINE_BYTES_MAX);
    struct fault ignored = {0};

    for (size_t i = 0; words[i] != NULL; i++)
        if (!buf_add_format(&line, &ignored, " %s", words[i]))
            break;
    demo_say(stage, "$ custody%s\n", buf_text(&line));
}

/* Starts it with us as the one who hands signals on: a terminal's would reach it twice. */
static bool start(const struct demo_stage *stage, const char *const *words, int out,
                  struct process *ret_process, struct fault *fault)
{
    AUTO_FREE char *home = xformat("CUSTODY_HOME=%s", stage->home);
    AUTO_FREE char *person = xformat("HOME=%s", stage->folder);
    const char *const environment[] = {
        home,
        person,
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG=C.UTF-8",
        "CUSTODY_LEDGER_LINGER_MS=500",
        NULL};
    const char *argv[WORDS_MAX] = {"/proc/self/exe"};
    struct spawn_program program = {.argv = argv,
                                    .environment = environment,
                                    .folder = stage->repository,
                                    .in = -1,
                                    .out = out,
                                    .err = stage->out,
                                    .own_group = true};

    for (size_t i = 0; words[i] != NULL; i++) {
        if (i + 2 >= WORDS_MAX)
            return fault_set(fault, FAULT_INVALID, "more than %d words", WORDS_MAX - 2);
        argv[i + 1] = words[i];
    }
    if (signal_seen != 0)
        return fault_set(fault, FAULT_LIMIT, "interrupted");
    if (!spawn_program(&program, ret_process, fault))
        return false;
    on_stage = ret_process->pid;
    if (signal_seen != 0) /* it came between the two lines above */
        (void)kill(ret_process->pid, signal_seen);
    return true;
}

static bool finish(struct process *process, int *ret_status, struct fault *fault)
{
    bool ok = process_wait(process, -1, ret_status, fault);

    on_stage = 0;
    if (signal_seen != 0)
        return fault_set(fault, FAULT_LIMIT, "interrupted");
    return ok;
}

bool demo_type(const struct demo_stage *stage, const char *const *words,
               struct buf *ret_output, int *ret_status, struct fault *fault)
{
    struct process process;
    struct fault unread = {0};
    int out[2];
    bool read_all;

    show_words(stage, words);
    if (ret_output == NULL)
        return start(stage, words, stage->out, &process, fault) &&
               finish(&process, ret_status, fault);
    if (pipe2(out, O_CLOEXEC) < 0)
        return fault_errno(fault, "make a pipe");
    if (!start(stage, words, out[1], &process, fault)) {
        (void)close(out[0]);
        (void)close(out[1]);
        return false;
    }
    (void)close(out[1]);
    read_all = file_read_fd(out[0], ret_output, &unread);
    (void)close(out[0]);
    if (!finish(&process, ret_status, fault))
        return false;
    if (!read_all)
        *fault = unread;
    return read_all;
}

bool demo_must(const struct demo_stage *stage, const char *const *words, struct fault *fault)
{
    int status = 0;

    if (!demo_type(stage, words, NULL, &status, fault))
        return false;
    return status == 0 ||
           fault_set(fault, FAULT_IO, "custody %s ended with %d", words[0], status);
}

bool demo_make_person(const struct demo_stage *stage, const char *name, char **ret_public,
                      struct fault *fault)
{
    AUTO_FREE char *key = xformat("%s/%s.key", stage->folder, name);
    AUTO_FREE char *public = xformat("%s.pub", key);
    const char *const argv[] = {"ssh-keygen", "-q", "-t", "ed25519", "-N", "",
                                "-C",         name, "-f", key,       NULL};
    const char *const environment[] = {"PATH=/usr/local/bin:/usr/bin:/bin", NULL};
    struct spawn_program program = {.argv = argv, .environment = environment};
    AUTO_BUF struct buf text = buf_with_limit(4096);
    struct fault why = {0};
    int status = 0;

    if (!spawn_run(&program, slice_of(""), &text, &status, &why) || status != 0) {
        *fault = why;
        return fault_in(fault, "make a key for %s", name);
    }
    buf_clear(&text);
    if (!file_read(AT_FDCWD, public, &text, fault))
        return false;
    *ret_public = slice_dup(slice_trim(buf_slice(&text)));
    return true;
}

bool demo_start_model(struct demo_stage *stage, struct fault *fault)
{
    AUTO_CLOSE int log = open(stage->model_log, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    struct scripted scripted = {.log = log};
    bool ok;

    if (log < 0)
        return fault_errno(fault, "create %s", stage->model_log);
    if (!script_parse(demo_script(), "script.yaml", &scripted.script, fault))
        return false;
    ok = scripted_listen(0, &scripted.listener, &stage->port, fault);
    if (ok) {
        script_set_folder(scripted.script, stage->repository);
        ok = spawn_role("scripted-model", scripted_role, &scripted,
                        (const int[]){scripted.listener, log}, 2, &stage->model, fault);
        (void)close(scripted.listener);
    }
    script_free(scripted.script);
    return ok;
}

bool demo_lend_engines(const struct demo_stage *stage, struct fault *fault)
{
    AUTO_FREE char *own = home_path();
    AUTO_FREE char *from = own == NULL ? NULL : xformat("%s/engines", own);
    AUTO_FREE char *to = xformat("%s/engines", stage->home);

    if (from == NULL || !file_exists(AT_FDCWD, from))
        return true;
    return symlink(from, to) == 0 || fault_errno(fault, "link %s", to);
}
