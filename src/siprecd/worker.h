/* worker: one media worker: a thread that owns media ports, sweeps them, feeds media and writes the
 * journals.
 * Not here: what a packet means (media), when calls begin and end (signalling).
 * RFC 3550 section 11 (pairs of ports). */
#ifndef SIPRECD_WORKER_H
#define SIPRECD_WORKER_H

#include "io/mailbox.h"
#include "siprecd/mail.h"

struct worker;

enum { WORKER_BINDS_MAX = VALUES_ADDRESSES_MAX };

struct worker_config {
    uint32_t index;   /* this worker's number */
    uint32_t workers; /* how many share the port range */
    const char *root; /* recordings.directory; borrowed */
    uint16_t port_min, port_max;
    uint16_t mux_port, tcp_port; /* of worker 0; 0: none */
    size_t binds_count;
    struct addr binds[WORKER_BINDS_MAX]; /* each has the whole range; port 0 */
    uint32_t recordings;                 /* at once */
    uint32_t streams;
    const char *tls_ca;            /* sip.tls_ca; borrowed */
    int64_t ready;                 /* media ports held ready for each bind address, or
                                      VALUES_AUTO */
    struct io_mailbox *signalling; /* struct signalling_mail; borrowed */
    _Atomic uint64_t *written;     /* grows by the bytes written; borrowed */
};

/* Makes the worker and starts its thread, which fills its stock of ports at once. NULL with errno
 * set. */
struct worker *worker_create(const struct worker_config *config);

/* Any thread; struct worker_mail. */
struct io_mailbox *worker_mailbox(struct worker *worker);

/* Waits for the thread to end, which WORKER_STOP makes it, and frees all. NULL is harmless. */
void worker_destroy(struct worker *worker);

#endif
