/*
 * What a person and a repository may still spend today (UTC). The run gets the rest of it;
 * runs that go on at the same time are counted when they end.
 */
#include "roles/core/parts.h"

#define DAY_US (INT64_C(86400) * 1000000)

struct day {
    const char *what;                   /* "person", "repository" */
    const struct policy_budget *budget; /* zeros: no limit */
    const char *whose;
    int64_t tokens, micro_usd; /* spent */
};

struct spending {
    int64_t since_us;
    struct day days[2];
};

static bool add_run(void *self, const struct store_run *row, struct fault *fault)
{
    struct spending *spending = self;
    const char *const whose[] = {row->requester, row->repository};

    (void)fault;
    for (size_t i = 0; row->started_us >= spending->since_us && i < COUNT(spending->days); i++)
        if (strcmp(whose[i], spending->days[i].whose) == 0) {
            spending->days[i].tokens += row->tokens;
            spending->days[i].micro_usd += row->cost_micro_usd;
        }
    return true;
}

/* Lowers `limit` (0: none) to what is left of the day's; false: nothing is. */
static bool take_rest(int64_t day, int64_t spent, int64_t *limit)
{
    int64_t rest = day - spent;

    if (day == 0)
        return true;
    if (rest > 0 && (*limit == 0 || rest < *limit))
        *limit = rest;
    return rest > 0;
}

bool core_budget(struct run *run, struct fault *fault)
{
    const struct policy *policy = run->policy;
    struct spending spending = {
        .since_us = run->begun_wall_us - run->begun_wall_us % DAY_US,
        .days = {{"person", &policy->budget_person_day, run->requester, 0, 0},
                 {"repository", &policy->budget_repository_day, collect_root(run->collect), 0,
                  0}},
    };
    bool any = false;

    run->budget = policy->budget_run;
    for (size_t i = 0; i < COUNT(spending.days); i++)
        any = any || spending.days[i].budget->tokens != 0 ||
              spending.days[i].budget->micro_usd != 0;
    if (any && !store_runs(run->store, NULL, add_run, &spending, NULL, fault))
        return fault_in(fault, "add up what was spent today") || run_because(run, "budget");
    for (size_t i = 0; i < COUNT(spending.days); i++) {
        const struct day *day = &spending.days[i];

        if (take_rest(day->budget->tokens, day->tokens, &run->budget.tokens) &&
            take_rest(day->budget->micro_usd, day->micro_usd, &run->budget.micro_usd))
            continue;
        (void)fault_set(fault, FAULT_DENIED,
                        "budgets.%s_day: %s has spent %lld tokens and %.2f US dollars today",
                        day->what, day->whose, (long long)day->tokens,
                        (double)day->micro_usd / 1e6);
        return run_because(run, "budget");
    }
    return true;
}
