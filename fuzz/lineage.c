/*
 * What an agent sends, against what it was shown; a list of that, read again; and memory that is
 * no list of files.
 */
#include "lineage/lineage.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool ok)
{
    if (!ok)
        abort();
}

/* The first half was shown, the second is sent. */
static void send_what_was_shown(struct slice input)
{
    struct slice shown = slice_part(input, 0, input.len / 2);
    struct slice sent = slice_part(input, input.len / 2, input.len);
    struct buf list = {.limit = LINEAGE_LIST_BYTES_MAX}, again = list;
    struct served *writer = NULL, *reader = NULL;
    struct lineage *lineage;
    struct lineage_entry entry;
    struct lines_key key;
    struct fault fault = {0};
    struct slice rest;
    int fd;

    lines_key_make((const uint8_t[LINES_KEY_BYTES]){1}, &key);
    need(served_make(&fd, &fault) && served_open(fd, true, &writer, &fault) &&
         served_open(fd, false, &reader, &fault));
    lineage = lineage_new(reader, &key);
    served_add(writer, &key, slice_part(shown, 0, 16), SLICE("00"), shown);
    served_add(writer, &key, SLICE("twice"), SLICE("00"), shown);
    lineage_begin(lineage);
    lineage_look(lineage, sent);
    lineage_tool(lineage, slice_part(sent, 0, 40));
    need(lineage_list(lineage, &list, &fault));
    lineage_begin(lineage); /* what comes again is found from memory */
    lineage_look(lineage, sent);
    lineage_tool(lineage, slice_part(sent, 0, 40));
    need(lineage_list(lineage, &again, &fault) &&
         slice_equal(buf_slice(&list), buf_slice(&again)));
    for (rest = buf_slice(&list); lineage_entry_next(&rest, &entry);)
        need(entry.more || entry.tool.len > 0 || entry.lines.len > 0);
    for (rest = input; lineage_entry_next(&rest, &entry);)
        continue;
    buf_free(&list);
    buf_free(&again);
    lineage_free(lineage);
    served_close(writer);
    (void)close(fd);
}

/* The writer is another process: its memory may hold anything. */
static void read_any_memory(struct slice input)
{
    struct served_file file;
    struct served *reader = NULL;
    struct fault fault = {0};
    static volatile uint64_t sum; /* so that all of it is read */
    void *at;
    int fd;

    need(served_make(&fd, &fault));
    at = mmap(NULL, input.len + 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    need(at != MAP_FAILED);
    if (input.len > 0)
        memcpy(at, input.at, input.len);
    need(served_open(fd, false, &reader, &fault));
    for (int i = 0; i < 100 && served_next(reader, &file); i++)
        for (size_t k = 0; k < file.count; k++)
            sum = sum + file.hashes[k] + file.lines[k];
    (void)served_is_full(reader);
    served_close(reader);
    (void)munmap(at, input.len + 1);
    (void)close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_of_bytes(data, size);

    send_what_was_shown(input);
    read_any_memory(input);
    return 0;
}
