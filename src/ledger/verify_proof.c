#include "ledger/verify_proof.h"

#include <stdarg.h>

#include "base/scope.h"
#include "ledger/commitment.h"
#include "wire/base64.h"
#include "wire/jcs.h"

static void conclude(struct verify_proof_report *report, enum verify_result result,
                     const char *format, ...) __attribute__((format(printf, 3, 4)));

static void conclude(struct verify_proof_report *report, enum verify_result result,
                     const char *format, ...)
{
    va_list args;

    report->result = result;
    va_start(args, format);
    (void)vsnprintf(report->why, sizeof(report->why), format, args);
    va_end(args);
    for (char *at = report->why; *at != 0; at++) /* names in a note may be anything */
        if (*at < 0x20 || *at > 0x7e)
            *at = '?';
}

/* `extra` is nobody's word: what counts is that the record, which is in the tree, fits. */
static void check_value(const struct proof *proof, struct slice record, struct slice value,
                        struct verify_proof_report *report)
{
    struct fault fault = {0};

    report->is_opened = commitment_check(record, proof->extra, value, &fault);
    if (!report->is_opened)
        conclude(report, fault.kind == FAULT_CONFLICT ? VERIFY_TAMPERING : VERIFY_INCOMPLETE,
                 "the record is in this tree; its value: %s", fault.why);
}

static void check_inclusion(const struct proof *proof, const struct checkpoint *checkpoint,
                            const struct verify_proof_options *options,
                            struct verify_proof_report *report)
{
    const struct slice *record = options->record;
    struct tree_hash leaf;
    struct fault fault = {0};

    if (record == NULL) {
        conclude(report, VERIFY_INCOMPLETE,
                 "a proof says nothing without the bytes of the record that it is about");
        return;
    }
    leaf = tree_leaf(*record);
    if (!tree_check_inclusion(proof->number, checkpoint->size, &leaf, &proof->path,
                              &checkpoint->root, &fault))
        conclude(report, VERIFY_TAMPERING, "the record is not in this tree at this index: %s",
                 fault.why);
    else if (options->value != NULL)
        check_value(proof, *record, *options->value, report);
}

static void check_consistency(const struct proof *proof, const struct checkpoint *checkpoint,
                              const struct checkpoint *kept,
                              struct verify_proof_report *report)
{
    struct fault fault = {0};

    if (kept == NULL)
        conclude(report, VERIFY_INCOMPLETE,
                 "a proof says nothing without the checkpoint that was kept");
    else if (kept->size != proof->number)
        conclude(report, VERIFY_INCOMPLETE,
                 "the proof begins at %llu records, the checkpoint that was kept has %llu",
                 (unsigned long long)proof->number, (unsigned long long)kept->size);
    else if (kept->size == 0)
        conclude(report, VERIFY_INCOMPLETE, "every tree grew out of the empty one");
    else if (!tree_check_consistency(kept->size, checkpoint->size, &kept->root,
                                     &checkpoint->root, &proof->path, &fault))
        conclude(report, VERIFY_TAMPERING,
                 "the tree did not grow out of the one that was kept: %s", fault.why);
}

/* NULL: the two contradict each other; else why that is not proven. */
static const char *fork_flaw(const struct proof *proof, const struct checkpoint *larger,
                             const struct checkpoint *smaller)
{
    struct fault fault = {0};

    if (proof->has_root != (smaller->size != larger->size))
        return "it has a root where it needs none, or none where it needs one";
    if (!proof->has_root) {
        if (proof->path.count > 0)
            return "it has hashes that lead nowhere";
        return tree_hash_equal(&smaller->root, &larger->root) ? "both roots are the same"
                                                              : NULL;
    }
    if (tree_hash_equal(&proof->root, &smaller->root))
        return "the larger tree has the smaller one's root";
    /* Refuses the larger one first, too. */
    if (!tree_check_consistency(smaller->size, larger->size, &proof->root, &larger->root,
                                &proof->path, &fault))
        return "its hashes do not lead to the larger tree's root";
    return NULL;
}

