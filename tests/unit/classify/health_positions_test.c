/*
 * Every labelled value of the samples in tests/data/classify/health is found by its position,
 * exactly: an element that a rule of data/rules/health.yaml lists has that value. And what is
 * found beside the labels is counted. CUSTODY_HEALTH_DATA: another folder of that form.
 */
#include <dirent.h>
#include <fcntl.h>
#include <libfyaml.h>
#include <stdio.h>

#include "base/scope.h"
#include "classify/position.h"
#include "classify/read_health.h"
#include "os/file.h"
#include "test.h"

#define FILE_BYTES_MAX (1UL << 20)
#define RULES_MAX 64
#define SAMPLES_MAX 128

static char *rule_ids[RULES_MAX];
static size_t rule_count;
static struct position_set *positions;

static const struct format_row {
    const char *name;
    enum format format;
    bool (*is)(struct slice content);
    bool (*read)(struct reading *reading, struct slice path, struct fault *fault);
    double precision; /* of what is found so much is labelled, at least */
} formats[] = {
    {"hl7v2", FORMAT_HL7V2, read_is_hl7, read_hl7, 0.55},
    {"x12", FORMAT_X12, read_is_x12, read_x12, 0.90},
    {"fhir", FORMAT_FHIR, read_is_fhir, read_fhir, 0.70},
    {"ccda", FORMAT_CCDA, read_is_ccda, read_ccda, 0.38},
};

/* Which rules may find a label of a kind. */
static const struct {
    const char *kind, *rules;
} kinds[] = {
    {"NAME", "phi.name"},
    {"DOB", "phi.birth-date"},
    {"DATE", "phi.date phi.service-date"},
    {"MRN", "phi.mrn phi.health-plan phi.account phi.licence"},
    {"SSN", "phi.ssn phi.mrn"},
    {"STREET", "phi.address phi.provider-contact"},
    {"CITY", "phi.address phi.provider-contact"},
    {"ZIP", "phi.address phi.provider-contact"},
    {"ADDRESS", "phi.address"},
    {"PHONE", "phi.phone phi.email phi.fax phi.provider-contact"},
    {"EMAIL", "phi.email"},
    {"HEALTH_PLAN_ID", "phi.health-plan"},
    {"ACCOUNT", "phi.account"},
    {"CLAIM_ID", "phi.account"},
    {"LICENSE", "phi.licence"},
    {"PROVIDER_NAME", "phi.provider"},
    {"CONTACT_NAME", "phi.provider"},
    {"PROVIDER_ID", "phi.provider-id"},
    {"PROVIDER_MRN", "phi.provider-id phi.licence phi.ssn"},
    {"PROVIDER_NPI", "phi.provider-id"},
    {"NPI", "phi.provider-id"},
    {"TAX_ID", "phi.provider-id"},
    {"ORG_ID", "phi.provider-id phi.health-plan"},
    {"PROVIDER_PHONE", "phi.provider-contact"},
    {"PROVIDER_EMAIL", "phi.provider-contact"},
    {"PROVIDER_STREET", "phi.provider-contact"},
    {"PROVIDER_CITY", "phi.provider-contact"},
    {"PROVIDER_ZIP", "phi.provider-contact"},
    {"PROVIDER_DOB", "phi.provider-contact"},
};

/* ---- rules ---- */

static struct slice scalar_of(struct fy_node *node)
{
    size_t len = 0;
    const char *text = node == NULL ? NULL : fy_node_get_scalar(node, &len);

    return slice_of_bytes(text, text == NULL ? 0 : len);
}

static void take_positions(struct fy_node *lists, uint16_t rule)
{
    void *list_at = NULL, *at;
    struct fy_node_pair *list;
    struct fault fault = {0};

    while ((list = fy_node_mapping_iterate(lists, &list_at)) != NULL) {
        struct fy_node *item;
        enum format format;

        assert_true(position_format(scalar_of(fy_node_pair_key(list)), &format));
        at = NULL;
        while ((item = fy_node_sequence_iterate(fy_node_pair_value(list), &at)) != NULL)
            assert_ok(position_add(positions, format, scalar_of(item), rule, &fault), fault);
    }
}

