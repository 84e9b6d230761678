/* register: registrations that keep a flow open each, so that calls reach us through a NAT.
 * Not here: opening connections, names, STUN on the flows (the owner's), transactions (sip.h).
 * RFC 3261 §10, 22; RFC 5626 §4; RFC 3327 §5 (path); RFC 7616, 8760 (digest). */
#include "sip/register.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/metrics.h"
#include "sip/binding.h"
#include "sip/print.h"
#include "sip/via.h"

enum {
    /* RFC 5626 §4.5. */
    REGISTER_MAX_TIME_S = 1800,
    REGISTER_BASE_ALL_FAILED_S = 30,
    REGISTER_BASE_ANY_GOOD_S = 90,
    /* §4.4.1, 4.4.2: the upper bounds where no Flow-Timer is given. */
    REGISTER_CRLF_S = 120,
    REGISTER_UDP_S = 29,
    REGISTER_PONG_MS = 10000,
    REGISTER_STOP_MS = 2000, /* nobody waits longer for the end of a registration */
    REGISTER_CHALLENGES_MAX = 3,
    REGISTER_TOO_BRIEF_MAX = 2,
    REGISTER_REDIRECTS_MAX = 2,
    REGISTER_AT_ONCE_MAX = 3, /* times a Retry-After below a second is believed in a row */
    REGISTER_CLOSES_MAX = 4,
};

/* A place that is asked whether anybody is there. */
struct register_question {
    enum {
        REGISTER_NOT_ASKED,
        REGISTER_ASKED,
        REGISTER_HEARD, /* the owner is to be told */
        REGISTER_UNHEARD,
    } state;
    uint64_t request; /* sip's id */
    unsigned status;  /* it was answered with; 0: it was not */
    struct sip_flow flow;
};

struct registration {
    struct sip_binding binding; /* names, sequence, digest: what its messages are made of */
    struct sip_register_target configured;
    enum sip_register_state state;
    bool has_flow, has_old;
    struct sip_flow flow, old; /* old: until the new one carries the registration */
    uint64_t request, probe;   /* sip's ids; 0: none is out */
    bool leaving;              /* what is out takes the binding back */
    bool accepted;             /* it was registered once, over this flow */
    bool proven;               /* and a keepalive was answered, where one is to be (§4.5) */
    bool pongs;                /* the other side answers CRLF pings */
    uint8_t challenges, too_brief, redirects, at_once;
    uint32_t failures;
    uint32_t flow_timer_s;
    struct addr seen;    /* by STUN */
    struct addr outside; /* where the registrar saw REGISTER come from */
    struct tick since, expires_at, refresh_at, retry_at, ping_at, pong_by, stop_by;
    bool open_due, stun_due;
    struct register_question asked[SIP_REGISTER_ASKED_MAX];
    uint64_t closes[REGISTER_CLOSES_MAX];
    char why[SIP_REGISTER_WHY_MAX];
    char said[SIP_REGISTER_WHY_MAX]; /* the reason that was logged last */
};

struct sip_register {
    struct sip *sip;
    struct rng rng;
    struct sip_binding_user user;
    char text[4096]; /* what user points into */
    size_t count;
    struct registration list[SIP_REGISTER_MAX];
};

/* ---- small things --------------------------------------------------------------------------- */

const char *sip_register_state_name(enum sip_register_state state)
{
    static const char *const names[] = {"opening", "asking", "registered", "waiting", "stopped"};
    return names[state];
}

static void register_close(struct registration *r, const struct sip_flow *flow)
{
    for (size_t i = 0; i < REGISTER_CLOSES_MAX && flow->id != 0; i++) {
        if (r->closes[i] == 0) {
            r->closes[i] = flow->id;
            return;
        }
    }
}

static void register_forget_old(struct registration *r)
{
    if (r->has_old)
        register_close(r, &r->old);
    r->has_old = false;
}

/* No flow any more, and nothing that ran on it. */
static void register_leave_flow(struct registration *r)
{
    r->has_flow = false;
    r->request = r->probe = 0;
    r->accepted = r->proven = r->pongs = r->stun_due = false;
    r->binding.outbound = false;
    r->seen = r->outside = (struct addr){0};
    r->refresh_at = r->expires_at = r->ping_at = r->pong_by = TICK_NEVER;
}

