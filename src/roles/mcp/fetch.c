/*
 * fetch - POSTs to one MCP server what the reader wants, and gives it what came.
 *
 *   user       who asks                network    the server
 *   may read   /etc, /usr              may write  nothing
 *   holds      the server's key        talks to   reader, resolver
 */
#include <signal.h>
#include <strings.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/scope.h"
#include "gateway/mcp/memory.h"
#include "gateway/upstream/provider.h"
#include "os/clock_real.h"
#include "os/isolate.h"
#include "roles/mcp/ask.h"

#define REQUEST_US (INT64_C(30) * 1000 * 1000)
#define HEAD_BYTES_MAX (64 * 1024)

struct fetch {
    const struct ask_role *role;
    struct loop *loop;
    struct resolver *resolver;
    struct client *client;
    struct provider provider;
    struct transfer *transfer;
    struct loop_timer *deadline, *next;
    struct buf head, body; /* of the request */
    struct buf came;
    struct ask_answer answer;
    char session[MCP_SESSION_BYTES];
};

static void begin(void *self);

/* What came goes to the reader; then the next request is waited for. */
static void deliver(struct fetch *fetch, const char *why)
{
    struct fault fault = {0};

    loop_timer_cancel(fetch->deadline);
    transfer_cancel(fetch->transfer);
    fetch->deadline = NULL;
    fetch->transfer = NULL;
    if (why != NULL) {
        fetch->answer.status = 0;
        call_text(fetch->answer.why, sizeof(fetch->answer.why), slice_of(why));
    }
    fetch->answer.len = (uint32_t)fetch->came.len;
    if (!ask_send(fetch->role->socket, &fetch->answer, sizeof(fetch->answer),
                  buf_slice(&fetch->came)) ||
        !loop_timer(fetch->loop, 0, begin, fetch, &fetch->next, &fault))
        loop_stop(fetch->loop);
}

static void on_head(void *self, const struct http1_response *response)
{
    struct fetch *fetch = self;
    struct slice type = http1_response_header(response, "content-type");
    struct slice session = http1_response_header(response, "mcp-session-id");

    fetch->answer.status = http1_response_status(response);
    fetch->answer.is_stream =
        type.len >= 17 && strncasecmp((const char *)type.at, "text/event-stream", 17) == 0;
    if (mcp_session_valid(session))
        call_text(fetch->session, sizeof(fetch->session), session);
}

static void on_bytes(void *self, struct slice bytes)
{
    struct fetch *fetch = self;
    struct fault full = {0};

    if (!buf_add(&fetch->came, bytes, &full))
        deliver(fetch, "its answer is too large");
}

static void on_settled(void *self)
{
    (void)self;
}

static void on_ended(void *self, enum transfer_end end)
{
    static const char *const whys[] = {
        [TRANSFER_WHOLE] = NULL,
        [TRANSFER_UNREACHABLE] = "it cannot be reached",
        [TRANSFER_PROXY] = "the proxy does not let us through (policy: proxy)",
        [TRANSFER_UNTRUSTED] = "its certificate cannot be verified (policy: mcp, ca, pins)",
        [TRANSFER_CUT] = "it broke off its answer",
        [TRANSFER_BROKEN] = "it sent something that is not HTTP/1.1",
        [TRANSFER_TOO_LARGE] = "its answer is too large"};
    struct fetch *fetch = self;

    fetch->transfer = NULL;
    deliver(fetch, whys[end]);
}

static const struct transfer_events events = {on_head, on_bytes, on_settled, on_ended};

/* A stream that stays open has said what it had to say. */
static void on_time(void *self)
{
    struct fetch *fetch = self;

    fetch->deadline = NULL;
    deliver(fetch, fetch->answer.is_stream ? NULL : "it did not answer in time");
}

static bool write_head(struct fetch *fetch, const struct ask_request *request,
                       struct fault *fault)
{
    const struct url *url = &fetch->provider.url;
    struct buf *head = &fetch->head;

