/* os/setting.h - numbers that the kernel tells in files below /proc/sys. */
#ifndef CUSTODY_OS_SETTING_H
#define CUSTODY_OS_SETTING_H

#include <stdint.h>

/* The number in the file, or -1: no such setting, or none that is a number of at least 0. */
int64_t setting_read(const char *path);

#endif
