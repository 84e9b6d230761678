/* test_sip_client: the engine as a client, against itself as a server over a wire with delays,
 * loss, duplicates and reordering, in simulated time; and single steps against hand-written
 * responses.
 * Not here: the server's own checks (test_sip_engine.c).
 * RFC 3261 §9.1, 12.1.2, 13.2, 17.1; RFC 3262 §4. */
#include "base/rng.h"
#include "sip_peer.h"

#define SDP "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\n"

static const struct sip_call *test_call(const struct peer *p)
{
    static struct sip_call call;
    call = (struct sip_call){.flow = p->flow,
                             .target = VIEW("sip:srs@192.0.2.10"),
                             .from = VIEW("<sip:src@198.51.100.20>"),
                             .to = VIEW("<sip:srs@192.0.2.10>"),
                             .call_id = VIEW("our-call"),
                             .headers = VIEW("Require: siprec\r\n"),
                             .content_type = VIEW("application/sdp"),
                             .body = VIEW(SDP)};
    return &call;
}

/* A response to the request in `request`: its Via, From, Call-ID and CSeq, and a To tag. */
static void respond(struct peer *p, const char *request, const char *status, const char *more)
{
    char text[8192];
    size_t n = (size_t)snprintf(text, sizeof(text), "SIP/2.0 %s\r\n", status);
    struct sip_message *m = sip_message_parse(view_of_string(request), SIP_MESSAGE_DATAGRAM);
    struct sip_header at = {0};
    while (sip_message_header_next(m, &at)) {
        if (view_equal(at.name, VIEW_LIT("Via")) || view_equal(at.name, VIEW_LIT("From")) ||
            view_equal(at.name, VIEW_LIT("Call-ID")) || view_equal(at.name, VIEW_LIT("CSeq")))
            n += (size_t)snprintf(text + n, sizeof(text) - n, VIEW_FMT "\r\n", VIEW_ARG(at.raw));
    }
    n += (size_t)snprintf(text + n, sizeof(text) - n, "To: " VIEW_FMT "%s\r\n%s", VIEW_ARG(m->to),
                          m->to_tag.len > 0 ? "" : ";tag=far",
                          *more ? more : "Content-Length: 0\r\n\r\n");
    sip_message_release(m);
    sip_input_datagram(p->sip, p->now, &p->flow, view_of(text, n), false);
    peer_pull(p);
}

static void test_invite_and_ack(void)
{
    struct peer *p = peer_create();
    uint64_t id = sip_invite(p->sip, p->now, test_call(p));
    CHECK(id != 0);
    peer_pull(p);
    CHECK(sent_has(p, "INVITE sip:srs@192.0.2.10 SIP/2.0\r\n"));
    CHECK(sent_has(p, "Via: SIP/2.0/UDP 198.51.100.20:5060;branch=z9hG4bK"));
    CHECK(sent_has(p, ";rport\r\nMax-Forwards: 70\r\n"));
    char invite[4096];
    snprintf(invite, sizeof(invite), "%.4000s", p->sent);
    peer_at(p, 499);
    CHECK_INT(p->sent_count, 0);
    peer_at(p, 500);
    CHECK_INT(p->sent_count, 1);
    respond(p, invite, "180 Ringing", "");
    CHECK_INT(p->events[0].kind, SIP_EVENT_PROVISIONAL);
    peer_at(p, 1500);
    CHECK_INT(p->sent_count, 0);
    static const char ok[] =
        "Contact: <sip:srs@192.0.2.10:5080>\r\n"
        "Record-Route: <sip:192.0.2.1;lr>\r\nRecord-Route: <sip:192.0.2.2;lr>\r\n"
        "Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n";
    respond(p, invite, "200 OK", ok);
    CHECK_INT(p->events[0].kind, SIP_EVENT_RESPONSE);
    CHECK_INT(p->events[0].status, 200);
    CHECK_INT(p->events[0].dialog, id);
    CHECK(sent_has(p, "ACK sip:srs@192.0.2.10:5080 SIP/2.0\r\n"));
    /* §12.1.2: the route set is turned around */
    CHECK(sent_has(p, "Route: <sip:192.0.2.2;lr>\r\nRoute: <sip:192.0.2.1;lr>\r\n"));
    CHECK_TEXT(addr_print(&p->sent_flow.peer).s, "192.0.2.2:5060");
    respond(p, invite, "200 OK", ok);
    CHECK_INT(p->event_count, 0);
    CHECK(sent_has(p, "ACK sip:srs@192.0.2.10:5080 SIP/2.0\r\n"));
    sip_bye(p->sip, p->now, id, VIEW_NONE);
    peer_pull(p);
    CHECK(sent_has(p, "BYE sip:srs@192.0.2.10:5080 SIP/2.0\r\n"));
    char bye[4096];
    snprintf(bye, sizeof(bye), "%.4000s", p->sent);
    respond(p, bye, "200 OK", "");
    CHECK_INT(p->events[0].kind, SIP_EVENT_ENDED);
    CHECK_INT(p->events[0].end, SIP_END_OUR_BYE);
    peer_destroy(p);
}

