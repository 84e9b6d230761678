/* srcs: what a call teaches, what is believed, and its text.
 * Not here: where the text is kept.
 * doc/nat.md 12. */
#include "nat/srcs.h"

#include <jansson.h>
#include <string.h>

static const char *src_fact_name(enum src_fact fact)
{
    static const char *const names[] = {
        "symmetric", "latches",   "keeps_port", "port_offset",    "many_addresses", "any_address",
        "one_port",  "reinvites", "rtcp_mux",   "rtcp_attribute", "quiet",          "rebinds"};
    _Static_assert(sizeof names / sizeof *names == SRC_FACTS, "one name each");
    return names[fact];
}

/* ---- Keys ----------------------------------------------------------------------------------- */

static void put_escaped(struct writer *w, struct view v)
{
    for (size_t i = 0; i < v.len; i++) {
        unsigned char c = (unsigned char)v.at[i];
        if (c > ' ' && c < 0x7f && c != '%')
            writer_u8(w, c);
        else
            writer_printf(w, "%%%02x", c);
    }
}

static uint64_t hash(uint64_t h, struct view v)
{
    for (size_t i = 0; i < v.len; i++)
        h = (h ^ (unsigned char)v.at[i]) * UINT64_C(0x100000001b3); /* FNV-1a */
    return (h ^ 0xff) * UINT64_C(0x100000001b3);
}

void src_key_print(const struct src_key *key, char out[SRC_KEY_SIZE])
{
    struct writer w = writer_of(out, SRC_KEY_SIZE - 1);
    if (key->identity.len) {
        writer_string(&w, "identity ");
        put_escaped(&w, key->identity);
    } else {
        put_escaped(&w, key->listener);
        writer_printf(&w, " %s ", addr_print_ip(&key->source).s);
        put_escaped(&w, key->contact);
        writer_string(&w, " ");
        put_escaped(&w, key->agent);
    }
    size_t len = writer_done(&w).len;
    if (w.failed) { /* whoever calls himself so: told apart by the whole, named by its sum */
        uint64_t h = hash(UINT64_C(0xcbf29ce484222325), key->identity);
        h = hash(hash(hash(h, key->listener), key->contact), key->agent);
        w = writer_of(out, SRC_KEY_SIZE - 1);
        writer_printf(&w, "%s%s #%016llx", key->identity.len ? "identity" : "",
                      key->identity.len ? "" : addr_print_ip(&key->source).s,
                      (unsigned long long)h);
        len = writer_done(&w).len;
    }
    out[len] = 0;
}

/* ---- Beliefs -------------------------------------------------------------------------------- */

void src_profile_init(struct src_profile *p, struct wall now)
{
    *p = (struct src_profile){.first_at = now, .used_at = now, .first_rtp_ms = -1};
}

enum path_answer src_profile_believes(const struct src_profile *p, enum src_fact fact)
{
    return p->beliefs[fact].answer;
}

bool src_profile_is_stale(const struct src_profile *p, struct wall now)
{
    return wall_diff_ms(now, p->used_at) > (int64_t)SRC_KEEP_DAYS * 24 * 3600 * 1000;
}

static void apply(const struct src_profile *p, struct path_src *src, unsigned without)
{
    enum path_answer is[SRC_FACTS];
    for (int f = 0; f < SRC_FACTS; f++)
        is[f] = without & (1u << f) ? PATH_UNKNOWN : p->beliefs[f].answer;
    src->symmetric = is[SRC_SYMMETRIC];
    /* Nothing is to be followed where nothing of ours may come. */
    src->latches = is[SRC_QUIET] == PATH_YES ? PATH_NO : is[SRC_LATCHES];
    src->keeps_port = is[SRC_KEEPS_PORT];
    src->port_offset = is[SRC_PORT_OFFSET] == PATH_YES ? p->port_offset : 0;
    src->many_addresses = is[SRC_MANY_ADDRESSES] == PATH_YES;
    src->any_address = is[SRC_ANY_ADDRESS] == PATH_YES;
}

