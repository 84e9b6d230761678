/* test_sip_refresh: what happens inside a standing dialog: refreshes, refusals by the user, our own
 * requests and their answers, PRACK with a body, CANCEL of a re-INVITE, and calls refused before
 * they stand.
 * Not here: the first steps of a call (test_sip_engine.c), routing (test_sip_dialog.c).
 * RFC 3261 §12.2, 14; RFC 3262 §5; RFC 3311; RFC 4028 §7, 9; RFC 6141. */
#include "sip_peer.h"

static char tag[64];

static void within(struct peer *p, const char *method, unsigned cseq, const char *branch,
                   const char *more)
{
    char text[4096];
    snprintf(text, sizeof(text),
             "%s sip:b@example.com SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK%s\n"
             "From: <sip:a@example.com>;tag=a1\nTo: <sip:b@example.com>%s%s\nCall-ID: d1\nCSeq: %u "
             "%s\n%s",
             method, branch, tag[0] ? ";tag=" : "", tag, cseq, method,
             *more ? more : "Content-Length: 0\n\n");
    peer_input(p, text);
}

#define OFFER "Content-Type: application/sdp\nContent-Length: 5\n\nv=0\r\n"

static const struct sip_answer with_sdp = {
    .status = 200, .content_type = VIEW("application/sdp"), .body = VIEW("v=0\r\n")};

/* An acknowledged call; more: header lines of the INVITE. */
static struct peer *standing(const char *more)
{
    struct peer *p = peer_create();
    char lines[1024];
    tag[0] = '\0';
    snprintf(lines, sizeof(lines), "Contact: <sip:a@192.0.2.10>\n%s" OFFER, more);
    within(p, "INVITE", 1, "inv", lines);
    CHECK(sip_answer(p->sip, p->now, p->events[0].request, &with_sdp));
    peer_pull(p);
    snprintf(tag, sizeof(tag), "%s", sent_to_tag(p));
    within(p, "ACK", 1, "ack", "");
    CHECK(has_event(p, SIP_EVENT_ACK));
    return p;
}

/* Answers the request we sent last. */
static void respond(struct peer *p, const char *status, const char *more)
{
    char text[8192];
    size_t n = (size_t)snprintf(text, sizeof(text), "SIP/2.0 %s\r\n", status);
    struct sip_message *m = sip_message_parse(view_of(p->sent, p->sent_len), SIP_MESSAGE_DATAGRAM);
    static const struct view copied[] = {VIEW("Via"), VIEW("From"), VIEW("To"), VIEW("Call-ID"),
                                         VIEW("CSeq")};
    for (size_t i = 0; i < 5; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, VIEW_FMT ": " VIEW_FMT "\r\n",
                              VIEW_ARG(copied[i]), VIEW_ARG(sip_message_header(m, copied[i])));
    n += (size_t)snprintf(text + n, sizeof(text) - n, "%sContent-Length: 0\r\n\r\n", more);
    sip_message_release(m);
    sip_input_datagram(p->sip, p->now, &p->flow, view_of(text, n), false);
    peer_pull(p);
}

/* RFC 4028 §10: an answered refresh starts the interval anew. */
static void test_refresh_answered(void)
{
    struct peer *p = standing("Supported: timer\nSession-Expires: 100;refresher=uas\n");
    peer_at(p, 50000);
    CHECK(sent_has(p, "UPDATE sip:a@192.0.2.10 SIP/2.0\r\n"));
    respond(p, "200 OK", "Session-Expires: 100;refresher=uac\r\nContact: <sip:a@192.0.2.11>\r\n");
    CHECK_INT(p->event_count, 0); /* the user did not ask */
    peer_at(p, 99999);
    CHECK_INT(p->sent_count, 0);
    peer_at(p, 100000);
    CHECK(sent_has(p, "UPDATE sip:a@192.0.2.11 SIP/2.0\r\n")); /* target refreshed, §12.2.1.2 */
    respond(p, "200 OK", ""); /* no Session-Expires: we go on by ourselves */
    peer_at(p, 150000);
    CHECK(sent_has(p, "UPDATE "));
    peer_destroy(p);
}