/* §17.1.1.3: the ACK of a failure has the INVITE's branch and the response's To. */
static void test_invite_refused(void)
{
    struct peer *p = peer_create();
    CHECK(sip_invite(p->sip, p->now, test_call(p)) != 0);
    peer_pull(p);
    char invite[4096], branch[64];
    snprintf(invite, sizeof(invite), "%.4000s", p->sent);
    snprintf(branch, sizeof(branch), "%.31s", strstr(invite, "z9hG4bK"));
    branch[strcspn(branch, ";")] = '\0';
    respond(p, invite, "503 No", "");
    CHECK(sent_has(p, "ACK sip:srs@192.0.2.10 SIP/2.0\r\n"));
    CHECK(sent_has(p, branch));
    CHECK(sent_has(p, ";tag=far\r\n"));
    CHECK_INT(p->events[0].kind, SIP_EVENT_RESPONSE);
    CHECK_INT(p->events[1].end, SIP_END_REFUSED);
    CHECK_INT(p->events[1].status, 503);
    respond(p, invite, "503 No", "");
    CHECK(sent_has(p, "ACK "));
    CHECK_INT(p->event_count, 0);
    peer_destroy(p);
}

/* Our address is another one while a request is out: it is repeated from there at once, the same
 * request, and goes on being repeated from there. */
static void test_a_request_moves_with_us(void)
{
    struct peer *p = peer_create();
    uint64_t id = sip_invite(p->sip, p->now, test_call(p));
    peer_pull(p);
    char invite[4096];
    snprintf(invite, sizeof(invite), "%.4000s", p->sent);
    struct sip_flow there = {.listener = 3,
                             .local = addr_v4(198, 51, 100, 99, 5070),
                             .advertised = addr_v4(198, 51, 100, 99, 5070)};
    peer_at(p, 700);
    sip_relocate(p->sip, p->now, id, &there);
    peer_pull(p);
    CHECK_INT(p->sent_count, 1);
    CHECK_TEXT(addr_print(&p->sent_flow.local).s, "198.51.100.99:5070");
    CHECK_INT(p->sent_flow.listener, 3);
    CHECK(strcmp(p->sent, invite) == 0);
    sip_relocate(p->sip, p->now, id, &there); /* nothing new */
    peer_pull(p);
    CHECK_INT(p->sent_count, 0);
    peer_at(p, 1700);
    CHECK_INT(p->sent_count, 1);
    CHECK_TEXT(addr_print(&p->sent_flow.local).s, "198.51.100.99:5070");
    peer_destroy(p);
}

static void test_no_answer(void)
{
    struct peer *p = peer_create();
    CHECK(sip_invite(p->sip, p->now, test_call(p)) != 0);
    peer_at(p, 31999);
    CHECK_INT(p->event_count, 0);
    peer_at(p, 32000);
    CHECK_INT(p->events[0].status, 408);
    CHECK(p->events[0].message == NULL);
    CHECK_INT(p->events[1].end, SIP_END_NO_ANSWER);
    peer_destroy(p);
}

