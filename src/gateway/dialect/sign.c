#include "gateway/dialect/sign.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/hex.h"
#include "base/scope.h"

#define DIGEST_BYTES 32
#define ALGORITHM "AWS4-HMAC-SHA256"
#define QUERY_PARTS_MAX 32
#define CANONICAL_BYTES_MAX 32768
#define SECRET_BYTES_MAX 1024
#define STAMP_BYTES 17 /* "20150830T123600Z" and NUL */
#define DAY_LEN 8

static const struct {
    const char *name;
    size_t field;
} key_lines[] = {
    {"aws_access_key_id", offsetof(struct sign_keys, access)},
    {"aws_secret_access_key", offsetof(struct sign_keys, secret)},
    {"aws_session_token", offsetof(struct sign_keys, token)},
};

/* What goes into a header must not be able to end it. */
static bool is_value(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] <= 0x20 || text.at[i] >= 0x7F)
            return false;
    return text.len > 0;
}

static bool take_line(struct slice line, struct sign_keys *keys, struct fault *fault)
{
    size_t equals = slice_find_byte(line, '=', 0);
    struct slice name = slice_trim(slice_part(line, 0, equals));

    for (size_t i = 0; equals != SIZE_MAX && i < COUNT(key_lines); i++) {
        struct slice *field = (struct slice *)(void *)((char *)keys + key_lines[i].field);
        struct slice value = slice_trim(slice_part(line, equals + 1, line.len));

        if (!slice_equal(slice_of(key_lines[i].name), name))
            continue;
        if (field->len > 0 || !is_value(value))
            return fault_set(fault, FAULT_INVALID, "%s is there twice, empty, or unfit",
                             key_lines[i].name);
        *field = value;
        return true;
    }
    return fault_set(fault, FAULT_INVALID, "a line that is no key of AWS");
}

bool sign_keys_read(struct slice text, struct sign_keys *ret_keys, struct fault *fault)
{
    struct sign_keys keys = {0};
    struct slice rest = text, line;

    if (slice_find(text, slice_of(key_lines[0].name), 0) == SIZE_MAX)
        return fault_set(fault, FAULT_MISSING, "no %s", key_lines[0].name);
    while (slice_cut(&rest, '\n', &line)) {
        line = slice_trim(line);
        if (line.len > 0 && line.at[0] != '#' && line.at[0] != '[' &&
            !take_line(line, &keys, fault))
            return false;
    }
    if (keys.access.len == 0 || keys.secret.len == 0 || keys.secret.len > SECRET_BYTES_MAX)
        return fault_set(fault, FAULT_INVALID, "an access key and its secret are both needed");
    *ret_keys = keys;
    return true;
}

static bool digest(struct slice bytes, char ret_hex[2 * DIGEST_BYTES + 1], struct fault *fault)
{
    uint8_t out[DIGEST_BYTES];

    if (EVP_Digest(bytes.at, bytes.len, out, NULL, EVP_sha256(), NULL) != 1)
        return fault_set(fault, FAULT_HOST, "OpenSSL makes no SHA-256");
    hex_encode(slice_of_bytes(out, sizeof(out)), ret_hex);
    return true;
}

static bool authenticate(struct slice key, struct slice text, uint8_t ret_code[DIGEST_BYTES],
                         struct fault *fault)
{
    return HMAC(EVP_sha256(), key.at, (int)key.len, text.at, text.len, ret_code, NULL) !=
               NULL ||
           fault_set(fault, FAULT_HOST, "OpenSSL makes no HMAC");
}

