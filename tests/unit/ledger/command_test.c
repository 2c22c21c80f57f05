/* `custody log`, `custody verify` and custody-verify as people call them. */
#include "fixture.h"

#include <signal.h>
#include <sys/wait.h>

#include "ledger/ledger.h"
#include "os/spawn.h"
#include "roles/ledger_role/ledger.h"

struct run {
    int status;
    struct buf output;
};

static struct run run(const char *home, const char *program, const char *const *words)
{
    AUTO_FREE char *variable = xformat("CUSTODY_HOME=%s", home);
    const char *argv[16] = {program};
    const char *environment[] = {variable, "PATH=/usr/bin:/bin", "CUSTODY_LEDGER_LINGER_MS=0",
                                 NULL};
    struct spawn_program spawn = {
        .argv = argv, .environment = environment, .in = -1, .out = -1, .err = -1};
    struct run result = {.output = buf_with_limit(1 << 20)};
    struct fault fault = {0};

    for (size_t i = 0; words[i] != NULL; i++)
        argv[i + 1] = words[i];
    assert_ok(spawn_run(&spawn, (struct slice){0}, &result.output, &result.status, &fault),
              fault);
    return result;
}

#define RUN(home, ...) run((home)->path, program(), (const char *const[]){__VA_ARGS__, NULL})

static const char *program(void)
{
    const char *path = getenv("CUSTODY_PROGRAM");

    if (path == NULL || access(path, X_OK) != 0) {
        print_message("# skipped: CUSTODY_PROGRAM names no program\n");
        skip();
    }
    return path;
}

/* Seven records: ledger.opened, those below, ledger.closed. */
static void write_records(const struct fixture *home)
{
    static const struct {
        enum record_type type;
        const char *run, *agent, *path, *class, *verdict;
    } rows[] = {
        {RECORD_RUN_STARTED, "r1", NULL, NULL, NULL, NULL},
        {RECORD_FILE_READ, "r1", "coder@payments#r1", "src/main.c", "code", "allow"},
        {RECORD_FILE_REDACTED, "r1", "coder@payments#r1", "fixtures/patients/a.hl7", "phi",
         "redact"},
        {RECORD_FILE_REFUSED, "r2", "planner@payments#r2", "keys/server.pem", "secret",
         "deny"},
        {RECORD_FILE_READ, "r2", "planner@payments#r2", "README.md", "code", "allow"},
    };
    struct ledger_client *client;
    struct fault fault = {0};
    int socket;

    (void)setenv("CUSTODY_LEDGER_LINGER_MS", "0", 1);
    if (!file_exists(home->folder, "keys/ledger.key"))
        assert_ok(ledger_keys_make(home->folder, &fault), fault);
    assert_ok(ledger_connect(home->path, home->folder, &socket, &fault), fault);
    client = ledger_client_new(socket);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct record record;

        record_begin(&record, rows[i].type);
        record_word(&record, RECORD_RUN, rows[i].run);
        record_word(&record, RECORD_AGENT, rows[i].agent);
        record_word(&record, RECORD_ON_BEHALF_OF, "maria");
        record_word(&record, RECORD_PATH, rows[i].path);
        record_word(&record, RECORD_CLASS, rows[i].class);
        record_word(&record, RECORD_VERDICT, rows[i].verdict);
        assert_ok(ledger_record(client, &record, NULL, &fault), fault);
    }
    assert_ok(ledger_checkpoint(client, &fault), fault);
    ledger_client_free(client);
    fixture_ledger_ended(home);
}

static size_t lines_of(const struct buf *output)
{
    size_t count = 0;

    for (size_t i = 0; i < output->len; i++)
        count += output->at[i] == '\n';
    return count;
}

