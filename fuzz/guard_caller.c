/* What a waiting process says it starts: pointers and texts in memory that is hostile. */
#include <assert.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/scope.h"
#include "roles/guard/caller.h"

#define ROOM 16384 /* and a page behind it that is not there */
#define POINTERS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first bytes say where the arguments begin; the rest is the memory. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t *room;
    static struct caller caller = {.memory = -1};
    AUTO_BUF struct buf path = buf_with_limit(CALLER_PATH_BYTES_MAX + 1);
    AUTO_BUF struct buf words = buf_with_limit(CALLER_ARGUMENT_BYTES_MAX + 1);
    uint64_t pointers[POINTERS + 1] = {0};
    struct fault fault = {0};
    size_t count = 0, len, told = 0;

    if (room == NULL) {
        room = mmap(NULL, ROOM + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                    0);
        assert(room != MAP_FAILED && munmap(room + ROOM, 4096) == 0);
        caller.memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
        assert(caller.memory >= 0);
    }
    while (size >= 2 && count < POINTERS && data[0] != 0xff) {
        pointers[count++] =
            (uint64_t)(uintptr_t)room + (size_t)(data[0] << 8 | data[1]) % (ROOM + 2);
        data += 2;
        size -= 2;
    }
    len = size < ROOM ? size : ROOM;
    memset(room, 'x', ROOM);
    memcpy(room + ROOM - len, data, len); /* up to where nothing is */
    if (caller_text(&caller, (uint64_t)(uintptr_t)(room + ROOM - len), &path, &fault))
        assert(memchr(data, 0, len) != NULL && path.len < CALLER_PATH_BYTES_MAX &&
               memchr(path.at, 0, path.len) == NULL);
    if (caller_arguments(&caller, (uint64_t)(uintptr_t)pointers, &words, &told, &fault))
        assert(told <= count && words.len <= CALLER_ARGUMENT_BYTES_MAX &&
               (told == 0 || words.len == 0 || words.at[words.len - 1] == 0));
    if (size >= 8) { /* anything as an address, and a vector that runs out of memory */
        uint64_t address;

        memcpy(&address, data, sizeof(address));
        (void)!caller_text(&caller, address % (UINT64_C(1) << 47) + (UINT64_C(1) << 60), &path,
                           &fault);
        (void)!caller_arguments(&caller, (uint64_t)(uintptr_t)(room + ROOM - 8), &words, &told,
                                &fault);
    }
    return 0;
}
