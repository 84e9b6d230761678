/* streams: what comes to a media port besides the packets that should, and what leaves it.
 * RFC 3550, 4733, 4961, 5761, 7983; lessons.md 6, 9, 22, 23, 25, 26, 28, 32, 45, 52. */
#include "play.h"

static struct play *begin_talking(uint64_t seed)
{
    struct play *play = play_begin(seed, NULL);
    CHECK(src_connect(play->src, src_metadata("1", "2")));
    src_talk(play->src, true);
    world_run(&play->world, 1000);
    return play;
}

/* Packets of a journal whose interface description says `what`. */
static unsigned count_on(const struct play *play, const char *what)
{
    unsigned count = 0;
    for (unsigned i = 0; i < play->pcap->count; i++) {
        const struct pcap_packet *p = &play->pcap->packets[i];
        struct view description = play->pcap->descriptions[p->interface];
        count +=
            p->payload.len > 0 && view_find(description, view_of_string(what)) < description.len;
    }
    return count;
}

/* Somebody who learnt the port sends to it too: kept apart, counted, never mixed in (lesson 52). */
static void test_a_second_sender(void)
{
    struct play *play = begin_talking(1);
    struct src *rogue = src_create(&play->world);
    struct src_stream *noise = src_add_stream(rogue, "x");
    noise->to = play->a->to;
    src_talk(rogue, true);
    world_run(&play->world, 2000);
    src_talk(rogue, false);
    world_run(&play->world, 500);
    play_end(play);
    CHECK_INT(pcap_count_rtp(play->pcap, &play->a->to, &play->a->from), play->a->sent);
    CHECK_INT(count_on(play, "\"role\":\"media\""), play->a->sent + play->b->sent);
    CHECK_INT(count_on(play, "\"role\":\"apart\""), noise->sent);
    CHECK_INT(play_number(play_stream(play, 0), "packets"), play->a->sent);
    CHECK_INT(play_number(play_stream(play, 0), "lost"), 0);
    CHECK(play_number(play_stream(play, 0), "foreign_packets") > 0);
    CHECK_INT(play_count(play, "warnings", "code", "second-sender"), 1);
    CHECK_INT(pcap_count_events(play->pcap, "foreign"), 1);
    play_free(play);
}

/* A flood is bounded: at most 64 KiB of it are kept, the stream itself is whole. */
static void test_a_flood_from_a_second_sender(void)
{
    struct play *play = begin_talking(2);
    struct src *rogue = src_create(&play->world);
    struct src_stream *noise = src_add_stream(rogue, "x");
    noise->to = play->a->to;
    for (int i = 0; i < 3000; i++) {
        src_rtp(rogue, noise, 0, false, VIEW_NONE);
        if (i % 50 == 0)
            world_run(&play->world, 20);
    }
    world_run(&play->world, 500);
    play_end(play);
    CHECK_INT(pcap_count_rtp(play->pcap, &play->a->to, &play->a->from), play->a->sent);
    CHECK(count_on(play, "\"role\":\"apart\"") <= 65536 / 172);
    CHECK(count_on(play, "\"role\":\"apart\"") >= 65536 / 172 - 20);
    play_free(play);
}

/* Lesson 26: the SBC begins anew with another SSRC, unannounced: another epoch, nothing lost. */
static void test_the_ssrc_changes(void)
{
    struct play *play = begin_talking(3);
    play->a->ssrc = 0xabcdef;
    play->a->seq = 7;
    play->a->timestamp = 99;
    world_run(&play->world, 2000);
    play_end(play);
    CHECK_INT(pcap_count_rtp(play->pcap, &play->a->to, NULL), play->a->sent);
    CHECK_INT(play_number(play_stream(play, 0), "packets"), play->a->sent);
    CHECK_INT(play_number(play_stream(play, 0), "lost"), 0);
    CHECK_INT(pcap_count_events(play->pcap, "epoch"), 3); /* two beginnings and one change */
    CHECK_INT(play_count(play, "events", "event", "epoch"), 1);
    play_free(play);
}

/* A NAT in between moves the SRC's port: believed once the old one is silent and the new goes
 * on. */
static void test_the_port_changes_unannounced(void)
{
    struct play *play = begin_talking(4);
    play->a->from.port = 40002;
    world_run(&play->world, 3000);
    play_end(play);
    CHECK_INT(pcap_count_rtp(play->pcap, &play->a->to, NULL), play->a->sent);
    CHECK_INT(play_number(play_stream(play, 0), "packets"), play->a->sent);
    CHECK_INT(play_number(play_stream(play, 0), "lost"), 0);
    CHECK_TEXT(play_text(play_stream(play, 0), "observed"), "192.0.2.10:40002");
    CHECK_INT(play_number(json_object_get(play_stream(play, 0), "verdict"), "switches"), 1);
    play_free(play);
}

