/* The state machine: bytes to text, sequences and strings. What of those passes is
 * terminal_table.c's to say, what of text terminal_character.c's. */
#include "wire/terminal.h"

#include <stdlib.h>

#include "base/scope.h"
#include "wire/terminal_parts.h"

enum {
    BYTE_BEL = 0x07,
    BYTE_SO = 0x0e,
    BYTE_SI = 0x0f,
    BYTE_CAN = 0x18,
    BYTE_SUB = 0x1a,
    BYTE_ESC = 0x1b,
};

static void take_control(struct terminal *terminal, uint8_t byte)
{
    bool screen = terminal->use == TERMINAL_SCREEN;

    if (byte == '\n' || byte == '\r' || byte == '\t' || byte == '\b' ||
        (screen && (byte == BYTE_BEL || byte == BYTE_SO || byte == BYTE_SI)))
        terminal_put_text(terminal, slice_of_bytes(&byte, 1), terminal->at);
    else
        terminal_drop(terminal, TERMINAL_DROP_CONTROL);
    terminal->left.charset = terminal->left.charset || (screen && byte == BYTE_SO);
}

static void hold(struct terminal *terminal, uint8_t byte)
{
    struct fault none = {0};

    if (!buf_add_byte(&terminal->held, byte, &none))
        terminal->is_long = true;
}

static void begin(struct terminal *terminal)
{
    terminal->state = STATE_ESCAPE;
    terminal->is_long = false;
    buf_clear(&terminal->held);
    hold(terminal, BYTE_ESC);
}

static void take_text(struct terminal *terminal, uint8_t byte)
{
    if (byte >= 0x80) {
        terminal_take_character(terminal, byte);
        return;
    }
    terminal_end_character(terminal);
    if (byte == BYTE_ESC)
        begin(terminal);
    else if (byte < 0x20 || byte == 0x7f)
        take_control(terminal, byte);
    else
        terminal_put_text(terminal, slice_of_bytes(&byte, 1), terminal->at);
}

static bool is_command(const struct terminal *terminal)
{
    return terminal->held.at[1] == ']';
}

static void drop_string(struct terminal *terminal)
{
    uint8_t kind = terminal->held.at[1];
    bool clipboard = slice_starts_with(buf_slice(&terminal->held), SLICE(ESC "]52;"));

    terminal_drop(terminal, clipboard     ? TERMINAL_DROP_CLIPBOARD
                            : kind == ']' ? TERMINAL_DROP_COMMAND
                            : kind == 'P' ? TERMINAL_DROP_DEVICE
                            : kind == 'k' ? TERMINAL_DROP_SEQUENCE
                                          : TERMINAL_DROP_PROGRAM);
    terminal->state = STATE_TEXT;
}

static void end_string(struct terminal *terminal)
{
    AUTO_BUF struct buf text = buf_with_limit(TERMINAL_HELD_MAX + 16);
    enum terminal_drop dropped;

    if (terminal->is_long || !is_command(terminal) || terminal->reader != NULL) {
        drop_string(terminal);
        return;
    }
    terminal_command(buf_slice(&terminal->held), terminal->use, &terminal->left, &text,
                     &dropped);
    if (dropped != TERMINAL_DROP_COUNT)
        terminal_drop(terminal, dropped);
    if (text.len > 0)
        terminal_put(terminal, buf_slice(&text));
    terminal->state = STATE_TEXT;
}

static void set_modes(struct terminal *terminal, const struct terminal_csi *csi)
{
    for (size_t i = 0; i < csi->count; i++) {
        bool passes =
            terminal_left_mode(&terminal->left, csi->parameter[i], csi->final == 'h');

        if (!passes)
            terminal_drop(terminal, TERMINAL_DROP_MODE);
        else if (terminal->fault.kind == FAULT_NONE)
            (void)!buf_add_format(terminal->out, &terminal->fault, ESC "[?%u%c",
                                  csi->parameter[i], csi->final);
    }
}

static void read_sequence(const struct terminal *terminal)
{
    if (!terminal->is_long)
        terminal->reader->sequence(terminal->reader->self, buf_slice(&terminal->held),
                                   terminal->at);
}

static void end_csi(struct terminal *terminal)
{
    enum terminal_drop dropped = TERMINAL_DROP_SEQUENCE;
    enum terminal_effect effect = EFFECT_NONE;
    struct terminal_csi csi = {0};

    terminal->state = STATE_TEXT;
    if (terminal->reader != NULL)
        read_sequence(terminal);
    else if (terminal->is_long || !terminal_csi_parse(buf_slice(&terminal->held), &csi) ||
             !terminal_csi_passes(&csi, terminal->use, &effect, &dropped))
        terminal_drop(terminal, dropped);
    else if (effect == EFFECT_MODES)
        set_modes(terminal, &csi);
    else if (!terminal_left_effect(&terminal->left, effect, &csi))
        terminal_drop(terminal, TERMINAL_DROP_MODE);
    else
        terminal_put(terminal, buf_slice(&terminal->held));
}

static void end_escape(struct terminal *terminal)
{
    static const struct terminal_csi none;
    enum terminal_effect effect = EFFECT_NONE;

    terminal->state = STATE_TEXT;
    if (slice_equal(buf_slice(&terminal->held), SLICE(ESC "\\")))
        return; /* the end of a string that was cut off */
    if (terminal->reader != NULL)
        read_sequence(terminal);
    else if (!terminal->is_long &&
             terminal_escape_passes(buf_slice(&terminal->held), terminal->use, &effect) &&
             terminal_left_effect(&terminal->left, effect, &none))
        terminal_put(terminal, buf_slice(&terminal->held));
    else
        terminal_drop(terminal, TERMINAL_DROP_SEQUENCE);
}

