/* test_sip_keepalive: calls of an hour over UDP through the NAT of the caller, which forgets after 30 s
 * without a packet from inside: what we ask an hour later arrives. And who is left in peace.
 * Not here: flows that we registered over (test_sip_register.c).
 * RFC 4787 REQ-5, REQ-6; RFC 6223; RFC 3261 §11. */
#include "sip_peer.h"

enum { NAT_FORGETS_MS = 30000, HOUR_MS = 3600000 };

/* The caller behind its NAT. */
struct inside {
    struct peer *p;
    char tag[64];
    unsigned number; /* of its call */
    uint64_t dialog;
    int64_t left_ms; /* its last packet */
    int asked, blank, lost;
    bool mute; /* it answers no OPTIONS */
};

static void send_within(struct inside *in, const char *method, unsigned cseq, const char *via)
{
    char text[2048];
    snprintf(text, sizeof text,
             "%s sip:b@198.51.100.20 SIP/2.0\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s%u\n"
             "From: <sip:a@example.com>;tag=a1\nTo: <sip:b@example.com>%s%s\nCall-ID: d%u\n"
             "CSeq: %u %s\nContact: <sip:a@192.168.1.5:5060>\n%s",
             method, via, method, in->number, in->tag[0] ? ";tag=" : "", in->tag, in->number, cseq,
             method,
             strcmp(method, "INVITE")
                 ? "Content-Length: 0\n\n"
                 : "Content-Type: application/sdp\nContent-Length: 5\n\nv=0\r\n");
    peer_input(in->p, text);
}

static struct inside call(struct peer *p, unsigned number, const char *via)
{
    static const struct sip_answer ok = {
        .status = 200, .content_type = VIEW("application/sdp"), .body = VIEW("v=0\r\n")};
    struct inside in = {.p = p, .number = number};
    send_within(&in, "INVITE", 1, via);
    CHECK(sip_answer(p->sip, p->now, p->events[0].request, &ok));
    in.dialog = p->events[0].dialog;
    peer_pull(p);
    snprintf(in.tag, sizeof in.tag, "%s", sent_to_tag(p));
    return in;
}

static void respond(struct inside *in, const char *status)
{
    char text[4096];
    size_t n = (size_t)snprintf(text, sizeof text, "SIP/2.0 %s\r\n", status);
    struct sip_message *m =
        sip_message_parse(view_of(in->p->sent, in->p->sent_len), SIP_MESSAGE_DATAGRAM);
    static const struct view copied[] = {VIEW("Via"), VIEW("From"), VIEW("To"), VIEW("Call-ID"),
                                         VIEW("CSeq")};
    for (size_t i = 0; i < 5; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, VIEW_FMT ": " VIEW_FMT "\r\n",
                              VIEW_ARG(copied[i]), VIEW_ARG(sip_message_header(m, copied[i])));
    n += (size_t)snprintf(text + n, sizeof text - n, "Content-Length: 0\r\n\r\n");
    sip_message_release(m);
    sip_input_datagram(in->p->sip, in->p->now, &in->p->flow, view_of(text, n), false);
    peer_pull(in->p);
}

/* What we sent reaches the caller as long as its NAT has the mapping. */
static void deliver(struct inside *in, int64_t ms)
{
    struct peer *p = in->p;
    if (p->sent_count == 0)
        return;
    CHECK(addr_equal(&p->sent_flow.peer, &p->flow.peer));
    CHECK_INT(p->trace_count + p->event_count, 0); /* no news for the user, nor for the journal */
    if (ms - in->left_ms > NAT_FORGETS_MS) {
        in->lost++;
    } else if (p->sent_len == 4) {
        in->blank++;
        in->left_ms = ms; /* a NAT that what comes in refreshes, too */
    } else {
        in->asked += strncmp(p->sent, "OPTIONS ", 8) == 0;
        if (!in->mute) {
            in->left_ms = ms;
            respond(in, "200 OK");
        }
    }
}

static void pass_an_hour(struct inside *in, int64_t from_ms)
{
    for (int64_t ms = from_ms; ms <= from_ms + HOUR_MS; ms += 100) {
        peer_at(in->p, ms);
        deliver(in, ms);
    }
}

static struct peer *nated(void)
{
    struct peer *p = peer_create();
    p->flow.peer = addr_v4(192, 0, 2, 10, 31044);
    return p;
}

