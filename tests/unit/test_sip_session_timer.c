/* test_sip_session_timer: RFC 4028's negotiation (§9, Table 2) and its times.
 * Not here: the requests it leads to (test_sip_engine.c).
 * RFC 4028. */
#include "sip/session_timer.h"
#include "tap.h"

static struct sip_message *parse(const char *headers)
{
    char text[2048];
    snprintf(text, sizeof(text),
             "INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n"
             "From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n%s\r\n",
             headers);
    return sip_message_parse(view_of_string(text), SIP_MESSAGE_DATAGRAM);
}

static const struct {
    const char *headers;
    uint32_t want_s;
    bool ok;
    uint32_t interval_s;
    bool uac, require;
} cases[] = {
    /* Table 2: UAC supports, refresher none, uac, uas */
    {"Supported: timer\r\nSession-Expires: 1800\r\n", 0, true, 1800, true, true},
    {"k: x, timer\r\nx: 1800;refresher=uac\r\n", 0, true, 1800, true, true},
    {"Supported: timer\r\nSession-Expires: 1800;refresher=uas\r\n", 0, true, 1800, false, true},
    /* a proxy asked, the UAC does not support it: we refresh */
    {"Session-Expires: 1800\r\n", 0, true, 1800, false, false},
    {"Supported: timer\r\nSession-Expires: 89\r\n", 0, false, 0, false, false},
    {"Supported: timer\r\nSession-Expires: 90\r\n", 0, true, 90, true, true},
    {"Session-Expires: 30\r\n", 0, true, 30, false, false},
    {"", 1800, true, 0, false, false},
    {"Supported: timer\r\n", 0, true, 0, false, false},
    {"Supported: timer\r\n", 1800, true, 1800, false, true},
    {"Supported: timer\r\nMin-SE:  3600\r\n", 1800, true, 3600, false, true},
    {"Session-Expires: junk\r\nSupported: timer\r\n", 0, true, 0, false, false},
};

static void test_answer(void)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sip_session_terms terms;
        struct sip_message *m = parse(cases[i].headers);
        CHECK_INT(sip_session_timer_answer(m, SIP_MIN_SE_S, cases[i].want_s, &terms), cases[i].ok);
        CHECK_INT(terms.interval_s, cases[i].interval_s);
        CHECK_INT(terms.refresher_uac, cases[i].uac);
        CHECK_INT(terms.require, cases[i].require);
        sip_message_release(m);
    }
}

static void test_times(void)
{
    struct sip_session_timer t;
    sip_session_timer_start(&t, 1800, true, (struct tick){0});
    CHECK_INT(t.refresh_at.ns, 900 * NS_PER_S);
    CHECK_INT(t.expire_at.ns, (1800 - 32) * NS_PER_S);
    sip_session_timer_start(&t, 90, false, (struct tick){0});
    CHECK(tick_is_never(t.refresh_at));
    CHECK_INT(t.expire_at.ns, 60 * NS_PER_S);
    sip_session_timer_start(&t, 0, false, (struct tick){0});
    CHECK(tick_is_never(sip_session_timer_deadline(&t)));
}

int main(void)
{
    RUN(test_answer);
    RUN(test_times);
    return tap_done();
}
