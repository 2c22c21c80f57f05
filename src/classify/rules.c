/* The rule set of this process. */
#include <stdio.h>
#include <stdlib.h>

#include "base/scope.h"
#include "classify/image.h"
#include "classify/loaded.h"

static struct rules *in_use;

bool rules_use(struct slice bytes, const char *key, struct fault *fault)
{
    struct slice packed;
    struct rules *rules;

    if (!image_read(bytes, key, &packed, fault) ||
        !rules_load(packed, key, &rules, fault))
        return false;
    rules_free(in_use);
    in_use = rules;
    return true;
}

bool rules_use_texts(const struct rules_text *texts, size_t count, struct fault *fault)
{
    AUTO_BUF struct buf image = buf_with_limit(RULES_IMAGE_BYTES_MAX);
    char key[RULES_KEY_LEN + 1];

    rules_key(texts, count, key);
    return rules_image_make(texts, count, &image, fault) &&
           rules_use(buf_slice(&image), key, fault);
}

struct rules *rules_in_use(void)
{
    struct fault fault = {0};

    if (in_use == NULL && !rules_use_texts(NULL, 0, &fault)) {
        (void)fprintf(stderr, "<2>the built-in rules: %s\n", fault.why);
        abort(); /* nothing is shown unexamined */
    }
    return in_use;
}

void rules_make_code(void)
{
    struct rules *rules = rules_in_use();

    for (size_t i = 0; i < rules->count; i++) {
        if (rules->at[i].rule.pattern.len > 0)
            (void)rules_confirm(rules, (uint16_t)i);
        for (unsigned except = 0; except < EXCEPT_COUNT; except++)
            (void)rules_except(rules, (uint16_t)i, (enum except)except);
    }
}

bool rules_end_code(void)
{
    return confirm_end_code();
}

static const struct rule *rule_at(uint16_t rule)
{
    const struct rules *rules = rules_in_use();

    return rule < rules->count ? &rules->at[rule].rule : NULL;
}

const char *classify_rule_id(uint16_t rule)
{
    const struct rule *found = rule_at(rule);

    return found == NULL ? "unknown" : (const char *)found->id.at;
}

const char *classify_rule_text(uint16_t rule)
{
    const struct rule *found = rule_at(rule);

    return found == NULL ? "unknown" : (const char *)found->text.at;
}

enum surrogate_shape classify_rule_shape(uint16_t rule)
{
    const struct rule *found = rule_at(rule);

    return found == NULL ? SHAPE_TEXT : (enum surrogate_shape)found->shape;
}

size_t classify_rule_count(void)
{
    return rules_in_use()->count;
}

bool classify_rule_find(const char *id, uint16_t *ret_rule)
{
    return rules_find(rules_in_use(), slice_of(id), ret_rule);
}

const char *confidence_name(uint8_t confidence)
{
    static const char *const names[] = {"low", "medium", "high"};

    return confidence < COUNT(names) ? names[confidence] : "low";
}

const char *classify_digest(void)
{
    return rules_in_use()->digest;
}