/* Lessons 32, 45: digits are events, not noise; each once, although its end comes three times. */
static void test_digits(void)
{
    struct play *play = begin_talking(5);
    static const char dialled[] = "159#";
    static const uint8_t codes[] = {1, 5, 9, 11};
    src_talk(play->src, false);
    for (size_t i = 0; i < 4; i++) {
        src_digit(play->src, play->a, codes[i], 120);
        world_run(&play->world, 100);
    }
    src_talk(play->src, true);
    world_run(&play->world, 500);
    play_end(play);
    json_t *digits = json_object_get(play->document, "digits");
    CHECK_INT(json_array_size(digits), 4);
    for (size_t i = 0; i < json_array_size(digits); i++) {
        char digit[2] = {dialled[i], 0};
        CHECK_TEXT(play_text(json_array_get(digits, i), "digit"), digit);
        CHECK_TEXT(play_text(json_array_get(digits, i), "label"), "1");
        CHECK_INT(play_number(json_array_get(digits, i), "duration_ms"), 120);
    }
    CHECK_INT(pcap_count_events(play->pcap, "digit"), 4);
    CHECK_INT(pcap_count_rtp(play->pcap, &play->a->to, NULL), play->a->sent);
    play_free(play);
}

/* Lesson 45: comfort noise, keepalives of any kind, STUN, ZRTP, rubbish: the rest is not lost. */
static void test_other_packets_on_the_port(void)
{
    static const struct view others[] = {
        VIEW("\0\1\0\0\x21\x12\xa4\x42qwertyuiopas"),
        VIEW("\r\n\r\n"),
        VIEW("\x10ZRTP...."),
        VIEW("\x16\xfe\xff\0\0"),
        VIEW("\x80"),
        VIEW("\x80\x00\x00"),
        VIEW("\xff\xff\xff\xff"),
        VIEW("\x80\xc8\x00\x06"),
        VIEW("\xbf\x00\x00\x01\0\0\0\1\0\0\0\2"),
    };
    struct play *play = begin_talking(6);
    src_rtp(play->src, play->a, 13, false, VIEW_LIT("\x40"));     /* CN */
    src_rtp(play->src, play->a, 20, false, (struct view){"", 0}); /* RFC 6263 §4.6 */
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        world_send(&play->world, play->a->from, play->a->to, others[i]);
    world_send(&play->world, play->a->from, play->a->to, VIEW_NONE);
    world_run(&play->world, 1000);
    play_end(play);
    CHECK_INT(pcap_count_rtp(play->pcap, &play->a->to, NULL), play->a->sent);
    CHECK_INT(play_number(play_stream(play, 0), "packets"), play->a->sent);
    play_free(play);
}

/* No packet 5 s after the ACK is a warning; the call goes on, and what comes later is kept. */
static void test_a_silent_stream(void)
{
    struct play *play = play_begin(7, NULL);
    CHECK(src_connect(play->src, src_metadata("1", "2")));
    play->a->talking = true;
    play->a->next = play->world.now;
    world_run(&play->world, 4900);
    CHECK_INT(strstr(play->srs.files[0].document, "stream-silent") != NULL, 0);
    world_run(&play->world, 1200);
    CHECK_INT(strstr(play->srs.files[0].document, "stream-silent") != NULL, 1);
    src_talk(play->src, true);
    world_run(&play->world, 1000);
    play_end(play);
    CHECK_INT(play_count(play, "warnings", "code", "stream-silent"), 1);
    CHECK_INT(play_count(play, "events", "event", "silent"), 1);
    CHECK_INT(pcap_count_events(play->pcap, "silent"), 1);
    CHECK_INT(pcap_count_rtp(play->pcap, &play->b->to, NULL), play->b->sent);
    play_free(play);
}

/* RTP before the ACK, even before the SRC has seen our 200, is recorded. */
static void test_media_before_the_ack(void)
{
    struct play *play = play_begin(8, NULL);
    play->src->no_ack = true;
    CHECK(src_connect(play->src, src_metadata("1", "2")));
    src_talk(play->src, true);
    world_run(&play->world, 3000);
    play->src->no_ack = false;
    world_run(&play->world, 5000);
    play_end(play);
    CHECK_INT(pcap_count_rtp(play->pcap, &play->a->to, NULL), play->a->sent);
    play_free(play);
}

