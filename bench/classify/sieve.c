/*
 * The sieve over files, in GB/s: bench-sieve [MEGABYTES] < a list of files, a line each. They are read one behind the
 * other into memory first. The best of five rounds, processor time.
 */
#include <stdio.h>
#include <time.h>

#include "classify/sieve.h"

#define ROUNDS 5
#define MEGABYTES 500
#define PATH_BYTES_MAX 4096

static struct buf text_of_files(size_t limit)
{
    struct buf text = buf_with_limit(limit);
    char path[PATH_BYTES_MAX];
    struct fault fault = {0};

    if (!buf_reserve(&text, limit, &fault))
        abort();
    while (text.len < limit && fgets(path, sizeof(path), stdin) != NULL) {
        FILE *file;

        path[strcspn(path, "\n")] = 0;
        file = fopen(path, "r");
        if (file == NULL)
            continue;
        text.len += fread(text.at + text.len, 1, limit - text.len, file);
        (void)fclose(file);
    }
    return text;
}

struct sum {
    size_t count, bytes;
};

static bool add(void *self, const struct sieve_candidate *candidate)
{
    struct sum *sum = self;

    sum->count++;
    sum->bytes += candidate->end - candidate->start;
    return true;
}

static double seconds_of(enum sieve_way way, struct slice text, unsigned kinds,
                         struct sum *ret_sum)
{
    struct timespec from, to;

    *ret_sum = (struct sum){0};
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    (void)sieve_run_by(way, text, kinds, add, ret_sum);
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
    return (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
}

int main(int count, char **words)
{
    static const struct {
        const char *name;
        unsigned kinds;
    } rows[] = {{"numbers", SIEVE_NUMBER},
                {"e-mail", SIEVE_MAIL},
                {"colon groups", SIEVE_COLON},
                {"capitalised words", SIEVE_WORD},
                {"the three without colons", SIEVE_NUMBER | SIEVE_MAIL | SIEVE_WORD},
                {"all four", SIEVE_ALL}};
    static const char *const ways[SIEVE_WAYS] = {"by byte", "AVX2", "AVX-512"};
    size_t megabytes = count > 1 ? strtoul(words[1], NULL, 10) : MEGABYTES;
    struct buf text = text_of_files(megabytes << 20);

    printf("%zu bytes\n", text.len);
    for (enum sieve_way way = SIEVE_BY_BYTE; way < SIEVE_WAYS; way++)
        for (size_t i = 0; i < COUNT(rows) && sieve_way_is_there(way); i++) {
            double best = 1e9;
            struct sum sum;

            for (unsigned round = 0; round < (way == SIEVE_BY_BYTE ? 1 : ROUNDS); round++) {
                double took = seconds_of(way, buf_slice(&text), rows[i].kinds, &sum);

                best = took < best ? took : best;
            }
            printf("%-8s %-25s %6.2f GB/s %10zu candidates of %zu bytes\n", ways[way],
                   rows[i].name, (double)text.len / best / 1e9, sum.count, sum.bytes);
        }
    buf_free(&text);
    return 0;
}
