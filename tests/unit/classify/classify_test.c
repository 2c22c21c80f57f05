#include "test.h"
#include "values.h"

#include <stdio.h>
#include <time.h>

#include "base/scope.h"
#include "classify/classify.h"
#include "classify/validate.h"
#include "classify/surrogate.h"

static const struct surrogate_key key = {.bytes = {1, 2, 3}};
static const enum verdict redact_all[CLASS_COUNT] = {VERDICT_REDACT, VERDICT_REDACT,
                                                     VERDICT_REDACT, VERDICT_REDACT,
                                                     VERDICT_REDACT, VERDICT_REDACT};

/* Values are put together here, so that no live-looking one stands in a file. */
#define CARD_SPACED                                                                           \
    "4111 "                                                                                   \
    "1111 "                                                                                   \
    "1111 "                                                                                   \
    "1111"
#define AMEX                                                                                  \
    "3782"                                                                                    \
    "822463"                                                                                  \
    "10005"
#define AWS                                                                                   \
    "AKIA"                                                                                    \
    "Z3ABCDEFGHJKLMNP"
#define JWT                                                                                   \
    "eyJhbGciOiJIUzI1NiJ9"                                                                    \
    ".eyJzdWIiOiIxMjM0NTY3ODkwIn0"                                                            \
    ".dozjgNryP4J3jVmNHl0w5N"
#define PEM_BEGIN                                                                             \
    "-----BEGIN "                                                                             \
    "PRIVATE KEY-----\n"
#define PEM_BODY                                                                              \
    "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\nMzEfYyjiWA4R4\n"
#define PEM_END                                                                               \
    "-----END "                                                                               \
    "PRIVATE KEY-----"
#define HL7                                                                                   \
    "MSH|^~\\&|A|B\rPID|1||12345^^^H^MR||DOE^JANE^Q||19800131|F|||1 MAIN "                    \
    "ST^^SPRINGFIELD||555-0100\r"
#define FHIR                                                                                  \
    "{\"resourceType\":\"Patient\",\"name\":[{\"family\":\"Chalmers\",\"given\":[\"Peter\","  \
    "\"James\"]}],\"birthDate\":\"1974-12-25\",\"telecom\":[{\"system\":\"phone\",\"value\":" \
    "\"(03) 5555 6473\"}],\"status\":\"active\"}"

static struct finding *scan(const char *text, const char *path, size_t *ret_count,
                            unsigned *ret_mask)
{
    struct finding *findings = NULL;
    struct fault fault = {0};

    assert_ok(
        classify_scan(slice_of(text), slice_of(path), &findings, ret_count, ret_mask, &fault),
        fault);
    return findings;
}

