/* scan: what in files and folders is sensitive. The values are never shown. */
#include "commands/scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "commands/table.h"
#include "os/file.h"
#include "roles/scan.h"

#define WORKERS 2
#define PATH_BYTES_MAX 4096

/* What is done with each finding, and with a file that was not looked into. */
struct sink {
    void (*finding)(void *self, const char *path, size_t line, const struct finding *finding);
    void (*unseen)(void *self, const char *path, const char *why);
    void *self;
};

struct tree {
    struct scan_pool *pool;
    const struct sink *sink;
    size_t files, findings, unseen;
};

/* What the worker said of one content. */
struct looked {
    struct finding *findings;
    size_t count;
    unsigned mask;
};

static bool keep_findings(void *self, size_t token, const struct finding *findings,
                          size_t count, unsigned class_mask, struct fault *fault)
{
    struct looked *looked = self;

    (void)token;
    (void)fault;
    looked->findings = xalloc_array(count, sizeof(*findings));
    if (count > 0)
        memcpy(looked->findings, findings, count * sizeof(*findings));
    looked->count = count;
    looked->mask = class_mask;
    return true;
}

static bool scan_file(struct tree *tree, int folder, const char *name, const char *path,
                      struct fault *fault)
{
    AUTO_BUF struct buf content = buf_with_limit(SCAN_BYTES_MAX);
    AUTO_FREE struct finding *findings = NULL;
    struct looked looked = {0};
    const struct scan_sink keep = {.found = keep_findings, .self = &looked};
    struct fault why = {0};
    size_t line = 1, at = 0;

    tree->files++;
    if (!file_read(folder, name, &content, &why)) {
        tree->unseen++;
        tree->sink->unseen(tree->sink->self, path,
                           why.kind == FAULT_LIMIT ? "too large" : "cannot be read");
        return true;
    }
    if (!scan_pool_submit(tree->pool, 0, buf_slice(&content), slice_of(path), &keep, fault) ||
        !scan_pool_drain(tree->pool, &keep, fault))
        return fault_in(fault, "scan %s", path);
    findings = looked.findings;
    if ((looked.mask & CLASS_BIT(CLASS_OPAQUE)) != 0) {
        tree->unseen++;
        tree->sink->unseen(tree->sink->self, path,
                           looked.mask == SCAN_UNEXAMINED ? "not examined"
                                                          : "opaque: searched as bytes only");
    }
    for (size_t i = 0; i < looked.count; i++) {
        for (; at < findings[i].start; at++)
            line += content.at[at] == '\n';
        tree->sink->finding(tree->sink->self, path, line, &findings[i]);
    }
    tree->findings += looked.count;
    return true;
}

static bool scan_path(struct tree *tree, int folder, const char *name, const char *path,
                      struct fault *fault);

static bool scan_folder(struct tree *tree, int fd, const char *path, struct fault *fault)
{
    DIR *dir = fdopendir(fd);
    bool ok = true;

    if (dir == NULL) {
        (void)close(fd);
        return fault_errno(fault, "list %s", path);
    }
    for (struct dirent *entry; ok && (entry = readdir(dir)) != NULL;) {
        AUTO_FREE char *below = NULL;

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            strcmp(entry->d_name, ".git") == 0)
            continue;
        below = path[0] == 0 ? xstrdup(entry->d_name) : xformat("%s/%s", path, entry->d_name);
        if (strlen(below) > PATH_BYTES_MAX)
            tree->sink->unseen(tree->sink->self, entry->d_name, "path too long");
        else
            ok = scan_path(tree, dirfd(dir), entry->d_name, below, fault);
    }
    (void)closedir(dir);
    return ok;
}

static bool scan_path(struct tree *tree, int folder, const char *name, const char *path,
                      struct fault *fault)
{
    struct stat stat;

    if (fstatat(folder, name, &stat, AT_SYMLINK_NOFOLLOW) < 0)
        return fault_errno(fault, "find %s", path);
    if (S_ISREG(stat.st_mode))
        return scan_file(tree, folder, name, path, fault);
    if (S_ISDIR(stat.st_mode)) {
        int fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

        return fd < 0 ? fault_errno(fault, "open %s", path)
                      : scan_folder(tree, fd, path, fault);
    }
    return true; /* links, sockets, devices hold nothing themselves */
}

