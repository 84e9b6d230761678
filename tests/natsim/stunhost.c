/* stunhost: a STUN server's two addresses.
 * Not here: the network.
 * RFC 5780 §6.1. */
#include "natsim/stunhost.h"

#include "stun/server.h"

#include <string.h>

static struct addr leaves_from(const struct stunhost *server, const struct addr *at,
                               uint32_t change)
{
    bool at_primary = addr_equal_ip(at, &server->primary);
    struct addr ip = (change & STUN_CHANGE_IP) == 0 ? *at
                     : at_primary                   ? server->other
                                                    : server->primary;
    bool first_port = at->port == server->primary.port;
    if (change & STUN_CHANGE_PORT)
        first_port = !first_port;
    return addr_with_port(ip, first_port ? server->primary.port : server->other.port);
}

static void receive(struct natsim *sim, void *context, const struct natsim_packet *packet)
{
    struct stunhost *server = context;
    struct stun_message m;
    uint8_t bytes[STUN_SERVER_ANSWER_MAX];
    struct writer w = writer_of(bytes, sizeof bytes);
    bool has_other = addr_is_set(&server->other);
    bool at_primary = addr_equal_ip(&packet->to, &server->primary);
    if (server->silent || (server->other_is_dead && !at_primary) ||
        (packet->to.port != server->primary.port &&
         !(has_other && packet->to.port == server->other.port)) ||
        (server->dead_after.ns && tick_due(server->dead_after, sim->now)) ||
        stun_message_decode(packet->bytes, &m) != STUN_DECODED)
        return;
    server->asked++;
    struct stun_server engine = {.local = packet->to};
    if (has_other)
        engine.other = leaves_from(server, &packet->to, STUN_CHANGE_IP | STUN_CHANGE_PORT);
    struct stun_server_answer answer = stun_server_answer(&engine, &m, &packet->from, &w);
    struct addr to = packet->from, from = packet->to;
    if (!answer.send || (answer.change && server->swallows_change))
        return;
    if (answer.to_port && !server->no_response_port)
        to.port = answer.to_port;
    if (answer.change && !server->ignores_change)
        from = leaves_from(server, &packet->to, answer.change);
    natsim_send_late(sim, server->hosts[!addr_equal_ip(&from, &server->primary)], from, to,
                     writer_done(&w), server->late_us);
}

void stunhost_add(struct natsim *sim, struct stunhost *server)
{
    server->hosts[0] = natsim_host(sim, 0, server->primary, receive, server);
    if (addr_is_set(&server->other))
        server->hosts[1] = natsim_host(sim, 0, server->other, receive, server);
}
