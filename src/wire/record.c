#include "wire/record.h"

#include <assert.h>

#include "base/eight.h"
#include "base/scope.h"
#include "base/utf8.h"
#include "wire/base64.h"
#include "wire/jcs.h"
#include "wire/record_table.h"

#define TEXT_BYTES_MAX 512
#define PATH_BYTES_MAX 12288 /* PATH_MAX, every byte as %XX */
#define WORD_BYTES_MAX 64
#define HASH_BYTES 32
#define SALT_BYTES 16

#define VERSION "rec/v1"

static const struct record_place *place_of_field(enum record_field field)
{
    static const struct record_place *known[RECORD_FIELD_COUNT];

    if (known[field] == NULL)
        for (size_t i = 0; i < record_place_count; i++)
            if (record_places[i].what == (unsigned)field)
                known[field] = &record_places[i];
    return known[field];
}

static bool name_is(const char *known, size_t room, struct slice name)
{
    return name.len > 0 && name.len < room && known[0] == (char)name.at[0] &&
           known[name.len] == 0 && memcmp(known, name.at, name.len) == 0;
}

/* A name as the table has it, filled up with zeros, so that names are compared as numbers. */
struct name {
    uint64_t at[3];
};

_Static_assert(sizeof(record_places[0].member) == sizeof(struct name) &&
                   sizeof(record_places[0].object) == sizeof(uint64_t),
               "names of the table are one or three words");

/* False: no name of the table is that long. */
static bool name_of(struct slice text, struct name *ret_name)
{
    *ret_name = (struct name){{0}};
    if (text.len >= sizeof(*ret_name))
        return false;
    if (text.len > 0)
        memcpy(ret_name, text.at, text.len);
    return true;
}

/* At or behind `from`: in canonical text names only go up. NULL: there is none. */
static const struct record_place *place_of_name(struct slice object, struct slice member,
                                                size_t from)
{
    struct name wanted, above;

    if (!name_of(member, &wanted) || !name_of(object, &above) || (above.at[1] | above.at[2]) != 0)
        return NULL;
    for (size_t at = from; at < record_place_count; at++) {
        const struct record_place *place = &record_places[at];
        struct name name;
        uint64_t its_object;

        memcpy(&name, place->member, sizeof(name));
        memcpy(&its_object, place->object, sizeof(its_object));
        if (name.at[0] == wanted.at[0] && name.at[1] == wanted.at[1] &&
            name.at[2] == wanted.at[2] && its_object == above.at[0])
            return place;
    }
    return NULL;
}

void record_begin(struct record *record, enum record_type type)
{
    memset(record, 0, sizeof(*record));
    record->type = type;
}

void record_text(struct record *record, enum record_field field, struct slice text)
{
    assert(place_of_field(field)->kind != RECORD_KIND_NUMBER);
    record->field[field] = (struct record_value){.set = true, .text = text};
}

void record_word(struct record *record, enum record_field field, const char *word)
{
    if (word != NULL && word[0] != 0)
        record_text(record, field, slice_of(word));
}

void record_number(struct record *record, enum record_field field, int64_t number)
{
    assert(place_of_field(field)->kind == RECORD_KIND_NUMBER);
    record->field[field] = (struct record_value){.set = true, .number = number};
}

void record_sealed(struct record *record, const struct record_seal *seal)
{
    record_word(record, RECORD_PAYLOAD, seal->payload);
    record_word(record, RECORD_COMMITMENT, seal->commitment);
    record_word(record, RECORD_SCOPE, seal->scope);
}

bool record_printable(struct slice raw, struct buf *ret_text, struct fault *fault)
{
    bool is_utf8 = utf8_is_valid(raw);

    for (size_t i = 0; i < raw.len; i++) {
        uint8_t byte = raw.at[i];
        bool keep = byte >= 0x20 && byte != 0x7f && byte != '%' && (byte < 0x80 || is_utf8);

        if (keep ? !buf_add_byte(ret_text, byte, fault)
                 : !buf_add_format(ret_text, fault, "%%%02X", byte))
            return false;
    }
    return true;
}

