/* outside: one probe from outside, start to end.
 * Not here: when to look.
 * RFC 8656 §10, 5780 §7.2. */
#include "siprecd/outside.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/rng.h"
#include "base/sightings.h"
#include "io/clock.h"
#include "io/sockaddr.h"
#include "stun/message.h"
#include "turn/allocation.h"

enum {
    LOOK_MS = 2500,   /* for one way of looking */
    OPENED_MS = 1000, /* more, for what comes to a port that was sent from */
    AGAIN_MS = 300,   /* datagrams get lost */
    RECEIVE_MS = 400, /* a worker's sweep, and the wire */
    DATAGRAM_SIZE = 2048,
    OUTSIDE_TCP_SERVERS = (int)WORKER_STUN_SERVERS > (int)WORKER_TURN_SERVERS ? WORKER_STUN_SERVERS
                                                                              : WORKER_TURN_SERVERS,
};

static int open_udp(const struct addr *local)
{
    struct sockaddr_storage sa;
    socklen_t len = io_sockaddr_from(local, &sa);
    int fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&sa, len) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static struct addr any_address(const struct addr *like, uint16_t port)
{
    return (struct addr){.family = like->family, .port = port};
}

static void send_to(int fd, const struct addr *to, struct view bytes)
{
    struct sockaddr_storage sa;
    socklen_t len = io_sockaddr_from(to, &sa);
    /* What does not leave is sent again, and in the end counts as not arrived. */
    (void)!sendto(fd, bytes.at, bytes.len, MSG_NOSIGNAL, (struct sockaddr *)&sa, len);
}

static ssize_t receive(int fd, uint8_t bytes[DATAGRAM_SIZE], struct addr *from)
{
    struct sockaddr_storage sa = {0};
    socklen_t len = sizeof sa;
    ssize_t n = recvfrom(fd, bytes, DATAGRAM_SIZE, 0, (struct sockaddr *)&sa, &len);
    if (n >= 0)
        *from = io_sockaddr_to((struct sockaddr *)&sa);
    return n;
}

/* A port that no call has now is opened here for the look; -1: somebody has it, who will tell. */
static int open_port(const struct addr *bound)
{
    struct addr local = *bound;
    return local.port ? open_udp(&local) : -1;
}

/* Waits for anything on the sockets, until then. */
static void wait_for(int one, int other, struct tick until)
{
    struct pollfd ready[2] = {{.fd = one, .events = POLLIN}, {.fd = other, .events = POLLIN}};
    int64_t ms = tick_diff_ms(until, io_clock_tick()) + 1;
    if (ms > 0)
        (void)poll(ready, 2, (int)ms);
}

/* A look at one port. */
struct look {
    const struct worker_network *network;
    struct outside_port *at;
    size_t which; /* of several */
    int port_fd;  /* the port itself; -1: a worker has it, and tells what comes */
    pthread_t thread;
    bool is_apart; /* on a thread of its own */
};

/* The port itself, or where somebody has it another of the range, for which the same rules hold; from
 * the *step-th on. */
static int open_near(const struct look *look, unsigned *step, uint16_t *port)
{
    const struct outside_port *at = look->at;
    bool is_of_range = at->bound.port >= at->port_min && at->bound.port <= at->port_max;
    unsigned first = is_of_range ? at->port_min : at->bound.port;
    unsigned width = is_of_range ? (unsigned)(at->port_max - at->port_min + 1) : 1;
    unsigned offset = at->bound.port - first;
    while (*step * 2 < width) {
        *port = (uint16_t)(first + (offset + (*step)++ * 2) % width);
        struct addr local = addr_with_port(at->bound, *port);
        int fd = *port == at->bound.port ? look->port_fd : open_udp(&local);
        if (fd >= 0)
            return fd;
    }
    return -1;
}

/* ---- Through a relay ------------------------------------------------------------------------- */

struct relayed {
    struct turn_allocation *turn;
    struct addr server, target;
    int fd, port_fd;
    uint64_t number;
    uint8_t probe[SIGHTINGS_PROBE_SIZE];
    struct tick again;
    bool is_sent, is_over, is_opened;
};

