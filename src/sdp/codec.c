/* codec: the table of audio formats, and what a receiver answers about each.
 * Not here: which formats an m-line has (session.c), which are chosen (answer.c).
 * RFC 3551 §6; fmtp: 4733 §2.4.1, 4867 §8.3.1, 3952 §5, 7587 §7.1, 7261 §3 (G.729), 3264 §6.1 (the
 * rest). */
#include "sdp/codec.h"

#include <assert.h>

/* How fmtp is answered. */
enum fmtp_rule {
    FMTP_SAME,  /* it describes the bits: the same in the answer (RFC 3264 §6.1) */
    FMTP_NAMED, /* only those that the payload format wants back */
    FMTP_EVENTS,
};

struct codec_info {
    const char *name;
    uint32_t clock_hz; /* where an rtpmap does not say; RTP's clock, so 8000 for G.722 */
    uint32_t clock_min, clock_max;
    uint8_t channels, channels_max;
    enum fmtp_rule fmtp;
};

static const struct codec_info infos[SDP_CODEC_COUNT] = {
    [SDP_CODEC_UNKNOWN] = {"unknown", 0, 1, 0, 1, 0, FMTP_SAME},
    [SDP_CODEC_PCMU] = {"PCMU", 8000, 8000, 48000, 1, 2, FMTP_SAME},
    [SDP_CODEC_PCMA] = {"PCMA", 8000, 8000, 48000, 1, 2, FMTP_SAME},
    /* 8000 although it samples at 16000 (RFC 3551 §4.5.2); some write 16000. */
    [SDP_CODEC_G722] = {"G722", 8000, 8000, 16000, 1, 1, FMTP_SAME},
    [SDP_CODEC_G729] = {"G729", 8000, 8000, 8000, 1, 1, FMTP_SAME},
    [SDP_CODEC_OPUS] = {"opus", 48000, 48000, 48000, 2, 2, FMTP_NAMED},
    [SDP_CODEC_AMR] = {"AMR", 8000, 8000, 8000, 1, 1, FMTP_NAMED},
    [SDP_CODEC_AMR_WB] = {"AMR-WB", 16000, 16000, 16000, 1, 1, FMTP_NAMED},
    [SDP_CODEC_ILBC] = {"iLBC", 8000, 8000, 8000, 1, 1, FMTP_NAMED},
    [SDP_CODEC_GSM] = {"GSM", 8000, 8000, 8000, 1, 1, FMTP_SAME},
    [SDP_CODEC_L16] = {"L16", 44100, 8000, 48000, 1, 2, FMTP_SAME},
    [SDP_CODEC_TELEPHONE_EVENT] = {"telephone-event", 8000, 1000, 192000, 1, 1, FMTP_EVENTS},
    [SDP_CODEC_CN] = {"CN", 8000, 8000, 48000, 1, 1, FMTP_SAME},
};

/* Spellings other than the table's. */
static const struct {
    struct view name;
    enum sdp_codec codec;
} aliases[] = {
    {VIEW("G729A"), SDP_CODEC_G729},
    {VIEW("G729B"), SDP_CODEC_G729},
    {VIEW("G729AB"), SDP_CODEC_G729},
    {VIEW("G.729"), SDP_CODEC_G729},
    {VIEW("G.722"), SDP_CODEC_G722},
    {VIEW("telephone-events"), SDP_CODEC_TELEPHONE_EVENT}, /* so RFC 5888 §8.4.1 */
    {VIEW("AMRWB"), SDP_CODEC_AMR_WB},
    {VIEW("G711U"), SDP_CODEC_PCMU},
    {VIEW("G711A"), SDP_CODEC_PCMA},
};

/* RFC 3551 §6, table 4. 19 is reserved there; it was comfort noise in drafts, and still is in
 * Cisco's offers. */
static const struct {
    const char *name;
    enum sdp_codec codec;
    uint32_t clock_hz;
    uint8_t channels;
} statics[] = {
    [0] = {"PCMU", SDP_CODEC_PCMU, 8000, 1},      [2] = {"G726-32", SDP_CODEC_UNKNOWN, 8000, 1},
    [3] = {"GSM", SDP_CODEC_GSM, 8000, 1},        [4] = {"G723", SDP_CODEC_UNKNOWN, 8000, 1},
    [5] = {"DVI4", SDP_CODEC_UNKNOWN, 8000, 1},   [6] = {"DVI4", SDP_CODEC_UNKNOWN, 16000, 1},
    [7] = {"LPC", SDP_CODEC_UNKNOWN, 8000, 1},    [8] = {"PCMA", SDP_CODEC_PCMA, 8000, 1},
    [9] = {"G722", SDP_CODEC_G722, 8000, 1},      [10] = {"L16", SDP_CODEC_L16, 44100, 2},
    [11] = {"L16", SDP_CODEC_L16, 44100, 1},      [12] = {"QCELP", SDP_CODEC_UNKNOWN, 8000, 1},
    [13] = {"CN", SDP_CODEC_CN, 8000, 1},         [14] = {"MPA", SDP_CODEC_UNKNOWN, 90000, 1},
    [15] = {"G728", SDP_CODEC_UNKNOWN, 8000, 1},  [16] = {"DVI4", SDP_CODEC_UNKNOWN, 11025, 1},
    [17] = {"DVI4", SDP_CODEC_UNKNOWN, 22050, 1}, [18] = {"G729", SDP_CODEC_G729, 8000, 1},
    [19] = {"CN", SDP_CODEC_CN, 8000, 1},
};

