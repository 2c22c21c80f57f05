/* scan: what in files and folders is sensitive. The values are never shown. */
#include "commands/scan.h"

#include <fcntl.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "base/hex.h"
#include "base/scope.h"
#include "commands/scan_report.h"
#include "commands/table.h"
#include "os/clock_real.h"
#include "os/file.h"
#include "roles/scanning/kept.h"
#include "roles/scanning/rules.h"
#include "roles/session.h"

/* ---- for `init` ---- */

static bool scan_below(const char *folder, struct scan_report *report,
                       struct tree_counts *ret_counts, struct fault *fault)
{
    const struct tree_sink sink = {.file = scan_report_file, .self = report};

    return tree_scan(&folder, 1, true, NULL, &sink, ret_counts, fault);
}

bool scan_tree_json(const char *folder, json_t *findings, struct fault *fault)
{
    struct scan_report report = {.format = SCAN_JSON, .findings = findings};
    struct tree_counts counts;

    return scan_below(folder, &report, &counts, fault);
}

bool scan_tree_text(const char *folder, FILE *out, struct fault *fault)
{
    struct scan_report report = {.format = SCAN_TABLE, .out = out};
    struct tree_counts counts;

    if (!scan_below(folder, &report, &counts, fault))
        return false;
    (void)fprintf(out, "  %zu files, %zu findings, %zu not examined\n", counts.files,
                  counts.findings, counts.unseen);
    return true;
}

/* ---- the command ---- */

static const struct option_rule options[] = {
    {"format", "FORMAT", "text, json or sarif (default: text)"},
    {"fail", NULL, "exit 1 when anything is found that nobody answers for"},
    {"fresh", NULL, "look into every file, also where its verdict is known"},
    {NULL, NULL, NULL},
};

static const char *const format_names[] = {
    [SCAN_TEXT] = "text", [SCAN_JSON] = "json", [SCAN_SARIF] = "sarif"};

static const char *format_word(size_t number)
{
    static const char *const words[] = {"text", "json", "sarif"};

    return number < COUNT(words) ? words[number] : NULL;
}

static bool take_format(const struct invocation *invocation, enum scan_format *ret_format,
                        struct fault *fault)
{
    const char *format = invocation_option(invocation, "format");

    *ret_format = invocation->json ? SCAN_JSON : SCAN_TEXT;
    if (format == NULL)
        return true;
    for (unsigned i = 0; i < COUNT(format_names); i++)
        if (format_names[i] != NULL && strcmp(format, format_names[i]) == 0) {
            *ret_format = (enum scan_format)i;
            return true;
        }
    return fault_set(fault, FAULT_INVALID, "no format %s: text, json or sarif", format);
}

static bool read_suppressions(struct suppressions *ret_suppressions, struct fault *fault)
{
    AUTO_BUF struct buf yaml = buf_with_limit(SUPPRESSIONS_BYTES_MAX);

    *ret_suppressions = (struct suppressions){.now_s = clock_now_us(&clock_real) / 1000000};
    return !file_exists(AT_FDCWD, SUPPRESSIONS_FILE) ||
           (file_read(AT_FDCWD, SUPPRESSIONS_FILE, &yaml, fault) &&
            suppressions_parse(buf_slice(&yaml), ret_suppressions, fault));
}

static void show_progress(void *self, size_t files)
{
    (void)self;
    (void)fprintf(stderr, "\r%zu files", files);
}

static void print_summary(const struct scan_report *report, const struct tree_counts *counts)
{
    (void)fprintf(stderr, "%zu files, %zu findings, %zu not examined", counts->files,
                  report->open, counts->unseen);
    if (report->suppressed > 0)
        (void)fprintf(stderr, ", %zu more that somebody answers for", report->suppressed);
    (void)fputc('\n', stderr);
    if (report->refused > 0)
        (void)fprintf(
            stderr,
            "custody scan: warning: %zu times a suppression does not count: it needs "
            "owner=, reason= and an until= that is still to come\n",
            report->refused);
}

static bool scan(const struct invocation *invocation, struct scan_report *report,
                 struct tree_counts *ret_counts, struct fault *fault)
{
    static const char *const here[] = {"."};
    const char *const *paths = invocation->argument_count > 0 ? invocation->arguments : here;
    size_t count = invocation->argument_count > 0 ? invocation->argument_count : 1;
    bool shows =
        report->format == SCAN_TEXT && isatty(STDERR_FILENO) && !isatty(STDOUT_FILENO);
    const struct tree_sink sink = {
        .file = scan_report_file, .progress = shows ? show_progress : NULL, .self = report};
    struct kept kept = {.folder = -1};
    bool ok;

