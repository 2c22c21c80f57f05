#include "roles/egress/outgoing.h"

#include "classify/classify.h"

#define WORD_BYTES_MAX 512

/* What stands between words in URLs, fields, forms and JSON. */
static bool is_between(uint8_t byte)
{
    return byte <= ' ' || byte == 0x7f || strchr("\"'<>()[]{},;=&?/|\\`", byte) != NULL;
}

struct looks {
    size_t digits, capitals, others; /* others: neither these nor - */
    bool has_at;
};

static struct looks looks_of(struct slice word)
{
    struct looks looks = {0};

    for (size_t i = 0; i < word.len; i++) {
        uint8_t byte = word.at[i];

        looks.digits += byte >= '0' && byte <= '9';
        looks.capitals += byte >= 'A' && byte <= 'Z';
        looks.others +=
            !(byte >= '0' && byte <= '9') && !(byte >= 'A' && byte <= 'Z') && byte != '-';
        looks.has_at = looks.has_at || byte == '@';
    }
    return looks;
}

static bool may_be_ssn(const struct looks *looks, size_t len)
{
    return looks->digits == 9 && len == 11 && looks->others + looks->capitals == 0;
}

static bool may_be_card(const struct looks *looks, size_t len)
{
    (void)len;
    return looks->digits >= 13 && looks->digits <= 19 && looks->others + looks->capitals == 0;
}

static bool may_be_iban(const struct looks *looks, size_t len)
{
    return looks->capitals >= 2 && looks->digits >= 2 && looks->others == 0 && len >= 15;
}

static bool may_be_email(const struct looks *looks, size_t len)
{
    return looks->has_at && len >= 12;
}

static bool may_be_secret(const struct looks *looks, size_t len)
{
    return looks->digits > 0 && len >= 15;
}

/* Stand-ins that are no valid value, so that no rule of the classifier finds them. Shorter
 * ones, or of other looks, may be there by chance. */
static const struct {
    bool (*may_be)(const struct looks *looks, size_t len);
    enum surrogate_shape shape;
    enum data_class class;
} shapes[] = {
    {may_be_card, SHAPE_CARD, CLASS_PAN},        {may_be_ssn, SHAPE_SSN, CLASS_PII},
    {may_be_iban, SHAPE_IBAN, CLASS_PII},        {may_be_email, SHAPE_EMAIL, CLASS_PII},
    {may_be_secret, SHAPE_SECRET, CLASS_SECRET},
};

static unsigned class_of_word(const struct surrogate_key *key, struct slice word)
{
    struct looks looks;

    while (word.len > 0 && strchr(".:", word.at[word.len - 1]) != NULL)
        word.len--;
    if (word.len == 0 || word.len > WORD_BYTES_MAX)
        return 0;
    looks = looks_of(word);
    for (size_t i = 0; i < COUNT(shapes); i++)
        if (shapes[i].may_be(&looks, word.len) &&
            surrogate_is_ours(key, shapes[i].shape, FORM_PLAIN, word))
            return CLASS_BIT(shapes[i].class);
    return 0;
}

static unsigned stand_ins(const struct surrogate_key *key, struct slice text)
{
    unsigned found = 0;
    size_t from = 0;

    for (size_t i = 0; i <= text.len; i++) {
        if (i < text.len && !is_between(text.at[i]))
            continue;
        if (i - from >= 11)
            found |= class_of_word(key, slice_part(text, from, i));
        from = i + 1;
    }
    return found;
}

static unsigned classes(void *self, struct slice text, const char *ret_rules[CLASS_COUNT])
{
    struct outgoing *outgoing = self;
    struct door_scan scan = door_texts_scan(&outgoing->texts);
    unsigned guesses = 0;
    unsigned found = scan.classes(scan.self, text, ret_rules, &guesses);
    unsigned ours = outgoing->has_key ? stand_ins(&outgoing->key, text) & ~found : 0;

    for (unsigned class = 0; class < CLASS_COUNT; class ++)
        if ((ours & CLASS_BIT(class)) != 0)
            ret_rules[class] = "stand-in";
    return found | ours;
}

struct egress_scan outgoing_scan(struct outgoing *outgoing)
{
    return (struct egress_scan){classes, outgoing};
}
