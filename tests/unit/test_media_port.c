/* Media ports' addresses outside, kept by STUN: what is sent when, what is believed, what is told. A
 * STUN server of a few lines answers here; its messages are RFC 8489's, byte by byte. */
#include "media/port.h"

#include "media/media.h"
#include "tap.h"

enum { PORTS = 64 };

static struct media_ports *ports;
static struct tick now;
static const struct addr server = {.family = ADDR_V4, .ip = {192, 0, 2, 53}, .port = 3478};
static const struct addr second = {.family = ADDR_V4, .ip = {192, 0, 2, 54}, .port = 3478};

/* What left since begin(), newest last. */
static struct {
    struct tick at;
    uint32_t socket;
    struct addr to;
    uint8_t bytes[64];
    size_t len;
} sent[4096];
static size_t sent_count;
static struct media_port_news news[512];
static size_t news_count;
static uint16_t shift;   /* outside port = bound port + shift */
static bool deaf[2];     /* the servers */
static uint32_t mute_at; /* sockets from here on get no answer: the NAT has no mapping left */

static struct addr bound_of(uint32_t socket)
{
    return addr_v4(10, 0, 0, 1, (uint16_t)(20000 + socket));
}

static void answer(size_t i, const struct addr *from, const struct addr *seen, bool good)
{
    uint8_t b[32] = {good ? 0x01 : 0x01, good ? 0x01 : 0x11, 0, 12};
    memcpy(b + 4, sent[i].bytes + 4, 16);
    b[21] = 0x20; /* XOR-MAPPED-ADDRESS, 8 bytes, IPv4 */
    b[23] = 8;
    b[25] = 1;
    b[26] = (uint8_t)((seen->port >> 8) ^ 0x21);
    b[27] = (uint8_t)(seen->port ^ 0x12);
    static const uint8_t cookie[4] = {0x21, 0x12, 0xa4, 0x42};
    for (int k = 0; k < 4; k++)
        b[28 + k] = seen->ip[k] ^ cookie[k];
    struct datagram d = {.socket = sent[i].socket, .from = *from, .bytes = view_of(b, sizeof b)};
    (void)media_port_input(ports, now, &d);
}

static struct addr outside(uint32_t socket)
{
    return addr_v4(198, 51, 100, 7, (uint16_t)(20000 + socket + shift));
}

/* `ms` go by in steps of 5; who is not deaf answers at once. */
static void run(int64_t ms)
{
    struct tick end = tick_add_ms(now, ms);
    for (; tick_before(now, end); now = tick_add_ms(now, 5)) {
        struct media_port_packet p;
        if (tick_due(media_port_deadline(ports), now))
            media_port_expire(ports, now);
        while (media_port_output(ports, now, &p)) {
            size_t i = sent_count++;
            sent[i].at = now;
            sent[i].socket = p.socket;
            sent[i].to = p.to;
            sent[i].len = p.bytes.len;
            memcpy(sent[i].bytes, p.bytes.at, p.bytes.len);
            bool first = addr_equal(&p.to, &server);
            struct addr seen = outside(p.socket);
            if (!deaf[first ? 0 : 1] && p.socket < mute_at)
                answer(i, &p.to, &seen, true);
        }
        while (news_count < 512 && media_port_news(ports, &news[news_count]))
            news_count++;
    }
}

static struct media_network network = {
    .keep_mappings = true,
    .servers = {{{.family = ADDR_V4, .ip = {192, 0, 2, 53}, .port = 3478},
                 {.family = ADDR_V4, .ip = {192, 0, 2, 54}, .port = 3478}}}};

static void begin(uint32_t count)
{
    struct media_ports_options options = {.ports = PORTS, .workers = 1};
    ports = media_port_create(&options);
    now = (struct tick){NS_PER_S};
    sent_count = news_count = 0;
    shift = 1000;
    deaf[0] = deaf[1] = false;
    mute_at = UINT32_MAX;
    media_port_know(ports, now, &network);
    for (uint32_t i = 0; i < count; i++) {
        struct addr bound[2] = {bound_of(2 * i), bound_of(2 * i + 1)};
        media_port_add(ports, now, i, 100 + i, bound);
    }
}

