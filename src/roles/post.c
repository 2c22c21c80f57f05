#include "roles/post.h"

#include "base/scope.h"

#define CONNECT_MS 2000L
#define TOTAL_MS 5000L

static size_t on_bytes(char *bytes, size_t size, size_t count, void *self)
{
    struct fault ignored = {0};

    return buf_add(self, slice_of_bytes(bytes, size * count), &ignored) ? size * count : 0;
}

static void set_up(const struct transport *curl, CURL *easy, const char *url,
                   struct slice body, struct buf *answer)
{
    bool tls = strncmp(url, "https:", 6) == 0;

    (void)curl->easy_setopt(easy, CURLOPT_URL, url);
    (void)curl->easy_setopt(easy, CURLOPT_PROTOCOLS_STR, tls ? "https" : "http");
    (void)curl->easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    (void)curl->easy_setopt(easy, CURLOPT_PROXY, ""); /* no proxy of the environment's */
    (void)curl->easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl->easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl->easy_setopt(easy, CURLOPT_POST, 1L);
    (void)curl->easy_setopt(easy, CURLOPT_POSTFIELDS, (const char *)body.at);
    (void)curl->easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
    (void)curl->easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
    (void)curl->easy_setopt(easy, CURLOPT_TIMEOUT_MS, TOTAL_MS);
    (void)curl->easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    (void)curl->easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    (void)curl->easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    (void)curl->easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes);
    (void)curl->easy_setopt(easy, CURLOPT_WRITEDATA, answer);
}

long post(const struct transport *transport, const char *url, const char *type,
          struct slice body, struct buf *ret_answer)
{
    AUTO_FREE char *named = type == NULL ? NULL : xformat("Content-Type: %s", type);
    struct curl_slist *headers =
        transport->slist_append(NULL, named == NULL ? "Expect:" : named);
    CURL *easy = transport->easy_init();
    long status = 0;

    if (easy != NULL && headers != NULL) {
        set_up(transport, easy, url, body, ret_answer);
        (void)transport->easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
        if (transport->easy_perform(easy) == CURLE_OK)
            (void)transport->easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    }
    if (easy != NULL)
        transport->easy_cleanup(easy);
    transport->slist_free_all(headers);
    return status;
}