static void the_log_is_filtered(void **state)
{
    static const struct {
        const char *option, *value;
        size_t lines;
    } cases[] = {
        {"--run", "r1", 3},        {"--run", "r9", 0},
        {"--agent", "coder@*", 2}, {"--agent", "*@payments#r2", 2},
        {"--path", "src/*", 1},    {"--path", "*.hl7", 1},
        {"--type", "file.*", 4},   {"--type", "file.read", 2},
        {"--class", "phi", 1},     {"--verdict", "allow", 2},
        {"--since", "1h", 7},      {"--since", "2100-01-01", 0},
        {"--limit", "2", 2},       {"--format", "json", 7},
        {"--format", "text", 7},
    };
    struct fixture home = fixture_make();

    (void)state;
    (void)program();
    write_records(&home);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct run got = RUN(&home, "log", cases[i].option, cases[i].value);

        assert_int_equal(got.status, 0);
        if (lines_of(&got.output) != cases[i].lines)
            fail_msg("%s %s: %zu lines:\n%s", cases[i].option, cases[i].value,
                     lines_of(&got.output), buf_text(&got.output));
        buf_free(&got.output);
    }
    fixture_drop(&home);
}

static void a_line_of_json_is_a_record(void **state)
{
    struct fixture home = fixture_make();
    struct run got;
    json_t *json;

    (void)state;
    (void)program();
    write_records(&home);
    got = RUN(&home, "log", "--json", "--class", "phi");
    assert_int_equal(got.status, 0);
    json = json_loads(buf_text(&got.output), JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    assert_int_equal(json_integer_value(json_object_get(json, "index")), 3);
    assert_string_equal(json_string_value(json_object_get(json, "type")), "file.redacted");
    assert_string_equal(json_string_value(json_object_get(json, "run")), "r1");
    assert_string_equal(json_string_value(json_object_get(json, "on_behalf_of")), "maria");
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(json, "object"), "path")),
        "fixtures/patients/a.hl7");
    assert_int_equal(json_string_length(json_object_get(json, "time")), 27);
    assert_null(json_object_get(json, "salt"));
    json_decref(json);
    buf_free(&got.output);
    fixture_drop(&home);
}

static void words_that_no_record_has_are_wrong_use(void **state)
{
    static const char *const cases[][2] = {{"--type", "file.raed"}, {"--class", "fhi"},
                                           {"--verdict", "yes"},    {"--since", "yesterday"},
                                           {"--limit", "0"},        {"--format", "xml"}};
    struct fixture home = fixture_make();

    (void)state;
    (void)program();
    write_records(&home);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct run got = RUN(&home, "log", cases[i][0], cases[i][1]);

        assert_int_equal(got.status, 3);
        buf_free(&got.output);
    }
    fixture_drop(&home);
}

static void following_goes_on(void **state)
{
    struct fixture home = fixture_make();
    AUTO_FREE char *variable = xformat("CUSTODY_HOME=%s", home.path);
    const char *argv[] = {program(), "log", "--follow", "--json", "--limit", "1", NULL};
    const char *environment[] = {variable, NULL};
    struct spawn_program spawn = {
        .argv = argv, .environment = environment, .in = -1, .err = -1};
    struct process process;
    struct ledger_client *client;
    struct record record;
    struct fault fault = {0};
    char line[4096];
    FILE *output;
    int ends[2], socket, status;

    (void)state;
    write_records(&home);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    spawn.out = ends[1];
    assert_ok(spawn_program(&spawn, &process, &fault), fault);
    (void)close(ends[1]);
    output = fdopen(ends[0], "r");
    assert_non_null(fgets(line, sizeof(line), output));
    assert_non_null(strstr(line, "ledger.closed"));
    assert_ok(ledger_connect(home.path, home.folder, &socket, &fault), fault);
    client = ledger_client_new(socket);
    record_begin(&record, RECORD_FILE_READ);
    record_word(&record, RECORD_RUN, "r3");
    record_word(&record, RECORD_PATH, "later.c");
    assert_ok(ledger_record(client, &record, NULL, &fault), fault);
    do
        assert_non_null(fgets(line, sizeof(line), output)); /* ledger.opened may come first */
    while (strstr(line, "later.c") == NULL);
    ledger_client_free(client);
    (void)kill(process.pid, SIGTERM);
    assert_ok(process_wait(&process, 5000, &status, &fault), fault);
    (void)fclose(output);
    fixture_ledger_ended(&home);
    fixture_drop(&home);
}

