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

const struct place whole_places[] = {
    {CHAT,
     "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"@\"}]}"},
    {CHAT,
     "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"@\"},{\"r"
     "ole\":\"assistant\",\"content\":\"y\"},{\"role\":\"user\",\"content\":\""
     "x\"}]}"},
    {CHAT,
     "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"},{\"r"
     "ole\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"c1\",\""
     "type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\"
     "\":\\\"@\\\"}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\""
     ":\"r\"}]}"},
    {CHAT,
     "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"},{\"r"
     "ole\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"c1\",\""
     "type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}"
     "]},{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"@\"}]}"},
    {CHAT,
     "{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"content\":nul"
     "l,\"tool_calls\":[{\"id\":\"c1\",\"type\":\"function\",\"function\":{\""
     "name\":\"f\",\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"tool_call_i"
     "d\":\"c1\",\"content\":\"r\"},{\"role\":\"user\",\"content\":\"@\"}]}"},
    {CHAT,
     "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"@\"},{"
     "\"role\":\"user\",\"content\":\"x\"}]}"},
    {CHAT,
     "{\"model\":\"m\",\"messages\":[{\"role\":\"developer\",\"content\":[{\""
     "type\":\"text\",\"text\":\"@\"}]},{\"role\":\"user\",\"content\":\"x\"}]}"},
    {CHAT,
     "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"t"
     "ools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"descript"
     "ion\":\"@\"}}]}"},
    {CHAT,
     "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"t"
     "ools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"paramete"
     "rs\":{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\",\"d"
     "escription\":\"@\"}}}}}]}"},
    {CHAT,
     "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"r"
     "esponse_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name"
     "\":\"n\",\"schema\":{\"type\":\"object\",\"description\":\"@\"}}}}"},
    {MESSAGES,
     "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"co"
     "ntent\":\"@\"}]}"},
    {MESSAGES,
     "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"co"
     "ntent\":\"@\"},{\"role\":\"assistant\",\"content\":\"y\"},{\"role\":\"us"
     "er\",\"content\":\"x\"}]}"},
    {MESSAGES,
     "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"co"
     "ntent\":\"x\"},{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_u"
     "se\",\"id\":\"t1\",\"name\":\"f\",\"input\":{\"a\":\"@\"}}]},{\"role\":\"use"
     "r\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"t1\",\"co"
     "ntent\":\"r\"}]}]}"},
    {MESSAGES,
     "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"co"
     "ntent\":\"x\"},{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_u"
     "se\",\"id\":\"t1\",\"name\":\"f\",\"input\":{}}]},{\"role\":\"user\",\"con"
     "tent\":[{\"type\":\"tool_result\",\"tool_use_id\":\"t1\",\"content\":"
     "\"@\"}]}]}"},
    {MESSAGES,
     "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"co"
     "ntent\":\"x\"},{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_u"
     "se\",\"id\":\"t1\",\"name\":\"f\",\"input\":{}}]},{\"role\":\"user\",\"con"
     "tent\":[{\"type\":\"tool_result\",\"tool_use_id\":\"t1\",\"content\":"
     "[{\"type\":\"text\",\"text\":\"@\"}]}]}]}"},
    {MESSAGES,
     "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"co"
     "ntent\":\"x\"},{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_u"
     "se\",\"id\":\"t1\",\"name\":\"f\",\"input\":{}}]},{\"role\":\"user\",\"con"
     "tent\":[{\"type\":\"tool_result\",\"tool_use_id\":\"t1\",\"content\":"
     "\"r\"},{\"type\":\"text\",\"text\":\"@\"}]}]}"},
    {MESSAGES,
     "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"co"
     "ntent\":\"x\"}],\"system\":\"@\"}"},
    {MESSAGES,
     "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"co"
     "ntent\":\"x\"}],\"system\":[{\"type\":\"text\",\"text\":\"@\"}]}"},
    {MESSAGES,
     "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"co"
     "ntent\":\"x\"}],\"tools\":[{\"name\":\"f\",\"description\":\"@\",\"input"
     "_schema\":{\"type\":\"object\"}}]}"},
    {MESSAGES,
     "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"co"
     "ntent\":\"x\"}],\"tools\":[{\"name\":\"f\",\"input_schema\":{\"type\":\""
     "object\",\"description\":\"@\"}}]}"},
    {RESPONSES,
     "{\"model\":\"m\",\"input\":\"@\"}"},
    {RESPONSES,
     "{\"model\":\"m\",\"input\":[{\"type\":\"message\",\"role\":\"user\",\"con"
     "tent\":[{\"type\":\"input_text\",\"text\":\"@\"}]}]}"},
    {RESPONSES,
     "{\"model\":\"m\",\"input\":[{\"type\":\"message\",\"role\":\"user\",\"con"
     "tent\":[{\"type\":\"input_text\",\"text\":\"@\"}]},{\"type\":\"message"
     "\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"tex"
     "t\":\"y\"}]},{\"type\":\"message\",\"role\":\"user\",\"content\":[{\"typ"
     "e\":\"input_text\",\"text\":\"x\"}]}]}"},
    {RESPONSES,
     "{\"model\":\"m\",\"input\":\"x\",\"instructions\":\"@\"}"},
    {RESPONSES,
     "{\"model\":\"m\",\"input\":[{\"type\":\"message\",\"role\":\"user\",\"con"
     "tent\":[{\"type\":\"input_text\",\"text\":\"x\"}]},{\"type\":\"functio"
     "n_call\",\"call_id\":\"c1\",\"name\":\"f\",\"arguments\":\"{\\\"a\\\":\\\"@\\"
     "\"}\"},{\"type\":\"function_call_output\",\"call_id\":\"c1\",\"output"
     "\":\"r\"}]}"},
    {RESPONSES,
     "{\"model\":\"m\",\"input\":[{\"type\":\"message\",\"role\":\"user\",\"con"
     "tent\":[{\"type\":\"input_text\",\"text\":\"x\"}]},{\"type\":\"functio"
     "n_call\",\"call_id\":\"c1\",\"name\":\"f\",\"arguments\":\"{}\"},{\"type"
     "\":\"function_call_output\",\"call_id\":\"c1\",\"output\":\"@\"}]}"},
    {RESPONSES,
     "{\"model\":\"m\",\"input\":[{\"type\":\"message\",\"role\":\"user\",\"con"
     "tent\":[{\"type\":\"input_text\",\"text\":\"x\"}]},{\"type\":\"custom_"
     "tool_call\",\"call_id\":\"c1\",\"name\":\"apply_patch\",\"input\":\"@\""
     "},{\"type\":\"custom_tool_call_output\",\"call_id\":\"c1\",\"output"
     "\":\"r\"}]}"},
    {RESPONSES,
     "{\"model\":\"m\",\"input\":[{\"type\":\"message\",\"role\":\"user\",\"con"
     "tent\":[{\"type\":\"input_text\",\"text\":\"x\"}]},{\"type\":\"local_s"
     "hell_call\",\"call_id\":\"c1\",\"action\":{\"type\":\"exec\",\"command"
     "\":[\"echo\",\"@\"]}},{\"type\":\"local_shell_call_output\",\"call_i"
     "d\":\"c1\",\"output\":\"r\"}]}"},
    {RESPONSES,
     "{\"model\":\"m\",\"input\":\"x\",\"tools\":[{\"type\":\"function\",\"name"
     "\":\"f\",\"description\":\"@\"}]}"},
    {RESPONSES,
     "{\"model\":\"m\",\"input\":\"x\",\"tools\":[{\"type\":\"custom\",\"name\":"
     "\"f\",\"description\":\"@\"}]}"},
};

const size_t whole_place_count = COUNT(whole_places);

char *place_planted(const struct place *place, const char *plant, bool stream)
{
    const char *at = strchr(place->body, '@');

    assert_non_null(at);
    return xformat("{%s%.*s%s%s", stream ? "\"stream\":true," : "",
                   (int)(at - place->body) - 1, place->body + 1, plant, at + 1);
}
