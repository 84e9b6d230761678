/* srs: see srs.h. What io does between the engines, without any I/O.
 * Not here: tests. */
#include "srs.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_PORT GATE_INSIDE_FIRST

static void pump(struct srs *srs);
static void arrive(struct srs *srs, uint32_t socket, struct addr from, struct addr to,
                   struct view bytes);

const struct addr SRS_OUTSIDE = {.family = ADDR_V4, .ip = {203, 0, 113, 9}};

struct nat_profile *srs_behind(const struct nat_behaviour *behaviour)
{
    static struct nat_profile profiles[2];
    struct tick start = {0};
    struct discovery_result found = {
        .behaviour = *behaviour, .external = SRS_OUTSIDE, .is_natted = true, .is_done = true};
    for (int v6 = 0; v6 < 2; v6++)
        profile_init(&profiles[v6], start, PATH_UNKNOWN, (struct addr){0});
    (void)profile_set_local(&profiles[0], start, addr_v4(10, 0, 0, 7, 0));
    profile_tell_behaviour(&profiles[0], start, &found);
    return profiles;
}

void srs_init(struct srs *srs, struct world *world, const struct srs_options *options)
{
    memset(srs, 0, sizeof *srs);
    srs->world = world;
    world->srs = srs;
    srs->address = addr_v4(198, 51, 100, 20, 5060);
    srs->media_ip = addr_v4(198, 51, 100, 20, 0);
    assert(addr_parse(VIEW_LIT("[2001:db8::20]:5060"), 0, &srs->address6));
    if (options && options->ipv6)
        srs->media_ip = addr_with_port(srs->address6, 0);
    srs->sweep_ms = 100;
    uint8_t seed[32] = {0};
    memcpy(seed, &world->seed, sizeof world->seed);

    struct sip_config sip = {.product = VIEW_LIT("siprecd"),
                             .contact_params = VIEW_LIT(";+sip.srs")};
    memcpy(sip.seed, seed, sizeof seed);
    srs->sip = sip_create(&sip);

    struct recorder_settings settings = {.recordings = 64, .retry_after_s = 5};
    if (options && options->recordings)
        settings.recordings = options->recordings;
    if (options && options->allow)
        settings.allow = *options->allow;
    settings.local_by_kind = true;
    settings.own[0] = addr_with_port(srs->address, 0);
    settings.own[1] = addr_with_port(srs->address6, 0);
    if (options) {
        settings.inactive_first = options->inactive_first;
        settings.behind_nat = options->behind_nat;
        settings.external[0] = options->external;
        settings.tcp_port = options->tcp_port;
        settings.binds[0] = settings.own[0];
        settings.binds[1] = settings.own[1];
        settings.binds_count = options->tcp_port ? 2 : 0;
        srs->seen = options->seen;
        srs->wildcard = options->wildcard;
        srs->dual = options->dual;
        srs->mapped = options->mapped;
    }
    srs->recorder = recorder_create(&settings, srs->sip, seed);

    struct media_config media = {
        .recordings = recorder_slots(&settings),
        .streams = SRS_PORTS,
        .ports = SRS_PORTS,
        .silent_after_ms = 5000,
        .linger_ms = 200,
        .linger_max_ms = 2000,
        .apart_max = 65536,
        .relays = GATE_RELAYS,
    };
    memcpy(media.seed, seed, sizeof seed);
    srs->media = media_create(&media);
    assert(srs->sip && srs->recorder && srs->media);
    media_clock(srs->media, &(struct moment){srs->world->now, world_wall(srs->world)});
    srs->sweep_at = TICK_NEVER;
    if (options && options->profiles)
        recorder_know(srs->recorder, srs_now(srs), options->profiles);
    for (unsigned i = 0; options && i < options->relays; i++)
        srs_relay(srs, i, false);
    srs->ports_lent = options && options->ports ? options->ports : 64;
    if (options && options->gate) {
        gate_init(&srs->gate, options->gate);
        srs->gated = true;
        srs_network(srs, true, 1);
    }
    pump(srs);
}

/* SIM_DUMP=<folder>: every journal also becomes a file there, for tshark and for eyes. */
static void dump(const struct srs_file *file)
{
    const char *folder = getenv("SIM_DUMP");
    char path[512];
    if (!folder)
        return;
    (void)snprintf(path, sizeof path, "%s/%s.pcapng", folder, file->id.s);
    FILE *out = fopen(path, "wb");
    assert(out);
    (void)fwrite(file->journal, 1, file->journal_len, out);
    (void)fclose(out);
    (void)snprintf(path, sizeof path, "%s/%s.json", folder, file->id.s);
    out = fopen(path, "wb");
    assert(out);
    (void)fputs(file->document ? file->document : "null", out);
    (void)fclose(out);
}

