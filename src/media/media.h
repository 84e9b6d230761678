/* media: one worker thread's media: streams, their recordings' journal bytes, their RTCP.
 * Not here: sockets, files, clocks (io drives it); SIP and SDP (recorder knows what a stream is).
 * RFC 3550, 4733, 4961, 5761, 7983. */
#ifndef MEDIA_MEDIA_H
#define MEDIA_MEDIA_H

#include "base/addr.h"
#include "base/candidate.h"
#include "base/datagram.h"
#include "base/limits.h"
#include "base/pool.h"
#include "base/tick.h"
#include "base/uuid.h"
#include "ice/ice.h"
#include "media/port.h"
#include "media/way.h"
#include "nat/verdict.h"
#include "nat/way.h"

/* One worker drives one `struct media`, on one thread, like this, once a sweep:
 *
 *     read both clocks at once          media_clock()
 *     receive a batch
 *     take every mailbox item           media_command()      before looking at the batch: see below
 *     give it the batch                 media_input()        until it took all of it
 *     if media_deadline() is due        media_expire()       unless media_is_ending(), without sweep
 *     media_write()   until false       append to the journals' files
 *     media_output()  until false       send datagrams
 *     media_event()   until false       post to signalling
 *     media_release() until false       the port goes to rest
 *
 * Commands come before what was received before they were taken, because recorder posts a stream
 * before its answer leaves: the first packet then always finds its stream. media_write() comes before media_event() because
 * MEDIA_EVENT_CLOSED promises that the journal is complete. */
struct media;
struct ice;

enum {
    MEDIA_LABEL_SIZE = 64,     /* labels (RFC 4574) seen have up to 10 characters; cut if longer */
    MEDIA_CODECS = 24,         /* payload types of one answer that matter; we know 13 codecs */
    MEDIA_DIRECTORY_SIZE = 64, /* "2026/11/23/<uuid>" */
};

struct media_config {
    uint32_t recordings; /* how many at once, lingering ones included */
    uint32_t streams;    /* how many at once */
    uint32_t ports;      /* port ids run from 0 to ports - 1 */
    /* A stream that never had a packet this long after the ACK is reported: 5 s. Long enough for an
     * SRC that starts RTP after its own callee answered, short enough for somebody to look. */
    int64_t silent_after_ms;
    int64_t linger_ms;     /* after the end: closed when quiet this long: 200 ms */
    int64_t linger_max_ms; /* and at the latest after this: 2000 ms */
    uint32_t apart_max;    /* bytes kept per stream of senders that are not its own: 64 KiB */
    uint32_t relays;       /* relay slots run from 0 to relays - 1 (relay.h) */
    uint32_t workers;      /* that share what is sent for ports that stand ready; 0: 1 */
    uint32_t shared;       /* streams that can share sockets (MEDIA_SHARED); 0: there are none */
    uint8_t seed[32];      /* for SSRCs and RTCP intervals */
};

/* Creates a worker's media. Every pool is allocated here. NULL when memory is short. */
struct media *media_create(const struct media_config *config);
void media_destroy(struct media *media);

/* ---- What signalling tells a worker --------------------------------------------------------- */

/* A recording's name between the two threads is recorder's generation-checked id. */

enum media_command_kind {
    MEDIA_OPEN,    /* a recording begins; first command of every recording */
    MEDIA_STREAM,  /* a stream begins, or what was agreed about it has changed */
    MEDIA_TRICKLE, /* more ICE candidates of the SRC's for a stream (RFC 8838) */
    MEDIA_DROP,    /* the SRC removed the stream (port 0); its port is released */
    MEDIA_SIP,     /* a SIP message of the recording's dialog, to journal */
    MEDIA_MARK,    /* something decided or noticed, to journal: one line of journal/event.h */
    MEDIA_CONFIRM, /* the ACK came: silence counts from here */
    MEDIA_CLOSE,   /* the call is over; last command of every recording */
};

/* MEDIA_OPEN. `bytes` of the command: a JSON object for journal_writer_start(). */
struct media_open {
    struct uuid uuid;
    char directory[MEDIA_DIRECTORY_SIZE]; /* below recordings.directory */
};

struct media_codec {
    uint8_t payload_type;
    enum media_codec_kind { MEDIA_AUDIO, MEDIA_NOISE, MEDIA_DIGITS } kind;
    uint32_t clock_hz;
};

/* With ICE a stream may have a port of the other family as well. */
struct media_second {
    bool held;
    uint32_t port, generation; /* as the stream's own */
    uint32_t socket;           /* with MEDIA_PORT_SHARED */
    struct addr bound;
};

