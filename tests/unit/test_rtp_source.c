/* The source rules, each line of rtp/source.h and of the field's stories played: NAT, hold,
 * restart, port re-use, injection, two senders. */
#include "rtp/source.h"
#include "tap.h"

static struct rtp_source s;
static struct rtp_source_verdict v;
static struct tick now;
static struct addr sdp, nat, other, attacker;

static void start(void)
{
    sdp = addr_v4(192, 0, 2, 10, 4000);
    nat = addr_v4(192, 0, 2, 10, 61000);   /* the same IP, another port */
    other = addr_v4(203, 0, 113, 7, 7000); /* another IP */
    attacker = addr_v4(198, 51, 100, 66, 6666);
    now = (struct tick){1000 * NS_PER_S};
    rtp_source_init(&s, &sdp);
    rtp_source_allow(&s, 0);
    rtp_source_allow(&s, 101);
}

static enum rtp_source_class send(const struct addr *from, uint32_t ssrc, unsigned seq)
{
    struct rtp_packet p = {.ssrc = ssrc, .seq = (uint16_t)seq, .timestamp = seq * 160};
    v = rtp_source_input(&s, from, &p, now);
    return v.class;
}

/* n packets, 20 ms apart; how many of them were accepted. */
static unsigned talk(const struct addr *from, uint32_t ssrc, unsigned seq, unsigned n)
{
    unsigned accepted = 0;
    for (unsigned i = 0; i < n; i++) {
        now = tick_add_ms(now, 20);
        enum rtp_source_class class = send(from, ssrc, seq + i);
        accepted += class == RTP_SOURCE_ACCEPT || class == RTP_SOURCE_EPOCH;
    }
    return accepted;
}

static void wait_ms(int64_t ms)
{
    now = tick_add_ms(now, ms);
}

static void test_signalled_at_once(void)
{
    start();
    CHECK_INT(send(&sdp, 1, 500), RTP_SOURCE_EPOCH);
    CHECK_INT(v.reason, RTP_SOURCE_FIRST);
    CHECK(v.moved);
    CHECK_INT(talk(&sdp, 1, 501, 50), 50);
    CHECK_INT(v.class, RTP_SOURCE_ACCEPT);
    CHECK(!v.moved);
    CHECK_INT(s.epochs, 1);
    CHECK_INT(s.accepted_packets, 51);
}

/* The SRC sits behind a NAT: its address is the SDP's IP with another port, or SIP's IP. */
static void test_trusted_ip_after_a_run(void)
{
    start();
    CHECK_INT(send(&nat, 1, 500), RTP_SOURCE_QUARANTINE);
    CHECK(v.new_rival);
    CHECK_INT(send(&nat, 1, 501), RTP_SOURCE_QUARANTINE);
    CHECK(!v.new_rival);
    CHECK_INT(send(&nat, 1, 502), RTP_SOURCE_QUARANTINE);
    CHECK_INT(send(&nat, 1, 503), RTP_SOURCE_EPOCH);
    CHECK_INT(v.reason, RTP_SOURCE_CORROBORATED);
    CHECK_INT(v.from_seq, 500); /* nothing of it is lost */
    CHECK(v.moved);
    start();
    rtp_source_trust(&s, &other);
    CHECK_INT(talk(&other, 1, 500, 3), 0);
    CHECK_INT(talk(&other, 1, 503, 10), 10);
}

/* The very port is known: whoever else sends from that IP waits a second for it, and the first packet
 * from the right one locks the stream at once. Should it never show, nothing is lost. */
static void test_an_exact_source(void)
{
    start();
    rtp_source_expect(&s, true);
    CHECK_INT(talk(&nat, 1, 500, 30), 0);
    CHECK_INT(send(&sdp, 2, 9), RTP_SOURCE_EPOCH);
    CHECK_INT(talk(&nat, 1, 530, 10), 0);
    start();
    rtp_source_expect(&s, true);
    CHECK_INT(talk(&nat, 1, 500, 50), 0);
    CHECK_INT(talk(&nat, 1, 550, 10), 10);
    CHECK_INT(v.class, RTP_SOURCE_ACCEPT);
    CHECK_INT(s.accepted.port, nat.port);
}

