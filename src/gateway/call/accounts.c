/* Records and money of a call. */
#include "base/scope.h"
#include "gateway/dialect/dialect.h"
#include "gateway/call/exchange.h"
#include "gateway/dialect/target.h"
#include "gateway/money/prices.h"
#include "wire/json.h"

#define BYTES_PER_TOKEN_LOW                                                                   \
    3 /* for the reservation: prose and code make fewer; usage settles it */
#define MODEL_NAME_BYTES_MAX 4096
#define BYTES_PER_TOKEN 4        /* for an estimate afterwards */
#define OUTPUT_TOKENS_LEAST 1024 /* a stream that gets less is not begun */
#define OUTPUT_TOKENS_STEP 64    /* ... and is cut off where it gets not even so many more */
#define TIME_STEP_US (INT64_C(30) * 1000000)
#define TIME_LEAST_US (INT64_C(1) * 1000000)

static const struct operation_rule *rule_of(const struct exchange *exchange)
{
    return operation_rule((enum operation)exchange->open.operation);
}

struct route_call accounts_route(const struct exchange *exchange)
{
    const struct gateway_model *first =
        exchange->gateway->providers[exchange->open.model].model;

    return (struct route_call){.model = exchange->open.model,
                               .dialects = rule_of(exchange)->served_by,
                               .service = first->service,
                               .classes = exchange->open.classes,
                               .redacted = exchange->open.redacted,
                               .signed_blocks = exchange->open.signed_blocks};
}

const char *accounts_refuses(const struct exchange *exchange)
{
    struct route_call call = accounts_route(exchange);

    return exchange->provider->origin.len == 0
               ? "no-key"
               : route_refuses(exchange->provider->model, &call,
                               clock_now_us(exchange->gateway->config.clock));
}

bool accounts_next(struct exchange *exchange)
{
    const struct gateway *gateway = exchange->gateway;
    const struct route_table route = {gateway->config.models, gateway->config.model_count,
                                      gateway->config.fallback,
                                      gateway->config.fallback_count};
    struct route_call call = accounts_route(exchange);
    size_t model;

    while (route_next(&route, &call, clock_now_us(gateway->config.clock),
                      &exchange->fallback_at, &model))
        if (gateway->providers[model].origin.len > 0) {
            exchange->provider = &gateway->providers[model];
            return true;
        }
    return false;
}

bool accounts_body(const struct exchange *exchange, struct buf *room, struct slice *ret_body,
                   struct fault *fault)
{
    const struct gateway_model *model = exchange->provider->model;
    size_t at = exchange->open.model_at, end = at + exchange->open.model_len;
    struct slice body = buf_slice(&exchange->body);
    AUTO_BUF struct buf name = buf_with_limit(MODEL_NAME_BYTES_MAX);

    *ret_body = body;
    if (end == 0)
        return true;
    if (!json_add_string(&name, slice_of(target_model(model)), fault))
        return false;
    if (slice_equal(slice_part(body, at, end), buf_slice(&name)))
        return true;
    buf_clear(room);
    if (!buf_add(room, slice_part(body, 0, at), fault) ||
        !buf_add(room, buf_slice(&name), fault) ||
        !buf_add(room, slice_part(body, end, body.len), fault))
        return false;
    *ret_body = buf_slice(room);
    return true;
}

/* Tokens, what they cost at most, one call, and some of its time. */
static struct amounts bound(const struct exchange *exchange, int64_t in, int64_t out,
                            int64_t time_us)
{
    const struct gateway_prices *prices = &exchange->provider->model->prices;

    return (struct amounts){
        {amount_sum(in, out), prices_upper_bound(prices, in, out), 1, time_us}};
}

/*
 * A stream can be cut off, so it begins with less than its maximum and is given more as it
 * goes on. What comes as a whole is paid for as a whole.
 */