static void register_drop_flow(struct registration *r)
{
    if (r->has_flow)
        register_close(r, &r->flow);
    register_leave_flow(r);
}

static void register_open(struct registration *r)
{
    r->state = SIP_REGISTER_OPENING;
    r->retry_at = TICK_NEVER;
    r->challenges = r->too_brief = 0;
    r->open_due = true;
}

static bool register_any_good(const struct sip_register *reg)
{
    for (size_t i = 0; i < reg->count; i++) {
        if (reg->list[i].state == SIP_REGISTER_REGISTERED)
            return true;
    }
    return false;
}

static void register_say(struct registration *r, const char *why)
{
    if (why != r->why)
        snprintf(r->why, sizeof r->why, "%s", why);
    if (strcmp(r->why, r->said) != 0)
        LOG_WARN("sip", VIEW_NONE, "not registered uri=%s reason=\"%s\"", r->binding.uri, r->why);
    memcpy(r->said, r->why, sizeof r->said);
}

/* §4.5: how long until the next try, after the failure that was just counted. */
static int64_t register_delay_ms(struct sip_register *reg, const struct registration *r)
{
    int64_t base_s = register_any_good(reg) ? REGISTER_BASE_ANY_GOOD_S : REGISTER_BASE_ALL_FAILED_S;
    int64_t bound_s = r->failures < 10 ? base_s << r->failures : REGISTER_MAX_TIME_S;
    if (bound_s > REGISTER_MAX_TIME_S)
        bound_s = REGISTER_MAX_TIME_S;
    return bound_s * 500 + rng_below(&reg->rng, (uint32_t)(bound_s * 500 + 1));
}

/* It failed: why, and once more later. */
static void register_wait(struct sip_register *reg, struct tick now, struct registration *r,
                          const char *why)
{
    metric_add(METRIC_SIP_REGISTER_FAILURES, 1);
    r->state = SIP_REGISTER_WAITING;
    r->failures++;
    r->binding.target = r->configured;
    r->redirects = 0;
    r->retry_at = tick_add_ms(now, register_delay_ms(reg, r));
    register_say(r, why);
}

/* The flow is no good any more. §4.5: one that did its work is replaced at once. */
static void register_lost(struct sip_register *reg, struct tick now, struct registration *r,
                          const char *why)
{
    bool proven = r->accepted && r->proven;
    register_drop_flow(r);
    register_forget_old(r);
    if (r->state == SIP_REGISTER_STOPPED || !tick_is_never(r->stop_by)) {
        r->state = SIP_REGISTER_STOPPED;
        r->stop_by = TICK_NEVER;
        return;
    }
    if (!proven) {
        register_wait(reg, now, r, why);
        return;
    }
    r->failures = 0;
    register_say(r, why);
    register_open(r);
}

/* ---- who is there --------------------------------------------------------------------------- */

static void register_ask_no_more(struct sip_register *reg, struct registration *r)
{
    for (size_t i = 0; i < SIP_REGISTER_ASKED_MAX; i++) {
        if (r->asked[i].state == REGISTER_ASKED)
            sip_forget(reg->sip, r->asked[i].request);
        r->asked[i].state = REGISTER_NOT_ASKED;
    }
}

bool sip_register_ask(struct sip_register *reg, struct tick now, size_t index,
                      const struct sip_flow *flow)
{
    struct registration *r = &reg->list[index];
    for (size_t i = 0; i < SIP_REGISTER_ASKED_MAX; i++) {
        struct register_question *question = &r->asked[i];
        struct sip_post post;
        if (question->state != REGISTER_NOT_ASKED)
            continue;
        post = sip_binding_post_question(&r->binding, flow);
        question->request = sip_post(reg->sip, now, &post);
        question->flow = *flow;
        question->state = question->request ? REGISTER_ASKED : REGISTER_NOT_ASKED;
        return question->request != 0;
    }
    return false;
}

/* True when the event was an answer to a question, or tells that there is none. */
static bool register_take_question(struct sip_register *reg, struct registration *r,
                                   const struct sip_event *event)
{
    const struct sip_message *m = event->message;
    for (size_t i = 0; i < SIP_REGISTER_ASKED_MAX; i++) {
        struct register_question *question = &r->asked[i];
        if (question->state != REGISTER_ASKED || question->request != event->request)
            continue;
        question->state = REGISTER_UNHEARD;
        question->status = m ? m->status : 0;
        if (!m || m->status == 503) /* RFC 3263 §4.3: then another */
            return true;
        register_ask_no_more(reg, r);
        question->state = REGISTER_HEARD;
        /* What it asks in return need not be asked again. */
        if ((m->status == 401 || m->status == 407) &&
            !sip_binding_challenge(&r->binding, &reg->user, m, r->why, sizeof r->why))
            sip_binding_forget(&r->binding);
        return true;
    }
    return false;
}

