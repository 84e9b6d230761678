/* A worker's media, one call at a time: where pauses cut, what back-pressure does, what becomes of
 * ports and of commands that come too late. RFC 3550, 3264 §5.1, 7866 §7.1.1.1. */
#include "media/media.h"

#include <errno.h>
#include <unistd.h>

#include "journal/reader.h"
#include "tap.h"

static const struct wall noon = {INT64_C(1772366400) * NS_PER_S};
static struct media *media;
static struct tick now;
static char file[4 << 20];
static size_t file_len;
static unsigned closed, failed, overflows, released;
static struct media_counters counters; /* as told last */
static uint32_t dropped;               /* what the kernel says with each datagram */

static struct wall at_ms(int64_t ms)
{
    return wall_add_ms(noon, ms);
}

static void begin(void)
{
    struct media_config config = {.recordings = 2,
                                  .streams = 4,
                                  .ports = 8,
                                  .shared = 4,
                                  .silent_after_ms = 5000,
                                  .linger_ms = 200,
                                  .linger_max_ms = 2000,
                                  .apart_max = 65536};
    media = media_create(&config);
    now = (struct tick){NS_PER_S};
    media_clock(media, &(struct moment){now, at_ms(0)});
    file_len = 0;
    closed = failed = overflows = released = dropped = 0;
}

static void drain(void)
{
    struct media_write write;
    struct media_event event;
    struct media_port port;
    while (media_write(media, &write)) {
        if (write.bytes.len)
            memcpy(file + file_len, write.bytes.at, write.bytes.len);
        file_len += write.bytes.len;
    }
    while (media_event(media, &event)) {
        counters = event.counters;
        closed += event.kind == MEDIA_EVENT_CLOSED;
        failed += event.kind == MEDIA_EVENT_FAILED;
        overflows += event.kind == MEDIA_EVENT_OVERFLOW;
    }
    while (media_release(media, &port))
        released++;
}

static void command(struct media_command c, uint64_t recording, int64_t ms)
{
    c.recording.value = recording;
    c.at = at_ms(ms);
    media_command(media, now, &c);
}

static void open_stream(uint64_t recording, uint32_t port, bool paused, int64_t ms)
{
    struct media_command c = {.kind = MEDIA_STREAM};
    c.stream = (struct media_stream_facts){
        .port = port,
        .generation = 7,
        .listed = true, /* what may be sent to others is counted */
        .paused = paused,
        .bound = addr_v4(192, 0, 2, 1, (uint16_t)(4000 + 2 * port)),
        .advertised = addr_v4(192, 0, 2, 1, (uint16_t)(4000 + 2 * port)),
        .offered = addr_v4(192, 0, 2, 9, 5000),
        .signalled = addr_v4(192, 0, 2, 9, 5060),
        .codec_count = 1,
        .codecs = {{.payload_type = 0, .clock_hz = 8000}},
    };
    command(c, recording, ms);
}

static uint16_t their_port = 5000;

static size_t sized_packet(uint32_t port, uint16_t seq, int64_t ms, size_t size)
{
    static char bytes[65507];
    bytes[0] = (char)0x80;
    bytes[2] = (char)(seq >> 8);
    bytes[3] = (char)seq;
    struct datagram d = {.socket = MEDIA_SOCKET(port, false),
                         .from = addr_v4(192, 0, 2, 9, their_port),
                         .at = at_ms(ms),
                         .dropped = dropped,
                         .bytes = view_of(bytes, size)};
    return media_input(media, now, &d, 1);
}

static size_t packet(uint32_t port, uint16_t seq, int64_t ms)
{
    return sized_packet(port, seq, ms, 172);
}

/* The sequence numbers that are in the journal's stream, as a sum of 1 << seq; only for seq <
 * 64. */
static uint64_t journaled(unsigned *rtp)
{
    struct journal_reader *reader = journal_reader_create();
    struct journal_record record;
    uint64_t seen = 0;
    *rtp = 0;
    journal_reader_feed(reader, view_of(file, file_len), true);
    while (journal_reader_next(reader, &record)) {
        if (record.kind != JOURNAL_RECORD_RTP)
            continue;
        ++*rtp;
        seen |= UINT64_C(1) << ((uint8_t)record.payload.at[3] & 63);
    }
    journal_reader_destroy(reader);
    return seen;
}

