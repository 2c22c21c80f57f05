/* Numbers that were issued to somebody have check digits: a stand-in's must be wrong. */
#include "classify/ascii.h"
#include "classify/shape.h"
#include "classify/validate.h"

#define LEN_MAX 34 /* of an IBAN */

/* Validators that say no more than a shape are left out: nothing of that shape would pass. */
static const struct {
    const char *name;
    size_t least, most;
} rows[] = {
    {"card", 12, 23},  {"ssn", 11, 11},       {"npi", 10, 10},       {"dea", 9, 9},
    {"mbi", 11, 13},   {"nhs", 10, 12},       {"iban", 15, 34},      {"aba", 9, 9},
    {"vin", 17, 17},   {"imei", 15, 15},      {"aadhaar", 12, 14},   {"sin", 9, 11},
    {"dni", 9, 9},     {"nie", 9, 9},         {"codice_fiscale", 16, 16},
    {"steuer_id", 11, 11}, {"nir", 15, 15},   {"bsn", 9, 9},         {"pesel", 11, 11},
    {"cpf", 11, 14},   {"tfn", 9, 9},         {"medicare_au", 10, 11},
};

bool value_is_real(struct slice text)
{
    if (text.len < 9 || text.len > LEN_MAX)
        return false;
    for (size_t i = 0; i < COUNT(rows); i++)
        if (text.len >= rows[i].least && text.len <= rows[i].most &&
            validator_find(rows[i].name)(text))
            return true;
    return false;
}
