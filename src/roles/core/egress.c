#include "roles/core/egress.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/file.h"
#include "os/message.h"
#include "roles/core/peers.h"
#include "roles/egress/egress.h"
#include "wire/url.h"

static struct egress_texts texts_of(const struct policy_texts *texts)
{
    return (struct egress_texts){.at = texts->at, .count = texts->count};
}

static struct egress_entry *entries_of(const struct policy *policy)
{
    struct egress_entry *entries = xalloc_array(policy->egress_count, sizeof(*entries));

    for (size_t i = 0; i < policy->egress_count; i++) {
        const struct policy_egress *from = &policy->egress[i];

        entries[i] = (struct egress_entry){
            .rule = from->rule,
            .host = from->host,
            .port = (uint16_t)from->port,
            .inspected = from->inspected,
            .methods = texts_of(&from->methods),
            .paths = {texts_of(&from->paths[0]), texts_of(&from->paths[1])},
            .is_private = from->private,
            .ca_file = from->ca,
            .limit = from->index,
            .upload_bytes = from->upload_bytes,
            .download_bytes = from->download_bytes};
    }
    return entries;
}

static bool start_dialer(struct run *run, int socket, const struct egress_entry *entries,
                         struct fault *fault)
{
    struct dialer_role_config config = {.socket = socket,
                                        .entries = entries,
                                        .entry_count = run->policy->egress_count,
                                        .drop_user = geteuid() == 0,
                                        .uid = run->uid,
                                        .gid = run->uid};

    return spawn_role("dialer", dialer_role, &config, (const int[]){socket}, 1,
                      &run->dialer.process, fault);
}

static bool start_egress(struct run *run, int door, int dialer,
                         const struct egress_entry *entries, struct fault *fault)
{
    AUTO_CLOSE int ledger = -1, theirs = -1;
    int control[2];
    struct egress_role_config config = {.door = door,
                                        .dialer = dialer,
                                        .entries = entries,
                                        .entry_count = run->policy->egress_count,
                                        .identity = core_identity(run),
                                        .surrogate_key = run->key,
                                        .surrogate_key_len = sizeof(run->key),
                                        .drop_user = geteuid() == 0,
                                        .uid = run->uid,
                                        .gid = run->uid};

    if (!core_producer(run, "egress",
                       UINT64_C(1) << RECORD_EGRESS | UINT64_C(1) << RECORD_REFUSED, &ledger,
                       fault) ||
        !message_pair(control, fault))
        return false;
    run->egress.control = control[0];
    config.control = theirs = control[1];
    config.ledger = ledger;
    return spawn_role("egress", egress_role, &config,
                      (const int[]){config.control, door, dialer, ledger}, 4,
                      &run->egress.process, fault);
}

bool core_start_egress(struct run *run, struct fault *fault)
{
    AUTO_FREE struct egress_entry *entries = NULL;
    AUTO_CLOSE int asks = -1, dials = -1, carries = -1;
    int ends[2];

    if (run->policy->egress_count == 0)
        return true;
    entries = entries_of(run->policy);
    if (!message_pair(ends, fault))
        return false;
    asks = ends[0];
    dials = ends[1];
    if (!message_pair(ends, fault))
        return false;
    run->to_egress = ends[0];
    carries = ends[1];
    return (start_dialer(run, dials, entries, fault) &&
            start_egress(run, carries, asks, entries, fault)) ||
           fault_in(fault, "egress");
}

/* A file that is not there adds nothing: the clients then trust less. */
static bool add_file(struct buf *bundle, const char *file, struct fault *fault)
{
    AUTO_CLOSE int fd = file == NULL ? -1 : open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    AUTO_BUF struct buf text = buf_with_limit(bundle->limit);

    if (fd < 0)
        return true;
    return (file_read_fd(fd, &text, fault) && buf_add(bundle, buf_slice(&text), fault) &&
            buf_add_byte(bundle, '\n', fault)) ||
           fault_in(fault, "read %s", file);
}

bool core_egress_ready(struct run *run, struct fault *fault)
{
    const struct policy *policy = run->policy;
    bool ok = true;

    if (policy->egress_count == 0)
        return true;
    ok = add_file(&run->trusted, egress_system_ca(), fault);
    for (size_t i = 0; ok && i < policy->egress_count; i++)
        if (!policy->egress[i].inspected) /* its client verifies the server itself */
            ok = add_file(&run->trusted, policy->egress[i].ca, fault);
    return (ok && egress_role_wait_ready(run->egress.control, PEER_READY_MS, &run->trusted,
                                         fault)) ||
           run_because(run, "egress");
}

bool core_egress_know(struct run *run, int known, struct fault *fault)
{
    if (run->policy->egress_count == 0)
        return true;
    if (known >= 0 && lseek(known, 0, SEEK_SET) < 0)
        return fault_errno(fault, "go back in the values that no model may see");
    return egress_role_know(run->egress.control, known, PEER_READY_MS, fault) ||
           run_because(run, "egress");
}

static bool is_listed(const struct policy *policy, const char *host)
{
    for (size_t i = 0; i < policy->egress_count; i++)
        if (strcmp(policy->egress[i].host, host) == 0)
            return true;
    return false;
}

/* What the door is for goes to it directly, unless policy lists that very name. */
static char *not_by_proxy(const struct policy *policy)
{
    bool address = !is_listed(policy, "127.0.0.1"), name = !is_listed(policy, "localhost");

    return xformat("%s%s%s", address ? "127.0.0.1" : "", address && name ? "," : "",
                   name ? "localhost" : "");
}

void core_egress_environment(const struct run *run, struct core_environment *environment)
{
    static const char *const proxies[] = {"HTTP_PROXY", "HTTPS_PROXY", "http_proxy",
                                          "https_proxy"};
    static const char *const trusts[] = {
        "NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE",  "REQUESTS_CA_BUNDLE", "PIP_CERT",
        "CARGO_HTTP_CAINFO",   "GIT_SSL_CAINFO", "CURL_CA_BUNDLE",     "npm_config_cafile"};
    const char *home = run_is_shared(run) ? run->shared.home : CELL_HOME;
    AUTO_FREE char *without = NULL;

    if (run->policy->egress_count == 0)
        return;
    without = not_by_proxy(run->policy);
    for (size_t i = 0; i < COUNT(proxies); i++)
        core_environment_put(environment,
                             xformat("%s=http://127.0.0.1:%d", proxies[i], DOOR_PORT));
    core_environment_put(environment, xformat("NO_PROXY=%s", without));
    core_environment_put(environment, xformat("no_proxy=%s", without));
    core_environment_put(environment, xstrdup("NODE_USE_ENV_PROXY=1"));
    for (size_t i = 0; i < COUNT(trusts); i++)
        core_environment_put(environment, xformat("%s=%s/" EGRESS_CA_FILE, trusts[i], home));
}
