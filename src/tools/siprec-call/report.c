/* report: what came of a run, as text or JSON, and the exit status. Part of world.h.
 * Not here: gathering it.
 * RFC: none. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/siprec-call/ice.h"
#include "tools/siprec-call/world.h"

#define RESULTS_MAX 50 /* calls told one by one in a load run: the failed ones */

struct summary {
    unsigned calls, answered, failed, reached;
    double *ms; /* answer times, sorted */
    struct call_sender_counts packets;
};

static int double_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void counts_add(struct call_sender_counts *sum, const struct call_sender_counts *one)
{
    sum->sent += one->sent;
    sum->octets += one->octets;
    sum->lost += one->lost;
    sum->reordered += one->reordered;
    sum->duplicated += one->duplicated;
    sum->unsent += one->unsent;
    sum->received += one->received;
    sum->rtcp_sent += one->rtcp_sent;
    sum->rtcp_seen += one->rtcp_seen;
    sum->lost_reported += one->lost_reported;
}

static bool summary_make(struct summary *sum, const struct call_world *world)
{
    *sum = (struct summary){.calls = world->started};
    sum->ms = calloc(world->started ? world->started : 1, sizeof *sum->ms);
    if (!sum->ms)
        return false;
    for (unsigned i = 0; i < world->started; i++) {
        const struct call *call = world->calls[i];
        sum->failed += call->failed ? 1 : 0;
        sum->reached += call->reached ? 1 : 0;
        if (call->code / 100 == 2)
            sum->ms[sum->answered++] = call->answer_ms;
        for (unsigned k = 0; k < call->stream_count; k++)
            counts_add(&sum->packets, &call->streams[k].sender.counts);
    }
    qsort(sum->ms, sum->answered, sizeof *sum->ms, double_compare);
    return true;
}

/* Nearest rank. */
static double percentile(const struct summary *sum, unsigned percent)
{
    if (sum->answered == 0)
        return 0;
    size_t rank = ((size_t)sum->answered * percent + 99) / 100;
    return sum->ms[rank > 0 ? rank - 1 : 0];
}

static struct addr_text answered_text(const struct call_stream *stream)
{
    struct addr_text text = {"nothing"};
    if (stream->rejected)
        return (struct addr_text){"rejected"};
    return stream->answered.port == 0 ? text : addr_print(&stream->answered);
}

static void stream_print(const struct call_stream *stream)
{
    const struct call_sender *sender = &stream->sender;
    const struct call_sender_counts *n = &sender->counts;
    printf("  stream %u  label %s  %s  offered %s  answered %s %s\n", sender->index, stream->label,
           sender->clip ? sender->clip->codec->rtpmap : "no codec", addr_print(&sender->local).s,
           answered_text(stream).s,
           stream->answered.port == 0 ? "" : call_direction_name(stream->answered_direction));
    printf("            packets %llu  octets %llu  dropped %llu  late %llu  twice %llu  rtcp sent "
           "%u seen %u"
           "  lost as reported %u\n",
           (unsigned long long)n->sent, (unsigned long long)n->octets, (unsigned long long)n->lost,
           (unsigned long long)n->reordered, (unsigned long long)n->duplicated, n->rtcp_sent,
           n->rtcp_seen, n->lost_reported);
    if (stream->ice)
        printf("            ice %s  to %s  by INFO %u\n", call_ice_text(stream->ice),
               addr_print(&sender->rtp).s, call_ice_trickled(stream->ice));
}

static void call_print(const struct call *call)
{
    printf("call %s\n", call->call_id);
    if (call->code > 0)
        printf("  answer %u %s in %.1f ms\n", call->code, call->reason, call->answer_ms);
    for (unsigned i = 0; i < call->stream_count; i++)
        stream_print(&call->streams[i]);
    for (unsigned i = 0; i < call->step_count; i++) {
        const struct call_result_step *step = &call->steps[i];
        if (step->code > 0)
            printf("  step    %-28s %u in %.1f ms%s\n", step->line, step->code, step->ms,
                   step->good ? "" : "  WRONG");
        else
            printf("  step    %-28s done\n", step->line);
    }
    for (unsigned i = 0; i < call->problem_count; i++)
        printf("  note    %s\n", call->problems[i]);
    if (call->failed)
        printf("  failed  %s\n", call->fault);
}

static void text_report(const struct call_world *world, const struct summary *sum)
{
    unsigned told = 0;
    for (unsigned i = 0; i < world->started; i++) {
        if (world->options->calls == 1 || (world->calls[i]->failed && told++ < RESULTS_MAX))
            call_print(world->calls[i]);
    }
    if (world->options->calls == 1)
        return;
    printf("calls %u  answered %u  failed %u\n", sum->calls, sum->answered, sum->failed);
    printf("answer time  p50 %.2f ms  p99 %.2f ms  max %.2f ms\n", percentile(sum, 50),
           percentile(sum, 99), percentile(sum, 100));
    printf("packets sent %llu  refused by the kernel %llu  rtcp sent %u seen %u\n",
           (unsigned long long)sum->packets.sent, (unsigned long long)sum->packets.unsent,
           sum->packets.rtcp_sent, sum->packets.rtcp_seen);
    printf("our clock was at most %lld ms late\n", (long long)world->late_ms);
}