/* §9.1: CANCEL only after a provisional response. */
static void test_cancel(void)
{
    struct peer *p = peer_create();
    uint64_t id = sip_invite(p->sip, p->now, test_call(p));
    peer_pull(p);
    char invite[4096];
    snprintf(invite, sizeof(invite), "%.4000s", p->sent);
    sip_cancel(p->sip, p->now, id);
    peer_pull(p);
    CHECK_INT(p->sent_count, 0);
    respond(p, invite, "100 Trying", "");
    CHECK(sent_has(p, "CANCEL sip:srs@192.0.2.10 SIP/2.0\r\n"));
    CHECK(sent_has(p, "CANCEL\r\n"));
    char cancel[4096];
    snprintf(cancel, sizeof(cancel), "%.4000s", p->sent);
    respond(p, cancel, "200 OK", "");
    respond(p, invite, "487 Terminated", "");
    CHECK_INT(p->events[1].kind, SIP_EVENT_ENDED);
    CHECK_INT(p->events[1].end, SIP_END_CANCELLED);
    peer_destroy(p);

    /* the 2xx was faster: ACK and BYE */
    p = peer_create();
    id = sip_invite(p->sip, p->now, test_call(p));
    peer_pull(p);
    snprintf(invite, sizeof(invite), "%.4000s", p->sent);
    sip_cancel(p->sip, p->now, id);
    respond(p, invite, "200 OK", "Contact: <sip:x@192.0.2.10>\r\nContent-Length: 0\r\n\r\n");
    CHECK_INT(p->sent_count, 2);
    CHECK(sent_has(p, "BYE sip:x@192.0.2.10 SIP/2.0\r\n"));
    peer_destroy(p);
}

static void test_prack(void)
{
    struct peer *p = peer_create();
    CHECK(sip_invite(p->sip, p->now, test_call(p)) != 0);
    peer_pull(p);
    char invite[4096];
    snprintf(invite, sizeof(invite), "%.4000s", p->sent);
    unsigned cseq = (unsigned)strtoul(strstr(invite, "CSeq: ") + 6, NULL, 10);
    char rack[64];
    static const char early[] =
        "Require: 100rel\r\nRSeq: 77\r\nContact: <sip:x@192.0.2.10>\r\nContent-Length: 0\r\n\r\n";
    respond(p, invite, "183 Progress", early);
    CHECK(sent_has(p, "PRACK sip:x@192.0.2.10 SIP/2.0\r\n"));
    snprintf(rack, sizeof(rack), "RAck: 77 %u INVITE\r\n", cseq);
    CHECK(sent_has(p, rack));
    respond(p, invite, "183 Progress", early);
    CHECK_INT(p->sent_count, 0);
    CHECK_INT(p->event_count, 0);
    peer_destroy(p);
}

/* §13.2.2.4: an offer in the 2xx is answered in the ACK. */
static void test_offerless(void)
{
    struct peer *p = peer_create();
    struct sip_call call = *test_call(p);
    call.body = call.content_type = VIEW_NONE;
    uint64_t id = sip_invite(p->sip, p->now, &call);
    peer_pull(p);
    char invite[4096];
    snprintf(invite, sizeof(invite), "%.4000s", p->sent);
    respond(p, invite, "200 OK",
            "Contact: <sip:x@192.0.2.10>\r\nContent-Type: application/sdp\r\nContent-Length: "
            "5\r\n\r\nv=0\r\n");
    CHECK_INT(p->sent_count, 0);
    CHECK(sip_ack(p->sip, p->now, id, VIEW_LIT("application/sdp"), VIEW_LIT(SDP)));
    peer_pull(p);
    CHECK(sent_has(p, "ACK sip:x@192.0.2.10 SIP/2.0\r\n"));
    CHECK(sent_has(p, "\r\n\r\n" SDP));
    CHECK(!sip_ack(p->sip, p->now, id, VIEW_NONE, VIEW_NONE));
    peer_destroy(p);
}

