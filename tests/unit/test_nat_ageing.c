/* nat/ageing: what a stream's packets, theirs and ours, say of how soon a NAT forgets (RFC 4787 REQ-5, REQ-6). */
#include "nat/ageing.h"

#include "tap.h"

static struct ageing a;

static struct tick at(int64_t ms)
{
    return (struct tick){ms * NS_PER_MS};
}

/* 20 ms packets from one moment to before another, none missing; nothing is shown by these. */
static void flow(int64_t from_ms, int64_t to_ms)
{
    for (int64_t ms = from_ms; ms < to_ms; ms += 20)
        CHECK_INT(ageing_heard(&a, at(ms), 0), 0);
}

/* Our packets at 0 and 20 s; theirs from 0.1 s on, until the NAT has forgotten at 10 s. */
static void begin(void)
{
    a = AGEING_NEW;
    ageing_sent(&a, at(0));
    flow(100, 10000);
}

static void test_back_as_soon_as_we_sent(void)
{
    begin();
    ageing_sent(&a, at(15000)); /* one that was lost, */
    ageing_sent(&a, at(15600)); /* and one that was not */
    CHECK_INT(ageing_heard(&a, at(15640), 282), 9980);
    CHECK_INT(ageing_heard(&a, at(15660), 0), 0); /* told once */
    /* And again, where it happens again. */
    flow(15660, 25600);
    ageing_sent(&a, at(30600));
    CHECK_INT(ageing_heard(&a, at(30650), 252), 25580 - 15600);
}

/* What has lived through longer pauses of ours was not forgotten: their own network was away, or our NAT
 * restarted. */
static void test_lived_longer_before(void)
{
    a = AGEING_NEW;
    for (int64_t ms = 0; ms < 100000; ms += 20000) {
        ageing_sent(&a, at(ms));
        flow(ms + 20, ms + 20000);
    }
    ageing_sent(&a, at(100000));
    flow(100020, 118000);
    ageing_sent(&a, at(119500));
    CHECK_INT(ageing_moved(&a, at(119600), true), 0);
    CHECK_INT(ageing_heard(&a, at(119600), 80), 0);
    flow(119620, 139400);
    ageing_sent(&a, at(141000));
    CHECK_INT(ageing_heard(&a, at(141040), 80), 139380 - 119500);
}

static void test_silence_is_no_death(void)
{
    begin(); /* it said nothing: no number is missing */
    ageing_sent(&a, at(15000));
    CHECK_INT(ageing_heard(&a, at(15040), 0), 0);
    begin(); /* came back by itself: a network that was down */
    ageing_sent(&a, at(15000));
    CHECK_INT(ageing_heard(&a, at(16500), 325), 0);
    begin();
    CHECK_INT(ageing_heard(&a, at(16500), 325), 0);
    begin(); /* too short */
    ageing_sent(&a, at(10500));
    CHECK_INT(ageing_heard(&a, at(10540), 27), 0);
    a = AGEING_NEW; /* and nobody had sent, or heard */
    CHECK_INT(ageing_heard(&a, at(5000), 250), 0);
    a = AGEING_NEW;
    ageing_sent(&a, at(1000));
    CHECK_INT(ageing_heard(&a, at(5000), 250), 0);
}

/* So soon nothing forgets: it was another thing, a restart most likely. */
static void test_sooner_than_nats_forget(void)
{
    a = AGEING_NEW;
    ageing_sent(&a, at(0));
    flow(100, 9000);
    ageing_sent(&a, at(9000));
    flow(9020, 10000);
    ageing_sent(&a, at(15000));
    CHECK_INT(ageing_heard(&a, at(15040), 250), 0);
    begin();
    ageing_sent(&a, at(9000));
    flow(9020, 10000);
    CHECK_INT(ageing_moved(&a, at(15600), true), 0);
}

static void test_another_mapping(void)
{
    begin();
    CHECK_INT(ageing_moved(&a, at(10100), true), 0); /* it still flows, or did just now */
    CHECK_INT(ageing_moved(&a, at(15600), true), 9980);
    ageing_sent(&a, at(15000));
    ageing_sent(&a, at(15600));
    CHECK_INT(ageing_moved(&a, at(15650), true), 9980);
    a = AGEING_NEW;
    CHECK_INT(ageing_moved(&a, at(15650), true), 0);
    CHECK_INT(ageing_moved(&a, at(15650), false), 0);
}

/* What opens it again may have been sent to somebody else, and be all that we send. */
static void test_opened_by_another_packet(void)
{
    begin();
    ageing_asked(&a, at(15000));
    CHECK_INT(ageing_heard(&a, at(15040), 252), 9980);
    begin();
    ageing_asked(&a, at(9000)); /* what came in meanwhile came for the sake of ours */
    CHECK_INT(ageing_heard(&a, at(15040), 252), 0);
    a = AGEING_NEW;
    ageing_asked(&a, at(0));
    flow(100, 10000);
    ageing_asked(&a, at(20000));
    CHECK_INT(ageing_heard(&a, at(20040), 500), 9980);
    CHECK_INT(ageing_seconds(9980), 10);
    CHECK_INT(ageing_seconds(0), 0);
    CHECK_INT(ageing_seconds(INT64_MAX), UINT16_MAX);
}

/* On hold nothing comes: it was gone after the longest pause at most. */
static void test_on_hold(void)
{
    begin();
    ageing_sent(&a, at(18000));
    ageing_sent(&a, at(36000));
    ageing_sent(&a, at(53000));
    CHECK_INT(ageing_moved(&a, at(60000), false), 18000);
    CHECK_INT(ageing_moved(&a, at(73000), false), 20000);
    /* What was heard since has shown that it was there. */
    CHECK_INT(ageing_heard(&a, at(73500), 0), 0);
    ageing_sent(&a, at(74000));
    ageing_sent(&a, at(80000));
    CHECK_INT(ageing_moved(&a, at(81000), false), 21000);
    flow(81000, 81100);
    ageing_sent(&a, at(82000));
    ageing_sent(&a, at(91000));
    CHECK_INT(ageing_moved(&a, at(92000), false), 0); /* it has lived through 20 s */
    begin();
    ageing_sent(&a, at(10000));
    flow(10020, 10100);
    ageing_sent(&a, at(20500));
    CHECK_INT(ageing_moved(&a, at(21000), false), 10500);
}

int main(void)
{
    RUN(test_back_as_soon_as_we_sent);
    RUN(test_lived_longer_before);
    RUN(test_silence_is_no_death);
    RUN(test_sooner_than_nats_forget);
    RUN(test_another_mapping);
    RUN(test_opened_by_another_packet);
    RUN(test_on_hold);
    return tap_done();
}
