#include "os/proc.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/scope.h"

#define STAT_BYTES_MAX 1024
#define PARENT 4 /* proc_pid_stat(5) counts from 1; the name is 2 */
#define STARTED 22

bool proc_stat_parse(struct slice text, struct proc_stat *ret_stat)
{
    struct proc_stat stat = {0};
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
