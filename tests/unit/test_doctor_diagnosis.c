/* Tests of the doctor's rules: each cause by the evidence that it leaves, alone where something
 * decides, among others where nothing does. */
#include <string.h>

#include "doctor_fixture.h"

static void test_nothing_known(void)
{
    struct doctor_evidence e = dead_call();
    struct doctor_diagnosis d;
    doctor_diagnose(&e, &d);
    char text[400], how[400];
    struct writer w = writer_of(text, sizeof text), h = writer_of(how, sizeof how);
    bool has_certain = false;
    for (size_t i = 0; i < d.count; i++)
        has_certain |= d.findings[i].certainty == DOCTOR_CERTAIN;
    CHECK(!has_certain && d.count >= 3 &&
          !d.is_healthy); /* without evidence nothing is named alone */
    doctor_print_decision(&e, &d, &w, &h);
    CHECK(w.len > 0 && h.len > 0); /* but a command that decides */
    streams(&e, heard);
    doctor_diagnose(&e, &d);
    CHECK(d.is_healthy && d.count == 0); /* a call that is heard has nothing */
}

static void test_doors(void)
{
    struct doctor_evidence e = dead_call();
    streams(&e, probe_no);
    CHECK(is_among(&e, DOCTOR_NOT_FORWARDED) &&
          is_among(&e, DOCTOR_HOST_FIREWALL)); /* closed, the ruleset unread: router or host */
    streams(&e, lets_in);
    CHECK(
        is_alone(&e, DOCTOR_NOT_FORWARDED)); /* closed, the host's ruleset lets it in: the router */
    streams(&e, drops);
    CHECK(is_alone(&e, DOCTOR_HOST_FIREWALL)); /* closed by the host's ruleset */
    e = dead_call();
    e.behind_nat = PATH_NO;
    streams(&e, go_direct);
    streams(&e, probe_no);
    streams(&e, lets_in);
    CHECK(is_among(&e, DOCTOR_ROUTER_FIREWALL)); /* to a stranger, who is not the SRC */
    streams(&e, answers_no);
    CHECK(is_alone(&e, DOCTOR_ROUTER_FIREWALL)); /* in the open, closed before the host */
}

static void test_addresses(void)
{
    struct doctor_evidence e = dead_call();
    streams(&e, go_private);
    CHECK(is_alone(&e, DOCTOR_OUR_PRIVATE)); /* a private address told to the Internet */
    e = dead_call();
    e.external = at("198.51.100.77");
    CHECK(is_alone(&e, DOCTOR_EXTERNAL_WRONG)); /* another address than STUN sees */
    e = dead_call();
    e.gateway = at("100.64.0.7");
    CHECK(is_among(&e, DOCTOR_DOUBLE_NAT)); /* the gateway's own address outside is a carrier's */
    CHECK(is_among(&e, DOCTOR_SRC_SILENT)); /* but the SRC may be silent as well */
    streams(&e, probe_no);
    CHECK(is_among(&e, DOCTOR_DOUBLE_NAT)); /* closed: there or by the host's firewall */
    streams(&e, lets_in);
    CHECK(is_alone(&e, DOCTOR_DOUBLE_NAT)); /* closed, and not by the host */
    streams(&e, probe_yes);
    CHECK(!is_among(&e, DOCTOR_DOUBLE_NAT)); /* open all the same: forwarded on both */
    e = dead_call();
    e.signalled = at("198.51.100.1:40000");
    e.behaviour.hairpin = NAT_HAIRPIN_NONE;
    CHECK(is_alone(&e, DOCTOR_HAIRPIN)); /* an SRC behind our own NAT */
    e = dead_call();
    streams(&e, by_stun);
    e.behaviour.mapping = NAT_MAPPING_INDEPENDENT;
    e.behaviour.filtering = NAT_FILTERING_ADDRESS_PORT;
    CHECK(is_alone(&e, DOCTOR_SRC_PRIVATE)); /* an SRC with a private address before our filter */
    e.signalled = at("198.51.100.1:40000");
    e.behaviour.hairpin = NAT_HAIRPIN_NONE;
    CHECK(is_alone(&e, DOCTOR_HAIRPIN)); /* a neighbour's is no riddle */
}

