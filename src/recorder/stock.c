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
    free(stock->relays);
    memset(stock, 0, sizeof *stock);
}

static bool grow(void **list, uint32_t count, uint32_t *room, size_t size)
{
    if (count < *room)
        return true;
    uint32_t more = *room ? *room * 2 : 64;
    void *bigger = realloc(*list, more * size);
    if (!bigger)
        return false;
    *list = bigger;
    *room = more;
    return true;
}

struct recorder_ticket *recorder_stock_find(struct recorder_stock *stock,
                                            const struct recorder_port *port)
{
    for (uint32_t i = 0; i < stock->count; i++) {
        struct recorder_ticket *ticket = &stock->tickets[i];
        if (ticket->worker == port->worker && ticket->port == port->port &&
            ticket->generation == port->generation)
            return ticket;
    }
    return NULL;
}

bool recorder_stock_drop(struct recorder_stock *stock, const struct recorder_port *port)
{
    struct recorder_ticket *ticket = recorder_stock_find(stock, port);
    if (!ticket)
        return false;
    size_t at = (size_t)(ticket - stock->tickets);
    memmove(ticket, ticket + 1, (stock->count - at - 1) * sizeof *ticket);
    stock->count--;
    return true;
}

bool recorder_stock_put(struct recorder_stock *stock, const struct recorder_ticket *ticket)
{
    if (!grow((void **)&stock->tickets, stock->count, &stock->room, sizeof *stock->tickets))
        return false;
    stock->tickets[stock->count++] = *ticket;
    return true;
}

/* Of an address that has gone: its worker has not withdrawn it yet. */
enum { WORTH_LEAST = 1, WORTH_MOST = 11 };

/* Of two the better one is that whose address outside is known: behind a NAT it can be answered with,
 * elsewhere it is as good as the other. One that the gateway maps lets everybody in, if that is the last NAT. */
static unsigned grade(unsigned by_address, const struct recorder_ticket *ticket,
                      const struct recorder_wish *wish)
{
    bool mapped = addr_is_set(&ticket->mapped);
    unsigned known = mapped && wish->trusts_mapping ? 2 : mapped || addr_is_set(&ticket->seen);
    return 3 * by_address + known;
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
        return wish->near.family == wish->family || wish->has_own[wish->family == ADDR_V6]
                   ? grade(2, ticket, wish)
                   : 0;
    if (wish->here_count > 0 && !addr_is_loopback(&ticket->bound) &&
        !addr_is_among(wish->here, wish->here_count, &ticket->bound))
        return WORTH_LEAST;
    return grade(addr_equal_ip(&ticket->bound, &wish->near) ? 3 : 1, ticket, wish);
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
    for (unsigned wanted = WORTH_MOST; wanted > 0 && taken < count; wanted--) {
        uint32_t left = 0;
        for (uint32_t i = 0; i < stock->count; i++) {
            if (taken < count && worth(&stock->tickets[i], &from) == wanted)
                out[taken++] = stock->tickets[i];
            else
                stock->tickets[left++] = stock->tickets[i];
        }
        stock->count = left;
    }
    return true;
}

uint32_t recorder_stock_worker(const struct recorder_stock *stock,
                               const struct recorder_wish wishes[2], const uint32_t needs[2])
{
    uint32_t lent[2][WORKERS_MAX] = {{0}}, best = RECORDER_ANY_WORKER, most = 0;
    for (unsigned f = 0; f < 2; f++) {
        struct recorder_wish wish = wishes[f];
        wish.worker = RECORDER_ANY_WORKER;
        for (uint32_t i = 0; i < stock->count; i++) {
            uint32_t worker = stock->tickets[i].worker;
            if (worker < WORKERS_MAX && worth(&stock->tickets[i], &wish) > 0)
                lent[f][worker]++;
        }
    }
    for (uint32_t i = 0; i < WORKERS_MAX; i++) {
        uint32_t all = lent[0][i] + lent[1][i];
        if (lent[0][i] < needs[0] || lent[1][i] < needs[1] || all <= most)
            continue;
        best = i;
        most = all;
    }
    return best;
}

/* ---- Relays --------------------------------------------------------------------------------- */

bool recorder_stock_put_relay(struct recorder_stock *stock, const struct recorder_relay *relay)
{
    recorder_stock_drop_relay(stock, relay->worker, relay->slot);
    if (!grow((void **)&stock->relays, stock->relay_count, &stock->relay_room,
              sizeof *stock->relays))
        return false;
    stock->relays[stock->relay_count++] = *relay;
    return true;
}

void recorder_stock_drop_relay(struct recorder_stock *stock, uint32_t worker, uint32_t slot)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < stock->relay_count; i++) {
        const struct recorder_relay *relay = &stock->relays[i];
        if (relay->worker != worker || relay->slot != slot)
            stock->relays[left++] = *relay;
    }
    stock->relay_count = left;
}

void recorder_stock_lose_relay(struct recorder_stock *stock, const struct recorder_relay *relay)
{
    for (uint32_t i = 0; i < stock->relay_count; i++) {
        const struct recorder_relay *known = &stock->relays[i];
        if (known->worker == relay->worker && known->slot == relay->slot &&
            known->generation == relay->generation) {
            recorder_stock_drop_relay(stock, relay->worker, relay->slot);
            return;
        }
    }
}

/* Its own first: its permissions stand. Then by the servers' order. */
static bool is_better(const struct recorder_relay *a, const struct recorder_relay *b)
{
    if (a->src != b->src)
        return a->src != 0;
    return a->server < b->server;
}

const struct recorder_relay *recorder_stock_relay(const struct recorder_stock *stock,
                                                  const struct recorder_relay_wish *wish)
{
    const struct recorder_relay *best = NULL;
    for (uint32_t i = 0; i < stock->relay_count; i++) {
        const struct recorder_relay *relay = &stock->relays[i];
        if (relay->worker != wish->worker || (relay->src != 0 && relay->src != wish->src) ||
            !addr_is_set(&relay->relayed[wish->family == ADDR_V6]) ||
            (relay->transport == RECORDER_RELAY_UDP) != wish->udp)
            continue;
        if (!best || is_better(relay, best))
            best = relay;
    }
    return best;
}
