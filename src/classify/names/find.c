/* classify/names/find.c - windows over a text, labels into spans, margins into confidence. */
#include "classify/names.h"

#include <assert.h>
#include <stdlib.h>

#include "classify/ascii.h"
#include "classify/names/find.h"
#include "classify/names/tag.h"
#include "classify/names/trim.h"
#include "classify/tokens.h"

#define OVERLAP 16U /* tokens on either side of a window that its neighbour decides */

#define GROWTH 8U   /* tokens that a zone grows by */

/* Margins in tenths of a unit, measured: see docs/names.md. What is below the least is no finding. */
#define MARGIN_HIGH 50
#define MARGIN_MEDIUM 20
#define MARGIN_LEAST 7

const char *name_label_name(enum name_label label)
{
    static const char *const names[] = {"person", "address", "location", "organisation"};

    return (size_t)label < COUNT(names) ? names[label] : "";
}

/* The sorts of label that are reported. */
static const struct {
    uint8_t label; /* its label_sort */
    enum name_label name;
} reported[] = {
    {LABEL_B_PERSON, NAME_PERSON},
    {LABEL_B_ADDRESS, NAME_ADDRESS},
    {LABEL_B_LOCATION, NAME_LOCATION},
    {LABEL_B_ORGANISATION, NAME_ORGANISATION},
};

struct search {
    const struct model *model;
    struct slice text;
    enum names_source source;
    size_t part; /* where the part that is looked at begins in the text */
    size_t own;  /* where in the text it begins to be reported */
    names_sink *sink;
    void *self;
    struct name_span span; /* the one that is being read; end is 0: none */
    unsigned sort;
    int margin;
    bool stopped;
    struct window window;
    struct gate gate;
    struct tags tags;
};

/* Words of lines that say whose work a file is. */
static bool is_attribution(struct slice text, size_t start, size_t end)
{
    static const char *const words[] = {"copyright", "author", "authors",  "signed",
                                        "acked",     "maintainer", "reviewed", "contributed",
                                        "written",   "maintainers", "cc", "reported",
                                        "licensed", "license"};
    size_t from = start, to = end;

    while (from > 0 && start - from < 200 && text.at[from - 1] != '\n')
        from--;
    while (to < text.len && to - end < 80 && text.at[to] != '\n')
        to++;
    for (size_t i = 0; i < COUNT(words); i++)
        if (text_holds(slice_part(text, from, start), slice_of(words[i])))
            return true;
    return slice_find(slice_part(text, from, start), SLICE("(c)"), 0) != SIZE_MAX ||
           slice_find(slice_part(text, from, start), SLICE("(C)"), 0) != SIZE_MAX ||
           slice_find(slice_part(text, from, start), SLICE("\xc2\xa9"), 0) != SIZE_MAX;
}

static enum confidence confidence_of(const struct search *search)
{
    int margin = search->margin * 10, unit = (int)search->model->head.unit;

    if (margin < MARGIN_MEDIUM * unit ||
        is_attribution(search->text, search->span.start, search->span.end))
        return CONFIDENCE_LOW;
    return margin < MARGIN_HIGH * unit ? CONFIDENCE_MEDIUM : CONFIDENCE_HIGH;
}

/* In code a part of an expression is no name, whatever it looks like. */
static bool is_expression(const struct search *search)
{
    struct slice text = search->text;
    const struct name_span *span = &search->span;

    return search->source == NAMES_IN_CODE &&
           ((span->start > 0 && memchr("._:>$@", text.at[span->start - 1], 6) != NULL) ||
            (span->end < text.len && memchr("(_[$", text.at[span->end], 4) != NULL));
}

static void span_give(struct search *search)
{
    struct name_span pieces[NAME_PIECES_MAX] = {search->span};
    size_t count = 1;

    if (search->span.label == NAME_PERSON)
        count = names_trim(search->model, search->text, &search->span, pieces);
    for (size_t i = 0; i < count && !search->stopped; i++)
        search->stopped = !search->sink(search->self, &pieces[i]);
}

static void span_end(struct search *search)
{
    if (search->span.end == 0)
        return;
    if (search->span.start < search->own || is_expression(search) ||
        search->margin * 10 < MARGIN_LEAST * (int)search->model->head.unit) {
        search->span.end = 0;
        return;
    }
    search->span.confidence = confidence_of(search);
    span_give(search);
    search->span.end = 0;
}

static void span_take(struct search *search, size_t at)
{
    const struct token *token = &search->window.tokens[at];
    unsigned label = search->tags.label[at], sort = label_sort(label);
    bool goes_on = search->span.end != 0 && sort == search->sort && label != sort;

    if (!goes_on)
        span_end(search);
    for (size_t i = 0; i < COUNT(reported) && !goes_on; i++)
        if (reported[i].label == sort) {
            search->span = (struct name_span){.start = search->part + token->start,
                                              .label = reported[i].name};
            search->sort = sort;
            search->margin = 0;
            goes_on = true;
        }
    if (!goes_on)
        return;
    search->span.end = search->part + token->end;
    if (search->tags.margin[at] > search->margin)
        search->margin = search->tags.margin[at];
}