/* MEDIA_STREAM. Sent again whole whenever any of it changes; what is the same stays undisturbed. */
struct media_stream_facts {
    uint8_t stream; /* its number in the recording, for life */
    uint8_t mline;  /* its place in the SDP now */
    bool paused;    /* agreed direction inactive, or c=0.0.0.0: counted, not journaled */
    bool mute;      /* the SRC only receives on it: no packet is due, none is amiss */
    bool rtcp_mux;  /* RFC 5761: RTCP on the RTP port */
    bool listed;    /* the SRC is in sip.allow: any address of its SDP may get our RTCP */
    uint32_t port; /* the ticket's port id: MEDIA_SOCKET_PORT(datagram.socket); or MEDIA_PORT_... */
    uint32_t generation;
    /* Where it shares a socket with other streams: by ICE's names, or by the address it offered. */
    bool shares;
    uint32_t socket; /* with MEDIA_PORT_SHARED: what it sends from, MEDIA_SHARED(...) */
    /* A new ICE agent, the first or after a restart, whose bases are numbers of sockets: it passes
     * with the command. NULL: the one before goes on if ice_stays, else the stream has no ICE. */
    struct ice *ice;
    bool ice_stays;
    struct media_second second;
    char label[MEDIA_LABEL_SIZE]; /* "" when the SDP had none */
    /* Where its packets arrive on this host: also on a wildcard socket one of our own addresses. What
     * we send on the stream leaves from there. */
    struct addr bound, bound_rtcp;
    struct addr advertised, advertised_rtcp; /* what our SDP says: the journal's destination */
    struct addr offered, offered_rtcp;       /* what the SRC's SDP says; family 0: nothing */
    struct addr signalled;                   /* where the SRC's SIP came from */
    struct media_way way;                    /* how its packets shall come to us */
    uint8_t codec_count;
    struct media_codec codecs[MEDIA_CODECS];
};

/* MEDIA_SIP. `bytes` of the command: the message as it was on the wire. */
struct media_sip {
    struct addr from, to;
    bool tcp;
    bool sent; /* by us */
};

/* MEDIA_MARK. `bytes`: the event; `stream` or -1 for the recording as a whole. */
struct media_mark {
    int stream;
};

/* MEDIA_TRICKLE. `bytes`: an array of struct candidate. */
struct media_trickle {
    uint8_t stream;
    bool end; /* of the SRC's: these were the last */
    bool is_ours;
    uint32_t base; /* of ours: the socket that they are sent from */
};

/* MEDIA_CLOSE. `bytes`: the last event, {"siprecd":"ended",...}. */

/* A plain struct for a mailbox. `bytes` is one malloc block that goes with it: whoever holds the
 * command owns it, and media_command() takes it. */
struct media_command {
    enum media_command_kind kind;
    struct pool_id recording;
    struct wall at; /* when signalling decided it; a pause cuts the media at this very time */
    union {
        struct media_open open;
        struct media_stream_facts stream;
        struct media_sip sip;
        struct media_mark mark;
        struct media_trickle trickle;
        uint8_t drop; /* stream number */
    };
    uint8_t *bytes;
    size_t len;
};

/* Does what the command says. Takes `command->bytes`. Commands for recordings that are gone are
 * dropped. */
void media_command(struct media *media, struct tick now, struct media_command *command);

/* Frees what a command holds, for one that never arrives. */
void media_command_finish(struct media_command *command);

/* ---- What the network tells it -------------------------------------------------------------- */

/* datagram.socket of a media socket: the port's id, and whether it is the port's RTCP socket. */
#define MEDIA_SOCKET(port, rtcp)  ((port)*2 + ((rtcp) ? 1 : 0))
#define MEDIA_SOCKET_PORT(socket) ((socket) / 2)
#define MEDIA_SOCKET_RTCP(socket) ((socket) % 2 == 1 && (socket) < 0x40000000u)
/* In place of a port's id: it shares a socket with others; or the port that it was to have is closed, and
 * there is none until recorder has offered another. */
#define MEDIA_SOCKET_NONE   0x3fffffffu
#define MEDIA_PORT_SHARED   UINT32_MAX
#define MEDIA_PORT_CLOSED   (UINT32_MAX - 1)
#define MEDIA_IS_PORT(port) ((port) < MEDIA_PORT_CLOSED)

/* Sockets that several streams share: rtp.mux_port, and the TCP listeners and origins of ICE-TCP,
 * whose connections are told apart by their peers. One of a kind for each address. */
