/* Witness policies: what parses can be asked, and says so in words. */
#include <stdlib.h>

#include "base/scope.h"
#include "ledger/tlog_policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char note_text[] =
    "example.com/log/testdata\n15\nrKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=\n\n"
    "\xe2\x80\x94 example.com/log/testdata M9e0luh4jTG+UMBqOUo9/q+yAEvx1ilBEniMvjf1zfcBOhg+"
    "CKubMt53MvIt/uEWP6zdkdIQzd/fmwlM/dlPWF74ewI=\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_BUF struct buf words = buf_with_limit(1 << 20);
    struct tlog_policy_result result;
    struct tlog_policy *policy;
    struct fault fault = {0};
    struct note note;

    if (!tlog_policy_parse(slice_of_bytes(data, size), &policy, &fault))
        return 0;
    if (!note_parse(slice_of(note_text), &note, &fault) ||
        !tlog_policy_check(policy, &note, &result, &fault) ||
        !tlog_policy_sentence(policy, &result, &words, &fault) ||
        result.cosigned_count > tlog_policy_witness_count(policy))
        abort();
    tlog_policy_free(policy);
    return 0;
}
