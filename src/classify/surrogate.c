#include "classify/surrogate.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

#include "base/scope.h"
#include "classify/ascii.h"
#include "classify/shape.h"
#include "classify/validate.h"

#define DIGEST_BYTES 32
#define TRIES_MAX 64
#define TOKEN_BITS 24
#define WORD_BITS 18
#define LUHN_DIGITS_MAX 32
#define VALUE_BITS_MIN 13
#define MARK_BITS_AS_ANY 20 /* of dates the year is mark enough */

static shape_planner *const planners[SHAPE_COUNT] = {
    [SHAPE_TEXT] = shape_text,       [SHAPE_SECRET] = shape_secret,
    [SHAPE_KEY_BLOCK] = shape_key_block, [SHAPE_CARD] = shape_card,
    [SHAPE_SSN] = shape_ssn,         [SHAPE_DATE] = shape_text, /* what is no date */
    [SHAPE_NAME] = shape_name,       [SHAPE_EMAIL] = shape_email,
    [SHAPE_PHONE] = shape_phone,     [SHAPE_URL] = shape_url,
    [SHAPE_IPV4] = shape_ipv4,       [SHAPE_IPV6] = shape_ipv6,
    [SHAPE_MAC] = shape_mac,         [SHAPE_ADDRESS] = shape_address,
    [SHAPE_IBAN] = shape_iban,
};

/* A value on its way to a stand-in, or a stand-in that is looked at. */
struct making {
    const struct surrogate_key *key;
    enum surrogate_shape shape;
    struct letters value;
    struct plan plan;
    size_t checks;
    bool is_single; /* one letter or digit is all there is to replace */
    uint32_t *codes;
};

static bool hmac(const uint8_t *key, const char *purpose, uint64_t number, struct slice text,
                 uint8_t ret_digest[DIGEST_BYTES], struct fault *fault)
{
    struct buf input = buf_with_limit(text.len + 64);
    unsigned len = DIGEST_BYTES;
    bool ok = buf_add_text(&input, purpose, fault) && buf_add_byte(&input, 0, fault) &&
              buf_add(&input, slice_of_bytes(&number, sizeof(number)), fault) &&
              buf_add(&input, text, fault);

    if (ok && HMAC(EVP_sha256(), key, SURROGATE_KEY_LEN, input.at, input.len, ret_digest,
                   &len) == NULL)
        ok = fault_set(fault, FAULT_IO, "HMAC failed");
    buf_free_secret(&input);
    return ok;
}

/*
 * How many characters the mark takes: as many as leave enough values for a large file (of
 * digits a hundred thousand from six on). Where there are few, what is always put there is
 * mark enough.
 */
static size_t checks_of(const struct plan *plan)
{
    static const struct {
        size_t free, checks;
    } rows[] = {{20, 8}, {16, 6}, {12, 4}, {8, 3}, {6, 2}, {2, 1}};

    for (size_t i = 0; i < COUNT(rows); i++)
        if (plan->free >= rows[i].free)
            return plan->put >= 3 && plan->free < 8 ? 0 : rows[i].checks;
    return 0;
}

static unsigned free_bits(const struct plan *plan)
{
    unsigned bits = 0;

    for (size_t i = 0; i < plan->value->count; i++)
        if (plan->slots[i].role == SLOT_FREE)
            bits += plan->slots[i].alphabet->bits;
    return bits;
}

/* The last free ones, as many as leave enough values; one in any case. */
static void mark_checks(struct making *making)
{
    size_t most = checks_of(&making->plan);
    unsigned bits = free_bits(&making->plan);

    for (size_t i = making->value.count; making->checks < most && i-- > 0;) {
        struct slot *slot = &making->plan.slots[i];

        if (slot->role != SLOT_FREE)
            continue;
        if (making->checks > 0 && bits - slot->alphabet->bits < VALUE_BITS_MIN)
            return;
        slot->role = SLOT_CHECK;
        bits -= slot->alphabet->bits;
        making->checks++;
    }
}

