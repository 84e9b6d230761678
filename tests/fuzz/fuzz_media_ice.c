/* Fuzz target: a worker's media with two ICE streams, one on its own port and one on shared sockets.
 * The input decides datagrams, their sockets and sources, signed ones among them, time, restarts and
 * trickled candidates; nothing may be sent but STUN to anywhere before a path is chosen. */
#include "fuzz/bytes.h"
#include "ice/ice.h"
#include "media/media.h"
#include "stun/key.h"
#include "stun/message.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STREAMS = 2 };
#define PASSWORD "0123456789abcdefghijklmn"

struct world {
    struct media *media;
    struct tick now;
    struct view rest;
    char ufrag[STREAMS][ICE_UFRAG_SIZE], pwd[STREAMS][ICE_PWD_SIZE];
};

static uint32_t socket_of(unsigned choice)
{
    static const uint32_t sockets[] = {MEDIA_SOCKET(0, false),
                                       MEDIA_SOCKET(0, true),
                                       MEDIA_SHARED(MEDIA_SHARED_UDP, 0),
                                       MEDIA_SHARED(MEDIA_SHARED_TCP_PASSIVE, 0),
                                       MEDIA_SHARED(MEDIA_SHARED_TCP_ACTIVE, 0),
                                       MEDIA_SOCKET(3, false)};
    return sockets[choice % (sizeof sockets / sizeof *sockets)];
}

static struct addr peer_of(unsigned choice)
{
    return addr_v4(203, 0, 113, (uint8_t)(1 + choice % 4), (uint16_t)(4000 + choice / 4));
}

static void set_stream(struct world *w, unsigned i)
{
    struct media_command c = {.kind = MEDIA_STREAM, .recording = {1}, .at = {1}};
    struct ice_options options = {
        .role = fuzz_next(&w->rest) & 1, .lite = fuzz_next(&w->rest) % 4 == 0, .components = 1};
    options.seed[0] = (uint8_t)fuzz_next(&w->rest);
    options.seed[1] = (uint8_t)i;
    struct ice *ice = ice_create(&options);
    assert(ice);
    uint32_t base = i ? MEDIA_SHARED(MEDIA_SHARED_UDP, 0) : MEDIA_SOCKET(0, false);
    (void)ice_add_local(ice,
                        (struct candidate){.component = 1, .address = addr_v4(192, 0, 2, 1, 4000)},
                        (struct ice_base){base}, UINT16_MAX);
    (void)!ice_set_remote(ice, w->now, VIEW_LIT("peer"), VIEW_LIT(PASSWORD),
                          fuzz_next(&w->rest) % 4 == 0);
    (void)snprintf(w->ufrag[i], sizeof w->ufrag[i], "%s", ice_ufrag(ice));
    (void)snprintf(w->pwd[i], sizeof w->pwd[i], "%s", ice_pwd(ice));
    c.stream = (struct media_stream_facts){.stream = (uint8_t)i,
                                           .port = i ? MEDIA_PORT_SHARED : 0,
                                           .generation = 1,
                                           .shares = i > 0,
                                           .socket = base,
                                           .rtcp_mux = true,
                                           .listed = fuzz_next(&w->rest) & 1,
                                           .bound = addr_v4(192, 0, 2, 1, 4000),
                                           .advertised = addr_v4(192, 0, 2, 1, 4000),
                                           .offered = peer_of(0),
                                           .signalled = peer_of(0),
                                           .ice = ice,
                                           .ice_stays = true};
    media_command(w->media, w->now, &c);
}

/* A check or an answer, signed as its agent or its peer would. */
static struct view stun(struct world *w, uint8_t bytes[512])
{
    unsigned flags = fuzz_next(&w->rest), i = flags & 1;
    char username[64];
    struct writer out = writer_of(bytes, 512);
    struct stun_transaction id = {{(uint8_t)fuzz_next(&w->rest)}};
    struct stun_key *key =
        stun_key_create_short(flags & 2 ? view_of_string(w->pwd[i]) : VIEW_LIT(PASSWORD));
    struct addr mapped = peer_of(fuzz_next(&w->rest));
    (void)snprintf(username, sizeof username, "%s:peer", w->ufrag[i]);
    stun_begin(&out, (enum stun_class)(flags >> 2 & 3), STUN_BINDING, &id);
    stun_put(&out, STUN_USERNAME, view_of_string(username));
    stun_put_u32(&out, STUN_PRIORITY, fuzz_next(&w->rest));
    if (flags & 16)
        stun_put(&out, STUN_USE_CANDIDATE, VIEW_NONE);
    stun_put_u64(&out, flags & 32 ? STUN_ICE_CONTROLLING : STUN_ICE_CONTROLLED,
                 fuzz_next(&w->rest));
    stun_put_address(&out, STUN_XOR_MAPPED_ADDRESS, &mapped);
    stun_sign(&out, key);
    stun_finish(&out, flags & 64);
    stun_key_destroy(key);
    return writer_done(&out);
}

