#include "test.h"

#include <stdio.h>

#include "base/scope.h"
#include "classify/read.h"

/* "name=value;" of each element, in order. */
static char *elements_of(const struct reading *reading)
{
    struct buf out = buf_with_limit(1 << 20);
    struct fault fault = {0};
    char *text;

    for (size_t i = 0; i < reading->element_count; i++) {
        const struct element *element = &reading->elements[i];

        assert_ok(buf_add(&out, element->name, &fault) && buf_add_byte(&out, '=', &fault) &&
                      buf_add(&out, slice_part(reading->text, element->start, element->end),
                              &fault) &&
                      buf_add_byte(&out, ';', &fault),
                  fault);
    }
    text = slice_dup(buf_slice(&out));
    buf_free(&out);
    return text;
}

static struct reading make(const char *content, const char *path)
{
    struct reading reading;
    struct fault fault = {0};

    assert_ok(reading_make(slice_of(content), slice_of(path), &reading, &fault), fault);
    return reading;
}

static void names_and_values_of_each_format(void **state)
{
    static const struct {
        const char *path, *content, *elements;
        enum format format;
    } cases[] = {
        /* JSON */
        {"", "{\"ssn\": \"a\\nb\", \"n\": 12, \"t\": true}", "ssn=a\nb;n=12;", FORMAT_JSON},
        {"", "{\"a\":{\"b\":[\"x\",\"y\"]}, \"c\":\"z\"}", "b=x;b=y;c=z;", FORMAT_JSON},
        {"", "{\"ssn\":{\"value\":\"1\"}}", "ssn=1;", FORMAT_JSON},
        {"", "[{\"name\":\"TOKEN\",\"value\":\"v\"}]", "name=TOKEN;TOKEN=v;", FORMAT_JSON},
        {"", "{\"\\u0073sn\":\"\\ud83d\\ude00\\u0041\\/\\\"\"}",
         "ssn=\xf0\x9f\x98\x80"
         "A/\";",
         FORMAT_JSON},
        {"", "{\"a\":\"1\"}\n{\"a\":\"2\"}\n", "a=1;a=2;", FORMAT_JSON},
        {"", "{\"a\":\"cut", "a=cut;", FORMAT_JSON},
        {"a.json", "// note\n{\"a\": \"1\",}", "a=1;", FORMAT_JSON},
        {"a.ipynb", "{\"cells\":[{\"source\":[\"x = 1\\n\",\n  \"y\"]}],\"nbformat\":4}",
         "source=x = 1\n;source=y;nbformat=4;", FORMAT_NOTEBOOK},
        /* keys */
        {".env", "A_KEY=one\nexport B='t''o' \nC=\"x\\ty\" # z\n#D=4\n",
         "A_KEY=one;B=t'o;C=x\ty;", FORMAT_KEYS},
        {"a.properties", "db.password = p w\nlong=a\\\n  b\nx:y\n",
         "db.password=p w;long=a\\\n  b;x=y;", FORMAT_KEYS},
        {"a.ini", "[s]\nkey = v ; note\n", "key=v;", FORMAT_KEYS},
        {"a.yaml",
         "a: 1\nkey: |\n  one\n  two\nnext: 'it''s'\nurl: http://x/y\nlist:\n  - p\n  - q: "
         "r\n",
         "a=1;key=  one\n  two;next=it's;url=http://x/y;list=p;q=r;", FORMAT_KEYS},
        {"docker-compose.yml",
         "environment:\n  - PW=abc\n  - \"TOKEN=d e\"\nenv:\n  - name: SECRET\n    value: "
         "s1\n",
         "PW=abc;TOKEN=d e;name=SECRET;SECRET=s1;", FORMAT_KEYS},
        {".netrc", "machine h login u\n password w\n", "login=u;password=w;", FORMAT_KEYS},
        {".pgpass", "h:5432:d:u:p\\:w\n", "host=h;port=5432;database=d;user=u;password=p\\:w;",
         FORMAT_KEYS},
        {"", "AB=1\nCD=2\n", "AB=1;CD=2;", FORMAT_KEYS},
        /* tables */
        {"a.csv", "name,ssn\n\"Doe, \"\"J\"\"\",1\nx,2\r\n",
         "name=Doe, \"J\";ssn=1;name=x;ssn=2;", FORMAT_TABLE},
        {"a.tsv", "a\tb\n1\t2\n", "a=1;b=2;", FORMAT_TABLE},
        {"a.csv", "a;b\n1,5;2\n", "a=1,5;b=2;", FORMAT_TABLE},
        {"a.csv", "1,2\n3,4\n", "=1;=2;=3;=4;", FORMAT_TABLE},
        {"a.csv", "a,b\n\"x,2\ny,3\n", "a=\"x;b=2;a=y;b=3;", FORMAT_TABLE},
        {"", "a,b\n1,2\n3,4\n", "a=1;b=2;a=3;b=4;", FORMAT_TABLE},
        /* SQL */
        {"a.sql", "INSERT INTO p.t (a, \"b\") VALUES (1, 'it''s'), (E'x\\ny', NULL);\n",
         "a=1;b=it's;a=x\ny;b=NULL;", FORMAT_SQL},
        {"a.sql",
         "CREATE TABLE `t` (\n `id` int(11) NOT NULL,\n `ssn` varchar(9) DEFAULT ',',\n "
         "PRIMARY "
         "KEY (`id`)\n);\nINSERT INTO `t` VALUES (1,'a\\'b'),(2,'c');\n",
         "id=1;ssn=a'b;id=2;ssn=c;", FORMAT_SQL},
        {"a.sql", "COPY public.t (id, note) FROM stdin;\n1\ta\\tb\n2\t\\N\n\\.\nSELECT 1;\n",
         "id=1;note=a\tb;id=2;note=\\N;", FORMAT_SQL},
        {"a.sql", "INSERT INTO t (a, b) VALUES (E'it\\'s', 'x'), (E'y\\\\', E'\\'');\n", "a=it's;b=x;a=y\\;b=';", FORMAT_SQL},
        {"a.sql", "insert into t(a) values (cast('x' as text));", "a=x;", FORMAT_SQL},
        /* neither */
        {"a.c", "int a = 1;\nint b = 2;\n", "", FORMAT_PLAIN},
        {"", "Dear all, see below.\nBest, J\n", "", FORMAT_PLAIN},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct reading reading = make(cases[i].content, cases[i].path);
        AUTO_FREE char *elements = elements_of(&reading);

        if (strcmp(elements, cases[i].elements) != 0 || reading.format != cases[i].format)
            fail_msg("%s\nreads as %d %s\n   not as %d %s", cases[i].content, reading.format,
                     elements, cases[i].format, cases[i].elements);
        reading_free(&reading);
    }
}

