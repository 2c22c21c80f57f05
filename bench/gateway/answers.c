/*
 * What an event of a streamed answer costs the door in its own code: user time of reading it,
 * without sockets, per event. No classifier: what is looked at is only counted.
 *
 * Usage: bench-gateway-answers [--events N]
 */
#include "common.h"

#include "base/scope.h"
#include "gateway/door/answer/reply.h"

#define WORDS "a text of about as many bytes as a model says at once, or some more of them, "

static uint64_t looked;

static unsigned count(void *self, struct slice text, const char *ret_rules[CLASS_COUNT],
                      unsigned *ret_guesses)
{
    (void)self, (void)ret_rules;
    *ret_guesses = 0;
    looked += text.len;
    return 0;
}

static const struct door_scan scan = {.classes = count};

/* An event with a number and a text in it. */
static const struct dialect_row {
    const char *name;
    bool number_first;
    const char *parts[3]; /* before, between and behind them */
} dialects[] = {
    {"chat",
     false,
     {"data: {\"id\":\"chatcmpl-0a1b2c3d4e5f\",\"object\":\"chat.completion.chunk\","
      "\"created\":1764201600,\"model\":\"m-1\",\"service_tier\":\"default\",\"choices\":["
      "{\"index\":0,\"delta\":{\"content\":\"",
      "\"},\"logprobs\":null,\"finish_reason\":"
      "null}],\"obfuscation\":\"",
      "\"}\n\n"}},
    {"chat, arguments",
     false,
     {"data: {\"id\":\"chatcmpl-0a1b2c3d4e5f\",\"object\":\"chat.completion.chunk\","
      "\"created\":1764201600,\"model\":\"m-1\",\"choices\":[{\"index\":0,\"delta\":{\"tool_"
      "calls\":"
      "[{\"index\":0,\"function\":{\"arguments\":\"",
      "", "\"}}]},\"finish_reason\":null}]}\n\n"}},
    {"responses",
     true,
     {"event: response.output_text.delta\ndata: {\"type\":\"response.output_text."
      "delta\",\"sequence_number\":",
      ",\"item_id\":\"msg_0a1b2c3d\",\"output_index\":"
      "0,\"content_index\":0,\"delta\":\"",
      "\",\"logprobs\":[]}\n\n"}},
    {"messages",
     false,
     {"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,"
      "\"delta\":{\"type\":\"text_delta\",\"text\":\"",
      "", "\"}}\n\n"}},
    {"gemini",
     false,
     {"data: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"",
      "\"}],\"role\":"
      " \"model\"},\"index\": 0}],\"usageMetadata\": {\"promptTokenCount\": 7,"
      "\"candidatesTokenCount\": ",
      ",\"totalTokenCount\": 9},\"modelVersion\": \"m\"}"
      "\r\n\r\n"}},
};

static double user_ns(void)
{
    struct rusage usage;

    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_utime.tv_sec * 1e9 + (double)usage.ru_utime.tv_usec * 1e3;
}

static struct stand_ins *make(bool filled)
{
    struct redacted_value values[] = {
        {.is_telling = true,
         .original = SLICE("123-45-6789"),
         .stand_in = SLICE("912-44-5566")},
        {.is_telling = true,
         .original = SLICE("Ann Example"),
         .stand_in = SLICE("Kira Novak")},
    };
    struct redaction redaction = {.values = values, .count = filled ? COUNT(values) : 0};
    struct stand_ins *stand_ins = stand_ins_new();

    stand_ins_take(stand_ins, &redaction);
    return stand_ins;
}

static int write_event(const struct dialect_row *dialect, unsigned event, char text[1024])
{
    if (dialect->number_first)
        return snprintf(text, 1024, "%s%u%s%s%s", dialect->parts[0], event, dialect->parts[1],
                        WORDS, dialect->parts[2]);
    return snprintf(text, 1024, "%s%s%s%u%s", dialect->parts[0], WORDS, dialect->parts[1],
                    event, dialect->parts[2]);
}

static double run(const struct dialect_row *dialect, bool filled, long events)
{
    struct stand_ins *stand_ins = make(filled);
    struct reply *reply = reply_new(REPLY_STREAM, &scan, stand_ins_now(stand_ins), 0);
    struct buf out = buf_with_limit(1U << 20);
    double begin = user_ns(), writing;
    struct fault fault = {0};
    char text[1024];

    for (long i = 0; i < events; i++)
        (void)write_event(dialect, (unsigned)i, text);
    writing = user_ns() - begin;
    begin = user_ns();
    for (long i = 0; i < events; i++) {
        int len = write_event(dialect, (unsigned)i, text);

        buf_clear(&out);
        if (!reply_feed(reply, slice_of_bytes(text, (size_t)len), &out, &fault)) {
            (void)fprintf(stderr, "%s\n", fault.why);
            exit(2);
        }
    }
    begin = user_ns() - begin - writing;
    buf_free(&out);
    reply_free(reply);
    stand_ins_free(stand_ins);
    return begin / (double)events;
}

int main(int argc, char **argv)
{
    long events = number(argc, argv, "--events", "200000");

    printf("| user time an event, ns | nothing was replaced | two values were "
           "|\n|---|---|---|\n");
    for (size_t i = 0; i < COUNT(dialects); i++)
        printf("| %s | %.0f | %.0f |\n", dialects[i].name, run(&dialects[i], false, events),
               run(&dialects[i], true, events));
    return looked == 0;
}
