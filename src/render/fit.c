/* fit: the line through the smallest delays of a segment: the sender's clock against ours.
 * Not here: which packets make a segment (clock.h).
 * RFC: none; the method is that of clock skew estimation from one-way delays. */
#include "render/fit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Crystals are within 100 ppm; software clocks have been seen at some thousands. */
#define SLOPE_MAX   0.02
#define SLOPE_USUAL 300e-6
/* Below that a slope is noise, and without one samples can be copied. 0.2 ppm is 0.7 ms an hour. */
#define SLOPE_MIN 0.2e-6
/* A line that leaves its points by more follows them in pieces, turning no faster than a clock may:
 * what rises faster is congestion, which delays packets and moves no clock. */
#define BEND_NS        8e6
#define BEND_SLOPE     100e-6
#define KNOT_POINTS    15
#define KNOTS_MAX      256
#define ROUNDS         5
#define OUTLIER_MIN_NS 2e6

struct line {
    double base, slope; /* ns, ns a ns */
    double slope_sigma;
    size_t used;
};

struct sample {
    double t, d; /* s, ns */
    double residual;
    bool used;
};

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts its argument. */
static double median_of(double *values, size_t n)
{
    if (n == 0)
        return 0;
    qsort(values, n, sizeof *values, compare_doubles);
    return values[n / 2];
}

static struct line line_fit(struct sample *samples, size_t n)
{
    double t_mean = 0, d_mean = 0, tt = 0, td = 0, error = 0;
    struct line line = {0};
    for (size_t i = 0; i < n; i++) {
        if (samples[i].used) {
            t_mean += samples[i].t;
            d_mean += samples[i].d;
            line.used++;
        }
    }
    t_mean /= (double)line.used;
    d_mean /= (double)line.used;
    for (size_t i = 0; i < n; i++) {
        if (samples[i].used) {
            double t = samples[i].t - t_mean;
            tt += t * t;
            td += t * (samples[i].d - d_mean);
        }
    }
    double slope = tt > 0 ? td / tt : 0; /* ns a second */
    for (size_t i = 0; i < n; i++) {
        samples[i].residual = samples[i].d - d_mean - slope * (samples[i].t - t_mean);
        if (samples[i].used)
            error += samples[i].residual * samples[i].residual;
    }
    double dof = line.used > 2 ? (double)line.used - 2 : 1;
    line.slope_sigma = tt > 0 ? sqrt(error / dof / tt) * 1e-9 : 1;
    line.slope = slope * 1e-9;
    line.base = d_mean - slope * t_mean;
    return line;
}

/* Congestion lifts delays for a while: windows that lie well above the line are left out of it, a
 * few at a time. What lies below counts, since nothing can arrive early. */
static void outliers_drop(struct sample *samples, size_t n, double *scratch)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        if (samples[i].used)
            scratch[count++] = fabs(samples[i].residual);
    double limit = 3 * median_of(scratch, count);
    if (limit < OUTLIER_MIN_NS)
        limit = OUTLIER_MIN_NS;
    for (size_t i = 0; i < n; i++)
        samples[i].used = samples[i].residual <= limit;
}

/* A crystal's drift counts as soon as it stands out of the noise. One far beyond any crystal may be
 * a step that looks like a slope: there the points must really lie on the line. */
static bool slope_is_real(const struct line *line)
{
    double slope = fabs(line->slope);
    double scatter = line->slope_sigma * sqrt((double)line->used / 12); /* as a slope over it all */
    if (slope < SLOPE_MIN || slope < 4 * line->slope_sigma)
        return false;
    return slope <= SLOPE_USUAL || scatter < 0.1 * slope;
}

static double smallest_delay(const struct sample *samples, size_t n)
{
    double least = samples[0].d;
    for (size_t i = 1; i < n; i++)
        if (samples[i].d < least)
            least = samples[i].d;
    return least;
}

static double rise_most(const struct render_knot *list, size_t k)
{
    return (list[k].at_s - list[k - 1].at_s) * 1e9 * BEND_SLOPE;
}

/* Where the median of neighbouring windows leaves the line, delays have changed for good, or the
 * clock did not run evenly: the line is bent to follow, gently. */