bool accounts_reserve(struct exchange *exchange, struct fault *fault)
{
    struct gateway *gateway = exchange->gateway;
    int64_t step = gateway->limits.output_tokens;
    int64_t in = (int64_t)(exchange->open.body_bytes / BYTES_PER_TOKEN_LOW);
    int64_t out = exchange->open.output_tokens > 0 ? exchange->open.output_tokens : step;
    struct amounts want, least;

    if (rule_of(exchange)->free)
        return true;
    out = amount_smaller(out, exchange->open.stream ? step : TOKENS_MAX);
    want = bound(exchange, in, out, TIME_STEP_US);
    if (exchange->open.stream)
        out = amount_smaller(out, OUTPUT_TOKENS_LEAST);
    least = bound(exchange, in, out, TIME_LEAST_US);
    accounts_release(exchange);
    exchange->is_reserved =
        book_reserve(gateway->book, clock_now_us(gateway->config.clock), &want, &least,
                     &exchange->reservation, &exchange->granted, fault);
    return exchange->is_reserved;
}

static void settle(struct exchange *exchange, const struct amounts *spent)
{
    if (exchange->is_reserved)
        book_settle(exchange->gateway->book, exchange->reservation, spent);
    exchange->is_reserved = false;
    exchange->granted = (struct amounts){0};
}

void accounts_release(struct exchange *exchange)
{
    settle(exchange, &(struct amounts){0});
}

static int64_t duration_us(const struct exchange *exchange)
{
    return clock_monotonic_us(exchange->gateway->config.clock) - exchange->started_us;
}

/* What a call has used, as far as it can be told; at its end, all of it. */
static struct amounts used(const struct exchange *exchange, const struct usage *usage)
{
    const struct gateway_model *model = exchange->provider->model;

    return (struct amounts){
        {amount_sum(usage_input(model->dialect, usage), usage_output(model->dialect, usage)),
         prices_cost(&model->prices, model->dialect, usage), 1, duration_us(exchange)}};
}

/* Figures of a stream come at its end: until then its events are counted. */
static struct amounts used_so_far(const struct exchange *exchange)
{
    struct usage usage = exchange->usage;

    if (usage_input(exchange->provider->model->dialect, &usage) == 0)
        usage.input = (int64_t)(exchange->open.body_bytes / BYTES_PER_TOKEN);
    if (usage.output < (int64_t)exchange->answer.events)
        usage.output = (int64_t)exchange->answer.events;
    return used(exchange, &usage);
}

/* `want` more, where something of it is used up. */
static bool keep_up(struct exchange *exchange, const struct amounts *used,
                    const struct amounts *want, const struct amounts *least)
{
    struct fault fault = {0};
    bool is_used_up = false;

    book_meter(exchange->gateway->book, exchange->reservation, used);
    for (size_t k = 0; k < AMOUNT_COUNT; k++)
        is_used_up = is_used_up || (want->of[k] > 0 && used->of[k] > exchange->granted.of[k]);
    return !is_used_up || book_extend(exchange->gateway->book, exchange->reservation, want,
                                      least, &exchange->granted, &fault);
}

bool accounts_meter(struct exchange *exchange)
{
    struct amounts now, want, least;

    if (!exchange->is_reserved || !exchange->answer.stream)
        return true;
    now = used_so_far(exchange);
    want = bound(exchange, 0, exchange->gateway->limits.output_tokens, 0);
    least = bound(exchange, 0, OUTPUT_TOKENS_STEP, 0);
    want.of[AMOUNT_CALLS] = least.of[AMOUNT_CALLS] = 0;
    return keep_up(exchange, &now, &want, &least);
}

bool accounts_tick(struct exchange *exchange)
{
    const struct amounts want = {.of[AMOUNT_TIME_US] = TIME_STEP_US};
    const struct amounts least = {.of[AMOUNT_TIME_US] = TIME_LEAST_US};
    struct amounts now;

    if (!exchange->is_reserved)
        return true;
    now = used_so_far(exchange);
    return keep_up(exchange, &now, &want, &least);
}

static void begin(struct record *record, enum record_type type,
                  const struct exchange *exchange)
{
    const struct gateway_identity *identity = exchange->door->identity;
    const struct gateway_model *model = exchange->provider->model;

    record_begin(record, type);
    record_word(record, RECORD_RUN, identity->run);
    record_word(record, RECORD_AGENT, identity->agent);
    record_word(record, RECORD_ON_BEHALF_OF, identity->on_behalf_of);
    record_word(record, RECORD_POLICY, identity->policy);
    record_word(record, RECORD_PROVIDER, model->name);
    record_word(record, RECORD_DIALECT, dialect_name(model->dialect));
    if ((enum dialect)exchange->open.spoken != model->dialect)
        record_word(record, RECORD_SPOKEN, dialect_name((enum dialect)exchange->open.spoken));
    if (exchange->provider->url.host.len > 0) {
        record_text(record, RECORD_HOST, exchange->provider->url.host);
        record_number(record, RECORD_PORT, exchange->provider->url.port);
    }
    record_word(record, RECORD_METHOD, "POST");
    record_word(record, RECORD_RESIDENCY, model->residency);
    record_word(record, RECORD_CONTRACT, model->contract);
    if (exchange->open.asked[0] != 0)
        record_word(record, RECORD_MODEL, exchange->open.asked);
}

