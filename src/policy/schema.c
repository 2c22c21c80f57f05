#include "policy/schema.h"

#define S POLICY_SEP
#define VERDICTS "allow redact deny"
#define ORG SCHEMA_ORGANISATION
#define REPO SCHEMA_REPOSITORY
#define BOTH SCHEMA_BOTH
#define ENFORCED EFFECT_ENFORCED
#define NOTED EFFECT_NOTED
#define BIG INT64_C(1000000000000000)

/* clang-format off: a row a line */
const struct schema_row schema_rows[] = {
    {"version", SCHEMA_INTEGER, BOTH, NARROW_OWN, ENFORCED, NULL, NULL, 1, 1,
     "format of the file: 1"},
    {"repository", SCHEMA_NAME, REPO, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "name of the repository in principals and records"},
    {"owner", SCHEMA_NAME, REPO, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "the responsible human: an id of `people`"},
    {"phase", SCHEMA_WORD, BOTH, NARROW_LOOSER_NOT, NOTED, "pilot narrow regulated automerge",
     "regulated", 0, 0,
     "how far the rollout has come; the organisation's is the highest that any repository may "
     "have"},
    {"frameworks" S "#", SCHEMA_WORD, REPO, NARROW_OWN, NOTED, "hipaa soc2 pci", NULL, 0, 0,
     "what the repository is assessed against"},

    {"people" S "#" S "id", SCHEMA_NAME, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "id of a person"},
    {"people" S "#" S "email", SCHEMA_TEXT, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "address in commits"},
    {"people" S "#" S "groups" S "#", SCHEMA_NAME, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "a group that the person is in"},
    {"people" S "#" S "ssh" S "#", SCHEMA_TEXT, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "a public key whose signature approves"},

    {"models" S "#" S "name", SCHEMA_NAME, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "name by which roles and records know it"},
    {"models" S "#" S "model", SCHEMA_TEXT, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "what the provider calls it, where that is not the name; requests name it so"},
    {"models" S "#" S "url", SCHEMA_URL, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "base URL; plain http to loopback only"},
    {"models" S "#" S "dialect", SCHEMA_WORD, ORG, NARROW_OWN, ENFORCED,
     "openai openai-responses anthropic gemini", NULL, 0, 0, "what it speaks"},
    {"models" S "#" S "service", SCHEMA_WORD, ORG, NARROW_OWN, ENFORCED, "plain azure bedrock",
     "plain", 0, 0,
     "whose way of being asked it has: plain (the dialect's own), azure (Azure OpenAI), bedrock "
     "(Amazon Bedrock; anthropic)"},
    {"models" S "#" S "api_version", SCHEMA_NAME, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "of azure: a date means the form with deployments in the path; not named: the v1 form"},
    {"models" S "#" S "region", SCHEMA_NAME, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "of bedrock: the region that requests are signed for"},
    {"models" S "#" S "reach" S "#", SCHEMA_WORD, ORG, NARROW_OWN, ENFORCED,
     "state files urls tools", NULL, 0, 0,
     "what nobody here has looked at and requests may use there all the same: what the provider "
     "keeps (earlier responses, caches), files uploaded to it, what it fetches, tools that it "
     "runs; none by default"},
    {"models" S "#" S "translate", SCHEMA_BOOLEAN, ORG, NARROW_OWN, ENFORCED, NULL, "false", 0, 0,
     "requests of agents that speak another one of openai, openai-responses and anthropic are "
     "translated for it: docs/dialects.md"},
    {"models" S "#" S "key" S "file", SCHEMA_PATH, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "file with its key; only the gateway reads it"},
    {"models" S "#" S "key" S "env", SCHEMA_NAME, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "or the variable that holds it"},
    {"models" S "#" S "residency", SCHEMA_NAME, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "where it runs: on-premises, us, eu, ..."},
    {"models" S "#" S "contract", SCHEMA_NAME, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "the agreement that covers it; without one (or residency on-premises) no call from a "
     "repository with zone phi"},
    {"models" S "#" S "expires", SCHEMA_DATE, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "last day of that agreement"},
    {"models" S "#" S "allow" S "#", SCHEMA_WORD, ORG, NARROW_OWN, ENFORCED,
     "code phi pan secret pii opaque phi-redacted pan-redacted secret-redacted pii-redacted",
     NULL, 0, 0,
     "a class of data that may go there, as it is or redacted; data.*.model must allow it, "
     "too"},
    {"models" S "#" S "ca", SCHEMA_PATH, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "certificates to trust instead of the system's, PEM"},
    {"models" S "#" S "pins" S "#", SCHEMA_NAME, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "SHA-256 of a public key (SubjectPublicKeyInfo), 64 hexadecimal digits: one of the "
     "provider's verified certificates must have such a key"},
    {"models" S "#" S "proxy" S "url", SCHEMA_TEXT, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "http://HOST:PORT of a proxy (CONNECT) on the way there"},
    {"models" S "#" S "proxy" S "credentials", SCHEMA_PATH, ORG, NARROW_OWN, ENFORCED, NULL,
     NULL, 0, 0, "file with USER:PASSWORD for it; only the gateway reads it"},
    {"models" S "#" S "prices" S "input", SCHEMA_MONEY, ORG, NARROW_OWN, ENFORCED, NULL, NULL,
     0, BIG, "US dollars for a million tokens in; where neither this nor output is "
     "named: as data/prices.yaml lists them"},
    {"models" S "#" S "prices" S "output", SCHEMA_MONEY, ORG, NARROW_OWN, ENFORCED, NULL, NULL,
     0, BIG, "US dollars for a million tokens out"},
    {"models" S "#" S "prices" S "cached", SCHEMA_MONEY, ORG, NARROW_OWN, ENFORCED, NULL, NULL,
     0, BIG, "US dollars for a million tokens in that come from the provider's cache; not "
     "named: as input"},
    {"models" S "#" S "prices" S "cache_write", SCHEMA_MONEY, ORG, NARROW_OWN, ENFORCED, NULL,
     NULL, 0, BIG, "... that are put into it; not named: as input"},
    {"models" S "#" S "prices" S "reasoning", SCHEMA_MONEY, ORG, NARROW_OWN, ENFORCED, NULL,
     NULL, 0, BIG, "US dollars for a million tokens of reasoning; not named: as output"},
    {"proxy" S "url", SCHEMA_TEXT, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "the same for every https:// model that names none and is not on-premises; it is never taken "
     "from the environment"},
    {"proxy" S "credentials", SCHEMA_PATH, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "file with USER:PASSWORD for it"},
    {"routing" S "phi" S "#", SCHEMA_NAME, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "residencies that patients' data may go to; no other model is sent any, redacted or not"},
    {"routing" S "pan" S "#", SCHEMA_NAME, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "the same for numbers of cards"},
    {"routing" S "secret" S "#", SCHEMA_NAME, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "the same for secrets"},
    {"routing" S "pii" S "#", SCHEMA_NAME, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "the same for what tells who a person is"},
    {"routing" S "opaque" S "#", SCHEMA_NAME, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "the same for what cannot be looked into"},
    {"routing" S "fallback" S "#", SCHEMA_NAME, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "models to try where the provider of a call fails before its answer, in order; each by the "
     "same rules, none that speaks another dialect"},
    {"routing" S "other_names", SCHEMA_WORD, ORG, NARROW_OWN, ENFORCED, "refuse run", "refuse", 0, 0,
     "a request that names a model which is no entry's name: refused with the list of those that "
     "are, or served by the run's own model"},

    {"budgets" S "run" S "tokens", SCHEMA_INTEGER, BOTH, NARROW_MINIMUM, ENFORCED, NULL, "0",
     0, BIG, "tokens of one run; 0: no limit"},
    {"budgets" S "run" S "usd", SCHEMA_MONEY, BOTH, NARROW_MINIMUM, ENFORCED, NULL, "0", 0,
     BIG, "US dollars of one run; 0: no limit"},
    {"budgets" S "run" S "calls", SCHEMA_INTEGER, BOTH, NARROW_MINIMUM, ENFORCED, NULL, "0", 0,
     BIG, "calls of models of one run; 0: no limit"},
    {"budgets" S "run" S "minutes", SCHEMA_INTEGER, BOTH, NARROW_MINIMUM, ENFORCED, NULL, "30",
     1, 10080, "time limit of one run"},
    {"budgets" S "person_day" S "usd", SCHEMA_MONEY, BOTH, NARROW_MINIMUM, ENFORCED, NULL, "0", 0, BIG,
     "US dollars of one person (who asks for a run) and day, UTC; runs at the same time share it"},
    {"budgets" S "person_day" S "tokens", SCHEMA_INTEGER, BOTH, NARROW_MINIMUM, ENFORCED, NULL, "0", 0, BIG,
     "tokens of the same"},
    {"budgets" S "person_day" S "calls", SCHEMA_INTEGER, BOTH, NARROW_MINIMUM, ENFORCED, NULL, "0", 0, BIG,
     "calls of models of the same"},
    {"budgets" S "person_day" S "minutes", SCHEMA_INTEGER, BOTH, NARROW_MINIMUM, ENFORCED, NULL, "0", 0, 10000000,
     "minutes that its calls may take together"},
    {"budgets" S "repository_day" S "usd", SCHEMA_MONEY, BOTH, NARROW_MINIMUM, ENFORCED, NULL, "0", 0, BIG,
     "US dollars of one repository and day, likewise"},
    {"budgets" S "repository_day" S "tokens", SCHEMA_INTEGER, BOTH, NARROW_MINIMUM, ENFORCED, NULL, "0", 0, BIG,
     "tokens of the same"},
    {"budgets" S "repository_day" S "calls", SCHEMA_INTEGER, BOTH, NARROW_MINIMUM, ENFORCED, NULL, "0", 0, BIG,
     "calls of models of the same"},
    {"budgets" S "repository_day" S "minutes", SCHEMA_INTEGER, BOTH, NARROW_MINIMUM, ENFORCED, NULL, "0", 0, 10000000,
     "minutes that its calls may take together"},
    {"budgets" S "agent_day" S "usd", SCHEMA_MONEY, BOTH, NARROW_MINIMUM, ENFORCED, NULL, "0", 0, BIG,
     "US dollars of one role in one repository and day, likewise"},
    {"budgets" S "agent_day" S "tokens", SCHEMA_INTEGER, BOTH, NARROW_MINIMUM, ENFORCED, NULL, "0", 0, BIG,
     "tokens of the same"},
    {"budgets" S "agent_day" S "calls", SCHEMA_INTEGER, BOTH, NARROW_MINIMUM, ENFORCED, NULL, "0", 0, BIG,
     "calls of models of the same"},
    {"budgets" S "agent_day" S "minutes", SCHEMA_INTEGER, BOTH, NARROW_MINIMUM, ENFORCED, NULL, "0", 0, 10000000,
     "minutes that its calls may take together"},

    {"egress" S "#" S "host", SCHEMA_NAME, BOTH, NARROW_SUBSET, ENFORCED, NULL, NULL, 0, 0,
     "a host that the door may reach besides models: docs/egress.md"},
    {"egress" S "#" S "port", SCHEMA_INTEGER, BOTH, NARROW_SUBSET, ENFORCED, NULL, "443", 1,
     65535, "and its port"},
    {"egress" S "#" S "methods" S "#", SCHEMA_WORD, BOTH, NARROW_SUBSET, ENFORCED,
     "GET HEAD POST PUT", NULL, 0, 0,
     "methods allowed there; with methods or paths every request is looked at, without either "
     "a TLS connection passes unread. With paths alone: GET and HEAD"},
    {"egress" S "#" S "paths" S "#", SCHEMA_TEXT, BOTH, NARROW_BOTH_MUST, ENFORCED, NULL, NULL,
     0, 0, "paths allowed there, as `/simple/**`"},
    {"egress" S "#" S "private", SCHEMA_BOOLEAN, ORG, NARROW_OWN, ENFORCED, NULL, "false", 0,
     0, "whether a private address is meant"},
    {"egress" S "#" S "ca", SCHEMA_PATH, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "certificates to trust there instead of the system's, PEM"},
    {"egress" S "#" S "upload", SCHEMA_BYTES, ORG, NARROW_OWN, ENFORCED, NULL, "0", 0, BIG,
     "bytes that one run may send there; 0: no limit"},
    {"egress" S "#" S "download", SCHEMA_BYTES, ORG, NARROW_OWN, ENFORCED, NULL, "0", 0, BIG,
     "bytes that one run may get from there; 0: no limit"},
    {"mcp" S "#" S "name", SCHEMA_NAME, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "name by which agents and records know it; not named: its host, with - for ."},
    {"mcp" S "#" S "url", SCHEMA_URL, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "a remote MCP server (streamable HTTP), which agents reach at the door: docs/mcp.md; plain "
     "http to loopback only"},
    {"mcp" S "#" S "tools" S "#", SCHEMA_NAME, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "a tool of it that agents may list and call"},
    {"mcp" S "#" S "digest", SCHEMA_TEXT, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "SHA-256 of those tools' descriptions, as `custody mcp pin` prints it: where they change, "
     "and before it is named, nothing is listed or called"},
    {"mcp" S "#" S "key" S "file", SCHEMA_PATH, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "file with its bearer token; only the gateway reads it"},
    {"mcp" S "#" S "key" S "env", SCHEMA_NAME, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "or the variable that holds it"},
    {"mcp" S "#" S "residency", SCHEMA_NAME, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "where it runs; `routing` holds for it as for models"},
    {"mcp" S "#" S "contract", SCHEMA_NAME, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "the agreement that covers it; without one (or residency on-premises) it is not there for "
     "a repository with zone phi"},
    {"mcp" S "#" S "expires", SCHEMA_DATE, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "last day of that agreement"},
    {"mcp" S "#" S "allow" S "#", SCHEMA_WORD, ORG, NARROW_OWN, ENFORCED,
     "code phi pan secret pii opaque phi-redacted pan-redacted secret-redacted pii-redacted",
     NULL, 0, 0,
     "a class of data that may go there, as it is or redacted; data.*.model must allow it, "
     "too"},
    {"mcp" S "#" S "ca", SCHEMA_PATH, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "certificates to trust instead of the system's, PEM"},
    {"mcp" S "#" S "pins" S "#", SCHEMA_NAME, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "SHA-256 of a public key (SubjectPublicKeyInfo), as of models"},
    {"mcp" S "#" S "proxy" S "url", SCHEMA_TEXT, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "http://HOST:PORT of a proxy (CONNECT) on the way there; not named: as for models"},
    {"mcp" S "#" S "proxy" S "credentials", SCHEMA_PATH, ORG, NARROW_OWN, ENFORCED, NULL, NULL,
     0, 0, "file with USER:PASSWORD for it"},

    {"resources" S "memory", SCHEMA_BYTES, ORG, NARROW_OWN, ENFORCED, NULL, "4G", 67108864,
     BIG, "memory of a cell"},
    {"resources" S "pids", SCHEMA_INTEGER, ORG, NARROW_OWN, ENFORCED, NULL, "512", 8, 1000000,
     "processes of a cell"},
    {"resources" S "cpu", SCHEMA_PERCENT, ORG, NARROW_OWN, ENFORCED, NULL, "200%", 1, 1000000,
     "processors of a cell; 100% is one"},
    {"resources" S "disk", SCHEMA_BYTES, ORG, NARROW_OWN, ENFORCED, NULL, "10G", 1048576, BIG,
     "disk that a cell may fill"},
    {"resources" S "build_cache", SCHEMA_BYTES, ORG, NARROW_OWN, ENFORCED, NULL, "0", 0, BIG,
     "how large ~/.cache of a cell may be, which then outlives the run: one for each "
     "repository, policy and role; 0: nothing outlives a run"},
    {"resources" S "io", SCHEMA_BYTES, ORG, NARROW_OWN, ENFORCED, NULL, "0", 0, BIG,
     "bytes that a cell may read, and write, a second, past its view, of the disk below the "
     "state folder; 0: no limit. Where there is no such control group, a warning: "
     "docs/containers.md"},
    {"containment", SCHEMA_WORD, ORG, NARROW_OWN, ENFORCED, "full degraded", "full", 0, 0,
     "whether a run may begin in a cell that keeps less of what is promised, where the host "
     "has "
     "no other, or a person asks for it by --cell: docs/modes.md"},
    {"caches" S "*", SCHEMA_PATH, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "a folder of the host that cells see read-only: folder below HOME to absolute path, "
     "`{ .m2: /srv/m2 }`; as root each run has a user of its own, so others must be able to "
     "read it"},
    {"toolchain" S "root", SCHEMA_PATH, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "a folder with a root file system, whose programs cells have instead of the host's: "
     "docs/toolchains.md"},
    {"toolchain" S "image", SCHEMA_PATH, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "or an OCI image layout: the folder with oci-layout, index.json and blobs"},
    {"toolchain" S "tag", SCHEMA_NAME, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "which image of the layout, where there are several for this machine"},
    {"toolchain" S "digest", SCHEMA_TEXT, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "sha256:HEX of the image's manifest (or of the index that it is in): no other is used"},
    {"environment" S "pass" S "#", SCHEMA_NAME, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "a variable of the caller's that reaches the cell"},
    {"audit", SCHEMA_WORD, ORG, NARROW_OWN, ENFORCED, "summary full", "summary", 0, 0,
     "what the view records: first reads and first writes, or every open, too; what that "
     "costs: "
     "docs/view.md"},
    {"retention" S "profile", SCHEMA_WORD, ORG, NARROW_OWN, ENFORCED, "none pci hipaa", "none",
     0, 0,
     "how long archived records are kept: pci 1 year, hipaa 6 years; none: they never expire"},
    {"retention" S "hot", SCHEMA_DURATION, ORG, NARROW_OWN, ENFORCED, NULL, "90d", 90, 36500,
     "how old records must be before `custody archive` moves them"},
    {"retention" S "payloads", SCHEMA_DURATION, ORG, NARROW_OWN, ENFORCED, NULL, NULL, 1,
     36500,
     "how long tickets, prompts, answers and diffs are kept, encrypted; not named: none is, "
     "records only commit to them"},
    {"ledger" S "witnesses" S "#" S "url", SCHEMA_URL, ORG, NARROW_OWN, ENFORCED, NULL, NULL,
     0, 0, "a witness that is asked to cosign checkpoints; plain http to loopback only"},
    {"ledger" S "witnesses" S "#" S "key", SCHEMA_TEXT, ORG, NARROW_OWN, ENFORCED, NULL, NULL,
     0, 0, "and its public key, as `custody witness init` prints it"},
    {"ledger" S "require", SCHEMA_INTEGER, ORG, NARROW_OWN, ENFORCED, NULL, "0", 0, 32,
     "how many of them must have signed before checkpoint.cosigned is replaced"},
    {"ledger" S "quorum_seconds", SCHEMA_INTEGER, ORG, NARROW_OWN, ENFORCED, NULL, "3600", 5,
     604800,
     "how long a record may wait for so many before nothing new is begun; they are asked "
     "every 10 s"},
    {"ledger" S "filesystem", SCHEMA_WORD, ORG, NARROW_OWN, ENFORCED, "local any", "local", 0,
     0, "what the state folder may be on: any takes network file systems and FUSE, too"},

    {"data" S "*" S "view", SCHEMA_WORD, BOTH, NARROW_STRICTER, ENFORCED, VERDICTS,
     "redact; opaque, code: allow", 0, 0,
     "may a process in the cell read this class of data? (what is longer than 64 MiB counts "
     "as every class; opaque is what is no text: values that show in any bytes are found "
     "there, too)"},
    {"data" S "*" S "model", SCHEMA_WORD, BOTH, NARROW_STRICTER, ENFORCED, VERDICTS,
     "deny; code: allow", 0, 0,
     "may a model see it? redact: as stand-ins only, put there by the door (docs/door.md)"},
    {"data" S "*" S "checks", SCHEMA_WORD, BOTH, NARROW_STRICTER, NOTED, VERDICTS,
     "redact; secret, opaque, code: allow", 0, 0, "may a check, in a cell without a door?"},
    {"data" S "*" S "copies", SCHEMA_WORD, BOTH, NARROW_STRICTER, ENFORCED, "keep block",
     "block", 0, 0,
     "a stand-in that an agent has written into another file than its own: stays one there, "
     "or blocks the change (in no case does it become the value)"},
    {"data" S "*" S "answers", SCHEMA_WORD, BOTH, NARROW_STRICTER, ENFORCED, "report cut",
     "report", 0, 0,
     "a value that a model writes and may not have been sent: is recorded, or ends the answer, "
     "too (docs/door.md)"},
    {"paths" S "read" S "deny" S "#", SCHEMA_GLOB, BOTH, NARROW_UNION, ENFORCED, NULL, NULL, 0,
     0, "what no agent may read"},
    {"paths" S "read" S "deny" S "#" S "path", SCHEMA_GLOB, BOTH, NARROW_UNION, ENFORCED, NULL,
     NULL, 0, 0, "the same, as { path, must_match }"},
    {"paths" S "read" S "deny" S "#" S "must_match", SCHEMA_BOOLEAN, BOTH, NARROW_UNION,
     ENFORCED, NULL, "false", 0, 0, "refuse the run when the rule matches nothing"},
    {"paths" S "read" S "hide_names", SCHEMA_BOOLEAN, BOTH, NARROW_STRICTER, ENFORCED,
     "false true", "true", 0, 0, "whether denied names are hidden, too"},
    {"paths" S "write" S "allow" S "#", SCHEMA_GLOB, BOTH, NARROW_BOTH_MUST, ENFORCED, NULL,
     NULL, 0, 0, "where agents may write; none named: everywhere that is not denied"},
    {"paths" S "write" S "deny" S "#", SCHEMA_GLOB, BOTH, NARROW_UNION, ENFORCED, NULL, NULL,
     0, 0, "where they may not, whatever is allowed"},
    {"paths" S "zone" S "*", SCHEMA_WORD, BOTH, NARROW_UNION, ENFORCED, SCHEMA_ZONES, NULL, 0,
     0, "what lives where: pattern to zone"},
    {"paths" S "scratch" S "#", SCHEMA_FOLDER, BOTH, NARROW_UNION, ENFORCED, NULL, NULL, 0, 0,
     "a folder of native speed that is never collected"},
    {"limits" S "files", SCHEMA_INTEGER, BOTH, NARROW_MINIMUM, ENFORCED, NULL, "50", 1, 20000,
     "files of one change"},
    {"limits" S "lines", SCHEMA_INTEGER, BOTH, NARROW_MINIMUM, ENFORCED, NULL, "2000", 1,
     10000000, "lines added and removed by one change"},
    {"limits" S "files_per_batch", SCHEMA_INTEGER, BOTH, NARROW_MINIMUM, NOTED, NULL, "5", 1,
     20000, "files of one batch of the coder"},
    {"agents" S "*" S "engine", SCHEMA_NAME, REPO, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "the program of a role"},
    {"agents" S "*" S "model", SCHEMA_NAME, REPO, NARROW_OWN, ENFORCED, NULL, NULL, 0, 0,
     "its model, by name"},
    {"agents" S "*" S "write", SCHEMA_WORD, REPO, NARROW_OWN, ENFORCED, "policy none",
     "policy", 0, 0, "whether it may write at all"},
    {"agents" S "*" S "read" S "deny" S "#", SCHEMA_GLOB, REPO, NARROW_UNION, ENFORCED, NULL,
     NULL, 0, 0, "what it may not read, besides what no agent may"},
    {"agents" S "*" S "read" S "deny" S "#" S "path", SCHEMA_GLOB, REPO, NARROW_UNION,
     ENFORCED, NULL, NULL, 0, 0, "the same, as { path, must_match }"},
    {"agents" S "*" S "read" S "deny" S "#" S "must_match", SCHEMA_BOOLEAN, REPO, NARROW_UNION,
     ENFORCED, NULL, "false", 0, 0, "refuse its run when the rule matches nothing"},
    {"agents" S "*" S "read" S "hide_names", SCHEMA_BOOLEAN, REPO, NARROW_STRICTER, ENFORCED,
     "false true", NULL, 0, 0,
     "whether denied names are hidden from it, too; not named: as paths.read.hide_names, and "
     "not "
     "weaker than that"},
    {"checks" S "run" S "#" S "#", SCHEMA_TEXT, REPO, NARROW_OWN, NOTED, NULL, NULL, 0, 0,
     "a word of a command that checks a change"},
    {"checks" S "scanners" S "#", SCHEMA_NAME, REPO, NARROW_OWN, NOTED, NULL, NULL, 0, 0,
     "a scanner to run on a change"},
    {"approvals" S "count", SCHEMA_INTEGER, BOTH, NARROW_MAXIMUM, ENFORCED, NULL, "1", 1, 16,
     "people who must approve"},
    {"approvals" S "from" S "#", SCHEMA_NAME, BOTH, NARROW_SUBSET, ENFORCED, NULL, NULL, 0, 0,
     "groups that they must be in"},
    {"approvals" S "zone" S "*", SCHEMA_INTEGER, BOTH, NARROW_MAXIMUM, ENFORCED, NULL, NULL, 1,
     16, "more people for a zone"},
};
/* clang-format on */

