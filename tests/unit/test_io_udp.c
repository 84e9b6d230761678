/* UDP on loopback: batches with source, local address and the kernel's time; datagrams of any size
 * whole; the sweep finds every packet; both families on one port; replies leave from where the
 * question went. Not here: which ports.
 * RFC 3493, 3542. */
#include "io/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/batch.h"
#include "io/clock.h"
#include "io/sockaddr.h"
#include "io/sweep.h"
#include "tap.h"

static const struct io_udp_options plain = {0};

static int open_at(struct addr at, struct addr *bound)
{
    int fd = io_udp_open(&at, &plain, bound);

    CHECK(fd >= 0);
    return fd;
}

static struct addr loopback6(uint16_t port)
{
    struct addr a = {0};
    CHECK(addr_parse(VIEW_LIT("::1"), port, &a));
    return addr_with_port(a, port);
}

static struct addr loopback(uint16_t port)
{
    return addr_v4(127, 0, 0, 1, port);
}

/* Documentation's addresses (RFC 5737, 3849), which no host has. */
static void test_addresses_that_may_come(void)
{
    const struct io_udp_options may_come = {.may_come = true};
    struct addr at[] = {addr_v4(192, 0, 2, 77, 0), {0}}, bound, here = loopback(0);
    CHECK(addr_parse(VIEW_LIT("2001:db8::77"), 0, &at[1]));
    CHECK(io_udp_is_here(&here));
    for (int six = 0; six < 2; six++) {
        CHECK(!io_udp_is_here(&at[six]));
        CHECK_INT(io_udp_open(&at[six], &plain, &bound), -1);
        CHECK_INT(errno, EADDRNOTAVAIL);
        int fd = io_udp_open(&at[six], &may_come, &bound);
        CHECK(fd >= 0 && addr_equal_ip(&bound, &at[six]) && bound.port != 0);
        if (fd >= 0)
            close(fd);
    }
}

/* What the receiving kernel says of the hops that were left. */
static void test_few_hops(void)
{
    struct addr at[] = {loopback(0), loopback6(0)}, a, b;
    for (int six = 0; six < 2; six++) {
        int from = open_at(at[six], &a), to = open_at(at[six], &b), on = 1, hops = 0;
        unsigned char control[64];
        char byte;
        struct iovec piece = {&byte, 1};
        struct msghdr message = {.msg_iov = &piece,
                                 .msg_iovlen = 1,
                                 .msg_control = control,
                                 .msg_controllen = sizeof control};
        CHECK_INT(setsockopt(to, six ? IPPROTO_IPV6 : IPPROTO_IP,
                             six ? IPV6_RECVHOPLIMIT : IP_RECVTTL, &on, sizeof on),
                  0);
        CHECK_INT(io_udp_send_near(from, &a, &b, view_of("x", 1), 3), 0);
        CHECK_INT(recvmsg(to, &message, MSG_DONTWAIT), 1);
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
            if (c->cmsg_type == (six ? IPV6_HOPLIMIT : IP_TTL))
                memcpy(&hops, CMSG_DATA(c), sizeof hops);
        }
        CHECK_INT(hops, 3);
        close(from);
        close(to);
    }
}

/* Loopback delivers before send returns, so that receiving needs no wait. */
static void test_batch(void)
{
    struct addr a, b;
    int from = open_at(loopback(0), &a);
    int to = open_at(loopback(0), &b);
    struct io_batch *batch = io_batch_create(4);
    struct wall before = io_clock_wall();
    const struct datagram *datagrams;
    size_t count;
    bool drained = false;

    for (int i = 0; i < 6; i++) {
        char text = (char)('0' + i);
        CHECK_INT(io_udp_send(from, NULL, &b, view_of(&text, 1)), 0);
    }
    CHECK_INT(io_batch_receive(batch, to, 7, &b, &drained), 4);
    CHECK(!drained);
    CHECK_INT(io_batch_room(batch), 0);
    datagrams = io_batch_at(batch, &count);
    CHECK_INT(count, 4);
    for (size_t i = 0; i < count; i++) {
        CHECK_INT(datagrams[i].socket, 7);
        CHECK(addr_equal(&datagrams[i].from, &a) && addr_equal(&datagrams[i].to, &b));
        CHECK(datagrams[i].bytes.len == 1 && datagrams[i].bytes.at[0] == (char)('0' + i));
        CHECK(datagrams[i].at.ns >= before.ns && datagrams[i].at.ns <= io_clock_wall().ns);
        CHECK(!datagrams[i].truncated && datagrams[i].dropped == 0);
    }
    io_batch_clear(batch);
    CHECK_INT(io_batch_receive(batch, to, 7, &b, &drained), 2);
    CHECK(drained);
    io_batch_destroy(batch);
    close(from);
    close(to);
}

