/* session: the lenient reader of SDP.
 * Not here: codecs' names (codec.c), candidate lines (candidate.c).
 * RFC 8866 §5, §6. */
#include "sdp/session.h"

#include "sdp/candidate.h"

#include <string.h>

/* Where a line belongs while reading. */
struct context {
    struct sdp_session *session;
    struct sdp_media *media; /* NULL: session level */
    struct addr connection;  /* session level c= */
    bool has_direction;
    enum sdp_direction direction;
    uint32_t ptime_ms, maxptime_ms;
    struct view ice_ufrag, ice_pwd, fingerprint, setup;
    bool trickle;
    /* Of the m-line being read: */
    struct addr media_connection;
    bool media_has_connection;
    struct addr rtcp;
    bool has_rtcp;
    bool bundle_only;
};

static const struct {
    struct view name;
    enum sdp_kind kind;
} kinds[] = {
    {VIEW("audio"), SDP_KIND_AUDIO}, {VIEW("video"), SDP_KIND_VIDEO},
    {VIEW("text"), SDP_KIND_TEXT},   {VIEW("message"), SDP_KIND_MESSAGE},
    {VIEW("image"), SDP_KIND_IMAGE}, {VIEW("application"), SDP_KIND_APPLICATION},
};

static const struct {
    struct view name;
    enum sdp_profile profile;
} profiles[] = {
    {VIEW("RTP/AVP"), SDP_PROFILE_AVP},
    {VIEW("RTP/AVPF"), SDP_PROFILE_AVPF},
    {VIEW("RTP/SAVP"), SDP_PROFILE_SAVP},
    {VIEW("RTP/SAVPF"), SDP_PROFILE_SAVPF},
    {VIEW("UDP/TLS/RTP/SAVP"), SDP_PROFILE_DTLS_SAVP},
    {VIEW("UDP/TLS/RTP/SAVPF"), SDP_PROFILE_DTLS_SAVPF},
};

static const struct view directions[] = {
    [SDP_SENDRECV] = VIEW("sendrecv"),
    [SDP_SENDONLY] = VIEW("sendonly"),
    [SDP_RECVONLY] = VIEW("recvonly"),
    [SDP_INACTIVE] = VIEW("inactive"),
};

/* The next word of a line: blanks and tabs, any number of them, stand between. */
static bool next_word(struct view *rest, struct view *word)
{
    *rest = view_trim(*rest);
    size_t n = 0;
    while (n < rest->len && rest->at[n] != ' ' && rest->at[n] != '\t')
        n++;
    *word = view_take(*rest, n);
    *rest = view_skip(*rest, n);
    return word->len > 0;
}

/* "IN IP4 192.0.2.1/127" behind c=, o= or a=rtcp's port. False for a name, or nothing. */
static bool read_connection(struct view value, struct addr *out)
{
    struct view nettype, addrtype, address, host;
    if (!next_word(&value, &nettype) || !next_word(&value, &addrtype) ||
        !next_word(&value, &address))
        return false;
    (void)view_cut(&address, '/', &host); /* TTL or count of a multicast group */
    return addr_parse_ip(host, out);
}

static void read_origin(struct sdp_session *session, struct view value)
{
    struct view word;
    if (session->origin_id.len)
        return;
    (void)next_word(&value, &session->origin_user);
    (void)next_word(&value, &session->origin_id);
    (void)next_word(&value, &session->origin_version);
    (void)next_word(&value, &word);
    (void)next_word(&value, &word);
    (void)next_word(&value, &session->origin_address);
}

static void read_connection_line(struct context *c, struct view value)
{
    struct addr address = {0};
    (void)read_connection(value, &address);
    if (!c->media) {
        c->connection = address;
    } else if (!c->media_has_connection) { /* more than one is for layered multicast */
        c->media_connection = address;
        c->media_has_connection = true;
    }
}

