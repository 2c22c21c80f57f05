/*
 * make-filters - prints the filters of system calls as C, for the program to be built with.
 *
 * libseccomp takes 1 to 4 ms to make one, and a run's start needs six.
 */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cell/filter.h"

#define PROGRAM_MAX 4096 /* the kernel's own limit: BPF_MAXINSNS */

/* The bytes that seccomp_load would hand to the kernel. */
static bool print_program(scmp_filter_ctx filter, struct fault *fault)
{
    static struct sock_filter steps[PROGRAM_MAX];
    int fd = memfd_create("filter", MFD_CLOEXEC);
    ssize_t len = -1;

    if (fd >= 0 && seccomp_export_bpf(filter, fd) == 0)
        len = pread(fd, steps, sizeof(steps), 0);
    (void)close(fd);
    if (len <= 0 || (size_t)len % sizeof(steps[0]) != 0)
        return fault_set(fault, FAULT_IO, "export a filter");
    (void)printf("{(const struct sock_filter[]){");
    for (size_t i = 0; i < (size_t)len / sizeof(steps[0]); i++)
        (void)printf("%s{%u, %u, %u, %u},", i % 6 == 0 ? "\n        " : " ", steps[i].code,
                     steps[i].jt, steps[i].jf, steps[i].k);
    (void)printf("}, %zu}", (size_t)len / sizeof(steps[0]));
    return true;
}

static bool print_both(unsigned number, struct calls_filter *filter, struct fault *fault)
{
    bool ok;

    (void)printf("    [%u] = {\n        .allow = ", number);
    ok = print_program(filter->allow, fault) && printf(",\n        .refuse = ") > 0 &&
         print_program(filter->refuse, fault) && printf("},\n") > 0;
    calls_end(filter);
    return ok;
}

static bool print_profiles(struct fault *fault)
{
    (void)printf("const struct calls_programs isolate_programs[ISOLATE_PROFILE_COUNT] = {\n");
    for (unsigned i = 0; i < ISOLATE_PROFILE_COUNT; i++) {
        struct calls_filter filter = {0};

        if (!calls_of_profile((enum isolate_profile)i, &filter, fault) ||
            !print_both(i, &filter, fault))
            return false;
    }
    return printf("};\n\n") > 0;
}

static bool print_places(struct fault *fault)
{
    (void)printf("const struct calls_programs filter_programs[CELL_PLACE_COUNT] = {\n");
    for (unsigned i = 0; i < CELL_PLACE_COUNT; i++) {
        struct calls_filter filter = {0};

        if (!filter_build((enum cell_place)i, &filter, fault) ||
            !print_both(i, &filter, fault))
            return false;
    }
    return printf("};\n") > 0;
}

int main(void)
{
    struct fault fault = {0};

    (void)printf("/* Made by make-filters. */\n#include \"cell/filter.h\"\n\n");
    if (print_profiles(&fault) && print_places(&fault) && fflush(stdout) == 0)
        return 0;
    (void)fprintf(stderr, "make-filters: %s\n", fault.why);
    return 1;
}