/* ---- REGISTER ------------------------------------------------------------------------------- */

static void register_send(struct sip_register *reg, struct tick now, struct registration *r)
{
    char headers[SIP_BINDING_HEADERS_MAX];
    char cnonce[SIP_DIGEST_CNONCE_LEN + 1];
    struct writer w = writer_of(headers, sizeof headers);
    struct sip_post post;
    rng_text(&reg->rng, cnonce, SIP_DIGEST_CNONCE_LEN);
    sip_binding_print(&w, &r->binding, &reg->user, &r->flow, r->leaving, view_of_string(cnonce));
    post = sip_binding_post(&r->binding, &r->flow);
    post.headers = writer_done(&w);
    r->request = w.failed ? 0 : sip_post(reg->sip, now, &post);
    if (r->state != SIP_REGISTER_REGISTERED && !r->leaving)
        r->state = SIP_REGISTER_ASKING;
    if (r->request == 0 && r->leaving)
        r->stop_by = now;
    else if (r->request == 0 && r->state == SIP_REGISTER_REGISTERED)
        r->refresh_at = tick_add_ms(now, 5000);
    else if (r->request == 0)
        register_wait(reg, now, r, "too much is going on to register");
}

/* The next keepalive, §4.4: between 80 and 100 % of the bound. */
static void register_plan_ping(struct sip_register *reg, struct tick now, struct registration *r)
{
    bool udp = r->flow.protocol == SIP_PROTOCOL_UDP;
    int64_t most_ms = (r->flow_timer_s ? (int64_t)r->flow_timer_s
                       : udp           ? REGISTER_UDP_S
                                       : REGISTER_CRLF_S) *
                      1000;
    int64_t least_ms = r->flow_timer_s ? most_ms * 8 / 10 : udp ? 24000 : 95000;
    r->ping_at =
        tick_add_ms(now, least_ms + rng_below(&reg->rng, (uint32_t)(most_ms - least_ms + 1)));
}

static void register_ping(struct sip_register *reg, struct tick now, struct registration *r)
{
    r->ping_at = TICK_NEVER;
    if (r->flow.protocol != SIP_PROTOCOL_UDP) {
        sip_ping(reg->sip, now, &r->flow);
        /* §4.4: only who agreed to it, or has done it before, must answer. */
        if ((r->binding.outbound || r->pongs) && tick_is_never(r->pong_by))
            r->pong_by = tick_add_ms(now, REGISTER_PONG_MS);
        register_plan_ping(reg, now, r);
    } else if (r->binding.outbound) {
        r->stun_due = true;
    } else if (r->probe == 0) {
        struct sip_call call = {.flow = r->flow,
                                .target = view_of_string(r->binding.request_uri),
                                .from = view_of_string(r->binding.aor),
                                .to = view_of_string(r->binding.aor)};
        r->probe = sip_ask(reg->sip, now, &call, SIP_METHOD_OPTIONS);
        if (r->probe == 0)
            register_plan_ping(reg, now, r);
    }
}

static void register_proved(struct sip_register *reg, struct tick now, struct registration *r)
{
    r->proven = true;
    r->failures = 0;
    r->pong_by = TICK_NEVER;
    if (tick_is_never(r->ping_at))
        register_plan_ping(reg, now, r);
}

