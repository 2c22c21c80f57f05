#include "roles/core/peers.h"

#include <fcntl.h>

#include "base/scope.h"
#include "os/message.h"
#include "roles/core/plain.h"
#include "roles/core/shared.h"
#include "roles/door.h"

#define RECORDS_MAX 1000000 /* 600 MB of ledger */
#define TYPE(name) (UINT64_C(1) << RECORD_##name)
#define FILE_TYPES                                                                            \
    (TYPE(FILE_READ) | TYPE(FILE_WRITTEN) | TYPE(FILE_REFUSED) | TYPE(FILE_REDACTED))

bool core_producer(struct run *run, const char *role, uint64_t types, int *ret_socket,
                   struct fault *fault)
{
    AUTO_FREE char *name = xformat("%s/%s", role, run->result->run);

    return ledger_producer(run->ledger, name, types, ret_socket, fault) ||
           fault_in(fault, "ledger for the %s", role);
}

static bool start_peer(struct peer *peer, const char *name, int (*serve)(void *self),
                       void *config, int theirs, const int *keep, size_t keep_count, int ours,
                       struct fault *fault)
{
    bool ok = spawn_role(name, serve, config, keep, keep_count, &peer->process, fault);

    (void)close(theirs);
    if (!ok)
        (void)close(ours);
    else
        peer->control = ours;
    return ok;
}

struct gateway_identity core_identity(const struct run *run)
{
    return (struct gateway_identity){.run = run->result->run,
                                     .agent = run->agent,
                                     .on_behalf_of = run->responsible,
                                     .policy = run->policy->digest};
}

static bool start_gateway(struct run *run, int to_door, struct fault *fault)
{
    AUTO_CLOSE int ledger = -1;
    AUTO_CLOSE int book = -1; /* nobody but the gateway holds it */
    int control[2];
    bool keeps = run->sealer.folder >= 0;
    struct gateway_role_config config = {.models = run->models,
                                         .model_count = run->policy->model_count,
                                         .model = run->engine == NULL ? 0 : run->model,
                                         .servers = run->servers.at,
                                         .server_count = run->servers.count,
                                         .fallback = run->fallback,
                                         .fallback_count = run->fallback_count,
                                         .accounts = run->accounts,
                                         .account_count = COUNT(run->accounts),
                                         .identity = core_identity(run),
                                         .door = to_door,
                                         .sealer = run->sealer,
                                         .home = run->session->home.fd,
                                         .drop_user = geteuid() == 0,
                                         .uid = run->uid,
                                         .gid = run->uid};

    config.limits.tokens = run->policy->budget_run.tokens;
    config.limits.micro_usd = run->policy->budget_run.micro_usd;
    config.limits.calls = run->policy->budget_run.calls;
    if (!book_file_open(run->session->home.fd, &book, fault) ||
        !core_producer(run, "gateway",
                       TYPE(MODEL_INTENT) | TYPE(MODEL_OUTCOME) | TYPE(MCP_INTENT) |
                           TYPE(MCP_OUTCOME) | TYPE(REFUSED),
                       &ledger, fault) ||
        !message_pair(control, fault))
        return false;
    config.control = control[1];
    config.ledger = ledger;
    config.book = book;
    return start_peer(&run->gateway, "gateway", gateway_role, &config, control[1],
                      (const int[]){control[1], to_door, ledger, book, run->session->home.fd,
                                    run->sealer.folder},
                      keeps ? 6 : 5, control[0], fault);
}

/* What a client that asks for models by proxy cannot mean. */
static struct door_place *door_places(const struct run *run)
{
    struct door_place *places = xalloc_array(run->policy->egress_count, sizeof(*places));

    for (size_t i = 0; i < run->policy->egress_count; i++)
        places[i] = (struct door_place){.host = run->policy->egress[i].host,
                                        .port = (uint16_t)run->policy->egress[i].port};
    return places;
}