    buf_clear(head);
    return buf_reserve(head, head->limit / 2, fault) &&
           buf_add_format(head, fault, "POST %s%.*s%s%.*s HTTP/1.1\r\n",
                          url->path.len == 0 ? "/" : "", SLICE_ARGS(url->path),
                          url->query.len == 0 ? "" : "?", SLICE_ARGS(url->query)) &&
           buf_add(head, buf_slice(&fetch->provider.fields), fault) &&
           buf_add_format(head, fault,
                          "Accept: application/json, text/event-stream\r\n"
                          "Content-Type: application/json\r\nContent-Length: %zu\r\n",
                          fetch->body.len) &&
           (fetch->session[0] == 0 ||
            buf_add_format(head, fault, "Mcp-Session-Id: %s\r\n", fetch->session)) &&
           (request->version[0] == 0 ||
            buf_add_format(head, fault, "MCP-Protocol-Version: %s\r\n", request->version)) &&
           buf_add_text(head, "\r\n", fault);
}

static void begin(void *self)
{
    struct fetch *fetch = self;
    struct ask_request request;
    struct fault fault = {0};

    fetch->next = NULL;
    buf_clear(&fetch->came);
    fetch->answer = (struct ask_answer){0};
    if (!ask_take(fetch->role->socket, &request, sizeof(request)) ||
        !call_text_valid(request.version, sizeof(request.version)) ||
        !ask_take_body(fetch->role->socket, request.len, &fetch->body) ||
        !write_head(fetch, &request, &fault) ||
        !loop_timer(fetch->loop, REQUEST_US, on_time, fetch, &fetch->deadline, &fault)) {
        loop_stop(fetch->loop); /* the reader has all it wants */
        return;
    }
    fetch->transfer = transfer_begin(fetch->provider.pool, buf_slice(&fetch->head),
                                     buf_slice(&fetch->body), &events, fetch);
}

static bool confine(struct fault *fault)
{
    static const struct isolate_path paths[] = {
        {.path = "/etc", .access = ISOLATE_READ},
        {.path = "/usr", .access = ISOLATE_READ | ISOLATE_EXECUTE},
        {.path = "/lib", .access = ISOLATE_READ | ISOLATE_EXECUTE, .optional = true},
        {.path = "/lib64", .access = ISOLATE_READ | ISOLATE_EXECUTE, .optional = true},
        {.path = "/dev/urandom", .access = ISOLATE_READ, .optional = true},
    };

    return isolate_files(paths, COUNT(paths), ISOLATE_ABI_KERNEL, NULL, fault) &&
           isolate_syscalls(ISOLATE_GATEWAY, fault);
}

static bool serve(struct fetch *fetch, struct fault *fault)
{
    int resolver = fetch->role->resolver;

    return provider_open(&fetch->role->server->at, &fetch->provider, fault) &&
           loop_new(&fetch->loop, fault) &&
           resolver_new(fetch->loop, &clock_real, resolver, &fetch->resolver, fault) &&
           (fetch->client = client_new(fetch->loop, &clock_real, fetch->resolver)) != NULL &&
           provider_connect(&fetch->provider, fetch->client, ASK_BYTES_MAX, fault) &&
           confine(fault) && loop_timer(fetch->loop, 0, begin, fetch, &fetch->next, fault) &&
           loop_run(fetch->loop, fault);
}

int ask_fetch_role(void *self)
{
    struct fetch fetch = {.role = self,
                          .head = buf_with_limit(HEAD_BYTES_MAX),
                          .body = buf_with_limit(ASK_BYTES_MAX),
                          .came = buf_with_limit(ASK_BYTES_MAX)};
    struct ask_request request;
    struct fault fault = {0};

    (void)prctl(PR_SET_DUMPABLE, 0);
    (void)signal(SIGPIPE, SIG_IGN); /* OpenSSL writes, not sends */
    if (serve(&fetch, &fault))
        _exit(0); /* what it holds is gone with it */
    fetch.answer = (struct ask_answer){0};
    call_text(fetch.answer.why, sizeof(fetch.answer.why), slice_of(fault.why));
    if (ask_take(fetch.role->socket, &request, sizeof(request)) &&
        ask_take_body(fetch.role->socket, request.len, &fetch.body))
        (void)!ask_send(fetch.role->socket, &fetch.answer, sizeof(fetch.answer), SLICE(""));
    _exit(2);
}