static int load_rules(void **state)
{
    char *path = xformat("%s/../../data/rules/health.yaml", getenv("CUSTODY_TEST_DATA"));
    struct fy_document *document = fy_document_build_from_file(NULL, path);
    struct fy_node *rule;
    void *at = NULL;

    (void)state;
    assert_non_null(document);
    positions = position_set_new();
    while ((rule = fy_node_sequence_iterate(fy_document_root(document), &at)) != NULL) {
        assert_in_range(rule_count, 0, RULES_MAX - 1);
        rule_ids[rule_count] =
            slice_dup(scalar_of(fy_node_mapping_lookup_by_string(rule, "id", 2)));
        take_positions(fy_node_mapping_lookup_by_string(rule, "positions", 9),
                       (uint16_t)rule_count);
        rule_count++;
    }
    fy_document_destroy(document);
    free(path);
    return 0;
}

static int free_rules(void **state)
{
    (void)state;
    for (size_t i = 0; i < rule_count; i++)
        free(rule_ids[i]);
    position_set_free(positions);
    return 0;
}

/* ---- files and labels ---- */

struct found {
    size_t start, end, from, to;
    uint16_t rule;
    bool is_labelled;
    struct slice position;
};

struct sample {
    char *name;
    struct buf content;
    struct reading reading;
    struct found *found;
    size_t found_count;
};

struct tally {
    const char *kind;
    size_t labels, hits, right; /* right: by a rule for that kind */
};

static int data_folder(const char *below)
{
    const char *other = getenv("CUSTODY_HEALTH_DATA");
    char *path = other != NULL && *other != '\0'
                     ? xformat("%s/%s", other, below)
                     : xformat("%s/classify/health/%s", getenv("CUSTODY_TEST_DATA"), below);
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        fail_msg("%s is missing", path);
    free(path);
    return fd;
}

static void find_listed(struct sample *sample)
{
    struct reading *reading = &sample->reading;

    sample->found = xalloc_array(reading->element_count + 1, sizeof(*sample->found));
    for (size_t i = 0; i < reading->element_count; i++) {
        const struct element *element = &reading->elements[i];
        struct found found = {
            .start = element->start, .end = element->end, .position = element->position};
        enum finding_form form;

        if (!position_rule(positions, reading->format, element->position, &found.rule))
            continue;
        reading_map(reading, found.start, found.end, &found.from, &found.to, &form);
        sample->found[sample->found_count++] = found;
    }
}

static size_t read_samples(const struct format_row *row, struct sample *samples, size_t room)
{
    AUTO_CLOSE int folder = data_folder(row->name);
    DIR *dir = fdopendir(dup(folder));
    size_t count = 0;

    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        struct sample *sample = &samples[count];
        struct fault fault = {0};

        if (entry->d_name[0] == '.')
            continue;
        assert_in_range(count++, 0, room - 1);
        *sample = (struct sample){.name = xstrdup(entry->d_name),
                                  .content = buf_with_limit(FILE_BYTES_MAX)};
        assert_ok(file_read(folder, entry->d_name, &sample->content, &fault), fault);
        if (!row->is(buf_slice(&sample->content)))
            fail_msg("%s is not seen to be %s", entry->d_name, row->name);
        reading_begin(&sample->reading, row->format, buf_slice(&sample->content));
        assert_ok(row->read(&sample->reading, slice_of(""), &fault), fault);
        reading_finish(&sample->reading);
        find_listed(sample);
    }
    (void)closedir(dir);
    assert_true(count > 0);
    return count;
}

static void free_sample(struct sample *sample)
{
    reading_free(&sample->reading);
    buf_free(&sample->content);
    free(sample->found);
    free(sample->name);
}