/* One letter has no room for a mark: it becomes one of two that few values are, and these are known
 * again, whoever wrote them. */
static void narrow_single(struct making *making)
{
    static const struct alphabet upper = {.letters = "XQ", .count = 2, .bits = 1},
                                 lower = {.letters = "xq", .count = 2, .bits = 1},
                                 digit = {.letters = "98", .count = 2, .bits = 1};

    for (size_t i = 0; making->plan.free == 1 && making->plan.put == 0 && i < making->value.count;
         i++) {
        struct slot *slot = &making->plan.slots[i];
        uint32_t code = making->value.at[i].code;

        if (slot->role != SLOT_FREE || code >= 0x80)
            continue;
        slot->alphabet = is_upper((uint8_t)code)   ? &upper
                         : is_digit((uint8_t)code) ? &digit
                                                   : &lower;
        making->is_single = true;
    }
}

/* Is it one of the two? */
static bool is_narrow(const struct making *making)
{
    for (size_t i = 0; i < making->value.count; i++) {
        const struct slot *slot = &making->plan.slots[i];
        uint32_t code = making->value.at[i].code;

        if (slot->role == SLOT_FREE)
            return code < 0x80 && strchr(slot->alphabet->letters, (int)code) != NULL;
    }
    return false;
}

static void plan_for(struct making *making, struct plan *plan, const struct letters *value)
{
    *plan = (struct plan){.value = value,
                          .slots = xalloc_array(value->count + 1, sizeof(*plan->slots))};
    if (value->count > 0 && planners[making->shape](plan))
        return;
    free(plan->slots);
    *plan = (struct plan){.value = value,
                          .slots = xalloc_array(value->count + 1, sizeof(*plan->slots))};
    if (value->count > 0)
        (void)shape_text(plan);
}

static void making_begin(struct making *making, const struct surrogate_key *key,
                         enum surrogate_shape shape, enum finding_form form, struct slice raw)
{
    *making = (struct making){.key = key, .shape = shape};
    letters_read(raw, form, &making->value);
    plan_for(making, &making->plan, &making->value);
    mark_checks(making);
    narrow_single(making);
    making->codes = xalloc_array(making->value.count + 1, sizeof(*making->codes));
    for (size_t i = 0; i < making->value.count; i++)
        making->codes[i] = making->value.at[i].code;
}

static void making_end(struct making *making)
{
    letters_free(&making->value);
    free(making->plan.slots);
    free(making->codes);
}

/* ---- the characters ---- */

/* One byte of a wide character may look like the end of a line, which would make two of one, or
 * like the other order of bytes. */
static bool misleads(uint32_t code)
{
    unsigned low = code & 0xff, high = code >> 8 & 0xff;

    return low == 0 || low == '\n' || low == '\r' || high == '\n' || high == '\r';
}

static uint32_t pick(const struct making *making, size_t at, uint32_t random)
{
    const struct alphabet *alphabet = making->plan.slots[at].alphabet;
    uint32_t code;

    do {
        uint32_t index = random++ % alphabet->count;

        code = alphabet->letters != NULL ? (uint8_t)alphabet->letters[index]
                                         : alphabet->first + index;
    } while (making->value.form == FORM_WIDE && misleads(code));
    return code;
}

static uint32_t random_at(const uint8_t *digest, size_t number)
{
    uint32_t random;

    memcpy(&random, digest + number * sizeof(random), sizeof(random));
    return random;
}

