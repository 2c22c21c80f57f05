/*
 * bench-lineage - how long it takes to find out where the lines of a text come from.
 *
 * Usage: bench-lineage ROUNDS FILE...   all files are shown; texts of 100 KB of them are sent: as they
 * are, with numbers before the lines, and the same ones again. Processor time of a text, the least.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/scope.h"
#include "lineage/lineage.h"
#include "os/file.h"

#define TEXT_BYTES 100000
#define TEXTS 16

static void need(bool ok, const struct fault *fault)
{
    if (ok)
        return;
    (void)fprintf(stderr, "bench-lineage: %s\n", fault->why);
    exit(2);
}

static double now_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void number_lines(struct slice text, struct buf *out)
{
    struct fault fault = {0};
    struct slice line;
    unsigned number = 0;

    while (text.len > 0 && slice_cut(&text, '\n', &line))
        need(buf_add_format(out, &fault, "%6u\t%.*s\n", ++number, SLICE_ARGS(line)), &fault);
}

/* `shift`: every round has texts that begin elsewhere, so that none is known from before. */
static double look(struct lineage *lineage, struct slice all, bool numbered, size_t shift)
{
    struct buf texts[TEXTS];
    double begun;

    for (size_t i = 0; i < TEXTS; i++) {
        size_t from = (all.len / TEXTS * i + shift) % (all.len - TEXT_BYTES);
        struct slice text = slice_part(all, from, from + TEXT_BYTES);
        struct fault fault = {0};

        texts[i] = buf_with_limit(4 * TEXT_BYTES);
        if (numbered)
            number_lines(text, &texts[i]);
        else
            need(buf_add(&texts[i], text, &fault), &fault);
    }
    begun = now_us();
    lineage_begin(lineage);
    for (size_t i = 0; i < TEXTS; i++)
        lineage_look(lineage, buf_slice(&texts[i]));
    begun = (now_us() - begun) / TEXTS;
    for (size_t i = 0; i < TEXTS; i++)
        buf_free(&texts[i]);
    return begun;
}

int main(int argc, char **argv)
{
    struct buf all = buf_with_limit(256UL << 20);
    double least[3] = {1e9, 1e9, 1e9};
    struct served *writer, *reader;
    struct lineage *lineage;
    struct lines_key key;
    struct fault fault = {0};
    long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 0;
    int fd;

    lines_key_make((const uint8_t[LINES_KEY_BYTES]){1}, &key);
    need(served_make(&fd, &fault) && served_open(fd, true, &writer, &fault) &&
             served_open(fd, false, &reader, &fault),
         &fault);
    for (int i = 2; i < argc; i++) {
        size_t from = all.len;

        need(file_read(AT_FDCWD, argv[i], &all, &fault), &fault);
        served_add(writer, &key, slice_of(argv[i]), SLICE("00"),
                   slice_part(buf_slice(&all), from, all.len));
    }
    if (argc < 3 || all.len < 2 * TEXT_BYTES)
        return 3;
    lineage = lineage_new(reader, &key);
    lineage_begin(lineage);
    for (long round = 0; round < rounds; round++) {
        size_t shift = (size_t)round * 4099;

        for (int way = 0; way < 3; way++) {
            double took = look(lineage, buf_slice(&all), way == 1, shift);

            least[way] = took < least[way] ? took : least[way];
        }
    }
    printf(
        "%.1f MB shown; a text of 100 KB: %.0f us, with numbers %.0f us, once more %.0f us\n",
        (double)all.len / 1e6, least[0], least[1], least[2]);
    lineage_free(lineage);
    served_close(writer);
    (void)close(fd);
    buf_free(&all);
    return 0;
}