static void take_events(struct relayed *r, struct tick now)
{
    struct turn_event event;
    while (turn_event(r->turn, &event)) {
        switch (event.kind) {
        case TURN_ALLOCATED:
            (void)!turn_permit(r->turn, now, &r->target, 1);
            break;
        case TURN_PERMITTED:
            r->again = now;
            break;
        case TURN_DENIED:
        case TURN_LOST:
            r->is_over = true;
            break;
        default:
            break;
        }
    }
}

static void take_datagrams(struct relayed *r, struct tick now)
{
    uint8_t bytes[DATAGRAM_SIZE];
    struct addr from;
    ssize_t n;
    while ((n = receive(r->fd, bytes, &from)) >= 0) {
        if (addr_equal(&from, &r->server))
            (void)turn_input(r->turn, now, view_of(bytes, (size_t)n));
    }
    while (r->port_fd >= 0 && (n = receive(r->port_fd, bytes, &from)) >= 0)
        (void)sightings_probe(view_of(bytes, (size_t)n));
}

static void send_probe(struct relayed *r, struct tick now)
{
    char bytes[128];
    struct writer w = writer_of(bytes, sizeof bytes);
    if (!tick_due(r->again, now))
        return;
    r->again = tick_add_ms(now, AGAIN_MS);
    if (turn_wrap(r->turn, now, &r->target, view_of(r->probe, sizeof r->probe), &w)) {
        send_to(r->fd, &r->server, writer_done(&w));
        r->is_sent = true;
    }
}

/* A datagram from the port to the relayed address lets in what comes from there, where anything is let in at all. */
static void open_way(struct relayed *r)
{
    struct turn_status status = turn_status(r->turn);
    const struct addr *relayed =
        r->target.family == ADDR_V6 ? &status.relayed_v6 : &status.relayed_v4;
    if (addr_is_set(relayed))
        send_to(r->port_fd, relayed, view_of(r->probe, sizeof r->probe));
    r->is_opened = true;
}

static void drive(struct relayed *r, struct tick until)
{
    struct tick now = io_clock_tick();
    struct view out;
    while (!r->is_over && tick_before(now, until) && !sightings_has_come(r->number)) {
        turn_expire(r->turn, now);
        take_events(r, now);
        if (r->is_opened && tick_due(r->again, now))
            open_way(r);
        send_probe(r, now);
        while (turn_output(r->turn, now, &out))
            send_to(r->fd, &r->server, out);
        wait_for(r->fd, r->port_fd,
                 tick_min(tick_min(until, tick_add_ms(now, 20)),
                          tick_min(r->again, turn_deadline(r->turn))));
        now = io_clock_tick();
        take_datagrams(r, now);
    }
}

/* One allocation for one datagram: given back at once. */
static void give_back(struct relayed *r)
{
    struct tick now = io_clock_tick();
    struct view out;
    turn_close(r->turn, now);
    while (turn_output(r->turn, now, &out))
        send_to(r->fd, &r->server, out);
}

/* A number of its own for each port that is looked at beside it. */
static bool number_make(size_t which, uint64_t *number)
{
    if (getrandom(number, sizeof *number, 0) != sizeof *number)
        return false;
    *number = *number - *number % SIGHTINGS_PROBES + which;
    return true;
}

/* A port that a call has now sends nothing for a look: another of the range does, where it has the same number
 * outside. */
static void look_at_answers(struct relayed *r, const struct look *look)
{
    struct outside_port *at = look->at;
    unsigned step = 0;
    uint16_t port = at->bound.port;
    int own = r->port_fd;
    if (own < 0 && at->advertised.port == at->bound.port) {
        r->port_fd = open_near(look, &step, &port);
        r->target.port = port;
    }
    if (r->port_fd < 0)
        return;
    r->is_opened = true;
    drive(r, tick_add_ms(io_clock_tick(), OPENED_MS));
    if (sightings_has_come(r->number))
        at->answers_arrive = PATH_YES;
    else if (!r->is_over)
        at->answers_arrive = PATH_NO;
    if (r->port_fd != own)
        close(r->port_fd);
    r->port_fd = own;
}

