/* What an answer says is looked at: whole texts, and lanes with what they have said before. */
#include <stdlib.h>

#include "gateway/door/answer/parts.h"

#define SAID_BYTES_MAX (64U * 1024) /* of a lane, before it is looked at */
#define SAID_AGAIN_BYTES 1024       /* of them that are looked at again with what follows */
#define SEEN_BYTES_MAX 63
#define SEEN_SETS 8
#define SEEN_WAYS 4

struct seen_texts {
    struct seen {
        uint8_t len, text[SEEN_BYTES_MAX];
    } at[SEEN_SETS][SEEN_WAYS];
    unsigned next;
};

/* Ids, names of models and the like stand in every event of a stream. */
static bool seen_before(struct reply *reply, struct slice text)
{
    uint32_t hash = 2166136261U;
    struct seen *set;

    if (text.len > SEEN_BYTES_MAX)
        return false;
    if (reply->seen == NULL)
        reply->seen = xalloc(sizeof(*reply->seen));
    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ text.at[i]) * 16777619U;
    set = reply->seen->at[(hash ^ hash >> 16) % SEEN_SETS];
    for (size_t i = 0; i < SEEN_WAYS; i++)
        if (set[i].len == text.len && memcmp(set[i].text, text.at, text.len) == 0)
            return true;
    set += reply->seen->next++ % SEEN_WAYS;
    set->len = (uint8_t)text.len;
    memcpy(set->text, text.at, text.len);
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
