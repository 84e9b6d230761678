/* relays_driver: plays a worker's relays, sockets and all, against real servers, and says in TAP what held.
 * Use: relays_driver SCENARIO USER PASSWORD PID SERVER..., each SERVER udp|tcp|tls:PORT on 127.0.0.1 (tls: localhost's
 * certificate), or far:PORT, TLS to where nobody is, or nul:PORT, to a name that we do not know, or via:PORT, an HTTP
 * proxy; PID is the first server's, for scenarios that kill it.
 * Not here: starting the servers (test_relays.py), the engine alone (turn_driver.c). */
#include "siprecd/relays.h"

#include "io/batch.h"
#include "io/clock.h"
#include "tap.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SLOTS = 64, BASE = 100, TICKETS = 256 };

static struct {
    struct io_sweep *sweep;
    struct io_batch *batch;
    struct io_loop *loop;
    struct io_mailbox *mailbox;
    struct relays *relays;
    struct worker_network network;
    struct recorder_relay tickets[TICKETS]; /* what stands ready, by slot */
    bool has[TICKETS];
    struct relay_report report;
    int peer_fd;
    struct datagram got;
    char got_bytes[2048];
    int got_count, permitted, denied, lost, gone;
    struct media_relay_event last_lost;
    pid_t pid;
} d;

static struct tick now(void)
{
    return io_clock_tick();
}

static struct addr own_address(int fd)
{
    struct sockaddr_in in;
    socklen_t len = sizeof in;
    getsockname(fd, (struct sockaddr *)&in, &len);
    return addr_v4(127, 0, 0, 1, ntohs(in.sin_port));
}

static void take(const struct datagram *in)
{
    CHECK(d.got.socket != in->socket || d.got.at.ns <= in->at.ns);
    d.got = *in;
    d.got_count++;
    size_t len = in->bytes.len < sizeof d.got_bytes ? in->bytes.len : sizeof d.got_bytes;
    memcpy(d.got_bytes, in->bytes.at, len);
    d.got.bytes = view_of(d.got_bytes, len);
}

static void take_mail(void)
{
    struct signalling_mail mail;
    while (io_mailbox_take(d.mailbox, &mail)) {
        if (mail.kind == SIGNALLING_RELAYS) {
            d.report = *mail.relays;
            free(mail.relays);
        } else if (CHECK_INT(mail.kind, SIGNALLING_RELAY) && CHECK(mail.relay.slot < TICKETS)) {
            d.gone += mail.relay.gone;
            d.has[mail.relay.slot] = !mail.relay.gone;
            d.tickets[mail.relay.slot] = mail.relay;
        }
    }
}

static void turn_once(void)
{
    struct io_ready ready[16];
    struct datagram out[64];
    struct media_relay_event event;
    size_t count = io_loop_wait(d.loop, tick_add_ms(now(), 5), ready, 16);
    for (size_t i = 0; i < count; i++)
        relays_ready(d.relays, now(), &ready[i]);
    io_sweep_begin(d.sweep);
    while (io_sweep_next(d.sweep, d.batch)) {
        const struct datagram *in = io_batch_at(d.batch, &count);
        count = relays_unwrap(d.relays, now(), in, count, out);
        for (size_t i = 0; i < count; i++)
            take(&out[i]);
    }
    relays_sweep(d.relays, true);
    while ((count = relays_streams(d.relays, now(), out, 64)) > 0) {
        for (size_t i = 0; i < count; i++)
            take(&out[i]);
    }
    relays_expire(d.relays, now());
    while (relays_event(d.relays, &event)) {
        d.permitted += event.kind == MEDIA_RELAY_PERMITTED;
        d.denied += event.kind == MEDIA_RELAY_DENIED;
        if (event.kind == MEDIA_RELAY_LOST) {
            d.lost++;
            d.last_lost = event;
        }
    }
    take_mail();
}

static int ready_count(void)
{
    int n = 0;
    for (size_t i = 0; i < TICKETS; i++)
        n += d.has[i];
    return n;
}

static int count_of(uint8_t server)
{
    int n = 0;
    for (size_t i = 0; i < TICKETS; i++)
        n += d.has[i] && d.tickets[i].server == server;
    return n;
}

/* Goes on until the condition holds, at most so long. */
#define WAIT(condition, ms)                                                                        \
    do {                                                                                           \
        struct tick end_ = tick_add_ms(now(), (ms));                                               \
        while (!(condition) && tick_before(now(), end_))                                           \
            turn_once();                                                                           \
        CHECK(condition);                                                                          \
    } while (0)

