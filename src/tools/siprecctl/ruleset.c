/* ruleset: following a datagram through the chains of hook input.
 * Not here: other hooks: a router's rules are on the router.
 * RFC: none; libnftables-json(5). */
#include "tools/siprecctl/ruleset.h"

#include <string.h>

enum { JUMPS = 16, PROTOCOL_UDP = 17 };

enum fate {
    GOES_ON, /* to the next rule, or back where the chain was jumped from */
    LET_IN,
    DROPPED,
    DEPENDS,
};

struct walk {
    const json_t *items; /* of "nftables" */
    const struct ctl_datagram *datagram;
    unsigned jumps;
};

static const char *text_in(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static bool is_same_place(const json_t *a, const json_t *b)
{
    return strcmp(text_in(a, "family"), text_in(b, "family")) == 0 &&
           strcmp(text_in(a, "table"), text_in(b, "table")) == 0;
}

static bool is_of_family(const char *family, const struct addr *a)
{
    return strcmp(family, "inet") == 0 || strcmp(family, a->family == ADDR_V6 ? "ip6" : "ip") == 0;
}

/* ---- Values ---------------------------------------------------------------------------------- */

static enum path_answer answer(bool is_so)
{
    return is_so ? PATH_YES : PATH_NO;
}

/* Of several, one is enough. */
static enum path_answer any_of(enum path_answer a, enum path_answer b)
{
    if (a == PATH_YES || b == PATH_YES)
        return PATH_YES;
    return a == PATH_UNKNOWN || b == PATH_UNKNOWN ? PATH_UNKNOWN : PATH_NO;
}

static const json_t *find_set(const struct walk *walk, const json_t *rule, const char *name)
{
    size_t i;
    const json_t *item;
    json_array_foreach(walk->items, i, item)
    {
        const json_t *set = json_object_get(item, "set");
        if (set && is_same_place(set, rule) && strcmp(text_in(set, "name"), name) == 0)
            return json_object_get(set, "elem");
    }
    return NULL;
}

static enum path_answer is_number(const json_t *right, int64_t number)
{
    const json_t *range = json_object_get(right, "range");
    if (json_is_integer(right))
        return answer(json_integer_value(right) == number);
    if (!range)
        return PATH_UNKNOWN;
    return answer(number >= json_integer_value(json_array_get(range, 0)) &&
                  number <= json_integer_value(json_array_get(range, 1)));
}

static enum path_answer is_address(const json_t *right, const struct addr *a)
{
    const json_t *prefix = json_object_get(right, "prefix");
    struct addr_prefix network = {0};
    if (json_is_string(right)) {
        network.bits = a->family == ADDR_V6 ? 128 : 32;
        if (!addr_parse_ip(view_of_string(json_string_value(right)), &network.base))
            return PATH_UNKNOWN;
    } else if (prefix) {
        network.bits = (uint8_t)json_integer_value(json_object_get(prefix, "len"));
        if (!addr_parse_ip(view_of_string(text_in(prefix, "addr")), &network.base))
            return PATH_UNKNOWN;
    } else {
        return PATH_UNKNOWN;
    }
    return answer(addr_prefix_contains(&network, a));
}

static enum path_answer is_word(const json_t *right, const char *word)
{
    return json_is_string(right) ? answer(strcmp(json_string_value(right), word) == 0)
                                 : PATH_UNKNOWN;
}

/* What a match looks at, as far as we know it of the datagram. */
struct subject {
    enum { NUMBER, ADDRESS, WORD, NOT_KNOWN } kind;
    int64_t number;
    const struct addr *address;
    const char *word;
};

static struct subject subject_of_payload(const json_t *payload, const struct ctl_datagram *d)
{
    const char *protocol = text_in(payload, "protocol"), *field = text_in(payload, "field");
    bool is_ports = strcmp(protocol, "udp") == 0 || strcmp(protocol, "th") == 0;
    bool is_ip = strcmp(protocol, d->to.family == ADDR_V6 ? "ip6" : "ip") == 0;
    if (is_ports && strcmp(field, "dport") == 0)
        return (struct subject){.kind = NUMBER, .number = d->to.port};
    if (is_ip && strcmp(field, "saddr") == 0)
        return (struct subject){.kind = ADDRESS, .address = &d->from};
    if (is_ip && strcmp(field, "daddr") == 0 && !addr_is_unspecified(&d->to))
        return (struct subject){.kind = ADDRESS, .address = &d->to};
    if (is_ip && (strcmp(field, "protocol") == 0 || strcmp(field, "nexthdr") == 0))
        return (struct subject){.kind = WORD, .word = "udp"};
    return (struct subject){.kind = NOT_KNOWN};
}

static struct subject subject_of(const json_t *left, const struct ctl_datagram *d)
{
    const json_t *payload = json_object_get(left, "payload");
    const char *meta = text_in(json_object_get(left, "meta"), "key");
    const char *ct = text_in(json_object_get(left, "ct"), "key");
    if (payload)
        return subject_of_payload(payload, d);
    if (strcmp(meta, "l4proto") == 0)
        return (struct subject){.kind = WORD, .word = "udp"};
    if (strcmp(meta, "nfproto") == 0)
        return (struct subject){.kind = WORD, .word = d->to.family == ADDR_V6 ? "ipv6" : "ipv4"};
    if (strcmp(ct, "state") == 0)
        return (struct subject){.kind = WORD, .word = d->is_known ? "established" : "new"};
    /* It comes from another host. */
    if (strcmp(meta, "iifname") == 0 || strcmp(meta, "iif") == 0)
        return (struct subject){.kind = NOT_KNOWN, .word = "lo"};
    /* This host's own media is led nowhere else. */
    if (strcmp(ct, "status") == 0)
        return (struct subject){.kind = NOT_KNOWN, .word = "dnat"};
    return (struct subject){.kind = NOT_KNOWN};
}

static enum path_answer is_value(const struct walk *walk, const json_t *rule,
                                 const struct subject *s, const json_t *right)
{
    const json_t *members = json_object_get(right, "set"), *member;
    enum path_answer found = PATH_NO;
    size_t i;
    if (json_is_array(right))
        members = right;
    if (json_is_string(right) && json_string_value(right)[0] == '@')
        members = find_set(walk, rule, json_string_value(right) + 1);
    if (members) {
        json_array_foreach(members, i, member)
        {
            found = any_of(found, is_value(walk, rule, s, member));
        }
        return found;
    }
    switch (s->kind) {
    case NUMBER:
        return is_number(right, s->number);
    case ADDRESS:
        return is_address(right, s->address);
    case WORD:
        return is_word(right, s->word);
    case NOT_KNOWN:
        break;
    }
    /* Of the interface only this much is known: that it is not the loopback one. Likewise its status. */
    return s->word && is_word(right, s->word) == PATH_YES ? PATH_NO : PATH_UNKNOWN;
}

/* Another protocol's payload is never a UDP datagram's. */
static bool is_foreign_protocol(const json_t *left, const struct ctl_datagram *d)
{
    const char *protocol = text_in(json_object_get(left, "payload"), "protocol");
    static const char *const others[] = {"tcp", "icmp", "icmpv6", "sctp", "dccp", "igmp"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (strcmp(protocol, others[i]) == 0)
            return true;
    }
    return strcmp(protocol, d->to.family == ADDR_V6 ? "ip" : "ip6") == 0;
}

static enum path_answer matches(const struct walk *walk, const json_t *rule, const json_t *match)
{
    const json_t *left = json_object_get(match, "left");
    struct subject subject = subject_of(left, walk->datagram);
    const char *op = text_in(match, "op");
    enum path_answer found;
    if (is_foreign_protocol(left, walk->datagram))
        return PATH_NO;
    found = is_value(walk, rule, &subject, json_object_get(match, "right"));
    if (strcmp(op, "==") == 0 || strcmp(op, "in") == 0)
        return found;
    if (strcmp(op, "!=") == 0 && found != PATH_UNKNOWN)
        return answer(found == PATH_NO);
    return PATH_UNKNOWN;
}

/* ---- Rules and chains ------------------------------------------------------------------------ */

static enum fate walk_chain(struct walk *walk, const json_t *chain, size_t from, enum fate at_end);

static const json_t *find_chain(const struct walk *walk, const json_t *rule, const char *name)
{
    size_t i;
    const json_t *item;
    json_array_foreach(walk->items, i, item)
    {
        const json_t *chain = json_object_get(item, "chain");
        if (chain && is_same_place(chain, rule) && strcmp(text_in(chain, "name"), name) == 0)
            return chain;
    }
    return NULL;
}

static enum fate follow(struct walk *walk, const json_t *rule, const json_t *jump)
{
    const json_t *chain = find_chain(walk, rule, text_in(jump, "target"));
    enum fate fate;
    if (!chain || walk->jumps == JUMPS)
        return DEPENDS;
    walk->jumps++;
    fate = walk_chain(walk, chain, 0, GOES_ON);
    walk->jumps--;
    return fate;
}

static enum fate verdict_of(struct walk *walk, const json_t *rule, const json_t *verdict,
                            bool *returns)
{
    if (json_object_get(verdict, "drop") || json_object_get(verdict, "reject"))
        return DROPPED;
    if (json_object_get(verdict, "accept"))
        return LET_IN;
    if (json_object_get(verdict, "jump"))
        return follow(walk, rule, json_object_get(verdict, "jump"));
    *returns |= json_object_get(verdict, "goto") || json_object_get(verdict, "return");
    return json_object_get(verdict, "goto") ? follow(walk, rule, json_object_get(verdict, "goto"))
                                            : GOES_ON;
}

/* "ct state vmap { established : accept, invalid : drop }": the verdict of the first key that is
 * the datagram's. */
static enum fate follow_map(struct walk *walk, const json_t *rule, const json_t *vmap,
                            bool *returns)
{
    struct subject subject = subject_of(json_object_get(vmap, "key"), walk->datagram);
    const json_t *pairs = json_object_get(json_object_get(vmap, "data"), "set"), *pair;
    size_t i;
    if (!json_is_array(pairs))
        return DEPENDS;
    json_array_foreach(pairs, i, pair)
    {
        switch (is_value(walk, rule, &subject, json_array_get(pair, 0))) {
        case PATH_YES:
            return verdict_of(walk, rule, json_array_get(pair, 1), returns);
        case PATH_UNKNOWN:
            return DEPENDS;
        case PATH_NO:
            break;
        }
    }
    return GOES_ON;
}

/* What the rule does if it applies, and whether it does. */
static enum fate apply(struct walk *walk, const json_t *rule, enum path_answer *applies,
                       bool *returns)
{
    size_t i;
    const json_t *expr;
    *applies = PATH_YES;
    *returns = false;
    json_array_foreach(json_object_get(rule, "expr"), i, expr)
    {
        const json_t *match = json_object_get(expr, "match");
        enum path_answer m = match ? matches(walk, rule, match) : PATH_YES;
        if (m == PATH_NO) {
            *applies = PATH_NO;
            return GOES_ON;
        }
        if (m == PATH_UNKNOWN || json_object_get(expr, "limit") || json_object_get(expr, "xt"))
            *applies = PATH_UNKNOWN;
        enum fate fate = json_object_get(expr, "vmap")
                             ? follow_map(walk, rule, json_object_get(expr, "vmap"), returns)
                             : verdict_of(walk, rule, expr, returns);
        if (fate != GOES_ON || *returns)
            return fate;
    }
    return GOES_ON;
}

static bool is_rule_of(const json_t *rule, const json_t *chain)
{
    return rule && is_same_place(rule, chain) &&
           strcmp(text_in(rule, "chain"), text_in(chain, "name")) == 0;
}

/* From the item at `from` on; at_end: the chain's policy, if it has one. */
static enum fate walk_chain(struct walk *walk, const json_t *chain, size_t from, enum fate at_end)
{
    for (size_t i = from; i < json_array_size(walk->items); i++) {
        const json_t *rule = json_object_get(json_array_get(walk->items, i), "rule");
        enum path_answer applies;
        bool returns;
        enum fate fate, rest;
        if (!is_rule_of(rule, chain))
            continue;
        fate = apply(walk, rule, &applies, &returns);
        if (applies == PATH_NO || (applies == PATH_YES && fate == GOES_ON && !returns))
            continue;
        if (fate == GOES_ON)
            fate = at_end;
        if (applies == PATH_YES)
            return fate;
        /* Whether it applies is not known: it is told only if it makes no difference. */
        rest = walk_chain(walk, chain, i + 1, at_end);
        return rest == fate ? fate : DEPENDS;
    }
    return at_end;
}

static enum fate walk_base(struct walk *walk, const json_t *chain)
{
    bool drops = strcmp(text_in(chain, "policy"), "drop") == 0;
    return walk_chain(walk, chain, 0, drops ? DROPPED : LET_IN);
}

enum path_answer ctl_ruleset_drops(const json_t *ruleset, const struct ctl_datagram *datagram,
                                   struct ctl_chain *out)
{
    struct walk walk = {.items = json_object_get(ruleset, "nftables"), .datagram = datagram};
    enum path_answer result = PATH_NO;
    size_t i;
    const json_t *item;
    *out = (struct ctl_chain){0};
    if (!json_is_array(walk.items))
        return PATH_UNKNOWN;
    /* What one base chain lets in the next may still drop: their order does not matter for whether
     * any of them does. */
    json_array_foreach(walk.items, i, item)
    {
        const json_t *chain = json_object_get(item, "chain");
        if (strcmp(text_in(chain, "hook"), "input") != 0 ||
            !is_of_family(text_in(chain, "family"), &datagram->to))
            continue;
        enum fate fate = walk_base(&walk, chain);
        if (fate == DROPPED) {
            *out = (struct ctl_chain){text_in(chain, "family"), text_in(chain, "table"),
                                      text_in(chain, "name")};
            return PATH_YES;
        }
        if (fate == DEPENDS)
            result = PATH_UNKNOWN;
    }
    return result;
}