const size_t schema_row_count = COUNT(schema_rows);

/* Does the pattern of a row cover the path, or (ret_above) begin below it? */
static bool covers(const char *pattern, const char *path, bool *ret_above)
{
    struct slice pattern_rest = slice_of(pattern), path_rest = slice_of(path);
    struct slice want, have;

    *ret_above = false;
    while (slice_cut(&path_rest, POLICY_SEP_BYTE, &have)) {
        if (!slice_cut(&pattern_rest, POLICY_SEP_BYTE, &want))
            return false;
        if (slice_equal(want, SLICE("#"))   ? have.len < 2 || have.at[0] != '#'
            : slice_equal(want, SLICE("*")) ? have.len == 0 || have.at[0] == '#'
                                            : !slice_equal(want, have))
            return false;
    }
    *ret_above = pattern_rest.at != NULL;
    return !*ret_above;
}

const struct schema_row *schema_find(const char *path)
{
    bool above;

    for (size_t i = 0; i < schema_row_count; i++)
        if (covers(schema_rows[i].path, path, &above))
            return &schema_rows[i];
    return NULL;
}

/* The folder of keys that the path is of: an empty map or list may stand there. */
bool schema_is_above_a_row(const char *path)
{
    bool above;

    for (size_t i = 0; i < schema_row_count; i++)
        if (!covers(schema_rows[i].path, path, &above) && above)
            return true;
    return false;
}