/* Where the allocation is lost half-way nothing was found out. */
static void look_through(struct relayed *r, const struct look *look)
{
    struct outside_port *at = look->at;
    struct tick now = io_clock_tick();
    turn_start(r->turn, now);
    r->again = TICK_NEVER;
    drive(r, tick_add_ms(now, LOOK_MS));
    if (sightings_has_come(r->number))
        at->arrives = PATH_YES;
    else if (r->is_sent && !r->is_over)
        at->arrives = PATH_NO;
    if (at->arrives == PATH_NO && at->opens)
        look_at_answers(r, look);
}

static void look_by_relay(const struct look *look, const struct worker_turn_server *server)
{
    const struct worker_network *network = look->network;
    struct outside_port *at = look->at;
    bool v6 = at->advertised.family == ADDR_V6;
    struct turn_options options = {.username = view_of_string(network->turn_username),
                                   .password = view_of_string(network->turn_password),
                                   .want_v4 = !v6,
                                   .want_v6 = v6,
                                   .request_cap_ms = LOOK_MS};
    /* A relay may be of another family than the way to its server (RFC 8656 §7.1). */
    bool by_v6 = addr_is_set(&server->address[v6]) ? v6 : !v6;
    struct relayed r = {
        .server = server->address[by_v6], .target = at->advertised, .port_fd = look->port_fd};
    struct addr any = any_address(&r.server, 0);
    if (server->transport != WORKER_TURN_UDP || !addr_is_set(&r.server) ||
        !number_make(look->which, &r.number) ||
        getrandom(options.seed, sizeof options.seed, 0) != sizeof options.seed)
        return;
    r.turn = turn_create(&options);
    r.fd = open_udp(&any);
    if (r.turn && r.fd >= 0) {
        sightings_await(r.number, r.probe);
        look_through(&r, look);
        give_back(&r);
    }
    if (r.fd >= 0)
        close(r.fd);
    turn_destroy(r.turn);
}

/* ---- By a STUN server's other address -------------------------------------------------------- */

enum { LOOKS = 3 };

/* The answer to one Binding request, asked for from elsewhere with change. */
struct answered {
    bool has_come, has_other;
    struct addr mapped;
};

static bool take_answer(const struct stun_transaction *asked, struct view datagram,
                        struct answered *out)
{
    struct stun_message m;
    struct view other;
    if (stun_message_decode(datagram, &m) != STUN_DECODED || m.class != STUN_SUCCESS ||
        !stun_transaction_equal(&m.transaction, asked) || !stun_read_mapped(&m, &out->mapped))
        return false;
    out->has_other = stun_attribute_find(&m, STUN_OTHER_ADDRESS, &other);
    out->has_come = true;
    return true;
}

static struct answered ask(int fd, struct rng *rng, const struct addr *server, uint32_t change)
{
    struct stun_transaction transaction = stun_transaction_make(rng);
    struct tick now = io_clock_tick(), until = tick_add_ms(now, LOOK_MS / 2);
    struct answered out = {0};
    uint8_t bytes[64], got[DATAGRAM_SIZE];
    struct writer w = writer_of(bytes, sizeof bytes);
    stun_begin(&w, STUN_REQUEST, STUN_BINDING, &transaction);
    if (change)
        stun_put_u32(&w, STUN_CHANGE_REQUEST, change);
    stun_finish(&w, false);
    for (; tick_before(now, until) && !out.has_come; now = io_clock_tick()) {
        struct addr from;
        ssize_t n;
        send_to(fd, server, writer_done(&w));
        wait_for(fd, -1, tick_add_ms(now, AGAIN_MS));
        while (!out.has_come && (n = receive(fd, got, &from)) >= 0) {
            if (!change || !addr_equal_ip(&from, server))
                (void)take_answer(&transaction, view_of(got, (size_t)n), &out);
        }
    }
    return out;
}

/* The server is there for another port of ours, and sees us at the advertised address: what stays
 * out of this one is held back on its way in. */
