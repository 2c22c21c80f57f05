#include "classify/pdf/page.h"

#include <math.h>
#include <stdlib.h>

#include "base/scope.h"
#include "base/utf8.h"
#include "classify/pdf/lexer.h"

#define SAVED_MAX 64
#define OPERANDS_MAX 65536
#define IMAGE_BYTES_LEAST 64 /* a smaller one within the text shows no letters */

/* Distances, in sizes of the font. */
#define BLANK_FROM 0.12
#define SPACED_FROM 0.3 /* between the characters of one string */
#define TAB_FROM 1.5
#define LINE_FROM 0.5
#define BACK_FROM 0.6

const struct pdf_matrix pdf_matrix_none = {1, 0, 0, 1, 0, 0};

struct operand {
    enum pdf_word_kind kind;
    double number;
    size_t from, to; /* in the bytes of all operands */
};

/* What q keeps and Q brings back. */
struct graphics {
    struct pdf_matrix place;
    const struct pdf_font *font;
    double size, char_space, word_space, stretch, leading;
};

struct drawing {
    struct pdf_page *page;
    const struct pdf_resources *resources;
    struct pdf_lexer lexer;
    struct operand *operands;
    size_t count, room;
    struct buf bytes; /* of the operands */
    struct graphics now, saved[SAVED_MAX];
    size_t saved_count;
    struct pdf_matrix text, line;
};

struct pdf_matrix pdf_matrix_then(const struct pdf_matrix *a, const struct pdf_matrix *b)
{
    return (struct pdf_matrix){.a = a->a * b->a + a->b * b->c,
                               .b = a->a * b->b + a->b * b->d,
                               .c = a->c * b->a + a->d * b->c,
                               .d = a->c * b->b + a->d * b->d,
                               .e = a->e * b->a + a->f * b->c + b->e,
                               .f = a->e * b->b + a->f * b->d + b->f};
}

static struct slice operand_bytes(const struct drawing *drawing, size_t i)
{
    return slice_part(buf_slice(&drawing->bytes), drawing->operands[i].from,
                      drawing->operands[i].to);
}

/* The operand that is `back` from the last one; 0 where there is none. */
static double number_at(const struct drawing *drawing, size_t back)
{
    return back < drawing->count ? drawing->operands[drawing->count - 1 - back].number : 0;
}

static struct slice last_of(const struct drawing *drawing, enum pdf_word_kind kind)
{
    for (size_t i = drawing->count; i-- > 0;)
        if (drawing->operands[i].kind == kind)
            return operand_bytes(drawing, i);
    return (struct slice){0};
}

/* ---- showing ---- */

static void add_mark(struct pdf_page *page, uint8_t mark)
{
    struct buf *text = &page->text;
    struct fault fault;
    uint8_t last = text->len == 0 ? '\n' : text->at[text->len - 1];

    if (last == '\n' || last == '\t' || (mark == ' ' && last == ' '))
        return;
    if (!buf_add_byte(text, mark, &fault))
        page->unread++;
}

/* Between the last string and the one that comes. */
static void add_distance(struct drawing *drawing)
{
    struct pdf_page *page = drawing->page;
    struct pdf_matrix at = pdf_matrix_then(&drawing->text, &drawing->now.place);
    double scale = hypot(at.a, at.b), size = fabs(drawing->now.size * scale);
    double x = at.e - page->x, y = at.f - page->y;
    double along = (x * at.a + y * at.b) / scale / size;
    double across = fabs((y * at.a - x * at.b) / scale / size);

    if (!page->has_pen)
        return;
    if (!(across <= LINE_FROM) || !(along > -BACK_FROM)) /* no number, either */
        add_mark(page, '\n');
    else if (along > BLANK_FROM)
        add_mark(page, along > TAB_FROM ? '\t' : ' ');
}

static void move_on(struct drawing *drawing, double along)
{
    const struct pdf_font *font = drawing->now.font;
    struct pdf_matrix step = pdf_matrix_none;

    if (font != NULL && font->is_vertical)
        step.f = -along;
    else
        step.e = along * drawing->now.stretch;
    drawing->text = pdf_matrix_then(&step, &drawing->text);
}