struct label {
    struct slice file, place, kind, offset, value;
};

static bool kind_allows(struct slice kind, const char *rule)
{
    for (size_t i = 0; i < COUNT(kinds); i++) {
        struct slice rest = slice_of(kinds[i].rules), id;

        if (!slice_equal(kind, slice_of(kinds[i].kind)))
            continue;
        while (slice_cut(&rest, ' ', &id))
            if (slice_equal(id, slice_of(rule)))
                return true;
        return false;
    }
    fail_msg("no such kind: %.*s", SLICE_ARGS(kind));
    return false;
}

static struct found *match(struct sample *sample, const struct label *label)
{
    struct found *best = NULL;

    for (size_t i = 0; i < sample->found_count; i++) {
        struct found *found = &sample->found[i];
        struct slice raw = slice_part(buf_slice(&sample->content), found->from, found->to);
        struct slice text = slice_part(sample->reading.text, found->start, found->end);

        if (found->is_labelled ||
            (!slice_equal(raw, label->value) && !slice_equal(text, label->value)))
            continue;
        if (!slice_equal(label->offset, SLICE("-"))) {
            if (found->from == strtoul((const char *)label->offset.at, NULL, 10))
                return found;
        } else if (best == NULL || (!kind_allows(label->kind, rule_ids[best->rule]) &&
                                    kind_allows(label->kind, rule_ids[found->rule]))) {
            best = found;
        }
    }
    return best;
}

static struct tally *tally_of(struct tally *tallies, struct slice kind)
{
    size_t i = 0;

    while (tallies[i].kind != NULL && !slice_equal(slice_of(tallies[i].kind), kind))
        i++;
    for (size_t k = 0; tallies[i].kind == NULL && k < COUNT(kinds); k++)
        if (slice_equal(slice_of(kinds[k].kind), kind))
            tallies[i].kind = kinds[k].kind;
    return &tallies[i];
}

static void judge_label(const struct label *label, struct sample *samples, size_t count,
                        struct tally *tally)
{
    for (size_t i = 0; i < count; i++) {
        struct found *found;

        if (!slice_equal(slice_of(samples[i].name), label->file))
            continue;
        found = match(&samples[i], label);
        tally->labels++;
        if (found == NULL) {
            print_message("missed: %s %.*s %.*s \"%.*s\"\n", samples[i].name,
                          SLICE_ARGS(label->place), SLICE_ARGS(label->kind),
                          SLICE_ARGS(label->value));
            return;
        }
        found->is_labelled = true;
        tally->hits++;
        if (kind_allows(label->kind, rule_ids[found->rule]))
            tally->right++;
        else
            print_message("another kind: %s %.*s %.*s \"%.*s\": %s\n", samples[i].name,
                          SLICE_ARGS(label->place), SLICE_ARGS(label->kind),
                          SLICE_ARGS(label->value), rule_ids[found->rule]);
        return;
    }
    fail_msg("no file %.*s", SLICE_ARGS(label->file));
}

static void judge_labels(const struct format_row *row, struct sample *samples, size_t count,
                         struct tally *tallies)
{
    AUTO_BUF struct buf text = buf_with_limit(FILE_BYTES_MAX);
    AUTO_CLOSE int folder = data_folder(".");
    char *name = xformat("%s.tsv", row->name);
    struct fault fault = {0};
    struct slice rest, line;

    assert_ok(file_read(folder, name, &text, &fault), fault);
    free(name);
    rest = buf_slice(&text);
    while (slice_cut(&rest, '\n', &line)) {
        struct label label = {0};

        if (line.len == 0)
            continue;
        assert_true(
            slice_cut(&line, '\t', &label.file) && slice_cut(&line, '\t', &label.place) &&
            slice_cut(&line, '\t', &label.kind) && slice_cut(&line, '\t', &label.offset));
        label.value = line;
        judge_label(&label, samples, count, tally_of(tallies, label.kind));
    }
}

