/* call_basic: one whole recording, from the INVITE's bytes to the journal's bytes, in one file.
 * If you are new here, read this, then src/recorder/recorder.h.
 *
 * The world (world.h) is a simulated network whose clock jumps from event to event. On one side
 * sits an SRC made of raw text (src.h), on the other siprecd's own sip, recorder, media and journal
 * with io replaced by a few lines (srs.h). Nothing waits, nothing is random but by seed. */
#include "pcap.h"
#include "src.h"
#include "srs.h"
#include "tap.h"

#include <jansson.h>

static struct world world;
static struct srs srs;

static void test_a_call_becomes_a_recording(void)
{
    world_init(&world, 1);
    srs_init(&srs, &world, NULL);

    /* An SRC offers two streams, one a speaker, and says in its metadata who they are. */
    struct src *src = src_create(&world);
    struct src_stream *bob = src_add_stream(src, "96");
    struct src_stream *paul = src_add_stream(src, "97");
    CHECK(src_connect(src, src_metadata("96", "97")));

    /* The answer: each m-line in its place, to be received only, on ports of its own. */
    CHECK_TEXT(bob->answered, "recvonly");
    CHECK_TEXT(paul->answered, "recvonly");
    CHECK_TEXT(bob->answered_label, "96");
    CHECK_TEXT(paul->answered_label, "97");
    CHECK(bob->to.port && paul->to.port && bob->to.port != paul->to.port);
    CHECK_INT(bob->to.port % 2, 0);

    /* Both speak for ten seconds; then the call ends. */
    src_talk(src, true);
    world_run(&world, 10000);
    src_hang_up(src);
    CHECK_INT(src->status, 200);
    CHECK(srs_at_rest(&srs));

    /* The journal holds the signalling and every packet, to the addresses that the SDP names. */
    struct srs_file *file = srs_only_file(&srs);
    if (!CHECK(file != NULL))
        return;
    CHECK(file->closed && file->rendered);
    struct pcap *pcap = pcap_read(view_of(file->journal, file->journal_len));
    CHECK(pcap->sound);
    CHECK(view_find(pcap->section_comment, view_of_string(file->id.s)) < pcap->section_comment.len);
    CHECK_INT(pcap_count_sip(pcap, "INVITE "), 1);
    CHECK_INT(pcap_count_sip(pcap, "ACK "), 1);
    CHECK_INT(pcap_count_sip(pcap, "BYE "), 1);
    CHECK_INT(pcap_count_sip(pcap, "SIP/2.0 200"), 2);
    CHECK(bob->sent > 490 && paul->sent > 490);
    CHECK_INT(pcap_count_rtp(pcap, &bob->to, &bob->from), bob->sent);
    CHECK_INT(pcap_count_rtp(pcap, &paul->to, &paul->from), paul->sent);
    CHECK_INT(pcap_count_events(pcap, "ended"), 1);
    free(pcap);

    /* The document says who spoke where. */
    json_error_t error;
    json_t *document = json_loads(file->document, 0, &error);
    const char *state = NULL, *aor0 = NULL, *label0 = NULL, *participant1 = NULL;
    int packets0 = 0, packets1 = 0, lost1 = -1;
    CHECK(json_unpack(document, "{s:s, s:[{s:s,s:s},{}!], s:[{s:i},{s:s,s:i,s:i}!], s:[!]}",
                      "state", &state, "participants", "aor", &aor0, "label", &label0, "streams",
                      "packets", &packets0, "participant", &participant1, "packets", &packets1,
                      "lost", &lost1, "warnings") == 0);
    CHECK_TEXT(state ? state : "", "finishing");
    CHECK_TEXT(aor0 ? aor0 : "", "sip:bob@biloxi.com");
    CHECK_TEXT(label0 ? label0 : "", "96");
    CHECK_TEXT(participant1 ? participant1 : "", "zSfPoSvdSDCmU3A3TRDxAw==");
    CHECK_INT(packets0, bob->sent);
    CHECK_INT(packets1, paul->sent);
    CHECK_INT(lost1, 0);
    json_decref(document);
    CHECK(file->metadata && strcmp(file->metadata, src_metadata("96", "97")) == 0);

    srs_finish(&srs);
    world_finish(&world);
}

int main(void)
{
    RUN(test_a_call_becomes_a_recording);
    return tap_done();
}
