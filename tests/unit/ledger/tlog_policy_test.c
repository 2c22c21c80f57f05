#include "fixture.h"

#include "ledger/tlog_policy.h"

#define TEXT "log.example/x\n7\nAAAA\n"

/* Witnesses `w0`..`w4` of keys that count, and a log. */
struct cast {
    struct note_signer *signer[6];
    char *vkey[6];
};

static struct cast cast_make(void)
{
    struct cast cast;

    for (uint8_t i = 0; i < COUNT(cast.signer); i++) {
        AUTO_BUF struct buf plain = buf_with_limit(1024);
        AUTO_BUF struct buf vkey = buf_with_limit(1024);
        struct fault fault = {0};

        cast.signer[i] = fixture_signer((uint8_t)(i * 7), &plain);
        assert_ok(i == 5 ? note_signer_vkey(cast.signer[i], &vkey, &fault)
                         : cosignature_vkey(cast.signer[i], &vkey, &fault),
                  fault);
        cast.vkey[i] = xstrdup(buf_text(&vkey));
    }
    return cast;
}

static void cast_drop(struct cast *cast)
{
    for (size_t i = 0; i < COUNT(cast->signer); i++) {
        note_signer_free(cast->signer[i]);
        free(cast->vkey[i]);
    }
}

/* "$0" stands for the vkey of witness 0, "$5" for the log's. */
static char *with_keys(const struct cast *cast, const char *text)
{
    AUTO_BUF struct buf out = buf_with_limit(1 << 16);
    struct fault fault = {0};

    for (; *text != 0; text++) {
        if (*text == '$')
            assert_ok(buf_add_text(&out, cast->vkey[*++text - '0'], &fault), fault);
        else
            assert_ok(buf_add_byte(&out, (uint8_t)*text, &fault), fault);
    }
    return xstrdup(buf_text(&out));
}

/* A note that the witnesses named by a digit each have cosigned. */
static void cosign(const struct cast *cast, const char *who, struct buf *ret_note)
{
    struct fault fault = {0};

    assert_ok(note_sign(cast->signer[5], SLICE(TEXT), ret_note, &fault), fault);
    for (; *who != 0; who++)
        assert_ok(
            cosignature_sign(cast->signer[*who - '0'], SLICE(TEXT), 1000, ret_note, &fault),
            fault);
}

static void the_quorum_decides(void **state)
{
    static const char flat[] = "witness a $0\nwitness b $1\nwitness c $2\n"
                               "group g 2 a b c\nquorum g\n";
    static const char nested[] = "witness a $0\nwitness b $1\nwitness c $2\nwitness d $3\n"
                                 "group in any a b\ngroup out any c d\n"
                                 "group both all in out\nquorum both";
    static const struct {
        const char *policy, *who;
        bool holds;
        size_t count;
    } cases[] = {
        {flat, "", false, 0},
        {flat, "0", false, 1},
        {flat, "02", true, 2},
        {flat, "012", true, 3},
        {flat, "00", false, 1},  /* one witness counts once */
        {flat, "034", false, 1}, /* and strangers not at all */
        {nested, "01", false, 2},
        {nested, "03", true, 2},
        {nested, "23", false, 2},
        {nested, "12", true, 2},
        {"witness a $0\nquorum a", "0", true, 1},
        {"witness a $0\nquorum a", "1", false, 0},
        {"witness a $0\nquorum none", "", true, 0},
        {"quorum none", "0", true, 0},
    };
    struct cast cast = cast_make();

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO_BUF struct buf bytes = buf_with_limit(1 << 14);
        AUTO_FREE char *text = with_keys(&cast, cases[i].policy);
        struct tlog_policy_result result;
        struct tlog_policy *policy;
        struct note note;
        struct fault fault = {0};

        assert_ok(tlog_policy_parse(slice_of(text), &policy, &fault), fault);
        cosign(&cast, cases[i].who, &bytes);
        assert_ok(note_parse(buf_slice(&bytes), &note, &fault), fault);
        assert_ok(tlog_policy_check(policy, &note, &result, &fault), fault);
        if (result.holds != cases[i].holds || result.cosigned_count != cases[i].count)
            fail_msg("case %zu: %zu cosigned", i, result.cosigned_count);
        tlog_policy_free(policy);
    }
    cast_drop(&cast);
}

