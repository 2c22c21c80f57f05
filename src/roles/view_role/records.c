#include <stdlib.h>

#include "base/hex.h"
#include "base/scope.h"
#include "ledger/ledger.h"
#include "policy/policy.h"
#include "roles/view_role/parts.h"

#define PRINTABLE_BYTES_MAX (4 * (SNAPSHOT_PATH_MAX + 1))

struct view_records {
    struct view_records_settings settings;
    struct ledger_client *ledger;
    struct buf path, path_to, executable;
    uint8_t *told; /* a bit a node: its receipts are in the ledger */
};

struct view_records *view_records_new(const struct view_records_settings *settings)
{
    struct view_records *records = xalloc(sizeof(*records));

    records->settings = *settings;
    records->ledger = ledger_client_new(settings->ledger_fd);
    records->path = buf_with_limit(PRINTABLE_BYTES_MAX);
    records->path_to = buf_with_limit(PRINTABLE_BYTES_MAX);
    records->executable = buf_with_limit(PRINTABLE_BYTES_MAX);
    return records;
}

void view_records_free(struct view_records *records)
{
    if (records == NULL)
        return;
    ledger_client_free(records->ledger);
    buf_free(&records->path);
    buf_free(&records->path_to);
    buf_free(&records->executable);
    free(records->told);
    free(records);
}

void view_oid_text(const struct snapshot *snapshot, const uint8_t *oid,
                   char ret_text[GITDIR_HEX_BYTES])
{
    hex_encode(slice_of_bytes(oid, snapshot_oid_bytes(snapshot)), ret_text);
}

static bool add_path(struct record *record, enum record_field field, const char *path,
                     struct buf *text, struct fault *fault)
{
    buf_clear(text);
    if (path == NULL)
        return true;
    if (!record_printable(path[0] == 0 ? SLICE(".") : slice_of(path), text, fault))
        return false;
    record_text(record, field, buf_slice(text));
    return true;
}

static enum record_type type_of(const struct view_event *event)
{
    if (event->refused)
        return RECORD_FILE_REFUSED;
    return event->operation == VIEW_READ || event->operation == VIEW_OPEN
               ? RECORD_FILE_READ
               : RECORD_FILE_WRITTEN;
}

static void add_run(const struct view_records *records, struct record *record)
{
    record_word(record, RECORD_RUN, records->settings.run);
    record_word(record, RECORD_AGENT, records->settings.agent);
    record_word(record, RECORD_ON_BEHALF_OF, records->settings.on_behalf_of);
    record_word(record, RECORD_POLICY, records->settings.policy);
    record_word(record, RECORD_MECHANISM, records->settings.mechanism);
}

static void add_object(const struct view_event *event, const char *blob, const char *after,
                       struct record *record)
{
    if (blob[0] != 0)
        record_word(record, RECORD_BLOB, blob);
    if (after[0] != 0)
        record_word(record, RECORD_BLOB_AFTER, after);
    if (event->end > 0) {
        record_number(record, RECORD_FIRST, (int64_t)event->first);
        record_number(record, RECORD_END, (int64_t)event->end);
    }
    if (!event->refused)
        record_number(record, RECORD_SIZE, (int64_t)event->size);
    if (event->class_mask != 0)
        record_word(record, RECORD_CLASS, class_name(class_of_mask(event->class_mask)));
    record_word(record, RECORD_VERDICT, verdict_name(event->verdict));
    if (event->rule.len > 0)
        record_text(record, RECORD_RULE, event->rule);
}

/* Is it the first record that tells of file `number`? */
static bool take_first(struct view_records *records, uint32_t number)
{
    size_t bytes = snapshot_node_count(records->settings.snapshot) / 8 + 1;
    uint8_t bit = (uint8_t)(1U << number % 8);
    bool first;

    if (records->told == NULL)
        records->told = xalloc(bytes);
    first = (records->told[number / 8] & bit) == 0;
    records->told[number / 8] |= bit;
    return first;
}

/* One record, or more where a file has many receipts: the first time, later none of them. */
static bool add_receipts(struct view_records *records, struct record *record, uint32_t number,
                         struct fault *fault)
{
    AUTO_BUF struct buf text = buf_with_limit(RECORD_BYTES_MAX);
    char digest[65];
    size_t at = 0;

    record_number(record, RECORD_COUNT,
                  (int64_t)receipts_count(records->settings.receipts, number, digest));
    record_word(record, RECORD_DIGEST, digest);
    if (take_first(records, number))
        while (receipts_text(records->settings.receipts, number, &at, &text)) {
            record_text(record, RECORD_RECEIPTS, buf_slice(&text));
            if (!ledger_record(records->ledger, record, NULL, fault))
                return false;
            buf_clear(&text);
        }
    return at > 0 || ledger_record(records->ledger, record, NULL, fault);
}

/* That what follows was read with its values replaced, how many and which. */
static bool add_redaction(struct view_records *records, const struct record *read,
                          const struct view_event *event, struct fault *fault)
{
    struct record record = *read;

    record.type = RECORD_FILE_REDACTED;
    if (event->base != SNAPSHOT_NONE && records->settings.receipts != NULL)
        return add_receipts(records, &record, event->base, fault);
    record_number(&record, RECORD_COUNT,
                  event->base == SNAPSHOT_NONE
                      ? 0
                      : snapshot_node(records->settings.snapshot, event->base)->finding_count);
    return ledger_record(records->ledger, &record, NULL, fault);
}

bool view_records_add(struct view_records *records, const struct view_event *event,
                      bool durable, struct fault *fault)
{
    char blob[GITDIR_HEX_BYTES] = "", after[GITDIR_HEX_BYTES] = "";
    struct record record;

    record_begin(&record, type_of(event));
    add_run(records, &record);
    if (event->oid != NULL)
        view_oid_text(records->settings.snapshot, event->oid, blob);
    if (event->oid_after != NULL)
        view_oid_text(records->settings.snapshot, event->oid_after, after);
    add_object(event, blob, after, &record);
    record_word(&record, RECORD_OPERATION, view_operation_name(event->operation));
    record_word(&record, RECORD_OUTCOME, event->refused ? "refused" : "ok");
    view_identity_add(records->settings.identity, event->pid, event->executable, &record);
    if (!add_path(&record, RECORD_PATH, event->path, &records->path, fault) ||
        !add_path(&record, RECORD_PATH_TO, event->path_to, &records->path_to, fault) ||
        !add_path(&record, RECORD_EXECUTABLE, event->executable, &records->executable, fault))
        return false;
    if (record.type == RECORD_FILE_READ && event->operation == VIEW_READ &&
        event->verdict == VERDICT_REDACT && !add_redaction(records, &record, event, fault))
        return false;
    return durable ? ledger_record_durably(records->ledger, &record, NULL, fault)
                   : ledger_record(records->ledger, &record, NULL, fault);
}

bool view_records_collected(struct view_records *records, uint64_t count, struct fault *fault)
{
    struct record record;

    record_begin(&record, RECORD_FILE_WRITTEN);
    add_run(records, &record);
    record_word(&record, RECORD_OPERATION, view_operation_name(VIEW_COLLECT));
    record_word(&record, RECORD_OUTCOME, "ok");
    record_word(&record, RECORD_PATH, ".");
    record_number(&record, RECORD_COUNT, (int64_t)count);
    return ledger_record_durably(records->ledger, &record, NULL, fault);
}
