/* answer: deciding and printing an SRS's answers and offers.
 * Not here: reading the offer (session.c), fmtp (codec.c).
 * RFC 3264 §6, §8; 7866 §7.2; 9143 §7.3.2, §7.3.3. */
#include "sdp/answer.h"

#include "sdp/candidate.h"

#include <assert.h>
#include <string.h>

void sdp_origin_init(struct sdp_origin *origin, uint64_t id, struct addr address)
{
    assert(id < UINT64_C(1) << 62 && addr_is_set(&address));
    *origin = (struct sdp_origin){.id = id, .version = 1, .address = address};
}

/* RFC 3264 §6.1. A recorder only ever receives: of sendrecv it takes the receiving half. A held
 * line (c=0.0.0.0) gets inactive, since nothing is to be recorded on it (the SRC pauses). */
static enum sdp_direction answer_direction(const struct sdp_media *media)
{
    if (media->held)
        return SDP_INACTIVE;
    switch (media->direction) {
    case SDP_SENDRECV:
    case SDP_SENDONLY:
        return SDP_RECVONLY;
    case SDP_RECVONLY: /* the SRC will not send: the one legal answer besides inactive */
        return SDP_SENDONLY;
    case SDP_INACTIVE:
        break;
    }
    return SDP_INACTIVE;
}

static enum sdp_reject judge(const struct sdp_media *media)
{
    if (media->bundle_only)
        return SDP_REJECT_BUNDLE_ONLY; /* RFC 9143 §7.3.2: it cannot be moved out of its bundle */
    if (media->port == 0)
        return SDP_REJECT_REMOVED;
    if (media->kind != SDP_KIND_AUDIO)
        return SDP_REJECT_MEDIA;
    switch (media->profile) {
    case SDP_PROFILE_AVP:
    case SDP_PROFILE_AVPF:
        return SDP_ACCEPTED;
    case SDP_PROFILE_SAVP:
    case SDP_PROFILE_SAVPF:
    case SDP_PROFILE_DTLS_SAVP:
    case SDP_PROFILE_DTLS_SAVPF:
        return SDP_REJECT_SECURE; /* RFC 7866 §12: never SAVP answered with AVP */
    case SDP_PROFILE_OTHER:
        break;
    }
    return SDP_REJECT_PROFILE;
}

/* RFC 3264 §6.1: what we can take, by the offer's numbers and in its order. */
static void choose_formats(struct sdp_answer_line *line, const struct sdp_session *offer,
                           const struct sdp_media *media)
{
    bool voice = false, collides = false;
    for (size_t i = 0; i < media->format_count; i++) {
        const struct sdp_format *format = sdp_media_format(offer, media, i);
        if (!sdp_format_can_take(format))
            continue;
        line->format_at[line->format_count++] = (uint8_t)i;
        voice |= sdp_codec_is_voice(format->codec);
        collides |= format->payload_type >= 64 && format->payload_type <= 95;
    }
    if (!voice)
        line->reject = SDP_REJECT_CODEC;
    /* RFC 5761 §4: beside these payload types RTCP cannot be told from RTP. */
    line->rtcp_mux = media->rtcp_mux && !collides;
}

void sdp_answer_plan(struct sdp_answer *answer, const struct sdp_session *offer)
{
    memset(answer, 0, sizeof *answer);
    answer->offer = offer;
    answer->count = offer->media_count;
    for (size_t i = 0; i < answer->count; i++) {
        const struct sdp_media *media = &offer->media[i];
        struct sdp_answer_line *line = &answer->lines[i];
        line->reject = judge(media);
        line->direction = answer_direction(media);
        line->label = media->label;
        if (line->reject == SDP_ACCEPTED)
            choose_formats(line, offer, media);
        if (line->reject == SDP_ACCEPTED)
            answer->accepted++;
        else if (line->reject == SDP_REJECT_REMOVED)
            answer->removed++;
    }
}

void sdp_answer_refuse(struct sdp_answer *answer, size_t line, enum sdp_reject reject)
{
    assert(line < answer->count && reject != SDP_ACCEPTED);
    if (answer->lines[line].reject == SDP_ACCEPTED)
        answer->accepted--;
    answer->lines[line].reject = reject;
}

static bool shorten(struct sdp_answer *answer, struct sdp_answer_line *line,
                    const struct sdp_media *media, unsigned voices)
{
    uint8_t left = 0;
    unsigned seen = 0;
    bool shorter = line->more_count > 0;
    for (uint8_t i = 0; i < line->format_count; i++) {
        const struct sdp_format *format =
            sdp_media_format(answer->offer, media, line->format_at[i]);
        if (sdp_codec_is_voice(format->codec) && ++seen > voices)
            shorter = true;
        else
            line->format_at[left++] = line->format_at[i];
    }
    line->format_count = left;
    line->more_count = 0;
    return shorter;
}

