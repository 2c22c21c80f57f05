/* Readers of health formats: what they say of small contents, and how long hostile ones take. */
#include <stdio.h>

#include "classify/read_health.h"
#include "test.h"

typedef bool reader(struct reading *reading, struct slice path, struct fault *fault);

struct expected {
    const char *position, *text, *raw; /* raw NULL: as text */
    bool is_prose;
};

static void check(enum format format, reader *read, struct slice content,
                  const struct expected *expected, size_t count)
{
    struct reading reading;
    struct fault fault = {0};

    reading_begin(&reading, format, content);
    assert_ok(read(&reading, slice_of(""), &fault), fault);
    reading_finish(&reading);
    for (size_t i = 0; i < count; i++) {
        struct slice text = slice_of(expected[i].text);
        struct slice raw = expected[i].raw == NULL ? text : slice_of(expected[i].raw);
        bool found = false;

        for (size_t k = 0; k < reading.element_count && !found; k++) {
            const struct element *element = &reading.elements[k];
            enum finding_form form;
            size_t from, to;

            reading_map(&reading, element->start, element->end, &from, &to, &form);
            found =
                slice_equal(element->position, slice_of(expected[i].position)) &&
                slice_equal(slice_part(reading.text, element->start, element->end), text) &&
                slice_equal(slice_part(content, from, to), raw) &&
                element->is_prose == expected[i].is_prose;
        }
        if (!found) {
            for (size_t k = 0; k < reading.element_count; k++)
                print_message("%.*s: %.*s\n", SLICE_ARGS(reading.elements[k].position),
                              SLICE_ARGS(slice_part(reading.text, reading.elements[k].start,
                                                    reading.elements[k].end)));
            fail_msg("no %s \"%s\"", expected[i].position, expected[i].text);
        }
    }
    reading_free(&reading);
}

#define CHECK(format, read, content, expected)                                                \
    check(format, read, content, expected, COUNT(expected))

/* ---- HL7 v2 ---- */

static void hl7_has_fields_repetitions_components_and_subcomponents(void **state)
{
    static const struct expected expected[] = {
        {"PID-3.1[type=MR]", "M1", NULL, false},
        {"PID-3.1[type=SS]", "123456789", NULL, false},
        {"PID-5.1.1", "DOE", NULL, false},
        {"PID-5.1.3", "VON", NULL, false},
        {"PID-5.2", "O'NEIL & SONS", "O'NEIL \\T\\ SONS", false},
        {"PID-9.1", "J\xC3\xA9", "J\\XC3A9\\", false},
        {"PID-11.1", "1 \\Zx\\ ROAD", NULL, false},
        {"MSH-3.1", "APP", NULL, false},
        {"MSH-9.2", "A01", NULL, false},
        {"OBX-5.1[type=TX]", "seen by\nher", "seen by\\.br\\her", true},
        {"OBX-5.1[type=NM]", "72", NULL, false},
        {"ZPD-2.1", "she lives there", NULL, true},
        {"", "a line of words", NULL, true},
    };

    (void)state;
    CHECK(
        FORMAT_HL7V2, read_hl7,
        SLICE("MSH|^~\\&|APP||||20200101||ADT^A01|1|P|2.5\r\n"
              "PID|1||M1^^^A^MR~123456789^^^B^SS||DOE&&VON^O'NEIL \\T\\ SONS||||J\\XC3A9\\||1 "
              "\\Zx\\ ROAD|\"\"\r"
              "OBX|1|TX|||seen by\\.br\\her\nOBX|2|NM|||72\n"
              "ZPD|1|she lives there\ra line of words"),
        expected);
}

static void hl7_separators_are_those_of_each_header(void **state)
{
    static const struct expected expected[] = {
        {"FHS-3.1", "A", NULL, false},    {"PID-5.1", "DOE", NULL, false},
        {"PID-5.2", "J^NE", NULL, false}, {"PID-5.1", "ROE", NULL, false},
        {"PID-5.2", "RICH", NULL, false},
    };

    (void)state;
    CHECK(FORMAT_HL7V2, read_hl7,
          SLICE("\xEF\xBB\xBF"
                "FHS|^~\\&|A\rBHS|^~\\&|B\r"
                "\x0BMSH#*~!&#APP\rPID#####DOE*J^NE\r\x1C\r"
                "\x0BMSH|^~\\&|APP\rPID|||||ROE^RICH\r\x1C\rBTS|1\rFTS|1\r"),
          expected);
}

