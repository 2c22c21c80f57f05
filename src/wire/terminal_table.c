/* What passes. What is not here does not; docs/terminal.md tells people. */
#include "base/utf8.h"
#include "wire/terminal_parts.h"

#define TITLE_BYTES_MAX 256
#define LINK_ID_BYTES_MAX 64

static const struct csi_row {
    uint8_t prefix, intermediate, final;
    uint16_t least, most; /* of the first number; left out, it is 0 */
    uint8_t count_max;
    bool lines; /* passes outside of a screen of the agent's, too */
    enum terminal_effect effect;
} csi_rows[] = {
    /* Characters and colours. */
    {0, 0, 'm', 0, TERMINAL_NUMBER_MAX, TERMINAL_PARAMETERS_MAX, true, EFFECT_COLOUR},
    {0, 0, 'K', 0, 2, 1, true, EFFECT_NONE},
    {0, 0, 'J', 0, 2, 1, false, EFFECT_NONE}, /* 3 takes what had scrolled away */
    {0, 0, 'X', 0, TERMINAL_NUMBER_MAX, 1, false, EFFECT_NONE},
    {0, 0, '@', 0, TERMINAL_NUMBER_MAX, 1, false, EFFECT_NONE},
    {0, 0, 'P', 0, TERMINAL_NUMBER_MAX, 1, false, EFFECT_NONE},
    {0, 0, 'L', 0, TERMINAL_NUMBER_MAX, 1, false, EFFECT_NONE},
    {0, 0, 'M', 0, TERMINAL_NUMBER_MAX, 1, false, EFFECT_NONE},
    {0, 0, 'b', 0, 4096, 1, false, EFFECT_NONE},
    /* The cursor. */
    {0, 0, 'G', 0, TERMINAL_NUMBER_MAX, 1, true, EFFECT_NONE},
    {0, 0, 'A', 0, TERMINAL_NUMBER_MAX, 1, false, EFFECT_NONE},
    {0, 0, 'B', 0, TERMINAL_NUMBER_MAX, 1, false, EFFECT_NONE},
    {0, 0, 'C', 0, TERMINAL_NUMBER_MAX, 1, false, EFFECT_NONE},
    {0, 0, 'D', 0, TERMINAL_NUMBER_MAX, 1, false, EFFECT_NONE},
    {0, 0, 'E', 0, TERMINAL_NUMBER_MAX, 1, false, EFFECT_NONE},
    {0, 0, 'F', 0, TERMINAL_NUMBER_MAX, 1, false, EFFECT_NONE},
    {0, 0, 'H', 0, TERMINAL_NUMBER_MAX, 2, false, EFFECT_NONE},
    {0, 0, 'f', 0, TERMINAL_NUMBER_MAX, 2, false, EFFECT_NONE},
    {0, 0, 'I', 0, TERMINAL_NUMBER_MAX, 1, false, EFFECT_NONE},
    {0, 0, 'Z', 0, TERMINAL_NUMBER_MAX, 1, false, EFFECT_NONE},
    {0, 0, '`', 0, TERMINAL_NUMBER_MAX, 1, false, EFFECT_NONE},
    {0, 0, 'a', 0, TERMINAL_NUMBER_MAX, 1, false, EFFECT_NONE},
    {0, 0, 'd', 0, TERMINAL_NUMBER_MAX, 1, false, EFFECT_NONE},
    {0, 0, 'e', 0, TERMINAL_NUMBER_MAX, 1, false, EFFECT_NONE},
    {0, 0, 's', 0, 0, 0, false, EFFECT_NONE},
    {0, 0, 'u', 0, 0, 0, false, EFFECT_NONE},
    {0, 0, 'g', 0, 3, 1, false, EFFECT_NONE},
    {0, ' ', 'q', 0, 6, 1, false, EFFECT_STYLE},
    /* Scrolling. With more numbers `T` is a mouse mode that waits for the program. */
    {0, 0, 'S', 0, TERMINAL_NUMBER_MAX, 1, false, EFFECT_NONE},
    {0, 0, 'T', 0, TERMINAL_NUMBER_MAX, 1, false, EFFECT_NONE},
    {0, 0, 'r', 0, TERMINAL_NUMBER_MAX, 2, false, EFFECT_REGION},
    /* Modes. */
    {'?', 0, 'h', 1, TERMINAL_NUMBER_MAX, TERMINAL_PARAMETERS_MAX, false, EFFECT_MODES},
    {'?', 0, 'l', 1, TERMINAL_NUMBER_MAX, TERMINAL_PARAMETERS_MAX, false, EFFECT_MODES},
    {0, 0, 'h', 4, 4, 1, false, EFFECT_NONE},
    {0, 0, 'l', 4, 4, 1, false, EFFECT_NONE},
    {0, '!', 'p', 0, 0, 0, false, EFFECT_NONE},
    /* Questions whose answers are numbers, or the terminal's own name. 5n is custody's own. */
    {0, 0, 'n', 6, 6, 1, false, EFFECT_QUESTION},
    {'?', 0, 'n', 6, 6, 1, false, EFFECT_QUESTION},
    {'?', 0, 'n', 996, 996, 1, false, EFFECT_QUESTION}, /* dark or light? */
    {0, 0, 'c', 0, 0, 1, false, EFFECT_QUESTION},
    {'>', 0, 'c', 0, 0, 1, false, EFFECT_QUESTION},
    {'>', 0, 'q', 0, 0, 1, false, EFFECT_QUESTION},
    {'?', '$', 'p', 1, TERMINAL_NUMBER_MAX, 1, false, EFFECT_QUESTION},
    {'?', 0, 'u', 0, 0, 0, false, EFFECT_QUESTION},
    /* How keys are sent: kitty's protocol, xterm's modifyOtherKeys. */
    {'>', 0, 'u', 0, 31, 1, false, EFFECT_KEYS_PUSH},
    {'<', 0, 'u', 0, 64, 1, false, EFFECT_KEYS_POP},
    {'=', 0, 'u', 0, 31, 2, false, EFFECT_KEYS_SET},
    {'>', 0, 'm', 4, 4, 2, false, EFFECT_KEY_FORMAT},
};

