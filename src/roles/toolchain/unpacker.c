#include "roles/toolchain/unpacker.h"

#include <linux/capability.h>
#include <locale.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/hex.h"
#include "base/scope.h"
#include "os/file.h"
#include "os/isolate.h"
#include "os/message.h"
#include "roles/packet.h"
#include "toolchain/blob.h"
#include "toolchain/unpack.h"

#define INDEX_LEVELS_MAX 3
#define MEMORY_BYTES_MAX (UINT64_C(3) << 30) /* zstd takes what an archive tells it to */

/* ---- which image ---- */

static bool load(int layout, const char *name, struct buf *ret_text, struct fault *fault)
{
    return file_read(layout, name, ret_text, fault) || fault_in(fault, "image layout");
}

/* Through indexes of indexes to a manifest; a pin may be of any of them. */
static bool find_manifest(const struct unpacker_config *config, struct image_blob *ret_blob,
                          struct fault *fault)
{
    AUTO_BUF struct buf text = buf_with_limit(IMAGE_DOCUMENT_BYTES_MAX);
    struct image_wish wish = config->wish;
    bool is_index = true, is_pinned = config->pinned == NULL;

    if (!load(config->layout, "oci-layout", &text, fault) ||
        !image_layout_check(buf_slice(&text), fault))
        return false;
    buf_clear(&text);
    if (!load(config->layout, "index.json", &text, fault))
        return false;
    for (unsigned level = 0; is_index; level++) {
        if (level == INDEX_LEVELS_MAX)
            return fault_set(fault, FAULT_INVALID, "indexes in indexes in indexes");
        if (level > 0) {
            buf_clear(&text);
            if (!blob_load(config->layout, ret_blob, &text, fault))
                return false;
        }
        if (!image_choose(buf_slice(&text), &wish, ret_blob, &is_index, fault))
            return false;
        is_pinned = is_pinned || strcmp(ret_blob->digest, config->pinned) == 0;
        wish.tag = NULL; /* a name is the layout's */
    }
    return is_pinned ||
           fault_set(fault, FAULT_DENIED, "the image is sha256:%s, and policy says sha256:%s",
                     ret_blob->digest, config->pinned);
}

static bool read_image(const struct unpacker_config *config, const struct image_blob *blob,
                       struct image_manifest *ret_manifest, struct buf *ret_environment,
                       struct fault *fault)
{
    AUTO_BUF struct buf text = buf_with_limit(IMAGE_DOCUMENT_BYTES_MAX);

    if (!blob_load(config->layout, blob, &text, fault) ||
        !image_manifest_read(buf_slice(&text), ret_manifest, fault))
        return false;
    buf_clear(&text);
    return blob_load(config->layout, &ret_manifest->config, &text, fault) &&
           image_config_read(buf_slice(&text), &config->wish, ret_manifest->layer_count,
                             ret_environment, fault);
}

static bool unpack(const struct unpacker_config *config, const struct archive_library *library,
                   const struct image_manifest *manifest, struct fault *fault)
{
    struct unpack unpack = {
        .library = library, .layout = config->layout, .root = config->root};

    for (size_t i = 0; i < manifest->layer_count; i++)
        if (!unpack_layer(&unpack, &manifest->layers[i], fault))
            return false;
    return true;
}

/* ---- the process ---- */

static bool bound_memory(struct fault *fault)
{
    const struct rlimit memory = {MEMORY_BYTES_MAX, MEMORY_BYTES_MAX};
    const struct rlimit file = {UNPACK_BYTES_MAX, UNPACK_BYTES_MAX};

    return (setrlimit(RLIMIT_AS, &memory) == 0 && setrlimit(RLIMIT_FSIZE, &file) == 0) ||
           fault_errno(fault, "bound memory");
}

