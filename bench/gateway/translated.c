/*
 * What translation costs the door: user time of an event of a stream and of a request, each API as
 * each other one has it, without sockets.
 *
 * Usage: bench-gateway-translated [--events N]
 */
#include "common.h"

#include "base/scope.h"
#include "gateway/translate/translate.h"

#define WORDS "a text of about as many bytes as a model says at once, or some more of them, "
#define BYTES_MAX (64UL * 1024 * 1024)
#define TURNS 400
#define REQUESTS 40

static const struct side {
    const char *name;
    enum operation operation;
    const char *least, *event;
} sides[] = {
    {"chat", OPERATION_CHAT, "{\"model\":\"x\",\"messages\":[]}",
     "data: {\"id\":\"chatcmpl-0a1b2c3d4e5f\",\"object\":\"chat.completion.chunk\","
     "\"created\":1764201600,\"model\":\"m-1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":"
     "\"" WORDS "\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n"},
    {"responses", OPERATION_RESPONSE, "{\"model\":\"x\",\"input\":[]}",
     "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\","
     "\"sequence_number\":7,\"item_id\":\"msg_0a1b2c3d\",\"output_index\":0,\"content_index\":0,"
     "\"delta\":\"" WORDS "\",\"logprobs\":[]}\n\n"},
    {"messages", OPERATION_MESSAGE, "{\"model\":\"x\",\"max_tokens\":1,\"messages\":[]}",
     "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,"
     "\"delta\":{\"type\":\"text_delta\",\"text\":\"" WORDS "\"}}\n\n"},
};

static void fail(const char *what, const char *why)
{
    (void)fprintf(stderr, "%s: %s\n", what, why);
    exit(2);
}

static double user_ns(void)
{
    struct rusage usage;

    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_utime.tv_sec * 1e9 + (double)usage.ru_utime.tv_usec * 1e3;
}

static struct translation *put(const struct side *asked, const struct side *sent,
                               struct slice body, struct buf *out)
{
    struct translation *translation = NULL;
    struct fault fault = {0};

    buf_clear(out);
    if (!translate_request(asked->operation, sent->operation, body, out, &translation, &fault))
        fail("translate_request", fault.why);
    return translation;
}

/* A long answer is held for its full copies, so each of them is not too long. */
static double event_ns(const struct side *asked, const struct side *sent, long events)
{
    AUTO_BUF struct buf out = buf_with_limit(BYTES_MAX);
    struct translation *translation = put(asked, sent, slice_of(asked->least), &out);
    double begin = user_ns();
    long done = 0;

    while (done < events) {
        struct translator *translator = translator_new(translation, 200, true, 0);
        struct fault fault = {0};

        for (int i = 0; i < 1000; i++, done++) {
            buf_clear(&out);
            if (!translator_feed(translator, slice_of(sent->event), &out, &fault))
                fail("translator_feed", fault.why);
        }
        translator_free(translator);
    }
    translation_free(translation);
    return (user_ns() - begin) / (double)done;
}

/* Messages, calls of tools and their results, as Chat Completions has them. */
static void write_request(struct buf *out)
{
    struct fault fault = {0};
    bool ok = buf_add_text(out, "{\"model\":\"x\",\"messages\":[{\"role\":\"user\",\"content\":\"" WORDS
                                "\"}", &fault);

    for (int i = 0; ok && i < TURNS; i++)
        ok = buf_add_format(
            out, &fault,
            ",{\"role\":\"assistant\",\"content\":\"" WORDS "\",\"tool_calls\":[{\"id\":\"call_%d\","
            "\"type\":\"function\",\"function\":{\"name\":\"shell\",\"arguments\":\"{\\\"cmd\\\":"
            "\\\"" WORDS "\\\"}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"call_%d\",\"content\":\"" WORDS
            WORDS "\\n" WORDS WORDS WORDS "\"}", i, i);
    if (!ok || !buf_add_text(out, "]}", &fault))
        fail("write_request", fault.why);
}

static double request_us(const struct side *asked, const struct side *sent, struct slice body)
{
    AUTO_BUF struct buf out = buf_with_limit(BYTES_MAX);
    double begin = user_ns();

    for (int i = 0; i < REQUESTS; i++)
        translation_free(put(asked, sent, body, &out));
    return (user_ns() - begin) / 1e3 / REQUESTS;
}

int main(int argc, char **argv)
{
    long events = argc == 3 && strcmp(argv[1], "--events") == 0 ? strtol(argv[2], NULL, 10) : 200000;
    struct buf bodies[COUNT(sides)];

    for (size_t i = 0; i < COUNT(sides); i++)
        bodies[i] = buf_with_limit(BYTES_MAX);
    write_request(&bodies[0]);
    for (size_t i = 1; i < COUNT(sides); i++)
        translation_free(put(&sides[0], &sides[i], buf_slice(&bodies[0]), &bodies[i]));
    (void)printf("%-12s%-12s%12s%14s%12s\n", "client", "provider", "ns an event", "us a request",
                 "bytes of it");
    for (size_t i = 0; i < COUNT(sides); i++)
        for (size_t j = 0; j < COUNT(sides); j++)
            if (i != j)
                (void)printf("%-12s%-12s%12.0f%14.0f%12zu\n", sides[i].name, sides[j].name,
                             event_ns(&sides[i], &sides[j], events),
                             request_us(&sides[i], &sides[j], buf_slice(&bodies[i])),
                             bodies[i].len);
    for (size_t i = 0; i < COUNT(sides); i++)
        buf_free(&bodies[i]);
    return 0;
}
