/* outbox: mail from signalling to one worker; what its mailbox has no room for waits here, in
 * order.
 * Not here: the mailbox (io/mailbox.h).
 * RFC: none. */
#ifndef SIPRECD_OUTBOX_H
#define SIPRECD_OUTBOX_H

#include "io/mailbox.h"
#include "siprecd/mail.h"

struct outbox;

/* Borrows the mailbox. NULL when memory is out. */
struct outbox *outbox_create(struct io_mailbox *mailbox);

/* Frees it, and what still waits. NULL is harmless. */
void outbox_destroy(struct outbox *outbox);

/* Posts mail, or keeps it until there is room: a worker that waits for its disk must not lose what
 * it is told. Takes what the mail holds. */
void outbox_post(struct outbox *outbox, const struct worker_mail *mail);

/* Posts what waits, as far as there is room. */
void outbox_retry(struct outbox *outbox);

bool outbox_waits(const struct outbox *outbox);

#endif