static void put(struct world *w)
{
    uint8_t bytes[512];
    unsigned kind = fuzz_next(&w->rest) % 4;
    struct datagram d = {
        .socket = socket_of(fuzz_next(&w->rest)), .from = peer_of(fuzz_next(&w->rest)), .at = {1}};
    if (kind == 0) {
        d.bytes = view_take(w->rest, fuzz_next(&w->rest));
        w->rest = view_skip(w->rest, d.bytes.len);
    } else if (kind == 1) {
        memset(bytes, 0, 172);
        bytes[0] = 0x80;
        bytes[3] = (uint8_t)fuzz_next(&w->rest);
        d.bytes = view_of(bytes, 172);
    } else {
        d.bytes = stun(w, bytes);
    }
    (void)media_input(w->media, w->now, &d, 1);
}

static void trickle(struct world *w)
{
    struct candidate *list = calloc(1, sizeof *list);
    assert(list);
    *list = (struct candidate){.component = (uint16_t)(fuzz_next(&w->rest) % 3),
                               .transport = fuzz_next(&w->rest) % 4,
                               .priority = fuzz_next(&w->rest),
                               .address = peer_of(fuzz_next(&w->rest)),
                               .foundation = "1"};
    media_command(w->media, w->now,
                  &(struct media_command){.kind = MEDIA_TRICKLE,
                                          .recording = {1},
                                          .at = {1},
                                          .trickle = {.stream = fuzz_next(&w->rest) & 1,
                                                      .end = fuzz_next(&w->rest) & 1},
                                          .bytes = (uint8_t *)list,
                                          .len = sizeof *list});
}

static void drain(struct world *w)
{
    struct media_packet packet;
    struct media_event event;
    struct media_write write;
    struct media_port port;
    while (media_write(w->media, &write))
        ;
    for (unsigned sent = 0; media_output(w->media, w->now, &packet); sent++) {
        assert(sent < 1000 && packet.bytes.len > 0);
        assert(MEDIA_SOCKET_SHARED(packet.socket) || MEDIA_SOCKET_PORT(packet.socket) == 0);
    }
    while (media_event(w->media, &event))
        ;
    while (media_release(w->media, &port))
        ;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct media_config config = {.recordings = 1,
                                        .streams = STREAMS,
                                        .ports = 4,
                                        .silent_after_ms = 5000,
                                        .linger_ms = 200,
                                        .linger_max_ms = 2000,
                                        .apart_max = 65536,
                                        .shared = STREAMS};
    struct world w = {.now = {NS_PER_S}, .rest = view_of(data, size)};
    w.media = media_create(&config);
    assert(w.media);
    media_clock(w.media, &(struct moment){w.now, {1}});
    media_command(w.media, w.now,
                  &(struct media_command){.kind = MEDIA_OPEN, .recording = {1}, .at = {1}});
    set_stream(&w, 0);
    set_stream(&w, 1);
    while (w.rest.len) {
        unsigned what = fuzz_next(&w.rest) % 16;
        if (what == 0)
            set_stream(&w, fuzz_next(&w.rest) & 1);
        else if (what == 1)
            trickle(&w);
        else if (what < 6)
            w.now = tick_add_ms(w.now, fuzz_next(&w.rest) * 10);
        else
            put(&w);
        for (unsigned i = 0; tick_due(media_deadline(w.media), w.now); i++) {
            assert(i < 100);
            media_expire(w.media, w.now);
            drain(&w);
        }
        drain(&w);
    }
    media_destroy(w.media);
    return 0;
}
