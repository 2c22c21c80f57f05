#include "places.h"

#include "base/bytes.h"
#include "test.h"

const struct place places[] = {
    {CHAT, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"a @ b\"}]}"},
    {CHAT, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"@\"},{\"role\":"
           "\"user\",\"content\":\"x\"}]}"},
    {CHAT, "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":[{\"type\":"
           "\"text\",\"text\":\"@\"}]}]}"},
    {CHAT, "{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{"
           "\"function\":{\"name\":\"f\","
           "\"arguments\":\"{\\\"a\\\":\\\"@\\\"}\"}}]}]}"},
    {CHAT, "{\"model\":\"m\",\"messages\":[{\"role\":\"tool\",\"content\":\"@\"}]}"},
    {CHAT,
     "{\"model\":\"m\",\"messages\":[],\"tools\":[{\"function\":{\"description\":\"@\"}}]}"},
    {CHAT, "{\"model\":\"m\",\"messages\":[],\"tools\":[{\"function\":{\"parameters\":{"
           "\"properties\":{\"@\":{}}}}}]}"},
    {CHAT, "{\"model\":\"m\",\"messages\":[],\"user\":\"@\"}"},
    {CHAT, "{\"model\":\"m\",\"messages\":[],\"metadata\":{\"a\":\"@\"}}"},
    {CHAT, "{\"model\":\"m\",\"messages\":[],\"response_format\":{\"json_schema\":{"
           "\"description\":\"@\"}}}"},
    {CHAT, "{\"model\":\"m\",\"messages\":[],\"prediction\":{\"content\":\"@\"}}"},
    {CHAT, "{\"model\":\"@\",\"messages\":[]}"},
    {CHAT, "{\"model\":\"m\",\"@\":1}"},
    {CHAT, "{\"model\":\"m\",\"something\":{\"new\":[[[\"@\"]]]}}"},
    {RESPONSES, "{\"model\":\"m\",\"input\":\"@\"}"},
    {RESPONSES, "{\"model\":\"m\",\"instructions\":\"@\",\"input\":[]}"},
    {RESPONSES, "{\"model\":\"m\",\"input\":[{\"type\":\"message\",\"content\":[{\"type\":"
                "\"input_text\",\"text\":\"@\"}]}]}"},
    {RESPONSES, "{\"model\":\"m\",\"input\":[{\"type\":\"function_call\",\"arguments\":\"{"
                "\\\"a\\\":[\\\"@\\\"]}\"}]}"},
    {RESPONSES,
     "{\"model\":\"m\",\"input\":[{\"type\":\"function_call_output\",\"output\":\"@\"}]}"},
    {RESPONSES,
     "{\"model\":\"m\",\"input\":[{\"type\":\"custom_tool_call\",\"input\":\"@\"}]}"},
    {RESPONSES, "{\"model\":\"m\",\"input\":[{\"type\":\"mcp_call\",\"arguments\":\"{}\","
                "\"output\":\"@\"}]}"},
    {MESSAGES, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"@\"}]}"},
    {MESSAGES, "{\"model\":\"m\",\"system\":\"@\",\"messages\":[]}"},
    {MESSAGES,
     "{\"model\":\"m\",\"system\":[{\"type\":\"text\",\"text\":\"@\"}],\"messages\":[]}"},
    {MESSAGES, "{\"model\":\"m\",\"messages\":[{\"content\":[{\"type\":\"tool_use\",\"input\":"
               "{\"a\":{\"b\":\"@\"}}}]}]}"},
    {MESSAGES, "{\"model\":\"m\",\"messages\":[{\"content\":[{\"type\":\"tool_use\",\"input\":"
               "{\"@\":1}}]}]}"},
    {MESSAGES, "{\"model\":\"m\",\"messages\":[{\"content\":[{\"type\":\"tool_result\","
               "\"content\":\"@\"}]}]}"},
    {MESSAGES, "{\"model\":\"m\",\"messages\":[{\"content\":[{\"type\":\"tool_result\","
               "\"content\":[{\"type\":\"text\","
               "\"text\":\"@\"}]}]}]}"},
    {MESSAGES, "{\"model\":\"m\",\"messages\":[{\"content\":[{\"type\":\"thinking\","
               "\"thinking\":\"@\",\"signature\":\"x\"}]}]}"},
    {MESSAGES, "{\"model\":\"m\",\"messages\":[],\"tools\":[{\"input_schema\":{"
               "\"description\":\"@\"}}]}"},
    {MESSAGES, "{\"model\":\"m\",\"messages\":[],\"metadata\":{\"user_id\":\"@\"}}"},
    {GENERATE, "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"@\"}]}]}"},
    {GENERATE, "{\"systemInstruction\":{\"parts\":[{\"text\":\"@\"}]},\"contents\":[]}"},
    {GENERATE, "{\"contents\":[{\"parts\":[{\"functionCall\":{\"args\":{\"a\":\"@\"}}}]}]}"},
    {GENERATE, "{\"contents\":[{\"parts\":[{\"functionCall\":{\"args\":{\"@\":1}}}]}]}"},
    {GENERATE, "{\"contents\":[{\"parts\":[{\"functionResponse\":{\"response\":{\"output\":"
               "\"@\"}}}]}]}"},
    {GENERATE, "{\"contents\":[],\"tools\":[{\"functionDeclarations\":[{\"description\":"
               "\"@\"}]}]}"},
    {"/v1beta/models/gemini:embedContent", "{\"content\":{\"parts\":[{\"text\":\"@\"}]}}"},
    {"/v1beta/models/gemini:countTokens", "{\"contents\":[{\"parts\":[{\"text\":\"@\"}]}]}"},
    {"/v1/embeddings", "{\"model\":\"m\",\"input\":[\"@\"]}"},
    {"/v1/completions", "{\"model\":\"m\",\"prompt\":\"@\"}"},
    {"/v1/messages/count_tokens", "{\"model\":\"m\",\"system\":\"@\"}"},
    {MESSAGES, "{\"model\":\"m\",\"messages\":[{\"content\":[{\"type\":\"document\","
               "\"source\":{\"data\":\"@\"}}]}]}"},
    {MESSAGES, "{\"model\":\"m\",\"messages\":[{\"content\":[{\"type\":\"document\","
               "\"source\":{\"data\":"
               "\"data:text/plain;base64,@\"}}]}]}"},
};

const size_t place_count = COUNT(places);

char *place_planted(const struct place *place, const char *plant, bool stream)
{
    const char *at = strchr(place->body, '@');

    assert_non_null(at);
    return xformat("{%s%.*s%s%s", stream ? "\"stream\":true," : "",
                   (int)(at - place->body) - 1, place->body + 1, plant, at + 1);
}
