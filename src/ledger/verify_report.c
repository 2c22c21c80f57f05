#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/scope.h"
#include "ledger/absent.h"
#include "ledger/tree.h"
#include "ledger/verify.h"
#include "wire/base64.h"
#include "wire/jcs.h"

#define EXPIRED_BYTES 2048 /* for VERIFY_RANGES_MAX ranges */

static const char *const result_names[] = {
    [VERIFY_HOLDS] = "holds",
    [VERIFY_TAMPERING] = "tampering",
    [VERIFY_INCOMPLETE] = "incomplete",
};

static const char *const result_sentences[] = {
    [VERIFY_HOLDS] = "The ledger holds",
    [VERIFY_TAMPERING] = "EVIDENCE OF TAMPERING",
    [VERIFY_INCOMPLETE] = "The ledger is incomplete",
};

const char *verify_result_name(enum verify_result result)
{
    return result_names[result];
}

int verify_exit_code(enum verify_result result)
{
    return (int)result;
}

void verify_report_add(struct verify_report *report, enum verify_result result,
                       const char *text)
{
    struct verify_problem *place = &report->problems[report->problem_count];

    if (report->result == VERIFY_HOLDS || result == VERIFY_TAMPERING)
        report->result = result;
    if (report->problem_count++ >= VERIFY_PROBLEMS_MAX)
        return;
    place->result = result;
    (void)snprintf(place->text, sizeof(place->text), "%s", text);
    for (char *at = place->text; *at != 0; at++) /* names of files may be anything */
        if (*at < 0x20 || *at > 0x7e)
            *at = '?';
}

void verify_report_say(struct verify_report *report, enum verify_result result,
                       const char *format, ...)
{
    char text[sizeof(report->problems[0].text)];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    verify_report_add(report, result, text);
}

enum verify_result verify_meaning_of(const struct fault *fault)
{
    return fault->kind == FAULT_INVALID || fault->kind == FAULT_LIMIT ? VERIFY_TAMPERING
                                                                      : VERIFY_INCOMPLETE;
}

void verify_report_expired(struct verify_report *report, const char *shard,
                           const struct verify_range *range)
{
    if (report->expired_count < VERIFY_RANGES_MAX) {
        struct verify_range *place = &report->expired[report->expired_count];

        *place = *range;
        (void)snprintf(place->shard, sizeof(place->shard), "%s", shard);
    }
    report->expired_count++;
    report->expired_records += range->end - range->first;
}

/* What the log says is gone. */
static bool add_expired(const struct verify_report *report, struct buf *text,
                        struct fault *fault)
{
    size_t shown =
        report->expired_count < VERIFY_RANGES_MAX ? report->expired_count : VERIFY_RANGES_MAX;

    if (!buf_add_format(text, fault, "the bytes of %llu records that have expired:",
                        (unsigned long long)report->expired_records))
        return false;
    for (size_t i = 0; i < shown; i++) {
        const struct verify_range *range = &report->expired[i];
        char by[40] = "a later shard";

        if (range->by != ABSENT_BY_LATER)
            (void)snprintf(by, sizeof(by), "record %llu", (unsigned long long)range->by);
        if (!buf_add_format(text, fault, "%s %s%s%llu to %llu (%s says so)", i == 0 ? "" : ",",
                            range->shard, range->shard[0] == 0 ? "" : " ",
                            (unsigned long long)range->first,
                            (unsigned long long)range->end - 1, by))
            return false;
    }
    return buf_add_format(text, fault, "%s; their hash tiles were checked",
                          shown < report->expired_count ? ", ..." : "");
}

/* What this verification could not say anything about; `at` counts up to the first false. */
static bool not_checked(const struct verify_report *report, size_t at,
                        char expired[EXPIRED_BYTES], const char **ret_text)
{
    AUTO_BUF struct buf words = buf_with_limit(EXPIRED_BYTES - 1);
    const char *texts[8];
    struct fault cut = {0};
    size_t count = 0;

    if (report->expired_count > 0 && add_expired(report, &words, &cut)) {
        (void)snprintf(expired, EXPIRED_BYTES, "%s", buf_text(&words));
        texts[count++] = expired;
    }
    if (report->key_is_beside)
        texts[count++] = "the key: it lay beside the ledger, so another ledger with another "
                         "key would not show; name one from elsewhere with --key";
    if (!report->has_policy)
        texts[count++] =
            "witnesses: no --policy asks for cosignatures, so who holds the key and the disk "
            "could have written another ledger";
    else if (report->cosigned_size < report->size)
        texts[count++] = "witnesses: the records behind the cosigned ones are the ledger's "
                         "word alone";
    if (report->stamped_count == 0)
        texts[count++] = "times: the order is the index, the clock is the writer's word";
    else if (report->stamped_size < report->size)
        texts[count++] = "times: those of records behind the last time stamp";
    if (!report->has_kept)
        texts[count++] = "an earlier checkpoint: none was given, so a rollback or another "
                         "ledger of the same key would not show";
    if (report->has_unsealed)
        texts[count++] = "wal/ and state/: records newer than the checkpoint, not sealed yet";
    if (report->files_ahead > 0)
        texts[count++] = "tiles of a checkpoint that is not published yet";
    if (report->intents_open > 0)
        texts[count++] =
            "acts that were announced and have no outcome: still under way, or cut off";
    if (at >= count)
        return false;
    *ret_text = texts[at];
    return true;
}

static size_t shown(const struct verify_report *report)
{
    return report->problem_count < VERIFY_PROBLEMS_MAX ? report->problem_count
                                                       : VERIFY_PROBLEMS_MAX;
}

