/* The cell and the canaries: the run is sealed and proven before the agent starts. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/file.h"
#include "os/message.h"
#include "roles/core/build_cache.h"
#include "roles/core/egress.h"
#include "roles/core/environment.h"
#include "roles/core/peers.h"
#include "roles/core/plain.h"
#include "roles/core/shared.h"
#include "roles/core/terminal.h"
#include "roles/door.h"
#include "roles/guard/seen.h"

/* 15 digits of an issuer's range and the one that makes them pass Luhn. */
static void make_card(uint64_t random, char card[17])
{
    unsigned sum = 0;

    card[0] = '4';
    for (int i = 1; i < 15; i++) {
        card[i] = (char)('0' + random % 10);
        random = random / 10 + random * 6364136223846793005U % 7919;
    }
    for (int i = 0; i < 15; i++) {
        unsigned digit = (unsigned)(card[i] - '0');

        if (i % 2 == 0)
            digit = digit * 2 > 9 ? digit * 2 - 9 : digit * 2;
        sum += digit;
    }
    card[15] = (char)('0' + (10 - sum % 10) % 10);
    card[16] = 0;
}

static void make_plants(const struct run *run, struct plants *ret_plants)
{
    make_card(run->random, ret_plants->card);
    (void)snprintf(ret_plants->card_name, sizeof(ret_plants->card_name),
                   ".canary-card-%08x.csv", (unsigned)run->random);
    (void)snprintf(ret_plants->denied_name, sizeof(ret_plants->denied_name),
                   ".canary-denied-%08x", (unsigned)run->random);
    (void)snprintf(ret_plants->card_text, sizeof(ret_plants->card_text), "card number,%s\n",
                   ret_plants->card);
}

/* Our ends of the agent's input and output; theirs go into the plan. */
static bool make_pipes(struct run *run, struct cell_plan *plan, int theirs[2],
                       struct fault *fault)
{
    int out[2], err[2];

    plan->terminal = run->request->terminal;
    if (plan->terminal && !run_is_shared(run))
        return true; /* the cell makes it: take_terminal */
    if (plan->terminal)
        return core_terminal_open(&run->agent_in, &plan->in, fault) &&
               (plan->out = plan->err = theirs[0] = plan->in, run->agent_out = run->agent_in,
                true);
    if (pipe2(out, O_CLOEXEC) < 0)
        return fault_errno(fault, "make a pipe");
    run->agent_out = out[0];
    plan->out = theirs[0] = out[1];
    if (pipe2(err, O_CLOEXEC) < 0)
        return fault_errno(fault, "make a pipe");
    run->agent_err = err[0];
    plan->err = theirs[1] = err[1];
    return true;
}

static bool make_scratch(struct run *run, struct cell_scratch *scratch, struct fault *fault)
{
    AUTO_CLOSE int parent = -1;

    if (run->policy->scratch_count > SCRATCH_MAX)
        return fault_set(fault, FAULT_INVALID, "more than %d scratch folders", SCRATCH_MAX);
    if (!file_open_folder(run->agent_fd, "scratch", 0700, &parent, fault))
        return false;
    for (size_t i = 0; i < run->policy->scratch_count; i++) {
        AUTO_FREE char *name = xformat("%zu", i);
        AUTO_FREE char *real = run_is_shared(run) ? core_shared_scratch(run, i) : NULL;

        if (!file_open_folder(parent, name, 0755, &run->scratch_fds[i], fault))
            return false;
        if (real != NULL) { /* by its own name, in there */
            AUTO_CLOSE int around = take_fd(&run->scratch_fds[i]);

            if (!file_open_folder(around, strrchr(real, '/') + 1, 0755, &run->scratch_fds[i],
                                  fault))
                return false;
        }
        if (geteuid() == 0 && fchown(run->scratch_fds[i], run->uid, run->uid) < 0)
            return fault_errno(fault, "give a scratch folder to the agent");
        scratch[i] =
            (struct cell_scratch){.path = run->policy->scratch[i], .fd = run->scratch_fds[i]};
    }
    return true;
}