static bool answers_others(struct rng *rng, const struct addr *server,
                           const struct outside_port *at)
{
    struct addr any = addr_with_port(at->bound, 0); /* of several addresses that one */
    int fd = open_udp(&any);
    if (fd < 0)
        return false;
    struct answered other = ask(fd, rng, server, 0);
    close(fd);
    return other.has_come && other.has_other && addr_equal_ip(&other.mapped, &at->advertised);
}

/* It must be the way that the SRC would come by: the same address, and the port as it is here, else
 * what is found out holds for another. A NAT that keeps ports gives one away to whom it refused there
 * (doc/nat.md 5, 9): then another port tells. */
static void look_by_server(const struct look *look, struct rng *rng, const struct addr *server)
{
    struct outside_port *at = look->at;
    const struct addr *advertised = &at->advertised;
    unsigned step = 0;
    uint16_t port;
    for (unsigned i = 0; i < LOOKS && at->arrives == PATH_UNKNOWN; i++) {
        int fd = open_near(look, &step, &port);
        if (fd < 0)
            break;
        struct answered first = ask(fd, rng, server, 0);
        if (first.has_come && first.has_other && addr_equal_ip(&first.mapped, advertised) &&
            first.mapped.port == port) {
            at->answers_arrive = PATH_YES;
            at->arrives = ask(fd, rng, server, STUN_CHANGE_IP | STUN_CHANGE_PORT).has_come
                              ? PATH_YES
                              : PATH_NO;
        } else if (!first.has_come && answers_others(rng, server, at)) {
            at->arrives = at->answers_arrive = PATH_NO;
        }
        if (fd != look->port_fd)
            close(fd);
        if (!first.has_come)
            break;
    }
}

static void look_by_stun(const struct look *look)
{
    const struct worker_network *network = look->network;
    struct outside_port *at = look->at;
    bool v6 = at->advertised.family == ADDR_V6;
    uint8_t seed[32];
    struct rng rng;
    if (getrandom(seed, sizeof seed, 0) != sizeof seed)
        return;
    rng_init(&rng, seed);
    for (size_t i = 0; i < WORKER_STUN_SERVERS && at->arrives == PATH_UNKNOWN; i++) {
        if (addr_is_set(&network->stun[v6][i]))
            look_by_server(look, &rng, &network->stun[v6][i]);
    }
}

/* ---- At several ports ------------------------------------------------------------------------ */

static void *look_run(void *argument)
{
    const struct look *look = argument;
    struct outside_port *at = look->at;
    const struct worker_network *network = look->network;
    const struct addr *advertised = &at->advertised;
    at->arrives = at->answers_arrive = PATH_UNKNOWN;
    if (!addr_is_set(advertised) || !addr_is_set(&at->bound) || addr_is_private(advertised) ||
        addr_is_loopback(advertised) || addr_is_link_local(advertised))
        return NULL;
    for (size_t i = 0; i < network->turn_count && at->arrives == PATH_UNKNOWN; i++)
        look_by_relay(look, &network->turn[i]);
    if (at->arrives == PATH_UNKNOWN)
        look_by_stun(look);
    return NULL;
}

void outside_look(const struct worker_network *network, struct outside_port *ports, size_t count)
{
    struct look looks[SIGHTINGS_PROBES];
    assert(count <= SIGHTINGS_PROBES);
    /* All of them first: a look that tries other ports must not take one that is looked at. */
    for (size_t i = 0; i < count; i++)
        looks[i] = (struct look){
            .network = network, .at = &ports[i], .which = i, .port_fd = open_port(&ports[i].bound)};
    for (size_t i = 0; i < count; i++) {
        struct look *look = &looks[i];
        look->is_apart = pthread_create(&look->thread, NULL, look_run, look) == 0;
        if (!look->is_apart)
            (void)look_run(look);
    }
    for (size_t i = 0; i < count; i++) {
        if (looks[i].is_apart)
            (void)pthread_join(looks[i].thread, NULL);
        if (looks[i].port_fd >= 0)
            close(looks[i].port_fd);
    }
}

/* ---- From inside ----------------------------------------------------------------------------- */

