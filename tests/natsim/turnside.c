/* turnside: datagrams and connections of a TURN client.
 * Not here: the network.
 * RFC 8656 §3.1. */
#include "natsim/turnside.h"

#include "turn/frame.h"

#include <assert.h>
#include <string.h>

enum { KEEPALIVE_MS = 20 * 1000 };

void turnside_start(struct turnside *side, struct natsim *sim, size_t host, struct addr local,
                    struct addr server, struct turn_options options)
{
    *side = (struct turnside){.sim = sim,
                              .host = host,
                              .local = local,
                              .server = server,
                              .proxy = side->proxy,
                              .stream = options.stream};
    rng_bytes(&sim->rng, options.seed, sizeof options.seed);
    side->turn = turn_create(&options);
    assert(side->turn);
    turn_start(side->turn, sim->now);
    side->keepalive = tick_add_ms(sim->now, KEEPALIVE_MS);
    if (side->stream)
        tunnel_open(&side->connection, sim, host, local, server, side->proxy);
    else
        turnside_run(side);
}

void turnside_finish(struct turnside *side)
{
    turn_destroy(side->turn);
    tunnel_close(&side->connection, side->sim);
    side->turn = NULL;
}

bool turnside_take(struct turnside *side, const struct natsim_packet *packet)
{
    struct view bytes = packet->bytes;
    if (!side->turn)
        return false;
    if (!side->stream) {
        if (packet->kind != NATSIM_DATAGRAM_CAME || !addr_equal(&packet->to, &side->local) ||
            !addr_equal(&packet->from, &side->server))
            return false;
        side->len = 0; /* one at a time: the owner has taken what was there before */
        side->taken = 0;
    } else if (packet->kind == NATSIM_DATAGRAM_CAME || packet->stream != side->connection.stream) {
        return false;
    } else if (!tunnel_take(&side->connection, side->sim, packet, &bytes)) {
        side->is_lost = true;
    }
    if (bytes.len > 0 && bytes.len <= sizeof side->bytes - side->len) {
        memcpy(side->bytes + side->len, bytes.at, bytes.len);
        side->len += bytes.len;
    }
    return true;
}

/* The next message that has come whole. */
static bool cut(struct turnside *side, struct view *message)
{
    struct view rest = view_of(side->bytes + side->taken, side->len - side->taken);
    size_t len = rest.len;
    if (rest.len == 0 || (side->stream && turn_frame_next(rest, &len) != TURN_FRAME_WHOLE)) {
        memmove(side->bytes, side->bytes + side->taken, rest.len);
        side->len = rest.len;
        side->taken = 0;
        return false;
    }
    *message = view_take(rest, len);
    side->taken += len;
    return true;
}

bool turnside_next(struct turnside *side, struct addr *peer, struct view *data)
{
    struct view message;
    while (cut(side, &message)) {
        struct turn_input input = turn_input(side->turn, side->sim->now, message);
        if (input.kind == TURN_INPUT_DATA) {
            *peer = input.peer;
            *data = input.data;
            return true;
        }
    }
    return false;
}

static void put_out(struct turnside *side, struct view bytes)
{
    side->sent++;
    if (side->stream)
        natsim_stream_send(side->sim, side->connection.stream, bytes);
    else
        (void)natsim_send(side->sim, side->host, side->local, side->server, bytes);
}

static void keep_open(struct turnside *side)
{
    uint8_t bytes[STUN_HEADER_SIZE];
    struct writer w = writer_of(bytes, sizeof bytes);
    struct stun_transaction transaction = stun_transaction_make(&side->sim->rng);
    stun_begin(&w, STUN_INDICATION, STUN_BINDING, &transaction);
    stun_finish(&w, false);
    put_out(side, writer_done(&w));
    side->keepalive = tick_add_ms(side->sim->now, KEEPALIVE_MS);
}

void turnside_run(struct turnside *side)
{
    struct view out;
    if (!side->turn || (side->stream && !side->connection.is_open))
        return;
    turn_expire(side->turn, side->sim->now);
    while (turn_output(side->turn, side->sim->now, &out))
        put_out(side, out);
    if (!side->stream && tick_due(side->keepalive, side->sim->now))
        keep_open(side);
}

struct tick turnside_deadline(const struct turnside *side)
{
    if (!side->turn || (side->stream && !side->connection.is_open))
        return TICK_NEVER;
    struct tick next = turn_deadline(side->turn);
    return side->stream ? next : tick_min(next, side->keepalive);
}

bool turnside_send(struct turnside *side, struct addr peer, struct view data)
{
    uint8_t bytes[NATSIM_DATAGRAM + 64];
    struct writer w = writer_of(bytes, sizeof bytes);
    if (!side->turn || !turn_wrap(side->turn, side->sim->now, &peer, data, &w))
        return false;
    put_out(side, writer_done(&w));
    return true;
}
