#include "roles/packet.h"

bool packet_put_number(struct buf *packet, uint64_t number, struct fault *fault)
{
    uint8_t bytes[8];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(number >> (8 * i));
    return buf_add(packet, slice_of_bytes(bytes, sizeof(bytes)), fault);
}

bool packet_put_text(struct buf *packet, struct slice text, struct fault *fault)
{
    uint8_t len[4];

    for (size_t i = 0; i < sizeof(len); i++)
        len[i] = (uint8_t)(text.len >> (8 * i));
    return (text.len < UINT32_MAX ||
            fault_set(fault, FAULT_LIMIT, "a field of %zu bytes", text.len)) &&
           buf_add(packet, slice_of_bytes(len, sizeof(len)), fault) &&
           buf_add(packet, text, fault);
}

bool packet_put_word(struct buf *packet, const char *word, struct fault *fault)
{
    return packet_put_text(packet, word == NULL ? (struct slice){0} : slice_of(word), fault);
}

static bool take(struct packet_reader *reader, size_t len, struct slice *ret_bytes)
{
    if (reader->failed || reader->rest.len < len) {
        reader->failed = true;
        return false;
    }
    *ret_bytes = slice_part(reader->rest, 0, len);
    reader->rest = slice_part(reader->rest, len, reader->rest.len);
    return true;
}

uint64_t packet_number(struct packet_reader *reader)
{
    struct slice bytes;
    uint64_t number = 0;

    if (!take(reader, 8, &bytes))
        return 0;
    for (size_t i = 0; i < 8; i++)
        number |= (uint64_t)bytes.at[i] << (8 * i);
    return number;
}

struct slice packet_text(struct packet_reader *reader)
{
    struct slice bytes;
    size_t len = 0;

    if (!take(reader, 4, &bytes))
        return (struct slice){0};
    for (size_t i = 0; i < 4; i++)
        len |= (size_t)bytes.at[i] << (8 * i);
    return take(reader, len, &bytes) ? bytes : (struct slice){0};
}

void packet_word(struct packet_reader *reader, char *ret_word, size_t size)
{
    struct slice text = packet_text(reader);

    if (text.len >= size || slice_find_byte(text, 0, 0) != SIZE_MAX) {
        reader->failed = true;
        text = (struct slice){0};
    }
    if (text.len > 0)
        memcpy(ret_word, text.at, text.len);
    ret_word[text.len] = 0;
}

bool packet_end(const struct packet_reader *reader, struct fault *fault)
{
    return (!reader->failed && reader->rest.len == 0) ||
           fault_set(fault, FAULT_INVALID, "a packet that cannot be read");
}
