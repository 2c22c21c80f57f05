/* What a validator takes for a value that it takes: nanoseconds, the best of five rounds. */
#include <stdio.h>
#include <time.h>

#include "classify/validate.h"

#define CALLS 200000
#define ROUNDS 5

static const struct sample {
    const char *kind, *value;
} samples[] = {
    {"luhn", "4111111111111111"},
    {"card", "4111111111111111"},
    {"card", "6304 0000 0000 0000"},
    {"ssn", "078-05-1120"},
    {"itin", "912-70-1234"},
    {"npi", "1234567893"},
    {"dea", "AB1234563"},
    {"mbi", "1EG4-TE5-MK73"},
    {"iban", "GB29 NWBK 6016 1331 9268 19"},
    {"aba", "021000021"},
    {"vin", "1HGCM82633A004352"},
    {"imei", "490154203237518"},
    {"nhs", "943 476 5919"},
    {"aadhaar", "2345 6789 0124"},
    {"steuer_id", "86095742719"},
    {"nir", "255081416802538"},
    {"codice_fiscale", "RSSMRA85T10A562S"},
    {"cpf", "390.533.447-05"},
    {"phone", "+44 (0)20 7219 3000"},
    {"phone", "(212) 736-5000"},
    {"date", "2024-03-01"},
    {"date", "March 5, 1980"},
    {"email", "jane.doe@mail.hospital.org"},
    {"ipv4", "8.8.8.8"},
    {"driver_licence", "A1234-5678-9012"},
    {"zip", "90210"},
    {"btc", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"},
};

static double nanoseconds(validator *holds, struct slice value, unsigned *held)
{
    struct timespec from, to;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    for (unsigned i = 0; i < CALLS; i++)
        *held += holds(value);
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
    return ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) /
           CALLS;
}

int main(void)
{
    for (size_t i = 0; i < COUNT(samples); i++) {
        double best = 1e9;
        unsigned held = 0;

        for (unsigned round = 0; round < ROUNDS; round++) {
            double took = nanoseconds(validator_find(samples[i].kind),
                                      slice_of(samples[i].value), &held);

            best = took < best ? took : best;
        }
        printf("%-16s %-36s %7.1f ns%s\n", samples[i].kind, samples[i].value, best,
               held == 0 ? "  (refused)" : "");
    }
    return 0;
}
