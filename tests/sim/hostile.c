/* hostile: what nobody in his right mind sends; a call going on beside it is not disturbed, and
 * nothing is left over. SEED=n begins elsewhere.
 * RFC 4475, 3550 A.1; lessons.md 10, 18, 40, 45. */
#include "play.h"

static uint64_t first_seed(void)
{
    const char *seed = getenv("SEED");
    uint64_t first = seed ? strtoull(seed, NULL, 0) : 1;
    printf("# seed %llu\n", (unsigned long long)first);
    return first;
}

/* One byte, or a run of them, changed, doubled, moved or cut away. */
static size_t mutate(struct rng *dice, char *text, size_t len, size_t room)
{
    for (unsigned n = 1 + rng_below(dice, 4); n > 0 && len > 8; n--) {
        size_t at = rng_below(dice, (uint32_t)len), span = 1 + rng_below(dice, 30);
        if (span > len - at)
            span = len - at;
        switch (rng_below(dice, 5)) {
        case 0:
            text[at] = (char)rng_u32(dice);
            break;
        case 1:
            memmove(text + at, text + at + span, len - at - span);
            len -= span;
            break;
        case 2:
            if (len + span < room) {
                memmove(text + at + span, text + at, len - at);
                len += span;
            }
            break;
        case 3:
            memset(text + at, (char)rng_below(dice, 256), span);
            break;
        default:
            text[at] ^= (char)(1u << rng_below(dice, 8));
            break;
        }
    }
    return len;
}

/* Thousands of damaged INVITEs, UPDATEs and BYEs into a call, and from nowhere. */
static void test_damaged_messages(void)
{
    struct play *play = play_begin(first_seed(), NULL);
    struct rng dice;
    rng_init_number(&dice, play->world.seed);
    static char text[SRC_TEXT];
    static const char *const methods[] = {"INVITE", "UPDATE", "INFO", "OPTIONS", "INVITE"};
    CHECK(src_connect(play->src, src_metadata("1", "2")));
    src_talk(play->src, true);
    for (int i = 0; i < 3000; i++) {
        /* Made by an SRC that dies at once, then damaged and sent from the caller's own address. */
        struct src *scratch = src_create(&play->world);
        (void)src_add_stream(scratch, "1");
        (void)src_add_stream(scratch, "2");
        if (i % 2) /* of the call itself */
            memcpy(scratch->call_id, play->src->call_id, 64);
        world_run(&play->world, 5);
        struct link sip = play->world.sip;
        play->world.sip.loss = 1.0;
        src_request(scratch, methods[i % 5], SRC_MULTIPART,
                    src_multipart(scratch, src_sdp(scratch), src_metadata("1", "2")));
        play->world.sip = sip;
        memcpy(text, scratch->request, scratch->request_len);
        size_t len = mutate(&dice, text, scratch->request_len, sizeof text);
        world_send(&play->world, scratch->sip, play->srs.address, view_of(text, len));
        play->world.src_count--;
        src_destroy(scratch);
    }
    world_run(&play->world, 2000);
    if (!play->src->over)
        src_bye(play->src);
    (void)src_wait(play->src);
    src_talk(play->src, false);
    /* Those that were understood have no SRC any more: no ACK, so BYE, so gone. */
    world_run(&play->world, 120000);
    recorder_hang_up(play->srs.recorder, srs_now(&play->srs));
    world_run(&play->world, 120000);
    CHECK(srs_at_rest(&play->srs));
    for (unsigned i = 0; i < play->srs.file_count; i++) {
        struct srs_file *file = &play->srs.files[i];
        struct pcap *pcap = pcap_read(view_of(file->journal, file->journal_len));
        CHECK(pcap->sound && file->closed);
        free(pcap);
        json_error_t error;
        json_t *document = json_loads(file->document, 0, &error);
        CHECK(document != NULL);
        json_decref(document);
    }
    play->src->over = true;
    play_free(play);
}

