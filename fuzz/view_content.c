/* The records of a content store, torn or hostile: opening must not crash, and what is found
 * must be inside. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/file.h"
#include "view/content.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int folder(void)
{
    static char name[] = "/tmp/custody-fuzz-XXXXXX";
    static int fd = -1;

    if (fd < 0) {
        if (mkdtemp(name) == NULL)
            abort();
        fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t rules[CONTENT_RULES_BYTES], oid[20];
    AUTO_CLOSE int blobs =
        openat(folder(), "blobs", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    const struct snapshot_finding *findings;
    struct content *content;
    struct fault fault = {0};
    uint64_t at, len;
    unsigned mask;
    size_t count;

    if (!file_write_all(blobs, slice_of_bytes(data, size), &fault) ||
        !content_open(folder(), &content, &fault))
        return 0;
    if (content_find(content, oid, 20, &at, &len) && len > 0)
        abort(); /* the content file is empty */
    if (content_verdict_find(content, oid, 20, rules, &mask, &findings, &count))
        for (size_t i = 0; i < count; i++)
            mask ^= findings[i].end;
    content_close(content);
    (void)unlinkat(folder(), "blobs", 0);
    (void)unlinkat(folder(), "content", 0);
    return 0;
}
