/* wire/terminal_parts.h - what the files of the filter share. Private to wire/terminal*.c. */
#ifndef CUSTODY_WIRE_TERMINAL_PARTS_H
#define CUSTODY_WIRE_TERMINAL_PARTS_H

#include "wire/terminal.h"

#define TERMINAL_PARAMETERS_MAX 32
#define TERMINAL_NUMBER_MAX 32767

#define ESC "\x1b"
#define BEL "\x07"

/* ESC [ prefix parameters intermediate final (ECMA-48, 5.4) */
struct terminal_csi {
    uint8_t prefix, intermediate, final; /* prefix, intermediate: 0 where there is none */
    bool has_colons;
    uint16_t parameter[TERMINAL_PARAMETERS_MAX]; /* what is left out is 0 */
    size_t count;
};

/* What a sequence leaves behind. */
enum terminal_effect {
    EFFECT_NONE,
    EFFECT_MODES, /* each parameter is judged by itself */
    EFFECT_COLOUR,
    EFFECT_REGION,
    EFFECT_STYLE,
    EFFECT_KEYS_PUSH, /* kitty's keyboard protocol: a stack for each screen */
    EFFECT_KEYS_POP,
    EFFECT_KEYS_SET,
    EFFECT_KEY_FORMAT,
    EFFECT_KEYPAD,
    EFFECT_KEYPAD_OFF,
    EFFECT_CHARSET,
    EFFECT_QUESTION,
};

/* What is not as the person's terminal was. */
struct terminal_left {
    uint64_t modes; /* bit i: the i-th mode of the table */
    bool colour, link, region, style, key_format, keypad, charset;
    bool has_asked;
    bool keys_set[2]; /* of the usual screen, of the other */
    uint16_t keys[2]; /* how many were pushed */
};

/* Gets what shows as text, line ends, tabs and backspaces among it, instead of a terminal. */
struct terminal_reader {
    void (*text)(void *self, struct slice bytes, size_t at); /* at: of the first byte in raw */
    /* From ESC to its last byte, which is at `at`. No strings: nothing of those shows. */
    void (*sequence)(void *self, struct slice bytes, size_t at);
    void *self;
};

enum terminal_state {
    STATE_TEXT,
    STATE_ESCAPE,        /* ESC came */
    STATE_INTERMEDIATE,  /* ESC and 0x20 to 0x2f */
    STATE_CSI,           /* ESC [ */
    STATE_STRING,        /* OSC, DCS, APC, PM, SOS, a title of screen's */
    STATE_STRING_ESCAPE, /* ESC in one of them: its end, or the begin of something else */
};

struct terminal {
    enum terminal_use use;
    enum terminal_state state;
    uint8_t character[4]; /* UTF-8 that has begun */
    size_t character_len;
    size_t at, character_at; /* bytes taken before this one; before that character */
    struct buf held;         /* the sequence, from its ESC */
    bool is_long;            /* and it had more bytes than we hold */
    struct terminal_left left;
    struct terminal_dropped dropped;
    struct buf *out;                      /* during a call */
    const struct terminal_reader *reader; /* gets the text instead of `out`; NULL: none */
    struct fault fault;
};

void terminal_put(struct terminal *terminal, struct slice bytes);
void terminal_put_text(struct terminal *terminal, struct slice bytes, size_t at);
void terminal_drop(struct terminal *terminal, enum terminal_drop drop);
/* A byte from 0x80 on. */
void terminal_take_character(struct terminal *terminal, uint8_t byte);
/* A character that has begun gets no more bytes. */
void terminal_end_character(struct terminal *terminal);
/* All of what was printed: nothing goes out, its text is told in order. */
void terminal_read(struct slice raw, const struct terminal_reader *reader);

/* False: not a sequence of that form, or one with more or larger numbers than we take. */
MUST_USE bool terminal_csi_parse(struct slice sequence, struct terminal_csi *ret_csi);
/* Is it in the table? Else `ret_drop` says what it is counted as. */
MUST_USE bool terminal_csi_passes(const struct terminal_csi *csi, enum terminal_use use,
                                  enum terminal_effect *ret_effect,
                                  enum terminal_drop *ret_drop);
/* The same of ESC and up to two more bytes. */
MUST_USE bool terminal_escape_passes(struct slice sequence, enum terminal_use use,
                                     enum terminal_effect *ret_effect);
/*
 * Writes what passes of an OSC (from ESC to before its terminator) into `ret_text`, whose
 * limit is at least TERMINAL_HELD_MAX + 16; empty: nothing does. ret_drop: what is to be
 * counted, or TERMINAL_DROP_COUNT. `left` is told of links.
 */
void terminal_command(struct slice sequence, enum terminal_use use, struct terminal_left *left,
                      struct buf *ret_text, enum terminal_drop *ret_drop);

/* False: that mode does not pass. */
MUST_USE bool terminal_left_mode(struct terminal_left *left, uint16_t number, bool on);
/* False: it takes away what was not its own to take. */
MUST_USE bool terminal_left_effect(struct terminal_left *left, enum terminal_effect effect,
                                   const struct terminal_csi *csi);
MUST_USE bool terminal_left_undo(const struct terminal_left *left, struct buf *out,
                                 struct fault *fault);

#endif
