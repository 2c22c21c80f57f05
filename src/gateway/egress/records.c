/* What the ledger is told of requests that leave, or do not. */
#include "gateway/egress/parts.h"

#define PATH_SHOWN_BYTES 1024

static void begin(struct visit *visit, enum record_type type, struct record *record,
                  struct buf *room)
{
    const struct gateway_identity *identity = &visit->egress->config.identity;
    const struct asked *asked = &visit->asked;
    struct slice path = http1_request_path(visit->request);
    struct fault fault = {0};

    record_begin(record, type);
    record_word(record, RECORD_RUN, identity->run);
    record_word(record, RECORD_AGENT, identity->agent);
    record_word(record, RECORD_ON_BEHALF_OF, identity->on_behalf_of);
    record_word(record, RECORD_POLICY, identity->policy);
    record_word(record, RECORD_MECHANISM, asked->is_connect ? "egress:tunnel" : "egress");
    if (asked->entry != NULL && asked->rule == NULL)
        record_word(record, RECORD_RULE, asked->entry->rule);
    if (asked->host[0] != 0) {
        record_word(record, RECORD_HOST, asked->host);
        record_number(record, RECORD_PORT, asked->port);
    }
    record_word(record, RECORD_METHOD, asked->method);
    if (path.len > 0 && asked->path_may_show &&
        record_printable(slice_part(path, 0, PATH_SHOWN_BYTES), room, &fault))
        record_text(record, RECORD_PATH, buf_slice(room));
}

bool records_intent(struct visit *visit, bool durably, struct fault *fault)
{
    const struct gateway_ledger *ledger = &visit->egress->config.ledger;
    struct buf room = buf_with_limit(4 * PATH_SHOWN_BYTES);
    enum data_class class =
        visit->asked.is_connect ? CLASS_OPAQUE : class_of_mask(visit->asked.classes);
    struct record record;
    bool ok;

    begin(visit, RECORD_EGRESS, &record, &room);
    record_word(&record, RECORD_OUTCOME, "intended");
    record_word(&record, RECORD_VERDICT, verdict_name(VERDICT_ALLOW));
    record_word(&record, RECORD_CLASS, class_name(class));
    record_number(&record, RECORD_SIZE, (int64_t)http1_request_body(visit->request).len);
    ok = durably ? ledger->record_durably(ledger->self, &record, &visit->trip.intent, fault)
                 : ledger->record(ledger->self, &record, &visit->trip.intent, fault);
    visit->trip.recorded = ok;
    buf_free(&room);
    return ok;
}

void records_outcome(struct visit *visit, const char *outcome, const char *reason)
{
    const struct gateway_ledger *ledger = &visit->egress->config.ledger;
    const struct trip *trip = &visit->trip;
    struct buf room = buf_with_limit(4 * PATH_SHOWN_BYTES);
    struct record record;
    struct fault fault = {0};

    if (!trip->recorded)
        return;
    visit->trip.recorded = false;
    begin(visit, RECORD_EGRESS, &record, &room);
    record_number(&record, RECORD_INTENT, (int64_t)trip->intent);
    record_word(&record, RECORD_OUTCOME, outcome);
    record_word(&record, RECORD_REASON, reason);
    record_word(&record, RECORD_CERTIFICATE, trip->certificate);
    if (trip->status != 0)
        record_number(&record, RECORD_STATUS, trip->status);
    record_number(&record, RECORD_BYTES_OUT, (int64_t)trip->bytes_out);
    record_number(&record, RECORD_BYTES_IN, (int64_t)trip->bytes_in);
    if (trip->first_byte_us != 0)
        record_number(&record, RECORD_FIRST_BYTE_US, trip->first_byte_us - trip->began_us);
    record_number(&record, RECORD_DURATION_US,
                  clock_monotonic_us(visit->egress->config.clock) - trip->began_us);
    /* A ledger that is gone has ended the run; there is nobody left to tell. */
    (void)!ledger->record(ledger->self, &record, NULL, &fault);
    buf_free(&room);
}

void records_refused(struct visit *visit)
{
    const struct gateway_ledger *ledger = &visit->egress->config.ledger;
    const struct asked *asked = &visit->asked;
    struct buf room = buf_with_limit(4 * PATH_SHOWN_BYTES);
    struct record record;
    struct fault fault = {0};

    begin(visit, RECORD_REFUSED, &record, &room);
    record_word(&record, RECORD_OUTCOME, "refused");
    record_word(&record, RECORD_VERDICT, verdict_name(VERDICT_DENY));
    record_word(&record, RECORD_REASON, asked->reason);
    record_number(&record, RECORD_STATUS, asked->status);
    if ((asked->classes & ~CLASS_BIT(CLASS_CODE)) != 0)
        record_word(&record, RECORD_CLASS,
                    class_name(class_of_mask(asked->classes & ~CLASS_BIT(CLASS_CODE))));
    record_word(&record, RECORD_RULE, asked->rule);
    /* The refusal stands, recorded or not: without a ledger nothing at all passes. */
    (void)!ledger->record(ledger->self, &record, NULL, &fault);
    buf_free(&room);
}
