/* Which health format a content is of, whatever its name says. */
#include "classify/read_health.h"

static const struct {
    enum format format;
    bool (*is)(struct slice content);
    bool (*read)(struct reading *reading, struct slice path, struct fault *fault);
} kinds[] = {
    {FORMAT_HL7V2, read_is_hl7, read_hl7},     {FORMAT_X12, read_is_x12, read_x12},
    {FORMAT_DICOM, read_is_dicom, read_dicom}, {FORMAT_FHIR, read_is_fhir, read_fhir},
    {FORMAT_CCDA, read_is_ccda, read_ccda},
};

health_reader *read_health_find(struct slice content, enum format *format)
{
    for (size_t i = 0; i < COUNT(kinds); i++) {
        if (kinds[i].is(content)) {
            *format = kinds[i].format;
            return kinds[i].read;
        }
    }
    return NULL;
}
