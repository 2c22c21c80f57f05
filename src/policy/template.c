/* What `custody init` writes: valid as it is, and says what each part is for. */
#include "base/scope.h"
#include "policy/policy.h"

#define QUOTED_BYTES_MAX 65536

/* As YAML's double-quoted text (YAML 1.2.2 section 5.7): whatever it holds, it is one scalar
 * of that value. */
static char *quoted(const char *text)
{
    AUTO_BUF struct buf out = buf_with_limit(QUOTED_BYTES_MAX);
    struct fault fault = {0};
    bool ok = buf_add_byte(&out, '"', &fault);

    for (; ok && *text != 0; text++) {
        uint8_t byte = (uint8_t)*text;

        if (byte == '"' || byte == '\\')
            ok = buf_add_byte(&out, '\\', &fault) && buf_add_byte(&out, byte, &fault);
        else if (byte < 0x20 || byte == 0x7f)
            ok = buf_add_format(&out, &fault, "\\x%02x", byte);
        else
            ok = buf_add_byte(&out, byte, &fault);
    }
    ok = ok && buf_add_byte(&out, '"', &fault);
    return slice_dup(ok ? buf_slice(&out) : SLICE("\"\"")); /* a value without end has none */
}

char *policy_template_organisation(const char *person, const char *email, const char *ssh_key)
{
    AUTO_FREE char *id = quoted(person);
    AUTO_FREE char *address = quoted(email);
    AUTO_FREE char *key = ssh_key == NULL ? xstrdup("") : quoted(ssh_key);

    return xformat(
        "# policy.yaml: what is allowed, for every repository on this machine. Trusted.\n"
        "# Every key: docs/policy.md. Check it: custody policy check\n"
        "version: 1\n"
        "\n"
        "# Who may ask, own and approve. `ssh` holds the public keys whose signatures "
        "approve.\n"
        "# The one who asked for a run can never approve its change: add a second person.\n"
        "people:\n"
        "  - { id: %s, email: %s, groups: [engineering], ssh: [%s] }\n"
        "\n"
        "# Where model calls may go, and with which data. The first is the default.\n"
        "# Keys are read by the gateway alone: key: { file: /etc/custody/llm.key }\n"
        "models:\n"
        "  - { name: onprem, url: \"http://127.0.0.1:8000/v1\", dialect: openai, residency: "
        "on-premises, allow: [code, phi-redacted, pan-redacted, secret-redacted, "
        "pii-redacted] }\n"
        "\n"
        "# Hard limits of one run.\n"
        "budgets: { run: { tokens: 400000, usd: 5.00, minutes: 30 } }\n"
        "resources: { memory: 4G, pids: 512, cpu: 200%%, disk: 10G }\n"
        "\n"
        "# Nothing of your environment reaches a cell but what is named here.\n"
        "environment: { pass: [LANG] }\n"
        "\n"
        "# No egress but model calls. A package mirror: { host: npm.example.org, methods: [GET], "
        "paths: [\"/**\"] }\n"
        "egress: []\n"
        "\n"
        "# Tickets, prompts, answers and diffs are committed to in the ledger; this keeps "
        "them, "
        "encrypted.\n"
        "# retention: { payloads: 90d }\n"
        "\n"
        "audit: summary\n"
        "phase: regulated\n",
        id, address, key);
}

char *policy_template_repository(const char *repository, const char *owner)
{
    AUTO_FREE char *name = quoted(repository);
    AUTO_FREE char *person = quoted(owner);

    return xformat(
        "# custody.yaml: this repository's part of the policy. It may only narrow what the "
        "organisation\n"
        "# allows; agents can never write it. Every key: docs/policy.md\n"
        "version: 1\n"
        "repository: %s\n"
        "owner: %s                # the responsible human\n"
        "\n"
        "# For each class of data: what a process in a cell sees, and what a model may see.\n"
        "data:\n"
        "  phi:    { view: redact, model: deny }\n"
        "  pan:    { view: redact, model: deny }\n"
        "  secret: { view: redact, model: deny }\n"
        "  pii:    { view: redact, model: deny }\n"
        "  opaque: { view: allow, model: deny }\n"
        "\n"
        "paths:\n"
        "  read:  { deny: [\"**/*.pem\", \"**/*.key\"], hide_names: true }\n"
        "  write: { deny: [\"infra/**\"] }\n"
        "  # zone: { \"src/ehr/**\": phi }      # what lives where: more approvals, narrower "
        "routing\n"
        "  # scratch: [build, node_modules]   # native speed, never collected\n"
        "\n"
        "limits: { files: 12, lines: 600 }\n"
        "approvals: { count: 1 }\n",
        name, person);
}
