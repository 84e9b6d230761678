/* verdict: putting a stream's story together.
 * Not here: what happens in it.
 * doc/nat.md 12. */
#include "nat/verdict.h"

#include <string.h>

void verdict_begin(struct verdict *v, struct tick now, const struct path_us *us,
                   const struct path_src *src, const struct path_choice *choice)
{
    *v = (struct verdict){
        .began = now, .us = *us, .src = *src, .choice = *choice, .first_packet_ms = -1};
    verdict_note(v, now, VERDICT_ANSWERED, &(struct addr){0});
}

/* What was on its way before the answer left came with it. */
static int32_t since_answer_ms(const struct verdict *v, struct tick at)
{
    return tick_before(at, v->began) ? 0 : (int32_t)tick_diff_ms(at, v->began);
}

void verdict_note(struct verdict *v, struct tick now, enum verdict_event event,
                  const struct addr *peer)
{
    const struct verdict_step *last = v->count ? &v->trail[v->count - 1] : NULL;
    v->follows |= event == VERDICT_FOLLOWED;
    if (last && last->event == event && addr_equal(&last->peer, peer) &&
        (addr_is_set(peer) || event == VERDICT_SILENT))
        return;
    if (v->count == VERDICT_TRAIL) {
        v->untold++;
        return;
    }
    v->trail[v->count++] =
        (struct verdict_step){.event = event, .t_ms = since_answer_ms(v, now), .peer = *peer};
}

static void set_unreachable(struct verdict *v, bool is)
{
    v->turns += v->unreachable != is;
    v->unreachable = is;
}

void verdict_first_packet(struct verdict *v, struct tick now, const struct addr *from,
                          uint32_t lost)
{
    if (v->first_packet_ms >= 0)
        return;
    set_unreachable(v, false);
    v->first_packet_ms = since_answer_ms(v, now);
    v->lost_before_first = lost;
    v->observed = *from;
    verdict_note(v, now, VERDICT_FIRST_PACKET, from);
}

void verdict_switch(struct verdict *v, struct tick now, enum verdict_event event,
                    const struct path_choice *choice)
{
    v->choice = *choice;
    v->switches++;
    verdict_note(v, now, event, &(struct addr){0});
}

void verdict_ice(struct verdict *v, bool has_ice)
{
    memset(v->pair, 0, sizeof v->pair);
    if (has_ice)
        (void)view_copy(VIEW_LIT("none"), v->pair, sizeof v->pair);
}

void verdict_ice_chose(struct verdict *v, struct tick now, const char *pair,
                       const struct addr *peer)
{
    v->switches += v->pair[0] && strcmp(v->pair, "none") != 0;
    (void)view_copy(view_of_string(pair), v->pair, sizeof v->pair);
    set_unreachable(v, false);
    verdict_note(v, now, VERDICT_ICE, peer);
}

void verdict_alarm(struct verdict *v, enum verdict_security what)
{
    v->security |= (unsigned)what;
}

void verdict_learned(struct verdict *v, struct view words)
{
    (void)view_copy(words, v->learned, sizeof v->learned);
}

void verdict_unreachable(struct verdict *v, struct tick now)
{
    if (v->first_packet_ms >= 0 || v->unreachable)
        return;
    set_unreachable(v, true);
    verdict_note(v, now, VERDICT_SILENT, &(struct addr){0});
}

/* ICE runs and has chosen nothing. */
static bool is_looking(const struct verdict *v)
{
    return strcmp(v->pair, "none") == 0;
}

static struct verdict_cure cure_of_ice(const struct path_us *us)
{
    bool is_reached = us->same_realm || us->is_open || us->is_static || us->is_mapped;
    /* A relay is given to whom is not reached without. */
    if (!is_reached && (us->relay_udp || us->relay_stream))
        return (struct verdict_cure){
            "the checks of ICE have found no path so far, not even over our relay: the SRC sends "
            "none, or its network lets no UDP out",
            "see whether the SRC sends checks and its network lets UDP out; or give the SRC a TURN "
            "server of its own"};
    if (is_reached || us->behaviour.mapping == NAT_MAPPING_NONE)
        return (struct verdict_cure){
            "the checks of ICE have found no path so far to an address that anyone may send to: "
            "the "
            "SRC sends none, or its network, or a firewall on the way, lets no UDP through",
            "let UDP out of the SRC's network and in to our RTP ports; or set rtp.tcp_port, if the "
            "SRC speaks ICE over TCP; or give it a TURN server of its own"};
    return (struct verdict_cure){
        "the checks of ICE have found no path so far, and there is no relay: our NAT and the SRC's "
        "network keep each other's packets out, or the SRC sends no checks",
        "set nat.turn_servers, or forward the RTP ports and set nat.external_ip; then see whether "
        "the SRC sends checks"};
}

