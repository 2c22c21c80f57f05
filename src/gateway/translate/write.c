#include "gateway/translate/write.h"

#include <stdarg.h>
#include <stdio.h>

#include "wire/json.h"

static void write_bytes(struct writer *writer, struct slice bytes)
{
    if (!writer->failed && bytes.len > 0 && !buf_add(writer->out, bytes, writer->fault))
        writer->failed = true;
}

void write_form(struct writer *writer, const char *form, const struct slice *parts)
{
    while (*form != 0) {
        size_t plain = strcspn(form, "'@");

        write_bytes(writer, slice_of_bytes(form, plain));
        form += plain;
        if (*form == 0)
            return;
        write_bytes(writer, *form == '@' ? *parts++ : SLICE("\""));
        form++;
    }
}

void write_string(struct writer *writer, struct slice text)
{
    if (!writer->failed && !json_add_string(writer->out, text, writer->fault))
        writer->failed = true;
}

void write_number(struct writer *writer, int64_t number)
{
    if (!writer->failed &&
        !buf_add_format(writer->out, writer->fault, "%lld", (long long)number))
        writer->failed = true;
}

void write_comma(struct writer *writer, bool *first)
{
    if (!*first)
        write_bytes(writer, SLICE(","));
    *first = false;
}

struct slice write_inner(struct slice raw_string)
{
    return raw_string.len < 2 ? SLICE("") : slice_part(raw_string, 1, raw_string.len - 1);
}

void write_fault(struct writer *writer, enum fault_kind kind, const char *format, ...)
{
    char text[sizeof(writer->fault->why)];
    va_list arguments;

    if (writer->failed)
        return;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    writer->failed = true;
    (void)fault_set(writer->fault, kind, "%s", text);
}
