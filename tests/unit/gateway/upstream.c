#include "upstream.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include <openssl/ssl.h>

#include "base/scope.h"
#include "os/file.h"
#include "os/spawn.h"
#include "test.h"

#define REQUEST_BYTES_MAX (40U * 1024 * 1024)
#define SERVE_SECONDS 60

struct link {
    int fd;
    SSL *tls; /* or NULL */
    int log;
};

static void must(bool ok)
{
    if (!ok)
        _exit(9);
}

void link_send_bytes(struct link *link, struct slice bytes)
{
    while (bytes.len > 0) {
        ssize_t sent = link->tls != NULL ? SSL_write(link->tls, bytes.at, (int)bytes.len)
                                         : send(link->fd, bytes.at, bytes.len, MSG_NOSIGNAL);

        if (sent <= 0)
            _exit(0); /* the peer has gone */
        bytes = slice_part(bytes, (size_t)sent, bytes.len);
    }
}

void link_send(struct link *link, const char *text)
{
    link_send_bytes(link, slice_of(text));
}

void link_answer(struct link *link, int status, const char *type, const char *body)
{
    AUTO_FREE char *text =
        xformat("HTTP/1.1 %d X\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
                "X-Request-Id: req-1\r\n\r\n%s",
                status, type, strlen(body), body);

    link_send(link, text);
}

void link_stream(struct link *link)
{
    link_send(link, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                    "Transfer-Encoding: chunked\r\n\r\n");
}

void link_chunk(struct link *link, const char *text)
{
    AUTO_FREE char *chunk = xformat("%zx\r\n%s\r\n", strlen(text), text);

    link_send(link, chunk);
}

void link_chunk_end(struct link *link)
{
    link_send(link, "0\r\n\r\n");
}

void link_sleep_ms(int ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

    (void)nanosleep(&time, NULL);
}

void link_cut(struct link *link)
{
    (void)close(link->fd);
    _exit(0);
}

void link_note_when_gone(struct link *link, int ms)
{
    struct pollfd poll_fd = {.fd = link->fd, .events = POLLRDHUP};
    const char *word = poll(&poll_fd, 1, ms) > 0 ? "[gone]" : "[stayed]";

    must(write(link->log, word, strlen(word)) > 0);
}

static size_t body_len(struct slice head)
{
    AUTO_FREE char *text = slice_dup(head);
    const char *at = strcasestr(text, "content-length:");

    return at == NULL ? 0 : strtoul(at + 15, NULL, 10);
}

/* Where the first request ends, or 0. */
static size_t request_end(struct slice bytes)
{
    size_t end = slice_find(bytes, SLICE("\r\n\r\n"), 0), whole;

    if (end == SIZE_MAX)
        return 0;
    whole = end + 4 + body_len(slice_part(bytes, 0, end));
    return whole <= bytes.len ? whole : 0;
}

static void serve_link(struct link *link, upstream_answer *answer)
{
    AUTO_BUF struct buf in = buf_with_limit(REQUEST_BYTES_MAX);
    uint8_t *piece = xalloc(65536);
    struct fault fault = {0};

    for (;;) {
        size_t end;
        ssize_t got = link->tls != NULL ? SSL_read(link->tls, piece, 65536)
                                        : read(link->fd, piece, 65536);

        if (got <= 0)
            _exit(0);
        must(buf_add(&in, slice_of_bytes(piece, (size_t)got), &fault));
        while ((end = request_end(buf_slice(&in))) > 0) {
            struct slice request = slice_part(buf_slice(&in), 0, end);

            must(file_write_all(link->log, request, &fault));
            answer(link, request);
            buf_drop_front(&in, end);
        }
    }
}

static SSL_CTX *tls_context(const char *certificate, const char *key)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());

    must(context != NULL &&
         SSL_CTX_use_certificate_file(context, certificate, SSL_FILETYPE_PEM) == 1 &&
         SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1);
    return context;
}