static struct sdp_format *find_format(struct context *c, uint64_t payload_type)
{
    struct sdp_format *formats = c->session->formats + c->media->format_first;
    for (size_t i = 0; i < c->media->format_count; i++) {
        if (formats[i].payload_type == payload_type)
            return &formats[i];
    }
    return NULL;
}

static void read_format_attribute(struct context *c, bool is_rtpmap, struct view value)
{
    struct view number;
    uint64_t payload_type;
    if (!c->media || !next_word(&value, &number) || !view_parse_u64(number, &payload_type))
        return;
    struct sdp_format *format = find_format(c, payload_type);
    if (!format)
        return;
    if (is_rtpmap)
        sdp_format_apply_rtpmap(format, value);
    else
        format->fmtp = view_trim(value);
}

static bool read_direction(struct context *c, struct view name)
{
    for (enum sdp_direction d = SDP_SENDRECV; d <= SDP_INACTIVE; d++) {
        if (!view_equal_nocase(name, directions[d]))
            continue;
        if (c->media) {
            c->media->direction = d;
            c->media->direction_given = true;
        } else {
            c->direction = d;
            c->has_direction = true;
        }
        return true;
    }
    return false;
}

static void read_rtcp(struct context *c, struct view value)
{
    struct view word;
    struct addr address = {0};
    uint16_t port;
    if (!next_word(&value, &word) || !view_parse_u16(word, &port) || port == 0)
        return;
    (void)read_connection(value, &address); /* without one it is the media's (RFC 3605 §2.1) */
    c->rtcp = addr_with_port(address, port);
    c->has_rtcp = true;
}

/* "20", and "20.0" or "20ms" as some write it; 0 when it is no time that a packet could have. */
static uint32_t read_ms(struct view value)
{
    size_t n = 0;
    uint32_t ms;
    while (n < value.len && value.at[n] >= '0' && value.at[n] <= '9')
        n++;
    return view_parse_u32(view_take(value, n), &ms) && ms <= 1000 ? ms : 0;
}

static void read_candidate(struct context *c, struct view value)
{
    struct sdp_session *session = c->session;
    if (!c->media)
        return;
    if (session->candidate_used == SDP_CANDIDATES_POOL) {
        session->lost_candidates++;
    } else if (sdp_candidate_parse(value, &session->candidates[session->candidate_used])) {
        session->candidate_used++;
        c->media->candidate_count++;
    } else if (c->media->candidates_unread < UINT16_MAX) {
        c->media->candidates_unread++;
    }
}

/* What may stand at either level, where the m-line's own goes first. */
static bool read_inherited(struct context *c, struct view name, struct view value)
{
    struct sdp_media *m = c->media;
    if (view_equal_nocase(name, VIEW_LIT("ptime")))
        *(m ? &m->ptime_ms : &c->ptime_ms) = read_ms(value);
    else if (view_equal_nocase(name, VIEW_LIT("maxptime")))
        *(m ? &m->maxptime_ms : &c->maxptime_ms) = read_ms(value);
    else if (view_equal_nocase(name, VIEW_LIT("ice-ufrag")))
        *(m ? &m->ice_ufrag : &c->ice_ufrag) = value;
    else if (view_equal_nocase(name, VIEW_LIT("ice-pwd")))
        *(m ? &m->ice_pwd : &c->ice_pwd) = value;
    else if (view_equal_nocase(name, VIEW_LIT("fingerprint")))
        *(m ? &m->fingerprint : &c->fingerprint) = value;
    else if (view_equal_nocase(name, VIEW_LIT("setup")))
        *(m ? &m->setup : &c->setup) = value;
    else
        return false;
    return true;
}

