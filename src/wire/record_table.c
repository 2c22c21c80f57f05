#include "wire/record_table.h"

_Static_assert(RECORD_FIELD_COUNT <= 128, "a set of fields is a mask of 128 bits");
_Static_assert(RECORD_TYPE_COUNT <= 64, "a set of types is a 64-bit mask");

#define F(field) RECORD_BIT(RECORD_##field)

/* Who did it, and what policy said: allowed in every record about a run. */
#define WHO                                                                                   \
    (F(RUN) | F(AGENT) | F(ON_BEHALF_OF) | F(ENGINE) | F(PID) | F(PARENT) | F(EXECUTABLE) |   \
     F(EXECUTABLE_DIGEST) | F(COMMAND))
#define RULED                                                                                 \
    (F(OPERATION) | F(CLASS) | F(VERDICT) | F(RULE) | F(POLICY) | F(OUTCOME) | F(REASON) |    \
     F(MECHANISM) | F(COUNT) | F(DURATION_US) | F(REPOSITORY) | F(STATUS) | F(DIGEST) |       \
     F(SIZE) | F(INTENT))
#define ABOUT (WHO | RULED)
#define PLACE (F(PATH) | F(PATH_TO) | F(BLOB) | F(BLOB_AFTER) | F(FIRST) | F(END))
#define PEER (F(HOST) | F(PORT) | F(METHOD) | F(BYTES_IN) | F(BYTES_OUT))
#define CALL                                                                                  \
    (PEER | F(PATH) | F(MODEL) | F(PROVIDER) | F(DIALECT) | F(SPOKEN) | F(RESIDENCY) |        \
     F(CONTRACT) | F(TOKENS_IN) | F(TOKENS_OUT) | F(TOKENS_CACHED) | F(TOKENS_WRITTEN) |                    \
     F(TOKENS_REASONING) | F(COST_MICRO_USD) | F(TOKENS_RESERVED) | F(COST_RESERVED) |        \
     F(FIRST_BYTE_US) | F(CERTIFICATE) | F(SERVED) | F(TOOL) | F(LINEAGE) | F(RECEIPTS))
#define CHANGED                                                                               \
    (F(CHANGE) | F(BASE) | F(HEAD) | F(TREE) | F(BRANCH) | F(FILES) | F(LINES) | F(TICKET) |  \
     F(PERSON) | F(PATH))
/* A value that stands elsewhere, encrypted, under a key that can be destroyed. */
#define SEALED (F(PAYLOAD) | F(COMMITMENT) | F(SCOPE))
/* A state of a ledger: whose, how far (COUNT), which tree. */
#define STATE (F(ORIGIN) | F(COUNT) | F(ROOT))
#define RANGE (F(FIRST) | F(END))

