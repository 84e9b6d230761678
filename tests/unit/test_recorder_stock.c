/* Which media ports a call gets. DESIGN: least recently used first, all of one worker. */
#include "recorder/stock.h"

#include "tap.h"

static struct recorder_ticket ticket(uint32_t worker, struct addr bound)
{
    return (struct recorder_ticket){.worker = worker, .port = bound.port, .bound = bound};
}

static void put(struct recorder_stock *stock, struct recorder_ticket one)
{
    CHECK(recorder_stock_put(stock, &one));
}

static void test_oldest_first_and_all_of_one_worker(void)
{
    struct recorder_stock stock = {0};
    struct recorder_ticket out[4];
    struct addr near = addr_v4(192, 0, 2, 1, 5060);
    for (uint16_t i = 0; i < 5; i++)
        put(&stock, ticket(i % 2, addr_v4(192, 0, 2, 1, (uint16_t)(1000 + i))));
    struct recorder_wish wish = {.worker = RECORDER_ANY_WORKER, .family = ADDR_V4, .near = near};
    CHECK(!recorder_stock_take(&stock, &wish, out, 4)); /* no worker has four */
    CHECK_INT(stock.count, 5);
    CHECK(recorder_stock_take(&stock, &wish, out, 3));
    CHECK_INT(out[0].port, 1000);
    CHECK_INT(out[1].port, 1002);
    CHECK_INT(out[2].port, 1004);
    wish.worker = 0;
    CHECK(!recorder_stock_take(&stock, &wish, out, 1));
    CHECK(recorder_stock_take(&stock, &wish, out, 0));
    wish.worker = 1;
    CHECK(recorder_stock_take(&stock, &wish, out, 2));
    CHECK_INT(stock.count, 0);
    recorder_stock_finish(&stock);
}

static void test_the_address_that_sip_reached_goes_first(void)
{
    struct recorder_stock stock = {0};
    struct recorder_ticket out[3];
    struct addr v6 = {.family = ADDR_V6, .port = 1008};
    put(&stock, ticket(0, addr_v4(10, 0, 0, 1, 1000)));
    put(&stock, ticket(0, addr_v4(0, 0, 0, 0, 1002)));
    put(&stock, ticket(0, addr_v4(192, 0, 2, 1, 1004)));
    put(&stock, ticket(0, v6));
    struct recorder_wish wish = {
        .worker = 0, .family = ADDR_V4, .near = addr_v4(192, 0, 2, 1, 5060)};
    CHECK(recorder_stock_take(&stock, &wish, out, 3));
    CHECK_INT(out[0].port, 1004);
    CHECK_INT(out[1].port, 1002);
    CHECK_INT(out[2].port, 1000);
    /* A wildcard IPv6 port cannot be named when all we know is an IPv4 address of ours. */
    wish.family = ADDR_V6;
    CHECK_INT(recorder_stock_count(&stock, &wish), 0);
    wish.has_own[1] = true;
    CHECK_INT(recorder_stock_count(&stock, &wish), 1);
    recorder_stock_finish(&stock);
}

/* Only some of the ready ports have their address outside kept fresh: behind a NAT the others can
 * be answered with nothing. */
static void test_a_known_address_outside_goes_first(void)
{
    struct recorder_stock stock = {0};
    struct recorder_ticket out[3], seen = ticket(0, addr_v4(0, 0, 0, 0, 1004)),
                                   mapped = ticket(0, addr_v4(0, 0, 0, 0, 1006));
    struct recorder_wish wish = {
        .worker = 0, .family = ADDR_V4, .near = addr_v4(192, 0, 2, 1, 5060)};
    seen.seen = addr_v4(203, 0, 113, 7, 40000);
    mapped.mapped = addr_v4(203, 0, 113, 7, 1006);
    put(&stock, ticket(0, addr_v4(0, 0, 0, 0, 1000)));
    put(&stock, ticket(0, addr_v4(0, 0, 0, 0, 1002)));
    put(&stock, seen);
    put(&stock, mapped);
    CHECK(recorder_stock_take(&stock, &wish, out, 3));
    CHECK_INT(out[0].port, 1004);
    CHECK_INT(out[1].port, 1006);
    CHECK_INT(out[2].port, 1000);
    put(&stock, seen);
    put(&stock, mapped);
    wish.trusts_mapping = true;
    CHECK(recorder_stock_take(&stock, &wish, out, 3));
    CHECK_INT(out[0].port, 1006);
    CHECK_INT(out[1].port, 1004);
    CHECK_INT(out[2].port, 1002);
    recorder_stock_finish(&stock);
}

