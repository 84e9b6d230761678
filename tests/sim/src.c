/* src: see src.h. Not here: anything of siprecd's own but time, chance and addresses.
 * RFC 3261 §8, §13, §17; 3264; 3550 §5.1, §6.4; 4733 §2.3. */
#include "src.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "srs.h"

struct src *src_create(struct world *world)
{
    struct src *src = calloc(1, sizeof *src);
    assert(src && world->src_count < WORLD_SRCS);
    src->world = world;
    src->number = world->src_count;
    src->sip =
        addr_v4(192, 0, 2, (uint8_t)(10 + src->number % 240), (uint16_t)(5060 + src->number / 240));
    (void)snprintf(src->call_id, sizeof src->call_id, "call-%u-%llu@192.0.2.10", src->number,
                   (unsigned long long)world->seed);
    (void)snprintf(src->tag, sizeof src->tag, "src%u", src->number);
    src->headers = "";
    src->contact = src->origin = "192.0.2.10";
    src->uri = "sip:srs@198.51.100.20";
    world->srcs[world->src_count++] = src;
    return src;
}

void src_destroy(struct src *src)
{
    free(src);
}

void src_use_ipv6(struct src *src)
{
    bool parsed = addr_parse(VIEW_LIT("[2001:db8::10]:5060"), 0, &src->sip);
    assert(parsed);
}

struct src_stream *src_add_stream(struct src *src, const char *label)
{
    assert(src->stream_count < SRC_STREAMS);
    struct src_stream *stream = &src->streams[src->stream_count];
    memset(stream, 0, sizeof *stream);
    (void)snprintf(stream->label, sizeof stream->label, "%s", label);
    (void)snprintf(stream->direction, sizeof stream->direction, "sendonly");
    stream->from = addr_with_port(
        src->sip, (uint16_t)(40000 + 100 * (src->number / 240) + 4 * src->stream_count));
    stream->ssrc = 0x1000u * (src->number + 1) + src->stream_count + 1;
    stream->seq = (uint16_t)(65500 + src->stream_count); /* wraps within the first second */
    stream->timestamp = 0xffff0000u;
    src->stream_count++;
    return stream;
}

/* ---- Bodies --------------------------------------------------------------------------------- */

const char *src_sdp(struct src *src)
{
    char *at = src->text, *end = src->text + sizeof src->text;
    const char *ip = addr_print_ip(&src->sip).s;
    at += snprintf(at, (size_t)(end - at),
                   "v=0\r\no=SRC 4711 %u IN IP4 %s\r\ns=-\r\nc=IN IP%d %s\r\nt=0 0\r\n",
                   ++src->version, src->origin, src->sip.family, ip);
    for (unsigned i = 0; i < src->stream_count; i++) {
        const struct src_stream *stream = &src->streams[i];
        at += snprintf(at, (size_t)(end - at), "m=audio %u RTP/AVP 0 8 101\r\n",
                       stream->removed ? 0 : stream->from.port);
        if (stream->connection[0])
            at += snprintf(at, (size_t)(end - at), "c=IN IP4 %s\r\n", stream->connection);
        at += snprintf(at, (size_t)(end - at),
                       "a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
                       "a=rtpmap:101 telephone-event/8000\r\n"
                       "a=fmtp:101 0-15\r\n");
        if (stream->direction[0])
            at += snprintf(at, (size_t)(end - at), "a=%s\r\n", stream->direction);
        if (stream->label[0])
            at += snprintf(at, (size_t)(end - at), "a=label:%s\r\n", stream->label);
        if (stream->mux)
            at += snprintf(at, (size_t)(end - at), "a=rtcp-mux\r\n");
        at += snprintf(at, (size_t)(end - at), "%s", stream->extra);
    }
    return src->text;
}

