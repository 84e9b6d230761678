/* sources: whose packets end up in a recording, played through the whole daemon: an SRC behind a
 * NAT, a stranger on the port, a new SSRC without a word, packets of the call before, and a network
 * that loses, doubles and re-orders. What the render will take is asked of journal/select.h;
 * nothing that arrived may be missing from the journal. */
#include "base/log.h"
#include "journal/select.h"
#include "pcap.h"
#include "rtp/packet.h"
#include "src.h"
#include "srs.h"
#include "tap.h"

static struct world world;
static struct srs srs;
static struct src *src;
static struct src_stream *stream;

static void start(uint64_t seed)
{
    world_init(&world, seed);
    srs_init(&srs, &world, NULL);
    src = src_create(&world);
    stream = src_add_stream(src, "1");
}

static void finish(void)
{
    srs_finish(&srs);
    world_finish(&world);
    for (unsigned i = 0; i < world.src_count; i++)
        src_destroy(world.srcs[i]);
}

static void stranger_sends(const struct addr *from, uint32_t ssrc, unsigned first, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        char bytes[64], payload[20] = {0};
        struct writer out = writer_of(bytes, sizeof bytes);
        struct rtp_packet p = {.seq = (uint16_t)(first + i),
                               .timestamp = (first + i) * 160,
                               .ssrc = ssrc,
                               .payload = view_of(payload, sizeof payload)};
        rtp_packet_encode(&p, &out);
        world_send(&world, *from, stream->to, writer_done(&out));
        world_run(&world, 20);
    }
}

/* RTP packets of the recording's only journal that the render takes; those of one SSRC when it is
 * not 0. */
static unsigned taken(const struct srs_file *file, uint32_t ssrc)
{
    static struct journal_select select;
    struct journal_reader *r = journal_reader_create();
    struct journal_record record;
    unsigned n = 0;
    journal_select_init(&select);
    journal_reader_feed(r, view_of(file->journal, file->journal_len), true);
    while (journal_reader_next(r, &record)) {
        journal_select_put(&select, &record);
        while (journal_select_take(&select, &record)) {
            struct rtp_packet p;
            CHECK_INT(rtp_packet_decode(&p, record.payload), RTP_PACKET_OK);
            n += ssrc == 0 || p.ssrc == ssrc;
        }
    }
    journal_reader_destroy(r);
    return n;
}

static unsigned journaled(const struct srs_file *file, const char *event, unsigned *events)
{
    struct pcap *pcap = pcap_read(view_of(file->journal, file->journal_len));
    CHECK(pcap->sound);
    unsigned n = pcap_count_rtp(pcap, &stream->to, NULL);
    *events = pcap_count_events(pcap, event);
    free(pcap);
    return n;
}

/* Its packets come from another port than SDP says: the first three wait, none is lost. */
static void test_behind_a_nat(void)
{
    unsigned events;
    start(1);
    CHECK(src_connect(src, NULL));
    stream->from.port = 61234;
    src_talk(src, true);
    world_run(&world, 5000);
    src_hang_up(src);
    struct srs_file *file = srs_only_file(&srs);
    CHECK(stream->sent > 240);
    CHECK_INT(taken(file, stream->ssrc), stream->sent);
    CHECK_INT(journaled(file, "epoch", &events), stream->sent);
    CHECK_INT(events, 1);
    CHECK(srs_at_rest(&srs));
    finish();
}

static unsigned first_lines;

static void count_line(void *context, const struct log_line *line)
{
    (void)context;
    first_lines += view_starts_with(line->text, VIEW_LIT("first packet"));
}

/* Where nobody listens what we send comes back as ICMP: that is no packet of the SRC's. */
static void test_refused(void)
{
    start(9);
    log_set_sink(count_line, NULL);
    CHECK(src_connect(src, NULL));
    src_talk(src, true);
    world_run(&world, 1000);
    CHECK_INT(first_lines, 1);
    for (uint32_t port = 0; port < SRS_PORTS; port++) {
        struct datagram refused = {.socket = MEDIA_SOCKET(port, false),
                                   .from = stream->from,
                                   .at = world_wall(&world),
                                   .refused = true};
        CHECK_INT(media_input(srs.media, world.now, &refused, 1), 1);
    }
    world_run(&world, 500);
    src_hang_up(src);
    CHECK(strstr(srs_only_file(&srs)->document, "packets-refused") != NULL);
    CHECK_INT(first_lines, 1);
    log_set_sink(NULL, NULL);
    finish();
}

