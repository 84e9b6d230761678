/* Where SIP URIs lead, by a name server on loopback that answers from a table.
 * Not here: the system's own resolver.
 * RFC 3263 §4 and its example of §4.1; RFC 2782. */
#include "io/dns.h"

#include <unistd.h>

#include "base/reader.h"
#include "base/writer.h"
#include "io/clock.h"
#include "io/sockaddr.h"
#include "io/udp.h"
#include "tap.h"

enum { TYPE_A = 1, TYPE_AAAA = 28, TYPE_SRV = 33, TYPE_NAPTR = 35 };

struct record {
    const char *name;
    int type;
    int a, b, c;      /* SRV: priority, weight, port; NAPTR: order, preference */
    const char *text; /* A, AAAA: address; SRV: target; NAPTR: service */
    const char *more; /* NAPTR: replacement */
};

/* example.com is RFC 3263 §4.1's. */
static const struct record records[] = {
    {"example.com", TYPE_NAPTR, 50, 50, 0, "SIPS+D2T", "_sips._tcp.example.com"},
    {"example.com", TYPE_NAPTR, 100, 50, 0, "SIP+D2U", "_sip._udp.example.com"},
    {"example.com", TYPE_NAPTR, 90, 50, 0, "SIP+D2T", "_sip._tcp.example.com"},
    {"_sips._tcp.example.com", TYPE_SRV, 0, 1, 5061, "server1.example.com", NULL},
    {"_sip._tcp.example.com", TYPE_SRV, 0, 1, 5060, "server1.example.com", NULL},
    {"_sip._tcp.example.com", TYPE_SRV, 1, 2, 5070, "server2.example.com", NULL},
    {"_sip._udp.example.com", TYPE_SRV, 0, 1, 5060, ".", NULL},
    {"server1.example.com", TYPE_A, 0, 0, 0, "192.0.2.1", NULL},
    {"server1.example.com", TYPE_AAAA, 0, 0, 0, "2001:db8::1", NULL},
    {"server2.example.com", TYPE_A, 0, 0, 0, "192.0.2.2", NULL},
    {"srv.example", TYPE_A, 0, 0, 0, "192.0.2.9", NULL},
    {"_sip._udp.srv.example", TYPE_SRV, 10, 0, 5080, "server2.example.com", NULL},
    {"plain.example", TYPE_A, 0, 0, 0, "192.0.2.8", NULL},
};

struct side {
    struct io_loop *loop;
    struct io_dns *dns;
    int fd;
    bool silent;
};

static void put_name(struct writer *w, const char *name)
{
    struct view rest = view_of_string(name), label;
    while (strcmp(name, ".") != 0 && view_cut(&rest, '.', &label)) {
        writer_u8(w, (uint8_t)label.len);
        writer_view(w, label);
    }
    writer_u8(w, 0);
}

static void put_text(struct writer *w, const char *text)
{
    writer_u8(w, (uint8_t)strlen(text));
    writer_string(w, text);
}

static void put_record(struct writer *w, const struct record *record)
{
    size_t at;
    struct addr addr;
    put_name(w, record->name);
    writer_u16(w, (uint16_t)record->type);
    writer_u16(w, 1);
    writer_u32(w, 60);
    at = w->len;
    writer_u16(w, 0);
    if (record->type == TYPE_SRV) {
        writer_u16(w, (uint16_t)record->a);
        writer_u16(w, (uint16_t)record->b);
        writer_u16(w, (uint16_t)record->c);
        put_name(w, record->text);
    } else if (record->type == TYPE_NAPTR) {
        writer_u16(w, (uint16_t)record->a);
        writer_u16(w, (uint16_t)record->b);
        put_text(w, "s");
        put_text(w, record->text);
        put_text(w, "");
        put_name(w, record->more);
    } else {
        CHECK(addr_parse_ip(view_of_string(record->text), &addr));
        writer_view(w, view_of(addr.ip, addr.family == ADDR_V6 ? 16 : 4));
    }
    writer_patch_u16(w, at, (uint16_t)(w->len - at - 2));
}