void srs_finish(struct srs *srs)
{
    for (unsigned i = 0; i < srs->file_count; i++)
        dump(&srs->files[i]);
    sip_destroy(srs->sip);
    recorder_destroy(srs->recorder);
    media_destroy(srs->media);
    for (size_t i = 0; i < srs->waiting; i++)
        free((void *)(uintptr_t)srs->sockets[i].bytes.at);
    for (unsigned i = 0; i < srs->file_count; i++) {
        free(srs->files[i].journal);
        free(srs->files[i].document);
        free(srs->files[i].metadata);
    }
}

struct recorder_now srs_now(const struct srs *srs)
{
    return (struct recorder_now){srs->world->now, world_wall(srs->world)};
}

/* ---- Ports ---------------------------------------------------------------------------------- */

static struct addr outside(struct addr ip, uint16_t port, unsigned by)
{
    return addr_is_set(&ip) ? addr_with_port(ip, (uint16_t)(port + by)) : ip;
}

void srs_relay(struct srs *srs, unsigned slot, bool gone)
{
    struct recorder_relay relay = {
        .slot = slot,
        .generation = 1,
        .gone = gone,
        .relayed = {addr_v4(203, 0, 113, 60, (uint16_t)(49152 + slot))},
        .server_address = addr_v4(203, 0, 113, 50, 3478),
        .rtt_ms = 12,
    };
    recorder_relay(srs->recorder, srs_now(srs), &relay);
    pump(srs);
}

/* Keeps `ports_lent` tickets in the recorder's stock: port i is 20000 + 2i, and rests 2 s. */
static void lend(struct srs *srs)
{
    while (!srs->stingy && recorder_usage(srs->recorder).tickets < srs->ports_lent) {
        uint32_t i = 0;
        while (i < SRS_PORTS &&
               (srs->port_used[i] || !tick_due(srs->port_rests[i], srs->world->now)))
            i++;
        if (i == SRS_PORTS)
            return;
        srs->port_used[i] = true;
        struct addr ip = srs->dual && i % 2 ? srs->address6 : srs->media_ip;
        struct recorder_ticket ticket = {
            .is_new = true,
            .port = i,
            .generation = ++srs->generation,
            .bound = addr_with_port(ip, (uint16_t)(FIRST_PORT + 2 * i)),
            .bound_rtcp = addr_with_port(ip, (uint16_t)(FIRST_PORT + 2 * i + 1)),
        };
        if (srs->wildcard)
            ticket.bound = addr_v4(0, 0, 0, 0, ticket.bound.port);
        struct addr seen = srs->seen;
        if (addr_is_set(&seen) && ip.family == ADDR_V6)
            assert(addr_parse_ip(VIEW_LIT("2001:db8:9::9"), &seen));
        ticket.seen = outside(seen, ticket.bound.port, 20000);
        ticket.seen_rtcp = outside(seen, ticket.bound_rtcp.port, 20000);
        ticket.seen_at = srs->world->now;
        struct addr mapped[2] = {outside(srs->mapped, ticket.bound.port, 30000),
                                 outside(srs->mapped, ticket.bound_rtcp.port, 30000)};
        if (srs->gated) {
            struct addr bound[2] = {ticket.bound, ticket.bound_rtcp};
            media_port_opens(srs->media, srs->world->now,
                             &(struct media_port){i, ticket.generation}, bound);
        }
        recorder_ticket(srs->recorder, srs_now(srs), &ticket);
        assert(recorder_ticket_mapped(
            srs->recorder, srs_now(srs),
            &(struct recorder_port){ticket.worker, ticket.port, ticket.generation}, mapped));
    }
}

static void take_back(struct srs *srs, uint32_t port)
{
    assert(srs->port_used[port]);
    media_port_closes(srs->media, port);
    srs->port_used[port] = false;
    srs->port_rests[port] = tick_add_ms(srs->world->now, 2000);
}

/* ---- Disk and catalogue --------------------------------------------------------------------- */

static struct srs_file *file_of(struct srs *srs, const char *directory)
{
    for (unsigned i = 0; i < srs->file_count; i++) {
        if (strcmp(srs->files[i].directory, directory) == 0)
            return &srs->files[i];
    }
    assert(srs->file_count < SRS_FILES);
    struct srs_file *file = &srs->files[srs->file_count++];
    memset(file, 0, sizeof *file);
    (void)view_copy(view_of_string(directory), file->directory, sizeof file->directory);
    return file;
}

