/* metrics: every series that /metrics exports, in one table, as counters any thread may add to.
 * Not here: the exposition format (api/metrics.c). On the packet path count in plain variables and
 * add the sum once a sweep. Names follow Prometheus' rules: prefix siprecd_, counters end in
 * _total. */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include "base/view.h"

/* A new series: one line here, one in metrics.c's table, in the same place. */
enum metric {
    /* sip */
    METRIC_SIP_MESSAGES_RECEIVED,
    METRIC_SIP_MESSAGES_SENT,
    METRIC_SIP_MALFORMED,
    METRIC_SIP_TRUNCATED,
    METRIC_SIP_RETRANSMISSIONS_RECEIVED,
    METRIC_SIP_RETRANSMISSIONS_SENT,
    METRIC_SIP_ACK_TIMEOUTS,
    METRIC_SIP_DIALOGS,
    METRIC_SIP_CONNECTIONS,
    METRIC_SIP_CONNECTIONS_REFUSED,
    METRIC_TLS_CERTIFICATE_ENDS,
    METRIC_SIP_REGISTRATIONS,
    METRIC_SIP_REGISTER_FAILURES,
    /* recorder */
    METRIC_INVITES_ACCEPTED,
    METRIC_INVITES_REFUSED,
    METRIC_RECORDINGS_ACTIVE,
    METRIC_RECORDINGS_FINISHED,
    METRIC_RECORDINGS_FAILED,
    METRIC_RECORDINGS_RECOVERED,
    METRIC_WARNINGS,
    /* ways in; the paths in the order of the API's words */
    METRIC_PATHS_HOST,
    METRIC_PATHS_STATIC,
    METRIC_PATHS_MAPPED,
    METRIC_PATHS_STUN,
    METRIC_PATHS_PEER_REFLEXIVE,
    METRIC_PATHS_RELAY,
    METRIC_PATHS_ICE_TCP,
    METRIC_PATHS_NONE,
    METRIC_STREAMS_RELAYED,
    METRIC_PATH_CHANGES,
    METRIC_PATH_CHANGES_REFUSED,
    METRIC_FIRST_PACKET, /* a histogram: its buckets, sum and count stand in the next places */
    METRIC_FIRST_PACKET_END = METRIC_FIRST_PACKET + 11,
    /* media */
    METRIC_STREAMS_ACTIVE,
    METRIC_STREAMS_SILENT,
    METRIC_STREAMS_UNREACHABLE,
    METRIC_KEEPALIVES_SENT,
    METRIC_NAT_REBINDS,
    METRIC_LATCH_CONFLICTS,
    METRIC_MEDIA_REFUSED,
    METRIC_MEDIA_SEND_ERRORS,
    METRIC_RTP_PACKETS_RECEIVED,
    METRIC_RTP_BYTES_RECEIVED,
    METRIC_RTP_PACKETS_LOST,
    METRIC_RTP_MALFORMED,
    METRIC_RTP_FOREIGN,
    METRIC_RTP_PAUSED,
    METRIC_RTP_EPOCHS,
    METRIC_RTCP_PACKETS_RECEIVED,
    METRIC_RTCP_PACKETS_SENT,
    METRIC_MEDIA_TCP_REFUSED,
    METRIC_STUN_REFUSED,
    METRIC_STUN_FLOODED,
    METRIC_ICE_CHECKS_HELD,
    METRIC_ICE_CANDIDATES_REFUSED,
    METRIC_ICE_FAILED,
    METRIC_ICE_CONSENT_LOST,
    METRIC_SOCKET_OVERFLOWS,
    METRIC_STUN_REQUESTS,
    METRIC_STUN_FAILURES,
    METRIC_STUN_STRAYS,
    METRIC_PORTS_LENT,
    METRIC_PORTS_HURRIED,
    METRIC_PORTS_UNPREPARED,
    METRIC_PORTS_EXHAUSTED,
    METRIC_RELAYS_READY,
    METRIC_RELAYS_LENT,
    METRIC_RELAYS_MADE,
    METRIC_RELAYS_LOST,
    METRIC_RELAY_SERVERS_DOWN,
    METRIC_RELAY_PERMISSIONS_DENIED,
    METRIC_RELAY_PACKETS_RECEIVED,
    METRIC_RELAY_PACKETS_SENT,
    METRIC_RELAY_PACKETS_UNPERMITTED,
    /* journal, disk, catalogue, render */
    METRIC_JOURNAL_BYTES_WRITTEN,
    METRIC_JOURNAL_WRITE_ERRORS,
    METRIC_DISK_SYNCS,
    METRIC_DISK_FREE_BYTES,
    METRIC_DISK_FULL,
    METRIC_CATALOG_ERRORS,
    METRIC_RENDERS_DONE,
    METRIC_RENDERS_FAILED,
    METRIC_RENDERS_WAITING,
    METRIC_RECORDINGS_DELETED,
    METRIC_HTTP_REQUESTS,
    METRIC_HTTP_REFUSED,
    /* network */
    METRIC_NETWORK_STUN_REQUESTS,
    METRIC_NETWORK_STUN_TIMEOUTS,
    METRIC_STUN_SERVERS_ANSWERING,
    METRIC_EXTERNAL_ADDRESS_CHANGES,
    METRIC_LOCAL_ADDRESS_CHANGES,
    METRIC_PORT_MAPPINGS,
    METRIC_PORT_MAPPING_FAILURES,
    METRIC_NETWORK_SETTLING,
    METRIC_COUNT,
};

enum metric_kind {
    METRIC_COUNTER,
    METRIC_GAUGE,
    METRIC_HISTOGRAM, /* each place is one of its series: buckets, then sum, then count */
};

struct metric_info {
    const char *name; /* "siprecd_rtp_packets_received_total"; places of one name follow another */
    const char *help;
    enum metric_kind kind;
    const char *labels; /* "path=\"host\""; NULL: none */
    const char *suffix; /* of a histogram's series: "_bucket"; NULL: none */
};

const struct metric_info *metric_info(enum metric metric);

void metric_add(enum metric metric, int64_t by);
void metric_set(enum metric metric, int64_t to); /* gauges only */
/* One more value of a histogram; its sum counts thousandths. */
void metric_observe_ms(enum metric histogram, int64_t ms);
int64_t metric_value(enum metric metric);

#endif
