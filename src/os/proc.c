#include "os/proc.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/file.h"

#define STAT_BYTES_MAX 1024
#define PARENT 4 /* proc_pid_stat(5) counts from 1; the name is 2 */
#define TERMINAL 7
#define STARTED 22
#define PSEUDO_TERMINAL 136 /* major number of the sides that programs have */
#define TABLE_BYTES_MAX 16384

/* The kernel's coding of a device: minor 12 bits, major 12 bits, minor 8 bits. */
static int terminal_of(unsigned device)
{
    return (device >> 8 & 0xfff) == PSEUDO_TERMINAL
               ? (int)((device & 0xff) | (device >> 12 & 0xfff00))
               : -1;
}

bool proc_stat_parse(struct slice text, struct proc_stat *ret_stat)
{
    struct proc_stat stat = {.terminal = -1};
    struct slice rest, word;
    size_t end = text.len;
    int field = 2;

    while (end > 0 && text.at[end - 1] != ')') /* a name may hold any of " )(" */
        end--;
    if (end == 0 || end + 1 >= text.len)
        return false;
    rest = slice_part(text, end + 1, text.len);
    while (field < STARTED && slice_cut(&rest, ' ', &word)) {
        AUTO_FREE char *number = slice_dup(word);

        field++;
        if (field == PARENT)
            stat.parent = (pid_t)strtol(number, NULL, 10);
        if (field == TERMINAL)
            stat.terminal = terminal_of((unsigned)strtol(number, NULL, 10));
        if (field == STARTED)
            stat.started = strtoull(number, NULL, 10);
    }
    if (field < STARTED || stat.started == 0)
        return false;
    *ret_stat = stat;
    return true;
}

bool proc_stat_read(int folder, struct proc_stat *ret_stat)
{
    AUTO_CLOSE int fd = openat(folder, "stat", O_RDONLY | O_CLOEXEC);
    uint8_t text[STAT_BYTES_MAX];
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text));

    return got > 0 && proc_stat_parse(slice_of_bytes(text, (size_t)got), ret_stat);
}

bool proc_socket_holds_descriptors(int folder, const char *fd)
{
    AUTO_FREE char *name = xformat("fdinfo/%s", fd);
    AUTO_CLOSE int info = openat(folder, name, O_RDONLY | O_CLOEXEC);
    char text[STAT_BYTES_MAX];
    ssize_t got = info < 0 ? -1 : read(info, text, sizeof(text) - 1);
    const char *line;

    if (got <= 0)
        return false;
    text[got] = '\0';
    line = strstr(text, "\nscm_fds:");
    return line != NULL && strtoul(line + strlen("\nscm_fds:"), NULL, 10) > 0;
}

uint64_t proc_resident_bytes(int folder)
{
    AUTO_CLOSE int fd = openat(folder, "statm", O_RDONLY | O_CLOEXEC);
    char text[STAT_BYTES_MAX];
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    char *resident;

    if (got <= 0)
        return 0;
    text[got] = '\0'; /* size resident shared ..., in pages */
    resident = strchr(text, ' ');
    return resident == NULL
               ? 0
               : strtoull(resident + 1, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* The number of a line "Name:   123 kB", in bytes. */
static uint64_t line_bytes(struct slice line)
{
    AUTO_FREE char *text = slice_dup(line);
    const char *colon = strchr(text, ':');

    return colon == NULL ? 0 : strtoull(colon + 1, NULL, 10) * 1024;
}

bool proc_own_parse(struct slice text, uint64_t *ret_bytes)
{
    static const char *const counted[] = {"Pss_Anon:", "Pss_Shmem:", "SwapPss:"};
    struct slice rest = text, line;
    uint64_t sum = 0;
    bool found = false;

    while (slice_cut(&rest, '\n', &line))
        for (size_t i = 0; i < COUNT(counted); i++)
            if (slice_starts_with(line, slice_of(counted[i]))) {
                sum += line_bytes(line);
                found = found || i == 0; /* since Linux 5.2 */
            }
    *ret_bytes = sum;
    return found;
}

uint64_t proc_own_bytes(int folder)
{
    AUTO_BUF struct buf text = buf_with_limit(TABLE_BYTES_MAX);
    struct fault ignored = {0};
    uint64_t own;

    return file_read(folder, "smaps_rollup", &text, &ignored) &&
                   proc_own_parse(buf_slice(&text), &own)
               ? own
               : proc_resident_bytes(folder);
}

uint64_t proc_shared_bytes(void)
{
    AUTO_BUF struct buf text = buf_with_limit(TABLE_BYTES_MAX);
    struct fault ignored = {0};
    struct slice rest, line;

    if (!file_read(AT_FDCWD, "/proc/meminfo", &text, &ignored))
        return UINT64_MAX;
    rest = buf_slice(&text);
    while (slice_cut(&rest, '\n', &line))
        if (slice_starts_with(line, SLICE("Shmem:")))
            return line_bytes(line);
    return UINT64_MAX;
}
