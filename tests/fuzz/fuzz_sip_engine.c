/* Fuzz target: a whole engine. Each step of the input is an operation: a message made from small
 * choices (so that transactions and dialogs are hit), raw bytes, a reply to what we sent, time, or
 * a call from above. */
#include "fuzz/bytes.h"
#include "sip/sip.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
    struct sip *sip;
    struct tick now;
    struct sip_flow flow;
    struct view rest;
    uint64_t dialogs[4], requests[4];
    char tag[64];    /* the last To tag of ours */
    char sent[4096]; /* the last request of ours */
    unsigned dialog_at, request_at;
};

static void look(struct world *w, struct view bytes)
{
    static char text[70000];
    view_copy(bytes, text, sizeof(text));
    if (strncmp(text, "SIP/2.0", 7) != 0) {
        snprintf(w->sent, sizeof(w->sent), "%.4000s", text);
        return;
    }
    char *to = strstr(text, "\r\nTo: ");
    char *tag = to ? strstr(to, ";tag=") : NULL;
    if (tag)
        snprintf(w->tag, sizeof(w->tag), "%.*s", (int)strcspn(tag + 5, ";\r\n"), tag + 5);
}

static void pull(struct world *w)
{
    struct sip_event e;
    struct sip_output out;
    while (sip_event(w->sip, &e)) {
        if (e.kind == SIP_EVENT_INVITE)
            w->dialogs[w->dialog_at++ % 4] = e.dialog;
        if (e.request)
            w->requests[w->request_at++ % 4] = e.request;
        assert(e.kind != SIP_EVENT_TRACE || e.bytes.len > 0);
    }
    while (sip_output(w->sip, &out))
        if (out.kind == SIP_OUTPUT_SEND)
            look(w, out.bytes);
}

static void input(struct world *w, const char *text, size_t len)
{
    if (w->flow.protocol == SIP_PROTOCOL_UDP)
        sip_input_datagram(w->sip, w->now, &w->flow, view_of(text, len), false);
    else
        sip_input_stream(w->sip, w->now, &w->flow, view_of(text, len));
}

static void request(struct world *w)
{
    static const char *const methods[] = {"INVITE", "ACK",   "BYE",     "CANCEL",
                                          "UPDATE", "PRACK", "OPTIONS", "INFO"};
    static const char *const extras[] = {"",
                                         "Require: 100rel\r\n",
                                         "Session-Expires: 90\r\nSupported: timer\r\n",
                                         "Session-Expires: 1800;refresher=uas\r\nk: timer\r\n",
                                         "Record-Route: <sip:192.0.2.7:5080;lr>\r\n",
                                         "Record-Route: <sip:192.0.2.7>\r\n",
                                         "Info-Package: x\r\n",
                                         "RAck: 1 1 INVITE\r\n"};
    char text[2048];
    unsigned method = fuzz_next(&w->rest) % 8, branch = fuzz_next(&w->rest) % 16,
             cseq = fuzz_next(&w->rest) % 16, flags = fuzz_next(&w->rest);
    const char *body = flags & 1 ? "v=0\r\n" : "";
    int n = snprintf(
        text, sizeof(text),
        "%s sip:a@198.51.100.20 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK%u\r\n"
        "From: <sip:b@192.0.2.10>;tag=%u\r\nTo: <sip:a@198.51.100.20>%s%s\r\n"
        "Call-ID: c\r\nCSeq: %u %s\r\nContact: <sip:b@192.0.2.10>\r\n%s"
        "Content-Type: application/sdp\r\nContent-Length: %zu\r\n\r\n%s",
        methods[method], branch, flags >> 7, flags & 2 ? ";tag=" : "", flags & 2 ? w->tag : "",
        cseq, methods[method], extras[flags >> 2 & 7], strlen(body), body);
    input(w, text, (size_t)n);
}

/* A response to the last request we sent. */
static void reply(struct world *w)
{
    static const unsigned codes[] = {100, 180, 183, 200, 200, 405, 481, 491};
    char text[8192];
    unsigned code = codes[fuzz_next(&w->rest) % 8];
    char *lines = strstr(w->sent, "\r\n"), *end = strstr(w->sent, "\r\n\r\n");
    char *to = strstr(w->sent, "\r\nTo: ");
    if (!lines || !end || !to)
        return;
    bool tagged = strstr(to, ";tag=") && strstr(to, ";tag=") < to + strcspn(to + 2, "\r") + 2;
    int to_len = (int)(strcspn(to + 2, "\r") + 2);
    int n = snprintf(text, sizeof(text),
                     "SIP/2.0 %u X%.*s%s%.*s\r\nRSeq: 7\r\nContent-Length: 0\r\n\r\n", code,
                     (int)(to + to_len - lines), lines, tagged ? "" : ";tag=z",
                     (int)(end - (to + to_len)), to + to_len);
    input(w, text, (size_t)n);
}

