/* oracle: the closed form.
 * Not here: SRCs that do not speak ICE (oracle_plain.c).
 *
 * Words. A side's address towards a destination D is E(D): EIM one for all, ADM one for each IP,
 * APDM one for each ip:port (RFC 4787 §4.1). s is E(the STUN server), which the other side is told.
 * A chain's E depends on D as its strictest level does. A filter of level k remembers whom the
 * endpoint below it has addressed, or (scope: mapping) whom this mapping has. Two destinations look
 * to level k like one endpoint only when no level below it tells them apart.
 *
 * A check from Q to P is good for ICE when its answer leaves from P (RFC 8445 §7.2.5.2.1): P = E(Q)
 * of who is asked, Q = E(P) of who asks, and P's filters let Q in. */
#include "natsim/oracle.h"

struct level {
    enum natbox_dependence mapping, filtering, below; /* below: strictest of the levels inside */
    enum natbox_scope scope;
};

struct chain {
    struct level levels[NETWORK_LEVELS]; /* the innermost first */
    size_t count;
    enum natbox_dependence mapping; /* strictest */
    enum natbox_dependence ip;      /* on what of a destination its IP alone depends */
    bool has_udp;                   /* UDP leaves at all */
    bool is_chancy;                 /* two of its flows may clash */
};

static enum natbox_dependence stricter(enum natbox_dependence a, enum natbox_dependence b)
{
    return a > b ? a : b;
}

/* A NAT that keeps the port for every destination, though it makes mappings for each, is to every
 * peer one that does not depend (doc/nat.md 5, rule 9). */
static enum natbox_dependence mapping_of(const struct natbox_options *o)
{
    bool wanders = o->arbitrary && o->pool > 1;
    return o->firewall || (o->ports == NATBOX_OVERLOADED && !wanders) ? NATBOX_INDEPENDENT
                                                                      : o->mapping;
}

static struct chain chain_of(const struct network *n)
{
    struct chain c = {.has_udp = true};
    for (size_t i = n->levels; i-- > 0 && n->way_in == NETWORK_NO_WAY_IN;) {
        const struct natbox_options *o = &n->boxes[i];
        /* A box that gives two flows one port as long as their remote ends differ puts together
         * again what a box inside has told apart. */
        c.is_chancy |= o->ports == NATBOX_OVERLOADED &&
                       (o->clashes || o->arbitrary || c.mapping != NATBOX_INDEPENDENT);
        c.levels[c.count++] = (struct level){mapping_of(o), o->filtering, c.mapping, o->scope};
        c.mapping = stricter(c.mapping, mapping_of(o));
        c.has_udp &= o->policy == NATBOX_ALL;
        /* Paired: an IP inside has one outside, and wanders if that does. One address: it cannot.
         * Arbitrary: with each mapping. A firewall changes none. */
        if (!o->firewall && o->pool <= 1)
            c.ip = NATBOX_INDEPENDENT;
        else if (!o->firewall && o->arbitrary)
            c.ip = c.mapping;
    }
    return c;
}

static bool has_one_ip(const struct chain *c)
{
    return c->ip == NATBOX_INDEPENDENT;
}

/* Does `at` let in a stranger, of whom it has addressed an address of the same IP (same_ip) but not
 * his port, at its s? The filters that remember him must see s as the endpoint that addressed him. */
static bool admits_at_s(const struct chain *at, bool same_ip)
{
    for (size_t k = 0; k < at->count; k++) {
        const struct level *l = &at->levels[k];
        enum natbox_dependence apart =
            l->scope == NATBOX_PER_ENDPOINT ? l->below : stricter(l->below, l->mapping);
        if (l->filtering != NATBOX_INDEPENDENT &&
            !(l->filtering == NATBOX_ADDRESS && same_ip && apart == NATBOX_INDEPENDENT))
            return false;
    }
    return true;
}

/* The same at the address by which it has addressed that very IP: its levels see one endpoint and,
 * with ADM, one mapping. */
static bool admits_at_towards(const struct chain *at, bool same_ip)
{
    for (size_t k = 0; k < at->count; k++) {
        if (at->levels[k].filtering == NATBOX_ADDRESS_PORT ||
            (at->levels[k].filtering == NATBOX_ADDRESS && !same_ip))
            return false;
    }
    return true;
}

