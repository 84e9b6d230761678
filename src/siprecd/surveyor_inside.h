/* surveyor_inside: the inside of struct surveyor, shared by surveyor.c, survey_ports.c and
 * survey_tell.c.
 * Not here: what owners may know (surveyor.h).
 * RFC: none. */
#ifndef SIPRECD_SURVEYOR_INSIDE_H
#define SIPRECD_SURVEYOR_INSIDE_H

#include "base/log.h"
#include "siprecd/lookups.h"
#include "siprecd/sources.h"
#include "siprecd/surveyor.h"

#define SURVEYOR_FILE ".network.json"

enum {
    SURVEYOR_WORKERS = 16,
    SURVEYOR_MAPPINGS = 2 * GATEWAY_MAPPINGS, /* of both families */
    SURVEYOR_PORTS_MAPPED = 4,                /* two calls of two streams */
    SURVEYOR_CREDENTIALS_S = 86400,           /* of a TURN secret; renewed at half of it */
};

/* A media port, ready or lent. */
struct survey_port {
    bool is_open;
    bool is_dirty; /* mapped differs from what was told */
    bool is_v6;
    uint32_t generation;
    uint16_t number[2];
    struct addr mapped[2], seen[2]; /* by the gateway's word; by STUN's */
    struct tick doubted;            /* that it is still mapped, because nothing arrives: last */
    struct tick asked;              /* the gateway was, for that; again after pause_ms */
    int64_t pause_ms;
};

struct survey_port_id {
    uint32_t worker, port;
};

struct survey_ports {
    struct {
        struct survey_port *list; /* by the worker's port id */
        uint32_t count;
    } of[SURVEYOR_WORKERS];
    struct survey_port_id dirty[SURVEYOR_MAPPINGS];
    size_t dirty_first, dirty_count;
    struct log_limit doubts;
    uint32_t unmapped; /* mappings that were lost */
};

struct survey_listener {
    bool is_wanted, is_v6;
    enum portmap_protocol protocol;
    uint16_t number;
    struct addr mapped;
};

struct surveyor {
    struct surveyor_config config;
    char *directory;
    struct asker *asker;
    struct lookups lookups; /* STUN servers, TURN servers, proxy: in this order */
    struct sources sources;
    struct mapper *mappers[2]; /* IPv6: pinholes */
    struct prober *probers[2];
    int netlink_fd;
    struct io_links links;
    struct survey_place places[2];
    bool moved[2], has_servers[2];
    bool is_mapping[2];
    struct nat_profile profiles[2];
    struct survey_ports ports;
    struct survey_listener listeners[VALUES_LISTENERS_MAX];
    /* when what is due */
    struct tick look_at, servers_at, keep_at, state_at[2];
    bool is_keeping; /* the profile is being written */
    struct tick credentials_at;
    int64_t credentials_end_s; /* Unix time */
    int64_t clock_set_ms, clock_slept_ms;
    bool clocks_are_known;
    /* what was told */
    bool has_news;
    struct tick updated_at;
    uint32_t change, addresses_change;
    struct addr addresses[SURVEYOR_ADDRESSES]; /* of this host, loopback aside */
    size_t addresses_count;
    uint64_t fingerprint; /* of those and all that are not told */
    struct worker_network told;
    bool has_told;
    bool is_disproved; /* nothing came where the settings' order led */
};

/* The gateway says something about one of our ports. */
void survey_ports_mapped(struct surveyor *s, bool v6, const struct mapper_event *event);
/* Makes new credentials from the TURN secret. */
void survey_tell_renew_credentials(struct surveyor *s, struct recorder_now now);
/* Calls wait until then for the gateway to have mapped some of our ports; TICK_NEVER: for nothing. */
struct tick survey_ports_deadline(const struct surveyor *s, struct tick now);
void survey_ports_finish(struct surveyor *s);

#endif
