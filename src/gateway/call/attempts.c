/*
 * What follows a failure that the client has seen nothing of: the same provider once more, after
 * a while; then the next of the policy's fallback list; then the error.
 */
#include "gateway/call/exchange.h"

#define TRIES_MAX 3 /* at one provider, under one intent */
#define FIRST_WAIT_US (INT64_C(500) * 1000)
#define HINTED_WAIT_MS_MAX                                                                    \
    INT64_C(5000) /* longer waits are the client's: it is told how long */

/* Reasons that are not here are final. An answer of the provider is judged by its status. */
static const struct {
    const char *reason;
    bool again, elsewhere;
} failures[] = {
    {"upstream-unreachable", true, true},
    {"upstream-cut", true, true},
    {"upstream-proxy", false, true},
    {"upstream-tls", false, true},
    {"upstream-broken", false, true},
    {"upstream-encoded", false, true},
    {"timeout", false, true},
};

static const struct {
    int status;
    bool again, elsewhere;
} statuses[] = {
    {429, true, true}, {500, false, true}, {502, true, true},
    {503, true, true}, {504, false, true}, {529, true, true},
};

static void judge(const struct exchange *exchange, const char *reason, bool *ret_again,
                  bool *ret_elsewhere)
{
    const struct answer *answer = &exchange->answer;

    *ret_again = *ret_elsewhere = false;
    for (size_t i = 0; i < COUNT(failures); i++)
        if (strcmp(failures[i].reason, reason) == 0) {
            *ret_again = failures[i].again;
            *ret_elsewhere = failures[i].elsewhere;
        }
    if (answer->begun) /* what has been generated has been paid for */
        *ret_again = false;
    if (strcmp(reason, "upstream-status") != 0)
        return;
    for (size_t i = 0; i < COUNT(statuses); i++)
        if (statuses[i].status == answer->status) {
            *ret_again = statuses[i].again;
            *ret_elsewhere = statuses[i].elsewhere;
        }
    if (answer->retry_told)
        *ret_again = answer->retry;
}

/* Not all who were turned away together come back together: a quarter more or less. */
static int64_t wait_us(const struct exchange *exchange)
{
    int64_t hinted_ms = exchange->answer.retry_after_ms;
    int64_t wait = FIRST_WAIT_US << (exchange->tries - 1);
    int64_t jitter = clock_monotonic_us(exchange->gateway->config.clock) % 997;

    if (hinted_ms >= 0 && exchange->answer.begun)
        return hinted_ms * 1000 + wait * jitter / 4000;
    return wait * 3 / 4 + wait * jitter / 2000;
}

bool attempts_again(struct exchange *exchange, const char *reason)
{
    struct gateway *gateway = exchange->gateway;
    int64_t spent_us = clock_monotonic_us(gateway->config.clock) - exchange->started_us;
    struct fault fault = {0};
    bool again, elsewhere;
    int64_t wait;

    judge(exchange, reason, &again, &elsewhere);
    if (!again || exchange->answer.passed || exchange->tries >= TRIES_MAX ||
        (exchange->answer.begun && exchange->answer.retry_after_ms > HINTED_WAIT_MS_MAX))
        return false;
    wait = wait_us(exchange);
    return spent_us + wait < gateway->limits.total_ms * 1000 &&
           loop_timer(gateway->loop, wait, send_again, exchange, &exchange->again, &fault);
}

bool attempts_elsewhere(const struct exchange *exchange, const char *reason)
{
    bool again, elsewhere;

    judge(exchange, reason, &again, &elsewhere);
    return elsewhere && !exchange->answer.passed && !exchange->door_gone;
}