/* The peer refreshes: each time the end moves on. */
static void test_peer_refreshes(void)
{
    struct peer *p = standing("Supported: timer\nSession-Expires: 90;refresher=uac\n");
    struct sip_answer ok = {.status = 200};
    for (unsigned i = 1; i <= 3; i++) {
        char branch[8];
        snprintf(branch, sizeof(branch), "u%u", i);
        p->now = at_ms(45000 * (int64_t)i);
        within(p, "UPDATE", 1 + i, branch,
               "Supported: timer\nSession-Expires: 90;refresher=uac\nContent-Length: 0\n\n");
        CHECK_INT(p->events[0].kind, SIP_EVENT_UPDATE);
        CHECK(sip_answer(p->sip, p->now, p->events[0].request, &ok));
        peer_pull(p);
        CHECK(sent_has(p, "Session-Expires: 90;refresher=uac\r\n"));
    }
    peer_at(p, 135000 + 59999);
    CHECK(!has_event(p, SIP_EVENT_ENDING));
    peer_at(p, 135000 + 60000);
    CHECK_INT(p->events[0].end, SIP_END_EXPIRED);
    peer_destroy(p);
}

static void test_too_small_within(void)
{
    struct peer *p = standing("");
    within(p, "UPDATE", 2, "u", "Supported: timer\nSession-Expires: 30\nContent-Length: 0\n\n");
    CHECK_INT(sent_status(p), 422);
    CHECK(sent_has(p, "Min-SE: 90\r\n"));
    peer_destroy(p);
}

/* RFC 6141: a refused re-INVITE leaves the session as it was. */
static void test_reinvite_refused(void)
{
    struct peer *p = standing("");
    struct sip_answer no = {.status = 488};
    within(p, "INVITE", 2, "re", OFFER);
    CHECK(sip_answer(p->sip, p->now, p->events[0].request, &no));
    peer_pull(p);
    CHECK_INT(sent_status(p), 488);
    CHECK(!has_event(p, SIP_EVENT_ENDED));
    within(p, "ACK", 2, "re", "");
    within(p, "INVITE", 3, "re2", OFFER);
    CHECK_INT(p->events[0].kind, SIP_EVENT_REINVITE);
    within(p, "CANCEL", 3, "re2", "");
    CHECK_INT(p->sent_count, 2);
    CHECK_INT(sent_status(p), 487);
    CHECK(has_event(p, SIP_EVENT_CANCEL));
    CHECK_INT(sip_dialog_count(p->sip), 1);
    peer_destroy(p);
}

static void test_invite_refused(void)
{
    struct peer *p = peer_create();
    struct sip_answer full = {.status = 503, .retry_after_s = 7};
    tag[0] = '\0';
    within(p, "INVITE", 1, "inv", OFFER);
    CHECK(sip_answer(p->sip, p->now, p->events[0].request, &full));
    CHECK(!sip_answer(p->sip, p->now, p->events[0].request, &full));
    peer_pull(p);
    CHECK_INT(sent_status(p), 503);
    CHECK(sent_has(p, "Retry-After: 7\r\n"));
    CHECK_INT(p->event.end, SIP_END_REFUSED);
    CHECK_INT(p->event.status, 503);
    CHECK_INT(sip_dialog_count(p->sip), 0);
    peer_at(p, 500);
    CHECK_INT(sent_status(p), 503); /* timer G */
    within(p, "ACK", 1, "inv", "");
    peer_at(p, 1500);
    CHECK_INT(p->sent_count, 0);
    peer_at(p, 40000);
    CHECK(tick_is_never(sip_deadline(p->sip)));
    peer_destroy(p);
}