/* SDP without an address, and media from an IP that nobody named: uncontested for 2 s. */
static void test_any_ip_uncontested(void)
{
    start();
    rtp_source_init(&s, &(struct addr){.family = ADDR_V4});
    CHECK_INT(talk(&other, 1, 65500, 100), 0);
    CHECK_INT(talk(&other, 1, 65600, 1), 1);
    CHECK_INT(v.from_seq, 65500);
    start();
    unsigned accepted = 0;
    for (unsigned i = 0; i < 200; i++)
        accepted += talk(&other, 1, i, 1) + talk(&attacker, 2, i, 1);
    CHECK_INT(accepted, 0);                        /* two of them compete */
    CHECK_INT(send(&sdp, 3, 9), RTP_SOURCE_EPOCH); /* and the SDP's wins whenever it comes */
    CHECK_INT(send(&other, 1, 200), RTP_SOURCE_FOREIGN);
}

static void test_run_must_be_consecutive(void)
{
    start();
    for (unsigned i = 0; i < 60; i += 2)
        CHECK_INT(send(&nat, 1, i), RTP_SOURCE_QUARANTINE);
    start();
    for (unsigned i = 0; i < 60; i++)
        CHECK_INT(send(&nat, i, i), RTP_SOURCE_QUARANTINE); /* each its own SSRC */
    start();
    for (unsigned i = 0; i < 60; i++) {
        struct rtp_packet p = {.ssrc = 1, .seq = (uint16_t)i, .payload_type = 77};
        CHECK_INT(rtp_source_input(&s, &nat, &p, now).class, RTP_SOURCE_QUARANTINE);
    }
    CHECK_INT(s.quarantined, 60);
    /* Doubles and overtaken ones do not spoil it. */
    start();
    static const unsigned order[] = {1, 1, 2, 4, 3, 5, 5, 6};
    for (size_t i = 0; i < 8; i++)
        CHECK_INT(send(&nat, 1, order[i]), RTP_SOURCE_QUARANTINE);
    CHECK_INT(send(&nat, 1, 7), RTP_SOURCE_EPOCH);
}

/* RTPBleed turned round: whoever finds the port while the call goes on gets nowhere. */
static void test_second_sender_is_foreign(void)
{
    start();
    (void)talk(&sdp, 1, 0, 10);
    bool once = false;
    for (unsigned i = 0; i < 500; i++) {
        now = tick_add_ms(now, 10);
        CHECK_INT(send(&attacker, 2, 3000 + i), RTP_SOURCE_FOREIGN);
        CHECK_INT(v.reason, RTP_SOURCE_CONTENDED);
        CHECK_INT(v.new_rival, i == 0);
        once |= v.new_rival;
        now = tick_add_ms(now, 10);
        CHECK_INT(send(&sdp, 1, 10 + i), RTP_SOURCE_ACCEPT);
    }
    CHECK(once);
    CHECK_INT(s.foreign, 500);
    CHECK_INT(s.moves, 1);
    /* From the SRC's own IP neither, nor with the SRC's SSRC. */
    for (unsigned i = 0; i < 500; i++) {
        now = tick_add_ms(now, 20);
        CHECK_INT(send(&sdp, 1, 510 + i), RTP_SOURCE_ACCEPT);
        CHECK_INT(send(&nat, 9, 3000 + i), RTP_SOURCE_FOREIGN);
        CHECK_INT(send(&attacker, 1, 8000 + i), RTP_SOURCE_FOREIGN);
    }
    /* And a stranger's SSRC does not come in when the SRC falls silent. */
    wait_ms(10000);
    CHECK_INT(talk(&attacker, 2, 9000, 500), 0);
    CHECK_INT(v.class, RTP_SOURCE_FOREIGN);
}

/* The NAT gave the SRC another port: the same SSRC goes on, the old address is silent. */
static void test_moved_by_nat(void)
{
    start();
    (void)talk(&sdp, 1, 65520, 10);
    CHECK_INT(talk(&other, 1, 65530, 24), 0); /* 480 ms */
    CHECK_INT(v.class, RTP_SOURCE_QUARANTINE);
    CHECK_INT(talk(&other, 1, 65554, 10), 10);
    CHECK_INT(v.class, RTP_SOURCE_ACCEPT);
    CHECK_INT(s.moves, 2);
    CHECK_INT(s.epochs, 1);
    /* Not a continuation: numbers that have nothing to do with the old ones. */
    start();
    (void)talk(&sdp, 1, 100, 10);
    wait_ms(3000);
    CHECK_INT(talk(&attacker, 1, 40000, 300), 0);
    /* The address of SDP may come back at once, an overtaken packet of it moves nothing. */
    start();
    (void)talk(&sdp, 1, 100, 10);
    wait_ms(600);
    (void)talk(&nat, 1, 110, 20);
    CHECK(addr_equal(&s.accepted, &nat));
    CHECK_INT(send(&sdp, 1, 108), RTP_SOURCE_ACCEPT);
    CHECK(addr_equal(&s.accepted, &nat));
    CHECK_INT(send(&sdp, 1, 131), RTP_SOURCE_ACCEPT);
    CHECK(v.moved);
    CHECK_INT(v.reason, RTP_SOURCE_SIGNALLED);
}