const struct record_type_row record_types[RECORD_TYPE_COUNT] = {
    [RECORD_RUN_STARTED] = {"run.started", "A run has begun", F(RUN),
                            ABOUT | CHANGED | SEALED | F(MODEL) | F(PROVIDER), false},
    [RECORD_RUN_ENDED] = {"run.ended", "A run has ended", F(RUN) | F(OUTCOME),
                          ABOUT | CHANGED | CALL, false},
    [RECORD_CELL_ENFORCED] = {"cell.enforced", "What the cell refuses, and by what", F(RUN),
                              ABOUT | F(PATH), false},
    [RECORD_CANARY] = {"canary", "A forbidden act was tried before the agent began",
                       F(RUN) | F(OUTCOME), ABOUT | PLACE | PEER, false},
    [RECORD_FILE_READ] = {"file.read", "Content of a file has reached an agent",
                          F(RUN) | F(PATH), ABOUT | PLACE, false},
    [RECORD_FILE_WRITTEN] = {"file.written",
                             "A file was modified, created, renamed or deleted",
                             F(RUN) | F(PATH) | F(OPERATION), ABOUT | PLACE, false},
    [RECORD_FILE_REFUSED] = {"file.refused", "An act on a file was refused", F(RUN) | F(PATH),
                             ABOUT | PLACE, false},
    [RECORD_FILE_REDACTED] = {"file.redacted", "Values of a file were replaced by stand-ins",
                              F(RUN) | F(PATH), ABOUT | PLACE | SEALED | F(RECEIPTS), false},
    [RECORD_READS_COMPARED] = {"reads.compared",
                               "What the view recorded was compared with what the kernel saw",
                               F(RUN) | F(OUTCOME), ABOUT | F(PATH) | F(FILES), false},
    [RECORD_AGENT_OUTPUT] = {"agent.output", "What the agent printed is kept",
                             F(RUN) | F(OUTCOME), ABOUT | SEALED, false},
    [RECORD_EXEC] = {"exec", "A program was started", F(RUN), ABOUT | PLACE, false},
    [RECORD_REFUSED] = {"refused", "Something else was refused", F(REASON),
                        ABOUT | PLACE | CALL | CHANGED, false},
    [RECORD_MODEL_INTENT] = {"model.intent", "A model is about to be called", F(RUN),
                             ABOUT | CALL | SEALED, false},
    [RECORD_MODEL_OUTCOME] = {"model.outcome", "How a call of a model has ended",
                              F(RUN) | F(INTENT) | F(OUTCOME), ABOUT | CALL | SEALED, false},
    [RECORD_MCP_INTENT] = {"mcp.intent", "A tool server is about to be asked",
                           F(RUN) | F(PROVIDER) | F(METHOD), ABOUT | CALL | SEALED, false},
    [RECORD_MCP_OUTCOME] = {"mcp.outcome", "How a request to a tool server has ended",
                            F(RUN) | F(INTENT) | F(OUTCOME), ABOUT | CALL | SEALED, false},
    [RECORD_EGRESS] = {"egress", "Something else has left the cell", F(RUN) | F(HOST),
                       ABOUT | CALL | SEALED, false},
    [RECORD_CHANGE_MADE] = {"change.made", "What a run wrote has become a change", F(CHANGE),
                            ABOUT | CHANGED | SEALED, false},
    [RECORD_CHANGE_CHECKED] = {"change.checked", "A change was checked",
                               F(CHANGE) | F(OUTCOME), ABOUT | CHANGED, false},
    [RECORD_CHANGE_REJECTED] = {"change.rejected", "A person has rejected a change", F(CHANGE),
                                ABOUT | CHANGED, false},
    [RECORD_APPROVAL_GIVEN] = {"approval.given", "A person has approved a change",
                               F(CHANGE) | F(PERSON) | F(TREE), ABOUT | CHANGED, false},
    [RECORD_APPROVAL_VOID] = {"approval.void", "Approvals of a change count no more",
                              F(CHANGE), ABOUT | CHANGED, false},
    [RECORD_CHANGE_LANDED] = {"change.landed", "A change has reached a branch",
                              F(CHANGE) | F(TREE), ABOUT | CHANGED, false},
    [RECORD_POLICY_LOADED] = {"policy.loaded", "A policy is in force for a run", F(POLICY),
                              ABOUT | F(PATH) | F(BLOB), false},
    [RECORD_LEDGER_OPENED] = {"ledger.opened", "The ledger's writer has begun",
                              F(REASON) | F(COUNT), F(SIZE) | F(DIGEST) | F(MECHANISM), true},
    [RECORD_LEDGER_CLOSED] = {"ledger.closed", "The ledger's writer has ended in order",
                              F(REASON), F(COUNT) | F(SIZE), true},
    [RECORD_HEARTBEAT] = {"heartbeat", "The ledger's writer is at work", F(COUNT),
                          F(SIZE) | F(DURATION_US), true},
    [RECORD_CLOCK_STEPPED] = {"clock.stepped", "The clock has jumped", F(DURATION_US),
                              F(COUNT), true},
    [RECORD_DISK_STATE] = {"disk.state", "The ledger's disk has got full, or free again",
                           F(REASON), F(SIZE) | F(COUNT), true},
    [RECORD_SHARD_BEGUN] = {"shard.begun", "This ledger goes on where another has ended",
                            F(REASON) | STATE, F(DIGEST) | F(PERSON), true},
    [RECORD_KEY_ROTATED] = {"key.rotated", "A new key signs from here on, in a new ledger",
                            F(DIGEST), ABOUT | F(PERSON) | F(ORIGIN), true},
    [RECORD_KEY_STORED] = {"key.stored", "The signing key is kept in another way", F(REASON),
                           ABOUT | F(PERSON), false},
    [RECORD_LEDGER_BACKUP] = {"ledger.backup", "The ledger was copied", F(OUTCOME),
                              ABOUT | F(PERSON) | STATE, false},
    [RECORD_LEDGER_MOVED] = {"ledger.moved", "The ledger goes on at another host", F(OUTCOME),
                             ABOUT | F(PERSON) | STATE, false},
    [RECORD_LEDGER_RESTORED] = {"ledger.restored", "The ledger has come from a copy",
                                F(OUTCOME), ABOUT | F(PERSON) | STATE, false},
    [RECORD_ARCHIVE_MOVED] = {"archive.moved", "Records are kept in an archive",
                              F(OUTCOME) | RANGE, ABOUT | F(PERSON) | F(ORIGIN), false},
    [RECORD_ARCHIVE_EXPIRED] = {"archive.expired",
                                "Records were kept long enough, and are gone",
                                F(OUTCOME) | RANGE, ABOUT | F(PERSON) | F(ORIGIN), false},
    [RECORD_HOLD_PLACED] = {"hold.placed", "Nothing may be expired or erased there",
                            F(HOLD) | F(PERSON) | F(REASON), ABOUT | RANGE | F(SCOPE), false},
    [RECORD_HOLD_RELEASED] = {"hold.released", "A hold has ended",
                              F(HOLD) | F(PERSON) | F(REASON), ABOUT | RANGE | F(SCOPE),
                              false},
    [RECORD_ERASURE] = {"erasure", "A key was destroyed, and what it opened is gone",
                        F(OUTCOME), ABOUT | CHANGED | RANGE | F(SCOPE), false},
    [RECORD_BREAKGLASS] = {"breakglass", "Two people let the ledger's refusals be passed over",
                           F(PERSON) | F(SECOND) | F(REASON) | F(EXPIRES), ABOUT | CHANGED,
                           false},
    [RECORD_QUORUM_STATE] = {"quorum.state",
                             "Records wait too long for the witnesses, or no more",
                             F(REASON) | F(COUNT), F(DURATION_US) | F(MECHANISM), true},
    [RECORD_FINDING_SUPPRESSED] = {"finding.suppressed",
                                   "Somebody answers for findings of a scan",
                                   F(RULE) | F(PERSON) | F(EXPIRES),
                                   ABOUT | F(PATH) | F(PERSON) | F(EXPIRES), false},
};