static void a_policy_that_is_not_exact_is_refused_with_its_line(void **state)
{
    static const struct {
        const char *policy, *words;
    } cases[] = {
        {"", "no quorum"},
        {"# only\n\n", "no quorum"},
        {"quorum none\nquorum none\n", "line 2: a second quorum"},
        {"quorum q\n", "line 1: q is not defined"},
        {"quorum\n", "line 1: it is: quorum"},
        {"quorum none none\n", "line 1: it is: quorum"},
        {"qorum none\n", "line 1: neither"},
        {"quorum none\r\n", "line 1: a control character"},
        {"\x7f", "line 1: a control character"},
        {"log $5\nlog $5\nquorum none", "line 2: that key stands"},
        {"log $0\nquorum none", "line 1: key"},
        {"log\nquorum none", "line 1: it is: log"},
        {"log $5 u v\nquorum none", "line 1: it is: log"},
        {"witness a $5\nquorum none", "line 1: key"},
        {"witness a\nquorum none", "line 1: it is: witness"},
        {"witness a $0\nwitness b $0\nquorum none", "line 2: that key stands"},
        {"witness a $0\nwitness a $1\nquorum none", "line 2: a is defined"},
        {"witness none $0\nquorum none", "line 1: `none`"},
        {"witness a $0\ngroup a 1 a\nquorum a", "line 2: a is defined"},
        {"witness a $0\ngroup g 0 a\nquorum g", "line 2: 0 of 1"},
        {"witness a $0\ngroup g 2 a\nquorum g", "line 2: 2 of 1"},
        {"witness a $0\ngroup g 01 a\nquorum g", "line 2: 01 of 1"},
        {"witness a $0\ngroup g +1 a\nquorum g", "line 2: +1 of 1"},
        {"witness a $0\ngroup g any\nquorum g", "line 2: it is: group"},
        {"witness a $0\ngroup g any none\nquorum g", "line 2: none is not defined"},
        {"witness a $0\ngroup g any a a\nquorum g", "line 2: a is a member"},
        {"group g any a\nwitness a $0\nquorum g", "line 1: a is not defined"},
        {"witness a $0\ngroup g any a\ngroup h any a\nquorum g", "line 3: a is a member"},
        {"group g any g\nquorum g", "line 1: g is not defined"},
    };
    struct cast cast = cast_make();

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO_FREE char *text = with_keys(&cast, cases[i].policy);
        struct tlog_policy *policy;
        struct fault fault = {0};

        if (tlog_policy_parse(slice_of(text), &policy, &fault))
            fail_msg("case %zu is taken", i);
        if (strstr(fault.why, cases[i].words) == NULL)
            fail_msg("\"%s\" instead of \"%s\"", fault.why, cases[i].words);
    }
    cast_drop(&cast);
}

static void space_comments_urls_and_foreign_letters_are_allowed(void **state)
{
    struct cast cast = cast_make();
    AUTO_FREE char *text = with_keys(&cast, "  # a comment \xff\n\t log\t $5  https://x/ \n"
                                            "witness \xc3\xa4 $0 u\n\nquorum \xc3\xa4");
    struct tlog_policy *policy;
    struct fault fault = {0};

    (void)state;
    assert_ok(tlog_policy_parse(slice_of(text), &policy, &fault), fault);
    assert_int_equal(tlog_policy_log_count(policy), 1);
    assert_int_equal(tlog_policy_witness_count(policy), 1);
    assert_string_equal(tlog_policy_witness_name(policy, 0), "\xc3\xa4");
    tlog_policy_free(policy);
    cast_drop(&cast);
}

static void a_wrong_cosignature_of_a_known_witness_refuses_the_note(void **state)
{
    AUTO_BUF struct buf bytes = buf_with_limit(1 << 14);
    struct cast cast = cast_make();
    AUTO_FREE char *text = with_keys(&cast, "witness a $0\nwitness b $1\nquorum a");
    struct tlog_policy_result result;
    struct tlog_policy *policy;
    struct note note;
    struct fault fault = {0};

    (void)state;
    assert_ok(tlog_policy_parse(slice_of(text), &policy, &fault), fault);
    cosign(&cast, "0", &bytes);
    assert_ok(cosignature_sign(cast.signer[1], SLICE("another\n"), 1, &bytes, &fault), fault);
    assert_ok(note_parse(buf_slice(&bytes), &note, &fault), fault);
    assert_false(tlog_policy_check(policy, &note, &result, &fault));
    assert_int_equal(fault.kind, FAULT_INVALID);
    tlog_policy_free(policy);
    cast_drop(&cast);
}

static void the_sentence_says_how_many_and_whose(void **state)
{
    AUTO_BUF struct buf words = buf_with_limit(1 << 12);
    AUTO_BUF struct buf bytes = buf_with_limit(1 << 14);
    struct cast cast = cast_make();
    AUTO_FREE char *text = with_keys(
        &cast, "witness a $0\nwitness b $1\nwitness c $2\ngroup g 2 a b c\nquorum g");
    struct tlog_policy_result result;
    struct tlog_policy *policy;
    struct note note;
    struct fault fault = {0};

    (void)state;
    assert_ok(tlog_policy_parse(slice_of(text), &policy, &fault), fault);
    cosign(&cast, "1", &bytes);
    assert_ok(note_parse(buf_slice(&bytes), &note, &fault), fault);
    assert_ok(tlog_policy_check(policy, &note, &result, &fault), fault);
    assert_ok(tlog_policy_sentence(policy, &result, &words, &fault), fault);
    assert_string_equal(buf_text(&words), "1 of 3 witnesses have cosigned: b; not a, c; "
                                          "the quorum `g` is not reached");
    tlog_policy_free(policy);
    cast_drop(&cast);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_quorum_decides),
        TEST(a_policy_that_is_not_exact_is_refused_with_its_line),
        TEST(space_comments_urls_and_foreign_letters_are_allowed),
        TEST(a_wrong_cosignature_of_a_known_witness_refuses_the_note),
        TEST(the_sentence_says_how_many_and_whose),
    };

    return cmocka_run_group_tests_name("tlog_policy", tests, NULL, NULL);
}