static bool give_up_privileges(const struct unpacker_config *config, struct fault *fault)
{
    const struct isolate_path paths[] = {
        {.fd = config->layout, .access = ISOLATE_READ},
        {.fd = config->root, .access = ISOLATE_READ | ISOLATE_WRITE},
    };

    if (isolate_landlock_abi() == 0) /* it would read, or write, whatever its user may */
        return fault_set(fault, FAULT_HOST,
                         "reading images needs Landlock, which this kernel "
                         "has not, or not switched on (lsm=)");
    (void)umask(0);
    (void)prctl(PR_SET_DUMPABLE, 0);
    return bound_memory(fault) &&
           (!config->drop_user ||
            isolate_user(config->uid, config->uid, 1U << CAP_DAC_READ_SEARCH, fault)) &&
           isolate_files(paths, config->root < 0 ? 1 : 2, ISOLATE_ABI_KERNEL, NULL, fault) &&
           isolate_syscalls(ISOLATE_UNPACK, fault);
}

static bool work(const struct unpacker_config *config, struct image_blob *ret_blob,
                 struct buf *ret_environment, struct fault *fault)
{
    AUTO_FREE struct image_manifest *manifest = xalloc(sizeof(*manifest));
    const struct archive_library *library = NULL;

    /* Archives write long names in UTF-8, and libarchive gives them out in the locale. */
    if (setlocale(LC_CTYPE, "C.UTF-8") == NULL)
        return fault_set(fault, FAULT_HOST, "the locale C.UTF-8 is missing");
    /* The library before the filter: it is the last code that this process takes in. */
    return (config->root < 0 || archive_library_load(&library, fault)) &&
           give_up_privileges(config, fault) && find_manifest(config, ret_blob, fault) &&
           (config->root < 0 ||
            (read_image(config, ret_blob, manifest, ret_environment, fault) &&
             unpack(config, library, manifest, fault)));
}

int unpacker_role(void *self)
{
    const struct unpacker_config *config = self;
    AUTO_BUF struct buf environment = buf_with_limit(IMAGE_ENVIRONMENT_BYTES_MAX);
    AUTO_BUF struct buf packet = buf_with_limit(MESSAGE_BYTES_MAX);
    struct image_blob blob = {0};
    struct fault fault = {0}, unsent = {0};

    if (!work(config, &blob, &environment, &fault))
        buf_clear(&environment);
    return packet_put_number(&packet, fault.kind, &unsent) &&
                   packet_put_word(&packet, fault.why, &unsent) &&
                   packet_put_word(&packet, blob.digest, &unsent) &&
                   packet_put_text(&packet, buf_slice(&environment), &unsent) &&
                   message_send(config->control, buf_slice(&packet), NULL, &unsent)
               ? 0
               : 2;
}

/* ---- core's side ---- */

static bool read_answer(struct slice body, struct unpacker_answer *answer, struct fault *fault)
{
    struct packet_reader reader = {.rest = body};
    uint64_t kind = packet_number(&reader);
    char why[sizeof(fault->why)];
    struct slice environment;
    uint8_t digest[(IMAGE_HEX_BYTES - 1) / 2];

    packet_word(&reader, why, sizeof(why));
    packet_word(&reader, answer->digest, sizeof(answer->digest));
    environment = packet_text(&reader);
    if (!packet_end(&reader, fault))
        return false;
    if (kind != FAULT_NONE)
        return fault_set(fault, kind <= FAULT_HOST ? (enum fault_kind)kind : FAULT_IO, "%s",
                         why);
    /* Who parses hostile bytes does not choose our paths. */
    if (!hex_decode(slice_of(answer->digest), digest, sizeof(digest)))
        return fault_set(fault, FAULT_INVALID, "the unpacker named no digest");
    return buf_add(&answer->environment, environment, fault);
}

bool unpacker_hear(int control, int timeout_ms, bool *ret_is_there,
                   struct unpacker_answer *ret_answer, struct fault *fault)
{
    AUTO_BUF struct buf body = buf_with_limit(MESSAGE_BYTES_MAX);
    struct pollfd wait = {.fd = control, .events = POLLIN};
    bool end;

    *ret_is_there = poll(&wait, 1, timeout_ms) > 0;
    if (!*ret_is_there)
        return true;
    if (!message_receive(control, &body, NULL, timeout_ms, &end, fault))
        return false;
    if (end)
        return fault_set(fault, FAULT_IO, "the unpacker ended without a word");
    return read_answer(buf_slice(&body), ret_answer, fault);
}