const char *record_type_name(enum record_type type)
{
    return record_types[type].name;
}

uint64_t record_own_types(void)
{
    uint64_t own = 0;

    for (unsigned i = 0; i < RECORD_TYPE_COUNT; i++)
        own |= (uint64_t)record_types[i].is_own << i;
    return own;
}

bool record_type_parse(struct slice name, enum record_type *ret_type)
{
    for (unsigned i = 0; i < RECORD_TYPE_COUNT; i++)
        if (name_is(record_types[i].name, sizeof(record_types[i].name), name)) {
            *ret_type = (enum record_type)i;
            return true;
        }
    return false;
}

const char *record_field_name(enum record_field field)
{
    static char names[RECORD_FIELD_COUNT][40];
    const struct record_place *place = place_of_field(field);

    (void)snprintf(names[field], sizeof(names[field]), "%s%s%s", place->object,
                   place->object[0] == 0 ? "" : ".", place->member);
    return names[field];
}

static bool is_word(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.at[i];

        if (!((byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '_' ||
              byte == '-' || byte == '.'))
            return false;
    }
    return text.len > 0 && text.len <= WORD_BYTES_MAX;
}

static bool is_hex(struct slice text)
{
    size_t at = 0;

    for (; text.len - at >= sizeof(uint64_t); at += sizeof(uint64_t)) {
        uint64_t word = eight_load(text.at + at);

        if (((eight_within(word, '0', '9') | eight_within(word, 'a', 'f')) & EIGHT_ALL) !=
            EIGHT_ALL)
            return false;
    }
    return at == text.len; /* of none of the lengths that are allowed is anything left */
}

/* `is_printable`: that its text is, is known. */
static bool value_is_allowed(enum record_kind kind, const struct record_value *value,
                             bool is_printable)
{
    enum data_class class;
    enum verdict verdict;

    switch (kind) {
    case RECORD_KIND_NUMBER:
        return value->number <= JCS_NUMBER_MAX && value->number >= -JCS_NUMBER_MAX;
    case RECORD_KIND_TEXT:
        return value->text.len <= TEXT_BYTES_MAX &&
               (is_printable || utf8_is_printable(value->text));
    case RECORD_KIND_LIST:
        return value->text.len <= RECORD_LIST_BYTES_MAX &&
               (is_printable || utf8_is_printable(value->text));
    case RECORD_KIND_PATH:
        return value->text.len <= PATH_BYTES_MAX &&
               (is_printable || utf8_is_printable(value->text));
    case RECORD_KIND_WORD:
        return is_word(value->text);
    case RECORD_KIND_OBJECT:
        return (value->text.len == 40 || value->text.len == 64) && is_hex(value->text);
    case RECORD_KIND_DIGEST:
        return value->text.len == 64 && is_hex(value->text);
    case RECORD_KIND_CLASS:
        return class_parse(value->text, &class);
    case RECORD_KIND_VERDICT:
        return verdict_parse(value->text, &verdict);
    }
    return false;
}

static enum record_field first_of(record_set set)
{
    uint64_t low = (uint64_t)set;

    return (enum record_field)(low != 0 ? __builtin_ctzll(low)
                                        : 64 + __builtin_ctzll((uint64_t)(set >> 64)));
}

/* The table's say on fields: the required ones are there, and no others than allowed. */
static bool check_set(enum record_type type, record_set set, struct fault *fault)
{
    const struct record_type_row *row;
    record_set wrong;

    if ((unsigned)type >= RECORD_TYPE_COUNT)
        return fault_set(fault, FAULT_INVALID, "record of an unknown type");
    row = &record_types[type];
    wrong = set & ~(row->required | row->allowed);
    if (wrong != 0)
        return fault_set(fault, FAULT_INVALID, "record %s may not have %s", row->name,
                         record_field_name(first_of(wrong)));
    wrong = row->required & ~set;
    if (wrong != 0)
        return fault_set(fault, FAULT_INVALID, "record %s needs %s", row->name,
                         record_field_name(first_of(wrong)));
    return true;
}

