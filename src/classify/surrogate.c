#include "classify/surrogate.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "classify/detect.h"
#include "classify/validate.h"

#define DIGEST_BYTES 32
#define STRONG_SLOTS 8

/* Where in a value the stand-in's free characters are, and how many of the last are its mark.
 */
struct shape {
    size_t from, to; /* outside of it nothing changes */
    bool hexadecimal;
    bool card, ssn;
    size_t slots, checks;
};

static bool hmac(const struct surrogate_key *key, const char *purpose, unsigned number,
                 struct slice text, uint8_t ret_digest[DIGEST_BYTES], struct fault *fault)
{
    struct buf input = buf_with_limit(text.len + 64);
    unsigned len = DIGEST_BYTES;
    bool ok = buf_add_text(&input, purpose, fault) && buf_add_byte(&input, 0, fault) &&
              buf_add(&input, slice_of_bytes(&number, sizeof(number)), fault) &&
              buf_add(&input, text, fault);

    if (ok && HMAC(EVP_sha256(), key->bytes, SURROGATE_KEY_LEN, input.at, input.len,
                   ret_digest, &len) == NULL)
        ok = fault_set(fault, FAULT_IO, "HMAC failed");
    buf_free_secret(&input);
    return ok;
}

static bool is_hex_only(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (is_letter(text.at[i]) && !((text.at[i] >= 'a' && text.at[i] <= 'f') ||
                                       (text.at[i] >= 'A' && text.at[i] <= 'F')))
            return false;
    return true;
}

/* The public part of a token that stays: up to the last "_" or "-" of its prefix, or four
 * letters. */
static size_t kept_prefix(uint16_t rule, struct slice text)
{
    static const struct kept {
        enum rule rule;
        const char *prefixes[8];
    } rows[] = {
        {RULE_AWS_KEY_ID, {"AKIA", "ASIA"}},
        {RULE_GITHUB, {"github_pat_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_"}},
        {RULE_GITLAB, {"glpat-"}},
        {RULE_SLACK, {"xoxb-", "xoxp-", "xoxa-", "xoxs-"}},
        {RULE_STRIPE, {"sk_live_", "rk_live_"}},
        {RULE_GOOGLE, {"AIza"}},
        {RULE_MODEL_KEY, {"sk-ant-", "sk-proj-", "sk-"}},
        {RULE_NPM, {"npm_"}},
        {RULE_JWT, {"eyJ"}},
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        for (size_t j = 0; rule == (uint16_t)rows[i].rule && j < COUNT(rows[i].prefixes) &&
                           rows[i].prefixes[j] != NULL;
             j++)
            if (slice_starts_with(text, slice_of(rows[i].prefixes[j])))
                return strlen(rows[i].prefixes[j]);
    return 0;
}

static bool is_slot(const struct shape *shape, struct slice text, size_t at)
{
    return at >= shape->from && at < shape->to && is_alnum(text.at[at]);
}

/*
 * How many characters the mark takes: as many as leave enough values for a large file (of
 * digits a hundred thousand from eight on). A social security number needs none: 000 in front
 * is mark enough, and a million is few.
 */
static size_t checks_of(const struct shape *shape)
{
    static const struct {
        size_t slots, checks;
    } rows[] = {{20, 8}, {16, 6}, {12, 4}, {STRONG_SLOTS, 3}, {6, 2}, {2, 1}};

    for (size_t i = 0; !shape->ssn && i < COUNT(rows); i++)
        if (shape->slots >= rows[i].slots)
            return rows[i].checks;
    return 0;
}

static struct shape shape_of(uint16_t rule, struct slice text)
{
    struct shape shape = {.from = kept_prefix(rule, text), .to = text.len};

    if (rule == RULE_PRIVATE_KEY) { /* the lines that say what it is stay */
        size_t line = slice_find_byte(text, '\n', 0);
        size_t end = slice_find(text, SLICE("-----END"), 0);

        shape.from = line == SIZE_MAX ? 0 : line;
        shape.to = end == SIZE_MAX ? text.len : end;
    }
    shape.card = rule == RULE_CARD;
    shape.ssn = rule == RULE_SSN;
    for (size_t i = 0; i < text.len; i++)
        shape.slots += is_slot(&shape, text, i);
    shape.checks = checks_of(&shape);
    shape.hexadecimal = is_hex_only(slice_part(text, shape.from, shape.to));
    return shape;
}

/* A character of the same kind, by a random byte. */
static uint8_t same_kind(const struct shape *shape, uint8_t byte, unsigned random)
{
    if (is_digit(byte))
        return (uint8_t)('0' + random % 10);
    if (byte >= 'a' && byte <= 'z')
        return (uint8_t)('a' + random % (shape->hexadecimal ? 6 : 26));
    return (uint8_t)('A' + random % (shape->hexadecimal ? 6 : 26));
}

/* Forced characters: a card starts with 0, an SSN with 000; the last digit of a card is
 * Luhn's. */
static bool is_forced(const struct shape *shape, size_t slot)
{
    return (shape->card && (slot == 0 || slot + 1 == shape->slots)) ||
           (shape->ssn && slot < 3);
}

/* Is this slot one of the mark's? They are the last ones that are not forced. */
static bool is_check(const struct shape *shape, size_t slot)
{
    size_t last = shape->slots - (shape->card ? 1 : 0);

    return slot < last && slot + shape->checks >= last && !is_forced(shape, slot);
}

static void force(const struct shape *shape, uint8_t *text, size_t len)
{
    uint8_t digits[64];
    size_t slot = 0, count = 0, last = 0;

    for (size_t i = 0; i < len; i++) {
        if (!is_slot(shape, slice_of_bytes(text, len), i))
            continue;
        if (is_forced(shape, slot))
            text[i] = '0';
        if (count < COUNT(digits))
            digits[count++] = text[i];
        last = i;
        slot++;
    }
    for (uint8_t digit = '0'; shape->card && count > 0 && digit <= '9'; digit++) {
        digits[count - 1] = text[last] = digit;
        if (luhn_holds(digits, count))
            return;
    }
}

/* What the mark must be, from all that is not the mark. */
static bool mark(const struct surrogate_key *key, const struct shape *shape, struct slice text,
                 uint8_t ret_mark[DIGEST_BYTES], struct fault *fault)
{
    struct buf rest = buf_with_limit(text.len + 1);
    size_t slot = 0;
    bool ok = true;

    for (size_t i = 0; ok && i < text.len; i++) {
        bool counts = true;

        if (is_slot(shape, text, i)) {
            counts = !is_check(shape, slot) && !is_forced(shape, slot);
            slot++;
        }
        if (counts)
            ok = buf_add_byte(&rest, text.at[i], fault);
    }
    ok = ok && hmac(key, "mark", 0, buf_slice(&rest), ret_mark, fault);
    buf_free_secret(&rest);
    return ok;
}

static bool put_mark(const struct surrogate_key *key, const struct shape *shape, uint8_t *text,
                     size_t len, struct fault *fault)
{
    uint8_t marks[DIGEST_BYTES];
    size_t slot = 0, used = 0;

    if (!mark(key, shape, slice_of_bytes(text, len), marks, fault))
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!is_slot(shape, slice_of_bytes(text, len), i))
            continue;
        if (is_check(shape, slot))
            text[i] = same_kind(shape, text[i], marks[used++]);
        slot++;
    }
    return true;
}