static void flip_a_byte(const struct fixture *home, const char *name)
{
    AUTO_CLOSE int fd = openat(home->folder, name, O_RDWR | O_CLOEXEC);
    char byte;

    assert_int_equal(pread(fd, &byte, 1, 40), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, 40), 1);
}

static void expect_verdict(const struct fixture *home, int status, const char *result)
{
    AUTO_FREE char *verifier = xformat("%s-verify", program());
    AUTO_FREE char *ledger = xformat("%s/ledger", home->path);
    AUTO_FREE char *key = xformat("%s/keys/ledger.vkey", home->path);
    struct run runs[] = {RUN(home, "verify", "--key", key, "--json"),
                         RUN(home, "verify", ledger, "--key", key, "--json"),
                         run(home->path, verifier,
                             (const char *const[]){ledger, "--key", key, "--json", NULL})};

    json_t *first = NULL;

    for (size_t i = 0; i < COUNT(runs); i++) {
        json_t *json = json_loads(buf_text(&runs[i].output), JSON_REJECT_DUPLICATES, NULL);

        assert_int_equal(runs[i].status, status);
        assert_non_null(json);
        if (i == 0) { /* the whole ledger, and this is the only shard of it */
            assert_int_equal(json_array_size(json_object_get(json, "shards")), 1);
            (void)json_object_del(json, "shards");
            first = json_incref(json);
        }
        assert_true(json_equal(json, first));
        assert_string_equal(json_string_value(json_object_get(json, "result")), result);
        assert_true(json_is_array(json_object_get(json, "problems")));
        assert_true(json_is_integer(json_object_get(json, "size")));
        assert_true(json_is_string(json_object_get(json, "root")));
        json_decref(json);
    }
    json_decref(first);
    for (size_t i = 0; i < COUNT(runs); i++)
        buf_free(&runs[i].output);
}

static void both_verifiers_say_the_same(void **state)
{
    struct fixture home = fixture_make();

    (void)state;
    (void)program();
    write_records(&home);
    expect_verdict(&home, 0, "holds");
    flip_a_byte(&home, "ledger/tile/entries/000.p/7");
    expect_verdict(&home, 1, "tampering");
    assert_int_equal(unlinkat(home.folder, "ledger/tile/entries/000.p/7", 0), 0);
    expect_verdict(&home, 2, "incomplete");
    fixture_drop(&home);
}

/* What is wrong with the ledger's own files is a verdict; only the asker's are wrong use. */
static void damage_is_no_wrong_use(void **state)
{
    static const struct {
        const char *name;
        int status;
        const char *words;
    } cases[] = {
        {"ledger/checkpoint", 1, "note: no signature lines"},
        {"ledger/archive", 0, "The ledger holds"},
        {"ledger/handover", 0, "the key: it lay beside the ledger"},
        {"keys/ledger.vkey", 3, ""},
    };

    (void)state;
    (void)program();
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fixture home = fixture_make();
        struct fault fault = {0};
        struct run verified;

        write_records(&home);
        assert_ok(
            file_replace_durably(home.folder, cases[i].name, SLICE("garbage\n"), 0644, &fault),
            fault);
        verified = RUN(&home, "verify");
        assert_int_equal(verified.status, cases[i].status);
        assert_non_null(strstr(buf_text(&verified.output), cases[i].words));
        buf_free(&verified.output);
        fixture_drop(&home);
    }
}

