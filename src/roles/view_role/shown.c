#include "roles/view_role/shown.h"

#include <stdlib.h>

#include "base/scope.h"
#include "lineage/served.h"
#include "roles/view_role/parts.h"

struct shown {
    struct served *served;
    struct lines_key key;
    const struct snapshot *snapshot;
    const struct redacted *redacted;
    int content_fd;
    struct buf bytes; /* of the file that is read */
};

bool shown_open(const struct view_config *config, const struct snapshot *snapshot,
                const struct redacted *redacted, struct shown **ret_shown, struct fault *fault)
{
    struct shown *shown;
    struct served *served;

    *ret_shown = NULL;
    if (config->served_fd < 0)
        return true;
    if (!served_open(config->served_fd, true, &served, fault))
        return false;
    if (config->plain_fd >= 0) /* whoever opens files for the cell is somebody else */
        served_give_up(served);
    shown = xalloc(sizeof(*shown));
    *shown = (struct shown){.served = served,
                            .snapshot = snapshot,
                            .redacted = redacted,
                            .content_fd = config->content_fd,
                            .bytes = buf_with_limit(SERVED_FILE_BYTES_MAX)};
    lines_key_make(config->lines_key, &shown->key);
    *ret_shown = shown;
    return true;
}

void shown_free(struct shown *shown)
{
    if (shown == NULL)
        return;
    served_close(shown->served);
    buf_free(&shown->bytes);
    free(shown);
}

static void add(struct shown *shown, const struct view_event *event, struct slice content)
{
    char blob[GITDIR_HEX_BYTES];

    view_oid_text(shown->snapshot, event->oid, blob);
    served_add(shown->served, &shown->key, slice_of(event->path), slice_of(blob), content);
}

void shown_add(struct shown *shown, const struct view_event *event)
{
    const struct snapshot_node *node;
    struct slice content;
    struct fault fault = {0};

    if (shown == NULL || event->operation != VIEW_READ || event->refused ||
        event->base == SNAPSHOT_NONE || event->oid == NULL)
        return;
    node = snapshot_node(shown->snapshot, event->base);
    if (node->verdict == VERDICT_REDACT) {
        if (redacted_find(shown->redacted, event->base, &content))
            add(shown, event, content);
        else
            served_give_up(shown->served);
        return;
    }
    buf_clear(&shown->bytes);
    if (snapshot_content(shown->content_fd, node, &shown->bytes, &fault))
        add(shown, event, buf_slice(&shown->bytes));
    else
        served_give_up(shown->served); /* it is larger than what is known again, too */
}