static bool line_bend(struct render_segment *segment, struct sample *samples, size_t n,
                      double *scratch)
{
    size_t knots = n / KNOT_POINTS;
    if (knots > KNOTS_MAX)
        knots = KNOTS_MAX;
    if (knots < 2)
        return true;
    struct render_knot *list = calloc(knots, sizeof *list);
    if (!list)
        return false;
    double worst = 0;
    for (size_t k = 0; k < knots; k++) {
        size_t from = k * n / knots, to = (k + 1) * n / knots;
        for (size_t i = from; i < to; i++)
            scratch[i - from] = samples[i].residual;
        list[k].offset_ns = median_of(scratch, to - from);
        list[k].at_s = samples[from + (to - from) / 2].t;
        if (fabs(list[k].offset_ns) > worst)
            worst = fabs(list[k].offset_ns);
    }
    if (worst < BEND_NS) {
        free(list);
        return true;
    }
    /* The lower bound of the points that rises and falls no faster than that. */
    for (size_t k = 1; k < knots; k++)
        list[k].offset_ns = fmin(list[k].offset_ns, list[k - 1].offset_ns + rise_most(list, k));
    for (size_t k = knots - 1; k > 0; k--)
        list[k - 1].offset_ns = fmin(list[k - 1].offset_ns, list[k].offset_ns + rise_most(list, k));
    segment->knots = list;
    segment->knot_count = knots;
    return true;
}

/* Some senders count by another clock than RFC 3551 has it: 16000 for G.722, or 8000 for a wide
 * codec. No drift is that large, so the ratio gives it away. */
static void rate_correct(struct render_segment *segment, struct sample *samples, size_t n)
{
    static const double ratios[] = {2, 3, 6, 1.0 / 2, 1.0 / 3, 1.0 / 6};
    double slope = line_fit(samples, n).slope;
    for (size_t i = 0; i < sizeof ratios / sizeof ratios[0]; i++) {
        double rate = segment->clock_hz * ratios[i];
        if (fabs((1 + slope) * ratios[i] - 1) > 0.03 || rate < 8000 || rate > 48000)
            continue;
        segment->rate_hz = (uint32_t)lround(rate);
        for (size_t k = 0; k < n; k++) {
            double nominal = samples[k].t;
            samples[k].t = nominal / ratios[i];
            samples[k].d += (nominal - samples[k].t) * 1e9;
        }
        return;
    }
}

static bool segment_fit_line(struct render_segment *segment, struct sample *samples, size_t n,
                             double *scratch)
{
    for (size_t i = 0; i < n; i++) {
        samples[i] = (struct sample){
            .t = (double)segment->points[i].rtp / segment->clock_hz,
            .d = (double)segment->points[i].delay_ns,
            .used = true,
        };
    }
    if (n >= 3)
        rate_correct(segment, samples, n);
    segment->base_ns = smallest_delay(samples, n);
    segment->slope = 0;
    /* Two windows always lie on a line; five that do say something. */
    if (n < 5)
        return true;
    struct line line = line_fit(samples, n);
    for (int round = 0; round < ROUNDS; round++) {
        outliers_drop(samples, n, scratch);
        line = line_fit(samples, n);
    }
    if (line.used < 3 || fabs(line.slope) > SLOPE_MAX)
        return true;
    if (!slope_is_real(&line))
        line.slope = 0;
    double mean_t = 0, mean_d = 0;
    for (size_t i = 0; i < n; i++) {
        if (samples[i].used) {
            mean_t += samples[i].t / (double)line.used;
            mean_d += samples[i].d / (double)line.used;
        }
    }
    segment->slope = line.slope;
    segment->base_ns = mean_d - line.slope * 1e9 * mean_t;
    for (size_t i = 0; i < n; i++)
        samples[i].residual = samples[i].d - segment->base_ns - segment->slope * 1e9 * samples[i].t;
    return line_bend(segment, samples, n, scratch);
}

bool render_segment_settle(struct render_segment *segment)
{
    size_t n = segment->point_count;
    struct sample *samples = calloc(n, sizeof *samples);
    double *scratch = calloc(n, sizeof *scratch);
    bool ok = samples && scratch && segment_fit_line(segment, samples, n, scratch);
    free(samples);
    free(scratch);
    free(segment->points);
    segment->points = NULL;
    segment->point_count = segment->point_room = 0;
    return ok;
}

double render_knots_at(const struct render_segment *segment, double at_s)
{
    const struct render_knot *knots = segment->knots;
    size_t n = segment->knot_count;
    if (n == 0)
        return 0;
    if (at_s <= knots[0].at_s)
        return knots[0].offset_ns;
    if (at_s >= knots[n - 1].at_s)
        return knots[n - 1].offset_ns;
    size_t low = 0, high = n - 1;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (knots[middle].at_s <= at_s)
            low = middle;
        else
            high = middle;
    }
    double span = knots[high].at_s - knots[low].at_s;
    double part = span > 0 ? (at_s - knots[low].at_s) / span : 0;
    return knots[low].offset_ns + part * (knots[high].offset_ns - knots[low].offset_ns);
}
