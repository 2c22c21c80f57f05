/* Which modes pass, and what has to be undone when the agent has ended. */
#include "wire/terminal_parts.h"

enum mode_start {
    START_OFF,
    START_ON,
    START_OWN, /* the person's choice; nothing that has to be undone */
};

static const struct mode {
    uint16_t number;
    enum mode_start start;
    bool other_screen;
} modes[] = {
    {1, START_OFF, false},    /* cursor keys */
    {6, START_OFF, false},    /* positions count from the scroll region */
    {7, START_ON, false},     /* wrap */
    {12, START_OWN, false},   /* cursor blinks */
    {25, START_ON, false},    /* cursor shows */
    {66, START_OFF, false},   /* keypad */
    {1000, START_OFF, false}, /* mouse: buttons, */
    {1002, START_OFF, false}, /* drags, */
    {1003, START_OFF, false}, /* moves, */
    {1004, START_OFF, false}, /* focus, */
    {1005, START_OFF, false}, /* and how they are sent */
    {1006, START_OFF, false},
    {1007, START_OWN, false}, /* the wheel as cursor keys on the other screen */
    {1015, START_OFF, false},
    {1016, START_OFF, false},
    {1048, START_OWN, false}, /* save and restore the cursor */
    {2004, START_OFF, false}, /* bracketed paste */
    {2026, START_OFF, false}, /* synchronized output */
    {2027, START_OWN, false}, /* widths of whole characters */
    {2031, START_OFF, false}, /* dark and light are told of */
    {47, START_OFF, true},
    {1047, START_OFF, true},
    {1049, START_OFF, true},
};
_Static_assert(COUNT(modes) <= 64, "a bit each");

static bool is_other_screen(const struct terminal_left *left)
{
    for (size_t i = 0; i < COUNT(modes); i++)
        if (modes[i].other_screen && (left->modes >> i & 1) != 0)
            return true;
    return false;
}

/* There is one other screen, however one got there. */
static void leave_other_screen(struct terminal_left *left)
{
    for (size_t i = 0; i < COUNT(modes); i++)
        if (modes[i].other_screen)
            left->modes &= ~(UINT64_C(1) << i);
}

bool terminal_left_mode(struct terminal_left *left, uint16_t number, bool on)
{
    for (size_t i = 0; i < COUNT(modes); i++) {
        if (modes[i].number != number)
            continue;
        if (modes[i].other_screen && !on)
            leave_other_screen(left);
        else if (modes[i].start != START_OWN && on != (modes[i].start == START_ON))
            left->modes |= UINT64_C(1) << i;
        else
            left->modes &= ~(UINT64_C(1) << i);
        return true;
    }
    return false;
}

/* Only what the agent itself has pushed. */
static bool pop_keys(uint16_t *depth, uint16_t count)
{
    count = count == 0 ? 1 : count;
    if (count > *depth)
        return false;
    *depth = (uint16_t)(*depth - count);
    return true;
}

/* kitty keeps 8; a terminal that keeps more must not be filled. */
static bool push_keys(uint16_t *depth)
{
    if (*depth == 64)
        return false;
    ++*depth;
    return true;
}

bool terminal_left_effect(struct terminal_left *left, enum terminal_effect effect,
                          const struct terminal_csi *csi)
{
    size_t screen = is_other_screen(left);

    switch (effect) {
    case EFFECT_NONE:
    case EFFECT_MODES:
        break;
    case EFFECT_COLOUR:
        left->colour = csi->count > 1 || csi->parameter[0] != 0;
        break;
    case EFFECT_REGION:
        left->region = csi->count > 0;
        break;
    case EFFECT_STYLE:
        left->style = csi->parameter[0] != 0;
        break;
    case EFFECT_KEYS_PUSH:
        return push_keys(&left->keys[screen]);
    case EFFECT_KEYS_POP:
        return pop_keys(&left->keys[screen], csi->parameter[0]);
    case EFFECT_KEYS_SET:
        left->keys_set[screen] = true;
        break;
    case EFFECT_KEY_FORMAT:
        left->key_format = csi->parameter[1] != 0;
        break;
    case EFFECT_KEYPAD:
        left->keypad = true;
        break;
    case EFFECT_KEYPAD_OFF:
        left->keypad = false;
        break;
    case EFFECT_QUESTION:
        left->has_asked = true;
        break;
    case EFFECT_CHARSET:
        left->charset = true;
        break;
    }
    return true;
}

static bool undo_modes(const struct terminal_left *left, bool other_screen, struct buf *out,
                       struct fault *fault)
{
    for (size_t i = 0; i < COUNT(modes); i++)
        if ((left->modes >> i & 1) != 0 && modes[i].other_screen == other_screen &&
            !buf_add_format(out, fault, ESC "[?%u%c", modes[i].number,
                            modes[i].start == START_ON ? 'h' : 'l'))
            return false;
    return true;
}

static bool undo_keys(const struct terminal_left *left, size_t screen, struct buf *out,
                      struct fault *fault)
{
    return (left->keys[screen] == 0 ||
            buf_add_format(out, fault, ESC "[<%uu", left->keys[screen])) &&
           (!left->keys_set[screen] || buf_add_text(out, ESC "[=0u", fault));
}

/* The screen goes back last but one: keys have a stack on each. */
bool terminal_left_undo(const struct terminal_left *left, struct buf *out, struct fault *fault)
{
    const struct {
        bool is_left;
        const char *undo;
    } rows[] = {
        {left->colour, ESC "[0m"},
        {left->link, ESC "]8;;" BEL},
        {left->charset, "\x0f" ESC "(B" ESC ")B"},
        {left->keypad, ESC ">"},
        {left->style, ESC "[0 q"},
        {left->key_format, ESC "[>4m"},
        {left->region, ESC "7" ESC "[r" ESC "8"}, /* it would move the cursor */
    };

    if (!undo_modes(left, false, out, fault))
        return false;
    for (size_t i = 0; i < COUNT(rows); i++)
        if (rows[i].is_left && !buf_add_text(out, rows[i].undo, fault))
            return false;
    return (!is_other_screen(left) ||
            (undo_keys(left, 1, out, fault) && undo_modes(left, true, out, fault))) &&
           undo_keys(left, 0, out, fault);
}