enum media_shared { MEDIA_SHARED_UDP, MEDIA_SHARED_TCP_PASSIVE, MEDIA_SHARED_TCP_ACTIVE };
#define MEDIA_SHARED(kind, at)      (0x40000000u | (uint32_t)(kind) << 8 | (uint32_t)(at))
#define MEDIA_SHARED_KIND(socket)   ((enum media_shared)((socket) >> 8 & 0xff))
#define MEDIA_SHARED_AT(socket)     ((socket)&0xff)
#define MEDIA_SOCKET_SHARED(socket) ((socket) >> 30 == 1)

/* What the clocks show as a sweep begins: by this, datagrams that the kernel dated by the wall clock get their
 * place among ticks, and what happens at a tick its date. */
void media_clock(struct media *media, const struct moment *now);

/* Takes datagrams in the order of the batch and journals what belongs to a stream. Borrows them.
 * Returns how many it took: fewer than `count` when a journal buffer is full, or the event queue
 * with tens of thousands; then drain media_write() and media_event() and call again with the rest.
 * No lock, and no allocation unless events are not taken. Datagrams of unlent ports are counted and dropped (RFC 7983 order of checks). */
size_t media_input(struct media *media, struct tick now, const struct datagram *batch,
                   size_t count);

struct tick media_deadline(const struct media *media); /* TICK_NEVER if none */
void media_expire(struct media *media, struct tick now);
/* media_expire() would end a recording: what has arrived until `now` is to be given to
 * media_input() before, or it is lost. */
bool media_is_ending(const struct media *media, struct tick now);

/* ---- Ports that stand ready, as seen from outside (port.h) ----------------------------------- */

struct media_port {
    uint32_t port, generation;
};

void media_know(struct media *media, struct tick now, const struct media_network *network);
/* The port's sockets are bound so: from now on it is known what they look like from outside, also
 * while a stream has it; until media_port_closes(). */
void media_port_opens(struct media *media, struct tick now, const struct media_port *port,
                      const struct addr bound[2]);
void media_port_closes(struct media *media, uint32_t port);
/* News of a ready port, or of a lent one whose address outside changed, or that was asked for, since
 * nothing arrives there. Until false. */
bool media_seen(struct media *media, struct tick now, struct media_port_news *out);
/* How many ports may stand ready with their addresses kept: media_port_bearable(). */
uint32_t media_bearable(const struct media *media, struct tick now);

/* ---- What it wants done --------------------------------------------------------------------- */

/* Bytes for a journal. Valid until the next call of any media function: append them at once. */
struct media_write {
    uint32_t slot; /* dense, below config.recordings: index your descriptors by it */
    struct pool_id recording;
    bool first;            /* create the file (and its directories) before */
    bool last;             /* close it after */
    const char *directory; /* as in MEDIA_OPEN */
    struct view bytes;     /* may be empty when last */
};
bool media_write(struct media *media, struct media_write *out);

/* The journal of `recording` could not be written (errno `error`): nothing more is journaled,
 * MEDIA_EVENT_FAILED tells the recorder, and the recording closes when it says so. */
void media_write_failed(struct media *media, struct pool_id recording, int error);

/* A datagram to send (RTCP, and a first packet right after the answer for those who wait for
 * one). */
struct media_packet {
    uint32_t socket; /* as datagram.socket */
    struct addr to;
    struct view bytes; /* valid until the next call */
    struct addr
        from; /* what it shall leave from; unset: as the routes have it. The port says nothing */
    uint8_t hops; /* it is to live for; 0: as ever */
};
bool media_output(struct media *media, struct tick now, struct media_packet *out);

/* What streams want of their relays; until false. The answers come to media_relay_event(). */
bool media_relay_want(struct media *media, struct media_relay_want *out);
void media_relay_event(struct media *media, struct tick now, const struct media_relay_event *event);

/* A lent port that may rest now. */
bool media_release(struct media *media, struct media_port *out);

