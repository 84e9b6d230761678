/* cures: what to change and where, what to paste, and which command decides where several causes are
 * left.
 * Not here: the rules (diagnosis.c), what is wrong in words (words.c).
 * RFC: none. */
#include "doctor/diagnosis.h"

#include <string.h>

#define TEXT(address)    addr_print(address).s
#define TEXT_IP(address) addr_print_ip(address).s

static const struct doctor_stream *stream_of(const struct doctor_evidence *e,
                                             const struct doctor_finding *f)
{
    static const struct doctor_stream none;
    size_t i = doctor_finding_stream(f);
    return i < e->stream_count ? &e->streams[i] : &none;
}

/* The ports that a finding's streams have: those of the range as one, and rtp.mux_port. */
struct ports {
    bool has_range;
    uint16_t single; /* 0: none */
};

static struct ports ports_of(const struct doctor_evidence *e, const struct doctor_finding *f)
{
    struct ports ports = {0};
    for (size_t i = 0; i < e->stream_count; i++) {
        uint16_t port = e->streams[i].bound.port;
        if (!(f->streams & 1u << i))
            continue;
        if (port != 0 && (port < e->port_min || port > e->port_max))
            ports.single = port;
        else
            ports.has_range = true;
    }
    return ports;
}

/* "40000, 10000-20000" */
static void print_ports(const struct doctor_evidence *e, const struct ports *ports,
                        const char *between, char to, struct writer *w)
{
    if (ports->single)
        writer_printf(w, "%u%s", ports->single, ports->has_range ? between : "");
    if (ports->has_range)
        writer_printf(w, "%u%c%u", e->port_min, to, e->port_max);
}

/* ---- What to change -------------------------------------------------------------------------- */

/* What the SRC does wrong. */
static const char *cure_of_srcs(enum doctor_cause cause)
{
    switch (cause) {
    case DOCTOR_INVITE_TRUNCATED:
    case DOCTOR_INVITE_FRAGMENTS:
        return "At the SBC: send SIP to us over TCP or TLS (sip:...;transport=tcp); an INVITE with "
               "SIPREC metadata is too large for one datagram.";
    case DOCTOR_SRC_PRIVATE:
        return "At the SBC: let its SDP name its address outside; or at our router: forward the "
               "RTP ports to this host and set EXTERNAL_IP here; or here: set TURN_SERVERS.";
    case DOCTOR_SRC_ELSEWHERE:
        return "At the SBC: send each stream's media to the address and port that our answer names "
               "for its m-line; a media relay or NAT rule there may change it.";
    case DOCTOR_SRC_GONE:
        return "At the SBC: see in its log why it left the call (a restart, a failover, its "
               "network), and let it send BYE or refresh its sessions (RFC 4028).";
    case DOCTOR_SRC_SILENT:
        return "At the SBC: see why it forks no media to us: the recording profile, silence "
               "suppression, the call on hold.";
    case DOCTOR_ONE_LEG:
        return "At the SBC: let it record both directions of the call (one m-line each), and send "
               "each to the port of its own m-line.";
    case DOCTOR_FOREIGN_SENDER:
        return "Find out who that is; if it is the SBC, let it send all media of a stream from the "
               "one address in its SDP.";
    case DOCTOR_CLOCKS:
        return "On the SBC and this host: keep the time by NTP (timedatectl shows whether).";
    default:
        return NULL;
    }
}

static const char *fixed_cure(enum doctor_cause cause)
{
    switch (cause) {
    case DOCTOR_DISK_FULL:
        return "On this host: make room where recordings.directory is, or let siprecd delete old "
               "recordings by itself (recordings.keep_days).";
    case DOCTOR_SIP_ALG:
        return "At the router before us or before the SBC: switch the SIP ALG off, or use SIP over "
               "TLS, which it cannot read.";
    case DOCTOR_DOUBLE_NAT:
        return "At the inner router: bridge mode; or forward the RTP ports on the outer one to it, "
               "too; or here: set TURN_SERVERS.";
    case DOCTOR_NAT_FULL:
        return "At the router, or by the carrier: let this host have more UDP mappings (sessions); "
               "or at the router: forward the RTP ports to this host and set EXTERNAL_IP here; or "
               "here: set TURN_SERVERS=turn:HOST:3478?transport=tcp, which needs none.";
    case DOCTOR_HAIRPIN:
        return "At the SBC: call our inside address; or here: name the SBC's network in "
               "nat.local_networks.";
    case DOCTOR_TURN_CREDENTIALS:
        return "Here: correct TURN_USERNAME and TURN_PASSWORD, or TURN_SECRET.";
    case DOCTOR_TURN_DOWN:
        return "Bring the TURN server up, or name a second one in TURN_SERVERS.";
    case DOCTOR_SYMMETRIC_NAT:
        return "Here: set TURN_SERVERS with TURN_USERNAME and TURN_PASSWORD; or at the router: let "
               "it do PCP or UPnP, or forward the RTP ports to this host and set EXTERNAL_IP here.";
    case DOCTOR_RELAY_PERMISSION:
        return "At the SBC: send media from the address that its SDP names; or at our router: "
               "forward the RTP ports to this host and set EXTERNAL_IP here, so that no relay is "
               "needed.";
    case DOCTOR_NAT_FORGOT:
        return "At the SBC: let it send where our re-INVITE says; at our router: let UDP mappings "
               "live longer (a minute or more), or forward the RTP ports to this host and set "
               "EXTERNAL_IP here.";
    default:
        return cure_of_srcs(cause);
    }
}

