#include "gateway/upstream/transport.h"

#include <dlfcn.h>
#include <stddef.h>

#include "base/bytes.h"

static const struct {
    const char *name;
    size_t offset;
} symbols[] = {
    {"curl_global_init", offsetof(struct transport, global_init)},
    {"curl_easy_init", offsetof(struct transport, easy_init)},
    {"curl_easy_setopt", offsetof(struct transport, easy_setopt)},
    {"curl_easy_getinfo", offsetof(struct transport, easy_getinfo)},
    {"curl_easy_perform", offsetof(struct transport, easy_perform)},
    {"curl_easy_pause", offsetof(struct transport, easy_pause)},
    {"curl_easy_reset", offsetof(struct transport, easy_reset)},
    {"curl_easy_cleanup", offsetof(struct transport, easy_cleanup)},
    {"curl_easy_strerror", offsetof(struct transport, easy_strerror)},
    {"curl_multi_init", offsetof(struct transport, multi_init)},
    {"curl_multi_setopt", offsetof(struct transport, multi_setopt)},
    {"curl_multi_add_handle", offsetof(struct transport, multi_add_handle)},
    {"curl_multi_remove_handle", offsetof(struct transport, multi_remove_handle)},
    {"curl_multi_socket_action", offsetof(struct transport, multi_socket_action)},
    {"curl_multi_assign", offsetof(struct transport, multi_assign)},
    {"curl_multi_info_read", offsetof(struct transport, multi_info_read)},
    {"curl_multi_cleanup", offsetof(struct transport, multi_cleanup)},
    {"curl_slist_append", offsetof(struct transport, slist_append)},
    {"curl_slist_free_all", offsetof(struct transport, slist_free_all)},
};

bool transport_load(const struct transport **ret_transport, struct fault *fault)
{
    static struct transport transport;
    static bool loaded;

    if (!loaded) {
        void *library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);

        if (library == NULL)
            return fault_set(fault, FAULT_HOST, "load libcurl.so.4: %s", dlerror());
        for (size_t i = 0; i < COUNT(symbols); i++) {
            void *found = dlsym(library, symbols[i].name);

            if (found == NULL)
                return fault_set(fault, FAULT_HOST, "libcurl.so.4 has no %s", symbols[i].name);
            memcpy((char *)&transport + symbols[i].offset, &found, sizeof(found));
        }
        if (transport.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
            return fault_set(fault, FAULT_HOST, "libcurl cannot be initialised");
        loaded = true;
    }
    *ret_transport = &transport;
    return true;
}
