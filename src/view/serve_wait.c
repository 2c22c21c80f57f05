/* How requests come: by /dev/fuse, or by an io_uring and what is left by /dev/fuse. */
#include <errno.h>
#include <poll.h>

#include "view/serve_state.h"

bool view_is_attached(const struct view *view)
{
    return view->session != NULL;
}

const char *view_transport(const struct view *view)
{
    return serve_ring_is_begun(view->ring) ? "io_uring" : "dev-fuse";
}

static bool process(struct view *view, const struct fuse_buf *request, struct fault *fault)
{
    view->counts.requests++;
    fuse_session_process_buf(view->session, request);
    if (view->init.failed) {
        *fault = view->init.fault;
        return false;
    }
    view->is_gone = view->is_gone || fuse_session_exited(view->session);
    return true;
}

/* ret_had: there was a request. */
static bool answer_device(struct view *view, bool *ret_had, struct fault *fault)
{
    int got = fuse_session_receive_buf(view->session, &view->request);

    *ret_had = got > 0;
    if (got == -EINTR || got == -EAGAIN)
        return true;
    if (got < 0) {
        errno = -got;
        return fault_errno(fault, "read a file request");
    }
    if (got == 0) {
        view->is_gone = true;
        return true;
    }
    return process(view, &view->request, fault);
}

static bool on_request(void *self, uint8_t *bytes, size_t len, struct fault *fault)
{
    struct view *view = self;
    struct fuse_buf request = {.mem = bytes, .size = len};

    if (!serve_init_take(view, bytes, len))
        return fault_set(fault, FAULT_IO, "the kernel asked for what cannot be");
    return process(view, &request, fault);
}

static bool on_device(void *self, struct fault *fault)
{
    bool had = true;

    while (had)
        if (!answer_device(self, &had, fault))
            return false;
    return true;
}

static bool wait_device(struct view *view, int other_fd, int timeout_ms, bool *ret_asked,
                        bool *ret_other, struct fault *fault)
{
    struct pollfd fds[2] = {
        {.fd = view->session == NULL ? -1 : fuse_session_fd(view->session), .events = POLLIN},
        {.fd = other_fd, .events = POLLIN}};
    bool had;

    *ret_asked = false;
    *ret_other = false;
    while (poll(fds, 2, timeout_ms) < 0)
        if (errno != EINTR)
            return fault_errno(fault, "wait");
    *ret_asked = fds[0].revents != 0;
    *ret_other = fds[1].revents != 0;
    return !*ret_asked || answer_device(view, &had, fault);
}

bool view_wait(struct view *view, int other_fd, int timeout_ms, bool *ret_asked,
               bool *ret_other, struct fault *fault)
{
    struct serve_ring_calls calls = {view, on_request, on_device};
    bool done = serve_ring_is_begun(view->ring)
                    ? serve_ring_wait(view->ring, other_fd, timeout_ms, &calls, ret_asked,
                                      ret_other, fault)
                    : wait_device(view, other_fd, timeout_ms, ret_asked, ret_other, fault);

    if (view->is_gone) {
        view_detach(view);
        view->is_gone = false;
    }
    return done;
}