/* RTP and RTCP with every field wrong, from the SRC's own address and from elsewhere. */
static void test_damaged_media(void)
{
    struct play *play = play_begin(first_seed() + 1, NULL);
    struct rng dice;
    rng_init_number(&dice, play->world.seed);
    CHECK(src_connect(play->src, src_metadata("1", "2")));
    src_talk(play->src, true);
    world_run(&play->world, 500);
    for (int i = 0; i < 20000; i++) {
        char bytes[300];
        size_t len = rng_below(&dice, sizeof bytes);
        rng_bytes(&dice, bytes, len);
        if (len > 1 && i % 2) {
            bytes[0] = (char)(0x80 | (bytes[0] & 0x3f));
            bytes[1] = (char)(i % 4 == 1 ? 200 + rng_below(&dice, 8) : rng_below(&dice, 128));
        }
        if (len > 12 && i % 3 == 0) /* even of the stream's own SSRC */
            memcpy(bytes + 8, (const char[]){0, 0, 0x10, 0x01}, 4);
        struct addr from = i % 5 ? play->a->from : addr_v4(203, 0, 113, 9, 4000);
        struct addr to = i % 7 ? play->a->to : play->a->to_rtcp;
        world_send(&play->world, from, to, view_of(bytes, len));
        if (i % 20 == 0)
            world_run(&play->world, 20);
    }
    world_run(&play->world, 1000);
    play_end(play);
    /* The other stream is whole, and every packet of this one's is in the journal somewhere. */
    CHECK_INT(pcap_count_rtp(play->pcap, &play->b->to, NULL), play->b->sent);
    CHECK_INT(play_number(play_stream(play, 1), "lost"), 0);
    play_free(play);
}

/* SDP that promises everything: a thousand m-lines, lines without end, labels of a kilobyte. */
static void test_enormous_descriptions(void)
{
    static char sdp[SRC_TEXT];
    struct play *play = play_begin(3, NULL);
    size_t at = (size_t)snprintf(sdp, sizeof sdp,
                                 "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\n"
                                 "c=IN IP4 192.0.2.10\r\nt=0 0\r\n");
    for (int i = 0; i < 1000; i++)
        at += (size_t)snprintf(sdp + at, sizeof sdp - at, "m=audio %d RTP/AVP 0\r\na=label:%d\r\n",
                               20000 + 2 * i, i);
    src_request(play->src, "INVITE", "application/sdp", sdp);
    CHECK_INT(src_wait(play->src), 200);
    unsigned accepted = 0, lines = 0;
    for (const char *m = strstr(play->src->answer, "m=audio"); m; m = strstr(m + 1, "m=audio")) {
        lines++;
        accepted += strncmp(m, "m=audio 0 ", 10) != 0;
    }
    CHECK_INT(lines, 1000);
    CHECK(accepted > 0 && accepted <= LIMIT_STREAMS_PER_RECORDING);
    play_end(play);
    CHECK(play_count(play, "warnings", "code", "sdp-limit") == 1);
    play_free(play);

    play = play_begin(4, NULL);
    memset(sdp, 'x', 4000);
    (void)snprintf(
        sdp + 4000, sizeof sdp - 4000,
        "\r\nv=0\r\nc=IN IP4 192.0.2.10\r\nm=audio 40000 RTP/AVP 0\r\na=label:%.3000s\r\n"
        "a=%.3000s\r\n",
        sdp, sdp);
    src_request(play->src, "INVITE", "application/sdp", sdp);
    CHECK_INT(src_wait(play->src), 200);
    play->a->talking = true;
    play->a->next = play->world.now;
    world_run(&play->world, 500);
    play_end(play);
    CHECK_INT(pcap_count_rtp(play->pcap, &play->a->to, NULL), play->a->sent);
    play_free(play);
}

int main(void)
{
    RUN(test_damaged_messages);
    RUN(test_damaged_media);
    RUN(test_enormous_descriptions);
    return tap_done();
}
