/* bench-known FILE... - processor time a MiB that known values cost a text, with 5,000 of them. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/scope.h"
#include "classify/known.h"

#define VALUES 5000
#define ROUNDS 20
#define TEXT_MAX (64UL << 20)

static double now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* Of 8 to 40 letters and digits. */
static void add_value(struct known *known, uint64_t *state)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    char value[41];
    size_t len = 0, most;
    struct fault fault = {0};

    *state = *state * UINT64_C(6364136223846793005) + 1;
    most = 8 + (size_t)(*state >> 33) % 33;
    while (len < most) {
        *state = *state * UINT64_C(6364136223846793005) + 1;
        value[len++] = letters[(*state >> 33) % (sizeof(letters) - 1)];
    }
    if (!known_add(known, slice_of_bytes(value, len), CLASS_SECRET, &fault))
        abort();
}

static void measure(struct known *known, const char *path)
{
    AUTO_BUF struct buf text = buf_with_limit(TEXT_MAX);
    FILE *file = fopen(path, "rb");
    double best = 1e9, start;
    unsigned mask = 0;
    struct fault fault = {0};
    uint8_t block[8192];
    size_t got;

    if (file == NULL)
        return;
    while ((got = fread(block, 1, sizeof(block), file)) > 0)
        if (!buf_add(&text, slice_of_bytes(block, got), &fault))
            break;
    (void)fclose(file);
    for (int round = 0; round < ROUNDS; round++) {
        start = now_ms();
        mask = known_find(known, buf_slice(&text));
        best = now_ms() - start < best ? now_ms() - start : best;
    }
    (void)printf("%8.2f ms a MiB  %9zu bytes  mask %x  %s\n",
                 best * 1048576 / (double)(text.len == 0 ? 1 : text.len), text.len, mask, path);
}

int main(int count, char **paths)
{
    struct known *known = known_new();
    uint64_t state = 1;

    for (int i = 0; i < VALUES; i++)
        add_value(known, &state);
    for (int i = 1; i < count; i++)
        measure(known, paths[i]);
    known_free(known);
    return 0;
}
