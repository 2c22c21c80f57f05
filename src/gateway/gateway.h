/*
 * gateway/gateway.h - the cell's only way to a model.
 *
 * Two halves in two processes. The *door* parses what the agent sends (HTTP, JSON), looks at
 * every string of it and holds no secret. The *gateway* holds the provider keys, writes the
 * intent and the outcome of each call, and talks to providers. Between them: one control
 * socket, and for each call one socket pair of its own, so that back-pressure, cancellation
 * and the death of a peer are the kernel's.
 */
#ifndef CUSTODY_GATEWAY_GATEWAY_H
#define CUSTODY_GATEWAY_GATEWAY_H

#include "base/bytes.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/vocabulary.h"
#include "gateway/money/book.h"
#include "os/loop.h"
#include "wire/record.h"

#define GATEWAY_BODY_BYTES_MAX (32 * 1024 * 1024)

enum dialect {
    DIALECT_OPENAI,           /* POST /v1/chat/completions */
    DIALECT_OPENAI_RESPONSES, /* POST /v1/responses */
    DIALECT_ANTHROPIC,        /* POST /v1/messages */
    DIALECT_GEMINI,           /* POST /v1beta/models/MODEL:generateContent */
    DIALECT_COUNT,
};
#define DIALECT_BIT(dialect) (1U << (unsigned)(dialect))

/* The policy's word: openai openai-responses anthropic gemini */
const char *dialect_name(enum dialect dialect);
MUST_USE bool dialect_parse(struct slice name, enum dialect *ret_dialect);

/* Micro-USD per million tokens. Cached: read from the provider's cache; cache_write: put into it. */
struct gateway_prices {
    int64_t input, cached, cache_write, output, reasoning;
};

/* Whose way of being asked a provider has: paths, keys, frames. */
enum service {
    SERVICE_PLAIN,   /* as the dialect's own vendor; every compatible server */
    SERVICE_AZURE,   /* Azure OpenAI */
    SERVICE_BEDROCK, /* Amazon Bedrock, InvokeModel with Messages bodies */
    SERVICE_COUNT,
};

/* The policy's word: plain azure bedrock */
MUST_USE bool service_parse(struct slice name, enum service *ret_service);

/* What of its own a provider may be asked to put into a call; nobody here has seen it. */
enum reach {
    REACH_STATE, /* what it has kept: earlier responses, conversations, caches */
    REACH_FILES, /* files that were uploaded to it */
    REACH_URLS,  /* images and documents that it fetches */
    REACH_TOOLS, /* tools that it runs: MCP servers, web search, code */
    REACH_COUNT,
};
/* The policy's word: state files urls tools */
MUST_USE bool reach_parse(struct slice name, enum reach *ret_reach);
#define REACH_BIT(reach) (1U << (unsigned)(reach))

/* One entry of the policy's `models`. Texts are borrowed for the life of door and gateway. */
struct gateway_model {
    const char *name;
    const char *model; /* what the provider calls it; NULL: by `name` */
    const char *url;   /* base: ".../v1" (openai), "https://host" or ".../v1" (anthropic) */
    enum dialect dialect;
    enum service service;
    const char *api_version;       /* Azure: "2024-10-21"; NULL: the form without versions */
    const char *region;            /* Bedrock: that of signatures; else NULL */
    unsigned reach;                /* REACH_BIT of what requests may use */
    bool translate; /* requests in other dialects are put into its own: gateway/translate */
    const char *key_file;          /* or NULL; read once, by the gateway process */
    const char *key_environment;   /* name of a variable, or NULL */
    const char *ca_file;           /* PEM; NULL: the system's */
    const char *const *pins;       /* SHA-256 of a key (SPKI) of its chain, hexadecimal */
    size_t pin_count;              /* 0: any chain that is verified will do */
    const char *proxy;             /* "http://HOST:PORT" of a CONNECT proxy; or NULL */
    const char *proxy_credentials; /* file with USER:PASSWORD; or NULL */
    const char *residency;         /* may be NULL */
    const char *contract;          /* may be NULL */
    int64_t expires_us;            /* wall clock; 0: never */
    struct gateway_prices prices;
    unsigned allow;          /* classes (CLASS_BIT) whose plain values may go there */
    unsigned allow_redacted; /* ... whose values are replaced on the way there */
    unsigned kept_away;      /* ... of which neither may: `routing` names other residencies */
};

