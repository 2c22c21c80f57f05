/* Rules in a flat form: numbers of four bytes, texts behind their length and in front of a NUL,
 * in the order of the table. */
#include <stdlib.h>

#include "classify/rule.h"

static bool put_number(struct buf *bytes, uint32_t number, struct fault *fault)
{
    return buf_add(bytes, slice_of_bytes(&number, sizeof(number)), fault);
}

static bool put_text(struct buf *bytes, struct slice text, struct fault *fault)
{
    return put_number(bytes, (uint32_t)text.len, fault) && buf_add(bytes, text, fault) &&
           buf_add_byte(bytes, 0, fault);
}

static bool put_field(struct buf *bytes, const struct rule *rule,
                      const struct rule_field *field, struct fault *fault)
{
    const void *from = (const char *)rule + field->offset;
    const struct texts *texts = from;

    switch (field->type) {
    case FIELD_TEXT:
        return put_text(bytes, *(const struct slice *)from, fault);
    case FIELD_WORD:
    case FIELD_HUNDREDTHS:
        return put_number(bytes, *(const uint32_t *)from, fault);
    case FIELD_FLAG:
        return put_number(bytes, *(const bool *)from, fault);
    case FIELD_TEXTS:
    case FIELD_POSITIONS:
        break;
    }
    if (!put_number(bytes, (uint32_t)texts->count, fault))
        return false;
    for (size_t i = 0; i < texts->count; i++)
        if (!put_text(bytes, texts->at[i], fault))
            return false;
    return true;
}

bool rules_pack(const struct rule_list *list, struct buf *ret_bytes, struct fault *fault)
{
    if (!put_number(ret_bytes, (uint32_t)list->count, fault))
        return false;
    for (size_t i = 0; i < list->count; i++)
        for (size_t f = 0; f < rule_field_count; f++)
            if (rule_fields[f].is_stored &&
                !put_field(ret_bytes, &list->at[i], &rule_fields[f], fault))
                return false;
    return true;
}

static bool take_number(struct slice *rest, uint32_t *ret_number)
{
    if (rest->len < sizeof(*ret_number))
        return false;
    memcpy(ret_number, rest->at, sizeof(*ret_number));
    *rest = slice_part(*rest, sizeof(*ret_number), rest->len);
    return true;
}

static bool take_text(struct slice *rest, struct slice *ret_text)
{
    uint32_t len;

    if (!take_number(rest, &len) || rest->len <= len || rest->at[len] != 0)
        return false;
    *ret_text = slice_part(*rest, 0, len);
    *rest = slice_part(*rest, len + (size_t)1, rest->len);
    return true;
}

static bool take_texts(struct slice *rest, struct texts *ret_texts)
{
    uint32_t count;

    if (!take_number(rest, &count) || rest->len / sizeof(uint32_t) < count)
        return false;
    if (count > 0)
        ret_texts->at = xalloc_array(count, sizeof(*ret_texts->at));
    for (; ret_texts->count < count; ret_texts->count++)
        if (!take_text(rest, &ret_texts->at[ret_texts->count]))
            return false;
    return true;
}

static bool take_field(struct slice *rest, struct rule *rule, const struct rule_field *field)
{
    void *into = (char *)rule + field->offset;
    uint32_t number;

    switch (field->type) {
    case FIELD_TEXT:
        return take_text(rest, into);
    case FIELD_TEXTS:
    case FIELD_POSITIONS:
        return take_texts(rest, into);
    case FIELD_WORD:
    case FIELD_HUNDREDTHS:
        return take_number(rest, into) &&
               (field->words == NULL || rule_word(field, *(uint32_t *)into).len > 0);
    case FIELD_FLAG:
        if (!take_number(rest, &number) || number > 1)
            return false;
        *(bool *)into = number == 1;
        return true;
    }
    return false;
}

bool rules_unpack(struct slice bytes, struct rule_list *ret_list, struct fault *fault)
{
    struct rule_list list = {0};
    uint32_t count = 0;
    bool ok = take_number(&bytes, &count) && count <= RULES_MAX;

    if (ok && count > 0)
        list.at = xalloc_array(count, sizeof(*list.at));
    for (size_t i = 0; ok && i < count; i++) {
        list.count++;
        for (size_t f = 0; ok && f < rule_field_count; f++)
            ok = !rule_fields[f].is_stored || take_field(&bytes, &list.at[i], &rule_fields[f]);
    }
    if (!ok || bytes.len > 0) {
        rule_list_free(&list);
        return fault_set(fault, FAULT_INVALID, "rules in a form that is not theirs");
    }
    *ret_list = list;
    return true;
}
