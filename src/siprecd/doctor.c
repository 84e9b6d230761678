/* doctor: the evidence, and the look from outside.
 * Not here: the rules.
 * RFC: none. */
#include "siprecd/doctor.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/metrics.h"
#include "base/sightings.h"
#include "catalog/files.h"
#include "doctor/breaks.h"
#include "doctor/evidence.h"
#include "doctor/kernel.h"
#include "doctor/recorded.h"
#include "io/clock.h"
#include "io/file.h"
#include "siprecd/outside.h"

_Static_assert((int)DOCTOR_STREAMS <= (int)SIGHTINGS_PROBES, "all streams are looked at at once");

enum {
    SAMPLES = 3600,
    PROC_MAX = 64 * 1024,
    PATH_SIZE = 4096,
};

struct sample {
    struct wall at;
    struct doctor_kernel kernel;
};

struct doctor {
    char *root;
    uint16_t port_min, port_max, sip_port;
    pthread_mutex_t lock; /* of what follows */
    struct doctor_kernel first;
    struct sample samples[SAMPLES];
    size_t sample_count; /* ever */
    struct worker_network network;
    pthread_mutex_t looking; /* one probe is awaited at a time */
};

static struct doctor_kernel read_kernel(void)
{
    struct doctor_kernel kernel;
    char *four = NULL, *six = NULL;
    size_t four_len = 0, six_len = 0;
    if (io_file_read("/proc/net/snmp", PROC_MAX, &four, &four_len) != 0)
        four_len = 0;
    if (io_file_read("/proc/net/snmp6", PROC_MAX, &six, &six_len) != 0)
        six_len = 0;
    doctor_kernel_read(&kernel, view_of(four, four_len), view_of(six, six_len));
    free(four);
    free(six);
    return kernel;
}

struct doctor *doctor_create(const char *root, uint16_t port_min, uint16_t port_max,
                             uint16_t sip_port)
{
    struct doctor *doctor = calloc(1, sizeof *doctor);
    if (!doctor)
        return NULL;
    doctor->root = strdup(root);
    doctor->port_min = port_min;
    doctor->port_max = port_max;
    doctor->sip_port = sip_port;
    pthread_mutex_init(&doctor->lock, NULL);
    pthread_mutex_init(&doctor->looking, NULL);
    doctor->first = read_kernel();
    if (!doctor->root) {
        doctor_destroy(doctor);
        return NULL;
    }
    return doctor;
}

void doctor_destroy(struct doctor *doctor)
{
    if (!doctor)
        return;
    pthread_mutex_destroy(&doctor->lock);
    pthread_mutex_destroy(&doctor->looking);
    /* It holds a copy of the credentials. */
    explicit_bzero(&doctor->network, sizeof doctor->network);
    free(doctor->root);
    free(doctor);
}

void doctor_sample(struct doctor *doctor, struct wall now)
{
    struct doctor_kernel kernel = read_kernel();
    pthread_mutex_lock(&doctor->lock);
    doctor->samples[doctor->sample_count++ % SAMPLES] = (struct sample){now, kernel};
    pthread_mutex_unlock(&doctor->lock);
}

void doctor_know(struct doctor *doctor, const struct worker_network *network)
{
    pthread_mutex_lock(&doctor->lock);
    doctor->network = *network;
    pthread_mutex_unlock(&doctor->lock);
}

/* ---- Evidence -------------------------------------------------------------------------------- */

/* What the kernel had counted at that time: the last sample before it. With the lock. */
static struct doctor_kernel kernel_at(const struct doctor *doctor, struct wall at)
{
    struct doctor_kernel found = doctor->first;
    struct wall best = {0};
    for (size_t i = 0; i < SAMPLES && i < doctor->sample_count; i++) {
        const struct sample *s = &doctor->samples[i];
        if (s->at.ns <= at.ns && s->at.ns > best.ns) {
            best = s->at;
            found = s->kernel;
        }
    }
    return found;
}

/* Of the time of the call, as far back as samples reach. */
static void take_kernel(struct doctor *doctor, const struct api_question *question,
                        struct doctor_evidence *e)
{
    struct doctor_kernel now = read_kernel(), then, end = now;
    /* The sample after the end has what came up to it. */
    struct wall after = wall_add_ms(question->ended, 2 * 1000);
    pthread_mutex_lock(&doctor->lock);
    then = kernel_at(doctor, question->started);
    if (question->ended.ns != 0 && after.ns < io_clock_wall().ns)
        end = kernel_at(doctor, after);
    e->reassembly_failures = now.reassembly_failures - doctor->first.reassembly_failures;
    pthread_mutex_unlock(&doctor->lock);
    e->no_ports = end.no_ports - then.no_ports;
}