/* Its NAT gives it another port in the middle of the call. */
static void test_moved_by_its_nat(void)
{
    unsigned events;
    start(2);
    CHECK(src_connect(src, NULL));
    src_talk(src, true);
    world_run(&world, 3000);
    stream->from.port = 61234;
    world_run(&world, 3000);
    src_hang_up(src);
    struct srs_file *file = srs_only_file(&srs);
    CHECK_INT(taken(file, stream->ssrc), stream->sent);
    CHECK_INT(journaled(file, "source", &events), stream->sent);
    CHECK_INT(events, 1);
    finish();
}

/* A stranger found the port: counted, told once, kept apart, not in the audio. */
static void test_second_sender(void)
{
    unsigned events;
    struct addr stranger = addr_v4(203, 0, 113, 66, 6666);
    start(3);
    CHECK(src_connect(src, NULL));
    src_talk(src, true);
    world_run(&world, 1000);
    stranger_sends(&stranger, 0x666, 5000, 100);
    src_hang_up(src);
    struct srs_file *file = srs_only_file(&srs);
    CHECK_INT(taken(file, 0x666), 0);
    CHECK_INT(taken(file, stream->ssrc), stream->sent);
    CHECK_INT(journaled(file, "foreign", &events), stream->sent + 100);
    CHECK_INT(events, 1);
    finish();
}

/* A new SSRC without a re-INVITE; all of it is the stream's,
 * and a stray packet of a third is not. */
static void test_new_ssrc(void)
{
    unsigned events;
    start(4);
    CHECK(src_connect(src, NULL));
    src_talk(src, true);
    world_run(&world, 2000);
    uint32_t before = stream->ssrc;
    unsigned sent_before = stream->sent;
    stranger_sends(&stream->from, 0x333, 9000, 1);
    sent_before = stream->sent;
    stream->ssrc = 0x77777777;
    stream->seq = 50000;
    world_run(&world, 2000);
    src_hang_up(src);
    struct srs_file *file = srs_only_file(&srs);
    CHECK_INT(taken(file, before), sent_before);
    CHECK_INT(taken(file, 0x77777777), stream->sent - sent_before);
    CHECK_INT(taken(file, 0x333), 0);
    (void)journaled(file, "epoch", &events);
    CHECK_INT(events, 2);
    finish();
}

/* 30 KB of INVITE over UDP are one datagram in the journal too. */
static void test_large_invite(void)
{
    static char padding[30100];
    start(5);
    size_t len = (size_t)snprintf(padding, sizeof padding, "Subject: ");
    memset(padding + len, 'x', 30000);
    memcpy(padding + len + 30000, "\r\n", 3);
    src->headers = padding;
    CHECK(src_connect(src, NULL));
    src->headers = "";
    src_hang_up(src);
    struct srs_file *file = srs_only_file(&srs);
    struct pcap *pcap = pcap_read(view_of(file->journal, file->journal_len));
    CHECK(pcap->sound);
    CHECK_INT(pcap_count_sip(pcap, "INVITE "), 1);
    for (unsigned i = 0; i < pcap->count; i++)
        CHECK(!pcap->packets[i].tcp);
    free(pcap);
    finish();
}

/* Loss, doubles and re-ordering on both SIP and RTP: what arrived stands in the journal, and is
 * the stream's. */
static void test_bad_networks(void)
{
    for (uint64_t seed = 100; seed < 130; seed++) {
        unsigned events;
        start(seed);
        world.sip =
            (struct link){.loss = 0.1, .repeat = 0.1, .delay_us = 10000, .jitter_us = 30000};
        world.media =
            (struct link){.loss = 0.05, .repeat = 0.05, .delay_us = 5000, .jitter_us = 50000};
        int failed = tap_failed_checks;
        CHECK(src_connect(src, NULL));
        src_talk(src, true);
        world_run(&world, 4000);
        src_hang_up(src);
        struct srs_file *file = srs_only_file(&srs);
        if (file) {
            unsigned there = journaled(file, "epoch", &events);
            CHECK_INT(taken(file, stream->ssrc), there);
            CHECK(there > stream->sent * 85 / 100);
            CHECK_INT(events, 1);
        }
        if (failed != tap_failed_checks)
            printf("# seed %" PRIu64 "\n", seed);
        finish();
    }
}

int main(void)
{
    RUN(test_behind_a_nat);
    RUN(test_refused);
    RUN(test_moved_by_its_nat);
    RUN(test_second_sender);
    RUN(test_new_ssrc);
    RUN(test_large_invite);
    RUN(test_bad_networks);
    return tap_done();
}
