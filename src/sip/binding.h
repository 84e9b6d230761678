/* binding: one registration's messages: what REGISTER says, what its answers grant.
 * Not here: when they are sent, flows (register.h). Private to src/sip.
 * RFC 3261 §10.2, 10.3; RFC 5626 §4.2; RFC 3840 (+sip.instance, +sip.srs: RFC 7866 §6.2). */
#ifndef SIP_BINDING_H
#define SIP_BINDING_H

#include "sip/register.h"

enum { SIP_BINDING_HEADERS_MAX = 8192 };

/* Whose registrations they are. */
struct sip_binding_user {
    struct view username, password, instance, contact_user, contact_params;
};

struct sip_binding {
    struct sip_register_target target;    /* where REGISTER goes now */
    char uri[SIP_REGISTER_URI_MAX];       /* as it was given, without a password */
    char aor[SIP_REGISTER_URI_MAX + 2];   /* "<sip:recorder@sbc.example>" */
    char from[SIP_REGISTER_URI_MAX + 32]; /* the same with a tag */
    char request_uri[SIP_REGISTER_URI_MAX];
    char contact[SIP_REGISTER_URI_MAX]; /* URI of the last request */
    char user[128];                     /* of the URI: the user name where none is set */
    char call_id[33];
    uint32_t cseq;
    uint32_t reg_id;
    uint32_t expires_s; /* asked for; a registrar may want more */
    bool plain;         /* without RFC 5626: the first hop cannot do it */
    bool outbound;      /* it was granted */
    bool authorized;    /* the last request carried credentials */
    /* The registrar's challenge, and [1] that of a proxy on the way: both may be met at once
     * (RFC 3261 §22.3). */
    struct sip_digest digests[2];
};

/* False when uri is none. */
WARN_UNUSED bool sip_binding_init(struct sip_binding *binding, struct view uri, uint32_t reg_id,
                                  uint32_t expires_s, struct rng *rng);

/* Where a URI leads; false: a transport that we do not speak. */
WARN_UNUSED bool sip_binding_target(const struct sip_uri *uri, struct sip_register_target *target);

/* Contact, Expires, Supported and credentials. leaving: the binding is to end. */
void sip_binding_print(struct writer *w, struct sip_binding *binding,
                       const struct sip_binding_user *user, const struct sip_flow *flow,
                       bool leaving, struct view cnonce);

/* The next request of the binding; its views live in it. Call it before sip_binding_print. */
struct sip_post sip_binding_post(struct sip_binding *binding, const struct sip_flow *flow);
/* A REGISTER that asks what is bound, and binds nothing: without Contact (§10.2.3), nor credentials. */
struct sip_post sip_binding_post_question(struct sip_binding *binding, const struct sip_flow *flow);

/* Takes the challenge of a 401 or 407. False: another try would end the same; why says so. */
WARN_UNUSED bool sip_binding_challenge(struct sip_binding *binding,
                                       const struct sip_binding_user *user,
                                       const struct sip_message *m, char *why, size_t why_size);

/* What was asked for is answered no more. */
void sip_binding_forget(struct sip_binding *binding);

/* Where a 3xx sends us: the Contact that it likes best of those that we can register at; is_secure: it came over
 * TLS, which is not left for what is none. False: there is none. RFC 3261 §8.1.3.4. */
WARN_UNUSED bool sip_binding_redirect(const struct sip_message *m, bool is_secure,
                                      struct sip_register_target *target);

/* Takes Min-Expires of a 423; false: there is no sense in it. */
WARN_UNUSED bool sip_binding_lengthen(struct sip_binding *binding, const struct sip_message *m);

struct sip_binding_grant {
    uint32_t expires_s; /* 0: our Contact is not bound */
    bool outbound;
    uint32_t flow_timer_s; /* 0: none */
};
struct sip_binding_grant sip_binding_read(const struct sip_binding *binding,
                                          const struct sip_binding_user *user,
                                          const struct sip_message *m);

/* Seconds of a Retry-After; false: there is none. */
bool sip_binding_retry_after(const struct sip_message *m, uint32_t *seconds);

#endif
