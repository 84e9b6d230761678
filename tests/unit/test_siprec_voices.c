/* Tests of siprec/voices: who is heard where,
 * for the cases that RFC 7865 and 8068 show and the field adds. */
#include "siprec/voices.h"

#include "base/limits.h"
#include "base/writer.h"
#include "tap.h"

static struct siprec_metadata m;
static struct siprec_state state;
static struct siprec_warnings warnings;
static struct arena *arena;

#define P(id)            "<participant participant_id='" id "'/>"
#define STREAM(id, name) "<stream stream_id='" id "'><label>" name "</label></stream>"
#define SENDS(who, stream)                                                                         \
    "<participantstreamassoc participant_id='" who "'><send>" stream "</send>"                     \
    "</participantstreamassoc>"
#define RECEIVES(who, stream)                                                                      \
    "<participantstreamassoc participant_id='" who "'><recv>" stream "</recv>"                     \
    "</participantstreamassoc>"

/* labels: "1 2 v3", a leading v for a line that carries no audio, "-" for none; want: "label:a
 * order:b,c none". */
static void check(const char *document, const char *labels, const char *want)
{
    struct siprec_line lines[8];
    struct siprec_voice voices[8];
    size_t count = 0;
    char xml[4096], got[256];
    struct writer w = writer_of(got, sizeof got - 1);
    struct view rest = view_of_string(labels), label;
    (void)snprintf(xml, sizeof xml,
                   "<recording xmlns='urn:ietf:params:xml:ns:recording:1'>%s</recording>",
                   document);
    while (view_cut(&rest, ' ', &label)) {
        bool video = label.at[0] == 'v';
        label = view_skip(label, video);
        lines[count++] = (struct siprec_line){
            .label = view_equal(label, VIEW_LIT("-")) ? VIEW_NONE : label, .active = !video};
    }
    memset(&warnings, 0, sizeof warnings);
    arena_reset(arena);
    if (!CHECK(siprec_state_init(&state)))
        return;
    siprec_metadata_parse(&m, view_of_string(xml), arena, &warnings);
    CHECK(m.well_formed);
    (void)siprec_state_apply(&state, &m, &warnings);
    siprec_voices_find(voices, &state, lines, count, &warnings);
    for (size_t i = 0; i < count; i++) {
        writer_string(&w, i ? " " : "");
        writer_string(&w, siprec_derivation_name(voices[i].how));
        for (size_t k = 0; k < voices[i].count; k++) {
            writer_string(&w, k ? "," : ":");
            writer_view(&w, voices[i].who[k]->id);
        }
    }
    got[w.len] = '\0';
    CHECK_TEXT(got, want);
    siprec_state_finish(&state);
}

static void test_by_label(void)
{
    check(P("a") P("b") STREAM("s1", "1") STREAM("s2", "2") SENDS("a", "s1") SENDS("b", "s2"),
          "1 2", "label:a label:b");
    /* Metadata's order is another than SDP's. */
    check(P("a") P("b") STREAM("s1", "1") STREAM("s2", "2") SENDS("b", "s1") SENDS("a", "s2"),
          "2 1", "label:a label:b");
    check(P("a") P("b") STREAM("s1", "1") STREAM("s2", "2") SENDS("a", "s1") SENDS("b", "s2"), "1",
          "label:a");
    CHECK_INT(warnings.set, 0);
}

/* RFC 7866 §8.3.2, 8068 §3.3.1: the SRC mixes. */
static void test_mixed_stream(void)
{
    check(P("a") P("b") STREAM("s", "96") SENDS("a", "s") SENDS("b", "s"), "96", "label:a,b");
}

static void test_video_beside_audio(void)
{
    check(P("a") P("b") STREAM("s1", "1") STREAM("s2", "2") STREAM("s3", "3") STREAM("s4", "4")
              SENDS("a", "s1") SENDS("b", "s3"),
          "1 v2 3 v4", "label:a none label:b none");
    /* Without labels in SDP: as many lines as streams, so by order over all of them. */
    check(P("a") P("b") STREAM("s1", "1") STREAM("s2", "2") STREAM("s3", "3") STREAM("s4", "4")
              SENDS("a", "s1") SENDS("b", "s3"),
          "- v- - v-", "order:a none order:b none");
}

