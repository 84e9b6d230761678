/* outbox: mail from signalling to one worker; what its mailbox has no room for waits here, in
 * order.
 * Not here: the mailbox (io/mailbox.h).
 * RFC: none. */
#include "siprecd/outbox.h"

#include <stdlib.h>

#include "base/list.h"
#include "base/log.h"

struct outbox_waiting {
    struct list link;
    struct worker_mail mail;
};

struct outbox {
    struct io_mailbox *mailbox;
    struct list waiting;
};

struct outbox *outbox_create(struct io_mailbox *mailbox)
{
    struct outbox *outbox = calloc(1, sizeof *outbox);
    if (!outbox)
        return NULL;
    outbox->mailbox = mailbox;
    list_init(&outbox->waiting);
    return outbox;
}

static void outbox_drop(const struct worker_mail *mail)
{
    struct worker_mail copy = *mail;
    if (copy.kind == WORKER_COMMAND)
        media_command_finish(&copy.command);
    else if (copy.kind == WORKER_NETWORK)
        free(copy.network);
}

void outbox_destroy(struct outbox *outbox)
{
    if (!outbox)
        return;
    list_each_safe (at, &outbox->waiting) {
        struct outbox_waiting *waiting = container_of(at, struct outbox_waiting, link);
        outbox_drop(&waiting->mail);
        free(waiting);
    }
    free(outbox);
}

void outbox_post(struct outbox *outbox, const struct worker_mail *mail)
{
    struct outbox_waiting *waiting;
    if (list_is_empty(&outbox->waiting) && io_mailbox_post(outbox->mailbox, mail))
        return;
    waiting = malloc(sizeof *waiting);
    if (!waiting) {
        LOG_ERROR("siprecd", VIEW_NONE, "out of memory: a command to a media worker is lost");
        outbox_drop(mail);
        return;
    }
    *waiting = (struct outbox_waiting){.mail = *mail};
    list_append(&outbox->waiting, &waiting->link);
}

void outbox_retry(struct outbox *outbox)
{
    list_each_safe (at, &outbox->waiting) {
        struct outbox_waiting *waiting = container_of(at, struct outbox_waiting, link);
        if (!io_mailbox_post(outbox->mailbox, &waiting->mail))
            return;
        list_remove(at);
        free(waiting);
    }
}

bool outbox_waits(const struct outbox *outbox)
{
    return !list_is_empty(&outbox->waiting);
}