static void check_fork(const struct proof *proof, const struct checkpoint *larger,
                       const struct note_key *key, struct verify_proof_report *report)
{
    struct checkpoint smaller;
    struct fault fault = {0};
    const char *flaw;

    if (!checkpoint_open(proof->other, key, &smaller, &fault)) {
        conclude(report, VERIFY_INCOMPLETE, "it proves no fork: %s", fault.why);
        return;
    }
    report->number = smaller.size;
    flaw = fork_flaw(proof, larger, &smaller);
    if (flaw != NULL)
        conclude(report, VERIFY_INCOMPLETE, "it proves no fork: %s", flaw);
    else
        conclude(report, VERIFY_TAMPERING,
                 "a fork: one key signed two trees that contradict each other");
}

/* What another log has signed says nothing of this one, neither good nor bad. */
static bool is_of_another_log(struct slice bytes, const struct note_key *key,
                              struct verify_proof_report *report)
{
    struct checkpoint checkpoint;
    struct note note;
    struct fault fault = {0};

    if (!note_parse(bytes, &note, &fault) ||
        !checkpoint_parse(note.text, &checkpoint, &fault) ||
        slice_equal(checkpoint.origin, slice_of(note_key_name(key))))
        return false;
    conclude(report, VERIFY_INCOMPLETE,
             "the proof is of the log %.*s and the key of %s: --key takes that log's (an "
             "earlier shard's lies in keys/retired)",
             SLICE_ARGS(checkpoint.origin), note_key_name(key));
    return true;
}

static void check(struct slice bytes, const struct note_key *key,
                  const struct verify_proof_options *options, const struct checkpoint *kept,
                  struct verify_proof_report *report)
{
    AUTO_FREE struct proof *proof = xalloc(sizeof(*proof));
    struct checkpoint checkpoint;
    struct fault fault = {0};

    if (!proof_parse(bytes, proof, &fault)) {
        conclude(report, VERIFY_INCOMPLETE, "%s", fault.why);
        return;
    }
    report->has_kind = true;
    report->kind = proof->kind;
    report->number = proof->number;
    if (is_of_another_log(proof->checkpoint, key, report))
        return;
    if (!checkpoint_open(proof->checkpoint, key, &checkpoint, &fault)) {
        conclude(report, proof->kind == PROOF_FORK ? VERIFY_INCOMPLETE : VERIFY_TAMPERING,
                 "%s", fault.why);
        return;
    }
    report->has_checkpoint = true;
    report->size = checkpoint.size;
    report->root = checkpoint.root;
    (void)snprintf(report->origin, sizeof(report->origin), "%s", note_key_name(key));
    if (proof->kind == PROOF_INCLUSION)
        check_inclusion(proof, &checkpoint, options, report);
    else if (proof->kind == PROOF_CONSISTENCY)
        check_consistency(proof, &checkpoint, kept, report);
    else
        check_fork(proof, &checkpoint, key, report);
}

/* What the asker gives must be of use: else it would look checked. */
static bool check_options(const struct verify_proof_options *options,
                          const struct verify_proof_report *report, struct fault *fault)
{
    if (!report->has_kind)
        return true;
    if (options->record != NULL && report->kind != PROOF_INCLUSION)
        return fault_set(fault, FAULT_INVALID, "a proof of %s is not about a record",
                         proof_kind_name(report->kind));
    if (options->value != NULL && report->kind != PROOF_INCLUSION)
        return fault_set(fault, FAULT_INVALID, "a proof of %s opens no value",
                         proof_kind_name(report->kind));
    if (options->kept != NULL && report->kind != PROOF_CONSISTENCY)
        return fault_set(fault, FAULT_INVALID,
                         "a proof of %s is not against a checkpoint that was kept",
                         proof_kind_name(report->kind));
    return true;
}

bool verify_proof(struct slice bytes, struct slice vkey,
                  const struct verify_proof_options *options,
                  struct verify_proof_report *ret_report, struct fault *fault)
{
    struct checkpoint kept;
    struct note_key *key;
    bool ok = true;

    if (!note_key_parse(slice_trim(vkey), &key, fault))
        return false;
    memset(ret_report, 0, sizeof(*ret_report));
    if (options->kept != NULL && !checkpoint_open(*options->kept, key, &kept, fault))
        ok = fault_in(fault, "the checkpoint that was kept");
    if (ok) {
        check(bytes, key, options, options->kept == NULL ? NULL : &kept, ret_report);
        ok = check_options(options, ret_report, fault);
    }
    note_key_free(key);
    return ok;
}

