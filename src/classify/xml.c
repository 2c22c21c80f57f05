#include "classify/xml.h"

#include "classify/read.h"

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static bool begins_name(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_' ||
           byte == ':' || byte >= 0x80;
}

static bool ends_name(uint8_t byte)
{
    return is_blank(byte) || byte == '>' || byte == '/' || byte == '=' || byte == '<' ||
           byte == '"' || byte == '\'';
}

static size_t skip_blanks(struct slice text, size_t at)
{
    while (at < text.len && is_blank(text.at[at]))
        at++;
    return at;
}

/* From `at` on, without what is before a colon. */
static struct slice take_name(struct slice text, size_t *at)
{
    size_t from = *at;

    while (*at < text.len && !ends_name(text.at[*at])) {
        if (text.at[*at] == ':')
            from = *at + 1;
        (*at)++;
    }
    return slice_part(text, from, *at);
}

/* Behind what ends a comment, an instruction, a CDATA section; all of the rest where nothing
 * does. */
static size_t behind(struct slice content, size_t from, const char *end, size_t *ret_to)
{
    size_t at = slice_find(content, slice_of(end), from);

    *ret_to = at == SIZE_MAX ? content.len : at;
    return at == SIZE_MAX ? content.len : at + strlen(end);
}

/* <!DOCTYPE a [ <!ENTITY b "c"> ]> */
static size_t behind_declaration(struct slice content, size_t at)
{
    bool is_subset = false;
    uint8_t quote = 0;

    for (; at < content.len; at++) {
        uint8_t byte = content.at[at];

        if (quote != 0)
            quote = byte == quote ? 0 : quote;
        else if (is_subset && (byte == '"' || byte == '\''))
            quote = byte;
        else if (byte == '[' || byte == ']')
            is_subset = byte == '[';
        else if (byte == '>' && !is_subset)
            return at + 1;
    }
    return content.len;
}

/* From behind a tag's name to its end; no '<' is in a tag. */
static void take_tag(struct xml_scan *scan, size_t at)
{
    struct slice content = scan->content;
    uint8_t quote = 0;

    scan->from = at;
    while (at < content.len && content.at[at] != '<' &&
           (content.at[at] != '>' || quote != 0)) {
        uint8_t byte = content.at[at++];

        if (quote != 0)
            quote = byte == quote ? 0 : quote;
        else if ((byte == '"' || byte == '\'') && at >= 2 && content.at[at - 2] != '/')
            quote = byte;
    }
    scan->to = at;
    scan->is_empty = at > scan->from && content.at[at - 1] == '/';
    scan->to -= scan->is_empty;
    scan->at = at + (at < content.len && content.at[at] == '>');
}

static bool starts(struct slice content, size_t at, const char *with)
{
    return slice_starts_with(slice_part(content, at, at + strlen(with)), slice_of(with));
}

/* A '<' that is no markup belongs to the text around it. */
static bool is_markup(struct slice content, size_t at)
{
    return at + 1 < content.len && content.at[at] == '<' &&
           (content.at[at + 1] == '!' || content.at[at + 1] == '?' ||
            begins_name(content.at[at + 1]) ||
            (content.at[at + 1] == '/' && at + 2 < content.len &&
             begins_name(content.at[at + 2])));
}

static enum xml_token take_text(struct xml_scan *scan)
{
    size_t at = scan->at;

    scan->from = at;
    do {
        at = slice_find_byte(scan->content, '<', at + (at > scan->from));
    } while (at != SIZE_MAX && !is_markup(scan->content, at) &&
             (at > scan->from || (at = scan->from + 1) < scan->content.len));
    scan->to = scan->at = at == SIZE_MAX || at > scan->content.len ? scan->content.len : at;
    return XML_TEXT;
}

enum xml_token xml_next(struct xml_scan *scan)
{
    struct slice content = scan->content;

    while (scan->at < content.len) {
        size_t at = scan->at, to;

        if (!is_markup(content, at))
            return take_text(scan);
        if (starts(content, at, "<!--")) {
            scan->at = behind(content, at + 4, "-->", &to);
        } else if (starts(content, at, "<![CDATA[")) {
            scan->from = at + 9;
            scan->at = behind(content, at + 9, "]]>", &scan->to);
            return XML_CDATA;
        } else if (starts(content, at, "<?")) {
            scan->at = behind(content, at + 2, "?>", &to);
        } else if (starts(content, at, "<!")) {
            scan->at = behind_declaration(content, at + 2);
        } else {
            bool is_close = content.at[at + 1] == '/';

            at += is_close ? 2 : 1;
            scan->name = take_name(content, &at);
            take_tag(scan, at);
            return is_close ? XML_CLOSE : XML_OPEN;
        }
    }
    return XML_END;
}

