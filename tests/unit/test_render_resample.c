/* Tests of render/resample and render/mix: sines laid out at places known exactly. */
#include "render/resample.h"

#include <math.h>

#include "tap.h"

static struct render_mix mix;
static struct render_resampler resampler;
static int16_t frames[1 << 17];

#define OUT_MAX 60000

static double tone(double hz, double t)
{
    return 10000 * sin(2 * M_PI * hz * t);
}

/* Puts a sine sampled at from_hz, packet by packet, where it belongs at to_hz; ppm: how fast the
 * sender's clock is. Returns the signal to noise ratio against the sine itself. */
static double play(double hz, uint32_t from_hz, uint32_t to_hz, double ppm)
{
    double rate = from_hz * (1 + ppm * 1e-6), shift = 100.25;
    size_t step = from_hz / 50;
    int16_t samples[960];
    CHECK(render_mix_init(&mix, 1, OUT_MAX));
    render_resampler_init(&resampler, &mix, 0, from_hz);
    for (int64_t k = 0; k < 50; k++) {
        for (size_t i = 0; i < step; i++)
            samples[i] = (int16_t)lround(tone(hz, (double)(k * (int64_t)step + (int64_t)i) / rate));
        struct render_piece piece = {
            .index = k * (int64_t)step,
            .samples = samples,
            .count = step,
            .place = shift + (double)(k * (int64_t)step) / rate * to_hz,
            .place_end = shift + (double)((k + 1) * (int64_t)step) / rate * to_hz,
        };
        render_resampler_put(&resampler, &piece);
    }
    render_resampler_flush(&resampler);
    size_t end = (size_t)mix.end;
    CHECK(llabs((long long)end - (long long)(shift + to_hz / (1 + ppm * 1e-6))) <= 1);
    render_mix_take(&mix, frames, end);
    double signal = 0, noise = 0;
    for (size_t n = to_hz / 10; n < to_hz * 9 / 10; n++) {
        double want = tone(hz, ((double)n - shift) / to_hz);
        signal += want * want;
        noise += (want - frames[n]) * (want - frames[n]);
    }
    render_mix_release(&mix);
    return 10 * log10(signal / noise);
}

static void test_fractions_rates_and_drift(void)
{
    static const struct {
        double hz;
        uint32_t from, to;
        double ppm, least_db;
    } rows[] = {
        {440, 8000, 8000, 0, 60},      {440, 8000, 8000, 100, 60},  {1000, 8000, 8000, -1000, 60},
        {3000, 8000, 8000, 100, 45},   {440, 8000, 48000, 50, 60},  {3000, 8000, 48000, 0, 45},
        {440, 16000, 48000, 0, 60},    {440, 44100, 48000, 20, 60}, {3400, 8000, 16000, 0, 40},
        {7000, 16000, 48000, 100, 40},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        double db = play(rows[i].hz, rows[i].from, rows[i].to, rows[i].ppm);
        printf("# %4.0f Hz %5u -> %5u Hz %5.0f ppm: %.0f dB\n", rows[i].hz, rows[i].from,
               rows[i].to, rows[i].ppm, db);
        CHECK(db > rows[i].least_db);
    }
}

static void test_exact_is_a_copy(void)
{
    int16_t samples[160];
    CHECK(render_mix_init(&mix, 2, 4096));
    render_resampler_init(&resampler, &mix, 1, 8000);
    for (int i = 0; i < 160; i++)
        samples[i] = (int16_t)(i * 37);
    /* Place 10.4 is frame 10; the second overlaps the first by half and adds the rest only. */
    struct render_piece piece = {0, samples, 160, 10.4, 170.4, true};
    render_resampler_put(&resampler, &piece);
    piece = (struct render_piece){80, samples, 160, 90.4, 250.4, true};
    render_resampler_put(&resampler, &piece);
    render_mix_take(&mix, frames, 300);
    for (int i = 0; i < 160; i++)
        CHECK(frames[2 * (10 + i) + 1] == samples[i] && frames[2 * (10 + i)] == 0);
    for (int i = 80; i < 160; i++)
        CHECK(frames[2 * (90 + i) + 1] == samples[i]);
    CHECK_INT(frames[2 * 250 + 1], 0);
    render_mix_release(&mix);
}

static void test_sums_are_bounded(void)
{
    int16_t loud[100], quiet[100];
    for (int i = 0; i < 100; i++) {
        loud[i] = i % 2 ? 30000 : -30000;
        quiet[i] = 5000;
    }
    CHECK(render_mix_init(&mix, 2, 1024));
    mix.shared[0] = true;
    for (uint32_t c = 0; c < 2; c++) {
        render_mix_add(&mix, c, 0, loud, 100);
        render_mix_add(&mix, c, 0, loud, 100);
        render_mix_add(&mix, c, 200, quiet, 100);
    }
    render_mix_add(&mix, 1, 400, loud, 100);
    render_mix_take(&mix, frames, 600);
    CHECK(frames[2] > 28000 && frames[2] < 32767);
    CHECK_INT(frames[3], 32767);
    CHECK_INT(frames[1], -32768);
    CHECK_INT(frames[2 * 250], 5000); /* below the knee nothing changes */
    CHECK_INT(frames[2 * 401 + 1], 30000);
    /* Outside of the window nothing is written. */
    render_mix_add(&mix, 0, 0, loud, 100);
    render_mix_add(&mix, 0, 600 + 1024 - 50, loud, 100);
    render_mix_add(&mix, 0, 1 << 20, loud, 100);
    CHECK_INT(mix.late, 100);
    CHECK_INT(mix.early, 150);
    render_mix_release(&mix);
}

int main(void)
{
    RUN(test_fractions_rates_and_drift);
    RUN(test_exact_is_a_copy);
    RUN(test_sums_are_bounded);
    return tap_done();
}
