/* The records of a request to a tool server: intent, outcome, refusal. */
#include "gateway/mcp/visit.h"

#include "base/scope.h"

static void begin(struct record *record, enum record_type type,
                  const struct exchange *exchange)
{
    const struct gateway_identity *identity = exchange->door->identity;
    const struct call_mcp *open = &exchange->visit->open;
    const struct gateway_server *server = &exchange->gateway->config.servers[open->server];

    record_begin(record, type);
    record_word(record, RECORD_RUN, identity->run);
    record_word(record, RECORD_AGENT, identity->agent);
    record_word(record, RECORD_ON_BEHALF_OF, identity->on_behalf_of);
    record_word(record, RECORD_POLICY, identity->policy);
    record_word(record, RECORD_PROVIDER, server->at.name);
    record_word(record, RECORD_DIALECT, "mcp");
    if (exchange->provider->url.host.len > 0) {
        record_text(record, RECORD_HOST, exchange->provider->url.host);
        record_number(record, RECORD_PORT, exchange->provider->url.port);
    }
    record_word(record, RECORD_METHOD, mcp_method_row((enum mcp_method)open->method)->name);
    record_word(record, RECORD_RESIDENCY, server->at.residency);
    record_word(record, RECORD_CONTRACT, server->at.contract);
    if (open->tool < server->tool_count)
        record_word(record, RECORD_TOOL, server->tools[open->tool].name);
}

static bool keep_body(struct exchange *exchange, struct fault *fault)
{
    const struct gateway_sealer *sealer = &exchange->gateway->config.sealer;
    struct slice body = buf_slice(&exchange->body);

    return body.len == 0 ||
           (sealer->keep(sealer->self, RECORD_MCP_INTENT, body, &exchange->prompt, fault) &&
            sealer->sync(sealer->self, fault) &&
            sealer->commit(sealer->self, RECORD_MCP_INTENT, body, &exchange->prompt, fault));
}

bool visit_record_intent(struct exchange *exchange, struct fault *fault)
{
    const struct gateway_ledger *ledger = &exchange->gateway->config.ledger;
    AUTO_BUF struct buf receipts = buf_with_limit(RECORD_LIST_BYTES_MAX);
    struct record record;

    if (!keep_body(exchange, fault))
        return false;
    begin(&record, RECORD_MCP_INTENT, exchange);
    record_word(&record, RECORD_CLASS, class_name(class_of_mask(exchange->open.classes)));
    receipts_tell(exchange, &receipts);
    record_word(&record, RECORD_VERDICT,
                verdict_name(receipts.len > 0 ? VERDICT_REDACT : VERDICT_ALLOW));
    if (receipts.len > 0)
        record_text(&record, RECORD_RECEIPTS, buf_slice(&receipts));
    record_word(&record, RECORD_LINEAGE, exchange->lineage);
    record_sealed(&record, &exchange->prompt);
    record_number(&record, RECORD_BYTES_OUT, (int64_t)exchange->body.len);
    record_number(&record, RECORD_COUNT, (int64_t)(exchange->open.leaves & INT32_MAX));
    record_number(&record, RECORD_SIZE, (int64_t)(exchange->open.scanned_bytes & INT32_MAX));
    return ledger->record_durably(ledger->self, &record, &exchange->intent, fault);
}

void visit_record_refused(struct exchange *exchange, const char *reason)
{
    const struct gateway_ledger *ledger = &exchange->gateway->config.ledger;
    struct record record;
    struct fault fault = {0};

    begin(&record, RECORD_REFUSED, exchange);
    record_word(&record, RECORD_REASON, reason);
    record_word(&record, RECORD_VERDICT, verdict_name(VERDICT_DENY));
    record_word(&record, RECORD_OUTCOME, "refused");
    record_word(&record, RECORD_MECHANISM, "gateway");
    /* the refusal stands with or without its record */
    (void)!ledger->record(ledger->self, &record, NULL, &fault);
}

/* The agent has its answer already: what cannot be kept is said by a record of its own. */
static void seal_answer(struct exchange *exchange, struct record_seal *seal)
{
    const struct gateway_sealer *sealer = &exchange->gateway->config.sealer;
    struct slice said = buf_slice(&exchange->answer.held);
    struct fault fault = {0};

    if (said.len == 0 || !exchange->visit->kept_all)
        return;
    if (!sealer->keep(sealer->self, RECORD_MCP_OUTCOME, said, seal, &fault) ||
        !sealer->sync(sealer->self, &fault)) {
        seal->payload[0] = 0;
        visit_record_refused(exchange, "payload-lost");
    }
    if (!sealer->commit(sealer->self, RECORD_MCP_OUTCOME, said, seal, &fault))
        seal->commitment[0] = 0; /* without a ledger: nothing is recorded any more */
}

void visit_record_outcome(struct exchange *exchange, const struct visit_ending *ending)
{
    const struct gateway *gateway = exchange->gateway;
    const struct gateway_ledger *ledger = &gateway->config.ledger;
    const struct call_seen *seen = &exchange->visit->seen;
    struct record_seal seal = {0};
    struct record record;
    struct fault fault = {0};

    seal_answer(exchange, &seal);
    begin(&record, RECORD_MCP_OUTCOME, exchange);
    record_sealed(&record, &seal);
    record_number(&record, RECORD_INTENT, (int64_t)exchange->intent);
    record_word(&record, RECORD_OUTCOME, ending->outcome);
    record_word(&record, RECORD_REASON, ending->reason);
    if (seen->packet != 0) { /* of what came back */
        record_word(&record, RECORD_CLASS, class_name(class_of_mask(seen->classes)));
        record_word(
            &record, RECORD_VERDICT,
            verdict_name(seen->reason[0] == 0 || seen->failed ? VERDICT_ALLOW : VERDICT_DENY));
    }
    record_number(&record, RECORD_STATUS, exchange->answer.status);
    record_number(&record, RECORD_BYTES_OUT, (int64_t)exchange->open.body_bytes);
    record_number(&record, RECORD_BYTES_IN, (int64_t)exchange->answer.bytes);
    if (exchange->certificate[0] != 0)
        record_word(&record, RECORD_CERTIFICATE, exchange->certificate);
    if (exchange->first_byte_us > 0)
        record_number(&record, RECORD_FIRST_BYTE_US,
                      exchange->first_byte_us - exchange->started_us);
    record_number(&record, RECORD_DURATION_US,
                  clock_monotonic_us(gateway->config.clock) - exchange->started_us);
    /* A ledger that is gone has ended the run; there is nobody left to tell. */
    (void)!ledger->record(ledger->self, &record, NULL, &fault);
}
