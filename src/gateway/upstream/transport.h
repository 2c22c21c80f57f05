/*
 * gateway/upstream/transport.h - libcurl, loaded when it is needed.
 *
 * Its forty libraries take 6 ms to load, so only the gateway process does, by dlopen; the rest
 * of the program starts without them.
 */
#ifndef CUSTODY_GATEWAY_TRANSPORT_H
#define CUSTODY_GATEWAY_TRANSPORT_H

#define CURL_DISABLE_TYPECHECK /* its macros would wrap the members below */
#include <curl/curl.h>

#include "base/fault.h"

#undef curl_easy_setopt
#undef curl_easy_getinfo
#undef curl_multi_setopt

struct transport {
    CURLcode (*global_init)(long flags);
    CURL *(*easy_init)(void);
    CURLcode (*easy_setopt)(CURL *easy, CURLoption option, ...);
    CURLcode (*easy_getinfo)(CURL *easy, CURLINFO info, ...);
    CURLcode (*easy_perform)(CURL *easy);
    CURLcode (*easy_pause)(CURL *easy, int mask);
    void (*easy_reset)(CURL *easy);
    void (*easy_cleanup)(CURL *easy);
    const char *(*easy_strerror)(CURLcode code);
    CURLM *(*multi_init)(void);
    CURLMcode (*multi_setopt)(CURLM *multi, CURLMoption option, ...);
    CURLMcode (*multi_add_handle)(CURLM *multi, CURL *easy);
    CURLMcode (*multi_remove_handle)(CURLM *multi, CURL *easy);
    CURLMcode (*multi_socket_action)(CURLM *multi, curl_socket_t socket, int events,
                                     int *running);
    CURLMcode (*multi_assign)(CURLM *multi, curl_socket_t socket, void *pointer);
    CURLMsg *(*multi_info_read)(CURLM *multi, int *left);
    CURLMcode (*multi_cleanup)(CURLM *multi);
    struct curl_slist *(*slist_append)(struct curl_slist *list, const char *text);
    void (*slist_free_all)(struct curl_slist *list);
};

/* FAULT_HOST: libcurl is not installed or too old. The second call returns what the first has
 * loaded. */
MUST_USE bool transport_load(const struct transport **ret_transport, struct fault *fault);

#endif