bool core_start_door(struct run *run, int to_gateway, struct fault *fault)
{
    AUTO_CLOSE int ledger = -1;
    AUTO_FREE struct door_place *places = door_places(run);
    bool ok;
    int control[2];
    struct door_role_config config = {.gateway = to_gateway,
                                      .egress = run->to_egress,
                                      .places = places,
                                      .place_count = run->policy->egress_count,
                                      .models = run->models,
                                      .model_count = run->policy->model_count,
                                      .model = run->model,
                                      .takes_other_names = run->policy->takes_other_names,
                                      .servers = run->servers.at,
                                      .server_count = run->servers.count,
                                      .identity = core_identity(run),
                                      .cut_answers = run->policy->cut_answers,
                                      .surrogate_key = run->key,
                                      .surrogate_key_len = sizeof(run->key),
                                      .served = run->served,
                                      .drop_user = geteuid() == 0,
                                      .uid = run->uid,
                                      .gid = run->uid};

    memcpy(config.commitment_key, run->door_key, sizeof(config.commitment_key));
    memcpy(config.lines_key, run->lines_key, sizeof(config.lines_key));
    if (!core_producer(run, "door", TYPE(REFUSED), &ledger, fault) ||
        !message_pair(control, fault))
        return false;
    config.control = control[1];
    config.ledger = ledger;
    ok = start_peer(&run->door, "door", door_role, &config, control[1],
                    (const int[]){control[1], to_gateway, ledger, run->served, run->to_egress},
                    run->to_egress >= 0 ? 5 : 4, control[0], fault);
    scope_close(&run->to_egress);
    return ok;
}

/* The guard's second socket, for what it says of files. */
static bool guard_files(struct run *run, const struct plants *plants,
                        struct view_planted planted[2], const char **points,
                        struct files_config *ret_config, int *ret_ledger, struct fault *fault)
{
    *ret_config = (struct files_config){.snapshot = run->snapshot_fd,
                                        .identity = run->identity_fd,
                                        .seen = run->seen,
                                        .policy = run->policy,
                                        .role = run->request->role,
                                        .run = run->result->run,
                                        .agent = run->agent,
                                        .on_behalf_of = run->responsible,
                                        .repository = collect_root(run->collect),
                                        .mount_points = points,
                                        .mount_point_count = run->policy->scratch_count + 1,
                                        .planted = planted,
                                        .planted_count = 2,
                                        .records_max = RECORDS_MAX};
    core_plain_planted(run, plants->card_name, plants->denied_name, planted);
    core_plain_mount_points(run, points);
    if (!core_producer(run, "files", FILE_TYPES, ret_ledger, fault))
        return false;
    ret_config->ledger = *ret_ledger;
    return true;
}

