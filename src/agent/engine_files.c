/* Where engine files come from: the state folder first, then what is compiled in. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>

#include "agent/engine.h"
#include "agent/engine_parts.h"
#include "base/scope.h"
#include "os/file.h"

static const char suffix[] = ".yaml";

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_name(struct engine_texts *names, const char *file)
{
    struct slice name = slice_of(file);

    if (!slice_ends_with(name, slice_of(suffix)))
        return;
    name.len -= strlen(suffix);
    if (!engine_name_is_valid(name))
        return;
    for (size_t i = 0; i < names->count; i++)
        if (slice_equal(name, slice_of(names->at[i])))
            return;

    AUTO_FREE char *copy = slice_dup(name);

    engine_texts_add(names, copy);
}

bool engine_names(const char *folder, struct engine_texts *ret_names, struct fault *fault)
{
    struct engine_texts names = {0};

    for (size_t i = 0; i < engine_embedded_count; i++)
        add_name(&names, engine_embedded[i].name);
    if (folder != NULL && file_exists(AT_FDCWD, folder)) {
        DIR *entries = opendir(folder);
        struct dirent *entry;

        if (entries == NULL) {
            engine_names_free(&names);
            return fault_errno(fault, "open %s", folder);
        }
        while ((entry = readdir(entries)) != NULL)
            add_name(&names, entry->d_name);
        (void)closedir(entries);
    }
    if (names.count > 1)
        qsort(names.at, names.count, sizeof(names.at[0]), compare_texts);
    *ret_names = names;
    return true;
}

static bool missing(const char *folder, const char *name, struct fault *fault)
{
    AUTO_BUF struct buf list = buf_with_limit(300);
    struct engine_texts names = {0};
    struct fault ignored = {0};

    if (engine_names(folder, &names, &ignored))
        for (size_t i = 0; i < names.count; i++)
            if (!buf_add_format(&list, &ignored, "%s%s", i == 0 ? "" : ", ", names.at[i]))
                break;
    engine_names_free(&names);
    return fault_set(fault, FAULT_MISSING, "there is no engine %.60s; there are %s", name,
                     buf_text(&list));
}

static bool check_name(const char *name, struct engine *engine, const char *where,
                       struct engine **ret_engine, struct fault *fault)
{
    if (strcmp(engine->name, name) != 0) {
        (void)fault_set(fault, FAULT_INVALID, "%s: it says that its name is %s", where,
                        engine->name);
        engine_free(engine);
        return false;
    }
    *ret_engine = engine;
    return true;
}

bool engine_load(const char *folder, const char *name, struct engine **ret_engine,
                 struct fault *fault)
{
    AUTO_FREE char *path = xformat("%s/%s%s", folder == NULL ? "" : folder, name, suffix);
    AUTO_FREE char *file = xformat("%s%s", name, suffix);
    struct engine *engine;

    if (!engine_name_is_valid(slice_of(name)))
        return missing(folder, name, fault);
    if (folder != NULL && file_exists(AT_FDCWD, path)) {
        AUTO_BUF struct buf text = buf_with_limit(ENGINE_FILE_BYTES_MAX);

        return file_read(AT_FDCWD, path, &text, fault) &&
               engine_parse(buf_slice(&text), path, &engine, fault) &&
               check_name(name, engine, path, ret_engine, fault);
    }
    for (size_t i = 0; i < engine_embedded_count; i++)
        if (strcmp(engine_embedded[i].name, file) == 0)
            return engine_parse(slice_of_bytes(engine_embedded[i].at, engine_embedded[i].len),
                                file, &engine, fault) &&
                   check_name(name, engine, file, ret_engine, fault);
    return missing(folder, name, fault);
}
