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

int main(void)
{
    RUN(test_oldest_first_and_all_of_one_worker);
    RUN(test_the_address_that_sip_reached_goes_first);
    return tap_done();
}