static void test_relays(void)
{
    struct doctor_evidence e = dead_call();
    e.behaviour.mapping = NAT_MAPPING_ADDRESS_PORT;
    e.behaviour.filtering = NAT_FILTERING_ADDRESS_PORT;
    e.behaviour.scope = NAT_SCOPE_MAPPING;
    e.relay = DOCTOR_RELAY_SILENT;
    CHECK(!has(&e, DOCTOR_SYMMETRIC_NAT) &&
          !has(&e, DOCTOR_TURN_DOWN)); /* a mapped port needs none */
    e.relay = DOCTOR_RELAY_NONE;
    streams(&e, by_filter);
    CHECK(is_alone(&e, DOCTOR_SYMMETRIC_NAT)); /* symmetric, and no relay */
    e.relay = DOCTOR_RELAY_REFUSED;
    CHECK(is_alone(&e, DOCTOR_TURN_CREDENTIALS)); /* the relay's server refuses us */
    streams(&e, drops);
    CHECK(has_both(&e, DOCTOR_TURN_CREDENTIALS, DOCTOR_HOST_FIREWALL)); /* and our rules drop */
    streams(&e, lets_in);
    e.relay = DOCTOR_RELAY_SILENT;
    CHECK(is_alone(&e, DOCTOR_TURN_DOWN)); /* it is silent, while STUN is answered */
    e.relay = DOCTOR_RELAY_FAILED;
    CHECK(is_alone(&e, DOCTOR_TURN_DOWN)); /* it answers, and has no room */
    e.relay = DOCTOR_RELAY_SILENT;
    e.stun_is_silent = true;
    CHECK(is_among(&e, DOCTOR_TURN_DOWN) &&
          is_among(&e, DOCTOR_UDP_BLOCKED)); /* both are silent: the server or all of UDP */
    e.turn_by_tcp = PATH_YES;
    CHECK(is_alone(&e, DOCTOR_UDP_BLOCKED)); /* the server is there, by TCP */
    e.turn_by_tcp = PATH_UNKNOWN;
    e.relay = DOCTOR_RELAY_READY;
    CHECK(is_alone(&e, DOCTOR_UDP_BLOCKED)); /* a relay over TCP works: UDP is blocked */
    streams(&e, go_relayed);
    CHECK(!has(&e, DOCTOR_UDP_BLOCKED)); /* no matter to a stream that goes over that relay */
    e = dead_call();
    e.relay = DOCTOR_RELAY_READY;
    streams(&e, go_relayed);
    CHECK(is_among(&e, DOCTOR_RELAY_PERMISSION) &&
          is_among(&e, DOCTOR_SRC_SILENT)); /* relayed and silent: permission, or the SRC */
    streams(&e, says_it_sends);
    CHECK(is_alone(&e, DOCTOR_RELAY_PERMISSION)); /* relayed, and it says that it sends */
    e = dead_call();
    e.relay = DOCTOR_RELAY_SILENT;
    streams(&e, go_relayed);
    CHECK(is_alone(&e, DOCTOR_TURN_DOWN)); /* it was answered with a relay that died */
}

static void test_src(void)
{
    struct doctor_evidence e = dead_call();
    streams(&e, says_it_does_not);
    CHECK(is_alone(&e, DOCTOR_SRC_SILENT)); /* its own reports say that it sent nothing */
    e = dead_call();
    streams(&e, probe_yes);
    CHECK(is_among(&e, DOCTOR_SRC_SILENT) &&
          is_among(&e, DOCTOR_SRC_ELSEWHERE)); /* open from outside, and nothing comes, nor RTCP */
    e.no_ports = 500;
    CHECK(is_alone(&e, DOCTOR_SRC_ELSEWHERE)); /* as much came to ports where nobody listens */
    e.lasted_ms = 3600 * 1000;
    CHECK(is_among(&e, DOCTOR_SRC_SILENT)); /* in an hour that is the usual noise */
    e.no_ports = 0;
    streams(&e, says_it_sends);
    CHECK(is_alone(&e, DOCTOR_SRC_ELSEWHERE)); /* it says that it sends, and not to us */
    e = dead_call();
    e.strays = 3;
    e.stray_to = at("10.0.0.5:10050");
    CHECK(is_among(&e, DOCTOR_SRC_ELSEWHERE)); /* the tail of another call */
    e.strays = 30;
    CHECK(is_alone(&e, DOCTOR_SRC_ELSEWHERE)); /* its packets came to another port */
    e = dead_call();
    heard(&e.streams[0]);
    CHECK(is_among(&e, DOCTOR_ONE_LEG)); /* one of two streams is heard */
    e.streams[1].probe = PATH_YES;
    CHECK(is_alone(&e, DOCTOR_ONE_LEG)); /* and the way to the other is open */
    e.streams[1].led_to = at("198.51.100.1:10000");
    CHECK(is_alone(&e, DOCTOR_SRC_ELSEWHERE)); /* both came to the one's port */
    e.streams[1] = dead_call().streams[1];
    e.streams[1].apart = 200;
    e.streams[1].apart_type = 97;
    e.streams[1].apart_is_unagreed = true;
    CHECK(is_alone(&e, DOCTOR_CODEC)); /* it came, in a format that nobody agreed to */
    e.streams[1] = dead_call().streams[1];
    streams(&e, heard);
    e.streams[1].foreign = at("192.0.2.66:7000");
    CHECK(is_alone(&e, DOCTOR_FOREIGN_SENDER)); /* a second sender */
    e.streams[1].foreign = (struct addr){0};
    e.streams[0].clock_is_known = true;
    e.streams[0].clock_ms = 2001;
    CHECK(is_alone(&e, DOCTOR_CLOCKS)); /* clocks apart */
    e.streams[0].clock_ms = -2000;
    e.streams[0].drift_is_known = true;
    e.streams[0].drift_ppm = -501;
    CHECK(is_alone(&e, DOCTOR_CLOCKS)); /* a media clock that drifts */
}

