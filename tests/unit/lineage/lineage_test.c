#include "lineage/lineage.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/scope.h"
#include "test.h"

#define BLOB "0123456789012345678901234567890123456789"

static const char program[] = "#include <stdio.h>\n"
                              "\n"
                              "int main(void)\n"
                              "{\n"
                              "    printf(\"the answer of this program is %d\\n\", 42);\n"
                              "    return 0;\n"
                              "}\n";
static const char other[] = "#include <stdio.h>\n"
                            "\n"
                            "static void nothing_of_the_kind(void);\n"
                            "    return 0;\n"
                            "}\n";

struct world {
    int fd;
    struct lines_key key;
    struct served *writer;
    struct lineage *lineage;
};

static struct world begin(void)
{
    struct world world;
    struct served *reader;
    struct fault fault = {0};

    lines_key_make((const uint8_t[LINES_KEY_BYTES]){7}, &world.key);
    assert_ok(served_make(&world.fd, &fault), fault);
    assert_ok(served_open(world.fd, true, &world.writer, &fault), fault);
    assert_ok(served_open(world.fd, false, &reader, &fault), fault);
    world.lineage = lineage_new(reader, &world.key);
    return world;
}

static void end(struct world *world)
{
    lineage_free(world->lineage);
    served_close(world->writer);
    (void)close(world->fd);
}

static void serve(struct world *world, const char *path, const char *content)
{
    served_add(world->writer, &world->key, slice_of(path), SLICE(BLOB), slice_of(content));
}

/* What the list says of one text; the caller frees. */
static char *list_of(struct world *world, const char *text)
{
    AUTO_BUF struct buf list = buf_with_limit(64 * 1024);
    struct fault fault = {0};

    lineage_begin(world->lineage);
    lineage_look(world->lineage, slice_of(text));
    assert_ok(lineage_list(world->lineage, &list, &fault), fault);
    return slice_dup(buf_slice(&list));
}

#define ASSERT_LIST(world, text, wanted)                                                      \
    do {                                                                                      \
        AUTO_FREE char *list = list_of(world, text);                                          \
        assert_string_equal(list, wanted);                                                    \
    } while (0)

static void a_whole_file_is_known(void **state)
{
    struct world world = begin();

    (void)state;
    ASSERT_LIST(&world, program, "");
    serve(&world, "src/main.c", program);
    serve(&world, "src/other.c", other);
    ASSERT_LIST(&world, program, "src/main.c " BLOB " 1-7");
    ASSERT_LIST(&world, other, "src/other.c " BLOB " 1-5");
    ASSERT_LIST(&world, "nothing of either is in here, not a line of it\n", "");
    end(&world);
}

static void lines_are_known_as_tools_write_them(void **state)
{
    static const char *const ways[] = {
        "    printf(\"the answer of this program is %d\\n\", 42);",
        "     5\t    printf(\"the answer of this program is %d\\n\", 42);",
        "    5\xE2\x86\x92    printf(\"the answer of this program is %d\\n\", 42);",
        "00005| printf(\"the answer of this program is %d\\n\", 42);",
        "5:    printf(\"the answer of this program is %d\\n\", 42);",
        "src/main.c:5:    printf(\"the answer of this program is %d\\n\", 42);",
        "src/main.c:    printf(\"the answer of this program is %d\\n\", 42);",
        "-    printf(\"the answer of this program is %d\\n\", 42);\r",
        "before it\n+    printf(\"the answer of this program is %d\\n\", 42);\nbehind it",
    };
    struct world world = begin();

    (void)state;
    serve(&world, "src/main.c", program);
    for (size_t i = 0; i < COUNT(ways); i++)
        ASSERT_LIST(&world, ways[i], "src/main.c " BLOB " 5");
    end(&world);
}

static void what_stands_in_many_files_tells_nothing_alone(void **state)
{
    struct world world = begin();

    (void)state;
    serve(&world, "src/main.c", program);
    serve(&world, "src/other.c", other);
    ASSERT_LIST(&world, "#include <stdio.h>\n", "");
    ASSERT_LIST(&world, "    return 0;\n}\n", "");
    end(&world);
}

static void parts_of_long_lines_are_known(void **state)
{
    AUTO_BUF struct buf line = buf_with_limit(8192);
    AUTO_FREE char *text = NULL, *cut = NULL;
    struct world world = begin();
    struct fault fault = {0};

    (void)state;
    for (int i = 0; i < 300; i++)
        assert_ok(buf_add_format(&line, &fault, "value%d,", i * 7), fault);
    text = slice_dup(buf_slice(&line));
    serve(&world, "data.csv", text);
    cut = slice_dup(slice_part(buf_slice(&line), 0, 700));
    ASSERT_LIST(&world, cut, "data.csv " BLOB " 1");
    end(&world);
}