void src_profile_apply(const struct src_profile *p, struct path_src *src)
{
    apply(p, src, 0);
}

unsigned src_profile_used(const struct src_profile *p, const struct path_us *us,
                          const struct path_src *src)
{
    struct path_choice with = path_choose(us, src, 0);
    unsigned used = 0;
    for (unsigned f = 0; f <= SRC_ANY_ADDRESS; f++) {
        struct path_src other = *src;
        apply(p, &other, 1u << f);
        struct path_choice without = path_choose(us, &other, 0);
        if (with.code != without.code || with.known != without.known ||
            with.punches != without.punches || with.latches != without.latches)
            used |= 1u << f;
    }
    return used;
}

void src_profile_say(const struct src_profile *p, unsigned used, struct writer *w)
{
    static const char *const yes[] = {
        [SRC_SYMMETRIC] = "it sends from the address that it offers",
        [SRC_LATCHES] = "it sends to where our packets come from",
        [SRC_KEEPS_PORT] = "the NAT before it keeps its port",
        [SRC_PORT_OFFSET] = "its port is the offered one",
        [SRC_MANY_ADDRESSES] = "its media comes from one of several addresses",
        [SRC_ANY_ADDRESS] = "its media comes from addresses that cannot be told before",
    };
    static const char *const no[] = {
        [SRC_SYMMETRIC] = "it sends from another port than it offers",
        [SRC_LATCHES] = "it does not follow our packets",
        [SRC_KEEPS_PORT] = "the NAT before it changes its port",
        [SRC_PORT_OFFSET] = "its port cannot be told from the offered one",
        [SRC_MANY_ADDRESSES] = "its media comes from one address",
        [SRC_ANY_ADDRESS] = "its media comes from known addresses",
    };
    const char *comma = "";
    for (unsigned f = 0; f <= SRC_ANY_ADDRESS; f++) {
        if (!(used & (1u << f)) || p->beliefs[f].answer == PATH_UNKNOWN)
            continue;
        writer_printf(w, "%s%s", comma, (p->beliefs[f].answer == PATH_YES ? yes : no)[f]);
        if (f == SRC_PORT_OFFSET && p->beliefs[f].answer == PATH_YES)
            writer_printf(w, " %+d", p->port_offset);
        comma = ", ";
    }
    if (*comma)
        writer_printf(w, " (%u earlier call%s)", p->calls, p->calls == 1 ? "" : "s");
}

/* ---- Learning ------------------------------------------------------------------------------- */

/* What was seen replaces what was believed. */
static void see(struct src_profile *p, enum src_fact fact, enum path_answer answer)
{
    if (answer != PATH_UNKNOWN)
        p->beliefs[fact] = (struct src_belief){answer, SRC_WEIGHT};
}

static void forget(struct src_profile *p, enum src_fact fact)
{
    p->beliefs[fact] = (struct src_belief){PATH_UNKNOWN, 0};
}

static void doubt(struct src_profile *p, enum src_fact fact)
{
    struct src_belief *b = &p->beliefs[fact];
    if (b->weight == SRC_WEIGHT)
        b->weight = SRC_WEIGHT / 2;
    else
        forget(p, fact);
}

/* To the front; the one unused for longest goes. */
static void remember(struct src_profile *p, const struct addr *ip)
{
    size_t at = 0;
    while (at < p->media_count && !addr_equal_ip(&p->media[at], ip))
        at++;
    if (at == p->media_count)
        at = p->media_count < SRC_MEDIA ? p->media_count++ : SRC_MEDIA - 1;
    memmove(&p->media[1], &p->media[0], at * sizeof p->media[0]);
    p->media[0] = addr_with_port(*ip, 0);
}

/* Whether its port can be told from the one that it offers. One call does not show that: the streams of
 * one may be at one distance because its NAT counts up; and a call that offers the same port again may have
 * found the mapping of the one before. So it takes calls in a row with other ports, and a stream that
 * says otherwise undoes them all. */