static void end(void)
{
    media_port_destroy(ports);
}

static size_t sent_by(uint32_t socket)
{
    size_t count = 0;
    for (size_t i = 0; i < sent_count; i++)
        count += sent[i].socket == socket;
    return count;
}

/* Most within any second. */
static size_t busiest_second(void)
{
    size_t most = 0;
    for (size_t i = 0; i < sent_count; i++) {
        size_t count = 0;
        for (size_t j = i; j < sent_count && tick_diff_ms(sent[j].at, sent[i].at) < 1000; j++)
            count++;
        most = count > most ? count : most;
    }
    return most;
}

static const struct media_port_news *last_of(uint32_t port)
{
    for (size_t i = news_count; i > 0; i--) {
        if (news[i - 1].port == port)
            return &news[i - 1];
    }
    return NULL;
}

static void test_both_sockets_are_learned(void)
{
    begin(1);
    run(1000);
    CHECK_INT(sent_count, 2);
    CHECK_INT(sent[0].len, 20);
    CHECK(memcmp(sent[0].bytes, "\0\1\0\0\x21\x12\xa4\x42", 8) == 0);
    CHECK(addr_equal(&sent[0].to, &server));
    const struct media_port_news *n = last_of(0);
    if (!CHECK(n != NULL))
        return;
    struct addr want[2] = {outside(0), outside(1)};
    CHECK_INT(n->generation, 100);
    CHECK(addr_equal(&n->seen[0], &want[0]) && addr_equal(&n->seen[1], &want[1]));
    CHECK(!n->lent && !n->changed);
    CHECK_INT(tick_diff_ms(n->seen_at, (struct tick){NS_PER_S}), 0);
    CHECK_INT(media_port_status(ports, now).seen, 2);
    end();
}

/* Looked at again before 25 s are over, and no oftener than it takes. */
static void test_it_is_kept(void)
{
    begin(1);
    run(100000);
    CHECK(sent_by(0) >= 4 && sent_by(0) <= 6);
    for (size_t i = 2; i < sent_count; i++) {
        if (sent[i].socket == 0)
            CHECK(tick_diff_ms(sent[i].at, sent[i - 2].at) <= 25100);
    }
    end();
    /* Half of what a mapping lives. */
    network.behaviour[0].lifetime_s = 20;
    begin(1);
    run(100000);
    CHECK(sent_by(0) >= 10 && sent_by(0) <= 14);
    network.behaviour[0].lifetime_s = 0;
    end();
    /* Gone when tests first looked: shorter than that. Known only now, and what rests does not rest on. */
    begin(1);
    run(3000);
    network.behaviour[0].lifetime_most_s = 15;
    media_port_know(ports, now, &network);
    size_t before = sent_by(0);
    run(5100);
    CHECK_INT(sent_by(0), before + 1);
    run(50000);
    CHECK(sent_by(0) >= before + 10 && sent_by(0) <= before + 15);
    network.behaviour[0].lifetime_most_s = 0;
    end();
}

/* Ports that stand ready show themselves that their mappings do not last from one look to the next: found elsewhere
 * twice in a row. A NAT that restarts moves them once. */
static void test_mappings_that_do_not_last(void)
{
    begin(2);
    run(2000);
    shift++;
    run(60000);
    CHECK(sent_by(0) <= 6);
    struct tick until = tick_add_ms(now, 60000);
    while (tick_before(now, until)) {
        size_t before = sent_by(0);
        while (sent_by(0) == before)
            run(100);
        shift++;
    }
    size_t before = sent_by(0);
    run(50000);
    CHECK(sent_by(0) >= before + 9 && sent_by(0) <= before + 13); /* 5 s at the least */
    CHECK_INT(media_port_bearable(ports, now), 20);
    /* Another network: nothing is known of it. */
    network.change[0]++;
    media_port_know(ports, now, &network);
    run(30000);
    before = sent_by(0);
    run(100000);
    CHECK(sent_by(0) <= before + 6);
    end();
}

