#include "gateway/egress/channel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/hex.h"

#define READ_BYTES (8 * 1024)
#define READS_AT_ONCE 32
#define OUT_BYTES_MAX (64UL * 1024 * 1024) /* a whole upload is queued at once */

struct channel {
    struct loop *loop;
    int fd;
    struct loop_watch *watch;
    struct loop_timer *again;
    uint32_t events;
    void (*ready)(void *self);
    void *self;
    SSL *tls;
    BIO *from_peer, *to_peer; /* the TLS connection's ends; owned by it */
    struct buf in, out;
    size_t out_at;
    struct buf held; /* to be sent when the handshake is done */
    bool paused, ended, failed, finishing, finished, closed;
    bool stuffed; /* more was to be had of TLS, and there was no room for it */
    bool in_use;  /* a callback is running */
    char why[160];
};

static void on_ready(void *self, uint32_t events);
static void on_again(void *self);

/* Calls back soon, where no event of the socket would. */
static void tell_soon(struct channel *channel)
{
    struct fault fault = {0};

    if (!channel->closed && channel->again == NULL &&
        !loop_timer(channel->loop, 0, on_again, channel, &channel->again, &fault))
        channel->again = NULL;
}

static void fail(struct channel *channel, const char *what)
{
    if (channel->failed)
        return;
    channel->failed = true;
    (void)snprintf(channel->why, sizeof(channel->why), "%.150s", what);
    if (!channel->in_use)
        tell_soon(channel);
}

static void fail_tls(struct channel *channel)
{
    long verified = libssl.SSL_get_verify_result(channel->tls);
    unsigned long error = ERR_peek_last_error();
    char text[120];

    (void)snprintf(text, sizeof(text), "TLS: %s",
                   verified != X509_V_OK ? X509_verify_cert_error_string(verified)
                   : error != 0          ? ERR_reason_error_string(error)
                                         : "the connection was cut");
    fail(channel, text);
    ERR_clear_error();
}

static bool may_read(const struct channel *channel)
{
    return !channel->paused && !channel->ended && !channel->failed &&
           channel->in.len < CHANNEL_HIGH_BYTES;
}

/* A socket that is neither read nor written to is not watched: its hang-up would be told for
 * ever. */
static void watch(struct channel *channel)
{
    uint32_t events = (may_read(channel) ? EPOLLIN : 0U) |
                      (channel->out.len > channel->out_at && !channel->failed ? EPOLLOUT : 0U);
    struct fault fault = {0};
    bool ok = true;

    if (channel->stuffed && may_read(channel))
        tell_soon(channel);
    if (channel->closed || events == channel->events)
        return;
    if (events == 0) {
        loop_unwatch(channel->watch);
        channel->watch = NULL;
    } else if (channel->watch == NULL) {
        ok = loop_watch(channel->loop, channel->fd, events, on_ready, channel, &channel->watch,
                        &fault);
    } else {
        ok = loop_watch_change(channel->watch, events, &fault);
    }
    channel->events = ok ? events : 0;
    if (!ok)
        fail(channel, "the socket cannot be watched");
}

bool channel_new(struct loop *loop, int fd, void (*ready)(void *self), void *self,
                 struct channel **ret_channel, struct fault *fault)
{
    struct channel *channel = xalloc(sizeof(*channel));

    *channel = (struct channel){.loop = loop,
                                .fd = fd,
                                .ready = ready,
                                .self = self,
                                .in = buf_with_limit(CHANNEL_HIGH_BYTES + 64 * 1024),
                                .out = buf_with_limit(OUT_BYTES_MAX),
                                .held = buf_with_limit(OUT_BYTES_MAX)};
    watch(channel);
    if (channel->failed) {
        channel_close(channel);
        return fault_set(fault, FAULT_IO, "watch a connection");
    }
    *ret_channel = channel;
    return true;
}

static void bury(void *self)
{
    struct channel *channel = self;

    libssl.SSL_free(channel->tls);
    buf_free(&channel->in);
    buf_free(&channel->out);
    buf_free(&channel->held);
    free(channel);
}

void channel_close(struct channel *channel)
{
    struct fault fault = {0};

    if (channel == NULL || channel->closed)
        return;
    channel->closed = true;
    loop_unwatch(channel->watch);
    loop_timer_cancel(channel->again);
    (void)close(channel->fd);
    if (!channel->in_use)
        bury(channel);
    else
        (void)!loop_timer(channel->loop, 0, bury, channel, NULL, &fault);
}

