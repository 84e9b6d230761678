/* nat/way: a stream's way in against the times of doc/nat.md 8 and 9, the limits that operators are
 * promised, and what follows from what comes. Integer time: the clock jumps to each deadline. */
#include "nat/way.h"

#include "tap.h"

enum { LOG = 512 };

/* Everything that the way asked for, in order. */
struct line {
    int64_t ms;
    bool is_packet;
    struct way_packet packet;
    struct way_event event;
};
static struct way w;
static struct rng rng;
static struct line lines[LOG];
static size_t count;
static int64_t clock_ms;

static const struct addr src = {ADDR_V4, {192, 0, 2, 10}, 20000, 0};
static const struct addr farm = {ADDR_V4, {192, 0, 2, 77}, 20000, 0};
static const struct addr outside = {ADDR_V4, {203, 0, 113, 20}, 40000, 0};

static struct tick now(void)
{
    return (struct tick){clock_ms * NS_PER_MS};
}

static void drain(void)
{
    struct line *l = &lines[count];
    while (count < LOG && way_output(&w, &l->packet)) {
        l->ms = clock_ms;
        l->is_packet = true;
        l = &lines[++count];
    }
    while (count < LOG && way_event(&w, &l->event)) {
        CHECK_INT(l->event.at.ns, now().ns);
        l->ms = clock_ms;
        l->is_packet = false;
        l = &lines[++count];
    }
    CHECK(count < LOG);
}

static void run_until(int64_t ms)
{
    for (int turns = 0; turns < 10000; turns++) {
        struct tick next = way_deadline(&w);
        if (tick_is_never(next) || next.ns > ms * NS_PER_MS)
            break;
        CHECK(next.ns >= now().ns);
        clock_ms = next.ns / NS_PER_MS;
        way_expire(&w, now(), &rng);
        CHECK(way_deadline(&w).ns > now().ns); /* no busy loop */
        drain();
    }
    clock_ms = ms;
}

static void begin(const struct way_facts *facts)
{
    clock_ms = 1000;
    count = 0;
    way_start(&w, now(), facts);
    way_expire(&w, now(), &rng);
    drain();
}

static void hear(struct addr from, bool relayed)
{
    const struct way_packet_seen seen = {.from = from, .relayed = relayed};
    way_hear(&w, now(), &seen);
    drain();
}

/* 20 ms packets for so long. */
static void flow(struct addr from, bool relayed, int64_t for_ms)
{
    for (int64_t end = clock_ms + for_ms; clock_ms < end;) {
        hear(from, relayed);
        run_until(clock_ms + 20);
    }
}

static int packets(const struct addr *to, bool relayed, int64_t from_ms, int64_t to_ms)
{
    int n = 0;
    for (size_t i = 0; i < count; i++)
        n += lines[i].is_packet && lines[i].packet.relayed == relayed &&
             (!to || addr_equal(&lines[i].packet.to, to)) && lines[i].ms >= from_ms &&
             lines[i].ms <= to_ms;
    return n;
}

/* The first event of a kind from a moment on; NULL. */
static const struct line *event(enum way_event_kind kind, int64_t from_ms)
{
    for (size_t i = 0; i < count; i++) {
        if (!lines[i].is_packet && lines[i].event.kind == kind && lines[i].ms >= from_ms)
            return &lines[i];
    }
    return NULL;
}

static const struct line *told(enum verdict_event verdict, int64_t from_ms)
{
    for (size_t i = 0; i < count; i++) {
        if (!lines[i].is_packet && lines[i].event.kind == WAY_TELL &&
            lines[i].event.verdict == verdict && lines[i].ms >= from_ms)
            return &lines[i];
    }
    return NULL;
}

static struct way_facts stun_path(void)
{
    return (struct way_facts){
        .choice = {.code = PATH_STUN,
                   .known = PATH_KNOWN_EXACTLY,
                   .punches = true,
                   .to_port = true,
                   .probes_back = true,
                   .relay_stands_by = true},
        .behaviour = {.mapping = NAT_MAPPING_INDEPENDENT,
                      .filtering = NAT_FILTERING_ADDRESS_PORT,
                      .lifetime_s = 30},
        .offered = src,
        .mapped = outside,
        .target_count = 1,
        .targets = {src},
        .listed = true,
        .may_reinvite = true,
    };
}

static struct way_facts relay_path(void)
{
    struct way_facts facts = stun_path();
    facts.choice = (struct path_choice){.code = PATH_RELAY,
                                        .known = PATH_KNOWN_IP,
                                        .permits = true,
                                        .latches = true,
                                        .probes_back = true,
                                        .may_migrate = true};
    facts.relay = true;
    return facts;
}