static void test_an_open_host_sends_nothing(void)
{
    network.keep_mappings = false;
    begin(8);
    media_port_ask(ports, now, 3);
    run(60000);
    CHECK_INT(sent_count, 0);
    CHECK_INT(media_port_bearable(ports, now), UINT32_MAX);
    /* It moves behind a NAT. */
    network.keep_mappings = true;
    media_port_know(ports, now, &network);
    run(5000);
    CHECK_INT(sent_count, 16);
    /* And out again: what was seen is no longer so. */
    network.keep_mappings = false;
    media_port_know(ports, now, &network);
    run(60000);
    CHECK_INT(sent_count, 16);
    CHECK(!addr_is_set(&last_of(3)->seen[0]));
    network.keep_mappings = true;
    end();
}

/* However many stand ready, however silent the servers. */
static void test_ten_requests_a_second(void)
{
    begin(PORTS);
    run(60000);
    CHECK(busiest_second() <= 10);
    CHECK(sent_count > 200);
    end();
    begin(PORTS);
    deaf[0] = deaf[1] = true;
    run(60000);
    CHECK(busiest_second() <= 10);
    CHECK(media_port_status(ports, now).failures > 0);
    end();
}

static void test_the_next_server_is_asked(void)
{
    begin(1);
    deaf[0] = true;
    run(4000);
    CHECK(addr_equal(&sent[sent_count - 1].to, &second));
    CHECK(addr_is_set(&last_of(0)->seen[0]));
    /* 0 and 500 ms, then at 1500 ms the other. */
    CHECK_INT(sent_by(0), 3);
    end();
}

/* The first calls come soon after the start: their ports are looked at at once, and still no second sees more than ten. */
static void test_the_first_are_not_kept_waiting(void)
{
    begin(4);
    run(5);
    CHECK_INT(sent_count, 8);
    CHECK_INT(news_count, 4); /* of both sockets of a port at once */
    end();
    begin(32);
    run(5);
    CHECK_INT(sent_count, 10);
    run(20000);
    CHECK_INT(busiest_second(), 10);
    end();
}

/* From elsewhere, of another transaction, with an address that cannot be: not believed. */
static void test_who_lies_is_not_believed(void)
{
    static const struct addr lies[] = {
        {.family = ADDR_V4, .ip = {0}, .port = 9},
        {.family = ADDR_V4, .ip = {127, 0, 0, 1}, .port = 9},
        {.family = ADDR_V4, .ip = {224, 0, 0, 1}, .port = 9},
        {.family = ADDR_V4, .ip = {198, 51, 100, 7}, .port = 0},
    };
    struct addr good = addr_v4(198, 51, 100, 9, 4444), stranger = addr_v4(203, 0, 113, 66, 3478);
    begin(1);
    deaf[0] = deaf[1] = true;
    run(100);
    answer(0, &stranger, &good, true);
    sent[0].bytes[12] ^= 1;
    answer(0, &server, &good, true);
    run(5);
    CHECK_INT(news_count, 0);
    CHECK_INT(media_port_status(ports, now).strays, 1);
    end();
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        begin(1);
        deaf[0] = deaf[1] = true;
        run(100);
        answer(0, &server, &lies[i], true);
        run(300);
        CHECK_INT(news_count, 0);
        CHECK(addr_equal(&sent[sent_count - 1].to, &second)); /* somebody else is asked at once */
        end();
    }
    begin(1);
    deaf[0] = deaf[1] = true;
    run(100);
    answer(0, &server, &good, false); /* an error response */
    run(300);
    CHECK_INT(news_count, 0);
    /* Late: the transaction is over. */
    run(4000);
    answer(0, &server, &good, true);
    run(5);
    CHECK_INT(news_count, 0);
    end();
}

