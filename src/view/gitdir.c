#include "view/gitdir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/hex.h"
#include "base/scope.h"
#include "os/file.h"
#include "view/index_write.h"
#include "view/pack.h"
#include "view/snapshot_format.h"

#define TEXT_BYTES_MAX (16U << 20)
#define TREE_BYTES_MAX (256U << 20)
#define BRANCH_BYTES_MAX 200

/* What differs from the snapshot in this run: new ids by node number, zero where there is
 * none. */
struct fresh {
    const struct snapshot *snapshot;
    const struct redacted *redacted;
    struct pack *pack;
    size_t oid_bytes;
    uint8_t *oids; /* SNAPSHOT_OID_MAX each */
};

static uint8_t *fresh_oid(const struct fresh *fresh, uint32_t number)
{
    return fresh->oids + (size_t)number * SNAPSHOT_OID_MAX;
}

static bool pack_redacted(struct fresh *fresh, struct fault *fault)
{
    size_t count;
    const uint32_t *numbers = snapshot_redacted(fresh->snapshot, &count);

    for (size_t i = 0; i < count; i++) {
        struct slice bytes;

        if (!redacted_find(fresh->redacted, numbers[i], &bytes))
            return fault_set(fault, FAULT_INVALID, "a redacted file has no redaction");
        if (!pack_add(fresh->pack, OBJECT_BLOB, bytes, fresh_oid(fresh, numbers[i]), fault))
            return false;
    }
    return true;
}

static bool pack_tree(struct fresh *fresh, uint32_t folder, struct buf *tree,
                      struct fault *fault)
{
    const struct snapshot_node *node = snapshot_node(fresh->snapshot, folder);

    buf_clear(tree);
    for (uint32_t child = node->child_at; child < node->child_at + node->child_count;
         child++) {
        const struct snapshot_node *below = snapshot_node(fresh->snapshot, child);
        const uint8_t *oid = snapshot_is_fresh(below) ? fresh_oid(fresh, child) : below->oid;

        if ((below->flags & SNAPSHOT_OUTSIDE_GIT) == 0 &&
            !object_add_tree_line(tree, below->mode, snapshot_name(fresh->snapshot, child),
                                  oid, fresh->oid_bytes, fault))
            return false;
    }
    return pack_add(fresh->pack, OBJECT_TREE, buf_slice(tree), fresh_oid(fresh, folder),
                    fault);
}

/* Children have higher numbers than their folder: going down, they are there before it. */
static bool pack_trees(struct fresh *fresh, struct fault *fault)
{
    AUTO_BUF struct buf tree = buf_with_limit(TREE_BYTES_MAX);

    for (uint32_t number = snapshot_node_count(fresh->snapshot); number-- > 0;)
        if ((snapshot_node(fresh->snapshot, number)->flags & SNAPSHOT_CHANGES_BELOW) != 0 &&
            !pack_tree(fresh, number, &tree, fault))
            return false;
    return true;
}

/* A name for a commit line and a configuration value: no control characters, none of "<>". */
static bool is_plain_text(const char *text)
{
    for (const char *at = text; *at != 0; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f || *at == '<' || *at == '>')
            return false;
    return text[0] != 0;
}

static bool pack_commit(struct fresh *fresh, const struct gitdir_settings *settings,
                        struct gitdir_result *ret_result, uint8_t *ret_oid,
                        struct fault *fault)
{
    AUTO_BUF struct buf commit = buf_with_limit(TEXT_BYTES_MAX);
    const struct snapshot_node *root = snapshot_node(fresh->snapshot, 0);

    hex_encode(slice_of_bytes(snapshot_is_fresh(root) ? fresh_oid(fresh, 0) : root->oid,
                              fresh->oid_bytes),
               ret_result->tree);
    if (!buf_add_format(
            &commit, fault,
            "tree %s\nauthor %s <%s> %lld +0000\ncommitter %s <%s> %lld +0000\n\n%s",
            ret_result->tree, settings->user_name, settings->user_email,
            (long long)settings->time_s, settings->user_name, settings->user_email,
            (long long)settings->time_s, settings->message) ||
        !pack_add(fresh->pack, OBJECT_COMMIT, buf_slice(&commit), ret_oid, fault))
        return false;
    hex_encode(slice_of_bytes(ret_oid, fresh->oid_bytes), ret_result->head);
    return true;
}

