/* Tests of sdp/answer: RFC 3264 §6.1 as a table, the rules of RFC 3605, 4574, 5761 and 9143, o='s
 * version, our own offers, and tests/golden/sdp: offers and the answers that the RFCs want,
 * written by hand. */
#include "sdp/answer.h"

#include "tap.h"

#include <dirent.h>

static struct sdp_session offer, printed;
static struct sdp_answer answer;
static char text[64 * 1024];

static void fill_ports(void)
{
    for (size_t i = 0; i < answer.count; i++) {
        answer.lines[i].rtp = addr_v4(192, 0, 2, 200, (uint16_t)(10000 + 2 * i));
        answer.lines[i].rtcp = addr_v4(192, 0, 2, 200, (uint16_t)(10001 + 2 * i));
    }
}

static struct view print(struct sdp_origin *origin)
{
    struct writer w = writer_of(text, sizeof text);
    CHECK(sdp_answer_print(&answer, origin, &w));
    sdp_session_parse(&printed, writer_done(&w));
    return writer_done(&w);
}

static struct view answer_to(struct view offer_text)
{
    struct sdp_origin origin;
    sdp_session_parse(&offer, offer_text);
    sdp_answer_plan(&answer, &offer);
    fill_ports();
    sdp_origin_init(&origin, 1, addr_v4(192, 0, 2, 200, 0));
    return print(&origin);
}

static bool has_line(struct view all, const char *wanted)
{
    struct view rest = all, line;
    while (view_cut_line(&rest, &line)) {
        if (view_equal(line, view_of_string(wanted)))
            return true;
    }
    return false;
}

