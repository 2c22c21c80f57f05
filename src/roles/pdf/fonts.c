/* What a font's dictionary says of its codes (ISO 32000-1, 9.6 to 9.10). */
#include <stdlib.h>

#include "classify/pdf/glyphs.h"
#include "classify/pdf/lexer.h"
#include "roles/pdf/document.h"

#define FONTS_MAX 4096
#define CID_WIDTHS_MAX 65536
#define FLAG_SYMBOLIC 4
#define NAME_ROOM 128

static bool read_cmap(struct document *document, qpdf_oh stream, struct pdf_cmap *ret_cmap)
{
    uint8_t *bytes;
    size_t len;

    if (document_type(document, stream) != ot_stream ||
        !document_stream(document, stream, &bytes, &len))
        return false;
    pdf_cmap_read(slice_of_bytes(bytes, len), ret_cmap);
    free(bytes);
    if (ret_cmap->is_cut)
        document_left_out(document, 1);
    return true;
}

static bool number_of(struct document *document, qpdf_oh array, int at, double *ret_number)
{
    qpdf_oh item = document->calls->item(document->pdf, array, at);
    bool ok = document->calls->as_number(document->pdf, item, ret_number);

    document_release(document, item);
    return ok;
}

/* ---- fonts whose codes are one byte ---- */

static void read_differences(struct document *document, qpdf_oh encoding, uint32_t points[256])
{
    qpdf_oh list = document_key(document, encoding, "/Differences");
    int count = document_type(document, list) == ot_array
                    ? document->calls->item_count(document->pdf, list)
                    : 0;
    unsigned code = 0;

    for (int i = 0; i < count; i++) {
        qpdf_oh item = document->calls->item(document->pdf, list, i);
        char name[NAME_ROOM];
        double number;

        if (document->calls->as_number(document->pdf, item, &number))
            code = number >= 0 && number < 256 ? (unsigned)number : 256;
        else if (document_name(document, item, name, sizeof(name)) && code < 256)
            points[code++] = pdf_glyph_point(slice_of(name));
        document_release(document, item);
    }
    document_release(document, list);
}

/* The encoding that a font file of Type 1 has in front, in plain text: "dup 65 /A put". */
static bool read_built_in(struct document *document, qpdf_oh descriptor, uint32_t points[256])
{
    qpdf_oh stream = document_key(document, descriptor, "/FontFile");
    struct pdf_lexer lexer;
    struct pdf_word word;
    double code = -1;
    bool is_there = false;
    uint8_t *bytes;
    size_t len;

    if (document_type(document, stream) == ot_stream &&
        document_stream(document, stream, &bytes, &len)) {
        pdf_lexer_begin(&lexer, slice_of_bytes(bytes, len));
        while (pdf_lexer_next(&lexer, &word) &&
               !(word.kind == PDF_OPERATOR && slice_equal(word.bytes, SLICE("eexec")))) {
            if (word.kind == PDF_NAME && code >= 0 && code < 256) {
                points[(unsigned)code] = pdf_glyph_point(word.bytes);
                is_there = is_there || points[(unsigned)code] != 0;
            }
            code = word.kind == PDF_NUMBER ? word.number : -1;
        }
        pdf_lexer_end(&lexer);
        free(bytes);
    }
    document_release(document, stream);
    return is_there;
}

/* A font that brings an alphabet of its own, and does not say which. */
static bool is_secret(struct document *document, qpdf_oh font)
{
    qpdf_oh descriptor = document_key(document, font, "/FontDescriptor");
    unsigned flags = (unsigned)(int)document_number_at(document, descriptor, "/Flags", 0);
    char name[NAME_ROOM] = "";

    document_release(document, descriptor);
    (void)document_name_at(document, font, "/BaseFont", name, sizeof(name));
    return (flags & FLAG_SYMBOLIC) != 0 || strstr(name, "Symbol") != NULL ||
           strstr(name, "Dingbats") != NULL;
}

static void read_encoding(struct document *document, qpdf_oh font, struct pdf_font *ret_font)
{
    qpdf_oh encoding = document_key(document, font, "/Encoding");
    qpdf_oh descriptor = document_key(document, font, "/FontDescriptor");
    char name[NAME_ROOM] = "";
    bool is_named = document_name(document, encoding, name, sizeof(name)) ||
                    document_name_at(document, encoding, "/BaseEncoding", name, sizeof(name));

    if (is_named ||
        (!read_built_in(document, descriptor, ret_font->points) && !is_secret(document, font)))
        pdf_encoding(slice_of(name), ret_font->points);
    if (document_type(document, encoding) == ot_dictionary)
        read_differences(document, encoding, ret_font->points);
    document_release(document, descriptor);
    document_release(document, encoding);
}

static void read_widths(struct document *document, qpdf_oh font, struct pdf_font *ret_font)
{
    qpdf_oh list = document_key(document, font, "/Widths");
    double first = document_number_at(document, font, "/FirstChar", 0), width;
    char name[NAME_ROOM] = "";
    int count = document_type(document, list) == ot_array
                    ? document->calls->item_count(document->pdf, list)
                    : 0;

    (void)document_name_at(document, font, "/BaseFont", name, sizeof(name));
    pdf_font_standard_widths(slice_of(name), ret_font->widths);
    for (int i = 0; i < count && i < 256 && first >= 0 && first + i < 256; i++)
        if (number_of(document, list, i, &width))
            ret_font->widths[(int)first + i] = (float)width;
    document_release(document, list);
}

