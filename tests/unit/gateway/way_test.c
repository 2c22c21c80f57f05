/* The way to a provider: pins, proxies, further tries, connections that are kept. */
#include "world.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/hex.h"

#define CHAT "/v1/chat/completions"
#define ASK                                                                                   \
    "{\"model\":\"m\",\"max_tokens\":10,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}" \
    "]}"
#define ASK_STREAM "{\"model\":\"m\",\"max_tokens\":10,\"stream\":true,\"messages\":[]}"
#define ANSWER                                                                                \
    "{\"choices\":[{\"message\":{\"content\":\"hello\"},\"finish_reason\":\"stop\"}],"        \
    "\"usage\":{"                                                                             \
    "\"prompt_tokens\":11,\"completion_tokens\":7}}"

static void answer_right(struct link *link, struct slice request)
{
    (void)request;
    link_answer(link, 200, "application/json", ANSWER);
}

/* SHA-256 of the provider's certificate. */
static void digest_of(const struct world *world, char ret_text[65])
{
    AUTO_FREE char *path = xformat("%s/server.pem", world->folder);
    uint8_t digest[EVP_MAX_MD_SIZE];
    FILE *in = fopen(path, "r");
    unsigned len = 0;
    X509 *certificate;

    assert_non_null(in);
    certificate = PEM_read_X509(in, NULL, NULL, NULL);
    (void)fclose(in);
    assert_int_equal(X509_digest(certificate, EVP_sha256(), digest, &len), 1);
    hex_encode(slice_of_bytes(digest, 32), ret_text);
    X509_free(certificate);
}

static void the_certificate_is_in_the_record(void **state)
{
    struct world world = {.answer = answer_right, .tls = true};
    AUTO_FREE char *first = NULL, *second = NULL;
    char digest[65];

    (void)state;
    world_begin(&world);
    digest_of(&world, digest);
    first = world_post(&world, CHAT, ASK);
    second = world_post(&world, CHAT, ASK); /* the connection, or the session, again */
    ASSERT_HAS(first, "HTTP/1.1 200 OK");
    ASSERT_HAS(second, "HTTP/1.1 200 OK");
    ASSERT_RECORDS(&world, 2, "\"model.outcome\"", "\"ok\"", digest);
    world_end(&world);
}

static void a_pin_must_be_one_of_the_chains_keys(void **state)
{
    static const char *const other =
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    (void)state;
    for (int right = 0; right < 2; right++) {
        struct world world = {.answer = answer_right, .tls = true, .pin = other};
        AUTO_FREE char *answer = NULL, *log = NULL;

        world.pin_own_key = right == 1;
        world_begin(&world);
        answer = world_post(&world, CHAT, ASK);
        log = upstream_log(&world.upstream);
        ASSERT_HAS(answer, right ? "HTTP/1.1 200 OK" : "\"code\":\"upstream-tls\"");
        if (!right)
            assert_string_equal(log, "");
        world_end(&world);
    }
}

static void relay(int a, int b)
{
    struct pollfd ready[2] = {{.fd = a, .events = POLLIN}, {.fd = b, .events = POLLIN}};
    static uint8_t room[16384]; /* a process a proxy */

    while (poll(ready, 2, 20000) > 0)
        for (int i = 0; i < 2; i++)
            if (ready[i].revents != 0) {
                ssize_t got = recv(ready[i].fd, room, sizeof(room), 0);

                if (got <= 0 || send(ready[1 - i].fd, room, (size_t)got, MSG_NOSIGNAL) != got)
                    return;
            }
}