static void wrong_use_of_verify_is_three(void **state)
{
    struct fixture home = fixture_make();
    struct run runs[] = {RUN(&home, "verify", "/nowhere"), RUN(&home, "verify", home.path),
                         RUN(&home, "verify", home.path, "--key", "no+key"),
                         RUN(&home, "verify", "a", "b")};

    (void)state;
    for (size_t i = 0; i < COUNT(runs); i++) {
        assert_int_equal(runs[i].status, 3);
        buf_free(&runs[i].output);
    }
    fixture_drop(&home);
}

/* A home with records, the names of its files, and what is proven from it. */
struct proving {
    struct fixture home;
    char *verifier, *ledger, *key, *checkpoint, *proof, *record, *kept, *fork;
};

static struct proving proving_make(void)
{
    struct proving proving = {.home = fixture_make()};
    const char *home = proving.home.path;

    write_records(&proving.home);
    proving.verifier = xformat("%s-verify", program());
    proving.ledger = xformat("%s/ledger", home);
    proving.key = xformat("%s/keys/ledger.vkey", home);
    proving.checkpoint = xformat("%s/ledger/checkpoint", home);
    proving.proof = xformat("%s/proof", home);
    proving.record = xformat("%s/record", home);
    proving.kept = xformat("%s/kept", home);
    proving.fork = xformat("%s/fork", home);
    return proving;
}

static void proving_drop(struct proving *proving)
{
    char *const texts[] = {proving->verifier,   proving->ledger, proving->key,
                           proving->checkpoint, proving->proof,  proving->record,
                           proving->kept,       proving->fork};

    for (size_t i = 0; i < COUNT(texts); i++)
        free(texts[i]);
    fixture_drop(&proving->home);
}

static void expect_run(struct run got, int status, const char *words)
{
    if (got.status != status ||
        (words != NULL && strstr(buf_text(&got.output), words) == NULL))
        fail_msg("exit %d instead of %d: %s", got.status, status, buf_text(&got.output));
    buf_free(&got.output);
}

#define VERIFIER(proving, ...)                                                                \
    run((proving)->home.path, (proving)->verifier,                                            \
        (const char *const[]){"--key", (proving)->key, __VA_ARGS__, NULL})

static void a_record_is_proven_and_checked_without_the_ledger(void **state)
{
    struct proving proving;

    (void)state;
    (void)program();
    proving = proving_make();
    expect_run(
        RUN(&proving.home, "prove", "2", "--out", proving.proof, "--record", proving.record),
        0, NULL);
    expect_run(RUN(&proving.home, "prove", "2", "--json"), 0,
               "\"proof\":\"c2sp.org/tlog-proof@v1\\nindex 2\\n");
    expect_run(
        RUN(&proving.home, "verify", "--proof", proving.proof, "--record", proving.record), 0,
        "record 2 of 7");
    expect_run(
        VERIFIER(&proving, "--proof", proving.proof, "--record", proving.record, "--json"), 0,
        "{\"index\":2,\"kind\":\"inclusion\",");
    expect_run(VERIFIER(&proving, "--proof", proving.proof), 2, "Nothing is proven");
    expect_run(VERIFIER(&proving, "--proof", proving.proof, "--record", proving.key), 1,
               "EVIDENCE OF TAMPERING");
    expect_run(VERIFIER(&proving, "--proof", proving.record, "--record", proving.record), 2,
               "not a proof");
    proving_drop(&proving);
}

static void keep(const struct proving *proving)
{
    AUTO_BUF struct buf note = buf_with_limit(4096);
    struct fault fault = {0};

    assert_ok(file_read(AT_FDCWD, proving->checkpoint, &note, &fault), fault);
    assert_ok(file_create(AT_FDCWD, proving->kept, buf_slice(&note), 0600, &fault), fault);
}

