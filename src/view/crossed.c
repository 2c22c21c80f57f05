#include "view/crossed.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/file.h"
#include "view/serve_state.h"

static uint8_t mark_of(const struct view *view, uint32_t number)
{
    const struct snapshot_node *base = snapshot_node(view->settings.snapshot, number);
    unsigned marks = tree_marks(view->tree, number);
    bool is_file = base->mode == SNAPSHOT_MODE_FILE || base->mode == SNAPSHOT_MODE_PROGRAM;
    uint8_t mark = is_file && base->size > 0 ? VIEW_CROSSED_FILE : 0;

    if ((marks & (MARK_READ_BASE | MARK_READ_OWN)) != 0)
        mark |= VIEW_CROSSED_READ;
    if (tree_origin(view->tree, number).own_content)
        mark |= VIEW_CROSSED_WRITTEN;
    return mark;
}

bool view_crossed(const struct view *view, int *ret_fd, struct fault *fault)
{
    uint32_t count = snapshot_node_count(view->settings.snapshot);
    AUTO_FREE uint8_t *marks = xalloc(count);
    AUTO_CLOSE int fd = memfd_create("crossed", MFD_CLOEXEC);

    if (fd < 0)
        return fault_errno(fault, "hold what has crossed");
    for (uint32_t number = 0; number < count; number++)
        marks[number] = mark_of(view, number);
    if (!file_write_all(fd, slice_of_bytes(marks, count), fault))
        return fault_in(fault, "hold what has crossed");
    *ret_fd = take_fd(&fd);
    return true;
}