static char *text_copy(struct view v)
{
    char *copy = malloc(v.len + 1);
    assert(copy);
    memcpy(copy, v.at, v.len);
    copy[v.len] = 0;
    return copy;
}

static void write_journals(struct srs *srs)
{
    struct media_write write;
    while (media_write(srs->media, &write)) {
        struct srs_file *file = file_of(srs, write.directory);
        assert(!file->closed);
        if (srs->disk_error) {
            media_write_failed(srs->media, write.recording, (int)srs->disk_error);
            continue;
        }
        file->journal = realloc(file->journal, file->journal_len + write.bytes.len + 1);
        assert(file->journal);
        if (write.bytes.len)
            memcpy(file->journal + file->journal_len, write.bytes.at, write.bytes.len);
        file->journal_len += write.bytes.len;
        file->closed = write.last;
    }
}

static void keep_document(struct srs *srs, const struct recorder_output *out)
{
    struct srs_file *file = file_of(srs, out->directory);
    file->id = out->recording;
    free(file->document);
    file->document = text_copy(out->document);
    file->documents++;
    if (out->metadata.len) {
        free(file->metadata);
        file->metadata = text_copy(out->metadata);
    }
}

struct srs_file *srs_only_file(struct srs *srs)
{
    if (srs->file_count == 1)
        return &srs->files[0];
    printf("# %u recordings, not one\n", srs->file_count);
    return NULL;
}

/* ---- Between the engines -------------------------------------------------------------------- */

static void note_stream(struct srs *srs, const struct media_stream_facts *facts)
{
    srs->ways[facts->stream] = facts->way;
    if (facts->ice)
        (void)view_copy(view_of_string(ice_ufrag(facts->ice)), srs->agents[facts->stream],
                        ICE_UFRAG_SIZE);
}

static void do_outputs(struct srs *srs)
{
    struct recorder_output out;
    while (recorder_output(srs->recorder, &out)) {
        switch (out.kind) {
        case RECORDER_COMMAND:
            srs->recording = out.command.recording;
            if (out.command.kind == MEDIA_STREAM)
                note_stream(srs, &out.command.stream);
            media_command(srs->media, srs->world->now, &out.command);
            break;
        case RECORDER_DOCUMENT:
            keep_document(srs, &out);
            break;
        case RECORDER_RENDER:
            keep_document(srs, &out);
            assert(file_of(srs, out.directory)->closed || srs->disk_error);
            file_of(srs, out.directory)->rendered = true;
            break;
        case RECORDER_SRC:
            srs->lessons++;
            (void)view_copy(out.document, srs->profile, sizeof srs->profile);
            (void)view_copy(view_of_string(out.key), srs->key, sizeof srs->key);
            srs->src = out.src;
            break;
        case RECORDER_TICKET:
            take_back(srs, out.ticket.port);
            break;
        }
    }
}

/* Relays let in at once whom media names. */
static void note_sent(struct srs *srs, const struct addr *to, size_t bytes, bool is_relayed)
{
    if (srs->sent_count < sizeof srs->sent / sizeof *srs->sent)
        srs->sent[srs->sent_count++] = (struct srs_sent){*to, bytes, is_relayed};
}

static void ask_relays(struct srs *srs)
{
    struct media_relay_want want;
    while (media_relay_want(srs->media, &want)) {
        bool there = gate_want(&srs->gate, &want);
        for (unsigned i = 0; i < want.count && want.kind == MEDIA_RELAY_PERMIT && there; i++) {
            note_sent(srs, &want.peers[i], 0, true);
            struct media_relay_event event = {.kind = MEDIA_RELAY_PERMITTED,
                                              .slot = want.slot,
                                              .generation = want.generation,
                                              .peer = want.peers[i]};
            media_relay_event(srs->media, srs->world->now, &event);
        }
    }
}

static void send_media(struct srs *srs, const struct media_packet *packet)
{
    uint8_t answer[32];
    note_sent(srs, &packet->to, packet->bytes.len, MEDIA_SOCKET_IS_RELAY(packet->socket));
    if (MEDIA_SOCKET_IS_RELAY(packet->socket)) {
        uint32_t slot = MEDIA_RELAY_SLOT(packet->socket);
        if (gate_permits(&srs->gate, slot, &packet->to))
            world_send(srs->world, gate_relay_address(slot), packet->to, packet->bytes);
        return;
    }
    struct addr inside = addr_with_port(srs->media_ip, (uint16_t)(FIRST_PORT + packet->socket));
    struct addr from = gate_out(&srs->gate, srs->world->now, inside, &packet->to);
    if (addr_equal(&packet->to, &gate_stun)) {
        if (gate_answer(&srs->gate, packet->bytes, &from, answer))
            arrive(srs, packet->socket, gate_stun, inside, view_of(answer, sizeof answer));
        return;
    }
    srs->control_sent++;
    world_send(srs->world, from, packet->to, packet->bytes);
}