static json_t *stream_json(const struct call_stream *stream, bool tone)
{
    const struct call_sender *sender = &stream->sender;
    const struct call_sender_counts *n = &sender->counts;
    const struct call_codec *codec = sender->clip ? sender->clip->codec : NULL;
    json_t *object = json_pack(
        "{s:s, s:s?, s:s, s:s?, s:s?, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:i, s:i, s:i, s:I}",
        "label", stream->label, "codec", codec ? codec->rtpmap : NULL, "offered",
        addr_print(&sender->local).s, "answered",
        stream->answered.port ? addr_print(&stream->answered).s : NULL, "direction",
        stream->answered.port ? call_direction_name(stream->answered_direction) : NULL, "rejected",
        (int)stream->rejected, "packets", (json_int_t)n->sent, "octets", (json_int_t)n->octets,
        "dropped", (json_int_t)n->lost, "reordered", (json_int_t)n->reordered, "duplicated",
        (json_int_t)n->duplicated, "unsent", (json_int_t)n->unsent, "rtcp_sent", (int)n->rtcp_sent,
        "rtcp_seen", (int)n->rtcp_seen, "lost_reported", (int)n->lost_reported, "ssrc",
        (json_int_t)sender->ssrc);
    if (object && stream->ice) {
        json_object_set_new(object, "ice", json_string(call_ice_text(stream->ice)));
        json_object_set_new(object, "peer", json_string(addr_print(&sender->rtp).s));
        json_object_set_new(object, "trickled", json_integer(call_ice_trickled(stream->ice)));
    }
    if (object && tone)
        json_object_set_new(object, "tone_hz", json_integer(call_tone_hz(sender->index)));
    return object;
}

static json_t *call_json(const struct call *call)
{
    bool tone = call->world->options->audio_count == 0;
    json_t *streams = json_array(), *steps = json_array(), *notes = json_array();
    for (unsigned i = 0; i < call->stream_count; i++)
        json_array_append_new(streams, stream_json(&call->streams[i], tone));
    for (unsigned i = 0; i < call->step_count; i++) {
        const struct call_result_step *step = &call->steps[i];
        json_array_append_new(steps,
                              json_pack("{s:s, s:i, s:f, s:b}", "step", step->line, "code",
                                        (int)step->code, "ms", step->ms, "ok", (int)step->good));
    }
    for (unsigned i = 0; i < call->problem_count; i++)
        json_array_append_new(notes, json_string(call->problems[i]));
    return json_pack("{s:s, s:b, s:i, s:s, s:f, s:s?, s:o, s:o, s:o}", "call_id", call->call_id,
                     "ok", (int)!call->failed, "code", (int)call->code, "reason", call->reason,
                     "answer_ms", call->answer_ms, "fault", call->failed ? call->fault : NULL,
                     "streams", streams, "steps", steps, "notes", notes);
}

static void json_report(const struct call_world *world, const struct summary *sum)
{
    json_t *results = json_array();
    unsigned told = 0;
    for (unsigned i = 0; i < world->started; i++) {
        if (world->options->calls == 1 || (world->calls[i]->failed && told++ < RESULTS_MAX))
            json_array_append_new(results, call_json(world->calls[i]));
    }
    json_t *root = json_pack(
        "{s:b, s:i, s:i, s:i, s:{s:f, s:f, s:f}, s:{s:I, s:I, s:I, s:I, s:I, s:i, s:i}, s:I, s:o}",
        "ok", (int)(sum->failed == 0), "calls", (int)sum->calls, "answered", (int)sum->answered,
        "failed", (int)sum->failed, "answer_ms", "p50", percentile(sum, 50), "p99",
        percentile(sum, 99), "max", percentile(sum, 100), "packets", "sent",
        (json_int_t)sum->packets.sent, "dropped", (json_int_t)sum->packets.lost, "reordered",
        (json_int_t)sum->packets.reordered, "duplicated", (json_int_t)sum->packets.duplicated,
        "unsent", (json_int_t)sum->packets.unsent, "rtcp_sent", (int)sum->packets.rtcp_sent,
        "rtcp_seen", (int)sum->packets.rtcp_seen, "late_ms", (json_int_t)world->late_ms, "results",
        results);
    if (!root || json_dumpf(root, stdout,
                            JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(6)) != 0)
        fputs("siprec-call: the report could not be made\n", stderr);
    putchar('\n');
    json_decref(root);
}

int call_report(const struct call_world *world)
{
    struct summary sum;
    if (!summary_make(&sum, world))
        return 1;
    if (world->options->json)
        json_report(world, &sum);
    else
        text_report(world, &sum);
    free(sum.ms);
    if (sum.reached == 0)
        return 3;
    return sum.failed > 0 ? 1 : 0;
}