/* ICMP's answer to a packet for a port that nobody has (RFC 1122 §3.2.2.1) comes by the sweep, with the
 * peer's address; what others send is received all the same, and the socket goes on sending. */
static void test_refusals(void)
{
    struct addr a, gone, b;
    int from = io_udp_open(&(struct addr){.family = ADDR_V4, .ip = {127, 0, 0, 1}},
                           &(struct io_udp_options){.want_errors = true}, &a);
    int closed = open_at(loopback(0), &gone), other = open_at(loopback(0), &b);
    struct io_sweep *sweep = io_sweep_create(4);
    struct io_batch *batch = io_batch_create(64);
    size_t refused = 0, received = 0;
    close(closed);
    CHECK_INT(io_sweep_add(sweep, 3, from, &a), 0);
    for (int round = 0; round < 40; round++) {
        (void)!io_udp_send(from, NULL, &gone, view_of("x", 1));
        CHECK_INT(io_udp_send(other, NULL, &a, view_of("y", 1)), 0);
        io_sweep_begin(sweep);
        while (io_sweep_next(sweep, batch)) {
            size_t count;
            const struct datagram *d = io_batch_at(batch, &count);
            for (size_t i = 0; i < count; i++) {
                CHECK_INT(d[i].socket, 3);
                CHECK(addr_equal(&d[i].from, d[i].refused ? &gone : &b));
                CHECK_INT(d[i].bytes.len, d[i].refused ? 0 : 1);
                refused += d[i].refused;
                received += !d[i].refused;
            }
        }
    }
    CHECK_INT(received, 40);
    CHECK(refused >= 10); /* the kernel limits how many it sends a second, and errors take turns */
    io_sweep_remove(sweep, 3);
    io_sweep_destroy(sweep);
    io_batch_destroy(batch);
    close(from);
    close(other);
}

/* RFC 768: at most 65,535 less the header of 8, less the IPv4 header of 20. */
static void test_largest_datagram(void)
{
    struct addr a, b;
    int from = open_at(loopback(0), &a);
    struct io_udp_options options = {.receive_buffer = 4 * 1024 * 1024};
    struct addr at = loopback(0);
    int to = io_udp_open(&at, &options, &b);
    struct io_batch *batch = io_batch_create(2);
    char *big = malloc(65507);
    const struct datagram *datagrams;
    size_t count;
    bool drained;

    for (size_t i = 0; i < 65507; i++)
        big[i] = (char)(i * 31);
    CHECK_INT(io_udp_send(from, NULL, &b, view_of(big, 65507)), 0);
    CHECK_INT(io_batch_receive(batch, to, 0, &b, &drained), 1);
    datagrams = io_batch_at(batch, &count);
    CHECK(count == 1 && datagrams[0].bytes.len == 65507 && !datagrams[0].truncated &&
          memcmp(datagrams[0].bytes.at, big, 65507) == 0);
    CHECK_INT(io_udp_send(from, NULL, &b, view_of(big, 65507 + 1)), EMSGSIZE);
    free(big);
    io_batch_destroy(batch);
    close(from);
    close(to);
}

