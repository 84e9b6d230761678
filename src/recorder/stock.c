/* stock: see stock.h. A plain array, walked from the front: stocks are tens of ports, not
 * thousands.
 * Not here: when ports come and go.
 * RFC: none. */
#include "recorder/stock.h"

#include <stdlib.h>
#include <string.h>

#define WORKERS_MAX 256

void recorder_stock_finish(struct recorder_stock *stock)
{
    free(stock->tickets);
    memset(stock, 0, sizeof *stock);
}

bool recorder_stock_put(struct recorder_stock *stock, const struct recorder_ticket *ticket)
{
    if (stock->count == stock->room) {
        uint32_t room = stock->room ? stock->room * 2 : 64;
        struct recorder_ticket *bigger = realloc(stock->tickets, room * sizeof *bigger);
        if (!bigger)
            return false;
        stock->tickets = bigger;
        stock->room = room;
    }
    stock->tickets[stock->count++] = *ticket;
    return true;
}

/* 0: of no use; else the better the higher. A port on a wildcard address can be advertised as the
 * address that the SRC's SIP reached, if that is of the right family. */
static unsigned worth(const struct recorder_ticket *ticket, const struct recorder_wish *wish)
{
    if (wish->worker != RECORDER_ANY_WORKER && ticket->worker != wish->worker)
        return 0;
    if (ticket->bound.family != wish->family)
        return 0;
    if (addr_is_unspecified(&ticket->bound))
        return wish->near.family == wish->family || wish->has_own[wish->family == ADDR_V6] ? 2 : 0;
    return addr_equal_ip(&ticket->bound, &wish->near) ? 3 : 1;
}

uint32_t recorder_stock_count(const struct recorder_stock *stock, const struct recorder_wish *wish)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < stock->count; i++)
        count += worth(&stock->tickets[i], wish) > 0;
    return count;
}

/* The worker with most to lend has least to do. */
static uint32_t choose_worker(const struct recorder_stock *stock, const struct recorder_wish *wish)
{
    uint32_t lent[WORKERS_MAX] = {0}, best = 0;
    for (uint32_t i = 0; i < stock->count; i++) {
        uint32_t worker = stock->tickets[i].worker;
        if (worker < WORKERS_MAX && worth(&stock->tickets[i], wish) > 0)
            lent[worker]++;
    }
    for (uint32_t i = 1; i < WORKERS_MAX; i++) {
        if (lent[i] > lent[best])
            best = i;
    }
    return best;
}

bool recorder_stock_take(struct recorder_stock *stock, const struct recorder_wish *wish,
                         struct recorder_ticket out[], uint32_t count)
{
    struct recorder_wish from = *wish;
    if (count == 0)
        return true;
    if (from.worker == RECORDER_ANY_WORKER)
        from.worker = choose_worker(stock, wish);
    if (recorder_stock_count(stock, &from) < count)
        return false;
    uint32_t taken = 0;
    for (unsigned grade = 3; grade > 0 && taken < count; grade--) {
        uint32_t left = 0;
        for (uint32_t i = 0; i < stock->count; i++) {
            if (taken < count && worth(&stock->tickets[i], &from) == grade)
                out[taken++] = stock->tickets[i];
            else
                stock->tickets[left++] = stock->tickets[i];
        }
        stock->count = left;
    }
    return true;
}
