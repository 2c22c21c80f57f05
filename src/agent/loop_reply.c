/* An answer over Chat Completions, streamed or whole, as text and calls. */
#include <stdio.h>

#include <jansson.h>

#include "agent/loop_parts.h"
#include "base/scope.h"

void loop_reply_begin(struct loop_reply *reply)
{
    *reply = (struct loop_reply){.text = buf_with_limit(LOOP_TEXT_BYTES_MAX)};
}

void loop_reply_free(struct loop_reply *reply)
{
    buf_free(&reply->text);
    for (size_t i = 0; i < reply->call_count; i++) {
        buf_free(&reply->calls[i].id);
        buf_free(&reply->calls[i].name);
        buf_free(&reply->calls[i].arguments);
    }
    *reply = (struct loop_reply){0};
}

/* Appends a member that is a string; null and missing add nothing. */
static bool add_member(struct buf *out, json_t *object, const char *key, struct fault *fault)
{
    json_t *value = json_object_get(object, key);

    if (!json_is_string(value))
        return true;
    return buf_add(out, slice_of_bytes(json_string_value(value), json_string_length(value)),
                   fault);
}

static bool call_at(struct loop_reply *reply, size_t index, struct loop_call **ret_call,
                    struct fault *fault)
{
    if (index > reply->call_count || index >= LOOP_CALLS_MAX)
        return fault_set(fault, FAULT_LIMIT, "the model made more than %d calls at once",
                         LOOP_CALLS_MAX);
    if (index == reply->call_count)
        reply->calls[reply->call_count++] =
            (struct loop_call){.id = buf_with_limit(256),
                               .name = buf_with_limit(256),
                               .arguments = buf_with_limit(LOOP_TEXT_BYTES_MAX)};
    *ret_call = &reply->calls[index];
    return true;
}

static bool take_calls(struct loop_reply *reply, json_t *calls, struct fault *fault)
{
    size_t i;
    json_t *piece;

    json_array_foreach(calls, i, piece)
    {
        json_t *number = json_object_get(piece, "index");
        json_t *function = json_object_get(piece, "function");
        json_int_t index =
            json_is_integer(number) ? json_integer_value(number) : (json_int_t)i;
        struct loop_call *call;

        if (index < 0)
            return fault_set(fault, FAULT_INVALID, "a call has the index %lld",
                             (long long)index);
        if (!call_at(reply, (size_t)index, &call, fault) ||
            !add_member(&call->id, piece, "id", fault) ||
            !add_member(&call->name, function, "name", fault) ||
            !add_member(&call->arguments, function, "arguments", fault))
            return false;
    }
    return true;
}

static bool take_object(struct loop_reply *reply, json_t *object, struct fault *fault)
{
    json_t *choice = json_array_get(json_object_get(object, "choices"), 0);
    json_t *message = json_object_get(choice, "delta");
    json_t *usage = json_object_get(object, "usage");
    const char *finish = json_string_value(json_object_get(choice, "finish_reason"));

    if (message == NULL)
        message = json_object_get(choice, "message");
    reply->cut = reply->cut || (finish != NULL && strcmp(finish, "length") == 0);
    if (json_is_object(usage)) {
        reply->tokens_in = json_integer_value(json_object_get(usage, "prompt_tokens"));
        reply->tokens_out = json_integer_value(json_object_get(usage, "completion_tokens"));
    }
    return add_member(&reply->text, message, "content", fault) &&
           take_calls(reply, json_object_get(message, "tool_calls"), fault);
}

bool loop_reply_take(struct loop_reply *reply, struct slice json, struct fault *fault)
{
    json_error_t error;
    json_t *object =
        json_loadb((const char *)json.at, json.len, JSON_REJECT_DUPLICATES, &error);
    bool ok;

    if (object == NULL)
        return fault_set(fault, FAULT_INVALID, "the model's answer is not JSON: %s",
                         error.text);
    if (json_object_get(object, "error") != NULL)
        loop_reply_refusal(reply, json);
    ok = take_object(reply, object, fault);
    json_decref(object);
    return ok;
}

void loop_reply_refusal(struct loop_reply *reply, struct slice body)
{
    json_t *object = json_loadb((const char *)body.at, body.len, 0, NULL);
    const char *message =
        json_string_value(json_object_get(json_object_get(object, "error"), "message"));
    struct slice text =
        slice_part(message == NULL ? body : slice_of(message), 0, LOOP_REFUSAL_BYTES - 1);

    (void)snprintf(reply->refusal, sizeof(reply->refusal), "%.*s", SLICE_ARGS(text));
    json_decref(object);
}