/* The sweep comes long after: what arrived before our answer left is kept, what came after is not,
 * and the same at the resume, even when both fall into one sweep. */
static void test_a_pause_cuts_where_the_answer_left(void)
{
    unsigned rtp;
    begin();
    command((struct media_command){.kind = MEDIA_OPEN}, 1, 0);
    open_stream(1, 3, false, 0);
    open_stream(1, 3, true, 100);
    open_stream(1, 3, false, 200);
    now = tick_add_ms(now, 300);
    for (uint16_t i = 0; i < 15; i++)
        (void)packet(3, i, i * 20);
    drain();
    /* 0..4 before 100 ms; 5..9 at 100..180 in the pause; 10.. from 200 ms on. */
    CHECK_INT(journaled(&rtp), 0x7c1f);
    media_destroy(media);
}

/* A clock set back is no way into a pause: better a gap than a word too much. */
static void test_a_clock_set_back_ends_no_pause(void)
{
    unsigned rtp;
    begin();
    command((struct media_command){.kind = MEDIA_OPEN}, 1, 0);
    open_stream(1, 3, false, 0);
    open_stream(1, 3, true, 5000);
    now = tick_add_ms(now, 2000);
    (void)packet(3, 1, 3000);
    drain();
    CHECK_INT(journaled(&rtp), 0);
    media_destroy(media);
}

static void test_what_came_before_the_call_is_not_its_own(void)
{
    unsigned rtp;
    begin();
    command((struct media_command){.kind = MEDIA_OPEN}, 1, 1000);
    open_stream(1, 3, false, 1000);
    (void)packet(3, 1, 999);
    (void)packet(3, 2, 1000);
    (void)packet(4, 3, 1000); /* a port that nobody has */
    drain();
    CHECK_INT(journaled(&rtp), 4);
    media_destroy(media);
}

/* Full buffers stop the batch, not the recording: drained, it goes on, and nothing is missing. */
static void test_back_pressure(void)
{
    unsigned rtp, stops = 0;
    begin();
    command((struct media_command){.kind = MEDIA_OPEN}, 1, 0);
    open_stream(1, 3, false, 0);
    for (unsigned i = 0; i < 5000; i++) {
        if (packet(3, (uint16_t)i, i)) /* taken */
            continue;
        stops++;
        drain();
        CHECK_INT(packet(3, (uint16_t)i, i), 1);
    }
    drain();
    (void)journaled(&rtp);
    CHECK_INT(rtp, 5000);
    CHECK(stops > 10);
    media_destroy(media);
}

/* Whoever takes the events is behind: packets are taken all the same, and no event is lost. */
static void test_events_that_nobody_takes(void)
{
    struct media_command c = {.kind = MEDIA_STREAM};
    struct media_write write;
    struct media_event event;
    unsigned digits = 0;
    begin();
    command((struct media_command){.kind = MEDIA_OPEN}, 1, 0);
    c.stream = (struct media_stream_facts){
        .port = 3,
        .generation = 7,
        .bound = addr_v4(192, 0, 2, 1, 4006),
        .offered = addr_v4(192, 0, 2, 9, 5000),
        .codec_count = 1,
        .codecs = {{.kind = MEDIA_DIGITS, .payload_type = 101, .clock_hz = 8000}},
    };
    command(c, 1, 0);
    for (unsigned i = 0; i < 5000; i++) {
        /* RFC 4733 §2.3: a "5" each, over with its first packet. */
        char bytes[16] = {
            (char)0x80, 101, (char)(i >> 8), (char)i, 0, (char)(i >> 8), (char)i, 0, 0, 0, 0,
            1,          5,   (char)0x8a,     0,       80};
        struct datagram d = {.socket = MEDIA_SOCKET(3, false),
                             .from = addr_v4(192, 0, 2, 9, 5000),
                             .at = at_ms(i),
                             .bytes = view_of(bytes, sizeof bytes)};
        CHECK_INT(media_input(media, now, &d, 1), 1);
        while (media_write(media, &write))
            ;
    }
    while (media_event(media, &event))
        digits += event.kind == MEDIA_EVENT_DIGIT;
    CHECK(digits >= 4999); /* the last may still go on */
    media_destroy(media);
}

