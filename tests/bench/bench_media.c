/* bench_media: what a packet costs in a worker's media, from the batch to the journal's buffer, with 2,000 streams that
 * take turns as sockets do in a sweep: 5 packets of each every 100 ms, events, timers and writes included.
 *   bench_media [SWEEPS]       prints name, ns a packet, ratio to a memcpy of its bytes
 * Under callgrind the count of instructions a packet is the same in every run.
 * Not here: sockets and files (bench_calls.c). RFC: none. */
#include "media/media.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    PACKET = 172, /* RTP header and 20 ms of G.711 */
    CALLS = 1000,
    STREAMS = 2 * CALLS,
    A_SWEEP = 5, /* packets of a stream */
    BATCH = 64,
    SWEEP_MS = 100,
    WARM = 25, /* sweeps before it counts: sources are known, reports begin to be due */
};

static const struct wall noon = {INT64_C(1772366400) * NS_PER_S};
static const struct tick began = {NS_PER_S};
static char packets[BATCH][PACKET], copies[1 << 20];
static struct media *media;
static volatile size_t sink;

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void drain(struct tick now)
{
    struct media_write write;
    struct media_packet packet;
    struct media_event event;
    while (media_write(media, &write))
        sink += write.bytes.len;
    while (media_output(media, now, &packet))
        sink += packet.bytes.len;
    while (media_event(media, &event))
        sink += event.kind;
}

static struct media_stream_facts facts_of(uint32_t port)
{
    struct addr ours = addr_v4(192, 0, 2, 1, (uint16_t)(10000 + 2 * port));
    struct addr theirs = addr_v4(192, 0, 2, 9, (uint16_t)(10000 + 2 * port));
    return (struct media_stream_facts){
        .stream = port % 2,
        .port = port,
        .generation = 1,
        .bound = ours,
        .bound_rtcp = addr_with_port(ours, ours.port + 1),
        .advertised = ours,
        .advertised_rtcp = addr_with_port(ours, ours.port + 1),
        .offered = theirs,
        .offered_rtcp = addr_with_port(theirs, theirs.port + 1),
        .signalled = addr_v4(192, 0, 2, 9, 5060),
        .codec_count = 2,
        .codecs = {{.payload_type = 0, .clock_hz = 8000},
                   {.payload_type = 101, .kind = MEDIA_DIGITS, .clock_hz = 8000}},
    };
}

static void start_calls(void)
{
    struct media_config config = {.recordings = CALLS,
                                  .streams = STREAMS,
                                  .ports = STREAMS,
                                  .silent_after_ms = 5000,
                                  .linger_ms = 200,
                                  .linger_max_ms = 2000,
                                  .apart_max = 65536};
    media = media_create(&config);
    if (!media)
        abort();
    for (uint32_t i = 0; i < CALLS; i++) {
        struct pool_id name = {i + 1};
        struct media_command open = {.kind = MEDIA_OPEN, .recording = name, .at = noon};
        struct media_command confirm = {.kind = MEDIA_CONFIRM, .recording = name, .at = noon};
        media_command(media, began, &open);
        for (uint32_t k = 0; k < 2; k++) {
            struct media_command stream = {.kind = MEDIA_STREAM, .recording = name, .at = noon};
            stream.stream = facts_of(2 * i + k);
            media_command(media, began, &stream);
        }
        media_command(media, began, &confirm);
        drain(began);
    }
}

static void put_header(char *bytes, uint32_t stream, uint32_t number)
{
    struct rtp_packet_start {
        uint8_t bytes[12];
    } head = {{0x80, 0, (uint8_t)(number >> 8), (uint8_t)number}};
    uint32_t timestamp = __builtin_bswap32(number * 160), ssrc = __builtin_bswap32(stream + 1);
    memcpy(head.bytes + 4, &timestamp, 4);
    memcpy(head.bytes + 8, &ssrc, 4);
    memcpy(bytes, &head, sizeof head);
}

static void feed(struct tick now, const struct datagram *batch, size_t count)
{
    size_t done = 0;
    while (done < count) {
        done += media_input(media, now, batch + done, count - done);
        if (done < count)
            drain(now);
    }
}

static void sweep(uint32_t number)
{
    struct tick now = tick_add_ms(began, (int64_t)(number + 1) * SWEEP_MS);
    struct datagram batch[BATCH];
    size_t count = 0;
    media_clock(media, &(struct moment){now, wall_add_ms(noon, (int64_t)(number + 1) * SWEEP_MS)});
    for (uint32_t port = 0; port < STREAMS; port++) {
        for (uint32_t i = 0; i < A_SWEEP; i++) {
            uint32_t at = number * A_SWEEP + i;
            put_header(packets[count], port, at);
            batch[count] =
                (struct datagram){.socket = MEDIA_SOCKET(port, false),
                                  .from = addr_v4(192, 0, 2, 9, (uint16_t)(10000 + 2 * port)),
                                  .to = addr_v4(192, 0, 2, 1, (uint16_t)(10000 + 2 * port)),
                                  .at = wall_add_ms(noon, (int64_t)at * 20 + 1),
                                  .bytes = view_of(packets[count], PACKET)};
            count++;
        }
        if (count + A_SWEEP > BATCH || port + 1 == STREAMS) {
            feed(now, batch, count);
            count = 0;
        }
    }
    if (tick_due(media_deadline(media), now))
        media_expire(media, now);
    drain(now);
}

static double copy_ns(void)
{
    size_t at = 0;
    double start = now_ns();
    for (size_t i = 0; i < 1000000; i++) {
        memcpy(copies + at, packets[i % BATCH], PACKET);
        __asm__ volatile("" ::: "memory");
        at = at + 2 * PACKET > sizeof copies ? 0 : at + PACKET;
    }
    return (now_ns() - start) / 1000000;
}

int main(int argc, char **argv)
{
    uint32_t sweeps = argc > 1 ? (uint32_t)atoi(argv[1]) : 200;
    double best = 1e18, base = copy_ns();
    start_calls();
    for (uint32_t i = 0; i < WARM + sweeps; i++) {
        double start = now_ns();
        sweep(i);
        double took = (now_ns() - start) / (STREAMS * A_SWEEP);
        if (i >= WARM && took < best)
            best = took;
    }
    printf("%-44s %10.1f %8.1f\n", "media, 2,000 streams by turns", best, best / base);
    media_destroy(media);
    return 0;
}