static void test_signalling(void)
{
    struct doctor_evidence e = {.levels = -1};
    CHECK(is_alone(&e, DOCTOR_NO_SIP)); /* no SIP ever */
    e.reassembly_failures = 4;
    CHECK(is_alone(&e, DOCTOR_INVITE_FRAGMENTS)); /* fragments that never were whole */
    e.reassembly_failures = 0;
    e.sip_received = 5;
    CHECK(is_among(&e, DOCTOR_NO_SIP) &&
          is_among(&e, DOCTOR_INVITE_FRAGMENTS)); /* shorter requests arrive */
    e.invites = 3;
    CHECK(is_healthy(&e)); /* others' calls, and none that was asked for */
    e.was_asked = true;
    CHECK(is_alone(&e, DOCTOR_NO_SIP)); /* but not the one that was asked for */
    e.was_asked = false;
    e.invites = 0;
    e.invites_truncated = 1;
    CHECK(is_alone(&e, DOCTOR_INVITE_TRUNCATED)); /* a datagram cut short */
    e = (struct doctor_evidence){.invites = 1, .sip_received = 3, .refused_status = 488};
    CHECK(is_alone(&e, DOCTOR_CODEC)); /* 488 */
    e.refused_status = 403;
    CHECK(is_alone(&e, DOCTOR_REFUSED)); /* not allowed */
    e.refused_status = 503;
    e.disk_is_full = true;
    CHECK(is_alone(&e, DOCTOR_DISK_FULL)); /* refused because of that */
    e = dead_call();
    e.alg_is_suspected = true;
    CHECK(is_alone(&e, DOCTOR_SIP_ALG)); /* an ALG */
    e = (struct doctor_evidence){.disk_is_full = true, .invites = 1, .has_call = true};
    CHECK(is_alone(&e, DOCTOR_DISK_FULL)); /* a full disk */
    e = (struct doctor_evidence){.disk_is_full = true, .invites = 1, .was_asked = true};
    CHECK(is_alone(&e, DOCTOR_DISK_FULL)); /* on which nothing was kept of the call */
}

static void test_two_at_once(void)
{
    struct doctor_evidence e = dead_call();
    e.disk_is_full = true;
    streams(&e, go_private);
    CHECK(has_both(&e, DOCTOR_DISK_FULL, DOCTOR_OUR_PRIVATE)); /* a full disk, a private address */
    e = dead_call();
    e.external = at("198.51.100.77");
    streams(&e, drops);
    CHECK(has_both(&e, DOCTOR_EXTERNAL_WRONG, DOCTOR_HOST_FIREWALL)); /* of one stream */
    e = dead_call();
    e.streams[0].firewall = PATH_YES;
    says_it_does_not(&e.streams[1]);
    CHECK(has_both(&e, DOCTOR_HOST_FIREWALL, DOCTOR_SRC_SILENT)); /* of two streams */
    struct doctor_diagnosis d;
    doctor_diagnose(&e, &d);
    CHECK(d.findings[0].streams == 1 && d.findings[1].streams == 2); /* each by its own */
    e.streams[1] = dead_call().streams[1];
    doctor_diagnose(&e, &d);
    CHECK(d.findings[0].cause == DOCTOR_HOST_FIREWALL && d.findings[0].streams == 1 &&
          d.count > 2); /* what is certain of one hides nothing of the other */
    for (size_t i = 1; i < d.count; i++)
        CHECK(d.findings[i].streams == 2 && d.findings[i].certainty != DOCTOR_CERTAIN);
    streams(&e, drops);
    doctor_diagnose(&e, &d);
    CHECK(d.count == 1 && d.findings[0].streams == 3); /* the same for both is told once */
}

