/* dialog: a call's SIP: its requests until their final responses, and what the SRS asks in the
 * dialog. Part of call.h.
 * Not here: the words of the messages (request.c), what is asked when (steps.c).
 * RFC 3261 §9.1, §12.2, §13.2.2, §17.1; RFC 3262 §4 (PRACK); RFC 4028 §10. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "io/clock.h"
#include "tools/siprec-call/ice.h"
#include "tools/siprec-call/world.h"

#define T1_MS 500
#define T2_MS 4000

void call_fail(struct call *call, const char *format, ...)
{
    if (call->failed)
        return;
    call->failed = true;
    va_list args;
    va_start(args, format);
    vsnprintf(call->fault, sizeof call->fault, format, args);
    va_end(args);
    utf8_make_plain(call->fault);
}

void call_problem(struct call *call, bool grave, const char *format, ...)
{
    va_list args;
    if (call->problem_count < CALL_PROBLEMS_MAX) {
        char *text = call->problems[call->problem_count];
        va_start(args, format);
        vsnprintf(text, sizeof call->problems[0], format, args);
        va_end(args);
        utf8_make_plain(text);
        for (unsigned i = 0; i < call->problem_count; i++) {
            if (strcmp(text, call->problems[i]) == 0)
                return;
        }
        call->problem_count++;
    }
    if (grave || call->world->options->strict)
        call_fail(call, "%s",
                  call->problems[call->problem_count > 0 ? call->problem_count - 1 : 0]);
}

static void alarm_update(struct call *call)
{
    struct tick due = TICK_NEVER;
    const struct call_transaction *all[] = {&call->invite, &call->other, &call->cancel};
    for (unsigned i = 0; i < 3; i++) {
        if (all[i]->active)
            due = tick_min(due, tick_min(all[i]->next, all[i]->deadline));
    }
    call_wheel_set(&call->world->wheel, &call->sip, due);
}

static void transaction_end(struct call_transaction *t)
{
    t->active = false;
    free(t->bytes);
    t->bytes = NULL;
}

/* Builds and sends; branch and cseq stand in t already. */
static void transaction_start(struct call *call, struct call_transaction *t,
                              enum call_content content, struct tick now)
{
    struct call_world *world = call->world;
    struct call_text_request request = {t->method, t->branch, t->cseq, content};
    struct view message = call_message_build(call, &request);
    free(t->bytes);
    t->bytes = message.len > 0 ? malloc(message.len) : NULL;
    if (!t->bytes) {
        call_fail(call, "no %s could be made", t->method);
        call_done(call, now);
        return;
    }
    memcpy(t->bytes, message.at, message.len);
    t->len = message.len;
    t->active = true;
    t->provisional = t->replied = false;
    t->to = call->next_hop;
    t->interval_ms = T1_MS;
    t->next = world->wire.transport == CALL_UDP ? tick_add_ms(now, T1_MS) : TICK_NEVER;
    t->deadline = tick_add_ms(now, world->options->timeout_ms);
    t->sent = io_clock_wall();
    call_wire_send(&world->wire, &t->to, message);
    alarm_update(call);
}

static void transaction_name(struct call *call, struct call_transaction *t, const char *method)
{
    snprintf(t->method, sizeof t->method, "%s", method);
    memcpy(t->branch, "z9hG4bK", 7);
    rng_text(&call->world->rng, t->branch + 7, 16);
    t->cseq = ++call->cseq;
    t->invite = strcmp(method, "INVITE") == 0;
}

void call_request(struct call *call, const char *method, enum call_content content, struct tick now)
{
    struct call_transaction *t = strcmp(method, "INVITE") == 0 ? &call->invite : &call->other;
    transaction_name(call, t, method);
    t->offered = t->invite && (content == CALL_CONTENT_BOTH || content == CALL_CONTENT_SDP ||
                               content == CALL_CONTENT_PARTIAL);
    t->offered =
        t->offered || (!t->invite && (content == CALL_CONTENT_BOTH || content == CALL_CONTENT_SDP));
    t->asked = t->invite && !t->offered;
    transaction_start(call, t, content, now);
}

