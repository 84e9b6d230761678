/* turn_driver: plays the stun and turn engines against a real server through the thinnest of
 * sockets, and says in TAP what held. Use: turn_driver udp|tcp|tls PORT SCENARIO USER PASSWORD, the
 * server on 127.0.0.1.
 * Not here: starting the server (test_coturn.py). */
#include "turn/allocation.h"
#include "turn/frame.h"

#include "tap.h"

#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static struct {
    int fd, peer_fd;
    bool stream;
    SSL *tls;
    SSL_CTX *tls_context;
    struct sockaddr_in server;
    uint8_t received[65536]; /* of a stream: what is not yet a whole frame */
    size_t received_len;
    struct turn_allocation *turn;
    char last_data[2048];
    size_t last_len;
    struct addr last_peer;
    int data_count;
    struct turn_event last_of[TURN_CLOSED + 1];
    int seen[TURN_CLOSED + 1];
} d;

static struct tick now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (struct tick){ts.tv_sec * NS_PER_S + ts.tv_nsec};
}

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static struct addr own_address(int fd)
{
    struct sockaddr_in in;
    socklen_t len = sizeof in;
    getsockname(fd, (struct sockaddr *)&in, &len);
    return addr_v4(127, 0, 0, 1, ntohs(in.sin_port));
}

static bool open_socket(const char *transport)
{
    struct sockaddr_in any = loopback(0);
    d.stream = strcmp(transport, "udp") != 0;
    d.fd = socket(AF_INET, d.stream ? SOCK_STREAM : SOCK_DGRAM, 0);
    d.received_len = 0;
    if (bind(d.fd, (struct sockaddr *)&any, sizeof any) ||
        connect(d.fd, (struct sockaddr *)&d.server, sizeof d.server))
        return false;
    if (strcmp(transport, "tls") != 0)
        return true;
    d.tls_context = SSL_CTX_new(TLS_client_method());
    d.tls = SSL_new(d.tls_context);
    SSL_set_fd(d.tls, d.fd);
    return SSL_connect(d.tls) == 1;
}

static void send_server(struct view bytes)
{
    ssize_t n = d.tls ? SSL_write(d.tls, bytes.at, (int)bytes.len)
                      : send(d.fd, bytes.at, bytes.len, MSG_NOSIGNAL);
    CHECK(n == (ssize_t)bytes.len);
}

static void take(struct view frame)
{
    struct turn_input in = turn_input(d.turn, now(), frame);
    if (in.kind != TURN_INPUT_DATA)
        return;
    d.data_count++;
    d.last_peer = in.peer;
    d.last_len = in.data.len < sizeof d.last_data ? in.data.len : sizeof d.last_data;
    memcpy(d.last_data, in.data.at, d.last_len);
}

static void receive_stream(void)
{
    size_t room = sizeof d.received - d.received_len, len;
    ssize_t n = d.tls ? SSL_read(d.tls, d.received + d.received_len, (int)room)
                      : recv(d.fd, d.received + d.received_len, room, 0);
    if (n <= 0)
        return;
    d.received_len += (size_t)n;
    while (turn_frame_next(view_of(d.received, d.received_len), &len) == TURN_FRAME_WHOLE) {
        take(view_of(d.received, len));
        memmove(d.received, d.received + len, d.received_len - len);
        d.received_len -= len;
    }
}

static void pump(void)
{
    struct view out;
    struct turn_event e;
    turn_expire(d.turn, now());
    while (turn_output(d.turn, now(), &out))
        send_server(out);
    while (turn_event(d.turn, &e)) {
        d.seen[e.kind]++;
        d.last_of[e.kind] = e;
    }
}

/* Goes on until *what reaches want, at most 5 s. */
static bool wait_for(const int *what, int want)
{
    int64_t end = now().ns + 5 * NS_PER_S;
    for (;;) {
        pump();
        if (*what >= want || now().ns > end)
            return *what >= want;
        struct pollfd p = {.fd = d.fd, .events = POLLIN};
        if ((d.tls && SSL_pending(d.tls)) || poll(&p, 1, 20) > 0) {
            if (d.stream) {
                receive_stream();
            } else {
                uint8_t bytes[2048];
                ssize_t n = recv(d.fd, bytes, sizeof bytes, 0);
                if (n > 0)
                    take(view_of(bytes, (size_t)n));
            }
        }
    }
}