/* STUN servers answer, but for this port none has told an address outside. */
static bool lacks_port(const struct path_us *us)
{
    bool is_reached = us->same_realm || us->is_open || us->is_static || us->is_mapped;
    return !is_reached && !us->has_stun && !us->stun_is_silent &&
           us->behaviour.mapping > NAT_MAPPING_NONE;
}

struct verdict_cure verdict_cure(const struct verdict *v)
{
    const struct path_us *us = &v->us;
    bool has_relay = us->relay_udp || us->relay_stream;
    if (us->is_static && us->is_doubted)
        return (struct verdict_cure){
            "the address that was answered first, by the settings' order, is not ours: STUN sees "
            "another one",
            "correct nat.external_ip (or the listener's advertise), or leave it to be found out"};
    if (us->is_static && us->is_ordered)
        return (struct verdict_cure){"the settings say that our address and ports are forwarded to "
                                     "us, and nothing came by them: they are not, or the SRC "
                                     "sends nothing there, or its own network lets no UDP out",
                                     "see that nat.external_ip is our address outside and that its "
                                     "RTP ports are forwarded to this host; then whether the "
                                     "SRC sends RTP there; then our own firewall"};
    if (is_looking(v))
        return cure_of_ice(us);
    if (us->same_realm || us->is_open || us->is_static || us->is_mapped)
        return (struct verdict_cure){
            "anyone can reach the address that was answered: the SRC sends nothing there, or its "
            "own network lets no UDP out",
            "see whether the SRC sends RTP to that address, and whether its network or a firewall "
            "on the way stops UDP; then our own firewall"};
    if (us->behaviour.mapping == NAT_MAPPING_NONE && !has_relay)
        return (struct verdict_cure){
            "nothing came to the address that was answered, which is our own: a firewall before "
            "this host keeps it out, or the SRC sends nothing there, or its own network lets no "
            "UDP out",
            "let UDP in to the RTP ports at that firewall (in a cloud: the security group); then "
            "see whether the SRC sends RTP there"};
    if (lacks_port(us) && !has_relay)
        return (struct verdict_cure){
            "STUN servers answer, but for this port none has told an address outside: our NAT "
            "gives this host no more UDP mappings, or calls came faster than ports stood ready; "
            "and there is no relay",
            "ask how many UDP mappings the router or the carrier allows a host, and set nat.ready "
            "where calls come many at once; or forward the RTP ports and set nat.external_ip; or "
            "set nat.turn_servers"};
    if (!us->has_stun && !us->stun_is_silent && !has_relay)
        return (struct verdict_cure){
            "no STUN server has told this port's address outside, and there is no relay",
            "see that nat.stun_servers are set and their names are found; or forward the RTP ports "
            "and set nat.external_ip; or set nat.turn_servers"};
    if (!us->has_stun && !has_relay)
        return (struct verdict_cure){
            "no UDP leaves our network, and there is no relay",
            "open outgoing UDP, or set nat.turn_servers with ?transport=tcp or turns:"};
    if (!has_relay)
        return (struct verdict_cure){
            "our NAT keeps out what the SRC sends, and there is no relay; or the SRC's network "
            "lets no UDP out",
            "forward the RTP ports and set nat.external_ip, or set nat.turn_servers"};
    return (struct verdict_cure){
        "the SRC sends from an address that nobody can tell before, and neither our NAT nor the "
        "relay lets that in; or the SRC's network lets no UDP out",
        "forward the RTP ports and set nat.external_ip, or name the SRC's media addresses in "
        "sip.allow; and see whether it sends at all"};
}

const char *verdict_src_class(const struct verdict *v)
{
    const struct addr *seen = &v->observed;
    if (!addr_is_set(seen))
        return NULL;
    if (v->follows)
        return "B6";
    if (addr_equal(seen, &v->src.offered))
        return v->src.latches == PATH_YES ? "B6" : "B1";
    if (addr_equal_ip(seen, &v->src.offered))
        return "B2";
    if (addr_equal_ip(seen, &v->src.signalled))
        return "B4";
    return v->src.many_addresses ? "B3" : "B5";
}

void verdict_our_class(const struct path_us *us, struct writer *w)
{
    static const char *const mappings[] = {"unknown", "firewall", "EIM", "EDM", "EDM", "EDM"};
    static const char *const filters[] = {"", "+EIF", "+ADF", "+APDF"};
    const struct nat_behaviour *b = &us->behaviour;
    if (us->is_open)
        writer_string(w, "open");
    else if (us->is_static && !us->is_doubted)
        writer_string(w, "1:1");
    else if (us->is_mapped)
        writer_string(w, "mapped");
    else if (!us->has_stun && us->relay_stream)
        writer_string(w, "UDP blocked");
    else
        writer_printf(w, "%s%s%s", mappings[b->mapping], filters[b->filtering],
                      b->scope == NAT_SCOPE_ENDPOINT ? " per endpoint" : "");
}

