/* What is always in a match. */
#include "classify/ascii.h"
#include "classify/import/pattern.h"

#include <stdlib.h>

#include "base/scope.h"

#define SET_MAX 40 /* members that are spelt out, capital letters not counted */
#define EXACT_MAX 64
#define ROUNDS_MAX 8 /* of a repeat that is spelt out */

#define FAR                                                                                   \
    96 /* bytes from the start of a match on: the engine may look no further back for it */
#define LENGTH_MAX 100000UL

/* Of one part: every text that it can be (is_exact), else what it begins with (may be nothing); the
 * best texts one of which it holds, and how far from its start they may begin; its length. */
struct known {
    struct literals exact, head, best;
    size_t best_at, most;
    bool is_exact;
};

static size_t shortest(const struct literals *list)
{
    size_t least = PATTERN_LITERAL_BYTES;

    for (size_t i = 0; i < list->count; i++)
        if (strlen(list->at[i]) < least)
            least = strlen(list->at[i]);
    return list->count == 0 ? 0 : least;
}

/* Long ones are rare, few are quick. */
static size_t worth(const struct literals *list)
{
    size_t least = shortest(list);

    if (least < RULE_KEYWORD_MIN)
        return 0;
    return (least < 8 ? least : 8) * 1000 + (PATTERN_LITERALS_MAX - list->count);
}

static void consider(struct known *known, const struct literals *other, size_t at)
{
    if (at > FAR || worth(other) <= worth(&known->best))
        return;
    known->best = *other;
    known->best_at = at;
}

static bool add(struct literals *list, const char *text, size_t most)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->at[i], text) == 0)
            return true;
    if (list->count == most)
        return false;
    memcpy(list->at[list->count++], text, strlen(text) + 1);
    return true;
}

static bool join(struct literals *list, const struct literals *more, size_t most)
{
    for (size_t i = 0; i < more->count; i++)
        if (!add(list, more->at[i], most))
            return false;
    return true;
}

/* Each of `list` with each of `more` behind it. False: too many, too long. */
static bool extend(struct literals *list, const struct literals *more)
{
    AUTO_FREE struct literals *made = xalloc(sizeof(*made));

    for (size_t i = 0; i < list->count; i++)
        for (size_t j = 0; j < more->count; j++) {
            char text[2 * PATTERN_LITERAL_BYTES + 1];
            size_t head = strlen(list->at[i]), tail = strlen(more->at[j]);

            if (head + tail > PATTERN_LITERAL_BYTES)
                return false;
            memcpy(text, list->at[i], head);
            memcpy(text + head, more->at[j], tail + 1);
            if (!add(made, text, EXACT_MAX))
                return false;
        }
    *list = *made;
    return true;
}

/* a + b * times, up to LENGTH_MAX. */
static size_t longer(size_t a, size_t b, uint32_t times)
{
    if (b == 0 || times == 0)
        return a;
    return times > LENGTH_MAX / b || a + b * times > LENGTH_MAX ? LENGTH_MAX : a + b * times;
}

static void empty_text(struct known *known)
{
    *known = (struct known){.is_exact = true};
    known->exact.count = 1;
}

static void of_set(const struct part *part, struct known *known)
{
    char text[2] = "";

    *known = (struct known){.is_exact = true, .most = 1};
    for (unsigned byte = 1; byte < 256; byte++) {
        if (!byte_set_has(&part->set, (uint8_t)byte))
            continue;
        text[0] = (char)lower((uint8_t)byte);
        known->is_exact = known->is_exact && byte < 0x80 && add(&known->exact, text, SET_MAX);
    }
    known->is_exact = known->is_exact && !byte_set_has(&part->set, 0);
}

static void look(const struct pattern *pattern, uint32_t number, struct known *known);

/* Of a row so far: the texts that its end can be, and where they begin at the latest. */
struct tail {
    struct literals texts;
    size_t at;
};

/* What is next in a row: goes on with what is known, or begins anew. */
static void follow(struct known *row, struct tail *tail, const struct known *next)
{
    if (next->is_exact && extend(&tail->texts, &next->exact))
        return;
    if (row->is_exact && next->head.count > 0) { /* so far all of it is known */
        row->head = tail->texts;
        if (!extend(&row->head, &next->head))
            row->head = tail->texts;
    }
    row->is_exact = false;
    consider(row, &tail->texts, tail->at);
    consider(row, &next->best, row->most + next->best_at);
    if (next->head.count > 0 && extend(&tail->texts, &next->head))
        consider(row, &tail->texts, tail->at);
    tail->at = row->most + (next->is_exact ? 0 : next->most);
    tail->texts = (struct literals){.count = 1};
    if (next->is_exact) {
        tail->texts = next->exact;
        consider(row, &tail->texts, tail->at);
    }
}

static void of_row(const struct pattern *pattern, const struct part *part, struct known *known)
{
    AUTO_FREE struct known *next = xalloc(sizeof(*next));
    AUTO_FREE struct tail *tail = xalloc(sizeof(*tail));

    empty_text(known);
    tail->texts.count = 1;
    for (uint32_t at = part->first; at != PART_NONE; at = pattern->parts[at].next) {
        look(pattern, at, next);
        follow(known, tail, next);
        known->most = longer(known->most, next->most, 1);
    }
    if (known->is_exact)
        known->exact = tail->texts;
    else
        consider(known, &tail->texts, tail->at);
}

