/* oracle_plain: the closed form.
 * Not here: SRCs that speak ICE (oracle.c).
 *
 * Reaching the address that STUN showed is a matter of filters alone (nat.md 4.7 rules 1 and 2): of
 * the strictest, where every filter that remembers anybody sees one endpoint behind it; else nobody
 * gets in. Whom it lets in must be known before: the SRC's IP, or its IP and port. */
#include "natsim/oracle_plain.h"

static enum natbox_dependence stricter(enum natbox_dependence a, enum natbox_dependence b)
{
    return a > b ? a : b;
}

static bool wanders(const struct natbox_options *o)
{
    return o->arbitrary && o->pool > 1;
}

/* One port for all remote ends is one mapping to all of them (rule 9). */
static enum natbox_dependence mapping_of(const struct natbox_options *o)
{
    return o->firewall || (o->ports == NATBOX_OVERLOADED && !wanders(o)) ? NATBOX_INDEPENDENT
                                                                         : o->mapping;
}

static bool lets_udp_out(const struct network *n)
{
    for (size_t i = 0; i < n->levels; i++) {
        if (n->boxes[i].policy != NATBOX_ALL)
            return false;
    }
    return true;
}

/* Who gets in at our STUN address; -1: nobody. */
static int filter_of(const struct network *n, bool *chance)
{
    enum natbox_dependence below = NATBOX_INDEPENDENT, filter = NATBOX_INDEPENDENT;
    bool never = false;
    for (size_t i = n->levels; i-- > 0;) {
        const struct natbox_options *o = &n->boxes[i];
        enum natbox_dependence mapping = mapping_of(o);
        bool merges = o->ports == NATBOX_OVERLOADED && !o->firewall;
        *chance |= merges && (o->clashes || o->arbitrary || below != NATBOX_INDEPENDENT);
        /* Two of our own addresses may be one outside of it, and who comes to it is led to either. */
        never |= merges && below != NATBOX_INDEPENDENT;
        enum natbox_dependence apart =
            o->scope == NATBOX_PER_ENDPOINT ? below : stricter(below, mapping);
        if (o->filtering != NATBOX_INDEPENDENT && apart != NATBOX_INDEPENDENT)
            never = true;
        filter = stricter(filter, o->filtering);
        below = stricter(below, mapping);
    }
    return never ? -1 : (int)filter;
}

static bool is_translated(const struct network *n)
{
    for (size_t i = 0; i < n->levels; i++) {
        if (!n->boxes[i].firewall)
            return true;
    }
    return false;
}

/* SIP and RTP are two sockets: arbitrary pooling may show them at two addresses. A paired level
 * outside of that may happen to pair both with one. */
static bool has_one_ip(const struct network *n, bool *chance)
{
    bool one = true;
    for (size_t i = n->levels; i-- > 0;) {
        const struct natbox_options *o = &n->boxes[i];
        if (o->firewall)
            continue;
        *chance |= !one && o->pool > 1 && !o->arbitrary;
        one = o->pool <= 1 || (one && !o->arbitrary);
    }
    return one || n->way_in == NETWORK_WHOLE_ADDRESS;
}

static bool knows_ip(const struct oracle_plain_world *w, bool *chance)
{
    switch (w->source) {
    case PLAINSRC_SYMMETRIC:
    case PLAINSRC_OTHER_PORT:
        return has_one_ip(w->them, chance);
    case PLAINSRC_FARM: /* its prefix is in sip.allow */
        return w->listed && !is_translated(w->them);
    case PLAINSRC_ANYWHERE:
        break;
    }
    return false;
}

/* The offered port is the one that is seen: for certain where nothing changes it, by chance where a
 * NAT keeps ports but has other mappings, too. */
static bool keeps_port(const struct network *n, bool *chance)
{
    bool keeps = true, sure = true;
    for (size_t i = 0; i < n->levels && n->way_in != NETWORK_WHOLE_ADDRESS; i++) {
        const struct natbox_options *o = &n->boxes[i];
        bool kept = o->firewall || o->ports == NATBOX_KEPT || o->ports == NATBOX_OVERLOADED;
        keeps &= kept;
        /* A punch of ours that came too early may have taken the port (clashes). */
        sure &=
            o->firewall || (kept && o->mapping == NATBOX_INDEPENDENT && !wanders(o) && !o->clashes);
    }
    *chance |= keeps && !sure;
    return keeps && sure;
}

/* The offer says where it sends from, and nothing on the way changes that. */
static bool tells_port(const struct oracle_plain_world *w)
{
    return w->source == PLAINSRC_SYMMETRIC && !is_translated(w->them);
}

/* Behind a NAT the offered port at the address of its SIP is a guess, until a call has shown that it
 * is right. What a NAT maps anew for each remote end stays a guess for ever. */
static bool shows_port(const struct oracle_plain_world *w, bool *chance)
{
    return w->source == PLAINSRC_SYMMETRIC && keeps_port(w->them, chance);
}

/* We send from our socket to what it offers; it answers that very packet. */
static bool follows(const struct oracle_plain_world *w, bool *chance)
{
    bool open = w->them->levels == 0 || w->them->way_in == NETWORK_WHOLE_ADDRESS;
    bool kept = false;
    if (!w->latches || !lets_udp_out(w->us))
        return false;
    /* Firewalls before it, or a NAT that keeps the port and lets in whom it has sent to (rule 8), or
     * another port than offered, which our filter may let in: it depends on who sends first. */
    kept |= keeps_port(w->them, &kept);
    *chance |=
        (open || kept || !is_translated(w->them)) && (!open || w->source != PLAINSRC_SYMMETRIC);
    return open && w->source == PLAINSRC_SYMMETRIC;
}

/* What calls before show: the port behind its NAT, and that it follows. They show its IP only where
 * that got in: there it gets in again, or comes from yet another one. */
static unsigned paths_of(const struct oracle_plain_world *w, bool has_called)
{
    unsigned set = 0;
    bool chance = false;
    if (!lets_udp_out(w->them))
        return 0;
    bool ip = knows_ip(w, &chance), open = w->us->levels == 0 || w->us->way_in != NETWORK_NO_WAY_IN;
    /* A gateway that says another address than STUN sees is not believed. */
    chance |= w->us->way_in == NETWORK_GATEWAY && w->us->boxes[0].pool > 1;
    if (open && !chance)
        set |= ORACLE_PLAIN_OPEN;
    if (lets_udp_out(w->us) && !open) {
        int filter = filter_of(w->us, &chance);
        bool shown = filter == NATBOX_ADDRESS_PORT && ip && shows_port(w, &chance);
        bool port = ip && (tells_port(w) || (has_called && shown));
        if (filter == NATBOX_INDEPENDENT || (filter == NATBOX_ADDRESS && ip) ||
            (filter == NATBOX_ADDRESS_PORT && port))
            set |= ORACLE_PLAIN_STUN;
    }
    if (follows(w, &chance) && has_called)
        set |= ORACLE_PLAIN_REVERSE;
    if (w->us->has_turn && ip)
        set |= ORACLE_PLAIN_RELAY;
    return set | (chance ? ORACLE_PLAIN_CHANCE : 0u);
}

unsigned oracle_plain_unknown(const struct oracle_plain_world *w)
{
    return paths_of(w, false);
}

unsigned oracle_plain_known(const struct oracle_plain_world *w)
{
    return paths_of(w, true);
}
