#include "roles/core/build_cache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/file.h"
#include "roles/records/build_caches.h"

#define SIZE_FILE "size" /* bytes when the last run ended; not there: it was killed */
#define SIZE_TEXT_MAX 32

static bool is_wanted(const struct run *run)
{
    return run->policy->resources.build_cache_bytes > 0;
}

/* As root each run has a user of its own; mostly it is the one that the last run had, too. */
static bool give_to_agent(const struct run *run)
{
    struct fault unsaid = {0};
    struct stat stat;

    if (geteuid() != 0)
        return true;
    return fstat(run->build_cache.data_fd, &stat) == 0 &&
           (stat.st_uid == run->uid ||
            file_give_tree(run->build_cache.data_fd, run->uid, &unsaid));
}

/* The note is taken away until the run has ended: a run that is killed leaves none. */
static bool noted_size(struct build_cache *cache)
{
    AUTO_BUF struct buf text = buf_with_limit(SIZE_TEXT_MAX);
    struct fault missing = {0};
    char *end;

    if (!file_read(cache->folder_fd, SIZE_FILE, &text, &missing))
        return false;
    cache->bytes = strtoull(buf_text(&text), &end, 10);
    return unlinkat(cache->folder_fd, SIZE_FILE, 0) == 0 && end != buf_text(&text);
}

static bool is_usable(struct run *run)
{
    struct build_cache *cache = &run->build_cache;

    if (!noted_size(cache))
        cache->bytes = core_disk_used(cache->data_fd);
    return cache->bytes <= run->policy->resources.build_cache_bytes && give_to_agent(run);
}

static bool open_data(struct run *run, struct fault *fault)
{
    struct build_cache *cache = &run->build_cache;

    scope_close(&cache->data_fd);
    return file_open_folder(cache->folder_fd, BUILD_CACHE_DATA, 0700, &cache->data_fd, fault);
}

static bool empty(struct run *run, struct fault *fault)
{
    struct build_cache *cache = &run->build_cache;

    run_say(run, "the build cache was larger than `resources: build_cache`, or could not be "
                 "counted: emptied");
    scope_close(&cache->data_fd);
    if (!file_remove_tree(cache->folder_fd, BUILD_CACHE_DATA, fault) || !open_data(run, fault))
        return false;
    cache->bytes = 0;
    return give_to_agent(run) || fault_errno(fault, "give the build cache to the agent");
}

static bool take(struct run *run, bool *ret_is_taken, struct fault *fault)
{
    struct build_cache *cache = &run->build_cache;

    collect_snapshot_key("build-cache", run->policy->digest, run->request->role, cache->key);
    return build_cache_take(run->session->home.fd,
                            &(struct build_cache_name){.repository = run->cache,
                                                       .key = cache->key,
                                                       .role = run->request->role,
                                                       .root = collect_root(run->collect)},
                            &cache->folder_fd, &cache->lock, ret_is_taken, fault);
}

bool core_build_cache_open(struct run *run, struct fault *fault)
{
    bool is_taken = false;

    if (!is_wanted(run))
        return true;
    if (!take(run, &is_taken, fault))
        return fault_in(fault, "open the build cache");
    if (is_taken) {
        run_say(run, "another run of this role has the build cache: this one has none");
        return true;
    }
    if (!open_data(run, fault) || (!is_usable(run) && !empty(run, fault)))
        return fault_in(fault, "open the build cache");
    run->build_cache.path = xformat("%s/" BUILD_CACHES_FOLDER "/%s/%s/" BUILD_CACHE_DATA,
                                    run->session->home.path, run->cache, run->build_cache.key);
    return true;
}

bool core_build_cache_exceeds(const struct run *run, uint64_t gone_bytes)
{
    uint64_t most = run->policy->resources.build_cache_bytes;

    return run->build_cache.path != NULL && gone_bytes >= most - run->build_cache.bytes &&
           core_disk_used(run->build_cache.data_fd) > most;
}

void core_build_cache_close(struct run *run)
{
    struct build_cache *cache = &run->build_cache;
    struct fault unsaid = {0};

    if (cache->path != NULL) {
        uint64_t bytes = core_disk_used(cache->data_fd);
        AUTO_FREE char *text = xformat("%llu\n", (unsigned long long)bytes);

        if (bytes > run->policy->resources.build_cache_bytes)
            (void)!empty(run, &unsaid);
        else
            (void)!file_create(cache->folder_fd, SIZE_FILE, slice_of(text), 0600, &unsaid);
        if (unsaid.kind != FAULT_NONE) /* the next run counts */
            run_say(run, "warning: build cache: %s", unsaid.why);
    }
    scope_close(&cache->data_fd);
    scope_close(&cache->folder_fd);
    scope_close(&cache->lock);
    free(cache->path);
    cache->path = NULL;
}
