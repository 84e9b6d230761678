/* share: see share.h.
 * Not here: sockets.
 * RFC 7866 §8.1.8, 9143 §7.1.3, 6544 §4. */
#include "recorder/share.h"

#include "recorder/ice.h"

bool recorder_share_may(const struct recorder *recorder, const struct recorder_call *call,
                        const struct sdp_media *media, bool taken)
{
    bool first = call->record.stream_count == 0;
    if (!recorder->settings.mux_port || (!first && call->worker != 0))
        return false;
    if (recorder_ice_offered(media))
        return true;
    /* Behind a NAT of its own it sends from an address that nobody can know before. */
    return !taken && addr_is_set(&media->rtp) && addr_equal_ip(&media->rtp, &call->flow.peer);
}

bool recorder_share_ticket(const struct recorder *recorder, uint8_t family, const struct addr *near,
                           struct recorder_ticket *out)
{
    const struct recorder_settings *settings = &recorder->settings;
    size_t best = settings->binds_count;
    for (size_t i = 0; i < settings->binds_count; i++) {
        const struct addr *bind = &settings->binds[i];
        if (bind->family == family && recorder_is_here(recorder, bind) &&
            (best == settings->binds_count || addr_equal_ip(bind, near)))
            best = i;
    }
    if (best == settings->binds_count)
        return false;
    struct addr bound = addr_with_port(settings->binds[best], settings->mux_port);
    *out = (struct recorder_ticket){.port = MEDIA_PORT_SHARED,
                                    .generation = (uint32_t)best,
                                    .bound = bound,
                                    .bound_rtcp = bound};
    return true;
}

uint32_t recorder_share_socket(const struct recorder_ticket *ticket, bool rtcp)
{
    return ticket->port == MEDIA_PORT_SHARED ? MEDIA_SHARED(MEDIA_SHARED_UDP, ticket->generation)
                                             : MEDIA_SOCKET(ticket->port, rtcp);
}

bool recorder_share_speaks_tcp(const struct sdp_session *sdp, const struct sdp_media *media)
{
    for (size_t i = 0; i < media->candidate_count; i++) {
        if (sdp->candidates[media->candidate_first + i].transport != CANDIDATE_UDP)
            return true;
    }
    return false;
}
