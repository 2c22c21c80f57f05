#include "commands/log_types.h"

#include "commands/command.h"
#include "wire/record_table.h"

static const struct {
    const char *name;
    const char *text;
} kinds[] = {
    [RECORD_KIND_NUMBER] = {"number", "an integer, at most 2^53 - 1 either way"},
    [RECORD_KIND_LIST] = {"list", "printable UTF-8, at most 16,384 bytes"},
    [RECORD_KIND_TEXT] = {"text", "printable UTF-8, at most 512 bytes"},
    [RECORD_KIND_PATH] = {"path", "printable UTF-8; other bytes, and %, as %XX"},
    [RECORD_KIND_WORD] = {"word", "of a closed set: a-z 0-9 _ . -"},
    [RECORD_KIND_OBJECT] = {"object", "a git object id, 40 or 64 hexadecimal digits"},
    [RECORD_KIND_DIGEST] = {"digest", "SHA-256, 64 hexadecimal digits"},
    [RECORD_KIND_CLASS] = {"class", "phi, pan, secret, pii, opaque or code"},
    [RECORD_KIND_VERDICT] = {"verdict", "allow, redact or deny"},
};

/* Every record has what the ledger adds, whatever its type. */
static bool is_ledgers(const struct record_place *place)
{
    return place->what >= RECORD_FIELD_COUNT;
}

static void list_text(FILE *out, const char *head, record_set fields)
{
    if (fields == 0)
        return;
    (void)fprintf(out, "    %s", head);
    for (unsigned i = 0; i < RECORD_FIELD_COUNT; i++)
        if ((fields & RECORD_BIT(i)) != 0)
            (void)fprintf(out, " %s", record_field_name((enum record_field)i));
    (void)fputc('\n', out);
}

void log_types_text(FILE *out)
{
    for (size_t i = 0; i < RECORD_TYPE_COUNT; i++) {
        const struct record_type_row *row = &record_types[i];

        (void)fprintf(out, "%-17s %s%s\n", row->name, row->text,
                      row->is_own ? " (the ledger's own)" : "");
        list_text(out, "must have:", row->required);
        list_text(out, "may have: ", row->allowed & ~row->required);
    }
    (void)fputc('\n', out);
    for (size_t i = 0; i < record_place_count; i++)
        (void)fprintf(
            out, "%s%s%-*s %-8s %s\n", record_places[i].object,
            record_places[i].object[0] == 0 ? "" : ".",
            record_places[i].object[0] == 0 ? 24 : 23 - (int)strlen(record_places[i].object),
            record_places[i].member, kinds[record_places[i].kind].name, record_places[i].text);
}

static json_t *list_json(record_set fields)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < RECORD_FIELD_COUNT; i++)
        if ((fields & RECORD_BIT(i)) != 0)
            (void)json_array_append_new(list,
                                        json_string(record_field_name((enum record_field)i)));
    return list;
}

static json_t *types_json(void)
{
    json_t *list = json_array();

    for (size_t i = 0; i < RECORD_TYPE_COUNT; i++) {
        const struct record_type_row *row = &record_types[i];

        (void)json_array_append_new(list, json_pack("{s:s,s:s,s:o,s:o,s:b}", "type", row->name,
                                                    "text", row->text, "required",
                                                    list_json(row->required), "allowed",
                                                    list_json(row->allowed & ~row->required),
                                                    "is_ledgers_own", (int)row->is_own));
    }
    return list;
}

static json_t *fields_json(void)
{
    json_t *list = json_array();

    for (size_t i = 0; i < record_place_count; i++) {
        const struct record_place *place = &record_places[i];

        (void)json_array_append_new(
            list, json_pack("{s:s+++,s:s,s:s,s:b}", "field", place->object,
                            place->object[0] == 0 ? "" : ".", place->member, "", "kind",
                            kinds[place->kind].name, "text", place->text, "is_ledgers_own",
                            (int)is_ledgers(place)));
    }
    return list;
}

static json_t *kinds_json(void)
{
    json_t *list = json_array();

    for (size_t i = 0; i < COUNT(kinds); i++)
        (void)json_array_append_new(
            list, json_pack("{s:s,s:s}", "kind", kinds[i].name, "text", kinds[i].text));
    return list;
}

void log_types_json(void)
{
    command_print_json(json_pack("{s:o,s:o,s:o}", "types", types_json(), "fields",
                                 fields_json(), "kinds", kinds_json()));
}