static void each_kind_is_found_where_it_is(void **state)
{
    static const struct {
        const char *text, *path, *value, *rule;
    } cases[] = {
        {"card: " CARD ";", "", CARD, "pan.card"},
        {"card: " CARD_SPACED, "", CARD_SPACED, "pan.card"},
        {"x," AMEX ",y", "", AMEX, "pan.card"},
        {"SSN: " SSN, "", SSN, "pii.us-ssn"},
        {"ssn="
         "457555462"
         "\n",
         "", "457555462", "pii.us-ssn-bare"},
        {"token: " GITHUB "\n", "", GITHUB, "secret.github-pat"},
        {"id=" AWS "\n", "", AWS, "secret.aws-key-id"},
        {"Bearer " JWT "\n", "", JWT, "secret.jwt"},
        {PEM_BEGIN PEM_BODY PEM_END "\n", "", PEM_BEGIN PEM_BODY PEM_END,
         "secret.private-key"},
        {"password = \"Tr0ub4dor&3x\"\n", "a.py", "Tr0ub4dor&3x", "secret.assigned"},
        {"DB_PASSWORD=s3cr3tValue9\n", ".env", "s3cr3tValue9", "secret.assigned"},
        {"url = postgres://app:hunter2x@db/x", "a.c", "hunter2x", "secret.connection"},
        {"url = postgres://app:hunter2x@db.example.net/x", "a.c", "hunter2x", "secret.connection"},
        /* by the column alone */
        {"mrn,mbi,cvv,member_id,x\n81818557,2KH3FF3AG75,417,XYZ917364825,a\n", "a.csv", "81818557",
         "phi.record-number"},
        {"mrn,mbi,cvv,member_id,x\n81818557,2KH3FF3AG75,417,XYZ917364825,a\n", "a.csv", "2KH3FF3AG75",
         "phi.mbi"},
        {"mrn,mbi,cvv,member_id,x\n81818557,2KH3FF3AG75,417,XYZ917364825,a\n", "a.csv", "XYZ917364825",
         "phi.member-id"},
        {HL7, "a.hl7", "DOE", "phi.name"},
        {"s = \"PID|1||12345||DOE^JANE^Q||\";", "a.c", "DOE", "phi.name"},
        /* a message that a program has printed: field for field */
        {"Output:\nMSH|^~\\&|A|B|C|D|20260101||ADT^A01|1|P|2.5\rPID|1||12345||DOE^JANE^Q||\r", "", "JANE",
         "phi.name"},
        {"exit 0\n{ \"resourceType\": \"Patient\", \"name\": [{ \"family\": \"Okonkwo\" }] }\ndone\n", "",
         "Okonkwo", "phi.name"},
        {"<add key=\"smtpPassword\" value=\"Tr0ub4dor&3x\"/>", "web.config", "Tr0ub4dor&3x",
         "secret.assigned"},
        {"acme_key = ab12cd34ef56g\n", "a.txt", "ab12cd34ef56g", "secret.keyed"},
        {"telnyx = q7f3b9c1e5d2a8046k1m\n", "a.txt", "q7f3b9c1e5d2a8046k1m", "secret.beside-vendor"},
        {"login: joe, password: Qx7ab12c! (new)\n", "a.txt", "Qx7ab12c!", "secret.assigned"},
        {"mysql --user joe --password Qx7abcd12 <a.sql", "a.txt", "Qx7abcd12", "secret.assigned"},
        {"#define PASSWORD \"Qx7abcd12\"\n", "a.c", "Qx7abcd12", "secret.assigned"},
        {"acme SECRET ab12c3d4e5\n", "a.txt", "ab12c3d4e5", "secret.assigned"},
        {"acme SECRET 7f3b9c1e5d2a8046\n", "a.txt", "7f3b9c1e5d2a8046", "secret.assigned"},
        {"acme-token-7f3b9c1e5d2a8046\n", "a.txt", "7f3b9c1e5d2a8046", "secret.assigned"},
        {"pwd = \"XkzQwrTpLmNbVcYg\"\n", "a.c", "XkzQwrTpLmNbVcYg", "secret.assigned"},
        {"java -DsigningKey=Zx81Kq92Lm03Nb47 -jar a.jar", "run.txt", "Zx81Kq92Lm03Nb47",
         "secret.assigned"},
        {"const val TOKEN: String = \"Zx81Kq92Lm03Nb47\"", "a.kt", "Zx81Kq92Lm03Nb47", "secret.assigned"},
        {"std::string token{\"Zx81Kq92Lm03Nb47\"};", "a.cpp", "Zx81Kq92Lm03Nb47", "secret.assigned"},
        {"password: >-\n  Zx81Kq92Lm03Nb47\n", "a.yaml", "Zx81Kq92Lm03Nb47", "secret.assigned"},
        {"<key>APIKey</key>\n<string>Zx81Kq92Lm03Nb47</string>", "a.plist", "Zx81Kq92Lm03Nb47",
         "secret.assigned"},
        {"token = \"\"\"Zx81Kq92Lm03Nb47\"\"\"\n", "a.py", "Zx81Kq92Lm03Nb47", "secret.assigned"},
        {"| password | Qx7ab12c!K |\n", "a.md", "Qx7ab12c!K", "secret.assigned"},
        {FHIR, "p.json", "Chalmers", "phi.name"},
        {FHIR, "p.json", "James", "phi.name"},
        {FHIR, "p.json", "(03) 5555 6473", "phi.phone"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t count;
        unsigned mask;
        AUTO_FREE struct finding *findings = scan(cases[i].text, cases[i].path, &count, &mask);
        bool found = false;

        for (size_t j = 0; j < count; j++)
            found = found || (strcmp(classify_rule_id(findings[j].rule), cases[i].rule) == 0 &&
                              slice_equal(slice_part(slice_of(cases[i].text),
                                                     findings[j].start, findings[j].end),
                                          slice_of(cases[i].value)));
        if (!found)
            fail_msg("`%s` is not found as %s", cases[i].value, cases[i].rule);
    }
}

static void what_only_looks_alike_is_left_alone(void **state)
{
    static const char *const cases[] = {
        "4111 1111 1111 1112", /* Luhn */
        "1234567812345670",    /* no issuer */
        "0000000000000000",
        "id 4111"
        "1111"
        "1111"
        "1111"
        "99999",
        "550e8400-e29b-41d4-a716-446655440000",
        "000-12-3456",
        "666-12-3456",
        "912-34-5678",
        "password = os.environ['X']",
        "token = get_token()",
        "password: \"changeme123\"",
        "int secret = 5;",
        "f(password = crypto.Utf8Decoder2)",
        "the password Utf8Decoder2 checks",
        "exports.SecretKeyUsage = X509KeyUsageExtension;",
        "secret = `${a}Bc12${b}`",
        "\"Cloud::Vault::SecretKey\": \"7f3b9c1e5d2a8046\",",
        "const char *token_hash = \"7f3b9c1e5d2a80467f3b9c1e5d2a8046\";",
        "a = b == c",
        "http://example.org:8080/@x",
        "sha = e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ("-----BEGIN "
         "PRIVATE KEY-----"),
        "2026-11-24T03:54:46",
        "version 1.2.3.4444",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t count;
        unsigned mask;
        AUTO_FREE struct finding *findings = scan(cases[i], "x.c", &count, &mask);

        if (count != 0)
            fail_msg("`%s` is taken for %s", cases[i], classify_rule_id(findings[0].rule));
    }
}