/* What the mark must be, from all that is not the mark. */
static bool put_mark(const struct making *making, uint32_t *codes, struct fault *fault)
{
    AUTO_FREE uint32_t *rest = NULL;
    uint8_t digest[DIGEST_BYTES];
    size_t count = 0, used = 0;

    if (making->checks == 0)
        return true;
    rest = xalloc_array(making->value.count + 1, sizeof(*rest));
    for (size_t i = 0; i < making->value.count; i++)
        if (making->plan.slots[i].role != SLOT_CHECK &&
            making->plan.slots[i].role != SLOT_LUHN)
            rest[count++] = codes[i];
    if (!hmac(making->key->bytes, "mark", 0, slice_of_bytes(rest, count * sizeof(*rest)),
              digest, fault))
        return false;
    for (size_t i = 0; i < making->value.count; i++)
        if (making->plan.slots[i].role == SLOT_CHECK)
            codes[i] = pick(making, i, random_at(digest, used++));
    return true;
}

static void put_luhn(const struct making *making, uint32_t *codes)
{
    uint8_t digits[LUHN_DIGITS_MAX];
    size_t count = 0, at = SIZE_MAX;

    for (size_t i = 0; i < making->value.count && count < COUNT(digits); i++) {
        if (making->plan.slots[i].role == SLOT_LUHN)
            at = i;
        if (codes[i] < 0x80 && is_digit((uint8_t)codes[i]))
            digits[count++] = (uint8_t)codes[i];
    }
    for (uint8_t digit = '0'; at != SIZE_MAX && digit <= '9'; digit++) {
        digits[count - 1] = digit;
        codes[at] = digit;
        if (luhn_holds(digits, count))
            return;
    }
}

static bool fill(struct making *making, const uint8_t seed[DIGEST_BYTES], unsigned try,
                 struct fault *fault)
{
    uint8_t digest[DIGEST_BYTES];
    size_t used = DIGEST_BYTES / sizeof(uint32_t);
    uint64_t block = (uint64_t)try << 32;

    for (size_t i = 0; i < making->value.count; i++) {
        const struct slot *slot = &making->plan.slots[i];

        if (slot->role == SLOT_PUT)
            making->codes[i] = slot->code;
        if (slot->role != SLOT_FREE)
            continue;
        if (used == DIGEST_BYTES / sizeof(uint32_t)) {
            if (!hmac(seed, "more", block++, (struct slice){0}, digest, fault))
                return false;
            used = 0;
        }
        making->codes[i] = pick(making, i, random_at(digest, used++));
    }
    if (!put_mark(making, making->codes, fault))
        return false;
    put_luhn(making, making->codes);
    return true;
}

/* ---- is it fit? ---- */

static bool is_changed(const struct making *making)
{
    for (size_t i = 0; i < making->value.count; i++)
        if (making->codes[i] != making->value.at[i].code)
            return true;
    return false;
}

/* The same role, or as good as. */
static bool same_slot(const struct slot *a, uint32_t a_code, const struct slot *b,
                      uint32_t b_code)
{
    bool a_stands = a->role == SLOT_KEPT || a->role == SLOT_PUT;
    bool b_stands = b->role == SLOT_KEPT || b->role == SLOT_PUT;

    if (a_stands || b_stands)
        return a_stands && b_stands && a_code == b_code;
    return a->role == b->role && (a->role != SLOT_CHECK || a->alphabet == b->alphabet);
}

/* Does the stand-in read as so many letters as its original? "\\u00Lh" is four, "\\u00Ca" one. */
static bool reads_alike(const struct making *making, enum finding_form form, struct slice text)
{
    struct letters letters;
    bool alike;

    letters_read(text, form, &letters);
    alike = letters.count == making->value.count || letters.text.len > 0;
    letters_free(&letters);
    return alike;
}

/* Would the stand-in be planned like its original, so that it is known again? */
static bool is_known_again(struct making *making, enum finding_form form, struct slice text)
{
    struct making again;
    bool same;

    making_begin(&again, making->key, making->shape, form, text);
    same = again.value.count == making->value.count;
    for (size_t i = 0; same && i < making->value.count; i++)
        same = again.value.at[i].code == making->codes[i] &&
               same_slot(&making->plan.slots[i], making->codes[i], &again.plan.slots[i],
                         making->codes[i]);
    making_end(&again);
    return same;
}

