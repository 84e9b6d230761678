/* Every message of tests/vectors/siprec, and of the corpus of real messages where that is at hand
 * (SIPREC_CORPUS, or ../shared/corpus beside the source tree), against what another parser wrote
 * into their expected.json. */
#include "base/arena.h"
#include "sdp/agree.h"
#include "sdp/answer.h"
#include "siprec/body.h"
#include "siprec/rules.h"
#include "siprec/voices.h"

#include "sipfile.h"
#include "tap.h"

#include <jansson.h>

static struct sipfile file;
static struct siprec_body body;
static struct siprec_content content;
static struct siprec_warnings warnings;
static struct sdp_session session, again;
static struct sdp_answer answer;
static struct siprec_metadata metadata;
static struct siprec_state state;
static struct arena *arena;

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static void check_parts(const json_t *expected)
{
    json_t *parts = json_object_get(expected, "parts"), *part;
    size_t i;
    if (!CHECK_INT(body.count, json_array_size(parts)))
        return;
    json_array_foreach(parts, i, part)
    {
        CHECK_VIEW(body.parts[i].type, text_of(part, "type"));
        struct view disposition = view_of_string(text_of(part, "disposition")), head;
        bool optional = view_find(disposition, VIEW_LIT("optional")) < disposition.len;
        (void)view_cut(&disposition, ';', &head);
        CHECK(view_equal(body.parts[i].disposition, view_trim(head)));
        CHECK(body.parts[i].optional == optional);
    }
    json_t *closed = json_object_get(expected, "closing_boundary");
    if (json_is_boolean(closed))
        CHECK(body.closed == json_is_true(closed));
}

static void check_formats(const json_t *expected, const struct sdp_media *media)
{
    char joined[256];
    struct writer w = writer_of(joined, sizeof joined);
    json_t *format;
    size_t i;
    json_array_foreach(expected, i, format)
    {
        writer_string(&w, i ? " " : "");
        writer_string(&w, json_string_value(format));
    }
    CHECK(view_equal(writer_done(&w), media->formats_text));
    if (media->profile != SDP_PROFILE_OTHER)
        CHECK_INT(media->format_count, json_array_size(expected));
}

static void check_media(const json_t *expected)
{
    json_t *lines = json_object_get(expected, "m"), *line;
    size_t i;
    if (!CHECK_INT(session.media_count, json_array_size(lines)))
        return;
    json_array_foreach(lines, i, line)
    {
        const struct sdp_media *media = &session.media[i];
        CHECK_VIEW(media->media, text_of(line, "media"));
        CHECK_VIEW(media->protocol, text_of(line, "proto"));
        CHECK_VIEW(media->label, text_of(line, "label"));
        CHECK_INT(media->port, atoi(text_of(line, "port")));
        check_formats(json_object_get(line, "fmt"), media);
        const char *direction = text_of(line, "direction");
        CHECK(media->direction_given == (*direction != '\0'));
        CHECK_TEXT(sdp_direction_name(media->direction), *direction ? direction : "sendrecv");
    }
    size_t crypto = 0;
    for (i = 0; i < session.media_count; i++)
        crypto += session.media[i].crypto_count;
    CHECK_INT(crypto, json_integer_value(json_object_get(expected, "crypto_lines")));
}

static void check_labels(const json_t *expected)
{
    json_t *labels = json_object_get(expected, "metadata_labels"), *label;
    size_t i;
    json_array_foreach(labels, i, label)
    {
        bool found = false;
        for (const struct siprec_stream *s = metadata.streams; s; s = s->next)
            found |= view_equal(s->label, view_of_string(json_string_value(label)));
        CHECK(found);
    }
}