/* What kept it out is no more than strict: it is the SRC that is to be mended, here it can be borne. */
static void print_moved_cure(const struct doctor_evidence *e, const struct doctor_stream *s,
                             struct writer *w)
{
    bool is_relayed = path_is_relayed(s->path);
    writer_string(w,
                  "At the SBC: let it keep a stream's port for the whole call (through a "
                  "failover or transfer, too), or send a re-INVITE that names the new one; a NAT "
                  "before it is to keep its UDP mappings for minutes");
    if (s->firewall == PATH_YES)
        writer_string(w, "; or on this host: let its media in from any port by this command, and "
                         "in the firewall's own settings:");
    else if (is_relayed || e->relay != DOCTOR_RELAY_NONE)
        writer_string(w, ".");
    else
        writer_string(w, "; or here: set TURN_SERVERS, by which any port of the SBC's is let in.");
}

static void print_refused_cure(const struct doctor_evidence *e, struct writer *w)
{
    if (e->refused_status == 403)
        writer_printf(w,
                      "Here: if that is the SBC, add its address%s%s to sip.allow, and reload "
                      "siprecd (systemctl reload siprecd).",
                      addr_is_set(&e->signalled) ? ", " : "",
                      addr_is_set(&e->signalled) ? TEXT_IP(&e->signalled) : "");
    else if (e->refused_status == 503)
        writer_string(w, "Here: see /health/ready for what there is too little of (recordings, RTP "
                         "ports, room on the disk), or whether it is being drained.");
    else
        writer_string(w, "At the SBC: change what the answer names; the log of siprecd has the "
                         "INVITE's Call-ID and the reason.");
}

static void print_no_sip_cure(const struct doctor_evidence *e, struct writer *w)
{
    const struct addr *us = addr_is_set(&e->external) ? &e->external : &e->local;
    unsigned port = e->sip_port ? e->sip_port : 5060;
    writer_printf(w,
                  "At the SBC: point it at %s port %u; at the firewall (in a cloud: the security "
                  "group): let UDP and TCP %u in",
                  addr_is_set(us) ? TEXT_IP(us) : "this host", port, port);
    if (e->behind_nat == PATH_YES)
        writer_printf(w, "; at the router: forward UDP and TCP %u to %s; or here: set sip.register",
                      port, addr_is_set(&e->local) ? TEXT_IP(&e->local) : "this host");
    writer_string(w, ".");
}

/* That ports are forwarded nothing shows: what siprecd finds by itself comes first, the order to rely on
 * that second. */
static void print_external_cure(const struct doctor_evidence *e, const struct doctor_stream *s,
                                enum doctor_cause cause, struct writer *w)
{
    if (cause == DOCTOR_EXTERNAL_WRONG && !e->external_is_set) {
        writer_string(w, s->path == PATH_STUN && !s->was_misled
                             ? "Here no setting names it, and the next call is told the address of "
                               "now; where it changes often, or the NAT has several, set "
                               "TURN_SERVERS."
                             : "Here: see by siprecctl nat where that address comes from; if it is "
                               "the advertise of a listener in sip.listen, take it out.");
        return;
    }
    writer_printf(w,
                  "Here: let siprecd find our address outside: %sBEHIND_NAT=auto, and "
                  "STUN_SERVERS or nat.portmap on",
                  e->external_is_set ? "take EXTERNAL_IP out, and leave " : "leave ");
    if (addr_is_set(&e->external))
        writer_printf(w,
                      "; or, if the RTP ports are forwarded to this host, set BEHIND_NAT=true "
                      "EXTERNAL_IP=%s.",
                      TEXT_IP(&e->external));
    else
        writer_string(w, "; or, if the RTP ports are forwarded to this host, set BEHIND_NAT=true "
                         "and EXTERNAL_IP to that address.");
}