static bool check_value(const struct record_place *place, const struct record_value *value,
                        bool is_printable, struct fault *fault)
{
    return value_is_allowed(place->kind, value, is_printable)
               ? true
               : fault_set(fault, FAULT_INVALID, "record: the value of %s is not allowed",
                           record_field_name((enum record_field)place->what));
}

static bool record_check(const struct record *record, struct fault *fault)
{
    record_set set = 0;

    for (size_t i = 0; i < record_place_count; i++) {
        const struct record_place *place = &record_places[i];

        if (place->what >= RECORD_FIELD_COUNT || !record->field[place->what].set)
            continue;
        set |= RECORD_BIT(place->what);
        if (!check_value(place, &record->field[place->what], false, fault))
            return false;
    }
    return check_set(record->type, set, fault);
}

static bool add_base64(struct buf *buf, const uint8_t *bytes, size_t len, struct fault *fault)
{
    return buf_add_byte(buf, '"', fault) &&
           base64_encode(slice_of_bytes(bytes, len), buf, fault) &&
           buf_add_byte(buf, '"', fault);
}

static bool place_is_set(const struct record_place *place, const struct record *record,
                         const struct record_header *header)
{
    if (place->what < RECORD_FIELD_COUNT)
        return record->field[place->what].set;
    return place->what == RECORD_HEADER_TYPE || header != NULL;
}

static bool add_value(const struct record_place *place, const struct record *record,
                      const struct record_header *header, struct buf *buf, struct fault *fault)
{
    const struct record_value *value;

    assert(header != NULL || place->what < RECORD_FIELD_COUNT ||
           place->what == RECORD_HEADER_TYPE);
    switch (place->what) {
    case RECORD_HEADER_PREV:
        return add_base64(buf, header->prev, HASH_BYTES, fault);
    case RECORD_HEADER_SALT:
        return add_base64(buf, header->salt, SALT_BYTES, fault);
    case RECORD_HEADER_SEQ:
        return jcs_add_number(buf, (int64_t)header->seq, fault);
    case RECORD_HEADER_SRC:
        return jcs_add_text(buf, header->src, fault);
    case RECORD_HEADER_TIME:
        return jcs_add_number(buf, header->t_us, fault);
    case RECORD_HEADER_TYPE:
        return jcs_add_text(buf, slice_of(record_types[record->type].name), fault);
    case RECORD_HEADER_VERSION:
        return jcs_add_text(buf, SLICE(VERSION), fault);
    default:
        value = &record->field[place->what];
        return place->kind == RECORD_KIND_NUMBER ? jcs_add_number(buf, value->number, fault)
                                                 : jcs_add_text(buf, value->text, fault);
    }
}

/* `name` is in an array of `room` bytes. */
static bool add_name(struct buf *buf, const char *name, size_t room, bool is_first,
                     struct fault *fault)
{
    return (is_first || buf_add_byte(buf, ',', fault)) && buf_add_byte(buf, '"', fault) &&
           buf_add(buf, slice_of_bytes(name, strnlen(name, room)), fault) &&
           buf_add(buf, SLICE("\":"), fault);
}

/* Everything between the outer braces. */
static bool add_members(const struct record *record, const struct record_header *header,
                        struct buf *buf, struct fault *fault)
{
    static const char top[sizeof(record_places[0].object)];
    const char *open = top; /* the object that we are in */
    bool first = true;

