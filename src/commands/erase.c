/* custody erase - destroys the key of a run's payloads and commitments, and records it. */
#include <stdio.h>

#include "base/scope.h"
#include "commands/table.h"
#include "roles/records/erase.h"

static const struct option_rule options[] = {
    {"as", "PERSON", "who says so: one of the policy's people"},
    {"reason", "WORD", "why, a word for the record: subject-request, contract-ended, mistake"},
    {0},
};

static bool erase(struct session *session, const struct erase_request *request,
                  struct erase_result *result, struct fault *fault)
{
    const struct policy_settings *organisation;
    struct policy *policy;
    char *person = NULL;
    bool ok;

    if (!session_organisation(session, &organisation, fault) ||
        !policy_build(organisation, NULL, &policy, fault))
        return false;
    ok = session_requester(policy, request->person, &person, fault) &&
         erase_scope(session, request, result, fault);
    free(person);
    policy_free(policy);
    return ok;
}

static int run(const struct invocation *invocation)
{
    struct erase_request request = {.scope = invocation->arguments[0],
                                    .person = invocation_option(invocation, "as"),
                                    .reason = invocation_option(invocation, "reason")};
    struct erase_result result = {0};
    struct session session;
    struct fault fault = {0};
    bool ok;

    if (!command_word("reason", request.reason, &fault) || !session_open(&session, &fault))
        return command_fail(invocation, &fault);
    ok = erase(&session, &request, &result, &fault);
    session_close(&session);
    if (!ok)
        return command_fail(invocation, &fault);
    if (invocation->json)
        command_print_json(json_pack("{s:s,s:b,s:I}", "scope", request.scope, "was_erased",
                                     result.was_erased, "payloads",
                                     (json_int_t)result.payloads));
    else if (result.was_erased)
        (void)printf("%s was erased before\n", request.scope);
    else
        (void)printf("%s is erased: its key and %zu payloads are gone, the records stay\n",
                     request.scope, result.payloads);
    return EXIT_YES;
}

const struct command command_erase = {
    .name = "erase",
    .arguments = "SCOPE",
    .arguments_min = 1,
    .arguments_max = 1,
    .prints_json = true,
    .summary =
        "Destroys the key of a run's prompts, answers, diffs and ticket, and records it",
    .text = "SCOPE is a run's id. The key is overwritten and removed, then the encrypted "
            "payloads; nobody can\n"
            "open or test the run's commitments any more. No record changes: every proof and "
            "`custody verify`\n"
            "say what they said before. It is refused while the run is under way, or held "
            "(`custody hold`).\n"
            "What was cut off by a crash is finished by the next run, `runs gc` or erase. An "
            "erased scope is\n"
            "no fault. What remains: the records (times, sizes, models, people's ids), the "
            "commits of the\n"
            "repository, and backups of keys/scopes: those are yours to expire.",
    .options = options,
    .needs = "as reason",
    .run = run,
};
