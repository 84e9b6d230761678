/* metrics: the table of series and their values.
 * Not here: the exposition format.
 * RFC: none. */
#include "base/metrics.h"

#include <assert.h>
#include <stdatomic.h>

static _Atomic int64_t values[METRIC_COUNT];

static const struct metric_info infos[METRIC_COUNT] = {
    [METRIC_SIP_MESSAGES_RECEIVED] = {"siprecd_sip_messages_received_total",
                                      "SIP messages received, broken ones too", METRIC_COUNTER},
    [METRIC_SIP_MESSAGES_SENT] = {"siprecd_sip_messages_sent_total", "SIP messages sent",
                                  METRIC_COUNTER},
    [METRIC_SIP_MALFORMED] = {"siprecd_sip_malformed_total",
                              "SIP messages refused because they could not be read",
                              METRIC_COUNTER},
    [METRIC_SIP_TRUNCATED] =
        {"siprecd_sip_truncated_total",
         "SIP datagrams shorter than their Content-Length: let the SRC use TCP", METRIC_COUNTER},
    [METRIC_SIP_RETRANSMISSIONS_RECEIVED] = {"siprecd_sip_retransmissions_received_total",
                                             "SIP requests that had been received before",
                                             METRIC_COUNTER},
    [METRIC_SIP_RETRANSMISSIONS_SENT] = {"siprecd_sip_retransmissions_sent_total",
                                         "SIP messages sent again", METRIC_COUNTER},
    [METRIC_SIP_ACK_TIMEOUTS] = {"siprecd_sip_ack_timeouts_total",
                                 "INVITEs whose 200 was never acknowledged", METRIC_COUNTER},
    [METRIC_SIP_DIALOGS] = {"siprecd_sip_dialogs", "SIP dialogs now", METRIC_GAUGE},
    [METRIC_SIP_CONNECTIONS] = {"siprecd_sip_connections", "SIP connections over TCP and TLS now",
                                METRIC_GAUGE},
    [METRIC_SIP_CONNECTIONS_REFUSED] = {"siprecd_sip_connections_refused_total",
                                        "SIP connections closed at once: too many", METRIC_COUNTER},
    [METRIC_TLS_CERTIFICATE_ENDS] =
        {"siprecd_tls_certificate_ends_timestamp_seconds",
         "when our TLS certificate ends, in Unix time; 0: there is none", METRIC_GAUGE},
    [METRIC_SIP_REGISTRATIONS] = {"siprecd_sip_registrations",
                                  "registrations of sip.register that stand now", METRIC_GAUGE},
    [METRIC_SIP_REGISTER_FAILURES] = {"siprecd_sip_register_failures_total",
                                      "tries to register that failed", METRIC_COUNTER},
    [METRIC_INVITES_ACCEPTED] = {"siprecd_invites_accepted_total",
                                 "INVITEs for a new recording that were answered 200",
                                 METRIC_COUNTER},
    [METRIC_INVITES_REFUSED] = {"siprecd_invites_refused_total",
                                "INVITEs for a new recording that were refused", METRIC_COUNTER},
    [METRIC_RECORDINGS_ACTIVE] = {"siprecd_recordings_active", "recordings going on", METRIC_GAUGE},
    [METRIC_RECORDINGS_FINISHED] = {"siprecd_recordings_finished_total",
                                    "recordings that ended and were kept", METRIC_COUNTER},
    [METRIC_RECORDINGS_FAILED] = {"siprecd_recordings_failed_total",
                                  "recordings that could not be kept", METRIC_COUNTER},
    [METRIC_RECORDINGS_RECOVERED] = {"siprecd_recordings_recovered_total",
                                     "recordings rebuilt from their journal at start",
                                     METRIC_COUNTER},
    [METRIC_WARNINGS] = {"siprecd_warnings_total", "warnings put on recordings", METRIC_COUNTER},
#define PATH(which, label)                                                                         \
    [METRIC_PATHS_##which] = {.name = "siprecd_stream_paths_total",                                \
                              .help = "streams that have ended, by the path their packets took",   \
                              .kind = METRIC_COUNTER,                                              \
                              .labels = "path=\"" label "\""}
    PATH(HOST, "host"),
    PATH(STATIC, "static"),
    PATH(MAPPED, "mapped"),
    PATH(STUN, "stun"),
    PATH(PEER_REFLEXIVE, "peer-reflexive"),
    PATH(RELAY, "relay"),
    PATH(ICE_TCP, "ice-tcp"),
    PATH(NONE, "none"),
#undef PATH
    [METRIC_STREAMS_RELAYED] =
        {"siprecd_streams_relayed",
         "streams answered with a relay's address now; siprecd_streams_active "
         "are all",
         METRIC_GAUGE},
    [METRIC_PATH_CHANGES] = {"siprecd_path_changes_total",
                             "streams that an SRC took to another address of ours in mid-call",
                             METRIC_COUNTER},
    [METRIC_PATH_CHANGES_REFUSED] = {"siprecd_path_changes_refused_total",
                                     "offers of another address that an SRC refused or did not "
                                     "answer",
                                     METRIC_COUNTER},
#define FIRST(at, which, more)                                                                     \
    [METRIC_FIRST_PACKET + (at)] = {.name = "siprecd_first_packet_seconds",                        \
                                    .help = "from our answer to a stream's first packet",          \
                                    .kind = METRIC_HISTOGRAM,                                      \
                                    .suffix = which,                                               \
                                    .labels = more}
    FIRST(0, "_bucket", "le=\"0.02\""),
    FIRST(1, "_bucket", "le=\"0.05\""),
    FIRST(2, "_bucket", "le=\"0.1\""),
    FIRST(3, "_bucket", "le=\"0.2\""),
    FIRST(4, "_bucket", "le=\"0.5\""),
    FIRST(5, "_bucket", "le=\"1\""),
    FIRST(6, "_bucket", "le=\"2\""),
    FIRST(7, "_bucket", "le=\"5\""),
    FIRST(8, "_bucket", "le=\"10\""),
    FIRST(9, "_bucket", "le=\"+Inf\""),
    FIRST(10, "_sum", NULL),
    FIRST(11, "_count", NULL),
#undef FIRST
    [METRIC_STREAMS_ACTIVE] = {"siprecd_streams_active", "media streams going on", METRIC_GAUGE},
    [METRIC_STREAMS_SILENT] = {"siprecd_streams_silent_total",
                               "streams that had no packet some seconds after the ACK",
                               METRIC_COUNTER},
    [METRIC_STREAMS_UNREACHABLE] = {"siprecd_streams_unreachable_total",
                                    "streams for which every path was tried and nothing came",
                                    METRIC_COUNTER},
    [METRIC_KEEPALIVES_SENT] = {"siprecd_keepalives_sent_total",
                                "packets sent to open the way for RTP and to keep it open",
                                METRIC_COUNTER},
    [METRIC_NAT_REBINDS] = {"siprecd_nat_rebinds_total",
                            "times a NAT gave a stream's SRC another address or port",
                            METRIC_COUNTER},
    [METRIC_LATCH_CONFLICTS] = {"siprecd_latch_conflicts_total",
                                "senders that came to a stream while another was being recorded",
                                METRIC_COUNTER},
    [METRIC_MEDIA_REFUSED] = {"siprecd_media_refused_total",
                              "ICMP errors that answered packets from media ports", METRIC_COUNTER},
    [METRIC_MEDIA_SEND_ERRORS] = {"siprecd_media_send_errors_total",
                                  "packets that the system did not send from media ports",
                                  METRIC_COUNTER},
    [METRIC_RTP_PACKETS_RECEIVED] = {"siprecd_rtp_packets_received_total", "RTP packets recorded",
                                     METRIC_COUNTER},
    [METRIC_RTP_BYTES_RECEIVED] = {"siprecd_rtp_bytes_received_total",
                                   "bytes of RTP recorded, headers included", METRIC_COUNTER},
    [METRIC_RTP_PACKETS_LOST] = {"siprecd_rtp_packets_lost_total",
                                 "RTP packets missing by sequence number, of ended streams",
                                 METRIC_COUNTER},
    [METRIC_RTP_MALFORMED] = {"siprecd_rtp_malformed_total",
                              "datagrams on media ports that are neither RTP nor RTCP",
                              METRIC_COUNTER},
    [METRIC_RTP_FOREIGN] = {"siprecd_rtp_foreign_total",
                            "RTP packets from a sender that is not the stream's", METRIC_COUNTER},
    [METRIC_RTP_PAUSED] = {"siprecd_rtp_paused_total",
                           "RTP packets not recorded because the stream was inactive",
                           METRIC_COUNTER},
    [METRIC_RTP_EPOCHS] = {"siprecd_rtp_epochs_total", "changes of a stream's SSRC",
                           METRIC_COUNTER},
    [METRIC_RTCP_PACKETS_RECEIVED] = {"siprecd_rtcp_packets_received_total",
                                      "RTCP packets received", METRIC_COUNTER},
    [METRIC_RTCP_PACKETS_SENT] = {"siprecd_rtcp_packets_sent_total", "RTCP packets sent",
                                  METRIC_COUNTER},
    [METRIC_MEDIA_TCP_REFUSED] = {"siprecd_media_tcp_refused_total",
                                  "connections to rtp.tcp_port that proved to be no stream's",
                                  METRIC_COUNTER},
    [METRIC_STUN_REFUSED] = {"siprecd_stun_refused_total",
                             "STUN messages for a stream's ICE agent that were not signed rightly",
                             METRIC_COUNTER},
    [METRIC_STUN_FLOODED] = {"siprecd_stun_flooded_total",
                             "STUN messages dropped unread because too many had been refused",
                             METRIC_COUNTER},
    [METRIC_ICE_CHECKS_HELD] = {"siprecd_ice_checks_held_total",
                                "ICE checks not sent for a sender outside sip.allow",
                                METRIC_COUNTER},
    [METRIC_ICE_CANDIDATES_REFUSED] = {"siprecd_ice_candidates_refused_total",
                                       "ICE candidates of SRCs that may not or cannot be used",
                                       METRIC_COUNTER},
    [METRIC_ICE_FAILED] = {"siprecd_ice_failed_total", "ICE agents that found no path",
                           METRIC_COUNTER},
    [METRIC_ICE_CONSENT_LOST] = {"siprecd_ice_consent_lost_total",
                                 "chosen ICE paths whose peer stopped answering", METRIC_COUNTER},
    [METRIC_SOCKET_OVERFLOWS] = {"siprecd_socket_overflows_total",
                                 "datagrams the kernel dropped because a receive buffer was full",
                                 METRIC_COUNTER},
    [METRIC_STUN_REQUESTS] = {"siprecd_stun_requests_total",
                              "STUN requests sent from media ports to learn their address outside",
                              METRIC_COUNTER},
    [METRIC_STUN_FAILURES] = {"siprecd_stun_failures_total",
                              "times no STUN server answered a media port", METRIC_COUNTER},
    [METRIC_STUN_STRAYS] = {"siprecd_stun_strays_total",
                            "STUN datagrams on media ports that nobody asked for, dropped",
                            METRIC_COUNTER},
    [METRIC_PORTS_LENT] = {"siprecd_ports_lent", "media ports in use", METRIC_GAUGE},
    [METRIC_PORTS_UNPREPARED] = {"siprecd_ports_unprepared_total",
                                 "media ports lent behind a NAT before their address outside was "
                                 "known, because the stock of those was empty",
                                 METRIC_COUNTER},
    [METRIC_PORTS_HURRIED] = {"siprecd_ports_hurried_total",
                              "media ports used again before their 30 seconds of rest",
                              METRIC_COUNTER},
    [METRIC_PORTS_EXHAUSTED] = {"siprecd_ports_exhausted_total",
                                "times that no media port was free", METRIC_COUNTER},
    [METRIC_RELAYS_READY] = {"siprecd_relays_ready", "relayed addresses that stand ready",
                             METRIC_GAUGE},
    [METRIC_RELAYS_LENT] = {"siprecd_relays_lent", "relayed addresses in use", METRIC_GAUGE},
    [METRIC_RELAYS_MADE] = {"siprecd_relays_made_total", "TURN allocations made", METRIC_COUNTER},
    [METRIC_RELAYS_LOST] = {"siprecd_relays_lost_total",
                            "relayed addresses that were lost during a call", METRIC_COUNTER},
    [METRIC_RELAY_SERVERS_DOWN] = {"siprecd_relay_servers_down_total",
                                   "times that a TURN server refused or did not answer",
                                   METRIC_COUNTER},
    [METRIC_RELAY_PERMISSIONS_DENIED] = {"siprecd_relay_permissions_denied_total",
                                         "addresses that a TURN server would not let in",
                                         METRIC_COUNTER},
    [METRIC_RELAY_PACKETS_RECEIVED] = {"siprecd_relay_packets_received_total",
                                       "datagrams received over relays", METRIC_COUNTER},
    [METRIC_RELAY_PACKETS_SENT] = {"siprecd_relay_packets_sent_total", "datagrams sent over relays",
                                   METRIC_COUNTER},
    [METRIC_RELAY_PACKETS_UNPERMITTED] = {"siprecd_relay_packets_unpermitted_total",
                                          "datagrams not sent over relays for lack of a permission",
                                          METRIC_COUNTER},
    [METRIC_JOURNAL_BYTES_WRITTEN] = {"siprecd_journal_bytes_written_total",
                                      "bytes written to journals", METRIC_COUNTER},
    [METRIC_JOURNAL_WRITE_ERRORS] = {"siprecd_journal_write_errors_total",
                                     "writes to journals that failed", METRIC_COUNTER},
    [METRIC_DISK_SYNCS] = {"siprecd_disk_syncs_total", "times the recordings were synced to disk",
                           METRIC_COUNTER},
    [METRIC_DISK_FREE_BYTES] = {"siprecd_disk_free_bytes", "free bytes where recordings go",
                                METRIC_GAUGE},
    [METRIC_DISK_FULL] = {"siprecd_disk_full", "1 while new calls are refused for lack of room",
                          METRIC_GAUGE},
    [METRIC_CATALOG_ERRORS] = {"siprecd_catalog_errors_total",
                               "catalogue writes that failed and are made up for later",
                               METRIC_COUNTER},
    [METRIC_RENDERS_DONE] = {"siprecd_renders_done_total", "audio files rendered", METRIC_COUNTER},
    [METRIC_RENDERS_FAILED] = {"siprecd_renders_failed_total", "renders that failed",
                               METRIC_COUNTER},
    [METRIC_RENDERS_WAITING] = {"siprecd_renders_waiting", "renders waiting or running",
                                METRIC_GAUGE},
    [METRIC_RECORDINGS_DELETED] = {"siprecd_recordings_deleted_total", "recordings deleted",
                                   METRIC_COUNTER},
    [METRIC_HTTP_REQUESTS] = {"siprecd_http_requests_total", "HTTP requests answered",
                              METRIC_COUNTER},
    [METRIC_HTTP_REFUSED] = {"siprecd_http_refused_total",
                             "HTTP requests refused by the Host or content-type rules",
                             METRIC_COUNTER},
    [METRIC_NETWORK_STUN_REQUESTS] = {"siprecd_network_stun_requests_total",
                                      "STUN requests sent to learn about our network",
                                      METRIC_COUNTER},
    [METRIC_NETWORK_STUN_TIMEOUTS] = {"siprecd_network_stun_timeouts_total",
                                      "times a STUN server answered none of three requests",
                                      METRIC_COUNTER},
    [METRIC_STUN_SERVERS_ANSWERING] = {"siprecd_stun_servers_answering",
                                       "STUN servers that answered when last asked", METRIC_GAUGE},
    [METRIC_EXTERNAL_ADDRESS_CHANGES] = {"siprecd_external_address_changes_total",
                                         "times our address outside became another one",
                                         METRIC_COUNTER},
    [METRIC_LOCAL_ADDRESS_CHANGES] = {"siprecd_local_address_changes_total",
                                      "times the address of our default route became another one",
                                      METRIC_COUNTER},
    [METRIC_PORT_MAPPINGS] = {"siprecd_port_mappings", "ports mapped at the gateway now",
                              METRIC_GAUGE},
    [METRIC_PORT_MAPPING_FAILURES] = {"siprecd_port_mapping_failures_total",
                                      "port mappings that were refused or lost", METRIC_COUNTER},
    [METRIC_NETWORK_SETTLING] = {"siprecd_network_settling",
                                 "1 while calls wait for the first network profile", METRIC_GAUGE},
};

