#include "test.h"

#include <stdlib.h>

#include "base/scope.h"
#include "classify/classify.h"
#include "classify/engine.h"
#include "classify/image.h"
#include "classify/stream.h"

#define RULE_HEAD "- id: secret.own\n  class: secret\n  text: own\n  confidence: high\n  shape: text\n"

static void a_rule_that_is_wrong_is_refused_with_its_place(void **state)
{
    static const struct {
        const char *yaml, *why;
    } cases[] = {
        {RULE_HEAD "  pattern: 'own_[0-9]{8}'\n  keywords: [own_]\n  examples: ['own_{{8:0-9}}']\n", NULL},
        {RULE_HEAD "  patern: x\n", "own.yaml:6:11: unknown key patern"},
        {"- id: secret.own\n  text: own\n  confidence: high\n  shape: text\n", "the key class is missing"},
        {RULE_HEAD, "neither pattern nor keys nor positions"},
        {RULE_HEAD "  pattern: 'own_['\n  keywords: [own_]\n", "pattern, character"},
        {RULE_HEAD "  pattern: '(?:own_)?'\n  keywords: [own_]\n", "matches the empty text"},
        {RULE_HEAD "  pattern: 'ow'\n  keywords: [ow]\n", "keyword `ow`"},
        {RULE_HEAD "  pattern: 'own'\n", "needs keywords or a sieve"},
        {RULE_HEAD "  keys: [own]\n  validator: own\n", "no validator own"},
        {RULE_HEAD "  keys: [own]\n  hipaa: Z\n", "hipaa is a letter"},
        {RULE_HEAD "  keys: [own]\n  entropy: 3.x\n", "must be a number"},
        {RULE_HEAD "  pattern: 'own_[0-9]{8}'\n  keywords: [own_]\n", "has no example"},
        {RULE_HEAD "  pattern: 'own_[0-9]{8}'\n  keywords: [own_]\n  examples: [own_123]\n", "not found by it"},
        {RULE_HEAD "  pattern: 'own_[0-9]{8}'\n  keywords: [own_]\n  examples: ['own_{{8:0-9}}']\n"
                   "  counterexamples: ['own_{{8:0-9}}']\n", "is found by it"},
        {RULE_HEAD "  pattern: 'own_'\n  keywords: [own_]\n  examples: ['own_{{x}}']\n", "{{n:alphabet}}"},
        {"- id: secret.jwt\n  class: secret\n  text: own\n  confidence: high\n  shape: text\n  keys: [own]\n",
         "another rule has this id"},
        {"- id: pan.own\n  class: secret\n  text: own\n  confidence: high\n  shape: text\n  keys: [own]\n",
         "CLASS.NAME"},
        {RULE_HEAD "  positions: { hl7v3: [PID-5] }\n", "is none of"},
        {RULE_HEAD "  pattern: 'own_''''x'\n", "use double quotes"},
        {"own: 1\n", "must be a list"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rules_text text = {"own.yaml", (const uint8_t *)cases[i].yaml, strlen(cases[i].yaml)};
        AUTO_BUF struct buf image = buf_with_limit(RULES_IMAGE_BYTES_MAX);
        struct fault fault = {0};
        bool ok = rules_image_make(&text, 1, &image, &fault);

        if (ok != (cases[i].why == NULL) || (!ok && strstr(fault.why, cases[i].why) == NULL))
            fail_msg("%zu: %s", i, ok ? "taken" : fault.why);
    }
}

static void a_damaged_image_is_not_used(void **state)
{
    AUTO_BUF struct buf image = buf_with_limit(RULES_IMAGE_BYTES_MAX);
    struct fault fault = {0};
    char key[RULES_KEY_LEN + 1];

    (void)state;
    assert_ok(rules_image_make(NULL, 0, &image, &fault), fault);
    rules_key(NULL, 0, key);
    assert_ok(rules_use(buf_slice(&image), key, &fault), fault);
    for (size_t at = 0; at < image.len; at += image.len / 37) {
        image.at[at] ^= 1;
        assert_false(rules_use(buf_slice(&image), key, &fault));
        image.at[at] ^= 1;
    }
    assert_false(rules_use(slice_part(buf_slice(&image), 0, image.len - 1), key, &fault));
    key[0] = key[0] == '0' ? '1' : '0';
    assert_false(rules_use(buf_slice(&image), key, &fault));
}

/* ---- streams ---- */

/* Each example of each built-in rule in a line of its own, behind `before` bytes of padding. */
static void text_of_examples(size_t before, struct buf *text)
{
    struct fault fault = {0};
    struct rule_storage *storage = rule_storage_new();
    struct rule_list list = {0};

    for (size_t i = 0; i < before; i++)
        assert_ok(buf_add_byte(text, i % 64 == 63 ? '\n' : '.', &fault), fault);
    for (size_t i = 0; i < rules_built_in_count; i++)
        assert_ok(rules_read(&rules_built_in[i], storage, &list, &fault), fault);
    for (size_t i = 0; i < list.count; i++)
        for (size_t e = 0; e < list.at[i].examples.count; e++) {
            assert_ok(rule_expand(list.at[i].examples.at[e], text, &fault), fault);
            assert_ok(buf_add_byte(text, '\n', &fault), fault);
        }
    for (size_t i = 0; i < ENGINE_AFTER; i++)
        assert_ok(buf_add_byte(text, ' ', &fault), fault);
    rule_list_free(&list);
    rule_storage_free(storage);
}

static void keep(void *self, const struct finding *finding)
{
    findings_add(self, *finding);
}

static void in_one_piece(struct slice text, struct findings *findings)
{
    struct engine engine;
    const struct stretch stretch = {.text = text, .to = text.len, .is_begin = true, .is_end = true};

    engine_begin(&engine, rules_in_use(), findings);
    engine_allow(&engine, text.len);
    engine_look(&engine, &stretch);
    assert_false(engine.is_exhausted);
    engine_end(&engine);
    findings_resolve(findings, SLICE(""));
}

static void in_chunks(struct slice text, size_t chunk, size_t step, struct findings *findings)
{
    const struct classify_stream_sink sink = {keep, findings};
    struct classify_stream *stream = classify_stream_new(&sink, step);
    struct fault fault = {0};

    for (size_t at = 0; at < text.len; at += chunk)
        assert_ok(classify_stream_add(stream, slice_part(text, at, at + chunk), &fault), fault);
    assert_ok(classify_stream_end(stream, &fault), fault);
    classify_stream_free(stream);
}

static void a_stream_is_looked_through_alike_however_it_is_cut(void **state)
{
    static const struct {
        size_t before, chunk, step;
    } cases[] = {{0, 1, 5000},    {1, 7, 1777},    {13, 100, 1},      {29, 997, 997},
                 {31, 4096, 4096}, {37, 131, 131}, {64, 50000, 60000}, {101, 211, 20011},
                 {211, 61, 61},   {499, 389, 10},  {510, 83, 3000},   {513, 257, 257}};
    size_t most = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO_BUF struct buf text = buf_with_limit(1 << 20);
        struct findings whole = {0}, parts = {0};

        text_of_examples(cases[i].before, &text);
        in_one_piece(buf_slice(&text), &whole);
        in_chunks(buf_slice(&text), cases[i].chunk, cases[i].step, &parts);
        most = whole.count;
        if (whole.count != parts.count)
            fail_msg("%zu: %zu in one piece, %zu in chunks", i, whole.count, parts.count);
        for (size_t f = 0; f < whole.count; f++)
            if (memcmp(&whole.at[f], &parts.at[f], sizeof(whole.at[f])) != 0)
                fail_msg("%zu: finding %zu at %zu, in chunks at %zu", i, f, whole.at[f].start,
                         parts.at[f].start);
        free(whole.at);
        free(parts.at);
    }
    assert_true(most > 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_rule_that_is_wrong_is_refused_with_its_place),
        TEST(a_damaged_image_is_not_used),
        TEST(a_stream_is_looked_through_alike_however_it_is_cut),
    };
    struct fault fault = {0};

    if (!rules_use_texts(NULL, 0, &fault))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