/* Answers one query; its name is read without compression, as queries have it. */
static void serve(const struct side *side)
{
    char query[512], name[256] = "", answer[2048];
    struct sockaddr_storage sa;
    socklen_t sa_len = sizeof sa;
    ssize_t got = recvfrom(side->fd, query, sizeof query, 0, (struct sockaddr *)&sa, &sa_len);
    size_t at = 12, n = 0;
    uint16_t found = 0;
    struct writer w = writer_of(answer, sizeof answer);
    int type;
    if (got < 17 || side->silent)
        return;
    while (at < (size_t)got && query[at] != 0) {
        n += (size_t)snprintf(name + n, sizeof name - n, "%s%.*s", n ? "." : "", query[at],
                              query + at + 1);
        at += (size_t)query[at] + 1;
    }
    type = (uint8_t)query[at + 1] << 8 | (uint8_t)query[at + 2];
    writer_view(&w, view_of(query, 2));
    writer_u16(&w, 0x8180);
    writer_u16(&w, 1);
    writer_u32(&w, 0);
    writer_u16(&w, 0);
    writer_view(&w, view_of(query + 12, at + 5 - 12));
    for (size_t i = 0; i < sizeof records / sizeof records[0]; i++) {
        if (records[i].type == type && strcasecmp(records[i].name, name) == 0) {
            put_record(&w, &records[i]);
            found++;
        }
    }
    writer_patch_u16(&w, 6, found);
    CHECK(!w.failed);
    CHECK(sendto(side->fd, answer, w.len, 0, (struct sockaddr *)&sa, sa_len) > 0);
}

static void side_init(struct side *side)
{
    static const uint8_t seed[32] = {5};
    struct addr at = addr_v4(127, 0, 0, 1, 0), bound;
    struct io_udp_options options = {0};
    *side = (struct side){.loop = io_loop_create()};
    side->fd = io_udp_open(&at, &options, &bound);
    CHECK_INT(io_loop_add(side->loop, side->fd, IO_READ, 1), 0);
    side->dns = io_dns_create(side->loop, 9, seed, addr_print(&bound).s);
}

static void side_finish(struct side *side)
{
    io_dns_destroy(side->dns);
    close(side->fd);
    io_loop_destroy(side->loop);
}

static struct io_dns_answer ask(struct side *side, const struct io_dns_question *question)
{
    struct tick until = tick_add_ms(io_clock_tick(), 5000);
    struct io_dns_answer answer = {0};
    uint64_t id = io_dns_ask(side->dns, io_clock_tick(), question);
    CHECK(id != 0);
    while (!io_dns_answer(side->dns, &answer)) {
        struct io_ready ready[8];
        struct tick now = io_clock_tick();
        size_t count =
            io_loop_wait(side->loop, tick_min(until, io_dns_deadline(side->dns, now)), ready, 8);
        if (!CHECK(tick_before(now, until)))
            break;
        for (size_t i = 0; i < count; i++) {
            if (ready[i].token == 1)
                serve(side);
            else
                io_dns_ready(side->dns, now, &ready[i]);
        }
        io_dns_expire(side->dns, io_clock_tick());
    }
    CHECK_INT(answer.id, id);
    return answer;
}

/* "tls 192.0.2.1:5061 tcp ..." */
static void expect(struct side *side, const struct io_dns_question *question, const char *want)
{
    static const char *const names[] = {"udp", "tcp", "tls"};
    struct io_dns_answer answer = ask(side, question);
    char got[1024] = "";
    size_t n = 0;
    for (size_t i = 0; i < answer.count; i++)
        n += (size_t)snprintf(got + n, sizeof got - n, "%s%s %s", i ? " " : "",
                              names[answer.list[i].protocol], addr_print(&answer.list[i].addr).s);
    CHECK_TEXT(got, want);
}

