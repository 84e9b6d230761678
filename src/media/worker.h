/* worker: what media.c, book.c, stream.c and control.c share; private to the module.
 * Not here: what others may call (media.h).
 * RFC 3550. */
#ifndef MEDIA_WORKER_H
#define MEDIA_WORKER_H

#include "base/list.h"
#include "base/map.h"
#include "base/timers.h"
#include "ice/mux.h"
#include "journal/event.h"
#include "journal/writer.h"
#include "media/media.h"
#include "nat/way.h"
#include "rtp/dtmf.h"
#include "rtp/interval.h"
#include "rtp/sequence.h"
#include "rtp/source.h"

#define MEDIA_BUFFER_SIZE   16384 /* a journal's bytes between two sweeps: 60 packets of G.711 */
#define MEDIA_PACKET_EXTRA  1024  /* what a packet brings along: an interface, an event, headers */
#define MEDIA_SWITCHES      4     /* pauses and resumes that can fall into one sweep */
#define MEDIA_NO_INTERFACE  UINT32_MAX
#define MEDIA_STREAM_RELAYS 4 /* RTP and RTCP, of two paths while it moves */

/* A relay slot that a stream has. */
struct media_lent_relay {
    bool held, rtcp;
    uint8_t wants; /* bits of enum media_relay_want_kind */
    uint32_t slot, generation;
    struct addr peer;  /* to be bound */
    struct tick until; /* it is being left, and goes then; TICK_NEVER: in use */
};

/* Where a timer of the heap belongs: exactly one of the two is set. */
struct media_timer {
    struct timer timer;
    struct media_stream *stream;
    struct media_recording *recording;
};

/* From `at` on the stream is paused, or not. Packets are cut by their arrival, so that the cut lies
 * where our answer left and not where the sweep happened to be. */
struct media_switch {
    struct wall at;
    bool paused;
};

/* Where a stream's packets come to, as the journal has it: the addresses of the description that the
 * SRC has agreed to. */
struct media_booked {
    struct addr advertised, advertised_rtcp, bound;
    struct addr relay; /* its server; unset: none */
};

struct media_stream {
    /* What each packet looks at, in few cache lines: with thousands of streams, each looked at every
     * 100 ms, waiting for memory is most of what a packet costs. */
    struct media_recording *recording;
    struct media_ice *ice; /* NULL: none */
    struct wall lent_at;   /* what arrived before that was for the port's previous call */
    struct tick lent_tick; /* long after that everything is this call's, wherever the clock went */
    uint32_t dropped[2];   /* the kernel's counts for its sockets, as last seen */
    bool dropped_seen[2], overflow_told;
    bool on_way;     /* has a way in, not ICE (course.c) */
    bool barred;     /* the source that is accepted may get nothing from us */
    bool before_due; /* the report of before_at is due */
    uint32_t heard_socket;
    struct tick heard_at;
    struct wall last_at, gap_from; /* ns 0: no gap */
    struct wall before_at;   /* the report that tells how many packets went by before our first */
    struct tick leaves_at;   /* when a port or relay that is being left goes; TICK_NEVER: none */
    uint64_t digit_types[2]; /* bit set: a payload type of digits */
    struct tick switched; /* long after that only the last switch counts, wherever the clock went */
    unsigned switch_count;
    struct media_switch switches[MEDIA_SWITCHES];
    struct media_counters counters;
    struct journal_flow flow;     /* from the accepted source */
    uint64_t lost_before;         /* by SSRCs before it */
    uint64_t lost_known;          /* of counters.lost, to its way in */
    uint64_t taken_in;            /* packets that were held apart and counted as lost by sequence */
    uint16_t held_first;          /* that came before sequence began, and were held apart */
    struct rtp_sequence sequence; /* of the SSRC that is accepted now */
    struct rtp_source source;     /* begins with what each packet looks at, and so does way */
    struct way way;               /* its way in */
    struct media_timer timer;     /* the earliest of what it waits for */

    struct pool_id id;
    struct media_stream_facts facts;
    bool lent;                  /* has its port */
    struct tick drop_at;        /* removed by the SRC: the port goes then; TICK_NEVER: not */
    uint32_t interface, apart;  /* in the journal; MEDIA_NO_INTERFACE: not yet */
    struct media_booked booked; /* and what that says of where packets come to */
    uint32_t apart_bytes;
    struct ice_mux_agent *share; /* on sockets that it shares; NULL: none */
    uint32_t ssrc;               /* theirs */
    struct rtp_dtmf digits;
    struct media_counters told;
    bool foreign_told;