/* y is EIM: it is at s whatever happens, and answers from there. Its filters must let x's E(s) in. */
static bool reaches_fixed(const struct chain *x, const struct chain *y)
{
    return x->mapping == NATBOX_INDEPENDENT || admits_at_s(y, has_one_ip(x));
}

/* Both depend, x as ADM, and all of y is seen from one IP: then x has one address Q for all of y.
 * Somebody has to tell y of Q: a packet from it that y lets in. Then y's check to Q comes from y's
 * E(Q) = P, and x, who has addressed that IP from Q, answers from Q: good if x's filters let P in by
 * its IP. */
static bool meets_one_ip(const struct chain *x, const struct chain *y)
{
    bool y_at_s = admits_at_s(y, has_one_ip(x)); /* x's check to y's s */
    /* y's check to x's s is let in: x learns y's E(s of x) and asks there. */
    bool y_by_x = admits_at_s(x, true) && admits_at_towards(y, has_one_ip(x));
    if (!y_at_s && !y_by_x)
        return false;
    /* Where y is ADM, too, and x of one IP, y's E(s of x) is y's E(Q) already. */
    return admits_at_towards(x, true) || (y_by_x && y->mapping == NATBOX_ADDRESS && has_one_ip(x));
}

/* The same where y has another IP for each IP that it addresses, which x, who is of one IP, gets to
 * know from y's first packet, if nothing of x's filters strangers. From then on it is as above. */
static bool meets_ip_by_ip(const struct chain *x, const struct chain *y)
{
    return y->ip == NATBOX_ADDRESS && has_one_ip(x) && admits_at_towards(x, false) &&
           admits_at_towards(y, true);
}

static bool meets(const struct chain *x, const struct chain *y)
{
    if (x->mapping != NATBOX_ADDRESS)
        return false;
    return has_one_ip(y) ? meets_one_ip(x, y) : meets_ip_by_ip(x, y);
}

static bool is_direct(const struct chain *a, const struct chain *b)
{
    if (!a->has_udp || !b->has_udp)
        return false;
    if (a->mapping == NATBOX_INDEPENDENT && b->mapping == NATBOX_INDEPENDENT)
        return true;
    if (b->mapping == NATBOX_INDEPENDENT)
        return reaches_fixed(a, b);
    if (a->mapping == NATBOX_INDEPENDENT)
        return reaches_fixed(b, a);
    /* APDM on both sides: P = E(Q) is made when y first sends to Q, Q = E(P) when x first sends to P;
     * neither can be first. */
    return meets(a, b) || meets(b, a);
}

/* x opens a connection to y's passive candidate. */
static bool opens(const struct network *x, const struct network *y)
{
    bool open = y->levels == 0 || y->way_in != NETWORK_NO_WAY_IN;
    bool may_leave = true;
    for (size_t i = 0; i < x->levels; i++)
        may_leave &= x->boxes[i].policy != NATBOX_443_ONLY || y->tcp_port == 443;
    return x->speaks_tcp && !x->is_lite && y->tcp_port && open && may_leave;
}

unsigned oracle_direct_ice(const struct network *us, const struct network *them)
{
    struct chain a = chain_of(us), b = chain_of(them);
    unsigned set = is_direct(&a, &b) ? ORACLE_DIRECT : 0;
    if (a.is_chancy || b.is_chancy)
        set |= ORACLE_CHANCE;
    if (opens(us, them) || opens(them, us))
        set |= ORACLE_TCP;
    return set;
}

/* A permission is for an IP (RFC 8656 §9): the one that the other side was told of. */
static bool is_permitted(const struct chain *c)
{
    return c->has_udp && has_one_ip(c);
}

unsigned oracle_relayed_ice(const struct network *us, const struct network *them)
{
    struct chain a = chain_of(us), b = chain_of(them);
    unsigned set = 0;
    if (us->has_turn && is_permitted(&b))
        set |= ORACLE_OURS;
    if (them->has_turn && is_permitted(&a))
        set |= ORACLE_THEIRS;
    if (us->has_turn && them->has_turn)
        set |= ORACLE_BOTH;
    return set;
}
