/* From files of rules to an image: read, check, pack, and try every example. */
#include <openssl/evp.h>
#include <stdlib.h>

#include "base/hex.h"
#include "base/scope.h"
#include "classify/engine.h"
#include "classify/image.h"

/* Goes up with every change of what is found: old verdicts are then looked for anew. */
#define CODE_VERSION "custody-classify/6"

/* ---- names ---- */

static void put(EVP_MD_CTX *hash, struct slice text)
{
    uint64_t len = text.len;

    if (EVP_DigestUpdate(hash, &len, sizeof(len)) != 1 ||
        EVP_DigestUpdate(hash, text.at, text.len) != 1)
        abort(); /* without SHA-256 there is no custody */
}

static EVP_MD_CTX *hash_new(void)
{
    EVP_MD_CTX *hash = EVP_MD_CTX_new();

    if (hash == NULL || EVP_DigestInit_ex(hash, EVP_sha256(), NULL) != 1)
        abort();
    return hash;
}

static void hash_end(EVP_MD_CTX *hash, char ret_hex[RULES_KEY_LEN + 1])
{
    uint8_t bytes[EVP_MAX_MD_SIZE];

    if (EVP_DigestFinal_ex(hash, bytes, NULL) != 1)
        abort();
    EVP_MD_CTX_free(hash);
    hex_encode(slice_of_bytes(bytes, RULES_KEY_LEN / 2), ret_hex);
}

/* What is found by these files, wherever it is looked for. */
static void digest_of(const struct rules_text *texts, size_t count,
                      char ret_digest[RULES_KEY_LEN + 1])
{
    EVP_MD_CTX *hash = hash_new();

    put(hash, SLICE(CODE_VERSION));
    for (size_t i = 0; i < rules_built_in_count; i++)
        put(hash, slice_of_bytes(rules_built_in[i].yaml, rules_built_in[i].len));
    for (size_t i = 0; i < count; i++)
        put(hash, slice_of_bytes(texts[i].yaml, texts[i].len));
    hash_end(hash, ret_digest);
}

void rules_key(const struct rules_text *texts, size_t count, char ret_key[RULES_KEY_LEN + 1])
{
    digest_of(texts, count, ret_key);
}

/* ---- checks ---- */

static bool check_ids(const struct rule_list *list, struct fault *fault)
{
    for (size_t i = 0; i < list->count; i++)
        for (size_t j = 0; j < i; j++)
            if (slice_equal(list->at[i].id, list->at[j].id))
                return rule_refuse(&list->at[i], fault, "another rule has this id");
    return true;
}

/* Does this rule find anything in the text? Another one may find more of it. */
static bool finds(struct rules *rules, uint16_t rule, struct slice text)
{
    struct findings findings = {0};
    struct engine engine;
    struct stretch stretch = {
        .text = text, .to = text.len, .is_begin = true, .is_end = true};
    bool found = false;

    engine_begin(&engine, rules, &findings);
    engine.has_bare_values = true;
    engine_look(&engine, &stretch);
    engine_end(&engine);
    for (size_t i = 0; i < findings.count; i++)
        found = found || findings.at[i].rule == rule;
    free(findings.at);
    return found;
}

static bool try_examples(struct rules *rules, const struct rule *rule, uint16_t number,
                         const struct texts *examples, bool is_wanted, struct fault *fault)
{
    for (size_t i = 0; i < examples->count; i++) {
        AUTO_BUF struct buf text = buf_with_limit(RULES_TEXT_BYTES_MAX);
        struct fault why = {0};

        if (!rule_expand(examples->at[i], &text, &why))
            return rule_refuse(rule, fault, "example %zu: %s", i + 1, why.why);
        if (finds(rules, number, buf_slice(&text)) != is_wanted)
            return rule_refuse(rule, fault, "%sexample %zu is %s by it: %.100s",
                               is_wanted ? "" : "counter", i + 1,
                               is_wanted ? "not found" : "found",
                               (const char *)examples->at[i].at);
    }
    return true;
}

/* A rule that finds by itself shows that it does. */
static bool check_examples(struct rules *rules, const struct rule_list *list,
                           struct fault *fault)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct rule *rule = &list->at[i];
        bool finds_alone = rule->keywords.count > 0 || rule->sieve != RULE_SIEVE_NONE;

        if (finds_alone && rule->examples.count == 0)
            return rule_refuse(rule, fault, "has no example");
        if (!try_examples(rules, rule, (uint16_t)i, &rule->examples, true, fault) ||
            !try_examples(rules, rule, (uint16_t)i, &rule->counterexamples, false, fault))
            return false;
    }
    return true;
}

static bool read_all(const struct rules_text *texts, size_t count,
                     struct rule_storage *storage, struct rule_list *list, struct fault *fault)
{
    for (size_t i = 0; i < rules_built_in_count; i++)
        if (!rules_read(&rules_built_in[i], storage, list, fault))
            return false;
    for (size_t i = 0; i < count; i++)
        if (!rules_read(&texts[i], storage, list, fault))
            return false;
    for (size_t i = 0; i < list->count; i++)
        if (!rule_check(&list->at[i], fault))
            return false;
    return check_ids(list, fault);
}

static bool make(const struct rule_list *list, const char *digest, struct buf *ret_image,
                 struct fault *fault)
{
    AUTO_BUF struct buf packed = buf_with_limit(RULES_IMAGE_BYTES_MAX);
    struct rules *rules = NULL;
    bool ok;

    if (!rules_pack(list, &packed, fault) ||
        !rules_load(buf_slice(&packed), digest, &rules, fault))
        return false;
    ok = check_examples(rules, list, fault);
    rules_free(rules);
    return ok && image_write(buf_slice(&packed), digest, ret_image, fault);
}

bool rules_image_make(const struct rules_text *texts, size_t count, struct buf *ret_image,
                      struct fault *fault)
{
    struct rule_storage *storage = rule_storage_new();
    struct rule_list list = {0};
    char digest[RULES_KEY_LEN + 1];
    bool ok;

    digest_of(texts, count, digest);
    ok = read_all(texts, count, storage, &list, fault) && make(&list, digest, ret_image, fault);
    rule_list_free(&list);
    rule_storage_free(storage);
    return ok;
}
