/* Tests of ice/framing: RFC 4571 §2's picture, byte by byte.
 * Not here: connections. */
#include "ice/framing.h"

#include "tap.h"

static void test_as_the_rfc_draws_it(void)
{
    uint8_t bytes[64];
    struct writer w = writer_of(bytes, sizeof bytes);
    struct view packet;
    size_t used;
    ice_framing_encode(&w, VIEW_LIT("rtp"));
    ice_framing_encode(&w, VIEW_NONE);
    ice_framing_encode(&w, VIEW_LIT("x"));
    CHECK_INT(w.len, 10);
    CHECK(memcmp(bytes, "\0\3rtp\0\0\0\1x", 10) == 0);
    struct view rest = writer_done(&w);
    static const char *const want[] = {"rtp", "", "x"};
    for (int i = 0; i < 3; i++) {
        CHECK(ice_framing_next(rest, &packet, &used));
        CHECK_VIEW(packet, want[i]);
        CHECK_INT(used, 2 + packet.len);
        rest = view_skip(rest, used);
    }
    CHECK_INT(rest.len, 0);
}

static void test_parts_and_limits(void)
{
    static uint8_t bytes[70000];
    static char big[65536];
    struct writer w = writer_of(bytes, sizeof bytes);
    struct view packet;
    size_t used;
    ice_framing_encode(&w, view_of(big, 65535));
    CHECK(!w.failed);
    CHECK_INT(w.len, 65537);
    CHECK(bytes[0] == 0xff && bytes[1] == 0xff);
    for (size_t len = 0; len < 65537; len += 4095)
        CHECK(!ice_framing_next(view_of(bytes, len), &packet, &used));
    CHECK(!ice_framing_next(view_of(bytes, 65536), &packet, &used));
    CHECK(ice_framing_next(view_of(bytes, 65537), &packet, &used));
    ice_framing_encode(&w, view_of(big, 65536));
    CHECK(w.failed);
}

int main(void)
{
    RUN(test_as_the_rfc_draws_it);
    RUN(test_parts_and_limits);
    return tap_done();
}
