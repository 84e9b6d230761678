/* Tests of siprec/state: snapshots replace, partial updates add, in order (RFC 7866 §9.1); and what
 * is odd about them. */
#include "siprec/state.h"

#include "base/limits.h"
#include "base/writer.h"
#include "tap.h"

static struct siprec_metadata m;
static struct siprec_state state;
static struct siprec_warnings warnings;
static struct arena *arena;

#define NS          "urn:ietf:params:xml:ns:recording:1"
#define COMPLETE(x) "<recording xmlns='" NS "'><datamode>complete</datamode>" x "</recording>"
#define PARTIAL(x)  "<recording xmlns='" NS "'><datamode>partial</datamode>" x "</recording>"

#define ALICE                                                                                      \
    "<participant participant_id='alice'><nameID aor='sip:alice@example.com'><name>Alice</name>"   \
    "</nameID></participant>"
#define BOB "<participant participant_id='bob'><nameID aor='sip:bob@example.com'/></participant>"
#define IN_SESSION(who)                                                                            \
    "<participantsessionassoc participant_id='" who "' session_id='s'><associate-time>T1"          \
    "</associate-time></participantsessionassoc>"
#define SENDS(who, stream)                                                                         \
    "<participantstreamassoc participant_id='" who "'><send>" stream "</send>"                     \
    "</participantstreamassoc>"
#define TWO                                                                                        \
    "<session session_id='s'><sipSessionID>a;remote=b</sipSessionID></session>" ALICE BOB          \
        IN_SESSION("alice") IN_SESSION(                                                            \
            "bob") "<stream stream_id='1'><label>96</label></stream>"                              \
                   "<stream stream_id='2'><label>98</label></stream>" SENDS("alice", "1")          \
                       SENDS("bob", "2")

static enum siprec_applied apply(const char *xml)
{
    memset(&warnings, 0, sizeof warnings);
    arena_reset(arena);
    siprec_metadata_parse(&m, view_of_string(xml), arena, &warnings);
    return siprec_state_apply(&state, &m, &warnings);
}

static const struct siprec_participant *who(const char *id)
{
    return siprec_state_find_participant(&state, view_of_string(id));
}

static void start(void)
{
    siprec_state_finish(&state);
    CHECK(siprec_state_init(&state));
}

static void test_snapshot_replaces(void)
{
    start();
    CHECK(apply(COMPLETE(TWO)) == SIPREC_APPLIED);
    CHECK(siprec_state_takes_part(&state, who("alice")) &&
          siprec_state_takes_part(&state, who("bob")));
    CHECK(apply(COMPLETE("<session session_id='s2'/>" BOB
                         "<stream stream_id='3'><label>96</label></stream>" SENDS("bob", "3"))) ==
          SIPREC_APPLIED);
    CHECK(!who("alice")->present); /* gone (requirement M4), and not forgotten */
    CHECK_VIEW(siprec_participant_name(who("alice")), "Alice");
    CHECK(who("bob")->present && !who("bob")->flows->next);
    CHECK_VIEW(who("bob")->flows->stream_id, "3");
    CHECK(!siprec_state_find_session(&state, VIEW_LIT("s"))->present);
    CHECK(!siprec_state_find_stream(&state, VIEW_LIT("1"))->present);
    CHECK(siprec_state_find_stream(&state, VIEW_LIT("3"))->present);
}

