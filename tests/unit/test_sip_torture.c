/* test_sip_torture: the bit-exact messages of RFC 4475 and RFC 5118 against what those RFCs say
 * should become of them.
 * Not here: what RFC 4475 asks of registrars and proxies only.
 * RFC 4475 §3, RFC 5118 §4. The files are the RFCs' own archives (Appendix A). */
#include "sip_peer.h"

#define CALL    (-1) /* a new call is offered to the user */
#define SILENCE 0    /* nothing is sent */

static const struct {
    const char *file;
    int want; /* a status, or one of the above */
} cases[] = {
    /* RFC 4475 §3.1.1, valid. wsinv has a To tag, so it names a dialog we do not have. */
    {"rfc4475/wsinv.dat", 481},
    {"rfc4475/intmeth.dat", 501},
    {"rfc4475/esc01.dat", CALL},
    {"rfc4475/escnull.dat", 405},
    {"rfc4475/esc02.dat", 501},
    {"rfc4475/lwsdisp.dat", 200},
    {"rfc4475/longreq.dat", CALL},
    {"rfc4475/dblreq.dat", 405},
    {"rfc4475/semiuri.dat", 200},
    {"rfc4475/transports.dat", 200},
    {"rfc4475/mpart01.dat", 405},
    {"rfc4475/unreason.dat", SILENCE},
    {"rfc4475/noreason.dat", SILENCE},
    /* §3.1.2, invalid */
    {"rfc4475/badinv01.dat", 400},
    {"rfc4475/clerr.dat", 400},
    {"rfc4475/ncl.dat", 400},
    {"rfc4475/scalar02.dat", 400},
    {"rfc4475/scalarlg.dat", SILENCE},
    {"rfc4475/quotbal.dat", 400},
    {"rfc4475/ltgtruri.dat", 400},
    {"rfc4475/lwsruri.dat", 400},
    {"rfc4475/lwsstart.dat", 400},
    {"rfc4475/trws.dat", 400},
    {"rfc4475/escruri.dat", CALL}, /* §3.1.2.11 lets us ignore the headers */
    {"rfc4475/baddate.dat", CALL}, /* §3.1.2.12: Date is not needed */
    {"rfc4475/regbadct.dat", 405},
    {"rfc4475/baddn.dat", 400},
    {"rfc4475/badvers.dat", 505},
    {"rfc4475/mismatch01.dat", 400},
    {"rfc4475/mismatch02.dat", 400},
    {"rfc4475/bigcode.dat", SILENCE},
    /* §3.2, 3.3, 3.4 */
    {"rfc4475/badbranch.dat", 200},
    {"rfc4475/insuf.dat", 400},
    {"rfc4475/unkscm.dat", 416},
    {"rfc4475/novelsc.dat", 416},
    {"rfc4475/unksm2.dat", 405},
    {"rfc4475/bext01.dat", 420},
    {"rfc4475/invut.dat", CALL}, /* the body is the user's to refuse (415) */
    {"rfc4475/regaut01.dat", 405},
    {"rfc4475/multi01.dat", 400},
    {"rfc4475/mcl01.dat", 400},
    {"rfc4475/bcast.dat", SILENCE},
    {"rfc4475/zeromf.dat", 200}, /* Max-Forwards is for who forwards */
    {"rfc4475/cparam01.dat", 405},
    {"rfc4475/cparam02.dat", 405},
    {"rfc4475/regescrt.dat", 405},
    {"rfc4475/sdp01.dat", CALL},
    {"rfc4475/inv2543.dat", CALL},
    {"rfc5118/ipv6-good", 405},
    {"rfc5118/ipv6-bad", 405},
    {"rfc5118/port-ambiguous", 405},
    {"rfc5118/port-unambiguous", 405},
    {"rfc5118/via-received-param-no-delim", 200}, /* §4.5: accept both */
    {"rfc5118/via-received-param-with-delim", 481},
    {"rfc5118/ipv6-in-sdp", 400}, /* its Content-Length is 268, its body has 251 bytes */
    {"rfc5118/mult-ip-in-header", 481},
    {"rfc5118/mult-ip-in-sdp", CALL},
    {"rfc5118/ipv4-mapped-ipv6", CALL},
    {"rfc5118/ipv6-bug-abnf-3-colons", 200}, /* §4.10: accept */
    {"rfc5118/ipv6-correct-abnf-2-colons", 200},
};

/* RFC 5118's archive has its lines end in LF, while its Content-Length counts CRLF. */
static size_t read_vector(const char *name, char *buffer, size_t size)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/vectors/sip/%s", TESTS_DIR, name);
    FILE *f = fopen(path, "rb");
    size_t n = 0;
    int c, before = 0;
    if (!CHECK(f != NULL))
        return 0;
    while ((c = fgetc(f)) != EOF && n + 2 < size) {
        if (c == '\n' && before != '\r' && strncmp(name, "rfc5118", 7) == 0)
            buffer[n++] = '\r';
        buffer[n++] = (char)c;
        before = c;
    }
    fclose(f);
    return n;
}

static void test_messages(void)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char buffer[8192];
        size_t n = read_vector(cases[i].file, buffer, sizeof(buffer));
        struct peer *p = peer_create();
        sip_input_datagram(p->sip, p->now, &p->flow, view_of(buffer, n), false);
        peer_pull(p);
        int got = p->sent_count > 0 ? sent_status(p) : SILENCE;
        if (p->event_count > 0 && p->events[0].kind == SIP_EVENT_INVITE)
            got = CALL;
        if (got != cases[i].want)
            printf("# %s\n", cases[i].file);
        CHECK_INT(got, cases[i].want);
        peer_destroy(p);
    }
}

/* The same in pieces of every size over TCP must neither crash nor wedge. */
static void test_pieces(void)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char buffer[8192];
        size_t n = read_vector(cases[i].file, buffer, sizeof(buffer));
        struct peer *p = peer_create();
        p->flow.protocol = SIP_PROTOCOL_TCP;
        p->flow.id = i + 1;
        size_t piece = i % 7 + 1;
        for (size_t at = 0; at < n; at += piece)
            sip_input_stream(p->sip, p->now, &p->flow,
                             view_take(view_of(buffer + at, n - at), piece));
        peer_pull(p);
        peer_at(p, 40000);
        peer_destroy(p);
    }
}

static void test_wsinv_fields(void)
{
    char buffer[8192];
    size_t n = read_vector("rfc4475/wsinv.dat", buffer, sizeof(buffer));
    struct sip_message *m = sip_message_parse(view_of(buffer, n), SIP_MESSAGE_DATAGRAM);
    struct sip_header at = {0};
    int vias = 0;
    CHECK_INT(m->fault_status, 0);
    CHECK_INT(m->cseq, 9);
    CHECK_VIEW(m->from_tag, "98asjd8");
    CHECK_VIEW(m->to_tag, "1918181833n");
    CHECK_VIEW(m->call_id, "wsinv.ndaksdj@192.0.2.1");
    CHECK_VIEW(m->via.host, "192.0.2.2");
    CHECK_VIEW(m->via.branch, "390skdjuw");
    CHECK_VIEW(sip_message_header(m, VIEW_LIT("NewFangledHeader")),
               "newfangled value   continued newfangled value");
    while (sip_message_header_named(m, VIEW_LIT("Via"), &at)) {
        struct view rest = at.value, one;
        while (sip_list_next(&rest, &one))
            vias++;
    }
    CHECK_INT(vias, 3);
    sip_message_release(m);
}

int main(void)
{
    RUN(test_messages);
    RUN(test_pieces);
    RUN(test_wsinv_fields);
    return tap_done();
}
