/* transaction: the four state machines of RFC 3261 §17 as one table, with RFC 6026's Accepted
 * states.
 * Not here: matching (table.c), what is sent (print.c), the 2xx of an INVITE and its ACK
 * (dialog.c).
 * RFC 3261 §17.1, 17.2; RFC 6026 §7, 8. */
#include "sip/transaction.h"

#include <stddef.h>

struct rule {
    enum sip_transaction_kind kind;
    enum sip_transaction_state state;
    enum sip_transaction_input input;
    enum sip_transaction_state next;
    unsigned actions;
};

/* Whatever is not in the table changes nothing and is absorbed. */
/* clang-format off */
static const struct rule rules[] = {
    /* §17.2.1 and RFC 6026 §7.1. §17.2.4 as RFC 6026 §8.8 has it:
     * a transport error ends nothing here. */
    {SIP_SERVER_INVITE, SIP_STATE_PROCEEDING, SIP_INPUT_REQUEST,     SIP_STATE_PROCEEDING, SIP_DO_REPEAT},
    {SIP_SERVER_INVITE, SIP_STATE_PROCEEDING, SIP_INPUT_PROVISIONAL, SIP_STATE_PROCEEDING, SIP_DO_SEND},
    {SIP_SERVER_INVITE, SIP_STATE_PROCEEDING, SIP_INPUT_REPEAT,      SIP_STATE_PROCEEDING, SIP_DO_TRYING},
    {SIP_SERVER_INVITE, SIP_STATE_PROCEEDING, SIP_INPUT_SUCCESS,     SIP_STATE_ACCEPTED,   SIP_DO_SEND},
    {SIP_SERVER_INVITE, SIP_STATE_PROCEEDING, SIP_INPUT_FAILURE,     SIP_STATE_COMPLETED,  SIP_DO_SEND},
    {SIP_SERVER_INVITE, SIP_STATE_ACCEPTED,   SIP_INPUT_ACK,         SIP_STATE_ACCEPTED,   SIP_DO_PASS},
    {SIP_SERVER_INVITE, SIP_STATE_ACCEPTED,   SIP_INPUT_END,         SIP_STATE_TERMINATED, SIP_DO_NOTHING},
    {SIP_SERVER_INVITE, SIP_STATE_COMPLETED,  SIP_INPUT_REQUEST,     SIP_STATE_COMPLETED,  SIP_DO_REPEAT},
    {SIP_SERVER_INVITE, SIP_STATE_COMPLETED,  SIP_INPUT_REPEAT,      SIP_STATE_COMPLETED,  SIP_DO_REPEAT},
    {SIP_SERVER_INVITE, SIP_STATE_COMPLETED,  SIP_INPUT_ACK,         SIP_STATE_CONFIRMED,  SIP_DO_NOTHING},
    {SIP_SERVER_INVITE, SIP_STATE_COMPLETED,  SIP_INPUT_END,         SIP_STATE_TERMINATED, SIP_DO_TIMEOUT},
    {SIP_SERVER_INVITE, SIP_STATE_CONFIRMED,  SIP_INPUT_END,         SIP_STATE_TERMINATED, SIP_DO_NOTHING},

    /* §17.2.2 */
    {SIP_SERVER_OTHER,  SIP_STATE_TRYING,     SIP_INPUT_PROVISIONAL, SIP_STATE_PROCEEDING, SIP_DO_SEND},
    {SIP_SERVER_OTHER,  SIP_STATE_TRYING,     SIP_INPUT_SUCCESS,     SIP_STATE_COMPLETED,  SIP_DO_SEND},
    {SIP_SERVER_OTHER,  SIP_STATE_TRYING,     SIP_INPUT_FAILURE,     SIP_STATE_COMPLETED,  SIP_DO_SEND},
    {SIP_SERVER_OTHER,  SIP_STATE_PROCEEDING, SIP_INPUT_REQUEST,     SIP_STATE_PROCEEDING, SIP_DO_REPEAT},
    {SIP_SERVER_OTHER,  SIP_STATE_PROCEEDING, SIP_INPUT_PROVISIONAL, SIP_STATE_PROCEEDING, SIP_DO_SEND},
    {SIP_SERVER_OTHER,  SIP_STATE_PROCEEDING, SIP_INPUT_SUCCESS,     SIP_STATE_COMPLETED,  SIP_DO_SEND},
    {SIP_SERVER_OTHER,  SIP_STATE_PROCEEDING, SIP_INPUT_FAILURE,     SIP_STATE_COMPLETED,  SIP_DO_SEND},
    {SIP_SERVER_OTHER,  SIP_STATE_COMPLETED,  SIP_INPUT_REQUEST,     SIP_STATE_COMPLETED,  SIP_DO_REPEAT},
    {SIP_SERVER_OTHER,  SIP_STATE_COMPLETED,  SIP_INPUT_END,         SIP_STATE_TERMINATED, SIP_DO_NOTHING},

    /* §17.1.1 and RFC 6026 §7.2 */
    {SIP_CLIENT_INVITE, SIP_STATE_TRYING,     SIP_INPUT_REPEAT,      SIP_STATE_TRYING,     SIP_DO_REPEAT},
    {SIP_CLIENT_INVITE, SIP_STATE_TRYING,     SIP_INPUT_PROVISIONAL, SIP_STATE_PROCEEDING, SIP_DO_PASS},
    {SIP_CLIENT_INVITE, SIP_STATE_TRYING,     SIP_INPUT_SUCCESS,     SIP_STATE_ACCEPTED,   SIP_DO_PASS},
    {SIP_CLIENT_INVITE, SIP_STATE_TRYING,     SIP_INPUT_FAILURE,     SIP_STATE_COMPLETED,  SIP_DO_PASS | SIP_DO_ACK},
    {SIP_CLIENT_INVITE, SIP_STATE_TRYING,     SIP_INPUT_END,         SIP_STATE_TERMINATED, SIP_DO_TIMEOUT},
    {SIP_CLIENT_INVITE, SIP_STATE_TRYING,     SIP_INPUT_UNREACHABLE, SIP_STATE_TERMINATED, SIP_DO_FAIL},
    {SIP_CLIENT_INVITE, SIP_STATE_PROCEEDING, SIP_INPUT_PROVISIONAL, SIP_STATE_PROCEEDING, SIP_DO_PASS},
    {SIP_CLIENT_INVITE, SIP_STATE_PROCEEDING, SIP_INPUT_SUCCESS,     SIP_STATE_ACCEPTED,   SIP_DO_PASS},
    {SIP_CLIENT_INVITE, SIP_STATE_PROCEEDING, SIP_INPUT_FAILURE,     SIP_STATE_COMPLETED,  SIP_DO_PASS | SIP_DO_ACK},
    {SIP_CLIENT_INVITE, SIP_STATE_PROCEEDING, SIP_INPUT_END,         SIP_STATE_TERMINATED, SIP_DO_TIMEOUT},
    {SIP_CLIENT_INVITE, SIP_STATE_ACCEPTED,   SIP_INPUT_SUCCESS,     SIP_STATE_ACCEPTED,   SIP_DO_PASS},
    {SIP_CLIENT_INVITE, SIP_STATE_ACCEPTED,   SIP_INPUT_END,         SIP_STATE_TERMINATED, SIP_DO_NOTHING},
    {SIP_CLIENT_INVITE, SIP_STATE_COMPLETED,  SIP_INPUT_FAILURE,     SIP_STATE_COMPLETED,  SIP_DO_ACK},
    {SIP_CLIENT_INVITE, SIP_STATE_COMPLETED,  SIP_INPUT_END,         SIP_STATE_TERMINATED, SIP_DO_NOTHING},

    /* §17.1.2 */
    {SIP_CLIENT_OTHER,  SIP_STATE_TRYING,     SIP_INPUT_REPEAT,      SIP_STATE_TRYING,     SIP_DO_REPEAT},
    {SIP_CLIENT_OTHER,  SIP_STATE_TRYING,     SIP_INPUT_PROVISIONAL, SIP_STATE_PROCEEDING, SIP_DO_NOTHING},
    {SIP_CLIENT_OTHER,  SIP_STATE_TRYING,     SIP_INPUT_SUCCESS,     SIP_STATE_COMPLETED,  SIP_DO_PASS},
    {SIP_CLIENT_OTHER,  SIP_STATE_TRYING,     SIP_INPUT_FAILURE,     SIP_STATE_COMPLETED,  SIP_DO_PASS},
    {SIP_CLIENT_OTHER,  SIP_STATE_TRYING,     SIP_INPUT_END,         SIP_STATE_TERMINATED, SIP_DO_TIMEOUT},
    {SIP_CLIENT_OTHER,  SIP_STATE_TRYING,     SIP_INPUT_UNREACHABLE, SIP_STATE_TERMINATED, SIP_DO_FAIL},
    {SIP_CLIENT_OTHER,  SIP_STATE_PROCEEDING, SIP_INPUT_REPEAT,      SIP_STATE_PROCEEDING, SIP_DO_REPEAT},
    {SIP_CLIENT_OTHER,  SIP_STATE_PROCEEDING, SIP_INPUT_SUCCESS,     SIP_STATE_COMPLETED,  SIP_DO_PASS},
    {SIP_CLIENT_OTHER,  SIP_STATE_PROCEEDING, SIP_INPUT_FAILURE,     SIP_STATE_COMPLETED,  SIP_DO_PASS},
    {SIP_CLIENT_OTHER,  SIP_STATE_PROCEEDING, SIP_INPUT_END,         SIP_STATE_TERMINATED, SIP_DO_TIMEOUT},
    {SIP_CLIENT_OTHER,  SIP_STATE_PROCEEDING, SIP_INPUT_UNREACHABLE, SIP_STATE_TERMINATED, SIP_DO_FAIL},
    {SIP_CLIENT_OTHER,  SIP_STATE_COMPLETED,  SIP_INPUT_END,         SIP_STATE_TERMINATED, SIP_DO_NOTHING},
};

