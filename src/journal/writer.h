/* writer: one recording's journal as pcapng blocks, appended to a buffer of the caller's: only
 * whole blocks.
 * Not here: files (io), reading (reader.h), the text of events (event.h).
 * draft-ietf-opsawg-pcapng; RFC 791, 8200, 768, 9293 for the headers around what was received. */
#ifndef JOURNAL_WRITER_H
#define JOURNAL_WRITER_H

#include "base/addr.h"
#include "base/tick.h"
#include "base/writer.h"

/* Interface 0 holds the SIP messages; each (stream, address that our SDP advertised) has one of its
 * own, and one more for what is kept apart (rtp/source.h: quarantine and foreign), when there is
 * any. */
#define JOURNAL_INTERFACE_SIP 0
/* The smallest buffer that takes any block but a SIP message larger than it, which is then put in
 * parts. */
#define JOURNAL_BUFFER_MIN 8192
/* Any UDP message with its headers fits into this. */
#define JOURNAL_BUFFER_SIP (68 * 1024)
/* Longest comment; a longer one is not written. */
#define JOURNAL_COMMENT_MAX 4096
#define JOURNAL_TCP_FLOWS   4

enum journal_role {
    JOURNAL_ROLE_SIP,
    JOURNAL_ROLE_MEDIA, /* a stream's packets */
    JOURNAL_ROLE_APART, /* packets on a stream's port that are not, or not yet, the stream's */
};

/* What an interface stands for; in the journal as if_name "label=<label> mline=<i>" and
 * if_description, a JSON object with these members (role as "media" or "apart"). */
struct journal_interface {
    enum journal_role role;
    uint32_t stream;   /* which stream of the recording, from 0: stays when its address or m-line
                          changes */
    struct view label; /* a=label, may be empty */
    uint32_t mline;    /* from 0 */
    struct addr advertised; /* in our SDP: the destination of the packets */
    struct addr bound;      /* the real local address */
    struct addr relay;      /* unset: none */
    struct view more;       /* a JSON object whose members join the description, or empty */
};

/* A TCP connection, for sequence numbers that make sense to a dissector. */
struct journal_tcp {
    struct addr local, peer;
    uint32_t sent[2]; /* next sequence number from local, from peer */
    uint32_t used;    /* for least recently used */
};

struct journal_writer {
    struct writer out; /* failed is never left set: what does not fit is not begun */
    uint32_t interfaces;
    uint32_t ticks;
    struct journal_tcp tcp[JOURNAL_TCP_FLOWS];
};

/* Borrows the buffer, size >= JOURNAL_BUFFER_MIN. Nothing below allocates; each put is all or
 * nothing, and false means that the buffer is too full: take what is there, then put again. */
void journal_writer_init(struct journal_writer *w, void *buffer, size_t size);
/* Goes on with a file that has so many interfaces (recover.h). */
void journal_writer_resume(struct journal_writer *w, void *buffer, size_t size,
                           uint32_t interfaces);
/* Another buffer; the old one must be empty. So one buffer a worker can
 * serve all its recordings. */
void journal_writer_use(struct journal_writer *w, void *buffer, size_t size);
/* The whole blocks put so far; journal_writer_clear() when they are written. */
struct view journal_writer_pending(const struct journal_writer *w);
void journal_writer_clear(struct journal_writer *w);

/* The file's head: section header and interface 0. more: a JSON object whose members join the
 * comment {"siprecd":1,...}, "id" and "call_id" at least (event.h builds one); may be empty. */
WARN_UNUSED bool journal_writer_start(struct journal_writer *w, struct view more);
/* A new interface; *number is what packets and events name. */
WARN_UNUSED bool journal_writer_interface(struct journal_writer *w,
                                          const struct journal_interface *description,
                                          uint32_t *number);

/* The headers of the UDP packets of one direction, made once, so that a packet costs two copies and
 * a sum. */
struct journal_flow {
    uint32_t interface;
    uint32_t ip_sum;  /* of the IPv4 header without its length */
    uint32_t udp_sum; /* of pseudo-header and ports */
    uint8_t head_len; /* IP and UDP */
    uint8_t head[48];
};

/* source: the peer as seen; destination: what our SDP advertised. Both of one family and set; when
 * they are not (we advertised IPv4 and the peer came by IPv6), both are written in IPv6, IPv4 as
 * ::ffff:. */
void journal_flow_init(struct journal_flow *flow, uint32_t interface, const struct addr *source,
                       const struct addr *destination);

/* One RTP or RTCP packet, at most 65,507 bytes, with its arrival. comment: one line of event.h, or
 * empty. */
WARN_UNUSED bool journal_writer_packet(struct journal_writer *w, const struct journal_flow *flow,
                                       struct wall arrival, struct view payload,
                                       struct view comment);
/* A comment on an empty IP packet (protocol 59): on the stream's interface, or
 * JOURNAL_INTERFACE_SIP when it belongs to the recording. */
WARN_UNUSED bool journal_writer_event(struct journal_writer *w, uint32_t interface,
                                      struct wall time, struct view comment);

struct journal_message {
    struct addr source, destination;
    bool tcp;  /* TCP or TLS */
    bool sent; /* by us: source is our address */
    struct wall time;
    struct view bytes;   /* the whole SIP message as it was on the wire */
    struct view comment; /* or empty */
};

/* One SIP message of any size. *done: 0 at first; when the answer is false, take what is there and
 * call again with the same message and *done. UDP messages are one datagram, so that a buffer of
 * JOURNAL_BUFFER_SIP is wanted; what fits no empty buffer or no datagram is written as TCP
 * segments. */
WARN_UNUSED bool journal_writer_sip(struct journal_writer *w, const struct journal_message *message,
                                    size_t *done);

#endif
