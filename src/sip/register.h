/* register: registrations that keep a flow open each, so that calls reach us through a NAT.
 * Not here: opening connections, names, STUN on the flows (the owner's), transactions (sip.h).
 * RFC 3261 §10, 22; RFC 5626 §4; RFC 3327 §5 (path); RFC 7616, 8760 (digest).
 *
 * The engine sends through a struct sip, and hears through its events: hand each of them to
 * sip_register_input first. After each call drain the sip engine and sip_register_output(), and wait
 * until sip_register_deadline(). */
#ifndef SIP_REGISTER_H
#define SIP_REGISTER_H

#include "base/rng.h"
#include "sip/digest.h"
#include "sip/sip.h"

struct sip_register;

enum {
    SIP_REGISTER_MAX = 8, /* RFC 5626 §4.2.1 asks for four */
    SIP_REGISTER_URI_MAX = 512,
    SIP_REGISTER_WHY_MAX = 192,
    SIP_REGISTER_ASKED_MAX = 16,
};

struct sip_register_config {
    uint8_t seed[32];
    struct view uris; /* of sip.register: comma separated; copied, as all that follows */
    struct view username, password; /* may be empty; username empty: the URI's user */
    uint32_t expires_s;             /* asked for */
    struct view instance;           /* "urn:uuid:...", the same for ever (RFC 5626 §4.1) */
    struct view contact_user, contact_params; /* as the sip engine's own */
};

/* Borrows sip. One registration for each URI, at most SIP_REGISTER_MAX; the first outputs open
 * their flows. NULL when memory is out. */
WARN_UNUSED struct sip_register *sip_register_create(const struct sip_register_config *config,
                                                     struct sip *sip, struct tick now);
void sip_register_destroy(struct sip_register *reg);

/* Where a flow is wanted to. */
struct sip_register_target {
    char host[256]; /* name or literal without brackets */
    uint16_t port;  /* 0: none given */
    bool secure;    /* sips: */
    bool protocol_given;
    enum sip_protocol protocol; /* of the transport parameter */
    struct addr
        sent_by; /* not set: it was configured; else the registrar that named it in a 3xx: the
                            owner looks what it leads to before it opens anything */
};

enum sip_register_output_kind {
    SIP_REGISTER_OPEN,    /* open a flow to target; answer by sip_register_opened or _failed */
    SIP_REGISTER_CLOSE,   /* connection flow.id is no longer needed */
    SIP_REGISTER_STUN,    /* a Binding request over flow (UDP); answer by sip_register_stun */
    SIP_REGISTER_HEARD,   /* somebody answers at the end of flow: the first of those asked */
    SIP_REGISTER_UNHEARD, /* nobody does, or only to send us away (503) */
};

struct sip_register_output {
    enum sip_register_output_kind kind;
    size_t index; /* of the registration */
    struct sip_register_target target;
    struct sip_flow flow;
    unsigned status; /* of who is UNHEARD; 0: silence */
};
/* False when there is nothing more to do. */
bool sip_register_output(struct sip_register *reg, struct sip_register_output *out);

/* The flow asked for stands. flow.id 0: UDP. */
void sip_register_opened(struct sip_register *reg, struct tick now, size_t index,
                         const struct sip_flow *flow);
/* It could not be opened; why in words. */
void sip_register_failed(struct sip_register *reg, struct tick now, size_t index, const char *why);
/* Where there are several places and one flow is to be opened: asks whether anybody is there, by
 * a REGISTER that binds nothing (RFC 3261 §10.2.3: it has no Contact), so that nothing is left behind at
 * those that are not taken. HEARD or UNHEARD follows, until a flow is opened. False: too much is going on. */
WARN_UNUSED bool sip_register_ask(struct sip_register *reg, struct tick now, size_t index,
                                  const struct sip_flow *flow);
/* A connection is gone, maybe one of ours. */
void sip_register_closed(struct sip_register *reg, struct tick now, uint64_t flow_id,
                         const char *why);
/* What STUN said: the address it saw; NULL: nothing came (RFC 5626 §4.4.2). */
void sip_register_stun(struct sip_register *reg, struct tick now, size_t index,
                       const struct addr *seen);
/* True when the event was for us. */
bool sip_register_input(struct sip_register *reg, struct tick now, const struct sip_event *event);
/* Our network is another: all flows anew, at once. */
void sip_register_renew(struct sip_register *reg, struct tick now);
/* Takes all registrations back; their flows stay for the calls there are. */
void sip_register_stop(struct sip_register *reg, struct tick now);
/* True when nothing is left to be taken back, or nobody answered. */
bool sip_register_is_stopped(const struct sip_register *reg);

void sip_register_expire(struct sip_register *reg, struct tick now);
struct tick sip_register_deadline(const struct sip_register *reg);

enum sip_register_state {
    SIP_REGISTER_OPENING,    /* no flow yet */
    SIP_REGISTER_ASKING,     /* REGISTER is out */
    SIP_REGISTER_REGISTERED, /* calls can come */
    SIP_REGISTER_WAITING,    /* it failed, why says how; tried again at retry_at */
    SIP_REGISTER_STOPPED,
};
const char *sip_register_state_name(enum sip_register_state state);

struct sip_register_status {
    enum sip_register_state state;
    struct view uri;             /* as it was given; until the engine ends */
    const struct sip_flow *flow; /* NULL: none */
    bool outbound;               /* the registrar does RFC 5626 */
    struct tick since;           /* registered without a gap; or retry_at when waiting */
    struct tick expires_at;      /* of the binding */
    uint32_t failures;           /* in a row */
    const char *why;             /* a sentence when it is not registered; else "" */
};
size_t sip_register_count(const struct sip_register *reg);
struct sip_register_status sip_register_status(const struct sip_register *reg, size_t index);

/* The flow with what is known of it, if it is one of ours: trusted, outbound where that was agreed, and
 * advertised as what the registrar saw of it. */
void sip_register_mark(const struct sip_register *reg, struct sip_flow *flow);

#endif