const char *sdp_codec_name(enum sdp_codec codec)
{
    assert(codec < SDP_CODEC_COUNT);
    return infos[codec].name;
}

enum sdp_codec sdp_codec_find(struct view name)
{
    for (enum sdp_codec c = SDP_CODEC_PCMU; c < SDP_CODEC_COUNT; c++) {
        if (view_equal_nocase(name, view_of_string(infos[c].name)))
            return c;
    }
    for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++) {
        if (view_equal_nocase(name, aliases[i].name))
            return aliases[i].codec;
    }
    return SDP_CODEC_UNKNOWN;
}

bool sdp_codec_is_voice(enum sdp_codec codec)
{
    return codec != SDP_CODEC_UNKNOWN && codec != SDP_CODEC_TELEPHONE_EVENT &&
           codec != SDP_CODEC_CN;
}

struct sdp_format sdp_format_static(uint8_t payload_type)
{
    struct sdp_format format = {.payload_type = payload_type, .channels = 1};
    if (payload_type < sizeof statics / sizeof statics[0] && statics[payload_type].name) {
        format.codec = statics[payload_type].codec;
        format.name = view_of_string(statics[payload_type].name);
        format.clock_hz = statics[payload_type].clock_hz;
        format.channels = statics[payload_type].channels;
    }
    return format;
}

/* The digits in front, so that "8000a" is 8000; false without any. */
static bool leading_number(struct view v, uint32_t *out)
{
    size_t n = 0;
    while (n < v.len && v.at[n] >= '0' && v.at[n] <= '9')
        n++;
    return view_parse_u32(view_take(v, n), out);
}

void sdp_format_apply_rtpmap(struct sdp_format *format, struct view map)
{
    struct view rest = view_trim(map), name, clock, channels;
    uint32_t number;
    (void)view_cut(&rest, '/', &name);
    name = view_trim(name);
    if (name.len == 0)
        return;
    format->name = name;
    format->codec = sdp_codec_find(name);
    format->mapped = true;
    format->clock_hz = infos[format->codec].clock_hz;
    /* A missing channel count means one (RFC 8866 §6.6), except that opus is always written with
     * two. */
    format->channels = 1;
    if (view_cut(&rest, '/', &clock) && leading_number(view_trim(clock), &number))
        format->clock_hz = number;
    else
        format->channels = infos[format->codec].channels;
    if (view_cut(&rest, '/', &channels) && leading_number(view_trim(channels), &number))
        format->channels = number < UINT8_MAX ? (uint8_t)number : UINT8_MAX;
}

bool sdp_fmtp_find(struct view fmtp, struct view name, struct view *value)
{
    struct view rest = fmtp, item, key;
    while (view_cut(&rest, ';', &item)) {
        bool has_value;
        (void)view_cut(&item, '=', &key);
        has_value = item.at;
        if (view_equal_nocase(view_trim(key), name)) {
            *value = has_value ? view_trim(item) : VIEW_NONE;
            return true;
        }
    }
    return false;
}

/* True when the parameter is there with a value other than 0. */
static bool fmtp_is_on(struct view fmtp, struct view name)
{
    struct view value;
    return sdp_fmtp_find(fmtp, name, &value) && !view_equal(value, VIEW_LIT("0"));
}

bool sdp_format_can_take(const struct sdp_format *format)
{
    const struct codec_info *info = &infos[format->codec];
    if (format->codec == SDP_CODEC_UNKNOWN || format->clock_hz < info->clock_min ||
        format->clock_hz > info->clock_max || format->channels < 1 ||
        format->channels > info->channels_max)
        return false;
    /* Each combination of these is a packet layout of its own (RFC 4867 §8.3.1); FFmpeg knows the
     * plain ones. */
    if (format->codec == SDP_CODEC_AMR || format->codec == SDP_CODEC_AMR_WB)
        return !fmtp_is_on(format->fmtp, VIEW_LIT("crc")) &&
               !fmtp_is_on(format->fmtp, VIEW_LIT("robust-sorting")) &&
               !fmtp_is_on(format->fmtp, VIEW_LIT("interleaving"));
    return true;
}