const char *src_multipart(struct src *src, const char *sdp, const char *metadata)
{
    char *at = src->body, *end = src->body + sizeof src->body;
    if (sdp)
        at += snprintf(at, (size_t)(end - at),
                       "--foo-bar\r\nContent-Type: application/sdp\r\n\r\n%s\r\n", sdp);
    if (metadata)
        at += snprintf(at, (size_t)(end - at),
                       "--foo-bar\r\nContent-Type: application/rs-metadata+xml\r\n"
                       "Content-Disposition: recording-session\r\n\r\n%s\r\n",
                       metadata);
    (void)snprintf(at, (size_t)(end - at), "--foo-bar--\r\n");
    return src->body;
}

const char *src_metadata(const char *a, const char *b)
{
    static char text[4096];
    (void)snprintf(
        text, sizeof text,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n"
        "<recording xmlns=\"urn:ietf:params:xml:ns:recording:1\">\r\n"
        "<datamode>complete</datamode>\r\n"
        "<session session_id=\"hVpd7YQgRW2nD22h7q60JQ==\">"
        "<sipSessionID>ab30317f1a784dc48ff824d0d3715d86;"
        "remote=47755a9de7794ba387653f2099600ef2</sipSessionID></session>\r\n"
        "<participant participant_id=\"srfBElmCRp2QB23b7Mpk0w==\">"
        "<nameID aor=\"sip:bob@biloxi.com\"><name xml:lang=\"it\">Bob</name></nameID>"
        "</participant>\r\n"
        "<participant participant_id=\"zSfPoSvdSDCmU3A3TRDxAw==\">"
        "<nameID aor=\"sip:Paul@biloxi.com\"><name xml:lang=\"it\">Paul</name></nameID>"
        "</participant>\r\n"
        "<stream stream_id=\"UAAMm5GRQKSCMVvLyl4rFw==\" session_id=\"hVpd7YQgRW2nD22h7q60JQ==\">"
        "<label>%s</label></stream>\r\n"
        "<stream stream_id=\"i1Pz3to5hGk8fuXl+PbwCw==\" session_id=\"hVpd7YQgRW2nD22h7q60JQ==\">"
        "<label>%s</label></stream>\r\n"
        "<sessionrecordingassoc session_id=\"hVpd7YQgRW2nD22h7q60JQ==\">"
        "<associate-time>2026-03-01T12:00:00Z</associate-time></sessionrecordingassoc>\r\n"
        "<participantsessionassoc participant_id=\"srfBElmCRp2QB23b7Mpk0w==\" "
        "session_id=\"hVpd7YQgRW2nD22h7q60JQ==\">"
        "<associate-time>2026-03-01T12:00:00Z</associate-time></participantsessionassoc>\r\n"
        "<participantsessionassoc participant_id=\"zSfPoSvdSDCmU3A3TRDxAw==\" "
        "session_id=\"hVpd7YQgRW2nD22h7q60JQ==\">"
        "<associate-time>2026-03-01T12:00:00Z</associate-time></participantsessionassoc>\r\n"
        "<participantstreamassoc participant_id=\"srfBElmCRp2QB23b7Mpk0w==\">"
        "<send>UAAMm5GRQKSCMVvLyl4rFw==</send><recv>i1Pz3to5hGk8fuXl+PbwCw==</recv>"
        "</participantstreamassoc>\r\n"
        "<participantstreamassoc participant_id=\"zSfPoSvdSDCmU3A3TRDxAw==\">"
        "<send>i1Pz3to5hGk8fuXl+PbwCw==</send><recv>UAAMm5GRQKSCMVvLyl4rFw==</recv>"
        "</participantstreamassoc>\r\n</recording>\r\n",
        a, b);
    return text;
}

/* ---- Requests ------------------------------------------------------------------------------- */

static void transmit(struct src *src, const char *bytes, size_t len)
{
    const struct srs *srs = src->world->srs;
    struct addr to = src->sip.family == ADDR_V6 ? srs->address6 : srs->address;
    if (src->tcp)
        world_stream(src->world, src->sip, to, view_of(bytes, len));
    else
        world_send(src->world, src->sip, to, view_of(bytes, len));
}

/* Without a Contact. */
static bool is_bare(const char *method)
{
    return !strcmp(method, "ACK") || !strcmp(method, "BYE") || !strcmp(method, "CANCEL");
}

