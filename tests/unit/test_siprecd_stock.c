/* siprecd/stock with the test for its clock: tickets that are worth nothing any more, a mailbox without
 * room, an address that is not on this host.
 * RFC 3550 §11 (pairs of ports). */
#include "siprecd/stock.h"

#include "io/mailbox.h"
#include "siprecd/mail.h"
#include "tap.h"

enum { READY = 8 };

static struct tick now;

struct scene {
    struct stock_config config;
    struct stock *stock;
    struct recorder_ticket tickets[64]; /* as they came */
    size_t count;
    struct recorder_port closed[64];
    size_t closed_count;
};

static void scene_open(struct scene *s, size_t binds, size_t mails)
{
    struct media_config media = {.recordings = 1, .streams = 4, .silent_after_ms = 5000};
    now = (struct tick){NS_PER_S};
    *s = (struct scene){
        .config = {.workers = 1,
                   .port_min = 62000,
                   .port_max = 62999,
                   .binds_count = binds,
                   .binds = {addr_v4(127, 0, 0, 1, 0), addr_v4(192, 0, 2, 1, 0)},
                   .ready = READY,
                   .streams = 4,
                   .signalling = io_mailbox_create(sizeof(struct signalling_mail), mails)}};
    media.ports = stock_ports(&s->config);
    s->config.media = media_create(&media);
    s->config.sweep = io_sweep_create((size_t)media.ports * 2);
    s->stock = stock_create(&s->config);
    stock_look(s->stock, now);
    stock_refill(s->stock, now);
}

static void scene_close(struct scene *s)
{
    stock_destroy(s->stock);
    media_destroy(s->config.media);
    io_sweep_destroy(s->config.sweep);
    io_mailbox_destroy(s->config.signalling);
}

/* What signalling has got since the last time. */
static void take_mail(struct scene *s)
{
    struct signalling_mail mail;
    s->count = s->closed_count = 0;
    while (io_mailbox_take(s->config.signalling, &mail)) {
        if (mail.kind == SIGNALLING_TICKET)
            s->tickets[s->count++] = mail.ticket;
        if (mail.kind == SIGNALLING_PORT_CLOSED)
            s->closed[s->closed_count++] = mail.port;
    }
}

static bool is_closed(const struct scene *s, const struct recorder_ticket *ticket)
{
    return s->closed_count == 1 && s->closed[0].port == ticket->port &&
           s->closed[0].generation == ticket->generation;
}

/* A ready port is closed while a stream's command names it: no stream gets it, also not when its
 * number stands for another one by then, and whoever gave the command hears of it. */
static void test_a_ticket_of_a_closed_port(void)
{
    struct scene s;
    scene_open(&s, 1, 64);
    take_mail(&s);
    CHECK_INT(s.count, READY);
    struct recorder_ticket gone = s.tickets[0], other = s.tickets[1];
    stock_return(s.stock, now, gone.port, gone.generation);
    take_mail(&s);
    CHECK(is_closed(&s, &gone));
    CHECK(!stock_lend(s.stock, now, gone.port, gone.generation));
    take_mail(&s);
    CHECK(is_closed(&s, &gone));

    stock_refill(s.stock, now);
    take_mail(&s);
    CHECK_INT(s.count, 1);
    CHECK_INT(s.tickets[0].port, gone.port);
    CHECK(!stock_lend(s.stock, now, gone.port, gone.generation));
    CHECK(stock_lend(s.stock, now, gone.port, s.tickets[0].generation));
    CHECK(stock_lend(s.stock, now, other.port, other.generation));
    CHECK(stock_lend(s.stock, now, other.port, other.generation)); /* a later offer's command */
    CHECK_INT(stock_lent(s.stock), 2);
    scene_close(&s);
}

/* Signalling is behind: that a port was closed reaches it as soon as there is room. */
static void test_a_full_mailbox(void)
{
    struct scene s;
    scene_open(&s, 1, READY);
    struct signalling_mail first;
    CHECK(io_mailbox_take(s.config.signalling, &first));
    CHECK_INT(first.kind, SIGNALLING_TICKET);
    struct signalling_mail filler = {.kind = SIGNALLING_DISK_FULL};
    while (io_mailbox_post(s.config.signalling, &filler))
        ;
    stock_return(s.stock, now, first.ticket.port, first.ticket.generation);
    take_mail(&s);
    CHECK_INT(s.closed_count, 0);
    CHECK(tick_diff_ms(stock_deadline(s.stock), now) <= 100);
    now = stock_deadline(s.stock);
    stock_refill(s.stock, now);
    take_mail(&s);
    CHECK(is_closed(&s, &first.ticket));
    scene_close(&s);
}

/* One address of rtp.bind is not here: the others' ports are made ready as fast as ever, and whether it
 * has come is looked at now and then. */
static void test_one_address_is_gone(void)
{
    struct scene s;
    scene_open(&s, 2, 64);
    for (unsigned turn = 0; turn < 4; turn++) {
        take_mail(&s);
        CHECK_INT(s.count, turn ? 3 : READY);
        for (unsigned i = 0; i < 3; i++) {
            CHECK(addr_equal_ip(&s.tickets[i].bound, &s.config.binds[0]));
            CHECK(stock_lend(s.stock, now, s.tickets[i].port, s.tickets[i].generation));
        }
        now = tick_add_ms(now, 1);
        stock_refill(s.stock, now);
    }
    CHECK(tick_diff_ms(stock_deadline(s.stock), now) <= 500);
    now = stock_deadline(s.stock);
    stock_refill(s.stock, now);
    CHECK(tick_before(now, stock_deadline(s.stock)));
    CHECK(tick_diff_ms(stock_deadline(s.stock), now) <= 500);
    scene_close(&s);
}

int main(void)
{
    RUN(test_a_ticket_of_a_closed_port);
    RUN(test_a_full_mailbox);
    RUN(test_one_address_is_gone);
    return tap_done();
}