static void ranges_paths_and_tools_are_told(void **state)
{
    AUTO_BUF struct buf list = buf_with_limit(64 * 1024);
    struct world world = begin();
    struct lineage_entry entry;
    struct fault fault = {0};
    struct slice rest;

    (void)state;
    serve(&world, "a dir/a;b.c", program);
    lineage_begin(world.lineage);
    lineage_look(world.lineage, SLICE("#include <stdio.h>\n\nint main(void)\n{\n"));
    lineage_look(world.lineage,
                 SLICE("and printf(\nprintf(\"the answer of this program is %d\\n\", 42);"));
    lineage_tool(world.lineage, SLICE("call_1"));
    lineage_tool(world.lineage, SLICE("call_1"));
    lineage_tool(world.lineage, SLICE("no name;of a call"));
    assert_ok(lineage_list(world.lineage, &list, &fault), fault);
    assert_string_equal(buf_text(&list), "a%20dir/a%3Bb.c " BLOB " 1-5;tool call_1");
    rest = buf_slice(&list);
    assert_true(lineage_entry_next(&rest, &entry));
    assert_true(slice_equal(entry.path, SLICE("a%20dir/a%3Bb.c")));
    assert_true(slice_equal(entry.blob, SLICE(BLOB)));
    assert_true(slice_equal(entry.lines, SLICE("1-5")));
    assert_true(lineage_entry_next(&rest, &entry));
    assert_int_equal(entry.path.len, 0);
    assert_true(slice_equal(entry.tool, SLICE("call_1")));
    assert_false(lineage_entry_next(&rest, &entry));
    end(&world);
}

static void what_does_not_fit_is_counted(void **state)
{
    AUTO_BUF struct buf text = buf_with_limit(1 << 20);
    AUTO_FREE char *list = NULL;
    struct world world = begin();
    struct fault fault = {0};
    struct lineage_entry entry;
    struct slice rest;
    size_t told = 0;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        AUTO_FREE char *path = xformat("folder/file-%d.txt", i);
        AUTO_FREE char *line = xformat("this is the one line of file number %d\n", i);

        serve(&world, path, line);
        assert_ok(buf_add_text(&text, line, &fault), fault);
    }
    list = list_of(&world, buf_text(&text));
    assert_true(strlen(list) <= LINEAGE_LIST_BYTES_MAX);
    rest = slice_of(list);
    while (lineage_entry_next(&rest, &entry) && !entry.more)
        told++;
    assert_true(entry.more);
    assert_int_equal(strtol(strrchr(list, '+') + 1, NULL, 10) + (long)told, 1000);
    end(&world);
}

static void a_list_that_is_none_is_read_to_its_end(void **state)
{
    static const char *const lists[] = {"",    ";", ";;;",  "a",     "a ",
                                        "a b", "+", "tool", "tool ", "a b c d;;+1;"};

    (void)state;
    for (size_t i = 0; i < COUNT(lists); i++) {
        struct slice rest = slice_of(lists[i]);
        struct lineage_entry entry;
        size_t count = 0;

        while (lineage_entry_next(&rest, &entry))
            count++;
        assert_true(count <= 3);
    }
}

/* Some files alike in part; the same texts with each turn, now and then another file is shown. */
static void a_text_that_comes_again_is_known_as_if_it_came_first(void **state)
{
    struct world world = begin();
    char *shown[24], *sent[24], *names[24];
    size_t differ = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(shown); i++) {
        shown[i] = xformat("/* file number %zu of those that are shown here */\n%s"
                           "    one_of_several(%zu, of_which_each_is_in_three);\n%s", i,
                           program, i / 3, i % 2 == 0 ? other : "");
        names[i] = xformat("src/%zu.c", i);
        sent[i] = xformat("%s%s", shown[i], i > 0 ? shown[i - 1] : "as it was\n");
    }
    for (size_t turn = 0; turn < 3 * COUNT(shown); turn++) {
        struct world fresh = begin();

        if (turn % 3 == 0)
            serve(&world, names[turn / 3], shown[turn / 3]);
        for (size_t i = 0; i <= turn / 3; i++)
            serve(&fresh, names[i], shown[i]);
        for (size_t i = 0; i <= turn / 3; i++) {
            AUTO_FREE char *again = list_of(&world, sent[i]);

            ASSERT_LIST(&fresh, sent[i], again);
            differ += strstr(again, "src/0.c") == NULL;
        }
        end(&fresh);
    }
    assert_true(differ > COUNT(shown));
    for (size_t i = 0; i < COUNT(shown); i++) {
        free(shown[i]);
        free(sent[i]);
        free(names[i]);
    }
    end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_file_is_known),
        cmocka_unit_test(lines_are_known_as_tools_write_them),
        cmocka_unit_test(what_stands_in_many_files_tells_nothing_alone),
        cmocka_unit_test(parts_of_long_lines_are_known),
        cmocka_unit_test(ranges_paths_and_tools_are_told),
        cmocka_unit_test(what_does_not_fit_is_counted),
        cmocka_unit_test(a_text_that_comes_again_is_known_as_if_it_came_first),
        cmocka_unit_test(a_list_that_is_none_is_read_to_its_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