void doctor_print_cure(const struct doctor_evidence *e, const struct doctor_finding *f,
                       struct writer *w)
{
    const struct doctor_stream *s = stream_of(e, f);
    struct ports ports = ports_of(e, f);
    bool is_known = addr_is_set(&e->signalled);
    switch (f->cause) {
    case DOCTOR_NO_SIP:
        print_no_sip_cure(e, w);
        break;
    case DOCTOR_OUR_PRIVATE:
    case DOCTOR_EXTERNAL_WRONG:
        print_external_cure(e, s, f->cause, w);
        break;
    case DOCTOR_REFUSED:
        print_refused_cure(e, w);
        break;
    case DOCTOR_CODEC:
        writer_string(w, f->streams ? "At the SBC: send with a payload type of our answer."
                                    : "At the SBC: offer PCMU, PCMA, G722 or Opus on the recording "
                                      "session.");
        break;
    case DOCTOR_UDP_BLOCKED:
        writer_printf(w,
                      "At the firewall: let UDP out%s; or here: set TURN_SERVERS=turns:HOST:443 to "
                      "a TURN server that takes TLS.",
                      e->behaviour.mapping > NAT_MAPPING_NONE
                          ? "; at the router: let this host have more UDP mappings (sessions)"
                          : "");
        break;
    case DOCTOR_SRC_MOVED:
        print_moved_cure(e, s, w);
        break;
    case DOCTOR_INTERRUPTED:
        if (s->gap == DOCTOR_GAP_MOVED)
            print_moved_cure(e, s, w);
        else
            writer_string(w, "At our router: see whether it restarted, or lets UDP mappings live "
                             "for less than a minute; where the address outside changes often, a "
                             "forwarded port or a TURN server (TURN_SERVERS) is steadier.");
        break;
    case DOCTOR_HOST_FIREWALL:
        writer_string(w, "On this host: let the media in before the rule that drops it, now by "
                         "this command, and for the next start in the firewall's own settings:");
        break;
    case DOCTOR_ROUTER_FIREWALL:
        writer_string(w, "At the firewall before this host (in a cloud: an inbound rule of the "
                         "security group): let in UDP, port");
        writer_string(w, ports.has_range || !ports.single ? "s " : " ");
        print_ports(e, &ports, " and ", '-', w);
        writer_printf(w, " of %s, from %s%s.", TEXT_IP(&s->advertised),
                      is_known ? TEXT_IP(&e->signalled) : "the SBC",
                      !is_known                        ? ""
                      : e->signalled.family == ADDR_V6 ? "/128"
                                                       : "/32");
        break;
    case DOCTOR_NOT_FORWARDED:
        writer_printf(w, "At the router %s: forward UDP port%s ", TEXT_IP(&s->advertised),
                      ports.has_range || !ports.single ? "s" : "");
        print_ports(e, &ports, " and ", '-', w);
        writer_printf(w, " to %s, to the same port%s.",
                      addr_is_set(&e->local) ? TEXT_IP(&e->local) : "this host",
                      ports.has_range || !ports.single ? "s" : "");
        break;
    default:
        writer_string(w, fixed_cure(f->cause) ? fixed_cure(f->cause) : "");
    }
}

/* ---- What to paste --------------------------------------------------------------------------- */

/* A rule before those of the chain that drops, in the words of whoever keeps that chain. */
static void print_firewall_rule(const struct doctor_evidence *e, const struct doctor_finding *f,
                                struct writer *w)
{
    const struct doctor_chain *c = &e->chain;
    struct ports ports = ports_of(e, f);
    bool v6 = e->signalled.family == ADDR_V6, is_known = addr_is_set(&e->signalled);
    bool are_two = ports.single && ports.has_range;
    struct addr_text from = addr_print_ip(&e->signalled);
    /* iptables-nft's chains have capitals; the old iptables has no others. */
    bool is_iptables = strcmp(c->table, "filter") == 0 && strcmp(c->name, "INPUT") == 0;
    if (strcmp(c->table, "firewalld") == 0) {
        writer_string(w, "firewall-cmd --add-port=");
        print_ports(e, &ports, "/udp --add-port=", '-', w);
        writer_string(w, "/udp");
    } else if (is_iptables) {
        writer_printf(w, "%s -I INPUT %s%s%s-p udp %s ", v6 ? "ip6tables" : "iptables",
                      is_known ? "-s " : "", is_known ? from.s : "", is_known ? " " : "",
                      are_two ? "-m multiport --dports" : "--dport");
        print_ports(e, &ports, ",", ':', w);
        writer_string(w, " -j ACCEPT");
    } else {
        writer_printf(w, "nft insert rule %s %s %s ", c->family[0] ? c->family : "inet",
                      c->table[0] ? c->table : "filter", c->name[0] ? c->name : "input");
        if (is_known)
            writer_printf(w, "%s saddr %s ", v6 ? "ip6" : "ip", from.s);
        writer_string(w, are_two ? "udp dport { " : "udp dport ");
        print_ports(e, &ports, ", ", '-', w);
        writer_string(w, are_two ? " } accept" : " accept");
    }
}

