/* Any literals in any text: what is found is what a search for each finds, in order, by each way. The first byte says how many
 * literals there are; each begins with a byte for its length and case. */
#include <stdint.h>
#include <stdlib.h>

#include "classify/ascii.h"
#include "classify/keywords.h"

#define LITERALS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Where the search for each has got to. */
struct hunt {
    const struct keyword *all;
    size_t count;
    struct slice text;
    size_t keyword, end;
};

static bool is_at(const struct keyword *keyword, const uint8_t *at)
{
    for (size_t i = 0; i < keyword->text.len; i++)
        if (keyword->is_cased ? at[i] != keyword->text.at[i]
                              : lower(at[i]) != lower(keyword->text.at[i]))
            return false;
    return true;
}

/* The next that there is; false: none. */
static bool next(struct hunt *hunt)
{
    for (; hunt->end <= hunt->text.len; hunt->end++, hunt->keyword = 0)
        for (; hunt->keyword < hunt->count; hunt->keyword++) {
            const struct keyword *keyword = &hunt->all[hunt->keyword];

            if (keyword->text.len <= hunt->end &&
                is_at(keyword, hunt->text.at + hunt->end - keyword->text.len))
                return true;
        }
    return false;
}

static bool expect(void *self, size_t keyword, size_t end)
{
    struct hunt *hunt = self;

    if (!next(hunt) || hunt->keyword != keyword || hunt->end != end)
        abort();
    hunt->keyword++;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = slice_of_bytes(data, size);
    struct keyword all[LITERALS_MAX];
    size_t count = 0, most = size == 0 ? 0 : data[0] % LITERALS_MAX;
    struct keywords *keywords;
    uint8_t *copy;

    rest = slice_part(rest, 1, rest.len);
    while (count < most && rest.len > 0) {
        size_t len = KEYWORD_BYTES_MIN + (rest.at[0] & 127U) % (KEYWORD_BYTES_MAX - KEYWORD_BYTES_MIN + 1);

        if (rest.len - 1 < len)
            break;
        all[count++] = (struct keyword){slice_part(rest, 1, 1 + len), rest.at[0] > 127};
        rest = slice_part(rest, 1 + len, rest.len);
    }
    copy = malloc(rest.len + 1); /* of its own, so that a byte too far is seen */
    if (copy == NULL)
        abort();
    if (rest.len > 0)
        memcpy(copy + 1, rest.at, rest.len);
    keywords = keywords_new(all, count);
    for (int way = 0; way < 2; way++) {
        struct hunt hunt = {
            .all = all, .count = count, .text = slice_of_bytes(copy + 1, rest.len)};

        if (!(way == 0 ? keywords_find : keywords_find_plainly)(keywords, hunt.text, expect, &hunt) ||
            next(&hunt))
            abort();
    }
    keywords_free(keywords);
    free(copy);
    return 0;
}