static bool add_root(const struct verify_report *report, struct buf *text, struct fault *fault)
{
    return base64_encode(slice_of_bytes(report->root, sizeof(report->root)), text, fault);
}

static bool add_lists(const struct verify_report *report, struct buf *text,
                      struct fault *fault)
{
    char expired[EXPIRED_BYTES];
    const char *word;

    if (!buf_add_text(text, "\"not_checked\":[", fault))
        return false;
    for (size_t i = 0; not_checked(report, i, expired, &word); i++)
        if ((i > 0 && !buf_add_byte(text, ',', fault)) ||
            !jcs_add_text(text, slice_of(word), fault))
            return false;
    if (!buf_add_text(text, "],\"origin\":", fault) ||
        !jcs_add_text(text, slice_of(report->origin), fault) ||
        !buf_add_format(text, fault, ",\"problem_count\":%zu,\"problems\":[",
                        report->problem_count))
        return false;
    for (size_t i = 0; i < shown(report); i++)
        if ((i > 0 && !buf_add_byte(text, ',', fault)) ||
            !jcs_add_text(text, slice_of(report->problems[i].text), fault))
            return false;
    return buf_add_byte(text, ']', fault);
}

bool verify_report_json(const struct verify_report *report, struct buf *ret_text,
                        struct fault *fault)
{
    if (!buf_add_format(
            ret_text, fault,
            "{\"archived\":%llu,\"cosigned\":%llu,\"expired\":%llu,\"files_ahead\":%llu,"
            "\"intents_open\":%llu,",
            (unsigned long long)report->from_archive,
            (unsigned long long)report->cosigned_size,
            (unsigned long long)report->expired_records,
            (unsigned long long)report->files_ahead,
            (unsigned long long)report->intents_open) ||
        (report->has_kept && !buf_add_format(ret_text, fault, "\"kept_size\":%llu,",
                                             (unsigned long long)report->kept_size)) ||
        !add_lists(report, ret_text, fault) ||
        !buf_add_format(ret_text, fault, ",\"producers\":%llu,\"result\":\"%s\",\"root\":",
                        (unsigned long long)report->producers, result_names[report->result]))
        return false;
    if (!report->has_checkpoint)
        return buf_add_text(
            ret_text, "null,\"silences\":0,\"size\":null,\"stamped\":0,\"witnesses\":null}",
            fault);
    if (!buf_add_byte(ret_text, '"', fault) || !add_root(report, ret_text, fault) ||
        !buf_add_format(ret_text, fault,
                        "\",\"silences\":%llu,\"size\":%llu,\"stamped\":%llu,\"witnesses\":",
                        (unsigned long long)report->silences, (unsigned long long)report->size,
                        (unsigned long long)report->stamped_size))
        return false;
    if (!report->has_policy)
        return buf_add_text(ret_text, "null}", fault);
    return jcs_add_text(ret_text, slice_of(report->witnesses), fault) &&
           buf_add_byte(ret_text, '}', fault);
}

static bool add_stamped(const struct verify_report *report, struct buf *text,
                        struct fault *fault)
{
    char when[CLOCK_TEXT_BYTES];

    if (report->stamped_count == 0)
        return true;
    clock_text(report->stamped_time * 1000000, when);
    return buf_add_format(text, fault,
                          "  stamped   %llu records existed at %s; %llu time stamps hold\n",
                          (unsigned long long)report->stamped_size, when,
                          (unsigned long long)report->stamped_count);
}

static bool add_silence(const struct verify_report *report, struct buf *text,
                        struct fault *fault)
{
    return report->silences == 0 ||
           buf_add_format(text, fault,
                          "  silent    %s (silences: %llu): it was stopped, or records of it "
                          "are missing\n",
                          report->silence, (unsigned long long)report->silences);
}

bool verify_report_text(const struct verify_report *report, struct buf *ret_text,
                        struct fault *fault)
{
    char expired[EXPIRED_BYTES];
    const char *word;

    if (!buf_add_format(ret_text, fault, "%s", result_sentences[report->result]))
        return false;
    if (report->has_checkpoint) {
        if (!buf_add_format(ret_text, fault,
                            ": %llu records of %llu producers\n  origin  %s\n  root    ",
                            (unsigned long long)report->size,
                            (unsigned long long)report->producers, report->origin) ||
            !add_root(report, ret_text, fault))
            return false;
    }
    if (report->has_kept &&
        !buf_add_format(ret_text, fault, "\n  kept    a checkpoint of %llu records",
                        (unsigned long long)report->kept_size))
        return false;
    if (!buf_add_byte(ret_text, '\n', fault) || !add_stamped(report, ret_text, fault) ||
        !add_silence(report, ret_text, fault) ||
        (report->has_archive &&
         !buf_add_format(ret_text, fault, "  archived  %llu records were read from there\n",
                         (unsigned long long)report->from_archive)) ||
        (report->has_policy &&
         !buf_add_format(ret_text, fault, "  cosigned  %llu records; %s\n",
                         (unsigned long long)report->cosigned_size, report->witnesses)))
        return false;
    for (size_t i = 0; i < shown(report); i++)
        if (!buf_add_format(ret_text, fault, "  %-10s  %s\n",
                            result_names[report->problems[i].result],
                            report->problems[i].text))
            return false;
    if (report->problem_count > shown(report) &&
        !buf_add_format(ret_text, fault, "  and %zu more\n",
                        report->problem_count - shown(report)))
        return false;
    for (size_t i = 0; not_checked(report, i, expired, &word); i++)
        if (!buf_add_format(ret_text, fault, "  not checked  %s\n", word))
            return false;
    return true;
}
