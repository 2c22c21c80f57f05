/*
 * Cells of a column say of one another what they are. Where three or more of a column, and at least
 * half, were found to be of one kind, the others that are written alike are of that kind, too
 * (a number with a mistake in it, a date without its word). And where nearly all of a column pass a
 * check that one number in nine or fewer passes by chance, no word is needed.
 */
#include <stdlib.h>

#include "base/scope.h"
#include "classify/ascii.h"
#include "classify/engine.h"
#include "classify/tokens.h"

#define COLUMNS_MAX 4096U /* what comes behind is as it is */
#define SLOTS (2 * COLUMNS_MAX)
#define FOUND_MIN 3
#define CHECKED_MIN 5
#define CHECKED_MAX 64U /* cells that checks are tried on */
#define CHECKED_DIGITS_MIN 8
#define RULES_A_COLUMN 4
#define LENGTH_SLACK 2

/* What a cell is made of. */
enum kind { KIND_DIGIT = 1, KIND_LETTER = 2, KIND_AT = 4, KIND_OTHER = 8 };

/* Cells that were found to be of one rule. */
struct evidence {
    uint16_t rule;
    size_t count, shortest, longest;
    unsigned in_all, in_any; /* kinds */
};

struct column {
    uint32_t number;
    struct slice name;
    size_t cells; /* that are not empty */
    struct evidence rules[RULES_A_COLUMN];
    const struct evidence *wins; /* NULL: none */
    struct evidence checked;
    uint32_t sample[CHECKED_MAX]; /* elements */
    size_t sample_count;
};

struct columns {
    struct engine *engine;
    const struct stretch *stretch;
    struct column *at;
    size_t count, room;
    uint16_t *slots;               /* 1 + a column; 0: free */
    const struct finding **sorted; /* of this text, by start */
    size_t sorted_count;
};

static struct slice cell_of(const struct columns *columns, const struct element *element)
{
    return slice_trim(slice_part(columns->stretch->text, element->start, element->end));
}

static size_t start_of(const struct columns *columns, struct slice cell)
{
    return (size_t)(cell.at - columns->stretch->text.at);
}

/* NULL: there are too many. */
static struct column *column_of(struct columns *columns, const struct element *element)
{
    size_t slot =
        (size_t)(tokens_joined_hash(element->name) + element->column * 0x9e3779b1UL) % SLOTS;

    for (; columns->slots[slot] != 0; slot = (slot + 1) % SLOTS) {
        struct column *column = &columns->at[columns->slots[slot] - 1];

        if (column->number == element->column && slice_equal(column->name, element->name))
            return column;
    }
    if (columns->count == COLUMNS_MAX)
        return NULL;
    columns->at = xgrow(columns->at, &columns->room, columns->count + 1, sizeof(*columns->at));
    columns->at[columns->count++] =
        (struct column){.number = element->column, .name = element->name};
    columns->slots[slot] = (uint16_t)columns->count;
    return &columns->at[columns->count - 1];
}

static unsigned kinds_of(struct slice cell)
{
    unsigned kinds = 0;

    for (size_t i = 0; i < cell.len; i++)
        kinds |= is_digit(cell.at[i])                          ? KIND_DIGIT
                 : is_letter(cell.at[i]) || cell.at[i] >= 0x80 ? KIND_LETTER
                 : cell.at[i] == '@'                           ? KIND_AT
                 : memchr(" -./'", cell.at[i], 5) != NULL      ? 0U
                                                               : KIND_OTHER;
    return kinds;
}

static void add_evidence(struct evidence *evidence, struct slice cell)
{
    unsigned kinds = kinds_of(cell);

    if (evidence->count++ == 0) {
        evidence->shortest = evidence->longest = cell.len;
        evidence->in_all = kinds;
    }
    evidence->shortest = cell.len < evidence->shortest ? cell.len : evidence->shortest;
    evidence->longest = cell.len > evidence->longest ? cell.len : evidence->longest;
    evidence->in_all &= kinds;
    evidence->in_any |= kinds;
}

/* ---- what was found ---- */