static void test_ask(void)
{
    struct peer *p = peer_create();
    struct sip_call call = *test_call(p);
    call.body = call.content_type = VIEW_NONE;
    uint64_t id = sip_ask(p->sip, p->now, &call, SIP_METHOD_OPTIONS);
    peer_pull(p);
    char request[4096];
    snprintf(request, sizeof(request), "%.4000s", p->sent);
    CHECK(sent_has(p, "OPTIONS sip:srs@192.0.2.10 SIP/2.0\r\n"));
    respond(p, request, "200 OK", "");
    CHECK_INT(p->events[0].request, id);
    CHECK_INT(p->events[0].status, 200);
    peer_destroy(p);
}

static void test_unreachable(void)
{
    struct peer *p = peer_create();
    p->flow.protocol = SIP_PROTOCOL_TCP;
    CHECK(sip_invite(p->sip, p->now, test_call(p)) != 0);
    peer_pull(p);
    CHECK_INT(p->sent_flow.id, 0);
    sip_flow_closed(p->sip, p->now, &p->sent_flow);
    peer_pull(p);
    CHECK_INT(p->events[0].status, 503);
    CHECK_INT(p->events[1].kind, SIP_EVENT_ENDED);
    peer_destroy(p);
}

/* §12.2.1.2 */
static void test_gone(void)
{
    struct peer *p = peer_create();
    uint64_t id = sip_invite(p->sip, p->now, test_call(p));
    peer_pull(p);
    char text[4096];
    snprintf(text, sizeof(text), "%.4000s", p->sent);
    respond(p, text, "200 OK", "Contact: <sip:x@192.0.2.10>\r\nContent-Length: 0\r\n\r\n");
    struct sip_request update = {.method = SIP_METHOD_UPDATE};
    CHECK(sip_request(p->sip, p->now, id, &update) != 0);
    CHECK_INT(sip_request(p->sip, p->now, id, &update), 0);
    peer_pull(p);
    snprintf(text, sizeof(text), "%.4000s", p->sent);
    respond(p, text, "481 Gone", "");
    CHECK_INT(p->events[0].status, 481);
    CHECK_INT(p->events[1].end, SIP_END_GONE);
    peer_destroy(p);
}

/* Two engines and a bad network. */
struct link_packet {
    struct tick at;
    int to;
    size_t len;
    char bytes[2400];
};

struct world {
    struct rng rng;
    struct tick now;
    struct sip *ends[2]; /* 0 calls, 1 answers */
    struct sip_flow flows[2];
    struct link_packet packets[256];
    double loss;
    uint64_t dialogs[2];
    bool confirmed, acked, refreshed, ended[2];
    enum sip_end end[2];
};

static void transmit(struct world *w, int from, struct view bytes)
{
    int copies = rng_chance(&w->rng, 0.1) ? 2 : 1;
    for (int c = 0; c < copies; c++) {
        if (rng_chance(&w->rng, w->loss))
            continue;
        for (size_t i = 0; i < 256; i++)
            if (w->packets[i].len == 0) {
                struct link_packet *packet = &w->packets[i];
                packet->at = tick_add_ms(w->now, 5 + rng_below(&w->rng, 300));
                packet->to = 1 - from;
                packet->len = bytes.len;
                memcpy(packet->bytes, bytes.at, bytes.len);
                break;
            }
    }
}

static void handle(struct world *w, int end, const struct sip_event *e)
{
    struct sip_answer ok = {
        .status = 200, .content_type = VIEW("application/sdp"), .body = VIEW(SDP)};
    if (e->kind == SIP_EVENT_INVITE)
        w->dialogs[end] = e->dialog;
    if (e->request && (e->kind == SIP_EVENT_INVITE || e->kind == SIP_EVENT_REINVITE))
        (void)sip_answer(w->ends[end], w->now, e->request, &ok);
    if (e->kind == SIP_EVENT_ACK)
        w->acked = true;
    if (e->kind == SIP_EVENT_RESPONSE && e->method == SIP_METHOD_INVITE && e->status == 200) {
        w->refreshed = w->confirmed;
        w->confirmed = true;
    }
    if (e->kind == SIP_EVENT_ENDED) {
        w->ended[end] = true;
        w->end[end] = e->end;
    }
}

static void drain(struct world *w)
{
    struct sip_event e;
    struct sip_output out;
    for (int i = 0; i < 2; i++) {
        while (sip_event(w->ends[i], &e))
            handle(w, i, &e);
        while (sip_output(w->ends[i], &out))
            transmit(w, i, out.bytes);
    }
}

