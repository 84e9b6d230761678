/* call: one call going on, and the engine that holds all of them; private to the module.
 * Not here: what others may call (recorder.h).
 * RFC 7866, 3264. */
#ifndef RECORDER_CALL_H
#define RECORDER_CALL_H

#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/timers.h"
#include "recorder/caller.h"
#include "recorder/learn.h"
#include "recorder/move.h"
#include "recorder/record.h"
#include "recorder/recorder.h"
#include "recorder/stock.h"
#include "recorder/trickle.h"
#include "recorder/watch.h"
#include "recorder/way.h"
#include "sdp/answer.h"
#include "sip/sip.h"
#include "siprec/rules.h"

#define RECORDER_WORKERS_MAX       64
#define RECORDER_SDP_SIZE          65536 /* the longest description we write */
#define RECORDER_DOCUMENT_EVERY_MS 1000  /* a document reaches the catalogue no oftener */

/* Metadata that waits until the answer has left. */
struct recorder_work {
    struct recorder_work *next;
    struct wall at;
    size_t len;
    char xml[];
};

/* ICE of a stream (ice.c), and what a line of the answer in the making says of it. */
struct recorder_ice;
struct recorder_ice_line {
    struct recorder_ice *fresh; /* begins with this answer; NULL: none does */
    bool stays;                 /* what the stream has goes on */
    struct recorder_ice *of;    /* whose candidates are told */
    struct sdp_ice sdp;
};

struct recorder_call {
    struct pool_id id;
    uint64_t dialog;
    struct map_node node; /* by dialog */
    struct sip_flow flow; /* of the INVITE */
    uint32_t worker;
    struct recorder_caller caller;
    bool listed; /* sip.allow names it */
    char src_key[SRC_KEY_SIZE];
    bool knows_src; /* by earlier calls */
    struct src_profile src_profile;
    bool has_taught;
    struct wall confirmed_at; /* ns 0: not yet */
    bool by_external;         /* its Contact names our address outside, as the profile has it */
    bool stays;               /* the SRC takes no offers of ours */
    bool unreached;           /* for it could not be told: until it is heard of */
    bool waits;               /* it was answered inactive, and is to be offered recvonly soon */
    struct recorder_record record;
    struct recorder_lease leases[LIMIT_STREAMS_PER_RECORDING]; /* by stream number */
    struct recorder_ice *ices[LIMIT_STREAMS_PER_RECORDING];    /* NULL: without ICE */

    struct sdp_origin origin;
    struct view ours, theirs; /* the last descriptions, malloc'ed; empty: none */
    bool offer_out;           /* a 200 of ours carries an offer, the ACK shall answer it */
    bool confirmed;           /* the first ACK came */
    bool closing;

    struct recorder_moves moves;
    struct recorder_watch watch;
    struct recorder_trickle trickle;
    struct recorder_work *work, **work_end;
    bool snapshot_wanted;
    uint64_t snapshot_request; /* our UPDATE that asks for it; 0: none is out */
    unsigned snapshot_tries;
    struct tick snapshot_at;
    bool document_due;
    struct tick document_at, document_last;
    struct timer timer;
};

/* An offer that waits for media ports, or for the network to be known, with all that is needed to take it in again. */
struct recorder_parked {
    struct list link;
    struct sip_event event; /* its message is held */
    struct tick until;
    bool settles; /* it waits for the network to be known */
};

/* An output that waits for recorder_output(). */
struct recorder_waiting {
    struct recorder_waiting *next;
    struct recorder_output output; /* document and metadata malloc'ed */
};

struct recorder {
    struct recorder_settings settings;
    struct sip *sip;
    struct rng rng;
    struct pool *calls;
    struct map by_dialog;
    struct timers timers;
    struct recorder_stock stock;
    struct nat_profile profiles[2];           /* IPv4, IPv6 */
    struct addr here[RECORDER_ADDRESSES_MAX]; /* of this host; unset ones: not told */
    size_t here_count;
    struct addr located[2];                    /* our last address of each that was known */
    struct tick disproved_at, disproved_until; /* nothing came where the settings' order led */
    struct recorder_srcs srcs;
    struct recorder_holders { /* of a worker's ports: the call that took it last, by port id */
        struct pool_id *calls;
        uint32_t room;
    } holders[RECORDER_WORKERS_MAX];
    unsigned refusals; /* enum recorder_refusal */
    uint32_t active;   /* calls that are not closing */
    struct recorder_usage ledger;
    struct log_limit refused_log;

    struct list parked; /* oldest first */
    bool patient;       /* what is answered now may still wait for ports */
    bool replaying;     /* what is taken in now was parked */
    bool hurried;       /* what is taken in now waits for the network no longer */
    bool new_tickets;   /* since the parked were tried last */

    struct recorder_waiting *waiting, **waiting_end;
    struct recorder_waiting *lent; /* handed out by the last recorder_output() */

    /* Scratch for the message at hand. */
    struct arena *arena;
    struct sdp_session ours, theirs;
    struct sdp_answer answer;
    struct recorder_ice_line ice_lines[LIMIT_SDP_MEDIA];
    char text[RECORDER_SDP_SIZE];
};

/* ---- call.c: offers, answers, streams ------------------------------------------------------- */

/* Answers the offer of an INVITE, re-INVITE or UPDATE; or makes one, when `theirs` has no bytes, in
 * the 200 to an INVITE. 0 when that is done, or when sip no longer wanted an answer (*gone); else
 * the status to refuse with, and nothing has changed. */
