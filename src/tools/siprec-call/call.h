/* call: one call of the test SRC: its dialog, its parties and streams, how far its script is, and
 * what came of it.
 * Not here: sockets of SIP and the clockwork all calls share (world.h).
 * RFC 3261 (dialog, client transactions), 7866 §7.1 and §9.1 (what an SRC sends). */
#ifndef TOOLS_SIPREC_CALL_CALL_H
#define TOOLS_SIPREC_CALL_CALL_H

#include "ice/ice.h"
#include "tools/siprec-call/answer.h"
#include "tools/siprec-call/message.h"
#include "tools/siprec-call/options.h"
#include "tools/siprec-call/script.h"
#include "tools/siprec-call/wheel.h"

struct call_world;
struct call_ice;

#define CALL_PARTIES_MAX  20
#define CALL_PROBLEMS_MAX 12
#define CALL_ID_BYTES     16

/* Ids in a call's metadata, each of 16 random bytes, written as base64, as a UUID or in hex by the
 * profile's choice. */
enum call_id {
    CALL_ID_SESSION,
    CALL_ID_GROUP,
    CALL_ID_RECORDING,
    CALL_ID_EXTENSION,
    CALL_ID_SIP_SESSION,
    CALL_ID_COUNT
};

struct call_party {
    uint8_t id[CALL_ID_BYTES];
    unsigned number;       /* counts the parties of the call, for names and numbers */
    unsigned stream;       /* what it sends */
    bool present;          /* in the call now */
    bool joining, leaving; /* since the last metadata */
    bool quiet;            /* on hold in the metadata: sends nothing */
    struct wall joined, left;
};

struct call_stream {
    uint8_t id[CALL_ID_BYTES];
    char label[48];
    bool removed;         /* its m-line has port 0 */
    struct call_ice *ice; /* NULL: none */
    bool muxed;           /* RTCP goes with the RTP, by the last answer */
    bool inactive, zero;  /* held by a=inactive, by c=0.0.0.0 */
    struct call_sender sender;
    struct call_alarm media, control;
    struct call *call;
    /* The last answer's m-line. */
    struct addr answered;
    enum call_direction answered_direction;
    bool rejected;
};

/* A request of ours that waits for its final response (RFC 3261 §17.1). */
struct call_transaction {
    bool active;
    bool invite;
    char method[12];
    char branch[40];
    uint32_t cseq;
    char *bytes; /* the message, for retransmission */
    size_t len;
    struct addr to;
    bool offered; /* it carried our SDP */
    bool asked;   /* an INVITE without SDP: the answer is ours to give */
    bool provisional;
    bool replied;     /* any response at all */
    struct wall sent; /* first */
    struct tick next, deadline;
    int64_t interval_ms;
};

enum call_state { CALL_IDLE, CALL_INVITING, CALL_UP, CALL_ENDING, CALL_DONE };

struct call_result_step {
    char line[64];
    unsigned code; /* of its request; 0: none was needed, or none came */
    double ms;
    bool good;
};

#define CALL_STEPS_KEPT 64

struct call {
    struct call_world *world;
    unsigned number;
    enum call_state state;
    char call_id[96], from_tag[24];
    char to[320];      /* the To value of the dialog, tag included */
    char target[512];  /* the remote target, or the URI we call */
    char routes[2048]; /* "Route: ...\r\n" lines */
    struct addr next_hop;
    uint32_t cseq;
    uint32_t sdp_id, sdp_version;
    struct wall began;

    struct call_transaction invite, other, cancel;
    char *ack; /* the last ACK to a 2xx, for retransmitted ones */
    size_t ack_len;
    uint32_t ack_cseq;
    char *reply; /* the last response to the SRS */
    size_t reply_len;
    uint32_t remote_cseq;
    bool remote_seen;

    uint8_t ids[CALL_ID_COUNT][CALL_ID_BYTES];
    struct call_party parties[CALL_PARTIES_MAX];
    unsigned party_count;
    struct call_stream streams[CALL_STREAMS_MAX];
    unsigned stream_count;
    struct ice_session ice;           /* of all of them */
    unsigned order[CALL_STREAMS_MAX]; /* streams in the order of m-lines */
    bool answering;                   /* the SRS offered: our next SDP is the answer */

