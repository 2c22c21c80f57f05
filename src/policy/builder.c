#include "policy/builder.h"

#include <stdio.h>

#include "base/scope.h"

#define S POLICY_SEP
void *builder_own(struct builder *builder, void *memory)
{
    struct owned *owned = &builder->owned;

    owned->at = xgrow(owned->at, &owned->room, owned->count + 1, sizeof(*owned->at));
    owned->at[owned->count++] = memory;
    return memory;
}

const char *builder_text_at(struct builder *builder, const struct policy_settings *settings,
                            const char *path)
{
    const struct setting *setting = settings_find(settings, "%s", path);

    return setting == NULL ? NULL : builder_own(builder, xstrdup(setting->value));
}

const char *builder_text_of(struct builder *builder, const struct policy_settings *settings,
                            const char *list, size_t index, const char *key)
{
    AUTO_FREE char *path = xformat("%s" S "#%zu" S "%s", list, index, key);

    return builder_text_at(builder, settings, path);
}

/* How many items the list at `path` has. */
size_t builder_list_length(const struct policy_settings *settings, const char *path)
{
    size_t count = 0;

    for (; count < POLICY_SETTINGS_MAX; count++) {
        AUTO_FREE char *item = xformat("%s" S "#%zu", path, count);

        if (settings_below(settings, item) == NULL)
            break;
    }
    return count;
}

const char **builder_texts_of(struct builder *builder, const struct policy_settings *settings,
                              const char *path, size_t *ret_count)
{
    size_t count = builder_list_length(settings, path);
    const char **texts = builder_own(builder, xalloc_array(count + 1, sizeof(*texts)));

    for (size_t i = 0; i < count; i++) {
        AUTO_FREE char *item = xformat("%s" S "#%zu", path, i);

        texts[i] = builder_text_at(builder, settings, item);
    }
    *ret_count = count;
    return texts;
}

/* A number that both may set: the repository's must not widen. 0 of a budget is "no limit". */
bool builder_number(struct builder *builder, const char *path, int64_t *ret_number)
{
    const struct schema_row *row = schema_find(path);
    const struct setting *outer = settings_find(builder->organisation, "%s", path);
    const struct setting *inner = settings_find(builder->repository, "%s", path);
    int64_t number = row->standard == NULL ? 0 : schema_number(row, row->standard);
    bool zero_is_endless = row->narrowing == NARROW_MINIMUM && row->min == 0;
    int64_t asked;
    char shown[200];

    if (outer != NULL)
        number = schema_number(row, outer->value);
    *ret_number = number;
    if (inner == NULL)
        return true;
    asked = schema_number(row, inner->value);
    *ret_number = asked;
    if ((row->narrowing == NARROW_MINIMUM &&
         ((asked > number && !(zero_is_endless && number == 0)) ||
          (zero_is_endless && asked == 0 && number != 0))) ||
        (row->narrowing == NARROW_MAXIMUM && asked < number)) {
        settings_show_path(path, shown, sizeof(shown));
        return settings_fault(builder->repository, inner, builder->fault,
                              "%s: `%s` is wider than the organisation's", shown,
                              inner->value);
    }
    return true;
}

/* The word's place in the row's list; later is stricter (or, for phase, further: refused). */
bool builder_word(struct builder *builder, const char *path, const char *standard,
                  const char **ret_word)
{
    const struct schema_row *row = schema_find(path);
    const struct setting *outer = settings_find(builder->organisation, "%s", path);
    const struct setting *inner = settings_find(builder->repository, "%s", path);
    const char *least = outer == NULL ? standard : outer->value;
    char shown[200];
    int difference;

    *ret_word =
        least; /* what is not said is the default, and that is the organisation's word, too */
    if (inner == NULL)
        return true;
    *ret_word = inner->value;
    difference = schema_word_index(row, inner->value) - schema_word_index(row, least);
    if ((row->narrowing == NARROW_STRICTER && difference < 0) ||
        (row->narrowing == NARROW_LOOSER_NOT && difference > 0)) {
        settings_show_path(path, shown, sizeof(shown));
        return settings_fault(builder->repository, inner, builder->fault,
                              "%s: `%s` is wider than the organisation's `%s`", shown,
                              inner->value, least);
    }
    return true;
}

int64_t builder_number_in(const struct policy_settings *settings, const char *path)
{
    const struct setting *setting = settings_find(settings, "%s", path);

    return setting == NULL ? 0 : schema_number(schema_find(path), setting->value);
}

/* Keys of a map at `prefix`, of both files, with their values. */
struct policy_zone *builder_map(struct builder *builder, const char *prefix, size_t *ret_count)
{
    const struct policy_settings *files[] = {builder->organisation, builder->repository};
    struct policy_zone *pairs = NULL;
    size_t room = 0, count = 0, len = strlen(prefix);

    for (size_t i = 0; i < COUNT(files); i++)
        for (size_t j = 0; files[i] != NULL && j < files[i]->count; j++) {
            const struct setting *setting = &files[i]->at[j];

            if (strncmp(setting->path, prefix, len) != 0 ||
                setting->path[len] != POLICY_SEP_BYTE)
                continue;
            pairs = xgrow(pairs, &room, count + 1, sizeof(*pairs));
            pairs[count++] = (struct policy_zone){
                .glob = builder_own(builder, xstrdup(setting->path + len + 1)),
                .zone = builder_own(builder, xstrdup(setting->value))};
        }
    if (pairs != NULL)
        (void)builder_own(builder, pairs);
    *ret_count = count;
    return pairs;
}