bool surrogate_make(const struct surrogate_key *key, uint16_t rule, struct slice original,
                    unsigned salt, uint8_t *ret_bytes, struct fault *fault)
{
    struct shape shape = shape_of(rule, original);
    uint8_t random[DIGEST_BYTES];
    size_t used = DIGEST_BYTES;
    unsigned block = salt << 20;

    memcpy(ret_bytes, original.at, original.len);
    for (size_t i = 0; i < original.len; i++) {
        if (!is_slot(&shape, original, i))
            continue;
        if (used == DIGEST_BYTES) {
            if (!hmac(key, "value", block++, original, random, fault))
                return false;
            used = 0;
        }
        ret_bytes[i] = same_kind(&shape, original.at[i], random[used++]);
    }
    force(&shape, ret_bytes, original.len);
    if (!put_mark(key, &shape, ret_bytes, original.len, fault))
        return false;
    force(&shape, ret_bytes, original.len); /* the last digit of a card goes with the mark */
    return true;
}

bool surrogate_is_weak(uint16_t rule, struct slice text)
{
    return shape_of(rule, text).slots < STRONG_SLOTS;
}

bool surrogate_is_ours(const struct surrogate_key *key, uint16_t rule, struct slice text)
{
    struct shape shape = shape_of(rule, text);
    struct fault unsaid = {0};
    uint8_t marks[DIGEST_BYTES];
    size_t slot = 0, used = 0;

    if ((shape.checks == 0 && !(shape.ssn && shape.slots == 9)) ||
        !mark(key, &shape, text, marks, &unsaid))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (!is_slot(&shape, text, i))
            continue;
        if (is_forced(&shape, slot) && !(shape.card && slot > 0) && text.at[i] != '0')
            return false;
        if (is_check(&shape, slot) &&
            text.at[i] != same_kind(&shape, text.at[i], marks[used++]))
            return false;
        slot++;
    }
    return true;
}
