/* TCP on loopback: flows open, carry bytes both ways and close; limits hold; a peer that does not
 * read is given up; time limits by a clock of our own; what is deferred is read at sweeps.
 * Not here: messages in the bytes.
 * RFC 3261 section 18. */
#include "io/tcp.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/sockaddr.h"
#include "tap.h"

struct side {
    struct io_loop *loop;
    struct io_tcp *tcp;
    struct addr bound;
    struct tick now; /* for limits: moved by hand */
};

static struct io_tcp_limits limits_of(size_t connections, size_t per_peer)
{
    return (struct io_tcp_limits){.connections_max = connections,
                                  .connections_per_peer_max = per_peer,
                                  .listeners_max = 2,
                                  .unsent_bytes_max = 256 * 1024,
                                  .first_bytes_ns = 5 * NS_PER_S,
                                  .idle_ns = 60 * NS_PER_S,
                                  .unsent_ns = 10 * NS_PER_S,
                                  .connect_ns = 3 * NS_PER_S};
}

static void side_init(struct side *side, const struct io_tcp_limits *limits)
{
    struct addr at = addr_v4(127, 0, 0, 1, 0);

    side->loop = io_loop_create();
    side->tcp = io_tcp_create(side->loop, 9, limits);
    side->now = (struct tick){1000 * NS_PER_S};
    CHECK_INT(io_tcp_listen(side->tcp, &at, 3, &side->bound), 0);
}

static void side_finish(struct side *side)
{
    io_tcp_destroy(side->tcp);
    io_loop_destroy(side->loop);
}

/* The next event, waiting for it up to two seconds. */
static bool side_event(struct side *side, struct io_tcp_event *event)
{
    struct tick until = tick_add_ms(io_clock_tick(), 2000);

    while (!io_tcp_event(side->tcp, side->now, event)) {
        struct io_ready ready[8];
        size_t count = io_loop_wait(side->loop, until, ready, 8);
        if (count == 0)
            return false;
        for (size_t i = 0; i < count; i++)
            io_tcp_ready(side->tcp, side->now, &ready[i]);
    }
    return true;
}

/* Works on what is ready now; fails on any event. */
static void side_settle(struct side *side)
{
    struct io_ready ready[8];
    struct io_tcp_event event;
    size_t count = io_loop_wait(side->loop, (struct tick){0}, ready, 8);

    for (size_t i = 0; i < count; i++)
        io_tcp_ready(side->tcp, side->now, &ready[i]);
    CHECK(!io_tcp_event(side->tcp, side->now, &event));
}

static int dial(const struct addr *to)
{
    struct sockaddr_storage sa;
    socklen_t len = io_sockaddr_from(to, &sa);
    int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(connect(fd, (struct sockaddr *)&sa, len) == 0);
    return fd;
}

static void test_a_flow(void)
{
    struct io_tcp_limits limits = limits_of(4, 4);
    struct side side;
    struct io_tcp_event event;
    char text[16] = {0};
    int fd;
    uint64_t found;

    side_init(&side, &limits);
    fd = dial(&side.bound);
    CHECK(side_event(&side, &event) && event.what == IO_TCP_OPENED);
    CHECK(event.listener == 3 && !event.outgoing && addr_equal(&event.local, &side.bound));
    CHECK(io_tcp_find(side.tcp, &event.peer, &found) && found == event.flow);
    CHECK(write(fd, "hello", 5) == 5);
    CHECK(side_event(&side, &event) && event.what == IO_TCP_BYTES);
    CHECK_VIEW(event.bytes, "hello");
    CHECK(io_tcp_send(side.tcp, side.now, event.flow, VIEW_LIT("welcome")));
    CHECK(read(fd, text, sizeof(text)) == 7 && memcmp(text, "welcome", 7) == 0);
    close(fd);
    CHECK(side_event(&side, &event) && event.what == IO_TCP_CLOSED);
    CHECK_INT(event.reason, IO_TCP_BY_PEER);
    CHECK(!io_tcp_send(side.tcp, side.now, event.flow, VIEW_LIT("gone")));
    CHECK_INT(io_tcp_connections(side.tcp), 0);
    side_finish(&side);
}