static void test_punches_then_keeps(void)
{
    static const int64_t want[] = {0, 10, 200, 500, 1000, 2000, 4000}; /* the first twice */
    struct way_facts facts = stun_path();
    begin(&facts);
    run_until(6000);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        CHECK_INT(packets(&src, false, 1000 + want[i], 1000 + want[i]), 1);
    CHECK_INT(packets(NULL, false, 0, 100000), 7);
    CHECK(told(VERDICT_PUNCHED, 0) != NULL);
    /* RTP: the very tuple, every 8 to 10 s (a third of 30). */
    flow(src, false, 60000);
    int kept = packets(&src, false, 6001, 66000);
    CHECK(kept >= 6 && kept <= 8);
    CHECK(event(WAY_WANT_PATH, 0) == NULL && event(WAY_UNREACHABLE, 0) == NULL);
    way_hold(&w, now()); /* it goes on without RTP */
    run_until(166000);
    kept = packets(&src, false, 66001, 165999);
    CHECK(kept >= 10 && kept <= 13);
    CHECK(event(WAY_WANT_PATH, 0) == NULL && told(VERDICT_SILENT, 0) == NULL);
    way_resume(&w, now()); /* as new: fast again */
    run_until(167100);
    CHECK_INT(packets(&src, false, 166000, 167100), 4);
    hear(src, false);
    way_end(&w);
    run_until(1000000);
    CHECK_INT(packets(NULL, false, 167101, 1000000), 0);
    CHECK(tick_is_never(way_deadline(&w)));
}

static void test_budgets(void)
{
    struct way_facts facts = stun_path();
    facts.target_count = WAY_TARGETS;
    for (unsigned i = 1; i < WAY_TARGETS; i++)
        facts.targets[i] = addr_v4(192, 0, 2, (uint8_t)(100 + i), 20000);
    begin(&facts);
    run_until(1000000);
    CHECK_INT(packets(NULL, false, 0, 1000000), KEEPALIVE_LIMIT_LISTED);
    for (unsigned i = 0; i < WAY_TARGETS; i++) { /* one may be lost */
        CHECK_INT(packets(&facts.targets[i], false, 0, 1000), 1);
        CHECK_INT(packets(&facts.targets[i], false, 0, 1300), 2);
    }
    CHECK(packets(&src, false, 1301, 1000000) >= 4); /* the likeliest does not starve, */
    CHECK(packets(&src, false, 9000, 1000000) >= 1); /* nor is all of it spent at once */
    facts.listed = false;
    facts.target_count = 2;
    begin(&facts);
    run_until(1000000);
    CHECK_INT(packets(NULL, false, 0, 1000000), KEEPALIVE_LIMIT_UNLISTED);
    CHECK_INT(packets(&facts.targets[1], false, 0, 1000000), 1);
    begin(&facts);
    run_until(1300);
    way_confirm(&w, now()); /* whoever answers is there */
    run_until(1000000);
    CHECK_INT(packets(NULL, false, 0, 1000000), KEEPALIVE_LIMIT_LISTED);
    facts.targets[1].port = 0; /* for permissions only */
    begin(&facts);
    run_until(100000);
    CHECK_INT(packets(&facts.targets[1], false, 0, 100000), 0);
}

/* doc/nat.md 9, after the ACK. */
static void test_the_ladder(void)
{
    struct way_facts facts = stun_path();
    facts.relay = true;
    begin(&facts);
    CHECK(event(WAY_PERMIT, 0) != NULL); /* it stands by, with permissions */
    way_permitted(&w, now(), &src, true);
    drain();
    CHECK_INT(packets(NULL, true, 0, 100000), 0); /* but nothing goes there yet */
    run_until(1100);
    way_confirm(&w, now());
    run_until(10000);
    CHECK_INT(packets(&src, false, 1500, 1500) >= 1, 1);
    CHECK(event(WAY_PERMIT, 2100) != NULL && event(WAY_PERMIT, 2100)->ms == 2100);
    CHECK_INT(packets(&src, true, 2100, 2100), 1);
    const struct line *want = event(WAY_WANT_PATH, 0);
    if (!CHECK(want != NULL))
        return;
    CHECK_INT(want->ms, 3100);
    CHECK_INT(want->event.reason, WAY_NOTHING_CAME);
    CHECK_INT(want->event.tried, 1u << PATH_STUN);
    CHECK(event(WAY_WANT_PATH, 3101) == NULL); /* waits for its answer */
    /* The relay, in vain; then there is nothing more. */
    facts = relay_path();
    count = 0;
    way_change(&w, now(), &facts);
    drain();
    CHECK(told(VERDICT_RETRIED, 0) != NULL);
    way_confirm(&w, now());
    run_until(20000);
    want = event(WAY_WANT_PATH, 0);
    CHECK(want && want->ms == 12000);
    CHECK(want && want->event.tried == (1u << PATH_STUN | 1u << PATH_RELAY));
    way_stay(&w, now());
    run_until(20001);
    CHECK(event(WAY_UNREACHABLE, 0) != NULL && told(VERDICT_SILENT, 0) != NULL);
    /* It came after all. */
    hear(src, true);
    CHECK(event(WAY_BIND, 20001) != NULL);
    count = 0;
    flow(src, true, 3000);
    CHECK(event(WAY_WANT_PATH, 0) == NULL);
}

