/* streams: TCP connections through NATs, as far as their owners can tell: opened or not, bytes in
 * order, closed.
 * Not here: windows, segments' sizes, congestion; what is lost comes late.
 * RFC 9293 in outline; RFC 5382 for what NATs do with it. */
#include "natsim/flight.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { SYN_TRIES = 4, TRIES = 7, FIRST_RETRY_MS = 250 };

static size_t make(struct natsim *sim, size_t host, struct addr local, struct addr remote)
{
    if (sim->stream_count == 0)
        sim->stream_count = 1; /* 0 is none */
    if (sim->stream_count >= sim->stream_room) {
        sim->stream_room = sim->stream_room ? 2 * sim->stream_room : 16;
        sim->streams = realloc(sim->streams, sim->stream_room * sizeof *sim->streams);
        assert(sim->streams);
    }
    sim->streams[sim->stream_count] =
        (struct natsim_stream){.host = host, .local = local, .remote = remote};
    return sim->stream_count++;
}

static void tell(struct natsim *sim, size_t stream, enum natsim_kind kind, struct view bytes)
{
    const struct natsim_stream *s = &sim->streams[stream];
    struct natsim_host *host = &sim->hosts[s->host];
    struct natsim_packet packet = {
        .from = s->remote, .to = s->local, .bytes = bytes, .kind = kind, .stream = stream};
    host->receive(sim, host->context, &packet);
}

/* Sends a segment from an end, never before what it sent earlier. */
static void send(struct natsim *sim, size_t stream, enum flight_kind kind, struct view bytes)
{
    struct natsim_stream *s = &sim->streams[stream];
    struct natsim_interface *i = natsim_interface_find(sim, s->host, &s->local);
    if (!i)
        return; /* the owner knows that its address is gone */
    struct natsim_flight *f = flight_make(i, s->local, s->remote, bytes);
    int64_t us = flight_delay(sim, &i->link) + flight_delay(sim, &sim->link);
    double loss = i->link.loss + sim->link.loss;
    for (int again = 0; again < TRIES && loss > 0 && rng_chance(&sim->rng, loss); again++)
        us += (INT64_C(200) << again) * 1000;
    f->kind = kind;
    f->stream = stream;
    f->due = tick_add_ns(sim->now, us * NS_PER_US);
    if (tick_before(f->due, s->last))
        f->due = s->last;
    s->last = f->due;
    if (kind == FLIGHT_BYTES || kind == FLIGHT_END)
        f->number = s->sent++;
    flight_queue(sim, f);
}

void natsim_listen(struct natsim *sim, size_t host, uint16_t port)
{
    assert(sim->listener_count < NATSIM_LISTENERS);
    sim->listeners[sim->listener_count++] = (struct natsim_listener){host, port};
}

size_t natsim_connect(struct natsim *sim, size_t host, struct addr from, struct addr to)
{
    if (from.port == 0)
        from.port = (uint16_t)(32768 + rng_below(&sim->rng, 28000));
    size_t stream = make(sim, host, from, to);
    send(sim, stream, FLIGHT_SYN, VIEW_NONE);
    return stream;
}

bool natsim_stream_is_open(const struct natsim *sim, size_t stream)
{
    return stream > 0 && stream < sim->stream_count && sim->streams[stream].state == STREAM_OPEN;
}

void natsim_stream_send(struct natsim *sim, size_t stream, struct view bytes)
{
    if (natsim_stream_is_open(sim, stream))
        send(sim, stream, FLIGHT_BYTES, bytes);
}

void natsim_stream_close(struct natsim *sim, size_t stream)
{
    if (stream == 0 || stream >= sim->stream_count)
        return;
    if (sim->streams[stream].state == STREAM_OPEN)
        send(sim, stream, FLIGHT_END, VIEW_NONE);
    sim->streams[stream].state = STREAM_CLOSED;
}

void natsim_streams_forget(struct natsim *sim, size_t host)
{
    for (size_t i = 1; i < sim->stream_count; i++) {
        if (sim->streams[i].host == host)
            sim->streams[i].state = STREAM_CLOSED;
    }
}

static void lose(struct natsim *sim, size_t stream)
{
    if (sim->streams[stream].state == STREAM_CLOSED)
        return;
    sim->streams[stream].state = STREAM_CLOSED;
    tell(sim, stream, NATSIM_CLOSED, VIEW_NONE);
}

static bool listens(const struct natsim *sim, size_t host, uint16_t port)
{
    for (size_t i = 0; i < sim->listener_count; i++) {
        if (sim->listeners[i].host == host && sim->listeners[i].port == port)
            return true;
    }
    return false;
}

/* The other side answers that there is nobody (a RST). */
static void refuse(struct natsim *sim, struct natsim_flight *f)
{
    f->kind = FLIGHT_RESET;
    f->due = tick_add_ns(sim->now, sim->link.delay_us * NS_PER_US);
    flight_queue(sim, f);
}

