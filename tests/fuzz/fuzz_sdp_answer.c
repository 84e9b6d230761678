/* fuzz: any bytes as an offer. The answer must have the offer's m-lines in its order, accept
 * nothing that was removed or is not plain RTP audio, list only formats of the offer, and never
 * send. RFC 3264 §6. */
#include "sdp/agree.h"
#include "sdp/answer.h"
#include "sdp/match.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sdp_session offer, printed;
static struct sdp_answer answer;
static struct sdp_agreed agreed;
static char text[1 << 20];

static void check_line(size_t i)
{
    const struct sdp_media *theirs = &offer.media[i], *ours = &printed.media[i];
    if (theirs->port == 0 || theirs->kind != SDP_KIND_AUDIO ||
        (theirs->profile != SDP_PROFILE_AVP && theirs->profile != SDP_PROFILE_AVPF))
        assert(ours->port == 0);
    assert((ours->port != 0) == (answer.lines[i].reject == SDP_ACCEPTED));
    assert(ours->direction != SDP_SENDRECV && ours->direction_given);
    assert(!sdp_direction_sends(ours->direction) || theirs->direction == SDP_RECVONLY);
    assert(ours->direction == SDP_INACTIVE || (theirs->direction != SDP_INACTIVE && !theirs->held));
    if (ours->port == 0)
        return;
    assert(!ours->rtcp_mux || theirs->rtcp_mux);
    for (size_t k = 0; k < ours->format_count; k++) {
        const struct sdp_format *format = sdp_media_format(&printed, ours, k);
        const struct sdp_format *same = sdp_media_find_format(&offer, theirs, format->payload_type);
        assert(same && same->codec == format->codec && same->clock_hz == format->clock_hz &&
               same->channels == format->channels);
    }
    sdp_agree(&agreed, &printed, &offer, i);
    assert(agreed.active && agreed.format_count > 0 && agreed.direction == ours->direction);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sdp_origin origin;
    struct writer w = writer_of(text, sizeof text);
    sdp_session_parse(&offer, view_of(data, size));
    sdp_answer_plan(&answer, &offer);
    for (size_t i = 0; i < answer.count; i++) {
        answer.lines[i].rtp = addr_v4(192, 0, 2, 1, (uint16_t)(10000 + 2 * i));
        answer.lines[i].rtcp = addr_v4(192, 0, 2, 1, (uint16_t)(10001 + 2 * i));
    }
    sdp_origin_init(&origin, 1, addr_v4(192, 0, 2, 1, 0));
    if (size > sizeof text / 16)
        return 0;
    if (!sdp_answer_print(&answer, &origin, &w))
        abort();
    uint64_t version = origin.version;
    struct writer again = writer_of(text, sizeof text);
    if (!sdp_answer_print(&answer, &origin, &again) || again.len != w.len ||
        origin.version != version)
        abort(); /* the same again is the same, o= included */
    sdp_session_parse(&printed, writer_done(&again));
    assert(printed.media_count == offer.media_count && printed.lost_media == offer.lost_media);
    for (size_t i = 0; i < answer.count; i++)
        check_line(i);
    /* Against itself, everything stays where it is or is found by its label. */
    struct sdp_known known[LIMIT_SDP_MEDIA];
    int found[LIMIT_SDP_MEDIA];
    for (size_t i = 0; i < offer.media_count; i++)
        known[i] = (struct sdp_known){
            .label = offer.media[i].label, .kind = offer.media[i].kind, .line = i};
    sdp_match(&offer, known, offer.media_count, found);
    for (size_t i = 0; i < offer.media_count; i++)
        assert(found[i] == (int)i);
    return 0;
}
