/* path: the table of choices.
 * Not here: what is done about a choice.
 * doc/nat.md 5, 6. */
#include "nat/path.h"

/* What the table asks. */
enum {
    SAME_REALM = 1 << 0,
    OPEN = 1 << 1,
    STATIC = 1 << 2,
    GATEWAY = 1 << 3,
    STUN = 1 << 4,     /* a fresh address outside */
    ADMITS = 1 << 5,   /* and it can be reached by others than the STUN server (rules 1 and 2) */
    EIF = 1 << 6,      /* by anyone; */
    ADF = 1 << 7,      /* by whom we sent to; */
    APDF = 1 << 8,     /* by the very address and port that we sent to. Also when not known */
    IP = 1 << 9,       /* the source's address is known, */
    PORT = 1 << 10,    /* its port, too */
    LATCHES = 1 << 11, /* the SRC follows us, and can be reached at what it offers */
    RELAY = 1 << 12,
    STREAM = 1 << 13,
    EDGE = 1 << 14,
    /* Nothing is translated, and nobody could tell whether anything filters, but UDP may pass. */
    OWN = 1 << 15,
    DOUBTED = 1 << 16, /* STATIC, and STUN sees another address */
};

/* The first row whose needs are met, and whose code has not been tried, is the choice. */
static const struct row {
    unsigned needs;
    enum path_code code;
    const char *why;
} table[] = {
    {SAME_REALM, PATH_DIRECT, "we and the SRC are in one network"},
    {OPEN, PATH_DIRECT, "our address is reachable by anyone"},
    {STATIC | DOUBTED, PATH_MAPPED, "the settings name this address, though STUN sees another one"},
    {STATIC, PATH_MAPPED, "our address is translated one to one, or the port is forwarded"},
    {GATEWAY, PATH_MAPPED, "the gateway has mapped the port"},
    {STUN | ADMITS | EIF, PATH_STUN, "our NAT lets anyone in at the address that STUN shows"},
    {STUN | ADMITS | ADF | IP, PATH_STUN,
     "our NAT lets the SRC's address in once we have sent to it"},
    {STUN | ADMITS | APDF | PORT, PATH_STUN,
     "our NAT lets the SRC's address and port in once we have sent to them"},
    {STUN | LATCHES, PATH_REVERSE, "the SRC sends to where our packets come from"},
    {OWN, PATH_DIRECT, "our address is our own; whether a firewall keeps others out is not known"},
    {RELAY | IP, PATH_RELAY, "our NAT keeps the SRC out, a relay does not"},
    {STREAM | IP, PATH_RELAY_STREAM, "no UDP leaves our network: a relay over TCP"},
    {EDGE, PATH_EDGE, "nobody can tell which address the SRC will send from"},
    {STUN | IP, PATH_BEST_EFFORT,
     "no path is known to work: the STUN address, and packets to the SRC"},
    {STUN, PATH_BEST_EFFORT, "no path is known to work: the STUN address"},
    {0, PATH_BEST_EFFORT, "no path is known to work: our own address"},
};

static bool may_be_reached(const struct addr *a)
{
    return addr_is_set(a) && a->port != 0 && !addr_is_unspecified(a) && !addr_is_private(a) &&
           !addr_is_loopback(a) && !addr_is_link_local(a) && !addr_is_multicast(a) &&
           !addr_is_reserved(a);
}

/* May it be sent to at what it offers? */
static bool is_reachable(const struct path_src *src)
{
    return may_be_reached(&src->offered) && !src->barred;
}

/* May it be sent to behind its NAT, which is known to keep the port that it offers? */
static bool is_guessable(const struct path_src *src)
{
    return src->keeps_port == PATH_YES && may_be_reached(&src->signalled) && src->offered.port != 0;
}

/* Does it send from the address that it offers, as far as can be told? */
static bool is_there(const struct path_src *src)
{
    bool same = addr_is_set(&src->signalled) && src->offered.port != 0 &&
                addr_equal_ip(&src->offered, &src->signalled);
    return same || is_reachable(src);
}

