#include "gateway/mcp/message.h"

#include "base/scope.h"

enum member {
    MEMBER_VERSION,
    MEMBER_ID,
    MEMBER_METHOD,
    MEMBER_PARAMS,
    MEMBER_RESULT,
    MEMBER_ERROR,
    MEMBER_COUNT
};

static const char *const member_names[MEMBER_COUNT] = {
    [MEMBER_VERSION] = "jsonrpc", [MEMBER_ID] = "id",         [MEMBER_METHOD] = "method",
    [MEMBER_PARAMS] = "params",   [MEMBER_RESULT] = "result", [MEMBER_ERROR] = "error",
};

#define HAS(member) (1U << MEMBER_##member)

/* Which members make which message; no other set is one. */
static const struct {
    unsigned members;
    enum mcp_kind kind;
} shapes[] = {
    {HAS(VERSION) | HAS(ID) | HAS(METHOD), MCP_REQUEST},
    {HAS(VERSION) | HAS(ID) | HAS(METHOD) | HAS(PARAMS), MCP_REQUEST},
    {HAS(VERSION) | HAS(METHOD), MCP_NOTIFICATION},
    {HAS(VERSION) | HAS(METHOD) | HAS(PARAMS), MCP_NOTIFICATION},
    {HAS(VERSION) | HAS(ID) | HAS(RESULT), MCP_RESULT},
    {HAS(VERSION) | HAS(ID) | HAS(ERROR), MCP_ERROR},
    {HAS(VERSION) | HAS(ERROR), MCP_ERROR},
};

struct members {
    struct json_value at[MEMBER_COUNT];
    unsigned there;
};

static bool take_member(void *self, struct slice name, const struct json_value *value,
                        struct fault *fault)
{
    struct members *members = self;

    for (size_t i = 0; i < MEMBER_COUNT; i++)
        if (json_key_is(name, member_names[i])) {
            members->at[i] = *value;
            members->there |= 1U << i;
            return true;
        }
    return fault_set(fault, FAULT_INVALID, "JSON-RPC has no such member as this message has");
}

static bool version_fits(const struct json_value *value)
{
    return value->type == JSON_STRING &&
           json_key_is(slice_part(value->raw, 1, value->raw.len - 1), "2.0");
}

/* An error may say `null`: whoever made it could not read the request. */
static bool read_id(const struct json_value *value, bool may_be_null, struct slice *ret_id,
                    struct fault *fault)
{
    int64_t number;

    if (value->raw.len > MCP_ID_BYTES_MAX)
        return fault_set(fault, FAULT_LIMIT, "an id of more than %d bytes", MCP_ID_BYTES_MAX);
    if (value->type == JSON_NULL && may_be_null)
        return true;
    if (value->type != JSON_STRING && !json_whole_number(value, &number, fault))
        return fault_set(fault, FAULT_INVALID, "an id is a string or a whole number");
    *ret_id = value->raw;
    return true;
}

static bool read_method(const struct json_value *value, char ret_method[MCP_METHOD_BYTES],
                        struct fault *fault)
{
    AUTO_BUF struct buf text = buf_with_limit(MCP_METHOD_BYTES - 1);

    if (value->type != JSON_STRING)
        return fault_set(fault, FAULT_INVALID, "a method is a string");
    if (!json_text(value, &text, fault))
        return fault_in(fault, "method");
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] <= 0x20 || text.at[i] >= 0x7F)
            return fault_set(fault, FAULT_INVALID, "a method is printable ASCII");
    memcpy(ret_method, buf_text(&text), text.len + 1);
    return true;
}

static bool read_object(const struct members *members, enum member member,
                        struct slice *ret_object, struct fault *fault)
{
    if ((members->there & 1U << member) == 0)
        return true;
    if (members->at[member].type != JSON_OBJECT)
        return fault_set(fault, FAULT_INVALID, "%s is no object", member_names[member]);
    *ret_object = members->at[member].raw;
    return true;
}

