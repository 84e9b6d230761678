/* pcap: a journal's bytes read as pcapng by code that shares nothing with src/journal, for checks.
 * Not here: what should be in it.
 * draft-ietf-opsawg-pcapng, RFC 791, 768, 9293, 1071. */
#ifndef SIM_PCAP_H
#define SIM_PCAP_H

#include "base/addr.h"
#include "base/tick.h"

enum { PCAP_PACKETS = 60000, PCAP_INTERFACES = 512 };

struct pcap_packet {
    unsigned interface;
    struct wall at;
    struct addr from, to; /* unset: no UDP or TCP */
    bool tcp;
    struct view payload;
    struct view comment;
};

struct pcap {
    bool sound; /* every length, checksum and number is as it should be */
    struct view section_comment;
    unsigned interface_count;
    struct view names[PCAP_INTERFACES], descriptions[PCAP_INTERFACES];
    unsigned count;
    struct pcap_packet packets[PCAP_PACKETS];
};

/* Prints what is wrong. malloc'ed; the caller frees. Borrows the bytes. */
struct pcap *pcap_read(struct view bytes);

/* RTP packets to this address and port, and from one sender when `from` is not NULL. */
unsigned pcap_count_rtp(const struct pcap *pcap, const struct addr *to, const struct addr *from);
/* Packets whose comment is an event of that name; the first of them, or NULL. */
unsigned pcap_count_events(const struct pcap *pcap, const char *name);
const struct pcap_packet *pcap_find_event(const struct pcap *pcap, const char *name);
/* SIP messages that begin so. */
unsigned pcap_count_sip(const struct pcap *pcap, const char *start);

#endif
