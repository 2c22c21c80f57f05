/* Runs a fuzz target over the files of a corpus folder, as a plain test. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/scope.h"
#include "os/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int argc, char **argv)
{
    DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
    size_t count = 0;

    if (dir == NULL) {
        (void)fprintf(stderr, "usage: %s CORPUS-FOLDER\n", argv[0]);
        return 3;
    }
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        AUTO_BUF struct buf input = buf_with_limit(1 << 20);
        struct fault fault = {0};

        if (entry->d_name[0] == '.')
            continue;
        if (!file_read(dirfd(dir), entry->d_name, &input, &fault)) {
            (void)fprintf(stderr, "%s\n", fault.why);
            return 2;
        }
        (void)LLVMFuzzerTestOneInput(input.at, input.len);
        count++;
    }
    (void)closedir(dir);
    (void)printf("%zu inputs replayed\n", count);
    return count > 0 ? 0 : 1; /* a check that saw nothing fails */
}