/* RFC 3264 §6.1 and §8.4; RFC 7866 §7.2: a recorder says recvonly where it may. */
static void test_directions(void)
{
    static const struct {
        const char *offered, *connection, *want;
    } rows[] = {
        {"a=sendonly", "192.0.2.1", "a=recvonly"}, {"a=sendrecv", "192.0.2.1", "a=recvonly"},
        {"a=x", "192.0.2.1", "a=recvonly"},        {"a=recvonly", "192.0.2.1", "a=sendonly"},
        {"a=inactive", "192.0.2.1", "a=inactive"}, {"a=sendonly", "0.0.0.0", "a=inactive"},
        {"a=x", "0.0.0.0", "a=inactive"},          {"a=recvonly", "0.0.0.0", "a=inactive"},
        {"a=inactive", "0.0.0.0", "a=inactive"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char in[256];
        (void)snprintf(in, sizeof in, "v=0\r\nc=IN IP4 %s\r\nm=audio 5000 RTP/AVP 0\r\n%s\r\n",
                       rows[i].connection, rows[i].offered);
        struct view out = answer_to(view_of_string(in));
        CHECK_INT(answer.accepted, 1);
        CHECK(has_line(out, rows[i].want));
        size_t directions = 0;
        for (enum sdp_direction d = SDP_SENDRECV; d <= SDP_INACTIVE; d++) {
            char line[32];
            (void)snprintf(line, sizeof line, "a=%s", sdp_direction_name(d));
            directions += has_line(out, line);
        }
        CHECK_INT(directions, 1);
    }
}

static void test_rejections(void)
{
    static const struct {
        const char *section;
        enum sdp_reject want;
    } rows[] = {
        {"m=audio 5000 RTP/AVP 0", SDP_ACCEPTED},
        {"m=audio 5000 RTP/AVPF 0", SDP_ACCEPTED},
        {"m=AUDIO 5000 rtp/avp 0", SDP_ACCEPTED},
        {"m=audio 5000 RTP/AVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:a", SDP_ACCEPTED},
        {"m=audio 0 RTP/AVP 0", SDP_REJECT_REMOVED},
        {"m=video 0 RTP/AVP 96", SDP_REJECT_REMOVED},
        {"m=audio", SDP_REJECT_REMOVED},
        {"m=video 5000 RTP/AVP 96", SDP_REJECT_MEDIA},
        {"m=text 5000 RTP/AVP 98", SDP_REJECT_MEDIA},
        {"m=message 5000 TCP/MSRP *", SDP_REJECT_MEDIA},
        {"m=audio 5000 TCP/RTP/AVP 0", SDP_REJECT_PROFILE},
        {"m=audio 5000 RTP/SAVP 0", SDP_REJECT_SECURE},
        {"m=audio 5000 RTP/SAVPF 0", SDP_REJECT_SECURE},
        {"m=audio 5000 UDP/TLS/RTP/SAVP 0", SDP_REJECT_SECURE},
        {"m=audio 5000 UDP/TLS/RTP/SAVPF 0", SDP_REJECT_SECURE},
        {"m=audio 5000 RTP/AVP 4", SDP_REJECT_CODEC},
        {"m=audio 5000 RTP/AVP 101 13\r\na=rtpmap:101 telephone-event/8000", SDP_REJECT_CODEC},
        {"m=audio 5000 RTP/AVP", SDP_REJECT_CODEC},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char in[256];
        (void)snprintf(in, sizeof in, "v=0\r\nc=IN IP4 192.0.2.1\r\n%s\r\na=label:x y\r\n",
                       rows[i].section);
        struct view out = answer_to(view_of_string(in));
        CHECK_INT(answer.lines[0].reject, rows[i].want);
        CHECK_INT(answer.accepted, rows[i].want == SDP_ACCEPTED);
        CHECK_INT(answer.removed, rows[i].want == SDP_REJECT_REMOVED);
        CHECK_INT(printed.media_count, 1);
        CHECK((printed.media[0].port != 0) == (rows[i].want == SDP_ACCEPTED));
        CHECK(has_line(out, "a=label:x y"));
        CHECK(view_find(out, VIEW_LIT("crypto")) == out.len);
    }
}

static void test_a_refused_line_stays_in_its_place(void)
{
    (void)answer_to(VIEW_LIT("c=IN IP4 192.0.2.1\nm=audio 1 RTP/AVP 0\nm=audio 3 RTP/AVP 8\n"));
    CHECK_INT(answer.accepted, 2);
    sdp_answer_refuse(&answer, 0, SDP_REJECT_LOCAL);
    sdp_answer_refuse(&answer, 0, SDP_REJECT_LOCAL);
    CHECK_INT(answer.accepted, 1);
    struct sdp_origin origin;
    sdp_origin_init(&origin, 1, addr_v4(192, 0, 2, 200, 0));
    (void)print(&origin);
    CHECK(printed.media[0].port == 0 && printed.media[1].port == 10002);
}

/* RFC 3605; RFC 5761 §5.1.1 and §4 (payload types 64 to 95). */
static void test_rtcp(void)
{
    struct view out = answer_to(VIEW_LIT("c=IN IP4 192.0.2.1\nm=audio 1 RTP/AVP 0\na=rtcp-mux\n"));
    CHECK(has_line(out, "a=rtcp-mux"));
    CHECK(!has_line(out, "a=rtcp:10001"));
    out = answer_to(VIEW_LIT("c=IN IP4 192.0.2.1\nm=audio 1 RTP/AVP 0\na=rtcp:7\n"));
    CHECK(!has_line(out, "a=rtcp-mux"));
    CHECK(has_line(out, "a=rtcp:10001"));
    out = answer_to(VIEW_LIT("c=IN IP4 192.0.2.1\nm=audio 1 RTP/AVP 0 72\na=rtpmap:72 PCMA/8000\n"
                             "a=rtcp-mux\n"));
    CHECK(!has_line(out, "a=rtcp-mux"));
    CHECK(has_line(out, "a=rtcp:10001"));
    answer.lines[0].rtcp = addr_v4(192, 0, 2, 201, 5);
    struct sdp_origin origin;
    sdp_origin_init(&origin, 1, addr_v4(192, 0, 2, 200, 0));
    CHECK(has_line(print(&origin), "a=rtcp:5 IN IP4 192.0.2.201"));
    answer.lines[0].rtcp = (struct addr){0};
    sdp_origin_init(&origin, 1, addr_v4(192, 0, 2, 200, 0));
    out = print(&origin);
    CHECK(view_find(out, VIEW_LIT("a=rtcp")) == out.len);
}

static void test_addresses_of_both_families(void)
{
    struct addr six;
    CHECK(addr_parse_ip(VIEW_LIT("2001:db8::7"), &six));
    (void)answer_to(VIEW_LIT("c=IN IP4 192.0.2.1\nm=audio 1 RTP/AVP 0\nm=audio 3 RTP/AVP 8\n"));
    answer.lines[1].rtp = addr_with_port(six, 10002);
    answer.lines[1].rtcp = addr_with_port(six, 10003);
    struct sdp_origin origin;
    sdp_origin_init(&origin, 1, six);
    struct view out = print(&origin);
    CHECK(has_line(out, "o=siprecd 1 1 IN IP6 2001:db8::7"));
    CHECK(has_line(out, "c=IN IP4 192.0.2.200"));
    CHECK(has_line(out, "c=IN IP6 2001:db8::7"));
    CHECK_TEXT(addr_print(&printed.media[0].rtp).s, "192.0.2.200:10000");
    CHECK_TEXT(addr_print(&printed.media[1].rtp).s, "[2001:db8::7]:10002");
}

/* RFC 3264 §8: one higher when, and only when, the description changed. */
static void test_version_counts_changes(void)
{
    static const struct view first = VIEW("c=IN IP4 192.0.2.1\nm=audio 1 RTP/AVP 0\na=sendonly\n");
    static const struct view hold = VIEW("c=IN IP4 192.0.2.1\nm=audio 1 RTP/AVP 0\na=inactive\n");
    const struct view offers[] = {first, first, hold, hold, first, first};
    const uint64_t versions[] = {1, 1, 2, 2, 3, 3};
    struct sdp_origin origin;
    sdp_origin_init(&origin, 99, addr_v4(192, 0, 2, 200, 0));
    for (size_t i = 0; i < 6; i++) {
        char want[64];
        sdp_session_parse(&offer, offers[i]);
        sdp_answer_plan(&answer, &offer);
        fill_ports();
        (void)snprintf(want, sizeof want, "o=siprecd 99 %" PRIu64 " IN IP4 192.0.2.200",
                       versions[i]);
        CHECK(has_line(print(&origin), want));
    }
    /* Another port is another description. */
    answer.lines[0].rtp.port = 20000;
    CHECK(has_line(print(&origin), "o=siprecd 99 4 IN IP4 192.0.2.200"));
    /* What did not fit was not sent. */
    struct writer small = writer_of(text, 40);
    CHECK(!sdp_answer_print(&answer, &origin, &small));
    CHECK(has_line(print(&origin), "o=siprecd 99 4 IN IP4 192.0.2.200"));
}

/* RFC 3264 §6: t= as offered. */
static void test_timing_is_repeated(void)
{
    CHECK(has_line(answer_to(VIEW_LIT("t=3034423619 3042462419\nm=audio 1 RTP/AVP 0\n")),
                   "t=3034423619 3042462419"));
    CHECK(has_line(answer_to(VIEW_LIT("m=audio 1 RTP/AVP 0\n")), "t=0 0"));
    CHECK(has_line(answer_to(VIEW_LIT("t=now then\nm=audio 1 RTP/AVP 0\n")), "t=0 0"));
}

static void test_every_m_line_is_answered(void)
{
    static char in[32 * 1024];
    struct writer w = writer_of(in, sizeof in);
    for (int i = 0; i < 100; i++)
        writer_printf(&w, "m=audio %d RTP/AVP 0 8\r\n", 1000 + i);
    (void)answer_to(writer_done(&w));
    CHECK_INT(printed.media_count + printed.lost_media, 100);
    CHECK_INT(answer.accepted, LIMIT_SDP_MEDIA);
}

/* RFC 7866 §7.2, and RFC 3264 §5 for an offer. */
static void test_our_own_offer(void)
{
    struct sdp_origin origin;
    sdp_offer_plan_new(&answer, &offer);
    fill_ports();
    sdp_origin_init(&origin, 5, addr_v4(192, 0, 2, 200, 0));
    struct view out = print(&origin);
    CHECK_INT(printed.media_count, 2);
    for (size_t i = 0; i < 2; i++) {
        const struct sdp_media *m = &printed.media[i];
        CHECK(m->kind == SDP_KIND_AUDIO && m->direction == SDP_RECVONLY);
        CHECK_VIEW(m->label, i ? "2" : "1");
        CHECK_INT(m->port, 10000 + 2 * i);
        bool seen[SDP_CODEC_COUNT] = {false};
        for (size_t k = 0; k < m->format_count; k++)
            seen[sdp_media_format(&printed, m, k)->codec] = true;
        for (enum sdp_codec c = SDP_CODEC_PCMU; c < SDP_CODEC_COUNT; c++)
            CHECK(seen[c] || c == SDP_CODEC_L16); /* L16 would not fit a datagram's usual size */
    }
    CHECK(!has_line(out, "a=sendonly"));
}

static void test_offer_within_a_session(void)
{
    struct sdp_origin origin;
    sdp_session_parse(&offer,
                      VIEW_LIT("c=IN IP4 192.0.2.1\nm=audio 1 RTP/AVP 8 0\na=inactive\na=label:9\n"
                               "m=audio 0 RTP/AVP 0\na=label:8\nm=video 3 RTP/AVP 96\n"));
    sdp_offer_plan_again(&answer, &offer, NULL);
    fill_ports();
    sdp_origin_init(&origin, 5, addr_v4(192, 0, 2, 200, 0));
    (void)print(&origin);
    CHECK_INT(printed.media_count, 3);
    CHECK(printed.media[0].direction == SDP_RECVONLY); /* so that the SRC may resume */
    CHECK_VIEW(printed.media[0].label, "9");
    CHECK_VIEW(printed.media[0].formats_text,
               "8 0 9 18 3 13"); /* theirs first, then all there is */
    CHECK(printed.media[1].port == 0 && printed.media[2].port == 0);
}

/* The SRC's answer to our offer had no labels; ours go on. */
static void test_labels_of_our_own_offer_stay(void)
{
    static struct sdp_session ours;
    struct sdp_origin origin;
    sdp_session_parse(&ours,
                      VIEW_LIT("m=audio 10000 RTP/AVP 0 8\na=label:1\nm=audio 10002 RTP/AVP 0\n"
                               "a=label:2\n"));
    sdp_session_parse(&offer, VIEW_LIT("m=audio 1 RTP/AVP 8\na=sendonly\nm=audio 3 RTP/AVP 0\n"
                                       "a=sendonly\na=label:theirs\n"));
    sdp_offer_plan_again(&answer, &offer, &ours);
    fill_ports();
    sdp_origin_init(&origin, 5, addr_v4(192, 0, 2, 200, 0));
    (void)print(&origin);
    CHECK_VIEW(printed.media[0].label, "1");
    CHECK_VIEW(printed.media[1].label, "theirs");
    CHECK_VIEW(printed.media[0].formats_text, "8 0 9 18 3 13");
}

/* RFC 3264 §8.3.2: what a payload type meant it goes on meaning, whoever named it. */
static void test_payload_types_keep_their_meaning(void)
{
    static struct sdp_session ours;
    struct sdp_origin origin;
    sdp_session_parse(&ours, VIEW_LIT("m=audio 10000 RTP/AVP 96 97 0\na=rtpmap:96 opus/48000/2\n"
                                      "a=rtpmap:97 AMR-WB/16000\na=fmtp:97 octet-align=1\n"));
    sdp_session_parse(
        &offer, VIEW_LIT("m=audio 1 RTP/AVP 0 97\na=rtpmap:0 GSM/8000\na=rtpmap:97 iLBC/8000\n"
                         "a=sendonly\nm=video 3 RTP/AVP 96\nm=audio 5 RTP/AVP 8\na=sendonly\n"));
    sdp_offer_plan_again(&answer, &offer, &ours);
    fill_ports();
    sdp_origin_init(&origin, 5, addr_v4(192, 0, 2, 200, 0));
    (void)print(&origin);
    CHECK_VIEW(printed.media[0].formats_text, "0 97 96 8 9 18 3 13");
    CHECK(sdp_media_find_format(&printed, &printed.media[0], 0)->codec == SDP_CODEC_GSM);
    CHECK(sdp_media_find_format(&printed, &printed.media[0], 97)->codec == SDP_CODEC_ILBC);
    CHECK(sdp_media_find_format(&printed, &printed.media[0], 96)->codec == SDP_CODEC_OPUS);
    CHECK_VIEW(printed.media[2].formats_text, "8 0 9 18 3 13");
}

/* RFC 9143 §7.3.2: refused by us, not removed by the SRC;
 * but without a bundle it is only a removed line (§6). */
static void test_bundle_only_is_refused(void)
{
    (void)answer_to(
        VIEW_LIT("a=group:BUNDLE a b\nm=audio 1 RTP/AVP 0\na=mid:a\nm=audio 0 RTP/AVP 0\n"
                 "a=mid:b\na=bundle-only\nm=audio 0 RTP/AVP 0\na=bundle-only\n"));
    CHECK(answer.lines[1].reject == SDP_REJECT_BUNDLE_ONLY);
    CHECK(answer.lines[2].reject == SDP_REJECT_REMOVED);
    CHECK_INT(answer.removed, 1);
    CHECK(printed.media[1].port == 0 && printed.media[2].port == 0);
}

static void test_ice_has_its_place(void)
{
    struct candidate candidate;
    (void)answer_to(VIEW_LIT("c=IN IP4 192.0.2.1\nm=audio 1 RTP/AVP 0\na=ice-ufrag:x\na=ice-pwd:y\n"
                             "a=candidate:1 1 UDP 2130706431 203.0.113.141 8998 typ host\n"));
    CHECK_INT(offer.media[0].candidate_count, 1);
    candidate = offer.candidates[0];
    struct sdp_ice ice = {.ufrag = VIEW("8hhY"),
                          .pwd = VIEW("asd88fgpdd777uzjYhagZg"),
                          .candidates = &candidate,
                          .candidate_count = 1};
    struct sdp_origin origin;
    sdp_origin_init(&origin, 1, addr_v4(192, 0, 2, 200, 0));
    struct view out = print(&origin);
    CHECK(view_find(out, VIEW_LIT("ice")) == out.len); /* nothing unless asked for */
    answer.lines[0].ice = &ice;
    out = print(&origin);
    CHECK(has_line(out, "a=candidate:1 1 UDP 2130706431 203.0.113.141 8998 typ host"));
    CHECK(has_line(out, "a=ice-ufrag:8hhY") && has_line(out, "a=ice-pwd:asd88fgpdd777uzjYhagZg"));
}

/* Nothing that the SRC sends can begin a line of ours. */
static void test_control_bytes_do_not_come_back(void)
{
    static const char odd[] = "m=audio 1 RTP/AVP 0\na=label:a\0b\001c\na=mid:x\001\n";
    struct view out = answer_to(view_of(odd, sizeof odd - 1));
    CHECK(has_line(out, "a=label:abc"));
    CHECK(view_find(out, VIEW_LIT("a=mid")) == out.len);
}

static size_t read_file(const char *folder, const char *name, char *buffer, size_t size)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "rb");
    if (!f)
        return 0;
    size_t n = fread(buffer, 1, size, f);
    (void)fclose(f);
    return n;
}

