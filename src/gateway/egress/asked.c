#include "gateway/egress/asked.h"

#include <stdio.h>
#include <strings.h>

#include "base/hex.h"
#include "base/scope.h"
#include "wire/url.h"
#include "wire/url_path.h"

#define HTTP_PORT 80
#define HTTPS_PORT 443
#define TEXT_BYTES_MAX (4 * HTTP1_HEAD_BYTES_MAX)
#define FIELDS_MAX (HTTP1_HEADERS_MAX - 2) /* a Host and a length may be added */

static const char *const plain_methods[] = {"GET", "HEAD"}; /* where policy names none */

void asked_refuse(struct asked *asked, int status, const char *reason, const char *message)
{
    asked->status = status;
    asked->reason = reason;
    (void)snprintf(asked->message, sizeof(asked->message), "custody: %s", message);
}

void asked_broken(int status, const char *why, struct asked *ret_asked)
{
    struct asked asked = {0};

    asked_refuse(&asked, status,
                 status == 413 || status == 414 || status == 431 ? "too-large" : "malformed",
                 why);
    *ret_asked = asked;
}

static bool name_is(struct slice name, const char *want)
{
    return name.len == strlen(want) && strncasecmp((const char *)name.at, want, name.len) == 0;
}

static bool has_word(struct slice list, struct slice word)
{
    struct slice part;

    while (slice_cut(&list, ',', &part)) {
        part = slice_trim(part);
        if (part.len == word.len &&
            strncasecmp((const char *)part.at, (const char *)word.at, word.len) == 0)
            return true;
    }
    return false;
}

bool asked_is_hop(struct slice name, struct slice connection)
{
    static const char *const hops[] = {
        "connection",
        "keep-alive",
        "proxy-connection",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "expect",
        "content-length",
        "host",
        "alt-svc",
        "http2-settings",
        "proxy-authentication-info",
    };

    for (size_t i = 0; i < COUNT(hops); i++)
        if (name_is(name, hops[i]))
            return true;
    return connection.len > 0 && has_word(connection, name);
}

/* ---- who is meant ---- */

static bool set_place(struct asked *asked, struct slice authority, uint16_t standard,
                      struct fault *fault)
{
    struct slice host;
    uint16_t port;

    if (!url_authority_parse(authority, &host, &port, fault))
        return false;
    if (host.len >= sizeof(asked->host))
        return fault_set(fault, FAULT_LIMIT, "the host is too long");
    for (size_t i = 0; i < host.len; i++)
        asked->host[i] =
            (char)(host.at[i] >= 'A' && host.at[i] <= 'Z' ? host.at[i] | 0x20 : host.at[i]);
    asked->host[host.len] = 0;
    asked->port = port == 0 ? standard : port;
    return asked->port != 0 || fault_set(fault, FAULT_INVALID, "the host has no port");
}

static bool same_place(const struct asked *a, const struct asked *b)
{
    return strcmp(a->host, b->host) == 0 && a->port == b->port;
}

/* The request's own words and the Host field, and where there is one the tunnel's, must agree:
 * who reads what differs between servers. */
static bool find_place(const struct http1_request *request, const struct asked *within,
                       struct asked *asked)
{
    uint16_t standard = asked->is_connect ? 0 : within != NULL ? HTTPS_PORT : HTTP_PORT;
    struct slice authority = http1_request_authority(request);
    struct asked field = {0};
    struct fault fault = {0};

    if (within != NULL && authority.len == 0)
        authority = http1_request_header(request, "host");
    if (authority.len == 0) {
        asked_refuse(asked, 400, "malformed", "a request to a proxy names its host");
        return false;
    }
    if (!set_place(asked, authority, standard, &fault)) {
        asked_refuse(asked, 400, "malformed", fault.why);
        return false;
    }
    if (asked->is_connect && http1_request_header(request, "host").at == NULL)
        return true; /* Python's own client */
    if (!set_place(&field, http1_request_header(request, "host"),
                   asked->is_connect ? asked->port : standard, &fault) ||
        !same_place(&field, asked) || (within != NULL && !same_place(within, asked))) {
        asked_refuse(asked, 400, "host", "the request names two different hosts");
        return false;
    }
    return true;
}

/* ---- what is in it ---- */

struct looking {
    const struct egress_scan *scan;
    unsigned classes;
    const char *rules[CLASS_COUNT];
};

static void look(struct looking *looking, struct slice text)
{
    const char *rules[CLASS_COUNT] = {0};
    unsigned found;

    if (text.len == 0)
        return;
    found = looking->scan->classes(looking->scan->self, text, rules);
    for (unsigned class = 0; class < CLASS_COUNT; class ++)
        if ((found & ~looking->classes & CLASS_BIT(class)) != 0)
            looking->rules[class] = rules[class];
    looking->classes |= found;
}

