/*
 * What the door replaced in a request. Values and key are the door's; here are places, classes
 * and commitments, checked and printed anew.
 */
#include <stdlib.h>

#include "base/hex.h"
#include "base/scope.h"
#include "gateway/call/exchange.h"

static bool receipt_valid(const struct exchange *exchange, const struct call_receipt *receipt)
{
    return receipt->class < CLASS_COUNT && receipt->at <= GATEWAY_BODY_BYTES_MAX &&
           receipt->len <= GATEWAY_BODY_BYTES_MAX - receipt->at && receipt->rule[0] != 0 &&
           call_text_valid(receipt->rule, sizeof(receipt->rule)) &&
           strpbrk(receipt->rule, " ;#=") == NULL && exchange->open.replaced > 0;
}

bool receipts_take(struct exchange *exchange, struct slice packet)
{
    size_t count = call_receipts(exchange->open.replaced);

    if (packet.len != 1 + count * sizeof(exchange->receipts[0]) ||
        packet.at[0] != CALL_RECEIPTS)
        return false;
    exchange->receipts = xalloc_array(count, sizeof(exchange->receipts[0]));
    memcpy(exchange->receipts, packet.at + 1, packet.len - 1);
    for (size_t i = 0; i < count; i++)
        if (!receipt_valid(exchange, &exchange->receipts[i]))
            return false;
    return true;
}

/* Values of a class are told apart by the first place that holds the same. */
static unsigned ordinal_of(const struct exchange *exchange, size_t number)
{
    const struct call_receipt *all = exchange->receipts;
    unsigned ordinal = 0;

    for (size_t i = 0; i <= number; i++) {
        size_t first = 0;

        while (all[first].class != all[i].class ||
               memcmp(all[first].commitment, all[i].commitment, sizeof(all[i].commitment)) != 0)
            first++;
        if (all[i].class != all[number].class || first != i) /* of another class, or a repeat */
            continue;
        ordinal++;
        if (memcmp(all[i].commitment, all[number].commitment, sizeof(all[i].commitment)) == 0)
            break;
    }
    return ordinal;
}

void receipts_tell(const struct exchange *exchange, struct buf *ret_text)
{
    size_t count = exchange->receipts == NULL ? 0 : call_receipts(exchange->open.replaced);
    struct fault full = {0};

    for (size_t i = 0; i < count; i++) {
        const struct call_receipt *receipt = &exchange->receipts[i];
        char commitment[2 * DOOR_COMMITMENT_BYTES + 1];
        size_t len = ret_text->len;

        hex_encode(slice_of_bytes(receipt->commitment, DOOR_COMMITMENT_BYTES), commitment);
        if (!buf_add_format(ret_text, &full, "%s%s %s %llu+%llu #%u=%s", len == 0 ? "" : "; ",
                            receipt->rule, class_name((enum data_class)receipt->class),
                            (unsigned long long)receipt->at, (unsigned long long)receipt->len,
                            ordinal_of(exchange, i), commitment)) {
            ret_text->len = len;
            return;
        }
    }
}