static void learn_offset(struct src_profile *p, const struct src_lesson *l)
{
    bool varies = src_profile_believes(p, SRC_PORT_OFFSET) == PATH_NO;
    int32_t seen = (int32_t)l->observed.port - (int32_t)l->offered.port;
    int32_t expected = (int32_t)l->offered.port + p->port_offset;
    if (seen == 0) {
        forget(p, SRC_PORT_OFFSET);
        p->port_offset = 0;
        p->port_offset_calls = 0;
    } else if (seen == p->port_offset) {
        if (l->failed && (l->used & 1u << SRC_PORT_OFFSET)) /* true perhaps, and of no use */
            return;
        if (!l->again && p->port_offset_calls && l->offered.port != p->port_offset_offered) {
            p->port_offset_offered = l->offered.port;
            p->port_offset_calls++;
        }
        if (p->port_offset_calls >= (varies ? SRC_OFFSET_AGAIN : SRC_OFFSET_CALLS))
            see(p, SRC_PORT_OFFSET, PATH_YES);
    } else if (p->port_offset == 0 || (expected > 0 && expected <= UINT16_MAX)) {
        if (p->port_offset)
            see(p, SRC_PORT_OFFSET, PATH_NO);
        p->port_offset = l->again ? 0 : seen; /* of what this call showed before nothing is left */
        p->port_offset_offered = l->offered.port;
        p->port_offset_calls = l->again ? 0 : 1;
    } /* else: beyond the last port it must do something else, which says nothing */
}

/* Where it sent from, beside what it had offered and where its SIP came from (doc/nat.md 1). */
static void learn_source(struct src_profile *p, const struct src_lesson *l)
{
    const struct addr *seen = &l->observed;
    bool at_offered = addr_equal_ip(seen, &l->offered);
    bool at_signalled = addr_equal_ip(seen, &l->signalled);
    bool known = l->expected || addr_is_among(p->media, p->media_count, seen);
    if (at_offered) {
        see(p, SRC_SYMMETRIC, addr_equal(seen, &l->offered) ? PATH_YES : PATH_NO);
        forget(p, SRC_KEEPS_PORT);
    } else if (at_signalled) {
        see(p, SRC_KEEPS_PORT, seen->port == l->offered.port ? PATH_YES : PATH_NO);
        forget(p, SRC_SYMMETRIC);
    }
    if (l->offered.port && (at_offered || at_signalled))
        learn_offset(p, l);
    if (!addr_equal(seen, &l->offered)) /* what follows is where it says that it is */
        forget(p, SRC_LATCHES);
    if (at_offered || at_signalled) {
        /* A farm's member may well be the one that called. */
        if (src_profile_believes(p, SRC_MANY_ADDRESSES) == PATH_YES)
            doubt(p, SRC_MANY_ADDRESSES);
        if (src_profile_believes(p, SRC_ANY_ADDRESS) == PATH_YES)
            doubt(p, SRC_ANY_ADDRESS);
    } else if (known) {
        see(p, SRC_MANY_ADDRESSES, PATH_YES);
        if (src_profile_believes(p, SRC_ANY_ADDRESS) == PATH_YES)
            doubt(p, SRC_ANY_ADDRESS);
    } else {
        see(p, SRC_ANY_ADDRESS, PATH_YES);
    }
    /* A stranger may not make us send to others by having sent from there once. */
    if (l->listed || at_signalled)
        remember(p, seen);
}

static void learn_latching(struct src_profile *p, const struct src_lesson *l)
{
    if (l->followed)
        see(p, SRC_LATCHES, PATH_YES);
    else if (l->probed_back || (l->answered == PATH_REVERSE && l->failed))
        see(p, SRC_LATCHES, PATH_NO);
}