/* git's check-ref-format, for what comes after refs/heads/. */
static bool is_branch(const char *branch)
{
    struct slice rest = slice_of(branch), part;

    if (rest.len == 0 || rest.len > BRANCH_BYTES_MAX || slice_equal(rest, SLICE("@")) ||
        branch[0] == '-')
        return false;
    for (const char *at = branch; *at != 0; at++)
        if ((unsigned char)*at <= ' ' || *at == 0x7f || strchr("~^:?*[\\", *at) != NULL)
            return false;
    if (slice_find(rest, SLICE(".."), 0) != SIZE_MAX ||
        slice_find(rest, SLICE("@{"), 0) != SIZE_MAX)
        return false;
    while (slice_cut(&rest, '/', &part))
        if (part.len == 0 || part.at[0] == '.' || part.at[part.len - 1] == '.' ||
            slice_ends_with(part, SLICE(".lock")))
            return false;
    return true;
}

static bool write_branch(int folder_fd, const char *branch, const char *head,
                         struct fault *fault)
{
    AUTO_BUF struct buf text = buf_with_limit(TEXT_BYTES_MAX);
    AUTO_CLOSE int at = -1;
    struct slice rest = slice_of(branch), part;
    bool done = file_open_folder(folder_fd, "refs", 0755, &at, fault);

    for (const char *const *name = (const char *const[]){"tags", "heads", NULL};
         done && *name != NULL; name++) {
        int below = -1;

        done = file_open_folder(at, *name, 0755, &below, fault);
        if (done && strcmp(*name, "heads") == 0) {
            (void)close(at);
            at = take_fd(&below);
        }
        scope_close(&below);
    }
    while (done && slice_cut(&rest, '/', &part)) {
        AUTO_FREE char *name = slice_dup(part);
        int below = -1;

        if (rest.at == NULL)
            return buf_add_format(&text, fault, "%s\n", head) &&
                   file_create(at, name, buf_slice(&text), 0644, fault);
        done = file_open_folder(at, name, 0755, &below, fault);
        if (done) {
            (void)close(at);
            at = take_fd(&below);
        }
    }
    return false;
}

static bool add_quoted(struct buf *config, const char *key, const char *value,
                       struct fault *fault)
{
    if (!buf_add_format(config, fault, "\t%s = \"", key))
        return false;
    for (const char *at = value; *at != 0; at++)
        if (((*at == '"' || *at == '\\') && !buf_add_byte(config, '\\', fault)) ||
            !buf_add_byte(config, (uint8_t)*at, fault))
            return false;
    return buf_add_text(config, "\"\n", fault);
}

static bool write_config(int folder_fd, const struct gitdir_settings *settings,
                         size_t oid_bytes, struct fault *fault)
{
    AUTO_BUF struct buf config = buf_with_limit(TEXT_BYTES_MAX);

    return buf_add_format(&config, fault,
                          "[core]\n\trepositoryformatversion = %d\n\tfilemode = true\n"
                          "\tbare = false\n\tlogallrefupdates = true\n",
                          oid_bytes == 32) &&
           (!settings->plain_files ||
            buf_add_text(&config, "\tcheckstat = minimal\n\ttrustctime = false\n", fault)) &&
           (oid_bytes == 20 ||
            buf_add_text(&config, "[extensions]\n\tobjectformat = sha256\n", fault)) &&
           buf_add_text(&config, "[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n[user]\n",
                        fault) &&
           add_quoted(&config, "name", settings->user_name, fault) &&
           add_quoted(&config, "email", settings->user_email, fault) &&
           file_create(folder_fd, "config", buf_slice(&config), 0644, fault);
}

/* A pattern that means this path and no other. A newline cannot be said, and is left out. */
static bool add_pattern(struct buf *exclude, struct slice path, struct fault *fault)
{
    if (memchr(path.at, '\n', path.len) != NULL)
        return true;
    if (!buf_add_byte(exclude, '/', fault))
        return false;
    for (size_t i = 0; i < path.len; i++)
        if ((strchr("*?[]\\ !#", path.at[i]) != NULL && !buf_add_byte(exclude, '\\', fault)) ||
            !buf_add_byte(exclude, path.at[i], fault))
            return false;
    return buf_add_byte(exclude, '\n', fault);
}