static int by_bytes(const void *a, const void *b)
{
    return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

static bool is_plain(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '-' || byte == '.' || byte == '_' ||
           byte == '~' || byte == '/';
}

/* The path is encoded once more (all services but S3). */
static bool add_path(struct slice path, struct buf *out, struct fault *fault)
{
    for (size_t i = 0; i < path.len; i++)
        if (is_plain(path.at[i]) ? !buf_add_byte(out, path.at[i], fault)
                                 : !buf_add_format(out, fault, "%%%02X", path.at[i]))
            return false;
    return buf_add_byte(out, '\n', fault);
}

/* Parts as they are sent, encoded already, in order; each has its "=". */
static bool add_query(struct slice query, struct buf *out, struct fault *fault)
{
    struct slice parts[QUERY_PARTS_MAX], part;
    size_t count = 0;

    while (slice_cut(&query, '&', &part)) {
        if (count == QUERY_PARTS_MAX)
            return fault_set(fault, FAULT_LIMIT, "a query of more than %d parts",
                             QUERY_PARTS_MAX);
        if (part.len > 0)
            parts[count++] = part;
    }
    qsort(parts, count, sizeof(parts[0]), by_bytes);
    for (size_t i = 0; i < count; i++)
        if ((i > 0 && !buf_add_byte(out, '&', fault)) || !buf_add(out, parts[i], fault) ||
            (slice_find_byte(parts[i], '=', 0) == SIZE_MAX && !buf_add_byte(out, '=', fault)))
            return false;
    return buf_add_byte(out, '\n', fault);
}

/* All that is signed, in order: the caller's headers and ours, which come late by their name. */
struct signed_headers {
    struct sign_header at[16];
    size_t count;
};

static bool gather(const struct sign_keys *keys, const struct sign_request *request,
                   struct slice stamp, struct signed_headers *all, struct fault *fault)
{
    if (request->header_count + 2 > COUNT(all->at))
        return fault_set(fault, FAULT_LIMIT, "too many headers to sign");
    for (size_t i = 0; i < request->header_count; i++)
        all->at[all->count++] = request->headers[i];
    all->at[all->count++] = (struct sign_header){SLICE("x-amz-date"), stamp};
    if (keys->token.len > 0)
        all->at[all->count++] =
            (struct sign_header){SLICE("x-amz-security-token"), keys->token};
    return true;
}

static bool add_names(const struct signed_headers *all, struct buf *out, struct fault *fault)
{
    for (size_t i = 0; i < all->count; i++)
        if ((i > 0 && !buf_add_byte(out, ';', fault)) ||
            !buf_add(out, all->at[i].name, fault))
            return false;
    return true;
}

static bool add_canonical(const struct sign_request *request,
                          const struct signed_headers *all, struct buf *out,
                          struct fault *fault)
{
    size_t mark = slice_find_byte(request->target, '?', 0);
    struct slice query = mark == SIZE_MAX
                             ? SLICE("")
                             : slice_part(request->target, mark + 1, request->target.len);
    char body[2 * DIGEST_BYTES + 1];

    if (!buf_add_format(out, fault, "%s\n", request->method) ||
        !add_path(slice_part(request->target, 0, mark), out, fault) ||
        !add_query(query, out, fault))
        return false;
    for (size_t i = 0; i < all->count; i++)
        if (!buf_add(out, all->at[i].name, fault) || !buf_add_byte(out, ':', fault) ||
            !buf_add(out, all->at[i].value, fault) || !buf_add_byte(out, '\n', fault))
            return false;
    return buf_add_byte(out, '\n', fault) && add_names(all, out, fault) &&
           digest(request->body, body, fault) && buf_add_byte(out, '\n', fault) &&
           buf_add_text(out, body, fault);
}

/* A key for one day, region and service, made of the secret. */
static bool derive(const struct sign_keys *keys, const struct sign_request *request,
                   const char *stamp, uint8_t ret_key[DIGEST_BYTES], struct fault *fault)
{
    AUTO_BUF_SECRET struct buf first = buf_with_limit(SECRET_BYTES_MAX + 4);
    const struct slice steps[] = {slice_of_bytes(stamp, DAY_LEN), slice_of(request->region),
                                  slice_of(request->service), SLICE("aws4_request")};

    if (!buf_reserve(&first, first.limit, fault) || !buf_add_text(&first, "AWS4", fault) ||
        !buf_add(&first, keys->secret, fault))
        return false;
    for (size_t i = 0; i < COUNT(steps); i++) {
        uint8_t before[DIGEST_BYTES];

        memcpy(before, ret_key, sizeof(before));
        if (!authenticate(i == 0 ? buf_slice(&first) : slice_of_bytes(before, sizeof(before)),
                          steps[i], ret_key, fault))
            return false;
    }
    return true;
}

static bool stamp_of(int64_t now_us, char ret_stamp[STAMP_BYTES], struct fault *fault)
{
    time_t seconds = (time_t)(now_us / 1000000);
    struct tm tm;

    return (gmtime_r(&seconds, &tm) != NULL &&
            strftime(ret_stamp, STAMP_BYTES, "%Y%m%dT%H%M%SZ", &tm) == STAMP_BYTES - 1) ||
           fault_set(fault, FAULT_INVALID, "a time that has no date");
}

/* Signs the canonical form: "DAY/REGION/SERVICE/aws4_request" and the signature. */
static bool sign_canonical(const struct sign_keys *keys, const struct sign_request *request,
                           const char *stamp, struct slice canonical, char *scope,
                           size_t scope_room, char ret_signature[2 * DIGEST_BYTES + 1],
                           struct fault *fault)
{
    AUTO_BUF struct buf text = buf_with_limit(1024);
    char hash[2 * DIGEST_BYTES + 1];
    uint8_t key[DIGEST_BYTES] = {0}, code[DIGEST_BYTES];
    bool ok;

    (void)snprintf(scope, scope_room, "%.*s/%s/%s/aws4_request", DAY_LEN, stamp,
                   request->region, request->service);
    ok = digest(canonical, hash, fault) &&
         buf_add_format(&text, fault, ALGORITHM "\n%s\n%s\n%s", stamp, scope, hash) &&
         derive(keys, request, stamp, key, fault) &&
         authenticate(slice_of_bytes(key, sizeof(key)), buf_slice(&text), code, fault);
    OPENSSL_cleanse(key, sizeof(key));
    if (ok)
        hex_encode(slice_of_bytes(code, sizeof(code)), ret_signature);
    return ok;
}

bool sign_request(const struct sign_keys *keys, const struct sign_request *request,
                  struct buf *ret_lines, struct fault *fault)
{
    AUTO_BUF_SECRET struct buf canonical = buf_with_limit(CANONICAL_BYTES_MAX);
    char stamp[STAMP_BYTES], scope[256], signature[2 * DIGEST_BYTES + 1];
    struct signed_headers all = {.count = 0};

    if (!buf_reserve(&canonical, canonical.limit, fault) ||
        !stamp_of(request->now_us, stamp, fault) ||
        !gather(keys, request, slice_of(stamp), &all, fault) ||
        !add_canonical(request, &all, &canonical, fault) ||
        !sign_canonical(keys, request, stamp, buf_slice(&canonical), scope, sizeof(scope),
                        signature, fault) ||
        !buf_add_format(ret_lines, fault, "X-Amz-Date: %s\n", stamp))
        return false;
    if (keys->token.len > 0 && (!buf_add_text(ret_lines, "X-Amz-Security-Token: ", fault) ||
                                !buf_add(ret_lines, keys->token, fault) ||
                                !buf_add_byte(ret_lines, '\n', fault)))
        return false;
    return buf_add_text(ret_lines, "Authorization: " ALGORITHM " Credential=", fault) &&
           buf_add(ret_lines, keys->access, fault) &&
           buf_add_format(ret_lines, fault, "/%s, SignedHeaders=", scope) &&
           add_names(&all, ret_lines, fault) &&
           buf_add_format(ret_lines, fault, ", Signature=%s\n", signature);
}
