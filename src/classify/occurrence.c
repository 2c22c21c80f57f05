/* Rabin and Karp's search, for many needles of one length in one pass. */
#include "classify/occurrence.h"

#include "base/scope.h"

#define WINDOW_MAX 64
#define BASE UINT64_C(0x9e3779b97f4a7c15)

/* The part of a text that is looked for: all of a short one, 64 bytes of a longer one. */
struct needle {
    uint64_t hash;
    uint32_t text; /* 1 + its place; 0: an empty slot */
};

struct search {
    struct slice content;
    struct occurrence *texts;
    struct needle *slots;
    size_t mask;
    size_t window;
    struct occurrence_work *work;
};

static size_t window_of(const struct occurrence *text)
{
    return text->text.len < WINDOW_MAX ? text->text.len : WINDOW_MAX;
}

/* Where the window lies in its text: at its own part, as far as that leaves room. */
static size_t window_at(const struct occurrence *text)
{
    size_t last = text->text.len - window_of(text);

    return text->changed < last ? text->changed : last;
}

static uint64_t roll(uint64_t hash, uint8_t byte)
{
    return hash * BASE + byte + 1;
}

static size_t slot_of(const struct search *search, uint64_t hash)
{
    return (size_t)((hash * BASE) >> 32) &
           search->mask; /* its low bits depend on the last bytes alone */
}

static bool too_much(const struct search *search, struct fault *fault)
{
    return search->work->done > search->work->limit &&
           !fault_set(fault, FAULT_LIMIT, "the values of this file take too long to replace");
}

static void add_needle(struct search *search, size_t number)
{
    const struct occurrence *text = &search->texts[number];
    const uint8_t *from = text->text.at + window_at(text);
    uint64_t hash = 0;
    size_t slot;

    for (size_t i = 0; i < search->window; i++)
        hash = roll(hash, from[i]);
    slot = slot_of(search, hash);
    for (; search->slots[slot].text != 0; slot = (slot + 1) & search->mask)
        search->work->done++;
    search->slots[slot] = (struct needle){.hash = hash, .text = (uint32_t)number + 1};
}

/* Does the text stand where its window was met? */
static bool stands_at(const struct search *search, const struct occurrence *text, size_t at)
{
    size_t offset = window_at(text);

    return at >= offset &&
           slice_starts_with(slice_part(search->content, at - offset, search->content.len),
                             text->text);
}

static void judge(struct search *search, uint64_t hash, size_t at)
{
    for (size_t slot = slot_of(search, hash); search->slots[slot].text != 0;
         slot = (slot + 1) & search->mask) {
        struct occurrence *text = &search->texts[search->slots[slot].text - 1];

        search->work->done++;
        if (search->slots[slot].hash == hash && !text->found)
            text->found = stands_at(search, text, at);
    }
}

static bool pass(struct search *search, struct fault *fault)
{
    struct slice content = search->content;
    uint64_t hash = 0, leaving = 1;

    for (size_t i = 0; i < search->window; i++)
        leaving *= BASE;
    for (size_t i = 0; i < content.len; i++) {
        hash = roll(hash, content.at[i]);
        if (i >= search->window)
            hash -= leaving * (content.at[i - search->window] + UINT64_C(1));
        search->work->done++;
        if (too_much(search, fault))
            return false;
        if (i + 1 >= search->window)
            judge(search, hash, i + 1 - search->window);
    }
    return true;
}

bool occurrence_find(struct slice content, struct occurrence *texts, size_t count,
                     struct occurrence_work *work, struct fault *fault)
{
    struct search search = {.content = content, .texts = texts, .mask = 1, .work = work};
    size_t counts[WINDOW_MAX + 1] = {0};
    AUTO_FREE struct needle *slots = NULL;

    while (search.mask < count * 2 + 1)
        search.mask = search.mask * 2 + 1;
    slots = xalloc_array(search.mask + 1, sizeof(*slots));
    search.slots = slots;
    for (size_t i = 0; i < count; i++)
        counts[window_of(&texts[i])]++;
    for (search.window = 1; search.window <= WINDOW_MAX; search.window++) {
        if (counts[search.window] == 0 || search.window > content.len)
            continue;
        memset(search.slots, 0, (search.mask + 1) * sizeof(*search.slots));
        for (size_t i = 0; i < count; i++) {
            if (window_of(&texts[i]) == search.window)
                add_needle(&search, i);
            if (too_much(&search, fault))
                return false;
        }
        if (!pass(&search, fault))
            return false;
    }
    return true;
}