/* UDP carries more than a buffer holds. Such a packet is no media; the worker must not wait for
 * room that there never will be. What L16 in stereo needs is media. */
static void test_datagrams_of_any_size(void)
{
    static const size_t sizes[] = {0, 1, 12, 3852, 7692, 9012, 9217, 15360, 16384, 60000, 65507};
    unsigned rtp;
    begin();
    command((struct media_command){.kind = MEDIA_OPEN}, 1, 0);
    open_stream(1, 3, false, 0);
    (void)packet(3, 0, 0);
    for (uint16_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        drain();
        CHECK_INT(sized_packet(3, (uint16_t)(1 + i), i, sizes[i]), 1);
    }
    (void)packet(3, 20, 20);
    drain();
    CHECK_INT(failed, 0);
    CHECK_INT(journaled(&rtp), 1 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 20);
    CHECK_INT(rtp, 6);
    media_destroy(media);
}

/* The kernel's count is the socket's own: what it was before does not matter, that it grows
 * does. */
static void test_packets_that_the_kernel_dropped(void)
{
    begin();
    command((struct media_command){.kind = MEDIA_OPEN}, 1, 0);
    open_stream(1, 3, false, 0);
    dropped = 5;
    for (uint16_t i = 0; i < 20; i++) {
        dropped += i >= 10;
        (void)packet(3, i, i * 20);
        drain();
        CHECK_INT(overflows, i >= 10);
    }
    media_destroy(media);
}

/* A sender report (RFC 3550 §6.4.1) of SSRC 0, that of packet(). */
static void report(uint32_t port, uint32_t packets, int64_t ms)
{
    char bytes[28] = {(char)0x80, (char)200, 0, 6};
    bytes[22] = (char)(packets >> 8);
    bytes[23] = (char)packets;
    struct datagram d = {.socket = MEDIA_SOCKET(port, true),
                         .from = addr_v4(192, 0, 2, 9, 5001),
                         .at = at_ms(ms),
                         .bytes = view_of(bytes, sizeof bytes)};
    CHECK_INT(media_input(media, now, &d, 1), 1);
}

/* What was held apart until its sender was believed came, and did not go by before the first. */
static void test_what_went_by_before_the_first_packet(void)
{
    static const struct {
        uint16_t from, first, lost;
    } plays[] = {{5000, 0, 0}, {5000, 7, 7}, {7777, 0, 0}, {7777, 7, 7}};
    for (size_t i = 0; i < sizeof plays / sizeof *plays; i++) {
        begin();
        their_port = plays[i].from;
        command((struct media_command){.kind = MEDIA_OPEN}, 1, 0);
        open_stream(1, 3, false, 0);
        for (uint16_t n = plays[i].first; n < 30; n++) {
            now = tick_add_ms(now, 20);
            (void)packet(3, n, n * 20);
            drain();
        }
        report(3, 30, 30 * 20 - 10);
        (void)packet(3, 30, 30 * 20);
        now = tick_add_ms(now, 10000);
        media_expire(media, now);
        drain();
        CHECK_INT(counters.packets, 31 - plays[i].first);
        CHECK_INT(counters.lost_before, plays[i].lost);
        media_destroy(media);
    }
    their_port = 5000;
}

/* The socket that our reports leave from, of those that are due by then; UINT32_MAX: none is. */
static uint32_t reporting_socket(void)
{
    struct media_packet packet;
    uint32_t socket = UINT32_MAX;
    media_expire(media, now);
    while (media_output(media, now, &packet)) {
        if ((uint8_t)packet.bytes.at[1] != 201) /* RFC 3550 §6.4.2; else a keepalive */
            continue;
        CHECK_INT(packet.to.port, 5001);
        socket = packet.socket;
    }
    return socket;
}

