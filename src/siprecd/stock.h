/* stock: a worker's media ports: bound sockets held ready, lent to streams, resting.
 * Not here: which port numbers rest how long (io/ports.h), what arrives on them.
 * RFC 3550 section 11 (pairs of ports). */
#ifndef SIPRECD_STOCK_H
#define SIPRECD_STOCK_H

#include "base/datagram.h"
#include "io/mailbox.h"
#include "io/sweep.h"
#include "recorder/recorder.h"
#include "siprecd/values.h"

struct stock;

struct stock_config {
    uint32_t worker, workers;
    uint16_t port_min, port_max;
    size_t binds_count;
    struct addr binds[VALUES_ADDRESSES_MAX];
    int64_t ready;    /* ports held ready for each bind address, or VALUES_AUTO */
    uint32_t streams; /* at once */
    uint8_t seed[32];
    struct media *media;           /* keeps their addresses outside; borrowed */
    struct io_sweep *sweep;        /* takes up the sockets; borrowed */
    struct io_mailbox *signalling; /* gets the tickets; borrowed */
};

/* How many port ids such a stock has: they run from 0 to one less. */
uint32_t stock_ports(const struct stock_config *config);

struct stock *stock_create(const struct stock_config *config);

/* Closes all sockets; they leave the sweep. */
void stock_destroy(struct stock *stock);

/* Opens ports until enough stand ready for each bind address, and posts their tickets. Tells
 * signalling when no port is left, and when there is again. */
void stock_refill(struct stock *stock, struct tick now);

/* The host's addresses may be others than before: ports that stand ready on one that went are closed,
 * and opened again when it is back. Lent ones keep their sockets, which work again then. */
void stock_look(struct stock *stock, struct tick now);

/* When stock_refill should be called again although nothing happened; TICK_NEVER if not. */
struct tick stock_deadline(const struct stock *stock);

/* Whether addresses outside are kept for ports that stand ready. */
void stock_keep(struct stock *stock, bool keep);

/* What media knows of a port now: its ticket goes to signalling again. False: there is no room for
 * it now. */
WARN_UNUSED bool stock_tell(struct stock *stock, struct tick now,
                            const struct media_port_news *news);

/* A stream has the port now; the first time after it stood ready. False: it has been closed since its
 * ticket was told, its number may be another stream's by now, and signalling hears of that once more. */
WARN_UNUSED bool stock_lend(struct stock *stock, struct tick now, uint32_t port,
                            uint32_t generation);

/* The port, lent or ready, may close and rest. An old generation's: nothing. */
void stock_return(struct stock *stock, struct tick now, uint32_t port, uint32_t generation);

/* The descriptor of a media socket (MEDIA_SOCKET), or -1. */
int stock_fd(const struct stock *stock, uint32_t socket);

/* Adds what the kernel dropped on these sockets to the metric. */
void stock_count_drops(struct stock *stock, const struct datagram *datagrams, size_t count);

size_t stock_lent(const struct stock *stock);

#endif
