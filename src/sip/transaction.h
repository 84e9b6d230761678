/* transaction: the four state machines of RFC 3261 §17 as one table, with RFC 6026's Accepted
 * states.
 * Not here: matching (table.c), what is sent (print.h), the 2xx of an INVITE and its ACK
 * (dialog.h).
 * RFC 3261 §17.1, 17.2; RFC 6026 §7, 8. */
#ifndef SIP_TRANSACTION_H
#define SIP_TRANSACTION_H

#include "base/tick.h"

/* RFC 3261 §17.1.1.1 and Table 4. */
#define SIP_T1_MS    INT64_C(500)
#define SIP_T2_MS    INT64_C(4000)
#define SIP_T4_MS    INT64_C(5000)
#define SIP_64_T1_MS (64 * SIP_T1_MS)
/* RFC 3261 §17.2.1: a 100 is owed unless an answer comes within this time. */
#define SIP_TRYING_MS INT64_C(200)

enum sip_transaction_kind {
    SIP_SERVER_INVITE,
    SIP_SERVER_OTHER,
    SIP_CLIENT_INVITE,
    SIP_CLIENT_OTHER,
};

enum sip_transaction_state {
    SIP_STATE_TRYING, /* of a client INVITE: Calling */
    SIP_STATE_PROCEEDING,
    SIP_STATE_ACCEPTED, /* RFC 6026 */
    SIP_STATE_COMPLETED,
    SIP_STATE_CONFIRMED,
    SIP_STATE_TERMINATED,
};

enum sip_transaction_input {
    SIP_INPUT_REQUEST,     /* server: the request again */
    SIP_INPUT_ACK,         /* server INVITE */
    SIP_INPUT_PROVISIONAL, /* server: we answer 1xx; client: it arrived; and so on */
    SIP_INPUT_SUCCESS,     /* 2xx */
    SIP_INPUT_FAILURE,     /* 3xx to 6xx */
    SIP_INPUT_REPEAT,      /* timer A, E, G, and the 200 ms of §17.2.1 */
    SIP_INPUT_END,         /* timer B, D, F, H, I, J, K, L, M */
    SIP_INPUT_UNREACHABLE, /* transport error */
};

/* What the caller has to do, as bits. */
enum sip_transaction_action {
    SIP_DO_NOTHING = 0,
    SIP_DO_SEND = 1,    /* the new message, kept for repeating */
    SIP_DO_REPEAT = 2,  /* the last message sent */
    SIP_DO_PASS = 4,    /* hand it to the dialog or the user */
    SIP_DO_ACK = 8,     /* acknowledge a failure, or repeat that ACK */
    SIP_DO_TRYING = 16, /* send 100 */
    SIP_DO_TIMEOUT = 32,
    SIP_DO_FAIL = 64, /* report the transport error */
};

struct sip_transaction_timing {
    enum sip_transaction_kind kind;
    enum sip_transaction_state state;
    bool reliable;         /* TCP or TLS: nothing is repeated, nothing lingers */
    struct tick repeat_at; /* TICK_NEVER: not set */
    struct tick end_at;
    int64_t interval_ms;
};

/* A server transaction starts with the request in hand, a client one with it sent. */
void sip_transaction_start(struct sip_transaction_timing *t, enum sip_transaction_kind kind,
                           bool reliable, struct tick now);
/* Moves on; returns the actions. Terminated means: give it back after acting. */
unsigned sip_transaction_step(struct sip_transaction_timing *t, enum sip_transaction_input input,
                              struct tick now);
/* The earlier of its two timers. */
struct tick sip_transaction_deadline(const struct sip_transaction_timing *t);
/* SIP_INPUT_END or SIP_INPUT_REPEAT, whichever is due; false when neither is. */
bool sip_transaction_due(const struct sip_transaction_timing *t, struct tick now,
                         enum sip_transaction_input *input);

#endif