bool src_profile_learn(struct src_profile *p, struct wall now, const struct src_lesson *l)
{
    struct src_profile before = *p;
    bool teaches = addr_is_set(&l->observed) && l->good_rtp_ms >= SRC_TEACHES_MS;
    p->used_at = now;
    if (l->failed) {
        for (unsigned f = 0; f < SRC_FACTS; f++) {
            if (l->used & (1u << f))
                doubt(p, (enum src_fact)f);
        }
        /* The way there did not open twice. It is not believed again while it stays the same. */
        if ((l->used & 1u << SRC_PORT_OFFSET) &&
            src_profile_believes(p, SRC_PORT_OFFSET) == PATH_UNKNOWN)
            p->port_offset_calls = 0;
    }
    see(p, SRC_QUIET, l->quiet); /* it can end a call before that has taught anything */
    see(p, SRC_REINVITES, l->reinvites);
    if (teaches) {
        p->calls++;
        learn_source(p, l);
        learn_latching(p, l);
        see(p, SRC_ONE_PORT, l->one_port);
        see(p, SRC_RTCP_MUX, l->rtcp_mux);
        see(p, SRC_RTCP_ATTRIBUTE, l->rtcp_attribute);
        if (l->rebound)
            see(p, SRC_REBINDS, PATH_YES);
        if (l->first_rtp_ms >= 0)
            p->first_rtp_ms = l->first_rtp_ms;
    }
    before.used_at = p->used_at;
    return memcmp(&before, p, sizeof before) != 0;
}

static bool is_sure(const struct src_profile *p, enum src_fact fact)
{
    return p->beliefs[fact].answer == PATH_YES && p->beliefs[fact].weight == SRC_WEIGHT;
}

const char *src_profile_class(const struct src_profile *p)
{
    const struct src_belief *b = p->beliefs;
    if (b[SRC_LATCHES].answer == PATH_YES)
        return "B6";
    if (is_sure(p, SRC_ANY_ADDRESS))
        return "B5";
    if (is_sure(p, SRC_MANY_ADDRESSES))
        return "B3";
    if (b[SRC_SYMMETRIC].answer != PATH_UNKNOWN)
        return b[SRC_SYMMETRIC].answer == PATH_YES ? "B1" : "B2";
    return b[SRC_KEEPS_PORT].answer != PATH_UNKNOWN ? "B4" : NULL;
}

/* ---- Text ----------------------------------------------------------------------------------- */

/* What is believed, for those who read it; and what it rests on. */
static void print_offset(const struct src_profile *p, struct writer *w)
{
    if (src_profile_believes(p, SRC_PORT_OFFSET) == PATH_YES)
        writer_printf(w, ",\"port_offset\":%d", p->port_offset);
    else
        writer_string(w, ",\"port_offset\":null");
    if (p->port_offset)
        writer_printf(w, ",\"port_offset_seen\":{\"ports\":%d,\"offered\":%u,\"calls\":%u}",
                      p->port_offset, p->port_offset_offered, p->port_offset_calls);
    else
        writer_string(w, ",\"port_offset_seen\":null");
}

void src_profile_print(const struct src_profile *p, char out[SRC_PROFILE_TEXT])
{
    const char *class = src_profile_class(p), *comma = "";
    struct writer w = writer_of(out, SRC_PROFILE_TEXT - 1);
    writer_printf(&w, "{\"class\":%s%s%s,\"calls\":%u,\"first_at\":\"%s\",\"used_at\":\"%s\"",
                  class ? "\"" : "", class ? class : "null", class ? "\"" : "", p->calls,
                  wall_print(p->first_at).s, wall_print(p->used_at).s);
    if (p->first_rtp_ms >= 0)
        writer_printf(&w, ",\"first_rtp_ms\":%d", p->first_rtp_ms);
    else
        writer_string(&w, ",\"first_rtp_ms\":null");
    print_offset(p, &w);
    writer_string(&w, ",\"facts\":{");
    for (int f = 0; f < SRC_FACTS; f++) {
        const struct src_belief *b = &p->beliefs[f];
        if (b->answer == PATH_UNKNOWN)
            continue;
        writer_printf(&w, "%s\"%s\":{\"is\":%s,\"weight\":%u}", comma,
                      src_fact_name((enum src_fact)f), b->answer == PATH_YES ? "true" : "false",
                      b->weight);
        comma = ",";
    }
    writer_string(&w, "},\"media\":[");
    for (size_t i = 0; i < p->media_count; i++)
        writer_printf(&w, "%s\"%s\"", i ? "," : "", addr_print_ip(&p->media[i]).s);
    writer_string(&w, "]}");
    out[writer_done(&w).len] = 0;
}

