/* Tests of render as a whole: journals built in memory, rendered, and the sound looked at. */
#include "render/render.h"

#include <fcntl.h>
#include <jansson.h>
#include <sys/mman.h>
#include <unistd.h>

#include "render_fixture.h"
#include "tap.h"

static const struct fixture_line TWO[] = {
    {"1", "0 101", "a=rtpmap:101 telephone-event/8000\r\n", "alice", NULL},
    {"2", "0 101", "a=rtpmap:101 telephone-event/8000\r\n", "bob", NULL},
};

/* What came out: a wav without its header, and the result. */
struct sound {
    int16_t *frames;
    int64_t length;
    uint32_t channels, rate;
    json_t *result;
};

static struct sound listen(struct fixture *f, enum render_layout layout)
{
    struct sound sound = {0};
    int fd = memfd_create("sound", 0);
    const char *name = "sound.wav", *error = NULL;
    char *text = NULL;
    uint8_t used = 0;
    fixture_write(f);
    struct render_job job = {
        .journal = {f->bytes, f->len},
        .format = RENDER_FORMAT_WAV,
        .layout = layout,
        .files = &fd,
        .names = &name,
        .file_count = 1,
    };
    if (!CHECK_INT(render_journal(&job, &text, &used, &error), RENDER_DONE))
        printf("# %s\n", error);
    off_t size = lseek(fd, 0, SEEK_END);
    if (text != NULL && size >= 44) {
        sound.result = json_loads(text, 0, NULL);
        char head[44];
        CHECK_INT(pread(fd, head, 44, 0), 44);
        uint16_t channels;
        uint32_t rate, data;
        memcpy(&channels, head + 22, 2);
        memcpy(&rate, head + 24, 4);
        size_t skip = channels > 2 ? 68 : 44;
        memcpy(&data, head + 40, 4);
        sound.channels = channels;
        sound.rate = rate;
        sound.frames = malloc((size_t)size);
        CHECK_INT(pread(fd, sound.frames, (size_t)size, (off_t)skip), size - (off_t)skip);
        sound.length = (size - (off_t)skip) / 2 / channels;
    }
    if (getenv("SHOW"))
        printf("# %s\n", text ? text : error);
    free(text);
    close(fd);
    fixture_free(f);
    return sound;
}

static void sound_free(struct sound *sound)
{
    free(sound->frames);
    json_decref(sound->result);
}

/* The amplitude of one frequency in a stretch (Goertzel). */
static double level(const struct sound *s, uint32_t channel, double hz, double from_s, double to_s)
{
    int64_t from = (int64_t)(from_s * s->rate), to = (int64_t)(to_s * s->rate);
    double w = 2 * cos(2 * M_PI * hz / s->rate), a = 0, b = 0;
    if (to > s->length)
        to = s->length;
    if (to <= from || s->frames == NULL)
        return -1;
    for (int64_t i = from; i < to; i++) {
        double c = s->frames[i * s->channels + channel] + w * a - b;
        b = a;
        a = c;
    }
    return 2 * sqrt(a * a + b * b - w * a * b) / (double)(to - from);
}

/* Root mean square. */
static double power(const struct sound *s, uint32_t channel, double from_s, double to_s)
{
    int64_t from = (int64_t)(from_s * s->rate), to = (int64_t)(to_s * s->rate);
    double sum = 0;
    if (to > s->length)
        to = s->length;
    if (to <= from || s->frames == NULL)
        return -1;
    for (int64_t i = from; i < to; i++)
        sum += (double)s->frames[i * s->channels + channel] * s->frames[i * s->channels + channel];
    return sqrt(sum / (double)(to - from));
}

/* Where the loudest sample near a time is. */
static double click_at(const struct sound *s, uint32_t channel, double near_s)
{
    int64_t from = (int64_t)((near_s - 1) * s->rate), to = (int64_t)((near_s + 1) * s->rate);
    int64_t best = -1;
    int loudest = 2000;
    for (int64_t i = from < 0 ? 0 : from; i < to && i < s->length; i++) {
        int size = abs(s->frames[i * s->channels + channel]);
        if (size > loudest) {
            loudest = size;
            best = i;
        }
    }
    return best < 0 ? -1 : (double)best / s->rate;
}

static json_t *stream_of(const struct sound *s, size_t i)
{
    return json_array_get(json_object_get(s->result, "streams"), i);
}