/* Idle: told at once. Lent: a call moves for it, so it has to be seen twice. */
static void test_a_mapping_changes(void)
{
    begin(2);
    run(1000);
    media_port_lend(ports, now, 1, true);
    news_count = 0;
    shift = 2000;
    media_port_ask(ports, now, 1);
    run(1000);
    const struct media_port_news *n = last_of(1);
    if (!CHECK(n != NULL))
        return;
    CHECK(n->lent && n->changed && n->asked);
    CHECK_INT(n->seen[0].port, outside(2).port);
    CHECK_INT(sent_by(2), 3);
    run(26000);
    bool told = false;
    for (size_t i = 0; i < news_count; i++)
        told = told || (news[i].port == 0 && news[i].changed && !news[i].lent &&
                        news[i].seen[0].port == outside(0).port);
    CHECK(told);
    /* A single wrong answer moves nothing. */
    news_count = 0;
    deaf[0] = deaf[1] = true;
    size_t at = sent_count;
    media_port_ask(ports, now, 1);
    run(50);
    struct addr wrong = addr_v4(198, 51, 100, 7, 1);
    for (; at < sent_count; at++)
        answer(at, &sent[at].to, &wrong, true);
    deaf[0] = deaf[1] = false;
    run(1000);
    n = last_of(1);
    CHECK(n && n->asked && !n->changed);
    CHECK_INT(n->seen[0].port, outside(2).port);
    end();
}

/* Our address is another one: all is asked anew, and what was known is taken back first. */
static void test_the_network_changes(void)
{
    begin(3);
    run(2000);
    media_port_lend(ports, now, 2, false);
    news_count = 0;
    size_t before = sent_count;
    network.change[0]++;
    shift = 3000;
    media_port_know(ports, now, &network);
    while (media_port_news(ports, &news[news_count]))
        news_count++;
    CHECK_INT(news_count, 2);
    CHECK(!addr_is_set(&news[0].seen[0]) && !addr_is_set(&news[0].seen[1]) && news[0].changed);
    run(3000);
    CHECK_INT(last_of(0)->seen[0].port, outside(0).port);
    CHECK_INT(last_of(2)->seen[0].port, outside(4).port);
    CHECK(last_of(2)->changed);
    CHECK_INT(sent_count - before, 2 * 2 + 2); /* the lent one's second socket is not wanted */
    end();
}

/* One lent port's mapping moved: whether the others' did is asked within the second, both of a pair are
 * told together. */
static void test_all_are_doubted(void)
{
    begin(12);
    run(5000);
    for (uint32_t i = 0; i < 12; i++)
        media_port_lend(ports, now, i, true);
    run(3000);
    news_count = 0;
    shift = 4000;
    media_port_ask(ports, now, 7);
    run(1000);
    for (uint32_t i = 0; i < 12; i++) {
        const struct media_port_news *n = last_of(i);
        CHECK(n && n->changed && n->seen[0].port == outside(2 * i).port &&
              n->seen[1].port == outside(2 * i + 1).port);
    }
    CHECK_INT(news_count, 12);
    end();
}

/* The gateway maps a port no more: STUN may have seen its mapping, and is asked at once. */
static void test_a_mapping_ends(void)
{
    begin(3);
    run(5000);
    media_port_lend(ports, now, 2, true);
    run(3000);
    news_count = 0;
    shift = 5000;
    network.unmapped++;
    media_port_know(ports, now, &network);
    run(1000);
    for (uint32_t i = 0; i < 3; i++) {
        const struct media_port_news *n = last_of(i);
        CHECK(n && n->changed && n->seen[0].port == outside(2 * i).port);
    }
    end();
}

/* A lent port is asked about at once, whatever the stock is busy with. */
static void test_streams_come_first(void)
{
    begin(PORTS);
    run(500);
    media_port_lend(ports, now, 60, true);
    size_t before = sent_count;
    media_port_ask(ports, now, 60);
    run(50);
    CHECK(sent_count >= before + 2);
    CHECK_INT(sent_by(120), 1);
    CHECK_INT(sent_by(121), 1);
    end();
}

/* Nobody answered, for as long as one looks for an answer: what stands ready is asked about again soon, and less and less
 * often where it is of no use. */
