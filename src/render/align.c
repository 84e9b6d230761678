/* align: brings the streams of one sender together by its sender reports, which tell what arrival
 * times cannot: that one stream travelled longer than the other.
 * Not here: each stream's own clock (clock.h).
 * RFC 3550 §6.4.1 (SR), §6.5.1 (CNAME: streams of one clock). */
#include "render/align.h"

#include <stdlib.h>
#include <string.h>

/* A path may be slower than another by so much; beyond it the report's clock is not what it seems
 * (NTP that counts from boot, reports forwarded from elsewhere). */
#define SHIFT_MAX_NS (500 * NS_PER_MS)
/* Reports of one source that disagree by more say nothing to the millisecond. */
#define SPREAD_MAX_NS (20 * NS_PER_MS)
#define REPORT_AGE_NS (10 * NS_PER_S)
#define SOURCES_MAX   256

struct aligned {
    struct render_source *source;
    int64_t offset_ns; /* where arrival puts it, minus its own wall clock */
    bool done;
};

static int compare_offsets(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static const struct render_segment *segment_at(const struct render_clock *clock, struct wall at)
{
    const struct render_segment *found = NULL;
    for (size_t i = 0; i < clock->count; i++)
        if (!found || clock->segments[i].arrival_first.ns <= at.ns)
            found = &clock->segments[i];
    return found;
}

/* The median over a source's reports of placed minus reported time. False when there is nothing to
 * go by. */
static bool source_offset(const struct render_source *source, int64_t *offset_ns)
{
    int64_t offsets[RENDER_REPORTS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < source->report_count; i++) {
        const struct render_report *report = &source->reports[i];
        const struct render_segment *segment = segment_at(&source->clock, report->arrival);
        if (!segment)
            return false;
        int64_t rtp = render_segment_unwrap(segment, report->timestamp, report->arrival);
        int64_t placed = render_segment_place(segment, rtp).ns;
        int64_t age = report->arrival.ns - placed;
        if (age > -REPORT_AGE_NS && age < REPORT_AGE_NS)
            offsets[count++] = placed - rtcp_wall_of(report->ntp).ns;
    }
    if (count == 0)
        return false;
    qsort(offsets, count, sizeof *offsets, compare_offsets);
    *offset_ns = offsets[count / 2];
    return offsets[count * 3 / 4] - offsets[count / 4] <= SPREAD_MAX_NS;
}

/* All sources from `first` on that share its CNAME; sources without one are of one sender, too, as
 * far as their clocks agree. */
static unsigned group_align(struct aligned *list, size_t count, size_t first)
{
    int64_t offsets[SOURCES_MAX];
    size_t members = 0;
    unsigned refused = 0;
    const char *cname = list[first].source->cname;
    for (size_t i = first; i < count; i++)
        if (!list[i].done && strcmp(list[i].source->cname, cname) == 0)
            offsets[members++] = list[i].offset_ns;
    qsort(offsets, members, sizeof *offsets, compare_offsets);
    int64_t middle = offsets[(members - 1) / 2], target = middle;
    for (size_t i = members; i > 0; i--)
        if (offsets[i - 1] >= middle - SHIFT_MAX_NS)
            target = offsets[i - 1];
    for (size_t i = first; i < count; i++) {
        if (list[i].done || strcmp(list[i].source->cname, cname) != 0)
            continue;
        list[i].done = true;
        int64_t shift = target - list[i].offset_ns;
        if (members < 2)
            continue;
        if (shift > SHIFT_MAX_NS || shift < -SHIFT_MAX_NS) {
            refused++;
            continue;
        }
        struct render_clock *clock = &list[i].source->clock;
        for (size_t k = 0; k < clock->count; k++)
            render_segment_shift(&clock->segments[k], shift);
        list[i].source->by_reports = true;
    }
    return refused;
}

unsigned render_align(struct render_survey *survey)
{
    struct aligned list[SOURCES_MAX];
    size_t count = 0;
    unsigned refused = 0;
    for (size_t i = 0; i < survey->stream_count; i++) {
        struct render_stream *stream = &survey->streams[i];
        for (size_t k = 0; k < stream->source_count && count < SOURCES_MAX; k++) {
            struct aligned one = {.source = stream->sources[k]};
            if (one.source->clock.count > 0 && source_offset(one.source, &one.offset_ns))
                list[count++] = one;
        }
    }
    for (size_t i = 0; i < count; i++)
        if (!list[i].done)
            refused += group_align(list, count, i);
    return refused;
}
