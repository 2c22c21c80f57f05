#include "classify/reading.h"

#include "classify/position.h"
#include "test.h"

static const struct slice content = {(const uint8_t *)"ab\\u0031\\n2cd", 13};

static void a_reading_of_the_whole_content_copies_nothing(void **state)
{
    struct reading reading;
    struct fault fault = {0};
    enum finding_form form;
    size_t from, to;

    (void)state;
    reading_begin(&reading, FORMAT_PLAIN, content);
    assert_ok(reading_add_plain(&reading, 0, 5, &fault), fault);
    assert_int_equal(reading_at(&reading), 5);
    assert_ok(reading_add_plain(&reading, 5, content.len, &fault), fault);
    reading_finish(&reading);
    assert_ptr_equal(reading.text.at, content.at);
    assert_int_equal(reading.text.len, content.len);
    assert_null(reading.pieces);
    reading_map(&reading, 3, 7, &from, &to, &form);
    assert_int_equal(from, 3);
    assert_int_equal(to, 7);
    assert_int_equal(form, FORM_PLAIN);
    reading_free(&reading);
}

static void decoded_text_maps_back_to_what_it_was_made_from(void **state)
{
    static const struct {
        size_t start, end, from, to;
        enum finding_form form;
    } cases[] = {
        {0, 2, 0, 2, FORM_PLAIN},      {1, 3, 1, 8, FORM_BACKSLASH},
        {2, 3, 2, 8, FORM_BACKSLASH},  {2, 4, 2, 10, FORM_BACKSLASH},
        {2, 5, 2, 11, FORM_BACKSLASH}, {5, 6, 11, 11, FORM_MIXED},
        {4, 7, 10, 13, FORM_MIXED},    {6, 7, 12, 13, FORM_PLAIN},
    };
    struct reading reading;
    struct fault fault = {0};

    (void)state;
    reading_begin(&reading, FORMAT_PLAIN, content);
    assert_ok(reading_add_plain(&reading, 0, 2, &fault), fault);
    assert_ok(reading_add_piece(&reading, SLICE("1"), 2, 8, FORM_BACKSLASH, &fault), fault);
    assert_ok(reading_add_piece(&reading, SLICE("\n"), 8, 10, FORM_BACKSLASH, &fault), fault);
    assert_ok(reading_add_plain(&reading, 10, 11, &fault), fault);
    assert_ok(reading_add_break(&reading, SLICE("\n"), 11, &fault), fault);
    assert_ok(reading_add_plain(&reading, 12, 13, &fault), fault);
    reading_finish(&reading);
    assert_true(slice_equal(reading.text, SLICE("ab1\n2\nd")));
    for (size_t i = 0; i < COUNT(cases); i++) {
        enum finding_form form;
        size_t from, to;

        reading_map(&reading, cases[i].start, cases[i].end, &from, &to, &form);
        assert_int_equal(from, cases[i].from);
        assert_int_equal(to, cases[i].to);
        assert_int_equal(form, cases[i].form);
    }
    reading_free(&reading);
}

static void elements_come_in_order_outer_ones_first(void **state)
{
    struct reading reading;
    struct fault fault = {0};

    (void)state;
    reading_begin(&reading, FORMAT_PLAIN, content);
    assert_ok(reading_add_plain(&reading, 0, content.len, &fault), fault);
    reading_element(&reading, 4, 6, SLICE("in"), SLICE("A-1"));
    reading_prose(&reading, 4, 9, SLICE("out"), SLICE(""));
    reading_element(&reading, 0, 2, SLICE("in"), SLICE("A-1"));
    reading_element(&reading, 5, 5, SLICE("nothing"), SLICE(""));
    reading_finish(&reading);
    assert_int_equal(reading.element_count, 3);
    assert_true(slice_equal(reading.elements[0].name, SLICE("in")));
    assert_int_equal(reading.elements[0].start, 0);
    assert_true(reading.elements[1].is_prose);
    assert_int_equal(reading.elements[2].end, 6);
    assert_ptr_equal(reading.elements[0].position.at, reading.elements[2].position.at);
    reading_free(&reading);
}

static void text_grows_to_its_limit_only(void **state)
{
    struct reading reading;
    struct fault fault = {0};
    size_t added = 0;

    (void)state;
    reading_begin(&reading, FORMAT_PLAIN, content);
    while (reading_add_break(&reading, SLICE("0123456789"), 0, &fault))
        added++;
    assert_int_equal(fault.kind, FAULT_LIMIT);
    assert_in_range(added, 400, 500);
    reading_free(&reading);
}

