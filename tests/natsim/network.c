/* network: names of the tables and the boxes that they mean.
 * Not here: the tables (cells.tsv).
 * RFC 4787. */
#include "natsim/network.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { POOL = 2000 }; /* more than any play has mappings: none comes to an address twice */

static const struct {
    const char *name;
    enum natbox_dependence mapping, filtering;
    bool depends; /* EDM: one of two mappings, rolled */
} kinds[] = {
    {"EIM+EIF", NATBOX_INDEPENDENT, NATBOX_INDEPENDENT, false},
    {"EIM+ADF", NATBOX_INDEPENDENT, NATBOX_ADDRESS, false},
    {"EIM+APDF", NATBOX_INDEPENDENT, NATBOX_ADDRESS_PORT, false},
    {"EDM+EIF", NATBOX_ADDRESS, NATBOX_INDEPENDENT, true},
    {"EDM+ADF", NATBOX_ADDRESS, NATBOX_ADDRESS, true},
    {"EDM+APDF", NATBOX_ADDRESS, NATBOX_ADDRESS_PORT, true},
};

static enum natbox_dependence any_of(struct rng *rng)
{
    return (enum natbox_dependence)rng_below(rng, 3);
}

/* What the tables leave open. No ports kept where the mapping depends on the destination: to every
 * peer such a NAT is one that does not depend (doc/nat.md 5, rule 9). */
static struct natbox_options plain(struct rng *rng, enum natbox_dependence mapping,
                                   enum natbox_dependence filtering)
{
    static const enum natbox_ports free_ports[] = {NATBOX_RANDOM, NATBOX_SEQUENTIAL, NATBOX_PARITY,
                                                   NATBOX_KEPT};
    return (struct natbox_options){
        .mapping = mapping,
        .filtering = filtering,
        .scope = (enum natbox_scope)rng_below(rng, 2),
        .ports = free_ports[rng_below(rng, mapping == NATBOX_INDEPENDENT ? 4 : 3)],
        .hairpin = (enum natbox_hairpin)rng_below(rng, 3),
        .pool = 1,
        .inbound_refreshes = rng_below(rng, 2),
        .initial_ms = 15000 + rng_below(rng, 3) * 15000,
        .established_ms = 120000 + rng_below(rng, 4) * 60000,
    };
}

/* Two levels whose mappings together are as asked. */
static void make_cgn(struct network *n, struct rng *rng, bool depends)
{
    unsigned which = depends ? 1 + rng_below(rng, 3) : 0; /* of the levels, as bits */
    n->levels = 2;
    for (size_t i = 0; i < 2; i++) {
        enum natbox_dependence mapping =
            which >> i & 1 ? (enum natbox_dependence)(1 + rng_below(rng, 2)) : NATBOX_INDEPENDENT;
        n->boxes[i] = plain(rng, mapping, any_of(rng));
    }
}

static bool make_kind(struct network *n, const char *name, struct rng *rng)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kinds[i].name, name) != 0)
            continue;
        enum natbox_dependence mapping =
            kinds[i].depends ? (enum natbox_dependence)(1 + rng_below(rng, 2)) : kinds[i].mapping;
        n->boxes[0] = plain(rng, mapping, kinds[i].filtering);
        n->levels = 1;
        return true;
    }
    return false;
}

static bool make_special(struct network *n, const char *name, struct rng *rng)
{
    if (strcmp(name, "Open") == 0)
        return true;
    if (strncmp(name, "CGN", 3) == 0) {
        make_cgn(n, rng, strcmp(name, "CGN eff. EDM") == 0);
        return strcmp(name, "CGN eff. EDM") == 0 || strcmp(name, "CGN eff. EIM") == 0;
    }
    n->boxes[0] = plain(rng, any_of(rng), any_of(rng));
    n->levels = 1;
    if (strcmp(name, "1:1") == 0) {
        n->boxes[0] = plain(rng, NATBOX_INDEPENDENT, NATBOX_INDEPENDENT);
        n->boxes[0].ports = NATBOX_KEPT;
        n->way_in = NETWORK_WHOLE_ADDRESS;
    } else if (strcmp(name, "PCP") == 0) {
        n->way_in = NETWORK_GATEWAY;
    } else if (strcmp(name, "IPv6 firewall") == 0) {
        n->v6 = n->boxes[0].firewall = true;
    } else if (strcmp(name, "UDP blocked") == 0) {
        n->boxes[0].policy = NATBOX_TCP_ONLY;
    } else if (strcmp(name, "443 only") == 0) { /* or a proxy alone, which lets out the same */
        n->has_proxy = rng_below(rng, 2);
        n->boxes[0].policy = n->has_proxy ? NATBOX_NOTHING : NATBOX_443_ONLY;
    } else {
        return false;
    }
    return true;
}