/* Behind a NAT that lets in whom we have sent to, their reports come to the port that they are told
 * only once ours have left from it, whatever still comes to the one from before. */
static void test_reports_leave_from_the_port_of_now(void)
{
    begin();
    command((struct media_command){.kind = MEDIA_OPEN}, 1, 0);
    open_stream(1, 3, false, 0);
    (void)packet(3, 0, 0);
    command((struct media_command){.kind = MEDIA_CONFIRM}, 1, 0);
    report(3, 1, 10);
    now = tick_add_ms(now, 8000);
    CHECK_INT(reporting_socket(), MEDIA_SOCKET(3, true));
    open_stream(1, 4, false, 8000);
    CHECK_INT(reporting_socket(), MEDIA_SOCKET(4, true));
    report(3, 1, 8100);
    now = tick_add_ms(now, 8000);
    CHECK_INT(reporting_socket(), MEDIA_SOCKET(4, true));
    report(4, 1, 16100);
    now = tick_add_ms(now, 30000);
    CHECK_INT(reporting_socket(), MEDIA_SOCKET(4, true));
    media_destroy(media);
}

/* A sweep so many ms after begin(), while the wall clock shows that it is wall_ms after noon. */
static void sweep(int64_t ms, int64_t wall_ms)
{
    now = tick_add_ms((struct tick){NS_PER_S}, ms);
    media_clock(media, &(struct moment){now, at_ms(wall_ms)});
}

static struct media_event first_event(void)
{
    struct media_event event, first = {.kind = MEDIA_EVENT_CLOSED};
    while (media_event(media, &event)) {
        if (event.kind == MEDIA_EVENT_FIRST)
            first = event;
    }
    return first;
}

/* Its packets came every 20 ms from a port that had to be believed first, and we slept through most of them. */
static void test_a_machine_that_stood_still(void)
{
    begin();
    their_port = 7777;
    command((struct media_command){.kind = MEDIA_OPEN}, 1, 0);
    open_stream(1, 3, false, 0);
    sweep(7, 7);
    (void)packet(3, 0, 5);
    sweep(141, 141);
    for (uint16_t n = 1; n < 4; n++)
        (void)packet(3, n, 5 + n * 20);
    struct media_event first = first_event();
    CHECK_INT(tick_diff_ms(first.tick, (struct tick){NS_PER_S}), 5);
    CHECK_INT(wall_diff_ms(first.at, at_ms(0)), 5);
    their_port = 5000;
    media_destroy(media);
}

/* Whatever date the kernel gave it, it came after the sweep before and is here now. */
static void test_arrivals_while_the_clock_is_set(void)
{
    static const struct {
        int64_t wall_ms, packet_ms, arrival_ms;
    } plays[] = {
        {120, 115, 115},           /* nobody sets it */
        {3600120, 115, 100},       /* forward, after the packet came */
        {-3600000, 115, 120},      /* back, after it came */
        {-3600000, -3600008, 112}, /* back, before it came */
        {120, 125, 120},           /* it came after the clocks were read */
    };
    for (size_t i = 0; i < sizeof plays / sizeof *plays; i++) {
        begin();
        command((struct media_command){.kind = MEDIA_OPEN}, 1, -7200000);
        open_stream(1, 3, false, -7200000);
        sweep(100, 100);
        sweep(120, plays[i].wall_ms);
        (void)packet(3, 0, plays[i].packet_ms);
        CHECK_INT(tick_diff_ms(first_event().tick, (struct tick){NS_PER_S}), plays[i].arrival_ms);
        media_destroy(media);
    }
}

/* What is dated before the call is its own all the same, once nothing from before can be waiting. */
static void test_a_clock_set_back_loses_no_packet(void)
{
    unsigned rtp;
    begin();
    command((struct media_command){.kind = MEDIA_OPEN}, 1, 0);
    open_stream(1, 3, false, 0);
    (void)packet(3, 0, 10);
    (void)packet(3, 1, -10);
    sweep(5000, -3600000);
    (void)packet(3, 2, -3600010);
    drain();
    CHECK_INT(journaled(&rtp), 1 | 4);
    media_destroy(media);
}

