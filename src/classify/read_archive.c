/*
 * Archives, and documents that are archives (Office, OpenDocument): the text is what each
 * member says, behind a line with its name. Nothing in it can be replaced in place.
 */
#include "base/scope.h"
#include "classify/archives.h"
#include "classify/read.h"
#include "classify/read_document.h"

#define ARCHIVE_DEPTH_MAX 2
#define MEMBERS_MAX 10000
#define MEMBER_BYTES_MAX (16UL * 1024 * 1024)
#define TEXT_BYTES_MAX (64UL * 1024 * 1024) /* of all members */
#define RATIO_MAX 200 /* text of so many times the archive's length; small ones may have more */
#define TEXT_BYTES_LEAST (4UL * 1024 * 1024)

static const struct archive_opener *opener;

void classify_use_archives(const struct archive_opener *new_opener)
{
    opener = new_opener;
}

struct walk {
    struct reading *reading;
    unsigned depth;
    size_t members;
    struct buf name, bytes; /* of the member under way */
    bool is_cut;            /* it is longer than is read */
    bool is_document;
    struct fault fault;
};

static void leave_out(struct walk *walk, size_t bytes)
{
    walk->reading->unexamined += bytes == 0 ? 1 : bytes;
}

static bool add_line(struct walk *walk, struct slice text)
{
    size_t all = walk->reading->content.len;

    return reading_add_piece(walk->reading, text, 0, all, FORM_SEALED, &walk->fault) &&
           reading_add_break(walk->reading, SLICE("\n"), all, &walk->fault);
}

/* What the member says, as far as there is room for it. */
static bool add_member(struct walk *walk)
{
    struct reading *reading = walk->reading, found;
    struct slice bytes = buf_slice(&walk->bytes);
    AUTO_BUF_SECRET struct buf text = buf_with_limit(walk->bytes.len);
    size_t all = reading->content.len;
    bool ok;

    if (walk->is_document && document_text(buf_slice(&walk->name), bytes, &text))
        bytes = buf_slice(&text);
    if (!read_content(bytes, buf_slice(&walk->name), walk->depth + 1, &found, &walk->fault))
        return false;
    ok = !found.is_opaque &&
         found.text.len + 2 < reading->decoded.limit - reading->decoded.len;
    if (!ok) {
        leave_out(walk, bytes.len);
        ok = true;
    } else {
        ok = reading_add_whole(reading, &found, 0, all, FORM_SEALED, &walk->fault) &&
             reading_add_break(reading, SLICE("\n"), all, &walk->fault);
    }
    reading_free(&found);
    return ok;
}

static bool end_member(struct walk *walk)
{
    bool ok = walk->members == 0 || walk->bytes.len == 0 || add_member(walk);

    if (walk->is_cut)
        leave_out(walk, walk->bytes.len);
    walk->is_cut = false;
    buf_clear(&walk->bytes);
    return ok;
}

static bool take_member(void *self, struct slice name)
{
    struct walk *walk = self;
    struct fault fault;

    if (!end_member(walk) || walk->members == MEMBERS_MAX) {
        leave_out(walk, 1);
        return false;
    }
    buf_clear(&walk->name);
    (void)!buf_add(&walk->name, slice_part(name, 0, walk->name.limit), &fault);
    if (document_is_member(name)) {
        walk->is_document = true;
        walk->reading->format = FORMAT_DOCUMENT;
    }
    walk->members++;
    return add_line(walk, buf_slice(&walk->name));
}

static bool take_bytes(void *self, struct slice bytes)
{
    struct walk *walk = self;
    struct fault fault;

    walk->is_cut = walk->is_cut || !buf_add(&walk->bytes, bytes, &fault);
    return !walk->is_cut;
}

bool read_archive(struct reading *reading, unsigned depth, struct fault *fault)
{
    struct walk walk = {.reading = reading,
                        .depth = depth,
                        .name = buf_with_limit(READING_NAME_MAX),
                        .bytes = buf_with_limit(MEMBER_BYTES_MAX)};
    struct archive_sink sink = {take_member, take_bytes, &walk};
    size_t most = reading->content.len > TEXT_BYTES_MAX / RATIO_MAX
                      ? TEXT_BYTES_MAX
                      : reading->content.len * RATIO_MAX;

    if (opener == NULL || depth >= ARCHIVE_DEPTH_MAX) {
        reading->is_opaque = true;
        return reading_add_plain(reading, 0, reading->content.len, fault);
    }
    reading->decoded.limit = most < TEXT_BYTES_LEAST ? TEXT_BYTES_LEAST : most;
    if (!opener->walk(reading->content, &sink))
        leave_out(&walk, reading->content.len);
    if (!end_member(&walk) || walk.fault.kind != FAULT_NONE) /* what there is is looked through */
        leave_out(&walk, reading->content.len);
    if (walk.members == 0)
        reading->is_opaque = true;
    buf_free_secret(&walk.bytes);
    buf_free(&walk.name);
    return true;
}
