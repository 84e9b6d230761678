/* profile: what was told, and what follows from it when it is put side by side.
 * Not here: asking.
 * doc/nat.md 5, 6. */
#include "nat/profile.h"

#include "base/target.h"

const char *profile_source_name(enum profile_source source)
{
    static const char *const names[] = {"setting", "metadata", "stun", "gateway", "service"};
    return source < PROFILE_SOURCES ? names[source] : "-";
}

void profile_init(struct nat_profile *p, struct tick now, enum path_answer behind_nat,
                  struct addr external)
{
    *p = (struct nat_profile){.behind_nat = behind_nat, .started = now, .behaviour_at = TICK_NEVER};
    if (addr_is_set(&external))
        p->told[PROFILE_SETTING] = (struct profile_told){addr_with_port(external, 0), now};
}

static bool is_told(const struct nat_profile *p, enum profile_source source)
{
    return addr_is_set(&p->told[source].address);
}

static bool agree(const struct nat_profile *p, enum profile_source a, enum profile_source b)
{
    return is_told(p, a) && is_told(p, b) &&
           addr_equal_ip(&p->told[a].address, &p->told[b].address);
}

static bool is_local(const struct nat_profile *p, enum profile_source source)
{
    return is_told(p, source) && addr_is_set(&p->local) &&
           addr_equal_ip(&p->told[source].address, &p->local);
}

static void forget_behaviour(struct nat_profile *p)
{
    p->behaviour = (struct nat_behaviour){0};
    p->behaviour_at = TICK_NEVER;
    p->forgotten_once_s = 0;
    p->stun_is_silent = false;
}

bool profile_set_local(struct nat_profile *p, struct tick now, struct addr local)
{
    local.port = 0;
    if (addr_equal(&p->local, &local))
        return false;
    bool was_online = addr_is_set(&p->local);
    /* Settling is for who has nothing to go by: at the start,
     * and after the last address vanished. */
    if (!was_online)
        p->started = now;
    p->has_changed = was_online && addr_is_set(&local);
    p->local = local;
    for (size_t i = PROFILE_METADATA; i < PROFILE_SOURCES; i++)
        p->told[i] = (struct profile_told){0};
    p->gateway = GATEWAY_UNKNOWN;
    p->gateway_is_inside = false;
    forget_behaviour(p);
    return true;
}

bool profile_tell(struct nat_profile *p, struct tick now, enum profile_source source,
                  struct addr external)
{
    struct profile_told *told = &p->told[source];
    bool differs = addr_is_set(&told->address) && addr_is_set(&external) &&
                   !addr_equal_ip(&told->address, &external);
    *told = (struct profile_told){addr_with_port(external, 0), now};
    if (source == PROFILE_STUN && addr_is_set(&external))
        p->stun_is_silent = false;
    /* A new lease, or a NAT that was rebooted: what its predecessor did says nothing (doc/nat.md 11).
     * Where each socket may have another address this says nothing either. */
    if (!differs || p->behaviour.pooling_arbitrary)
        return false;
    p->has_changed = true;
    if (source == PROFILE_STUN)
        forget_behaviour(p);
    return true;
}

void profile_tell_behaviour(struct nat_profile *p, struct tick now,
                            const struct discovery_result *result)
{
    struct nat_behaviour before = p->behaviour;
    struct nat_behaviour *b = &p->behaviour;
    if (addr_is_set(&result->external))
        p->told[PROFILE_STUN] = (struct profile_told){addr_with_port(result->external, 0), now};
    *b = result->behaviour;
    p->behaviour_at = now;
    p->has_changed = p->stun_is_silent = false;
    if (before.lifetime_most_s &&
        (!b->lifetime_most_s || before.lifetime_most_s < b->lifetime_most_s)) {
        b->lifetime_s = before.lifetime_s;
        b->lifetime_most_s = before.lifetime_most_s;
    } else if (!b->lifetime_s && !b->lifetime_most_s) {
        b->lifetime_s = before.lifetime_s;
    }
    if (b->refresh == NAT_REFRESH_UNKNOWN)
        b->refresh = before.refresh;
    (void)nat_forgets(b, before.forgotten_s);
}