static void register_succeeded(struct sip_register *reg, struct tick now, struct registration *r,
                               const struct sip_message *m)
{
    struct sip_binding_grant grant = sip_binding_read(&r->binding, &reg->user, m);
    bool was = r->state == SIP_REGISTER_REGISTERED;
    bool udp = r->flow.protocol == SIP_PROTOCOL_UDP;
    sip_digest_next(&r->binding.digests[0], m);
    r->challenges = r->too_brief = r->redirects = r->at_once = 0;
    register_forget_old(r);
    if (grant.expires_s == 0) {
        register_drop_flow(r);
        register_wait(reg, now, r, "the registrar answers 200 and keeps no binding of ours");
        return;
    }
    r->state = SIP_REGISTER_REGISTERED;
    r->accepted = true;
    r->binding.outbound = grant.outbound;
    r->outside = sip_via_seen(m);
    r->flow_timer_s = grant.flow_timer_s;
    r->expires_at = tick_add_ms(now, (int64_t)grant.expires_s * 1000);
    /* Half of it, or ten minutes before its end: room for more than one try. */
    r->refresh_at =
        tick_add_ms(now, grant.expires_s > 1200 ? (grant.expires_s - 600) * INT64_C(1000)
                                                : grant.expires_s * INT64_C(500));
    r->why[0] = r->said[0] = '\0';
    if (!grant.outbound && !udp)
        r->proven = true; /* no keepalive is answered here */
    if (r->proven)
        r->failures = 0;
    if (tick_is_never(r->ping_at) && tick_is_never(r->pong_by) && r->probe == 0)
        register_plan_ping(reg, now, r);
    if (was)
        return;
    r->since = now;
    LOG_INFO("sip", VIEW_NONE, "registered uri=%s peer=%s transport=%s expires_s=%u outbound=%s",
             r->binding.uri, addr_print(&r->flow.peer).s,
             udp                                    ? "udp"
             : r->flow.protocol == SIP_PROTOCOL_TLS ? "tls"
                                                    : "tcp",
             grant.expires_s, grant.outbound ? "yes" : "no");
}

/* A refusal that another try over the same flow may turn. True: it is on its way. */
static bool register_again(struct sip_register *reg, struct tick now, struct registration *r,
                           const struct sip_message *m)
{
    switch (m->status) {
    case 401:
    case 407:
        if (!sip_binding_challenge(&r->binding, &reg->user, m, r->why, sizeof r->why) ||
            r->challenges++ >= REGISTER_CHALLENGES_MAX)
            return false;
        break;
    case 423: /* RFC 3261 §10.2.8 */
        if (!sip_binding_lengthen(&r->binding, m) || r->too_brief++ >= REGISTER_TOO_BRIEF_MAX)
            return false;
        break;
    case 439: /* RFC 5626 §11.6: then without it */
        if (r->binding.plain)
            return false;
        r->binding.plain = true;
        break;
    default:
        return false;
    }
    register_send(reg, now, r);
    return true;
}

/* RFC 3261 §8.1.3.4: elsewhere. */
static bool register_redirect(struct registration *r, const struct sip_message *m)
{
    struct sip_register_target target;
    if ((m->status != 301 && m->status != 302 && m->status != 305) ||
        r->redirects >= REGISTER_REDIRECTS_MAX ||
        !sip_binding_redirect(m, r->flow.protocol == SIP_PROTOCOL_TLS, &target))
        return false;
    r->redirects++;
    target.sent_by = r->flow.peer;
    r->binding.target = target;
    sip_binding_forget(&r->binding); /* an answer to this one's challenge is not another's to see */
    register_drop_flow(r);
    register_open(r);
    return true;
}

static bool register_is_passing(unsigned status)
{
    return status == 408 || status == 480 || status == 491 || status == 500 || status == 502 ||
           status == 503 || status == 504;
}

/* A final refusal. §4.2.1, 4.2.2: with a Retry-After, or while the binding lives, the flow stays. */
static void register_refused(struct sip_register *reg, struct tick now, struct registration *r,
                             const struct sip_message *m)
{
    uint32_t after_s = 0;
    bool has_after = sip_binding_retry_after(m, &after_s);
    bool passing = register_is_passing(m->status);
    if (!r->why[0] || (m->status != 401 && m->status != 407))
        snprintf(r->why, sizeof r->why, "the registrar answers %u %.*s", m->status,
                 (int)view_take(m->reason, 100).len, m->reason.at ? m->reason.at : "");
    if (after_s > REGISTER_MAX_TIME_S * 2)
        after_s = REGISTER_MAX_TIME_S * 2;
    if (passing && r->state == SIP_REGISTER_REGISTERED) {
        int64_t left_ms = tick_diff_ms(r->expires_at, now);
        int64_t wait_ms = has_after ? after_s * INT64_C(1000) : register_delay_ms(reg, r);
        if (wait_ms > left_ms / 2)
            wait_ms = left_ms / 2;
        r->refresh_at = tick_add_ms(now, wait_ms < 1000 ? 1000 : wait_ms);
        return;
    }
    struct tick after = tick_add_ms(now, after_s * INT64_C(1000));
    bool waits = passing && has_after && (after_s > 0 || r->at_once++ < REGISTER_AT_ONCE_MAX);
    if (!waits || r->flow.id == 0) /* what is no connection goes where its name leads by then */
        register_drop_flow(r);
    register_wait(reg, now, r, r->why);
    if (waits || (has_after && tick_before(r->retry_at, after)))
        r->retry_at = after;
}

