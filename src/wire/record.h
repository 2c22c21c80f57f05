/*
 * wire/record.h - what a ledger record may say: a closed table of types and of their fields.
 *
 * Producers fill a struct record; record_encode writes the canonical JSON (RFC 8785,
 * restricted profile of rec/v1: no floats, keys [a-z0-9_], integers within 2^53 - 1) and
 * refuses what the table does not allow. Never free text: words from closed sets, paths,
 * digests, counts.
 */
#ifndef CUSTODY_WIRE_RECORD_H
#define CUSTODY_WIRE_RECORD_H

#include "base/bytes.h"
#include "base/fault.h"
#include "base/vocabulary.h"

#define RECORD_BYTES_MAX 65535
#define RECORD_LIST_BYTES_MAX 16384

enum record_type {
    RECORD_RUN_STARTED,
    RECORD_RUN_ENDED,
    RECORD_CELL_ENFORCED, /* what the cell refuses: filter digest, mechanisms */
    RECORD_CANARY,
    RECORD_FILE_READ,
    RECORD_FILE_WRITTEN, /* first modification, create, rename, delete: see `operation` */
    RECORD_FILE_REFUSED,
    RECORD_FILE_REDACTED,
    RECORD_EXEC,
    RECORD_REFUSED, /* any other refusal that a mechanism reports */
    RECORD_MODEL_INTENT,
    RECORD_MODEL_OUTCOME,
    RECORD_EGRESS,
    RECORD_CHANGE_MADE,
    RECORD_CHANGE_CHECKED,
    RECORD_CHANGE_REJECTED,
    RECORD_APPROVAL_GIVEN,
    RECORD_APPROVAL_VOID,
    RECORD_CHANGE_LANDED,
    RECORD_POLICY_LOADED,
    RECORD_LEDGER_OPENED,
    RECORD_LEDGER_CLOSED,
    RECORD_HEARTBEAT,
    RECORD_CLOCK_STEPPED,
    RECORD_DISK_STATE,
    RECORD_SHARD_BEGUN,
    RECORD_KEY_ROTATED,
    RECORD_KEY_STORED,
    RECORD_LEDGER_BACKUP,
    RECORD_LEDGER_MOVED,
    RECORD_LEDGER_RESTORED,
    RECORD_ARCHIVE_MOVED,
    RECORD_ARCHIVE_EXPIRED,
    RECORD_HOLD_PLACED,
    RECORD_HOLD_RELEASED,
    RECORD_ERASURE,
    RECORD_BREAKGLASS,
    RECORD_QUORUM_STATE,
    RECORD_READS_COMPARED,
    RECORD_AGENT_OUTPUT,
    RECORD_FINDING_SUPPRESSED,
    RECORD_MCP_INTENT,
    RECORD_MCP_OUTCOME,
    RECORD_TYPE_COUNT,
};

/*
 * The JSON place of each is in record_table.c: "object.path" is member `path` of `object`.
 */