static void test_we_connect(void)
{
    struct io_tcp_limits limits = limits_of(4, 4);
    struct side side;
    struct io_tcp_event event;
    struct addr from = addr_v4(127, 0, 0, 9, 0);
    uint64_t flow = 0;
    bool opened = false;
    bool heard = false;

    side_init(&side, &limits);
    CHECK_INT(io_tcp_connect(side.tcp, side.now, 1, &from, &side.bound, &flow), 0);
    CHECK(io_tcp_send(side.tcp, side.now, flow, VIEW_LIT("early"))); /* before it stands */
    while (!(opened && heard) && side_event(&side, &event)) {
        if (event.what == IO_TCP_OPENED && event.outgoing) {
            opened = event.flow == flow && addr_equal_ip(&event.local, &from);
        } else if (event.what == IO_TCP_BYTES) {
            heard = view_equal(event.bytes, VIEW_LIT("early")) && addr_equal_ip(&event.peer, &from);
        }
    }
    CHECK(opened && heard);
    side_finish(&side);
}

static void test_nobody_there(void)
{
    struct io_tcp_limits limits = limits_of(4, 4);
    struct side side;
    struct io_tcp_event event;
    struct addr nobody;
    uint64_t flow = 0;

    /* A port that was just somebody's. */
    side_init(&side, &limits);
    nobody = side.bound;
    side_finish(&side);
    side_init(&side, &limits);
    if (io_tcp_connect(side.tcp, side.now, 1, NULL, &nobody, &flow) == 0) {
        CHECK(side_event(&side, &event) && event.what == IO_TCP_CLOSED);
        CHECK(event.reason == IO_TCP_BY_ERROR && event.error == ECONNREFUSED);
        CHECK_INT(event.flow, flow);
    }
    side_finish(&side);
}

static void test_limits_of_connections(void)
{
    struct io_tcp_limits limits = limits_of(8, 2);
    struct side side;
    struct io_tcp_event event;
    int fds[3];
    char byte;

    side_init(&side, &limits);
    for (int i = 0; i < 3; i++)
        fds[i] = dial(&side.bound);
    CHECK(side_event(&side, &event) && event.what == IO_TCP_OPENED);
    CHECK(side_event(&side, &event) && event.what == IO_TCP_OPENED);
    side_settle(&side);
    CHECK_INT(io_tcp_connections(side.tcp), 2);
    CHECK(read(fds[2], &byte, 1) == 0); /* the third was closed at once */
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    side_finish(&side);
}

/* A peer that never reads: its bytes queue up to the limit, then the flow is over. */
static void test_peer_that_does_not_read(void)
{
    struct io_tcp_limits limits = limits_of(4, 4);
    struct side side;
    struct io_tcp_event event;
    static char block[65536];
    int fd;
    int sent = 0;

    side_init(&side, &limits);
    fd = dial(&side.bound);
    CHECK(side_event(&side, &event) && event.what == IO_TCP_OPENED);
    while (sent < 1000 &&
           io_tcp_send(side.tcp, side.now, event.flow, view_of(block, sizeof(block))))
        sent++;
    CHECK(sent > 3 && sent < 1000);
    CHECK(side_event(&side, &event) && event.what == IO_TCP_CLOSED);
    CHECK_INT(event.reason, IO_TCP_BY_OVERFLOW);
    close(fd);
    side_finish(&side);
}

/* Close comes after what was queued, and the bytes arrive in order. */
static void test_close_sends_first(void)
{
    struct io_tcp_limits limits = limits_of(4, 4);
    struct side side;
    struct io_tcp_event event;
    static unsigned char block[200000];
    static unsigned char back[sizeof(block)];
    size_t got = 0;
    uint64_t flow;
    int fd;

    for (size_t i = 0; i < sizeof(block); i++)
        block[i] = (unsigned char)(i % 251);
    limits.unsent_bytes_max = 16 * 1024 * 1024;
    side_init(&side, &limits);
    fd = dial(&side.bound);
    CHECK(side_event(&side, &event) && event.what == IO_TCP_OPENED);
    flow = event.flow;
    for (int i = 0; i < 40; i++)
        CHECK(io_tcp_send(side.tcp, side.now, flow, view_of(block, sizeof(block))));
    io_tcp_close(side.tcp, side.now, flow);
    CHECK(!io_tcp_send(side.tcp, side.now, flow, VIEW_LIT("late")));
    for (size_t total = 0; total < 40 * sizeof(block); total += got) {
        struct io_ready ready[8];
        ssize_t n = read(fd, back, sizeof(back));
        bool same = n > 0;
        for (ssize_t i = 0; i < n && same; i++)
            same = back[i] == (total + (size_t)i) % sizeof(block) % 251;
        if (!CHECK(same))
            break;
        got = (size_t)n;
        for (size_t count = io_loop_wait(side.loop, (struct tick){0}, ready, 8); count-- > 0;)
            io_tcp_ready(side.tcp, side.now, &ready[count]);
    }
    CHECK(side_event(&side, &event) && event.what == IO_TCP_CLOSED);
    CHECK_INT(event.reason, IO_TCP_BY_US);
    close(fd);
    side_finish(&side);
}