/* ---- bytes ---- */

static void flush(struct channel *channel)
{
    while (channel->out_at < channel->out.len && !channel->failed) {
        ssize_t sent = send(channel->fd, channel->out.at + channel->out_at,
                            channel->out.len - channel->out_at, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno == EAGAIN)
            break;
        if (sent < 0)
            fail(channel, strerror(errno));
        else
            channel->out_at += (size_t)sent;
    }
    if (channel->out_at == channel->out.len) {
        buf_clear(&channel->out);
        channel->out_at = 0;
        if (channel->finishing && !channel->finished) {
            channel->finished = true;
            (void)shutdown(channel->fd, SHUT_WR);
        }
    } else if (channel->out_at > CHANNEL_HIGH_BYTES) {
        buf_drop_front(&channel->out, channel->out_at);
        channel->out_at = 0;
    }
}

/* What TLS has to say goes out. */
static void drain(struct channel *channel)
{
    char *bytes = NULL;
    long len = BIO_get_mem_data(channel->to_peer, &bytes);
    struct fault fault = {0};

    if (len > 0) {
        if (!buf_add(&channel->out, slice_of_bytes(bytes, (size_t)len), &fault))
            fail(channel, fault.why);
        (void)BIO_reset(channel->to_peer);
    }
}

static void send_held(struct channel *channel)
{
    struct buf held = channel->held;

    if (held.len == 0 || !libssl.SSL_is_init_finished(channel->tls))
        return;
    channel->held = buf_with_limit(OUT_BYTES_MAX);
    if (libssl.SSL_write(channel->tls, held.at, (int)held.len) <= 0)
        fail_tls(channel);
    buf_free(&held);
}

static void decrypt(struct channel *channel)
{
    uint8_t piece[8 * 1024];
    struct fault fault = {0};
    int got = 1;

    ERR_clear_error();
    channel->stuffed = false;
    while (got > 0 && channel->in.len < CHANNEL_HIGH_BYTES) {
        got = libssl.SSL_read(channel->tls, piece, sizeof(piece));
        if (got > 0 && !buf_add(&channel->in, slice_of_bytes(piece, (size_t)got), &fault))
            fail(channel, fault.why);
    }
    channel->stuffed = got > 0;
    if (got <= 0) {
        int error = libssl.SSL_get_error(channel->tls, got);

        if (error == SSL_ERROR_ZERO_RETURN)
            channel->ended = true;
        else if (error != SSL_ERROR_WANT_READ)
            fail_tls(channel);
    }
    send_held(channel);
    drain(channel);
}

static void take(struct channel *channel, struct slice bytes)
{
    struct fault fault = {0};

    if (channel->tls == NULL) {
        if (!buf_add(&channel->in, bytes, &fault))
            fail(channel, fault.why);
        return;
    }
    if (BIO_write(channel->from_peer, bytes.at, (int)bytes.len) != (int)bytes.len)
        fail(channel, "no memory for TLS");
    decrypt(channel);
}

