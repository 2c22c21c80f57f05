/*
 * agent/loop.h - custody-agent, our own small coding agent: asks a model over Chat Completions
 * (streamed, plain HTTP on loopback) what to do next, does it with five tools, until the model
 * stops. Runs inside the cell; holds nothing, is trusted with nothing.
 */
#ifndef CUSTODY_AGENT_LOOP_H
#define CUSTODY_AGENT_LOOP_H

#include <stdio.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/fault.h"

struct agent_loop {
    const char *base_url; /* "http://127.0.0.1:8080/v1" */
    const char *key;      /* sent as Bearer; a worthless word in a cell; NULL: none */
    const char *model;
    const char *prompt;
    const char *folder;     /* tools work below it: the repository */
    unsigned steps_max;     /* model calls */
    int answer_timeout_ms;  /* of one model call */
    int command_timeout_ms; /* of one shell command */
    FILE *out;              /* what it does, for people */
    const struct clock *clock;
};

struct agent_loop_result {
    unsigned steps;
    unsigned calls;
    unsigned calls_failed;
    int64_t tokens_in; /* as the provider said */
    int64_t tokens_out;
};

/*
 * FAULT_DENIED: the door said no (HTTP 4xx), with its message. FAULT_LIMIT: the model wanted
 * more than `steps_max` steps, or answered too much or too late. FAULT_IO: the connection
 * failed. ret_result is set in every case.
 */
MUST_USE bool agent_loop_run(const struct agent_loop *loop,
                             struct agent_loop_result *ret_result, struct fault *fault);

#endif