static bool expire_at(struct side *side, int64_t ms, struct io_tcp_event *event)
{
    side->now = tick_add_ms((struct tick){1000 * NS_PER_S}, ms);
    io_tcp_expire(side->tcp, side->now);
    return io_tcp_event(side->tcp, side->now, event);
}

/* Slow and silent peers, to the millisecond. */
static void test_time_limits(void)
{
    struct io_tcp_limits limits = limits_of(4, 4);
    struct side side;
    struct io_tcp_event event;
    int silent;
    int talks;

    side_init(&side, &limits);
    silent = dial(&side.bound);
    CHECK(side_event(&side, &event) && event.what == IO_TCP_OPENED);
    talks = dial(&side.bound);
    CHECK(side_event(&side, &event) && event.what == IO_TCP_OPENED);
    CHECK(write(talks, "x", 1) == 1);
    CHECK(side_event(&side, &event) && event.what == IO_TCP_BYTES);
    CHECK(!expire_at(&side, 4999, &event));
    side.now = tick_add_ms(side.now, 1);
    CHECK(expire_at(&side, 5000 + 500, &event) && event.what == IO_TCP_CLOSED);
    CHECK_INT(event.reason, IO_TCP_BY_IDLE);
    CHECK(!expire_at(&side, 59000, &event));
    CHECK(expire_at(&side, 60500, &event) && event.what == IO_TCP_CLOSED);
    CHECK_INT(event.reason, IO_TCP_BY_IDLE);
    CHECK(tick_is_never(io_tcp_deadline(side.tcp)) || io_tcp_connections(side.tcp) == 0);
    close(silent);
    close(talks);
    side_finish(&side);
}

/* Writes, and waits until the bytes lie in the other end's kernel. */
static void put(int fd, const char *text)
{
    int unread = 1;
    CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    while (unread > 0)
        CHECK(ioctl(fd, SIOCOUTQ, &unread) == 0);
}

static bool is_woken(const struct side *side)
{
    struct io_ready ready[8];
    return io_loop_wait(side->loop, (struct tick){0}, ready, 8) > 0;
}

/* A connection that is deferred, and the other end of it. */
static uint64_t deferred(struct side *side, int *fd)
{
    struct io_tcp_limits limits = limits_of(4, 4);
    struct io_tcp_event event;
    struct tick until = tick_add_ms(io_clock_tick(), 5000);
    struct wall after;
    limits.unsent_bytes_max = 32 * 1024 * 1024;
    side_init(side, &limits);
    *fd = dial(&side->bound);
    CHECK(side_event(side, &event) && event.what == IO_TCP_OPENED);
    io_tcp_defer(side->tcp, event.flow); /* nobody sweeps */
    do { /* the kernel begins to date packets a moment after the first socket asked for it */
        put(*fd, "first");
        after = io_clock_wall();
        CHECK(is_woken(side));
        CHECK(side_event(side, &event) && event.what == IO_TCP_BYTES);
        CHECK(event.since.ns == event.at.ns);
    } while (event.at.ns > after.ns && tick_before(io_clock_tick(), until));
    CHECK(event.at.ns <= after.ns);
    io_tcp_sweep(side->tcp, true);
    io_tcp_defer(side->tcp, event.flow);
    return event.flow;
}

