/* shared: the table of ice/mux.h, with streams for owners.
 * Not here: sockets.
 * RFC 8445 §7.3. */
#include "media/shared.h"

#include "media/ice.h"

void media_shared_join(struct media *media, struct media_stream *stream, struct tick now)
{
    if (!media->shared || !stream->facts.shares)
        return;
    if (!stream->share)
        stream->share = ice_mux_join(media->shared, stream->id.value);
    /* A stream without ICE has nothing to prove itself by: an SRC with symmetric RTP (RFC 4961)
     * sends from where it wants to receive. Who proves the path by a check has it instead. */
    if (!stream->share || stream->facts.port != MEDIA_PORT_SHARED ||
        !addr_is_set(&stream->facts.offered))
        return;
    struct ice_path rtp = {{stream->facts.socket}, stream->facts.offered};
    struct ice_path rtcp = {{stream->facts.socket}, stream->facts.offered_rtcp};
    (void)ice_mux_proved(media->shared, now, stream->share, &rtp);
    if (addr_is_set(&rtcp.peer))
        (void)ice_mux_proved(media->shared, now, stream->share, &rtcp);
}

void media_shared_leave(struct media *media, struct media_stream *stream)
{
    if (stream->share)
        ice_mux_leave(media->shared, stream->share);
    stream->share = NULL;
}

void media_shared_name(struct media *media, struct media_stream *stream, const char *ufrag)
{
    /* Two of 40 random bits alike on one port: then this one is found by its paths alone. */
    if (stream->share)
        (void)!ice_mux_name(media->shared, stream->share, view_of_string(ufrag));
}

struct media_stream *media_shared_find(struct media *media, const struct datagram *datagram)
{
    struct ice_path path = {{datagram->socket}, datagram->from};
    if (!media->shared)
        return NULL;
    const struct ice_mux_agent *agent = ice_mux_find(media->shared, &path, datagram->bytes);
    if (!agent)
        return NULL;
    return pool_find(media->streams, (struct pool_id){ice_mux_owner(agent)});
}

void media_shared_sent(struct media *media, struct media_stream *stream,
                       const struct media_packet *packet)
{
    if (stream->share && MEDIA_SOCKET_SHARED(packet->socket))
        ice_mux_sent(media->shared, stream->share, packet->bytes);
}

bool media_shared_proved(struct media *media, struct media_stream *stream, struct tick now,
                         const struct datagram *datagram, bool answers)
{
    struct ice_path path = {{datagram->socket}, datagram->from};
    if (!MEDIA_SOCKET_SHARED(datagram->socket))
        return true;
    if (!stream->share)
        return false;
    return answers ? ice_mux_answered(media->shared, now, stream->share, &path)
                   : ice_mux_proved(media->shared, now, stream->share, &path);
}

void media_shared_used(struct media *media, const struct media_stream *stream, struct tick now,
                       const struct datagram *datagram)
{
    struct ice_path path = {{datagram->socket}, datagram->from};
    if (stream->share && MEDIA_SOCKET_SHARED(datagram->socket))
        ice_mux_used(media->shared, now, stream->share, &path);
}

bool media_knows_path(const struct media *media, uint32_t socket, const struct addr *peer)
{
    struct ice_path path = {{socket}, *peer};
    return media->shared && ice_mux_find(media->shared, &path, VIEW_NONE);
}

void media_path_failed(struct media *media, struct tick now, uint32_t socket,
                       const struct addr *peer)
{
    /* Whose it was is known by the path alone, if it was ever proved; ask them all otherwise: there
     * are few, and it is rare. */
    uint32_t index = 0;
    struct pool_id id;
    struct media_stream *stream;
    while ((stream = pool_next(media->streams, &index, &id)))
        media_ice_path_failed(media, stream, now, socket, peer);
}
