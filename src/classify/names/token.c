/* classify/names/token.c - what is a word. Latin, Greek and Cyrillic letters are folded to lower
 * case; a byte that is not UTF-8 is the Latin-1 letter that it would be. */
#include "classify/names/token.h"

#include <assert.h>

#include "base/sixteen.h"
#include "base/utf8.h"
#include "classify/ascii.h"

enum kind { KIND_MARK, KIND_SPACE, KIND_LETTER, KIND_DIGIT, KIND_NOTHING };

struct character {
    uint32_t point;  /* folded */
    uint8_t size;    /* in bytes */
    uint8_t kind;    /* enum kind */
    bool upper, cased;
};

/* Letters that come in pairs, upper before lower; `step` is from one to the other, 1 where they
 * alternate. */
static const struct {
    uint32_t first, last;
    uint32_t step;
    bool odd; /* alternating, with the upper ones odd */
} cases[] = {
    {0xc0, 0xde, 32, false},    {0x100, 0x137, 1, false}, {0x139, 0x148, 1, true},
    {0x14a, 0x177, 1, false},   {0x179, 0x17e, 1, true},  {0x218, 0x21b, 1, false},
    {0x388, 0x38a, 37, false},  {0x391, 0x3a9, 32, false}, {0x400, 0x40f, 80, false},
    {0x410, 0x42f, 32, false},  {0x490, 0x491, 1, false}, {0x4d8, 0x4d9, 1, false},
    {0x1e00, 0x1eff, 1, false},
};

/* Characters above ASCII that are no letters. */
static const struct {
    uint32_t first, last;
    enum kind kind;
} others[] = {
    {0x80, 0x9f, KIND_MARK},        {0xa0, 0xa0, KIND_SPACE},       {0xa1, 0xa9, KIND_MARK},
    {0xab, 0xac, KIND_MARK},        {0xad, 0xad, KIND_NOTHING},     {0xae, 0xb4, KIND_MARK},
    {0xb6, 0xb9, KIND_MARK},        {0xbb, 0xbf, KIND_MARK},        {0xd7, 0xd7, KIND_MARK},
    {0xf7, 0xf7, KIND_MARK},        {0x2000, 0x200a, KIND_SPACE},   {0x200b, 0x200f, KIND_NOTHING},
    {0x2028, 0x2029, KIND_SPACE},   {0x202f, 0x202f, KIND_SPACE},   {0x2010, 0x2bff, KIND_MARK},
    {0x3000, 0x3000, KIND_SPACE},   {0x3001, 0x3004, KIND_MARK},    {0x3008, 0x3020, KIND_MARK},
    {0xfe00, 0xfe0f, KIND_NOTHING}, {0xfeff, 0xfeff, KIND_NOTHING}, {0xff01, 0xff0f, KIND_MARK},
    {0xff1a, 0xff20, KIND_MARK},    {0xfff0, 0xffff, KIND_MARK},    {0x1f000, 0x1faff, KIND_MARK},
};

static void fold(struct character *c)
{
    for (size_t i = 0; i < COUNT(cases) && c->point >= cases[i].first; i++) {
        if (c->point > cases[i].last)
            continue;
        c->cased = true;
        if (cases[i].step > 1)
            c->upper = true;
        else
            c->upper = ((c->point & 1) != 0) == cases[i].odd;
        if (c->upper)
            c->point += cases[i].step;
        return;
    }
    c->cased = c->point >= 0xdf && c->point < 0x530;
}

static struct character character_above_ascii(struct slice text, size_t at)
{
    struct character c = {.kind = KIND_LETTER};

    c.size = (uint8_t)utf8_next(text, at, &c.point);
    if (c.size == 0)
        c = (struct character){.point = text.at[at], .size = 1, .kind = KIND_LETTER};
    for (size_t i = 0; i < COUNT(others) && c.point >= others[i].first; i++)
        if (c.point <= others[i].last) {
            c.kind = (uint8_t)others[i].kind;
            break;
        }
    if (c.kind == KIND_LETTER)
        fold(&c);
    else if (c.point == 0x2018 || c.point == 0x2019)
        c.point = '\'';
    else if (c.point >= 0x2010 && c.point <= 0x2015)
        c.point = '-';
    else if (c.point == 0x201c || c.point == 0x201d)
        c.point = '"';
    return c;
}

static inline struct character character_at(struct slice text, size_t at)
{
    uint8_t byte = text.at[at];
    struct character c = {.point = byte, .size = 1, .kind = KIND_MARK};

    if (byte >= 0x80)
        return character_above_ascii(text, at);
    if (is_letter(byte)) {
        c.kind = KIND_LETTER;
        c.cased = true;
        c.upper = byte < 'a';
        c.point = byte | 0x20U;
    } else if (is_digit(byte)) {
        c.kind = KIND_DIGIT;
    } else if (byte <= ' ') {
        c.kind = KIND_SPACE;
    }
    return c;
}

