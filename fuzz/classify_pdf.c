/*
 * The first byte says what the rest is: a content stream, a CMap, or a whole PDF file, which the
 * library opens where it is installed. Whatever is read: text is UTF-8, and every stretch of what a
 * file says maps into the file.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "classify/pdf/page.h"
#include "classify/reading.h"
#include "roles/pdf/pdfs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A font with the codes of the bytes that stand in front of a stream. */
static const struct pdf_font *a_font(void *self, struct slice name)
{
    return name.len == 0 ? NULL : self;
}

static void paint(void *self, struct slice name, struct pdf_page *page,
                  const struct pdf_matrix *place)
{
    const struct pdf_resources resources = {a_font, paint, self};

    pdf_page_draw(page, name, place, &resources); /* what is drawn may draw, too */
}

static void check_text(struct slice text)
{
    if (!utf8_is_valid(text))
        abort();
}

static void draw(struct slice content, struct pdf_font *font)
{
    const struct pdf_resources resources = {a_font, paint, font};
    size_t words = 100000;
    struct pdf_page page = {
        .text = buf_with_limit(1U << 20), .said = buf_with_limit(1U << 16), .words = &words};

    pdf_page_draw(&page, content, &pdf_matrix_none, &resources);
    check_text(buf_slice(&page.text));
    check_text(buf_slice(&page.said));
    buf_free(&page.text);
    buf_free(&page.said);
}

static void map(struct slice text)
{
    struct pdf_font font = {.is_composite = true, .has_codes = true, .has_unicode = true};

    pdf_cmap_read(text, &font.codes);
    pdf_cmap_read(text, &font.unicode);
    draw(SLICE("BT /F 1 Tf <000102030405060708> Tj (abc\377\376\375) Tj ET"), &font);
    pdf_font_free(&font);
}

static void open(struct slice file)
{
    struct reading reading;
    struct fault fault;

    if (!reading_make(file, (struct slice){0}, &reading, &fault))
        return;
    for (size_t at = 0; at < reading.text.len; at++) {
        enum finding_form form;
        size_t from, to;

        reading_map(&reading, at, at + 1, &from, &to, &form);
        if (from > to || to > file.len || form >= FORM_COUNT)
            abort();
        (void)reading_page(&reading, at);
    }
    reading_free(&reading);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool is_ready;
    struct pdf_font plain = {.unit = 0.001F};
    struct fault fault;

    if (!is_ready)
        (void)!pdfs_use(&fault);
    is_ready = true;
    if (size == 0)
        return 0;
    for (unsigned i = ' '; i < 256; i++)
        plain.points[i] = i;
    if (data[0] % 3 == 0)
        draw(slice_of_bytes(data + 1, size - 1), &plain);
    else if (data[0] % 3 == 1)
        map(slice_of_bytes(data + 1, size - 1));
    else
        open(slice_of_bytes(data + 1, size - 1));
    return 0;
}
