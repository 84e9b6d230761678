/* words: what each cause is called, one sentence, and what to change where.
 * Not here: the rules (diagnosis.c).
 * RFC: none. */
#include "doctor/diagnosis.h"

#include <assert.h>

static const char *const names[DOCTOR_CAUSES] = {
    [DOCTOR_DISK_FULL] = "disk-full",
    [DOCTOR_INVITE_TRUNCATED] = "invite-truncated",
    [DOCTOR_INVITE_FRAGMENTS] = "invite-fragments",
    [DOCTOR_NO_SIP] = "no-sip",
    [DOCTOR_CODEC] = "codec",
    [DOCTOR_SIP_ALG] = "sip-alg",
    [DOCTOR_OUR_PRIVATE] = "own-private-address",
    [DOCTOR_EXTERNAL_WRONG] = "external-address-wrong",
    [DOCTOR_DOUBLE_NAT] = "double-nat",
    [DOCTOR_HAIRPIN] = "hairpin",
    [DOCTOR_TURN_CREDENTIALS] = "turn-credentials",
    [DOCTOR_TURN_DOWN] = "turn-down",
    [DOCTOR_UDP_BLOCKED] = "udp-blocked",
    [DOCTOR_SYMMETRIC_NAT] = "symmetric-nat",
    [DOCTOR_RELAY_PERMISSION] = "relay-permission",
    [DOCTOR_HOST_FIREWALL] = "host-firewall",
    [DOCTOR_ROUTER_FIREWALL] = "router-firewall",
    [DOCTOR_NOT_FORWARDED] = "not-forwarded",
    [DOCTOR_SRC_PRIVATE] = "src-private-address",
    [DOCTOR_SRC_ELSEWHERE] = "src-sends-elsewhere",
    [DOCTOR_SRC_SILENT] = "src-silent",
    [DOCTOR_ONE_LEG] = "one-leg",
    [DOCTOR_FOREIGN_SENDER] = "foreign-sender",
    [DOCTOR_CLOCKS] = "clocks",
};

const char *doctor_cause_name(enum doctor_cause cause)
{
    assert(cause < DOCTOR_CAUSES);
    return names[cause];
}

static const struct doctor_stream *stream_of(const struct doctor_evidence *e,
                                             const struct doctor_finding *f)
{
    static const struct doctor_stream none;
    return f->stream < e->stream_count ? &e->streams[f->stream] : &none;
}

#define TEXT(address)    addr_print(address).s
#define TEXT_IP(address) addr_print_ip(address).s

/* "The SBC 192.0.2.1", "The SRC" where it is not known. */
static const char *family_word(const struct addr *a)
{
    return a->family == ADDR_V6 ? "ip6" : "ip";
}

static void print_silence(const struct doctor_stream *s, struct writer *w)
{
    writer_printf(w,
                  "No media came for stream %s at %s: ", s->label[0] ? s->label : "without label",
                  TEXT(&s->advertised));
}

static void print_clocks(const struct doctor_stream *s, struct writer *w)
{
    if (s->clock_is_known && (s->clock_ms > DOCTOR_CLOCK_MS || s->clock_ms < -DOCTOR_CLOCK_MS))
        writer_printf(w, "The SRC's clock is %lld ms %s ours, by its sender reports for stream %s.",
                      (long long)(s->clock_ms < 0 ? -s->clock_ms : s->clock_ms),
                      s->clock_ms < 0 ? "behind" : "ahead of", s->label);
    else
        writer_printf(w, "The SRC's media clock of stream %s runs %lld ppm off.", s->label,
                      (long long)s->drift_ppm);
}

/* Causes that say why a stream's port heard nothing: the sentence goes on behind print_silence. */
static const char *silence_words(enum doctor_cause cause)
{
    switch (cause) {
    case DOCTOR_OUR_PRIVATE:
        return "that is a private address, and the SRC calls from the Internet, where it leads "
               "nowhere.";
    case DOCTOR_DOUBLE_NAT:
        return "the router that keeps this port open for us stands itself behind another NAT.";
    case DOCTOR_HAIRPIN:
        return "the SRC is behind the same NAT as we are, and that NAT does not lead packets to "
               "its "
               "own address back inside.";
    case DOCTOR_HOST_FIREWALL:
        return "this host's own firewall drops what comes to that port.";
    case DOCTOR_ROUTER_FIREWALL:
        return "a firewall on the way to this host drops what comes to that port.";
    case DOCTOR_NOT_FORWARDED:
        return "the router with that address does not forward the port to this host.";
    case DOCTOR_SRC_SILENT:
        return "the SRC sends nothing.";
    case DOCTOR_ONE_LEG:
        return "the SRC sends the call's other stream and not this one.";
    default:
        return NULL;
    }
}

