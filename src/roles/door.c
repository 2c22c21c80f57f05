#include "roles/door.h"

#include <sys/prctl.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/scope.h"
#include "ledger/ledger.h"
#include "lineage/lineage.h"
#include "os/file.h"
#include "os/isolate.h"
#include "os/message.h"
#include "os/spawn.h"
#include "roles/door_texts.h"

#define TEXTS_KEPT (1U << 15) /* that were looked through: strings of a long conversation */

struct serving {
    const struct door_role_config *config;
    struct loop *loop;
    struct door *door;
    struct ledger_client *ledger;
    struct door_egress egress;
    struct loop_watch *control;
    struct door_texts texts;
    struct door_lineage lineage;
};

/* ---- what the door needs of the ledger ---- */

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
            known_decode(buf_slice(&packet), &serving->texts.known, fault)) ||
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
        serving->texts.known != NULL) {
        message_fds_close(&fds);
        say(serving->config->control, DOOR_FAILED, "a packet that is no DOOR_LISTEN");
        return;
    }
    if (listen_at(serving, &fds, &fault))
        say(serving->config->control, DOOR_READY, "");
    else
        say(serving->config->control, DOOR_FAILED, fault.why);
}

/* ---- where lines come from ---- */

static void begin_lineage(void *self)
{
    lineage_begin(self);
}

static void look_for_lineage(void *self, struct slice text)
{
    lineage_look(self, text);
}

static void note_tool(void *self, struct slice call)
{
    lineage_tool(self, call);
}

static bool list_lineage(void *self, struct buf *ret_list, struct fault *fault)
{
    return lineage_list(self, ret_list, fault);
}

static bool open_lineage(struct serving *serving, struct fault *fault)
{
    struct lines_key key;
    struct served *served;

    if (serving->config->served < 0)
        return true;
    if (!served_open(serving->config->served, false, &served, fault))
        return false;
    lines_key_make(serving->config->lines_key, &key);
    serving->lineage.self = lineage_new(served, &key);
    return true;
}

/* For this run alone: another one's pace would tell what it has sent. */
static bool make_cache(struct leafcache **ret_cache, struct fault *fault)
{
    uint8_t key[LEAFCACHE_KEY_BYTES];
    bool ok = getrandom(key, sizeof(key), 0) == sizeof(key) ||
              fault_errno(fault, "random bytes");

    if (ok)
        *ret_cache = leafcache_new(key, TEXTS_KEPT);
    explicit_bzero(key, sizeof(key));
    return ok;
}

static bool open_door(struct serving *serving, struct fault *fault)
{
    const struct door_role_config *config = serving->config;
    struct door_config door = {.models = config->models,
                               .model_count = config->model_count,
                               .model = config->model,
                               .takes_other_names = config->takes_other_names,
                               .servers = config->servers,
                               .server_count = config->server_count,
                               .scan = door_texts_scan(&serving->texts),
                               .lineage = config->served < 0 ? NULL : &serving->lineage,
                               .ledger = {record, record_durably, serving},
                               .identity = config->identity,
                               .cut_answers = config->cut_answers,
                               .gateway = config->gateway,
                               .egress = config->place_count > 0 ? &serving->egress : NULL};

    serving->egress = (struct door_egress){.socket = config->egress,
                                           .places = config->places,
                                           .place_count = config->place_count};
    serving->ledger = ledger_client_new(config->ledger);
    if (config->surrogate_key != NULL &&
        config->surrogate_key_len == sizeof(serving->texts.key.bytes)) {
        memcpy(serving->texts.key.bytes, config->surrogate_key,
               sizeof(serving->texts.key.bytes));
        memcpy(serving->texts.commitment_key, config->commitment_key,
               sizeof(serving->texts.commitment_key));
        serving->texts.has_key = true;
    }
    return open_lineage(serving, fault) && make_cache(&serving->texts.cache, fault) &&
           loop_new(&serving->loop, fault) &&
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
    struct serving serving = {
        .config = self,
        .lineage = {begin_lineage, look_for_lineage, note_tool, list_lineage, NULL}};
    struct fault fault = {0};
    bool ok = open_door(&serving, &fault) && give_up_privileges(serving.config, &fault) &&
              loop_run(serving.loop, &fault);

    if (!ok)
        say(serving.config->control, DOOR_FAILED, fault.why);
    door_free(serving.door);
    ledger_client_free(serving.ledger);
    loop_unwatch(serving.control);
    loop_free(serving.loop);
    lineage_free(serving.lineage.self);
    known_free(serving.texts.known);
    leafcache_free(serving.texts.cache);
    explicit_bzero(&serving.texts, sizeof(serving.texts));
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
