#include "classify/read_document.h"

#include "classify/read.h"

bool document_is_member(struct slice name)
{
    static const char *const names[] = {"[Content_Types].xml", "word/document.xml",
                                        "xl/workbook.xml", "ppt/presentation.xml",
                                        "META-INF/manifest.xml"};

    for (size_t i = 0; i < COUNT(names); i++)
        if (slice_equal(name, slice_of(names[i])))
            return true;
    return false;
}

/* The name of a tag ("w:p"), without the slash that closes it. */
static struct slice tag_name(struct slice tag)
{
    size_t end;

    if (tag.len > 0 && tag.at[0] == '/')
        tag = slice_part(tag, 1, tag.len);
    for (end = 0; end < tag.len && memchr(" \t\r\n/", tag.at[end], 5) == NULL;)
        end++;
    return slice_part(tag, 0, end);
}

/* What a tag of that name separates; 0: nothing, it is within a word. */
static uint8_t separator_of(struct slice name)
{
    static const struct {
        const char *name;
        uint8_t byte;
    } kinds[] = {{"w:p", '\n'},    {"a:p", '\n'},  {"text:p", '\n'}, {"text:h", '\n'},
                 {"si", '\n'},     {"row", '\n'},  {"w:tr", '\n'},   {"table:table-row", '\n'},
                 {"w:br", '\n'},   {"a:br", '\n'}, {"c", '\t'},      {"w:tc", '\t'},
                 {"w:tab", '\t'},  {"v", '\t'},    {"text:tab", '\t'}, {"text:line-break", '\n'},
                 {"text:s", ' '},  {"table:table-cell", '\t'},       {"comment", '\n'}};

    for (size_t i = 0; i < COUNT(kinds); i++)
        if (slice_equal(name, slice_of(kinds[i].name)))
            return kinds[i].byte;
    return 0;
}

static bool separate(struct buf *text, uint8_t byte, struct fault *fault)
{
    uint8_t last = text->len > 0 ? text->at[text->len - 1] : '\n';

    return byte == 0 || last == '\n' || last == byte || buf_add_byte(text, byte, fault);
}

bool document_text(struct slice name, struct slice member, struct buf *ret_text)
{
    struct fault fault;
    size_t at = 0;

    if (!slice_ends_with(name, SLICE(".xml")))
        return false;
    while (at < member.len) {
        size_t tag = slice_find_byte(member, '<', at), end = tag == SIZE_MAX ? member.len : tag;

        while (at < end) {
            uint8_t bytes[4] = {member.at[at]};
            size_t len = 1, written = 0;

            if (member.at[at] == '&')
                written = read_entity(slice_part(member, 0, end), at, bytes, &len);
            if (!buf_add(ret_text, slice_of_bytes(bytes, len), &fault))
                return false;
            at += written > 0 ? written : 1;
        }
        if (tag == SIZE_MAX)
            break;
        end = slice_find_byte(member, '>', tag);
        end = end == SIZE_MAX ? member.len : end;
        if (!separate(ret_text, separator_of(tag_name(slice_part(member, tag + 1, end))), &fault))
            return false;
        at = end + 1;
    }
    return true;
}
