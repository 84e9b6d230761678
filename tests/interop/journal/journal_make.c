/* journal_make: writes the journal of a made-up call, for tshark to read: journal_make
 * udp|tcp|v6|patched|torn FILE.
 * Not here: checks (test_journal_tshark.py).
 * RFC 7866 for the shape of the call. */
#include "journal/recover.h"
#include "journal_fixture.h"
#include "rtp/rtcp.h"

#include <inttypes.h>
#include <stdio.h>

#define PACKETS 100
#define PADDING 70000

static struct fixture f;
static bool tcp, v6;
static struct addr src_sip, our_sip, src_media[2], our_media[2];

static struct addr parsed(const char *v4, const char *six)
{
    struct addr a = {0};
    if (!addr_parse(view_of_string(v6 ? six : v4), 0, &a))
        abort();
    return a;
}

static void set_addresses(void)
{
    src_sip = parsed("192.0.2.10:40123", "[2001:db8::10]:40123");
    our_sip = parsed("198.51.100.5:5060", "[2001:db8:5::5]:5060");
    for (uint16_t i = 0; i < 2; i++) {
        src_media[i] = addr_with_port(src_sip, (uint16_t)(4000 + 2 * i));
        our_media[i] = addr_with_port(our_sip, (uint16_t)(10000 + 2 * i));
    }
}

static size_t print_sdp(char *out, size_t size, const struct addr *media, const char *direction)
{
    const char *family = v6 ? "IP6" : "IP4";
    struct writer w = writer_of(out, size);
    writer_printf(&w, "v=0\r\no=- 1 1 IN %s %s\r\ns=-\r\nc=IN %s %s\r\nt=0 0\r\n", family,
                  addr_print_ip(media).s, family, addr_print_ip(media).s);
    for (uint16_t i = 0; i < 2; i++)
        writer_printf(&w,
                      "m=audio %u RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\n"
                      "a=rtpmap:101 telephone-event/8000\r\na=label:%u\r\na=%s\r\n",
                      media[i].port, i + 1, direction);
    if (w.failed)
        abort();
    return w.len;
}

/* A message of the dialog; padding makes the INVITE long. */
static void message(int64_t ms, bool sent, const char *first_line, const char *cseq,
                    struct view body, size_t padding)
{
    static char text[PADDING + 8192];
    struct writer w = writer_of(text, sizeof text);
    const char *transport = tcp ? "TCP" : "UDP";
    writer_printf(&w, "%s\r\nVia: SIP/2.0/%s %s;branch=z9hG4bK%s\r\n", first_line, transport,
                  addr_print(&src_sip).s, cseq);
    writer_printf(&w,
                  "From: <sip:src@example.com>;tag=a\r\nTo: <sip:srs@example.com>;tag=b\r\n"
                  "Call-ID: call/1@example.com\r\nCSeq: %s\r\nMax-Forwards: 70\r\n"
                  "Contact: <sip:src@%s>\r\n",
                  cseq, addr_print(&src_sip).s);
    if (padding) {
        writer_string(&w, "Subject: ");
        writer_fill(&w, 'x', padding);
        writer_string(&w, "\r\n");
    }
    if (body.len)
        writer_string(&w, "Content-Type: application/sdp\r\n");
    writer_printf(&w, "Content-Length: %zu\r\n\r\n", body.len);
    writer_view(&w, body);
    struct journal_message m = {.source = sent ? our_sip : src_sip,
                                .destination = sent ? src_sip : our_sip,
                                .tcp = tcp,
                                .sent = sent,
                                .time = fixture_time(ms),
                                .bytes = writer_done(&w)};
    size_t done = 0;
    while (!journal_writer_sip(&f.w, &m, &done))
        fixture_take(&f);
    fixture_take(&f);
}

static void put(const struct journal_flow *flow, int64_t ms, struct view bytes, struct view comment)
{
    if (!journal_writer_packet(&f.w, flow, fixture_time(ms), bytes, comment))
        abort();
    fixture_take(&f);
}

static void media(uint32_t stream, const struct journal_flow *flow)
{
    char bytes[256], payload[160], text[256];
    for (unsigned n = 0; n < PACKETS; n++) {
        memset(payload, (int)(n + stream), sizeof payload);
        bool event = n >= 50 && n < 53;
        struct rtp_packet p = {.payload_type = event ? 101 : 0,
                               .marker = n == 0 || n == 50,
                               .seq = (uint16_t)(65500 + n),
                               .timestamp = event ? 50 * 160 : n * 160,
                               .ssrc = 0x1000 + stream,
                               .payload =
                                   event ? VIEW_LIT("\x05\x8a\x03\x20") : view_of(payload, 160)};
        struct writer out = writer_of(bytes, sizeof bytes);
        struct view comment = VIEW_NONE;
        rtp_packet_encode(&p, &out);
        if (n == 0) {
            struct journal_event e = journal_event_begin(text, sizeof text, JOURNAL_EVENT_EPOCH);
            journal_event_put_addr(&e, "address", &src_media[stream]);
            journal_event_put_number(&e, "ssrc", p.ssrc);
            comment = journal_event_end(&e);
        }
        put(flow, 1000 + 20 * (int64_t)n, writer_done(&out), comment);
    }
}