/* Each NAME.in is an offer; NAME.ok the answer, with ports 10000, 10002, ... of 192.0.2.200. */
static void test_golden_answers(void)
{
    static char in[16384], ok[16384];
    const char *folder = TESTS_DIR "/golden/sdp";
    struct dirent **names;
    int count = scandir(folder, &names, NULL, alphasort), pairs = 0;
    for (int i = 0; i < count; i++) {
        char *name = names[i]->d_name, *dot = strrchr(name, '.');
        if (dot && strcmp(dot, ".in") == 0) {
            size_t in_len = read_file(folder, name, in, sizeof in);
            memcpy(dot, ".ok", 3);
            size_t ok_len = read_file(folder, name, ok, sizeof ok);
            struct view out = answer_to(view_of(in, in_len)), want = view_of(ok, ok_len);
            struct view got_line, want_line;
            bool more = true;
            while (more) {
                bool got_more = view_cut_line(&out, &got_line);
                more = view_cut_line(&want, &want_line);
                if (got_more != more || !view_equal(got_line, want_line)) {
                    printf("# %s: got " VIEW_FMT ", want " VIEW_FMT "\n", name, VIEW_ARG(got_line),
                           VIEW_ARG(want_line));
                    CHECK(false); /* not as written by hand */
                    break;
                }
            }
            pairs++;
        }
        free(names[i]);
    }
    if (count >= 0)
        free(names);
    CHECK(pairs >= 8);
}

