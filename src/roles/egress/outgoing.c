#include "roles/egress/outgoing.h"

#include "classify/classify.h"

#define WORD_BYTES_MIN 8 /* a shorter stand-in may be there by chance */
#define WORD_BYTES_MAX 512

/* What stands between words in URLs, fields, forms and JSON. */
static bool is_between(uint8_t byte)
{
    return byte <= ' ' || byte == 0x7f || strchr("\"'<>()[]{},;=&?/|\\`", byte) != NULL;
}

static bool is_stand_in(const struct surrogate_key *key, struct slice word)
{
    while (word.len > 0 && strchr(".:", word.at[word.len - 1]) != NULL)
        word.len--;
    return word.len >= WORD_BYTES_MIN && word.len <= WORD_BYTES_MAX &&
           surrogate_is_ours_as_any(key, SHAPE_SECRET, FORM_PLAIN, word);
}

static bool has_stand_in(const struct surrogate_key *key, struct slice text)
{
    size_t from = 0;

    for (size_t i = 0; i <= text.len; i++) {
        if (i < text.len && !is_between(text.at[i]))
            continue;
        if (is_stand_in(key, slice_part(text, from, i)))
            return true;
        from = i + 1;
    }
    return false;
}

static unsigned classes(void *self, struct slice text, const char *ret_rules[CLASS_COUNT])
{
    struct outgoing *outgoing = self;
    struct door_scan scan = door_texts_scan(&outgoing->texts);
    unsigned guesses = 0;
    unsigned found = scan.classes(scan.self, text, ret_rules, &guesses);

    if ((found & CLASS_BIT(CLASS_SECRET)) == 0 && outgoing->has_key &&
        has_stand_in(&outgoing->key, text)) {
        found |= CLASS_BIT(CLASS_SECRET);
        ret_rules[CLASS_SECRET] = "stand-in";
    }
    return found;
}

struct egress_scan outgoing_scan(struct outgoing *outgoing)
{
    return (struct egress_scan){classes, outgoing};
}