static void test_beside_firewalls(void)
{
    struct doctor_evidence e = dead_call();
    streams(&e, drops);
    streams(&e, probe_yes);
    CHECK(is_alone(&e, DOCTOR_HOST_FIREWALL)); /* rules for the SRC's address let a probe in */
    e.stun_is_silent = true;
    e.relay = DOCTOR_RELAY_SILENT;
    CHECK(is_alone(&e, DOCTOR_HOST_FIREWALL)); /* and silence outside is its doing, too */
    e = dead_call();
    streams(&e, drops);
    e.streams[0].lets_answers_in = e.streams[1].lets_answers_in = true;
    CHECK(is_among(&e, DOCTOR_HOST_FIREWALL)); /* what comes from where it says would be let in */
    streams(&e, says_it_sends);
    CHECK(is_alone(&e, DOCTOR_HOST_FIREWALL)); /* so it comes from elsewhere */
    e = dead_call();
    streams(&e, lets_in);
    streams(&e, probe_no);
    streams(&e, says_it_sends);
    CHECK(is_alone(&e, DOCTOR_NOT_FORWARDED)); /* RTCP by a hole of its own shows no way for RTP */
}

/* We have sent from a port that the settings call forwarded. A NAT that keeps ports lets RTCP in by that,
 * and keeps RTP out where that was there first. */
static void test_forwarded_by_order_alone(void)
{
    struct doctor_evidence e = dead_call();
    streams(&e, lets_in);
    streams(&e, says_it_sends);
    CHECK(is_alone(&e, DOCTOR_SRC_ELSEWHERE));
    e.ordered = e.external;
    e.external_is_set = true;
    CHECK(is_among(&e, DOCTOR_NOT_FORWARDED) && is_among(&e, DOCTOR_SRC_ELSEWHERE));
    streams(&e, probe_yes);
    CHECK(is_alone(&e, DOCTOR_SRC_ELSEWHERE));
    streams(&e, probe_no);
    CHECK(is_alone(&e, DOCTOR_NOT_FORWARDED));
}

static void test_behind_filters(void)
{
    struct doctor_evidence e = dead_call();
    e.behaviour.filtering = NAT_FILTERING_ADDRESS_PORT;
    e.streams[0].path = e.streams[1].path = PATH_BEST_EFFORT;
    streams(&e, says_it_sends);
    CHECK(is_among(&e, DOCTOR_SRC_ELSEWHERE)); /* from another port or to another: either */
    e = dead_call();
    e.behaviour.filtering = NAT_FILTERING_ADDRESS_PORT;
    streams(&e, by_stun);
    e.levels = 2;
    CHECK(is_alone(&e, DOCTOR_DOUBLE_NAT)); /* a gateway behind a NAT opens nothing */
    e = dead_call();
    e.external = (struct addr){0};
    e.stun_is_silent = true;
    streams(&e, go_private);
    CHECK(is_among(&e, DOCTOR_UDP_BLOCKED)); /* who hears nothing knows no better address */
}

static void test_one_of_two(void)
{
    struct doctor_evidence e = dead_call();
    heard(&e.streams[0]);
    says_it_does_not(&e.streams[1]);
    e.streams[1].probe = PATH_YES;
    CHECK(is_alone(&e, DOCTOR_ONE_LEG)); /* by the SRC's own word */
    e = dead_call();
    e.disk_is_full = true;
    streams(&e, probe_yes);
    CHECK(is_alone(&e, DOCTOR_DISK_FULL)); /* what is not written down may have come */
    says_it_sends(&e.streams[1]);
    heard(&e.streams[0]);
    CHECK(is_alone(&e, DOCTOR_DISK_FULL)); /* of one stream as of both */
    e = dead_call();
    streams(&e, probe_yes);
    e.no_ports = 3;
    CHECK(is_among(&e, DOCTOR_SRC_SILENT)); /* a late answer or two are no media */
}

/* Certainty goes no further than the evidence does. */
static void test_no_surer_than_that(void)
{
    struct doctor_evidence e = dead_call();
    e.behaviour.mapping = NAT_MAPPING_ADDRESS_PORT;
    e.behaviour.filtering = NAT_FILTERING_ADDRESS_PORT;
    CHECK(!has(&e, DOCTOR_SYMMETRIC_NAT)); /* forwarded ports go round it */
    e.relay = DOCTOR_RELAY_REFUSED;
    CHECK(!has(&e, DOCTOR_TURN_CREDENTIALS)); /* and need no relay */
    streams(&e, by_filter);
    e.relay = DOCTOR_RELAY_SILENT;
    e.stun_is_silent = true;
    e.turn_by_tcp = PATH_YES;
    CHECK(!has(&e, DOCTOR_TURN_DOWN)); /* a server that takes TCP is not down */
    e = dead_call();
    e.behaviour.filtering = NAT_FILTERING_ADDRESS;
    e.levels = 2;
    streams(&e, by_filter);
    CHECK(is_among(&e, DOCTOR_DOUBLE_NAT)); /* a known address would be let in: it may be silent */
    e = dead_call();
    e.streams[0].apart = 200;
    CHECK(
        !has(&e, DOCTOR_CODEC)); /* what came was agreed to, and is not taken for another reason */
    e = dead_call();
    streams(&e, probe_yes);
    e.no_ports = 500;
    CHECK(!has(&e, DOCTOR_SRC_SILENT)); /* somebody sends as much as a stream is */
    e = dead_call();
    e.external = at("198.51.100.77");
    streams(&e, by_filter);
    CHECK(is_among(&e, DOCTOR_EXTERNAL_WRONG)); /* it was STUN's word when it was told */
    e = dead_call();
    e.external = at("198.51.100.77");
    e.gateway = at("198.51.100.1");
    CHECK(!has(&e, DOCTOR_EXTERNAL_WRONG) && has(&e, DOCTOR_DOUBLE_NAT)); /* the gateway's word */
    e = (struct doctor_evidence){
        .invites = 1, .sip_received = 1, .refused_status = 400, .invites_truncated = 1};
    CHECK(is_alone(&e, DOCTOR_INVITE_TRUNCATED)); /* cut short, and so malformed: one cause */
}