    for (size_t i = 0; i < record_place_count; i++) {
        const struct record_place *place = &record_places[i];

        if (!place_is_set(place, record, header))
            continue;
        if (memcmp(open, place->object, sizeof(place->object)) != 0) {
            if (open[0] != 0 && !buf_add_byte(buf, '}', fault))
                return false;
            open = place->object;
            if (open[0] != 0) {
                if (!add_name(buf, open, sizeof(place->object), first, fault) ||
                    !buf_add_byte(buf, '{', fault))
                    return false;
                first = true;
            }
        }
        if (!add_name(buf, place->member, sizeof(place->member), first, fault) ||
            !add_value(place, record, header, buf, fault))
            return false;
        first = false;
    }
    return open[0] == 0 || buf_add_byte(buf, '}', fault);
}

bool record_encode(const struct record *record, const struct record_header *header,
                   struct buf *ret_text, struct fault *fault)
{
    size_t before = ret_text->len;

    if (!record_check(record, fault))
        return false;
    if (header != NULL &&
        (header->seq > (uint64_t)JCS_NUMBER_MAX || header->src.len == 0 ||
         header->src.len > TEXT_BYTES_MAX || !utf8_is_printable(header->src)))
        return fault_set(fault, FAULT_INVALID, "record with a header that is not allowed");
    if (buf_add_byte(ret_text, '{', fault) && add_members(record, header, ret_text, fault) &&
        buf_add_byte(ret_text, '}', fault)) {
        if (ret_text->len - before <= RECORD_BYTES_MAX)
            return true;
        (void)fault_set(fault, FAULT_LIMIT, "record %s of %zu bytes",
                        record_types[record->type].name, ret_text->len - before);
    }
    ret_text->len = before;
    return false;
}

struct decoding {
    struct jcs_reader reader;
    struct buf *arena;
    struct record *record;
    struct record_header *header;
    unsigned header_count;
    size_t next;         /* the first place that may follow */
    struct slice object; /* the last one that was opened */
    record_set set;      /* fields */
    bool has_type;
};

/* `text` was just appended to the arena; its bytes take its place there. */
static bool take_base64(struct decoding *decoding, struct slice text, size_t len,
                        const uint8_t **ret_bytes)
{
    uint8_t bytes[HASH_BYTES];
    uint8_t *at = decoding->arena->at + decoding->arena->len - text.len;

    if (!base64_decode_exactly(text, bytes, len))
        return false;
    memcpy(at, bytes, len);
    *ret_bytes = at;
    return true;
}

static bool take_header_text(struct decoding *decoding, const struct record_place *place,
                             struct slice text)
{
    struct record_header *header = decoding->header;

    if (place->what == RECORD_HEADER_TYPE) {
        decoding->has_type = true;
        return record_type_parse(text, &decoding->record->type);
    }
    decoding->header_count++;
    if (header == NULL)
        return false;
    if (place->what == RECORD_HEADER_PREV)
        return take_base64(decoding, text, HASH_BYTES, &header->prev);
    if (place->what == RECORD_HEADER_SALT)
        return take_base64(decoding, text, SALT_BYTES, &header->salt);
    if (place->what == RECORD_HEADER_VERSION)
        return slice_equal(text, SLICE(VERSION));
    header->src = text;
    return place->what == RECORD_HEADER_SRC && text.len > 0 && text.len <= TEXT_BYTES_MAX;
}

static bool take_value(struct decoding *decoding, const struct record_place *place,
                       struct fault *fault)
{
    struct record_value value = {.set = true};

    if (place->kind == RECORD_KIND_NUMBER) {
        if (!jcs_take_number(&decoding->reader, &value.number, fault))
            return false;
    } else if (!jcs_take_text(&decoding->reader, decoding->arena, &value.text, fault)) {
        return false;
    }
    if (place->what < RECORD_FIELD_COUNT) {
        decoding->record->field[place->what] = value;
        decoding->set |= RECORD_BIT(place->what);
        return check_value(place, &value, true, fault); /* jcs_take_text has looked */
    }
    if (place->kind == RECORD_KIND_NUMBER && decoding->header != NULL &&
        (value.number >= 0 || place->what == RECORD_HEADER_TIME)) {
        decoding->header_count++;
        if (place->what == RECORD_HEADER_SEQ)
            decoding->header->seq = (uint64_t)value.number;
        else
            decoding->header->t_us = value.number;
        return true;
    }
    if (place->kind == RECORD_KIND_NUMBER || !take_header_text(decoding, place, value.text))
        return fault_set(fault, FAULT_INVALID, "record: the value of %s is not allowed",
                         place->member);
    return true;
}