/* Numbers with a check, dates, names: what is one, whatever is around it. */
static bool is_of_kind(const struct loaded_rule *loaded)
{
    return loaded->validator != NULL || loaded->rule.shape == SHAPE_DATE ||
           loaded->rule.shape == SHAPE_NAME;
}

static int by_start(const void *a, const void *b)
{
    const struct finding *x = *(const struct finding *const *)a;
    const struct finding *y = *(const struct finding *const *)b;

    return x->start < y->start ? -1 : x->start > y->start;
}

static void sort_findings(struct columns *columns, size_t first)
{
    const struct findings *findings = columns->engine->findings;

    columns->sorted = xalloc_array(findings->count - first + 1, sizeof(struct finding *));
    for (size_t i = first; i < findings->count; i++)
        columns->sorted[columns->sorted_count++] = &findings->at[i];
    qsort(columns->sorted, columns->sorted_count, sizeof(struct finding *), by_start);
}

static void count_finding(struct column *column, const struct finding *finding,
                          struct slice cell)
{
    for (size_t i = 0; i < RULES_A_COLUMN; i++) {
        struct evidence *evidence = &column->rules[i];

        if (evidence->count > 0 && evidence->rule != finding->rule)
            continue;
        evidence->rule = finding->rule;
        add_evidence(evidence, cell);
        return;
    }
}

/* Cells and findings are both in order. */
static void count_cells(struct columns *columns)
{
    const struct reading *reading = columns->stretch->reading;
    size_t at = 0;

    for (size_t i = 0; i < reading->element_count; i++) {
        const struct element *element = &reading->elements[i];
        struct slice cell = cell_of(columns, element);
        struct column *column;
        size_t start;

        if (element->column == 0 || cell.len == 0)
            continue;
        column = column_of(columns, element);
        if (column == NULL)
            continue;
        column->cells++;
        if (column->sample_count < CHECKED_MAX)
            column->sample[column->sample_count++] = (uint32_t)i;
        start = start_of(columns, cell);
        while (at < columns->sorted_count && columns->sorted[at]->start < start)
            at++;
        for (size_t f = at; f < columns->sorted_count && columns->sorted[f]->start == start;
             f++)
            if (columns->sorted[f]->end == start + cell.len &&
                columns->sorted[f]->confidence >= CONFIDENCE_MEDIUM &&
                is_of_kind(&columns->engine->rules->at[columns->sorted[f]->rule]))
                count_finding(column, columns->sorted[f], cell);
    }
}

/* ---- checks without a word ---- */

/* By chance these let one number in nine pass, or fewer. */
static bool is_strict(const struct rule *rule)
{
    static const char *const strict[] = {"card",    "npi", "imei", "nhs",
                                         "aadhaar", "aba", "sin",  "dea"};

    for (size_t i = 0; i < COUNT(strict); i++)
        if (slice_equal(rule->validator, slice_of(strict[i])))
            return rule->pattern.len > 0;
    return false;
}

static bool passes(struct engine *engine, uint16_t number, struct slice cell)
{
    const struct confirm_place whole = {.is_begin = true, .is_end = true};
    struct confirm_match match;

    return confirm_find(rules_confirm(engine->rules, number), cell, whole, &match) ==
               CONFIRM_YES &&
           match.start == 0 && match.end == cell.len &&
           engine->rules->at[number].validator(cell);
}

/* "order number", "tracking": other numbers have check digits, too. */
static bool is_denied(const struct rule *rule, struct slice name)
{
    static const char *const others[] = {"order",   "invoice", "tracking", "serial", "sku",
                                         "upc",     "ean",     "isbn",     "ticket", "receipt",
                                         "hash",    "time",    "epoch",    "parcel", "article",
                                         "product", "item",    "lot"};
    struct tokens tokens;
    size_t last;

    tokens_of(name, &tokens);
    for (size_t i = 0; i < COUNT(others); i++)
        if (tokens_hold(&tokens, slice_of(others[i]), &last))
            return true;
    for (size_t i = 0; i < rule->negative.count; i++)
        if (tokens_hold(&tokens, rule->negative.at[i], &last))
            return true;
    return false;
}

