#include "policy/settings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/scope.h"

struct policy_settings *settings_new(const char *file)
{
    struct policy_settings *settings = xalloc(sizeof(*settings));

    settings->file = xstrdup(file);
    return settings;
}

void policy_settings_free(struct policy_settings *settings)
{
    if (settings == NULL)
        return;
    for (size_t i = 0; i < settings->count; i++) {
        free(settings->at[i].path);
        free(settings->at[i].value);
    }
    free(settings->at);
    free(settings->file);
    free(settings);
}

bool settings_add(struct policy_settings *settings, struct slice path, struct slice value,
                  enum setting_kind kind, uint32_t line, uint32_t column, struct fault *fault)
{
    if (settings->count == POLICY_SETTINGS_MAX || path.len > POLICY_PATH_BYTES_MAX)
        return fault_set(fault, FAULT_LIMIT, "%s:%u:%u: more than a policy file may say",
                         settings->file, line, column);
    settings->at =
        xgrow(settings->at, &settings->room, settings->count + 1, sizeof(*settings->at));
    settings->at[settings->count++] = (struct setting){.path = slice_dup(path),
                                                       .value = slice_dup(value),
                                                       .kind = kind,
                                                       .line = line,
                                                       .column = column};
    return true;
}

const struct setting *settings_find(const struct policy_settings *settings, const char *format,
                                    ...)
{
    AUTO_FREE char *path = NULL;
    va_list args;
    int len;

    if (settings == NULL)
        return NULL;
    va_start(args, format);
    len = vasprintf(&path, format, args);
    va_end(args);
    if (len < 0)
        abort();
    for (size_t i = 0; i < settings->count; i++)
        if (strcmp(settings->at[i].path, path) == 0)
            return &settings->at[i];
    return NULL;
}

const struct setting *settings_below(const struct policy_settings *settings, const char *path)
{
    size_t len = strlen(path);

    for (size_t i = 0; settings != NULL && i < settings->count; i++)
        if (strncmp(settings->at[i].path, path, len) == 0 &&
            (settings->at[i].path[len] == 0 || settings->at[i].path[len] == POLICY_SEP_BYTE))
            return &settings->at[i];
    return NULL;
}

bool settings_fault(const struct policy_settings *settings, const struct setting *setting,
                    struct fault *fault, const char *format, ...)
{
    char text[300];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return fault_set(fault, FAULT_INVALID, "%.60s:%u:%u: %s", settings->file, setting->line,
                     setting->column, text);
}

void settings_show_path(const char *path, char *text, size_t room)
{
    size_t len = 0;

    if (room == 0)
        return;
    for (; *path != 0 && len + 2 < room; path++) {
        if (*path != POLICY_SEP_BYTE) {
            text[len++] = *path;
        } else if (path[1] == '#') {
            text[len++] = '[';
            for (path += 2; *path >= '0' && *path <= '9' && len + 2 < room; path++)
                text[len++] = *path;
            text[len++] = ']';
            path--;
        } else {
            text[len++] = '.';
        }
    }
    text[len] = 0;
}

/* ---- the packet: u32 count, then per setting kind, line, column, path, value ---- */

static bool put_number(struct buf *packet, uint32_t number, struct fault *fault)
{
    return buf_add(packet, slice_of_bytes(&number, sizeof(number)), fault);
}

static bool put_text(struct buf *packet, const char *text, struct fault *fault)
{
    return put_number(packet, (uint32_t)strlen(text), fault) &&
           buf_add_text(packet, text, fault);
}

bool policy_settings_encode(const struct policy_settings *settings, struct buf *ret_packet,
                            struct fault *fault)
{
    if (!put_text(ret_packet, settings->file, fault) ||
        !put_number(ret_packet, (uint32_t)settings->count, fault))
        return false;
    for (size_t i = 0; i < settings->count; i++) {
        const struct setting *setting = &settings->at[i];

        if (!put_number(ret_packet, setting->kind, fault) ||
            !put_number(ret_packet, setting->line, fault) ||
            !put_number(ret_packet, setting->column, fault) ||
            !put_text(ret_packet, setting->path, fault) ||
            !put_text(ret_packet, setting->value, fault))
            return false;
    }
    return true;
}

