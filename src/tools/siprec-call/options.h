/* options: what the command line asks for.
 * Not here: doing it (world.c). The meaning of each is in siprec-call(1).
 * RFC: none. */
#ifndef TOOLS_SIPREC_CALL_OPTIONS_H
#define TOOLS_SIPREC_CALL_OPTIONS_H

#include "tools/siprec-call/clip.h"
#include "tools/siprec-call/net.h"
#include "tools/siprec-call/sender.h"

#define CALL_AUDIO_FILES 8
#define CALL_CODECS      8
#define CALL_STREAMS_MAX 16

enum call_usage { CALL_USAGE_RUN, CALL_USAGE_DONE, CALL_USAGE_WRONG };

/* TRICKLE: full, and candidates come after the offer (RFC 8840). */
enum call_ice_mode { CALL_ICE_NONE, CALL_ICE_FULL, CALL_ICE_LITE, CALL_ICE_TRICKLE };

struct call_options {
    const char *uri; /* as given: the request URI and To */
    char host[256];  /* of the URI */
    uint16_t port;
    enum call_transport transport;
    const char *tls_ca;                  /* --tls-ca; NULL: any certificate will do */
    const char *tls_certificate;         /* --tls-certificate */
    struct addr local;                   /* --local: where to call from; unset: the route's */
    unsigned streams;                    /* 0: the profile's, else 2 */
    int64_t hold_ms;                     /* of each call, from its answer to its BYE */
    const char *audio[CALL_AUDIO_FILES]; /* none: tones */
    size_t audio_count;
    const struct call_codec
        *codecs[CALL_CODECS]; /* offered, in order; none: the profile's, else PCMU */
    size_t codec_count;
    const char *profile;
    const char *script; /* NULL: none */
    struct call_impairment impairment;
    enum call_ice_mode ice;
    struct call_net_range ports;
    struct addr say;       /* --say: the address in SDP; unset: the local one */
    struct addr send_from; /* --send-from: RTP leaves from there; unset: from where it is offered */
    bool send_from_port;   /* --send-from port: from another port of the same address */
    bool latch;            /* follow the source of what comes to the RTP port */
    unsigned calls;
    double rate; /* calls a second */
    uint64_t seed;
    bool seed_given;
    unsigned expect;    /* the INVITE's answer; 200: any 2xx */
    int64_t timeout_ms; /* for an answer */
    bool json, strict, list;
};

/* Reads the arguments; prints help, lists and complaints itself. */
enum call_usage call_options_parse(struct call_options *options, int argc, char **argv);

#endif