/* Its bytes wake nobody and are all there at the sweep, dated by when they came. */
static void test_deferred_bytes_wait(void)
{
    struct side side;
    struct io_tcp_event event;
    struct wall before, between, after;
    int fd;
    deferred(&side, &fd);
    before = io_clock_wall();
    put(fd, "second");
    between = io_clock_wall();
    put(fd, "third");
    after = io_clock_wall();
    CHECK(!is_woken(&side) && !io_tcp_event(side.tcp, side.now, &event));
    io_tcp_sweep(side.tcp, true);
    CHECK(io_tcp_event(side.tcp, side.now, &event) && event.what == IO_TCP_BYTES);
    CHECK_VIEW(event.bytes, "secondthird");
    CHECK(event.at.ns >= between.ns && event.at.ns <= after.ns);
    CHECK(event.since.ns <= before.ns);
    CHECK(io_tcp_arrival(&event, 6, 11).ns > event.since.ns);
    CHECK(io_tcp_arrival(&event, 6, 11).ns < event.at.ns);
    CHECK(!io_tcp_event(side.tcp, side.now, &event));
    close(fd);
    side_finish(&side);
}

/* Its end is told at once, behind its last bytes. */
static void test_deferred_end_is_told(void)
{
    struct side side;
    struct io_tcp_event event;
    int fd;
    deferred(&side, &fd);
    put(fd, "last");
    close(fd);
    CHECK(side_event(&side, &event) && event.what == IO_TCP_BYTES);
    CHECK_VIEW(event.bytes, "last");
    CHECK(side_event(&side, &event) && event.what == IO_TCP_CLOSED);
    CHECK_INT(event.reason, IO_TCP_BY_PEER);
    io_tcp_sweep(side.tcp, true);
    CHECK(!io_tcp_event(side.tcp, side.now, &event));
    side_finish(&side);
}

/* What the kernel did not take goes out as the peer reads, without a sweep. */
static void test_deferred_sends(void)
{
    enum { BLOCKS = 384 };
    struct side side;
    static char block[65536];
    size_t got = 0;
    int fd;
    struct tick until = tick_add_ms(io_clock_tick(), 5000);
    uint64_t flow = deferred(&side, &fd);
    for (int i = 0; i < BLOCKS; i++)
        CHECK(io_tcp_send(side.tcp, side.now, flow, view_of(block, sizeof block)));
    while (got < BLOCKS * sizeof block && tick_before(io_clock_tick(), until)) {
        ssize_t n = recv(fd, block, sizeof block, MSG_DONTWAIT);
        got += n > 0 ? (size_t)n : 0;
        side_settle(&side);
    }
    CHECK_INT(got, BLOCKS * sizeof block);
    close(fd);
    side_finish(&side);
}

/* One that fell silent, and all once sweeps end, wake the loop again. */
static void test_deferred_is_watched_again(void)
{
    struct side side;
    struct io_tcp_event event;
    int fd;
    for (int silent = 0; silent < 2; silent++) {
        deferred(&side, &fd);
        for (int i = 0; i < 40; i++) { /* however often nothing is there yet */
            io_tcp_sweep(side.tcp, true);
            CHECK(!io_tcp_event(side.tcp, side.now, &event));
        }
        put(fd, "still waits");
        CHECK(!is_woken(&side));
        io_tcp_sweep(side.tcp, true);
        CHECK(io_tcp_event(side.tcp, side.now, &event) && event.what == IO_TCP_BYTES);
        if (silent)
            side.now = tick_add_ms(side.now, 250);
        io_tcp_sweep(side.tcp, silent);
        CHECK(!io_tcp_event(side.tcp, side.now, &event));
        put(fd, "wakes");
        CHECK(is_woken(&side));
        CHECK(side_event(&side, &event) && event.what == IO_TCP_BYTES);
        close(fd);
        side_finish(&side);
    }
}

int main(void)
{
    RUN(test_a_flow);
    RUN(test_we_connect);
    RUN(test_nobody_there);
    RUN(test_limits_of_connections);
    RUN(test_peer_that_does_not_read);
    RUN(test_close_sends_first);
    RUN(test_time_limits);
    RUN(test_deferred_bytes_wait);
    RUN(test_deferred_end_is_told);
    RUN(test_deferred_sends);
    RUN(test_deferred_is_watched_again);
    return tap_done();
}
