/* The bytes of the blocks against draft-ietf-opsawg-pcapng, headers and checksums against RFC 791,
 * 768, 8200, 9293, summed up here the plain way of RFC 1071 §4.1. tshark is the witness in
 * tests/interop. */
#include "base/rng.h"
#include "journal_fixture.h"
#include "tap.h"

static const uint8_t *bytes_of(struct view v)
{
    return (const uint8_t *)v.at;
}

static uint32_t u32_le(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static uint32_t u16_be(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

/* RFC 1071 §4.1, two bytes at a time. */
static uint32_t plain_sum(uint32_t sum, const uint8_t *at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        sum += (uint32_t)at[i] << (i % 2 ? 0 : 8);
    return sum;
}

static uint32_t fold(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

static bool ip_sum_is_right(const uint8_t *ip)
{
    return ip[0] >> 4 == 6 || fold(plain_sum(0, ip, 20)) == 0xffff;
}

static bool transport_sum_is_right(const uint8_t *ip, size_t len)
{
    bool v6 = ip[0] >> 4 == 6;
    size_t head = v6 ? 40 : 20;
    uint32_t sum = plain_sum(0, ip + (v6 ? 8 : 12), v6 ? 32 : 8);
    sum += v6 ? ip[6] : ip[9];
    sum += (uint32_t)(len - head);
    return fold(plain_sum(sum, ip + head, len - head)) == 0xffff;
}

static void start(struct journal_writer *w, void *buffer, size_t size)
{
    journal_writer_init(w, buffer, size);
    CHECK(journal_writer_start(w, VIEW_LIT("{\"id\":\"x\"}")));
}

static void test_head(void)
{
    static char buffer[JOURNAL_BUFFER_MIN];
    struct journal_writer w;
    start(&w, buffer, sizeof buffer);
    struct view all = journal_writer_pending(&w);
    const uint8_t *at = bytes_of(all);
    CHECK_INT(u32_le(at), 0x0a0d0d0a); /* §4.1 */
    uint32_t total = u32_le(at + 4);
    CHECK_INT(u32_le(at + 8), 0x1a2b3c4d);
    CHECK_INT(u32_le(at + 12), 1); /* version 1.0 */
    CHECK(u32_le(at + 16) == 0xffffffff && u32_le(at + 20) == 0xffffffff);
    CHECK_INT(u32_le(at + total - 4), total);
    CHECK(view_find(all, VIEW_LIT("{\"siprecd\":1,\"id\":\"x\"}")) < total);
    CHECK(view_find(all, VIEW_LIT("siprecd " SIPRECD_VERSION)) < total);
    const uint8_t *idb = at + total; /* §4.2 */
    CHECK_INT(u32_le(idb), 1);
    CHECK_INT(u32_le(idb + 8), 101);
    CHECK_INT(total + u32_le(idb + 4), all.len);
    CHECK_INT(w.interfaces, 1);
}

static void test_packet_bytes(void)
{
    static char buffer[JOURNAL_BUFFER_MIN];
    struct journal_writer w;
    struct journal_flow flow;
    struct addr from = addr_v4(192, 0, 2, 10, 4000), to = addr_v4(198, 51, 100, 5, 10000);
    start(&w, buffer, sizeof buffer);
    journal_flow_init(&flow, 0, &from, &to);
    for (size_t len = 0; len < 64; len++) {
        char payload[64];
        memset(payload, (int)(0xff - len), sizeof payload);
        journal_writer_clear(&w);
        CHECK(journal_writer_packet(&w, &flow, (struct wall){INT64_C(0x1122334455667788)},
                                    view_of(payload, len), VIEW_NONE));
        struct view block = journal_writer_pending(&w);
        const uint8_t *at = bytes_of(block);
        size_t padded = (28 + len + 3) / 4 * 4;
        CHECK_INT(block.len, 28 + padded + 4); /* §4.3 */
        CHECK_INT(u32_le(at), 6);
        CHECK_INT(u32_le(at + 4), block.len);
        CHECK_INT(u32_le(at + 8), 0);
        CHECK_INT(u32_le(at + 12), 0x11223344);
        CHECK_INT(u32_le(at + 16), 0x55667788);
        CHECK_INT(u32_le(at + 20), 28 + len);
        CHECK_INT(u32_le(at + 24), 28 + len);
        CHECK_INT(u32_le(at + block.len - 4), block.len);
        const uint8_t *ip = at + 28;
        CHECK_INT(ip[0], 0x45);
        CHECK_INT(u16_be(ip + 2), 28 + len);
        CHECK_INT(ip[9], 17);
        CHECK(memcmp(ip + 12, (uint8_t[]){192, 0, 2, 10, 198, 51, 100, 5}, 8) == 0);
        CHECK_INT(u16_be(ip + 20), 4000);
        CHECK_INT(u16_be(ip + 22), 10000);
        CHECK_INT(u16_be(ip + 24), 8 + len);
        CHECK(ip_sum_is_right(ip) && transport_sum_is_right(ip, 28 + len));
        CHECK(memcmp(ip + 28, payload, len) == 0);
    }
}

static void test_random_checksums(void)
{
    static char buffer[JOURNAL_BUFFER_SIP], payload[2048];
    struct journal_writer w;
    struct rng rng;
    rng_init_number(&rng, 11);
    start(&w, buffer, sizeof buffer);
    for (int i = 0; i < 3000; i++) {
        struct journal_flow flow;
        struct addr from = {.family = ADDR_V4}, to = {.family = ADDR_V4};
        bool v6 = i % 2;
        from.family = to.family = v6 ? ADDR_V6 : ADDR_V4;
        rng_bytes(&rng, from.ip, v6 ? 16 : 4);
        rng_bytes(&rng, to.ip, v6 ? 16 : 4);
        from.port = (uint16_t)rng_u32(&rng);
        to.port = (uint16_t)rng_u32(&rng);
        size_t len = rng_below(&rng, 1500);
        rng_bytes(&rng, payload, len);
        journal_flow_init(&flow, 0, &from, &to);
        journal_writer_clear(&w);
        CHECK(journal_writer_packet(&w, &flow, (struct wall){1}, view_of(payload, len), VIEW_NONE));
        const uint8_t *ip = bytes_of(journal_writer_pending(&w)) + 28;
        size_t head = v6 ? 48 : 28;
        if (!CHECK(ip_sum_is_right(ip) && transport_sum_is_right(ip, head + len)))
            return;
        CHECK(!v6 || u16_be(ip + 4) == 8 + len);
    }
}

/* RFC 768: a sum that comes out as zero is written as all ones,
 * for zero says that there is none. */
static void test_checksum_of_zero(void)
{
    static char buffer[JOURNAL_BUFFER_MIN];
    struct journal_writer w;
    struct journal_flow flow;
    struct addr a = addr_v4(192, 0, 2, 10, 4000);
    char payload[2] = {0};
    start(&w, buffer, sizeof buffer);
    journal_flow_init(&flow, 0, &a, &a);
    for (int i = 0; i < 2; i++) {
        journal_writer_clear(&w);
        CHECK(journal_writer_packet(&w, &flow, (struct wall){1}, view_of(payload, 2), VIEW_NONE));
        memcpy(payload, bytes_of(journal_writer_pending(&w)) + 28 + 26, 2);
    }
    CHECK_INT(u16_be((const uint8_t *)payload), 0xffff);
}

/* We advertised IPv4 and the peer came by IPv6: both are written as IPv6. */
static void test_mixed_families(void)
{
    static char buffer[JOURNAL_BUFFER_MIN];
    struct journal_writer w;
    struct journal_flow flow;
    struct addr from, to = addr_v4(198, 51, 100, 5, 10000);
    CHECK(addr_parse(VIEW_LIT("[2001:db8::1]:4000"), 0, &from));
    start(&w, buffer, sizeof buffer);
    journal_writer_clear(&w);
    journal_flow_init(&flow, 0, &from, &to);
    CHECK(journal_writer_packet(&w, &flow, (struct wall){1}, VIEW_LIT("abc"), VIEW_NONE));
    const uint8_t *ip = bytes_of(journal_writer_pending(&w)) + 28;
    CHECK_INT(ip[0], 0x60);
    CHECK(memcmp(ip + 24 + 10, (uint8_t[]){0xff, 0xff, 198, 51, 100, 5}, 6) == 0);
    CHECK(transport_sum_is_right(ip, 51));
}

static void test_full_buffer(void)
{
    static char buffer[JOURNAL_BUFFER_MIN];
    struct journal_writer w;
    struct journal_flow flow;
    struct addr a = addr_v4(192, 0, 2, 10, 4000);
    char payload[172] = {0};
    start(&w, buffer, sizeof buffer);
    journal_flow_init(&flow, 0, &a, &a);
    size_t packets = 0, before;
    do {
        before = journal_writer_pending(&w).len;
    } while (journal_writer_packet(&w, &flow, (struct wall){1}, view_of(payload, 172),
                                   VIEW_LIT("{\"siprecd\":\"x\"}")) &&
             ++packets);
    CHECK(packets > 20);
    CHECK_INT(journal_writer_pending(&w).len, before); /* nothing half */
    journal_writer_clear(&w);
    CHECK(journal_writer_packet(&w, &flow, (struct wall){1}, view_of(payload, 172), VIEW_NONE));
    CHECK_INT(journal_writer_pending(&w).len, 232); /* 60 bytes beside the packet */
}

/* TCP: numbers that follow each other, pushes where messages end, whatever the buffer's size. */
static void test_tcp_segments(void)
{
    static char buffer[JOURNAL_BUFFER_MIN], text[200000];
    struct journal_writer w;
    memset(text, 'x', sizeof text);
    start(&w, buffer, sizeof buffer);
    journal_writer_clear(&w);
    struct journal_message m = {.source = addr_v4(192, 0, 2, 10, 40000),
                                .destination = addr_v4(198, 51, 100, 5, 5060),
                                .tcp = true,
                                .time = {1},
                                .bytes = view_of(text, sizeof text)};
    uint32_t seq = 1;
    size_t done = 0, carried = 0;
    bool complete = false, pushed = false;
    while (!complete) {
        complete = journal_writer_sip(&w, &m, &done);
        struct view rest = journal_writer_pending(&w);
        while (rest.len) {
            const uint8_t *at = bytes_of(rest), *ip = at + 28, *tcp = ip + 20;
            size_t total = u16_be(ip + 2);
            CHECK(!pushed);
            CHECK_INT(u16_be(tcp + 4) << 16 | u16_be(tcp + 6), seq);
            CHECK_INT(u16_be(tcp + 8) << 16 | u16_be(tcp + 10), 1);
            CHECK(ip_sum_is_right(ip) && transport_sum_is_right(ip, total));
            pushed = tcp[13] & 8;
            seq += (uint32_t)(total - 40);
            carried += total - 40;
            rest = view_skip(rest, u32_le(at + 4));
        }
        journal_writer_clear(&w);
    }
    CHECK(pushed);
    CHECK_INT(carried, sizeof text);
    /* Our answer acknowledges all of it. */
    struct journal_message answer = {.source = m.destination,
                                     .destination = m.source,
                                     .tcp = true,
                                     .sent = true,
                                     .time = {2},
                                     .bytes = VIEW("SIP/2.0 200 OK\r\n\r\n")};
    done = 0;
    CHECK(journal_writer_sip(&w, &answer, &done));
    const uint8_t *tcp = bytes_of(journal_writer_pending(&w)) + 48;
    CHECK_INT(u16_be(tcp + 6), 1);
    CHECK_INT(u16_be(tcp + 8) << 16 | u16_be(tcp + 10), 1 + sizeof text);
}

/* 64 KiB over UDP is one datagram where the buffer has room,
 * and TCP where no datagram carries it. */
static void test_large_udp(void)
{
    static char buffer[JOURNAL_BUFFER_SIP], text[65535];
    struct journal_writer w;
    start(&w, buffer, sizeof buffer);
    journal_writer_clear(&w);
    struct journal_message m = {.source = addr_v4(192, 0, 2, 10, 40000),
                                .destination = addr_v4(198, 51, 100, 5, 5060),
                                .time = {1},
                                .bytes = view_of(text, 65507)};
    size_t done = 0;
    CHECK(journal_writer_sip(&w, &m, &done));
    const uint8_t *ip = bytes_of(journal_writer_pending(&w)) + 28;
    CHECK_INT(ip[9], 17);
    CHECK_INT(u16_be(ip + 2), 65535);
    CHECK(transport_sum_is_right(ip, 65535));
    journal_writer_clear(&w);
    m.bytes = view_of(text, 65535);
    done = 0;
    while (!journal_writer_sip(&w, &m, &done))
        journal_writer_clear(&w);
    CHECK_INT(bytes_of(journal_writer_pending(&w))[28 + 9], 6);
}

static void test_long_comment_is_left_out(void)
{
    static char buffer[JOURNAL_BUFFER_MIN], comment[JOURNAL_COMMENT_MAX + 1];
    struct journal_writer w;
    struct journal_flow flow;
    struct addr a = addr_v4(192, 0, 2, 10, 4000);
    start(&w, buffer, sizeof buffer);
    journal_flow_init(&flow, 0, &a, &a);
    journal_writer_clear(&w);
    CHECK(journal_writer_packet(&w, &flow, (struct wall){1}, VIEW_LIT("abcd"),
                                view_of(comment, sizeof comment)));
    CHECK_INT(journal_writer_pending(&w).len, 64);
    struct journal_interface d = {.role = JOURNAL_ROLE_MEDIA,
                                  .label = view_of(comment, sizeof comment),
                                  .more = view_of(comment, sizeof comment)};
    uint32_t number;
    CHECK(journal_writer_interface(&w, &d, &number));
    CHECK_INT(number, 1);
}

int main(void)
{
    RUN(test_head);
    RUN(test_packet_bytes);
    RUN(test_random_checksums);
    RUN(test_checksum_of_zero);
    RUN(test_mixed_families);
    RUN(test_full_buffer);
    RUN(test_tcp_segments);
    RUN(test_large_udp);
    RUN(test_long_comment_is_left_out);
    return tap_done();
}