void call_bye(struct call *call, struct tick now)
{
    if (call->state != CALL_UP)
        return;
    call->state = CALL_ENDING;
    for (unsigned i = 0; i < call->stream_count; i++)
        call_stream_close(call, &call->streams[i], now);
    call_wheel_set(&call->world->wheel, &call->script, TICK_NEVER);
    call_request(call, "BYE", CALL_CONTENT_NONE, now);
}

void call_done(struct call *call, struct tick now)
{
    if (call->state == CALL_DONE)
        return;
    call->state = CALL_DONE;
    for (unsigned i = 0; i < call->stream_count; i++)
        call_stream_close(call, &call->streams[i], now);
    transaction_end(&call->invite);
    transaction_end(&call->other);
    transaction_end(&call->cancel);
    call_wheel_set(&call->world->wheel, &call->sip, TICK_NEVER);
    call_wheel_set(&call->world->wheel, &call->script, TICK_NEVER);
    call->world->done++;
}

void call_lost(struct call *call, const char *why, struct tick now)
{
    if (call->state == CALL_DONE || call->state == CALL_IDLE)
        return;
    if (!call->invite.active && !call->other.active && !call->cancel.active &&
        call->world->wire.transport == CALL_UDP)
        return;
    call_fail(call, "%s", why);
    call_done(call, now);
}

/* "sip:user@host:port;x" -> where that is; false leaves *out alone. */
static bool uri_place(struct view uri, struct addr *out)
{
    struct view scheme;
    view_cut(&uri, ':', &scheme);
    size_t at = view_find_char(uri, '@');
    if (at < uri.len)
        uri = view_skip(uri, at + 1);
    uri = view_take(uri, view_find_char(uri, ';'));
    uri = view_take(uri, view_find_char(uri, '?'));
    if (addr_parse(uri, 5060, out))
        return true;
    struct view host;
    char name[256], error[128];
    uint16_t port = 5060;
    view_cut(&uri, ':', &host);
    if (uri.len > 0 && !view_parse_u16(uri, &port))
        return false;
    return view_copy(host, name, sizeof name) &&
           call_net_resolve(name, port, out, error, sizeof error);
}

/* Where requests inside the dialog go: the first route, or the target itself. */
static void hop_set(struct call *call)
{
    struct view hop =
        call->routes[0] ? call_uri_of(view_of_string(call->routes)) : view_of_string(call->target);
    if (!uri_place(hop, &call->next_hop))
        call->next_hop = call->world->wire.peer;
}

/* A request of the SRS's that names another Contact moves its end of the dialog; the routes stay
 * (RFC 3261 §12.2.2). */
static void target_refresh(struct call *call, const struct call_message *request)
{
    struct view contact = call_uri_of(call_message_header(request, "Contact", 0));
    if (contact.len > 0 && view_copy(contact, call->target, sizeof call->target))
        hop_set(call);
}

/* The dialog as the first 2xx sets it up (RFC 3261 §12.1.2). */
static void dialog_set(struct call *call, const struct call_message *message)
{
    struct view to = call_message_header(message, "To", 0);
    struct view contact = call_uri_of(call_message_header(message, "Contact", 0));
    struct writer routes = writer_of(call->routes, sizeof call->routes - 1);
    if (!view_copy(to, call->to, sizeof call->to))
        call_problem(call, true, "the To header is longer than %zu bytes", sizeof call->to);
    if (!call_parameter(to, "tag").at)
        call_problem(call, true, "the 2xx has no To tag");
    call_route_set(message, &routes);
    call->routes[routes.len] = '\0';
    if (contact.len == 0)
        call_problem(call, true, "the 2xx has no Contact");
    else if (!view_copy(contact, call->target, sizeof call->target))
        call_problem(call, true, "the Contact is longer than %zu bytes", sizeof call->target);
    if (!view_equal_nocase(contact, VIEW_NONE) &&
        view_find(call_message_header(message, "Contact", 0), VIEW_LIT("+sip.srs")) ==
            call_message_header(message, "Contact", 0).len)
        call_problem(call, false, "the Contact lacks +sip.srs (RFC 7866 section 6.2)");
    hop_set(call);
}