bool profile_tell_forgotten(struct nat_profile *p, uint16_t after_s)
{
    uint16_t before_s = p->forgotten_once_s;
    int apart_s = (int)after_s - (int)before_s;
    p->forgotten_once_s = after_s;
    if (before_s == 0 || apart_s > PROFILE_FORGETS_APART_S || -apart_s > PROFILE_FORGETS_APART_S)
        return false;
    return nat_forgets(&p->behaviour, apart_s > 0 ? after_s : before_s);
}

void profile_tell_silence(struct nat_profile *p, struct tick now)
{
    p->stun_is_silent = true;
    p->behaviour_at = now;
    p->has_changed = false;
    p->told[PROFILE_STUN] = (struct profile_told){0};
}

void profile_tell_gateway(struct nat_profile *p, struct tick now,
                          const struct gateway_status *status)
{
    p->gateway = status->speech;
    p->gateway_is_inside = status->is_inside;
    (void)profile_tell(p, now, PROFILE_GATEWAY, status->external);
}

void profile_settle(struct nat_profile *p, struct tick now)
{
    if (tick_is_never(p->behaviour_at))
        p->behaviour_at = now;
    p->has_changed = false;
}

static bool has_settled(const struct nat_profile *p)
{
    return p->behind_nat == PATH_NO || !tick_is_never(p->behaviour_at) ||
           (p->behind_nat == PATH_YES && is_told(p, PROFILE_SETTING));
}

enum profile_state profile_state(const struct nat_profile *p, struct tick now)
{
    struct tick end = tick_add_ms(p->started, PROFILE_SETTLE_MS);
    if (!addr_is_set(&p->local))
        return tick_due(end, now) ? PROFILE_OFFLINE : PROFILE_SETTLING;
    if (p->has_changed)
        return PROFILE_CHANGED;
    return has_settled(p) || tick_due(end, now) ? PROFILE_KNOWN : PROFILE_SETTLING;
}

struct tick profile_deadline(const struct nat_profile *p, struct tick now)
{
    return profile_state(p, now) == PROFILE_SETTLING ? tick_add_ms(p->started, PROFILE_SETTLE_MS)
                                                     : TICK_NEVER;
}

struct addr profile_external(const struct nat_profile *p, enum profile_source *source)
{
    for (enum profile_source s = PROFILE_SETTING; s < PROFILE_SOURCES; s++) {
        /* A private address is not one of the outside, except by order; and a setting on trial
         * gives way to what STUN sees. */
        bool on_trial = s == PROFILE_SETTING && p->behind_nat == PATH_UNKNOWN &&
                        is_told(p, PROFILE_STUN) && !agree(p, PROFILE_SETTING, PROFILE_STUN);
        if (!is_told(p, s) || on_trial ||
            (s != PROFILE_SETTING && s != PROFILE_STUN && addr_is_private(&p->told[s].address)) ||
            (s != PROFILE_SETTING && !target_may_be_ours(&p->told[s].address, &p->local)))
            continue;
        *source = s;
        return p->told[s].address;
    }
    return (struct addr){0};
}

bool profile_trusts_gateway(const struct nat_profile *p)
{
    const struct addr *a = &p->told[PROFILE_GATEWAY].address;
    return is_told(p, PROFILE_GATEWAY) && !addr_is_private(a) && !addr_is_unspecified(a) &&
           (!is_told(p, PROFILE_STUN) || agree(p, PROFILE_GATEWAY, PROFILE_STUN) ||
            p->behaviour.pooling_arbitrary);
}

bool profile_is_doubted(const struct nat_profile *p)
{
    return p->behind_nat == PATH_YES && is_told(p, PROFILE_SETTING) && is_told(p, PROFILE_STUN) &&
           !agree(p, PROFILE_SETTING, PROFILE_STUN) && !p->behaviour.pooling_arbitrary;
}

