/*
 * FUSE requests, as an agent's system calls and a broken kernel could shape them, into the view
 * of a small tree: one file may be read, one has stand-ins, one is denied; a canary, too.
 *
 * An input: a byte of settings, then requests. A byte says how each is made: 0x80 and more, it
 * is as it stands behind a 16-bit length; less, an opcode, with arguments of the length that
 * belongs to it, names out of a list, and data. Whatever comes,
 *   - each request has at most one answer, no longer than what was asked for;
 *   - no bytes of what is denied come out, nor the originals of what has stand-ins;
 *   - no bytes of a file before its first read is recorded;
 *   - what is written out is no more than there is room for.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FUSE_USE_VERSION 312
#include <fuse3/fuse_log.h>

#include "base/scope.h"
#include "os/file.h"
#include "view/changes.h"
#include "view/content.h"
#include "view/crossed.h"
#include "view/object.h"
#include "view/serve.h"
#include "view/serve_shape.h"

#define UPPER_BYTES_MAX (1U << 20)
#define REQUEST_BYTES_MAX (128U << 10)
#define REQUESTS_MAX 400
#define ANSWER_BYTES_MAX (4U << 20)
#define OPEN_TEXT "Anyone may read it.\n"
#define SECRET_TEXT "Kf9#qWz7!pLx3@vB"
#define CARD_TEXT "4929876510293847"
#define CARD_SHOWN "0000000000000000"
#define WINDOW 8 /* so many bytes of a secret are a leak */

enum setting {
    SETTING_OPENS = 1,      /* every open is asked for */
    SETTING_HIDDEN = 2,     /* denied names are not shown */
    SETTING_NO_RECORD = 4,  /* nothing can be recorded */
    SETTING_NO_INIT = 8,    /* the input begins the conversation */
    SETTING_WRITE_BACK = 16 /* the kernel gathers writes */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Two snapshots of the same files; made once. */
static struct {
    int folder, upper, content_fd, wire;
    struct snapshot *snapshots[2]; /* [1]: denied names are hidden */
    struct redacted *redacted[2];
} world = {.folder = -1};

static struct {
    unsigned settings;
    const struct snapshot *snapshot;
    bool open_read; /* a first read of the open file was recorded */
} now;

#define REQUIRE(what)                                                                         \
    do {                                                                                      \
        if (!(what))                                                                          \
            abort();                                                                          \
    } while (0)

/* ---- the files ---- */

static const struct {
    const char *path, *text;
    enum verdict verdict;
    uint32_t mode;
    unsigned class;
} files[] = {
    {"data/cards.csv", "name,card\nada," CARD_TEXT "\n", VERDICT_REDACT, SNAPSHOT_MODE_FILE,
     CLASS_PAN},
    {"infra/net.tf", "net\n", VERDICT_ALLOW, SNAPSHOT_MODE_FILE, CLASS_CODE},
    {"link", "src/open.txt", VERDICT_ALLOW, SNAPSHOT_MODE_LINK, CLASS_CODE},
    {"module", NULL, VERDICT_ALLOW, SNAPSHOT_MODE_GITLINK, CLASS_CODE},
    {"secret.pem", SECRET_TEXT, VERDICT_DENY, SNAPSHOT_MODE_FILE, CLASS_SECRET},
    {"secrets/a.pem", SECRET_TEXT SECRET_TEXT, VERDICT_DENY, SNAPSHOT_MODE_FILE, CLASS_SECRET},
    {"src/a/b/c.txt", "c\n", VERDICT_ALLOW, SNAPSHOT_MODE_PROGRAM, CLASS_CODE},
    {"src/empty", "", VERDICT_ALLOW, SNAPSHOT_MODE_FILE, CLASS_CODE},
    {"src/open.txt", OPEN_TEXT, VERDICT_ALLOW, SNAPSHOT_MODE_FILE, CLASS_CODE},
};

static const char *const names[] = {"data",
                                    "cards.csv",
                                    "infra",
                                    "net.tf",
                                    "link",
                                    "module",
                                    "secret.pem",
                                    "a.pem",
                                    "secrets",
                                    "src",
                                    "a",
                                    "b",
                                    "c.txt",
                                    "empty",
                                    "new",
                                    "open.txt",
                                    "new2",
                                    "custody.yaml",
                                    "..",
                                    ".",
                                    "",
                                    ".git",
                                    "a/b",
                                    "/",
                                    "canary",
                                    "denied-canary",
                                    "build",
                                    ".GIT",
                                    "user.x",
                                    "user.y",
                                    "security.capability",
                                    "system.posix_acl_access"};

static bool redact(void *self, struct slice path, struct slice original,
                   const struct snapshot_finding *findings, size_t count,
                   struct buf *ret_redacted, struct fault *fault)
{
    (void)self;
    (void)path;
    if (!buf_add(ret_redacted, original, fault))
        return false;
    for (size_t i = 0; i < count; i++)
        memset(ret_redacted->at + findings[i].start, '0', findings[i].end - findings[i].start);
    return true;
}

/* Denied bytes are in the content file, too: an offset that is off would show them. */
static bool add_files(struct content *content, struct snapshot_builder *builder,
                      struct fault *fault)
{
    struct hasher *hasher;
    bool done = hasher_new(20, &hasher, fault);

