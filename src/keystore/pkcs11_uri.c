#include "keystore/pkcs11_uri.h"

#include "base/hex.h"
#include "keystore/secret.h"

#define SCHEME "pkcs11:"

static const struct attribute {
    const char *name;
    bool is_query;
    bool is_text; /* without NUL, printable */
    size_t offset, room;
} attributes[] = {
    {"token", false, true, offsetof(struct pkcs11_uri, token), PKCS11_LABEL_BYTES_MAX},
    {"serial", false, true, offsetof(struct pkcs11_uri, serial), PKCS11_LABEL_BYTES_MAX},
    {"object", false, true, offsetof(struct pkcs11_uri, object), PKCS11_LABEL_BYTES_MAX},
    {"id", false, false, offsetof(struct pkcs11_uri, id), PKCS11_LABEL_BYTES_MAX},
    {"module-path", true, true, offsetof(struct pkcs11_uri, module_path), 1023},
    {"pin-source", true, true, offsetof(struct pkcs11_uri, pin_source), 1023},
};

/* The next byte of `text` at *at, with %XX taken apart; -1: not a good one. */
static int next_byte(struct slice text, size_t *at)
{
    int high, low;

    if (text.at[*at] != '%')
        return text.at[(*at)++];
    if (text.len - *at < 3)
        return -1;
    high = hex_digit(text.at[*at + 1]);
    low = hex_digit(text.at[*at + 2]);
    *at += 3;
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

static bool decode(const struct attribute *attribute, struct slice text, uint8_t *ret_bytes,
                   size_t *ret_len, struct fault *fault)
{
    size_t len = 0;

    for (size_t at = 0; at < text.len;) {
        int byte = next_byte(text, &at);

        if (byte < 0 || len == attribute->room ||
            (attribute->is_text && (byte < 0x20 || byte == 0x7f)))
            return fault_set(fault, FAULT_INVALID, "PKCS#11 URI: a bad value of %s",
                             attribute->name);
        ret_bytes[len++] = (uint8_t)byte;
    }
    *ret_len = len;
    return len > 0 ||
           fault_set(fault, FAULT_INVALID, "PKCS#11 URI: %s is empty", attribute->name);
}

static bool take(struct slice part, bool is_query, unsigned *seen, struct pkcs11_uri *uri,
                 struct fault *fault)
{
    struct slice name = {0};

    if (slice_equal(part, SLICE("type=private")) && !is_query)
        return true;
    if (slice_starts_with(part, SLICE("pin-value=")))
        return fault_set(fault, FAULT_INVALID,
                         "PKCS#11 URI: a PIN does not belong in it: pin-source=file:/PATH");
    if (!slice_cut(&part, '=', &name))
        name = part;
    for (size_t i = 0; i < COUNT(attributes); i++) {
        const struct attribute *attribute = &attributes[i];
        size_t len;

        if (attribute->is_query != is_query || !slice_equal(name, slice_of(attribute->name)))
            continue;
        if ((*seen >> i & 1) != 0)
            return fault_set(fault, FAULT_INVALID, "PKCS#11 URI: %s twice", attribute->name);
        *seen |= 1U << i;
        if (!decode(attribute, part, (uint8_t *)uri + attribute->offset, &len, fault))
            return false;
        if (!attribute->is_text)
            uri->id_len = len;
        return true;
    }
    return fault_set(fault, FAULT_INVALID,
                     "PKCS#11 URI: `%.*s` is not understood: token, serial, object, id, and "
                     "behind ? module-path and pin-source",
                     SLICE_ARGS(slice_part(name, 0, 40)));
}

static bool take_all(struct slice text, uint8_t separator, bool is_query, unsigned *seen,
                     struct pkcs11_uri *uri, struct fault *fault)
{
    struct slice part;

    while (slice_cut(&text, separator, &part))
        if (!take(part, is_query, seen, uri, fault))
            return false;
    return true;
}

static bool check(const struct pkcs11_uri *uri, struct fault *fault)
{
    if (uri->token[0] == 0 && uri->serial[0] == 0)
        return fault_set(fault, FAULT_INVALID, "PKCS#11 URI: token= says which token");
    if (uri->object[0] == 0 && uri->id_len == 0)
        return fault_set(fault, FAULT_INVALID,
                         "PKCS#11 URI: object= (a label) or id= says which key");
    if (uri->module_path[0] != '/')
        return fault_set(fault, FAULT_INVALID,
                         "PKCS#11 URI: ?module-path=/PATH says which library speaks to the "
                         "token");
    if (uri->pin_source[0] == 0)
        return fault_set(fault, FAULT_INVALID,
                         "PKCS#11 URI: &pin-source=file:/PATH says where the PIN is");
    return secret_place_check(slice_of(uri->pin_source), fault) ||
           fault_in(fault, "PKCS#11 URI: pin-source");
}

bool pkcs11_uri_parse(struct slice text, struct pkcs11_uri *ret_uri, struct fault *fault)
{
    struct pkcs11_uri uri = {0};
    struct slice path = {0}, query;
    unsigned seen = 0;

    if (text.len > PKCS11_URI_BYTES_MAX)
        return fault_set(fault, FAULT_LIMIT, "PKCS#11 URI of %zu bytes", text.len);
    if (!slice_starts_with(text, SLICE(SCHEME)))
        return fault_set(fault, FAULT_INVALID, "not a PKCS#11 URI: " SCHEME "...");
    query = slice_part(text, sizeof(SCHEME) - 1, text.len);
    if (!slice_cut(&query, '?', &path))
        path = query;
    if (!take_all(path, ';', false, &seen, &uri, fault) ||
        !take_all(query, '&', true, &seen, &uri, fault) || !check(&uri, fault))
        return false;
    *ret_uri = uri;
    return true;
}

static bool add_encoded(struct buf *text, const char *head, struct slice value,
                        struct fault *fault)
{
    if (value.len == 0)
        return true;
    if (!buf_add_text(text, head, fault))
        return false;
    for (size_t i = 0; i < value.len; i++) {
        uint8_t byte = value.at[i];
        bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                     (byte >= '0' && byte <= '9') || strchr("-._/:", byte) != NULL;

        if (!(plain && byte != 0 ? buf_add_byte(text, byte, fault)
                                 : buf_add_format(text, fault, "%%%02X", byte)))
            return false;
    }
    return true;
}

bool pkcs11_uri_write_for(const struct pkcs11_uri *uri, struct slice object,
                          struct buf *ret_text, struct fault *fault)
{
    const char *separator = uri->token[0] == 0 ? "serial=" : ";serial=";

    return buf_add_text(ret_text, SCHEME, fault) &&
           add_encoded(ret_text, "token=", slice_of(uri->token), fault) &&
           add_encoded(ret_text, separator, slice_of(uri->serial), fault) &&
           add_encoded(ret_text, ";object=", object, fault) &&
           add_encoded(ret_text, "?module-path=", slice_of(uri->module_path), fault) &&
           add_encoded(ret_text, "&pin-source=", slice_of(uri->pin_source), fault);
}