    struct tick confirm_at; /* another path is offered: taken for agreed then */
    uint8_t unasked;        /* packets to it before anything came from it */
    uint16_t our_seq;
    enum way_reason gap_why;
    unsigned alarms; /* enum verdict_security, told */
    unsigned strays; /* since strays_from */
    struct tick strays_from;
    struct media_spare {
        bool held;
        uint32_t port, generation;
        struct tick until;
    } spare;                    /* the port it had before */
    struct media_second second; /* the one of its facts, once taken */
    struct media_lent_relay relays[MEDIA_STREAM_RELAYS];
    struct list wanting; /* in media.wanting */

    uint32_t our_ssrc;
    struct addr control_from; /* where their RTCP came from; unset: none yet */
    uint64_t sr_ntp;          /* of the last SR; 0: none */
    struct tick sr_at;
    bool control_sent;
    double control_average;  /* RFC 3550 §6.3.3 */
    uint32_t control_socket; /* and where it arrived */
    uint32_t sr_packets;
    bool before_told; /* how many packets went by before our first: asked once */
    bool control_due, control_refused, control_barred;
    uint8_t reports_unheard; /* reports before anything came */
    struct list ready;       /* in media.ready: has something to send */

    struct tick silent_at, control_at, look_at;
};

/* Journal bytes that did not fit into the buffer: SIP messages, mostly. */
struct media_chunk {
    struct media_chunk *next;
    size_t len;
    char bytes[];
};

struct media_recording {
    /* What each packet looks at, as in a stream. */
    bool failed;                        /* its bytes could not be written: nothing more is kept */
    bool closing, ended;                /* MEDIA_CLOSE came; "ended" is in the journal */
    bool heard;                         /* RTP of the SRC's on any stream */
    bool opened;                        /* its first bytes were handed out */
    bool written;                       /* and, as far as we heard, written */
    uint64_t credit_bytes, spent_bytes; /* its requests and media brought; we sent */
    struct list dirty;                  /* in media.dirty: has bytes, or its end, to hand out */
    struct media_chunk *chunks, **chunks_end;
    struct journal_writer journal;

    struct pool_id id; /* here; `name` is recorder's */
    struct pool_id name;
    struct map_node node;
    struct media_open open;
    struct media_stream *streams[LIMIT_STREAMS_PER_RECORDING];
    char cname[24]; /* RFC 7022 §4.2: 96 random bits of its own */
    bool confirmed;
    unsigned unasked;       /* packets to an unlisted SRC before it was heard and the ACK */
    struct ice_session ice; /* of all its streams */
    bool ice_works;         /* the SRC answered a check */
    unsigned ice_checks;    /* sent before that */
    char *buffer;

    struct tick close_latest;
    struct media_timer timer; /* closing: when to stop waiting for the tail */
    struct wall closed_at;
    uint8_t *farewell; /* the event that MEDIA_CLOSE brought */
    size_t farewell_len;
    struct list closed;   /* in media.closing until its end, in media.closed: all bytes handed out,
                             waiting to be told */
    unsigned closed_told; /* streams whose last counters were told */
};

struct media_slot {
    struct media_stream *stream; /* NULL: not lent */
    uint32_t generation;
    uint32_t stale_ssrc; /* of the stream that had it before; its late packets are nobody's here */
    bool has_stale;
};

struct media {
    struct media_config config;
    struct rng rng;
    struct pool *recordings, *streams;
    struct ice_mux *shared; /* NULL: no sockets are shared */
    uint32_t ices;          /* streams with ICE */
    struct map by_name;
    struct media_slot *ports;
    struct media_ports *seen; /* what they look like from outside */
    uint32_t change[2];       /* of the network, as last told */
    bool knows;
    struct timers timers;
    struct list dirty, ready, closing, closed;

    struct media_event *events; /* a ring */
    size_t event_first, event_count, event_room;
    struct media_port *released; /* a ring */
    size_t released_first, released_count;
    struct media_slot *relays; /* by slot */
    struct media_port *left;   /* relay slots given back; a ring */
    size_t left_first, left_count;
    struct list wanting; /* streams that want something of their relays */

    struct media_chunk *lent_chunk; /* handed out by the last media_write() */
    struct media_recording *lent_buffer, *lent_to;
    char packet[512];
    struct {
        int64_t packets, bytes, malformed, foreign, paused, epochs, control, strays;
    } tally;              /* goes to the metrics once a batch */
    struct moment clock;  /* of this sweep */
    struct tick swept_at; /* the sweep before it */
};

