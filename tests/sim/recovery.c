/* recovery: the journal alone is enough: cut anywhere, it gives back the recording it was.
 * RFC 7866; lessons.md 31. */
#include "play.h"
#include "recorder/rebuild.h"

/* A call with everything in it: digits, a hold, a third stream, a stranger, metadata twice. */
static struct play *play_rich(void)
{
    struct play *play = play_begin(21, NULL);
    CHECK(src_connect(play->src, src_metadata("1", "2")));
    src_talk(play->src, true);
    world_run(&play->world, 1000);
    src_digit(play->src, play->a, 5, 100);
    (void)snprintf(play->b->direction, sizeof play->b->direction, "inactive");
    struct src_stream *c = src_add_stream(play->src, "3");
    src_invite(play->src, NULL);
    CHECK_INT(src_wait(play->src), 200);
    c->talking = true;
    c->next = play->world.now;
    struct src *rogue = src_create(&play->world);
    struct src_stream *noise = src_add_stream(rogue, "x");
    noise->to = play->a->to;
    src_talk(rogue, true);
    world_run(&play->world, 1000);
    src_talk(rogue, false);
    src_request(play->src, "UPDATE", "application/rs-metadata+xml", src_metadata("1", "3"));
    CHECK_INT(src_wait(play->src), 200);
    world_run(&play->world, 1000);
    play_end(play);
    return play;
}

static bool same(const json_t *a, const json_t *b, const char *key)
{
    const json_t *x = json_object_get(a, key), *y = json_object_get(b, key);
    bool equal = json_equal(x, y);
    if (!equal) {
        char *first = json_dumps(x, JSON_ENCODE_ANY), *second = json_dumps(y, JSON_ENCODE_ANY);
        printf("# %s: %s\n#   : %s\n", key, first, second);
        free(first);
        free(second);
    }
    return equal;
}

static json_t *rebuild(struct view journal, struct recorder_rebuilt *rebuilt)
{
    json_error_t error;
    struct wall now = {INT64_C(1772370000) * NS_PER_S}; /* 13:00 that day */
    if (!recorder_rebuild(journal, now, rebuilt))
        return NULL;
    return json_loads(rebuilt->document, 0, &error);
}