/* A filter of the chain as a whole: the strictest level's. */
static void set_filter(struct network *n, enum natbox_dependence filter, struct rng *rng)
{
    for (size_t i = 0; i < n->levels; i++)
        n->boxes[i].filtering =
            i == 0 ? filter : (enum natbox_dependence)rng_below(rng, (uint32_t)filter + 1);
}

static enum natbox_dependence filter_of(const char *value)
{
    return strcmp(value, "EIF") == 0   ? NATBOX_INDEPENDENT
           : strcmp(value, "ADF") == 0 ? NATBOX_ADDRESS
                                       : NATBOX_ADDRESS_PORT;
}

static void set_boxes(struct network *n, const char *key, const char *value)
{
    for (size_t i = 0; i < n->levels; i++) {
        struct natbox_options *o = &n->boxes[i];
        if (strcmp(key, "pool") == 0 && strcmp(value, "arbitrary") == 0 && i == 0) {
            o->pool = POOL;
            o->arbitrary = o->rotates = true;
        } else if (strcmp(key, "map") == 0 &&
                   (n->levels == 1 || o->mapping != NATBOX_INDEPENDENT)) {
            o->mapping = strcmp(value, "ADM") == 0 ? NATBOX_ADDRESS : NATBOX_ADDRESS_PORT;
        } else if (strcmp(key, "scope") == 0) {
            o->scope = strcmp(value, "endpoint") == 0 ? NATBOX_PER_ENDPOINT : NATBOX_PER_MAPPING;
        } else if (strcmp(key, "ports") == 0) {
            o->ports = strcmp(value, "kept") == 0 ? NATBOX_OVERLOADED : NATBOX_RANDOM;
        } else if (strcmp(key, "v6") == 0) {
            n->v6 = o->firewall = true;
        } else if (strcmp(key, "bare") == 0) {
            o->bare_forwards = true;
        }
    }
}

/* The chain's dependent level is the only one with that filter, the other lets all pass. */
static void set_level(struct network *n, const char *value)
{
    bool outer = strcmp(value, "outer") == 0;
    for (size_t i = 0; i < n->levels; i++) {
        bool depends = (i == 0) == outer;
        if (depends && n->boxes[i].mapping == NATBOX_INDEPENDENT)
            n->boxes[i].mapping = NATBOX_ADDRESS_PORT;
        if (!depends)
            n->boxes[i].mapping = n->boxes[i].filtering = NATBOX_INDEPENDENT;
        if (n->boxes[i].mapping != NATBOX_INDEPENDENT && n->boxes[i].ports == NATBOX_KEPT)
            n->boxes[i].ports = NATBOX_RANDOM;
    }
}

static bool is_of_boxes(const char *key)
{
    static const char *const keys[] = {"pool", "map", "scope", "ports", "v6", "bare"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (strcmp(keys[i], key) == 0)
            return true;
    }
    return false;
}

/* ICE-TCP goes through no proxy. */
static void set_tcp(struct network *n, const char *value)
{
    n->speaks_tcp = sscanf(value, "%hu", &n->tcp_port) == 1 || strcmp(value, "yes") == 0;
    if (n->speaks_tcp && n->has_proxy) {
        n->has_proxy = false;
        n->boxes[0].policy = NATBOX_443_ONLY;
    }
}

static bool set_word(struct network *n, const char *key, const char *value, struct rng *rng)
{
    bool yes = strcmp(value, "yes") == 0;
    if (strcmp(key, "turn") == 0)
        n->has_turn = yes;
    else if (strcmp(key, "lite") == 0)
        n->is_lite = yes;
    else if (strcmp(key, "tcp") == 0)
        set_tcp(n, value);
    else if (strcmp(key, "filter") == 0)
        set_filter(n, filter_of(value), rng);
    else if (strcmp(key, "edm") == 0)
        set_level(n, value);
    else if (strcmp(key, "pinhole") == 0)
        n->way_in = yes ? NETWORK_GATEWAY : NETWORK_NO_WAY_IN;
    else if (is_of_boxes(key))
        set_boxes(n, key, value);
    else
        return false;
    if (strcmp(key, "v6") == 0) {
        n->v6 = true; /* where there is no box either */
        n->way_in = NETWORK_NO_WAY_IN;
    }
    return true;
}

bool network_make(struct network *network, const char *name, const char *words, struct rng *rng)
{
    *network = (struct network){0};
    if (!make_kind(network, name, rng) && !make_special(network, name, rng))
        return false;
    while (*words) {
        char key[16], value[24];
        int used = 0;
        if (sscanf(words, " %15[a-z0-9]=%23s%n", key, value, &used) != 2 ||
            !set_word(network, key, value, rng))
            return false;
        words += used;
        words += strspn(words, " ");
    }
    return true;
}