static struct recorder_relay relay(uint32_t slot, uint64_t src, uint8_t server)
{
    return (struct recorder_relay){.worker = 1,
                                   .slot = slot,
                                   .src = src,
                                   .server = server,
                                   .relayed = {addr_v4(203, 0, 113, 7, (uint16_t)(49152 + slot))}};
}

static void put_relay(struct recorder_stock *stock, struct recorder_relay one)
{
    CHECK(recorder_stock_put_relay(stock, &one));
}

/* A relayed address serves one SRC: its permissions live on for 300 s, and what the first SRC sends
 * late would be in the second's recording. */
static void test_a_relay_serves_one_src(void)
{
    struct recorder_stock stock = {0};
    struct recorder_relay_wish wish = {.worker = 1, .family = ADDR_V4, .src = 77, .udp = true};
    CHECK(recorder_stock_relay(&stock, &wish) == NULL);
    put_relay(&stock, relay(1, 55, 0));
    CHECK(recorder_stock_relay(&stock, &wish) == NULL);
    put_relay(&stock, relay(2, 0, 1));
    put_relay(&stock, relay(3, 0, 0));
    CHECK_INT(recorder_stock_relay(&stock, &wish)->slot, 3); /* the better server */
    put_relay(&stock, relay(4, 77, 1));
    CHECK_INT(recorder_stock_relay(&stock, &wish)->slot, 4); /* permissions stand */
    wish.family = ADDR_V6;
    CHECK(recorder_stock_relay(&stock, &wish) == NULL);
    wish.family = ADDR_V4;
    wish.udp = false;
    CHECK(recorder_stock_relay(&stock, &wish) == NULL);
    wish.udp = true;
    wish.worker = 0;
    CHECK(recorder_stock_relay(&stock, &wish) == NULL);
    wish.worker = 1;
    put_relay(&stock, relay(4, 55, 1)); /* the same again: what is known of it has changed */
    CHECK_INT(stock.relay_count, 4);
    CHECK_INT(recorder_stock_relay(&stock, &wish)->slot, 3);
    recorder_stock_drop_relay(&stock, 1, 3);
    CHECK_INT(recorder_stock_relay(&stock, &wish)->slot, 2);
    recorder_stock_finish(&stock);
}

static void test_a_ticket_is_found(void)
{
    struct recorder_stock stock = {0};
    struct recorder_ticket one = ticket(1, addr_v4(192, 0, 2, 1, 1000));
    one.generation = 9;
    put(&stock, one);
    CHECK(recorder_stock_find(&stock, &(struct recorder_port){1, 1000, 9}) == &stock.tickets[0]);
    CHECK(recorder_stock_find(&stock, &(struct recorder_port){1, 1000, 8}) == NULL);
    CHECK(recorder_stock_find(&stock, &(struct recorder_port){0, 1000, 9}) == NULL);
    recorder_stock_finish(&stock);
}

int main(void)
{
    RUN(test_a_relay_serves_one_src);
    RUN(test_a_ticket_is_found);
    RUN(test_oldest_first_and_all_of_one_worker);
    RUN(test_the_address_that_sip_reached_goes_first);
    RUN(test_a_known_address_outside_goes_first);
    return tap_done();
}