static char *copy(const char *text)
{
    char *block = malloc(strlen(text) + 1);
    strcpy(block, text);
    return block;
}

/* A SIP message far larger than the buffer, in between. */
static void test_a_large_message(void)
{
    unsigned rtp;
    begin();
    command((struct media_command){.kind = MEDIA_OPEN}, 1, 0);
    open_stream(1, 3, false, 0);
    (void)packet(3, 1, 1);
    size_t len = 900000;
    char *message = malloc(len);
    memset(message, 'x', len);
    memcpy(message, "INVITE sip:a SIP/2.0\r\n", 22);
    struct media_command sip = {.kind = MEDIA_SIP, .bytes = (uint8_t *)message, .len = len};
    sip.sip = (struct media_sip){
        .from = addr_v4(192, 0, 2, 9, 5060), .to = addr_v4(192, 0, 2, 1, 5060), .tcp = true};
    command(sip, 1, 2);
    (void)packet(3, 2, 3);
    drain();
    CHECK_INT(journaled(&rtp), 6);
    CHECK(file_len > len);
    CHECK_INT(media_usage(media).buffered, 0);
    media_destroy(media);
}

/* Twice closed, closed and then told more, never opened: nothing breaks, every port comes back. */
static void test_commands_that_come_too_late(void)
{
    begin();
    command((struct media_command){.kind = MEDIA_OPEN}, 1, 0);
    open_stream(1, 3, false, 0);
    for (int i = 0; i < 2; i++) {
        char *farewell = copy("{\"siprecd\":\"ended\"}");
        command((struct media_command){.kind = MEDIA_CLOSE,
                                       .bytes = (uint8_t *)farewell,
                                       .len = strlen(farewell)},
                1, 10);
    }
    open_stream(1, 4, false, 20);
    drain();
    CHECK_INT(released, 1); /* the late one */
    now = tick_add_ms(now, 250);
    media_expire(media, now);
    command((struct media_command){.kind = MEDIA_MARK,
                                   .mark = {.stream = 0},
                                   .bytes = (uint8_t *)copy("{\"siprecd\":\"x\"}"),
                                   .len = 15},
            1, 300);
    drain();
    CHECK_INT(closed, 1);
    CHECK_INT(released, 2);
    open_stream(1, 3, false, 400);
    command((struct media_command){.kind = MEDIA_CONFIRM}, 1, 400);
    command((struct media_command){.kind = MEDIA_CLOSE}, 1, 400);
    drain();
    CHECK_INT(closed, 2); /* whoever waits for it shall hear it */
    CHECK_INT(released, 3);
    struct media_usage usage = media_usage(media);
    CHECK(usage.recordings == 0 && usage.streams == 0 && usage.ports == 0);
    media_destroy(media);
}

/* A move whose new port was closed on its way, and which is taken back: the old port is the stream's
 * again, and its time as the spare one is over. */
static void test_back_to_the_port_before(void)
{
    begin();
    command((struct media_command){.kind = MEDIA_OPEN}, 1, 0);
    open_stream(1, 3, false, 0);
    open_stream(1, MEDIA_PORT_CLOSED, false, 10);
    open_stream(1, 3, false, 20);
    alarm(20); /* a timer that is never done ends the test */
    for (int s = 1; s <= 40; s++) {
        now = tick_add_ms(now, 1000);
        media_clock(media, &(struct moment){now, at_ms(s * 1000)});
        media_expire(media, now);
        drain();
    }
    alarm(0);
    CHECK(!tick_due(media_deadline(media), now));
    CHECK_INT(released, 0);
    CHECK_INT(packet(3, 1, 41000), 1);
    drain();
    CHECK_INT(media_usage(media).ports, 1);
    media_destroy(media);
}

/* A port that was closed on its way leaves a stream that may share (ICE over TCP) without a socket: none
 * that it shares, and none to send from. */
