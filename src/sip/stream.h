/* stream: cuts the bytes of one connection into messages.
 * Not here: what is in them (message.h), the connection itself (io).
 * RFC 3261 §7.5, 18.3; RFC 5626 §4.4.1 (keepalive). */
#ifndef SIP_STREAM_H
#define SIP_STREAM_H

#include "base/view.h"

/* One a connection; zeroed is empty. The buffer is only there while a message is incomplete. */
struct sip_stream {
    char *buffer;
    size_t len, size;
    size_t scanned;    /* no end of the headers before this */
    size_t body_at;    /* where the body starts; 0: headers not complete */
    uint64_t message;  /* length of the whole message, once body_at is known */
    uint64_t discard;  /* bytes still to come of a body that is too large */
    uint8_t pongs_due; /* pings of ours that nothing has answered yet: 0 or 1 */
    bool ponged;
    uint8_t blank; /* characters of a CRLFCRLF seen between messages */
    bool failed;   /* framing is lost; nothing more is taken */
};

enum sip_stream_result {
    SIP_STREAM_MORE,      /* everything was taken, no message yet */
    SIP_STREAM_MESSAGE,   /* *message is whole */
    SIP_STREAM_TOO_LARGE, /* *message is its head; the body is being skipped */
    SIP_STREAM_PING,      /* CRLFCRLF: a single CRLF is to be sent back */
    SIP_STREAM_PONG,      /* CRLF, while pongs_due said that one was awaited */
    SIP_STREAM_BROKEN, /* *message (may be empty) is the head that cannot be framed; answer it, then
                          close */
    SIP_STREAM_NO_MEMORY, /* close */
};

/* Takes bytes off *rest until it has something to say; call again until SIP_STREAM_MORE. *message
 * lives until the next call or the end of the caller's bytes. body_max: longest body to keep. */
enum sip_stream_result sip_stream_next(struct sip_stream *stream, struct view *rest,
                                       size_t body_max, struct view *message);
void sip_stream_finish(struct sip_stream *stream);

#endif
