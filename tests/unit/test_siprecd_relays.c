/* siprecd/relays against a TURN server of a few lines on loopback, which refuses in mid-call.
 * RFC 8656 §5 (437: it knows no such allocation). */
#include "siprecd/relays.h"

#include "io/batch.h"
#include "io/clock.h"
#include "io/udp.h"
#include "stun/message.h"
#include "tap.h"

#include <unistd.h>

enum { SLOTS = 8, BASE = 4 };

static int server_fd;
static uint16_t permit_code; /* to CreatePermission; 0: success */
static unsigned refused;

static void serve(void)
{
    char in[1500];
    uint8_t out[1500];
    struct view bytes;
    struct addr from, relayed = addr_v4(203, 0, 113, 1, 50000);
    struct stun_message m;
    while (io_udp_receive(server_fd, in, sizeof in, &bytes, &from)) {
        struct writer w = writer_of(out, sizeof out);
        if (stun_message_decode(bytes, &m) != STUN_DECODED || m.class != STUN_REQUEST)
            continue;
        uint16_t code = m.method == STUN_CREATE_PERMISSION ? permit_code : 0;
        stun_begin(&w, code ? STUN_ERROR : STUN_SUCCESS, m.method, &m.transaction);
        if (code)
            stun_put_error(&w, code, "no");
        if (m.method == STUN_ALLOCATE)
            stun_put_address(&w, STUN_XOR_RELAYED_ADDRESS, &relayed);
        if (m.method == STUN_ALLOCATE || m.method == STUN_BINDING)
            stun_put_address(&w, STUN_XOR_MAPPED_ADDRESS, &from);
        if (m.method == STUN_ALLOCATE || m.method == STUN_REFRESH)
            stun_put_u32(&w, STUN_LIFETIME, 600);
        stun_finish(&w, false);
        CHECK_INT(io_udp_send(server_fd, NULL, &from, writer_done(&w)), 0);
        refused += code != 0;
    }
}

static void sweep(struct relays *relays, struct io_sweep *sweep, struct io_batch *batch)
{
    struct datagram out[64];
    size_t count;
    io_sweep_begin(sweep);
    while (io_sweep_next(sweep, batch)) {
        const struct datagram *in = io_batch_at(batch, &count);
        (void)relays_unwrap(relays, io_clock_tick(), in, count, out);
    }
}

static bool find_ticket(struct io_mailbox *mailbox, struct recorder_relay *out)
{
    struct signalling_mail mail;
    bool found = false;
    while (io_mailbox_take(mailbox, &mail)) {
        if (mail.kind == SIGNALLING_RELAYS)
            free(mail.relays);
        if (mail.kind == SIGNALLING_RELAY && !mail.relay.gone) {
            *out = mail.relay;
            found = true;
        }
    }
    return found;
}

struct scene {
    struct relays_config config;
    struct io_batch *batch;
    struct relays *relays;
};

static void scene_open(struct scene *s, const char *username)
{
    struct addr any = addr_v4(127, 0, 0, 1, 0), server;
    struct io_udp_options options = {0};
    struct worker_network network = {.turn_count = 1, .wants_relays = true, .change = 1};
    server_fd = io_udp_open(&any, &options, &server);
    *s = (struct scene){
        .config = {.slots = SLOTS,
                   .ready = 1,
                   .sweep_base = BASE,
                   .tag = 1,
                   .sweep = io_sweep_create(BASE + SLOTS),
                   .loop = io_loop_create(),
                   .signalling = io_mailbox_create(sizeof(struct signalling_mail), 64)},
        .batch = io_batch_create(64)};
    s->relays = relays_create(&s->config);
    network.turn[0].address[0] = server;
    network.turn[0].transport = WORKER_TURN_UDP;
    network.turn[0].port = server.port;
    network.local[0] = any;
    (void)view_copy(view_of_string(username), network.turn_username, sizeof network.turn_username);
    (void)view_copy(VIEW_LIT("secret"), network.turn_password, sizeof network.turn_password);
    relays_know(s->relays, io_clock_tick(), &network);
}

/* Waits until one stands ready. */
static bool scene_is_served(struct scene *s, struct recorder_relay *ticket)
{
    struct tick end = tick_add_ms(io_clock_tick(), 5000);
    while (tick_before(io_clock_tick(), end)) {
        relays_expire(s->relays, io_clock_tick());
        serve();
        sweep(s->relays, s->config.sweep, s->batch);
        if (find_ticket(s->config.signalling, ticket))
            return true;
    }
    return false;
}

static void scene_close(struct scene *s)
{
    struct recorder_relay ticket;
    relays_destroy(s->relays);
    (void)find_ticket(s->config.signalling, &ticket);
    io_mailbox_destroy(s->config.signalling);
    io_loop_destroy(s->config.loop);
    io_sweep_destroy(s->config.sweep);
    io_batch_destroy(s->batch);
    close(server_fd);
}

/* A user name of digits alone is a number by which somebody is called, unless it is a time to come. */
static void test_username_that_is_a_number(void)
{
    static const char *const names[] = {"49301234567", "4930123456", "1000000001",
                                        "10000000000:user"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct recorder_relay ticket = {0};
        struct scene s;
        scene_open(&s, names[i]);
        if (!CHECK(scene_is_served(&s, &ticket)))
            printf("# %s\n", names[i]);
        scene_close(&s);
    }
}

/* What ends an allocation comes in one turn with what its stream wants of it. */
static void test_want_of_what_just_ended(void)
{
    struct recorder_relay ticket = {0};
    struct media_relay_event event;
    bool lost = false;
    struct scene s;
    scene_open(&s, "user");
    struct relays *relays = s.relays;
    if (!CHECK(scene_is_served(&s, &ticket)))
        return;
    relays_lend(relays, io_clock_tick(), ticket.slot, ticket.generation, 7);
    struct media_relay_want want = {.kind = MEDIA_RELAY_PERMIT,
                                    .slot = ticket.slot,
                                    .generation = ticket.generation,
                                    .count = 1,
                                    .peers = {addr_v4(198, 51, 100, 9, 0)}};
    permit_code = 437;
    relays_want(relays, io_clock_tick(), &want);
    struct tick end = tick_add_ms(io_clock_tick(), 5000);
    while (!refused && tick_before(io_clock_tick(), end)) {
        relays_expire(relays, io_clock_tick());
        serve();
    }
    CHECK_INT(refused, 1);
    sweep(relays, s.config.sweep, s.batch);
    want.peers[0] = addr_v4(198, 51, 100, 10, 0);
    relays_want(relays, io_clock_tick(), &want);
    want.kind = MEDIA_RELAY_BIND;
    relays_want(relays, io_clock_tick(), &want);
    want.kind = MEDIA_RELAY_RELEASE;
    relays_want(relays, io_clock_tick(), &want);
    while (relays_event(relays, &event))
        lost |= event.kind == MEDIA_RELAY_LOST && event.slot == ticket.slot;
    CHECK(lost);
    scene_close(&s);
}

int main(void)
{
    RUN(test_username_that_is_a_number);
    RUN(test_want_of_what_just_ended);
    return tap_done();
}
