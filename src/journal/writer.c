/* writer: pcapng blocks, little endian, straight into the buffer; a packet costs two copies, one
 * sum.
 * Not here: when bytes go to a file.
 * draft-ietf-opsawg-pcapng §4.1 to §4.3. */
#include "journal/writer.h"

#include "journal/block.h"
#include "journal/event.h"
#include "journal/packet.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

/* Room for the text of one interface: names and JSON. */
#define DESCRIPTION_MAX 2048
#define NAME_MAX        128
#define SEGMENT_MAX     (JOURNAL_IP_PACKET_MAX - JOURNAL_HEAD_MAX)
#define TCP_PUSH        0x08
#define TCP_ACK         0x10

void journal_writer_init(struct journal_writer *w, void *buffer, size_t size)
{
    memset(w, 0, sizeof *w);
    assert(size >= JOURNAL_BUFFER_MIN);
    w->out = writer_of(buffer, size);
}

void journal_writer_resume(struct journal_writer *w, void *buffer, size_t size, uint32_t interfaces)
{
    journal_writer_init(w, buffer, size);
    w->interfaces = interfaces;
}

void journal_writer_use(struct journal_writer *w, void *buffer, size_t size)
{
    assert(w->out.len == 0);
    assert(size >= JOURNAL_BUFFER_MIN);
    w->out = writer_of(buffer, size);
}

struct view journal_writer_pending(const struct journal_writer *w)
{
    return view_of(w->out.buffer, w->out.len);
}

void journal_writer_clear(struct journal_writer *w)
{
    w->out.len = 0;
}

static size_t room(const struct journal_writer *w)
{
    return w->out.size - w->out.len;
}

static uint8_t *store_u32(uint8_t *at, uint32_t value)
{
    value = htole32(value);
    memcpy(at, &value, 4);
    return at + 4;
}

static uint8_t *store_zeros(uint8_t *at, size_t n)
{
    memset(at, 0, n);
    return at + n;
}

static size_t option_size(struct view value)
{
    return 4 + JOURNAL_PADDED(value.len);
}

static uint8_t *store_option(uint8_t *at, uint16_t code, struct view value)
{
    uint16_t head[2] = {htole16(code), htole16((uint16_t)value.len)};
    memcpy(at, head, 4);
    if (value.len)
        memcpy(at + 4, value.at, value.len);
    return store_zeros(at + 4 + value.len, JOURNAL_PADDED(value.len) - value.len);
}

/* An enhanced packet block (§4.3) without its data: where the data goes, or NULL when there is no
 * room. */
static uint8_t *begin_packet(struct journal_writer *w, uint32_t interface, struct wall time,
                             size_t data_len, struct view comment)
{
    size_t options = comment.len ? option_size(comment) + 4 : 0;
    size_t total = JOURNAL_PACKET_HEAD + JOURNAL_PADDED(data_len) + options + 4;
    assert(interface < w->interfaces && data_len > 0);
    if (total > room(w))
        return NULL;
    uint8_t *at = (uint8_t *)w->out.buffer + w->out.len;
    uint8_t *tail = at + total - 4 - options;
    uint64_t ns = time.ns > 0 ? (uint64_t)time.ns : 0;
    w->out.len += total;
    at = store_u32(at, JOURNAL_BLOCK_PACKET);
    at = store_u32(at, (uint32_t)total);
    at = store_u32(at, interface);
    at = store_u32(at, (uint32_t)(ns >> 32));
    at = store_u32(at, (uint32_t)ns);
    at = store_u32(at, (uint32_t)data_len);
    at = store_u32(at, (uint32_t)data_len);
    store_u32(at + JOURNAL_PADDED(data_len) - 4, 0); /* the padding, once the data is in */
    if (comment.len) {
        tail = store_option(tail, JOURNAL_OPTION_COMMENT, comment);
        tail = store_zeros(tail, 4);
    }
    store_u32(tail, (uint32_t)total);
    return at;
}

/* A comment is one line and fits; what does not is left out rather than the packet. */
static struct view fit_comment(struct view comment)
{
    return comment.len <= JOURNAL_COMMENT_MAX ? comment : VIEW_NONE;
}