/* What would have been tried next, in order. */
static void print_alternatives(const struct verdict *v, struct writer *w)
{
    unsigned tried = 1u << (unsigned)v->choice.code;
    const char *comma = "";
    for (int i = 0; i < PATH_CODES; i++) {
        struct path_choice next = path_choose(&v->us, &v->src, tried);
        if (next.code == PATH_BEST_EFFORT)
            break;
        writer_printf(w, "%s\"", comma);
        path_print(w, &next);
        writer_string(w, "\"");
        comma = ",";
        tried |= 1u << (unsigned)next.code;
    }
}

/* With ICE the choice was only what the m-line names. */
static void print_path(const struct verdict *v, struct writer *w)
{
    writer_string(w, "\",\"path\":\"");
    if (v->pair[0]) {
        writer_printf(w, "%s\",\"why\":\"%s\",\"alternatives\":[", v->pair,
                      is_looking(v) ? "the checks of ICE have found no path yet"
                                    : "the checks of ICE chose it");
        return;
    }
    path_print(w, &v->choice);
    writer_printf(
        w, "\",\"why\":\"%s%s\",\"alternatives\":[", v->choice.why,
        v->us.is_static && v->us.is_doubted && v->choice.code != PATH_MAPPED
            ? "; the address that the settings name brought nothing, and STUN sees another one"
            : "");
    print_alternatives(v, w);
}

static void print_trail(const struct verdict *v, struct writer *w)
{
    static const char *const names[] = {
        "answered",        "punched",    "permitted", "denied",     "first-packet",
        "latched",         "followed",   "rebound",   "migrated",   "retried",
        "address-changed", "relay-lost", "silent",    "ice-chosen", "ice-consent-lost"};
    _Static_assert(sizeof names / sizeof *names == VERDICT_EVENTS, "one name each");
    for (size_t i = 0; i < v->count; i++) {
        const struct verdict_step *step = &v->trail[i];
        writer_printf(w, "%s{\"t_ms\":%d,\"event\":\"%s\"", i ? "," : "", step->t_ms,
                      names[step->event]);
        if (addr_is_set(&step->peer))
            writer_printf(w, ",\"peer\":\"%s\"", addr_print(&step->peer).s);
        writer_string(w, "}");
    }
}

static void print_security(const struct verdict *v, struct writer *w)
{
    static const char *const names[] = {"second-sender", "forged-stun", "flood", "alg-suspected"};
    const char *comma = "";
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!(v->security & (1u << i)))
            continue;
        writer_printf(w, "%s\"%s\"", comma, names[i]);
        comma = ",";
    }
}

static void print_unreachable(const struct verdict *v, struct writer *w)
{
    struct verdict_cure c = verdict_cure(v);
    if (v->unreachable)
        writer_printf(w, "{\"reason\":\"%s\",\"cure\":\"%s\"}", c.reason, c.cure);
    else
        writer_string(w, "null");
}

void verdict_print(const struct verdict *v, struct writer *w)
{
    const char *src_class = verdict_src_class(v);
    const char *quote = src_class ? "\"" : "";
    writer_printf(w, "{\"src_class\":%s%s%s,\"our_class\":\"", quote,
                  src_class ? src_class : "null", quote);
    verdict_our_class(&v->us, w);
    print_path(v, w);
    writer_string(w, "],\"trail\":[");
    print_trail(v, w);
    if (v->first_packet_ms >= 0)
        writer_printf(w, "],\"first_packet_ms\":%d,\"lost_before_first\":%u", v->first_packet_ms,
                      v->lost_before_first);
    else
        writer_string(w, "],\"first_packet_ms\":null,\"lost_before_first\":null");
    writer_printf(w, ",\"switches\":%u,\"security\":[", v->switches);
    print_security(v, w);
    writer_printf(w, "],\"external_differs\":%s,\"no_port_outside\":%s,\"unreachable\":",
                  v->us.is_static && v->us.is_doubted ? "true" : "false",
                  lacks_port(&v->us) ? "true" : "false");
    print_unreachable(v, w);
    writer_printf(w, ",\"ice\":%s", v->pair[0] ? "true" : "false");
    writer_printf(w, ",\"learned\":%s%s%s}", v->learned[0] ? "\"" : "",
                  v->learned[0] ? v->learned : "null", v->learned[0] ? "\"" : "");
}