/* What explains the call hides what follows from it, and nothing else. */
static void test_roots(void)
{
    struct doctor_evidence e = dead_call();
    e.alg_is_suspected = true;
    streams(&e, go_private);
    CHECK(is_alone(&e, DOCTOR_SIP_ALG)); /* the address told may be its doing */
    streams(&e, says_it_does_not);
    CHECK(has_both(&e, DOCTOR_SIP_ALG, DOCTOR_SRC_SILENT)); /* but not the SRC's own word */
    e = dead_call();
    e.external = (struct addr){0};
    e.stun_is_silent = true;
    streams(&e, by_filter);
    CHECK(is_among(&e, DOCTOR_UDP_BLOCKED));
    streams(&e, says_it_does_not);
    CHECK(
        is_alone(&e, DOCTOR_SRC_SILENT)); /* what is only likely of the call is not named beside */
}

/* ---- Media that stopped ---- */

static void stopped(struct doctor_stream *s)
{
    s->packets = 250;
    s->observed = s->offered;
    s->silent_ms = 9000;
}

static void nobody_is_there(struct doctor_stream *s)
{
    s->refused = s->observed;
}

static void readdressed(struct doctor_stream *s)
{
    s->is_readdressed = true;
}

/* What was heard had a way: what would have kept it out from the first is no cause. */
static void test_stopped(void)
{
    struct doctor_evidence e = dead_call();
    streams(&e, stopped);
    CHECK(is_among(&e, DOCTOR_SRC_SILENT));
    CHECK(is_among(&e, DOCTOR_NOT_FORWARDED));
    e.streams[0].silent_ms = e.streams[1].silent_ms = 3000;
    CHECK(is_healthy(&e)); /* a pause */
    e = dead_call();
    streams(&e, stopped);
    streams(&e, says_it_does_not);
    CHECK(is_alone(&e, DOCTOR_SRC_SILENT));
    e = dead_call();
    streams(&e, stopped);
    streams(&e, probe_yes);
    CHECK(is_among(&e, DOCTOR_SRC_SILENT));
    streams(&e, nobody_is_there);
    CHECK(is_alone(&e, DOCTOR_SRC_SILENT));
    e = dead_call();
    streams(&e, stopped);
    e.src_is_gone = true;
    CHECK(is_alone(&e, DOCTOR_SRC_GONE));
    e = dead_call();
    streams(&e, stopped);
    streams(&e, drops);
    CHECK(is_alone(&e, DOCTOR_HOST_FIREWALL));
    e = dead_call();
    streams(&e, heard);
    stopped(&e.streams[1]);
    e.streams[1].src_sends = PATH_NO;
    CHECK(is_alone(&e, DOCTOR_ONE_LEG));
}

/* Rules that let in the SRC alone keep a stranger's probe out, and it may have fallen silent: what closed
 * them stopped its reports, too. */
static void test_closed_in_mid_call(void)
{
    struct doctor_evidence e = dead_call();
    streams(&e, stopped);
    streams(&e, go_direct);
    streams(&e, probe_no);
    streams(&e, lets_in);
    CHECK(is_among(&e, DOCTOR_ROUTER_FIREWALL));
    CHECK(is_among(&e, DOCTOR_SRC_SILENT));
    for (size_t i = 0; i < e.stream_count; i++)
        e.streams[i].rtcp_ceased = true;
    CHECK(
        is_among(&e, DOCTOR_ROUTER_FIREWALL)); /* a stranger's is kept out, the SRC's was let in */
    streams(&e, answers_no);
    CHECK(is_alone(&e, DOCTOR_ROUTER_FIREWALL));
    streams(&e, nobody_is_there);
    CHECK(is_among(&e, DOCTOR_SRC_SILENT)); /* its reports stop when its host lets go of the port */
    CHECK(is_among(&e, DOCTOR_ROUTER_FIREWALL));
}