static void take_counters(struct doctor_evidence *e)
{
    e->sip_received = (uint64_t)metric_value(METRIC_SIP_MESSAGES_RECEIVED);
    e->invites =
        (uint64_t)(metric_value(METRIC_INVITES_ACCEPTED) + metric_value(METRIC_INVITES_REFUSED));
    e->invites_truncated = (uint64_t)metric_value(METRIC_SIP_TRUNCATED);
    e->disk_is_full |= metric_value(METRIC_DISK_FULL) != 0;
}

static void take_journal(struct doctor *doctor, const char *directory, struct wall until,
                         struct doctor_evidence *e)
{
    char path[PATH_SIZE];
    struct view bytes;
    int n = snprintf(path, sizeof path, "%s/%s/%s", doctor->root, directory, CATALOG_FILES_JOURNAL);
    if (n < 0 || (size_t)n >= sizeof path || io_file_map(path, &bytes) != 0)
        return;
    doctor_read_journal(bytes, e);
    doctor_read_breaks(bytes, until, e);
    io_file_unmap(bytes);
}

static void take_call(struct doctor *doctor, const struct api_question *question,
                      struct doctor_evidence *e)
{
    struct wall end = question->ended.ns ? question->ended : io_clock_wall();
    doctor_read_recording(question->document, e);
    e->lasted_ms = wall_diff_ms(end, question->started);
    e->is_over = question->ended.ns != 0;
    for (size_t i = 0; i < e->stream_count && i < API_QUESTION_STREAMS; i++) {
        e->streams[i].firewall = question->firewall[i];
        e->streams[i].lets_answers_in = question->lets_answers_in[i];
    }
    (void)view_copy(view_of_string(question->chain.family), e->chain.family,
                    sizeof e->chain.family);
    (void)view_copy(view_of_string(question->chain.table), e->chain.table, sizeof e->chain.table);
    (void)view_copy(view_of_string(question->chain.name), e->chain.name, sizeof e->chain.name);
    take_journal(doctor, question->directory, end, e);
}

static bool is_own_port(const struct doctor_evidence *e, uint16_t port)
{
    for (size_t i = 0; i < e->stream_count; i++) {
        if (e->streams[i].bound.port == port || e->streams[i].bound.port + 1 == port)
            return true;
    }
    return false;
}

/* Only what is the SRC's counts, by its address, and of the time of the call; what comes to the
 * call's own ports is its tail. */
static void take_strays_of(const struct addr *ip, const struct api_question *question,
                           struct doctor_evidence *e)
{
    struct sightings_spell spell;
    size_t cursor = 0;
    while (addr_is_set(ip) && sightings_next(ip, question->started, &cursor, &spell)) {
        if (is_own_port(e, spell.to.port) || spell.count <= e->strays ||
            (question->ended.ns != 0 && spell.first.ns > question->ended.ns))
            continue;
        e->strays = spell.count;
        e->stray_to = spell.to;
    }
}

static void take_strays(const struct api_question *question, struct doctor_evidence *e)
{
    take_strays_of(&e->signalled, question, e);
    for (size_t i = 0; i < e->stream_count; i++)
        take_strays_of(&e->streams[i].offered, question, e);
}

/* The INVITE that was refused, if the question is about that one, or it is the latest call of all:
 * but not where it may be a scanner's, of which every public address has many.
 * Returns its Call-ID, in *refusal; NULL: there is none. */
static const char *take_refusal(const struct api_question *question,
                                struct sightings_refusal *refusal, struct doctor_evidence *e)
{
    struct view call_id = question->was_asked ? view_of_string(question->call_id) : VIEW_NONE;
    if (!sightings_refusal(call_id, refusal))
        return NULL;
    bool is_ours_to_mend = refusal->status == 488 || refusal->status == 503;
    if (question->document &&
        (refusal->at.ns < question->started.ns || !(question->was_asked || is_ours_to_mend)))
        return NULL;
    e->refused_status = refusal->status;
    e->signalled = refusal->from;
    e->disk_is_full |= strcmp(refusal->why, "disk full") == 0;
    (void)view_copy(view_of_string(refusal->why), e->refused_why, sizeof e->refused_why);
    return refusal->call_id;
}

/* ---- The look from outside ------------------------------------------------------------------- */

/* Nobody is asked to send to an address that is not ours, now, whatever a setting or an old recording
 * says. Where a NAT's filter must let nobody in but the SRC, a stranger's probe that fails says
 * nothing. Where ICE has found nothing an open host's address is the one that its answer names. */