    for (size_t i = 0; done && i < COUNT(files); i++) {
        struct slice text = slice_of(files[i].text == NULL ? "" : files[i].text);
        struct snapshot_finding finding = {.start = 14, .end = 30, .class = CLASS_PAN};
        uint8_t oid[SNAPSHOT_OID_MAX];
        struct snapshot_entry entry = {.path = slice_of(files[i].path),
                                       .mode = files[i].mode,
                                       .oid = oid,
                                       .size = text.len,
                                       .class_mask = CLASS_BIT(files[i].class),
                                       .verdict = files[i].verdict,
                                       .rule = SLICE("a rule"),
                                       .findings = &finding};

        hasher_object(hasher, OBJECT_BLOB, text, oid);
        entry.finding_count = files[i].verdict == VERDICT_REDACT;
        done = (files[i].text == NULL ||
                content_add(content, oid, 20, text, &entry.content_at, fault)) &&
               snapshot_builder_add(builder, &entry, fault);
    }
    hasher_free(hasher);
    return done;
}

static bool make_snapshot(struct content *content, bool hide_names, struct fault *fault)
{
    static const struct redactor redactor = {redact, NULL};
    struct snapshot_settings settings = {
        .oid_bytes = 20, .base_time_s = 1700000000, .hide_names = hide_names};
    const char *key = hide_names ? "hidden" : "shown";
    AUTO_CLOSE int folder = -1;
    struct snapshot_builder *builder = NULL;
    bool done =
        snapshot_builder_new(&settings, &builder, fault) &&
        add_files(content, builder, fault) && content_commit(content, fault) &&
        snapshot_builder_finish(builder, world.folder, key, content_fd(content), NULL, fault);

    snapshot_builder_free(builder);
    if (!done)
        return false;
    folder = openat(world.folder, key, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return snapshot_open(folder, &world.snapshots[hide_names], fault) &&
           redacted_make(world.snapshots[hide_names], content_fd(content), &redactor,
                         &world.redacted[hide_names], fault);
}

static char world_path[] = "/tmp/custody-fuzz-XXXXXX";

static void remove_world(void)
{
    struct fault fault = {0};

    (void)!file_remove_tree(AT_FDCWD, world_path, &fault);
}

static void be_quiet(enum fuse_log_level level, const char *format, va_list arguments)
{
    (void)level;
    (void)format;
    (void)arguments;
}

static void begin_world(void)
{
    struct content *content;
    struct fault fault = {0};

    REQUIRE(mkdtemp(world_path) != NULL && atexit(remove_world) == 0);
    fuse_set_log_func(be_quiet);
    world.folder = open(world_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    REQUIRE(mkdirat(world.folder, "upper", 0700) == 0);
    world.upper = openat(world.folder, "upper", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    REQUIRE(content_open(world.folder, &content, &fault));
    REQUIRE(make_snapshot(content, false, &fault) && make_snapshot(content, true, &fault));
    world.content_fd = fcntl(content_fd(content), F_DUPFD_CLOEXEC, 3);
    content_close(content);
}

/* ---- what the view asks ---- */

static bool record(void *self, const struct view_event *event, bool durable,
                   struct fault *fault)
{
    uint32_t number;

    (void)self;
    (void)durable;
    REQUIRE(event->path != NULL && strlen(event->path) <= SNAPSHOT_PATH_MAX);
    REQUIRE(event->end >= event->first);
    if ((now.settings & SETTING_NO_RECORD) != 0)
        return fault_set(fault, FAULT_IO, "no ledger");
    number = snapshot_find(now.snapshot, SLICE("src/open.txt"));
    now.open_read = now.open_read || (event->operation == VIEW_READ && event->base == number);
    REQUIRE(event->operation != VIEW_READ || event->refused || event->verdict != VERDICT_DENY);
    return true;
}

static enum verdict read_verdict(void *self, const char *path, const char **ret_rule)
{
    (void)self;
    *ret_rule = "a rule";
    return slice_ends_with(slice_of(path), SLICE(".pem")) ? VERDICT_DENY : VERDICT_ALLOW;
}

static bool write_allowed(void *self, const char *path, bool in_new_folder,
                          const char **ret_rule)
{
    (void)self;
    (void)in_new_folder;
    *ret_rule = "a rule";
    return !slice_starts_with(slice_of(path), SLICE("infra/"));
}

static int64_t at_noon(void *self)
{
    (void)self;
    return 1700000000000000;
}

static const struct clock clock_still = {.now_us = at_noon, .monotonic_us = at_noon};

/* ---- leaks ---- */

static bool has_window(struct slice bytes, const char *text, size_t window)
{
    for (size_t i = 0; i + window <= strlen(text); i++)
        if (slice_find(bytes, slice_of_bytes(text + i, window), 0) != SIZE_MAX)
            return true;
    return false;
}

static void require_clean(struct slice bytes)
{
    REQUIRE(!has_window(bytes, SECRET_TEXT, WINDOW) && !has_window(bytes, CARD_TEXT, WINDOW));
}

/* An agent that knows the secret already can write it and read it back. */
static bool knows_too_much(struct slice input)
{
    return has_window(input, SECRET_TEXT, 4) || has_window(input, CARD_TEXT, 4) ||
           has_window(input, OPEN_TEXT, 4);
}

/* ---- answers ---- */

/* The most that an answer without an error has behind its header. */
static size_t most_of(struct slice request, uint32_t opcode)
{
    struct fuse_getxattr_in attribute;
    struct fuse_read_in read;

    switch (opcode) {
    case FUSE_READ:
    case FUSE_READDIRPLUS:
        memcpy(&read, request.at + sizeof(struct fuse_in_header), sizeof(read));
        return read.size;
    case FUSE_GETXATTR:
    case FUSE_LISTXATTR:
        memcpy(&attribute, request.at + sizeof(struct fuse_in_header), sizeof(attribute));
        return attribute.size == 0 ? sizeof(struct fuse_getxattr_out) : attribute.size;
    case FUSE_READLINK:
        return 4095;
    default: /* an entry, and an open file */
        return sizeof(struct fuse_entry_out) + sizeof(struct fuse_open_out);
    }
}

static void check_answer(struct slice request, struct slice answer, bool *is_answered)
{
    struct fuse_in_header in;
    struct fuse_out_header out;

    memcpy(&in, request.at, sizeof(in));
    memcpy(&out, answer.at, sizeof(out));
    if (out.unique == 0 &&
        in.unique != 0) { /* the kernel is to forget what it knows of a file */
        REQUIRE(out.error == FUSE_NOTIFY_INVAL_INODE);
        return;
    }
    if (out.unique != in.unique || out.error == -EAGAIN) { /* a late interrupt */
        REQUIRE(out.error == -EAGAIN);
        return;
    }
    REQUIRE(!*is_answered);
    *is_answered = true;
    REQUIRE(out.error <= 0 && out.error > -512);
    if (out.error != 0)
        REQUIRE(answer.len == sizeof(out));
    else
        REQUIRE(answer.len - sizeof(out) <= most_of(request, in.opcode));
    require_clean(answer);
    REQUIRE(now.open_read || !has_window(answer, OPEN_TEXT, WINDOW));
}

static void check_answers(struct slice request, struct slice answers)
{
    bool is_answered = false;

    while (answers.len > 0) {
        struct fuse_out_header out;

        REQUIRE(answers.len >= sizeof(out));
        memcpy(&out, answers.at, sizeof(out));
        REQUIRE(out.len >= sizeof(out) && out.len <= answers.len);
        check_answer(request, slice_part(answers, 0, out.len), &is_answered);
        answers = slice_part(answers, out.len, answers.len);
    }
}

/* The request is the file's content up to where the view stands in it; answers come behind. */
static bool ask(struct view *view, struct slice request)
{
    static uint8_t answers[ANSWER_BYTES_MAX];
    struct fault fault = {0};
    bool asked, other, done;
    ssize_t len;

    REQUIRE(ftruncate(world.wire, 0) == 0 &&
            pwrite(world.wire, request.at, request.len, 0) == (ssize_t)request.len &&
            lseek(world.wire, 0, SEEK_SET) == 0);
    done = view_wait(view, -1, 0, &asked, &other, &fault);
    len = pread(world.wire, answers, sizeof(answers), (off_t)request.len);
    REQUIRE(len >= 0 && len < (ssize_t)sizeof(answers));
    REQUIRE(done || len == 0); /* what is not whole has no answer */
    if (len > 0)
        check_answers(request, slice_of_bytes(answers, (size_t)len));
    return done && view_is_attached(view);
}

/* ---- requests ---- */

static uint8_t take(struct slice *input)
{
    uint8_t byte = input->len > 0 ? input->at[0] : 0;

    *input = slice_part(*input, 1, input->len);
    return byte;
}

static void put(struct buf *request, const void *at, size_t len)
{
    struct fault fault = {0};

    REQUIRE(buf_add(request, slice_of_bytes(at, len), &fault));
}

/* Bytes of the input, and zeros where it has no more. */
static void put_taken(struct buf *request, struct slice *input, size_t len)
{
    for (; len > 0; len--) {
        uint8_t byte = take(input);

        put(request, &byte, 1);
    }
}

static void put_name(struct buf *request, struct slice *input)
{
    uint8_t which = take(input);

    if (which < COUNT(names)) {
        put(request, names[which], strlen(names[which]));
    } else {
        struct slice part = slice_part(*input, 0, which);

        if (part.len > 0)
            put(request, part.at, part.len);
        *input = slice_part(*input, which, input->len);
    }
    put(request, "", 1);
}

/* Some data, said to be as much as it is, and sometimes more. */
static void put_data(struct buf *request, struct slice *input, const struct serve_shape *shape)
{
    uint8_t low = take(input), high = take(input);
    uint32_t count = (uint32_t)low | (uint32_t)(high & 0x7f) << 8;
    size_t len = (size_t)count * shape->data_each;

    len = len < REQUEST_BYTES_MAX - 4096 ? len : REQUEST_BYTES_MAX - 4096;
    put_taken(request, input, len);
    if ((high & 0x80) != 0)
        count += 1 + low;
    memcpy(request->at + sizeof(struct fuse_in_header) + shape->count_at, &count,
           sizeof(count));
}

static void make_request(struct slice *input, uint32_t opcode, uint64_t unique,
                         struct buf *request)
{
    const struct serve_shape *shape = serve_shape_of(opcode);
    struct fuse_in_header header = {
        .opcode = opcode, .unique = unique, .nodeid = take(input), .pid = 7};

    if (header.nodeid == 0xff)
        header.nodeid = UINT64_C(0x100000000) | take(input);
    put(request, &header, sizeof(header));
    if (shape != NULL) {
        put_taken(request, input, shape->fixed);
        for (unsigned i = 0; i < shape->names; i++)
            put_name(request, input);
        if (shape->data_each > 0)
            put_data(request, input, shape);
    }
    header.len = (uint32_t)request->len;
    memcpy(request->at, &header, sizeof(header));
}

/* False: that was all. */
static bool next_request(struct slice *input, uint64_t unique, struct buf *request)
{
    uint8_t how = take(input);

    buf_clear(request);
    if (how >= 0x80) {
        uint8_t low = take(input), high = take(input);
        size_t len = (size_t)low | (size_t)high << 8;

        put_taken(request, input, len < input->len ? len : input->len);
    } else {
        make_request(input, how, unique, request);
    }
    return request->len > 0;
}

/* The library keeps an interrupt for what may still come, until the next request is another. */
static bool ask_on(struct view *view, struct slice request, uint64_t unique)
{
    struct fuse_in_header header = {
        .len = sizeof(header), .opcode = FUSE_STATFS, .unique = unique, .nodeid = 1};
    uint32_t opcode = 0;

    if (!ask(view, request))
        return false;
    if (request.len >= sizeof(header))
        memcpy(&opcode, request.at + offsetof(struct fuse_in_header, opcode), sizeof(opcode));
    return opcode != FUSE_INTERRUPT || ask(view, slice_of_bytes(&header, sizeof(header)));
}

static bool greet(struct view *view, bool write_back)
{
    struct {
        struct fuse_in_header header;
        struct fuse_init_in in;
    } init = {.header = {.len = sizeof(init), .opcode = FUSE_INIT, .unique = 1},
              .in = {.major = FUSE_KERNEL_VERSION,
                     .minor = FUSE_KERNEL_MINOR_VERSION,
                     .max_readahead = 1U << 17,
                     .flags = FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_DO_READDIRPLUS |
                              FUSE_MAX_PAGES | FUSE_INIT_EXT}};

    if (write_back)
        init.in.flags |= FUSE_WRITEBACK_CACHE | FUSE_HANDLE_KILLPRIV_V2;
    return ask(view, slice_of_bytes(&init, sizeof(init)));
}

/* ---- what came of it ---- */

static bool tell(void *self, const struct view_change *change, struct fault *fault)
{
    static uint8_t room[UPPER_BYTES_MAX];

    (void)self;
    (void)fault;
    require_clean(change->bytes);
    if (change->content == VIEW_CONTENT_FD) {
        ssize_t len = pread(change->fd, room, sizeof(room), 0);

        REQUIRE(len >= 0);
        require_clean(slice_of_bytes(room, (size_t)len));
    }
    return true;
}

/* Removes what the view wrote; its room on the disk. */
static uint64_t empty_upper(void)
{
    int fd = openat(world.upper, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fdopendir(fd);
    uint64_t bytes = 0;

    REQUIRE(dir != NULL);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        struct stat stat;

        if (entry->d_name[0] == '.')
            continue;
        REQUIRE(fstatat(world.upper, entry->d_name, &stat, AT_SYMLINK_NOFOLLOW) == 0);
        bytes += (uint64_t)stat.st_blocks * 512;
        (void)unlinkat(world.upper, entry->d_name, 0);
    }
    (void)closedir(dir);
    return bytes;
}

static struct view *new_view(unsigned settings)
{
    static const struct view_planted planted[] = {
        {"canary", {(const uint8_t *)"shown", 5}, 0, VERDICT_ALLOW},
        {"denied-canary", {(const uint8_t *)SECRET_TEXT, 16}, 0, VERDICT_DENY}};
    static const char *const mount_points[] = {".git", "build"};
    bool hidden = (settings & SETTING_HIDDEN) != 0;
    struct view_settings with = {
        .snapshot = world.snapshots[hidden],
        .redacted = world.redacted[hidden],
        .content_fd = world.content_fd,
        .upper_fd = world.upper,
        .uid = 1000,
        .gid = 1000,
        .upper_bytes_max = UPPER_BYTES_MAX,
        .mount_points = mount_points,
        .mount_point_count = COUNT(mount_points),
        .planted = planted,
        .planted_count = COUNT(planted),
        .lister_fd = -1,
        .opens = (settings & SETTING_OPENS) != 0,
        .clock = &clock_still,
        .calls = {NULL, record, read_verdict, write_allowed},
    };
    struct fault fault = {0};
    struct view *view;

    now.settings = settings;
    now.snapshot = with.snapshot;
    now.open_read = false;
    REQUIRE(view_new(&with, &view, &fault));
    world.wire = memfd_create("wire", MFD_CLOEXEC);
    REQUIRE(view_attach(view, fcntl(world.wire, F_DUPFD_CLOEXEC, 3), -1, &fault));
    return view;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_of_bytes(data, size);
    AUTO_BUF struct buf request = buf_with_limit(REQUEST_BYTES_MAX);
    struct fault fault = {0};
    unsigned settings = take(&input);
    struct view *view;
    bool goes_on;
    int crossed;

    if (world.folder < 0)
        begin_world();
    if (knows_too_much(input))
        return 0;
    view = new_view(settings);
    goes_on =
        (settings & SETTING_NO_INIT) != 0 || greet(view, (settings & SETTING_WRITE_BACK) != 0);
    for (uint64_t unique = 2; goes_on && unique < 2 * REQUESTS_MAX && input.len > 0;
         unique += 2)
        if (next_request(&input, unique, &request))
            goes_on = ask_on(view, buf_slice(&request), unique + 1);
    REQUIRE(empty_upper() <= UPPER_BYTES_MAX + 4096);
    if (view_changes(view, tell, NULL, &fault) && view_crossed(view, &crossed, &fault))
        (void)close(crossed);
    view_free(view);
    (void)close(world.wire);
    return 0;
}