/* ---- fonts of CIDs ---- */

static void add_width(struct pdf_font *font, double low, double high, double width)
{
    if (font->cid_width_count == CID_WIDTHS_MAX || !(low >= 0) || !(high <= 0xffffff))
        return;
    font->cid_widths = xgrow(font->cid_widths, &font->cid_width_room,
                             font->cid_width_count + 1, sizeof(*font->cid_widths));
    font->cid_widths[font->cid_width_count++] =
        (struct pdf_cid_width){(uint32_t)low, (uint32_t)high, (float)width};
}

static int by_cid(const void *a, const void *b)
{
    const struct pdf_cid_width *x = a, *y = b;

    return (x->low > y->low) - (x->low < y->low);
}

/* "c [w1 w2 ...]" or "first last w". */
static void read_cid_widths(struct document *document, qpdf_oh descendant,
                            struct pdf_font *ret_font)
{
    qpdf_oh list = document_key(document, descendant, "/W");
    int count = document_type(document, list) == ot_array
                    ? document->calls->item_count(document->pdf, list)
                    : 0;
    double first, second, width;

    for (int i = 0; i + 1 < count && number_of(document, list, i, &first);) {
        qpdf_oh item = document->calls->item(document->pdf, list, i + 1);

        if (document_type(document, item) == ot_array) {
            int more = document->calls->item_count(document->pdf, item);

            for (int j = 0; j < more && number_of(document, item, j, &width); j++)
                add_width(ret_font, first + j, first + j, width);
            i += 2;
        } else if (number_of(document, list, i + 1, &second) &&
                   number_of(document, list, i + 2, &width)) {
            add_width(ret_font, first, second, width);
            i += 3;
        } else {
            i = count;
        }
        document_release(document, item);
    }
    document_release(document, list);
    if (ret_font->cid_width_count > 1)
        qsort(ret_font->cid_widths, ret_font->cid_width_count, sizeof(*ret_font->cid_widths),
              by_cid);
}

static void read_composite(struct document *document, qpdf_oh font, struct pdf_font *ret_font)
{
    qpdf_oh encoding = document_key(document, font, "/Encoding");
    qpdf_oh list = document_key(document, font, "/DescendantFonts");
    char name[NAME_ROOM] = "";

    ret_font->is_composite = true;
    if (document_name(document, encoding, name, sizeof(name))) {
        ret_font->is_utf16 = strstr(name, "UCS2") != NULL || strstr(name, "UTF16") != NULL;
        ret_font->is_vertical = slice_ends_with(slice_of(name), SLICE("-V"));
    } else {
        ret_font->has_codes = read_cmap(document, encoding, &ret_font->codes);
    }
    ret_font->default_width = 1000;
    if (document_type(document, list) == ot_array) {
        qpdf_oh descendant = document->calls->item(document->pdf, list, 0);

        ret_font->default_width = (float)document_number_at(document, descendant, "/DW", 1000);
        read_cid_widths(document, descendant, ret_font);
        document_release(document, descendant);
    }
    document_release(document, list);
    document_release(document, encoding);
}

/* ---- any font ---- */

static void read_font(struct document *document, qpdf_oh font, struct pdf_font *ret_font)
{
    qpdf_oh unicode = document_key(document, font, "/ToUnicode");
    char kind[NAME_ROOM] = "", name[NAME_ROOM];

    *ret_font = (struct pdf_font){.unit = 0.001F};
    (void)document_name_at(document, font, "/Subtype", kind, sizeof(kind));
    if (strcmp(kind, "Type0") == 0) {
        read_composite(document, font, ret_font);
    } else {
        read_encoding(document, font, ret_font);
        read_widths(document, font, ret_font);
    }
    if (strcmp(kind, "Type3") == 0) {
        qpdf_oh matrix = document_key(document, font, "/FontMatrix");
        double unit;

        if (document_type(document, matrix) == ot_array &&
            number_of(document, matrix, 0, &unit))
            ret_font->unit = (float)unit;
        document_release(document, matrix);
    }
    ret_font->has_unicode = read_cmap(document, unicode, &ret_font->unicode);
    ret_font->is_utf16 =
        ret_font->is_utf16 || document_name(document, unicode, name, sizeof(name));
    document_release(document, unicode);
}

const struct pdf_font *document_font(struct document *document, qpdf_oh font)
{
    int id = document->calls->is_indirect(document->pdf, font)
                 ? document->calls->object_id(document->pdf, font)
                 : 0;
    struct known_font *known;

    if (document_type(document, font) != ot_dictionary)
        return NULL;
    for (size_t i = 0; id > 0 && i < document->font_count; i++)
        if (document->fonts[i]->id == id)
            return &document->fonts[i]->font;
    if (document->font_count == FONTS_MAX)
        return NULL;
    known = xalloc(sizeof(*known));
    known->id = id;
    read_font(document, font, &known->font);
    document->fonts = xgrow(document->fonts, &document->font_room, document->font_count + 1,
                            sizeof(*document->fonts));
    document->fonts[document->font_count++] = known;
    return &known->font;
}

void document_fonts_free(struct document *document)
{
    for (size_t i = 0; i < document->font_count; i++) {
        pdf_font_free(&document->fonts[i]->font);
        free(document->fonts[i]);
    }
    free(document->fonts);
    document->fonts = NULL;
    document->font_count = document->font_room = 0;
}