static void print_call_sentence(const struct doctor_evidence *e, enum doctor_cause cause,
                                struct writer *w)
{
    switch (cause) {
    case DOCTOR_DISK_FULL:
        writer_string(w, "The disk with the recordings is full.");
        break;
    case DOCTOR_INVITE_TRUNCATED:
        writer_string(w, "An INVITE came cut short: its datagram was longer than what arrived.");
        break;
    case DOCTOR_INVITE_FRAGMENTS:
        writer_printf(w,
                      "INVITEs over UDP are lost on the way: fragments of %llu datagrams came, "
                      "but never all of them.",
                      (unsigned long long)e->reassembly_failures);
        break;
    case DOCTOR_NO_SIP:
        writer_string(w, e->sip_received ? "No INVITE of this call ever arrived here."
                                         : "No SIP has arrived here since siprecd started.");
        break;
    case DOCTOR_CODEC:
        writer_string(w, "The call was refused with 488: the SRC offered no codec that can be "
                         "recorded.");
        break;
    case DOCTOR_SIP_ALG:
        writer_string(w, "Somebody between the SRC and us rewrites SIP (a SIP ALG): the addresses "
                         "in its SDP are not what the SRC can have written.");
        break;
    case DOCTOR_TURN_CREDENTIALS:
        writer_printf(w, "The TURN server %s refuses our user name or password.", e->relay_server);
        break;
    case DOCTOR_TURN_DOWN:
        writer_printf(w,
                      e->relay == DOCTOR_RELAY_FAILED
                          ? "The TURN server %s answers but gives no relay address (quota or "
                            "capacity)."
                          : "The TURN server %s does not answer.",
                      e->relay_server);
        break;
    case DOCTOR_UDP_BLOCKED:
        writer_string(w, "This network lets no UDP out: no STUN server ever answered.");
        break;
    default: /* DOCTOR_SYMMETRIC_NAT */
        writer_string(w, "Our NAT gives every destination another port (symmetric NAT) and there "
                         "is no TURN server to go round it.");
        break;
    }
}

void doctor_print_sentence(const struct doctor_evidence *e, const struct doctor_finding *f,
                           struct writer *w)
{
    const struct doctor_stream *s = stream_of(e, f);
    if (f->stream == DOCTOR_STREAMS) {
        print_call_sentence(e, f->cause, w);
        return;
    }
    if (f->cause == DOCTOR_CLOCKS) {
        print_clocks(s, w);
        return;
    }
    if (f->cause == DOCTOR_FOREIGN_SENDER) {
        writer_printf(w,
                      "A second sender, %s, sends to stream %s beside the SRC; it is not "
                      "recorded.",
                      TEXT(&s->foreign), s->label);
        return;
    }
    print_silence(s, w);
    if (silence_words(f->cause)) {
        writer_string(w, silence_words(f->cause));
    } else if (f->cause == DOCTOR_EXTERNAL_WRONG) {
        writer_printf(w, "that is not our address outside, which is %s.", TEXT_IP(&e->external));
    } else if (f->cause == DOCTOR_RELAY_PERMISSION) {
        writer_string(w, "the relay lets in only the addresses that the SRC named, and its media "
                         "comes from another");
        if (addr_is_set(&s->denied))
            writer_printf(w, " (the relay refused %s)", TEXT_IP(&s->denied));
        writer_string(w, ".");
    } else if (f->cause == DOCTOR_SRC_PRIVATE) {
        writer_printf(w,
                      "the SRC names %s, a private address, so that our NAT cannot be told whom "
                      "to let in.",
                      TEXT(&s->offered));
    } else { /* DOCTOR_SRC_ELSEWHERE */
        writer_string(w, "the SRC sends its media elsewhere");
        if (addr_is_set(&e->stray_to))
            writer_printf(w, " (it came to %s)", TEXT(&e->stray_to));
        writer_string(w, ".");
    }
}

/* ---- What to change, and where --------------------------------------------------------------- */

static void print_firewall_rule(const struct doctor_evidence *e, const struct doctor_stream *s,
                                struct writer *w)
{
    bool is_default = !addr_is_set(&e->signalled);
    writer_printf(w, "nft insert rule inet filter input ");
    if (!is_default)
        writer_printf(w, "%s saddr %s ", family_word(&e->signalled), TEXT_IP(&e->signalled));
    writer_printf(w, "udp dport %u-%u accept", e->port_min, e->port_max);
    (void)s;
}

