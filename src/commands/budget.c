/* budget: what runs, people, repositories and roles have spent, and what is left. */
#include <stdio.h>

#include "base/scope.h"
#include "base/utf8.h"
#include "commands/table.h"
#include "flow/home.h"
#include "gateway/money/book.h"
#include "os/clock_real.h"

#define DAY_US (INT64_C(86400) * 1000000)

struct listing {
    json_t *rows; /* NULL: text */
    int32_t day;  /* whose lines are shown */
    bool all;     /* every day that the file still holds */
    size_t count;
};

static int64_t left_of(const struct book_line *line, size_t k)
{
    return amount_less(amount_less(line->limit.of[k], line->spent.of[k]),
                       line->reserved.of[k]);
}

static json_t *amount_json(const struct book_line *line, size_t k)
{
    json_t *shown = json_pack("{s:I,s:I}", "spent", (json_int_t)line->spent.of[k], "reserved",
                              (json_int_t)line->reserved.of[k]);
    bool limited = line->limit.of[k] > 0;

    (void)json_object_set_new(
        shown, "limit", limited ? json_integer((json_int_t)line->limit.of[k]) : json_null());
    (void)json_object_set_new(
        shown, "left", limited ? json_integer((json_int_t)left_of(line, k)) : json_null());
    return shown;
}

static json_t *line_json(const struct book_line *line, const char *whose, const char *day)
{
    json_t *shown = json_pack("{s:s,s:s,s:s%}", "budget", book_kind_name(line->kind), "whose",
                              whose, "day", day, (size_t)10);

    for (size_t k = 0; k < AMOUNT_COUNT; k++)
        (void)json_object_set_new(shown, amount_name((enum amount)k), amount_json(line, k));
    return shown;
}

static void print_line(const struct book_line *line, const char *whose, const char *day)
{
    (void)printf("%.10s  %-14s  %s\n", day, book_kind_name(line->kind), whose);
    for (size_t k = 0; k < AMOUNT_COUNT; k++) {
        char text[AMOUNT_TEXT_BYTES];

        amount_text((enum amount)k, line->spent.of[k], text);
        (void)printf("    %-24s", text);
        if (line->reserved.of[k] > 0) {
            amount_text((enum amount)k, line->reserved.of[k], text);
            (void)printf(" + %s reserved", text);
        }
        if (line->limit.of[k] > 0) {
            amount_text((enum amount)k, line->limit.of[k], text);
            (void)printf(" of %s", text);
            amount_text((enum amount)k, left_of(line, k), text);
            (void)printf(", %s left", text);
        }
        (void)putchar('\n');
    }
}

static bool list_line(void *self, const struct book_line *line, struct fault *fault)
{
    struct listing *listing = self;
    AUTO_FREE char *whose = xstrdup(line->whose); /* may be a path: any bytes */
    char day[CLOCK_TEXT_BYTES];

    (void)fault;
    utf8_tame(whose);
    if (!listing->all && line->day != listing->day)
        return true;
    listing->count++;
    clock_text(line->day * DAY_US, day);
    if (listing->rows != NULL)
        (void)json_array_append_new(listing->rows, line_json(line, whose, day));
    else
        print_line(line, whose, day);
    return true;
}

static int run_budget(const struct invocation *invocation)
{
    const char *day = invocation_option(invocation, "day");
    struct listing listing = {.all = invocation_flag(invocation, "all")};
    int64_t when_us = clock_now_us(&clock_real);
    struct home home = {.fd = -1};
    struct fault fault = {0};
    bool ok;

    if (day != NULL && !command_time("day", day, &when_us, &fault))
        return command_fail(invocation, &fault);
    if (!home_open(false, &home, &fault))
        return command_fail(invocation, &fault);
    listing.day = (int32_t)(when_us / DAY_US);
    listing.rows = invocation->json ? json_array() : NULL;
    ok = book_each(home.fd, list_line, &listing, &fault);
    home_close(&home);
    if (!ok) {
        json_decref(listing.rows);
        return command_fail(invocation, &fault);
    }
    if (listing.rows != NULL)
        command_print_json(listing.rows);
    else if (listing.count == 0)
        (void)puts("nothing was spent");
    return EXIT_YES;
}

static const struct option_rule options[] = {
    {"day", "TIME", "that day (UTC): 2026-11-24, or 2d ago; default: today"},
    {"all", NULL, "every day that is still known"},
    {0},
};

const struct command command_budget = {
    .name = "budget",
    .arguments = "",
    .prints_json = true,
    .summary = "Shows what was spent on models, and what is left of the budgets",
    .text = "An account each for a run, a role in a repository, a person who asks and a "
            "repository, the last three by day (UTC):\n"
            "tokens, US dollars, calls and minutes that are spent, that calls under way have "
            "reserved, and that are left of the\n"
            "limit in force at the account's last call. The ledger (`custody log --type "
            "model.outcome`) has each call.",
    .options = options,
    .run = run_budget,
};