/* What it is counted as when it does not pass. 0 as prefix: whatever it is. */
static const struct {
    uint8_t prefix, intermediate, final;
    enum terminal_drop drop;
} csi_drops[] = {
    {0, 0, 't', TERMINAL_DROP_WINDOW},    {0, 0, 'n', TERMINAL_DROP_REPORT},
    {0, 0, 'c', TERMINAL_DROP_REPORT},    {0, 0, 'x', TERMINAL_DROP_REPORT},
    {'>', 0, 'q', TERMINAL_DROP_REPORT},  {0, '$', 'p', TERMINAL_DROP_REPORT},
    {0, '*', 'y', TERMINAL_DROP_REPORT},  {0, '$', 'w', TERMINAL_DROP_REPORT},
    {0, '$', 'u', TERMINAL_DROP_REPORT},  {0, '&', 'u', TERMINAL_DROP_REPORT},
    {0, '"', 'v', TERMINAL_DROP_REPORT},  {0, '#', '|', TERMINAL_DROP_REPORT},
    {0, '\'', '|', TERMINAL_DROP_REPORT}, {'?', 0, 'u', TERMINAL_DROP_REPORT},
    {'?', 0, 'S', TERMINAL_DROP_REPORT},  {'?', 0, 'm', TERMINAL_DROP_REPORT},
    {0, 0, 'h', TERMINAL_DROP_MODE},      {0, 0, 'l', TERMINAL_DROP_MODE},
    {'?', 0, 'r', TERMINAL_DROP_MODE},    {'?', 0, 's', TERMINAL_DROP_MODE},
};