static void test_a_reinvite_after_an_hour(void)
{
    struct peer *p = nated();
    struct inside in = call(p, 1, "192.168.1.5:5060;rport");
    struct sip_request again = {.method = SIP_METHOD_INVITE,
                                .content_type = VIEW("application/sdp"),
                                .body = VIEW("v=0\r\n")};
    send_within(&in, "ACK", 1, "192.168.1.5:5060;rport");
    pass_an_hour(&in, 0);
    CHECK_INT(in.lost, 0);
    /* 20 to 25 s each: not more than it takes. */
    CHECK(in.asked >= HOUR_MS / 25000 - 1 && in.asked <= HOUR_MS / 20000);
    CHECK(sip_request(p->sip, p->now, in.dialog, &again) != 0);
    peer_pull(p);
    CHECK(sent_has(p, "INVITE sip:a@192.168.1.5:5060 SIP/2.0\r\n"));
    CHECK(addr_equal(&p->sent_flow.peer, &p->flow.peer));
    peer_destroy(p);
}

/* Its NAT gave it another port meanwhile: what it answers from leads back. */
static void test_the_flow_follows_its_answers(void)
{
    struct peer *p = nated();
    struct inside in = call(p, 1, "192.168.1.5:5060;rport");
    send_within(&in, "ACK", 1, "192.168.1.5:5060;rport");
    for (int64_t ms = 0; ms < 26000 && p->sent_count == 0; ms += 100)
        peer_at(p, ms);
    CHECK(sent_has(p, "OPTIONS sip:a@192.168.1.5:5060 SIP/2.0\r\n"));
    p->flow.peer.port = 31999;
    respond(&in, "404 Not Found"); /* whatever it says */
    sip_bye(p->sip, p->now, in.dialog, VIEW_NONE);
    peer_pull(p);
    CHECK(sent_has(p, "BYE "));
    CHECK_INT(p->sent_flow.peer.port, 31999);
    peer_destroy(p);
}

/* No answer, and a 481 of those who know no OPTIONS within dialogs, end no call. */
static void test_nobody_is_hung_up_on(void)
{
    struct peer *p = nated();
    struct inside in = call(p, 1, "192.168.1.5:5060;rport");
    in.mute = true;
    send_within(&in, "ACK", 1, "192.168.1.5:5060;rport");
    for (int64_t ms = 0; ms < 300000; ms += 100) {
        peer_at(p, ms);
        deliver(&in, 0);
    }
    CHECK(in.blank >= 8);
    CHECK_INT(sip_dialog_count(p->sip), 1);
    peer_destroy(p);
    p = nated();
    in = call(p, 1, "192.168.1.5:5060;rport");
    send_within(&in, "ACK", 1, "192.168.1.5:5060;rport");
    for (int64_t ms = 0; ms < 60000; ms += 100) {
        peer_at(p, ms);
        if (p->sent_count > 0)
            respond(&in, "481 Call/Transaction Does Not Exist");
    }
    CHECK_INT(sip_dialog_count(p->sip), 1);
    peer_destroy(p);
}

static int asked_within(struct inside *in, int64_t ms)
{
    int asked = 0;
    for (int64_t at = 0; at <= ms; at += 100) {
        peer_at(in->p, at);
        for (; in->p->sent_count > 0; asked++)
            respond(in, "200 OK");
    }
    return asked;
}

/* RFC 6223 §4.3: its offer to send keepalives is taken, and we send none. */
static void test_who_keeps_its_flow_itself(void)
{
    struct peer *p = nated();
    struct inside in = call(p, 1, "192.168.1.5:5060;rport;keep");
    CHECK(sent_has(p, ";keep=25;"));
    send_within(&in, "ACK", 1, "192.168.1.5:5060;rport");
    CHECK_INT(asked_within(&in, 120000), 0);
    peer_destroy(p);
}

static void test_who_needs_none(void)
{
    struct peer *p = peer_create(); /* sent-by is where it sends from */
    struct inside in = call(p, 1, "192.0.2.10:5060;rport");
    send_within(&in, "ACK", 1, "192.0.2.10:5060;rport");
    CHECK_INT(asked_within(&in, 120000), 0);
    peer_destroy(p);
}

/* Ten calls of one SBC share a mapping: one of them is asked at a time. */
static void test_many_calls_over_one_flow(void)
{
    struct peer *p = nated();
    struct inside in[8];
    for (unsigned i = 0; i < 8; i++) {
        in[i] = call(p, i + 1, "192.168.1.5:5060;rport");
        send_within(&in[i], "ACK", 1, "192.168.1.5:5060;rport");
    }
    int asked = asked_within(&in[0], 600000);
    CHECK(asked >= 600000 / 25000 - 1 && asked <= 600000 / 20000 + 1);
    peer_destroy(p);
}

int main(void)
{
    RUN(test_a_reinvite_after_an_hour);
    RUN(test_the_flow_follows_its_answers);
    RUN(test_nobody_is_hung_up_on);
    RUN(test_who_keeps_its_flow_itself);
    RUN(test_who_needs_none);
    RUN(test_many_calls_over_one_flow);
    return tap_done();
}