int profile_levels(const struct nat_profile *p)
{
    /* A gateway that has our own address outside only lets in (RFC 6887 §2.2). */
    if (p->behind_nat == PATH_NO || is_local(p, PROFILE_STUN) ||
        (!is_told(p, PROFILE_STUN) && is_local(p, PROFILE_GATEWAY)))
        return 0;
    if (is_told(p, PROFILE_GATEWAY))
        return profile_trusts_gateway(p) ? 1 : 2;
    if (p->gateway_is_inside && is_told(p, PROFILE_STUN))
        return 2;
    if (is_told(p, PROFILE_STUN) || p->behind_nat == PATH_YES || addr_is_private(&p->local))
        return 1; /* at least */
    return -1;
}

bool profile_yields(const struct nat_profile *p, const struct path_us *us, uint8_t *hops)
{
    enum nat_mapping mapping = us->behaviour.mapping;
    bool is_reached = us->is_open || us->is_static || us->is_mapped;
    /* Not known yet, it is most likely the same for all (RFC 4787 REQ-1). */
    bool is_same = !nat_mapping_is_dependent(mapping);
    *hops = 0;
    if (is_reached || (is_same && us->behaviour.filtering == NAT_FILTERING_INDEPENDENT))
        return true;
    /* Where nothing translates this host's own firewall is all that can be told from what is
     * beyond. */
    *hops = mapping == NAT_MAPPING_NONE ? 1 : profile_levels(p) > 1 ? 3 : 2;
    return is_same;
}

/* A 1:1 NAT or a forwarded range: by order, or when what was said is what STUN sees,
 * ports and all. */
static bool is_static(const struct nat_profile *p, struct tick now)
{
    const struct nat_behaviour *b = &p->behaviour;
    bool is_fresh =
        is_told(p, PROFILE_STUN) && tick_diff_ms(now, p->told[PROFILE_STUN].at) < PROFILE_FRESH_MS;
    if (p->behind_nat == PATH_YES)
        return is_told(p, PROFILE_SETTING);
    if (p->behind_nat == PATH_NO)
        return false;
    if (is_told(p, PROFILE_SETTING) && !is_told(p, PROFILE_STUN))
        return true; /* nothing better is known */
    return is_fresh && b->ports_kept && b->filtering == NAT_FILTERING_INDEPENDENT &&
           b->mapping == NAT_MAPPING_INDEPENDENT &&
           (agree(p, PROFILE_SETTING, PROFILE_STUN) || agree(p, PROFILE_METADATA, PROFILE_STUN));
}

/* Our own address is what the world sees: STUN says so, or it is a public one and nobody says
 * otherwise. A firewall may still stand before it. */
static bool is_untranslated(const struct nat_profile *p)
{
    if (p->behind_nat == PATH_YES || !addr_is_set(&p->local))
        return false;
    if (is_local(p, PROFILE_STUN))
        return true;
    for (enum profile_source s = PROFILE_SETTING; s < PROFILE_SOURCES; s++) {
        if (is_told(p, s) && !is_local(p, s))
            return false;
    }
    return !addr_is_private(&p->local) && !addr_is_link_local(&p->local) &&
           !addr_is_loopback(&p->local);
}

static struct nat_behaviour behaviour_of(const struct nat_profile *p)
{
    struct nat_behaviour b = p->behaviour;
    if (is_untranslated(p))
        b.mapping = NAT_MAPPING_NONE;
    return b;
}

struct path_us profile_us(const struct nat_profile *p, struct tick now, bool has_stun,
                          bool has_mapping)
{
    bool by_order = p->behind_nat == PATH_NO;
    bool no_udp = p->stun_is_silent && p->relay_stream && !p->relay_udp;
    return (struct path_us){
        .is_open = by_order || (is_local(p, PROFILE_STUN) &&
                                p->behaviour.filtering == NAT_FILTERING_INDEPENDENT),
        .is_static = is_static(p, now),
        .is_ordered = p->behind_nat == PATH_YES && is_static(p, now),
        .is_doubted = profile_is_doubted(p),
        .is_mapped = !by_order && has_mapping && profile_trusts_gateway(p),
        /* Where nothing is translated every port is known without being asked for. */
        .has_stun = !by_order && (has_stun || (is_untranslated(p) && !no_udp)),
        .relay_udp = !by_order && p->relay_udp,
        .relay_stream = !by_order && p->relay_stream,
        .stun_is_silent = p->stun_is_silent,
        .no_udp = no_udp,
        .edge = !by_order && p->edge,
        .behaviour = behaviour_of(p),
    };
}