static void test_one_that_takes_no_reinvite(void)
{
    struct way_facts facts = stun_path();
    facts.may_reinvite = false;
    begin(&facts);
    way_confirm(&w, now());
    run_until(100000);
    CHECK(event(WAY_WANT_PATH, 0) == NULL);
    CHECK(event(WAY_UNREACHABLE, 0) != NULL && event(WAY_UNREACHABLE, 0)->ms == 3000);
}

static void test_relayed(void)
{
    struct way_facts facts = relay_path();
    facts.may_reinvite = false;
    facts.target_count = 2;
    facts.targets[1] = farm;
    begin(&facts);
    CHECK(event(WAY_PERMIT, 0) != NULL);
    CHECK_INT(packets(NULL, true, 0, 1000), 0);     /* nobody is let through yet */
    CHECK_INT(packets(&src, false, 1000, 1000), 1); /* it may follow us (RL) */
    run_until(1050);
    way_permitted(&w, now(), &src, true);
    drain();
    CHECK_INT(packets(&src, true, 1050, 1050), 1);
    CHECK(told(VERDICT_PERMITTED, 1050) != NULL);
    way_permitted(&w, now(), &farm, false);
    drain();
    CHECK(told(VERDICT_DENIED, 1050) != NULL && event(WAY_WANT_PATH, 0) == NULL);
    CHECK_INT(packets(&farm, true, 0, 1050), 0);
    const struct addr seen = addr_v4(192, 0, 2, 10, 61000);
    hear(seen, true);
    CHECK(event(WAY_BIND, 0) && addr_equal(&event(WAY_BIND, 0)->event.peer, &seen));
    CHECK(told(VERDICT_LATCHED, 0) != NULL);
    /* Through the relay to whom it hears, and raw to whom it may have follow. */
    count = 0;
    flow(seen, true, 12000);
    CHECK(packets(&seen, true, 0, 1000000) >= 1 && packets(&src, false, 0, 1000000) >= 1);
    CHECK(event(WAY_BIND, 0) == NULL);
    /* It follows. */
    hear(seen, false);
    CHECK(told(VERDICT_FOLLOWED, 0) != NULL);
    /* Nobody gets in at the address that was answered: what comes has followed. Else it may not have. */
    for (int follows = 0; follows < 2; follows++) {
        facts = relay_path();
        facts.choice = (struct path_choice){.code = PATH_BEST_EFFORT, .punches = true};
        facts.behaviour.mapping = NAT_MAPPING_ADDRESS_PORT;
        facts.behaviour.filtering = NAT_FILTERING_ADDRESS_PORT;
        facts.behaviour.scope = follows ? NAT_SCOPE_MAPPING : NAT_SCOPE_ENDPOINT;
        begin(&facts);
        hear(src, false);
        CHECK_INT(told(VERDICT_FOLLOWED, 0) != NULL, follows);
    }
    /* It was silent for so long that its path seemed to have failed; since it was heard again none has. */
    facts = relay_path();
    begin(&facts);
    way_confirm(&w, now());
    way_hold(&w, now());
    way_resume(&w, now());
    run_until(clock_ms + 2100);
    CHECK(event(WAY_WANT_PATH, 0) && event(WAY_WANT_PATH, 0)->event.tried == 1u << PATH_RELAY);
    hear(seen, true);
    facts = stun_path();
    facts.relay = true;
    way_change(&w, now(), &facts);
    hear(src, false);
    count = 0;
    run_until(clock_ms + 20000);
    CHECK(event(WAY_WANT_PATH, 0) && event(WAY_WANT_PATH, 0)->event.tried == 1u << PATH_STUN);
    /* All are denied: that relay will not do. */
    facts = relay_path();
    begin(&facts);
    way_permitted(&w, now(), &src, false);
    drain();
    CHECK(event(WAY_WANT_PATH, 0) && event(WAY_WANT_PATH, 0)->event.reason == WAY_RELAY_LOST);
}

