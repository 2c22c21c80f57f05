#include <stdio.h>
#include <unistd.h>

#include <openssl/rand.h>

#include "base/scope.h"
#include "commands/table.h"
#include "os/file.h"
#include "roles/collect/collect.h"
#include "roles/scan.h"
#include "roles/session.h"

static const struct option_rule options[] = {
    {"repo", "DIR", "the repository (default: this folder)"},
    {"base", "REF", "the commit to look at (default: HEAD)"},
    {"role", "ROLE", "whose rules of the policy apply (default: coder)"},
    {NULL, NULL, NULL},
};

static json_t *classes_json(unsigned mask)
{
    json_t *array = json_array();

    for (unsigned i = 0; i < CLASS_COUNT; i++)
        if ((mask & CLASS_BIT(i)) != 0)
            (void)json_array_append_new(array, json_string(class_name((enum data_class)i)));
    return array;
}

static bool show(const struct invocation *invocation, const struct collect_look *look,
                 struct fault *fault)
{
    const char *verdict = verdict_name(look->verdict);

    if (invocation->json) {
        command_print_json(json_pack("{s:s, s:s, s:o, s:I, s:s}", "path",
                                     invocation->arguments[0], "verdict", verdict, "classes",
                                     classes_json(look->class_mask), "findings",
                                     (json_int_t)look->findings, "rule", look->rule));
        return true;
    }
    (void)fprintf(stderr, "custody: %s: %s%s%s, %zu findings%s\n", invocation->arguments[0],
                  verdict, look->rule[0] == 0 ? "" : " by ", look->rule, look->findings,
                  look->findings == 0 && look->class_mask == SCAN_UNEXAMINED
                      ? "; it was not looked into (too large?), so it counts as every class"
                      : "");
    return look->verdict == VERDICT_DENY ||
           file_write_all(1, buf_slice(&look->content), fault);
}

static bool look(const struct invocation *invocation, struct collect_look *ret_look,
                 struct fault *fault)
{
    const char *repository = invocation_option(invocation, "repo");
    const char *role = invocation_option(invocation, "role");
    struct collect_config config = {.repository = repository == NULL ? "." : repository};
    struct session session = {.home.fd = -1};
    struct collect *collect = NULL;
    struct collect_base base = {0};
    uint8_t key[32];
    bool ok = session_open(&session, fault) &&
              session_organisation(&session, &config.organisation, fault) &&
              collect_start(&config, &collect, fault) &&
              collect_resolve(collect, invocation_option(invocation, "base"), &base, fault);

    if (ok && RAND_bytes(key, sizeof(key)) != 1)
        ok = fault_set(fault, FAULT_IO, "draw a key for the stand-ins");
    ok = ok && collect_look(collect, base.commit, role == NULL ? POLICY_ROLE_DEFAULT : role,
                            invocation->arguments[0], key, ret_look, fault);
    buf_free(&base.settings);
    collect_stop(collect);
    session_close(&session);
    return ok;
}

static int run(const struct invocation *invocation)
{
    struct collect_look seen = {0};
    struct fault fault = {0};
    bool ok = look(invocation, &seen, &fault) && show(invocation, &seen, &fault);
    enum verdict verdict = seen.verdict;

    buf_free(&seen.content);
    if (!ok)
        return command_fail(invocation, &fault);
    return verdict == VERDICT_DENY ? EXIT_NO : EXIT_YES;
}

const struct command command_view = {
    .name = "view",
    .arguments = "PATH",
    .arguments_min = 1,
    .arguments_max = 1,
    .prints_json = true,
    .summary = "Shows what an agent would see of a file, without running one",
    .text = "PATH is relative to the repository's top. The content goes to standard output, "
            "with fresh stand-ins in\n"
            "the place of what is sensitive; the verdict to standard error. Exit 1: an agent "
            "would not see it.",
    .options = options,
    .run = run,
};
