#include "commands/scan_report.h"

#include <fcntl.h>
#include <time.h>

#include <openssl/evp.h>

#include "base/hex.h"
#include "base/scope.h"
#include "os/file.h"
#include "roles/scan.h"

void scan_report_free(struct scan_report *report)
{
    json_decref(report->findings);
    json_decref(report->unseen);
    report->findings = report->unseen = NULL;
}

static json_t *path_json(const char *path)
{
    json_t *text = json_string(path);

    return text != NULL ? text : json_string("(name is not UTF-8)");
}

/* ---- each file ---- */

static void date_text(int64_t until_s, char ret_text[16])
{
    time_t last = (time_t)until_s - 1;
    struct tm day;

    if (gmtime_r(&last, &day) == NULL || strftime(ret_text, 16, "%Y-%m-%d", &day) == 0)
        ret_text[0] = 0;
}

static json_t *suppression_json(const struct suppression *suppression)
{
    char until[16];

    date_text(suppression->until_s, until);
    return json_pack("{s:s, s:s, s:s, s:s}", "kind",
                     suppression->path == NULL ? "inline" : "file", "owner",
                     suppression->owner, "reason", suppression->reason, "until", until);
}

static void add_json(struct scan_report *report, const char *path,
                     const struct placed_finding *finding,
                     const struct suppression *suppression)
{
    json_t *told = json_pack(
        "{s:o, s:I, s:I, s:I, s:s, s:s, s:s}", "path", path_json(path), "line",
        (json_int_t)finding->line, "start", (json_int_t)finding->start, "end",
        (json_int_t)finding->end, "class", class_name((enum data_class)finding->class), "rule",
        classify_rule_id(finding->rule), "confidence", confidence_name(finding->confidence));

    if (finding->page > 0)
        (void)json_object_set_new(told, "page", json_integer(finding->page));
    if (suppression != NULL)
        (void)json_object_set_new(told, "suppressed", suppression_json(suppression));
    (void)json_array_append_new(report->findings, told);
}

static void print_line(const struct scan_report *report, const char *path,
                       const struct placed_finding *finding,
                       const struct suppression *suppression)
{
    if (finding->page > 0)
        (void)fprintf(report->out, "%s, page %u: ", path, finding->page);
    else
        (void)fprintf(report->out, "%s:%u: ", path, finding->line);
    (void)fprintf(report->out, "%s %s (%s)",
                  class_name((enum data_class)finding->class), classify_rule_id(finding->rule),
                  confidence_name(finding->confidence));
    if (suppression != NULL)
        (void)fprintf(report->out, ", allowed by %s: %s", suppression->owner,
                      suppression->reason);
    (void)fputc('\n', report->out);
}

static void print_counts(const struct scan_report *report, const char *path,
                         const struct file_verdict *verdict)
{
    size_t counts[CLASS_COUNT] = {0};

    for (size_t i = 0; i < verdict->count; i++)
        counts[verdict->findings[i].class]++;
    (void)fprintf(report->out, "  %-48s", path);
    for (unsigned class = 0; class < CLASS_COUNT; class ++)
        if (counts[class] > 0)
            (void)fprintf(report->out, " %s %zu", class_name((enum data_class) class),
                          counts[class]);
    (void)fputc('\n', report->out);
}

static void tell_unseen(struct scan_report *report, const char *path, const char *why)
{
    if (report->format == SCAN_TEXT || report->format == SCAN_TABLE)
        (void)fprintf(report->out, report->format == SCAN_TEXT ? "%s: %s\n" : "  %-48s %s\n",
                      path, why);
    else
        (void)fprintf(stderr, "custody scan: %s: %s\n", path, why);
    if (report->unseen != NULL)
        (void)json_array_append_new(
            report->unseen, json_pack("{s:o, s:s}", "path", path_json(path), "why", why));
}

