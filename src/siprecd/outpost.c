/* outpost: an allocation and its socket.
 * Not here: the protocol (turn).
 * RFC 8656. */
#include "siprecd/outpost.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/writer.h"
#include "io/clock.h"
#include "io/udp.h"
#include "turn/allocation.h"

enum { OUTPOST_DATAGRAM = 2048, OUTPOST_CAP_MS = 5000 };

struct outpost {
    struct io_loop *loop;
    int fd;
    struct addr server;
    struct turn_allocation *turn;
    char received[OUTPOST_DATAGRAM];
};

struct outpost *outpost_create(struct io_loop *loop, uint64_t token, struct tick now,
                               const struct outpost_server *server)
{
    struct turn_options options = {.username = view_of_string(server->username),
                                   .password = view_of_string(server->password),
                                   .want_v4 = server->address.family == ADDR_V4,
                                   .want_v6 = server->address.family == ADDR_V6,
                                   .request_cap_ms = OUTPOST_CAP_MS};
    struct io_udp_options udp = {0};
    struct addr any = {.family = server->address.family};
    struct outpost *o = calloc(1, sizeof *o);
    if (!o)
        return NULL;
    io_clock_seed(options.seed, sizeof options.seed);
    o->loop = loop;
    o->server = server->address;
    o->fd = io_udp_open(&any, &udp, NULL);
    o->turn = turn_create(&options);
    if (o->fd >= 0 && io_loop_add(loop, o->fd, IO_READ, token) != 0) {
        close(o->fd);
        o->fd = -1;
    }
    if (o->fd < 0 || !o->turn) {
        outpost_destroy(o, now);
        return NULL;
    }
    turn_start(o->turn, now);
    outpost_expire(o, now);
    return o;
}

void outpost_destroy(struct outpost *o, struct tick now)
{
    if (!o)
        return;
    if (o->fd >= 0 && o->turn) {
        turn_close(o->turn, now);
        outpost_expire(o, now);
    }
    turn_destroy(o->turn);
    if (o->fd >= 0) {
        io_loop_remove(o->loop, o->fd);
        close(o->fd);
    }
    free(o);
}

void outpost_expire(struct outpost *o, struct tick now)
{
    struct view out;
    turn_expire(o->turn, now);
    while (turn_output(o->turn, now, &out)) {
        /* What is lost is asked again. */
        (void)!io_udp_send(o->fd, NULL, &o->server, out);
    }
}

struct tick outpost_deadline(const struct outpost *o)
{
    return turn_deadline(o->turn);
}

void outpost_let_in(struct outpost *o, struct tick now, const struct addr *peer)
{
    (void)turn_permit(o->turn, now, peer, 1);
    outpost_expire(o, now);
}

void outpost_send(struct outpost *o, struct tick now, const struct addr *peer, struct view bytes)
{
    uint8_t wrapped[512];
    struct writer w = writer_of(wrapped, sizeof wrapped);
    if (turn_wrap(o->turn, now, peer, bytes, &w))
        (void)!io_udp_send(o->fd, NULL, &o->server, writer_done(&w));
    else
        outpost_let_in(o, now, peer);
}

static bool take_turn_event(struct outpost *o, struct outpost_event *out)
{
    struct turn_event e;
    while (turn_event(o->turn, &e)) {
        if (e.kind == TURN_ALLOCATED) {
            struct turn_status status = turn_status(o->turn);
            *out = (struct outpost_event){
                .kind = OUTPOST_STANDS,
                .addr = addr_is_set(&status.relayed_v4) ? status.relayed_v4 : status.relayed_v6};
            return true;
        }
        if (e.kind == TURN_LOST) {
            *out = (struct outpost_event){.kind = OUTPOST_LOST};
            return true;
        }
    }
    return false;
}

bool outpost_event(struct outpost *o, struct tick now, struct outpost_event *out)
{
    struct view bytes;
    struct addr from;
    for (;;) {
        if (take_turn_event(o, out))
            return true;
        if (!io_udp_receive(o->fd, o->received, sizeof o->received, &bytes, &from))
            return false;
        if (!addr_equal(&from, &o->server))
            continue;
        struct turn_input in = turn_input(o->turn, now, bytes);
        if (in.kind == TURN_INPUT_DATA) {
            *out = (struct outpost_event){.kind = OUTPOST_DATA, .addr = in.peer, .bytes = in.data};
            return true;
        }
    }
}
