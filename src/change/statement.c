#include "change/statement.h"

#include "base/scope.h"
#include "base/utf8.h"
#include "wire/jcs.h"

static const char **member(const void *statement, const struct statement_row *row)
{
    return (const char **)((uintptr_t)statement + row->at);
}

bool statement_encode(const struct statement_form *form, const void *statement,
                      struct buf *ret_text, struct fault *fault)
{
    for (size_t i = 0; i < form->count; i++) {
        struct slice value = slice_of(*member(statement, &form->rows[i]));

        if (!utf8_is_printable(value))
            return fault_set(fault, FAULT_INVALID, "%s is not plain text", form->rows[i].key);
        if (!buf_add_format(ret_text, fault, "%c\"%s\":", i == 0 ? '{' : ',',
                            form->rows[i].key) ||
            !jcs_add_text(ret_text, value, fault))
            return false;
    }
    return buf_add_format(ret_text, fault, ",\"type\":\"%s\"}", form->type);
}

static bool take_word(struct jcs_reader *reader, const char *expected, struct buf *arena,
                      struct fault *fault)
{
    struct slice word;

    return jcs_take_text(reader, arena, &word, fault) && slice_equal(word, slice_of(expected));
}

bool statement_decode(const struct statement_form *form, struct slice text, struct buf *arena,
                      void *ret_statement, struct fault *fault)
{
    struct jcs_reader reader = {.text = text};
    AUTO_BUF struct buf again = buf_with_limit(STATEMENT_BYTES_MAX);
    struct slice value;

    if (text.len > STATEMENT_BYTES_MAX ||
        !buf_reserve(arena, 2 * text.len + form->count + 64, fault))
        return fault_set(fault, FAULT_LIMIT, "a %s statement is at most %d bytes", form->type,
                         STATEMENT_BYTES_MAX);
    for (size_t i = 0; i < form->count; i++) {
        if (!jcs_take(&reader, i == 0 ? '{' : ',') ||
            !take_word(&reader, form->rows[i].key, arena, fault) || !jcs_take(&reader, ':') ||
            !jcs_take_text(&reader, arena, &value, fault) || !buf_add_byte(arena, 0, fault))
            return fault_set(fault, FAULT_INVALID, "not a %s statement: %s", form->type,
                             form->rows[i].key);
        *member(ret_statement, &form->rows[i]) = (const char *)value.at;
    }
    if (!statement_encode(form, ret_statement, &again, fault) ||
        !slice_equal(buf_slice(&again), text))
        return fault_set(fault, FAULT_INVALID, "not a canonical %s statement", form->type);
    return true;
}