static void test_a_closed_port_is_not_shared(void)
{
    struct addr peer = addr_v4(192, 0, 2, 9, 5000);
    struct media_packet out;
    struct media_command c = {.kind = MEDIA_STREAM};
    begin();
    counters = (struct media_counters){0};
    command((struct media_command){.kind = MEDIA_OPEN}, 1, 0);
    c.stream = (struct media_stream_facts){.port = MEDIA_PORT_CLOSED,
                                           .shares = true,
                                           .socket = MEDIA_SOCKET(3, false),
                                           .rtcp_mux = true,
                                           .listed = true,
                                           .bound = addr_v4(192, 0, 2, 1, 4006),
                                           .offered = peer,
                                           .offered_rtcp = peer,
                                           .signalled = addr_v4(192, 0, 2, 9, 5060)};
    c.stream.way.targets[0] = peer;
    c.stream.way.target_count = 1;
    c.stream.way.keepalive = MEDIA_KEEPALIVE_USUAL;
    command(c, 1, 0);
    CHECK(!media_knows_path(media, c.stream.socket, &peer));
    for (int s = 1; s <= 20; s++) {
        now = tick_add_ms(now, 1000);
        media_clock(media, &(struct moment){now, at_ms(s * 1000)});
        media_expire(media, now);
        CHECK(!media_output(media, now, &out));
        drain();
    }
    CHECK_INT(counters.keepalives, 0);
    c.stream.port = MEDIA_PORT_SHARED;
    c.stream.socket = MEDIA_SHARED(MEDIA_SHARED_UDP, 0);
    command(c, 1, 20000);
    CHECK(media_knows_path(media, c.stream.socket, &peer));
    now = tick_add_ms(now, 6000);
    media_expire(media, now);
    if (CHECK(media_output(media, now, &out)))
        CHECK_INT(out.socket, c.stream.socket);
    media_destroy(media);
}

/* Whoever sweeps hears that a look is due before the end, and only then; what the look brings puts
 * the end off. */
static void test_the_last_look_before_the_end(void)
{
    unsigned rtp;
    begin();
    command((struct media_command){.kind = MEDIA_OPEN}, 1, 0);
    open_stream(1, 3, false, 0);
    command((struct media_command){.kind = MEDIA_CLOSE}, 1, 10);
    CHECK(!media_is_ending(media, tick_add_ms(now, 199)));
    now = tick_add_ms(now, 200);
    CHECK(media_is_ending(media, now));
    (void)packet(3, 1, 190);
    CHECK(!media_is_ending(media, now));
    media_expire(media, now);
    drain();
    CHECK_INT(closed, 0);
    now = tick_add_ms(now, 200);
    CHECK(media_is_ending(media, now));
    media_expire(media, now);
    CHECK(!media_is_ending(media, now));
    drain();
    CHECK_INT(closed, 1);
    CHECK_INT(journaled(&rtp), 2);
    media_destroy(media);
}

static void test_more_recordings_than_there_is_room_for(void)
{
    begin();
    for (uint64_t i = 1; i <= 3; i++)
        command((struct media_command){.kind = MEDIA_OPEN}, i, 0);
    drain();
    CHECK_INT(failed, 1);
    media_write_failed(media, (struct pool_id){1}, ENOSPC);
    media_write_failed(media, (struct pool_id){1}, ENOSPC);
    drain();
    CHECK_INT(failed, 2); /* once each */
    media_destroy(media);
}

/* A wildcard socket's first packet says at which of our addresses it arrived: what we send leaves
 * from there, the recorder is told, and the journal says so (RFC 4961). */