static void start(const char *user, const char *password, struct turn_options options)
{
    options.username = view_of_string(user);
    options.password = view_of_string(password);
    options.stream = d.stream;
    options.want_v4 = true;
    options.request_cap_ms = 3000;
    CHECK(getrandom(options.seed, sizeof options.seed, 0) == sizeof options.seed);
    turn_destroy(d.turn);
    memset(d.seen, 0, sizeof d.seen);
    d.data_count = 0;
    d.turn = turn_create(&options);
    turn_start(d.turn, now());
}

/* A datagram each way: we to the peer over the relay, the peer back to where it came from. */
static void check_both_ways(const char *text)
{
    uint8_t bytes[256];
    struct addr peer = own_address(d.peer_fd);
    struct writer w = writer_of(bytes, sizeof bytes);
    struct sockaddr_in from;
    socklen_t from_len = sizeof from;
    char got[256];
    int before = d.data_count;
    if (!CHECK(turn_wrap(d.turn, now(), &peer, view_of_string(text), &w)))
        return;
    send_server(writer_done(&w));
    struct pollfd p = {.fd = d.peer_fd, .events = POLLIN};
    CHECK(poll(&p, 1, 5000) == 1);
    ssize_t n =
        recvfrom(d.peer_fd, got, sizeof got, MSG_DONTWAIT, (struct sockaddr *)&from, &from_len);
    tap_check_text(got, n > 0 ? (size_t)n : 0, text, "what the peer got", __FILE__, __LINE__);
    struct addr relayed = turn_status(d.turn).relayed_v4;
    CHECK_INT(ntohs(from.sin_port), relayed.port);
    sendto(d.peer_fd, "and back", 8, 0, (struct sockaddr *)&from, from_len);
    CHECK(wait_for(&d.data_count, before + 1));
    tap_check_text(d.last_data, d.last_len, "and back", "what came back", __FILE__, __LINE__);
    CHECK(addr_equal(&d.last_peer, &peer));
}

static void scenario_data(const char *user, const char *password)
{
    struct addr peer = own_address(d.peer_fd);
    start(user, password, (struct turn_options){0});
    if (!CHECK(wait_for(&d.seen[TURN_ALLOCATED], 1)))
        return;
    CHECK_INT(turn_permit(d.turn, now(), &peer, 1), 1);
    CHECK(wait_for(&d.seen[TURN_PERMITTED], 1));
    check_both_ways("a Send indication");
    CHECK(turn_bind(d.turn, now(), &peer));
    CHECK(wait_for(&d.seen[TURN_BOUND], 1));
    check_both_ways("ChannelData, odd"); /* 16 bytes, then 17 and 18: padding on streams */
    check_both_ways("ChannelData, odd.");
    check_both_ways("ChannelData, odd..");
    turn_close(d.turn, now());
    CHECK(wait_for(&d.seen[TURN_CLOSED], 1));
}

static void scenario_wrong_password(const char *user, const char *password)
{
    (void)password;
    start(user, "not the password", (struct turn_options){0});
    CHECK(wait_for(&d.seen[TURN_LOST], 1));
    CHECK_INT(d.last_of[TURN_LOST].action, TURN_GIVE_UP);
    CHECK_INT(d.last_of[TURN_LOST].code, 401);
}

/* The server was told --stale-nonce=1: after two seconds the nonce is refused,
 * and the client goes on. */