/* Is the token part of what is reported? */
static bool is_reported(const struct tags *tags, size_t at)
{
    unsigned sort = label_sort(tags->label[at]);

    return sort == LABEL_B_PERSON || sort == LABEL_B_ADDRESS;
}

/* A name that reaches the edge of what was looked at may go on. */
static bool zone_grow(const struct window *window, const struct tags *tags, struct zone *zone)
{
    bool to_left = zone->from > 0 && is_reported(tags, zone->from);
    bool to_right = zone->to < window->count && is_reported(tags, zone->to - 1);

    if (to_left)
        zone->from = zone->from > GROWTH ? zone->from - GROWTH : 0;
    if (to_right)
        zone->to = window->count - zone->to > GROWTH ? zone->to + GROWTH : window->count;
    return to_left || to_right;
}

/* What features of the zone see: from the beginning of its line on. */
static void zone_prepare(struct search *search, struct zone zone)
{
    struct window *window = &search->window;
    size_t from = zone.from > FEATURES_REACH ? zone.from - FEATURES_REACH : 0;
    size_t to = window->count - zone.to > FEATURES_REACH ? zone.to + FEATURES_REACH
                                                         : window->count;

    while (from > 0 && window->tokens[from].breaks == 0)
        from--;
    window_look_up(window, search->model, from, to);
    window_prepare(window, from, to);
}

static void window_tag(struct search *search)
{
    struct window *window = &search->window;
    struct tags *tags = &search->tags;
    struct zone zone = {0};

    memset(tags->label, LABEL_O, sizeof(tags->label));
    memset(tags->margin, 0, sizeof(tags->margin));
    gate_look(&search->gate, window, search->model);
    for (size_t at = 0; gate_next(&search->gate, window, at, &zone); at = zone.to) {
        struct zone known = {0};

        if (at == 0)
            window_compare(window);
        do {
            zone_prepare(search, zone);
            tags_find(search->model, window, zone, known, tags);
            known = zone;
        } while (zone_grow(window, tags, &zone));
        for (size_t i = zone.from; i < zone.to; i++)
            if (search->gate.may_name[i])
                gate_learn(&search->gate, window->tokens[i].word, is_reported(tags, i));
    }
}

/* Labels all tokens of the part, a window at a time; each token is labelled where it has
 * neighbours. */
static void part_read(struct search *search, struct slice part)
{
    struct window *window = &search->window;
    struct token_reader reader = {.text = part};
    size_t own = 0;
    bool more = true;

    window->count = 0;
    while (more && !search->stopped) {
        size_t end;

        while (window->count < WINDOW_TOKENS &&
               (more = token_next(&reader, &window->tokens[window->count])))
            window->count++;
        window_tag(search);
        end = more ? window->count - OVERLAP : window->count;
        for (; own < end && !search->stopped; own++)
            span_take(search, own);
        if (more) {
            size_t keep = 2 * OVERLAP;

            memmove(window->tokens, window->tokens + window->count - keep,
                    keep * sizeof(window->tokens[0]));
            window->count = keep;
            own = OVERLAP;
        }
    }
    if (!search->stopped)
        span_end(search);
}

/* All of the text in one part, or line by line. */
static void text_read(struct search *search, size_t from)
{
    size_t at = from;
    struct slice line;

    if (search->source == NAMES_IN_PROSE) {
        part_read(search, search->text);
        return;
    }
    while (!search->stopped &&
           prose_next(search->model, search->text, at, &search->part, &line)) {
        search->own = (size_t)(line.at - search->text.at);
        at = search->own + line.len;
        part_read(search, slice_part(search->text, search->part, at));
    }
}

bool names_find_with(const struct model *model, struct slice text, enum names_source source,
                     names_sink *sink, void *self)
{
    struct slice line;
    size_t context = 0;
    struct search *search;
    bool stopped;

    /* Most files have nothing that is worth a search. */
    if (source == NAMES_IN_CODE && !prose_next(model, text, 0, &context, &line))
        return true;
    search = xalloc(sizeof(*search));
    search->model = model;
    search->text = text;
    search->source = source;
    search->sink = sink;
    search->self = self;
    text_read(search, context);
    stopped = search->stopped;
    free(search);
    return !stopped;
}

static const struct model *embedded_model(void)
{
    static struct model model;
    static struct model_sift sift;
    static bool is_open;

    if (!is_open) {
        bool ok = names_embedded_count == 1 &&
                  model_open(slice_of_bytes(names_embedded[0].at, names_embedded[0].len), &model);

        assert(ok); /* compiled in, and tested */
        if (!ok)
            abort();
        model_use_sift(&model, &sift);
        is_open = true;
    }
    return &model;
}

bool names_find(struct slice text, enum names_source source, names_sink *sink, void *self)
{
    return names_find_with(embedded_model(), text, source, sink, self);
}
