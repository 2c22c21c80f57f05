#include "classify/containers.h"

#include "base/hex.h"
#include "base/scope.h"
#include "base/utf8.h"
#include "wire/base64.h"

/* What of a run is its digits. */
static bool is_base64(struct slice run, size_t at)
{
    return base64_digit(run.at[at]) >= 0;
}

/* The 0 of 0x4a is none. */
static bool is_hex(struct slice run, size_t at)
{
    return hex_digit(run.at[at]) >= 0 &&
           !(run.at[at] == '0' && at + 1 < run.len && (run.at[at + 1] | 0x20) == 'x');
}

static bool open_base64(struct slice digits, struct buf *ret_text, struct fault *fault)
{
    uint32_t group = 0;

    if (digits.len % 4 == 1)
        return false;
    for (size_t i = 0; i < digits.len; i++) {
        group = group << 6 | (uint32_t)base64_digit(digits.at[i]);
        if (i % 4 != 0 && !buf_add_byte(ret_text, (uint8_t)(group >> (6 - 2 * (i % 4))), fault))
            return false;
    }
    return true;
}

static bool close_base64(struct slice text, bool is_url, struct buf *ret_digits,
                         struct fault *fault)
{
    if (!base64_encode(text, ret_digits, fault))
        return false;
    while (ret_digits->len > 0 && ret_digits->at[ret_digits->len - 1] == '=')
        ret_digits->len--;
    for (size_t i = 0; is_url && i < ret_digits->len; i++)
        ret_digits->at[i] = ret_digits->at[i] == '+'   ? '-'
                            : ret_digits->at[i] == '/' ? '_'
                                                       : ret_digits->at[i];
    return true;
}

static bool open_hex(struct slice digits, struct buf *ret_text, struct fault *fault)
{
    for (size_t i = 0; i + 1 < digits.len; i += 2)
        if (!buf_add_byte(ret_text,
                          (uint8_t)(hex_digit(digits.at[i]) << 4 | hex_digit(digits.at[i + 1])),
                          fault))
            return false;
    return digits.len % 2 == 0;
}

static bool close_hex(struct slice text, bool is_upper, struct buf *ret_digits,
                      struct fault *fault)
{
    for (size_t i = 0; i < text.len; i++)
        if (!buf_add_format(ret_digits, fault, is_upper ? "%02X" : "%02x", text.at[i]))
            return false;
    return true;
}

static const struct kind {
    bool (*is_digit)(struct slice run, size_t at);
    const char *variant; /* a digit of these: it is the other alphabet */
    bool (*open)(struct slice digits, struct buf *ret_text, struct fault *fault);
    bool (*close)(struct slice text, bool is_variant, struct buf *ret_digits,
                  struct fault *fault);
} kinds[FORM_COUNT] = {
    [FORM_BASE64] = {is_base64, "-_", open_base64, close_base64},
    [FORM_HEX] = {is_hex, "ABCDEF", open_hex, close_hex},
};

/* Readable, so that what stands in for it is readable, too. */
static bool is_text(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] < ' ' && text.at[i] != '\n' && text.at[i] != '\r' && text.at[i] != '\t')
            return false;
    return text.len > 0 && utf8_is_valid(text);
}

/* Puts the text's digits where the run has its own. */
static bool fill(const struct kind *kind, struct slice text, uint8_t *run, size_t len)
{
    AUTO_BUF_SECRET struct buf digits = buf_with_limit(2 * text.len + 8);
    struct fault fault = {0};
    bool is_variant = false;
    size_t used = 0;

    for (size_t i = 0; i < len; i++)
        is_variant = is_variant || (run[i] != 0 && strchr(kind->variant, run[i]) != NULL);
    if (!kind->close(text, is_variant, &digits, &fault))
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!kind->is_digit(slice_of_bytes(run, len), i))
            continue;
        if (used == digits.len)
            return false;
        run[i] = digits.at[used++];
    }
    return used == digits.len;
}

bool container_open(struct slice run, enum finding_form form, struct buf *ret_text)
{
    const struct kind *kind = &kinds[form];
    AUTO_BUF_SECRET struct buf digits = buf_with_limit(run.len);
    AUTO_FREE uint8_t *again = NULL;
    struct fault fault = {0};

    if (kind->open == NULL)
        return false;
    for (size_t i = 0; i < run.len; i++)
        if (kind->is_digit(run, i) && !buf_add_byte(&digits, run.at[i], &fault))
            return false;
    again = (uint8_t *)slice_dup(run);
    if (kind->open(buf_slice(&digits), ret_text, &fault) && is_text(buf_slice(ret_text)) &&
        fill(kind, buf_slice(ret_text), again, run.len) &&
        slice_equal(slice_of_bytes(again, run.len), run))
        return true;
    buf_clear(ret_text);
    return false;
}

bool container_close(struct slice text, enum finding_form form, uint8_t *run, size_t len)
{
    return kinds[form].close != NULL && fill(&kinds[form], text, run, len);
}
