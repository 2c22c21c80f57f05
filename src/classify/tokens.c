/* Secrets that announce themselves: a public prefix and a known alphabet and length. */
#include "classify/detect.h"

enum alphabet { ALPHABET_ALNUM, ALPHABET_UPPER, ALPHABET_URL, ALPHABET_DASH };

static const struct token {
    const char *prefix;
    enum rule rule;
    enum alphabet alphabet;
    size_t least, most; /* bytes behind the prefix */
} tokens[] = {
    {"AKIA", RULE_AWS_KEY_ID, ALPHABET_UPPER, 16, 16},
    {"ASIA", RULE_AWS_KEY_ID, ALPHABET_UPPER, 16, 16},
    {"ghp_", RULE_GITHUB, ALPHABET_ALNUM, 36, 255},
    {"gho_", RULE_GITHUB, ALPHABET_ALNUM, 36, 255},
    {"ghu_", RULE_GITHUB, ALPHABET_ALNUM, 36, 255},
    {"ghs_", RULE_GITHUB, ALPHABET_ALNUM, 36, 255},
    {"ghr_", RULE_GITHUB, ALPHABET_ALNUM, 36, 255},
    {"github_pat_", RULE_GITHUB, ALPHABET_URL, 40, 255},
    {"glpat-", RULE_GITLAB, ALPHABET_URL, 20, 64},
    {"xoxb-", RULE_SLACK, ALPHABET_DASH, 20, 255},
    {"xoxp-", RULE_SLACK, ALPHABET_DASH, 20, 255},
    {"xoxa-", RULE_SLACK, ALPHABET_DASH, 20, 255},
    {"xoxs-", RULE_SLACK, ALPHABET_DASH, 20, 255},
    {"sk_live_", RULE_STRIPE, ALPHABET_ALNUM, 16, 255},
    {"rk_live_", RULE_STRIPE, ALPHABET_ALNUM, 16, 255},
    {"AIza", RULE_GOOGLE, ALPHABET_URL, 35, 35},
    {"sk-ant-", RULE_MODEL_KEY, ALPHABET_URL, 32, 255},
    {"sk-proj-", RULE_MODEL_KEY, ALPHABET_URL, 32, 255},
    {"sk-", RULE_MODEL_KEY, ALPHABET_ALNUM, 40, 255},
    {"npm_", RULE_NPM, ALPHABET_ALNUM, 36, 36},
};

static bool in_alphabet(enum alphabet alphabet, uint8_t byte)
{
    switch (alphabet) {
    case ALPHABET_UPPER:
        return is_digit(byte) || (byte >= 'A' && byte <= 'Z');
    case ALPHABET_ALNUM:
        return is_alnum(byte);
    case ALPHABET_URL:
        return is_alnum(byte) || byte == '-' || byte == '_';
    case ALPHABET_DASH:
        return is_alnum(byte) || byte == '-';
    }
    return false;
}

static size_t run_of(struct slice content, size_t at, enum alphabet alphabet)
{
    size_t end = at;

    while (end < content.len && in_alphabet(alphabet, content.at[end]))
        end++;
    return end - at;
}

static bool try_token(const struct detection *detection, size_t at, size_t *ret_end)
{
    struct slice rest = slice_part(detection->content, at, detection->content.len);

    for (size_t i = 0; i < COUNT(tokens); i++) {
        size_t prefix = strlen(tokens[i].prefix);
        size_t run;

        if (!slice_starts_with(rest, slice_of(tokens[i].prefix)))
            continue;
        run = run_of(rest, prefix, tokens[i].alphabet);
        if (run < tokens[i].least || run > tokens[i].most)
            continue;
        detect_add(detection, at, at + prefix + run, tokens[i].rule, CONFIDENCE_HIGH);
        *ret_end = at + prefix + run;
        return true;
    }
    return false;
}

/* eyJ... . eyJ... . signature */
static bool try_jwt(const struct detection *detection, size_t at, size_t *ret_end)
{
    struct slice content = detection->content;
    size_t head = run_of(content, at, ALPHABET_URL), body, signature, place;

    if (head < 16 || at + head >= content.len || content.at[at + head] != '.')
        return false;
    place = at + head + 1;
    if (!slice_starts_with(slice_part(content, place, content.len), SLICE("eyJ")))
        return false;
    body = run_of(content, place, ALPHABET_URL);
    if (body < 8 || place + body >= content.len || content.at[place + body] != '.')
        return false;
    signature = run_of(content, place + body + 1, ALPHABET_URL);
    if (signature < 16)
        return false;
    *ret_end = place + body + 1 + signature;
    detect_add(detection, at, *ret_end, RULE_JWT, CONFIDENCE_HIGH);
    return true;
}

/* A block that has no end is a block to the end: rather too much than a key. */
static bool try_private_key(const struct detection *detection, size_t at, size_t *ret_end)
{
    struct slice content = detection->content;
    struct slice line = slice_part(content, at, at + 64);
    size_t end, close, gap;

    if (slice_find(line, SLICE("PRIVATE KEY"), 0) == SIZE_MAX)
        return false;
    end = slice_find(content, SLICE("-----END "), at);
    close = end == SIZE_MAX ? SIZE_MAX
                            : slice_find(content, SLICE("-----"), end + strlen("-----END "));
    *ret_end = close == SIZE_MAX ? content.len : close + strlen("-----");
    gap = slice_find_byte(slice_part(content, 0, *ret_end), 0, at);
    if (gap != SIZE_MAX) /* a program's string ends there */
        *ret_end = gap;
    if (*ret_end - at <
        80) /* "-----BEGIN PRIVATE KEY-----" in a program's text is not a key */
        return false;
    detect_add(detection, at, *ret_end, RULE_PRIVATE_KEY, CONFIDENCE_HIGH);
    return true;
}

void detect_tokens(const struct detection *detection)
{
    static bool starts[256];
    struct slice content = detection->content;

    if (!starts['-']) {
        for (size_t i = 0; i < COUNT(tokens); i++)
            starts[(uint8_t)tokens[i].prefix[0]] = true;
        starts['e'] = starts['-'] = true;
    }
    for (size_t at = 0; at < content.len; at++) {
        size_t end = at;
        bool found = false;

        if (!starts[content.at[at]])
            continue;
        if (content.at[at] == '-') {
            if (slice_starts_with(slice_part(content, at, at + 11), SLICE("-----BEGIN ")))
                found = try_private_key(detection, at, &end);
        } else if (at > 0 && (is_alnum(content.at[at - 1]) || content.at[at - 1] == '_')) {
            continue;
        } else if (content.at[at] == 'e') {
            if (slice_starts_with(slice_part(content, at, at + 3), SLICE("eyJ")))
                found = try_jwt(detection, at, &end);
        } else {
            found = try_token(detection, at, &end);
        }
        if (found)
            at = end - 1;
    }
}
