/*
 * names-eval - how well a model finds what texts are labelled with.
 *
 * Usage: names-eval MODEL CORPUS [--show]   counts, a line for each label and least confidence
 *        names-eval MODEL --code FILE...    what is found in source files
 *
 * Exact: both ends are right. Overlap: some byte in common; each span counts once.
 */
#include <stdlib.h>

#include "base/scope.h"
#include "classify/names/find.h"
#include "tools/names/corpus.h"

#define FOUND_MAX 4096

struct found {
    size_t count;
    struct name_span at[FOUND_MAX];
};

struct score {
    size_t labelled, found, exact, labelled_met, found_met;
};

static bool keep(void *self, const struct name_span *span)
{
    struct found *found = self;

    if (found->count < FOUND_MAX)
        found->at[found->count++] = *span;
    return true;
}

static bool file_bytes(const char *path, struct buf *bytes)
{
    FILE *file = fopen(path, "rb");
    struct fault fault = {0};
    size_t got = 1;

    while (file != NULL && got > 0) {
        static uint8_t part[65536];

        got = fread(part, 1, sizeof(part), file);
        if (!buf_add(bytes, slice_of_bytes(part, got), &fault))
            return false;
    }
    return file != NULL && fclose(file) == 0;
}

static const unsigned label_of_name[] = {LABEL_B_PERSON, LABEL_B_ADDRESS, LABEL_B_LOCATION,
                                         LABEL_B_ORGANISATION};

static void compare(const struct labelled_text *text, const struct found *found,
                    enum name_label name, enum confidence least, struct score *score, bool show)
{
    bool met[FOUND_MAX] = {0};

    for (size_t i = 0; i < text->span_count; i++) {
        const struct text_span *span = &text->spans[i];
        bool exact = false, overlap = false;

        if (sort_label(span->sort) != label_of_name[name])
            continue;
        for (size_t j = 0; j < found->count; j++) {
            const struct name_span *f = &found->at[j];

            if (f->label != name || f->confidence < least || f->end <= span->start ||
                f->start >= span->end)
                continue;
            overlap = met[j] = true;
            exact = exact || (f->start == span->start && f->end == span->end);
        }
        score->labelled++;
        score->exact += exact;
        score->labelled_met += overlap;
        if (show && !overlap)
            (void)printf("MISSED %.*s | %.*s\n",
                         SLICE_ARGS(slice_part(text->bytes, span->start, span->end)),
                         SLICE_ARGS(text->bytes));
    }
    for (size_t j = 0; j < found->count; j++) {
        if (found->at[j].label != name || found->at[j].confidence < least)
            continue;
        score->found++;
        score->found_met += met[j];
        if (show && !met[j])
            (void)printf("WRONG %s %.*s | %.*s\n", confidence_name(found->at[j].confidence),
                         SLICE_ARGS(slice_part(text->bytes, found->at[j].start,
                                               found->at[j].end)),
                         SLICE_ARGS(text->bytes));
    }
}

static double part_of(size_t some, size_t all)
{
    return all > 0 ? (double)some / (double)all : 0;
}

static void print_score(enum name_label name, enum confidence least, const struct score *s)
{
    double p = part_of(s->exact, s->found), r = part_of(s->exact, s->labelled);
    double op = part_of(s->found_met, s->found), or = part_of(s->labelled_met, s->labelled);

    (void)printf("%-12s %-6s %5zu %5zu  %.3f %.3f %.3f  %.3f %.3f %.3f\n", name_label_name(name),
                 confidence_name((uint8_t)least), s->labelled, s->found, p, r,
                 p + r > 0 ? 2 * p * r / (p + r) : 0, op, or,
                 op + or > 0 ? 2 * op * or / (op + or) : 0);
}

static int score_corpus(const struct model *model, FILE *corpus, bool show)
{
    static struct found found;
    struct score scores[NAME_LABEL_COUNT][3] = {0};
    struct labelled_text text;

    while (text_next(corpus, &text)) {
        found.count = 0;
        (void)names_find_with(model, text.bytes, NAMES_IN_PROSE, keep, &found);
        for (unsigned name = 0; name < NAME_LABEL_COUNT; name++)
            for (unsigned least = 0; least < 3; least++)
                compare(&text, &found, name, least, &scores[name][least],
                        show && name == NAME_PERSON && least == 0);
        text_free(&text);
    }
    (void)printf("label        least  spans found  exact: P R F1    overlap: P R F1\n");
    for (unsigned name = 0; name < NAME_LABEL_COUNT; name++)
        for (unsigned least = 0; least < 3; least++)
            print_score(name, least, &scores[name][least]);
    return 0;
}

static bool print_span(void *self, const struct name_span *span)
{
    const struct slice *text = self;

    (void)printf("%s\t%s\t%.*s\n", name_label_name(span->label),
                 confidence_name((uint8_t)span->confidence),
                 SLICE_ARGS(slice_part(*text, span->start, span->end)));
    return true;
}

int main(int argc, char **argv)
{
    AUTO_BUF struct buf file = buf_with_limit(1U << 28);
    struct model model;

    if (argc < 3 || !file_bytes(argv[1], &file) || !model_open(buf_slice(&file), &model)) {
        (void)fprintf(stderr, "usage: names-eval MODEL CORPUS [--show] | MODEL --code FILE...\n");
        return 3;
    }
    if (strcmp(argv[2], "--code") != 0) {
        FILE *corpus = fopen(argv[2], "rb");

        return corpus != NULL ? score_corpus(&model, corpus, argc > 3) : 2;
    }
    for (int i = 3; i < argc; i++) {
        AUTO_BUF struct buf source = buf_with_limit(1U << 28);
        struct slice text;

        if (!file_bytes(argv[i], &source))
            return 2;
        text = buf_slice(&source);
        (void)names_find_with(&model, text, NAMES_IN_CODE, print_span, &text);
    }
    return 0;
}
