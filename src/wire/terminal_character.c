/* Text: UTF-8, and what of it shows. */
#include "base/utf8.h"
#include "wire/terminal_parts.h"

void terminal_put(struct terminal *terminal, struct slice bytes)
{
    if (terminal->fault.kind == FAULT_NONE)
        (void)!buf_add(terminal->out, bytes, &terminal->fault);
}

void terminal_put_text(struct terminal *terminal, struct slice bytes, size_t at)
{
    if (terminal->reader != NULL)
        terminal->reader->text(terminal->reader->self, bytes, at);
    else
        terminal_put(terminal, bytes);
}

void terminal_drop(struct terminal *terminal, enum terminal_drop drop)
{
    terminal->dropped.count[drop]++;
}

static void show_invalid(struct terminal *terminal, uint8_t byte, size_t at)
{
    if (byte >= 0x80 && byte <= 0x9f)
        terminal_drop(terminal, TERMINAL_DROP_CONTROL);
    else if (terminal->reader != NULL)
        terminal_put_text(terminal, slice_of_bytes(&byte, 1), at);
    else if (terminal->use == TERMINAL_SCREEN)
        terminal_put(terminal, SLICE("\xef\xbf\xbd"));
    else if (terminal->fault.kind == FAULT_NONE)
        (void)!utf8_add_visible(terminal->out, slice_of_bytes(&byte, 1), &terminal->fault);
}

/* What joins characters and chooses between their forms is part of what shows. */
static bool shows_on_screen(uint32_t c)
{
    return !utf8_is_hidden(c) || c == 0x200c || c == 0x200d || c == 0xfe0e;
}

static void show_character(struct terminal *terminal, struct slice bytes, uint32_t c)
{
    if (c >= 0x80 && c <= 0x9f)
        terminal_drop(terminal, TERMINAL_DROP_CONTROL);
    else if (terminal->reader != NULL)
        terminal_put_text(terminal, bytes, terminal->character_at);
    else if (terminal->use == TERMINAL_LINES && terminal->fault.kind == FAULT_NONE)
        (void)!utf8_add_visible(terminal->out, bytes, &terminal->fault);
    else if (shows_on_screen(c))
        terminal_put(terminal, bytes);
    else
        terminal_drop(terminal, TERMINAL_DROP_HIDDEN);
}

void terminal_end_character(struct terminal *terminal)
{
    struct slice bytes = slice_of_bytes(terminal->character, terminal->character_len);
    uint32_t c = 0;

    terminal->character_len = 0;
    if (bytes.len > 0 && utf8_next(bytes, 0, &c) == bytes.len)
        show_character(terminal, bytes, c);
    else
        for (size_t i = 0; i < bytes.len; i++)
            show_invalid(terminal, bytes.at[i], terminal->character_at + i);
}

void terminal_take_character(struct terminal *terminal, uint8_t byte)
{
    uint8_t first;
    size_t want;

    if (byte >> 6 != 2)
        terminal_end_character(terminal);
    if (terminal->character_len == 0)
        terminal->character_at = terminal->at;
    terminal->character[terminal->character_len++] = byte;
    first = terminal->character[0];
    want = first >= 0xf5 || first < 0xc2 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (terminal->character_len == want)
        terminal_end_character(terminal);
}