static void register_left(struct registration *r)
{
    r->leaving = false;
    r->stop_by = TICK_NEVER;
    r->state = SIP_REGISTER_STOPPED;
    r->refresh_at = r->expires_at = r->retry_at = TICK_NEVER;
    LOG_INFO("sip", VIEW_NONE, "registration taken back uri=%s", r->binding.uri);
}

static void register_take(struct sip_register *reg, struct tick now, struct registration *r,
                          const struct sip_event *event)
{
    const struct sip_message *m = event->message;
    r->request = 0;
    if (m && m->status >= 300 && register_again(reg, now, r, m))
        return;
    if (r->leaving)
        register_left(r);
    else if (!m)
        register_lost(reg, now, r,
                      event->status == 408 ? "the registrar does not answer"
                                           : "the connection to the registrar broke");
    else if (m->status < 300)
        register_succeeded(reg, now, r, m);
    else if (!register_redirect(r, m))
        register_refused(reg, now, r, m);
}

static void register_take_probe(struct sip_register *reg, struct tick now, struct registration *r,
                                const struct sip_event *event)
{
    r->probe = 0;
    /* Whatever it answers, it answers over this flow. */
    if (event->message)
        register_proved(reg, now, r);
    else
        register_lost(reg, now, r, "the registrar does not answer OPTIONS any more");
}

bool sip_register_input(struct sip_register *reg, struct tick now, const struct sip_event *event)
{
    if (event->kind != SIP_EVENT_PONG && (event->kind != SIP_EVENT_RESPONSE || event->dialog != 0))
        return false;
    for (size_t i = 0; i < reg->count; i++) {
        struct registration *r = &reg->list[i];
        if (event->kind == SIP_EVENT_PONG) {
            if (!r->has_flow || r->flow.id != event->flow.id)
                continue;
            r->pongs = true;
            register_proved(reg, now, r);
            return true;
        }
        if (event->request == r->request && r->request != 0) {
            register_take(reg, now, r, event);
            return true;
        }
        if (event->request == r->probe && r->probe != 0) {
            register_take_probe(reg, now, r, event);
            return true;
        }
        if (register_take_question(reg, r, event))
            return true;
    }
    return event->kind == SIP_EVENT_PONG;
}

/* ---- flows ---------------------------------------------------------------------------------- */

void sip_register_opened(struct sip_register *reg, struct tick now, size_t index,
                         const struct sip_flow *flow)
{
    struct registration *r = &reg->list[index];
    if (r->state != SIP_REGISTER_OPENING) {
        register_close(r, flow);
        return;
    }
    register_ask_no_more(reg, r);
    r->has_flow = true;
    r->flow = *flow;
    register_send(reg, now, r);
}

void sip_register_failed(struct sip_register *reg, struct tick now, size_t index, const char *why)
{
    struct registration *r = &reg->list[index];
    if (r->state != SIP_REGISTER_OPENING)
        return;
    register_ask_no_more(reg, r);
    register_forget_old(r);
    register_wait(reg, now, r, why);
}

void sip_register_closed(struct sip_register *reg, struct tick now, uint64_t flow_id,
                         const char *why)
{
    for (size_t i = 0; i < reg->count; i++) {
        struct registration *r = &reg->list[i];
        if (r->has_old && r->old.id == flow_id)
            r->has_old = false;
        if (r->has_flow && r->flow.id == flow_id && flow_id != 0) {
            r->has_flow = false; /* nothing is left to be closed */
            register_lost(reg, now, r, why);
        }
    }
}

