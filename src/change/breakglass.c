#include "change/breakglass.h"

#include "change/statement.h"

static const struct statement_row rows[] = {
    {"expires", offsetof(struct breakglass_statement, expires)},
    {"first", offsetof(struct breakglass_statement, first)},
    {"ledger", offsetof(struct breakglass_statement, ledger)},
    {"reason", offsetof(struct breakglass_statement, reason)},
    {"second", offsetof(struct breakglass_statement, second)},
    {"time", offsetof(struct breakglass_statement, time)},
};

static const struct statement_form form = {"custody-breakglass/v1", rows, COUNT(rows)};

bool breakglass_encode(const struct breakglass_statement *statement, struct buf *ret_text,
                       struct fault *fault)
{
    return statement_encode(&form, statement, ret_text, fault);
}

bool breakglass_decode(struct slice text, struct buf *arena,
                       struct breakglass_statement *ret_statement, struct fault *fault)
{
    return statement_decode(&form, text, arena, ret_statement, fault);
}
