/*
 * policy/schema.h - the one table of what a policy may say. Parser checks, narrowing and the
 * reference page come from it. Private to policy/.
 */
#ifndef CUSTODY_POLICY_SCHEMA_H
#define CUSTODY_POLICY_SCHEMA_H

#include "policy/settings.h"

#define SCHEMA_ZONES "phi cde"

enum schema_type {
    SCHEMA_TEXT,     /* anything printable */
    SCHEMA_NAME,     /* [A-Za-z0-9._-], up to 128, not from . or - on */
    SCHEMA_INTEGER,  /* min..max; no number has leading zeros */
    SCHEMA_BYTES,    /* 512M, 4G, 65536 */
    SCHEMA_PERCENT,  /* 200% */
    SCHEMA_MONEY,    /* US dollars, up to six decimals; the value is micro-USD */
    SCHEMA_DURATION, /* 90d, 4w, 2y; the value is days */
    SCHEMA_BOOLEAN,
    SCHEMA_WORD, /* one of `words` */
    SCHEMA_URL,
    SCHEMA_PATH,   /* absolute, without .. */
    SCHEMA_FOLDER, /* relative, without pattern characters */
    SCHEMA_GLOB,
    SCHEMA_DATE, /* 2027-03-31; the value is its last microsecond, UTC */
};

enum schema_file { SCHEMA_ORGANISATION = 1, SCHEMA_REPOSITORY = 2, SCHEMA_BOTH = 3 };

enum schema_narrowing {
    NARROW_OWN,        /* one file only */
    NARROW_MINIMUM,    /* the repository's may be at most the organisation's */
    NARROW_MAXIMUM,    /* ... at least */
    NARROW_STRICTER,   /* later word of `words`, or the same */
    NARROW_LOOSER_NOT, /* earlier word of `words`, or the same */
    NARROW_UNION,      /* denies add up */
    NARROW_BOTH_MUST,  /* allows: both files' must match */
    NARROW_SUBSET,     /* the repository's must be among the organisation's */
};

/* Does this version do what the key says? */
enum schema_effect {
    EFFECT_ENFORCED,
    EFFECT_NOTED, /* no, and nothing is weaker without it: policy_notes names it */
};

struct schema_row {
    const char *path; /* names joined by POLICY_SEP; "#": any item, "*": any key */
    enum schema_type type;
    unsigned files;
    enum schema_narrowing narrowing;
    enum schema_effect effect;
    const char *words;    /* of SCHEMA_WORD, separated by spaces, in narrowing's order */
    const char *standard; /* the default as text (of `data`, by class: for the reference page),
                             or NULL */
    int64_t min, max;
    const char *text;
};

extern const struct schema_row schema_rows[];
extern const size_t schema_row_count;

/* The row of a setting's path, or NULL. */
const struct schema_row *schema_find(const char *path);
/* The folder of keys that the path is of: an empty map or list may stand there. */
bool schema_is_above_a_row(const char *path);
/* For people: "size (4G)". */
const char *schema_type_name(enum schema_type type);
/* Is the setting's value of the row's type and within its bounds? `shown`: its key, for people. */
MUST_USE bool schema_check_value(const struct policy_settings *settings,
                                 const struct setting *setting, const struct schema_row *row,
                                 const char *shown, struct fault *fault);
/*
 * Checks every setting against its row: known, of the right type, in the right file, keys of
 * maps well-formed. `file` is the one that these settings are from.
 */
MUST_USE bool schema_check(const struct policy_settings *settings, unsigned file,
                           struct fault *fault);
/* A value of a number-like type. It has passed schema_check. */
int64_t schema_number(const struct schema_row *row, const char *value);
/* Position of a word in the row's words. */
int schema_word_index(const struct schema_row *row, const char *word);

#endif
