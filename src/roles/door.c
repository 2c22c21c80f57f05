#include "roles/door.h"

#include <sys/prctl.h>
#include <unistd.h>

#include "base/scope.h"
#include "classify/classify.h"
#include "classify/known.h"
#include "classify/surrogate.h"
#include "ledger/ledger.h"
#include "os/file.h"
#include "os/isolate.h"
#include "os/message.h"
#include "os/spawn.h"

#define FINDING_BYTES_MIN 8 /* no rule finds anything shorter */

struct serving {
    const struct door_role_config *config;
    struct loop *loop;
    struct door *door;
    struct ledger_client *ledger;
    struct loop_watch *control;
    struct known *known; /* NULL: there are none */
    bool has_key;
    struct surrogate_key key;
};

_Static_assert(DOOR_SEAM_BYTES >= KNOWN_SEAM_BYTES, "a value fits on one side of a seam");

/* ---- what the door needs of the ledger and the classifier ---- */

static bool record(void *self, const struct record *what, uint64_t *ret_seq,
                   struct fault *fault)
{
    return ledger_record(((struct serving *)self)->ledger, what, ret_seq, fault);
}

static bool record_durably(void *self, const struct record *what, uint64_t *ret_seq,
                           struct fault *fault)
{
    return ledger_record_durably(((struct serving *)self)->ledger, what, ret_seq, fault);
}

/* Of a name in a sentence nobody is sure: a call that is refused for one ends a run for
 * nothing. */
static uint8_t sure_enough(const struct finding *finding, enum surrogate_shape shape)
{
    bool is_guess =
        finding->class == CLASS_PII && (shape == SHAPE_NAME || shape == SHAPE_ADDRESS);

    return is_guess ? CONFIDENCE_HIGH : CONFIDENCE_MEDIUM;
}

/*
 * What the classifier is not sure of does not end a run; the view has redacted that, too. Nor
 * does a single letter that stands where a name does: it was shown as another one, and neither
 * says who is meant.
 */
static bool counts(const struct serving *serving, struct slice text,
                   const struct finding *finding)
{
    struct slice value = slice_part(text, finding->start, finding->end);
    enum surrogate_shape shape = classify_rule_shape(finding->rule);
    enum finding_form form = (enum finding_form)finding->form;

    return finding->confidence >= sure_enough(finding, shape) &&
           !(serving->has_key &&
             (!surrogate_can_be_told(&serving->key, shape, form, value) ||
              surrogate_is_ours_as_any(&serving->key, shape, form, value)));
}

static unsigned classes_of(const struct serving *serving, struct slice text,
                           const char *ret_rules[CLASS_COUNT])
{
    AUTO_FREE struct finding *findings = NULL;
    struct fault fault = {0};
    unsigned mask = 0, found = 0;
    size_t count = 0;

    if (!classify_scan(text, SLICE(""), &findings, &count, &mask, &fault)) {
        ret_rules[CLASS_OPAQUE] = "unread";
        return CLASS_BIT(CLASS_OPAQUE);
    }
    if ((mask & CLASS_BIT(CLASS_OPAQUE)) != 0)
        ret_rules[CLASS_OPAQUE] = "unread";
    for (size_t i = 0; i < count; i++) {
        if (!counts(serving, text, &findings[i]))
            continue;
        if ((found & CLASS_BIT(findings[i].class)) == 0)
            ret_rules[findings[i].class] = classify_rule_id(findings[i].rule);
        found |= CLASS_BIT(findings[i].class);
    }
    return found | (mask & CLASS_BIT(CLASS_OPAQUE));
}

/* Programs print NULs, and the classifier takes those for binary: look behind them, both as
 * gaps and as nothing at all (UTF-16). */
static unsigned classes_around_nul(const struct serving *serving, struct slice text,
                                   const char *ret_rules[CLASS_COUNT])
{
    struct buf spaced = buf_with_limit(text.len), joined = buf_with_limit(text.len);
    struct fault fault = {0};
    bool ok = true;
    unsigned mask;

    for (size_t i = 0; ok && i < text.len; i++)
        ok = buf_add_byte(&spaced, text.at[i] == 0 ? ' ' : text.at[i], &fault) &&
             (text.at[i] == 0 || buf_add_byte(&joined, text.at[i], &fault));
    mask = ok ? classes_of(serving, buf_slice(&spaced), ret_rules) : CLASS_BIT(CLASS_OPAQUE);
    mask |= classes_of(serving, buf_slice(&joined), ret_rules);
    buf_free(&spaced);
    buf_free(&joined);
    return mask;
}

/* What the agent was shown as it is: the value itself, whatever a rule would make of it here. */
static unsigned known_in(void *self, struct slice text, const char *ret_rules[CLASS_COUNT])
{
    const struct serving *serving = self;
    unsigned mask = serving->known == NULL ? 0 : known_find(serving->known, text);

    for (unsigned class = 0; class < CLASS_COUNT; class ++)
        if ((mask & CLASS_BIT(class)) != 0 && ret_rules[class] == NULL)
            ret_rules[class] = "known-value";
    return mask;
}