/* One tool of a server; its `digest` (64 hexadecimal digits) is that of the description which a
 * person has accepted. NULL: only that of all of them together is known here. */
struct gateway_tool {
    const char *name;
    const char *digest;
};

/* One entry of the policy's `mcp`: a remote MCP server. */
struct gateway_server {
    struct gateway_model at; /* name, url, key, way, what may go there; nothing of its dialect */
    const struct gateway_tool *tools; /* that agents may list and call, ascending by name */
    size_t tool_count;
    const char *digest; /* of all their descriptions (mcp/tools.h); NULL: none was accepted yet */
};

/* Whom records of one agent's calls name. */
struct gateway_identity {
    const char *run;
    const char *agent;        /* role@repository#run */
    const char *on_behalf_of; /* may be NULL */
    const char *policy;       /* digest */
};

/* The ledger, as a struct of functions: ledger_record and ledger_record_durably. */
struct gateway_ledger {
    bool (*record)(void *self, const struct record *record, uint64_t *ret_seq,
                   struct fault *fault);
    bool (*record_durably)(void *self, const struct record *record, uint64_t *ret_seq,
                           struct fault *fault);
    void *self;
};

/*
 * Keeps what a call says out of its records, as a struct of functions (roles/keys/sealer.h):
 * `keep` puts it encrypted on disk, `sync` makes all that was kept durable, `commit` binds it
 * to the record that is written next. `type` is that record's.
 */
struct gateway_sealer {
    bool (*keep)(void *self, enum record_type type, struct slice value,
                 struct record_seal *seal, struct fault *fault);
    bool (*sync)(void *self, struct fault *fault);
    bool (*commit)(void *self, enum record_type type, struct slice value,
                   struct record_seal *seal, struct fault *fault);
    void *self;
};

/* Checks what a policy entry says, without reading files: url, plain HTTP to loopback only,
 * prices. */
MUST_USE bool gateway_model_check(const struct gateway_model *model, struct fault *fault);
/* The same of a server, its tools and its digest. */
MUST_USE bool gateway_server_check(const struct gateway_server *server, struct fault *fault);

/* ---- the door ---- */

#define DOOR_COMMITMENT_BYTES 32

/* One value that was replaced in a text. Slices are borrowed during the call. */
struct door_replaced {
    size_t at, len;                  /* in the text */
    struct slice original, stand_in; /* as they are written there */
    enum data_class class;
    const char *rule;
    bool is_telling; /* the stand-in is so long that it is nowhere by chance */
    uint8_t commitment[DOOR_COMMITMENT_BYTES];
};
typedef void door_replaced_note(void *self, const struct door_replaced *replaced);

/* What a text holds. Findings that are surrogates of this run are not to be counted. */
struct door_scan {
    /* Mask of CLASS_BIT; for each set class, ret_rules[class] names the rule that found it.
     * ret_guesses: classes of what is too unsure to refuse a call for. */
    unsigned (*classes)(void *self, struct slice text, const char *ret_rules[CLASS_COUNT],
                        unsigned *ret_guesses);
    void *self;
    /* The same of what stands around the seam of two texts that follow one another: up to
     * DOOR_SEAM_BYTES of each. NULL: nothing is looked for there. */
    unsigned (*across)(void *self, struct slice text, const char *ret_rules[CLASS_COUNT]);
    /* Appends the text with the values of `classes` replaced by stand-ins, guesses as well;
     * the same length. What cannot be replaced in place stays. NULL: nothing can. */
    bool (*redact)(void *self, struct slice text, unsigned classes, struct buf *ret_text,
                   door_replaced_note *note, void *note_self, struct fault *fault);
};
#define DOOR_SEAM_BYTES 384UL

/* What of the files that the agent was shown is in a request (lineage/lineage.h), as a struct of
 * functions. */
struct door_lineage {
    void (*begin)(void *self); /* a request */
    void (*look)(void *self, struct slice text);
    void (*tool)(void *self, struct slice call); /* it answers that call of a tool */
    /* Appends what was found, printable, at most DOOR_LINEAGE_BYTES_MAX. */
    bool (*list)(void *self, struct buf *ret_list, struct fault *fault);
    void *self;
};
#define DOOR_LINEAGE_BYTES_MAX 16000

/* Where connections of clients that take the door for a proxy go: gateway/egress/egress.h. */
struct door_place {
    const char *host; /* in small letters */
    uint16_t port;
};
struct door_egress {
    int socket; /* message_pair with the egress role: what was read so far, and a descriptor */
    const struct door_place *places;
    size_t place_count;
};

