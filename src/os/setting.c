#include "os/setting.h"

#include <fcntl.h>

#include "base/scope.h"
#include "os/file.h"

int64_t setting_read(const char *path)
{
    AUTO_BUF struct buf text = buf_with_limit(256);
    struct fault fault = {0};
    struct slice digits;
    int64_t value = 0;

    if (!file_read(AT_FDCWD, path, &text, &fault))
        return -1;
    digits = slice_trim(buf_slice(&text));
    if (digits.len == 0 || digits.len > 18)
        return -1;
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.at[i] < '0' || digits.at[i] > '9')
            return -1;
        value = value * 10 + (digits.at[i] - '0');
    }
    return value;
}
