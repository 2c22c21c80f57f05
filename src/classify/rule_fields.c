/* The one table of what a rule may say: reading, packing and listing follow it. */
#include <stddef.h>
#include <stdlib.h>

#include "classify/rule.h"

#define FIELD(name, type, member, required, stored, words)                                    \
    {name, type, offsetof(struct rule, member), required, stored, words}

const struct rule_field rule_fields[] = {
    FIELD("id", FIELD_TEXT, id, true, true, NULL),
    FIELD("class", FIELD_WORD, class, true, true, "phi pan secret pii"), /* enum data_class */
    FIELD("text", FIELD_TEXT, text, true, true, NULL),
    FIELD("hipaa", FIELD_TEXT, hipaa, false, true, NULL),
    FIELD("pattern", FIELD_TEXT, pattern, false, true, NULL),
    FIELD("except", FIELD_TEXT, except[EXCEPT_VALUE], false, true, NULL),
    FIELD("except_match", FIELD_TEXT, except[EXCEPT_MATCH], false, true, NULL),
    FIELD("except_line", FIELD_TEXT, except[EXCEPT_LINE], false, true, NULL),
    FIELD("keywords", FIELD_TEXTS, keywords, false, true, NULL),
    FIELD("case", FIELD_FLAG, is_cased, false, true, NULL),
    FIELD("sieve", FIELD_WORD, sieve, false, true, "none digits at colon"), /* enum rule_sieve */
    FIELD("digits", FIELD_TEXTS, digits, false, true, NULL),
    FIELD("assigned", FIELD_FLAG, is_assigned, false, true, NULL),
    FIELD("validator", FIELD_TEXT, validator, false, true, NULL),
    FIELD("context", FIELD_TEXTS, context, false, true, NULL),
    FIELD("needs_context", FIELD_FLAG, needs_context, false, true, NULL),
    FIELD("negative", FIELD_TEXTS, negative, false, true, NULL),
    FIELD("entropy", FIELD_HUNDREDTHS, entropy, false, true, NULL),
    FIELD("stop", FIELD_TEXTS, stop, false, true, NULL),
    FIELD("confidence", FIELD_WORD, confidence, true, true, "low medium high"),
    FIELD("most", FIELD_WORD, most, false, true, "high medium low"), /* HIGH less the number */
    FIELD("keys", FIELD_TEXTS, keys, false, true, NULL),
    FIELD("positions", FIELD_POSITIONS, positions, false, true, NULL),
    FIELD("shape", FIELD_WORD, shape, true, true, /* enum surrogate_shape */
          "text secret key_block card ssn date name email phone url ipv4 ipv6 mac address "
          "iban"),
    FIELD("examples", FIELD_TEXTS, examples, false, false, NULL),
    FIELD("counterexamples", FIELD_TEXTS, counterexamples, false, false, NULL),
};
const size_t rule_field_count = COUNT(rule_fields);

struct slice rule_word(const struct rule_field *field, uint32_t number)
{
    struct slice rest = slice_of(field->words), word = {0};

    while (slice_cut(&rest, ' ', &word))
        if (number-- == 0)
            return word;
    return SLICE("");
}

void rule_list_free(struct rule_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        for (size_t f = 0; f < rule_field_count; f++)
            if (rule_fields[f].type == FIELD_TEXTS || rule_fields[f].type == FIELD_POSITIONS)
                free(((struct texts *)((char *)&list->at[i] + rule_fields[f].offset))->at);
    free(list->at);
    *list = (struct rule_list){0};
}
