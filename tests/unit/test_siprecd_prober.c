/* siprecd/prober against a STUN server of a few lines on loopback: when it looks again at what our NATs do.
 * Time is driven by hand. RFC 8489 §5, §14.2; the server has one address, so RFC 5780 §4.3 cannot be done with it. */
#include "siprecd/prober.h"

#include <unistd.h>

#include "io/udp.h"
#include "stun/message.h"
#include "tap.h"

enum { MINUTE_MS = 60000, STEP_MS = 20, TOKEN = 100 };

static int server_fd;
static bool has_nat;

static void serve(void)
{
    char in[1500];
    uint8_t out[1500];
    struct view bytes;
    struct addr from, seen;
    struct stun_message m;
    while (io_udp_receive(server_fd, in, sizeof in, &bytes, &from)) {
        struct writer w = writer_of(out, sizeof out);
        if (stun_message_decode(bytes, &m) != STUN_DECODED || m.class != STUN_REQUEST)
            continue;
        seen = has_nat ? addr_v4(198, 51, 100, 7, from.port) : from;
        stun_begin(&w, STUN_SUCCESS, m.method, &m.transaction);
        stun_put_address(&w, STUN_XOR_MAPPED_ADDRESS, &seen);
        stun_finish(&w, false);
        CHECK_INT(io_udp_send(server_fd, NULL, &from, writer_done(&w)), 0);
    }
}

/* How often it was told what our NATs do, in so many minutes. */
static unsigned told_within(int minutes)
{
    struct addr any = addr_v4(127, 0, 0, 1, 0), server;
    struct io_udp_options options = {0};
    struct prober_config config = {.loop = io_loop_create(), .token = TOKEN};
    struct prober *prober = prober_create(&config);
    struct tick now = {NS_PER_S}, end = tick_add_ms(now, (int64_t)minutes * MINUTE_MS);
    struct prober_event event;
    unsigned told = 0;
    server_fd = io_udp_open(&any, &options, &server);
    CHECK(config.loop && prober && server_fd >= 0);
    prober_start(prober, now, &any, &server, 1);
    while (tick_before(now, end)) {
        struct io_ready ready[PROBER_TOKENS];
        serve();
        size_t count = io_loop_wait(config.loop, (struct tick){0}, ready, PROBER_TOKENS);
        for (size_t i = 0; i < count; i++)
            prober_ready(prober, now, ready[i].token);
        if (tick_due(prober_deadline(prober), now))
            prober_expire(prober, now);
        while (prober_event(prober, &event))
            told += event.kind == PROBER_BEHAVIOUR;
        now = tick_add_ms(now, STEP_MS);
    }
    prober_destroy(prober);
    io_loop_destroy(config.loop);
    close(server_fd);
    return told;
}

/* What was not found out is asked again after one minute, two, four ...; what was is known for long. */
static void test_what_is_not_known_is_asked_again(void)
{
    has_nat = true;
    CHECK_INT(told_within(2), 2);
    CHECK_INT(told_within(8), 4);
    has_nat = false;
    CHECK_INT(told_within(8), 1);
}

int main(void)
{
    RUN(test_what_is_not_known_is_asked_again);
    return tap_done();
}