bool accounts_keep(struct exchange *exchange, struct fault *fault)
{
    const struct gateway_sealer *sealer = &exchange->gateway->config.sealer;

    return sealer->keep(sealer->self, RECORD_MODEL_INTENT, buf_slice(&exchange->body),
                        &exchange->prompt, fault);
}

/* From here on it may have reached the provider: should we die, it counts. */
static void meter_begun(struct exchange *exchange)
{
    struct amounts begun = used_so_far(exchange);

    if (exchange->is_reserved)
        book_meter(exchange->gateway->book, exchange->reservation, &begun);
}

bool accounts_intent(struct exchange *exchange, bool durably, struct fault *fault)
{
    const struct gateway_ledger *ledger = &exchange->gateway->config.ledger;
    const struct gateway_sealer *sealer = &exchange->gateway->config.sealer;
    AUTO_BUF struct buf receipts = buf_with_limit(RECORD_LIST_BYTES_MAX);
    struct record record;
    struct slice body;

    if (!accounts_body(exchange, &exchange->renamed, &body, fault) ||
        !sealer->commit(sealer->self, RECORD_MODEL_INTENT, buf_slice(&exchange->body),
                        &exchange->prompt, fault))
        return false;
    meter_begun(exchange);
    begin(&record, RECORD_MODEL_INTENT, exchange);
    record_word(&record, RECORD_CLASS, class_name(class_of_mask(exchange->open.classes)));
    receipts_tell(exchange, &receipts);
    record_word(&record, RECORD_VERDICT,
                verdict_name(receipts.len > 0 ? VERDICT_REDACT : VERDICT_ALLOW));
    if (receipts.len > 0)
        record_text(&record, RECORD_RECEIPTS, buf_slice(&receipts));
    record_word(&record, RECORD_LINEAGE, exchange->lineage);
    record_sealed(&record, &exchange->prompt); /* no digest: one could try guesses on it */
    record_number(&record, RECORD_TOKENS_RESERVED, exchange->granted.of[AMOUNT_TOKENS]);
    record_number(&record, RECORD_COST_RESERVED, exchange->granted.of[AMOUNT_MICRO_USD]);
    record_number(&record, RECORD_BYTES_OUT, (int64_t)body.len);
    record_number(&record, RECORD_COUNT, (int64_t)(exchange->open.leaves & INT32_MAX));
    record_number(&record, RECORD_SIZE, (int64_t)(exchange->open.scanned_bytes & INT32_MAX));
    if (durably)
        return ledger->record_durably(ledger->self, &record, &exchange->intent, fault);
    return ledger->record(ledger->self, &record, &exchange->intent, fault);
}

void accounts_refused(struct exchange *exchange, const char *reason)
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
    (void)ledger->record(ledger->self, &record, NULL, &fault);
}

/* Ways to end in which the request cannot have reached a model. */
static const char *const unread[] = {"upstream-unreachable", "upstream-tls", "upstream-proxy",
                                     "failed"};

static bool may_have_been_read(const char *reason)
{
    for (size_t i = 0; i < COUNT(unread); i++)
        if (strcmp(unread[i], reason) == 0)
            return false;
    return true;
}

/* Without figures of the provider: not less than what went out and what was seen coming back.
 */
static bool estimate(struct exchange *exchange, const char *reason)
{
    const struct answer *answer = &exchange->answer;
    struct usage *usage = &exchange->usage;
    int64_t in = (int64_t)(exchange->open.body_bytes / BYTES_PER_TOKEN);
    int64_t out = answer->stream ? (int64_t)answer->events
                                 : (int64_t)(answer->held.len / BYTES_PER_TOKEN);

    if (rule_of(exchange)->free || (usage->seen && usage->output > 0 && usage->finished))
        return false;
    if (usage->seen && !answer->stream)
        return false;
    if (answer->begun ? answer->status >= 300 /* nothing was generated */
                      : !may_have_been_read(reason))
        return false;
    if (usage_input(exchange->provider->model->dialect, usage) == 0)
        usage->input = in;
    if (usage->output < out)
        usage->output = out;
    return true;
}

