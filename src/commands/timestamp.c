/* custody timestamp - an outside authority's word on when a checkpoint existed. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/scope.h"
#include "commands/ledger.h"
#include "commands/table.h"
#include "ledger/checkpoint.h"
#include "ledger/timestamp.h"
#include "os/file.h"
#include "os/isolate.h"
#include "roles/post.h"
#include "wire/url.h"

static const struct option_rule options[] = {
    {"tsa-ca", "FILE", "certificates (PEM) of the authorities to believe"},
    {"url", "URL", "ask this authority; plain http is usual, the answer is signed"},
    {"request", "FILE", "write the request there, for an authority that you reach otherwise"},
    {"file", "FILE", "take its answer from there"},
    {"key", "VKEY", "the ledger's public key, or a file with it"},
    {0},
};

/* One checkpoint and what is asked and said about it. */
struct stamping {
    int folder, stamps; /* the ledger, its timestamps/ */
    struct buf note, ca, request, response;
    struct slice text;
    uint64_t size;
    int64_t time;
};

static bool write_stamp(const struct stamping *stamping, const char *ending,
                        const struct buf *bytes, struct fault *fault)
{
    AUTO_FREE char *name = xformat("%llu.%s", (unsigned long long)stamping->size, ending);

    return file_replace_durably(stamping->stamps, name, buf_slice(bytes), 0644, fault);
}

static bool read_checkpoint(const struct invocation *invocation, struct stamping *stamping,
                            struct fault *fault)
{
    AUTO_BUF struct buf vkey = buf_with_limit(4096);
    struct checkpoint checkpoint;
    struct note_key *key;
    struct note note;
    bool ok;

    if (!ledger_key(invocation_option(invocation, "key"), stamping->folder, &vkey, fault) ||
        !note_key_parse(slice_trim(buf_slice(&vkey)), &key, fault))
        return false;
    ok = file_read(stamping->folder, "checkpoint", &stamping->note, fault) &&
         checkpoint_open(buf_slice(&stamping->note), key, &checkpoint, fault) &&
         note_parse(buf_slice(&stamping->note), &note, fault);
    note_key_free(key);
    if (!ok)
        return false;
    stamping->text = note.text;
    stamping->size = checkpoint.size;
    return true;
}

static bool ask(struct stamping *stamping, const char *url, struct fault *fault)
{
    struct url parsed;
    int status;

    if (!url_parse(slice_of(url), &parsed, fault) || !isolate_syscalls(ISOLATE_GATEWAY, fault))
        return false;
    status = post(url, "application/timestamp-query", buf_slice(&stamping->request),
                  &stamping->response);
    if (status == 0)
        return fault_set(fault, FAULT_IO, "%.200s: no answer, or not a whole one", url);
    return status == 200 || fault_set(fault, FAULT_IO, "%.200s: HTTP status %d", url, status);
}

static bool stamp_by_url(const struct invocation *invocation, struct stamping *stamping,
                         struct fault *fault)
{
    const char *url = invocation_option(invocation, "url");

    return read_checkpoint(invocation, stamping, fault) &&
           timestamp_request(stamping->text, &stamping->request, fault) &&
           ask(stamping, url, fault) &&
           timestamp_check(buf_slice(&stamping->response), stamping->text,
                           buf_slice(&stamping->ca), buf_slice(&stamping->request),
                           &stamping->time, fault) &&
           write_stamp(stamping, "checkpoint", &stamping->note, fault) &&
           write_stamp(stamping, "tsr", &stamping->response, fault);
}

/* The answer comes later: what it will be about is kept with the request. */
static bool stamp_request(const struct invocation *invocation, struct stamping *stamping,
                          struct fault *fault)
{
    return read_checkpoint(invocation, stamping, fault) &&
           timestamp_request(stamping->text, &stamping->request, fault) &&
           write_stamp(stamping, "checkpoint", &stamping->note, fault) &&
           write_stamp(stamping, "tsq", &stamping->request, fault) &&
           file_create(AT_FDCWD, invocation_option(invocation, "request"),
                       buf_slice(&stamping->request), 0644, fault);
}

/* Is the answer about this checkpoint? */
static bool fits(struct stamping *stamping, const char *name, struct fault *fault)
{
    AUTO_FREE char *request = xformat("%.*s.tsq", (int)(strlen(name) - 11), name);
    struct checkpoint checkpoint;
    struct note note;

    buf_clear(&stamping->note);
    buf_clear(&stamping->request);
    if (!file_read(stamping->stamps, name, &stamping->note, fault) ||
        !note_parse(buf_slice(&stamping->note), &note, fault) ||
        !checkpoint_parse(note.text, &checkpoint, fault) ||
        !file_read(stamping->stamps, request, &stamping->request, fault))
        return false;
    stamping->size = checkpoint.size;
    return timestamp_check(buf_slice(&stamping->response), note.text, buf_slice(&stamping->ca),
                           buf_slice(&stamping->request), &stamping->time, fault);
}