/* RFC 8068 §3.2.3: a transfer within the session, told as a partial update. */
static void test_partial_adds(void)
{
    start();
    CHECK(apply(COMPLETE(TWO)) == SIPREC_APPLIED);
    CHECK(apply(PARTIAL(
              "<session session_id='s'><sipSessionID>c;remote=d</sipSessionID></session>"
              "<participant participant_id='carol'><nameID "
              "aor='sip:carol@example.com'/></participant>" IN_SESSION(
                  "carol") "<participantsessionassoc participant_id='alice' session_id='s'>"
                           "<disassociate-time>T9</disassociate-time></"
                           "participantsessionassoc>" SENDS("carol", "60JA"))) == SIPREC_APPLIED);
    CHECK(siprec_warned(&warnings, SIPREC_WARN_METADATA_DANGLING)); /* so in the RFC itself */
    CHECK(!siprec_state_takes_part(&state, who("alice")) && who("alice")->present);
    CHECK_VIEW(who("alice")->memberships->associated, "T1");
    CHECK_VIEW(who("alice")->memberships->disassociated, "T9");
    CHECK(siprec_state_takes_part(&state, who("bob")) &&
          siprec_state_takes_part(&state, who("carol")));
    const struct siprec_session *s = siprec_state_find_session(&state, VIEW_LIT("s"));
    CHECK_VIEW(s->sip_session_ids->text, "a;remote=b");
    CHECK_VIEW(s->sip_session_ids->next->text, "c;remote=d"); /* one more, not instead (M18) */
    CHECK_VIEW(who("bob")->flows->stream_id, "2");
    /* And back again. */
    CHECK(apply(PARTIAL(IN_SESSION("alice"))) == SIPREC_APPLIED);
    CHECK(siprec_state_takes_part(&state, who("alice")));
}

/* RFC 7865 §6.8.1: what the assoc does not name has stopped; none at all is neither. */
static void test_hold_in_the_metadata(void)
{
    start();
    (void)apply(COMPLETE(TWO));
    (void)apply(PARTIAL(
        "<participantstreamassoc participant_id='alice'><recv>2</recv></participantstreamassoc>"));
    CHECK(!who("alice")->flows->sends && !who("alice")->flows->next);
    (void)apply(PARTIAL("<participantstreamassoc participant_id='alice'/>"));
    CHECK(!who("alice")->flows);
    CHECK(who("bob")->flows->sends);
}

static void test_partial_without_base(void)
{
    start();
    CHECK(apply(PARTIAL(SENDS("alice", "1"))) == SIPREC_APPLIED_WITHOUT_BASE);
    CHECK(siprec_warned(&warnings, SIPREC_WARN_METADATA_PARTIAL));
    CHECK(siprec_warned(&warnings, SIPREC_WARN_METADATA_DANGLING));
    CHECK(who("alice") && !who("alice")->declared);
    CHECK(apply(COMPLETE(TWO)) == SIPREC_APPLIED);
    CHECK(apply(PARTIAL(SENDS("alice", "1"))) == SIPREC_APPLIED);
    CHECK_INT(warnings.set, 0);
}

static void test_broken_document_takes_nothing_away(void)
{
    start();
    (void)apply(COMPLETE(TWO));
    CHECK(apply("<recording xmlns='" NS "'><participant participant_id='dave'/><oops") ==
          SIPREC_APPLIED_BROKEN);
    CHECK(who("alice")->present && who("dave")->present);
    CHECK(apply("<oops") == SIPREC_APPLIED_BROKEN);
    CHECK_INT(state.documents, 2);
}

/* CUBE's update of a caller's name says nothing about streams; they flow on. */
static void test_snapshot_without_streams(void)
{
    start();
    (void)apply(COMPLETE(TWO));
    CHECK(apply(COMPLETE("<session session_id='s'/><participant participant_id='alice'>"
                         "<nameID aor='sip:alicia@example.com'/></participant>")) ==
          SIPREC_APPLIED);
    CHECK_VIEW(siprec_participant_aor(who("alice")), "sip:alicia@example.com");
    CHECK_VIEW(who("alice")->names->next->aor, "sip:alice@example.com");
    CHECK_VIEW(who("alice")->flows->stream_id, "1");
    CHECK(siprec_state_find_stream(&state, VIEW_LIT("1"))->present);
    CHECK(!who("bob")->present);
}

/* RFC 8068 §3.4: a persistent session between calls. */
static void test_no_session_at_all(void)
{
    start();
    (void)apply(COMPLETE(TWO));
    CHECK(apply(COMPLETE("")) == SIPREC_APPLIED);
    CHECK(!who("alice")->present && !who("bob")->present);
    CHECK(!siprec_state_find_stream(&state, VIEW_LIT("1"))->present);
    CHECK(apply("<recording xmlns='" NS "'/>") == SIPREC_APPLIED_NOTHING);
    CHECK(apply("<requestsnapshot xmlns='" NS "'/>") == SIPREC_APPLIED_NOTHING);
}

