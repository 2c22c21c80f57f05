#include <stdlib.h>

#include "base/scope.h"
#include "classify/decode.h"
#include "classify/detect.h"
#include "classify/engine.h"
#include "classify/names.h"

#define READINGS_MAX (DECODE_DEPTH + 1)
#define ADDRESS_BYTES_MIN 8

void detect_add(const struct detection *detection, size_t start, size_t end, const char *rule,
                enum confidence confidence)
{
    uint16_t number = 0;

    if (!classify_rule_find(rule, &number))
        return;
    findings_add(
        detection->findings,
        (struct finding){.start = start,
                         .end = end,
                         .class = (enum data_class)rules_in_use()->at[number].rule.class,
                         .rule = number,
                         .confidence = (uint8_t)confidence});
}

/* Settings have values without quotes. */
static bool is_settings_file(struct slice path)
{
    static const char *const endings[] = {".env",  ".properties", ".ini", ".cfg",
                                          ".conf", ".yaml",       ".yml", ".toml"};
    size_t slash = SIZE_MAX;
    struct slice name;

    for (size_t at = slice_find_byte(path, '/', 0); at != SIZE_MAX;
         at = slice_find_byte(path, '/', at + 1))
        slash = at;
    name = slash == SIZE_MAX ? path : slice_part(path, slash + 1, path.len);
    for (size_t i = 0; i < COUNT(endings); i++)
        if (slice_ends_with(name, slice_of(endings[i])))
            return true;
    return slice_starts_with(name, SLICE(".env"));
}

/* A content, and what it says when encodings are taken off. */
struct looking {
    struct reading readings[READINGS_MAX];
    size_t count;
    struct findings findings;
    bool is_unseen; /* a limit kept some of it out */
};

/* Of a place in the last reading's text: the page of the first one's. */
static uint16_t page_of(const struct looking *looking, size_t start, size_t end)
{
    enum finding_form form;
    uint32_t page;

    if (looking->readings[0].page_count == 0)
        return 0;
    decode_map(looking->readings + 1, looking->count - 1, start, end, &start, &end, &form);
    page = reading_page(&looking->readings[0], start);
    return page < UINT16_MAX ? (uint16_t)page : UINT16_MAX;
}

/* From places in the last reading's text to places in the content. */
static void map_back(struct looking *looking, size_t first)
{
    for (size_t i = first; i < looking->findings.count; i++) {
        struct finding *finding = &looking->findings.at[i];
        enum finding_form form;

        finding->page = page_of(looking, finding->start, finding->end);
        decode_map(looking->readings, looking->count, finding->start, finding->end,
                   &finding->start, &finding->end, &form);
        finding->form = (uint8_t)form;
    }
}

/* ---- names ---- */

struct naming {
    struct looking *looking;
    size_t base; /* of the stretch in the text */
    uint16_t person, address;
};

static bool on_name(void *self, const struct name_span *span)
{
    const struct naming *naming = self;
    bool is_address = span->label == NAME_ADDRESS;

    if (is_address && span->end - span->start < ADDRESS_BYTES_MIN)
        return true; /* a number alone */
    if (is_address || span->label == NAME_PERSON)
        findings_add(&naming->looking->findings,
                     (struct finding){.start = naming->base + span->start,
                                      .end = naming->base + span->end,
                                      .class = CLASS_PII,
                                      .rule = is_address ? naming->address : naming->person,
                                      .confidence = span->confidence == CONFIDENCE_LOW
                                                        ? CONFIDENCE_LOW
                                                        : CONFIDENCE_MEDIUM});
    return !naming->looking->findings.too_many;
}

/* Prose is what a format says is prose, and a text of no other kind. In a program a name is mostly
 * an author's, or no name at all. */
static bool is_prose_file(struct slice path)
{
    return path.len == 0 || slice_ends_with(path, SLICE(".txt")) ||
           slice_ends_with(path, SLICE(".md")) || slice_ends_with(path, SLICE(".rst")) ||
           slice_ends_with(path, SLICE(".eml"));
}

static void look_for_names(struct looking *looking, const struct reading *reading,
                           struct slice path)
{
    const struct rules *rules = rules_in_use();
    struct naming naming = {
        .looking = looking, .person = rules->person, .address = rules->address};

    if (reading->is_opaque || !rules->finds_names)
        return;
    if (looking->count == 1 && reading->format == FORMAT_PLAIN && is_prose_file(path))
        (void)names_find(reading->text,
                         path.len == 0 ? names_source_of(reading->text) : NAMES_IN_PROSE,
                         on_name, &naming);
    for (size_t i = 0; i < reading->element_count; i++) {
        const struct element *element = &reading->elements[i];

        naming.base = element->start;
        if (element->is_prose)
            (void)names_find(slice_part(reading->text, element->start, element->end),
                             NAMES_IN_PROSE, on_name, &naming);
    }
}