/* A block with the body that was built for it. */
static bool put_block(struct journal_writer *w, uint32_t type, struct view body)
{
    size_t total = JOURNAL_BLOCK_MIN + body.len;
    if (total > room(w))
        return false;
    uint8_t *at = (uint8_t *)w->out.buffer + w->out.len;
    w->out.len += total;
    at = store_u32(at, type);
    at = store_u32(at, (uint32_t)total);
    memcpy(at, body.at, body.len);
    store_u32(at + body.len, (uint32_t)total);
    return true;
}

static void put_option(struct writer *body, uint16_t code, struct view value)
{
    writer_u16_le(body, code);
    writer_u16_le(body, (uint16_t)value.len);
    writer_view(body, value);
    writer_fill(body, 0, JOURNAL_PADDED(value.len) - value.len);
}

/* The members of a JSON object, to go on with another's. */
static struct view inside(struct view object)
{
    object = view_trim(object);
    if (object.len < 2 || object.at[0] != '{' || object.at[object.len - 1] != '}')
        return VIEW_NONE;
    return view_trim(view_take(view_skip(object, 1), object.len - 2));
}

/* §4.2: linktype, reserved, no snap length, then the options. */
static bool put_interface(struct journal_writer *w, struct view name, struct view description)
{
    char bytes[DESCRIPTION_MAX + NAME_MAX + 64];
    struct writer body = writer_of(bytes, sizeof bytes);
    writer_u16_le(&body, JOURNAL_LINK_RAW);
    writer_u16_le(&body, 0);
    writer_u32_le(&body, 0);
    put_option(&body, JOURNAL_OPTION_IF_NAME, name);
    put_option(&body, JOURNAL_OPTION_IF_DESCRIPTION, description);
    put_option(&body, JOURNAL_OPTION_IF_TSRESOL, view_of((char[]){JOURNAL_NANOSECONDS}, 1));
    writer_u32_le(&body, JOURNAL_OPTION_END);
    assert(!body.failed);
    if (!put_block(w, JOURNAL_BLOCK_INTERFACE, writer_done(&body)))
        return false;
    w->interfaces++;
    return true;
}

/* §4.1: byte order, version 1.0, length unknown, as the file grows. */
static bool put_section(struct journal_writer *w, struct view more)
{
    char bytes[JOURNAL_COMMENT_MAX + 256], text[JOURNAL_COMMENT_MAX + 32];
    struct writer comment = writer_of(text, sizeof text);
    struct writer body = writer_of(bytes, sizeof bytes);
    struct view members = inside(fit_comment(more));
    writer_string(&comment, "{\"siprecd\":1");
    writer_string(&comment, members.len ? "," : "");
    writer_view(&comment, members);
    writer_u8(&comment, '}');
    writer_u32_le(&body, JOURNAL_BYTE_ORDER);
    writer_u16_le(&body, 1);
    writer_u16_le(&body, 0);
    writer_u64_le(&body, UINT64_MAX);
    put_option(&body, JOURNAL_OPTION_USERAPPL, VIEW_LIT("siprecd " SIPRECD_VERSION));
    put_option(&body, JOURNAL_OPTION_COMMENT, writer_done(&comment));
    writer_u32_le(&body, JOURNAL_OPTION_END);
    assert(!body.failed);
    return put_block(w, JOURNAL_BLOCK_SECTION, writer_done(&body));
}

bool journal_writer_start(struct journal_writer *w, struct view more)
{
    size_t before = w->out.len;
    assert(w->interfaces == 0);
    if (put_section(w, more) && put_interface(w, VIEW_LIT("sip"), VIEW_LIT("{\"role\":\"sip\"}")))
        return true;
    w->out.len = before;
    return false;
}

/* A label in a name: visible ASCII, the rest as '?'. The JSON has it as it is. */
static void put_plain(struct writer *out, struct view text)
{
    for (size_t i = 0; i < text.len && i < NAME_MAX / 2; i++)
        writer_u8(out, text.at[i] > ' ' && text.at[i] < 0x7f ? (uint8_t)text.at[i] : '?');
}

