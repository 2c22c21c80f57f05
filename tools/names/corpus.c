#include "tools/names/corpus.h"

#include <endian.h>
#include <stdlib.h>

static const struct {
    const char *sort;
    uint8_t begin, inside;
} sorts[] = {
    {"person", LABEL_B_PERSON, LABEL_I_PERSON},
    {"address", LABEL_B_ADDRESS, LABEL_I_ADDRESS},
    {"location", LABEL_B_LOCATION, LABEL_I_LOCATION},
    {"organisation", LABEL_B_ORGANISATION, LABEL_I_ORGANISATION},
    {"title", LABEL_TITLE, LABEL_TITLE},
    {"date", LABEL_DATE, LABEL_DATE},
    {"nation", LABEL_NATION, LABEL_NATION},
    {"age", LABEL_AGE, LABEL_AGE},
};

static void give_up(const char *why)
{
    (void)fprintf(stderr, "names-train: %s\n", why);
    exit(2);
}

static void spans_read(FILE *file, struct text_span *spans, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char sort[32];

        if (fscanf(file, "%zu %zu %31s", &spans[i].start, &spans[i].end, sort) != 3)
            give_up("a span is cut short");
        for (spans[i].sort = 0; spans[i].sort < COUNT(sorts); spans[i].sort++)
            if (strcmp(sorts[spans[i].sort].sort, sort) == 0)
                break;
        if (spans[i].sort == COUNT(sorts))
            give_up("a span of no known sort");
    }
}

/* The label of a token: of the span that it begins in or overlaps. */
static uint8_t label_of(const struct token *token, const struct text_span *spans, size_t count,
                        size_t *previous)
{
    for (size_t i = 0; i < count; i++) {
        bool goes_on = *previous == i;

        if (token->end <= spans[i].start || token->start >= spans[i].end)
            continue;
        *previous = i;
        return goes_on ? sorts[spans[i].sort].inside : sorts[spans[i].sort].begin;
    }
    *previous = SIZE_MAX;
    return LABEL_O;
}

/* Makes some names unknown: which ones is in the word and the text's own mask. */
static void mask_names(struct window *window, unsigned percent, uint32_t seed)
{
    for (size_t i = 0; i < window->count; i++)
        if (names_mix(window->tokens[i].word, seed) % 100 < percent)
            window->class[i] &= (uint8_t)~(WORD_GIVEN | WORD_FAMILY);
}

static void sample_add(struct samples *samples, const struct window *window,
                       const uint8_t *labels)
{
    struct sample sample = {.count = window->count};
    size_t used = 0;

    sample.features = xalloc_array(window->count * FEATURES_MAX, sizeof(uint32_t));
    sample.feature_count = xalloc_array(window->count, sizeof(uint16_t));
    sample.labels = xalloc_array(window->count, 1);
    for (size_t i = 0; i < window->count; i++) {
        sample.feature_count[i] =
            (uint16_t)window_features(window, i, sample.features + used);
        used += sample.feature_count[i];
        sample.labels[i] = labels[i];
    }
    sample.features = realloc(sample.features, used * sizeof(uint32_t));
    samples->at = xgrow(samples->at, &samples->room, samples->count + 1, sizeof(sample));
    samples->at[samples->count++] = sample;
}

static void text_add(struct samples *samples, const struct model *lists, struct slice text,
                     const struct text_span *spans, size_t span_count, unsigned mask)
{
    static struct window window;
    struct token_reader reader = {.text = text};
    size_t previous = SIZE_MAX;
    bool more = true;

    while (more) {
        uint8_t labels[WINDOW_TOKENS];

        window.count = 0;
        while (window.count < WINDOW_TOKENS &&
               (more = token_next(&reader, &window.tokens[window.count]))) {
            labels[window.count] =
                label_of(&window.tokens[window.count], spans, span_count, &previous);
            window.count++;
        }
        if (window.count == 0)
            return;
        window_look_up(&window, lists, 0, window.count);
        mask_names(&window, mask, (uint32_t)samples->count);
        window_prepare(&window, 0, window.count);
        window_compare(&window);
        sample_add(samples, &window, labels);
    }
}

bool text_next(FILE *file, struct labelled_text *ret_text)
{
    struct labelled_text text = {0};
    size_t length;
    uint8_t *bytes;
    int got = fscanf(file, " text %zu %zu %u", &length, &text.span_count, &text.mask);

    if (got == EOF)
        return false;
    if (got != 3)
        give_up("no text where one was expected");
    bytes = xalloc(length + 1);
    text.spans = xalloc_array(text.span_count + 1, sizeof(*text.spans));
    if (fgetc(file) != '\n' || fread(bytes, 1, length, file) != length)
        give_up("a text is cut short");
    text.bytes = slice_of_bytes(bytes, length);
    spans_read(file, text.spans, text.span_count);
    *ret_text = text;
    return true;
}

void text_free(struct labelled_text *text)
{
    free((void *)(uintptr_t)text->bytes.at);
    free(text->spans);
}

unsigned sort_label(size_t sort)
{
    return sorts[sort].begin;
}

void samples_read(FILE *file, const struct model *lists, struct samples *ret_samples)
{
    struct labelled_text text;

    while (text_next(file, &text)) {
        text_add(ret_samples, lists, text.bytes, text.spans, text.span_count, text.mask);
        text_free(&text);
    }
    if (ret_samples->count == 0)
        give_up("no text");
}

void lists_read(FILE *file, struct model *ret_lists)
{
    size_t room = 0, count = 0;
    uint32_t *entries = NULL, *table;
    char word[200];
    unsigned class;
    struct model lists = {0};

    while (fscanf(file, "%u %199s", &class, word) == 2) {
        struct token_reader reader = {.text = slice_of(word)};
        struct token token;

        if (!token_next(&reader, &token) || reader.at != reader.text.len || class > 255)
            give_up(word);
        entries = xgrow(entries, &room, count + 1, sizeof(*entries));
        entries[count++] = (token.word & 0xffffff00U) | class;
        entries = xgrow(entries, &room, count + 1, sizeof(*entries));
        entries[count++] = token.word;
    }
    lists.head.word_slots = (uint32_t)(count / 2 * 7 / 5 + 1);
    table = xalloc_array(lists.head.word_slots, sizeof(*table));
    for (size_t i = 0; i < count; i += 2) {
        uint32_t slot = model_slot(entries[i + 1], lists.head.word_slots);

        while (table[slot] != 0 && ((le32toh(table[slot]) ^ entries[i]) & 0xffffff00U) != 0)
            slot = slot + 1 < lists.head.word_slots ? slot + 1 : 0;
        table[slot] = htole32(le32toh(table[slot]) | entries[i]);
    }
    free(entries);
    lists.words = (const uint8_t *)table;
    *ret_lists = lists;
}