/* The last words are on the way when BYE arrives. */
static void test_the_tail_after_bye(void)
{
    struct play *play = play_begin(9, NULL);
    play->world.media.delay_us = 150000; /* media takes longer than signalling */
    CHECK(src_connect(play->src, src_metadata("1", "2")));
    src_talk(play->src, true);
    world_run(&play->world, 2000);
    src_talk(play->src, false);
    src_bye(play->src);
    CHECK_INT(src_wait(play->src), 200);
    play_end(play);
    CHECK_INT(pcap_count_rtp(play->pcap, &play->a->to, NULL), play->a->sent);
    CHECK_INT(pcap_count_rtp(play->pcap, &play->b->to, NULL), play->b->sent);
    const struct pcap_packet *last = &play->pcap->packets[play->pcap->count - 1];
    CHECK(last == pcap_find_event(play->pcap, "ended")); /* and nothing follows */
    play_free(play);
}

/* An SRC that goes on sending for ever does not keep the recording open: 2 s at most. */
static void test_an_src_that_does_not_stop(void)
{
    struct play *play = begin_talking(10);
    src_bye(play->src);
    CHECK_INT(src_wait(play->src), 200);
    world_run(&play->world, 2100);
    CHECK_INT(recorder_usage(play->srs.recorder).recordings, 0);
    world_run(&play->world, 3000);
    src_talk(play->src, false);
    play_end(play);
    play_free(play);
}

/* Lesson 25: the next call gets the port while the last one's packets still come: they are not its
 * own. */
static void test_late_packets_of_the_ports_last_call(void)
{
    struct srs_options options = {.ports = 2};
    struct play *play = play_begin(11, &options);
    struct src *next = src_create(&play->world);
    struct src_stream *stream = src_add_stream(next, "1");
    CHECK(src_connect(play->src, src_metadata("1", "2")));
    src_talk(play->src, true);
    world_run(&play->world, 1000);
    src_bye(play->src);
    CHECK_INT(src_wait(play->src), 200);
    world_run(&play->world, 5000); /* rested, lent again; the first SRC never stopped */
    for (int tries = 0; tries < 200 && stream->to.port != play->a->to.port; tries++) {
        if (stream->to.port)
            src_hang_up(next);
        next = src_create(&play->world);
        stream = src_add_stream(next, "1");
        CHECK(src_connect(next, NULL));
    }
    CHECK_INT(stream->to.port, play->a->to.port);
    world_run(&play->world, 1000);
    src_talk(next, true);
    world_run(&play->world, 3000);
    src_talk(play->src, false);
    src_hang_up(next);
    struct srs_file *file = &play->srs.files[play->srs.file_count - 1];
    struct pcap *pcap = pcap_read(view_of(file->journal, file->journal_len));
    CHECK_INT(pcap_count_rtp(pcap, &stream->to, &stream->from), stream->sent);
    json_error_t error;
    json_t *document = json_loads(file->document, 0, &error);
    CHECK_INT(play_number(json_array_get(json_object_get(document, "streams"), 0), "packets"),
              stream->sent);
    json_decref(document);
    free(pcap);
    play_end(play);
    play_free(play);
}

/* Lesson 6: an SRC that waits for a first packet gets one at once, from the port that the answer
 * names. */
static void test_the_first_packet_comes_from_us(void)
{
    struct play *play = play_begin(12, NULL);
    CHECK(src_connect(play->src, src_metadata("1", "2")));
    world_run(&play->world, 10);
    CHECK(play->src->probes >= 2);
    CHECK(play->src->rtcp >= 2);
    world_run(&play->world, 4000);
    CHECK_INT(play->src->probes, 8); /* at 0, 200, 500, 1000 ms for each of two streams */
    src_talk(play->src, true);
    world_run(&play->world, 500);
    unsigned probes = play->src->probes;
    world_run(&play->world, 10000);
    CHECK_INT(play->src->probes, probes);
    play_end(play);
    play_free(play);
}