    struct call_alarm sip, script;
    size_t step;    /* the next one of the script */
    bool step_open; /* it waits for its response */
    struct tick step_sent;
    struct tick resume_at; /* script: wait until; past: since when the next step could be played */
    struct tick hang_up_at;
    const char *step_method; /* its request, to be sent again after a 491 */
    enum call_content step_content;
    unsigned retries;
    bool step_again;   /* that is due at resume_at */
    bool service_open; /* a request the script did not ask for: a refresh, a snapshot, candidates */
    const char *service_method;
    enum call_content service_content;
    struct tick service_again; /* after a 491; TICK_NEVER: it was none */
    bool snapshot_wanted, cancelled, running;
    struct tick refresh_at; /* session timer, RFC 4028 §10 */
    int64_t refresh_ms;
    bool updates;    /* the SRS's Allow names UPDATE */
    bool takes_info; /* its Recv-Info names trickle-ice */

    /* What came of it. */
    bool failed;
    bool reached; /* the SRS said anything */
    char fault[160];
    unsigned code;
    char reason[80];
    double answer_ms;
    char problems[CALL_PROBLEMS_MAX][128];
    unsigned problem_count;
    struct call_result_step steps[CALL_STEPS_KEPT];
    unsigned step_count;
    char origin[128];     /* the SRS's last o= */
    uint64_t answer_hash; /* of its last SDP without o= */
};

/* Makes a call's ids, parties and streams (sockets too) and its INVITE. False when sockets are
 * missing. */
WARN_UNUSED bool call_begin(struct call *call, struct call_world *world, unsigned number,
                            struct tick now);
void call_finish(struct call *call);

/* A message of this call's dialog has come. */
void call_input(struct call *call, const struct call_message *message, const struct addr *from,
                struct tick now);
/* Its SIP alarm has rung. */
void call_expire(struct call *call, struct tick now);
/* The transport is gone. */
void call_lost(struct call *call, const char *why, struct tick now);
/* Marks the call as failed; the first reason stays. */
void call_fail(struct call *call, const char *format, ...) PRINTF_LIKE(2, 3);
void call_problem(struct call *call, bool grave, const char *format, ...) PRINTF_LIKE(3, 4);

/* dialog.c: sends a request inside the dialog; its response ends in call_step_answered. */
void call_request(struct call *call, const char *method, enum call_content content,
                  struct tick now);
void call_cancel(struct call *call, struct tick now);
void call_bye(struct call *call, struct tick now);
void call_done(struct call *call, struct tick now);

/* request.c: builds a message into the world's scratch; empty when the profile is faulty (the call
 * fails). */
struct call_text_request {
    const char *method;
    const char *branch;
    uint32_t cseq;
    enum call_content content;
};
struct call_builder; /* room for the values of one message; free() it */
struct call_builder *call_builder_create(void);
struct view call_message_build(struct call *call, const struct call_text_request *request);
/* Our response to a request of the SRS's. */
struct view call_reply_build(struct call *call, const struct call_message *request, unsigned code,
                             const char *phrase, bool sdp);

/* judge.c: what is wrong with an answer to our offer, and where the streams go now. */
void call_answer_judge(struct call *call, const struct call_answer *offer,
                       const struct call_answer *answer);
/* offer NULL: the SRS offered, its m-lines are ours in our order. */
void call_answer_apply(struct call *call, const struct call_answer *offer,
                       const struct call_answer *answer);
/* The direction our SDP offers for a stream. */
enum call_direction call_stream_direction(const struct call_stream *stream);

/* steps.c: the script. */
void call_script_run(struct call *call, struct tick now);
/* Until when media is to be made up for after a stall: the script's next step may end or change it. */
struct tick call_script_until(const struct call *call, struct tick now);
void call_step_answered(struct call *call, unsigned code, struct tick now);

/* streams.c */
WARN_UNUSED bool call_stream_add(struct call *call, struct tick now);
void call_party_add(struct call *call, unsigned stream, bool joining);
/* Another local port for a stream. */
WARN_UNUSED bool call_stream_move(struct call *call, struct call_stream *stream);
/* Its sockets and its agent. */
void call_stream_finish(struct call_stream *stream);
void call_stream_close(struct call *call, struct call_stream *stream, struct tick now);
/* Packets flow, or stop, as the last answer has it. */
void call_streams_start(struct call *call, struct tick now);

#endif