static void test_literals(void)
{
    struct side side;
    side_init(&side);
    side.silent = true;
    expect(&side, &(struct io_dns_question){.host = "192.0.2.7"}, "udp 192.0.2.7:5060");
    expect(&side, &(struct io_dns_question){.host = "192.0.2.7", .secure = true},
           "tls 192.0.2.7:5061");
    expect(&side,
           &(struct io_dns_question){
               .host = "2001:db8::7", .port = 443, .protocol_given = true, .protocol = IO_DNS_TLS},
           "tls [2001:db8::7]:443");
    side_finish(&side);
}

/* One family only, so that the machine's own routes do not matter for the order. */
static void test_naptr(void)
{
    struct side side;
    struct io_dns_answer answer;
    side_init(&side);
    answer = ask(&side, &(struct io_dns_question){.host = "example.com"});
    CHECK_INT(answer.count, 5); /* TLS twice, TCP three times; UDP is said not to be there */
    CHECK_INT(answer.list[0].protocol, IO_DNS_TLS);
    CHECK_INT(answer.list[0].addr.port, 5061);
    CHECK_INT(answer.list[1].protocol, IO_DNS_TLS);
    CHECK_INT(answer.list[2].protocol, IO_DNS_TCP);
    CHECK_INT(answer.list[4].addr.port, 5070);
    /* One protocol and priority, one rank: neither TLS and TCP nor server1 and server2. */
    CHECK_INT(answer.list[0].rank, answer.list[1].rank);
    CHECK(answer.list[1].rank < answer.list[2].rank);
    CHECK_INT(answer.list[2].rank, answer.list[3].rank);
    CHECK(answer.list[3].rank < answer.list[4].rank);
    answer = ask(&side, &(struct io_dns_question){.host = "example.com", .secure = true});
    CHECK_INT(answer.count, 2);
    CHECK_INT(answer.list[1].protocol, IO_DNS_TLS);
    side_finish(&side);
}

static void test_srv(void)
{
    struct side side;
    side_init(&side);
    expect(&side, &(struct io_dns_question){.host = "srv.example"}, "udp 192.0.2.2:5080");
    expect(&side,
           &(struct io_dns_question){
               .host = "srv.example", .protocol_given = true, .protocol = IO_DNS_UDP},
           "udp 192.0.2.2:5080");
    /* No SRV for TCP: the host itself. */
    expect(&side,
           &(struct io_dns_question){
               .host = "srv.example", .protocol_given = true, .protocol = IO_DNS_TCP},
           "tcp 192.0.2.9:5060");
    /* A port: no SRV. */
    expect(&side, &(struct io_dns_question){.host = "srv.example", .port = 5090},
           "udp 192.0.2.9:5090");
    expect(&side, &(struct io_dns_question){.host = "plain.example"}, "udp 192.0.2.8:5060");
    expect(&side, &(struct io_dns_question){.host = "plain.example", .secure = true},
           "tls 192.0.2.8:5061");
    expect(&side, &(struct io_dns_question){.host = "nowhere.example"}, "");
    side_finish(&side);
}

/* A server that says nothing costs its time and no more. */
static void test_silence(void)
{
    struct side side;
    struct io_dns_answer answer;
    struct tick now = io_clock_tick();
    uint64_t id;
    side_init(&side);
    id = io_dns_ask(side.dns, now, &(struct io_dns_question){.host = "plain.example"});
    CHECK(!tick_is_never(io_dns_deadline(side.dns, now)));
    io_dns_expire(side.dns, tick_add_ms(now, 9999));
    CHECK(!io_dns_answer(side.dns, &answer));
    io_dns_expire(side.dns, tick_add_ms(now, 10000));
    CHECK(io_dns_answer(side.dns, &answer));
    CHECK_INT(answer.id, id);
    CHECK_INT(answer.count, 0);
    for (int i = 0; i < 8; i++)
        CHECK(io_dns_ask(side.dns, now, &(struct io_dns_question){.host = "plain.example"}) != 0);
    CHECK_INT(io_dns_ask(side.dns, now, &(struct io_dns_question){.host = "plain.example"}), 0);
    side_finish(&side);
}

int main(void)
{
    RUN(test_literals);
    RUN(test_naptr);
    RUN(test_srv);
    RUN(test_silence);
    return tap_done();
}