static bool can_be_looked_at(const struct doctor_evidence *e, const struct doctor_stream *s)
{
    bool is_elsewhere = addr_is_set(&e->external) && !addr_is_private(&s->advertised) &&
                        s->advertised.family == e->external.family &&
                        !addr_equal_ip(&s->advertised, &e->external) &&
                        !addr_equal_ip(&s->advertised, &e->local);
    bool is_plain = e->external_is_set || (s->is_ice && e->behind_nat == PATH_NO);
    return doctor_stream_is_silent(s) && doctor_is_ours(e, &s->advertised) && !is_elsewhere &&
           (s->path == PATH_DIRECT || s->path == PATH_MAPPED ||
            (s->path == PATH_BEST_EFFORT && is_plain));
}

static void look_from_outside(const struct worker_network *network, struct doctor_evidence *e)
{
    struct outside_port ports[DOCTOR_STREAMS];
    size_t of[DOCTOR_STREAMS], count = 0;
    for (size_t i = 0; i < e->stream_count; i++) {
        const struct doctor_stream *s = &e->streams[i];
        if (!can_be_looked_at(e, s))
            continue;
        ports[count] = (struct outside_port){.advertised = s->advertised,
                                             .bound = s->bound,
                                             .port_min = e->port_min,
                                             .port_max = e->port_max,
                                             .opens = s->is_ice || e->behind_nat == PATH_NO};
        of[count++] = i;
    }
    outside_look(network, ports, count);
    for (size_t i = 0; i < count; i++) {
        e->streams[of[i]].probe = ports[i].arrives;
        e->streams[of[i]].answers = ports[i].answers_arrive;
    }
}

/* A neighbour calls our address outside: whether that leads it back in is seen from here, too. */
static void look_back(struct doctor_evidence *e)
{
    for (size_t i = 0; i < e->stream_count; i++) {
        const struct doctor_stream *s = &e->streams[i];
        if (!doctor_stream_is_dead(s) || s->is_ice || !doctor_is_ours(e, &s->advertised) ||
            !addr_is_set(&e->external) || !addr_equal_ip(&s->advertised, &e->external) ||
            !addr_equal_ip(&e->signalled, &e->external) ||
            e->behaviour.hairpin != NAT_HAIRPIN_UNKNOWN || s->firewall == PATH_YES)
            continue;
        switch (outside_look_back(&s->advertised, &s->bound)) {
        case PATH_YES:
            e->behaviour.hairpin = NAT_HAIRPIN_EXTERNAL;
            break;
        case PATH_NO:
            e->behaviour.hairpin = NAT_HAIRPIN_NONE;
            break;
        case PATH_UNKNOWN:
            break;
        }
        return;
    }
}

static void look(struct doctor *doctor, struct doctor_evidence *e)
{
    struct worker_network *network = malloc(sizeof *network);
    if (!network)
        return;
    pthread_mutex_lock(&doctor->lock);
    *network = doctor->network;
    pthread_mutex_unlock(&doctor->lock);
    pthread_mutex_lock(&doctor->looking);
    look_from_outside(network, e);
    look_back(e);
    if (e->has_call && e->stun_is_silent)
        outside_ask_by_tcp(network, e->is_v6, &e->stun_by_tcp, &e->turn_by_tcp);
    pthread_mutex_unlock(&doctor->looking);
    explicit_bzero(network, sizeof *network);
    free(network);
}

char *doctor_examine(void *context, const struct api_question *question)
{
    struct doctor *doctor = context;
    struct sightings_refusal refusal;
    struct doctor_evidence *e = calloc(1, sizeof *e);
    struct doctor_diagnosis diagnosis;
    const char *refused, *call_id = question->call_id;
    if (!e)
        return NULL;
    *e = (struct doctor_evidence){.levels = -1,
                                  .was_asked = question->was_asked,
                                  .port_min = doctor->port_min,
                                  .port_max = doctor->port_max,
                                  .sip_port = doctor->sip_port};
    refused = take_refusal(question, &refusal, e);
    if (refused)
        call_id = refused;
    else if (question->document)
        take_call(doctor, question, e);
    if (question->network)
        doctor_read_network(question->network, e);
    doctor_take_detours(e);
    take_counters(e);
    take_kernel(doctor, question, e);
    take_strays(question, e);
    look(doctor, e);
    doctor_diagnose(e, &diagnosis);
    char *report = doctor_print_report(e, &diagnosis, call_id);
    free(e);
    return report;
}
