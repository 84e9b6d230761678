/* Fuzz target: registrations and what registrars answer. Each step of the input is an operation: an
 * answer to the last request with headers from the input, raw bytes, time, a flow that opens, fails
 * or closes, STUN, a change of network, the end. */
#include "sip/register.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
    struct sip *sip;
    struct sip_register *reg;
    struct tick now;
    struct view rest;
    struct sip_flow sent_flow;
    uint64_t next_flow;
    char sent[8192];
    bool wanted[SIP_REGISTER_MAX]; /* a flow was asked for */
};

static unsigned next(struct world *w)
{
    unsigned c = w->rest.len > 0 ? (unsigned char)w->rest.at[0] : 0;
    w->rest = view_skip(w->rest, 1);
    return c;
}

static void pull(struct world *w)
{
    struct sip_event event;
    struct sip_output out;
    struct sip_register_output wish;
    while (sip_event(w->sip, &event))
        (void)sip_register_input(w->reg, w->now, &event);
    while (sip_output(w->sip, &out)) {
        view_copy(out.bytes, w->sent, sizeof w->sent);
        w->sent_flow = out.flow;
    }
    while (sip_register_output(w->reg, &wish)) {
        assert(wish.index < sip_register_count(w->reg));
        if (wish.kind == SIP_REGISTER_OPEN)
            w->wanted[wish.index] = true;
    }
    for (size_t i = 0; i < sip_register_count(w->reg); i++) {
        struct sip_register_status status = sip_register_status(w->reg, i);
        assert(strstr(status.why, "hunter2") == NULL);
        assert(status.state != SIP_REGISTER_REGISTERED || status.flow != NULL);
    }
}

/* Answers what was sent last; the rest of a line of the input becomes header lines. */
static void answer(struct world *w)
{
    static const unsigned statuses[] = {200, 200, 401, 407, 423, 439, 302, 503, 403, 408, 100, 600};
    char text[16384];
    struct view line = VIEW_NONE;
    struct sip_message *m = sip_message_parse(view_of_string(w->sent), SIP_MESSAGE_STREAM);
    struct sip_header at = {0};
    size_t n = (size_t)snprintf(text, sizeof text, "SIP/2.0 %u x\r\n",
                                statuses[next(w) % (sizeof statuses / sizeof statuses[0])]);
    while (m && sip_message_header_next(m, &at)) {
        if (n + at.raw.len < sizeof text - 2048 &&
            (view_equal(at.name, VIEW_LIT("Via")) || view_equal(at.name, VIEW_LIT("From")) ||
             view_equal(at.name, VIEW_LIT("To")) || view_equal(at.name, VIEW_LIT("Call-ID")) ||
             view_equal(at.name, VIEW_LIT("CSeq")) ||
             ((unsigned char)w->rest.len & 1 && view_equal(at.name, VIEW_LIT("Contact")))))
            n += (size_t)snprintf(text + n, sizeof text - n, VIEW_FMT "\r\n", VIEW_ARG(at.raw));
    }
    sip_message_release(m);
    while (view_cut(&w->rest, '\n', &line) && line.len > 0 && n + line.len < sizeof text - 64)
        n += (size_t)snprintf(text + n, sizeof text - n, VIEW_FMT "\r\n", VIEW_ARG(line));
    n += (size_t)snprintf(text + n, sizeof text - n, "Content-Length: 0\r\n\r\n");
    if (w->sent_flow.id != 0)
        sip_input_stream(w->sip, w->now, &w->sent_flow, view_of(text, n));
    else if (addr_is_set(&w->sent_flow.peer))
        sip_input_datagram(w->sip, w->now, &w->sent_flow, view_of(text, n), false);
}

static void open_flow(struct world *w)
{
    size_t i = next(w) % sip_register_count(w->reg);
    struct sip_flow flow = {.protocol = next(w) % 3,
                            .local = addr_v4(192, 0, 2, 1, 5060),
                            .advertised = addr_v4(192, 0, 2, 1, 5060),
                            .peer = addr_v4(192, 0, 2, 2, 5060)};
    if (!w->wanted[i])
        return;
    w->wanted[i] = false;
    if (flow.protocol != SIP_PROTOCOL_UDP)
        flow.id = ++w->next_flow;
    sip_register_opened(w->reg, w->now, i, &flow);
}

static void step(struct world *w)
{
    size_t i = next(w) % sip_register_count(w->reg);
    struct addr seen = addr_v4(198, 51, 100, 1, (uint16_t)next(w));
    struct view line = VIEW_NONE;
    switch (next(w) % 12) {
    case 0:
    case 1:
    case 2:
    case 3:
        answer(w);
        break;
    case 4:
        w->now = tick_add_ms(w->now, (int64_t)next(w) * next(w) * 10);
        sip_expire(w->sip, w->now);
        sip_register_expire(w->reg, w->now);
        break;
    case 5:
    case 6:
        open_flow(w);
        break;
    case 7:
        sip_register_failed(w->reg, w->now, i, "why");
        w->wanted[i] = false;
        break;
    case 8:
        sip_register_closed(w->reg, w->now, next(w) % 8, "closed");
        break;
    case 9:
        sip_register_stun(w->reg, w->now, i, seen.port % 3 ? &seen : NULL);
        break;
    case 10:
        if (w->sent_flow.id != 0 && view_cut(&w->rest, '\n', &line))
            sip_input_stream(w->sip, w->now, &w->sent_flow, line);
        break;
    default:
        if (seen.port == 7)
            sip_register_stop(w->reg, w->now);
        else
            sip_register_renew(w->reg, w->now);
        break;
    }
    pull(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sip_config config = {.seed = {1}, .dialogs_max = 4, .connections_max = 8};
    struct sip_register_config registrations = {
        .seed = {2},
        .uris = VIEW("sip:a@one.example;transport=tcp,sips:b@two.example,sip:192.0.2.9"),
        .username = VIEW("user"),
        .password = VIEW("hunter2"),
        .expires_s = 600,
        .instance = VIEW("urn:uuid:00000000-0000-1000-8000-aabbccddeeff"),
        .contact_user = VIEW("siprecd"),
        .contact_params = VIEW(";+sip.srs")};
    struct world w = {.now = {NS_PER_S}, .rest = view_of(data, size)};
    w.sip = sip_create(&config);
    w.reg = w.sip ? sip_register_create(&registrations, w.sip, w.now) : NULL;
    if (w.reg) {
        pull(&w);
        for (int i = 0; i < 200 && w.rest.len > 0; i++)
            step(&w);
    }
    sip_register_destroy(w.reg);
    sip_destroy(w.sip);
    return 0;
}
