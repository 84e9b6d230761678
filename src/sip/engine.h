/* engine: what the files of the engine share: its tables, transactions, connections and queues.
 * Not here: the calls of its users (sip.h). Private to src/sip.
 * RFC 3261. */
#ifndef SIP_ENGINE_H
#define SIP_ENGINE_H

#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/metrics.h"
#include "base/pool.h"
#include "base/timers.h"
#include "base/writer.h"
#include "sip/dialog.h"
#include "sip/packet.h"
#include "sip/sip.h"
#include "sip/stream.h"
#include "sip/transaction.h"

struct sip_transaction {
    struct sip_timed timed; /* first: a due timer is one of these or a dialog */
    struct pool_id id;
    struct sip_transaction_timing timing;
    struct map_node node, merged;
    struct view key, merge_key; /* own their text */
    enum sip_method method;
    uint32_t cseq;
    struct sip_flow flow;      /* where our messages of it go */
    struct addr reconnect;     /* and where to when that connection is gone */
    struct sip_packet *packet; /* the last we sent: it may have to be repeated */
    struct pool_id dialog;     /* none: outside of any */
    bool offers;               /* the request carries an offer */

    /* server */
    struct sip_packet
        *frame; /* what every response repeats of the request; the message itself is long gone */
    size_t frame_len; /* without the Record-Route lines behind it */
    char to_tag[SIP_TAG_LEN + 1];
    bool final;           /* the answer is out, or held until a PRACK */
    bool requires_100rel; /* RFC 3262 §3 */
    bool supports_100rel;
    struct sip_session_terms terms;

    /* client */
    bool refresh;   /* of the session timer: the user did not ask for it */
    bool keepalive; /* nor for this (keepalive.h), whose answer changes nothing */
    bool cancelled; /* sip_cancel() was called; CANCEL goes out after the first provisional */
    bool provisional;
    uint32_t last_rseq;
};

struct sip_connection {
    struct sip_timed timed; /* runs while a message is incomplete */
    struct pool_id id;
    struct map_node node;
    uint64_t flow_id; /* the key */
    struct sip_flow flow;
    struct sip_stream stream;
    bool closing; /* we asked for its end */
};

/* When something came from a peer last, by a hash of its address: of two that meet one is forgotten. */
enum { SIP_HEARD = 256 };
struct sip_heard {
    struct addr peer;
    uint32_t listener;
    struct tick at;
};

struct sip {
    struct sip_config config;
    struct rng rng;
    struct tick now; /* of the call we are in */
    struct pool *dialogs, *transactions, *connections;
    struct map by_dialog, by_transaction, by_merge, by_flow;
    struct timers timers;
    struct list outputs, events;      /* struct sip_queued_output, struct sip_queued_event */
    struct sip_queued_output *output; /* what the last pull lent out */
    struct sip_queued_event *event;
    char *scratch; /* where messages are composed */
    size_t scratch_size;
    bool available, unavailable[2]; /* to everybody; not to those who ask over IPv4, IPv6 */
    uint32_t retry_after_s;
    struct log_limit malformed_log, truncated_log, full_log, refused_log;
    struct sip_heard heard[SIP_HEARD];
    uint8_t tag_secret[16]; /* tags of answers that leave no state behind */
};

/* queue.c */
/* Sends packet on flow; reconnect: where to when its connection is gone. Holds packet. */
void sip_queue_packet(struct sip *sip, const struct sip_flow *flow, const struct addr *reconnect,
                      struct sip_packet *packet);
void sip_queue_close(struct sip *sip, const struct sip_flow *flow);
/* Holds message, which may be NULL. */
void sip_queue_event(struct sip *sip, const struct sip_event *event, struct sip_message *message);
void sip_trace_received(struct sip *sip, const struct sip_dialog *dialog,
                        const struct sip_flow *flow, struct sip_message *message);
void sip_trace_sent(struct sip *sip, const struct sip_dialog *dialog, const struct sip_flow *flow,
                    struct sip_packet *packet);
void sip_queue_clear(struct sip *sip);

/* engine.c */
struct sip_connection *sip_connection_find(const struct sip *sip, uint64_t flow_id);
/* NULL when there are too many. */
struct sip_connection *sip_connection_open(struct sip *sip, uint64_t flow_id);

