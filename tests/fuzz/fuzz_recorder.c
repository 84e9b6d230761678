/* fuzz_recorder: messages, separated by a line "%%", from one SRC to sip, recorder and media as the
 * daemon joins them; "@T" in them becomes the To tag of our last answer. In their place a "!" and
 * some letters let the network change, relays come and go, and media want other paths. Afterwards
 * everybody hangs up, and nothing may be left. */
#include "recorder/recorder.h"

#include "base/writer.h"
#include "sip/sip.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sip *sip;
static struct recorder *recorder;
static struct media *media;
static struct recorder_now now;
static unsigned lent;
static char tag[64];
static struct pool_id named; /* the recording that a command was about last */

static void make(void)
{
    uint8_t seed[32] = {7};
    struct sip_config config = {.dialogs_max = 16, .contact_params = VIEW_LIT(";+sip.srs")};
    struct recorder_settings settings = {.recordings = 8, .retry_after_s = 5};
    struct media_config streams = {.recordings = recorder_slots(&settings),
                                   .streams = 128,
                                   .ports = 128,
                                   .silent_after_ms = 5000,
                                   .linger_ms = 200,
                                   .linger_max_ms = 2000,
                                   .apart_max = 65536,
                                   .relays = 8};
    sip = sip_create(&config);
    recorder = recorder_create(&settings, sip, seed);
    media = media_create(&streams);
    now = (struct recorder_now){{NS_PER_S}, {INT64_C(1800000000000000000)}};
    lent = 0;
    tag[0] = 0;
}

static void note_tag(struct view message)
{
    struct view to = view_skip(message, view_find(message, VIEW_LIT("\nTo:")));
    to = view_take(to, view_find(to, VIEW_LIT("\r")));
    to = view_skip(to, view_find(to, VIEW_LIT("tag=")));
    (void)view_copy(view_skip(to, 4), tag, sizeof tag);
}

/* The message with our tag in its place. */
static struct view with_tag(struct view message)
{
    static char text[65536];
    struct writer w = writer_of(text, sizeof text);
    size_t at = view_find(message, VIEW_LIT("@T"));
    writer_view(&w, view_take(message, at));
    if (at < message.len)
        writer_string(&w, tag);
    writer_view(&w, view_skip(message, at + 2));
    return writer_done(&w);
}

static void lend(void)
{
    for (; lent < 128 && recorder_usage(recorder).tickets < 40; lent++) {
        struct addr bound = addr_v4(198, 51, 100, 20, (uint16_t)(20000 + 2 * lent));
        recorder_ticket(
            recorder, now,
            &(struct recorder_ticket){.is_new = true,
                                      .port = lent,
                                      .bound = bound,
                                      .bound_rtcp = addr_with_port(bound, bound.port + 1)});
    }
}

static void pump(void)
{
    struct sip_event event;
    struct sip_output sent;
    struct recorder_output out;
    struct media_write write;
    struct media_packet packet;
    struct media_event heard;
    struct media_port port;
    while (sip_event(sip, &event))
        recorder_input(recorder, now, &event);
    for (int turn = 0; turn < 2; turn++) {
        while (recorder_output(recorder, &out)) {
            if (out.kind == RECORDER_COMMAND)
                named = out.command.recording;
            if (out.kind == RECORDER_COMMAND)
                media_command(media, now.tick, &out.command);
        }
        while (sip_output(sip, &sent))
            note_tag(sent.bytes);
        while (media_write(media, &write))
            ;
        while (media_output(media, now.tick, &packet))
            ;
        while (media_event(media, &heard))
            recorder_media(recorder, now, 0, &heard);
        while (media_release(media, &port))
            ;
    }
    lend();
}

/* Two letters each: what happens, and to which of them. */
static void happen(struct view script)
{
    static struct nat_profile profiles[2];
    for (; script.len >= 2; script = view_skip(script, 2)) {
        uint8_t which = (uint8_t)script.at[1];
        struct addr outside = addr_v4(203, 0, 113, (uint8_t)(1 + which % 4), 0);
        struct media_event event = {.recording = named,
                                    .stream = which % 4,
                                    .at = now.wall,
                                    .tick = now.tick,
                                    .addr = addr_with_port(outside, 4000)};
        struct discovery_result found = {
            .behaviour = {.mapping = (enum nat_mapping)(which % 6),
                          .filtering = (enum nat_filtering)(which / 6 % 4)},
            .external = outside};
        struct recorder_ticket ticket = {.port = which % 128, .seen_at = now.tick, .seen = outside};
        struct recorder_relay relay = {.slot = which % 8,
                                       .gone = which >= 128,
                                       .relayed = {addr_with_port(outside, 50000)},
                                       .transport = (enum recorder_relay_transport)(which / 8 % 3)};
        switch (script.at[0]) {
        case 'n':
            for (int i = 0; i < 2; i++)
                profile_init(&profiles[i], now.tick, (enum path_answer)(which / 24 % 3),
                             (struct addr){0});
            (void)profile_set_local(&profiles[0], now.tick, addr_v4(10, 0, 0, which % 3, 0));
            profile_tell_behaviour(&profiles[0], now.tick, &found);
            recorder_know(recorder, now, profiles);
            break;
        case 't':
            ticket.seen.port = (uint16_t)(40000 + which);
            recorder_ticket(recorder, now, &ticket);
            break;
        case 'r':
            recorder_relay(recorder, now, &relay);
            break;
        case 's':
            recorder_refuse(recorder, RECORDER_SETTLING, which % 2);
            break;
        default:
            event.kind = (enum media_event_kind)(which / 4 % (MEDIA_EVENT_ICE + 1));
            if (event.kind != MEDIA_EVENT_ICE)
                recorder_media(recorder, now, 0, &event);
            break;
        }
    }
}

static void wait_ms(int64_t ms)
{
    now.tick = tick_add_ms(now.tick, ms);
    now.wall = wall_add_ms(now.wall, ms);
    sip_expire(sip, now.tick);
    pump();
    recorder_expire(recorder, now);
    media_expire(media, now.tick);
    pump();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view rest = view_of(data, size);
    struct addr srs = addr_v4(198, 51, 100, 20, 5060);
    struct sip_flow flow = {.local = srs, .advertised = srs, .peer = addr_v4(192, 0, 2, 10, 5060)};
    make();
    lend();
    for (int i = 0; i < 12 && rest.at; i++) {
        size_t end = view_find(rest, VIEW_LIT("%%\n"));
        if (rest.len && rest.at[0] == '!')
            happen(view_skip(view_take(rest, end), 1));
        else
            sip_input_datagram(sip, now.tick, &flow, with_tag(view_take(rest, end)), false);
        rest = end < rest.len ? view_skip(rest, end + 3) : VIEW_NONE;
        pump();
        wait_ms(100);
    }
    recorder_refuse(recorder, RECORDER_SETTLING, false);
    recorder_hang_up(recorder, now);
    pump();
    for (int i = 0; i < 200; i++)
        wait_ms(1000);
    struct recorder_usage calls = recorder_usage(recorder);
    struct media_usage streams = media_usage(media);
    assert(calls.recordings == 0 && calls.streams == 0 && streams.recordings == 0 &&
           streams.streams == 0 && streams.ports == 0 && streams.buffered == 0);
    assert(calls.invites == calls.accepted + calls.refused);
    recorder_destroy(recorder);
    media_destroy(media);
    sip_destroy(sip);
    return 0;
}