static bool read_time(const json_t *root, const char *name, struct wall *out)
{
    const char *text = json_string_value(json_object_get(root, name));
    return text && wall_parse(view_of_string(text), out);
}

static bool read_facts(const json_t *facts, struct src_profile *p)
{
    if (!json_is_object(facts))
        return false;
    for (int f = 0; f < SRC_FACTS; f++) {
        const json_t *fact = json_object_get(facts, src_fact_name((enum src_fact)f));
        json_int_t weight = json_integer_value(json_object_get(fact, "weight"));
        const json_t *is = json_object_get(fact, "is");
        if (!fact)
            continue;
        if (!json_is_boolean(is) || weight < 1 || weight > SRC_WEIGHT)
            return false;
        p->beliefs[f] = (struct src_belief){json_is_true(is) ? PATH_YES : PATH_NO, (uint8_t)weight};
    }
    return true;
}

/* Profiles from before there were offsets have none. */
static bool read_offset(const json_t *seen, struct src_profile *p)
{
    json_int_t ports = json_integer_value(json_object_get(seen, "ports"));
    json_int_t offered = json_integer_value(json_object_get(seen, "offered"));
    json_int_t calls = json_integer_value(json_object_get(seen, "calls"));
    if (!seen || json_is_null(seen))
        return src_profile_believes(p, SRC_PORT_OFFSET) != PATH_YES;
    if (ports == 0 || ports < -UINT16_MAX || ports > UINT16_MAX || offered < 1 ||
        offered > UINT16_MAX || calls < 0 || calls > UINT32_MAX)
        return false;
    p->port_offset = (int32_t)ports;
    p->port_offset_offered = (uint16_t)offered;
    p->port_offset_calls = (uint32_t)calls;
    return true;
}

static bool read_profile(const json_t *root, struct src_profile *p)
{
    const json_t *first = json_object_get(root, "first_rtp_ms");
    const json_t *media = json_object_get(root, "media");
    json_int_t calls = json_integer_value(json_object_get(root, "calls"));
    *p = (struct src_profile){.first_rtp_ms = -1};
    if (!read_time(root, "first_at", &p->first_at) || !read_time(root, "used_at", &p->used_at) ||
        !read_facts(json_object_get(root, "facts"), p) ||
        !read_offset(json_object_get(root, "port_offset_seen"), p) || calls < 0 ||
        calls > UINT32_MAX || !json_is_array(media) || json_array_size(media) > SRC_MEDIA)
        return false;
    p->calls = (uint32_t)calls;
    if (json_is_integer(first)) {
        json_int_t ms = json_integer_value(first);
        if (ms < 0 || ms > INT32_MAX)
            return false;
        p->first_rtp_ms = (int32_t)ms;
    }
    for (size_t i = 0; i < json_array_size(media); i++) {
        const char *text = json_string_value(json_array_get(media, i));
        if (!text || !addr_parse_ip(view_of_string(text), &p->media[i]))
            return false;
        p->media_count++;
    }
    return true;
}

bool src_profile_parse(struct view text, struct src_profile *out)
{
    json_t *root = text.len ? json_loadb(text.at, text.len, JSON_REJECT_DUPLICATES, NULL) : NULL;
    struct src_profile p;
    bool good = root && read_profile(root, &p);
    json_decref(root);
    if (good)
        *out = p;
    return good;
}
