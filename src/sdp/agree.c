/* agree: one m-line's outcome.
 * Not here: sockets and codecs' insides.
 * RFC 3264 §6.1, §7; 4574; 5761 §5.1.1. */
#include "sdp/agree.h"

#include <string.h>

static void add_format(struct sdp_agreed *agreed, const struct sdp_format *format)
{
    if (agreed->format_count < LIMIT_SDP_FORMATS && sdp_format_can_take(format) &&
        !sdp_agreed_format(agreed, format->payload_type))
        agreed->formats[agreed->format_count++] = *format;
}

/* Our numbers count for what we receive (RFC 3264 §5.1, §6.1), so ours go first; theirs too, since
 * an SRC that answers our offer with numbers of its own also sends by them. */
static void add_formats(struct sdp_agreed *agreed, const struct sdp_session *ours,
                        const struct sdp_session *theirs, size_t line)
{
    const struct sdp_media *mine = &ours->media[line], *other = &theirs->media[line];
    for (size_t i = 0; i < mine->format_count; i++) {
        struct sdp_format format = *sdp_media_format(ours, mine, i);
        const struct sdp_format *same = sdp_media_find_format(theirs, other, format.payload_type);
        /* Parameters of a sender, such as Opus' sprop-stereo, stand only on their side. */
        if (same && same->codec == format.codec && same->fmtp.len)
            format.fmtp = same->fmtp;
        add_format(agreed, &format);
    }
    for (size_t i = 0; i < other->format_count; i++)
        add_format(agreed, sdp_media_format(theirs, other, i));
}

static enum sdp_direction agreed_direction(const struct sdp_media *mine,
                                           const struct sdp_media *other)
{
    bool receive = sdp_direction_receives(mine->direction) && sdp_direction_sends(other->direction);
    bool send = sdp_direction_sends(mine->direction) && sdp_direction_receives(other->direction);
    if (other->held)
        receive = send = false;
    if (receive)
        return send ? SDP_SENDRECV : SDP_RECVONLY;
    return send ? SDP_SENDONLY : SDP_INACTIVE;
}

void sdp_agree(struct sdp_agreed *agreed, const struct sdp_session *ours,
               const struct sdp_session *theirs, size_t line)
{
    const struct sdp_media *mine = &ours->media[line], *other = &theirs->media[line];
    memset(agreed, 0, sizeof *agreed);
    agreed->active = mine->port != 0 && other->port != 0;
    agreed->kind = other->kind;
    agreed->direction = agreed_direction(mine, other);
    agreed->held = other->held;
    agreed->rtcp_mux = mine->rtcp_mux && other->rtcp_mux;
    agreed->remote_rtp = other->rtp;
    agreed->remote_rtcp = other->rtcp;
    /* Offered, but not taken: their RTCP stays beside their RTP. */
    if (other->rtcp_mux && !mine->rtcp_mux && addr_is_set(&other->rtp))
        agreed->remote_rtcp = addr_with_port(
            other->rtp, other->rtp.port < UINT16_MAX ? (uint16_t)(other->rtp.port + 1) : 0);
    agreed->local_rtp = mine->rtp;
    agreed->label = other->label.len ? other->label : mine->label;
    agreed->ptime_ms = other->ptime_ms;
    add_formats(agreed, ours, theirs, line);
}

const struct sdp_format *sdp_agreed_format(const struct sdp_agreed *agreed, uint8_t payload_type)
{
    for (size_t i = 0; i < agreed->format_count; i++) {
        if (agreed->formats[i].payload_type == payload_type)
            return &agreed->formats[i];
    }
    return NULL;
}