static void hl7_is_seen_by_its_header(void **state)
{
    static const struct {
        const char *content;
        bool is;
    } cases[] = {
        {"MSH|^~\\&|A", true}, {"\x0BMSH|^~\\&|", true},
        {"MSH#*~!&#A", true},  {"MSH is a word", false},
        {"MSHx^~\\&x", false}, {"MSH||", false},
        {"PID|1", false},      {"MSH", false},
        {"BHS|^~\\&\r", true}, {"", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        if (read_is_hl7(slice_of(cases[i].content)) != cases[i].is)
            fail_msg("%s", cases[i].content);
}

/* ---- X12 ---- */

#define ISA(sep, rep, comp, end)                                                              \
    "ISA" sep "00" sep "          " sep "00" sep "          " sep "ZZ" sep                    \
    "SENDER         " sep "ZZ" sep "RECEIVER       " sep "200101" sep "1200" sep rep sep      \
    "00501" sep "000000001" sep "0" sep "P" sep comp end

static void x12_positions_have_qualifiers_and_the_loops_entity(void **state)
{
    static const struct expected expected[] = {
        {"NM103[01=IL][02=1]", "DOE", NULL, false},
        {"NM109[01=IL][02=1][08=MI]", "W1", NULL, false},
        {"N301[NM1=IL][NM102=1]", "1 MAIN ST", NULL, false},
        {"REF02[01=SY][NM1=IL][NM102=1]", "123456789", NULL, false},
        {"DMG02[01=D8]", "19700101", NULL, false},
        {"HI01-2", "E119", NULL, false},
        {"HI02-1", "BF", NULL, false},
        {"DTP03[01=472][02=RD8]", "20200101-20200102", NULL, false},
        {"NTE02", "free words", NULL, true},
        {"NM103[01=QC][02=1]", "ROE", NULL, false},
    };

    (void)state;
    CHECK(FORMAT_X12, read_x12,
          SLICE("\xEF\xBB\xBF" ISA(
              "*", "^", ":",
              "~\n") "GS*HC~\nST*837*1~\r\n"
                     "DMG*D8*19700101~NM1*IL*1*DOE*J****MI*W1~N3*1 MAIN ST~REF*SY*123456789~"
                     "HI*ABK:E119*BF:I10~DTP*472*RD8*20200101-20200102~NTE*ADD*free "
                     "words~SE*1*1~"
                     "IEA*1*1~" ISA("|", "U", ">", "\n") "NM1|QC|1|ROE|R\nIEA|1|1\n"),
          expected);
}

/* ---- FHIR ---- */

static void fhir_positions_begin_at_the_innermost_resource(void **state)
{
    static const struct expected expected[] = {
        {"Patient.name.family",
         "D\xC3\xB6"
         "e",
         "D\\u00f6e", false},
        {"Patient.name.given", "A", NULL, false},
        {"Patient.name.given", "B", NULL, false},
        {"Patient.identifier.value[type=SS][system=http://hl7.org/fhir/sid/us-ssn]",
         "457-55-5462", NULL, false},
        {"Patient.birthDate", "1970-01-01", NULL, false},
        {"Practitioner.name.text", "Dr. X", NULL, true},
        {"Observation.subject.reference[target=Patient]", "17", NULL, false},
        {"Observation.subject.display[target=Patient]", "Doe", NULL, false},
        {"Observation.valueQuantity.value", "6.3", NULL, false},
        {"Patient.text.div", "<div>Doe</div>", NULL, true},
        {"Bundle.id", "b", NULL, false},
        {"RelatedPerson.name.family", "Roe", NULL, false},
    };

    (void)state;
    CHECK(
        FORMAT_FHIR, read_fhir,
        SLICE("{\"entry\": [{\"resource\": {\"name\": [{\"family\": \"D\\u00f6e\", \"given\": "
              "[\"A\", \"B\"]}], \"contained\": [{\"resourceType\": \"Practitioner\", "
              "\"name\": [{\"text\": \"Dr. X\"}]}], \"identifier\": [{\"value\": "
              "\"457-55-5462\", \"system\": \"http:\\/\\/hl7.org/fhir/sid/us-ssn\", \"type\": "
              "{\"coding\": [{\"system\": \"v2\", \"code\": \"SS\"}]}}], "
              "\"birthD\\u0061te\": \"1970-01-01\", \"text\": {\"div\": \"<div>Doe</div>\"}, "
              "\"resourceType\": \"Patient\"}}, {\"resource\": {\"resourceType\": "
              "\"Observation\", \"subject\": {\"reference\": \"https://h/Patient/17\", "
              "\"display\": \"Doe\"}, \"valueQuantity\": {\"value\": 6.3}}}], "
              "\"resourceType\": \"Bundle\", \"id\": \"b\"}\n"
              "{\"resourceType\": \"RelatedPerson\", \"name\": {\"family\": \"Roe\"}}\n"),
        expected);
}

/* ---- C-CDA ---- */

static void ccda_has_texts_and_attributes_and_expands_no_entity(void **state)
{
    static const struct expected expected[] = {
        {"recordTarget/patientRole/id@extension[root=2.16.840.1.113883.4.1]", "457-55-5462",
         NULL, false},
        {"recordTarget/patientRole/telecom@value[scheme=mailto]", "mailto:a@b.org", NULL,
         false},
        {"recordTarget/patientRole/patient/name/given", "A&B", "A&amp;B", false},
        {"recordTarget/patientRole/patient/name/family",
         "D\xC3\xB6"
         "e",
         "D&#xF6;e", false},
        {"recordTarget/patientRole/patient/birthTime@value", "19700101", NULL, false},
        {"assignedPerson/name/family", "Smith & Co", NULL, false},
        {"section/text/td", "seen <by> her", NULL, true},
        {"section/text", "&x; words", NULL, true},
        {"participantRole/id@extension[root=1.2][participant=HLD]", "M1", NULL, false},
    };

    (void)state;
    CHECK(
        FORMAT_CCDA, read_ccda,
        SLICE("<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>"
              "<n:ClinicalDocument xmlns:n='urn:hl7-org:v3'><!-- <id/> --><recordTarget>"
              "<patientRole><id root=\"2.16.840.1.113883.4.1\" extension=\"457-55-5462\"/>"
              "<telecom value='mailto:a@b.org' use=\"HP\"/><n:patient><name><given "
              "qualifier=\"CL\">\n A&amp;B </given><family>D&#xF6;e</family></name>"
              "<birthTime value=\"19700101\"/></n:patient></patientRole></recordTarget>"
              "<author><assignedAuthor><assignedPerson><name><family><![CDATA[Smith & Co]]>"
              "</family></name></assignedPerson></assignedAuthor></author>"
              "<participant typeCode='HLD'><participantRole><id root='1.2' extension='M1'/>"
              "</participantRole></participant><component><section><text>&x; words<td>"
              "<![CDATA[seen <by> her]]></td></text></section></component>"
              "</n:ClinicalDocument>"),
        expected);
}

/* ---- DICOM ---- */

struct writer {
    struct buf out;
    bool is_big, is_implicit;
};

static void put_number(struct writer *writer, uint32_t number, size_t bytes)
{
    struct fault fault = {0};

    for (size_t i = 0; i < bytes; i++) {
        size_t shift = 8 * (writer->is_big ? bytes - 1 - i : i);

        assert_ok(buf_add_byte(&writer->out, (uint8_t)(number >> shift), &fault), fault);
    }
}

static void put_bytes(struct writer *writer, struct slice bytes)
{
    struct fault fault = {0};

    assert_ok(buf_add(&writer->out, bytes, &fault), fault);
}

static void put_header(struct writer *writer, unsigned group, unsigned element, const char *vr,
                       uint32_t len)
{
    bool is_long = strchr("OSU", vr[0]) != NULL && strstr("OB OW SQ UN UT UC", vr) != NULL;

    put_number(writer, group, 2);
    put_number(writer, element, 2);
    if (writer->is_implicit || group == 0xFFFE) {
        put_number(writer, len, 4);
        return;
    }
    put_bytes(writer, slice_of_bytes(vr, 2));
    if (is_long)
        put_number(writer, 0, 2);
    put_number(writer, len, is_long ? 4 : 2);
}

static void put(struct writer *writer, unsigned group, unsigned element, const char *vr,
                const char *value)
{
    put_header(writer, group, element, vr, (uint32_t)strlen(value));
    put_bytes(writer, slice_of(value));
}

static void put_data(struct writer *writer)
{
    put(writer, 0x0008, 0x0090, "PN", "Roe^Ann");
    put_header(writer, 0x0008, 0x1110, "SQ", 0xFFFFFFFF);
    put_header(writer, 0xFFFE, 0xE000, "", 0xFFFFFFFF);
    put(writer, 0x0008, 0x1155, "UI", "1.2.3.44");
    put_header(writer, 0xFFFE, 0xE00D, "", 0);
    put_header(writer, 0xFFFE, 0xE0DD, "", 0);
    put(writer, 0x0009, 0x0010, "LO", "VENDOR ");
    put(writer, 0x0010, 0x0010, "PN", "Doe^Jane ");
    put(writer, 0x0010, 0x0020, "LO", "M1\\M2 ");
    put_header(writer, 0x0028, 0x0010, "US", 2);
    put_number(writer, 512, 2);
    put_header(writer, 0x0040, 0xA730, "SQ", 22);
    put_header(writer, 0xFFFE, 0xE000, "", 14);
    put(writer, 0x0010, 0x0040, writer->is_implicit ? "CS" : "CS", "F     ");
    put_header(writer, 0x7FE0, 0x0010, "OW", 4);
    put_bytes(writer, SLICE("ABCD"));
    put(writer, 0x0010, 0x4000, "LT", "words of hers");
}

static void dicom_has_its_elements_in_every_encoding(void **state)
{
    static const struct expected expected[] = {
        {"0008,0090", "Roe^Ann", NULL, false},
        {"0008,1155", "1.2.3.44", NULL, false},
        {"private.0009,0010", "VENDOR", NULL, false},
        {"0010,0010", "Doe^Jane", NULL, false},
        {"0010,0020", "M1", NULL, false},
        {"0010,0020", "M2", NULL, false},
        {"0010,0040", "F", NULL, false},
    };
    static const struct {
        const char *syntax;
        bool is_big, is_implicit;
    } cases[] = {
        {"1.2.840.10008.1.2.1", false, false},
        {"1.2.840.10008.1.2", false, true},
        {"1.2.840.10008.1.2.2", true, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct writer writer = {.out = buf_with_limit(4096)};
        struct reading reading;
        struct fault fault = {0};

        for (size_t k = 0; k < 128; k++)
            put_bytes(&writer, SLICE("\0"));
        put_bytes(&writer, SLICE("DICM"));
        put(&writer, 0x0002, 0x0010, "UI", cases[i].syntax);
        writer.is_big = cases[i].is_big;
        writer.is_implicit = cases[i].is_implicit;
        put_data(&writer);
        assert_true(read_is_dicom(buf_slice(&writer.out)));
        CHECK(FORMAT_DICOM, read_dicom, buf_slice(&writer.out), expected);
        reading_begin(&reading, FORMAT_DICOM, buf_slice(&writer.out));
        assert_ok(read_dicom(&reading, slice_of(""), &fault), fault);
        reading_finish(&reading);
        assert_int_equal(reading.unexamined, 4); /* the pixels, nothing else */
        assert_true(slice_find(reading.text, SLICE("words of hers"), 0) != SIZE_MAX);
        reading_free(&reading);
        buf_free(&writer.out);
    }
}

static void dicom_that_breaks_off_is_text_and_not_examined(void **state)
{
    struct writer writer = {.out = buf_with_limit(4096)};
    struct reading reading;
    struct fault fault = {0};

    (void)state;
    for (size_t k = 0; k < 128; k++)
        put_bytes(&writer, SLICE("\0"));
    put_bytes(&writer, SLICE("DICM"));
    put(&writer, 0x0002, 0x0010, "UI", "1.2.840.10008.1.2.1");
    put_header(&writer, 0x0010, 0x0010, "PN", 60000);
    put_bytes(&writer, SLICE("Doe^Jane"));
    reading_begin(&reading, FORMAT_DICOM, buf_slice(&writer.out));
    assert_ok(read_dicom(&reading, slice_of(""), &fault), fault);
    reading_finish(&reading);
    assert_true(slice_find(reading.text, SLICE("Doe^Jane"), 0) != SIZE_MAX);
    assert_int_equal(reading.unexamined, 16);
    reading_free(&reading);
    buf_free(&writer.out);
}

/* ---- hostile ---- */

#define HOSTILE_BYTES (8UL << 20)

static void any_repetition_is_read_in_linear_time(void **state)
{
    static const struct {
        enum format format;
        reader *read;
        const char *head, *unit;
    } cases[] = {
        {FORMAT_HL7V2, read_hl7, "MSH|^~\\&|", "|"},
        {FORMAT_HL7V2, read_hl7, "MSH|^~\\&|\rPID|||", "~"},
        {FORMAT_HL7V2, read_hl7, "MSH|^~\\&|\rPID|||", "a^"},
        {FORMAT_HL7V2, read_hl7, "MSH|^~\\&|\rPID|||", "\\"},
        {FORMAT_HL7V2, read_hl7, "MSH|^~\\&|\rPID|||", "\\T\\"},
        {FORMAT_HL7V2, read_hl7, "", "MSH|^~\\&|a\r"},
        {FORMAT_HL7V2, read_hl7, "MSH|^~\\&|", "\r\n"},
        {FORMAT_X12, read_x12, ISA("*", "^", ":", "~"), "~"},
        {FORMAT_X12, read_x12, ISA("*", "^", ":", "~"), "*"},
        {FORMAT_X12, read_x12, ISA("*", "^", ":", "~") "NM1*", "a:"},
        {FORMAT_X12, read_x12, ISA("*", "^", ":", "~"), "ISA*"},
        {FORMAT_X12, read_x12, ISA("*", "^", ":", "~"), "ISA*~"},
        {FORMAT_FHIR, read_fhir, "{\"resourceType\":", "{\"a\":"},
        {FORMAT_FHIR, read_fhir, "{\"resourceType\":\"Patient\",\"name\":", "["},
        {FORMAT_FHIR, read_fhir, "{\"resourceType\":", "\"a\""},
        {FORMAT_FHIR, read_fhir, "{\"resourceType\":", "\"\\u0041"},
        {FORMAT_FHIR, read_fhir, "[", "{\"resourceType\":\"P\","},
        {FORMAT_FHIR, read_fhir, "{\"resourceType\"", "\"  "},
        {FORMAT_CCDA, read_ccda, "<ClinicalDocument>", "<author>"},
        {FORMAT_CCDA, read_ccda, "<ClinicalDocument>", "<"},
        {FORMAT_CCDA, read_ccda, "<ClinicalDocument>", "<a b=\""},
        {FORMAT_CCDA, read_ccda, "<ClinicalDocument>", "&"},
        {FORMAT_CCDA, read_ccda, "<ClinicalDocument>", "&lt;"},
        {FORMAT_CCDA, read_ccda, "<ClinicalDocument>", "<![CDATA["},
        {FORMAT_CCDA, read_ccda, "<ClinicalDocument>", "<!--"},
        {FORMAT_CCDA, read_ccda, "<ClinicalDocument ", "a=b "},
        {FORMAT_CCDA, read_ccda, "<ClinicalDocument ", "= / "},
        {FORMAT_XML, read_xml, "<a>", "<b></c>"},
        {FORMAT_DICOM, read_dicom, "", "\xFE\xFF"},
    };
    struct buf content = buf_with_limit(HOSTILE_BYTES + 256);
    struct fault fault = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct reading reading;

        buf_clear(&content);
        assert_ok(buf_add(&content, slice_of(cases[i].head), &fault), fault);
        while (content.len < HOSTILE_BYTES)
            assert_ok(buf_add(&content, slice_of(cases[i].unit), &fault), fault);
        reading_begin(&reading, cases[i].format, buf_slice(&content));
        assert_ok(cases[i].read(&reading, slice_of(""), &fault), fault);
        reading_finish(&reading);
        reading_free(&reading);
    }
    buf_free(&content);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(hl7_has_fields_repetitions_components_and_subcomponents),
        TEST(hl7_separators_are_those_of_each_header),
        TEST(hl7_is_seen_by_its_header),
        TEST(x12_positions_have_qualifiers_and_the_loops_entity),
        TEST(fhir_positions_begin_at_the_innermost_resource),
        TEST(ccda_has_texts_and_attributes_and_expands_no_entity),
        TEST(dicom_has_its_elements_in_every_encoding),
        TEST(dicom_that_breaks_off_is_text_and_not_examined),
        TEST(any_repetition_is_read_in_linear_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
