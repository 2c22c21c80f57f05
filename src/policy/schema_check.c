/* A file's settings against the table: known, in the right file, of the right type. */
#include <stdio.h>

#include "base/scope.h"
#include "policy/glob.h"
#include "policy/schema.h"

/* Levenshtein, for short words: what was probably meant. */
static size_t distance(struct slice a, struct slice b)
{
    size_t row[40];

    if (a.len > 32 || b.len > 32)
        return SIZE_MAX;
    for (size_t j = 0; j <= b.len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t corner = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t above = row[j];
            size_t best = corner + (a.at[i - 1] != b.at[j - 1]);

            best = above + 1 < best ? above + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            row[j] = best;
            corner = above;
        }
    }
    return row[b.len];
}

/* Among the keys that may stand `depth` levels down. */
static struct slice nearest_key(struct slice wrong, size_t depth)
{
    struct slice best = {0};
    size_t best_distance = 3;

    for (size_t i = 0; i < schema_row_count; i++) {
        struct slice rest = slice_of(schema_rows[i].path);
        struct slice key = {0};
        bool there = true;

        for (size_t level = 0; there && level <= depth; level++)
            there = slice_cut(&rest, POLICY_SEP_BYTE, &key);
        if (there && key.len > 1 && distance(key, wrong) < best_distance) {
            best = key;
            best_distance = distance(key, wrong);
        }
    }
    return best;
}

static bool unknown_key(const struct policy_settings *settings, const struct setting *setting,
                        struct fault *fault)
{
    AUTO_FREE char *path = xstrdup(setting->path);
    struct slice wrong, meant;
    size_t depth = 0;
    char shown[200];
    char *last = strrchr(path, POLICY_SEP_BYTE);

    /* Name the outermost part that is not known, not the leaf below it. */
    while (last != NULL) {
        *last = 0;
        if (schema_is_above_a_row(path) || schema_find(path) != NULL) {
            *last = POLICY_SEP_BYTE;
            break;
        }
        last = strrchr(path, POLICY_SEP_BYTE);
    }
    wrong = slice_of(last == NULL ? path : last + 1);
    for (const char *at = path; *at != 0; at++)
        depth += *at == POLICY_SEP_BYTE;
    meant = nearest_key(wrong, depth);
    settings_show_path(path, shown, sizeof(shown));
    if (wrong.len > 0 && wrong.at[0] == '#')
        return settings_fault(settings, setting, fault, "%s: a list has no place here", shown);
    return settings_fault(settings, setting, fault, "unknown key `%s`%s%.*s%s", shown,
                          meant.len > 0 ? "; did you mean `" : "", SLICE_ARGS(meant),
                          meant.len > 0 ? "`?" : "");
}

static bool is_zone(struct slice name)
{
    struct slice rest = SLICE(SCHEMA_ZONES);
    struct slice zone;

    while (slice_cut(&rest, ' ', &zone))
        if (slice_equal(zone, name))
            return true;
    return false;
}

/* The key that a "*" of the row stands for: a class, a pattern, a role, a zone. */
static bool check_key(const struct policy_settings *settings, const struct setting *setting,
                      const char *shown, struct fault *fault)
{
    struct slice rest = slice_of(setting->path);
    struct slice first = {0}, second = {0}, third = {0};
    enum data_class class;
    struct fault why = {0};

    (void)slice_cut(&rest, POLICY_SEP_BYTE, &first);
    (void)slice_cut(&rest, POLICY_SEP_BYTE, &second);
    (void)slice_cut(&rest, POLICY_SEP_BYTE, &third);
    if (slice_equal(first, SLICE("data")) && !class_parse(second, &class))
        return settings_fault(
            settings, setting, fault,
            "%s: `%.*s` is not a class of data (phi pan secret pii opaque code)", shown,
            SLICE_ARGS(second));
    if (slice_equal(first, SLICE("approvals")) && slice_equal(second, SLICE("zone")) &&
        !is_zone(third))
        return settings_fault(settings, setting, fault,
                              "%s: `%.*s` is not a zone (" SCHEMA_ZONES ")", shown,
                              SLICE_ARGS(third));
    if (slice_equal(first, SLICE("paths")) && slice_equal(second, SLICE("zone")) &&
        !glob_check(third, &why))
        return settings_fault(settings, setting, fault, "%s: %s", shown, why.why);
    return true;
}

/* Says no more than what holds without it. */
static bool is_standard(const struct schema_row *row, const struct setting *setting)
{
    return setting->kind != SETTING_VALUE ||
           (row->standard != NULL && strcmp(row->standard, setting->value) == 0);
}

static bool check_one(const struct policy_settings *settings, const struct setting *setting,
                      unsigned file, struct fault *fault)
{
    const struct schema_row *row = schema_find(setting->path);
    char shown[200];

    settings_show_path(setting->path, shown, sizeof(shown));
    if (row == NULL && setting->kind != SETTING_VALUE && schema_is_above_a_row(setting->path))
        return true;
    if (row == NULL)
        return schema_is_above_a_row(setting->path)
                   ? settings_fault(settings, setting, fault,
                                    "%s: a value stands where keys belong", shown)
                   : unknown_key(settings, setting, fault);
    if ((row->files & file) == 0)
        return settings_fault(settings, setting, fault, "%s: only the %s may say this", shown,
                              file == SCHEMA_REPOSITORY ? "organisation's policy.yaml"
                                                        : "repository's custody.yaml");
    if (setting->kind != SETTING_VALUE)
        return settings_fault(settings, setting, fault, "%s: a %s belongs here", shown,
                              schema_type_name(row->type));
    if (!check_key(settings, setting, shown, fault))
        return false;
    if (!schema_check_value(settings, setting, row, shown, fault))
        return false;
    return true;
}

bool schema_check(const struct policy_settings *settings, unsigned file, struct fault *fault)
{
    for (size_t i = 0; i < settings->count; i++)
        if (!check_one(settings, &settings->at[i], file, fault))
            return false;
    if (settings_find(settings, "version") == NULL)
        return fault_set(fault, FAULT_INVALID, "%s:1:1: `version: 1` is missing",
                         settings->file);
    return true;
}

void policy_notes(const struct policy_settings *settings, policy_note *tell, void *self)
{
    for (size_t i = 0; settings != NULL && i < settings->count; i++) {
        const struct setting *setting = &settings->at[i];
        const struct schema_row *row = schema_find(setting->path);
        char shown[200];

        if (row == NULL || row->effect != EFFECT_NOTED || is_standard(row, setting))
            continue;
        settings_show_path(setting->path, shown, sizeof(shown));
        tell(self, settings->file, setting->line, setting->column, shown);
    }
}
