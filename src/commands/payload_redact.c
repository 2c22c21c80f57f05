#include "commands/payload_redact.h"

#include <stdlib.h>
#include <string.h>

#include "base/scope.h"
#include "wire/terminal_text.h"

struct found {
    struct finding *at;
    size_t count;
};

static void found_free(struct found *found)
{
    free(found->at);
}

#define AUTO_FOUND __attribute__((cleanup(found_free)))

static bool look(struct scan_pool *pool, struct slice bytes, struct found *ret_found,
                 struct fault *fault)
{
    unsigned mask = 0;

    return scan_pool_look(pool, bytes, SLICE("output"), &ret_found->at, &ret_found->count,
                          &mask, fault) &&
           (mask != SCAN_UNEXAMINED ||
            fault_set(fault, FAULT_LIMIT,
                      "too much to look through for values; --raw prints it as it is"));
}

/* In what reads as text, with its places in what was printed. */
static bool look_at_text(struct scan_pool *pool, struct slice printed, struct found *ret_found,
                         struct fault *fault)
{
    struct terminal_text *text = NULL;
    bool ok = terminal_text_new(printed, &text, fault);

    /* without a sequence in it there is nothing new to see */
    if (ok && !slice_equal(terminal_text_bytes(text), printed))
        ok = look(pool, terminal_text_bytes(text), ret_found, fault);
    for (size_t i = 0; ok && i < ret_found->count; i++)
        terminal_text_place(text, ret_found->at[i].start, ret_found->at[i].end,
                            &ret_found->at[i].start, &ret_found->at[i].end);
    terminal_text_free(text);
    return ok;
}

/* Each list in the order of its places, and nothing in it twice. */
static const struct finding *next(const struct found *found, size_t at[2])
{
    bool has[2] = {at[0] < found[0].count, at[1] < found[1].count};
    size_t list;

    if (!has[0] && !has[1])
        return NULL;
    list = !has[0] || (has[1] && found[1].at[at[1]].start < found[0].at[at[0]].start);
    return &found[list].at[at[list]++];
}

bool payload_redact(struct scan_pool *pool, struct slice printed, struct buf *ret_text,
                    struct fault *fault)
{
    AUTO_FOUND struct found in_bytes = {0};
    AUTO_FOUND struct found in_text = {0};
    const struct finding *finding;
    size_t at[2] = {0, 0}, done = 0;

    if (!look(pool, printed, &in_bytes, fault) ||
        !look_at_text(pool, printed, &in_text, fault))
        return false;
    while ((finding = next((const struct found[]){in_bytes, in_text}, at)) != NULL) {
        if (finding->end <= done)
            continue; /* it was found in the other reading, too */
        if (finding->start >= done &&
            (!buf_add(ret_text, slice_part(printed, done, finding->start), fault) ||
             !buf_add_format(ret_text, fault, "[%s]", class_name(finding->class))))
            return false;
        done = finding->end; /* what reaches further than one before is of the same bracket */
    }
    return buf_add(ret_text, slice_part(printed, done, printed.len), fault);
}
