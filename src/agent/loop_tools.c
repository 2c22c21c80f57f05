/* The tools of custody-agent: a table, and one function each. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "agent/loop_parts.h"
#include "base/scope.h"
#include "os/file.h"

#define FILE_BYTES_MAX (2UL * 1024 * 1024)
#define LIST_ENTRIES_MAX 1000

struct tool {
    const char *name;
    bool (*run)(const struct agent_loop *loop, json_t *arguments, struct buf *ret_answer,
                struct fault *fault);
};

/* A path of the model's below the loop's folder; an absolute one is taken as it is: the cell
 * decides. */
static char *path_of(const struct agent_loop *loop, json_t *arguments, struct fault *fault)
{
    const char *path = json_string_value(json_object_get(arguments, "path"));

    if (path == NULL || path[0] == 0) {
        (void)fault_set(fault, FAULT_INVALID, "the argument \"path\" is missing");
        return NULL;
    }
    return path[0] == '/' ? xstrdup(path) : xformat("%s/%s", loop->folder, path);
}

static bool text_argument(json_t *arguments, const char *name, struct slice *ret_text,
                          struct fault *fault)
{
    json_t *value = json_object_get(arguments, name);

    if (!json_is_string(value))
        return fault_set(fault, FAULT_INVALID, "the argument \"%s\" is missing", name);
    *ret_text = slice_of_bytes(json_string_value(value), json_string_length(value));
    return true;
}

static bool read_tool(const struct agent_loop *loop, json_t *arguments, struct buf *ret_answer,
                      struct fault *fault)
{
    AUTO_FREE char *path = path_of(loop, arguments, fault);

    return path != NULL && file_read(AT_FDCWD, path, ret_answer, fault);
}

static bool put_file(const char *path, struct slice content, struct fault *fault)
{
    AUTO_FREE char *parent = xstrdup(path);
    char *slash = strrchr(parent, '/');
    AUTO_CLOSE int fd = -1;

    if (slash != NULL && slash != parent) {
        *slash = 0;
        if (!file_make_folders(parent, 0755, fault))
            return false;
    }
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return fault_errno(fault, "write %s", path);
    return file_write_all(fd, content, fault);
}

static bool write_tool(const struct agent_loop *loop, json_t *arguments,
                       struct buf *ret_answer, struct fault *fault)
{
    AUTO_FREE char *path = path_of(loop, arguments, fault);
    struct slice content;

    return path != NULL && text_argument(arguments, "content", &content, fault) &&
           put_file(path, content, fault) &&
           buf_add_format(ret_answer, fault, "wrote %zu bytes", content.len);
}

static bool edit_tool(const struct agent_loop *loop, json_t *arguments, struct buf *ret_answer,
                      struct fault *fault)
{
    AUTO_FREE char *path = path_of(loop, arguments, fault);
    AUTO_BUF struct buf before = buf_with_limit(FILE_BYTES_MAX);
    AUTO_BUF struct buf after = buf_with_limit(2 * FILE_BYTES_MAX);
    struct slice old, new;
    size_t at;

    if (path == NULL || !text_argument(arguments, "old", &old, fault) ||
        !text_argument(arguments, "new", &new, fault) ||
        !file_read(AT_FDCWD, path, &before, fault))
        return false;
    at = slice_find(buf_slice(&before), old, 0);
    if (at == SIZE_MAX)
        return fault_set(fault, FAULT_MISSING, "the old text is not in the file");
    if (slice_find(buf_slice(&before), old, at + 1) != SIZE_MAX)
        return fault_set(
            fault, FAULT_CONFLICT,
            "the old text is there more than once: give more of what is around it");
    return buf_add(&after, slice_part(buf_slice(&before), 0, at), fault) &&
           buf_add(&after, new, fault) &&
           buf_add(&after, slice_part(buf_slice(&before), at + old.len, before.len), fault) &&
           put_file(path, buf_slice(&after), fault) &&
           buf_add_text(ret_answer, "edited", fault);
}

static bool list_tool(const struct agent_loop *loop, json_t *arguments, struct buf *ret_answer,
                      struct fault *fault)
{
    AUTO_FREE char *path = path_of(loop, arguments, fault);
    struct dirent **entries;
    int count = path == NULL ? -1 : scandir(path, &entries, NULL, alphasort);
    bool ok = true;

