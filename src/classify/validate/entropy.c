/* Is it random, or what people write where a secret would stand? */
#include <math.h>

#include "classify/ascii.h"
#include "classify/validate.h"

#define PLACEHOLDER_BYTES_MAX 256

double text_entropy(struct slice text)
{
    unsigned counts[256] = {0};
    double sum = 0;

    if (text.len == 0)
        return 0;
    for (size_t i = 0; i < text.len; i++)
        counts[text.at[i]]++;
    for (size_t i = 0; i < 256; i++)
        if (counts[i] > 1)
            sum += counts[i] * log2(counts[i]);
    /* Rounding may leave the range. */
    return fmin(fmax(log2((double)text.len) - sum / (double)text.len, 0), 8);
}

static bool is_word(struct slice text, const char *word)
{
    for (size_t i = 0; i < text.len; i++)
        if (lower(text.at[i]) != (uint8_t)word[i])
            return false; /* and so at the word's end */
    return word[text.len] == 0;
}

/* In full, whatever the case. */
static const char *const words[] = {
    "changeme",      "change_me",  "change-me", "placeholder", "password",     "passwd",
    "pass",          "pwd",        "secret",    "token",       "example",      "dummy",
    "redacted",      "null",       "none",      "undefined",   "empty",        "todo",
    "hunter2",       "test",       "user",      "username",    "yourpassword", "your_password",
    "your-password", "mypassword",
};

/* What opens and closes something that a program fills in. */
static const struct frame {
    const char *open, *close;
} frames[] = {
    {"<", ">"},  {"${", "}"}, {"$(", ")"}, {"{{", "}}"}, {"{", "}"},
    {"%(", "s"}, {"%", "%"},  {"[", "]"},  {"__", "__"},
};

bool validate_is_placeholder(struct slice text)
{
    size_t same = 1;

    if (text.len > PLACEHOLDER_BYTES_MAX)
        return false;
    if (text.len == 0)
        return true;
    for (size_t i = 0; i < COUNT(frames); i++)
        if (text.len > strlen(frames[i].open) + strlen(frames[i].close) &&
            slice_starts_with(text, slice_of(frames[i].open)) &&
            slice_ends_with(text, slice_of(frames[i].close)))
            return true;
    for (size_t i = 0; i < COUNT(words); i++)
        if (is_word(text, words[i]))
            return true;
    while (same < text.len && text.at[same] == text.at[0])
        same++;
    if (same == text.len) /* xxxx, ****, .... */
        return true;
    /* %s, $TOKEN: a format, a variable. */
    if (text.at[0] == '%' && text.len == 2)
        return true;
    for (size_t i = 1; text.at[0] == '$' && i < text.len; i++)
        if (!is_upper(text.at[i]) && text.at[i] != '_' && !is_digit(text.at[i]))
            return false;
    return text.at[0] == '$';
}