bool journal_writer_interface(struct journal_writer *w, const struct journal_interface *description,
                              uint32_t *number)
{
    const struct journal_interface *d = description;
    bool apart = d->role == JOURNAL_ROLE_APART;
    char name_text[NAME_MAX], json[DESCRIPTION_MAX];
    struct writer name = writer_of(name_text, sizeof name_text);
    writer_string(&name, "label=");
    put_plain(&name, d->label);
    writer_printf(&name, " mline=%u%s", d->mline, apart ? " apart" : "");

    struct journal_event e = journal_object_begin(json, sizeof json);
    journal_event_put_text(&e, "role", apart ? VIEW_LIT("apart") : VIEW_LIT("media"));
    journal_event_put_number(&e, "interface", w->interfaces);
    journal_event_put_number(&e, "stream", d->stream);
    journal_event_put_text(&e, "label", view_take(d->label, NAME_MAX));
    journal_event_put_number(&e, "mline", d->mline);
    journal_event_put_addr(&e, "bound", &d->bound);
    journal_event_put_addr(&e, "advertised", &d->advertised);
    journal_event_put_addr(&e, "relay", &d->relay);
    struct view more = inside(d->more);
    if (more.len && more.len < sizeof json - e.out.len - 2) {
        writer_u8(&e.out, ',');
        writer_view(&e.out, more);
    }
    if (!put_interface(w, writer_done(&name), journal_event_end(&e)))
        return false;
    *number = w->interfaces - 1;
    return true;
}

void journal_flow_init(struct journal_flow *flow, uint32_t interface, const struct addr *source,
                       const struct addr *destination)
{
    struct addr from = *source, to = *destination;
    journal_packet_pair(&from, &to);
    memset(flow, 0, sizeof *flow);
    flow->interface = interface;
    size_t ip_len = journal_packet_ip(flow->head, JOURNAL_PROTOCOL_UDP, &from, &to);
    uint8_t *udp = flow->head + ip_len;
    udp[0] = (uint8_t)(from.port >> 8);
    udp[1] = (uint8_t)from.port;
    udp[2] = (uint8_t)(to.port >> 8);
    udp[3] = (uint8_t)to.port;
    flow->head_len = (uint8_t)(ip_len + 8);
    flow->ip_sum = journal_sum(flow->head, ip_len);
    flow->udp_sum =
        journal_packet_pseudo(flow->head, JOURNAL_PROTOCOL_UDP, 0) + journal_sum(udp, 4);
}

/* Lengths and checksums into the copied head. Lengths are added to the sums in network order, the
 * UDP one twice: it stands in the pseudo-header too (RFC 768). */
static void finish_head(const struct journal_flow *flow, uint8_t *head, struct view payload)
{
    size_t ip_len = flow->head_len - 8U;
    uint16_t udp_len = htobe16((uint16_t)(payload.len + 8));
    if (ip_len == 20) {
        uint16_t total = htobe16((uint16_t)(flow->head_len + payload.len));
        uint16_t ip_check = (uint16_t)~journal_fold(flow->ip_sum + total);
        memcpy(head + 2, &total, 2);
        memcpy(head + 10, &ip_check, 2);
    } else {
        memcpy(head + 4, &udp_len, 2);
    }
    uint32_t sum = flow->udp_sum + udp_len + udp_len + journal_sum(payload.at, payload.len);
    uint16_t check = (uint16_t)~journal_fold(sum);
    if (check == 0)
        check = 0xffff; /* RFC 768: zero means none */
    memcpy(head + ip_len + 4, &udp_len, 2);
    memcpy(head + ip_len + 6, &check, 2);
}

bool journal_writer_packet(struct journal_writer *w, const struct journal_flow *flow,
                           struct wall arrival, struct view payload, struct view comment)
{
    assert(payload.len <= JOURNAL_UDP_PAYLOAD_MAX);
    uint8_t *at = begin_packet(w, flow->interface, arrival, flow->head_len + payload.len,
                               fit_comment(comment));
    if (!at)
        return false;
    memcpy(at, flow->head, flow->head_len);
    if (payload.len)
        memcpy(at + flow->head_len, payload.at, payload.len);
    finish_head(flow, at, payload);
    return true;
}

bool journal_writer_event(struct journal_writer *w, uint32_t interface, struct wall time,
                          struct view comment)
{
    /* RFC 5735: 0.0.0.0 says "this host", which is who speaks here. */
    struct addr nobody = {.family = ADDR_V4};
    uint8_t head[JOURNAL_HEAD_MAX];
    size_t len = journal_packet_ip(head, JOURNAL_PROTOCOL_NONE, &nobody, &nobody);
    journal_packet_ip_finish(head, len);
    uint8_t *at = begin_packet(w, interface, time, len, fit_comment(comment));
    if (!at)
        return false;
    memcpy(at, head, len);
    return true;
}