static void add_program_mounts(const struct run *run, struct cell_mounts *mounts)
{
    if (run->toolchain.root == NULL)
        cell_mounts_default(mounts);
    else
        cell_mounts_of_root(mounts, run->toolchain.root);
    for (size_t i = 0; i < run->policy->cache_count; i++) {
        const char *home = run_is_shared(run) ? run->shared.home : CELL_HOME;
        AUTO_FREE char *target = xformat("%s/%s", home, run->policy->caches[i].glob);

        cell_mounts_add(mounts, &(struct cell_mount){.kind = CELL_BIND,
                                                     .source = run->policy->caches[i].zone,
                                                     .target = target});
    }
    if (run->build_cache.path != NULL) {
        AUTO_FREE char *target = run_is_shared(run) ? xformat("%s/.cache", run->shared.home)
                                                    : xstrdup(BUILD_CACHE_TARGET);

        cell_mounts_add(mounts, &(struct cell_mount){.kind = CELL_BIND,
                                                     .source = run->build_cache.path,
                                                     .target = target,
                                                     .writable = true});
    }
    if (run->own_program != NULL)
        cell_mounts_add(mounts,
                        &(struct cell_mount){.kind = CELL_BIND,
                                             .source = run->own_program,
                                             .target = run_is_shared(run) ? run->own_program
                                                                          : CELL_CUSTODY});
}

/* /tmp and HOME are memory: full, they answer an errno before the cell's memory is used up. */
static uint64_t memory_folder(const struct policy_resources *limits)
{
    uint64_t half = limits->memory_bytes / 2;

    return limits->disk_bytes < half ? limits->disk_bytes : half;
}

/* Where policy shows card numbers there is none to look for. */
static bool shows_cards(const struct run *run)
{
    return policy_class_verdict(run->policy, CLASS_PAN, POLICY_VIEW) == VERDICT_ALLOW;
}

static bool start_cell(struct run *run, const struct plants *plants, struct fault *fault)
{
    struct cell_scratch scratch[SCRATCH_MAX];
    AUTO_FREE char *plain = xformat("%s/" CORE_AGENT_FOLDER "/plain", run->folder);
    AUTO_FREE struct cell_file *files =
        xalloc_array(run->launch.files.count + 1, sizeof(*files));
    struct core_environment environment;
    int theirs[2] = {-1, -1};
    const struct policy_resources *limits = &run->policy->resources;
    struct cell_plan plan = {
        .run = run->result->run,
        .repository = run_is_shared(run) ? run->shared.view : collect_root(run->collect),
        .home = run->shared.home,
        .tmp = run->shared.tmp,
        .outside = run->folder,
        .mode = run->mode,
        .view = !run_is_injected(run),
        .plain = plain,
        .guard = true,
        .argv = run->engine == NULL ? run->request->program : run->launch.argv,
        .uid = geteuid() == 0 ? run->uid : (uid_t)-1,
        .gid = geteuid() == 0 ? run->uid : (gid_t)-1,
        .scratch = scratch,
        .scratch_count = run->policy->scratch_count,
        .git_fd = run->git_fd,
        .lister_fd = run->lister[1],
        .opener_fd = run->shared.opener[1],
        .objects_fd = run->objects_fd,
        .engine_fd = run->engine_fd,
        .files = files,
        .file_count = run->launch.files.count,
        .tmp_bytes = memory_folder(limits),
        .home_bytes = memory_folder(limits),
        .memory_bytes = limits->memory_bytes,
        .pids = (unsigned)limits->pids,
        .cpu_percent = (unsigned)limits->cpu_percent,
        .io_bytes = limits->io_bytes,
        .disk_fd = run->folder_fd,
        .files_open = run->launch.nofile,
        .file_bytes = limits->disk_bytes,
        .door_port = run_is_shared(run) ? 0 : DOOR_PORT,
        .in = -1,
        .canary = {.card_path = shows_cards(run) ? NULL : plants->card_name,
                   .card_number = shows_cards(run) ? NULL : plants->card,
                   .denied_path = plants->denied_name,
                   .forbidden_path = "custody.yaml"},
    };
    bool ok;

    for (size_t i = 0; i < run->launch.files.count; i++)
        files[i] = (struct cell_file){.path = run->launch.files.at[i].name,
                                      .content = slice_of(run->launch.files.at[i].value),
                                      .mode = 0600};
    if (run->trusted.len > 0)
        files[plan.file_count++] = (struct cell_file){
            .path = EGRESS_CA_FILE, .content = buf_slice(&run->trusted), .mode = 0400};
    core_environment_make(run, &environment);
    plan.environment = environment.at;
    add_program_mounts(run, &plan.mounts);
    ok = make_scratch(run, scratch, fault) && make_pipes(run, &plan, theirs, fault) &&
         cell_start(&plan, &run->cell, fault);
    scope_close(&run->shared.opener[1]);
    for (size_t i = 0; i < COUNT(run->lister); i++)
        scope_close(&run->lister[i]);
    scope_close(&theirs[0]);
    scope_close(&theirs[1]);
    cell_mounts_free(&plan.mounts);
    core_environment_free(&environment);
    return ok || run_because(run, fault->kind == FAULT_HOST ? "host" : "cell");
}

