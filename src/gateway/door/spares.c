/* Sockets of calls, and those that wait for one. */
#include <stdlib.h>
#include <unistd.h>

#include "base/scope.h"
#include "gateway/door/connection.h"

static void on_ready(void *self, uint32_t events)
{
    struct call_line *line = self;

    if (line->connection != NULL)
        connection_call_ready(line->connection, events);
    else
        spares_drop(line); /* closed, or it says what nobody has asked for */
}

bool call_line_await(struct call_line *line, uint32_t events)
{
    struct fault fault = {0};

    if (line->events == events)
        return true;
    line->events = events;
    if (line->watch != NULL && events != 0)
        return loop_watch_change(line->watch, events, &fault);
    loop_unwatch(line->watch);
    line->watch = NULL;
    return events == 0 || loop_watch(line->door->loop, line->fd, events, on_ready, line,
                                     &line->watch, &fault);
}

void call_line_close(struct call_line *line)
{
    loop_unwatch(line->watch);
    (void)close(line->fd);
    free(line);
}

void spares_add(struct door *door, int fd)
{
    struct call_line *line;

    if (door->spare_count == COUNT(door->spares)) {
        (void)close(fd);
        return;
    }
    line = xalloc(sizeof(*line));
    *line = (struct call_line){.door = door, .fd = fd};
    if (call_line_await(line, EPOLLIN))
        door->spares[door->spare_count++] = line;
    else
        call_line_close(line);
}

struct call_line *spares_take(struct door *door, struct connection *connection)
{
    struct call_line *line = door->spares[--door->spare_count];

    line->connection = connection;
    return line;
}

bool spares_keep(struct call_line *line)
{
    struct door *door = line->door;

    line->connection = NULL;
    if (door->spare_count == COUNT(door->spares) || !call_line_await(line, EPOLLIN)) {
        call_line_close(line);
        return false;
    }
    door->spares[door->spare_count++] = line;
    return true;
}

void spares_drop(struct call_line *line)
{
    struct door *door = line->door;

    for (size_t i = 0; i < door->spare_count; i++)
        if (door->spares[i] == line) {
            door->spares[i] = door->spares[--door->spare_count];
            call_line_close(line);
            return;
        }
}