static void binary_content_is_opaque_and_searched_all_the_same(void **state)
{
    static const char bytes[] = "\x7f"
                                "ELF\0" SSN "\0card " CARD "\0\0" GITHUB "\0ssn: " SSN
                                "\0password = \"Tr0ub4dor&3x\"\0" PEM_BEGIN "\0" PEM_END;
    static const char *const rules[] = {"pan.card", "secret.github-pat", "pii.us-ssn"};
    AUTO_BUF struct buf redacted = buf_with_limit(1 << 20);
    struct finding *findings = NULL;
    struct fault fault = {0};
    size_t count = 1;
    unsigned mask = 0;

    (void)state;
    assert_ok(classify_scan(slice_of_bytes("ab\0cd", 5), slice_of(""), &findings, &count,
                            &mask, &fault),
              fault);
    assert_int_equal(count, 0);
    assert_int_equal(mask, CLASS_BIT(CLASS_OPAQUE));
    assert_ok(classify_scan(slice_of_bytes(bytes, sizeof(bytes)), slice_of(""), &findings,
                            &count, &mask, &fault),
              fault);
    assert_int_equal(mask, CLASS_BIT(CLASS_OPAQUE) | CLASS_BIT(CLASS_PAN) |
                               CLASS_BIT(CLASS_SECRET) | CLASS_BIT(CLASS_PII));
    assert_int_equal(
        count,
        COUNT(rules)); /* neither the number without its name nor the program's strings */
    for (size_t i = 0; i < count; i++)
        assert_string_equal(classify_rule_id(findings[i].rule), rules[i]);
    assert_ok(redact(slice_of_bytes(bytes, sizeof(bytes)), findings, count, redact_all, &key,
                     &redacted, NULL, &fault),
              fault);
    assert_int_equal(redacted.len, sizeof(bytes));
    assert_int_equal(slice_find(buf_slice(&redacted), SLICE(CARD), 0), SIZE_MAX);
    free(findings);
}

