#include "roles/ledger_role/memo.h"

#include "wire/base64.h"

#define DIGITS_MAX 18

static bool decimal(struct slice digits, uint64_t *ret_number)
{
    uint64_t number = 0;

    if (digits.len == 0 || digits.len > DIGITS_MAX)
        return false;
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.at[i] < '0' || digits.at[i] > '9')
            return false;
        number = number * 10 + (uint64_t)(digits.at[i] - '0');
    }
    *ret_number = number;
    return true;
}

bool ledger_memo_parse(struct slice text, struct ledger_memo *ret_memo, struct fault *fault)
{
    struct ledger_memo memo = {0};
    struct slice words[5] = {0};
    uint64_t t_us = 0, disk = DISK_OK, quorum = LEDGER_QUORUM_OK;
    bool ok;

    for (size_t i = 0; i < COUNT(words); i++)
        if (!slice_cut(&text, ' ', &words[i]))
            break;
    ok = decimal(words[0], &memo.next_seq) &&
         base64_decode_exactly(words[1], memo.last.at, TREE_HASH_BYTES);
    if (ok && words[2].len > 0)
        ok = decimal(words[2], &t_us) && decimal(words[3], &disk) && disk <= DISK_FULL;
    if (ok && words[4].len > 0)
        ok = decimal(words[4], &quorum) && quorum <= LEDGER_QUORUM_MISSING;
    if (!ok || text.len > 0)
        return fault_set(fault, FAULT_INVALID, "the ledger's state names no sequence");
    memo.t_us = (int64_t)t_us;
    memo.disk = (enum disk_level)disk;
    memo.quorum = (enum ledger_quorum_level)quorum;
    *ret_memo = memo;
    return true;
}

bool ledger_memo_format(const struct ledger_memo *memo, struct buf *ret_text,
                        struct fault *fault)
{
    return buf_add_format(ret_text, fault, "%llu ", (unsigned long long)memo->next_seq) &&
           base64_encode(slice_of_bytes(memo->last.at, TREE_HASH_BYTES), ret_text, fault) &&
           buf_add_format(ret_text, fault, " %lld %d %d", (long long)memo->t_us,
                          (int)memo->disk, (int)memo->quorum);
}