static void ack_send(struct call *call, const struct call_message *message, struct tick now)
{
    struct call_transaction ack = {.cseq = message->cseq};
    memcpy(ack.branch, "z9hG4bK", 7);
    rng_text(&call->world->rng, ack.branch + 7, 16);
    bool success = message->code < 300;
    if (!success)
        memcpy(ack.branch, call->invite.branch, sizeof ack.branch); /* RFC 3261 §17.1.1.3 */
    bool answer = success && call->invite.asked && call->answering;
    struct call_text_request request = {"ACK", ack.branch, ack.cseq,
                                        answer ? CALL_CONTENT_SDP : CALL_CONTENT_NONE};
    char keep[sizeof call->to];
    memcpy(keep, call->to, sizeof keep);
    struct view to = call_message_header(message, "To", 0);
    if (!success && !view_copy(to, call->to, sizeof call->to))
        call_problem(call, false, "a To header is longer than %zu bytes", sizeof call->to);
    struct view bytes = call_message_build(call, &request);
    memcpy(call->to, keep, sizeof keep);
    call_wire_send(&call->world->wire, success ? &call->next_hop : &call->invite.to, bytes);
    free(call->ack);
    call->ack = malloc(bytes.len);
    call->ack_len = call->ack ? bytes.len : 0;
    if (call->ack)
        memcpy(call->ack, bytes.at, bytes.len);
    call->ack_cseq = message->cseq;
}

/* The SDP of a request of ours. */
static bool offer_read(const struct call_transaction *t, struct call_answer *offer)
{
    struct call_message message;
    return call_message_parse(&message, t->bytes, t->len) &&
           call_answer_parse(offer, call_message_header(&message, "Content-Type", 0), message.body);
}

/* A response's SDP: the answer to our offer, or the offer we answer in the ACK. */
static void body_take(struct call *call, const struct call_message *message,
                      const struct call_transaction *t)
{
    struct call_answer answer, offer;
    struct view type = call_message_header(message, "Content-Type", 0);
    if (!t->offered && !t->asked)
        return;
    if (message->body.len == 0 || !call_answer_parse(&answer, type, message->body)) {
        call_problem(call, true, "the %u to %s carries no SDP", message->code, t->method);
        return;
    }
    if (t->asked) {
        call->answering = true;
        call_answer_apply(call, NULL, &answer);
    } else if (offer_read(t, &offer)) {
        call_answer_judge(call, &offer, &answer);
        call_answer_apply(call, &offer, &answer);
    }
}

/* RFC 4028: we refresh at half the interval when that is our part. */
static void timer_take(struct call *call, const struct call_message *message, struct tick now)
{
    struct view value = call_message_header(message, "Session-Expires", 0), number = value;
    uint32_t seconds = 0;
    struct view refresher = call_parameter(value, "refresher");
    call->refresh_at = TICK_NEVER;
    view_cut(&value, ';', &number);
    if (!view_parse_u32(view_trim(number), &seconds) ||
        view_equal_nocase(refresher, VIEW_LIT("uas")))
        return;
    call->refresh_ms = (int64_t)seconds * 500;
    call->refresh_at = tick_add_ms(now, call->refresh_ms);
}

static void answered(struct call *call, const struct call_message *message, struct tick now)
{
    bool first = call->state == CALL_INVITING;
    struct view allow = call_message_header(message, "Allow", 0);
    if (first) {
        dialog_set(call, message);
        call->state = CALL_UP;
        call->updates = view_find(allow, VIEW_LIT("UPDATE")) < allow.len;
        call_ice_meet(call, message);
        call->resume_at = now;
        call->hang_up_at = tick_add_ms(now, call->world->options->hold_ms);
    }
    timer_take(call, message, now);
    body_take(call, message, &call->invite);
    ack_send(call, message, now);
    call->answering = false;
    call->invite.asked = false;
    transaction_end(&call->invite);
    if (call->failed && first) {
        call_bye(call, now);
        return;
    }
    call_streams_start(call, now);
    if (!first)
        call_step_answered(call, message->code, now);
    else if (call->cancelled)
        call_bye(call, now);
    else
        call_script_run(call, now);
}

