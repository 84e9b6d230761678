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
#include "rtp/dtmf.h"
#include "rtp/interval.h"
#include "rtp/sequence.h"
#include "rtp/source.h"

#define MEDIA_BUFFER_SIZE  16384 /* a journal's bytes between two sweeps: 60 packets of G.711 */
#define MEDIA_PACKET_EXTRA 1024  /* what a packet brings along: an interface, an event, headers */
#define MEDIA_SWITCHES     4     /* pauses and resumes that can fall into one sweep */
#define MEDIA_NO_INTERFACE UINT32_MAX

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

struct media_stream {
    struct pool_id id;
    struct media_recording *recording;
    struct media_stream_facts facts;
    bool lent;           /* has its port */
    struct tick drop_at; /* removed by the SRC: the port goes then; TICK_NEVER: not */
    struct wall lent_at; /* what arrived before that was for the port's previous call */
    struct media_switch switches[MEDIA_SWITCHES];
    unsigned switch_count;
    struct tick switched; /* long after that only the last switch counts, wherever the clock went */

    uint32_t interface, apart; /* in the journal; MEDIA_NO_INTERFACE: not yet */
    struct journal_flow flow;  /* from the accepted source */
    uint32_t apart_bytes;

    struct media_ice *ice;       /* NULL: none */
    struct ice_mux_agent *share; /* on sockets that it shares; NULL: none */

    struct rtp_source source;
    struct rtp_sequence sequence; /* of the SSRC that is accepted now */
    uint64_t lost_before;         /* by SSRCs before it */
    uint64_t taken_in;            /* packets that were held apart and counted as lost by sequence */
    uint32_t ssrc;                /* theirs */
    struct rtp_dtmf digits;
    struct media_counters counters, told;
    bool foreign_told;
    uint32_t dropped[2]; /* the kernel's counts for its sockets, as last seen */
    bool dropped_seen[2], overflow_told;

    uint32_t our_ssrc;
    struct addr control_from; /* where their RTCP came from; unset: none yet */
    uint64_t sr_ntp;          /* of the last SR; 0: none */
    struct tick sr_at;
    bool control_sent;
    double control_average; /* RFC 3550 §6.3.3 */
    unsigned probes;        /* sent so far to the RTP address */
    unsigned unasked;       /* packets sent before the ACK and before their first packet */
    bool control_due, probe_due;
    struct list ready; /* in media.ready: has something to send */

    struct tick silent_at, control_at, probe_at, look_at;
    struct media_timer timer; /* the earliest of these and drop_at */
};

/* Journal bytes that did not fit into the buffer: SIP messages, mostly. */
struct media_chunk {
    struct media_chunk *next;
    size_t len;
    char bytes[];
};

struct media_recording {
    struct pool_id id; /* here; `name` is recorder's */
    struct pool_id name;
    struct map_node node;
    struct media_open open;
    struct media_stream *streams[LIMIT_STREAMS_PER_RECORDING];
    char cname[24]; /* RFC 7022 §4.2: 96 random bits of its own */
    bool confirmed;
    bool ice_works;      /* the SRC answered a check */
    unsigned ice_checks; /* sent before that */

    char *buffer;
    struct journal_writer journal;
    struct media_chunk *chunks, **chunks_end;
    struct list dirty; /* in media.dirty: has bytes, or its end, to hand out */
    bool opened;       /* its first bytes were handed out */
    bool written;      /* and, as far as we heard, written */
    bool failed;       /* they could not be written: nothing more is kept */

    bool closing, ended; /* MEDIA_CLOSE came; "ended" is in the journal */
    struct tick close_latest;
    struct media_timer timer; /* closing: when to stop waiting for the tail */
    struct wall closed_at;
    uint8_t *farewell; /* the event that MEDIA_CLOSE brought */
    size_t farewell_len;
    struct list closed;   /* in media.closed: all bytes handed out, waiting to be told */
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
    struct timers timers;
    struct list dirty, ready, closed;

    struct media_event *events; /* a ring */
    size_t event_first, event_count, event_room;
    struct media_port *released; /* a ring */
    size_t released_first, released_count;

    struct media_chunk *lent_chunk; /* handed out by the last media_write() */
    struct media_recording *lent_buffer, *lent_to;
    char packet[512];
    struct {
        int64_t packets, bytes, malformed, foreign, paused, epochs, control, strays;
    } tally;          /* goes to the metrics once a batch */
    struct wall wall; /* at `wall_at` the wall clock said so, by the newest datagram or command */
    struct tick wall_at;
};

/* ---- book.c: the journal -------------------------------------------------------------------- */

/* All of these journal now or, when the buffer is full, put its bytes aside first. */
void media_book_open(struct media *media, struct media_recording *recording, struct view head);
void media_book_sip(struct media *media, struct media_recording *recording,
                    const struct media_command *command);
void media_book_event(struct media *media, struct media_recording *recording, uint32_t interface,
                      struct wall at, struct view event);
void media_book_interface(struct media *media, struct media_stream *stream);
/* For the packet path: never puts aside. False: no room. */
WARN_UNUSED bool media_book_has_room(const struct media_recording *recording, size_t bytes);
void media_book_packet(struct media *media, struct media_stream *stream,
                       const struct journal_flow *flow, const struct datagram *datagram);
/* On the stream's apart interface, which it makes at the first; bounded by config.apart_max. */
void media_book_apart(struct media *media, struct media_stream *stream,
                      const struct datagram *datagram, struct view event);
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
void media_control_input(struct media *media, struct media_stream *stream, struct tick now,
                         const struct datagram *datagram);
void media_control_expire(struct media *media, struct media_stream *stream, struct tick now);
/* The next datagram of a stream that is in media.ready; false: none is left. */
bool media_control_output(struct media *media, struct media_stream *stream, struct tick now,
                          struct media_packet *out);

/* ---- media.c -------------------------------------------------------------------------------- */

void media_tell(struct media *media, const struct media_stream *stream, struct media_event event);
/* Sets the stream's timer to the earliest of what it waits for. */
void media_stream_arm(struct media *media, struct media_stream *stream);
/* It has bytes, or its end, for media_write(). */
void media_recording_touch(struct media *media, struct media_recording *recording);
/* Its journal cannot be written any more: MEDIA_EVENT_FAILED. */
void media_recording_fail(struct media *media, struct media_recording *recording, int error);

#endif
