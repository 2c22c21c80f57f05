/* All keywords of all rules as one Vectorscan database of literals. Its compiler is loaded where
 * it is needed (once a rule set); whoever only classifies links the small runtime. */
#include <dlfcn.h>
#include <hs/hs_compile.h>
#include <hs/hs_runtime.h>
#include <stdlib.h>

#include "base/scope.h"
#include "classify/rule.h"

#define LIBRARY "libhs.so.5"

struct compiler {
    hs_error_t (*compile)(const char *const *texts, const unsigned *flags, const unsigned *ids,
                          const size_t *lens, unsigned count, unsigned mode,
                          const hs_platform_info_t *platform, hs_database_t **ret_database,
                          hs_compile_error_t **ret_error);
    hs_error_t (*free_error)(hs_compile_error_t *error);
    hs_error_t (*serialize)(const hs_database_t *database, char **ret_bytes, size_t *ret_len);
    hs_error_t (*free_database)(hs_database_t *database);
};

static bool load(struct compiler *ret_compiler, struct fault *fault)
{
    static const struct symbol {
        const char *name;
        size_t offset;
    } symbols[] = {
        {"hs_compile_lit_multi", offsetof(struct compiler, compile)},
        {"hs_free_compile_error", offsetof(struct compiler, free_error)},
        {"hs_serialize_database", offsetof(struct compiler, serialize)},
        {"hs_free_database", offsetof(struct compiler, free_database)},
    };
    void *loaded = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);

    if (loaded == NULL)
        return fault_set(fault, FAULT_HOST, "load %s: %s; apt-get install libvectorscan5",
                         LIBRARY, dlerror());
    for (size_t i = 0; i < COUNT(symbols); i++) {
        void *found = dlsym(loaded, symbols[i].name);

        if (found == NULL)
            return fault_set(fault, FAULT_HOST, "%s has no %s", LIBRARY, symbols[i].name);
        memcpy((char *)ret_compiler + symbols[i].offset, &found, sizeof(found));
    }
    return true;
}

struct literals {
    const char **texts;
    unsigned *flags, *ids;
    size_t *lens;
    unsigned count;
};

static void add_literals(struct literals *literals, const struct rule *rule)
{
    for (size_t i = 0; i < rule->keywords.count; i++) {
        literals->texts[literals->count] = (const char *)rule->keywords.at[i].at;
        literals->lens[literals->count] = rule->keywords.at[i].len;
        literals->flags[literals->count] = rule->is_cased ? 0 : HS_FLAG_CASELESS;
        literals->ids[literals->count] = literals->count;
        literals->count++;
    }
}

static bool compile(const struct compiler *compiler, const struct literals *literals,
                    struct buf *ret_database, struct fault *fault)
{
    hs_database_t *database = NULL;
    hs_compile_error_t *error = NULL;
    char *bytes = NULL;
    size_t len = 0;
    bool ok;

    if (compiler->compile(literals->texts, literals->flags, literals->ids, literals->lens,
                          literals->count, HS_MODE_BLOCK, NULL, &database,
                          &error) != HS_SUCCESS) {
        (void)fault_set(fault, FAULT_INVALID, "keywords: %s",
                        error == NULL ? "cannot be compiled" : error->message);
        (void)compiler->free_error(error);
        return false;
    }
    ok = compiler->serialize(database, &bytes, &len) == HS_SUCCESS
             ? buf_add(ret_database, slice_of_bytes(bytes, len), fault)
             : fault_set(fault, FAULT_IO, "cannot serialise the database");
    free(bytes);
    (void)compiler->free_database(database);
    return ok;
}

bool rules_compile(const struct rule_list *list, struct buf *ret_database, struct fault *fault)
{
    struct compiler compiler;
    size_t count = 0;

    for (size_t i = 0; i < list->count; i++)
        count += list->at[i].keywords.count;
    if (count == 0)
        return true;
    if (!load(&compiler, fault))
        return false;

    AUTO_FREE const char **texts = xalloc_array(count, sizeof(*texts));
    AUTO_FREE unsigned *flags = xalloc_array(count, sizeof(*flags));
    AUTO_FREE unsigned *ids = xalloc_array(count, sizeof(*ids));
    AUTO_FREE size_t *lens = xalloc_array(count, sizeof(*lens));
    struct literals literals = {.texts = texts, .flags = flags, .ids = ids, .lens = lens};

    for (size_t i = 0; i < list->count; i++)
        add_literals(&literals, &list->at[i]);
    return compile(&compiler, &literals, ret_database, fault);
}