void sip_register_stun(struct sip_register *reg, struct tick now, size_t index,
                       const struct addr *seen)
{
    struct registration *r = &reg->list[index];
    if (!r->has_flow || r->flow.protocol != SIP_PROTOCOL_UDP)
        return;
    if (!seen) {
        register_lost(reg, now, r, "the registrar does not answer STUN any more");
        return;
    }
    register_proved(reg, now, r);
    if (addr_is_set(&r->seen) && !addr_equal(&r->seen, seen)) {
        /* §4.4.2: a NAT gave us another address; what the registrar knows leads nowhere. */
        register_lost(reg, now, r, "the registrar sees us under another address now");
        return;
    }
    r->seen = *seen;
}

void sip_register_renew(struct sip_register *reg, struct tick now)
{
    for (size_t i = 0; i < reg->count; i++) {
        struct registration *r = &reg->list[i];
        if (r->state == SIP_REGISTER_STOPPED || r->leaving || r->open_due)
            continue;
        r->failures = 0;
        register_ask_no_more(reg, r);
        if (r->has_flow) {
            register_forget_old(r);
            r->old = r->flow;
            r->has_old = r->flow.id != 0;
        }
        register_leave_flow(r);
        if (r->state == SIP_REGISTER_REGISTERED)
            register_say(r, "our network changed");
        register_open(r);
    }
}

void sip_register_stop(struct sip_register *reg, struct tick now)
{
    for (size_t i = 0; i < reg->count; i++) {
        struct registration *r = &reg->list[i];
        if (r->state == SIP_REGISTER_STOPPED || r->leaving)
            continue;
        r->open_due = false;
        register_ask_no_more(reg, r);
        if (!r->has_flow || !(r->accepted || r->request != 0)) {
            register_drop_flow(r);
            r->state = SIP_REGISTER_STOPPED;
            continue;
        }
        r->leaving = true;
        r->stop_by = tick_add_ms(now, REGISTER_STOP_MS);
        register_send(reg, now, r);
    }
}

bool sip_register_is_stopped(const struct sip_register *reg)
{
    for (size_t i = 0; i < reg->count; i++) {
        if (reg->list[i].state != SIP_REGISTER_STOPPED)
            return false;
    }
    return true;
}

bool sip_register_output(struct sip_register *reg, struct sip_register_output *out)
{
    for (size_t i = 0; i < reg->count; i++) {
        struct registration *r = &reg->list[i];
        *out = (struct sip_register_output){.index = i, .target = r->binding.target};
        for (size_t c = 0; c < REGISTER_CLOSES_MAX; c++) {
            if (r->closes[c] == 0)
                continue;
            out->kind = SIP_REGISTER_CLOSE;
            out->flow.id = r->closes[c];
            r->closes[c] = 0;
            return true;
        }
        if (r->open_due) {
            r->open_due = false;
            out->kind = SIP_REGISTER_OPEN;
            return true;
        }
        for (size_t q = 0; q < SIP_REGISTER_ASKED_MAX; q++) {
            struct register_question *question = &r->asked[q];
            if (question->state != REGISTER_HEARD && question->state != REGISTER_UNHEARD)
                continue;
            out->kind =
                question->state == REGISTER_HEARD ? SIP_REGISTER_HEARD : SIP_REGISTER_UNHEARD;
            out->flow = question->flow;
            out->status = question->status;
            question->state = REGISTER_NOT_ASKED;
            return true;
        }
        if (r->stun_due) {
            r->stun_due = false;
            out->kind = SIP_REGISTER_STUN;
            out->flow = r->flow;
            return true;
        }
    }
    return false;
}

/* ---- time ----------------------------------------------------------------------------------- */

static void register_expire(struct sip_register *reg, struct tick now, struct registration *r)
{
    if (tick_due(r->stop_by, now)) {
        register_left(r);
        return;
    }
    if (tick_due(r->pong_by, now)) {
        r->pong_by = TICK_NEVER;
        register_lost(reg, now, r, "the registrar does not answer our keepalive");
        return;
    }
    if (tick_due(r->expires_at, now)) {
        r->expires_at = r->refresh_at = TICK_NEVER;
        register_drop_flow(r);
        register_wait(reg, now, r, r->why[0] ? r->why : "the registration ended unrenewed");
        return;
    }
    if (tick_due(r->retry_at, now)) {
        r->retry_at = TICK_NEVER;
        if (r->has_flow)
            register_send(reg, now, r);
        else
            register_open(r);
    }
    if (tick_due(r->refresh_at, now)) {
        r->refresh_at = TICK_NEVER;
        if (r->request == 0)
            register_send(reg, now, r);
    }
    if (tick_due(r->ping_at, now))
        register_ping(reg, now, r);
}