/* Two bytes a character; `order` 0 is little-endian. */
static void put_wide(struct buf *wide, const char *text, unsigned order, bool marked)
{
    struct fault fault = {0};

    if (marked)
        assert_ok(buf_add(wide, order == 0 ? SLICE("\xff\xfe") : SLICE("\xfe\xff"), &fault),
                  fault);
    for (; *text != 0; text++)
        assert_ok(buf_add_byte(wide, order == 0 ? (uint8_t)*text : 0, &fault) &&
                      buf_add_byte(wide, order == 0 ? 0 : (uint8_t)*text, &fault),
                  fault);
}

static void text_of_two_bytes_a_character_is_text(void **state)
{
    static const char text[] = "name,card\r\nada," CARD "\r\npassword = \"Tr0ub4dor&3x\"\r\n";

    (void)state;
    for (unsigned kind = 0; kind < 4; kind++) {
        AUTO_BUF struct buf wide = buf_with_limit(4096);
        AUTO_BUF struct buf redacted = buf_with_limit(4096);
        AUTO_FREE struct finding *findings = NULL;
        struct fault fault = {0};
        size_t count = 0;
        unsigned mask = 0;

        put_wide(&wide, text, kind % 2, kind / 2 == 1);
        assert_ok(
            classify_scan(buf_slice(&wide), SLICE("a.py"), &findings, &count, &mask, &fault),
            fault);
        assert_int_equal(mask, CLASS_BIT(CLASS_PAN) | CLASS_BIT(CLASS_SECRET));
        assert_int_equal(count, 2);
        assert_int_equal(findings[0].end - findings[0].start, 32);
        assert_ok(redact(buf_slice(&wide), findings, count, redact_all, &key, &redacted, NULL,
                         &fault),
                  fault);
        assert_int_equal(redacted.len, wide.len);
        for (size_t i = 0; i < wide.len; i++) {
            assert_int_equal(wide.at[i] == 0, redacted.at[i] == 0);
            if (i >= findings[0].start && i < findings[0].end)
                assert_true(wide.at[i] == 0 ||
                            (redacted.at[i] >= '0' && redacted.at[i] <= '9'));
        }
        assert_int_equal(
            slice_find(buf_slice(&redacted),
                       slice_part(buf_slice(&wide), findings[0].start, findings[0].end), 0),
            SIZE_MAX);
    }
}

static void what_only_begins_like_wide_text_is_opaque(void **state)
{
    static const char bytes[] = "\xff\xfe\0\0\1\2card " CARD "\0";
    AUTO_FREE struct finding *findings = NULL;
    struct fault fault = {0};
    size_t count = 0;
    unsigned mask = 0;

    (void)state;
    assert_ok(classify_scan(slice_of_bytes(bytes, sizeof(bytes)), SLICE(""), &findings, &count,
                            &mask, &fault),
              fault);
    assert_int_equal(mask, CLASS_BIT(CLASS_OPAQUE) | CLASS_BIT(CLASS_PAN));
    assert_int_equal(count, 1);
}

static const char everything[] =
    "card," CARD ",and " CARD "\nspaced " CARD_SPACED "\nssn " SSN "\n" GITHUB
    "\n" PEM_BEGIN PEM_BODY PEM_END "\npassword = \"Tr0ub4dor&3x\"\n" HL7 "\n";

