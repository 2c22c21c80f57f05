#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/scope.h"
#include "ledger/ledger.h"
#include "ledger/protocol.h"
#include "os/clock_real.h"
#include "os/message.h"

#define CHECKPOINT_MS 30000
#define FOR_EVER INT64_MAX

struct ledger_client {
    int socket;
    bool is_greeted;
    uint64_t types;
    char src[LEDGER_SRC_BYTES_MAX + 1];
    uint64_t next_seq;
    uint64_t sent;     /* records, by this socket */
    uint64_t asked;    /* of them, up to the last that is to be answered */
    uint64_t answered; /* up to this one: on disk, or refused */
    uint64_t refused;  /* this one was */
    struct fault refusal;
    uint64_t last_tag;
    struct buf in, out;
};

/* What arrived, if it was an answer to a question with a tag. */
struct answer {
    enum ledger_packet packet;
    uint64_t tag;
    struct message_fds fds;
    struct fault why;
};

struct ledger_client *ledger_client_new(int socket)
{
    struct ledger_client *client = xalloc(sizeof(*client));

    client->socket = socket;
    client->in = buf_with_limit(MESSAGE_BYTES_MAX);
    client->out = buf_with_limit(MESSAGE_BYTES_MAX);
    return client;
}

void ledger_client_free(struct ledger_client *client)
{
    if (client == NULL)
        return;
    scope_close(&client->socket);
    buf_free(&client->in);
    buf_free(&client->out);
    free(client);
}

int ledger_client_socket(const struct ledger_client *client)
{
    return client->socket;
}

static int64_t deadline_in_ms(int64_t ms)
{
    return clock_monotonic_us(&clock_real) + ms * 1000;
}

static bool gone(struct fault *fault)
{
    return fault_set(fault, FAULT_IO, "the ledger is gone");
}

/* Waits for `events`; FAULT_LIMIT when the deadline is over. */
static bool wait_for(const struct ledger_client *client, short events, int64_t deadline_us,
                     struct fault *fault)
{
    struct pollfd poll_fd = {.fd = client->socket, .events = events};

    for (;;) {
        int64_t left_us =
            deadline_us == FOR_EVER ? 0 : deadline_us - clock_monotonic_us(&clock_real);
        int timeout_ms = deadline_us == FOR_EVER ? -1
                         : left_us <= 0          ? 0
                                                 : (int)((left_us + 999) / 1000);
        int ready = poll(&poll_fd, 1, timeout_ms);

        if (ready > 0)
            return true;
        if (ready == 0)
            return fault_set(fault, FAULT_LIMIT, "the ledger does not answer");
        if (errno != EINTR)
            return fault_errno(fault, "wait for the ledger");
    }
}