bool sdp_answer_shorten(struct sdp_answer *answer, unsigned voices)
{
    bool shorter = false;
    for (size_t i = 0; i < answer->count; i++) {
        if (answer->lines[i].reject == SDP_ACCEPTED)
            shorter |= shorten(answer, &answer->lines[i], &answer->offer->media[i], voices);
    }
    return shorter;
}

/* What we would say if we were the SRC: printed as the answer to it, it is our offer. */
#define NEW_LINE(label)                                                                            \
    "m=audio 9 RTP/AVP 0 8 9 18 3 96 97 98 99 100 102 101 103 13\r\n"                              \
    "a=rtpmap:96 opus/48000/2\r\n"                                                                 \
    "a=rtpmap:97 AMR-WB/16000\r\n"                                                                 \
    "a=rtpmap:98 AMR-WB/16000\r\n"                                                                 \
    "a=fmtp:98 octet-align=1\r\n"                                                                  \
    "a=rtpmap:99 AMR/8000\r\n"                                                                     \
    "a=rtpmap:100 AMR/8000\r\n"                                                                    \
    "a=fmtp:100 octet-align=1\r\n"                                                                 \
    "a=rtpmap:102 iLBC/8000\r\n"                                                                   \
    "a=rtpmap:101 telephone-event/8000\r\n"                                                        \
    "a=fmtp:101 0-16\r\n"                                                                          \
    "a=rtpmap:103 telephone-event/48000\r\n"                                                       \
    "a=fmtp:103 0-16\r\n"                                                                          \
    "a=sendonly\r\n"                                                                               \
    "a=label:" label "\r\n"
static const struct view new_offer = VIEW("v=0\r\nt=0 0\r\n" NEW_LINE("1") NEW_LINE("2"));
#undef NEW_LINE

void sdp_offer_plan_new(struct sdp_answer *answer, struct sdp_session *session)
{
    sdp_session_parse(session, new_offer);
    sdp_answer_plan(answer, session);
    assert(answer->accepted == 2);
}

/* A payload type means one thing for the whole session (RFC 3264 §8.3.2): theirs goes first. */
static bool offers(const struct sdp_answer *answer, size_t at, const struct sdp_format *wanted)
{
    const struct sdp_media *media = &answer->offer->media[at];
    const struct sdp_answer_line *line = &answer->lines[at];
    if (sdp_media_find_format(answer->offer, media, wanted->payload_type))
        return true;
    for (size_t i = 0; i < line->more_count; i++) {
        if (answer->more[line->more_first + i].payload_type == wanted->payload_type)
            return true;
    }
    return false;
}

static void offer_more(struct sdp_answer *answer, size_t at, struct sdp_format format)
{
    struct sdp_answer_line *line = &answer->lines[at];
    if (offers(answer, at, &format) || !sdp_format_can_take(&format) ||
        answer->more_used == SDP_MORE_POOL)
        return;
    answer->more[answer->more_used++] = format;
    line->more_count++;
}

/* What we took before in this line, and what has a number that needs no agreement. */
static void offer_all(struct sdp_answer *answer, size_t at, const struct sdp_session *ours)
{
    static const uint8_t numbers[] = {0, 8, 9, 18, 3, 13};
    answer->lines[at].more_first = (uint16_t)answer->more_used;
    if (ours && at < ours->media_count && ours->media[at].kind == SDP_KIND_AUDIO) {
        for (size_t i = 0; i < ours->media[at].format_count; i++)
            offer_more(answer, at, *sdp_media_format(ours, &ours->media[at], i));
    }
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        offer_more(answer, at, sdp_format_static(numbers[i]));
}

void sdp_offer_plan_again(struct sdp_answer *answer, const struct sdp_session *theirs,
                          const struct sdp_session *ours)
{
    sdp_answer_plan(answer, theirs);
    for (size_t i = 0; i < answer->count; i++) {
        if (answer->lines[i].label.len == 0 && ours && i < ours->media_count)
            answer->lines[i].label = ours->media[i].label;
        if (answer->lines[i].reject == SDP_ACCEPTED)
            offer_all(answer, i, ours);
        if (answer->lines[i].direction == SDP_INACTIVE)
            answer->lines[i].direction = SDP_RECVONLY;
    }
}

