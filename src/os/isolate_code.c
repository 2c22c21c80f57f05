/* Machine code that was made here: nobody changes it any more. */
#include "os/isolate.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "base/scope.h"
#include "os/file.h"

#define MAPS_BYTES_MAX (1UL << 20)

/* "7f61-7f72 rwxp ..." in hexadecimal: that range, where it can be written and run. */
static bool is_open_range(struct slice line, uintptr_t *ret_from, uintptr_t *ret_to)
{
    struct slice from, to;
    char number[32];
    char *end;

    if (!slice_cut(&line, '-', &from) || !slice_cut(&line, ' ', &to) ||
        from.len >= sizeof(number) || to.len >= sizeof(number) || line.len < 3 ||
        line.at[1] != 'w' || line.at[2] != 'x')
        return false;
    memcpy(number, from.at, from.len);
    number[from.len] = 0;
    *ret_from = strtoul(number, &end, 16);
    memcpy(number, to.at, to.len);
    number[to.len] = 0;
    *ret_to = strtoul(number, &end, 16);
    return *ret_from < *ret_to;
}

bool isolate_made_code(int maps, struct fault *fault)
{
    AUTO_BUF struct buf text = buf_with_limit(MAPS_BYTES_MAX);
    struct slice rest, line;

    if (!file_read_fd(maps, &text, fault))
        return fault_in(fault, "list pages");
    rest = buf_slice(&text);
    while (slice_cut(&rest, '\n', &line)) {
        uintptr_t from, to;

        if (is_open_range(line, &from, &to) &&
            mprotect((void *)from, to - from, PROT_READ | PROT_EXEC) < 0)
            return fault_errno(fault, "close pages of machine code");
    }
    return true;
}
