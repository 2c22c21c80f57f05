/* The proxy as a whole: its own process, real sockets, a server that behaves as each test wants. */
#include "gateway/egress/egress.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/scope.h"
#include "gateway/egress/dialer.h"
#include "os/clock_real.h"
#include "os/message.h"
#include "test.h"

#define WAIT_MS 10000

struct place {
    int door;    /* connections are handed over here */
    int records; /* a line each */
    int listener;
    uint16_t port;
    pid_t child;
    struct egress_entry entry;
    char *texts[1];
};

/* ---- the process ---- */

static int record_lines;

static bool record(void *self, const struct record *what, uint64_t *ret_seq,
                   struct fault *fault)
{
    static uint64_t seq;
    AUTO_BUF struct buf text = buf_with_limit(RECORD_BYTES_MAX + 1);

    (void)self;
    if (!record_encode(what, NULL, &text, fault) || !buf_add_byte(&text, '\n', fault) ||
        write(record_lines, text.at, text.len) != (ssize_t)text.len)
        return false;
    if (ret_seq != NULL)
        *ret_seq = seq;
    seq++;
    return true;
}

static unsigned find_mark(void *self, struct slice text, const char *ret_rules[CLASS_COUNT])
{
    (void)self;
    if (slice_find(text, SLICE("CARD"), 0) == SIZE_MAX)
        return 0;
    ret_rules[CLASS_PAN] = "pan.mark";
    return CLASS_BIT(CLASS_PAN);
}

static void serve(const struct place *place, int door)
{
    struct egress_config config = {.entries = &place->entry,
                                   .entry_count = 1,
                                   .scan = {find_mark, NULL},
                                   .ledger = {record, record, NULL},
                                   .identity = {.run = "r-1",
                                                .agent = "coder@billing#r-1",
                                                .policy =
                                                    "0000000000000000000000000000000000000"
                                                    "000000000000000000000000001"},
                                   .clock = &clock_real,
                                   .door = door};
    struct dialer_config dialing = {.entries = &place->entry, .entry_count = 1};
    struct dialer *dialer = NULL;
    struct egress *egress = NULL;
    struct loop *loop = NULL;
    struct fault fault = {0};
    int ends[2];

    if (!message_pair(ends, &fault))
        _exit(3);
    config.dialer = ends[0];
    dialing.socket = ends[1];
    if (!loop_new(&loop, &fault) || !dialer_new(loop, &dialing, &dialer, &fault) ||
        !egress_new(loop, &config, &egress, &fault))
        _exit(4);
    if (write(record_lines, egress_certificate(egress).at, egress_certificate(egress).len) < 0)
        _exit(5);
    (void)!loop_run(loop, &fault);
    egress_free(egress);
    dialer_free(dialer);
    loop_free(loop);
}

static void read_until(int fd, const char *end, struct buf *got)
{
    struct fault fault = {0};

    while (slice_find(buf_slice(got), slice_of(end), 0) == SIZE_MAX) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        char bytes[4096];
        ssize_t len = poll(&ready, 1, WAIT_MS) == 1 ? read(fd, bytes, sizeof(bytes)) : -1;

        if (len <= 0)
            fail_msg("no `%s` in: %s", end, buf_text(got));
        assert_ok(buf_add(got, slice_of_bytes(bytes, (size_t)len), &fault), fault);
    }
}

static void place_begin(struct place *place, struct egress_entry entry)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(address);
    struct buf certificate = buf_with_limit(16384);
    struct fault fault = {0};
    int lines[2], ends[2];

    place->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(place->listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(place->listener, 16), 0);
    assert_int_equal(getsockname(place->listener, (struct sockaddr *)&address, &len), 0);
    place->port = ntohs(address.sin_port);
    place->entry = entry;
    place->entry.rule = "egress[0]";
    place->entry.host = "127.0.0.1";
    place->entry.port = place->port;
    place->entry.is_private = true;
    assert_int_equal(pipe(lines), 0);
    assert_ok(message_pair(ends, &fault), fault);
    place->child = fork();
    if (place->child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        record_lines = lines[1];
        (void)close(lines[0]);
        (void)close(ends[0]);
        (void)close(place->listener);
        (void)signal(SIGPIPE, SIG_IGN);
        serve(place, ends[1]);
        _exit(0);
    }
    (void)close(lines[1]);
    (void)close(ends[1]);
    place->records = lines[0];
    place->door = ends[0];
    read_until(place->records, "-----END CERTIFICATE-----\n", &certificate);
    buf_free(&certificate);
}

