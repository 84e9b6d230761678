/* gate: the way between siprecd and the simulated network: nothing, or a NAT (RFC 4787) with forwarded
 * ports, a STUN server and relays beyond it.
 * Not here: NATs in all their kinds (tests/natsim), what siprecd makes of this one. */
#ifndef SIM_GATE_H
#define SIM_GATE_H

#include "base/addr.h"
#include "base/tick.h"
#include "media/media.h"
#include "nat/behaviour.h"

enum { GATE_MAPPINGS = 512, GATE_PEERS = 8, GATE_RELAYS = 32, GATE_INSIDE_FIRST = 20000 };

struct gate_options {
    struct addr outside;          /* IPv4, port 0; unset: no NAT */
    bool by_destination;          /* each destination sees another port (APDM), else EIM */
    enum nat_filtering filtering; /* per mapping */
    int64_t lifetime_ms;          /* only what goes out refreshes; 0: for ever */
    bool
        other_ports; /* EIM: what was forgotten gets another port; else each has its own for ever */
    bool open_ports; /* inside port + 30000 is forwarded */
};

struct gate_mapping {
    bool used;
    uint16_t inside, outside;
    struct addr to; /* by destination: this one */
    struct tick last;
    struct addr peers[GATE_PEERS];
    unsigned peer_count;
};

struct gate_relay {
    bool gone;
    struct addr permitted[MEDIA_RELAY_PEERS];
    unsigned permitted_count;
    unsigned released, bound; /* how often */
};

struct gate {
    struct gate_options options;
    struct gate_mapping mappings[GATE_MAPPINGS];
    uint16_t shift; /* of outside ports: grows with each reboot */
    uint16_t next;  /* outside port, where each is another */
    struct gate_relay relays[GATE_RELAYS];
    bool stun_is_down;
    uint64_t stun_requests, dropped;
};

extern const struct addr gate_stun, gate_relayed; /* the STUN server; relays' address, port 0 */
struct addr gate_relay_address(uint32_t slot);

void gate_init(struct gate *gate, const struct gate_options *options);
/* Where a packet from an inside port to `to` seems to come from. */
struct addr gate_out(struct gate *gate, struct tick now, struct addr inside, const struct addr *to);
/* The inside port that a packet from `from` to the outside address gets to; 0: dropped. */
uint16_t gate_in(struct gate *gate, struct tick now, const struct addr *from, uint16_t port);
/* All mappings are forgotten, and ports are others from now on. */
void gate_reboot(struct gate *gate);

/* What media wants of a relay. False: it is not there. */
bool gate_want(struct gate *gate, const struct media_relay_want *want);
bool gate_permits(const struct gate *gate, uint32_t slot, const struct addr *peer);
/* The STUN server's answer to a Binding request, 32 bytes; false: none. RFC 8489 §5, §14.2. */
bool gate_answer(struct gate *gate, struct view request, const struct addr *seen,
                 uint8_t answer[32]);

#endif
