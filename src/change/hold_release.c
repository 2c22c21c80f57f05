#include "change/hold_release.h"

#include "change/statement.h"

static const struct statement_row rows[] = {
    {"hold", offsetof(struct hold_release, hold)},
    {"person", offsetof(struct hold_release, person)},
    {"policy", offsetof(struct hold_release, policy)},
    {"reason", offsetof(struct hold_release, reason)},
    {"time", offsetof(struct hold_release, time)},
};

static const struct statement_form form = {"custody-hold-release/v1", rows, COUNT(rows)};

bool hold_release_encode(const struct hold_release *release, struct buf *ret_text,
                         struct fault *fault)
{
    return statement_encode(&form, release, ret_text, fault);
}
