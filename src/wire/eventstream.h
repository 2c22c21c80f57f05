/*
 * wire/eventstream.h - messages of application/vnd.amazon.eventstream, cut at any byte.
 *
 *   message = u32be total || u32be headers || u32be crc32(of those 8) || headers || payload ||
 *             u32be crc32(of all before)
 *   header  = u8 len || name || u8 type || value
 *
 * Stricter than its peers: both sums are checked before anything is believed, a header stands
 * there once, types are the ten that there are, names and values of strings are printable ASCII.
 * Source: docs.aws.amazon.com/transcribe, "Event stream encoding".
 */
#ifndef CUSTODY_WIRE_EVENTSTREAM_H
#define CUSTODY_WIRE_EVENTSTREAM_H

#include "base/bytes.h"
#include "base/fault.h"

#define EVENTSTREAM_HEADERS_MAX 32
#define EVENTSTREAM_HEADER_BYTES_MAX (128U * 1024)

struct eventstream; /* a stream being read */

/* message_limit: bytes of one message. */
struct eventstream *eventstream_new(size_t message_limit);
void eventstream_free(struct eventstream *stream); /* NULL is fine */

/*
 * Takes bytes up to the end of the next message.
 *   ret_used     how many were taken
 *   ret_message  true: a message is complete; the accessors below hold until the next call
 * FAULT_INVALID: a wrong sum, length or header. FAULT_LIMIT: longer than the limit. Nothing more
 * can be read then.
 */
MUST_USE bool eventstream_feed(struct eventstream *stream, struct slice bytes, size_t *ret_used,
                               bool *ret_message, struct fault *fault);
/* Value of a header that is a string; empty: there is none of that name. */
struct slice eventstream_header(const struct eventstream *stream, const char *name);
struct slice eventstream_payload(const struct eventstream *stream);

/* CRC-32 of IEEE 802.3 (reflected 0xEDB88320). */
uint32_t eventstream_crc32(struct slice bytes);

/* Appends a message whose headers are strings, as pairs of name and value. */
MUST_USE bool eventstream_write(const char *const (*headers)[2], size_t count,
                                struct slice payload, struct buf *out, struct fault *fault);

#endif