static void test_relay_lost(void)
{
    struct way_facts facts = relay_path();
    begin(&facts);
    way_permitted(&w, now(), &src, true);
    hear(src, true);
    run_until(3000);
    way_relay_lost(&w, now());
    drain();
    const struct line *want = event(WAY_WANT_PATH, 0);
    if (!CHECK(want != NULL))
        return;
    CHECK_INT(want->ms, 3000); /* at once */
    CHECK_INT(want->event.reason, WAY_RELAY_LOST);
    CHECK_INT(want->event.tried & 1u << PATH_RELAY, 0); /* another one may do */
    CHECK(told(VERDICT_RELAY_LOST, 0) != NULL);
    count = 0;
    run_until(100000);
    CHECK_INT(packets(NULL, true, 0, 100000), 0);
    /* One that only stood by is no loss. */
    facts = stun_path();
    facts.relay = true;
    begin(&facts);
    hear(src, false);
    way_relay_lost(&w, now());
    drain();
    CHECK(event(WAY_WANT_PATH, 0) == NULL && told(VERDICT_RELAY_LOST, 0) != NULL);
}

/* A gateway that comes up anew may say nothing, and have forgotten what it mapped: it is looked at. */
static void test_a_mapped_port_falls_silent(void)
{
    struct way_facts facts = stun_path();
    facts.choice = (struct path_choice){.code = PATH_MAPPED};
    begin(&facts);
    way_confirm(&w, now());
    flow(src, false, 4000);
    int64_t last = clock_ms - 20;
    count = 0;
    run_until(last + 5700);
    CHECK(event(WAY_ASK_STUN, last + 5600) != NULL);
    way_mapped(&w, now(), &(struct addr){.family = ADDR_V4, .ip = {192, 0, 2, 9}, .port = 7});
    drain();
    CHECK(told(VERDICT_ADDRESS_CHANGED, 0) == NULL); /* STUN's address was not answered with */
    /* It stands: nobody speaks. But one that did not stand for a while, and was heard all the same, was
     * heard where the SRC had followed our packets: there a filter may keep it out by now. Where what we
     * send leaves by ever other ports than the forwarded one, STUN says nothing of that. */
    const struct addr told_ports[] = {outside, outside, addr_with_port(outside, 9)};
    for (int i = 0; i < 3; i++) {
        bool moves = i == 1;
        facts.advertised = told_ports[i];
        begin(&facts);
        way_confirm(&w, now());
        if (i > 0)
            way_mapped(&w, now(), &farm);
        way_mapped(&w, now(), &outside);
        flow(src, false, 4000);
        count = 0;
        run_until(clock_ms + 10000);
        CHECK_INT(told(VERDICT_SILENT, 0) != NULL, !moves);
        CHECK_INT(event(WAY_WANT_PATH, 0) != NULL, moves);
    }
}

/* doc/nat.md 9, in mid-call. */
static void test_silence(void)
{
    struct way_facts facts = stun_path();
    begin(&facts);
    way_confirm(&w, now());
    flow(src, false, 4000);
    int64_t last = clock_ms - 20;
    count = 0;
    run_until(last + 5700);
    CHECK(packets(&src, false, last + 5000, last + 5000) >= 1);
    CHECK(event(WAY_ASK_STUN, last + 5600) != NULL);
    const struct addr moved = addr_with_port(outside, 41111);
    way_mapped(&w, now(), &moved); /* our NAT has forgotten us */
    drain();
    CHECK(told(VERDICT_ADDRESS_CHANGED, 0) != NULL);
    CHECK(event(WAY_WANT_PATH, 0) && event(WAY_WANT_PATH, 0)->event.reason == WAY_ADDRESS_CHANGED &&
          event(WAY_WANT_PATH, 0)->event.tried == 0);
    /* The mapping stands, and anybody may use it: nobody speaks. */
    facts.choice.to_port = false;
    begin(&facts);
    way_confirm(&w, now());
    flow(src, false, 4000);
    count = 0;
    run_until(clock_ms + 5650);
    way_mapped(&w, now(), &outside);
    run_until(clock_ms + 100000);
    CHECK(event(WAY_WANT_PATH, 0) == NULL && told(VERDICT_SILENT, 0) != NULL &&
          event(WAY_UNREACHABLE, 0) == NULL);
    /* It stands, but for one port only: the SRC's NAT may have given it another. */
    facts.choice.to_port = true;
    begin(&facts);
    way_confirm(&w, now());
    flow(src, false, 4000);
    count = 0;
    run_until(clock_ms + 5650);
    way_mapped(&w, now(), &outside);
    run_until(clock_ms + 10000);
    CHECK(event(WAY_WANT_PATH, 0) && event(WAY_WANT_PATH, 0)->event.reason == WAY_WENT_SILENT);
    /* RTCP that says so keeps the ladder down. */
    begin(&facts);
    way_confirm(&w, now());
    flow(src, false, 4000);
    count = 0;
    for (int i = 0; i < 20; i++) {
        const struct way_packet_seen idle = {.from = src, .idle = true};
        way_hear(&w, now(), &idle);
        run_until(clock_ms + 4900);
    }
    CHECK(event(WAY_ASK_STUN, 0) == NULL && event(WAY_WANT_PATH, 0) == NULL);
    /* Relayed: the relay is looked at. */
    facts = relay_path();
    facts.may_reinvite = false;
    begin(&facts);
    way_confirm(&w, now());
    flow(src, true, 4000);
    CHECK(event(WAY_SUSPECT_RELAY, 0) == NULL);
    last = clock_ms - 20;
    run_until(clock_ms + 1000);
    CHECK(event(WAY_SUSPECT_RELAY, 0) && event(WAY_SUSPECT_RELAY, 0)->ms == last + 300);
    hear(src, true); /* a pause in speech, and another: not every time */
    count = 0;
    run_until(clock_ms + 1000);
    CHECK(event(WAY_SUSPECT_RELAY, 0) == NULL);
    run_until(clock_ms + 1000);
    CHECK(event(WAY_SUSPECT_RELAY, 0) != NULL);
    /* What is held apart may be the stream's: its path is left alone until that is known. */
    facts = stun_path();
    begin(&facts);
    way_confirm(&w, now());
    for (int i = 0; i < 100; i++) {
        const struct way_packet_seen unproven = {.from = farm, .unproven = true};
        way_hear(&w, now(), &unproven);
        run_until(clock_ms + 20);
    }
    CHECK(event(WAY_WANT_PATH, 0) == NULL);
    hear(farm, false);
    CHECK(told(VERDICT_LATCHED, 0) != NULL);
}