static bool looks_real(const struct making *making)
{
    char text[64];

    if (making->shape == SHAPE_CARD || making->value.count > sizeof(text))
        return false; /* a card's Luhn is meant; its range is nobody's */
    for (size_t i = 0; i < making->value.count; i++)
        text[i] = making->codes[i] < 0x7f ? (char)making->codes[i] : (char)0x7f;
    return value_is_real(slice_of_bytes(text, making->value.count));
}

static bool write_out(struct making *making, const struct surrogate_pair *pair)
{
    uint8_t *bytes = (uint8_t *)(uintptr_t)pair->surrogate.at;

    memcpy(bytes, pair->original.at, pair->original.len);
    return letters_write(&making->value, making->codes, bytes, pair->original.len);
}

/* ---- making ---- */

/* Half of it tells whose it is where by chance nobody would write that. */
static void tell_halves(const struct making *making, struct surrogate_pair *pair)
{
    size_t len = pair->original.len, half = (len + 1) / 2;
    unsigned head = 0, tail = 0, head_free = 0;

    for (size_t i = 0; i < making->value.count; i++) {
        const struct slot *slot = &making->plan.slots[i];
        const struct letter *letter = &making->value.at[i];
        bool is_free = slot->role == SLOT_FREE || slot->role == SLOT_CHECK;
        bool in_head = letter->at + letter->len <= half;

        head_free += is_free && in_head;
        if (in_head)
            head += is_free ? slot->alphabet->bits : slot->role == SLOT_PUT ? 4 : 0;
        if (is_free && letter->at >= len - half)
            tail += slot->alphabet->bits;
    }
    if (making->value.text.len > 0)
        head_free = head = tail = (unsigned)half; /* of a container: all is random */
    pair->head_tells = head >= WORD_BITS && head_free >= 2;
    pair->tail_tells = tail >= WORD_BITS;
}

static bool date_secret_of(const struct surrogate_key *key, struct date_secret *ret_secret,
                           struct fault *fault)
{
    uint8_t digest[DIGEST_BYTES];

    if (!hmac(key->bytes, "dates", 0, (struct slice){0}, digest, fault))
        return false;
    ret_secret->offset = random_at(digest, 0);
    memcpy(&ret_secret->marks, digest + 16, sizeof(ret_secret->marks));
    return true;
}

static bool make_date(struct making *making, unsigned salt, struct surrogate_pair *pair,
                      bool *ret_done, struct fault *fault)
{
    struct date_secret secret;
    bool is_known = false;
    size_t digits = 0;

    *ret_done = false;
    if (!date_secret_of(making->key, &secret, fault))
        return false;
    *ret_done =
        date_shift(&making->value, &secret, salt, making->codes, &is_known) &&
        write_out(making, pair);
    for (size_t i = 0; i < making->value.count; i++)
        digits += is_digit((uint8_t)making->value.plain[i]);
    pair->trust = is_known && digits >= 8   ? SURROGATE_BY_TOKEN
                  : is_known && digits >= 6 ? SURROGATE_BY_WORD
                                            : SURROGATE_BY_PLACE;
    return true;
}

static enum surrogate_trust trust_of(const struct plan *plan)
{
    return plan->bits >= TOKEN_BITS  ? SURROGATE_BY_TOKEN
           : plan->bits >= WORD_BITS ? SURROGATE_BY_WORD
                                     : SURROGATE_BY_PLACE;
}

static bool make_letters(struct making *making, enum finding_form form, unsigned salt,
                         struct surrogate_pair *pair, struct fault *fault)
{
    AUTO_FREE uint32_t *plain = xalloc_array(making->value.count + 1, sizeof(*plain));
    uint8_t seed[DIGEST_BYTES];