WARN_UNUSED unsigned recorder_call_offer(struct recorder *recorder, struct recorder_call *call,
                                         struct recorder_now now, uint64_t request,
                                         struct view theirs, bool *gone);
/* Tells the worker about a stream and its way, and the journal with it. stays: media asked for
 * another path, and there is none. */
void recorder_post_stream(struct recorder *recorder, struct recorder_call *call, unsigned number,
                          struct wall at, bool stays);
/* The ACK, or a 200, brought the answer to our offer. */
void recorder_call_answered(struct recorder *recorder, struct recorder_call *call,
                            struct recorder_now now, struct view theirs);

/* ---- invite.c ------------------------------------------------------------------------------- */

void recorder_take_invite(struct recorder *recorder, struct recorder_now now,
                          const struct sip_event *event);
/* The call's first command: its worker begins a journal. */
void recorder_call_open(struct recorder *recorder, const struct recorder_call *call,
                        struct wall at);
/* An INVITE that came to nothing: into the ledger and the log. */
void recorder_count_refused(struct recorder *recorder, struct recorder_now now,
                            const struct sip_event *event, unsigned status, const char *why);

/* ---- reach.c -------------------------------------------------------------------------------- */

/* The call has the port from now on. */
void recorder_note_holder(struct recorder *recorder, const struct recorder_call *call,
                          const struct recorder_ticket *ticket);
void recorder_finish_holders(struct recorder *recorder);

/* ---- recorder.c ----------------------------------------------------------------------------- */

/* Posts to the call's worker. bytes: malloc'ed or NULL, taken. */
void recorder_post(struct recorder *recorder, const struct recorder_call *call,
                   struct media_command command, void *bytes, size_t len);
/* A line for the journal; copied. stream -1: of the recording. */
void recorder_post_mark(struct recorder *recorder, const struct recorder_call *call, int stream,
                        struct wall at, struct view line);
/* What is known of an SRC now, for the catalogue. */
void recorder_tell_src(struct recorder *recorder, const struct uuid *id, const char *key,
                       const char *profile);
void recorder_return_ticket(struct recorder *recorder, const struct recorder_ticket *ticket);
/* Of a port that the SRC was told of: its worker closes it, so that nobody else gets what comes there. */
void recorder_retire_ticket(struct recorder *recorder, const struct recorder_ticket *ticket);
/* Something changed that the document tells: it goes to the catalogue soon, and new warnings to the
 * journal. */
void recorder_call_changed(struct recorder *recorder, struct recorder_call *call,
                           struct recorder_now now);

/* Is that an address of this host, as far as is known? */
bool recorder_is_here(const struct recorder *recorder, const struct addr *address);

/* The address that its media came to is gone, and there is no other port: it ends, and the SRC is
 * told. */
void recorder_call_lost(struct recorder *recorder, struct recorder_call *call,
                        struct recorder_now now, const struct addr *address);

/* Sets the call's timer to the earliest of what it waits for. */
void recorder_arm(struct recorder *recorder, struct recorder_call *call);

/* A SIP message of the call, into the journal. */
void recorder_take_trace(struct recorder *recorder, struct recorder_call *call,
                         struct recorder_now now, const struct sip_event *event);
void recorder_free_call(struct recorder *recorder, struct recorder_call *call);
/* Tells SIP what to say to OPTIONS. */
void recorder_tell_available(struct recorder *recorder);
/* malloc'ed; NULL when memory is short. */
void *recorder_copy(struct view v);

/* What an event means, the first time and after waiting. */
void recorder_take_in(struct recorder *recorder, struct recorder_now now,
                      const struct sip_event *event);

/* ---- wait.c --------------------------------------------------------------------------------- */

WARN_UNUSED bool recorder_park(struct recorder *recorder, struct recorder_now now,
                               const struct sip_event *event);
/* The same for an INVITE that comes while nothing is known of the network; 100 is sent at once. */
WARN_UNUSED bool recorder_park_settling(struct recorder *recorder, struct recorder_now now,
                                        const struct sip_event *event);
/* When the parked are to be tried again; TICK_NEVER: none is. */
struct tick recorder_parked_deadline(const struct recorder *recorder);
void recorder_try_parked(struct recorder *recorder, struct recorder_now now);
void recorder_unpark(struct recorder_parked *parked);
void recorder_forget_parked(struct recorder *recorder, struct recorder_now now, uint64_t dialog);

/* ---- metadata.c: bodies and the documents in them ------------------------------------------- */

/* Takes a message's body apart, into views that last until the next such call. True: it has SDP. */
bool recorder_read_body(struct recorder *recorder, const struct sip_message *message,
                        struct siprec_body *body, struct siprec_content *content,
                        struct siprec_warnings *warnings);
/* Puts the metadata aside until the answer has left; then does what was put aside. */
void recorder_put_work(struct recorder *recorder, struct recorder_call *call,
                       const struct siprec_content *content, struct wall at);
void recorder_do_work(struct recorder *recorder, struct recorder_call *call,
                      struct recorder_now now);
void recorder_finish_work(struct recorder_call *call);
/* Asks the SRC for all metadata (RFC 7866 §9.2), and hears what it answers. */
void recorder_ask_snapshot(struct recorder *recorder, struct recorder_call *call,
                           struct recorder_now now);
void recorder_take_response(struct recorder *recorder, struct recorder_call *call,
                            struct recorder_now now, const struct sip_event *event);

#endif