/* STUN shows another mapping than the stream's own, and packets come by the old one all the same: each
 * destination may have its own (RFC 4787 §4.1). The stream stays, also through pauses in speech later. Where
 * they do not come any more STUN is asked once more, and the stream moves. */
static void test_another_mapping_while_packets_come(void)
{
    const struct addr moved = addr_with_port(outside, 29886);
    for (int stands = 0; stands < 2; stands++) {
        struct way_facts facts = stun_path();
        begin(&facts);
        way_confirm(&w, now());
        flow(src, false, 100);
        int64_t last = clock_ms - 20;
        way_mapped(&w, now(), &moved);
        count = 0;
        if (stands) {
            flow(src, false, 5000);
            last = clock_ms - 20;
        }
        run_until(last + 1000);
        CHECK_INT(event(WAY_ASK_STUN, 0) != NULL, !stands);
        CHECK(event(WAY_WANT_PATH, 0) == NULL && told(VERDICT_ADDRESS_CHANGED, 0) == NULL);
        way_mapped(&w, now(), &moved);
        drain();
        CHECK_INT(event(WAY_WANT_PATH, 0) != NULL, !stands);
        CHECK_INT(told(VERDICT_ADDRESS_CHANGED, 0) != NULL, !stands);
        if (!stands)
            continue;
        /* A third one: that is news. */
        way_mapped(&w, now(), &farm);
        drain();
        CHECK(told(VERDICT_ADDRESS_CHANGED, 0) != NULL);
    }
    /* Before anything came there is nothing to stay for. */
    struct way_facts facts = stun_path();
    begin(&facts);
    way_confirm(&w, now());
    way_mapped(&w, now(), &moved);
    drain();
    CHECK(event(WAY_WANT_PATH, 0) && event(WAY_WANT_PATH, 0)->event.reason == WAY_ADDRESS_CHANGED);
}

/* 20 ms packets until our NAT has forgotten, and then nothing for so long; keepalives are noted. */
static void fall_silent(int64_t flows_ms, int64_t silent_ms)
{
    count = 0;
    flow(src, false, flows_ms);
    run_until(clock_ms - 20 + silent_ms);
}

static void note_sent(void)
{
    for (size_t i = 0; i < count; i++) {
        if (lines[i].is_packet)
            way_sent(&w, (struct tick){lines[i].ms * NS_PER_MS}, lines[i].packet.relayed);
    }
    count = 0;
}