#define SIGN_REACH 256U /* of a link, from its beginning to the sign in it */

/* What a byte can be in a link. */
enum { LINK_PART = 1, LINK_HEAD = 2 };

/* 'w', '.', '/' and '~' begin what has no sign in it. */
static const uint8_t in_link[256] = {
    ['0' ... '9'] = LINK_PART, ['A' ... 'Z'] = LINK_PART, ['a' ... 'v'] = LINK_PART,
    ['w'] = LINK_HEAD,         ['x' ... 'z'] = LINK_PART, ['.'] = LINK_HEAD,
    ['/'] = LINK_HEAD,         ['~'] = LINK_HEAD,         ['@'] = LINK_PART,
    [':'] = LINK_PART,         ['_'] = LINK_PART,         ['%'] = LINK_PART,
    ['+'] = LINK_PART,         ['-'] = LINK_PART,         ['?'] = LINK_PART,
    ['='] = LINK_PART,         ['&'] = LINK_PART,         ['#'] = LINK_PART,
};

/* Is the run of [at, end) an e-mail address, a URL or a path? One has an '@' or a "://" in it, or begins in
 * "www.", "/", "./", "../" or "~/". */
static bool is_link(struct slice text, size_t at, size_t end)
{
    struct slice run = slice_part(text, at, end);
    size_t sign = slice_find_byte(run, '@', 1);

    return (sign != SIZE_MAX && slice_find_byte(run, '.', sign) != SIZE_MAX) ||
           slice_find(run, SLICE("://"), 0) != SIZE_MAX || slice_starts_with(run, SLICE("www.")) ||
           (run.len > 2 && (run.at[0] == '/' || slice_starts_with(run, SLICE("./")) ||
                            slice_starts_with(run, SLICE("../")) ||
                            slice_starts_with(run, SLICE("~/"))));
}

static bool may_begin_link(struct token_reader *reader)
{
    struct slice text = reader->text;
    size_t at = reader->at;

    if (reader->is_plain || in_link[text.at[at]] == 0 ||
        (at > 0 && in_link[text.at[at - 1]] != 0))
        return false; /* in the middle of a run */
    if (in_link[text.at[at]] == LINK_HEAD)
        return true;
    if (reader->mail < at)
        reader->mail = slice_find_byte(text, '@', at);
    if (reader->scheme < at)
        reader->scheme = slice_find(text, SLICE("://"), at);
    return reader->mail - at < SIGN_REACH || reader->scheme - at < SIGN_REACH;
}

/* Takes a link at the reader, if there is one. */
static bool take_link(struct token_reader *reader, struct token *token)
{
    size_t end = reader->at;

    if (!may_begin_link(reader))
        return false;
    while (end < reader->text.len && in_link[reader->text.at[end]] != 0)
        end++;
    if (!is_link(reader->text, reader->at, end))
        return false;
    while (memchr(".:?", reader->text.at[end - 1], 3) != NULL)
        end--; /* the sentence's, not the link's: what is_link wants is not at the end */
    if (end <= reader->at)
        return false;
    token->end = (uint32_t)end;
    token->shape = SHAPE_LINK;
    token->word = SHAPE_LINK;
    return true;
}

/* An apostrophe inside a word: O'Brien, but not Smith's. */
static bool joins(struct slice text, size_t at, size_t size)
{
    return at + size + 2 <= text.len && character_at(text, at + size).kind == KIND_LETTER &&
           at + size + character_at(text, at + size).size < text.len &&
           character_at(text, at + size + character_at(text, at + size).size).kind ==
               KIND_LETTER;
}

struct letters {
    uint32_t count, upper, cased;
    bool first_upper, other; /* digits or '_' */
};

static inline void word_add(struct token *token, struct letters *letters, const struct character *c)
{
    token->word = names_mix(token->word, c->point);
    letters->count++;
    if (letters->count == 2)
        token->head2 = token->word;
    else if (letters->count == 3)
        token->head3 = token->word;
    if (letters->count == 1)
        letters->first_upper = c->upper;
    letters->upper += c->upper;
    letters->cased += c->cased;
    memmove(token->last + 1, token->last, sizeof(token->last) - sizeof(token->last[0]));
    token->last[0] = c->point;
}

static uint8_t word_shape(const struct letters *letters)
{
    if (letters->count > TOKEN_LETTERS_MAX)
        return SHAPE_LONG;
    if (letters->other)
        return SHAPE_IDENTIFIER;
    if (letters->cased == 0)
        return SHAPE_CASELESS;
    if (letters->upper == 0)
        return SHAPE_LOWER;
    if (letters->count == 1)
        return SHAPE_INITIAL;
    if (letters->upper == letters->cased)
        return SHAPE_UPPER;
    return letters->first_upper && letters->upper == 1 ? SHAPE_CAPITAL : SHAPE_MIXED;
}

/* How many of the sixteen bytes from `at` on are letters of ASCII before the first that is none; which of
 * them are capitals, a bit each. */