static bool find_kind(const struct members *members, enum mcp_kind *ret_kind,
                      struct fault *fault)
{
    for (size_t i = 0; i < COUNT(shapes); i++)
        if (shapes[i].members == members->there) {
            *ret_kind = shapes[i].kind;
            return true;
        }
    return fault_set(fault, FAULT_INVALID,
                     "neither a request, nor a notification, nor an answer of JSON-RPC");
}

bool mcp_message_read(struct slice text, struct mcp_message *ret_message, struct fault *fault)
{
    struct mcp_message message = {0};
    struct members members = {0};
    struct json_value root;

    if (text.len > MCP_MESSAGE_BYTES_MAX)
        return fault_set(fault, FAULT_LIMIT, "a message of more than %u bytes",
                         MCP_MESSAGE_BYTES_MAX);
    if (!json_root(text, &root, fault))
        return false;
    if (root.type == JSON_ARRAY)
        return fault_set(fault, FAULT_INVALID, "batches are refused: one message at a time");
    if (root.type != JSON_OBJECT)
        return fault_set(fault, FAULT_INVALID, "a message is a JSON object");
    if (!json_each(text, take_member, &members, fault) ||
        !find_kind(&members, &message.kind, fault))
        return false;
    if (!version_fits(&members.at[MEMBER_VERSION]))
        return fault_set(fault, FAULT_INVALID, "\"jsonrpc\" is not \"2.0\"");
    if ((members.there & HAS(ID)) != 0 &&
        !read_id(&members.at[MEMBER_ID], message.kind == MCP_ERROR, &message.id, fault))
        return false;
    if ((members.there & HAS(METHOD)) != 0 &&
        !read_method(&members.at[MEMBER_METHOD], message.method, fault))
        return false;
    if (!read_object(&members, MEMBER_PARAMS, &message.params, fault) ||
        !read_object(&members, MEMBER_RESULT, &message.result, fault) ||
        !read_object(&members, MEMBER_ERROR, &message.error, fault))
        return false;
    *ret_message = message;
    return true;
}

static bool decode_id(struct slice id, struct buf *text)
{
    struct json_value value = {JSON_STRING, id};
    struct fault fault = {0};

    return json_text(&value, text, &fault);
}

bool mcp_id_equal(struct slice a, struct slice b)
{
    AUTO_BUF struct buf text_a = buf_with_limit(MCP_ID_BYTES_MAX);
    AUTO_BUF struct buf text_b = buf_with_limit(MCP_ID_BYTES_MAX);

    if (a.len == 0 || b.len == 0)
        return false;
    if (a.at[0] != '"' || b.at[0] != '"')
        return slice_equal(a, b);
    return decode_id(a, &text_a) && decode_id(b, &text_b) &&
           slice_equal(buf_slice(&text_a), buf_slice(&text_b));
}

static bool begin_answer(struct slice id, struct buf *out, struct fault *fault)
{
    return buf_add_text(out, "{\"jsonrpc\":\"2.0\",\"id\":", fault) &&
           buf_add(out, id.len > 0 ? id : SLICE("null"), fault);
}

bool mcp_message_error(struct slice id, int code, const char *text, struct buf *out,
                       struct fault *fault)
{
    return begin_answer(id, out, fault) &&
           buf_add_format(out, fault, ",\"error\":{\"code\":%d,\"message\":", code) &&
           json_add_string(out, slice_of(text), fault) && buf_add_text(out, "}}", fault);
}

static bool add_answer(struct slice id, const char *member, struct slice value,
                       struct buf *out, struct fault *fault)
{
    return begin_answer(id, out, fault) && buf_add_format(out, fault, ",\"%s\":", member) &&
           buf_add(out, value, fault) && buf_add_byte(out, '}', fault);
}

bool mcp_message_result(struct slice id, struct slice result, struct buf *out,
                        struct fault *fault)
{
    return add_answer(id, "result", result, out, fault);
}

bool mcp_message_failure(struct slice id, struct slice error, struct buf *out,
                         struct fault *fault)
{
    return add_answer(id, "error", error, out, fault);
}
