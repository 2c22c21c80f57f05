/*
 * agent/engine.h - engine files: how a third-party agent program is installed, started without
 * a terminal, pointed at the door, and kept from sandboxing or phoning by itself.
 *
 * data/engines/NAME.yaml are compiled into the program; NAME.yaml in the state folder's
 * engines/ replaces one or adds one. Field by field: docs/engines.md.
 */
#ifndef CUSTODY_AGENT_ENGINE_H
#define CUSTODY_AGENT_ENGINE_H

#include "base/bytes.h"
#include "base/fault.h"

#define ENGINE_FILE_BYTES_MAX (64 * 1024)
#define ENGINE_NAME_BYTES_MAX 40

/* The names are those of `dialect:` in policy.yaml. */
enum engine_dialect {
    ENGINE_OPENAI,           /* "openai": Chat Completions */
    ENGINE_OPENAI_RESPONSES, /* "openai-responses" */
    ENGINE_ANTHROPIC,        /* "anthropic": Messages */
    ENGINE_GEMINI,           /* "gemini": generateContent */
    ENGINE_DIALECT_COUNT,
};

#define ENGINE_DIALECT_BIT(dialect) (1U << (unsigned)(dialect))

const char *engine_dialect_name(enum engine_dialect dialect);
MUST_USE bool engine_dialect_parse(struct slice name, enum engine_dialect *ret_dialect);

struct engine_pair {
    char *name;
    char *value; /* may hold {placeholders} */
};

struct engine_pairs {
    struct engine_pair *at;
    size_t count;
};

struct engine_texts {
    char **at;
    size_t count;
};

/* A parsed engine file; read-only for everybody else. */
struct engine {
    char *name;        /* [a-z0-9-]+ */
    char *title;       /* for people */
    char *release;     /* the pinned version */
    char *platform;    /* "linux-x64", or NULL: any */
    char *program;     /* below the installed folder; NULL: custody itself */
    char *interpreter; /* below the installed folder; NULL: the program is executable */
    struct engine_texts packages; /* for npm, each NAME@VERSION; none: nothing to install */
    struct engine_texts arguments;
    struct engine_pairs environment;
    struct engine_pairs files; /* name: path below HOME; value: content */
    unsigned dialects;         /* mask of ENGINE_DIALECT_BIT */
    struct engine_pairs words[ENGINE_DIALECT_COUNT]; /* what {word} means in that dialect */
    char *mcp_each, *mcp_between; /* how {mcp} is written: one server, what stands between two */
    uint64_t memory_bytes; /* what the program itself wants; the build comes on top */
    unsigned nofile;       /* open files, at least */
    char *sandbox;         /* how its own sandbox is off, for people */
    char *offline;         /* what it would otherwise reach for, for people */
};

/*
 * Parses one engine file. Strict: an unknown key, a duplicate, a wrong type, an unknown
 * placeholder, a path that leaves its folder, a second document are refused.
 * FAULT_INVALID says "WHERE:LINE:COLUMN: why".
 */
MUST_USE bool engine_parse(struct slice text, const char *where, struct engine **ret_engine,
                           struct fault *fault);
void engine_free(struct engine *engine); /* NULL is fine */

/*
 * Finds NAME.yaml in `folder` (the state folder's engines/; NULL or missing: only what is
 * compiled in), else the compiled-in one. FAULT_MISSING names those there are.
 */
MUST_USE bool engine_load(const char *folder, const char *name, struct engine **ret_engine,
                          struct fault *fault);
/* Names of every engine there is, sorted; free with engine_names_free. */
MUST_USE bool engine_names(const char *folder, struct engine_texts *ret_names,
                           struct fault *fault);
void engine_names_free(struct engine_texts *names);

/* A tool server at the door. */
struct engine_mcp {
    const char *name, *url;
};

/* What the placeholders stand for. All are paths and names inside the cell. */
struct engine_values {
    enum engine_dialect dialect;    /* must be one of engine->dialects */
    const char *prompt;             /* {prompt}: one argument, whatever it holds */
    const char *model;              /* {model} */
    const char *base_url_openai;    /* {base_url_openai}: "http://127.0.0.1:8080/v1" */
    const char *base_url_anthropic; /* {base_url_anthropic}: "http://127.0.0.1:8080" */
    const char *home;               /* {home}: the writable private HOME */
    const char
        *engine_folder; /* {engine}: where the installed folder is mounted, "/opt/engine" */
    const char *custody_program; /* where custody's own program is found; for custody-agent */
    const struct engine_mcp *mcp; /* {mcp} */
    size_t mcp_count;
};

/* What the cell starts. All strings belong to the launch. */
struct engine_launch {
    const char **argv;         /* NULL-terminated; argv[0] is an absolute path */
    const char **environment;  /* NULL-terminated "NAME=value": what the engine adds */
    struct engine_pairs files; /* written below HOME, 0600, before the start; folders 0700 */
    uint64_t memory_bytes;
    unsigned nofile;
};

/*
 * FAULT_INVALID: the engine does not speak the dialect, or a value other than the prompt has
 * bytes outside [A-Za-z0-9._:/@+-] (they go into JSON and TOML unquoted). FAULT_LIMIT: the
 * prompt is longer than one argument may be.
 */
MUST_USE bool engine_expand(const struct engine *engine, const struct engine_values *values,
                            struct engine_launch *ret_launch, struct fault *fault);
/* Besides the engine's own; copies both. */
void engine_launch_add_file(struct engine_launch *launch, const char *path,
                            const char *content);
void engine_launch_free(struct engine_launch *launch);

/* One engine that is installed (or needs no installing). */
struct engine_installed {
    char *folder;  /* on the host, to be mounted read-only at {engine}; NULL: none is needed */
    char *program; /* on the host; NULL: custody itself */
    char digest[65]; /* SHA-256 of the program, hex; "" for custody itself */
};

/*
 * Looks into `folder`/NAME-RELEASE. FAULT_MISSING: not installed ("run custody engine install
 * NAME"). FAULT_CONFLICT: the program is not the one that was installed.
 */
MUST_USE bool engine_find_installed(const char *folder, const struct engine *engine,
                                    struct engine_installed *ret_installed,
                                    struct fault *fault);
void engine_installed_free(struct engine_installed *installed);
/*
 * Runs npm (argument array, no install scripts) into a new folder, writes installed.json with
 * the version and the program's SHA-256, and moves it into place. Already there: nothing is
 * done. The one thing in custody that asks npm's registry, and only when a person said so.
 */
MUST_USE bool engine_install(const char *folder, const struct engine *engine,
                             struct fault *fault);

#endif