/* What of the offer may be repeated in a line of ours: everything but control bytes. */
static void print_safe(struct writer *w, struct view text)
{
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.at[i] >= ' ' && text.at[i] != 0x7f)
            writer_u8(w, (uint8_t)text.at[i]);
    }
}

static bool is_token(struct view text)
{
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.at[i] <= ' ' || text.at[i] == 0x7f)
            return false;
    }
    return text.len > 0;
}

/* "m=audio 0 RTP/AVP 0 8": the words of an m-line that is refused, with whatever was missing made
 * up, since RFC 8866 §5.14 wants every one of them. */
static void print_media_start(struct writer *w, const struct sdp_media *media, uint16_t port)
{
    writer_string(w, "m=");
    writer_view(w, is_token(media->media) ? media->media : VIEW_LIT("audio"));
    writer_printf(w, " %u ", (unsigned)port);
    writer_view(w, is_token(media->protocol) ? media->protocol : VIEW_LIT("RTP/AVP"));
}

static void print_connection(struct writer *w, const struct addr *address)
{
    writer_printf(w, "c=IN %s %s\r\n", address->family == ADDR_V6 ? "IP6" : "IP4",
                  addr_print_ip(address).s);
}

/* RFC 4574 for the label; RFC 9143 §7.3 and 5888 §9.1 for the mid, which is echoed though no group
 * is. */
static void print_identity(struct writer *w, struct view label, struct view mid)
{
    if (label.len) {
        writer_string(w, "a=label:");
        print_safe(w, label);
        writer_string(w, "\r\n");
    }
    if (is_token(mid)) {
        writer_string(w, "a=mid:");
        writer_view(w, mid);
        writer_string(w, "\r\n");
    }
}

static void print_ice(struct writer *w, const struct sdp_ice *ice)
{
    if (ice->mismatch) {
        writer_string(w, "a=ice-mismatch\r\n");
        return;
    }
    for (size_t i = 0; i < ice->candidate_count; i++)
        sdp_candidate_print(w, &ice->candidates[i]);
    writer_printf(w, "a=ice-ufrag:" VIEW_FMT "\r\na=ice-pwd:" VIEW_FMT "\r\n", VIEW_ARG(ice->ufrag),
                  VIEW_ARG(ice->pwd));
    if (ice->ends)
        writer_string(w, "a=end-of-candidates\r\n");
}

static void print_accepted(struct writer *w, const struct sdp_answer *answer, size_t at,
                           const struct addr *session_address)
{
    const struct sdp_answer_line *line = &answer->lines[at];
    const struct sdp_media *media = &answer->offer->media[at];
    assert(addr_is_set(&line->rtp) && line->rtp.port != 0);
    print_media_start(w, media, line->rtp.port);
    for (size_t i = 0; i < line->format_count; i++)
        writer_printf(
            w, " %u",
            (unsigned)sdp_media_format(answer->offer, media, line->format_at[i])->payload_type);
    for (size_t i = 0; i < line->more_count; i++)
        writer_printf(w, " %u", (unsigned)answer->more[line->more_first + i].payload_type);
    writer_string(w, "\r\n");
    if (!addr_equal_ip(&line->rtp, session_address))
        print_connection(w, &line->rtp);
    for (size_t i = 0; i < line->format_count; i++)
        sdp_format_print(w, sdp_media_format(answer->offer, media, line->format_at[i]));
    for (size_t i = 0; i < line->more_count; i++)
        sdp_format_print(w, &answer->more[line->more_first + i]);
    if (media->ptime_ms)
        writer_printf(w, "a=ptime:%u\r\n", (unsigned)media->ptime_ms);
    if (media->maxptime_ms)
        writer_printf(w, "a=maxptime:%u\r\n", (unsigned)media->maxptime_ms);
    writer_printf(w, "a=%s\r\n", sdp_direction_name(line->direction));
    print_identity(w, line->label, media->mid);
    if (line->rtcp_mux)
        writer_string(w, "a=rtcp-mux\r\n");
    else if (line->rtcp.port && addr_equal_ip(&line->rtcp, &line->rtp))
        writer_printf(w, "a=rtcp:%u\r\n", (unsigned)line->rtcp.port);
    else if (line->rtcp.port)
        writer_printf(w, "a=rtcp:%u IN %s %s\r\n", (unsigned)line->rtcp.port,
                      line->rtcp.family == ADDR_V6 ? "IP6" : "IP4", addr_print_ip(&line->rtcp).s);
    if (line->ice)
        print_ice(w, line->ice);
}