enum media_event_kind {
    MEDIA_EVENT_FIRST,     /* first packet of the stream: addr, ssrc, payload_type; arrived where
                                that is not at facts.bound */
    MEDIA_EVENT_SILENT,    /* none came for config.silent_after_ms after the ACK */
    MEDIA_EVENT_EPOCH,     /* a new SSRC: ssrc */
    MEDIA_EVENT_SOURCE,    /* the stream's packets come from elsewhere now: addr */
    MEDIA_EVENT_FOREIGN,   /* a second sender: addr; once a stream */
    MEDIA_EVENT_DIGIT,     /* digit, duration_ms (RFC 4733) */
    MEDIA_EVENT_OVERFLOW,  /* the kernel dropped packets for lack of room; once a stream */
    MEDIA_EVENT_BYE,       /* RTCP BYE: ssrc */
    MEDIA_EVENT_WAY,       /* something for the verdict's trail: verdict, addr, tick */
    MEDIA_EVENT_ALARM,     /* something for its security: security, addr */
    MEDIA_EVENT_NEXT_PATH, /* nothing arrives, or we have moved: another path is wanted, by reason,
                                tried being for path_choose(). A stream's facts are the answer */
    MEDIA_EVENT_UNREACHABLE, /* nothing arrives, and the ladder has no step left */
    MEDIA_EVENT_MIGRATE, /* relayed, and the direct way is open to the address it really has: addr */
    MEDIA_EVENT_LEFT_RELAY, /* its relay slot was given back: media goes the direct way */
    MEDIA_EVENT_REFUSES,    /* addr answers our packets with ICMP: for its profile */
    MEDIA_EVENT_FORGOTTEN, /* our NAT was seen to forget a mapping of addr's family after duration_ms */
    MEDIA_EVENT_GAP,    /* packets come again (addr), duration_ms after the last, at `at`: reason */
    MEDIA_EVENT_ICE,    /* ice, addr: the peer of the path */
    MEDIA_EVENT_COUNT,  /* counters, every few seconds while they move, and before CLOSED */
    MEDIA_EVENT_FAILED, /* the journal cannot be written: error (errno) */
    MEDIA_EVENT_CLOSED, /* journal complete, ports released; the recording's name is free again */
};

struct media_counters {
    uint64_t packets; /* RTP accepted as the stream's, paused ones included */
    uint64_t bytes;
    uint64_t lost;    /* RFC 3550 A.3, summed over SSRCs, never below 0 */
    uint64_t paused;  /* of packets: not journaled because the stream was paused */
    uint64_t foreign; /* from a second sender; not in packets */
    uint64_t rtcp;
    uint64_t lost_before; /* the first packet, as the SRC's reports count */
    uint64_t keepalives;  /* punches, probes and keepalives that we sent on the RTP tuple */
};

struct media_ice_news {
    enum media_ice_kind {
        MEDIA_ICE_SELECTED,     /* a component's path is chosen, or changed */
        MEDIA_ICE_FAILED,       /* no path came about; a check of the SRC's may still bring one */
        MEDIA_ICE_CONSENT_LOST, /* RFC 7675: it does not answer any more */
        MEDIA_ICE_DIRECT, /* a relay is chosen, and by now there is a path without: a restart takes it */
    } kind;
    char ufrag[ICE_UFRAG_SIZE]; /* of the agent: after a restart mail of the one before may come */
    uint8_t component;
    bool over_tcp;
    struct addr local; /* ours, as the SRC sees it */
    enum candidate_type local_type, remote_type;
};

struct media_event {
    enum media_event_kind kind;
    struct pool_id recording;
    uint8_t stream;
    struct wall at;
    struct addr addr;
    struct addr arrived;
    uint32_t ssrc;
    uint8_t payload_type;
    struct tick
        tick; /* FIRST, WAY, NEXT_PATH, UNREACHABLE, ICE: when, by the clock that verdicts count by */
    enum verdict_event verdict;
    enum verdict_security security;
    enum way_reason reason;
    unsigned tried;
    char digit;
    uint32_t duration_ms;
    int error;
    bool nothing_kept; /* FAILED: not a byte of the journal was written */
    struct media_ice_news ice;
    struct media_counters counters;
};
bool media_event(struct media *media, struct media_event *out);

/* ---- What is in use, for tests and metrics -------------------------------------------------- */

/* A TCP connection of a shared socket could not be opened, or closed (RFC 6544 §7.1). */
void media_path_failed(struct media *media, struct tick now, uint32_t socket,
                       const struct addr *peer);

/* Whether a stream has proved that this path of a shared socket is its own. */
bool media_knows_path(const struct media *media, uint32_t socket, const struct addr *peer);

/* Whether checks are to be answered soon, or somebody waits for a STUN server's answer: then a sweep
 * every 20 ms. */
bool media_is_hurried(const struct media *media);

struct media_usage {
    uint32_t recordings, streams, ports;
    size_t buffered; /* journal bytes not yet handed out */
};
struct media_usage media_usage(const struct media *media);

#endif
