#include "roles/keys/aside.h"

#include "base/scope.h"
#include "keystore/secret.h"
#include "os/isolate.h"
#include "os/message.h"
#include "os/spawn.h"

#define ACT_MS 60000 /* a slow TPM makes its primary key in some seconds */

bool aside_report(int socket, const struct fault *outcome, struct slice bytes)
{
    AUTO_BUF_SECRET struct buf packet = buf_with_limit(sizeof(*outcome) + ASIDE_BYTES_MAX);
    struct fault ignored = {0};

    return secret_reserve(&packet, &ignored) &&
           buf_add(&packet, slice_of_bytes(outcome, sizeof(*outcome)), &ignored) &&
           buf_add(&packet, bytes, &ignored) &&
           message_send(socket, buf_slice(&packet), NULL, &ignored);
}

bool aside_hear(int socket, int timeout_ms, struct buf *ret_bytes, struct fault *fault)
{
    AUTO_BUF_SECRET struct buf packet = buf_with_limit(MESSAGE_BYTES_MAX);
    struct fault said;
    bool end;

    if (!secret_reserve(&packet, fault) ||
        !message_receive(socket, &packet, NULL, timeout_ms, &end, fault)) {
        fault->kind = FAULT_HOST;
        return false;
    }
    if (end || packet.len < sizeof(said))
        return fault_set(fault, FAULT_HOST,
                         "it ended without a word (a library that crashed?)");
    memcpy(&said, packet.at, sizeof(said));
    said.why[sizeof(said.why) - 1] = 0;
    if (said.kind != FAULT_NONE) {
        *fault = said;
        return false;
    }
    return buf_add(ret_bytes, slice_part(buf_slice(&packet), sizeof(said), packet.len), fault);
}

struct child {
    const struct aside *aside;
    int socket;
};

static int serve(void *self)
{
    const struct child *child = self;
    AUTO_BUF_SECRET struct buf bytes = buf_with_limit(ASIDE_BYTES_MAX);
    struct fault outcome = {0};

    secret_guard();
    if (!secret_reserve(&bytes, &outcome) || !isolate_syscalls(ISOLATE_GATEWAY, &outcome) ||
        !child->aside->act(child->aside->self, &bytes, &outcome))
        buf_clear(&bytes);
    else
        outcome = (struct fault){0};
    return aside_report(child->socket, &outcome, buf_slice(&bytes)) ? 0 : 1;
}

bool aside_run(const struct aside *aside, struct buf *ret_bytes, struct fault *fault)
{
    AUTO_CLOSE int ours = -1;
    AUTO_CLOSE int theirs = -1;
    struct child child = {.aside = aside};
    struct process process;
    int ends[2];
    bool ok;

    if (!message_pair(ends, fault))
        return false;
    ours = ends[0];
    theirs = child.socket = ends[1];
    {
        const int keep[] = {theirs, aside->keep < 0 ? theirs : aside->keep};

        if (!spawn_role(aside->name, serve, &child, keep, COUNT(keep), &process, fault))
            return false;
    }
    scope_close(&theirs);
    ok = aside_hear(ours, ACT_MS, ret_bytes, fault);
    process_kill(&process);
    return ok || fault_in(fault, "%s", aside->name);
}