static void a_redacted_text_has_the_same_length_and_none_of_the_values(void **state)
{
    static const char *const values[] = {CARD,   CARD_SPACED,    SSN,
                                         GITHUB, "Tr0ub4dor&3x", "MIIEvQIBADANBgkqhkiG9w0",
                                         "DOE",  "19800131"};
    AUTO_BUF struct buf redacted = buf_with_limit(1 << 20);
    AUTO_BUF struct buf again = buf_with_limit(1 << 20);
    AUTO_BUF struct buf restored = buf_with_limit(1 << 20);
    struct surrogate_map map = {0};
    struct fault fault = {0};
    struct surrogate_outcome outcome;
    size_t count;
    unsigned mask;
    AUTO_FREE struct finding *findings = scan(everything, "", &count, &mask);
    struct surrogate_base base;

    (void)state;
    assert_ok(redact(slice_of(everything), findings, count, redact_all, &key, &redacted, &map,
                     &fault),
              fault);
    assert_int_equal(redacted.len, strlen(everything));
    for (size_t i = 0; i < COUNT(values); i++)
        if (slice_find(buf_slice(&redacted), slice_of(values[i]), 0) != SIZE_MAX)
            fail_msg("`%s` is still there", values[i]);
    assert_ok(
        redact(slice_of(everything), findings, count, redact_all, &key, &again, NULL, &fault),
        fault);
    assert_true(slice_equal(buf_slice(&redacted), buf_slice(&again)));
    base = (struct surrogate_base){slice_of(everything), buf_slice(&redacted)};
    assert_ok(
        surrogate_restore(buf_slice(&redacted), &map, &base, &restored, &outcome, &fault),
        fault);
    assert_string_equal(buf_text(&restored), everything);
    assert_int_equal(outcome.restored, count);
    surrogate_map_free(&map);
}

/* The last digit of a card number by Luhn. */
static void put_card(char *at, unsigned number)
{
    (void)snprintf(at, 17, "4%014u0", number);
    for (at[15] = '0'; !luhn_holds((const uint8_t *)at, 16); at[15]++)
        ;
}

