/* shared: streams that share sockets: whose a datagram is, by what its sender proved, or by the
 * address that a stream's SDP offered.
 * Not here: the sockets; the table (ice/mux.h).
 * RFC 8445 §7.3, 7983. */
#ifndef MEDIA_SHARED_H
#define MEDIA_SHARED_H

#include "media/worker.h"

/* To be found on shared sockets from now on, if its facts say so, at the address that was offered.
 */
void media_shared_join(struct media *media, struct media_stream *stream, struct tick now);
void media_shared_leave(struct media *media, struct media_stream *stream);
/* By its agent's ufrag, too. */
void media_shared_name(struct media *media, struct media_stream *stream, const char *ufrag);
/* The stream of a datagram on a shared socket, or NULL. */
struct media_stream *media_shared_find(struct media *media, const struct datagram *datagram);
/* What an agent sent there, for its answer. */
void media_shared_sent(struct media *media, struct media_stream *stream,
                       const struct media_packet *packet);
/* The stream took a packet from there. */
void media_shared_used(struct media *media, const struct media_stream *stream, struct tick now,
                       const struct datagram *datagram);
/* The stream's agent believes the sender, who answers a check of ours or sent one. False: the path is another
 * stream's. */
bool media_shared_proved(struct media *media, struct media_stream *stream, struct tick now,
                         const struct datagram *datagram, bool answers);

#endif