static inline uint32_t letters_at(const uint8_t *at, uint64_t *ret_upper)
{
    sixteen bytes = sixteen_load(at);
    uint64_t rest = ~sixteen_bits(sixteen_within(bytes | 0x20, 'a', 'z'));
    uint32_t count = (uint32_t)__builtin_ctzll(rest | UINT64_C(1) << SIXTEEN);

    *ret_upper = sixteen_bits(sixteen_within(bytes, 'A', 'Z')) & ((UINT64_C(1) << count) - 1);
    return count;
}

/* As many letters as were counted there, none or more. */
static inline void add_ascii(const uint8_t *at, uint32_t count, struct token *token,
                             struct letters *letters)
{
    uint32_t word = 0;

    for (uint32_t i = 0; i < count; i++) {
        word = names_mix(word, at[i] | 0x20U);
        token->head2 = i == 1 ? word : token->head2;
        token->head3 = i == 2 ? word : token->head3;
    }
    for (uint32_t i = 0; i < COUNT(token->last) && i < count; i++)
        token->last[i] = at[count - 1 - i] | 0x20U;
    token->word = word;
    letters->count = letters->cased = count;
}

/* Most words are letters of ASCII, first of all or throughout. Where they end. */
static inline size_t take_ascii(struct slice text, size_t at, struct token *token,
                                struct letters *letters)
{
    uint32_t count = 0, upper = 0;
    uint64_t bits = 0;

    if (text.len - at >= SIXTEEN) {
        count = letters_at(text.at + at, &bits);
        upper = bits == 0 ? 0 : (uint32_t)__builtin_popcountll(bits);
    }
    if (count == 0 || count == SIXTEEN) /* or the text ends */
        for (count = upper = 0; at + count < text.len && is_letter(text.at[at + count]); count++)
            upper += is_upper(text.at[at + count]);
    add_ascii(text.at + at, count, token, letters);
    letters->upper = upper;
    letters->first_upper = count > 0 && is_upper(text.at[at]);
    return at + count;
}

/* Bytes that end a word of ASCII whatever comes behind them. */
static inline bool ends_word(uint8_t byte)
{
    return byte < 0x80 && byte != '_' && byte != '\'' && !is_alnum(byte);
}

static void take_word(struct token_reader *reader, struct token *token)
{
    struct letters letters = {0};
    size_t at = take_ascii(reader->text, reader->at, token, &letters);

    while (at < reader->text.len && !ends_word(reader->text.at[at])) {
        struct character c = character_at(reader->text, at);

        if (c.kind == KIND_LETTER)
            word_add(token, &letters, &c);
        else if (c.kind == KIND_DIGIT || c.point == '_')
            letters.other = true;
        else if (c.kind != KIND_NOTHING &&
                 !(c.point == '\'' && letters.count < 3 && joins(reader->text, at, c.size)))
            break;
        at += c.size;
    }
    token->end = (uint32_t)at;
    token->shape = word_shape(&letters);
    token->is_headed = letters.first_upper;
}

static void take_digits(struct token_reader *reader, struct token *token)
{
    size_t at = reader->at;

    while (at < reader->text.len && is_digit(reader->text.at[at]))
        at++;
    token->end = (uint32_t)at;
    token->shape = (uint8_t)(SHAPE_DIGITS + (at - reader->at < 6 ? at - reader->at : 6));
    token->word = token->shape;
}

static void skip_white(struct token_reader *reader, struct token *token)
{
    while (reader->at < reader->text.len) {
        uint8_t byte = reader->text.at[reader->at];
        struct character c;

        if (byte > ' ' && byte < 0x80)
            return;
        if (byte == ' ') {
            token->spaced = true;
            reader->at++;
            continue;
        }
        c = character_at(reader->text, reader->at);
        if (c.kind != KIND_SPACE && c.kind != KIND_NOTHING)
            return;
        if (c.point == '\n' || c.point == 0x2029)
            token->breaks = (uint8_t)(token->breaks < 2 ? token->breaks + 1 : 2);
        token->spaced |= c.kind == KIND_SPACE;
        reader->at += c.size;
    }
}

bool token_next(struct token_reader *reader, struct token *ret_token)
{
    struct character c;

    assert(reader->text.len <= UINT32_MAX);
    *ret_token = (struct token){0};
    skip_white(reader, ret_token);
    if (reader->at == reader->text.len)
        return false;
    ret_token->start = (uint32_t)reader->at;
    c = character_at(reader->text, reader->at);
    if (!take_link(reader, ret_token)) {
        if (c.kind == KIND_LETTER) {
            take_word(reader, ret_token);
        } else if (c.kind == KIND_DIGIT) {
            take_digits(reader, ret_token);
        } else {
            ret_token->end = (uint32_t)(reader->at + c.size);
            ret_token->shape = SHAPE_MARK;
            ret_token->word = names_mix(SHAPE_MARK, c.point);
        }
    }
    reader->at = ret_token->end;
    return true;
}
