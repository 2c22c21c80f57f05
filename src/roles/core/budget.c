/*
 * What a run may spend, and with whom it shares: the person who asks, the repository, and its
 * role there, each for a day (UTC). The gateway counts; here a day that is spent ends a run
 * before it begins.
 */
#include "os/clock_real.h"
#include "roles/core/parts.h"

#define MINUTE_US (INT64_C(60) * 1000000)

static struct book_account account(enum book_kind kind, const char *whose,
                                   const struct policy_budget *budget)
{
    return (struct book_account){
        kind,
        whose,
        {{budget->tokens, budget->micro_usd, budget->calls, budget->minutes * MINUTE_US}}};
}

static bool check(struct run *run, struct fault *fault)
{
    struct book *book;
    int fd;
    bool ok;

    if (!book_file_open(run->session->home.fd, &fd, fault) ||
        !book_open(fd, run->result->run, run->accounts, COUNT(run->accounts), &book, fault))
        return false;
    ok = book_check(book, clock_now_us(&clock_real), fault);
    book_close(book);
    return ok;
}

bool core_budget(struct run *run, struct fault *fault)
{
    const struct policy *policy = run->policy;
    const char *repository = collect_root(run->collect);

    run->role_there = xformat("%s@%s", run->request->role, repository);
    run->accounts[0] = account(BOOK_AGENT_DAY, run->role_there, &policy->budget_agent_day);
    run->accounts[1] = account(BOOK_PERSON_DAY, run->requester, &policy->budget_person_day);
    run->accounts[2] =
        account(BOOK_REPOSITORY_DAY, repository, &policy->budget_repository_day);
    if (check(run, fault))
        return true;
    if (fault->kind == FAULT_LIMIT) /* a day's rest: policy says no */
        fault->kind = FAULT_DENIED;
    return run_because(run, "budget");
}
