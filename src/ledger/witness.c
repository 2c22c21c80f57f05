#include "ledger/witness.h"

#include <openssl/evp.h>
#include <stdarg.h>
#include <stdlib.h>

#include "base/hex.h"
#include "base/scope.h"
#include "ledger/cosignature.h"
#include "ledger/note_parts.h"
#include "wire/base64.h"

#define TEXT_TYPE "text/plain; charset=utf-8"

struct witness {
    const struct witness_keeping *keeping;
    struct cosignature_key *own; /* what a promise must be signed by */
    struct note_key *logs[WITNESS_LOGS_MAX];
    size_t log_count;
};

/* ---- the request ---- */

static bool parse_old(struct slice line, uint64_t *ret_size)
{
    return slice_starts_with(line, SLICE("old ")) &&
           checkpoint_parse_size(slice_part(line, 4, line.len), ret_size);
}

bool witness_request_parse(struct slice body, struct witness_request *ret_request,
                           struct fault *fault)
{
    struct witness_request request = {0};
    struct slice rest = body, line;

    if (!slice_cut(&rest, '\n', &line) || !parse_old(line, &request.old_size))
        return fault_set(fault, FAULT_INVALID, "the first line is not `old SIZE`");
    for (;;) {
        if (!slice_cut(&rest, '\n', &line) || rest.at == NULL)
            return fault_set(fault, FAULT_INVALID, "no empty line behind the proof");
        if (line.len == 0)
            break;
        if (request.proof.count == WITNESS_PROOF_LINES_MAX)
            return fault_set(fault, FAULT_INVALID, "more than %d proof lines",
                             WITNESS_PROOF_LINES_MAX);
        if (!base64_decode_exactly(line, request.proof.hash[request.proof.count++].at,
                                   TREE_HASH_BYTES))
            return fault_set(fault, FAULT_INVALID, "proof line %zu is not a hash",
                             request.proof.count);
    }
    request.checkpoint = rest;
    *ret_request = request;
    return true;
}

bool witness_request_write(const struct witness_request *request, struct buf *ret_body,
                           struct fault *fault)
{
    if (!buf_add_format(ret_body, fault, "old %llu\n", (unsigned long long)request->old_size))
        return false;
    for (size_t i = 0; i < request->proof.count; i++)
        if (!base64_encode(slice_of_bytes(request->proof.hash[i].at, TREE_HASH_BYTES),
                           ret_body, fault) ||
            !buf_add_byte(ret_body, '\n', fault))
            return false;
    return buf_add_byte(ret_body, '\n', fault) &&
           buf_add(ret_body, request->checkpoint, fault);
}

/* ---- the witness ---- */

bool witness_new(struct slice vkey, const struct witness_keeping *keeping,
                 struct witness **ret_witness, struct fault *fault)
{
    struct cosignature_key *own;
    struct witness *witness;

    if (!cosignature_key_parse(vkey, &own, fault))
        return false;
    witness = xalloc(sizeof(*witness));
    *witness = (struct witness){.keeping = keeping, .own = own};
    *ret_witness = witness;
    return true;
}

void witness_free(struct witness *witness)
{
    if (witness == NULL)
        return;
    cosignature_key_free(witness->own);
    for (size_t i = 0; i < witness->log_count; i++)
        note_key_free(witness->logs[i]);
    free(witness);
}

bool witness_add_log(struct witness *witness, struct slice vkey, struct fault *fault)
{
    struct note_key *key;

    if (witness->log_count == WITNESS_LOGS_MAX)
        return fault_set(fault, FAULT_LIMIT, "more than %d logs", WITNESS_LOGS_MAX);
    if (!note_key_parse(vkey, &key, fault))
        return false;
    witness->logs[witness->log_count++] = key;
    return true;
}

size_t witness_log_count(const struct witness *witness)
{
    return witness->log_count;
}

void witness_origin_text(struct slice origin, char ret_text[WITNESS_ORIGIN_TEXT_BYTES])
{
    uint8_t hash[EVP_MAX_MD_SIZE];

    if (EVP_Digest(origin.at, origin.len, hash, NULL, EVP_sha256(), NULL) != 1)
        abort();
    hex_encode(slice_of_bytes(hash, TREE_HASH_BYTES), ret_text);
}