static void tell_seen(struct srs *srs)
{
    struct media_port_news news;
    while (media_seen(srs->media, srs->world->now, &news)) {
        struct recorder_ticket ticket = {.port = news.port,
                                         .generation = news.generation,
                                         .seen = news.seen[0],
                                         .seen_rtcp = news.seen[1],
                                         .seen_at = news.seen_at};
        recorder_ticket(srs->recorder, srs_now(srs), &ticket);
    }
}

void srs_network(struct srs *srs, bool keep_mappings, uint32_t change)
{
    struct media_network network = {
        .keep_mappings = keep_mappings, .change = {change, change}, .servers = {{gate_stun}}};
    media_know(srs->media, srs->world->now, &network);
}

/* One turn of the signalling loop and of the worker's, until nothing is left to do. */
static void pump(struct srs *srs)
{
    struct sip_event event;
    while (sip_event(srs->sip, &event)) {
        recorder_input(srs->recorder, srs_now(srs), &event);
        lend(srs);
    }
    do_outputs(srs);
    struct sip_output sent;
    while (sip_output(srs->sip, &sent)) {
        if (sent.kind == SIP_OUTPUT_SEND && sent.flow.protocol == SIP_PROTOCOL_TCP)
            world_stream(srs->world, sent.flow.local, sent.flow.peer, sent.bytes);
        else if (sent.kind == SIP_OUTPUT_SEND)
            world_send(srs->world, sent.flow.local, sent.flow.peer, sent.bytes);
    }
    write_journals(srs);
    ask_relays(srs);
    struct media_packet packet;
    while (media_output(srs->media, srs->world->now, &packet))
        send_media(srs, &packet);
    tell_seen(srs);
    struct media_event heard;
    while (media_event(srs->media, &heard))
        recorder_media(srs->recorder, srs_now(srs), 0, &heard);
    struct media_port released;
    while (media_release(srs->media, &released))
        take_back(srs, released.port);
    do_outputs(srs);
    lend(srs);
}

static void hear(struct srs *srs, struct media_event event)
{
    event.recording = srs->recording;
    event.at = world_wall(srs->world);
    event.tick = srs->world->now;
    recorder_media(srs->recorder, srs_now(srs), 0, &event);
    pump(srs);
}

void srs_hear(struct srs *srs, enum media_event_kind kind, uint8_t stream)
{
    hear(srs, (struct media_event){.kind = kind, .stream = stream});
}

static void hear_ice(struct srs *srs, enum media_ice_kind kind, uint8_t stream,
                     enum candidate_type ours)
{
    struct media_event event = {.kind = MEDIA_EVENT_ICE,
                                .stream = stream,
                                .addr = addr_v4(192, 0, 2, 10, (uint16_t)(40000 + 2 * stream)),
                                .ice = {.kind = kind, .component = 1, .local_type = ours}};
    memcpy(event.ice.ufrag, srs->agents[stream], ICE_UFRAG_SIZE);
    hear(srs, event);
}

void srs_hear_ice(struct srs *srs, enum media_ice_kind kind, uint8_t stream)
{
    hear_ice(srs, kind, stream, CANDIDATE_HOST);
}

void srs_hear_ice_by(struct srs *srs, enum candidate_type ours, uint8_t stream)
{
    hear_ice(srs, MEDIA_ICE_SELECTED, stream, ours);
}

bool srs_owns(const struct srs *srs, const struct addr *to)
{
    return addr_equal_ip(to, &srs->address) || addr_equal_ip(to, &srs->address6) ||
           addr_equal_ip(to, &gate_relayed) ||
           (srs->gated && addr_equal_ip(to, &srs->gate.options.outside)) ||
           (addr_is_set(&srs->moved) && addr_equal_ip(to, &srs->moved));
}

/* A connection delivers its bytes in pieces of any size. */
void srs_receive_stream(struct srs *srs, struct addr from, struct addr to, struct view bytes)
{
    struct sip_flow flow = {.id = 1000u + from.port,
                            .protocol = SIP_PROTOCOL_TCP,
                            .local = to,
                            .advertised = to,
                            .peer = from};
    while (bytes.len) {
        size_t piece = 1 + rng_below(&srs->world->rng, 700);
        sip_input_stream(srs->sip, srs->world->now, &flow, view_take(bytes, piece));
        bytes = view_skip(bytes, piece);
        pump(srs);
    }
}

