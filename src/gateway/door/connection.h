/* gateway/door/connection.h - one TCP connection of the agent's. Private to the door half. */
#ifndef CUSTODY_GATEWAY_CONNECTION_H
#define CUSTODY_GATEWAY_CONNECTION_H

#include "gateway/door/handed.h"
#include "gateway/door/answer/reply.h"
#include "gateway/door/plan.h"
#include "gateway/mcp/answer.h"

#define DOOR_SCRATCH_BYTES CALL_PACKET_BYTES_MAX
#define DOOR_CONNECTIONS_MAX 8192
#define DOOR_SPARES_MAX 1024 /* call sockets that are kept */
#define DOOR_BODIES_BYTES_MAX CALL_BODIES_BYTES_MAX

enum connection_state {
    CONNECTION_READING, /* a request is arriving, or none yet */
    CONNECTION_WAITING, /* for a call socket of the gateway's */
    CONNECTION_SENDING, /* the request goes to the gateway */
    CONNECTION_ANSWER,  /* the answer comes and goes */
    CONNECTION_LINGER,  /* refused and closed for writing: swallows what still comes */
};

/* The door's end of a call's socket. It is watched as long as it lives, so that a call that begins or
 * ends costs no system call for that. */
struct call_line {
    struct door *door;
    int fd;
    struct loop_watch *watch; /* NULL: nothing is awaited */
    uint32_t events;
    struct connection *connection; /* whose call it is; NULL: a spare */
};

struct door {
    struct loop *loop;
    struct door_config config;
    int listener;
    bool is_handed; /* `listener` is a pair's end, over which the guard hands connections */
    struct loop_watch *listener_watch, *gateway_watch;
    struct loop_timer *patrol;
    struct call_line *spares[DOOR_SPARES_MAX];
    size_t spare_count;
    bool has_waiting;         /* a connection waits for a spare */
    uint64_t turns;           /* that were given out to those that wait */
    struct loop_timer *wakes; /* due when there is one again */
    struct connection *connections;
    struct connection *dead; /* closed; freed when no callback of theirs is running any more */
    struct loop_timer *burial;
    size_t connection_count;
    size_t body_bytes;           /* of all connections together */
    struct stand_ins *stand_ins; /* of the run's requests */
    struct mcp_memory *memory;   /* of tool servers */
    bool accepts;
    bool gateway_gone;
    struct buf going; /* what goes on of a piece of an answer, while it is taken */
    uint8_t scratch[DOOR_SCRATCH_BYTES];
};

struct connection {
    struct door *door;
    enum connection_state state;
    int fd;
    struct loop_watch *watch;
    uint32_t events;
    bool sorted;      /* it is known to be the door's own */
    struct buf first; /* what was read before that */
    struct http1_request *request;
    size_t counted_bytes; /* its part of door->body_bytes */
    struct buf in;        /* read, and not yet of a request: pipelined */
    struct buf out;
    size_t out_at;
    struct call_line *call; /* NULL: none */
    bool call_whole; /* the call has ended in order: its socket serves another one */
    struct plan plan;
    size_t sent_bytes;
    uint64_t turn;         /* among those that wait for a call socket: the lowest is next */
    struct call_head head; /* of the answer; told when it is known how long it gets */
    struct translator *translator; /* of the answer, where the provider speaks another dialect */
    struct reply *reply;   /* from its head on */
    struct mcp_answer *mcp_answer; /* of a tool server, instead */
    int mcp_status;                /* of HTTP, for the client */
    bool mcp_is_empty, told_seen;
    bool headed, chunked, keep_alive, told_continue, closing;
    bool dead;           /* whoever called something that may close looks at this */
    int64_t deadline_us; /* monotonic; 0: none */
    struct connection *next, **previous;
};

MUST_USE bool connection_new(struct door *door, int fd, struct fault *fault);
/* Closes at once, and frees later: callers up the stack see `dead`. */
void connection_close(struct connection *connection);
void connection_bury(void *door);
/* door.c: a call's socket is another call's from now on. */
void door_keep_spare(struct door *door, struct call_line *line);

/* spares.c */
void spares_add(struct door *door, int fd); /* takes it */
/* There is one. */
struct call_line *spares_take(struct door *door, struct connection *connection);
bool spares_keep(struct call_line *line); /* false: it had to be closed */
void spares_drop(struct call_line *line);
/* Waits for `events`; 0 lets go of it, as a hang-up would be told for ever. */
MUST_USE bool call_line_await(struct call_line *line, uint32_t events);
void call_line_close(struct call_line *line);
/* A call socket has come: goes on if it was waiting for one. */
void connection_resume(struct connection *connection);

/* connection_call.c */
void connection_call(struct connection *connection); /* takes a spare and begins, or waits */
void connection_call_close(struct connection *connection);
void connection_call_ready(struct connection *connection, uint32_t events);
/* Reads more of the answer when the client keeps up, less when not. */
void connection_call_watch(struct connection *connection);

/* connection_reply.c: the answer */
MUST_USE bool connection_reply_begin(struct connection *connection,
                                     const struct call_head *head);
/* False: it was cut; the call is over. */
MUST_USE bool connection_reply_take(struct connection *connection, struct slice bytes);
void connection_reply_end(struct connection *connection);
/* A piece of an answer's body towards the client. There is room for what was held back: how much
 * that is the reply bounds. */
MUST_USE bool connection_push(struct connection *connection, struct slice bytes,
                              struct fault *fault);
/* Says so to the client in its dialect, within a stream, too, and closes. */
void connection_reply_cut(struct connection *connection, int status, const char *code,
                          const char *message);
void connection_reply_free(struct connection *connection);

/* connection_mcp.c: a tool server's answer. False: the call is over. */
MUST_USE bool connection_mcp_packet(struct connection *connection, struct slice packet);
/* Says so to the client, and closes the call. */
void connection_mcp_cut(struct connection *connection, int status, const char *code,
                        const char *message);

/* connection.c, for connection_call.c and connection_reply.c */
void connection_flush(struct connection *connection);
void connection_finish(struct connection *connection, bool whole); /* the answer is over */
void connection_refuse(struct connection *connection);             /* by connection->plan */
/* What it holds of bodies now; all connections together are bounded. */
void connection_count(struct connection *connection, size_t bytes);
void connection_answer(struct connection *connection, int status, struct slice body);

#endif