/* What a call shows of its NAT holds for itself at once, and on every path that it takes. */
static void test_keepalives_learn(void)
{
    struct way_facts facts = stun_path();
    const struct addr moved = addr_with_port(outside, 41111);
    facts.behaviour.lifetime_s = 0;
    begin(&facts);
    note_sent();
    way_confirm(&w, now());
    fall_silent(9980, 5700);
    int64_t kept = packets(&src, false, 3000, 10000);
    CHECK_INT(kept, 0); /* the next was planned for 20 s */
    note_sent();
    way_mapped(&w, now(), &moved);
    drain();
    const struct line *l = event(WAY_FORGOTTEN, 0);
    CHECK(l && l->event.forgotten_s == 10);
    facts.mapped = moved;
    way_change(&w, now(), &facts); /* recorder need not know yet */
    way_confirm(&w, now());
    count = 0;
    int64_t from = clock_ms;
    flow(src, false, 30000);
    CHECK(packets(&src, false, from + 1000, clock_ms) >= 5);
    /* The same port again: packets that are missing, and one that came for the sake of ours. */
    facts.mapped = outside;
    begin(&facts);
    note_sent();
    way_confirm(&w, now());
    fall_silent(9980, 5020);
    note_sent();
    CHECK(event(WAY_FORGOTTEN, 0) == NULL);
    const struct way_packet_seen back = {.from = src, .missing = 250};
    way_hear(&w, now(), &back);
    drain();
    l = event(WAY_FORGOTTEN, 0);
    CHECK(l && l->event.forgotten_s == 10);
    way_hear(&w, now(), &back);
    count = 0;
    from = clock_ms;
    flow(src, false, 30000);
    CHECK(packets(&src, false, from, clock_ms) >= 5);
    CHECK(packets(&src, false, from, clock_ms) <= 8); /* and it is no flood */
}

/* Silence, and packets again just after one of ours, that are no mapping's death: the SRC sends from elsewhere,
 * with a word or without, and had to find another port of ours open; or it was a connection that stood still. */
static void test_other_silences_teach_nothing(void)
{
    const struct addr elsewhere = addr_with_port(src, 20002);
    for (int how = 0; how < 3; how++) {
        struct way_facts facts = how == 2 ? relay_path() : stun_path();
        if (how == 2)
            facts.choice.code = PATH_RELAY_STREAM;
        facts.behaviour.lifetime_s = 0;
        begin(&facts);
        way_confirm(&w, now());
        way_permitted(&w, now(), &src, true);
        hear(src, how == 2);
        way_sent(&w, now(), how == 2);
        count = 0;
        flow(src, how == 2, 9980);
        run_until(clock_ms + 5000);
        if (how == 0)
            way_change(&w, now(), &facts);
        facts.targets[0] = elsewhere;
        if (how == 1)
            way_retarget(&w, now(), &facts);
        way_sent(&w, now(), how == 2);
        const struct way_packet_seen back = {
            .from = how == 2 ? src : elsewhere, .relayed = how == 2, .missing = 250};
        run_until(clock_ms + 40);
        way_hear(&w, now(), &back);
        drain();
        CHECK(event(WAY_FORGOTTEN, 0) == NULL);
    }
}

/* A new lease: that was no mapping's end either. */
static void test_another_lease_teaches_nothing(void)
{
    const struct addr other = addr_v4(203, 0, 113, 99, 41111);
    struct way_facts facts = stun_path();
    facts.behaviour.lifetime_s = 0;
    begin(&facts);
    note_sent();
    way_confirm(&w, now());
    fall_silent(9980, 5700);
    note_sent();
    way_mapped(&w, now(), &other);
    drain();
    CHECK(told(VERDICT_ADDRESS_CHANGED, 0) != NULL && event(WAY_FORGOTTEN, 0) == NULL);
}

/* What others have found out meanwhile. */
static void test_lifetimes_that_are_told(void)
{
    struct way_facts facts = stun_path();
    facts.behaviour.lifetime_s = 0;
    begin(&facts);
    way_confirm(&w, now());
    flow(src, false, 3000);
    const struct nat_behaviour known = {.mapping = NAT_MAPPING_ADDRESS, .lifetime_most_s = 15};
    way_learn(&w, now(), &known);
    count = 0;
    int64_t from = clock_ms;
    flow(src, false, 30000);
    CHECK(packets(&src, false, from, clock_ms) >= 5 && packets(&src, false, from, clock_ms) <= 8);
    CHECK_INT(w.facts.behaviour.mapping, NAT_MAPPING_INDEPENDENT); /* the choice rests on that */
}

static void test_address_change(void)
{
    struct way_facts facts = stun_path();
    begin(&facts);
    way_confirm(&w, now());
    flow(src, false, 4000);
    way_network_changed(&w, now());
    drain();
    const struct line *want = event(WAY_WANT_PATH, 0);
    CHECK(want && want->ms == clock_ms && want->event.reason == WAY_ADDRESS_CHANGED);
    count = 0;
    facts.mapped = addr_v4(203, 0, 113, 99, 41000);
    way_change(&w, now(), &facts);
    way_expire(&w, now(), &rng);
    drain();
    CHECK(packets(&src, false, 0, clock_ms) >= 1); /* the new NAT is opened at once */
    way_confirm(&w, now());
    run_until(clock_ms + 2000); /* and if nothing comes, the ladder again */
    CHECK(event(WAY_WANT_PATH, 0) && event(WAY_WANT_PATH, 0)->event.reason == WAY_NOTHING_CAME);

    /* One that did not send from what it offers: the new NAT is opened to where it was heard from. */
    const struct addr elsewhere = addr_with_port(src, 61000);
    begin(&facts);
    way_confirm(&w, now());
    flow(elsewhere, false, 4000);
    way_network_changed(&w, now());
    way_change(&w, now(), &facts);
    count = 0;
    way_expire(&w, now(), &rng);
    drain();
    CHECK_INT(packets(&elsewhere, false, 0, clock_ms), 1);
}