static const struct profile_problem problems[] = {
    {"offline", "no network interface has an address", "connect the machine to a network"},
    {"no_udp", "no STUN server answers: UDP does not leave this network, or the servers are down",
     "open outgoing UDP to the STUN servers, or set nat.turn_servers with ?transport=tcp or "
     "turns:; where such a relay serves nothing is to be done"},
    {"external_differs", "nat.external_ip is not the address that STUN sees",
     "correct nat.external_ip, or set nat.behind_nat=true if it is right all the same"},
    {"external_differs",
     "nat.external_ip, which calls are answered with by order, is not the address that STUN sees",
     "correct nat.external_ip, or take it and nat.behind_nat out of the settings; if it is right "
     "all the same, nothing is to be done"},
    {"double_nat", "the gateway that maps our ports is behind another NAT",
     "put the outer router into bridge mode, or set nat.turn_servers"},
    {"external_unknown",
     "nobody tells our address outside: SRCs beyond a NAT are told the internal one, or a relay's "
     "where one serves",
     "let STUN (UDP) or HTTPS out, or set nat.external_ip; where a relay serves nothing is to be "
     "done"},
    {"sources_differ", "our address outside is not the same in everybody's words",
     "see external; if the first one is wrong, set nat.external_ip and nat.behind_nat=true"},
    {"needs_relay", "our NAT lets nobody in at an address that could be advertised",
     "forward the RTP ports and set nat.external_ip, or set nat.turn_servers"},
};

/* Nobody but the network itself knows an address that the world could use. */
static bool is_external_unknown(const struct nat_profile *p)
{
    enum profile_source source;
    struct addr external = profile_external(p, &source);
    return p->is_asked && p->behind_nat != PATH_NO && addr_is_private(&p->local) &&
           has_settled(p) && !addr_is_set(&external);
}

/* The setting apart (external_differs), and the gateway: what it says of itself may be private
 * (double_nat). */
static bool do_sources_differ(const struct nat_profile *p)
{
    static const enum profile_source told[] = {PROFILE_METADATA, PROFILE_STUN, PROFILE_SERVICE};
    for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
        for (size_t k = i + 1; k < sizeof told / sizeof *told; k++) {
            if (is_told(p, told[i]) && is_told(p, told[k]) && !agree(p, told[i], told[k]))
                return !p->behaviour.pooling_arbitrary;
        }
    }
    return false;
}

static bool has_problem(const struct nat_profile *p, struct tick now, size_t which)
{
    const struct path_us us = profile_us(p, now, true, true);
    const struct path_src src = {.signalled =
                                     addr_v4(192, 0, 2, 1, 5060)}; /* B4: most SRCs behind NAT */
    switch (which) {
    case 0:
        return !addr_is_set(&p->local);
    case 1:
        return p->stun_is_silent && p->behind_nat == PATH_UNKNOWN;
    case 2:
        return p->behind_nat == PATH_UNKNOWN && is_told(p, PROFILE_SETTING) &&
               is_told(p, PROFILE_STUN) && !agree(p, PROFILE_SETTING, PROFILE_STUN);
    case 3:
        return profile_is_doubted(p);
    case 4:
        return (is_told(p, PROFILE_GATEWAY) && !profile_trusts_gateway(p)) ||
               (p->gateway_is_inside && is_told(p, PROFILE_STUN));
    case 5:
        return is_external_unknown(p);
    case 6:
        return do_sources_differ(p);
    default:
        return addr_is_set(&p->local) && has_settled(p) && !p->stun_is_silent &&
               (p->behaviour.filtering != NAT_FILTERING_UNKNOWN ||
                nat_mapping_is_dependent(p->behaviour.mapping)) &&
               path_choose(&us, &src, 0).code == PATH_BEST_EFFORT;
    }
}

bool profile_problem(const struct nat_profile *p, struct tick now, size_t at,
                     struct profile_problem *out)
{
    for (size_t i = 0; i < sizeof problems / sizeof *problems; i++) {
        if (!has_problem(p, now, i) || at-- > 0)
            continue;
        *out = problems[i];
        return true;
    }
    return false;
}
