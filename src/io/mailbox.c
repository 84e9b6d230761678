/* mailbox: plain messages from any thread to one thread: a bounded ring and an eventfd that wakes.
 * Not here: what the messages mean, waiting for room.
 * RFC: none. */
#include "io/mailbox.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* The ring is Dmitry Vyukov's bounded queue: each cell's turn says whose move it is. A cell is free
 * for the producer that claimed position p when turn == p, full for the consumer when turn == p +
 * 1, and free again for the next lap when turn == p + capacity. */
struct mailbox_cell {
    _Atomic size_t turn;
    _Alignas(max_align_t) unsigned char item[];
};

struct io_mailbox {
    size_t item_size;
    size_t cell_size;
    size_t mask;
    unsigned char *cells;
    int event_fd;
    _Alignas(64) _Atomic size_t tail; /* producers */
    _Alignas(64) size_t head;         /* owner */
    _Alignas(64) atomic_bool sleeping;
};

static struct mailbox_cell *mailbox_cell_at(struct io_mailbox *mailbox, size_t position)
{
    return (struct mailbox_cell *)(void *)(mailbox->cells +
                                           (position & mailbox->mask) * mailbox->cell_size);
}

struct io_mailbox *io_mailbox_create(size_t item_size, size_t capacity)
{
    size_t align = _Alignof(max_align_t);
    struct io_mailbox *mailbox;
    assert(item_size > 0 && capacity >= 2 && (capacity & (capacity - 1)) == 0);
    mailbox = aligned_alloc(64, (sizeof *mailbox + 63) / 64 * 64);
    if (!mailbox)
        return NULL;
    memset(mailbox, 0, sizeof *mailbox);
    mailbox->item_size = item_size;
    mailbox->cell_size = (sizeof(struct mailbox_cell) + item_size + align - 1) / align * align;
    mailbox->mask = capacity - 1;
    mailbox->cells = calloc(capacity, mailbox->cell_size);
    mailbox->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!mailbox->cells || mailbox->event_fd < 0) {
        io_mailbox_destroy(mailbox);
        return NULL;
    }
    for (size_t i = 0; i < capacity; i++)
        atomic_init(&mailbox_cell_at(mailbox, i)->turn, i);
    atomic_init(&mailbox->tail, 0);
    atomic_init(&mailbox->sleeping, false);
    return mailbox;
}

void io_mailbox_destroy(struct io_mailbox *mailbox)
{
    if (!mailbox)
        return;
    if (mailbox->event_fd >= 0)
        close(mailbox->event_fd);
    free(mailbox->cells);
    free(mailbox);
}

bool io_mailbox_post(struct io_mailbox *mailbox, const void *item)
{
    size_t position = atomic_load_explicit(&mailbox->tail, memory_order_relaxed);
    struct mailbox_cell *cell;
    for (;;) {
        size_t turn;
        cell = mailbox_cell_at(mailbox, position);
        turn = atomic_load_explicit(&cell->turn, memory_order_acquire);
        if (turn == position) {
            if (atomic_compare_exchange_weak_explicit(&mailbox->tail, &position, position + 1,
                                                      memory_order_relaxed, memory_order_relaxed)) {
                break;
            }
        } else if ((ptrdiff_t)(turn - position) < 0) {
            return false;
        } else {
            position = atomic_load_explicit(&mailbox->tail, memory_order_relaxed);
        }
    }
    memcpy(cell->item, item, mailbox->item_size);
    /* Sequentially consistent with the owner's store of sleeping and load of turn: either it sees
     * this item before it sleeps, or we see that it sleeps. */
    atomic_store(&cell->turn, position + 1);
    if (atomic_load(&mailbox->sleeping) && atomic_exchange(&mailbox->sleeping, false)) {
        uint64_t one = 1;
        ssize_t wrote = write(mailbox->event_fd, &one, sizeof one);
        assert(wrote == (ssize_t)sizeof one || errno == EAGAIN);
    }
    return true;
}

bool io_mailbox_take(struct io_mailbox *mailbox, void *item)
{
    struct mailbox_cell *cell = mailbox_cell_at(mailbox, mailbox->head);
    if (atomic_load_explicit(&cell->turn, memory_order_acquire) != mailbox->head + 1)
        return false;
    memcpy(item, cell->item, mailbox->item_size);
    atomic_store_explicit(&cell->turn, mailbox->head + mailbox->mask + 1, memory_order_release);
    mailbox->head++;
    return true;
}

int io_mailbox_fd(const struct io_mailbox *mailbox)
{
    return mailbox->event_fd;
}

bool io_mailbox_sleep(struct io_mailbox *mailbox)
{
    struct mailbox_cell *cell = mailbox_cell_at(mailbox, mailbox->head);
    atomic_store(&mailbox->sleeping, true);
    if (atomic_load(&cell->turn) == mailbox->head + 1) {
        io_mailbox_awake(mailbox);
        return false;
    }
    return true;
}

void io_mailbox_awake(struct io_mailbox *mailbox)
{
    uint64_t count;
    atomic_store(&mailbox->sleeping, false);
    if (read(mailbox->event_fd, &count, sizeof count) < 0)
        assert(errno == EAGAIN || errno == EINTR);
}
