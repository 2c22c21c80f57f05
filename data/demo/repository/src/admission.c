#include "admission.h"

#include <string.h>

static const char *segment(const char *message, const char *name)
{
    size_t len = strlen(name);

    while (*message != 0) {
        if (strncmp(message, name, len) == 0 && message[len] == '|')
            return message;
        message += strcspn(message, "\r\n");
        message += strspn(message, "\r\n");
    }
    return NULL;
}

const char *admission_field(const char *message, const char *name, unsigned number, char *room, size_t size)
{
    const char *at = segment(message, name);
    size_t len;

    for (; at != NULL && number > 0; number--) {
        at += strcspn(at, "|\r\n");
        if (*at != '|')
            return NULL;
        at++;
    }
    if (at == NULL)
        return NULL;
    len = strcspn(at, "|\r\n");
    if (len >= size)
        return NULL;
    memcpy(room, at, len);
    room[len] = 0;
    return room;
}