/* False: it would take too long. */
static bool look(struct looking *looking, struct slice path)
{
    const struct reading *reading = &looking->readings[looking->count - 1];
    size_t first = looking->findings.count;
    const struct stretch stretch = {.text = reading->text,
                                    .to = reading->text.len,
                                    .is_begin = true,
                                    .is_end = true,
                                    .reading = reading};
    struct engine engine;

    engine_begin(&engine, rules_in_use(), &looking->findings);
    engine.is_text = !reading->is_opaque;
    engine.has_bare_values = is_settings_file(path);
    engine_allow(&engine, reading->text.len);
    engine_look(&engine, &stretch);
    look_for_names(looking, reading, path);
    engine_columns(&engine, &stretch, first);
    engine_end(&engine);
    map_back(looking, first);
    looking->is_unseen = looking->is_unseen || reading->unexamined > 0;
    return !engine.is_exhausted;
}

/* Its fields were found one by one. */
static bool is_health(enum format format)
{
    return format >= FORMAT_HL7V2 && format <= FORMAT_DICOM;
}

static bool look_through(struct looking *looking, struct slice content, struct slice path,
                         struct fault *fault)
{
    const struct detection detection = {content, path, &looking->findings};

    if (!reading_make(content, path, &looking->readings[0], fault))
        return false;
    looking->count = 1;
    while (look(looking, path)) {
        struct reading *last = &looking->readings[looking->count - 1];

        if (looking->count == READINGS_MAX || last->text.len == 0) {
            if (!looking->readings[0].is_opaque && !is_health(looking->readings[0].format)) {
                detect_hl7(&detection);
                detect_fhir(&detection);
            }
            return true;
        }
        if (!reading_decode(last, (unsigned)looking->count - 1, last + 1, fault))
            return false;
        looking->count++;
    }
    return fault_set(fault, FAULT_LIMIT, "a content that takes too long to look through");
}

static void looking_free(struct looking *looking)
{
    for (size_t i = looking->count; i-- > 0;)
        reading_free(&looking->readings[i]);
}

/* The whole content is in its readings: some may be no finding's. Mapped to nothing, that is
 * markup. */
static void drop_empty(struct findings *findings)
{
    size_t kept = 0;

    for (size_t i = 0; i < findings->count; i++)
        if (findings->at[i].start < findings->at[i].end)
            findings->at[kept++] = findings->at[i];
    findings->count = kept;
}

bool classify_scan(struct slice content, struct slice path, struct finding **ret_findings,
                   size_t *ret_count, unsigned *ret_class_mask, struct fault *fault)
{
    struct looking looking = {0};
    struct findings *findings = &looking.findings;
    unsigned mask;
    bool ok, is_paged;

    if (content.len > CLASSIFY_BYTES_MAX)
        return fault_set(fault, FAULT_LIMIT, "content of %zu bytes", content.len);
    ok = look_through(&looking, content, path, fault);
    if (ok && findings->too_many)
        ok = fault_set(fault, FAULT_LIMIT, "more than %lu findings", CLASSIFY_FINDINGS_MAX);
    mask = ok && (looking.readings[0].is_opaque || looking.is_unseen) ? CLASS_BIT(CLASS_OPAQUE)
                                                                      : 0;
    is_paged = ok && looking.readings[0].page_count > 0;
    looking_free(&looking);
    if (!ok) {
        free(findings->at);
        return false;
    }
    drop_empty(findings);
    /* All of an archive is one place, and what is near in a PDF file may be: of the kinds that are
     * there only one would stay. */
    for (size_t i = 0; i < findings->count; i++)
        if ((is_paged || findings->at[i].form == FORM_SEALED) && findings->at[i].confidence > CONFIDENCE_LOW)
            mask |= CLASS_BIT(findings->at[i].class);
    findings_resolve(findings, content);
    if (findings->too_many) {
        free(findings->at);
        return fault_set(fault, FAULT_LIMIT, "more than %lu findings", CLASSIFY_FINDINGS_MAX);
    }
    for (size_t i = 0; i < findings->count; i++)
        if (findings->at[i].confidence > CONFIDENCE_LOW)
            mask |= finding_classes(&findings->at[i]);
    *ret_findings = findings->at;
    *ret_count = findings->count;
    *ret_class_mask = mask;
    return true;
}
