/* Tests of base/reader and base/writer. */
#include "base/reader.h"
#include "base/writer.h"

#include "tap.h"

static void test_reader_orders_bytes(void)
{
    struct reader r = reader_of(VIEW_LIT("\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d"));
    CHECK_INT(reader_u8(&r), 0x01);
    CHECK_INT(reader_u16(&r), 0x0203);
    CHECK_INT(reader_u24(&r), 0x040506);
    CHECK_INT(reader_u32_le(&r), 0x0a090807);
    CHECK_INT(reader_u16_le(&r), 0x0c0b);
    CHECK_INT(reader_left(&r), 1);
    CHECK(!r.failed);
}

static void test_reader_sticks_after_the_end(void)
{
    struct reader r = reader_of(VIEW_LIT("\x01\x02\x03"));
    CHECK_INT(reader_u32(&r), 0);
    CHECK(r.failed);
    CHECK_INT(reader_u8(&r), 0); /* a byte was left, but the message is broken */
    CHECK_INT(reader_view(&r, 0).len, 0);
}

static void test_writer_and_reader_agree(void)
{
    char buffer[64];
    struct writer w = writer_of(buffer, sizeof buffer);
    writer_u8(&w, 1);
    writer_u16(&w, 0x0203);
    writer_u32(&w, 0x04050607);
    writer_u64(&w, 0x08090a0b0c0d0e0f);
    for (size_t i = 0; i < 15; i++)
        CHECK_INT(buffer[i], i + 1);
    w = writer_of(buffer, sizeof buffer);
    writer_u16_le(&w, 0x0201);
    writer_u32_le(&w, 0x06050403);
    writer_u64_le(&w, 0x0e0d0c0b0a090807);
    for (size_t i = 0; i < 14; i++)
        CHECK_INT(buffer[i], i + 1);
    writer_patch_u16(&w, 0, 0xa1b2);
    CHECK_INT((uint8_t)buffer[0], 0xa1);
    CHECK_INT((uint8_t)buffer[1], 0xb2);
}

static void test_writer_sticks_when_full(void)
{
    char buffer[8] = "........";
    struct writer w = writer_of(buffer, 4);
    writer_u16(&w, 1);
    writer_u32(&w, 2); /* does not fit: nothing of it is written */
    CHECK(w.failed);
    CHECK_INT(buffer[2], '.');
    writer_u8(&w, 3); /* would fit, but the message is broken */
    CHECK_INT(w.len, 2);
    CHECK_INT(writer_done(&w).len, 0);
}

static void test_writer_prints(void)
{
    char buffer[8] = "........";
    struct writer w = writer_of(buffer, 6);
    writer_printf(&w, "%s-%d", "ab", 12);
    CHECK_VIEW(writer_done(&w), "ab-12");
    CHECK_INT(buffer[6], '.');
    writer_printf(&w, "x"); /* the byte behind the text is needed for its NUL */
    CHECK(w.failed);
    CHECK_INT(buffer[6], '.');
}

int main(void)
{
    RUN(test_reader_orders_bytes);
    RUN(test_reader_sticks_after_the_end);
    RUN(test_writer_and_reader_agree);
    RUN(test_writer_sticks_when_full);
    RUN(test_writer_prints);
    return tap_done();
}