/* ---- book.c: the journal -------------------------------------------------------------------- */

/* All of these journal now or, when the buffer is full, put its bytes aside first. */
void media_book_open(struct media *media, struct media_recording *recording, struct view head);
void media_book_sip(struct media *media, struct media_recording *recording,
                    const struct media_command *command);
void media_book_event(struct media *media, struct media_recording *recording, uint32_t interface,
                      struct wall at, struct view event);
void media_book_interface(struct media *media, struct media_stream *stream);
/* Another interface where packets come to another place by now. What we have offered and the SRC has not
 * agreed to yet is none: readers know addresses by the SDP that stands before them. */
void media_book_follow(struct media *media, struct media_stream *stream);
/* For the packet path: never puts aside. False: no room. */
WARN_UNUSED bool media_book_has_room(const struct media_recording *recording, size_t bytes);
void media_book_packet(struct media *media, struct media_stream *stream,
                       const struct journal_flow *flow, const struct datagram *datagram);
/* On the stream's apart interface, which it makes at the first; bounded by config.apart_max. */
void media_book_apart(struct media *media, struct media_stream *stream,
                      const struct datagram *datagram, struct view event);
/* Where a packet from there came to, as the journal has it: what our SDP says, but for one of the
 * other family than that. */
struct addr media_book_destination(const struct media_stream *stream, const struct addr *from,
                                   bool rtcp);
void media_book_finish(struct media_recording *recording);

/* ---- stream.c: RTP -------------------------------------------------------------------------- */

void media_stream_start(struct media *media, struct media_stream *stream, struct tick now);
void media_stream_pause(struct media_stream *stream, struct tick now, struct wall at, bool paused);
bool media_stream_paused(const struct media_stream *stream, struct tick now, struct wall at);
void media_stream_input(struct media *media, struct media_stream *stream, struct tick now,
                        const struct datagram *datagram);
/* The digit still running, when it is over. */
void media_stream_digits(struct media *media, struct media_stream *stream, struct wall at,
                         bool flush);

/* ---- control.c: RTCP ------------------------------------------------------------------------ */

void media_control_start(struct media *media, struct media_stream *stream, struct tick now);
/* It has another port now: what opens a NAT's way to that goes out at once. */
void media_control_move(struct media *media, struct media_stream *stream);
/* The ACK came. */
void media_control_confirm(struct media *media, struct media_stream *stream);
void media_control_input(struct media *media, struct media_stream *stream, struct tick now,
                         const struct datagram *datagram);
void media_control_expire(struct media *media, struct media_stream *stream, struct tick now);
/* Takes stock of what went by before our first packet. */
void media_control_count_before(struct media_stream *stream);
/* A receiver report with its SDES. */
void media_control_report(struct media_stream *stream, struct tick now, struct writer *out);
/* The next datagram of a stream that is in media.ready; false: none is left. */
bool media_control_output(struct media *media, struct media_stream *stream, struct tick now,
                          struct media_packet *out);

/* ---- course.c: its way in ------------------------------------------------------------------- */

/* Is another path out for the SRC to agree to? */
bool media_course_is_offered(const struct media_stream *stream);
/* Its facts are what they are now, and were `before` (of a stream that is not new). */
void media_course_set(struct media *media, struct media_stream *stream, struct tick now,
                      const struct media_stream_facts *before);
void media_course_confirm(struct media *media, struct media_stream *stream, struct tick now);
void media_course_end(struct media_stream *stream);
/* From the last packet to the next nothing is recorded, and the journal shall say why. */
void media_course_gap(struct media_stream *stream, enum way_reason reason);
/* An RTP packet of its was accepted; RTCP said that none is being sent; ICMP said that nobody
 * listens at datagram->from; STUN said what its socket looks like from outside. */
void media_course_hear(struct media *media, struct media_stream *stream, struct tick now,
                       const struct datagram *datagram);
void media_course_idle(struct media *media, struct media_stream *stream, struct tick now,
                       const struct datagram *datagram);
void media_course_refused(struct media *media, struct media_stream *stream, struct tick now,
                          const struct datagram *datagram);
void media_course_mapped(struct media *media, struct media_stream *stream, struct tick now,
                         const struct media_port_news *news);
void media_course_relay(struct media *media, struct media_stream *stream, struct tick now,
                        const struct media_relay_event *event);
