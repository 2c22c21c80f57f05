#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/scope.h"
#include "commands/table.h"
#include "os/file.h"
#include "roles/scripted.h"

/* A number from 0 to `max`, digits only. */
static bool parse_number(const char *text, long max, int *ret_number, struct fault *fault)
{
    char *end = NULL;
    long number = text[0] >= '0' && text[0] <= '9' ? strtol(text, &end, 10) : -1;

    if (number < 0 || number > max || *end != 0)
        return fault_set(fault, FAULT_INVALID, "not a number from 0 to %ld: %.40s", max, text);
    *ret_number = (int)number;
    return true;
}

static bool open_listener(const struct invocation *invocation, int *ret_listener,
                          struct fault *fault)
{
    const char *fd = invocation_option(invocation, "fd");
    const char *port = invocation_option(invocation, "port");
    int number = 0;
    uint16_t bound = 0;

    if (fd != NULL && port != NULL)
        return fault_set(fault, FAULT_INVALID, "--fd or --port, not both");
    if (fd != NULL) {
        if (!parse_number(fd, 1 << 20, &number, fault))
            return false;
        if (fcntl(number, F_SETFL, O_NONBLOCK) < 0)
            return fault_errno(fault, "descriptor %d", number);
        *ret_listener = number;
        return true;
    }
    if ((port != NULL && !parse_number(port, 65535, &number, fault)) ||
        !scripted_listen((uint16_t)number, ret_listener, &bound, fault))
        return false;
    (void)printf(
        "scripted model (answers from a script, no real model): http://127.0.0.1:%u/v1\n",
        (unsigned)bound);
    (void)fflush(stdout);
    return true;
}

static bool serve(const struct invocation *invocation, struct fault *fault)
{
    const char *path = invocation_option(invocation, "script");
    const char *log = invocation_option(invocation, "log");
    AUTO_BUF struct buf text = buf_with_limit(SCRIPT_BYTES_MAX);
    AUTO_CLOSE int listener = -1;
    AUTO_CLOSE int log_fd = -1;
    struct scripted scripted = {.log = -1};
    bool ok;

    if (path == NULL)
        return fault_set(fault, FAULT_INVALID, "--script FILE is missing");
    if (!file_read(AT_FDCWD, path, &text, fault) ||
        !script_parse(buf_slice(&text), path, &scripted.script, fault))
        return false;
    if (log != NULL) {
        log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (log_fd < 0) {
            script_free(scripted.script);
            return fault_errno(fault, "open %s", log);
        }
        scripted.log = log_fd;
    }
    script_set_folder(scripted.script, invocation_option(invocation, "folder"));
    ok = open_listener(invocation, &listener, fault);
    scripted.listener = listener;
    ok = ok && scripted_serve(&scripted, fault);
    script_free(scripted.script);
    return ok;
}

static int run(const struct invocation *invocation)
{
    struct fault fault = {0};

    return serve(invocation, &fault) ? EXIT_YES : command_fail(invocation, &fault);
}

static const struct option_rule options[] = {
    {"script", "FILE", "the script: YAML or JSON, docs/engines.md"},
    {"port", "N", "listen on 127.0.0.1:N (default: any free port, printed)"},
    {"fd", "N", "serve on a listening socket that was handed down"},
    {"folder", "DIR", "make the script's paths absolute below DIR"},
    {"log", "FILE", "append each request and its answer as a line of JSON"},
    {NULL, NULL, NULL},
};

const struct command command_scripted_model = {
    .name = "scripted-model",
    .arguments = "",
    .summary = "Serves a scripted model on loopback, for tests and demos",
    .text = "Answers model calls (Chat Completions, Responses, Messages; streamed or not) "
            "from a script.\n"
            "It is no model and says so: the model is called scripted-1, each answer has the "
            "header\n"
            "x-custody-scripted. Calls in the script (shell, read, write, edit) become calls "
            "of the tools\n"
            "that the agent offers. Ends on SIGTERM and SIGINT.",
    .options = options,
    .run = run,
};