/* Lets through whoever shows the right word; the host's name is anybody's. */
static void serve_proxy(int listener, uint16_t port)
{
    for (;;) {
        struct sockaddr_in to = {.sin_family = AF_INET,
                                 .sin_port = htons(port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        AUTO_CLOSE int in = accept(listener, NULL, NULL);
        AUTO_CLOSE int out = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        char head[4096] = {0};
        static const char yes[] = "HTTP/1.1 200 Connection established\r\n\r\n";
        static const char no[] =
            "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";
        ssize_t len = 0, got;

        while (strstr(head, "\r\n\r\n") == NULL &&
               (got = recv(in, head + len, sizeof(head) - 1 - (size_t)len, 0)) > 0)
            len += got;
        if (strncmp(head, "CONNECT 127.0.0.1:", 18) != 0 ||
            strstr(head, "\r\nProxy-Authorization: Basic YW46YXBw\r\n") == NULL) {
            (void)send(in, no, strlen(no), MSG_NOSIGNAL);
            continue;
        }
        if (connect(out, (struct sockaddr *)&to, sizeof(to)) == 0 &&
            send(in, yes, strlen(yes), MSG_NOSIGNAL) > 0)
            relay(in, out);
    }
}

static pid_t start_proxy(uint16_t port, uint16_t *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    AUTO_CLOSE int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    pid_t parent = getpid(), pid;

    assert_int_equal(bind(listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(listener, 16), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    *ret_port = ntohs(address.sin_port);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == parent)
            serve_proxy(listener, port);
        _exit(0);
    }
    return pid;
}

static void a_proxy_is_passed_with_its_credentials(void **state)
{
    static const char *const credentials[] = {"an:app\n", "an:other\n"};

    (void)state;
    for (size_t i = 0; i < COUNT(credentials); i++) {
        struct world world = {.answer = answer_right,
                              .tls = true,
                              .start_proxy = start_proxy,
                              .proxy_credentials = credentials[i]};
        AUTO_FREE char *answer = NULL, *log = NULL;

        world_begin(&world);
        answer = world_post(&world, CHAT, ASK);
        log = upstream_log(&world.upstream);
        if (i == 0) {
            ASSERT_HAS(answer, "HTTP/1.1 200 OK");
            ASSERT_HAS(log, "Authorization: Bearer " WORLD_KEY);
            ASSERT_LACKS(log, "Proxy-Authorization");
        } else {
            ASSERT_HAS(answer, "HTTP/1.1 502 ");
            ASSERT_HAS(answer, "\"code\":\"upstream-proxy\"");
            assert_string_equal(log, "");
        }
        world_end(&world);
    }
}

static void answer_third(struct link *link, struct slice request)
{
    static int count; /* one process a connection, and the connection is kept */

    (void)request;
    if (++count < 3)
        link_send(link, "HTTP/1.1 529 Overloaded\r\nRetry-After-Ms: 20\r\n"
                        "Content-Length: 2\r\n\r\n{}");
    else
        link_answer(link, 200, "application/json", ANSWER);
}

static void a_busy_provider_is_asked_again_as_the_same_request(void **state)
{
    struct world world = {.answer = answer_third};
    AUTO_FREE char *answer = NULL, *log = NULL;
    const char *first, *second;

    (void)state;
    world_begin(&world);
    answer = world_post(&world, CHAT, ASK);
    ASSERT_HAS(answer, "HTTP/1.1 200 OK");
    log = upstream_log(&world.upstream);
    first = strstr(log, "Idempotency-Key: ");
    assert_non_null(first);
    second = strstr(first + 1, "Idempotency-Key: ");
    assert_non_null(second);
    assert_memory_equal(first, second, strlen("Idempotency-Key: ") + 32);
    ASSERT_RECORDS(&world, 1, "\"model.intent\"");
    ASSERT_RECORDS(&world, 1, "\"model.outcome\"", "\"ok\"", "\"count\":3");
    world_end(&world);
}

static void answer_no(struct link *link, struct slice request)
{
    (void)request;
    link_send(link, "HTTP/1.1 503 Unavailable\r\nX-Should-Retry: false\r\n"
                    "Content-Length: 2\r\n\r\n{}");
}

static void a_provider_that_says_no_is_not_asked_again(void **state)
{
    struct world world = {.answer = answer_no};
    AUTO_FREE char *answer = NULL;

    (void)state;
    world_begin(&world);
    answer = world_post(&world, CHAT, ASK);
    ASSERT_HAS(answer, "HTTP/1.1 503 ");
    ASSERT_RECORDS(&world, 1, "\"model.outcome\"", "\"failed\"", "\"count\":1");
    world_end(&world);
}

static void answer_and_go(struct link *link, struct slice request)
{
    (void)request;
    link_answer(link, 200, "application/json", ANSWER);
    link_cut(link);
}

static void a_kept_connection_that_was_closed_is_no_failure(void **state)
{
    struct world world = {.answer = answer_and_go};

    (void)state;
    world_begin(&world);
    for (int i = 0; i < 5; i++) {
        AUTO_FREE char *answer = world_post(&world, CHAT, ASK);

        ASSERT_HAS(answer, "HTTP/1.1 200 OK");
    }
    ASSERT_RECORDS(&world, 5, "\"model.outcome\"", "\"ok\"", "\"count\":1");
    world_end(&world);
}

static void answer_smuggled(struct link *link, struct slice request)
{
    (void)request;
    link_send(link, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: "
                    "chunked\r\n\r\n0\r\n\r\n");
}

static void an_answer_that_can_be_read_two_ways_is_refused(void **state)
{
    struct world world = {.answer = answer_smuggled};
    AUTO_FREE char *answer = NULL;

    (void)state;
    world_begin(&world);
    answer = world_post(&world, CHAT, ASK);
    ASSERT_HAS(answer, "HTTP/1.1 502 ");
    ASSERT_HAS(answer, "\"code\":\"upstream-broken\"");
    world_end(&world);
}

static void answer_late(struct link *link, struct slice request)
{
    bool fails = slice_find(request, SLICE("\"fail\""), 0) != SIZE_MAX;

    link_sleep_ms(2500);
    if (fails) {
        link_answer(link, 400, "application/json", "{\"error\":{}}");
        return;
    }
    link_stream(link);
    link_chunk(link, "data: {\"choices\":[{\"delta\":{\"content\":\"hello\"}}]}\n\n");
    link_chunk(link, "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
                     "data: [DONE]\n\n");
    link_chunk_end(link);
}

static void a_client_of_a_stream_is_told_that_we_wait(void **state)
{
    struct world world = {.answer = answer_late, .limits = {.comfort_ms = 500}};
    AUTO_FREE char *answer = NULL, *failed = NULL;

    (void)state;
    world_begin(&world);
    answer = world_post(&world, CHAT, ASK_STREAM);
    ASSERT_HAS(answer, "HTTP/1.1 200 OK");
    ASSERT_HAS(answer, ": waiting\n\n");
    ASSERT_HAS(answer, "hello");
    ASSERT_HAS(answer, "[DONE]");
    failed = world_post(&world, CHAT,
                        "{\"model\":\"m\",\"stream\":true,\"user\":\"fail\",\"messages\":[]}");
    ASSERT_HAS(failed, "HTTP/1.1 200 OK");
    ASSERT_HAS(failed,
               "data: {\"error\":{\"message\":\"custody: the model's provider answered "
               "with HTTP 400");
    ASSERT_LACKS(failed, "[DONE]");
    world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_certificate_is_in_the_record),
        TEST(a_pin_must_be_one_of_the_chains_keys),
        TEST(a_proxy_is_passed_with_its_credentials),
        TEST(a_busy_provider_is_asked_again_as_the_same_request),
        TEST(a_provider_that_says_no_is_not_asked_again),
        TEST(a_kept_connection_that_was_closed_is_no_failure),
        TEST(an_answer_that_can_be_read_two_ways_is_refused),
        TEST(a_client_of_a_stream_is_told_that_we_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