static bool receive(struct run *run, enum cell_packet_type wanted, struct cell_packet *packet,
                    struct fault *fault)
{
    if (!cell_receive(run->cell, PEER_READY_MS, packet, fault))
        return run_because(run, "cell");
    if (packet->type == CELL_FAILED) {
        *fault = packet->fault;
        if (fault->kind != FAULT_HOST)
            return run_because(run, "cell");
        return fault_in(fault,
                        "this host gives no whole cell (custody doctor; in a container: "
                        "docs/containers.md)") ||
               run_because(run, "host");
    }
    if (packet->type != wanted)
        return fault_set(fault, FAULT_IO, "the cell ended before the agent was started") ||
               run_because(run, "cell");
    return true;
}

/* The descriptors that the cell made go to the roles that serve them. */
static bool take_terminal(struct run *run, const struct cell_packet *mounted,
                          struct fault *fault)
{
    if (mounted->terminal_fd >= 0)
        run->agent_in = run->agent_out = mounted->terminal_fd;
    if (!run->request->terminal || run->agent_in >= 0)
        return true;
    return fault_set(fault, FAULT_IO, "the cell has made no terminal") ||
           run_because(run, "cell");
}

static bool hand_over(struct run *run, struct cell_packet *mounted, struct fault *fault)
{
    AUTO_CLOSE int fuse = mounted->fuse_fd;
    AUTO_CLOSE int proc = mounted->proc_fd;
    AUTO_CLOSE int door =
        run_is_shared(run) ? take_fd(&run->shared.door[0]) : mounted->door_fd;
    AUTO_CLOSE int known = -1;

    if (!take_terminal(run, mounted, fault))
        return false;
    if (!view_await_ready(run->view.control, PEER_READY_MS, &run->ready, fault))
        return fault_in(fault, "view") ||
               run_because(run, fault->kind == FAULT_HOST ? "host" : "view");
    known = take_fd(&run->ready.known_fd);
    if (!run_is_injected(run) && !view_mounted(run->view.control, fuse, proc, fault))
        return fault_in(fault, "view") || run_because(run, "view");
    if (!door_role_listen(run->door.control, door, known, PEER_READY_MS, fault))
        return fault_in(fault, "door") || run_because(run, "door");
    if (!core_egress_know(run, known, fault))
        return false;
    run->cell_proc = take_fd(&proc);
    return true;
}

/* From here on each program that the cell starts waits for the guard. */
static bool hand_over_calls(struct run *run, struct cell_packet *listener, struct fault *fault)
{
    AUTO_CLOSE int fd = listener->listener_fd;

    return guard_listen(run->guard.control, fd, run->cell_proc, PEER_READY_MS, fault) ||
           run_because(run, "guard");
}

