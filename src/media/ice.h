/* ice: a stream's ICE agent among the rest of media: STUN in and out of its sockets, the path that
 * was chosen, RTP's source told of every path that proved itself.
 * Not here: checks and choices (ice), which candidates there are (recorder).
 * RFC 8445 §12 (media), §9 (restart), 7675 (consent), 7983 (what is STUN). */
#ifndef MEDIA_ICE_H
#define MEDIA_ICE_H

#include "media/worker.h"

/* Takes the agent: a first one, or after a restart a new one, beside which the one before carries
 * media until a path is chosen anew. NULL and !stays: the stream goes on without ICE (RFC 8839
 * §4.4.1.1.1). */
void media_ice_set(struct media *media, struct media_stream *stream, struct tick now,
                   struct ice *fresh, bool stays);
void media_ice_finish(struct media *media, struct media_stream *stream);

/* More candidates of the peer's, trickled; end: no more will come (RFC 8838). */
void media_ice_candidates(struct media *media, struct media_stream *stream, struct tick now,
                          const struct candidate *list, size_t count, bool end);

/* More of ours, sent from the socket. */
void media_ice_locals(struct media *media, struct media_stream *stream, uint32_t socket,
                      const struct candidate *list, size_t count);

/* A STUN message on one of the stream's sockets. False: it is not the agent's. */
bool media_ice_input(struct media *media, struct media_stream *stream, struct tick now,
                     const struct datagram *datagram);
/* A TCP connection of the stream's could not be opened, or closed. */
void media_ice_path_failed(struct media *media, struct media_stream *stream, struct tick now,
                           uint32_t socket, const struct addr *peer);

/* Where a component's packets go: the chosen path, while there is consent (RFC 8445 §12.1,
 * RFC 7675 §5.1). False: nothing may be sent. */
bool media_ice_way(const struct media_stream *stream, uint8_t component, uint32_t *socket,
                   struct addr *to);
/* The address of ours that the peer's checks last came to; unset: not known, or it is a socket's
 * that has one address alone. */
struct addr media_ice_from(const struct media_stream *stream, const struct addr *peer);
/* RTP came, or none may come for a while: when the server of the relay that it comes by is asked whether
 * it lives, as `way` does it for streams without ICE. */
void media_ice_hear(struct media *media, struct media_stream *stream, struct tick now,
                    uint32_t socket);
/* RTP's path leads through the relay. */
bool media_ice_is_by_relay(const struct media_stream *stream, uint32_t slot);
bool media_ice_output(struct media *media, struct media_stream *stream, struct tick now,
                      struct media_packet *out);
void media_ice_expire(struct media *media, struct media_stream *stream, struct tick now);
struct tick media_ice_deadline(const struct media_stream *stream);

#endif
