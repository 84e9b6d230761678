/* signalling: the thread that answers SIP and decides about calls: sip and recorder driven by
 * sockets, workers' mail and clocks.
 * Not here: packets and journals (worker), files and renders (keeper).
 * RFC 3261 section 18 (transport). */
#ifndef SIPRECD_SIGNALLING_H
#define SIPRECD_SIGNALLING_H

#include "api/board.h"
#include "catalog/catalog.h"
#include "io/mailbox.h"
#include "sip/flow.h"
#include "siprecd/keeper.h"
#include "siprecd/mail.h"
#include "siprecd/settings.h"
#include "siprecd/worker.h"

struct signalling;

enum { SIGNALLING_WORKERS_MAX = 16 };

struct signalling_config {
    struct signalling_settings settings;
    enum sip_force_rport force_rport;
    struct outbound_settings outbound;
    struct values_addresses http; /* where the API listens: for the report */
    struct io_mailbox *mailbox;   /* its own; borrowed, as all that follows */
    struct worker *workers[SIGNALLING_WORKERS_MAX];
    size_t workers_count;
    const char *directory; /* where the network's profile is kept */
    struct api_board *board;
    struct catalog *catalog;
    struct keeper *keeper;
    struct doctor *doctor;
};

/* Opens the listeners. NULL with a sentence in error. The thread starts with signalling_start. */
struct signalling *signalling_create(const struct signalling_config *config, char *error,
                                     size_t error_size);

/* Tells the recorder's settings of the listeners, by their numbers. */
void signalling_name_listeners(struct recorder_settings *recorder,
                               const struct values_listeners *listeners);

/* What listener number index is bound to. */
struct addr signalling_bound(const struct signalling *signalling, size_t index);

/* What an earlier run learned of an SRC (RECORDER_SRC); before signalling_start. */
void signalling_remember(struct signalling *signalling, const struct catalog_src *src);

/* From now on SIP is answered. 0 or an errno. */
WARN_UNUSED int signalling_start(struct signalling *signalling);

/* True once the thread drains and no call is left; or was told to stop. Any thread. */
bool signalling_is_over(const struct signalling *signalling);

/* Calls going on. Any thread. */
uint32_t signalling_calls(const struct signalling *signalling);

/* Any thread; false when its mailbox is full. */
WARN_UNUSED bool signalling_tell(struct signalling *signalling, enum signalling_mail_kind kind,
                                 bool on);

/* Stops the thread and frees all. NULL is harmless. */
void signalling_destroy(struct signalling *signalling);

#endif
