/* Tests of render/output: the headers byte by byte, as RIFF and EBU Tech 3306 have them. */
#include "render/output.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tap.h"

static uint8_t bytes[1 << 20];
static size_t length;

static bool make(const struct render_output_options *options, size_t frames)
{
    static int16_t silence[4096 * 8];
    int fd = memfd_create("output", 0);
    struct render_output *output = render_output_create(options, fd);
    bool ok = output != NULL;
    while (ok && frames > 0) {
        size_t run = frames < 4096 ? frames : 4096;
        ok = render_output_write(output, silence, run);
        frames -= run;
    }
    if (output != NULL)
        ok = render_output_finish(output) && ok;
    ssize_t n = pread(fd, bytes, sizeof bytes, 0);
    length = n > 0 ? (size_t)n : 0;
    close(fd);
    return ok;
}

static uint64_t little(size_t at, unsigned count)
{
    uint64_t value = 0;
    while (count-- > 0)
        value = value << 8 | bytes[at + count];
    return value;
}

static void test_wav_header(void)
{
    struct render_output_options options = {RENDER_FORMAT_WAV, 8000, 2, false};
    CHECK(make(&options, 10000));
    CHECK_INT(length, 44 + 40000);
    CHECK(memcmp(bytes, "RIFF", 4) == 0 && memcmp(bytes + 8, "WAVEfmt ", 8) == 0);
    CHECK_INT(little(4, 4), 36 + 40000);
    CHECK_INT(little(20, 2), 1); /* PCM */
    CHECK_INT(little(22, 2), 2);
    CHECK_INT(little(24, 4), 8000);
    CHECK_INT(little(34, 2), 16);
    CHECK(memcmp(bytes + 36, "data", 4) == 0);
    CHECK_INT(little(40, 4), 40000);
}

static void test_empty_wav(void)
{
    struct render_output_options options = {RENDER_FORMAT_WAV, 8000, 1, false};
    CHECK(make(&options, 0));
    CHECK_INT(length, 44);
    CHECK_INT(little(40, 4), 0);
}

/* EBU Tech 3306 §3: RF64, sizes of 32 bits all ones, and the true ones in ds64,
 * which comes first. */
static void test_rf64_header(void)
{
    struct render_output_options options = {RENDER_FORMAT_WAV, 8000, 2, true};
    CHECK(make(&options, 10000));
    CHECK(memcmp(bytes, "RF64", 4) == 0 && memcmp(bytes + 8, "WAVEds64", 8) == 0);
    CHECK_INT(little(4, 4), 0xFFFFFFFF);
    CHECK_INT(little(16, 4), 28);
    CHECK_INT(little(20, 8), length - 8);
    CHECK_INT(little(28, 8), 40000);
    CHECK_INT(little(36, 8), 10000); /* sample count: frames */
    CHECK(memcmp(bytes + 48, "fmt ", 4) == 0);
    CHECK(memcmp(bytes + 48 + 24, "data", 4) == 0);
    CHECK_INT(little(48 + 28, 4), 0xFFFFFFFF);
}

static void test_when_a_wav_is_large(void)
{
    /* 8000 Hz, stereo: 32,000 bytes a second; 4 GiB are 37 hours and 17 minutes. */
    CHECK(!render_output_is_large((int64_t)37 * 3600 * 8000, 2));
    CHECK(render_output_is_large((int64_t)38 * 3600 * 8000, 2));
    CHECK(!render_output_is_large((int64_t)38 * 3600 * 8000, 1));
    CHECK(render_output_is_large(INT64_C(1) << 40, 1));
}

static void test_a_full_disk_is_told(void)
{
    struct render_output_options options = {RENDER_FORMAT_WAV, 8000, 2, false};
    int fd = open("/dev/full", O_WRONLY);
    struct render_output *output = render_output_create(&options, fd);
    static int16_t silence[1 << 17];
    bool ok = output != NULL && render_output_write(output, silence, 1 << 16);
    if (output != NULL)
        ok = render_output_finish(output) && ok;
    CHECK(!ok);
    CHECK_INT(errno, ENOSPC);
    close(fd);
}

static void test_formats_by_name(void)
{
    CHECK_INT(render_format_find(VIEW_LIT("WAV")), RENDER_FORMAT_WAV);
    CHECK_INT(render_format_find(VIEW_LIT("ogg")), RENDER_FORMAT_OPUS);
    CHECK_INT(render_format_find(VIEW_LIT("wma")), RENDER_FORMAT_UNKNOWN);
}

int main(void)
{
    RUN(test_wav_header);
    RUN(test_empty_wav);
    RUN(test_rf64_header);
    RUN(test_when_a_wav_is_large);
    RUN(test_a_full_disk_is_told);
    RUN(test_formats_by_name);
    return tap_done();
}
