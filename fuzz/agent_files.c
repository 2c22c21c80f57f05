/* Engine files and scripts: any bytes; what is taken can be asked. */
#include <stdint.h>
#include <stdlib.h>

#include "agent/engine.h"
#include "agent/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char request[] =
    "{\"model\":\"m\",\"stream\":true,\"messages\":[],\"tools\":[{\"function\":{\"name\":"
    "\"bash\","
    "\"parameters\":{\"properties\":{\"command\":{\"type\":\"string\"}}}}}]}";

static void ask(struct script *script)
{
    struct script_answer answer;

    script_answer(script, SLICE("POST"), SLICE("/v1/chat/completions"), slice_of(request),
                  &answer);
    if (answer.status < 200 || answer.body.len == 0)
        abort(); /* there is always an answer */
    script_answer_free(&answer);
}

static void expand(const struct engine *engine)
{
    struct engine_values values = {.prompt = "p",
                                   .model = "m",
                                   .base_url_openai = "http://127.0.0.1:8080/v1",
                                   .base_url_anthropic = "http://127.0.0.1:8080",
                                   .home = "/home/agent",
                                   .engine_folder = "/opt/engine",
                                   .custody_program = "/opt/custody/custody"};

    for (int dialect = 0; dialect < ENGINE_DIALECT_COUNT; dialect++) {
        struct engine_launch launch;
        struct fault fault = {0};

        values.dialect = (enum engine_dialect)dialect;
        if (engine_expand(engine, &values, &launch, &fault))
            engine_launch_free(&launch);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct engine *engine = NULL;
    struct script *script = NULL;
    struct fault fault = {0};

    if (engine_parse(slice_of_bytes(data, size), "x.yaml", &engine, &fault)) {
        expand(engine);
        engine_free(engine);
    }
    if (script_parse(slice_of_bytes(data, size), "x.yaml", &script, &fault)) {
        ask(script);
        script_free(script);
    }
    return 0;
}