    if (!rules_prepare(fault))
        return false;
    if (!invocation_flag(invocation, "fresh"))
        kept_open(paths, count, &kept);
    ok = tree_scan(paths, count, false, kept.verdicts, &sink, ret_counts, fault);
    kept_close(&kept);
    if (shows)
        (void)fputc('\r', stderr);
    return ok;
}

/* One record a suppression that was for something. */
static bool record_each(struct ledger_client *ledger, const struct suppressions *suppressions,
                        struct fault *fault)
{
    bool ok = true;

    for (size_t i = 0; ok && i < suppressions->count; i++) {
        const struct suppression *each = &suppressions->at[i];
        struct record record;
        uint8_t digest[32];
        char hex[65];

        if (each->used == 0)
            continue;
        if (EVP_Digest(each->reason, strlen(each->reason), digest, NULL, EVP_sha256(), NULL) !=
            1)
            return fault_set(fault, FAULT_IO, "SHA-256 failed");
        record_begin(&record, RECORD_FINDING_SUPPRESSED);
        record_text(&record, RECORD_RULE, slice_of(each->rule));
        record_text(&record, RECORD_PERSON, slice_of(each->owner));
        record_number(&record, RECORD_EXPIRES, each->until_s);
        record_number(&record, RECORD_COUNT, (int64_t)each->used);
        hex_encode(slice_of_bytes(digest, sizeof(digest)), hex);
        record_text(&record, RECORD_DIGEST, slice_of(hex));
        if (each->path != NULL)
            record_text(&record, RECORD_PATH, slice_of(each->path));
        ok = ledger_record_durably(ledger, &record, NULL, fault);
    }
    return ok;
}

/* What nobody can look up later does not count. Without a state folder there is no ledger. */
static bool record_suppressions(const struct suppressions *suppressions, struct fault *fault)
{
    struct session session = {0};
    struct ledger_client *ledger = NULL;
    struct fault none = {0};
    bool ok;

    if (!session_open(&session, &none)) {
        (void)fprintf(stderr, "custody scan: what people answer for is not recorded: %s\n",
                      none.why);
        return none.kind == FAULT_MISSING || (*fault = none, false);
    }
    ok = session_ledger(&session, &ledger, fault) &&
         record_each(ledger, suppressions, fault) && ledger_checkpoint(ledger, fault);
    session_close(&session);
    return ok || fault_in(fault, "record what people answer for");
}

static int run(const struct invocation *invocation)
{
    struct suppressions suppressions = {0};
    struct scan_report report = {.out = stdout, .suppressions = &suppressions};
    struct tree_counts counts = {0};
    struct fault fault = {0};
    bool ok = take_format(invocation, &report.format, &fault) &&
              read_suppressions(&suppressions, &fault);

    report.findings = json_array();
    report.unseen = json_array();
    ok = ok && scan(invocation, &report, &counts, &fault) &&
         (report.suppressed == 0 || record_suppressions(&suppressions, &fault));
    if (ok && report.format == SCAN_JSON)
        command_print_json(json_incref(report.findings));
    if (ok && report.format == SCAN_SARIF)
        command_print_json(scan_report_sarif(&report));
    if (ok)
        print_summary(&report, &counts);
    scan_report_free(&report);
    suppressions_free(&suppressions);
    if (!ok)
        return command_fail(invocation, &fault);
    return report.open > 0 && invocation_flag(invocation, "fail") ? EXIT_NO : EXIT_YES;
}

static const struct option_words words[] = {{"format", format_word}, {NULL, NULL}};

const struct command command_scan = {
    .name = "scan",
    .arguments = "[PATH...]",
    .arguments_max = COMMAND_ARGUMENTS_MAX,
    .prints_json = true,
    .summary = "Finds what is sensitive in files and folders; never shows the values",
    .text =
        "What is known of a file by its state or content is not looked for again (--fresh "
        "does).\n"
        "\n"
        "A finding that is none is answered for by a person, with a reason and an end, in its "
        "line or "
        "the one before:\n"
        "  custody:allow RULE owner=maria until=2027-01-31 reason=\"published test card\"\n"
        "or for files in " SUPPRESSIONS_FILE " of the current folder:\n"
        "  version: 1\n"
        "  suppressions:\n"
        "    - { path: \"tests/**\", rule: pan.card, owner: maria, until: 2027-01-31, reason: "
        "test "
        "cards }\n"
        "RULE is a rule's id or a class. It changes what a scan counts, never what an agent "
        "or a "
        "model may see.",
    .options = options,
    .words = words,
    .run = run,
};