void sip_register_expire(struct sip_register *reg, struct tick now)
{
    for (size_t i = 0; i < reg->count; i++)
        register_expire(reg, now, &reg->list[i]);
}

struct tick sip_register_deadline(const struct sip_register *reg)
{
    struct tick deadline = TICK_NEVER;
    for (size_t i = 0; i < reg->count; i++) {
        const struct registration *r = &reg->list[i];
        deadline = tick_min(deadline, tick_min(r->retry_at, r->refresh_at));
        deadline = tick_min(deadline, tick_min(r->ping_at, r->pong_by));
        deadline = tick_min(deadline, tick_min(r->expires_at, r->stop_by));
    }
    return deadline;
}

/* ---- life ----------------------------------------------------------------------------------- */

static bool register_add(struct sip_register *reg, struct view uri, uint32_t expires_s)
{
    struct registration *r = &reg->list[reg->count];
    *r = (struct registration){0};
    if (!sip_binding_init(&r->binding, uri, (uint32_t)reg->count + 1, expires_s, &reg->rng))
        return false;
    r->configured = r->binding.target;
    r->retry_at = r->stop_by = TICK_NEVER;
    register_leave_flow(r);
    register_open(r);
    reg->count++;
    return true;
}

/* Copies text behind what is there already. */
static struct view register_keep(struct sip_register *reg, size_t *used, struct view text)
{
    size_t len = text.len < sizeof reg->text - *used ? text.len : sizeof reg->text - *used;
    char *at = reg->text + *used;
    if (len > 0)
        memcpy(at, text.at, len);
    *used += len;
    return view_of(at, len);
}

struct sip_register *sip_register_create(const struct sip_register_config *config, struct sip *sip,
                                         struct tick now)
{
    struct sip_register *reg = calloc(1, sizeof *reg);
    struct view rest = config->uris, uri;
    size_t used = 0;
    (void)now;
    if (!reg)
        return NULL;
    reg->sip = sip;
    rng_init(&reg->rng, config->seed);
    reg->user.username = register_keep(reg, &used, config->username);
    reg->user.password = register_keep(reg, &used, config->password);
    reg->user.instance = register_keep(reg, &used, config->instance);
    reg->user.contact_user = register_keep(reg, &used, config->contact_user);
    reg->user.contact_params = register_keep(reg, &used, config->contact_params);
    while (reg->count < SIP_REGISTER_MAX && view_cut(&rest, ',', &uri)) {
        uri = view_trim(uri);
        if (uri.len > 0 && !register_add(reg, uri, config->expires_s))
            LOG_ERROR("sip", VIEW_NONE, "not a URI to register at: %zu characters", uri.len);
    }
    return reg;
}

void sip_register_destroy(struct sip_register *reg)
{
    if (!reg)
        return;
    explicit_bzero(reg->text, sizeof reg->text);
    free(reg);
}

size_t sip_register_count(const struct sip_register *reg)
{
    return reg->count;
}

struct sip_register_status sip_register_status(const struct sip_register *reg, size_t index)
{
    const struct registration *r = &reg->list[index];
    return (struct sip_register_status){
        .state = r->state,
        .uri = view_of_string(r->binding.uri),
        .flow = r->has_flow ? &r->flow : NULL,
        .outbound = r->binding.outbound,
        .since = r->state == SIP_REGISTER_WAITING ? r->retry_at : r->since,
        .expires_at = r->expires_at,
        .failures = r->failures,
        .why = r->why,
    };
}

void sip_register_mark(const struct sip_register *reg, struct sip_flow *flow)
{
    for (size_t i = 0; i < reg->count; i++) {
        const struct registration *r = &reg->list[i];
        bool same = r->has_flow && r->accepted && r->flow.protocol == flow->protocol &&
                    (flow->id != 0 ? r->flow.id == flow->id
                                   : r->flow.listener == flow->listener &&
                                         addr_equal(&r->flow.peer, &flow->peer));
        if (!same && !(r->has_old && flow->id != 0 && r->old.id == flow->id))
            continue;
        flow->trusted = true;
        flow->outbound = flow->outbound || (same && r->binding.outbound);
        /* Whoever knows the flow by its ends alone finds it by no other name. */
        if (same && addr_is_set(&r->outside))
            flow->advertised = r->outside;
    }
}
