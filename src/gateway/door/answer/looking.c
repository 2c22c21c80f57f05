/* What an answer says is looked at: whole texts, and lanes with what they have said before. */
#include "gateway/door/answer/parts.h"

#define SAID_BYTES_MAX (64U * 1024) /* of a lane, before it is looked at */
#define SAID_AGAIN_BYTES 1024       /* of them that are looked at again with what follows */
#define SEEN_TEXT_BYTES_MAX 63
#define SEEN_BYTES_MAX 1024

/* Ids, names of members and of models and the like stand in every event of a stream. Each is kept
 * behind its length. */
static bool seen_before(struct reply *reply, struct slice text)
{
    struct slice seen = buf_slice(&reply->seen);
    struct fault fault = {0};

    if (text.len > SEEN_TEXT_BYTES_MAX)
        return false;
    for (size_t at = 0; at < seen.len; at += 1U + seen.at[at])
        if (seen.at[at] == text.len && memcmp(seen.at + at + 1, text.at, text.len) == 0)
            return true;
    if (seen.len + 1 + text.len > SEEN_BYTES_MAX)
        buf_clear(&reply->seen);
    (void)!(buf_add_byte(&reply->seen, (uint8_t)text.len, &fault) &&
            buf_add(&reply->seen, text, &fault)); /* it has room for them */
    return false;
}

void reply_look(struct reply *reply, struct slice text)
{
    const char *rules[CLASS_COUNT] = {0};
    unsigned guesses = 0, classes;

    if (text.len == 0 || seen_before(reply, text))
        return;
    classes = reply->scan->classes(reply->scan->self, text, rules, &guesses);
    classes &= ~(CLASS_BIT(CLASS_CODE) | CLASS_BIT(CLASS_OPAQUE)) & ~reply->found.classes;
    for (unsigned class = 0; class < CLASS_COUNT; class ++)
        if ((classes & CLASS_BIT(class)) != 0)
            reply->found.rules[class] = rules[class];
    reply->found.classes |= classes;
}

/* False: what was found ends the answer. */
bool reply_may_go_on(const struct reply *reply, struct fault *fault)
{
    unsigned cut = reply->found.classes & reply->cut;

    return cut == 0 ||
           fault_set(
               fault, FAULT_DENIED,
               "the answer holds data of class %s (rule %s), which policy (data, answers) "
               "does not let pass",
               class_name(class_of_mask(cut)), reply->found.rules[class_of_mask(cut)]);
}

/* The last of what a lane has said, where it must be known at once. */
static void look_at_end(struct reply *reply, const struct voice *voice)
{
    struct slice said = buf_slice(&voice->said);

    reply_look(reply,
               slice_part(said, said.len > SAID_AGAIN_BYTES ? said.len - SAID_AGAIN_BYTES : 0,
                          said.len));
}

void reply_look_on(struct reply *reply, struct voice *voice, struct slice text)
{
    struct fault fault = {0};

    if (voice->said.len + text.len > SAID_BYTES_MAX) {
        reply_look(reply, buf_slice(&voice->said));
        if (voice->said.len > SAID_AGAIN_BYTES)
            buf_drop_front(&voice->said, voice->said.len - SAID_AGAIN_BYTES);
    }
    if (text.len > SAID_BYTES_MAX || !buf_add(&voice->said, text, &fault))
        reply_look(reply, text);
    else if (reply->cut != 0)
        look_at_end(reply, voice);
}
