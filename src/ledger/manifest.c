#include "ledger/manifest.h"

#include "base/hex.h"

#define HEX_DIGITS (2 * MANIFEST_DIGEST_BYTES)
#define BLANKS 2

static bool is_plain(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '.' || byte == '_' || byte == '-';
}

bool manifest_path_valid(struct slice path)
{
    bool at_start = true;

    for (size_t i = 0; i < path.len; i++) {
        uint8_t byte = path.at[i];

        if (at_start ? !is_plain(byte) || byte == '.' : !is_plain(byte) && byte != '/')
            return false;
        at_start = byte == '/';
    }
    return path.len > 0 && path.len <= MANIFEST_PATH_BYTES_MAX && !at_start;
}

bool manifest_line_parse(struct slice text, struct manifest_line *ret_line,
                         struct fault *fault)
{
    struct slice path = slice_part(text, HEX_DIGITS + BLANKS, text.len);
    struct manifest_line line = {.path = ""};

    if (text.len < HEX_DIGITS + BLANKS || text.at[HEX_DIGITS] != ' ' ||
        text.at[HEX_DIGITS + 1] != ' ' || !manifest_path_valid(path) ||
        !hex_decode(slice_part(text, 0, HEX_DIGITS), line.digest, sizeof(line.digest)))
        return fault_set(fault, FAULT_INVALID, "not a line of a manifest");
    memcpy(line.path, path.at, path.len);
    *ret_line = line;
    return true;
}

bool manifest_line_write(const struct manifest_line *line, struct buf *ret_text,
                         struct fault *fault)
{
    char hex[HEX_DIGITS + 1];

    hex_encode(slice_of_bytes(line->digest, sizeof(line->digest)), hex);
    return buf_add_format(ret_text, fault, "%s  %s\n", hex, line->path);
}