static void check_metadata(const json_t *expected)
{
    const char *xml = text_of(expected, "xml"), *root = text_of(expected, "root");
    const char *mode = text_of(expected, "datamode");
    char name[256];
    json_t *parts = json_object_get(expected, "metadata_parts");
    CHECK_INT(content.metadata_count, parts ? json_integer_value(parts) : *xml != '\0');
    if (!*xml || content.metadata_count == 0)
        return;
    /* A blank before the declaration is an XML error that we read over; any other is one. */
    bool broken = strncmp(xml, "NOT WELL-FORMED", 15) == 0;
    CHECK(metadata.well_formed == !broken);
    CHECK((siprec_warned(&warnings, SIPREC_WARN_METADATA_BROKEN) ||
           siprec_warned(&warnings, SIPREC_WARN_METADATA_ENTITIES)) == broken);
    if (strncmp(xml, "leading blank", 13) == 0)
        CHECK(siprec_warned(&warnings, SIPREC_WARN_METADATA_LEADING_BLANK));
    if (root[0] == '{') {
        (void)snprintf(name, sizeof name, "{" VIEW_FMT "}" VIEW_FMT,
                       VIEW_ARG(metadata.root_namespace), VIEW_ARG(metadata.root));
        CHECK_TEXT(name, root);
    }
    if (*mode) {
        CHECK((metadata.mode == SIPREC_PARTIAL) == (strstr(mode, "partial") != NULL));
        CHECK(metadata.mode_given == (*mode != '-'));
    }
    json_t *counts = json_object_get(expected, "counts");
    if (json_is_object(counts)) {
        CHECK_INT(metadata.session_elements,
                  json_integer_value(json_object_get(counts, "session")));
        CHECK_INT(metadata.participant_elements,
                  json_integer_value(json_object_get(counts, "participant")));
        CHECK_INT(metadata.stream_elements, json_integer_value(json_object_get(counts, "stream")));
    }
    check_labels(expected);
}

static bool text_has_line(struct view text, const char *wanted)
{
    struct view rest = text, line;
    while (view_cut_line(&rest, &line)) {
        if (view_equal(line, view_of_string(wanted)))
            return true;
    }
    return false;
}

/* RFC 3264 §6 and the issue's own rules, on the printed answer. */
static void check_answer_line(size_t i, const char *wanted)
{
    const struct sdp_media *offered = &session.media[i], *ours = &again.media[i];
    CHECK(view_equal(ours->label, offered->label));
    CHECK(view_equal(ours->media, offered->media));
    CHECK(view_equal(ours->protocol, offered->protocol));
    CHECK(ours->port != 0 || answer.lines[i].reject != SDP_ACCEPTED);
    if (*wanted)
        CHECK_TEXT(ours->port ? sdp_direction_name(ours->direction) : "rejected", wanted);
    if (answer.lines[i].reject != SDP_ACCEPTED)
        return;
    CHECK(ours->port == 10000 + 2 * i);
    CHECK(!sdp_direction_sends(ours->direction) || offered->direction == SDP_RECVONLY);
    for (size_t k = 0; k < ours->format_count; k++) {
        const struct sdp_format *format = sdp_media_format(&again, ours, k);
        const struct sdp_format *theirs =
            sdp_media_find_format(&session, offered, format->payload_type);
        CHECK(theirs && theirs->codec == format->codec && theirs->clock_hz == format->clock_hz);
        CHECK(format->mapped);
    }
}

static void check_answer(const json_t *expected)
{
    char text[32 * 1024];
    struct writer w = writer_of(text, sizeof text);
    struct sdp_origin origin;
    json_t *wanted = json_object_get(expected, "answer");
    if (session.media_count == 0)
        return;
    sdp_answer_plan(&answer, &session);
    for (size_t i = 0; i < answer.count; i++)
        answer.lines[i].rtp = addr_v4(192, 0, 2, 200, (uint16_t)(10000 + 2 * i));
    sdp_origin_init(&origin, 7, addr_v4(192, 0, 2, 200, 0));
    if (!CHECK(sdp_answer_print(&answer, &origin, &w)))
        return;
    sdp_session_parse(&again, writer_done(&w));
    if (!CHECK_INT(again.media_count, session.media_count))
        return;
    CHECK(text_has_line(writer_done(&w), "o=siprecd 7 1 IN IP4 192.0.2.200"));
    for (size_t i = 0; i < answer.count; i++) {
        const char *line = json_string_value(json_array_get(wanted, i));
        check_answer_line(i, line ? line : "");
    }
}