static struct recorder_relay pick(uint8_t server)
{
    for (size_t i = 0; i < TICKETS; i++) {
        if (d.has[i] && d.tickets[i].server == server && d.tickets[i].src == 0)
            return d.tickets[i];
    }
    CHECK(false);
    return (struct recorder_relay){0};
}

static void lend(const struct recorder_relay *relay, uint64_t src)
{
    d.has[relay->slot] = false;
    relays_lend(d.relays, now(), relay->slot, relay->generation, src);
}

static void want(const struct recorder_relay *relay, enum media_relay_want_kind kind)
{
    struct media_relay_want w = {
        .kind = kind, .slot = relay->slot, .generation = relay->generation, .count = 1};
    w.peers[0] = own_address(d.peer_fd);
    relays_want(d.relays, now(), &w);
}

/* A datagram each way: we to the peer over the relay, the peer back to where it came from. */
static void check_both_ways(const struct recorder_relay *relay, const char *text)
{
    struct addr peer = own_address(d.peer_fd);
    struct sockaddr_in from;
    socklen_t from_len = sizeof from;
    char got[256];
    int before = d.got_count;
    struct pollfd p = {.fd = d.peer_fd, .events = POLLIN};
    if (!CHECK(relays_send(d.relays, now(), relay->slot, &peer, view_of_string(text))))
        return;
    WAIT(poll(&p, 1, 0) == 1, 5000);
    ssize_t n =
        recvfrom(d.peer_fd, got, sizeof got, MSG_DONTWAIT, (struct sockaddr *)&from, &from_len);
    tap_check_text(got, n > 0 ? (size_t)n : 0, text, "what the peer got", __FILE__, __LINE__);
    CHECK_INT(ntohs(from.sin_port), relay->relayed[0].port);
    sendto(d.peer_fd, "and back", 8, 0, (struct sockaddr *)&from, from_len);
    WAIT(d.got_count == before + 1, 5000);
    tap_check_text(d.got_bytes, d.got.bytes.len, "and back", "what came back", __FILE__, __LINE__);
    CHECK(addr_equal(&d.got.from, &peer));
    CHECK(addr_equal(&d.got.to, &relay->relayed[0]));
    CHECK_INT(d.got.socket, MEDIA_RELAY(relay->slot));
    CHECK(d.got.at.ns > 0);
}

static void finish(void)
{
    relays_drain(d.relays, now());
    WAIT(relays_is_empty(d.relays), 5000);
}

/* ---- scenarios --------------------------------------------------------------------------------------------------- */

static void scenario_data(void)
{
    struct addr peer;
    WAIT(ready_count() >= 4, 10000);
    struct recorder_relay relay = pick(0);
    CHECK(relay.rtt_ms >= 0);
    peer = own_address(d.peer_fd);
    CHECK(!relays_send(d.relays, now(), relay.slot, &peer, VIEW_LIT("not lent")));
    lend(&relay, 7);
    /* Who is sent to is let in, from the second datagram on. */
    CHECK(!relays_send(d.relays, now(), relay.slot, &peer, VIEW_LIT("lost")));
    WAIT(d.permitted == 1, 5000);
    want(&relay, MEDIA_RELAY_PERMIT);
    WAIT(d.permitted == 2, 5000); /* told again: it stands */
    check_both_ways(&relay, "a Send indication");
    want(&relay, MEDIA_RELAY_BIND);
    for (int i = 0; i < 20; i++)
        turn_once();
    check_both_ways(&relay, "ChannelData");
    check_both_ways(&relay, "ChannelData, odd");
    check_both_ways(&relay, "ChannelData, odder");
    WAIT(ready_count() >= 4, 5000); /* another one stands in its place */
    /* What it cannot be: picked twice, or by its number after it is gone. */
    relays_lend(d.relays, now(), relay.slot + 1, 12345, 7);
    WAIT(d.lost == 1, 1000);
    want(&relay, MEDIA_RELAY_RELEASE);
    WAIT(d.report.count > 0 && d.report.servers[0].reserved == 1, 3000);
    CHECK_INT(d.report.servers[0].state, RELAY_SERVER_SERVING);
    CHECK(!relays_send(d.relays, now(), 63, &relay.relayed[0], VIEW_LIT("nobody's")));
}