static void test_our_update(void)
{
    struct peer *p = standing("Allow: INVITE, UPDATE\n");
    uint64_t id = p->events[0].dialog;
    struct sip_request ask = {.method = SIP_METHOD_UPDATE,
                              .headers = VIEW("Content-Disposition: recording-session\r\n"),
                              .content_type = VIEW("application/rs-metadata"),
                              .body = VIEW("<requestsnapshot/>")};
    uint64_t request = sip_request(p->sip, p->now, id, &ask);
    CHECK(request != 0);
    peer_pull(p);
    CHECK_INT(p->traced_sent, 1);
    CHECK(sent_has(
        p, "Content-Disposition: recording-session\r\nContent-Type: application/rs-metadata\r\n"));
    CHECK(sent_has(p, "Contact: <sip:198.51.100.20:5060>;+sip.srs\r\n"));
    respond(p, "200 OK", "");
    CHECK_INT(p->events[0].kind, SIP_EVENT_RESPONSE);
    CHECK_INT(p->events[0].request, request);
    CHECK_INT(p->events[0].status, 200);
    /* a refused or unanswered one of the user's ends nothing */
    CHECK(sip_request(p->sip, p->now, id, &ask) != 0);
    peer_pull(p);
    respond(p, "405 No", "");
    CHECK_INT(p->events[0].status, 405);
    CHECK(sip_request(p->sip, p->now, id, &ask) != 0);
    peer_pull(p);
    peer_at(p, 32000);
    CHECK_INT(p->events[0].status, 408);
    CHECK_INT(sip_dialog_count(p->sip), 1);
    peer_destroy(p);
}

static void test_options_within(void)
{
    struct peer *p = standing("");
    within(p, "OPTIONS", 2, "o", "");
    CHECK_INT(sent_status(p), 200);
    CHECK_INT(p->events[0].kind, SIP_EVENT_OPTIONS);
    CHECK(p->events[0].dialog != 0);
    CHECK_INT(p->trace_count, 2);
    peer_destroy(p);
}

/* RFC 3262 §5: an offer in a PRACK is answered in its 200. */
static void test_prack_offer(void)
{
    struct peer *p = peer_create();
    char more[256];
    tag[0] = '\0';
    within(p, "INVITE", 1, "inv", "Supported: 100rel\n" OFFER);
    uint64_t invite = p->events[0].request;
    struct sip_answer early = with_sdp;
    early.status = 183;
    early.reliable = true;
    CHECK(sip_answer(p->sip, p->now, invite, &early));
    CHECK(!sip_answer(p->sip, p->now, invite, &early)); /* one at a time */
    peer_pull(p);
    snprintf(tag, sizeof(tag), "%s", sent_to_tag(p));
    snprintf(more, sizeof(more), "RAck: %lu 1 INVITE\n" OFFER,
             strtoul(strstr(p->sent, "RSeq: ") + 6, NULL, 10));
    within(p, "PRACK", 2, "pr", more);
    CHECK_INT(p->events[0].kind, SIP_EVENT_PRACK);
    CHECK_INT(p->sent_count, 0);
    CHECK(sip_answer(p->sip, p->now, p->events[0].request, &with_sdp));
    peer_pull(p);
    CHECK(sent_has(p, "CSeq: 2 PRACK\r\n"));
    CHECK(sent_has(p, "\r\n\r\nv=0\r\n"));
    CHECK(sip_answer(p->sip, p->now, invite, &with_sdp));
    peer_pull(p);
    CHECK(sent_has(p, "CSeq: 1 INVITE\r\n"));
    peer_destroy(p);
}

/* An INVITE without SDP: our offer in the 2xx,
 * and until the ACK answers it nobody else may offer. */