static bool has_digits(struct slice cell)
{
    size_t digits = 0;

    for (size_t i = 0; i < cell.len; i++)
        digits += is_digit(cell.at[i]);
    return digits >= CHECKED_DIGITS_MIN;
}

static void check_column(struct columns *columns, struct column *column, uint16_t number)
{
    const struct reading *reading = columns->stretch->reading;
    struct evidence evidence = {.rule = number};

    for (size_t i = 0; i < column->sample_count; i++) {
        struct slice cell = cell_of(columns, &reading->elements[column->sample[i]]);

        if (has_digits(cell) && engine_may_work(columns->engine, cell.len) &&
            passes(columns->engine, number, cell))
            add_evidence(&evidence, cell);
        if (evidence.count * 10 + 10 < (i + 1) * 9)
            return; /* it will not be nine in ten */
    }
    if (evidence.count >= CHECKED_MIN && evidence.count * 10 >= column->sample_count * 9 &&
        evidence.count > column->checked.count)
        column->checked = evidence;
}

static void decide(struct columns *columns, struct column *column)
{
    const struct rules *rules = columns->engine->rules;

    for (size_t i = 0; i < RULES_A_COLUMN; i++) {
        const struct evidence *evidence = &column->rules[i];

        if (evidence->count >= FOUND_MIN && evidence->count * 2 >= column->cells &&
            (column->wins == NULL || evidence->count > column->wins->count))
            column->wins = evidence;
    }
    for (size_t i = 0; column->wins == NULL && column->sample_count >= CHECKED_MIN &&
                       i < rules->by_sieve_count[RULE_SIEVE_DIGITS];
         i++) {
        uint16_t number = rules->by_sieve[RULE_SIEVE_DIGITS][i];

        if (is_strict(&rules->at[number].rule) &&
            !is_denied(&rules->at[number].rule, column->name))
            check_column(columns, column, number);
    }
    if (column->wins == NULL && column->checked.count > 0)
        column->wins = &column->checked;
}

/* ---- raising ---- */

static bool is_alike(const struct evidence *evidence, struct slice cell)
{
    unsigned kinds = kinds_of(cell);

    return (kinds & evidence->in_all) == evidence->in_all &&
           (kinds & ~evidence->in_any) == 0 && cell.len + LENGTH_SLACK >= evidence->shortest &&
           cell.len <= evidence->longest + LENGTH_SLACK && !validate_is_placeholder(cell);
}

/* What is found twice is resolved like all that overlaps. */
static void raise_cells(struct columns *columns)
{
    const struct reading *reading = columns->stretch->reading;

    for (size_t i = 0; i < reading->element_count; i++) {
        const struct element *element = &reading->elements[i];
        struct slice cell = cell_of(columns, element);
        const struct column *column =
            element->column == 0 || cell.len == 0 ? NULL : column_of(columns, element);
        size_t start;

        if (column == NULL || column->wins == NULL || !is_alike(column->wins, cell))
            continue;
        start = start_of(columns, cell) + columns->stretch->base;
        findings_add(
            columns->engine->findings,
            (struct finding){
                .start = start,
                .end = start + cell.len,
                .class =
                    (enum data_class)columns->engine->rules->at[column->wins->rule].rule.class,
                .rule = column->wins->rule,
                .confidence = CONFIDENCE_MEDIUM});
    }
}

static bool has_columns(const struct reading *reading)
{
    for (size_t i = 0; reading != NULL && i < reading->element_count; i++)
        if (reading->elements[i].column > 0)
            return true;
    return false;
}

void engine_columns(struct engine *engine, const struct stretch *stretch, size_t first)
{
    struct columns columns = {.engine = engine, .stretch = stretch};
    bool any = false;

    if (!has_columns(stretch->reading) || engine->is_exhausted)
        return;
    columns.slots = xalloc_array(SLOTS, sizeof(*columns.slots));
    sort_findings(&columns, first);
    count_cells(&columns);
    for (size_t i = 0; i < columns.count; i++) {
        decide(&columns, &columns.at[i]);
        any = any || columns.at[i].wins != NULL;
    }
    free(columns.sorted); /* they move when one is added */
    if (any)
        raise_cells(&columns);
    free(columns.at);
    free(columns.slots);
}
