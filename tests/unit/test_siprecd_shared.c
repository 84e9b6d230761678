/* siprecd/shared: connections of ICE-TCP that bring media are read at the sweeps and wake nobody, others as they bring
 * something. Over loopback; frames as RFC 4571 §2 has them, first bytes as RFC 7983 §7. */
#include "siprecd/shared.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/clock.h"
#include "tap.h"

enum { TAG = 7, SOON_MS = 2000, NEVER_MS = 60 };

static struct io_loop *loop;
static struct io_batch *batch;
static struct shared *shared;
static int listener, peer;
static struct addr peer_at;

static bool begin(void)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof sa;
    struct shared_config config = {.binds_count = 1, .tag = TAG};
    loop = io_loop_create();
    batch = io_batch_create(32);
    config.loop = loop;
    config.binds[0] = addr_v4(127, 0, 0, 1, 0);
    shared = shared_create(&config);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (!CHECK(loop && batch && shared) || !CHECK(bind(listener, (void *)&sa, sizeof sa) == 0) ||
        !CHECK(listen(listener, 1) == 0) || !CHECK(getsockname(listener, (void *)&sa, &len) == 0))
        return false;
    peer_at = addr_v4(127, 0, 0, 1, ntohs(sa.sin_port));
    /* A check of ours, to an SRC that listens. */
    shared_send(shared, io_clock_tick(),
                &(struct media_packet){.socket = MEDIA_SHARED(MEDIA_SHARED_TCP_ACTIVE, 0),
                                       .to = peer_at,
                                       .bytes = VIEW_LIT("\x00\x01")});
    peer = accept(listener, NULL, NULL);
    return CHECK(peer >= 0);
}

static void end(void)
{
    close(peer);
    close(listener);
    shared_destroy(shared);
    io_batch_destroy(batch);
    io_loop_destroy(loop);
}

/* Whether the loop told something of ours within the time. */
static bool is_woken(int64_t ms)
{
    struct io_ready ready[4];
    struct tick end = tick_add_ms(io_clock_tick(), ms);
    size_t count = io_loop_wait(loop, end, ready, 4);
    for (size_t i = 0; i < count; i++)
        shared_ready(shared, io_clock_tick(), &ready[i]);
    return count > 0;
}

/* Sends frames that begin with that byte. */
static void put(uint8_t first, unsigned frames)
{
    const uint8_t frame[] = {0, 12, first, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1};
    for (unsigned i = 0; i < frames; i++)
        CHECK_INT(send(peer, frame, sizeof frame, 0), sizeof frame);
}

static size_t receive(void)
{
    const struct datagram *out;
    size_t all = 0, count;
    while ((count = shared_receive(shared, io_clock_tick(), batch, &out)) > 0) {
        for (size_t i = 0; i < count; i++)
            CHECK(out[i].bytes.len == 12 && addr_equal(&out[i].from, &peer_at) && out[i].at.ns > 0);
        all += count;
    }
    return all;
}

/* Until so many have come; the loop is asked only where it shall tell of them. */
static void await(size_t wanted, bool by_sweeps)
{
    size_t got = 0;
    struct pollfd nothing = {.fd = -1};
    for (int i = 0; i < SOON_MS / 10 && got < wanted; i++) {
        if (by_sweeps)
            (void)poll(&nothing, 1, 10);
        else
            (void)is_woken(10);
        shared_sweep(shared, true);
        got += receive();
    }
    CHECK_INT(got, wanted);
}

static void test_media_wakes_nobody(void)
{
    if (!begin())
        return;
    put(0x80, 1);
    await(1, false);
    for (int i = 0; i < 3; i++) {
        put(0x80, 40); /* more than one batch */
        CHECK(!is_woken(NEVER_MS));
        await(40, true);
    }
    /* No sweep is soon: it is watched again. */
    shared_sweep(shared, false);
    (void)receive();
    put(0x80, 1);
    CHECK(is_woken(SOON_MS));
    CHECK_INT(receive(), 1);
    end();
}

static void test_checks_do(void)
{
    if (!begin())
        return;
    put(0x00, 1);
    await(1, false);
    for (int i = 0; i < 3; i++) {
        put(0x00, 1);
        CHECK(is_woken(SOON_MS));
        CHECK_INT(receive(), 1);
    }
    end();
}

int main(void)
{
    RUN(test_media_wakes_nobody);
    RUN(test_checks_do);
    return tap_done();
}