/* The first INVITE's final response, counted. */
static void first_answer_note(struct call *call, const struct call_message *message)
{
    call->code = message->code;
    (void)view_copy(message->reason, call->reason, sizeof call->reason);
    utf8_make_plain(call->reason);
    call->answer_ms = (double)(call->world->wire.received.ns - call->invite.sent.ns) / 1e6;
    unsigned expect = call->world->options->expect;
    bool good = expect == 200 ? message->code / 100 == 2 : message->code == expect;
    if (call->cancelled)
        good = message->code == 487 || message->code / 100 == 2;
    if (!good)
        call_fail(call, "INVITE answered %u %s", call->code, call->reason);
}

static void refused(struct call *call, const struct call_message *message, struct tick now)
{
    bool first = call->state == CALL_INVITING;
    ack_send(call, message, now);
    transaction_end(&call->invite);
    if (first)
        call_done(call, now);
    else
        call_step_answered(call, message->code, now);
}

/* RFC 3262 §4: a reliable provisional response is acknowledged by PRACK. */
static void provisional(struct call *call, const struct call_message *message, struct tick now)
{
    call->invite.provisional = true;
    call->invite.next = TICK_NEVER;
    struct view number = call_message_header(message, "RSeq", 0);
    struct view require = call_message_header(message, "Require", 0);
    if (number.len == 0 || view_find(require, VIEW_LIT("100rel")) == require.len ||
        call->other.active)
        return;
    char extra[sizeof call->routes];
    memcpy(extra, call->routes, sizeof extra);
    dialog_set(call, message);
    /* RAck rides where the routes go: the one header only a PRACK has. */
    size_t used = strlen(call->routes);
    snprintf(call->routes + used, sizeof call->routes - used, "RAck: " VIEW_FMT " %u INVITE\r\n",
             VIEW_ARG(number), call->invite.cseq);
    call_request(call, "PRACK", CALL_CONTENT_NONE, now);
    memcpy(call->routes, extra, sizeof extra);
}

static void invite_response(struct call *call, const struct call_message *message, struct tick now)
{
    struct call_transaction *t = &call->invite;
    if (!t->active || message->cseq != t->cseq) {
        /* A retransmitted final response: its ACK got lost or is on the way (RFC 3261 §13.2.2.4).
         * */
        if (message->code >= 200 && message->cseq == call->ack_cseq && call->ack)
            call_wire_send(&call->world->wire, &call->next_hop, view_of(call->ack, call->ack_len));
        return;
    }
    t->replied = true;
    if (message->code < 200) {
        provisional(call, message, now);
        alarm_update(call);
        return;
    }
    if (call->state == CALL_INVITING)
        first_answer_note(call, message);
    if (message->code < 300)
        answered(call, message, now);
    else
        refused(call, message, now);
}

static void other_response(struct call *call, const struct call_message *message, struct tick now)
{
    struct call_transaction *t = &call->other;
    if (!t->active || message->cseq != t->cseq || message->code < 200)
        return;
    bool prack = strcmp(t->method, "PRACK") == 0;
    unsigned code = message->code;
    if (t->offered && code / 100 == 2)
        body_take(call, message, t);
    transaction_end(t);
    if (call->state == CALL_ENDING) {
        if (code / 100 != 2)
            call_fail(call, "BYE answered %u", code);
        call_done(call, now);
        return;
    }
    call_streams_start(call, now);
    if (!prack)
        call_step_answered(call, code, now);
}

/* Keeps the response for a retransmitted request. */
static void reply_send(struct call *call, const struct call_message *request, unsigned code,
                       const char *phrase, const struct addr *to)
{
    bool sdp = view_equal(request->method, VIEW_LIT("INVITE")) && code == 200;
    struct view bytes = call_reply_build(call, request, code, phrase, sdp);
    call_wire_send(&call->world->wire, to, bytes);
    free(call->reply);
    call->reply = malloc(bytes.len);
    call->reply_len = call->reply ? bytes.len : 0;
    if (call->reply)
        memcpy(call->reply, bytes.at, bytes.len);
}