/* It must have come through alive. */
static void place_end(struct place *place)
{
    int status;

    assert_int_equal(waitpid(place->child, &status, WNOHANG), 0);
    (void)kill(place->child, SIGKILL);
    (void)waitpid(place->child, &status, 0);
    (void)close(place->door);
    (void)close(place->records);
    (void)close(place->listener);
    for (size_t i = 0; i < COUNT(place->texts); i++)
        free(place->texts[i]);
}

/* A client's connection, as the door hands it over with what it has read. */
static int visit(struct place *place, const char *first)
{
    struct message_fds fds = {.count = 1};
    struct fault fault = {0};
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    fds.fd[0] = ends[1];
    assert_ok(message_send(place->door, slice_of(first), &fds, &fault), fault);
    (void)close(ends[1]);
    return ends[0];
}

static int accept_one(const struct place *place)
{
    struct pollfd ready = {.fd = place->listener, .events = POLLIN};

    assert_int_equal(poll(&ready, 1, WAIT_MS), 1);
    return accept4(place->listener, NULL, NULL, SOCK_CLOEXEC);
}

static void expect(int fd, const char *end)
{
    struct buf got = buf_with_limit(1 << 20);

    read_until(fd, end, &got);
    buf_free(&got);
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static char *get(struct place *place, const char *path)
{
    free(place->texts[0]);
    place->texts[0] =
        xformat("GET http://127.0.0.1:%u%s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n\r\n",
                place->port, path, place->port);
    return place->texts[0];
}

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

/* ---- what is so ---- */

static void a_connection_serves_many_requests_over_one_to_the_server(void **state)
{
    struct place place = {0};
    int client, server;

    (void)state;
    place_begin(&place, (struct egress_entry){0});
    client = visit(&place, get(&place, "/1"));
    server = accept_one(&place);
    for (int i = 2; i < 6; i++) {
        AUTO_FREE char *path = xformat("/%d", i);

        expect(server, "\r\n\r\n");
        say(server, OK);
        expect(client, "\r\n\r\nok");
        say(client, get(&place, path));
    }
    expect(server, "GET /5 HTTP/1.1\r\n");
    (void)close(client);
    (void)close(server);
    place_end(&place);
}

static void requests_that_come_at_once_are_answered_in_order(void **state)
{
    struct place place = {0};
    AUTO_FREE char *both = NULL;
    int client, server;

    (void)state;
    place_begin(&place, (struct egress_entry){0});
    both = xformat("%sGET http://127.0.0.1:%u/no HTTP/1.1\r\nHost: other\r\n\r\n",
                   get(&place, "/1"), place.port);
    client = visit(&place, both);
    server = accept_one(&place);
    expect(server, "\r\n\r\n");
    say(server, OK);
    expect(client, "\r\n\r\nokHTTP/1.1 400 ");
    expect(place.records, "\"reason\":\"host\"");
    (void)close(client);
    (void)close(server);
    place_end(&place);
}

static void a_kept_connection_that_has_closed_is_made_again_once(void **state)
{
    struct place place = {0};
    int client, server;

    (void)state;
    place_begin(&place, (struct egress_entry){0});
    client = visit(&place, get(&place, "/1"));
    server = accept_one(&place);
    expect(server, "\r\n\r\n");
    say(server, OK);
    expect(client, "\r\n\r\nok");
    say(client, get(&place, "/2"));
    expect(server, "GET /2");
    (void)close(server); /* without an answer */
    server = accept_one(&place);
    expect(server, "GET /2");
    (void)close(server); /* and again: that is an answer */
    expect(client, "HTTP/1.1 502 ");
    expect(place.records, "\"reason\":\"server-gone\"");
    (void)close(client);
    place_end(&place);
}

static void a_client_that_goes_ends_what_it_asked_for(void **state)
{
    struct place place = {0};
    int client, server;
    char byte;

    (void)state;
    place_begin(&place, (struct egress_entry){0});
    client = visit(&place, get(&place, "/1"));
    server = accept_one(&place);
    expect(server, "\r\n\r\n");
    say(server, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    expect(client, "half");
    (void)close(client);
    assert_int_equal(read(server, &byte, 1), 0);
    expect(place.records, "\"reason\":\"client-gone\"");
    (void)close(server);
    place_end(&place);
}

static void answers_that_are_not_plain_are_not_passed_on(void **state)
{
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok",
        "HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        "SSH-2.0-x\r\n\r\n",
    };
    struct place place = {0};

    (void)state;
    place_begin(&place, (struct egress_entry){0});
    for (size_t i = 0; i < COUNT(answers); i++) {
        int client = visit(&place, get(&place, "/1"));
        int server = accept_one(&place);

        expect(server, "\r\n\r\n");
        say(server, answers[i]);
        expect(client, "HTTP/1.1 502 ");
        expect(place.records, "\"reason\":\"malformed\"");
        (void)close(client);
        (void)close(server);
    }
    place_end(&place);
}

static long memory_kb(pid_t pid)
{
    AUTO_FREE char *path = xformat("/proc/%d/statm", (int)pid);
    FILE *file = fopen(path, "re");
    long size = 0, resident = 0;

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%ld %ld", &size, &resident), 2);
    (void)fclose(file);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

/* The server may be as quick as it likes. */
static void a_slow_reader_costs_no_memory(void **state)
{
    static const char piece[65536];
    struct place place = {0};
    int client, server;
    size_t sent = 0;
    long before;

    (void)state;
    place_begin(&place, (struct egress_entry){0});
    client = visit(&place, get(&place, "/1"));
    server = accept_one(&place);
    expect(server, "\r\n\r\n");
    before = memory_kb(place.child);
    say(server, "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
    for (;;) {
        struct pollfd ready = {.fd = server, .events = POLLOUT};
        ssize_t put;

        if (poll(&ready, 1, 500) != 1)
            break;
        put = send(server, piece, sizeof(piece), MSG_NOSIGNAL | MSG_DONTWAIT);
        assert_true(put > 0);
        sent += (size_t)put;
    }
    assert_true(sent < 64U << 20); /* what the sockets hold */
    assert_true(memory_kb(place.child) - before < 8 * 1024);
    (void)close(client);
    (void)close(server);
    place_end(&place);
}

static void clients_that_break_off_anywhere_do_no_harm(void **state)
{
    struct place place = {0};
    AUTO_FREE char *request = NULL;
    int client, server;

    (void)state;
    place_begin(&place, (struct egress_entry){.inspected = true,
                                              .methods = {(const char *const[]){"GET"}, 1}});
    request = xformat("CONNECT 127.0.0.1:%u HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n\r\n",
                      place.port, place.port);
    for (size_t len = 1; len <= strlen(request); len += 7) {
        AUTO_FREE char *part = slice_dup(slice_of_bytes(request, len));

        client = visit(&place, part);
        (void)close(client);
    }
    client = visit(&place, request);
    expect(client, "HTTP/1.1 200 ");
    say(client, "GET / HTTP/1.1\r\n\r\n"); /* no TLS */
    expect(place.records, "\"reason\":\"no-tls\"");
    (void)close(client);
    client = visit(&place, get(&place, "/still")); /* it lives */
    server = accept_one(&place);
    expect(server, "GET /still");
    (void)close(server);
    (void)close(client);
    place_end(&place);
}

static void an_upload_is_looked_at_before_anything_is_sent(void **state)
{
    struct place place = {0};
    AUTO_FREE char *request = NULL;
    struct pollfd ready;
    int client;

    (void)state;
    place_begin(&place, (struct egress_entry){.inspected = true,
                                              .methods = {(const char *const[]){"PUT"}, 1}});
    request = xformat("PUT http://127.0.0.1:%u/x HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n"
                      "Expect: 100-continue\r\nContent-Length: 6\r\n\r\n",
                      place.port, place.port);
    client = visit(&place, request);
    expect(client, "HTTP/1.1 100 Continue\r\n\r\n");
    say(client, "a CARD");
    expect(client, "HTTP/1.1 403 ");
    expect(place.records, "\"reason\":\"data-class\"");
    ready = (struct pollfd){.fd = place.listener, .events = POLLIN};
    assert_int_equal(poll(&ready, 1, 100), 0);
    (void)close(client);
    place_end(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_connection_serves_many_requests_over_one_to_the_server),
        TEST(requests_that_come_at_once_are_answered_in_order),
        TEST(a_kept_connection_that_has_closed_is_made_again_once),
        TEST(a_client_that_goes_ends_what_it_asked_for),
        TEST(answers_that_are_not_plain_are_not_passed_on),
        TEST(a_slow_reader_costs_no_memory),
        TEST(clients_that_break_off_anywhere_do_no_harm),
        TEST(an_upload_is_looked_at_before_anything_is_sent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