void media_course_network(struct media *media, struct media_stream *stream, struct tick now);
/* STUN is asked from a port's socket. */
void media_course_asked(struct media *media, struct tick now, uint32_t socket);
/* More is known of our NAT. */
void media_course_learn(struct media *media, struct media_stream *stream, struct tick now,
                        const struct nat_behaviour *behaviour);
/* A datagram that nobody asked for and that is nothing of the stream's. */
void media_course_stray(struct media *media, struct media_stream *stream, struct tick now,
                        const struct datagram *datagram);
/* For the verdict; once a stream each. */
void media_course_alarm(struct media *media, struct media_stream *stream,
                        const struct datagram *datagram, enum verdict_security what);
struct tick media_course_deadline(const struct media_stream *stream);
void media_course_expire(struct media *media, struct media_stream *stream, struct tick now);
bool media_course_output(struct media *media, struct media_stream *stream, struct tick now,
                         struct media_packet *out);
/* May nothing be sent to an address that showed up by itself? */
bool media_course_bars(const struct media_stream *stream, const struct addr *to);
/* May so many bytes be sent to the SRC, by who it is and what came from it? Then they count. */
WARN_UNUSED bool media_course_spend(struct media_stream *stream, size_t bytes);
/* Half of that is spent: what is left is for keeping the way open, in as few bytes as it takes. */
bool media_course_is_thrifty(const struct media_stream *stream);
/* A request of the SRC's weighed so much. */
void media_course_credit(struct media *media, struct media_recording *recording, size_t bytes);

/* ---- lend.c: ports and relay slots ---------------------------------------------------------- */

/* Takes the port of its facts. */
void media_lend_port(struct media *media, struct media_stream *stream, struct tick now,
                     struct wall at);
/* Takes it instead of the one it had before, which is received on until media has moved. */
void media_lend_replace(struct media *media, struct media_stream *stream, struct tick now,
                        const struct media_stream_facts *before);
/* Takes the port of the other family of its facts, or leaves it. */
void media_lend_second(struct media *media, struct media_stream *stream, struct tick now);
/* Is the socket, or relay, one that the stream has, and does not leave? */
bool media_lend_is_present(const struct media_stream *stream, uint32_t socket);
/* Of its own port, or the one that it shares; MEDIA_SOCKET_NONE: it has neither. */
uint32_t media_lend_socket(const struct media_stream *stream, bool control);
/* False: the stream has the socket's port no more, which is another's, or will be. */
bool media_lend_may_send(const struct media *media, const struct media_stream *stream,
                         uint32_t socket);
/* Fills in the address of ours that a packet shall leave from. */
void media_lend_source(const struct media_stream *stream, struct media_packet *out);
/* Takes the relay slots of its facts; others that it has are left by and by. False: the one for
 * RTP is not to be had. */
bool media_lend_relays(struct media *media, struct media_stream *stream, struct tick now);
void media_lend_leave_relays(struct media *media, struct media_stream *stream);
/* Has it a relay for RTP that is not being left? */
bool media_lend_has_relay(const struct media_stream *stream);
/* Is the socket, or relay, there for RTCP alone? */
bool media_lend_is_control(const struct media_stream *stream, uint32_t socket);
/* Asks for something of its relays: enum media_relay_want_kind. */
void media_lend_want(struct media *media, struct media_stream *stream, bool rtcp_too, unsigned want,
                     const struct addr *peer);
/* Its media came by this socket. */
void media_lend_arrived(struct media_stream *stream, struct tick now, uint32_t socket);
/* Gives everything back. */
void media_lend_give_back(struct media *media, struct media_stream *stream);
/* A port that no stream took. */
void media_lend_release(struct media *media, uint32_t port, uint32_t generation);
void media_lend_expire(struct media *media, struct media_stream *stream, struct tick now);

/* ---- media.c -------------------------------------------------------------------------------- */

void media_tell(struct media *media, const struct media_stream *stream, struct media_event event);
/* What the wall clock says about a moment. */
struct wall media_wall(const struct media *media, struct tick now);
/* When what the kernel dates so arrived: since the sweep before, and never later than now. */
struct tick media_arrival(const struct media *media, struct tick now, struct wall at);
/* It may have something to send. */
void media_ready(struct media *media, struct media_stream *stream);
/* Sets the stream's timer to the earliest of what it waits for. */
void media_stream_arm(struct media *media, struct media_stream *stream);
/* It has bytes, or its end, for media_write(). */
void media_recording_touch(struct media *media, struct media_recording *recording);
/* Its journal cannot be written any more: MEDIA_EVENT_FAILED. */
void media_recording_fail(struct media *media, struct media_recording *recording, int error);

#endif