static bool scan_all(const char *const *paths, size_t count, bool below,
                     const struct sink *sink, struct tree *ret_tree, struct fault *fault)
{
    struct tree tree = {.sink = sink};
    bool ok = scan_pool_new(WORKERS, &tree.pool, fault);

    for (size_t i = 0; ok && i < count; i++) {
        if (below || strcmp(paths[i], ".") == 0) {
            int fd = open(paths[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

            ok = fd < 0 ? fault_errno(fault, "open %s", paths[i])
                        : scan_folder(&tree, fd, "", fault);
        } else {
            ok = scan_path(&tree, AT_FDCWD, paths[i], paths[i], fault);
        }
    }
    scan_pool_free(tree.pool);
    *ret_tree = tree;
    return ok;
}

/* ---- JSON ---- */

static void json_finding(void *self, const char *path, size_t line,
                         const struct finding *finding)
{
    json_t *shown = json_string(path);

    if (shown == NULL) /* a name that is not UTF-8 */
        shown = json_string("(name is not UTF-8)");
    (void)json_array_append_new(
        self, json_pack("{s:o, s:I, s:I, s:I, s:s, s:s, s:s}", "path", shown, "line",
                        (json_int_t)line, "start", (json_int_t)finding->start, "end",
                        (json_int_t)finding->end, "class", class_name(finding->class), "rule",
                        classify_rule_id(finding->rule), "confidence",
                        confidence_name(finding->confidence)));
}

static void unseen_to_stderr(void *self, const char *path, const char *why)
{
    (void)self;
    (void)fprintf(stderr, "custody scan: %s: %s\n", path, why);
}

bool scan_tree_json(const char *folder, json_t *findings, struct fault *fault)
{
    const struct sink sink = {
        .finding = json_finding, .unseen = unseen_to_stderr, .self = findings};
    struct tree tree;

    return scan_all(&folder, 1, true, &sink, &tree, fault);
}

/* ---- text ---- */

struct table {
    FILE *out;
    char *path; /* of the lines being counted */
    size_t counts[CLASS_COUNT];
    bool each; /* a line a finding, else a line a file */
};

static void table_flush(struct table *table)
{
    if (table->path == NULL)
        return;
    (void)fprintf(table->out, "  %-48s", table->path);
    for (unsigned class = 0; class < CLASS_COUNT; class++)
        if (table->counts[class] > 0)
            (void)fprintf(table->out, " %s %zu", class_name((enum data_class) class),
                          table->counts[class]);
    (void)fputc('\n', table->out);
    free(table->path);
    table->path = NULL;
    memset(table->counts, 0, sizeof(table->counts));
}

static void text_finding(void *self, const char *path, size_t line,
                         const struct finding *finding)
{
    struct table *table = self;

    if (table->each) {
        (void)fprintf(table->out, "%s:%zu: %s %s (%s)\n", path, line,
                      class_name(finding->class), classify_rule_id(finding->rule),
                      confidence_name(finding->confidence));
        return;
    }
    if (table->path == NULL || strcmp(table->path, path) != 0) {
        table_flush(table);
        table->path = xstrdup(path);
    }
    table->counts[finding->class]++;
}

static void text_unseen(void *self, const char *path, const char *why)
{
    struct table *table = self;

    table_flush(table);
    (void)fprintf(table->out, table->each ? "%s: %s\n" : "  %-48s %s\n", path, why);
}

bool scan_tree_text(const char *folder, FILE *out, struct fault *fault)
{
    struct table table = {.out = out};
    const struct sink sink = {.finding = text_finding, .unseen = text_unseen, .self = &table};
    struct tree tree = {0};
    bool ok = scan_all(&folder, 1, true, &sink, &tree, fault);

    table_flush(&table);
    if (ok)
        (void)fprintf(out, "  %zu files, %zu findings, %zu not examined\n", tree.files,
                      tree.findings, tree.unseen);
    return ok;
}

/* ---- SARIF 2.1.0 ---- */

static json_t *sarif(json_t *findings)
{
    static const char *const levels[] = {[CONFIDENCE_LOW] = "note",
                                         [CONFIDENCE_MEDIUM] = "warning",
                                         [CONFIDENCE_HIGH] = "error"};
    json_t *rules = json_array(), *results = json_array(), *finding;
    size_t i;

    for (uint16_t rule = 0; rule < classify_rule_count(); rule++)
        (void)json_array_append_new(
            rules, json_pack("{s:s, s:{s:s}}", "id", classify_rule_id(rule),
                             "shortDescription", "text", classify_rule_text(rule)));
    json_array_foreach(findings, i, finding)
    {
        const char *path, *rule, *class, *confidence;
        json_int_t line, start, end;
        unsigned level = CONFIDENCE_LOW;

        (void)json_unpack(finding, "{s:s, s:I, s:I, s:I, s:s, s:s, s:s}", "path", &path,
                          "line", &line, "start", &start, "end", &end, "class", &class, "rule",
                          &rule, "confidence", &confidence);
        for (unsigned each = 0; each < COUNT(levels); each++)
            if (strcmp(confidence, confidence_name((uint8_t)each)) == 0)
                level = each;
        (void)json_array_append_new(
            results,
            json_pack("{s:s, s:s, s:{s:s}, s:[{s:{s:{s:s}, s:{s:I, s:I, s:I}}}]}", "ruleId",
                      rule, "level", levels[level], "message", "text", class, "locations",
                      "physicalLocation", "artifactLocation", "uri", path, "region",
                      "startLine", line, "byteOffset", start, "byteLength", end - start));
    }
    return json_pack("{s:s, s:s, s:[{s:{s:{s:s, s:s, s:o}}, s:o}]}", "$schema",
                     "https://json.schemastore.org/sarif-2.1.0.json", "version", "2.1.0",
                     "runs", "tool", "driver", "name", "custody", "version", CUSTODY_VERSION,
                     "rules", rules, "results", results);
}

static const struct option_rule options[] = {
    {"format", "FORMAT", "text, json or sarif (default: text)"},
    {"fail", NULL, "exit 1 when anything is found"},
    {NULL, NULL, NULL},
};

static int print_json(const struct invocation *invocation, json_t *findings, bool as_sarif)
{
    size_t count = json_array_size(findings);

    command_print_json(as_sarif ? sarif(findings) : json_incref(findings));
    json_decref(findings);
    return count > 0 && invocation_flag(invocation, "fail") ? EXIT_NO : EXIT_YES;
}

static int run(const struct invocation *invocation)
{
    static const char *const here[] = {"."};
    const char *const *paths = invocation->argument_count > 0 ? invocation->arguments : here;
    size_t count = invocation->argument_count > 0 ? invocation->argument_count : 1;
    const char *format = invocation_option(invocation, "format");
    bool as_sarif = format != NULL && strcmp(format, "sarif") == 0;
    bool as_json = invocation->json || (format != NULL && strcmp(format, "json") == 0);
    struct table table = {.out = stdout, .each = true};
    json_t *findings = json_array();
    const struct sink text = {.finding = text_finding, .unseen = text_unseen, .self = &table};
    const struct sink json = {
        .finding = json_finding, .unseen = unseen_to_stderr, .self = findings};
    struct tree tree = {0};
    struct fault fault = {0};
    bool ok = as_json || as_sarif || format == NULL || strcmp(format, "text") == 0;

    if (!ok)
        (void)fault_set(&fault, FAULT_INVALID, "no format %s: text, json or sarif", format);
    ok = ok &&
         scan_all(paths, count, false, as_json || as_sarif ? &json : &text, &tree, &fault);
    if (ok && (as_json || as_sarif))
        return print_json(invocation, findings, as_sarif);
    json_decref(findings);
    if (!ok)
        return command_fail(invocation, &fault);
    (void)fprintf(stderr, "%zu files, %zu findings, %zu not examined\n", tree.files,
                  tree.findings, tree.unseen);
    return tree.findings > 0 && invocation_flag(invocation, "fail") ? EXIT_NO : EXIT_YES;
}

const struct command command_scan = {
    .name = "scan",
    .arguments = "[PATH...]",
    .arguments_max = COMMAND_ARGUMENTS_MAX,
    .prints_json = true,
    .summary = "Finds what is sensitive in files and folders; never shows the values",
    .options = options,
    .run = run,
};
