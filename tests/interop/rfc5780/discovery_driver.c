/* discovery_driver: the discovery engine on five UDP sockets against real servers, and what it
 * found in one line. Use: discovery_driver OWN SERVER... [turn=SERVER]: OWN an address of this host, SERVER
 * address:port; from the TURN server comes the relay, if one is wanted. 1 when it has not ended in 20 s.
 * Not here: servers and NATs (test_rfc5780.py). The lifetime's tests are only begun: RESPONSE-PORT
 * has to work. */
#include "nat/discovery.h"
#include "turn/allocation.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>

static struct {
    struct discovery *discovery;
    struct discovery_options options;
    int fds[DISCOVERY_SOCKETS + 1]; /* the last one: to the TURN server */
    struct addr turn_server;
    struct turn_allocation *turn;
    int seen[DISCOVERY_SILENT + 1];
    int answers_to_held; /* datagrams to the socket that sent one request: two say that RESPONSE-PORT works */
} d;

static struct tick now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (struct tick){ts.tv_sec * NS_PER_S + ts.tv_nsec};
}

static bool open_sockets(struct addr own)
{
    for (int i = 0; i <= DISCOVERY_SOCKETS; i++) {
        struct sockaddr_in in = {.sin_family = AF_INET};
        socklen_t len = sizeof in;
        memcpy(&in.sin_addr, own.ip, 4);
        d.fds[i] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
        if (bind(d.fds[i], (struct sockaddr *)&in, len) ||
            getsockname(d.fds[i], (struct sockaddr *)&in, &len))
            return false;
        if (i < DISCOVERY_SOCKETS)
            d.options.local[i] = addr_with_port(own, ntohs(in.sin_port));
    }
    return true;
}

static void send_to(int fd, const struct addr *peer, struct view bytes)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(peer->port)};
    memcpy(&to.sin_addr, peer->ip, 4);
    (void)sendto(fd, bytes.at, bytes.len, 0, (struct sockaddr *)&to, sizeof to);
}

static void send_over_relay(const struct discovery_packet *out)
{
    uint8_t bytes[512];
    struct writer w = writer_of(bytes, sizeof bytes);
    (void)turn_permit(d.turn, now(), &out->to, 1);
    if (turn_wrap(d.turn, now(), &out->to, out->bytes, &w))
        send_to(d.fds[DISCOVERY_SOCKETS], &d.turn_server, writer_done(&w));
}

static void send_due(void)
{
    struct discovery_packet out;
    struct view request;
    discovery_expire(d.discovery, now());
    while (discovery_output(d.discovery, now(), &out)) {
        if (out.socket == DISCOVERY_OVER_RELAY)
            send_over_relay(&out);
        else
            send_to(d.fds[out.socket], &out.to, out.bytes);
    }
    if (!d.turn)
        return;
    turn_expire(d.turn, now());
    while (turn_output(d.turn, now(), &request))
        send_to(d.fds[DISCOVERY_SOCKETS], &d.turn_server, request);
}

static void start_relay(void)
{
    struct turn_options options = {
        .username = VIEW_LIT("user"), .password = VIEW_LIT("pass"), .want_v4 = true};
    memcpy(options.seed, d.options.seed, sizeof options.seed);
    d.turn = turn_create(&options);
    turn_start(d.turn, now());
}

static void listen_to_relay(void)
{
    struct turn_event e;
    while (d.turn && turn_event(d.turn, &e)) {
        struct addr relayed = turn_status(d.turn).relayed_v4;
        struct addr external = discovery_result(d.discovery).external;
        if (e.kind == TURN_ALLOCATED) {
            (void)turn_permit(d.turn, now(), &external, 1);
            discovery_relay(d.discovery, now(), &relayed);
        } else if (e.kind == TURN_LOST) {
            discovery_lost_relay(d.discovery, now());
        }
    }
}

