#include "roles/core/output.h"

#include <sys/mman.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/file.h"

void core_output_add(struct core_output *output, struct slice bytes)
{
    struct fault unkept = {0};
    size_t room = (size_t)(CORE_OUTPUT_BYTES_MAX - output->bytes);
    struct slice kept = slice_part(bytes, 0, bytes.len < room ? bytes.len : room);

    if (output->fd < 0)
        output->fd = memfd_create("output", MFD_CLOEXEC);
    if (output->fd < 0 || !file_write_all(output->fd, kept, &unkept))
        kept.len = 0;
    output->bytes += kept.len;
    output->cut = output->cut || kept.len < bytes.len;
}

void core_output_free(struct core_output *output)
{
    scope_close(&output->fd);
    *output = (struct core_output){.fd = -1};
}