#define KEEP  (-1) /* the timer of the state before runs on */
#define NONE  (-2)

/* The timers a state starts when it is entered. */
static const struct timing {
    enum sip_transaction_kind kind;
    enum sip_transaction_state state;
    int64_t repeat_ms;       /* first repetition; over UDP only, but for the 100 */
    int64_t end_ms;          /* over UDP */
    int64_t end_reliable_ms; /* over TCP and TLS */
} timings[] = {
    {SIP_SERVER_INVITE, SIP_STATE_PROCEEDING, SIP_TRYING_MS, NONE,         NONE},
    {SIP_SERVER_INVITE, SIP_STATE_ACCEPTED,   NONE,          SIP_64_T1_MS, SIP_64_T1_MS}, /* L */
    {SIP_SERVER_INVITE, SIP_STATE_COMPLETED,  SIP_T1_MS,     SIP_64_T1_MS, SIP_64_T1_MS}, /* G, H */
    {SIP_SERVER_INVITE, SIP_STATE_CONFIRMED,  NONE,          SIP_T4_MS,    0},            /* I */
    {SIP_SERVER_OTHER,  SIP_STATE_TRYING,     NONE,          NONE,         NONE},
    {SIP_SERVER_OTHER,  SIP_STATE_PROCEEDING, NONE,          NONE,         NONE},
    {SIP_SERVER_OTHER,  SIP_STATE_COMPLETED,  NONE,          SIP_64_T1_MS, 0},            /* J */
    {SIP_CLIENT_INVITE, SIP_STATE_TRYING,     SIP_T1_MS,     SIP_64_T1_MS, SIP_64_T1_MS}, /* A, B */
    {SIP_CLIENT_INVITE, SIP_STATE_PROCEEDING, NONE,          NONE,         NONE},
    {SIP_CLIENT_INVITE, SIP_STATE_ACCEPTED,   NONE,          SIP_64_T1_MS, SIP_64_T1_MS}, /* M */
    {SIP_CLIENT_INVITE, SIP_STATE_COMPLETED,  NONE,          SIP_64_T1_MS, 0},            /* D */
    {SIP_CLIENT_OTHER,  SIP_STATE_TRYING,     SIP_T1_MS,     SIP_64_T1_MS, SIP_64_T1_MS}, /* E, F */
    {SIP_CLIENT_OTHER,  SIP_STATE_PROCEEDING, KEEP,          KEEP,         KEEP},
    {SIP_CLIENT_OTHER,  SIP_STATE_COMPLETED,  NONE,          SIP_T4_MS,    0},            /* K */
};
/* clang-format on */