/* RFC 8068 §3.2.3: a session's end is the end for all in it. */
static void test_stop_time_ends_a_session(void)
{
    start();
    (void)apply(COMPLETE(TWO));
    CHECK(apply(PARTIAL("<session session_id='s'><stop-time>T9</stop-time></session>")) ==
          SIPREC_APPLIED);
    CHECK(!siprec_state_takes_part(&state, who("alice")) && who("alice")->present);
}

/* RFC 7865 §6.10. */
static void test_one_id_on_two_elements(void)
{
    start();
    CHECK(apply(COMPLETE("<group group_id='x'/><participant participant_id='x'/>")) ==
          SIPREC_APPLIED);
    CHECK(siprec_warned(&warnings, SIPREC_WARN_METADATA_DUPLICATE_ID));
    CHECK(who("x") && state.groups);
    start();
    (void)apply(COMPLETE("<session session_id='x'/><stream stream_id='x'/>"));
    CHECK(siprec_warned(&warnings, SIPREC_WARN_METADATA_DUPLICATE_ID));
}

/* Refreshes every 90 s for a day must not cost a day's memory. */
static void test_the_same_again_costs_nothing(void)
{
    start();
    (void)apply(COMPLETE(TWO "<extensiondata><a>1</a></extensiondata>"));
    (void)apply(COMPLETE(TWO "<extensiondata><a>1</a></extensiondata>"));
    size_t used = arena_used(state.arena);
    for (int i = 0; i < 1000; i++)
        (void)apply(PARTIAL(TWO "<extensiondata><a>1</a></extensiondata>"));
    CHECK_INT(arena_used(state.arena), used);
}

static void test_too_much_for_one_recording(void)
{
    static char xml[16384];
    bool limit = false;
    start();
    for (int i = 0; i < 600 && !limit; i++) {
        struct writer w = writer_of(xml, sizeof xml - 1);
        writer_string(&w, "<recording xmlns='" NS "'><session session_id='s'><start-time>");
        writer_fill(&w, 'x', 4000);
        writer_printf(&w, "%d</start-time></session></recording>", i);
        xml[w.len] = '\0';
        (void)apply(xml);
        limit = siprec_warned(&warnings, SIPREC_WARN_METADATA_LIMIT);
    }
    CHECK(limit);
}

static void test_values_are_found(void)
{
    start();
    (void)apply(COMPLETE("<session "
                         "session_id='s'><extensiondata><apkt:ucid>00FA;encoding=hex</apkt:ucid></"
                         "extensiondata></session>"
                         "<participant "
                         "participant_id='p'><extensiondata><x><y:Deep>7</y:Deep></x></"
                         "extensiondata></participant>"));
    CHECK_VIEW(siprec_state_find_extension(&state, VIEW_LIT("UCID")), "00FA;encoding=hex");
    CHECK_VIEW(siprec_state_find_extension(&state, VIEW_LIT("deep")), "7");
    CHECK_INT(siprec_state_find_extension(&state, VIEW_LIT("x")).len, 0);
    CHECK_VIEW(siprec_participant_aor(who("p")), "p");
}

int main(void)
{
    arena = arena_create(65536, LIMIT_METADATA_SCRATCH);
    if (!arena || !siprec_state_init(&state))
        return EXIT_FAILURE;
    RUN(test_snapshot_replaces);
    RUN(test_partial_adds);
    RUN(test_hold_in_the_metadata);
    RUN(test_partial_without_base);
    RUN(test_broken_document_takes_nothing_away);
    RUN(test_snapshot_without_streams);
    RUN(test_no_session_at_all);
    RUN(test_stop_time_ends_a_session);
    RUN(test_one_id_on_two_elements);
    RUN(test_the_same_again_costs_nothing);
    RUN(test_too_much_for_one_recording);
    RUN(test_values_are_found);
    siprec_state_finish(&state);
    arena_destroy(arena);
    return tap_done();
}