/* Our own description, read and answered again, gives the same formats:
 * nothing is lost on the way. */
static void test_print_parse_print(void)
{
    static char first[16384];
    struct sdp_origin origin;
    sdp_offer_plan_new(&answer, &offer);
    fill_ports();
    sdp_origin_init(&origin, 5, addr_v4(192, 0, 2, 200, 0));
    struct view out = print(&origin);
    memcpy(first, out.at, out.len);
    struct view once = view_of(first, out.len);
    static struct sdp_session mine;
    sdp_session_parse(&mine, once);
    sdp_answer_plan(&answer, &mine);
    fill_ports();
    for (size_t i = 0; i < answer.count; i++)
        answer.lines[i].direction = SDP_RECVONLY;
    sdp_origin_init(&origin, 5, addr_v4(192, 0, 2, 200, 0));
    CHECK(view_equal(print(&origin), once));
}

int main(void)
{
    RUN(test_directions);
    RUN(test_rejections);
    RUN(test_a_refused_line_stays_in_its_place);
    RUN(test_rtcp);
    RUN(test_addresses_of_both_families);
    RUN(test_version_counts_changes);
    RUN(test_timing_is_repeated);
    RUN(test_every_m_line_is_answered);
    RUN(test_our_own_offer);
    RUN(test_offer_within_a_session);
    RUN(test_labels_of_our_own_offer_stay);
    RUN(test_payload_types_keep_their_meaning);
    RUN(test_bundle_only_is_refused);
    RUN(test_ice_has_its_place);
    RUN(test_control_bytes_do_not_come_back);
    RUN(test_golden_answers);
    RUN(test_print_parse_print);
    return tap_done();
}
