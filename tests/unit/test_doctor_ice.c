/* Tests of the doctor's rules for SRCs that speak ICE: what our checks open, and what they leave shut. */
#include <string.h>

#include "doctor_fixture.h"

static void by_ice(struct doctor_stream *s)
{
    s->path = PATH_BEST_EFFORT;
    s->is_ice = true;
}

/* Our checks open our NAT, so that an SRC in the open is reached through a symmetric one, too: that there
 * is no relay is no certain cause, and hides no other. */
static void test_relays_under_ice(void)
{
    static const struct {
        enum doctor_relay relay;
        enum doctor_cause cause;
    } cases[] = {{DOCTOR_RELAY_NONE, DOCTOR_SYMMETRIC_NAT},
                 {DOCTOR_RELAY_REFUSED, DOCTOR_TURN_CREDENTIALS},
                 {DOCTOR_RELAY_SILENT, DOCTOR_TURN_DOWN},
                 {DOCTOR_RELAY_FAILED, DOCTOR_TURN_DOWN}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct doctor_evidence e = dead_call();
        char text[400] = "", how[400] = "";
        struct writer w = writer_of(text, sizeof text - 1), h = writer_of(how, sizeof how - 1);
        struct doctor_diagnosis d;
        e.behaviour.mapping = NAT_MAPPING_ADDRESS_PORT;
        e.behaviour.filtering = NAT_FILTERING_ADDRESS_PORT;
        e.behaviour.scope = NAT_SCOPE_MAPPING;
        e.relay = cases[i].relay;
        streams(&e, by_ice);
        CHECK(is_among(&e, cases[i].cause) && is_among(&e, DOCTOR_SRC_SILENT));
        CHECK_INT(certainty_of(&e, cases[i].cause), DOCTOR_POSSIBLE);
        doctor_diagnose(&e, &d);
        doctor_print_decision(&e, &d, &w, &h);
        CHECK(!strstr(text, "ip[6:2]"));                            /* the INVITE has come */
        e.streams[0].offered = at("192.168.1.7:4000");              /* behind a NAT of its own */
        CHECK_INT(certainty_of(&e, cases[i].cause), DOCTOR_LIKELY); /* if its own is symmetric */
        CHECK(is_among(&e, DOCTOR_SRC_SILENT));                     /* it may send no checks */
        streams(&e, by_filter);                                     /* a pair was chosen */
        CHECK(!has(&e, cases[i].cause));
    }
}

/* No UDP gets out, of the checks neither: the relay by TCP would have been the way. */
static void test_without_udp(void)
{
    struct doctor_evidence e = dead_call();
    e.stun_is_silent = true;
    e.behind_nat = PATH_UNKNOWN;
    e.relay = DOCTOR_RELAY_REFUSED;
    streams(&e, by_ice);
    streams(&e, go_private);
    CHECK(!is_alone(&e, DOCTOR_TURN_CREDENTIALS)); /* the STUN servers may be gone */
    e.stun_by_tcp = PATH_YES;
    CHECK(has_both(&e, DOCTOR_TURN_CREDENTIALS, DOCTOR_UDP_BLOCKED));
    e.relay = DOCTOR_RELAY_NONE;
    CHECK(is_alone(&e, DOCTOR_UDP_BLOCKED));
}

/* In the open or where the settings call ports forwarded, with nothing chosen yet; the host's own rules let it in, and a
 * stranger's datagram does not arrive. */
static struct doctor_evidence closed_call(bool is_behind_nat)
{
    struct doctor_evidence e = dead_call();
    e.ordered = e.external;
    e.external_is_set = is_behind_nat;
    if (!is_behind_nat) {
        e.behind_nat = PATH_NO;
        streams(&e, go_direct);
    }
    streams(&e, by_ice);
    streams(&e, lets_in);
    streams(&e, probe_no);
    return e;
}

static void go_unforeseeable(struct doctor_stream *s)
{
    s->offered = at("192.168.1.7:4000");
}