bool terminal_csi_parse(struct slice sequence, struct terminal_csi *ret_csi)
{
    struct terminal_csi csi = {0};
    size_t at = 2; /* past ESC and [ */
    bool begun = false;

    if (at < sequence.len && sequence.at[at] >= '<' && sequence.at[at] <= '?')
        csi.prefix = sequence.at[at++];
    for (; at < sequence.len && sequence.at[at] >= '0' && sequence.at[at] <= ';'; at++) {
        uint8_t byte = sequence.at[at];
        uint16_t *number = &csi.parameter[csi.count];

        begun = true;
        csi.has_colons = csi.has_colons || byte == ':';
        if (byte > '9') {
            if (++csi.count == TERMINAL_PARAMETERS_MAX)
                return false;
        } else if (*number > (TERMINAL_NUMBER_MAX - 9) / 10) {
            return false;
        } else {
            *number = (uint16_t)(*number * 10 + (byte - '0'));
        }
    }
    csi.count += begun;
    if (at < sequence.len && sequence.at[at] >= 0x20 && sequence.at[at] <= 0x2f)
        csi.intermediate = sequence.at[at++];
    if (at + 1 != sequence.len)
        return false;
    csi.final = sequence.at[at];
    *ret_csi = csi;
    return true;
}

static enum terminal_drop csi_drop(const struct terminal_csi *csi)
{
    for (size_t i = 0; i < COUNT(csi_drops); i++)
        if (csi_drops[i].final == csi->final &&
            csi_drops[i].intermediate == csi->intermediate &&
            (csi_drops[i].prefix == 0 || csi_drops[i].prefix == csi->prefix))
            return csi_drops[i].drop;
    return TERMINAL_DROP_SEQUENCE;
}

bool terminal_csi_passes(const struct terminal_csi *csi, enum terminal_use use,
                         enum terminal_effect *ret_effect, enum terminal_drop *ret_drop)
{
    for (size_t i = 0; i < COUNT(csi_rows); i++) {
        const struct csi_row *row = &csi_rows[i];

        if (row->prefix == csi->prefix && row->intermediate == csi->intermediate &&
            row->final == csi->final && csi->parameter[0] >= row->least &&
            csi->parameter[0] <= row->most && csi->count <= row->count_max &&
            (!csi->has_colons || row->effect == EFFECT_COLOUR) &&
            (row->lines || use == TERMINAL_SCREEN)) {
            *ret_effect = row->effect;
            return true;
        }
    }
    *ret_drop = csi_drop(csi);
    return false;
}

/* No full reset: it takes what had scrolled away. No other coding than UTF-8. */
bool terminal_escape_passes(struct slice sequence, enum terminal_use use,
                            enum terminal_effect *ret_effect)
{
    static const struct {
        const char *sequence;
        enum terminal_effect effect;
    } rows[] = {
        {ESC "7", EFFECT_NONE},     {ESC "8", EFFECT_NONE},       {ESC "D", EFFECT_NONE},
        {ESC "E", EFFECT_NONE},     {ESC "H", EFFECT_NONE},       {ESC "M", EFFECT_NONE},
        {ESC "=", EFFECT_KEYPAD},   {ESC ">", EFFECT_KEYPAD_OFF}, {ESC "(B", EFFECT_CHARSET},
        {ESC "(0", EFFECT_CHARSET}, {ESC ")B", EFFECT_CHARSET},   {ESC ")0", EFFECT_CHARSET},
    };

    for (size_t i = 0; i < COUNT(rows) && use == TERMINAL_SCREEN; i++)
        if (slice_equal(sequence, slice_of(rows[i].sequence))) {
            *ret_effect = rows[i].effect;
            return true;
        }
    return false;
}