enum record_field {
    RECORD_RUN,          /* run */
    RECORD_AGENT,        /* agent: role@repository#run */
    RECORD_ON_BEHALF_OF, /* on_behalf_of: id of the responsible human */
    RECORD_ENGINE,       /* process.engine */
    RECORD_PID,          /* process.pid, as the cell sees it */
    RECORD_EXECUTABLE,   /* process.executable, a path in the cell */
    RECORD_OPERATION, /* operation: read create modify rename delete link chmod truncate ... */
    RECORD_PATH,      /* object.path, below the repository */
    RECORD_PATH_TO,   /* object.path_to, of a rename */
    RECORD_BLOB,      /* object.blob: git blob id before, or of what was read */
    RECORD_BLOB_AFTER, /* object.blob_after */
    RECORD_SIZE,       /* object.size, bytes */
    RECORD_HOST,       /* object.host */
    RECORD_PORT,       /* object.port */
    RECORD_MODEL,      /* object.model: what was asked for */
    RECORD_PROVIDER,   /* object.provider: the policy's name of it */
    RECORD_DIALECT,    /* object.dialect */
    RECORD_METHOD,     /* object.method: of HTTP, or of a tool server's protocol */
    RECORD_REPOSITORY, /* object.repository */
    RECORD_CHANGE,     /* object.change: id of a change */
    RECORD_BASE,       /* object.base: commit */
    RECORD_HEAD,       /* object.head: commit */
    RECORD_TREE,       /* object.tree */
    RECORD_BRANCH,     /* object.branch */
    RECORD_TICKET,     /* object.ticket: id or digest */
    RECORD_PERSON,     /* object.person: an approver */
    RECORD_DIGEST,     /* object.digest: SHA-256, hex, of what the record is about */
    RECORD_CLASS,      /* class */
    RECORD_VERDICT,    /* verdict */
    RECORD_RULE,       /* rule */
    RECORD_POLICY,     /* policy: digest */
    RECORD_OUTCOME,    /* outcome: intended ok refused failed ... */
    RECORD_REASON,     /* reason: a word of a closed set, [a-z0-9_-] */
    RECORD_MECHANISM,  /* mechanism */
    RECORD_INTENT,     /* intent: `seq` of the record that announced this; see OUTCOME */
    RECORD_RESIDENCY,  /* residency */
    RECORD_CONTRACT,   /* contract */
    RECORD_STATUS,     /* status: exit code, HTTP status */
    RECORD_COUNT,      /* count: of whatever the type counts */
    RECORD_FILES,      /* files */
    RECORD_LINES,      /* lines */
    RECORD_BYTES_IN,   /* bytes_in */
    RECORD_BYTES_OUT,  /* bytes_out */
    RECORD_TOKENS_IN,  /* tokens_in */
    RECORD_TOKENS_OUT, /* tokens_out */
    RECORD_TOKENS_CACHED,
    RECORD_TOKENS_WRITTEN,   /* tokens_written: input tokens put into the provider's cache */
    RECORD_TOKENS_REASONING, /* tokens_reasoning: part of tokens_out */
    RECORD_COST_MICRO_USD,
    RECORD_TOKENS_RESERVED,    /* tokens_reserved: of the budgets, before a call */
    RECORD_COST_RESERVED, /* cost_reserved: likewise */
    RECORD_FIRST_BYTE_US, /* first_byte_us: until the provider began to answer */
    RECORD_DURATION_US,
    RECORD_FIRST,      /* object.first: of bytes, records or, of a hold, microseconds */
    RECORD_END,        /* object.end: behind its last */
    RECORD_PAYLOAD,    /* object.payload: SHA-256 of what stands encrypted elsewhere */
    RECORD_COMMITMENT, /* object.commitment: keyed, to a value that the record may not hold */
    RECORD_SCOPE,      /* object.scope: whose key opens both */
    RECORD_ORIGIN,     /* object.origin: a ledger's */
    RECORD_ROOT,       /* object.root: of its tree, hex */
    RECORD_SECOND,     /* object.second: a second person */
    RECORD_EXPIRES,    /* expires: seconds since 1970 */
    RECORD_HOLD,       /* object.hold: id of a legal hold */
    RECORD_EXECUTABLE_DIGEST, /* process.digest: SHA-256 of the program's file */
    RECORD_COMMAND,           /* process.command: keyed commitment to its arguments */
    RECORD_PARENT,            /* process.parent: the process that started it */
    RECORD_RECEIPTS,          /* object.receipts: what was replaced in a file, one by one */
    RECORD_CERTIFICATE,       /* object.certificate: SHA-256 of the peer's, DER */
    RECORD_SERVED,  /* object.served: the model that the provider says has answered */
    RECORD_TOOL,    /* object.tool: of a tool server */
    RECORD_LINEAGE, /* object.lineage: which files and lines were in a call */
    RECORD_SPOKEN,  /* object.spoken: the API of the client's, where a call was translated */
    RECORD_FIELD_COUNT,
};

struct record_value {
    bool set;
    int64_t number;    /* of number fields */
    struct slice text; /* of text fields; borrowed */
};

struct record {
    enum record_type type;
    struct record_value field[RECORD_FIELD_COUNT];
};

void record_begin(struct record *record, enum record_type type);
void record_text(struct record *record, enum record_field field, struct slice text);
/* NULL and "" set nothing. */
void record_word(struct record *record, enum record_field field, const char *word);
void record_number(struct record *record, enum record_field field, int64_t number);
/*
 * What a record says instead of a value that it may not hold: where that stands encrypted,
 * what commits to it, and whose key opens both. Texts are digits; "" where there is none.
 */
struct record_seal {
    char payload[65];
    char commitment[65];
    const char *scope; /* NULL: nothing is sealed */
};

/* The three fields of it; borrows. */
void record_sealed(struct record *record, const struct record_seal *seal);
/*
 * Appends `raw` with control characters, '%' and, where it is not UTF-8, every byte above 0x7f
 * as %XX: file names may be any bytes, a record's text may not. Reversible; never shortens.
 */
MUST_USE bool record_printable(struct slice raw, struct buf *ret_text, struct fault *fault);

const char *record_type_name(enum record_type type); /* "file.read" */
/* Mask of the types that only the ledger itself writes. */
uint64_t record_own_types(void);
MUST_USE bool record_type_parse(struct slice name, enum record_type *ret_type);
const char *record_field_name(enum record_field field); /* "object.path" */

/*
 * What the ledger itself adds to each record (rec/v1). `src` is the producer that the ledger
 * gave the descriptor to, so no producer can speak for another.
 */
struct record_header {
    struct slice src;
    uint64_t seq; /* gapless per src, from 0 */
    const uint8_t
        *prev; /* 32 bytes: leaf hash of src's previous record, zeros for the first */
    const uint8_t *salt; /* 16 bytes */
    int64_t t_us;        /* wall clock; informative, the order is the index */
};

/*
 * Appends the canonical JSON to `ret_text`. `header` NULL: the producer's form, without it.
 * FAULT_INVALID: a field that the type's row does not allow, or a required one is missing, or
 * text that is not valid UTF-8 without control characters.
 */
MUST_USE bool record_encode(const struct record *record, const struct record_header *header,
                            struct buf *ret_text, struct fault *fault);
/*
 * Parses the canonical form (with or without header; ret_header may be NULL only for the form
 * without) and refuses bytes that encoding again would not give. Texts borrow from
 * `arena_text` (limit at least RECORD_BYTES_MAX + 1), which is cleared first and which the
 * caller frees after the record. A form without header leaves ret_header->src empty.
 */
MUST_USE bool record_decode(struct slice text, struct record *ret_record,
                            struct record_header *ret_header, struct buf *arena_text,
                            struct fault *fault);

#endif