const struct metric_info *metric_info(enum metric metric)
{
    assert(metric < METRIC_COUNT);
    return &infos[metric];
}

void metric_add(enum metric metric, int64_t by)
{
    assert(metric < METRIC_COUNT);
    atomic_fetch_add_explicit(&values[metric], by, memory_order_relaxed);
}

void metric_set(enum metric metric, int64_t to)
{
    assert(metric < METRIC_COUNT && infos[metric].kind == METRIC_GAUGE);
    atomic_store_explicit(&values[metric], to, memory_order_relaxed);
}

void metric_observe_ms(enum metric histogram, int64_t ms)
{
    static const int64_t bounds_ms[] = {20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, INT64_MAX};
    enum { BOUNDS = sizeof bounds_ms / sizeof *bounds_ms };
    assert(histogram < METRIC_COUNT && infos[histogram].kind == METRIC_HISTOGRAM);
    for (int i = 0; i < BOUNDS; i++) {
        if (ms <= bounds_ms[i])
            metric_add((enum metric)((int)histogram + i), 1);
    }
    metric_add((enum metric)((int)histogram + BOUNDS), ms);
    metric_add((enum metric)((int)histogram + BOUNDS + 1), 1);
}

int64_t metric_value(enum metric metric)
{
    assert(metric < METRIC_COUNT);
    return atomic_load_explicit(&values[metric], memory_order_relaxed);
}
