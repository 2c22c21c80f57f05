/*
 * policy/settings.h - a policy file as a flat list: path, value, place. Private to policy/.
 *
 * A path is names joined by POLICY_SEP; a list's items are "#0", "#1", ...: "models#0name" in
 * spirit. An empty list or map is a setting of its own.
 */
#ifndef CUSTODY_POLICY_SETTINGS_H
#define CUSTODY_POLICY_SETTINGS_H

#include "policy/policy.h"

#define POLICY_SEP "\x1f"
#define POLICY_SEP_BYTE 0x1f
#define POLICY_SETTINGS_MAX 8192
#define POLICY_DEPTH_MAX 8
#define POLICY_PATH_BYTES_MAX 2048

enum setting_kind { SETTING_VALUE, SETTING_EMPTY_LIST, SETTING_EMPTY_MAP };

struct setting {
    char *path;
    char *value; /* "" for empty lists and maps */
    enum setting_kind kind;
    uint32_t line, column; /* from 1 */
};

struct policy_settings {
    char *file;
    struct setting *at;
    size_t count, room;
};

struct policy_settings *settings_new(const char *file);
MUST_USE bool settings_add(struct policy_settings *settings, struct slice path,
                           struct slice value, enum setting_kind kind, uint32_t line,
                           uint32_t column, struct fault *fault);
/* The setting at a formatted path, or NULL. */
const struct setting *settings_find(const struct policy_settings *settings, const char *format,
                                    ...) __attribute__((format(printf, 2, 3)));
/* Is there anything at or below the path? */
const struct setting *settings_below(const struct policy_settings *settings, const char *path);
/* FAULT_INVALID "file:line:column: text". */
bool settings_fault(const struct policy_settings *settings, const struct setting *setting,
                    struct fault *fault, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The path as a person writes it: models[0].name. Into `text`. */
void settings_show_path(const char *path, char *text, size_t room);

#endif