static struct tick after(struct tick now, int64_t ms)
{
    return ms == NONE ? TICK_NEVER : tick_add_ms(now, ms);
}

static void enter(struct sip_transaction_timing *t, enum sip_transaction_state state,
                  struct tick now)
{
    t->state = state;
    for (size_t i = 0; i < sizeof timings / sizeof timings[0]; i++) {
        const struct timing *timing = &timings[i];
        if (timing->kind != t->kind || timing->state != state)
            continue;
        if (timing->repeat_ms == KEEP)
            return;
        bool trying = t->kind == SIP_SERVER_INVITE && state == SIP_STATE_PROCEEDING;
        t->interval_ms = timing->repeat_ms;
        t->repeat_at = t->reliable && !trying ? TICK_NEVER : after(now, timing->repeat_ms);
        t->end_at = after(now, t->reliable ? timing->end_reliable_ms : timing->end_ms);
        return;
    }
    t->repeat_at = t->end_at = TICK_NEVER;
}

void sip_transaction_start(struct sip_transaction_timing *t, enum sip_transaction_kind kind,
                           bool reliable, struct tick now)
{
    *t = (struct sip_transaction_timing){.kind = kind, .reliable = reliable};
    enter(t, kind == SIP_SERVER_INVITE ? SIP_STATE_PROCEEDING : SIP_STATE_TRYING, now);
}

