#include <stdio.h>

#include <openssl/evp.h>

#include "base/hex.h"
#include "classify/detect.h"

/* Goes up with every change of what a detector finds: old verdicts are then looked for anew.
 */
#define CODE_VERSION "custody-classify/3"

static const struct rule_row {
    const char *id;
    enum data_class class;
    const char *text;
    enum surrogate_shape shape;
} rules[RULE_COUNT] = {
    [RULE_CARD] = {"pan.card", CLASS_PAN,
                   "payment card number: issuer range, length and Luhn", SHAPE_CARD},
    [RULE_SSN] = {"pii.us-ssn", CLASS_PII, "US social security number", SHAPE_SSN},
    [RULE_PRIVATE_KEY] = {"secret.private-key", CLASS_SECRET, "private key block",
                          SHAPE_KEY_BLOCK},
    [RULE_AWS_KEY_ID] = {"secret.aws-key-id", CLASS_SECRET, "AWS access key id", SHAPE_SECRET},
    [RULE_AWS_SECRET] = {"secret.aws-secret", CLASS_SECRET, "AWS secret access key",
                         SHAPE_SECRET},
    [RULE_GITHUB] = {"secret.github", CLASS_SECRET, "GitHub token", SHAPE_SECRET},
    [RULE_GITLAB] = {"secret.gitlab", CLASS_SECRET, "GitLab token", SHAPE_SECRET},
    [RULE_SLACK] = {"secret.slack", CLASS_SECRET, "Slack token", SHAPE_SECRET},
    [RULE_STRIPE] = {"secret.stripe", CLASS_SECRET, "Stripe secret key", SHAPE_SECRET},
    [RULE_GOOGLE] = {"secret.google", CLASS_SECRET, "Google API key", SHAPE_SECRET},
    [RULE_MODEL_KEY] = {"secret.model-key", CLASS_SECRET, "key of a model provider",
                        SHAPE_SECRET},
    [RULE_NPM] = {"secret.npm", CLASS_SECRET, "npm access token", SHAPE_SECRET},
    [RULE_JWT] = {"secret.jwt", CLASS_SECRET, "JSON web token", SHAPE_SECRET},
    [RULE_ASSIGNED] = {"secret.assigned", CLASS_SECRET,
                       "value assigned to a name like password, secret, token"},
    [RULE_CONNECTION] = {"secret.connection", CLASS_SECRET, "password in a connection string"},
    [RULE_HL7_PATIENT] = {"phi.hl7", CLASS_PHI,
                          "patient field of an HL7 v2 message, by position"},
    [RULE_FHIR_PATIENT] = {"phi.fhir", CLASS_PHI, "element of a FHIR Patient, by position"},
};

const char *classify_rule_id(uint16_t rule)
{
    return rule < RULE_COUNT ? rules[rule].id : "unknown";
}

const char *classify_rule_text(uint16_t rule)
{
    return rule < RULE_COUNT ? rules[rule].text : "unknown";
}

enum surrogate_shape classify_rule_shape(uint16_t rule)
{
    return rule < RULE_COUNT ? rules[rule].shape : SHAPE_TEXT;
}

size_t classify_rule_count(void)
{
    return RULE_COUNT;
}

enum data_class rule_class(enum rule rule)
{
    return rules[rule].class;
}

const char *confidence_name(uint8_t confidence)
{
    static const char *const names[] = {"low", "medium", "high"};

    return confidence < COUNT(names) ? names[confidence] : "low";
}

const char *classify_digest(void)
{
    static char digest[65];
    uint8_t bytes[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *hash;
    bool ok;

    if (digest[0] != 0)
        return digest;
    hash = EVP_MD_CTX_new();
    ok = hash != NULL && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) == 1 &&
         EVP_DigestUpdate(hash, CODE_VERSION, sizeof(CODE_VERSION)) == 1;
    for (size_t i = 0; ok && i < RULE_COUNT; i++)
        ok = EVP_DigestUpdate(hash, rules[i].id, strlen(rules[i].id) + 1) == 1 &&
             EVP_DigestUpdate(hash, rules[i].text, strlen(rules[i].text) + 1) == 1;
    ok = ok && EVP_DigestFinal_ex(hash, bytes, NULL) == 1;
    EVP_MD_CTX_free(hash);
    if (!ok)
        abort(); /* without SHA-256 there is no custody */
    hex_encode(slice_of_bytes(bytes, 32), digest);
    return digest;
}
