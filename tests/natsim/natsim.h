/* natsim: a simulated network of hosts behind chains of NATs and firewalls: the clock jumps to the
 * next event; links delay, lose, repeat, re-order and cut off by a seeded rng; datagrams, and TCP
 * connections as ordered bytes.
 * Not here: what a NAT does (natbox.h), what hosts say.
 * RFC: none. A realm is an address space; realm 0 is the public one. Each other has one NAT or
 * firewall towards the realm outside it. A host may have addresses in several realms (an IPv4 one
 * behind a NAT and an IPv6 one behind a firewall, say). */
#ifndef NATSIM_NATSIM_H
#define NATSIM_NATSIM_H

#include "natsim/natbox.h"

enum {
    NATSIM_REALMS = 16,
    NATSIM_HOSTS = 32,
    NATSIM_INTERFACES = 64,
    NATSIM_LISTENERS = 32,
    NATSIM_DATAGRAM = 1500,
};

struct natsim;

enum natsim_kind {
    NATSIM_DATAGRAM_CAME,
    NATSIM_ACCEPTED, /* a connection to a port that the host listens on: `stream` is its number */
    NATSIM_OPENED,   /* natsim_connect was answered */
    NATSIM_BYTES,    /* of a connection */
    NATSIM_REFUSED, /* ICMP: nobody is at the port that a datagram of ours went to, now in `from` */
    NATSIM_CLOSED, /* by the other side, refused, or not to be had; the number means nothing more */
};

/* Something has arrived: from as the host sees it, to is its own address. */
struct natsim_packet {
    struct addr from, to;
    struct view bytes;
    enum natsim_kind kind;
    size_t stream; /* this host's end; 0 for datagrams */
};
/* What comes over a connection comes only to hosts that listen or connect. */
typedef void natsim_receive(struct natsim *sim, void *context, const struct natsim_packet *packet);

/* Chances are 0..1. sim->link is what lies between; each interface may have one of its own, which is
 * passed besides. On connections what is lost or re-ordered comes late. */
struct natsim_link {
    double loss, repeat, reorder;
    int64_t delay_us, jitter_us; /* one way, the least; and evenly on top of it */
    size_t mtu; /* longer datagrams (IP's and UDP's headers not counted) vanish; 0: none */
    bool down;
};

struct natsim_host {
    natsim_receive *receive;
    void *context;
    bool hears_refusals; /* NATSIM_REFUSED comes to it */
};

struct natsim_interface {
    size_t host, realm;
    struct addr address; /* any port; unset: free place */
    struct natsim_link link;
};

struct natsim_listener {
    size_t host;
    uint16_t port;
};

struct natsim_flight;
struct natsim_stream;

struct natsim {
    struct tick now;
    struct rng rng;
    uint64_t seed;
    struct natsim_link link;
    struct natbox boxes[NATSIM_REALMS];     /* of the realm of the same number, for UDP */
    struct natbox tcp_boxes[NATSIM_REALMS]; /* and for TCP: the same options, mappings of its own */
    size_t outside[NATSIM_REALMS];          /* the realm that its box leads to */
    size_t realm_count;
    struct natsim_host hosts[NATSIM_HOSTS];
    size_t host_count;
    struct natsim_interface interfaces[NATSIM_INTERFACES];
    size_t interface_count;
    struct natsim_listener listeners[NATSIM_LISTENERS];
    size_t listener_count;
    struct natsim_stream *streams; /* 0 is none */
    size_t stream_count, stream_room;
    struct natsim_flight *flights;      /* in the order that they arrive */
    const struct natsim_flight *handed; /* what its receiver is being told of */
    uint64_t sent, arrived, dropped;
};

void natsim_init(struct natsim *sim, uint64_t seed);
void natsim_finish(struct natsim *sim);
/* A realm behind a new box whose outside is realm `outside`; its number. */
size_t natsim_realm(struct natsim *sim, size_t outside, const struct natbox_options *options);
/* Both protocols' tables are lost; forwarded ports too. */
void natsim_reboot(struct natsim *sim, size_t realm);
/* And it has another address outside (a new lease). */
void natsim_renumber(struct natsim *sim, size_t realm, struct addr external);

/* The host's number. */
size_t natsim_host(struct natsim *sim, size_t realm, struct addr address, natsim_receive *receive,
                   void *context);
/* One more address of a host; in any realm. */
struct natsim_interface *natsim_interface(struct natsim *sim, size_t host, size_t realm,
                                          struct addr address);
/* The interface with this address; NULL when the host has none. Borrowed for as long as it is there. */
struct natsim_interface *natsim_interface_find(struct natsim *sim, size_t host,
                                               const struct addr *address);
/* The address is gone: what is sent from it, or comes to it, is dropped. */
void natsim_interface_remove(struct natsim *sim, size_t host, const struct addr *address);

/* A host sends; from has one of its addresses and the port it sends from. False when it has no such
 * address (any more). */
bool natsim_send(struct natsim *sim, size_t host, struct addr from, struct addr to,
                 struct view bytes);
/* For a receiver, of the datagram that it is being handed: its port is closed, and the sender will hear
 * so by ICMP. NATs pass such errors for what left through them (RFC 5508 §4). */
void natsim_refuse(struct natsim *sim);
/* The same with so few hops to live that it passes one box less and is heard by nobody. */
bool natsim_send_near(struct natsim *sim, size_t host, struct addr from, struct addr to,
                      unsigned hops);
/* The same, but it leaves only so much later: a slow server. */
bool natsim_send_late(struct natsim *sim, size_t host, struct addr from, struct addr to,
                      struct view bytes, int64_t late_us);

/* From now on connections to this port of any of the host's addresses are accepted. */
void natsim_listen(struct natsim *sim, size_t host, uint16_t port);
/* Opens a connection; its number, over 0. NATSIM_OPENED or NATSIM_CLOSED will come. */
size_t natsim_connect(struct natsim *sim, size_t host, struct addr from, struct addr to);
/* Nothing happens when the connection is gone. */
void natsim_stream_send(struct natsim *sim, size_t stream, struct view bytes);
void natsim_stream_close(struct natsim *sim, size_t stream);
bool natsim_stream_is_open(const struct natsim *sim, size_t stream);
/* As a host that loses power: nobody is told; who sends on them is refused. */
void natsim_streams_forget(struct natsim *sim, size_t host);

/* When the next thing arrives; TICK_NEVER. */
struct tick natsim_next(const struct natsim *sim);
/* Jumps to until, and on the way hands over what arrives; not back in time. */
void natsim_run(struct natsim *sim, struct tick until);

#endif