static void a_ledger_only_grew_and_that_is_proven(void **state)
{
    struct proving proving;

    (void)state;
    (void)program();
    proving = proving_make();
    keep(&proving);
    write_records(&proving.home);
    expect_run(RUN(&proving.home, "prove", "--from", "7", "--out", proving.proof), 0, "");
    expect_run(RUN(&proving.home, "prove", "--from", "3", "--to", "7", "--checkpoint",
                   proving.kept, "--json"),
               0, "\"old_size\":3");
    expect_run(VERIFIER(&proving, "--proof", proving.proof, "--against", proving.kept), 0,
               "grew out of that of 7");
    expect_run(VERIFIER(&proving, "--proof", proving.proof), 2, "Nothing is proven");
    expect_run(VERIFIER(&proving, proving.ledger, "--against", proving.kept, "--json"), 0,
               "\"kept_size\":7");
    expect_run(RUN(&proving.home, "verify", "--against", proving.kept), 0, "The ledger holds");
    proving_drop(&proving);
}

/* The same key, a folder that was emptied, other records: what root could do. */
static void a_ledger_written_anew_is_found_and_proven_a_fork(void **state)
{
    struct proving proving;
    struct fault fault = {0};

    (void)state;
    (void)program();
    proving = proving_make();
    keep(&proving);
    assert_ok(file_remove_tree(AT_FDCWD, proving.ledger, &fault), fault);
    write_records(&proving.home);
    write_records(&proving.home);
    expect_run(RUN(&proving.home, "verify"), 0, NULL); /* nothing to see without the old one */
    expect_run(
        RUN(&proving.home, "verify", "--against", proving.kept, "--fork-proof", proving.fork),
        1, "not those of the checkpoint that was kept");
    expect_run(VERIFIER(&proving, "--proof", proving.fork), 1, "a fork");
    expect_run(VERIFIER(&proving, "--proof", proving.fork, "--json"), 1, "\"kind\":\"fork\"");
    expect_run(VERIFIER(&proving, proving.ledger, "--against", proving.kept, "--fork-proof",
                        proving.fork),
               1, NULL); /* the evidence is there already: the verdict stands */
    proving_drop(&proving);
}

static void wrong_use_of_proofs_is_three(void **state)
{
    struct proving proving;

    (void)state;
    (void)program();
    proving = proving_make();
    expect_run(RUN(&proving.home, "prove"), 3, NULL);
    expect_run(RUN(&proving.home, "prove", "2x"), 3, NULL);
    expect_run(RUN(&proving.home, "prove", "2", "--to", "3"), 3, NULL);
    expect_run(RUN(&proving.home, "prove", "--from", "2", "--size", "3"), 3, NULL);
    expect_run(RUN(&proving.home, "prove", "2", "--from", "2"), 3, NULL);
    expect_run(RUN(&proving.home, "prove", "7"), 3, NULL);
    expect_run(RUN(&proving.home, "prove", "2", "--size", "5"), 3, NULL);
    expect_run(RUN(&proving.home, "verify", "--record", proving.key), 3, NULL);
    expect_run(RUN(&proving.home, "verify", "--fork-proof", proving.fork), 3, NULL);
    expect_run(RUN(&proving.home, "verify", "--against", proving.key), 3, NULL);
    expect_run(VERIFIER(&proving, proving.ledger, "--proof", proving.checkpoint), 3, NULL);
    expect_run(VERIFIER(&proving, "--proof", "/nowhere"), 3, NULL);
    expect_run(VERIFIER(&proving, proving.ledger, "--against"), 3, NULL);
    proving_drop(&proving);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_log_is_filtered),
        TEST(a_line_of_json_is_a_record),
        TEST(words_that_no_record_has_are_wrong_use),
        TEST(following_goes_on),
        TEST(both_verifiers_say_the_same),
        TEST(damage_is_no_wrong_use),
        TEST(wrong_use_of_verify_is_three),
        TEST(a_record_is_proven_and_checked_without_the_ledger),
        TEST(a_ledger_only_grew_and_that_is_proven),
        TEST(a_ledger_written_anew_is_found_and_proven_a_fork),
        TEST(wrong_use_of_proofs_is_three),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