static bool send_by(struct ledger_client *client, struct slice packet, int64_t deadline_us,
                    struct fault *fault)
{
    for (;;) {
        if (send(client->socket, packet.at, packet.len, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
            return true;
        if (errno == EAGAIN || errno == ENOBUFS) {
            if (!wait_for(client, POLLOUT, deadline_us, fault))
                return false;
        } else if (errno != EINTR) {
            return gone(fault);
        }
    }
}

static struct fault said_by_ledger(uint8_t kind, struct slice why)
{
    struct fault said = {0};

    (void)fault_set(&said,
                    kind > FAULT_NONE && kind <= FAULT_HOST ? (enum fault_kind)kind : FAULT_IO,
                    "ledger: %.*s", SLICE_ARGS(why));
    return said;
}

/* About the records up to number `taken`. A late one, about an earlier record, does no harm.
 */
static void note_answer(struct ledger_client *client, enum ledger_packet packet,
                        uint64_t taken, struct slice rest)
{
    if (taken > client->answered)
        client->answered = taken;
    if (taken == client->sent) /* nothing is under way: this number is right */
        client->next_seq = ledger_get_u64(rest.at);
    if (packet == LEDGER_ACK)
        return;
    client->refused = taken;
    client->refusal = said_by_ledger(rest.at[8], slice_part(rest, 9, rest.len));
}

/* Takes one packet in; what is about records is noted, answers are handed back. */
static bool take_packet(struct ledger_client *client, int64_t deadline_us,
                        struct answer *ret_answer, struct fault *fault)
{
    struct slice body;
    bool end;

    *ret_answer = (struct answer){.packet = LEDGER_ACK};
    if (!wait_for(client, POLLIN, deadline_us, fault))
        return false;
    if (!message_receive(client->socket, &client->in, &ret_answer->fds, -1, &end, fault))
        return fault_in(fault, "ledger");
    body = buf_slice(&client->in);
    if (end || body.len < 9)
        return gone(fault);
    ret_answer->packet = (enum ledger_packet)body.at[0];
    ret_answer->tag = ledger_get_u64(body.at + 1);
    if (ret_answer->packet == LEDGER_HELLO && body.len > 17 &&
        body.len <= 17 + LEDGER_SRC_BYTES_MAX) {
        client->next_seq = ret_answer->tag;
        client->types = ledger_get_u64(body.at + 9);
        memcpy(client->src, body.at + 17, body.len - 17);
        client->is_greeted = true;
    } else if ((ret_answer->packet == LEDGER_ACK && body.len == 17) ||
               (ret_answer->packet == LEDGER_REFUSED && body.len >= 18)) {
        note_answer(client, ret_answer->packet, ret_answer->tag,
                    slice_part(body, 9, body.len));
    } else if (ret_answer->packet == LEDGER_FAILED && body.len >= 10) {
        ret_answer->why = said_by_ledger(body.at[9], slice_part(body, 10, body.len));
    }
    return true;
}

static bool be_greeted(struct ledger_client *client, int64_t deadline_us, struct fault *fault)
{
    struct answer answer;

    while (!client->is_greeted) {
        if (!take_packet(client, deadline_us, &answer, fault))
            return false;
        message_fds_close(&answer.fds);
    }
    return true;
}

static bool send_record(struct ledger_client *client, enum ledger_packet packet,
                        const struct record *record, int64_t deadline_us, uint64_t *ret_seq,
                        struct fault *fault)
{
    if (!be_greeted(client, deadline_us, fault))
        return false;
    if ((client->types >> record->type & 1) == 0)
        return fault_set(fault, FAULT_INVALID, "this producer may not write %s",
                         record_type_name(record->type));
    buf_clear(&client->out);
    if (!buf_add_byte(&client->out, (uint8_t)packet, fault) ||
        !record_encode(record, NULL, &client->out, fault) ||
        !send_by(client, buf_slice(&client->out), deadline_us, fault))
        return false;
    if (ret_seq != NULL)
        *ret_seq = client->next_seq;
    client->next_seq++;
    client->sent++;
    return true;
}

/* Until record number `sent` is on disk, or refused. */
static bool await_answer(struct ledger_client *client, uint64_t sent, int64_t deadline_us,
                         struct fault *fault)
{
    struct answer answer;

    while (client->answered < sent) {
        if (!take_packet(client, deadline_us, &answer, fault))
            return false;
        message_fds_close(&answer.fds);
    }
    return true;
}

bool ledger_record(struct ledger_client *client, const struct record *record,
                   uint64_t *ret_seq, struct fault *fault)
{
    /* After one that was not answered in time its number is not known before that answer. */
    if (ret_seq != NULL &&
        !await_answer(client, client->asked, deadline_in_ms(LEDGER_ACK_MS), fault))
        return false;
    return send_record(client, LEDGER_RECORD, record, FOR_EVER, ret_seq, fault);
}

bool ledger_record_durably(struct ledger_client *client, const struct record *record,
                           uint64_t *ret_seq, struct fault *fault)
{
    int64_t deadline_us = deadline_in_ms(LEDGER_ACK_MS);
    uint64_t number;

    if (!send_record(client, LEDGER_RECORD_DURABLY, record, deadline_us, NULL, fault))
        return false;
    number = client->asked = client->sent;
    if (!await_answer(client, number, deadline_us, fault))
        return false;
    if (client->refused == number) {
        *fault = client->refusal;
        return false;
    }
    if (ret_seq != NULL)
        *ret_seq = client->next_seq - 1;
    return true;
}

bool ledger_next(struct ledger_client *client, const char **ret_src, uint64_t *ret_seq,
                 struct fault *fault)
{
    if (!be_greeted(client, deadline_in_ms(LEDGER_ACK_MS), fault))
        return false;
    *ret_src = client->src;
    *ret_seq = client->next_seq;
    return true;
}

/* Asks, and waits for the answer with the same tag. */
static bool ask(struct ledger_client *client, enum ledger_packet packet, struct slice rest,
                int64_t wait_ms, struct message_fds *ret_fds, struct fault *fault)
{
    int64_t deadline_us = deadline_in_ms(wait_ms);
    struct answer answer;
    uint8_t head[9] = {(uint8_t)packet};

    if (!be_greeted(client, deadline_us, fault))
        return false;
    ledger_put_u64(head + 1, ++client->last_tag);
    buf_clear(&client->out);
    if (!buf_add(&client->out, slice_of_bytes(head, sizeof(head)), fault) ||
        !buf_add(&client->out, rest, fault) ||
        !send_by(client, buf_slice(&client->out), deadline_us, fault))
        return false;
    for (;;) {
        if (!take_packet(client, deadline_us, &answer, fault))
            return false;
        if (answer.tag == client->last_tag && answer.packet == LEDGER_DONE) {
            *ret_fds = answer.fds;
            return true;
        }
        message_fds_close(&answer.fds);
        if (answer.tag == client->last_tag && answer.packet == LEDGER_FAILED) {
            *fault = answer.why;
            return false;
        }
    }
}

bool ledger_checkpoint(struct ledger_client *client, struct fault *fault)
{
    struct message_fds fds = {0};

    if (!ask(client, LEDGER_CHECKPOINT, (struct slice){0}, CHECKPOINT_MS, &fds, fault))
        return fault_in(fault, "publish a checkpoint");
    message_fds_close(&fds);
    return true;
}

bool ledger_end(struct ledger_client *client, struct fault *fault)
{
    struct message_fds fds = {0};

    if (!ask(client, LEDGER_END, (struct slice){0}, LEDGER_ACK_MS, &fds, fault))
        return false;
    message_fds_close(&fds);
    return true;
}

bool ledger_producer(struct ledger_client *client, const char *name, uint64_t types,
                     int *ret_socket, struct fault *fault)
{
    AUTO_BUF struct buf rest = buf_with_limit(8 + LEDGER_NAME_BYTES_MAX);
    struct message_fds fds = {0};
    uint8_t mask[8];

    ledger_put_u64(mask, types);
    if (!buf_add(&rest, slice_of_bytes(mask, sizeof(mask)), fault) ||
        !buf_add_text(&rest, name, fault) ||
        !ask(client, LEDGER_PRODUCER, buf_slice(&rest), LEDGER_ACK_MS, &fds, fault))
        return fault_in(fault, "make a producer %.100s", name);
    if (fds.count != 1) {
        message_fds_close(&fds);
        return fault_set(fault, FAULT_IO, "make a producer %.100s: no socket came", name);
    }
    *ret_socket = fds.fd[0];
    return true;
}
