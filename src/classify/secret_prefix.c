/* Which service's token it is may be known: its public prefix. */
#include "classify/shape.h"

static const char *const prefixes[] = {
    "AKIA",     "ASIA",        "ghp_",     "gho_",     "ghu_",    "ghs_",     "ghr_",
    "github_pat_", "glpat-",   "gldt-",    "glrt-",    "xoxb-",   "xoxp-",    "xoxa-",
    "xoxs-",    "xapp-",       "sk_live_", "sk_test_", "rk_live_", "pk_live_", "whsec_",
    "sk-ant-",  "sk-proj-",    "sk-",      "AIza",     "ya29.",   "npm_",     "pypi-",
    "hf_",      "dop_v1_",     "shpat_",   "hvs.",     "dckr_pat_", "lin_api_", "figd_",
    "sntrys_",  "LTAI",        "r8_",      "gsk_",     "xai-",    "SG.",      "AGE-SECRET-KEY-1",
    "eyJ",
};

size_t secret_prefix(struct slice text)
{
    size_t longest = 0;

    for (size_t i = 0; i < COUNT(prefixes); i++) {
        size_t len = strlen(prefixes[i]);

        /* of what would be nearly all prefix nothing stays */
        if (len > longest && text.len >= len + 8 &&
            slice_starts_with(text, slice_of(prefixes[i])))
            longest = len;
    }
    return longest;
}