/* What the raw bytes say, found out in another way: escapes resolved, doubled quotes halved. */
static void decode_raw(enum format format, struct slice raw, struct buf *ret_text)
{
    struct fault fault = {0};

    for (size_t at = 0; at < raw.len;) {
        uint8_t bytes[4] = {raw.at[at]};
        size_t len = 1, written = 0;

        if (raw.at[at] == '\\' && format != FORMAT_TABLE)
            written = format == FORMAT_JSON ? read_escape_json(raw, at, bytes, &len)
                                            : read_escape_c(raw, at, bytes, &len);
        else if ((raw.at[at] == '\'' || raw.at[at] == '"') && at + 1 < raw.len &&
                 raw.at[at + 1] == raw.at[at])
            written = 2;
        assert_ok(buf_add(ret_text, slice_of_bytes(bytes, len), &fault), fault);
        at += written == 0 ? 1 : written;
    }
}

static void check_elements(const struct reading *reading, struct slice content)
{
    assert_int_equal(reading->element_count, 2);
    for (size_t i = 0; i < reading->element_count; i++) {
        const struct element *element = &reading->elements[i];
        struct buf text = buf_with_limit(4096);
        enum finding_form form;
        size_t from, to;

        reading_map(reading, element->start, element->end, &from, &to, &form);
        decode_raw(reading->format, slice_part(content, from, to), &text);
        if (!slice_equal(buf_slice(&text),
                         slice_part(reading->text, element->start, element->end)))
            fail_msg("%.*s\nreads as %.*s", SLICE_ARGS(content), SLICE_ARGS(buf_slice(&text)));
        assert_true(form == FORM_PLAIN || form == FORM_BACKSLASH);
        buf_free(&text);
    }
}

static void every_element_maps_to_bytes_that_say_it(void **state)
{
    static const char *const pieces[] = {"a", "\\n", "\\\"", "\\u0041", "ssn", "7", " ", "=="};
    static const struct {
        const char *path, *head, *between, *tail;
    } frames[] = {
        {"a.json", "{\"k\":\"x", "\",\"l\":\"", "\"}"},
        {".env", "A=\"x", "\"\nB=\"x", "\"\n"},
        {"a.csv", "k,l\n\"\"\"x", "\",\"\"\"", "\"\n"},
        {"a.sql", "-- MySQL dump\nINSERT INTO t (a) VALUES ('x''", "','x''", "');"},
        {"a.sql", "COPY t (a, b) FROM stdin;\nx", "\tx", "\n\\.\n"},
    };
    unsigned random = 1;

    (void)state;
    for (size_t round = 0; round < 2000; round++) {
        struct buf content = buf_with_limit(4096);
        struct reading reading;
        struct fault fault = {0};
        size_t frame = round % COUNT(frames);

        assert_ok(buf_add_text(&content, frames[frame].head, &fault), fault);
        for (size_t i = 0; i < 12; i++) {
            const char *piece = pieces[(random >> 16) % COUNT(pieces)];

            random = random * 1103515245 + 12345;
            if (frame == 2 && strchr(piece, '"') != NULL) /* a table doubles its quotes */
                piece = "\"\"";
            assert_ok(buf_add_text(&content, i == 6 ? frames[frame].between : piece, &fault),
                      fault);
        }
        assert_ok(buf_add_text(&content, frames[frame].tail, &fault), fault);
        assert_ok(
            reading_make(buf_slice(&content), slice_of(frames[frame].path), &reading, &fault),
            fault);
        check_elements(&reading, buf_slice(&content));
        reading_free(&reading);
        buf_free(&content);
    }
}

static void what_has_no_escapes_is_not_copied(void **state)
{
    static const char *const cases[][2] = {{"a.c", "char *a = \"b\\n\";\n"},
                                           {"a.json", "{\"a\": [1, \"b\"]}"},
                                           {"a.csv", "a,b\n\"1\",2\n"},
                                           {".env", "A=1\nB=\"2\"\n"},
                                           {"a.sql", "INSERT INTO t (a) VALUES ('b');"}};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct reading reading = make(cases[i][1], cases[i][0]);

        assert_ptr_equal(reading.text.at, cases[i][1]);
        assert_int_equal(reading.text.len, strlen(cases[i][1]));
        assert_null(reading.pieces);
        reading_free(&reading);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(names_and_values_of_each_format),
        TEST(every_element_maps_to_bytes_that_say_it),
        TEST(what_has_no_escapes_is_not_copied),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