void network_roll(struct network *n, struct rng *rng)
{
    uint32_t what = rng_below(rng, 20);
    *n = (struct network){.has_turn = rng_below(rng, 2), .speaks_tcp = rng_below(rng, 2)};
    n->levels = what == 0 ? 0 : what < 12 ? 1 : what < 18 ? 2 : 3;
    for (size_t i = 0; i < n->levels; i++) {
        struct natbox_options *o = &n->boxes[i];
        *o = plain(rng, any_of(rng), any_of(rng));
        o->ports = (enum natbox_ports)rng_below(rng, NATBOX_BLOCK + 1);
        if (o->ports == NATBOX_BLOCK)
            o->quota = 256;
        o->clashes = rng_below(rng, 4) == 0;
        o->pool = rng_below(rng, 4) == 0 ? POOL : 1;
        o->arbitrary = o->rotates = o->pool > 1 && rng_below(rng, 2);
    }
    if (n->levels == 1 && rng_below(rng, 8) == 0)
        n->boxes[0].policy = (enum natbox_policy)(1 + rng_below(rng, 2));
    else if (n->levels == 1 && rng_below(rng, 8) == 0)
        n->way_in = rng_below(rng, 2) ? NETWORK_WHOLE_ADDRESS : NETWORK_GATEWAY;
    if (n->speaks_tcp && rng_below(rng, 2))
        n->tcp_port = 443;
}

/* Firewalls leave an address what it is. */
static struct addr inside_of_v6(const struct network *n, int side, size_t level)
{
    uint8_t nats = 0;
    for (size_t i = 0; i < level; i++)
        nats = (uint8_t)(nats + !n->boxes[i].firewall);
    if (nats == 0)
        return (struct addr){.family = ADDR_V6,
                             .ip = {0x20, 0x01, 0x0d, 0xb8, 0, (uint8_t)(side + 1), [15] = 7}};
    return (struct addr){.family = ADDR_V6, .ip = {0xfd, (uint8_t)(side + 1), nats, [15] = 7}};
}

static struct addr inside_of(const struct network *n, int side, size_t level)
{
    if (n->v6)
        return inside_of_v6(n, side, level);
    if (level == 0)
        return side ? addr_v4(192, 0, 2, 100, 0) : addr_v4(198, 51, 100, 100, 0);
    return level < n->levels ? addr_v4(100, 64, (uint8_t)(16 * side + (int)level), 20, 0)
                             : addr_v4(10, (uint8_t)side, 0, 7, 0);
}

void network_build(struct network *n, struct natsim *sim, int side)
{
    n->address = inside_of(n, side, n->levels);
    n->outside = inside_of(n, side, 0);
    for (size_t i = 0; i < n->levels; i++) {
        n->boxes[i].external = inside_of(n, side, i);
        if (n->way_in == NETWORK_WHOLE_ADDRESS)
            n->boxes[i].one_to_one = n->address;
        n->realm = natsim_realm(sim, n->realm, &n->boxes[i]);
    }
}

void network_print(const struct network *n, char *out, size_t size)
{
    static const char *const mappings[] = {"EIM", "ADM", "APDM"}, *const filters[] = {"EIF", "ADF",
                                                                                      "APDF"};
    static const char *const ports[] = {"kept",   "overloaded", "parity", "sequential",
                                        "random", "block",      "shifted"};
    size_t len = 0;
    out[0] = 0;
    for (size_t i = n->levels; i-- > 0 && len < size;) {
        const struct natbox_options *o = &n->boxes[i];
        len += (size_t)snprintf(
            out + len, size - len, "%s(%s+%s %s %s %s%s%s) < ", o->firewall ? "fw" : "nat",
            mappings[o->mapping], filters[o->filtering],
            o->scope == NATBOX_PER_ENDPOINT ? "endpoint" : "mapping",
            o->arbitrary ? "arbitrary" : "paired", ports[o->ports], o->clashes ? " clashes" : "",
            o->policy == NATBOX_ALL        ? ""
            : o->policy == NATBOX_TCP_ONLY ? " tcp only"
            : o->policy == NATBOX_443_ONLY ? " 443 only"
                                           : " proxy only");
    }
    if (len < size)
        (void)snprintf(out + len, size - len, "%s%s%s%s%s", n->v6 ? "open6" : "open",
                       n->way_in == NETWORK_WHOLE_ADDRESS ? " 1:1"
                       : n->way_in == NETWORK_GATEWAY     ? " mapped"
                                                          : "",
                       n->has_turn ? " turn" : "", n->speaks_tcp ? " tcp" : "",
                       n->is_lite ? " lite" : "");
}