/* The next repetition. Timer A doubles without bound (§17.1.1.2), E and G up to T2
 * (§17.1.2.2, 17.2.1), and E is T2 once a provisional response came. */
static void rearm(struct sip_transaction_timing *t, struct tick now)
{
    if (t->kind == SIP_SERVER_INVITE && t->state == SIP_STATE_PROCEEDING) {
        t->repeat_at = TICK_NEVER; /* one 100 is enough */
        return;
    }
    t->interval_ms *= 2;
    if (t->kind != SIP_CLIENT_INVITE && t->interval_ms > SIP_T2_MS)
        t->interval_ms = SIP_T2_MS;
    if (t->kind == SIP_CLIENT_OTHER && t->state == SIP_STATE_PROCEEDING)
        t->interval_ms = SIP_T2_MS;
    t->repeat_at = tick_add_ms(now, t->interval_ms);
}

unsigned sip_transaction_step(struct sip_transaction_timing *t, enum sip_transaction_input input,
                              struct tick now)
{
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        const struct rule *rule = &rules[i];
        if (rule->kind != t->kind || rule->state != t->state || rule->input != input)
            continue;
        if (rule->next != t->state)
            enter(t, rule->next, now);
        else if (input == SIP_INPUT_REPEAT)
            rearm(t, now);
        if (rule->actions & SIP_DO_SEND && t->state == SIP_STATE_PROCEEDING)
            t->repeat_at = TICK_NEVER; /* answered: no 100 is owed any more */
        return rule->actions;
    }
    return SIP_DO_NOTHING;
}

struct tick sip_transaction_deadline(const struct sip_transaction_timing *t)
{
    return tick_min(t->repeat_at, t->end_at);
}

bool sip_transaction_due(const struct sip_transaction_timing *t, struct tick now,
                         enum sip_transaction_input *input)
{
    if (tick_due(t->end_at, now)) {
        *input = SIP_INPUT_END;
        return true;
    }
    if (tick_due(t->repeat_at, now)) {
        *input = SIP_INPUT_REPEAT;
        return true;
    }
    return false;
}
