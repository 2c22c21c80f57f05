#include "bench/classify/vectorscan.h"

#include <hs/hs.h>
#include <stdlib.h>

static hs_database_t *database;
static hs_scratch_t *scratch;

bool vectorscan_use(const struct rules *rules)
{
    size_t room = rules->anchor_count + 1;
    const char **texts = xalloc_array(room, sizeof(*texts));
    unsigned *flags = xalloc_array(room, sizeof(*flags));
    unsigned *ids = xalloc_array(room, sizeof(*ids));
    size_t *lens = xalloc_array(room, sizeof(*lens));
    hs_compile_error_t *error = NULL;
    unsigned count = 0;
    bool ok;

    for (size_t i = 0; i < rules->count; i++)
        for (size_t k = 0; k < rules->at[i].rule.keywords.count; k++, count++) {
            texts[count] = (const char *)rules->at[i].rule.keywords.at[k].at;
            lens[count] = rules->at[i].rule.keywords.at[k].len;
            flags[count] = rules->at[i].rule.is_cased ? 0 : HS_FLAG_CASELESS;
            ids[count] = count;
        }
    ok = hs_compile_lit_multi(texts, flags, ids, lens, count, HS_MODE_BLOCK, NULL, &database,
                              &error) == HS_SUCCESS &&
         hs_alloc_scratch(database, &scratch) == HS_SUCCESS;
    free(texts);
    free(flags);
    free(ids);
    free(lens);
    return ok;
}

static int count_hit(unsigned id, unsigned long long from, unsigned long long to,
                     unsigned flags, void *count)
{
    (void)id, (void)from, (void)to, (void)flags;
    ++*(size_t *)count;
    return 0;
}

size_t vectorscan_find(struct slice text)
{
    size_t count = 0;

    (void)hs_scan(database, (const char *)text.at, (unsigned)text.len, 0, scratch, count_hit,
                  &count);
    return count;
}
