#include "classify/confirm.h"

#include "classify/ascii.h"
#include "classify/confirm_begin.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define OPTIONS (PCRE2_NEVER_UTF | PCRE2_NEVER_UCP | PCRE2_NEVER_BACKSLASH_C | PCRE2_USE_OFFSET_LIMIT)
#define VALUES_MAX 64
#define MATCH_LIMIT 200000
#define BEGINNINGS_MAX 24 /* that are looked at one by one */
#define HEAP_KIB_MAX 8192
#define STACK_BYTES_MIN (32UL * 1024)
#define STACK_BYTES_MAX (1024UL * 1024)

struct confirm {
    pcre2_code *code;
    pcre2_match_data *match;
    uint16_t values[VALUES_MAX]; /* groups of that name, in order */
    size_t value_count;          /* 0: the whole is the value */
    uint32_t least;
    uint8_t bytes[256]; /* enum confirm_byte */
};

/* The memory of machine code is one for all patterns: where that is closed, none is made or freed. */
static struct {
    bool is_made, has_ended;
} machine_code;

/* One for all: what a match may cost. */
static pcre2_match_context *match_context(void)
{
    static pcre2_match_context *context;
    pcre2_jit_stack *stack;

    if (context != NULL)
        return context;
    context = pcre2_match_context_create(NULL);
    stack = pcre2_jit_stack_create(STACK_BYTES_MIN, STACK_BYTES_MAX, NULL);
    if (context == NULL)
        abort();
    (void)pcre2_set_match_limit(context, MATCH_LIMIT);
    (void)pcre2_set_heap_limit(context, HEAP_KIB_MAX);
    if (stack != NULL)
        pcre2_jit_stack_assign(context, NULL, stack);
    return context;
}

static pcre2_code *compile(struct slice pattern, int *ret_error, size_t *ret_at)
{
    return pcre2_compile(pattern.at, pattern.len, OPTIONS, ret_error, ret_at, NULL);
}

bool confirm_check(struct slice pattern, char *ret_why, size_t why_room, size_t *ret_at)
{
    static const char empty[] = "it matches the empty text";
    int error = 0;
    uint32_t matches_empty = 0;
    pcre2_code *code = compile(pattern, &error, ret_at);

    if (code == NULL) {
        (void)pcre2_get_error_message(error, (PCRE2_UCHAR *)ret_why, why_room);
        return false;
    }
    (void)pcre2_pattern_info(code, PCRE2_INFO_MATCHEMPTY, &matches_empty);
    pcre2_code_free(code);
    if (matches_empty != 0) {
        *ret_at = 0;
        memcpy(ret_why, empty, sizeof(empty) < why_room ? sizeof(empty) : why_room);
        ret_why[why_room - 1] = 0;
    }
    return matches_empty == 0;
}

/* Entries of the table of names are in order of name, then of number. */
static void find_values(struct confirm *confirm)
{
    PCRE2_SPTR first, last;
    int size = pcre2_substring_nametable_scan(confirm->code, (PCRE2_SPTR) "value", &first, &last);

    for (; size > 0 && first <= last && confirm->value_count < VALUES_MAX; first += size)
        confirm->values[confirm->value_count++] = (uint16_t)(first[0] << 8 | first[1]);
}

static void find_beginnings(struct confirm *confirm, struct slice pattern)
{
    const uint8_t *map = NULL;
    uint32_t has_first = 0, first = 0;

    (void)pcre2_pattern_info(confirm->code, PCRE2_INFO_FIRSTCODETYPE, &has_first);
    (void)pcre2_pattern_info(confirm->code, PCRE2_INFO_FIRSTCODEUNIT, &first);
    (void)pcre2_pattern_info(confirm->code, PCRE2_INFO_FIRSTBITMAP, &map);
    for (unsigned byte = 0; byte < 256; byte++)
        if (has_first == 1 ? lower((uint8_t)byte) == lower((uint8_t)first)
                           : map == NULL || (map[byte / 8] >> byte % 8 & 1) != 0)
            confirm->bytes[byte] = CONFIRM_FIRST;
    confirm_not_before(pattern, confirm->bytes);
}

struct confirm *confirm_new(struct slice pattern)
{
    struct confirm *confirm = xalloc(sizeof(*confirm));
    int error = 0;
    size_t at = 0;

    confirm->code = compile(pattern, &error, &at);
    if (confirm->code == NULL)
        abort(); /* it was checked */
    /* Where memory may not be executed it is interpreted. */
    if (!machine_code.has_ended &&
        pcre2_jit_compile(confirm->code, PCRE2_JIT_COMPLETE | PCRE2_JIT_PARTIAL_HARD) == 0)
        machine_code.is_made = true;
    confirm->match = pcre2_match_data_create_from_pattern(confirm->code, NULL);
    if (confirm->match == NULL)
        abort();
    find_values(confirm);
    find_beginnings(confirm, pattern);
    (void)pcre2_pattern_info(confirm->code, PCRE2_INFO_MINLENGTH, &confirm->least);
    return confirm;
}

size_t confirm_least(const struct confirm *confirm)
{
    return confirm->least;
}

bool confirm_may_begin(const struct confirm *confirm, struct slice text, size_t from, size_t last)
{
    if (last - from >= BEGINNINGS_MAX || last >= text.len)
        return true;
    for (size_t at = from; at <= last; at++)
        if ((confirm->bytes[text.at[at]] & CONFIRM_FIRST) != 0 &&
            (at == 0 || (confirm->bytes[text.at[at - 1]] & CONFIRM_NOT_BEFORE) == 0))
            return true;
    return false;
}

void confirm_free(struct confirm *confirm)
{
    if (confirm == NULL)
        return;
    pcre2_match_data_free(confirm->match);
    if (!machine_code.has_ended)
        pcre2_code_free(confirm->code);
    free(confirm);
}

bool confirm_end_code(void)
{
    machine_code.has_ended = true;
    return machine_code.is_made;
}

enum confirm_result confirm_find(struct confirm *confirm, struct slice text,
                                 struct confirm_place place, struct confirm_match *ret_match)
{
    pcre2_match_context *context = match_context();
    uint32_t options = (place.is_begin ? 0 : PCRE2_NOTBOL) |
                       (place.is_end ? 0 : PCRE2_NOTEOL | PCRE2_PARTIAL_HARD);
    const size_t *ends;
    int found;

    (void)pcre2_set_offset_limit(context, place.last);
    found = pcre2_match(confirm->code, text.at, text.len, place.from, options, confirm->match,
                        context);
    if (found == PCRE2_ERROR_PARTIAL)
        return CONFIRM_MORE;
    if (found == PCRE2_ERROR_NOMATCH)
        return CONFIRM_NO;
    if (found < 0)
        return CONFIRM_HARD;
    ends = pcre2_get_ovector_pointer(confirm->match);
    *ret_match = (struct confirm_match){ends[0], ends[1], ends[0], ends[1]};
    for (size_t i = 0; i < confirm->value_count; i++) {
        const size_t *group = &ends[2 * confirm->values[i]];

        if (group[0] == PCRE2_UNSET || group[0] == group[1])
            continue;
        ret_match->start = group[0];
        ret_match->end = group[1];
        break;
    }
    return ret_match->end > ret_match->start ? CONFIRM_YES : CONFIRM_NO;
}