static void test_forgotten(void)
{
    struct doctor_evidence e = dead_call();
    e.behaviour.filtering = NAT_FILTERING_ADDRESS_PORT;
    streams(&e, stopped);
    streams(&e, by_filter);
    CHECK(!has(&e, DOCTOR_NAT_FORGOT)); /* STUN is answered, and nothing has changed */
    streams(&e, readdressed);
    CHECK(is_among(&e, DOCTOR_NAT_FORGOT));
    streams(&e, says_it_sends);
    CHECK(is_alone(&e, DOCTOR_NAT_FORGOT));
    streams(&e, says_it_does_not);
    CHECK(is_alone(&e, DOCTOR_SRC_SILENT));
}

static void without_port(struct doctor_stream *s)
{
    s->path = PATH_BEST_EFFORT;
    s->lacks_port = true;
    s->advertised = s->bound;
}

static void given_up(struct doctor_stream *s)
{
    s->is_given_up = true;
}

/* A port quota of our router's or carrier's: what stands goes on, nothing new is let out, STUN's
 * questions neither. */
static void test_full_nat(void)
{
    struct doctor_evidence e = dead_call();
    e.stun_is_silent = true;
    e.stun_by_tcp = PATH_YES;
    e.behind_nat = PATH_UNKNOWN;
    e.external = (struct addr){0};
    heard(&e.streams[0]);
    e.streams[0].path = PATH_STUN;
    without_port(&e.streams[1]);
    CHECK_INT(certainty_of(&e, DOCTOR_NAT_FULL), DOCTOR_LIKELY); /* it may be told soon */
    CHECK(!has(&e, DOCTOR_UDP_BLOCKED) && !has(&e, DOCTOR_OUR_PRIVATE));
    streams(&e, given_up);
    CHECK(is_alone(&e, DOCTOR_NAT_FULL));
    e.streams[1].is_ice = true;
    CHECK(!is_alone(&e, DOCTOR_NAT_FULL)); /* the SRC may send no checks */
    e.streams[1].is_ice = false;
    e.relay = DOCTOR_RELAY_REFUSED; /* and that is no way round it */
    CHECK(has_both(&e, DOCTOR_NAT_FULL, DOCTOR_TURN_CREDENTIALS));
    e = dead_call();
    e.stun_is_silent = true;
    e.stun_by_tcp = PATH_YES;
    streams(&e, without_port);
    streams(&e, given_up);
    CHECK(is_alone(&e, DOCTOR_NAT_FULL));
    for (size_t i = 0; i < e.stream_count; i++)
        e.streams[i].path = PATH_RELAY; /* which needs no port */
    e.relay = DOCTOR_RELAY_READY;
    CHECK(!has(&e, DOCTOR_NAT_FULL));
    /* With a stream that comes by UDP it is not shut, whoever is silent now. */
    e = dead_call();
    e.stun_is_silent = true;
    e.stun_by_tcp = PATH_YES;
    heard(&e.streams[0]);
    e.streams[1].path = PATH_BEST_EFFORT;
    CHECK(!has(&e, DOCTOR_UDP_BLOCKED));
}

/* In the open, and this host's own rules let in what answers us: nobody is at its port any more. It has moved, or is
 * silent; that a stranger is kept out here says nothing of others on the way. */
static void test_moved_behind_own_rules(void)
{
    struct doctor_evidence e = dead_call();
    e.behind_nat = PATH_NO;
    streams(&e, stopped);
    streams(&e, go_direct);
    streams(&e, nobody_is_there);
    streams(&e, probe_no);
    streams(&e, drops);
    for (size_t i = 0; i < e.stream_count; i++)
        e.streams[i].lets_answers_in = true;
    CHECK(!has(&e, DOCTOR_HOST_FIREWALL));
    CHECK_INT(certainty_of(&e, DOCTOR_SRC_MOVED), DOCTOR_LIKELY);
    CHECK_INT(certainty_of(&e, DOCTOR_SRC_SILENT), DOCTOR_LIKELY);
    CHECK_INT(certainty_of(&e, DOCTOR_ROUTER_FIREWALL), DOCTOR_POSSIBLE);
}

static void test_moved(void)
{
    struct doctor_evidence e = dead_call();
    e.behaviour.filtering = NAT_FILTERING_ADDRESS_PORT;
    streams(&e, stopped);
    streams(&e, by_filter);
    CHECK(is_among(&e, DOCTOR_SRC_MOVED));
    CHECK(is_among(&e, DOCTOR_SRC_SILENT));
    streams(&e, nobody_is_there);
    CHECK(is_among(&e, DOCTOR_SRC_MOVED));
    streams(&e, says_it_sends);
    CHECK(is_alone(&e, DOCTOR_SRC_MOVED));
    e.behaviour.filtering = NAT_FILTERING_INDEPENDENT;
    CHECK(!has(&e, DOCTOR_SRC_MOVED)); /* whatever port it comes from, it would be let in */
}

