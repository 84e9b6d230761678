/* srs: siprecd in the simulated world: sip, recorder, media and journal as they ship, io replaced
 * by a few lines: a port stock, journals in memory, a catalogue that keeps texts.
 * Not here: expected values. */
#ifndef SIM_SRS_H
#define SIM_SRS_H

#include "gate.h"
#include "journal/reader.h"
#include "media/media.h"
#include "recorder/recorder.h"
#include "sip/sip.h"
#include "world.h"

enum { SRS_PORTS = 256, SRS_FILES = 512 };

/* What the disk and the catalogue have of one recording. */
struct srs_file {
    struct uuid id;
    char directory[MEDIA_DIRECTORY_SIZE];
    char *journal;
    size_t journal_len;
    bool closed;    /* the journal */
    char *document; /* the newest */
    char *metadata; /* the newest, or NULL */
    unsigned documents;
    bool rendered; /* a render was asked for */
};

struct srs {
    struct world *world;
    struct addr address; /* SIP, UDP and TCP */
    struct addr media_ip;
    bool wildcard, dual;
    struct addr address6; /* SIP and media over IPv6 */
    struct sip *sip;
    struct recorder *recorder;
    struct media *media;
    struct tick sweep_at;
    int64_t sweep_ms;
    struct datagram sockets[4096]; /* what waits in the sockets until the sweep */
    size_t waiting;
    uint32_t ports_lent;
    bool port_used[SRS_PORTS];
    struct tick port_rests[SRS_PORTS];
    struct srs_file files[SRS_FILES];
    unsigned file_count;
    unsigned disk_error;   /* errno of the next journal writes; 0: none */
    uint64_t control_sent; /* RTCP and probes */
    uint32_t generation;
    bool stingy;      /* lends nothing more */
    unsigned lessons; /* profiles of SRCs that were to be kept; the last: */
    char profile[SRC_PROFILE_TEXT], key[SRC_KEY_SIZE];
    struct uuid src;
    struct addr seen, mapped;
    struct pool_id recording;                           /* the last that a command was about */
    struct media_way ways[LIMIT_STREAMS_PER_RECORDING]; /* the last that was posted, by stream */
    char agents[LIMIT_STREAMS_PER_RECORDING][ICE_UFRAG_SIZE]; /* of the last that was */
    struct srs_sent { /* what left media ports and relays, and whom relays were to let in */
        struct addr to;
        size_t bytes; /* 0: a permission */
        bool is_relayed;
    } sent[512];
    unsigned sent_count;
    struct gate gate;
    bool gated;
    struct addr moved; /* another address of ours, IPv4 */
};

struct srs_options {
    uint32_t recordings;                   /* 0: 64 */
    const struct recorder_prefixes *allow; /* NULL: anyone */
    uint32_t ports;                        /* lent at first; 0: 64 */
    bool ipv6;                             /* ports on the IPv6 address instead */
    bool dual;                             /* every other port */
    uint16_t tcp_port;                     /* ICE over TCP, on both addresses */
    bool inactive_first;
    bool wildcard;                      /* ports on 0.0.0.0 */
    const struct nat_profile *profiles; /* two; NULL: by the settings below */
    enum path_answer behind_nat;
    struct addr external;     /* nat.external_ip, IPv4 */
    struct addr seen, mapped; /* addresses that each port has outside, at its number + 20000 and +
                                 30000; unset: none */
    const struct gate_options *gate; /* a NAT, and STUN through it: `seen` is found out then */
    unsigned relays; /* that stand ready at first: 203.0.113.60, ports from 49152 on */
};

/* Our address outside, where a play is behind a NAT. */
extern const struct addr SRS_OUTSIDE; /* IPv4; ports of `dual` have one of IPv6 seen, too */

/* The two profiles of a private address behind a NAT of that behaviour, as discovery tells them. They
 * are the same two each time. */
struct nat_profile *srs_behind(const struct nat_behaviour *behaviour);

void srs_init(struct srs *srs, struct world *world, const struct srs_options *options);
void srs_finish(struct srs *srs);
struct recorder_now srs_now(const struct srs *srs);

/* As the world sees it. */
bool srs_owns(const struct srs *srs, const struct addr *to);
void srs_receive(struct srs *srs, struct addr from, struct addr to, struct view bytes);
void srs_receive_stream(struct srs *srs, struct addr from, struct addr to, struct view bytes);
struct tick srs_deadline(const struct srs *srs);
void srs_expire(struct srs *srs);

/* STUN, and what media is told of the network. */
void srs_network(struct srs *srs, bool keep_mappings, uint32_t change);

/* A relay stands ready, or is no more. */
void srs_relay(struct srs *srs, unsigned slot, bool gone);

/* As if media said so of a stream of the last recording. */
void srs_hear(struct srs *srs, enum media_event_kind kind, uint8_t stream);
/* As if the stream's ICE agent that is named in agents said so of its RTP. */
void srs_hear_ice(struct srs *srs, enum media_ice_kind kind, uint8_t stream);
/* The same: it chose a candidate of ours of that type. */
void srs_hear_ice_by(struct srs *srs, enum candidate_type ours, uint8_t stream);

/* The only recording there is; NULL, with a failed check, when there is none or more. */
struct srs_file *srs_only_file(struct srs *srs);

/* What must be zero when no call is left. Prints what is not. */
bool srs_at_rest(const struct srs *srs);

#endif