/* What of an offered fmtp goes back, by payload format. Everything else either binds only whoever
 * wrote it, or would limit what the SRC may send, and a recorder takes all it can get. */
static const struct {
    enum sdp_codec codec;
    struct view name;
} answered[] = {
    /* RFC 4867 §8.3.1: unmodified in the answer, or the payload type is removed. */
    {SDP_CODEC_AMR, VIEW("octet-align")},
    {SDP_CODEC_AMR, VIEW("crc")},
    {SDP_CODEC_AMR, VIEW("robust-sorting")},
    {SDP_CODEC_AMR, VIEW("interleaving")},
    {SDP_CODEC_AMR, VIEW("mode-set")}, /* both directions use the same set */
    {SDP_CODEC_AMR_WB, VIEW("octet-align")},
    {SDP_CODEC_AMR_WB, VIEW("crc")},
    {SDP_CODEC_AMR_WB, VIEW("robust-sorting")},
    {SDP_CODEC_AMR_WB, VIEW("interleaving")},
    {SDP_CODEC_AMR_WB, VIEW("mode-set")},
    {SDP_CODEC_ILBC, VIEW("mode")}, /* RFC 3952 §5: 20 or 30, the same on both sides */
    /* RFC 7587 §7.1: what a receiver prefers; agreeing to what the sender does anyway. */
    {SDP_CODEC_OPUS, VIEW("minptime")},
    {SDP_CODEC_OPUS, VIEW("useinbandfec")},
    {SDP_CODEC_OPUS, VIEW("usedtx")},
    {SDP_CODEC_OPUS, VIEW("stereo")},
};

/* Text that may be printed into a line of our own: no control bytes. */
static bool printable(struct view v)
{
    for (size_t i = 0; i < v.len; i++) {
        if ((unsigned char)v.at[i] < ' ' || v.at[i] == 0x7f)
            return false;
    }
    return true;
}

static void print_named_fmtp(struct writer *w, const struct sdp_format *format)
{
    bool first = true;
    for (size_t i = 0; i < sizeof answered / sizeof answered[0]; i++) {
        struct view value;
        if (answered[i].codec != format->codec ||
            !sdp_fmtp_find(format->fmtp, answered[i].name, &value) || !printable(value))
            continue;
        if (first)
            writer_printf(w, "a=fmtp:%u ", (unsigned)format->payload_type);
        else
            writer_string(w, ";");
        writer_view(w, answered[i].name);
        if (value.len) {
            writer_string(w, "=");
            writer_view(w, value);
        }
        first = false;
    }
    if (!first)
        writer_string(w, "\r\n");
}

/* "0-15", "0-15,16", "0-11,66": digits, commas, hyphens, and blanks after a comma. */
static bool is_event_list(struct view v)
{
    for (size_t i = 0; i < v.len; i++) {
        bool digit = v.at[i] >= '0' && v.at[i] <= '9';
        if (!digit && v.at[i] != ',' && v.at[i] != '-' && v.at[i] != ' ')
            return false;
    }
    return v.len > 0;
}

static void print_fmtp(struct writer *w, const struct sdp_format *format)
{
    unsigned payload_type = format->payload_type;
    switch (infos[format->codec].fmtp) {
    case FMTP_NAMED:
        print_named_fmtp(w, format);
        break;
    case FMTP_EVENTS: /* RFC 4733 §2.5.2.1: must be there; without one in the offer it is 0-15
                         (§2.4.1) */
        writer_printf(w, "a=fmtp:%u " VIEW_FMT "\r\n", payload_type,
                      VIEW_ARG(is_event_list(format->fmtp) ? format->fmtp : VIEW_LIT("0-15")));
        break;
    case FMTP_SAME:
        if (format->fmtp.len && printable(format->fmtp))
            writer_printf(w, "a=fmtp:%u " VIEW_FMT "\r\n", payload_type, VIEW_ARG(format->fmtp));
        break;
    }
}

void sdp_format_print(struct writer *w, const struct sdp_format *format)
{
    writer_printf(w, "a=rtpmap:%u %s/%u", (unsigned)format->payload_type,
                  sdp_codec_name(format->codec), (unsigned)format->clock_hz);
    if (format->channels > 1)
        writer_printf(w, "/%u", (unsigned)format->channels);
    writer_string(w, "\r\n");
    print_fmtp(w, format);
}