static void test_interrupted(void)
{
    struct doctor_evidence e = dead_call();
    streams(&e, heard);
    e.streams[1].gap = DOCTOR_GAP_ADDRESS;
    e.streams[1].gap_ms = 6059;
    CHECK(is_alone(&e, DOCTOR_INTERRUPTED));
    e.streams[1].silent_ms = 9000; /* it came again, and stopped for good */
    CHECK(!has(&e, DOCTOR_INTERRUPTED));
}

/* Who moved is to be told so, not our router. */
static void test_moved_cures(void)
{
    static const enum doctor_cause causes[] = {DOCTOR_SRC_MOVED, DOCTOR_INTERRUPTED};
    for (size_t i = 0; i < 2; i++) {
        struct doctor_evidence e = dead_call();
        struct doctor_finding f = {causes[i], DOCTOR_CERTAIN, 3};
        char text[1024] = "", command[512] = "";
        struct writer w = writer_of(text, sizeof text - 1);
        struct writer c = writer_of(command, sizeof command - 1);
        streams(&e, by_filter);
        e.streams[0].gap = DOCTOR_GAP_MOVED;
        e.streams[0].gap_from = at("192.0.2.1:4000");
        e.streams[0].gap_to = at("192.0.2.1:4006");
        doctor_print_cure(&e, &f, &w);
        doctor_print_command(&e, &f, &c);
        CHECK(strncmp(text, "At the SBC: let it keep a stream's port", 39) == 0);
        CHECK(!strstr(text, "router") && strstr(text, "TURN_SERVERS") && c.len == 0);
        e.streams[0].firewall = PATH_YES;
        e.streams[0].lets_answers_in = true;
        w = writer_of(text, sizeof text - 1);
        doctor_print_cure(&e, &f, &w);
        doctor_print_command(&e, &f, &c);
        CHECK(strstr(text, "on this host") && strstr(command, "ip saddr 192.0.2.1 udp dport"));
        w = writer_of(text, sizeof text - 1);
        memset(text, 0, sizeof text);
        doctor_print_sentence(&e, &f, &w);
        CHECK(causes[i] == DOCTOR_SRC_MOVED ||
              strstr(text, "from 192.0.2.1:4006 since, no more from 192.0.2.1:4000"));
    }
}

/* That ports are forwarded is nothing to order where nobody knows it; and what is not set cannot be taken
 * out. */
static void test_external_cures(void)
{
    static const char first[] = "Here: let siprecd find our address outside: ";
    static const char pasted[] = "if the RTP ports are forwarded to this host, set BEHIND_NAT=true "
                                 "EXTERNAL_IP=198.51.100.1.";
    static const enum doctor_cause causes[] = {DOCTOR_OUR_PRIVATE, DOCTOR_EXTERNAL_WRONG};
    for (int is_set = 0; is_set < 2; is_set++) {
        for (size_t i = 0; i < 2; i++) {
            struct doctor_evidence e = dead_call();
            struct doctor_finding f = {causes[i], DOCTOR_CERTAIN, 3};
            char text[512] = "";
            struct writer w = writer_of(text, sizeof text - 1);
            e.external_is_set = is_set;
            streams(&e, by_filter);
            doctor_print_cure(&e, &f, &w);
            CHECK_INT(strstr(text, "take EXTERNAL_IP out") != NULL, is_set);
            bool is_stuns = causes[i] == DOCTOR_EXTERNAL_WRONG && !is_set;
            CHECK_INT(strncmp(text, first, sizeof first - 1) == 0, !is_stuns);
            CHECK_INT(strstr(text, pasted) != NULL, !is_stuns);
            CHECK(!is_stuns || (strstr(text, "no setting") && !strstr(text, "BEHIND_NAT")));
        }
    }
}

static const char *sentence(const struct doctor_evidence *e, enum doctor_cause cause,
                            uint32_t of_streams)
{
    static char text[512];
    struct doctor_finding f = {cause, DOCTOR_CERTAIN, of_streams};
    memset(text, 0, sizeof text);
    struct writer w = writer_of(text, sizeof text - 1);
    doctor_print_sentence(e, &f, &w);
    return text;
}

/* The kernel counts for the whole host, whosever datagrams they were. */
static void test_counts_are_no_more_than_they_are(void)
{
    struct doctor_evidence e = dead_call();
    e.reassembly_failures = 7;
    CHECK(strstr(sentence(&e, DOCTOR_INVITE_FRAGMENTS, 0),
                 "fragments of 7 datagrams came, but never all of them"));
    e.no_ports = 500;
    CHECK(strstr(sentence(&e, DOCTOR_SRC_ELSEWHERE, 3),
                 "500 datagrams came to ports of this host where nobody listens"));
    e.lasted_ms = 3600 * 1000;
    CHECK(!strstr(sentence(&e, DOCTOR_SRC_ELSEWHERE, 3), "datagrams")); /* an hour's noise */
    e.lasted_ms = 0;
    e.no_ports = 1;
    CHECK(!strstr(sentence(&e, DOCTOR_SRC_ELSEWHERE, 3), "datagrams")); /* a scanner's */
}