static void test_a_loss_is_not_kept(void)
{
    begin(4);
    deaf[0] = deaf[1] = true;
    run(3500); /* 0, 500 ms; 1500, 2000 ms; given up at 3000 ms */
    deaf[0] = deaf[1] = false;
    run(1000);
    CHECK_INT(media_port_status(ports, now).seen, 8);
    end();
    begin(1);
    deaf[0] = deaf[1] = true;
    run(60000);
    CHECK(sent_by(0) >= 20 && sent_by(0) <= 32); /* after 1, 2, 4, 8, 16 s */
    end();
}

/* One socket's packets were lost while the others' were not: that alone is no NAT without room. */
static void test_one_silence_is_no_full_nat(void)
{
    begin(4);
    mute_at = 7;
    run(3100);
    mute_at = UINT32_MAX;
    run(1000);
    CHECK_INT(media_port_bearable(ports, now), 100);
    CHECK(addr_is_set(&last_of(3)->seen[1]));
    end();
}

/* The NAT has so many mappings and no more: then no more ports need stand ready. */
static void test_what_the_nat_bears(void)
{
    begin(40);
    mute_at = 24;
    run(30000);
    CHECK_INT(media_port_bearable(ports, now), 12);
    end();
    begin(4);
    run(3000);
    /* 20 s apart at the least, two sockets each, ten a second. */
    CHECK_INT(media_port_bearable(ports, now), 100);
    end();
}

static void test_a_port_that_closes(void)
{
    begin(2);
    run(20);
    media_port_remove(ports, 0);
    media_port_remove(ports, 0);
    size_t before = sent_by(0);
    run(60000);
    CHECK_INT(sent_by(0), before);
    CHECK(last_of(0) == NULL || last_of(0)->generation == 100);
    struct addr bound[2] = {bound_of(0), bound_of(1)};
    media_port_add(ports, now, 0, 200, bound);
    run(1000);
    CHECK_INT(last_of(0)->generation, 200);
    media_port_remove(ports, 0);
    media_port_remove(ports, 1);
    CHECK(tick_is_never(media_port_deadline(ports)));
    CHECK(!media_port_awaits(ports));
    end();
}

/* Who waits for an answer looks soon; that a stream's mapping is what it was may be heard late. */
static void test_whose_answer_is_awaited(void)
{
    begin(1);
    deaf[0] = deaf[1] = true;
    run(20);
    CHECK(media_port_awaits(ports)); /* the stock wants its address */
    end();
    begin(1);
    run(1000);
    CHECK(!media_port_awaits(ports));
    media_port_lend(ports, now, 0, false);
    deaf[0] = deaf[1] = true;
    size_t before = sent_count;
    for (int i = 0; i < 300 && sent_count == before; i++)
        run(100);
    if (!CHECK(sent_count > before))
        return;
    CHECK(!media_port_awaits(ports)); /* as every 25 s */
    struct addr other = addr_with_port(outside(0), 7);
    answer(before, &server, &other, true);
    run(100);
    CHECK(media_port_awaits(ports)); /* another one, once: again */
    deaf[0] = false;
    run(5000);
    CHECK(!media_port_awaits(ports));
    deaf[0] = true;
    media_port_ask(ports, now, 0);
    run(20);
    CHECK(media_port_awaits(ports));
    end();
}

int main(void)
{
    RUN(test_whose_answer_is_awaited);
    RUN(test_the_first_are_not_kept_waiting);
    RUN(test_a_loss_is_not_kept);
    RUN(test_one_silence_is_no_full_nat);
    RUN(test_both_sockets_are_learned);
    RUN(test_it_is_kept);
    RUN(test_mappings_that_do_not_last);
    RUN(test_an_open_host_sends_nothing);
    RUN(test_ten_requests_a_second);
    RUN(test_the_next_server_is_asked);
    RUN(test_who_lies_is_not_believed);
    RUN(test_a_mapping_changes);
    RUN(test_the_network_changes);
    RUN(test_all_are_doubted);
    RUN(test_a_mapping_ends);
    RUN(test_streams_come_first);
    RUN(test_what_the_nat_bears);
    RUN(test_a_port_that_closes);
    return tap_done();
}