struct addr path_shifted(const struct path_src *src, const struct addr *offered)
{
    int32_t port = (int32_t)offered->port + src->port_offset;
    bool there = is_there(src);
    /* Of the two addresses the one where another port was seen. */
    if (src->port_offset == 0 || offered->port == 0 || port < 1 || port > UINT16_MAX ||
        src->many_addresses || src->any_address ||
        (there ? src->symmetric : src->keeps_port) != PATH_NO ||
        !addr_is_set(there ? offered : &src->signalled))
        return (struct addr){0};
    return addr_with_port(there ? *offered : src->signalled, (uint16_t)port);
}

enum path_known path_known_of(const struct path_src *src)
{
    struct addr shifted = path_shifted(src, &src->offered);
    bool offered = is_there(src);
    if (src->many_addresses)
        return PATH_KNOWN_SET;
    if (offered && (src->symmetric != PATH_NO || addr_is_set(&shifted)))
        return PATH_KNOWN_EXACTLY;
    if (offered)
        return PATH_KNOWN_IP;
    if (!addr_is_set(&src->signalled))
        return PATH_KNOWN_NOTHING;
    /* What it offers is an address of its own network, translated on the way: 1:1 NATs keep the
     * port, others may. */
    bool kept = src->keeps_port == PATH_YES && src->offered.port != 0;
    return kept || addr_is_set(&shifted) ? PATH_KNOWN_GUESSED : PATH_KNOWN_SIGNALLED;
}

/* Rules 1 and 2: is it the filter alone that decides who reaches our STUN-learned address? */
static bool admits(const struct nat_behaviour *b)
{
    switch (b->mapping) {
    case NAT_MAPPING_NONE:
    case NAT_MAPPING_INDEPENDENT:
        return true;
    case NAT_MAPPING_ADDRESS:
    case NAT_MAPPING_ADDRESS_PORT:
    case NAT_MAPPING_DEPENDENT:
        return b->filtering == NAT_FILTERING_INDEPENDENT || b->scope == NAT_SCOPE_ENDPOINT;
    case NAT_MAPPING_UNKNOWN:
        break;
    }
    return false;
}

static unsigned facts_of(const struct path_us *us, const struct path_src *src,
                         enum path_known known)
{
    const struct nat_behaviour *b = &us->behaviour;
    unsigned facts = 0;
    facts |= us->same_realm ? SAME_REALM : 0;
    facts |= us->is_open ? OPEN : 0;
    facts |= us->is_static ? STATIC : 0;
    facts |= us->is_static && us->is_doubted ? DOUBTED : 0;
    facts |= us->is_mapped ? GATEWAY : 0;
    facts |= us->has_stun ? STUN : 0;
    facts |= admits(b) ? ADMITS : 0;
    facts |= b->filtering == NAT_FILTERING_INDEPENDENT ? EIF
             : b->filtering == NAT_FILTERING_ADDRESS   ? ADF
                                                       : APDF;
    facts |= known > PATH_KNOWN_NOTHING ? IP : 0;
    facts |= known >= PATH_KNOWN_GUESSED ? PORT : 0;
    bool follows = src->latches == PATH_YES && (is_reachable(src) || is_guessable(src));
    facts |= follows ? LATCHES : 0;
    facts |= us->relay_udp ? RELAY : 0;
    facts |= us->relay_stream ? STREAM : 0;
    facts |= us->edge ? EDGE : 0;
    bool untold = b->mapping == NAT_MAPPING_NONE && b->filtering == NAT_FILTERING_UNKNOWN;
    facts |= untold && !us->no_udp ? OWN : 0;
    return facts;
}

/* A firewall translates nothing: what STUN shows is our own address. */
static enum path_code code_of(const struct row *row, const struct path_us *us)
{
    return row->code == PATH_STUN && us->behaviour.mapping == NAT_MAPPING_NONE ? PATH_DIRECT
                                                                               : row->code;
}