static void read_session_attribute(struct context *c, struct view name, struct view value)
{
    struct view semantics;
    if (view_equal_nocase(name, VIEW_LIT("group"))) {
        bool known = next_word(&value, &semantics);
        size_t at = 0;
        while (at < SDP_ANAT_GROUPS && c->session->group_anat[at].len)
            at++;
        if (known && view_equal_nocase(semantics, VIEW_LIT("BUNDLE")) &&
            c->session->group_bundle.len == 0)
            c->session->group_bundle = value;
        else if (known && view_equal_nocase(semantics, VIEW_LIT("ANAT")) && at < SDP_ANAT_GROUPS)
            c->session->group_anat[at] = value;
    } else if (view_equal_nocase(name, VIEW_LIT("ice-lite"))) {
        c->session->ice_lite = true;
    } else if (view_equal_nocase(name, VIEW_LIT("end-of-candidates"))) {
        c->session->ice_ends = true;
    }
}

static void read_media_attribute(struct context *c, struct view name, struct view value)
{
    struct sdp_media *m = c->media;
    if (view_equal_nocase(name, VIEW_LIT("label"))) {
        if (m->label.len == 0)
            m->label = value;
    } else if (view_equal_nocase(name, VIEW_LIT("mid"))) {
        m->mid = value;
    } else if (view_equal_nocase(name, VIEW_LIT("rtcp-mux")) ||
               view_equal_nocase(name, VIEW_LIT("rtcp-mux-only"))) {
        m->rtcp_mux = true;
    } else if (view_equal_nocase(name, VIEW_LIT("rtcp"))) {
        read_rtcp(c, value);
    } else if (view_equal_nocase(name, VIEW_LIT("bundle-only"))) {
        c->bundle_only = true;
    } else if (view_equal_nocase(name, VIEW_LIT("crypto"))) {
        m->crypto_count++;
    } else if (view_equal_nocase(name, VIEW_LIT("candidate"))) {
        read_candidate(c, value);
    } else if (view_equal_nocase(name, VIEW_LIT("end-of-candidates"))) {
        m->ice_ends = true;
    } else if (view_equal_nocase(name, VIEW_LIT("ice-mismatch"))) {
        m->ice_mismatch = true;
    }
}

static void read_ice_options(struct context *c, struct view value)
{
    if (view_find(value, VIEW_LIT("trickle")) == value.len)
        return;
    c->trickle = true;
    if (c->media)
        c->media->ice_trickles = true;
}

static void read_attribute(struct context *c, struct view line)
{
    struct view value = line, name;
    (void)view_cut(&value, ':', &name);
    name = view_trim(name);
    value = view_trim(value);
    if (view_equal_nocase(name, VIEW_LIT("rtpmap")))
        read_format_attribute(c, true, value);
    else if (view_equal_nocase(name, VIEW_LIT("fmtp")))
        read_format_attribute(c, false, value);
    else if (view_equal_nocase(name, VIEW_LIT("ice-options")))
        read_ice_options(c, value);
    else if (read_direction(c, name) || read_inherited(c, name, value))
        return;
    else if (c->media)
        read_media_attribute(c, name, value);
    else
        read_session_attribute(c, name, value);
}

static void read_formats(struct context *c, struct view text)
{
    struct sdp_session *session = c->session;
    struct view rest = text, word;
    uint64_t payload_type;
    while (next_word(&rest, &word)) {
        if (!view_parse_u64(word, &payload_type) || payload_type > 127 ||
            find_format(c, payload_type))
            continue;
        if (c->media->format_count == LIMIT_SDP_FORMATS ||
            session->format_used == SDP_FORMATS_POOL) {
            session->lost_formats++;
            continue;
        }
        session->formats[session->format_used++] = sdp_format_static((uint8_t)payload_type);
        c->media->format_count++;
    }
}

/* "audio 49170/2 RTP/AVP 0 8": whatever is missing stays empty, and port 0 then keeps the line from
 * being used. */
