/* Fuzz target: one port of many agents. Each step of the input joins, names, proves, sends, leaves,
 * or asks whose a datagram is; the mux may never name an agent that has left, nor give a proven
 * path away. */
#include "fuzz/bytes.h"
#include "ice/framing.h"
#include "ice/mux.h"

#include <assert.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { AGENTS = 4 };

struct world {
    struct ice_mux *mux;
    struct ice_mux_agent *agents[AGENTS];
    struct tick now;
    struct view rest;
};

static struct ice_path path_of(unsigned choice)
{
    return (struct ice_path){{choice & 1}, addr_v4(203, 0, 113, 5, (uint16_t)(1000 + choice / 2))};
}

static struct view message(struct world *w, uint8_t bytes[256])
{
    unsigned flags = fuzz_next(&w->rest);
    char username[16];
    struct stun_transaction id = {{(uint8_t)fuzz_next(&w->rest)}};
    struct writer out = writer_of(bytes, 256);
    (void)snprintf(username, sizeof username, "%c%c%c%c:x", 'a' + (int)(flags >> 2 & 7), 'b', 'c',
                   'd');
    stun_begin(&out, (enum stun_class)(flags & 3), STUN_BINDING, &id);
    if (flags & 32)
        stun_put(&out, STUN_USERNAME, view_of_string(username));
    stun_finish(&out, flags & 64);
    return writer_done(&out);
}

static void ask(struct world *w, struct view datagram)
{
    struct ice_path path = path_of(fuzz_next(&w->rest));
    struct ice_mux_agent *found = ice_mux_find(w->mux, &path, datagram);
    bool joined = !found;
    for (int i = 0; i < AGENTS; i++)
        joined |= w->agents[i] == found;
    assert(joined);
}

static void step(struct world *w)
{
    uint8_t bytes[256];
    unsigned op = fuzz_next(&w->rest), at = op >> 4 & (AGENTS - 1);
    char ufrag[5] = {(char)('a' + (op & 7)), 'b', 'c', 'd', 0};
    struct ice_mux_agent **agent = &w->agents[at];
    if (!*agent) {
        *agent = ice_mux_join(w->mux, at);
        assert(*agent && ice_mux_owner(*agent) == at); /* there is room for all */
    }
    switch (op % 7) {
    case 0:
        ice_mux_leave(w->mux, *agent);
        *agent = NULL;
        break;
    case 1:
        (void)!ice_mux_name(w->mux, *agent, view_of_string(ufrag));
        break;
    case 2: {
        struct ice_path path = path_of(fuzz_next(&w->rest));
        if (op & 8 ? ice_mux_answered(w->mux, w->now, *agent, &path)
                   : ice_mux_proved(w->mux, w->now, *agent, &path))
            assert(ice_mux_find(w->mux, &path, VIEW_LIT("\x80media")) == *agent);
        break;
    }
    case 3:
        ice_mux_sent(w->mux, *agent, message(w, bytes));
        break;
    case 4:
        w->now = tick_add_ms(w->now, fuzz_next(&w->rest) * 200);
        break;
    case 5: {
        struct view packet;
        size_t used;
        if (ice_framing_next(w->rest, &packet, &used)) {
            ask(w, packet);
            w->rest = view_skip(w->rest, used < w->rest.len ? used : w->rest.len);
        }
        break;
    }
    default:
        ask(w, message(w, bytes));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rng rng;
    struct world w = {.now = {NS_PER_S}, .rest = view_of(data, size)};
    rng_init_number(&rng, 1);
    w.mux = ice_mux_create(AGENTS, &rng);
    for (int i = 0; w.mux && i < 500 && w.rest.len > 0; i++)
        step(&w);
    ice_mux_destroy(w.mux);
    return 0;
}