static size_t print_request(struct src *src, char *to, const char *method, unsigned cseq,
                            const char *type, const char *body)
{
    const char *ip = addr_print(&src->sip).s;
    char to_tag[80] = "";
    if (src->to_tag[0])
        (void)snprintf(to_tag, sizeof to_tag, ";tag=%s", src->to_tag);
    int head = snprintf(
        to, SRC_TEXT,
        "%s %s SIP/2.0\r\n"
        "Via: SIP/2.0/%s %s;branch=z9hG4bK-%u-%u;rport\r\n"
        "Max-Forwards: 70\r\n"
        "From: <sip:src@example.com>;tag=%s\r\n"
        "To: <sip:srs@example.com>%s\r\n"
        "Call-ID: %s\r\n"
        "CSeq: %u %s\r\n"
        "%s%s%s%s%s"
        "%s%s%s%s"
        "Content-Length: %zu\r\n\r\n",
        method, src->uri, src->tcp ? "TCP" : "UDP", ip, src->number, src->branch, src->tag, to_tag,
        src->call_id, cseq, method, !is_bare(method) ? "Contact: <sip:src@" : "",
        is_bare(method) ? "" : src->contact, is_bare(method) ? "" : ">;+sip.src\r\n",
        strcmp(method, "INVITE") == 0 ? "Require: siprec\r\nAllow: INVITE, ACK, CANCEL, BYE, "
                                        "OPTIONS, UPDATE, INFO\r\nAccept: application/sdp, "
                                        "application/rs-metadata-request\r\n"
                                      : "",
        src->headers, "", body ? "Content-Type: " : "", body ? type : "", body ? "\r\n" : "",
        body ? strlen(body) : 0);
    assert(head > 0 && (size_t)head < SRC_TEXT);
    size_t len = (size_t)head, body_len = body ? strlen(body) : 0;
    assert(len + body_len < SRC_TEXT);
    if (body)
        memcpy(to + len, body, body_len);
    return len + body_len;
}

void src_request(struct src *src, const char *method, const char *type, const char *body)
{
    src->cseq++;
    src->branch++;
    src->request_len = print_request(src, src->request, method, src->cseq, type, body);
    (void)snprintf(src->method, sizeof src->method, "%s", method);
    src->request_cseq = src->cseq;
    src->status = src->provisional = src->finals = 0;
    src->waiting = true;
    src->again_ms = 500;
    src->again_at = tick_add_ms(src->world->now, 500);
    src->give_up_at = tick_add_ms(src->world->now, 32000);
    if (strcmp(method, "INVITE") == 0) {
        src->invite_branch = src->branch;
        src->invite_cseq = src->cseq;
    }
    transmit(src, src->request, src->request_len);
}

void src_invite(struct src *src, const char *metadata)
{
    const char *sdp = src_sdp(src);
    if (metadata)
        src_request(src, "INVITE", SRC_MULTIPART, src_multipart(src, sdp, metadata));
    else
        src_request(src, "INVITE", "application/sdp", sdp);
}

void src_bye(struct src *src)
{
    src_request(src, "BYE", NULL, NULL);
}

void src_cancel(struct src *src)
{
    char text[SRC_TEXT];
    unsigned branch = src->branch;
    src->branch = src->invite_branch;
    size_t len = print_request(src, text, "CANCEL", src->invite_cseq, NULL, NULL);
    src->branch = branch;
    transmit(src, text, len);
}

static bool answered(void *context)
{
    return !((struct src *)context)->waiting;
}

unsigned src_wait(struct src *src)
{
    (void)world_until(src->world, 40000, answered, src);
    return src->status;
}

bool src_connect(struct src *src, const char *metadata)
{
    src_invite(src, metadata);
    return src_wait(src) == 200;
}

void src_hang_up(struct src *src)
{
    src_talk(src, false);
    src_bye(src);
    (void)src_wait(src);
    world_run(src->world, 40000);
}

/* ---- RTP ------------------------------------------------------------------------------------ */

static void put16(char *at, unsigned v)
{
    at[0] = (char)(v >> 8);
    at[1] = (char)v;
}

