/* bench_journal: what a packet costs on its way into the journal's buffer, against a bare memcpy of
 * its bytes into the same buffer; and the other things done to each packet. One line each: name, ns
 * a packet, ratio to the memcpy.
 * Not here: sockets and files (tests/bench/run measures the whole way). RFC: none. */
#include "journal/packet.h"
#include "journal/writer.h"
#include "rtp/demux.h"
#include "rtp/sequence.h"
#include "rtp/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PACKET  172 /* 20 ms of G.711 */
#define PACKETS 4096
#define ROUNDS  200

static char packets[PACKETS][PACKET];
static char buffer[1 << 20];
static struct addr from, to;
static volatile uint64_t sink;

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void run_memcpy(void)
{
    size_t at = 0;
    for (size_t i = 0; i < PACKETS; i++) {
        if (at + PACKET > sizeof buffer)
            at = 0;
        memcpy(buffer + at, packets[i], PACKET);
        __asm__ volatile("" ::: "memory");
        at += PACKET;
    }
}

static void run_append(void)
{
    static struct journal_writer w;
    static struct journal_flow flow;
    if (!w.interfaces) {
        journal_writer_init(&w, buffer, sizeof buffer);
        if (!journal_writer_start(&w, VIEW_NONE))
            abort();
        journal_flow_init(&flow, 0, &from, &to);
    }
    for (size_t i = 0; i < PACKETS; i++) {
        struct view payload = view_of(packets[i], PACKET);
        if (!journal_writer_packet(&w, &flow, (struct wall){(int64_t)i}, payload, VIEW_NONE)) {
            journal_writer_clear(&w);
            i--;
        }
    }
}

static void run_sum(void)
{
    for (size_t i = 0; i < PACKETS; i++)
        sink += journal_sum(packets[i], PACKET);
}

static void run_rules(void)
{
    static struct rtp_source source;
    static struct rtp_sequence sequence;
    static int64_t at;
    if (!source.epochs) {
        rtp_source_init(&source, &from);
        rtp_sequence_init(&sequence, 8000);
    }
    for (size_t i = 0; i < PACKETS; i++) {
        struct view bytes = view_of(packets[i], PACKET);
        struct rtp_packet p;
        struct rtp_position position;
        if (rtp_demux(bytes) != RTP_DEMUX_RTP || rtp_packet_decode(&p, bytes) != RTP_PACKET_OK)
            abort();
        at += 20 * NS_PER_MS;
        struct rtp_source_verdict v = rtp_source_input(&source, &from, &p, (struct tick){at});
        sink += (uint64_t)v.class +
                rtp_sequence_update(&sequence, p.seq, p.timestamp, (struct wall){at}, &position);
    }
}

static double measure(void (*run)(void))
{
    double best = 1e18;
    for (int i = 0; i < ROUNDS; i++) {
        double start = now_ns();
        run();
        double took = (now_ns() - start) / PACKETS;
        best = took < best ? took : best;
    }
    return best;
}

int main(void)
{
    from = addr_v4(192, 0, 2, 10, 4000);
    to = addr_v4(198, 51, 100, 5, 10000);
    for (size_t i = 0; i < PACKETS; i++) {
        struct rtp_packet p = {.seq = (uint16_t)i, .timestamp = (uint32_t)i * 160, .ssrc = 7};
        struct writer out = writer_of(packets[i], PACKET);
        rtp_packet_encode(&p, &out);
        memset(packets[i] + 12, (int)i, PACKET - 12);
    }
    static const struct {
        const char *name;
        void (*run)(void);
    } table[] = {
        {"memcpy of 172 bytes", run_memcpy},
        {"journal append (headers, checksum, copy)", run_append},
        {"checksum alone", run_sum},
        {"demux, header, source rules, sequence", run_rules},
    };
    double base = 0;
    printf("%-44s %10s %8s\n", "a packet", "ns", "ratio");
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        double ns = measure(table[i].run);
        base = i ? base : ns;
        printf("%-44s %10.1f %8.1f\n", table[i].name, ns, ns / base);
    }
    return 0;
}