void srs_receive(struct srs *srs, struct addr from, struct addr to, struct view bytes)
{
    if (to.port == srs->address.port) {
        struct sip_flow flow = {
            .protocol = SIP_PROTOCOL_UDP, .local = to, .advertised = to, .peer = from};
        sip_input_datagram(srs->sip, srs->world->now, &flow, bytes, false);
        pump(srs);
        return;
    }
    uint32_t slot = (uint32_t)to.port - gate_relay_address(0).port;
    if (addr_equal_ip(&to, &gate_relayed)) {
        if (slot < GATE_RELAYS && gate_permits(&srs->gate, slot, &from))
            arrive(srs, MEDIA_RELAY(slot), from, to, bytes);
        return;
    }
    if (srs->gated && addr_equal_ip(&to, &srs->gate.options.outside)) {
        uint16_t inside = gate_in(&srs->gate, srs->world->now, &from, to.port);
        if (inside)
            arrive(srs, (uint32_t)(inside - FIRST_PORT), from,
                   addr_with_port(srs->media_ip, inside), bytes);
        return;
    }
    arrive(srs, (uint32_t)(to.port - FIRST_PORT), from, to, bytes);
}

/* It waits in its socket for the next sweep. */
static void arrive(struct srs *srs, uint32_t socket, struct addr from, struct addr to,
                   struct view bytes)
{
    assert(srs->waiting < sizeof srs->sockets / sizeof srs->sockets[0]);
    srs->sockets[srs->waiting++] = (struct datagram){
        .socket = socket,
        .from = from,
        .to = to,
        .at = world_wall(srs->world),
        .bytes = view_of(text_copy(bytes), bytes.len),
    };
    if (tick_is_never(srs->sweep_at))
        srs->sweep_at = tick_add_ms(srs->world->now, srs->sweep_ms);
}

struct tick srs_deadline(const struct srs *srs)
{
    struct tick next = tick_min(sip_deadline(srs->sip), recorder_deadline(srs->recorder));
    return tick_min(next, tick_min(media_deadline(srs->media), srs->sweep_at));
}

static int by_socket(const void *a, const void *b)
{
    const struct datagram *x = a, *y = b;
    if (x->socket != y->socket)
        return x->socket < y->socket ? -1 : 1;
    return x->at.ns < y->at.ns ? -1 : x->at.ns > y->at.ns;
}

static void sweep(struct srs *srs)
{
    media_clock(srs->media, &(struct moment){srs->world->now, world_wall(srs->world)});
    qsort(srs->sockets, srs->waiting, sizeof srs->sockets[0], by_socket);
    for (size_t done = 0; done < srs->waiting;) {
        done += media_input(srs->media, srs->world->now, srs->sockets + done, srs->waiting - done);
        write_journals(srs);
        struct media_event heard;
        while (media_event(srs->media, &heard))
            recorder_media(srs->recorder, srs_now(srs), 0, &heard);
    }
    for (size_t i = 0; i < srs->waiting; i++)
        free((void *)(uintptr_t)srs->sockets[i].bytes.at);
    srs->waiting = 0;
    srs->sweep_at = TICK_NEVER;
}

void srs_expire(struct srs *srs)
{
    struct tick now = srs->world->now;
    sip_expire(srs->sip, now);
    recorder_expire(srs->recorder, srs_now(srs));
    if (tick_due(srs->sweep_at, now))
        sweep(srs);
    media_expire(srs->media, now);
    pump(srs);
}

bool srs_at_rest(const struct srs *srs)
{
    struct recorder_usage recorder = recorder_usage(srs->recorder);
    struct media_usage media = media_usage(srs->media);
    uint32_t used = 0;
    for (uint32_t i = 0; i < SRS_PORTS; i++)
        used += srs->port_used[i];
    bool rest = recorder.recordings == 0 && recorder.streams == 0 && media.recordings == 0 &&
                media.streams == 0 && media.ports == 0 && media.buffered == 0 &&
                sip_dialog_count(srs->sip) == 0 && used == recorder.tickets &&
                recorder.invites == recorder.accepted + recorder.refused;
    if (!rest)
        printf("# left: %u recordings %u leases; media %u/%u/%u %zu bytes; %u dialogs; %u ports "
               "used, %u tickets; %llu invites = %llu + %llu\n",
               recorder.recordings, recorder.streams, media.recordings, media.streams, media.ports,
               media.buffered, sip_dialog_count(srs->sip), used, recorder.tickets,
               (unsigned long long)recorder.invites, (unsigned long long)recorder.accepted,
               (unsigned long long)recorder.refused);
    return rest;
}