/* A burst of datagrams in one TCP segment and cut by others: every frame is found. */
static void scenario_burst(void)
{
    struct addr peer = own_address(d.peer_fd);
    WAIT(ready_count() >= 1, 10000);
    struct recorder_relay relay = pick(0);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(relay.relayed[0].port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char bytes[1200];
    lend(&relay, 7);
    want(&relay, MEDIA_RELAY_PERMIT);
    WAIT(d.permitted == 1, 5000);
    for (int round = 0; round < 2; round++) {
        int before = d.got_count;
        size_t total = 0, sum = 0;
        for (size_t i = 0; i < 100; i++) {
            size_t len = 1 + i * 11 % sizeof bytes;
            memset(bytes, (int)i, sizeof bytes);
            sendto(d.peer_fd, bytes, len, 0, (struct sockaddr *)&to, sizeof to);
            total += len;
            if (i % 10 == 9) { /* coturn's own buffers are small */
                int all = before + (int)i + 1;
                WAIT(d.got_count == all, 5000);
                sum += d.got.bytes.len;
                CHECK_INT(d.got.bytes.len, len);
            }
        }
        CHECK(sum > 0 && total > sum);
        want(&relay, MEDIA_RELAY_BIND);
        for (int i = 0; i < 20; i++)
            turn_once();
        CHECK(relays_send(d.relays, now(), relay.slot, &peer, VIEW_LIT("x")));
    }
}

/* Two servers, the first is killed in mid-call: known within a second of the suspicion, and the warm one of the second
 * is there. */
static void scenario_failover(void)
{
    WAIT(count_of(0) >= 4 && count_of(1) == 1, 10000);
    struct recorder_relay first = pick(0), second;
    lend(&first, 7);
    want(&first, MEDIA_RELAY_PERMIT);
    WAIT(d.permitted == 1, 5000);
    check_both_ways(&first, "over the first");
    kill(d.pid, SIGKILL);
    struct tick died = now();
    want(&first, MEDIA_RELAY_SUSPECT); /* media's silence says so */
    WAIT(d.lost == 1, 2000);
    CHECK(tick_diff_ms(now(), died) < 1000);
    CHECK_INT(d.last_lost.code, 0);
    CHECK_INT(d.last_lost.slot, first.slot);
    second = pick(1);
    lend(&second, 7);
    want(&second, MEDIA_RELAY_PERMIT);
    WAIT(d.permitted == 2, 1000);
    CHECK(tick_diff_ms(now(), died) < 1200);
    check_both_ways(&second, "over the second");
    /* The stock is made there, and none of the first's is offered any more. */
    WAIT(count_of(1) >= 4 && count_of(0) == 0, 2000);
    WAIT(d.report.servers[0].state == RELAY_SERVER_SILENT, 3000);
    CHECK_INT(d.report.servers[1].state, RELAY_SERVER_SERVING);
}

/* Nobody answers over UDP: relays over the next way all the same, and soon. */
static void scenario_fallback(void)
{
    struct tick began = now();
    WAIT(ready_count() >= 4, 10000);
    CHECK(tick_diff_ms(now(), began) < 2500);
    struct recorder_relay relay = pick(1);
    CHECK(relay.transport != RECORDER_RELAY_UDP);
    lend(&relay, 7);
    want(&relay, MEDIA_RELAY_PERMIT);
    WAIT(d.permitted == 1, 5000);
    check_both_ways(&relay, "not over UDP");
}

/* What cannot be connected to directly, or not even be looked up, is connected to through the proxy. */
static void scenario_proxy(void)
{
    WAIT(ready_count() >= 4, 10000);
    struct recorder_relay relay = pick(0);
    CHECK(relay.transport == RECORDER_RELAY_TLS);
    lend(&relay, 7);
    want(&relay, MEDIA_RELAY_PERMIT);
    WAIT(d.permitted == 1, 5000);
    check_both_ways(&relay, "through the proxy");
    WAIT(d.report.count > 0 && d.report.servers[0].state == RELAY_SERVER_SERVING, 3000);
    CHECK(d.report.servers[0].by_proxy);
}

static void scenario_wrong_password(void)
{
    WAIT(d.report.count > 0 && d.report.servers[0].state == RELAY_SERVER_REFUSES, 5000);
    CHECK_INT(d.report.servers[0].code, 401);
    CHECK_INT(ready_count(), 0);
}

/* A certificate that nobody vouches for. */
static void scenario_untrusted(void)
{
    WAIT(d.report.count > 0 && d.report.servers[0].state == RELAY_SERVER_SILENT, 5000);
    CHECK(strstr(d.report.servers[0].why, "certificate") != NULL);
    printf("# %s\n", d.report.servers[0].why);
    CHECK_INT(ready_count(), 0);
}

/* The same server under other credentials (both users exist): the new ones stand before the old ones go. */
static void scenario_credentials(void)
{
    WAIT(ready_count() >= 4, 10000);
    struct recorder_relay relay = pick(0);
    lend(&relay, 7);
    want(&relay, MEDIA_RELAY_PERMIT);
    WAIT(d.permitted == 1, 5000);
    WAIT(ready_count() >= 4, 5000);
    int gone = d.gone;
    strcpy(d.network.turn_username, "second");
    strcpy(d.network.turn_password, "password of the second");
    relays_know(d.relays, now(), &d.network);
    struct tick end = tick_add_ms(now(), 5000);
    while (d.gone < gone + 4 && tick_before(now(), end)) {
        turn_once();
        CHECK(ready_count() >= 4);
    }
    CHECK_INT(d.gone, gone + 4);
    check_both_ways(&relay, "still under the first");
    CHECK_INT(d.lost, 0);
}

/* Our address is another: with tickets (RFC 8016) nothing is lost. */
static void scenario_moved(void)
{
    WAIT(ready_count() >= 4, 10000);
    struct recorder_relay relay = pick(0);
    lend(&relay, 7);
    want(&relay, MEDIA_RELAY_PERMIT);
    WAIT(d.permitted == 1, 5000);
    check_both_ways(&relay, "from the old address");
    d.network.change++;
    relays_know(d.relays, now(), &d.network);
    /* coturn 4.6.1 answers the first Refresh with eight bytes of nothing, the second, half a second later, well. */
    struct addr elsewhere = addr_v4(127, 0, 0, 9, 9);
    struct media_relay_want w = {
        .kind = MEDIA_RELAY_PERMIT, .slot = relay.slot, .generation = relay.generation, .count = 1};
    w.peers[0] = elsewhere;
    relays_want(d.relays, now(), &w);
    WAIT(d.permitted >= 2, 5000); /* asked for once the move is done */
    check_both_ways(&relay, "from the new address");
    CHECK_INT(d.lost, 0);
}

static const struct {
    const char *name;
    void (*play)(void);
} scenarios[] = {
    {"data", scenario_data},           {"burst", scenario_burst},
    {"failover", scenario_failover},   {"fallback", scenario_fallback},
    {"proxy", scenario_proxy},         {"wrong-password", scenario_wrong_password},
    {"untrusted", scenario_untrusted}, {"credentials", scenario_credentials},
    {"moved", scenario_moved},
};

static void add_server(const char *text)
{
    const char *colon = strchr(text, ':');
    if (strncmp(text, "via", 3) == 0) {
        strcpy(d.network.proxy.host, "127.0.0.1");
        d.network.proxy.port = (uint16_t)atoi(colon + 1);
        d.network.proxy_at[0] = addr_v4(127, 0, 0, 1, d.network.proxy.port);
        return;
    }
    struct worker_turn_server *s = &d.network.turn[d.network.turn_count++];
    s->transport = text[1] == 'd'   ? WORKER_TURN_UDP
                   : text[1] == 'c' ? WORKER_TURN_TCP
                                    : WORKER_TURN_TLS;
    s->port = (uint16_t)atoi(colon + 1);
    if (*text != 'n')
        s->address[0] = addr_v4(127, 0, 0, *text == 'f' ? 9 : 1, s->port);
    strcpy(s->name, s->transport == WORKER_TURN_TLS ? "localhost" : "127.0.0.1");
}

int main(int argc, char **argv)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct relays_config config = {.slots = SLOTS,
                                   .ready = VALUES_AUTO,
                                   .binds_count = 1,
                                   .binds = {addr_v4(127, 0, 0, 1, 0)},
                                   .sweep_base = BASE,
                                   .tag = 1,
                                   .ca = getenv("RELAYS_CA")};
    if (argc < 6)
        return 2;
    config.sweep = d.sweep = io_sweep_create(BASE + SLOTS);
    config.loop = d.loop = io_loop_create();
    config.signalling = d.mailbox = io_mailbox_create(sizeof(struct signalling_mail), 256);
    d.batch = io_batch_create(64);
    d.relays = relays_create(&config);
    d.peer_fd = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK(bind(d.peer_fd, (struct sockaddr *)&any, sizeof any) == 0);
    d.network.local[0] = addr_v4(127, 0, 0, 1, 0);
    strcpy(d.network.turn_username, argv[2]);
    strcpy(d.network.turn_password, argv[3]);
    d.pid = (pid_t)atoi(argv[4]);
    for (int i = 5; i < argc; i++)
        add_server(argv[i]);
    relays_know(d.relays, now(), &d.network);
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
        if (strcmp(argv[1], scenarios[i].name) == 0)
            scenarios[i].play();
    }
    finish();
    relays_destroy(d.relays);
    take_mail();
    io_mailbox_destroy(d.mailbox);
    io_batch_destroy(d.batch);
    io_sweep_destroy(d.sweep);
    io_loop_destroy(d.loop);
    return tap_failed_checks ? 1 : 0;
}