/* 127.0.0.0/8 is all ours: a wildcard socket called at 127.1.2.3 answers from there. */
static void test_answers_from_the_address_called(void)
{
    struct io_udp_options options = {.want_local = true};
    struct addr any = addr_v4(0, 0, 0, 0, 0);
    struct addr server_bound, client_bound, called;
    int server = io_udp_open(&any, &options, &server_bound);
    int client = open_at(loopback(0), &client_bound);
    struct io_batch *batch = io_batch_create(4);
    const struct datagram *datagrams;
    size_t count;
    bool drained;

    called = addr_v4(127, 1, 2, 3, server_bound.port);
    CHECK_INT(io_udp_send(client, NULL, &called, VIEW_LIT("ping")), 0);
    CHECK_INT(io_batch_receive(batch, server, 0, &server_bound, &drained), 1);
    datagrams = io_batch_at(batch, &count);
    CHECK(addr_equal(&datagrams[0].to, &called));
    CHECK_INT(io_udp_send(server, &datagrams[0].to, &datagrams[0].from, VIEW_LIT("pong")), 0);
    io_batch_clear(batch);
    CHECK_INT(io_batch_receive(batch, client, 0, &client_bound, &drained), 1);
    datagrams = io_batch_at(batch, &count);
    CHECK(addr_equal(&datagrams[0].from, &called));
    io_batch_destroy(batch);
    close(server);
    close(client);
}

static void test_both_families_on_one_port(void)
{
    struct addr v6 = {.family = ADDR_V6};
    struct addr v4, bound;
    int six = io_udp_open(&v6, &plain, &bound);
    int four;

    if (six < 0) {
        tap_skip("test_both_families", "no IPv6 here");
        return;
    }
    v4 = addr_v4(0, 0, 0, 0, bound.port);
    four = io_udp_open(&v4, &plain, NULL);
    CHECK(four >= 0);
    CHECK(io_udp_open(&v4, &plain, NULL) < 0 && errno == EADDRINUSE);
    close(six);
    close(four);
}

enum { SOCKETS = 50, PER_SOCKET = 30 };

static void test_sweep_finds_every_packet(void)
{
    struct io_sweep *sweep = io_sweep_create(SOCKETS);
    struct io_batch *batch = io_batch_create(64);
    struct addr bound[SOCKETS], a;
    int fds[SOCKETS];
    int from = open_at(loopback(0), &a);
    unsigned got[SOCKETS] = {0};
    uint32_t last = UINT32_MAX;
    unsigned runs = 0;

    for (uint32_t i = 0; i < SOCKETS; i++) {
        fds[i] = open_at(loopback(0), &bound[i]);
        CHECK_INT(io_sweep_add(sweep, i, fds[i], &bound[i]), 0);
    }
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < PER_SOCKET; i++) {
            for (uint32_t k = 0; k < SOCKETS; k += 2)
                CHECK_INT(io_udp_send(from, NULL, &bound[k], view_of(&i, sizeof(i))), 0);
        }
        io_sweep_begin(sweep);
        while (io_sweep_next(sweep, batch)) {
            size_t count;
            const struct datagram *datagrams = io_batch_at(batch, &count);
            for (size_t i = 0; i < count; i++) {
                got[datagrams[i].socket]++;
                runs += datagrams[i].socket != last;
                last = datagrams[i].socket;
            }
        }
    }
    for (uint32_t k = 0; k < SOCKETS; k++)
        CHECK_INT(got[k], k % 2 == 0 ? 3 * PER_SOCKET : 0);
    CHECK(runs <= 3 * SOCKETS); /* in a row, socket by socket */
    io_sweep_remove(sweep, 0);
    CHECK_INT(io_udp_send(from, NULL, &bound[0], VIEW_LIT("x")), 0);
    io_sweep_begin(sweep);
    CHECK(!io_sweep_next(sweep, batch));
    for (uint32_t k = 0; k < SOCKETS; k++)
        close(fds[k]);
    close(from);
    io_sweep_destroy(sweep);
    io_batch_destroy(batch);
}

/* More on one socket than a sweep may take from it: the rest comes with the next one. */
static void test_sweep_leaves_nothing_behind(void)
{
    struct io_udp_options options = {.receive_buffer = 8 * 1024 * 1024};
    struct io_sweep *sweep = io_sweep_create(1);
    struct io_batch *batch = io_batch_create(16);
    struct addr at = loopback(0);
    struct addr bound, a;
    int to = io_udp_open(&at, &options, &bound);
    int from = open_at(loopback(0), &a);
    size_t total = 0;
    enum { SENT = 300 };

    CHECK_INT(io_sweep_add(sweep, 0, to, &bound), 0);
    for (int i = 0; i < SENT; i++)
        CHECK_INT(io_udp_send(from, NULL, &bound, VIEW_LIT("x")), 0);
    for (int round = 0; round < 10 && total < SENT; round++) {
        io_sweep_begin(sweep);
        while (io_sweep_next(sweep, batch)) {
            size_t count;
            io_batch_at(batch, &count);
            total += count;
        }
    }
    CHECK_INT(total, SENT);
    close(to);
    close(from);
    io_sweep_destroy(sweep);
    io_batch_destroy(batch);
}

