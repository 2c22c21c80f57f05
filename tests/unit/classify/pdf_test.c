#include "classify/pdf/page.h"

#include "classify/pdf/glyphs.h"
#include "base/scope.h"
#include "test.h"

/* ---- pages ---- */

static const struct pdf_font *the_font(void *self, struct slice name)
{
    return slice_equal(name, SLICE("F1")) ? self : NULL;
}

static void paint_nothing(void *self, struct slice name, struct pdf_page *page,
                          const struct pdf_matrix *place)
{
    (void)self, (void)name, (void)page, (void)place;
}

static void draw(const char *content, struct pdf_font *font, struct pdf_page *page,
                 size_t *words)
{
    const struct pdf_resources resources = {the_font, paint_nothing, font};

    *page = (struct pdf_page){
        .text = buf_with_limit(4096), .said = buf_with_limit(4096), .words = words};
    pdf_page_draw(page, slice_of(content), &pdf_matrix_none, &resources);
}

static void what_is_drawn_reads_by_its_distances(void **state)
{
    static const struct {
        const char *content, *text;
        size_t unread;
    } cases[] = {
        {"BT /F1 10 Tf (Card 4111) Tj ( 1111) Tj ET", "Card 4111 1111", 0},
        {"BT /F1 10 Tf [(41) -20 (11) -400 (1111)] TJ ET", "4111 1111", 0},
        {"BT /F1 10 Tf [(name) -3000 (John)] TJ ET", "name\tJohn", 0},
        {"BT /F1 10 Tf (a) Tj 0 -12 Td (b) Tj T* ET", "a\nb", 0},
        {"BT /F1 10 Tf 12 TL (a) Tj (b) ' 1 2 (c) \" ET", "a\nb\nc", 0},
        {"BT /F1 10 Tf 1 0 0 1 10 700 Tm (John) Tj 1 0 0 1 28.9 700 Tm (son) Tj ET", "Johnson",
         0},
        {"BT /F1 10 Tf 1 0 0 1 10 700 Tm (John) Tj 1 0 0 1 33.5 700 Tm (Smith) Tj ET",
         "John Smith", 0},
        {"q 2 0 0 2 0 0 cm BT /F1 5 Tf (a) Tj ET Q BT /F1 10 Tf 5.56 0 Td (b) Tj ET", "ab", 0},
        {"BT /F1 10 Tf <4A6F686E> Tj (\\123mith\\) \\\n(x)) Tj ET", "JohnSmith) (x)", 0},
        {"BT /F2 10 Tf (abc) Tj ET", "", 3},
        {"BT /F1 10 Tf (a\1) Tj ET", "a", 1},
        {"BT /F1 10 Tf (a) Tj ET BI /W 99 ID "
         "0123456789012345678901234567890123456789012345678901234567890123456789\nEI BT (b) "
         "Tj ET",
         "ab", 72},
        {"BT /F1 1000000000 Tf 9999999999 1 1 9999999999 1 1 Tm (a) Tj (b) Tj ET (never shown",
         "ab", 0},
        {"Q Q Tj ' \" TJ Tm cm BT /F1 10 Tf (a) Tj", "a", 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct pdf_font font = {.unit = 0.001F};
        struct pdf_page page;
        size_t words = 1000;

        pdf_encoding(SLICE("WinAnsiEncoding"), font.points);
        pdf_font_standard_widths(SLICE("Helvetica"), font.widths);
        draw(cases[i].content, &font, &page, &words);
        assert_string_equal(buf_text(&page.text), cases[i].text);
        assert_int_equal(page.unread, cases[i].unread);
        buf_free(&page.text);
        buf_free(&page.said);
    }
}

static void words_have_a_limit_and_what_is_behind_it_is_told(void **state)
{
    struct pdf_font font = {.unit = 0.001F};
    struct pdf_page page;
    size_t words = 6;

    (void)state;
    pdf_encoding(SLICE("WinAnsiEncoding"), font.points);
    draw("BT /F1 10 Tf (a) Tj (b) Tj ET", &font, &page, &words);
    assert_string_equal(buf_text(&page.text), "a");
    assert_true(page.unread > 0);
    buf_free(&page.text);
    buf_free(&page.said);
}

static void marked_content_says_what_it_is(void **state)
{
    struct pdf_font font = {.unit = 0.001F};
    struct pdf_page page;
    size_t words = 1000;

    (void)state;
    draw("/Span <</Lang (en) /ActualText <FEFF00E4D83DDE00>>> BDC EMC", &font, &page, &words);
    assert_string_equal(buf_text(&page.said), "\xc3\xa4\xf0\x9f\x98\x80\n");
    buf_free(&page.text);
    buf_free(&page.said);
}

/* ---- codes ---- */

static void a_cmap_says_what_codes_are(void **state)
{
    static const char text[] =
        "begincmap 2 begincodespacerange <00> <7f> <8000> <ffff> endcodespacerange\n"
        "2 beginbfchar <01> <00660069> <8001> <D83DDE00> endbfchar\n"
        "2 beginbfrange <10> <12> <0041> <20> <21> [<0061> <0062>] endbfrange\n"
        "1 begincidrange <30> <3f> 7 endcidrange endcmap";
    static const struct {
        const char *string;
        size_t len;
        const char *text; /* NULL: it does not say */
    } cases[] = {{"\x01", 1, "fi"}, {"\x80\x01", 2, "\xf0\x9f\x98\x80"},
                 {"\x12", 1, "C"},  {"\x21", 1, "b"},
                 {"\x22", 1, NULL}, {"\x30", 1, NULL}};
    struct pdf_cmap cmap;
    uint32_t code, cid = 0;

    (void)state;
    pdf_cmap_read(slice_of(text), &cmap);
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO_BUF struct buf said = buf_with_limit(64);

        assert_int_equal(pdf_cmap_code(&cmap, slice_of(cases[i].string), 2, &code),
                         cases[i].len);
        assert_int_equal(pdf_cmap_text(&cmap, code, &said), cases[i].text != NULL);
        if (cases[i].text != NULL)
            assert_string_equal(buf_text(&said), cases[i].text);
    }
    assert_true(pdf_cmap_cid(&cmap, 0x31, &cid));
    assert_int_equal(cid, 8);
    pdf_cmap_free(&cmap);
}

static void glyphs_have_names(void **state)
{
    static const struct {
        const char *name;
        uint32_t point;
    } cases[] = {{"A", 'A'},          {"eacute", 0xe9},    {"one.oldstyle", '1'},
                 {"uni20AC", 0x20ac}, {"u1F600", 0x1f600}, {"hyphen", '-'},
                 {"zero", '0'},       {"g123", 0},         {"", 0},
                 {"uniD8", 0},        {"zcaron", 0x17e},   {"AE", 0xc6}};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(pdf_glyph_point(slice_of(cases[i].name)), cases[i].point);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_drawn_reads_by_its_distances),
        TEST(words_have_a_limit_and_what_is_behind_it_is_told),
        TEST(marked_content_says_what_it_is),
        TEST(a_cmap_says_what_codes_are),
        TEST(glyphs_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