static void migrate(struct way_facts *facts, const struct addr *seen)
{
    begin(facts);
    way_confirm(&w, now());
    way_permitted(&w, now(), seen, true);
    flow(*seen, true, WAY_MIGRATE_MS + 100);
    CHECK(packets(seen, false, 0, clock_ms) >= 1); /* punched first */
    if (!CHECK(event(WAY_ASK_STUN, 0) != NULL))
        return;
    CHECK(event(WAY_WANT_PATH, 0) == NULL);
    way_mapped(&w, now(), &outside);
    drain();
    const struct line *want = event(WAY_WANT_PATH, 0);
    CHECK(want && want->event.reason == WAY_DIRECT && addr_equal(&want->event.peer, seen));
    count = 0;
    *facts = stun_path();
    facts->relay = true;
    facts->targets[0] = *seen;
    way_change(&w, now(), facts);
    drain();
    flow(*seen, true, 300); /* it has not got our re-INVITE yet */
    CHECK(packets(seen, false, 0, clock_ms) >= 2);
}

/* doc/nat.md 6, migration: both ways are received on, then the relay is left. */
static void test_migration(void)
{
    const struct addr seen = addr_v4(192, 0, 2, 10, 61000);
    struct way_facts facts = relay_path();
    migrate(&facts, &seen);
    way_confirm(&w, now());
    flow(seen, true, 100);
    flow(seen, false, 1000);
    CHECK(told(VERDICT_MIGRATED, 0) != NULL && event(WAY_LEAVE_RELAY, 0) == NULL);
    hear(seen, true); /* a late one */
    int64_t late = clock_ms;
    flow(seen, false, 5000);
    CHECK(event(WAY_LEAVE_RELAY, 0) && event(WAY_LEAVE_RELAY, 0)->ms >= late + WAY_LEAVE_MS);
    CHECK(event(WAY_WANT_PATH, 0) == NULL && told(VERDICT_FOLLOWED, 0) == NULL);

    /* Its NAT gave it another port: back, before a second is over, and never again in this call. */
    facts = relay_path();
    migrate(&facts, &seen);
    way_confirm(&w, now());
    run_until(clock_ms + 900);
    const struct line *want = event(WAY_WANT_PATH, 0);
    CHECK(want && want->event.reason == WAY_BACK);
    CHECK_INT(want->event.tried, 1u << PATH_STUN | 1u << PATH_DIRECT);
    facts = relay_path();
    way_change(&w, now(), &facts);
    way_confirm(&w, now());
    count = 0;
    flow(seen, true, 30000);
    CHECK(event(WAY_WANT_PATH, 0) == NULL && event(WAY_LEAVE_RELAY, 0) == NULL);

    /* Where the filter asks for the port, and nothing says that the SRC keeps it, it stays. */
    facts = relay_path();
    facts.offered = addr_v4(10, 0, 0, 5, 20000);
    begin(&facts);
    way_confirm(&w, now());
    flow(seen, true, 30000);
    CHECK(event(WAY_WANT_PATH, 0) == NULL);
    facts.one_port = PATH_YES;
    migrate(&facts, &seen);
    facts = relay_path();
    facts.one_port = PATH_NO;
    begin(&facts);
    way_confirm(&w, now());
    flow(seen, true, 30000);
    CHECK(event(WAY_WANT_PATH, 0) == NULL);
}

static void test_srcs_that_bear_nothing(void)
{
    struct way_facts facts = stun_path();
    facts.choice.punches = false;
    begin(&facts);
    way_refused(&w, now(), &src); /* before the ACK: its port may not be open yet */
    way_confirm(&w, now());
    drain();
    CHECK(event(WAY_REFUSES, 0) == NULL);
    flow(src, false, 1000);
    way_refused(&w, now(), &src);
    way_refused(&w, now(), &src);
    drain();
    CHECK(event(WAY_REFUSES, 0) != NULL);
    CHECK(event(WAY_REFUSES, 0) == &lines[count - 1]); /* once */
    count = 0;
    flow(src, false, 60000);
    CHECK_INT(packets(NULL, false, 0, 1000000), 0);
    CHECK(event(WAY_ASK_STUN, 0) != NULL); /* STUN keeps the mapping instead */
    /* Where our NAT would let none of its in without them, it gets them all the same: then, and when
     * it is known to refuse them. */
    for (int known = 0; known < 2; known++) {
        facts = stun_path();
        facts.quiet = known;
        begin(&facts);
        CHECK(packets(&src, false, 0, 1000) > 0);
        way_confirm(&w, now());
        flow(src, false, 1000);
        way_refused(&w, now(), &src);
        count = 0;
        flow(src, false, 60000);
        CHECK(packets(&src, false, 0, 1000000) >= 6);
    }
    facts.choice.punches = false;
    begin(&facts);
    run_until(60000);
    flow(src, false, 60000);
    CHECK_INT(packets(NULL, false, 0, 1000000), 0);
}

