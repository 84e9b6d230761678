/* diagnosis: why is there no media? From the evidence of one call, and of the host, to causes, each
 * with what to change and where.
 * Not here: gathering the evidence (evidence.h, recorded.h, kernel.h).
 * RFC 4787, 8656 §9, 3550 §6.4.1 for what each piece of evidence means. Pure. */
#ifndef DOCTOR_DIAGNOSIS_H
#define DOCTOR_DIAGNOSIS_H

#include "base/writer.h"
#include "nat/path.h"

enum {
    DOCTOR_STREAMS = 16,
    DOCTOR_LABEL_SIZE = 32,
    DOCTOR_FINDINGS = 48,
    DOCTOR_OURS = 24,
    DOCTOR_WHY_SIZE = 64,
    DOCTOR_NAME_SIZE = 64,
    DOCTOR_CLOCK_MS = 2000, /* the SRC's SR against our clock */
    DOCTOR_DRIFT_PPM = 500, /* its RTP clock against our clock */
};

enum doctor_cause {
    DOCTOR_DISK_FULL,
    DOCTOR_INVITE_TRUNCATED,
    DOCTOR_INVITE_FRAGMENTS,
    DOCTOR_NO_SIP,
    DOCTOR_REFUSED,
    DOCTOR_CODEC,
    DOCTOR_SIP_ALG,
    DOCTOR_OUR_PRIVATE,
    DOCTOR_EXTERNAL_WRONG,
    DOCTOR_DOUBLE_NAT,
    DOCTOR_NAT_FULL,
    DOCTOR_HAIRPIN,
    DOCTOR_TURN_CREDENTIALS,
    DOCTOR_TURN_DOWN,
    DOCTOR_UDP_BLOCKED,
    DOCTOR_SYMMETRIC_NAT,
    DOCTOR_RELAY_PERMISSION,
    DOCTOR_HOST_FIREWALL,
    DOCTOR_ROUTER_FIREWALL,
    DOCTOR_NOT_FORWARDED,
    DOCTOR_NAT_FORGOT,
    DOCTOR_SRC_GONE,
    DOCTOR_SRC_MOVED,
    DOCTOR_SRC_PRIVATE,
    DOCTOR_SRC_ELSEWHERE,
    DOCTOR_SRC_SILENT,
    DOCTOR_ONE_LEG,
    DOCTOR_INTERRUPTED,
    DOCTOR_FOREIGN_SENDER,
    DOCTOR_CLOCKS,
    DOCTOR_CAUSES,
};
const char *doctor_cause_name(enum doctor_cause cause); /* "host-firewall" */

/* Why nothing came for a while in mid-call, until siprecd had found another way. */
enum doctor_gap {
    DOCTOR_GAP_NONE,
    DOCTOR_GAP_ADDRESS, /* our address, or the port outside, had become another */
    DOCTOR_GAP_RELAY,   /* the relay was lost */
    DOCTOR_GAP_PATH,    /* not known: it came again by another path */
    DOCTOR_GAP_MOVED,   /* the SRC sent from elsewhere than it had named, and than before */
};

/* One stream, as its recording tells it. */
struct doctor_stream {
    char label[DOCTOR_LABEL_SIZE];
    struct addr offered, advertised, bound, observed;
    struct addr foreign; /* a second sender's; unset: none */
    struct addr denied;  /* a peer that the relay would not let in */
    enum path_code path;
    bool expects_media; /* neither on hold nor removed, and the SRC is to send */
    bool is_ice;
    bool is_punched; /* we have sent from its port to where its SDP says */
    /* STUN servers answered, but told no address outside for its port; and all was tried. */
    bool lacks_port, is_given_up;
    /* It was answered with the settings' address first, which is not STUN's, and then otherwise. */
    bool was_misled;
    /* It was answered with the settings' address first, and otherwise when nothing came there.
     * doctor_take_detours() puts the first way in its place, and says where it comes otherwise;
     * unless it has stopped there, which is the trouble then. */
    bool was_elsewhere, is_detour;
    /* It comes to another port of that same address, from which we had sent to the SRC first. */
    bool is_opened;
    uint64_t packets, rtcp;
    /* For how long nothing had come when the call ended, or now. Of a stream that has stopped rtcp and
     * src_sends, too, say what was so since. */
    int64_t silent_ms;
    bool rtcp_ceased; /* and its reports have stopped with it */
    bool
        is_readdressed; /* our NAT gives the same port another address since, and the SRC was told */
    bool is_renamed;    /* the SRC's SDP names another address of its own since */
    struct addr
        refused; /* its host answers with ICMP that nobody is at its port; unset: it does not */
    enum doctor_gap gap;
    int64_t gap_ms;               /* of the longest */
    struct addr gap_from, gap_to; /* DOCTOR_GAP_MOVED: where it came from before and after */
    /* The SRC's own word, by RTCP or in its BYE: it has sent packets since the answer. UNKNOWN: it
     * has said nothing. */
    enum path_answer src_sends;
    uint64_t src_sent; /* how many, by its last report; 0: it has not said */
    /* RTP that came to the port from addresses of the SRC's and is not the stream's: how much, and
     * its payload type. */
    uint64_t apart;
    uint8_t apart_type;
    bool apart_is_unagreed; /* nobody agreed to that type */
    /* Another stream's address, where the SRC sends this one's media, too; unset: it does not. */
    struct addr led_to;
    /* This host's ruleset drops what comes to the port; or, where it lets answers in, what does not
     * come from where we have sent to. UNKNOWN: it could not be read. */
    enum path_answer firewall;
    bool lets_answers_in;
    /* A datagram from outside to the advertised address arrived. UNKNOWN: nobody could send one. */
    enum path_answer probe;
    /* And what answers a datagram sent from its port did. UNKNOWN: that was not looked at. */
    enum path_answer answers;
    bool clock_is_known, drift_is_known;
    int64_t clock_ms; /* the SRC's SR time less ours */
    int64_t drift_ppm;
};

