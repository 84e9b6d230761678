/* recorder: a recording from its INVITE to its document: admission, answer, streams, metadata, end.
 * Not here: transactions (sip), grammar (sdp, siprec), packets (media), files and clocks (io).
 * RFC 7866, 7865, 3264, 3311, 4028. */
#ifndef RECORDER_RECORDER_H
#define RECORDER_RECORDER_H

#include "media/media.h"
#include "nat/profile.h"
#include "nat/srcs.h"
#include "recorder/settings.h"

/* What happens to a call:
 *
 *   INVITE ──► allowed? room? SDP? ──► tickets ──► answer ──► sip       nothing here waits
 *                                         └──► media commands ──► the worker the tickets are of
 *   once the 200 has left:  metadata ──► participants, warnings ──► document ──► catalog
 *   re-INVITE, UPDATE       the same again for the streams that changed
 *   BYE (sip answered it) ──► media: close ──► MEDIA_EVENT_CLOSED ──► document, render
 *
 * The daemon drives it so, on the signalling thread:
 *
 *     sip_event() until false       recorder_input()
 *     from the workers' mailboxes   recorder_media(), recorder_ticket()
 *     recorder_deadline() is due    recorder_expire()
 *     recorder_output() until false do what it says, in that order
 *
 * and then drains sip's outputs. Media commands are posted before sip's packets leave, so a stream
 * is known to its worker before the SRC learns its port. */
struct recorder;
struct sip;
struct sip_event;

/* Recordings that can be alive at once, those included whose tail is still awaited: each worker's
 * media_config.recordings should be this. */
uint32_t recorder_slots(const struct recorder_settings *settings);

/* Creates it with room for settings->recordings calls. Borrows sip for life; copies settings. seed:
 * for UUIDs and SDP session ids. NULL when memory is short. */
WARN_UNUSED struct recorder *recorder_create(const struct recorder_settings *settings,
                                             struct sip *sip, const uint8_t seed[32]);
void recorder_destroy(struct recorder *recorder);

/* New settings for calls to come (SIGHUP). Copies them; the capacity stays as it was. */
void recorder_configure(struct recorder *recorder, const struct recorder_settings *settings);

/* A moment, on both clocks. */
struct recorder_now {
    struct tick tick;
    struct wall wall;
};

/* ---- The network we are in ------------------------------------------------------------------ */

/* What is known of it, for IPv4 and IPv6; copied. Until the first time it is what the settings say.
 * Offers that waited for it are answered soon. */
void recorder_know(struct recorder *recorder, struct recorder_now now,
                   const struct nat_profile profiles[2]);

enum { RECORDER_ADDRESSES_MAX = 256 };
/* The addresses of this host, loopback aside, as they are now; NULL: too many to tell. Streams on one that went move to ports
 * of others; a call that cannot ends after half a minute without it. */
void recorder_here(struct recorder *recorder, struct recorder_now now, const struct addr *list,
                   size_t count);

/* ---- Tickets: media ports that stand ready -------------------------------------------------- */

/* A bound media port, lent by a worker, with what was made ready for it. Plain data; comes from io,
 * goes back as RECORDER_TICKET when unused. */
struct recorder_ticket {
    bool is_new; /* told for the first time */
    uint32_t worker;
    uint32_t port; /* the worker's port id */
    uint32_t generation;
    struct addr bound;               /* RTP, even port; the address may be unspecified (wildcard) */
    struct addr bound_rtcp;          /* RTCP, the port above */
    struct addr seen, seen_rtcp;     /* where STUN sees the two sockets; unset: not known */
    struct tick seen_at;             /* when that was confirmed last */
    bool doubted;                    /* nothing arrives there, so that it was asked for anew */
    struct addr mapped, mapped_rtcp; /* what the gateway has mapped to them; unset: nothing */
};

/* Takes a new ticket into stock. The same worker, port and generation again bring its `seen` up to
 * date, whether it is in stock still or lent to a call; mapped stays as it was. One that is neither,
 * since a call is about to take or to leave it, stays out of stock: it is not free. */
void recorder_ticket(struct recorder *recorder, struct recorder_now now,
                     const struct recorder_ticket *ticket);

/* Which ticket, of those in stock and those lent. */
struct recorder_port {
    uint32_t worker, port, generation;
};
/* The gateway has mapped its RTP and RTCP socket to these addresses; unset: no longer. False: it is
 * neither in stock nor lent. */
bool recorder_ticket_mapped(struct recorder *recorder, struct recorder_now now,
                            const struct recorder_port *port, const struct addr mapped[2]);

/* ---- Relays that stand ready ---------------------------------------------------------------- */

enum recorder_relay_transport { RECORDER_RELAY_UDP, RECORDER_RELAY_TCP, RECORDER_RELAY_TLS };

/* A relayed address that stands ready on a worker, and may be answered with at once. Again with the same slot and
 * generation: what is new about it. A relayed address serves one SRC: the first that it was lent to. */