/* What a cure names is there to be pasted. */
static void test_cures_name(void)
{
    struct doctor_finding f = {DOCTOR_REFUSED, DOCTOR_CERTAIN, 0};
    char text[512] = "";
    struct writer w = writer_of(text, sizeof text - 1);
    struct doctor_evidence e = {.refused_status = 403, .signalled = at("192.0.2.1:5060")};
    doctor_print_cure(&e, &f, &w);
    CHECK(strstr(text, "192.0.2.1 to sip.allow"));
}

/* rtp.mux_port is of no range; an SRC may have one stream there and the others in the range. */
static void test_ports_of_rules(void)
{
    static const struct {
        const char *table, *chain;
        uint16_t port[2];
        const char *want;
    } rules[] = {
        {"filter", "input", {40000, 40000}, "udp dport 40000 accept"},
        {"filter", "input", {40000, 10000}, "udp dport { 40000, 10000-20000 } accept"},
        {"filter", "INPUT", {40000, 40000}, "-p udp --dport 40000 -j ACCEPT"},
        {"filter", "INPUT", {10000, 10002}, "-p udp --dport 10000:20000 -j ACCEPT"},
        {"filter", "INPUT", {10000, 40000}, "-p udp -m multiport --dports 40000,10000:20000 -j"},
        {"firewalld", "x", {40000, 10000}, "--add-port=40000/udp --add-port=10000-20000/udp"},
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        struct doctor_evidence e = dead_call();
        struct doctor_finding f = {DOCTOR_HOST_FIREWALL, DOCTOR_CERTAIN, 3};
        char text[512] = "", cure[512] = "";
        struct writer w = writer_of(text, sizeof text - 1), c = writer_of(cure, sizeof cure - 1);
        (void)view_copy(view_of_string(rules[i].table), e.chain.table, sizeof e.chain.table);
        (void)view_copy(view_of_string(rules[i].chain), e.chain.name, sizeof e.chain.name);
        for (size_t k = 0; k < 2; k++)
            e.streams[k].bound.port = rules[i].port[k];
        doctor_print_command(&e, &f, &w);
        CHECK(strstr(text, rules[i].want));
        f.cause = DOCTOR_ROUTER_FIREWALL;
        doctor_print_cure(&e, &f, &c);
        CHECK((strstr(cure, "port 40000 of") != NULL) == (i == 0 || i == 2));
    }
}

static void test_words(void)
{
    struct doctor_evidence e = dead_call();
    bool all = true;
    for (int cause = 0; cause < DOCTOR_CAUSES; cause++) {
        char text[512], cure[512];
        struct writer w = writer_of(text, sizeof text), c = writer_of(cure, sizeof cure);
        bool of_call = cause <= DOCTOR_SIP_ALG ||
                       (cause >= DOCTOR_TURN_CREDENTIALS && cause <= DOCTOR_SYMMETRIC_NAT) ||
                       cause == DOCTOR_SRC_GONE;
        struct doctor_finding f = {(enum doctor_cause)cause, DOCTOR_CERTAIN, of_call ? 0 : 3};
        doctor_print_sentence(&e, &f, &w);
        doctor_print_cure(&e, &f, &c);
        /* One sentence: it ends once, with its last character. */
        all &= !w.failed && !c.failed && w.len > 20 && c.len > 20 && text[w.len - 1] == '.';
        for (size_t i = 0; i + 2 < w.len; i++)
            all &= !(text[i] == '.' && text[i + 1] == ' ');
    }
    CHECK(all); /* every cause has one sentence and a cure */
}

int main(void)
{
    RUN(test_nothing_known);
    RUN(test_doors);
    RUN(test_addresses);
    RUN(test_relays);
    RUN(test_src);
    RUN(test_signalling);
    RUN(test_two_at_once);
    RUN(test_beside_firewalls);
    RUN(test_behind_filters);
    RUN(test_forwarded_by_order_alone);
    RUN(test_one_of_two);
    RUN(test_no_surer_than_that);
    RUN(test_roots);
    RUN(test_stopped);
    RUN(test_closed_in_mid_call);
    RUN(test_forgotten);
    RUN(test_full_nat);
    RUN(test_moved);
    RUN(test_moved_behind_own_rules);
    RUN(test_interrupted);
    RUN(test_moved_cures);
    RUN(test_external_cures);
    RUN(test_counts_are_no_more_than_they_are);
    RUN(test_cures_name);
    RUN(test_ports_of_rules);
    RUN(test_words);
    return tap_done();
}