static void read_media_line(struct context *c, struct view value)
{
    struct sdp_session *session = c->session;
    struct sdp_media *m = &session->media[session->media_count++];
    struct view ports, port;
    *m = (struct sdp_media){
        .kind = SDP_KIND_OTHER,
        .format_first = (uint16_t)session->format_used,
        .candidate_first = (uint16_t)session->candidate_used,
        .direction = c->direction,
        .direction_given = c->has_direction,
        .ptime_ms = c->ptime_ms,
        .maxptime_ms = c->maxptime_ms,
        .ice_ufrag = c->ice_ufrag,
        .ice_pwd = c->ice_pwd,
        .ice_trickles = c->trickle,
        .fingerprint = c->fingerprint,
        .setup = c->setup,
    };
    c->media = m;
    c->media_has_connection = c->has_rtcp = c->bundle_only = false;
    (void)next_word(&value, &m->media);
    (void)next_word(&value, &ports);
    (void)next_word(&value, &m->protocol);
    m->formats_text = view_trim(value);
    (void)view_cut(&ports, '/', &port);
    if (!view_parse_u16(port, &m->port))
        m->port = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (view_equal_nocase(m->media, kinds[i].name))
            m->kind = kinds[i].kind;
    }
    for (size_t i = 0; i < sizeof profiles / sizeof profiles[0]; i++) {
        if (view_equal_nocase(m->protocol, profiles[i].name))
            m->profile = profiles[i].profile;
    }
    if (m->profile != SDP_PROFILE_OTHER)
        read_formats(c, m->formats_text);
}

/* fmtp without an rtpmap that reads like a list of events: what 100, 101 and their like mean in the
 * field. */
static void guess_events(struct context *c)
{
    struct sdp_format *formats = c->session->formats + c->media->format_first;
    for (size_t i = 0; i < c->media->format_count; i++) {
        if (formats[i].payload_type >= 96 && !formats[i].mapped &&
            view_starts_with(formats[i].fmtp, VIEW_LIT("0-1")))
            sdp_format_apply_rtpmap(&formats[i], VIEW_LIT("telephone-event/8000"));
    }
}

static bool has_word(struct view list, struct view wanted)
{
    struct view word;
    while (wanted.len && next_word(&list, &word)) {
        if (view_equal(word, wanted))
            return true;
    }
    return false;
}

static void read_anat(const struct sdp_session *session, struct sdp_media *m)
{
    for (uint8_t i = 0; i < SDP_ANAT_GROUPS && m->mid.len; i++) {
        struct view list = session->group_anat[i], word;
        for (uint8_t rank = 0; next_word(&list, &word); rank++) {
            if (!view_equal(word, m->mid))
                continue;
            m->anat = (uint8_t)(i + 1);
            m->anat_rank = rank;
            return;
        }
    }
}

/* Everything that needs the m-line's section read to its end. */
static void finish_media(struct context *c)
{
    struct sdp_media *m = c->media;
    if (!m)
        return;
    struct addr address = c->media_has_connection ? c->media_connection : c->connection;
    m->bundled = has_word(c->session->group_bundle, m->mid);
    read_anat(c->session, m);
    /* RFC 9143 §6: the attribute means something only in a bundled m-line with port 0. */
    m->bundle_only = c->bundle_only && m->bundled && m->port == 0;
    /* RFC 8840 §4.1.1: a trickling agent that has no address yet writes 0.0.0.0 and port 9. */
    bool awaits_candidates = m->port == 9 && (m->ice_ufrag.len > 0 || c->trickle);
    m->held = addr_is_unspecified(&address) && !awaits_candidates;
    if (m->port && addr_is_set(&address) && !addr_is_unspecified(&address)) {
        m->rtp = addr_with_port(address, m->port);
        m->rtcp = m->rtp;
        if (m->rtcp_mux)
            ; /* RFC 5761 §5.1.1: one port for both; a=rtcp is for those that cannot */
        else if (c->has_rtcp)
            m->rtcp = addr_is_set(&c->rtcp) && !addr_is_unspecified(&c->rtcp)
                          ? c->rtcp
                          : addr_with_port(address, c->rtcp.port);
        else
            m->rtcp = addr_with_port(address, m->port < UINT16_MAX ? (uint16_t)(m->port + 1) : 0);
    }
    guess_events(c);
}