static uint32_t read32(const char *at)
{
    const uint8_t *b = (const uint8_t *)at;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* RFC 7866 §8.1.1: RR with a report block, and SDES with a CNAME,
 * every 5 s or so (RFC 3550 §6.2). */
static void test_receiver_reports(void)
{
    struct play *play = begin_talking(13);
    play->b->talking = false;
    src_sender_report(play->src, play->a, false);
    world_run(&play->world, 60000);
    const char *rr = play->src->last_rtcp;
    /* Two streams, a minute, 5 s * [0.5, 1.5] / 1.21828 each, plus the first ones. */
    CHECK(play->src->rtcp >= 2 * 60 / 7 && play->src->rtcp <= 2 * 60 / 2 + 8);
    CHECK_INT((uint8_t)rr[0] >> 6, 2);
    CHECK_INT((uint8_t)rr[1], 201);
    size_t len = ((size_t)((uint8_t)rr[2] << 8 | (uint8_t)rr[3]) + 1) * 4;
    CHECK_INT((uint8_t)rr[len + 1], 202);
    CHECK_INT(rr[len + 8], 1); /* CNAME */
    CHECK(rr[len + 9] > 8);
    /* Of the stream that talks: its SSRC, nothing lost, the last SR named. */
    for (int i = 0; i < 50 && !((rr[0] & 31) == 1 && read32(rr + 8) == play->a->ssrc); i++)
        world_run(&play->world, 500);
    CHECK_INT(rr[0] & 31, 1);
    CHECK_INT(read32(rr + 8), play->a->ssrc);
    CHECK_INT(read32(rr + 12), 0);
    CHECK(read32(rr + 24) != 0 && read32(rr + 28) >= 50u * 65536 &&
          read32(rr + 28) <= 90u * 65536); /* DLSR, 1/65536 s */
    play_end(play);
    CHECK_INT(count_on(play, "\"stream\":0"), play->a->sent + 1); /* the SR is in the journal */
    play_free(play);
}

static void test_rtcp_mux_and_bye(void)
{
    struct play *play = play_begin(14, NULL);
    play->a->mux = play->b->mux = true;
    CHECK(src_connect(play->src, src_metadata("1", "2")));
    CHECK(strstr(play->src->answer, "a=rtcp-mux") != NULL);
    world_run(&play->world, 10);
    CHECK_INT(play->src->probes, 0); /* the report on the RTP port does */
    CHECK(play->src->rtcp >= 2);
    src_talk(play->src, true);
    world_run(&play->world, 1000);
    src_sender_report(play->src, play->a, true);
    src_talk(play->src, false);
    world_run(&play->world, 1000);
    play_end(play);
    CHECK_INT(pcap_count_events(play->pcap, "rtcp-bye"), 1);
    CHECK_INT(play_count(play, "events", "event", "rtcp-bye"), 1);
    CHECK_INT(count_on(play, "\"stream\":0"), play->a->sent + 1);
    play_free(play);
}

/* Nobody is made our target by his name in an SDP: an SRC that sip.allow does not name gets RTCP
 * only where its SIP came from, and at most three packets before it has shown itself. */
static void test_nobody_is_attacked(void)
{
    struct play *play = play_begin(15, NULL);
    struct src *victim = src_create(&play->world);
    (void)src_add_stream(victim, "x");
    (void)snprintf(play->a->connection, sizeof play->a->connection, "%.31s",
                   addr_print_ip(&victim->sip).s);
    play->src->no_ack = true;
    CHECK(src_connect(play->src, NULL));
    world_run(&play->world, 20000);
    CHECK_INT(victim->rtcp + victim->probes, 0);
    CHECK(play->src->rtcp + play->src->probes <= 3);
    CHECK(play->src->rtcp + play->src->probes > 0);
    play->src->over = true;
    play_end(play);
    play_free(play);
}

/* Lesson 22: RTP from another address than the SDP says: recorded, and said. */
static void test_media_from_another_address(void)
{
    struct play *play = play_begin(16, NULL);
    (void)snprintf(play->a->connection, sizeof play->a->connection, "10.1.2.3");
    CHECK(src_connect(play->src, src_metadata("1", "2")));
    src_talk(play->src, true);
    world_run(&play->world, 4000);
    play_end(play);
    CHECK_INT(pcap_count_rtp(play->pcap, &play->a->to, NULL), play->a->sent);
    CHECK_INT(play_number(play_stream(play, 0), "packets"), play->a->sent);
    CHECK_INT(play_count(play, "warnings", "code", "source-differs"), 1);
    play_free(play);
}

int main(void)
{
    RUN(test_a_second_sender);
    RUN(test_a_flood_from_a_second_sender);
    RUN(test_the_ssrc_changes);
    RUN(test_the_port_changes_unannounced);
    RUN(test_digits);
    RUN(test_other_packets_on_the_port);
    RUN(test_a_silent_stream);
    RUN(test_media_before_the_ack);
    RUN(test_the_tail_after_bye);
    RUN(test_an_src_that_does_not_stop);
    RUN(test_late_packets_of_the_ports_last_call);
    RUN(test_the_first_packet_comes_from_us);
    RUN(test_receiver_reports);
    RUN(test_rtcp_mux_and_bye);
    RUN(test_nobody_is_attacked);
    RUN(test_media_from_another_address);
    return tap_done();
}
