/* mailbox: plain messages from any thread to one thread: a bounded ring and an eventfd that wakes.
 * Not here: what the messages mean, waiting for room.
 * RFC: none. */
#ifndef IO_MAILBOX_H
#define IO_MAILBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/view.h"

struct io_mailbox;

/* A mailbox for capacity (a power of two) items of item_size bytes each; NULL with errno set when
 * there is no memory or no descriptor. Any thread may post; one thread, the owner, takes. */
struct io_mailbox *io_mailbox_create(size_t item_size, size_t capacity);
void io_mailbox_destroy(struct io_mailbox *mailbox);

/* Copies one item in and wakes the owner if it sleeps. False: full, nothing was posted and the
 * caller still owns what the item points to. Wait-free but for the claim of a cell; no lock. */
WARN_UNUSED bool io_mailbox_post(struct io_mailbox *mailbox, const void *item);

/* Copies the oldest item out; false when there is none. Owner only. */
bool io_mailbox_take(struct io_mailbox *mailbox, void *item);

/* Becomes readable when an item was posted to a sleeping owner. */
int io_mailbox_fd(const struct io_mailbox *mailbox);

/* To be called by the owner before it sleeps on the fd: true if there is nothing to take, and from
 * now on a post wakes it; false: take first. */
WARN_UNUSED bool io_mailbox_sleep(struct io_mailbox *mailbox);

/* To be called by the owner after it slept: posts no longer wake it. */
void io_mailbox_awake(struct io_mailbox *mailbox);

#endif
