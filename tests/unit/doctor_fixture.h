/* doctor_fixture: calls in which nothing comes, what may be found out of them, and what the doctor says.
 * Not here: checks of a kind. */
#ifndef TESTS_DOCTOR_FIXTURE_H
#define TESTS_DOCTOR_FIXTURE_H

#include "doctor/diagnosis.h"
#include "tap.h"

static inline struct addr at(const char *text)
{
    struct addr a = {0};
    CHECK(addr_parse(view_of_string(text), 0, &a));
    return a;
}

/* A call from the Internet to a host behind a NAT with a forwarded range; its two streams are dead,
 * and nobody could look from outside. */
static inline struct doctor_evidence dead_call(void)
{
    struct doctor_evidence e = {.has_call = true,
                                .sip_received = 10,
                                .invites = 1,
                                .signalled = at("192.0.2.1:5060"),
                                .behind_nat = PATH_YES,
                                .local = at("10.0.0.5"),
                                .external = at("198.51.100.1"),
                                .levels = 1,
                                .stun_is_asked = true,
                                .port_min = 10000,
                                .port_max = 20000};
    for (size_t i = 0; i < 2; i++) {
        e.streams[i] = (struct doctor_stream){.offered = at("192.0.2.1:4000"),
                                              .advertised = at("198.51.100.1:10000"),
                                              .bound = at("10.0.0.5:10000"),
                                              .path = PATH_MAPPED,
                                              .expects_media = true};
        e.streams[i].label[0] = (char)('1' + i);
        e.stream_count++;
    }
    return e;
}

static inline void streams(struct doctor_evidence *e, void (*change)(struct doctor_stream *s))
{
    for (size_t i = 0; i < e->stream_count; i++)
        change(&e->streams[i]);
}

static inline bool is_alone(const struct doctor_evidence *e, enum doctor_cause cause)
{
    struct doctor_diagnosis d;
    doctor_diagnose(e, &d);
    bool good = d.count == 1 && d.findings[0].cause == cause &&
                d.findings[0].certainty == DOCTOR_CERTAIN && !d.is_healthy;
    for (size_t i = 0; i < d.count && !good; i++)
        printf("# %s %d\n", doctor_cause_name(d.findings[i].cause), d.findings[i].certainty);
    return good;
}

static inline bool is_among(const struct doctor_evidence *e, enum doctor_cause cause)
{
    struct doctor_diagnosis d;
    bool found = false;
    doctor_diagnose(e, &d);
    for (size_t i = 0; i < d.count; i++)
        found |= d.findings[i].cause == cause && d.findings[i].certainty != DOCTOR_CERTAIN;
    return found && d.count > 1;
}

static inline bool has(const struct doctor_evidence *e, enum doctor_cause cause)
{
    struct doctor_diagnosis d;
    bool found = false;
    doctor_diagnose(e, &d);
    for (size_t i = 0; i < d.count; i++)
        found |= d.findings[i].cause == cause;
    return found;
}

/* Both, for certain, and nothing else. */
static inline bool has_both(const struct doctor_evidence *e, enum doctor_cause one,
                            enum doctor_cause other)
{
    struct doctor_diagnosis d;
    doctor_diagnose(e, &d);
    return d.count == 2 && d.findings[0].certainty == DOCTOR_CERTAIN &&
           d.findings[1].certainty == DOCTOR_CERTAIN && has(e, one) && has(e, other);
}

static inline bool is_healthy(const struct doctor_evidence *e)
{
    struct doctor_diagnosis d;
    doctor_diagnose(e, &d);
    return d.is_healthy && d.count == 0;
}

static inline void probe_no(struct doctor_stream *s)
{
    s->probe = PATH_NO;
}

static inline void answers_yes(struct doctor_stream *s)
{
    s->answers = PATH_YES;
}

static inline void answers_no(struct doctor_stream *s)
{
    s->answers = PATH_NO;
}

static inline void probe_yes(struct doctor_stream *s)
{
    s->probe = PATH_YES;
}

static inline void drops(struct doctor_stream *s)
{
    s->firewall = PATH_YES;
}

static inline void lets_in(struct doctor_stream *s)
{
    s->firewall = PATH_NO;
}

static inline void go_direct(struct doctor_stream *s)
{
    s->path = PATH_DIRECT;
    s->advertised = s->bound = at("198.51.100.1:10000");
}

static inline void go_relayed(struct doctor_stream *s)
{
    s->path = PATH_RELAY;
    s->advertised = at("203.0.113.9:50000");
}

static inline void go_private(struct doctor_stream *s)
{
    s->advertised = at("10.0.0.5:10000");
}

static inline void says_it_sends(struct doctor_stream *s)
{
    s->src_sends = PATH_YES;
    s->rtcp = 2;
}

static inline void says_it_does_not(struct doctor_stream *s)
{
    s->src_sends = PATH_NO;
    s->rtcp = 2;
}

static inline void heard(struct doctor_stream *s)
{
    s->packets = 250;
}

static inline void by_stun(struct doctor_stream *s)
{
    s->path = PATH_STUN;
    s->offered = at("192.168.1.7:4000");
}

static inline enum doctor_certainty certainty_of(const struct doctor_evidence *e,
                                                 enum doctor_cause cause)
{
    struct doctor_diagnosis d;
    doctor_diagnose(e, &d);
    for (size_t i = 0; i < d.count; i++) {
        if (d.findings[i].cause == cause)
            return d.findings[i].certainty;
    }
    CHECK(false);
    return DOCTOR_CERTAIN;
}

static inline void by_filter(struct doctor_stream *s)
{
    s->path = PATH_STUN;
}

#endif