/* A URL's escapes taken off; what is none stays. */
static bool add_decoded(struct buf *text, struct slice part, struct fault *fault)
{
    for (size_t i = 0; i < part.len; i++) {
        uint8_t byte = part.at[i] == '+' ? ' ' : part.at[i];
        int high = byte == '%' && i + 2 < part.len ? hex_digit(part.at[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(part.at[i + 2]) : -1;

        if (low >= 0) {
            byte = (uint8_t)(high << 4 | low);
            i += 2;
        }
        if (!buf_add_byte(text, byte, fault))
            return false;
    }
    return true;
}

/* As it stands, and without its escapes. */
static bool look_at_url(struct looking *looking, struct slice part, struct fault *fault)
{
    AUTO_BUF struct buf decoded = buf_with_limit(TEXT_BYTES_MAX);

    if (!add_decoded(&decoded, part, fault))
        return false;
    look(looking, part);
    if (!slice_equal(part, buf_slice(&decoded)))
        look(looking, buf_slice(&decoded));
    return true;
}

/* All fields that go on, with their names: those say what a value is. */
static bool look_at_fields(struct looking *looking, const struct http1_request *request,
                           struct fault *fault)
{
    AUTO_BUF struct buf text = buf_with_limit(TEXT_BYTES_MAX);
    struct slice connection = http1_request_header(request, "connection");

    for (size_t i = 0; i < http1_request_header_count(request); i++) {
        struct http1_header header = http1_request_header_at(request, i);

        if (!asked_is_hop(header.name, connection) &&
            !buf_add_format(&text, fault, "%.*s: %.*s\n", SLICE_ARGS(header.name),
                            SLICE_ARGS(header.value)))
            return false;
    }
    look(looking, buf_slice(&text));
    return true;
}

/* Paths are the agent's words: what is sensitive in them stays out of records. */
static bool is_harmless(const struct egress_config *config, struct slice path)
{
    struct looking looking = {.scan = &config->scan};
    struct fault fault = {0};

    return look_at_url(&looking, path, &fault) &&
           (looking.classes & ~CLASS_BIT(CLASS_CODE)) == 0;
}

/* ---- what is allowed ---- */

static bool has(const char *const *list, size_t count, const char *text)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i], text) == 0)
            return true;
    return false;
}

static bool allows_method(const struct egress_entry *entry, const char *method)
{
    return entry->inspected ? has(entry->methods.at, entry->methods.count, method)
                            : has(plain_methods, COUNT(plain_methods), method);
}

static bool allows_path(const struct egress_entry *entry, const struct url_path *path)
{
    for (size_t i = 0; i < COUNT(entry->paths); i++)
        if (entry->paths[i].count > 0 &&
            !url_path_matches(path, entry->paths[i].at, entry->paths[i].count))
            return false;
    return true;
}

static bool is_at(const struct egress_entry *entry, const struct asked *asked)
{
    return entry->port == asked->port && strcmp(entry->host, asked->host) == 0;
}

/* How far the best entry goes. */
static void find_entry(const struct egress_config *config, const struct url_path *path,
                       struct asked *asked)
{
    bool is_listed = false, is_method = false;

    for (size_t i = 0; i < config->entry_count; i++) {
        const struct egress_entry *entry = &config->entries[i];

        if (!is_at(entry, asked))
            continue;
        is_listed = true;
        if (asked->is_connect) {
            /* an entry that looks into nothing is the widest */
            if (asked->entry == NULL || !entry->inspected)
                asked->entry = entry;
            continue;
        }
        if (!allows_method(entry, asked->method))
            continue;
        is_method = true;
        if (asked->entry == NULL && allows_path(entry, path))
            asked->entry = entry;
    }
    if (asked->entry != NULL)
        return;
    if (!is_listed)
        asked_refuse(asked, 403, "egress",
                     "policy lists no such host and port under `egress`");
    else if (!is_method)
        asked_refuse(asked, 403, "method", "policy does not allow that method there");
    else
        asked_refuse(asked, 403, "path", "policy does not allow that path there");
}

static void set_method(const struct http1_request *request, struct asked *asked)
{
    struct slice method = http1_request_method(request);

    if (method.len >= sizeof(asked->method))
        return; /* no method that policy knows is as long */
    memcpy(asked->method, method.at, method.len);
    asked->method[method.len] = 0;
}

/* That go on. */
static size_t count_fields(const struct http1_request *request)
{
    struct slice connection = http1_request_header(request, "connection");
    size_t count = 0;

    for (size_t i = 0; i < http1_request_header_count(request); i++)
        count += !asked_is_hop(http1_request_header_at(request, i).name, connection);
    return count;
}

