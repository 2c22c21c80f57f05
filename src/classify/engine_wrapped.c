/* Values that are not right behind their name's operator: a type, a constructor, an element, some words stand between. */
#include "classify/ascii.h"
#include "classify/engine.h"

#define VALUE_MAX 2048
#define TYPE_MAX 40  /* ": Option<&'static str> " */
#define BLANKS_MAX 80 /* line ends and indentation, too */

/* Bytes of a declaration's type. Most names are followed by some, and by no value. */
static const bool in_type[256] = {
    ['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true, ['_'] = true, [' '] = true,
    ['\t'] = true,        [':'] = true,         ['&'] = true,         ['\''] = true, ['<'] = true,
    ['>'] = true,         ['['] = true,         [']'] = true,         ['.'] = true, ['?'] = true,
    ['*'] = true,
};

static uint8_t byte_at(const struct stretch *stretch, size_t at)
{
    return at < stretch->text.len ? stretch->text.at[at] : 0;
}

static bool is_one_of(uint8_t byte, const char *bytes)
{
    return byte != 0 && strchr(bytes, byte) != NULL;
}

static size_t skip(const struct stretch *stretch, size_t at, const char *bytes, size_t most)
{
    for (size_t i = 0; i < most && is_one_of(byte_at(stretch, at), bytes); i++)
        at++;
    return at;
}

static struct slice rest_at(const struct stretch *stretch, size_t at)
{
    return slice_part(stretch->text, at, stretch->text.len);
}

/* The length of the first of `words` that stands there, or 0. */
static size_t word_at(const struct stretch *stretch, size_t at, const char *const *words,
                      size_t count)
{
    uint8_t first = byte_at(stretch, at);

    for (size_t i = 0; i < count; i++)
        if ((uint8_t)words[i][0] == first && slice_starts_with(rest_at(stretch, at), slice_of(words[i])))
            return strlen(words[i]);
    return 0;
}

/* From `start` to a byte of `ends`. False where it is empty, too long, or has a line end or a blank in it. */
static bool value_to(const struct stretch *stretch, size_t start, const char *ends,
                     struct wrapped *ret_value)
{
    size_t at = start;

    while (at - start <= VALUE_MAX && byte_at(stretch, at) > ' ' &&
           !is_one_of(byte_at(stretch, at), ends))
        at++;
    ret_value->start = start;
    ret_value->end = at;
    return at > start && at - start <= VALUE_MAX;
}

/* <password>...</password>, <entry key="password">...</entry>, <key>Password</key><string>...</string> */
static bool element_value(const struct stretch *stretch, size_t at, struct wrapped *ret_value)
{
    if (byte_at(stretch, at) != '>' && byte_at(stretch, at) != '<')
        return false;
    at += byte_at(stretch, at) == '>';
    if (slice_starts_with(rest_at(stretch, at), SLICE("</key>"))) {
        at = skip(stretch, at + strlen("</key>"), " \t\r\n", BLANKS_MAX);
        if (!slice_starts_with(rest_at(stretch, at), SLICE("<string>")))
            return false;
        at += strlen("<string>");
    } else if (byte_at(stretch, at) == '<') {
        return false;
    }
    return value_to(stretch, at, "<>", ret_value) &&
           slice_starts_with(rest_at(stretch, ret_value->end), SLICE("</"));
}

/* Behind an operator, or where the type of a declaration ends: the byte after its '='. 0: there is none. */
static size_t behind_operator(const struct stretch *stretch, size_t at, bool *ret_is_typed)
{
    static const char *const operators[] = {":=", "=>", "<-", "\xef\xbc\x9a"}; /* the last is a wide colon */
    size_t first = skip(stretch, at, " \t", TYPE_MAX), length;

    *ret_is_typed = false;
    length = word_at(stretch, first, operators, COUNT(operators));
    if (length > 0)
        return first + length;
    for (size_t end = at; end - at < TYPE_MAX; end++) {
        uint8_t byte = byte_at(stretch, end);

        if (byte == '=') {
            *ret_is_typed = end > first;
            return is_one_of(byte_at(stretch, end + 1), "=>~") ||
                           (end > at && is_one_of(byte_at(stretch, end - 1), "!<>=+"))
                       ? 0
                       : end + 1;
        }
        if (!in_type[byte])
            break;
    }
    return is_one_of(byte_at(stretch, first), "=:({") ? first + 1 : 0;
}

/* "...", r"...", @"...", ("..."), String::from("..."), """...""", [[...]], and a block of YAML. */
static bool literal_value(const struct stretch *stretch, size_t at, bool is_typed,
                          struct wrapped *ret_value)
{
    static const char *const makers[] = {"String::from(", "new String(", "String(", "Secret(", "SecretStr(",
                                         "SecretString(", "Some(", "Buffer.from(", "bytes(", "(", "!!str "};
    char quote[] = {0, '\n', '\r', 0};

    at = skip(stretch, at, " \t", BLANKS_MAX);
    at += word_at(stretch, at, makers, COUNT(makers));
    at = skip(stretch, at, " \t\r\n", BLANKS_MAX);
    if (slice_starts_with(rest_at(stretch, at), SLICE("[[")))
        return value_to(stretch, at + 2, "]", ret_value);
    if (!is_typed && is_one_of(byte_at(stretch, at), "|>")) {
        at = skip(stretch, at + 1, "+-", 1);
        return is_one_of(byte_at(stretch, at), "\r\n") &&
               value_to(stretch, skip(stretch, at, " \t\r\n", BLANKS_MAX), "\"'`", ret_value);
    }
    at += is_one_of(byte_at(stretch, at + 1), "\"'`") && is_one_of(byte_at(stretch, at), "rbfuLR@$");
    if (!is_one_of(byte_at(stretch, at), "\"'`"))
        return false;
    quote[0] = (char)byte_at(stretch, at);
    at = skip(stretch, at, quote, 3);
    return value_to(stretch, at, quote, ret_value) &&
           byte_at(stretch, ret_value->end) == (uint8_t)quote[0];
}

/* "password is ...", "| password | ... |": what nothing but its look tells from a word. */
static bool prose_value(const struct stretch *stretch, size_t at, struct wrapped *ret_value)
{
    static const char *const words[] = {"is ", "was ", "will be ", "lautet ", "ist ", "est ", "es ", "| ", ": "};
    size_t first = skip(stretch, at, " \t", TYPE_MAX), length = word_at(stretch, first, words, COUNT(words));

    if (length == 0)
        return false;
    first = skip(stretch, first + length, " \t`\"'*:", 4);
    if (!value_to(stretch, first, "\"'`,;()[]{}<>|", ret_value))
        return false;
    while (ret_value->end > first && is_one_of(byte_at(stretch, ret_value->end - 1), ".:!?"))
        ret_value->end--;
    ret_value->is_loose = true;
    return ret_value->end > first;
}

bool engine_wrapped_value(const struct stretch *stretch, size_t behind_name,
                          struct wrapped *ret_value)
{
    bool is_typed;
    size_t at;

    *ret_value = (struct wrapped){0};
    if (element_value(stretch, behind_name, ret_value))
        return true;
    at = behind_operator(stretch, behind_name, &is_typed);
    if (at > 0 && literal_value(stretch, at, is_typed, ret_value))
        return true;
    *ret_value = (struct wrapped){0};
    return prose_value(stretch, behind_name, ret_value);
}
