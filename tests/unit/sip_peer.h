/* sip_peer: what the engine's tests share: an engine, a flow, messages with CRLF from readable
 * text, and pulls. Not here: tests. RFC: none. */
#ifndef TESTS_SIP_PEER_H
#define TESTS_SIP_PEER_H

#include "base/metrics.h"
#include "sip/sip.h"
#include "tap.h"

struct peer {
    struct sip *sip;
    struct tick now;
    struct sip_flow flow;
    /* what the last pulls gave */
    char sent[70000];
    size_t sent_len;
    struct sip_flow sent_flow;
    int sent_count, closed;
    struct sip_event event;
    enum sip_event_kind kinds[64];
    struct sip_event events[64];
    int event_count;
    char body[70000], traced[8][4096];
    int trace_count, traced_sent;
};

static inline struct tick at_ms(int64_t ms)
{
    return (struct tick){(1000 + ms) * NS_PER_MS};
}

static inline struct sip_config peer_config(uint8_t seed)
{
    return (struct sip_config){
        .seed = {seed},
        .dialogs_max = 8,
        .product = VIEW("siprecd/test"),
        .contact_params = VIEW(";+sip.srs"),
    };
}

static inline struct peer *peer_create_with(const struct sip_config *config)
{
    struct peer *p = calloc(1, sizeof(*p));
    p->sip = sip_create(config);
    p->now = at_ms(0);
    p->flow = (struct sip_flow){.listener = 1,
                                .protocol = SIP_PROTOCOL_UDP,
                                .local = addr_v4(198, 51, 100, 20, 5060),
                                .advertised = addr_v4(198, 51, 100, 20, 5060),
                                .peer = addr_v4(192, 0, 2, 10, 5060)};
    return p;
}

static inline struct peer *peer_create(void)
{
    struct sip_config config = peer_config(7);
    return peer_create_with(&config);
}

static inline void peer_destroy(struct peer *p)
{
    sip_destroy(p->sip);
    free(p);
}

/* Collects all events and outputs; TRACE is counted apart. sent holds the last message sent. */
static inline void peer_pull(struct peer *p)
{
    struct sip_event e;
    struct sip_output out;
    p->event_count = p->trace_count = p->traced_sent = p->sent_count = p->closed = 0;
    p->sent_len = 0;
    p->sent[0] = '\0';
    p->event = (struct sip_event){0};
    while (sip_event(p->sip, &e)) {
        if (e.kind == SIP_EVENT_TRACE) {
            if (p->trace_count < 8)
                view_copy(e.bytes, p->traced[p->trace_count], sizeof(p->traced[0]));
            p->trace_count++;
            p->traced_sent += e.sent;
            continue;
        }
        if (e.message)
            view_copy(e.message->body, p->body, sizeof(p->body));
        if (p->event_count < 64)
            p->events[p->event_count++] = e;
        p->event = e;
    }
    while (sip_output(p->sip, &out)) {
        if (out.kind == SIP_OUTPUT_CLOSE) {
            p->closed++;
            continue;
        }
        p->sent_flow = out.flow;
        p->sent_count++;
        p->sent_len = out.bytes.len;
        view_copy(out.bytes, p->sent, sizeof(p->sent));
    }
}

/* "A\nB\n\nbody" becomes what stands on the wire: LF in the header turns to CRLF,
 * the body stays. */
static inline struct view wire(const char *text, char *buffer, size_t size)
{
    size_t n = 0;
    bool head = true;
    for (const char *c = text; *c && n + 2 < size; c++) {
        if (*c == '\n' && head) {
            buffer[n++] = '\r';
            if (c[1] == '\n') {
                memcpy(buffer + n, "\n\r\n", 3);
                n += 3;
                c++;
                head = false;
                continue;
            }
        }
        buffer[n++] = *c;
    }
    return view_of(buffer, n);
}

static inline void peer_input(struct peer *p, const char *text)
{
    static char buffer[200000];
    struct view bytes = wire(text, buffer, sizeof(buffer));
    if (p->flow.protocol == SIP_PROTOCOL_UDP)
        sip_input_datagram(p->sip, p->now, &p->flow, bytes, false);
    else
        sip_input_stream(p->sip, p->now, &p->flow, bytes);
    peer_pull(p);
}

static inline void peer_at(struct peer *p, int64_t ms)
{
    p->now = at_ms(ms);
    sip_expire(p->sip, p->now);
    peer_pull(p);
}

/* True when the last message sent has this text. */
static inline bool sent_has(const struct peer *p, const char *text)
{
    bool found = p->sent_len > 0 && strstr(p->sent, text) != NULL;
    if (!found)
        printf("# wanted \"%s\" in:\n# %.600s\n", text, p->sent);
    return found;
}

/* The status of the last message sent; 0: a request or nothing. */
static inline int sent_status(const struct peer *p)
{
    return strncmp(p->sent, "SIP/2.0 ", 8) == 0 ? atoi(p->sent + 8) : 0;
}

static inline bool has_event(const struct peer *p, enum sip_event_kind kind)
{
    for (int i = 0; i < p->event_count; i++)
        if (p->events[i].kind == kind)
            return true;
    return false;
}

/* The value of a header parameter such as To's tag in the last message sent. */
static inline const char *sent_to_tag(const struct peer *p)
{
    static char tag[64];
    const char *to = strstr(p->sent, "\r\nTo: ");
    const char *at = to ? strstr(to, ";tag=") : NULL;
    size_t n = at ? strcspn(at + 5, ";\r\n") : 0;
    snprintf(tag, sizeof(tag), "%.*s", (int)n, at ? at + 5 : "");
    return tag;
}

#endif