static struct path_choice fill(const struct row *row, const struct path_us *us,
                               const struct path_src *src, unsigned facts)
{
    struct path_choice c = {.code = code_of(row, us), .why = row->why, .known = path_known_of(src)};
    bool relays = path_is_relayed(c.code);
    bool tries = c.code == PATH_BEST_EFFORT || c.code == PATH_EDGE || row->needs == OWN;
    bool filtered = row->code == PATH_STUN && !(facts & EIF);
    /* Where nothing is known to work, the address that SIP came from is worth a try. */
    if (tries && c.known == PATH_KNOWN_NOTHING && addr_is_set(&src->signalled))
        c.known = PATH_KNOWN_SIGNALLED;
    c.punches = (filtered || tries) && (facts & STUN) && c.known != PATH_KNOWN_NOTHING;
    c.to_port = filtered && (facts & APDF);
    c.permits = relays;
    /* An offset opens the way; whose packets they are it does not say. */
    struct addr shifted = path_shifted(src, &src->offered);
    c.latches = c.known < PATH_KNOWN_GUESSED || src->any_address || addr_is_set(&shifted);
    c.probes_back = c.code >= PATH_STUN && (is_reachable(src) || is_guessable(src));
    c.relay_stands_by =
        (c.to_port || c.code == PATH_REVERSE || row->needs == OWN) && (facts & RELAY);
    c.may_migrate = c.code == PATH_RELAY && (facts & STUN) && (facts & ADMITS);
    return c;
}

struct path_choice path_choose(const struct path_us *us, const struct path_src *src, unsigned tried)
{
    /* The same address again, and it has been probed from there all along. */
    if (tried & (1u << PATH_STUN | 1u << PATH_DIRECT))
        tried |= 1u << PATH_REVERSE;
    bool edge = us->edge && !(tried & (1u << PATH_EDGE));
    /* Whom nobody can tell before needs an edge; without one the addresses there are get a try. */
    unsigned facts =
        facts_of(us, src, src->any_address && edge ? PATH_KNOWN_NOTHING : path_known_of(src));
    size_t last = sizeof table / sizeof *table - 1, i = 0;
    while (i < last && ((table[i].needs & ~facts) != 0 ||
                        (tried & (1u << (unsigned)code_of(&table[i], us))) != 0))
        i++;
    return fill(&table[i], us, src, facts);
}

struct path_choice path_direct(const struct path_us *us, const struct addr *seen)
{
    const struct path_src src = {.offered = *seen, .signalled = *seen, .symmetric = PATH_YES};
    return path_choose(us, &src, 1u << PATH_RELAY | 1u << PATH_RELAY_STREAM | 1u << PATH_EDGE);
}

void path_print(struct writer *w, const struct path_choice *choice)
{
    static const char *const codes[] = {"D", "M", "S", "RL", "Rw", "Rt", "E", "none"};
    static const char *const whom[] = {"", "SIP ip", "ip", "each ip", "SIP ip", "ip"};
    static const char *const ports[] = {"", "", "", "", "SIP ip:m port", "ip:port"};
    writer_string(w, codes[choice->code]);
    if (choice->punches && choice->code != PATH_EDGE)
        writer_printf(w, "+H(%s)", choice->to_port ? ports[choice->known] : whom[choice->known]);
    else if (choice->permits)
        writer_printf(w, "(%s)",
                      choice->known == PATH_KNOWN_SET ? "perm set" : whom[choice->known]);
}

const char *path_name(const struct path_choice *choice, const struct path_us *us)
{
    switch (choice->code) {
    case PATH_DIRECT:
        return "host";
    case PATH_MAPPED:
        return us->is_static ? "static" : "mapped";
    case PATH_STUN:
    case PATH_REVERSE:
        return "stun";
    case PATH_RELAY:
    case PATH_RELAY_STREAM:
        return "relay";
    case PATH_EDGE:
    case PATH_BEST_EFFORT:
    case PATH_CODES:
        break;
    }
    return "none";
}

const char *path_name_unexpected(const struct path_us *us, bool is_own)
{
    if (is_own)
        return "host";
    return us->has_stun ? "stun" : "static";
}
