#include "commands/log_print.h"

#include <jansson.h>

#include "base/clock.h"
#include "base/scope.h"

enum form {
    FORM_WORD,  /* src/main.c */
    FORM_NAMED, /* scope r-1 */
    FORM_USD,   /* cost 0.0042 US dollars, of millionths */
    FORM_AFTER, /* first byte after 0.312 s, of microseconds */
    FORM_TIME,  /* expires 2026-11-24T08:30:00Z, of seconds */
};

/* What people are shown of a record, in the order in which they ask. */
static const struct shown {
    enum record_field field;
    enum form form;
} shown[] = {
    {RECORD_PATH, FORM_WORD},
    {RECORD_PATH_TO, FORM_WORD},
    {RECORD_EXECUTABLE, FORM_WORD},
    {RECORD_MODEL, FORM_WORD},
    {RECORD_SERVED, FORM_NAMED},
    {RECORD_PROVIDER, FORM_NAMED},
    {RECORD_METHOD, FORM_WORD},
    {RECORD_TOOL, FORM_NAMED},
    {RECORD_HOST, FORM_WORD},
    {RECORD_CHANGE, FORM_WORD},
    {RECORD_PERSON, FORM_WORD},
    {RECORD_SECOND, FORM_NAMED},
    {RECORD_BRANCH, FORM_WORD},
    {RECORD_ORIGIN, FORM_WORD},
    {RECORD_SCOPE, FORM_NAMED},
    {RECORD_OPERATION, FORM_WORD},
    {RECORD_CLASS, FORM_WORD},
    {RECORD_VERDICT, FORM_WORD},
    {RECORD_RULE, FORM_WORD},
    {RECORD_REASON, FORM_WORD},
    {RECORD_OUTCOME, FORM_WORD},
    {RECORD_FIRST, FORM_NAMED},
    {RECORD_END, FORM_NAMED},
    {RECORD_COUNT, FORM_NAMED},
    {RECORD_EXPIRES, FORM_TIME},
    {RECORD_TOKENS_IN, FORM_NAMED},
    {RECORD_TOKENS_OUT, FORM_NAMED},
    {RECORD_TOKENS_CACHED, FORM_NAMED},
    {RECORD_TOKENS_WRITTEN, FORM_NAMED},
    {RECORD_TOKENS_REASONING, FORM_NAMED},
    {RECORD_TOKENS_RESERVED, FORM_NAMED},
    {RECORD_COST_MICRO_USD, FORM_USD},
    {RECORD_COST_RESERVED, FORM_USD},
    {RECORD_FIRST_BYTE_US, FORM_AFTER},
    {RECORD_RESIDENCY, FORM_NAMED},
    {RECORD_CONTRACT, FORM_NAMED},
};

/* "object.scope" is "scope" to people; a unit is said behind the number. */
static const char *label_of(enum record_field field)
{
    static const char *const units[RECORD_FIELD_COUNT] = {
        [RECORD_COST_MICRO_USD] = "cost",
        [RECORD_COST_RESERVED] = "reserved",
        [RECORD_FIRST_BYTE_US] = "first byte after",
    };
    const char *name = record_field_name(field);
    const char *dot = strchr(name, '.');

    if (units[field] != NULL)
        return units[field];
    return dot == NULL ? name : dot + 1;
}

static void print_field(const struct shown *what, const struct record_value *value, FILE *out)
{
    char when[CLOCK_TEXT_BYTES];

    if (what->form == FORM_TIME) {
        clock_text(value->number * 1000000, when);
        (void)fprintf(out, " %s %.19sZ", label_of(what->field), when);
        return;
    }
    if (what->form == FORM_USD || what->form == FORM_AFTER) {
        (void)fprintf(out, " %s %.*f %s", label_of(what->field),
                      what->form == FORM_USD ? 6 : 3, (double)value->number / 1e6,
                      what->form == FORM_USD ? "US dollars" : "s");
        return;
    }
    if (what->form == FORM_NAMED)
        (void)fprintf(out, " %s", label_of(what->field));
    if (value->text.at != NULL)
        (void)fprintf(out, " %.*s", SLICE_ARGS(value->text));
    else
        (void)fprintf(out, " %lld", (long long)value->number);
}

/* Who has answered, and by which entry of the policy, where that is not the model's name; and what
 * was asked, where that is not HTTP's POST. */
static bool is_said_already(const struct record_value *fields, enum record_field field)
{
    if (field == RECORD_METHOD)
        return !slice_equal(fields[RECORD_DIALECT].text, SLICE("mcp"));
    return (field == RECORD_SERVED || field == RECORD_PROVIDER) && fields[RECORD_MODEL].set &&
           slice_equal(fields[field].text, fields[RECORD_MODEL].text);
}

static bool end_line(FILE *out, struct fault *fault)
{
    return fputc('\n', out) != EOF || fault_errno(fault, "print");
}

bool log_print_text(const struct history_record *line, FILE *out, struct fault *fault)
{
    const struct record_value *fields = line->record->field;
    struct slice who = fields[RECORD_AGENT].set ? fields[RECORD_AGENT].text
                       : fields[RECORD_RUN].set ? fields[RECORD_RUN].text
                                                : line->header->src;
    char when[CLOCK_TEXT_BYTES];
    char place[48];

    clock_text(line->header->t_us, when);
    if (line->is_only)
        (void)snprintf(place, sizeof(place), "%llu", (unsigned long long)line->index);
    else
        (void)snprintf(place, sizeof(place), "%u/%llu", line->shard,
                       (unsigned long long)line->index);
    (void)fprintf(out, "%7s  %.10s %.8s  %-15s  %-28.*s ", place, when, when + 11,
                  record_type_name(line->record->type), SLICE_ARGS(who));
    for (size_t i = 0; i < COUNT(shown); i++)
        if (fields[shown[i].field].set && !is_said_already(fields, shown[i].field))
            print_field(&shown[i], &fields[shown[i].field], out);
    return end_line(out, fault);
}

bool log_print_json(const struct history_record *line, FILE *out, struct fault *fault)
{
    static const char *const left_out[] = {"v", "salt", "prev", "t_us"};
    char when[CLOCK_TEXT_BYTES];
    json_t *record =
        json_loadb((const char *)line->leaf.at, line->leaf.len, JSON_REJECT_DUPLICATES, NULL);
    json_t *object;
    bool ok;

    clock_text(line->header->t_us, when);
    for (size_t i = 0; i < COUNT(left_out); i++)
        (void)json_object_del(record, left_out[i]);
    object = json_pack("{s:I,s:i,s:s,s:o}", "index", (json_int_t)line->index, "shard",
                       (int)line->shard, "time", when, "type",
                       json_incref(json_object_get(record, "type")));
    (void)json_object_update(object, record);
    ok = json_dumpf(object, out, JSON_COMPACT) == 0 || fault_errno(fault, "print");
    json_decref(object);
    json_decref(record);
    return ok && end_line(out, fault);
}
