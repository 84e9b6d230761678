/* words: what each cause is called, and one sentence for it.
 * Not here: the rules (diagnosis.c), what to change (cures.c).
 * RFC: none. */
#include "doctor/diagnosis.h"

#include <assert.h>

static const char *const names[DOCTOR_CAUSES] = {
    [DOCTOR_DISK_FULL] = "disk-full",
    [DOCTOR_INVITE_TRUNCATED] = "invite-truncated",
    [DOCTOR_INVITE_FRAGMENTS] = "invite-fragments",
    [DOCTOR_NO_SIP] = "no-sip",
    [DOCTOR_REFUSED] = "refused",
    [DOCTOR_CODEC] = "codec",
    [DOCTOR_SIP_ALG] = "sip-alg",
    [DOCTOR_OUR_PRIVATE] = "own-private-address",
    [DOCTOR_EXTERNAL_WRONG] = "external-address-wrong",
    [DOCTOR_DOUBLE_NAT] = "double-nat",
    [DOCTOR_NAT_FULL] = "nat-full",
    [DOCTOR_HAIRPIN] = "hairpin",
    [DOCTOR_TURN_CREDENTIALS] = "turn-credentials",
    [DOCTOR_TURN_DOWN] = "turn-down",
    [DOCTOR_UDP_BLOCKED] = "udp-blocked",
    [DOCTOR_SYMMETRIC_NAT] = "symmetric-nat",
    [DOCTOR_RELAY_PERMISSION] = "relay-permission",
    [DOCTOR_HOST_FIREWALL] = "host-firewall",
    [DOCTOR_ROUTER_FIREWALL] = "router-firewall",
    [DOCTOR_NOT_FORWARDED] = "not-forwarded",
    [DOCTOR_NAT_FORGOT] = "nat-forgot",
    [DOCTOR_SRC_GONE] = "src-gone",
    [DOCTOR_SRC_MOVED] = "src-moved",
    [DOCTOR_SRC_PRIVATE] = "src-private-address",
    [DOCTOR_SRC_ELSEWHERE] = "src-sends-elsewhere",
    [DOCTOR_SRC_SILENT] = "src-silent",
    [DOCTOR_ONE_LEG] = "one-leg",
    [DOCTOR_INTERRUPTED] = "interrupted",
    [DOCTOR_FOREIGN_SENDER] = "foreign-sender",
    [DOCTOR_CLOCKS] = "clocks",
};

const char *doctor_cause_name(enum doctor_cause cause)
{
    assert(cause < DOCTOR_CAUSES);
    return names[cause];
}

#define TEXT(address)    addr_print(address).s
#define TEXT_IP(address) addr_print_ip(address).s

static const char *label_of(const struct doctor_stream *s)
{
    return s->label[0] ? s->label : "without label";
}

/* What stands between the n-th and the next of count. */
static const char *between(size_t n, size_t count)
{
    return n + 1 == count ? "" : n + 2 == count ? " and " : ", ";
}

static void print_labels(const struct doctor_stream *const *list, size_t count, struct writer *w)
{
    writer_printf(w, "stream%s ", count == 1 ? "" : "s");
    for (size_t i = 0; i < count; i++)
        writer_printf(w, "%s%s", label_of(list[i]), between(i, count));
}

/* "No media came for streams 1 and 2 at 192.0.2.1:4000 and 192.0.2.1:4002: ", or "Media stopped for
 * stream 1 at 192.0.2.1:4000 7 s ago: " */
static void print_silence(const struct doctor_evidence *e, const struct doctor_finding *f,
                          struct writer *w)
{
    const struct doctor_stream *list[DOCTOR_STREAMS] = {0};
    size_t count = 0, stopped = 0, detours = 0;
    int64_t longest_ms = 0;
    for (size_t i = 0; i < e->stream_count; i++) {
        const struct doctor_stream *s = &e->streams[i];
        if (!(f->streams & 1u << i))
            continue;
        list[count++] = s;
        stopped += !s->is_detour && doctor_stream_has_stopped(s);
        detours += s->is_detour;
        longest_ms = s->silent_ms > longest_ms ? s->silent_ms : longest_ms;
    }
    writer_string(w, stopped == 0       ? "No media came for "
                     : stopped == count ? "Media stopped for "
                                        : "No media comes for ");
    print_labels(list, count, w);
    writer_string(w, " at ");
    bool is_one = count > 0; /* rtp.mux_port */
    for (size_t i = 1; i < count; i++)
        is_one &= addr_equal(&list[i]->advertised, &list[0]->advertised);
    for (size_t i = 0; i < (is_one ? 1 : count); i++)
        writer_printf(w, "%s%s", TEXT(&list[i]->advertised), is_one ? "" : between(i, count));
    if (detours == count)
        writer_printf(
            w, ", where %s answered first (another way was offered then, and it comes by that)",
            count == 1 ? "it was" : "they were");
    if (stopped == count)
        writer_printf(w, ", %lld s %s", (long long)(longest_ms / 1000),
                      e->is_over ? "before the call ended" : "ago");
    writer_string(w, ": ");
}

