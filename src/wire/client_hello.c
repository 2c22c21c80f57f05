#include "wire/client_hello.h"

#include "wire/url.h"

#define RECORD_BYTES_MAX 16384
#define HANDSHAKE 22
#define CLIENT_HELLO 1
#define MESSAGE_HEAD_BYTES 4
#define RANDOM_BYTES 32
#define SESSION_BYTES_MAX 32
#define EXTENSIONS_MAX 64

enum extension {
    EXTENSION_NAME = 0,
    EXTENSION_ENCRYPTED = 0xfe0d,
    EXTENSION_ENCRYPTED_NAME = 0xffce, /* what it was before */
};

static bool broken(struct fault *fault)
{
    return fault_set(fault, FAULT_INVALID, "a broken ClientHello");
}

/* A number of `size` bytes off the front. */
static bool take_number(struct slice *rest, size_t size, size_t *ret_number)
{
    size_t number = 0;

    if (rest->len < size)
        return false;
    for (size_t i = 0; i < size; i++)
        number = number << 8 | rest->at[i];
    *rest = slice_part(*rest, size, rest->len);
    *ret_number = number;
    return true;
}

/* Bytes behind their length, which is a number of `size` bytes. */
static bool take_bytes(struct slice *rest, size_t size, struct slice *ret_bytes)
{
    size_t len;

    if (!take_number(rest, size, &len) || rest->len < len)
        return false;
    *ret_bytes = slice_part(*rest, 0, len);
    *rest = slice_part(*rest, len, rest->len);
    return true;
}

static bool take_name(struct slice data, struct client_hello *hello, struct fault *fault)
{
    struct slice list, name;
    size_t type;

    if (!take_bytes(&data, 2, &list) || data.len > 0 || !take_number(&list, 1, &type) ||
        type != 0 || !take_bytes(&list, 2, &name) || list.len > 0)
        return broken(fault);
    if (!url_host_is_name(name))
        return fault_set(fault, FAULT_INVALID, "a server name that is no host's");
    for (size_t i = 0; i < name.len; i++)
        hello->name[i] =
            (char)(name.at[i] >= 'A' && name.at[i] <= 'Z' ? name.at[i] | 0x20 : name.at[i]);
    hello->name[name.len] = 0;
    return true;
}

static bool take_extensions(struct slice rest, struct client_hello *hello, struct fault *fault)
{
    size_t seen[EXTENSIONS_MAX], count = 0, type;
    struct slice data;

    while (rest.len > 0) {
        if (count == EXTENSIONS_MAX || !take_number(&rest, 2, &type) ||
            !take_bytes(&rest, 2, &data))
            return broken(fault);
        for (size_t i = 0; i < count; i++)
            if (seen[i] == type)
                return fault_set(fault, FAULT_INVALID, "an extension twice in a ClientHello");
        seen[count++] = type;
        if (type == EXTENSION_NAME && !take_name(data, hello, fault))
            return false;
        hello->is_encrypted = hello->is_encrypted || type == EXTENSION_ENCRYPTED ||
                              type == EXTENSION_ENCRYPTED_NAME;
    }
    return true;
}

static bool take_message(struct slice rest, struct client_hello *ret_hello,
                         struct fault *fault)
{
    struct client_hello hello = {0};
    struct slice session, suites, compressions, extensions = {0};
    size_t version;

    if (!take_number(&rest, 2, &version) || version >> 8 != 3 || rest.len < RANDOM_BYTES)
        return broken(fault);
    rest = slice_part(rest, RANDOM_BYTES, rest.len);
    if (!take_bytes(&rest, 1, &session) || session.len > SESSION_BYTES_MAX ||
        !take_bytes(&rest, 2, &suites) || suites.len < 2 || suites.len % 2 != 0 ||
        !take_bytes(&rest, 1, &compressions) || compressions.len == 0)
        return broken(fault);
    if (rest.len > 0 && (!take_bytes(&rest, 2, &extensions) || rest.len > 0))
        return broken(fault);
    if (!take_extensions(extensions, &hello, fault))
        return false;
    *ret_hello = hello;
    return true;
}

/* Joins what the records hold. False: the fault says why; *ret_whole: the message is there. */
static bool join(struct slice bytes, struct buf *message, bool *ret_whole, struct fault *fault)
{
    size_t wanted = SIZE_MAX;

    *ret_whole = false;
    while (bytes.len > 0) {
        size_t type, version, len;
        struct slice rest = bytes;

        if (bytes.at[0] != HANDSHAKE || (bytes.len > 1 && bytes.at[1] != 3))
            return fault_set(fault, FAULT_INVALID, "this is not TLS");
        if (!take_number(&rest, 1, &type) || !take_number(&rest, 2, &version) ||
            !take_number(&rest, 2, &len))
            return true;
        if (len == 0 || len > RECORD_BYTES_MAX)
            return broken(fault);
        if (!buf_add(message, slice_part(rest, 0, len), fault))
            return fault_in(fault, "a ClientHello");
        if (message->len > 0 && message->at[0] != CLIENT_HELLO)
            return fault_set(fault, FAULT_INVALID, "this is not a ClientHello");
        if (message->len >= MESSAGE_HEAD_BYTES) {
            wanted = MESSAGE_HEAD_BYTES + ((size_t)message->at[1] << 16 |
                                           (size_t)message->at[2] << 8 | message->at[3]);
            if (wanted > CLIENT_HELLO_BYTES_MAX)
                return fault_set(fault, FAULT_LIMIT, "a ClientHello of more than %d bytes",
                                 CLIENT_HELLO_BYTES_MAX);
            if (message->len > wanted)
                return fault_set(fault, FAULT_INVALID, "bytes behind a ClientHello");
        }
        if (rest.len < len)
            return true;
        if (message->len == wanted) {
            *ret_whole = true;
            return true;
        }
        bytes = slice_part(rest, len, rest.len);
    }
    return true;
}

bool client_hello_read(struct slice bytes, struct client_hello *ret_hello, bool *ret_whole,
                       struct fault *fault)
{
    struct buf message = buf_with_limit(CLIENT_HELLO_BYTES_MAX + RECORD_BYTES_MAX);
    struct slice text;
    bool ok = join(bytes, &message, ret_whole, fault);

    text = buf_slice(&message);
    if (ok && *ret_whole)
        ok = take_message(slice_part(text, MESSAGE_HEAD_BYTES, text.len), ret_hello, fault);
    buf_free(&message);
    return ok;
}