/* table.c: transactions as the engine holds them */
struct sip_transaction *sip_transaction_find(struct sip *sip, uint64_t id);
/* Takes over key. NULL when the pool is full. */
struct sip_transaction *sip_transaction_open(struct sip *sip, struct tick now,
                                             enum sip_transaction_kind kind,
                                             const struct sip_flow *flow, struct view key);
void sip_transaction_close(struct sip *sip, struct sip_transaction *t);
/* Sets its timer by its state; closes it when terminated, and then returns false. */
bool sip_transaction_settle(struct sip *sip, struct sip_transaction *t);
/* Sends a new packet as its last one; takes packet. */
void sip_transaction_send(struct sip *sip, struct sip_transaction *t, struct sip_packet *packet);
void sip_transaction_repeat(struct sip *sip, struct sip_transaction *t);
/* The keys of RFC 3261 §17.2.3 and 17.1.3, on the heap. method: of an ACK or CANCEL that looks for
 * its INVITE, SIP_METHOD_INVITE. at == NULL when memory is out. */
struct view sip_server_key(const struct sip_message *m, enum sip_method method);
struct view sip_client_key(struct view branch, enum sip_method method);
struct view sip_merge_key(const struct sip_message *m);

/* server.c: requests of the peer */
void sip_server_receive(struct sip *sip, struct tick now, const struct sip_flow *flow,
                        struct sip_message *m);
void sip_server_expire(struct sip *sip, struct tick now, struct sip_transaction *t);

/* answer.c: our responses */
/* Composes and sends; what follows for the dialog is the caller's. False when memory is out. */
bool sip_answer_send(struct sip *sip, struct tick now, struct sip_transaction *t,
                     const struct sip_answer *answer);
/* Without a transaction. */
void sip_answer_stateless(struct sip *sip, const struct sip_flow *flow, const struct sip_message *m,
                          const struct sip_answer *answer);
/* A final answer by the engine itself. */
void sip_answer_final(struct sip *sip, struct tick now, struct sip_transaction *t,
                      const struct sip_answer *answer);
/* The 2xx that waited for a PRACK. */
void sip_answer_held(struct sip *sip, struct tick now, struct sip_dialog *d);

/* client.c: our requests */
struct sip_outgoing {
    enum sip_method method;
    struct view headers, content_type, body;
    bool refresh;
    bool keepalive; /* nobody is told of it, and the journal keeps none */
};
/* NULL: no room or no memory. */
struct sip_transaction *sip_client_send(struct sip *sip, struct tick now, struct sip_dialog *d,
                                        const struct sip_outgoing *out);
void sip_client_receive(struct sip *sip, struct tick now, const struct sip_flow *flow,
                        struct sip_message *m);
void sip_client_expire(struct sip *sip, struct tick now, struct sip_transaction *t);
void sip_client_unreachable(struct sip *sip, struct tick now, struct sip_transaction *t);

/* lifetime.c: dialogs as the engine holds them */
struct sip_dialog *sip_dialog_find(const struct sip *sip, struct pool_id id);
/* The dialog a request of the peer or a response to ours belongs to; NULL: none. */
struct sip_dialog *sip_dialog_match(const struct sip *sip, struct view call_id,
                                    struct view local_tag, struct view remote_tag);
/* NULL: no room. Not yet in the table: sip_dialog_enlist does that when its key stands. */
struct sip_dialog *sip_dialog_open(struct sip *sip);
WARN_UNUSED bool sip_dialog_enlist(struct sip *sip, struct sip_dialog *d, struct view call_id);
/* ENDED, and the memory goes. status: for SIP_END_REFUSED. */
void sip_dialog_end(struct sip *sip, struct sip_dialog *d, enum sip_end end, unsigned status);
/* BYE now, or once the ACK is here. */
void sip_dialog_bye(struct sip *sip, struct tick now, struct sip_dialog *d, enum sip_end end,
                    struct view headers);
/* Does what has become due, and sets the timer anew. d may be gone afterwards. */
void sip_dialog_expire(struct sip *sip, struct tick now, struct sip_dialog *d);
void sip_dialog_settle(struct sip *sip, struct sip_dialog *d);
/* True while a request of a dialog has no final answer. */
bool sip_dialog_pending(const struct sip *sip, struct pool_id transaction);

#endif
