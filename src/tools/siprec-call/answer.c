/* answer: reads an SDP body of the SRS's; see answer.h.
 * Not here: judging it against the offer (judge.c).
 * RFC 8866, 3264, 3605, 4574. */
#include "tools/siprec-call/answer.h"

#include <string.h>

static const char *const direction_names[] = {"sendrecv", "sendonly", "recvonly", "inactive"};

const char *call_direction_name(enum call_direction direction)
{
    return direction_names[direction];
}

static bool direction_parse(struct view name, enum call_direction *out)
{
    for (unsigned i = 0; i < 4; i++) {
        if (view_equal(name, view_of_string(direction_names[i]))) {
            *out = (enum call_direction)i;
            return true;
        }
    }
    return false;
}

/* "IN IP4 192.0.2.1"; a name instead of an address stays unset. */
static void connection_parse(struct view value, struct addr *out)
{
    struct view word;
    view_cut(&value, ' ', &word);
    view_cut(&value, ' ', &word);
    struct addr parsed;
    if (addr_parse_ip(view_take(view_trim(value), view_find_char(view_trim(value), '/')),
                      &parsed)) {
        uint16_t port = out->port;
        *out = addr_with_port(parsed, port);
    }
}

/* "audio 4000/2 RTP/AVP 0 101" */
static void media_open(struct call_media *media, struct view value)
{
    struct view port, profile;
    uint16_t number = 0;
    view_cut(&value, ' ', &media->kind);
    view_cut(&value, ' ', &port);
    view_cut(&value, ' ', &profile);
    if (view_parse_u16(view_take(port, view_find_char(port, '/')), &number))
        media->rtp.port = number;
    media->formats = view_trim(value);
}

static void attribute_apply(struct call_media *media, struct view value)
{
    struct view name, port;
    enum call_direction direction;
    uint16_t number = 0;
    view_cut(&value, ':', &name);
    if (direction_parse(name, &direction)) {
        media->direction = direction;
    } else if (view_equal(name, VIEW_LIT("label"))) {
        media->label = value;
    } else if (view_equal(name, VIEW_LIT("rtcp-mux"))) {
        media->mux = true;
    } else if (view_equal(name, VIEW_LIT("mid"))) {
        media->mid = value;
    } else if (view_equal(name, VIEW_LIT("rtcp"))) {
        view_cut(&value, ' ', &port);
        if (view_parse_u16(port, &number))
            media->rtcp.port = number;
        if (value.len > 0)
            connection_parse(value, &media->rtcp);
    }
}

/* What a=rtcp leaves open (RFC 3605 §2.1), and rtcp-mux (RFC 5761 §5.1.1). */
static void media_close(struct call_media *media)
{
    uint16_t port = media->rtcp.port;
    if (media->mux)
        port = media->rtp.port;
    else if (port == 0 && media->rtp.port > 0)
        port = (uint16_t)(media->rtp.port + 1);
    if (!addr_is_set(&media->rtcp) || media->mux)
        media->rtcp = media->rtp;
    media->rtcp.port = port;
}

static bool sdp_parse(struct call_answer *answer, struct view sdp)
{
    *answer = (struct call_answer){0};
    struct call_media session = {0}, *now = &session;
    struct view line;
    bool version = false;
    while (view_cut_line(&sdp, &line)) {
        if (line.len < 2 || line.at[1] != '=')
            continue;
        struct view value = view_trim(view_skip(line, 2));
        if (line.at[0] == 'v') {
            version = true;
        } else if (line.at[0] == 'o') {
            answer->origin = value;
        } else if (line.at[0] == 'm') {
            if (now != &session)
                now->attributes.len = (size_t)(line.at - now->attributes.at);
            now =
                &answer->media[answer->count < CALL_MEDIA_MAX ? answer->count : CALL_MEDIA_MAX - 1];
            answer->count++;
            *now = session;
            now->attributes =
                view_of(line.at, (size_t)(sdp.at ? sdp.at + sdp.len - line.at : (long)line.len));
            media_open(now, value);
        } else if (line.at[0] == 'c') {
            connection_parse(value, &now->rtp);
        } else if (line.at[0] == 'a') {
            answer->ice_lite = answer->ice_lite || view_equal(value, VIEW_LIT("ice-lite"));
            answer->ice_trickles =
                answer->ice_trickles || (view_starts_with(value, VIEW_LIT("ice-options:")) &&
                                         view_find(value, VIEW_LIT("trickle")) < value.len);
            attribute_apply(now, value);
        }
    }
    for (size_t i = 0; i < answer->count && i < CALL_MEDIA_MAX; i++)
        media_close(&answer->media[i]);
    return version && answer->count > 0;
}

bool call_answer_parse(struct call_answer *answer, struct view content_type, struct view body)
{
    if (!view_starts_with_nocase(content_type, VIEW_LIT("multipart/")))
        return sdp_parse(answer, body);
    /* The one multipart SRS answer seen has the SDP start with "v=0" at a line's start, and end at
     * a boundary, whose "--" no SDP line begins with. */
    size_t start = view_find(body, VIEW_LIT("\nv=0"));
    if (start == body.len)
        return false;
    struct view sdp = view_skip(body, start + 1);
    return sdp_parse(answer, view_take(sdp, view_find(sdp, VIEW_LIT("\n--"))));
}

struct view call_media_rtpmap(const struct call_media *media, uint8_t number)
{
    static const struct {
        uint8_t number;
        const char *map;
    } fixed[] = {{0, "PCMU/8000"}, {3, "GSM/8000"}, {8, "PCMA/8000"},
                 {9, "G722/8000"}, {13, "CN/8000"}, {18, "G729/8000"}};
    struct view rest = media->attributes, line, found;
    uint16_t mapped = 0;
    while (view_cut_line(&rest, &line)) {
        if (!view_starts_with(line, VIEW_LIT("a=rtpmap:")))
            continue;
        line = view_skip(line, 9);
        view_cut(&line, ' ', &found);
        if (view_parse_u16(found, &mapped) && mapped == number)
            return view_trim(line);
    }
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        if (fixed[i].number == number)
            return view_of_string(fixed[i].map);
    }
    return VIEW_NONE;
}