static void scenario_stale_nonce(const char *user, const char *password)
{
    struct addr peer = own_address(d.peer_fd), other = addr_v4(127, 0, 0, 2, 9);
    start(user, password, (struct turn_options){0});
    CHECK(wait_for(&d.seen[TURN_ALLOCATED], 1));
    int64_t until = now().ns + 2500 * NS_PER_MS;
    while (now().ns < until)
        poll(NULL, 0, 100);
    CHECK_INT(turn_permit(d.turn, now(), &peer, 1), 1);
    CHECK(wait_for(&d.seen[TURN_PERMITTED], 1));
    CHECK_INT(turn_permit(d.turn, now(), &other, 1), 1);
    CHECK(wait_for(&d.seen[TURN_PERMITTED], 2));
    check_both_ways("after a stale nonce");
}

/* RFC 8016: the same allocation from another socket. */
static void scenario_mobility(const char *user, const char *password)
{
    struct addr peer = own_address(d.peer_fd);
    start(user, password, (struct turn_options){.mobility = true});
    CHECK(wait_for(&d.seen[TURN_ALLOCATED], 1));
    if (!CHECK(turn_status(d.turn).movable))
        return;
    struct addr relayed = turn_status(d.turn).relayed_v4;
    CHECK_INT(turn_permit(d.turn, now(), &peer, 1), 1);
    CHECK(wait_for(&d.seen[TURN_PERMITTED], 1));
    check_both_ways("from the old address");
    close(d.fd);
    CHECK(open_socket("udp"));
    turn_moved(d.turn, now());
    CHECK(wait_for(&d.seen[TURN_MOVED_OVER], 1));
    struct addr after = turn_status(d.turn).relayed_v4;
    CHECK(addr_equal(&relayed, &after));
    check_both_ways("from the new address");
}

/* A second allocation on the same 5-tuple: 437, and a way on. */
static void scenario_mismatch(const char *user, const char *password)
{
    start(user, password, (struct turn_options){0});
    CHECK(wait_for(&d.seen[TURN_ALLOCATED], 1));
    start(user, password, (struct turn_options){0}); /* forgets the first */
    CHECK(wait_for(&d.seen[TURN_LOST], 1));
    CHECK_INT(d.last_of[TURN_LOST].code, 437);
    CHECK_INT(d.last_of[TURN_LOST].action, TURN_NEW_SOCKET);
    close(d.fd);
    CHECK(open_socket("udp"));
    start(user, password, (struct turn_options){0});
    CHECK(wait_for(&d.seen[TURN_ALLOCATED], 1));
}

/* The server denies 127.0.0.3 (--denied-peer-ip): the others come through. */
static void scenario_denied_peer(const char *user, const char *password)
{
    struct addr peers[] = {addr_v4(127, 0, 0, 3, 1), own_address(d.peer_fd)};
    start(user, password, (struct turn_options){0});
    CHECK(wait_for(&d.seen[TURN_ALLOCATED], 1));
    CHECK_INT(turn_permit(d.turn, now(), peers, 2), 2);
    CHECK(wait_for(&d.seen[TURN_DENIED], 1));
    CHECK_INT(d.last_of[TURN_DENIED].code, 403);
    CHECK(wait_for(&d.seen[TURN_PERMITTED], 1));
    check_both_ways("beside a denied peer");
}

static const struct {
    const char *name;
    void (*play)(const char *user, const char *password);
} scenarios[] = {
    {"data", scenario_data},
    {"wrong-password", scenario_wrong_password},
    {"stale-nonce", scenario_stale_nonce},
    {"mobility", scenario_mobility},
    {"mismatch", scenario_mismatch},
    {"denied-peer", scenario_denied_peer},
};

int main(int argc, char **argv)
{
    struct sockaddr_in any = loopback(0);
    if (argc != 6)
        return 2;
    d.server = loopback((uint16_t)atoi(argv[2]));
    d.peer_fd = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK(bind(d.peer_fd, (struct sockaddr *)&any, sizeof any) == 0);
    if (CHECK(open_socket(argv[1]))) {
        bool known = false;
        for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
            if (strcmp(argv[3], scenarios[i].name) == 0) {
                known = true;
                scenarios[i].play(argv[4], argv[5]);
            }
        }
        CHECK(known);
    }
    turn_destroy(d.turn);
    SSL_free(d.tls);
    SSL_CTX_free(d.tls_context);
    return tap_failed_checks ? 1 : 0;
}