/* False when the line begins an m-line for which there is no room. */
static bool read_line(struct context *c, struct view line)
{
    struct sdp_session *session = c->session;
    struct view value = view_skip(line, 2);
    switch (line.at[0]) {
    case 'v':
        session->has_version = true;
        /* A second description in the same part: what follows is session level until its first
         * m-line. */
        finish_media(c);
        c->media = NULL;
        break;
    case 'o':
        read_origin(session, value);
        break;
    case 'c':
        read_connection_line(c, value);
        break;
    case 't':
        if (session->timing.len == 0)
            session->timing = view_trim(value);
        break;
    case 'a':
        read_attribute(c, value);
        break;
    case 'm':
        finish_media(c);
        if (session->media_count == LIMIT_SDP_MEDIA)
            return false;
        read_media_line(c, value);
        c->media->text = view_of(line.at, 0);
        break;
    default: /* s= i= u= e= p= b= r= z= k= and what nobody knows */
        break;
    }
    return true;
}

static bool is_line(struct view line)
{
    return line.len >= 2 && line.at[1] == '=';
}

static void count_lost_media(struct sdp_session *session, struct view from)
{
    struct view rest = from, line;
    session->lost_text = from;
    while (view_cut_line(&rest, &line)) {
        line = view_trim(line);
        if (is_line(line) && line.at[0] == 'm')
            session->lost_media++;
    }
}

void sdp_session_parse(struct sdp_session *session, struct view text)
{
    struct context c = {.session = session, .direction = SDP_SENDRECV};
    struct view rest = text, line;
    memset(session, 0, sizeof *session);
    session->text = text;
    for (;;) {
        struct view before = rest;
        if (!view_cut_line(&rest, &line))
            break;
        line = view_trim(line);
        if (!is_line(line))
            continue;
        if (!read_line(&c, line)) {
            count_lost_media(session, before);
            c.media = NULL;
            break;
        }
        if (c.media)
            c.media->text.len = (size_t)(line.at + line.len - c.media->text.at);
    }
    finish_media(&c);
    session->ice_ufrag = c.ice_ufrag;
    session->ice_pwd = c.ice_pwd;
}

const struct sdp_format *sdp_media_format(const struct sdp_session *session,
                                          const struct sdp_media *media, size_t i)
{
    return &session->formats[media->format_first + i];
}

const struct sdp_format *sdp_media_find_format(const struct sdp_session *session,
                                               const struct sdp_media *media, uint8_t payload_type)
{
    for (size_t i = 0; i < media->format_count; i++) {
        const struct sdp_format *format = sdp_media_format(session, media, i);
        if (format->payload_type == payload_type)
            return format;
    }
    return NULL;
}

bool sdp_media_label_repeats(const struct sdp_session *session, size_t line)
{
    struct view label = session->media[line].label;
    for (size_t i = 0; label.len && i < session->media_count; i++) {
        if (i != line && view_equal(session->media[i].label, label))
            return true;
    }
    return false;
}

bool sdp_attribute_next(struct view *rest, struct view *name, struct view *value)
{
    struct view line;
    while (view_cut_line(rest, &line)) {
        line = view_trim(line);
        if (!is_line(line) || line.at[0] != 'a')
            continue;
        *value = view_skip(line, 2);
        (void)view_cut(value, ':', name);
        *name = view_trim(*name);
        *value = view_trim(*value);
        return true;
    }
    return false;
}

const char *sdp_direction_name(enum sdp_direction direction)
{
    return directions[direction].at;
}

bool sdp_direction_sends(enum sdp_direction direction)
{
    return direction == SDP_SENDRECV || direction == SDP_SENDONLY;
}

bool sdp_direction_receives(enum sdp_direction direction)
{
    return direction == SDP_SENDRECV || direction == SDP_RECVONLY;
}