static bool judge_canaries(struct run *run, const struct cell_packet *sealed,
                           struct fault *fault)
{
    for (size_t i = 0; i < sealed->canary_count; i++) {
        const struct cell_canary *canary = &sealed->canaries[i];

        if (canary->outcome == CANARY_HELD || canary->outcome == CANARY_NOT_TRIED)
            continue;
        (void)fault_set(
            fault, FAULT_HOST,
            "canary %s %s (%s): this cell does not hold, no agent was started", canary->id,
            canary->outcome == CANARY_MISSED ? "was not tried" : "got through", canary->seen);
        return run_because(run, "canary");
    }
    return sealed->canaries_broken == 0 ||
           fault_set(fault, FAULT_HOST, "a canary got through: this cell does not hold") ||
           run_because(run, "canary");
}

/* The cell says that it tried what was planted; the view must have seen it. */
static bool judge_witness(struct run *run, const struct view_witness *witness,
                          struct fault *fault)
{
    const char *unseen = witness->reads_refused == 0                ? "read that it refused"
                         : witness->writes_refused == 0             ? "write that it refused"
                         : witness->reads == 0 && !shows_cards(run) ? "read that it answered"
                                                                    : NULL;

    if (unseen == NULL)
        return true;
    (void)fault_set(fault, FAULT_HOST,
                    "the view saw no canary's %s: nothing is proven, no agent was started",
                    unseen);
    return run_because(run, "canary");
}

/* A cell that does not hold is in the ledger before the run ends. */
static bool prove(struct run *run, const struct cell_packet *sealed, struct fault *fault)
{
    struct view_witness witness = {0};
    struct fault unsaid = {0};
    bool held = judge_canaries(run, sealed, fault);

    if (held && !view_disarm_planted(run->view.control, PEER_READY_MS, &witness, fault))
        return fault_in(fault, "view") || run_because(run, "view");
    memcpy(run->transport, witness.transport, sizeof(run->transport));
    if (held && run_is_injected(run) &&
        !guard_disarm_planted(run->guard.control, PEER_READY_MS, &witness, fault))
        return fault_in(fault, "take the canaries away") || run_because(run, "guard");
    if (held && judge_witness(run, &witness, fault))
        return true;
    if (!core_record_enforced(run, sealed, false, &unsaid))
        (void)run_because(run, "ledger");
    return false;
}

bool core_enforce(struct run *run, struct fault *fault)
{
    AUTO_CLOSE int to_gateway = -1;
    struct cell_packet packet = {0};
    struct plants plants;

    make_plants(run, &plants);
    core_disk_begin(run);
    if (!core_build_cache_open(run, fault))
        return run_because(run, "state-folder");
    if (run_is_injected(run) ? !core_plain_open(run, fault)
                             : !message_pair(run->lister, fault))
        return false;
    /* After the gateway, which has the keys, in the order of who takes longest. */
    if (!seen_make(&run->seen, fault) || !served_make(&run->served, fault) ||
        !core_start_gateway(run, &to_gateway, fault) || !core_start_egress(run, fault) ||
        !core_start_view(run, &plants, fault) || !core_egress_ready(run, fault) ||
        !start_cell(run, &plants, fault) || !core_start_guard(run, &plants, fault) ||
        !core_start_observer(run, fault) || !core_start_door(run, to_gateway, fault))
        return false;
    if (!receive(run, CELL_MOUNTED, &packet, fault) || !hand_over(run, &packet, fault))
        return false;
    if (!core_observe(run, fault))
        return fault_in(fault, "observer") || run_because(run, "observer");
    if (!cell_view_ready(run->cell, fault))
        return run_because(run, "cell");
    if (!receive(run, CELL_LISTENER, &packet, fault) || !hand_over_calls(run, &packet, fault))
        return false;
    if (!receive(run, CELL_SEALED, &packet, fault) || !prove(run, &packet, fault))
        return false;
    if (!gateway_role_wait_ready(run->gateway.control, PEER_READY_MS, fault))
        return fault_in(fault, "gateway") || run_because(run, "gateway");
    run->result->canaries_us = packet.sealed.canaries_us;
    core_memory_begin(run, &packet.sealed);
    return core_dirty_checked(run, fault) &&
           (core_record_enforced(run, &packet, true, fault) || run_because(run, "ledger"));
}