    if (path == NULL)
        return false;
    if (count < 0)
        return fault_errno(fault, "list %s", path);
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;

        if (ok && i < LIST_ENTRIES_MAX && strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
            ok = buf_add_format(ret_answer, fault, "%s%s\n", name,
                                entries[i]->d_type == DT_DIR ? "/" : "");
        free(entries[i]);
    }
    free(entries);
    return ok && (count <= LIST_ENTRIES_MAX ||
                  buf_add_format(ret_answer, fault, "[%d entries in all]\n", count - 2));
}

static bool bash_tool(const struct agent_loop *loop, json_t *arguments, struct buf *ret_answer,
                      struct fault *fault)
{
    struct slice command;

    return text_argument(arguments, "command", &command, fault) &&
           loop_shell(loop, (const char *)command.at, ret_answer, fault);
}

static const struct tool tools[] = {
    {"read", read_tool}, {"write", write_tool}, {"edit", edit_tool},
    {"list", list_tool}, {"bash", bash_tool},
};

#define TOOL(name, text, properties, required)                                                \
    "{\"type\":\"function\",\"function\":{\"name\":\"" name "\",\"description\":\"" text      \
    "\",\"parameters\":{\"type\":\"object\",\"properties\":{" properties                      \
    "},\"required\":[" required "],\"additionalProperties\":false}}}"
#define TEXT(name, what) "\"" name "\":{\"type\":\"string\",\"description\":\"" what "\"}"

const char *loop_tools_json(void)
{
    return "[" TOOL("read", "Reads a whole file.", TEXT("path", "Relative to the repository"), "\"path\"") "," TOOL(
        "write", "Writes a whole file, making it and its folders where they are missing.",
        TEXT("path", "Relative to the repository") "," TEXT("content",
                                                            "All of the new content"),
        "\"path\",\"content\"") "," TOOL("edit", "Replaces one place in a file.",
                                         TEXT("path", "Relative to the repository") "," TEXT(
                                             "old",
                                             "The text to replace, exactly as it is; must "
                                             "occur once") "," TEXT("new",
                                                                    "What takes its place"),
                                         "\"path\",\"old\",\"new\"") "," TOOL("list",
                                                                              "Lists a "
                                                                              "folder.",
                                                                              TEXT("path",
                                                                                   "Relative "
                                                                                   "to the "
                                                                                   "repository"
                                                                                   "; . is "
                                                                                   "its top"),
                                                                              "\"path\"") "," TOOL("bash",
                                                                                                   "Runs a command in /bin/sh at the top of the repository. What it starts in the background ends with it.",
                                                                                                   TEXT(
                                                                                                       "command",
                                                                                                       "The command line"),
                                                                                                   "\"command\"") "]";
}

static bool dispatch(const struct agent_loop *loop, const char *name, json_t *arguments,
                     struct buf *ret_answer, struct fault *fault)
{
    for (size_t i = 0; i < COUNT(tools); i++)
        if (strcmp(tools[i].name, name) == 0)
            return tools[i].run(loop, arguments, ret_answer, fault);
    return fault_set(fault, FAULT_MISSING, "there is no tool %.60s", name);
}

bool loop_tool(const struct agent_loop *loop, const struct loop_call *call,
               struct buf *ret_answer)
{
    AUTO_FREE char *name = slice_dup(buf_slice(&call->name));
    struct slice text = call->arguments.len == 0 ? SLICE("{}") : buf_slice(&call->arguments);
    json_error_t error;
    json_t *arguments =
        json_loadb((const char *)text.at, text.len, JSON_REJECT_DUPLICATES, &error);
    struct fault fault = {0}, ignored = {0};
    bool ok;

    buf_clear(ret_answer);
    ok = arguments == NULL
             ? fault_set(&fault, FAULT_INVALID, "the arguments are not JSON: %s", error.text)
             : dispatch(loop, name, arguments, ret_answer, &fault);
    json_decref(arguments);
    if (fault.kind == FAULT_NONE)
        return ok;
    buf_clear(ret_answer);
    if (!buf_add_format(ret_answer, &ignored, "error: %s", fault.why))
        buf_clear(ret_answer);
    return false;
}
