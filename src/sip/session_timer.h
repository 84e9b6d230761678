/* session_timer: whether a dialog expires, who refreshes it, and when.
 * Not here: the refresh request and the BYE (engine).
 * RFC 4028. */
#ifndef SIP_SESSION_TIMER_H
#define SIP_SESSION_TIMER_H

#include "base/tick.h"
#include "sip/message.h"

/* RFC 4028 §4: no less than this. */
#define SIP_MIN_SE_S 90

struct sip_session_timer {
    uint32_t interval_s; /* 0: the session does not expire */
    bool we_refresh;
    struct tick refresh_at; /* TICK_NEVER: not ours to do */
    struct tick expire_at;  /* when to send BYE; TICK_NEVER */
};

/* What a 2xx says. */
struct sip_session_terms {
    uint32_t interval_s; /* 0: no Session-Expires in it */
    bool refresher_uac;
    bool require; /* Require: timer */
};

/* The terms of our 2xx to an INVITE or UPDATE (§9, Table 2). want_s: what to ask for when the peer
 * can do timers and names none, 0: do not. False: the interval is too small, answer 422 with
 * Min-SE. */
WARN_UNUSED bool sip_session_timer_answer(const struct sip_message *request, uint32_t min_se_s,
                                          uint32_t want_s, struct sip_session_terms *terms);

/* Starts or restarts it; interval_s 0 stops it. */
void sip_session_timer_start(struct sip_session_timer *timer, uint32_t interval_s, bool we_refresh,
                             struct tick now);
/* A refresh was sent: not again before a while has passed. */
void sip_session_timer_refreshing(struct sip_session_timer *timer, struct tick now);
struct tick sip_session_timer_deadline(const struct sip_session_timer *timer);

#endif