static void a_position_has_the_rule_that_says_most_of_it(void **state)
{
    static const struct {
        enum format format;
        const char *position;
    } listed[] = {
        {FORMAT_HL7V2, "PID-3.1"},
        {FORMAT_HL7V2, "PID-3.1[type=SS,SSN]"},
        {FORMAT_HL7V2, "ZPD"},
        {FORMAT_X12, "NM109[01=IL,QC][08=MI]"},
        {FORMAT_X12, "NM109[08=MI,II]"},
        {FORMAT_FHIR, "Patient.name"},
        {FORMAT_FHIR, "*.subject.display"},
        {FORMAT_CCDA, "recordTarget/patientRole/id@extension"},
        {FORMAT_DICOM, "0010,0010"},
        {FORMAT_HL7V2, "PID-3.1"},
        {FORMAT_CCDA, "assignedPerson/name$"},
        {FORMAT_CCDA, "*/id@extension"},
    };
    static const struct {
        enum format format;
        const char *position;
        int rule;
    } cases[] = {
        {FORMAT_HL7V2, "PID-3.1", 0},
        {FORMAT_HL7V2, "PID-3.1[type=MR]", 0},
        {FORMAT_HL7V2, "PID-3.1[4=A][type=SSN]", 1},
        {FORMAT_HL7V2, "PID-3.1.2", 0},
        {FORMAT_HL7V2, "PID-3.2", -1},
        {FORMAT_HL7V2, "PID-3", -1},
        {FORMAT_HL7V2, "ZPD-7.2.1", 2},
        {FORMAT_HL7V2, "ZPE-7.2.1", -1},
        {FORMAT_X12, "NM109[01=IL][08=MI]", 3},
        {FORMAT_X12, "NM109[01=85][08=MI]", 4},
        {FORMAT_X12, "NM109[01=IL][08=XX]", -1},
        {FORMAT_X12, "NM109", -1},
        {FORMAT_FHIR, "Patient.name.family", 5},
        {FORMAT_FHIR, "Patient.names", -1},
        {FORMAT_FHIR, "Observation.subject.display", 6},
        {FORMAT_FHIR, "Observation.subject", -1},
        {FORMAT_CCDA, "recordTarget/patientRole/id@extension[root=1]", 7},
        {FORMAT_CCDA, "recordTarget/patientRole/id@root", -1},
        {FORMAT_CCDA, "assignedPerson/name", 10},
        {FORMAT_CCDA, "assignedPerson/name/prefix", -1},
        {FORMAT_CCDA, "performer/id@extension", 11},
        {FORMAT_CCDA, "assignedPerson/name@value", -1},
        {FORMAT_CCDA, "performer/id@extension@root", -1},
        {FORMAT_DICOM, "0010,0010", 8},
        {FORMAT_DICOM, "0010,0011", -1},
        {FORMAT_X12, "0010,0010", -1},
        {FORMAT_X12, "[", -1},
        {FORMAT_X12, "", -1},
    };
    struct position_set *set = position_set_new();
    struct fault fault = {0};
    uint16_t rule;

    (void)state;
    assert_false(position_rule(set, FORMAT_X12, SLICE("NM109"), &rule));
    for (size_t i = 0; i < COUNT(listed); i++)
        assert_ok(position_add(set, listed[i].format, slice_of(listed[i].position),
                               (uint16_t)i, &fault),
                  fault);
    for (size_t i = 0; i < COUNT(cases); i++) {
        bool found = position_rule(set, cases[i].format, slice_of(cases[i].position), &rule);

        if (found != (cases[i].rule >= 0) || (found && rule != cases[i].rule))
            fail_msg("%s: %d", cases[i].position, found ? rule : -1);
    }
    position_set_free(set);
}

static void what_is_no_position_is_refused(void **state)
{
    static const char *const cases[] = {"",        "[a=b]",  "A[",
                                        "A[b",     "A[b]",   "A[=b]",
                                        "A[b=c]d", "A[b]=c", "A[a=1][a=1][a=1][a=1][a=1]"};
    struct position_set *set = position_set_new();
    struct fault fault = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_false(position_add(set, FORMAT_X12, slice_of(cases[i]), 1, &fault));
        assert_int_equal(fault.kind, FAULT_INVALID);
    }
    position_set_free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_reading_of_the_whole_content_copies_nothing),
        TEST(decoded_text_maps_back_to_what_it_was_made_from),
        TEST(elements_come_in_order_outer_ones_first),
        TEST(text_grows_to_its_limit_only),
        TEST(a_position_has_the_rule_that_says_most_of_it),
        TEST(what_is_no_position_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