static void test_packets_that_arrive_at_another_address_of_ours(void)
{
    static const char bytes[172] = {(char)0x80};
    struct datagram d = {.socket = MEDIA_SOCKET(2, false),
                         .from = addr_v4(192, 0, 2, 9, 5000),
                         .to = addr_v4(10, 0, 0, 7, 4004),
                         .bytes = view_of(bytes, sizeof bytes)};
    struct addr here = addr_v4(10, 0, 0, 7, 4004), told = {0}, written = {0};
    struct media_event event;
    struct media_packet out;
    unsigned sent = 0, elsewhere = 0;
    struct media_write write;
    begin();
    command((struct media_command){.kind = MEDIA_OPEN}, 1, 0);
    open_stream(1, 2, false, 0);
    command((struct media_command){.kind = MEDIA_CONFIRM}, 1, 0);
    d.at = at_ms(20);
    CHECK_INT(media_input(media, now, &d, 1), 1);
    while (media_event(media, &event)) {
        if (event.kind == MEDIA_EVENT_FIRST)
            told = event.arrived;
    }
    CHECK(addr_equal(&told, &here));
    for (int i = 0; i < 100; i++) {
        now = tick_add_ms(now, 100);
        media_expire(media, now);
        while (media_output(media, now, &out)) {
            sent++;
            elsewhere += !addr_equal_ip(&out.from, &here);
        }
    }
    CHECK(sent > 0 && elsewhere == 0);
    while (media_write(media, &write)) {
        if (write.bytes.len)
            memcpy(file + file_len, write.bytes.at, write.bytes.len);
        file_len += write.bytes.len;
    }
    struct journal_reader *reader = journal_reader_create();
    struct journal_record record;
    journal_reader_feed(reader, view_of(file, file_len), true);
    while (journal_reader_next(reader, &record)) {
        if (record.kind == JOURNAL_RECORD_RTP)
            written = journal_reader_interface(reader, record.interface)->bound;
    }
    CHECK(addr_equal(&written, &here));
    journal_reader_destroy(reader);
    media_destroy(media);
}

static uint32_t interfaces(void)
{
    struct journal_reader *reader = journal_reader_create();
    struct journal_record record;
    journal_reader_feed(reader, view_of(file, file_len), true);
    while (journal_reader_next(reader, &record))
        ;
    uint32_t count = journal_reader_interfaces(reader);
    journal_reader_destroy(reader);
    return count;
}

/* Each re-INVITE tells the stream's facts again. A way that would let peers in and has no relay yet
 * is no other than it was. */
static void test_a_path_told_again_is_the_same_interface(void)
{
    struct media_command c = {.kind = MEDIA_STREAM};
    c.stream = (struct media_stream_facts){.port = 3,
                                           .bound = addr_v4(192, 0, 2, 1, 4006),
                                           .advertised = addr_v4(203, 0, 113, 1, 4006),
                                           .way = {.choice = {.permits = true}}};
    begin();
    command((struct media_command){.kind = MEDIA_OPEN}, 1, 0);
    command(c, 1, 0);
    drain();
    uint32_t first = interfaces();
    CHECK(first > 0);
    command(c, 1, 100);
    command(c, 1, 200);
    drain();
    CHECK_INT(interfaces(), first);
    c.stream.advertised.port = 4008;
    command(c, 1, 300);
    command(c, 1, 400);
    drain();
    CHECK_INT(interfaces(), first + 1);
    media_destroy(media);
}

int main(void)
{
    RUN(test_packets_that_arrive_at_another_address_of_ours);
    RUN(test_a_path_told_again_is_the_same_interface);
    RUN(test_a_pause_cuts_where_the_answer_left);
    RUN(test_a_clock_set_back_ends_no_pause);
    RUN(test_what_came_before_the_call_is_not_its_own);
    RUN(test_back_pressure);
    RUN(test_events_that_nobody_takes);
    RUN(test_datagrams_of_any_size);
    RUN(test_packets_that_the_kernel_dropped);
    RUN(test_what_went_by_before_the_first_packet);
    RUN(test_reports_leave_from_the_port_of_now);
    RUN(test_a_machine_that_stood_still);
    RUN(test_arrivals_while_the_clock_is_set);
    RUN(test_a_clock_set_back_loses_no_packet);
    RUN(test_a_large_message);
    RUN(test_commands_that_come_too_late);
    RUN(test_back_to_the_port_before);
    RUN(test_a_closed_port_is_not_shared);
    RUN(test_the_last_look_before_the_end);
    RUN(test_more_recordings_than_there_is_room_for);
    return tap_done();
}