static void put32(char *at, uint32_t v)
{
    put16(at, v >> 16);
    put16(at + 2, v & 0xffff);
}

void src_rtp(struct src *src, struct src_stream *stream, uint8_t payload_type, bool marker,
             struct view payload)
{
    char packet[1500] = {(char)0x80};
    packet[1] = (char)((marker ? 0x80 : 0) | payload_type);
    put16(packet + 2, stream->seq);
    put32(packet + 4, stream->timestamp);
    put32(packet + 8, stream->ssrc);
    size_t len = 12;
    if (payload.at) {
        memcpy(packet + len, payload.at, payload.len);
        len += payload.len;
    } else {
        memset(packet + len, 0x55, 160);
        put32(packet + len, stream->ssrc);
        put16(packet + len + 4, stream->seq);
        len += 160;
    }
    stream->seq++;
    stream->sent++;
    if (stream->to.port)
        world_send(src->world,
                   addr_with_port(stream->from, (uint16_t)(stream->from.port + stream->shift)),
                   stream->to, view_of(packet, len));
}

void src_talk(struct src *src, bool on)
{
    for (unsigned i = 0; i < src->stream_count; i++) {
        src->streams[i].talking = on;
        src->streams[i].next = src->world->now;
    }
}

void src_digit(struct src *src, struct src_stream *stream, uint8_t code, unsigned ms)
{
    uint32_t started = stream->timestamp;
    unsigned packets = ms / 20 + 2; /* the last three carry E */
    for (unsigned i = 0; i < packets; i++) {
        char event[4] = {(char)code, 10};
        unsigned duration = (i + 1) * 160;
        if (i + 3 >= packets) {
            event[1] |= (char)0x80;
            duration = ms * 8;
        }
        put16(event + 2, duration);
        src_rtp(src, stream, 101, i == 0, view_of(event, 4));
        world_run(src->world, 20);
    }
    stream->timestamp = started + ms * 8;
}

void src_sender_report(struct src *src, struct src_stream *stream, bool bye)
{
    char packet[64] = {(char)0x80, (char)200, 0, 6};
    size_t len = 28;
    struct wall now = world_wall(src->world);
    put32(packet + 4, stream->ssrc);
    put32(packet + 8, (uint32_t)(now.ns / NS_PER_S + 2208988800));
    put32(packet + 12, (uint32_t)(((now.ns % NS_PER_S) << 32) / NS_PER_S));
    put32(packet + 16, stream->timestamp);
    put32(packet + 20, stream->sent);
    put32(packet + 24, stream->sent * 160);
    const char sdes[] = {(char)0x81, (char)202, 0, 3};
    memcpy(packet + len, sdes, 4);
    put32(packet + len + 4, stream->ssrc);
    memcpy(packet + len + 8, "\x01\x03src\0\0\0", 8);
    len += 16;
    if (bye) {
        const char head[] = {(char)0x81, (char)203, 0, 1};
        memcpy(packet + len, head, 4);
        put32(packet + len + 4, stream->ssrc);
        len += 8;
    }
    struct addr from = stream->from;
    if (!stream->mux)
        from.port++;
    world_send(src->world, from, stream->mux ? stream->to : stream->to_rtcp, view_of(packet, len));
}

/* ---- What comes back ------------------------------------------------------------------------ */

bool src_header(const char *message, const char *name, char *value, size_t size)
{
    size_t name_len = strlen(name);
    const char *end = strstr(message, "\r\n\r\n");
    for (const char *line = strstr(message, "\r\n"); line && line < end;
         line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, name_len) || line[name_len] != ':')
            continue;
        const char *from = line + name_len + 1;
        while (*from == ' ')
            from++;
        (void)snprintf(value, size, "%.*s", (int)(strstr(from, "\r\n") - from), from);
        return true;
    }
    return false;
}