static void call(struct world *w)
{
    struct sip_answer answer = {.status = 100 + fuzz_next(&w->rest) * 2 % 600,
                                .content_type = VIEW("application/sdp"),
                                .body = VIEW("v=0\r\n"),
                                .reliable = true};
    struct sip_request ours = {.method =
                                   fuzz_next(&w->rest) & 1 ? SIP_METHOD_UPDATE : SIP_METHOD_INVITE};
    uint64_t dialog = w->dialogs[fuzz_next(&w->rest) % 4];
    struct sip_call invite = {.flow = w->flow,
                              .target = VIEW("sip:b@192.0.2.10"),
                              .from = VIEW("<sip:a@198.51.100.20>"),
                              .to = VIEW("<sip:b@192.0.2.10>"),
                              .call_id = VIEW("c2"),
                              .session_expires_s = 90};
    switch (fuzz_next(&w->rest) % 8) {
    case 0:
        sip_bye(w->sip, w->now, dialog, VIEW_NONE);
        break;
    case 1:
        sip_drop(w->sip, dialog);
        break;
    case 2:
        (void)!sip_request(w->sip, w->now, dialog, &ours);
        break;
    case 3:
        w->dialogs[w->dialog_at++ % 4] = sip_invite(w->sip, w->now, &invite);
        break;
    case 4:
        sip_cancel(w->sip, w->now, dialog);
        break;
    case 5:
        (void)sip_ack(w->sip, w->now, dialog, VIEW_LIT("application/sdp"), VIEW_LIT("v=0\r\n"));
        break;
    default:
        (void)sip_answer(w->sip, w->now, w->requests[fuzz_next(&w->rest) % 4], &answer);
    }
}

static void step(struct world *w)
{
    switch (fuzz_next(&w->rest) % 8) {
    case 0: {
        size_t len = fuzz_next(&w->rest) * 4;
        struct view bytes = view_take(w->rest, len);
        w->rest = view_skip(w->rest, len);
        input(w, bytes.at ? bytes.at : "", bytes.len);
        break;
    }
    case 1:
        w->now = tick_add_ms(w->now, fuzz_next(&w->rest) * 200);
        sip_expire(w->sip, w->now);
        break;
    case 2:
        sip_flow_closed(w->sip, w->now, &w->flow);
        w->flow.id = w->flow.id ? w->flow.id + 1 : 0;
        break;
    case 3:
        reply(w);
        break;
    case 4:
    case 5:
        call(w);
        break;
    default:
        request(w);
    }
    pull(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sip_config config = {.seed = {1},
                                .dialogs_max = 3,
                                .transactions_max = 12,
                                .connections_max = 2,
                                .body_max = 2000,
                                .session_expires_s = 1800,
                                .contact_params = VIEW(";+sip.srs")};
    struct world w = {.now = {1000}, .rest = view_of(data, size)};
    w.flow = (struct sip_flow){.listener = 1,
                               .local = addr_v4(198, 51, 100, 20, 5060),
                               .peer = addr_v4(192, 0, 2, 10, 5060)};
    w.sip = sip_create(&config);
    if (!w.sip)
        return 0;
    if (fuzz_next(&w.rest) & 1) {
        w.flow.protocol = SIP_PROTOCOL_TCP;
        w.flow.id = 1;
    }
    for (int i = 0; i < 300 && w.rest.len > 0; i++)
        step(&w);
    /* Whatever happened, nothing is left waiting for ever but what the caller owes. */
    for (int i = 0; i < 4; i++) {
        sip_bye(w.sip, w.now, w.dialogs[i], VIEW_NONE);
        pull(&w);
    }
    for (int i = 0; i < 400 && !tick_is_never(sip_deadline(w.sip)); i++) {
        w.now = sip_deadline(w.sip);
        sip_expire(w.sip, w.now);
        pull(&w);
    }
    sip_destroy(w.sip);
    return 0;
}
