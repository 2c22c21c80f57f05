/*
 * bench-names - how fast names are looked for.
 *
 * Usage: bench-names prose|code ROUNDS FILE...   the files are read first and looked at as one
 * text each; CPU time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "classify/names.h"

static bool count(void *self, const struct name_span *span)
{
    size_t *found = self;

    found[span->confidence]++;
    return true;
}

static struct slice file_read_whole(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct buf bytes = buf_with_limit(1U << 26);
    struct fault fault = {0};
    static uint8_t part[1 << 16];
    size_t got = file != NULL ? 1 : 0;

    while (got > 0) {
        got = fread(part, 1, sizeof(part), file);
        if (!buf_add(&bytes, slice_of_bytes(part, got), &fault))
            break;
    }
    if (file != NULL)
        (void)fclose(file);
    return buf_slice(&bytes); /* kept to the end */
}

int main(int argc, char **argv)
{
    size_t files = argc > 3 ? (size_t)argc - 3 : 0, bytes = 0, found[3] = {0};
    enum names_source source =
        argc > 1 && strcmp(argv[1], "code") == 0 ? NAMES_IN_CODE : NAMES_IN_PROSE;
    long rounds = argc > 2 ? strtol(argv[2], NULL, 10) : 0;
    struct slice *texts = xalloc_array(files + 1, sizeof(*texts));
    clock_t start;
    double seconds;

    if (files == 0 || rounds < 1) {
        (void)fprintf(stderr, "usage: bench-names prose|code ROUNDS FILE...\n");
        return 3;
    }
    for (size_t i = 0; i < files; i++)
        texts[i] = file_read_whole(argv[i + 3]);
    start = clock();
    for (long round = 0; round < rounds; round++)
        for (size_t i = 0; i < files; i++) {
            bytes += texts[i].len;
            (void)names_find(texts[i], source, count, found);
        }
    seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    (void)printf("%.1f MB in %.3f s: %.1f MB/s; spans of high %zu, medium %zu, low %zu\n",
                 (double)bytes / 1e6, seconds, (double)bytes / 1e6 / seconds, found[2], found[1],
                 found[0]);
    return 0;
}
