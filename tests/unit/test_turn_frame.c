/* Tests of turn/frame: RFC 8656 §12.4-12.6 by hand. */
#include "turn/frame.h"

#include "tap.h"

static void test_channel_data(void)
{
    char buffer[32];
    struct writer w = writer_of(buffer, sizeof buffer);
    uint16_t channel;
    struct view data;
    turn_channel_data_encode(&w, 0x4001, VIEW_LIT("abcde"), false);
    CHECK(view_equal(writer_done(&w), VIEW_LIT("\x40\x01\0\5"
                                               "abcde")));
    w = writer_of(buffer, sizeof buffer);
    turn_channel_data_encode(&w, 0x4001, VIEW_LIT("abcde"), true);
    CHECK(view_equal(writer_done(&w), VIEW_LIT("\x40\x01\0\5"
                                               "abcde\0\0\0")));
    CHECK(turn_channel_data_decode(writer_done(&w), &channel, &data));
    CHECK_INT(channel, 0x4001);
    CHECK_VIEW(data, "abcde");
    CHECK(turn_channel_data_decode(VIEW_LIT("\x4f\xff\0\0"), &channel, &data));
    CHECK_INT(data.len, 0);
    CHECK(!turn_channel_data_decode(VIEW_LIT("\x50\0\0\0"), &channel, &data)); /* reserved */
    CHECK(!turn_channel_data_decode(VIEW_LIT("\x3f\xff\0\0"), &channel, &data));
    CHECK(!turn_channel_data_decode(VIEW_LIT("\x40\0\0\2a"), &channel, &data));
    CHECK(!turn_channel_data_decode(VIEW_LIT("\x40\0\0"), &channel, &data));
}

static void test_frames_on_a_stream(void)
{
    static const char stun[20] = {0, 1, 0, 4};
    size_t len = 0;
    CHECK_INT(turn_frame_next(VIEW_NONE, &len), TURN_FRAME_MORE);
    CHECK_INT(turn_frame_next(view_of(stun, sizeof stun), &len), TURN_FRAME_MORE);
    CHECK_INT(len, 24);
    struct view five = VIEW_LIT("\x40\0\0\5"
                                "abcde\0\0\0next");
    CHECK_INT(turn_frame_next(view_take(five, 11), &len), TURN_FRAME_MORE); /* padding counts */
    CHECK_INT(turn_frame_next(five, &len), TURN_FRAME_WHOLE);
    CHECK_INT(len, 12);
    CHECK_INT(turn_frame_next(VIEW_LIT("\x80"), &len), TURN_FRAME_BROKEN);
    CHECK_INT(turn_frame_next(VIEW_LIT("\x50\0\0\0"), &len), TURN_FRAME_BROKEN);
    CHECK_INT(turn_frame_next(VIEW_LIT("\0\1\0\3"), &len),
              TURN_FRAME_BROKEN); /* no multiple of 4 */
}

int main(void)
{
    RUN(test_channel_data);
    RUN(test_frames_on_a_stream);
    return tap_done();
}