bool xml_attribute_next(const struct xml_scan *scan, size_t *at,
                        struct xml_attribute *ret_attribute)
{
    struct slice tag = slice_part(scan->content, 0, scan->to);

    while ((*at = skip_blanks(tag, *at)) < tag.len) {
        size_t from;
        uint8_t quote;

        ret_attribute->name = take_name(tag, at);
        *at = skip_blanks(tag, *at);
        if (*at >= tag.len || tag.at[*at] != '=') {
            *at += ret_attribute->name.len == 0;
            continue; /* <input disabled>, a stray byte */
        }
        from = *at = skip_blanks(tag, *at + 1);
        if (from >= tag.len)
            return false;
        quote = tag.at[from];
        if (quote == '"' || quote == '\'') {
            size_t end = slice_find_byte(tag, quote, from + 1);

            ret_attribute->from = from + 1;
            ret_attribute->to = end == SIZE_MAX ? tag.len : end;
            *at = end == SIZE_MAX ? tag.len : end + 1;
        } else {
            while (*at < tag.len && !is_blank(tag.at[*at]))
                (*at)++;
            ret_attribute->from = from;
            ret_attribute->to = *at;
        }
        return true;
    }
    return false;
}

/* ---- the walk ---- */

struct walk {
    struct rewrite rewrite;
    struct xml_scan scan;
    const struct xml_visitor *visitor;
};

static bool take_value(struct walk *walk, struct slice attribute, size_t from, size_t to,
                       bool is_literal, struct fault *fault)
{
    struct rewrite *rewrite = &walk->rewrite;
    struct slice content = slice_part(walk->scan.content, 0, to);
    size_t at = from, start;
    bool is_plain = true;

    at = from = skip_blanks(content, from);
    while (to > from && is_blank(content.at[to - 1]))
        to--;
    if (from == to)
        return true;
    content.len = to;
    start = rewrite_place(rewrite, from);
    while (!is_literal && (at = slice_find_byte(content, '&', at)) != SIZE_MAX) {
        uint8_t bytes[4];
        size_t len = 0, written = read_entity(content, at, bytes, &len);

        if (written > 0 && !rewrite_as(rewrite, at, at + written, slice_of_bytes(bytes, len),
                                       FORM_ENTITY, fault))
            return false;
        is_plain = is_plain && written == 0;
        at += written > 0 ? written : 1;
    }
    if (!is_plain && !rewrite_keep(rewrite, to, fault))
        return false;
    walk->visitor->value(walk->visitor->self, attribute, start, rewrite_place(rewrite, to),
                         slice_part(content, from, to));
    return true;
}

static bool take_open(struct walk *walk, struct fault *fault)
{
    struct xml_attribute attribute;
    size_t at = walk->scan.from;

    walk->visitor->open(walk->visitor->self, &walk->scan);
    while (xml_attribute_next(&walk->scan, &at, &attribute))
        if (!take_value(walk, attribute.name, attribute.from, attribute.to, false, fault))
            return false;
    if (walk->scan.is_empty)
        walk->visitor->close(walk->visitor->self, walk->scan.name);
    return true;
}

bool xml_walk(struct reading *reading, const struct xml_visitor *visitor, struct fault *fault)
{
    struct walk walk = {.rewrite = {.reading = reading},
                        .scan = {.content = reading->content},
                        .visitor = visitor};
    enum xml_token token;
    bool ok = true;

    while (ok && (token = xml_next(&walk.scan)) != XML_END) {
        if (token == XML_OPEN)
            ok = take_open(&walk, fault);
        else if (token == XML_CLOSE)
            visitor->close(visitor->self, walk.scan.name);
        else
            ok = take_value(&walk, (struct slice){0}, walk.scan.from, walk.scan.to,
                            token == XML_CDATA, fault);
    }
    return ok && rewrite_keep(&walk.rewrite, reading->content.len, fault);
}