void witness_answer_free(struct witness_answer *answer)
{
    buf_free(&answer->body);
}

/* ---- one request ---- */

struct case_of {
    struct witness *witness;
    struct witness_answer *answer;
    struct witness_request request;
    struct note note;
    struct checkpoint checkpoint;
    size_t log; /* the first key of that origin that has signed it */
    uint8_t signature[NOTE_SIGNATURE_BYTES];
    struct buf last_bytes; /* what we cosigned last of that origin */
    struct checkpoint last;
    bool has_last;
};

static bool refuse(struct witness_answer *answer, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* False, so that a check can return it. */
static bool refuse(struct witness_answer *answer, int status, const char *format, ...)
{
    struct fault ignored = {0};
    char text[512];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    answer->status = status;
    answer->type = TEXT_TYPE;
    buf_clear(&answer->body);
    if (!buf_add_format(&answer->body, &ignored, "%s\n", text))
        answer->status = 500;
    return false;
}

/* What stands before the last empty line. */
static struct slice text_of(struct slice note)
{
    for (size_t i = note.len; i > 1; i--)
        if (note.at[i - 1] == '\n' && note.at[i - 2] == '\n')
            return slice_part(note, 0, i - 1);
    return (struct slice){0};
}

/* Signature lines that do not parse are signatures that fail: is_signed says so. */
static bool parses(struct case_of *at, struct slice body)
{
    struct slice extensions;
    struct fault fault = {0};

    if (witness_request_parse(body, &at->request, &fault) &&
        checkpoint_parse_foreign(text_of(at->request.checkpoint), &at->checkpoint, &extensions,
                                 &fault))
        return true;
    return refuse(at->answer, 400, "%s", fault.why);
}

static bool is_of(const struct note_key *log, struct slice origin)
{
    return slice_equal(slice_of(note_key_name(log)), origin);
}

static bool origin_is_known(struct case_of *at)
{
    for (size_t i = 0; i < at->witness->log_count; i++)
        if (is_of(at->witness->logs[i], at->checkpoint.origin))
            return true;
    return refuse(at->answer, 404, "unknown log");
}

static bool claims(const struct note *note, const struct note_key *log)
{
    for (size_t i = 0; i < note->signature_count; i++)
        if (note_key_made(log, &note->signatures[i]))
            return true;
    return false;
}

/* What the keeper is told: the line of log key `log`, which holds. */
static bool take_signature(struct case_of *at, size_t log)
{
    at->log = log;
    for (size_t i = 0; i < at->note.signature_count; i++)
        if (note_key_made(at->witness->logs[log], &at->note.signatures[i]))
            return note_signature_bytes(&at->note.signatures[i], at->signature);
    return false;
}

static bool is_signed(struct case_of *at)
{
    struct fault fault = {0};
    size_t good = 0;

    if (!note_parse(at->request.checkpoint, &at->note, &fault))
        return refuse(at->answer, 403, "invalid signature: %s", fault.why);
    for (size_t i = 0; i < at->witness->log_count; i++) {
        const struct note_key *log = at->witness->logs[i];

        if (!is_of(log, at->checkpoint.origin) || !claims(&at->note, log))
            continue;
        if (!note_verify(&at->note, log, &fault))
            return refuse(at->answer, 403, "invalid signature: %s", fault.why);
        if (good++ == 0 && !take_signature(at, i))
            return refuse(at->answer, 403, "invalid signature");
    }
    return good > 0 || refuse(at->answer, 403, "no signature of a key that is known");
}

static bool sizes_are_in_order(struct case_of *at)
{
    return at->request.old_size <= at->checkpoint.size ||
           refuse(at->answer, 400, "old is more than the size of the checkpoint");
}

/* Our own promise; a file that is not one of ours anymore must not reset it. */
static bool load_last(struct case_of *at)
{
    const struct witness_keeping *keeping = at->witness->keeping;
    struct fault fault = {0};

    if (!keeping->load(keeping->self, at->log, &at->last_bytes, &fault))
        return fault.kind == FAULT_MISSING || refuse(at->answer, 500, "%s", fault.why);
    at->has_last = witness_promise_read(buf_slice(&at->last_bytes), at->witness->own,
                                        at->checkpoint.origin, &at->last, &fault);
    return at->has_last || refuse(at->answer, 500, "%s", fault.why);
}

/* The log has signed it, and it does not follow what we have seen: somebody will want it. */
static bool keep(struct case_of *at)
{
    const struct witness_keeping *keeping = at->witness->keeping;
    struct fault fault = {0};

    return keeping->keep(keeping->self, at->log, at->request.checkpoint, &fault) ||
           refuse(at->answer, 500, "%s", fault.why);
}

static bool is_up_to_date(struct case_of *at)
{
    uint64_t size = at->has_last ? at->last.size : 0;
    bool goes_back =
        at->has_last && (at->checkpoint.size < size ||
                         (at->checkpoint.size == size &&
                          !tree_hash_equal(&at->checkpoint.root, &at->last.root)));

    if (at->request.old_size == size)
        return true;
    if (goes_back && !keep(at))
        return false;
    (void)refuse(at->answer, 409, "%llu", (unsigned long long)size);
    at->answer->type = WITNESS_SIZE_TYPE;
    return false;
}

static bool is_consistent(struct case_of *at)
{
    struct fault fault = {0};

    if (witness_follows(at->request.old_size, &at->last.root, at->checkpoint.size,
                        &at->checkpoint.root, &at->request.proof, &fault))
        return true;
    return keep(at) && refuse(at->answer, 422, "consistency proof: %s", fault.why);
}

/* Lines of keys that nobody vouches for are not given on. */
static bool promise(struct case_of *at)
{
    AUTO_BUF struct buf line = buf_with_limit(1024);
    const struct witness_keeping *keeping = at->witness->keeping;
    struct witness_promise promised = {.log = at->log,
                                       .old_size = at->request.old_size,
                                       .size = at->checkpoint.size,
                                       .root = at->checkpoint.root,
                                       .proof = at->request.proof,
                                       .text = at->note.text};
    struct fault fault = {0};

    memcpy(promised.signature, at->signature, sizeof(promised.signature));
    if (!keeping->promise(keeping->self, &promised, &line, &fault))
        return refuse(at->answer, 500, "%s", fault.why);
    at->answer->status = 200;
    at->answer->type = TEXT_TYPE;
    at->answer->body = take_buf(&line);
    return true;
}

/* In the order of the specification. */
static bool (*const checks[])(struct case_of *at) = {
    origin_is_known, is_signed, sizes_are_in_order, load_last, is_up_to_date,
    is_consistent,   promise,
};

void witness_add_checkpoint(struct witness *witness, struct slice body,
                            struct witness_answer *ret_answer)
{
    struct case_of *at = xalloc(sizeof(*at));

    *ret_answer = (struct witness_answer){.body = buf_with_limit(1024)};
    at->witness = witness;
    at->answer = ret_answer;
    at->last_bytes = buf_with_limit(NOTE_BYTES_MAX);
    if (parses(at, body))
        for (size_t i = 0; i < COUNT(checks) && checks[i](at); i++)
            continue;
    buf_free(&at->last_bytes);
    free(at);
}

void witness_get_checkpoint(struct witness *witness, struct slice path,
                            struct witness_answer *ret_answer)
{
    struct fault fault = {0};

    *ret_answer = (struct witness_answer){
        .status = 200, .type = TEXT_TYPE, .body = buf_with_limit(NOTE_BYTES_MAX)};
    for (size_t i = 0; i < witness->log_count; i++) {
        struct slice origin = slice_of(note_key_name(witness->logs[i]));
        char text[WITNESS_ORIGIN_TEXT_BYTES];
        AUTO_FREE char *wanted = NULL;

        witness_origin_text(origin, text);
        wanted = xformat("/%s/checkpoint", text);
        if (!slice_equal(path, slice_of(wanted)))
            continue;
        if (witness->keeping->load(witness->keeping->self, i, &ret_answer->body, &fault))
            return;
        if (fault.kind != FAULT_MISSING) {
            (void)refuse(ret_answer, 500, "%s", fault.why);
            return;
        }
    }
    (void)refuse(ret_answer, 404, "not found");
}
