#include "gateway/door/answer/mould.h"

#include <stdlib.h>

struct mould {
    size_t len;
    uint32_t count;
    struct mould_leaf leaves[]; /* then the event's data */
};

void mould_note(struct mould_making *making, struct slice document,
                const struct json_leaf *leaf, bool is_fixed, enum mould_kind kind, void *voice)
{
    if (making->count == MOULD_LEAVES_MAX || document.len > MOULD_BYTES_MAX)
        making->is_spoilt = true;
    if (making->is_spoilt)
        return;
    making->leaves[making->count++] =
        (struct mould_leaf){.kind = kind,
                            .is_fixed = is_fixed,
                            .from = (uint32_t)(leaf->raw.at - document.at),
                            .len = (uint32_t)leaf->raw.len,
                            .voice = voice};
}

static uint8_t *text_of(struct mould *mould)
{
    return (uint8_t *)&mould->leaves[mould->count];
}

struct mould *mould_make(const struct mould_making *making, struct slice document)
{
    struct mould *mould;

    if (making->is_spoilt || making->count == 0)
        return NULL;
    mould = xalloc(sizeof(*mould) + making->count * sizeof(mould->leaves[0]) + document.len);
    mould->len = document.len;
    mould->count = making->count;
    memcpy(mould->leaves, making->leaves, making->count * sizeof(mould->leaves[0]));
    memcpy(text_of(mould), document.at, document.len);
    return mould;
}

void mould_free(struct mould *mould)
{
    free(mould);
}

uint32_t mould_count(const struct mould *mould)
{
    return mould->count;
}

const struct mould_leaf *mould_leaf(const struct mould *mould, uint32_t number)
{
    return &mould->leaves[number];
}

static bool goes_on_number(struct slice document, size_t at)
{
    return at < document.len && strchr("0123456789.eE+-", document.at[at]) != NULL &&
           document.at[at] != 0;
}

/* A string ends where its bytes say, a number where something else begins. */
static bool is_same(const struct mould_leaf *leaf, struct slice was, struct slice document,
                    size_t at)
{
    return was.len <= document.len - at && memcmp(document.at + at, was.at, was.len) == 0 &&
           (leaf->kind <= MOULD_TEXT || !goes_on_number(document, at + was.len));
}

static bool pass_leaf(const struct mould_leaf *leaf, struct slice document, size_t *at)
{
    return leaf->kind <= MOULD_TEXT ? json_pass_string(document, at)
                                    : json_pass_number(document, at);
}

bool mould_fits(const struct mould *mould, struct slice document,
                struct slice ret_raw[MOULD_LEAVES_MAX], uint32_t *ret_same)
{
    struct slice was = {(const uint8_t *)&mould->leaves[mould->count], mould->len};
    size_t was_at = 0, at = 0, between;

    *ret_same = 0;
    for (uint32_t i = 0; i < mould->count; i++) {
        const struct mould_leaf *leaf = &mould->leaves[i];
        size_t from;

        between = leaf->from - was_at;
        if (between > document.len - at ||
            memcmp(document.at + at, was.at + was_at, between) != 0)
            return false;
        from = at += between;
        was_at = leaf->from + leaf->len;
        if (is_same(leaf, slice_part(was, leaf->from, was_at), document, at)) {
            *ret_same |= 1U << i;
            at += leaf->len;
        } else if (leaf->is_fixed || !pass_leaf(leaf, document, &at)) {
            return false;
        }
        ret_raw[i] = slice_part(document, from, at);
    }
    between = was.len - was_at;
    return between == document.len - at &&
           memcmp(document.at + at, was.at + was_at, between) == 0;
}