static void show(struct drawing *drawing, struct slice string)
{
    const struct graphics *now = &drawing->now;
    struct pdf_page *page = drawing->page;
    struct pdf_matrix end = pdf_matrix_none;
    bool is_first = true;

    if (string.len == 0)
        return;
    if (now->font == NULL || page->text.len + 4 * string.len >= page->text.limit) {
        page->unread += string.len;
        return;
    }
    add_distance(drawing);
    for (; string.len > 0; is_first = false) {
        double width = 0;
        bool is_blank;

        if (!is_first && now->char_space > SPACED_FROM * fabs(now->size))
            add_mark(page, ' ');
        if (!pdf_font_next(now->font, &string, &page->text, &width, &is_blank))
            page->unread++;
        move_on(drawing, width * now->size);
        end = pdf_matrix_then(&drawing->text, &now->place);
        move_on(drawing, now->char_space + (is_blank ? now->word_space : 0));
    }
    page->x = end.e;
    page->y = end.f;
    page->has_pen = true;
}

static void on_show(struct drawing *drawing)
{
    show(drawing, last_of(drawing, PDF_STRING));
}

static void next_line(struct drawing *drawing, double x, double y)
{
    struct pdf_matrix step = pdf_matrix_none;

    step.e = x;
    step.f = y;
    drawing->line = pdf_matrix_then(&step, &drawing->line);
    drawing->text = drawing->line;
}

static void on_next_line(struct drawing *drawing)
{
    next_line(drawing, 0, -drawing->now.leading);
}

static void on_show_next(struct drawing *drawing)
{
    on_next_line(drawing);
    on_show(drawing);
}

static void on_show_spaced(struct drawing *drawing)
{
    drawing->now.word_space = number_at(drawing, 2);
    drawing->now.char_space = number_at(drawing, 1);
    on_show_next(drawing);
}

static void on_show_parts(struct drawing *drawing)
{
    for (size_t i = 0; i < drawing->count; i++)
        if (drawing->operands[i].kind == PDF_STRING)
            show(drawing, operand_bytes(drawing, i));
        else if (drawing->operands[i].kind == PDF_NUMBER)
            move_on(drawing, -drawing->operands[i].number / 1000 * drawing->now.size);
}

/* ---- state ---- */

static void on_save(struct drawing *drawing)
{
    if (drawing->saved_count < SAVED_MAX)
        drawing->saved[drawing->saved_count] = drawing->now;
    drawing->saved_count++;
}

static void on_restore(struct drawing *drawing)
{
    if (drawing->saved_count == 0)
        return;
    drawing->saved_count--;
    if (drawing->saved_count < SAVED_MAX)
        drawing->now = drawing->saved[drawing->saved_count];
}

static struct pdf_matrix matrix_of(const struct drawing *drawing)
{
    return (struct pdf_matrix){number_at(drawing, 5), number_at(drawing, 4),
                               number_at(drawing, 3), number_at(drawing, 2),
                               number_at(drawing, 1), number_at(drawing, 0)};
}

static void on_concat(struct drawing *drawing)
{
    struct pdf_matrix more = matrix_of(drawing);

    drawing->now.place = pdf_matrix_then(&more, &drawing->now.place);
}

static void on_begin_text(struct drawing *drawing)
{
    drawing->text = drawing->line = pdf_matrix_none;
}

static void on_font(struct drawing *drawing)
{
    drawing->now.font =
        drawing->resources->font(drawing->resources->self, last_of(drawing, PDF_NAME));
    drawing->now.size = number_at(drawing, 0);
}

static void on_matrix(struct drawing *drawing)
{
    drawing->text = drawing->line = matrix_of(drawing);
}

static void on_move(struct drawing *drawing)
{
    next_line(drawing, number_at(drawing, 1), number_at(drawing, 0));
}

static void on_move_leading(struct drawing *drawing)
{
    drawing->now.leading = -number_at(drawing, 0);
    on_move(drawing);
}

static void on_leading(struct drawing *drawing)
{
    drawing->now.leading = number_at(drawing, 0);
}

static void on_char_space(struct drawing *drawing)
{
    drawing->now.char_space = number_at(drawing, 0);
}

static void on_word_space(struct drawing *drawing)
{
    drawing->now.word_space = number_at(drawing, 0);
}

static void on_stretch(struct drawing *drawing)
{
    drawing->now.stretch = number_at(drawing, 0) / 100;
}