static void print_clocks(const struct doctor_stream *s, struct writer *w)
{
    if (s->clock_is_known && (s->clock_ms > DOCTOR_CLOCK_MS || s->clock_ms < -DOCTOR_CLOCK_MS))
        writer_printf(w, "The SRC's clock is %lld ms %s ours, by its sender reports for stream %s.",
                      (long long)(s->clock_ms < 0 ? -s->clock_ms : s->clock_ms),
                      s->clock_ms < 0 ? "behind" : "ahead of", label_of(s));
    else
        writer_printf(w, "The SRC's media clock of stream %s runs %lld ppm too %s.", label_of(s),
                      (long long)(s->drift_ppm < 0 ? -s->drift_ppm : s->drift_ppm),
                      s->drift_ppm < 0 ? "slowly" : "fast");
}

/* Causes that say why a stream's port heard nothing: the sentence goes on behind print_silence. */
static const char *silence_words(enum doctor_cause cause)
{
    switch (cause) {
    case DOCTOR_OUR_PRIVATE:
        return "that is a private address of ours, and from the Internet, where the SRC calls "
               "from, it leads nowhere.";
    case DOCTOR_DOUBLE_NAT:
        return "the router before us stands itself behind another NAT, so that no port it opens "
               "for us is open outside.";
    case DOCTOR_NAT_FULL:
        return "our NAT gives this host no more UDP ports outside, and none was left for this one.";
    case DOCTOR_HAIRPIN:
        return "the SRC is behind the same NAT as we are, and that NAT does not lead what is sent "
               "to its own address back inside.";
    case DOCTOR_HOST_FIREWALL:
        return "this host's own firewall drops what comes there.";
    case DOCTOR_ROUTER_FIREWALL:
        return "a firewall on the way to this host drops what comes there.";
    case DOCTOR_NOT_FORWARDED:
        return "the router that has this address does not forward the port to this host.";
    case DOCTOR_NAT_FORGOT:
        return "our NAT forgot the port that it came by, and the SRC does not follow to the one "
               "that it was told instead.";
    case DOCTOR_ONE_LEG:
        return "the SRC sends only another stream of the call here.";
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
                      e->reassembly_failures
                          ? "INVITEs over UDP are lost on the way: fragments of %llu datagrams "
                            "came, but never all of them."
                          : "INVITEs over UDP are too long for one packet, and the way here loses "
                            "the pieces.",
                      (unsigned long long)e->reassembly_failures);
        break;
    case DOCTOR_NO_SIP:
        writer_string(w, !e->sip_received ? "No SIP has arrived here since siprecd started."
                         : e->was_asked ? "No INVITE of this call ever arrived here, and there is "
                                          "no recording of it."
                                        : "SIP arrives here, but no INVITE ever has.");
        break;
    case DOCTOR_REFUSED:
        writer_printf(w, "The call was refused with %u: %s.", e->refused_status,
                      e->refused_why[0] ? e->refused_why : "the log says why");
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
    case DOCTOR_SRC_GONE:
        writer_string(w, "The SRC went away in mid-call without a BYE: its media stopped, and it "
                         "answered and refreshed the call no more.");
        break;
    case DOCTOR_UDP_BLOCKED:
        /* What our NAT does was found out by UDP. */
        writer_printf(w, "This network lets no UDP out%s: %s.",
                      e->behaviour.mapping > NAT_MAPPING_NONE
                          ? " any more, or our NAT has no port left for this host"
                          : "",
                      e->stun_by_tcp == PATH_YES || e->turn_by_tcp == PATH_YES
                          ? "the STUN and TURN servers take TCP connections and answer no UDP"
                          : "no STUN server answers");
        break;
    default: /* DOCTOR_SYMMETRIC_NAT */
        writer_string(w, "Our NAT gives every destination another port (symmetric NAT) and there "
                         "is no TURN server to go round it.");
        break;
    }
}

static void print_src_silent(const struct doctor_stream *s, struct writer *w)
{
    if (s->src_sends == PATH_NO)
        writer_printf(w, "the SRC itself says that it %s.",
                      doctor_stream_has_stopped(s) ? "sends no more" : "has sent nothing");
    else if (addr_is_set(&s->refused))
        writer_printf(w, "the SRC sends nothing%s: its host answers that nobody is at %s.",
                      doctor_stream_has_stopped(s) ? " any more" : "", TEXT(&s->refused));
    else
        writer_printf(w, "the SRC sends nothing%s.",
                      doctor_stream_has_stopped(s) ? " any more" : "");
}

