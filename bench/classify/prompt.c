/*
 * How long one prompt takes: its JSON is read and all of its strings are looked through, decoded.
 * And as classify_scan does it, with names and what is encoded in it; and once more string by string, where
 * strings were met in an earlier turn (the first round fills the cache).
 * Usage: bench-prompt ROUNDS FILE...   median of one file's time over all files and rounds; CPU
 */
#include <fcntl.h>
#include <stdio.h>
#include <time.h>

#include "base/scope.h"
#include "classify/engine.h"
#include "classify/leafcache.h"
#include "os/file.h"

#define LEAF_TEXTS 16384
#define FILE_BYTES_MAX (16UL << 20)

static double microseconds(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static bool read_only(struct slice body, struct fault *fault)
{
    struct reading reading;
    bool ok = reading_make(body, SLICE(""), &reading, fault);

    if (ok)
        reading_free(&reading);
    return ok;
}

static bool read_and_look(struct slice body, struct fault *fault)
{
    struct findings findings = {0};
    struct reading reading;
    struct stretch stretch = {.is_begin = true, .is_end = true, .reading = &reading};
    struct engine engine;

    if (!reading_make(body, SLICE(""), &reading, fault))
        return false;
    stretch.text = reading.text;
    stretch.to = reading.text.len;
    engine_begin(&engine, rules_in_use(), &findings);
    engine.is_text = true;
    engine_allow(&engine, reading.text.len);
    engine_look(&engine, &stretch);
    engine_end(&engine);
    reading_free(&reading);
    free(findings.at);
    return true;
}

static bool scan_whole(struct slice body, struct fault *fault)
{
    struct finding *findings = NULL;
    size_t count = 0;
    unsigned mask = 0;
    bool ok = classify_scan(body, SLICE(""), &findings, &count, &mask, fault);

    free(findings);
    return ok;
}

/* As the door does it: each string for itself, those of the turn before known. */
static struct leafcache *seen;

static bool scan_strings(struct slice body, struct fault *fault)
{
    struct reading reading;
    bool ok = reading_make(body, SLICE(""), &reading, fault);

    for (size_t i = 0; ok && i < reading.element_count; i++) {
        const struct element *element = &reading.elements[i];
        struct finding *findings = NULL;
        size_t count = 0;
        unsigned mask = 0;

        ok = leafcache_scan(seen, slice_part(reading.text, element->start, element->end),
                            SLICE(""), &findings, &count, &mask, fault);
        free(findings);
    }
    if (ok)
        reading_free(&reading);
    return ok;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void measure(const char *name, bool (*look)(struct slice body, struct fault *fault),
                    const struct buf *bodies, size_t count, size_t rounds)
{
    double *took = xalloc_array(count * rounds, sizeof(*took));

    for (size_t i = 0; i < count * rounds; i++) {
        struct fault fault = {0};
        double began = microseconds();

        if (!look(buf_slice(&bodies[i % count]), &fault))
            fprintf(stderr, "%s: %s\n", name, fault.why);
        took[i] = microseconds() - began;
    }
    qsort(took, count * rounds, sizeof(*took), by_size);
    printf("%-40s median %8.0f us, least %8.0f us\n", name, took[count * rounds / 2], took[0]);
    free(took);
}

int main(int argc, char **argv)
{
    static const uint8_t key[LEAFCACHE_KEY_BYTES] = {1};
    size_t rounds = argc > 2 ? strtoul(argv[1], NULL, 10) : 0, bytes = 0;
    size_t count = argc > 2 ? (size_t)argc - 2 : 0;
    struct buf *bodies = xalloc_array(count + 1, sizeof(*bodies));
    struct fault fault = {0};

    if (rounds == 0 || rounds > 1000)
        return 3;
    for (size_t i = 0; i < count; i++) {
        bodies[i] = buf_with_limit(FILE_BYTES_MAX);
        if (!file_read(AT_FDCWD, argv[i + 2], &bodies[i], &fault)) {
            fprintf(stderr, "%s: %s\n", argv[i + 2], fault.why);
            return 3;
        }
        bytes += bodies[i].len;
    }
    (void)rules_in_use(); /* made here, not in what is measured */
    printf("%zu bodies of %zu bytes on average\n", count, bytes / count);
    measure("read (JSON to decoded strings)", read_only, bodies, count, rounds);
    measure("read, and all rules over its strings", read_and_look, bodies, count, rounds);
    measure("the same, names and encodings too", scan_whole, bodies, count, rounds);
    measure("read, each string for itself", scan_strings, bodies, count, rounds);
    seen = leafcache_new(key, LEAF_TEXTS);
    measure("read, strings of earlier turns known", scan_strings, bodies, count, rounds);
    leafcache_free(seen);
    return 0;
}