static void test_labels_that_match_nothing(void)
{
    check(P("a") P("b") STREAM("s1", "1") STREAM("s2", "2") SENDS("a", "s2") SENDS("b", "s1"),
          "x y", "order:b order:a");
    CHECK(siprec_warned(&warnings, SIPREC_WARN_LABEL_UNMATCHED));
    check(P("a") P("b") STREAM("s1", "1") SENDS("a", "s1") SENDS("b", "s1"), "5", "order:a,b");
    /* Two lines, three streams: nobody knows. */
    check(P("a") P("b") P("c") STREAM("s1", "1") STREAM("s2", "2") STREAM("s3", "3")
              SENDS("a", "s1") SENDS("b", "s2") SENDS("c", "s3"),
          "x y", "none none");
}

/* Telnyx, Connectel, NG911: streams without participants; OpenSIPS: no streams either. */
static void test_no_associations(void)
{
    check(P("a") P("b") STREAM("s1", "in") STREAM("s2", "out"), "in out", "order:a order:b");
    check(P("a") P("b"), "1 2", "order:a order:b");
    check(P("a") P("b") P("c"), "1 2", "none none");
    check("<session session_id='s'/>", "1 2", "none none");
}

static void test_one_line_for_everybody(void)
{
    check(P("a") P("b"), "1", "mixed:a,b");
    check(P("a"), "1", "order:a");
    check(P("a") P("b") STREAM("s", "1") SENDS("a", "s"), "1", "label:a");
    /* BroadWorks: mode mixed, the second names a stream that does not exist. */
    check(P("a") P("b") "<stream stream_id='s'><label>1</label><mode>mixed</mode></stream>" SENDS(
              "a", "s") SENDS("b", "elsewhere"),
          "1", "label:a,b");
}

static void test_hold_leaves_one(void)
{
    check(P("a") P("b") STREAM("s1", "1") STREAM("s2", "2") RECEIVES("a", "s2") SENDS("b", "s2"),
          "1 2", "order:a label:b");
}

/* CUBE names a stream where a participant belongs. */
static void test_described_participants_go_first(void)
{
    check(P("a") P("b") STREAM("s1", "1") STREAM("s2", "2") SENDS("a", "s1") SENDS("s1", "s2"),
          "1 2", "label:a order:b");
}

static void test_who_left_is_not_heard(void)
{
    check("<session session_id='s'/>" P("a") P("b") P("c") STREAM("s1", "1") STREAM("s2", "2")
              SENDS("a", "s1") SENDS("b", "s2") SENDS(
                  "c", "s1") "<participantsessionassoc participant_id='a' session_id='s'>"
                             "<disassociate-time>T</disassociate-time></participantsessionassoc>",
          "1 2", "label:c label:b");
}

/* Google: the label that SDP means stands in an attribute. */
static void test_label_in_an_attribute(void)
{
    check(P("a")
              P("b") "<stream stream_id='s1' media_label='2'><label>Caller</label></stream>"
                     "<stream stream_id='s2' media_label='1'><label>Callee</label></stream>" SENDS(
                         "a", "s1") SENDS("b", "s2"),
          "1 2", "label:b label:a");
}

static void test_streams_without_id(void)
{
    check(P("a") P("b") STREAM("s1", "10") STREAM("", "20") SENDS("a", "s1"), "10 20",
          "label:a order:b");
}

int main(void)
{
    arena = arena_create(65536, LIMIT_METADATA_SCRATCH);
    if (!arena)
        return EXIT_FAILURE;
    RUN(test_by_label);
    RUN(test_mixed_stream);
    RUN(test_video_beside_audio);
    RUN(test_labels_that_match_nothing);
    RUN(test_no_associations);
    RUN(test_one_line_for_everybody);
    RUN(test_hold_leaves_one);
    RUN(test_described_participants_go_first);
    RUN(test_who_left_is_not_heard);
    RUN(test_label_in_an_attribute);
    RUN(test_streams_without_id);
    arena_destroy(arena);
    return tap_done();
}