/* SO_RXQ_OVFL: what did not fit is told with the next datagram. */
static void test_overflow_is_counted(void)
{
    struct addr a, b;
    int from = open_at(loopback(0), &a);
    int to = open_at(loopback(0), &b);
    struct io_batch *batch = io_batch_create(64);
    const struct datagram *datagrams;
    size_t received = 0;
    size_t count;
    char big[1000] = {0};
    bool drained = false;
    enum { SENT = 3000 };

    for (int i = 0; i < SENT; i++)
        CHECK_INT(io_udp_send(from, NULL, &b, view_of(big, sizeof(big))), 0);
    while (!drained) {
        io_batch_clear(batch);
        received += io_batch_receive(batch, to, 0, &b, &drained);
    }
    CHECK(received < SENT);
    CHECK_INT(io_udp_send(from, NULL, &b, VIEW_LIT("x")), 0);
    io_batch_clear(batch);
    CHECK_INT(io_batch_receive(batch, to, 0, &b, &drained), 1);
    datagrams = io_batch_at(batch, &count);
    CHECK_INT(datagrams[0].dropped, SENT - received);
    io_batch_destroy(batch);
    close(from);
    close(to);
}

static void test_local_for_peer(void)
{
    struct addr peer = addr_v4(127, 0, 0, 5, 5060);
    struct addr local;

    CHECK(io_sockaddr_local_for(&peer, &local));
    CHECK(addr_is_loopback(&local) && local.port == 0);
}

/* The local address is told for as long as it is wanted; a source that this host does not have is no
 * reason to send nothing. */
static void test_local_on_wish_and_sources_that_are_not_there(void)
{
    struct addr a, b, any = addr_v4(0, 0, 0, 0, 0), gone = addr_v4(203, 0, 113, 77, 0);
    struct addr second = addr_v4(127, 0, 0, 2, 0), unset = {0};
    int from = open_at(any, &a), to = open_at(any, &b);
    struct addr there = addr_with_port(loopback(0), b.port);
    struct io_batch *batch = io_batch_create(8);
    const struct datagram *got;
    size_t count;
    bool drained;

    CHECK_INT(io_udp_send(from, &unset, &there, VIEW_LIT("a")), 0);
    CHECK_INT(io_udp_want_local(to, ADDR_V4, true), 0);
    CHECK_INT(io_udp_send(from, &second, &there, VIEW_LIT("b")), 0);
    CHECK_INT(io_udp_send(from, &gone, &there, VIEW_LIT("c")), 0);
    CHECK_INT(io_batch_receive(batch, to, 0, &b, &drained), 3);
    CHECK_INT(io_udp_want_local(to, ADDR_V4, false), 0);
    CHECK_INT(io_udp_send(from, NULL, &there, VIEW_LIT("d")), 0);
    CHECK_INT(io_batch_receive(batch, to, 0, &b, &drained), 1);
    got = io_batch_at(batch, &count);
    CHECK(addr_is_loopback(&got[0].from) && addr_equal_ip(&got[1].from, &second) &&
          addr_is_loopback(&got[2].from));
    CHECK(addr_equal_ip(&got[1].to, &there) && addr_is_unspecified(&got[3].to));
    io_batch_destroy(batch);
    close(from);
    close(to);
}

int main(void)
{
    RUN(test_local_on_wish_and_sources_that_are_not_there);
    RUN(test_addresses_that_may_come);
    RUN(test_few_hops);
    RUN(test_batch);
    RUN(test_refusals);
    RUN(test_largest_datagram);
    RUN(test_answers_from_the_address_called);
    RUN(test_both_families_on_one_port);
    RUN(test_sweep_finds_every_packet);
    RUN(test_sweep_leaves_nothing_behind);
    RUN(test_overflow_is_counted);
    RUN(test_local_for_peer);
    return tap_done();
}
