/* dns: where a SIP URI leads: NAPTR, SRV and addresses, without waiting in one place.
 * Not here: names of STUN and TURN servers (resolve.h), connecting.
 * RFC 3263 §4, RFC 2782 (order of SRV records). */
#ifndef IO_DNS_H
#define IO_DNS_H

#include "base/addr.h"
#include "base/rng.h"
#include "base/tick.h"
#include "io/loop.h"

struct io_dns;

enum { IO_DNS_PLACES_MAX = 16 };

enum io_dns_protocol {
    IO_DNS_UDP,
    IO_DNS_TCP,
    IO_DNS_TLS,
};

struct io_dns_question {
    const char *host; /* name or literal, no brackets; borrowed for the call */
    uint16_t port;    /* 0: none given */
    bool secure;      /* sips: */
    bool protocol_given;
    enum io_dns_protocol protocol;
};

struct io_dns_place {
    enum io_dns_protocol protocol;
    struct addr addr;
    unsigned
        rank; /* the same for places that are as good as each other: of one protocol and priority */
};

struct io_dns_answer {
    uint64_t id;
    size_t count;                                /* 0: nowhere */
    struct io_dns_place list[IO_DNS_PLACES_MAX]; /* best first */
};

/* Works on loop (borrowed); tokens carry tag in their top 8 bits. servers: "127.0.0.1:5300,..."
 * or NULL for the system's, which are read again for each question. NULL when memory is out. */
struct io_dns *io_dns_create(struct io_loop *loop, uint8_t tag, const uint8_t seed[32],
                             const char *servers);
void io_dns_destroy(struct io_dns *dns);

/* Begins to look; the answer comes with the returned id. 0: too many questions, or no memory. */
WARN_UNUSED uint64_t io_dns_ask(struct io_dns *dns, struct tick now,
                                const struct io_dns_question *question);

void io_dns_ready(struct io_dns *dns, struct tick now, const struct io_ready *ready);
void io_dns_expire(struct io_dns *dns, struct tick now);
struct tick io_dns_deadline(const struct io_dns *dns, struct tick now);

/* The next answer, until false. */
bool io_dns_answer(struct io_dns *dns, struct io_dns_answer *answer);

#endif
