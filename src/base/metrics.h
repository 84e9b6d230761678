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
    /* media */
    METRIC_STREAMS_ACTIVE,
    METRIC_STREAMS_SILENT,
    METRIC_RTP_PACKETS_RECEIVED,
    METRIC_RTP_BYTES_RECEIVED,
    METRIC_RTP_PACKETS_LOST,
    METRIC_RTP_MALFORMED,
    METRIC_RTP_FOREIGN,
    METRIC_RTP_PAUSED,
    METRIC_RTP_EPOCHS,
    METRIC_RTCP_PACKETS_RECEIVED,
    METRIC_RTCP_PACKETS_SENT,
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
    METRIC_COUNT,
};

enum metric_kind {
    METRIC_COUNTER,
    METRIC_GAUGE,
};

struct metric_info {
    const char *name; /* "siprecd_rtp_packets_received_total" */
    const char *help;
    enum metric_kind kind;
};

const struct metric_info *metric_info(enum metric metric);

void metric_add(enum metric metric, int64_t by);
void metric_set(enum metric metric, int64_t to); /* gauges only */
int64_t metric_value(enum metric metric);

#endif
