/*
 * How fast a text is looked through, in memory and on one core: keywords alone (secrets), with
 * the sieve (all but names), and as classify_scan does it, with formats and encodings; the search for keywords alone,
 * Vectorscan with the same keywords where it is installed, and memcpy, in turn. Beside them what starting costs. Usage: bench-engine FOLDER [MEGABYTES] (default: 100)
 */
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <time.h>

#include "base/scope.h"
#include "bench/classify/vectorscan.h"
#include "classify/engine.h"
#include "os/file.h"

#define MEGABYTES 100
#define ROUNDS 3
#define FILE_BYTES_MAX (1UL << 20)

struct source {
    struct slice bytes;
    char *path;
};

static struct source *sources;
static size_t source_count, source_room, source_bytes, source_max;

static int add_file(const char *path, const struct stat *stat, int kind, struct FTW *walk)
{
    struct buf content = buf_with_limit(FILE_BYTES_MAX);
    struct fault fault = {0};

    (void)walk, (void)stat;
    if (kind != FTW_F || !file_read(AT_FDCWD, path, &content, &fault) ||
        slice_find_byte(buf_slice(&content), 0, 0) != SIZE_MAX || content.len == 0) {
        buf_free(&content);
        return 0;
    }
    sources = xgrow(sources, &source_room, source_count + 1, sizeof(*sources));
    sources[source_count++] = (struct source){buf_slice(&content), xstrdup(path)};
    source_bytes += content.len;
    return source_bytes >= source_max;
}

static double seconds(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static size_t engine_alone(const struct source *source)
{
    struct findings findings = {0};
    struct engine engine;
    const struct stretch stretch = {.text = source->bytes,
                                    .to = source->bytes.len,
                                    .is_begin = true,
                                    .is_end = true};

    engine_begin(&engine, rules_in_use(), &findings);
    engine_allow(&engine, source->bytes.len);
    engine_look(&engine, &stretch);
    engine_end(&engine);
    free(findings.at);
    return findings.count;
}

static size_t whole(const struct source *source)
{
    struct finding *findings = NULL;
    struct fault fault = {0};
    size_t count = 0;
    unsigned mask = 0;

    if (!classify_scan(source->bytes, slice_of(source->path), &findings, &count, &mask, &fault))
        fprintf(stderr, "%s: %s\n", source->path, fault.why);
    free(findings);
    return count;
}

static bool count_keyword(void *self, size_t keyword, size_t end)
{
    (void)keyword, (void)end;
    ++*(size_t *)self;
    return true;
}

static size_t keywords_alone(const struct source *source)
{
    size_t count = 0;

    (void)keywords_find(rules_in_use()->keywords, source->bytes, count_keyword, &count);
    return count;
}

static size_t vectorscan_alone(const struct source *source)
{
    return vectorscan_find(source->bytes);
}

static size_t copied(const struct source *source)
{
    static uint8_t to[FILE_BYTES_MAX];

    memcpy(to, source->bytes.at, source->bytes.len);
    return to[source->bytes.len / 2] == 0;
}

static void print_memory(void)
{
    char line[128];
    FILE *file = fopen("/proc/self/status", "r");

    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        if (strncmp(line, "VmHWM", 5) == 0)
            fputs(line, stdout);
    if (file != NULL)
        (void)fclose(file);
}

/* Names are looked for in these, which takes most of the time. */
static bool is_prose(const struct source *source)
{
    static const char *const endings[] = {".txt", ".md", ".rst", ".eml"};

    for (size_t i = 0; i < COUNT(endings); i++)
        if (slice_ends_with(slice_of(source->path), slice_of(endings[i])))
            return true;
    return false;
}

static bool is_any(const struct source *source)
{
    (void)source;
    return true;
}

static bool is_program(const struct source *source)
{
    return !is_prose(source);
}

static void measure(const char *name, size_t (*look)(const struct source *source),
                    bool (*is_wanted)(const struct source *source))
{
    double best = 1e9;
    size_t findings = 0, bytes = 0;

    for (unsigned round = 0; round < ROUNDS; round++) {
        double began = seconds(), took;

        findings = bytes = 0;
        for (size_t i = 0; i < source_count; i++)
            if (is_wanted(&sources[i])) {
                findings += look(&sources[i]);
                bytes += sources[i].bytes.len;
            }
        took = seconds() - began;
        best = took < best ? took : best;
    }
    printf("%-34s %6.1f MB %6.3f GB/s %9zu found\n", name, (double)bytes / 1e6,
           (double)bytes / best / 1e9, findings);
}

static void measure_start(void)
{
    struct buf image = buf_with_limit(RULES_IMAGE_BYTES_MAX);
    struct fault fault = {0};
    char key[RULES_KEY_LEN + 1];
    double began = seconds(), made, used;
    bool ok = rules_image_make(NULL, 0, &image, &fault);

    made = seconds();
    rules_key(NULL, 0, key);
    ok = ok && rules_use(buf_slice(&image), key, &fault);
    used = seconds();
    printf("%zu rules: image of %zu bytes made in %.1f ms, used in %.2f ms\n",
           ok ? classify_rule_count() : 0, image.len, (made - began) * 1e3,
           (used - made) * 1e3);
    buf_free(&image);
    printf("most memory while rules were compiled: ");
    print_memory();
}

int main(int count, char **words)
{
    struct rules *rules;

    source_max = (count > 2 ? strtoul(words[2], NULL, 10) : MEGABYTES) << 20;
    if (count < 2 || nftw(words[1], add_file, 32, FTW_PHYS) < 0)
        return 3;
    measure_start();
    printf("%zu files, %zu bytes\n", source_count, source_bytes);
    measure("formats, encodings, names", whole, is_any);
    measure("  of that, files of prose", whole, is_prose);
    measure("  of that, all other files", whole, is_program);
    measure("rules: keywords and sieve", engine_alone, is_any);
    rules = rules_in_use();
    memset(rules->by_sieve_count, 0, sizeof(rules->by_sieve_count));
    measure("rules: keywords (secrets)", engine_alone, is_any);
    measure("keywords alone", keywords_alone, is_any);
    if (vectorscan_use(rules))
        measure("Vectorscan, the same keywords", vectorscan_alone, is_any);
    measure("memcpy", copied, is_any);
    return 0;
}