    for (size_t i = 0; i < making->value.count; i++)
        plain[i] = making->value.at[i].code;
    if (!hmac(making->key->bytes, "value", salt,
              slice_of_bytes(plain, making->value.count * sizeof(*plain)), seed, fault))
        return false;
    for (unsigned try = 0; try < TRIES_MAX; try++) {
        if (!fill(making, seed, try, fault))
            return false;
        if (!is_changed(making) || looks_real(making) || !write_out(making, pair) ||
            !reads_alike(making, form, pair->surrogate))
            continue;
        /* in the second half of the tries: one that is not known again is better than none */
        if (try >= TRIES_MAX / 2 || is_known_again(making, form, pair->surrogate))
            return true;
    }
    return fault_set(fault, FAULT_DENIED, "no stand-in can be written for a value of %zu bytes",
                     pair->original.len);
}

bool surrogate_fits(unsigned form, size_t len)
{
    return form < FORM_SEALED && len <= LETTERS_BYTES_MAX;
}

bool surrogate_make(const struct surrogate_key *key, enum surrogate_shape shape,
                    enum finding_form form, unsigned salt, struct surrogate_pair *pair,
                    struct fault *fault)
{
    struct making making;
    bool done = false, ok = true;

    making_begin(&making, key, shape, form, pair->original);
    pair->trust = trust_of(&making.plan);
    pair->head_tells = pair->tail_tells = false;
    if (shape == SHAPE_DATE)
        ok = make_date(&making, salt, pair, &done, fault);
    if (ok && !done && making.plan.free == 0) {
        memcpy((uint8_t *)(uintptr_t)pair->surrogate.at, pair->original.at,
               pair->original.len);
        pair->trust = SURROGATE_NONE;
    } else if (ok && !done) {
        pair->trust = trust_of(&making.plan);
        tell_halves(&making, pair);
        ok = make_letters(&making, form, salt, pair, fault);
    }
    making_end(&making);
    return ok;
}

static unsigned mark_bits(const struct making *making)
{
    unsigned bits = 0;

    for (size_t i = 0; i < making->value.count; i++)
        if (making->plan.slots[i].role == SLOT_CHECK)
            bits += making->plan.slots[i].alphabet->bits;
    return bits;
}

/* `least_bits`: of its mark. */
static bool is_made(const struct surrogate_key *key, enum surrogate_shape shape,
                    enum finding_form form, struct slice text, unsigned least_bits)
{
    struct making making;
    struct date_secret secret;
    struct fault unsaid = {0};
    bool ours;

    if (!surrogate_fits(form, text.len))
        return false;
    making_begin(&making, key, shape, form, text);
    if (shape == SHAPE_DATE && date_secret_of(key, &secret, &unsaid) &&
        date_is(&making.value, &secret, &ours)) {
        making_end(&making);
        return ours;
    }
    if (making.is_single) {
        ours = least_bits == 0 && is_narrow(&making);
        making_end(&making);
        return ours;
    }
    ours = (making.checks > 0 || making.plan.put > 2) && mark_bits(&making) >= least_bits;
    for (size_t i = 0; ours && i < making.value.count; i++)
        ours = making.plan.slots[i].role != SLOT_PUT ||
               making.plan.slots[i].code == making.value.at[i].code;
    ours = ours && put_mark(&making, making.codes, &unsaid);
    if (ours)
        put_luhn(&making, making.codes);
    for (size_t i = 0; ours && i < making.value.count; i++)
        ours = making.codes[i] == making.value.at[i].code;
    making_end(&making);
    return ours;
}

bool surrogate_is_ours(const struct surrogate_key *key, enum surrogate_shape shape,
                       enum finding_form form, struct slice text)
{
    return is_made(key, shape, form, text, 0);
}

bool surrogate_is_ours_as_any(const struct surrogate_key *key, enum surrogate_shape shape,
                              enum finding_form form, struct slice text)
{
    bool ours = surrogate_is_ours(key, shape, form, text);

    for (unsigned other = 0; !ours && other < SHAPE_COUNT; other++)
        ours = is_made(key, (enum surrogate_shape)other, form, text, MARK_BITS_AS_ANY);
    return ours;
}
