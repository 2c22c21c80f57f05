#include "view/redacted.h"

#include <stdlib.h>

#include "base/scope.h"

struct redacted_file {
    uint32_t number;
    struct buf bytes;
};

struct redacted {
    struct redacted_file *files; /* ascending by number */
    size_t count;
};

static bool redact_one(const struct snapshot *snapshot, int content_fd,
                       const struct redactor *redactor, uint32_t number, struct buf *ret_bytes,
                       struct fault *fault)
{
    const struct snapshot_node *node = snapshot_node(snapshot, number);
    AUTO_BUF struct buf path = buf_with_limit(SNAPSHOT_PATH_MAX);
    AUTO_BUF_SECRET struct buf original = buf_with_limit(REDACTED_BYTES_MAX);
    AUTO_BUF struct buf bytes = buf_with_limit(REDACTED_BYTES_MAX);

    if (!snapshot_path(snapshot, number, &path, fault))
        return false;
    if (node->finding_count ==
        0) /* could not be looked into, or a file from before its rules */
        return fault_set(fault, FAULT_DENIED, "redact %s: nothing in it is marked",
                         buf_text(&path));
    if (!snapshot_content(content_fd, node, &original, fault) ||
        !redactor->redact(redactor->self, buf_slice(&path), buf_slice(&original),
                          snapshot_findings(snapshot, number), node->finding_count, &bytes,
                          fault))
        return fault_in(fault, "redact %s", buf_text(&path));
    if (bytes.len != original.len)
        return fault_set(fault, FAULT_INVALID, "redact %s: %zu bytes became %zu",
                         buf_text(&path), original.len, bytes.len);
    *ret_bytes = take_buf(&bytes);
    return true;
}

bool redacted_make(const struct snapshot *snapshot, int content_fd,
                   const struct redactor *redactor, struct redacted **ret_redacted,
                   struct fault *fault)
{
    struct redacted *redacted = xalloc(sizeof(*redacted));
    size_t count;
    const uint32_t *numbers = snapshot_redacted(snapshot, &count);
    uint64_t total = 0;

    redacted->files = xalloc_array(count + 1, sizeof(*redacted->files));
    for (size_t i = 0; i < count; i++) {
        total += snapshot_node(snapshot, numbers[i])->size;
        if (total > REDACTED_BYTES_MAX) {
            redacted_free(redacted);
            return fault_set(fault, FAULT_LIMIT, "more than %u bytes of redacted files",
                             REDACTED_BYTES_MAX);
        }
        redacted->files[i].number = numbers[i];
        if (!redact_one(snapshot, content_fd, redactor, numbers[i], &redacted->files[i].bytes,
                        fault)) {
            redacted_free(redacted);
            return false;
        }
        redacted->count++;
    }
    *ret_redacted = redacted;
    return true;
}

void redacted_free(struct redacted *redacted)
{
    if (redacted == NULL)
        return;
    for (size_t i = 0; i < redacted->count; i++)
        buf_free(&redacted->files[i].bytes);
    free(redacted->files);
    free(redacted);
}

bool redacted_find(const struct redacted *redacted, uint32_t number, struct slice *ret_bytes)
{
    size_t low = 0, high = redacted->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (redacted->files[middle].number == number) {
            *ret_bytes = buf_slice(&redacted->files[middle].bytes);
            return true;
        }
        if (redacted->files[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}
