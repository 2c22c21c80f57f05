/* XML and HTML: each text and attribute's value is an element with the tag's name, or, of an
 * attribute that says more, with the attribute's. */
#include <stdlib.h>

#include "classify/read.h"
#include "classify/read_health.h"
#include "classify/xml.h"

struct names {
    struct reading *reading;
    size_t depth;
    struct slice at[XML_LEVELS_MAX]; /* at[0] is around the document */
};

static struct slice name_of(const struct names *names)
{
    return names->depth < XML_LEVELS_MAX ? names->at[names->depth] : (struct slice){0};
}

static void on_open(void *self, const struct xml_scan *scan)
{
    struct names *names = self;

    names->depth++;
    if (names->depth < XML_LEVELS_MAX)
        names->at[names->depth] = scan->name;
}

/* HTML leaves tags open: what stands a little further out is closed, too. */
static void on_close(void *self, struct slice name)
{
    struct names *names = self;

    for (size_t up = 0; up < 4 && up < names->depth && names->depth < XML_LEVELS_MAX; up++) {
        if (slice_equal(names->at[names->depth - up], name)) {
            names->depth -= up + 1;
            return;
        }
    }
    names->depth -= names->depth >= XML_LEVELS_MAX;
}

static void on_value(void *self, struct slice attribute, size_t start, size_t end,
                     struct slice raw)
{
    struct names *names = self;
    bool is_own = attribute.len > 0 && !read_is_generic_name(attribute);

    (void)raw;
    reading_element(names->reading, start, end, is_own ? attribute : name_of(names),
                    (struct slice){0});
}

bool read_xml(struct reading *reading, struct slice path, struct fault *fault)
{
    struct names *names = xalloc(sizeof(*names));
    struct xml_visitor visitor = {on_open, on_close, on_value, names};
    bool ok;

    (void)path;
    names->reading = reading;
    ok = xml_walk(reading, &visitor, fault);
    free(names);
    return ok;
}
