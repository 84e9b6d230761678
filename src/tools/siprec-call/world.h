/* world: what all calls of a run share, and the loop that moves them: one thread, one epoll, one
 * wheel.
 * Not here: what a call does (call.h).
 * RFC: none. */
#ifndef TOOLS_SIPREC_CALL_WORLD_H
#define TOOLS_SIPREC_CALL_WORLD_H

#include "base/map.h"
#include "base/rng.h"
#include "tools/siprec-call/call.h"
#include "tools/siprec-call/profile.h"

#define CALL_SCRATCH_BYTES (256 * 1024)

struct call_world {
    const struct call_options *options;
    struct call_profile profile;
    struct call_script script;
    bool scripted;
    bool noise; /* comfort noise is offered */
    struct call_wire wire;
    uint32_t wire_events; /* what epoll is to tell of it */
    struct addr media_ip;
    struct addr said_ip; /* what SDP calls it */
    struct call_net_range ports;
    struct rng rng;
    const struct call_codec *codecs[CALL_CODECS];
    size_t codec_count;
    struct call_clip *clips[CALL_STREAMS_MAX][CALL_CODECS];
    unsigned streams; /* a call begins with */
    struct call_wheel wheel;
    int epoll;
    struct call **calls;
    unsigned started, done;
    struct call_alarm start; /* of the next call */
    struct tick began;
    struct tick now;
    int64_t late_ms; /* the longest a timer waited beyond its time: our own health */
    struct call_builder *builder;
    char *scratch; /* a message being built */
    char *values;  /* and the texts that go into it */
    char *part;    /* SDP, metadata and body before they go into it */
};

/* Reads profile, script and sounds, opens the wire. *unreachable tells a machine or network fault
 * from a wrong one. */
WARN_UNUSED bool call_world_open(struct call_world *world, const struct call_options *options,
                                 bool *unreachable, char *error, size_t size);
/* Until every call is done. */
void call_world_run(struct call_world *world);
void call_world_close(struct call_world *world);

/* A stream's clip in a codec; NULL when it was not made. */
const struct call_clip *call_world_clip(const struct call_world *world, unsigned stream,
                                        const struct call_codec *codec);
/* Watches a stream's sockets. */
void call_world_watch(struct call_world *world, struct call_stream *stream);

/* Exit status of the run, its report on stdout. */
int call_report(const struct call_world *world);

#endif