void doctor_print_command(const struct doctor_evidence *e, const struct doctor_finding *f,
                          struct writer *w)
{
    const struct doctor_stream *s = stream_of(e, f);
    bool is_moved = f->cause == DOCTOR_SRC_MOVED ||
                    (f->cause == DOCTOR_INTERRUPTED && s->gap == DOCTOR_GAP_MOVED);
    if (f->cause == DOCTOR_HOST_FIREWALL || (is_moved && s->firewall == PATH_YES))
        print_firewall_rule(e, f, w);
}

/* ---- What decides ---------------------------------------------------------------------------- */

static bool has(const struct doctor_diagnosis *d, enum doctor_cause cause, uint32_t streams)
{
    for (size_t i = 0; i < d->count; i++) {
        const struct doctor_finding *f = &d->findings[i];
        if (f->cause == cause && f->certainty != DOCTOR_CERTAIN &&
            (streams == 0 || (f->streams & streams)))
            return true;
    }
    return false;
}

static void decide_call(const struct doctor_evidence *e, const struct doctor_finding *f,
                        struct writer *command, struct writer *reading)
{
    if (f->cause == DOCTOR_UDP_BLOCKED || f->cause == DOCTOR_TURN_DOWN) {
        writer_string(command, "turnutils_stunclient stun.l.google.com -p 19302");
        writer_string(reading, "On this host (package coturn), and on one outside this network: "
                               "answered only there, this network lets no UDP out; answered here, "
                               "it is the servers that are down.");
        return;
    }
    writer_printf(command, "tcpdump -n -i any 'port %u or (ip[6:2] & 0x1fff != 0)'",
                  e->sip_port ? e->sip_port : 5060);
    writer_string(reading, "On this host while the SBC calls: nothing, and the INVITE does not get "
                           "here; \"frag\" alone, and its first piece is lost.");
}

/* Where nothing comes to: the way that the evidence leaves open is looked at from its two ends. */
static void decide_stream(const struct doctor_evidence *e, const struct doctor_diagnosis *d,
                          const struct doctor_finding *f, struct writer *command,
                          struct writer *reading)
{
    const struct doctor_stream *s = stream_of(e, f);
    uint32_t stream = 1u << doctor_finding_stream(f);
    bool is_relayed = path_is_relayed(s->path);
    if (has(d, DOCTOR_HOST_FIREWALL, stream) && s->firewall == PATH_UNKNOWN &&
        s->probe == PATH_NO) {
        writer_string(command, "sudo siprecctl doctor");
        writer_string(reading, "On this host: as root it reads the firewall's rules.");
    } else if (is_relayed || s->probe == PATH_YES) {
        if (is_relayed)
            writer_printf(command, "tcpdump -n -i any udp and dst host %s",
                          TEXT_IP(&s->advertised));
        else
            writer_printf(command, "tcpdump -n -i any udp and src port %u", s->offered.port);
        writer_printf(reading,
                      "On the SRC in a call: nothing, and it is silent; packets that go elsewhere "
                      "than %s, or come from another address than %s, and it is that.",
                      TEXT(&s->advertised), TEXT_IP(&s->offered));
    } else {
        writer_printf(command, "tcpdump -n -i any 'udp and (port %u or host %s)'", s->bound.port,
                      addr_is_set(&e->signalled) ? TEXT_IP(&e->signalled) : TEXT_IP(&s->offered));
        if (s->firewall == PATH_NO)
            writer_printf(reading, "On this host in a call: RTP to another port than %u, and",
                          s->bound.port);
        else
            writer_printf(reading,
                          "On this host in a call: RTP to port %u, and this host's firewall drops "
                          "it; to another port, and",
                          s->bound.port);
        writer_string(reading, " the SRC sends it there; none, and it is lost before this host or "
                               "never sent.");
    }
}

/* What it says is so; open is only whether it is the cause. */
static bool is_plain(const struct doctor_evidence *e, enum doctor_cause cause)
{
    return cause == DOCTOR_SYMMETRIC_NAT || cause == DOCTOR_TURN_CREDENTIALS ||
           (cause == DOCTOR_TURN_DOWN && e->relay == DOCTOR_RELAY_FAILED);
}

void doctor_print_decision(const struct doctor_evidence *e, const struct doctor_diagnosis *d,
                           struct writer *command, struct writer *reading)
{
    const struct doctor_finding *open = NULL;
    for (size_t i = 0; i < d->count && !open; i++) {
        if (d->findings[i].certainty != DOCTOR_CERTAIN && !is_plain(e, d->findings[i].cause))
            open = &d->findings[i];
    }
    if (!open)
        return;
    if (open->streams == 0)
        decide_call(e, open, command, reading);
    else
        decide_stream(e, d, open, command, reading);
}