/* Inline suppressions are in the file: one that may have some is read once more. */
static void match(struct scan_report *report, const char *path,
                  const struct file_verdict *verdict, size_t *rows)
{
    AUTO_BUF struct buf content = buf_with_limit(SCAN_BYTES_MAX);
    struct fault unsaid = {0};
    size_t refused = 0;

    if (verdict->has_mark && !file_read(AT_FDCWD, path, &content, &unsaid))
        buf_clear(&content);
    suppressions_match(report->suppressions, slice_of(path), buf_slice(&content), verdict,
                       rows, &refused);
    report->refused += refused;
}

bool scan_report_file(void *self, const char *path, const struct file_verdict *verdict,
                      const char *unseen, struct fault *fault)
{
    struct scan_report *report = self;
    AUTO_FREE size_t *rows = NULL;

    (void)fault;
    if (report->suppressions != NULL && verdict->count > 0) {
        rows = xalloc_array(verdict->count, sizeof(*rows));
        match(report, path, verdict, rows);
    }
    for (size_t i = 0; i < verdict->count; i++) {
        const struct suppression *suppression =
            rows == NULL || rows[i] == SIZE_MAX ? NULL : &report->suppressions->at[rows[i]];

        report->open += suppression == NULL;
        report->suppressed += suppression != NULL;
        if (report->format == SCAN_TEXT)
            print_line(report, path, &verdict->findings[i], suppression);
        else if (report->format != SCAN_TABLE)
            add_json(report, path, &verdict->findings[i], suppression);
    }
    if (report->format == SCAN_TABLE && verdict->count > 0)
        print_counts(report, path, verdict);
    if (unseen != NULL)
        tell_unseen(report, path, unseen);
    return true;
}

/* ---- SARIF 2.1.0 ---- */

static json_t *sarif_rules(void)
{
    json_t *rules = json_array();

    for (uint16_t rule = 0; rule < classify_rule_count(); rule++)
        (void)json_array_append_new(
            rules, json_pack("{s:s, s:{s:s}}", "id", classify_rule_id(rule),
                             "shortDescription", "text", classify_rule_text(rule)));
    return rules;
}

static const char *level_of(const char *confidence)
{
    static const char *const levels[] = {[CONFIDENCE_LOW] = "note",
                                         [CONFIDENCE_MEDIUM] = "warning",
                                         [CONFIDENCE_HIGH] = "error"};

    for (uint8_t each = 0; each < COUNT(levels); each++)
        if (strcmp(confidence, confidence_name(each)) == 0)
            return levels[each];
    return levels[CONFIDENCE_LOW];
}