/* The connection's numbers, made when it is new; the least recently used gives way. */
static struct journal_tcp *find_tcp(struct journal_writer *w, const struct addr *local,
                                    const struct addr *peer)
{
    struct journal_tcp *oldest = &w->tcp[0];
    for (size_t i = 0; i < JOURNAL_TCP_FLOWS; i++) {
        struct journal_tcp *t = &w->tcp[i];
        if (t->used && addr_equal(&t->local, local) && addr_equal(&t->peer, peer)) {
            t->used = ++w->ticks;
            return t;
        }
        if (t->used < oldest->used)
            oldest = t;
    }
    *oldest =
        (struct journal_tcp){.local = *local, .peer = *peer, .sent = {1, 1}, .used = ++w->ticks};
    return oldest;
}

static size_t put_tcp(uint8_t *at, const struct journal_message *m, const uint32_t seq[2],
                      bool last)
{
    memset(at, 0, 20);
    at[0] = (uint8_t)(m->source.port >> 8);
    at[1] = (uint8_t)m->source.port;
    at[2] = (uint8_t)(m->destination.port >> 8);
    at[3] = (uint8_t)m->destination.port;
    uint32_t numbers[2] = {htobe32(seq[0]), htobe32(seq[1])};
    memcpy(at + 4, numbers, 8);
    at[12] = 20 / 4 << 4;
    at[13] = TCP_ACK | (last ? TCP_PUSH : 0);
    at[14] = at[15] = 0xff;
    return 20;
}

/* One segment of a message; the last one pushes, by which a reader knows that
 * the message is whole. */
static bool put_segment(struct journal_writer *w, const struct journal_message *m, size_t *done)
{
    size_t left = m->bytes.len - *done;
    struct view comment = *done == 0 ? fit_comment(m->comment) : VIEW_NONE;
    size_t overhead = JOURNAL_PACKET_HEAD + JOURNAL_HEAD_MAX + 4 + 4 + 4 + option_size(comment);
    size_t fits = room(w) > overhead ? room(w) - overhead : 0;
    size_t len = left < SEGMENT_MAX ? left : SEGMENT_MAX;
    if (len > fits && w->out.len > 0)
        return false;
    if (len > fits)
        len = fits;
    struct view part = view_take(view_skip(m->bytes, *done), len);
    bool last = len == left;

    struct addr from = m->source, to = m->destination;
    journal_packet_pair(&from, &to);
    struct journal_tcp *t = find_tcp(w, m->sent ? &from : &to, m->sent ? &to : &from);
    uint32_t *mine = &t->sent[m->sent ? 0 : 1], *theirs = &t->sent[m->sent ? 1 : 0];
    uint8_t head[JOURNAL_HEAD_MAX];
    size_t ip_len = journal_packet_ip(head, JOURNAL_PROTOCOL_TCP, &from, &to);
    size_t tcp_len = put_tcp(head + ip_len, m, (uint32_t[]){*mine, *theirs}, last);
    journal_packet_ip_finish(head, ip_len + tcp_len + len);
    uint32_t sum = journal_packet_pseudo(head, JOURNAL_PROTOCOL_TCP, tcp_len + len) +
                   journal_sum(head + ip_len, tcp_len) + journal_sum(part.at, len);
    uint16_t check = (uint16_t)~journal_fold(sum);
    memcpy(head + ip_len + 16, &check, 2);

    uint8_t *at = begin_packet(w, JOURNAL_INTERFACE_SIP, m->time, ip_len + tcp_len + len, comment);
    assert(at);
    memcpy(at, head, ip_len + tcp_len);
    memcpy(at + ip_len + tcp_len, part.at, len);
    *mine += (uint32_t)len;
    *done += len;
    return true;
}

bool journal_writer_sip(struct journal_writer *w, const struct journal_message *message,
                        size_t *done)
{
    const struct journal_message *m = message;
    size_t empty_room = w->out.size - JOURNAL_PACKET_HEAD - JOURNAL_HEAD_MAX - 16 -
                        option_size(fit_comment(m->comment));
    if (!m->tcp && m->bytes.len <= JOURNAL_UDP_PAYLOAD_MAX && m->bytes.len <= empty_room) {
        struct journal_flow flow;
        journal_flow_init(&flow, JOURNAL_INTERFACE_SIP, &m->source, &m->destination);
        return journal_writer_packet(w, &flow, m->time, m->bytes, m->comment);
    }
    while (*done < m->bytes.len)
        if (!put_segment(w, m, done))
            return false;
    return true;
}