static void receive(int i)
{
    uint8_t bytes[1500];
    struct sockaddr_in in;
    socklen_t len = sizeof in;
    ssize_t n = recvfrom(d.fds[i], bytes, sizeof bytes, 0, (struct sockaddr *)&in, &len);
    if (n < 0)
        return;
    struct addr from = {.family = ADDR_V4, .port = ntohs(in.sin_port)};
    memcpy(from.ip, &in.sin_addr, 4);
    if (i == DISCOVERY_SOCKETS) {
        struct turn_input data = {0};
        if (d.turn)
            data = turn_input(d.turn, now(), view_of(bytes, (size_t)n));
        if (data.kind == TURN_INPUT_DATA)
            (void)discovery_input(d.discovery, now(), DISCOVERY_OVER_RELAY, &data.peer, data.data);
        return;
    }
    if (discovery_input(d.discovery, now(), (enum discovery_socket)i, &from,
                        view_of(bytes, (size_t)n)))
        d.answers_to_held += i == DISCOVERY_HELD_SOCKET;
}

/* Until the behaviour is known, and for as long after as the first try of RESPONSE-PORT takes. */
static bool run(void)
{
    struct tick end = tick_add_ms(now(), 20000);
    while (tick_before(now(), end) && !d.seen[DISCOVERY_SILENT]) {
        enum discovery_event_kind e;
        struct pollfd p[DISCOVERY_SOCKETS + 1];
        send_due();
        for (int i = 0; i <= DISCOVERY_SOCKETS; i++)
            p[i] = (struct pollfd){d.fds[i], POLLIN, 0};
        poll(p, DISCOVERY_SOCKETS + 1, 10);
        for (int i = 0; i <= DISCOVERY_SOCKETS; i++)
            if (p[i].revents)
                receive(i);
        while (discovery_event(d.discovery, &e)) {
            if (d.seen[e]++ == 0 && e == DISCOVERY_BEHAVIOUR)
                end = tick_add_ms(now(), 500);
            else if (e == DISCOVERY_WANTS_RELAY)
                start_relay();
        }
        listen_to_relay();
    }
    return d.seen[DISCOVERY_BEHAVIOUR] || d.seen[DISCOVERY_SILENT];
}

int main(int argc, char **argv)
{
    static const char *const mapping[] = {"unknown", "none", "eim", "adm", "apdm", "edm"};
    static const char *const filtering[] = {"unknown", "eif", "adf", "apdf"};
    static const char *const scope[] = {"unknown", "endpoint", "mapping"};
    static const char *const hairpin[] = {"unknown", "none", "external", "internal"};
    struct addr own;
    if (argc < 3 || !addr_parse_ip(view_of_string(argv[1]), &own) || !open_sockets(own))
        return 2;
    for (int i = 2; i < argc && d.options.server_count < DISCOVERY_SERVERS; i++) {
        if (strncmp(argv[i], "turn=", 5) == 0) {
            d.options.may_relay = true;
            if (!addr_parse(view_of_string(argv[i] + 5), 3478, &d.turn_server))
                return 2;
            continue;
        }
        if (!addr_parse(view_of_string(argv[i]), 3478,
                        &d.options.servers[d.options.server_count++]))
            return 2;
    }
    d.options.lifetime = true;
    if (getrandom(d.options.seed, sizeof d.options.seed, 0) != sizeof d.options.seed)
        return 2;
    d.discovery = discovery_create(&d.options);
    nat_discover_mapping(d.discovery, now());
    bool ended = run();
    struct discovery_result r = discovery_result(d.discovery);
    printf("natted=%d external=%s mapping=%s filtering=%s scope=%s hairpin=%s ports_kept=%d "
           "clashes=%d "
           "response_port=%d relay=%d\n",
           r.is_natted, addr_print_ip(&r.external).s, mapping[r.behaviour.mapping],
           filtering[r.behaviour.filtering], scope[r.behaviour.scope], hairpin[r.behaviour.hairpin],
           r.behaviour.ports_kept, r.behaviour.clashes, d.answers_to_held >= 2, r.by_relay);
    turn_destroy(d.turn);
    discovery_destroy(d.discovery);
    return ended ? 0 : 1;
}