/*
 * The agent has its answer already. What cannot be kept is said by a record of its own, and
 * the outcome still commits to it.
 */
static void seal_answer(struct exchange *exchange, struct record_seal *seal)
{
    const struct gateway_sealer *sealer = &exchange->gateway->config.sealer;
    struct slice said = buf_slice(&exchange->answer.held);
    struct fault fault = {0};

    if (said.len == 0)
        return;
    if (!sealer->keep(sealer->self, RECORD_MODEL_OUTCOME, said, seal, &fault) ||
        !sealer->sync(sealer->self, &fault)) {
        seal->payload[0] = 0;
        accounts_refused(exchange, "payload-lost");
    }
    if (!sealer->commit(sealer->self, RECORD_MODEL_OUTCOME, said, seal, &fault))
        seal->commitment[0] = 0; /* without a ledger: nothing is recorded any more */
}

void accounts_outcome(struct exchange *exchange, const struct ending *ending)
{
    struct gateway *gateway = exchange->gateway;
    const struct gateway_ledger *ledger = &gateway->config.ledger;
    const struct gateway_model *model = exchange->provider->model;
    bool estimated = estimate(exchange, ending->reason);
    const struct usage *usage = &exchange->usage;
    int64_t in = usage_input(model->dialect, usage);
    int64_t out = usage_output(model->dialect, usage);
    int64_t cost = prices_cost(&model->prices, model->dialect, usage);
    struct record_seal seal = {0};
    struct record record;
    struct amounts spent;
    struct fault fault = {0};

    spent = used(exchange, usage);
    settle(exchange, &spent);
    gateway->totals.failed += strcmp(ending->outcome, "ok") != 0;
    gateway->totals.estimated += estimated;
    gateway->totals.tokens_in += in;
    gateway->totals.tokens_out += out;
    gateway->totals.tokens_cached += usage->cached;
    gateway->totals.tokens_reasoning += usage->reasoning;
    gateway->totals.cost_micro_usd += cost;

    seal_answer(exchange, &seal);
    begin(&record, RECORD_MODEL_OUTCOME, exchange);
    record_sealed(&record, &seal);
    record_number(&record, RECORD_INTENT, (int64_t)exchange->intent);
    record_word(&record, RECORD_OUTCOME, ending->outcome);
    record_word(&record, RECORD_REASON, ending->reason);
    record_word(&record, RECORD_MECHANISM, estimated ? "usage:estimated" : "usage:provider");
    record_number(&record, RECORD_STATUS, exchange->answer.status);
    record_number(&record, RECORD_TOKENS_IN, in);
    record_number(&record, RECORD_TOKENS_OUT, out);
    record_number(&record, RECORD_TOKENS_CACHED, usage->cached);
    if (usage->cache_written > 0)
        record_number(&record, RECORD_TOKENS_WRITTEN, usage->cache_written);
    if (usage->reasoning > 0)
        record_number(&record, RECORD_TOKENS_REASONING, usage->reasoning);
    if (usage->served[0] != 0)
        record_word(&record, RECORD_SERVED, usage->served);
    record_number(&record, RECORD_COST_MICRO_USD, cost);
    record_number(&record, RECORD_BYTES_OUT, (int64_t)exchange->open.body_bytes);
    record_number(&record, RECORD_BYTES_IN, (int64_t)exchange->answer.bytes);
    record_number(&record, RECORD_COUNT, (int64_t)exchange->tries);
    if (exchange->certificate[0] != 0)
        record_word(&record, RECORD_CERTIFICATE, exchange->certificate);
    if (exchange->first_byte_us > 0)
        record_number(&record, RECORD_FIRST_BYTE_US,
                      exchange->first_byte_us - exchange->started_us);
    record_number(&record, RECORD_DURATION_US, duration_us(exchange));
    /* A ledger that is gone has ended the run; there is nobody left to tell. */
    (void)ledger->record(ledger->self, &record, NULL, &fault);
}