bool core_start_guard(struct run *run, const struct plants *plants, struct fault *fault)
{
    AUTO_CLOSE int ledger = -1, files_ledger = -1;
    const char *points[SCRATCH_MAX + 1];
    struct view_planted planted[2];
    struct files_config files;
    bool ok;
    AUTO_CLOSE int programs =
        openat(run->session->home.fd, "cache/programs",
               O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    int control[2];
    char *own[SHARED_OWN_MAX] = {NULL};
    struct guard_config config = {.door = -1,
                                  .opener = run->shared.opener[0],
                                  .door_port = DOOR_PORT,
                                  .own = (const char *const *)own,
                                  .seen = run->seen,
                                  .programs = programs,
                                  .run = run->result->run,
                                  .agent = run->agent,
                                  .on_behalf_of = run->responsible,
                                  .policy = run->policy->digest,
                                  .records_max = RECORDS_MAX,
                                  .drop_user = geteuid() == 0,
                                  .uid = run->uid,
                                  .gid = run->uid};

    memcpy(config.command_key, run->command_key, sizeof(config.command_key));
    if (programs < 0)
        return fault_errno(fault, "open the list of programs' digests");
    if (!core_producer(run, "guard", TYPE(EXEC) | TYPE(REFUSED), &ledger, fault) ||
        !message_pair(control, fault))
        return false;
    if (run_is_injected(run) &&
        !guard_files(run, plants, planted, points, &files, &files_ledger, fault))
        return false;
    config.files = run_is_injected(run) ? &files : NULL;
    config.control = control[1];
    config.ledger = ledger;
    if (run_is_shared(run)) {
        config.door = run->shared.door[1];
        core_shared_own(run, own);
    }
    ok = start_peer(&run->guard, "guard", guard_role, &config, control[1],
                    (const int[]){control[1], ledger, run->seen, programs, config.door,
                                  config.opener, files_ledger, run->snapshot_fd,
                                  run->identity_fd},
                    run_is_injected(run) ? 9 : 6, control[0], fault);
    for (size_t i = 0; own[i] != NULL; i++)
        free(own[i]);
    scope_close(&run->shared.door[1]);
    scope_close(&run->shared.opener[0]);
    return ok;
}

bool core_start_gateway(struct run *run, int *ret_to_gateway, struct fault *fault)
{
    int between[2];
    bool ok;

    if (!message_pair(between, fault))
        return false;
    ok = start_gateway(run, between[0], fault) && core_seal_commands(run, fault);
    core_seal_forget(run);
    (void)close(between[0]);
    if (ok)
        *ret_to_gateway = between[1];
    else
        (void)close(between[1]);
    return ok;
}

/* Beside the others: it needs what the cell has mounted only when that is there. */
bool core_start_observer(struct run *run, struct fault *fault)
{
    struct observer_config config = {.uid = run->uid, .gid = run->uid};
    int control[2];

    if (geteuid() != 0 || run_is_injected(run)) /* it watches a view */
        return true;
    if (!snapshot_count_nodes(run->snapshot_fd, &config.nodes, fault) ||
        !message_pair(control, fault))
        return false;
    config.control = control[1];
    return start_peer(&run->observer, "observer", observer_role, &config, control[1],
                      (const int[]){control[1]}, 1, control[0], fault);
}

/*
 * From the host's side of the cell: its mounts are made, and nothing of the agent's runs yet.
 */
bool core_observe(struct run *run, struct fault *fault)
{
    AUTO_FREE char *path =
        xformat("/proc/%d/root%s", (int)cell_pid(run->cell), collect_root(run->collect));
    AUTO_CLOSE int folder = -1;

    if (run->observer.control < 0)
        return true;
    folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return fault_errno(fault, "find the view in the cell");
    if (!observer_watch(run->observer.control, folder, PEER_READY_MS, &run->observed, fault))
        return false;
    if (!run->observed)
        run_say(run, "warning: the kernel allows no second account of reads here (fanotify); "
                     "the view's is the only one");
    return true;
}

bool core_start_view(struct run *run, const struct plants *plants, struct fault *fault)
{
    AUTO_CLOSE int ledger = -1;
    AUTO_FREE char *email = xformat("%s@run.custody.invalid", run->request->role);
    const struct view_plant planted[] = {
        {.name = plants->card_name, .content = slice_of(plants->card_text)},
        {.name = plants->denied_name, .content = SLICE("never to be seen\n"), .deny = true},
    };
    AUTO_FREE char *objects = NULL;
    char *links[SCRATCH_MAX + 1] = {NULL};
    bool ok;
    int control[2];
    struct view_config config = {
        .snapshot_fd = run->snapshot_fd,
        .content_fd = run->content_fd,
        .upper_fd = run->upper_fd,
        .plain_fd = run->plain_fd,
        .identity_fd = run->identity_fd,
        .git_fd = run->git_fd,
        .lister_fd = run->lister[0],
        .uid = geteuid() == 0 || run_is_shared(run) ? run->uid : CELL_UID,
        .gid = geteuid() == 0       ? run->uid
               : run_is_shared(run) ? getegid()
                                    : CELL_UID,
        .drop_user = geteuid() == 0,
        .policy = run->policy,
        .role = run->request->role,
        .run = run->result->run,
        .agent = run->agent,
        .on_behalf_of = run->responsible,
        .git = {.branch = run->base.branch[0] == 0 ? "main" : run->base.branch,
                .user_name = run->request->role,
                .user_email = email,
                .time_s = run->base.commit_time,
                .message = "The repository as this agent may see it\n",
                .alternates = CELL_OBJECTS,
                .exclude = run->policy->scratch,
                .exclude_count = run->policy->scratch_count,
                .plain_files = run_is_injected(run)},
        .mount_points = run->policy->scratch,
        .mount_point_count = run->policy->scratch_count,
        .plants = planted,
        .plant_count = COUNT(planted),
        .seen_fd = run->seen,
        .served_fd = run->served,
        .upper_bytes_max = run->policy->resources.disk_bytes,
        .records_max = RECORDS_MAX,
    };

    memcpy(config.key, run->key, sizeof(config.key));
    memcpy(config.redaction_key, run->redaction_key, sizeof(config.redaction_key));
    memcpy(config.lines_key, run->lines_key, sizeof(config.lines_key));
    if (run_is_shared(run) && !core_real_path(run->objects_fd, &objects, fault))
        return false;
    if (!core_producer(run, "view", FILE_TYPES, &ledger, fault) ||
        !message_pair(control, fault))
        return false;
    config.control_fd = control[1];
    config.ledger_fd = ledger;
    if (run_is_shared(run)) {
        config.git.alternates = objects;
        core_shared_links(run, links);
        config.mount_links = (const char *const *)links;
    }
    ok = start_peer(&run->view, "view", view_role, &config, control[1],
                    (const int[]){control[1], ledger, run->snapshot_fd, run->content_fd,
                                  run->upper_fd, run->git_fd, run->seen, run->served,
                                  run_is_injected(run) ? run->plain_fd : run->lister[0],
                                  run->identity_fd},
                    run_is_injected(run) ? 10 : 9, control[0], fault);
    for (size_t i = 0; i < COUNT(links); i++)
        free(links[i]);
    return ok;
}
