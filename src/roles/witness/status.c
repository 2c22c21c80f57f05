#include "roles/witness/status.h"

#include "base/scope.h"
#include "ledger/checkpoint.h"
#include "os/file.h"

#define NAME "state/witnesses"
#define BYTES_MAX (1 << 16)

bool witness_status_write(int folder, const struct witness_status *status, size_t count,
                          struct fault *fault)
{
    AUTO_BUF struct buf text = buf_with_limit(BYTES_MAX);

    for (size_t i = 0; i < count; i++)
        if (!buf_add_format(
                &text, fault, "%s %llu %s %lld\n", cosignature_key_name(status[i].peer->key),
                (unsigned long long)status[i].size, witness_outcome_name(status[i].outcome),
                (long long)status[i].last_us))
            return false;
    return file_replace_durably(folder, NAME, buf_slice(&text), 0644, fault);
}

bool witness_status_write_fault(int folder, const struct fault *why, struct fault *fault)
{
    AUTO_FREE char *text = xformat("none 0 failed: %s\n", why->why);

    return file_replace_durably(folder, NAME, slice_of(text), 0644, fault);
}

static int64_t last_of_line(struct slice line, struct slice name)
{
    struct slice word = {0};
    uint64_t last;

    if (!slice_cut(&line, ' ', &word) || !slice_equal(word, name))
        return 0;
    while (slice_cut(&line, ' ', &word))
        continue;
    return checkpoint_parse_size(word, &last) ? (int64_t)last : 0;
}

int64_t witness_status_last(int folder, struct slice name)
{
    AUTO_BUF struct buf text = buf_with_limit(BYTES_MAX);
    struct slice rest, line;
    struct fault ignored = {0};
    int64_t last_us = 0;

    if (!file_read(folder, NAME, &text, &ignored))
        return 0;
    rest = buf_slice(&text);
    while (last_us == 0 && slice_cut(&rest, '\n', &line))
        last_us = last_of_line(line, name);
    return last_us;
}