/* The m-lines of an answer, in order, onto the streams. */
static void read_answer(struct src *src, const char *sdp)
{
    struct addr session = {0}, *connection = &session;
    int m = -1;
    struct src_stream nowhere = {0}, *stream = &nowhere;
    for (const char *line = sdp; line && *line; line = strstr(line, "\n")) {
        line += *line == '\n';
        unsigned number;
        char ip[64];
        if (sscanf(line, "m=audio %u", &number) == 1) {
            m++;
            stream = m < (int)src->stream_count ? &src->streams[m] : &nowhere;
            stream->to = addr_with_port(session, (uint16_t)number);
            stream->to_rtcp = addr_with_port(session, (uint16_t)(number ? number + 1 : 0));
            stream->answered[0] = stream->answered_label[0] = 0;
            connection = &stream->to;
        } else if (sscanf(line, "c=IN IP%*c %63[^ \r\n]", ip) == 1) {
            struct addr parsed;
            if (addr_parse_ip(view_of_string(ip), &parsed)) {
                uint16_t port = connection->port;
                *connection = addr_with_port(parsed, port);
                if (m >= 0)
                    stream->to_rtcp = addr_with_port(parsed, stream->to_rtcp.port);
            }
        } else if (sscanf(line, "a=rtcp:%u", &number) == 1) {
            stream->to_rtcp.port = (uint16_t)number;
        } else if (sscanf(line, "a=label:%31[^\r\n]", ip) == 1) {
            (void)snprintf(stream->answered_label, sizeof stream->answered_label, "%.31s", ip);
        } else {
            static const char *const directions[] = {"sendonly", "recvonly", "sendrecv",
                                                     "inactive"};
            for (size_t i = 0; i < 4; i++) {
                if (strncmp(line, "a=", 2) == 0 &&
                    strncmp(line + 2, directions[i], strlen(directions[i])) == 0)
                    (void)snprintf(stream->answered, sizeof stream->answered, "%s", directions[i]);
            }
        }
    }
}

static void acknowledge(struct src *src, unsigned cseq)
{
    if (src->acked_cseq != cseq) {
        unsigned branch = src->branch;
        src->branch = src->status >= 300 ? src->invite_branch : src->branch + 1000;
        src->ack_len = print_request(src, src->ack, "ACK", cseq, src->ack_type, src->ack_body);
        src->branch = branch;
        src->acked_cseq = cseq;
        src->ack_body = NULL;
    }
    if (!src->no_ack)
        transmit(src, src->ack, src->ack_len);
}

static void take_response(struct src *src, const char *text)
{
    char value[256];
    unsigned status = (unsigned)atoi(text + 8), cseq = 0;
    char method[16] = "";
    if (!src_header(text, "CSeq", value, sizeof value) ||
        sscanf(value, "%u %15s", &cseq, method) != 2)
        return;
    bool invite = strcmp(method, "INVITE") == 0;
    if (status < 200) {
        if (invite && cseq == src->request_cseq)
            src->provisional = status;
        return;
    }
    if (cseq != src->request_cseq || strcmp(method, src->method)) {
        if (invite && cseq == src->acked_cseq)
            acknowledge(src, cseq); /* the 200 again: our ACK was lost */
        return;
    }
    src->finals++;
    src->status = status;
    bool first = src->waiting;
    src->waiting = false;
    if (first) {
        (void)snprintf(src->response, sizeof src->response, "%s", text);
        char *tag;
        if (status < 300 && invite && src_header(text, "To", value, sizeof value) &&
            (tag = strstr(value, "tag=")))
            (void)snprintf(src->to_tag, sizeof src->to_tag, "%s", tag + 4);
        const char *body = strstr(text, "\r\n\r\n") + 4;
        if (status < 300 && strncmp(body, "v=0", 3) == 0) {
            (void)snprintf(src->answer, sizeof src->answer, "%s", body);
            read_answer(src, body);
        }
        if (strcmp(method, "BYE") == 0)
            src->over = true;
    }
    if (invite)
        acknowledge(src, cseq);
}