/* The SRC restarted its media from another port of its own, without a word. */
static void test_taken_over_by_trusted(void)
{
    start();
    (void)talk(&sdp, 1, 0, 10);
    CHECK_INT(talk(&nat, 2, 0, 99), 0);
    CHECK_INT(talk(&nat, 2, 99, 10), 10);
    CHECK_INT(s.epochs, 2);
}

/* Two of them at once after the silence: neither. */
static void test_contested_takeover(void)
{
    start();
    struct addr second = addr_with_port(sdp, 62000);
    (void)talk(&sdp, 1, 0, 10);
    unsigned accepted = 0;
    for (unsigned i = 0; i < 200; i++)
        accepted += talk(&nat, 2, i, 1) + talk(&second, 3, i, 1);
    CHECK_INT(accepted, 0);
    CHECK_INT(v.class, RTP_SOURCE_QUARANTINE);
    CHECK(talk(&second, 3, 200, 100) > 0); /* until one gives up */
}

/* lessons A 26: a stray packet of another SSRC does not flip; a sustained one does; re-INVITE at
 * once. */
static void test_ssrc_change(void)
{
    start();
    (void)talk(&sdp, 1, 0, 10);
    CHECK_INT(send(&sdp, 2, 7000), RTP_SOURCE_QUARANTINE);
    CHECK_INT(talk(&sdp, 1, 10, 5), 5);
    CHECK_INT(talk(&sdp, 2, 7001, 3), 0);
    CHECK_INT(talk(&sdp, 1, 15, 1), 1); /* the old one goes on: the count begins anew */
    CHECK_INT(talk(&sdp, 2, 7004, 3), 0);
    CHECK_INT(send(&sdp, 1, 14), RTP_SOURCE_ACCEPT); /* overtaken: that is no going on */
    CHECK_INT(send(&sdp, 2, 7007), RTP_SOURCE_EPOCH);
    CHECK_INT(v.reason, RTP_SOURCE_SSRC_CHANGED);
    CHECK_INT(v.from_seq, 7004);
    CHECK(!v.moved);
    CHECK_INT(s.epochs, 2);
    CHECK_INT(talk(&sdp, 2, 7008, 5), 5);
    /* Two SSRCs side by side: the first stays, there is no flapping. */
    for (unsigned i = 0; i < 100; i++) {
        CHECK_INT(send(&sdp, 3, i), RTP_SOURCE_QUARANTINE);
        CHECK_INT(send(&sdp, 2, 7013 + i), RTP_SOURCE_ACCEPT);
    }
    rtp_source_renegotiate(&s, &sdp);
    CHECK_INT(send(&sdp, 4, 1), RTP_SOURCE_EPOCH);
    CHECK_INT(s.epochs, 3);
}

static void test_restart_with_stale_first(void)
{
    start();
    CHECK_INT(send(&sdp, 99, 5), RTP_SOURCE_EPOCH); /* a leftover nobody told of */
    CHECK_INT(talk(&sdp, 1, 0, 3), 0);
    CHECK_INT(talk(&sdp, 1, 3, 20), 20);
    CHECK_INT(s.epochs, 2);
    CHECK_INT(s.ssrc, 1);
}

/* The port's previous call: its late packets are somebody else's words. */
static void test_previous_call(void)
{
    start();
    rtp_source_stale(&s, 77);
    CHECK_INT(talk(&other, 77, 0, 300), 0);
    CHECK_INT(v.class, RTP_SOURCE_DROP);
    CHECK_INT(v.reason, RTP_SOURCE_PREVIOUS);
    CHECK_INT(send(&sdp, 77, 4000), RTP_SOURCE_QUARANTINE);
    CHECK_INT(send(&sdp, 1, 0), RTP_SOURCE_EPOCH);
    CHECK_INT(send(&sdp, 77, 4001), RTP_SOURCE_QUARANTINE);
    CHECK_INT(talk(&sdp, 1, 1, 10), 10);
    /* An SRC that uses one SSRC for all its calls is heard all the same. */
    start();
    rtp_source_stale(&s, 77);
    CHECK_INT(talk(&sdp, 77, 0, 3), 0);
    CHECK_INT(talk(&sdp, 77, 3, 20), 20);
    for (uint32_t i = 0; i < 10; i++)
        rtp_source_stale(&s, i);
    CHECK_INT(s.stale_count, RTP_SOURCE_STALE);
}