static enum path_answer watch_port(int fd, int port_fd, const struct addr *target, uint64_t number,
                                   struct view probe)
{
    struct tick now = io_clock_tick(), until = tick_add_ms(now, LOOK_MS / 2), again = now;
    uint8_t bytes[DATAGRAM_SIZE];
    struct addr from;
    ssize_t n;
    for (; tick_before(now, until) && !sightings_has_come(number); now = io_clock_tick()) {
        if (tick_due(again, now)) {
            send_to(fd, target, probe);
            again = tick_add_ms(now, AGAIN_MS);
        }
        wait_for(port_fd, -1, tick_min(again, tick_add_ms(now, 20)));
        while (port_fd >= 0 && (n = receive(port_fd, bytes, &from)) >= 0)
            (void)sightings_probe(view_of(bytes, (size_t)n));
    }
    return sightings_has_come(number) ? PATH_YES : PATH_NO;
}

enum path_answer outside_look_back(const struct addr *advertised, const struct addr *bound)
{
    uint8_t probe[SIGHTINGS_PROBE_SIZE];
    uint64_t number;
    struct addr any = any_address(advertised, 0);
    enum path_answer answer = PATH_UNKNOWN;
    if (!addr_is_set(advertised) || !number_make(0, &number))
        return PATH_UNKNOWN;
    int fd = open_udp(&any), port_fd = open_port(bound);
    if (fd >= 0) {
        sightings_await(number, probe);
        answer = watch_port(fd, port_fd, advertised, number, view_of(probe, sizeof probe));
    }
    if (port_fd >= 0)
        close(port_fd);
    if (fd >= 0)
        close(fd);
    return answer;
}

/* ---- By TCP ---------------------------------------------------------------------------------- */

enum { TCP_MS = 1500 };

/* -1: nothing to wait for. */
static int begin_tcp(const struct addr *server)
{
    struct sockaddr_storage sa;
    socklen_t len = io_sockaddr_from(server, &sa);
    int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&sa, len) != 0 && errno != EINPROGRESS) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool stands(int fd)
{
    int error = 0;
    socklen_t len = sizeof error;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0;
}

static enum path_answer ask_by_tcp(const struct addr *servers, size_t count)
{
    struct pollfd waiting[OUTSIDE_TCP_SERVERS];
    struct tick until = tick_add_ms(io_clock_tick(), TCP_MS);
    enum path_answer answer = PATH_UNKNOWN;
    nfds_t left = 0;
    for (size_t i = 0; i < count; i++) {
        int fd = begin_tcp(&servers[i]);
        if (fd >= 0)
            waiting[left++] = (struct pollfd){.fd = fd, .events = POLLOUT};
    }
    for (struct tick now = io_clock_tick();
         left > 0 && answer != PATH_YES && tick_before(now, until); now = io_clock_tick()) {
        (void)poll(waiting, left, (int)(tick_diff_ms(until, now) + 1));
        for (nfds_t i = left; i-- > 0;) {
            if (!waiting[i].revents)
                continue;
            if (stands(waiting[i].fd))
                answer = PATH_YES;
            close(waiting[i].fd);
            waiting[i] = waiting[--left];
        }
    }
    while (left > 0)
        close(waiting[--left].fd);
    return answer;
}

void outside_ask_by_tcp(const struct worker_network *network, bool v6, enum path_answer *stun,
                        enum path_answer *turn)
{
    struct addr servers[OUTSIDE_TCP_SERVERS];
    size_t count = 0;
    for (size_t i = 0; i < WORKER_STUN_SERVERS && addr_is_set(&network->stun[v6][i]); i++)
        servers[count++] = network->stun[v6][i];
    *stun = ask_by_tcp(servers, count);
    count = 0;
    for (size_t i = 0; i < network->turn_count; i++) {
        const struct worker_turn_server *server = &network->turn[i];
        if (server->transport == WORKER_TURN_UDP && addr_is_set(&server->address[v6]))
            servers[count++] = server->address[v6];
    }
    *turn = ask_by_tcp(servers, count);
}