/* Where a member belongs. Names that only go up are in order, and none comes twice. */
static const struct record_place *take_place(struct decoding *decoding, struct slice object,
                                             struct slice name, struct fault *fault)
{
    const struct record_place *place = place_of_name(object, name, decoding->next);

    if (place != NULL)
        decoding->next = (size_t)(place - record_places) + 1;
    else if (place_of_name(object, name, 0) != NULL)
        (void)fault_set(fault, FAULT_INVALID, "record is not canonical");
    else
        (void)fault_set(fault, FAULT_INVALID, "record: unknown member %.*s",
                        SLICE_ARGS(slice_part(name, 0, 40)));
    return place;
}

/* The members of an object stand together in the table, so only the last one can come again.
 */
static bool open_object(struct decoding *decoding, struct slice name, struct fault *fault)
{
    if (slice_equal(name, decoding->object))
        return fault_set(fault, FAULT_INVALID, "record is not canonical");
    decoding->object = name;
    return true;
}

static bool take_members(struct decoding *decoding, struct slice object, struct fault *fault)
{
    do {
        const struct record_place *place;
        struct slice name;

        if (!jcs_take_name(&decoding->reader, &name, fault))
            return false;
        if (!jcs_take(&decoding->reader, ':'))
            return fault_set(fault, FAULT_INVALID, "record: no value at byte %zu",
                             decoding->reader.at);
        if (object.len == 0 && jcs_take(&decoding->reader, '{')) {
            if (!open_object(decoding, name, fault) || !take_members(decoding, name, fault))
                return false;
            continue;
        }
        place = take_place(decoding, object, name, fault);
        if (place == NULL)
            return false;
        if (!take_value(decoding, place, fault))
            return false;
    } while (jcs_take(&decoding->reader, ','));
    if (!jcs_take(&decoding->reader, '}'))
        return fault_set(fault, FAULT_INVALID, "record: no } at byte %zu",
                         decoding->reader.at);
    return true;
}

/*
 * What is read here is canonical without being written again: strings and numbers have one
 * form (wire/jcs.h), there is no space, and names only go up. fuzz/record.c holds us to it.
 */
bool record_decode(struct slice text, struct record *ret_record,
                   struct record_header *ret_header, struct buf *arena_text,
                   struct fault *fault)
{
    struct record record __attribute__((uninitialized)); /* record_begin does it */
    struct record_header header = {0};
    struct decoding decoding = {.reader = {.text = text},
                                .arena = arena_text,
                                .record = &record,
                                .header = ret_header == NULL ? NULL : &header};

    if (text.len > RECORD_BYTES_MAX)
        return fault_set(fault, FAULT_LIMIT, "record of %zu bytes", text.len);
    record_begin(&record, RECORD_TYPE_COUNT);
    buf_clear(arena_text);
    if (!buf_reserve(arena_text, text.len + 1, fault))
        return false;
    if (!jcs_take(&decoding.reader, '{'))
        return fault_set(fault, FAULT_INVALID, "record: not an object");
    if (!take_members(&decoding, (struct slice){0}, fault))
        return false;
    if (!decoding.has_type)
        return fault_set(fault, FAULT_INVALID, "record without a type");
    if (decoding.header_count != 0 && decoding.header_count != RECORD_HEADER_COUNT)
        return fault_set(fault, FAULT_INVALID, "record with half a header");
    if (!check_set(record.type, decoding.set, fault))
        return false;
    if (decoding.reader.at != text.len)
        return fault_set(fault, FAULT_INVALID, "record is not canonical");
    *ret_record = record;
    if (ret_header != NULL)
        *ret_header = header;
    return true;
}