void asked_head(const struct egress_config *config, const struct http1_request *request,
                const struct asked *within, struct asked *ret_asked)
{
    struct asked asked = {0};
    struct url_path path = {0};
    struct fault fault = {0};

    asked.is_connect = slice_equal(http1_request_method(request), SLICE("CONNECT"));
    asked.is_tls = within != NULL;
    set_method(request, &asked);
    if (asked.is_connect && !http1_request_done(request))
        asked_refuse(&asked, 400, "connect", "a CONNECT has no body");
    else if (count_fields(request) > FIELDS_MAX)
        asked_refuse(&asked, 431, "too-large", "the request has too many fields");
    else if (within != NULL && asked.is_connect)
        asked_refuse(&asked, 400, "connect", "a tunnel within a tunnel is refused");
    else if (http1_request_wants_upgrade(request))
        asked_refuse(&asked, 400, "upgrade", "protocol upgrades and WebSockets are refused");
    else if (find_place(request, within, &asked)) {
        if (!asked.is_connect && !url_path_read(http1_request_path(request), &path, &fault))
            asked_refuse(&asked, 400, "path", fault.why);
        else
            find_entry(config, &path, &asked);
    }
    url_path_free(&path);
    if (asked.status != 0)
        asked.path_may_show = is_harmless(config, http1_request_path(request));
    *ret_asked = asked;
}

static void refuse_classes(const struct looking *looking, struct asked *asked)
{
    unsigned denied = looking->classes & ~CLASS_BIT(CLASS_CODE);
    enum data_class class = class_of_mask(denied);
    char text[240];

    (void)snprintf(
        text, sizeof(text),
        "the request holds data of class %s (rule %s), which may not leave this way",
        class_name(class), looking->rules[class] == NULL ? "unknown" : looking->rules[class]);
    asked_refuse(asked, 403, "data-class", text);
    asked->classes = denied;
    asked->rule = looking->rules[class];
}

void asked_look(const struct egress_config *config, const struct http1_request *request,
                struct asked *asked)
{
    struct looking looking = {.scan = &config->scan};
    struct slice body = http1_request_body(request);
    struct fault fault = {0};

    if (http1_request_header(request, "content-encoding").at != NULL) {
        asked_refuse(asked, 415, "encoded", "compressed uploads are refused");
        return;
    }
    if (!look_at_url(&looking, http1_request_path(request), &fault)) {
        asked_refuse(asked, 400, "coverage", fault.why);
        return;
    }
    asked->path_may_show = (looking.classes & ~CLASS_BIT(CLASS_CODE)) == 0;
    if (!look_at_url(&looking, http1_request_query(request), &fault) ||
        !look_at_fields(&looking, request, &fault)) {
        asked_refuse(asked, 400, "coverage", fault.why);
        return;
    }
    look(&looking, body);
    asked->classes = looking.classes;
    if ((looking.classes & ~CLASS_BIT(CLASS_CODE)) != 0)
        refuse_classes(&looking, asked);
}

/* ---- written anew ---- */

static bool write_host(const struct asked *asked, uint16_t standard, struct buf *head,
                       struct fault *fault)
{
    return asked->port == standard ? buf_add_format(head, fault, "Host: %s\r\n", asked->host)
                                   : buf_add_format(head, fault, "Host: %s:%u\r\n",
                                                    asked->host, (unsigned)asked->port);
}

bool asked_write(const struct asked *asked, const struct http1_request *request,
                 struct buf *ret_head, struct fault *fault)
{
    struct slice connection = http1_request_header(request, "connection");
    struct slice query = http1_request_query(request);
    size_t body = http1_request_body(request).len;
    bool has_body =
        body > 0 || strcmp(asked->method, "POST") == 0 || strcmp(asked->method, "PUT") == 0;

    if (!buf_add_format(ret_head, fault, "%s %.*s%s%.*s HTTP/1.1\r\n", asked->method,
                        SLICE_ARGS(http1_request_path(request)), query.len > 0 ? "?" : "",
                        SLICE_ARGS(query)) ||
        !write_host(asked, asked->is_tls ? HTTPS_PORT : HTTP_PORT, ret_head, fault))
        return false;
    for (size_t i = 0; i < http1_request_header_count(request); i++) {
        struct http1_header header = http1_request_header_at(request, i);

        if (!asked_is_hop(header.name, connection) &&
            !buf_add_format(ret_head, fault, "%.*s: %.*s\r\n", SLICE_ARGS(header.name),
                            SLICE_ARGS(header.value)))
            return false;
    }
    if (has_body && !buf_add_format(ret_head, fault, "Content-Length: %zu\r\n", body))
        return false;
    return buf_add_text(ret_head, "\r\n", fault);
}