static unsigned classes(void *self, struct slice text, const char *ret_rules[CLASS_COUNT])
{
    unsigned mask = text.len < FINDING_BYTES_MIN ? 0
                    : slice_find_byte(text, 0, 0) != SIZE_MAX
                        ? classes_around_nul(self, text, ret_rules)
                        : classes_of(self, text, ret_rules);

    return mask | known_in(self, text, ret_rules);
}

/* ---- the process ---- */

static void say(int control, char what, const char *why)
{
    struct fault unsent = {0};
    AUTO_BUF struct buf packet = buf_with_limit(1024);

    if (buf_add_byte(&packet, (uint8_t)what, &unsent) && buf_add_text(&packet, why, &unsent))
        (void)!message_send(control, buf_slice(&packet), NULL, &unsent);
}

static bool take_known(struct serving *serving, int fd, struct fault *fault)
{
    AUTO_BUF_SECRET struct buf packet = buf_with_limit(KNOWN_PACKET_BYTES_MAX);

    return (file_read_fd(fd, &packet, fault) &&
            known_decode(buf_slice(&packet), &serving->known, fault)) ||
           fault_in(fault, "take the values that no model may see");
}

/* The values first: a door that does not know them stays shut. */
static bool listen_at(struct serving *serving, struct message_fds *fds, struct fault *fault)
{
    AUTO_CLOSE int listener = fds->fd[0];
    AUTO_CLOSE int known = fds->count > 1 ? fds->fd[1] : -1;

    return (known < 0 || take_known(serving, known, fault)) &&
           door_listen(serving->door, take_fd(&listener), fault);
}

static void on_control(void *self, uint32_t events)
{
    struct serving *serving = self;
    AUTO_BUF struct buf body = buf_with_limit(MESSAGE_BYTES_MAX);
    struct message_fds fds = {0};
    struct fault fault = {0};
    bool end = false;

    (void)events;
    if (!message_receive(serving->config->control, &body, &fds, 0, &end, &fault) || end) {
        message_fds_close(&fds);
        loop_stop(serving->loop);
        return;
    }
    if (body.len != 1 || body.at[0] != DOOR_LISTEN || fds.count < 1 || fds.count > 2 ||
        serving->known != NULL) {
        message_fds_close(&fds);
        say(serving->config->control, DOOR_FAILED, "a packet that is no DOOR_LISTEN");
        return;
    }
    if (listen_at(serving, &fds, &fault))
        say(serving->config->control, DOOR_READY, "");
    else
        say(serving->config->control, DOOR_FAILED, fault.why);
}

static bool open_door(struct serving *serving, struct fault *fault)
{
    const struct door_role_config *config = serving->config;
    struct door_config door = {.models = config->models,
                               .model_count = config->model_count,
                               .model = config->model,
                               .scan = {classes, serving, known_in},
                               .ledger = {record, record_durably, serving},
                               .identity = config->identity,
                               .gateway = config->gateway};

    serving->ledger = ledger_client_new(config->ledger);
    if (config->surrogate_key != NULL &&
        config->surrogate_key_len == sizeof(serving->key.bytes)) {
        memcpy(serving->key.bytes, config->surrogate_key, sizeof(serving->key.bytes));
        serving->has_key = true;
    }
    return loop_new(&serving->loop, fault) &&
           door_new(serving->loop, &door, &serving->door, fault) &&
           loop_watch(serving->loop, config->control, EPOLLIN, on_control, serving,
                      &serving->control, fault);
}

static bool give_up_privileges(const struct door_role_config *config, struct fault *fault)
{
    (void)prctl(PR_SET_DUMPABLE, 0);
    spawn_raise_descriptors();
    return (!config->drop_user || isolate_user(config->uid, config->gid, 0, fault)) &&
           isolate_files(NULL, 0, ISOLATE_ABI_KERNEL, NULL, fault) &&
           isolate_syscalls(ISOLATE_DOOR, fault);
}

int door_role(void *self)
{
    struct serving serving = {.config = self};
    struct fault fault = {0};
    bool ok = open_door(&serving, &fault) && give_up_privileges(serving.config, &fault) &&
              loop_run(serving.loop, &fault);

    if (!ok)
        say(serving.config->control, DOOR_FAILED, fault.why);
    door_free(serving.door);
    ledger_client_free(serving.ledger);
    loop_unwatch(serving.control);
    loop_free(serving.loop);
    explicit_bzero(&serving.key, sizeof(serving.key));
    known_free(serving.known);
    return ok ? 0 : 2;
}

bool door_role_listen(int control, int listener, int known, int timeout_ms,
                      struct fault *fault)
{
    struct message_fds fds = {.fd = {listener, known}, .count = known >= 0 ? 2 : 1};
    AUTO_BUF struct buf body = buf_with_limit(MESSAGE_BYTES_MAX);
    bool end;

    if (!message_send(control, slice_of_bytes((uint8_t[]){DOOR_LISTEN}, 1), &fds, fault) ||
        !message_receive(control, &body, NULL, timeout_ms, &end, fault))
        return fault_in(fault, "open the door");
    if (end)
        return fault_set(fault, FAULT_IO, "the door process ended");
    if (body.at[0] != DOOR_READY)
        return fault_set(fault, FAULT_IO, "the door: %s", buf_text(&body) + 1);
    return true;
}
