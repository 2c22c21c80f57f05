/* Numbers that somebody issues: cards, social security, telephone, bank accounts. */
#include "classify/ascii.h"
#include "classify/shape.h"

#define DIGITS_MAX 24

/* Where the digits are. False: there is something else than digits and `between`, or too many. */
static bool find_digits(const struct letters *value, const char *between,
                        size_t ret_at[DIGITS_MAX], size_t *ret_count)
{
    size_t count = 0;

    for (size_t i = 0; i < value->count; i++) {
        char letter = value->plain[i];

        if (is_digit((uint8_t)letter)) {
            if (count == DIGITS_MAX)
                return false;
            ret_at[count++] = i;
        } else if (strchr(between, letter) == NULL) {
            return false;
        }
    }
    *ret_count = count;
    return true;
}

/*
 * 999999 in front: 9 is for national schemes, the next three digits are a country's, and there
 * is no country 999. All of it passes Luhn.
 */
bool shape_card(struct plan *plan)
{
    size_t at[DIGITS_MAX], count = 0;

    if (!find_digits(plan->value, " -", at, &count) || count < 12 || count > 19)
        return false;
    for (size_t i = 0; i < 6; i++)
        plan_put(plan, at[i], '9');
    for (size_t i = 6; i + 1 < count; i++)
        plan_free(plan, at[i], &alphabet_digit);
    plan_luhn(plan, at[count - 1]);
    return true;
}

/* Area 666 was never given to anybody, and never will be. */
bool shape_ssn(struct plan *plan)
{
    size_t at[DIGITS_MAX], count = 0;

    if (!find_digits(plan->value, " -", at, &count) || count != 9)
        return false;
    for (size_t i = 0; i < 3; i++)
        plan_put(plan, at[i], '6');
    for (size_t i = 3; i < count; i++)
        plan_free(plan, at[i], &alphabet_digit);
    return true;
}

/* ---- telephone ---- */

/* Digits up to an extension ("x12", "ext. 12"). */
static size_t main_digits(const struct letters *value, size_t at[DIGITS_MAX])
{
    size_t count = 0;

    for (size_t i = 0; i < value->count; i++) {
        uint8_t letter = (uint8_t)value->plain[i];

        if (is_letter(letter) && count >= 7)
            break;
        if (!is_digit(letter))
            continue;
        if (count == DIGITS_MAX)
            return 0;
        at[count++] = i;
    }
    return count;
}

/*
 * North America: 555-01xx, kept for fiction. Elsewhere: two zeros behind the country's code,
 * which no number begins with.
 */
bool shape_phone(struct plan *plan)
{
    const struct letters *value = plan->value;
    size_t at[DIGITS_MAX], count = main_digits(value, at);
    bool is_foreign = count > 11 || (count == 11 && value->plain[at[0]] != '1') ||
                      (value->plain[0] == '+' && count > 0 && value->plain[at[0]] != '1');

    if (count < 7)
        return false;
    if (is_foreign) {
        plan_put(plan, at[2], '0');
        plan_put(plan, at[3], '0');
    } else {
        for (size_t i = 0; i < 5; i++)
            plan_put(plan, at[count - 7 + i], "55501"[i]);
        if (count >= 10)
            plan_free(plan, at[count - 10], &alphabet_nonzero);
    }
    /* the country's code stays */
    for (size_t i = is_foreign ? 2 : count == 11 ? 1 : 0; i < count; i++)
        plan_free(plan, at[i], &alphabet_digit);
    for (size_t i = at[count - 1] + 1; i < value->count; i++)
        if (is_digit((uint8_t)value->plain[i]))
            plan_free(plan, i, &alphabet_digit);
    return true;
}

/* ---- bank accounts ---- */

/* The country stays; check digits go from 02 to 98. */
bool shape_iban(struct plan *plan)
{
    const struct letters *value = plan->value;
    size_t count = 0;

    for (size_t i = 0; i < value->count; i++) {
        uint8_t letter = (uint8_t)value->plain[i];

        if (letter == ' ' || letter == '-')
            continue;
        if (!(count < 2 ? is_letter(letter) : count < 4 ? is_digit(letter) : is_alnum(letter)))
            return false;
        if (count == 2 || count == 3)
            plan_put(plan, i, '0');
        else if (count > 3)
            plan_same_kind(plan, i);
        count++;
    }
    return count >= 15 && count <= 34;
}