static void on_paint(struct drawing *drawing)
{
    struct pdf_page *page = drawing->page;

    if (page->depth == PDF_FORM_DEPTH_MAX) {
        page->unread++;
        return;
    }
    page->depth++;
    drawing->resources->paint(drawing->resources->self, last_of(drawing, PDF_NAME), page,
                              &drawing->now.place);
    page->depth--;
}

static void on_image(struct drawing *drawing)
{
    size_t bytes = pdf_lexer_skip_image(&drawing->lexer);

    if (bytes >= IMAGE_BYTES_LEAST)
        drawing->page->unread += bytes;
}

/* What marked content says that it is, beside what it shows (ISO 32000-1, 14.9). */
static void add_said(struct pdf_page *page, struct slice said)
{
    struct fault fault;
    bool ok = true;

    if (slice_starts_with(said, SLICE("\xfe\xff")))
        pdf_add_utf16(slice_part(said, 2, said.len), 0, &page->said);
    else
        ok = utf8_is_valid(said) && buf_add(&page->said, said, &fault);
    if (!ok || !buf_add_byte(&page->said, '\n', &fault))
        page->unread += said.len;
}

static void on_marked(struct drawing *drawing)
{
    static const char *const names[] = {"ActualText", "Alt", "E"};

    for (size_t i = 0; i + 1 < drawing->count; i++)
        for (size_t j = 0; drawing->operands[i].kind == PDF_NAME &&
                           drawing->operands[i + 1].kind == PDF_STRING && j < COUNT(names);
             j++)
            if (slice_equal(operand_bytes(drawing, i), slice_of(names[j])))
                add_said(drawing->page, operand_bytes(drawing, i + 1));
}

/* Operators that are not here show no text. */
static const struct operator_rule {
    const char *word;
    void (*act)(struct drawing *drawing);
} operators[] = {{"Tj", on_show},       {"TJ", on_show_parts}, {"Tf", on_font},
                 {"Td", on_move},       {"Tm", on_matrix},     {"TD", on_move_leading},
                 {"T*", on_next_line},  {"'", on_show_next},   {"\"", on_show_spaced},
                 {"BT", on_begin_text}, {"q", on_save},        {"Q", on_restore},
                 {"cm", on_concat},     {"Do", on_paint},      {"ID", on_image},
                 {"Tc", on_char_space}, {"Tw", on_word_space}, {"Tz", on_stretch},
                 {"TL", on_leading},    {"BDC", on_marked},    {"DP", on_marked}};

static void act(struct drawing *drawing, struct slice word)
{
    for (size_t i = 0; word.len <= 3 && i < COUNT(operators); i++)
        if (slice_equal(word, slice_of(operators[i].word))) {
            operators[i].act(drawing);
            break;
        }
    drawing->count = 0;
    buf_clear(&drawing->bytes);
}

static void keep_operand(struct drawing *drawing, const struct pdf_word *word)
{
    struct operand operand = {
        .kind = word->kind, .number = word->number, .from = drawing->bytes.len};
    struct fault fault;

    if (drawing->count == OPERANDS_MAX || (word->bytes.len > 0 && word->kind != PDF_NUMBER &&
                                           !buf_add(&drawing->bytes, word->bytes, &fault))) {
        drawing->page->unread++;
        return;
    }
    operand.to = drawing->bytes.len;
    drawing->operands = xgrow(drawing->operands, &drawing->room, drawing->count + 1,
                              sizeof(*drawing->operands));
    drawing->operands[drawing->count++] = operand;
}

void pdf_page_draw(struct pdf_page *page, struct slice content, const struct pdf_matrix *place,
                   const struct pdf_resources *resources)
{
    struct drawing drawing = {.page = page,
                              .resources = resources,
                              .bytes = buf_with_limit(content.len + 1),
                              .now = {.place = *place, .stretch = 1},
                              .text = pdf_matrix_none,
                              .line = pdf_matrix_none};
    struct pdf_word word;

    pdf_lexer_begin(&drawing.lexer, content);
    while (pdf_lexer_next(&drawing.lexer, &word)) {
        if (*page->words == 0) {
            page->unread += content.len - drawing.lexer.at;
            break;
        }
        --*page->words;
        if (word.kind == PDF_OPERATOR)
            act(&drawing, word.bytes);
        else
            keep_operand(&drawing, &word);
    }
    pdf_lexer_end(&drawing.lexer);
    buf_free_secret(&drawing.bytes);
    free(drawing.operands);
}