static void serve(int listener, const char *log, upstream_answer *answer, SSL_CTX *context)
{
    (void)signal(SIGCHLD, SIG_IGN);
    (void)signal(SIGPIPE, SIG_IGN);
    for (;;) {
        struct link link = {.fd = accept(listener, NULL, NULL)};

        must(link.fd >= 0);
        if (fork() != 0) {
            (void)close(link.fd);
            continue;
        }
        (void)alarm(SERVE_SECONDS);
        link.log = open(log, O_WRONLY | O_APPEND | O_CREAT, 0600);
        if (context != NULL) {
            link.tls = SSL_new(context);
            if (SSL_set_fd(link.tls, link.fd) != 1 || SSL_accept(link.tls) != 1)
                _exit(0); /* a client that does not trust us */
        }
        serve_link(&link, answer);
    }
}

struct upstream upstream_start(const char *folder, upstream_answer *answer,
                               const char *certificate, const char *key)
{
    static int number;
    struct upstream upstream = {0};
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    pid_t parent = getpid();

    assert_int_equal(bind(listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(listener, 64), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    upstream.port = ntohs(address.sin_port);
    (void)snprintf(upstream.log, sizeof(upstream.log), "%s/upstream-%d.log", folder, number++);
    upstream.pid = fork();
    assert_true(upstream.pid >= 0);
    if (upstream.pid == 0) {
        (void)setpgid(0, 0);
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(0);
        spawn_close_others(&listener, 1);
        serve(listener, upstream.log, answer,
              certificate == NULL ? NULL : tls_context(certificate, key));
    }
    (void)setpgid(upstream.pid, upstream.pid);
    (void)close(listener);
    return upstream;
}

void upstream_stop(struct upstream *upstream)
{
    if (upstream->pid <= 0)
        return;
    (void)kill(-upstream->pid, SIGKILL);
    (void)waitpid(upstream->pid, NULL, 0);
    upstream->pid = 0;
}

char *upstream_log(const struct upstream *upstream)
{
    AUTO_BUF struct buf text = buf_with_limit(REQUEST_BYTES_MAX);
    struct fault fault = {0};

    if (access(upstream->log, R_OK) < 0)
        return slice_dup(SLICE(""));
    assert_ok(file_read(AT_FDCWD, upstream->log, &text, &fault), fault);
    return slice_dup(buf_slice(&text));
}

static void openssl(const char *folder, const char *const *words)
{
    static const char *const environment[] = {"PATH=/usr/local/bin:/usr/bin:/bin", NULL};
    struct spawn_program program = {
        .argv = words, .environment = environment, .folder = folder, .err = -1};
    AUTO_BUF struct buf output = buf_with_limit(65536);
    struct fault fault = {0};
    int status = -1;

    assert_ok(spawn_run(&program, SLICE(""), &output, &status, &fault), fault);
    assert_int_equal(status, 0);
}

void upstream_certificates(const char *folder)
{
#define NEW_KEY "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"
    openssl(folder,
            (const char *const[]){"openssl", "req", "-x509", NEW_KEY, "-subj", "/CN=test CA",
                                  "-keyout", "ca.key", "-out", "ca.pem", NULL});
    openssl(folder,
            (const char *const[]){"openssl", "req", "-x509", NEW_KEY, "-subj", "/CN=other CA",
                                  "-keyout", "other.key", "-out", "other-ca.pem", NULL});
    openssl(folder, (const char *const[]){
                        "openssl", "req", "-x509", NEW_KEY, "-subj", "/CN=127.0.0.1",
                        "-addext", "subjectAltName=IP:127.0.0.1", "-addext",
                        "basicConstraints=CA:FALSE", "-CA", "ca.pem", "-CAkey", "ca.key",
                        "-keyout", "server.key", "-out", "server.pem", NULL});
#undef NEW_KEY
}