static void take_request(struct src *src, const char *text)
{
    char line[16][512] = {{0}};
    static const char *const copied[] = {"Via", "From", "To", "Call-ID", "CSeq"};
    if (strncmp(text, "ACK", 3) == 0) {
        src->acks++;
        return;
    }
    (void)snprintf(src->asked, sizeof src->asked, "%s", text);
    if (src->deaf)
        return;
    if (strncmp(text, "BYE", 3) == 0) {
        src->byes++;
        src->over = true;
        src_talk(src, false);
    } else if (strncmp(text, "UPDATE", 6) == 0) {
        src->updates++;
    } else if (strncmp(text, "INVITE", 6) == 0) {
        src->reinvites++;
    }
    const char *body = strstr(text, "\r\n\r\n") + 4, *sdp = NULL;
    if (!src->reply && strncmp(body, "v=0", 3) == 0) {
        (void)snprintf(src->answer, sizeof src->answer, "%s", body);
        read_answer(src, body);
        sdp = src_sdp(src);
    }
    char reply[8192];
    int len = snprintf(reply, sizeof reply, "SIP/2.0 %u x\r\n", src->reply ? src->reply : 200);
    for (size_t i = 0; i < 5; i++) {
        if (src_header(text, copied[i], line[i], sizeof line[i]))
            len +=
                snprintf(reply + len, sizeof reply - (size_t)len, "%s: %s\r\n", copied[i], line[i]);
    }
    len += snprintf(reply + len, sizeof reply - (size_t)len,
                    "%sContact: <sip:src@192.0.2.10>\r\n%sContent-Length: %zu\r\n\r\n%s",
                    src->reply_lines ? src->reply_lines : "",
                    sdp ? "Content-Type: application/sdp\r\n" : "", sdp ? strlen(sdp) : 0,
                    sdp ? sdp : "");
    transmit(src, reply, (size_t)len);
}

bool src_owns(const struct src *src, const struct addr *to)
{
    if (addr_equal(&src->sip, to))
        return true;
    if (!addr_equal_ip(&src->sip, to))
        return false;
    for (unsigned i = 0; i < src->stream_count; i++) {
        if (to->port / 2 == src->streams[i].from.port / 2)
            return true;
    }
    return false;
}

void src_receive(struct src *src, struct addr from, struct addr to, struct view bytes)
{
    char text[SRC_TEXT];
    if (to.port < 10000 && bytes.len < sizeof text) {
        memcpy(text, bytes.at, bytes.len);
        text[bytes.len] = 0;
        if (strncmp(text, "SIP/2.0 ", 8) == 0)
            take_response(src, text);
        else
            take_request(src, text);
    } else if (bytes.len >= 2 && (uint8_t)bytes.at[1] >= 200 && (uint8_t)bytes.at[1] <= 204) {
        src->rtcp++;
        src->last_rtcp_len = bytes.len < sizeof src->last_rtcp ? bytes.len : 0;
        memcpy(src->last_rtcp, bytes.at, src->last_rtcp_len);
    } else {
        src->probes++;
    }
}

struct tick src_deadline(const struct src *src)
{
    struct tick next = src->waiting ? tick_min(src->again_at, src->give_up_at) : TICK_NEVER;
    for (unsigned i = 0; i < src->stream_count; i++) {
        if (src->streams[i].talking)
            next = tick_min(next, src->streams[i].next);
    }
    return next;
}

void src_expire(struct src *src)
{
    struct tick now = src->world->now;
    if (src->waiting && tick_due(src->give_up_at, now)) {
        src->waiting = false;
        src->status = 408;
    }
    if (src->waiting && tick_due(src->again_at, now)) {
        bool invite = strcmp(src->method, "INVITE") == 0;
        if (!src->tcp && !(invite && src->provisional))
            transmit(src, src->request, src->request_len);
        src->again_ms *= 2;
        if (!invite && src->again_ms > 4000)
            src->again_ms = 4000;
        src->again_at = tick_add_ms(now, src->again_ms);
    }
    for (unsigned i = 0; i < src->stream_count; i++) {
        struct src_stream *stream = &src->streams[i];
        while (stream->talking && tick_due(stream->next, now)) {
            src_rtp(src, stream, stream->payload_type, false, VIEW_NONE);
            stream->timestamp += 160;
            stream->next = tick_add_ms(stream->next, 20);
        }
    }
}