static void rtcp(uint32_t stream, const struct journal_flow *flow)
{
    char bytes[256];
    struct rtcp_report_block block = {.ssrc = 0x99, .highest_seq = 7};
    struct rtcp_sender_report sr = {
        0x1000 + stream,
        {rtcp_ntp_of(fixture_time(3000)), 16000, PACKETS, PACKETS * 160},
        &block,
        1};
    struct writer out = writer_of(bytes, sizeof bytes);
    rtcp_encode_sr(&out, &sr, VIEW_LIT("src@example.com"));
    rtcp_encode_bye(&out, sr.ssrc, VIEW_LIT("over"));
    put(flow, 3000, writer_done(&out), VIEW_NONE);
}

static void call(size_t padding)
{
    char offer[1024], answer[1024];
    struct journal_flow flow[2], control[2];
    size_t offer_len = print_sdp(offer, sizeof offer, src_media, "sendonly");
    size_t answer_len = print_sdp(answer, sizeof answer, our_media, "recvonly");
    fixture_start(&f);
    message(0, false, "INVITE sip:srs@example.com SIP/2.0", "1 INVITE", view_of(offer, offer_len),
            padding);
    message(5, true, "SIP/2.0 100 Trying", "1 INVITE", VIEW_NONE, 0);
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t number;
        char label[2] = {(char)('1' + i), 0};
        struct journal_interface d = {.role = JOURNAL_ROLE_MEDIA,
                                      .stream = i,
                                      .label = view_of_string(label),
                                      .mline = i,
                                      .advertised = our_media[i],
                                      .bound = our_media[i]};
        if (!journal_writer_interface(&f.w, &d, &number))
            abort();
        fixture_take(&f);
        struct addr from = addr_with_port(src_media[i], (uint16_t)(src_media[i].port + 1));
        struct addr to = addr_with_port(our_media[i], (uint16_t)(our_media[i].port + 1));
        journal_flow_init(&flow[i], number, &src_media[i], &our_media[i]);
        journal_flow_init(&control[i], number, &from, &to);
    }
    message(10, true, "SIP/2.0 200 OK", "1 INVITE", view_of(answer, answer_len), 0);
    message(20, false, "ACK sip:srs@example.com SIP/2.0", "1 ACK", VIEW_NONE, 0);
    for (uint32_t i = 0; i < 2; i++)
        media(i, &flow[i]);
    for (uint32_t i = 0; i < 2; i++)
        rtcp(i, &control[i]);
    fixture_event(&f, 1, 3500, JOURNAL_EVENT_PAUSE);
    message(4000, false, "BYE sip:srs@example.com SIP/2.0", "2 BYE", VIEW_NONE, 0);
    message(4001, true, "SIP/2.0 200 OK", "2 BYE", VIEW_NONE, 0);
    fixture_event(&f, 0, 4002, JOURNAL_EVENT_ENDED);
}

/* A page of zeros in the middle, then the patch that recovery asks for. */
static void damage_and_patch(void)
{
    struct journal_recovery v;
    memset(f.file + 10000, 0, 4096);
    journal_recover(fixture_file(&f), &v, NULL, 0);
    for (size_t i = 0; i < v.damages; i++) {
        struct journal_patch p = journal_patch(&v.damage[i]);
        memcpy(f.file + v.damage[i].offset, p.head, sizeof p.head);
        memcpy(f.file + v.damage[i].offset + v.damage[i].length - sizeof p.tail, p.tail,
               sizeof p.tail);
    }
}

static void cut_and_recover(void)
{
    struct journal_recovery v;
    char text[256];
    f.len -= f.len / 3;
    journal_recover(fixture_file(&f), &v, NULL, 0);
    f.len = v.length;
    journal_writer_resume(&f.w, f.buffer, sizeof f.buffer, v.interfaces);
    struct wall now = fixture_time(600000);
    if (!journal_writer_event(&f.w, 0, now, journal_recover_event(&v, now, text, sizeof text)))
        abort();
    fixture_take(&f);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    tcp = strcmp(argv[1], "tcp") == 0;
    v6 = strcmp(argv[1], "v6") == 0;
    set_addresses();
    call(tcp ? PADDING : 0);
    if (strcmp(argv[1], "patched") == 0)
        damage_and_patch();
    if (strcmp(argv[1], "torn") == 0)
        cut_and_recover();
    FILE *out = fopen(argv[2], "wb");
    bool ok = out && fwrite(f.file, 1, f.len, out) == f.len;
    ok = out && fclose(out) == 0 && ok;
    fixture_finish(&f);
    return ok ? 0 : 1;
}