static void print_interrupted(const struct doctor_evidence *e, const struct doctor_finding *f,
                              struct writer *w)
{
    static const char *const why[] = {
        [DOCTOR_GAP_NONE] = "",
        [DOCTOR_GAP_ADDRESS] = "our address outside, or the port there, had become another",
        [DOCTOR_GAP_RELAY] = "the relay was lost",
        [DOCTOR_GAP_PATH] = "the way that media came by let it in no more",
        [DOCTOR_GAP_MOVED] = "",
    };
    const struct doctor_stream *list[DOCTOR_STREAMS] = {0};
    const struct doctor_stream *first = &e->streams[doctor_finding_stream(f)];
    size_t count = 0;
    for (size_t i = 0; i < e->stream_count; i++) {
        if (f->streams & 1u << i)
            list[count++] = &e->streams[i];
    }
    writer_string(w, "Media was missing for a while on ");
    print_labels(list, count, w);
    writer_printf(w, " (%lld.%lld s): ", (long long)(first->gap_ms / 1000),
                  (long long)(first->gap_ms % 1000 / 100));
    if (first->gap == DOCTOR_GAP_MOVED)
        writer_printf(
            w,
            "the SRC sends from %s since, no more from %s, and siprecd had to tell it another "
            "address before that was let in.",
            TEXT(&first->gap_to), TEXT(&first->gap_from));
    else
        writer_printf(w, "%s, and siprecd told the SRC another.", why[first->gap]);
}

/* Sentences that name what was seen. */
static void print_seen(const struct doctor_evidence *e, const struct doctor_finding *f,
                       const struct doctor_stream *s, struct writer *w)
{
    switch (f->cause) {
    case DOCTOR_EXTERNAL_WRONG:
        writer_printf(w, "that is not our address outside, which is %s.", TEXT_IP(&e->external));
        break;
    case DOCTOR_CODEC:
        writer_printf(w, "what the SRC sends there has payload type %u, which was not agreed.",
                      s->apart_type);
        break;
    case DOCTOR_RELAY_PERMISSION:
        writer_string(w, "the relay lets in only the addresses that the SRC named, and its media "
                         "comes from another");
        if (addr_is_set(&s->denied))
            writer_printf(w, " (the relay refused %s)", TEXT_IP(&s->denied));
        writer_string(w, ".");
        break;
    case DOCTOR_SRC_PRIVATE:
        writer_printf(w,
                      "the SRC names %s, a private address, so that nobody can tell our NAT whom "
                      "to let in.",
                      TEXT(&s->offered));
        break;
    case DOCTOR_SRC_MOVED:
        writer_printf(w,
                      "the SRC sends no more from %s but from another port, and what stands before "
                      "us lets in only what comes from the first",
                      TEXT(&s->observed));
        if (s->is_renamed)
            writer_printf(w, " (its SDP names %s now)", TEXT(&s->offered));
        writer_string(w, ".");
        break;
    case DOCTOR_SRC_SILENT:
        print_src_silent(s, w);
        break;
    default: /* DOCTOR_SRC_ELSEWHERE */
        writer_string(w, "the SRC sends its media elsewhere");
        if (addr_is_set(&s->led_to) || addr_is_set(&e->stray_to))
            writer_printf(w, " (it came to %s)",
                          TEXT(addr_is_set(&s->led_to) ? &s->led_to : &e->stray_to));
        else if (s->src_sent > 0)
            writer_printf(w, " (it says that it has sent %llu packets)",
                          (unsigned long long)s->src_sent);
        else if (f->certainty == DOCTOR_CERTAIN && doctor_is_media(e, e->no_ports))
            writer_printf(w, " (%llu datagrams came to ports of this host where nobody listens)",
                          (unsigned long long)e->no_ports);
        writer_string(w, ".");
    }
}

void doctor_print_sentence(const struct doctor_evidence *e, const struct doctor_finding *f,
                           struct writer *w)
{
    const struct doctor_stream *s = &e->streams[doctor_finding_stream(f)];
    if (f->streams == 0) {
        print_call_sentence(e, f->cause, w);
        return;
    }
    if (f->cause == DOCTOR_CLOCKS) {
        print_clocks(s, w);
        return;
    }
    if (f->cause == DOCTOR_INTERRUPTED) {
        print_interrupted(e, f, w);
        return;
    }
    if (f->cause == DOCTOR_FOREIGN_SENDER) {
        writer_printf(w,
                      "A second sender, %s, sends to stream %s beside the SRC; it is not "
                      "recorded.",
                      TEXT(&s->foreign), label_of(s));
        return;
    }
    if (f->cause == DOCTOR_EXTERNAL_WRONG && s->was_misled) {
        writer_printf(w,
                      "The address that the settings name is not ours outside, which is %s: "
                      "nothing came there, and the SRC "
                      "had to be told another one.",
                      TEXT_IP(&e->external));
        return;
    }
    print_silence(e, f, w);
    if (silence_words(f->cause))
        writer_string(w, silence_words(f->cause));
    else
        print_seen(e, f, s, w);
}