/* "voices": ["label: sip:alice@example.com", "none"], one for each m-line. */
static void check_voices(const json_t *expected)
{
    struct siprec_line lines[LIMIT_SDP_MEDIA];
    struct siprec_voice voices[LIMIT_SDP_MEDIA];
    json_t *wanted = json_object_get(expected, "voices"), *voice;
    size_t i;
    for (i = 0; i < session.media_count; i++)
        lines[i] =
            (struct siprec_line){session.media[i].label, session.media[i].kind == SDP_KIND_AUDIO &&
                                                             session.media[i].port != 0};
    siprec_voices_find(voices, &state, lines, session.media_count, &warnings);
    json_array_foreach(wanted, i, voice)
    {
        char got[512];
        struct writer w = writer_of(got, sizeof got - 1);
        writer_string(&w, siprec_derivation_name(voices[i].how));
        for (size_t k = 0; k < voices[i].count; k++) {
            writer_string(&w, k ? ", " : ": ");
            writer_view(&w, siprec_participant_aor(voices[i].who[k]));
        }
        got[w.len] = '\0';
        CHECK_TEXT(got, json_string_value(voice));
    }
}

static void check_warnings(const json_t *expected)
{
    json_t *wanted = json_object_get(expected, "warnings"), *code;
    size_t i, raised = 0;
    if (!wanted)
        return;
    for (enum siprec_warning warning = 0; warning < SIPREC_WARN_COUNT; warning++) {
        bool listed = false;
        json_array_foreach(wanted, i, code)
        {
            listed |= strcmp(json_string_value(code), siprec_warning_code(warning)) == 0;
        }
        if (siprec_warned(&warnings, warning) && !listed)
            printf("# unexpected warning: %s\n", siprec_warning_code(warning));
        raised += siprec_warned(&warnings, warning);
        CHECK(siprec_warned(&warnings, warning) == listed);
    }
    CHECK_INT(raised, json_array_size(wanted));
}

static void check_evidence(const json_t *expected)
{
    const char *evidence = text_of(expected, "evidence");
    static const char *const names[] = {"none", "loose", "full"};
    if (*evidence)
        CHECK_TEXT(names[siprec_rules_classify(sipfile_field(&file, "Contact", 0),
                                               sipfile_field(&file, "Require", 0), &body)],
                   evidence);
    json_t *refusal = json_object_get(expected, "refusal");
    CHECK_INT(content.refusal, json_integer_value(refusal));
}

static void check_message(const char *folder, const char *name, const json_t *expected)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s.sip", folder, name);
    if (!CHECK(sipfile_read(&file, path)))
        return;
    memset(&warnings, 0, sizeof warnings);
    arena_reset(arena);
    struct siprec_body_headers headers = {
        .content_type = sipfile_field(&file, "Content-Type", 0),
        .content_disposition = sipfile_field(&file, "Content-Disposition", 0),
    };
    siprec_body_parse(&body, &headers, file.body, arena, &warnings);
    siprec_rules_select(&content, &body, &warnings);
    check_parts(expected);
    sdp_session_parse(&session, content.sdp);
    check_media(expected);
    if (!CHECK(siprec_state_init(&state)))
        return;
    for (size_t i = 0; i < content.metadata_count; i++) {
        siprec_metadata_parse(&metadata, content.metadata[i], arena, &warnings);
        (void)siprec_state_apply(&state, &metadata, &warnings);
    }
    check_metadata(expected);
    check_answer(expected);
    check_voices(expected);
    check_warnings(expected);
    check_evidence(expected);
    siprec_state_finish(&state);
}

static bool run_folder(const char *folder)
{
    char path[512];
    json_error_t error;
    json_t *expected;
    const char *name;
    (void)snprintf(path, sizeof path, "%s/expected.json", folder);
    json_t *all = json_load_file(path, 0, &error);
    if (!all)
        return false;
    json_object_foreach(all, name, expected)
    {
        int before = tap_failed_checks;
        check_message(folder, name, expected);
        bool ok = tap_failed_checks == before;
        tap_tests++;
        tap_failed_tests += !ok;
        printf("%s %d - %s\n", ok ? "ok" : "not ok", tap_tests, name);
    }
    json_decref(all);
    return true;
}

int main(void)
{
    const char *corpus = getenv("SIPREC_CORPUS");
    arena = arena_create(65536, LIMIT_METADATA_SCRATCH);
    if (!arena)
        return EXIT_FAILURE;
    bool ours = run_folder(TESTS_DIR "/vectors/siprec");
    CHECK(ours);
    if (!run_folder(corpus ? corpus : TESTS_DIR "/../../shared/corpus"))
        tap_skip("the corpus of real messages", "SIPREC_CORPUS names no folder that is there");
    arena_destroy(arena);
    printf("1..%d\n", tap_tests);
    return tap_failed_tests || !ours ? EXIT_FAILURE : EXIT_SUCCESS;
}