/* The text of a title: what shows, up to a length. */
static bool write_title(struct slice text, struct buf *out)
{
    struct fault none = {0};
    size_t taken = 0;

    for (size_t at = 0; at < text.len;) {
        uint32_t c = 0;
        size_t len = utf8_next(text, at, &c);
        bool shows = len > 0 && c >= 0x20 && c != 0x85 && !utf8_is_hidden(c);

        len = len == 0 ? 1 : len;
        if (shows && (taken += len) > TITLE_BYTES_MAX)
            break;
        if (shows && !buf_add(out, slice_part(text, at, at + len), &none))
            return false;
        at += len;
    }
    return true;
}

static bool is_name(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!(text.at[i] >= '0' && text.at[i] <= '9') && text.at[i] != '-' &&
            text.at[i] != '_' && text.at[i] != '.' &&
            !((text.at[i] | 0x20) >= 'a' && (text.at[i] | 0x20) <= 'z'))
            return false;
    return text.len > 0 && text.len <= LINK_ID_BYTES_MAX;
}

/* Of a link's parameters only the name by which two parts of one link know each other. */
static bool write_link_name(struct slice parameters, struct buf *out)
{
    struct fault none = {0};
    struct slice one;

    while (slice_cut(&parameters, ':', &one))
        if (slice_starts_with(one, SLICE("id=")) && is_name(slice_part(one, 3, one.len)))
            return buf_add(out, one, &none);
    return true;
}

static bool write_address(struct slice address, struct buf *out)
{
    size_t from = out->len;
    struct fault none = {0};
    struct slice written;

    for (size_t i = 0; i < address.len; i++) {
        if (address.at[i] < 0x20 || address.at[i] == 0x7f)
            continue;
        if (address.at[i] == ' ' || address.at[i] > 0x7e ||
            !buf_add_byte(out, address.at[i], &none))
            return false;
    }
    written = slice_part(buf_slice(out), from, out->len);
    return slice_starts_with(written, SLICE("https://")) ||
           slice_starts_with(written, SLICE("http://"));
}

/* A link that does not pass also ends the one before it: its text is not of that one. */
static bool write_link(struct slice rest, struct terminal_left *left, struct buf *ret_text)
{
    struct fault none = {0};
    struct slice parameters = {0};
    bool ok;

    if (slice_find_byte(rest, ';', 0) == SIZE_MAX || !slice_cut(&rest, ';', &parameters))
        parameters = rest = SLICE("");
    left->link = rest.len > 0;
    ok =
        rest.len == 0 ||
        (buf_add(ret_text, SLICE(ESC "]8;"), &none) && write_link_name(parameters, ret_text) &&
         buf_add_byte(ret_text, ';', &none) && write_address(rest, ret_text));
    if (ok && left->link)
        return buf_add(ret_text, SLICE(BEL), &none);
    left->link = false;
    buf_clear(ret_text);
    return buf_add(ret_text, SLICE(ESC "]8;;" BEL), &none) && ok;
}

void terminal_command(struct slice sequence, enum terminal_use use, struct terminal_left *left,
                      struct buf *ret_text, enum terminal_drop *ret_drop)
{
    struct slice rest = slice_part(sequence, 2, sequence.len), number = {0};
    struct fault none = {0};

    *ret_drop = TERMINAL_DROP_COUNT;
    (void)slice_cut(&rest, ';', &number);
    if (slice_equal(number, SLICE("52"))) {
        *ret_drop = TERMINAL_DROP_CLIPBOARD;
    } else if (slice_equal(number, SLICE("8"))) {
        if (!write_link(rest, left, ret_text))
            *ret_drop = TERMINAL_DROP_COMMAND;
    } else if (use == TERMINAL_SCREEN && number.len == 1 && number.at[0] <= '2' &&
               number.at[0] >= '0') {
        if (!buf_add_format(ret_text, &none, ESC "]%c;", number.at[0]) ||
            !write_title(rest, ret_text) || !buf_add(ret_text, SLICE(BEL), &none))
            buf_clear(ret_text);
    } else {
        *ret_drop = TERMINAL_DROP_COMMAND;
    }
}