static int64_t number(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static bool warned(const struct sound *s, const char *code)
{
    size_t i;
    json_t *warning;
    json_array_foreach(json_object_get(s->result, "warnings"), i,
                       warning) if (strcmp(json_string_value(json_object_get(warning, "code")),
                                           code) == 0) return true;
    return false;
}

/* One sender of G.711 in simulated time. */
struct sender {
    uint32_t stream, ssrc;
    uint16_t seq;
    uint32_t timestamp; /* of time 0 */
    double from_s, to_s;
    double tone_hz;   /* 0: silence with clicks */
    double click_s;   /* a click every so often, at true time */
    double ppm;       /* its clock is fast by so much */
    double jitter_ms; /* random, upwards */
    double delay_ms;
    double loss, reorder, duplicate; /* probabilities */
    double pause_from_s, pause_to_s; /* sends nothing */
    bool stands_still;               /* and its timestamps do not go on meanwhile */
    uint32_t seed;
};

static double chance(uint32_t *seed)
{
    *seed = *seed * 1664525U + 1013904223U;
    return (double)(*seed >> 8) / (1 << 24);
}

static int sample_at(const struct sender *s, double t)
{
    if (s->tone_hz > 0)
        return (int)(12000 * sin(2 * M_PI * s->tone_hz * t));
    double since = fmod(t + 0.0005, s->click_s);
    return since < 0.001 && t > 0.1 ? 24000 : 0;
}

static void send_packets(struct fixture *f, struct sender s)
{
    double rate = 8000 * (1 + s.ppm * 1e-6);
    int64_t skipped = 0;
    for (int64_t k = (int64_t)(s.from_s * 50); k < (int64_t)(s.to_s * 50); k++) {
        uint8_t payload[160];
        double start = (double)(k * 160) / rate;
        if (start >= s.pause_from_s && start < s.pause_to_s) {
            skipped += s.stands_still ? 160 : 0;
            continue;
        }
        for (int i = 0; i < 160; i++)
            payload[i] = fixture_ulaw(sample_at(&s, (double)(k * 160 + i) / rate));
        struct fixture_rtp rtp = {
            .stream = s.stream,
            .seq = s.seq++,
            .timestamp = s.timestamp + (uint32_t)(k * 160 - skipped),
            .ssrc = s.ssrc,
            .payload = payload,
            .len = sizeof payload,
        };
        double late = s.delay_ms + s.jitter_ms * chance(&s.seed);
        if (chance(&s.seed) < s.reorder)
            late += 45;
        int64_t at = (int64_t)((start + 0.02) * 1e9 + late * 1e6);
        if (chance(&s.seed) < s.loss)
            continue;
        fixture_rtp(f, at, &rtp);
        if (chance(&s.seed) < s.duplicate)
            fixture_rtp(f, at + NS_PER_MS, &rtp);
    }
}

static void test_two_tones_two_channels(void)
{
    struct fixture *f = fixture_begin(TWO, 2);
    send_packets(f, (struct sender){.stream = 0, .ssrc = 1, .to_s = 10, .tone_hz = 440});
    send_packets(f, (struct sender){.stream = 1, .ssrc = 2, .to_s = 10, .tone_hz = 660});
    struct sound s = listen(f, RENDER_LAYOUT_STEREO);
    CHECK_INT(s.channels, 2);
    CHECK_INT(s.rate, 8000);
    CHECK_INT(s.length, 80000);
    CHECK(fabs(level(&s, 0, 440, 0, 10) - 12000) < 200);
    CHECK(fabs(level(&s, 1, 660, 0, 10) - 12000) < 200);
    CHECK(level(&s, 0, 660, 0, 10) < 100);
    CHECK(level(&s, 1, 440, 0, 10) < 100);
    CHECK_INT(number(s.result, "duration_ms"), 10000);
    CHECK_INT(number(stream_of(&s, 0), "packets"), 500);
    CHECK_INT(number(stream_of(&s, 0), "lost"), 0);
    json_t *right = json_array_get(json_object_get(s.result, "channels"), 1);
    CHECK_TEXT(json_string_value(json_object_get(right, "label")), "2");
    CHECK_TEXT(json_string_value(json_object_get(right, "derived")), "label");
    CHECK_TEXT(json_string_value(json_object_get(json_object_get(right, "participant"), "aor")),
               "sip:bob@example.com");
    CHECK_INT(json_array_size(json_object_get(s.result, "warnings")), 0);
    sound_free(&s);
}

static void test_an_hour_of_drift_stays_aligned(void)
{
    struct fixture *f = fixture_begin(TWO, 2);
    send_packets(f, (struct sender){.stream = 0,
                                    .ssrc = 1,
                                    .timestamp = 0xFFFFF000,
                                    .seq = 65000,
                                    .to_s = 3600,
                                    .click_s = 60,
                                    .jitter_ms = 15});
    send_packets(f, (struct sender){.stream = 1,
                                    .ssrc = 2,
                                    .to_s = 3600,
                                    .click_s = 60,
                                    .ppm = 100,
                                    .jitter_ms = 15,
                                    .seed = 7});
    struct sound s = listen(f, RENDER_LAYOUT_STEREO);
    double worst = 0, worst_apart = 0;
    for (int minute = 1; minute < 60; minute++) {
        double left = click_at(&s, 0, minute * 60), right = click_at(&s, 1, minute * 60);
        CHECK(left > 0 && right > 0);
        worst = fmax(worst, fmax(fabs(left - minute * 60), fabs(right - minute * 60)));
        worst_apart = fmax(worst_apart, fabs(left - right));
    }
    printf("# clicks are at most %.2f ms apart, %.2f ms from their true time\n", worst_apart * 1e3,
           worst * 1e3);
    CHECK(worst_apart < 0.020);
    CHECK(worst < 0.020);
    CHECK(fabs(json_real_value(json_object_get(stream_of(&s, 1), "drift_ppm")) - 100) < 2);
    CHECK(llabs(number(s.result, "duration_ms") - 3600000) < 40);
    sound_free(&s);
}

/* Clicks every two seconds; the largest deviation from true time, or 99 when one is missing. */
static double even_clicks_worst(const struct sound *s, uint32_t channel, int from, int to)
{
    double worst = 0;
    for (int second = from; second < to; second += 2) {
        double at = click_at(s, channel, second);
        if (at < 0)
            printf("# no click at %d s on %u\n", second, channel);
        worst = fmax(worst, at < 0 ? 99 : fabs(at - second));
    }
    return worst;
}

static void test_loss_reordering_duplicates_never_shift(void)
{
    struct fixture *f = fixture_begin(TWO, 2);
    send_packets(f, (struct sender){.stream = 0,
                                    .ssrc = 1,
                                    .seq = 65500,
                                    .timestamp = 0xFFFF0000,
                                    .to_s = 120,
                                    .click_s = 2,
                                    .jitter_ms = 10,
                                    .loss = 0.05,
                                    .reorder = 0.05,
                                    .duplicate = 0.03,
                                    .seed = 3});
    send_packets(f, (struct sender){.stream = 1, .ssrc = 2, .to_s = 120, .tone_hz = 660});
    struct sound s = listen(f, RENDER_LAYOUT_STEREO);
    json_t *stream = stream_of(&s, 0);
    double worst = 0;
    int found = 0;
    for (int second = 2; second < 120; second += 2) {
        double at = click_at(&s, 0, second);
        if (at < 0)
            continue; /* lost */
        found++;
        worst = fmax(worst, fabs(at - second));
    }
    CHECK(found >= 50);
    CHECK(worst < 0.012);
    CHECK(number(stream, "lost") > 200 && number(stream, "lost") < 400);
    CHECK(number(stream, "duplicates") > 100);
    CHECK(number(stream, "reordered") > 200);
    CHECK_INT(number(stream, "late"), 0);
    CHECK_INT(number(stream, "epochs"), 1);
    CHECK(llabs(s.length - 120 * 8000) < 160 * 4);
    sound_free(&s);
}

static void test_late_leg_is_padded(void)
{
    struct fixture *f = fixture_begin(TWO, 2);
    send_packets(f, (struct sender){.stream = 0, .ssrc = 1, .to_s = 20, .click_s = 2});
    send_packets(
        f,
        (struct sender){
            .stream = 1, .ssrc = 2, .timestamp = 123456789, .from_s = 7, .to_s = 20, .click_s = 2});
    struct sound s = listen(f, RENDER_LAYOUT_STEREO);
    CHECK(even_clicks_worst(&s, 0, 2, 20) < 0.002);
    CHECK(even_clicks_worst(&s, 1, 8, 20) < 0.002);
    CHECK(power(&s, 1, 0, 6.9) < 1);
    CHECK_INT(s.length, 160000);
    sound_free(&s);
}

static void test_silence_suppression_and_sender_pauses(void)
{
    /* Left: silence suppression, its timestamps go on. Right: on hold, its timestamps stand still,
     * so only arrival tells how long it took. */
    struct fixture *f = fixture_begin(TWO, 2);
    send_packets(f, (struct sender){.stream = 0,
                                    .ssrc = 1,
                                    .to_s = 60,
                                    .click_s = 2,
                                    .pause_from_s = 10.5,
                                    .pause_to_s = 31.5,
                                    .jitter_ms = 5});
    send_packets(f, (struct sender){.stream = 1,
                                    .ssrc = 2,
                                    .to_s = 60,
                                    .click_s = 2,
                                    .pause_from_s = 10.5,
                                    .pause_to_s = 31.5,
                                    .jitter_ms = 5,
                                    .stands_still = true,
                                    .seed = 9});
    struct sound s = listen(f, RENDER_LAYOUT_STEREO);
    for (uint32_t channel = 0; channel < 2; channel++) {
        CHECK(even_clicks_worst(&s, channel, 2, 10) < 0.008);
        CHECK(even_clicks_worst(&s, channel, 32, 60) < 0.008);
        CHECK(power(&s, channel, 10.6, 31.4) < 1);
    }
    CHECK_INT(number(stream_of(&s, 0), "epochs"), 1);
    CHECK_INT(number(stream_of(&s, 1), "epochs"), 2);
    CHECK_INT(number(stream_of(&s, 0), "lost"), 0);
    CHECK(llabs(s.length - 60 * 8000) < 160);
    sound_free(&s);
}

static void test_hold_is_silence_on_the_wall_clock(void)
{
    /* Held from 10 s on: what comes meanwhile is not in the journal, so sequence numbers jump. */
    struct fixture *f = fixture_begin(TWO, 2);
    struct sender a = {.stream = 0, .ssrc = 1, .to_s = 10, .click_s = 2};
    send_packets(f, a);
    fixture_mark(f, 0, 10 * NS_PER_S, "{\"siprecd\":\"pause\"}");
    fixture_mark(f, 0, 40 * NS_PER_S, "{\"siprecd\":\"resume\"}");
    a.from_s = 40;
    a.to_s = 50;
    a.seq = 2000;
    send_packets(f, a);
    fixture_mark(f, 0, 50 * NS_PER_S + NS_PER_S / 2, "{\"siprecd\":\"pause\"}");
    fixture_mark(f, UINT32_MAX, 80 * NS_PER_S, "{\"siprecd\":\"ended\"}");
    struct sound s = listen(f, RENDER_LAYOUT_STEREO);
    CHECK(even_clicks_worst(&s, 0, 2, 10) < 0.002);
    CHECK(even_clicks_worst(&s, 0, 42, 50) < 0.002);
    CHECK(power(&s, 0, 10, 39.9) < 1);
    CHECK_INT(number(stream_of(&s, 0), "lost"), 0);
    /* The second hold lasted until the end of the call. */
    CHECK(llabs(number(s.result, "duration_ms") - 80000) <= 20);
    sound_free(&s);
}

static void test_new_ssrc_is_a_new_epoch(void)
{
    struct fixture *f = fixture_begin(TWO, 2);
    send_packets(f, (struct sender){.stream = 0, .ssrc = 1, .to_s = 10, .click_s = 2});
    send_packets(f, (struct sender){.stream = 0,
                                    .ssrc = 0xDEAD,
                                    .seq = 4711,
                                    .timestamp = 0x80000000,
                                    .from_s = 10.5,
                                    .to_s = 20,
                                    .click_s = 2});
    send_packets(f, (struct sender){.stream = 1, .ssrc = 2, .to_s = 20, .click_s = 2});
    struct sound s = listen(f, RENDER_LAYOUT_STEREO);
    CHECK(even_clicks_worst(&s, 0, 2, 20) < 0.002);
    CHECK_INT(number(stream_of(&s, 0), "epochs"), 2);
    CHECK_INT(number(stream_of(&s, 0), "lost"), 0);
    CHECK_INT(s.length, 160000);
    sound_free(&s);
}

static void test_jumping_timestamps_cannot_stretch(void)
{
    /* At 10 s the sender's timestamps jump a day ahead and go on from there; at 20 s one packet
     * carries nonsense; at 30 s they jump back. */
    struct fixture *f = fixture_begin(TWO, 2);
    uint32_t day = 24U * 3600 * 8000;
    struct sender a = {.stream = 0, .ssrc = 1, .timestamp = 5000, .to_s = 10, .click_s = 2};
    send_packets(f, a);
    a = (struct sender){.stream = 0,
                        .ssrc = 1,
                        .seq = 500,
                        .timestamp = 5000 + day,
                        .from_s = 10,
                        .to_s = 30,
                        .click_s = 2};
    send_packets(f, a);
    uint8_t noise[160];
    memset(noise, 0, sizeof noise);
    fixture_rtp(f, 20 * NS_PER_S + 25 * NS_PER_MS,
                &(struct fixture_rtp){.stream = 0,
                                      .ssrc = 1,
                                      .seq = 1000,
                                      .timestamp = 0x12345678,
                                      .payload = noise,
                                      .len = sizeof noise});
    a = (struct sender){.stream = 0,
                        .ssrc = 1,
                        .seq = 1500,
                        .timestamp = 77,
                        .from_s = 30,
                        .to_s = 40,
                        .click_s = 2};
    send_packets(f, a);
    struct sound s = listen(f, RENDER_LAYOUT_STEREO);
    CHECK(even_clicks_worst(&s, 0, 2, 40) < 0.025);
    CHECK(llabs(s.length - 40 * 8000) < 320);
    CHECK(warned(&s, "timestamp-bogus"));
    sound_free(&s);
}

static void test_a_stalled_network_is_no_jump(void)
{
    /* Between 10 and 13 s nothing gets through, then all of it at once: a long way from wrap, loss
     * or hold. */
    struct fixture *f = fixture_begin(TWO, 2);
    send_packets(f, (struct sender){.stream = 0, .ssrc = 1, .to_s = 30, .click_s = 2});
    for (size_t i = 0; i < f->count; i++)
        if (f->packets[i].at_ns > 10 * NS_PER_S && f->packets[i].at_ns < 13 * NS_PER_S)
            f->packets[i].at_ns = 13 * NS_PER_S + (int64_t)i * 1000;
    struct sound s = listen(f, RENDER_LAYOUT_STEREO);
    CHECK(even_clicks_worst(&s, 0, 2, 30) < 0.002);
    CHECK_INT(number(stream_of(&s, 0), "epochs"), 1);
    CHECK_INT(number(stream_of(&s, 0), "late"), 0);
    sound_free(&s);
}

static void test_foreign_packets_are_never_heard(void)
{
    struct fixture *f = fixture_begin(TWO, 2);
    send_packets(f, (struct sender){.stream = 0, .ssrc = 1, .to_s = 10, .tone_hz = 440});
    size_t own = f->count;
    send_packets(f, (struct sender){.stream = 0, .ssrc = 99, .to_s = 10, .tone_hz = 1000});
    for (size_t i = own; i < f->count; i++)
        f->packets[i].apart = true;
    struct sound s = listen(f, RENDER_LAYOUT_STEREO);
    CHECK(fabs(level(&s, 0, 440, 0, 10) - 12000) < 200);
    CHECK(level(&s, 0, 1000, 0, 10) < 50);
    sound_free(&s);
}

static void test_digits_are_events_not_sound(void)
{
    struct fixture *f = fixture_begin(TWO, 2);
    send_packets(f, (struct sender){.stream = 0, .ssrc = 1, .to_s = 10, .tone_hz = 440});
    for (int i = 0; i < 6; i++) {
        uint8_t event[4] = {5, (uint8_t)(i >= 4 ? 0x8A : 0x0A), 0, (uint8_t)(160 * (i + 1) & 0xFF)};
        event[2] = (uint8_t)(160 * (i > 4 ? 5 : i + 1) >> 8);
        event[3] = (uint8_t)(160 * (i > 4 ? 5 : i + 1));
        fixture_rtp(f, 4 * NS_PER_S + i * 20 * NS_PER_MS,
                    &(struct fixture_rtp){.stream = 1,
                                          .ssrc = 2,
                                          .type = 101,
                                          .marker = i == 0,
                                          .seq = (uint16_t)i,
                                          .timestamp = 32000,
                                          .payload = event,
                                          .len = 4});
    }
    struct sound s = listen(f, RENDER_LAYOUT_STEREO);
    json_t *digits = json_object_get(s.result, "digits"), *digit = json_array_get(digits, 0);
    CHECK_INT(json_array_size(digits), 1);
    CHECK_TEXT(json_string_value(json_object_get(digit, "digit")), "5");
    CHECK_TEXT(json_string_value(json_object_get(digit, "label")), "2");
    CHECK_INT(number(digit, "duration_ms"), 100);
    CHECK(llabs(number(digit, "at_ms") - 4000) < 25);
    CHECK(power(&s, 1, 0, 10) < 1);
    sound_free(&s);
}

static void test_sender_reports_align_what_arrival_cannot(void)
{
    /* The right leg travels 150 ms longer; both tell the time by the same clock. */
    struct fixture *f = fixture_begin(TWO, 2);
    for (uint32_t i = 0; i < 2; i++) {
        send_packets(f, (struct sender){.stream = i,
                                        .ssrc = 10 + i,
                                        .timestamp = 1000 * i,
                                        .to_s = 60,
                                        .click_s = 2,
                                        .delay_ms = i ? 150 : 0});
        for (int k = 1; k < 60; k += 5) {
            struct rtcp_sender_report report = {
                .ssrc = 10 + i,
                .info = {.ntp = rtcp_ntp_of((struct wall){FIXTURE_START + k * NS_PER_S}),
                         .timestamp = 1000 * i + (uint32_t)k * 8000}};
            fixture_report(f, i, k * NS_PER_S + (i ? 170 : 20) * NS_PER_MS, &report, "sbc@example");
        }
    }
    struct sound s = listen(f, RENDER_LAYOUT_STEREO);
    CHECK(even_clicks_worst(&s, 0, 2, 60) < 0.002);
    CHECK(even_clicks_worst(&s, 1, 2, 60) < 0.002);
    CHECK_TEXT(json_string_value(json_object_get(stream_of(&s, 1), "clock")), "reports");
    sound_free(&s);
}

static void test_one_participant_with_two_streams(void)
{
    const struct fixture_line lines[] = {
        {"1", "0", "", "alice", NULL}, {"2", "0", "", "bob", NULL}, {"3", "0", "", "alice", NULL}};
    struct fixture *f = fixture_begin(lines, 3);
    send_packets(f, (struct sender){.stream = 0, .ssrc = 1, .to_s = 5, .tone_hz = 440});
    send_packets(f, (struct sender){.stream = 1, .ssrc = 2, .to_s = 5, .tone_hz = 660});
    send_packets(f, (struct sender){.stream = 2, .ssrc = 3, .to_s = 5, .tone_hz = 1500});
    struct sound s = listen(f, RENDER_LAYOUT_STEREO);
    CHECK_INT(s.channels, 2);
    CHECK(level(&s, 0, 440, 0, 5) > 8000 && level(&s, 0, 1500, 0, 5) > 8000);
    CHECK(level(&s, 0, 660, 0, 5) < 100);
    CHECK(level(&s, 1, 660, 0, 5) > 11000 && level(&s, 1, 1500, 0, 5) < 100);
    sound_free(&s);
}

static void test_three_participants_and_mono(void)
{
    const struct fixture_line lines[] = {
        {"1", "0", "", "alice", NULL}, {"2", "0", "", "bob", NULL}, {"3", "0", "", "carol", NULL}};
    const double tones[] = {440, 660, 1500};
    for (int mono = 0; mono < 2; mono++) {
        struct fixture *f = fixture_begin(lines, 3);
        for (uint32_t i = 0; i < 3; i++)
            send_packets(f,
                         (struct sender){.stream = i, .ssrc = i, .to_s = 5, .tone_hz = tones[i]});
        struct sound s = listen(f, mono ? RENDER_LAYOUT_MONO : RENDER_LAYOUT_STEREO);
        CHECK_INT(s.channels, mono ? 1 : 3);
        for (uint32_t i = 0; i < 3; i++)
            CHECK(level(&s, mono ? 0 : i, tones[i], 0, 5) > 8000);
        if (!mono)
            CHECK(level(&s, 0, 660, 0, 5) < 100 && level(&s, 2, 440, 0, 5) < 100);
        sound_free(&s);
    }
}

static void test_mixed_stream_is_mono(void)
{
    const struct fixture_line line[] = {{"1", "0", "", NULL, NULL}};
    const char *metadata =
        "<recording xmlns=\"urn:ietf:params:xml:ns:recording:1\"><datamode>complete</datamode>"
        "<session session_id=\"s1\"/><participant participant_id=\"a\"><nameID "
        "aor=\"sip:a@example.com\"/></participant><participant participant_id=\"b\"><nameID "
        "aor=\"sip:b@example.com\"/></participant><stream stream_id=\"m\" session_id=\"s1\"><label>"
        "1</label></stream><participantstreamassoc participant_id=\"a\"><send>m</send>"
        "</participantstreamassoc><participantstreamassoc participant_id=\"b\"><send>m</send>"
        "</participantstreamassoc></recording>";
    struct fixture *f = fixture_begin(line, 1);
    fixture_exchange(f, -NS_PER_S / 2, 2, line, 1, metadata);
    send_packets(f, (struct sender){.stream = 0, .ssrc = 1, .to_s = 5, .tone_hz = 440});
    struct sound s = listen(f, RENDER_LAYOUT_STEREO);
    json_t *channel = json_array_get(json_object_get(s.result, "channels"),
                                     json_array_size(json_object_get(s.result, "channels")) - 1);
    CHECK_TEXT(json_string_value(json_object_get(channel, "derived")), "mixed");
    CHECK_INT(json_array_size(json_object_get(channel, "participants")), 2);
    sound_free(&s);
}

static void test_who_joins_a_stream_joins_its_channel(void)
{
    /* Alice and Bob; after five seconds Carol joins on Alice's stream. */
    const struct fixture_line lines[] = {{"1", "0", "", "alice", NULL},
                                         {"2", "0", "", "bob", NULL}};
    const char *metadata =
        "<recording xmlns=\"urn:ietf:params:xml:ns:recording:1\"><datamode>partial</datamode>"
        "<participant participant_id=\"carol\"><nameID "
        "aor=\"sip:carol@example.com\"/></participant>"
        "<participantstreamassoc participant_id=\"carol\"><send>st0</send></participantstreamassoc>"
        "</recording>";
    struct fixture *f = fixture_begin(lines, 2);
    send_packets(f, (struct sender){.stream = 0, .ssrc = 1, .to_s = 5, .tone_hz = 440});
    send_packets(f, (struct sender){.stream = 1, .ssrc = 2, .to_s = 5, .tone_hz = 660});
    fixture_write(f);
    fixture_exchange(f, 5 * NS_PER_S, 2, lines, 2, metadata);
    send_packets(f,
                 (struct sender){
                     .stream = 0, .ssrc = 1, .seq = 250, .from_s = 5, .to_s = 10, .tone_hz = 440});
    send_packets(f,
                 (struct sender){
                     .stream = 1, .ssrc = 2, .seq = 250, .from_s = 5, .to_s = 10, .tone_hz = 660});
    struct sound s = listen(f, RENDER_LAYOUT_STEREO);
    json_t *left = json_array_get(json_object_get(s.result, "channels"), 0);
    CHECK_INT(s.channels, 2);
    CHECK(level(&s, 0, 440, 0, 10) > 11000 && level(&s, 1, 660, 0, 10) > 11000);
    CHECK_TEXT(json_string_value(json_object_get(json_object_get(left, "participant"), "id")),
               "alice");
    CHECK_INT(json_array_size(json_object_get(left, "participants")), 2);
    sound_free(&s);
}

static void test_who_leaves_a_stream_to_another_has_another_channel(void)
{
    /* Bob is transferred: Carol comes on his stream, he is gone. */
    const struct fixture_line before[] = {{"1", "0", "", "alice", NULL},
                                          {"2", "0", "", "bob", NULL}};
    const struct fixture_line after[] = {{"1", "0", "", "alice", NULL},
                                         {"2", "0", "", "carol", NULL}};
    static char metadata[8192];
    struct fixture *f = fixture_begin(before, 2);
    send_packets(f, (struct sender){.stream = 0, .ssrc = 1, .to_s = 5, .tone_hz = 440});
    fixture_write(f);
    fixture_metadata(metadata, sizeof metadata, after, 2);
    fixture_exchange(f, 5 * NS_PER_S, 2, after, 2, metadata);
    send_packets(f,
                 (struct sender){.stream = 1, .ssrc = 2, .from_s = 6, .to_s = 10, .tone_hz = 660});
    struct sound s = listen(f, RENDER_LAYOUT_STEREO);
    CHECK_INT(s.channels, 3);
    CHECK(power(&s, 1, 0, 10) < 1);
    CHECK(level(&s, 2, 660, 6.1, 9.9) > 11000);
    sound_free(&s);
}

static void test_reports_that_lie_are_not_believed(void)
{
    struct fixture *f = fixture_begin(TWO, 2);
    for (uint32_t i = 0; i < 2; i++) {
        send_packets(f, (struct sender){.stream = i, .ssrc = 10 + i, .to_s = 30, .click_s = 2});
        for (int k = 1; k < 30; k += 5) {
            struct rtcp_sender_report report = {
                .ssrc = 10 + i,
                .info = {.ntp = rtcp_ntp_of(
                             (struct wall){FIXTURE_START + (k + (i ? 3600 : 0)) * NS_PER_S}),
                         .timestamp = (uint32_t)k * 8000}};
            fixture_report(f, i, k * NS_PER_S + 20 * NS_PER_MS, &report, "sbc@example");
        }
    }
    struct sound s = listen(f, RENDER_LAYOUT_STEREO);
    CHECK(even_clicks_worst(&s, 0, 2, 30) < 0.002);
    CHECK(even_clicks_worst(&s, 1, 2, 30) < 0.002);
    CHECK(warned(&s, "reports-disagree"));
    sound_free(&s);
}

static void test_our_clock_set_back(void)
{
    /* In the middle of the call our wall clock is set back by an hour. */
    struct fixture *f = fixture_begin(TWO, 2);
    send_packets(f, (struct sender){.stream = 0, .ssrc = 1, .to_s = 10, .click_s = 2});
    fixture_write(f);
    send_packets(f,
                 (struct sender){
                     .stream = 0, .ssrc = 1, .seq = 500, .from_s = 10, .to_s = 20, .click_s = 2});
    for (size_t i = 0; i < f->count; i++)
        f->packets[i].at_ns -= 3600 * NS_PER_S;
    struct sound s = listen(f, RENDER_LAYOUT_STEREO);
    CHECK(even_clicks_worst(&s, 0, 2, 20) < 0.025);
    CHECK(llabs(s.length - 160000) < 400);
    CHECK(warned(&s, "clock-set-back"));
    sound_free(&s);
}

static void test_a_worker_that_stood_still(void)
{
    /* What came in 5 s in which nobody read stands in the journal stream by stream, so records go
     * back by all of it, and no clock was set. */
    struct fixture *f = fixture_begin(TWO, 2);
    const double ends[] = {0, 4, 9, 20};
    for (int part = 0; part < 3; part++) {
        for (uint32_t stream = 0; stream < 2; stream++) {
            send_packets(f, (struct sender){.stream = stream,
                                            .ssrc = 1 + stream,
                                            .seq = (uint16_t)(ends[part] * 50),
                                            .from_s = ends[part],
                                            .to_s = ends[part + 1],
                                            .click_s = 2});
            /* Signalling's mark has the time at which it was made, and was there before them. */
            if (part == 1 && stream == 0)
                fixture_mark(f, 1, 8500 * NS_PER_MS, "siprecd:{\"v\":1,\"type\":\"x\"}");
            if (part == 1)
                fixture_write(f);
            if (part == 1 && stream == 0)
                fixture_mark(f, 1, 5 * NS_PER_S, "siprecd:{\"v\":1,\"type\":\"x\"}");
        }
        fixture_write(f);
    }
    struct sound s = listen(f, RENDER_LAYOUT_STEREO);
    CHECK(even_clicks_worst(&s, 0, 2, 20) < 0.002);
    CHECK(even_clicks_worst(&s, 1, 2, 20) < 0.002);
    CHECK_INT(s.length, 160000);
    CHECK_INT(number(stream_of(&s, 1), "epochs"), 1);
    CHECK(!warned(&s, "clock-set-back"));
    sound_free(&s);
}

/* Not even a little at a time does a flow go back for long. */
static void test_time_that_creeps_back(void)
{
    struct fixture *f = fixture_begin(TWO, 2);
    send_packets(f, (struct sender){.stream = 0, .ssrc = 1, .to_s = 10, .click_s = 2});
    fixture_write(f);
    for (int i = 1; i <= 200; i++) {
        uint8_t payload[160] = {0};
        fixture_rtp(f, (10 - i * 19 / 10) * NS_PER_S,
                    &(struct fixture_rtp){
                        .seq = (uint16_t)(500 + i), .ssrc = 1, .payload = payload, .len = 160});
        fixture_write(f);
    }
    struct sound s = listen(f, RENDER_LAYOUT_STEREO);
    CHECK(even_clicks_worst(&s, 0, 2, 10) < 0.025);
    CHECK(warned(&s, "clock-set-back"));
    sound_free(&s);
}

static void test_our_clock_set_forward(void)
{
    /* The machine began without a clock and learned the time five seconds into the call. */
    struct fixture *f = fixture_begin(TWO, 2);
    send_packets(f, (struct sender){.stream = 0, .ssrc = 1, .to_s = 10, .click_s = 2});
    for (size_t i = 0; i < f->count; i++)
        if (f->packets[i].at_ns > 5 * NS_PER_S)
            f->packets[i].at_ns += INT64_C(3600) * 24 * 365 * 56 * NS_PER_S;
    struct sound s = listen(f, RENDER_LAYOUT_STEREO);
    CHECK(even_clicks_worst(&s, 0, 2, 10) < 0.025);
    CHECK(llabs(s.length - 80000) < 400);
    CHECK(warned(&s, "clock-set-forward"));
    sound_free(&s);
}

static void test_codec_may_change_in_the_call(void)
{
    /* 96 is A-law at first, after the re-INVITE linear at 16 kHz. */
    const struct fixture_line before[] = {{"1", "96", "a=rtpmap:96 PCMA/8000\r\n", "alice", NULL}};
    const struct fixture_line after[] = {{"1", "96", "a=rtpmap:96 L16/16000\r\n", "alice", NULL}};
    struct fixture *f = fixture_begin(before, 1);
    for (int k = 0; k < 500; k++) {
        int16_t linear[320];
        uint8_t bytes[640], alaw[160];
        bool wide = k >= 250;
        for (int i = 0; i < 320; i++) {
            double t = k * 0.02 + i / 16000.0;
            linear[i] = (int16_t)(10000 * sin(2 * M_PI * (wide ? 3000 : 500) * t));
            bytes[2 * i] = (uint8_t)(linear[i] >> 8);
            bytes[2 * i + 1] = (uint8_t)linear[i];
        }
        for (int i = 0; i < 160; i++) {
            /* G.711 A-law by table 1a. */
            int size = abs(linear[2 * i]) / 16, segment = 0;
            while (size >> (segment + 4) != 0)
                segment++;
            int low = segment ? size >> (segment - 1) & 15 : size & 15;
            alaw[i] = (uint8_t)(((linear[2 * i] < 0 ? 0 : 0x80) | segment << 4 | low) ^ 0x55);
        }
        if (k == 250) {
            fixture_write(f);
            fixture_exchange(f, 5 * NS_PER_S, 2, after, 1, NULL);
        }
        fixture_rtp(f, (int64_t)(k + 1) * 20 * NS_PER_MS,
                    &(struct fixture_rtp){.stream = 0,
                                          .ssrc = 1,
                                          .type = 96,
                                          .seq = (uint16_t)k,
                                          .timestamp = (uint32_t)(wide ? 320 * k : 160 * k),
                                          .payload = wide ? bytes : alaw,
                                          .len = wide ? 640 : 160});
    }
    struct sound s = listen(f, RENDER_LAYOUT_STEREO);
    CHECK_INT(s.rate, 16000);
    CHECK(level(&s, 0, 500, 0.1, 4.9) > 9000);
    CHECK(level(&s, 0, 3000, 5.1, 9.9) > 9000);
    CHECK(level(&s, 0, 500, 5.1, 9.9) < 50);
    CHECK(llabs(s.length - 160000) < 700);
    sound_free(&s);
}

static void test_no_packets_is_no_error(void)
{
    struct fixture *f = fixture_begin(TWO, 2);
    struct sound s = listen(f, RENDER_LAYOUT_STEREO);
    CHECK_INT(s.length, 0);
    CHECK_INT(s.channels, 2);
    CHECK(warned(&s, "no-audio"));
    CHECK(warned(&s, "stream-empty"));
    sound_free(&s);
}

/* Genesys offers four m-lines, two of them inactive: no packet is due there. */
static void test_what_was_inactive_throughout_is_not_missed(void)
{
    struct fixture *f = fixture_begin(TWO, 2);
    for (uint32_t stream = 0; stream < 2; stream++)
        fixture_mark(f, stream, 0, "{\"siprecd\":\"stream\",\"direction\":\"inactive\"}");
    fixture_mark(f, 1, 1000000, "{\"siprecd\":\"stream\",\"direction\":\"recvonly\"}");
    fixture_mark(f, 1, 2000000, "{\"siprecd\":\"stream\",\"direction\":\"inactive\"}");
    struct sound s = listen(f, RENDER_LAYOUT_STEREO);
    CHECK(warned(&s, "stream-empty")); /* of the one that was active for a while */
    sound_free(&s);
    f = fixture_begin(TWO, 2);
    for (uint32_t stream = 0; stream < 2; stream++)
        fixture_mark(f, stream, 0, "{\"siprecd\":\"stream\",\"direction\":\"inactive\"}");
    s = listen(f, RENDER_LAYOUT_STEREO);
    CHECK(!warned(&s, "stream-empty"));
    sound_free(&s);
}

static void test_a_growing_journal_gives_what_is_there(void)
{
    struct fixture *f = fixture_begin(TWO, 2);
    send_packets(f, (struct sender){.stream = 0, .ssrc = 1, .to_s = 10, .tone_hz = 440});
    fixture_write(f);
    f->len -= f->len / 2 + 13; /* in the middle of a block */
    struct sound s = listen(f, RENDER_LAYOUT_STEREO);
    CHECK(s.length > 4 * 8000 && s.length < 6 * 8000);
    CHECK(fabs(level(&s, 0, 440, 0, 4) - 12000) < 200);
    sound_free(&s);
}

static void test_unknown_payload_is_silence(void)
{
    struct fixture *f = fixture_begin(TWO, 2);
    send_packets(f, (struct sender){.stream = 0, .ssrc = 1, .to_s = 4, .tone_hz = 440});
    uint8_t noise[160] = {0};
    for (int k = 0; k < 100; k++)
        fixture_rtp(f, (int64_t)k * 20 * NS_PER_MS,
                    &(struct fixture_rtp){.stream = 1,
                                          .ssrc = 5,
                                          .type = (uint8_t)(k % 2 ? 77 : 13),
                                          .seq = (uint16_t)k,
                                          .timestamp = (uint32_t)k * 160,
                                          .payload = noise,
                                          .len = sizeof noise});
    struct sound s = listen(f, RENDER_LAYOUT_STEREO);
    CHECK(power(&s, 1, 0, 4) < 1);
    CHECK(warned(&s, "payload-unknown"));
    CHECK_INT(s.length, 32000);
    sound_free(&s);
}

int main(void)
{
    RUN(test_two_tones_two_channels);
    RUN(test_an_hour_of_drift_stays_aligned);
    RUN(test_loss_reordering_duplicates_never_shift);
    RUN(test_late_leg_is_padded);
    RUN(test_silence_suppression_and_sender_pauses);
    RUN(test_hold_is_silence_on_the_wall_clock);
    RUN(test_new_ssrc_is_a_new_epoch);
    RUN(test_jumping_timestamps_cannot_stretch);
    RUN(test_a_stalled_network_is_no_jump);
    RUN(test_foreign_packets_are_never_heard);
    RUN(test_digits_are_events_not_sound);
    RUN(test_sender_reports_align_what_arrival_cannot);
    RUN(test_one_participant_with_two_streams);
    RUN(test_three_participants_and_mono);
    RUN(test_mixed_stream_is_mono);
    RUN(test_who_joins_a_stream_joins_its_channel);
    RUN(test_who_leaves_a_stream_to_another_has_another_channel);
    RUN(test_reports_that_lie_are_not_believed);
    RUN(test_our_clock_set_back);
    RUN(test_a_worker_that_stood_still);
    RUN(test_time_that_creeps_back);
    RUN(test_our_clock_set_forward);
    RUN(test_codec_may_change_in_the_call);
    RUN(test_no_packets_is_no_error);
    RUN(test_what_was_inactive_throughout_is_not_missed);
    RUN(test_a_growing_journal_gives_what_is_there);
    RUN(test_unknown_payload_is_silence);
    return tap_done();
}
