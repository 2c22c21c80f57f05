/* Whose programs cells have. */
#include "base/hex.h"
#include "policy/builder.h"

#define S POLICY_SEP
#define DIGEST_HEAD "sha256:"

static bool fault_at(struct builder *builder, const char *path, const char *why)
{
    return settings_fault(builder->organisation,
                          settings_find(builder->organisation, "%s", path), builder->fault,
                          "toolchain: %s", why);
}

static bool check_digest(struct builder *builder, struct policy_toolchain *toolchain)
{
    size_t head = strlen(DIGEST_HEAD);
    uint8_t unused[32];

    if (toolchain->digest == NULL)
        return true;
    if (strncmp(toolchain->digest, DIGEST_HEAD, head) != 0 ||
        !hex_decode(slice_of(toolchain->digest + head), unused, sizeof(unused)))
        return fault_at(builder, "toolchain" S "digest", "a digest is sha256: and 64 digits");
    toolchain->digest += head;
    return true;
}

bool build_toolchain(struct builder *builder)
{
    struct policy_toolchain *toolchain = &builder->policy->toolchain;
    const struct policy_settings *organisation = builder->organisation;

    toolchain->root = builder_text_at(builder, organisation, "toolchain" S "root");
    toolchain->image = builder_text_at(builder, organisation, "toolchain" S "image");
    toolchain->tag = builder_text_at(builder, organisation, "toolchain" S "tag");
    toolchain->digest = builder_text_at(builder, organisation, "toolchain" S "digest");
    if (toolchain->root != NULL && toolchain->image != NULL)
        return fault_at(builder, "toolchain" S "image", "a root or an image, not both");
    if (toolchain->image == NULL && toolchain->tag != NULL)
        return fault_at(builder, "toolchain" S "tag", "only an image has a tag");
    if (toolchain->image == NULL && toolchain->digest != NULL)
        return fault_at(builder, "toolchain" S "digest", "only an image has a digest");
    return check_digest(builder, toolchain);
}