static const char *const not_checked[] = {
    "witnesses: a proof is checked without them, so who holds the key could show others "
    "another ledger",
    "the rest of the ledger: a proof is about what it names, and about nothing else",
};

static bool add_not_checked(struct buf *text, struct fault *fault)
{
    if (!buf_add_text(text, ",\"not_checked\":[", fault))
        return false;
    for (size_t i = 0; i < COUNT(not_checked); i++)
        if ((i > 0 && !buf_add_byte(text, ',', fault)) ||
            !jcs_add_text(text, slice_of(not_checked[i]), fault))
            return false;
    return buf_add_byte(text, ']', fault);
}

static bool add_root(const struct verify_proof_report *report, struct buf *text,
                     struct fault *fault)
{
    return base64_encode(slice_of_bytes(report->root.at, TREE_HASH_BYTES), text, fault);
}

bool verify_proof_json(const struct verify_proof_report *report, struct buf *ret_text,
                       struct fault *fault)
{
    unsigned long long number = report->number;

    if (!buf_add_text(ret_text, "{", fault) ||
        (report->has_kind && report->kind == PROOF_INCLUSION &&
         !buf_add_format(ret_text, fault, "\"index\":%llu,", number)) ||
        !buf_add_format(ret_text, fault, "\"kind\":%s%s%s", report->has_kind ? "\"" : "",
                        report->has_kind ? proof_kind_name(report->kind) : "null",
                        report->has_kind ? "\"" : "") ||
        !add_not_checked(ret_text, fault) ||
        (report->has_kind && report->kind != PROOF_INCLUSION &&
         !buf_add_format(ret_text, fault, ",\"old_size\":%llu", number)) ||
        !buf_add_format(ret_text, fault,
                        ",\"opened\":%s,\"origin\":", report->is_opened ? "true" : "false") ||
        !jcs_add_text(ret_text, slice_of(report->origin), fault) ||
        !buf_add_text(ret_text, ",\"problem\":", fault) ||
        !jcs_add_text(ret_text, slice_of(report->why), fault) ||
        !buf_add_format(ret_text, fault,
                        ",\"result\":\"%s\",\"root\":", verify_result_name(report->result)))
        return false;
    if (!report->has_checkpoint)
        return buf_add_text(ret_text, "null,\"size\":null}", fault);
    return buf_add_byte(ret_text, '"', fault) && add_root(report, ret_text, fault) &&
           buf_add_format(ret_text, fault, "\",\"size\":%llu}",
                          (unsigned long long)report->size);
}

static bool add_sentence(const struct verify_proof_report *report, struct buf *text,
                         struct fault *fault)
{
    unsigned long long number = report->number, size = report->size;

    if (report->result == VERIFY_TAMPERING)
        return buf_add_format(text, fault, "EVIDENCE OF TAMPERING: %s\n", report->why);
    if (report->result == VERIFY_INCOMPLETE)
        return buf_add_format(text, fault, "Nothing is proven: %s\n", report->why);
    return report->kind == PROOF_INCLUSION
               ? buf_add_format(text, fault,
                                "The proof holds: these bytes are record %llu of %llu\n",
                                number, size)
               : buf_add_format(text, fault,
                                "The proof holds: the tree of %llu grew out of that of %llu\n",
                                size, number);
}

bool verify_proof_text(const struct verify_proof_report *report, struct buf *ret_text,
                       struct fault *fault)
{
    if (!add_sentence(report, ret_text, fault) ||
        (report->is_opened &&
         !buf_add_text(ret_text, "  value   is what the record commits to\n", fault)))
        return false;
    if (report->has_checkpoint &&
        (!buf_add_format(ret_text, fault, "  origin  %s\n  root    ", report->origin) ||
         !add_root(report, ret_text, fault) || !buf_add_byte(ret_text, '\n', fault)))
        return false;
    for (size_t i = 0; i < COUNT(not_checked); i++)
        if (!buf_add_format(ret_text, fault, "  not checked  %s\n", not_checked[i]))
            return false;
    return true;
}