struct recorder_relay {
    uint32_t worker;
    uint32_t slot; /* MEDIA_RELAY(slot) */
    uint32_t generation;
    bool gone;              /* it is no more: out of stock with it */
    struct addr relayed[2]; /* IPv4, IPv6; unset: none of that family */
    uint64_t src;           /* whom it served, and serves alone from now on; 0: nobody yet */
    uint8_t server;         /* its place among the servers, best first */
    enum recorder_relay_transport transport; /* ours to the server; the SRC's is UDP always */
    struct addr server_address;
    int32_t rtt_ms; /* to the server; -1: not known */
};

/* Takes a relay into stock, brings it up to date there, or, when it is gone, takes it out: where a
 * call had it, its stream gets another path. */
void recorder_relay(struct recorder *recorder, struct recorder_now now,
                    const struct recorder_relay *relay);

/* ---- What is known of SRCs ------------------------------------------------------------------ */

/* What an earlier run learned: at start, before the first call. key and profile: as RECORDER_SRC
 * gave them; what cannot be read, or is too old, is left out. */
void recorder_src(struct recorder *recorder, const struct uuid *id, struct view key,
                  struct view profile, struct wall now);
/* Its calls to come are answered as a stranger's. */
void recorder_forget_src(struct recorder *recorder, const struct uuid *id);

/* A worker has closed the port, which nobody may have any more: its address went. A stream that was
 * given it meanwhile moves. */
void recorder_port_closed(struct recorder *recorder, struct recorder_now now,
                          const struct recorder_port *port);

/* ---- Input ---------------------------------------------------------------------------------- */

/* Takes in one event of sip's. An offer that finds too few tickets waits for more, half a second at
 * most, an INVITE that comes while RECORDER_SETTLING stands for what recorder_know() will say, 3 s
 * at most; everything else is answered before this returns. */
void recorder_input(struct recorder *recorder, struct recorder_now now,
                    const struct sip_event *event);
/* Takes in one event of a worker's. */
void recorder_media(struct recorder *recorder, struct recorder_now now, uint32_t worker,
                    const struct media_event *event);
struct tick recorder_deadline(const struct recorder *recorder); /* TICK_NEVER if none */
/* Does what is due: reads metadata once the answer has left, retries, sends documents. */
void recorder_expire(struct recorder *recorder, struct recorder_now now);

/* Reasons to take no new call, as bits; while any stands, INVITEs get 503 with Retry-After, OPTIONS
 * too. */
enum recorder_refusal {
    RECORDER_DRAINING = 1,
    RECORDER_DISK_FULL = 2,
    RECORDER_SETTLING = 4, /* nothing is known of the network yet: INVITEs get 100 and wait */
    RECORDER_NO_PORTS = 8, /* no media port is to be had at all: who needs one need not wait */
};
/* Sets or clears one reason. */
void recorder_refuse(struct recorder *recorder, enum recorder_refusal why, bool on);

/* No media port of that family is to be had, though there may be of the other: OPTIONS over it gets
 * 503, as calls with such media do. */
void recorder_exhausted(struct recorder *recorder, bool v6, bool on);

/* Ends every call with BYE: a drain that took too long. */
void recorder_hang_up(struct recorder *recorder, struct recorder_now now);

/* ---- Output --------------------------------------------------------------------------------- */

enum recorder_output_kind {
    RECORDER_COMMAND,  /* post `command` to `worker`; command.bytes passes to the taker */
    RECORDER_DOCUMENT, /* the catalogue shall keep `document`, and `metadata` unless empty */
    RECORDER_RENDER,   /* the journal is complete: render it, then recorder_document_merge() what
                          comes out into `document` */
    RECORDER_TICKET,   /* `ticket` goes back unused */
    RECORDER_SRC,      /* something was learned of an SRC: `src`, `key`, and `document` its profile
                          (nat/srcs.h), to be kept */
};

struct recorder_output {
    enum recorder_output_kind kind;
    uint32_t worker;
    struct media_command command;
    struct recorder_ticket ticket;
    struct uuid src;
    char key[SRC_KEY_SIZE];
    struct uuid recording;
    char directory[MEDIA_DIRECTORY_SIZE]; /* below recordings.directory */
    struct view document;                 /* JSON text; borrowed until the next recorder call */
    struct view metadata;                 /* XML as received; borrowed as document */
};

/* False when there is nothing to do. */
bool recorder_output(struct recorder *recorder, struct recorder_output *out);

/* ---- Looking at it -------------------------------------------------------------------------- */

struct recorder_usage {
    uint32_t recordings; /* alive, finishing ones included */
    uint32_t streams;
    uint32_t relayed; /* of those, the SRC sends to a relay */
    uint32_t tickets; /* in stock */
    uint64_t invites; /* the ledger: every INVITE outside a dialog ends as one of the next two, in
                         the log too */
    uint64_t accepted;
    uint64_t refused;
};
/* A call was answered with the address that the settings order, and nothing came there; that was not long ago, and nothing has
 * come to another call since. Other ways should stand ready. */
bool recorder_is_disproved(const struct recorder *recorder, struct tick now);

struct recorder_usage recorder_usage(const struct recorder *recorder);

/* The documents of all calls going on, as a JSON array; malloc'ed, the caller frees. NULL when
 * memory is short. */
char *recorder_sessions(const struct recorder *recorder);

#endif
