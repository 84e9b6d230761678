/* mux: tables of names, transactions and paths; each agent has its own places in them, so none can
 * crowd out another.
 * Not here: integrity.
 * RFC 8445, RFC 7983. */
#include "ice/mux.h"

#include "base/map.h"

#include <stdlib.h>
#include <string.h>

#define NAMES    2 /* the present one and, in a restart, the one before */
#define PATH_KEY (4 + ADDR_KEY_SIZE)

struct name {
    struct map_node node;
    struct ice_mux_agent *agent;
    char text[ICE_UFRAG_SIZE];
};

struct request {
    struct map_node node;
    struct ice_mux_agent *agent;
    struct stun_transaction id;
};

struct path {
    struct map_node node;
    struct ice_mux_agent *agent;
    struct tick proved;
    bool answered; /* so it was proved once */
    uint8_t key[PATH_KEY];
};

struct ice_mux_agent {
    uint64_t owner;
    struct ice_mux_agent *next_free;
    bool joined;
    uint8_t name_at, request_at; /* where the next goes: over the oldest */
    struct name names[NAMES];
    struct request requests[ICE_MUX_REQUESTS];
    struct path paths[ICE_MUX_PATHS];
};

struct ice_mux {
    struct map names, requests, paths;
    struct ice_mux_agent *free;
    struct ice_mux_agent agents[];
};

struct ice_mux *ice_mux_create(size_t agents, struct rng *rng)
{
    struct ice_mux *mux = calloc(1, sizeof *mux + agents * sizeof mux->agents[0]);
    if (!mux)
        return NULL;
    if (!map_init(&mux->names, agents, rng) ||
        !map_init(&mux->requests, agents * ICE_MUX_REQUESTS / 4, rng) ||
        !map_init(&mux->paths, agents * 2, rng)) {
        ice_mux_destroy(mux);
        return NULL;
    }
    for (size_t i = agents; i-- > 0;) {
        mux->agents[i].next_free = mux->free;
        mux->free = &mux->agents[i];
    }
    return mux;
}

void ice_mux_destroy(struct ice_mux *mux)
{
    if (!mux)
        return;
    map_finish(&mux->names);
    map_finish(&mux->requests);
    map_finish(&mux->paths);
    free(mux);
}

struct ice_mux_agent *ice_mux_join(struct ice_mux *mux, uint64_t owner)
{
    struct ice_mux_agent *agent = mux->free;
    if (!agent)
        return NULL;
    mux->free = agent->next_free;
    memset(agent, 0, sizeof *agent);
    agent->owner = owner;
    agent->joined = true;
    return agent;
}

void ice_mux_leave(struct ice_mux *mux, struct ice_mux_agent *agent)
{
    if (!agent || !agent->joined)
        return;
    for (size_t i = 0; i < NAMES; i++)
        map_remove(&mux->names, &agent->names[i].node);
    for (size_t i = 0; i < ICE_MUX_REQUESTS; i++)
        map_remove(&mux->requests, &agent->requests[i].node);
    for (size_t i = 0; i < ICE_MUX_PATHS; i++)
        map_remove(&mux->paths, &agent->paths[i].node);
    agent->joined = false;
    agent->next_free = mux->free;
    mux->free = agent;
}

uint64_t ice_mux_owner(const struct ice_mux_agent *agent)
{
    return agent->owner;
}

static struct ice_mux_agent *agent_of_name(const struct ice_mux *mux, struct view ufrag)
{
    struct map_node *node = map_find(&mux->names, ufrag);
    return node ? ((struct name *)(void *)node)->agent : NULL;
}

bool ice_mux_name(struct ice_mux *mux, struct ice_mux_agent *agent, struct view ufrag)
{
    struct ice_mux_agent *holder = agent_of_name(mux, ufrag);
    if (holder || ufrag.len >= ICE_UFRAG_SIZE)
        return holder == agent;
    struct name *name = &agent->names[agent->name_at];
    agent->name_at = (uint8_t)((agent->name_at + 1) % NAMES);
    map_remove(&mux->names, &name->node);
    name->agent = agent;
    (void)view_copy(ufrag, name->text, sizeof name->text);
    map_insert(&mux->names, &name->node, view_of(name->text, ufrag.len));
    return true;
}

