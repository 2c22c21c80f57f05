/* A text that a pattern should match, made from its parts. */
#include "classify/ascii.h"
#include "classify/import/pattern.h"

#define LETTERS 64 /* 0-9 A-Z a-z and a NUL */
#define STEPS_MAX 20000
#define MORE_MAX 24 /* beyond the least of a repeat */

struct maker {
    const struct pattern *pattern;
    unsigned variant;
    uint64_t state;
    unsigned steps;
    struct buf *out;
    struct fault *fault;
};

/* A linear congruence: the same everywhere. */
static uint32_t pick(struct maker *maker, uint32_t count)
{
    if (maker->variant == 0)
        return 0;
    maker->state =
        maker->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(maker->state >> 33) % count;
}

static size_t letters_of(const struct byte_set *set, char ret_letters[LETTERS])
{
    size_t count = 0;

    for (unsigned byte = '0'; byte <= 'z'; byte++)
        if (is_alnum((uint8_t)byte) && byte_set_has(set, (uint8_t)byte))
            ret_letters[count++] = (char)byte;
    ret_letters[count] = 0;
    return count;
}

/* Ranges, as in a class. */
static bool add_alphabet(const char *letters, struct maker *maker)
{
    for (size_t i = 0; letters[i] != 0;) {
        size_t last = i;

        while (letters[last + 1] == letters[last] + 1)
            last++;
        if (!buf_add_byte(maker->out, (uint8_t)letters[i], maker->fault) ||
            (last > i + 1 && !buf_add_byte(maker->out, '-', maker->fault)) ||
            (last > i && !buf_add_byte(maker->out, (uint8_t)letters[last], maker->fault)))
            return false;
        i = last + 1;
    }
    return true;
}

static uint8_t sign_of(const struct part *part)
{
    static const char liked[] = " =:\"'_-.,;/>|+(\n";

    if (part->written != 0 && byte_set_has(&part->set, part->written))
        return part->written;
    for (size_t i = 0; liked[i] != 0; i++)
        if (byte_set_has(&part->set, (uint8_t)liked[i]))
            return (uint8_t)liked[i];
    for (unsigned byte = '!'; byte <= '~'; byte++)
        if (byte_set_has(&part->set, (uint8_t)byte))
            return (uint8_t)byte;
    return 0;
}

/* Nearly every byte: what stands between others, and may have to be a boundary. */
static bool is_gap(const struct byte_set *set)
{
    int members = 0;

    for (size_t i = 0; i < COUNT(set->bits); i++)
        members += __builtin_popcountll(set->bits[i]);
    return members >= 250 && byte_set_has(set, ' ');
}

/* `count` bytes of a set: letters and digits by chance where it has several, else one sign. */
static bool add_set(struct maker *maker, const struct part *part, uint32_t count)
{
    char letters[LETTERS];
    size_t kinds =
        maker->variant % 2 == 1 && is_gap(&part->set) ? 0 : letters_of(&part->set, letters);
    bool is_one = kinds == 0 || kinds == 1 ||
                  (kinds == 2 && lower((uint8_t)letters[0]) == lower((uint8_t)letters[1]));
    uint8_t sign = is_one && kinds > 0 && !byte_set_has(&part->set, part->written)
                       ? (uint8_t)letters[0]
                       : sign_of(part);

    if (count == 0)
        return true;
    if (is_one && kinds == 0 && sign == 0)
        return fault_set(maker->fault, FAULT_LIMIT, "a byte that no text holds");
    if (is_one && sign != '{') {
        for (; count > 0; count--)
            if (!buf_add_byte(maker->out, sign, maker->fault))
                return false;
        return true;
    }
    return buf_add_format(maker->out, maker->fault, "{{%u:", count) &&
           (is_one ? buf_add_byte(maker->out, sign, maker->fault)
                   : add_alphabet(letters, maker)) &&
           buf_add_text(maker->out, "}}", maker->fault);
}

static bool add_part(struct maker *maker, uint32_t number);

static uint32_t rounds_of(struct maker *maker, const struct part *part)
{
    uint32_t more = part->most == REPEAT_NO_END || part->most - part->least > MORE_MAX
                        ? MORE_MAX
                        : part->most - part->least;

    return part->least + pick(maker, more + 1);
}

static bool add_repeat(struct maker *maker, const struct part *part)
{
    const struct part *inside = &maker->pattern->parts[part->first];
    uint32_t rounds = rounds_of(maker, part);

    if (inside->kind == PART_SET)
        return add_set(maker, inside, rounds);
    for (; rounds > 0; rounds--)
        if (!add_part(maker, part->first))
            return false;
    return true;
}

static bool add_choice(struct maker *maker, const struct part *part)
{
    uint32_t count = 0, chosen = part->first;

    for (uint32_t at = part->first; at != PART_NONE; at = maker->pattern->parts[at].next)
        count++;
    for (uint32_t steps = pick(maker, count); steps > 0; steps--)
        chosen = maker->pattern->parts[chosen].next;
    return add_part(maker, chosen);
}

static bool add_part(struct maker *maker, uint32_t number)
{
    const struct part *part = &maker->pattern->parts[number];

    if (maker->steps++ == STEPS_MAX)
        return fault_set(maker->fault, FAULT_LIMIT, "an example of too many parts");
    switch (part->kind) {
    case PART_NOTHING:
        return true;
    case PART_SET:
        return add_set(maker, part, 1);
    case PART_REPEAT:
        return add_repeat(maker, part);
    case PART_CHOICE:
        return add_choice(maker, part);
    case PART_ROW:
    case PART_GROUP:
        break;
    }
    for (uint32_t at = part->first; at != PART_NONE; at = maker->pattern->parts[at].next)
        if (!add_part(maker, at))
            return false;
    return true;
}

bool pattern_example(const struct pattern *pattern, unsigned variant, struct buf *ret_template,
                     struct fault *fault)
{
    struct maker maker = {.pattern = pattern,
                          .variant = variant,
                          .state = variant,
                          .out = ret_template,
                          .fault = fault};

    return add_part(&maker, pattern->root);
}