static void test_open_hosts(void)
{
    struct way_facts facts = {
        .choice = {.code = PATH_DIRECT}, .target_count = 1, .targets = {src}, .listed = true};
    begin(&facts);
    run_until(100000);
    CHECK_INT(packets(&src, false, 0, 100000), 4); /* for those who wait for a first packet */
    hear(src, false);
    count = 0;
    flow(src, false, 100000);
    /* RFC 6263 §7: also there; firewalls on the way forget as NATs do. */
    CHECK(packets(&src, false, 0, 1000000) >= 5 && packets(&src, false, 0, 1000000) <= 7);
    CHECK_INT(count, packets(&src, false, 0, 1000000));
}

static void test_no_udp(void)
{
    struct way_facts facts = relay_path();
    facts.choice.code = PATH_RELAY_STREAM;
    facts.choice.may_migrate = false;
    begin(&facts);
    way_permitted(&w, now(), &src, true);
    drain();
    run_until(20000);
    flow(src, true, 60000);
    CHECK_INT(packets(NULL, false, 0, 1000000), 0);
    CHECK(packets(&src, true, 0, 1000000) > 5);
}

/* RL: of an SRC in the open whose stream comes by the relay, one packet from our own socket by itself; and
 * it may come by either way. */
static void test_one_that_may_follow(void)
{
    struct way_facts facts = relay_path();
    begin(&facts);
    way_permitted(&w, now(), &src, true);
    way_confirm(&w, now());
    drain();
    int64_t first = clock_ms;
    flow(src, true, 1000);
    CHECK_INT(packets(&src, false, first + 300, first + 300), 1);
    CHECK_INT(packets(&src, true, first + 1, first + 1000), 0);
    /* It has followed for a moment and is back: that nothing comes is the relay's affair. */
    hear(src, false);
    run_until(clock_ms + 400);
    CHECK(event(WAY_SUSPECT_RELAY, 0) != NULL);
    /* One that stood by for us, and that it had followed to, is gone. */
    facts = stun_path();
    facts.relay = true;
    begin(&facts);
    way_confirm(&w, now());
    flow(src, false, 1000);
    flow(src, true, 1000);
    count = 0;
    way_relay_lost(&w, now());
    drain();
    CHECK(packets(&src, false, clock_ms, clock_ms) >= 1);
    CHECK(event(WAY_WANT_PATH, 0) == NULL);
    /* Behind a NAT it could be led astray. */
    facts = relay_path();
    facts.offered = farm;
    begin(&facts);
    flow(src, true, 2000);
    CHECK_INT(packets(NULL, false, clock_ms - 1999, clock_ms), 0);
}

/* Its SDP names another port: that is sent to at once, though what was on its way from the old one
 * comes in the very moment. */
static void test_another_port_by_its_sdp(void)
{
    struct way_facts facts = stun_path();
    struct addr moved = addr_with_port(src, 20500);
    begin(&facts);
    way_confirm(&w, now());
    flow(src, false, 2000);
    facts.offered = facts.targets[0] = moved;
    facts.target_count = 1;
    way_retarget(&w, now(), &facts);
    hear(src, false);
    run_until(clock_ms + 100);
    CHECK(packets(&moved, false, clock_ms - 100, clock_ms) >= 1);
}

int main(void)
{
    rng_init_number(&rng, 3);
    RUN(test_one_that_may_follow);
    RUN(test_punches_then_keeps);
    RUN(test_budgets);
    RUN(test_the_ladder);
    RUN(test_one_that_takes_no_reinvite);
    RUN(test_relayed);
    RUN(test_relay_lost);
    RUN(test_a_mapped_port_falls_silent);
    RUN(test_silence);
    RUN(test_another_mapping_while_packets_come);
    RUN(test_keepalives_learn);
    RUN(test_other_silences_teach_nothing);
    RUN(test_another_lease_teaches_nothing);
    RUN(test_lifetimes_that_are_told);
    RUN(test_address_change);
    RUN(test_migration);
    RUN(test_another_port_by_its_sdp);
    RUN(test_srcs_that_bear_nothing);
    RUN(test_open_hosts);
    RUN(test_no_udp);
    return tap_done();
}