static double seconds_of_processor(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* 4 MiB, a card number in each line. */
static void a_large_table_of_cards_is_redacted_in_seconds(void **state)
{
    enum { LINES = 50000, LINE = 84, LEN = LINES * LINE };
    AUTO_FREE char *text = xalloc(LEN + 1);
    AUTO_BUF struct buf redacted = buf_with_limit(LEN);
    AUTO_BUF struct buf restored = buf_with_limit(LEN);
    struct surrogate_map map = {0};
    struct fault fault = {0};
    double began = seconds_of_processor(), taken;
    AUTO_FREE struct finding *findings = NULL;
    struct surrogate_outcome outcome;
    size_t count = 0;
    struct surrogate_base base;
    unsigned mask;

    (void)state;
    memset(text, '.', LEN);
    for (unsigned i = 0; i < LINES; i++) {
        put_card(text + (size_t)i * LINE, i * 7919);
        text[(size_t)i * LINE + 16] = ',';
        text[(size_t)i * LINE + LINE - 1] = '\n';
    }
    findings = scan(text, "cards.csv", &count, &mask);
    assert_int_equal(count, LINES);
    assert_ok(
        redact(slice_of(text), findings, count, redact_all, &key, &redacted, &map, &fault),
        fault);
    taken = seconds_of_processor() - began;
    print_message("# scanned and redacted in %.2f s\n", taken);
    base = (struct surrogate_base){slice_of(text), buf_slice(&redacted)};
    assert_ok(
        surrogate_restore(buf_slice(&redacted), &map, &base, &restored, &outcome, &fault),
        fault);
    assert_int_equal(outcome.restored, LINES);
    assert_string_equal(buf_text(&restored), text);
    surrogate_map_free(&map);
    if (taken > 2 * TEST_SLOWER) /* 25 s when each value was looked for by itself */
        fail_msg("%.1f s", taken);
}

#define FILLER "a long text that nobody has to look for anything in, at all"

/* How many findings of a rule a table has. */
static size_t count_in(const char *table, const char *path, const char *rule)
{
    size_t count, of_rule = 0;
    unsigned mask;
    AUTO_FREE struct finding *findings = scan(table, path, &count, &mask);

    for (size_t i = 0; i < count; i++)
        of_rule += findings[i].confidence >= CONFIDENCE_MEDIUM &&
                   strcmp(classify_rule_id(findings[i].rule), rule) == 0;
    return of_rule;
}

static void three_cells_of_a_column_speak_for_the_others(void **state)
{
    static const struct {
        const char *table, *path, *rule;
        size_t count;
    } cases[] = {
        /* numbers with a mistake in them; what is written in another way is let be */
        {"ref,v\n1," CARD "\n2,4012888888881881\n3,5555555555554444\n4,4111111111111112\n5,n/a\n6,12\n", "a.csv",
         "pan.card", 4},
        {"ref,v\n1," CARD "\n2,4012888888881881\n4,4111111111111112\n5,4111111111111113\n", "a.csv",
         "pan.card", 2}, /* two are no three */
        {"r,v\n1," CARD "\n2,4012888888881881\n3,5555555555554444\n4,4111111111111112\n5,4111111111111113\n"
         "6,4111111111111114\n7,4111111111111115\n", "a.csv", "pan.card", 3}, /* fewer than half */
        {"INSERT INTO t (a, b) VALUES (1,'" CARD "'),(2,'4012888888881881'),(3,'5555555555554444'),(4,'4111111111111112');\n",
         "a.sql", "pan.card", 4},
        {"r\tv\n1\t" CARD "\n2\t4012888888881881\n3\t5555555555554444\n4\t4111111111111112\n", "a.tsv", "pan.card", 4},
        /* all of a column pass a check: no word is needed */
        {"ref,v\n1,1234567893\n2,1245319599\n3,1003000126\n4,1023011079\n5,1093706483\n", "a.csv", "phi.npi", 5},
        {"ref,order number\n1,1234567893\n2,1245319599\n3,1003000126\n4,1023011079\n5,1093706483\n", "a.csv", "phi.npi", 0},
        {"ref,v\n1,1234567893\n2,1245319599\n3,1003000126\n4,1023011078\n5,1093706484\n", "a.csv", "phi.npi", 0},
        /* dates: by the word for a birth, never by themselves */
        {"who,v,w\na,born 1980-01-02," FILLER "\nb,1981-02-03," FILLER "\nc,1982-03-04," FILLER "\nd,1983-04-05," FILLER "\n",
         "a.csv", "phi.date-of-birth", 1},
        {"who,x,v,w\na,born,1980-01-02," FILLER "\nb,born,1981-02-03," FILLER "\nc,born,1982-03-04," FILLER
         "\nd,-,1983-04-05," FILLER "\n", "a.csv", "phi.date-of-birth", 4},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t count = count_in(cases[i].table, cases[i].path, cases[i].rule);

        if (count != cases[i].count)
            fail_msg("%zu: %zu of %s in\n%s", i, count, cases[i].rule, cases[i].table);
    }
}

/* Tables that programs write: what is in them by chance stays what it is. */
static void ordinary_tables_are_not_raised(void **state)
{
    static const char *const columns[] = {"%u", "%010u", "%u.%u", "2024-%02u-%02u", "INV-%06u", "%09u"};
    AUTO_BUF struct buf text = buf_with_limit(1 << 20);
    struct fault fault = {0};
    size_t count, sure = 0;
    unsigned mask, state_of = 12345;

    (void)state;
    assert_ok(buf_add_text(&text, "id,number,version,day,invoice,ref\n", &fault), fault);
    for (unsigned row = 0; row < 3000; row++)
        for (size_t c = 0; c < COUNT(columns); c++) {
            unsigned a, b;

            state_of = state_of * 1103515245 + 12345;
            a = c == 3 ? 1 + state_of / 65536 % 12 : c == 0 ? row : state_of / 2;
            b = 1 + state_of / 7 % 28;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
            assert_ok(buf_add_format(&text, &fault, columns[c], a, b), fault);
#pragma GCC diagnostic pop
            assert_ok(buf_add_byte(&text, c + 1 == COUNT(columns) ? '\n' : ',', &fault), fault);
        }
    struct finding *findings = scan(buf_text(&text), "a.csv", &count, &mask);

    for (size_t i = 0; i < count; i++)
        sure += findings[i].confidence >= CONFIDENCE_MEDIUM;
    free(findings);
    if (sure > 5)
        fail_msg("%zu of 18,000 cells", sure);
}

static void names_of_secrets_without_end_are_not_called_clean(void **state)
{
    static const char *const words[] = {"token.", "password-", "secret=", "apikey: \"", "cookie: ", "password ("};
    AUTO_BUF struct buf text = buf_with_limit(8 << 20);
    struct fault fault = {0};

    (void)state;
    for (size_t w = 0; w < COUNT(words); w++) {
        struct finding *findings = NULL;
        size_t count;
        unsigned mask;
        clock_t start;
        double taken;
        bool ok;

        buf_clear(&text);
        while (text.len < 4 << 20)
            assert_ok(buf_add_text(&text, words[w], &fault), fault);
        start = clock();
        fault = (struct fault){0};
        ok = classify_scan(buf_slice(&text), SLICE("a.txt"), &findings, &count, &mask, &fault);
        free(findings);
        assert_true(ok || fault.kind == FAULT_LIMIT);
        taken = (double)(clock() - start) / CLOCKS_PER_SEC;
        if (taken > 2 * TEST_SLOWER)
            fail_msg("%s: %.1f s", words[w], taken);
    }
}

static bool is_ours(const struct surrogate_key *of, uint16_t rule, struct slice text)
{
    return surrogate_is_ours(of, classify_rule_shape(rule), FORM_PLAIN, text);
}

static void our_own_stand_ins_are_known_and_others_are_not(void **state)
{
    static const struct surrogate_key other = {.bytes = {9}};
    AUTO_BUF struct buf redacted = buf_with_limit(1 << 20);
    struct fault fault = {0};
    size_t count, left, strangers = 0;
    unsigned mask;
    AUTO_FREE struct finding *findings = scan(everything, "", &count, &mask);
    struct finding *found;

    (void)state;
    assert_ok(redact(slice_of(everything), findings, count, redact_all, &key, &redacted, NULL,
                     &fault),
              fault);
    found = scan(buf_text(&redacted), "", &left, &mask);
    assert_true(left >
                0); /* tokens keep their shape, so that code that checks it goes on working */
    for (size_t i = 0; i < left; i++) {
        struct slice text = slice_part(buf_slice(&redacted), found[i].start, found[i].end);

        if (found[i].class == CLASS_PAN || !is_ours(&key, found[i].rule, text))
            fail_msg("`%.*s` (%s) is not known as ours", SLICE_ARGS(text),
                     classify_rule_id(found[i].rule));
        strangers += !is_ours(&other, found[i].rule, text);
    }
    free(found);
    assert_true(strangers > 0);
    for (size_t i = 0; i < count; i++)
        if (findings[i].end - findings[i].start >= 12)
            assert_false(
                is_ours(&key, findings[i].rule,
                        slice_part(slice_of(everything), findings[i].start, findings[i].end)));
}

/* What an agent made of a redacted file, back again; `edit` may change it in between. */
static void restore_edited(const char *original, void (*edit)(struct buf *text),
                           struct buf *ret_text, size_t *ret_unsure)
{
    AUTO_BUF struct buf redacted = buf_with_limit(1 << 22);
    AUTO_BUF struct buf edited = buf_with_limit(1 << 22);
    struct surrogate_map map = {0};
    struct surrogate_base base;
    struct fault fault = {0};
    struct surrogate_outcome outcome;
    size_t count;
    unsigned mask;
    AUTO_FREE struct finding *findings = scan(original, "a.hl7", &count, &mask);

    assert_ok(
        redact(slice_of(original), findings, count, redact_all, &key, &redacted, &map, &fault),
        fault);
    assert_ok(buf_add(&edited, buf_slice(&redacted), &fault), fault);
    edit(&edited);
    base = (struct surrogate_base){slice_of(original), buf_slice(&redacted)};
    assert_ok(surrogate_restore(buf_slice(&edited), &map, &base, ret_text, &outcome, &fault),
              fault);
    *ret_unsure = outcome.unsure;
    surrogate_map_free(&map);
}

static void leave(struct buf *text)
{
    (void)text;
}

static void add_a_line(struct buf *text)
{
    struct fault fault = {0};

    assert_ok(buf_add_text(text, "OBX|1|new\r", &fault), fault);
}

/* The line of the patient, not its name. */
static void touch_the_line(struct buf *text)
{
    text->at[slice_find(buf_slice(text), SLICE("|M|"), 0) + 1] = 'U';
}

/* The short name as a word of its own, where it was not. */
static void say_the_name_elsewhere(struct buf *text)
{
    struct slice name = slice_part(
        buf_slice(text), slice_find(buf_slice(text), SLICE("||||"), 0) + 4, SIZE_MAX);
    AUTO_FREE char *line = xformat("NTE|1|%.3s\r", (const char *)name.at);
    struct fault fault = {0};

    assert_ok(buf_add_text(text, line, &fault), fault);
}

static void a_short_stand_in_comes_back_in_its_own_line_only(void **state)
{
    static const char original[] = "MSH|^~\\&|A\rPID|1||||Lee|||M|Lee|x\rOBX|1|a\r";
    static const struct {
        void (*edit)(struct buf *text);
        bool unsure;
        const char *holds, *lacks;
    } cases[] = {
        {leave, false, original, "nothing"},
        {add_a_line, false, "PID|1||||Lee|||M|Lee|x\rOBX|1|a\rOBX|1|new\r", "nothing"},
        {touch_the_line, true, "|U|", "Lee"},
        {say_the_name_elsewhere, true, "PID|1||||Lee|||M|Lee|x", "NTE|1|Lee"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO_BUF struct buf text = buf_with_limit(1 << 22);
        size_t unsure = 0;

        restore_edited(original, cases[i].edit, &text, &unsure);
        assert_int_equal(unsure > 0, cases[i].unsure);
        if (strstr(buf_text(&text), cases[i].holds) == NULL ||
            strstr(buf_text(&text), cases[i].lacks) != NULL)
            fail_msg("%zu: `%s`", i, buf_text(&text));
    }
}

/* More two-digit values than there are two-digit stand-ins: each line is put back, or said to
 * be unsure. */
static void more_short_values_than_stand_ins_are_shared_and_never_mixed_up(void **state)
{
    AUTO_BUF struct buf original = buf_with_limit(1 << 20);
    AUTO_BUF struct buf text = buf_with_limit(1 << 22);
    struct fault fault = {0};
    size_t unsure = 0;

    (void)state;
    for (unsigned i = 0; i < 300; i++)
        assert_ok(buf_add_format(&original, &fault, "PID|%u||%02u||x\r", i, i % 100), fault);
    restore_edited(buf_text(&original), leave, &text, &unsure);
    assert_int_equal(unsure, 0);
    assert_string_equal(buf_text(&text), buf_text(&original));
    buf_clear(&original);
    for (unsigned i = 0; i < 100; i++)
        assert_ok(buf_add_format(&original, &fault, "PID|||%02u||x\r", i), fault);
    buf_clear(&text);
    restore_edited(buf_text(&original), leave, &text, &unsure);
    assert_true(unsure > 0 || strcmp(buf_text(&text), buf_text(&original)) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_kind_is_found_where_it_is),
        TEST(what_only_looks_alike_is_left_alone),
        TEST(binary_content_is_opaque_and_searched_all_the_same),
        TEST(text_of_two_bytes_a_character_is_text),
        TEST(what_only_begins_like_wide_text_is_opaque),
        TEST(a_redacted_text_has_the_same_length_and_none_of_the_values),
        TEST(a_large_table_of_cards_is_redacted_in_seconds),
        TEST(three_cells_of_a_column_speak_for_the_others),
        TEST(ordinary_tables_are_not_raised),
        TEST(names_of_secrets_without_end_are_not_called_clean),
        TEST(our_own_stand_ins_are_known_and_others_are_not),
        TEST(a_short_stand_in_comes_back_in_its_own_line_only),
        TEST(more_short_values_than_stand_ins_are_shared_and_never_mixed_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