#define NUMBER RECORD_KIND_NUMBER
#define TEXT RECORD_KIND_TEXT
#define AT_PATH RECORD_KIND_PATH
#define WORD RECORD_KIND_WORD
#define OBJECT RECORD_KIND_OBJECT
#define HASH RECORD_KIND_DIGEST

/* A unit test encodes every field and has the order checked. */
const struct record_place record_places[] = {
    {"", "agent", RECORD_AGENT, TEXT, "who: role@repository#run"},
    {"", "bytes_in", RECORD_BYTES_IN, NUMBER, "bytes received"},
    {"", "bytes_out", RECORD_BYTES_OUT, NUMBER, "bytes sent"},
    {"", "class", RECORD_CLASS, RECORD_KIND_CLASS, "class of data"},
    {"", "contract", RECORD_CONTRACT, TEXT, "contract that the provider is under"},
    {"", "cost_micro_usd", RECORD_COST_MICRO_USD, NUMBER, "cost, millionths of a US dollar"},
    {"", "cost_reserved", RECORD_COST_RESERVED, NUMBER, "the most that a call may cost"},
    {"", "count", RECORD_COUNT, NUMBER, "how many; of a ledger: records"},
    {"", "duration_us", RECORD_DURATION_US, NUMBER, "how long, microseconds"},
    {"", "expires", RECORD_EXPIRES, NUMBER, "when it ends, seconds since 1970"},
    {"", "files", RECORD_FILES, NUMBER, "how many files"},
    {"", "first_byte_us", RECORD_FIRST_BYTE_US, NUMBER, "until the first byte of the answer"},
    {"", "intent", RECORD_INTENT, NUMBER, "seq of the record that announced this"},
    {"", "lines", RECORD_LINES, NUMBER, "how many lines"},
    {"", "mechanism", RECORD_MECHANISM, TEXT, "what has enforced or refused it"},
    {"object", "base", RECORD_BASE, OBJECT, "commit that the run began from"},
    {"object", "blob", RECORD_BLOB, OBJECT, "git blob: what was read, or was there before"},
    {"object", "blob_after", RECORD_BLOB_AFTER, OBJECT, "git blob that is there now"},
    {"object", "branch", RECORD_BRANCH, TEXT, "branch"},
    {"object", "certificate", RECORD_CERTIFICATE, HASH, "SHA-256 of the peer's certificate"},
    {"object", "change", RECORD_CHANGE, TEXT, "id of a change"},
    {"object", "commitment", RECORD_COMMITMENT, HASH, "keyed commitment to a value"},
    {"object", "dialect", RECORD_DIALECT, TEXT, "API that was spoken"},
    {"object", "digest", RECORD_DIGEST, HASH, "SHA-256 of what the record is about"},
    {"object", "end", RECORD_END, NUMBER, "behind the last of a range"},
    {"object", "first", RECORD_FIRST, NUMBER, "first of a range"},
    {"object", "head", RECORD_HEAD, OBJECT, "commit"},
    {"object", "hold", RECORD_HOLD, TEXT, "id of a legal hold"},
    {"object", "host", RECORD_HOST, TEXT, "host"},
    {"object", "lineage", RECORD_LINEAGE, RECORD_KIND_LIST,
     "what of which files was in a call: path blob first-last, by semicolons"},
    {"object", "method", RECORD_METHOD, TEXT, "HTTP method, or one of a tool server's protocol"},
    {"object", "model", RECORD_MODEL, TEXT, "model that was asked for"},
    {"object", "origin", RECORD_ORIGIN, TEXT, "origin of a ledger"},
    {"object", "path", RECORD_PATH, AT_PATH, "path below the repository"},
    {"object", "path_to", RECORD_PATH_TO, AT_PATH, "new path"},
    {"object", "payload", RECORD_PAYLOAD, HASH, "SHA-256 of the encrypted payload"},
    {"object", "person", RECORD_PERSON, TEXT, "person who decided"},
    {"object", "port", RECORD_PORT, NUMBER, "port"},
    {"object", "provider", RECORD_PROVIDER, TEXT, "the policy's name of a provider or tool server"},
    {"object", "receipts", RECORD_RECEIPTS, RECORD_KIND_LIST,
     "values that were replaced: rule class first+length #ordinal=commitment, by semicolons"},
    {"object", "repository", RECORD_REPOSITORY, AT_PATH, "repository"},
    {"object", "root", RECORD_ROOT, HASH, "root of a ledger's tree"},
    {"object", "scope", RECORD_SCOPE, TEXT, "erasure scope: whose key opens it"},
    {"object", "second", RECORD_SECOND, TEXT, "second person who agreed"},
    {"object", "served", RECORD_SERVED, TEXT, "model that has answered"},
    {"object", "size", RECORD_SIZE, NUMBER, "size, bytes"},
    {"object", "spoken", RECORD_SPOKEN, TEXT, "API that the client spoke, where it is another"},
    {"object", "ticket", RECORD_TICKET, TEXT, "ticket, or its digest"},
    {"object", "tool", RECORD_TOOL, TEXT, "tool of a tool server"},
    {"object", "tree", RECORD_TREE, OBJECT, "git tree"},
    {"", "on_behalf_of", RECORD_ON_BEHALF_OF, TEXT, "responsible human"},
    {"", "operation", RECORD_OPERATION, WORD, "read, create, rename, delete, ..."},
    {"", "outcome", RECORD_OUTCOME, WORD, "intended, ok, refused, failed, ..."},
    {"", "policy", RECORD_POLICY, HASH, "digest of the policy in force"},
    {"", "prev", RECORD_HEADER_PREV, TEXT, "leaf hash of the producer's previous record"},
    {"process", "command", RECORD_COMMAND, HASH, "keyed commitment to its arguments"},
    {"process", "digest", RECORD_EXECUTABLE_DIGEST, HASH, "SHA-256 of the program's file"},
    {"process", "engine", RECORD_ENGINE, TEXT, "engine, the agent's program"},
    {"process", "executable", RECORD_EXECUTABLE, AT_PATH, "path of the program, in the cell"},
    {"process", "parent", RECORD_PARENT, NUMBER, "process that started it"},
    {"process", "pid", RECORD_PID, NUMBER, "process, as the cell sees it"},
    {"", "reason", RECORD_REASON, WORD, "why, a word of a closed set"},
    {"", "residency", RECORD_RESIDENCY, TEXT, "where the provider keeps data"},
    {"", "rule", RECORD_RULE, TEXT, "rule that has decided"},
    {"", "run", RECORD_RUN, TEXT, "id of a run"},
    {"", "salt", RECORD_HEADER_SALT, TEXT, "16 random bytes"},
    {"", "seq", RECORD_HEADER_SEQ, NUMBER, "number among the producer's records"},
    {"", "src", RECORD_HEADER_SRC, TEXT, "producer"},
    {"", "status", RECORD_STATUS, NUMBER, "exit code or HTTP status"},
    {"", "t_us", RECORD_HEADER_TIME, NUMBER, "the writer's clock, microseconds since 1970"},
    {"", "tokens_cached", RECORD_TOKENS_CACHED, NUMBER, "input tokens from the cache"},
    {"", "tokens_in", RECORD_TOKENS_IN, NUMBER, "input tokens"},
    {"", "tokens_out", RECORD_TOKENS_OUT, NUMBER, "output tokens"},
    {"", "tokens_reasoning", RECORD_TOKENS_REASONING, NUMBER, "output tokens of reasoning"},
    {"", "tokens_reserved", RECORD_TOKENS_RESERVED, NUMBER, "the most tokens of a call"},
    {"", "tokens_written", RECORD_TOKENS_WRITTEN, NUMBER, "input tokens kept in the cache"},
    {"", "type", RECORD_HEADER_TYPE, TEXT, "type of the record"},
    {"", "v", RECORD_HEADER_VERSION, TEXT, "version of the format"},
    {"", "verdict", RECORD_VERDICT, RECORD_KIND_VERDICT, "allow, redact or deny"},
};

const size_t record_place_count = COUNT(record_places);