struct door_config {
    const struct gateway_model
        *models; /* those that the run may use; its urls and keys are not needed */
    size_t model_count;
    size_t model; /* the run's: serves every request that names no model */
    bool takes_other_names; /* it serves those that name one which policy does not have, too */
    const struct gateway_server *servers; /* at /mcp/NAME */
    size_t server_count;
    struct door_scan scan;
    const struct door_lineage *lineage; /* NULL: nothing is told of that */
    struct gateway_ledger ledger;       /* writes `refused` */
    struct gateway_identity identity;
    unsigned cut_answers; /* classes: an answer that holds one, which its model may not have been
                             sent, ends there; of others it is recorded */
    int gateway;                      /* SOCK_SEQPACKET (message_pair); taken */
    const struct door_egress *egress; /* NULL: models and nothing else */
};

struct door;

MUST_USE bool door_new(struct loop *loop, const struct door_config *config,
                       struct door **ret_door, struct fault *fault);
/* Takes a listening TCP socket and accepts from now on. */
MUST_USE bool door_listen(struct door *door, int listener, struct fault *fault);
void door_free(struct door *door); /* NULL is fine */

/* ---- the gateway ---- */

/* 0 means: the default, or for budgets no limit. */
struct gateway_limits {
    int64_t tokens;        /* in and out, whole run */
    int64_t micro_usd;     /* whole run */
    int64_t calls;         /* whole run */
    int64_t connect_ms;    /* 5 s: name, address, proxy, TLS */
    int64_t first_byte_ms; /* 120 s of a stream, else 600 s: until the answer begins */
    int64_t idle_ms;       /* 60 s without a byte from the provider, once it has begun */
    int64_t total_ms;      /* 30 min, all tries */
    int64_t comfort_ms;    /* 15 s without a byte for a client that has asked for a stream */
    int64_t output_tokens; /* assumed for a request that names no maximum: 16384 */
};

struct gateway_totals {
    uint64_t calls;    /* that had an intent */
    uint64_t failed;   /* outcome other than ok */
    uint64_t refused;  /* before an intent: budget, ledger, expiry */
    int64_t tokens_in; /* cached ones included */
    int64_t tokens_out;
    int64_t tokens_cached;
    int64_t tokens_reasoning;
    int64_t cost_micro_usd;
    uint64_t estimated; /* calls whose provider gave no usage */
    uint64_t visits;    /* requests to tool servers that had an intent */
    uint64_t visits_failed; /* that the agent has no answer to, and did not give up */
};

struct gateway_config {
    const struct gateway_model *models;
    size_t model_count;
    size_t
        model; /* the run's: without its key nothing starts; others then refuse their calls */
    const struct gateway_server *servers; /* as the door has them, in the same order */
    size_t server_count;
    const size_t *fallback; /* indices of models to try after a failure, in order */
    size_t fallback_count;
    struct gateway_limits limits;
    const char *run;                     /* its id */
    bool shares_book;                    /* other gateways count in `book`, too */
    int book;                            /* of book_file_open; then taken */
    const struct book_account *accounts; /* that calls count for, besides the run's own */
    size_t account_count;
    struct gateway_ledger ledger; /* writes `model.*`, `mcp.*`, `refused` */
    struct gateway_sealer sealer;
    const struct clock *clock;
    int resolver; /* message_pair with the resolver role, where a host is to be resolved; taken;
                     -1 */
};

struct gateway;

/* Whether a host or a proxy of the models has to be resolved. */
bool gateway_has_names(const struct gateway_model *models, size_t count);
bool gateway_servers_have_names(const struct gateway_server *servers, size_t count);

/* Reads keys. FAULT_MISSING: the key of the run's model is not there. */
MUST_USE bool gateway_new(struct loop *loop, const struct gateway_config *config,
                          struct gateway **ret_gateway, struct fault *fault);
/* Loads what TLS needs: before the loop runs and before files are confined. */
MUST_USE bool gateway_connect(struct gateway *gateway, struct fault *fault);
/* Serves one door; takes `socket`. `identity` is borrowed. */
MUST_USE bool gateway_serve(struct gateway *gateway, int socket,
                            const struct gateway_identity *identity, struct fault *fault);
struct gateway_totals gateway_totals(const struct gateway *gateway);
/* Cancels what is under way, each with its outcome record. NULL is fine. */
void gateway_free(struct gateway *gateway);

#endif