/* Unreserved characters and "/" stay (RFC 3986). */
static char *uri_of(const char *path)
{
    static const char digits[] = "0123456789ABCDEF";
    char *uri = xalloc(strlen(path) * 3 + 1);
    size_t len = 0;

    for (const char *at = path; *at != 0; at++) {
        unsigned char byte = (unsigned char)*at;

        if ((byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
            (byte >= 'A' && byte <= 'Z') || strchr("-._~/", byte) != NULL) {
            uri[len++] = (char)byte;
        } else {
            uri[len++] = '%';
            uri[len++] = digits[byte >> 4];
            uri[len++] = digits[byte & 15];
        }
    }
    return uri;
}

/* The same from scan to scan while lines move: path, rule, and how many of the rule came before
 * in the file. Never made from the value. */
static char *fingerprint(const char *path, const char *rule, size_t ordinal)
{
    AUTO_FREE char *text = xformat("%s\n%s\n%zu", path, rule, ordinal);
    uint8_t digest[32] = {0};
    char *hex = xalloc(65);

    (void)EVP_Digest(text, strlen(text), digest, NULL, EVP_sha256(), NULL);
    hex_encode(slice_of_bytes(digest, sizeof(digest)), hex);
    return hex;
}

static json_t *sarif_suppressions(json_t *suppressed)
{
    const char *kind, *owner, *reason, *until;
    AUTO_FREE char *justification = NULL;

    (void)json_unpack(suppressed, "{s:s, s:s, s:s, s:s}", "kind", &kind, "owner", &owner,
                      "reason", &reason, "until", &until);
    justification = xformat("%s (%s, until %s)", reason, owner, until);
    return json_pack("[{s:s, s:s, s:s}]", "kind",
                     strcmp(kind, "inline") == 0 ? "inSource" : "external", "status",
                     "accepted", "justification", justification);
}

static json_t *sarif_result(json_t *finding, size_t ordinal)
{
    json_t *suppressed = json_object_get(finding, "suppressed"), *result;
    const char *path, *rule, *class, *confidence;
    AUTO_FREE char *uri = NULL;
    AUTO_FREE char *print = NULL;
    json_int_t line, start, end;

    (void)json_unpack(finding, "{s:s, s:I, s:I, s:I, s:s, s:s, s:s}", "path", &path, "line",
                      &line, "start", &start, "end", &end, "class", &class, "rule", &rule,
                      "confidence", &confidence);
    uri = uri_of(path);
    print = fingerprint(path, rule, ordinal);
    result = json_pack("{s:s, s:s, s:{s:s}, s:[{s:{s:{s:s}, s:{s:I, s:I, s:I}}}], s:{s:s}}",
                       "ruleId", rule, "level", level_of(confidence), "message", "text", class,
                       "locations", "physicalLocation", "artifactLocation", "uri", uri,
                       "region", "startLine", line, "byteOffset", start, "byteLength",
                       end - start, "partialFingerprints", "custody/v1", print);
    if (suppressed != NULL)
        (void)json_object_set_new(result, "suppressions", sarif_suppressions(suppressed));
    return result;
}

/* Files come one after the other, so that a count a rule is enough. */
static json_t *sarif_results(json_t *findings)
{
    AUTO_FREE size_t *counts = xalloc_array(classify_rule_count() + 1, sizeof(*counts));
    json_t *results = json_array(), *finding;
    const char *last = "";
    size_t i;

    json_array_foreach(findings, i, finding)
    {
        const char *path = json_string_value(json_object_get(finding, "path"));
        const char *id = json_string_value(json_object_get(finding, "rule"));
        uint16_t rule = 0;

        if (strcmp(path, last) != 0)
            memset(counts, 0, classify_rule_count() * sizeof(*counts));
        last = path;
        while (rule < classify_rule_count() && strcmp(classify_rule_id(rule), id) != 0)
            rule++;
        (void)json_array_append_new(results, sarif_result(finding, counts[rule]++));
    }
    return results;
}

static json_t *sarif_notifications(json_t *unseen)
{
    json_t *notifications = json_array(), *each;
    size_t i;

    json_array_foreach(unseen, i, each)
    {
        const char *path, *why;
        AUTO_FREE char *uri = NULL;

        (void)json_unpack(each, "{s:s, s:s}", "path", &path, "why", &why);
        uri = uri_of(path);
        (void)json_array_append_new(
            notifications, json_pack("{s:s, s:{s:s}, s:[{s:{s:{s:s}}}]}", "level", "warning",
                                     "message", "text", why, "locations", "physicalLocation",
                                     "artifactLocation", "uri", uri));
    }
    return notifications;
}

json_t *scan_report_sarif(const struct scan_report *report)
{
    return json_pack("{s:s, s:s, s:[{s:{s:{s:s, s:s, s:s, s:o}}, s:[{s:b, s:o}], s:o}]}",
                     "$schema", "https://json.schemastore.org/sarif-2.1.0.json", "version",
                     "2.1.0", "runs", "tool", "driver", "name", "custody", "version",
                     CUSTODY_VERSION, "semanticVersion", CUSTODY_VERSION, "rules",
                     sarif_rules(), "invocations", "executionSuccessful", 1,
                     "toolExecutionNotifications", sarif_notifications(report->unseen),
                     "results", sarif_results(report->findings));
}