static bool take_number(struct slice *rest, uint32_t *ret_number, struct fault *fault)
{
    if (rest->len < sizeof(*ret_number))
        return fault_set(fault, FAULT_INVALID, "settings packet is cut");
    memcpy(ret_number, rest->at, sizeof(*ret_number));
    *rest = slice_part(*rest, sizeof(*ret_number), rest->len);
    return true;
}

static bool take_text(struct slice *rest, struct slice *ret_text, struct fault *fault)
{
    uint32_t len;

    if (!take_number(rest, &len, fault))
        return false;
    if (len > rest->len || slice_find_byte(slice_part(*rest, 0, len), 0, 0) != SIZE_MAX)
        return fault_set(fault, FAULT_INVALID, "settings packet: a text that cannot be");
    *ret_text = slice_part(*rest, 0, len);
    *rest = slice_part(*rest, len, rest->len);
    return true;
}

static int by_path(const void *a, const void *b)
{
    return strcmp((*(const struct setting *const *)a)->path,
                  (*(const struct setting *const *)b)->path);
}

/* No path twice, none below another: the separator sorts before all that a name may hold. */
static bool are_apart(const struct policy_settings *settings)
{
    AUTO_FREE const struct setting **sorted =
        xalloc_array(settings->count + 1, sizeof(*sorted));
    bool apart = true;

    for (size_t i = 0; i < settings->count; i++)
        sorted[i] = &settings->at[i];
    if (settings->count > 1)
        qsort(sorted, settings->count, sizeof(*sorted), by_path);
    for (size_t i = 1; i < settings->count; i++) {
        struct slice above = slice_of(sorted[i - 1]->path), path = slice_of(sorted[i]->path);

        apart = apart && !(slice_starts_with(path, above) &&
                           (path.len == above.len || path.at[above.len] == POLICY_SEP_BYTE));
    }
    return apart;
}

/* What the reader of YAML would have made of it. */
static bool is_setting(uint32_t kind, uint32_t line, uint32_t column, struct slice path,
                       struct slice value)
{
    struct slice rest = path, name;

    if (kind > SETTING_EMPTY_MAP || line == 0 || column == 0 || path.len == 0 ||
        (kind == SETTING_VALUE) != (value.len > 0))
        return false;
    while (slice_cut(&rest, POLICY_SEP_BYTE, &name)) {
        if (name.len == 0)
            return false;
        for (size_t i = 0; i < name.len; i++)
            if (name.at[i] < 0x20 || name.at[i] == 0x7f)
                return false;
    }
    return path.at[path.len - 1] != POLICY_SEP_BYTE;
}

static bool take_settings(struct slice rest, struct policy_settings *settings,
                          struct fault *fault)
{
    uint32_t count;

    if (!take_number(&rest, &count, fault))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t kind = 0, line = 0, column = 0;
        struct slice path, value;

        if (!take_number(&rest, &kind, fault) || !take_number(&rest, &line, fault) ||
            !take_number(&rest, &column, fault) || !take_text(&rest, &path, fault) ||
            !take_text(&rest, &value, fault))
            return false;
        if (!is_setting(kind, line, column, path, value))
            return fault_set(fault, FAULT_INVALID,
                             "settings packet: a setting that cannot be");
        if (!settings_add(settings, path, value, (enum setting_kind)kind, line, column, fault))
            return false;
    }
    if (rest.len > 0)
        return fault_set(fault, FAULT_INVALID, "settings packet has bytes behind its end");
    return are_apart(settings) ||
           fault_set(fault, FAULT_INVALID, "settings packet: a key that is there twice");
}

bool policy_settings_decode(struct slice packet, struct policy_settings **ret_settings,
                            struct fault *fault)
{
    struct policy_settings *settings;
    AUTO_FREE char *file = NULL;
    struct slice name;

    if (packet.len > POLICY_PACKET_BYTES_MAX)
        return fault_set(fault, FAULT_LIMIT, "settings packet of %zu bytes", packet.len);
    if (!take_text(&packet, &name, fault))
        return false;
    file = slice_dup(name);
    settings = settings_new(file);
    if (!take_settings(packet, settings, fault)) {
        policy_settings_free(settings);
        return false;
    }
    *ret_settings = settings;
    return true;
}