/* RFC 3264 §6: in its place, port 0, at least one format, here those of the offer. */
static void print_rejected(struct writer *w, const struct sdp_media *media, struct view label)
{
    struct view rest = media->formats_text, word;
    bool any = false;
    print_media_start(w, media, 0);
    while (view_cut(&rest, ' ', &word)) {
        word = view_trim(word);
        if (!is_token(word))
            continue;
        writer_string(w, " ");
        writer_view(w, word);
        any = true;
    }
    writer_string(w, any ? "\r\n" : " 0\r\n");
    writer_string(w, "a=inactive\r\n");
    print_identity(w, label, media->mid);
}

/* m-lines beyond what is read: they must still be answered, in their places. */
static void print_lost(struct writer *w, struct view text)
{
    struct view rest = text, line, word;
    while (view_cut_line(&rest, &line)) {
        line = view_trim(line);
        if (!view_starts_with(line, VIEW_LIT("m=")))
            continue;
        struct sdp_media media = {0};
        struct view words = view_skip(line, 2);
        if (view_cut(&words, ' ', &media.media) && view_cut(&words, ' ', &word) &&
            view_cut(&words, ' ', &media.protocol))
            media.formats_text = words;
        print_rejected(w, &media, VIEW_NONE);
    }
}

/* RFC 3264 §6: t= as offered. */
static void print_timing(struct writer *w, struct view timing)
{
    struct view rest = timing, start;
    uint64_t number;
    (void)view_cut(&rest, ' ', &start);
    bool plain = view_parse_u64(start, &number) && view_parse_u64(rest, &number);
    writer_printf(w, "t=" VIEW_FMT "\r\n", VIEW_ARG(plain ? timing : VIEW_LIT("0 0")));
}

/* RFC 8445 §10: ice2 says that we nominate by its rules. */
static void print_session_ice(struct writer *w, const struct sdp_answer *answer)
{
    bool any = false;
    for (size_t i = 0; i < answer->count; i++)
        any |= answer->lines[i].reject == SDP_ACCEPTED && answer->lines[i].ice &&
               !answer->lines[i].ice->mismatch;
    if (!any)
        return;
    if (answer->ice_lite)
        writer_string(w, "a=ice-lite\r\n");
    writer_printf(w, "a=ice-options:ice2%s\r\n", answer->ice_trickle ? " trickle" : "");
}

static void print_with_version(const struct sdp_answer *answer, const struct sdp_origin *origin,
                               uint64_t version, struct writer *w)
{
    struct addr session_address = origin->address;
    for (size_t i = answer->count; i-- > 0;) {
        if (answer->lines[i].reject == SDP_ACCEPTED)
            session_address = answer->lines[i].rtp;
    }
    writer_printf(w, "v=0\r\no=siprecd %llu %llu IN %s %s\r\ns=-\r\n",
                  (unsigned long long)origin->id, (unsigned long long)version,
                  origin->address.family == ADDR_V6 ? "IP6" : "IP4",
                  addr_print_ip(&origin->address).s);
    print_connection(w, &session_address);
    print_timing(w, answer->offer->timing);
    print_session_ice(w, answer);
    for (size_t i = 0; i < answer->count; i++) {
        if (answer->lines[i].reject == SDP_ACCEPTED)
            print_accepted(w, answer, i, &session_address);
        else
            print_rejected(w, &answer->offer->media[i], answer->lines[i].label);
    }
    if (answer->offer->lost_media)
        print_lost(w, answer->offer->lost_text);
}

/* FNV-1a over 64 bits. A collision would need an SRC that wants its own re-INVITE misread. */
static uint64_t digest(struct view text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (uint8_t)text.at[i]) * UINT64_C(0x100000001b3);
    return hash;
}

bool sdp_answer_print(const struct sdp_answer *answer, struct sdp_origin *origin, struct writer *w)
{
    size_t start = w->len;
    print_with_version(answer, origin, origin->version, w);
    if (w->failed)
        return false;
    /* Printed with the version sent last: any difference is a real one (RFC 3264 §8). */
    uint64_t now = digest(view_of(w->buffer + start, w->len - start));
    if (origin->sent && now != origin->digest) {
        struct writer again = *w;
        again.len = start;
        print_with_version(answer, origin, origin->version + 1, &again);
        if (again.failed) {
            w->failed = true;
            return false;
        }
        *w = again;
        origin->version++;
        now = digest(view_of(w->buffer + start, w->len - start));
    }
    origin->sent = true;
    origin->digest = now;
    return true;
}
