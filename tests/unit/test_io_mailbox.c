/* Mail between threads: nothing lost, nothing twice, in order for each sender; full is said; a
 * sleeping owner is woken. Run under ThreadSanitizer by `make tsan`.
 * Not here: what mail means.
 * RFC: none. */
#include "io/mailbox.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>

#include "tap.h"

struct item {
    uint32_t sender;
    uint32_t number;
    uint64_t check;
    char more[40];
};

static void test_order_and_room(void)
{
    struct io_mailbox *mailbox = io_mailbox_create(sizeof(int), 8);
    int taken = 0;

    for (int lap = 0; lap < 5; lap++) {
        for (int i = 0; i < 8; i++)
            CHECK(io_mailbox_post(mailbox, &i));
        CHECK(!io_mailbox_post(mailbox, &taken));
        for (int i = 0; i < 8; i++)
            CHECK(io_mailbox_take(mailbox, &taken) && taken == i);
        CHECK(!io_mailbox_take(mailbox, &taken));
    }
    io_mailbox_destroy(mailbox);
}

static bool is_readable(const struct io_mailbox *mailbox)
{
    struct pollfd waiting = {.fd = io_mailbox_fd(mailbox), .events = POLLIN};

    return poll(&waiting, 1, 0) == 1;
}

static void test_wakes_only_sleepers(void)
{
    struct io_mailbox *mailbox = io_mailbox_create(sizeof(int), 8);
    int item = 1;

    CHECK(io_mailbox_post(mailbox, &item));
    CHECK(!is_readable(mailbox));
    CHECK(!io_mailbox_sleep(mailbox)); /* there is something to take */
    CHECK(io_mailbox_take(mailbox, &item));
    CHECK(io_mailbox_sleep(mailbox));
    CHECK(!is_readable(mailbox));
    CHECK(io_mailbox_post(mailbox, &item));
    CHECK(is_readable(mailbox));
    io_mailbox_awake(mailbox);
    CHECK(!is_readable(mailbox));
    io_mailbox_destroy(mailbox);
}

enum { SENDERS = 4, ITEMS = 30000 };

struct sender {
    struct io_mailbox *mailbox;
    uint32_t number;
    pthread_t thread;
};

static void *send_all(void *argument)
{
    struct sender *sender = argument;

    for (uint32_t i = 0; i < ITEMS; i++) {
        struct item item = {.sender = sender->number,
                            .number = i,
                            .check = (uint64_t)i * 2654435761u + sender->number};
        while (!io_mailbox_post(sender->mailbox, &item))
            sched_yield();
    }
    return NULL;
}

/* The owner sleeps whenever it may; a lost wake-up shows as the poll's time-out. */
static void test_many_senders(void)
{
    struct io_mailbox *mailbox = io_mailbox_create(sizeof(struct item), 64);
    struct sender senders[SENDERS];
    uint32_t next[SENDERS] = {0};
    uint32_t total = 0;
    bool ok = true;
    bool woken = true;

    for (uint32_t i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){.mailbox = mailbox, .number = i};
        CHECK(pthread_create(&senders[i].thread, NULL, send_all, &senders[i]) == 0);
    }
    while (total < SENDERS * ITEMS && ok && woken) {
        struct item item;
        while (io_mailbox_take(mailbox, &item)) {
            ok = ok && item.sender < SENDERS && item.number == next[item.sender]++ &&
                 item.check == (uint64_t)item.number * 2654435761u + item.sender;
            total++;
        }
        if (total < SENDERS * ITEMS && io_mailbox_sleep(mailbox)) {
            struct pollfd waiting = {.fd = io_mailbox_fd(mailbox), .events = POLLIN};
            woken = poll(&waiting, 1, 20000) == 1;
            io_mailbox_awake(mailbox);
        }
    }
    CHECK(ok);
    CHECK(woken);
    CHECK_INT(total, SENDERS * ITEMS);
    for (uint32_t i = 0; i < SENDERS; i++)
        pthread_join(senders[i].thread, NULL);
    io_mailbox_destroy(mailbox);
}

int main(void)
{
    RUN(test_order_and_room);
    RUN(test_wakes_only_sleepers);
    RUN(test_many_senders);
    return tap_done();
}