static void begin_more(struct terminal *terminal, uint8_t byte)
{
    switch (byte) {
    case '[':
        terminal->state = STATE_CSI;
        break;
    case ']':
    case 'P':
    case 'X':
    case '^':
    case '_':
    case 'k':
        terminal->state = STATE_STRING;
        break;
    default:
        end_escape(terminal);
        break;
    }
}

/* What a sequence cannot hold ends it, and counts by itself. */
static void break_off(struct terminal *terminal, uint8_t byte)
{
    terminal_drop(terminal, TERMINAL_DROP_SEQUENCE);
    terminal->state = STATE_TEXT;
    if (byte != BYTE_CAN && byte != BYTE_SUB)
        take_text(terminal, byte);
}

static void take_sequence(struct terminal *terminal, uint8_t byte)
{
    bool csi = terminal->state == STATE_CSI;

    if (byte < 0x20 || byte > 0x7e) {
        break_off(terminal, byte);
        return;
    }
    hold(terminal, byte);
    if (csi) {
        if (byte >= 0x40)
            end_csi(terminal);
    } else if (byte < 0x30) {
        terminal->state = STATE_INTERMEDIATE;
    } else if (terminal->state == STATE_INTERMEDIATE) {
        end_escape(terminal);
    } else {
        begin_more(terminal, byte);
    }
}

static void take_string(struct terminal *terminal, uint8_t byte)
{
    if (byte == BYTE_ESC)
        terminal->state = STATE_STRING_ESCAPE;
    else if (byte == BYTE_CAN || byte == BYTE_SUB)
        drop_string(terminal);
    else if (byte == BYTE_BEL && is_command(terminal))
        end_string(terminal);
    else
        hold(terminal, byte);
}

static void take(struct terminal *terminal, uint8_t byte)
{
    switch (terminal->state) {
    case STATE_TEXT:
        take_text(terminal, byte);
        break;
    case STATE_ESCAPE:
    case STATE_INTERMEDIATE:
    case STATE_CSI:
        take_sequence(terminal, byte);
        break;
    case STATE_STRING:
        take_string(terminal, byte);
        break;
    case STATE_STRING_ESCAPE:
        if (byte == '\\') {
            end_string(terminal);
            break;
        }
        drop_string(terminal);
        begin(terminal);
        take_sequence(terminal, byte);
        break;
    }
}

/* Bytes at the front that are nothing but text. */
static size_t plain(const struct terminal *terminal, struct slice rest)
{
    size_t at = 0;

    if (terminal->state != STATE_TEXT || terminal->character_len > 0)
        return 0;
    while (at < rest.len && rest.at[at] >= 0x20 && rest.at[at] < 0x7f)
        at++;
    return at;
}

static bool settle(struct terminal *terminal, struct fault *fault)
{
    terminal->out = NULL;
    if (terminal->fault.kind == FAULT_NONE)
        return true;
    *fault = terminal->fault;
    return fault_in(fault, "show what was printed");
}

static void take_all(struct terminal *terminal, struct slice raw)
{
    size_t before = terminal->at;

    for (size_t at = 0; at < raw.len;) {
        size_t len = plain(terminal, slice_part(raw, at, raw.len));

        terminal->at = before + at;
        if (len > 0)
            terminal_put_text(terminal, slice_part(raw, at, at + len), terminal->at);
        else
            take(terminal, raw.at[at]);
        at += len > 0 ? len : 1;
    }
    terminal->at = before + raw.len;
}

bool terminal_show(struct terminal *terminal, struct slice raw, struct buf *out,
                   struct fault *fault)
{
    terminal->out = out;
    take_all(terminal, raw);
    return settle(terminal, fault);
}

void terminal_read(struct slice raw, const struct terminal_reader *reader)
{
    struct terminal *terminal = terminal_new(TERMINAL_LINES);

    terminal->reader = reader;
    take_all(terminal, raw);
    terminal_end_character(terminal);
    terminal_free(terminal);
}

bool terminal_end(struct terminal *terminal, struct buf *out, struct fault *fault)
{
    terminal->out = out;
    terminal_end_character(terminal);
    if (terminal->state == STATE_STRING || terminal->state == STATE_STRING_ESCAPE)
        drop_string(terminal);
    else if (terminal->state != STATE_TEXT)
        break_off(terminal, BYTE_CAN);
    if (terminal->fault.kind == FAULT_NONE)
        (void)!terminal_left_undo(&terminal->left, out, &terminal->fault);
    terminal->left = (struct terminal_left){.has_asked = terminal->left.has_asked};
    return settle(terminal, fault);
}

bool terminal_undo(const struct terminal *terminal, struct buf *out, struct fault *fault)
{
    return terminal_left_undo(&terminal->left, out, fault);
}

struct terminal *terminal_new(enum terminal_use use)
{
    struct terminal *terminal = xalloc(sizeof(*terminal));

    *terminal = (struct terminal){.use = use, .held = buf_with_limit(TERMINAL_HELD_MAX)};
    return terminal;
}

void terminal_free(struct terminal *terminal)
{
    if (terminal == NULL)
        return;
    buf_free(&terminal->held);
    free(terminal);
}

const struct terminal_dropped *terminal_dropped(const struct terminal *terminal)
{
    return &terminal->dropped;
}

bool terminal_has_asked(const struct terminal *terminal)
{
    return terminal->left.has_asked;
}
