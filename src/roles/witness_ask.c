#include "roles/witness_ask.h"

#include "base/scope.h"
#include "ledger/witness.h"

#define ANSWER_BYTES_MAX (16 * 1024)
#define CONNECT_MS 2000L
#define TOTAL_MS 5000L

static const char *const outcome_names[] = {
    [WITNESS_COSIGNED] = "cosigned",
    [WITNESS_SILENT] = "silent",
    [WITNESS_AHEAD] = "ahead",
    [WITNESS_REFUSED] = "refused",
};

const char *witness_outcome_name(enum witness_outcome outcome)
{
    return outcome_names[outcome];
}

static size_t on_bytes(char *bytes, size_t size, size_t count, void *self)
{
    struct fault ignored = {0};

    return buf_add(self, slice_of_bytes(bytes, size * count), &ignored) ? size * count : 0;
}

static void set_up(const struct transport *curl, CURL *easy, const char *url,
                   const struct buf *body, struct buf *answer)
{
    bool tls = strncmp(url, "https:", 6) == 0;

    (void)curl->easy_setopt(easy, CURLOPT_URL, url);
    (void)curl->easy_setopt(easy, CURLOPT_PROTOCOLS_STR, tls ? "https" : "http");
    (void)curl->easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    (void)curl->easy_setopt(easy, CURLOPT_PROXY, ""); /* no proxy of the environment's */
    (void)curl->easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl->easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl->easy_setopt(easy, CURLOPT_POST, 1L);
    (void)curl->easy_setopt(easy, CURLOPT_POSTFIELDS, (const char *)body->at);
    (void)curl->easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->len);
    (void)curl->easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
    (void)curl->easy_setopt(easy, CURLOPT_TIMEOUT_MS, TOTAL_MS);
    (void)curl->easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    (void)curl->easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    (void)curl->easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    (void)curl->easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes);
    (void)curl->easy_setopt(easy, CURLOPT_WRITEDATA, answer);
}

/* The HTTP status; 0: there was no answer. */
static long post(const struct transport *curl, const char *base, const struct buf *body,
                 struct buf *answer)
{
    AUTO_FREE char *url = xformat("%s%sadd-checkpoint", base,
                                  slice_ends_with(slice_of(base), SLICE("/")) ? "" : "/");
    struct curl_slist *headers = curl->slist_append(NULL, "Expect:");
    CURL *easy = curl->easy_init();
    long status = 0;

    if (easy != NULL && headers != NULL) {
        set_up(curl, easy, url, body, answer);
        (void)curl->easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
        if (curl->easy_perform(easy) == CURLE_OK)
            (void)curl->easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    }
    if (easy != NULL)
        curl->easy_cleanup(easy);
    curl->slist_free_all(headers);
    return status;
}

static bool parse_size(struct slice text, uint64_t *ret_size)
{
    struct slice digits = slice_part(text, 0, text.len - 1);
    uint64_t size = 0;

    if (text.len < 2 || text.len > 20 || text.at[text.len - 1] != '\n' ||
        (digits.len > 1 && digits.at[0] == '0'))
        return false;
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.at[i] < '0' || digits.at[i] > '9')
            return false;
        size = size * 10 + (uint64_t)(digits.at[i] - '0');
    }
    *ret_size = size;
    return size <= TREE_SIZE_MAX;
}

/* What came is worth what its key says about this very checkpoint. */
static bool take_lines(const struct witness_peer *peer, struct slice note, struct slice answer,
                       struct buf *lines)
{
    AUTO_BUF struct buf whole = buf_with_limit(NOTE_BYTES_MAX);
    struct fault ignored = {0};
    struct note parsed;

    return buf_add(&whole, note, &ignored) && buf_add(&whole, answer, &ignored) &&
           note_parse(buf_slice(&whole), &parsed, &ignored) &&
           cosignature_verify(&parsed, peer->key, NULL, &ignored) &&
           cosignature_copy(&parsed, peer->key, lines, &ignored);
}

static bool write_body(const struct witness_peer *peer, struct slice note, uint64_t size,
                       const struct tree_source *source, struct buf *body)
{
    struct witness_request request = {.old_size = peer->known, .checkpoint = note};
    struct fault ignored = {0};

    if (peer->known > 0 && peer->known < size &&
        !tree_prove_consistency(source, peer->known, size, &request.proof, &ignored))
        return false;
    return witness_request_write(&request, body, &ignored);
}

enum witness_outcome witness_ask(const struct transport *transport, struct witness_peer *peer,
                                 struct slice note, uint64_t size,
                                 const struct tree_source *source, struct buf *lines)
{
    /* The second time with the size that it told us. */
    for (int attempt = 0; attempt < 2; attempt++) {
        AUTO_BUF struct buf body = buf_with_limit(WITNESS_BODY_BYTES_MAX);
        AUTO_BUF struct buf answer = buf_with_limit(ANSWER_BYTES_MAX);
        long status;

        if (!write_body(peer, note, size, source, &body))
            return WITNESS_SILENT;
        status = post(transport, peer->url, &body, &answer);
        if (status == 200) {
            if (!take_lines(peer, note, buf_slice(&answer), lines))
                return WITNESS_SILENT;
            peer->known = size;
            return WITNESS_COSIGNED;
        }
        if (status == 403 || status == 404 || status == 422)
            return WITNESS_REFUSED;
        if (status != 409 || !parse_size(buf_slice(&answer), &peer->known))
            return WITNESS_SILENT;
        if (peer->known > size) {
            peer->known = 0; /* asked anew, so that it keeps what we signed */
            return WITNESS_AHEAD;
        }
    }
    return WITNESS_SILENT;
}