static struct view id_of(const struct stun_transaction *id)
{
    return view_of(id->id, sizeof id->id);
}

void ice_mux_sent(struct ice_mux *mux, struct ice_mux_agent *agent, struct view datagram)
{
    struct stun_message m;
    if (stun_message_decode(datagram, &m) != STUN_DECODED || m.class != STUN_REQUEST ||
        map_find(&mux->requests, id_of(&m.transaction)))
        return; /* a retransmission is known */
    struct request *request = &agent->requests[agent->request_at];
    agent->request_at = (uint8_t)((agent->request_at + 1) % ICE_MUX_REQUESTS);
    map_remove(&mux->requests, &request->node);
    request->agent = agent;
    request->id = m.transaction;
    map_insert(&mux->requests, &request->node, id_of(&request->id));
}

static void path_key(const struct ice_path *path, uint8_t key[PATH_KEY])
{
    memcpy(key, &path->base.number, 4);
    addr_key(&path->peer, key + 4);
}

static struct path *find_path(const struct ice_mux *mux, const struct ice_path *path)
{
    uint8_t key[PATH_KEY];
    path_key(path, key);
    return (struct path *)(void *)map_find(&mux->paths, view_of(key, sizeof key));
}

/* A free place, else that of the path that was proved longest ago. */
static struct path *place_for(struct ice_mux_agent *agent)
{
    struct path *oldest = &agent->paths[0];
    for (size_t i = 0; i < ICE_MUX_PATHS; i++) {
        struct path *path = &agent->paths[i];
        if (!path->node.linked)
            return path;
        if (tick_before(path->proved, oldest->proved))
            oldest = path;
    }
    return oldest;
}

static bool prove(struct ice_mux *mux, struct tick now, struct ice_mux_agent *agent,
                  const struct ice_path *path, bool answered)
{
    struct path *known = find_path(mux, path);
    if (known && known->agent != agent) {
        bool outdone = answered && !known->answered;
        if (!outdone && !tick_due(tick_add_ms(known->proved, ICE_MUX_PROVEN_MS), now))
            return false;
        map_remove(&mux->paths, &known->node);
        known = NULL;
    }
    if (!known) {
        known = place_for(agent);
        map_remove(&mux->paths, &known->node);
        known->agent = agent;
        known->answered = false;
        path_key(path, known->key);
        map_insert(&mux->paths, &known->node, view_of(known->key, sizeof known->key));
    }
    known->proved = now;
    known->answered |= answered;
    return true;
}

bool ice_mux_proved(struct ice_mux *mux, struct tick now, struct ice_mux_agent *agent,
                    const struct ice_path *path)
{
    return prove(mux, now, agent, path, false);
}

bool ice_mux_answered(struct ice_mux *mux, struct tick now, struct ice_mux_agent *agent,
                      const struct ice_path *path)
{
    return prove(mux, now, agent, path, true);
}

void ice_mux_used(struct ice_mux *mux, struct tick now, const struct ice_mux_agent *agent,
                  const struct ice_path *path)
{
    struct path *known = find_path(mux, path);
    if (known && known->agent == agent)
        known->proved = now;
}

struct ice_mux_agent *ice_mux_find(struct ice_mux *mux, const struct ice_path *path,
                                   struct view datagram)
{
    struct stun_message m;
    struct ice_mux_agent *agent = NULL;
    if (stun_message_decode(datagram, &m) == STUN_DECODED) {
        struct map_node *node = NULL;
        if (m.class == STUN_REQUEST)
            agent = agent_of_name(mux, ice_request_ufrag(&m));
        else if (m.class != STUN_INDICATION)
            node = map_find(&mux->requests, id_of(&m.transaction));
        if (node)
            agent = ((struct request *)(void *)node)->agent;
    }
    if (agent)
        return agent;
    struct path *known = find_path(mux, path);
    return known ? known->agent : NULL;
}
