/* In which order a registrar's addresses are tried, and when each.
 * RFC 8305 §4 (families in turns), §5 (250 ms apart, at once after a failure); RFC 3263 §4.3. */
#include "siprecd/race.h"

#include "tap.h"

static struct race race;
static struct tick now;

static struct io_dns_place place(const char *ip, enum io_dns_protocol protocol, unsigned rank)
{
    struct io_dns_place one = {.protocol = protocol, .rank = rank};
    CHECK(addr_parse_ip(view_of_string(ip), &one.addr));
    return one;
}

static void begin(const struct io_dns_place *places, size_t count, size_t skip)
{
    now = (struct tick){NS_PER_S};
    race_begin(&race, now, places, count, skip);
}

/* The address whose turn it is at ms after the begin; "": nobody's. */
static struct race_try *expect(int64_t ms, const char *ip)
{
    struct race_try *one;
    now = tick_add_ms((struct tick){NS_PER_S}, ms);
    one = race_next(&race, now);
    CHECK_TEXT(one ? addr_print_ip(&one->place.addr).s : "", ip);
    return one;
}

/* §4: IPv6 first, then in turns, each family in the order in which it was named. */
static void test_families(void)
{
    struct io_dns_place places[] = {
        place("192.0.2.1", IO_DNS_TCP, 0), place("192.0.2.2", IO_DNS_TCP, 0),
        place("192.0.2.3", IO_DNS_TCP, 0), place("2001:db8::1", IO_DNS_TCP, 0),
        place("2001:db8::2", IO_DNS_TCP, 0)};
    begin(places, 5, 0);
    expect(0, "2001:db8::1");
    expect(249, "");
    CHECK_INT(tick_diff_ms(race.next_at, now), 1);
    expect(250, "192.0.2.1");
    expect(500, "2001:db8::2");
    expect(750, "192.0.2.2");
    expect(1000, "192.0.2.3");
    expect(90000, "");
    CHECK(tick_is_never(race.next_at));
    CHECK(!race_is_over(&race));
}

/* §5: who fails lets the next begin at once, and that one has its 250 ms alone. */
static void test_failures(void)
{
    struct io_dns_place places[] = {place("2001:db8::1", IO_DNS_TLS, 0),
                                    place("192.0.2.1", IO_DNS_TLS, 0),
                                    place("192.0.2.2", IO_DNS_TLS, 0)};
    struct race_try *first, *second, *third;
    begin(places, 3, 0);
    first = expect(0, "2001:db8::1");
    now = tick_add_ms(now, 40);
    race_lose(&race, now, first);
    second = expect(40, "192.0.2.1");
    expect(289, "");
    third = expect(290, "192.0.2.2");
    race_lose(&race, now, third);
    CHECK(!race_is_over(&race));
    race_lose(&race, now, second);
    CHECK(race_is_over(&race));
}

/* RFC 8305 §5: once a connection stands no more are tried, but for those who are mute over theirs. */
static void test_mutes(void)
{
    struct io_dns_place places[] = {
        place("2001:db8::1", IO_DNS_TCP, 0), place("192.0.2.1", IO_DNS_TCP, 0),
        place("192.0.2.2", IO_DNS_TCP, 0), place("192.0.2.3", IO_DNS_TCP, 0)};
    struct race_try *first, *second;
    begin(places, 4, 0);
    first = expect(0, "2001:db8::1");
    second = expect(250, "192.0.2.1");
    now = tick_add_ms(now, 30);
    race_stand(&race, now, first);
    CHECK(race_tries(first));
    expect(600, "");
    race_lose(&race, now, second); /* is no reason to hurry */
    expect(2279, "");
    expect(2280, "192.0.2.2");
    expect(2400, "");
    race_lose(&race, now, first);
    CHECK(!race_tries(first) && !race_is_over(&race));
    expect(2400, "192.0.2.3"); /* now it is */
    expect(90000, "");
}

/* RFC 3263 §4.3, 4.1: a second-best protocol is no rival of the best one: two seconds of silence, or the
 * failure of all that are better, and not of one of them, bring it in. */
static void test_ranks(void)
{
    struct io_dns_place places[] = {
        place("192.0.2.1", IO_DNS_TLS, 1), place("192.0.2.2", IO_DNS_TLS, 1),
        place("192.0.2.3", IO_DNS_TCP, 2), place("2001:db8::4", IO_DNS_UDP, 3),
        place("192.0.2.5", IO_DNS_UDP, 4)};
    struct race_try *first;
    begin(places, 5, 0);
    first = expect(0, "192.0.2.1");
    expect(250, "192.0.2.2");
    now = tick_add_ms(now, 10);
    race_lose(&race, now, first);
    expect(2249, "");
    expect(2250, "192.0.2.3");
    expect(4249, "");
    expect(4250, "2001:db8::4");
    expect(7249, "");
    expect(7250, "192.0.2.5");
    begin(places, 5, 0);
    first = expect(0, "192.0.2.1");
    race_lose(&race, now, first);
    race_lose(&race, now, expect(0, "192.0.2.2"));
    expect(0, "192.0.2.3");
}

/* Who was first and brought nothing stands back the next time, long enough for one that answers more
 * slowly: RFC 3263 §4.3 leaves an address that refused for the next. */
static void test_skip(void)
{
    struct io_dns_place places[] = {place("192.0.2.1", IO_DNS_UDP, 0),
                                    place("192.0.2.2", IO_DNS_UDP, 0),
                                    place("192.0.2.3", IO_DNS_UDP, 0)};
    begin(places, 3, 1);
    expect(0, "192.0.2.2");
    expect(2999, "");
    expect(3000, "192.0.2.3");
    expect(3250, "192.0.2.1");
    begin(places, 3, 6);
    expect(0, "192.0.2.1");
    places[0].protocol = places[1].protocol = IO_DNS_TLS;
    begin(places, 2, 1);
    race_lose(&race, now, expect(0, "192.0.2.2"));
    expect(0, "192.0.2.1");
    begin(places, 2, 1);
    expect(0, "192.0.2.2");
    expect(1999, "");
    expect(2000, "192.0.2.1");
}

static void test_nothing(void)
{
    race_init(&race);
    expect(0, "");
    begin(NULL, 0, 3);
    expect(0, "");
    CHECK(race_is_over(&race));
}

/* As many as there may be. */
static void test_all(void)
{
    struct io_dns_place places[IO_DNS_PLACES_MAX];
    for (unsigned i = 0; i < IO_DNS_PLACES_MAX; i++)
        places[i] = (struct io_dns_place){.addr = addr_v4(192, 0, 2, (uint8_t)(i + 1), 5060)};
    begin(places, IO_DNS_PLACES_MAX, 0);
    for (unsigned i = 0; i < IO_DNS_PLACES_MAX; i++)
        race_lose(&race, now, expect(0, addr_print_ip(&places[i].addr).s));
    expect(0, "");
    CHECK(race_is_over(&race));
}

int main(void)
{
    RUN(test_families);
    RUN(test_failures);
    RUN(test_mutes);
    RUN(test_ranks);
    RUN(test_skip);
    RUN(test_nothing);
    RUN(test_all);
    return tap_done();
}
