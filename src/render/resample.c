/* resample: lays decoded sound out on the recording's samples: rate conversion and clock drift in
 * one step, by reading between the source's samples.
 * Not here: where sound belongs (clock.h), the channels (mix.h).
 * RFC: none. */
#include "render/resample.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum { HALF = RENDER_TAPS / 2 };

#define PHASES 512
#define CUTOFF 0.97 /* of the source's Nyquist frequency */
#define BETA   7.0  /* Kaiser window: 70 dB */
#define BLOCK  1024

static int16_t filter[PHASES + 1][RENDER_TAPS];
static bool filter_made;

static double bessel_i0(double x)
{
    double sum = 1, term = 1;
    for (int k = 1; k < 40; k++) {
        term *= (x / (2 * k)) * (x / (2 * k));
        sum += term;
    }
    return sum;
}

/* In 1/16384: the weights of one phase may add up to 2.4 without their signs, and a sum of products
 * must fit 32 bits. */
/* Tap j of phase p weighs the source sample that lies (j - HALF + 1 - p / PHASES) from the place to
 * be read. Each phase sums up to one, so that a constant stays what it is. */
static void filter_make(void)
{
    for (int p = 0; p <= PHASES; p++) {
        double taps[RENDER_TAPS], sum = 0;
        for (int j = 0; j < RENDER_TAPS; j++) {
            double x = j - HALF + 1 - (double)p / PHASES;
            double edge = x / HALF;
            double window =
                fabs(edge) >= 1 ? 0 : bessel_i0(BETA * sqrt(1 - edge * edge)) / bessel_i0(BETA);
            double sinc = x == 0 ? 1 : sin(M_PI * CUTOFF * x) / (M_PI * CUTOFF * x);
            taps[j] = sinc * window;
            sum += taps[j];
        }
        for (int j = 0; j < RENDER_TAPS; j++)
            filter[p][j] = (int16_t)lround(taps[j] / sum * 16384);
    }
    filter_made = true;
}

void render_resampler_init(struct render_resampler *r, struct render_mix *mix, uint32_t channel,
                           uint32_t source_hz)
{
    if (!filter_made)
        filter_make();
    memset(r, 0, offsetof(struct render_resampler, source));
    r->mix = mix;
    r->channel = channel;
    r->next = INT64_MIN;
    r->gap_max = source_hz / 5;
    if (r->gap_max > RENDER_SOURCE / 2)
        r->gap_max = RENDER_SOURCE / 2;
}

static int16_t read_between(const int16_t *at, const int16_t *taps)
{
    int32_t sum = 0;
    for (int j = 0; j < RENDER_TAPS; j++)
        sum += (int32_t)at[j] * taps[j];
    sum = (sum + 8192) >> 14;
    return (int16_t)(sum > 32767 ? 32767 : sum < -32768 ? -32768 : sum);
}

/* Makes every frame whose place lies before source index `until`; the taps around it must be held
 * already. */
static void frames_make(struct render_resampler *r, int64_t until)
{
    int16_t block[BLOCK];
    double limit = (double)(until - r->first);
    for (;;) {
        double at = (double)(r->index - r->first) + ((double)r->next - r->place) * r->pace;
        size_t made = 0;
        for (; made < BLOCK; made++, at += r->pace) {
            if (at >= limit)
                break;
            /* A piece that begins a little before the last one's end asks for what is gone. */
            double place = at < HALF - 1 ? HALF - 1 : at;
            size_t whole = (size_t)place;
            size_t phase = (size_t)((place - (double)whole) * PHASES + 0.5);
            block[made] = read_between(r->source + whole - (HALF - 1), filter[phase]);
        }
        render_mix_add(r->mix, r->channel, r->next, block, made);
        r->next += (int64_t)made;
        if (made < BLOCK)
            return;
    }
}

/* Keeps only what the next frame can still need. */
static void source_trim(struct render_resampler *r)
{
    double at = (double)(r->index - r->first) + ((double)r->next - r->place) * r->pace;
    int64_t gone = (int64_t)at - HALF;
    if (gone <= 0)
        return;
    if ((size_t)gone > r->held)
        gone = (int64_t)r->held;
    memmove(r->source, r->source + gone, (r->held - (size_t)gone) * sizeof *r->source);
    r->held -= (size_t)gone;
    r->first += gone;
}

static void source_append(struct render_resampler *r, const int16_t *samples, size_t count)
{
    assert(r->held + count <= sizeof r->source / sizeof r->source[0]);
    if (!samples)
        memset(r->source + r->held, 0, count * sizeof *samples);
    else
        memcpy(r->source + r->held, samples, count * sizeof *samples);
    r->held += count;
}

void render_resampler_flush(struct render_resampler *r)
{
    if (r->running && !r->exact) {
        source_append(r, NULL, HALF + 1);
        frames_make(r, r->until);
    }
    r->running = false;
    r->held = 0;
}

static void run_begin(struct render_resampler *r, const struct render_piece *piece)
{
    r->running = true;
    r->exact = piece->exact;
    r->held = 0;
    r->until = piece->index;
    int64_t start = (int64_t)ceil(piece->place);
    if (piece->exact) {
        start = llround(piece->place);
        r->copied = start - piece->index;
    } else {
        r->first = piece->index - HALF;
        source_append(r, NULL, HALF);
    }
    if (start > r->next)
        r->next = start;
}

static void piece_copy(struct render_resampler *r, const struct render_piece *piece)
{
    int64_t at = piece->index + r->copied;
    size_t done = at < r->next ? (size_t)(r->next - at) : 0;
    r->until = piece->index + (int64_t)piece->count;
    if (done >= piece->count)
        return;
    render_mix_add(r->mix, r->channel, at + (int64_t)done, piece->samples + done,
                   piece->count - done);
    r->next = r->until + r->copied;
}

void render_resampler_put(struct render_resampler *r, const struct render_piece *given)
{
    struct render_piece piece = *given;
    assert(piece.count <= RENDER_SOURCE);
    if (piece.count == 0 || piece.place_end <= piece.place)
        return;
    int64_t gap = piece.index - r->until;
    if (r->running && (gap > r->gap_max || gap < -r->gap_max || piece.exact != r->exact))
        render_resampler_flush(r);
    if (r->running && gap < 0) {
        size_t skip = (size_t)-gap < piece.count ? (size_t)-gap : piece.count;
        double part = (double)skip / (double)piece.count;
        piece.place += part * (piece.place_end - piece.place);
        piece.index += (int64_t)skip;
        piece.samples += skip;
        piece.count -= skip;
        if (piece.count == 0)
            return;
    }
    if (!r->running)
        run_begin(r, &piece);
    if (r->exact) {
        piece_copy(r, &piece);
        return;
    }
    if (gap > 0 && piece.index > r->until)
        source_append(r, NULL, (size_t)(piece.index - r->until));
    source_append(r, piece.samples, piece.count);
    r->index = piece.index;
    r->place = piece.place;
    r->pace = (double)piece.count / (piece.place_end - piece.place);
    r->until = piece.index + (int64_t)piece.count;
    frames_make(r, r->until - HALF);
    source_trim(r);
}
