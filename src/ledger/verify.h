/*
 * ledger/verify.h - does a ledger on disk hold? Reads files only, trusts one key.
 *
 * Everything is computed anew: the note's signature, each leaf from its bytes, each tile from
 * the leaves, the root from the tiles; every leaf must be a canonical record, every producer's
 * sequence gapless and linked. custody-verify is this file and little else.
 */
#ifndef CUSTODY_LEDGER_VERIFY_H
#define CUSTODY_LEDGER_VERIFY_H

#include "base/bytes.h"
#include "base/fault.h"

struct absent_says;
struct tlog_policy;

enum verify_result {
    VERIFY_HOLDS,
    VERIFY_TAMPERING,  /* evidence that something was changed */
    VERIFY_INCOMPLETE, /* something is missing, or there is nothing */
};

#define VERIFY_PROBLEMS_MAX 64

struct verify_problem {
    enum verify_result result;
    char text[240];
};

/* Records of which the log itself says that they were kept long enough. */
struct verify_range {
    uint64_t first, end;
    uint64_t by;    /* index of the record that says so, or ABSENT_BY_LATER (absent.h) */
    char shard[24]; /* where it is not the one that the report is about */
};

#define VERIFY_RANGES_MAX 16

struct verify_report {
    enum verify_result result;
    bool has_checkpoint; /* size, root and origin are those of a checkpoint with a good
                            signature */
    uint64_t size;
    uint8_t root[32];
    char origin[128];
    bool has_kept; /* options->kept was compared with this ledger */
    uint64_t kept_size;
    bool is_fork; /* it has another root than the records that it covers: see proof_fork */
    struct verify_problem problems[VERIFY_PROBLEMS_MAX];
    size_t problem_count; /* may exceed VERIFY_PROBLEMS_MAX: the rest was only counted */
    uint64_t producers;
    uint64_t intents_open; /* acts that were announced and have no outcome */
    /*
     * How often the writer was silent for longer than two heartbeats, and the first time in
     * words. No problem by itself: a stopped writer acknowledges nothing, so nothing was done.
     */
    uint64_t silences;
    char silence[160];
    uint64_t files_ahead;   /* tiles of a checkpoint that is not published yet */
    bool has_policy;        /* cosignatures were asked for */
    bool has_cosigned;      /* there is a cosigned checkpoint of this ledger, and it fits */
    uint64_t cosigned_size; /* records that it covers */
    char witnesses[240];    /* with a policy: how many have cosigned, and who */
    bool has_timestamps;    /* they were asked for */
    uint64_t stamped_count; /* of them hold and fit the tree */
    uint64_t stamped_size;  /* records that the last of them covers */
    int64_t stamped_time;   /* its time, seconds since 1970 */
    bool has_archive;       /* it was asked for */
    uint64_t from_archive;  /* records whose bytes came from there */
    struct verify_range expired[VERIFY_RANGES_MAX];
    size_t expired_count;     /* may exceed VERIFY_RANGES_MAX */
    uint64_t expired_records; /* in all of them: their hash tiles were checked, no more */
    bool key_is_beside;       /* as in the options */
    bool has_unsealed; /* there is a write-ahead log beside the tree, which is not covered */
};

struct verify_options {
    bool leaves_are_opaque; /* another program's log: tree only, no records */
    /*
     * Whose cosignatures it takes, or NULL; borrowed. The checkpoint or, where it lags,
     * `checkpoint.cosigned` must have reached its quorum: else the result is incomplete.
     */
    const struct tlog_policy *policy;
    /* With `has_timestamps`: a folder of them (stamped.h), and whom to trust (PEM). */
    bool has_timestamps;
    int timestamps; /* borrowed */
    struct slice tsa_ca;
    bool key_is_beside;       /* the key lay beside the ledger: said, as it proves less */
    const char *archive;      /* the folder with archived bundles (cold.h); NULL: none */
    struct absent_says *says; /* what later shards have said, and this one adds; NULL: none */
    const struct slice *kept; /* a signed checkpoint that the asker kept; NULL: none */
};

/* "holds", "tampering", "incomplete" */
const char *verify_result_name(enum verify_result result);
/* Exit code of the two programs: 0, 1, 2. */
int verify_exit_code(enum verify_result result);

/*
 *   folder  descriptor of the folder with `checkpoint` and `tile/`
 *   vkey    text of the log's verifier key; its name must be the origin. Empty: the policy's
 *           log of that origin
 * FAULT_INVALID: the vkey or the kept checkpoint is none, or the policy does not name the key.
 * Anything wrong with the ledger is in the report.
 */
MUST_USE bool verify_ledger(int folder, struct slice vkey,
                            const struct verify_options *options,
                            struct verify_report *ret_report, struct fault *fault);

/* Adds what is wrong; control characters become '?'. */
void verify_report_add(struct verify_report *report, enum verify_result result,
                       const char *text);
/* The same, as printf does. */
void verify_report_say(struct verify_report *report, enum verify_result result,
                       const char *format, ...) __attribute__((format(printf, 3, 4)));
/* What a file that cannot be read means. */
enum verify_result verify_meaning_of(const struct fault *fault);
/* Notes a range that has expired, of another shard where `shard` names one. */
void verify_report_expired(struct verify_report *report, const char *shard,
                           const struct verify_range *range);
/* One JSON object, without a line end: {problems, result, root, size, ...}. */
MUST_USE bool verify_report_json(const struct verify_report *report, struct buf *ret_text,
                                 struct fault *fault);
/* For people; names what was not checked. */
MUST_USE bool verify_report_text(const struct verify_report *report, struct buf *ret_text,
                                 struct fault *fault);

#endif
