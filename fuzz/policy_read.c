/* YAML to settings and on to an effective policy: any bytes, as the repository's file. */
#include <stdint.h>
#include <stdlib.h>

#include "policy/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct policy_settings *organisation(void)
{
    static struct policy_settings *settings;
    struct fault fault = {0};

    if (settings == NULL &&
        !policy_read(SLICE("version: 1\nmodels: [{ name: m, url: \"http://127.0.0.1/v1\", "
                           "dialect: openai }]\n"),
                     "policy.yaml", &settings, &fault))
        abort();
    return settings;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct policy_settings *settings = NULL, *again = NULL;
    struct policy *policy = NULL;
    struct policy_matching *matching;
    struct buf packet = buf_with_limit(8UL << 20);
    struct fault fault = {0};

    if (policy_read(slice_of_bytes(data, size), "custody.yaml", &settings, &fault)) {
        if (policy_settings_encode(settings, &packet, &fault) &&
            packet.len <= POLICY_PACKET_BYTES_MAX &&
            !policy_settings_decode(buf_slice(&packet), &again, &fault))
            abort(); /* what was written must be readable */
        if (policy_build(organisation(), settings, &policy, &fault)) {
            (void)policy_read_verdict(policy, "coder", SLICE("src/a/b.c"), NULL);
            (void)policy_write_allowed(policy, "coder", SLICE("src/a/b.c"), false, NULL);
            (void)policy_zone_of(policy, SLICE("src/a/b.c"));
            (void)policy_hides_names(policy, "planner");
            matching = policy_matching_new(policy, "planner");
            policy_match_path(matching, SLICE("src/a/b.c"));
            (void)!policy_matching_end(matching, &fault);
        }
    }
    policy_free(policy);
    policy_settings_free(settings);
    policy_settings_free(again);
    buf_free(&packet);
    policy_settings_free(NULL);
    if (policy_settings_decode(slice_of_bytes(data, size), &settings, &fault))
        policy_settings_free(settings);
    return 0;
}