static void test_offer_in_2xx(void)
{
    struct peer *p = peer_create();
    tag[0] = '\0';
    within(p, "INVITE", 1, "inv", "");
    CHECK(sip_answer(p->sip, p->now, p->events[0].request, &with_sdp));
    peer_pull(p);
    snprintf(tag, sizeof(tag), "%s", sent_to_tag(p));
    within(p, "UPDATE", 2, "u", OFFER);
    CHECK_INT(sent_status(p), 491);
    within(p, "ACK", 1, "ack", "Content-Type: application/sdp\nContent-Length: 6\n\nanswer");
    CHECK_INT(p->events[0].kind, SIP_EVENT_ACK);
    CHECK_TEXT(p->body, "answer");
    within(p, "UPDATE", 3, "u2", OFFER);
    CHECK_INT(p->events[0].kind, SIP_EVENT_UPDATE);
    /* BYE while it waits: 487 for what is unanswered, §15.1.2 */
    within(p, "BYE", 4, "bye", "");
    CHECK_INT(p->sent_count, 2);
    CHECK_INT(sent_status(p), 487);
    CHECK(sent_has(p, "CSeq: 3 UPDATE\r\n"));
    peer_destroy(p);
}

static void test_datagram_body_max(void)
{
    struct sip_config config = peer_config(2);
    config.body_max = 4;
    struct peer *p = peer_create_with(&config);
    tag[0] = '\0';
    within(p, "INVITE", 1, "inv", OFFER);
    CHECK_INT(sent_status(p), 413);
    CHECK_INT(p->events[0].kind, SIP_EVENT_REFUSED);
    peer_destroy(p);
}

static void test_transactions_full(void)
{
    struct sip_config config = peer_config(2);
    config.transactions_max = 1;
    struct peer *p = peer_create_with(&config);
    tag[0] = '\0';
    within(p, "INVITE", 1, "inv", OFFER);
    CHECK_INT(p->events[0].kind, SIP_EVENT_INVITE);
    peer_input(p, "OPTIONS sip:b@example.com SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKo\n"
                  "From: <sip:a@example.com>;tag=x\nTo: <sip:b@example.com>\nCall-ID: o\nCSeq: 1 "
                  "OPTIONS\n\n");
    CHECK_INT(sent_status(p), 503);
    CHECK(sent_has(p, "Retry-After: "));
    peer_destroy(p);
}

static void test_drop(void)
{
    struct peer *p = standing("");
    sip_drop(p->sip, p->events[0].dialog);
    peer_pull(p);
    CHECK_INT(p->sent_count, 0);
    CHECK_INT(p->event.end, SIP_END_DROPPED);
    CHECK_TEXT(sip_end_name(p->event.end), "dropped");
    within(p, "BYE", 2, "bye", "");
    CHECK_INT(sent_status(p), 481);
    peer_destroy(p);
}

/* Both sides hang up at once. */
static void test_crossing_byes(void)
{
    struct peer *p = standing("");
    sip_bye(p->sip, p->now, p->events[0].dialog, VIEW_NONE);
    peer_pull(p);
    char ours[4096];
    snprintf(ours, sizeof(ours), "%.4000s", p->sent);
    within(p, "UPDATE", 2, "u", "");
    CHECK_INT(sent_status(p), 481);
    within(p, "BYE", 3, "bye", "");
    CHECK_INT(sent_status(p), 200);
    CHECK_INT(p->event.kind, SIP_EVENT_ENDED);
    CHECK_INT(p->event.end, SIP_END_OUR_BYE);
    peer_at(p, 40000); /* our BYE gives up quietly */
    CHECK_INT(p->event_count, 0);
    peer_destroy(p);
}

int main(void)
{
    RUN(test_refresh_answered);
    RUN(test_peer_refreshes);
    RUN(test_too_small_within);
    RUN(test_reinvite_refused);
    RUN(test_invite_refused);
    RUN(test_our_update);
    RUN(test_options_within);
    RUN(test_prack_offer);
    RUN(test_offer_in_2xx);
    RUN(test_datagram_body_max);
    RUN(test_transactions_full);
    RUN(test_drop);
    RUN(test_crossing_byes);
    return tap_done();
}