static const char *fixed_cure(enum doctor_cause cause)
{
    switch (cause) {
    case DOCTOR_DISK_FULL:
        return "Make room in recordings.directory, or let siprecd: recordings.keep_days.";
    case DOCTOR_INVITE_TRUNCATED:
    case DOCTOR_INVITE_FRAGMENTS:
        return "At the SBC: send SIP to us over TCP or TLS (sip:...;transport=tcp); an INVITE with "
               "SIPREC metadata is too large for one datagram.";
    case DOCTOR_CODEC:
        return "At the SBC: offer PCMU, PCMA, G722 or Opus on the recording session.";
    case DOCTOR_SIP_ALG:
        return "At the router before us or before the SBC: switch the SIP ALG off, or use SIP over "
               "TLS, which it cannot read.";
    case DOCTOR_OUR_PRIVATE:
        return "Here: set EXTERNAL_IP to our address outside, or let siprecd find it "
               "(STUN_SERVERS, "
               "nat.portmap); behind_nat=false forbids it.";
    case DOCTOR_EXTERNAL_WRONG:
        return "Here: correct EXTERNAL_IP, or take it out so that siprecd finds it.";
    case DOCTOR_DOUBLE_NAT:
        return "Put the inner router into bridge mode, forward the ports on the outer one too, or "
               "set TURN_SERVERS.";
    case DOCTOR_HAIRPIN:
        return "Let the SBC call our inside address, or name its network in nat.local_networks.";
    case DOCTOR_TURN_CREDENTIALS:
        return "Here: correct TURN_USERNAME and TURN_PASSWORD, or TURN_SECRET.";
    case DOCTOR_TURN_DOWN:
        return "Bring the TURN server up, or name a second one in TURN_SERVERS.";
    case DOCTOR_UDP_BLOCKED:
        return "Let UDP out at the firewall, or set TURN_SERVERS=turns:HOST:443 to a TURN server "
               "that takes TLS.";
    case DOCTOR_SYMMETRIC_NAT:
        return "Set TURN_SERVERS (with TURN_USERNAME and TURN_PASSWORD), forward the ports at the "
               "router and set EXTERNAL_IP, or let it do PCP or UPnP.";
    case DOCTOR_RELAY_PERMISSION:
        return "At the SBC: send media from the address in its SDP; or here: name its media "
               "addresses in sip.allow.";
    case DOCTOR_SRC_PRIVATE:
        return "At the SBC: let the SDP name its public address; or here: set TURN_SERVERS.";
    case DOCTOR_SRC_ELSEWHERE:
        return "At the SBC: send media to the address and port of our answer; a media relay or "
               "NAT rule there changes it.";
    case DOCTOR_SRC_SILENT:
        return "At the SBC: look why it forks no media to us: the recording session, silence "
               "suppression, the call on hold.";
    case DOCTOR_ONE_LEG:
        return "At the SBC: let it record both directions of the call (one m-line each).";
    case DOCTOR_FOREIGN_SENDER:
        return "Find out who that is; if it is the SBC, let it send from one address, or name both "
               "in sip.allow.";
    case DOCTOR_CLOCKS:
        return "Let the SBC and this host keep their time by NTP.";
    default:
        return NULL;
    }
}

void doctor_print_cure(const struct doctor_evidence *e, const struct doctor_finding *f,
                       struct writer *w)
{
    const struct doctor_stream *s = stream_of(e, f);
    if (fixed_cure(f->cause)) {
        writer_string(w, fixed_cure(f->cause));
    } else if (f->cause == DOCTOR_NO_SIP) {
        writer_printf(w,
                      "At the SBC: point it at %s, port 5060; at the firewall: let UDP and TCP "
                      "5060 in; behind a NAT: forward the port, or set sip.register.",
                      addr_is_set(&e->external) ? TEXT_IP(&e->external) : "this host");
    } else if (f->cause == DOCTOR_HOST_FIREWALL) {
        writer_string(w, "On this host: ");
        print_firewall_rule(e, s, w);
    } else if (f->cause == DOCTOR_ROUTER_FIREWALL) {
        writer_printf(w,
                      "At the firewall or security group before this host: let UDP from %s to "
                      "%s ports %u-%u in.",
                      addr_is_set(&e->signalled) ? TEXT_IP(&e->signalled) : "the SBC",
                      TEXT_IP(&s->advertised), e->port_min, e->port_max);
    } else { /* DOCTOR_NOT_FORWARDED */
        writer_printf(w, "At the router %s: forward UDP ports %u-%u to %s.",
                      TEXT_IP(&s->advertised), e->port_min, e->port_max,
                      addr_is_set(&e->local) ? TEXT_IP(&e->local) : "this host");
    }
}

void doctor_print_decision(const struct doctor_evidence *e, const struct doctor_diagnosis *d,
                           struct writer *w)
{
    const struct doctor_finding *first = d->count ? &d->findings[0] : NULL;
    if (!first || first->certainty == DOCTOR_CERTAIN)
        return;
    const struct doctor_stream *s = stream_of(e, first);
    bool is_firewall = false;
    for (size_t i = 0; i < d->count; i++)
        is_firewall |= d->findings[i].cause == DOCTOR_HOST_FIREWALL;
    if (first->stream == DOCTOR_STREAMS)
        writer_string(w, "siprecctl nat");
    else if (is_firewall && e->firewall == PATH_UNKNOWN && s->probe == PATH_NO)
        writer_string(w, "sudo siprecctl doctor");
    else
        writer_printf(w, "tcpdump -n -i any udp port %u", s->bound.port);
}
