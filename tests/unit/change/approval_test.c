#include "repository.h"

#include "change/approval.h"
#include "change/sshsig.h"

static const struct approval_statement sample = {
    .change = "c-20261124-035446-7f3a",
    .repository = "/home/ada/payments \"api\"",
    .base = "1111111111111111111111111111111111111111",
    .head = "2222222222222222222222222222222222222222",
    .into = "main",
    .tree = "3333333333333333333333333333333333333333",
    .diff = "44",
    .approver = "maria",
    .requester = "ada",
    .policy = "55",
    .time = "2026-11-24T03:54:46.123456Z",
};

static struct buf encoded(void)
{
    struct buf text = buf_with_limit(APPROVAL_STATEMENT_BYTES_MAX);
    struct fault fault = {0};

    assert_ok(approval_encode(&sample, &text, &fault), fault);
    return text;
}

static void the_statement_is_canonical_and_reads_back(void **state)
{
    AUTO_BUF struct buf text = encoded();
    AUTO_BUF struct buf arena = buf_with_limit(65536);
    struct approval_statement back = {0};
    struct fault fault = {0};

    (void)state;
    assert_true(
        slice_starts_with(buf_slice(&text), SLICE("{\"approver\":\"maria\",\"base\":\"1111")));
    assert_true(
        slice_ends_with(buf_slice(&text), SLICE("\",\"type\":\"custody-approval/v1\"}")));
    assert_ok(approval_decode(buf_slice(&text), &arena, &back, &fault), fault);
    assert_string_equal(back.repository, sample.repository);
    assert_string_equal(back.tree, sample.tree);
    assert_string_equal(back.time, sample.time);
}

static void any_other_byte_is_no_statement(void **state)
{
    AUTO_BUF struct buf text = encoded();
    struct fault fault = {0};

    (void)state;
    for (size_t i = 0; i < text.len; i++) {
        struct approval_statement back;
        AUTO_BUF struct buf arena = buf_with_limit(65536);

        assert_false(
            approval_decode(slice_part(buf_slice(&text), 0, i), &arena, &back, &fault));
        text.at[i] ^= 0x80;
        assert_false(approval_decode(buf_slice(&text), &arena, &back, &fault));
        text.at[i] ^= 0x80;
    }
}

static void make_key(const char *root, const char *name, char ret_public[512])
{
    AUTO_FREE char *path = xformat("%s/%s", root, name);
    AUTO_FREE char *public_name = xformat("%s.pub", name);
    AUTO_BUF struct buf text = buf_with_limit(511);
    AUTO_CLOSE int folder = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct fault fault = {0};

    assert_int_equal(RUN(root, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path), 0);
    assert_ok(file_read(folder, public_name, &text, &fault), fault);
    (void)snprintf(ret_public, 512, "%.*s", SLICE_ARGS(slice_trim(buf_slice(&text))));
}

static void only_the_persons_key_over_these_bytes_counts(void **state)
{
    char root[] = "/tmp/custody-approval.XXXXXX", key[512], other[512];
    const char *ssh[2] = {other, key};
    struct approval_person maria = {.id = "maria", .ssh = ssh, .ssh_count = 2};
    AUTO_BUF struct buf text = encoded();
    AUTO_BUF struct buf signature = buf_with_limit(SSHSIG_BYTES_MAX);
    struct fault fault = {0};

    (void)state;
    assert_non_null(mkdtemp(root));
    make_key(root, "maria", key);
    make_key(root, "mallory", other);
    {
        AUTO_FREE char *path = xformat("%s/maria", root);
        AUTO_FREE char *missing = xformat("%s/nobody", root);
        AUTO_BUF struct buf none = buf_with_limit(SSHSIG_BYTES_MAX);

        assert_ok(sshsig_sign(APPROVAL_NAMESPACE, path, buf_slice(&text), &signature, &fault),
                  fault);
        assert_false(
            sshsig_sign(APPROVAL_NAMESPACE, missing, buf_slice(&text), &none, &fault));
        assert_int_equal(fault.kind, FAULT_MISSING);
    }
    assert_ok(sshsig_verify(APPROVAL_NAMESPACE, &maria, buf_slice(&text),
                            buf_slice(&signature), root, &fault),
              fault);
    maria.ssh_count = 1; /* only the other key */
    assert_false(sshsig_verify(APPROVAL_NAMESPACE, &maria, buf_slice(&text),
                               buf_slice(&signature), root, &fault));
    assert_int_equal(fault.kind, FAULT_DENIED);
    maria.ssh_count = 2;
    text.at[20] ^= 1;
    assert_false(sshsig_verify(APPROVAL_NAMESPACE, &maria, buf_slice(&text),
                               buf_slice(&signature), root, &fault));
    text.at[20] ^= 1;
    assert_false(sshsig_verify(APPROVAL_NAMESPACE, &maria, buf_slice(&text),
                               SLICE("no signature"), root, &fault));
    { /* right key, right bytes, another purpose */
        AUTO_FREE char *path = xformat("%s/maria", root);
        AUTO_FREE char *file = xformat("%s/statement", root);
        AUTO_BUF struct buf mail = buf_with_limit(SSHSIG_BYTES_MAX);
        AUTO_CLOSE int folder = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        assert_ok(file_create(folder, "statement", buf_slice(&text), 0600, &fault), fault);
        assert_int_equal(
            RUN(root, "ssh-keygen", "-q", "-Y", "sign", "-n", "file", "-f", path, file), 0);
        assert_ok(file_read(folder, "statement.sig", &mail, &fault), fault);
        assert_false(sshsig_verify(APPROVAL_NAMESPACE, &maria, buf_slice(&text),
                                   buf_slice(&mail), root, &fault));
        assert_int_equal(fault.kind, FAULT_DENIED);
    }
    ssh[0] = "command=\"x\" ssh-ed25519 AAAA";
    assert_false(sshsig_verify(APPROVAL_NAMESPACE, &maria, buf_slice(&text),
                               buf_slice(&signature), root, &fault));
    assert_int_equal(fault.kind, FAULT_INVALID);
    assert_ok(file_remove_tree(AT_FDCWD, root, &fault), fault);
}

static void who_may_approve_is_a_person_of_the_groups_and_not_the_requester(void **state)
{
    static const char *const payments[] = {"payments"};
    static const char *const others[] = {"other", "payments"};
    static const char *const keys[] = {"ssh-ed25519 AAAA"};
    const struct approval_person people[] = {
        {"ada", payments, 1, keys, 1},
        {"maria", others, 2, keys, 1},
        {"omar", others, 1, keys, 1},
        {"keyless", payments, 1, NULL, 0},
    };
    const struct approval_rules rules = {people, COUNT(people), payments, 1, 1};
    static const struct {
        const char *approver, *requester;
        bool may;
    } cases[] = {
        {"maria", "ada", true},       {"ada", "ada", false},     {"omar", "ada", false},
        {"nobody", "ada", false},     {"keyless", "ada", false}, {"maria", "", false},
        {"maria", "stranger", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct approval_person *person = NULL;
        struct fault fault = {0};

        assert_int_equal(
            approval_may(&rules, cases[i].approver, cases[i].requester, &person, &fault),
            cases[i].may);
        assert_int_equal(fault.kind, cases[i].may ? FAULT_NONE : FAULT_DENIED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_statement_is_canonical_and_reads_back),
        TEST(any_other_byte_is_no_statement),
        TEST(only_the_persons_key_over_these_bytes_counts),
        TEST(who_may_approve_is_a_person_of_the_groups_and_not_the_requester),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