/* Media is due on the stream, and none came (or not where it was answered first). */
bool doctor_stream_is_dead(const struct doctor_stream *s);
/* It came, and stopped, and is still due. */
bool doctor_stream_has_stopped(const struct doctor_stream *s);
/* One or the other. */
bool doctor_stream_is_silent(const struct doctor_stream *s);

enum doctor_relay {
    DOCTOR_RELAY_NONE, /* no TURN server is set */
    DOCTOR_RELAY_READY,
    DOCTOR_RELAY_REFUSED, /* wrong credentials: 401 or 441 again and again */
    DOCTOR_RELAY_SILENT,  /* no server answers */
    DOCTOR_RELAY_FAILED,  /* they answer, and none allocates: quota, capacity */
};

/* Where this host's ruleset drops: "inet", "filter", "input". Empty: not known. */
struct doctor_chain {
    char family[8], table[DOCTOR_NAME_SIZE], name[DOCTOR_NAME_SIZE];
};

struct doctor_evidence {
    /* The call; has_call false: nobody knows it, or none was asked for. */
    bool has_call, is_v6;
    bool was_asked;          /* for a certain call, which may be none that is known */
    unsigned refused_status; /* an INVITE that was refused; 0: it was not */
    char refused_why[DOCTOR_WHY_SIZE];
    int64_t lasted_ms; /* the call, up to now; 0: not known */
    bool is_over;
    bool is_cut;      /* the journal ends before the call does: what it lacks may have come */
    bool src_is_gone; /* the call was given up: nobody answered, or refreshed it */
    bool farewell_is_known;
    uint64_t farewell_sent; /* packets of all streams, as the SRC's BYE says */
    struct addr signalled;  /* where its SIP came from */
    bool alg_is_suspected;  /* the SDP is not what the SRC can have written */
    struct doctor_stream streams[DOCTOR_STREAMS];
    size_t stream_count;

    /* Since the start of siprecd. */
    uint64_t sip_received, invites, invites_truncated;
    uint64_t reassembly_failures; /* the kernel's, fragments of datagrams that never were whole */
    /* Since the call began: the kernel's datagrams to ports where nobody listens, and ours from the
     * SRC's addresses to ports that no stream of the call has. */
    uint64_t no_ports, strays;
    struct addr stray_to; /* where such a one went */

    /* Our side. */
    enum path_answer behind_nat;
    struct addr local;    /* unset: not known */
    struct addr external; /* as STUN sees us now; unset: nobody answers */
    struct addr ordered;  /* by the settings */
    bool external_is_set; /* likewise: ordered is set */
    int levels;           /* -1: not known */
    struct nat_behaviour behaviour;
    /* All addresses of this host and of what stands before it, as far as known now. */
    struct addr ours[DOCTOR_OURS];
    size_t ours_count;
    bool stun_is_silent, stun_is_asked;
    /* Servers that are silent over UDP take a TCP connection at the same port. UNKNOWN: none does,
     * or none was tried. */
    enum path_answer stun_by_tcp, turn_by_tcp;
    struct addr gateway; /* what the gateway calls its address outside; unset: it says nothing */
    enum doctor_relay relay;
    char relay_server[64]; /* of the failure, or the one in use */
    struct doctor_chain chain;
    uint16_t port_min, port_max, sip_port; /* sip_port 0: not known */
    bool disk_is_full;
};

/* How sure a finding is. */
enum doctor_certainty {
    DOCTOR_POSSIBLE, /* the evidence leaves it open */
    DOCTOR_LIKELY,
    DOCTOR_CERTAIN, /* the evidence excludes the others */
};

struct doctor_finding {
    enum doctor_cause cause;
    enum doctor_certainty certainty;
    uint32_t streams; /* bit i: of stream i; 0: of the call as a whole */
};

/* The first of a finding's streams; DOCTOR_STREAMS: it is the call's. */
size_t doctor_finding_stream(const struct doctor_finding *f);

struct doctor_diagnosis {
    bool is_healthy; /* every stream that should have media has it, and nothing else is wrong */
    /* The likeliest first. Of what a certain one explains no other is named, unless it is certain,
     * too. */
    struct doctor_finding findings[DOCTOR_FINDINGS];
    size_t count;
};

void doctor_diagnose(const struct doctor_evidence *e, struct doctor_diagnosis *out);

/* So many datagrams went astray that they may be a stream's. */
bool doctor_is_media(const struct doctor_evidence *e, uint64_t datagrams);

/* An address that is ours now, or that we are known by: somebody outside may be asked to send there,
 * and nowhere else. */
bool doctor_is_ours(const struct doctor_evidence *e, const struct addr *a);

/* One sentence; and what to change and where. */
void doctor_print_sentence(const struct doctor_evidence *e, const struct doctor_finding *f,
                           struct writer *w);
void doctor_print_cure(const struct doctor_evidence *e, const struct doctor_finding *f,
                       struct writer *w);
/* The command or the lines of settings to paste; nothing where there is no such. */
void doctor_print_command(const struct doctor_evidence *e, const struct doctor_finding *f,
                          struct writer *w);
/* Where findings do not stand alone: the one command that decides, and in a sentence where to run it
 * and how to read it. */
void doctor_print_decision(const struct doctor_evidence *e, const struct doctor_diagnosis *d,
                           struct writer *command, struct writer *reading);

#endif
