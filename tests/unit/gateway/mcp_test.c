/* Tool servers: messages, digests of descriptions, what is remembered of lists and sessions. */
#include "base/scope.h"
#include "gateway/mcp/canonical.h"
#include "gateway/mcp/memory.h"
#include "gateway/mcp/message.h"
#include "gateway/mcp/method.h"
#include "test.h"

#define V "{\"jsonrpc\":\"2.0\","

static void a_message_is_one_of_four_kinds(void **state)
{
    static const struct {
        const char *text, *why; /* NULL: it is one */
        enum mcp_kind kind;
    } cases[] = {
        {V "\"id\":1,\"method\":\"ping\"}", NULL, MCP_REQUEST},
        {"{\"method\":\"ping\",\"id\":\"a\",\"params\":{},\"jsonrpc\":\"2.0\"}", NULL,
         MCP_REQUEST},
        {V "\"method\":\"notifications/x\"}", NULL, MCP_NOTIFICATION},
        {V "\"id\":-3,\"result\":{}}", NULL, MCP_RESULT},
        {V "\"id\":\"\",\"error\":{}}", NULL, MCP_ERROR},
        {V "\"id\":null,\"error\":{}}", NULL, MCP_ERROR},
        {V "\"error\":{}}", NULL, MCP_ERROR},
        {V "\"id\":null,\"method\":\"ping\"}", "whole number", 0},
        {V "\"id\":1.5,\"method\":\"ping\"}", "whole number", 0},
        {V "\"id\":true,\"method\":\"ping\"}", "whole number", 0},
        {V "\"id\":{},\"result\":{}}", "whole number", 0},
        {V "\"id\":null,\"result\":{}}", "whole number", 0},
        {V "\"id\":99999999999999999999,\"method\":\"ping\"}", "whole number", 0},
        {V "\"id\":1}", "neither", 0},
        {V "\"result\":{}}", "neither", 0},
        {V "\"id\":1,\"result\":{},\"error\":{}}", "neither", 0},
        {V "\"id\":1,\"method\":\"ping\",\"result\":{}}", "neither", 0},
        {V "\"id\":1,\"params\":{}}", "neither", 0},
        {"{\"id\":1,\"method\":\"ping\"}", "neither", 0},
        {"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"ping\"}", "2.0", 0},
        {"{\"jsonrpc\":2.0,\"id\":1,\"method\":\"ping\"}", "2.0", 0},
        {V "\"id\":1,\"method\":\"ping\",\"x\":1}", "no such member", 0},
        {V "\"id\":1,\"method\":7}", "a method is a string", 0},
        {V "\"id\":1,\"method\":\"a b\"}", "printable", 0},
        {V "\"id\":1,\"method\":\"a\\u0000\"}", "printable", 0},
        {V "\"id\":1,\"method\":\"ping\",\"params\":[]}", "params is no object", 0},
        {V "\"id\":1,\"result\":[]}", "result is no object", 0},
        {V "\"id\":1,\"error\":\"x\"}", "error is no object", 0},
        {V "\"id\":1,\"id\":1,\"method\":\"ping\"}", "JSON", 0},
        {V "\"id\":1,\"method\":\"ping\",\"params\":{\"a\":{\"b\":1,\"b\":2}}}", "JSON", 0},
        {V "\"id\":1,\"method\":\"ping\"} x", "JSON", 0},
        {"[" V "\"id\":1,\"method\":\"ping\"}]", "batches", 0},
        {"7", "a JSON object", 0},
        {"", "JSON", 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct mcp_message message = {0};
        struct fault fault = {0};
        bool ok = mcp_message_read(slice_of(cases[i].text), &message, &fault);

        if (ok != (cases[i].why == NULL) || (ok && message.kind != cases[i].kind) ||
            (!ok && strstr(fault.why, cases[i].why) == NULL))
            fail_msg("case %zu: %s: %s", i, cases[i].text, fault.why);
    }
}

static void ids_are_compared_by_what_they_say(void **state)
{
    static const struct {
        const char *a, *b;
        bool equal;
    } cases[] = {
        {"1", "1", true},          {"1", "\"1\"", false}, {"\"a\"", "\"\\u0061\"", true},
        {"\"a\"", "\"b\"", false}, {"1", "10", false},    {"", "", false},
        {"\"\"", "\"\"", true},    {"\"1\"", "1", false}};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        if (mcp_id_equal(slice_of(cases[i].a), slice_of(cases[i].b)) != cases[i].equal)
            fail_msg("%s and %s", cases[i].a, cases[i].b);
}

static void one_value_has_one_form(void **state)
{
    static const struct {
        const char *text, *form;
    } cases[] = {
        {" { \"b\" : 1 , \"a\" : [ true , null ] } ", "{\"a\":[true,null],\"b\":1}"},
        {"{\"\\u0061\":\"\\u00e9\\/\\n\"}", "{\"a\":\"\xc3\xa9/\\n\"}"},
        {"{\"a\":{\"c\":1,\"b\":2},\"\":0}", "{\"\":0,\"a\":{\"b\":2,\"c\":1}}"},
        {"[1.50,1e5,-0]", "[1.50,1e5,-0]"},
        {"\"x\"", "\"x\""},
        {"[]", "[]"},
        {"{\"ab\":1,\"a\":2,\"b\":3}", "{\"a\":2,\"ab\":1,\"b\":3}"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO_BUF struct buf form = buf_with_limit(4096);
        struct fault fault = {0};

        assert_ok(mcp_canonical(slice_of(cases[i].text), &form, &fault), fault);
        assert_string_equal(buf_text(&form), cases[i].form);
    }
}

static void methods_take_what_they_take(void **state)
{
    static const struct {
        const char *text;
        bool known, taken;
    } cases[] = {
        {V "\"id\":1,\"method\":\"tools/list\"}", true, true},
        {V "\"id\":1,\"method\":\"tools/list\",\"params\":{\"cursor\":\"x\",\"_meta\":{}}}",
         true, true},
        {V "\"id\":1,\"method\":\"tools/list\",\"params\":{\"filter\":1}}", true, false},
        {V "\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"x\",\"task\":{}}}", true,
         false},
        {V "\"method\":\"tools/call\",\"params\":{\"name\":\"x\"}}", false, false},
        {V "\"id\":1,\"method\":\"notifications/initialized\"}", false, false},
        {V "\"method\":\"notifications/initialized\"}", true, true},
        {V "\"id\":1,\"method\":\"GET\"}", false, false},
        {V "\"id\":1,\"method\":\"answer\"}", false, false},
        {V "\"id\":1,\"method\":\"resources/list\"}", false, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct mcp_message message;
        enum mcp_method method;
        struct fault fault = {0};

        assert_ok(mcp_message_read(slice_of(cases[i].text), &message, &fault), fault);
        if (mcp_method_find(&message, &method) != cases[i].known ||
            (cases[i].known &&
             mcp_params_check(method, message.params, &fault) != cases[i].taken))
            fail_msg("%s", cases[i].text);
    }
}

/* ---- descriptions ---- */

#define ECHO "{\"name\":\"echo\",\"description\":\"Echoes.\"}"
#define LOOK "{\"name\":\"look\",\"inputSchema\":{\"type\":\"object\"}}"
#define BAD "{\"name\":\"look\",\"inputSchema\":{}}"
#define LIST(...) "{\"tools\":[" __VA_ARGS__ "]}"

struct pinned {
    struct gateway_tool tools[2];
    char digests[2][MCP_DIGEST_BYTES];
    char whole[MCP_DIGEST_BYTES];
    struct gateway_server server;
};

static void pin(struct pinned *pinned, bool each)
{
    static const char *const texts[] = {ECHO, LOOK}, *const names[] = {"echo", "look"};
    AUTO_BUF struct buf manifest = buf_with_limit(MCP_MANIFEST_BYTES_MAX);
    char again[2][MCP_DIGEST_BYTES];
    struct fault fault = {0};

    *pinned = (struct pinned){0};
    for (size_t i = 0; i < 2; i++) {
        assert_ok(mcp_tool_digest(slice_of(texts[i]), pinned->digests[i], &fault), fault);
        assert_ok(mcp_manifest_line(&manifest, names[i], pinned->digests[i], &fault), fault);
        pinned->tools[i] = (struct gateway_tool){names[i], each ? pinned->digests[i] : NULL};
    }
    assert_ok(mcp_manifest_digest(buf_slice(&manifest), pinned->whole, &fault), fault);
    assert_ok(mcp_manifest_read(buf_slice(&manifest), pinned->whole, 2, names, again, &fault),
              fault);
    assert_string_equal(again[1], pinned->digests[1]);
    assert_false(
        mcp_manifest_read(buf_slice(&manifest), pinned->digests[0], 2, names, again, &fault));
    pinned->server = (struct gateway_server){.at = {.name = "tickets"},
                                             .tools = pinned->tools,
                                             .tool_count = 2,
                                             .digest = pinned->whole};
}

static void a_list_is_shown_only_as_it_is_pinned(void **state)
{
    static const struct {
        bool each, first;
        const char *result, *shown, *reason, *tool;
    } cases[] = {
        {true, true, LIST(ECHO "," LOOK), LIST(ECHO "," LOOK), NULL, NULL},
        {false, true, LIST(LOOK "," ECHO), LIST(LOOK "," ECHO), NULL, NULL},
        {false, true, LIST(ECHO ",{\"name\":\"other\"}," LOOK), LIST(ECHO "," LOOK), NULL,
         NULL},
        {true, true, LIST(ECHO "," BAD), NULL, "tools-changed", "look"},
        {false, true, LIST(ECHO "," BAD), NULL, "tools-changed", NULL},
        {true, true, LIST(ECHO), NULL, "tools-changed", "look"},
        {false, true, LIST(ECHO), NULL, "tools-changed", NULL},
        {true, true, LIST(ECHO "," ECHO "," LOOK), NULL, "mcp-message", NULL},
        {true, true, "{\"tools\":[" ECHO "],\"nextCursor\":\"a\"}",
         "{\"tools\":[" ECHO "],\"nextCursor\":\"a\"}", NULL, NULL},
        {false, true, "{\"tools\":[" ECHO "],\"nextCursor\":\"a\"}", NULL, "tools-paged",
         NULL},
        {true, false, LIST(LOOK), LIST(LOOK), NULL, NULL},
        {true, false, LIST(BAD), NULL, "tools-changed", "look"},
        {false, false, LIST(LOOK), NULL, "tools-paged", NULL},
        {true, true, "{\"tools\":{}}", NULL, "mcp-message", NULL},
        {true, true, "{\"tools\":[1]}", NULL, "mcp-message", NULL},
        {true, true, "{\"tools\":[{\"description\":\"x\"}]}", NULL, "mcp-message", NULL},
        {true, true, "{}", NULL, "mcp-message", NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO_BUF struct buf out = buf_with_limit(4096);
        struct mcp_refusal refusal = {0}, uncalled = {0};
        struct pinned pinned;
        struct mcp_memory *memory;
        bool ok;

        pin(&pinned, cases[i].each);
        memory = mcp_memory_new(&pinned.server, 1);
        assert_false(mcp_memory_may_call(memory, 0, 1, &uncalled));
        ok = mcp_memory_list(memory, 0, cases[i].first, slice_of(cases[i].result), &out,
                             &refusal);
        if (ok != (cases[i].reason == NULL) ||
            (ok ? strcmp(buf_text(&out), cases[i].shown) != 0
                : strcmp(refusal.reason, cases[i].reason) != 0 ||
                      (refusal.tool == NULL) != (cases[i].tool == NULL) ||
                      (refusal.tool != NULL && strcmp(refusal.tool, cases[i].tool) != 0)))
            fail_msg("case %zu: %s %s", i, ok ? buf_text(&out) : refusal.reason, refusal.text);
        assert_int_equal(mcp_memory_may_call(memory, 0, 1, &uncalled),
                         ok && strstr(cases[i].shown, "look") != NULL);
        mcp_memory_free(memory);
    }
}

static void a_change_takes_back_what_was_allowed(void **state)
{
    AUTO_BUF struct buf out = buf_with_limit(8192);
    struct mcp_refusal refusal = {0};
    struct pinned pinned;
    struct mcp_memory *memory;

    (void)state;
    pin(&pinned, true);
    memory = mcp_memory_new(&pinned.server, 1);
    assert_true(mcp_memory_list(memory, 0, true, SLICE(LIST(ECHO "," LOOK)), &out, &refusal));
    assert_true(mcp_memory_may_call(memory, 0, 0, &refusal));
    assert_false(mcp_memory_list(memory, 0, true, SLICE(LIST(ECHO "," BAD)), &out, &refusal));
    assert_int_equal(strlen(refusal.digest), 64);
    assert_false(mcp_memory_may_call(memory, 0, 0, &refusal));
    assert_string_equal(refusal.reason, "tools-changed");
    assert_true(mcp_memory_list(memory, 0, true, SLICE(LIST(ECHO "," LOOK)), &out, &refusal));
    assert_true(mcp_memory_may_call(memory, 0, 0, &refusal));
    mcp_memory_free(memory);
}

static void only_a_server_s_own_sessions_go_back_to_it(void **state)
{
    static const struct gateway_server servers[] = {{.at = {.name = "a"}},
                                                    {.at = {.name = "b"}}};
    struct mcp_memory *memory = mcp_memory_new(servers, COUNT(servers));
    char id[16];

    (void)state;
    assert_false(mcp_session_known(memory, 0, SLICE("x")));
    assert_true(mcp_session_add(memory, 0, SLICE("x")));
    assert_true(mcp_session_known(memory, 0, SLICE("x")));
    assert_false(mcp_session_known(memory, 1, SLICE("x")));
    assert_false(mcp_session_add(memory, 0, SLICE("a b")));
    assert_false(mcp_session_add(memory, 0, SLICE("")));
    assert_false(mcp_session_add(memory, 0, SLICE("a\x7f")));
    mcp_session_drop(memory, 0, SLICE("x"));
    assert_false(mcp_session_known(memory, 0, SLICE("x")));
    for (size_t i = 0; i < MCP_SESSIONS_MAX; i++) {
        (void)snprintf(id, sizeof(id), "s%zu", i);
        assert_true(mcp_session_add(memory, 1, slice_of(id)));
    }
    assert_true(mcp_session_add(memory, 1, SLICE("s0")));
    assert_false(mcp_session_add(memory, 1, SLICE("one-more")));
    assert_int_equal(mcp_memory_find(memory, SLICE("b")), 1);
    assert_int_equal(mcp_memory_find(memory, SLICE("c")), 2);
    mcp_memory_free(memory);
}

static void an_entry_is_checked(void **state)
{
    static const struct gateway_tool good[] = {{"a", NULL}, {"b", NULL}},
                                     twice[] = {{"a", NULL}, {"a", NULL}},
                                     own[] = {{"Bash", NULL}};
    static const struct {
        struct gateway_server server;
        const char *why;
    } cases[] = {
        {{.at = {.name = "x", .url = "https://a.example.org/mcp"},
          .tools = good,
          .tool_count = 2},
         NULL},
        {{.at = {.name = "x", .url = "http://127.0.0.1:1/mcp"},
          .tools = good,
          .tool_count = 2},
         NULL},
        {{.at = {.name = "x", .url = "http://a.example.org/mcp"},
          .tools = good,
          .tool_count = 2},
         "plain http"},
        {{.at = {.name = "x", .url = "https://a.example.org/"}, .tools = good}, NULL},
        {{.at = {.name = "x", .url = "https://a.example.org/"},
          .tools = twice,
          .tool_count = 2},
         "twice"},
        {{.at = {.name = "x", .url = "https://a.example.org/"}, .tools = own, .tool_count = 1},
         "agents have themselves"},
        {{.at = {.name = "x", .url = "https://a.example.org/"},
          .tools = good,
          .tool_count = 2,
          .digest = "abc"},
         "64"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fault fault = {0};

        if (gateway_server_check(&cases[i].server, &fault) != (cases[i].why == NULL) ||
            (cases[i].why != NULL && strstr(fault.why, cases[i].why) == NULL))
            fail_msg("case %zu: %s", i, fault.why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_message_is_one_of_four_kinds),
        TEST(ids_are_compared_by_what_they_say),
        TEST(one_value_has_one_form),
        TEST(methods_take_what_they_take),
        TEST(a_list_is_shown_only_as_it_is_pinned),
        TEST(a_change_takes_back_what_was_allowed),
        TEST(only_a_server_s_own_sessions_go_back_to_it),
        TEST(an_entry_is_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
