/* client: the retransmission schedule of a STUN request.
 * Not here: bytes.
 * RFC 8489 §6.2.1. */
#include "stun/client.h"

void stun_client_start(struct stun_client *c, struct tick now, struct rng *rng,
                       const struct stun_client_options *options)
{
    int64_t wish = options->rto_ms < STUN_RTO_MS ? STUN_RTO_MS : options->rto_ms;
    int32_t rto = (int32_t)(wish > STUN_RTO_MOST_MS ? STUN_RTO_MOST_MS : wish);
    *c = (struct stun_client){
        .transaction = stun_transaction_make(rng),
        .next = now,
        .limit = options->cap_ms ? tick_add_ms(now, options->cap_ms) : TICK_NEVER,
        .rto_ms = rto,
        .rto_first_ms = rto,
        .reliable = options->reliable,
    };
}

enum stun_client_step stun_client_step(struct stun_client *c, struct tick now)
{
    if (tick_is_never(c->next) || !tick_due(stun_client_deadline(c), now))
        return STUN_CLIENT_WAIT;
    bool last = c->reliable ? c->sent == 1 : c->sent == STUN_RC;
    if (last || tick_due(c->limit, now)) {
        stun_client_stop(c);
        return STUN_CLIENT_TIMEOUT;
    }
    c->sent++;
    /* 0, 500, 1500, 3500, 7500, 15500, 31500 ms, failed at 39500 ms with RTO 500 (§6.2.1). */
    if (c->reliable)
        c->next = tick_add_ms(now, STUN_RELIABLE_MS);
    else if (c->sent == STUN_RC)
        c->next = tick_add_ms(now, (int64_t)STUN_RM * c->rto_first_ms);
    else
        c->next = tick_add_ms(now, c->rto_ms);
    c->rto_ms *= 2;
    return STUN_CLIENT_SEND;
}

struct tick stun_client_deadline(const struct stun_client *c)
{
    return tick_is_never(c->next) ? TICK_NEVER : tick_min(c->next, c->limit);
}

bool stun_client_matches(const struct stun_client *c, const struct stun_message *m)
{
    return stun_client_is_open(c) && c->sent > 0 &&
           (m->class == STUN_SUCCESS || m->class == STUN_ERROR) &&
           stun_transaction_equal(&c->transaction, &m->transaction);
}

void stun_client_stop(struct stun_client *c)
{
    c->next = TICK_NEVER;
}

bool stun_client_is_open(const struct stun_client *c)
{
    return !tick_is_never(c->next);
}

bool stun_client_is_ambiguous(const struct stun_client *c)
{
    return c->sent > 1;
}