/* The document that the call left and the one that its journal gives; ends the play. */
static void check_rebuilt(struct play *play, unsigned streams)
{
    struct recorder_rebuilt rebuilt;
    json_t *again = rebuild(view_of(play->file->journal, play->file->journal_len), &rebuilt);
    if (!CHECK(again != NULL))
        return;
    static const char *const keys[] = {"id",           "call_id",  "state",     "recovered",
                                       "started_at",   "ended_at", "ended_why", "duration_ms",
                                       "participants", "digits",   "warnings"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        CHECK(same(play->document, again, keys[i]));
    static const char *const of_stream[] = {
        "label", "mline",    "participant", "codec",     "packets", "offered", "advertised",
        "bound", "observed", "path",        "direction", "relay",   "verdict"};
    CHECK_INT(json_array_size(json_object_get(again, "streams")), streams);
    for (unsigned n = 0; n < streams; n++) {
        json_t *stream = json_array_get(json_object_get(again, "streams"), n);
        for (size_t i = 0; i < sizeof of_stream / sizeof of_stream[0]; i++)
            CHECK(same(play_stream(play, n), stream, of_stream[i]));
    }
    CHECK(rebuilt.ended);
    CHECK_TEXT(rebuilt.directory, play->file->directory);
    CHECK(rebuilt.metadata && strcmp(rebuilt.metadata, play->file->metadata) == 0);
    recorder_rebuilt_finish(&rebuilt);
    json_decref(again);
    play_free(play);
}

static void test_a_closed_journal_gives_the_same_document(void)
{
    check_rebuilt(play_rich(), 3);
}

/* Other addresses by offers of ours: taken up once, refused once, and a gap in between. */
static void test_moved_media_is_told_the_same(void)
{
    struct nat_behaviour behaviour = {.mapping = NAT_MAPPING_ADDRESS_PORT,
                                      .filtering = NAT_FILTERING_ADDRESS_PORT};
    struct gate_options nat = {
        .outside = SRS_OUTSIDE, .by_destination = true, .filtering = NAT_FILTERING_ADDRESS_PORT};
    struct srs_options options = {
        .profiles = srs_behind(&behaviour), .seen = nat.outside, .gate = &nat, .relays = 4};
    struct play *play = play_begin(8, &options);
    srs_network(&play->srs, true, 1);
    CHECK(src_connect(play->src, src_metadata("1", "2")));
    src_talk(play->src, true);
    world_run(&play->world, 2000);
    srs_network(&play->srs, true, 2);
    src_talk(play->src, false);
    srs_relay(&play->srs, 0, true);
    world_run(&play->world, 3000);
    CHECK_INT(play->src->reinvites, 1);
    src_talk(play->src, true);
    world_run(&play->world, 2000);
    play->src->reply = 488;
    srs_relay(&play->srs, 1, true);
    world_run(&play->world, 3000);
    CHECK(play->src->reinvites > 1);
    play_end(play);
    check_rebuilt(play, 2);
}

/* Killed at any byte: what is there is a recording, recovered, with the gap stated. */
static void test_a_journal_cut_anywhere(void)
{
    struct play *play = play_rich();
    size_t len = play->file->journal_len, answered = 0;
    for (size_t at = 64; at < len; at += 997) {
        struct recorder_rebuilt rebuilt;
        json_t *again = rebuild(view_of(play->file->journal, at), &rebuilt);
        if (!again)
            continue; /* not even the section header is whole */
        CHECK(same(play->document, again, "id"));
        CHECK(!rebuilt.ended && json_is_true(json_object_get(again, "recovered")));
        CHECK_TEXT(play_text(again, "state"), "finishing");
        struct wall ended, started;
        CHECK(wall_parse(view_of_string(play_text(again, "ended_at")), &ended));
        CHECK(wall_parse(view_of_string(play_text(again, "started_at")), &started));
        CHECK(ended.ns >= started.ns && ended.ns < started.ns + 10 * NS_PER_S);
        CHECK(strstr(rebuilt.document, "\"recovered\",\"text\":\"siprecd stopped") != NULL);
        answered += json_array_size(json_object_get(again, "streams")) >= 2;
        recorder_rebuilt_finish(&rebuilt);
        json_decref(again);
    }
    CHECK(answered > len / 997 - 20);
    play_free(play);
}

/* What is no journal of ours is not taken for one. */
static void test_rubbish_is_no_recording(void)
{
    struct recorder_rebuilt rebuilt;
    CHECK(!recorder_rebuild(VIEW_NONE, (struct wall){0}, &rebuilt));
    CHECK(!recorder_rebuild(VIEW_LIT("RIFF....WAVE"), (struct wall){0}, &rebuilt));
    char zeros[4096] = {0};
    CHECK(!recorder_rebuild(view_of(zeros, sizeof zeros), (struct wall){0}, &rebuilt));
    /* Damage in the middle is skipped, and said. */
    struct play *play = play_rich();
    memset(play->file->journal + play->file->journal_len / 2, 0, 4096);
    json_t *again = rebuild(view_of(play->file->journal, play->file->journal_len), &rebuilt);
    CHECK(again && same(play->document, again, "participants"));
    CHECK(again && strstr(rebuilt.document, "journal-damaged") != NULL);
    if (again)
        recorder_rebuilt_finish(&rebuilt);
    json_decref(again);
    play_free(play);
}

int main(void)
{
    RUN(test_a_closed_journal_gives_the_same_document);
    RUN(test_moved_media_is_told_the_same);
    RUN(test_a_journal_cut_anywhere);
    RUN(test_rubbish_is_no_recording);
    return tap_done();
}