/* A re-INVITE names another address: it is believed at once, the old one until then. */
static void test_renegotiated_address(void)
{
    start();
    (void)talk(&sdp, 1, 0, 10);
    rtp_source_renegotiate(&s, &other);
    CHECK_INT(talk(&sdp, 1, 10, 3), 3);
    CHECK_INT(send(&other, 5, 100), RTP_SOURCE_EPOCH);
    CHECK(v.moved);
    CHECK_INT(v.reason, RTP_SOURCE_SIGNALLED);
    CHECK_INT(send(&sdp, 1, 13), RTP_SOURCE_FOREIGN);
    /* Hold, then resume from a port nobody named. */
    start();
    (void)talk(&sdp, 1, 0, 10);
    wait_ms(60000);
    rtp_source_renegotiate(&s, &sdp);
    CHECK_INT(talk(&attacker, 8, 0, 3), 0);
    CHECK_INT(talk(&sdp, 6, 0, 1), 1);
    start();
    (void)talk(&sdp, 1, 0, 10);
    wait_ms(60000);
    rtp_source_renegotiate(&s, &sdp);
    CHECK_INT(talk(&other, 8, 0, 3), 0);
    CHECK_INT(talk(&other, 8, 3, 10), 10);
}

static void test_silence_is_no_end(void)
{
    start();
    (void)talk(&sdp, 1, 0, 10);
    wait_ms(3600000); /* lessons A 24: hold without a word */
    CHECK_INT(talk(&sdp, 1, 10, 10), 10);
    CHECK_INT(s.epochs, 1);
    CHECK_INT(s.moves, 1);
}

static void test_bad_addresses(void)
{
    start();
    struct addr bad[] = {addr_v4(192, 0, 2, 10, 0), addr_v4(224, 0, 0, 1, 4000),
                         addr_v4(0, 0, 0, 0, 4000), addr_v4(255, 255, 255, 255, 4000)};
    for (size_t i = 0; i < 4; i++) {
        CHECK_INT(send(&bad[i], 1, 0), RTP_SOURCE_DROP);
        CHECK_INT(v.reason, RTP_SOURCE_BAD_ADDRESS);
    }
    CHECK_INT(s.dropped, 4);
}

static void test_rtcp(void)
{
    start();
    struct addr sdp_rtcp = addr_with_port(sdp, 4001);
    CHECK_INT(rtp_source_rtcp(&s, &sdp_rtcp, 1), RTP_SOURCE_ACCEPT);
    CHECK_INT(rtp_source_rtcp(&s, &attacker, 1), RTP_SOURCE_FOREIGN);
    rtp_source_stale(&s, 77);
    CHECK_INT(rtp_source_rtcp(&s, &sdp_rtcp, 77), RTP_SOURCE_DROP);
}

/* Thousands of senders leave no trace but a count. */
static void test_flood(void)
{
    start();
    (void)talk(&sdp, 1, 0, 10);
    for (unsigned i = 0; i < 20000; i++) {
        struct addr from =
            addr_v4(198, 51, (uint8_t)(100 + i / 65536), (uint8_t)(i >> 8), (uint16_t)(1 + i));
        CHECK_INT(send(&from, i + 5, i), RTP_SOURCE_FOREIGN);
    }
    CHECK_INT(send(&sdp, 1, 10), RTP_SOURCE_ACCEPT);
    CHECK(sizeof s < 1024);
}

static void test_names(void)
{
    for (int r = RTP_SOURCE_KNOWN; r <= RTP_SOURCE_BAD_ADDRESS; r++)
        CHECK(rtp_source_reason_name((enum rtp_source_reason)r) != NULL);
}

int main(void)
{
    RUN(test_signalled_at_once);
    RUN(test_trusted_ip_after_a_run);
    RUN(test_an_exact_source);
    RUN(test_any_ip_uncontested);
    RUN(test_run_must_be_consecutive);
    RUN(test_second_sender_is_foreign);
    RUN(test_moved_by_nat);
    RUN(test_taken_over_by_trusted);
    RUN(test_contested_takeover);
    RUN(test_ssrc_change);
    RUN(test_restart_with_stale_first);
    RUN(test_previous_call);
    RUN(test_renegotiated_address);
    RUN(test_silence_is_no_end);
    RUN(test_bad_addresses);
    RUN(test_rtcp);
    RUN(test_flood);
    RUN(test_names);
    return tap_done();
}