/* A firewall that lets nothing in is the cause; one that lets answers in keeps out an SRC behind a NAT, whose port nobody
 * knew, and of one in the open, to which we have sent, it says little. */
static void test_closed_doors(void)
{
    static const enum doctor_cause causes[] = {DOCTOR_ROUTER_FIREWALL, DOCTOR_NOT_FORWARDED};
    for (int is_behind_nat = 0; is_behind_nat < 2; is_behind_nat++) {
        enum doctor_cause cause = causes[is_behind_nat];
        struct doctor_evidence e = closed_call(is_behind_nat);
        CHECK(is_among(&e, cause) && is_among(&e, DOCTOR_SRC_SILENT));
        CHECK_INT(certainty_of(&e, cause), DOCTOR_LIKELY); /* answers were not looked at */
        streams(&e, answers_yes);
        CHECK_INT(certainty_of(&e, cause), DOCTOR_POSSIBLE);
        CHECK_INT(certainty_of(&e, DOCTOR_SRC_SILENT), DOCTOR_LIKELY);
        streams(&e, go_unforeseeable);
        CHECK(is_alone(&e, cause));
        e = closed_call(is_behind_nat);
        streams(&e, answers_no);
        /* A NAT gives its port to whom it has refused there, and our datagram another. */
        CHECK_INT(is_alone(&e, cause), !is_behind_nat);
        CHECK(is_behind_nat == is_among(&e, cause));
    }
}

static void punched(struct doctor_stream *s)
{
    s->is_punched = true;
}

/* Without ICE we have sent there, too: where its SIP comes from, or may be sent to. */
static void test_without_ice(void)
{
    struct doctor_evidence e = closed_call(false);
    for (size_t i = 0; i < e.stream_count; i++)
        e.streams[i].is_ice = false;
    streams(&e, go_direct);
    CHECK(is_among(&e, DOCTOR_ROUTER_FIREWALL) && is_among(&e, DOCTOR_SRC_SILENT));
    streams(&e, answers_yes);
    CHECK_INT(certainty_of(&e, DOCTOR_ROUTER_FIREWALL), DOCTOR_POSSIBLE);
    CHECK_INT(certainty_of(&e, DOCTOR_SRC_SILENT), DOCTOR_LIKELY);
    streams(&e, says_it_sends); /* and from where we have sent to it would be let in */
    CHECK_INT(certainty_of(&e, DOCTOR_ROUTER_FIREWALL), DOCTOR_LIKELY);
    CHECK(is_among(&e, DOCTOR_SRC_ELSEWHERE));
    e.signalled = at("192.0.2.77:5060"); /* another host's media: it got nothing */
    CHECK(is_alone(&e, DOCTOR_ROUTER_FIREWALL));
    streams(&e, punched);
    CHECK(is_among(&e, DOCTOR_ROUTER_FIREWALL));
    streams(&e, answers_no);
    CHECK(is_alone(&e, DOCTOR_ROUTER_FIREWALL));
}

/* This host's rules drop the checks as they drop all else; where they let answers in, those of an SRC behind a NAT alone. */
static void test_own_firewall(void)
{
    struct doctor_evidence e = closed_call(false);
    streams(&e, drops);
    CHECK(is_alone(&e, DOCTOR_HOST_FIREWALL));
    e.streams[0].lets_answers_in = e.streams[1].lets_answers_in = true;
    CHECK(is_among(&e, DOCTOR_HOST_FIREWALL) && is_among(&e, DOCTOR_SRC_SILENT));
    streams(&e, go_unforeseeable);
    CHECK(is_alone(&e, DOCTOR_HOST_FIREWALL));
}

int main(void)
{
    RUN(test_relays_under_ice);
    RUN(test_without_udp);
    RUN(test_closed_doors);
    RUN(test_without_ice);
    RUN(test_own_firewall);
    return tap_done();
}