/* One step to the next thing that happens; false: nothing will. */
static bool advance(struct world *w)
{
    struct tick next = tick_min(sip_deadline(w->ends[0]), sip_deadline(w->ends[1]));
    for (size_t i = 0; i < 256; i++)
        if (w->packets[i].len > 0)
            next = tick_min(next, w->packets[i].at);
    if (tick_is_never(next))
        return false;
    w->now = next;
    for (size_t i = 0; i < 256; i++) {
        struct link_packet *packet = &w->packets[i];
        if (packet->len == 0 || !tick_due(packet->at, w->now))
            continue;
        sip_input_datagram(w->ends[packet->to], w->now, &w->flows[packet->to],
                           view_of(packet->bytes, packet->len), false);
        packet->len = 0;
        drain(w);
    }
    sip_expire(w->ends[0], w->now);
    sip_expire(w->ends[1], w->now);
    drain(w);
    return true;
}

static void run_until(struct world *w, const bool *what, int64_t at_most_ms)
{
    struct tick end = tick_add_ms(w->now, at_most_ms);
    while (!*what && tick_before(w->now, end) && advance(w))
        continue;
}

static void play(uint64_t seed, double loss)
{
    static struct world w;
    w = (struct world){.now = at_ms(0), .loss = loss};
    rng_init_number(&w.rng, seed);
    struct addr a = addr_v4(192, 0, 2, 10, 5060), b = addr_v4(198, 51, 100, 20, 5060);
    for (int i = 0; i < 2; i++) {
        struct sip_config config = peer_config((uint8_t)(seed * 2 + (unsigned)i));
        config.contact_params = i ? VIEW_LIT(";+sip.srs") : VIEW_LIT(";+sip.src");
        w.ends[i] = sip_create(&config);
        w.flows[i] = (struct sip_flow){
            .listener = 1, .local = i ? b : a, .advertised = i ? b : a, .peer = i ? a : b};
    }
    struct sip_call call = {.flow = w.flows[0],
                            .target = VIEW("sip:198.51.100.20:5060"),
                            .from = VIEW("<sip:src@192.0.2.10>"),
                            .to = VIEW("<sip:srs@198.51.100.20>"),
                            .content_type = VIEW("application/sdp"),
                            .body = VIEW(SDP)};
    struct sip_request again = {
        .method = SIP_METHOD_INVITE, .content_type = VIEW("application/sdp"), .body = VIEW(SDP)};
    w.dialogs[0] = sip_invite(w.ends[0], w.now, &call);
    drain(&w);
    run_until(&w, &w.acked, 60000);
    CHECK(w.confirmed && w.acked);
    w.acked = false;
    CHECK(sip_request(w.ends[0], w.now, w.dialogs[0], &again) != 0);
    drain(&w);
    run_until(&w, &w.acked, 60000);
    CHECK(w.refreshed && w.acked);
    sip_bye(w.ends[seed % 2], w.now, w.dialogs[seed % 2], VIEW_NONE);
    drain(&w);
    while (advance(&w))
        continue;
    CHECK(w.ended[0] && w.ended[1]);
    for (int i = 0; i < 2; i++) {
        CHECK_INT(w.end[i], (int)(seed % 2) == i ? SIP_END_OUR_BYE : SIP_END_PEER_BYE);
        CHECK_INT(sip_dialog_count(w.ends[i]), 0);
        sip_destroy(w.ends[i]);
    }
}

static void test_lossy_link(void)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        int before = tap_failed_checks;
        play(seed, 0.2);
        if (tap_failed_checks != before)
            printf("# seed %" PRIu64 "\n", seed);
    }
}

int main(void)
{
    RUN(test_invite_and_ack);
    RUN(test_invite_refused);
    RUN(test_a_request_moves_with_us);
    RUN(test_no_answer);
    RUN(test_cancel);
    RUN(test_prack);
    RUN(test_offerless);
    RUN(test_ask);
    RUN(test_unreachable);
    RUN(test_gone);
    RUN(test_lossy_link);
    return tap_done();
}