/* What no label says, by rule and position. */
static size_t say_unlabelled(const struct sample *samples, size_t count, size_t *ret_found)
{
    size_t unlabelled = 0;

    *ret_found = 0;
    for (size_t i = 0; i < count; i++) {
        *ret_found += samples[i].found_count;
        for (size_t k = 0; k < samples[i].found_count; k++) {
            const struct found *found = &samples[i].found[k];

            if (found->is_labelled)
                continue;
            unlabelled++;
            if (getenv("CUSTODY_HEALTH_VERBOSE") != NULL)
                print_message("unlabelled: %s %.*s %s\n", rule_ids[found->rule],
                              SLICE_ARGS(found->position), samples[i].name);
        }
    }
    return unlabelled;
}

static void check_format(const struct format_row *row)
{
    struct sample *samples = xalloc_array(SAMPLES_MAX, sizeof(*samples));
    struct tally tallies[COUNT(kinds) + 1] = {0};
    size_t count = read_samples(row, samples, SAMPLES_MAX), found, unlabelled;
    struct tally sum = {0};

    judge_labels(row, samples, count, tallies);
    for (const struct tally *tally = tallies; tally->kind != NULL; tally++) {
        print_message("%s %s: %zu labels, recall %.4f, by a rule for it %.4f\n", row->name,
                      tally->kind, tally->labels, (double)tally->hits / (double)tally->labels,
                      (double)tally->right / (double)tally->labels);
        sum.labels += tally->labels;
        sum.hits += tally->hits;
        sum.right += tally->right;
    }
    unlabelled = say_unlabelled(samples, count, &found);
    print_message(
        "%s: %zu files, %zu labels, recall %.4f; %zu found, %zu in no label: precision "
        "%.4f\n",
        row->name, count, sum.labels, (double)sum.hits / (double)sum.labels, found, unlabelled,
        1 - (double)unlabelled / (double)found);
    for (size_t i = 0; i < count; i++)
        free_sample(&samples[i]);
    free(samples);
    for (const struct tally *tally = tallies; tally->kind != NULL; tally++) {
        assert_true((double)tally->hits >= 0.99 * (double)tally->labels);
        assert_true((double)tally->right >= 0.97 * (double)tally->labels);
    }
    assert_true(sum.labels > 0);
    assert_true(1 - (double)unlabelled / (double)found >= row->precision);
}

static void hl7_values_are_found_by_position(void **state)
{
    (void)state;
    check_format(&formats[0]);
}

static void x12_values_are_found_by_position(void **state)
{
    (void)state;
    check_format(&formats[1]);
}

static void fhir_values_are_found_by_position(void **state)
{
    (void)state;
    check_format(&formats[2]);
}

static void ccda_values_are_found_by_position(void **state)
{
    (void)state;
    check_format(&formats[3]);
}

/* What one format takes for its own, no other one does. */
static void samples_are_of_one_format(void **state)
{
    (void)state;
    for (size_t row = 0; row < COUNT(formats); row++) {
        struct sample *samples = xalloc_array(SAMPLES_MAX, sizeof(*samples));
        size_t count = read_samples(&formats[row], samples, SAMPLES_MAX);

        for (size_t i = 0; i < count; i++) {
            for (size_t other = 0; other < COUNT(formats); other++)
                if (other != row && formats[other].is(buf_slice(&samples[i].content)))
                    fail_msg("%s is seen to be %s", samples[i].name, formats[other].name);
            free_sample(&samples[i]);
        }
        free(samples);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(hl7_values_are_found_by_position),  TEST(x12_values_are_found_by_position),
        TEST(fhir_values_are_found_by_position), TEST(ccda_values_are_found_by_position),
        TEST(samples_are_of_one_format),
    };

    return cmocka_run_group_tests(tests, load_rules, free_rules);
}