static void request_input(struct call *call, const struct call_message *message,
                          const struct addr *from, struct tick now)
{
    if (view_equal(message->method, VIEW_LIT("ACK")))
        return;
    if (call->remote_seen && message->cseq == call->remote_cseq && call->reply) {
        call_wire_send(&call->world->wire, from, view_of(call->reply, call->reply_len));
        return;
    }
    call->remote_seen = true;
    call->remote_cseq = message->cseq;
    bool invite = view_equal(message->method, VIEW_LIT("INVITE"));
    bool update = view_equal(message->method, VIEW_LIT("UPDATE"));
    if (invite && call->invite.active) {
        reply_send(call, message, 491, "Request Pending", from); /* RFC 3261 §14.2 */
        return;
    }
    if (invite || update)
        target_refresh(call, message);
    if (invite) {
        struct call_answer offer;
        struct view type = call_message_header(message, "Content-Type", 0);
        if (call_answer_parse(&offer, type, message->body))
            call_answer_apply(call, NULL, &offer);
    }
    /* RFC 7866 §9.2: the SRS asks for a snapshot; it is sent in a request of its own. */
    if (update && view_find(message->body, VIEW_LIT("requestsnapshot")) < message->body.len)
        call->snapshot_wanted = true;
    if (view_equal(message->method, VIEW_LIT("INFO")))
        call_ice_take(call, message, now);
    reply_send(call, message, 200, "OK", from);
    if (view_equal(message->method, VIEW_LIT("BYE"))) {
        if (call->state == CALL_UP)
            call_fail(call, "the SRS hung up");
        call_done(call, now);
    } else if (call->snapshot_wanted && call->state == CALL_UP) {
        call_script_run(call, now);
    }
}

void call_input(struct call *call, const struct call_message *message, const struct addr *from,
                struct tick now)
{
    call->reached = true;
    if (call->state == CALL_DONE) {
        /* Its last responses may come again; a BYE of the SRS's that crossed ours is answered too.
         * */
        if (message->request)
            reply_send(call, message, 200, "OK", from);
        return;
    }
    if (message->request)
        request_input(call, message, from, now);
    else if (view_equal(message->method, VIEW_LIT("INVITE")))
        invite_response(call, message, now);
    else if (view_equal(message->method, VIEW_LIT("CANCEL")))
        transaction_end(&call->cancel);
    else
        other_response(call, message, now);
    if (call->state != CALL_DONE)
        alarm_update(call);
}

void call_cancel(struct call *call, struct tick now)
{
    struct call_transaction *t = &call->cancel;
    call->cancelled = true;
    memcpy(t->method, "CANCEL", 7);
    memcpy(t->branch, call->invite.branch, sizeof t->branch); /* RFC 3261 §9.1: all as the INVITE */
    t->cseq = call->invite.cseq;
    transaction_start(call, t, CALL_CONTENT_NONE, now);
}

static void transaction_expire(struct call *call, struct call_transaction *t, struct tick now)
{
    if (!t->active || call->state == CALL_DONE)
        return;
    if (tick_due(t->deadline, now)) {
        call_fail(call, "no answer to %s within %lld s", t->method,
                  (long long)(call->world->options->timeout_ms / 1000));
        call_done(call, now);
        return;
    }
    if (!tick_due(t->next, now))
        return;
    call_wire_send(&call->world->wire, &t->to, view_of(t->bytes, t->len));
    t->interval_ms *= 2;
    if (!t->invite && t->interval_ms > T2_MS)
        t->interval_ms = T2_MS;
    t->next = tick_add_ms(now, t->interval_ms);
}

void call_expire(struct call *call, struct tick now)
{
    transaction_expire(call, &call->invite, now);
    transaction_expire(call, &call->other, now);
    transaction_expire(call, &call->cancel, now);
    if (call->state != CALL_DONE)
        alarm_update(call);
}
