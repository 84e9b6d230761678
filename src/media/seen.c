/* seen: media ports' addresses outside, between port.c and who asks for them: the worker for its
 * stock, streams for themselves.
 * Not here: the requests (port.c).
 * RFC 8489 §12. */
#include <string.h>

#include "media/worker.h"

void media_know(struct media *media, struct tick now, const struct media_network *network)
{
    uint32_t index = 0;
    struct pool_id id;
    struct media_stream *stream;
    media_port_know(media->seen, now, network);
    while (media->knows && (stream = pool_next(media->streams, &index, &id))) {
        unsigned v6 = stream->facts.bound.family == ADDR_V6;
        if (network->change[v6] != media->change[v6])
            media_course_network(media, stream, now);
        media_course_learn(media, stream, now, &network->behaviour[v6]);
    }
    memcpy(media->change, network->change, sizeof media->change);
    media->knows = true;
}

void media_port_opens(struct media *media, struct tick now, const struct media_port *port,
                      const struct addr bound[2])
{
    const struct media_stream *stream = media->ports[port->port].stream;
    media_port_add(media->seen, now, port->port, port->generation, bound);
    if (stream)
        media_port_lend(media->seen, now, port->port, !stream->facts.rtcp_mux);
}

void media_port_closes(struct media *media, uint32_t port)
{
    media_port_remove(media->seen, port);
}

bool media_seen(struct media *media, struct tick now, struct media_port_news *out)
{
    while (media_port_news(media->seen, out)) {
        struct media_stream *stream = out->lent ? media->ports[out->port].stream : NULL;
        if (stream)
            media_course_mapped(media, stream, now, out);
        if (!out->lent || out->changed || out->asked)
            return true;
    }
    return false;
}

uint32_t media_bearable(const struct media *media, struct tick now)
{
    return media_port_bearable(media->seen, now);
}

bool media_is_hurried(const struct media *media)
{
    return media->ices > 0 || media_port_awaits(media->seen);
}