static bool stamp_by_file(const struct invocation *invocation, struct stamping *stamping,
                          struct fault *fault)
{
    int fd = openat(stamping->stamps, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    bool found = false;

    if (dir == NULL) {
        scope_close(&fd);
        return fault_errno(fault, "list timestamps");
    }
    (void)fault_set(fault, FAULT_MISSING, "no request was made: --request FILE comes first");
    if (!file_read(AT_FDCWD, invocation_option(invocation, "file"), &stamping->response,
                   fault)) {
        (void)closedir(dir);
        return false;
    }
    while (!found && (entry = readdir(dir)) != NULL)
        found = slice_ends_with(slice_of(entry->d_name), SLICE(".checkpoint")) &&
                fits(stamping, entry->d_name, fault);
    (void)closedir(dir);
    return found && write_stamp(stamping, "tsr", &stamping->response, fault);
}

static const struct way {
    const char *option;
    bool (*stamp)(const struct invocation *invocation, struct stamping *stamping,
                  struct fault *fault);
} ways[] = {{"url", stamp_by_url}, {"request", stamp_request}, {"file", stamp_by_file}};

static bool stamp(const struct invocation *invocation, struct stamping *stamping,
                  struct fault *fault)
{
    const char *ledger = invocation->argument_count > 0 ? invocation->arguments[0] : NULL;
    const char *ca = invocation_option(invocation, "tsa-ca");
    const struct way *chosen = NULL;

    for (size_t i = 0; i < COUNT(ways); i++) {
        if (invocation_option(invocation, ways[i].option) == NULL)
            continue;
        if (chosen != NULL)
            return fault_set(fault, FAULT_INVALID, "--%s or --%s, not both", chosen->option,
                             ways[i].option);
        chosen = &ways[i];
    }
    if (chosen == NULL)
        return fault_set(fault, FAULT_INVALID, "one of --url, --request, --file is needed");
    if (ca == NULL && chosen->stamp != stamp_request)
        return fault_set(fault, FAULT_INVALID, "--tsa-ca says whom to believe");
    return (ca == NULL || file_read(AT_FDCWD, ca, &stamping->ca, fault)) &&
           ledger_open(ledger, &stamping->folder, fault) &&
           file_open_folder(stamping->folder, "timestamps", 0755, &stamping->stamps, fault) &&
           chosen->stamp(invocation, stamping, fault);
}

static void say(const struct stamping *stamping, bool as_json)
{
    bool is_stamped = stamping->time != 0;
    char when[CLOCK_TEXT_BYTES] = "";

    if (is_stamped)
        clock_text(stamping->time * 1000000, when);
    if (as_json) {
        command_print_json(json_pack("{s:I,s:s?}", "size", (json_int_t)stamping->size, "time",
                                     is_stamped ? when : NULL));
        return;
    }
    if (!is_stamped) {
        (void)printf("asked about %llu records; the answer goes to --file\n",
                     (unsigned long long)stamping->size);
        return;
    }
    (void)printf("%llu records existed at %s: timestamps/%llu.tsr\n",
                 (unsigned long long)stamping->size, when, (unsigned long long)stamping->size);
}

static int run(const struct invocation *invocation)
{
    struct stamping stamping = {.folder = -1,
                                .stamps = -1,
                                .note = buf_with_limit(NOTE_BYTES_MAX),
                                .ca = buf_with_limit(TIMESTAMP_CA_BYTES_MAX),
                                .request = buf_with_limit(TIMESTAMP_BYTES_MAX),
                                .response = buf_with_limit(TIMESTAMP_BYTES_MAX)};
    struct fault fault = {0};
    bool ok = stamp(invocation, &stamping, &fault);

    if (ok)
        say(&stamping, invocation->json);
    scope_close(&stamping.folder);
    scope_close(&stamping.stamps);
    buf_free(&stamping.note);
    buf_free(&stamping.ca);
    buf_free(&stamping.request);
    buf_free(&stamping.response);
    return ok ? EXIT_YES : command_fail(invocation, &fault);
}

const struct command command_timestamp = {
    .name = "timestamp",
    .arguments = "[LEDGER]",
    .arguments_max = 1,
    .prints_json = true,
    .summary = "Has an RFC 3161 authority say when the ledger's checkpoint existed",
    .text =
        "The token is over the signed text, which is sizes and hashes: nothing of a record\n"
        "leaves. It is verified, then kept in LEDGER/timestamps as SIZE.tsr beside\n"
        "SIZE.checkpoint; `custody verify --timestamps` compares all of them with the "
        "records.\n"
        "Without a network: --request writes the request, --file takes the answer.",
    .options = options,
    .run = run,
};