static void of_choice(const struct pattern *pattern, const struct part *part,
                      struct known *known)
{
    AUTO_FREE struct known *next = xalloc(sizeof(*next));
    bool all_have = true, all_begin = true;

    *known = (struct known){.is_exact = true};
    for (uint32_t at = part->first; at != PART_NONE; at = pattern->parts[at].next) {
        look(pattern, at, next);
        known->is_exact =
            known->is_exact && next->is_exact && join(&known->exact, &next->exact, EXACT_MAX);
        if (next->is_exact)
            consider(next, &next->exact, 0);
        known->most = next->most > known->most ? next->most : known->most;
        known->best_at = next->best_at > known->best_at ? next->best_at : known->best_at;
        all_begin =
            all_begin &&
            join(&known->head, next->is_exact ? &next->exact : &next->head, EXACT_MAX) &&
            (next->is_exact || next->head.count > 0);
        all_have = all_have && worth(&next->best) > 0 &&
                   join(&known->best, &next->best, PATTERN_LITERALS_MAX);
    }
    if (!all_have)
        known->best.count = 0;
    if (!all_begin)
        known->head.count = 0;
}

static void of_repeat(const struct pattern *pattern, const struct part *part,
                      struct known *known)
{
    AUTO_FREE struct known *next = xalloc(sizeof(*next));
    uint32_t rounds = 0;

    look(pattern, part->first, next);
    empty_text(known);
    known->most = longer(0, next->most, part->most);
    if (part->least == 0 && part->most == 1) {
        known->is_exact = next->is_exact && join(&known->exact, &next->exact, EXACT_MAX);
        return;
    }
    while (next->is_exact && rounds < part->least && rounds < ROUNDS_MAX &&
           extend(&known->exact, &next->exact))
        rounds++;
    known->is_exact = rounds == part->most;
    if (part->least > 0) {
        known->head = known->exact;
        consider(known, &known->exact, 0);
        consider(known, &next->best, next->best_at);
    }
}

static void look(const struct pattern *pattern, uint32_t number, struct known *known)
{
    const struct part *part = &pattern->parts[number];

    switch (part->kind) {
    case PART_NOTHING:
        empty_text(known);
        break;
    case PART_SET:
        of_set(part, known);
        break;
    case PART_ROW:
        of_row(pattern, part, known);
        break;
    case PART_CHOICE:
        of_choice(pattern, part, known);
        break;
    case PART_REPEAT:
        of_repeat(pattern, part, known);
        break;
    case PART_GROUP:
        look(pattern, part->first, known);
        break;
    }
}

struct literals *pattern_literals(const struct pattern *pattern)
{
    AUTO_FREE struct known *known = xalloc(sizeof(*known));
    struct literals *found;

    look(pattern, pattern->root, known);
    if (known->is_exact)
        consider(known, &known->exact, 0);
    if (worth(&known->best) == 0)
        return NULL;
    found = xalloc(sizeof(*found));
    *found = known->best;
    return found;
}

bool pattern_is_fixed(const struct pattern *pattern, uint32_t part)
{
    AUTO_FREE struct known *known = xalloc(sizeof(*known));

    look(pattern, part, known);
    return known->is_exact;
}

/* ---- lengths ---- */

static size_t least_of(const struct pattern *pattern, const struct part *part)
{
    size_t sum = 0, least = SIZE_MAX;

    if (part->kind == PART_SET)
        return 1;
    for (uint32_t at = part->first; at != PART_NONE; at = pattern->parts[at].next) {
        size_t one = least_of(pattern, &pattern->parts[at]);

        sum += one;
        least = one < least ? one : least;
    }
    if (part->kind == PART_CHOICE)
        sum = least;
    if (part->kind == PART_REPEAT)
        sum *= part->least;
    return sum < LENGTH_MAX ? sum : LENGTH_MAX;
}

size_t pattern_least(const struct pattern *pattern, uint32_t part)
{
    return least_of(pattern, &pattern->parts[part]);
}

static bool is_one_letter(const struct byte_set *set)
{
    unsigned seen = 0, members = 0;

    for (unsigned byte = 0; byte < 256; byte++)
        if (byte_set_has(set, (uint8_t)byte)) {
            members += seen == 0 || lower((uint8_t)byte) != lower((uint8_t)seen);
            seen = byte;
        }
    return members == 1;
}

/* ret_goes_on: all of it is fixed, and what follows may go on. */
static size_t fixed_start(const struct pattern *pattern, uint32_t number, bool *ret_goes_on)
{
    const struct part *part = &pattern->parts[number];
    bool is_choice = part->kind == PART_CHOICE, goes_on = true;
    size_t len = 0, least = SIZE_MAX, count = 0;

    *ret_goes_on =
        part->kind == PART_NOTHING || (part->kind == PART_SET && is_one_letter(&part->set));
    if (part->kind == PART_SET)
        return *ret_goes_on ? 1 : 0;
    if (part->kind == PART_REPEAT && part->least == 0)
        return 0;
    for (uint32_t at = part->first; at != PART_NONE && (goes_on || is_choice);
         at = pattern->parts[at].next) {
        size_t one = fixed_start(pattern, at, &goes_on);

        len += one;
        least = one < least ? one : least;
        count++;
    }
    *ret_goes_on = goes_on && part->kind != PART_REPEAT && (!is_choice || count == 1);
    return is_choice ? least : len;
}

size_t pattern_fixed_start(const struct pattern *pattern, uint32_t part)
{
    bool goes_on;

    return fixed_start(pattern, part, &goes_on);
}
