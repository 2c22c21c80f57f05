#include "change/batch.h"

#include "base/hex.h"

static const struct type_row {
    const char *name;
    enum batch_type type;
} types[] = {
    {"blob", BATCH_BLOB},
    {"tree", BATCH_TREE},
    {"commit", BATCH_COMMIT},
    {"tag", BATCH_TAG},
};

static bool decimal(struct slice text, uint64_t *ret_number)
{
    uint64_t number = 0;

    if (text.len == 0 || text.len > 19 || (text.len > 1 && text.at[0] == '0'))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
        number = number * 10 + (uint64_t)(text.at[i] - '0');
    }
    *ret_number = number;
    return true;
}

static bool parse_line(struct slice line, struct batch_object *ret_object, struct fault *fault)
{
    struct slice rest = line, oid, type;

    *ret_object = (struct batch_object){.type = BATCH_MISSING};
    if (slice_ends_with(line, SLICE(" missing")) || slice_ends_with(line, SLICE(" ambiguous")))
        return true;
    if (!slice_cut(&rest, ' ', &oid) || !slice_cut(&rest, ' ', &type) ||
        !hex_decode(oid, ret_object->oid, GIT_OID_BYTES) || !decimal(rest, &ret_object->size))
        return fault_set(fault, FAULT_INVALID, "git's list of objects cannot be read");
    for (size_t i = 0; i < COUNT(types); i++)
        if (slice_equal(type, slice_of(types[i].name)))
            ret_object->type = types[i].type;
    return ret_object->type != BATCH_MISSING ||
           fault_set(fault, FAULT_INVALID, "git's list of objects has an unknown type");
}

/* Collects a line; *bytes moves behind what was used. */
static bool take_line(struct batch *batch, struct slice *bytes, const struct batch_sink *sink,
                      struct fault *fault)
{
    size_t end = slice_find_byte(*bytes, '\n', 0);
    size_t len = end == SIZE_MAX ? bytes->len : end;
    struct batch_object object;

    if (len > sizeof(batch->line) - batch->line_len)
        return fault_set(fault, FAULT_INVALID,
                         "git's list of objects has a line that is too long");
    memcpy(batch->line + batch->line_len, bytes->at, len);
    batch->line_len += len;
    *bytes = slice_part(*bytes, end == SIZE_MAX ? len : len + 1, bytes->len);
    if (end == SIZE_MAX)
        return true;
    if (!parse_line(slice_of_bytes(batch->line, batch->line_len), &object, fault) ||
        !sink->object(sink->self, &object, fault))
        return false;
    batch->line_len = 0;
    if (object.type == BATCH_MISSING)
        return true;
    batch->left = object.size;
    batch->at = object.size == 0 ? BATCH_AT_END : BATCH_AT_CONTENT;
    return object.size > 0 || sink->part(sink->self, (struct slice){0}, fault);
}

bool batch_take(struct batch *batch, struct slice bytes, const struct batch_sink *sink,
                struct fault *fault)
{
    while (bytes.len > 0) {
        if (batch->at == BATCH_AT_LINE) {
            if (!take_line(batch, &bytes, sink, fault))
                return false;
        } else if (batch->at == BATCH_AT_CONTENT) {
            size_t len = bytes.len < batch->left ? bytes.len : (size_t)batch->left;

            if (!sink->part(sink->self, slice_part(bytes, 0, len), fault))
                return false;
            bytes = slice_part(bytes, len, bytes.len);
            batch->left -= len;
            if (batch->left == 0)
                batch->at = BATCH_AT_END;
        } else {
            if (bytes.at[0] != '\n')
                return fault_set(fault, FAULT_INVALID,
                                 "an object of git is longer than it says");
            bytes = slice_part(bytes, 1, bytes.len);
            batch->at = BATCH_AT_LINE;
        }
    }
    return true;
}

bool batch_is_whole(const struct batch *batch)
{
    return batch->at == BATCH_AT_LINE && batch->line_len == 0;
}
