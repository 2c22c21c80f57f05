/*
 * cell/place.h - where a cell is and how its files come: two axes, and the choice among what a
 * host gives.
 *
 *   place   namespaces  mounts, processes and network of its own
 *           landlock    none of these: file rules, the filter, and the guard for what they
 *                       cannot tell
 *   files   fuse        the view serves; what is denied is not there
 *           injected    ordinary files; the guard opens each: degraded
 */
#ifndef CUSTODY_CELL_PLACE_H
#define CUSTODY_CELL_PLACE_H

#include "base/bytes.h"
#include "base/fault.h"

enum cell_place { CELL_NAMESPACES, CELL_LANDLOCK, CELL_PLACE_COUNT };
enum cell_files { CELL_FUSE, CELL_INJECTED, CELL_FILES_COUNT };

struct cell_mode {
    enum cell_place place;
    enum cell_files files;
};

#define CELL_MODE_COUNT 4
#define CELL_MODE_NAME_BYTES 24
#define CELL_LANDLOCK_ABI_MIN 6 /* signals and abstract sockets stay inside; TCP has rules */

/* All there are, the strongest first. */
extern const struct cell_mode cell_modes[CELL_MODE_COUNT];

/* "namespaces/fuse". */
const char *cell_mode_name(struct cell_mode mode);
bool cell_mode_parse(struct slice text, struct cell_mode *ret_mode);
bool cell_mode_same(struct cell_mode one, struct cell_mode other);
/* It keeps less of what is promised: only where the organisation's policy says so. */
bool cell_mode_is_degraded(struct cell_mode mode);

/* For people: what is lost against the strongest, and what it costs. */
const char *cell_mode_loses(struct cell_mode mode);
const char *cell_mode_costs(struct cell_mode mode);

/* What a host gives to whoever asks; each is 0 or the errno of having tried. */
struct cell_host {
    bool root;
    int namespaces;   /* a user namespace with mounts of its own; as root: mounts */
    int fuse;         /* opening /dev/fuse */
    int fusermount;   /* the set-user-id program that mounts for ordinary users: ENOENT; EPERM:
                         it is not set-user-id; EACCES: no_new_privs keeps it from its rights;
                         ESRCH: it refuses users without a name */
    int landlock_abi; /* 0: none */
    int notification; /* calls that wait for an answer */
    int ptrace_scope; /* kernel.yama.ptrace_scope; 0 where there is no such setting */
};

/* Tries, in a child where it must; takes about a millisecond. */
void cell_host_look(struct cell_host *ret_host);

/* Path of fusermount3, or NULL. */
const char *cell_fusermount(void);

#define CELL_WHY_BYTES 240
/*
 * Can a cell be had in that mode? Pure.
 *   ret_why  why not, and what to do about it; "" where it can
 */
bool cell_host_offers(const struct cell_host *host, struct cell_mode mode,
                      char ret_why[CELL_WHY_BYTES]);
/*
 * The strongest mode that the host offers and policy takes. Pure.
 *   degraded  the organisation's policy takes a degraded one
 *   wanted    a person's choice, or NULL: it may be weaker than what the host offers only
 *             where `degraded`
 * FAULT_HOST says what is missing and what to do; FAULT_DENIED: policy takes none of what
 * there is.
 */
MUST_USE bool cell_mode_choose(const struct cell_host *host, bool degraded,
                               const struct cell_mode *wanted, struct cell_mode *ret_mode,
                               struct fault *fault);

#endif