static bool write_exclude(int info_fd, const struct snapshot *snapshot,
                          const struct gitdir_settings *settings, struct fault *fault)
{
    AUTO_BUF struct buf exclude = buf_with_limit(TEXT_BYTES_MAX);
    AUTO_BUF struct buf path = buf_with_limit(SNAPSHOT_PATH_MAX);

    for (size_t i = 0; i < settings->exclude_count; i++)
        if (!add_pattern(&exclude, slice_of(settings->exclude[i]), fault))
            return false;
    for (uint32_t number = 0;
         !snapshot_hides_names(snapshot) && number < snapshot_node_count(snapshot); number++) {
        buf_clear(&path);
        if (snapshot_node(snapshot, number)->mode == SNAPSHOT_MODE_DENIED &&
            (!snapshot_path(snapshot, number, &path, fault) ||
             !add_pattern(&exclude, buf_slice(&path), fault)))
            return false;
    }
    return file_create(info_fd, "exclude", buf_slice(&exclude), 0644, fault);
}

static bool write_texts(int folder_fd, int objects_fd, const struct snapshot *snapshot,
                        const struct gitdir_settings *settings, const char *head,
                        struct fault *fault)
{
    AUTO_BUF struct buf text = buf_with_limit(TEXT_BYTES_MAX);
    AUTO_CLOSE int info = -1;
    AUTO_CLOSE int objects_info = -1;

    if (!file_open_folder(folder_fd, "info", 0755, &info, fault) ||
        !file_open_folder(objects_fd, "info", 0755, &objects_info, fault) ||
        !buf_add_format(&text, fault, "%s\n", settings->alternates) ||
        !file_create(objects_info, "alternates", buf_slice(&text), 0644, fault))
        return false;
    buf_clear(&text);
    return buf_add_format(&text, fault, "ref: refs/heads/%s\n", settings->branch) &&
           file_create(folder_fd, "HEAD", buf_slice(&text), 0644, fault) &&
           write_config(folder_fd, settings, snapshot_oid_bytes(snapshot), fault) &&
           write_exclude(info, snapshot, settings, fault) &&
           write_branch(folder_fd, settings->branch, head, fault);
}

static bool write_objects(int packs_fd, struct fresh *fresh,
                          const struct gitdir_settings *settings,
                          struct gitdir_result *ret_result, struct fault *fault)
{
    uint8_t head[SNAPSHOT_OID_MAX];

    return pack_new(packs_fd, fresh->oid_bytes, 0, &fresh->pack, fault) &&
           pack_redacted(fresh, fault) && pack_trees(fresh, fault) &&
           pack_commit(fresh, settings, ret_result, head, fault) &&
           pack_finish(fresh->pack, false, fault);
}

bool gitdir_write(int folder_fd, const struct snapshot *snapshot,
                  const struct redacted *redacted, const struct gitdir_settings *settings,
                  struct gitdir_result *ret_result, struct fault *fault)
{
    struct fresh fresh = {
        .snapshot = snapshot, .redacted = redacted, .oid_bytes = snapshot_oid_bytes(snapshot)};
    AUTO_FREE uint8_t *oids = xalloc_array(snapshot_node_count(snapshot), SNAPSHOT_OID_MAX);
    AUTO_CLOSE int objects = -1;
    AUTO_CLOSE int packs = -1;
    struct gitdir_result result = {0};
    bool done;

    if (!is_branch(settings->branch) || !is_plain_text(settings->user_name) ||
        !is_plain_text(settings->user_email) || settings->alternates[0] != '/' ||
        strchr(settings->alternates, '\n') != NULL)
        return fault_set(fault, FAULT_INVALID, "the cell's git folder: branch, user or path");
    fresh.oids = oids;
    done = file_open_folder(folder_fd, "objects", 0755, &objects, fault) &&
           file_open_folder(objects, "pack", 0755, &packs, fault) &&
           write_objects(packs, &fresh, settings, &result, fault) &&
           index_write(folder_fd, snapshot, oids, fault) &&
           write_texts(folder_fd, objects, snapshot, settings, result.head, fault);
    pack_free(fresh.pack);
    if (!done)
        return fault_in(fault, "make the cell's git folder");
    *ret_result = result;
    return true;
}
