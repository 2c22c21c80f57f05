#include "gateway/door/carried.h"

#include "base/scope.h"
#include "wire/base64.h"

#define BASE64_BYTES_MIN 32
#define DATA_URL_HEAD_MAX 128
#define HEAD_BYTES 32

/* What is in here cannot be read as text. */
static const char *const opaque_magics[] = {
    "\x89PNG",  "\xFF\xD8\xFF",     "GIF8", "RIFF",       "%PDF-", "PK\x03\x04",
    "\x1F\x8B", "\x28\xB5\x2F\xFD", "BZh",  "7z\xBC\xAF",
};

/* Most texts are none, and their beginning tells. */
static bool may_be_base64(struct slice text)
{
    text = slice_part(text, 0, HEAD_BYTES);
    for (size_t i = 0; i < text.len; i++)
        if (base64_digit(text.at[i]) < 0 && text.at[i] != '\n' && text.at[i] != '\r')
            return false;
    return true;
}

/* Generous on purpose: whatever some decoder would take is worth a look. */
static bool decode_base64(struct slice text, struct buf *out)
{
    struct fault fault = {0};
    uint32_t bits = 0;
    unsigned count = 0;

    while (text.len > 0 && text.at[text.len - 1] == '=')
        text.len--;
    if (!may_be_base64(text) || !buf_reserve(out, text.len, &fault))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        int digit = base64_digit(text.at[i]);

        if (text.at[i] == '\n' || text.at[i] == '\r')
            continue;
        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        count += 6;
        if (count >= 8) {
            count -= 8;
            out->at[out->len++] = (uint8_t)(bits >> count);
        }
    }
    return true;
}

bool carried_is_opaque(struct slice bytes)
{
    for (size_t i = 0; i < COUNT(opaque_magics); i++)
        if (slice_starts_with(bytes, slice_of(opaque_magics[i])))
            return true;
    return false;
}

bool carried_open(struct slice text, struct carried *ret_carried)
{
    struct carried carried = {.payload = text, .bytes = buf_with_limit(text.len)};

    carried.is_data_url = slice_starts_with(text, SLICE("data:"));
    if (carried.is_data_url) {
        size_t mark = slice_find(slice_part(text, 0, DATA_URL_HEAD_MAX), SLICE(";base64,"), 0);

        if (mark == SIZE_MAX)
            return false; /* percent-encoded text: it has been scanned as it is */
        carried.payload = slice_part(text, mark + 8, text.len);
    }
    if ((!carried.is_data_url && text.len < BASE64_BYTES_MIN) ||
        !decode_base64(carried.payload, &carried.bytes)) {
        buf_free(&carried.bytes);
        return false;
    }
    *ret_carried = carried;
    return true;
}

static char digit_of(char digit, bool for_urls)
{
    if (for_urls && digit == '+')
        return '-';
    return for_urls && digit == '/' ? '_' : digit;
}

bool carried_write(struct slice payload, struct slice bytes, struct buf *out)
{
    AUTO_BUF_SECRET struct buf text = buf_with_limit(payload.len + 8);
    bool for_urls = slice_find_byte(payload, '-', 0) != SIZE_MAX ||
                    slice_find_byte(payload, '_', 0) != SIZE_MAX;
    struct fault fault = {0};
    size_t used = 0;

    if (!base64_encode(bytes, &text, &fault))
        return false;
    for (size_t i = 0; i < payload.len; i++) {
        uint8_t byte = payload.at[i];

        if (base64_digit(byte) >= 0) {
            if (used == text.len || text.at[used] == '=')
                return false;
            byte = (uint8_t)digit_of((char)text.at[used++], for_urls);
        }
        if (!buf_add_byte(out, byte, &fault))
            return false;
    }
    return used == text.len || text.at[used] == '=';
}
