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
#include "doctor/evidence.h"
#include "doctor/kernel.h"
#include "doctor/recorded.h"
#include "io/file.h"
#include "siprecd/outside.h"

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
    uint16_t port_min, port_max;
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

struct doctor *doctor_create(const char *root, uint16_t port_min, uint16_t port_max)
{
    struct doctor *doctor = calloc(1, sizeof *doctor);
    if (!doctor)
        return NULL;
    doctor->root = strdup(root);
    doctor->port_min = port_min;
    doctor->port_max = port_max;
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

/* What the kernel had counted when the call began: the last sample before it. With the lock. */
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

static void take_kernel(struct doctor *doctor, struct wall since, struct doctor_evidence *e)
{
    struct doctor_kernel now = read_kernel(), then;
    pthread_mutex_lock(&doctor->lock);
    then = kernel_at(doctor, since);
    e->reassembly_failures = now.reassembly_failures - doctor->first.reassembly_failures;
    pthread_mutex_unlock(&doctor->lock);
    e->no_ports = now.no_ports - then.no_ports;
}

static void take_counters(struct doctor_evidence *e)
{
    e->sip_received = (uint64_t)metric_value(METRIC_SIP_MESSAGES_RECEIVED);
    e->invites =
        (uint64_t)(metric_value(METRIC_INVITES_ACCEPTED) + metric_value(METRIC_INVITES_REFUSED));
    e->invites_truncated = (uint64_t)metric_value(METRIC_SIP_TRUNCATED);
    e->disk_is_full |= metric_value(METRIC_DISK_FULL) != 0;
}

static void take_journal(struct doctor *doctor, const char *directory, struct doctor_evidence *e)
{
    char path[PATH_SIZE];
    struct view bytes;
    int n = snprintf(path, sizeof path, "%s/%s/%s", doctor->root, directory, CATALOG_FILES_JOURNAL);
    if (n < 0 || (size_t)n >= sizeof path || io_file_map(path, &bytes) != 0)
        return;
    doctor_read_journal(bytes, e);
    io_file_unmap(bytes);
}

/* Only what is the SRC's counts: its addresses by SIP and SDP. */
static void take_strays(struct wall since, struct doctor_evidence *e)
{
    struct addr to = {0};
    e->strays = addr_is_set(&e->signalled) ? sightings_count(&e->signalled, since, &to) : 0;
    for (size_t i = 0; i < e->stream_count && e->strays == 0; i++) {
        if (addr_is_set(&e->streams[i].offered))
            e->strays = sightings_count(&e->streams[i].offered, since, &to);
    }
    if (e->strays > 0)
        e->stray_to = to;
}

/* ---- The look from outside ------------------------------------------------------------------- */

/* Where a NAT's filter must let nobody in but the SRC, a stranger's probe that fails says nothing. */
static bool can_be_looked_at(const struct doctor_evidence *e, const struct doctor_stream *s)
{
    return s->expects_media && s->packets == 0 && !s->is_ice &&
           (s->path == PATH_DIRECT || s->path == PATH_MAPPED ||
            (s->path == PATH_BEST_EFFORT && e->external_is_set));
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
    for (size_t i = 0; i < e->stream_count; i++) {
        struct doctor_stream *s = &e->streams[i];
        if (can_be_looked_at(e, s))
            s->probe = outside_look(network, &s->advertised, &s->bound);
    }
    pthread_mutex_unlock(&doctor->looking);
    explicit_bzero(network, sizeof *network);
    free(network);
}

char *doctor_examine(void *context, const struct api_question *question)
{
    struct doctor *doctor = context;
    struct doctor_evidence e = {.levels = -1,
                                .port_min = doctor->port_min,
                                .port_max = doctor->port_max,
                                .firewall = question->firewall};
    struct doctor_diagnosis diagnosis;
    if (question->document)
        doctor_read_recording(question->document, &e);
    if (question->network)
        doctor_read_network(question->network, &e);
    if (question->document)
        take_journal(doctor, question->directory, &e);
    take_counters(&e);
    if (question->call_id || !e.has_call)
        e.refused_status = sightings_refusal(view_of_string(question->call_id));
    take_kernel(doctor, question->started, &e);
    take_strays(question->started, &e);
    look(doctor, &e);
    doctor_diagnose(&e, &diagnosis);
    return doctor_print_report(&e, &diagnosis, question->call_id);
}
