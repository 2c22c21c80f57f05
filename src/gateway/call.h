/*
 * gateway/call.h - packets of one model call, between door and gateway.
 *
 * The gateway makes the socket pairs and hands one end of each to the door ahead of need, on
 * the door's control socket (one packet CALL_SOCKET with one descriptor each): the door can
 * make no sockets and sends no descriptors. Both run the same program on the same machine, so
 * structs travel as they are; each side checks what it reads.
 *
 *   door -> gateway   CALL_OPEN, where values were replaced CALL_RECEIPTS, where lines of files
 *                     are in it CALL_LINEAGE, then the body in
 *                     packets of at most CALL_PIECE_BYTES
 *   gateway -> door   CALL_HEAD, CALL_DATA ..., CALL_END    or   CALL_FAIL
 *
 * Several may come in one: CALL_BATCH, then each behind its length (uint32_t). The door does so
 * with what begins a call, and only there, since pieces of a body have no type.
 *
 * A call that has ended (CALL_END, CALL_FAIL) after its whole body leaves its socket as good as
 * new: it is the door's spare again. A side that closes early has given up: the door's client has gone, or the gateway has died.
 */
#ifndef CUSTODY_GATEWAY_CALL_H
#define CUSTODY_GATEWAY_CALL_H

#include "gateway/gateway.h"

#define CALL_SPARES 8
#define CALLS_AT_ONCE_MAX 8192
#define CALL_BODIES_BYTES_MAX (256 * 1024 * 1024) /* of all calls under way together */
#define CALL_PIECE_BYTES (128 * 1024)
#define CALL_PACKET_BYTES_MAX (CALL_PIECE_BYTES + 24 * 1024)

enum call_packet {
    CALL_SOCKET = 's',
    CALL_OPEN = 'o',
    CALL_RECEIPTS = 'r',
    CALL_LINEAGE = 'l', /* text, open.lineage_bytes */
    CALL_HEAD = 'h',
    CALL_DATA = 'd',
    CALL_END = 'e',
    CALL_FAIL = 'f',
    CALL_BATCH = 'b',
    CALL_MCP = 'm',  /* gateway/mcp/packet.h: instead of CALL_OPEN */
    CALL_SEEN = 'v', /* the same: of what a tool server has answered */
};

/* Headers of the client that a provider may see; everything else stays here. */
enum call_header {
    CALL_HEADER_ACCEPT,
    CALL_HEADER_ANTHROPIC_VERSION,
    CALL_HEADER_ANTHROPIC_BETA,
    CALL_HEADER_COUNT,
};

#define CALL_HEADER_BYTES 512 /* of each; with a NUL where it has one */
#define CALL_HEADERS_BYTES (CALL_HEADER_COUNT * CALL_HEADER_BYTES)
#define CALL_MODEL_BYTES 128
#define CALL_SESSION_BYTES 256

/* Texts in it are NUL-terminated. */
struct call_open {
    uint8_t packet;
    bool stream;
    bool strip_usage;   /* the usage chunk was not asked for by the client */
    uint32_t model;     /* index of the policy's entry */
    uint32_t operation; /* enum operation, as the provider is asked */
    uint32_t spoken;    /* enum dialect, of the client */
    uint32_t classes;   /* what was found and is allowed */
    uint32_t redacted;  /* classes of which stand-ins are in it */
    bool signed_blocks; /* holds what only the provider that made it can read */
    uint32_t model_at,
        model_len;     /* where the body names the model, with the quotes; 0: nowhere */
    uint32_t replaced; /* values that were; of CALL_RECEIPTS_MAX at most there is a receipt */
    uint32_t lineage_bytes; /* 0: no CALL_LINEAGE follows */
    uint64_t body_bytes;
    uint64_t leaves, scanned_bytes;
    int64_t output_tokens;        /* the request's own maximum, 0: none */
    char asked[CALL_MODEL_BYTES]; /* "model" of the request, printable */
    uint16_t header_bytes[CALL_HEADER_COUNT]; /* their texts are behind it in its packet */
};
/* One of the texts behind it; empty: the client did not send it. */
struct slice call_header(const struct call_open *open, struct slice headers,
                         enum call_header which);

/* A value that was replaced in the body. CALL_RECEIPTS holds an array of them, behind a packet
 * byte. */
#define CALL_RECEIPTS_MAX 128
struct call_receipt {
    uint64_t at, len; /* in the body, as the client sent it */
    uint32_t class;
    char rule[64];
    uint8_t commitment[DOOR_COMMITMENT_BYTES];
};
static inline size_t call_receipts(uint32_t replaced)
{
    return replaced < CALL_RECEIPTS_MAX ? replaced : CALL_RECEIPTS_MAX;
}

struct call_head {
    uint8_t packet;
    bool stream; /* length unknown */
    int32_t status;
    uint64_t length;
    char content_type[128];
    char retry_after[64];
    char request_id[128];
    char session[CALL_SESSION_BYTES]; /* of a tool server; "": none */
};

struct call_fail {
    uint8_t packet;
    int32_t status;
    char code[32]; /* a word: budget ledger unreachable timeout ... */
    char message[240];
};

extern const char *const call_header_names[CALL_HEADER_COUNT];

enum call_sent {
    CALL_SENT,
    CALL_FULL, /* the peer is behind: try again when the socket is writable */
    CALL_GONE,
};

/* Sends all `packets` (at most CALL_BATCH_MAX, CALL_PIECE_BYTES with a little more) as one
 * CALL_BATCH; never blocks. */
#define CALL_BATCH_MAX 4
enum call_sent call_send_batch(int socket, const struct slice *packets, size_t count);
/* Sends `type` (0: none) and `bytes` as one packet; never blocks. */
enum call_sent call_send(int socket, uint8_t type, struct slice bytes);
/* Takes the next packet off a batch. False: there is none, or `rest` is no batch. */
bool call_next(struct slice *rest, struct slice *ret_packet);
/* Receives one packet into `room`. -1: nothing yet (errno EAGAIN) or failure; 0: the peer has
 * closed. */
ssize_t call_receive(int socket, uint8_t *room, size_t room_len);

/* Copies the printable part of `text` (cut where it does not fit), with a NUL. */
void call_text(char *to, size_t room, struct slice text);
/* Whether a text of a packet ends within its room and is printable ASCII. */
bool call_text_valid(const char *text, size_t room);
bool call_printable(struct slice text);

#endif