/* A segment that a box or a broken link swallowed is sent again, later and later. Takes f. */
static void retry(struct natsim *sim, struct natsim_flight *f, struct addr from, struct addr to)
{
    bool opening = f->kind == FLIGHT_SYN || f->kind == FLIGHT_SYN_ACK;
    f->from = from;
    f->to = to;
    if (f->tries++ >= (opening ? SYN_TRIES : TRIES)) {
        size_t stream = f->stream;
        free(f);
        lose(sim, stream);
        return;
    }
    f->due = tick_add_ms(sim->now, (opening ? 1000 : FIRST_RETRY_MS) << (f->tries - 1));
    flight_queue(sim, f);
}

/* Takes f. */
static void syn_arrive(struct natsim *sim, struct natsim_flight *f, size_t host)
{
    if (!listens(sim, host, f->to.port)) {
        refuse(sim, f);
        return;
    }
    size_t server = make(sim, host, f->to, f->from);
    sim->streams[server].peer = f->stream;
    sim->streams[server].state = STREAM_OPEN;
    sim->streams[f->stream].peer = server;
    free(f);
    send(sim, server, FLIGHT_SYN_ACK, VIEW_NONE);
    tell(sim, server, NATSIM_ACCEPTED, VIEW_NONE);
}

/* The sender hears that a segment has arrived: what of that end was lost before is sent again now.
 * And what has come before its turn has its turn at once. */
static void acknowledge(struct natsim *sim, size_t stream, uint32_t taken)
{
    struct tick again = tick_add_ns(sim->now, sim->link.delay_us * NS_PER_US);
    for (struct natsim_flight **at = &sim->flights; *at;) {
        struct natsim_flight *f = *at;
        bool is_next = f->is_here && f->number == taken;
        struct tick due = is_next ? sim->now : again;
        if (f->stream != stream || f->kind < FLIGHT_BYTES || !tick_before(due, f->due) ||
            !(is_next || (f->tries > 0 && !f->is_here))) {
            at = &f->next;
            continue;
        }
        *at = f->next;
        f->due = due;
        f->tries = 0;
        flight_queue(sim, f);
    }
}

/* Takes f, which has reached the other end of its connection. */
static void segment_arrive(struct natsim *sim, struct natsim_flight *f)
{
    size_t at = sim->streams[f->stream].peer;
    struct natsim_stream *s = &sim->streams[at];
    if (f->kind == FLIGHT_SYN_ACK) {
        free(f);
        if (s->state == STREAM_OPENING) {
            s->state = STREAM_OPEN;
            tell(sim, at, NATSIM_OPENED, VIEW_NONE);
        }
        return;
    }
    if (s->state == STREAM_CLOSED) {
        refuse(sim, f);
        return;
    }
    if (f->number != s->taken) { /* an earlier one is being sent again */
        f->is_here = true;
        f->due = tick_add_ms(sim->now, 20);
        flight_queue(sim, f);
        return;
    }
    s->taken++;
    acknowledge(sim, f->stream, s->taken);
    if (f->kind == FLIGHT_END)
        lose(sim, at);
    else
        tell(sim, at, NATSIM_BYTES, view_of(f->bytes, f->len));
    free(f);
}

void stream_arrive(struct natsim *sim, struct natsim_flight *f)
{
    struct natsim_stream *s = &sim->streams[f->stream];
    struct addr from = f->from, to = f->to;
    bool is_closing = f->kind == FLIGHT_END || f->kind == FLIGHT_BYTES;
    if (f->kind == FLIGHT_RESET) {
        size_t stream = f->stream;
        free(f);
        lose(sim, stream);
        return;
    }
    if (s->state == STREAM_CLOSED && !is_closing) {
        free(f);
        return;
    }
    if (f->is_here) {
        segment_arrive(sim, f);
        return;
    }
    struct natsim_interface *own = natsim_interface_find(sim, s->host, &s->local);
    struct natsim_interface *i = flight_route(sim, f->realm, NATBOX_TCP, &f->from, &f->to);
    size_t peer = s->peer;
    bool reaches = i && !i->link.down && !sim->link.down && own && !own->link.down;
    if (!reaches) {
        retry(sim, f, from, to);
    } else if (f->kind == FLIGHT_SYN) {
        syn_arrive(sim, f, i->host);
    } else if (!peer || sim->streams[peer].host != i->host ||
               !addr_equal(&sim->streams[peer].local, &f->to) ||
               !addr_equal(&sim->streams[peer].remote, &f->from)) {
        refuse(sim, f); /* it comes from elsewhere now: to its receiver it is nobody's */
    } else {
        segment_arrive(sim, f);
    }
}