static void receive(struct channel *channel)
{
    uint8_t bytes[READ_BYTES];

    for (int i = 0; i < READS_AT_ONCE && may_read(channel); i++) {
        ssize_t got = recv(channel->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (got < 0)
            fail(channel, strerror(errno));
        else if (got > 0)
            take(channel, slice_of_bytes(bytes, (size_t)got));
        else if (channel->tls == NULL)
            channel->ended = true;
        else
            fail(channel, "TLS: the connection was cut");
    }
}

static void tell(struct channel *channel)
{
    channel->ready(channel->self);
    if (!channel->closed)
        watch(channel);
    channel->in_use = false;
}

static void on_ready(void *self, uint32_t events)
{
    struct channel *channel = self;

    channel->in_use = true; /* its owner hears of what happens below */
    if ((events & EPOLLOUT) != 0)
        flush(channel);
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
        receive(channel);
    flush(channel);
    tell(channel);
}

/* Decrypted bytes may wait in TLS while the socket has none. */
static void on_again(void *self)
{
    struct channel *channel = self;

    channel->in_use = true;
    channel->again = NULL;
    if (channel->tls != NULL && may_read(channel))
        decrypt(channel);
    flush(channel);
    tell(channel);
}

void channel_read_on(struct channel *channel, bool reads)
{
    channel->paused = !reads;
    watch(channel);
}

void channel_nudge(struct channel *channel)
{
    tell_soon(channel);
}

/* ---- TLS ---- */

static bool begin_tls(struct channel *channel, SSL_CTX *context, struct fault *fault)
{
    channel->tls = libssl.SSL_new(context);
    channel->from_peer = BIO_new(BIO_s_mem());
    channel->to_peer = BIO_new(BIO_s_mem());
    if (channel->tls == NULL || channel->from_peer == NULL || channel->to_peer == NULL)
        return fault_set(fault, FAULT_IO, "no memory for TLS");
    (void)BIO_set_mem_eof_return(channel->from_peer, -1);
    libssl.SSL_set_bio(channel->tls, channel->from_peer, channel->to_peer);
    return true;
}

bool channel_accept_tls(struct channel *channel, SSL_CTX *context, struct fault *fault)
{
    struct buf early = channel->in;

    channel->in = buf_with_limit(early.limit);
    if (!begin_tls(channel, context, fault)) {
        buf_free(&early);
        return false;
    }
    libssl.SSL_set_accept_state(channel->tls);
    take(channel, buf_slice(&early));
    buf_free(&early);
    flush(channel);
    watch(channel);
    return true;
}

/* Addresses are no names: they are compared with the certificate's addresses. */
static bool expect_host(SSL *tls, const char *host)
{
    uint8_t address[16];
    bool is_address =
        inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;

    libssl.SSL_set_hostflags(tls, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (is_address)
        return X509_VERIFY_PARAM_set1_ip_asc(libssl.SSL_get0_param(tls), host) == 1;
    return libssl.SSL_set1_host(tls, host) == 1 &&
           libssl.SSL_ctrl(tls, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                           (void *)(uintptr_t)host) == 1;
}

bool channel_connect_tls(struct channel *channel, SSL_CTX *context, const char *host,
                         struct fault *fault)
{
    if (!begin_tls(channel, context, fault))
        return false;
    libssl.SSL_set_connect_state(channel->tls);
    if (!expect_host(channel->tls, host))
        return fault_set(fault, FAULT_INVALID, "TLS takes no host %s", host);
    decrypt(channel);
    flush(channel);
    watch(channel);
    return true;
}

bool channel_is_open(const struct channel *channel)
{
    return channel->tls == NULL || libssl.SSL_is_init_finished(channel->tls);
}

void channel_peer_digest(const struct channel *channel, char ret_digest[65])
{
    X509 *certificate =
        channel->tls == NULL ? NULL : libssl.SSL_get1_peer_certificate(channel->tls);
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    ret_digest[0] = 0;
    if (certificate != NULL && X509_digest(certificate, EVP_sha256(), digest, &len) == 1 &&
        len == 32)
        hex_encode(slice_of_bytes(digest, len), ret_digest);
    X509_free(certificate);
}

/* ---- the rest ---- */

struct buf *channel_in(struct channel *channel)
{
    return &channel->in;
}

bool channel_has_ended(const struct channel *channel)
{
    return channel->ended;
}

bool channel_has_failed(const struct channel *channel)
{
    return channel->failed;
}

const char *channel_why(const struct channel *channel)
{
    return channel->why;
}

void channel_send(struct channel *channel, struct slice bytes)
{
    struct fault fault = {0};
    bool waits = channel->tls != NULL && !libssl.SSL_is_init_finished(channel->tls);

    if (bytes.len == 0 || channel->failed || channel->finishing)
        return;
    if (channel->tls == NULL || waits) {
        if (!buf_add(waits ? &channel->held : &channel->out, bytes, &fault))
            fail(channel, fault.why);
    } else {
        if (libssl.SSL_write(channel->tls, bytes.at, (int)bytes.len) <= 0)
            fail_tls(channel);
        drain(channel);
    }
    flush(channel);
    watch(channel);
}

size_t channel_unsent(const struct channel *channel)
{
    return channel->failed ? 0 : channel->out.len - channel->out_at + channel->held.len;
}

void channel_finish(struct channel *channel)
{
    if (channel->finishing)
        return;
    channel->finishing = true;
    if (channel->tls != NULL && libssl.SSL_is_init_finished(channel->tls)) {
        (void)libssl.SSL_shutdown(channel->tls);
        drain(channel);
    }
    flush(channel);
    watch(channel);
}
